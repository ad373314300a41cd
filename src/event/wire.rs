//! Bytes from the wire as JSON, without losing one: a string where they are UTF-8, base64 where they are not.
//! Takes bytes, appends text to the caller's buffer; the way back is in `read`.
//! Does not know what the bytes mean.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Appends `"wire":"…"` or `"wire_b64":"…"`, with a comma before it.
pub fn wire_field(out: &mut Vec<u8>, bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        out.reserve(text.len() + text.len() / 16 + 16);
        out.extend_from_slice(b",\"wire\":\"");
        escape(out, text.as_bytes());
    } else {
        out.extend_from_slice(b",\"wire_b64\":\"");
        let start = out.len();
        out.resize(start + base64::encoded_len(bytes.len(), true).unwrap_or(0), 0);
        let room = out.get_mut(start..).unwrap_or_default();
        let written = STANDARD.encode_slice(bytes, room).unwrap_or(0);
        out.truncate(start + written);
    }
    out.push(b'"');
}

/// Appends text as the inside of a JSON string.
pub fn escape_into(out: &mut String, text: &str) {
    if clean_prefix(text.as_bytes()) == text.len() {
        return out.push_str(text);
    }
    let mut bytes = std::mem::take(out).into_bytes();
    escape(&mut bytes, text.as_bytes());
    // Escaping only ever puts ASCII between the spans of valid text.
    *out = String::from_utf8(bytes).unwrap_or_default();
}

/// Appends UTF-8 as the inside of a JSON string: spans that need nothing are copied whole.
pub(super) fn escape(out: &mut Vec<u8>, mut rest: &[u8]) {
    while !rest.is_empty() {
        let (span, after) = rest.split_at(clean_prefix(rest));
        out.extend_from_slice(span);
        rest = after;
        // Where one byte needs an escape the next may too: blocks are looked at again only behind the last of them.
        while let Some((&byte, after)) = rest.split_first()
            && needs_escape(byte)
        {
            // Nearly every span of mail ends so.
            if let Some(after) = rest.strip_prefix(b"\r\n") {
                out.extend_from_slice(b"\\r\\n");
                rest = after;
                continue;
            }
            escape_byte(out, byte);
            rest = after;
        }
    }
}

fn escape_byte(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        control => {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            let digit = |nibble: u8| HEX.get(usize::from(nibble & 15)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(control >> 4), digit(control)]);
        }
    }
}

/// How many bytes from the start need no escape. Blocks are tested whole, in a form that the compiler makes vector
/// instructions of; the place within a block is found eight bytes at a time.
fn clean_prefix(bytes: &[u8]) -> usize {
    let (blocks, tail) = bytes.as_chunks::<32>();
    let mut done = 0;
    for block in blocks {
        if block.iter().fold(false, |hit, &byte| hit | needs_escape(byte)) {
            return done + clean_words(block);
        }
        done += block.len();
    }
    done + clean_words(tail)
}

fn needs_escape(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// Eight bytes at a time: a byte below 0x20, a quote or a backslash sets its high bit in `hit`; false hits can only
/// follow a true one, and the lowest set bit is looked at.
fn clean_words(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero_in = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let mut done = 0;
    let (words, tail) = bytes.as_chunks::<8>();
    for chunk in words {
        let word = u64::from_le_bytes(*chunk);
        let below_space = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let hit = below_space | zero_in(word ^ (ONES * u64::from(b'"'))) | zero_in(word ^ (ONES * u64::from(b'\\')));
        if hit != 0 {
            return done + (hit.trailing_zeros() / 8) as usize;
        }
        done += 8;
    }
    done + tail.iter().position(|&byte| needs_escape(byte)).unwrap_or(tail.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn field(bytes: &[u8]) -> Value {
        let mut out = b"{\"x\":0".to_vec();
        wire_field(&mut out, bytes);
        out.push(b'}');
        serde_json::from_slice(&out).unwrap()
    }

    proptest! {
        #[test]
        fn text_comes_back(text in "\\PC*|[\\x00-\\x7f\"\\\\é]*") {
            let value = field(text.as_bytes());
            prop_assert_eq!(value["wire"].as_str(), Some(text.as_str()));
        }

        #[test]
        fn bytes_come_back(bytes: Vec<u8>) {
            let value = field(&bytes);
            let back = match value.get("wire") {
                Some(text) => text.as_str().unwrap().as_bytes().to_vec(),
                None => STANDARD.decode(value["wire_b64"].as_str().unwrap()).unwrap(),
            };
            prop_assert_eq!(back, bytes);
        }
    }

    #[test]
    fn every_byte_below_space_is_escaped_at_every_place() {
        for byte in 0..=0x7f_u8 {
            for place in 0..20 {
                let mut bytes = vec![b'a'; 20];
                bytes[place] = byte;
                assert_eq!(field(&bytes)["wire"].as_str().unwrap().as_bytes(), bytes);
            }
        }
    }
}
