//! The practice server's SMTP, spoken to line by line.
//! Takes a server in this process; gives nothing but failures.
//! Does not know how messages are kept: it looks at them by IMAP.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::practice_kit::{PASSWORD, Practice, Talk};

fn begin(practice: &Practice) -> Talk {
    let mut talk = Talk::to(practice.at.submission);
    assert!(talk.line().starts_with("220 localhost ESMTP"));
    let plain = STANDARD.encode(format!("\0alice\0{PASSWORD}"));
    talk.smtp("EHLO test");
    assert!(talk.ask(&format!("AUTH PLAIN {plain}")).starts_with("235 2.7.0"));
    talk
}

#[test]
fn ehlo_names_what_there_is() {
    let practice = Practice::start();
    let mut talk = Talk::to(practice.at.smtp);
    talk.line();
    let words = talk.smtp("EHLO test").join("\n");
    for word in ["PIPELINING", "SIZE 52428800", "STARTTLS", "AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256"] {
        assert!(words.contains(word), "{word} is not in {words}");
    }
    for word in ["ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"] {
        assert!(words.contains(word), "{word} is not in {words}");
    }
}

#[test]
fn wrong_commands_get_their_codes() {
    let practice = Practice::with(|config| config.limits.message = 1000);
    let mut talk = Talk::to(practice.at.smtp);
    talk.line();
    for (command, reply) in [
        ("MAIL FROM:<a@b.example>", "503 5.5.1"),
        ("NONSENSE", "502 5.5.2"),
        ("EHLO", "501 5.5.4"),
        ("HELO test", "250 localhost"),
        ("RCPT TO:<alice@practice.example>", "503 5.5.1"),
        ("DATA", "503 5.5.1"),
        ("AUTH PLAIN", "503 5.5.1"),
        ("MAIL FROM:<a@b.example> SIZE=1001", "552 5.3.4"),
        ("MAIL FROM:<a@b.example> FOO=BAR", "555 5.5.4"),
        ("MAIL a@b.example", "501 5.5.4"),
        ("MAIL FROM:<ä@b.example>", "553 5.6.7"),
        ("MAIL FROM:<a@b.example>", "250 2.1.0"),
        ("MAIL FROM:<a@b.example>", "503 5.5.1"),
        ("DATA", "554 5.5.1"),
        ("RCPT TO:<>", "501 5.5.4"),
        ("RCPT TO:<nobody@practice.example>", "550 5.1.1"),
        ("RCPT TO:<someone@elsewhere.example>", "550 5.7.1"),
        ("RCPT TO:<alice+tag@practice.example>", "250 2.1.5"),
        ("VRFY alice", "252 2.0.0"),
        ("BDAT x", "501 5.5.4"),
        ("RSET", "250 2.0.0"),
        ("DATA", "503 5.5.1"),
        ("NOOP whatever", "250 2.0.0"),
        ("QUIT", "221 2.0.0"),
    ] {
        let answer = talk.ask(command);
        assert!(answer.starts_with(reply), "{command}: {answer}");
    }
    assert_eq!(talk.rest(), "");
}

#[test]
fn submission_needs_a_login_and_a_few_failures_end_it() {
    let practice = Practice::start();
    let mut talk = Talk::to(practice.at.submission);
    talk.line();
    talk.smtp("EHLO test");
    assert!(talk.ask("MAIL FROM:<alice@practice.example>").starts_with("530 5.7.0"));
    assert!(talk.ask("AUTH UNKNOWN").starts_with("504 5.5.4"));
    assert!(talk.ask("AUTH LOGIN").starts_with("334 VXNlcm5hbWU6"));
    assert!(talk.ask("*").starts_with("501 5.7.0"));
    assert!(talk.ask("AUTH LOGIN").starts_with("334 "));
    assert!(talk.ask("not base64!").starts_with("501 5.5.2"));
    let wrong = STANDARD.encode("\0alice\0wrong");
    for _ in 0..3 {
        assert!(talk.ask(&format!("AUTH PLAIN {wrong}")).starts_with("535 5.7.8"));
    }
    assert!(talk.line().starts_with("421 "));
    assert_eq!(talk.rest(), "");
}

