//! Finds out whether a line announces a literal at its end (RFC 9051 §4.3, RFC 7888, RFC 3516).
//! Takes a line whole or in blocks, gives the literal's size and whether its sender waits for a go-ahead.
//! Does not know who speaks, nor what the line means.

/// A literal that a line has announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Literal {
    pub bytes: u64,
    /// `{5}` and not `{5+}`: a client sends it only after a go-ahead.
    pub waits: bool,
}

/// Follows quoted strings and braces through a line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    /// A quote begins a string also in the middle of a word, as between `BODY[]"…"`. Servers are read so.
    pub anywhere: bool,
    quoted: bool,
    escaped: bool,
    within_word: bool,
    braces: Braces,
}

#[derive(Clone, Copy, Debug, Default)]
enum Braces {
    #[default]
    None,
    Open,
    Digits(u64),
    Plus(u64),
    Closed(Literal),
}

impl Scan {
    #[must_use]
    pub fn new(anywhere: bool) -> Scan {
        Scan { anywhere, ..Scan::default() }
    }

    /// The literal that this whole line announces, and where its announcement begins.
    pub fn line(line: &[u8], anywhere: bool) -> Option<(Literal, usize)> {
        let text = without_end(line);
        if text.last() != Some(&b'}') {
            return None;
        }
        let mut scan = Scan::new(anywhere);
        scan.feed(text);
        Some((scan.literal()?, announced_at(text)))
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.step(byte);
        }
    }

    /// What the line announced, if it ends here.
    #[must_use]
    pub fn literal(&self) -> Option<Literal> {
        match self.braces {
            Braces::Closed(literal) if !self.quoted => Some(literal),
            _ => None,
        }
    }

    fn step(&mut self, byte: u8) {
        if self.quoted {
            if self.escaped {
                self.escaped = false;
            } else if byte == b'\\' {
                self.escaped = true;
            } else if byte == b'"' {
                self.quoted = false;
                self.within_word = false;
            }
            return;
        }
        if byte == b'"' && (self.anywhere || !self.within_word) {
            self.quoted = true;
            self.braces = Braces::None;
            return;
        }
        self.within_word = !matches!(byte, b' ' | b'\t' | b'(' | b')');
        self.braces = self.braces.step(byte);
    }
}

impl Braces {
    fn step(self, byte: u8) -> Braces {
        match (self, byte) {
            (_, b'{') => Braces::Open,
            (Braces::Open, b'0'..=b'9') => Braces::Digits(u64::from(byte - b'0')),
            (Braces::Digits(number), b'0'..=b'9') => number
                .checked_mul(10)
                .and_then(|number| number.checked_add(u64::from(byte - b'0')))
                .map_or(Braces::None, Braces::Digits),
            (Braces::Digits(number), b'+') => Braces::Plus(number),
            (Braces::Digits(bytes), b'}') => Braces::Closed(Literal { bytes, waits: true }),
            (Braces::Plus(bytes), b'}') => Braces::Closed(Literal { bytes, waits: false }),
            (Braces::Closed(literal), b'\r' | b'\n') => Braces::Closed(literal),
            _ => Braces::None,
        }
    }
}

/// A line without its line end.
#[must_use]
pub(super) fn without_end(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
    line.get(..end).unwrap_or(line)
}

/// Where the announcement of a literal begins that ends this text, the `~` of a literal8 included.
#[must_use]
pub(super) fn announced_at(text: &[u8]) -> usize {
    let Some(brace) = memchr::memrchr(b'{', text) else { return text.len() };
    match brace.checked_sub(1) {
        Some(before) if text.get(before) == Some(&b'~') => before,
        _ => brace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Option<(u64, bool)> {
        let whole = Scan::line(line.as_bytes(), false).map(|(literal, _)| (literal.bytes, literal.waits));
        let mut scan = Scan::new(false);
        for byte in line.bytes() {
            scan.feed(&[byte]);
        }
        assert_eq!(whole, scan.literal().map(|literal| (literal.bytes, literal.waits)), "{line:?}");
        whole
    }

    #[test]
    fn every_spelling_of_a_literal() {
        assert_eq!(found("a LOGIN {5}\r\n"), Some((5, true)));
        assert_eq!(found("a LOGIN {5+}\r\n"), Some((5, false)));
        assert_eq!(found("a APPEND x ~{0}\r\n"), Some((0, true)));
        assert_eq!(found("a APPEND x ~{17+}\n"), Some((17, false)));
        assert_eq!(found("a X \"quo\\\"ted\" {5}\r\n"), Some((5, true)));
        assert_eq!(found("a X (BODY[HEADER.FIELDS ({4}\r\n"), Some((4, true)));
    }

    #[test]
    fn braces_within_quotes_are_no_literal() {
        assert_eq!(found("a LOGIN joe \"{5}\r\n"), None);
        assert_eq!(found("a LOGIN joe \"{5}\"\r\n"), None);
        assert_eq!(found("a LOGIN joe \"\\\"{5}\r\n"), None);
    }

    #[test]
    fn what_only_looks_like_a_literal() {
        for line in
            ["a X {}\r\n", "a X {+}\r\n", "a X {5} \r\n", "a X {5-}\r\n", "a X {99999999999999999999999}\r\n", "{5}x\n"]
        {
            assert_eq!(found(line), None, "{line:?}");
        }
    }

    #[test]
    fn the_announcement_is_found_where_it_stands() {
        assert_eq!(Scan::line(b"a X ~{5}\r\n", false).unwrap().1, 4);
        assert_eq!(Scan::line(b"a X {5+}\r\n", false).unwrap().1, 4);
    }
}
