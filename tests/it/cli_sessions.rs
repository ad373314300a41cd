//! `sessions`: what is listed, from the index and without it.
//! Takes recordings made here, reads what the program prints.
//! Does not know how the index looks, only that it may be lost.

use std::fs;

use mailtap::event::{Level, Origin};
use mailtap::store::Store;
use serde_json::Value;

use crate::recordings::{Session, out, run};

fn listed(dir: &std::path::Path, args: &[&str]) -> Vec<Value> {
    let all = [&["sessions", "--json"], args].concat();
    out(dir, &all).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids(dir: &std::path::Path, args: &[&str]) -> Vec<String> {
    listed(dir, args).iter().map(|line| line["session"].as_str().unwrap().to_owned()).collect()
}

/// Four sessions: a clean one, one whose login was refused, one of the proxy's own end, one unfinished.
fn four(dir: &std::path::Path) -> [String; 4] {
    let store = Store::open(dir).unwrap();
    let mut first = Session::open(&store, 0, 1, "pop3", "127.0.0.1:5001");
    first.warn(1, "plaintext-password");
    let first = first.close(&store, 500, "client", Some("Joe@mail.example"));
    let mut second = Session::open(&store, 60, 2, "smtp", "127.0.0.1:5002");
    let login = second.command(1, "AUTH", "AUTH PLAIN «redacted»\r\n");
    second.reply(2, "535", login, "535 5.7.8 no\r\n");
    let second = second.close(&store, 600, "client", Some("ann"));
    let third = Session::open(&store, 120, 3, "imap", "[::1]:5003").close(&store, 700, "proxy", None);
    let mut fourth = Session::open(&store, 86_400, 4, "pop3", "10.1.2.3:5004");
    fourth.command(3, "NOOP", "NOOP\r\n");
    fourth.event(9, Origin::Server, b"hello\r\n", mailtap::event::Body::Raw);
    [first, second, third, fourth.id]
}

#[test]
fn lines_say_what_the_contract_promises() {
    let dir = tempfile::tempdir().unwrap();
    let [first, _, _, fourth] = four(dir.path());
    let lines = listed(dir.path(), &[]);
    let path = dir.path().join("sessions/2026-11-23").join(format!("{first}.jsonl"));
    let mut wanted = serde_json::json!({
        "session": first, "protocol": "pop3", "client": "127.0.0.1:5001", "upstream_name": "mail.example:143",
        "user": "Joe@mail.example", "opened": "2026-11-23T03:32:03.000000Z", "duration_us": 500_000, "commands": 3,
        "client_bytes": 11, "server_bytes": 22, "tls": [], "status": "closed", "findings": ["plaintext-password"],
        "path": path,
    });
    assert_eq!(lines[0], wanted);
    // What a crash cut short is counted from the recording itself.
    wanted = lines[3].clone();
    assert_eq!(wanted["session"], Value::from(fourth));
    assert_eq!(wanted["status"], "unfinished");
    assert_eq!([&wanted["commands"], &wanted["client_bytes"], &wanted["server_bytes"]], [1, 6, 7]);
    assert_eq!(wanted["duration_us"], 9000);
}

#[test]
fn filters_choose_and_the_newest_stands_last() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second, third, fourth] = four(dir.path());
    let listed = |args: &[&str]| ids(dir.path(), args);
    assert_eq!(listed(&[]), [&first, &second, &third, &fourth].map(String::clone));
    assert_eq!(listed(&["--limit", "2"]), [&third, &fourth].map(String::clone));
    assert_eq!(listed(&["--protocol", "POP3"]), [&first, &fourth].map(String::clone));
    assert_eq!(listed(&["--user", "joe"]), std::slice::from_ref(&first));
    assert_eq!(listed(&["--failed"]), [&second, &third, &fourth].map(String::clone));
    assert_eq!(listed(&["--since", "2026-11-24"]), std::slice::from_ref(&fourth));
    assert_eq!(listed(&["--until", "2026-11-23T03:33:03Z"]), std::slice::from_ref(&first));
    assert_eq!(listed(&["--until", "2026-11-23", "--since", "2026-11-23T03:34:00Z"]), std::slice::from_ref(&third));
    assert_eq!(listed(&["--client", "127.0.0.1"]), [&first, &second].map(String::clone));
    assert_eq!(listed(&["--client", "10.0.0.0/8"]), std::slice::from_ref(&fourth));
    assert_eq!(listed(&["--client", "::1"]), std::slice::from_ref(&third));
    assert_eq!(listed(&["--client", "127.0.0.1:5002"]), std::slice::from_ref(&second));
    assert_eq!(listed(&["--limit", "0"]), Vec::<String>::new());
    let wrong = run(dir.path(), &["sessions", "--since", "yesterday"]);
    assert_eq!((wrong.status, wrong.err.lines().count()), (2, 1), "{}", wrong.err);
}

