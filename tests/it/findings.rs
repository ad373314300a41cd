//! The findings: each is provoked by a conversation, and left alone by one that comes close.
//! Takes short conversations with their times, runs them through a session, looks at its notes.
//! Knows no socket; what only a handshake or the network can provoke is tested where these are.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mailtap::event::{Body, Certificate, Event, Open, Origin, Side, Stamp, Tls, Verified};
use mailtap::findings;
use mailtap::proto::{self, Setup};
use mailtap::session::{Config, Log, Next, Outbox, Session};

#[derive(Default)]
struct Codes(Vec<(String, String)>);

impl Log for Codes {
    fn event(&mut self, event: &Event<'_>) {
        if let Body::Note(note) = &event.body {
            assert!(findings::find(&note.code).is_some_and(|found| found.level == note.level), "{note:?}");
            assert!(note.about.is_none_or(|about| about < event.seq), "{note:?}");
            self.0.push((note.code.clone(), note.text.clone()));
        }
    }
}

/// What is said: `C: line`, `S: line`, `C| bytes\n`, `~SECONDS` (time goes by), `TLS` (both legs have it now), `LATE` (what is
/// held is passed on without an answer).
fn notes(protocol: &str, said: &str) -> Vec<(String, String)> {
    let whole = notes_with(protocol, said, Config::default());
    // What is wrong with a message does not depend on whether it is kept.
    let without_bodies = notes_with(protocol, said, Config { bodies: 0, ..Config::default() });
    assert_eq!(whole, without_bodies, "without bodies, of\n{said}");
    whole
}

fn notes_with(protocol: &str, said: &str, config: Config) -> Vec<(String, String)> {
    let (spec, _) = proto::scheme(protocol).unwrap();
    let mut codes = Codes::default();
    let mut session = Session::new(spec, Setup::default(), false, config);
    let mut now = Stamp(1_000_000_000);
    session.open(now, Open::default(), &mut codes);
    for line in said.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        now.0 += 1000;
        if let Some(seconds) = line.strip_prefix('~') {
            now.0 += (seconds.parse::<f64>().unwrap() * 1e6) as i64;
            continue;
        }
        if line == "LATE" {
            session.release(now, &mut codes, &mut Outbox::default());
            continue;
        }
        if line == "TLS" {
            for side in [Side::Server, Side::Client] {
                let facts = Tls { how: "implicit".to_owned(), version: Some("TLSv1.3".to_owned()), ..Tls::default() };
                session.implicit_tls(now, side, facts, &mut codes);
            }
            continue;
        }
        let side = if line.starts_with('C') { Side::Client } else { Side::Server };
        let mut bytes = unescaped(line[2..].strip_prefix(' ').unwrap_or(&line[2..]));
        if line.as_bytes()[1] == b':' {
            bytes.extend_from_slice(b"\r\n");
        }
        let mut out = Outbox::default();
        session.bytes(now, side, &bytes, &mut codes, &mut out);
        while out.next != Next::Relay {
            let done = Tls { how: "starttls".to_owned(), ..Tls::default() };
            let side = if out.next == Next::UpgradeServer { Side::Server } else { Side::Client };
            out = Outbox::default();
            session.upgraded(now, side, Some(done), &mut codes, &mut out);
        }
    }
    for side in Side::BOTH {
        session.end(now, side, &mut codes, &mut Outbox::default());
    }
    session.close(now, Origin::Client, "over", &mut codes);
    codes.0
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('r') => out.push(b'\r'),
                Some('n') => out.push(b'\n'),
                Some('x') => {
                    let hex: String = chars.by_ref().take(2).collect();
                    out.push(u8::from_str_radix(&hex, 16).unwrap());
                }
                other => panic!("\\{other:?}"),
            },
            c => out.extend_from_slice(c.to_string().as_bytes()),
        }
    }
    out
}

