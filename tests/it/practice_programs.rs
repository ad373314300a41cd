//! Real mail programs at work with the practice server: directly, and through the proxy with its recordings read.
//! Takes installed programs; gives nothing but failures.
//! Does not know the protocols. Thunderbird has a test of its own, see `real_thunderbird`.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::json;

use crate::practice_kit::{PASSWORD, Practice, account};
use crate::support::findings::nothing_false;
use crate::support::mailtap::Mailtap;
use crate::support::process::Ran;
use crate::support::programs::{Ends, JOBS as GENERAL, Job, Security, Site, do_all};
use crate::support::readers::OFFLINEIMAP_TRIES;
use crate::support::recording::{Recording, files_with};
use crate::support::through::spellings;
use crate::support::{program, test_file};

pub static SITE: Site = Site {
    domain: "practice.example",
    password: PASSWORD,
    auth: "scram-sha-256",
    prefix: "",
    has_sent: true,
    relay_refused: "550 5.7.1",
    wrong_password: "535 5.7.8",
    delivered: None,
};

/// What all servers are given to do, and a day of Python that makes use of what this one promises.
pub static JOBS: LazyLock<Vec<Job>> =
    LazyLock::new(|| GENERAL.iter().copied().chain([("python", by_python as fn(&Ends, &Path, &str))]).collect());

#[test]
fn programs_work_in_plaintext() {
    work(Security::Plain, 20 << 20);
}

#[test]
fn programs_work_over_starttls() {
    work(Security::StartTls, 1 << 20);
}

#[test]
fn programs_work_over_implicit_tls() {
    work(Security::Implicit, 1 << 20);
}

fn work(tls: Security, attachment: usize) {
    let practice = Practice::with(|config| {
        let users = JOBS.iter().flat_map(|(name, _)| [(*name).to_owned(), format!("{name}2")]);
        config.accounts.extend(users.map(|user| account(&user)));
    });
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.pem");
    std::fs::write(&root, &practice.root).unwrap();
    let at = practice.at;
    let (submission, imap, pop3, suffix) = match tls {
        Security::Implicit => (at.submissions, at.imaps, at.pop3s, "s"),
        _ => (at.submission, at.imap, at.pop3, ""),
    };
    let [submission, imap, pop3] = [submission, imap, pop3].map(Option::unwrap);
    let direct = Ends { submission, imap, pop3, tls, ca: root.clone(), attachment, site: &SITE };
    do_all(&JOBS, &direct, folder.path(), "");

    let route = |scheme: &str, to| format!("{scheme}{suffix}://127.0.0.1:0={scheme}{suffix}://{to}");
    let routes = [route("submission", submission), route("imap", imap), route("pop3", pop3)];
    let mut mailtap =
        Mailtap::start(&routes.each_ref().map(String::as_str), &["--upstream-ca", root.to_str().unwrap()]);
    let [submission, imap, pop3] = routes.each_ref().map(|route| mailtap.address(route));
    let ca = mailtap.dir.join("certs/ca.pem");
    do_all(&JOBS, &Ends { submission, imap, pop3, tls, ca, attachment, site: &SITE }, folder.path(), "2");

    let recordings = mailtap.recordings(JOBS.len());
    assert!(mailtap.stop().success(), "{}", mailtap.errors());
    let closed = |recording: &&Recording| recording.of_kind("note").iter().any(|note| note["code"] == "tls-closed");
    let given_up = recordings.iter().filter(closed).count();
    assert!(given_up <= if tls == Security::StartTls { 3 * (OFFLINEIMAP_TRIES - 1) } else { 0 });
    for recording in recordings.iter().filter(|recording| !closed(recording)) {
        assert!(recording.of_kind("raw").is_empty(), "{}", recording.dump());
        let legs = recording.of_kind("tls").iter().filter(|event| event["error"].is_null()).count();
        assert_eq!(legs, if tls == Security::Plain { 0 } else { 2 }, "{}", recording.dump());
    }
    nothing_false(
        &mailtap.dir,
        &recordings,
        &[
            ("slow-answer", "all programs at once keep the machine busy"),
            ("8bit-without-8bitmime", "Python sends text of 8 bits as it is told to"),
            ("tls-closed", "offlineimap may give up a connection and try again"),
        ],
    );
    for secret in spellings(PASSWORD) {
        let files = files_with(&mailtap.dir, secret.as_bytes());
        assert!(files.is_empty(), "the password stands as {secret} in {files:?}");
    }
}

fn by_python(ends: &Ends, _home: &Path, user: &str) {
    let tls = match ends.tls {
        Security::Plain => "plain",
        Security::StartTls => "starttls",
        Security::Implicit => "implicit",
    };
    let day = json!({
        "host": "localhost", "smtp": ends.submission.port(), "imap": ends.imap.port(), "pop3": ends.pop3.port(),
        "tls": tls, "ca": ends.ca(), "user": user, "password": PASSWORD, "address": format!("{user}@practice.example"),
        "attachment": ends.attachment,
    });
    let mut command = Command::new(program("python3", "python3"));
    command.arg("-B").arg(test_file("clients/practice_day.py")).env("PYTHONUTF8", "1");
    assert_eq!(Ran::with_limit(&command, day.to_string().as_bytes(), 120).expect_ok().text(), "done\n");
}
