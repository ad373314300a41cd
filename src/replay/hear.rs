//! What a played client hears: the server's bytes read by the protocol's dialog, together with what was said to it.
//! Takes both sides' bytes in order, gives the pieces that the server said.
//! Does not know what follows from them, nor what was recorded.

use std::ops::Range;

use crate::event::{Body, Note, Seq, Side};
use crate::proto::{Dialog, Flow, Piece, Setup, Sink, Spec, Stop};

/// How many bytes of a server may wait to be read. A dialog holds back a line or so; more is a server that makes no sense.
const HELD_MAX: usize = 1024 * 1024;

pub struct Hearing {
    dialog: Box<dyn Dialog>,
    heard: Heard,
    /// Of each side, what the dialog has not taken yet.
    held: [Vec<u8>; 2],
}

/// What the dialog found.
#[derive(Default)]
pub struct Heard {
    next: Seq,
    /// Numbers of the client's commands that were read, in order.
    pub commands: Vec<Seq>,
    /// What the server said.
    pub said: Vec<Body>,
    pub compressed: bool,
    /// The server has accepted an upgrade to TLS.
    pub upgraded: bool,
}

impl Hearing {
    #[must_use]
    pub fn new(spec: &Spec) -> Hearing {
        Hearing { dialog: (spec.dialog)(Setup::default()), heard: Heard::default(), held: [Vec::new(), Vec::new()] }
    }

    /// Whether the streams are compressed from here on.
    #[must_use]
    pub fn compressed(&self) -> bool {
        self.heard.compressed
    }

    /// Whether there is TLS from here on.
    #[must_use]
    pub fn upgraded(&self) -> bool {
        self.heard.upgraded
    }

    /// How many things the server said that have not been taken yet.
    #[must_use]
    pub fn said(&self) -> u64 {
        self.heard.said.len() as u64
    }

    /// What was found since it was last taken.
    pub fn take(&mut self) -> (Vec<Seq>, Vec<Body>) {
        (std::mem::take(&mut self.heard.commands), std::mem::take(&mut self.heard.said))
    }

    /// What is sent to the server.
    pub fn sent(&mut self, bytes: &[u8]) {
        let waited = !self.held(Side::Client).is_empty();
        self.held(Side::Client).extend_from_slice(bytes);
        if !waited {
            self.read(Side::Client);
        }
    }

    /// What the server said. False where it makes no sense any more.
    #[must_use]
    pub fn received(&mut self, bytes: &[u8]) -> bool {
        // While the client's words wait for an answer, the server is read line by line, so that they are read right
        // behind the line that has it.
        let mut rest = bytes;
        while !rest.is_empty() {
            let waits = !self.held(Side::Client).is_empty() && !self.heard.compressed;
            let end = if waits { memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1) } else { rest.len() };
            let (now, later) = rest.split_at_checked(end).unwrap_or((rest, b""));
            self.held(Side::Server).extend_from_slice(now);
            self.read(Side::Server);
            self.read(Side::Client);
            self.read(Side::Server);
            rest = later;
        }
        self.held(Side::Server).len() <= HELD_MAX
    }

    pub fn ended(&mut self) {
        self.dialog.end(Side::Server, &mut self.heard);
    }

    fn held(&mut self, side: Side) -> &mut Vec<u8> {
        let [client, server] = &mut self.held;
        if side == Side::Client { client } else { server }
    }

    fn read(&mut self, side: Side) {
        let mut bytes = std::mem::take(self.held(side));
        while !bytes.is_empty() {
            let (compressed, flow) = (self.heard.compressed, self.dialog.feed(side, &bytes, &mut self.heard));
            match flow {
                Flow::All => return,
                Flow::Stop { at, why: Stop::StartTls { .. } } => {
                    self.dialog.upgraded(true);
                    self.heard.upgraded = true;
                    // What stood behind it in plaintext the session has thrown away: this came through TLS.
                    bytes.drain(..at.min(bytes.len()));
                }
                Flow::Stop { at, why: Stop::Hold } => {
                    bytes.drain(..at.min(bytes.len()));
                    // The same bytes again are another thing once the stream is compressed.
                    if self.heard.compressed == compressed || at == 0 && compressed {
                        break;
                    }
                }
            }
        }
        *self.held(side) = bytes;
    }
}

impl Sink for Heard {
    fn piece(&mut self, piece: Piece<'_>) -> Seq {
        let seq = self.next;
        self.next += 1;
        match (piece.from, piece.body) {
            (Side::Client, Body::Command(command)) if command.continues.is_none() => self.commands.push(seq),
            (Side::Client, _) | (Side::Server, Body::Content(_)) => {}
            (Side::Server, body) => self.said.push(body),
        }
        seq
    }

    fn note(&mut self, _: Note) {}

    fn compress(&mut self, _: &str) {
        self.compressed = true;
    }

    fn user(&mut self, _: &str) {}

    fn edit(&mut self, _: Range<usize>, _: &[u8], _: Note) {}
}
