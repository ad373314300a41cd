//! The items of a FETCH response (RFC 9051 §7.5.2): what each says, and how large what it carries is.
//! Takes the text between its literals, gives an object of items.
//! Does not know the literals' bytes.

use super::scan::Literal;
use super::token::{Cursor, Kind, Token, number};
use crate::event::Object;

/// Where a FETCH stands among its items, from one line to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Items {
    begun: bool,
    /// How many parentheses are open.
    depth: usize,
    lost: bool,
}

impl Items {
    /// Nothing more is read: the beginning of a line is missing.
    pub fn lost() -> Items {
        Items { lost: true, ..Items::default() }
    }

    /// Reads the next stretch of text; `literal` follows it.
    pub fn read(&mut self, text: &[u8], literal: Option<Literal>) -> Object {
        let mut values = Object::new();
        let mut tokens = Token::split(text, true);
        tokens.extend(literal.map(|literal| Token::literal(literal.bytes)));
        let mut cursor = Cursor::new(&tokens);
        if !std::mem::replace(&mut self.begun, true) {
            match cursor.next() {
                Some(token) if token.kind == Kind::Open => self.depth = 1,
                _ => self.lost = true,
            }
        }
        if self.lost {
            return values;
        }
        // The literal stood within a list: what is left of it tells nothing without what was before.
        while self.depth > 1 {
            let Some(token) = cursor.next() else { return values };
            self.step(token);
        }
        while self.depth == 1 {
            let Some(token) = cursor.next() else { break };
            self.step(token);
            if token.kind != Kind::Word {
                continue;
            }
            let key = String::from_utf8_lossy(&token.text).to_ascii_uppercase();
            let Some(item) = cursor.item() else { break };
            item.rest.iter().for_each(|token| self.step(token));
            say(&key, item, &mut values);
        }
        values
    }

    fn step(&mut self, token: &Token<'_>) {
        match token.kind {
            Kind::Open => self.depth += 1,
            Kind::Close => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

fn say(key: &str, mut item: Cursor<'_>, values: &mut Object) {
    let Some(first) = item.peek() else { return };
    let is_body = key.contains('[') || key.starts_with("RFC822") && key != "RFC822.SIZE";
    match first.kind {
        Kind::Literal { bytes, .. } => {
            values.object(key, Object::new().number("bytes", bytes));
        }
        Kind::Quoted if is_body => {
            values.object(key, Object::new().number("bytes", first.text.len() as u64));
        }
        Kind::Quoted => {
            values.bytes(key, &first.text);
        }
        Kind::Word if first.is("NIL") => {
            values.null(key);
        }
        Kind::Word => match number(&first.text) {
            Some(number) => {
                values.number(key, number);
            }
            None => {
                values.bytes(key, &first.text);
            }
        },
        Kind::Open => list(key, item.list().unwrap_or(item), values),
        Kind::Close => {}
    }
}

fn list(key: &str, mut inside: Cursor<'_>, values: &mut Object) {
    match key {
        "FLAGS" | "X-GM-LABELS" => {
            values.list(key, inside.strings());
        }
        "MODSEQ" => match inside.number() {
            Some(number) => {
                values.number(key, number);
            }
            None => {
                values.text(key, &inside.render());
            }
        },
        "ENVELOPE" => {
            values.object(key, &envelope(inside));
        }
        "BODYSTRUCTURE" | "BODY" => {
            values.text(key, &media_type(inside));
        }
        _ => {
            values.text(key, &inside.render());
        }
    }
}

/// RFC 9051 §7.5.2: date, subject, from, sender, reply-to, to, cc, bcc, in-reply-to, message-id.
fn envelope(mut inside: Cursor<'_>) -> Object {
    let mut envelope = Object::new();
    for name in ["date", "subject", "from", "sender", "reply_to", "to", "cc", "bcc", "in_reply_to", "message_id"] {
        let Some(mut item) = inside.item() else { break };
        let Some(first) = item.peek() else { break };
        match first.kind {
            Kind::Open => {
                let addresses = addresses(item.list().unwrap_or(item));
                // Most often the sender is who wrote it; then it says nothing.
                if !addresses.is_empty() && !matches!(name, "sender" | "reply_to") {
                    envelope.list(name, addresses);
                }
            }
            Kind::Quoted | Kind::Literal { known: true, .. } => {
                envelope.bytes(name, &first.text);
            }
            _ => {}
        }
    }
    envelope
}

fn addresses(mut list: Cursor<'_>) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(mut item) = list.item() {
        let Some(mut address) = item.list() else { continue };
        let _name = address.nstring();
        let _route = address.nstring();
        let (local, host) = (address.nstring(), address.nstring());
        if let (Some(local), Some(host)) = (local, host) {
            found.push(format!("{local}@{host}"));
        }
    }
    found
}

/// `text/plain`, `multipart/mixed (text/plain, image/png)`.
fn media_type(mut structure: Cursor<'_>) -> String {
    media(&mut structure, super::token::DEPTH_MAX)
}

fn media(structure: &mut Cursor<'_>, depth: usize) -> String {
    let mut parts = Vec::new();
    while depth > 0 && structure.peek().is_some_and(|token| token.kind == Kind::Open) {
        let Some(mut part) = structure.list() else { break };
        parts.push(media(&mut part, depth - 1));
    }
    let first = structure.nstring().unwrap_or_default().to_ascii_lowercase();
    if !parts.is_empty() {
        return format!("multipart/{first} ({})", parts.join(", "));
    }
    let second = structure.nstring().unwrap_or_default().to_ascii_lowercase();
    format!("{first}/{second}")
}
