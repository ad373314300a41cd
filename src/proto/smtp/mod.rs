//! SMTP (RFC 5321) and LMTP (RFC 2033): the dialog of a client and its server.
//! Takes both sides' bytes, gives their commands, replies and messages.
//! Knows nothing of sockets and logs, nor of what is done about the secrets that it marks.

mod client;
mod command;
mod content;
mod path;
mod renew;
mod replay;
mod reply;
mod same;
mod server;
#[cfg(test)]
mod tests;
mod watch;

use self::command::{Command, Kind};
use self::content::Message;
use self::server::Open;
use super::frame::{Framer, Mode};
use super::line::line;
use super::replay::Turn;
use super::sasl::Exchange;
use super::standing::Standing;
use super::unanswered::Unanswered;
use super::{Dialog, Flow, Piece, Scheme, SchemeTls, Setup, Sink, Spec, Trouble};
use crate::event::{Body, Seq, Side};

pub const SMTP: Spec = Spec {
    name: "smtp",
    schemes: &[
        Scheme { name: "smtp", tls: SchemeTls::Asked, port: 25 },
        Scheme { name: "submission", tls: SchemeTls::Asked, port: 587 },
        Scheme { name: "smtps", tls: SchemeTls::Implicit, port: 465 },
        Scheme { name: "submissions", tls: SchemeTls::Implicit, port: 465 },
        Scheme { name: "smtp+starttls", tls: SchemeTls::StartTls, port: 25 },
        Scheme { name: "submission+starttls", tls: SchemeTls::StartTls, port: 587 },
    ],
    dialog: |setup| Box::new(Smtp::new(setup, Variant::Smtp)),
    trouble,
    // An address literal: servers that want a full domain name take it too (RFC 5321 §4.1.4).
    starttls: &[b"EHLO [127.0.0.1]\r\n", b"STARTTLS\r\n"],
    watch: || Box::new(watch::SmtpWatch::default()),
    greets: |status| status == "220",
    same: &same::SAME,
    replay: replay::REPLAY,
    renew: &renew::RENEW,
};

pub const LMTP: Spec = Spec {
    name: "lmtp",
    schemes: &[Scheme { name: "lmtp", tls: SchemeTls::Asked, port: 24 }],
    dialog: |setup| Box::new(Smtp::new(setup, Variant::Lmtp)),
    trouble,
    starttls: &[b"LHLO [127.0.0.1]\r\n", b"STARTTLS\r\n"],
    watch: || Box::new(watch::SmtpWatch::default()),
    greets: |status| status == "220",
    same: &same::SAME,
    replay: replay::REPLAY,
    renew: &renew::RENEW,
};

/// The longest reply that is gathered into one event, in bytes. A longer one is given in parts, so that a server cannot
/// fill the memory with a reply that has no end. EHLO replies have some hundred bytes, HELP some thousand.
const REPLY_MAX: usize = 64 * 1024;

/// 421 is the answer of a server that has to close (RFC 5321 §3.8, §4.2.2), at any time and in place of a greeting, and
/// lets a client that queues its mail try again. 554, the other answer in place of 220 (§3.1), would return the mail to
/// its sender, over a certificate that may be mended tomorrow. The enhanced codes are those of RFC 3463 §3.5, §3.8, §3.4.
fn trouble(trouble: Trouble, text: &str) -> Vec<u8> {
    line(
        match trouble {
            Trouble::Unreachable => "421 4.4.1 ",
            Trouble::Tls => "421 4.7.5 ",
            Trouble::Shutdown => "421 4.3.2 ",
        },
        text,
    )
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    Smtp,
    Lmtp,
}

/// The state of one conversation.
struct Smtp {
    setup: Setup,
    variant: Variant,
    client: Framer,
    server: Framer,
    /// Commands whose answer is still to come, oldest first. The greeting stands here too, as the first.
    expected: Unanswered<Expected>,
    auth: Option<Auth>,
    /// A login that has ended, until the next command that is one: a client that did not wait for the answer may still
    /// send a response, which is as secret as it would have been.
    stray: Option<Exchange>,
    standing: Standing,
    message: Option<Message>,
    /// How many recipients the server has accepted for this message.
    accepted: u64,
    /// The lines of a reply whose last line is still to come.
    gathered: Vec<u8>,
    /// A reply that is given in parts.
    open: Option<Open>,
    /// The client's last line, where it was understood, and whether what follows of it is secret: for lines longer than the
    /// longest.
    client_line: (Option<Seq>, bool),
    /// The login after which both sides may have put on a security layer.
    layer: Option<Seq>,
    /// The server has accepted TLS, and the session is at it.
    upgrade: bool,
    /// The server did not answer in time: until it does, nothing waits for it.
    released: bool,
    /// Client and server have changed places: nothing is understood, so everything is a secret.
    turned: bool,
    lost: bool,
}

