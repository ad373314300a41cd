//! What turns pieces into events: numbers, times, latencies, redaction, counts. The one place where a secret ends.
//! Takes pieces from a dialog through [`Tap`], gives events to the log.
//! Does not decide what is passed on.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;

use super::content::Contents;
use super::own::Heard;
use super::watch::Watch;
use super::{Config, Log};
use crate::event::{Body, Event, Note, Origin, REDACTED, Seq, Side, Stamp, Tls};
use crate::findings;
use crate::proto::{OUTSTANDING_MAX, Piece, Sink, Spec};
use crate::secrets::{self, Secrets};

/// What is known of a session as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    pub user: Option<String>,
    pub commands: u64,
    /// Bytes received from the client, TLS and compression removed.
    pub client_bytes: u64,
    pub server_bytes: u64,
}

pub(super) struct Core {
    config: Config,
    next: Seq,
    pub opened: Stamp,
    pub summary: Summary,
    /// Greetings and replies, for an upgrade of the proxy's own.
    pub heard: Vec<Heard>,
    pub listens: bool,
    /// What passes is deflate, and what is logged is larger.
    pub compressed: bool,
    /// Bytes that were given to the log.
    pub logged: u64,
    /// Bytes of each side for which no event stands yet.
    pending: [u64; 2],
    watch: Watch,
    contents: Contents,
    secrets: Secrets,
    /// Commands that wait for their replies, with the time of their first line, in order.
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    seq: Seq,
    at: Stamp,
    answered: bool,
}

impl Core {
    pub fn new(spec: &Spec, config: Config) -> Core {
        Core {
            config,
            next: 0,
            opened: Stamp::default(),
            summary: Summary::default(),
            heard: Vec::new(),
            listens: false,
            compressed: false,
            logged: 0,
            pending: [0; 2],
            watch: Watch::new(spec),
            contents: Contents::new(config.bodies),
            secrets: Secrets::default(),
            waiting: VecDeque::new(),
        }
    }

    pub fn open(&mut self, now: Stamp, upstream_name: &str) {
        self.opened = now;
        self.watch.opened(now, upstream_name);
    }

    /// Logs one event, gives its number.
    pub fn emit(&mut self, at: Stamp, from: Origin, wire: &[u8], body: Body, log: &mut dyn Log) -> Seq {
        self.log(Event { seq: self.next, at, from, wire: Cow::Borrowed(wire), redacted: false, body }, log)
    }

    pub fn tls(&mut self, now: Stamp, side: Side, facts: Tls, log: &mut dyn Log) {
        let found = self.watch.tls(now, side, &facts);
        let about = self.emit(now, side.into(), b"", Body::Tls(Box::new(facts)), log);
        self.found(now, about, found, log);
    }

    /// The session is over: what was still open is judged as it is.
    pub fn over(&mut self, now: Stamp, log: &mut dyn Log) {
        let found = self.watch.ended(now);
        self.found(now, self.next.saturating_sub(1), found, log);
    }

    /// Whether the client has said all of what it has begun, before the bytes that come now.
    pub fn client_is_whole(&mut self, whole: bool) {
        self.watch.client_is_whole(whole);
    }

    /// Whether a leg has TLS.
    pub fn has_tls(&self) -> bool {
        self.watch.has_tls()
    }

    /// Bytes that no dialog has seen.
    pub fn raw(&mut self, now: Stamp, from: Side, bytes: &[u8], log: &mut dyn Log) {
        let all = std::iter::once(0..bytes.len()).collect::<Vec<_>>();
        // What nobody has read may hold a password.
        let secrets = if from == Side::Client { all.as_slice() } else { &[] };
        self.piece(now, Piece { from, wire: bytes, secrets, body: Body::Raw }, false, log);
    }

    /// The content of a side that was cut off, if its bytes were being left out.
    pub fn end_content(&mut self, now: Stamp, from: Side, log: &mut dyn Log) {
        if let Some(content) = self.contents.end(from) {
            self.emit(now, from.into(), b"", Body::Content(content), log);
        }
    }

