//! Lines of a session as other programs print and log them: `C:` and `S:`, telnet, openssl, Thunderbird and mutt.
//! Takes a pasted line; gives who spoke, what was said, or that the line is the program's own chatter.
//! Does not know what the words mean.

use super::Protocol;
use crate::event::Side;

/// What a client and a server's line begin with in transcripts.
const MARKS: [(&str, Side); 8] = [
    ("C:", Side::Client),
    ("S:", Side::Server),
    ("c:", Side::Client),
    ("s:", Side::Server),
    (">>>", Side::Client),
    ("<<<", Side::Server),
    (">", Side::Client),
    ("<", Side::Server),
];

/// What stands before the line itself in Thunderbird's logs (MOZ_LOG of IMAP, POP3 and SMTP).
const THUNDERBIRD: [(&str, Side); 6] = [
    ("SendData: ", Side::Client),
    ("CreateNewLineFromSocket: ", Side::Server),
    ("SEND: ", Side::Client),
    ("RECV: ", Side::Server),
    (" C: ", Side::Client),
    (" S: ", Side::Server),
];

/// How lines begin that telnet, nc and `openssl s_client` print about the connection.
const CHATTER: [&str; 14] = [
    "Trying ",
    "Connected to ",
    "Connection closed",
    "Connection to ",
    "Escape character is ",
    "CONNECTED(",
    "DONE ",
    "closed",
    "read R BLOCK",
    "read:errno=",
    "verify return:",
    "verify error:",
    "Verify return code:",
    "Verification: ",
];

/// The side that a mark at the beginning of the line names, and the line without it.
pub(super) fn side_of(line: &str) -> (Option<Side>, &str) {
    let trimmed = line.trim_start();
    if let Some(found) = logged(trimmed) {
        return found;
    }
    for (mark, side) in MARKS {
        if let Some(rest) = trimmed.strip_prefix(mark) {
            return (Some(side), rest.strip_prefix(' ').unwrap_or(rest));
        }
    }
    (None, line)
}

/// A line of Thunderbird's or mutt's log: `[2026-11-23 10:00:00] 4> a0001 NOOP`.
fn logged(line: &str) -> Option<(Option<Side>, &str)> {
    let (_, behind) = line.strip_prefix('[')?.split_once("] ").or_else(|| line.strip_prefix('[')?.split_once("]: "))?;
    let digits = behind.trim_start_matches(|c: char| c.is_ascii_digit());
    if digits.len() < behind.len() {
        let said = |mark: &str| digits.strip_prefix(mark);
        return match (said("> "), said("< ")) {
            (Some(text), _) => Some((Some(Side::Client), text)),
            (_, Some(text)) => Some((Some(Side::Server), text)),
            _ => None,
        };
    }
    let (at, mark, side) = THUNDERBIRD
        .into_iter()
        .filter_map(|(mark, side)| line.find(mark).map(|at| (at, mark, side)))
        .min_by_key(|(at, ..)| *at)?;
    Some((Some(side), &line[at + mark.len()..]))
}

/// Whether the program speaks, rather than one of the two sides.
pub(super) fn is_chatter(line: &str) -> bool {
    CHATTER.iter().any(|beginning| line.starts_with(beginning))
}

/// A client's line without what is secret in it, where there is something.
pub(super) fn masked(protocol: Option<Protocol>, in_login: bool, text: &str) -> Option<String> {
    const MARK: &str = "«redacted»";
    if in_login {
        let ends_login = text == "*" || text.is_empty() || text.ends_with('}');
        return (!ends_login).then(|| MARK.to_owned());
    }
    let words: Vec<&str> = text.split(' ').collect();
    let upper = |at: usize| words.get(at).map(|word| word.to_ascii_uppercase()).unwrap_or_default();
    let kept = match (protocol?, upper(0).as_str(), upper(1).as_str()) {
        (Protocol::Imap, _, "LOGIN" | "AUTHENTICATE") => 3,
        (Protocol::Pop3, "PASS", _) => 1,
        (Protocol::Pop3, "APOP", _) | (Protocol::Pop3 | Protocol::Smtp, "AUTH", _) => 2,
        _ => return None,
    };
    let secret = words.get(kept..).filter(|rest| !(rest.is_empty() || rest.len() == 1 && rest[0].ends_with('}')))?;
    (!secret.concat().is_empty()).then(|| format!("{} {MARK}", words[..kept].join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_of_programs_are_read_without_their_marks() {
        let client = |text| (Some(Side::Client), text);
        let server = |text| (Some(Side::Server), text);
        assert_eq!(side_of("C: a NOOP"), client("a NOOP"));
        assert_eq!(side_of("[2026-11-23 10:00:00] 4> a0001 NOOP"), client("a0001 NOOP"));
        assert_eq!(side_of("[2026-11-23 10:00:00] 4< a0001 OK [ALERT] done"), server("a0001 OK [ALERT] done"));
        assert_eq!(
            side_of("[Parent 7: IMAP]: I/IMAP 7f8e:mail.example:NA:SendData: 1 capability"),
            client("1 capability")
        );
        assert_eq!(
            side_of("[Parent 7: IMAP]: D/IMAP 7f8e:m.example:NA:CreateNewLineFromSocket: * OK C: ready"),
            server("* OK C: ready")
        );
        assert_eq!(side_of("* OK [ALERT] 4> text"), (None, "* OK [ALERT] 4> text"));
        assert_eq!(side_of("a1 NOOP"), (None, "a1 NOOP"));
    }

    #[test]
    fn chatter_is_told_from_speech() {
        assert!(is_chatter("Connection closed by foreign host."));
        assert!(is_chatter("read R BLOCK"));
        assert!(!is_chatter("DONE"));
        assert!(!is_chatter("* OK Connected to mail.example"));
    }
}
