//! The message that a client is sending: how much of it went by, and whether it held what a lax server takes for its end.
//! Takes the stretches that the framer cut, keeps a few bytes of state.
//! Does not know where the message ends; the framer does.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::event::{Body, Content, Seq};

/// A message under way.
#[derive(Debug)]
pub(super) struct Message {
    /// The DATA or BDAT that it belongs to.
    pub of: Seq,
    pub bytes: u64,
    /// After DATA; otherwise after BDAT.
    pub dotted: bool,
    /// The server has said 354. Without it, the client sends unasked.
    pub asked: bool,
    /// How often the server has answered before the end.
    pub answered: u64,
    /// A dot alone between line ends, which are not both CRLF, went by.
    pub lax_end: bool,
    /// The last two bytes.
    last: [u8; 2],
}

impl Message {
    pub fn data(of: Seq, asked: bool) -> Message {
        Message { dotted: true, asked, ..Message::chunk(of) }
    }

    pub fn chunk(of: Seq) -> Message {
        // A message begins at the beginning of a line.
        let last = *b"\r\n";
        Message { of, bytes: 0, dotted: false, asked: true, answered: 0, lax_end: false, last }
    }

    /// Takes the next stretch, without its terminator, gives what it is.
    pub fn take(&mut self, bytes: &[u8], last: bool) -> Body {
        self.bytes += bytes.len() as u64;
        if self.dotted && !self.lax_end {
            self.look_for_lax_end(bytes);
        }
        Body::Content(Content { of: self.of, bytes: self.bytes, last, ..Content::default() })
    }

    /// Ends as seen in the wild: LF.LF, LF.CRLF, CRLF.LF, CR.CR, CRLF.CR … The framer has left out CRLF.CRLF.
    fn look_for_lax_end(&mut self, bytes: &[u8]) {
        let [before, at] = self.last;
        let first = bytes.first().copied();
        let second = bytes.get(1).copied();
        let straddles = |a: Option<u8>, b: Option<u8>, c: Option<u8>| {
            a.is_some_and(is_line_end) && b == Some(b'.') && c.is_some_and(is_line_end)
        };
        self.lax_end = straddles(Some(before), Some(at), first)
            || straddles(Some(at), first, second)
            || stands_in(&AFTER_LF, bytes)
            || stands_in(&AFTER_CR, bytes);
        self.last = match bytes {
            [] => self.last,
            [one] => [at, *one],
            [.., one, two] => [*one, *two],
        };
    }
}

static AFTER_LF: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\n."));
static AFTER_CR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r."));

fn stands_in(dot: &Finder<'_>, bytes: &[u8]) -> bool {
    dot.find_iter(bytes).any(|at| bytes.get(at + 2).copied().is_some_and(is_line_end))
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}
