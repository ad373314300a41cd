//! mbsync, msmtp, fetchmail and swaks with STARTTLS and with TLS from the first byte, through mailtap.
//! Takes the shared servers; gives what arrived and what was recorded of both legs.
//! Does not look into TLS itself. mbsync and fetchmail look for DNS names alone in a certificate, so they say `localhost`.

use std::{net::SocketAddr, path::Path};

use crate::support::{
    clients::{fetchmail, mbsync, msmtp, swaks},
    dovecot::{PASSWORD, messages_in},
    jobs::{assert_same, delivered, essence, seed},
    servers::{servers, user},
    through::Through,
};

/// Does `job` directly and through mailtap, with the certificate that the client must trust; the outcomes are the same.
#[track_caller]
fn both_ways(scheme: &str, server: SocketAddr, sessions: usize, job: impl Fn(SocketAddr, &str, &Path) -> String) {
    let root = servers().root.as_path();
    let direct = job(server, &user("direct"), root);
    let through = Through::start(scheme, server, &["--upstream-ca", &root.display().to_string()]);
    let seen = job(through.address(), &user("behind"), &through.ca());
    assert_same(&direct, &seen);
    for recording in through.check_secure(sessions).recordings {
        let legs = recording.of_kind("tls").iter().filter(|event| event["error"].is_null()).count();
        assert_eq!(legs, 2, "both legs are encrypted in\n{}", recording.dump());
        assert!(recording.of_kind("raw").is_empty(), "nothing is left unread in\n{}", recording.dump());
    }
}

pub fn mbsync_job(address: SocketAddr, user: &str, ca: &Path, ssl: &str) -> String {
    seed(user);
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().display();
    std::fs::create_dir(folder.path().join("mail")).expect("a folder for mail");
    let text = format!(
        "IMAPAccount server\nHost localhost\nPort {}\nUser {user}\nPass {PASSWORD}\nSSLType {ssl}\nCertificateFile {}\n\
         SystemCertificates no\n\nIMAPStore far\nAccount server\n\nMaildirStore near\nPath {root}/mail/\n\
         Inbox {root}/mail/INBOX\n\nChannel all\nFar :far:\nNear :near:\nPatterns *\nCreate Near\nSyncState *\n",
        address.port(),
        ca.display()
    );
    mbsync(folder.path(), &text).expect_ok();
    essence(&messages_in(&folder.path().join("mail/INBOX")), user).join("\n---\n")
}

#[test]
fn mbsync_with_starttls() {
    both_ways("imap", servers().dovecot.imap, 1, |address, user, ca| mbsync_job(address, user, ca, "STARTTLS"));
}

#[test]
fn mbsync_with_implicit_tls() {
    both_ways("imaps", servers().dovecot.imaps, 1, |address, user, ca| mbsync_job(address, user, ca, "IMAPS"));
}

pub fn msmtp_job(address: SocketAddr, user: &str, ca: &Path, starttls: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!(
        "account default\nhost {}\nport {}\nfrom {user}@mail.test\nauth plain\nuser {user}\npassword {PASSWORD}\n\
         tls on\ntls_starttls {starttls}\ntls_trust_file {}\ndomain client.test\n",
        address.ip(),
        address.port(),
        ca.display()
    );
    msmtp(folder.path(), &text, &[&format!("{user}@mail.test")], b"Subject: by msmtp\n\n.\nsecure\n").expect_ok();
    delivered(user, 1)
}

#[test]
fn msmtp_with_starttls() {
    both_ways("submission", servers().postfix.submission, 1, |address, user, ca| msmtp_job(address, user, ca, "on"));
}

#[test]
fn msmtp_with_implicit_tls() {
    both_ways("submissions", servers().postfix.submissions, 1, |address, user, ca| msmtp_job(address, user, ca, "off"));
}

pub fn fetchmail_job(address: SocketAddr, user: &str, ca: &Path, protocol: &str, ssl: &str) -> String {
    seed(user);
    let folder = tempfile::tempdir().expect("a folder");
    let fetched = folder.path().join("fetched");
    let text = format!(
        "poll localhost protocol {protocol} service {} username \"{user}\" password \"{PASSWORD}\" {ssl} sslcertck \
         sslcertfile \"{}\" nokeep fetchall mda \"cat >>{}\"\n",
        address.port(),
        ca.display(),
        fetched.display()
    );
    fetchmail(folder.path(), &text).expect_ok();
    let text = std::fs::read_to_string(&fetched).expect("what fetchmail fetched");
    text.lines().filter(|line| !line.contains([':', '\t', '@'])).collect::<Vec<_>>().join("\n")
}

#[test]
fn fetchmail_with_starttls() {
    both_ways("imap", servers().dovecot.imap, 1, |address, user, ca| {
        fetchmail_job(address, user, ca, "imap", "sslproto \"TLS1.2+\"")
    });
}

#[test]
fn fetchmail_with_implicit_tls() {
    both_ways("pop3s", servers().dovecot.pop3s, 1, |address, user, ca| fetchmail_job(address, user, ca, "pop3", "ssl"));
}

pub fn swaks_job(address: SocketAddr, user: &str, ca: &Path, tls: &str) -> String {
    let own = format!("{user}@mail.test");
    let ca = ca.display().to_string();
    let args = ["--helo", "client.test", "--from", &own, "--to", &own, "--auth", "LOGIN", "--auth-user", user];
    let more = ["--auth-password", PASSWORD, "--body", "swaks", tls, "--tls-verify", "--tls-ca-path", &ca];
    swaks(address, args.into_iter().chain(more)).expect_ok();
    delivered(user, 1).lines().filter(|line| !line.starts_with("Subject:")).collect()
}

#[test]
fn swaks_with_starttls() {
    both_ways("submission", servers().postfix.submission, 1, |address, user, ca| swaks_job(address, user, ca, "--tls"));
}

#[test]
fn swaks_with_implicit_tls() {
    both_ways("submissions", servers().postfix.submissions, 1, |address, user, ca| {
        swaks_job(address, user, ca, "--tls-on-connect")
    });
}
