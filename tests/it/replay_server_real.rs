//! Dovecot and Postfix recorded, then played: real clients do the same job and see the same, byte for byte.
//! Takes the shared servers; gives nothing but failures.
//! Does not know the protocols. Programs with the practice server are in `replay_server`.

use std::net::SocketAddr;
use std::path::Path;

use crate::real_replay_clients::server;
use crate::replay_server::Replay;
use crate::support::programs::Security;
use crate::support::{
    clients::{curl, curl_with, fetchmail, mbsync, msmtp, swaks},
    dovecot::{PASSWORD, messages_in},
    findings::nothing_false,
    jobs::{assert_same, essence, outcomes, script, secure_script, seed},
    mailtap::Mailtap,
    process::Ran,
    readers::{Mailbox, Neomutt, Offlineimap, getmail},
    recording::Recording,
    servers::{servers, user},
};

/// Does a job through mailtap with the real server, then with nothing but the recordings. What is seen is the same.
#[track_caller]
fn again(scheme: &str, server: SocketAddr, job: impl Fn(SocketAddr, &str, &Path) -> String) {
    again_with(scheme, server, &[], job);
}

/// The same with the server of a protocol, after which there was TLS or none.
#[track_caller]
fn again_by(protocol: &str, tls: Security, job: impl Fn(SocketAddr, &str, &Path) -> String) {
    let (scheme, server) = server(protocol, tls);
    let legs = again_with(scheme, server, &[], job);
    assert_eq!(legs > 0, tls != Security::Plain, "{protocol} {tls:?}");
}

/// Gives how many connections had TLS.
#[track_caller]
fn again_with(
    scheme: &str,
    server: SocketAddr,
    more: &[&str],
    job: impl Fn(SocketAddr, &str, &Path) -> String,
) -> usize {
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
    assert!(!seen.trim().is_empty(), "the job saw nothing");
    assert_same(&seen, &replayed);
    assert_eq!(
        (&report["status"], &report["unasked"], &report["unmet"]),
        (&0.into(), &serde_json::json!([]), &serde_json::json!([])),
        "{errors}"
    );
    for recording in &own {
        assert_eq!(recording.one("open")["mode"], "replay server");
        assert!(recording.one("open")["of"].is_string() && recording.of_kind("raw").is_empty());
    }
    kinds(&own, "tls")
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

/// curl with a login, as it is told about TLS.
fn curl_of<'a>(tls: Security, ca: &'a str, login: &'a str) -> impl Fn(&[&str]) -> Ran + use<'a> {
    let more = if tls == Security::StartTls { "--ssl-reqd" } else { "--disable" };
    move |args| curl([&["--ipv4", "--cacert", ca, more, "--user", login], args].concat())
}

/// Of a URL's scheme.
fn suffix(tls: Security) -> &'static str {
    if tls == Security::Implicit { "s" } else { "" }
}

#[test]
fn curl_again_by_imap() {
    for tls in Security::ALL {
        again_by("imap", tls, |address, user, ca| {
            let (ca, login, wrong) =
                (ca.display().to_string(), format!("{user}:{PASSWORD}"), format!("{user}:{PASSWORD}-wrong"));
            let ask = curl_of(tls, &ca, &login);
            let folder = format!("imap{}://localhost:{}/INBOX", suffix(tls), address.port());
            let file = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(file.path(), format!("Subject: by curl\r\n\r\n{}\r\n", "curl ".repeat(20_000)))
                .expect("a message");
            let mut seen = vec![ask(&["--upload-file", &file.path().display().to_string(), &folder])];
            seen.push(ask(&[&format!("{folder};MAILINDEX=1")]));
            seen.push(ask(&[&format!("{folder};UID=1;SECTION=TEXT")]));
            seen.push(ask(&["--login-options", "AUTH=CRAM-MD5", &folder, "--request", "SEARCH ALL"]));
            seen.push(ask(&["--login-options", "AUTH=LOGIN", &format!("{folder};MAILINDEX=7")]));
            seen.push(curl_of(tls, &ca, &wrong)(&[&folder]));
            outcomes(&seen)
        });
    }
}

#[test]
fn curl_again_by_pop3() {
    for tls in Security::ALL {
        again_by("pop3", tls, |address, user, ca| {
            let (ca, login) = (ca.display().to_string(), format!("{user}:{PASSWORD}"));
            let ask = curl_of(tls, &ca, &login);
            let url = format!("pop3{}://localhost:{}/", suffix(tls), address.port());
            outcomes(&[
                ask(&[&format!("{url}3")]),
                ask(&[&url]),
                ask(&["--login-options", "AUTH=+APOP", &format!("{url}1"), "--request", "DELE", "--head"]),
                ask(&["--login-options", "AUTH=SCRAM-SHA-256", &url, "--request", "NOOP", "--head"]),
            ])
        });
    }
}

#[test]
fn curl_again_by_smtp() {
    for tls in Security::ALL {
        again_by("smtp", tls, |address, user, ca| {
            let (ca, login, own) =
                (ca.display().to_string(), format!("{user}:{PASSWORD}"), format!("{user}@mail.test"));
            let more = if tls == Security::StartTls { "--ssl-reqd" } else { "--disable" };
            let url = format!("smtp{}://localhost:{}/client.test", suffix(tls), address.port());
            let args =
                ["--ipv4", "--cacert", &ca, more, "--mail-from", &own, "--mail-rcpt", &own, "-T", "-", "-u", &login];
            outcomes(&[curl_with(args.into_iter().chain([url.as_str()]), b"Subject: by curl\r\n\r\n.\r\n..dots\r\n")])
        });
    }
}

