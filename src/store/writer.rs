//! Writes recordings and the index, so that both can be read at every moment.
//! Takes whole lines and index entries; appends each batch with one write and never leaves a torn line before another.
//! Does not know what the lines say, nor who waits for them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FlockOperation, flock};

use super::index::{self, Entry};
use super::layout::{Layout, Make, make_folder, open_append};
use super::{Error, ids};

/// A folder that this process records into. Several processes may share one.
#[derive(Debug)]
pub struct Store {
    layout: Layout,
    /// The name of this process's file in `.running`, which stays locked as long as the process lives.
    writer: String,
    _lock: File,
    index: Mutex<Index>,
}

impl Store {
    /// Makes `DIR/sessions` where it is missing and checks that it can be written.
    ///
    /// # Errors
    /// One sentence that says what cannot be made or written, and how to mend it.
    pub fn open(dir: &Path) -> Result<Store, Error> {
        const MEND: &str = "choose a folder that you may write with --dir DIR or MAILTAP_DIR";
        let layout = Layout::new(dir);
        let failed = |path: &Path, doing: &str, error: &io::Error| Error::at(path, doing, error, MEND);
        let running = layout.running();
        make_folder(&running).map_err(|error| failed(&running, "make the folder", &error))?;
        clear_left_behind(&running);
        let (writer, lock) = lock_new(&running).map_err(|error| failed(&running, "write into", &error))?;
        let index = Index::open(layout.index()).map_err(|error| failed(&layout.index(), "write", &error))?;
        Ok(Store { layout, writer, _lock: lock, index: Mutex::new(index) })
    }

    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Makes the recording of a new session and lists it in the index as running.
    ///
    /// # Errors
    /// The entry's `session` is no id, the file is there already, or it cannot be made. When only the index could not be
    /// written there is no error: a listing finds the recording by itself.
    pub fn create(&self, entry: &Entry) -> io::Result<Recording> {
        let id = ids::Id::parse(&entry.session)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the session's name is no id"))?;
        // The line comes before the file: a listing reads the folders first, so it knows of every file that it finds.
        // Without the line only time is lost, not the session: a listing then reads the recording itself.
        let mut line = Vec::new();
        index::write_opened(entry, &self.writer, &mut line);
        let _ = self.append_to_index(&line);
        let path = self.layout.recording(id);
        let file = match open_append(&path, Make::New) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_folder(&self.layout.day(&id.day()))?;
                open_append(&path, Make::New)?
            }
            other => other?,
        };
        Ok(Recording { path, file: Some(file), len: 0, torn: false })
    }

    /// Lists the session as closed, with its final figures.
    ///
    /// # Errors
    /// The index cannot be written. The session is then listed as unfinished until the next listing reads its recording.
    pub fn closed(&self, entry: &Entry) -> io::Result<()> {
        let mut line = Vec::new();
        index::write_closed(entry, &mut line);
        self.append_to_index(&line)
    }

    fn append_to_index(&self, line: &[u8]) -> io::Result<()> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner).append(line)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.layout.running().join(&self.writer));
    }
}

/// The recording of one session, open for appending.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    /// None while parked.
    file: Option<File>,
    /// Bytes in the file that are whole lines.
    len: u64,
    /// A torn line could not be cut off; the next append starts a new line.
    torn: bool,
}

impl Recording {
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends whole lines, each with its `\n`, with one write.
    ///
    /// # Errors
    /// The disk is full, the file is gone …; then nothing of these lines is in the recording, and a later append is
    /// never glued to a torn line. Where not even cutting off was possible, the torn part stays as a line of its own,
    /// which readers pass over with a warning.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        self.unpark()?;
        let Some(file) = self.file.as_mut() else { return Err(io::ErrorKind::NotFound.into()) };
        if self.torn {
            file.write_all(b"\n")?;
            self.torn = false;
            self.len = file.metadata()?.len();
        }
        if let Err(error) = file.write_all(lines) {
            self.torn = file.set_len(self.len).is_err();
            return Err(error);
        }
        self.len += lines.len() as u64;
        Ok(())
    }

    /// Closes the descriptor until the next append, so that an idle session holds none.
    pub fn park(&mut self) {
        self.file = None;
    }

    fn unpark(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(open_append(&self.path, Make::Never)?);
        }
        Ok(())
    }
}

/// The index, open for appending. Every append holds its lock, so that whoever rewrites it loses no line.
#[derive(Debug)]
pub(super) struct Index {
    path: PathBuf,
    file: File,
}

impl Index {
    pub(super) fn open(path: PathBuf) -> io::Result<Index> {
        let file = open_append(&path, Make::IfMissing)?;
        Ok(Index { path, file })
    }

    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.lock()?;
        let done = self.append_locked(lines);
        let _ = flock(&self.file, FlockOperation::Unlock);
        done
    }

    /// Does something with the file while nobody appends to it.
    pub(super) fn locked(&mut self, work: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        self.lock()?;
        let done = work(&self.path);
        let _ = flock(&self.file, FlockOperation::Unlock);
        done
    }

    /// Locks the file that has the index's name now: it may have been rewritten or deleted since it was opened.
    fn lock(&mut self) -> io::Result<()> {
        loop {
            flock(&self.file, FlockOperation::LockExclusive)?;
            let held = self.file.metadata()?.ino();
            if fs::metadata(&self.path).is_ok_and(|named| named.ino() == held) {
                return Ok(());
            }
            self.file = open_append(&self.path, Make::IfMissing)?;
        }
    }

    fn append_locked(&mut self, lines: &[u8]) -> io::Result<()> {
        let len = self.file.metadata()?.len();
        let mut last = [b'\n'];
        if len > 0 {
            self.file.read_exact_at(&mut last, len - 1)?;
        }
        let whole;
        let lines = if last == *b"\n" {
            lines
        } else {
            // Another process died or ran out of space within a line.
            whole = [b"\n", lines].concat();
            &whole
        };
        self.file.write_all(lines).inspect_err(|_| {
            let _ = self.file.set_len(len);
        })
    }
}

