//! Which protocol a pasted line can only be of.
//! Takes a line, gives a protocol or none: prose, and what several protocols have in common, decides nothing.
//! Does not remember lines.

use super::super::{Category, Protocol, find};
use super::form::{is_imap_data, is_sieve_status, is_status, smtp_reply, unquoted};
use super::imap_verb;
use crate::event::Side;

pub(super) fn guess(from: Option<Side>, text: &str) -> Option<Protocol> {
    if from != Some(Side::Client)
        && let Some(protocol) = of_server(text)
    {
        return Some(protocol);
    }
    if from != Some(Side::Server) { of_client(from, text) } else { None }
}

/// A greeting that another protocol than the one so far begins with: a second session was pasted.
pub(super) fn greeting(from: Option<Side>, text: &str) -> Option<Protocol> {
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    let word = rest.split(' ').next().unwrap_or_default();
    match first {
        _ if from == Some(Side::Client) => None,
        "*" => matches!(word, "OK" | "PREAUTH").then_some(Protocol::Imap),
        "+OK" => Some(Protocol::Pop3),
        "220" => Some(Protocol::Smtp),
        "\"IMPLEMENTATION\"" => Some(Protocol::Sieve),
        _ => None,
    }
}

fn of_server(text: &str) -> Option<Protocol> {
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    let second = rest.split(' ').next().unwrap_or_default();
    if first == "*" {
        return names_data(rest).then_some(Protocol::Imap);
    }
    if matches!(first, "+OK" | "-ERR") {
        return Some(Protocol::Pop3);
    }
    if is_sieve_status(text) && text != "OK" && text != "NO" {
        return Some(Protocol::Sieve);
    }
    let name = unquoted(first);
    if name.len() + 2 == first.len() && find(Protocol::Sieve, Category::Capability, name).is_some() {
        return Some(Protocol::Sieve);
    }
    if let Some((code, ..)) = smtp_reply(text) {
        return find(Protocol::Smtp, Category::Reply, code).map(|_| Protocol::Smtp);
    }
    let tagged = is_status(second) && first.bytes().all(|byte| byte.is_ascii_alphanumeric());
    // `everything OK` is no answer; tags of programs have a number in them, those of people are short.
    (tagged && (first.len() <= 3 || first.bytes().any(|byte| byte.is_ascii_digit()))).then_some(Protocol::Imap)
}

/// Whether a star is followed by a word that servers say behind it, as they write it.
pub(super) fn names_data(rest: &str) -> bool {
    let (first, behind) = rest.split_once(' ').unwrap_or((rest, ""));
    let is_number = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
    is_imap_data(if is_number { behind.split(' ').next().unwrap_or_default() } else { first })
}

fn of_client(from: Option<Side>, text: &str) -> Option<Protocol> {
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    let is_typed = |word: &str| from.is_some() || one_case(word);
    let (verb, argument) = imap_verb(rest);
    let word = rest.split(' ').next().unwrap_or_default();
    if find(Protocol::Imap, Category::Command, &verb).is_some() && is_typed(word) && is_tagged(first, word) {
        return Some(Protocol::Imap);
    }
    let known = |protocol| find(protocol, Category::Command, first).is_some();
    // Which quotes its arguments is ManageSieve, whatever other protocols know the verb.
    if known(Protocol::Sieve) && (rest.starts_with('"') || argument.starts_with('"')) {
        return Some(Protocol::Sieve);
    }
    let mut of = [Protocol::Smtp, Protocol::Pop3, Protocol::Sieve].into_iter().filter(|protocol| known(*protocol));
    match (of.next(), of.next()) {
        (Some(protocol), None) if is_typed(first) => Some(protocol),
        _ => None,
    }
}

/// `SELECT` and `select`, but not `Select`, with which a sentence begins.
fn one_case(word: &str) -> bool {
    !(word.bytes().any(|byte| byte.is_ascii_uppercase()) && word.bytes().any(|byte| byte.is_ascii_lowercase()))
}

/// Whether the first word may be a tag. `I select things` is no command; `a select inbox` is.
pub(super) fn is_tagged(tag: &str, verb: &str) -> bool {
    let is_word =
        !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    let has_number = tag.bytes().any(|byte| byte.is_ascii_digit());
    let by_hand = tag.len() <= 3 && tag.bytes().all(|byte| byte.is_ascii_lowercase());
    is_word && (has_number || by_hand || verb.bytes().all(|byte| byte.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn guesses(line: &str, protocol: Option<Protocol>) {
        assert_eq!(guess(None, line), protocol, "{line}");
    }

    #[test]
    fn one_line_is_enough_where_only_one_protocol_has_it() {
        for line in ["* OK ready", "* 3 EXISTS", "a1 OK done", "a UID FETCH 1:* FLAGS", "1 capability", "250 LOGIN a b"]
        {
            guesses(line, Some(if line.starts_with("250") { Protocol::Smtp } else { Protocol::Imap }));
        }
        for line in ["220 mail.example", "ehlo there", "MAIL FROM:<a@b.example>", "250-SIZE"] {
            guesses(line, Some(Protocol::Smtp));
        }
        for line in ["+OK", "-ERR no", "RETR 1", "PASS x"] {
            guesses(line, Some(Protocol::Pop3));
        }
        for line in
            ["\"SIEVE\" \"fileinto\"", "AUTHENTICATE \"PLAIN\" \"x\"", "LISTSCRIPTS", "OK \"done\"", "NO (QUOTA) \"x\""]
        {
            guesses(line, Some(Protocol::Sieve));
        }
    }

    #[test]
    fn prose_and_what_is_common_decide_nothing() {
        for line in [
            "NOOP",
            "QUIT",
            "AUTH PLAIN",
            "* Connected to mail.example (192.0.2.1) port 143",
            "*   Trying 192.0.2.1:143...",
            "Help me please",
            "I select things",
            "Then I listed everything OK so far",
            "everything OK",
            "",
        ] {
            guesses(line, None);
        }
    }
}
