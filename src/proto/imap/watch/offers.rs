//! Extensions that a client uses although the server does not offer them.
//! Takes commands and the server's capabilities, gives findings.
//! Does not know the answers.

use serde_json::{Map, Value};

use crate::event::{Command, Seq};
use crate::findings;
use crate::proto::watch::{Found, Offer, Seen, not_offered};

/// RFC 7888 §5.
const LITERAL_MINUS_MAX: u64 = 4096;

/// Commands and the capabilities of which one must be offered; one that ends in `=` stands for all that begin so. What
/// is part of RFC 9051 counts for IMAP4rev2.
const COMMANDS: &[(&str, &[&str])] = &[
    ("IDLE", &["IDLE", "IMAP4REV2"]),
    ("MOVE", &["MOVE", "IMAP4REV2"]),
    ("UID MOVE", &["MOVE", "IMAP4REV2"]),
    ("XMOVE", &["XMOVE"]),
    ("UID XMOVE", &["XMOVE"]),
    ("UID EXPUNGE", &["UIDPLUS", "IMAP4REV2"]),
    ("ENABLE", &["ENABLE", "IMAP4REV2"]),
    ("NAMESPACE", &["NAMESPACE", "IMAP4REV2"]),
    ("UNSELECT", &["UNSELECT", "IMAP4REV2"]),
    ("ID", &["ID"]),
    ("COMPRESS", &["COMPRESS=DEFLATE"]),
    ("STARTTLS", &["STARTTLS"]),
    ("UNAUTHENTICATE", &["UNAUTHENTICATE"]),
    ("XLIST", &["XLIST", "X-GM-EXT-1"]),
    ("NOTIFY", &["NOTIFY"]),
    ("SORT", &["SORT", "SORT="]),
    ("UID SORT", &["SORT", "SORT="]),
    ("THREAD", &["THREAD="]),
    ("UID THREAD", &["THREAD="]),
    ("ESEARCH", &["MULTISEARCH"]),
    ("GETQUOTA", &["QUOTA", "QUOTA="]),
    ("GETQUOTAROOT", &["QUOTA", "QUOTA="]),
    ("SETQUOTA", &["QUOTA", "QUOTASET"]),
    ("GETACL", &["ACL"]),
    ("SETACL", &["ACL"]),
    ("DELETEACL", &["ACL"]),
    ("MYRIGHTS", &["ACL"]),
    ("LISTRIGHTS", &["ACL"]),
    ("GETMETADATA", &["METADATA", "METADATA-SERVER"]),
    ("SETMETADATA", &["METADATA", "METADATA-SERVER"]),
    ("GENURLAUTH", &["URLAUTH"]),
    ("URLFETCH", &["URLAUTH"]),
    ("RESETKEY", &["URLAUTH"]),
    ("REPLACE", &["REPLACE"]),
    ("UID REPLACE", &["REPLACE"]),
];

const CONDSTORE: &[&str] = &["CONDSTORE", "QRESYNC"];
const BINARY: &[&str] = &["BINARY", "IMAP4REV2"];
const LIST: &[&str] = &["LIST-EXTENDED", "IMAP4REV2", "SPECIAL-USE"];

/// What stands in the arguments of commands, with and without UID: command, argument, the word in it (what ends in `[`
/// or `-` is the beginning of one, and nothing is any word), and the capabilities as above.
const WORDS: &[(&str, &str, &str, &[&str])] = &[
    ("SELECT", "arguments", "CONDSTORE", CONDSTORE),
    ("SELECT", "arguments", "QRESYNC", &["QRESYNC"]),
    ("EXAMINE", "arguments", "CONDSTORE", CONDSTORE),
    ("EXAMINE", "arguments", "QRESYNC", &["QRESYNC"]),
    ("CREATE", "arguments", "USE", &["CREATE-SPECIAL-USE"]),
    ("APPEND", "catenate", "", &["CATENATE"]),
    ("FETCH", "modifiers", "CHANGEDSINCE", CONDSTORE),
    ("FETCH", "modifiers", "VANISHED", &["QRESYNC"]),
    ("FETCH", "items", "MODSEQ", CONDSTORE),
    ("FETCH", "items", "BINARY[", BINARY),
    ("FETCH", "items", "BINARY.PEEK[", BINARY),
    ("FETCH", "items", "BINARY.SIZE[", BINARY),
    ("FETCH", "items", "EMAILID", &["OBJECTID"]),
    ("FETCH", "items", "THREADID", &["OBJECTID"]),
    ("FETCH", "items", "SAVEDATE", &["SAVEDATE"]),
    ("FETCH", "items", "PREVIEW", &["PREVIEW", "PREVIEW="]),
    ("FETCH", "items", "X-GM-", &["X-GM-EXT-1"]),
    ("STORE", "modifiers", "UNCHANGEDSINCE", CONDSTORE),
    ("STATUS", "items", "HIGHESTMODSEQ", CONDSTORE),
    ("STATUS", "items", "SIZE", &["STATUS=SIZE", "IMAP4REV2"]),
    ("STATUS", "items", "MAILBOXID", &["OBJECTID"]),
    ("STATUS", "items", "APPENDLIMIT", &["APPENDLIMIT", "APPENDLIMIT="]),
    ("LIST", "selection", "", LIST),
    ("LIST", "patterns", "", &["LIST-EXTENDED"]),
    ("LIST", "return", "STATUS", &["LIST-STATUS", "IMAP4REV2"]),
    ("LIST", "return", "SUBSCRIBED", LIST),
    ("LIST", "return", "CHILDREN", LIST),
    ("LIST", "return", "SPECIAL-USE", LIST),
    ("LIST", "return", "MYRIGHTS", &["LIST-MYRIGHTS"]),
    ("LIST", "return", "METADATA", &["LIST-METADATA"]),
    ("SEARCH", "return", "", &["ESEARCH", "IMAP4REV2", "CONTEXT=SEARCH", "SEARCHRES", "PARTIAL"]),
    ("SORT", "return", "", &["ESORT", "CONTEXT=SORT"]),
];

