//! Where everything lies below `--dir`, and with which rights it is made.
//! Takes the folder, gives paths; makes folders (0700) and files (0600).
//! Does not know what the files say.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::ids::Id;

/// The folder and what lies where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    dir: PathBuf,
}

impl Layout {
    #[must_use]
    pub fn new(dir: &Path) -> Layout {
        Layout { dir: dir.to_owned() }
    }

    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    #[must_use]
    pub fn sessions(&self) -> PathBuf {
        self.dir.join("sessions")
    }

    #[must_use]
    pub fn index(&self) -> PathBuf {
        self.dir.join("sessions").join("index.jsonl")
    }

    /// The folder with a locked file for each process that records.
    #[must_use]
    pub fn running(&self) -> PathBuf {
        self.dir.join("sessions").join(".running")
    }

    #[must_use]
    pub fn day(&self, day: &str) -> PathBuf {
        self.dir.join("sessions").join(day)
    }

    #[must_use]
    pub fn recording(&self, id: Id<'_>) -> PathBuf {
        self.day(&id.day()).join(format!("{}.jsonl", id.as_str()))
    }
}

/// Makes a folder and those above it, for its owner alone.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens for appending.
pub(super) fn open_append(path: &Path, how: Make) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).mode(0o600);
    match how {
        Make::Never => &mut options,
        Make::IfMissing => options.create(true),
        Make::New => options.create_new(true),
    };
    options.open(path)
}

/// Whether opening may make the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Make {
    Never,
    IfMissing,
    /// It must not be there yet.
    New,
}

/// Whether this is the name of a day's folder: `2026-11-23`.
pub(super) fn is_day(name: &str) -> bool {
    name.len() == 10
        && name.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}
