//! A session as exchanges: each command with all that the client sent for it and all that the server answered.
//! Takes the events of a session in order, gives the conversation in them.
//! Does not compare, and does not know which protocol is spoken: what differs from run to run the protocol says itself.

use std::collections::{HashMap, VecDeque};

use serde_json::Map;

use super::content::{Sum, Summing};
use super::veil::Veil;
use crate::event::{Body, Close, Command, Continue, Event, Greeting, Object, Open, Reply, Seq, Side, Stamp, Tls};
use crate::proto::Spec;
use crate::proto::same::{Kept, Same};

/// How much of an event's bytes is kept to be shown, in bytes; the rest counts in its hash alone.
pub const SHOWN_MAX: usize = 2048;

/// How many answers are kept besides those that complete a command: a server may say as many as it likes, and each takes
/// half a kilobyte.
const KEPT_MAX: usize = 250_000;

/// How many commands can be unanswered at a time: more than any dialog lets be.
const OUTSTANDING_MAX: usize = 4096;

/// What was said in a session.
#[derive(Default)]
pub struct Conversation {
    pub open: Option<Open>,
    pub exchanges: Vec<Exchange>,
    /// The handshakes, in order.
    pub tls: Vec<(Side, Tls)>,
    /// Algorithms that the streams were compressed with.
    pub compressed: Vec<String>,
    pub close: Option<Close>,
    /// Why it is not whole, if it is not: a sentence for each reason.
    pub lacks: Vec<String>,
}

/// A command and what belongs to it, or what a session begins with.
pub struct Exchange {
    /// None for what the server says before the first command.
    pub command: Option<Command>,
    pub seq: Seq,
    pub at: Stamp,
    pub wire: Wire,
    /// What the client sent for it besides its first line.
    pub sent: Vec<Sent>,
    pub answers: Vec<Answer>,
    /// From the command to the reply that completed it, microseconds.
    pub latency_us: Option<u64>,
    /// It was said while another was not answered yet: then data cannot be told apart by what it answers.
    pub overlaps: bool,
}

/// Bytes as far as they are kept.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Wire {
    pub shown: Vec<u8>,
    pub bytes: u64,
    hash: u64,
    pub redacted: bool,
}

/// A further part of a command.
pub enum Sent {
    Line(Wire),
    /// A response in a login, by this mechanism.
    Auth(String),
    Content(Box<Sum>),
    Raw(Wire),
}

/// One thing that the server said.
pub struct Answer {
    pub seq: Seq,
    pub at: Stamp,
    pub said: Said,
    pub wire: Wire,
    pub contents: Vec<Sum>,
}

pub enum Said {
    Greeting(Greeting),
    Reply(Reply),
    GoAhead(Continue),
    Raw,
}

impl Exchange {
    /// The verb, or what stands for it where there was none.
    #[must_use]
    pub fn verb(&self) -> &str {
        match &self.command {
            Some(command) => &command.verb,
            None => "",
        }
    }

    /// What a sentence calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        if self.command.is_some() { self.verb() } else { "greeting" }
    }

    /// The replies that completed it; more than one where each recipient has its own.
    pub fn completed(&self) -> impl Iterator<Item = &Answer> {
        self.answers.iter().filter(|answer| answer.completes())
    }
}

impl Answer {
    #[must_use]
    pub fn completes(&self) -> bool {
        match &self.said {
            Said::Greeting(_) => true,
            Said::Reply(reply) => reply.answers.is_some(),
            Said::GoAhead(_) | Said::Raw => false,
        }
    }
}

impl Wire {
    #[must_use]
    fn of(event: &Event<'_>, shown: &[u8]) -> Wire {
        let mut wire = Wire { hash: 0xcbf2_9ce4_8422_2325, ..Wire::default() };
        wire.add(&event.wire, shown, event.redacted);
        wire
    }

