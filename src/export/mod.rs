//! Recordings as other formats: one file a format, and here the one list of them.
//! Takes the lines and events of a session in order, writes the format as they come.
//! Knows neither where events come from nor where the output goes.

mod jsonl;
mod pcapng;
mod raw;

use std::io::{self, Write};

use crate::event::Event;

/// A format: its name on the command line, what it is, and its writer.
pub struct Format {
    pub name: &'static str,
    pub about: &'static str,
    pub new: fn() -> Box<dyn Export>,
}

/// Every format.
pub const ALL: &[Format] = &[pcapng::FORMAT, jsonl::FORMAT, raw::CLIENT, raw::SERVER];

/// Writes one session in a format. Holds a bounded part of it at a time, however long the session is.
pub trait Export {
    /// The next event, and its line as it stands in the recording, without its line end.
    ///
    /// # Errors
    /// The output cannot be written.
    fn event(&mut self, line: &[u8], event: &Event<'_>, out: &mut dyn Write) -> io::Result<()>;

    /// There are no more events.
    ///
    /// # Errors
    /// The output cannot be written.
    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        out.flush()
    }

    /// What the output lacks, a sentence each.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The format of a name.
#[must_use]
pub fn format(name: &str) -> Option<&'static Format> {
    ALL.iter().find(|format| format.name == name)
}
