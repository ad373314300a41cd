//! curl, fetchmail, getmail, msmtp, swaks, mbsync, neomutt, offlineimap, poplib and smtplib recorded with real servers, in
//! plaintext, with STARTTLS and with TLS from the first byte, then played again to the same servers as they were before:
//! nothing differs. Takes the shared Dovecot and Postfix. Does not know how a client is played.

use std::net::SocketAddr;
use std::path::Path;

use crate::real_replay::{Recorded, afresh};
use crate::real_tls_clients::{fetchmail_job, mbsync_job, msmtp_job, swaks_job};
use crate::support::certs::Key;
use crate::support::clients::{curl, curl_with, fetchmail, msmtp, python, swaks};
use crate::support::dovecot::{DOMAIN, Dovecot, Options, PASSWORD};
use crate::support::jobs::{delivered, script, secure_script, seed};
use crate::support::programs::Security;
use crate::support::readers::{Mailbox, Neomutt, Offlineimap, getmail};
use crate::support::recording::Recording;
use crate::support::servers::{server_names, servers, user};

/// The scheme and the server of a protocol.
pub fn server(protocol: &str, tls: Security) -> (&'static str, SocketAddr) {
    let (dovecot, postfix) = (&servers().dovecot, &servers().postfix);
    match (protocol, tls == Security::Implicit) {
        ("imap", false) => ("imap", dovecot.imap),
        ("imap", true) => ("imaps", dovecot.imaps),
        ("pop3", false) => ("pop3", dovecot.pop3),
        ("pop3", true) => ("pop3s", dovecot.pop3s),
        (_, false) => ("submission", postfix.submission),
        (_, true) => ("submissions", postfix.submissions),
    }
}

/// Records a job that reads a mailbox, and plays it to the mailbox as it was.
#[track_caller]
fn reads(protocol: &str, tls: Security, job: impl FnOnce(SocketAddr, &str, &Path)) -> Recording {
    let user = user("rec");
    let (scheme, server) = server(protocol, tls);
    let recorded = Recorded::new(scheme, server, 1, |address, ca| job(address, &user, ca));
    afresh(&user);
    check(recorded.same(&user), tls)
}

/// Records a job that sends one message to oneself, and plays it: a second one has come then.
#[track_caller]
fn sends(tls: Security, job: impl FnOnce(SocketAddr, &str, &Path)) -> Recording {
    let user = user("rec");
    let (scheme, server) = server("smtp", tls);
    let recorded = Recorded::new(scheme, server, 1, |address, ca| job(address, &user, ca));
    delivered(&user, 1);
    let played = check(recorded.same(&user), tls);
    let both = delivered(&user, 2);
    let (one, other) = both.split_once("\n---\n").unwrap();
    assert_eq!(one, other);
    played
}

#[track_caller]
fn check(mut played: Vec<Recording>, tls: Security) -> Recording {
    let played = played.pop().unwrap();
    let legs = played.of_kind("tls");
    let how: Vec<&str> = legs.iter().map(|leg| leg["how"].as_str().unwrap()).collect();
    let expected: &[&str] = match tls {
        Security::Plain => &[],
        Security::StartTls => &["starttls"],
        Security::Implicit => &["implicit"],
    };
    assert!(how == expected && legs.iter().all(|leg| leg["verified"] == true), "{}", played.dump());
    assert!(played.of_kind("raw").is_empty(), "{}", played.dump());
    played
}

fn curl_args<'a>(tls: Security, login: &'a str, ca: &'a str) -> Vec<&'a str> {
    let more = if tls == Security::StartTls { "--ssl-reqd" } else { "--disable" };
    vec!["--ipv4", "--cacert", ca, "-u", login, more]
}