    fn add(&mut self, bytes: &[u8], shown: &[u8], redacted: bool) {
        let room = SHOWN_MAX.saturating_sub(self.shown.len()).min(shown.len());
        self.shown.extend_from_slice(shown.get(..room).unwrap_or_default());
        self.bytes += bytes.len() as u64;
        // FNV-1a: whether bytes are the same, with nobody who would make them collide but to fool himself.
        self.hash = bytes.iter().fold(self.hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        self.redacted |= redacted;
    }
}

/// Puts a conversation together.
pub struct Builder {
    same: &'static Same,
    veil: Veil,
    conversation: Conversation,
    /// Where the exchanges stand whose events may still be referred to.
    places: HashMap<Seq, usize>,
    outstanding: VecDeque<usize>,
    /// The content under way of each side, and whose it is.
    contents: [Option<(Seq, Box<Summing>)>; 2],
    next: Option<Seq>,
    opened: Option<Stamp>,
    /// Answers that complete nothing.
    kept: usize,
}

impl Builder {
    #[must_use]
    pub fn new(spec: &'static Spec) -> Builder {
        Builder {
            same: spec.same,
            veil: Veil::new(spec),
            conversation: Conversation::default(),
            places: HashMap::new(),
            outstanding: VecDeque::new(),
            contents: [None, None],
            next: None,
            opened: None,
            kept: 0,
        }
    }

    pub fn event(&mut self, event: &Event<'_>) {
        if self.next.is_some_and(|next| event.seq != next) {
            self.lack("lines of the recording are missing");
        }
        self.next = Some(event.seq + 1);
        match &event.body {
            Body::Open(open) => {
                self.opened = Some(event.at);
                self.conversation.open = Some((**open).clone());
                // A client may speak before it is greeted; the greeting stands first all the same.
                self.last(event);
            }
            Body::Tls(tls) => {
                let side = event.from.side().unwrap_or(Side::Server);
                self.conversation.tls.push((side, (**tls).clone()));
            }
            Body::Greeting(greeting) => {
                let at = self.place_of_greeting(event);
                let waited = self.opened.map(|opened| event.at.since(opened));
                if let Some(first) = self.conversation.exchanges.get_mut(at).filter(|one| one.command.is_none()) {
                    first.latency_us = waited;
                }
                self.answer(at, event, Said::Greeting(greeting.clone()));
            }
            Body::Command(command) => self.command(command, event),
            Body::Reply(reply) => self.reply(reply, event),
            Body::Continue(go) => {
                let at = self.place_of_answer(go.answers, event);
                self.answer(at, event, Said::GoAhead(go.clone()));
            }
            Body::Auth(auth) => {
                self.veil.response(event);
                let at = self.place_of_sent(auth.of, event);
                self.sent(at, Sent::Auth(auth.mechanism.clone()));
                self.places.insert(event.seq, at);
            }
            Body::Content(content) => {
                let elided = content.elided.is_some_and(|elided| elided > 0);
                self.content(event, content.of, content.bytes, content.last, elided);
            }
            Body::Raw => match event.from.side() {
                Some(Side::Client) => {
                    let at = self.place_of_sent(None, event);
                    let wire = self.wire(event);
                    self.sent(at, Sent::Raw(wire));
                }
                _ => {
                    let at = self.place_of_answer(None, event);
                    self.answer(at, event, Said::Raw);
                }
            },
            Body::Compress { algorithm } => self.conversation.compressed.push(algorithm.clone()),
            Body::Gap(gap) => self.lack(&format!("{} bytes of the {} were not recorded", gap.bytes, gap.side)),
            Body::Note(_) => {}
            Body::Close(close) => self.conversation.close = Some((**close).clone()),
        }
    }

    #[must_use]
    pub fn finish(mut self) -> Conversation {
        if self.conversation.close.is_none() {
            self.lack("it has no end");
        }
        self.conversation
    }

    fn lack(&mut self, what: &str) {
        /// Reasons that are told; a thousand gaps say no more than a few.
        const LACKS_MAX: usize = 5;
        let lacks = &mut self.conversation.lacks;
        if lacks.len() < LACKS_MAX && lacks.iter().all(|lack| lack != what) {
            lacks.push(what.to_owned());
        }
    }

