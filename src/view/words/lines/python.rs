//! Python's way to print a line: `b'250-mail.example\r\n'`.
//! Takes text, gives what it stands for.
//! Does not know what the line says.

/// What a literal of str or bytes stands for, without a line end; and how much of the text stands before and behind it.
pub(super) fn literal(text: &str) -> Option<(String, usize, usize)> {
    let inside = text.strip_prefix('b').unwrap_or(text);
    let quote = inside.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let inside = inside[1..].trim_end().strip_suffix(quote)?;
    let before = text.len() - text.trim_start_matches('b').len() + 1;
    let after = text.len() - before - inside.len();
    let said = unescaped(inside);
    Some((said.trim_end_matches(['\r', '\n']).to_owned(), before, after))
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let mut chars = behind.chars();
        match chars.next() {
            Some('r') => bytes.push(b'\r'),
            Some('n') => bytes.push(b'\n'),
            Some('t') => bytes.push(b'\t'),
            Some('x') => match behind.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(byte) => {
                    bytes.push(byte);
                    chars = behind[3..].chars();
                }
                None => bytes.push(b'x'),
            },
            Some(other) => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            None => bytes.push(b'\\'),
        }
        rest = chars.as_str();
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_read() {
        assert_eq!(literal("b'a\\r\\n'"), Some(("a".to_owned(), 2, 1)));
        assert_eq!(literal("'it\\'s'"), Some(("it's".to_owned(), 1, 1)));
        assert_eq!(literal("\"caf\\xc3\\xa9 \\xq\\\\\""), Some(("café xq\\".to_owned(), 1, 1)));
        for none in ["", "b", "bye", "'open", "b'open", "'"] {
            assert_eq!(literal(none), None, "{none}");
        }
    }
}
