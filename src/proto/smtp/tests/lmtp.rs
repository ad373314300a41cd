//! LMTP: one answer for each accepted recipient.
//! Takes what both sides say; fails where an answer is tied to the wrong command.
//! Does not repeat what LMTP has in common with SMTP.

use super::*;

fn lmtp() -> Tap {
    let mut tap = Tap::new(&LMTP, Setup::default());
    tap.server("220 foo.edu LMTP server ready\r\n")
        .client("LHLO foo.edu\r\n")
        .server("250-foo.edu\r\n250 PIPELINING\r\n");
    tap
}

#[test]
fn rfc_2033_each_accepted_recipient_is_answered() {
    let mut tap = lmtp();
    assert_eq!(tap.kinds()[1], "command LHLO");
    tap.client("MAIL FROM:<chris@bar.com>\r\nRCPT TO:<pat@foo.edu>\r\nRCPT TO:<jones@foo.edu>\r\nRCPT TO:<green@foo.edu>\r\nDATA\r\n");
    tap.server("250 OK\r\n250 OK\r\n550 No such user here\r\n250 OK\r\n354 Start mail input\r\n");
    tap.client("Blah\r\n.\r\nQUIT\r\n");
    tap.server("250 pat\r\n452 green is temporarily over quota\r\n221 closing\r\n");
    for line in ["250 pat\r\n", "452 green is temporarily over quota\r\n"] {
        assert_eq!(answered(&tap, line).as_deref(), Some("DATA\r\n"));
    }
    assert_eq!(answered(&tap, "221 closing\r\n").as_deref(), Some("QUIT\r\n"));
    assert!(tap.log.notes.is_empty());
}

#[test]
fn the_last_chunk_is_answered_for_each_recipient_even_when_pipelined() {
    let mut tap = lmtp();
    tap.client("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nBDAT 2\r\nhiBDAT 0 LAST\r\nQUIT\r\n");
    tap.server("250 s\r\n250 r1\r\n250 r2\r\n250 part\r\n250 one\r\n250 two\r\n221 bye\r\n");
    assert_eq!(answered(&tap, "250 part\r\n").as_deref(), Some("BDAT 2\r\n"));
    assert_eq!(answered(&tap, "250 one\r\n").as_deref(), Some("BDAT 0 LAST\r\n"));
    assert_eq!(answered(&tap, "250 two\r\n").as_deref(), Some("BDAT 0 LAST\r\n"));
    assert_eq!(answered(&tap, "221 bye\r\n").as_deref(), Some("QUIT\r\n"));
}

#[test]
fn recipients_are_counted_for_each_message_anew() {
    let mut tap = lmtp();
    tap.client("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nRSET\r\n")
        .server("250 s\r\n250 r\r\n250 r\r\n250 reset\r\n");
    tap.client("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n").server("250 s\r\n250 r\r\n354 go\r\n");
    tap.client("x\r\n.\r\nNOOP\r\n").server("250 delivered\r\n251 noop\r\n");
    assert_eq!(answered(&tap, "250 delivered\r\n").as_deref(), Some("DATA\r\n"));
    assert_eq!(answered(&tap, "251 noop\r\n").as_deref(), Some("NOOP\r\n"));
    tap.client("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n").server("250 s\r\n250 r\r\n354 go\r\n");
    tap.client("x\r\n.\r\nQUIT\r\n").server("250 again\r\n221 bye\r\n");
    assert_eq!(answered(&tap, "221 bye\r\n").as_deref(), Some("QUIT\r\n"));
}

#[test]
fn a_421_is_the_last_of_the_answers() {
    let mut tap = lmtp();
    tap.client("RCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nBDAT 0 LAST\r\nNOOP\r\n")
        .server("250 r\r\n250 r\r\n421 bye\r\n250 noop\r\n");
    assert_eq!(answered(&tap, "250 noop\r\n").as_deref(), Some("NOOP\r\n"));
}

#[test]
fn a_laxer_end_is_answered_for_each_recipient_too() {
    let mut tap = lmtp();
    tap.client("RCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n").server("250 r\r\n250 r\r\n354 go\r\n");
    tap.client("x\n.\n").server("250 one\r\n250 two\r\n").client("QUIT\r\n").server("221 bye\r\n");
    assert_eq!(tap.note_codes(), ["desync"]);
    assert_eq!(answered(&tap, "250 two\r\n").as_deref(), Some("DATA\r\n"));
    assert_eq!(answered(&tap, "221 bye\r\n").as_deref(), Some("QUIT\r\n"));
}