/// The one is found with this code, the other is not, and nothing else is found in either but what stands in `besides`.
#[track_caller]
fn case(code: &str, protocol: &str, provokes: &str, comes_close: &str, besides: &[&str]) {
    let found = notes(protocol, provokes);
    assert!(found.iter().any(|(found, _)| found == code), "{code} was not found in\n{provokes}\nbut {found:?}");
    let others = |found: &[(String, String)]| -> BTreeSet<String> {
        found
            .iter()
            .map(|(code, _)| code.clone())
            .filter(|found| found != code && !besides.contains(&found.as_str()))
            .collect()
    };
    assert!(others(&found).is_empty(), "{code}: more was found: {found:?}");
    let found = notes(protocol, comes_close);
    assert!(!found.iter().any(|(found, _)| found == code), "{code} was found in\n{comes_close}\n{found:?}");
    assert!(others(&found).is_empty(), "{code}: more was found: {found:?}");
}

const SMTP: &str = "S: 220 mx ESMTP\nC: EHLO c\nS: 250-mx\nS: 250-PIPELINING\nS: 250-8BITMIME\nS: 250-SIZE 1000000\nS: 250-CHUNKING\nS: 250 STARTTLS\n";
const SENT: &str = "S: 250 2.0.0 sent\n";

fn smtp(rest: &str) -> String {
    format!("{SMTP}{rest}")
}

/// A message by DATA: these are the bytes between 354 and the terminator.
fn data(parameters: &str, bytes: &str) -> String {
    format!(
        "{SMTP}C: MAIL FROM:<a@x>{parameters}\nS: 250 2.1.0 ok\nC: RCPT TO:<b@x>\nS: 250 2.1.5 ok\nC: DATA\nS: 354 go\nC| {bytes}\nC: .\n{SENT}"
    )
}

#[test]
fn of_logins() {
    case(
        "plaintext-password",
        "pop3",
        "S: +OK\nC: USER a\nS: +OK\nC: PASS b\nS: +OK",
        "TLS\nS: +OK\nC: USER a\nS: +OK\nC: PASS b\nS: +OK",
        &[],
    );
    case(
        "plaintext-password",
        "pop3",
        "S: +OK\nC: USER a\nS: +OK\nC: PASS b\nS: +OK",
        "S: +OK <1@x>\nC: APOP a c4c9334bac560ecc979e58001b3e22fb\nS: +OK",
        &[],
    );
    let login = |capabilities: &str| {
        format!("TLS\nS: * OK [CAPABILITY IMAP4rev1 {capabilities}] hi\nC: a LOGIN u p\nS: a NO no")
    };
    case("login-despite-disabled", "imap", &login("LOGINDISABLED"), &login("LOGIN-REFERRALS"), &[]);
}

