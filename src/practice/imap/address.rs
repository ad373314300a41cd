//! Address lists: the addresses and groups of a header field (RFC 5322, 3.4 and 4.4), taken apart byte by byte.
//! Takes an unfolded value; gives each address as soon as it is read. What makes no sense is told as Dovecot tells it.
//! It does not know how ENVELOPE writes them.

/// One address. A group's begin has a mailbox and no host, its end has neither.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    pub name: Option<Vec<u8>>,
    /// The source route, which nobody writes any more.
    pub route: Option<Vec<u8>>,
    pub mailbox: Option<Vec<u8>>,
    pub host: Option<Vec<u8>>,
}

/// The addresses of a field, up to the first thing that is none.
#[derive(Debug)]
pub struct Addresses<'a> {
    words: Words<'a>,
    next: Next,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Address,
    Member,
    GroupEnd,
    Nothing,
}

impl<'a> Addresses<'a> {
    #[must_use]
    pub fn new(value: &'a [u8]) -> Self {
        let mut words = Words { rest: value, comment: b"" };
        words.blanks();
        Addresses { next: words.or_nothing(Next::Address), words }
    }

    fn group_or_address(&mut self) -> Address {
        let mut ahead = self.words;
        let name = ahead.phrase();
        if !name.is_empty() && ahead.eat(b':') {
            self.words = ahead;
            self.next = if self.words.is_at(b';') { Next::GroupEnd } else { Next::Member };
            return Address { mailbox: Some(name), ..Address::default() };
        }
        let address = self.words.address();
        self.next = if self.words.eat(b',') { self.words.or_nothing(Next::Address) } else { Next::Nothing };
        address
    }

    fn member(&mut self) -> Address {
        let address = self.words.address();
        let goes_on = self.words.eat(b',') && !self.words.is_at(b';');
        self.next = if goes_on { Next::Member } else { Next::GroupEnd };
        address
    }

    fn group_end(&mut self) -> Address {
        let goes_on = self.words.eat(b';') && self.words.eat(b',');
        self.next = if goes_on { self.words.or_nothing(Next::Address) } else { Next::Nothing };
        Address::default()
    }
}

