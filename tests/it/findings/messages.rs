//! Findings of messages: lines, dots, sizes.
//! Takes conversations, gives nothing but failures.
//! Does not know how a finding is made.

use super::{case, data, notes, smtp};

/// A message in two chunks.
fn chunks(parameters: &str, first: &str, second: &str) -> String {
    let length = |text: &str| super::unescaped(text).len();
    smtp(&format!(
        "C: MAIL FROM:<a@x>{parameters}\nS: 250 ok\nC: RCPT TO:<b@x>\nS: 250 ok\nC: BDAT {}\nC| {first}\nS: 250 ok\n\
         C: BDAT {} LAST\nC| {second}\nS: 250 ok",
        length(first),
        length(second)
    ))
}

fn append(rest: &str) -> String {
    format!("S: * OK hi\nC: a APPEND x {rest}\nS: a OK done")
}

#[test]
fn of_line_ends_in_messages() {
    case("bare-lf", "smtp", &data("", "a\\nb\\r\\n"), &data("", "a\\r\\nb\\r\\n"), &[]);
    case("bare-cr", "smtp", &data("", "a\\rb\\r\\n"), &data("", "a\\r\\nb\\r\\n"), &[]);
    // Chunks may end in the middle of a line end.
    case("bare-lf", "smtp", &chunks("", "a\\n", "b\\r\\n"), &chunks("", "a\\r", "\\nb\\r\\n"), &[]);
    case("bare-cr", "smtp", &chunks("", "a\\r", "b\\r\\n"), &chunks("", "a\\r", "\\nb\\r\\n"), &[]);
    let binary =
        |what: &str| chunks(what, "a\\n\\r", "b\\n").replace("S: 250-CHUNKING", "S: 250-CHUNKING\nS: 250-BINARYMIME");
    case("bare-lf", "smtp", &binary(" BODY=8BITMIME"), &binary(" BODY=BINARYMIME"), &["bare-cr"]);
    // A message that never came to its end: the commonest of all mistakes with line ends.
    let given_up = |body: &str| data("", body).replace("C: .\nS: 250 2.0.0 sent\n", "");
    case("bare-lf", "smtp", &given_up("a\\n\\n.\\n"), &given_up("a\\r\\n\\r\\n"), &["near-terminator"]);
    let refused = |body: &str| data("", body).replace("C: .\nS: 250 2.0.0 sent\n", "S: 421 4.4.2 timeout exceeded\n");
    case("bare-lf", "smtp", &refused("a\\nb\\n"), &refused("a\\r\\nb\\r\\n"), &[]);
    let dropped = chunks("", "a\\n", "").replace("C: BDAT 0 LAST\nC| \nS: 250 ok", "C: RSET\nS: 250 ok");
    case("bare-lf", "smtp", &dropped, &dropped.replace("a\\n", "aa"), &[]);
    let retr = |body: &str| format!("S: +OK\nC: RETR 1\nS: +OK\nS| {body}");
    case("bare-lf", "pop3", &retr("a\\nb"), &retr("a\\r\\nb"), &[]);
}

#[test]
fn of_line_ends_in_appended_messages() {
    let lf = append("{3}\nS: + go\nC| a\\nb\\r\\n");
    case("bare-lf", "imap", &lf, &append("{4}\nS: + go\nC| a\\r\\nb\\r\\n"), &[]);
    case("bare-lf", "imap", &lf, &append("~{3}\nS: + go\nC| a\\nb\\r\\n"), &[]);
    case("bare-lf", "imap", &lf, &append("~{3+}\nC| a\\nb\\r\\n"), &[]);
    // The parts of a message that is put together may end anywhere.
    let parts = append("CATENATE (TEXT {4}\nS: + go\nC| abc\\r TEXT {3}\\r\\n\nS: + go\nC| \\nxy)\\r\\n");
    case("bare-cr", "imap", &append("{3}\nS: + go\nC| a\\rb\\r\\n"), &parts, &[]);
    case("bare-lf", "imap", &lf, &parts, &[]);
    // The second of several, and one whose mailbox is a literal.
    let two = |second: &str| append(&format!("{{3}}\nS: + go\nC| a\\r\\n {{3}}\\r\\n\nS: + go\nC| {second}\\r\\n"));
    case("bare-lf", "imap", &two("b\\nc"), &two("b\\r\\n"), &[]);
    let named = |body: &str| {
        format!("S: * OK hi\nC: a APPEND {{1}}\nS: + go\nC| x {{3}}\\r\\n\nS: + go\nC| {body}\\r\\n\nS: a OK done")
    };
    case("bare-lf", "imap", &named("a\\nb"), &named("a\\r\\n"), &[]);
    let half = |body: &str| format!("S: * OK hi\nC: a APPEND x {{99}}\nS: + go\nC| {body}");
    case("bare-lf", "imap", &half("a\\nb"), &half("a\\r\\nb"), &[]);
}

