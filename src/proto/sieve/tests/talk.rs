//! Greeting, commands, scripts and STARTTLS.
//! Takes what both sides say; fails where a command, a response or a script is read wrongly.
//! Leaves logins to the file beside it.

use super::*;
use crate::proto::{Trouble, frame::LINE_MAX};

#[test]
fn the_greeting_is_capabilities_and_a_status() {
    let tap = sieve();
    assert_eq!(tap.kinds(), ["greeting OK"]);
    let Body::Greeting(greeting) = &tap.log.pieces[0].body else { panic!() };
    let capabilities = &greeting.values.map()["capabilities"];
    assert_eq!(capabilities["SASL"], "PLAIN SCRAM-SHA-1 GSSAPI");
    assert_eq!(capabilities["STARTTLS"], "");
    assert!((SPEC.greets)(&greeting.status));
}

#[test]
fn rfc_5804_commands_and_their_answers() {
    let mut tap = sieve();
    tap.client("HAVESPACE \"myscript\" 999999\r\n").server("NO (QUOTA/MAXSIZE) \"Quota exceeded\"\r\n");
    let found = reply(&tap, "NO (QUOTA/MAXSIZE) \"Quota exceeded\"\r\n");
    assert_eq!((found.code.as_deref(), found.text.as_str()), (Some("QUOTA/MAXSIZE"), "Quota exceeded"));
    let args = command(&tap, "HAVESPACE \"myscript\" 999999\r\n").args.map();
    assert_eq!((args["script"].as_str(), args["bytes"].as_u64()), (Some("myscript"), Some(999_999)));

    let list = "\"summer_script\"\r\n\"vac\\\"ation\"\r\n\"main_script\" ACTIVE\r\nOK\r\n";
    tap.client("LISTSCRIPTS\r\n").server(list);
    let values = reply(&tap, list).values.map();
    assert_eq!(values["scripts"].as_array().map(Vec::len), Some(3));
    assert_eq!((values["scripts"][1].as_str(), values["active"].as_str()), (Some("vac\"ation"), Some("main_script")));
    assert_eq!(answered(&tap, list).as_deref(), Some("LISTSCRIPTS\r\n"));

    tap.client("RENAMESCRIPT \"old\" \"new\"\r\n").server("OK \"done (really)\"\r\n");
    let args = command(&tap, "RENAMESCRIPT \"old\" \"new\"\r\n").args.map();
    assert_eq!((args["script"].as_str(), args["to"].as_str()), (Some("old"), Some("new")));
    assert_eq!(reply(&tap, "OK \"done (really)\"\r\n").text, "done (really)");

    tap.client("NOOP \"STARTTLS-SYNC-42\"\r\n").server("OK (TAG \"STARTTLS-SYNC-42\") \"Done\"\r\n");
    let found = reply(&tap, "OK (TAG \"STARTTLS-SYNC-42\") \"Done\"\r\n");
    assert_eq!((found.code.as_deref(), &found.values.map()["tag"]), (Some("TAG"), &"STARTTLS-SYNC-42".into()));
    assert!(tap.log.notes.is_empty());
}

#[test]
fn a_script_that_is_sent_is_content() {
    let mut tap = sieve();
    tap.client("PUTSCRIPT \"foo\" {31+}\r\n#comment\r\nInvalidSieveCommand\r\n\r\nLOGOUT\r\n");
    tap.server("NO \"line 2: Syntax error\"\r\nOK\r\n");
    assert_eq!(
        tap.kinds()[1..],
        ["command PUTSCRIPT", "content 31 last", "command …", "command LOGOUT", "reply NO", "reply OK"]
    );
    assert_eq!(answered(&tap, "OK\r\n").as_deref(), Some("LOGOUT\r\n"));
}

#[test]
fn a_script_that_is_fetched_is_content() {
    let mut tap = sieve();
    tap.client("GETSCRIPT \"myscript\"\r\nNOOP\r\n").server("{12}\r\nOK\r\nNO \"x\"\r\n\r\nOK\r\nOK \"noop\"\r\n");
    assert_eq!(tap.kinds()[3..], ["reply ", "content 12 last", "reply …", "reply OK", "reply OK"]);
    assert_eq!(reply(&tap, "{12}\r\n").data.as_deref(), Some("GETSCRIPT"));
    assert_eq!(answered(&tap, "OK\r\n").as_deref(), Some("GETSCRIPT \"myscript\"\r\n"));
    assert_eq!(answered(&tap, "OK \"noop\"\r\n").as_deref(), Some("NOOP\r\n"));
}

