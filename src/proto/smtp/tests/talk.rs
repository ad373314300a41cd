//! Greeting, commands and replies.
//! Takes what both sides say; fails where a command, a reply or the tie between them is read wrongly.
//! Leaves messages, logins and STARTTLS to the files beside it.

use super::*;
use crate::proto::{OUTSTANDING_MAX, Trouble, frame::LINE_MAX};

#[test]
fn rfc_5321_appendix_d_1_a_typical_transaction() {
    let talk = script(
        "S: 220 foo.com Simple Mail Transfer Service Ready
         C: EHLO bar.com
         S: 250-foo.com greets bar.com
         S: 250-8BITMIME
         S: 250-SIZE
         S: 250-DSN
         S: 250 HELP
         C: MAIL FROM:<Smith@bar.com>
         S: 250 OK
         C: RCPT TO:<Jones@foo.com>
         S: 250 OK
         C: RCPT TO:<Green@foo.com>
         S: 550 No such user here
         C: DATA
         S: 354 Start mail input; end with <CRLF>.<CRLF>
         C: Blah blah blah...
         C: ...etc. etc. etc.
         C: .
         S: 250 OK
         C: QUIT
         S: 221 foo.com Service closing transmission channel",
    );
    let tap = laws::play(&SMTP, Setup::default(), &talk, &Cuts::Whole);
    assert_eq!(
        tap.kinds(),
        [
            "greeting 220",
            "command EHLO",
            "reply 250",
            "command MAIL",
            "reply 250",
            "command RCPT",
            "reply 250",
            "command RCPT",
            "reply 550",
            "command DATA",
            "continue 354",
            "content 38 last",
            "reply 250",
            "command QUIT",
            "reply 221",
        ]
    );
    let hello = reply(&tap, "250-foo.com greets bar.com\r\n250-8BITMIME\r\n250-SIZE\r\n250-DSN\r\n250 HELP\r\n");
    let values = hello.values.map();
    assert_eq!(values["domain"], "foo.com");
    assert_eq!(values["capabilities"]["8BITMIME"], "");
    assert!(values["capabilities"].get("HELP").is_some());
    assert_eq!(args(command(&tap, "MAIL FROM:<Smith@bar.com>\r\n"))["address"], "Smith@bar.com");
    assert_eq!(answered(&tap, "550 No such user here\r\n").as_deref(), Some("RCPT TO:<Green@foo.com>\r\n"));
    assert!(tap.log.notes.is_empty());
    laws::keep(&SMTP, Setup::default(), &talk, &[3, 17, 40]);
}

#[test]
fn rfc_2920_pipelined_commands_are_answered_in_order() {
    let mut tap = smtp();
    tap.client("EHLO x\r\n").server("250-x\r\n250 PIPELINING\r\n");
    tap.client("MAIL FROM:<m@d>\r\nRCPT TO:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n");
    tap.server("250 sender\r\n250 first\r\n550 second\r\n354 enter mail\r\n");
    assert_eq!(answered(&tap, "250 sender\r\n").as_deref(), Some("MAIL FROM:<m@d>\r\n"));
    assert_eq!(answered(&tap, "250 first\r\n").as_deref(), Some("RCPT TO:<a@x>\r\n"));
    assert_eq!(answered(&tap, "550 second\r\n").as_deref(), Some("RCPT TO:<b@x>\r\n"));
    assert_eq!(answered(&tap, "354 enter mail\r\n").as_deref(), Some("DATA\r\n"));
    tap.client("body\r\n.\r\nQUIT\r\n").server("250 stored\r\n221 bye\r\n");
    assert_eq!(answered(&tap, "250 stored\r\n").as_deref(), Some("DATA\r\n"));
    assert_eq!(answered(&tap, "221 bye\r\n").as_deref(), Some("QUIT\r\n"));
}

#[test]
fn a_greeting_of_several_lines_is_one() {
    let mut tap = Tap::new(&SMTP, Setup::default());
    tap.server("220-mx.example first\r\n220-no pipelining\r\n").server("220 go\r\n");
    assert_eq!(tap.kinds(), ["greeting 220"]);
    let Body::Greeting(greeting) = &tap.log.pieces[0].body else { panic!() };
    assert_eq!(greeting.text, "mx.example first\nno pipelining\ngo");
    assert_eq!(greeting.values.map()["domain"], "mx.example");
    for refusal in ["554 5.7.1 not here\r\n", "421 4.3.2 later\r\n"] {
        let mut tap = Tap::new(&SMTP, Setup::default());
        tap.server(refusal);
        let Body::Greeting(greeting) = &tap.log.pieces[0].body else { panic!() };
        assert!(greeting.code.is_some() && !(SMTP.greets)(&greeting.status));
    }
}

