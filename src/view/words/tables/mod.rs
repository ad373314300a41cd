//! The tables themselves: one file a protocol, or one a kind of word where a protocol has many.
//! Takes nothing; gives the rows of a protocol.
//! Knows nothing of events: what is said with an event's own values is made elsewhere.

use super::{Entry, Protocol};

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

mod imap;
mod pop3;
mod sasl;
mod sieve;
mod smtp;

pub(super) fn of(protocol: Protocol) -> &'static [&'static [Entry]] {
    match protocol {
        Protocol::Smtp => smtp::ALL,
        Protocol::Imap => imap::ALL,
        Protocol::Pop3 => pop3::ALL,
        Protocol::Sasl => sasl::ALL,
        Protocol::Sieve => sieve::ALL,
    }
}