#[test]
fn of_turns() {
    case("early-talk", "smtp", "C: EHLO c\nS: 220 mx\nS: 250 mx", "S: 220 mx\nC: EHLO c\nS: 250 mx", &[]);
    case("early-talk", "imap", "C: a NOOP\nS: * OK hi\nS: a OK done", "S: * OK hi\nC: a NOOP\nS: a OK done", &[]);
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
    let pop3 =
        |more: &str| format!("S: +OK\nC: CAPA\nS: +OK\nS: TOP\n{more}S: .\nC: STAT\nC: LIST\nS: +OK 0 0\nS: +OK\nS: .");
    case("pipelining", "pop3", &pop3(""), &pop3("S: PIPELINING\n"), &[]);
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
    case(
        "idle-too-long",
        "imap",
        "S: * OK hi\nC: a IDLE\nS: + idling\n~1741\nC: DONE\nS: a OK done",
        "S: * OK hi\nC: a IDLE\nS: + idling\n~1739\nC: DONE\nS: a OK done\nC: b IDLE\nS: + idling\n~1739\nC: DONE\nS: b OK done",
        &[],
    );
    let login = |end: &str| format!("TLS\nS: 220 mx\nC| AUTH LOGIN\\r\\nQUIT\\r\\n\n{end}\nS: 334 VXNlcm5hbWU6");
    case("no-answer", "smtp", &login("LATE"), &login(""), &[]);
    case("preauth", "imap", "S: * PREAUTH hi", "TLS\nS: * PREAUTH hi", &[]);
    case("alert-before-tls", "imap", "S: * OK [ALERT] hi", "TLS\nS: * OK [ALERT] hi", &[]);
    case("reply-without-text", "imap", "S: * OK hi\nC: a NOOP\nS: a OK", "S: * OK hi\nC: a NOOP\nS: a OK .", &[]);
    case("reply-without-text", "smtp", "S: 220 mx\nC: NOOP\nS: 250", "S: 220 mx\nC: NOOP\nS: 250 2.0.0", &[]);
    case(
        "mixed-reply-codes",
        "smtp",
        "S: 220 mx\nC: EHLO c\nS: 250-mx\nS: 251 x",
        "S: 220 mx\nC: EHLO c\nS: 250-mx\nS: 250 x",
        &[],
    );
    let fetches = |from: u32, to: u32| -> String {
        (from..=to).map(|n| format!("C: a{n} UID FETCH {n} (FLAGS)\nS: a{n} OK done\n")).collect()
    };
    case(
        "asked-again",
        "imap",
        &format!("S: * OK hi\n{}", fetches(1, 10)),
        &format!("S: * OK hi\n{}C: b UID FETCH 1:10 (FLAGS)\nS: b OK done\n{}", fetches(1, 9), fetches(11, 19)),
        &[],
    );
    case(
        "asked-again",
        "imap",
        &format!("S: * OK hi\n{}", "C: a STATUS x (MESSAGES)\nS: a OK done\n".repeat(10)),
        &format!("S: * OK hi\n{}", "C: a NOOP\nS: a OK done\n".repeat(20)),
        &[],
    );
    let lists = |verb: &str| -> String { (1..=10).map(|n| format!("C: {verb} {n}\nS: +OK {n} 5\n")).collect() };
    case("asked-again", "pop3", &format!("S: +OK\n{}", lists("LIST")), &format!("S: +OK\n{}", lists("DELE")), &[]);
}

