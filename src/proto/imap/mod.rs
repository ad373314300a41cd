//! IMAP (RFC 9051, RFC 3501 and their extensions): the dialog of a client and its mailboxes.
//! Takes both sides' bytes, gives commands, responses and the literals in them; inflates a copy after COMPRESS.
//! Knows nothing of sockets and logs, nor of what is done about the secrets that it marks.

mod args;
mod client;
mod command;
mod data;
mod fetch;
mod inflate;
mod renew;
mod replay;
mod reply;
mod same;
mod scan;
mod search;
mod server;
mod talk;
#[cfg(test)]
mod tests;
mod token;
mod utf7;
mod watch;

use self::inflate::{Inflate, Step};
use self::talk::{Halt, Talk};
use super::line::line;
use super::replay::Turn;
use super::{Dialog, Flow, Piece, Scheme, SchemeTls, Sink, Spec, Stop};
use crate::event::{Body, Side};

pub const SPEC: Spec = Spec {
    name: "imap",
    schemes: &[
        Scheme { name: "imap", tls: SchemeTls::Asked, port: 143 },
        Scheme { name: "imaps", tls: SchemeTls::Implicit, port: 993 },
        Scheme { name: "imap+starttls", tls: SchemeTls::StartTls, port: 143 },
    ],
    dialog: |setup| Box::new(Imap { talk: Talk::new(setup), deflate: None }),
    // RFC 5530 §3 has no code for what is wrong with a server's certificate; this one is the nearest.
    trouble: |_, text| line("* BYE [UNAVAILABLE] ", text),
    starttls: &[b"mailtap1 STARTTLS\r\n"],
    watch: || Box::new(watch::ImapWatch::default()),
    greets: |status| status == "OK",
    same: &same::SAME,
    replay: replay::REPLAY,
    renew: &renew::RENEW,
};

struct Imap {
    talk: Talk,
    deflate: Option<Box<Deflate>>,
}

/// Both sides after COMPRESS.
struct Deflate {
    client: Inflate,
    server: Inflate,
}

impl Deflate {
    fn side(&mut self, side: Side) -> &mut Inflate {
        if side == Side::Client { &mut self.client } else { &mut self.server }
    }
}

impl Imap {
    /// Reads deflate; gives how much of it was taken. Less than all means that the side has to wait.
    fn inflate(&mut self, from: Side, bytes: &[u8], out: &mut dyn Sink) -> usize {
        let mut at = 0;
        loop {
            let Some(deflate) = &mut self.deflate else { return at };
            let (taken, step) = deflate.side(from).step(bytes.get(at..).unwrap_or_default());
            at += taken;
            if self.read_kept(from, out) {
                continue;
            }
            match step {
                Step::Moved => {}
                Step::Idle => return at,
                Step::Broken => {
                    let unread = self.deflate.as_mut().is_some_and(|deflate| !deflate.side(from).kept().is_empty());
                    if !unread {
                        self.broken(from, bytes.get(at..).unwrap_or_default(), out);
                        at = bytes.len();
                    }
                    return at;
                }
            }
        }
    }

    /// What cannot be inflated: it is passed on and logged as it comes, behind the torn line before it.
    fn broken(&mut self, from: Side, rest: &[u8], out: &mut dyn Sink) {
        let Some(deflate) = &mut self.deflate else { return };
        let mut bytes = deflate.side(from).take_swallowed();
        bytes.extend_from_slice(rest);
        if bytes.is_empty() {
            return;
        }
        self.talk.end(from, out);
        self.talk.lost_sync(from, "it is not deflate, which COMPRESS has agreed on", out);
        out.piece(Piece::new(from, &bytes, Body::Raw));
    }

