//! Sentences made from a line's own values: "asks for flags and sizes of messages 1 to 25".
//! Takes lines of a session as text and, for replies, the command that they answer; gives a sentence and its source.
//! Does not know sessions, nor passwords: what may be secret in a line is passed over.

pub(super) mod imap;
mod imap_answer;
mod imap_fetch;
mod imap_tokens;
mod plain;
pub(super) mod pop3;
pub(super) mod sieve;
pub(super) mod smtp;
mod smtp_answer;

pub(super) use imap_answer::{code_of, response_code};
pub(super) use imap_fetch::item;
pub(super) use plain::{any_of, clip, list, size};
pub(super) use smtp_answer::{enhanced, enhanced_of, is_enhanced};

use super::near::nearest;
use super::{Category, Entry, Explained, Protocol, entries, find};

/// A command, as far as its answer depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    /// In upper case, with its UID.
    pub verb: &'a str,
    /// What stands behind the verb.
    pub rest: &'a str,
}

impl Asked<'_> {
    /// The section that defines the command: what its success means stands there too.
    fn source(self, protocol: Protocol) -> Option<&'static str> {
        find(protocol, Category::Command, self.verb).map(|entry| entry.source)
    }
}

/// A command that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    verb: String,
    rest: String,
}

/// How much of what stands behind a verb is remembered, in bytes: enough for a set of messages, or an address.
const REST_MAX: usize = 1024;

impl Waiting {
    pub fn new(verb: &str, rest: &str) -> Waiting {
        let end = (0..=rest.len().min(REST_MAX)).rev().find(|&at| rest.is_char_boundary(at)).unwrap_or(0);
        Waiting { verb: verb.to_owned(), rest: rest[..end].to_owned() }
    }

    pub fn asked(&self) -> Asked<'_> {
        Asked { verb: &self.verb, rest: &self.rest }
    }
}

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
    let (kind, source) = match (protocol, category) {
        (Protocol::Smtp, Category::Command) => ("command", "RFC 5321 §4.1.5"),
        (Protocol::Smtp, Category::Parameter) => ("parameter", "RFC 5321 §4.1.1.11"),
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
        (Protocol::Sieve, Category::Command) => ("command", "RFC 5804 §2"),
        (Protocol::Sieve, Category::Capability) => ("capability", "RFC 5804 §1.7"),
        (Protocol::Sieve, Category::ResponseCode) => ("response code", "RFC 5804 §1.3"),
        (Protocol::Sieve, _) => ("word", "RFC 5804 §2"),
    };
    let shown = Some(plain::clip(word)).filter(|shown| !shown.is_empty());
    let shown = shown.unwrap_or_else(|| "what stands here, without a letter,".to_owned());
    let text = match near(protocol, category, word) {
        Some(near) => format!("{shown} is an unknown {kind}; perhaps {near} was meant"),
        None => format!("{shown} is an unknown {kind}, perhaps a private extension"),
    };
    Explained::new(text, source)
}

/// The known word of this kind that an unknown one was likely meant to be.
fn near(protocol: Protocol, category: Category, word: &str) -> Option<&'static str> {
    nearest(word, entries(protocol).filter(|entry| entry.category == category).map(|entry| entry.word))
}

/// A word that stands in no table, with the known one that is next to it.
fn doubtful(protocol: Protocol, category: Category, word: &str) -> Option<String> {
    if word.is_empty() || find_family(protocol, category, word).is_some() {
        return None;
    }
    Some(match near(protocol, category, word) {
        Some(near) => format!("{} (perhaps {near})", plain::clip(word)),
        None => plain::clip(word),
    })
}

/// Those of the words that stand in no table, as a clause: `unknown: SZIE (perhaps SIZE) and XODD`.
fn strangers<'w>(protocol: Protocol, category: Category, words: impl IntoIterator<Item = &'w str>) -> String {
    unknown_ones(&words.into_iter().filter_map(|word| doubtful(protocol, category, word)).collect::<Vec<_>>())
}

fn unknown_ones(named: &[String]) -> String {
    if named.is_empty() { String::new() } else { format!("unknown: {}", list(named)) }
}

/// Those of a server's capabilities, and of the mechanisms among them, that stand in no table: a mechanism may stand in
/// IMAP's `AUTH=`, or behind the word that lists mechanisms.
pub(super) fn strange_capabilities<'w>(protocol: Protocol, lines: impl IntoIterator<Item = &'w str>) -> String {
    let mut named = Vec::new();
    for line in lines {
        let (word, value) = split_word(line);
        // In SMTP old clients want AUTH=LOGIN, and many servers still say it beside AUTH LOGIN.
        let first = strip_prefix_ignoring_case(word, "AUTH=");
        let lists = ["AUTH", "SASL", "X-EXPS"].iter().any(|list| word.eq_ignore_ascii_case(list));
        if first.is_none() && !lists {
            named.extend(doubtful(protocol, Category::Capability, word));
            continue;
        }
        let mechanisms = first.into_iter().chain(value.split_ascii_whitespace());
        named.extend(mechanisms.filter_map(|word| doubtful(Protocol::Sasl, Category::Mechanism, word)));
    }
    unknown_ones(&named)
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

/// One of the capabilities that a server lists, the word itself before what it means.
pub(super) fn each_capability(protocol: Protocol, line: &str) -> Explained {
    let (word, value) = split_word(line.trim());
    let told = capability(protocol, word);
    let text = match value.trim() {
        "" if told.text.starts_with(word) => told.text,
        "" => format!("{}: {}", plain::clip(word), told.text),
        mechanisms if word.eq_ignore_ascii_case("SASL") => {
            let mechanisms: Vec<&str> = mechanisms.split_ascii_whitespace().collect();
            format!("SASL: the client can log in by {}", list(&mechanisms))
        }
        value => format!("{}: {} ({})", plain::clip(word), told.text, plain::clip(value)),
    };
    Explained::new(text, told.source)
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