pub(super) fn command(offer: &Offer, seq: Seq, verb: &str, args: &Map<String, Value>, out: &mut Found) {
    if !offer.is_known() {
        return;
    }
    let wanted = |wants: &[&str]| wants.first().copied().unwrap_or_default().trim_end_matches('=').to_owned();
    if let Some((_, wants)) = COMMANDS.iter().find(|(name, _)| *name == verb)
        && offer.lacks(wants)
    {
        not_offered(seq, verb, &wanted(wants), out);
        return;
    }
    let name = verb.strip_prefix("UID ").unwrap_or(verb);
    let of_verb = WORDS.iter().filter(|(of, _, _, wants)| *of == name && offer.lacks(wants));
    for (_, argument, word, wants) in of_verb {
        if let Some(used) = args.get(*argument).and_then(|value| used(value, word)) {
            not_offered(seq, &format!("{used} in {verb}"), &wanted(wants), out);
            return;
        }
    }
    if verb == "AUTHENTICATE" {
        login(offer, seq, args, out);
    }
}

/// The word as it stands in an argument.
fn used(value: &Value, word: &str) -> Option<String> {
    let is = |text: &str| match word {
        "" => true,
        _ if word.ends_with(['[', '-']) => text.starts_with(word),
        _ => text == word,
    };
    match value {
        Value::Array(values) => {
            values.iter().filter_map(Value::as_str).map(str::to_ascii_uppercase).find(|text| is(text))
        }
        Value::String(text) => {
            let words = text.split([' ', '(', ')']).filter(|text| !text.is_empty() && !text.starts_with('"'));
            words.map(str::to_ascii_uppercase).find(|text| is(text))
        }
        _ => None,
    }
}

fn login(offer: &Offer, seq: Seq, args: &Map<String, Value>, out: &mut Found) {
    let Some(mechanism) = args.get("mechanism").and_then(Value::as_str) else { return };
    let wants = format!("AUTH={}", mechanism.to_ascii_uppercase());
    if offer.lacks(&[&wants]) {
        not_offered(seq, &format!("AUTHENTICATE {mechanism}"), &wants, out);
    }
    if args.get("initial").and_then(Value::as_bool) == Some(true) && offer.lacks(&["SASL-IR", "IMAP4REV2"]) {
        not_offered(seq, "a first response in the AUTHENTICATE line itself", "SASL-IR", out);
    }
}

/// A literal that the client does not wait with (RFC 7888).
pub(super) fn literal(offer: &Offer, seen: &Seen<'_>, command: &Command, out: &mut Found) {
    let Some(line) = seen.wire.strip_suffix(b"+}\r\n") else { return };
    let digits = line.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let Some((before, number)) = line.split_at_checked(line.len() - digits) else { return };
    if digits == 0 || !before.ends_with(b"{") {
        return;
    }
    let size: u64 = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok()).unwrap_or(u64::MAX);
    let about = command.continues.unwrap_or(seen.seq);
    if offer.lacks(&["LITERAL+", "LITERAL-", "IMAP4REV2"]) {
        not_offered(about, "a literal without waiting", "LITERAL+", out);
    } else if size > LITERAL_MINUS_MAX && offer.lacks(&["LITERAL+"]) {
        let text = format!(
            "the client sent a literal of {size} bytes without waiting, and LITERAL- allows {LITERAL_MINUS_MAX}"
        );
        out.add(&findings::LITERAL_MINUS, about, text);
    }
}
