//! The words of IMAP: atoms, quoted strings, literals and lists, as far as they can be told without a grammar.
//! Takes the text of a line, gives its tokens and a cursor over them.
//! Does not know commands or responses; it never fails, it stops.

use std::borrow::Cow;

use super::utf7;

/// How many tokens of a line or of a command are read; what follows is not explained, only logged.
pub(super) const TOKENS_MAX: usize = 4096;

/// How deep lists may be nested to be read one in the other. RFC 9051 names no limit, real ones stay below ten.
pub(super) const DEPTH_MAX: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub kind: Kind,
    pub text: Cow<'a, [u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Quoted,
    /// Its bytes stand in `text` where they are `known`: come already, few, and no secret.
    Literal {
        bytes: u64,
        known: bool,
    },
    Open,
    Close,
}

impl<'a> Token<'a> {
    pub fn literal(bytes: u64) -> Token<'static> {
        Token { kind: Kind::Literal { bytes, known: false }, text: Cow::Borrowed(b"") }
    }

    /// Cuts a text into tokens. With `brackets`, `BODY[HEADER.FIELDS (TO)]` is one word.
    pub fn split(text: &'a [u8], brackets: bool) -> Vec<Token<'a>> {
        let mut tokens = Vec::with_capacity(8);
        let mut rest = text;
        while let Some((&byte, after)) = rest.split_first() {
            if tokens.len() >= TOKENS_MAX {
                break;
            }
            let (kind, text, after) = match byte {
                b' ' | b'\t' | b'\r' | b'\n' => {
                    rest = after;
                    continue;
                }
                b'(' => (Kind::Open, Cow::Borrowed(&b"("[..]), after),
                b')' => (Kind::Close, Cow::Borrowed(&b")"[..]), after),
                b'"' => {
                    let (text, after) = quoted(after);
                    (Kind::Quoted, text, after)
                }
                _ => {
                    let (word, after) = rest.split_at(word_length(rest, brackets));
                    (Kind::Word, Cow::Borrowed(word), after)
                }
            };
            tokens.push(Token { kind, text });
            rest = after;
        }
        tokens
    }

    #[must_use]
    pub fn into_owned(self) -> Token<'static> {
        Token { kind: self.kind, text: Cow::Owned(self.text.into_owned()) }
    }

    /// Its bytes, where it is a string whose bytes are there.
    #[must_use]
    pub fn string(&self) -> Option<&[u8]> {
        match self.kind {
            Kind::Word | Kind::Quoted | Kind::Literal { known: true, .. } => Some(&self.text),
            _ => None,
        }
    }

    #[must_use]
    pub fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word.as_bytes())
    }

    fn render(&self, out: &mut String) {
        match self.kind {
            Kind::Quoted | Kind::Literal { known: true, .. } => {
                out.push('"');
                for c in String::from_utf8_lossy(&self.text).chars() {
                    if matches!(c, '"' | '\\') {
                        out.push('\\');
                    }
                    out.push(c);
                }
                out.push('"');
            }
            Kind::Literal { bytes, .. } => {
                out.push('{');
                out.push_str(&bytes.to_string());
                out.push('}');
            }
            _ => out.push_str(&String::from_utf8_lossy(&self.text)),
        }
    }
}

/// The inside of a quoted string whose opening quote was taken, and what follows its closing one.
fn quoted(rest: &[u8]) -> (Cow<'_, [u8]>, &[u8]) {
    let mut unescaped: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(step) = rest.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        let special = at + step;
        let span = rest.get(at..special).unwrap_or_default();
        if rest.get(special) == Some(&b'"') {
            let after = rest.get(special + 1..).unwrap_or_default();
            return match unescaped {
                None => (Cow::Borrowed(span), after),
                Some(mut text) => {
                    text.extend_from_slice(span);
                    (Cow::Owned(text), after)
                }
            };
        }
        let text = unescaped.get_or_insert_with(Vec::new);
        text.extend_from_slice(span);
        text.extend(rest.get(special + 1));
        at = special + 2;
    }
    let mut text = unescaped.unwrap_or_default();
    text.extend_from_slice(rest.get(at..).unwrap_or_default());
    (Cow::Owned(text), b"")
}