#[test]
fn curl_logs_in_by_what_is_offered() {
    for tls in Security::ALL {
        let suffix = if tls == Security::Implicit { "s" } else { "" };
        for (protocol, path) in [("imap", "INBOX/;UID=1"), ("pop3", "1")] {
            let played = reads(protocol, tls, |address, user, ca| {
                seed(user);
                let (login, ca) = (format!("{user}:{PASSWORD}"), ca.display().to_string());
                let url = format!("{protocol}{suffix}://localhost:{}/{path}", address.port());
                curl([curl_args(tls, &login, &ca), vec![&url]].concat()).expect_ok();
            });
            // Nobody logs in by a password in plaintext where the server offers so much else.
            let by =
                played.of_kind("command").iter().find_map(|one| one["args"]["mechanism"].as_str()).map(str::to_owned);
            assert!(by.is_some_and(|by| by.starts_with("SCRAM") || by == "DIGEST-MD5"), "{}", played.dump());
        }
        sends(tls, |address, user, ca| {
            let (login, ca) = (format!("{user}:{PASSWORD}"), ca.display().to_string());
            let url = format!("smtp{suffix}://localhost:{}", address.port());
            let own = format!("{user}@mail.test");
            let mail = ["--mail-from", &own, "--mail-rcpt", &own, "-T", "-", &url];
            curl_with([&curl_args(tls, &login, &ca)[..], &mail].concat(), b"Subject: by curl\r\n\r\n.x\r\n")
                .expect_ok();
        });
    }
}

#[test]
fn curl_is_played_with_every_mechanism_that_it_has() {
    let user = user("rec");
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
        for (protocol, path) in [("imap", "INBOX"), ("pop3", "")] {
            let (scheme, server) = server(protocol, Security::Plain);
            let recorded = Recorded::new(scheme, server, 1, |address, _| {
                let url = format!("{protocol}://localhost:{}/{path}", address.port());
                let (login, auth) = (format!("{user}:{PASSWORD}"), format!("AUTH={mechanism}"));
                let noop: &[&str] = if protocol == "imap" { &["-X", "NOOP"] } else { &[] };
                curl([&["--ipv4", "-u", &login, "--login-options", &auth, &url], noop].concat()).expect_ok();
            });
            let asked = recorded.recordings[0].of_kind("command");
            assert!(asked.iter().any(|one| one["args"]["mechanism"] == mechanism), "{}", recorded.recordings[0].dump());
            recorded.same(&user);
        }
    }
}

/// Of the programs at hand none does it: curl gives up where Dovecot writes `algorithm` in quotes.
#[test]
fn digest_md5_is_answered_anew() {
    let chain = servers().authority.issue(&server_names(), Key::Ecdsa);
    let named = Dovecot::start(&Options { extra: format!("auth_realms = {DOMAIN}\n"), ..Options::new(chain) });
    for (protocol, scheme, server) in [
        ("imap", "imap", servers().dovecot.imap),
        ("imap", "imap", named.imap),
        ("smtp", "submission", servers().postfix.submission),
    ] {
        let recorded = Recorded::new(scheme, server, 1, |address, _| {
            let (host, port) = (address.ip().to_string(), address.port().to_string());
            let said = python("digest_job.py", [protocol, &host, &port, &user("rec"), PASSWORD]).expect_ok();
            assert!(said.text().contains("OK") || said.text().contains("Ok"), "{said}");
        });
        let played = recorded.same(&user("rep"));
        assert_eq!(played[0].of_kind("auth").len(), 2, "{}", played[0].dump());
    }
}

#[test]
fn fetchmail_empties_the_mailbox_again() {
    for protocol in ["imap", "pop3"] {
        reads(protocol, Security::Plain, |address, user, _| {
            seed(user);
            let folder = tempfile::tempdir().unwrap();
            let text = format!(
                "poll {} protocol {protocol} service {} username \"{user}\" password \"{PASSWORD}\" sslproto \"\" \
                 nokeep fetchall mda \"cat >/dev/null\"\n",
                address.ip(),
                address.port()
            );
            fetchmail(folder.path(), &text).expect_ok();
        });
        reads(protocol, Security::StartTls, |address, user, ca| {
            fetchmail_job(address, user, ca, protocol, "sslproto \"TLS1.2+\"");
        });
        reads(protocol, Security::Implicit, |address, user, ca| {
            fetchmail_job(address, user, ca, protocol, "ssl");
        });
    }
}

#[test]
fn getmail_empties_the_mailbox_again() {
    for protocol in ["imap", "pop3"] {
        // It has no STARTTLS.
        for tls in [Security::Plain, Security::Implicit] {
            reads(protocol, tls, |address, user, ca| {
                seed(user);
                let folder = tempfile::tempdir().unwrap();
                let mailbox = Mailbox { address, tls, ca, user, password: PASSWORD };
                getmail(&mailbox, &protocol.to_ascii_uppercase(), folder.path(), &folder.path().join("fetched"));
            });
        }
    }
}

