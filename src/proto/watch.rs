//! Watches: what notices, beside a dialog, what is wrong with a conversation or worth knowing about it.
//! Takes each piece as the session links it, with its time, gives findings.
//! Changes nothing of what is passed on, and knows no clock: the time of a piece comes with it.

mod again;
mod lines;
mod offer;

use std::collections::VecDeque;

pub use self::again::{Again, OFTEN, hashed};
pub use self::lines::{Ends, LAST_LINE_END, Lines};
pub use self::offer::{Offer, not_offered};
use crate::event::{Body, Note, Seq, Side, Stamp};
use crate::findings;

/// One a session, for what a protocol alone can tell.
pub trait Watch: Send {
    fn look(&mut self, seen: &Seen<'_>, out: &mut Found);

    /// The server listed its capabilities in content, the last of which is `about`.
    fn capabilities(&mut self, _about: Seq, _names: &[String], _out: &mut Found) {}

    /// The connection was upgraded: what was known of the server's capabilities is void.
    fn upgraded(&mut self) {}

    /// The client spoke before the server had greeted it.
    fn early(&mut self, seen: &Seen<'_>, out: &mut Found) {
        out.add(&findings::EARLY_TALK, seen.seq, "the client spoke before the server had greeted it");
    }

    /// The session is over: what has not come to its end never will.
    fn end(&mut self, _at: Stamp, _out: &mut Found) {}
}

/// A piece as a watch sees it: before anything is taken out of it.
pub struct Seen<'a> {
    pub seq: Seq,
    pub at: Stamp,
    pub from: Side,
    pub wire: &'a [u8],
    pub body: &'a Body,
    pub tls: Legs,
}

impl Seen<'_> {
    /// The leg on which it came has TLS.
    #[must_use]
    pub fn encrypted(&self) -> bool {
        if self.from == Side::Client { self.tls.client } else { self.tls.server }
    }
}

/// Which legs have TLS.
#[derive(Clone, Copy, Debug, Default)]
pub struct Legs {
    pub client: bool,
    pub server: bool,
}

/// What was found in a piece.
#[derive(Default)]
pub struct Found(pub Vec<Note>);

impl Found {
    pub fn add(&mut self, finding: &findings::Finding, about: Seq, text: impl Into<String>) {
        self.0.push(Note { about: Some(about), ..finding.note(text) });
    }
}

/// How many names a sentence lists, and how long a word of a peer may be in it, in bytes.
const SHOWN_MAX: usize = 12;
const WORD_MAX: usize = 80;

/// Some of the names, for a sentence.
#[must_use]
pub fn listed(names: &[&str]) -> String {
    let shown: Vec<&str> = names.iter().take(SHOWN_MAX).map(|name| shown(name)).collect();
    match names.len().saturating_sub(SHOWN_MAX) {
        0 => shown.join(" "),
        more => format!("{} and {more} more", shown.join(" ")),
    }
}

/// A word of a peer as far as a sentence gives it.
#[must_use]
pub fn shown(word: &str) -> &str {
    let end = (0..=WORD_MAX.min(word.len())).rev().find(|&end| word.is_char_boundary(end));
    word.get(..end.unwrap_or_default()).unwrap_or_default()
}

/// For protocols in which nothing is looked for.
pub struct Nothing;

impl Watch for Nothing {
    fn look(&mut self, _seen: &Seen<'_>, _out: &mut Found) {}
}

/// How many commands without an answer are remembered; see [`super::OUTSTANDING_MAX`].
const WAITING_MAX: usize = super::OUTSTANDING_MAX;

/// Commands that wait for their answers, with what a protocol wants to remember of each, oldest first.
pub struct Waiting<T>(VecDeque<(Seq, T)>);

impl<T> Default for Waiting<T> {
    fn default() -> Waiting<T> {
        Waiting(VecDeque::new())
    }
}

impl<T> Waiting<T> {
    /// Gives what was forgotten for it, if there were too many.
    pub fn push(&mut self, seq: Seq, what: T) -> Option<T> {
        let forgotten = if self.0.len() == WAITING_MAX { self.0.pop_front() } else { None };
        self.0.push_back((seq, what));
        forgotten.map(|(_, what)| what)
    }

    #[must_use]
    pub fn find(&self, seq: Seq) -> Option<&T> {
        self.0.get(self.place(seq)?).map(|(_, what)| what)
    }

    pub fn find_mut(&mut self, seq: Seq) -> Option<&mut T> {
        let place = self.place(seq)?;
        self.0.get_mut(place).map(|(_, what)| what)
    }

    pub fn take(&mut self, seq: Seq) -> Option<T> {
        let place = self.place(seq)?;
        self.0.remove(place).map(|(_, what)| what)
    }

    /// The same where answers come in the order of what is asked: what was asked before has been answered too.
    pub fn take_in_turn(&mut self, seq: Seq) -> Option<T> {
        while self.0.front().is_some_and(|(of, _)| *of < seq) {
            self.0.pop_front();
        }
        self.take(seq)
    }

    #[must_use]
    pub fn first(&self) -> Option<&(Seq, T)> {
        self.0.front()
    }

    pub fn first_mut(&mut self) -> Option<&mut T> {
        self.0.front_mut().map(|(_, what)| what)
    }

    #[must_use]
    pub fn last(&self) -> Option<&(Seq, T)> {
        self.0.back()
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.0.iter().map(|(_, what)| what)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Commands are numbered in their order.
    fn place(&self, seq: Seq) -> Option<usize> {
        self.0.binary_search_by_key(&seq, |(of, _)| *of).ok()
    }
}
