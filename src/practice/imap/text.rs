//! Strings as IMAP sends them: quoted where that is possible, else as literals.
//! Takes bytes; appends their wire form.
//! It does not know what they mean.

/// Octets above which a string is sent as a literal.
const QUOTED: usize = 4096;

/// NIL for nothing.
pub fn nstring(out: &mut Vec<u8>, text: Option<&[u8]>) {
    match text {
        None => out.extend_from_slice(b"NIL"),
        Some(text) => string(out, text),
    }
}

pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    let is_quotable = |byte: &u8| byte.is_ascii() && !matches!(byte, b'\r' | b'\n' | 0);
    if text.len() > QUOTED || !text.iter().all(is_quotable) {
        return literal(out, text);
    }
    out.push(b'"');
    for &byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

pub fn literal(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(format!("{{{}}}\r\n", text.len()).as_bytes());
    out.extend_from_slice(text);
}

/// A mailbox's name: an atom where it is one.
pub fn mailbox(name: &str) -> String {
    let encoded = super::super::store::to_modified_utf7(name);
    let is_atom = |byte: u8| byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte);
    if !encoded.is_empty() && !encoded.eq_ignore_ascii_case("NIL") && encoded.bytes().all(is_atom) {
        return encoded;
    }
    let mut out = Vec::new();
    string(&mut out, encoded.as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}
