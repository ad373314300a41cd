//! Commands that cost much: the practice server's memory stays where it is, and others are served meanwhile.
//! Takes the program itself, reads its memory from the system.
//! Does not know how the server is built.

use std::net::SocketAddr;

use crate::practice_kit::Talk;
use crate::support::mailtap::Mailtap;

/// The server as a process of its own, and where its services are.
fn practice() -> (Mailtap, impl Fn(&str) -> Option<SocketAddr>) {
    let mailtap = Mailtap::launch(&["practice", "--json", "--free-ports"], 7);
    let line = mailtap.account();
    (mailtap, move |service| line[service].as_str().and_then(|address| address.parse().ok()))
}

fn logged_in(at: impl Fn(&str) -> Option<SocketAddr>) -> Talk {
    Talk::logged_in(at("imap"), "demo", "opensesame")
}

#[test]
fn many_parts_of_a_large_message_are_held_one_at_a_time() {
    let (practice, at) = practice();
    let mut talk = logged_in(&at);
    let size = 20_000_000;
    let message = format!("Subject: big\r\n\r\n{}", "0123456789abcdef\r\n".repeat(size / 18));
    assert!(talk.append("INBOX", "", &message).starts_with("OK "));
    talk.ok("SELECT INBOX");
    let before = practice.memory_peak();
    let parts: Vec<String> = (0..8).map(|from| format!("BODY.PEEK[]<{from}.99999999>")).collect();
    talk.send(format!("f FETCH 1 ({})\r\n", parts.join(" ")).as_bytes());
    for from in 0..parts.len() {
        let line = talk.line();
        let count = message.len() - from;
        assert!(line.ends_with(&format!("BODY[]<{from}> {{{count}}}")), "{line}");
        talk.skip(count as u64);
    }
    assert_eq!(talk.line(), ")");
    assert!(talk.line().starts_with("f OK"));
    let more = practice.memory_peak() - before;
    assert!(more < 8 * 1024, "{more} KiB for a FETCH of a message of {} KiB", message.len() / 1024);
}

#[test]
fn others_are_served_while_large_messages_are_searched() {
    let (_practice, at) = practice();
    let mut searching = [logged_in(&at), logged_in(&at)];
    // Lines that look like the boundary, and are not.
    let lines = "--bx some words\r\n".repeat(4_000_000 / 17);
    let message = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{lines}\r\n--b--\r\n");
    assert!(searching[0].append("INBOX", "", &message).starts_with("OK "));
    let keys: Vec<String> =
        (0..100).map(|n| format!("NOT HEADER Subject s{n} NOT TEXT zz{n} NOT SENTON 1-Jan-2026")).collect();
    for talk in &mut searching {
        talk.ok("SELECT INBOX");
        talk.send(format!("s SEARCH {}\r\n", keys.join(" ")).as_bytes());
    }
    for _ in 0..100 {
        let mut other = Talk::to(at("smtp"));
        assert!(other.line().starts_with("220 "));
        assert_eq!(other.smtp("EHLO x").last().map(|line| &line[..4]), Some("250 "));
    }
    for talk in &mut searching {
        assert!(talk.is_silent(), "the search is still going on");
    }
    for talk in &mut searching {
        assert_eq!(talk.imap_reply("s").0, ["* SEARCH 1"]);
    }
}
