//! ENVELOPE: a message's main header fields, the addresses taken apart (RFC 3501, 7.4.2).
//! Takes a header; gives the parenthesised list. Encoded words stay encoded, as the client decodes them.
//! It does not know MIME.

use super::mime::{fields, unfold};
use super::text::{nstring, string};

/// One address, or a group's begin or end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    name: Option<String>,
    mailbox: Option<String>,
    host: Option<String>,
}

/// Addresses in one field.
const ADDRESSES: usize = 10_000;

pub fn envelope(out: &mut Vec<u8>, header: &[u8]) {
    let value = |name: &str| {
        fields(header).find(|field| field.name.eq_ignore_ascii_case(name.as_bytes())).map(|field| unfold(field.value))
    };
    let list = |name: &str| {
        let wanted = fields(header).filter(|field| field.name.eq_ignore_ascii_case(name.as_bytes()));
        wanted.flat_map(|field| addresses(&String::from_utf8_lossy(&unfold(field.value)))).collect::<Vec<Address>>()
    };
    out.push(b'(');
    nstring(out, value("Date").as_deref());
    out.push(b' ');
    nstring(out, value("Subject").as_deref());
    let from = list("From");
    for name in ["From", "Sender", "Reply-To", "To", "Cc", "Bcc"] {
        out.push(b' ');
        let mut found = list(name);
        if found.is_empty() && matches!(name, "Sender" | "Reply-To") {
            found.clone_from(&from);
        }
        address_list(out, &found);
    }
    for name in ["In-Reply-To", "Message-Id"] {
        out.push(b' ');
        nstring(out, value(name).as_deref());
    }
    out.push(b')');
}

fn address_list(out: &mut Vec<u8>, addresses: &[Address]) {
    if addresses.is_empty() {
        return out.extend_from_slice(b"NIL");
    }
    out.push(b'(');
    for address in addresses {
        out.push(b'(');
        nstring(out, address.name.as_deref().map(str::as_bytes));
        // The source route, which nobody writes any more.
        out.extend_from_slice(b" NIL ");
        nstring(out, address.mailbox.as_deref().map(str::as_bytes));
        out.push(b' ');
        match &address.host {
            None => out.extend_from_slice(b"NIL"),
            Some(host) => string(out, host.as_bytes()),
        }
        out.push(b')');
    }
    out.push(b')');
}

/// Takes an address list apart; what makes no sense is kept as well as it goes.
#[must_use]
pub fn addresses(text: &str) -> Vec<Address> {
    let mut found = Vec::new();
    let mut pending = Pending::default();
    let mut in_group = false;
    for token in tokens(text) {
        match token {
            Token::Comma => pending.finish(&mut found),
            Token::Colon if !in_group && !pending.angle => {
                let name = std::mem::take(&mut pending).words.join(" ");
                found.push(Address { mailbox: Some(name), ..Address::default() });
                in_group = true;
            }
            Token::Semicolon if in_group => {
                pending.finish(&mut found);
                found.push(Address::default());
                in_group = false;
            }
            Token::Colon => pending.words.push(":".to_owned()),
            Token::Semicolon => pending.finish(&mut found),
            Token::Angle(spec) => {
                pending.angle = true;
                pending.spec = spec;
            }
            Token::Word(word) => pending.words.push(word),
            Token::Comment(comment) => pending.comment = Some(comment),
        }
        if found.len() >= ADDRESSES {
            return found;
        }
    }
    pending.finish(&mut found);
    if in_group {
        found.push(Address::default());
    }
    found
}

#[derive(Debug, Default)]
struct Pending {
    words: Vec<String>,
    angle: bool,
    spec: String,
    comment: Option<String>,
}

