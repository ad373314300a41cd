//! Rewrites the index when most of it is about recordings that were deleted.
//! Takes what a listing has just read; replaces the file in one step, under the lock that every append holds.
//! Does not know what the lines say beyond their session.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use super::index::{self, Latest};
use super::layout::Layout;
use super::writer::Index;

/// Bytes below which the index is left as it is, whatever stands in it.
const SMALL: usize = 1024 * 1024;

/// Whether less than half of the index is of use.
pub(super) fn is_due(bytes: usize, useful: usize) -> bool {
    bytes >= SMALL && useful < bytes / 2
}

/// Writes the index anew. `lines` are its lines as they were read after `names`, the recordings that there are. Failing
/// costs nothing but room.
pub(super) fn compact(layout: &Layout, lines: &Latest<'_>, names: &[String]) {
    let there: HashSet<&str> = names.iter().map(String::as_str).collect();
    // Only what was listed then and had no file is dropped: a session may have begun since.
    let newest = names.last().map(String::as_str).unwrap_or_default();
    let gone: HashSet<&str> =
        lines.iter().map(|(name, _)| name).filter(|name| !there.contains(name) && *name <= newest).collect();
    if let Err(error) = rewrite(layout, &gone) {
        tracing::debug!("the index cannot be rewritten: {error}");
    }
}

fn rewrite(layout: &Layout, gone: &HashSet<&str>) -> io::Result<()> {
    let mut index = Index::open(layout.index())?;
    index.locked(|path| {
        let bytes = fs::read(path)?;
        let lines = index::latest(&bytes);
        let kept = lines.iter().filter(|(name, _)| !gone.contains(name));
        let new = path.with_extension(format!("{}.new", std::process::id()));
        let written =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new).and_then(|file| {
                let mut out = io::BufWriter::new(file);
                for (_, line) in kept {
                    out.write_all(line)?;
                    out.write_all(b"\n")?;
                }
                out.flush()
            });
        match written.and_then(|()| fs::rename(&new, path)) {
            Ok(()) => Ok(()),
            Err(error) => {
                let _ = fs::remove_file(&new);
                Err(error)
            }
        }
    })
}
