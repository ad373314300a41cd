//! A recorded client, played: what it says next, to whom it listens, and what it takes over from this server.
//! Takes the server's bytes and the time, gives bytes to send, a time to wait for, or the end.
//! Knows no clock and no socket. It never waits without a limit.

mod saying;
mod taking;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::cue::{Cues, Part, Wait, What};
use super::deflate::Codec;
use super::hear::Hearing;
use crate::event::{Seq, Stamp};
use crate::proto::answer::{Answering, Credentials};
use crate::proto::renew::Learned;

/// How many challenges beyond the recorded ones are answered in a login.
const MORE_CHALLENGES: u32 = 8;

/// How much more than in the recording a server may say, in bytes and in replies: a mailbox may have grown, but a server
/// that talks without end is to be left before it has filled the disk.
const MORE_BYTES: u64 = 256 * 1024 * 1024;
const MORE_SAID: u64 = 200_000;

/// How a client is played.
#[derive(Clone)]
pub struct Manner {
    /// How much faster than recorded it thinks; none for without thinking.
    pub speed: Option<f64>,
    /// How long an answer may take, microseconds.
    pub answer_within: i64,
    /// How long news may take that the recorded client waited for, microseconds.
    pub news_within: i64,
    pub credentials: Option<Credentials>,
    /// The connection has TLS whatever the client asks for: then it does not ask.
    pub has_tls: bool,
    /// It logs in without TLS too where the recorded client logged in within TLS.
    pub bares_logins: bool,
    /// What the server is called.
    pub host: String,
    /// Printable, without commas, different in each session.
    pub nonce: String,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub enum Step {
    Send(Vec<u8>),
    /// Nothing until the server speaks, or until this time.
    Wait(Stamp),
    End(End),
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything was said, and everything answered.
    Done,
    /// It could not go on: a sentence that says why.
    Stopped(String),
}

/// How a command was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The place of the command in the recording.
    pub command: usize,
    pub status: String,
    /// Whether the recording has the same status there.
    pub same: bool,
    pub latency_us: u64,
}

pub struct Client {
    cues: Arc<Cues>,
    manner: Manner,
    hearing: Hearing,
    states: HashMap<usize, State>,
    /// The next part.
    at: usize,
    /// Commands that were sent, and that the dialog has not read yet.
    unread: VecDeque<usize>,
    /// Numbers that the dialog gave to commands, with these commands' places; those that are not answered yet.
    open: Vec<(Seq, usize)>,
    learned: Learned,
    answering: Option<(usize, Answering)>,
    challenge: Vec<u8>,
    deflate: Option<Codec>,
    greetings: u32,
    timestamp: Option<String>,
    ended: bool,
    waiting_since: Option<Stamp>,
    /// What the server has said: bytes, and replies.
    heard: [u64; 2],
    /// Since when the server has taken nothing of what is being sent.
    stuck_since: Option<Stamp>,
    ready_at: Option<Stamp>,
    stopped: Option<String>,
    extra: u32,
    pub timings: Vec<Timing>,
    /// News that never came.
    pub missed: u32,
}

#[derive(Clone, Default)]
struct State {
    sent_at: Option<Stamp>,
    done: u32,
    go_aheads: u32,
    answered_go_aheads: u32,
    news: u32,
    /// It was answered before it could go on.
    refused: bool,
    taught: usize,
}

impl Client {
    #[must_use]
    pub fn new(cues: Arc<Cues>, manner: Manner) -> Client {
        Client {
            hearing: Hearing::new(cues.spec),
            states: HashMap::new(),
            manner,
            at: 0,
            unread: VecDeque::new(),
            open: Vec::new(),
            learned: Learned::default(),
            answering: None,
            challenge: Vec::new(),
            deflate: None,
            greetings: 0,
            timestamp: None,
            ended: false,
            waiting_since: None,
            heard: [0; 2],
            stuck_since: None,
            ready_at: None,
            stopped: None,
            extra: 0,
            timings: Vec::new(),
            missed: 0,
            cues,
        }
    }

