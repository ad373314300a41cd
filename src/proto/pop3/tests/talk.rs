//! Commands, replies, listings and STLS.
//! Takes what both sides say; fails where a command, a reply or the length of one is read wrongly.
//! Leaves logins to the file beside it.

use super::*;
use crate::proto::{Trouble, frame::LINE_MAX, laws::recorded};

#[test]
fn rfc_1939_section_10_example_session() {
    let mut tap = pop3();
    for (said, answer) in [
        ("APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n", "+OK mrose's maildrop has 2 messages (320 octets)\r\n"),
        ("STAT\r\n", "+OK 2 320\r\n"),
        ("LIST\r\n", "+OK 2 messages (320 octets)\r\n1 120\r\n2 200\r\n.\r\n"),
        ("RETR 1\r\n", "+OK 120 octets\r\nSubject: x\r\n\r\n..dot\r\n.\r\n"),
        ("DELE 1\r\n", "+OK message 1 deleted\r\n"),
        ("QUIT\r\n", "+OK dewey POP3 server signing off (maildrop empty)\r\n"),
    ] {
        tap.client(said).server(answer);
    }
    assert_eq!(
        tap.kinds(),
        [
            "greeting +OK",
            "command APOP",
            "reply +OK",
            "command STAT",
            "reply +OK",
            "command LIST",
            "reply +OK",
            "content 14 last",
            "command RETR",
            "reply +OK",
            "content 21 last",
            "command DELE",
            "reply +OK",
            "command QUIT",
            "reply +OK",
        ]
    );
    let Body::Greeting(greeting) = &tap.log.pieces[0].body else { panic!() };
    assert_eq!(greeting.values.map()["timestamp"], "<1896.697170952@dbc.mtview.ca.us>");
    let stat = reply(&tap, "+OK 2 320\r\n").values.map();
    assert_eq!((stat["messages"].as_u64(), stat["octets"].as_u64()), (Some(2), Some(320)));
    assert_eq!(command(&tap, "RETR 1\r\n").args.map()["message"], 1);
    assert!(tap.log.notes.is_empty() && tap.log.edits.is_empty());
}

#[test]
fn many_lines_or_one_depends_on_command_arguments_and_status() {
    for (said, many) in [
        ("LIST\r\n", true),
        ("LIST 1\r\n", false),
        ("list\r\n", true),
        ("UIDL\r\n", true),
        ("uidl 3\r\n", false),
        ("TOP 1 10\r\n", true),
        ("RETR 1\r\n", true),
        ("CAPA\r\n", true),
        ("AUTH\r\n", true),
        ("LANG\r\n", true),
        ("LANG en\r\n", false),
        ("STAT\r\n", false),
        ("UTF8\r\n", false),
        ("  LIST  \r\n", true),
        ("XTND x\r\n", false),
    ] {
        let mut tap = pop3();
        tap.client(said).client("NOOP\r\n").server("+OK yes\r\n");
        tap.server(if many { "+OK no reply\r\n.\r\n+OK noop\r\n" } else { "+OK noop\r\n" });
        assert_eq!(answered(&tap, "+OK noop\r\n").as_deref(), Some("NOOP\r\n"), "{said}");
        let mut tap = pop3();
        tap.client(said).client("NOOP\r\n").server("-ERR no\r\n+OK noop\r\n");
        assert_eq!(answered(&tap, "+OK noop\r\n").as_deref(), Some("NOOP\r\n"), "{said}");
    }
}

#[test]
fn pipelined_commands_are_answered_in_order() {
    let mut tap = pop3();
    tap.client("USER joe\r\nPASS x\r\nLIST\r\nRETR 1\r\nUIDL 1\r\nQUIT\r\n");
    tap.server("+OK user\r\n+OK pass\r\n+OK list\r\n1 9\r\n.\r\n+OK retr\r\n+OK text\r\n.\r\n+OK 1 abc\r\n+OK bye\r\n");
    assert_eq!(answered(&tap, "+OK retr\r\n").as_deref(), Some("RETR 1\r\n"));
    assert_eq!(answered(&tap, "+OK bye\r\n").as_deref(), Some("QUIT\r\n"));
    assert_eq!(reply(&tap, "+OK 1 abc\r\n").values.map()["uid"], "abc");
}

#[test]
fn an_empty_listing_ends_straight_away() {
    let mut tap = pop3();
    tap.client("LIST\r\n").server("+OK\r\n.\r\n");
    assert_eq!(tap.kinds()[2..], ["reply +OK", "content 0 last"]);
}

