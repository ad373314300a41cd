//! The practice server told to stop: what is under way is finished, whoever waits is told, and a second signal ends all.
//! Takes the program itself, stopped by signals.
//! Does not know how the server is built.

use crate::practice_kit::Talk;
use crate::support::mailtap::Mailtap;
use crate::support::wait_for;

fn practice(more: &[&str]) -> (Mailtap, impl Fn(&str) -> Talk + use<>) {
    let practice = Mailtap::launch(&[&["practice", "--json", "--free-ports"], more].concat(), 7);
    let line = practice.account();
    (practice, move |service| Talk::to(line[service].as_str().and_then(|address| address.parse().ok())))
}

fn logged_in(mut imap: Talk) -> Talk {
    imap.line();
    imap.ok("LOGIN demo opensesame");
    imap
}

const DELIVERY: [(&str, &str); 4] = [
    ("EHLO me", "250"),
    ("MAIL FROM:<x@elsewhere.example>", "250"),
    ("RCPT TO:<demo@mailtap.example>", "250"),
    ("DATA", "354"),
];

fn delivering(mut smtp: Talk) -> Talk {
    smtp.line();
    for (command, code) in DELIVERY {
        let reply = smtp.smtp(command);
        assert!(reply.iter().all(|line| line.starts_with(code)), "{reply:?}");
    }
    smtp
}

#[test]
fn whoever_is_at_rest_is_told_and_what_is_under_way_is_finished() {
    let mail = tempfile::tempdir().expect("a folder");
    let (mut practice, to) = practice(&["--mail", mail.path().to_str().expect("a path as text")]);
    let mut greeted = [to("imap"), to("pop3"), to("smtp")];
    for talk in &mut greeted {
        talk.line();
    }
    let (mut idle, mut quiet) = (logged_in(to("imap")), logged_in(to("imap")));
    idle.ok("SELECT INBOX");
    idle.send(b"i IDLE\r\n");
    assert_eq!(idle.line(), "+ idling");
    // A message in the middle by SMTP, one in chunks, and one by IMAP.
    let (mut smtp, mut chunks, mut append) = (delivering(to("smtp")), to("smtp"), logged_in(to("imap")));
    smtp.send(b"Subject: half\r\n");
    chunks.line();
    for (command, _) in &DELIVERY[..3] {
        chunks.smtp(command);
    }
    chunks.send(b"BDAT 10\r\nSubject: a");
    assert!(chunks.line().starts_with("250"));
    append.send(b"a APPEND Drafts {15}\r\n");
    assert!(append.line().starts_with('+'));
    append.send(b"Subject");

    practice.signal("TERM");
    // They are told at once: no grace is as long as a read may take.
    for talk in [&mut idle, &mut quiet, &mut greeted[0]] {
        assert_eq!(talk.rest(), "* BYE Server shutting down.\r\n");
    }
    assert_eq!(greeted[1].rest(), "-ERR [SYS/TEMP] Server shutting down.\r\n");
    assert_eq!(greeted[2].rest(), "421 4.3.2 Server shutting down\r\n");
    assert!(!practice.has_ended());

    assert!(smtp.ask("\r\nthe rest\r\n.").starts_with("250 "));
    assert_eq!(smtp.rest(), "421 4.3.2 Server shutting down\r\n");
    assert!(chunks.ask("BDAT 8 LAST\r\n\r\n\r\nabcd").starts_with("250 "));
    append.send(b": d\r\n\r\n!\r\n");
    assert!(append.imap_reply("a").1.starts_with("OK "));
    wait_for("the end of the server", || practice.has_ended().then_some(()));
    assert!(practice.stop().success(), "{}", practice.errors());
    assert!(practice.errors().contains("what is under way may go on for 10 s"), "{}", practice.errors());

    let (mut again, to) = self::practice(&["--mail", mail.path().to_str().expect("a path as text")]);
    let mut imap = logged_in(to("imap"));
    assert_eq!(imap.ok("STATUS INBOX (MESSAGES)"), ["* STATUS INBOX (MESSAGES 2)"]);
    assert_eq!(imap.ok("STATUS Drafts (MESSAGES)"), ["* STATUS Drafts (MESSAGES 1)"]);
    assert!(again.stop().success());
}

#[test]
fn a_second_signal_and_the_end_of_the_grace_end_what_is_under_way() {
    for (more, signals) in [(&[][..], 2), (&["--grace", "0"], 1)] {
        let (mut practice, to) = practice(more);
        let mut smtp = delivering(to("smtp"));
        for signal in 0..signals {
            // Two that come as one would be one.
            wait_for("the first signal to be seen", || {
                (signal == 0 || practice.errors().contains("stopping")).then_some(())
            });
            practice.signal("INT");
        }
        assert_eq!(smtp.rest(), "");
        wait_for("the end of the server", || practice.has_ended().then_some(()));
        assert!(practice.stop().success(), "{}", practice.errors());
    }
}