    /// How many commands were never said.
    #[must_use]
    pub fn unsaid(&self) -> usize {
        let rest = self.cues.parts.iter().skip(self.at);
        rest.filter(|part| matches!(part.what, What::Command | What::Login(_))).count()
    }

    /// The server's bytes.
    pub fn received(&mut self, now: Stamp, bytes: &[u8]) {
        if self.is_stopped() {
            return;
        }
        if !self.hearing.received(bytes) {
            self.stop("what the server said makes no sense".to_owned());
        }
        let [heard, said] = &mut self.heard;
        *heard += bytes.len() as u64;
        *said += self.hearing.said();
        if *heard > self.cues.heard_bytes.saturating_add(MORE_BYTES) {
            self.stop(format!("the server said more than {} MiB beyond what was recorded", MORE_BYTES >> 20));
        } else if *said > self.cues.heard_replies.saturating_add(MORE_SAID) {
            self.stop(format!("the server said {MORE_SAID} replies beyond those that were recorded"));
        }
        self.take_in(now);
    }

    /// The server has ended.
    pub fn server_ended(&mut self, now: Stamp) {
        self.hearing.ended();
        self.take_in(now);
        self.ended = true;
    }

    /// The server has taken some of what is being sent, or, without `some`, nothing since. Gives when that is to be said
    /// again at the latest.
    pub fn sending(&mut self, now: Stamp, some: bool) -> Stamp {
        let since = if some { now } else { self.stuck_since.unwrap_or(now) };
        self.stuck_since = Some(since);
        let until = Stamp(since.0.saturating_add(self.manner.answer_within));
        if now >= until {
            let seconds = self.manner.answer_within / 1_000_000;
            self.stop(format!("the server took nothing of what was sent to it for {seconds} s"));
        }
        until
    }

