//! Findings of the numbers of a mailbox.
//! Takes conversations, gives nothing but failures.
//! Does not know how a finding is made.

use super::case;

fn fetch(lines: &str) -> String {
    format!("S: * OK hi\nC: a SELECT x\nS: a OK in\nC: b FETCH 1:9 UID\n{lines}S: b OK done")
}

#[test]
fn of_uids() {
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
    // Also against one that was told long ago.
    let four = |last: u32| {
        fetch(&format!(
            "S: * 1 FETCH (UID 10)\nS: * 3 FETCH (UID 30)\nS: * 1 FETCH (UID 10)\nS: * 2 FETCH (UID {last})\n"
        ))
    };
    case("uid-order", "imap", &four(40), &four(20), &[]);
    case(
        "uid-order",
        "imap",
        &four(40),
        &fetch(
            "S: * 1 FETCH (UID 3)\nS: * 2 FETCH (UID 5)\nS: * 1 EXPUNGE\nS: * 2 FETCH (UID 7)\nS: * 3 FETCH (UID 9)\nS: * 1 FETCH (UID 5)\n",
        ),
        &[],
    );
    // The next mailbox has numbers of its own, also where the client does not wait for it.
    let next = |closed: &str| {
        format!(
            "S: * OK hi\nC: a SELECT x\nS: * 5 EXISTS\nS: a OK in\nC| b UID FETCH 5 UID\\r\\nc SELECT y\\r\\n\nS: * 5 FETCH (UID 1000)\n\
             S: b OK done\n{closed}S: * 20 EXISTS\nS: c OK in\nC: d UID FETCH 1:* UID\nS: * 10 FETCH (UID 20)\nS: d OK done"
        )
    };
    for closed in ["", "S: * OK [CLOSED] x\n", "S: * 5 FETCH (UID 1000)\nS: * OK [CLOSED] x\n"] {
        case("uid-order", "imap", &four(40), &next(closed), &[]);
    }
}

#[test]
fn of_uidvalidity() {
    let select = |first: u32, second: u32| {
        format!(
            "S: * OK hi\nC: a SELECT x\nS: * OK [UIDVALIDITY {first}] ok\nS: a OK in\nC: b SELECT y\nS: * OK [UIDVALIDITY 9] ok\n\
             S: b OK in\nC: c SELECT x\nS: * OK [UIDVALIDITY {second}] ok\nS: c OK in"
        )
    };
    let changed = select(1, 2);
    case("uidvalidity-changed", "imap", &changed, &select(1, 1), &[]);
    let names = |one: &str, other: &str| {
        format!(
            "S: * OK hi\nC: a SELECT {one}\nS: * OK [UIDVALIDITY 1] ok\nS: a OK in\nC: b STATUS {other} (UIDVALIDITY)\n\
             S: * STATUS {other} (UIDVALIDITY 2)\nS: b OK done"
        )
    };
    case("uidvalidity-changed", "imap", &names("InBox", "INBOX"), &names("Box", "BOX"), &[]);
    // Two at once: each belongs to the older one.
    let pipelined = |second: u32| {
        format!(
            "S: * OK hi\nC| a SELECT x\\r\\nb SELECT y\\r\\n\nS: * OK [UIDVALIDITY 5] ok\nS: a OK in\nS: * OK [UIDVALIDITY 9] ok\n\
             S: b OK in\nC: c SELECT y\nS: * OK [UIDVALIDITY {second}] ok\nS: c OK in"
        )
    };
    case("uidvalidity-changed", "imap", &pipelined(5), &pipelined(9), &[]);
    // Under a name that was made anew is another mailbox.
    let anew = |between: &str| {
        format!(
            "S: * OK hi\nC: a SELECT x\nS: * OK [UIDVALIDITY 5] ok\nS: a OK in\nC: b CLOSE\nS: b OK done\n{between}\
             C: e EXAMINE x\nS: * OK [UIDVALIDITY 6] ok\nS: e OK in"
        )
    };
    let refused = anew("C: c DELETE x\nS: c NO not yours\n");
    for between in [
        "C: c DELETE x\nS: c OK done\nC: d CREATE x\nS: d OK done\n",
        "C: c RENAME x y\nS: c OK done\nC: d CREATE x\nS: d OK done\n",
        "C: c RENAME w x\nS: c OK done\n",
        "C: d CREATE x\nS: d OK done\n",
        "C: c UNAUTHENTICATE\nS: c OK done\nC: d AUTHENTICATE ANONYMOUS\nS: + \nC: Yg==\nS: d OK in\n",
    ] {
        case("uidvalidity-changed", "imap", &refused, &anew(between), &[]);
    }
    let child = |between: &str| {
        format!(
            "S: * OK hi\nC: a STATUS x/y (UIDVALIDITY)\nS: * STATUS x/y (UIDVALIDITY 5)\nS: a OK done\n{between}\
             C: e STATUS x/y (UIDVALIDITY)\nS: * STATUS x/y (UIDVALIDITY 6)\nS: e OK done"
        )
    };
    case("uidvalidity-changed", "imap", &child(""), &child("C: c RENAME x z\nS: c OK done\n"), &[]);
}

