//! The upgrade to TLS in the middle of a session, and what stands in plaintext behind it.
//! Takes the server's acceptance and the outcome of each handshake, gives the order of the steps.
//! Does not shake hands itself, and knows no protocol; the upgrade that the proxy makes itself is `own`.

use super::core::Tap;
use super::{Log, Next, Outbox, Session};
use crate::event::{Body, Note, Origin, Seq, Side, Stamp, Tls};
use crate::findings;
use crate::proto::{Flow, Piece, Setup, Sink};

/// A TLS record of a handshake begins so (RFC 8446 §5.1).
const HANDSHAKE: [u8; 2] = [0x16, 0x03];

#[derive(Default)]
pub(super) struct Upgrade {
    /// The server's acceptance, kept from the client until the server leg is up.
    accepted: Vec<u8>,
    /// What the client sent of its handshake too early.
    early: Vec<u8>,
    within: Option<Within>,
}

/// The two ends agreed on TLS within the TLS that a leg has already. It is theirs alone and cannot be read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    /// The client's handshake has not begun.
    Agreed,
    Begun,
}

impl Session {
    /// A handshake that [`Next::UpgradeServer`] or [`Next::UpgradeClient`] asked for has ended; with an error in its
    /// facts, it failed. There are no facts where they were logged before, or where the peer is played and takes the
    /// upgrade for done.
    pub fn upgraded(&mut self, now: Stamp, side: Side, facts: Option<Tls>, log: &mut dyn Log, out: &mut Outbox) {
        if let Some(facts) = facts {
            let error = facts.error.clone();
            self.shaken(now, side, facts, log);
            if let Some(error) = error {
                self.upgrade_failed(now, side, error, log, out);
                return;
            }
        }
        match side {
            Side::Server if self.owns_server() => self.own_done(now, log, out),
            Side::Server => {
                out.to_client.append(&mut self.upgrade.accepted);
                out.next = Next::UpgradeClient { early: std::mem::take(&mut self.upgrade.early) };
            }
            Side::Client => self.dialog.upgraded(true),
        }
    }

    /// Such a handshake has failed.
    pub fn upgrade_failed(&mut self, now: Stamp, side: Side, error: String, log: &mut dyn Log, out: &mut Outbox) {
        match side {
            Side::Server if self.owns_server() => self.own_failed(now, &error, log, out),
            Side::Server => {
                self.told = true;
                let line = self.dialog.refusal(&format!("mailtap: {error}"));
                self.dialog.upgraded(false);
                let note = Note {
                    to: Some(Side::Client.name().to_owned()),
                    ..findings::UPSTREAM_TLS.note(format!(
                        "the server accepted STARTTLS, and its TLS failed: {error}; the client was refused in its place"
                    ))
                };
                self.core.emit(now, Origin::Proxy, &line, Body::Note(note), log);
                out.to_client.extend_from_slice(&line);
                out.next = Next::Close { by: Origin::Server, reason: error };
            }
            Side::Client => out.next = Next::Close { by: Origin::Client, reason: error },
        }
    }

    /// The upgrade is left to the two ends: the server's acceptance goes to the client, and what follows is not read.
    /// Gives what the client sent of its handshake too early.
    pub fn pass_through(&mut self, out: &mut Outbox) -> Vec<u8> {
        out.to_client.append(&mut self.upgrade.accepted);
        std::mem::take(&mut self.upgrade.early)
    }

    /// The server has accepted an upgrade.
    pub(super) fn accepted(&mut self, now: Stamp, reply: &[u8], log: &mut dyn Log, out: &mut Outbox) {
        if !self.owns_server() {
            self.upgrade.accepted = reply.to_vec();
            let held = std::mem::take(self.held_mut(Side::Client));
            if held.starts_with(&HANDSHAKE) || (held.len() == 1 && held.starts_with(&HANDSHAKE[..1])) {
                let text = "the client began its TLS handshake before the server had accepted STARTTLS";
                self.note(now, findings::EARLY_CLIENT_HELLO.note(text), log);
                self.upgrade.early = held;
            } else {
                self.inject(now, Side::Client, &held, log);
            }
        }
        out.next = Next::UpgradeServer;
    }

    /// The server has accepted an upgrade although a leg has TLS already.
    pub(super) fn begin_within(&mut self, now: Stamp, log: &mut dyn Log) {
        self.upgrade.within = Some(Within::Agreed);
        // Nothing is upgraded here, and nothing waits for it any more.
        self.dialog.upgraded(false);
        let text = "the server accepted STARTTLS although a leg has TLS already; what follows is between the two ends and \
                    cannot be read";
        let note = findings::STARTTLS_IN_TLS.note(text);
        self.note(now, note, log);
    }

    /// Bytes of TLS within TLS: they are recorded and passed on as they are. Plaintext before the client's handshake was
    /// injected, as with any upgrade. Gives how many bytes are to be passed on: all of them or none.
    pub(super) fn within(&mut self, now: Stamp, from: Side, bytes: &[u8], log: &mut dyn Log) -> Option<usize> {
        let within = self.upgrade.within.as_mut()?;
        if from == Side::Client && bytes.first() == HANDSHAKE.first() {
            *within = Within::Begun;
        }
        if *within == Within::Agreed {
            self.inject(now, from, bytes, log);
            return Some(0);
        }
        let _ = Tap::new(&mut self.core, now, log).piece(Piece::new(from, bytes, Body::Raw));
        Some(bytes.len())
    }

    /// Plaintext behind an upgrade: it is logged, and goes no further.
    pub(super) fn inject(&mut self, now: Stamp, from: Side, bytes: &[u8], log: &mut dyn Log) {
        if bytes.is_empty() {
            return;
        }
        self.unread(now, from, bytes, log);
        let text = format!(
            "{} bytes of plaintext stood behind STARTTLS on the {} leg; they were not passed on into TLS",
            bytes.len(),
            from.name()
        );
        self.note(now, findings::STARTTLS_INJECTION.note(text), log);
    }

    /// Logs bytes that go no further, as raw and without the secrets that may stand in them.
    pub(super) fn unread(&mut self, now: Stamp, from: Side, bytes: &[u8], log: &mut dyn Log) {
        // Read by a dialog of its own, for the secrets that may stand in it.
        let mut dialog = (self.spec.dialog)(Setup::default());
        let mut tap = Injected(Tap::new(&mut self.core, now, log));
        let taken = match dialog.feed(from, bytes, &mut tap) {
            Flow::All => bytes.len(),
            Flow::Stop { at, .. } => at,
        };
        dialog.end(from, &mut tap);
        let rest = bytes.get(taken..).unwrap_or_default();
        if !rest.is_empty() {
            self.core.raw(now, from, rest, log);
        }
    }
}

/// Logs pieces as raw bytes, without their secrets.
struct Injected<'t>(Tap<'t>);

impl Sink for Injected<'_> {
    fn piece(&mut self, piece: Piece<'_>) -> Seq {
        self.0.piece(Piece { body: Body::Raw, ..piece })
    }

    fn note(&mut self, _: Note) {}

    fn compress(&mut self, _: &str) {}

    fn user(&mut self, _: &str) {}

    fn edit(&mut self, _: std::ops::Range<usize>, _: &[u8], _: Note) {}
}
