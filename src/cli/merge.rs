//! The events of many recordings in the order of their times.
//! Takes recordings in the order in which they were opened, gives their events one after another.
//! Does not know what the events are for.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::path::PathBuf;

use super::Failure;
use crate::event::{Event, Stamp};
use crate::store::{Damage, Reader, ids, start_of_last};

/// Recordings that are read at a time, each with a descriptor and a block of memory. Where more sessions than this ran
/// at once, the later ones wait, and their events come later than their times say.
const OPEN_MAX: usize = 200;

/// An event with its session and its line.
pub(super) type Merged = (String, Vec<u8>, Event<'static>);

/// Merges recordings by time.
pub(super) struct Merge {
    waiting: VecDeque<(Stamp, String, PathBuf)>,
    open: Vec<Option<Source>>,
    next: BinaryHeap<Reverse<(Stamp, usize)>>,
    per_file: Option<usize>,
    ends: Vec<(String, u64)>,
}

struct Source {
    session: String,
    reader: Reader,
    head: (Vec<u8>, Event<'static>),
}

impl Merge {
    /// `per_file` is how many of the last lines of each are read; None reads all.
    pub(super) fn new(sessions: Vec<(String, PathBuf)>, per_file: Option<usize>) -> Merge {
        let mut waiting: Vec<(Stamp, String, PathBuf)> = sessions
            .into_iter()
            .map(|(session, path)| {
                let opened = ids::Id::parse(&session).and_then(ids::Id::opened).unwrap_or_default();
                (opened, session, path)
            })
            .collect();
        waiting.sort();
        Merge { waiting: waiting.into(), open: Vec::new(), next: BinaryHeap::new(), per_file, ends: Vec::new() }
    }

    /// The next event.
    pub(super) fn next(&mut self, damage: &mut dyn FnMut(&str, Damage)) -> Result<Option<Merged>, Failure> {
        self.open_due(damage)?;
        let Some(Reverse((_, slot))) = self.next.pop() else { return Ok(None) };
        let Some(place) = self.open.get_mut(slot) else { return Ok(None) };
        let Some(source) = place.as_mut() else { return Ok(None) };
        let session = source.session.clone();
        let next = read(&mut source.reader, &session, damage)?;
        let (line, event) = match next {
            Some(head) => {
                self.next.push(Reverse((head.1.at, slot)));
                std::mem::replace(&mut source.head, head)
            }
            None => {
                self.ends.push((session.clone(), source.reader.offset()));
                match place.take() {
                    Some(source) => source.head,
                    None => return Ok(None),
                }
            }
        };
        Ok(Some((session, line, event)))
    }

    /// Up to where each recording was read, once there are no more events.
    pub(super) fn ends(&self) -> &[(String, u64)] {
        &self.ends
    }

    /// Opens every recording that may have an event before the next one.
    fn open_due(&mut self, damage: &mut dyn FnMut(&str, Damage)) -> Result<(), Failure> {
        while let Some((opened, _, _)) = self.waiting.front() {
            let due = self.next.peek().is_none_or(|Reverse((at, _))| opened <= at);
            if !due || self.next.len() >= OPEN_MAX {
                break;
            }
            let Some((_, session, path)) = self.waiting.pop_front() else { break };
            let offset = match self.per_file {
                Some(count) => start_of_last(&path, count).unwrap_or(0),
                None => 0,
            };
            // A recording that was deleted since it was listed is no longer there to be shown.
            let Ok(mut reader) = Reader::open_at(&path, offset) else { continue };
            match read(&mut reader, &session, damage)? {
                Some(head) => self.add(Source { session, reader, head }),
                None => self.ends.push((session, reader.offset())),
            }
        }
        Ok(())
    }

    fn add(&mut self, source: Source) {
        let at = source.head.1.at;
        let free = self.open.iter().position(Option::is_none);
        let slot = free.unwrap_or(self.open.len());
        match self.open.get_mut(slot) {
            Some(place) => *place = Some(source),
            None => self.open.push(Some(source)),
        }
        self.next.push(Reverse((at, slot)));
    }
}

fn read(
    reader: &mut Reader,
    session: &str,
    damage: &mut dyn FnMut(&str, Damage),
) -> Result<Option<(Vec<u8>, Event<'static>)>, Failure> {
    let path = reader.path().to_owned();
    let record = reader.next(&mut |what| damage(session, what)).map_err(|error| {
        Failure::work(format!("cannot read {}: {error}; see whether its disk is in order", path.display()))
    })?;
    Ok(record.map(|record| (record.line.to_vec(), record.event)))
}
