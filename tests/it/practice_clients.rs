//! Real mail programs, and the scripted client, at work with the practice server.
//! Takes installed programs; gives nothing but failures.
//! Does not know the protocols.

use std::process::Command;
use std::sync::Arc;

use mailtap::practice::script::{Script, Security, Tls, send_and_fetch};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};

use crate::practice_kit::{PASSWORD, Practice, account};
use crate::support::clients::{curl, curl_with, fetchmail, mbsync, msmtp, python, swaks};
use crate::support::process::Ran;
use crate::support::program;

#[test]
fn the_script_sends_and_fetches_in_every_security() {
    let practice = Practice::start();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(practice.root.as_bytes()).unwrap()).unwrap();
    let config = Arc::new(rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());
    let tls = Tls { config, name: ServerName::try_from("localhost").unwrap() };
    let at = practice.at;
    for (security, submission, imap, pop3) in [
        (Security::None, at.submission, at.imap, at.pop3),
        (Security::StartTls(tls.clone()), at.submission, at.imap, at.pop3),
        (Security::Implicit(tls), at.submissions, at.imaps, at.pop3s),
    ] {
        let script = Script {
            submission: submission.unwrap(),
            imap: imap.unwrap(),
            pop3,
            security,
            account: account("alice"),
            subject: "Hello".to_owned(),
            text: ".first".to_owned(),
        };
        let fetched = practice.block_on(send_and_fetch(&script)).unwrap();
        assert_eq!(fetched.pop3.as_ref(), Some(&fetched.imap));
        assert!(fetched.imap.ends_with(b"\r\n\r\n.first\r\n"));
        assert!(memchr::memmem::find(&fetched.imap, fetched.message_id.as_bytes()).is_some());
        let wrong = Script { account: account("nobody"), ..script };
        let error = practice.block_on(send_and_fetch(&wrong)).unwrap_err().to_string();
        assert!(error.contains("535 5.7.8"), "{error}");
    }
}

#[test]
fn python_sends_fetches_and_sorts() {
    let practice = Practice::start();
    let ports = [practice.at.submission, practice.at.imap, practice.at.pop3].map(|at| at.unwrap().port().to_string());
    assert_eq!(python("practice_session.py", ports).expect_ok().text(), "done\n");
}

#[test]
fn curl_speaks_all_three_over_all_securities() {
    let practice = Practice::start();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.pem");
    std::fs::write(&root, &practice.root).unwrap();
    let root = root.to_str().unwrap();
    let at = practice.at;
    let user = format!("bob:{PASSWORD}");
    let port = |address: Option<std::net::SocketAddr>| address.unwrap().port();
    for (smtp, imap, pop3, more) in [
        (
            format!("smtp://localhost:{}", port(at.submission)),
            format!("imap://localhost:{}", port(at.imap)),
            format!("pop3://localhost:{}", port(at.pop3)),
            "--disable",
        ),
        (
            format!("smtp://localhost:{}", port(at.submission)),
            format!("imap://localhost:{}", port(at.imap)),
            format!("pop3://localhost:{}", port(at.pop3)),
            "--ssl-reqd",
        ),
        (
            format!("smtps://localhost:{}", port(at.submissions)),
            format!("imaps://localhost:{}", port(at.imaps)),
            format!("pop3s://localhost:{}", port(at.pop3s)),
            "--disable",
        ),
    ] {
        let args = ["--ipv4", "--cacert", root, "-u", &user, more];
        let mail = ["--mail-from", "bob@practice.example", "--mail-rcpt", "bob@practice.example", "-T", "-"];
        curl_with([&args[..], &mail, &[&smtp]].concat(), b"Subject: by curl\r\n\r\nx\r\n").expect_ok();
        let found = curl([&args[..], &[&format!("{imap}/INBOX?SUBJECT%20curl")]].concat()).expect_ok();
        assert!(found.text().starts_with("* SEARCH 1"), "{found}");
        let fetched = curl([&args[..], &[&format!("{imap}/INBOX/;UID=1")]].concat()).expect_ok();
        assert!(fetched.text().ends_with("Subject: by curl\r\n\r\nx\r\n"), "{fetched}");
        let listed = curl([&args[..], &[&pop3]].concat()).expect_ok();
        assert!(listed.text().starts_with("1 "), "{listed}");
    }
    let wrong = curl(["-u", "bob:wrong", &format!("imap://127.0.0.1:{}/", port(at.imap))]);
    assert_eq!(wrong.code, Some(67), "{wrong}");
}

#[test]
fn swaks_logs_in_by_every_mechanism_and_is_refused_elsewhere() {
    let practice = Practice::start();
    let at = practice.at.submission.unwrap();
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
        let args = ["--auth", mechanism, "--auth-user", "bob", "--auth-password", PASSWORD];
        let mail = ["--from", "bob@practice.example", "--to", "alice@practice.example"];
        swaks(at, [&args[..], &mail].concat()).expect_ok();
        let away = ["--from", "bob@practice.example", "--to", "x@elsewhere.example"];
        let refused = swaks(at, [&args[..], &away].concat());
        assert!(refused.text().contains("550 5.7.1"), "{refused}");
    }
    let tls = ["--tls", "--auth", "PLAIN", "--auth-user", "bob", "--auth-password", PASSWORD];
    swaks(at, [&tls[..], &["--from", "bob@practice.example", "--to", "alice@practice.example", "--pipeline"]].concat())
        .expect_ok();
    let mut imap = practice.imap("alice");
    assert_eq!(imap.ok("STATUS INBOX (MESSAGES)"), ["* STATUS INBOX (MESSAGES 4)"]);
}

