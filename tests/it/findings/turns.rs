//! Findings of who speaks when, of pipelining, and of what takes long.
//! Takes conversations, gives nothing but failures.
//! Does not know how a finding is made.

use super::{case, data, notes, smtp};

#[test]
fn of_clients_that_speak_too_early() {
    for (protocol, command, greeting, answer) in [
        ("smtp", "EHLO c", "220 mx", "250 mx"),
        ("lmtp", "LHLO c", "220 mx", "250 mx"),
        ("imap", "a NOOP", "* OK hi", "a OK done"),
        ("pop3", "CAPA", "+OK hi", "-ERR what"),
        ("sieve", "LOGOUT", "OK", "OK"),
    ] {
        let early = format!("C: {command}\nS: {greeting}\nS: {answer}");
        let late = format!("S: {greeting}\nC: {command}\nS: {answer}");
        case("early-talk", protocol, &early, &late, &[]);
    }
    case("early-talk", "smtp", "C: EHLO c", "", &[]);
    // In the middle of the greeting is early too.
    case(
        "early-talk",
        "smtp",
        "S: 220-wait\nC: EHLO c\nS: 220 mx\nS: 250 mx",
        "S: 220-wait\nS: 220 mx\nC: EHLO c\nS: 250 mx",
        &[],
    );
    // Exim's clients remember what the server said to them last time, and say everything at once.
    let remembered = |offer: &str| {
        format!(
            "C| EHLO c\\r\\nMAIL FROM:<a@x>\\r\\nRCPT TO:<b@x>\\r\\nDATA\\r\\n\nS: 220 mx\nS: 250-mx\nS: 250-PIPELINING\nS: 250 {offer}\n\
             S: 250 ok\nS: 250 ok\nS: 354 go\nC: x\nC: .\nS: 250 sent"
        )
    };
    for offer in ["PIPECONNECT", "X_PIPE_CONNECT"] {
        let both = ["early-talk", "pipelining"];
        case("early-talk", "smtp", &remembered("HELP"), &remembered(offer), &both[1..]);
        let greeted = |offer: &str| format!("S: 220 mx\n{}", remembered(offer).replace("S: 220 mx\n", ""));
        case("pipelining", "smtp", &greeted("HELP"), &greeted(offer), &[]);
    }
}

#[test]
fn of_pipelining_in_smtp() {
    // Groups may be sent at once, and what follows a message too.
    case(
        "pipelining",
        "smtp",
        "S: 220 mx\nC: EHLO c\nS: 250 mx\nC: MAIL FROM:<a@x>\nC: RCPT TO:<b@x>\nS: 250 ok\nS: 250 ok",
        &smtp(
            "C: MAIL FROM:<a@x>\nC: RCPT TO:<b@x>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nC| x\\r\\n.\\r\\nQUIT\\r\\n\nS: 250 ok\nS: 221 bye",
        ),
        &[],
    );
    case(
        "pipelining",
        "smtp",
        &smtp("C: NOOP\nC: MAIL FROM:<a@x>\nS: 250 ok\nS: 250 ok"),
        &smtp("C: RSET\nC: MAIL FROM:<a@x>\nS: 250 ok\nS: 250 ok"),
        &[],
    );
    // Who has not asked does not know whether it may.
    let unasked = |between: &str| format!("S: 220 mx\nC: MAIL FROM:<a@x>\n{between}C: RCPT TO:<b@x>\nS: 250 ok\n");
    case("pipelining", "smtp", &format!("{}S: 250 ok", unasked("")), &unasked("S: 250 ok\n"), &[]);
    let lmtp = |offer: &str| {
        format!(
            "S: 220 mx\nC: LHLO c\nS: 250-mx\nS: 250 {offer}\nC: MAIL FROM:<a@x>\nC: RCPT TO:<b@x>\nS: 250 ok\nS: 250 ok"
        )
    };
    case("pipelining", "lmtp", &lmtp("SIZE"), &lmtp("PIPELINING"), &[]);
    let last = |verb: &str| {
        format!(
            "S: 220 mx\nC: LHLO c\nS: 250-mx\nS: 250 PIPELINING\nC: {verb}\nC: MAIL FROM:<a@x>\nS: 250 ok\nS: 250 ok"
        )
    };
    case("pipelining", "lmtp", &last("VRFY x"), &last("RSET"), &[]);
}

