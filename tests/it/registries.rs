//! The tables of words against the registries that IANA keeps: whatever is registered has a sentence and a source.
//! Takes the lists in `tests/registries`, one entry a line, each with its date and where it comes from at the top.
//! Does not know whether a sentence is true.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use mailtap::view::words::{Category, Protocol, entries, find};

/// Each list, whose words they are, and what stands before an entry on the wire.
const REGISTRIES: [(&str, Protocol, Category, &str); 13] = [
    ("imap-capabilities", Protocol::Imap, Category::Capability, ""),
    ("imap-quota-resource-types", Protocol::Imap, Category::Capability, "QUOTA=RES-"),
    ("imap-response-codes", Protocol::Imap, Category::ResponseCode, ""),
    ("imap-keywords", Protocol::Imap, Category::Flag, ""),
    ("imap-mailbox-name-attributes", Protocol::Imap, Category::MailboxAttribute, "\\"),
    ("pop3-capabilities", Protocol::Pop3, Category::Capability, ""),
    ("pop3-response-codes", Protocol::Pop3, Category::ResponseCode, ""),
    ("smtp-service-extensions", Protocol::Smtp, Category::Capability, ""),
    ("smtp-parameters", Protocol::Smtp, Category::Parameter, ""),
    ("smtp-limits", Protocol::Smtp, Category::Parameter, ""),
    ("smtp-with-protocol-types", Protocol::Smtp, Category::Parameter, ""),
    ("smtp-enhanced-status-codes", Protocol::Smtp, Category::EnhancedCode, ""),
    ("sasl-mechanisms", Protocol::Sasl, Category::Mechanism, ""),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/registries")
}

/// The entries of a list, below a head that names the registry and says when the list was made.
fn list(name: &str) -> Vec<String> {
    let text = fs::read_to_string(folder().join(name).with_extension("txt")).unwrap();
    let (head, rows): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with('#'));
    assert!(head[0].starts_with("# IANA: "), "{name} does not name its registry: {head:?}");
    assert!(head.iter().any(|line| line.starts_with("# Made on 20")), "{name} does not say when it was made: {head:?}");
    rows.iter().map(|row| (*row).to_owned()).collect()
}

#[test]
fn every_registered_word_has_a_sentence_and_a_source() {
    let mut missing = Vec::new();
    for (name, protocol, category, before) in REGISTRIES {
        let words = list(name);
        assert!(words.len() > 2, "{name} is empty");
        for word in &words {
            let row = find(protocol, category, &format!("{before}{}", word.trim_end_matches('*')));
            if row.is_none_or(|row| row.sentence.is_empty() || row.source.is_empty()) {
                missing.push(format!("{name}: {word}"));
            }
        }
    }
    assert!(missing.is_empty(), "registered, but in no table:\n{}", missing.join("\n"));
}

#[test]
fn every_list_is_checked_and_names_each_word_once() {
    let mut files: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let mut known: Vec<&str> = REGISTRIES.iter().map(|(name, ..)| *name).collect();
    files.sort();
    known.sort_unstable();
    assert_eq!(files, known);
    for name in known {
        let words = list(name);
        let different: HashSet<&String> = words.iter().collect();
        assert_eq!(different.len(), words.len(), "{name} names a word twice");
    }
}

#[test]
fn each_pair_of_category_and_word_stands_once_in_a_protocol() {
    for protocol in Protocol::ALL {
        let mut seen = HashSet::new();
        for entry in entries(protocol) {
            let pair = (entry.category, entry.word.to_ascii_uppercase());
            assert!(seen.insert(pair), "{} {}: {} stands twice", protocol.name(), entry.category.name(), entry.word);
        }
    }
}

#[test]
fn every_row_is_one_sentence_with_a_source() {
    for entry in Protocol::ALL.into_iter().flat_map(entries) {
        let Some(first) = entry.sentence.chars().next() else { panic!("{} has no sentence", entry.word) };
        assert!(!entry.source.is_empty(), "{} has no source", entry.word);
        assert!(!entry.sentence.ends_with(['.', ' ']), "{}: {:?}", entry.word, entry.sentence);
        assert!(!first.is_whitespace() && !entry.sentence.contains('\n'), "{}: {:?}", entry.word, entry.sentence);
    }
}