impl Pending {
    fn finish(&mut self, found: &mut Vec<Address>) {
        let pending = std::mem::take(self);
        if pending.angle {
            let name = (!pending.words.is_empty()).then(|| pending.words.join(" ")).or(pending.comment);
            let (mailbox, host) = parts(&pending.spec);
            found.push(Address { name, mailbox: Some(mailbox), host: Some(host) });
        } else if !pending.words.is_empty() {
            // Blanks around `@` and dots are not part of the address.
            let (mailbox, host) = parts(&pending.words.concat());
            found.push(Address { name: pending.comment, mailbox: Some(mailbox), host: Some(host) });
        }
    }
}

fn parts(spec: &str) -> (String, String) {
    // `<@route:user@host>`
    let spec = if spec.starts_with('@') { spec.split_once(':').map_or(spec, |(_, rest)| rest) } else { spec };
    match spec.rsplit_once('@') {
        Some((mailbox, host)) => (or_missing(mailbox, "MISSING_MAILBOX"), or_missing(host, "MISSING_DOMAIN")),
        None => (or_missing(spec, "MISSING_MAILBOX"), "MISSING_DOMAIN".to_owned()),
    }
}

fn or_missing(text: &str, missing: &str) -> String {
    if text.is_empty() { missing.to_owned() } else { text.to_owned() }
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Angle(String),
    Comment(String),
    Comma,
    Colon,
    Semicolon,
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut characters = text.chars().peekable();
    while let Some(&next) = characters.peek() {
        match next {
            ' ' | '\t' => {
                characters.next();
            }
            ',' | ':' | ';' => {
                characters.next();
                tokens.push(match next {
                    ',' => Token::Comma,
                    ':' => Token::Colon,
                    _ => Token::Semicolon,
                });
            }
            '"' => {
                characters.next();
                tokens.push(Token::Word(enclosed(&mut characters, None, '"')));
            }
            '(' => {
                characters.next();
                tokens.push(Token::Comment(enclosed(&mut characters, Some('('), ')')));
            }
            '<' => {
                characters.next();
                let inner = enclosed(&mut characters, None, '>');
                tokens.push(Token::Angle(inner.chars().filter(|c| !matches!(c, ' ' | '\t' | '"')).collect()));
            }
            _ => {
                let mut word = String::new();
                while let Some(c) = characters.next_if(|c| !" \t,:;\"(<".contains(*c)) {
                    word.push(c);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    tokens
}

/// Up to the closing character, backslashes taken out; `open` nests.
fn enclosed(characters: &mut impl Iterator<Item = char>, open: Option<char>, close: char) -> String {
    let mut inner = String::new();
    let mut depth = 1;
    while let Some(character) = characters.next() {
        if character == '\\' {
            inner.extend(characters.next());
            continue;
        }
        if character == close {
            depth -= 1;
            if depth == 0 {
                break;
            }
        } else if Some(character) == open {
            depth += 1;
        }
        inner.push(character);
    }
    inner
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        let mut out = Vec::new();
        address_list(&mut out, &addresses(text));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn addresses_of_every_form() {
        assert_eq!(shown("a@b"), r#"((NIL NIL "a" "b"))"#);
        assert_eq!(shown("\"Doe, J.\" <j@d>, x@y (why)"), r#"(("Doe, J." NIL "j" "d")("why" NIL "x" "y"))"#);
        assert_eq!(
            shown("team: a@b, c@d;, e@f"),
            r#"((NIL NIL "team" NIL)(NIL NIL "a" "b")(NIL NIL "c" "d")(NIL NIL NIL NIL)(NIL NIL "e" "f"))"#
        );
        assert_eq!(shown("undisclosed-recipients:;"), r#"((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL))"#);
        assert_eq!(shown("=?utf-8?q?J=C3=B6rg?= Doe <j@d>"), r#"(("=?utf-8?q?J=C3=B6rg?= Doe" NIL "j" "d"))"#);
        assert_eq!(shown(""), "NIL");
    }

    proptest! {
        #[test]
        fn any_text_has_addresses(text in "[a@<>(),:;\" \\\\.]{0,60}") {
            let _ = shown(&text);
        }
    }
}
