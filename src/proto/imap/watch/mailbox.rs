//! The numbers that a mailbox must keep: how many messages it has, their UIDs, their sizes, its UIDVALIDITY.
//! Takes what the server tells of them, gives findings where it does not hold together.
//! Does not know which commands were asked.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::fetched::{Fetched, Sizes, counts_lines_as_minus_one};
use super::outstanding::{Asked, key};
use crate::event::{Object, Reply, Seq};
use crate::findings;
use crate::proto::watch::{Found, Seen};

/// Mailboxes whose UIDVALIDITY is remembered.
const MAILBOXES_MAX: usize = 1000;

/// Messages whose UIDs are remembered: those with the highest numbers that were told.
const UIDS_MAX: usize = 1000;

/// What must hold of the mailbox that is selected.
#[derive(Default)]
pub(super) struct Mailbox {
    exists: Option<u64>,
    /// Message numbers and their UIDs.
    uids: BTreeMap<u64, u64>,
    sizes: Sizes,
    /// The FETCH that goes on after a literal.
    fetched: Option<Fetched>,
}

impl Mailbox {
    pub fn data(&mut self, seen: &Seen<'_>, data: &str, reply: &Reply, out: &mut Found) {
        match (data, reply.number) {
            ("EXISTS", Some(number)) => self.exists(seen.seq, number, out),
            ("EXPUNGE", Some(number)) => {
                self.exists = self.exists.and_then(|exists| exists.checked_sub(1));
                // What stood behind it has moved up.
                self.uids.split_off(&number);
                self.sizes.renumbered();
            }
            ("VANISHED", _) => self.vanished(&reply.values),
            ("FETCH", Some(number)) => self.fetched(seen, number, reply, out),
            _ => {}
        }
    }

    fn exists(&mut self, seq: Seq, number: u64, out: &mut Found) {
        let before = self.exists.replace(number).unwrap_or(0);
        if number < before {
            let text = format!("there were {before} messages, and now there are {number}, with no EXPUNGE in between");
            out.add(&findings::EXISTS_SHRANK, seq, text);
            self.uids.clear();
            self.sizes.renumbered();
        }
    }

    /// UIDs that are gone: each takes one from the number of messages, save those of earlier (RFC 7162 §3.2.10).
    fn vanished(&mut self, values: &Object) {
        let map = values.map();
        if map.get("earlier").and_then(Value::as_bool) == Some(true) {
            return;
        }
        let gone = map.get("uids").and_then(Value::as_str).and_then(how_many);
        self.exists = self.exists.zip(gone).and_then(|(exists, gone)| exists.checked_sub(gone));
        self.uids.clear();
        self.sizes.renumbered();
    }

    fn fetched(&mut self, seen: &Seen<'_>, number: u64, reply: &Reply, out: &mut Found) {
        if counts_lines_as_minus_one(seen.wire) {
            let text = "the server gives -1 as the number of a part's lines, which the grammar does not allow";
            out.add(&findings::KNOWN_DEVIATION, seen.seq, text);
        }
        self.fetched = Some(Fetched::new(seen.seq, number));
        self.fetch_goes_on(seen.seq, seen.seq, &reply.values, out);
    }

    /// A line of a FETCH, the first or one behind a literal.
    pub fn fetch_goes_on(&mut self, seq: Seq, of: Seq, values: &Object, out: &mut Found) {
        let Some(fetched) = self.fetched.as_mut().filter(|fetched| fetched.of == of) else { return };
        if let Some(uid) = fetched.take(values)
            && let Some((other, known)) = conflict(&self.uids, fetched.number, uid)
        {
            let text = format!("message {other} has the UID {known}, and message {} has {uid}", fetched.number);
            out.add(&findings::UID_ORDER, seq, text);
            self.uids.clear();
        }
        if let Some(uid) = fetched.uid {
            self.uids.insert(fetched.number, uid);
            if self.uids.len() > UIDS_MAX {
                self.uids.pop_first();
            }
        }
        if let Some((size, octets)) = self.sizes.compare(fetched) {
            let text = format!(
                "the server gives {size} as the size of message {}, and the message has {octets} octets: a deviation that \
                 Exchange is known for",
                fetched.number
            );
            out.add(&findings::SIZE_MISMATCH, seq, text);
        }
    }
}

/// A message that cannot have its UID if this one has its own: UIDs rise with the numbers (RFC 9051 §2.3.1.1).
fn conflict(uids: &BTreeMap<u64, u64>, number: u64, uid: u64) -> Option<(u64, u64)> {
    let below = uids.range(..number).next_back().filter(|&(_, &known)| known >= uid);
    let same = uids.get_key_value(&number).filter(|&(_, &known)| known != uid);
    let above = || uids.range(number.saturating_add(1)..).next().filter(|&(_, &known)| known <= uid);
    below.or(same).or_else(above).map(|(&number, &known)| (number, known))
}

/// How many numbers a set has.
fn how_many(set: &str) -> Option<u64> {
    let mut total = 0_u64;
    for range in set.split(',') {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        total = total.checked_add(first.abs_diff(last).checked_add(1)?)?;
    }
    Some(total)
}

/// The UIDVALIDITY of mailboxes by their names, which are hashed: a peer may make them long.
#[derive(Default)]
pub(super) struct Validities(HashMap<u64, u64>);

impl Validities {
    pub fn status(&mut self, seq: Seq, values: &Object, out: &mut Found) {
        if !values.contains("UIDVALIDITY") {
            return;
        }
        let map = values.map();
        if let Some(mailbox) = map.get("mailbox").and_then(Value::as_str)
            && let Some(value) = map.get("UIDVALIDITY").and_then(Value::as_u64)
        {
            self.told(seq, key(mailbox), value, out);
        }
    }

    pub fn told(&mut self, seq: Seq, mailbox: u64, value: u64, out: &mut Found) {
        if self.0.len() >= MAILBOXES_MAX && !self.0.contains_key(&mailbox) {
            return;
        }
        if let Some(before) = self.0.insert(mailbox, value)
            && before != value
        {
            let text = format!("the UIDVALIDITY of this mailbox was {before}, and now it is {value}");
            out.add(&findings::UIDVALIDITY_CHANGED, seq, text);
        }
    }

    /// A mailbox was made, deleted or renamed: under its name is another one.
    pub fn void(&mut self, asked: &Asked) {
        if asked.verb == "RENAME" {
            // Those below it have moved along, and nobody knows which these are.
            self.0.clear();
        }
        if let Some(mailbox) = asked.mailboxes[0] {
            self.0.remove(&mailbox);
        }
    }
}