#[test]
fn a_client_that_talks_before_the_greeting_is_answered_after_it() {
    let mut tap = Tap::new(&SMTP, Setup::default());
    tap.client("EHLO early\r\n").server("220 x\r\n250 y\r\n");
    assert_eq!(tap.kinds(), ["command EHLO", "greeting 220", "reply 250"]);
    assert_eq!(answered(&tap, "250 y\r\n").as_deref(), Some("EHLO early\r\n"));
}

#[test]
fn a_421_may_come_any_time() {
    let mut tap = smtp();
    tap.server("421 4.4.2 timeout\r\n");
    assert_eq!(reply(&tap, "421 4.4.2 timeout\r\n").answers, None);
    let mut tap = smtp();
    tap.client("NOOP\r\nQUIT\r\n").server("421 shutting down\r\n");
    assert_eq!(answered(&tap, "421 shutting down\r\n").as_deref(), Some("NOOP\r\n"));
}

#[test]
fn enhanced_codes_stand_at_the_beginning_only() {
    let mut tap = smtp();
    for (line, code, text) in [
        ("250 2.1.0 Sender ok\r\n", Some("2.1.0"), "Sender ok"),
        ("550 5.1.1\r\n", Some("5.1.1"), ""),
        ("550-5.7.26 one\r\n550 5.7.26 two\r\n", Some("5.7.26"), "one\ntwo"),
        ("250 see 2.1.0\r\n", None, "see 2.1.0"),
        ("250 2.1.0.4 version\r\n", None, "2.1.0.4 version"),
        ("250 3.1.0 no class\r\n", None, "3.1.0 no class"),
        ("250 2.1234.0 long\r\n", None, "2.1234.0 long"),
        ("250\r\n", None, ""),
        ("250 bare\n", None, "bare"),
        ("250-\r\n250 \r\n", None, "\n"),
    ] {
        tap.client("NOOP\r\n").server(line);
        let found = reply(&tap, line);
        assert_eq!((found.status.as_str(), found.code.as_deref(), found.text.as_str()), (&line[..3], code, text));
    }
}

#[test]
fn ehlo_lists_keywords_with_parameters() {
    let mut tap = smtp();
    let lines =
        "250-mx.example Hello\r\n250-SIZE 35882577\r\n250-AUTH PLAIN LOGIN\r\n250-AUTH=LOGIN PLAIN\r\n250 starttls\r\n";
    tap.client("EHLO x\r\n").server(lines);
    let values = reply(&tap, lines).values.map();
    let capabilities = &values["capabilities"];
    assert_eq!(capabilities["SIZE"], "35882577");
    assert_eq!(capabilities["AUTH"], "PLAIN LOGIN");
    assert_eq!(capabilities["AUTH="], "LOGIN PLAIN");
    assert_eq!(capabilities["STARTTLS"], "");
    assert_eq!(reply(&tap, lines).code, None);
}

#[test]
fn a_reply_with_different_codes_is_noted_and_believed_by_its_last() {
    let mut tap = smtp();
    tap.client("NOOP\r\n").server("250-one\r\n550 two\r\n");
    assert_eq!(reply(&tap, "250-one\r\n550 two\r\n").status, "550");
    assert_eq!(tap.note_codes(), ["mixed-reply-codes"]);
}

#[test]
fn a_line_without_code_is_raw_outside_of_a_reply_and_part_of_it_inside() {
    let mut tap = smtp();
    tap.client("NOOP\r\nNOOP \r\n").server("what\r\nand\r\n250-a\r\nmore\r\n250 b\r\n250 c\r\n");
    assert_eq!(tap.kinds()[3..], ["raw", "reply 250", "reply 250"]);
    assert_eq!(tap.note_codes(), ["lost-sync"]);
    assert_eq!(answered(&tap, "250 c\r\n").as_deref(), Some("NOOP \r\n"));
}

