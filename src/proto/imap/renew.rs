//! What a recorded IMAP client says anew: its login, UIDs, UIDVALIDITY and mod-sequences.
//! Takes commands and responses as they were recorded and as they are now, gives command lines.
//! Knows nothing of the conversation around them.

use serde_json::{Map, Value};

use crate::event::{Command, Reply};
use crate::proto::renew::{Learned, Login, Renew, SET_MAX, Secret, argument, quoted, sasl};

pub(super) const RENEW: Renew = Renew {
    service: "imap",
    login: |command| match command.verb.as_str() {
        "LOGIN" => Some(Login::Both),
        "AUTHENTICATE" => sasl(command),
        _ => None,
    },
    say,
    refuses: |status| matches!(status, "NO" | "BAD"),
    starttls: |command| command.verb == "STARTTLS",
    waits: |command| command.verb == "IDLE",
    learn,
    renewed,
    ..Renew::NOTHING
};

/// Kinds of numbers. A mod-sequence belongs to a mailbox as a UID does.
const UID: &str = "uid";
const VALIDITY: &str = "validity";
const MODSEQ: &str = "modseq";

fn say(command: &Command, secret: &Secret<'_>) -> Vec<u8> {
    let tag = command.tag.as_deref().unwrap_or("*");
    let line = match secret {
        Secret::Both(user, password) => format!("{tag} LOGIN {} {}\r\n", quoted(user), quoted(password)),
        Secret::Sasl(mechanism, Some("")) => format!("{tag} AUTHENTICATE {mechanism} =\r\n"),
        Secret::Sasl(mechanism, Some(initial)) => format!("{tag} AUTHENTICATE {mechanism} {initial}\r\n"),
        Secret::Sasl(mechanism, None) => format!("{tag} AUTHENTICATE {mechanism}\r\n"),
        Secret::User(_) | Secret::Password(_) | Secret::Digest(..) => return Vec::new(),
    };
    line.into_bytes()
}

fn learn(command: &Command, old: &Reply, new: &Reply, learned: &mut Learned) {
    let (was, now) = (old.values.map(), new.values.map());
    let place = match command.verb.as_str() {
        "APPEND" | "STATUS" => argument(command, "mailbox"),
        _ => None,
    };
    let place = place.unwrap_or_else(|| learned.place.clone());
    let mut pair = |kind, place: &str, name: &str| {
        if let (Some(old), Some(new)) = (was.get(name).and_then(Value::as_u64), now.get(name).and_then(Value::as_u64)) {
            learned.learn(kind, place, old, new);
        }
    };
    pair(VALIDITY, &place, "uidvalidity");
    pair(VALIDITY, &place, "UIDVALIDITY");
    pair(UID, &place, "uidnext");
    pair(UID, &place, "UIDNEXT");
    pair(UID, &place, "UID");
    for name in ["highestmodseq", "HIGHESTMODSEQ", "MODSEQ", "modseq"] {
        pair(MODSEQ, &place, name);
    }
    let texts = |map: &Map<String, Value>, name: &str| map.get(name).and_then(Value::as_str).map(expanded);
    let mut sets = |place: &str, name: &str| {
        if let (Some(old), Some(new)) = (texts(&was, name), texts(&now, name)) {
            learn_all(learned, place, &old, &new);
        }
    };
    match old.code.as_deref() {
        Some("APPENDUID") => sets(&place, "uids"),
        Some("COPYUID") => {
            sets(&place, "source");
            let destination = argument(command, "destination").unwrap_or_default();
            sets(&destination, "destination");
            if let (Some(old), Some(new)) =
                (was.get("uidvalidity").and_then(Value::as_u64), now.get("uidvalidity").and_then(Value::as_u64))
            {
                learned.learn(VALIDITY, &destination, old, new);
            }
            return;
        }
        _ => {}
    }
    let finds_uids = command.verb.starts_with("UID ");
    match old.data.as_deref() {
        Some("SEARCH" | "SORT") if finds_uids => {
            let list = |map: &Map<String, Value>| -> Vec<u64> {
                let found = map.get("found").and_then(Value::as_array);
                found.into_iter().flatten().filter_map(|word| word.as_str()?.parse().ok()).collect()
            };
            learn_all(learned, &place, &list(&was), &list(&now));
        }
        Some("ESEARCH") if finds_uids => {
            for name in ["ALL", "MIN", "MAX"] {
                let set = |map: &Map<String, Value>| match map.get(name) {
                    Some(Value::String(text)) => expanded(text),
                    Some(value) => value.as_u64().into_iter().collect(),
                    None => Vec::new(),
                };
                learn_all(learned, &place, &set(&was), &set(&now));
            }
        }
        _ => {}
    }
}

/// Sets of the same size are paired in order.
fn learn_all(learned: &mut Learned, place: &str, old: &[u64], new: &[u64]) {
    if old.len() == new.len() {
        old.iter().zip(new).for_each(|(&old, &new)| learned.learn(UID, place, old, new));
    }
}

