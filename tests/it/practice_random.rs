//! Random bytes against every listener: the practice server answers or closes, and goes on serving others.
//! Takes bytes from a generator, raw ones and ones that look like commands; gives nothing but failures.
//! Does not know what the right answer would be.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::practice_kit::{PASSWORD, Practice, Talk};
use crate::support::DEADLINE;

/// Sends everything, says that no more comes, and reads until the server closes.
fn pour(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let bytes = bytes.to_vec();
    let sending = std::thread::spawn(move || {
        // The server may have closed already.
        let _ = writer.write_all(&bytes);
        let _ = writer.shutdown(Shutdown::Write);
    });
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the server neither answers nor closes: {error}"),
    }
    sending.join().unwrap();
    answer
}

fn words(of: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        4 => proptest::sample::select(of).prop_map(|word| word.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..6),
    ];
    proptest::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

const IMAP: &[&str] = &[
    "\r\n",
    "\r\n",
    "\r\n",
    "a ",
    "b ",
    "LOGIN bob sesame\r\n",
    "SELECT INBOX\r\n",
    "FETCH ",
    "UID ",
    "1:*",
    "STORE ",
    "SEARCH ",
    "(",
    ")",
    "\"",
    "{3}\r\n",
    "{3+}\r\n",
    "{99999999999999999999+}\r\n",
    "BODY[",
    "1.",
    "HEADER.FIELDS",
    "]",
    "<0.5>",
    "FLAGS",
    "+FLAGS",
    "\\Seen",
    " ",
    "APPEND INBOX ",
    "LIST ",
    "%",
    "*",
    "IDLE\r\n",
    "DONE\r\n",
    "OR ",
    "NOT ",
    "COPY ",
    "MOVE ",
    "STATUS INBOX ",
    "CREATE ",
    "&-",
    "&",
    "AUTHENTICATE ",
    "PLAIN",
    "ENVELOPE",
    "BODYSTRUCTURE",
    "COMPRESS DEFLATE\r\n",
    "EXPUNGE\r\n",
    "CLOSE\r\n",
    "RENAME ",
    "INBOX",
    "CHANGEDSINCE",
    "CHARSET ",
    "LOGOUT\r\n",
];

const SMTP: &[&str] = &[
    "\r\n",
    "\r\n",
    "EHLO x\r\n",
    "MAIL FROM:<",
    "RCPT TO:<",
    "bob@practice.example",
    ">",
    " SIZE=",
    "DATA\r\n",
    ".\r\n",
    "BDAT 5\r\n",
    "BDAT 5 LAST\r\n",
    "AUTH PLAIN ",
    "AUTH SCRAM-SHA-256\r\n",
    "=",
    "*\r\n",
    "RSET\r\n",
    "\"",
    "\\",
    "@",
    "NOTIFY=",
    "ORCPT=",
    "+",
    ";",
    "\n",
];

const POP3: &[&str] = &[
    "\r\n",
    "\r\n",
    "USER bob\r\n",
    "PASS sesame\r\n",
    "RETR ",
    "TOP ",
    "1",
    " ",
    "LIST\r\n",
    "UIDL ",
    "DELE ",
    "RSET\r\n",
    "APOP ",
    "AUTH ",
    "CRAM-MD5",
    "CAPA\r\n",
    "QUIT\r\n",
    "99999999999999999999999",
];

#[test]
fn any_bytes_are_answered_or_end_the_connection() {
    let practice = Practice::start();
    practice.deliver("bob", "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nt\r\n--b--");
    let at = practice.at;
    let mut runner = TestRunner::new(Config { cases: 150, failure_persistence: None, ..Config::default() });
    let logged_in = format!("l LOGIN bob {PASSWORD}\r\ns SELECT INBOX\r\n");
    runner
        .run(&(words(IMAP), words(SMTP), words(POP3)), |(imap, smtp, pop3)| {
            prop_assert!(pour(at.imap.unwrap(), &imap).starts_with(b"* OK"));
            let answer = pour(at.imap.unwrap(), &[logged_in.as_bytes(), &imap].concat());
            prop_assert!(memchr::memmem::find(&answer, b"s OK [READ-WRITE]").is_some());
            prop_assert!(pour(at.smtp.unwrap(), &smtp).starts_with(b"220 "));
            prop_assert!(pour(at.pop3.unwrap(), &pop3).starts_with(b"+OK "));
            Ok(())
        })
        .unwrap();
    let mut after = practice.imap("bob");
    after.ok("SELECT INBOX");
}

#[test]
fn raw_bytes_do_no_harm_to_any_listener() {
    let practice = Practice::start();
    let at = practice.at;
    let all = [at.imap, at.imaps, at.pop3, at.pop3s, at.smtp, at.submission, at.submissions];
    let mut runner = TestRunner::new(Config { cases: 20, failure_persistence: None, ..Config::default() });
    runner
        .run(&proptest::collection::vec(any::<u8>(), 0..2000), |bytes| {
            for address in all {
                pour(address.unwrap(), &bytes);
            }
            Ok(())
        })
        .unwrap();
    assert!(Talk::to(at.pop3).line().starts_with("+OK"));
}
