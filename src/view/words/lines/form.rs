//! The forms that lines have in any of the protocols: replies, tags, literals, words.
//! Takes a line's text, says what it may be.
//! Does not know which protocol is spoken, nor what words mean.

use std::ops::Range;

use super::super::near::nearest;
use super::super::{Category, Protocol, entries, find};

/// The words of a line and where each begins.
pub(super) fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split(' ')
        .map(|word| (word.as_ptr() as usize - text.as_ptr() as usize, word))
        .filter(|(_, word)| !word.is_empty())
}

/// The arguments behind a place: words, or quoted strings with the spaces in them.
pub(super) fn arguments(text: &str, from: usize) -> impl Iterator<Item = Range<usize>> {
    let mut at = from;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let begin = at + rest.len() - rest.trim_start_matches(' ').len();
        let rest = text.get(begin..).filter(|rest| !rest.is_empty())?;
        let length = if rest.starts_with('"') { quoted(rest) } else { rest.find(' ').unwrap_or(rest.len()) };
        at = begin + length;
        Some(begin..at)
    })
}

/// How long the quoted string at the beginning is; all of the text if it has no end.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Without quotes round it.
pub(super) fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(text)
}

/// `{12}`, `{12+}`, `~{12}`: the whole of the text.
pub(super) fn is_literal(text: &str) -> bool {
    let text = text.trim();
    literal(text).is_some_and(|_| text.trim_start_matches('~').starts_with('{'))
}

