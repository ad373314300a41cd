//! The demo as a learner runs it: what its own client does is recorded whole, explained, and without its password.
//! Takes nothing but the program itself; gives nothing but failures.
//! Does not know what the client says.

use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;

use crate::support::clients::{curl, curl_with};
use crate::support::mailtap::{Mailtap, run};
use crate::support::recording::files_with;
use crate::support::through::spellings;
use crate::support::wait_for;

/// Sending, and fetching by IMAP and POP3, in plaintext and through STARTTLS.
const SESSIONS: usize = 6;

#[test]
fn the_demos_own_sessions_are_whole_and_hold_no_password() {
    let mut demo = Mailtap::launch(&["demo", "--json", "--free-ports"], 7);
    let account = demo.account();
    let recordings = demo.recordings(SESSIONS);
    assert!(demo.stop().success(), "{}", demo.errors());
    assert_eq!(recordings.len(), SESSIONS);
    for recording in &recordings {
        assert!(recording.of_kind("raw").is_empty() && recording.of_kind("gap").is_empty(), "{}", recording.dump());
        for (number, event) in recording.events.iter().enumerate() {
            assert_eq!(event["seq"], number, "{event}");
            let answered = event["kind"] != "command" || event["verb"] == "PASS" || {
                let of = |reply: &&serde_json::Value| reply["answers"] == event["seq"];
                recording.events.iter().find(of).is_some()
            };
            assert!(answered, "nothing answers {event}");
        }
        let noted = recording.of_kind("note");
        let warnings: Vec<_> = noted.iter().filter(|note| note["level"] == "warn").collect();
        let plain = recording.of_kind("tls").is_empty();
        let codes: Vec<_> = warnings.iter().filter_map(|note| note["code"].as_str()).collect();
        assert_eq!(codes, if plain { vec!["plaintext-password"] } else { vec![] }, "{}", recording.dump());
        // What passed by the count of the last event is what can be read back.
        let close = recording.one("close");
        let path = recording.path.to_str().expect("a path as text");
        for (format, bytes) in [("raw-client", "client_bytes"), ("raw-server", "server_bytes")] {
            let exported = run(&demo.dir, &["export", path, "--format", format]).expect_ok();
            let hidden = recording.events.iter().any(|event| event["redacted"] == true);
            let length = exported.text().len() as u64;
            assert!(Some(length) == close[bytes].as_u64() || (hidden && format == "raw-client"), "{format}: {close}");
        }
        check_explained(&demo.dir, path);
    }
    let tailed = run(&demo.dir, &["tail", "--json", "--explain"]).expect_ok().text();
    let of = |line: &&str| {
        line.contains("\"session\":\"") && line.contains(",\"explain\":\"") && line.contains(",\"rfc\":\"")
    };
    assert!(tailed.lines().filter(of).count() > SESSIONS * 8, "{tailed}");
    let password = account["password"].as_str().expect("a password");
    for secret in spellings(password) {
        let files = files_with(&demo.dir, secret.as_bytes());
        assert!(files.is_empty(), "the password stands as {secret} in {files:?}");
    }
}

/// Everything in a recording that means something is explained, and with the explanations it is still the same.
#[track_caller]
pub fn check_explained(dir: &Path, path: &str) {
    let plain = run(dir, &["show", path, "--json"]).expect_ok().text();
    let explained = run(dir, &["show", path, "--json", "--explain"]).expect_ok().text();
    for (plain, explained) in plain.lines().zip(explained.lines()) {
        let mut event: serde_json::Value = serde_json::from_str(explained).expect("an event");
        let fields = event.as_object_mut().expect("an object");
        let said = ["explain", "rfc"].map(|name| fields.remove(name).is_some_and(|value| value.is_string()));
        let meant = ["greeting", "command", "reply", "continue", "auth"].iter().any(|kind| fields["kind"] == *kind);
        assert!(said == [true; 2] || !meant || fields.contains_key("continues"), "{explained}");
        assert_eq!(event, serde_json::from_str::<serde_json::Value>(plain).expect("an event"));
    }
    let shown = run(dir, &["--color", "never", "show", path, "--explain"]).expect_ok().text();
    let lines: Vec<&str> = shown.lines().collect();
    for pair in lines.windows(2).filter(|pair| pair[0].contains("  C → ")) {
        assert!(pair[1].contains('│') || pair[0].contains("C → ⋯"), "not explained: {}\n{shown}", pair[0]);
    }
}

