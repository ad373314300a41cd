//! Real IMAP clients do the same job directly and through mailtap, in plaintext, with the same outcome.
//! Takes the shared servers; gives, for each session, a comparison of the recording with what passed on both legs.
//! Does not know what the events mean beyond verbs and statuses.

use std::{net::SocketAddr, path::Path};

use crate::support::{
    clients::{curl, mbsync},
    dovecot::{PASSWORD, messages_in},
    jobs::{delivered, essence, fetchmail_fetches, outcomes, script, seed, three_ways, users_are, verbs_contain},
    servers::servers,
};

#[track_caller]
fn imaplib(how: &str, verbs: &[&str]) {
    let (_, recordings) =
        three_ways("imap", servers().dovecot.imap, 1, |address, user| script("imap_job.py", &[], address, user, how));
    verbs_contain(&recordings, verbs);
    verbs_contain(
        &recordings,
        &["CREATE", "APPEND", "FETCH", "UID FETCH", "SEARCH", "STORE", "COPY", "EXPUNGE", "LOGOUT"],
    );
    users_are(&recordings, "behind");
}

#[test]
fn imaplib_with_login() {
    imaplib("login", &["LOGIN"]);
}

#[test]
fn imaplib_with_plain() {
    imaplib("plain", &["AUTHENTICATE"]);
}

#[test]
fn imaplib_with_cram_md5() {
    imaplib("cram-md5", &["AUTHENTICATE"]);
}

#[test]
fn imaplib_with_xoauth2() {
    imaplib("xoauth2", &["AUTHENTICATE"]);
}

#[test]
fn imaplib_with_oauthbearer() {
    imaplib("oauthbearer", &["AUTHENTICATE"]);
}

#[test]
fn imaplib_with_wrong_passwords() {
    imaplib("wrong", &["LOGIN", "AUTHENTICATE"]);
}

#[test]
fn curl_reads_and_appends_imap() {
    let (_, recordings) = three_ways("imap", servers().dovecot.imap, 6, |address, user| {
        let login = format!("{user}:{PASSWORD}");
        let folder = format!("imap://{address}/INBOX");
        let message = format!("Subject: by curl\r\n\r\n{}\r\n", "curl ".repeat(20_000));
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), message).expect("a message");
        let mut seen = vec![curl(["--user", &login, "--upload-file", &file.path().display().to_string(), &folder])];
        seen.push(curl(["--user", &login, &format!("{folder};MAILINDEX=1")]));
        seen.push(curl(["--user", &login, &format!("{folder};UID=1;SECTION=TEXT")]));
        seen.push(curl(["--user", &login, "--login-options", "AUTH=CRAM-MD5", &folder, "--request", "SEARCH ALL"]));
        seen.push(curl(["--user", &login, "--login-options", "AUTH=LOGIN", &format!("{folder};MAILINDEX=7")]));
        seen.push(curl(["--user", &format!("{user}:{PASSWORD}-wrong"), &folder]));
        outcomes(&seen) + &delivered(user, 1)
    });
    verbs_contain(&recordings, &["CAPABILITY", "AUTHENTICATE", "SELECT", "FETCH", "APPEND", "LOGOUT"]);
}

#[test]
fn mbsync_carries_mail_both_ways() {
    for mechanism in ["LOGIN", "CRAM-MD5", "PLAIN"] {
        let (_, recordings) = three_ways("imap", servers().dovecot.imap, 2, |address, user| {
            seed(user);
            let folder = tempfile::tempdir().expect("a folder");
            mbsync_job(folder.path(), address, user, mechanism)
        });
        verbs_contain(&recordings, &["LIST", "SELECT", "UID FETCH", "APPEND", "COMPRESS", "LOGOUT"]);
        users_are(&recordings, "behind");
    }
}

fn mbsync_job(folder: &Path, address: SocketAddr, user: &str, mechanism: &str) -> String {
    let root = folder.display();
    let text = format!(
        "IMAPAccount server\nHost {}\nPort {}\nUser {user}\nPass {PASSWORD}\nSSLType None\nAuthMechs {mechanism}\n\n\
         IMAPStore far\nAccount server\n\nMaildirStore near\nPath {root}/mail/\nInbox {root}/mail/INBOX\nSubFolders Verbatim\n\n\
         Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n",
        address.ip(),
        address.port()
    );
    std::fs::create_dir(folder.join("mail")).expect("a folder for mail");
    mbsync(folder, &text).expect_ok();
    let near = folder.join("mail/INBOX");
    std::fs::write(near.join("new/1.new.here"), "Subject: made here\n\nby mbsync\n").expect("a message");
    mbsync(folder, &text).expect_ok();
    let (here, there) = (messages_in(&near), servers().dovecot.messages(user));
    assert_eq!(essence(&here, user), essence(&there, user), "both sides hold the same");
    essence(&here, user).join("\n---\n")
}

#[test]
fn fetchmail_by_imap() {
    fetchmail_fetches("imap", servers().dovecot.imap, "imap", &["SELECT", "FETCH", "STORE"]);
}
