//! A line of mailtap's own, in place of a server's.
//! Takes a status and a text for people, which may hold what a peer said; gives a line that is one line.
//! Does not know when it is said.

/// The longest reply line, in bytes, its end included (RFC 5321 §4.5.3.1.5, RFC 1939 §3). IMAP sets no limit.
const LINE_MAX: usize = 512;

/// Status, text and line end.
pub(super) fn line(status: &str, text: &str) -> Vec<u8> {
    let room = LINE_MAX.saturating_sub(status.len() + 2);
    format!("{status}{}\r\n", plain(text, room)).into_bytes()
}

/// Text as it can stand in a line: printable ASCII only, and no more than there is room for. Names in certificates may
/// hold anything, line ends among it.
pub(super) fn plain(text: &str, room: usize) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' }).take(room).collect()
}

#[cfg(test)]
mod tests {
    use super::LINE_MAX;
    use crate::proto::{ALL, Setup, Trouble};

    #[test]
    fn trouble_and_refusals_are_one_line_whatever_a_peer_has_put_into_them() {
        let text = format!("for a\r\n* OK [ALERT] x\n+OK \"y\" \\ \u{1b}[31m\u{85}ü\0 {}", "z".repeat(3000));
        for spec in ALL {
            let troubles =
                [Trouble::Unreachable, Trouble::Tls, Trouble::Shutdown].map(|kind| (spec.trouble)(kind, &text));
            let refusals = [
                (spec.dialog)(Setup::default()).refusal(&text),
                (spec.replay.refuse)(Some("a1"), &text),
                (spec.replay.refuse)(None, &text),
            ];
            for line in troubles.iter().chain(&refusals) {
                let shown = String::from_utf8_lossy(line);
                let inner = line.strip_suffix(b"\r\n").unwrap_or_default();
                assert!(inner.iter().all(|byte| matches!(byte, b' '..=b'~')), "{}: {shown:?}", spec.name);
                // IMAP repeats a tag besides.
                assert!((20..LINE_MAX + 8).contains(&line.len()), "{}: {} bytes", spec.name, line.len());
            }
        }
    }
}
