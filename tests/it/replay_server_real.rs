//! Dovecot and Postfix recorded, then played: real clients do the same job and see the same, byte for byte.
//! Takes the shared servers; gives nothing but failures.
//! Does not know the protocols. Programs with the practice server are in `replay_server`.

use std::net::SocketAddr;
use std::path::Path;

use crate::replay_server::Replay;
use crate::support::{
    clients::{curl, curl_with, fetchmail, mbsync, msmtp, swaks},
    dovecot::{PASSWORD, messages_in},
    findings::nothing_false,
    jobs::{assert_same, essence, outcomes, script, secure_script, seed},
    mailtap::Mailtap,
    recording::Recording,
    servers::{servers, user},
};

/// Does a job through mailtap with the real server, then with nothing but the recordings. What is seen is the same.
#[track_caller]
fn again(scheme: &str, server: SocketAddr, job: impl Fn(SocketAddr, &str, &Path) -> String) {
    again_with(scheme, server, &[], job);
}

#[track_caller]
fn again_with(scheme: &str, server: SocketAddr, more: &[&str], job: impl Fn(SocketAddr, &str, &Path) -> String) {
    let user = user("again");
    seed(&user);
    let route = format!("{scheme}://127.0.0.1:0={scheme}://{server}");
    let root = servers().root.display().to_string();
    let mut mailtap = Mailtap::start(&[&route], &["--upstream-ca", &root]);
    let seen = job(mailtap.address(&route), &user, &mailtap.dir.join("certs/ca.pem"));
    let recorded = mailtap.recordings(1);
    let kinds = |recordings: &[Recording], kind: &str| -> usize {
        recordings.iter().map(|recording| recording.of_kind(kind).len()).sum()
    };
    assert!(mailtap.stop().success(), "{}", mailtap.errors());
    nothing_false(&mailtap.dir, &recorded, &[]);
    let login = ["--user", &user, "--password", PASSWORD];
    let played = Replay::start(&mailtap.dir, &[&login, more].concat());
    let replayed = job(played.address(scheme).expect("a listener"), &user, &played.mailtap.dir.join("certs/ca.pem"));
    // A replay is a session like any other, and says what it is.
    let own = played.mailtap.recordings(recorded.len());
    assert_eq!(kinds(&own, "compress"), kinds(&recorded, "compress"));
    // The client's leg has TLS; there is no other.
    assert_eq!(kinds(&own, "tls") * 2, kinds(&recorded, "tls"));
    let errors = played.mailtap.errors();
    let report = played.end();
    assert_same(&seen, &replayed);
    assert_eq!(
        (&report["status"], &report["unasked"], &report["unmet"]),
        (&0.into(), &serde_json::json!([]), &serde_json::json!([])),
        "{errors}"
    );
    for recording in own {
        assert_eq!(recording.one("open")["mode"], "replay server");
        assert!(recording.one("open")["of"].is_string() && recording.of_kind("raw").is_empty());
    }
}

#[test]
fn imaplib_again_with_every_login() {
    for how in ["login", "plain", "cram-md5", "xoauth2", "oauthbearer", "wrong"] {
        again("imap", servers().dovecot.imap, |address, user, _| script("imap_job.py", &[], address, user, how));
    }
}

#[test]
fn imaplib_again_with_tls() {
    again("imap", servers().dovecot.imap, |address, user, ca| {
        secure_script("imap_job.py", &[], address, user, "plain", ca, false)
    });
    again("imaps", servers().dovecot.imaps, |address, user, ca| {
        secure_script("imap_job.py", &[], address, user, "login", ca, true)
    });
}

#[test]
fn imaplib_again_and_nothing_may_differ() {
    again_with("imap", servers().dovecot.imap, &["--match", "strict"], |address, user, _| {
        // Its commands are the same in each run, its tags are not.
        script("imap_job.py", &[], address, user, "login")
    });
}

