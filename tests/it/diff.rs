//! `mailtap diff`: sessions of real programs with the practice server, and with one that was changed on purpose.
//! Takes curl; reads what the program prints and how it ends.
//! Does not know how sessions are laid side by side.

use std::path::{Path, PathBuf};

use mailtap::practice::Config;
use serde_json::Value;

use crate::practice_kit::{PASSWORD, Practice};
use crate::support::clients::{curl, curl_with};
use crate::support::mailtap::{Mailtap, run};
use crate::support::process::Ran;
use crate::support::recording::Recording;

/// The recordings of a day's work of one program, in the order in which its sessions were opened.
struct Day {
    mailtap: Mailtap,
    recordings: Vec<Recording>,
}

/// Subjects of the three sessions: mail goes out, is read over IMAP, then over POP3.
fn day(change: impl FnOnce(&mut Config), mailbox: &str) -> Day {
    let practice = Practice::with(change);
    let routes = [
        format!("submission://127.0.0.1:0=submission://{}", practice.at.submission.unwrap()),
        format!("imap://127.0.0.1:0=imap://{}", practice.at.imap.unwrap()),
        format!("pop3://127.0.0.1:0=pop3://{}", practice.at.pop3.unwrap()),
    ];
    let mut mailtap = Mailtap::start(&routes.each_ref().map(String::as_str), &[]);
    let [smtp, imap, pop3] = routes.each_ref().map(|route| mailtap.address(route));
    let login = format!("alice:{PASSWORD}");
    let args = ["--ipv4", "-u", &login, "--disable"];
    let address = "alice@practice.example";
    let mail = ["--mail-from", address, "--mail-rcpt", address, "-T", "-", &format!("smtp://{smtp}")];
    let _ = curl_with([&args[..], &mail].concat(), format!("Subject: x\r\n\r\n{}\r\n", "y".repeat(300)).as_bytes());
    let _ = mailtap.recordings(1);
    let _ = curl([&args[..], &[&format!("imap://{imap}/{mailbox}/;UID=1")]].concat());
    let _ = mailtap.recordings(2);
    let _ = curl([&args[..], &[&format!("pop3://{pop3}/1")]].concat());
    let recordings = mailtap.recordings(3);
    assert!(mailtap.stop().success());
    Day { mailtap, recordings }
}

impl Day {
    fn path(&self, protocol: &str) -> PathBuf {
        let of = |recording: &&Recording| recording.one("open")["protocol"] == protocol;
        self.recordings.iter().find(of).unwrap().path.clone()
    }
}

fn diff(dir: &Path, one: &Path, other: &Path, more: &[&str]) -> Ran {
    run(dir, &[&["diff", one.to_str().unwrap(), other.to_str().unwrap()], more].concat())
}

/// The lines of `--json`: the differences, and the report behind them.
fn lines(ran: &Ran) -> (Vec<Value>, Value) {
    let mut lines: Vec<Value> = ran.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let report = lines.pop().unwrap();
    assert_eq!(report["kind"], "report", "{ran}");
    assert!(lines.iter().all(|line| line["kind"] == "difference"), "{ran}");
    (lines, report)
}

#[test]
fn the_same_work_is_the_same_whatever_uids_and_dates() {
    let (one, other) = (day(|_| {}, "INBOX"), day(|_| {}, "INBOX"));
    for protocol in ["smtp", "imap", "pop3"] {
        let ran = diff(&one.mailtap.dir, &one.path(protocol), &other.path(protocol), &["--json"]);
        let (differences, report) = lines(&ran);
        assert!(differences.is_empty() && ran.code == Some(0), "{protocol}: {ran}");
        assert!(report["matched"].as_u64().unwrap() >= 4, "{ran}");
        for list in ["differing", "unasked", "unmet"] {
            assert_eq!(report[list].as_array().map(Vec::len), Some(0), "{ran}");
        }
        let text = diff(&one.mailtap.dir, &one.path(protocol), &other.path(protocol), &[]);
        assert!(text.code == Some(0) && text.text().contains("the same"), "{text}");
        let strict = diff(&one.mailtap.dir, &one.path(protocol), &other.path(protocol), &["--strict", "--json"]);
        // The trace headers, the addresses and the times in them are never the same bytes.
        assert!(protocol == "smtp" || strict.code == Some(1), "{protocol}: {strict}");
    }
}

#[test]
fn what_was_changed_is_what_differs() {
    let one = day(|_| {}, "INBOX");
    let other = day(
        |config| {
            config.tls = None;
            config.ports.imaps = None;
            config.ports.pop3s = None;
            config.ports.submissions = None;
            config.limits.message = 100;
        },
        "Missing",
    );
    let ran = diff(&one.mailtap.dir, &one.path("smtp"), &other.path("smtp"), &["--json"]);
    let (differences, report) = lines(&ran);
    assert_eq!(ran.code, Some(1));
    let capabilities: Vec<&Value> = differences.iter().filter(|line| line["what"] == "capabilities").collect();
    assert_eq!(capabilities.len(), 1, "{ran}");
    let removed = capabilities[0]["removed"].as_array().unwrap();
    assert!(removed.iter().any(|word| word == "STARTTLS"), "{ran}");
    assert!(capabilities[0]["added"].as_array().unwrap().iter().any(|word| word == "SIZE 100"), "{ran}");
    let refused = differences.iter().find(|line| line["what"] == "status").unwrap();
    assert!(refused["text"].as_str().unwrap().contains("552"), "{ran}");
    // Its size, its offer of STARTTLS and the message that is too large for it now: nothing else was changed.
    assert_eq!(report["differing"].as_array().map(Vec::len), Some(2), "{ran}");
    assert_eq!([&report["unasked"], &report["unmet"]], [&serde_json::json!([]); 2], "{ran}");

    let ran = diff(&one.mailtap.dir, &one.path("imap"), &other.path("imap"), &["--json"]);
    let (differences, _) = lines(&ran);
    let select = differences.iter().filter(|line| line["command"] == "SELECT").collect::<Vec<_>>();
    assert!(select.iter().any(|line| line["what"] == "command"), "{ran}");
    assert!(
        select.iter().any(|line| line["text"].as_str().unwrap().contains("the status is OK [READ-WRITE] in A and NO")),
        "{ran}"
    );
    let text = diff(&one.mailtap.dir, &one.path("imap"), &other.path("imap"), &[]);
    assert!(text.text().contains("≠") && text.text().contains("only in A: STARTTLS"), "{text}");
}

#[test]
fn a_session_that_is_not_there_and_two_that_cannot_be_compared_are_told() {
    let one = day(|_| {}, "INBOX");
    let missing = run(&one.mailtap.dir, &["diff", one.path("imap").to_str().unwrap(), "zzzz"]);
    assert_eq!(missing.code, Some(1), "{missing}");
    assert!(missing.errors().contains("zzzz") && missing.errors().lines().count() == 1, "{missing}");
    let mixed = diff(&one.mailtap.dir, &one.path("imap"), &one.path("pop3"), &[]);
    assert_eq!(mixed.code, Some(2), "{mixed}");
    assert!(mixed.errors().contains("the same protocol"), "{mixed}");
}
