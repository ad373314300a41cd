//! One session's view of the selected mailbox: which message has which number.
//! Takes the mailbox as it is now; gives the untagged replies that bring the client up to date.
//! It does not know commands; whoever calls says whether removals may be told.

use std::fmt::Write;
use std::sync::Arc;

use super::super::store::{Facts, Mailbox};
use super::parse::Set;

/// The mailbox was deleted.
#[derive(Debug)]
pub struct Gone;

#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub uid: u32,
    /// The modification number the client was told of, or had at select.
    pub modseq: u64,
    pub recent: bool,
}

pub struct View {
    mailbox: Arc<Mailbox>,
    pub name: String,
    pub read_only: bool,
    entries: Vec<Entry>,
    /// The mailbox's modification number at the last look; None: removals were left untold.
    synced: Option<u64>,
    keywords: usize,
}

impl View {
    /// Opens a view; unless it is only for reading, recent messages are recent in this session only.
    pub fn open(mailbox: Arc<Mailbox>, name: String, read_only: bool) -> Self {
        let mut view = View { mailbox, name, read_only, entries: Vec::new(), synced: None, keywords: 0 };
        let (entries, modseq, keywords) = view.mailbox.summary(|m| {
            let recent_from = m.recent_from();
            let entry = |(uid, facts): (u32, &Facts)| Entry { uid, modseq: facts.modseq, recent: uid >= recent_from };
            (m.iter().map(entry).collect(), m.modseq(), m.keywords().len())
        });
        (view.entries, view.synced, view.keywords) = (entries, Some(modseq), keywords);
        if !read_only {
            view.mailbox.take_recent();
        }
        view
    }

    #[must_use]
    pub fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[must_use]
    pub fn recent(&self) -> usize {
        self.entries.iter().filter(|entry| entry.recent).count()
    }

    /// Number and entry of every message.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Entry)> {
        (1..).zip(&self.entries)
    }

    /// Number and entry of the messages in a set. None: it names a sequence number that is not there.
    #[must_use]
    pub fn pick(&self, set: &Set, uid: bool) -> Option<Vec<(usize, Entry)>> {
        let ranges = set.resolve(match uid {
            true => self.entries.last().map_or(0, |entry| entry.uid),
            false => self.entries.len() as u32,
        });
        // In an empty mailbox no set names anything, not even `*`.
        let last = self.entries.len() as u32;
        if !uid && (last == 0 || set.highest().is_some_and(|highest| highest > last)) {
            return None;
        }
        let is_in =
            |(n, entry): &(usize, &Entry)| super::parse::contains(&ranges, if uid { entry.uid } else { *n as u32 });
        Some(self.iter().filter(is_in).map(|(n, entry)| (n, *entry)).collect())
    }

    /// The client is about to be told of this message's flags.
    pub fn told(&mut self, number: usize, modseq: u64) {
        if let Some(entry) = number.checked_sub(1).and_then(|at| self.entries.get_mut(at)) {
            entry.modseq = entry.modseq.max(modseq);
        }
    }

    /// FLAGS and PERMANENTFLAGS, when the mailbox has keywords the client was not told of.
    pub fn new_keywords(&mut self) -> Option<String> {
        let read_only = self.read_only;
        let (count, lines) = self.mailbox.summary(|m| (m.keywords().len(), flag_lines(m.keywords(), read_only)));
        (std::mem::replace(&mut self.keywords, count) != count).then_some(lines)
    }

    /// What changed since the last look, as untagged replies.
    pub fn sync(&mut self, removals: bool, uid: bool, condstore: bool) -> Result<String, Gone> {
        let mailbox = self.mailbox.clone();
        let mut out = String::new();
        let (added, recent_before) = mailbox.summary(|m| {
            if m.is_gone() {
                return Err(Gone);
            }
            let recent_before = self.recent();
            if self.synced == Some(m.modseq()) {
                return Ok((false, recent_before));
            }
            let mut is_complete = true;
            if removals {
                let mut number = 1;
                self.entries.retain(|entry| {
                    let is_there = m.facts(entry.uid).is_some();
                    if is_there {
                        number += 1;
                    } else {
                        let _ = write!(out, "* {number} EXPUNGE\r\n");
                    }
                    is_there
                });
            } else {
                is_complete = self.entries.iter().all(|entry| m.facts(entry.uid).is_some());
            }
            let last = self.entries.last().map_or(0, |entry| entry.uid);
            let recent_from = m.recent_from();
            let before = self.entries.len();
            self.entries.extend(m.iter_after(last).map(|(uid, facts)| Entry {
                uid,
                modseq: facts.modseq,
                recent: uid >= recent_from,
            }));
            let added = self.entries.len() > before;
            if m.keywords().len() != self.keywords {
                self.keywords = m.keywords().len();
                out.push_str(&flag_lines(m.keywords(), self.read_only));
            }
            for (n, entry) in (1..).zip(&mut self.entries) {
                let Some(facts) = m.facts(entry.uid).filter(|facts| facts.modseq > entry.modseq) else { continue };
                entry.modseq = facts.modseq;
                out.push_str(&flags_reply(n, entry, facts, uid, condstore));
            }
            self.synced = is_complete.then(|| m.modseq());
            Ok((added, recent_before))
        })?;
        if added {
            if !self.read_only {
                mailbox.take_recent();
            }
            let _ = write!(out, "* {} EXISTS\r\n* {} RECENT\r\n", self.entries.len(), self.recent());
        } else if self.recent() != recent_before {
            let _ = write!(out, "* {} RECENT\r\n", self.recent());
        }
        Ok(out)
    }
}

/// `* n FETCH (FLAGS (…))`, with the UID when the command was about UIDs.
#[must_use]
pub fn flags_reply(number: usize, entry: &Entry, facts: &Facts, uid: bool, condstore: bool) -> String {
    let flags = format!("FLAGS ({})", flag_names(entry, facts));
    if condstore {
        return fetch_reply(number, entry, uid, &format!("MODSEQ ({}) {flags}", facts.modseq));
    }
    fetch_reply(number, entry, uid, &flags)
}

/// The same for a client that knows the flags already, but not the number that the change got (RFC 7162, 3.1.3).
#[must_use]
pub fn modseq_reply(number: usize, entry: &Entry, facts: &Facts, uid: bool) -> String {
    fetch_reply(number, entry, uid, &format!("MODSEQ ({})", facts.modseq))
}

fn fetch_reply(number: usize, entry: &Entry, uid: bool, what: &str) -> String {
    match uid {
        true => format!("* {number} FETCH (UID {} {what})\r\n", entry.uid),
        false => format!("* {number} FETCH ({what})\r\n"),
    }
}

#[must_use]
pub fn flag_names(entry: &Entry, facts: &Facts) -> String {
    let mut names: Vec<&str> = facts.flags.names().collect();
    if entry.recent {
        names.push("\\Recent");
    }
    names.join(" ")
}

const SYSTEM: &str = "\\Answered \\Flagged \\Deleted \\Seen \\Draft";

/// FLAGS and PERMANENTFLAGS.
#[must_use]
pub fn flag_lines(keywords: &[String], read_only: bool) -> String {
    let all: String = keywords.iter().map(|keyword| format!(" {keyword}")).collect();
    let permanent = match read_only {
        true => "* OK [PERMANENTFLAGS ()] Read-only mailbox.\r\n".to_owned(),
        false => format!("* OK [PERMANENTFLAGS ({SYSTEM}{all} \\*)] Flags permitted.\r\n"),
    };
    format!("* FLAGS ({SYSTEM}{all})\r\n{permanent}")
}
