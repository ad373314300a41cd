//! The pump: the one loop that moves bytes between the two legs of a session.
//! Takes readiness, reads into a buffer that all sessions of a thread share, gives the bytes to the session and passes
//! on what it says. Knows no protocol; an idle session holds no buffer.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::clock;
use super::leg::{BLOCK, Leg};
use super::record::{Pen, Track};
use crate::event::{Close, Level, Note, Origin, Side};
use crate::findings;
use crate::proto::Trouble;
use crate::session::{Next, Outbox, Session};
use crate::tls::failure::{self, Peer};
use crate::tls::upstream::ClientCertificate;

/// How long nothing may come from either side. RFC 2177 has clients end IDLE within 29 minutes, and RFC 9051 §5.4 lets
/// a server log out after 30; a day is far above both, and ends what a vanished peer left behind.
const IDLE_MAX: Duration = Duration::from_secs(24 * 3600);

/// How long bytes wait for an answer of the other side that their meaning depends on, before they are passed on.
const HOLD_MAX: Duration = Duration::from_secs(10);

/// How long nothing must have been said for a session to be left when it is at rest: a client at work says its next
/// command sooner, even from far away.
const REST: Duration = Duration::from_millis(500);

/// How long the last bytes to a leg may take when a session is closed.
const FLUSH_MAX: Duration = Duration::from_secs(5);

/// How long a client that was told why it cannot be served may take to leave by itself.
const LINGER_MAX: Duration = Duration::from_secs(2);
const LINGER_BLOCK: usize = 4096;

/// How much is still read from a connection that broke: a few lines, or the end of a message.
const DRAIN_BLOCK: usize = 64 * 1024;
const DRAIN_ROUNDS: usize = 16;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; BLOCK].into_boxed_slice());
}

/// What the pump stopped for.
pub enum Stopped {
    /// The session wants something other than relaying.
    Next(Next),
    /// Both sides have ended, or one broke.
    Over { by: Origin, reason: String },
}

pub struct Pump {
    pub session: Session,
    pub track: Track,
    pub client: Leg,
    /// None where no server could be reached.
    pub server: Option<Leg>,
    ended: [bool; 2],
    /// Which side ended first.
    first: Option<Side>,
    timer: Pin<Box<Sleep>>,
    last: Instant,
    held_since: Option<Instant>,
    /// The session is to end when it is at rest.
    leaving: bool,
}

impl Pump {
    #[must_use]
    pub fn new(session: Session, track: Track, client: Leg, server: Option<Leg>) -> Pump {
        let last = Instant::now();
        let timer = Box::pin(tokio::time::sleep_until(last + IDLE_MAX));
        Pump {
            session,
            track,
            client,
            server,
            ended: [false; 2],
            first: None,
            timer,
            last,
            held_since: None,
            leaving: false,
        }
    }

