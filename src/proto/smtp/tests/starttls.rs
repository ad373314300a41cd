//! STARTTLS: what is held, what is behind it, and how its offer is taken out.
//! Takes what both sides say; fails where something injected is read or an offer survives.
//! Knows no TLS.

use super::*;

#[test]
fn the_client_waits_for_the_answer() {
    let mut tap = smtp();
    tap.client("EHLO x\r\n").server("250-x\r\n250 STARTTLS\r\n");
    tap.client("STARTTLS\r\nMAIL FROM:<injected@x>\r\n");
    assert!(tap.dialog().upgrading());
    assert_eq!(tap.held(Side::Client), 24);
    tap.server("220 2.0.0 ready\r\n");
    assert_eq!(tap.upgraded, 1);
    assert_eq!(tap.injected[0], b"MAIL FROM:<injected@x>\r\n");
    assert_eq!(reply(&tap, "220 2.0.0 ready\r\n").code.as_deref(), Some("2.0.0"));
    assert!(!tap.dialog().upgrading());
    // No greeting, and EHLO anew.
    tap.client("EHLO x\r\n").server("250-x\r\n250 AUTH PLAIN\r\n");
    assert_eq!(tap.kinds()[4..], ["reply 220", "command EHLO", "reply 250"]);
}

#[test]
fn what_the_server_sends_behind_its_answer_is_not_read() {
    let mut tap = smtp();
    tap.client("STARTTLS\r\n").server("220 ready\r\n250 injected\r\n");
    assert_eq!(tap.injected[1], b"250 injected\r\n");
    assert_eq!(tap.kinds().last().map(String::as_str), Some("reply 220"));
}

#[test]
fn the_answer_is_taken_whole_or_not_at_all() {
    let mut tap = smtp();
    tap.client("NOOP\r\nSTARTTLS\r\n").server("250 o");
    assert_eq!(tap.held(Side::Server), 5);
    tap.server("k\r\n220-first\r\n22");
    assert_eq!(tap.held(Side::Server), 13);
    tap.server("0 second\r\n");
    let greeting = "220 mx.example ESMTP\r\n".len();
    assert_eq!(tap.accepted_at, Some(greeting + "250 ok\r\n".len()));
    assert_eq!(answered(&tap, "220-first\r\n220 second\r\n").as_deref(), Some("STARTTLS\r\n"));
}

#[test]
fn a_refused_starttls_changes_nothing() {
    let mut tap = smtp();
    tap.client("STARTTLS\r\nNOOP\r\n").server("454 4.7.0 not now\r\n").server("250 ok\r\n");
    assert_eq!(tap.upgraded, 0);
    assert_eq!(answered(&tap, "250 ok\r\n").as_deref(), Some("NOOP\r\n"));
    assert!(!tap.dialog().upgrading());
}

#[test]
fn a_failed_upgrade_leaves_the_state_as_it_was() {
    let mut tap = smtp().without_upgrades();
    tap.client("STARTTLS\r\n").server("220 go\r\n").client("QUIT\r\n").server("221 bye\r\n");
    assert_eq!(answered(&tap, "221 bye\r\n").as_deref(), Some("QUIT\r\n"));
    assert_eq!(tap.dialog().refusal("no\r\nTLS"), b"454 4.7.0 no  TLS\r\n");
}

#[test]
fn starttls_with_arguments_counts_if_the_server_takes_it() {
    let mut tap = smtp();
    tap.client("starttls now\r\n").server("220 go\r\n");
    assert_eq!(tap.upgraded, 1);
}

#[test]
fn the_offer_is_taken_out_wherever_it_stands() {
    for (reply, expected) in [
        ("250-x\r\n250-STARTTLS\r\n250 SIZE\r\n", "250-x\r\n250 SIZE\r\n"),
        ("250-x\r\n250-SIZE\r\n250 STARTTLS\r\n", "250-x\r\n250 SIZE\r\n"),
        ("250-x\r\n250 starttls\r\n", "250 x\r\n"),
        ("250-x\r\n250-STARTTLS\r\n250 STARTTLS\r\n", "250 x\r\n"),
        ("250-x\r\n250-STARTTLS\r\n250-HELP\r\n250 STARTTLS\r\n", "250-x\r\n250 HELP\r\n"),
        ("250-x\r\n250 SIZE\r\n", "250-x\r\n250 SIZE\r\n"),
        ("250 STARTTLS\r\n", "250 STARTTLS\r\n"),
        ("250-x\r\n250 AUTH STARTTLS\r\n", "250-x\r\n250 AUTH STARTTLS\r\n"),
    ] {
        let stream = format!("220 hi\r\n{reply}");
        for cut in 0..reply.len() {
            let mut tap = Tap::new(&SMTP, Setup { hide_starttls: true, ..Setup::default() });
            tap.server("220 hi\r\n").client("EHLO x\r\n").server(&reply[..cut]).server(&reply[cut..]);
            assert_eq!(tap.edited(stream.as_bytes()), [b"220 hi\r\n", expected.as_bytes()].concat());
            assert_eq!(tap.kinds().len(), 3);
        }
    }
    let mut tap = Tap::new(&SMTP, Setup { hide_starttls: true, ..Setup::default() });
    tap.server("220 hi\r\n").client("HELP\r\n").server("214-x\r\n214 STARTTLS\r\n");
    assert!(tap.log.edits.is_empty());
}
