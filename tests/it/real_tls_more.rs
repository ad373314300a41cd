//! Real servers and clients in what is rarer: client certificates, LMTP and ManageSieve with STARTTLS, TLS passed through.
//! Takes the shared servers, and a Dovecot of its own; gives what the server answered and what was recorded.
//! Does not look into TLS itself.

use std::net::SocketAddr;

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::support::{
    certs::Key,
    clients::{gnutls_cli, mbsync, s_client},
    dovecot::{Dovecot, Options, PASSWORD},
    findings::Because,
    free_address, is_listening,
    jobs::{assert_same, delivered, secure_script},
    process::Ran,
    servers::{server_names, servers, user},
    through::Through,
    wait_for,
};

/// What the command-line clients of TLS do with the input they are given.
const HASTY: Because = ("early-talk", "openssl and gnutls-cli send their input before the server has greeted them");

#[test]
fn dovecot_lets_in_by_the_certificate_that_mailtap_shows() {
    let servers = servers();
    let root = servers.root.display().to_string();
    let name = user("cert");
    // What the certificate says is who one is; there is no password.
    let extra = format!(
        "ssl_ca = <{root}\nssl_require_crl = no\nssl_verify_client_cert = yes\nauth_ssl_username_from_cert = yes\n\
         passdb {{\n  driver = static\n  mechanisms = external\n  args = nopassword=y\n}}\n"
    );
    let chain = servers.authority.issue(&server_names(), Key::Ecdsa);
    let dovecot = Dovecot::start(&Options { extra, ..Options::new(chain) });
    let identity = servers.authority.client(&name);
    let certificate = dovecot.keep_file("client.pem", &identity.certificates).display().to_string();
    let key = dovecot.keep_file("client-key.pem", &identity.key).display().to_string();
    let shown = ["--upstream-ca", &root, "--upstream-cert", &certificate, "--upstream-key", &key];

    let login = b"a AUTHENTICATE EXTERNAL =\r\nb LOGOUT\r\n";
    for (scheme, server, more) in [("imaps", dovecot.imaps, &[][..]), ("imap", dovecot.imap, &["-starttls", "imap"])] {
        let through = Through::start(scheme, server, &shown).knowing(&[HASTY]);
        let ran = s_client(through.address(), &through.ca(), more, login);
        assert!(ran.text().contains("a OK "), "{ran}\n{}", dovecot.log());
        let recording = &through.check_secure(1).recordings[0];
        let leg = recording.of_kind("tls").into_iter().find(|event| event["from"] == "server").expect("an event");
        assert_eq!(leg["client_certificate"], "given", "{leg}");
        let logged = format!("Login: user=<{name}>, method=EXTERNAL");
        assert!(dovecot.log().contains(&logged), "Dovecot knows who it is by the certificate: {}", dovecot.log());
    }

    // Without it the server asks in vain, and mailtap says that it asked.
    let through = Through::start("imaps", dovecot.imaps, &["--upstream-ca", &root]).knowing(&[
        HASTY,
        ("tls-client-certificate", "the server asks for a certificate, and mailtap has none to show"),
    ]);
    let ran = s_client(through.address(), &through.ca(), &[], login);
    assert!(!ran.text().contains("a OK "), "{ran}");
    let recording = &through.check_secure(1).recordings[0];
    let leg = recording.of_kind("tls").into_iter().find(|event| event["from"] == "server").expect("an event");
    assert_eq!(leg["client_certificate"], "asked", "{leg}");
}

