//! A played server in one conversation: it hears the client as the protocol reads it, and says what was recorded.
//! Takes the client's bytes, gives bytes to send, when, and when to begin TLS or to end.
//! Knows no socket, no clock, and what it says it does not understand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::casting::{Casting, Cue};
use super::deflate::Codec;
use super::ears::{Found, Pieces, answered, decoded, masked};
use super::matching::Asked;
use super::scram::{Login, Scram};
use super::script::{Exchange, Part, Said, Script, Turn, shown};
use crate::event::{Body, Seq, Side};
use crate::proto::replay::{self, Replay};
use crate::proto::{Dialog, Flow, Setup, Stop};

/// How many bytes a client may send before it has had the answers that their meaning depends on.
pub const HEARD_MAX: usize = 1 << 20;

/// The longest command that is compared with what was recorded, in bytes without its literals. RFC 7162 §4 asks for
/// 8,192.
const COMMAND_MAX: usize = 1 << 20;

/// What the played server does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Sends this, so long after what came before it, microseconds.
    Send { wait_us: u64, bytes: Arc<[u8]> },
    /// Waits until TLS has begun.
    StartTls,
    /// Ends the connection.
    Close,
}

/// How many bytes are to be said at a time. Then what the client has sent waits until it takes them; one answer may be
/// larger.
const SAID_MAX: usize = 256 * 1024;

impl Act {
    fn len(&self) -> usize {
        match self {
            Act::Send { bytes, .. } => bytes.len(),
            Act::StartTls | Act::Close => 0,
        }
    }
}

/// One conversation.
pub struct Player {
    id: u64,
    casting: Arc<Mutex<Casting>>,
    replay: Replay,
    login: Option<Login>,
    dialog: Box<dyn Dialog>,
    codec: Option<Box<Codec>>,
    /// What the client has sent and the dialog has not taken, from `heard_at` on.
    heard: Vec<u8>,
    heard_at: usize,
    /// There is enough to be said first.
    pauses: bool,
    /// The server's bytes that the dialog has not taken.
    said: Vec<u8>,
    pieces: Pieces,
    unit: Option<Unit>,
    playing: Option<Playing>,
    /// TLS was begun here.
    upgraded: bool,
    over: bool,
}

/// A command on its way.
struct Unit {
    seq: Seq,
    asked: Asked,
}

/// An exchange that is being played.
struct Playing {
    tag: Option<String>,
    turns: VecDeque<Turn>,
    after: Vec<Said>,
    compress: bool,
    farewell: bool,
    /// Nothing was recorded behind it but the end.
    ends: bool,
    scram: Option<Scram>,
    shown: String,
}

impl Player {
    /// Begins a conversation; the greeting is the first thing to do.
    #[must_use]
    pub fn new(
        id: u64,
        script: &Script,
        casting: Arc<Mutex<Casting>>,
        login: Option<Login>,
        acts: &mut Vec<Act>,
    ) -> Player {
        let mut player = Player {
            id,
            casting,
            replay: script.spec.replay,
            login,
            dialog: (script.spec.dialog)(Setup::default()),
            codec: None,
            heard: Vec::new(),
            heard_at: 0,
            pauses: false,
            said: Vec::new(),
            pieces: Pieces::default(),
            unit: None,
            playing: None,
            upgraded: false,
            over: false,
        };
        for said in &script.greeting {
            player.say(said.wait_us, said.wire.clone(), acts);
        }
        if script.exchanges.is_empty() && script.server_ends {
            player.close(acts);
        }
        player
    }

    /// Takes what the client sent.
    pub fn client(&mut self, bytes: &[u8], acts: &mut Vec<Act>) {
        if self.over {
            return;
        }
        match &mut self.codec {
            Some(codec) => {
                if !codec.inflate(bytes, &mut self.heard) {
                    return self.close(acts);
                }
            }
            None => self.heard.extend_from_slice(bytes),
        }
        self.listen(acts);
        if self.heard.len() > HEARD_MAX {
            self.close(acts);
        }
    }

    /// Whether what the client has sent waits until some of what is to be said has been.
    #[must_use]
    pub fn pauses(&self) -> bool {
        self.pauses && !self.over
    }

