//! Which recordings there are, what each is about, and which one a word of the user means.
//! Takes the folder, gives index entries and paths; mends the index where it lacks a recording.
//! Does not know how a listing is shown.

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;

use super::ids::{Id, short};
use super::index::{self, Entry, Falling, Latest, Status};
use super::layout::{Layout, is_day};
use super::reader::Reader;
use super::writer::{Index, any_alive, is_alive};
use super::{Error, mend};
use crate::event::{Body, Event};

/// How a recording is scanned for notes: in blocks of so many bytes, looking for the kind in the first bytes of each line,
/// where it stands behind the number and the time.
const SCAN_BLOCK: usize = 256 * 1024;
const KIND_WITHIN: usize = 120;

/// Names that an ambiguous word's complaint lists.
const CANDIDATES_SHOWN: usize = 4;

/// Recordings from which on their index lines are read by several threads; below, starting these costs more.
const PARALLEL_FROM: usize = 5_000;

/// Threads that read index lines; more wait for memory.
const PARSERS_MAX: usize = 4;

/// The recordings below a folder, read only.
#[derive(Clone, Debug)]
pub struct Library {
    layout: Layout,
}

/// A recording that a word of the user meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub session: String,
    pub path: PathBuf,
}

impl Library {
    #[must_use]
    pub fn new(dir: &Path) -> Library {
        Library { layout: Layout::new(dir) }
    }

    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The newest `limit` sessions that are wanted, oldest of them first. Recordings that the index lacks are read, and
    /// the index is told of them.
    ///
    /// # Errors
    /// The folder is there but cannot be read.
    pub fn list(&self, wanted: &mut dyn FnMut(&Entry) -> bool, limit: usize) -> Result<Vec<Entry>, Error> {
        let cannot = |error: io::Error| self.unreadable(&error);
        // Folders first, index second: a writer adds to the index first, so every file found here has its line there.
        let names = self.names().map_err(cannot)?;
        let bytes = read_if_there(&self.layout.index()).map_err(cannot)?;
        let lines = index::latest(&bytes);
        let mut alive = Alive { layout: &self.layout, known: HashMap::new() };
        let mut mended = Vec::new();
        let mut entries = Vec::new();
        let mut parsed = Parsed::new(&lines, &names, limit);
        // Bytes of the index that are about recordings that there are.
        let mut useful = 0;
        for name in names.iter().rev() {
            if entries.len() >= limit {
                break;
            }
            let (size, known) = parsed.next(name);
            useful += size;
            let entry = match known {
                Some(entry) if entry.status != Status::Running => entry,
                Some(mut entry) if alive.check(&entry.writer) => {
                    // The index tells of a session that goes on only that it has begun.
                    found_so_far(&self.path(name), &mut entry);
                    entry
                }
                known => {
                    let Some(entry) = self.read(name, known.is_none()) else { continue };
                    if entry.status != Status::Running {
                        index::write_closed(&entry, &mut mended);
                    }
                    entry
                }
            };
            if wanted(&entry) {
                entries.push(entry);
            }
        }
        let seen_all = entries.len() < limit;
        entries.reverse();
        // What cannot be mended, in a folder of somebody else, is read again by the next listing.
        if !mended.is_empty() && Index::open(self.layout.index()).is_ok_and(|mut index| index.append(&mended).is_err())
        {
            tracing::debug!("the index cannot be mended");
        }
        if seen_all && mend::is_due(bytes.len(), useful) {
            mend::compact(&self.layout, &lines, &names);
        }
        Ok(entries)
    }

    /// The recording that a word means: an id, its short form, a unique beginning of either, `last`, or a path.
    ///
    /// # Errors
    /// There is none, or there are several.
    pub fn find(&self, word: &str) -> Result<Found, Error> {
        if word.contains('/') || word.ends_with(".jsonl") {
            return found_file(Path::new(word));
        }
        let names = self.names().map_err(|error| self.unreadable(&error))?;
        if word == "last" {
            let newest = names.last().ok_or_else(|| self.nothing_recorded())?;
            return Ok(self.found(newest));
        }
        let matching = |name: &&String| name.starts_with(word) || short(name).starts_with(word);
        let exact = names.iter().find(|name| name.as_str() == word || short(name) == word);
        let mut matches: Vec<&String> = names.iter().filter(matching).collect();
        if let Some(exact) = exact {
            matches = vec![exact];
        }
        match matches.as_slice() {
            [] if names.is_empty() => Err(self.nothing_recorded()),
            [] if Path::new(word).is_file() => found_file(Path::new(word)),
            _ if word.is_empty() => {
                Err(Error::unclear("the session's name is empty", "give an id, its beginning, or last"))
            }
            [] => Err(Error::new(format!("no session {word:?}"), "mailtap sessions lists those that there are")),
            [name] => Ok(self.found(name)),
            several => {
                let mut shown: Vec<&str> = several.iter().take(CANDIDATES_SHOWN).map(|name| short(name)).collect();
                if several.len() > CANDIDATES_SHOWN {
                    shown.push("…");
                }
                let what = format!("{word:?} begins {} sessions ({})", several.len(), shown.join(", "));
                Err(Error::unclear(what, "give more of the name"))
            }
        }
    }

    /// What the index, or else the recording, says of one session.
    #[must_use]
    pub fn entry(&self, session: &str) -> Option<Entry> {
        let bytes = read_if_there(&self.layout.index()).ok()?;
        let known = index::latest(&bytes).line(session).and_then(index::parse);
        match known {
            Some(entry) if entry.status != Status::Running => Some(entry),
            Some(entry) if is_alive(&self.layout, &entry.writer) => read_entry(&self.path(session)).or(Some(entry)),
            known => self.read(session, known.is_none()),
        }
    }

