//! One mailbox: messages by UID, with flags, dates and modification numbers, shared by all sessions.
//! Takes changes; gives copies of what is there, and wakes whoever watches when something changed.
//! It does not know sequence numbers: each session has its own view of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::keep::{Body, Incoming, Keep};
use super::lines::with_crlf;
use super::state::{Facts, Message, State, Summary};
use super::{Bounds, Flags, Refusal, System};

/// A message to be added.
#[derive(Debug, Clone, Default)]
pub struct Addition {
    pub bytes: Vec<u8>,
    pub flags: Flags,
    /// Seconds since 1970.
    pub date: i64,
    /// It has just arrived by mail: no session has seen it, and no flag is set.
    pub fresh: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Add,
    Remove,
    Replace,
}

/// What came of a change to one message's flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlagChange {
    /// The message is no longer there.
    Gone,
    /// It was changed after the modification number asked for (RFC 7162, UNCHANGEDSINCE).
    Modified,
    /// The flags were so already.
    Unchanged,
    Done,
}

#[derive(Debug)]
pub struct Mailbox {
    state: Mutex<State>,
    changes: watch::Sender<u64>,
    used: Arc<AtomicU64>,
    bounds: Bounds,
}

impl Mailbox {
    pub fn open(mut keep: Box<dyn Keep>, validity: u32, bounds: Bounds, used: Arc<AtomicU64>) -> io::Result<Self> {
        let kept = keep.load(validity)?;
        // Microseconds grow faster than changes are made, so the number never goes back from one run to the next.
        let start = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_micros() as u64);
        let mut state = State {
            keep,
            validity: kept.validity.unwrap_or(validity),
            next: kept.next.max(1),
            modseq: start,
            first_recent: u32::MAX,
            keywords: kept.keywords,
            messages: BTreeMap::new(),
            gone: false,
        };
        for found in kept.found {
            let uid = state.place(&found.body, found.uid)?;
            if found.fresh {
                state.first_recent = state.first_recent.min(uid);
            }
            used.fetch_add(found.size, Ordering::Relaxed);
            let facts = Facts { flags: found.flags, date: found.date, size: found.size, modseq: start };
            state.messages.insert(uid, Message { facts, body: found.body });
        }
        state.first_recent = state.first_recent.min(state.next);
        Ok(Mailbox { changes: watch::Sender::new(state.modseq), state: Mutex::new(state), used, bounds })
    }

    /// Looks at the mailbox under its lock.
    pub fn summary<T>(&self, look: impl FnOnce(Summary<'_>) -> T) -> T {
        look(Summary(&self.lock()))
    }

    /// Wakes when something changed.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// May another program change it behind our back?
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.lock().keep.is_shared()
    }

    /// The whole message with CRLF line ends. None: it is no longer there.
    pub fn read(&self, uid: u32) -> io::Result<Option<Arc<[u8]>>> {
        let body = || self.lock().messages.get(&uid).map(|message| message.body.clone());
        let read = self.with_file(|| body().map(|body| body.read()).transpose())?;
        Ok(read.flatten())
    }

    /// Adds all messages or none. Gives their UIDs.
    pub fn add(&self, additions: Vec<Addition>) -> Result<Vec<u32>, Refusal> {
        let mut incoming = Vec::with_capacity(additions.len());
        for Addition { bytes, flags, date, fresh } in additions {
            let bytes: Arc<[u8]> = Arc::from(with_crlf(&bytes));
            let size = bytes.len() as u64;
            // Mail that arrives was measured before the trace fields were put before it.
            if !fresh && size > self.bounds.message {
                return Err(Refusal::TooBig);
            }
            incoming.push(Incoming { body: Body::Memory(bytes), size, flags, date, fresh });
        }
        self.take_in(incoming)
    }

    /// Copies messages with flags and dates, not their bytes. Gives the UIDs there and here of those that were still
    /// there.
    pub fn copy(&self, uids: &[u32], to: &Mailbox) -> Result<(Vec<u32>, Vec<u32>), Refusal> {
        match self.copy_known(uids, to) {
            // Another program has moved a file: where to, or that it is gone, is found out by a look.
            Err(Refusal::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                self.refresh()?;
                self.copy_known(uids, to)
            }
            copied => copied,
        }
    }

    /// Would a message of so many octets find room? Another may come first.
    pub fn has_room(&self, size: u64) -> Result<(), Refusal> {
        self.takes(&self.lock(), 1)?;
        match self.used.load(Ordering::Relaxed) + size > self.bounds.quota {
            true => Err(Refusal::OverQuota),
            false => Ok(()),
        }
    }

    /// Changes flags of one message, which must not have changed after `unchanged_since`.
    pub fn store(&self, uid: u32, how: Change, flags: &Flags, unchanged_since: Option<u64>) -> io::Result<FlagChange> {
        let done = self.with_file(|| self.store_known(uid, how, flags, unchanged_since))?;
        Ok(done.unwrap_or(FlagChange::Gone))
    }

    /// Removes messages, whatever their flags. Gives how many were there.
    pub fn expunge(&self, uids: &[u32]) -> usize {
        let mut state = self.lock();
        let mut count = 0;
        for &uid in uids {
            count += usize::from(self.take(&mut state, uid));
        }
        if count > 0 {
            state.modseq += 1;
            self.tell(&state);
        }
        count
    }

    /// The UIDs of messages marked as deleted.
    #[must_use]
    pub fn deleted(&self) -> Vec<u32> {
        self.summary(|m| m.iter().filter(|(_, facts)| facts.flags.has(System::Deleted)).map(|(uid, _)| uid).collect())
    }

    /// A session is about to tell of all messages: none is recent for the next.
    pub fn take_recent(&self) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let first = state.first_recent;
        for (_, message) in state.messages.range_mut(first..) {
            // Moves the file from `new` to `cur`. When that fails another program did it.
            let _ = state.keep.set_flags(&mut message.body, &message.facts.flags, &state.keywords);
        }
        state.first_recent = state.next;
    }

    /// Looks for what other programs changed.
    pub fn refresh(&self) -> io::Result<()> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.gone {
            return Ok(());
        }
        let found = match state.keep.changed(&state.keywords) {
            // The folder itself.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.forget(state);
                return Ok(());
            }
            found => found?,
        };
        let Some(found) = found else { return Ok(()) };
        let before = state.modseq;
        let mut missing: BTreeSet<u32> = state.messages.keys().copied().collect();
        for one in found {
            let known = one.uid.and_then(|uid| state.messages.get_mut(&uid).map(|message| (uid, message)));
            if let Some((uid, message)) = known {
                missing.remove(&uid);
                message.body = one.body;
                if message.facts.flags != one.flags {
                    state.modseq += 1;
                    message.facts.flags = one.flags;
                    message.facts.modseq = state.modseq;
                }
                continue;
            }
            let uid = state.place(&one.body, None)?;
            state.modseq += 1;
            self.used.fetch_add(one.size, Ordering::Relaxed);
            let facts = Facts { flags: one.flags, date: one.date, size: one.size, modseq: state.modseq };
            state.messages.insert(uid, Message { facts, body: one.body });
        }
        for uid in missing {
            if let Some(message) = state.messages.remove(&uid) {
                self.used.fetch_sub(message.facts.size, Ordering::Relaxed);
                state.keep.forget(&message.body);
                state.modseq += 1;
            }
        }
        if state.modseq != before {
            self.tell(&guard);
        }
        Ok(())
    }

    pub fn rename(&self, to: Option<PathBuf>) -> io::Result<()> {
        let Some(to) = to else { return Ok(()) };
        let mut state = self.lock();
        let Some(from) = state.keep.rename(to.clone())? else { return Ok(()) };
        for message in state.messages.values_mut() {
            if let Body::File(path) = &mut message.body
                && let Ok(file) = path.strip_prefix(&from)
            {
                *path = to.join(file);
            }
        }
        Ok(())
    }

    /// Deletes the mailbox with all messages; sessions that have it open find it gone.
    pub fn destroy(&self) -> io::Result<()> {
        let mut state = self.lock();
        state.keep.destroy()?;
        self.forget(&mut state);
        Ok(())
    }

    /// Another program has deleted it.
    pub fn vanish(&self) {
        self.forget(&mut self.lock());
    }

    fn forget(&self, state: &mut State) {
        let held: u64 = state.messages.values().map(|message| message.facts.size).sum();
        self.used.fetch_sub(held, Ordering::Relaxed);
        state.messages.clear();
        state.gone = true;
        state.modseq += 1;
        self.tell(state);
    }

    /// Does something with a message's file. Where another program has moved it, a look says where to; it is gone
    /// where it cannot be found then.
    fn with_file<T>(&self, attempt: impl Fn() -> io::Result<T>) -> io::Result<Option<T>> {
        let is_moved = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        match attempt() {
            Err(error) if is_moved(&error) => self.refresh()?,
            done => return done.map(Some),
        }
        match attempt() {
            Err(error) if is_moved(&error) => Ok(None),
            done => done.map(Some),
        }
    }

    fn store_known(
        &self,
        uid: u32,
        how: Change,
        flags: &Flags,
        unchanged_since: Option<u64>,
    ) -> io::Result<FlagChange> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let named = state.intern(flags);
        let Some(message) = state.messages.get_mut(&uid) else { return Ok(FlagChange::Gone) };
        if unchanged_since.is_some_and(|since| message.facts.modseq > since) {
            return Ok(FlagChange::Modified);
        }
        let mut new = message.facts.flags.clone();
        match how {
            Change::Add => new.add(&named),
            Change::Remove => new.remove(&named),
            Change::Replace => new = named,
        }
        if new == message.facts.flags {
            return Ok(FlagChange::Unchanged);
        }
        state.keep.set_flags(&mut message.body, &new, &state.keywords)?;
        state.modseq += 1;
        message.facts.flags = new;
        message.facts.modseq = state.modseq;
        self.tell(&guard);
        Ok(FlagChange::Done)
    }

    fn copy_known(&self, uids: &[u32], to: &Mailbox) -> Result<(Vec<u32>, Vec<u32>), Refusal> {
        let (mut from, mut incoming) = (Vec::new(), Vec::new());
        let state = self.lock();
        for &uid in uids {
            let Some(Message { facts, body }) = state.messages.get(&uid) else { continue };
            let Facts { flags, date, size, .. } = facts.clone();
            from.push(uid);
            incoming.push(Incoming { body: body.clone(), size, flags, date, fresh: false });
        }
        // The other mailbox may be this one.
        drop(state);
        Ok((from, to.take_in(incoming)?))
    }

    /// Adds all or none. Whether there is room is found out before anything is stored.
    fn take_in(&self, incoming: Vec<Incoming>) -> Result<Vec<u32>, Refusal> {
        let total: u64 = incoming.iter().map(|one| one.size).sum();
        let mut state = self.lock();
        self.takes(&state, incoming.len())?;
        // Taken before it is tested, because other mailboxes of the account take from the same quota.
        if self.used.fetch_add(total, Ordering::Relaxed) + total > self.bounds.quota {
            self.used.fetch_sub(total, Ordering::Relaxed);
            return Err(Refusal::OverQuota);
        }
        let mut uids = Vec::with_capacity(incoming.len());
        let mut left = total;
        state.modseq += 1;
        for one in incoming {
            let counted = one.size;
            match state.add(one) {
                Ok((uid, size)) => {
                    uids.push(uid);
                    self.used.fetch_sub(counted.saturating_sub(size), Ordering::Relaxed);
                }
                Err(error) => {
                    self.used.fetch_sub(left, Ordering::Relaxed);
                    for uid in uids {
                        self.take(&mut state, uid);
                    }
                    return Err(error.into());
                }
            }
            left -= counted;
        }
        self.tell(&state);
        Ok(uids)
    }

    /// May so many messages be added, whatever their size?
    fn takes(&self, state: &State, count: usize) -> Result<(), Refusal> {
        if state.gone {
            return Err(Refusal::NoMailbox);
        }
        match state.messages.len() + count > self.bounds.messages {
            true => Err(Refusal::Limit("Too many messages in the mailbox")),
            false => Ok(()),
        }
    }

    fn take(&self, state: &mut State, uid: u32) -> bool {
        let Some(message) = state.messages.remove(&uid) else { return false };
        self.used.fetch_sub(message.facts.size, Ordering::Relaxed);
        if let Err(error) = state.keep.remove(&message.body) {
            tracing::warn!(%error, uid, "a message was not removed from the disk");
        }
        true
    }

    fn tell(&self, state: &State) {
        self.changes.send_replace(state.modseq);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::keep::Memory;
    use super::*;

    #[test]
    fn copies_share_their_bytes_and_count_against_the_quota_before_anything_is_copied() {
        let (used, bounds) = (Arc::default(), Bounds { message: 100, quota: 45, messages: 10, mailboxes: 1 });
        let open = |validity| Mailbox::open(Box::new(Memory), validity, bounds, Arc::clone(&used)).unwrap();
        let (from, to) = (open(1), open(2));
        let message = Addition { bytes: b"Subject: x\n\ny\n".to_vec(), ..Addition::default() };
        let uids = from.add(vec![message]).unwrap();
        assert_eq!(used.load(Ordering::Relaxed), 17, "with CRLF");
        assert_eq!(from.copy(&uids, &to).unwrap(), (vec![1], vec![1]));
        assert!(Arc::ptr_eq(&from.read(1).unwrap().unwrap(), &to.read(1).unwrap().unwrap()));
        assert!(matches!(from.copy(&uids, &from), Err(Refusal::OverQuota)));
        assert_eq!((used.load(Ordering::Relaxed), from.summary(|m| m.len())), (34, 1));
    }
}