#[test]
fn of_capabilities() {
    let imap = |offer: &str, line: &str| format!("S: * OK [CAPABILITY IMAP4rev1 {offer}] hi\nC: a {line}\nS: a BAD no");
    for (offer, line) in [
        ("IDLE", "IDLE"),
        ("MOVE", "UID MOVE 1 x"),
        ("COMPRESS=DEFLATE", "COMPRESS DEFLATE"),
        ("SORT=DISPLAY", "SORT (DATE) UTF-8 ALL"),
        ("IMAP4rev2", "UNSELECT"),
        ("QUOTA", "GETQUOTAROOT x"),
        ("AUTH=PLAIN", "AUTHENTICATE PLAIN"),
        ("ID", "ID NIL"),
    ] {
        case("capability-not-offered", "imap", &imap("X", line), &imap(offer, line), &["known-deviation"]);
        // What is not known is not held against anybody.
        case(
            "capability-not-offered",
            "imap",
            &imap("X", line),
            &format!("S: * OK hi\nC: a {line}\nS: a BAD no"),
            &["known-deviation"],
        );
    }
    case(
        "capability-not-offered",
        "imap",
        "S: * OK [CAPABILITY IMAP4rev1] hi\nC| a CREATE {1+}\\r\\nx\\r\\n\nS: a OK done",
        "S: * OK [CAPABILITY IMAP4rev1 LITERAL+] hi\nC| a CREATE {1+}\\r\\nx\\r\\n\nS: a OK done",
        &[],
    );
    // After a login the list is another.
    let moved = |list: &str| {
        format!(
            "TLS\nS: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\nC: a LOGIN u p\nS: a OK {list}in\nC: b MOVE 1 x\nS: b OK done"
        )
    };
    case("capability-not-offered", "imap", &moved("[CAPABILITY IMAP4rev1] "), &moved(""), &[]);
    case(
        "capability-not-offered",
        "smtp",
        &smtp("C: MAIL FROM:<a@x> SMTPUTF8\nS: 250 ok"),
        &smtp("C: MAIL FROM:<a@x> BODY=8BITMIME SIZE=3\nS: 250 ok"),
        &[],
    );
    case(
        "capability-not-offered",
        "smtp",
        "S: 220 mx\nC: HELO c\nS: 250 mx\nC: MAIL FROM:<a@x> SIZE=3\nS: 250 ok",
        "S: 220 mx\nC: HELO c\nS: 250 mx\nC: MAIL FROM:<a@x>\nS: 250 ok",
        &[],
    );
    let auth = |offer: &str| {
        format!("TLS\nS: 220 mx\nC: EHLO c\nS: 250-mx\nS: 250 {offer}\nC: AUTH PLAIN AGEAYg==\nS: 535 5.7.8 no")
    };
    case("capability-not-offered", "smtp", &auth("AUTH LOGIN CRAM-MD5"), &auth("AUTH=PLAIN"), &[]);
    let sasl = |offer: &str| format!("TLS\nS: +OK\nC: CAPA\nS: +OK\nS: {offer}\nS: .\nC: AUTH PLAIN\nS: -ERR no");
    case("capability-not-offered", "pop3", &sasl("SASL LOGIN"), &sasl("SASL LOGIN PLAIN"), &[]);
    let login = |after: &str| {
        format!(
            "TLS\nS: * OK [CAPABILITY IMAP4rev1 IDLE MOVE AUTH=PLAIN SASL-IR X-ONE] hi\nC: a LOGIN u p\nS: a OK [CAPABILITY IMAP4rev1 {after}] in"
        )
    };
    case("capabilities-changed", "imap", &login("IDLE"), &login("IDLE MOVE UIDPLUS"), &[]);
    let upgrade = |after: &str| {
        format!(
            "S: * OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED IDLE] hi\nC: a STARTTLS\nS: a OK go\nC: b CAPABILITY\nS: * CAPABILITY IMAP4rev1 AUTH=PLAIN {after}\nS: b OK done"
        )
    };
    case("capabilities-changed", "imap", &upgrade("MOVE"), &upgrade("IDLE"), &[]);
    let logged_in = "S: * OK [CAPABILITY IMAP4rev1 STARTTLS IDLE] hi\nC: a STARTTLS\nS: a OK go\nC: b LOGIN u p\n\
                     S: b OK [CAPABILITY IMAP4rev1 MOVE IDLE] in";
    case("capabilities-changed", "imap", &upgrade("MOVE"), logged_in, &[]);
    let literal = |size: usize, offer: &str| {
        format!(
            "S: * OK [CAPABILITY IMAP4rev1 {offer}] hi\nC| a APPEND x {{{size}+}}\\r\\n{}\\r\\n\nS: a OK done",
            "x".repeat(size)
        )
    };
    case("literal-minus", "imap", &literal(4097, "LITERAL-"), &literal(4096, "LITERAL-"), &[]);
    case("literal-minus", "imap", &literal(4097, "LITERAL-"), &literal(4097, "LITERAL+"), &[]);
    let status = |end: &str| {
        format!("S: * OK hi\nC: a STATUS x (MESSAGES)\nS| * STATUS x (MESSAGES 1){end}\\r\\n\nS: a OK done")
    };
    case("known-deviation", "imap", &status(" "), &status(""), &[]);
    case(
        "known-deviation",
        "imap",
        "S: * OK hi\nC: a ID ()\nS: a BAD what",
        "S: * OK hi\nC: a ID (\"name\" \"x\")\nS: a BAD what",
        &[],
    );
    case(
        "known-deviation",
        "imap",
        "S: * OK hi\nC: a SELECT x\nS: * OK [HIGHESTMODSEQ 7]\nS: a OK done",
        "S: * OK hi\nC: a SELECT x\nS: * OK [HIGHESTMODSEQ 7] that\nS: a OK done",
        &[],
    );
    let changed = |since: u32| format!("S: * OK hi\nC: a FETCH 1:* (FLAGS) (CHANGEDSINCE {since})\nS: a OK done");
    case("known-deviation", "imap", &changed(0), &changed(10), &[]);
    let lines = |count: &str| {
        format!(
            "S: * OK hi\nC: a FETCH 1 BODY\nS: * 1 FETCH (BODY (\"text\" \"plain\" NIL NIL NIL \"7bit\" 12 {count}))\nS: a OK done"
        )
    };
    case("known-deviation", "imap", &lines("-1"), &lines("1"), &[]);
}

