//! Watches: what notices, beside a dialog, what is wrong with a conversation or worth knowing about it.
//! Takes each piece as the session links it, with its time, gives findings.
//! Changes nothing of what is passed on, and knows no clock: the time of a piece comes with it.

mod lines;
mod offer;

use std::collections::VecDeque;

pub use self::lines::Lines;
pub use self::offer::{Offer, not_offered};

use crate::event::{Body, Note, Seq, Side, Stamp};
use crate::findings;

/// One a session, for what a protocol alone can tell.
pub trait Watch: Send {
    fn look(&mut self, seen: &Seen<'_>, out: &mut Found);

    /// The server listed its capabilities in content.
    fn capabilities(&mut self, _names: &[String]) {}

    /// The connection was upgraded: what was known of the server's capabilities is void.
    fn upgraded(&mut self) {}
}

/// A piece as a watch sees it: before anything is taken out of it.
pub struct Seen<'a> {
    pub seq: Seq,
    pub at: Stamp,
    pub from: Side,
    pub wire: &'a [u8],
    pub body: &'a Body,
    /// The leg on which it came has TLS.
    pub encrypted: bool,
}

/// What was found in a piece.
#[derive(Default)]
pub struct Found(pub Vec<Note>);

impl Found {
    pub fn add(&mut self, finding: &findings::Finding, about: Seq, text: impl Into<String>) {
        self.0.push(Note { about: Some(about), ..finding.note(text) });
    }
}

/// For protocols in which nothing is looked for.
pub struct Nothing;

impl Watch for Nothing {
    fn look(&mut self, _seen: &Seen<'_>, _out: &mut Found) {}
}

/// How many commands without an answer are remembered; see [`super::OUTSTANDING_MAX`].
const WAITING_MAX: usize = super::OUTSTANDING_MAX;

/// Commands that wait for their answers, with what a protocol wants to remember of each.
pub struct Waiting<T>(VecDeque<(Seq, T)>);

impl<T> Default for Waiting<T> {
    fn default() -> Waiting<T> {
        Waiting(VecDeque::new())
    }
}

impl<T> Waiting<T> {
    pub fn push(&mut self, seq: Seq, what: T) {
        if self.0.len() == WAITING_MAX {
            self.0.pop_front();
        }
        self.0.push_back((seq, what));
    }

    pub fn find(&self, seq: Seq) -> Option<&T> {
        self.0.iter().find(|(of, _)| *of == seq).map(|(_, what)| what)
    }

    pub fn find_mut(&mut self, seq: Seq) -> Option<&mut T> {
        self.0.iter_mut().find(|(of, _)| *of == seq).map(|(_, what)| what)
    }

    pub fn take(&mut self, seq: Seq) -> Option<T> {
        let at = self.0.iter().position(|(of, _)| *of == seq)?;
        self.0.remove(at).map(|(_, what)| what)
    }

    /// The same where answers come in the order of what is asked: what was asked before has been answered too.
    pub fn take_in_turn(&mut self, seq: Seq) -> Option<T> {
        while self.0.front().is_some_and(|(of, _)| *of < seq) {
            self.0.pop_front();
        }
        self.take(seq)
    }

    pub fn last(&self) -> Option<&(Seq, T)> {
        self.0.back()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}
