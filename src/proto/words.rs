//! The words of a command line, with their places.
//! Takes a line, gives its words one by one, split at any white space.
//! Does not know what they mean, nor quoted strings.

use std::ops::Range;

/// Words between any white space: a server may be as lax, and what it takes for a password must be found here too.
#[derive(Clone, Copy)]
pub(super) struct Words<'l> {
    text: &'l [u8],
    at: usize,
}

impl<'l> Words<'l> {
    /// The words of a line; white space at its end, the line end above all, is not part of it.
    pub fn of(line: &'l [u8]) -> Words<'l> {
        Words { text: line.trim_ascii_end(), at: 0 }
    }

    /// The next word and where it begins.
    pub fn next(&mut self) -> Option<(usize, &'l [u8])> {
        let from = self.rest_at();
        let rest = self.text.get(from..).filter(|rest| !rest.is_empty())?;
        let length = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
        self.at = from + length;
        Some((from, rest.get(..length).unwrap_or(rest)))
    }

    /// Where the next word begins.
    pub fn rest_at(&self) -> usize {
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at + rest.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(rest.len())
    }

    /// All that is left, from the next word on.
    pub fn rest(&self) -> &'l [u8] {
        self.text.get(self.rest_at()..).unwrap_or_default()
    }

    /// Where all that is left stands.
    pub fn rest_range(&self) -> Range<usize> {
        self.rest_at()..self.text.len()
    }
}

/// Where the secret of a login stands that belongs to another protocol: the client speaks to the wrong port, or its
/// user types. Asked of lines whose verb means nothing here.
pub(super) fn foreign_login(line: &[u8]) -> Option<Range<usize>> {
    let is = |word: &[u8], names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()));
    let mut words = Words::of(line);
    let (_, first) = words.next()?;
    let mut found = is(first, &["PASS", "APOP", "AUTH", "LOGIN", "AUTHENTICATE"]);
    if !found {
        // Behind a tag.
        let (_, second) = words.next()?;
        found = is(second, &["LOGIN", "AUTHENTICATE"]);
    }
    Some(words.rest_range()).filter(|rest| found && !rest.is_empty())
}
