//! Follows recordings while they are written: those that are open, and those that begin later.
//! Takes the folder and the sessions to begin with, gives each event once it stands in the file.
//! Does not know how an event is shown, nor which events are wanted.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use crate::event::Body;

use super::ids::Id;
use super::reader::{Damage, Reader, Record, start_of_last};
use super::watch::{Changes, Watch};
use super::{Layout, Library, Status};

/// Places in files that are remembered. Beyond that, those of closed sessions are forgotten.
const PLACES_MAX: usize = 65_536;

/// What is told of a followed recording.
pub trait Followed {
    /// An event that now stands in the file.
    ///
    /// # Errors
    /// Ends following with this error.
    fn event(&mut self, session: &str, record: &Record<'_>) -> std::io::Result<()>;
    fn damage(&mut self, session: &str, damage: Damage);
}

/// Follows all recordings of a folder, or one.
#[derive(Debug)]
pub struct Follower {
    library: Library,
    watch: Watch,
    /// The one session that is followed, and where it is.
    only: Option<(String, PathBuf)>,
    places: HashMap<String, Place>,
    /// The newest recording when following began; later ones are read from their start.
    newest: String,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    offset: u64,
    closed: bool,
}

impl Follower {
    /// Begins to watch. Nothing that is written from now on is missed.
    #[must_use]
    pub fn new(library: &Library, only: Option<(String, PathBuf)>) -> Follower {
        // One file is looked at again and again; it may lie anywhere.
        let mut watch = if only.is_some() { Watch::looking(library.layout()) } else { Watch::new(library.layout()) };
        let names = library.names().unwrap_or_default();
        let newest = names.last().cloned().unwrap_or_default();
        Id::parse(&newest).into_iter().for_each(|id| watch.day(&id.day()));
        let mut follower = Follower { library: library.clone(), watch, only, places: HashMap::new(), newest };
        if follower.only.is_none() {
            let running = library.list(&mut |entry| entry.status == Status::Running, usize::MAX).unwrap_or_default();
            for entry in running {
                follower.begin_at_end(&entry.session);
            }
        }
        follower
    }

    /// The sessions whose past events are not told: where each begins, in bytes.
    pub fn begin_at(&mut self, session: &str, offset: u64) {
        if let Some(id) = Id::parse(session) {
            self.watch.day(&id.day());
        }
        self.places.insert(session.to_owned(), Place { offset, closed: false });
    }

    /// Waits for events, at most for `limit`, and tells them.
    ///
    /// # Errors
    /// What `told` returned.
    pub fn wait(&mut self, limit: Duration, told: &mut dyn Followed) -> std::io::Result<()> {
        match self.watch.wait(limit) {
            Changes::These { files, days } => {
                for day in days {
                    self.watch.day(&day);
                    // Files may have come before the watch.
                    for name in self.names_of(&day) {
                        self.read(&name, told)?;
                    }
                }
                for file in files {
                    if let Some(name) = file.strip_suffix(".jsonl") {
                        self.read(name, told)?;
                    }
                }
            }
            Changes::Anything => self.look(told)?,
        }
        self.forget();
        Ok(())
    }

    /// Reads on in everything that is open, and finds what has begun.
    fn look(&mut self, told: &mut dyn Followed) -> std::io::Result<()> {
        let open = self.places.iter().filter(|(_, place)| !place.closed);
        let mut names: Vec<String> = open.map(|(name, _)| name.clone()).collect();
        for day in names.iter().filter_map(|name| Id::parse(name)).map(Id::day).collect::<BTreeSet<_>>() {
            self.watch.day(&day);
        }
        if let Some((session, _)) = &self.only {
            names.push(session.clone());
        } else if let Ok(days) = self.library.days() {
            let since = Id::parse(&self.newest).map(Id::day).unwrap_or_default();
            for day in days.into_iter().filter(|day| *day >= since) {
                self.watch.day(&day);
                names.extend(self.names_of(&day).into_iter().filter(|name| !self.places.contains_key(name)));
            }
        }
        names.sort_unstable();
        names.dedup();
        names.iter().try_for_each(|name| self.read(name, told))
    }

    fn names_of(&self, day: &str) -> Vec<String> {
        let mut names = self.library.names_of(day).unwrap_or_default();
        names.retain(|name| name.as_str() > self.newest.as_str());
        names
    }

    /// Tells what is new in a recording.
    fn read(&mut self, name: &str, told: &mut dyn Followed) -> std::io::Result<()> {
        let path = match &self.only {
            Some((session, path)) if session == name => path.clone(),
            Some(_) => return Ok(()),
            None if Id::parse(name).is_some() => self.library.path(name),
            None => return Ok(()),
        };
        if !self.places.contains_key(name) && name <= self.newest.as_str() && self.only.is_none() {
            // It was taken for closed; its last line is what has just been written.
            let offset = start_of_last(&path, 1).unwrap_or(0);
            self.begin_at(name, offset);
        }
        let place = self.places.entry(name.to_owned()).or_insert(Place { offset: 0, closed: false });
        let Ok(len) = path.metadata().map(|facts| facts.len()) else { return Ok(()) };
        // Shorter than what was read: its writer cut a failed write off.
        place.offset = place.offset.min(len);
        if place.offset == len {
            return Ok(());
        }
        let Ok(mut reader) = Reader::open_at(&path, place.offset) else { return Ok(()) };
        loop {
            let next = reader.next(&mut |damage| {
                // A torn line is one that is being written.
                if !matches!(damage, Damage::Torn { .. }) {
                    told.damage(name, damage);
                }
            });
            let Ok(Some(record)) = next else { break };
            place.closed |= matches!(record.event.body, Body::Close(_));
            told.event(name, &record)?;
        }
        place.offset = reader.offset();
        Ok(())
    }

    fn begin_at_end(&mut self, session: &str) {
        let end = start_of_last(&self.library.path(session), 0).unwrap_or(0);
        self.begin_at(session, end);
    }

    fn forget(&mut self) {
        if self.places.len() > PLACES_MAX {
            self.places.retain(|_, place| !place.closed);
            if let Some(newest) = self.places.keys().max() {
                self.newest.clone_from(newest);
            }
        }
    }

    #[must_use]
    pub fn layout(&self) -> &Layout {
        self.library.layout()
    }
}