#[test]
fn a_pipelined_message_arrives_with_its_dots() {
    let practice = Practice::start();
    let mut talk = begin(&practice);
    talk.send(
        b"MAIL FROM:<alice@practice.example> BODY=8BITMIME\r\nRCPT TO:<bob@practice.example>\r\n\
        RCPT TO:<bob+x@practice.example>\r\nDATA\r\n",
    );
    let replies: Vec<String> = (0..4).map(|_| talk.line()).collect();
    assert!(replies[3].starts_with("354 "), "{replies:?}");
    talk.send(b"Subject: dots\r\n\r\n..one\r\n.\rx\r\nlast\r\n.\r\nNOOP\r\n");
    assert!(talk.line().starts_with("250 2.0.0 Ok: queued as "));
    assert!(talk.line().starts_with("250 2.0.0"));
    let mut imap = practice.imap("bob");
    imap.ok("SELECT INBOX");
    let fetched = imap.ok("FETCH 1:* BODY.PEEK[TEXT]");
    assert_eq!(fetched, ["* 1 FETCH (BODY[TEXT] {16}\r\n.one\r\n\rx\r\nlast\r\n)"]);
    let head = imap.ok("FETCH 1 BODY.PEEK[HEADER]").concat();
    assert!(head.contains("Return-Path: <alice@practice.example>\r\nReceived: from test ([127.0.0.1])"), "{head}");
    assert!(head.contains("with ESMTPA id "), "{head}");
}

#[test]
fn chunks_are_counted_even_when_refused() {
    let practice = Practice::with(|config| config.limits.message = 100);
    let mut talk = begin(&practice);
    talk.send(b"BDAT 6\r\nQUIT\r\nMAIL FROM:<alice@practice.example>\r\nRCPT TO:<bob@practice.example>\r\n");
    assert!(talk.line().starts_with("503 5.5.1"));
    assert!(talk.line().starts_with("250 ") && talk.line().starts_with("250 "));
    talk.send(b"BDAT 14\r\nSubject: x\r\n\r\nBDAT 3 LAST\r\na\0b");
    assert!(talk.line().starts_with("250 2.0.0 Ok: 14 bytes"));
    assert!(talk.line().starts_with("250 2.0.0 Ok: queued"));
    talk.send(b"MAIL FROM:<>\r\nRCPT TO:<bob@practice.example>\r\nBDAT 101\r\n");
    talk.send(&[b'x'; 101]);
    assert!(talk.line().starts_with("250 ") && talk.line().starts_with("250 "));
    assert!(talk.line().starts_with("552 5.3.4"));
    assert!(talk.ask("NOOP").starts_with("250 "));
    assert!(talk.ask("BDAT 99999999999").starts_with("421 "));
    assert_eq!(talk.rest(), "");
}

#[test]
fn a_message_over_the_size_is_read_to_its_end_and_refused() {
    let practice = Practice::with(|config| config.limits.message = 1000);
    let mut talk = begin(&practice);
    talk.ask("MAIL FROM:<alice@practice.example>");
    talk.ask("RCPT TO:<bob@practice.example>");
    talk.ask("DATA");
    assert!(talk.ask(&format!("{}.", "x\r\n".repeat(100_000))).starts_with("552 5.3.4"));
    assert!(talk.ask("NOOP").starts_with("250 "));
}

#[test]
fn a_full_mailbox_refuses() {
    let practice = Practice::with(|config| config.limits.quota = 2000);
    practice.deliver("bob", &format!("Subject: big\r\n\r\n{}", "x".repeat(1500)));
    let mut talk = begin(&practice);
    talk.ask("MAIL FROM:<alice@practice.example>");
    assert!(talk.ask("RCPT TO:<bob@practice.example>").starts_with("250 "));
    talk.ask("DATA");
    assert!(talk.ask(&format!("{}\r\n.", "x".repeat(800))).starts_with("552 5.2.2"));
    talk.ask("MAIL FROM:<alice@practice.example> SIZE=1000");
    assert!(talk.ask("RCPT TO:<bob@practice.example>").starts_with("552 5.2.2"));
    let mut imap = practice.imap("bob");
    assert_eq!(imap.append("INBOX", "", &"x".repeat(900)).split(' ').nth(1), Some("[OVERQUOTA]"));
}

#[test]
fn a_success_report_goes_to_a_local_sender() {
    let practice = Practice::start();
    let mut talk = begin(&practice);
    talk.ask("MAIL FROM:<alice@practice.example> RET=HDRS ENVID=id+2B7");
    talk.ask("RCPT TO:<bob@practice.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob+40practice.example");
    talk.ask("DATA");
    assert!(talk.ask("Subject: tell me\r\n\r\nsecret body\r\n.").starts_with("250 "));
    let mut imap = practice.imap("alice");
    imap.ok("SELECT INBOX");
    let report = imap.ok("FETCH 1 BODY[]").concat();
    for part in [
        "Original-Envelope-Id: id+7\r\n",
        "Original-Recipient: rfc822;Bob@practice.example",
        "Action: delivered",
        "Subject: tell me",
    ] {
        assert!(report.contains(part), "{part} is not in {report}");
    }
    assert!(!report.contains("secret body"));
}

