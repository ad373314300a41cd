//! The tables themselves: one file a protocol, or one a kind of word where a protocol has many.
//! Takes nothing; gives the rows of a protocol.
//! Knows nothing of events: what is said with an event's own values is made elsewhere.

use super::Protocol;

/// Rows of one category: word, source, sentence. Two lines a row, so that the tables stay readable.
macro_rules! table {
    ($name:ident, $category:ident: $($word:literal $source:literal $sentence:literal)*) => {
        pub(in crate::view::words) const $name: &[$crate::view::words::Entry] = &[$($crate::view::words::Entry {
            word: $word,
            category: $crate::view::words::Category::$category,
            sentence: $sentence,
            source: $source,
        }),*];
    };
}

pub(super) mod imap_commands;
pub(super) mod pop3;
pub(super) mod smtp;

use super::Entry;

pub(super) fn of(protocol: Protocol) -> &'static [&'static [Entry]] {
    match protocol {
        Protocol::Smtp => &[smtp::COMMANDS, smtp::REPLIES],
        Protocol::Imap => &[imap_commands::COMMANDS],
        Protocol::Pop3 => &[pop3::COMMANDS, pop3::REPLIES],
        Protocol::Sasl | Protocol::Sieve => &[],
    }
}
