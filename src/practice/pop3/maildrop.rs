//! A POP3 session's view of INBOX: fixed at login, with marks for deletion.
//! Takes message numbers from 1; gives sizes, unique names and bytes.
//! It does not know the protocol's wording.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use super::super::store::{Change, Flags, Mailbox, Refusal, System};
use super::super::users::User;

pub struct Maildrop {
    mailbox: Arc<Mailbox>,
    validity: u32,
    entries: Vec<Entry>,
    deleted: BTreeSet<usize>,
}

#[derive(Debug, Clone, Copy)]
pub struct Entry {
    uid: u32,
    /// Octets.
    pub size: u64,
}

impl Maildrop {
    pub fn open(user: &User) -> Result<Self, Refusal> {
        let mailbox = user.store.inbox()?;
        mailbox.refresh()?;
        let (validity, entries) = mailbox.summary(|m| {
            let entries = m.iter().map(|(uid, facts)| Entry { uid, size: facts.size });
            (m.validity(), entries.collect())
        });
        Ok(Maildrop { mailbox, validity, entries, deleted: BTreeSet::new() })
    }

    /// Messages at login, the deleted ones too.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many there are and their octets, without the deleted.
    #[must_use]
    pub fn total(&self) -> (usize, u64) {
        self.present().fold((0, 0), |(count, size), (_, entry)| (count + 1, size + entry.size))
    }

    pub fn present(&self) -> impl Iterator<Item = (usize, &Entry)> {
        (1..).zip(&self.entries).filter(|(n, _)| !self.deleted.contains(n))
    }

    #[must_use]
    pub fn entry(&self, number: usize) -> Option<&Entry> {
        self.entries.get(number.checked_sub(1)?).filter(|_| !self.deleted.contains(&number))
    }

    /// A name no other message ever has: UID and the mailbox's validity.
    #[must_use]
    pub fn unique_id(&self, entry: &Entry) -> String {
        format!("{:08x}{:08x}", entry.uid, self.validity)
    }

    /// The message, which counts as seen from then on. None: it is deleted, was never there, or is gone.
    pub fn read(&self, number: usize) -> io::Result<Option<Arc<[u8]>>> {
        let Some(entry) = self.entry(number) else { return Ok(None) };
        let bytes = self.mailbox.read(entry.uid)?;
        let mut seen = Flags::default();
        seen.set(System::Seen);
        self.mailbox.store(entry.uid, Change::Add, &seen, None)?;
        Ok(bytes)
    }

    pub fn delete(&mut self, number: usize) -> bool {
        self.entry(number).is_some() && self.deleted.insert(number)
    }

    pub fn reset(&mut self) {
        self.deleted.clear();
    }

    /// Removes what is marked. Gives how many there were.
    pub fn commit(&self) -> usize {
        let uids: Vec<u32> = self.deleted.iter().filter_map(|n| self.entries.get(n - 1)).map(|e| e.uid).collect();
        self.mailbox.expunge(&uids)
    }
}