#[test]
fn a_reply_without_end_is_given_in_parts() {
    let mut tap = smtp();
    tap.client("HELP\r\nNOOP\r\n");
    let line = format!("214-{}\r\n", "x".repeat(994));
    let before = tap.log.pieces.len();
    tap.server(line.repeat(200)).server("214 end\r\n250 ok\r\n");
    let parts = &tap.log.pieces[before..];
    let Body::Reply(first) = &parts[0].body else { panic!() };
    assert_eq!((first.status.as_str(), first.answers.is_some()), ("214", true));
    assert!(parts[0].wire.len() <= super::super::REPLY_MAX);
    assert!(parts[1..parts.len() - 1].iter().all(|part| matches!(&part.body,
        Body::Reply(reply) if reply.continues == Some(parts[0].seq))));
    assert_eq!(answered(&tap, "250 ok\r\n").as_deref(), Some("NOOP\r\n"));
}

#[test]
fn lines_of_megabytes_are_given_in_blocks() {
    let long = format!("NOOP {}\r\n", "x".repeat(3 * LINE_MAX));
    let answer = format!("250 {}\r\n", "y".repeat(3 * LINE_MAX));
    let talk: Script = vec![
        (Side::Server, b"220 x\r\n".to_vec()),
        (Side::Client, [long.as_bytes(), b"QUIT\r\n"].concat()),
        (Side::Server, [answer.as_bytes(), b"221 bye\r\n"].concat()),
    ];
    let tap = laws::play(&SMTP, Setup::default(), &talk, &Cuts::Whole);
    let kinds = [
        "greeting 220",
        "command NOOP",
        "command …",
        "command …",
        "command …",
        "command QUIT",
        "reply 250",
        "reply …",
        "reply …",
        "reply …",
        "reply 221",
    ];
    assert_eq!(tap.kinds(), kinds);
    assert_eq!(answered(&tap, "221 bye\r\n").as_deref(), Some("QUIT\r\n"));
    let chunked = laws::play(&SMTP, Setup::default(), &talk, &Cuts::At(vec![1, 70_000, 131_072, 131_073, 190_000]));
    assert_eq!(laws::merged(&tap.log), laws::merged(&chunked.log));
}

#[test]
fn commands_have_their_own_arguments() {
    let mut tap = smtp();
    for (line, verb, name, value) in [
        ("helo Client.example\r\n", "HELO", "domain", "Client.example"),
        ("EHLO [IPv6:::1]\r\n", "EHLO", "domain", "[IPv6:::1]"),
        ("VRFY john doe\r\n", "VRFY", "name", "john doe"),
        ("expn list\r\n", "EXPN", "name", "list"),
        ("HELP mail\r\n", "HELP", "topic", "mail"),
        ("ETRN @example.com\r\n", "ETRN", "node", "@example.com"),
        ("NOOP hi\r\n", "NOOP", "text", "hi"),
        ("BURL imap://x/y LAST\r\n", "BURL", "url", "imap://x/y"),
        ("RCPT TO:<c@d> NOTIFY=NEVER\r\n", "RCPT", "address", "c@d"),
        ("SOML FROM:<c@d>\r\n", "SOML", "address", "c@d"),
    ] {
        tap.client(line).server("250 ok\r\n");
        let command = command(&tap, line);
        assert_eq!(command.verb, verb);
        assert_eq!(args(command)[name], value, "{line}");
    }
    for line in ["RSET\r\n", "quit\r\n"] {
        tap.client(line).server("250 ok\r\n");
        assert!(command(&tap, line).args.is_empty());
    }
    tap.client("\r\n").server("500 what\r\n");
    assert_eq!(answered(&tap, "500 what\r\n").as_deref(), Some("\r\n"));
    assert!(tap.log.notes.is_empty());
}

#[test]
fn an_empty_line_is_no_command_and_only_refused() {
    let mut tap = smtp();
    tap.client("\r\n").client("NOOP\r\n").server("250 ok\r\n");
    assert_eq!(answered(&tap, "250 ok\r\n").as_deref(), Some("NOOP\r\n"), "a server that waits for more");
    tap.client("\r\n").server("500 what\r\n").client("QUIT\r\n").server("221 bye\r\n");
    assert_eq!(answered(&tap, "500 what\r\n").as_deref(), Some("\r\n"));
    assert_eq!(answered(&tap, "221 bye\r\n").as_deref(), Some("QUIT\r\n"));
    assert_eq!(tap.kinds().iter().filter(|kind| *kind == "raw").count(), 2);
}

#[test]
fn a_long_line_that_is_no_command_is_raw_in_all_its_parts() {
    let mut tap = smtp();
    tap.client("@".repeat(3 * LINE_MAX) + "\r\n").server("500 what\r\n");
    assert_eq!(tap.kinds(), ["greeting 220", "raw", "reply 500"]);
}