#[test]
fn of_pipelining_in_pop3() {
    let pop3 =
        |more: &str| format!("S: +OK\nC: CAPA\nS: +OK\nS: TOP\n{more}S: .\nC: STAT\nC: LIST\nS: +OK 0 0\nS: +OK\nS: .");
    case("pipelining", "pop3", &pop3(""), &pop3("S: PIPELINING\n"), &[]);
    // It is the same before and after the login.
    let after_login = |more: &str| {
        format!(
            "TLS\nS: +OK\nC: CAPA\nS: +OK\nS: UIDL\n{more}S: .\nC: USER a\nS: +OK\nC: PASS b\nS: +OK\nC: STAT\nC: UIDL\nS: +OK 0 0\nS: +OK\nS: ."
        )
    };
    case("pipelining", "pop3", &after_login(""), &after_login("S: PIPELINING\n"), &[]);
    let unasked = |between: &str| format!("S: +OK\nC: STAT\n{between}C: QUIT\nS: +OK 0 0\n");
    case("pipelining", "pop3", &format!("{}S: +OK", unasked("")), &unasked("S: +OK 0 0\n"), &[]);
}

#[test]
fn of_pipelining_in_imap() {
    let two =
        |first: &str, second: &str| format!("S: * OK hi\nC: a {first}\nC: b {second}\nS: a OK done\nS: b OK done");
    // RFC 9051 §5.5 has these examples.
    for (wrong, right) in [
        (two("NOOP", "STORE 1 +FLAGS (x)"), two("FETCH 1 FLAGS", "STORE 1 +FLAGS (x)")),
        (two("COPY 1 x", "FETCH 2 FLAGS"), two("COPY 1 x", "EXPUNGE")),
        (two("COPY 1 x", "COPY 2 x"), two("UID COPY 1 x", "UID COPY 2 x")),
        (two("UID FETCH 1 FLAGS", "FETCH 2 FLAGS"), two("FETCH 1 FLAGS", "UID FETCH 2 FLAGS")),
        (two("NOOP", "MOVE 1 x"), two("SEARCH ALL", "NOOP")),
    ] {
        case("pipelining", "imap", &wrong, &right, &[]);
    }
    let idle = |end: &str| format!("S: * OK hi\nC: a IDLE\nS: + idling\n{end}C: b NOOP\nS: a OK done\nS: b OK done");
    case("pipelining", "imap", &idle(""), &idle("C: DONE\n"), &[]);
}

#[test]
fn of_pipelining_in_managesieve() {
    let space = |between: &str| format!("S: OK\nC: HAVESPACE \"x\" 5\n{between}C: LISTSCRIPTS\nS: OK\n");
    case("pipelining", "sieve", &format!("{}S: OK", space("")), &space("S: OK\n"), &[]);
}

#[test]
fn of_slow_servers() {
    case(
        "slow-answer",
        "imap",
        "S: * OK hi\nC: a NOOP\n~1.2\nS: a OK done",
        "S: * OK hi\nC: a NOOP\n~0.9\nS: a OK done",
        &[],
    );
    case("slow-answer", "smtp", "~3\nS: 220 mx", "~0.5\nS: 220 mx\n~5\nC: QUIT\nS: 221 bye", &[]);
    // Nobody asked for what comes during IDLE, and its end is answered at once.
    case(
        "slow-answer",
        "imap",
        "S: * OK hi\nC: a SELECT x\n~2\nS: * 1 EXISTS\nS: a OK done",
        "S: * OK hi\nC: a IDLE\nS: + idling\n~60\nS: * 3 EXISTS\n~5\nC: DONE\nS: a OK done",
        &[],
    );
    // The last of an answer counts as its first does.
    let select = |end: &str| format!("S: * OK hi\nC: a SELECT x\nS: * 1 EXISTS\n~{end}\nS: a OK done");
    case("slow-answer", "imap", &select("1.3"), &select("0.7"), &[]);
    // Each answer has its own time, from the one before.
    let group = |first: &str, second: &str| {
        smtp(&format!("C: MAIL FROM:<a@x>\nC: RCPT TO:<b@x>\n~{first}\nS: 250 ok\n~{second}\nS: 250 ok"))
    };
    case("slow-answer", "smtp", &group("0.1", "1.3"), &group("0.7", "0.7"), &[]);
    let lmtp = |second: &str| {
        format!(
            "S: 220 mx\nC: LHLO c\nS: 250 mx\nC: MAIL FROM:<a@x>\nS: 250 ok\nC: RCPT TO:<b@x>\nS: 250 ok\nC: RCPT TO:<c@x>\n\
             S: 250 ok\nC: DATA\nS: 354 go\nC: x\nC: .\nS: 250 sent\n~{second}\nS: 250 sent"
        )
    };
    case("slow-answer", "lmtp", &lmtp("1.5"), &lmtp("0.5"), &[]);
    // A client that does not go on is not a server that does not answer.
    let stalled = "C: MAIL FROM:<a@x>\nS: 250 ok\nC: RCPT TO:<b@x>\nS: 250 ok\nC: DATA\n";
    let slow_to_go = smtp(&format!("{stalled}~1.3\nS: 354 go\nC: x\nC: .\nS: 250 sent"));
    for waits in ["~9", "C| half\n~9"] {
        let timeout = smtp(&format!("{stalled}S: 354 go\n{waits}\nS: 421 4.4.2 timeout exceeded"));
        case("slow-answer", "smtp", &slow_to_go, &timeout, &[]);
    }
    let append = |rest: &str| format!("S: * OK hi\nC: a APPEND x {{10}}\n{rest}");
    for stalls in [
        "S: + go\n~9\nS: * BYE timeout",
        "S: + go\nC| abc\n~9\nS: * BYE timeout",
        "S: + go\nC| 0123456789\n~9\nS: a BAD timeout",
    ] {
        case("slow-answer", "imap", &append("~2\nS: + go\nC: 0123456789\nS: a OK done"), &append(stalls), &[]);
    }
    let login = |wait: &str, answer: &str| format!("TLS\nS: * OK hi\nC: a AUTHENTICATE PLAIN\n{wait}S: + \n{answer}");
    case(
        "slow-answer",
        "imap",
        &login("~2\n", "C: AHUAcA==\nS: a OK in"),
        &login("", "~30\nC: AHUAcA==\nS: a OK in"),
        &[],
    );
    case("slow-answer", "imap", &login("~2\n", "C: AHUAcA==\nS: a OK in"), &login("", "~30\nS: a NO timeout"), &[]);
}