#[test]
fn a_status_whose_text_is_a_literal_answers_once() {
    let mut tap = sieve();
    tap.client("PUTSCRIPT \"a\" \"x\"\r\nNOOP\r\n").server("NO {9}\r\nOK line 1\r\nOK\r\n");
    assert_eq!(tap.kinds()[3..], ["reply NO", "content 9 last", "reply …", "reply OK"]);
    assert_eq!(answered(&tap, "OK\r\n").as_deref(), Some("NOOP\r\n"));
}

#[test]
fn a_brace_in_a_quoted_string_is_no_literal() {
    let mut tap = sieve();
    tap.client("SETACTIVE \"x {5+}\"\r\nNOOP\r\n").server("NO \"{5}\"\r\nOK\r\n");
    assert_eq!(tap.kinds()[1..], ["command SETACTIVE", "command NOOP", "reply NO", "reply OK"]);
}

#[test]
fn a_bye_may_come_any_time() {
    let mut tap = sieve();
    tap.server("BYE (TRYLATER) \"idle\"\r\n");
    assert_eq!(reply(&tap, "BYE (TRYLATER) \"idle\"\r\n").answers, None);
}

#[test]
fn starttls_is_followed_by_capabilities() {
    let mut tap = sieve();
    tap.client("STARTTLS\r\nLOGOUT\r\n").server("OK \"Beg").server("in TLS\"\r\n\"SASL\" \"injected\"\r\n");
    assert_eq!(
        (tap.upgraded, tap.injected.clone()),
        (1, [b"LOGOUT\r\n".to_vec(), b"\"SASL\" \"injected\"\r\n".to_vec()])
    );
    assert_eq!(tap.accepted_at, Some(GREETING.len()));
    assert!(tap.dialog().greets_again());
    tap.server("\"SASL\" \"PLAIN\"\r\nOK\r\n").client("NOOP\r\n").server("OK \"n\"\r\n");
    assert_eq!(tap.kinds()[3..], ["greeting OK", "command NOOP", "reply OK"]);
    assert_eq!(answered(&tap, "OK \"n\"\r\n").as_deref(), Some("NOOP\r\n"));

    let mut tap = sieve();
    tap.client("STARTTLS\r\nNOOP\r\n").server("NO\r\n").server("OK\r\n");
    assert_eq!(answered(&tap, "OK\r\n").as_deref(), Some("NOOP\r\n"));
    assert_eq!(tap.dialog().refusal("a \"b\"\r\n"), b"NO (TRYLATER) \"a \\\"b\\\"  \"\r\n");
}

#[test]
fn the_offer_of_starttls_is_taken_out_of_capabilities_only() {
    let list = "\"STARTTLS\"\r\nOK\r\n";
    let stream = format!("{GREETING}{list}{GREETING}");
    let without = GREETING.replace("\"STARTTLS\"\r\n", "");
    for cut in 0..stream.len() {
        let mut tap = Tap::new(&SPEC, Setup { hide_starttls: true, ..Setup::default() });
        tap.client("LISTSCRIPTS\r\nCAPABILITY\r\n").server(&stream[..cut]).server(&stream[cut..]);
        assert_eq!(tap.edited(stream.as_bytes()), format!("{without}{list}{without}").as_bytes());
    }
}

#[test]
fn lines_of_megabytes_are_given_in_blocks() {
    let mut tap = sieve();
    tap.client(format!("PUTSCRIPT \"a\" \"{}\\\"\r\n", "x".repeat(2 * LINE_MAX))).client("NOOP\r\n");
    tap.server(format!("NO \"{}\" {{2}}\r\nhi\r\nOK\r\n", "{5}".repeat(LINE_MAX)));
    assert_eq!(answered(&tap, "OK\r\n").as_deref(), Some("NOOP\r\n"));
    let list = format!("\"{}\"\r\n", "s".repeat(1000)).repeat(200);
    tap.client("LISTSCRIPTS\r\n").server(&list).server("OK \"l\"\r\n");
    assert_eq!(tap.log.pieces.iter().filter(|found| found.wire.len() > 3 * super::super::REPLY_MAX).count(), 0);
}

#[test]
fn what_makes_no_sense_is_raw_and_noted_once() {
    let mut tap = sieve();
    tap.client("NOOP\r\n").server("* OK what\r\n250 x\r\nOK\r\n");
    assert_eq!(tap.kinds()[2..], ["raw", "reply OK"]);
    assert_eq!(tap.note_codes(), ["lost-sync"]);
}

#[test]
fn trouble_is_told_in_a_line_that_a_client_reads() {
    let line = (SPEC.trouble)(Trouble::Unreachable, "mailtap: \"x\" refused");
    assert_eq!(line, b"BYE (TRYLATER) \"mailtap: \\\"x\\\" refused\"\r\n");
    let mut tap = Tap::new(&SPEC, Setup::default());
    tap.server(&line);
    assert_eq!(tap.kinds(), ["greeting BYE"]);
}