#[test]
fn swaks_again() {
    for (tls, option) in
        [(Security::Plain, None), (Security::StartTls, Some("--tls")), (Security::Implicit, Some("--tls-on-connect"))]
    {
        again_by("smtp", tls, |address, user, ca| {
            let (own, ca) = (format!("{user}@mail.test"), ca.display().to_string());
            let trust = option.map(|option| [option, "--tls-verify", "--tls-ca-path", &ca]);
            let send = |mechanism| {
                let args =
                    ["--helo", "client.test", "--from", &own, "--to", &own, "--auth", mechanism, "--auth-user", user];
                let more = ["--auth-password", PASSWORD, "--body", "swaks"];
                let ran = swaks(address, args.into_iter().chain(more).chain(trust.into_iter().flatten()));
                // What the server says, within TLS too.
                let said = ran.text();
                let said = said.lines().filter(|line| line.starts_with('<'));
                format!("{:?} {}\n", ran.code, said.collect::<Vec<_>>().join("\n"))
            };
            ["PLAIN", "LOGIN", "CRAM-MD5"].map(send).concat()
        });
    }
}

#[test]
fn msmtp_again() {
    for (tls, lines) in [
        (Security::Plain, "tls off"),
        (Security::StartTls, "tls on\ntls_starttls on"),
        (Security::Implicit, "tls on\ntls_starttls off"),
    ] {
        again_by("smtp", tls, |address, user, ca| {
            let folder = tempfile::tempdir().expect("a folder");
            let trust =
                if tls == Security::Plain { String::new() } else { format!("tls_trust_file {}\n", ca.display()) };
            let mut seen = String::new();
            for mechanism in ["plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256"] {
                let text = format!(
                    "account default\nhost localhost\nport {}\nfrom {user}@mail.test\nauth {mechanism}\nuser {user}\n\
                     password {PASSWORD}\n{lines}\n{trust}domain client.test\n",
                    address.port()
                );
                let message = b"Subject: by msmtp\n\n.\nhello\n";
                let ran = msmtp(folder.path(), &text, &[&format!("{user}@mail.test")], message);
                let errors = ran.errors().replace(&address.port().to_string(), "PORT");
                seen += &format!("{mechanism} {:?} {errors}\n", ran.code);
            }
            seen
        });
    }
}

#[test]
fn fetchmail_again() {
    for (protocol, tls) in ["imap", "pop3"].into_iter().flat_map(|protocol| Security::ALL.map(|tls| (protocol, tls))) {
        fetchmail_again_by(protocol, protocol, tls);
    }
    fetchmail_again_by("pop3", "apop", Security::Plain);
}

fn fetchmail_again_by(protocol: &str, how: &str, tls: Security) {
    let ssl = match tls {
        Security::Plain => "sslproto \"\"",
        Security::StartTls => "sslproto \"TLS1.2+\" sslcertck",
        Security::Implicit => "ssl sslcertck",
    };
    again_by(protocol, tls, |address, user, ca| {
        let folder = tempfile::tempdir().expect("a folder");
        let fetched = folder.path().join("fetched");
        let text = format!(
            "poll localhost protocol {how} service {} username \"{user}\" password \"{PASSWORD}\" {ssl} \
             sslcertfile \"{}\" nokeep fetchall mda \"cat >>{}\"\n",
            address.port(),
            ca.display(),
            fetched.display()
        );
        fetchmail(folder.path(), &text).expect_ok();
        bodies(&fetched)
    });
}

/// What a program wrote into a file, without the lines of headers.
fn bodies(file: &Path) -> String {
    let text = std::fs::read_to_string(file).expect("what was fetched");
    assert!(text.lines().count() > 10, "{text}");
    text.lines().filter(|line| !line.contains([':', '\t', '@'])).collect::<Vec<_>>().join("\n")
}

#[test]
fn getmail_again() {
    for (protocol, tls) in ["imap", "pop3"]
        .into_iter()
        .flat_map(|protocol| [Security::Plain, Security::Implicit].map(|tls| (protocol, tls)))
    {
        again_by(protocol, tls, |address, user, ca| {
            let folder = tempfile::tempdir().expect("a folder");
            let file = folder.path().join("fetched");
            let mailbox = Mailbox { address, tls, ca, user, password: PASSWORD };
            getmail(&mailbox, &protocol.to_ascii_uppercase(), folder.path(), &file);
            bodies(&file)
        });
    }
}

#[test]
fn neomutt_again() {
    for tls in Security::ALL {
        again_by("imap", tls, |address, user, ca| {
            let folder = tempfile::tempdir().expect("a folder");
            let copy = folder.path().join("copy");
            let mailbox = Mailbox { address, tls, ca, user, password: PASSWORD };
            let keys = format!(
                "<copy-message>{}<enter><save-message>=Archive<enter><sync-mailbox><change-folder>=Archive<enter><quit>",
                copy.display()
            );
            Neomutt::new(&mailbox, "", folder.path()).press("INBOX", &keys);
            bodies(&copy)
        });
    }
}

#[test]
fn offlineimap_again() {
    for tls in Security::ALL {
        again_by("imap", tls, |address, user, ca| {
            let folder = tempfile::tempdir().expect("a folder");
            let mailbox = Mailbox { address, tls, ca, user, password: PASSWORD };
            // Folders are synced in threads, in an order of their own each time; there is one.
            let offlineimap =
                Offlineimap::new(&mailbox, "folderfilter = lambda name: name == 'INBOX'\n", folder.path());
            offlineimap.run();
            let near = folder.path().join("mail/INBOX");
            std::fs::write(near.join("cur/9.near:2,FS"), "Subject: near\nMessage-ID: <2@x>\n\ny\n").expect("a message");
            offlineimap.run();
            essence(&messages_in(&near), user).join("\n---\n")
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
