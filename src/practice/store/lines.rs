//! Line ends: CRLF as messages travel, LF as Maildirs store them.
//! Takes a message's bytes; gives them with the other line ends.
//! It does not know where they come from or go.

use std::borrow::Cow;

/// Every bare LF as CRLF.
pub fn with_crlf(bytes: &[u8]) -> Cow<'_, [u8]> {
    let bare: Vec<usize> = bare_line_ends(bytes).collect();
    if bare.is_empty() {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len() + bare.len());
    let mut from = 0;
    for at in bare {
        out.extend_from_slice(&bytes[from..at]);
        out.push(b'\r');
        from = at;
    }
    out.extend_from_slice(&bytes[from..]);
    Cow::Owned(out)
}

/// How long it is with them.
pub fn size_with_crlf(bytes: &[u8]) -> u64 {
    (bytes.len() + bare_line_ends(bytes).count()) as u64
}

fn bare_line_ends(bytes: &[u8]) -> impl Iterator<Item = usize> {
    memchr::memchr_iter(b'\n', bytes).filter(|&at| at == 0 || bytes[at - 1] != b'\r')
}

/// Every CRLF as LF. What has more than one CR before a LF does not come back from it as it was.
pub fn with_lf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for at in memchr::memchr_iter(b'\n', bytes) {
        if at > from && bytes[at - 1] == b'\r' {
            out.extend_from_slice(&bytes[from..at - 1]);
            from = at;
        }
    }
    out.extend_from_slice(&bytes[from..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_changed_and_changed_back() {
        let wire = b"a\r\n\r\nb\r\r\nc";
        assert_eq!(with_lf(wire), b"a\n\nb\r\nc");
        let crlf = |bytes: &[u8]| with_crlf(bytes).into_owned();
        assert_eq!(crlf(b"\na\n\nb\r\nc\n"), b"\r\na\r\n\r\nb\r\nc\r\n");
        assert_eq!(crlf(&with_lf(b"x\r\n.\r\n")), b"x\r\n.\r\n");
        for bytes in [b"".as_slice(), b"\n", b"a\r\n\nb\r\r\n\n"] {
            assert_eq!(size_with_crlf(bytes), crlf(bytes).len() as u64);
        }
    }
}