/// A command whose answer is still to come.
#[derive(Clone, Copy, Debug)]
struct Expected {
    of: Seq,
    /// What is answered; `None` is the greeting.
    kind: Option<Kind>,
    /// How many answers are still to come; not known before the first one has come.
    left: Option<u64>,
}

impl Expected {
    fn new(of: Seq, kind: Kind) -> Expected {
        Expected { of, kind: Some(kind), left: None }
    }
}

struct Auth {
    exchange: Exchange,
    /// The server has sent a challenge: the next client line is the response.
    asked: bool,
}

impl Smtp {
    fn new(setup: Setup, variant: Variant) -> Smtp {
        Smtp {
            setup,
            variant,
            client: Framer::default(),
            server: Framer::default(),
            expected: Unanswered::from_iter([Expected { of: 0, kind: None, left: None }]),
            auth: None,
            stray: None,
            message: None,
            accepted: 0,
            standing: Standing::default(),
            gathered: Vec::new(),
            open: None,
            client_line: (None, false),
            layer: None,
            upgrade: false,
            released: false,
            turned: false,
            lost: false,
        }
    }

    /// The kind of the newest command without an answer.
    fn newest(&self) -> Option<Kind> {
        self.expected.newest().and_then(|expected| expected.kind)
    }

    /// What a client sends behind DATA without being asked can only be its message.
    fn begin_unasked(&mut self) {
        if self.released && self.newest() == Some(Kind::Data) && self.message.is_none() && !self.client.within_line() {
            let of = self.expected.newest().map_or(0, |expected| expected.of);
            self.message = Some(Message::data(of, false));
            self.client.expect(Mode::Dotted);
        }
    }

    /// Gives up understanding: everything from here on is raw.
    fn go_raw(&mut self, out: &mut dyn Sink) {
        let torn = self.client.finish();
        if !torn.is_empty() {
            self.raw(Side::Client, &torn, out);
        }
        self.client.expect(Mode::Raw);
        self.server.expect(Mode::Raw);
        self.expected.clear();
        self.auth = None;
        self.stray = None;
    }

    fn raw(&self, from: Side, bytes: &[u8], out: &mut dyn Sink) {
        let secret = self.turned.then_some(0..bytes.len());
        out.piece(Piece { from, wire: bytes, secrets: secret.as_slice(), body: Body::Raw });
    }

    /// The first bytes after a login that may have put on a security layer: each message is preceded by its length in
    /// four bytes (RFC 4422 §3.7), of which the first is 0, as no layer takes 16 MiB at once. No line begins so.
    fn layer_begins(&mut self, bytes: &[u8], out: &mut dyn Sink) {
        let Some(about) = self.layer.take() else { return };
        if bytes.first() == Some(&0) && !self.client.within_line() && !self.server.within_line() {
            out.note(super::sasl::layer_note(about));
            self.go_raw(out);
        }
    }
}

impl Dialog for Smtp {
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
            if !rest.is_empty() {
                out.piece(Piece::new(from, &rest, Body::Raw));
            }
            return;
        }
        let long = self.client.within_long_line();
        let rest = self.client.finish();
        if rest.is_empty() {
            return;
        }
        if let Some(message) = &mut self.message {
            let body = message.take(&rest, false);
            out.piece(Piece::new(from, &rest, body));
            return;
        }
        let all = 0..rest.len();
        let secret = if self.auth.is_some() || (long && self.client_line.1) {
            Some(all)
        } else if long {
            None
        } else {
            Command::parse(&rest, self.standing).secret
        };
        let secret = secret.filter(|range| !range.is_empty());
        out.piece(Piece { from, wire: &rest, secrets: secret.as_slice(), body: Body::Raw });
    }

    fn upgraded(&mut self, done: bool) {
        self.upgrade = false;
        if done {
            // RFC 3207 §4.2: both sides forget what they knew; the client says EHLO again, and there is no greeting.
            let fresh = Smtp { expected: Unanswered::new(), lost: self.lost, ..Smtp::new(self.setup, self.variant) };
            *self = fresh;
        }
    }

    fn refusal(&self, reason: &str) -> Vec<u8> {
        // RFC 3207 §4: TLS not available due to temporary reason.
        line("454 4.7.0 ", reason)
    }

    fn release(&mut self) {
        self.released = true;
        self.begin_unasked();
    }

    fn turn(&self) -> Turn {
        if self.message.is_some() || self.client.within_line() { Turn::Within } else { Turn::Whole }
    }

    fn at_rest(&self) -> bool {
        // A greeting that does not come keeps nobody from leaving.
        let answered = self.expected.all(|expected| matches!(expected.kind, None | Some(Kind::Nothing)));
        let server = self.gathered.is_empty() && self.open.is_none() && !self.server.within_line();
        answered && server && self.auth.is_none() && self.turn() == Turn::Whole
    }

    fn upgrading(&self) -> bool {
        self.upgrade || self.newest() == Some(Kind::StartTls)
    }
}
