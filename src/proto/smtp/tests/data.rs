//! DATA and BDAT: where a message begins and where it ends.
//! Takes what both sides say; fails where content and commands are mixed up.
//! Does not look into the message.

use super::*;

fn at_data() -> Tap {
    let mut tap = smtp();
    tap.client("DATA\r\n").server("354 go\r\n");
    tap
}

#[test]
fn content_comes_only_after_354() {
    let mut tap = smtp();
    tap.client("DATA\r\nNOOP\r\n.\r\n");
    assert_eq!(tap.held(Side::Client), 9);
    tap.server("354 go\r\n");
    assert_eq!(tap.kinds()[1..], ["command DATA", "continue 354", "content 6 last"]);

    let mut tap = smtp();
    tap.client("DATA\r\nNOOP\r\n").server("503 5.5.1 no recipients\r\n");
    assert_eq!(tap.kinds()[1..], ["command DATA", "reply 503", "command NOOP"]);
    tap.server("250 ok\r\n");
    assert_eq!(answered(&tap, "250 ok\r\n").as_deref(), Some("NOOP\r\n"));
}

#[test]
fn only_crlf_dot_crlf_ends_data() {
    for body in [
        "a\n.\nb",
        "a\r\n.\nb",
        "a\n.\r\nb",
        "a\r.\rb",
        "a\r\n..\r\nb",
        "a\r\n.\rb",
        "a\r\n. \r\nb",
        ".b",
        ".\nb",
        "a\u{0}.\u{0}",
    ] {
        let mut tap = at_data();
        tap.client(body);
        assert!(!tap.kinds().last().unwrap().ends_with("last"), "{body:?}");
        tap.client("\r\n.\r\n").server("250 ok\r\n");
        assert_eq!(tap.kinds()[3..], [format!("content {} last", body.len() + 2), "reply 250".to_owned()]);
        assert!(tap.log.notes.is_empty(), "{body:?}");
        assert_eq!(answered(&tap, "250 ok\r\n").as_deref(), Some("DATA\r\n"));
    }
}

#[test]
fn an_empty_message_ends_straight_after_354() {
    let mut tap = at_data();
    tap.client(".\r\n").server("250 ok\r\n");
    assert_eq!(tap.kinds()[3..], ["content 0 last", "reply 250"]);
    assert_eq!(tap.piece(".\r\n").kind(), "content");
    assert!(tap.log.notes.is_empty());
}

#[test]
fn a_server_that_takes_a_laxer_end_is_followed() {
    for end in ["\n.\n", "\r\n.\n", "\n.\r\n", "\r.\r", "\r\n.\r", "\r.\n"] {
        for answer in ["250 2.0.0 queued\r\n", "550 5.7.1 spam\r\n", "451 later\r\n"] {
            for cut in 0..=end.len() {
                let mut tap = at_data();
                tap.client("text").client(&end[..cut]).client(&end[cut..]).client("MAIL FROM:<smuggled@x>\r\n");
                tap.server(answer);
                assert_eq!(tap.note_codes(), ["desync"], "{end:?} {answer}");
                assert_eq!(answered(&tap, answer).as_deref(), Some("DATA\r\n"));
                assert!(tap.kinds()[3].ends_with(" last"));
                tap.client("RSET\r\n").server("250 reset\r\n");
                assert_eq!(answered(&tap, "250 reset\r\n").as_deref(), Some("RSET\r\n"));
            }
        }
    }
    let mut tap = at_data();
    tap.client(".\n").server("250 ok\r\n");
    assert_eq!(tap.note_codes(), ["desync"]);
}

#[test]
fn an_early_success_means_that_the_server_saw_an_end() {
    let mut tap = at_data();
    tap.client("text\r\n.").server("250 ok\r\n");
    assert_eq!(tap.note_codes(), ["desync"]);
    assert_eq!(tap.kinds()[3..], ["content 7 last", "reply 250"]);
}

#[test]
fn an_early_refusal_does_not_end_the_message() {
    for answer in ["552 5.3.4 too big\r\n", "421 4.4.2 timeout\r\n"] {
        let mut tap = at_data();
        tap.client("text\r\n").server(answer).client("more\r\n.\r\nNOOP\r\n").server("250 ok\r\n");
        assert!(tap.log.notes.is_empty());
        assert_eq!(answered(&tap, answer).as_deref(), Some("DATA\r\n"));
        assert_eq!(answered(&tap, "250 ok\r\n").as_deref(), Some("NOOP\r\n"));
    }
}

#[test]
fn a_421_with_a_lax_end_in_sight_is_no_desync() {
    let mut tap = at_data();
    tap.client("a\n.\n").server("421 bye\r\n");
    assert!(tap.log.notes.is_empty());
}

