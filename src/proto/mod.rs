//! The protocols: what the bytes of a mail conversation mean, and where one thing ends and the next begins.
//! A [`Dialog`] is fed the bytes of both sides in the order in which they happened and gives pieces that tile them.
//! Knows no clock, file, socket or JSON, and not what is done about a secret: it only says where one stands.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod answer;
pub mod auto;
pub mod frame;
pub mod imap;
#[cfg(test)]
pub(crate) mod laws;
mod line;
pub mod pop3;
pub mod raw;
pub mod renew;
pub mod replay;
pub mod same;
pub mod sasl;
mod say;
pub mod sieve;
pub mod smtp;
mod standing;
mod unanswered;
pub mod watch;
mod words;

use std::ops::Range;

use self::replay::{Replay, Turn};
use crate::event::{Body, Note, Seq, Side};
use crate::findings;

/// Every protocol that mailtap understands. A new one is a folder here and a line in this list.
pub const ALL: &[&Spec] = &[&smtp::SMTP, &smtp::LMTP, &imap::SPEC, &pop3::SPEC, &sieve::SPEC];

/// A conversation of two sides, as a machine. It never fails and never panics.
pub trait Dialog: Send {
    /// Takes the next bytes of one side. Pieces and notes go to `out`.
    ///
    /// With [`Flow::Stop`] the bytes from `at` on were not taken: they are given again, with what came after them,
    /// once the other side has said something.
    fn feed(&mut self, from: Side, bytes: &[u8], out: &mut dyn Sink) -> Flow;

    /// A side will send no more. What it left unfinished (a torn line, held-back content) becomes a piece.
    fn end(&mut self, from: Side, out: &mut dyn Sink);

    /// After [`Stop::StartTls`]: whether both legs now speak TLS. If so, the state is what the protocol says that
    /// it is after an upgrade; if not, the client has been told [`Dialog::refusal`].
    fn upgraded(&mut self, done: bool);

    /// The reply that refuses the upgrade which the server has just accepted, for the client. One line, with its end.
    fn refusal(&self, reason: &str) -> Vec<u8>;

    /// The other side did not answer in time, so bytes are no longer held back for it: read on as the side that
    /// speaks seems to mean it. Never called while an upgrade to TLS is pending.
    fn release(&mut self);

    /// Whether the server greets again after an upgrade, unasked: when the proxy has upgraded the server leg itself, the
    /// client is then to get that greeting, and not the one before it.
    fn greets_again(&self) -> bool {
        false
    }

    /// Where the client is with what it says, as far as it was read.
    fn turn(&self) -> Turn {
        Turn::Whole
    }

    /// Whether nothing is under way: what either side has begun is all there, and commands have their answers. A client
    /// that has gone to wait for news is at rest as well. Of what it does not understand, a dialog does not know.
    fn at_rest(&self) -> bool {
        true
    }

    /// True between a STARTTLS and its answer: what is held then may not be passed on whatever the time.
    fn upgrading(&self) -> bool;
}

/// What a dialog is told about its legs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup {
    /// The client leg cannot be upgraded (it has TLS already, or the server leg has): take the offer of STARTTLS out
    /// of what the client is told, by [`Sink::edit`]. Server lines are then taken whole or not at all.
    pub hide_starttls: bool,
    /// The server leg has TLS since the server's greeting when the client hears it (and `hide_starttls` is set). What the
    /// greeting says of capabilities no longer holds then: it is taken out as well.
    pub greeted_before_tls: bool,
}

