//! Findings of capabilities, and of the deviations that are known of some.
//! Takes conversations, gives nothing but failures.
//! Does not know how a finding is made.

use super::{case, smtp};

/// What is used, and an offer that allows it; without the offer it does not.
fn wants(protocol: &str, provokes: &dyn Fn(&str) -> String, offer: &str, besides: &[&str]) {
    case("capability-not-offered", protocol, &provokes("X"), &provokes(offer), besides);
}

#[test]
fn of_capabilities_in_imap() {
    let imap = |line: &str| {
        let line = line.to_owned();
        move |offer: &str| format!("S: * OK [CAPABILITY IMAP4rev1 {offer}] hi\nC: a {line}\nS: a BAD no")
    };
    for (line, offers) in [
        ("IDLE", "IDLE"),
        ("UID MOVE 1 x", "MOVE"),
        ("COMPRESS DEFLATE", "COMPRESS=DEFLATE"),
        ("SORT (DATE) UTF-8 ALL", "SORT|SORT=DISPLAY"),
        ("UNSELECT", "UNSELECT|IMAP4rev2"),
        ("GETQUOTAROOT x", "QUOTA|QUOTA=RES-STORAGE"),
        ("AUTHENTICATE PLAIN", "AUTH=PLAIN"),
        ("ID NIL", "ID"),
        ("SELECT x (CONDSTORE)", "CONDSTORE|QRESYNC"),
        ("EXAMINE x (QRESYNC (1 2))", "QRESYNC"),
        ("CREATE x (USE (x))", "CREATE-SPECIAL-USE"),
        ("FETCH 1:* (FLAGS) (CHANGEDSINCE 5)", "CONDSTORE|QRESYNC"),
        ("FETCH 1 MODSEQ", "CONDSTORE"),
        ("UID FETCH 1 BINARY[1]", "BINARY|IMAP4rev2"),
        ("UID FETCH 1 (UID X-GM-LABELS)", "X-GM-EXT-1"),
        ("STORE 1 (UNCHANGEDSINCE 5) +FLAGS (x)", "CONDSTORE"),
        ("STATUS x (MESSAGES SIZE)", "STATUS=SIZE|IMAP4rev2"),
        ("STATUS x (APPENDLIMIT)", "APPENDLIMIT=5"),
        ("LIST (SUBSCRIBED) \"\" *", "LIST-EXTENDED|IMAP4rev2"),
        ("LIST \"\" (a b)", "LIST-EXTENDED"),
        ("LIST \"\" * RETURN (STATUS (MESSAGES))", "LIST-STATUS"),
        ("LIST \"\" * RETURN (SPECIAL-USE)", "SPECIAL-USE"),
        ("UID SEARCH RETURN (COUNT) ALL", "ESEARCH|IMAP4rev2"),
        ("APPEND x CATENATE (URL \"y\")", "CATENATE"),
    ] {
        let provokes = imap(line);
        for offer in offers.split('|') {
            wants("imap", &provokes, offer, &["known-deviation"]);
        }
        // What is not known is not held against anybody.
        let unknown = format!("S: * OK hi\nC: a {line}\nS: a BAD no");
        case("capability-not-offered", "imap", &provokes("X"), &unknown, &["known-deviation"]);
    }
    // Words in names and texts are no extensions.
    let plain = imap("SEARCH SUBJECT RETURN");
    wants("imap", &imap("SEARCH RETURN (ALL) SEEN"), "ESEARCH", &[]);
    case("capability-not-offered", "imap", &imap("IDLE")("X"), &plain("X"), &[]);
    for line in ["CREATE USE", "SELECT CONDSTORE", "LIST \"\" RETURN", "FETCH 1 BODY[HEADER.FIELDS (MODSEQ)]"] {
        case("capability-not-offered", "imap", &imap("IDLE")("X"), &imap(line)("X"), &[]);
    }
    case(
        "capability-not-offered",
        "imap",
        "S: * OK [CAPABILITY IMAP4rev1] hi\nC| a CREATE {1+}\\r\\nx\\r\\n\nS: a OK done",
        "S: * OK [CAPABILITY IMAP4rev1 LITERAL+] hi\nC| a CREATE {1+}\\r\\nx\\r\\n\nS: a OK done",
        &[],
    );
}