    /// Goes on reading where it paused.
    pub fn resume(&mut self, acts: &mut Vec<Act>) {
        self.listen(acts);
    }

    /// Reads on in what the client sent, as far as it may be read and what comes of it is not too much.
    fn listen(&mut self, acts: &mut Vec<Act>) {
        self.read_lines(acts);
        self.heard.drain(..self.heard_at.min(self.heard.len()));
        self.heard_at = 0;
    }

    fn read_lines(&mut self, acts: &mut Vec<Act>) {
        self.pauses = false;
        let (mut bytes, mut counted) = (0, 0);
        while !self.over {
            bytes += acts.get(counted..).unwrap_or_default().iter().map(Act::len).sum::<usize>();
            counted = acts.len();
            if bytes >= SAID_MAX {
                self.pauses = self.heard_at < self.heard.len();
                return;
            }
            let rest = self.heard.get(self.heard_at..).unwrap_or_default();
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            if end == 0 {
                return;
            }
            let flow = self.dialog.feed(Side::Client, rest.get(..end).unwrap_or_default(), &mut self.pieces);
            let found = std::mem::take(&mut self.pieces.found);
            let taken = match flow {
                Flow::All => end,
                Flow::Stop { at, .. } => at,
            };
            self.heard_at += taken;
            let before = acts.len();
            for found in found {
                let begins = match &found.body {
                    Body::Command(command) => command.continues.is_none(),
                    Body::Raw => true,
                    _ => false,
                };
                if begins {
                    // A counted chunk need not end its line: the next command may stand right behind it.
                    self.answer(replay::Turn::Whole, acts);
                }
                self.hear(found, acts);
            }
            self.answer(self.dialog.turn(), acts);
            if taken == 0 && acts.len() == before {
                return;
            }
        }
    }

    fn hear(&mut self, found: Found, acts: &mut Vec<Act>) {
        let Found { seq, wire, secrets, body } = found;
        let goes_on = |of: Option<Seq>, unit: &Option<Unit>| unit.as_ref().is_some_and(|unit| Some(unit.seq) == of);
        match body {
            Body::Command(command) if command.continues.is_none() => {
                let shown = shown(&masked(&wire, &secrets));
                let asked = Asked {
                    verb: command.verb,
                    tag: command.tag,
                    args: command.args.map(),
                    wire,
                    shown,
                    ..Asked::default()
                };
                self.unit = Some(Unit { seq, asked });
            }
            Body::Command(command) if goes_on(command.continues, &self.unit) => {
                if let Some(unit) = &mut self.unit {
                    unit.asked.args.extend(command.args.map());
                    if unit.asked.wire.len() < COMMAND_MAX {
                        unit.asked.wire.extend_from_slice(&wire);
                    }
                }
            }
            Body::Command(command) if !command.verb.is_empty() => self.part(Part::Line, &wire, acts),
            Body::Auth(_) => {
                let cancelled = wire.trim_ascii() == b"*";
                self.part(if cancelled { Part::Cancel } else { Part::Response }, &wire, acts);
            }
            Body::Content(content) if content.last && !goes_on(Some(content.of), &self.unit) => {
                self.part(Part::Content, b"", acts);
            }
            Body::Raw => {
                let shown = shown(&masked(&wire, &secrets));
                self.unit = Some(Unit { seq, asked: Asked { wire, shown, ..Asked::default() } });
            }
            _ => {}
        }
    }

