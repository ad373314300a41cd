//! One session as a machine: it numbers what the dialog finds, links replies to commands, takes secrets out, decides
//! what is passed on and when the legs are upgraded. Takes the bytes of both legs with the time at which they came,
//! gives bytes to send, events to log and what to do next. Knows no socket, file or clock.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod content;
mod core;
mod held;
mod own;
mod upgrade;
mod watch;

pub use self::core::Summary;
use self::core::{Core, Edits, Tap};
use self::own::Own;
use self::upgrade::Upgrade;
use crate::event::{Body, Close, Event, Gap, Level, Note, Open, Origin, Side, Stamp, Tls};
use crate::findings;
use crate::proto::replay::Turn;
use crate::proto::{Dialog, Flow, Setup, Spec, Stop, Trouble};

/// How many bytes of a side may be held back until the other side has answered. When it is full, that side is not
/// read until then.
pub const HELD_MAX: usize = 64 * 1024;

/// How many bytes of inflated stream are logged in one go. Deflate may grow by a factor of 1,032, so that one block read
/// from a leg could make hundreds of MiB of it; what is left of the block waits until these have been written.
const INFLATED_MAX: u64 = 256 * 1024;

/// How much of a compressed stream is given to the dialog at a time, so that it comes to 512 KiB at the most.
const DEFLATED_MAX: usize = 512;

/// Where events go, in order.
pub trait Log {
    fn event(&mut self, event: &Event<'_>);

    /// The event to come stands for so many bytes as they were received, whatever is left out or masked in it.
    fn received(&mut self, _from: Side, _bytes: u64) {}
}

/// How a session is recorded.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Log passwords, SASL responses and tokens as they are.
    pub keep_secrets: bool,
    /// How many bytes of each content are logged.
    pub bodies: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config { keep_secrets: false, bodies: u64::MAX }
    }
}

/// What a session wants done after an input.
#[derive(Debug, Default)]
pub struct Outbox {
    /// So many bytes from the start of the input go to the other side as they are, before what stands in `to_…`.
    pub pass: usize,
    pub to_client: Vec<u8>,
    pub to_server: Vec<u8>,
    pub next: Next,
}

