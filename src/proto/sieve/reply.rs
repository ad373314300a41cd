//! ManageSieve responses (RFC 5804 §1.2, §1.3): status lines, capabilities, lists of scripts.
//! Takes the bytes of lines, gives their parts.
//! Knows nothing of the command that is answered.

use super::super::sasl;
use super::text::{Is, Scan, Words};
use crate::event::Object;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    No,
    Bye,
}

impl Status {
    /// The status with which a line begins.
    pub fn of(line: &[u8]) -> Option<Status> {
        let word = line.split(|byte| byte.is_ascii_whitespace()).next()?;
        [Status::Ok, Status::No, Status::Bye].into_iter().find(|status| {
            // A response code may follow without a space.
            let name = status.name().as_bytes();
            word.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
                && matches!(word.get(name.len()), None | Some(b'('))
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "OK",
            Status::No => "NO",
            Status::Bye => "BYE",
        }
    }
}

/// What a status line says behind its status.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    /// Without its parentheses: `QUOTA/MAXSIZE`, `TAG`, `WARNINGS` …
    pub code: Option<String>,
    pub text: String,
    pub values: Object,
}

pub(super) fn status_line(line: &[u8], status: Status) -> Parsed {
    let rest = line.get(status.name().len()..).unwrap_or_default().trim_ascii();
    let mut parsed = Parsed::default();
    let mut text = rest;
    if let Some((inner, behind)) = rest.strip_prefix(b"(").and_then(parenthesized) {
        let mut words = Words::of(inner);
        parsed.code = words.next().map(|code| String::from_utf8_lossy(&code.text).to_ascii_uppercase());
        if let (Some(code), Some(value)) = (&parsed.code, words.next()) {
            if code == "SASL" {
                if let Some(decoded) = sasl::decode_text(&value.text) {
                    parsed.values.text("sasl", &decoded);
                }
            } else {
                parsed.values.bytes(&code.to_ascii_lowercase(), &value.text);
            }
        }
        text = behind.trim_ascii();
    }
    if let Some(word) = Words::of(text).next().filter(|word| word.is != Is::Literal) {
        // Without quotes it is wrong, and all of it is the text.
        parsed.text = String::from_utf8_lossy(if word.is == Is::Quoted { &word.text } else { text }).into_owned();
    }
    parsed
}

/// Adds what the lines before a status line say, as an answer to a command with data of this name.
pub(super) fn data(lines: &[u8], name: &str, values: &mut Object) {
    let lines = || lines.split_inclusive(|&byte| byte == b'\n');
    match name {
        "CAPABILITY" => {
            let mut capabilities = Object::new();
            for line in lines() {
                let mut words = Words::of(line);
                let Some(name) = words.next() else { continue };
                let value = words.next().map(|word| word.text).unwrap_or_default();
                capabilities.bytes(&String::from_utf8_lossy(&name.text).to_ascii_uppercase(), &value);
            }
            if !capabilities.is_empty() {
                values.object("capabilities", &capabilities);
            }
        }
        "LISTSCRIPTS" => {
            let mut names = Vec::new();
            let mut active = None;
            for line in lines() {
                let mut words = Words::of(line);
                let Some(name) = words.next() else { continue };
                let name = String::from_utf8_lossy(&name.text).into_owned();
                if words.next().is_some_and(|word| word.text.eq_ignore_ascii_case(b"ACTIVE")) {
                    active = Some(name.clone());
                }
                names.push(name);
            }
            values.list("scripts", &names);
            if let Some(active) = active {
                values.text("active", &active);
            }
        }
        _ => {}
    }
}

/// Whether a line is the capability that offers STARTTLS.
pub(super) fn offers_starttls(line: &[u8]) -> bool {
    Words::of(line).next().is_some_and(|word| word.is == Is::Quoted && word.text.eq_ignore_ascii_case(b"STARTTLS"))
}

/// A line of data begins with a string.
pub(super) fn is_data(line: &[u8]) -> bool {
    matches!(line.first(), Some(b'"' | b'{'))
}

/// How long the response is with which the bytes begin, if all of it is there. A challenge is a response of one line.
pub(super) fn whole(bytes: &[u8], challenge: bool) -> Option<usize> {
    let mut at = 0;
    loop {
        let first = bytes.get(at..)?;
        let ends = Status::of(first).is_some() || !is_data(first) || challenge;
        // One line with its literals.
        loop {
            let rest = bytes.get(at..)?;
            let end = memchr::memchr(b'\n', rest)? + 1;
            at += end;
            let Some(literal) = Scan::default().literal(rest.get(..end)?) else { break };
            at = at.checked_add(usize::try_from(literal.bytes).ok()?)?;
        }
        if ends {
            return Some(at);
        }
    }
}

/// What stands in parentheses, and what behind them. A parenthesis may stand in a quoted string.
fn parenthesized(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut quoted = false;
    let mut escaped = false;
    for (index, &byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b')' if !quoted => return Some((text.get(..index)?, text.get(index + 1..)?)),
            _ => {}
        }
    }
    None
}
