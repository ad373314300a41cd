//! ENVELOPE: a message's main header fields, the addresses taken apart (RFC 3501, 7.4.2).
//! Takes a header; gives the parenthesised list. Encoded words stay encoded, as the client decodes them.
//! It does not know MIME.

use super::address::{Address, Addresses};
use super::mime::{fields, unfold};
use super::text::{nstring, string};

/// Addresses of one name of field.
const ADDRESSES: usize = 10_000;

const TEXTS: [&str; 4] = ["Date", "Subject", "In-Reply-To", "Message-Id"];
const LISTS: [&str; 6] = ["From", "Sender", "Reply-To", "To", "Cc", "Bcc"];

pub fn envelope(out: &mut Vec<u8>, header: &[u8]) {
    let mut texts: [Option<Vec<u8>>; TEXTS.len()] = Default::default();
    let mut lists: [List; LISTS.len()] = Default::default();
    for field in fields(header) {
        let is_it = |name: &&str| field.name.eq_ignore_ascii_case(name.as_bytes());
        if let Some(at) = TEXTS.iter().position(is_it) {
            // Of several the last counts, as for Dovecot.
            texts[at] = Some(unfold(field.value));
        } else if let Some(at) = LISTS.iter().position(is_it) {
            lists[at].read(&unfold(field.value));
        }
    }
    let [date, subject, in_reply_to, message_id] = texts;
    let [from, sender, reply_to, to, cc, bcc] = lists;
    out.push(b'(');
    nstring(out, date.as_deref());
    out.push(b' ');
    nstring(out, subject.map(|subject| for_people(&subject)).as_deref());
    for list in [&from, sender.or(&from), reply_to.or(&from), &to, &cc, &bcc] {
        out.push(b' ');
        list.write(out);
    }
    for text in [in_reply_to, message_id] {
        out.push(b' ');
        nstring(out, text.as_deref());
    }
    out.push(b')');
}

/// Addresses as they are sent.
#[derive(Debug, Default)]
struct List {
    count: usize,
    written: Vec<u8>,
}

impl List {
    fn read(&mut self, value: &[u8]) {
        for address in Addresses::new(value).take(ADDRESSES.saturating_sub(self.count)) {
            self.count += 1;
            write_address(&mut self.written, &address);
        }
    }

    fn or<'a>(&'a self, other: &'a List) -> &'a List {
        if self.count == 0 { other } else { self }
    }

    fn write(&self, out: &mut Vec<u8>) {
        if self.count == 0 {
            return out.extend_from_slice(b"NIL");
        }
        out.push(b'(');
        out.extend_from_slice(&self.written);
        out.push(b')');
    }
}

fn write_address(out: &mut Vec<u8>, address: &Address) {
    out.push(b'(');
    nstring(out, address.name.as_ref().map(|name| for_people(name)).as_deref());
    for part in [&address.route, &address.mailbox, &address.host] {
        out.push(b' ');
        match part {
            None => out.extend_from_slice(b"NIL"),
            Some(part) => string(out, part),
        }
    }
    out.push(b')');
}

/// With single spaces, as it is to be read.
fn for_people(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for word in text.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: impl AsRef<[u8]>) -> String {
        let (mut list, mut out) = (List::default(), Vec::new());
        list.read(text.as_ref());
        list.write(&mut out);
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
        assert_eq!(shown("<\"a b\"@c>, \"a \\\" b\"@c"), r#"((NIL NIL "a b" "c")(NIL NIL "a \" b" "c"))"#);
        assert_eq!(shown("N <@r1, @r2:z@w>"), r#"(("N" "@r1,@r2" "z" "w"))"#);
        assert_eq!(shown("a . \"b\" (c) . d @ e . f"), r#"(("c" NIL "a.b.d" "e.f"))"#, "RFC 5322, 4.4");
        assert_eq!(shown(""), "NIL");
        assert_eq!(shown(" (nothing) "), "NIL");
    }

    #[test]
    fn octets_stay_as_they_are() {
        let mut out = Vec::new();
        envelope(&mut out, b"From: J\xf6rg <j@x>\r\nSubject: gr\xfc\xdf\r\n\r\n");
        let from = b"(({4}\r\nJ\xf6rg NIL \"j\" \"x\"))";
        let wanted = [b"(NIL {4}\r\ngr\xfc\xdf ", &from[..], b" ", from, b" ", from, b" NIL NIL NIL NIL NIL)"].concat();
        assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&wanted));
        assert_eq!(out, wanted);
    }

    proptest! {
        #[test]
        fn any_text_has_addresses(text in "[a@<>(),:;\" \\\\.]{0,60}") {
            let _ = shown(&text);
        }
    }
}