    /// With `text`, content is the protocol's own.
    fn piece(&mut self, now: Stamp, mut piece: Piece<'_>, text: bool, log: &mut dyn Log) -> Seq {
        let [client, server] = &mut self.pending;
        let (received, pending) = match piece.from {
            Side::Client => (&mut self.summary.client_bytes, client),
            Side::Server => (&mut self.summary.server_bytes, server),
        };
        *received += piece.wire.len() as u64;
        *pending += piece.wire.len() as u64;
        self.logged += piece.wire.len() as u64;
        self.link(now, &mut piece.body);
        if self.listens {
            self.heard.extend(Heard::of(&piece.body));
        }
        // Before anything is taken out: what is found must not depend on what is kept.
        let found = self.watch.look(now, self.next, &piece);
        let (places, scrubbed) = self.places(&mut piece, text);
        let redacted = scrubbed || !places.is_empty();
        let wire = if places.is_empty() { Cow::Borrowed(piece.wire) } else { Cow::Owned(masked(piece.wire, &places)) };
        let mut event = Event { seq: self.next, at: now, from: piece.from.into(), wire, redacted, body: piece.body };
        if let Body::Content(content) = &mut event.body
            && !self.contents.take(piece.from, piece.wire, redacted, content, &mut event.wire)
        {
            // These bytes are left out of the log, and what is wrong with them is not.
            let (left_out, of) = (self.next, content.of);
            let about =
                |note: Note| Note { about: note.about.map(|about| if about < left_out { about } else { of }), ..note };
            self.found(now, of, found.into_iter().map(about).collect(), log);
            return self.next;
        }
        let seq = self.log(event, log);
        self.found(now, seq, found, log);
        seq
    }

    /// Notes what was found in the event of this number.
    fn found(&mut self, now: Stamp, about: Seq, found: Vec<Note>, log: &mut dyn Log) {
        for note in found {
            let about = note.about.or(Some(about));
            self.remark(now, Note { about, ..note }, log);
        }
    }

    /// A note. It may name what a peer said, and a peer may say a password in place of a capability.
    fn remark(&mut self, now: Stamp, note: Note, log: &mut dyn Log) {
        let mut body = Body::Note(note);
        if !self.config.keep_secrets {
            self.secrets.scrub(&mut body);
        }
        self.emit(now, Origin::Proxy, b"", body, log);
    }

    /// What is to be masked: what the dialog has marked, and what of the session's secrets is said again in a line.
    /// Content is left as it is where it is somebody's message.
    /// Gives the places, and whether anything was taken out of what was read.
    fn places<'p>(&mut self, piece: &mut Piece<'p>, text: bool) -> (Cow<'p, [Range<usize>]>, bool) {
        if self.config.keep_secrets {
            return (Cow::Borrowed(&[]), false);
        }
        // A server that may repeat what is secret.
        if piece.from == Side::Server && !piece.secrets.is_empty() {
            secrets::hide(&mut piece.body);
        }
        let again = match &piece.body {
            Body::Content(_) if !text => Vec::new(),
            _ => self.secrets.find(piece.wire),
        };
        // What was decoded, and what stood in a literal before, says things that do not stand in the line.
        let (decoded, goes_on) = match &piece.body {
            Body::Continue(go) => (go.decoded.is_some() || !go.values.is_empty(), false),
            Body::Command(command) => (false, command.continues.is_some()),
            Body::Reply(reply) => (false, reply.continues.is_some()),
            _ => (false, false),
        };
        let before = (decoded || goes_on).then(|| piece.body.clone());
        if !again.is_empty() || !piece.secrets.is_empty() || before.is_some() {
            self.secrets.scrub(&mut piece.body);
        }
        let scrubbed = before.is_some_and(|before| before != piece.body);
        if piece.from == Side::Client && !piece.secrets.is_empty() {
            self.secrets.remember(piece.wire, piece.secrets, &piece.body, self.summary.user.as_deref());
        }
        if scrubbed && decoded {
            // It stands in the base64 of the line.
            return (Cow::Owned(vec![0..piece.wire.trim_ascii_end().len()]), scrubbed);
        }
        if again.is_empty() {
            return (Cow::Borrowed(piece.secrets), scrubbed);
        }
        (Cow::Owned(secrets::sorted([again.as_slice(), piece.secrets].concat())), scrubbed)
    }

    /// What the proxy itself says to the server; it counts as nobody's.
    fn own(&mut self, now: Stamp, wire: &[u8], log: &mut dyn Log) -> Seq {
        let note = Note {
            to: Some(Side::Server.name().to_owned()),
            ..findings::OWN_COMMAND.note("the proxy upgrades the server leg itself")
        };
        self.emit(now, Origin::Proxy, wire, Body::Note(note), log)
    }

    /// Counts commands and tells replies how long they took.
    fn link(&mut self, now: Stamp, body: &mut Body) {
        match body {
            Body::Command(command) if command.continues.is_none() => {
                self.summary.commands += 1;
                while self.waiting.front().is_some_and(|first| first.answered) || self.waiting.len() > OUTSTANDING_MAX {
                    self.waiting.pop_front();
                }
                self.waiting.push_back(Waiting { seq: self.next, at: now, answered: false });
            }
            Body::Reply(reply) => reply.latency_us = self.latency(now, reply.answers, true),
            Body::Continue(go) => go.latency_us = self.latency(now, go.answers, false),
            _ => {}
        }
    }

    fn latency(&mut self, now: Stamp, answers: Option<Seq>, whole: bool) -> Option<u64> {
        let answers = answers?;
        let index = self.waiting.binary_search_by_key(&answers, |waiting| waiting.seq).ok()?;
        let waiting = self.waiting.get_mut(index)?;
        waiting.answered |= whole;
        Some(now.since(waiting.at))
    }

    fn log(&mut self, event: Event<'_>, log: &mut dyn Log) -> Seq {
        if let Some(side) = event.from.side() {
            let [client, server] = &mut self.pending;
            log.received(side, std::mem::take(if side == Side::Client { client } else { server }));
        }
        log.event(&event);
        self.next += 1;
        event.seq
    }
}