#[test]
fn xclient_starts_anew() {
    let mut tap = smtp();
    tap.client("XCLIENT NAME=spike.example ADDR=168.100.189.2 LOGIN=a+2Bb\r\n").server("220 server.example ESMTP\r\n");
    let found = command(&tap, "XCLIENT NAME=spike.example ADDR=168.100.189.2 LOGIN=a+2Bb\r\n");
    assert_eq!(args(found)["attributes"]["LOGIN"], "a+b");
    assert!(answered(&tap, "220 server.example ESMTP\r\n").is_some());
    tap.client("EHLO spike\r\n").server("250 server\r\n");
    assert_eq!(answered(&tap, "250 server\r\n").as_deref(), Some("EHLO spike\r\n"));
    tap.client("XFORWARD NAME=x\r\n").server("250 fine\r\n");
    assert_eq!(args(command(&tap, "XFORWARD NAME=x\r\n"))["attributes"]["NAME"], "x");
}

#[test]
fn a_client_that_does_not_wait_for_answers_is_not_held_and_the_newest_is_linked() {
    let mut tap = smtp();
    tap.client("NOOP\r\n".repeat(2 * OUTSTANDING_MAX)).client("HELP me\r\n");
    assert_eq!(tap.held(Side::Client), 0);
    tap.server("250 first\r\n").server("250 ok\r\n".repeat(2 * OUTSTANDING_MAX - 2)).server("250 last\r\n");
    tap.server("214 help\r\n");
    assert_eq!(answered(&tap, "250 first\r\n").as_deref(), Some("NOOP\r\n"));
    assert_eq!(answered(&tap, "250 last\r\n"), None);
    assert_eq!(answered(&tap, "214 help\r\n").as_deref(), Some("HELP me\r\n"));
    tap.client("RSET\r\n").server("250 reset\r\n");
    assert_eq!(answered(&tap, "250 reset\r\n").as_deref(), Some("RSET\r\n"));
}

#[test]
fn bytes_that_are_no_command_are_raw_and_noted_once() {
    let mut tap = smtp();
    tap.client(b"\x16\x03\x01\x02\x00\x01\x00\n\xff\xfe\x00\n".as_slice()).server("500 no\r\n500 nope\r\n");
    assert_eq!(tap.kinds(), ["greeting 220", "raw", "reply 500", "reply 500"]);
    assert_eq!(tap.note_codes(), ["lost-sync"]);
    tap.client("QUIT\r\n").server("221 bye\r\n");
    assert_eq!(answered(&tap, "221 bye\r\n").as_deref(), Some("QUIT\r\n"));
}

#[test]
fn after_turn_nothing_is_kept() {
    let mut tap = smtp();
    tap.client("TURN\r\n").server("250 ok\r\n").client("220 here\r\n").server("AUTH PLAIN AGEAczNjcmV0\r\n");
    assert_eq!(tap.note_codes(), ["turned"]);
    laws::assert_hidden(&tap, &["s3cret", "AGEAczNjcmV0"]);
    let mut tap = smtp();
    tap.client("TURN\r\n").server("502 no\r\n").client("QUIT\r\n");
    assert_eq!(tap.kinds().last().map(String::as_str), Some("command QUIT"));
}

#[test]
fn a_torn_line_is_raw() {
    let mut tap = smtp();
    tap.client("MAIL FR").server("250-torn\r\n250 t");
    tap.end();
    assert_eq!(tap.kinds(), ["greeting 220", "raw", "raw"]);
}

#[test]
fn trouble_is_told_in_a_line_that_a_client_reads() {
    for (trouble, code) in
        [(Trouble::Unreachable, "421 4.4.1 "), (Trouble::Tls, "421 4.7.5 "), (Trouble::Shutdown, "421 4.3.2 ")]
    {
        let line = (SMTP.trouble)(trouble, &format!("mailtap: {}\r\nü", "x".repeat(600)));
        assert!(line.starts_with(code.as_bytes()) && line.ends_with(b"\r\n") && line.len() == 512);
        assert_eq!(line.iter().filter(|&&byte| !(b' '..=b'~').contains(&byte)).count(), 2);
        let mut tap = Tap::new(&SMTP, Setup::default());
        tap.server(&line);
        assert_eq!(tap.kinds(), ["greeting 421"]);
    }
}
