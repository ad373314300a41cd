//! FETCH's attributes: macros, body sections, partial ranges (RFC 3501, 6.4.5; RFC 7162 for CHANGEDSINCE).
//! Takes a cursor behind the message set; gives the attributes in the order asked.
//! It does not know messages.

use super::{Bad, Cursor};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    Envelope,
    Flags,
    InternalDate,
    Size,
    Uid,
    ModSeq,
    /// Without the extension data.
    Body,
    BodyStructure,
    /// RFC822, RFC822.HEADER and RFC822.TEXT: their own name in the reply.
    Old {
        name: &'static str,
        section: Section,
        peek: bool,
    },
    Section {
        section: Section,
        peek: bool,
        partial: Option<(u64, u64)>,
    },
}

/// What of a message: which part, and what of that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Section {
    pub part: Part,
    pub text: SectionText,
}

/// `1.2.3`: empty is the whole message.
pub type Part = Vec<usize>;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SectionText {
    #[default]
    Everything,
    Header,
    Fields {
        names: Vec<String>,
        not: bool,
    },
    Text,
    Mime,
}

/// Attributes of one FETCH, and parts of a section: more say that the client has lost its way.
const MANY: usize = 100;

pub fn attributes(c: &mut Cursor<'_>) -> Result<Vec<Attribute>, Bad> {
    use Attribute::{Body, Envelope, Flags, InternalDate, Size};
    if c.peek() == Some(b'(') {
        let attributes = c.list(attribute)?;
        return match attributes.len() {
            0 => Err(Bad::new("Missing parameters")),
            1..=MANY => Ok(attributes),
            _ => Err(Bad::new("Too many parameters")),
        };
    }
    let fast = vec![Flags, InternalDate, Size];
    for (name, more) in [("ALL", vec![Envelope]), ("FULL", vec![Envelope, Body]), ("FAST", Vec::new())] {
        let mut ahead = c.clone();
        if ahead.name() == name {
            *c = ahead;
            return Ok([fast, more].concat());
        }
    }
    Ok(vec![attribute(c)?])
}

pub fn changed_since(c: &mut Cursor<'_>) -> Result<Option<u64>, Bad> {
    match c.modifier("CHANGEDSINCE")? {
        None => Err(Bad::new("Unknown FETCH modifier")),
        since => Ok(since),
    }
}

fn attribute(c: &mut Cursor<'_>) -> Result<Attribute, Bad> {
    let name = c.name();
    let old = |name, text, peek| Attribute::Old { name, section: Section { part: Vec::new(), text }, peek };
    Ok(match name.as_str() {
        "ENVELOPE" => Attribute::Envelope,
        "FLAGS" => Attribute::Flags,
        "INTERNALDATE" => Attribute::InternalDate,
        "RFC822.SIZE" => Attribute::Size,
        "UID" => Attribute::Uid,
        "MODSEQ" => Attribute::ModSeq,
        "BODYSTRUCTURE" => Attribute::BodyStructure,
        "RFC822" => old("RFC822", SectionText::Everything, false),
        "RFC822.HEADER" => old("RFC822.HEADER", SectionText::Header, true),
        "RFC822.TEXT" => old("RFC822.TEXT", SectionText::Text, false),
        "BODY" if c.peek() != Some(b'[') => Attribute::Body,
        "BODY" | "BODY.PEEK" => {
            c.expect(b'[')?;
            let section = section(c)?;
            c.expect(b']')?;
            Attribute::Section { section, peek: name == "BODY.PEEK", partial: partial(c)? }
        }
        other => return Err(Bad::Syntax(format!("Unknown parameter: {other}"))),
    })
}

fn section(c: &mut Cursor<'_>) -> Result<Section, Bad> {
    let mut part = Vec::new();
    while c.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        let number = c.number()?;
        if number == 0 || part.len() >= MANY {
            return Err(Bad::new("Invalid BODY[..] parameter"));
        }
        part.push(usize::try_from(number).map_err(|_| Bad::new("Invalid number"))?);
        if !c.eat(b'.') {
            return match c.peek() {
                Some(b']') => Ok(Section { part, text: SectionText::Everything }),
                _ => Err(Bad::new("Invalid BODY[..] parameter")),
            };
        }
    }
    let text = match c.name().as_str() {
        "" if part.is_empty() => SectionText::Everything,
        "HEADER" => SectionText::Header,
        "TEXT" => SectionText::Text,
        "MIME" if !part.is_empty() => SectionText::Mime,
        name @ ("HEADER.FIELDS" | "HEADER.FIELDS.NOT") => {
            let not = name.ends_with("NOT");
            c.space()?;
            SectionText::Fields { names: field_names(c)?, not }
        }
        _ => return Err(Bad::new("Invalid BODY[..] parameter: Unknown section")),
    };
    Ok(Section { part, text })
}

fn field_names(c: &mut Cursor<'_>) -> Result<Vec<String>, Bad> {
    let names = c.list(Cursor::text_astring)?;
    match names.is_empty() {
        true => Err(Bad::new("Invalid BODY[..] parameter: Missing header fields")),
        false => Ok(names),
    }
}

fn partial(c: &mut Cursor<'_>) -> Result<Option<(u64, u64)>, Bad> {
    if !c.eat(b'<') {
        return Ok(None);
    }
    let from = c.number()?;
    c.expect(b'.')?;
    let count = c.number()?;
    c.expect(b'>')?;
    match count {
        0 => Err(Bad::new("Invalid BODY[..] parameter: Partial of no octets")),
        _ => Ok(Some((from, count))),
    }
}