#[test]
fn poplib_again_with_every_login() {
    for how in ["pass", "apop", "plain"] {
        again("pop3", servers().dovecot.pop3, |address, user, _| script("pop3_job.py", &[], address, user, how));
    }
    again("pop3s", servers().dovecot.pop3s, |address, user, ca| {
        secure_script("pop3_job.py", &[], address, user, "pass", ca, true)
    });
    again("pop3", servers().dovecot.pop3, |address, user, ca| {
        secure_script("pop3_job.py", &[], address, user, "pass", ca, false)
    });
}

#[test]
fn smtplib_again_with_every_login() {
    for how in ["plain", "login", "cram-md5", "wrong"] {
        again("submission", servers().postfix.submission, |address, user, _| {
            script("smtp_job.py", &["smtp"], address, user, how)
        });
    }
    again("submission", servers().postfix.submission, |address, user, ca| {
        secure_script("smtp_job.py", &["smtp"], address, user, "plain", ca, false)
    });
    again("submissions", servers().postfix.submissions, |address, user, ca| {
        secure_script("smtp_job.py", &["smtp"], address, user, "plain", ca, true)
    });
    again("lmtp", servers().dovecot.lmtp, |address, user, _| script("smtp_job.py", &["lmtp"], address, user, "none"));
    again("submission", servers().dovecot.submission, |address, user, _| {
        script("smtp_job.py", &["smtp"], address, user, "plain")
    });
}

#[test]
fn curl_again() {
    again("imap", servers().dovecot.imap, |address, user, _| {
        let login = format!("{user}:{PASSWORD}");
        let folder = format!("imap://{address}/INBOX");
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), format!("Subject: by curl\r\n\r\n{}\r\n", "curl ".repeat(20_000)))
            .expect("a message");
        let mut seen = vec![curl(["--user", &login, "--upload-file", &file.path().display().to_string(), &folder])];
        seen.push(curl(["--user", &login, &format!("{folder};MAILINDEX=1")]));
        seen.push(curl(["--user", &login, &format!("{folder};UID=1;SECTION=TEXT")]));
        seen.push(curl(["--user", &login, "--login-options", "AUTH=CRAM-MD5", &folder, "--request", "SEARCH ALL"]));
        seen.push(curl(["--user", &login, "--login-options", "AUTH=LOGIN", &format!("{folder};MAILINDEX=7")]));
        seen.push(curl(["--user", &format!("{user}:{PASSWORD}-wrong"), &folder]));
        outcomes(&seen)
    });
    again("pop3", servers().dovecot.pop3, |address, user, _| {
        let login = format!("{user}:{PASSWORD}");
        let url = format!("pop3://{address}/");
        let ask = |more: &[&str]| curl([&["--user", &login], more].concat());
        outcomes(&[
            ask(&[&format!("{url}3")]),
            ask(&[&url]),
            ask(&["--login-options", "AUTH=+APOP", &format!("{url}1"), "--request", "DELE", "--head"]),
            ask(&["--login-options", "AUTH=SCRAM-SHA-256", &url, "--request", "NOOP", "--head"]),
        ])
    });
    again("submission", servers().postfix.submission, |address, user, ca| {
        let (login, own) = (format!("{user}:{PASSWORD}"), format!("{user}@mail.test"));
        let ca = ca.display().to_string();
        let args = ["--ssl-reqd", "--cacert", &ca, "--mail-from", &own, "--mail-rcpt", &own, "-T", "-", "-u", &login];
        let url = format!("smtp://{address}/client.test");
        outcomes(&[curl_with(args.into_iter().chain([url.as_str()]), b"Subject: by curl\r\n\r\n.\r\n..dots\r\n")])
    });
}

