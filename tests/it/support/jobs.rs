//! Jobs of mail clients, done directly and through mailtap, and what both must have in common.
//! Takes a scheme, a server and a job; gives what was seen and the recordings, after comparing them with what passed.
//! Does not know which client does the job.

use std::{net::SocketAddr, path::Path};

use super::{
    clients::{fetchmail, python},
    dovecot::PASSWORD,
    process::Ran,
    recording::Recording,
    servers::{servers, user},
    through::Through,
    wait_for,
};

/// Does `job` directly, through mailtap, and through mailtap with `--keep-secrets`, each with a user of its own.
///
/// The job gives what it saw, which must be the same each time; the recordings are those of the second run.
#[track_caller]
pub fn three_ways(
    scheme: &str,
    server: SocketAddr,
    sessions: usize,
    job: impl Fn(SocketAddr, &str) -> String,
) -> (String, Vec<Recording>) {
    let direct = job(server, &user("direct"));
    let through = Through::start(scheme, server, &[]);
    let seen = job(through.address(), &user("behind"));
    assert_same(&direct, &seen);
    let recordings = through.check(sessions);
    let keeping = Through::start(scheme, server, &["--keep-secrets"]);
    let kept = job(keeping.address(), &user("keeper"));
    assert_same(&direct, &kept);
    keeping.check(sessions);
    (direct, recordings)
}

/// Compares line by line, so that a failure names the line.
#[track_caller]
pub fn assert_same(direct: &str, through: &str) {
    for (number, (one, other)) in direct.lines().zip(through.lines()).enumerate() {
        assert_eq!(one, other, "line {number} of what was seen directly (left) and through mailtap (right)");
    }
    assert_eq!(
        direct.lines().count(),
        through.lines().count(),
        "lines seen directly (left) and through mailtap (right)"
    );
}

pub fn script(name: &str, before: &[&str], address: SocketAddr, user: &str, how: &str) -> String {
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let args = before.iter().copied().chain([host.as_str(), &port, user, PASSWORD, how]);
    python(name, args).expect_ok().text()
}

/// A script that talks TLS: by STARTTLS, or from the first byte when `implicit`. It trusts `ca` alone.
#[track_caller]
pub fn secure_script(
    name: &str,
    before: &[&str],
    address: SocketAddr,
    user: &str,
    how: &str,
    ca: &Path,
    implicit: bool,
) -> String {
    let (host, port, ca) = (address.ip().to_string(), address.port().to_string(), ca.display().to_string());
    let more = implicit.then_some("implicit");
    let args = before.iter().copied().chain([host.as_str(), &port, user, PASSWORD, how, &ca]).chain(more);
    python(name, args).expect_ok().text()
}

/// Subject and body of each message: what the client sent, without what servers add on the way.
pub fn essence(messages: &[Vec<u8>], user: &str) -> Vec<String> {
    let mut all: Vec<String> = messages
        .iter()
        .map(|message| {
            let text = String::from_utf8_lossy(message).replace("\r\n", "\n").replace(user, "USER");
            let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
            let subject = head.lines().find(|line| line.starts_with("Subject:")).unwrap_or("no subject");
            format!("{subject}\n{body}")
        })
        .collect();
    all.sort();
    all
}

/// Waits for `count` messages of the user, then gives them.
#[track_caller]
pub fn delivered(user: &str, count: usize) -> String {
    let dovecot = &servers().dovecot;
    wait_for(&format!("{count} messages for {user}"), || (dovecot.messages(user).len() >= count).then_some(()));
    essence(&dovecot.messages(user), user).join("\n---\n")
}

/// Puts three messages into the user's mailbox, by LMTP.
pub fn seed(user: &str) {
    script("smtp_job.py", &["lmtp"], servers().dovecot.lmtp, user, "none");
    delivered(user, 3);
}

#[track_caller]
pub fn verbs_contain(recordings: &[Recording], verbs: &[&str]) {
    let seen: Vec<String> = recordings.iter().flat_map(Recording::verbs).collect();
    for verb in verbs {
        assert!(seen.iter().any(|known| known == verb), "no {verb} among {seen:?}");
    }
}

#[track_caller]
pub fn users_are(recordings: &[Recording], name: &str) {
    for recording in recordings {
        let user = recording.one("close")["user"].as_str().unwrap_or_default();
        assert!(user.starts_with(name), "user {user:?} in\n{}", recording.dump());
    }
}

/// What curl printed and how it ended, each run on lines of its own.
pub fn outcomes(runs: &[Ran]) -> String {
    runs.iter().map(|ran| format!("{:?}\n{}{}\n", ran.code, ran.text(), ran.errors())).collect()
}

/// fetchmail empties the mailbox of three messages.
#[track_caller]
pub fn fetchmail_fetches(scheme: &str, address: SocketAddr, protocol: &str, verbs: &[&str]) {
    let (_, recordings) = three_ways(scheme, address, 1, |address, user| {
        seed(user);
        let folder = tempfile::tempdir().expect("a folder");
        let fetched = folder.path().join("fetched");
        let text = format!(
            "poll {} protocol {protocol} service {} username \"{user}\" password \"{PASSWORD}\" sslproto \"\" \
             nokeep fetchall mda \"cat >>{}\"\n",
            address.ip(),
            address.port(),
            fetched.display()
        );
        let ran = fetchmail(folder.path(), &text).expect_ok();
        wait_for("an empty mailbox", || servers().dovecot.messages(user).is_empty().then_some(()));
        let text = std::fs::read_to_string(&fetched).expect("what fetchmail fetched");
        let bodies: Vec<&str> = text.lines().filter(|line| !line.contains([':', '\t', '@'])).collect();
        format!("{:?} {}", ran.code, bodies.join("\n"))
    });
    verbs_contain(&recordings, verbs);
    users_are(&recordings, "behind");
}
