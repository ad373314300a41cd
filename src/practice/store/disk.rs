//! Files and folders as mail needs them on a disk: for their owner alone, whole after a crash, held by one server.
//! Takes paths and bytes; gives files, and a lock for as long as it is kept.
//! It does not know what is in a file.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

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