    /// Relays until something else is to be done.
    pub async fn run(&mut self) -> Stopped {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// From here on [`Pump::run`] stops when the session is at rest.
    pub fn leave(&mut self) {
        self.leaving = true;
    }

    /// Does something with the session and sends what comes of it. Gives what is to be done next.
    pub async fn act(&mut self, action: impl FnOnce(&mut Session, &mut Pen<'_>, &mut Outbox)) -> Next {
        let mut out = Outbox::default();
        action(&mut self.session, &mut self.track.log(), &mut out);
        poll_fn(|cx| {
            // A leg that is broken shows when it is read.
            for (side, bytes) in [(Side::Client, &out.to_client), (Side::Server, &out.to_server)] {
                if let Some(leg) = self.leg(side) {
                    let _ = leg.send(cx, bytes);
                }
            }
            Poll::Ready(())
        })
        .await;
        out.next
    }

    /// Sends what is left to a leg, as long as it takes it.
    pub async fn flush(&mut self, side: Side) {
        let Some(leg) = self.leg(side) else { return };
        // What could not be sent shows in the handshake that follows.
        let _ = tokio::time::timeout(FLUSH_MAX, poll_fn(|cx| leg.poll_flush(cx))).await;
    }

    /// Sends what is left to both legs, as long as they take it, and ends them. With `linger` the client has time to
    /// read the last words: closing a connection with bytes unread resets it.
    pub async fn finish(&mut self, linger: bool) {
        for side in Side::BOTH {
            if let Some(leg) = self.leg(side) {
                leg.end();
            }
        }
        let flush = poll_fn(|cx| {
            let waiting = Side::BOTH.map(|side| self.leg(side).is_some_and(|leg| leg.poll_flush(cx).is_pending()));
            if waiting.contains(&true) { Poll::Pending } else { Poll::Ready(()) }
        });
        let _ = tokio::time::timeout(FLUSH_MAX, flush).await;
        if linger {
            let _ = tokio::time::timeout(LINGER_MAX, poll_fn(|cx| self.poll_leave(cx))).await;
        }
    }

    /// Waits until the client leaves. What it still says goes nowhere, and is logged.
    fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut block = [0; LINGER_BLOCK];
        while self.track.has_room(cx) {
            match ready!(self.client.poll_read(cx, &mut block)) {
                Ok(read @ 1..) => {
                    let bytes = block.get(..read).unwrap_or_default();
                    self.session.too_late(clock::now(), Side::Client, bytes, &mut self.track.log());
                }
                _ => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }

    fn leg(&mut self, side: Side) -> Option<&mut Leg> {
        match side {
            Side::Client => Some(&mut self.client),
            Side::Server => self.server.as_mut(),
        }
    }

    /// Whether everything that was begun has been said and sent.
    fn at_rest(&self) -> bool {
        let sent = !self.client.is_full() && self.server.as_ref().is_none_or(|leg| !leg.is_full());
        sent && self.session.at_rest()
    }

    fn has_ended(&self, side: Side) -> bool {
        let [client, server] = self.ended;
        if side == Side::Client { client } else { server }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Stopped> {
        loop {
            let mut progress = false;
            for from in Side::BOTH {
                match self.poll_side(cx, from) {
                    Poll::Ready(Some(stopped)) => return Poll::Ready(stopped),
                    Poll::Ready(None) => progress = true,
                    Poll::Pending => {}
                }
            }
            if self.ended == [true, true]
                && Side::BOTH.iter().all(|&side| self.leg(side).is_none_or(|leg| leg.is_ended()))
            {
                let by = self.first.unwrap_or(Side::Client);
                let reason = format!("the {} ended the connection", by.name());
                return Poll::Ready(Stopped::Over { by: by.into(), reason });
            }
            if !progress {
                return self.poll_timer(cx);
            }
        }
    }

    /// Flushes what the other side is to get, then reads more for it.
    fn poll_side(&mut self, cx: &mut Context<'_>, from: Side) -> Poll<Option<Stopped>> {
        let to = from.other();
        // Half-close is carried over: the other direction goes on.
        if self.session.said_all(from)
            && let Some(leg) = self.leg(to)
        {
            leg.end();
        }
        if let Some(leg) = self.leg(to)
            && (leg.is_full() || leg.wants_end())
        {
            match leg.poll_flush(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Some(self.broken(cx, to, error))),
                Poll::Pending => return Poll::Pending,
            }
        }
        if self.session.waits_for_log(from) && self.track.has_room(cx) {
            let mut out = Outbox::default();
            self.session.resume(clock::now(), from, &mut self.track.log(), &mut out);
            return Poll::Ready(self.send(cx, &out).map_or_else(|| stopped(out), Some));
        }
        if self.has_ended(from) || !self.session.wants(from) || !self.track.has_room(cx) {
            return Poll::Pending;
        }
        BUFFER.with_borrow_mut(|buffer| {
            let Some(leg) = self.leg(from) else { return Poll::Pending };
            match leg.poll_read(cx, buffer) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(error)) => Poll::Ready(Some(self.broken(cx, from, error))),
                Poll::Ready(Ok(0)) => Poll::Ready(self.end(cx, from)),
                Poll::Ready(Ok(read)) => Poll::Ready(self.pass(cx, from, buffer.get(..read).unwrap_or_default())),
            }
        })
    }

    fn pass(&mut self, cx: &mut Context<'_>, from: Side, bytes: &[u8]) -> Option<Stopped> {
        self.last = Instant::now();
        let mut out = Outbox::default();
        self.session.bytes(clock::now(), from, bytes, &mut self.track.log(), &mut out);
        let passed = bytes.get(..out.pass).unwrap_or_default();
        if let Some(leg) = self.leg(from.other())
            && let Err(error) = leg.send(cx, passed)
        {
            return Some(self.broken(cx, from.other(), error));
        }
        self.send(cx, &out).map_or_else(|| stopped(out), Some)
    }

    fn end(&mut self, cx: &mut Context<'_>, from: Side) -> Option<Stopped> {
        let [client, server] = &mut self.ended;
        *(if from == Side::Client { client } else { server }) = true;
        self.first.get_or_insert(from);
        if self.leg(from).is_some_and(|leg| !leg.closed_cleanly) {
            let note = findings::NO_CLOSE_NOTIFY
                .note(format!("the {} ended the connection without a TLS close_notify", from.name()));
            self.session.note(clock::now(), note, &mut self.track.log());
        }
        let mut out = Outbox::default();
        self.session.end(clock::now(), from, &mut self.track.log(), &mut out);
        self.send(cx, &out).map_or_else(|| stopped(out), Some)
    }

    fn send(&mut self, cx: &mut Context<'_>, out: &Outbox) -> Option<Stopped> {
        for (side, bytes) in [(Side::Client, &out.to_client), (Side::Server, &out.to_server)] {
            if let Some(leg) = self.leg(side)
                && let Err(error) = leg.send(cx, bytes)
            {
                return Some(self.broken(cx, side, error));
            }
        }
        None
    }

    /// A leg can no longer be written to or read from. What its peer said before is still passed on.
    fn broken(&mut self, cx: &mut Context<'_>, side: Side, error: io::Error) -> Stopped {
        let (mut next, last) = self.drain(cx, side);
        // A peer that gives up TLS says why before it closes, and it may be writing to it that fails first.
        let error = last.filter(|last| last.kind() == io::ErrorKind::InvalidData).unwrap_or(error);
        // What a side makes of the end of the other is lost on everybody. Some go on in plaintext then.
        if error.kind() == io::ErrorKind::InvalidData && self.has_ended(side.other()) {
            let by = side.other();
            return Stopped::Over { by: by.into(), reason: format!("the {} ended the connection", by.name()) };
        }
        let mut out = Outbox::default();
        let reason = match error.kind() {
            io::ErrorKind::ConnectionReset => format!("the {} reset the connection", side.name()),
            io::ErrorKind::BrokenPipe => format!("the {} has closed the connection", side.name()),
            // Some clients look at the certificate only after the handshake.
            io::ErrorKind::InvalidData => self.tls_failed(side, &error, &mut out),
            _ => format!("the connection to the {} broke: {error}", side.name()),
        };
        if next == Next::Relay {
            self.session.end(clock::now(), side, &mut self.track.log(), &mut out);
            next = std::mem::take(&mut out.next);
        }
        self.say(cx, side.other(), b"", &mut out);
        if next == Next::Relay { Stopped::Over { by: side.into(), reason } } else { Stopped::Next(next) }
    }

    /// A server's certificate is asked for, judged and refused within the handshake, and the client's may be after it: a
    /// client that has heard nothing within TLS yet is told.
    fn tls_failed(&mut self, side: Side, error: &io::Error, out: &mut Outbox) -> String {
        let asked = self.leg(side).map_or(ClientCertificate::NotAsked, |leg| leg.asked);
        let (peer, name) = match side {
            Side::Client => (Peer::Client, "the client"),
            Side::Server => (Peer::Server, "the server"),
        };
        let failure = failure::of_client_certificate(name, error, asked)
            .unwrap_or_else(|| failure::of_established(peer, name, error));
        let (now, log) = (clock::now(), &mut self.track.log());
        if side == Side::Server && self.session.is_fresh() {
            self.session.trouble(now, Trouble::Tls, failure.code, &failure.text, log, out);
            if let Some(advice) = failure.advice {
                self.session.note(now, findings::TLS_ADVICE.note(advice), log);
            }
            return failure.text;
        }
        let text = match &failure.advice {
            Some(advice) => format!("{}: {advice}", failure.text),
            None => failure.text.clone(),
        };
        let note = Note { level: Level::Warn, code: failure.code.to_owned(), text, ..Note::default() };
        self.session.note(now, note, log);
        failure.text
    }

    /// Takes what has come from a side before its connection broke: a server's last words, above all. Gives what they
    /// call for, and how reading them ended.
    fn drain(&mut self, cx: &mut Context<'_>, from: Side) -> (Next, Option<io::Error>) {
        let mut block = vec![0; DRAIN_BLOCK];
        for _ in 0..DRAIN_ROUNDS {
            let Some(leg) = self.leg(from) else { break };
            let read = match leg.poll_read(cx, &mut block) {
                Poll::Ready(Ok(read @ 1..)) => read,
                Poll::Ready(Err(error)) => return (Next::Relay, Some(error)),
                Poll::Ready(Ok(_)) | Poll::Pending => break,
            };
            let bytes = block.get(..read).unwrap_or_default();
            let mut out = Outbox::default();
            self.session.bytes(clock::now(), from, bytes, &mut self.track.log(), &mut out);
            self.say(cx, from.other(), bytes.get(..out.pass).unwrap_or_default(), &mut out);
            if out.next != Next::Relay {
                return (out.next, None);
            }
        }
        (Next::Relay, None)
    }

    /// Sends to the side that is left what the last words of the other one came to.
    fn say(&mut self, cx: &mut Context<'_>, to: Side, passed: &[u8], out: &mut Outbox) {
        if let Some(leg) = self.leg(to) {
            // Where this side is gone too, there is nobody to tell.
            let _ = leg.send(cx, &[passed, out.to(to).as_slice()].concat());
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Stopped> {
        let leaves = self.leaving && self.at_rest();
        self.held_since = if self.session.holds() { self.held_since.or(Some(Instant::now())) } else { None };
        loop {
            let patience = if leaves { REST } else { IDLE_MAX };
            let due = self.held_since.map_or(self.last + patience, |since| since + HOLD_MAX);
            // Moved only where it would come too late; an early one is found not to be due below.
            if self.timer.deadline() > due {
                self.timer.as_mut().reset(due);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            if now < due {
                self.timer.as_mut().reset(due);
                continue;
            }
            if leaves {
                return Poll::Ready(Stopped::Over { by: Origin::Proxy, reason: Close::STOPPED.to_owned() });
            }
            if self.held_since.take().is_none() {
                let reason = format!("nothing was said for {} hours", IDLE_MAX.as_secs() / 3600);
                return Poll::Ready(Stopped::Over { by: Origin::Proxy, reason });
            }
            self.last = now;
            self.timer.as_mut().reset(now + IDLE_MAX);
            let mut out = Outbox::default();
            self.session.release(clock::now(), &mut self.track.log(), &mut out);
            if let Some(stopped) = self.send(cx, &out).map_or_else(|| stopped(out), Some) {
                return Poll::Ready(stopped);
            }
            cx.waker().wake_by_ref();
        }
    }
}

fn stopped(out: Outbox) -> Option<Stopped> {
    (out.next != Next::Relay).then_some(Stopped::Next(out.next))
}