/// How many bytes of literal follow the line, and whether the client waits before it sends them.
pub(super) fn literal(text: &str) -> Option<(u64, bool)> {
    let inside = text.trim_end().strip_suffix('}')?;
    let digits = inside.get(inside.rfind('{')? + 1..)?;
    let (digits, waits) = match digits.strip_suffix(['+', '-']) {
        Some(digits) => (digits, false),
        None => (digits, true),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten().map(|bytes| (bytes, waits))
}

/// `250-text`, `250 text`, `250`.
pub(super) fn smtp_reply(text: &str) -> Option<(&str, bool, &str)> {
    let code = text.get(..3).filter(|code| is_code(code))?;
    match text.as_bytes().get(3) {
        None => Some((code, false, "")),
        Some(b' ') => Some((code, false, &text[4..])),
        Some(b'-') => Some((code, true, &text[4..])),
        Some(_) => None,
    }
}

pub(super) fn is_code(word: &str) -> bool {
    word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// IMAP's tagged and untagged statuses.
pub(super) fn is_status(word: &str) -> bool {
    matches!(word, "OK" | "NO" | "BAD")
}

/// ManageSieve's answers: `OK`, `NO (QUOTA) "text"`, `BYE {12}`.
pub(super) fn is_sieve_status(text: &str) -> bool {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    matches!(word, "OK" | "NO" | "BYE") && (rest.is_empty() || rest.starts_with(['"', '(', '{']))
}

/// Whether a word may be the tag of an IMAP command rather than what a server's line begins with.
pub(super) fn is_tag(word: &str) -> bool {
    !matches!(word, "*" | "+" | "+OK" | "-ERR" | "OK" | "NO" | "BAD" | "BYE")
}

/// Whether only a server can have said this, in one of the protocols.
pub(super) fn is_server_s(text: &str) -> bool {
    let mut words = text.split(' ');
    let (first, second) = (words.next().unwrap_or_default(), words.next());
    match first {
        "*" => second.is_some(),
        "+" | "+OK" | "-ERR" => true,
        _ => smtp_reply(text).is_some() || is_sieve_status(text) || second.is_some_and(is_status),
    }
}

/// Whether this is a server's last word on a command: not a go-ahead, nor data beside it.
pub(super) fn is_ending(text: &str) -> bool {
    let mut words = text.split(' ');
    let (first, second) = (words.next().unwrap_or_default(), words.next());
    match first {
        "*" | "+" => false,
        "+OK" | "-ERR" => true,
        _ => match smtp_reply(text) {
            Some((code, ..)) => !code.starts_with('3'),
            None => is_sieve_status(text) || second.is_some_and(is_status),
        },
    }
}

/// The challenge in base64 behind a go-ahead.
pub(super) fn challenge_of(text: &str) -> Option<&str> {
    text.strip_prefix("334").or_else(|| text.strip_prefix('+')).map(str::trim)
}

/// Whether a word begins a command in any of the protocols without tags.
pub(super) fn is_command(word: &str) -> bool {
    [Protocol::Smtp, Protocol::Pop3, Protocol::Sieve]
        .into_iter()
        .any(|protocol| find(protocol, Category::Command, word).is_some())
}

/// Whether a word stands in a table, of whatever kind.
pub(super) fn is_word(word: &str) -> bool {
    Protocol::ALL.into_iter().flat_map(entries).any(|entry| entry.word.eq_ignore_ascii_case(word))
}

/// Whether a word is a typing error of such a command.
pub(super) fn is_nearly_command(word: &str) -> bool {
    let commands = [Protocol::Smtp, Protocol::Pop3, Protocol::Sieve].into_iter().flat_map(entries);
    nearest(word, commands.filter(|entry| entry.category == Category::Command).map(|entry| entry.word)).is_some()
}

/// Whether a program's line is a command of several words, spelled as programs do: `a0002 SELECT INBOX`, `MAIL FROM:<…>`.
pub(super) fn is_surely_command(text: &str) -> bool {
    let mut words = text.split(' ');
    let (first, second, more) = (words.next().unwrap_or_default(), words.next(), words.next().is_some());
    let is_upper = |word: &str| word.bytes().all(|byte| byte.is_ascii_uppercase());
    let tagged = second.filter(|verb| is_upper(verb) && first.bytes().any(|byte| byte.is_ascii_digit()));
    tagged.is_some_and(|verb| more && find(Protocol::Imap, Category::Command, verb).is_some())
        || (second.is_some() && is_upper(first) && is_command(first))
}

/// Whether a word is one of IMAP's untagged data or statuses, as servers write them.
pub(super) fn is_imap_data(word: &str) -> bool {
    entries(Protocol::Imap)
        .any(|entry| matches!(entry.category, Category::Data | Category::Reply) && entry.word == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_keep_quoted_strings_together() {
        let text = "LOGIN \"joe smith\" \"s\\\"e\" x \"open end";
        let found: Vec<&str> = arguments(text, 5).map(|place| &text[place]).collect();
        assert_eq!(found, ["\"joe smith\"", "\"s\\\"e\"", "x", "\"open end"]);
        assert_eq!(arguments("PASS", 4).count(), 0);
    }

    #[test]
    fn literals_are_counted() {
        assert_eq!(literal("a APPEND x {310}"), Some((310, true)));
        assert_eq!(literal("PUTSCRIPT \"x\" {31+}\r\n"), Some((31, false)));
        assert!(is_literal("~{4}") && is_literal("{4+}") && !is_literal("x {4}"));
        for none in ["a OK {x}", "{}", "{99999999999999999999999}", "}"] {
            assert_eq!(literal(none), None, "{none}");
        }
    }

    #[test]
    fn a_server_s_lines_have_their_forms() {
        for line in ["* OK hi", "+ go", "+OK", "-ERR no", "250-x", "535 no", "a1 NO no", "OK", "NO (QUOTA) \"x\""] {
            assert!(is_server_s(line), "{line}");
        }
        for line in ["*", "a1 NOOP", "EHLO x", "2500 x", "OK then", "AGpvZQ=="] {
            assert!(!is_server_s(line), "{line}");
        }
        assert!(is_ending("535-5.7.8 no") && is_ending("a1 OK done") && is_ending("-ERR"));
        assert!(!is_ending("334 ") && !is_ending("* OK still here") && !is_ending("+ "));
    }
}