#[test]
fn msmtp_sends_and_fetchmail_fetches() {
    let practice = Practice::start();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.pem");
    std::fs::write(&root, &practice.root).unwrap();
    let at = practice.at;
    let text = format!(
        "account default\nhost localhost\nport {}\nauth scram-sha-256\nuser bob\npassword {PASSWORD}\nfrom bob@practice.example\n\
         tls on\ntls_trust_file {}\n",
        at.submission.unwrap().port(),
        root.display()
    );
    let message = b"Subject: by msmtp\n\n.dot\n";
    let sent = msmtp(folder.path(), &text, &["bob@practice.example", "alice@practice.example"], message);
    sent.expect_ok();
    for (protocol, address, user) in [("POP3", at.pop3, "bob"), ("IMAP", at.imap, "alice")] {
        let text = format!(
            "poll 127.0.0.1 service {} protocol {protocol} auth password username {user} password {PASSWORD} sslproto ''\n\
             mda \"cat > {}/{user}.eml\"\n",
            address.unwrap().port(),
            folder.path().display()
        );
        fetchmail(folder.path(), &text).expect_ok();
        let fetched = std::fs::read_to_string(folder.path().join(format!("{user}.eml"))).unwrap();
        assert!(fetched.contains("Subject: by msmtp") && fetched.ends_with(".dot\n"), "{fetched}");
    }
}

#[test]
fn mbsync_synchronises_both_ways() {
    let practice = Practice::start();
    practice.deliver("bob", "Subject: far\r\nMessage-ID: <1@x>\r\n\r\nx");
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let text = format!(
        "IMAPAccount a\nHost 127.0.0.1\nPort {}\nUser bob\nPass {PASSWORD}\nSSLType None\nAuthMechs LOGIN\n\n\
         IMAPStore far\nAccount a\n\nMaildirStore near\nPath {home}/mail/\nInbox {home}/mail/INBOX\nSubFolders Verbatim\n\n\
         Channel c\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSync All\n",
        practice.at.imap.unwrap().port(),
        home = home.display()
    );
    std::fs::create_dir(home.join("mail")).unwrap();
    mbsync(home, &text).expect_ok();
    let inbox = home.join("mail/INBOX");
    let files = |part: &str| {
        std::fs::read_dir(inbox.join(part)).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    assert_eq!(files("new").len() + files("cur").len(), 1);
    assert!(home.join("mail/Sent/cur").is_dir());
    std::fs::write(inbox.join("cur/9.near:2,F"), "Subject: near\nMessage-ID: <2@x>\n\ny\n").unwrap();
    mbsync(home, &text).expect_ok();
    let mut imap = practice.imap("bob");
    imap.ok("SELECT INBOX");
    assert_eq!(imap.ok("SEARCH FLAGGED SUBJECT near"), ["* SEARCH 2"]);
    imap.ok("STORE 1 +FLAGS (\\Deleted)");
    imap.ok("EXPUNGE");
    mbsync(home, &text).expect_ok();
    assert_eq!(files("new").len() + files("cur").len(), 1);
}

#[test]
fn neomutt_reads_and_files_a_message() {
    let practice = Practice::start();
    practice.deliver("bob", "Subject: for mutt\r\nFrom: x@y.example\r\n\r\nhello");
    let folder = tempfile::tempdir().unwrap();
    let url = format!("imap://bob@127.0.0.1:{}/", practice.at.imap.unwrap().port());
    let rc = folder.path().join("rc");
    std::fs::write(
        &rc,
        format!(
            "set imap_pass={PASSWORD}\nset folder={url}\nset spoolfile={url}INBOX\nset ssl_starttls=no\nset ssl_force_tls=no\nset header_cache=\nset quit=yes\n\
             set confirmappend=no\nset delete=yes\nset confirmcreate=no\nset wait_key=no\nset mbox_type=Maildir\n\
             push \"<save-message>=Archive<enter><sync-mailbox><quit>\"\n"
        ),
    )
    .unwrap();
    let mut command = Command::new(program("script", "bsdutils"));
    let neomutt = program("neomutt", "neomutt");
    command.args(["-qec", &format!("{} -n -F {}", neomutt.display(), rc.display()), "/dev/null"]);
    command.env("TERM", "xterm").env("HOME", folder.path());
    Ran::new(&command).expect_ok();
    let mut imap = practice.imap("bob");
    assert_eq!(imap.ok("STATUS INBOX (MESSAGES)"), ["* STATUS INBOX (MESSAGES 0)"]);
    assert_eq!(imap.ok("STATUS Archive (MESSAGES)"), ["* STATUS Archive (MESSAGES 1)"]);
}