#[test]
fn of_messages() {
    case("bare-lf", "smtp", &data("", "a\\nb\\r\\n"), &data("", "a\\r\\nb\\r\\n"), &[]);
    case("bare-cr", "smtp", &data("", "a\\rb\\r\\n"), &data("", "a\\r\\nb\\r\\n"), &[]);
    case("near-terminator", "smtp", &data("", "a\\n.\\r\\nb\\r\\n"), &data("", "a\\n..\\r\\nb\\r\\n"), &["bare-lf"]);
    case("missing-dot-stuffing", "smtp", &data("", "a\\r\\n.b\\r\\n"), &data("", "a\\r\\n..b\\r\\n"), &[]);
    case("8bit-without-8bitmime", "smtp", &data("", "\\xfc\\r\\n"), &data(" BODY=8BITMIME", "\\xfc\\r\\n"), &[]);
    // The dot that was put before another does not count.
    case("size-mismatch", "smtp", &data(" SIZE=5", "..bc\\r\\nd\\r\\n"), &data(" SIZE=8", "..bc\\r\\nd\\r\\n"), &[]);
    let chunks = |size: u32| {
        smtp(&format!(
            "C: MAIL FROM:<a@x> SIZE={size}\nS: 250 ok\nC: RCPT TO:<b@x>\nS: 250 ok\nC: BDAT 4\nC| a\\r\\nb\nS: 250 ok\nC: BDAT 3 LAST\nC| \\r\\n\\n\nS: 250 ok"
        ))
    };
    case("size-mismatch", "smtp", &chunks(6), &chunks(7), &[]);
    let fetch = |size: u32| {
        format!(
            "S: * OK hi\nC: a FETCH 1 (RFC822.SIZE BODY.PEEK[])\nS| * 1 FETCH (RFC822.SIZE {size} BODY[] {{5}}\\r\\nabc\\r\\n)\\r\\n\nS: a OK done"
        )
    };
    case("size-mismatch", "imap", &fetch(6), &fetch(5), &[]);
    let retr = |size: u32| format!("S: +OK\nC: RETR 1\nS: +OK {size} octets\nS: ..a\nS: .\n");
    case("octet-count", "pop3", &retr(5), &retr(4), &[]);
    let list =
        |size: u32| format!("S: +OK\nC: LIST\nS: +OK\nS: 1 {size}\nS: .\nC: RETR 1\nS: +OK here it is\nS: ..a\nS: .\n");
    case("octet-count", "pop3", &list(5), &list(4), &[]);
    case(
        "missing-dot-stuffing",
        "pop3",
        "S: +OK\nC: RETR 1\nS: +OK\nS: .a\nS: .",
        "S: +OK\nC: RETR 1\nS: +OK\nS: ..a\nS: .",
        &[],
    );
}

#[test]
fn of_mailboxes() {
    let fetch = |lines: &str| format!("S: * OK hi\nC: a SELECT x\nS: a OK in\nC: b FETCH 1:9 UID\n{lines}S: b OK done");
    case(
        "uid-order",
        "imap",
        &fetch("S: * 1 FETCH (UID 5)\nS: * 2 FETCH (UID 4)\n"),
        &fetch("S: * 2 FETCH (UID 5)\nS: * 1 FETCH (UID 4)\n"),
        &[],
    );
    case(
        "uid-order",
        "imap",
        &fetch("S: * 1 FETCH (UID 5)\nS: * 1 FETCH (UID 4)\n"),
        &fetch("S: * 1 FETCH (UID 5)\nS: * 1 EXPUNGE\nS: * 1 FETCH (UID 6)\n"),
        &[],
    );
    let select = |first: u32, second: u32| {
        format!(
            "S: * OK hi\nC: a SELECT x\nS: * OK [UIDVALIDITY {first}] ok\nS: a OK in\nC: b SELECT y\nS: * OK [UIDVALIDITY 9] ok\n\
             S: b OK in\nC: c SELECT x\nS: * OK [UIDVALIDITY {second}] ok\nS: c OK in"
        )
    };
    case("uidvalidity-changed", "imap", &select(1, 2), &select(1, 1), &[]);
    let exists = |between: &str| {
        format!("S: * OK hi\nC: a SELECT x\nS: * 5 EXISTS\nS: a OK in\nC: b NOOP\n{between}S: * 4 EXISTS\nS: b OK done")
    };
    case("exists-shrank", "imap", &exists(""), &exists("S: * 2 EXPUNGE\n"), &[]);
    case("exists-shrank", "imap", &exists(""), &exists("S: b OK done\nC: c SELECT y\n"), &["lost-sync"]);
    case("exists-shrank", "imap", &exists(""), &exists("S: * VANISHED 7\n"), &[]);
}

