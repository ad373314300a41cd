//! POP3 (RFC 1939, with RFC 2449, 2595, 5034): the dialog of a client and its maildrop.
//! Takes both sides' bytes, gives their commands, replies and listings.
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
mod watch;

use self::command::{Command, Lines};
use self::reply::Answered;
use super::frame::{Framer, Mode};
use super::line::line;
use super::replay::Turn;
use super::sasl::{self, Exchange};
use super::standing::Standing;
use super::unanswered::Unanswered;
use super::{Dialog, Flow, Piece, Scheme, SchemeTls, Setup, Sink, Spec, Trouble};
use crate::event::{Body, Seq, Side};

pub const SPEC: Spec = Spec {
    name: "pop3",
    schemes: &[
        Scheme { name: "pop3", tls: SchemeTls::Asked, port: 110 },
        Scheme { name: "pop3s", tls: SchemeTls::Implicit, port: 995 },
        Scheme { name: "pop3+starttls", tls: SchemeTls::StartTls, port: 110 },
    ],
    dialog: |setup| Box::new(Pop3::new(setup)),
    trouble: |trouble, text| {
        // RFC 3206 §4: SYS/TEMP is a failure that is likely to pass, SYS/PERM one that wants a person.
        let code = if trouble == Trouble::Tls { "SYS/PERM" } else { "SYS/TEMP" };
        line(&format!("-ERR [{code}] "), text)
    },
    starttls: &[b"STLS\r\n"],
    watch: || Box::new(watch::PopWatch::default()),
    greets: |status| status == "+OK",
    same: &same::SAME,
    replay: replay::REPLAY,
    renew: &renew::RENEW,
};

/// The state of one conversation.
struct Pop3 {
    setup: Setup,
    client: Framer,
    server: Framer,
    greeted: bool,
    /// Commands whose reply is still to come, oldest first.
    expected: Unanswered<Expected>,
    auth: Option<Auth>,
    /// The listing that the server is sending, and how many bytes of it went by.
    listing: Option<Listing>,
    /// The client's last line, where it was understood, and whether what follows of it is secret: for lines longer than the
    /// longest.
    client_line: (Option<Seq>, bool),
    /// The server's last line, where it was a reply: for lines longer than the longest.
    server_line: Option<Seq>,
    /// A login that has ended, until the next command that is one: a client that did not wait for the answer may still
    /// send a response, which is as secret as it would have been.
    stray: Option<Exchange>,
    standing: Standing,
    /// The login after which both sides may have put on a security layer.
    layer: Option<Seq>,
    /// The server has accepted TLS, and the session is at it.
    upgrade: bool,
    /// The server did not answer in time: until it does, nothing waits for it.
    released: bool,
    lost: bool,
}

/// A command whose answer is still to come.
struct Expected {
    of: Seq,
    lines: Lines,
    answered: Answered,
    starttls: bool,
}

struct Auth {
    exchange: Exchange,
    /// The server has sent a challenge: the next client line is the response.
    asked: bool,
}

struct Listing {
    of: Seq,
    bytes: u64,
    /// It is taken line by line.
    by_line: bool,
    /// An offer has to be taken out of it.
    hides: bool,
    /// The text of a list of capabilities, as far as it goes.
    capabilities: Option<Vec<u8>>,
}

/// How much of a list of capabilities is remembered, in bytes; real ones are a few hundred long.
const CAPABILITIES_MAX: usize = 8 * 1024;

impl Pop3 {
    fn new(setup: Setup) -> Pop3 {
        let server = if setup.hide_starttls { Framer::whole_lines() } else { Framer::default() };
        Pop3 {
            setup,
            client: Framer::default(),
            server,
            greeted: false,
            expected: Unanswered::new(),
            auth: None,
            listing: None,
            client_line: (None, false),
            server_line: None,
            stray: None,
            standing: Standing::default(),
            layer: None,
            upgrade: false,
            released: false,
            lost: false,
        }
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

impl Dialog for Pop3 {
    fn feed(&mut self, from: Side, bytes: &[u8], out: &mut dyn Sink) -> Flow {
        match from {
            Side::Client => self.feed_client(bytes, out),
            Side::Server => self.feed_server(bytes, out),
        }
    }

    fn end(&mut self, from: Side, out: &mut dyn Sink) {
        let framer = if from == Side::Client { &mut self.client } else { &mut self.server };
        let long = framer.within_long_line();
        let rest = framer.finish();
        if rest.is_empty() {
            return;
        }
        if from == Side::Server && self.listing.as_ref().is_some_and(|listing| !listing.by_line) {
            self.server_data(&rest, None, out);
            return;
        }
        if from == Side::Server {
            out.piece(Piece::new(from, &rest, Body::Raw));
            return;
        }
        let all = || Some(0..rest.len());
        let secret = if self.auth.is_some() {
            all()
        } else if long {
            all().filter(|_| self.client_line.1)
        } else {
            Command::parse(&rest, self.standing).secret
        };
        super::say::client(&rest, secret, Body::Raw, out);
    }

    fn upgraded(&mut self, done: bool) {
        self.upgrade = false;
        if done {
            // RFC 2595 §4: both sides forget what they knew, and there is no greeting.
            *self = Pop3 { greeted: true, lost: self.lost, ..Pop3::new(self.setup) };
        }
    }

    fn refusal(&self, reason: &str) -> Vec<u8> {
        line("-ERR [SYS/TEMP] ", reason)
    }

    fn release(&mut self) {
        self.released = true;
        self.server.set_whole_lines(false);
    }

    fn turn(&self) -> Turn {
        if self.client.within_line() { Turn::Within } else { Turn::Whole }
    }

    fn at_rest(&self) -> bool {
        let server = self.listing.is_none() && !self.server.within_line();
        self.expected.all(|expected| expected.answered == Answered::Nothing)
            && server
            && self.auth.is_none()
            && self.turn() == Turn::Whole
    }

    fn upgrading(&self) -> bool {
        self.upgrade || self.expected.newest().is_some_and(|expected| expected.starttls)
    }
}
