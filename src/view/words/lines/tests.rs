//! Whole sessions as people paste them, and that no secret in them is shown.
//! Takes lines, compares what is told and shown.
//! Knows no file.

use super::*;

fn told(lines: &[&str]) -> (Option<Protocol>, Vec<String>) {
    let mut reader = Reader::default();
    let texts = lines
        .iter()
        .map(|line| reader.line(line).explained.map(|explained| explained.text).unwrap_or_default())
        .collect();
    (reader.protocol, texts)
}

#[test]
fn an_imap_session_is_told_line_by_line() {
    let (protocol, texts) = told(&[
        "S: * OK [CAPABILITY IMAP4rev1] ready",
        "C: a1 LOGIN joe sesame",
        "S: a1 OK done",
        "C: a2 SELECT INBOX",
        "S: * 23 EXISTS",
        "S: a2 OK [READ-WRITE] done",
        "C: a3 idle",
        "S: + idling",
        "C: DONE",
        "S: * BYE over",
    ]);
    assert_eq!(protocol, Some(Protocol::Imap));
    assert_eq!(texts[1], "logs in as joe with a password");
    assert_eq!(texts[2], "the login worked");
    assert_eq!(texts[4], "the mailbox holds 23 messages");
    assert!(texts.iter().all(|text| !text.is_empty() && !text.contains("sesame")), "{texts:?}");
}

#[test]
fn an_smtp_session_is_told_line_by_line() {
    let (protocol, texts) = told(&[
        "220 mail.example ESMTP",
        "EHLO laptop",
        "250-mail.example",
        "250-SIZE 36700160",
        "250 PIPELINING",
        "AUTH LOGIN",
        "334 VXNlcm5hbWU6",
        "am9l",
        "334 UGFzc3dvcmQ6",
        "c2VzYW1l",
        "235 2.7.0 ok",
        "MAIL FROM:<a@b.example>",
        "250 2.1.0 ok",
        "DATA",
        "354 go on",
        "Subject: 250 is no reply here",
        ".",
        "250 2.0.0 queued",
        "QUIT",
    ]);
    assert_eq!(protocol, Some(Protocol::Smtp));
    assert_eq!(texts[3], "the server takes messages up to 35 MB");
    assert_eq!(texts[6], "asks for the user name");
    assert!(texts[9].contains("not shown here"));
    assert_eq!(texts[12], "the sender is accepted");
    assert_eq!(texts[15], "");
    assert_eq!(texts[17], "the message is taken: the server is responsible for it now");
    assert!(texts[18].starts_with("says goodbye"));
}

#[test]
fn a_pop3_session_is_told_line_by_line() {
    let (protocol, texts) = told(&[
        "< +OK ready <1.2@mail.example>",
        "> USER joe",
        "< +OK",
        "> PASS sesame",
        "< +OK logged in",
        "> LIST",
        "< +OK 2 messages",
        "1 120",
        ".",
        "> QUIT",
    ]);
    assert_eq!(protocol, Some(Protocol::Pop3));
    assert_eq!(texts[1], "logs in as joe; the password is in the next line");
    assert_eq!(texts[4], "the login worked");
    assert_eq!(texts[7], "message 1 has 120 bytes");
    assert_eq!(texts[8], "the dot ends it");
    assert!(texts.iter().all(|text| !text.contains("sesame")));
}

#[test]
fn a_terminal_program_s_own_lines_are_passed_over() {
    let (protocol, texts) = told(&[
        "Trying 192.0.2.1...",
        "Connected to mail.example.",
        "220 mail.example ESMTP",
        "QUIT",
        "221 bye",
        "Connection closed by foreign host.",
    ]);
    assert_eq!(protocol, Some(Protocol::Smtp));
    assert_eq!((texts[1].as_str(), texts[5].as_str()), ("", ""));
    assert!(texts[3].starts_with("says goodbye"));
}

#[test]
fn secrets_are_not_shown_again() {
    let mut reader = Reader::default();
    let mut shown = |line: &str| reader.line(line).shown;
    assert_eq!(shown("* OK ready"), None);
    assert_eq!(shown("C: a1 LOGIN joe sesame").as_deref(), Some("C: a1 LOGIN joe «redacted»"));
    assert_eq!(shown("S: a1 NO no"), None);
    assert_eq!(shown("a2 LOGIN joe {6}"), None);
    assert_eq!(shown("+ go on"), None);
    assert_eq!(shown("sesame").as_deref(), Some("«redacted»"));
    assert_eq!(shown("a2 NO no"), None);
    assert_eq!(shown("a3 AUTHENTICATE PLAIN"), None);
    assert_eq!(shown("+ "), None);
    assert_eq!(shown("AGpvZQBzZXNhbWU=\r\n").as_deref(), Some("«redacted»"));
    assert_eq!(Reader::default().line("PASS open sesame").shown.as_deref(), Some("PASS «redacted»"));
    let mut reader = Reader::new(Protocol::Smtp);
    assert_eq!(reader.line("AUTH PLAIN AGpvZQBzZXNhbWU=").shown.as_deref(), Some("AUTH PLAIN «redacted»"));
}

#[test]
fn the_client_may_speak_first_and_nonsense_is_left_alone() {
    assert_eq!(told(&["ehlo there"]).0, Some(Protocol::Smtp));
    assert_eq!(told(&["a UID FETCH 1:* FLAGS"]).0, Some(Protocol::Imap));
    assert_eq!(told(&["RETR 1"]).0, Some(Protocol::Pop3));
    assert_eq!(told(&["NOOP", "what is this", ""]), (None, vec![String::new(); 3]));
}