#[test]
fn of_capabilities_after_a_login_in_imap() {
    let moved = |told: &str, list: &str| {
        format!(
            "TLS\nS: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\nC: a LOGIN u p\n{told}S: a OK {list}in\nC: b MOVE 1 x\nS: b OK done"
        )
    };
    let unoffered = moved("", "[CAPABILITY IMAP4rev1] ");
    case("capability-not-offered", "imap", &unoffered, &moved("", ""), &[]);
    // Some servers tell by itself, while they are at the login.
    let told = moved("S: * CAPABILITY IMAP4rev1\n", "");
    case("capability-not-offered", "imap", &told, &moved("S: * CAPABILITY IMAP4rev1 MOVE\n", ""), &[]);
    // ENABLE changes nothing.
    let enabled = |offer: &str| {
        format!(
            "TLS\nS: * PREAUTH [CAPABILITY IMAP4rev1 ENABLE {offer}] hi\nC: a ENABLE CONDSTORE\nS: a OK x\nC: b UID MOVE 1 x\nS: b BAD no"
        )
    };
    case("capability-not-offered", "imap", &enabled("X"), &enabled("MOVE"), &[]);
}

#[test]
fn of_capabilities_in_the_others() {
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
    // What is offered before the login is offered behind it.
    let uidl = |offer: &str| {
        format!(
            "TLS\nS: +OK\nC: CAPA\nS: +OK\nS: USER\nS: {offer}\nS: .\nC: USER a\nS: +OK\nC: PASS b\nS: +OK\nC: UIDL\nS: -ERR no"
        )
    };
    case("capability-not-offered", "pop3", &uidl("TOP"), &uidl("UIDL"), &[]);
    let sieve =
        |offer: &str, line: &str| format!("TLS\nS| \"IMPLEMENTATION\" \"x\"\\r\\n{offer}OK\\r\\n\nC: {line}\nS: NO");
    case(
        "capability-not-offered",
        "sieve",
        &sieve("\"SASL\" \"\"\\r\\n", "AUTHENTICATE \"PLAIN\""),
        &sieve("\"SASL\" \"PLAIN\"\\r\\n", "AUTHENTICATE \"PLAIN\""),
        &[],
    );
    let check = "CHECKSCRIPT {5+}\r\nkeep;";
    let check = check.replace("\r\n", "\nC: ");
    case("capability-not-offered", "sieve", &sieve("", &check), &sieve("\"VERSION\" \"1.0\"\\r\\n", &check), &[]);
}

