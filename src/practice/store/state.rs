//! What a mailbox holds, under its lock: the messages by UID, numbers, keywords.
//! Takes messages already bounded and counted by the mailbox; gives [`Summary`], which sessions look through.
//! It does not know quotas, locks or who watches.

use std::collections::BTreeMap;
use std::io;

use super::Flags;
use super::flags::KEYWORDS;
use super::keep::{Body, Incoming, Keep};

/// A message without its bytes.
#[derive(Debug, Clone)]
pub struct Facts {
    pub flags: Flags,
    pub date: i64,
    /// Octets.
    pub size: u64,
    /// When it was changed last, in the mailbox's own counting (RFC 7162).
    pub modseq: u64,
}

#[derive(Debug)]
pub struct Message {
    pub facts: Facts,
    pub body: Body,
}

/// The mailbox as it is now, readable under its lock.
#[derive(Debug)]
pub struct Summary<'a>(pub &'a State);

impl Summary<'_> {
    #[must_use]
    pub fn validity(&self) -> u32 {
        self.0.validity
    }

    #[must_use]
    pub fn next(&self) -> u32 {
        self.0.next
    }

    #[must_use]
    pub fn modseq(&self) -> u64 {
        self.0.modseq
    }

    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.0.gone
    }

    #[must_use]
    pub fn keywords(&self) -> &[String] {
        &self.0.keywords
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.messages.len()
    }

    pub fn uids(&self) -> impl Iterator<Item = u32> {
        self.0.messages.keys().copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = (u32, &Facts)> {
        self.0.messages.iter().map(|(uid, message)| (*uid, &message.facts))
    }

    #[must_use]
    pub fn facts(&self, uid: u32) -> Option<&Facts> {
        self.0.messages.get(&uid).map(|message| &message.facts)
    }

    /// The messages with higher UIDs.
    pub fn iter_after(&self, uid: u32) -> impl Iterator<Item = (u32, &Facts)> {
        let from = uid.saturating_add(1);
        self.0.messages.range(from..).map(|(uid, message)| (*uid, &message.facts))
    }

    /// The first UID that no session has been told of.
    #[must_use]
    pub fn recent_from(&self) -> u32 {
        self.0.first_recent
    }

    /// How many messages no session has been told of.
    #[must_use]
    pub fn recent(&self) -> usize {
        self.0.messages.range(self.0.first_recent..).count()
    }
}

#[derive(Debug)]
pub struct State {
    pub keep: Box<dyn Keep>,
    pub validity: u32,
    pub next: u32,
    pub modseq: u64,
    /// Messages from this UID on are recent: no session has been told of them.
    pub first_recent: u32,
    pub keywords: Vec<String>,
    pub messages: BTreeMap<u32, Message>,
    pub gone: bool,
}

impl State {
    /// Adds a message; gives its UID and its size as it is kept.
    pub fn add(&mut self, incoming: Incoming) -> io::Result<(u32, u64)> {
        let uid = self.next;
        let incoming = Incoming { flags: self.intern(&incoming.flags), ..incoming };
        let (body, size) = self.keep.add(uid, &incoming, &self.keywords)?;
        self.next = self.next.saturating_add(1);
        let facts = Facts { flags: incoming.flags, date: incoming.date, size, modseq: self.modseq };
        self.messages.insert(uid, Message { facts, body });
        Ok((uid, size))
    }

    /// The UID a message has, or the next one.
    pub fn place(&mut self, body: &Body, uid: Option<u32>) -> io::Result<u32> {
        let uid = match uid {
            Some(uid) => uid,
            None => {
                self.keep.number(self.next, body)?;
                self.next
            }
        };
        self.next = self.next.max(uid.saturating_add(1));
        Ok(uid)
    }

    /// Keywords in the spelling the mailbox has; new ones are added while there is room, and dropped after.
    pub fn intern(&mut self, flags: &Flags) -> Flags {
        let mut known = flags.clone();
        let asked = std::mem::take(known.keywords_mut());
        for keyword in asked {
            match self.keywords.iter().find(|k| k.eq_ignore_ascii_case(&keyword)) {
                Some(spelling) => {
                    known.insert(spelling);
                }
                None if self.keywords.len() < KEYWORDS => {
                    known.insert(&keyword);
                    self.keywords.push(keyword);
                }
                None => {}
            }
        }
        known
    }
}