#[test]
fn of_certificates() {
    let (spec, _) = proto::scheme("imaps").unwrap();
    let day = 24 * 3600 * 1_000_000_i64;
    let facts = |names: &[&str], verified: Verified, days: i64, cipher: &str| Tls {
        how: "implicit".to_owned(),
        cipher: Some(cipher.to_owned()),
        sni: Some("mail.example".to_owned()),
        verified: Some(verified),
        certificate: Some(Certificate {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            not_after: Stamp(1_700_000_000_000_000 + days * day).to_string(),
            ..Certificate::default()
        }),
        ..Tls::default()
    };
    let found = |side: Side, facts: Tls| {
        let mut codes = Codes::default();
        let mut session = Session::new(spec, Setup::default(), false, Config::default());
        session.open(Stamp(1_700_000_000_000_000), Open::default(), &mut codes);
        session.implicit_tls(Stamp(1_700_000_000_000_000), side, facts, &mut codes);
        codes.0.into_iter().map(|(code, _)| code).collect::<Vec<_>>()
    };
    let good = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    let names = ["mail.example"];
    assert_eq!(found(Side::Server, facts(&names, Verified::Yes, 13, good)), ["certificate-expiring"]);
    assert!(found(Side::Server, facts(&names, Verified::Yes, 15, good)).is_empty());
    // What has expired is told otherwise, and the client's side shows mailtap's own.
    assert!(found(Side::Server, facts(&names, Verified::Yes, -1, good)).is_empty());
    assert!(found(Side::Client, facts(&names, Verified::Yes, 1, good)).is_empty());
    assert_eq!(
        found(Side::Server, facts(&["other.example", "*.mail.example"], Verified::Skipped, 99, good)),
        ["certificate-name"]
    );
    assert!(found(Side::Server, facts(&["*.example"], Verified::Skipped, 99, good)).is_empty());
    for side in Side::BOTH {
        assert_eq!(
            found(side, facts(&names, Verified::Yes, 99, "TLS_RSA_WITH_AES_128_CBC_SHA")),
            ["no-forward-secrecy"]
        );
    }
}

/// A server that takes the password for a capability does not bring it into the log by way of a finding.
#[test]
fn no_finding_says_a_password() {
    let said = "TLS\nS: * OK [CAPABILITY IMAP4rev1 GARDENGATE9] hi\nC: a LOGIN u GARDENGATE9\nS: a OK [CAPABILITY IMAP4rev1] in";
    let found = notes("imap", said);
    assert!(
        found.iter().any(|(code, text)| code == "capabilities-changed" && text.contains("«redacted»")),
        "{found:?}"
    );
    let said = "S: +OK\nC: CAPA\nS: +OK\nS: GARDENGATE9\nS: .\nC: STLS\nS: +OK\nC: USER u\nS: +OK\nC: PASS GARDENGATE9\nS: +OK\nC: CAPA\nS: +OK\nS: TOP\nS: .";
    for (code, text) in found.iter().chain(&notes("pop3", said)) {
        assert!(!text.to_ascii_lowercase().contains("gardengate9"), "{code}: {text}");
    }
}