#[test]
fn response_codes_stand_in_brackets() {
    let mut tap = pop3();
    for (line, code, text) in [
        (
            "-ERR [IN-USE] Do you have another POP session running?\r\n",
            Some("IN-USE"),
            "Do you have another POP session running?",
        ),
        ("-ERR [SYS/TEMP]\r\n", Some("SYS/TEMP"), ""),
        ("-ERR [not a code] x\r\n", None, "[not a code] x"),
        ("-ERR\r\n", None, ""),
        ("-ERR bare\n", None, "bare"),
    ] {
        tap.client("NOOP\r\n").server(line);
        let found = reply(&tap, line);
        assert_eq!((found.status.as_str(), found.code.as_deref(), found.text.as_str()), ("-ERR", code, text));
    }
}

#[test]
fn a_line_that_is_no_status_is_raw_and_noted_once() {
    let mut tap = pop3();
    tap.client("NOOP\r\n").server("what\r\n\r\n+OK fine\r\n");
    assert_eq!(tap.kinds()[2..], ["raw", "reply +OK"]);
    assert_eq!(tap.note_codes(), ["lost-sync"]);
}

#[test]
fn lines_of_megabytes_are_given_in_blocks() {
    let mut tap = pop3();
    tap.client(format!("NOOP {}\r\n", "x".repeat(2 * LINE_MAX)))
        .server(format!("+OK {}\r\n", "y".repeat(2 * LINE_MAX)));
    assert_eq!(tap.kinds()[1..], ["command NOOP", "command …", "command …", "reply +OK", "reply …", "reply …"]);
    let mut tap = pop3();
    tap.client("CAPA\r\n").server(format!("+OK\r\n{}\r\n.\r\n", "x".repeat(2 * LINE_MAX)));
    assert_eq!(tap.kinds()[3], format!("content {} last", 2 * LINE_MAX + 2));
}

#[test]
fn the_banner_is_never_touched() {
    let stream = "+OK STLS <1@x>\r\n+OK\r\nSTLS\r\nUSER\r\n.\r\n+OK\r\nSTLS\r\n.\r\n";
    let expected = "+OK STLS <1@x>\r\n+OK\r\nUSER\r\n.\r\n+OK\r\nSTLS\r\n.\r\n";
    for cut in 0..stream.len() {
        let mut tap = Tap::new(&SPEC, Setup { hide_starttls: true, ..Setup::default() });
        tap.client("CAPA\r\nUIDL\r\n").server(&stream[..cut]).server(&stream[cut..]);
        assert_eq!(tap.edited(stream.as_bytes()), expected.as_bytes());
    }
}

#[test]
fn the_offer_stays_hidden_after_the_proxys_own_upgrade() {
    let mut tap = Tap::new(&SPEC, Setup { hide_starttls: true, ..Setup::default() });
    tap.server("+OK hi\r\n").client("STLS\r\n").server("+OK go\r\n").client("CAPA\r\n");
    assert_eq!(tap.upgraded, 1);
    tap.server("+OK\r\nST").server("LS\r\n.\r\n");
    assert_eq!(tap.edited(b"+OK hi\r\n+OK go\r\n+OK\r\nSTLS\r\n.\r\n"), b"+OK hi\r\n+OK go\r\n+OK\r\n.\r\n");
}

#[test]
fn an_upgrade_between_equal_legs_changes_nothing_after_it() {
    let mut tap = pop3();
    tap.client("STLS\r\n").server("+OK go\r\n").client("CAPA\r\n").server("+OK\r\nSTLS\r\n.\r\n");
    assert!(tap.log.edits.is_empty());
}

#[test]
fn an_empty_line_is_no_command_and_only_refused() {
    for end in ["\r\n", "\n"] {
        let mut tap = pop3();
        tap.client(end).client("STAT\r\n").server("+OK 2 320\r\n").client("QUIT\r\n").server("+OK bye\r\n");
        assert_eq!(answered(&tap, "+OK 2 320\r\n").as_deref(), Some("STAT\r\n"), "a server that waits for more");
        assert_eq!(answered(&tap, "+OK bye\r\n").as_deref(), Some("QUIT\r\n"));
        assert_eq!((tap.kinds()[1].as_str(), tap.log.notes.len()), ("raw", 0));
        let mut tap = pop3();
        tap.client(end).server("-ERR what\r\n").client("STAT\r\n").server("+OK 2 320\r\n");
        assert_eq!(answered(&tap, "-ERR what\r\n").as_deref(), Some(end));
        assert_eq!(answered(&tap, "+OK 2 320\r\n").as_deref(), Some("STAT\r\n"));
    }
}