#[test]
fn of_line_ends_in_commands_and_replies() {
    case(
        "bare-lf",
        "smtp",
        "S: 220 mx\nC| EHLO c\\n\nS: 250 mx\nC: QUIT\nS: 221 bye",
        "S: 220 mx\nC: EHLO c\nS: 250 mx\nC: QUIT\nS: 221 bye",
        &[],
    );
    case("bare-lf", "smtp", "S| 220 mx\\n\nC: QUIT\nS: 221 bye", "S: 220 mx\nC: QUIT\nS: 221 bye", &[]);
    case("bare-lf", "smtp", "S| 220-mx\\n220 x\\r\\n", "S| 220-mx\\r\\n220 x\\r\\n", &[]);
    case("bare-lf", "imap", "S: * OK hi\nC| a NOOP\\n\nS: a OK done", "S: * OK hi\nC: a NOOP\nS: a OK done", &[]);
    case("bare-lf", "imap", "S: * OK hi\nC: a NOOP\nS| a OK done\\n", "S: * OK hi\nC: a NOOP\nS: a OK done", &[]);
    case("bare-lf", "pop3", "S: +OK\nC| STAT\\n\nS: +OK 0 0", "S: +OK\nC: STAT\nS: +OK 0 0", &[]);
    case("bare-lf", "sieve", "S: OK\nC| LOGOUT\\n\nS: OK", "S: OK\nC: LOGOUT\nS: OK", &[]);
    case(
        "bare-cr",
        "smtp",
        "S: 220 mx\nC| EHLO c\\rx\\r\\n\nS: 250 mx",
        "S: 220 mx\nC| EHLO cx\\r\nC| \\n\nS: 250 mx",
        &[],
    );
    // A line that is longer than the longest comes in blocks, and its end may be cut in two.
    let long = format!("a NOOP {}", "x".repeat(65_536 - 8));
    case(
        "bare-lf",
        "imap",
        &format!("S: * OK hi\nC| {long}x\\n\nS: a BAD long"),
        &format!("S: * OK hi\nC| {long}\\r\\n\nS: a BAD long"),
        &[],
    );
}

#[test]
fn of_dots() {
    for (smuggled, near) in [
        ("a\\n.\\nb\\r\\n", "bare-lf"),
        ("a\\n.\\r\\nb\\r\\n", "bare-lf"),
        ("a\\r\\n.\\nb\\r\\n", "bare-lf"),
        (".\\nb\\r\\n", "bare-lf"),
        ("a\\r.\\rb\\r\\n", "bare-cr"),
        ("a\\r\\n.\\rb\\r\\n", "bare-cr"),
        ("a\\r.\\r\\nb\\r\\n", "bare-cr"),
        ("a\\r\\n.\\r\\r\\nb\\r\\n", "bare-cr"),
        ("a\\r\\n\\x00.\\r\\nb\\r\\n", ""),
        ("a\\r\\n.\\x00\\r\\nb\\r\\n", ""),
    ] {
        case("near-terminator", "smtp", &data("", smuggled), &data("", "a\\n..\\r\\nb\\r\\n"), &[near, "bare-lf"]);
    }
    case("missing-dot-stuffing", "smtp", &data("", "a\\r\\n.b\\r\\n"), &data("", "a\\r\\n..b\\r\\n"), &[]);
    // In chunks a dot is a dot.
    case("missing-dot-stuffing", "smtp", &data("", "a\\r\\n.b\\r\\n"), &chunks("", "a\\r\\n", ".b\\r\\n"), &[]);
    case(
        "missing-dot-stuffing",
        "pop3",
        "S: +OK\nC: RETR 1\nS: +OK\nS: .a\nS: .",
        "S: +OK\nC: RETR 1\nS: +OK\nS: ..a\nS: .",
        &[],
    );
}

#[test]
fn of_eight_bits() {
    case("8bit-without-8bitmime", "smtp", &data("", "\\xfc\\r\\n"), &data(" BODY=8BITMIME", "\\xfc\\r\\n"), &[]);
    case(
        "8bit-without-8bitmime",
        "smtp",
        &chunks("", "\\xfc", "\\r\\n"),
        &chunks(" BODY=8BITMIME", "\\xfc", "\\r\\n"),
        &[],
    );
}

#[test]
fn of_sizes_in_smtp() {
    // The dot that was put before another does not count, nor does a line end that the message did not have.
    case("size-mismatch", "smtp", &data(" SIZE=5", "..bc\\r\\nd\\r\\n"), &data(" SIZE=8", "..bc\\r\\nd\\r\\n"), &[]);
    case("size-mismatch", "smtp", &data(" SIZE=5", "..bc\\r\\nd\\r\\n"), &data(" SIZE=6", "..bc\\r\\nd\\r\\n"), &[]);
    case("size-mismatch", "smtp", &data(" SIZE=2", "abc\\r\\n"), &data(" SIZE=500", "abc\\r\\n"), &[]);
    let sized = |size: u32| chunks(&format!(" SIZE={size}"), "a\\r\\nb", "c\\r\\n");
    case("size-mismatch", "smtp", &sized(4), &sized(7), &[]);
}

