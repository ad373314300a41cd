//! The strings of ManageSieve (RFC 5804 §1.2): quoted strings, and literals whose length stands at the end of a line.
//! Takes lines, gives their words and what follows them.
//! Does not know what they mean.

use std::borrow::Cow;
use std::ops::Range;

use crate::proto::line::plain;

/// One word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word<'l> {
    pub range: Range<usize>,
    /// What it says; a quoted string without its quotes and backslashes. Empty for a literal.
    pub text: Cow<'l, [u8]>,
    pub is: Is,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Is {
    Atom,
    Quoted,
    Literal,
}

/// The words of a line, its end left out.
#[derive(Clone)]
pub(super) struct Words<'l> {
    text: &'l [u8],
    at: usize,
}

impl<'l> Words<'l> {
    pub fn of(line: &'l [u8]) -> Words<'l> {
        Words { text: line.trim_ascii_end(), at: 0 }
    }

    /// From the next word to the end.
    pub fn rest_range(&self) -> Range<usize> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let from = self.at + rest.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(rest.len());
        from..self.text.len()
    }

    pub fn rest(&self) -> &'l [u8] {
        self.text.get(self.rest_range()).unwrap_or_default()
    }
}

impl<'l> Iterator for Words<'l> {
    type Item = Word<'l>;

    fn next(&mut self) -> Option<Word<'l>> {
        let rest = self.rest();
        let from = self.rest_range().start;
        let first = rest.first()?;
        let (length, is) = if *first == b'"' {
            (quoted_length(rest), Is::Quoted)
        } else if literal_length(rest).is_some() {
            (rest.len(), Is::Literal)
        } else {
            let end = rest.iter().position(|byte| byte.is_ascii_whitespace() || *byte == b'"');
            (end.unwrap_or(rest.len()), Is::Atom)
        };
        let raw = rest.get(..length).unwrap_or(rest);
        self.at = from + length;
        let text = match is {
            Is::Atom => Cow::Borrowed(raw),
            Is::Quoted => unquoted(raw),
            Is::Literal => Cow::Borrowed(&b""[..]),
        };
        Some(Word { range: from..self.at, text, is })
    }
}

/// Finds the literal at the end of a line that may come in blocks, and that may hold braces in its quoted strings.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    quoted: bool,
    escaped: bool,
}

impl Scan {
    /// Takes a line, or the next block of it; gives the length of the literal that follows.
    pub fn literal(&mut self, line: &[u8]) -> Option<Literal> {
        let text = line.strip_suffix(b"\n").map(|text| text.strip_suffix(b"\r").unwrap_or(text));
        let literal = text.and_then(|text| literal_length(text.get(memchr::memrchr(b'{', text)?..)?));
        if literal.is_none() && text.is_some() {
            *self = Scan::default();
            return None;
        }
        for &byte in text.unwrap_or(line) {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.quoted => self.escaped = true,
                b'"' => self.quoted = !self.quoted,
                _ => {}
            }
        }
        let outside = !self.quoted;
        if text.is_some() {
            *self = Scan::default();
        }
        literal.filter(|_| outside)
    }
}

/// `{n}`, as servers write it, or `{n+}`, as clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Literal {
    pub bytes: u64,
    pub plus: bool,
}

fn literal_length(text: &[u8]) -> Option<Literal> {
    let inner = text.strip_prefix(b"{")?.strip_suffix(b"}")?;
    let digits = inner.strip_suffix(b"+");
    let plus = digits.is_some();
    let digits = digits.unwrap_or(inner);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let bytes = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(Literal { bytes, plus })
}

/// How long the quoted string is with which the text begins, quotes included; all of it where it does not end.
fn quoted_length(text: &[u8]) -> usize {
    let mut escaped = false;
    for (index, &byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

fn unquoted(raw: &[u8]) -> Cow<'_, [u8]> {
    let inner = raw.strip_prefix(b"\"").unwrap_or(raw);
    let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
    if memchr::memchr(b'\\', inner).is_none() {
        return Cow::Borrowed(inner);
    }
    let mut text = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        text.push(if byte == b'\\' { bytes.next().copied().unwrap_or(byte) } else { byte });
    }
    Cow::Owned(text)
}

/// What mailtap itself has to say, as a quoted string; these have at most 1,024 bytes (RFC 5804 §1.2).
pub(super) fn told(text: &str) -> String {
    quote(&plain(text, TOLD_MAX))
}

/// Bytes, so that it fits with a backslash before each.
const TOLD_MAX: usize = 480;

/// A quoted string: ASCII without control characters.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_ascii_graphic() => quoted.push(c),
            _ => quoted.push(' '),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_atoms_strings_and_a_literal() {
        let words: Vec<(Vec<u8>, Is)> = Words::of(b"PUTSCRIPT \"a \\\"b\\\\\" x{3}y {12+}\r\n")
            .map(|word| (word.text.into_owned(), word.is))
            .collect();
        assert_eq!(
            words,
            [
                (b"PUTSCRIPT".to_vec(), Is::Atom),
                (b"a \"b\\".to_vec(), Is::Quoted),
                (b"x{3}y".to_vec(), Is::Atom),
                (Vec::new(), Is::Literal)
            ]
        );
    }

    #[test]
    fn a_brace_in_a_string_is_no_literal() {
        let literal = |line: &[u8]| Scan::default().literal(line).map(|literal| literal.bytes);
        assert_eq!(literal(b"NO {5}\r\n"), Some(5));
        assert_eq!(literal(b"NO \"x\" {5}\n"), Some(5));
        assert_eq!(literal(b"NO \"\\\"{5}\r\n"), None);
        assert_eq!(literal(b"NO \"{5}\"\r\n"), None);
        assert_eq!(literal(b"NO {5x}\r\n"), None);
        assert_eq!(literal(b"NO {}\r\n"), None);
        assert_eq!(literal(b"NO {18446744073709551616}\r\n"), None);
        let mut scan = Scan::default();
        assert_eq!(scan.literal(b"A \"quoted \\"), None);
        assert_eq!(scan.literal(b"\" still {5}\r\n").map(|literal| literal.bytes), None);
    }
}