    /// Answers the command that is all there, or whose literal waits.
    fn answer(&mut self, turn: replay::Turn, acts: &mut Vec<Act>) {
        if turn == replay::Turn::Within {
            return;
        }
        let Some(mut unit) = self.unit.take() else { return };
        unit.asked.settle(&self.replay);
        unit.asked.waits = matches!(turn, replay::Turn::Waits(_));
        let cue = self.casting().ask(self.id, &unit.asked);
        match cue {
            None => {
                self.unit = Some(unit);
                if let replay::Turn::Waits(line) = turn {
                    self.say(0, line.as_bytes().into(), acts);
                }
            }
            Some(Cue::Play { script, exchange }) => {
                let ends = script.server_ends && exchange + 1 == script.exchanges.len();
                if let Some(exchange) = script.exchanges.get(exchange) {
                    self.play(unit, exchange, ends, acts);
                }
            }
            Some(Cue::Polite) => {
                let lines = (self.replay.polite)(&unit.asked.verb).unwrap_or_default();
                let mut turns = VecDeque::new();
                for (index, line) in lines.iter().enumerate() {
                    if index > 0 {
                        turns.push_back(Turn::Client(Part::Line));
                    }
                    let wire = line.replace("{tag}", unit.asked.tag.as_deref().unwrap_or_default());
                    turns.push_back(Turn::Server(Said { wire: wire.into_bytes().into(), ..Said::default() }));
                }
                let farewell = (self.replay.farewell)(&unit.asked.verb);
                self.begin(unit, turns, Vec::new(), farewell, acts);
            }
            Some(Cue::Refuse { why, ends }) => self.refuse(unit.asked.tag.as_deref(), &why, ends, acts),
        }
    }

    fn play(&mut self, unit: Unit, exchange: &Exchange, ends: bool, acts: &mut Vec<Act>) {
        if (exchange.compress && self.codec.is_some()) || (exchange.upgrade && self.upgraded) {
            return self.refuse(unit.asked.tag.as_deref(), "mailtap replay: this is done already", false, acts);
        }
        let mut turns: VecDeque<Turn> = exchange.turns.iter().cloned().collect();
        let initial = |args: &serde_json::Map<String, serde_json::Value>| args.contains_key("initial");
        match (initial(&exchange.args), initial(&unit.asked.args)) {
            // What was asked for then is here already.
            (false, true) => {
                let asks = matches!(turns.front(), Some(Turn::Server(said)) if said.go_ahead.is_some());
                if asks && matches!(turns.get(1), Some(Turn::Client(Part::Response))) {
                    turns.drain(..2);
                }
            }
            (true, false) => {
                turns.push_front(Turn::Client(Part::Response));
                let wire = (self.replay.challenge)("").into();
                turns.push_front(Turn::Server(Said { wire, ..Said::default() }));
            }
            _ => {}
        }
        let mechanism = unit.asked.args.get("mechanism").and_then(serde_json::Value::as_str).unwrap_or_default();
        let mut scram = Scram::new(mechanism, self.login.clone());
        if let Some(scram) = scram.as_mut().filter(|_| initial(&unit.asked.args)) {
            let last = unit.asked.wire.trim_ascii_end().rsplit(|byte| *byte == b' ').next().unwrap_or_default();
            scram.response(&decoded(last));
        }
        let tag = unit.asked.tag.clone();
        let rewrite = |mut said: Said| {
            if let (Some(old), Some(new)) = (&said.tag, &tag)
                && let Some(rest) = said.wire.strip_prefix(old.as_bytes())
            {
                said.wire = [new.as_bytes(), rest].concat().into();
            }
            said
        };
        let turns = turns.into_iter().map(|turn| match turn {
            Turn::Server(said) => Turn::Server(rewrite(said)),
            Turn::Client(part) => Turn::Client(part),
        });
        let playing = Playing {
            tag: unit.asked.tag,
            turns: turns.collect(),
            after: exchange.after.clone(),
            compress: exchange.compress,
            farewell: (self.replay.farewell)(&exchange.verb),
            ends: ends || !exchange.answered,
            scram,
            shown: unit.asked.shown,
        };
        self.playing = Some(playing);
        self.go_on(acts);
    }

    fn begin(&mut self, unit: Unit, turns: VecDeque<Turn>, after: Vec<Said>, farewell: bool, acts: &mut Vec<Act>) {
        let Unit { asked: Asked { tag, shown, .. }, .. } = unit;
        self.playing = Some(Playing { tag, turns, after, compress: false, farewell, ends: false, scram: None, shown });
        self.go_on(acts);
    }

