//! `mailtap explain` as a program: words, lines on standard input, JSON, exit status, and no secret in any of them.
//! Takes arguments and input, reads what is printed.
//! Does not know what the words mean beyond a few.

use serde_json::Value;

use crate::support::{mailtap::command, process::Ran};

fn explain(args: &[&str], input: &[u8]) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    Ran::with_input(&command(dir.path(), &[&["explain"], args].concat()), input)
}

fn json(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn words_are_explained_with_their_source() {
    for (args, part) in [
        (&["UID FETCH"][..], "UID FETCH (imap command)\n    asks for parts of messages"),
        (&["uid", "fetch"], "UID FETCH (imap command)"),
        (&["5.7.8"], "[RFC 4954 §6]"),
        (&["250-SIZE"], "SIZE (smtp capability)"),
        (&["AUTHENTICATIONFAILED"], "[RFC 5530 §3]"),
        (&["-ERR"], "-ERR (pop3 reply)"),
        (&["-FLAGS.SILENT"], "-FLAGS.SILENT (imap option)"),
        (&["--", "-ERR"], "-ERR (pop3 reply)"),
        (&["BODY.PEEK[HEADER.FIELDS (FROM TO)]"], "the headers From and To, without marking"),
    ] {
        let said = explain(args, b"").expect_ok();
        assert!(said.text().contains(part), "{said}");
        assert_eq!(said.errors(), "");
    }
    // Options are options wherever they stand.
    let lines = json(&explain(&["-ERR", "CONDSTORE", "--json"], b"").expect_ok().text());
    assert_eq!((lines[0]["word"].as_str(), lines[0]["protocol"].as_str()), (Some("-ERR"), Some("pop3")));
    assert!(lines.iter().any(|line| line["word"] == "CONDSTORE" && line["rfc"] == "RFC 7162 §3.1.1"));
}

#[test]
fn what_is_known_is_explained_and_each_unknown_word_is_named() {
    let args = ["NOOP", "CONDSTOR", "qqqqqqqq"];
    let said = explain(&args, b"");
    assert_eq!(said.code, Some(1), "{said}");
    assert!(said.text().contains("NOOP (imap command)"), "{said}");
    let errors: Vec<String> = said.errors().lines().map(str::to_owned).collect();
    assert_eq!(errors.len(), 2, "{said}");
    assert!(
        errors[0].starts_with("mailtap: “CONDSTOR” is in no table") && errors[0].ends_with("did you mean CONDSTORE?")
    );
    assert!(errors[1].starts_with("mailtap: “qqqqqqqq” is in no table"));
    for args in [&["999"][..], &["NOOP", "1234"]] {
        let said = explain(args, b"");
        assert!(said.code == Some(1) && said.errors().contains("is in no table"), "{said}");
    }
    let said = explain(&[" "], b"");
    assert!(said.code == Some(2) && said.errors().contains("nothing to explain"), "{said}");
    let said = explain(&[&args[..], &["--json"]].concat(), b"");
    assert_eq!(said.code, Some(1), "{said}");
    let unknown: Vec<Value> = json(&said.text()).into_iter().filter(|line| line["unknown"] == true).collect();
    assert_eq!(unknown.len(), 2);
    assert_eq!((&unknown[0]["word"], &unknown[0]["nearest"]), (&Value::from("CONDSTOR"), &Value::from("CONDSTORE")));
    assert_eq!((&unknown[1]["explain"], &unknown[1]["nearest"]), (&Value::Null, &Value::Null));
    // A wrong option stays one.
    let wrong = explain(&["--bogus"], b"");
    assert_eq!((wrong.code, wrong.errors().lines().count()), (Some(2), 1), "{wrong}");
}

#[test]
fn no_secret_that_is_typed_is_repeated() {
    for args in [
        &["a1 LOGIN joe s3cr3tpw"][..],
        &["a1", "LOGIN", "joe", "s3cr3tpw"],
        &["XNONE", "PASS s3cr3tpw"],
        &["AUTH PLAIN AGpvZQBzM2NyM3Rwdw=="],
        &["AGpvZQBzM2NyM3Rwdw=="],
        &["p=s3cr3tpw"],
        &["auth=Bearer s3cr3tpw"],
    ] {
        for more in [&[][..], &["--json"]] {
            let said = explain(&[args, more].concat(), b"");
            for text in [said.text(), said.errors()] {
                assert!(!text.contains("s3cr3t") && !text.contains("AGpv"), "{args:?}: {said}");
            }
        }
    }
}

#[test]
fn lines_are_explained_as_they_come() {
    let said =
        explain(&[], b"* OK ready\r\na1 LOGIN joe s3cr3tpw\r\na1 NO [AUTHENTICATIONFAILED] no\r\n").expect_ok().text();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "* OK ready");
    assert_eq!(lines[2], "a1 LOGIN joe «redacted»");
    assert_eq!(lines[3], "    logs in as joe with a password [RFC 9051 §6.2.3]");
    assert!(lines[5].contains("; try: "), "{said}");
    let lines = json(&explain(&["--json"], b"QUIT\n\xff\x1b[2J\xc2\x9b\n220 mx\nQUIT\n").expect_ok().text());
    assert_eq!(lines.len(), 4);
    assert_eq!((&lines[0]["protocol"], &lines[0]["explain"]), (&Value::Null, &Value::Null));
    assert_eq!(lines[1]["word"], "\u{fffd}\u{1b}[2J\u{9b}");
    assert_eq!((&lines[2]["protocol"], &lines[3]["rfc"]), (&Value::from("smtp"), &Value::from("RFC 5321 §4.1.1.10")));
    assert_eq!(explain(&[], b"").expect_ok().text(), "");
}

#[test]
fn whatever_stands_in_a_line_steers_no_terminal() {
    for more in [&[][..], &["--json"]] {
        let said = explain(more, "C: a1 \u{9b}31m\u{1b}]0;x\u{7} \u{202e}x\nS: a1 \u{85}\n".as_bytes()).expect_ok();
        let bad = said.text().chars().find(|c| (c.is_control() && *c != '\n') || ('\u{200b}'..='\u{202e}').contains(c));
        assert_eq!(bad, None, "{said}");
    }
}

#[test]
fn the_end_of_a_line_that_is_too_long_is_no_line() {
    let long = [b"C: a1 XNONE ", &vec![b'x'; 70_000][..], b" a1 LOGIN joe s3cr3tpw\nC: a2 NOOP\n"].concat();
    let said = explain(&[], &long).expect_ok().text();
    assert!(!said.contains("s3cr3tpw") && said.contains('…'), "{}", &said[said.len() - 200..]);
    assert!(said.contains("C: a2 NOOP\n    does nothing"), "{}", &said[said.len() - 200..]);
    let password = [b"PASS ", &vec![b's'; 100_000][..], b"\n"].concat();
    assert!(explain(&[], &password).expect_ok().text().starts_with("PASS «redacted»\n"));
}