/// The bytes with `«redacted»` in place of each secret.
fn masked(wire: &[u8], secrets: &[Range<usize>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(wire.len());
    let mut at = 0;
    for secret in secrets {
        out.extend_from_slice(wire.get(at..secret.start).unwrap_or_default());
        out.extend_from_slice(REDACTED.as_bytes());
        at = secret.end.max(at);
    }
    out.extend_from_slice(wire.get(at..).unwrap_or_default());
    out
}

/// Where a dialog puts what it finds, while it is fed.
pub(super) struct Tap<'t> {
    core: &'t mut Core,
    now: Stamp,
    log: &'t mut dyn Log,
    edits: Edits,
    /// The client does not hear what is fed now, so nothing has to be changed for it.
    unheard: bool,
}

impl<'t> Tap<'t> {
    pub fn new(core: &'t mut Core, now: Stamp, log: &'t mut dyn Log) -> Tap<'t> {
        Tap { core, now, log, edits: Edits::default(), unheard: false }
    }

    pub fn unheard(self, unheard: bool) -> Tap<'t> {
        Tap { unheard, ..self }
    }

    pub fn own(&mut self, wire: &[u8]) -> Seq {
        self.core.own(self.now, wire, self.log)
    }

    pub fn into_edits(self) -> Edits {
        self.edits
    }
}

impl Sink for Tap<'_> {
    fn piece(&mut self, piece: Piece<'_>) -> Seq {
        self.core.piece(self.now, piece, false, self.log)
    }

    fn text(&mut self, piece: Piece<'_>) -> Seq {
        self.core.piece(self.now, piece, true, self.log)
    }

    fn note(&mut self, note: Note) {
        self.core.remark(self.now, note, self.log);
    }

    fn compress(&mut self, algorithm: &str) {
        self.core.compressed = true;
        let body = Body::Compress { algorithm: algorithm.to_owned() };
        self.core.emit(self.now, Origin::Proxy, b"", body, self.log);
    }

    fn user(&mut self, name: &str) {
        let mut name = name.to_owned();
        // It may be a password in the wrong place, and goes into listings.
        if !self.core.config.keep_secrets {
            self.core.secrets.scrub_text(&mut name);
        }
        self.core.summary.user = Some(name);
    }

    fn capabilities(&mut self, names: Vec<String>) {
        let last = self.core.next.saturating_sub(1);
        let found = self.core.watch.offered(last, &names);
        self.core.found(self.now, last, found, self.log);
    }

    fn edit(&mut self, range: Range<usize>, with: &[u8], note: Note) {
        if self.unheard {
            return;
        }
        let note = Note { to: Some(Side::Client.name().to_owned()), ..note };
        self.core.emit(self.now, Origin::Proxy, with, Body::Note(note), self.log);
        self.edits.0.push((range, with.to_vec()));
    }
}

/// What is passed on in place of ranges of an input.
#[derive(Default)]
pub(super) struct Edits(Vec<(Range<usize>, Vec<u8>)>);

impl Edits {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends the bytes as edited.
    pub fn apply(&self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut at = 0;
        for (range, with) in &self.0 {
            out.extend_from_slice(bytes.get(at..range.start).unwrap_or_default());
            out.extend_from_slice(with);
            at = range.end;
        }
        out.extend_from_slice(bytes.get(at..).unwrap_or_default());
    }
}