#[test]
fn swaks_and_msmtp_again() {
    again("submission", servers().postfix.submission, |address, user, _| {
        let own = format!("{user}@mail.test");
        let send = |mechanism| {
            let args =
                ["--helo", "client.test", "--from", &own, "--to", &own, "--auth", mechanism, "--auth-user", user];
            let ran = swaks(address, args.into_iter().chain(["--auth-password", PASSWORD, "--body", "swaks"]));
            let said: String =
                ran.text().lines().filter(|line| line.starts_with('<')).map(|line| format!("{line}\n")).collect();
            format!("{:?} {said}", ran.code)
        };
        ["PLAIN", "LOGIN", "CRAM-MD5"].map(send).concat()
    });
    again("submission", servers().postfix.submission, |address, user, _| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut seen = String::new();
        for mechanism in ["plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256"] {
            let text = format!(
                "account default\nhost {}\nport {}\nfrom {user}@mail.test\nauth {mechanism}\nuser {user}\n\
                 password {PASSWORD}\ntls off\ndomain client.test\n",
                address.ip(),
                address.port()
            );
            let ran = msmtp(folder.path(), &text, &[&format!("{user}@mail.test")], b"Subject: by msmtp\n\n.\nhello\n");
            seen +=
                &format!("{mechanism} {:?} {}\n", ran.code, ran.errors().replace(&address.port().to_string(), "PORT"));
        }
        seen
    });
}

#[test]
fn fetchmail_again() {
    for (scheme, server, protocol, ssl) in [
        ("imap", servers().dovecot.imap, "imap", "sslproto \"\""),
        ("pop3", servers().dovecot.pop3, "pop3", "sslproto \"\""),
        ("pop3", servers().dovecot.pop3, "apop", "sslproto \"\""),
        ("imap", servers().dovecot.imap, "imap", "sslproto \"TLS1.2+\" sslcertck"),
        ("pop3s", servers().dovecot.pop3s, "pop3", "ssl sslcertck"),
    ] {
        again(scheme, server, |address, user, ca| {
            let folder = tempfile::tempdir().expect("a folder");
            let fetched = folder.path().join("fetched");
            let text = format!(
                "poll localhost protocol {protocol} service {} username \"{user}\" password \"{PASSWORD}\" {ssl} \
                 sslcertfile \"{}\" nokeep fetchall mda \"cat >>{}\"\n",
                address.port(),
                ca.display(),
                fetched.display()
            );
            fetchmail(folder.path(), &text).expect_ok();
            let text = std::fs::read_to_string(&fetched).expect("what fetchmail fetched");
            text.lines().filter(|line| !line.contains([':', '\t', '@'])).collect::<Vec<_>>().join("\n")
        });
    }
}

#[test]
fn mbsync_again_with_compression() {
    for (scheme, server, ssl) in [
        ("imap", servers().dovecot.imap, "None"),
        ("imap", servers().dovecot.imap, "STARTTLS"),
        ("imaps", servers().dovecot.imaps, "IMAPS"),
    ] {
        again(scheme, server, |address, user, ca| {
            let folder = tempfile::tempdir().expect("a folder");
            let root = folder.path().display();
            std::fs::create_dir(folder.path().join("mail")).expect("a folder for mail");
            let text = format!(
                "IMAPAccount server\nHost localhost\nPort {}\nUser {user}\nPass {PASSWORD}\nSSLType {ssl}\n\
                 CertificateFile {}\nSystemCertificates no\nAuthMechs LOGIN\n\nIMAPStore far\nAccount server\n\n\
                 MaildirStore near\nPath {root}/mail/\nInbox {root}/mail/INBOX\nSubFolders Verbatim\n\n\
                 Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n",
                address.port(),
                ca.display()
            );
            mbsync(folder.path(), &text).expect_ok();
            let near = folder.path().join("mail/INBOX");
            std::fs::write(near.join("new/1.new.here"), "Subject: made here\n\nby mbsync\n").expect("a message");
            mbsync(folder.path(), &text).expect_ok();
            essence(&messages_in(&near), user).join("\n---\n")
        });
    }
}