#[test]
fn of_counts() {
    let exists = |between: &str| {
        format!("S: * OK hi\nC: a SELECT x\nS: * 9 EXISTS\nS: a OK in\nC: b NOOP\n{between}S: * 7 EXISTS\nS: b OK done")
    };
    let shrank = exists("S: * 2 EXPUNGE\n");
    case("exists-shrank", "imap", &shrank, &exists("S: * 2 EXPUNGE\nS: * 2 EXPUNGE\n"), &[]);
    case("exists-shrank", "imap", &shrank, &exists("S: * VANISHED 7,12\n"), &[]);
    case("exists-shrank", "imap", &exists("S: * VANISHED 5\n"), &exists("S: * VANISHED 5:7\n"), &[]);
    case("exists-shrank", "imap", &exists("S: * VANISHED (EARLIER) 1:30\n"), &exists("S: * VANISHED 5:6\n"), &[]);
    let other = "S: * OK hi\nC: a SELECT x\nS: * 5 EXISTS\nS: a OK in\nC: b SELECT y\nS: * OK [CLOSED] x\nS: * 4 EXISTS\nS: b OK in";
    case("exists-shrank", "imap", &shrank, other, &[]);
    // The server does one after the other, whether or not the client waits.
    for (asked, answered) in [
        ("a SELECT x\\r\\nb SELECT y\\r\\n", "S: * 9 EXISTS\nS: a OK in\nS: * 2 EXISTS\nS: b OK in"),
        (
            "a SELECT x\\r\\nb NOOP\\r\\nc SELECT y\\r\\n",
            "S: * 9 EXISTS\nS: a OK in\nS: * 10 EXISTS\nS: b OK done\nS: * 2 EXISTS\nS: c OK in",
        ),
        (
            "a SELECT x\\r\\nb NOOP\\r\\nc CLOSE\\r\\nd EXAMINE y\\r\\n",
            "S: * 9 EXISTS\nS: a OK in\nS: b OK done\nS: c OK done\nS: * 2 EXISTS\nS: d OK in",
        ),
        // Out of turn, which is not to be expected.
        (
            "a SELECT x\\r\\nb NOOP\\r\\nc SELECT y\\r\\n",
            "S: * 9 EXISTS\nS: a OK in\nS: * 2 EXISTS\nS: c OK in\nS: b OK done\nS: * 1 EXISTS",
        ),
    ] {
        case("exists-shrank", "imap", &shrank, &format!("S: * OK hi\nC| {asked}\n{answered}"), &[]);
    }
    let after = "S: * OK hi\nC| a SELECT x\\r\\nb SELECT y\\r\\n\nS: * 1 EXISTS\nS: a OK in\nS: * 9 EXISTS\nS: b OK in\nC: c NOOP\nS: * 8 EXISTS\nS: c OK done";
    case("exists-shrank", "imap", after, other, &[]);
}
