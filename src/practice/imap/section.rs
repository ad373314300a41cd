//! `BODY[section]`: the bytes a section names, and how its name is written back.
//! Takes a message, its entities and a section; gives where the bytes are, or the bytes when they do not stand together.
//! It does not know flags or the reply around it.

use std::collections::HashSet;
use std::ops::Range;

use super::mime::{Entity, Kind, fields};
use super::parse::{Section, SectionText};

/// The bytes of a section.
#[derive(Debug, PartialEq, Eq)]
pub enum Octets {
    /// The message has no such part.
    None,
    /// They stand together in the message.
    At(Range<usize>),
    Made(Vec<u8>),
}

impl Octets {
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Octets::None => 0,
            Octets::At(range) => range.len(),
            Octets::Made(bytes) => bytes.len(),
        }
    }

    /// So many from a position on, as far as there are so many.
    #[must_use]
    pub fn part(self, partial: Option<(u64, u64)>) -> Self {
        let Some((from, count)) = partial else { return self };
        let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(self.len());
        let part = within(from)..within(from.saturating_add(count));
        match self {
            Octets::None => Octets::None,
            Octets::At(range) => Octets::At(range.start + part.start..range.start + part.end),
            Octets::Made(bytes) => Octets::Made(bytes[part].to_vec()),
        }
    }
}

#[must_use]
pub fn extract(bytes: &[u8], root: &Entity, section: &Section) -> Octets {
    if section.part.is_empty() {
        return match &section.text {
            SectionText::Everything => Octets::At(0..bytes.len()),
            SectionText::Mime => Octets::None,
            text => of_message(bytes, root, text),
        };
    }
    let Some(part) = find(root, &section.part) else { return Octets::None };
    match (&section.text, part) {
        (SectionText::Everything, Found::Part(entity) | Found::Body(entity)) => Octets::At(entity.body.clone()),
        (SectionText::Mime, Found::Part(entity) | Found::Body(entity)) => Octets::At(entity.header.clone()),
        (text, Found::Part(entity)) => match &entity.kind {
            Kind::Message(inner) => of_message(bytes, inner, text),
            _ => Octets::None,
        },
        (_, Found::Body(_)) => Octets::None,
    }
}

/// The section as the reply names it.
#[must_use]
pub fn name(section: &Section) -> String {
    let mut words: Vec<String> = section.part.iter().map(usize::to_string).collect();
    match &section.text {
        SectionText::Everything => {}
        SectionText::Header => words.push("HEADER".to_owned()),
        SectionText::Text => words.push("TEXT".to_owned()),
        SectionText::Mime => words.push("MIME".to_owned()),
        SectionText::Fields { names, not } => {
            let quoted = |name: &String| {
                let mut out = Vec::new();
                match name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
                    && !name.is_empty()
                {
                    true => out.extend_from_slice(name.to_ascii_uppercase().as_bytes()),
                    false => super::text::string(&mut out, name.as_bytes()),
                }
                String::from_utf8_lossy(&out).into_owned()
            };
            let names: Vec<String> = names.iter().map(quoted).collect();
            let not = if *not { ".NOT" } else { "" };
            words.push(format!("HEADER.FIELDS{not} ({})", names.join(" ")));
        }
    }
    words.join(".")
}

enum Found<'a> {
    /// A part with its own MIME header.
    Part(&'a Entity),
    /// Part 1 of a message that has only one: its body.
    Body(&'a Entity),
}

fn find<'a>(root: &'a Entity, numbers: &[usize]) -> Option<Found<'a>> {
    let (&first, rest) = numbers.split_first()?;
    let part = match &root.kind {
        Kind::Multipart(parts) => parts.get(first.checked_sub(1)?)?,
        // A message that is not multipart has one part, its body.
        Kind::Leaf if first == 1 && rest.is_empty() => return Some(Found::Body(root)),
        Kind::Message(_) if first == 1 => root,
        _ => return None,
    };
    match (rest.is_empty(), &part.kind) {
        (true, _) => Some(Found::Part(part)),
        (false, Kind::Message(inner)) => find(inner, rest),
        (false, Kind::Multipart(_)) => find(part, rest),
        // Part 1 of a part that has no parts is itself: Dovecot sees it so, and clients ask for it.
        (false, Kind::Leaf) if rest == [1] => Some(Found::Body(part)),
        (false, Kind::Leaf) => None,
    }
}

fn of_message(bytes: &[u8], message: &Entity, text: &SectionText) -> Octets {
    match text {
        SectionText::Header => Octets::At(message.header.clone()),
        SectionText::Text => Octets::At(message.body.clone()),
        SectionText::Fields { names, not } => {
            // Both the names asked for and the fields may be many.
            let names: HashSet<Vec<u8>> = names.iter().map(|name| name.to_ascii_lowercase().into_bytes()).collect();
            let mut chosen = Vec::new();
            for field in fields(&bytes[message.header.clone()]) {
                if names.contains(&field.name.to_ascii_lowercase()) != *not {
                    chosen.extend_from_slice(field.raw);
                }
            }
            chosen.extend_from_slice(b"\r\n");
            Octets::Made(chosen)
        }
        SectionText::Everything | SectionText::Mime => Octets::None,
    }
}