/// Where a dialog puts what it found.
pub trait Sink {
    /// Takes one piece, gives the number under which later pieces can refer to it.
    fn piece(&mut self, piece: Piece<'_>) -> Seq;

    /// The same for content that is whole and nobody's message: a name, the text of a status.
    fn text(&mut self, piece: Piece<'_>) -> Seq {
        self.piece(piece)
    }

    fn note(&mut self, note: Note);

    /// What follows is the inflated stream.
    fn compress(&mut self, algorithm: &str);

    /// Somebody logs in, or tries to.
    fn user(&mut self, name: &str);

    /// The server lists its capabilities in content, where no event can carry them: each with its parameters.
    fn capabilities(&mut self, _names: Vec<String>) {}

    /// What is to be passed on in place of a range of the bytes now being fed, and the note that says so. Only called
    /// under [`Setup::hide_starttls`], in ascending order.
    fn edit(&mut self, range: Range<usize>, with: &[u8], note: Note);
}

/// A stretch of one side's stream and what it means. The pieces of a side tile its stream.
#[derive(Debug)]
pub struct Piece<'a> {
    pub from: Side,
    pub wire: &'a [u8],
    /// Parts of `wire` that are secret: in order, not overlapping.
    pub secrets: &'a [Range<usize>],
    /// Greeting, Command, Reply, Continue, Auth, Content or Raw.
    pub body: Body,
}

impl<'a> Piece<'a> {
    #[must_use]
    pub fn new(from: Side, wire: &'a [u8], body: Body) -> Piece<'a> {
        Piece { from, wire, secrets: &[], body }
    }
}

/// How far a dialog came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Everything was taken.
    All,
    /// The bytes from `at` on were not.
    Stop { at: usize, why: Stop },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// What they mean depends on what the other side answers (or, where lines are taken whole, on the line's rest).
    Hold,
    /// The server has accepted an upgrade to TLS: `reply..at` is the line that says so, and nothing behind it is
    /// plaintext any more.
    StartTls { reply: usize },
}

/// One protocol, as the rest of the program sees it.
pub struct Spec {
    /// `imap`; stands in `open` events.
    pub name: &'static str,
    pub schemes: &'static [Scheme],
    pub dialog: fn(Setup) -> Box<dyn Dialog>,
    /// What a client is told, in place of a greeting, when its server cannot be had.
    pub trouble: fn(Trouble, &str) -> Vec<u8>,
    /// What the proxy itself says, one command after the other, to upgrade a server leg after the greeting.
    pub starttls: &'static [&'static [u8]],
    /// What notices what is wrong with a conversation, beside its dialog.
    pub watch: fn() -> Box<dyn watch::Watch>,
    /// Whether a greeting with this status lets a session go on to an upgrade.
    pub greets: fn(&str) -> bool,
    /// What is the same when a session is run again.
    pub same: &'static same::Same,
    /// What a replay must know of it.
    pub replay: Replay,
    /// What a recorded client must say anew.
    pub renew: &'static renew::Renew,
}

/// How a route names a protocol.
#[derive(Debug)]
pub struct Scheme {
    pub name: &'static str,
    pub tls: SchemeTls,
    /// The port if none is given.
    pub port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemeTls {
    /// None, until the client asks for it.
    Asked,
    /// From the first byte.
    Implicit,
    /// The proxy upgrades the server leg itself; for the right side of a route only.
    StartTls,
}

/// What keeps a client from its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No connection: refused, timed out, name unknown.
    Unreachable,
    /// No TLS: the handshake failed, or the certificate is not to be trusted.
    Tls,
    /// The proxy ends.
    Shutdown,
}

/// How many commands without a reply are remembered. Further ones are passed on as they come; it is then not known which
/// reply is for which of them.
pub const OUTSTANDING_MAX: usize = 1000;

/// Notes, once in a conversation, that a side said something that is not in its protocol.
pub(crate) fn lost_sync(noted: &mut bool, side: Side, why: &str, out: &mut dyn Sink) {
    if std::mem::replace(noted, true) {
        return;
    }
    out.note(
        findings::LOST_SYNC
            .note(format!("what the {} said makes no sense here: {why}; it is logged as raw bytes", side.name())),
    );
}

/// Says that an offer of STARTTLS is taken out for the client.
pub(crate) fn hidden_offer(about: Seq) -> Note {
    let text = "the offer of STARTTLS was taken out for the client: the legs differ, and it would lead nowhere";
    Note { about: Some(about), ..findings::STARTTLS_HIDDEN.note(text) }
}

/// The protocol and scheme of this name.
#[must_use]
pub fn scheme(name: &str) -> Option<(&'static Spec, &'static Scheme)> {
    ALL.iter().find_map(|spec| spec.schemes.iter().find(|scheme| scheme.name == name).map(|scheme| (*spec, scheme)))
}