fn word_length(rest: &[u8], brackets: bool) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (index, &byte) in rest.iter().enumerate() {
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' if depth > 0 => quoted = true,
            b'[' if brackets => depth += 1,
            b']' if brackets => depth = depth.saturating_sub(1),
            b' ' | b'\t' | b'(' | b')' | b'"' | b'\r' | b'\n' if depth == 0 => return index.max(1),
            _ => {}
        }
    }
    rest.len()
}

/// Reads tokens one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'t> {
    pub rest: &'t [Token<'t>],
}

impl<'t> Cursor<'t> {
    pub fn new(tokens: &'t [Token<'t>]) -> Cursor<'t> {
        Cursor { rest: tokens }
    }

    pub fn peek(&self) -> Option<&'t Token<'t>> {
        self.rest.first()
    }

    pub fn next(&mut self) -> Option<&'t Token<'t>> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// The next token, if it is this word.
    pub fn word(&mut self, word: &str) -> bool {
        let is = self.peek().is_some_and(|token| token.is(word));
        if is {
            self.next();
        }
        is
    }

    /// The next token, if it is a string.
    pub fn string(&mut self) -> Option<&'t [u8]> {
        let string = self.peek()?.string()?;
        self.next();
        Some(string)
    }

    pub fn text(&mut self) -> Option<Cow<'t, str>> {
        self.string().map(String::from_utf8_lossy)
    }

    /// NIL is no text.
    pub fn nstring(&mut self) -> Option<Cow<'t, str>> {
        if self.word("NIL") { None } else { self.text() }
    }

    pub fn number(&mut self) -> Option<u64> {
        let number = number(self.peek()?.string()?)?;
        self.next();
        Some(number)
    }

    pub fn mailbox(&mut self, names: Names) -> Option<Cow<'t, str>> {
        self.string().map(|name| names.decode(name))
    }

    /// The inside of the list that comes next; of one that is not closed, everything.
    pub fn list(&mut self) -> Option<Cursor<'t>> {
        if self.peek()?.kind != Kind::Open {
            return None;
        }
        let inside = self.item()?.rest;
        let inside = inside.get(1..).unwrap_or_default();
        let inside = match inside.split_last() {
            Some((last, before)) if last.kind == Kind::Close && balanced(before) => before,
            _ => inside,
        };
        Some(Cursor { rest: inside })
    }

    /// The next token, or the next list with all that is in it.
    pub fn item(&mut self) -> Option<Cursor<'t>> {
        let mut depth = 0_usize;
        let mut length = 0;
        for token in self.rest {
            length += 1;
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        if length == 0 {
            return None;
        }
        let (item, rest) = self.rest.split_at(length);
        self.rest = rest;
        Some(Cursor { rest: item })
    }

    /// What is left as text that a person can read.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        let mut glued = true;
        for token in self.rest {
            if !glued && token.kind != Kind::Close {
                out.push(' ');
            }
            token.render(&mut out);
            glued = token.kind == Kind::Open;
        }
        out
    }

    /// Every item that is left, each as text.
    #[must_use]
    pub fn items(mut self) -> Vec<String> {
        let mut items = Vec::new();
        while let Some(item) = self.item() {
            items.push(item.render());
        }
        items
    }

    /// Every string that is left, without its quotes.
    #[must_use]
    pub fn strings(self) -> Vec<Cow<'t, str>> {
        self.rest.iter().filter_map(Token::string).map(String::from_utf8_lossy).collect()
    }
}

fn balanced(tokens: &[Token<'_>]) -> bool {
    let opened = tokens.iter().filter(|token| token.kind == Kind::Open).count();
    opened == tokens.iter().filter(|token| token.kind == Kind::Close).count()
}

pub(super) fn number(text: &[u8]) -> Option<u64> {
    if !text.first()?.is_ascii_digit() {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// How mailbox names are written: in modified UTF-7, or in UTF-8 once the server has said that this is ENABLED
/// (RFC 6855 §3, RFC 9051 §5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Names {
    #[default]
    Utf7,
    Utf8,
}

impl Names {
    pub fn decode(self, name: &[u8]) -> Cow<'_, str> {
        match self {
            Names::Utf7 => utf7::decode(name),
            Names::Utf8 => String::from_utf8_lossy(name),
        }
    }
}
