//! What commands that read a recording share: finding it, reading it, and telling damage on standard error.
//! Takes what the user called the session, gives its records.
//! Does not know what is done with them.

use super::{Failure, Globals, warn};
use crate::store::{Damage, Found, Library, Reader, Record};
use crate::view::paint::harmless;

/// Finds and opens the recording that a word means.
pub(super) fn open(globals: &Globals, word: &str) -> Result<(Found, Reader), Failure> {
    let found = Library::new(&globals.dir).find(word)?;
    let reader = Reader::open(&found.path)?;
    Ok((found, reader))
}

/// The next record; damage is told and passed over.
pub(super) fn next<'r>(reader: &'r mut Reader, session: &str) -> Result<Option<Record<'r>>, Failure> {
    let path = reader.path().to_owned();
    let read = reader.next(&mut |damage| tell(session, &damage));
    read.map_err(|error| {
        Failure::work(format!("cannot read {}: {error}; see whether its disk is in order", path.display()))
    })
}

pub(super) fn tell(session: &str, damage: &Damage) {
    warn(&format!("{}: {}", harmless(session.as_bytes()), harmless(damage.to_string().as_bytes())));
}