    /// The path of a session's recording.
    #[must_use]
    pub fn path(&self, session: &str) -> PathBuf {
        Id::parse(session).map_or_else(|| PathBuf::from(session), |id| self.layout.recording(id))
    }

    /// The names of all recordings, in order.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for day in self.days()? {
            names.append(&mut self.names_of(&day)?);
        }
        Ok(names)
    }

    /// The days on which something was recorded, in order.
    pub(super) fn days(&self) -> io::Result<Vec<String>> {
        let mut days = entries_of(&self.layout.sessions())?;
        days.retain(|day| is_day(day));
        days.sort_unstable();
        Ok(days)
    }

    /// The names of a day's recordings, in order.
    pub(super) fn names_of(&self, day: &str) -> io::Result<Vec<String>> {
        let mut names = entries_of(&self.layout.day(day))?;
        names.retain_mut(|file| {
            let stem = file.len().saturating_sub(".jsonl".len());
            file.ends_with(".jsonl") && {
                file.truncate(stem);
                Id::parse(file).is_some_and(|id| id.day() == day)
            }
        });
        names.sort_unstable();
        Ok(names)
    }

    /// What the recording itself says. `unlisted` where the index does not know who writes it.
    fn read(&self, name: &str, unlisted: bool) -> Option<Entry> {
        let mut entry = read_entry(&self.path(name))?;
        // A recording is about the session that its name says; another program's file may say otherwise.
        name.clone_into(&mut entry.session);
        if entry.status == Status::Running && !(unlisted && any_alive(&self.layout)) {
            entry.unfinished();
        }
        Some(entry)
    }

    fn found(&self, name: &str) -> Found {
        Found { session: name.to_owned(), path: self.path(name) }
    }

    fn nothing_recorded(&self) -> Error {
        Error::new(
            format!("nothing is recorded in {}", self.layout.dir().display()),
            "run mailtap proxy first, or say where with --dir DIR",
        )
    }

    fn unreadable(&self, error: &io::Error) -> Error {
        Error::at(&self.layout.sessions(), "read", error, "choose another folder with --dir DIR")
    }
}

/// The entry that follows from a recording's events; None where it has no event at all or cannot be read.
#[must_use]
pub fn read_entry(path: &Path) -> Option<Entry> {
    let mut reader = Reader::open(path).ok()?;
    let mut entry = Entry::default();
    let mut empty = true;
    while let Ok(Some(record)) = reader.next(&mut |_| {}) {
        entry.observe(&record.event);
        empty = false;
    }
    (!empty).then_some(entry)
}

/// Lists what was found in a session that is still being recorded. Its other events are not read.
fn found_so_far(path: &Path, entry: &mut Entry) {
    let Ok(file) = fs::File::open(path) else { return };
    let mut reader = BufReader::with_capacity(SCAN_BLOCK, file);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let head = line.get(..KIND_WITHIN).unwrap_or(&line);
        if memchr::memmem::find(head, b"\"kind\":\"note\"").is_some()
            && let Ok(event) = Event::from_json(line.trim_ascii_end())
            && let Body::Note(note) = &event.body
        {
            entry.find(&note.code);
        }
        line.clear();
    }
}

fn found_file(path: &Path) -> Result<Found, Error> {
    if !path.is_file() {
        return Err(Error::new(
            format!("no recording at {}", path.display()),
            "give the path of a .jsonl file, or an id as mailtap sessions lists it",
        ));
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(Found { session: stem.into_owned(), path: path.to_owned() })
}

fn entries_of(folder: &Path) -> io::Result<Vec<String>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn read_if_there(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    }
}

/// Index entries of recordings, newest first: all of them read at once by several threads, or one by one where only a
/// few are wanted.
struct Parsed<'l, 'b> {
    falling: Falling<'l, 'b>,
    /// From oldest to newest; None where they are read one by one.
    ready: Option<Vec<(usize, Option<Entry>)>>,
}

impl<'l, 'b> Parsed<'l, 'b> {
    fn new(lines: &'l Latest<'b>, names: &[String], limit: usize) -> Parsed<'l, 'b> {
        let many = limit >= names.len() && names.len() >= PARALLEL_FROM;
        Parsed { falling: lines.falling(), ready: many.then(|| parse_all(lines, names)) }
    }

    /// The bytes of the recording's line and what it says. To be asked for each recording in turn.
    fn next(&mut self, name: &str) -> (usize, Option<Entry>) {
        match &mut self.ready {
            Some(ready) => ready.pop().unwrap_or_default(),
            None => parse_one(self.falling.line(name)),
        }
    }
}

fn parse_one(line: Option<&[u8]>) -> (usize, Option<Entry>) {
    (line.map_or(0, <[u8]>::len), line.and_then(index::parse))
}

fn parse_all(lines: &Latest<'_>, names: &[String]) -> Vec<(usize, Option<Entry>)> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(PARSERS_MAX);
    thread::scope(|scope| {
        let size = names.len().div_ceil(threads).max(1);
        let work = |part: &[String]| part.iter().map(|name| parse_one(lines.line(name))).collect::<Vec<_>>();
        let parts: Vec<_> = names.chunks(size).map(|part| (part, scope.spawn(move || work(part)))).collect();
        // Where a thread failed, its part is done here.
        parts.into_iter().flat_map(|(part, thread)| thread.join().unwrap_or_else(|_| work(part))).collect()
    })
}

/// Which writing processes live, each asked once.
struct Alive<'l> {
    layout: &'l Layout,
    known: HashMap<String, bool>,
}

impl Alive<'_> {
    fn check(&mut self, writer: &str) -> bool {
        if let Some(&alive) = self.known.get(writer) {
            return alive;
        }
        let alive = is_alive(self.layout, writer);
        self.known.insert(writer.to_owned(), alive);
        alive
    }
}
