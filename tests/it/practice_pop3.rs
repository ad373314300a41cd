//! The practice server's POP3, spoken to line by line.
//! Takes a server in this process; gives nothing but failures.
//! Does not know how messages are kept.

use md5::{Digest, Md5};

use crate::practice_kit::{PASSWORD, Practice, Talk};

fn log_in(practice: &Practice) -> Talk {
    let mut talk = Talk::to(practice.at.pop3);
    talk.line();
    assert_eq!(talk.ask("USER bob"), "+OK");
    assert_eq!(talk.ask(&format!("PASS {PASSWORD}")), "+OK Logged in.");
    talk
}

#[test]
fn messages_are_listed_read_and_deleted() {
    let practice = Practice::start();
    practice.deliver("bob", "Subject: one\r\n\r\n..a\r\nb\r\nc");
    practice.deliver("bob", "Subject: two\r\n\r\nx");
    let mut talk = log_in(&practice);
    let stat = talk.ask("STAT");
    assert!(stat.starts_with("+OK 2 "), "{stat}");
    assert!(talk.ask("LIST").starts_with("+OK 2 "));
    let list = talk.listing();
    assert_eq!(talk.ask("LIST 2"), format!("+OK {}", list[1]));
    let size: usize = list[0].split(' ').nth(1).unwrap().parse().unwrap();
    talk.ask("UIDL");
    let ids = talk.listing();
    assert_ne!(ids[0].split(' ').nth(1), ids[1].split(' ').nth(1));
    assert_eq!(talk.ask("RETR 1"), format!("+OK {size} octets"));
    let message = talk.listing();
    assert_eq!(message[message.len() - 3..], ["..a", "b", "c"]);
    // The size is that of the message, dots unstuffed.
    assert_eq!(message.iter().map(|line| line.len() + 2).sum::<usize>() - 1, size);
    assert_eq!(talk.ask("TOP 1 1"), "+OK");
    assert_eq!(talk.listing().last().unwrap(), "..a");
    assert_eq!(talk.ask("TOP 1 0"), "+OK");
    assert_eq!(talk.listing().last().unwrap(), "");
    assert_eq!(talk.ask("DELE 1"), "+OK Marked to be deleted.");
    assert_eq!(talk.ask("RETR 1"), "-ERR Message is deleted.");
    assert_eq!(talk.ask("RETR 3"), "-ERR There's no message 3.");
    assert!(talk.ask("STAT").starts_with("+OK 1 "));
    assert_eq!(talk.ask("RSET"), "+OK");
    assert!(talk.ask("STAT").starts_with("+OK 2 "));
    talk.ask("DELE 1");
    assert_eq!(talk.ask("QUIT"), "+OK Logging out, messages deleted.");
    let mut again = log_in(&practice);
    again.ask("UIDL");
    assert_eq!(again.listing(), [format!("1 {}", ids[1].split(' ').nth(1).unwrap())]);
}

#[test]
fn without_quit_nothing_is_deleted() {
    let practice = Practice::start();
    practice.deliver("bob", "Subject: one\r\n\r\na");
    let mut talk = log_in(&practice);
    talk.ask("DELE 1");
    drop(talk);
    assert!(log_in(&practice).ask("STAT").starts_with("+OK 1 "));
}

#[test]
fn apop_hashes_the_banner() {
    let practice = Practice::start();
    let mut talk = Talk::to(practice.at.pop3);
    let banner = talk.line();
    let stamp = &banner[banner.find('<').unwrap()..];
    let digest: String = Md5::digest(format!("{stamp}{PASSWORD}")).iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(talk.ask(&format!("APOP bob {}", "0".repeat(32))).starts_with("-ERR [AUTH]"));
    assert_eq!(talk.ask(&format!("APOP bob {digest}")), "+OK Logged in.");
}

#[test]
fn wrong_commands_are_errors_and_the_session_goes_on() {
    let practice = Practice::start();
    let mut talk = Talk::to(practice.at.pop3);
    talk.line();
    for command in ["STAT", "PASS x", "NONSENSE", "APOP bob", "AUTH UNKNOWN", &"x".repeat(100_000)] {
        let reply = talk.ask(command);
        assert!(reply.starts_with("-ERR"), "{command}: {reply}");
    }
    assert_eq!(talk.ask("CAPA"), "+OK");
    let capabilities = talk.listing();
    for word in ["TOP", "UIDL", "STLS", "USER", "RESP-CODES", "PIPELINING", "SASL PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256"] {
        assert!(capabilities.iter().any(|line| line == word), "{word} is not in {capabilities:?}");
    }
    talk.send(format!("USER bob\r\nPASS {PASSWORD}\r\nNOOP\r\nRETR x\r\nLIST 0\r\nTOP 1\r\nSTLS\r\n").as_bytes());
    let replies: Vec<String> = (0..7).map(|_| talk.line().split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(replies, ["+OK", "+OK", "+OK", "-ERR", "-ERR", "-ERR", "-ERR"]);
}

#[test]
fn a_few_failed_logins_end_it() {
    let practice = Practice::start();
    let mut talk = Talk::to(practice.at.pop3);
    talk.line();
    for _ in 0..3 {
        talk.ask("USER bob");
        assert_eq!(talk.ask("PASS wrong"), "-ERR [AUTH] Authentication failed.");
    }
    assert!(talk.line().starts_with("-ERR"));
    assert_eq!(talk.rest(), "");
}
