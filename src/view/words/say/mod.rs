//! Sentences made from a line's own values: "asks for flags and sizes of messages 1 to 25".
//! Takes lines of a session as text and, for replies, the command that they answer; gives a sentence and its source.
//! Does not know sessions, nor passwords: what may be secret in a line is passed over.

pub(super) mod imap;
mod imap_answer;
mod imap_fetch;
mod imap_tokens;
mod plain;
pub(super) mod pop3;
pub(super) mod smtp;
mod smtp_answer;

pub(super) use imap_answer::response_code;
pub(super) use plain::clip;
pub(super) use smtp_answer::{enhanced, is_enhanced};

use super::near::nearest;
use super::{Category, Entry, Explained, Protocol, entries, find};

/// Two or more clauses as one sentence.
fn clauses(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// The row for a word, with families: `AUTH=PLAIN` is found as `AUTH=`, and its rest is given back.
pub(super) fn find_family(protocol: Protocol, category: Category, word: &str) -> Option<(&'static Entry, &str)> {
    if let Some(entry) = find(protocol, category, word) {
        return Some((entry, ""));
    }
    entries(protocol)
        .filter(|entry| entry.category == category && (entry.word.ends_with('=') || entry.word.ends_with('-')))
        .filter(|entry| word.is_char_boundary(entry.word.len()))
        .filter(|entry| word.len() > entry.word.len() && word[..entry.word.len()].eq_ignore_ascii_case(entry.word))
        .max_by_key(|entry| entry.word.len())
        .map(|entry| (entry, &word[entry.word.len()..]))
}

/// What is said of a word that stands in no table.
pub(super) fn unknown(protocol: Protocol, category: Category, word: &str) -> Explained {
    let known = entries(protocol).filter(|entry| entry.category == category).map(|entry| entry.word);
    let (kind, source) = match (protocol, category) {
        (Protocol::Smtp, Category::Command) => ("command", "RFC 5321 §4.1.5"),
        (Protocol::Smtp, _) => ("extension", "RFC 5321 §2.2.2"),
        (Protocol::Imap, Category::Command) => ("command", "RFC 9051 §6.5"),
        (Protocol::Imap, Category::Capability) => ("capability", "RFC 9051 §7.2.2"),
        (Protocol::Imap, Category::ResponseCode) => ("response code", "RFC 9051 §7.1"),
        (Protocol::Imap, Category::Flag) => ("keyword", "RFC 9051 §2.3.2"),
        (Protocol::Imap, _) => ("word", "RFC 9051 §7"),
        (Protocol::Pop3, Category::Command) => ("command", "RFC 2449 §7"),
        (Protocol::Pop3, Category::ResponseCode) => ("response code", "RFC 2449 §8"),
        (Protocol::Pop3, _) => ("capability", "RFC 2449 §7"),
        (Protocol::Sasl, _) => ("login mechanism", "RFC 4422 §3.1"),
        (Protocol::Sieve, Category::Capability) => ("word", "RFC 5804 §1.7"),
        (Protocol::Sieve, Category::ResponseCode) => ("word", "RFC 5804 §1.3"),
        (Protocol::Sieve, _) => ("word", "RFC 5804 §2"),
    };
    let shown = plain::clip(word);
    let text = match nearest(word, known) {
        Some(near) => format!("{shown} is an unknown {kind}; perhaps {near} was meant"),
        None => format!("{shown} is an unknown {kind}, perhaps a private extension"),
    };
    Explained::new(text, source)
}

/// A word's row as it is, or what is said of unknown ones.
fn row(protocol: Protocol, category: Category, word: &str) -> Explained {
    find(protocol, category, word).map_or_else(|| unknown(protocol, category, word), Explained::from)
}

/// What is said of one capability: name and value, and mechanisms where it lists these.
pub(super) fn capability(protocol: Protocol, word: &str) -> Explained {
    if let Some(mechanism) = strip_prefix_ignoring_case(word, "AUTH=").filter(|_| protocol == Protocol::Imap) {
        return mechanism_sentence(mechanism);
    }
    match find_family(protocol, Category::Capability, word) {
        Some((entry, "")) => entry.into(),
        Some((entry, value)) => Explained::new(format!("{} ({})", entry.sentence, plain::clip(value)), entry.source),
        None => unknown(protocol, Category::Capability, word),
    }
}

/// What is said of a login mechanism.
pub(super) fn mechanism_sentence(word: &str) -> Explained {
    match find_family(Protocol::Sasl, Category::Mechanism, word) {
        Some((entry, _)) => entry.into(),
        None => unknown(Protocol::Sasl, Category::Mechanism, word),
    }
}

fn strip_prefix_ignoring_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

/// The first word and what stands behind it.
fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim_start_matches(' ');
    text.split_once(' ').unwrap_or((text, ""))
}