#[test]
fn of_idle() {
    case(
        "idle-too-long",
        "imap",
        "S: * OK hi\nC: a IDLE\nS: + idling\n~1741\nC: DONE\nS: a OK done",
        "S: * OK hi\nC: a IDLE\nS: + idling\n~1739\nC: DONE\nS: a OK done\nC: b IDLE\nS: + idling\n~1739\nC: DONE\nS: b OK done",
        &[],
    );
    // It may end with the connection.
    let closed = |seconds: u32| format!("S: * OK hi\nC: a IDLE\nS: + idling\n~{seconds}");
    case("idle-too-long", "imap", &closed(2400), &closed(1700), &[]);
}

#[test]
fn of_answers() {
    let login = |end: &str| format!("TLS\nS: 220 mx\nC| AUTH LOGIN\\r\\nQUIT\\r\\n\n{end}\nS: 334 VXNlcm5hbWU6");
    case("no-answer", "smtp", &login("LATE"), &login(""), &[]);
    case("preauth", "imap", "S: * PREAUTH hi", "TLS\nS: * PREAUTH hi", &[]);
    case("alert-before-tls", "imap", "S: * OK [ALERT] hi", "TLS\nS: * OK [ALERT] hi", &[]);
    case("reply-without-text", "imap", "S: * OK hi\nC: a NOOP\nS: a OK", "S: * OK hi\nC: a NOOP\nS: a OK .", &[]);
    case("reply-without-text", "imap", "S: * OK", "S: * OK hi", &[]);
    // IMAP4rev2 by itself lets it be empty.
    let offers = |names: &str| format!("S: * OK [CAPABILITY {names}] hi\nC: a NOOP\nS: a OK");
    case("reply-without-text", "imap", &offers("IMAP4rev1 IMAP4rev2"), &offers("IMAP4rev2"), &[]);
    let plus = |plus: &str| format!("S: * OK hi\nC: a APPEND x {{1}}\n{plus}\nC: x\nS: a OK done");
    case("reply-without-text", "imap", &plus("S| +\\r\\n"), &plus("S| + \\r\\n"), &[]);
    case("reply-without-text", "smtp", "S: 220 mx\nC: NOOP\nS: 250", "S: 220 mx\nC: NOOP\nS: 250 2.0.0", &[]);
    case("reply-without-text", "smtp", "S: 220", "S: 220 mx", &[]);
    let go = |go: &str| {
        smtp(&format!(
            "C: MAIL FROM:<a@x>\nS: 250 ok\nC: RCPT TO:<b@x>\nS: 250 ok\nC: DATA\nS: {go}\nC: x\nC: .\nS: 250 sent"
        ))
    };
    case("reply-without-text", "smtp", &go("354"), &go("354 go"), &[]);
    case(
        "mixed-reply-codes",
        "smtp",
        "S: 220 mx\nC: EHLO c\nS: 250-mx\nS: 251 x",
        "S: 220 mx\nC: EHLO c\nS: 250-mx\nS: 250 x",
        &[],
    );
}