    fn command(&mut self, command: &Command, event: &Event<'_>) {
        if let Some(of) = command.continues {
            let at = self.place_of_sent(Some(of), event);
            // What its later parts add to its arguments.
            if let Some(first) = self.conversation.exchanges.get_mut(at).and_then(|one| one.command.as_mut()) {
                merge(&mut first.args, &command.args);
            }
            let wire = self.wire(event);
            self.sent(at, Sent::Line(wire));
            self.places.insert(event.seq, at);
            return;
        }
        let at = self.conversation.exchanges.len();
        let veiled = self.veil.command(&command.verb, event);
        self.conversation.exchanges.push(Exchange {
            command: Some(command.clone()),
            seq: event.seq,
            at: event.at,
            wire: Wire::of(event, &veiled),
            sent: Vec::new(),
            answers: Vec::new(),
            latency_us: None,
            overlaps: !self.outstanding.is_empty(),
        });
        self.places.insert(event.seq, at);
        self.outstanding.push_back(at);
        if self.outstanding.len() > OUTSTANDING_MAX {
            self.outstanding.pop_front();
        }
    }

    fn reply(&mut self, reply: &Reply, event: &Event<'_>) {
        if let Some(&at) = reply.continues.and_then(|of| self.places.get(&of)) {
            self.places.insert(event.seq, at);
            let of = reply.continues.unwrap_or_default();
            let answers = self.conversation.exchanges.get_mut(at).map(|one| &mut one.answers);
            // Most often it is the last one.
            let found = answers.and_then(|answers| {
                let last = answers.iter().rposition(|answer| answer.seq == of).or(answers.len().checked_sub(1));
                last.and_then(|last| answers.get_mut(last))
            });
            if let Some(answer) = found {
                answer.wire.add(&event.wire, &self.veil.line(&event.wire), event.redacted);
                if let Said::Reply(first) = &mut answer.said {
                    merge(&mut first.values, &reply.values);
                }
            }
            return;
        }
        let at = self.place_of_answer(reply.answers, event);
        if let Some(of) = reply.answers {
            self.outstanding.retain(|&waiting| waiting != at);
            if let Some(exchange) = self.conversation.exchanges.get_mut(at)
                && self.places.get(&of) == Some(&at)
            {
                exchange.latency_us = reply.latency_us.or_else(|| Some(event.at.since(exchange.at)));
            }
        }
        self.answer(at, event, Said::Reply(reply.clone()));
    }

    fn content(&mut self, event: &Event<'_>, of: Seq, bytes: u64, last: bool, elided: bool) {
        let Some(side) = event.from.side() else { return };
        let at = match side {
            Side::Client => self.place_of_sent(Some(of), event),
            Side::Server => self.place_of_answer(Some(of), event),
        };
        let kept = self.conversation.exchanges.get(at).map_or(Kept::All, |one| (self.same.content)(one.verb()));
        let [client, server] = &mut self.contents;
        let slot = if side == Side::Client { client } else { server };
        if slot.as_ref().is_some_and(|(under_way, _)| *under_way != of) {
            *slot = None;
        }
        let (_, summing) = slot.get_or_insert_with(|| (of, Box::new(Summing::new(kept))));
        summing.add(&event.wire, bytes, elided || event.redacted);
        if !last {
            return;
        }
        let Some((_, summing)) = slot.take() else { return };
        let sum = summing.finish();
        match side {
            Side::Client => self.sent(at, Sent::Content(Box::new(sum))),
            Side::Server => {
                let answers = self.conversation.exchanges.get_mut(at).map(|one| &mut one.answers);
                let answer = answers.and_then(|answers| {
                    let place = answers.iter().rposition(|answer| answer.seq == of).or(answers.len().checked_sub(1))?;
                    answers.get_mut(place)
                });
                if let Some(answer) = answer {
                    answer.contents.push(sum);
                }
            }
        }
    }