/// What somebody else listens at is left to them, and the settings that are printed are those that work.
#[test]
fn ports_in_use_are_met_with_the_next_free_ones() {
    // If it is taken already, all the better.
    let _taken = [1143, 1025].map(|port| TcpListener::bind(("127.0.0.1", port)));
    for command in [&["demo", "--json", "--no-client"][..], &["practice", "--json"]] {
        let mut demo = Mailtap::launch(command, 7);
        let account = demo.account();
        let port = |service: &str| account[service].as_str().and_then(|at| at.rsplit(':').next()?.parse::<u16>().ok());
        for (service, wanted) in [("imap", 1143), ("smtp", 1025)] {
            let port = port(service).expect("an address");
            assert!(port > wanted && port < wanted + 100, "{account}");
            let said = demo.errors();
            assert!(said.contains(&format!("port {wanted} is in use")) && said.contains(&port.to_string()), "{said}");
        }
        let capability =
            curl([&format!("imap://{}", account["imap"].as_str().expect("an address")), "-X", "CAPABILITY"]);
        assert!(capability.expect_ok().text().contains("IMAP4rev1"));
        assert!(demo.stop().success());
    }
}

/// However many are started, and at the same time: a port that was found free is kept.
#[test]
fn several_servers_find_ports_for_all_their_services() {
    let start = || std::thread::spawn(|| Mailtap::launch(&["practice", "--json"], 7));
    let servers = [start(), start(), start()].map(|server| server.join().expect("a server that listens"));
    let mut ports: Vec<u16> = servers.iter().flat_map(Mailtap::addresses).map(|address| address.port()).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 3 * 7);
    for mut server in servers {
        assert!(server.stop().success(), "{}", server.errors());
    }
}

#[test]
fn without_its_client_it_waits_for_yours_and_keeps_mail_where_it_is_told_to() {
    let mail = tempfile::tempdir().expect("a folder");
    let folder = mail.path().to_str().expect("a path as text");
    let args = ["demo", "--json", "--no-client", "--free-ports", "--mail", folder, "--user", "ann:Garden-Gate-9"];
    for round in 1..=2 {
        let mut demo = Mailtap::launch(&args, 7);
        let account =
            wait_for("a line about ann", || accounts(&demo).into_iter().find(|account| account["user"] == "ann"));
        let url = |service: &str| account[service].as_str().expect("an address").to_owned();
        let login = format!("ann:{}", account["password"].as_str().expect("a password"));
        let address = account["address"].as_str().expect("an address");
        let (ca, to) = (account["ca"].as_str().expect("a path"), format!("smtps://{}", url("submissions")));
        let mail = ["--mail-from", address, "--mail-rcpt", address, "-u", &login, "-T", "-", &to];
        curl_with([&mail[..], &["--cacert", ca]].concat(), b"Subject: kept\r\n\r\nx\r\n").expect_ok();
        let status = curl([&format!("imap://{}", url("imap")), "-u", &login, "-X", "STATUS INBOX (MESSAGES)"]);
        assert!(status.clone().expect_ok().text().contains(&format!("(MESSAGES {round})")), "{status}");
        // Two of the client's own, and none of a client that was left out.
        assert_eq!(demo.recordings(2).len(), 2);
        assert!(demo.stop().success(), "{}", demo.errors());
        assert_eq!(maildir(&Path::new(folder).join("ann")), round);
    }
    let refused = run(Path::new(folder), &["demo", "--user", "ann"]);
    assert!(refused.code == Some(2) && refused.errors().contains("NAME:PASSWORD"), "{refused}");
}

fn accounts(demo: &Mailtap) -> Vec<Value> {
    let lines = demo.printed();
    let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["kind"] == "account").collect()
}

/// How many messages lie in a Maildir's inbox.
fn maildir(folder: &Path) -> usize {
    let count = |part: &str| std::fs::read_dir(folder.join(part)).map_or(0, Iterator::count);
    count("new") + count("cur")
}