#[test]
fn what_is_found_again_and_again_is_noted_a_few_times() {
    let found = notes("imap", &format!("S: * OK hi\n{}", "C: a NOOP\nS: a OK\n".repeat(100)));
    assert_eq!(found.len(), 5, "{found:?}");
    assert!(found[4].1.ends_with("(further ones are not noted)"), "{found:?}");
}

/// What the real Thunderbird said to real servers holds nothing that is wrong, save that it was said without TLS.
#[test]
fn thunderbird_and_its_servers_do_nothing_wrong() {
    let times = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")).into_iter();
    let times: Vec<_> = times.filter(|file| file.to_string_lossy().ends_with(".times.jsonl")).collect();
    assert!(times.len() >= 10, "{times:?}");
    for file in times {
        let name = file.to_string_lossy().replace(".times.jsonl", "");
        let (_, protocol) = name.rsplit_once('-').unwrap();
        let stream = |side: &str| fs::read(format!("{name}.{side}.bin")).unwrap();
        let streams = [stream("client"), stream("server")];
        let mut codes = Codes::default();
        let mut session = Session::new(proto::scheme(protocol).unwrap().0, Setup::default(), false, Config::default());
        for line in fs::read_to_string(&file).unwrap().lines() {
            let read: serde_json::Value = serde_json::from_str(line).unwrap();
            let number = |name: &str| read[name].as_u64().unwrap() as usize;
            let side = if read["from"] == "client" { Side::Client } else { Side::Server };
            let at = Stamp::parse(read["at"].as_str().unwrap()).unwrap();
            let bytes = &streams[usize::from(side == Side::Server)][number("offset")..][..number("bytes")];
            session.bytes(at, side, bytes, &mut codes, &mut Outbox::default());
        }
        codes.0.retain(|(code, _)| code != "plaintext-password" && code != "slow-answer");
        assert!(codes.0.is_empty(), "{name}: {:?}", codes.0);
    }
}

/// These come from handshakes; the tests of TLS provoke them, and know them by name.
#[test]
fn codes_of_failed_handshakes_stay_as_they_are() {
    use mailtap::tls::failure;
    for (code, stable) in [
        (failure::PLAINTEXT, "tls-plaintext"),
        (failure::REFUSED, "tls-certificate-refused"),
        (failure::VERSION, "tls-version"),
        (failure::NO_COMMON, "tls-nothing-in-common"),
        (failure::UNVERIFIED, "tls-unverified"),
        (failure::CLIENT_CERTIFICATE, "tls-client-certificate"),
        (failure::CLOSED, "tls-closed"),
        (failure::TIMEOUT, "tls-timeout"),
        (failure::ALPN, "tls-alpn"),
        (failure::FAILED, "tls-failed"),
    ] {
        assert_eq!(code, stable);
        assert!(findings::find(code).is_some(), "{code}");
    }
}

/// Every code of the catalogue stands in a test, and every code that the program can note stands in the catalogue.
#[test]
fn catalogue_and_program_agree() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tested = String::new();
    let units = files(&root.join("src/proto"))
        .into_iter()
        .filter(|file| file.parent().is_some_and(|parent| parent.ends_with("tests")));
    for file in files(&root.join("tests")).into_iter().chain(units) {
        tested.push_str(&fs::read_to_string(&file).unwrap_or_default());
    }
    for finding in findings::all() {
        assert!(tested.contains(&format!("\"{}\"", finding.code)), "no test has {}", finding.code);
    }
    for folder in ["proto", "session", "net", "tls"] {
        for file in files(&root.join("src").join(folder)) {
            let text = fs::read_to_string(&file).unwrap();
            let noted = text.split("code: \"").skip(1).map(|rest| rest.split('"').next().unwrap());
            let failures = text.split("&str = \"tls-").skip(1).map(|rest| rest.split('"').next().unwrap());
            let failures: Vec<String> = failures.map(|rest| format!("tls-{rest}")).collect();
            for code in noted.map(str::to_owned).chain(failures) {
                assert!(findings::find(&code).is_some(), "{}: {code} is not in the catalogue", file.display());
            }
        }
    }
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