impl Outbox {
    /// What is to be sent to this side.
    pub fn to(&mut self, side: Side) -> &mut Vec<u8> {
        match side {
            Side::Client => &mut self.to_client,
            Side::Server => &mut self.to_server,
        }
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
pub enum Next {
    #[default]
    Relay,
    /// Send what is to be sent, then begin TLS on the server leg, as its client.
    UpgradeServer,
    /// Send what is to be sent, then begin TLS on the client leg, as its server. `early` is what it sent of its
    /// handshake before it was asked to.
    UpgradeClient { early: Vec<u8> },
    /// Send what is to be sent, then close both legs.
    Close { by: Origin, reason: String },
}

pub struct Session {
    spec: &'static Spec,
    dialog: Box<dyn Dialog>,
    core: Core,
    upgrade: Upgrade,
    /// The upgrade of the server leg that the proxy makes itself, until it is done.
    own: Option<Own>,
    held: [Vec<u8>; 2],
    /// What is held of a side waits only for the log.
    later: [bool; 2],
    /// Sides that will say no more.
    ended: [bool; 2],
    /// The same, and all that they said was passed on.
    over: [bool; 2],
    /// The client was told why it cannot be served.
    told: bool,
    /// The server leg has TLS, and nothing has come through it yet.
    fresh: bool,
}

impl Session {
    /// `upgrade` is true where the proxy itself upgrades the server leg.
    #[must_use]
    pub fn new(spec: &'static Spec, setup: Setup, upgrade: bool, config: Config) -> Session {
        let mut core = Core::new(spec, config);
        core.listens = upgrade;
        Session {
            spec,
            dialog: (spec.dialog)(setup),
            core,
            upgrade: Upgrade::default(),
            own: upgrade.then(Own::default),
            held: [Vec::new(), Vec::new()],
            later: [false; 2],
            ended: [false; 2],
            over: [false; 2],
            told: false,
            fresh: false,
        }
    }

    pub fn open(&mut self, now: Stamp, open: Open, log: &mut dyn Log) {
        self.core.open(now, &open.upstream_name);
        self.core.emit(now, Origin::Proxy, b"", Body::Open(Box::new(open)), log);
    }

    /// A side said this where its TLS handshake was to begin. With `upgrade` it stood behind an upgrade.
    pub fn plaintext(&mut self, now: Stamp, from: Side, bytes: &[u8], upgrade: bool, log: &mut dyn Log) {
        if upgrade {
            self.inject(now, from, bytes, log);
        } else {
            self.unread(now, from, bytes, log);
        }
    }

    /// A leg's TLS handshake has ended. Where the session asked for it, [`Session::upgraded`] is told instead.
    pub fn shaken(&mut self, now: Stamp, side: Side, facts: Tls, log: &mut dyn Log) {
        self.fresh |= side == Side::Server && facts.error.is_none();
        self.core.tls(now, side, facts, log);
    }

    /// Whether the server leg has TLS, and nothing has come through it yet: then its end may still belong to the handshake,
    /// and the client can be told.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    pub fn note(&mut self, now: Stamp, note: Note, log: &mut dyn Log) {
        self.core.emit(now, Origin::Proxy, b"", Body::Note(note), log);
    }

    /// Whether more bytes of this side can be taken.
    #[must_use]
    pub fn wants(&self, side: Side) -> bool {
        self.held(side).len() < HELD_MAX && !self.waits_for_log(side)
    }

    /// Whether bytes are held that may be passed on after a time although nobody answered.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.held(Side::Client).is_empty() && !self.rests(Side::Client) && !self.dialog.upgrading()
    }

    /// Whether nothing is under way that would be cut off in the middle.
    #[must_use]
    pub fn at_rest(&self) -> bool {
        self.held.iter().all(Vec::is_empty) && !self.owns_server() && self.dialog.at_rest()
    }

    /// Whether bytes are held only until there is room for what they hold. [`Session::resume`] reads on in them.
    #[must_use]
    pub fn waits_for_log(&self, side: Side) -> bool {
        let [client, server] = self.later;
        if side == Side::Client { client } else { server }
    }