#[test]
fn plaintext_behind_starttls_is_dropped() {
    let practice = Practice::start();
    let mut talk = Talk::to(practice.at.smtp);
    talk.line();
    talk.smtp("EHLO test");
    talk.send(b"STARTTLS\r\nMAIL FROM:<x@y.example>\r\n");
    assert!(talk.line().starts_with("220 2.0.0"));
    // What follows is no ClientHello: the server drops the injected command and gives up on the handshake.
    talk.send(b"QUIT\r\n");
    assert!(!talk.rest().contains("250 "));
}

#[test]
fn lines_too_long_are_refused_and_passed_over() {
    let practice = Practice::start();
    let mut talk = Talk::to(practice.at.smtp);
    talk.line();
    assert!(talk.ask(&"x".repeat(1_000_000)).starts_with("500 5.5.2"));
    assert!(talk.ask("NOOP").starts_with("250 "));
}

#[test]
fn one_connection_too_many_is_told_so() {
    let practice = Practice::with(|config| config.limits.connections = 1);
    let mut first = Talk::to(practice.at.smtp);
    first.line();
    assert!(Talk::to(practice.at.smtp).line().starts_with("421 4.7.0"));
    assert!(Talk::to(practice.at.imap).line().starts_with("* BYE"));
    assert!(Talk::to(practice.at.pop3).line().starts_with("-ERR [SYS/TEMP]"));
}

#[test]
fn a_message_that_one_recipient_has_no_room_for_goes_to_none() {
    let folder = tempfile::tempdir().unwrap();
    let practice = Practice::with(|config| {
        config.limits.quota = 2000;
        config.mail = Some(folder.path().to_owned());
    });
    practice.deliver("bob", &format!("Subject: big\r\n\r\n{}", "x".repeat(1500)));
    let mut talk = begin(&practice);
    let mut send = |size: usize| {
        talk.ask("MAIL FROM:<x@elsewhere.example>");
        for user in ["alice", "bob"] {
            assert!(talk.ask(&format!("RCPT TO:<{user}@practice.example>")).starts_with("250 "));
        }
        talk.ask("DATA");
        talk.ask(&format!("{}\r\n.", "x".repeat(size)))
    };
    let mut imap = practice.imap("alice");
    imap.ok("SELECT INBOX");
    assert!(send(800).starts_with("552 5.2.2 <bob@practice.example>"));
    assert!(imap.ok("NOOP").is_empty(), "alice's copy did not come, not even for a moment");
    // There is room, and the disk says no.
    let numbers = folder.path().join("bob/mailtap-uids");
    std::fs::remove_file(&numbers).unwrap();
    std::fs::create_dir(&numbers).unwrap();
    assert!(send(10).starts_with("451 4.3.0 <bob@practice.example>"));
    assert_eq!(imap.ok("STATUS INBOX (MESSAGES)"), ["* STATUS INBOX (MESSAGES 0)"], "it was taken back");
}

#[test]
fn who_says_nothing_before_login_does_not_keep_the_place() {
    let practice = Practice::with(|config| {
        config.limits.connections = 8;
        config.limits.login = Duration::from_millis(1500);
    });
    let mut at_work = (practice.imap("bob"), begin(&practice), Talk::to(practice.at.pop3));
    at_work.2.line();
    for command in ["USER bob", &format!("PASS {PASSWORD}")] {
        assert!(at_work.2.ask(command).starts_with("+OK"));
    }
    let mut sending = Talk::to(practice.at.smtp);
    sending.line();
    sending.smtp("EHLO test");
    assert!(sending.ask("MAIL FROM:<x@elsewhere.example>").starts_with("250 "));
    let [imap, pop3] = ["* BYE", "-ERR"].map(|start| format!("{start} Disconnected for inactivity."));
    let smtp = "421 4.4.2 Timeout exceeded".to_owned();
    let at = practice.at;
    let silent = [(at.imap, imap), (at.pop3, pop3), (at.smtp, smtp.clone()), (at.submission, smtp)];
    let silent = silent.map(|(address, farewell)| (Talk::to(address), farewell));
    for (mut talk, farewell) in silent {
        talk.line();
        assert_eq!(talk.rest().trim_end(), farewell);
    }
    practice.imap("alice");
    at_work.0.ok("NOOP");
    assert!(at_work.1.ask("NOOP").starts_with("250 "));
    assert!(at_work.2.ask("NOOP").starts_with("+OK"));
    assert!(sending.ask("RCPT TO:<bob@practice.example>").starts_with("250 "));
}
