//! The commands that wait for their answers, and what follows from their order.
//! Takes commands and their ends, says which mailbox the server speaks of and whether the client should have waited.
//! Does not know what the answers say.

use serde_json::{Map, Value};

use crate::event::Seq;
use crate::proto::watch::{Waiting, hashed};

/// How much of a verb is remembered, in bytes: the longest of IMAP has 14 letters.
const VERB_MAX: usize = 24;

/// A command without an answer.
#[derive(Default)]
pub(super) struct Asked {
    pub verb: String,
    /// The mailbox that it names, hashed, and for RENAME the new name.
    pub mailboxes: [Option<u64>; 2],
    /// ID with an empty list of parameters, or one left out.
    pub bare_id: bool,
    /// It changes the mailbox, and the server is at it.
    pub begun: bool,
    /// The server has told its capabilities while it was at this login.
    pub relisted: bool,
}

impl Asked {
    pub fn new(verb: &str, args: &Map<String, Value>) -> Asked {
        let name = |name: &str| args.get(name).and_then(Value::as_str).map(key);
        let parameters = args.get("params").and_then(Value::as_object);
        Asked {
            verb: verb.chars().take(VERB_MAX).collect(),
            mailboxes: [name("mailbox"), name("destination")],
            bare_id: verb == "ID" && parameters.is_none_or(Map::is_empty),
            ..Asked::default()
        }
    }

    pub fn changes_mailbox(&self) -> bool {
        matches!(self.verb.as_str(), "SELECT" | "EXAMINE" | "CLOSE" | "UNSELECT" | "UNAUTHENTICATE")
    }

    /// While these are worked on, no message changes its number (RFC 9051 §5.5).
    fn keeps_numbers(&self) -> bool {
        matches!(self.verb.as_str(), "FETCH" | "STORE" | "SEARCH")
    }
}

/// What stands for the name of a mailbox. Of all names INBOX alone is the same in any case (RFC 9051 §5.1).
pub(super) fn key(mailbox: &str) -> u64 {
    if mailbox.eq_ignore_ascii_case("INBOX") { hashed("INBOX") } else { hashed(mailbox) }
}

#[derive(Default)]
pub(super) struct Outstanding {
    waiting: Waiting<Asked>,
    /// How many of them change the mailbox and have not begun.
    changing: usize,
    /// How many of them let messages change their numbers.
    renumbering: usize,
    /// Commands were forgotten, so that nobody knows which mailbox is open.
    lost: bool,
}

impl Outstanding {
    pub fn push(&mut self, seq: Seq, asked: Asked) {
        self.changing += usize::from(asked.changes_mailbox());
        self.renumbering += usize::from(!asked.keeps_numbers());
        if let Some(forgotten) = self.waiting.push(seq, asked) {
            self.leaves(&forgotten);
            self.lost = true;
        }
    }

    /// An answer came to a command that nobody remembers: there may be more of these.
    pub fn lose(&mut self) {
        *self = Outstanding { lost: true, ..Outstanding::default() };
    }

    pub fn take(&mut self, seq: Seq) -> Option<Asked> {
        let asked = self.waiting.take(seq)?;
        self.leaves(&asked);
        Some(asked)
    }

    fn leaves(&mut self, asked: &Asked) {
        self.changing -= usize::from(asked.changes_mailbox() && !asked.begun);
        self.renumbering -= usize::from(!asked.keeps_numbers());
    }

    pub fn find(&self, seq: Seq) -> Option<&Asked> {
        self.waiting.find(seq)
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The client has ended its IDLE.
    pub fn done(&mut self, idle: Seq) {
        if let Some(asked) = self.waiting.find_mut(idle) {
            "DONE".clone_into(&mut asked.verb);
        }
    }

    /// Why a command should not have come yet.
    pub fn pipelined(&self, verb: &str) -> Option<String> {
        if self.waiting.last().is_some_and(|(_, asked)| asked.verb == "IDLE") {
            return Some("the client sent a command while it was in IDLE, which DONE must end first".to_owned());
        }
        let numbers = matches!(verb, "FETCH" | "STORE" | "COPY" | "MOVE");
        (numbers && self.renumbering > 0).then(|| {
            format!(
                "the client sent {verb} with message numbers while a command had no answer yet that may change the numbers"
            )
        })
    }

    /// Whether the oldest changes the mailbox and begins to do so now.
    pub fn begins_change(&mut self) -> bool {
        let Some(oldest) = self.waiting.first_mut().filter(|asked| asked.changes_mailbox() && !asked.begun) else {
            return false;
        };
        oldest.begun = true;
        self.changing -= 1;
        self.lost = false;
        true
    }

    /// Whether nobody knows which mailbox the server speaks of: one that changes it waits behind others.
    pub fn is_unsure(&self) -> bool {
        self.changing > 0 || self.lost
    }

    /// The mailbox that the server is opening.
    pub fn selecting(&self) -> Option<u64> {
        let mut opening = self.waiting.iter().filter(|asked| matches!(asked.verb.as_str(), "SELECT" | "EXAMINE"));
        opening.next()?.mailboxes[0]
    }

    /// Whether capabilities that come now belong to a login: marks it.
    pub fn login_relists(&mut self) -> bool {
        match self.waiting.first_mut() {
            Some(asked) if matches!(asked.verb.as_str(), "LOGIN" | "AUTHENTICATE") => {
                asked.relisted = true;
                true
            }
            _ => false,
        }
    }
}
