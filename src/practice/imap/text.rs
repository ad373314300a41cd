//! Strings as IMAP sends them: quoted where that is possible, else as literals.
//! Takes bytes; appends their wire form.
//! It does not know what they mean.

use std::io;

use super::super::limits::WRITE_BUFFER;
use super::super::store::to_modified_utf7;
use super::super::wire::Wire;

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
    match text.len() <= QUOTED && text.iter().all(is_quotable) {
        true => quoted(out, text),
        false => literal(out, text),
    }
}

fn quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

fn literal(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(format!("{{{}}}\r\n", text.len()).as_bytes());
    let start = out.len();
    out.extend_from_slice(text);
    without_nul(&mut out[start..]);
}

/// A long literal's octets, piece by piece.
pub async fn send_octets(wire: &mut Wire, octets: &[u8]) -> io::Result<()> {
    if memchr::memchr(0, octets).is_none() {
        return wire.push_long(octets).await;
    }
    for piece in octets.chunks(WRITE_BUFFER) {
        let mut piece = piece.to_vec();
        without_nul(&mut piece);
        wire.push_long(&piece).await?;
    }
    Ok(())
}

/// A literal may hold every octet but NUL (RFC 3501, 9). What came with one is given with 0x80, as Dovecot does.
fn without_nul(octets: &mut [u8]) {
    for octet in octets.iter_mut().filter(|octet| **octet == 0) {
        *octet = 0x80;
    }
}

/// A mailbox's name: an atom where it is one, else quoted, so that it may stand in a line's text as well. In modified
/// UTF-7 nothing is left that could not.
pub fn mailbox(name: &str) -> String {
    let encoded = to_modified_utf7(name);
    let is_atom = |byte: u8| byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte);
    if !encoded.is_empty() && !encoded.eq_ignore_ascii_case("NIL") && encoded.bytes().all(is_atom) {
        return encoded;
    }
    let mut out = Vec::new();
    quoted(&mut out, encoded.as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}
