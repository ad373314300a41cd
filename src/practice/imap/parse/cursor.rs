//! The small words of IMAP's grammar: atoms, strings, literals, numbers, lists (RFC 3501, 9).
//! Takes a command's bytes; gives each word and moves on, or says what was expected.
//! It does not know commands.

use super::Set;

/// What is wrong with a command, in words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bad {
    /// It is not in IMAP's grammar.
    Syntax(String),
    /// It is, but means nothing: a mailbox name in no known encoding.
    Senseless(&'static str),
}

impl Bad {
    pub fn new(why: &str) -> Self {
        Bad::Syntax(why.to_owned())
    }
}

#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

/// Nesting of parentheses that are passed over.
const DEPTH: usize = 20;

impl<'a> Cursor<'a> {
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Cursor { rest: bytes }
    }

    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Takes the byte if it comes next.
    pub fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        if is_next {
            self.rest = &self.rest[1..];
        }
        is_next
    }

    /// Takes the word if it comes next, without regard to case.
    pub fn eat_word(&mut self, word: &str) -> bool {
        let is_next = self.rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()));
        if is_next {
            self.rest = &self.rest[word.len()..];
        }
        is_next
    }

    pub fn expect(&mut self, byte: u8) -> Result<(), Bad> {
        match self.eat(byte) {
            true => Ok(()),
            false => Err(Bad::Syntax(format!("Missing '{}'", char::from(byte)))),
        }
    }

    /// The space before an argument. More than one are put up with, as Dovecot does: some clients send them.
    pub fn space(&mut self) -> Result<(), Bad> {
        let is_there = self.eat(b' ');
        self.blanks();
        match (is_there, self.rest.is_empty()) {
            (_, true) => Err(Bad::new("Missing arguments")),
            (true, false) => Ok(()),
            (false, false) => Err(Bad::new("Expected a space")),
        }
    }

    /// Is there a further argument? Spaces at the end of a line are none.
    pub fn more(&mut self) -> bool {
        self.eat(b' ') && {
            self.blanks();
            !self.rest.is_empty()
        }
    }

    pub fn blanks(&mut self) {
        while self.eat(b' ') {}
    }

    pub fn end(&mut self) -> Result<(), Bad> {
        self.blanks();
        match self.rest.is_empty() {
            true => Ok(()),
            false => Err(Bad::new("Unexpected arguments")),
        }
    }

    pub fn tag(&mut self) -> Result<String, Bad> {
        let tag = self.take_while(|byte| is_astring(byte) && byte != b'+');
        match tag.is_empty() {
            true => Err(Bad::new("Invalid tag")),
            false => Ok(tag),
        }
    }

    /// A command's name, known or not. It is told back, so nothing but letters and signs may be in it.
    pub fn verb(&mut self) -> String {
        self.take_while(|byte| byte.is_ascii_graphic()).to_ascii_uppercase()
    }

    /// Everything up to the next space or the end.
    pub fn word(&mut self) -> String {
        self.take_while(|byte| byte != b' ')
    }

    pub fn atom(&mut self) -> Result<String, Bad> {
        let atom = self.take_while(is_atom);
        match atom.is_empty() {
            true => Err(Bad::new("Expected an atom")),
            false => Ok(atom),
        }
    }

    /// Letters, digits and what else names of attributes have, up to a bracket.
    pub fn name(&mut self) -> String {
        self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-').to_ascii_uppercase()
    }

    pub fn number(&mut self) -> Result<u64, Bad> {
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        digits.parse().map_err(|_| Bad::new("Invalid number"))
    }

    pub fn set(&mut self) -> Result<Set, Bad> {
        let text = self.take_while(|byte| byte.is_ascii_digit() || b":,*$".contains(&byte));
        Set::parse(&text).ok_or_else(|| Bad::new("Invalid messageset"))
    }

    pub fn astring(&mut self) -> Result<Vec<u8>, Bad> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => {
                let start = self.rest;
                let length = start.iter().take_while(|byte| is_astring(**byte)).count();
                self.rest = &start[length..];
                match length {
                    0 if start.is_empty() => Err(Bad::new("Missing arguments")),
                    0 => Err(Bad::new("Invalid characters in atom")),
                    _ => Ok(start[..length].to_vec()),
                }
            }
        }
    }

    pub fn text_astring(&mut self) -> Result<String, Bad> {
        String::from_utf8(self.astring()?).map_err(|_| Bad::new("String isn't UTF-8"))
    }

    pub fn nstring(&mut self) -> Result<Option<Vec<u8>>, Bad> {
        match self.eat_word("NIL") {
            true => Ok(None),
            false => self.string().map(Some),
        }
    }

    pub fn string(&mut self) -> Result<Vec<u8>, Bad> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal(),
            _ => Err(Bad::new("Expected a string")),
        }
    }

    fn quoted(&mut self) -> Result<Vec<u8>, Bad> {
        self.expect(b'"')?;
        let mut out = Vec::new();
        loop {
            let (&byte, after) = self.rest.split_first().ok_or_else(|| Bad::new("Missing '\"'"))?;
            self.rest = after;
            match byte {
                b'"' => return Ok(out),
                b'\\' => {
                    let (&escaped, after) = self.rest.split_first().ok_or_else(|| Bad::new("Missing '\"'"))?;
                    self.rest = after;
                    match escaped {
                        b'"' | b'\\' => out.push(escaped),
                        _ => return Err(Bad::new("Escaping non-special character")),
                    }
                }
                b'\r' | b'\n' | 0 => return Err(Bad::new("Invalid character in quoted string")),
                other => out.push(other),
            }
        }
    }

    /// `{n}` or `{n+}`, CRLF, n octets. The reader has put them in place; LF alone ends the line as well.
    pub fn literal(&mut self) -> Result<Vec<u8>, Bad> {
        let bad = || Bad::new("Invalid literal");
        self.expect(b'{')?;
        let count = self.number()?;
        self.eat(b'+');
        self.expect(b'}')?;
        self.eat(b'\r');
        if !self.eat(b'\n') {
            return Err(bad());
        }
        let count = usize::try_from(count).map_err(|_| bad())?;
        let octets = self.rest.get(..count).ok_or_else(bad)?;
        self.rest = &self.rest[count..];
        match octets.contains(&0) {
            // RFC 3501, 9: a literal has no NUL.
            true => Err(Bad::new("NUL in a literal")),
            false => Ok(octets.to_vec()),
        }
    }

    /// Items in parentheses, possibly none.
    pub fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T, Bad>) -> Result<Vec<T>, Bad> {
        self.expect(b'(')?;
        self.blanks();
        let mut items = Vec::new();
        while !self.eat(b')') {
            items.push(item(self)?);
            if self.peek() != Some(b')') {
                self.space()?;
            }
        }
        Ok(items)
    }

    /// Flags in parentheses, or without them as STORE allows.
    pub fn flags(&mut self) -> Result<Vec<String>, Bad> {
        if self.peek() == Some(b'(') {
            return self.list(Cursor::flag);
        }
        let mut flags = vec![self.flag()?];
        while self.more() {
            flags.push(self.flag()?);
        }
        Ok(flags)
    }

    fn flag(&mut self) -> Result<String, Bad> {
        let backslash = if self.eat(b'\\') { "\\" } else { "" };
        Ok(format!("{backslash}{}", self.atom()?))
    }

    /// `(NAME number)`: a modifier of FETCH or STORE. None: it has another name.
    pub fn modifier(&mut self, name: &str) -> Result<Option<u64>, Bad> {
        self.expect(b'(')?;
        self.blanks();
        if !self.eat_word(name) {
            return Ok(None);
        }
        self.space()?;
        let number = self.number()?;
        self.blanks();
        self.expect(b')')?;
        Ok(Some(number))
    }

    pub fn id_list(&mut self) -> Result<(), Bad> {
        if self.eat_word("NIL") {
            return Ok(());
        }
        self.list(|c| {
            c.string()?;
            c.space()?;
            c.nstring()
        })?;
        Ok(())
    }

    /// Passes over a list with whatever is in it.
    pub fn skip_list(&mut self) -> Result<(), Bad> {
        self.expect(b'(')?;
        let mut depth = 1;
        while depth > 0 {
            match self.peek() {
                None => return Err(Bad::new("Missing ')'")),
                Some(b'"' | b'{') => {
                    self.string()?;
                }
                Some(byte) => {
                    self.rest = &self.rest[1..];
                    depth = match byte {
                        b'(' if depth < DEPTH => depth + 1,
                        b'(' => return Err(Bad::new("Too many '('")),
                        b')' => depth - 1,
                        _ => depth,
                    };
                }
            }
        }
        Ok(())
    }

    /// The bytes up to the first that does not fit. Those that are not UTF-8 never fit.
    pub fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> String {
        let length = self.rest.iter().take_while(|byte| byte.is_ascii() && fits(**byte)).count();
        let (word, rest) = self.rest.split_at(length);
        self.rest = rest;
        String::from_utf8_lossy(word).into_owned()
    }
}

fn is_atom(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte)
}

/// Bytes above 127 are let through: clients send words in UTF-8 however often they are told not to.
fn is_astring(byte: u8) -> bool {
    is_atom(byte) || byte == b']' || byte >= 0x80
}
