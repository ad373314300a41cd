//! What untagged data says (RFC 9051 §7.3, §7.4 and the extensions): mailboxes, counts, rights, quotas.
//! Takes the name of the data and what stands behind it, gives an object.
//! Does not know FETCH, which is large enough for a file of its own.

use super::token::{Cursor, Kind, Names, Token, number};
use crate::event::Object;

/// So many numbers of a search result are given one by one; of a longer one, only how many there are.
const FOUND_MAX: usize = 100;

/// Longer texts of data that is not understood are left to the wire, in bytes.
const ARGUMENTS_MAX: usize = 1024;

/// Whether data is a list of words that may be very long, and holds no literal.
pub(super) fn is_list(name: &str) -> bool {
    matches!(name, "SEARCH" | "SORT" | "THREAD" | "CAPABILITY" | "ENABLED" | "EXISTS" | "RECENT" | "EXPUNGE")
}

/// Reads such a list.
pub(super) fn read_list(name: &str, rest: &[u8]) -> Object {
    let mut values = Object::new();
    match name {
        "CAPABILITY" | "ENABLED" => {
            let words = rest.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            values.list("capabilities", words.map(String::from_utf8_lossy));
        }
        "SEARCH" | "SORT" => {
            let (numbers, modseq) = match memchr::memchr(b'(', rest) {
                Some(at) => rest.split_at(at),
                None => (rest, &b""[..]),
            };
            let words = || numbers.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            let count = words().count();
            values.number("count", count as u64);
            if count > 0 && count <= FOUND_MAX {
                values.list("found", words().map(String::from_utf8_lossy));
            }
            let tokens = Token::split(modseq, false);
            if let Some(mut list) = Cursor::new(&tokens).list()
                && list.word("MODSEQ")
                && let Some(modseq) = list.number()
            {
                values.number("modseq", modseq);
            }
        }
        "THREAD" => {
            let between = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'(' | b')');
            let count = rest.split(between).filter(|word| !word.is_empty()).count();
            values.number("count", count as u64);
            arguments(&mut values, "threads", String::from_utf8_lossy(rest).trim());
        }
        _ => {}
    }
    values
}

