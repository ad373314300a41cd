//! What is known of an IMAP conversation at a moment: commands without answer, who waits for whom, what is under way.
//! Takes lines' ends and answers from `client` and `server`, gives what may be read next.
//! Does not know how bytes are cut into lines, nor compression.

use std::collections::VecDeque;

use super::client::Client;
use super::command::Kind;
use super::server::Server;
use super::token::Names;
use crate::event::{Body, Note, Seq, Side};
use crate::findings;
use crate::proto::frame::Mode;
use crate::proto::sasl::Exchange;
use crate::proto::standing::Standing;
use crate::proto::{OUTSTANDING_MAX, Piece, Setup, Sink, lost_sync};

/// Literals up to this size, in bytes, are remembered, so that a mailbox name written as one is explained.
pub(super) const REMEMBERED_MAX: u64 = 1024;

/// How much of a tag is remembered, in bytes; clients write fewer than ten.
const TAG_MAX: usize = 128;

/// The longest user name that is taken from a LOGIN, in bytes.
pub(super) const USER_MAX: usize = 255;

/// The state of one conversation, TLS and compression taken off.
pub(super) struct Talk {
    pub setup: Setup,
    pub client: Client,
    pub server: Server,
    /// Commands whose tagged reply is still to come, oldest first.
    pub outstanding: VecDeque<Outstanding>,
    pub auth: Option<Auth>,
    pub standing: Standing,
    /// The client's IDLE, until it says DONE or something else.
    pub idle: Option<Seq>,
    /// The tag of a STARTTLS under way.
    pub upgrade: Option<Vec<u8>>,
    /// A COMPRESS waits for its answer.
    pub compressing: bool,
    pub compressed: bool,
    /// The server did not answer in time: until it says something, nothing waits for it.
    pub released: bool,
    pub names: Names,
    pub lost: bool,
    layer_noted: bool,
}

pub(super) struct Outstanding {
    pub of: Seq,
    /// Its first bytes.
    tag: Vec<u8>,
    pub kind: Kind,
    /// An IDLE that was told to go ahead.
    pub going: bool,
}

pub(super) struct Auth {
    pub exchange: Exchange,
    /// The server has sent a challenge: the next client line is the response.
    pub asked: bool,
}

/// Why a dialog does not read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// Everything was read.
    End,
    Hold,
    StartTls {
        reply: usize,
    },
    /// What follows is deflate, on both sides.
    Compress,
}

impl Talk {
    pub fn new(setup: Setup) -> Talk {
        let mut talk = Talk {
            setup,
            client: Client::default(),
            server: Server::default(),
            outstanding: VecDeque::new(),
            auth: None,
            standing: Standing::default(),
            idle: None,
            upgrade: None,
            compressing: false,
            compressed: false,
            released: false,
            names: Names::default(),
            lost: false,
            layer_noted: false,
        };
        talk.server.framer.set_whole_lines(setup.hide_starttls);
        talk
    }

    /// Reads what a side said; gives how many bytes of it were taken and why not more.
    pub fn feed(&mut self, from: Side, bytes: &[u8], out: &mut dyn Sink) -> (usize, Halt) {
        match from {
            Side::Client => self.feed_client(bytes, out),
            Side::Server => self.feed_server(bytes, out),
        }
    }

    /// A side says no more: what is left of its last line.
    pub fn end(&mut self, from: Side, out: &mut dyn Sink) {
        match from {
            Side::Client => self.end_client(out),
            Side::Server => {
                let rest = self.server.framer.finish();
                if !rest.is_empty() && self.server.within_literal() {
                    self.server_data(&rest, false, out);
                } else if !rest.is_empty() {
                    out.piece(Piece::new(Side::Server, &rest, Body::Raw));
                }
            }
        }
    }

    /// Whether the client's next bytes cannot be read before the server has answered.
    pub fn client_must_wait(&self) -> bool {
        let within = self.client.framer.within_line();
        let response = !within && self.auth.as_ref().is_some_and(|auth| !auth.asked);
        self.upgrade.is_some() || (!self.released && (self.compressing || self.client.waits || response))
    }