    /// What was logged of a side has gone: more can be.
    pub fn resume(&mut self, now: Stamp, from: Side, log: &mut dyn Log, out: &mut Outbox) {
        *self.later_mut(from) = false;
        self.take_held(now, from, log, out);
        self.unhold(now, from.other(), log, out);
        self.come_to_ends(now, log, out);
    }

    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.core.summary
    }

    /// Takes the next bytes of a leg.
    pub fn bytes(&mut self, now: Stamp, from: Side, bytes: &[u8], log: &mut dyn Log, out: &mut Outbox) {
        self.fresh &= from == Side::Client;
        if from == Side::Client && self.owns_server() {
            self.held_mut(from).extend_from_slice(bytes);
            return;
        }
        self.read(now, from, bytes, log, out);
        self.come_to_ends(now, log, out);
    }

    fn read(&mut self, now: Stamp, from: Side, bytes: &[u8], log: &mut dyn Log, out: &mut Outbox) {
        if self.goes_by_line(from) {
            self.bytes_by_line(now, from, bytes, log, out);
            return;
        }
        if self.held(from).is_empty() {
            let taken = self.take(now, from, bytes, log, out);
            // Where nothing was changed or held back, the bytes themselves are passed on, without a copy.
            if let Some(pass) = taken.pass {
                out.pass = pass;
            }
            self.held_mut(from).extend_from_slice(bytes.get(taken.kept_from..).unwrap_or_default());
        } else {
            self.held_mut(from).extend_from_slice(bytes);
            self.take_held(now, from, log, out);
        }
        self.unhold(now, from.other(), log, out);
    }

    /// A leg will send no more. Where what it said last still waits, its end does too: see [`Session::said_all`].
    pub fn end(&mut self, now: Stamp, from: Side, log: &mut dyn Log, out: &mut Outbox) {
        // What a client says waits for the proxy's own upgrade, and so does its end.
        if let (Side::Client, Some(own)) = (from, &mut self.own) {
            own.client_ends();
            return;
        }
        let [client, server] = &mut self.ended;
        *(if from == Side::Client { client } else { server }) = true;
        if self.owns_server() {
            self.own_cut_off(now, log, out);
        }
        self.come_to_ends(now, log, out);
    }

    /// Whether a side has ended and all that it said was passed on, so that the other side can be told.
    #[must_use]
    pub fn said_all(&self, side: Side) -> bool {
        let [client, server] = self.over;
        if side == Side::Client { client } else { server }
    }

    /// The other side took too long to answer; what is held is passed on.
    pub fn release(&mut self, now: Stamp, log: &mut dyn Log, out: &mut Outbox) {
        if !self.holds() {
            return;
        }
        self.note(
            now,
            findings::NO_ANSWER.note("bytes that wait for an answer of the other side are passed on without it"),
            log,
        );
        self.dialog.release();
        for side in Side::BOTH {
            self.unhold(now, side, log, out);
        }
        self.come_to_ends(now, log, out);
    }

    /// Whether the client was told why it cannot be served. It is to have time to read it.
    #[must_use]
    pub fn has_told(&self) -> bool {
        self.told
    }

    /// There is no server, and so there is nothing to upgrade.
    pub fn unreached(
        &mut self,
        now: Stamp,
        trouble: Trouble,
        code: &str,
        text: &str,
        log: &mut dyn Log,
        out: &mut Outbox,
    ) {
        self.give_own_up(now, log);
        self.trouble(now, trouble, code, text, log, out);
        out.next = Next::Close { by: Origin::Proxy, reason: text.to_owned() };
    }

    /// The server cannot be had: the client is told so in its own protocol.
    pub fn trouble(
        &mut self,
        now: Stamp,
        trouble: Trouble,
        code: &str,
        text: &str,
        log: &mut dyn Log,
        out: &mut Outbox,
    ) {
        self.told = true;
        let line = (self.spec.trouble)(trouble, &format!("mailtap: {text}"));
        let note = Note {
            level: Level::Warn,
            code: code.to_owned(),
            text: text.to_owned(),
            to: Some(Side::Client.name().to_owned()),
            ..Note::default()
        };
        self.core.emit(now, Origin::Proxy, &line, Body::Note(note), log);
        out.to_client.extend_from_slice(&line);
    }

    /// What a side still says although all is over: it goes nowhere, and nobody reads it any more.
    pub fn too_late(&mut self, now: Stamp, from: Side, bytes: &[u8], log: &mut dyn Log) {
        self.core.raw(now, from, bytes, log);
    }

    /// So many bytes of each side went by unread.
    pub fn passed(&mut self, now: Stamp, client: u64, server: u64, log: &mut dyn Log) {
        for (side, bytes) in [(Side::Client, client), (Side::Server, server)] {
            let why = "passed through untouched, as --passthrough says".to_owned();
            let gap = Gap { bytes, side: side.name().to_owned(), why };
            self.core.emit(now, Origin::Proxy, b"", Body::Gap(gap), log);
        }
        self.core.summary.client_bytes += client;
        self.core.summary.server_bytes += server;
    }

    /// The last event.
    pub fn close(&mut self, now: Stamp, by: Origin, reason: &str, log: &mut dyn Log) {
        self.give_own_up(now, log);
        self.ended = [true; 2];
        let mut nothing = Outbox::default();
        self.come_to_ends(now, log, &mut nothing);
        for side in Side::BOTH {
            self.give_up_held(now, side, log);
        }
        self.core.over(now, log);
        let summary = &self.core.summary;
        let close = Close {
            by: by.name().to_owned(),
            reason: reason.to_owned(),
            client_bytes: summary.client_bytes,
            server_bytes: summary.server_bytes,
            commands: summary.commands,
            duration_us: now.since(self.core.opened),
            user: summary.user.clone(),
        };
        self.core.emit(now, Origin::Proxy, b"", Body::Close(Box::new(close)), log);
    }

    /// Feeds the dialog and passes on what it took, save what it edits or what begins an upgrade.
    fn take(&mut self, now: Stamp, from: Side, bytes: &[u8], log: &mut dyn Log, out: &mut Outbox) -> Taken {
        if let Some(passed) = self.within(now, from, bytes, log) {
            return Taken { pass: Some(passed), kept_from: bytes.len() };
        }
        let (flow, edits) = if self.core.compressed {
            self.feed_deflate(now, from, bytes, log)
        } else {
            self.feed(now, from, bytes, log)
        };
        let (taken, accepts) = match flow {
            Flow::All => (bytes.len(), None),
            Flow::Stop { at, why: Stop::Hold } => (at, None),
            Flow::Stop { at, why: Stop::StartTls { reply } } => (at, Some(reply)),
        };
        // A leg that has TLS cannot be upgraded: then the acceptance is passed on like any answer.
        let within = accepts.is_some() && self.core.has_tls() && !self.owns_server();
        let accepts = accepts.filter(|_| !within);
        if within {
            self.begin_within(now, log);
        }
        let passed = accepts.unwrap_or(taken);
        if from == Side::Server && self.owns_server() {
            self.own_upgrade(now, bytes, passed, &edits, accepts.is_some(), log, out);
        } else if edits.is_empty() && accepts.is_none() {
            return Taken { pass: Some(passed), kept_from: taken };
        } else {
            let to = out.to(from.other());
            edits.apply(bytes.get(..passed).unwrap_or(bytes), to);
        }
        let Some(reply) = accepts else { return Taken { pass: None, kept_from: taken } };
        self.accepted(now, bytes.get(reply..taken).unwrap_or_default(), log, out);
        self.inject(now, Side::Server, bytes.get(taken..).unwrap_or_default(), log);
        Taken { pass: None, kept_from: bytes.len() }
    }

    fn feed(&mut self, now: Stamp, from: Side, bytes: &[u8], log: &mut dyn Log) -> (Flow, Edits) {
        if from == Side::Server {
            self.core.client_is_whole(self.dialog.turn() != Turn::Within);
        }
        let unheard = self.own.as_ref().is_some_and(|own| own.is_unheard(self.dialog.as_ref()));
        let mut tap = Tap::new(&mut self.core, now, log).unheard(unheard);
        let flow = self.dialog.feed(from, bytes, &mut tap);
        (flow, tap.into_edits())
    }

    /// Feeds compressed bytes until enough has come of them. Nothing is edited there, nor upgraded.
    fn feed_deflate(&mut self, now: Stamp, from: Side, bytes: &[u8], log: &mut dyn Log) -> (Flow, Edits) {
        let enough = self.core.logged + INFLATED_MAX;
        let mut at = 0;
        for slice in bytes.chunks(DEFLATED_MAX) {
            if self.core.logged >= enough {
                *self.later_mut(from) = true;
                return (Flow::Stop { at, why: Stop::Hold }, Edits::default());
            }
            if let Flow::Stop { at: taken, .. } = self.feed(now, from, slice, log).0 {
                return (Flow::Stop { at: at + taken, why: Stop::Hold }, Edits::default());
            }
            at += slice.len();
        }
        (Flow::All, Edits::default())
    }
}

struct Taken {
    /// So many bytes can be passed on as they are; none where they were put into the outbox already.
    pass: Option<usize>,
    kept_from: usize,
}