#[test]
fn neomutt_files_again() {
    for tls in Security::ALL {
        let played = reads("imap", tls, |address, user, ca| {
            seed(user);
            let folder = tempfile::tempdir().unwrap();
            let mailbox = Mailbox { address, tls, ca, user, password: PASSWORD };
            Neomutt::new(&mailbox, "", folder.path())
                .press("INBOX", "<save-message>=Archive<enter><sync-mailbox><quit>");
        });
        assert!(played.verbs().contains(&"UID COPY".to_owned()), "{}", played.dump());
    }
}

#[test]
fn offlineimap_syncs_again() {
    for tls in Security::ALL {
        reads("imap", tls, |address, user, ca| {
            seed(user);
            let folder = tempfile::tempdir().unwrap();
            let mailbox = Mailbox { address, tls, ca, user, password: PASSWORD };
            let near = folder.path().join("mail/INBOX");
            for part in ["cur", "new", "tmp"] {
                std::fs::create_dir_all(near.join(part)).unwrap();
            }
            std::fs::write(near.join("cur/9.near:2,FS"), "Subject: near\nMessage-ID: <2@x>\n\ny\n").unwrap();
            // Folders are synced in threads, in an order of their own each time; there is one.
            Offlineimap::new(&mailbox, "folderfilter = lambda name: name == 'INBOX'\n", folder.path()).run();
        });
    }
}

#[test]
fn smtplib_sends_again_in_plaintext_and_within_implicit_tls() {
    for tls in [Security::Plain, Security::Implicit] {
        let to = user("rec");
        let (scheme, server) = server("smtp", tls);
        let recorded = Recorded::new(scheme, server, 1, |address, ca| {
            if tls == Security::Plain {
                script("smtp_job.py", &["smtp"], address, &to, "plain");
            } else {
                secure_script("smtp_job.py", &["smtp"], address, &to, "plain", ca, true);
            }
        });
        check(recorded.same(&to), tls);
        delivered(&to, 6);
    }
}

#[test]
fn mbsync_syncs_again_within_tls() {
    for (tls, name) in [(Security::StartTls, "STARTTLS"), (Security::Implicit, "IMAPS")] {
        reads("imap", tls, |address, user, ca| {
            mbsync_job(address, user, ca, name);
        });
    }
}

#[test]
fn poplib_reads_again_within_tls() {
    for tls in [Security::StartTls, Security::Implicit] {
        for how in ["plain", "apop"] {
            reads("pop3", tls, |address, user, ca| {
                seed(user);
                secure_script("pop3_job.py", &[], address, user, how, ca, tls == Security::Implicit);
            });
        }
    }
}

#[test]
fn msmtp_sends_again() {
    sends(Security::Plain, |address, user, _| {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "account default\nhost {}\nport {}\nfrom {user}@mail.test\nauth scram-sha-256\nuser {user}\n\
             password {PASSWORD}\ntls off\ndomain client.test\n",
            address.ip(),
            address.port()
        );
        msmtp(folder.path(), &text, &[&format!("{user}@mail.test")], b"Subject: by msmtp\n\n.\nplain\n").expect_ok();
    });
    for (tls, starttls) in [(Security::StartTls, "on"), (Security::Implicit, "off")] {
        sends(tls, |address, user, ca| {
            msmtp_job(address, user, ca, starttls);
        });
    }
}

#[test]
fn swaks_sends_again() {
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
        sends(Security::Plain, |address, user, _| {
            let own = format!("{user}@mail.test");
            let login = ["--auth", mechanism, "--auth-user", user, "--auth-password", PASSWORD];
            let mail = ["--helo", "client.test", "--from", &own, "--to", &own, "--body", "swaks"];
            swaks(address, [&login[..], &mail].concat()).expect_ok();
        });
    }
    for (tls, option) in [(Security::StartTls, "--tls"), (Security::Implicit, "--tls-on-connect")] {
        sends(tls, |address, user, ca| {
            swaks_job(address, user, ca, option);
        });
    }
}