    /// Whether it goes no further, whatever there is still to be said.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    fn stop(&mut self, why: String) {
        self.stopped.get_or_insert(why);
    }

    /// What is to be done now. To be asked until it says to wait or that it is over.
    pub fn next(&mut self, now: Stamp) -> Step {
        let cues = Arc::clone(&self.cues);
        loop {
            if let Some(why) = &self.stopped {
                return Step::End(End::Stopped(why.clone()));
            }
            let part = cues.parts.get(self.at);
            let waits = part.map_or(&cues.last, |part| &part.waits);
            let since = *self.waiting_since.get_or_insert(now);
            match self.blocked(waits, since, now) {
                Blocked::No => {}
                Blocked::Until(until) => return Step::Wait(until),
                Blocked::More(command) => return self.answer_more(command, now),
                Blocked::Stopped(why) => {
                    self.stopped = Some(why);
                    continue;
                }
            }
            let Some(part) = part else { return Step::End(End::Done) };
            if self.is_left_out(part) {
                self.advance();
                continue;
            }
            let ready = *self.ready_at.get_or_insert(now);
            let due = self.due(ready, part.thought_us);
            if now < due {
                return Step::Wait(due);
            }
            if self.ended {
                self.stopped = Some("the server ended the connection".to_owned());
                continue;
            }
            if self.would_bare(part) {
                let name = part.of.and_then(|place| cues.commands.get(place)).map_or("", |asked| &asked.command.verb);
                self.stop(format!(
                    "{name} was said within TLS when it was recorded, and there is none here, so that it is not said"
                ));
                continue;
            }
            let bytes = self.said(part, now);
            self.advance();
            if let Some(bytes) = bytes {
                return Step::Send(self.send(bytes, now));
            }
        }
    }

    fn advance(&mut self) {
        self.at += 1;
        self.waiting_since = None;
        self.ready_at = None;
    }

    fn due(&self, ready: Stamp, thought_us: u64) -> Stamp {
        let Some(speed) = self.manner.speed.filter(|speed| *speed > 0.0) else { return ready };
        // Precision is lost beyond centuries.
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
        let thinks = (thought_us as f64 / speed).min(i64::MAX as f64 / 4.0) as i64;
        Stamp(ready.0.saturating_add(thinks))
    }

    fn blocked(&mut self, waits: &[Wait], since: Stamp, now: Stamp) -> Blocked {
        for wait in waits {
            let (met, limit, what) = match *wait {
                Wait::Greeting(count) => {
                    // Where the client does not ask for TLS, nobody greets again.
                    let met = self.greetings >= count || self.greetings > 0 && self.manner.has_tls;
                    (met, self.manner.answer_within, None)
                }
                Wait::Done(command, count) => {
                    let state = self.state(command);
                    (state.done >= count, self.manner.answer_within, Some(command))
                }
                Wait::GoAhead(command, count) => {
                    let state = self.state(command);
                    if state.done > 0 && state.go_aheads < count {
                        state.refused = true;
                    }
                    (state.refused || state.go_aheads >= count, self.manner.answer_within, Some(command))
                }
                Wait::News(command, count) => {
                    let state = self.state(command);
                    (state.news >= count || state.done > 0, self.manner.news_within, Some(command))
                }
            };
            if met {
                continue;
            }
            let name =
                what.and_then(|place| self.cues.commands.get(place)).map_or("greeting", |asked| &asked.command.verb);
            if self.ended {
                return Blocked::Stopped(format!("the server ended the connection; {name} was not answered"));
            }
            let until = Stamp(since.0.saturating_add(limit));
            if now >= until {
                if let Wait::News(command, count) = *wait {
                    let state = self.state(command);
                    state.news = count;
                    self.missed += 1;
                    continue;
                }
                return Blocked::Stopped(format!("no answer to {name} within {} s", limit / 1_000_000));
            }
            if let Wait::Done(command, _) = *wait
                && let Some(asked) = self.cues.commands.get(command)
                && self
                    .states
                    .get(&command)
                    .is_some_and(|state| state.go_aheads > asked.go_aheads.max(state.answered_go_aheads))
            {
                return Blocked::More(command);
            }
            return Blocked::Until(until);
        }
        Blocked::No
    }

    /// The server asks for more than it did when it was recorded.
    fn answer_more(&mut self, command: usize, now: Stamp) -> Step {
        let name = self.cues.commands.get(command).map(|asked| asked.command.verb.clone()).unwrap_or_default();
        self.extra += 1;
        let logs_in = self.answering.as_ref().is_some_and(|(of, _)| *of == command);
        if !logs_in || self.extra > MORE_CHALLENGES {
            let why = format!("the server asks for more of {name}, which the recorded client never said");
            self.stopped = Some(why.clone());
            return Step::End(End::Stopped(why));
        }
        let state = self.state(command);
        state.answered_go_aheads = state.go_aheads;
        let bytes = self.response();
        Step::Send(self.send(bytes, now))
    }

    fn state(&mut self, command: usize) -> &mut State {
        self.states.entry(command).or_default()
    }

    /// A part that this server has no use for.
    fn is_left_out(&mut self, part: &Part) -> bool {
        let Some(command) = part.of else { return false };
        if self.manner.has_tls
            && let Some(asked) = self.cues.commands.get(command)
            && (self.cues.spec.renew.starttls)(&asked.command)
        {
            let statuses = u32::try_from(asked.statuses.len()).unwrap_or(u32::MAX);
            self.state(command).done = statuses;
            return true;
        }
        self.state(command).refused && !matches!(part.what, What::Command | What::Login(_))
    }

    /// Whether anybody on the way could read a login that was protected when it was recorded.
    fn would_bare(&self, part: &Part) -> bool {
        let protected = self.manner.has_tls || self.hearing.upgraded() || self.manner.bares_logins;
        part.in_tls && !protected && matches!(part.what, What::Login(_))
    }

    fn send(&mut self, bytes: Vec<u8>, now: Stamp) -> Vec<u8> {
        if self.hearing.compressed() && self.deflate.is_none() {
            self.deflate = Some(Codec::new());
        }
        let bytes = match &mut self.deflate {
            Some(stream) => stream.deflate(&bytes),
            None => bytes,
        };
        self.hearing.sent(&bytes);
        self.take_in(now);
        self.stuck_since = None;
        bytes
    }
}

enum Blocked {
    No,
    Until(Stamp),
    /// The server asks for more of this command.
    More(usize),
    Stopped(String),
}
