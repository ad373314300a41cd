//! `BODY[section]`: the bytes a section names, and how its name is written back.
//! Takes a message, its entities and a section; gives the bytes, or nothing when there is no such part.
//! It does not know flags or the reply around it.

use std::borrow::Cow;

use super::mime::{Entity, Kind, fields};
use super::parse::{Section, SectionText};

/// None: the message has no such part.
#[must_use]
pub fn extract<'a>(bytes: &'a [u8], root: &Entity, section: &Section) -> Option<Cow<'a, [u8]>> {
    let whole = |range: std::ops::Range<usize>| Some(Cow::Borrowed(&bytes[range]));
    if section.part.is_empty() {
        return match &section.text {
            SectionText::Everything => Some(Cow::Borrowed(bytes)),
            SectionText::Mime => None,
            text => of_message(bytes, root, text),
        };
    }
    let part = find(root, &section.part)?;
    match (&section.text, part) {
        (SectionText::Everything, Found::Part(entity) | Found::Body(entity)) => whole(entity.body.clone()),
        (SectionText::Mime, Found::Part(entity)) => whole(entity.header.clone()),
        (SectionText::Mime, Found::Body(entity)) => whole(entity.header.clone()),
        (text, Found::Part(entity)) => match &entity.kind {
            Kind::Message(inner) => of_message(bytes, inner, text),
            _ => None,
        },
        (_, Found::Body(_)) => None,
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

fn of_message<'a>(bytes: &'a [u8], message: &Entity, text: &SectionText) -> Option<Cow<'a, [u8]>> {
    let header = &bytes[message.header.clone()];
    Some(match text {
        SectionText::Header => Cow::Borrowed(header),
        SectionText::Text => Cow::Borrowed(&bytes[message.body.clone()]),
        SectionText::Fields { names, not } => {
            let mut chosen = Vec::new();
            for field in fields(header) {
                if names.iter().any(|name| field.name.eq_ignore_ascii_case(name.as_bytes())) != *not {
                    chosen.extend_from_slice(field.raw);
                }
            }
            chosen.extend_from_slice(b"\r\n");
            Cow::Owned(chosen)
        }
        SectionText::Everything | SectionText::Mime => return None,
    })
}
