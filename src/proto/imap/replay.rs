//! IMAP as a played server speaks it.
//! Takes verbs and parsed arguments, gives lines.
//! Does not know what was recorded.

use serde_json::{Map, Value};

use crate::proto::line::line;
use crate::proto::replay::{Replay, mechanism_only};

pub const REPLAY: Replay = Replay {
    optional: |verb| matches!(verb, "NOOP" | "CHECK" | "IDLE" | "CAPABILITY" | "ID" | "LOGOUT"),
    polite: |verb| match verb {
        "NOOP" | "CHECK" => Some(&["{tag} OK nothing new\r\n"]),
        "CAPABILITY" => Some(&["* CAPABILITY IMAP4rev1\r\n{tag} OK that is all\r\n"]),
        "ID" => Some(&["* ID NIL\r\n{tag} OK\r\n"]),
        "IDLE" => Some(&["+ idling\r\n", "{tag} OK nothing new\r\n"]),
        "LOGOUT" => Some(&["* BYE the replay ends\r\n{tag} OK\r\n"]),
        _ => None,
    },
    again: |verb| matches!(verb, "CAPABILITY" | "ID" | "LOGOUT"),
    anywhere: |verb| {
        matches!(
            verb,
            "LIST"
                | "LSUB"
                | "XLIST"
                | "NAMESPACE"
                | "STATUS"
                | "CREATE"
                | "DELETE"
                | "RENAME"
                | "SUBSCRIBE"
                | "UNSUBSCRIBE"
                | "APPEND"
                | "GETQUOTA"
                | "GETQUOTAROOT"
                | "GETACL"
                | "SETACL"
                | "DELETEACL"
                | "MYRIGHTS"
                | "GETMETADATA"
                | "SETMETADATA"
        )
    },
    farewell: |verb| verb == "LOGOUT",
    settle,
    login: |verb| matches!(verb, "LOGIN" | "AUTHENTICATE"),
    refuse: |tag, text| line(&format!("{} BAD ", tag.unwrap_or("*")), text),
    deny: |tag, text| line(&format!("{} NO [AUTHENTICATIONFAILED] ", tag.unwrap_or("*")), text),
    challenge: |base64| format!("+ {base64}\r\n").into_bytes(),
};

/// Sizes, dates and identifiers of messages, and what a client remembers from its last visit.
fn settle(verb: &str, args: &mut Map<String, Value>) {
    match verb {
        "LOGIN" | "AUTHENTICATE" => mechanism_only(args),
        "ID" => args.clear(),
        "APPEND" => args.retain(|name, _| name == "mailbox" || name == "flags"),
        "SELECT" | "EXAMINE" => args.retain(|name, _| name == "mailbox"),
        "FETCH" | "UID FETCH" => args.retain(|name, _| name == "sequence" || name == "items"),
        "SEARCH" | "UID SEARCH" => {
            for key in args.get_mut("keys").and_then(Value::as_array_mut).into_iter().flatten() {
                if let Value::String(text) = key {
                    *text = without_value(text);
                }
            }
        }
        _ => {}
    }
}

/// A search key without what is looked for, where that is new in each run: identifiers of messages, and days.
fn without_value(key: &str) -> String {
    let mut words = key.split(' ');
    let first = words.next().unwrap_or_default();
    let kept = match first.to_ascii_uppercase().as_str() {
        "HEADER" => 2,
        "SINCE" | "BEFORE" | "ON" | "SENTSINCE" | "SENTBEFORE" | "SENTON" | "OLDER" | "YOUNGER" | "MODSEQ" => 1,
        _ => return key.to_owned(),
    };
    key.split(' ').take(kept).collect::<Vec<_>>().join(" ")
}