    /// Reads what was inflated of a side, as far as may be; says whether that was anything. While the client waits for
    /// an answer, the server is read line by line, so that the client goes on right behind the line that has it.
    fn read_kept(&mut self, from: Side, out: &mut dyn Sink) -> bool {
        let (mut any, mut released) = (false, false);
        while let Some(deflate) = &mut self.deflate {
            let waits = from == Side::Server && !deflate.client.kept().is_empty();
            let kept = deflate.side(from).kept();
            if kept.is_empty() {
                break;
            }
            let end = memchr::memchr(b'\n', kept).filter(|_| waits).map_or(kept.len(), |end| end + 1);
            let (read, _) = self.talk.feed(from, kept.get(..end).unwrap_or(kept), out);
            deflate.side(from).read(read);
            if waits {
                self.inflate(Side::Client, b"", out);
            }
            if read == 0 {
                // Where the other side cannot be read any more, its answer is never found.
                let lost = self.deflate.as_mut().is_some_and(|deflate| deflate.side(from.other()).is_broken());
                if lost && from == Side::Client && !std::mem::replace(&mut released, true) {
                    self.talk.release();
                    continue;
                }
                break;
            }
            released = false;
            any = true;
        }
        any
    }

    /// The server has said something: what the client said before, and had to wait for it, may be read now.
    fn resume_client(&mut self, out: &mut dyn Sink) {
        if self.deflate.is_some() {
            self.inflate(Side::Client, b"", out);
        }
    }
}

impl Dialog for Imap {
    fn feed(&mut self, from: Side, bytes: &[u8], out: &mut dyn Sink) -> Flow {
        let mut at = 0;
        if self.deflate.is_none() {
            let (taken, halt) = self.talk.feed(from, bytes, out);
            at = taken;
            match halt {
                Halt::End => return Flow::All,
                Halt::Hold => return Flow::Stop { at, why: Stop::Hold },
                Halt::StartTls { reply } => return Flow::Stop { at, why: Stop::StartTls { reply } },
                Halt::Compress => {
                    out.compress("DEFLATE");
                    self.talk.compressed = true;
                    self.talk.server.framer.set_whole_lines(false);
                    self.deflate = Some(Box::new(Deflate { client: Inflate::new(), server: Inflate::new() }));
                    if at < bytes.len() {
                        // Given again as what it is now.
                        return Flow::Stop { at, why: Stop::Hold };
                    }
                }
            }
        }
        at += self.inflate(from, bytes.get(at..).unwrap_or_default(), out);
        if from == Side::Server {
            self.resume_client(out);
        }
        if at < bytes.len() { Flow::Stop { at, why: Stop::Hold } } else { Flow::All }
    }

    fn end(&mut self, from: Side, out: &mut dyn Sink) {
        // What waits inside for an answer that cannot come any more.
        while let Some(deflate) = &mut self.deflate {
            let before = deflate.side(from).kept().len();
            if before == 0 {
                break;
            }
            self.talk.release();
            self.inflate(from, b"", out);
            if self.deflate.as_mut().is_some_and(|deflate| deflate.side(from).kept().len() >= before) {
                break;
            }
        }
        if let Some(deflate) = &mut self.deflate {
            deflate.side(from).end();
            self.broken(from, b"", out);
        }
        self.talk.end(from, out);
    }

    fn upgraded(&mut self, done: bool) {
        if done {
            self.talk.upgraded();
        } else {
            self.talk.upgrade = None;
        }
    }

    fn refusal(&self, reason: &str) -> Vec<u8> {
        let tag = self.talk.upgrade.as_deref().unwrap_or(b"*");
        [tag, &line(" NO [UNAVAILABLE] ", reason)].concat()
    }

    fn release(&mut self) {
        self.talk.release();
    }

    fn turn(&self) -> Turn {
        let client = &self.talk.client;
        if client.waits {
            Turn::Waits("+ OK\r\n")
        } else if client.within_command() || client.framer.within_line() {
            Turn::Within
        } else {
            Turn::Whole
        }
    }

    fn at_rest(&self) -> bool {
        let inflated = self.deflate.as_ref();
        let is_read = inflated.is_none_or(|both| both.client.kept().is_empty() && both.server.kept().is_empty());
        is_read && self.talk.answered_all() && !self.talk.server.within_response() && self.turn() == Turn::Whole
    }

    fn upgrading(&self) -> bool {
        self.talk.upgrade.is_some()
    }
}