#[test]
fn a_message_sent_to_a_server_that_does_not_answer_data() {
    // The answer comes late, after the session has given up holding.
    let late = |answers: &str| {
        let mut tap = smtp();
        tap.client("DATA\r\nbody\r\n");
        tap.release();
        tap.client(".\r\nNOOP\r\n").server(answers);
        tap
    };
    let tap = late("354 go\r\n250 queued\r\n251 noop\r\n");
    assert_eq!(
        tap.kinds()[1..],
        ["command DATA", "content 6 last", "command NOOP", "continue 354", "reply 250", "reply 251"]
    );
    assert_eq!(answered(&tap, "250 queued\r\n").as_deref(), Some("DATA\r\n"));
    assert_eq!(answered(&tap, "251 noop\r\n").as_deref(), Some("NOOP\r\n"));
    let tap = late("503 no\r\n251 noop\r\n");
    assert_eq!(answered(&tap, "251 noop\r\n").as_deref(), Some("NOOP\r\n"));
    // Refused while it is still being sent: the rest are commands for the server.
    let mut tap = smtp();
    tap.client("DATA\r\nbody\r\n");
    tap.release();
    tap.server("503 no\r\n").client("RSET\r\n").server("250 ok\r\n");
    assert_eq!(tap.note_codes(), ["desync"]);
    assert_eq!(answered(&tap, "250 ok\r\n").as_deref(), Some("RSET\r\n"));
}

#[test]
fn rfc_3030_chunks_are_counted_and_pipelined() {
    let mut tap = smtp();
    tap.client("EHLO cnri.reston.va.us\r\n").server("250-ia.us\r\n250 CHUNKING\r\n");
    let mut group = b"MAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\nBDAT 10\r\n".to_vec();
    group.extend_from_slice(b"\x00\x01\r\n.\r\n\xff\n.BDAT 4 LAST\r\n.\r\nQQUIT\r\n");
    tap.client(&group).server("250 s\r\n250 r\r\n250 2.0.0 10 octets\r\n250 2.0.0 4 octets\r\n221 bye\r\n");
    assert_eq!(
        tap.kinds()[3..],
        [
            "command MAIL",
            "command RCPT",
            "command BDAT",
            "content 10 last",
            "command BDAT",
            "content 4 last",
            "command QUIT",
            "reply 250",
            "reply 250",
            "reply 250",
            "reply 250",
            "reply 221",
        ]
    );
    assert_eq!(answered(&tap, "250 2.0.0 4 octets\r\n").as_deref(), Some("BDAT 4 LAST\r\n"));
    let last = args(command(&tap, "BDAT 4 LAST\r\n"));
    assert_eq!((last["bytes"].as_u64(), last["last"].as_bool()), (Some(4), Some(true)));
}

#[test]
fn the_octets_of_a_refused_chunk_come_all_the_same() {
    let mut tap = smtp();
    tap.client("BDAT 6\r\n").server("503 5.5.1 MAIL first\r\n").client("QUIT\r\nNOOP\r\n").server("250 ok\r\n");
    assert_eq!(tap.kinds()[1..], ["command BDAT", "reply 503", "content 6 last", "command NOOP", "reply 250"]);
}

#[test]
fn an_empty_last_chunk_has_no_octets() {
    let mut tap = smtp();
    tap.client("BDAT 0 LAST\r\nQUIT\r\n").server("250 ok\r\n221 bye\r\n");
    assert_eq!(tap.kinds()[1..], ["command BDAT", "command QUIT", "reply 250", "reply 221"]);
}

#[test]
fn a_chunk_size_that_is_none_has_no_octets() {
    for line in ["BDAT\r\n", "BDAT x LAST\r\n", "BDAT +5\r\n", "BDAT -1\r\n", "BDAT 18446744073709551616 LAST\r\n"] {
        let mut tap = smtp();
        tap.client(line).client("QUIT\r\n");
        assert_eq!(tap.kinds()[1..], ["command BDAT", "command QUIT"], "{line}");
    }
    let mut tap = smtp();
    tap.client("BDAT 18446744073709551615 last\r\nQUIT\r\n");
    assert_eq!(tap.kinds()[1..], ["command BDAT", "content 6"]);
    assert_eq!(args(command(&tap, "BDAT 18446744073709551615 last\r\n"))["bytes"].as_u64(), Some(u64::MAX));
}

#[test]
fn a_message_that_is_cut_off_keeps_its_bytes() {
    let mut tap = at_data();
    tap.client("text\r\n.\r");
    tap.end();
    assert_eq!(tap.kinds()[3..], ["content 8"]);
}

#[test]
fn a_big_message_is_passed_through_without_copies() {
    // 8 MiB in blocks as the relay reads them: as many pieces as blocks, each as long as its block.
    let block = "x".repeat(65_534) + "\r\n";
    let mut tap = at_data();
    for _ in 0..128 {
        tap.client(&block);
    }
    tap.client(".\r\n").server("250 ok\r\n");
    assert_eq!(tap.log.pieces.len(), 3 + 128 + 2);
    assert_eq!(tap.kinds()[3], format!("content {} last", 128 * 65_536));
}