    /// The client has said what an exchange waits for.
    fn part(&mut self, part: Part, wire: &[u8], acts: &mut Vec<Act>) {
        let Some(playing) = &mut self.playing else {
            if part == Part::Response {
                self.refuse(None, "mailtap replay: nobody asked for this", false, acts);
            }
            return;
        };
        let expected = matches!(playing.turns.front(), Some(Turn::Client(expected)) if *expected == part);
        if !expected {
            let (tag, shown) = (playing.tag.clone(), playing.shown.clone());
            self.playing = None;
            let why = format!("mailtap replay: in the recording, {shown:?} goes on otherwise");
            return self.refuse(tag.as_deref(), &why, false, acts);
        }
        playing.turns.pop_front();
        if let Some(scram) = playing.scram.as_mut().filter(|_| part == Part::Response) {
            scram.response(&decoded(wire));
        }
        self.go_on(acts);
    }

    /// Says what the server says until the client's turn.
    fn go_on(&mut self, acts: &mut Vec<Act>) {
        loop {
            let Some(playing) = &mut self.playing else { return };
            if playing.scram.as_ref().is_some_and(Scram::has_failed) {
                let line = (self.replay.deny)(playing.tag.as_deref(), "mailtap replay: wrong user or password");
                self.playing = None;
                return self.say(0, line.into(), acts);
            }
            let said = match playing.turns.front() {
                Some(Turn::Client(_)) => return,
                Some(Turn::Server(_)) => match playing.turns.pop_front() {
                    Some(Turn::Server(said)) => said,
                    _ => return,
                },
                None => break,
            };
            let mut wire = said.wire;
            if let (Some(scram), Some(text)) = (&mut playing.scram, &said.go_ahead)
                && let Some(made) = answered(scram, text)
            {
                wire = (self.replay.challenge)(&made).into();
            }
            let begins = playing.compress && playing.turns.is_empty();
            if begins {
                // Compression is taken off before the dialog, so to it the answer was a refusal.
                let line = (self.replay.refuse)(playing.tag.as_deref(), "compressed");
                acts.push(Act::Send { wait_us: said.wait_us, bytes: wire });
                self.tell(&line);
                self.codec = Some(Box::new(Codec::new()));
                let rest = self.heard.split_off(self.heard_at.min(self.heard.len()));
                if let Some(codec) = &mut self.codec
                    && !codec.inflate(&rest, &mut self.heard)
                {
                    self.close(acts);
                }
            } else {
                self.say(said.wait_us, wire, acts);
            }
        }
        let Some(playing) = self.playing.take() else { return };
        for said in playing.after {
            self.say(said.wait_us, said.wire, acts);
        }
        if playing.ends || playing.farewell {
            self.close(acts);
        }
    }

    fn refuse(&mut self, tag: Option<&str>, why: &str, ends: bool, acts: &mut Vec<Act>) {
        let line = (self.replay.refuse)(tag, why);
        self.say(0, line.into(), acts);
        if ends {
            self.close(acts);
        }
    }

    fn say(&mut self, wait_us: u64, wire: Arc<[u8]>, acts: &mut Vec<Act>) {
        if self.over {
            return;
        }
        let upgrades = self.tell(&wire);
        let bytes = match &mut self.codec {
            Some(codec) => codec.deflate(&wire).into(),
            None => wire,
        };
        acts.push(Act::Send { wait_us, bytes });
        if upgrades {
            self.upgraded = true;
            // What stood behind it was plaintext; the session has kept it back already.
            self.heard.clear();
            self.heard_at = 0;
            acts.push(Act::StartTls);
        }
    }

    /// Lets the dialog know what the server says; true where TLS begins behind it.
    fn tell(&mut self, wire: &[u8]) -> bool {
        self.said.extend_from_slice(wire);
        let flow = self.dialog.feed(Side::Server, &self.said, &mut self.pieces);
        self.pieces.found.clear();
        match flow {
            Flow::All => self.said.clear(),
            Flow::Stop { why: Stop::StartTls { .. }, .. } => {
                self.said.clear();
                self.dialog.upgraded(true);
                return true;
            }
            Flow::Stop { at, .. } => drop(self.said.drain(..at)),
        }
        false
    }

    fn close(&mut self, acts: &mut Vec<Act>) {
        if !std::mem::replace(&mut self.over, true) {
            acts.push(Act::Close);
        }
    }

    fn casting(&self) -> std::sync::MutexGuard<'_, Casting> {
        // Whoever panicked left it whole: every change is made in one go.
        self.casting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