impl Iterator for Addresses<'_> {
    type Item = Address;

    fn next(&mut self) -> Option<Address> {
        match self.next {
            Next::Address => Some(self.group_or_address()),
            Next::Member => Some(self.member()),
            Next::GroupEnd => Some(self.group_end()),
            Next::Nothing => None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Words<'a> {
    rest: &'a [u8],
    /// The last one passed over: for some programs it is the name.
    comment: &'a [u8],
}

impl Words<'_> {
    /// `name <address>`, or an address with perhaps a comment.
    fn address(&mut self) -> Address {
        let mut ahead = *self;
        let name = ahead.phrase();
        let mut address = if ahead.is_at(b'<') {
            *self = ahead;
            Address { name: Some(name).filter(|name| !name.is_empty()), ..self.angle() }
        } else {
            self.plain()
        };
        address.mailbox.get_or_insert_with(|| b"MISSING_MAILBOX".to_vec());
        address.host.get_or_insert_with(|| b"MISSING_DOMAIN".to_vec());
        address
    }

    fn angle(&mut self) -> Address {
        let mut address = Address::default();
        self.eat(b'<');
        if self.is_at(b'@') {
            address.route = Some(self.route().unwrap_or_else(|| b"INVALID_ROUTE".to_vec()));
        }
        address.mailbox = self.local();
        let mut is_sound = true;
        if self.eat(b'@') {
            address.host = self.domain();
            is_sound = address.host.is_some();
        }
        if !is_sound || !self.eat(b'>') {
            address.host = Some(b"SYNTAX_ERROR".to_vec());
        }
        address
    }

    /// `@host,@host:`
    fn route(&mut self) -> Option<Vec<u8>> {
        let mut route = Vec::new();
        while self.eat(b'@') {
            if !route.is_empty() {
                route.push(b',');
            }
            route.push(b'@');
            route.extend(self.domain()?);
            while self.eat(b',') {}
        }
        self.eat(b':').then_some(route)
    }

    fn plain(&mut self) -> Address {
        self.comment = b"";
        let starts_quoted = self.is_at(b'"');
        let mailbox = self.local();
        let is_quoted = starts_quoted && mailbox.is_some();
        let at = self.eat(b'@');
        let host = if at { self.domain() } else { None };
        if !self.comment.is_empty() {
            return Address { name: Some(unescaped(self.comment)), mailbox, host, ..Address::default() };
        }
        let more = if at || mailbox.is_none() { Vec::new() } else { self.phrase() };
        if at || (more.is_empty() && !is_quoted) {
            return Address { mailbox, host, ..Address::default() };
        }
        // Several words and no address behind them, or quotes: a name without an address.
        let mut name = mailbox.unwrap_or_default();
        if !more.is_empty() {
            name.push(b' ');
            name.extend(more);
        }
        Address { name: Some(name), ..Address::default() }
    }

    /// Words and dots with one space between them, as a display name has them.
    fn phrase(&mut self) -> Vec<u8> {
        let mut phrase = Vec::new();
        let mut is_first = true;
        while let Some(word) = self.word(|byte| is_atext(byte) || byte == b'.') {
            if !std::mem::take(&mut is_first) {
                phrase.push(b' ');
            }
            phrase.extend(word);
        }
        phrase
    }

    /// Words with dots between them; blanks and comments may stand around the dots.
    fn local(&mut self) -> Option<Vec<u8>> {
        let before = self.rest.len();
        let mut local = self.word(is_atext).unwrap_or_default();
        while self.eat(b'.') {
            local.push(b'.');
            local.extend(self.word(is_atext).unwrap_or_default());
        }
        (self.rest.len() < before).then_some(local)
    }

    fn domain(&mut self) -> Option<Vec<u8>> {
        if !self.is_at(b'[') {
            return self.local();
        }
        let end = self.rest.iter().position(|byte| *byte == b']')? + 1;
        let (literal, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.blanks();
        Some(literal.to_vec())
    }

    /// A quoted string, or the bytes that fit; and the blanks behind it.
    fn word(&mut self, fits: impl Fn(u8) -> bool) -> Option<Vec<u8>> {
        if self.is_at(b'"') {
            return self.quoted();
        }
        let length = self.rest.iter().take_while(|byte| fits(**byte)).count();
        let (word, rest) = self.rest.split_at(length);
        self.rest = rest;
        self.blanks();
        (length > 0).then(|| word.to_vec())
    }

    /// None: it does not end, and nothing can be read behind it.
    fn quoted(&mut self) -> Option<Vec<u8>> {
        let mut word = Vec::new();
        let mut bytes = std::mem::take(&mut self.rest)[1..].iter();
        while let Some(&byte) = bytes.next() {
            match byte {
                b'"' => {
                    self.rest = bytes.as_slice();
                    self.blanks();
                    return Some(word);
                }
                b'\\' => word.extend(bytes.next()),
                other => word.push(other),
            }
        }
        None
    }

    fn is_at(&self, byte: u8) -> bool {
        self.rest.first() == Some(&byte)
    }

    fn or_nothing(&self, next: Next) -> Next {
        if self.rest.is_empty() { Next::Nothing } else { next }
    }

    /// Takes the byte if it comes next, and the blanks behind it.
    fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.is_at(byte);
        if is_next {
            self.rest = &self.rest[1..];
            self.blanks();
        }
        is_next
    }

    /// Passes over blanks and comments.
    fn blanks(&mut self) {
        while let Some((&byte, after)) = self.rest.split_first() {
            match byte {
                b' ' | b'\t' => self.rest = after,
                b'(' => {
                    let length = comment(after);
                    self.comment = &after[..length];
                    self.rest = after.get(length + 1..).unwrap_or_default();
                }
                _ => return,
            }
        }
    }
}

/// Octets up to the parenthesis that closes; comments nest.
fn comment(bytes: &[u8]) -> usize {
    let mut depth = 1;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'(' => depth += 1,
            b')' if depth == 1 => return at,
            b')' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\\' => out.extend(bytes.next()),
            other => out.push(other),
        }
    }
    out
}

fn is_atext(byte: u8) -> bool {
    (byte.is_ascii_graphic() && !b"()<>[]:;@\\,.\"".contains(&byte)) || byte >= 0x80
}