    /// A command waits for its answer. Of too many the oldest is forgotten.
    pub fn expects(&mut self, of: Seq, tag: &[u8], kind: Kind) {
        if self.outstanding.len() >= OUTSTANDING_MAX {
            self.outstanding.pop_front();
        }
        self.outstanding.push_back(Outstanding { of, tag: remembered(tag).to_vec(), kind, going: false });
    }

    pub fn release(&mut self) {
        if self.upgrade.is_some() {
            return;
        }
        self.released = true;
        self.compressing = false;
        // Until the next line of the server is complete.
        self.server.framer.set_whole_lines(false);
        if self.client.waits {
            self.literal_comes();
        }
    }

    /// Both legs speak TLS: nothing that was said before counts any more, and there is no second greeting
    /// (RFC 9051 §6.2.1).
    pub fn upgraded(&mut self) {
        let (setup, lost) = (self.setup, self.lost);
        *self = Talk::new(setup);
        self.server.greeted = true;
        self.lost = lost;
    }

    /// Whether no command waits for its answer, save an IDLE under way, which waits for nothing else.
    pub fn answered_all(&self) -> bool {
        self.outstanding.iter().all(|command| command.kind == Kind::Idle && command.going)
    }

    /// The command of this tag is answered; gives it.
    pub fn answered(&mut self, tag: &[u8]) -> Option<Outstanding> {
        let at = self.outstanding.iter().position(|command| command.tag == remembered(tag))?;
        self.outstanding.remove(at)
    }

    /// A challenge in answer to a command that is not known: it begins a login all the same, and the client's next line is a
    /// response.
    pub fn login_begins(&mut self) -> Option<&mut Auth> {
        let newest = self.outstanding.back_mut()?;
        if !matches!(newest.kind, Kind::Unknown | Kind::Stray) || self.client.framer.within_line() {
            return None;
        }
        newest.kind = Kind::Authenticate;
        self.standing.tries();
        Some(self.auth.insert(Auth { exchange: Exchange::new("", newest.of), asked: true }))
    }

    /// The command that a go-ahead is for, if it is not for a literal or a SASL response.
    pub fn idling(&mut self) -> Option<Seq> {
        let idle = self.outstanding.iter_mut().find(|command| command.kind == Kind::Idle && !command.going)?;
        idle.going = true;
        Some(idle.of)
    }

    pub fn lost_sync(&mut self, side: Side, why: &str, out: &mut dyn Sink) {
        lost_sync(&mut self.lost, side, why, out);
    }

    /// A SASL security layer puts four octets of length before everything (RFC 4422 §3.7), the first of which is 0
    /// because its buffers are shorter than 16 MiB. No line of IMAP begins so.
    pub fn begins_layer(&mut self, side: Side, first: u8, out: &mut dyn Sink) -> bool {
        let framer = if side == Side::Client { &mut self.client.framer } else { &mut self.server.framer };
        if framer.mode() != Mode::Line || framer.within_line() {
            return false;
        }
        let watched = if side == Side::Client { &mut self.client.after_auth } else { &mut self.server.after_auth };
        let Some((mechanism, about)) = watched.take() else { return false };
        if first != 0 {
            return false;
        }
        framer.expect(Mode::Raw);
        if !std::mem::replace(&mut self.layer_noted, true) {
            out.note(Note {
                about: Some(about),
                ..findings::SASL_SECURITY_LAYER.note(format!(
                    "the login by {mechanism} put a security layer around what follows, so that only client and \
                     server can read it; it is passed on and logged as raw bytes"
                ))
            });
        }
        true
    }
}

fn remembered(tag: &[u8]) -> &[u8] {
    tag.get(..TAG_MAX).unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_any_length_are_remembered_in_bounded_memory() {
        let mut talk = Talk::new(Setup::default());
        let long = |number: u64| [number.to_string().as_bytes(), &[b'x'; 60_000]].concat();
        for number in 0..2000 {
            talk.expects(number, &long(number), Kind::Plain);
        }
        assert!(
            talk.outstanding.iter().map(|command| command.tag.capacity()).sum::<usize>() <= OUTSTANDING_MAX * TAG_MAX
        );
        assert_eq!(talk.answered(&long(1999)).map(|command| command.of), Some(1999));
        assert!(talk.answered(&long(0)).is_none(), "the oldest are forgotten");
    }
}