#[test]
fn the_listing_is_the_same_when_the_index_is_lost_damaged_or_about_what_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let [first, ..] = four(dir.path());
    let index = dir.path().join("sessions/index.jsonl");
    let before = listed(dir.path(), &[]);
    fs::remove_file(&index).unwrap();
    assert_eq!(listed(dir.path(), &[]), before);
    assert_eq!(fs::read_to_string(&index).unwrap().lines().count(), 4, "it is written anew");
    let whole = fs::read(&index).unwrap();
    fs::write(&index, &whole[..whole.len() - 40]).unwrap();
    assert_eq!(listed(dir.path(), &[]), before);
    fs::write(&index, b"\xff{}\nnull\n").unwrap();
    assert_eq!(listed(dir.path(), &[]), before);
    fs::remove_file(dir.path().join("sessions/2026-11-23").join(format!("{first}.jsonl"))).unwrap();
    assert_eq!(listed(dir.path(), &[]), before[1..]);
}

#[test]
fn an_index_that_cannot_be_written_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    four(dir.path());
    let index = dir.path().join("sessions/index.jsonl");
    let before = listed(dir.path(), &[]);
    fs::remove_file(&index).unwrap();
    // A link to where nothing can be made.
    std::os::unix::fs::symlink("/dev/null/nowhere", &index).unwrap();
    let printed = run(dir.path(), &["sessions", "--json"]);
    assert_eq!((printed.status, printed.out.lines().count()), (1, 0), "{}", printed.err);
    fs::remove_file(&index).unwrap();
    assert_eq!(listed(dir.path(), &[]), before);
}

#[test]
fn a_session_runs_as_long_as_its_process_holds_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let session = Session::open(&store, 0, 1, "imap", "127.0.0.1:1");
    let line = listed(dir.path(), &[]).remove(0);
    assert_eq!((&line["status"], &line["commands"]), (&Value::from("running"), &Value::Null));
    assert!(ids(dir.path(), &["--failed"]).is_empty());
    session.close(&store, 5, "client", None);
    assert_eq!(listed(dir.path(), &[]).remove(0)["status"], "closed");
    let _left = Session::open(&store, 1, 2, "imap", "127.0.0.1:1");
    drop(store);
    let line = listed(dir.path(), &[]).remove(1);
    assert_eq!((&line["status"], &line["failed"]), (&Value::from("unfinished"), &Value::from("not closed")));
}

#[test]
fn two_processes_share_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let stores = [Store::open(dir.path()).unwrap(), Store::open(dir.path()).unwrap()];
    std::thread::scope(|scope| {
        for (which, store) in stores.iter().enumerate() {
            scope.spawn(move || {
                for second in 0..200 {
                    let random = u8::try_from(which).unwrap();
                    Session::open(store, second, random, "imap", "127.0.0.1:1").close(store, 5, "client", None);
                }
            });
        }
        // Listings meanwhile mend nothing wrongly and lose nothing.
        for _ in 0..5 {
            listed(dir.path(), &[]);
        }
    });
    let lines = listed(dir.path(), &[]);
    assert_eq!(lines.len(), 400);
    assert!(lines.iter().all(|line| line["status"] == "closed"));
}

#[test]
fn an_empty_folder_lists_nothing_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let printed = run(dir.path(), &["sessions"]);
    assert_eq!((printed.out.as_str(), printed.status), ("", 0));
    assert!(printed.err.starts_with("mailtap: nothing is recorded in"), "{}", printed.err);
    assert_eq!(out(dir.path(), &["sessions", "--json"]), "");
}