#[test]
fn of_who_asks_again_and_again() {
    let each = |from: u32, to: u32, ask: &str| -> String {
        (from..=to).map(|n| format!("C: a{n} {}\nS: a{n} OK done\n", ask.replace('#', &n.to_string()))).collect()
    };
    let imap = |rest: &str| format!("S: * OK hi\n{rest}");
    let flags = "UID FETCH # (FLAGS)";
    let often = imap(&each(1, 10, flags));
    let broken = format!("{}C: b UID FETCH 1:10 (FLAGS)\nS: b OK done\n{}", each(1, 9, flags), each(11, 19, flags));
    case("asked-again", "imap", &often, &imap(&broken), &[]);
    // Two things of each message, in turn.
    let two: String = (1..=10)
        .map(|n| format!("C: a UID FETCH {n} (FLAGS)\nS: a OK done\nC: b UID FETCH {n} (ENVELOPE)\nS: b OK done\n"))
        .collect();
    case("asked-again", "imap", &imap(&two), &imap(&each(1, 9, flags)), &[]);
    // Messages are taken one by one by nearly everybody, with what belongs to each.
    for items in ["(BODY.PEEK[])", "(RFC822)", "(FLAGS BODY[TEXT])", "BODY.PEEK[1.2]<0.1000>"] {
        case("asked-again", "imap", &often, &imap(&each(1, 30, &format!("UID FETCH # {items}"))), &[]);
    }
    case("asked-again", "imap", &often, &imap(&each(1, 30, "UID FETCH #0:#9 (FLAGS)")), &[]);
    case("asked-again", "imap", &imap(&each(1, 10, "FETCH # (BODY.PEEK[HEADER])")), &imap(&each(1, 9, flags)), &[]);
    let retriever: String = (1..=20)
        .map(|n| {
            format!(
                "{}{}{}",
                each(n, n, "FETCH # RFC822.HEADER"),
                each(n, n, "FETCH # BODY.PEEK[TEXT]"),
                each(n, n, "STORE # +FLAGS (x)")
            )
        })
        .collect();
    case("asked-again", "imap", &often, &imap(&retriever), &[]);
    // Who does not wait loses no time by it.
    let asked: String = (1..=12).map(|n| format!("C: a{n} UID FETCH {n} (FLAGS)\n")).collect();
    let answered: String = (1..=12).map(|n| format!("S: a{n} OK done\n")).collect();
    case("asked-again", "imap", &often, &imap(&format!("{asked}{answered}")), &[]);
    // Who looks every few seconds whether there is something new does not ask in a loop.
    for ask in ["STATUS x (MESSAGES)", "UID SEARCH UNSEEN"] {
        let asked = |pause: &str| imap(&format!("C: a {ask}\nS: a OK done\n{pause}").repeat(10));
        case("asked-again", "imap", &asked(""), &asked("~5\n"), &[]);
    }
    case("asked-again", "imap", &often, &imap(&"C: a NOOP\nS: a OK done\n".repeat(20)), &[]);
    let lists = |verb: &str| -> String { (1..=10).map(|n| format!("C: {verb} {n}\nS: +OK {n} 5\n")).collect() };
    case("asked-again", "pop3", &format!("S: +OK\n{}", lists("LIST")), &format!("S: +OK\n{}", lists("DELE")), &[]);
    let slowly = lists("LIST").replace("C:", "~2\nC:");
    case("asked-again", "pop3", &format!("S: +OK\n{}", lists("LIST")), &format!("S: +OK\n{slowly}"), &[]);
}

#[test]
fn what_is_found_again_and_again_is_noted_a_few_times() {
    let found = notes("imap", &format!("S: * OK hi\n{}", "C: a NOOP\nS: a OK\n".repeat(100)));
    assert_eq!(found.len(), 5, "{found:?}");
    assert!(found[4].1.ends_with("(further ones are not noted)"), "{found:?}");
}

/// A message that is late by itself does not make its answer late.
#[test]
fn a_message_takes_the_time_that_it_takes() {
    assert_eq!(notes("smtp", &data("", "x\\r\\n\n~30\nC| y\\r\\n")), []);
}