/// Makes a file of our own in `.running` and locks it for as long as it stays open.
fn lock_new(running: &Path) -> io::Result<(String, File)> {
    loop {
        let mut random = [0; 5];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = format!("{}-{}", std::process::id(), ids::base32(random));
        let path = running.join(&name);
        let file = open_append(&path, Make::New)?;
        flock(&file, FlockOperation::LockExclusive)?;
        // Between the two calls somebody who clears up may have taken it for left behind.
        if path.exists() {
            return Ok((name, file));
        }
    }
}

/// Removes what processes left in `.running` that are no more.
fn clear_left_behind(running: &Path) {
    let Ok(entries) = fs::read_dir(running) else { return };
    for entry in entries.flatten() {
        let Ok(file) = open_append(&entry.path(), Make::Never) else { continue };
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether any process records into the folder now.
pub(super) fn any_alive(layout: &Layout) -> bool {
    let Ok(entries) = fs::read_dir(layout.running()) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_str().is_some_and(|name| is_alive(layout, name)))
}

/// Whether the process that wrote an entry still lives.
pub(super) fn is_alive(layout: &Layout, writer: &str) -> bool {
    if writer.is_empty() || writer.contains('/') {
        return false;
    }
    let Ok(file) = File::open(layout.running().join(writer)) else { return false };
    flock(&file, FlockOperation::NonBlockingLockShared).is_err()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::event::{Open, Stamp};

    fn entry(second: i64) -> Entry {
        let opened = Stamp(1_795_404_723_000_000 + second * 1_000_000);
        named(&ids::new_id(opened, [7; 5]), opened)
    }

    fn named(session: &str, opened: Stamp) -> Entry {
        Entry::new(&Open { session: session.to_owned(), ..Open::default() }, opened)
    }

    fn index_lines(store: &Store) -> Vec<String> {
        fs::read_to_string(store.layout().index()).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_was_appended_stands_in_the_file_parked_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut recording = store.create(&entry(0)).unwrap();
        recording.append(b"{\"seq\":0}\n").unwrap();
        recording.park();
        recording.append(b"{\"seq\":1}\n{\"seq\":2}\n").unwrap();
        assert_eq!(fs::read(recording.path()).unwrap(), b"{\"seq\":0}\n{\"seq\":1}\n{\"seq\":2}\n");
        assert!(recording.path().ends_with("2026-11-23/20261123T033203000-0w3ge1r7.jsonl"), "{:?}", recording.path());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(recording.path()), 0o600);
        assert_eq!(mode(recording.path().parent().unwrap()), 0o700);
        assert_eq!(mode(&store.layout().index()), 0o600);
    }

    #[test]
    fn a_session_is_never_recorded_over_another() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.create(&entry(0)).unwrap().append(b"{}\n").unwrap();
        assert_eq!(store.create(&entry(0)).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let bad = named("../../etc/x", Stamp(0));
        assert_eq!(store.create(&bad).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_full_disk_leaves_no_torn_line() {
        // /dev/full refuses every write as a full disk does.
        let file = std::fs::OpenOptions::new().append(true).open("/dev/full").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut recording = store.create(&entry(0)).unwrap();
        recording.append(b"{\"seq\":0}\n").unwrap();
        let good = recording.file.replace(file);
        assert_eq!(recording.append(b"{\"seq\":1}\n").unwrap_err().kind(), io::ErrorKind::StorageFull);
        // It could not be cut off there, so the next line must not be glued to what may stand there.
        assert!(recording.torn);
        recording.file = good;
        recording.append(b"{\"seq\":2}\n").unwrap();
        assert_eq!(fs::read(recording.path()).unwrap(), b"{\"seq\":0}\n\n{\"seq\":2}\n");
    }

    #[test]
    fn an_index_line_is_not_glued_to_a_torn_one_nor_lost_when_the_index_goes() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.create(&entry(0)).unwrap();
        fs::write(store.layout().index(), b"{\"session\":\"tor").unwrap();
        store.closed(&entry(0)).unwrap();
        let lines = index_lines(&store);
        assert_eq!((lines[0].as_str(), lines.len()), ("{\"session\":\"tor", 2));
        assert_eq!(index::peek(lines[1].as_bytes()), Some((entry(0).session.as_str(), true)));
        fs::remove_file(store.layout().index()).unwrap();
        store.closed(&entry(1)).unwrap();
        assert_eq!(index_lines(&store).len(), 1);
    }

    #[test]
    fn processes_are_told_apart_by_their_locks() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let other = Store::open(dir.path()).unwrap();
        let left = store.layout().running().join("1-left");
        fs::write(&left, b"").unwrap();
        assert!(is_alive(store.layout(), &store.writer));
        assert!(!is_alive(store.layout(), "1-left"));
        assert!(!is_alive(store.layout(), "../index.jsonl"));
        let name = other.writer.clone();
        drop(other);
        assert!(!is_alive(store.layout(), &name));
        drop(Store::open(dir.path()).unwrap());
        assert!(!left.exists());
        assert!(is_alive(store.layout(), &store.writer));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told_in_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"").unwrap();
        let said = Store::open(&file).unwrap_err().to_string();
        assert!(said.contains("cannot make the folder") && said.contains("--dir"), "{said}");
        assert!(!said.contains('\n'));
    }
}