#[test]
fn smtplib_upgrades_lmtp() {
    let job = |address: SocketAddr, user: &str, ca: &std::path::Path| {
        let seen = secure_script("smtp_job.py", &["lmtp"], address, user, "none", ca, false);
        format!("{seen}{}", delivered(user, 3))
    };
    let root = servers().root.as_path();
    let direct = job(servers().dovecot.lmtp, &user("direct"), root);
    let through = Through::start("lmtp", servers().dovecot.lmtp, &["--upstream-ca", &root.display().to_string()]);
    let seen = job(through.address(), &user("behind"), &through.ca());
    assert_same(&direct, &seen);
    let recording = &through.check_secure(1).recordings[0];
    for side in ["client", "server"] {
        let leg = recording.of_kind("tls").into_iter().find(|event| event["from"] == side).expect("an event");
        assert_eq!((&leg["how"], &leg["error"]), (&"starttls".into(), &serde_json::Value::Null), "{leg}");
    }
    assert!(recording.of_kind("raw").is_empty(), "{}", recording.dump());
}

/// Runs a program on a server, trusting the certificate in the file.
type Client<'a> = dyn Fn(SocketAddr, &std::path::Path) -> Ran + 'a;

#[test]
fn openssl_and_gnutls_upgrade_managesieve() {
    let servers = servers();
    let address = free_address();
    let installed = std::path::Path::new("/usr/lib/dovecot/managesieve").exists();
    assert!(installed, "package `dovecot-managesieved` is missing; tests/setup.sh installs it");
    let extra = format!(
        "protocols = imap pop3 lmtp submission sieve\nservice managesieve-login {{\n  inet_listener sieve {{\n    \
         address = 127.0.0.1\n    port = {}\n  }}\n}}\nplugin {{\n  sieve = file:~/sieve;active=~/.dovecot.sieve\n}}\n",
        address.port()
    );
    let chain = servers.authority.issue(&server_names(), Key::Rsa);
    let dovecot = Dovecot::start(&Options { extra, ..Options::new(chain) });
    wait_for("ManageSieve", || is_listening(address).then_some(()));

    let name = user("sieve");
    let login = STANDARD.encode(format!("\0{name}\0{PASSWORD}"));
    // gnutls-cli takes lines as they are typed, so one that ends the session comes last.
    let script = format!(
        "AUTHENTICATE \"PLAIN\" \"{login}\"\r\nPUTSCRIPT \"one\" {{6+}}\r\nkeep;\n\r\nLISTSCRIPTS\r\nSTARTTLS\r\nLOGOUT\r\n"
    );
    let root = servers.root.as_path();
    let through = Through::start("sieve", address, &["--upstream-ca", &root.display().to_string()])
        .knowing(&[HASTY, ("capability-not-offered", "a script says STARTTLS a second time, within TLS")]);
    let (ca, behind) = (through.ca(), through.address());
    let clients: [&Client<'_>; 3] = [
        &|address, ca| s_client(address, ca, &["-starttls", "sieve", "-tls1_2"], script.as_bytes()),
        &|address, ca| s_client(address, ca, &["-starttls", "sieve", "-tls1_3"], script.as_bytes()),
        &|address, ca| gnutls_cli(address, ca, Some("sieve"), script.as_bytes()),
    ];
    for client in clients {
        let (direct, seen) = (client(address, root), client(behind, ca.as_path()));
        for ran in [&direct, &seen] {
            assert!(
                ran.text().contains("\"one\"") && ran.text().contains("Logout completed"),
                "{ran}{}",
                dovecot.log()
            );
        }
        assert_eq!(direct.code, seen.code, "{direct}\n{seen}");
    }
    for recording in through.check_secure(3).recordings {
        let verbs = recording.verbs();
        let wanted = ["STARTTLS", "AUTHENTICATE", "PUTSCRIPT", "LISTSCRIPTS", "STARTTLS", "LOGOUT"];
        assert!(verbs.ends_with(&wanted.map(str::to_owned)), "{verbs:?}");
        // Within TLS the server refuses another one, and the session goes on.
        assert_eq!(recording.of_kind("tls").len(), 2, "{}", recording.dump());
        assert!(recording.of_kind("raw").is_empty(), "{}", recording.dump());
    }
}