/// The numbers of a set; none where it is open or larger than is worth it.
fn expanded(set: &str) -> Vec<u64> {
    let mut numbers = Vec::new();
    for part in set.split(',') {
        let (from, to) = part.split_once(':').unwrap_or((part, part));
        let (Ok(from), Ok(to)) = (from.parse::<u64>(), to.parse::<u64>()) else { return Vec::new() };
        let (from, to) = (from.min(to), from.max(to));
        if to - from >= SET_MAX as u64 || numbers.len() >= SET_MAX {
            return Vec::new();
        }
        numbers.extend(from..=to);
    }
    numbers
}

fn renewed(command: &Command, line: &[u8], learned: &mut Learned) -> Option<Vec<u8>> {
    if matches!(command.verb.as_str(), "SELECT" | "EXAMINE") {
        learned.place = argument(command, "mailbox").unwrap_or_default();
    }
    if learned.is_empty() {
        return None;
    }
    let text = std::str::from_utf8(line).ok()?;
    let is_set = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b':' | b'*'));
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    let uid = command.verb.starts_with("UID ");
    let search = ["SEARCH", "SORT", "THREAD"].iter().any(|verb| command.verb.ends_with(verb));
    let within_select = matches!(command.verb.as_str(), "SELECT" | "EXAMINE");
    let mut before = String::new();
    let mut qresync = 0;
    for (place, word) in words.iter_mut().enumerate() {
        // What a word is stands before it; brackets and the line's end stand around it.
        let core = word.trim_matches(|c: char| matches!(c, '(' | ')' | '\r' | '\n'));
        let upper = core.to_ascii_uppercase();
        let kind = match before.as_str() {
            _ if !is_set(core) || core.is_empty() => None,
            _ if uid && !search && place == 3 => Some(UID),
            "UID" if search => Some(UID),
            "CHANGEDSINCE" | "UNCHANGEDSINCE" | "MODSEQ" => Some(MODSEQ),
            _ if within_select && qresync > 0 => {
                qresync += 1;
                Some(match qresync {
                    2 => VALIDITY,
                    3 => MODSEQ,
                    _ => UID,
                })
            }
            _ => None,
        };
        if upper == "QRESYNC" {
            qresync = 1;
        }
        if let Some(kind) = kind {
            let new = mapped(core, kind, learned);
            *word = word.replacen(core, &new, 1);
        }
        before = upper;
    }
    let line = words.join(" ");
    (line != text).then(|| line.into_bytes())
}

/// A set with each number as it is now.
fn mapped(set: &str, kind: &'static str, learned: &Learned) -> String {
    let one = |word: &str| match word.parse() {
        Ok(number) => learned.now(kind, &learned.place, number).to_string(),
        Err(_) => word.to_owned(),
    };
    let part = |part: &str| match part.split_once(':') {
        Some((from, to)) => format!("{}:{}", one(from), one(to)),
        None => one(part),
    };
    set.split(',').map(part).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Object;

    fn command(verb: &str, mailbox: &str) -> Command {
        let mut args = Object::new();
        args.text("mailbox", mailbox);
        Command { verb: verb.to_owned(), args, ..Command::default() }
    }

    #[test]
    fn uids_are_those_of_the_mailbox() {
        let mut learned = Learned::default();
        let reply = |uids: &str, validity: u64| {
            let mut values = Object::new();
            values.number("uidvalidity", validity).text("uids", uids);
            Reply { code: Some("APPENDUID".to_owned()), values, ..Reply::default() }
        };
        learn(&command("APPEND", "x"), &reply("7:8", 1), &reply("1:2", 99), &mut learned);
        let fetch = Command { verb: "UID FETCH".to_owned(), ..Command::default() };
        assert_eq!(renewed(&fetch, b"a UID FETCH 7,8:* (FLAGS)\r\n", &mut learned), None);
        renewed(&command("SELECT", "x"), b"a SELECT x\r\n", &mut learned);
        let line = renewed(&fetch, b"a UID FETCH 7,8:* (FLAGS)\r\n", &mut learned).unwrap();
        assert_eq!(line, b"a UID FETCH 1,2:* (FLAGS)\r\n");
        let select = b"a SELECT x (QRESYNC (1 500 7:8))\r\n";
        let line = renewed(&command("SELECT", "x"), select, &mut learned).unwrap();
        assert_eq!(line, b"a SELECT x (QRESYNC (99 500 1:2))\r\n");
        let search = Command { verb: "UID SEARCH".to_owned(), ..Command::default() };
        let line = renewed(&search, b"a UID SEARCH UID 8 SMALLER 8\r\n", &mut learned).unwrap();
        assert_eq!(line, b"a UID SEARCH UID 2 SMALLER 8\r\n");
    }
}