#[test]
fn of_sizes_in_imap() {
    let fetch = |size: u32| {
        format!(
            "S: * OK hi\nC: a FETCH 1 (RFC822.SIZE BODY.PEEK[])\nS| * 1 FETCH (RFC822.SIZE {size} BODY[] {{5}}\\r\\nabc\\r\\n)\\r\\n\nS: a OK done"
        )
    };
    case("size-mismatch", "imap", &fetch(6), &fetch(5), &[]);
    let behind = |size: u32| {
        format!(
            "S: * OK hi\nC: a FETCH 1 (BODY.PEEK[] RFC822.SIZE)\nS| * 1 FETCH (BODY[] {{5}}\\r\\nabc\\r\\n RFC822.SIZE {size})\\r\\n\nS: a OK done"
        )
    };
    case("size-mismatch", "imap", &behind(6), &behind(5), &[]);
    let old = |size: u32| fetch(size).replace("BODY.PEEK[]", "RFC822").replace("BODY[]", "RFC822");
    case("size-mismatch", "imap", &old(6), &old(5), &[]);
    let some = |size: u32| fetch(size).replace("BODY.PEEK[]", "BODY.PEEK[]<0.5>").replace("BODY[]", "BODY[]<0>");
    case("size-mismatch", "imap", &fetch(6), &some(6), &[]);
    // Clients ask for the sizes first.
    let later = |told: &str, between: &str, body: &str| {
        format!(
            "S: * OK hi\nC: a SELECT x\nS: * 9 EXISTS\nS: a OK in\nC: b FETCH 1:9 (UID RFC822.SIZE)\n{told}S: b OK done\n{between}\
             C: c UID FETCH 7 (BODY.PEEK[])\nS| * {body} BODY[] {{5}}\\r\\nabc\\r\\n)\\r\\n\nS: c OK done"
        )
    };
    let sizes = "S: * 1 FETCH (UID 7 RFC822.SIZE 6)\nS: * 2 FETCH (UID 9 RFC822.SIZE 5)\n";
    case("size-mismatch", "imap", &later(sizes, "", "1 FETCH (UID 7"), &later(sizes, "", "2 FETCH (UID 9"), &[]);
    case("size-mismatch", "imap", &later(sizes, "", "1 FETCH (FLAGS ()"), &later(sizes, "", "2 FETCH (FLAGS ()"), &[]);
    let gone = "C: d EXPUNGE\nS: * 1 EXPUNGE\nS: d OK done\n";
    case(
        "size-mismatch",
        "imap",
        &later(sizes, "", "1 FETCH (FLAGS ()"),
        &later(sizes, gone, "1 FETCH (FLAGS ()"),
        &[],
    );
    case("size-mismatch", "imap", &later(sizes, gone, "1 FETCH (UID 7"), &later(sizes, gone, "1 FETCH (UID 9"), &[]);
    // Of another mailbox it says nothing.
    let other = "C: d SELECT y\nS: * 9 EXISTS\nS: d OK in\n";
    case("size-mismatch", "imap", &later(sizes, "", "1 FETCH (UID 7"), &later(sizes, other, "1 FETCH (UID 7"), &[]);
}

#[test]
fn of_sizes_in_pop3() {
    let retr = |said: &str| format!("S: +OK\nC: RETR 1\nS: +OK {said}\nS: ..a\nS: .\n");
    for (wrong, right) in [
        ("9 octets", "4 octets"),
        ("(9 octets)", "(4 octets)"),
        ("message follows (9 octets)", "message follows (4 octets)"),
        ("9 bytes", "9 of 12 messages"),
    ] {
        case("octet-count", "pop3", &retr(wrong), &retr(right), &[]);
    }
    // The last line of a message that has no end gets one for the dot behind it.
    case("octet-count", "pop3", &retr("1 octets"), &retr("2 octets"), &[]);
    let list =
        |size: u32| format!("S: +OK\nC: LIST\nS: +OK\nS: 1 {size}\nS: .\nC: RETR 1\nS: +OK here it is\nS: ..a\nS: .\n");
    case("octet-count", "pop3", &list(5), &list(4), &[]);
    let one = |size: u32| format!("S: +OK\nC: LIST 1\nS: +OK 1 {size}\nC: RETR 1\nS: +OK here it is\nS: ..a\nS: .\n");
    case("octet-count", "pop3", &one(5), &one(4), &[]);
}

/// What an abandoned message was about is told before the end, and once.
#[test]
fn a_message_that_never_ends_is_judged_once() {
    let said = data("", "a\\nb\\n").replace("C: .\nS: 250 2.0.0 sent\n", "");
    let found = notes("smtp", &said);
    assert_eq!(found, [("bare-lf".to_owned(), "the message: 2 lines end in LF without CR".to_owned())]);
}
