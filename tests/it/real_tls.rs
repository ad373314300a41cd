//! Real clients and servers with TLS on either leg or both, each job directly and through mailtap with the same outcome.
//! Takes the shared servers; gives what clients saw and what was recorded.
//! Does not look into TLS itself, save where tshark decrypts it with the key log.

use std::net::SocketAddr;

use crate::support::{
    capture::write_pcap,
    clients::{curl, curl_with, gnutls_cli, s_client, tshark, tshark_decrypt},
    dovecot::PASSWORD,
    findings::Because,
    jobs::{assert_same, delivered, script, secure_script, seed},
    process::Ran,
    servers::{servers, user},
    through::{Secured, Through},
};

/// How a client talks TLS.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tls {
    None,
    Upgrade,
    Implicit,
}

/// One protocol: its job, its servers, and its schemes with and without TLS.
struct Protocol {
    job: fn(SocketAddr, &str, Option<(&std::path::Path, bool)>) -> String,
    plain: (&'static str, SocketAddr),
    implicit: (&'static str, SocketAddr),
}

impl Protocol {
    fn pop3() -> Self {
        let dovecot = &servers().dovecot;
        Self { job: pop3_job, plain: ("pop3", dovecot.pop3), implicit: ("pop3s", dovecot.pop3s) }
    }

    fn imap() -> Self {
        let dovecot = &servers().dovecot;
        Self { job: imap_job, plain: ("imap", dovecot.imap), implicit: ("imaps", dovecot.imaps) }
    }

    fn submission() -> Self {
        let postfix = &servers().postfix;
        Self {
            job: submission_job,
            plain: ("submission", postfix.submission),
            implicit: ("submissions", postfix.submissions),
        }
    }

    /// The job directly with the server and through a route of these schemes; the bytes that mailtap must edit when the
    /// legs are unequal, the offer of an upgrade, are left out of the comparison.
    #[track_caller]
    fn compare(&self, left: &str, right: &str, tls: Tls) -> Secured {
        let root = servers().root.as_path();
        let direct_server = if tls == Tls::Implicit { self.implicit.1 } else { self.plain.1 };
        let server = if right == self.implicit.0 { self.implicit.1 } else { self.plain.1 };
        let how = |ca| (tls != Tls::None).then_some((ca, tls == Tls::Implicit));
        let direct = (self.job)(direct_server, &user("direct"), how(root));
        let through = Through::unequal(left, right, server, &["--upstream-ca", &root.display().to_string()]);
        let ca = through.ca();
        let seen = (self.job)(through.address(), &user("behind"), how(ca.as_path()));
        let (direct, seen) = match tls {
            Tls::Upgrade => (direct, seen),
            _ => (without_upgrade(&direct), without_upgrade(&seen)),
        };
        if right.ends_with("+starttls") {
            // A greeting from before TLS is passed on without its capabilities.
            assert_same(&without_capabilities(&direct, "greeting "), &without_capabilities(&seen, "greeting "));
        } else {
            assert_same(&direct, &seen);
        }
        through.check_secure(1)
    }

    #[track_caller]
    fn both_encrypted(&self, scheme: &str, tls: Tls) {
        let secured = self.compare(scheme, scheme, tls);
        for side in ["client", "server"] {
            assert_tls(&secured, side, if tls == Tls::Upgrade { "starttls" } else { "implicit" });
        }
    }
}

fn pop3_job(address: SocketAddr, user: &str, tls: Option<(&std::path::Path, bool)>) -> String {
    seed(user);
    let seen = match tls {
        None => script("pop3_job.py", &[], address, user, "pass"),
        Some((ca, implicit)) => secure_script("pop3_job.py", &[], address, user, "pass", ca, implicit),
    };
    format!("{seen}{}", delivered(user, 2))
}

fn imap_job(address: SocketAddr, user: &str, tls: Option<(&std::path::Path, bool)>) -> String {
    let seen = match tls {
        None => script("imap_job.py", &[], address, user, "login"),
        Some((ca, implicit)) => secure_script("imap_job.py", &[], address, user, "login", ca, implicit),
    };
    format!("{seen}{}", delivered(user, 2))
}

fn submission_job(address: SocketAddr, user: &str, tls: Option<(&std::path::Path, bool)>) -> String {
    let seen = match tls {
        None => script("smtp_job.py", &["smtp"], address, user, "plain"),
        Some((ca, implicit)) => secure_script("smtp_job.py", &["smtp"], address, user, "plain", ca, implicit),
    };
    format!("{seen}{}", delivered(user, 3))
}

/// What was seen without the words that offer an upgrade, in the spellings of the scripts.
///
/// Dovecot puts its capabilities into the answer to LOGIN when the connection was upgraded and not otherwise, so that
/// goes too.
fn without_upgrade(seen: &str) -> String {
    let words = ["'STLS': [], ", "\\nSTARTTLS", " STARTTLS", "'STARTTLS', "];
    let text = words.iter().fold(seen.to_owned(), |text, word| text.replace(word, ""));
    without_capabilities(&text, "login ")
}

/// The same without the code that lists capabilities, in lines that begin so.
fn without_capabilities(seen: &str, begins: &str) -> String {
    let without = |line: &str| match (line.starts_with(begins), line.split_once("[CAPABILITY ")) {
        (true, Some((before, code))) => before.to_owned() + code.split_once("] ").map_or("", |(_, after)| after),
        _ => line.to_owned(),
    };
    seen.lines().map(|line| without(line) + "\n").collect()
}

/// The `tls` event of one leg says everything.
#[track_caller]
fn assert_tls(secured: &Secured, side: &str, how: &str) {
    let recording = &secured.recordings[0];
    let event = recording
        .of_kind("tls")
        .into_iter()
        .find(|event| event["from"] == side)
        .unwrap_or_else(|| panic!("no tls event of the {side} in\n{}", recording.dump()));
    assert_eq!(event["how"], how, "{event}");
    assert!(event["version"].as_str().is_some_and(|version| version.contains("1.3")), "{event}");
    assert!(event["cipher"].is_string() && event["error"].is_null(), "{event}");
    if side == "server" {
        assert_eq!(event["verified"], true, "{event}");
        assert!(event["certificate"]["not_after"].is_string(), "{event}");
        assert!(event["certificate"]["names"].to_string().contains("mail.test"), "{event}");
    }
}

#[test]
fn pop3_with_stls_on_both_legs() {
    Protocol::pop3().both_encrypted("pop3", Tls::Upgrade);
}

#[test]
fn pop3_with_implicit_tls_on_both_legs() {
    Protocol::pop3().both_encrypted("pop3s", Tls::Implicit);
}

#[test]
fn pop3_with_tls_for_the_client_alone() {
    assert_tls(&Protocol::pop3().compare("pop3s", "pop3", Tls::Implicit), "client", "implicit");
}

#[test]
fn pop3_with_tls_for_the_server_alone() {
    assert_tls(&Protocol::pop3().compare("pop3", "pop3s", Tls::None), "server", "implicit");
    assert_tls(&Protocol::pop3().compare("pop3", "pop3+starttls", Tls::None), "server", "starttls");
}

#[test]
fn imap_with_starttls_on_both_legs() {
    Protocol::imap().both_encrypted("imap", Tls::Upgrade);
}

#[test]
fn imap_with_implicit_tls_on_both_legs() {
    Protocol::imap().both_encrypted("imaps", Tls::Implicit);
}

#[test]
fn imap_with_tls_for_the_client_alone() {
    assert_tls(&Protocol::imap().compare("imaps", "imap", Tls::Implicit), "client", "implicit");
}

#[test]
fn imap_with_tls_for_the_server_alone() {
    assert_tls(&Protocol::imap().compare("imap", "imaps", Tls::None), "server", "implicit");
    assert_tls(&Protocol::imap().compare("imap", "imap+starttls", Tls::None), "server", "starttls");
}

#[test]
fn openssl_and_gnutls_upgrade_imap() {
    other_stacks("imap", servers().dovecot.imap, "imap", b"q LOGOUT\r\n", "* BYE");
}

#[test]
fn submission_with_starttls_on_both_legs() {
    Protocol::submission().both_encrypted("submission", Tls::Upgrade);
}

#[test]
fn submission_with_implicit_tls_on_both_legs() {
    Protocol::submission().both_encrypted("submissions", Tls::Implicit);
}

#[test]
fn submission_with_tls_for_the_client_alone() {
    assert_tls(&Protocol::submission().compare("submissions", "submission", Tls::Implicit), "client", "implicit");
}

#[test]
fn submission_with_tls_for_the_server_alone() {
    assert_tls(&Protocol::submission().compare("submission", "submissions", Tls::None), "server", "implicit");
    assert_tls(&Protocol::submission().compare("submission", "submission+starttls", Tls::None), "server", "starttls");
}

#[test]
fn submission_upgraded_behind_implicit_tls() {
    let secured = Protocol::submission().compare("submissions", "submission+starttls", Tls::Implicit);
    assert_tls(&secured, "client", "implicit");
    assert_tls(&secured, "server", "starttls");
}

/// What `s_client` does with the input it is given.
pub const HASTY: Because = ("early-talk", "openssl sends its input before the server has greeted it");

/// What `openssl s_client` and `gnutls-cli` read after an upgrade, directly and through mailtap.
#[track_caller]
fn other_stacks(scheme: &str, server: SocketAddr, protocol: &str, quit: &[u8], farewell: &str) {
    let root = servers().root.as_path();
    let through = Through::start(scheme, server, &["--upstream-ca", &root.display().to_string()]).knowing(&[HASTY]);
    let (ca, behind) = (through.ca(), through.address());
    let mut sessions = 0;
    let mut compare = |client: &dyn Fn(SocketAddr, &std::path::Path) -> Ran, version: &str| {
        let (direct, seen) = (client(server, root), client(behind, ca.as_path()));
        assert!(direct.text().contains(farewell), "{version} directly: {direct}");
        assert!(seen.text().contains(farewell), "{version} through mailtap: {seen}");
        // Not always 0: gnutls-cli takes it amiss when a server ends without close_notify, which goes through as well.
        assert_eq!(direct.code, seen.code, "{version}: {direct}\n{seen}");
        sessions += 1;
    };
    for version in ["-tls1_2", "-tls1_3"] {
        compare(&|address, ca| s_client(address, ca, &["-starttls", protocol, version], quit), version);
    }
    compare(&|address, ca| gnutls_cli(address, ca, Some(protocol), quit), "gnutls");
    let secured = through.check_secure(sessions);
    for (recording, version) in secured.recordings.iter().zip(["1.2", "1.3", "1.3"]) {
        let event = recording.of_kind("tls").into_iter().find(|event| event["from"] == "client");
        let found = event.and_then(|event| event["version"].as_str()).unwrap_or_default();
        assert!(found.contains(version), "{found:?} is not TLS {version}\n{}", recording.dump());
    }
}

#[test]
fn openssl_and_gnutls_upgrade_pop3() {
    other_stacks("pop3", servers().dovecot.pop3, "pop3", b"QUIT\r\n", "+OK Logging out");
}

#[test]
fn openssl_and_gnutls_upgrade_smtp() {
    other_stacks("smtp", servers().postfix.smtp, "smtp", b"QUIT\r\n", "221 2.0.0");
}

#[test]
fn curl_with_tls_of_both_versions_and_without_trust() {
    let root = servers().root.display().to_string();
    let through = Through::start("submission", servers().postfix.submission, &["--upstream-ca", &root])
        .knowing(&[("tls-certificate-refused", "curl is once run without the authority")]);
    let (user, ca) = (user("curl"), through.ca().display().to_string());
    let own = format!("{user}@mail.test");
    let send = |more: &[&str]| {
        let url = format!("smtp://{}/client.test", through.address());
        let login = format!("{user}:{PASSWORD}");
        let args = ["--ssl-reqd", "--user", &login, "--mail-from", &own, "--mail-rcpt", &own, "--upload-file", "-"];
        curl_with(
            args.into_iter().chain(more.iter().copied()).chain([url.as_str()]),
            b"Subject: curl\r\n\r\nsecure\r\n",
        )
    };
    send(&["--cacert", &ca, "--tls-max", "1.2"]).expect_ok();
    send(&["--cacert", &ca, "--tlsv1.3"]).expect_ok();
    delivered(&user, 2);
    // 60: the peer's certificate cannot be authenticated with known CAs.
    assert_eq!(send(&[]).code, Some(60));
    let secured = through.check_secure(3);
    let [one, two, three] = &secured.recordings[..] else { panic!("three recordings expected") };
    for (recording, version) in [(one, "1.2"), (two, "1.3")] {
        let versions: Vec<String> = recording.of_kind("tls").iter().map(|event| event["version"].to_string()).collect();
        assert!(versions.iter().any(|found| found.contains(version)), "{versions:?}");
    }
    let refused =
        three.of_kind("tls").into_iter().find(|event| event["from"] == "client" && event["error"].is_string());
    assert!(refused.is_some(), "the client's refusal is recorded:\n{}", three.dump());
}

#[test]
fn curl_reads_pop3s() {
    let through =
        Through::start("pop3s", servers().dovecot.pop3s, &["--upstream-ca", &servers().root.display().to_string()]);
    let user = user("curl");
    seed(&user);
    let ca = through.ca().display().to_string();
    let url = format!("pop3s://{}/2", through.address());
    let ran = curl(["--cacert", &ca, "--user", &format!("{user}:{PASSWORD}"), &url]).expect_ok();
    assert!(ran.text().contains("250 not a reply"), "{ran}");
    through.check_secure(1);
}

/// Both legs of one session, decrypted by tshark with the key log, are what was recorded.
#[track_caller]
fn assert_decrypted(secured: &Secured, port: u16, keys: &str) {
    let recording = &secured.recordings[0];
    for (leg, captures) in [("client", &secured.client_side), ("server", &secured.server_side)] {
        let file = tempfile::NamedTempFile::new().expect("a file for the capture");
        write_pcap(file.path(), captures, port);
        let (client, server) = tshark_decrypt(file.path(), keys);
        assert!(!client.is_empty() && !server.is_empty(), "tshark decrypts nothing of the {leg} leg");
        for (side, decrypted) in [("client", client), ("server", server)] {
            // With STARTTLS the recording begins before TLS does.
            let recorded = recording.stream(side).concat();
            assert!(recorded.ends_with(&decrypted), "{leg} leg: what the {side} sent is not what was recorded");
        }
    }
}

#[test]
fn tshark_decrypts_both_legs_with_the_key_log() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let keys = folder.path().join("keys").display().to_string();
    let root = servers().root.display().to_string();
    let more = ["--upstream-ca", &root, "--keylog", &keys, "--keep-secrets"];

    let through = Through::start("pop3s", servers().dovecot.pop3s, &more);
    let name = user("keys");
    seed(&name);
    secure_script("pop3_job.py", &[], through.address(), &name, "pass", &through.ca(), true);
    let secured = through.check_secure(1);
    assert_decrypted(&secured, 995, &keys);
    for captures in [&secured.client_side, &secured.server_side] {
        let file = tempfile::NamedTempFile::new().expect("a file for the capture");
        write_pcap(file.path(), captures, 995);
        let rows = tshark(file.path(), &["-o", &format!("tls.keylog_file:{keys}")], &["pop.request.command"]);
        let verbs: Vec<String> = rows.into_iter().flatten().flatten().map(|verb| verb.to_uppercase()).collect();
        assert_eq!(verbs, secured.recordings[0].verbs());
    }

    let through = Through::start("submission", servers().postfix.submission, &more);
    secure_script("smtp_job.py", &["smtp"], through.address(), &user("keys"), "plain", &through.ca(), false);
    // Bytes alone here: where one message's CRLF.CRLF is cut by TLS records, tshark's SMTP does not see it and takes
    // everything behind it for the message.
    assert_decrypted(&through.check_secure(1), 25, &keys);
    let mode = std::fs::metadata(&keys).expect("the key log").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the key log is for its owner alone");
}