#[test]
fn of_capabilities_that_go() {
    let login = |after: &str| {
        format!(
            "TLS\nS: * OK [CAPABILITY IMAP4rev1 IDLE MOVE AUTH=PLAIN SASL-IR X-ONE APPENDLIMIT=5] hi\nC: a LOGIN u p\nS: a OK [CAPABILITY IMAP4rev1 APPENDLIMIT=9 {after}] in"
        )
    };
    case("capabilities-changed", "imap", &login("IDLE"), &login("IDLE MOVE UIDPLUS"), &[]);
    let upgrade = |after: &str| {
        format!(
            "S: * OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED IDLE] hi\nC: a STARTTLS\nS: a OK go\nC: b CAPABILITY\nS: * CAPABILITY IMAP4rev1 AUTH=PLAIN {after}\nS: b OK done"
        )
    };
    case("capabilities-changed", "imap", &upgrade("MOVE"), &upgrade("IDLE"), &[]);
    // Some servers greet with a short list only.
    case("capabilities-changed", "imap", &upgrade("MOVE"), &upgrade("IDLE MOVE UIDPLUS BINARY"), &[]);
    let logged_in = "S: * OK [CAPABILITY IMAP4rev1 STARTTLS IDLE] hi\nC: a STARTTLS\nS: a OK go\nC: b LOGIN u p\n\
                     S: b OK [CAPABILITY IMAP4rev1 MOVE] in";
    case("capabilities-changed", "imap", &upgrade("MOVE"), logged_in, &[]);
    let smtp = |before: &str, after: &str| {
        format!(
            "S: 220 mx\nC: EHLO c\nS: 250-mx\nS: 250-STARTTLS\nS: 250-AUTH CRAM-MD5\nS: 250-X-ONE\nS: 250 {before}\nC: STARTTLS\nS: 220 go\nC: EHLO c\nS: 250-mx\nS: 250 {after}"
        )
    };
    case("capabilities-changed", "smtp", &smtp("DSN", "AUTH PLAIN"), &smtp("SIZE 5", "SIZE 9"), &[]);
    let again = |after: &str| {
        format!(
            "TLS\nS: 220 mx\nC: EHLO c\nS: 250-mx\nS: 250-AUTH PLAIN\nS: 250 DSN\nC: AUTH PLAIN AGEAYg==\nS: 235 ok\nC: EHLO c\nS: 250-mx\nS: 250 {after}"
        )
    };
    case("capabilities-changed", "smtp", &again("SIZE"), &again("DSN"), &[]);
    let pop3 = |after: &str| {
        format!(
            "TLS\nS: +OK\nC: CAPA\nS: +OK\nS: USER\nS: SASL PLAIN\nS: TOP\nS: EXPIRE 5 USER\nS: .\nC: USER a\nS: +OK\nC: PASS b\nS: +OK\nC: CAPA\nS: +OK\nS: {after}\nS: ."
        )
    };
    case("capabilities-changed", "pop3", &pop3("UIDL"), &pop3("TOP"), &[]);
    let stls = |after: &str| {
        format!("S: +OK\nC: CAPA\nS: +OK\nS: STLS\nS: TOP\nS: .\nC: STLS\nS: +OK\nC: CAPA\nS: +OK\nS: {after}\nS: .")
    };
    case("capabilities-changed", "pop3", &stls("SASL PLAIN"), &stls("TOP"), &[]);
    let sieve = |after: &str| {
        format!(
            "S| \"SIEVE\" \"x\"\\r\\n\"NOTIFY\" \"mailto\"\\r\\n\"STARTTLS\"\\r\\nOK\\r\\n\nC: STARTTLS\nS: OK\nS| \"SIEVE\" \"x\"\\r\\n{after}OK\\r\\n"
        )
    };
    case("capabilities-changed", "sieve", &sieve(""), &sieve("\"NOTIFY\" \"mailto\"\\r\\n"), &[]);
}

#[test]
fn of_literals() {
    let literal = |size: usize, offer: &str| {
        format!(
            "S: * OK [CAPABILITY IMAP4rev1 {offer}] hi\nC| a APPEND x {{{size}+}}\\r\\n{}\\r\\n\nS: a OK done",
            "x".repeat(size)
        )
    };
    case("literal-minus", "imap", &literal(4097, "LITERAL-"), &literal(4096, "LITERAL-"), &[]);
    case("literal-minus", "imap", &literal(4097, "LITERAL-"), &literal(4097, "LITERAL+"), &[]);
}

#[test]
fn of_known_deviations() {
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
    let lines = |items: &str| format!("S: * OK hi\nC: a FETCH 1 FULL\nS: * 1 FETCH ({items})\nS: a OK done");
    let wrong = lines("BODY (\"text\" \"plain\" NIL NIL NIL \"7bit\" 12 -1)");
    for right in [
        "BODY (\"text\" \"plain\" NIL NIL NIL \"7bit\" 12 1)",
        // What is quoted is no number, and what is no structure has none.
        "BODYSTRUCTURE (\"text\" \"plain\" (\"name\" \"report -1.txt\") NIL NIL \"7bit\" 12 1)",
        "ENVELOPE (NIL \"cold, -1 degrees\" NIL NIL NIL NIL NIL NIL NIL NIL) BODY (\"text\" \"plain\" NIL NIL NIL \"7bit\" 12 1)",
        "BODY (\"text\" \"plain\" NIL NIL NIL \"7bit\" 12 1) FLAGS (x -1)",
    ] {
        case("known-deviation", "imap", &wrong, &lines(right), &[]);
    }
    let mixed = lines(
        "UID 5 BODYSTRUCTURE ((\"text\" \"plain\" NIL NIL NIL \"7bit\" 12 1)(\"text\" \"html\" NIL NIL NIL \"7bit\" 12 -1) \"mixed\")",
    );
    case("known-deviation", "imap", &mixed, &lines("UID 5"), &[]);
}