#[test]
fn an_index_mostly_about_deleted_recordings_is_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    four(dir.path());
    let index = dir.path().join("sessions/index.jsonl");
    let before = listed(dir.path(), &[]);
    let line = fs::read_to_string(&index).unwrap().lines().find(|line| line.contains("\"closed\"")).unwrap().to_owned();
    let id = before[0]["session"].as_str().unwrap();
    let gone: String =
        (0..6000).map(|number| line.replace(id, &format!("20250101T000000000-{number:08}")) + "\n").collect();
    let kept = fs::read_to_string(&index).unwrap();
    fs::write(&index, gone + &kept).unwrap();
    // A process that has it open goes on writing into the new one.
    let store = Store::open(dir.path()).unwrap();
    let running = Session::open(&store, 90_000, 9, "imap", "127.0.0.1:1");
    assert_eq!(listed(dir.path(), &["--until", "2026-11-24T03:32:04Z"]), before);
    let size = fs::metadata(&index).unwrap().len();
    assert!(size < 4000, "{size} bytes");
    let last = running.close(&store, 5, "client", None);
    assert_eq!(listed(dir.path(), &[]).len(), 5);
    assert!(fs::read_to_string(&index).unwrap().lines().last().unwrap().contains(&last));
}

#[test]
fn sessions_are_found_by_a_finding_and_the_catalogue_explains_it() {
    let dir = tempfile::tempdir().unwrap();
    let [first, ..] = four(dir.path());
    assert_eq!(ids(dir.path(), &["--finding", "plaintext-password"]), std::slice::from_ref(&first));
    assert_eq!(ids(dir.path(), &["--finding", "PLAINTEXT-password"]), std::slice::from_ref(&first));
    assert!(ids(dir.path(), &["--finding", "bare-lf"]).is_empty());
    assert_eq!(
        ids(dir.path(), &["--finding", "bare-lf", "--finding", "plaintext-password"]),
        std::slice::from_ref(&first)
    );
    let unknown = run(dir.path(), &["sessions", "--finding", "nope"]);
    assert!(unknown.status == 2 && !unknown.err.contains("there are"), "{}", unknown.err);
    let unknown = run(dir.path(), &["sessions", "--finding", "bare-feet"]);
    let said = unknown.err;
    assert!(unknown.status == 2 && said.contains("bare-lf, bare-cr") && said.lines().count() == 1, "{said}");
    // The shown session ends with what was found, and what to do about it.
    let shown = out(dir.path(), &["--color", "never", "show", &first]);
    let (_, found) = shown.split_once("\nfindings\n").expect("findings");
    assert!(
        found.starts_with("  !! plaintext-password: ") && found.contains("→ ") && found.ends_with("[RFC 8314 §3]\n")
    );
    let all = out(dir.path(), &["findings", "--json"]);
    let all: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(all.len(), mailtap::findings::all().count());
    for (line, finding) in all.iter().zip(mailtap::findings::all()) {
        let one = out(dir.path(), &["findings", finding.code]);
        assert!(one.contains(finding.code) && one.contains(finding.what) && one.contains(finding.mend), "{one}");
        assert_eq!(line["code"], finding.code);
        assert!(out(dir.path(), &["findings"]).contains(finding.what));
    }
}

#[test]
fn a_running_session_is_found_by_what_was_found_until_now() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut session = Session::open(&store, 0, 1, "imap", "127.0.0.1:1");
    assert!(ids(dir.path(), &["--finding", "preauth"]).is_empty());
    session.event(1, Origin::Client, b"a NOOP \"kind\":\"note\"\r\n", mailtap::event::Body::Raw);
    session.warn(2, "preauth");
    // What is only worth knowing is found too, and stands aside where people look.
    session.note(3, "slow-answer", Level::Info);
    session.append(b"{\"seq\":9,\"kind\":\"note\",\"co");
    for code in ["preauth", "slow-answer"] {
        assert_eq!(ids(dir.path(), &["--finding", code]), [session.id.clone()]);
    }
    let line = listed(dir.path(), &[]).remove(0);
    assert_eq!(
        (&line["status"], &line["findings"]),
        (&"running".into(), &serde_json::json!(["preauth", "slow-answer"]))
    );
    let shown = out(dir.path(), &["--color", "never", "sessions"]);
    assert!(shown.contains("  preauth\n") && !shown.contains("slow-answer"), "{shown}");
}
