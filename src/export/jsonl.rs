//! The recording itself: its event lines, without what is damaged.
//! Takes lines, writes them as they are.
//! Does not look into them.

use std::io::{self, Write};

use super::{Export, Format};
use crate::event::Event;

pub(super) const FORMAT: Format =
    Format { name: "jsonl", about: "the event lines as they were recorded", new: || Box::new(Jsonl) };

struct Jsonl;

impl Export for Jsonl {
    fn event(&mut self, line: &[u8], _event: &Event<'_>, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(line)?;
        out.write_all(b"\n")
    }
}
