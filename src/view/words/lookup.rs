//! Words without a session around them, as `mailtap explain WORD…` asks for them.
//! Takes what a person typed, case and decoration left out of account; gives every meaning in every protocol.
//! Does not know sessions: lines of one are read by the session reader.

use super::{Category, Entry, Explained, Protocol, entries};

/// One meaning of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub protocol: Protocol,
    pub category: Category,
    /// The word as its table spells it.
    pub word: String,
    pub explained: Explained,
}

impl Found {
    fn row(protocol: Protocol, entry: &Entry) -> Found {
        Found { protocol, category: entry.category, word: entry.word.to_owned(), explained: entry.into() }
    }
}

/// Every meaning of what was typed, in all protocols; empty if it is unknown.
#[must_use]
pub fn lookup(query: &str) -> Vec<Found> {
    let query = query.trim();
    let mut found = Vec::new();
    for protocol in Protocol::ALL {
        found.extend(
            entries(protocol)
                .filter(|entry| entry.word.eq_ignore_ascii_case(query))
                .map(|entry| Found::row(protocol, entry)),
        );
    }
    found
}
