//! Mailbox names: which are allowed, and the modified UTF-7 they travel and are stored in (RFC 3501, 5.1.3).
//! Takes and gives names in UTF-8 with `/` between levels.
//! It does not know which mailboxes there are.

use super::Refusal;

pub const INBOX: &str = "INBOX";
pub const SEPARATOR: char = '/';

/// Octets of a name in modified UTF-7: a Maildir++ folder is one file name, which most file systems end at 255.
const NAME: usize = 240;
/// Levels of a name.
const DEPTH: usize = 20;

/// INBOX is one mailbox in any case, also as the first level of a name.
#[must_use]
pub fn normal(name: &str) -> String {
    let (first, rest) = name.split_once(SEPARATOR).map_or((name, None), |(first, rest)| (first, Some(rest)));
    match rest {
        _ if !first.eq_ignore_ascii_case(INBOX) => name.to_owned(),
        Some(rest) => format!("{INBOX}{SEPARATOR}{rest}"),
        None => INBOX.to_owned(),
    }
}

/// May a mailbox be called so?
pub fn check(name: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err(Refusal::Name("Invalid mailbox name: Name is empty"));
    }
    if name.starts_with(SEPARATOR) || name.starts_with('~') {
        return Err(Refusal::Name("Invalid mailbox name: Begins with a character not allowed there"));
    }
    if name.ends_with(SEPARATOR) || name.contains("//") {
        return Err(Refusal::Name("Invalid mailbox name: Has adjacent hierarchy separators"));
    }
    if name.contains('.') {
        // The Maildir++ layout has `.` between levels; memory keeps to the same names.
        return Err(Refusal::Name("Invalid mailbox name: Character not allowed in mailbox name: '.'"));
    }
    if name.chars().any(char::is_control) || name.contains(['*', '%']) {
        return Err(Refusal::Name("Invalid mailbox name: Character not allowed in mailbox name"));
    }
    if to_modified_utf7(name).len() > NAME || name.split(SEPARATOR).count() > DEPTH {
        return Err(Refusal::Name("Mailbox name too long"));
    }
    Ok(())
}

/// Base64 with `,` for `/` and without padding.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

#[must_use]
pub fn to_modified_utf7(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut units: Vec<u16> = Vec::new();
    for character in name.chars() {
        if (' '..='~').contains(&character) {
            close_shift(&mut units, &mut out);
            out.push(character);
            if character == '&' {
                out.push('-');
            }
        } else {
            units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
        }
    }
    close_shift(&mut units, &mut out);
    out
}

/// Nothing: the bytes are not modified UTF-7. Encodings that are longer than needed are read all the same.
#[must_use]
pub fn from_modified_utf7(bytes: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'&' => {
                let end = rest.iter().position(|b| *b == b'-')?;
                let shifted = rest.get(..end)?;
                rest = rest.get(end + 1..)?;
                match shifted.is_empty() {
                    true => out.push('&'),
                    false => out.push_str(&read_shift(shifted)?),
                }
            }
            b' '..=b'~' => out.push(char::from(byte)),
            _ => return None,
        }
    }
    Some(out)
}

fn close_shift(units: &mut Vec<u16>, out: &mut String) {
    if units.is_empty() {
        return;
    }
    out.push('&');
    let (mut bits, mut count) = (0u32, 0);
    for unit in units.drain(..) {
        bits = (bits << 16) | u32::from(unit);
        count += 16;
        while count >= 6 {
            count -= 6;
            out.push(char::from(ALPHABET[(bits >> count) as usize & 63]));
        }
        bits &= (1 << count) - 1;
    }
    if count > 0 {
        out.push(char::from(ALPHABET[(bits << (6 - count)) as usize & 63]));
    }
    out.push('-');
}

fn read_shift(shifted: &[u8]) -> Option<String> {
    let mut units = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for byte in shifted {
        bits = (bits << 6) | ALPHABET.iter().position(|b| b == byte)? as u32;
        count += 6;
        if count >= 16 {
            count -= 16;
            units.push((bits >> count) as u16);
            bits &= (1 << count) - 1;
        }
    }
    String::from_utf16(&units).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modified_utf7_has_the_rfcs_spelling() {
        assert_eq!(to_modified_utf7("~peter/mail/台北/日本語"), "~peter/mail/&U,BTFw-/&ZeVnLIqe-");
        assert_eq!(from_modified_utf7(b"~peter/mail/&U,BTFw-/&ZeVnLIqe-").as_deref(), Some("~peter/mail/台北/日本語"));
        assert_eq!(to_modified_utf7("a&b"), "a&-b");
        assert_eq!(from_modified_utf7(b"&unended"), None);
    }

    #[test]
    fn names_come_back() {
        for name in ["Entwürfe", "a & b", "😀/x", "ÄÖÜ-äöü", "&", "é"] {
            assert_eq!(from_modified_utf7(to_modified_utf7(name).as_bytes()).as_deref(), Some(name));
        }
    }

    #[test]
    fn inbox_has_no_case() {
        assert_eq!(normal("inbox"), "INBOX");
        assert_eq!(normal("iNbOx/Sub"), "INBOX/Sub");
        assert_eq!(normal("inboxes"), "inboxes");
    }
}
