//! The files below `--dir`: recordings, their index, and the ways to write, read, find and follow them.
//! Takes finished lines and index entries, gives lines, events and listings back.
//! Knows neither sockets nor protocols.

mod flat;
mod follow;
pub mod ids;
pub mod index;
mod layout;
mod library;
mod mend;
mod reader;
mod watch;
mod writer;

use std::fmt;
use std::path::Path;

pub use follow::{Followed, Follower};
pub use index::{Entry, Status};
pub use layout::Layout;
pub use library::{Found, Library, read_entry};
pub use reader::{Damage, Reader, Record, start_of_last};
pub use writer::{Recording, Store};

/// Why a folder or a recording cannot be used, and how to mend that: one line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    what: String,
    mend: String,
    unclear: bool,
}

impl Error {
    pub(crate) fn new(what: impl Into<String>, mend: impl Into<String>) -> Error {
        Error { what: what.into(), mend: mend.into(), unclear: false }
    }

    fn unclear(what: impl Into<String>, mend: impl Into<String>) -> Error {
        Error { unclear: true, ..Error::new(what, mend) }
    }

    /// Whether the user's words were unclear, rather than the work impossible.
    #[must_use]
    pub fn is_unclear(&self) -> bool {
        self.unclear
    }

    fn at(path: &Path, doing: &str, error: &std::io::Error, mend: &str) -> Error {
        Error::new(format!("cannot {doing} {}: {error}", path.display()), mend)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.mend)
    }
}

impl std::error::Error for Error {}
