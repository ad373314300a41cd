//! ManageSieve (RFC 5804): the dialog of a client and the server that keeps its filter scripts.
//! Takes both sides' bytes, gives their commands, responses and scripts.
//! Knows nothing of sockets and logs, nor of what is done about the secrets that it marks.

mod client;
mod command;
mod renew;
mod replay;
mod reply;
mod same;
mod server;
#[cfg(test)]
mod tests;
mod text;
mod watch;

use self::client::Unfinished;
use self::command::{Command, Kind};
use self::server::{Pending, Text};
use self::text::Scan;
use super::frame::{Framer, Mode};
use super::replay::Turn;
use super::sasl::{self, Exchange};
use super::standing::Standing;
use super::unanswered::Unanswered;
use super::{Dialog, Flow, Piece, Scheme, SchemeTls, Setup, Sink, Spec, Trouble};
use crate::event::{Body, Content, Seq, Side};

pub const SPEC: Spec = Spec {
    name: "sieve",
    schemes: &[
        Scheme { name: "sieve", tls: SchemeTls::Asked, port: 4190 },
        Scheme { name: "sieve+starttls", tls: SchemeTls::StartTls, port: 4190 },
    ],
    dialog: |setup| Box::new(Sieve::new(setup)),
    trouble: |trouble, text| {
        // RFC 5804 §1.3: TRYLATER is a failure that is likely to pass.
        let code = if trouble == Trouble::Tls { "" } else { "(TRYLATER) " };
        format!("BYE {code}{}\r\n", text::told(text)).into_bytes()
    },
    starttls: &[b"STARTTLS\r\n"],
    watch: || Box::new(watch::SieveWatch::default()),
    greets: |status| status == "OK",
    same: &same::SAME,
    replay: replay::REPLAY,
    renew: &renew::RENEW,
};

/// The longest response that is gathered into one event, in bytes; the lines of a longer one are given in parts.
/// Capabilities have some hundred bytes, a list of a thousand scripts some ten thousand.
const REPLY_MAX: usize = 64 * 1024;

/// The longest SASL response in a literal that is read, in bytes (RFC 4954 §4.3 gives 12,288 as the longest line). A longer
/// one is passed on and hidden all the same.
const RESPONSE_MAX: usize = 12_288;

/// The state of one conversation.
struct Sieve {
    setup: Setup,
    client: Framer,
    server: Framer,
    /// Commands whose answer is still to come, oldest first. The greeting stands here too, as the first.
    expected: Unanswered<Expected>,
    auth: Option<Auth>,
    /// A login that has ended, until the next command that is one; see `client`.
    stray: Option<Exchange>,
    standing: Standing,
    /// The client's line that goes on behind a literal or a block.
    unfinished: Option<Unfinished>,
    client_scan: Scan,
    client_literal: Option<Content>,
    /// Lines of data whose status line is still to come.
    gathered: Vec<u8>,
    /// Where what is gathered begins in the bytes now being fed, if all of it does stand there.
    gathered_at: Option<usize>,
    /// The server's line that goes on behind a literal or a block.
    pending: Option<Pending>,
    server_scan: Scan,
    server_literal: Option<(Content, Text)>,
    /// The login after which both sides may have put on a security layer.
    layer: Option<Seq>,
    /// The server has accepted TLS, and the session is at it.
    upgrade: bool,
    /// The server did not answer in time: until it does, nothing waits for it.
    released: bool,
    lost: bool,
}

/// A command whose answer is still to come.
#[derive(Clone, Copy, Debug)]
struct Expected {
    of: Seq,
    /// What is answered; `None` is the greeting.
    kind: Option<Kind>,
}

struct Auth {
    exchange: Exchange,
    /// The server has sent a challenge: the next client line is the response.
    asked: bool,
    /// What has come of a response in a literal.
    literal: Vec<u8>,
}

impl Sieve {
    fn new(setup: Setup) -> Sieve {
        Sieve {
            setup,
            client: Framer::default(),
            server: Framer::default(),
            expected: Unanswered::from_iter([Expected { of: 0, kind: None }]),
            auth: None,
            stray: None,
            standing: Standing::default(),
            unfinished: None,
            client_scan: Scan::default(),
            client_literal: None,
            gathered: Vec::new(),
            gathered_at: None,
            pending: None,
            server_scan: Scan::default(),
            server_literal: None,
            layer: None,
            upgrade: false,
            released: false,
            lost: false,
        }
    }

    /// The kind of the newest command without an answer.
    fn newest(&self) -> Option<Kind> {
        self.expected.newest().and_then(|expected| expected.kind)
    }

    /// See RFC 4422 §3.7: the first byte of a message in a security layer is that of its length, and 0.
    fn layer_begins(&mut self, bytes: &[u8], out: &mut dyn Sink) {
        let Some(about) = self.layer.take() else { return };
        if bytes.first() == Some(&0) && !self.client.within_line() && !self.server.within_line() {
            out.note(sasl::layer_note(about));
            self.go_raw();
        }
    }

    fn go_raw(&mut self) {
        self.client.expect(Mode::Raw);
        self.server.expect(Mode::Raw);
        self.expected.clear();
        self.stray = None;
    }
}

impl Dialog for Sieve {
    fn feed(&mut self, from: Side, bytes: &[u8], out: &mut dyn Sink) -> Flow {
        match from {
            Side::Client => self.feed_client(bytes, out),
            Side::Server => self.feed_server(bytes, out),
        }
    }

    fn end(&mut self, from: Side, out: &mut dyn Sink) {
        if from == Side::Server {
            let mut rest = std::mem::take(&mut self.gathered);
            rest.extend(self.server.finish());
            if self.server_literal.is_some() && !rest.is_empty() {
                self.take_server_literal(&rest, false, out);
            } else if !rest.is_empty() {
                out.piece(Piece::new(from, &rest, Body::Raw));
            }
            return;
        }
        let rest = self.client.finish();
        if rest.is_empty() {
            return;
        }
        let secret = match &self.unfinished {
            Some(unfinished) => unfinished.secret.then_some(0..rest.len()),
            None if self.auth.is_some() => Some(0..rest.len()),
            None => Command::parse(&rest, self.standing).secret,
        };
        super::say::client(&rest, secret, Body::Raw, out);
    }

    fn upgraded(&mut self, done: bool) {
        self.upgrade = false;
        if done {
            // RFC 5804 §2.2: both sides forget what they knew, and the server gives its capabilities again, unasked, as
            // in its greeting.
            *self = Sieve { lost: self.lost, ..Sieve::new(self.setup) };
        }
    }

    fn refusal(&self, reason: &str) -> Vec<u8> {
        format!("NO (TRYLATER) {}\r\n", text::told(reason)).into_bytes()
    }

    fn release(&mut self) {
        self.released = true;
    }

    fn greets_again(&self) -> bool {
        true
    }

    fn turn(&self) -> Turn {
        if self.unfinished.is_some() || self.client_literal.is_some() || self.client.within_line() {
            Turn::Within
        } else {
            Turn::Whole
        }
    }

    fn at_rest(&self) -> bool {
        let answered = self.expected.all(|expected| expected.kind.is_none());
        let lines = self.gathered.is_empty() && self.pending.is_none() && !self.server.within_line();
        let server = lines && self.server_literal.is_none();
        answered && server && self.auth.is_none() && self.turn() == Turn::Whole
    }

    fn upgrading(&self) -> bool {
        self.upgrade || self.newest() == Some(Kind::StartTls)
    }
}