#[test]
fn a_server_whose_lines_end_with_lf_alone_ends_its_listings_so() {
    let mut tap = pop3();
    tap.client("LIST\r\nRETR 1\r\nSTAT\r\n");
    tap.server("+OK two\n1 120\n2 200\n.\n").server("+OK\nSTLS is a word\n\n..dot\r\n.\r\n").server("+OK 2 320\n");
    assert_eq!(answered(&tap, "+OK 2 320\n").as_deref(), Some("STAT\r\n"));
    let contents: Vec<String> = tap.kinds().into_iter().filter(|kind| kind.starts_with("content")).collect();
    assert_eq!(contents, ["content 12 last", "content 23 last"]);
    assert!(tap.log.notes.is_empty());
    // The others' ends are CRLF's alone.
    let mut tap = pop3();
    tap.client("RETR 1\r\n").server("+OK\r\ntext\n.\n+OK\r\n.\r\n");
    assert_eq!(tap.kinds()[3..], ["content 12 last"]);
}

#[test]
fn stls_holds_what_stands_behind_it() {
    let mut tap = pop3();
    tap.client("STLS\r\nUSER injected\r\n");
    assert!(tap.dialog().upgrading());
    tap.server("+OK be");
    assert_eq!(tap.held(Side::Server), 6);
    tap.server("gin TLS\r\n+OK injected\r\n");
    assert_eq!(tap.injected, [b"USER injected\r\n".to_vec(), b"+OK injected\r\n".to_vec()]);
    tap.client("CAPA\r\n").server("+OK\r\n.\r\n");
    assert_eq!(tap.kinds()[3..], ["command CAPA", "reply +OK", "content 0 last"]);
}

#[test]
fn a_refused_stls_changes_nothing() {
    let mut tap = pop3();
    tap.client("STLS\r\nNOOP\r\n").server("-ERR not now\r\n").server("+OK noop\r\n");
    assert_eq!(answered(&tap, "+OK noop\r\n").as_deref(), Some("NOOP\r\n"));
    let mut tap = pop3().without_upgrades();
    tap.client("STLS\r\n").server("+OK go\r\n").client("NOOP\r\n").server("+OK noop\r\n");
    assert_eq!(answered(&tap, "+OK noop\r\n").as_deref(), Some("NOOP\r\n"));
    assert_eq!(tap.dialog().refusal("no\nTLS"), b"-ERR [SYS/TEMP] no TLS\r\n");
}

#[test]
fn trouble_is_told_in_a_line_that_a_client_reads() {
    for (trouble, start) in [(Trouble::Unreachable, "-ERR [SYS/TEMP] "), (Trouble::Tls, "-ERR [SYS/PERM] ")] {
        let line = (SPEC.trouble)(trouble, &format!("mailtap: {}\r\nü", "x".repeat(600)));
        assert!(line.starts_with(start.as_bytes()) && line.ends_with(b"\r\n") && line.len() == 512);
    }
}

#[test]
fn what_is_torn_is_kept() {
    let mut tap = pop3();
    tap.client("RETR 1\r\nDEL").server("+OK\r\ntext\r\n.\r");
    tap.end();
    assert_eq!(tap.kinds()[1..], ["command RETR", "reply +OK", "content 6", "raw", "content 8"]);
}

#[test]
fn thunderbird_with_dovecot() {
    for talk in [
        recorded!("thunderbird/pop3-plain/01-pop3"),
        recorded!("thunderbird/pop3-plain/03-pop3"),
        recorded!("thunderbird/pop3-plain/04-pop3"),
        recorded!("thunderbird/pop3-plain/05-pop3"),
    ] {
        laws::keep(&SPEC, Setup::default(), &talk, &[1, 100, 5_000]);
        let tap = laws::play(&SPEC, Setup::default(), &talk, &Cuts::Whole);
        laws::assert_hidden(&tap, &["Ranch-Secret-4711"]);
        assert!(tap.log.notes.is_empty());
        assert!(tap.log.pieces.iter().all(|found| found.kind() != "raw"));
        assert_eq!(tap.kinds()[tap.kinds().len() - 2..], ["command QUIT", "reply +OK"]);
    }
}
