//! Real servers with certificates of every kind, good and bad, in RSA and ECDSA, and with one version of TLS alone.
//! Takes a Dovecot and a Postfix of its own for each; gives what clients were told and what was recorded.
//! Does not look into TLS itself.

use std::net::SocketAddr;
use std::path::Path;

use crate::real_tls::HASTY;
use crate::support::{
    certs::{Authority, Chain, Key, self_signed_with},
    clients::s_client,
    dovecot::{self, Dovecot},
    findings::Because,
    free_address,
    postfix::{self, Postfix},
    recording::Recording,
    servers::{server_names, servers},
    through::{Secured, Through},
};

/// One protocol: its schemes with and without TLS, what a sentence begins with from the first byte and behind an upgrade,
/// what a good server says, and how a client leaves.
struct Protocol {
    implicit: &'static str,
    plain: &'static str,
    upgrade: &'static str,
    sentence: &'static str,
    refusal: &'static str,
    good: &'static str,
    quit: &'static [u8],
}

const POP3: Protocol = Protocol {
    implicit: "pop3s",
    plain: "pop3",
    upgrade: "pop3",
    sentence: "-ERR ",
    refusal: "-ERR ",
    good: "+OK",
    quit: b"QUIT\r\n",
};

const IMAP: Protocol = Protocol {
    implicit: "imaps",
    plain: "imap",
    upgrade: "imap",
    sentence: "* BYE [UNAVAILABLE] ",
    refusal: " NO ",
    good: "* OK",
    quit: b"a LOGOUT\r\n",
};

const SUBMISSION: Protocol = Protocol {
    implicit: "submissions",
    plain: "submission",
    upgrade: "smtp",
    sentence: "421 4.7.5 ",
    refusal: "454 4.7.0 ",
    good: "220 ",
    quit: b"QUIT\r\n",
};

/// A Dovecot and a Postfix that show this chain, with what both of them or one of them is to be told besides.
struct Pair {
    dovecot: Dovecot,
    postfix: Postfix,
}

