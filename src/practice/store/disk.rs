//! Files and folders as mail needs them on a disk: for their owner alone, whole after a crash, held by one server.
//! Takes paths and bytes; gives files, and a lock for as long as it is kept.
//! It does not know what is in a file.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FlockOperation, flock};

/// Mail is its owner's, whatever the umask says.
const FOLDER: u32 = 0o700;
const FILE: u32 = 0o600;

/// The file that says whether a server has the folder. It stays: to remove it would let two servers lock two files.
const LOCK: &str = "mailtap-lock";

/// Makes a folder, and those above it, where they are not there.
pub fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER).create(path)
}

/// A new file.
pub fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(FILE).open(path)
}

/// A file to write at the end of, made where it is not there.
pub fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(FILE).open(path)
}

/// Writes beside it and renames, so that a crash leaves the old file or the new one.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE).open(&beside)?;
    file.write_all(bytes)?;
    fs::rename(beside, path)
}

/// Removes the files in which nothing has been changed for so long, up to now.
pub fn sweep(folder: &Path, unchanged_for: Duration, now: SystemTime) -> io::Result<()> {
    let Ok(now) = now.duration_since(UNIX_EPOCH) else { return Ok(()) };
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Another program may have taken it away. The time in a message's own file is that of the message, so it is the
        // change of the file itself that counts.
        let Ok(facts) = entry.metadata() else { continue };
        let changed = Duration::from_secs(u64::try_from(facts.ctime()).unwrap_or(u64::MAX));
        if facts.is_file() && now.saturating_sub(changed) > unchanged_for {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// A folder that this server alone numbers and moves messages in. Other programs may read and deliver all the same.
#[derive(Debug)]
pub struct Lock {
    /// The system lets go of it with the file.
    _file: File,
}

impl Lock {
    /// Errors: another server has it.
    pub fn take(folder: &Path) -> io::Result<Self> {
        let file = append(&folder.join(LOCK))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            rustix::io::Errno::WOULDBLOCK => {
                io::Error::new(io::ErrorKind::ResourceBusy, "another server is using it until it ends")
            }
            other => io::Error::from(other),
        })?;
        Ok(Lock { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_has_touched_for_long_is_swept_away_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("1.M1.host");
        let filled = create(&file).unwrap();
        // An old message that is being written.
        filled.set_modified(UNIX_EPOCH).unwrap();
        make_folder(&folder.path().join("below")).unwrap();
        let (limit, now) = (Duration::from_secs(3600), SystemTime::now());
        sweep(folder.path(), limit, now + limit / 2).unwrap();
        assert!(file.exists());
        sweep(folder.path(), limit, now + limit * 2).unwrap();
        assert!(!file.exists() && folder.path().join("below").exists());
    }
}
