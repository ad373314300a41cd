//! What SEARCH compares words with: a message's fields and texts, decoded and in lower case, each made once.
//! Takes the whole message; gives its fields, its parts' headers and its texts as they are asked for.
//! It does not know keys.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::civil::Date;
use mail_parser::{MessageParser, PartType};

use super::mime::{self, Entity, Field, Kind, field, fields, unfold};

/// Octets of a field's value up to which its encoded words are read. Longer is no subject and no list of people.
const ENCODED: usize = 256 * 1024;

pub struct Contents {
    bytes: Arc<[u8]>,
    sent: OnceCell<Option<Date>>,
    /// The fields that were asked for, by their names in lower case; a line for each that the message has.
    fields: OnceCell<HashMap<Vec<u8>, String>>,
    root: OnceCell<Entity>,
    headers: OnceCell<String>,
    texts: OnceCell<String>,
}

impl Contents {
    #[must_use]
    pub fn new(bytes: Arc<[u8]>) -> Self {
        Contents {
            bytes,
            sent: OnceCell::new(),
            fields: OnceCell::new(),
            root: OnceCell::new(),
            headers: OnceCell::new(),
            texts: OnceCell::new(),
        }
    }

    /// The day in the Date field, as its writer saw it.
    #[must_use]
    pub fn sent(&self) -> Option<Date> {
        *self.sent.get_or_init(|| {
            let value = field(self.header(), "Date")?;
            let sent = mail_parser::DateTime::parse_rfc822(&String::from_utf8_lossy(&value))?;
            Date::new(sent.year as i16, sent.month as i8, sent.day as i8).ok()
        })
    }

    /// The values of the fields of this name, one of those in `asked`. None: the message has none.
    #[must_use]
    pub fn field(&self, name: &[u8], asked: &HashSet<Vec<u8>>) -> Option<&str> {
        let found = self.fields.get_or_init(|| {
            let mut found: HashMap<Vec<u8>, String> = HashMap::new();
            for field in fields(self.header()) {
                let name = field.name.to_ascii_lowercase();
                if asked.contains(&name) {
                    let lines = found.entry(name).or_default();
                    lines.push_str(&decoded(&unfold(field.value)).to_lowercase());
                    lines.push('\n');
                }
            }
            found
        });
        found.get(name).map(String::as_str)
    }

    /// Every field of the message and of its parts.
    #[must_use]
    pub fn headers(&self) -> &str {
        self.headers.get_or_init(|| {
            let mut text = String::new();
            each(self.root(), &mut |entity| {
                text.extend(fields(&self.bytes[entity.header.clone()]).map(line));
            });
            text.to_lowercase()
        })
    }

    /// The texts of all its parts, those of attached messages too.
    #[must_use]
    pub fn texts(&self) -> &str {
        self.texts.get_or_init(|| {
            let mut text = String::new();
            each(self.root(), &mut |entity| {
                let has_text = ["text", "message"].iter().any(|kind| entity.media.kind.eq_ignore_ascii_case(kind));
                if has_text && matches!(entity.kind, Kind::Leaf) {
                    push_text(&mut text, &self.bytes, entity);
                }
            });
            text.to_lowercase()
        })
    }

    fn header(&self) -> &[u8] {
        mime::header(&self.bytes)
    }

    fn root(&self) -> &Entity {
        self.root.get_or_init(|| mime::parse(&self.bytes))
    }
}

fn each(entity: &Entity, see: &mut impl FnMut(&Entity)) {
    see(entity);
    match &entity.kind {
        Kind::Leaf => {}
        Kind::Message(inner) => each(inner, see),
        Kind::Multipart(parts) => parts.iter().for_each(|part| each(part, see)),
    }
}

fn line(field: Field<'_>) -> String {
    format!("{}: {}\n", String::from_utf8_lossy(field.name), decoded(&unfold(field.value)))
}

/// One part's text out of its transfer encoding and character set, which are all that its decoder is told.
fn push_text(text: &mut String, bytes: &[u8], entity: &Entity) {
    let mut part = Vec::with_capacity(entity.body.len() + 256);
    for name in ["Content-Type", "Content-Transfer-Encoding"] {
        let is_it = |field: &Field<'_>| field.name.eq_ignore_ascii_case(name.as_bytes());
        if let Some(field) = fields(&bytes[entity.header.clone()]).find(is_it) {
            part.extend_from_slice(field.raw.trim_ascii_end());
            part.extend_from_slice(b"\r\n");
        }
    }
    part.extend_from_slice(b"\r\n");
    part.extend_from_slice(&bytes[entity.body.clone()]);
    let parsed = MessageParser::default().parse(&part[..]);
    match parsed.as_ref().and_then(|message| message.parts.first()).map(|part| &part.body) {
        Some(PartType::Text(decoded) | PartType::Html(decoded)) => text.push_str(decoded),
        Some(PartType::Binary(octets) | PartType::InlineBinary(octets)) => {
            text.push_str(&String::from_utf8_lossy(octets));
        }
        _ => {}
    }
    text.push('\n');
}

/// A field's value with its encoded words read (RFC 2047).
fn decoded(value: &[u8]) -> String {
    let plain = || String::from_utf8_lossy(value).into_owned();
    if value.len() > ENCODED || memchr::memmem::find(value, b"=?").is_none() {
        return plain();
    }
    let message = [b"Subject: ", value, b"\r\n\r\n"].concat();
    let parsed = MessageParser::default().parse(&message[..]).and_then(|m| m.subject().map(str::to_owned));
    parsed.unwrap_or_else(plain)
}