    fn answer(&mut self, at: usize, event: &Event<'_>, said: Said) {
        let wire = self.wire(event);
        let answer = Answer { seq: event.seq, at: event.at, said, wire, contents: Vec::new() };
        if !answer.completes() {
            if self.kept == KEPT_MAX {
                return self.lack(&format!(
                    "more than {KEPT_MAX} answers; of those behind them only the last of each command is compared"
                ));
            }
            self.kept += 1;
        }
        self.places.insert(event.seq, at);
        if let Some(exchange) = self.conversation.exchanges.get_mut(at) {
            exchange.answers.push(answer);
        }
    }

    fn wire(&mut self, event: &Event<'_>) -> Wire {
        Wire::of(event, &self.veil.line(&event.wire))
    }

    fn sent(&mut self, at: usize, sent: Sent) {
        if let Some(exchange) = self.conversation.exchanges.get_mut(at) {
            exchange.sent.push(sent);
        }
    }

    /// What came before the greeting: nothing, or the upgrade to TLS after which some servers greet again. A client may
    /// have gone on by then.
    fn place_of_greeting(&mut self, event: &Event<'_>) -> usize {
        let before = self.outstanding.front().and_then(|first| first.checked_sub(1));
        before.unwrap_or_else(|| self.last(event))
    }

    /// The exchange that the server speaks of: the one it names, the oldest that waits, or the last.
    fn place_of_answer(&mut self, of: Option<Seq>, event: &Event<'_>) -> usize {
        let named = of.and_then(|of| self.places.get(&of)).copied();
        named.or_else(|| self.outstanding.front().copied()).unwrap_or_else(|| self.last(event))
    }

    fn place_of_sent(&mut self, of: Option<Seq>, event: &Event<'_>) -> usize {
        let named = of.and_then(|of| self.places.get(&of)).copied();
        named.or_else(|| self.outstanding.back().copied()).unwrap_or_else(|| self.last(event))
    }

    fn last(&mut self, event: &Event<'_>) -> usize {
        if self.conversation.exchanges.is_empty() {
            self.conversation.exchanges.push(Exchange {
                command: None,
                seq: event.seq,
                at: event.at,
                wire: Wire::default(),
                sent: Vec::new(),
                answers: Vec::new(),
                latency_us: None,
                overlaps: false,
            });
        }
        self.conversation.exchanges.len() - 1
    }
}

/// Adds fields to an object; one that is there already is said anew.
fn merge(into: &mut Object, more: &Object) {
    if more.is_empty() {
        return;
    }
    let mut map: Map<_, _> = into.map();
    map.extend(more.map());
    *into = Object::from(&map);
}

#[cfg(test)]
mod tests {
    use super::{Body, Builder, Command, Event, KEPT_MAX, Reply, Seq};
    use crate::event::{Origin, Stamp};
    use crate::proto;

    #[test]
    fn a_server_that_says_more_than_can_be_kept_is_heard_to_its_end() {
        let mut builder = Builder::new(proto::ALL[0]);
        let mut event = |seq: usize, from: Origin, body: Body| {
            let seq = Seq::try_from(seq).unwrap();
            builder.event(&Event { seq, at: Stamp(0), from, wire: Vec::new().into(), redacted: false, body });
        };
        event(0, Origin::Client, Body::Command(Command::default()));
        for seq in 1..=KEPT_MAX + 10 {
            event(seq, Origin::Server, Body::Reply(Reply::default()));
        }
        event(KEPT_MAX + 11, Origin::Server, Body::Reply(Reply { answers: Some(0), ..Reply::default() }));
        let conversation = builder.finish();
        let exchange = conversation.exchanges.last().unwrap();
        assert_eq!((exchange.answers.len(), exchange.completed().count()), (KEPT_MAX + 1, 1));
        assert!(conversation.lacks.iter().any(|lack| lack.starts_with("more than 250000 answers")));
    }
}
