//! Mailbox names in modified UTF-7 (RFC 3501 §5.1.3).
//! Takes a name as it stands on the wire, gives it readable.
//! Does not know which bytes are mailbox names.

use std::borrow::Cow;

/// The readable name; as it came where it is no valid modified UTF-7, or already is UTF-8.
#[must_use]
pub(super) fn decode(name: &[u8]) -> Cow<'_, str> {
    if memchr::memchr(b'&', name).is_none() {
        return String::from_utf8_lossy(name);
    }
    decode_shifted(name).map_or_else(|| String::from_utf8_lossy(name), Cow::Owned)
}

fn decode_shifted(name: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(name.len());
    let mut rest = std::str::from_utf8(name).ok()?;
    while let Some((plain, after)) = rest.split_once('&') {
        text.push_str(plain);
        let (shifted, after) = after.split_once('-')?;
        if shifted.is_empty() {
            text.push('&');
        } else {
            utf16(shifted.as_bytes(), &mut text)?;
        }
        rest = after;
    }
    text.push_str(rest);
    Some(text)
}

/// Base64 with `,` in place of `/` and without padding: UTF-16, big-endian.
fn utf16(shifted: &[u8], text: &mut String) -> Option<()> {
    let mut units = Vec::with_capacity(shifted.len() / 2);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for &byte in shifted {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b',' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 16 {
            count -= 16;
            units.push(u16::try_from(bits >> count & 0xffff).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    // What is left is padding: fewer bits than a digit has, all zero.
    if count >= 6 || bits != 0 {
        return None;
    }
    for unit in char::decode_utf16(units) {
        text.push(unit.ok()?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_rfc_and_of_the_world() {
        assert_eq!(decode(b"INBOX"), "INBOX");
        assert_eq!(decode(b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"), "~peter/mail/台北/日本語");
        assert_eq!(decode(b"Entw&APw-rfe"), "Entwürfe");
        assert_eq!(decode(b"Tom &- Jerry"), "Tom & Jerry");
        assert_eq!(decode(b"&2D3eAA-"), "😀");
    }

    #[test]
    fn what_is_not_valid_stays_as_it_is() {
        for name in ["R&D", "&Jjo!-", "&2D0-", "&AP-x", "x&", "&U-"] {
            assert_eq!(decode(name.as_bytes()), name);
        }
        assert_eq!(decode("Entwürfe".as_bytes()), "Entwürfe");
        assert_eq!(decode(b"\xff&-"), "\u{fffd}&-");
    }
}
