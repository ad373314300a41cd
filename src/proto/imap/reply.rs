//! The beginning of an IMAP response line: go-ahead, untagged or tagged, and the status responses with their codes.
//! Takes a line without its end, gives its parts; nothing, where it is no response.
//! Knows nothing of the conversation around it.

use std::ops::Range;

use super::command::{skip_space, word};
use super::token::{Cursor, Kind, Token};
use crate::event::Object;

/// One response line.
#[derive(Debug)]
pub(super) enum Line<'l> {
    GoAhead {
        text: &'l [u8],
    },
    /// A status response: untagged where there is no tag.
    Status {
        tag: Option<&'l [u8]>,
        status: &'static str,
        rest_at: usize,
    },
    /// Untagged data.
    Data {
        number: Option<u64>,
        name: String,
        rest_at: usize,
    },
}

impl<'l> Line<'l> {
    pub fn parse(text: &'l [u8]) -> Option<Line<'l>> {
        if let Some(rest) = text.strip_prefix(b"+") {
            return match rest.split_first() {
                None => Some(Line::GoAhead { text: b"" }),
                Some((b' ', rest)) => Some(Line::GoAhead { text: rest }),
                Some(_) => None,
            };
        }
        let (first, at) = word(text, 0)?;
        if !first.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let (second, at) = word(text, at)?;
        let tag = (first != b"*").then_some(first);
        if let Some(status) = status(second, tag.is_some()) {
            return Some(Line::Status { tag, status, rest_at: at });
        }
        if tag.is_some() {
            return None;
        }
        match super::token::number(second) {
            Some(number) => {
                let (name, rest_at) = word(text, at)?;
                Some(Line::Data { number: Some(number), name: self::name(name)?, rest_at })
            }
            None => Some(Line::Data { number: None, name: self::name(second)?, rest_at: at }),
        }
    }
}

fn status(word: &[u8], tagged: bool) -> Option<&'static str> {
    let statuses: &[&str] = if tagged { &["OK", "NO", "BAD"] } else { &["OK", "NO", "BAD", "BYE", "PREAUTH"] };
    statuses.iter().copied().find(|status| word.eq_ignore_ascii_case(status.as_bytes()))
}

fn name(word: &[u8]) -> Option<String> {
    let is_name = word.first().is_some_and(u8::is_ascii_alphabetic)
        && word.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'=' | b'/'));
    is_name.then(|| String::from_utf8_lossy(word).to_ascii_uppercase())
}

/// What stands behind a status: its response code (RFC 9051 §7.1), what the code says, and the text.
#[derive(Debug, Default)]
pub(super) struct Status {
    pub code: Option<String>,
    pub values: Object,
    pub text: String,
    /// Where capabilities stand in the line, if the code lists them.
    pub capabilities: Option<Range<usize>>,
}

impl Status {
    pub fn parse(line: &[u8], rest_at: usize) -> Status {
        let at = skip_space(line, rest_at);
        let rest = line.get(at..).unwrap_or_default();
        let Some((inside, after)) = rest.strip_prefix(b"[").and_then(code_end) else {
            return Status { text: String::from_utf8_lossy(rest).into_owned(), ..Status::default() };
        };
        let (code, arguments_at) = word(inside, 0).unwrap_or_default();
        let code = String::from_utf8_lossy(code).to_ascii_uppercase();
        let arguments = inside.get(skip_space(inside, arguments_at)..).unwrap_or_default();
        let mut values = Object::new();
        say(&code, arguments, &mut values);
        let inside_at = at + 1;
        Status {
            capabilities: (code == "CAPABILITY").then_some(inside_at + arguments_at..inside_at + inside.len()),
            code: Some(code),
            values,
            text: String::from_utf8_lossy(after.trim_ascii_start()).into_owned(),
        }
    }
}

/// Splits behind the `]` that is not within quotes.
fn code_end(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut quoted = false;
    let end = rest.iter().position(|&byte| {
        quoted ^= byte == b'"';
        byte == b']' && !quoted
    })?;
    Some((rest.get(..end)?, rest.get(end + 1..)?))
}

fn say(code: &str, arguments: &[u8], values: &mut Object) {
    if arguments.is_empty() {
        return;
    }
    let tokens = Token::split(arguments, false);
    let mut cursor = Cursor::new(&tokens);
    match code {
        "CAPABILITY" => {
            values.list("capabilities", cursor.strings());
        }
        "PERMANENTFLAGS" => {
            values.list("flags", cursor.list().unwrap_or(cursor).strings());
        }
        "BADCHARSET" => {
            values.list("charsets", cursor.list().unwrap_or(cursor).strings());
        }
        "UIDNEXT" | "UIDVALIDITY" | "UNSEEN" | "HIGHESTMODSEQ" | "APPENDLIMIT" => match cursor.number() {
            Some(number) => {
                values.number(&code.to_ascii_lowercase(), number);
            }
            None => {
                values.bytes("arguments", arguments);
            }
        },
        "APPENDUID" | "COPYUID" => {
            let names: &[&str] = if code == "APPENDUID" { &["uids"] } else { &["source", "destination"] };
            if let Some(number) = cursor.number() {
                values.number("uidvalidity", number);
            }
            for name in names {
                if let Some(set) = cursor.text() {
                    values.text(name, &set);
                }
            }
        }
        "MODIFIED" => {
            values.bytes("sequence", arguments);
        }
        "REFERRAL" => {
            values.bytes("url", arguments);
        }
        _ if tokens.iter().any(|token| token.kind == Kind::Quoted) => {
            values.text("arguments", &cursor.render());
        }
        _ => {
            values.bytes("arguments", arguments);
        }
    }
}
