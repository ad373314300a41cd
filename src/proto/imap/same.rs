//! What is the same when an IMAP session is run again: UIDs, mod-sequences, dates and ids of objects are not.
//! Takes commands and responses as they were parsed, gives what they ask and mean.
//! Knows nothing of two sessions.

use serde_json::{Map, Value};

use crate::event::{Command, Reply};
use crate::proto::same::{Kept, Meaning, Same, as_set, without_numbers};

pub(super) const SAME: Same = Same { command, reply, greeting: Meaning::greeted, content: |verb| kept(verb) };

/// Items of a FETCH that differ from run to run. Sizes follow from trace headers of different lengths; RFC 8474 has
/// the ids of objects.
const ITEMS: &[&str] =
    &["UID", "MODSEQ", "INTERNALDATE", "SAVEDATE", "RFC822.SIZE", "EMAILID", "THREADID", "X-GM-MSGID", "X-GM-THRID"];

/// Items of a STATUS that do.
const STATUS: &[&str] = &["UIDNEXT", "UIDVALIDITY", "HIGHESTMODSEQ", "RECENT", "SIZE", "DELETED-STORAGE", "MAILBOXID"];

fn command(command: &Command) -> Map<String, Value> {
    let mut args = command.args.map();
    let uids = command.verb.starts_with("UID ");
    args.retain(|name, _| match name.as_str() {
        "bytes" | "date" | "initial" | "response" => false,
        "sequence" => !uids,
        "params" => command.verb != "ID",
        _ => true,
    });
    for name in ["arguments", "modifiers", "options"] {
        if let Some(value) = args.get_mut(name) {
            hide_numbers(value);
        }
    }
    if command.verb.ends_with("SEARCH") || command.verb.ends_with("SORT") || command.verb.ends_with("THREAD") {
        for value in args.values_mut().filter(|value| value.to_string().contains("UID") || uids) {
            hide_numbers(value);
        }
    }
    for name in ["flags", "capabilities"] {
        if let Some(value) = args.get_mut(name) {
            as_set(value, &[]);
        }
    }
    args
}

fn hide_numbers(value: &mut Value) {
    match value {
        Value::String(text) => *text = without_numbers(text),
        Value::Array(values) => values.iter_mut().for_each(hide_numbers),
        _ => {}
    }
}

fn reply(verb: &str, reply: &Reply) -> Option<Meaning> {
    let mut meaning = Meaning::of(reply);
    let Some(data) = reply.data.as_deref() else { return status(reply, meaning) };
    meaning.status.clear();
    match data {
        "FETCH" => {
            meaning.drop(ITEMS);
            for (name, value) in &mut meaning.values {
                item(name, value);
            }
            // A FETCH that only told what differs.
            if meaning.values.is_empty() && !reply.values.contains("UID") {
                return None;
            }
        }
        "SEARCH" | "SORT" | "THREAD" => {
            meaning.drop(&["modseq"]);
            if verb.starts_with("UID ") {
                meaning.drop(&["found", "threads"]);
            }
        }
        "ESEARCH" => {
            let uids = meaning.values.contains_key("uid");
            meaning.drop(&["for", "MODSEQ"]);
            if uids {
                meaning.drop(&["ALL", "MIN", "MAX", "PARTIAL"]);
            }
        }
        "STATUS" => {
            meaning.drop(STATUS);
            about(&mut meaning, "mailbox");
        }
        "LIST" | "LSUB" | "XLIST" => {
            if let Some(flags) = meaning.values.get_mut("flags") {
                // Whether something came since it was last looked at.
                as_set(flags, &["\\Marked", "\\UnMarked"]);
            }
            about(&mut meaning, "mailbox");
        }
        "FLAGS" => {
            if let Some(flags) = meaning.values.get_mut("flags") {
                as_set(flags, &[]);
            }
        }
        "QUOTA" => {
            about(&mut meaning, "root");
            if let Some(Value::Object(resources)) = meaning.values.get_mut("resources") {
                for resource in resources.values_mut().filter_map(Value::as_object_mut) {
                    resource.shift_remove("usage");
                }
            }
        }
        // Who else looked first has taken it.
        "RECENT" => return None,
        "VANISHED" => meaning.drop(&["uids"]),
        "EXISTS" => {
            meaning.about = None;
            meaning.values.insert("messages".to_owned(), reply.number.into());
        }
        "ID" => {
            if let Some(Value::Object(params)) = meaning.values.get_mut("params") {
                params.retain(|name, _| name.eq_ignore_ascii_case("name"));
            }
        }
        "METADATA" | "ACL" | "MYRIGHTS" => about(&mut meaning, "mailbox"),
        _ => {}
    }
    Some(meaning)
}

fn about(meaning: &mut Meaning, name: &str) {
    if let Some(Value::String(text)) = meaning.values.shift_remove(name) {
        meaning.about = Some(text);
    }
}

fn item(name: &str, value: &mut Value) {
    match name {
        "FLAGS" => as_set(value, &["\\Recent"]),
        "X-GM-LABELS" => as_set(value, &[]),
        "ENVELOPE" => {
            if let Value::Object(envelope) = value {
                envelope.retain(|name, _| !matches!(name.as_str(), "date" | "message_id"));
            }
        }
        // What its literal holds is compared by itself.
        _ if name.contains('[') || name.starts_with("RFC822") => *value = Value::Bool(!value.is_null()),
        _ => {}
    }
}

fn status(reply: &Reply, mut meaning: Meaning) -> Option<Meaning> {
    match reply.code.as_deref() {
        // A server that is busy, or still there, says so when it likes.
        None if reply.tag.is_none() && reply.status == "OK" => return None,
        // Capabilities may be told with any answer.
        Some("CAPABILITY") => meaning.code = None,
        Some("UIDNEXT" | "UIDVALIDITY" | "HIGHESTMODSEQ" | "UNSEEN" | "NOMODSEQ" | "MAILBOXID") => {
            meaning.values = Map::new();
        }
        Some("APPENDUID" | "COPYUID") => {
            // RFC 4315: a server may tell, or not.
            meaning.values = Map::new();
        }
        Some("MODIFIED") => meaning.values = Map::new(),
        Some("PERMANENTFLAGS") => {
            if let Some(flags) = meaning.values.get_mut("flags") {
                as_set(flags, &[]);
            }
        }
        _ => meaning.drop(&["arguments"]),
    }
    Some(meaning)
}

fn kept(verb: &str) -> Kept {
    let verb = verb.strip_prefix("UID ").unwrap_or(verb);
    if matches!(verb, "APPEND" | "REPLACE" | "FETCH") { Kept::Message } else { Kept::All }
}
