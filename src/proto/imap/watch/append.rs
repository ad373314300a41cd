//! Messages that a client appends: their lines.
//! Takes the commands and their literals, gives findings.
//! Does not look at what may hold anything, nor at parts that are put together elsewhere.

use crate::event::{Command, Content, Seq};
use crate::proto::watch::{Found, Lines, Seen};

#[derive(Default)]
pub(super) struct Append {
    /// The command whose literals are messages.
    of: Option<Seq>,
    /// The literal that comes next is text. Not those of BINARY (RFC 3516 §4.4) and UTF8 (RFC 6855 §4), and not the
    /// parts of CATENATE (RFC 4469), which may end in the middle of a line.
    text: bool,
    catenated: bool,
    lines: Lines,
}

impl Append {
    pub fn command(&mut self, seen: &Seen<'_>, command: &Command) {
        match command.continues {
            None => (self.of, self.catenated) = ((command.verb == "APPEND").then_some(seen.seq), false),
            Some(of) if self.of != Some(of) => return,
            Some(_) => {}
        }
        if self.of.is_none() {
            return;
        }
        self.text = !announces_binary(seen.wire);
        // It may be a mailbox of that name too; then its message is not looked at.
        self.catenated |= command.args.contains("\"catenate\"");
    }

    /// Other literals are names and passwords.
    pub fn content(&mut self, wire: &[u8], content: &Content, out: &mut Found) {
        if self.of != Some(content.of) || !self.text || self.catenated {
            return;
        }
        self.lines.take(wire, content);
        if content.last {
            self.lines.end("the message", false, out);
        }
    }

    /// The rest of a message never came.
    pub fn abandoned(&mut self, out: &mut Found) {
        if self.lines.is_open() {
            self.lines.end("the message", false, out);
        }
    }
}

/// `~{5}`, `~{5+}`.
fn announces_binary(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    memchr::memrchr(b'{', line).is_some_and(|at| line.get(..at).is_some_and(|before| before.ends_with(b"~")))
}