/// A server: its protocol, where it has TLS from the first byte, and where it has to be upgraded.
type Server = (&'static Protocol, SocketAddr, SocketAddr);

impl Pair {
    #[track_caller]
    fn showing(chain: &Chain, tls_min: &'static str, dovecot_extra: &str, postfix_extra: &str) -> Pair {
        let extra = dovecot_extra.to_owned();
        let dovecot = Dovecot::start(&dovecot::Options { tls_min, extra, ..dovecot::Options::new(chain.clone()) });
        let postfix = Postfix::start(&postfix::Options {
            chain: chain.clone(),
            auth_socket: dovecot.auth_socket.clone(),
            lmtp: dovecot.lmtp,
            smtp: free_address(),
            extra: postfix_extra.to_owned(),
        });
        Pair { dovecot, postfix }
    }

    /// Dovecot's services, and Postfix with TLS from the first byte and with an upgrade.
    fn servers(&self) -> [Server; 4] {
        let Pair { dovecot, postfix } = self;
        [
            (&POP3, dovecot.pop3s, dovecot.pop3),
            (&IMAP, dovecot.imaps, dovecot.imap),
            (&SUBMISSION, dovecot.submissions, dovecot.submission),
            (&SUBMISSION, postfix.submissions, postfix.submission),
        ]
    }

    /// What holds for each of them; half of the time is waiting for programs, and a failure in a thread fails the test.
    #[track_caller]
    fn each(&self, test: impl Fn(Server) + Sync) {
        std::thread::scope(|scope| {
            for server in self.servers() {
                let test = &test;
                scope.spawn(move || test(server));
            }
        });
    }
}

/// What is found with a server whose TLS or certificate is not to be had.
const BAD_SERVER: &[Because] = &[
    ("tls-unverified", "its certificate is a bad one"),
    ("tls-version", "it has old versions of TLS alone"),
    ("tls-closed", "Dovecot sends no alert where it has no version in common"),
    ("tls-advice", "there is something to be done about it"),
    ("certificate-name", "one of the bad ones is for another name"),
    ("upstream-tls", "an upgrade that the server accepted cannot be had with it"),
    ("upstream-unverified", "--upstream-insecure lets it pass"),
    ("raw", "what a client says where there is no server has no meaning"),
    HASTY,
];

/// The server leg's `tls` event.
#[track_caller]
fn server_leg(secured: &Secured) -> &serde_json::Value {
    let recording = &secured.recordings[0];
    let event = recording.of_kind("tls").into_iter().find(|event| event["from"] == "server");
    event.unwrap_or_else(|| panic!("no tls event of the server in\n{}", recording.dump()))
}

impl Protocol {
    /// Why the server leg cannot be had is told within TLS, behind an upgrade and in the recording, in these words.
    /// Gives the recording of TLS from the first byte.
    #[track_caller]
    fn refuses(&self, implicit: SocketAddr, plain: SocketAddr, root: &str, words: &[&str]) -> Recording {
        let has_words = |text: &str| words.iter().all(|word| text.contains(word));
        let through = Through::start(self.implicit, implicit, &["--upstream-ca", root]).knowing(BAD_SERVER);
        let ran = s_client(through.address(), &through.ca(), &[], self.quit);
        assert!(ran.text().starts_with(self.sentence) && ran.text().contains("mailtap: "), "{ran}");
        assert!(has_words(&ran.text()), "no word of {words:?} to the client: {ran}");
        let mut secured = through.check_secure(1);
        let error = server_leg(&secured)["error"].to_string();
        assert!(has_words(&error), "no word of {words:?} in {error}");
        let recording = secured.recordings.remove(0);

        let through = Through::start(self.plain, plain, &["--upstream-ca", root]).knowing(BAD_SERVER);
        let ran = s_client(through.address(), &through.ca(), &["-starttls", self.upgrade], self.quit);
        assert!(!ran.is_ok(), "an upgrade that the server leg cannot have: {ran}");
        let secured = through.check_secure(1);
        let told = String::from_utf8_lossy(&secured.client_side[0].server()).into_owned();
        let told = told.lines().find(|line| line.contains("mailtap: ")).unwrap_or_default();
        assert!(told.contains(self.refusal) && has_words(told), "no word of {words:?} behind the upgrade: {told}");
        recording
    }

    /// With `--upstream-insecure` the same server will do, and the session says so.
    #[track_caller]
    fn accepts_unverified(&self, implicit: SocketAddr, wrong_name: bool) {
        let through = Through::start(self.implicit, implicit, &["--upstream-insecure"]).knowing(BAD_SERVER);
        let ran = s_client(through.address(), &through.ca(), &[], self.quit).expect_ok();
        assert!(ran.text().starts_with(self.good), "{ran}");
        let secured = through.check_secure(1);
        assert_eq!(server_leg(&secured)["verified"], "skipped");
        let codes = secured.recordings[0].note_codes();
        assert!(codes.contains(&"upstream-unverified".to_owned()), "{codes:?}");
        assert_eq!(codes.contains(&"certificate-name".to_owned()), wrong_name, "{codes:?}");
    }

    /// Both ways in are good, and this is what was agreed on.
    #[track_caller]
    fn accepts(&self, implicit: SocketAddr, plain: SocketAddr, root: &str, version: &str) {
        for (scheme, server, more) in
            [(self.implicit, implicit, &[][..]), (self.plain, plain, &["-starttls", self.upgrade])]
        {
            let through = Through::start(scheme, server, &["--upstream-ca", root]).knowing(&[HASTY]);
            let ran = s_client(through.address(), &through.ca(), more, self.quit).expect_ok();
            if more.is_empty() {
                assert!(ran.text().starts_with(self.good), "{ran}");
            }
            let secured = through.check_secure(1);
            let leg = server_leg(&secured);
            assert_eq!((&leg["version"], &leg["verified"]), (&version.into(), &true.into()), "{leg}");
            assert!(leg["cipher"].is_string() && leg["group"].is_string() && leg["error"].is_null(), "{leg}");
        }
    }
}

/// The root of an authority in a file.
fn root_file(folder: &Path, authority: &Authority) -> String {
    let path = folder.join("root.pem");
    std::fs::write(&path, authority.root()).expect("writes");
    path.display().to_string()
}

/// Servers with a bad chain, RSA and ECDSA from the root to the leaf.
#[track_caller]
fn refused(word: &str, chain: impl Fn(&Authority, Key) -> Chain) {
    for key in [Key::Ecdsa, Key::Rsa] {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::with(key);
        let root = &root_file(folder.path(), &authority);
        Pair::showing(&chain(&authority, key), "TLSv1.2", "", "").each(|(protocol, implicit, plain)| {
            protocol.refuses(implicit, plain, root, &[word]);
            protocol.accepts_unverified(implicit, word == "other.test");
        });
    }
}

#[test]
fn an_expired_certificate_is_told_to_the_client() {
    refused("expired", |authority, key| authority.expired(&server_names(), key));
}

#[test]
fn a_wrong_name_is_told_to_the_client() {
    refused("other.test", |authority, key| authority.issue(&["other.test"], key));
}

#[test]
fn a_self_signed_certificate_is_told_to_the_client() {
    refused("self-signed", |_, key| self_signed_with(&server_names(), key));
}

#[test]
fn a_missing_intermediate_is_told_to_the_client() {
    refused("intermediate", |authority, key| authority.without_intermediate(&server_names(), key));
}

/// Restricts OpenSSL within Dovecot, whose own settings know only the lowest version.
fn dovecot_up_to(folder: &Path, version: &str) -> String {
    let file = folder.join("openssl.cnf");
    let text = format!(
        "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = limits\n[limits]\n\
         MaxProtocol = {version}\nCipherString = DEFAULT:@SECLEVEL=0\n"
    );
    std::fs::write(&file, text).expect("writes");
    // Dovecot's own user reads it.
    std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
    format!(
        "import_environment = $import_environment OPENSSL_CONF={}\nssl_cipher_list = DEFAULT:@SECLEVEL=0\n",
        file.display()
    )
}

/// Good chains with their intermediate, RSA and ECDSA, on servers with one version of TLS alone.
#[test]
fn servers_with_one_version_alone_and_good_chains_of_both_kinds() {
    for (key, version) in
        [(Key::Ecdsa, "TLSv1.2"), (Key::Rsa, "TLSv1.2"), (Key::Ecdsa, "TLSv1.3"), (Key::Rsa, "TLSv1.3")]
    {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::with(key);
        let root = &root_file(folder.path(), &authority);
        let chain = authority.issue_below_intermediate(&server_names(), key);
        let of_dovecot = dovecot_up_to(folder.path(), version);
        let of_postfix =
            format!("smtpd_tls_protocols = >={version}, <={version}\nsmtpd_tls_mandatory_protocols = {version}\n");
        Pair::showing(&chain, version, &of_dovecot, &of_postfix)
            .each(|(protocol, implicit, plain)| protocol.accepts(implicit, plain, root, version));
    }
}

/// A server with old versions alone: the client is told which versions mailtap speaks, and what is to be done.
#[test]
fn a_server_with_old_versions_alone_is_told_to_the_client() {
    let root = &servers().root.display().to_string();
    for version in ["TLSv1", "TLSv1.1"] {
        let folder = tempfile::tempdir().expect("a folder");
        let of_dovecot = dovecot_up_to(folder.path(), version);
        let of_postfix = format!(
            "smtpd_tls_protocols = {version}\nsmtpd_tls_mandatory_protocols = {version}\n\
             smtpd_tls_ciphers = medium\nsmtpd_tls_mandatory_ciphers = medium\n\
             tls_medium_cipherlist = DEFAULT:@SECLEVEL=0\n"
        );
        let chain = servers().authority.issue(&server_names(), Key::Rsa);
        let pair = Pair::showing(&chain, "TLSv1", &of_dovecot, &of_postfix);
        let option = if version == "TLSv1" { "-tls1" } else { "-tls1_1" };
        pair.each(|(protocol, implicit, plain)| {
            // It is an old server and not a broken one.
            let old = [option, "-cipher", "DEFAULT:@SECLEVEL=0"];
            s_client(implicit, Path::new(root), &old, protocol.quit).expect_ok();
            let recording = protocol.refuses(implicit, plain, root, &["TLSv1.2", "TLSv1.3"]);
            let advice = recording.of_kind("note").into_iter().find(|note| note["code"] == "tls-advice");
            assert!(advice.is_some_and(|note| note["text"].to_string().contains("updated")), "{}", recording.dump());
        });
    }
}

/// A client with old versions alone, from the first byte and behind an upgrade: what it offers is told, and what to do.
#[test]
fn a_client_with_old_versions_alone_is_recorded() {
    let (dovecot, postfix) = (&servers().dovecot, &servers().postfix);
    let root = &servers().root.display().to_string();
    for (option, version) in [("-tls1", "TLSv1.0"), ("-tls1_1", "TLSv1.1")] {
        for (protocol, implicit, plain) in [
            (&POP3, dovecot.pop3s, dovecot.pop3),
            (&IMAP, dovecot.imaps, dovecot.imap),
            (&SUBMISSION, postfix.submissions, postfix.submission),
        ] {
            let upgrade = ["-starttls", protocol.upgrade];
            for (scheme, server, more) in [(protocol.implicit, implicit, &[][..]), (protocol.plain, plain, &upgrade)] {
                let through = Through::start(scheme, server, &["--upstream-ca", root]);
                let old = [&[option, "-cipher", "DEFAULT:@SECLEVEL=0"], more].concat();
                let ran = s_client(through.address(), &through.ca(), &old, protocol.quit);
                assert!(!ran.is_ok() && ran.errors().contains("alert protocol version"), "{ran}");
                // From the first byte there is no connection to the server then.
                let recording = &through.mailtap.recordings(1)[0];
                let leg = recording.of_kind("tls").into_iter().find(|event| event["from"] == "client");
                let error = leg.expect("an event")["error"].to_string();
                assert!(
                    error.contains(&format!("offers only {version}; mailtap speaks TLSv1.2 and TLSv1.3")),
                    "{error}"
                );
                let note = recording.of_kind("note").into_iter().find(|note| note["code"] == "tls-version");
                assert!(note.is_some_and(|note| note["text"].to_string().contains("newer version of the client")));
            }
        }
    }
}