/// Reads any other data.
pub(super) fn read(name: &str, tokens: &[Token<'_>], names: Names) -> Object {
    let mut values = Object::new();
    let mut cursor = Cursor::new(tokens);
    match name {
        "FLAGS" => {
            values.list("flags", cursor.list().unwrap_or(cursor).strings());
        }
        "LIST" | "LSUB" | "XLIST" => mailbox_listed(&mut cursor, names, &mut values),
        "STATUS" => {
            mailbox(&mut cursor, names, &mut values);
            pairs(cursor.list().unwrap_or(cursor), &mut values);
        }
        "ESEARCH" => extended_search(&mut cursor, &mut values),
        "NAMESPACE" => {
            for kind in ["personal", "other", "shared"] {
                namespace(kind, cursor.item(), &mut values);
            }
        }
        "QUOTA" => {
            if let Some(root) = cursor.text() {
                values.text("root", &root);
            }
            quota(cursor.list().unwrap_or(cursor), &mut values);
        }
        "QUOTAROOT" => {
            mailbox(&mut cursor, names, &mut values);
            values.list("roots", cursor.strings());
        }
        "ACL" => {
            mailbox(&mut cursor, names, &mut values);
            let mut rights = Object::new();
            while let (Some(who), Some(what)) = (cursor.text(), cursor.text()) {
                rights.text(&who, &what);
            }
            values.object("rights", &rights);
        }
        "MYRIGHTS" => {
            mailbox(&mut cursor, names, &mut values);
            text(&mut values, "rights", cursor.text());
        }
        "LISTRIGHTS" => {
            mailbox(&mut cursor, names, &mut values);
            text(&mut values, "identifier", cursor.text());
            text(&mut values, "required", cursor.text());
            values.list("optional", cursor.strings());
        }
        "ID" => match cursor.list() {
            Some(list) => {
                values.object("params", &parameters(list));
            }
            None => {
                values.null("params");
            }
        },
        "VANISHED" => {
            if let Some(mut list) = cursor.list() {
                values.flag("earlier", list.word("EARLIER"));
            }
            text(&mut values, "uids", cursor.text());
        }
        "METADATA" => {
            mailbox(&mut cursor, names, &mut values);
            match cursor.list() {
                Some(list) => metadata(list, &mut values),
                None => {
                    values.list("entries", cursor.strings());
                }
            }
        }
        "LANGUAGE" | "COMPARATOR" => {
            values.list("names", cursor.strings());
        }
        _ => arguments(&mut values, "arguments", &cursor.render()),
    }
    values
}

/// The pairs of an ID (RFC 2971), as a client or a server gives them.
pub(super) fn parameters(mut list: Cursor<'_>) -> Object {
    let mut params = Object::new();
    while let Some(name) = list.text() {
        match list.nstring() {
            Some(value) => params.text(&name, &value),
            None => params.null(&name),
        };
    }
    params
}

fn mailbox(cursor: &mut Cursor<'_>, names: Names, values: &mut Object) {
    if let Some(mailbox) = cursor.mailbox(names) {
        values.text("mailbox", &mailbox);
    }
}

fn text(values: &mut Object, name: &str, text: Option<std::borrow::Cow<'_, str>>) {
    if let Some(text) = text {
        values.text(name, &text);
    }
}

fn arguments(values: &mut Object, name: &str, text: &str) {
    if !text.is_empty() && text.len() <= ARGUMENTS_MAX {
        values.text(name, text);
    }
}

/// RFC 9051 §7.3.1: attributes, delimiter, name, and what RFC 5258 adds.
fn mailbox_listed(cursor: &mut Cursor<'_>, names: Names, values: &mut Object) {
    if let Some(attributes) = cursor.list() {
        values.list("flags", attributes.strings());
    }
    match cursor.nstring() {
        Some(delimiter) => values.text("delimiter", &delimiter),
        None => values.null("delimiter"),
    };
    mailbox(cursor, names, values);
    arguments(values, "extended", &cursor.list().map(|list| list.render()).unwrap_or_default());
}

/// Names with a number, or with something else.
fn pairs(mut list: Cursor<'_>, values: &mut Object) {
    while let Some(name) = list.text() {
        let name = name.to_ascii_uppercase();
        let Some(item) = list.item() else { break };
        match item.peek().and_then(Token::string).and_then(number) {
            Some(number) => values.number(&name, number),
            None => values.text(&name, &item.render()),
        };
    }
}

/// RFC 4731 §3.1.
fn extended_search(cursor: &mut Cursor<'_>, values: &mut Object) {
    if let Some(mut correlator) = cursor.list()
        && correlator.word("TAG")
    {
        text(values, "for", correlator.text());
    }
    if cursor.word("UID") {
        values.flag("uid", true);
    }
    pairs(*cursor, values);
}

/// RFC 9051 §7.3.3: a list of prefixes with their delimiters, or NIL.
fn namespace(kind: &str, item: Option<Cursor<'_>>, values: &mut Object) {
    let Some(mut list) = item.and_then(|mut item| item.list()) else { return };
    let mut spaces = Vec::new();
    while let Some(mut item) = list.item() {
        let Some(mut space) = item.list() else { continue };
        let mut said = Object::new();
        said.text("prefix", &space.nstring().unwrap_or_default());
        match space.nstring() {
            Some(delimiter) => said.text("delimiter", &delimiter),
            None => said.null("delimiter"),
        };
        spaces.push(said);
    }
    values.objects(kind, &spaces);
}

/// RFC 9208 §5.1: resource, usage, limit.
fn quota(mut list: Cursor<'_>, values: &mut Object) {
    let mut resources = Object::new();
    while let Some(resource) = list.text() {
        let (Some(usage), Some(limit)) = (list.number(), list.number()) else { break };
        resources.object(&resource.to_ascii_uppercase(), Object::new().number("usage", usage).number("limit", limit));
    }
    values.object("resources", &resources);
}

/// RFC 5464 §4.4.1: entries with their values; how large these are, not what they hold.
fn metadata(mut list: Cursor<'_>, values: &mut Object) {
    let mut entries = Object::new();
    while let Some(name) = list.text() {
        let Some(value) = list.next() else { break };
        match value.kind {
            Kind::Word if value.is("NIL") => entries.null(&name),
            Kind::Literal { bytes, known: false } => entries.object(&name, Object::new().number("bytes", bytes)),
            _ => entries.bytes(&name, &value.text),
        };
    }
    values.object("entries", &entries);
}
