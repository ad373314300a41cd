//! The upgrade that the proxy makes itself on the server leg, before the client hears anything.
//! Takes what the server says until its leg has TLS; gives what is said to it, then the greeting for the client, or the
//! reason why there is none. Knows no protocol: what is said to the server comes from its `Spec`.

use super::core::{Edits, Tap};
use super::{HELD_MAX, Log, Next, Outbox, Session};
use crate::event::{Body, Greeting, Note, Origin, Reply, Seq, Side, Stamp};
use crate::proto::{Dialog, Piece, Sink, Trouble};

/// How far the proxy is with it. The client waits meanwhile, and so does what it says.
#[derive(Default)]
pub(super) struct Own {
    /// What the client is to get once the leg is up: the greeting, and nothing that came behind it in plaintext.
    greeting: Vec<u8>,
    greeted: bool,
    /// How many of the proxy's commands have been said.
    step: usize,
    /// The last of them, until its reply has come.
    waits_for: Option<Seq>,
    /// The client has said all that it will say.
    client_ended: bool,
}

impl Own {
    /// Whether the greeting that the client is to get has been read, or is still to come within TLS: it does not hear what
    /// the server says now.
    pub fn is_unheard(&self, dialog: &dyn Dialog) -> bool {
        self.greeted || dialog.greets_again()
    }

    pub fn client_ends(&mut self) {
        self.client_ended = true;
    }
}

impl Session {
    /// Whether the proxy is upgrading the server leg itself: until it is done, nothing of the client's is read or passed
    /// on.
    #[must_use]
    pub fn owns_server(&self) -> bool {
        self.own.is_some()
    }

    /// The proxy has been at its upgrade for so many seconds, and the server has not let it come to its end.
    pub fn overdue(&mut self, now: Stamp, seconds: u64, log: &mut dyn Log, out: &mut Outbox) {
        let late = match self.awaited() {
            Some(line) => format!("answer {line}"),
            None => "greet".to_owned(),
        };
        self.own_failed(now, &format!("the server did not {late} within {seconds} seconds"), log, out);
    }

    /// The server is gone before the upgrade came to its end.
    pub(super) fn own_cut_off(&mut self, now: Stamp, log: &mut dyn Log, out: &mut Outbox) {
        let without = match self.awaited() {
            Some(line) => format!("an answer to {line}"),
            None => "a greeting".to_owned(),
        };
        self.own_failed(now, &format!("the server ended the connection before TLS, without {without}"), log, out);
    }

    /// The upgrade comes to nothing, and with it the session. The client is told.
    pub(super) fn own_failed(&mut self, now: Stamp, text: &str, log: &mut dyn Log, out: &mut Outbox) {
        self.give_own_up(now, log);
        self.trouble(now, Trouble::Tls, "upstream-tls", text, log, out);
        out.next = Next::Close { by: Origin::Server, reason: text.to_owned() };
    }

    /// There will be no upgrade any more. What waited for it goes nowhere.
    pub(super) fn give_own_up(&mut self, now: Stamp, log: &mut dyn Log) {
        if self.take_own().is_none() {
            return;
        }
        for side in Side::BOTH {
            let held = std::mem::take(self.held_mut(side));
            self.unread(now, side, &held, log);
        }
    }

    /// The server leg has TLS: the client is greeted, and what it said meanwhile is read.
    pub(super) fn own_done(&mut self, now: Stamp, log: &mut dyn Log, out: &mut Outbox) {
        let Some(own) = self.take_own() else { return };
        self.dialog.upgraded(true);
        // Where the server greets once more, that greeting is the one for the client.
        if !self.dialog.greets_again() {
            out.to_client.extend_from_slice(&own.greeting);
        }
        self.unhold(now, Side::Client, log, out);
        if own.client_ended {
            self.end(now, Side::Client, log, out);
        }
    }

    /// The server spoke: `taken` of `bytes` were read.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn own_upgrade(
        &mut self,
        now: Stamp,
        bytes: &[u8],
        taken: usize,
        edits: &Edits,
        accepted: bool,
        log: &mut dyn Log,
        out: &mut Outbox,
    ) {
        let heard = std::mem::take(&mut self.core.heard);
        let Some(own) = &mut self.own else { return };
        if !own.greeted {
            edits.apply(bytes.get(..taken).unwrap_or(bytes), &mut own.greeting);
        }
        if accepted {
            return;
        }
        if own.greeting.len() >= HELD_MAX {
            let text = format!("the server's greeting has no end within {} KiB", HELD_MAX / 1024);
            self.own_failed(now, &text, log, out);
            return;
        }
        for Heard { status, answers } in heard {
            let Some(own) = &mut self.own else { return };
            let goes_on = match answers {
                None => !std::mem::replace(&mut own.greeted, true) && (self.spec.greets)(&status),
                Some(seq) if own.waits_for == Some(seq) => own.step < self.spec.starttls.len(),
                Some(_) => continue,
            };
            if goes_on {
                self.own_step(now, log, out);
                continue;
            }
            let text = format!("the server does not let its connection be upgraded to TLS: it answered {status}");
            self.own_failed(now, &text, log, out);
        }
    }

    /// The proxy says its next command.
    fn own_step(&mut self, now: Stamp, log: &mut dyn Log, out: &mut Outbox) {
        let Some(own) = &mut self.own else { return };
        let Some(line) = self.spec.starttls.get(own.step) else { return };
        own.step += 1;
        let mut tap = Spoken { tap: Tap::new(&mut self.core, now, log), said: None };
        let _ = self.dialog.feed(Side::Client, line, &mut tap);
        own.waits_for = tap.said;
        out.to_server.extend_from_slice(line);
    }

    fn take_own(&mut self) -> Option<Own> {
        self.core.listens = false;
        self.core.heard = Vec::new();
        self.own.take()
    }

    /// The command of the proxy that the server is to answer; none before its greeting.
    fn awaited(&self) -> Option<String> {
        let said = self.own.as_ref()?.step.checked_sub(1)?;
        self.spec.starttls.get(said).map(|line| String::from_utf8_lossy(line.trim_ascii_end()).into_owned())
    }
}

/// A greeting or reply, as the upgrade needs it.
pub(super) struct Heard {
    pub status: String,
    pub answers: Option<Seq>,
}

impl Heard {
    pub fn of(body: &Body) -> Option<Heard> {
        match body {
            Body::Greeting(Greeting { status, .. }) => Some(Heard { status: status.clone(), answers: None }),
            Body::Reply(Reply { status, answers: Some(answers), .. }) => {
                Some(Heard { status: status.clone(), answers: Some(*answers) })
            }
            _ => None,
        }
    }
}

/// Logs what the proxy itself says to the server: not as the client's.
struct Spoken<'t> {
    tap: Tap<'t>,
    said: Option<Seq>,
}

impl Sink for Spoken<'_> {
    fn piece(&mut self, piece: Piece<'_>) -> Seq {
        let seq = self.tap.own(piece.wire);
        self.said = Some(seq);
        seq
    }

    fn note(&mut self, note: Note) {
        self.tap.note(note);
    }

    fn compress(&mut self, _: &str) {}

    fn user(&mut self, _: &str) {}

    fn edit(&mut self, _: std::ops::Range<usize>, _: &[u8], _: Note) {}
}
