//! One POP3 status line: status, response code, text and the numbers in it.
//! Takes a line, gives its parts, or nothing where it is no status line.
//! Knows nothing of the command that it answers.

use crate::event::Object;

pub(super) struct Line {
    pub status: &'static str,
    /// RFC 2449 §8, without its brackets.
    pub code: Option<String>,
    pub text: String,
}

pub(super) fn parse(line: &[u8]) -> Option<Line> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (status, rest) = if let Some(rest) = line.strip_prefix(b"+OK") {
        ("+OK", rest)
    } else if let Some(rest) = line.strip_prefix(b"-ERR") {
        ("-ERR", rest)
    } else {
        ("+", line.strip_prefix(b"+")?)
    };
    let rest = String::from_utf8_lossy(rest.strip_prefix(b" ").unwrap_or(rest));
    let (code, text) = match rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((code, text)) if status != "+" && !code.is_empty() && !code.contains(' ') => {
            (Some(code.to_owned()), text.trim_start().to_owned())
        }
        _ => (None, rest.into_owned()),
    };
    Some(Line { status, code, text })
}

/// The time stamp of a greeting, which APOP hashes (RFC 1939 §7): a message id in angle brackets.
pub(super) fn greeting(text: &str) -> Object {
    let mut values = Object::new();
    let stamp = text.find('<').and_then(|from| text.get(from..)).and_then(|rest| rest.get(..=rest.find('>')?));
    if let Some(stamp) = stamp.filter(|stamp| stamp.contains('@')) {
        values.text("timestamp", stamp);
    }
    values
}

/// The numbers behind `+OK` that a command is answered with (RFC 1939 §5, §7).
pub(super) fn values(verb: Answered, text: &str) -> Object {
    let mut values = Object::new();
    let mut words = text.split_ascii_whitespace();
    let (first, second) = (words.next(), words.next());
    let mut number = |name: &str, word: Option<&str>| {
        if let Some(number) = word.and_then(|word| word.parse().ok()) {
            values.number(name, number);
        }
    };
    match verb {
        Answered::Stat => {
            number("messages", first);
            number("octets", second);
        }
        Answered::List => {
            number("message", first);
            number("octets", second);
        }
        Answered::Uidl => {
            number("message", first);
            if let Some(uid) = second {
                values.text("uid", uid);
            }
        }
        Answered::Login | Answered::Unknown | Answered::Stray | Answered::Nothing | Answered::Other => {}
    }
    values
}

/// What a status line answers, where that matters: commands with numbers in it, logins, and lines that are no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    Stat,
    List,
    Uidl,
    Login,
    Unknown,
    /// A line that may have been a password: the answer may repeat it.
    Stray,
    /// An empty line: servers refuse it, or wait for the next.
    Nothing,
    Other,
}

impl Answered {
    pub fn of(verb: &str) -> Answered {
        match verb {
            "STAT" => Answered::Stat,
            "LIST" => Answered::List,
            "UIDL" => Answered::Uidl,
            "PASS" | "APOP" => Answered::Login,
            _ => Answered::Other,
        }
    }
}
