//! The keys of SEARCH, SORT and THREAD (RFC 9051 §6.4.4, RFC 5256), each with what belongs to it.
//! Takes the tokens behind the verb, gives a list of keys that people can read.
//! Does not judge: an unknown key is a key without arguments.

use super::token::{Cursor, DEPTH_MAX, Kind};
use crate::event::Object;

pub(super) fn read(verb: &str, cursor: &mut Cursor<'_>, args: &mut Object) {
    if cursor.word("RETURN")
        && let Some(list) = cursor.list()
    {
        args.list("return", list.items());
    }
    match verb {
        "SORT" => {
            if let Some(criteria) = cursor.list() {
                args.list("criteria", criteria.items());
            }
            charset(cursor, args);
        }
        "THREAD" => {
            if let Some(algorithm) = cursor.text() {
                args.text("algorithm", &algorithm.to_ascii_uppercase());
            }
            charset(cursor, args);
        }
        _ => {
            if cursor.word("CHARSET") {
                charset(cursor, args);
            }
        }
    }
    let mut keys = Vec::new();
    while let Some(key) = key(cursor, DEPTH_MAX) {
        keys.push(key);
    }
    args.list("keys", keys);
}

fn charset(cursor: &mut Cursor<'_>, args: &mut Object) {
    if let Some(charset) = cursor.text() {
        args.text("charset", &charset);
    }
}

fn key(cursor: &mut Cursor<'_>, depth: usize) -> Option<String> {
    let item = cursor.item()?;
    let mut said = item.render();
    let word = item.peek().filter(|token| token.kind == Kind::Word);
    let Some(word) = word.map(|token| String::from_utf8_lossy(&token.text).to_ascii_uppercase()) else {
        return Some(said);
    };
    let (arguments, keys) = match word.as_str() {
        "NOT" | "FUZZY" => (0, 1),
        "OR" => (0, 2),
        "HEADER" => (2, 0),
        "ANNOTATION" => (3, 0),
        // RFC 7162 §3.1.5: an entry and its type may stand before the number.
        "MODSEQ" if cursor.peek().is_some_and(|token| token.kind == Kind::Quoted) => (3, 0),
        "BCC" | "BEFORE" | "BODY" | "CC" | "FILTER" | "FROM" | "KEYWORD" | "LARGER" | "MODSEQ" | "OLDER" | "ON"
        | "SENTBEFORE" | "SENTON" | "SENTSINCE" | "SINCE" | "SMALLER" | "SUBJECT" | "TEXT" | "TO" | "UID"
        | "UNKEYWORD" | "YOUNGER" | "SAVEDBEFORE" | "SAVEDON" | "SAVEDSINCE" | "UIDAFTER" | "UIDBEFORE" | "EMAILID"
        | "THREADID" | "X-GM-RAW" | "X-GM-MSGID" | "X-GM-THRID" | "X-GM-LABELS" => (1, 0),
        _ => (0, 0),
    };
    for _ in 0..arguments {
        let Some(argument) = cursor.item() else { break };
        said.push(' ');
        said.push_str(&argument.render());
    }
    for _ in 0..keys {
        let Some(operand) = depth.checked_sub(1).and_then(|depth| key(cursor, depth)) else { break };
        said.push(' ');
        said.push_str(&operand);
    }
    Some(said)
}