/// A server that takes no login before TLS says so in its greeting, and a client that heard that would give up.
#[test]
fn mbsync_logs_in_where_mailtap_itself_upgrades_a_server_without_plaintext_logins() {
    let servers = servers();
    let chain = servers.authority.issue(&server_names(), Key::Ecdsa);
    // To Dovecot a client at its own address is as good as within TLS; from here one comes to this address by another.
    let extra = "listen = 127.0.0.1, 127.0.0.2\ndisable_plaintext_auth = yes\n".to_owned();
    let dovecot = Dovecot::start(&Options { extra, ..Options::new(chain) });
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], dovecot.imap.port()));
    let root = servers.root.display().to_string();
    for (left, tls) in [("imap", "SSLType None"), ("imaps", "SSLType IMAPS\nCertificateFile")] {
        let through = Through::unequal(left, "imap+starttls", elsewhere, &["--upstream-ca", &root]);
        let folder = tempfile::tempdir().expect("a folder");
        let name = user("required");
        let tls = if left == "imaps" { format!("{tls} {}", through.ca().display()) } else { tls.to_owned() };
        let text = format!(
            "IMAPAccount server\nHost localhost\nPort {}\nUser {}\nPass {PASSWORD}\n{tls}\nAuthMechs *\n\n\
             IMAPStore far\nAccount server\n\nMaildirStore near\nPath {root}/mail/\nInbox {root}/mail/INBOX\n\n\
             Channel all\nFar :far:\nNear :near:\nCreate Near\nSyncState *\n",
            through.address().port(),
            name,
            root = folder.path().display(),
        );
        std::fs::create_dir(folder.path().join("mail")).expect("a folder for mail");
        mbsync(folder.path(), &text).expect_ok();
        let recording = &through.mailtap.recordings(1)[0];
        assert_eq!(recording.one("close")["user"].as_str(), Some(name.as_str()), "{}", recording.dump());
        let greeting = recording.one("greeting");
        assert!(greeting["values"].to_string().contains("LOGINDISABLED"), "{greeting}");
        assert!(recording.note_codes().contains(&"capabilities-hidden".to_owned()), "{}", recording.dump());
    }
}

/// What the two ends say is what each of them hears, byte for byte, and the client is shown the server's own certificate.
#[test]
fn tls_passes_through_untouched_to_real_servers() {
    let servers = servers();
    let (dovecot, postfix) = (&servers.dovecot, &servers.postfix);
    for (scheme, server, upgrade, quit) in [
        ("imaps", dovecot.imaps, None, &b"a LOGOUT\r\n"[..]),
        ("imap", dovecot.imap, Some("imap"), b"a LOGOUT\r\n"),
        ("pop3", dovecot.pop3, Some("pop3"), b"QUIT\r\n"),
        ("submissions", postfix.submissions, None, b"QUIT\r\n"),
        ("submission", postfix.submission, Some("smtp"), b"QUIT\r\n"),
    ] {
        for (option, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
            let through = Through::start(scheme, server, &["--passthrough", "127.0.0.1"]);
            let more = upgrade.map_or(vec![option], |protocol| vec![option, "-starttls", protocol]);
            s_client(through.address(), &servers.root, &more, quit).expect_ok();
            let secured = through.check_secure(1);
            let (near, far) = (&secured.client_side[0], &secured.server_side[0]);
            assert_eq!(near.client(), far.client(), "{scheme} {version}");
            assert_eq!(near.server(), far.server(), "{scheme} {version}");
            let recording = &secured.recordings[0];
            let leg = recording.of_kind("tls").into_iter().find(|event| event["from"] == "server").expect("an event");
            assert_eq!(leg["version"], version, "{leg}");
            assert!(leg["cipher"].as_str().is_some_and(|cipher| cipher.starts_with("TLS_")), "{leg}");
            let close = recording.one("close");
            assert_eq!(close["client_bytes"], near.client().len(), "{}", recording.dump());
            assert_eq!(close["server_bytes"], near.server().len(), "{}", recording.dump());
        }
    }
}
