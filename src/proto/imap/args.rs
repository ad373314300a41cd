//! The arguments of IMAP commands by their names, as far as they have come.
//! Takes a verb and the tokens behind it, gives an object that people can read.
//! Does not judge: what is missing or wrong is left out, or given as it stands.

use std::borrow::Cow;

use super::data::parameters;
use super::search;
use super::token::{Cursor, Kind, Names, Token};
use crate::event::Object;

pub(super) fn build(verb: &str, tokens: &[Token<'_>], names: Names) -> Object {
    let mut args = Object::new();
    if tokens.is_empty() {
        return args;
    }
    let mut cursor = Cursor::new(tokens);
    let name = verb.strip_prefix("UID ").unwrap_or(verb);
    match name {
        "SELECT" | "EXAMINE" | "DELETE" | "SUBSCRIBE" | "UNSUBSCRIBE" | "GETACL" | "MYRIGHTS" | "GETQUOTAROOT"
        | "CREATE" => mailbox(&mut cursor, "mailbox", names, &mut args),
        "RENAME" => {
            mailbox(&mut cursor, "mailbox", names, &mut args);
            mailbox(&mut cursor, "destination", names, &mut args);
        }
        "LIST" | "LSUB" | "XLIST" => list(&mut cursor, names, &mut args),
        "STATUS" => {
            mailbox(&mut cursor, "mailbox", names, &mut args);
            items(&mut cursor, "items", &mut args);
        }
        "APPEND" | "REPLACE" => {
            if name == "REPLACE" {
                text(&mut cursor, "sequence", &mut args);
            }
            mailbox(&mut cursor, "mailbox", names, &mut args);
            append(&mut cursor, &mut args);
        }
        "SEARCH" | "SORT" | "THREAD" => search::read(name, &mut cursor, &mut args),
        "FETCH" => {
            text(&mut cursor, "sequence", &mut args);
            items(&mut cursor, "items", &mut args);
            items(&mut cursor, "modifiers", &mut args);
        }
        "STORE" => store(&mut cursor, &mut args),
        "COPY" | "MOVE" => {
            text(&mut cursor, "sequence", &mut args);
            mailbox(&mut cursor, "destination", names, &mut args);
        }
        "EXPUNGE" => text(&mut cursor, "sequence", &mut args),
        "ID" => match cursor.list() {
            Some(list) => {
                args.object("params", &parameters(list));
            }
            None => {
                cursor.word("NIL");
                args.null("params");
            }
        },
        "ENABLE" => {
            args.list("capabilities", std::mem::replace(&mut cursor, Cursor::new(&[])).strings());
        }
        "COMPRESS" => text(&mut cursor, "algorithm", &mut args),
        "SETACL" | "DELETEACL" | "LISTRIGHTS" => {
            mailbox(&mut cursor, "mailbox", names, &mut args);
            text(&mut cursor, "identifier", &mut args);
            text(&mut cursor, "rights", &mut args);
        }
        "GETQUOTA" => text(&mut cursor, "root", &mut args),
        "SETQUOTA" => {
            text(&mut cursor, "root", &mut args);
            items(&mut cursor, "limits", &mut args);
        }
        "GETMETADATA" | "SETMETADATA" => metadata(&mut cursor, names, &mut args),
        _ => {}
    }
    // A literal that is still to come says nothing.
    if let Some((Token { kind: Kind::Literal { known: false, .. }, .. }, before)) = cursor.rest.split_last() {
        cursor.rest = before;
    }
    // What an extension has added.
    if !cursor.rest.is_empty() {
        args.text("arguments", &cursor.render());
    }
    args
}

pub(super) fn is_append(verb: &str) -> bool {
    matches!(verb, "APPEND" | "REPLACE" | "UID REPLACE")
}

/// Whether an APPEND has had its first message: its literal outside lists, or all parts of a CATENATE.
pub(super) fn message_complete(verb: &str, tokens: &[Token<'_>]) -> bool {
    let mut cursor = Cursor::new(tokens);
    let names = if verb == "APPEND" { 1 } else { 2 };
    for _ in 0..names {
        cursor.next();
    }
    let mut depth = 0_usize;
    let mut catenate = false;
    for token in cursor.rest {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => {
                depth = depth.saturating_sub(1);
                if depth == 0 && catenate {
                    return true;
                }
            }
            Kind::Literal { .. } if depth == 0 => return true,
            Kind::Word => catenate |= token.is("CATENATE") || token.is("UTF8"),
            _ => {}
        }
    }
    false
}

/// One further message of an APPEND (RFC 3502).
pub(super) fn message(tokens: &[Token<'_>]) -> Object {
    let mut args = Object::new();
    append(&mut Cursor::new(tokens), &mut args);
    args
}

/// Flags, date and what is appended (RFC 9051 §6.3.12, RFC 4469, RFC 6855).
fn append(cursor: &mut Cursor<'_>, args: &mut Object) {
    if let Some(flags) = cursor.list() {
        args.list("flags", flags.strings());
    }
    if cursor.peek().is_some_and(|token| token.kind == Kind::Quoted) {
        text(cursor, "date", args);
    }
    if cursor.word("CATENATE") {
        catenate(cursor.list(), args);
        return;
    }
    let inside = if cursor.word("UTF8") { cursor.list() } else { None };
    let literal = match inside {
        Some(inside) => inside.peek(),
        None => cursor.peek(),
    };
    if let Some(&Token { kind: Kind::Literal { bytes, .. }, .. }) = literal {
        args.number("bytes", bytes);
        cursor.next();
    }
}

fn catenate(parts: Option<Cursor<'_>>, args: &mut Object) {
    let Some(mut parts) = parts else { return };
    let mut said = Vec::new();
    while let Some(kind) = parts.text() {
        let part = match parts.next() {
            Some(Token { kind: Kind::Literal { bytes, .. }, .. }) => format!("{kind} {{{bytes}}}"),
            Some(token) => format!("{kind} {}", String::from_utf8_lossy(&token.text)),
            None => kind.into_owned(),
        };
        said.push(part);
    }
    args.list("catenate", said);
}

/// RFC 9051 §6.3.9 and, before and behind it, RFC 5258.
fn list(cursor: &mut Cursor<'_>, names: Names, args: &mut Object) {
    if let Some(selection) = cursor.list() {
        args.list("selection", selection.items());
    }
    mailbox(cursor, "reference", names, args);
    match cursor.list() {
        Some(patterns) => {
            args.list("patterns", patterns.rest.iter().filter_map(Token::string).map(|name| names.decode(name)));
        }
        None => mailbox(cursor, "pattern", names, args),
    }
    if cursor.word("RETURN") {
        items(cursor, "return", args);
    }
}

/// RFC 9051 §6.4.6.
fn store(cursor: &mut Cursor<'_>, args: &mut Object) {
    text(cursor, "sequence", args);
    items_of_list(cursor, "modifiers", args);
    if let Some(action) = cursor.text() {
        args.text("action", &action.to_ascii_uppercase());
    }
    if cursor.rest.is_empty() {
        return;
    }
    let flags = cursor.list().unwrap_or_else(|| std::mem::replace(cursor, Cursor::new(&[])));
    args.list("flags", flags.strings());
}

/// RFC 5464 §4.2, §4.3: options may come first, or (in practice) behind the mailbox.
fn metadata(cursor: &mut Cursor<'_>, names: Names, args: &mut Object) {
    items_of_list(cursor, "options", args);
    mailbox(cursor, "mailbox", names, args);
    items(cursor, "entries", args);
}

fn mailbox(cursor: &mut Cursor<'_>, name: &str, names: Names, args: &mut Object) {
    if let Some(mailbox) = cursor.mailbox(names) {
        args.text(name, &mailbox);
    }
}

fn text(cursor: &mut Cursor<'_>, name: &str, args: &mut Object) {
    if let Some(text) = cursor.text() {
        args.text(name, &text);
    }
}

/// A list, or the one item that may stand for it.
fn items(cursor: &mut Cursor<'_>, name: &str, args: &mut Object) {
    let list = match cursor.list() {
        Some(list) => list,
        None => match cursor.item() {
            Some(item) => item,
            None => return,
        },
    };
    args.list(name, list.items().into_iter().map(Cow::<str>::Owned));
}

fn items_of_list(cursor: &mut Cursor<'_>, name: &str, args: &mut Object) {
    if let Some(list) = cursor.list() {
        args.list(name, list.items());
    }
}
