//! The laws that every dialog keeps, as checks for the protocols' tests: pieces tile, cuts do not matter, secrets are marked.
//! Takes a protocol and a script of who says what; gives what was found, or fails the test.
//! Knows no protocol.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::{Dialog, Flow, Piece, Setup, Sink, Spec, Stop};
use crate::event::{Body, Note, Reply, Seq, Side};

/// Who says what, in this order.
pub(crate) type Script = Vec<(Side, Vec<u8>)>;

/// How the bytes of a turn are cut.
#[derive(Clone, Debug)]
pub(crate) enum Cuts {
    Whole,
    Bytes,
    /// At these places, taken modulo the length.
    At(Vec<usize>),
    /// After this many bytes of the client's stream.
    Client(usize),
}

/// A piece that was found, and what it would be without its secrets.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub seq: Seq,
    pub from: Side,
    pub wire: Vec<u8>,
    pub shown: Vec<u8>,
    pub body: Body,
}

impl Found {
    /// Kind and what matters most in it, for short expectations.
    pub fn kind(&self) -> &'static str {
        self.body.kind()
    }
}

/// A session in miniature: it holds what a dialog does not take and gives it again.
pub(crate) struct Tap {
    dialog: Box<dyn Dialog>,
    pub log: Log,
    held: [Vec<u8>; 2],
    fed: [usize; 2],
    /// Behind the reply that accepts TLS: not for the dialog.
    pub injected: [Vec<u8>; 2],
    /// Whether an upgrade that the server accepts comes about.
    upgrades: bool,
    pub upgraded: usize,
    /// Where the last accepting reply began in the server's stream.
    pub accepted_at: Option<usize>,
    after_upgrade: bool,
}

#[derive(Default)]
pub(crate) struct Log {
    pub pieces: Vec<Found>,
    pub notes: Vec<Note>,
    pub users: Vec<String>,
    /// Of the server's stream.
    pub edits: Vec<(Range<usize>, Vec<u8>)>,
    base: usize,
    next: Seq,
}

impl Sink for Log {
    fn piece(&mut self, piece: Piece<'_>) -> Seq {
        let mut shown = Vec::new();
        let mut at = 0;
        for secret in piece.secrets {
            assert!(at <= secret.start && secret.start < secret.end && secret.end <= piece.wire.len(), "{piece:?}");
            shown.extend_from_slice(&piece.wire[at..secret.start]);
            at = secret.end;
        }
        shown.extend_from_slice(&piece.wire[at..]);
        let seq = self.next;
        self.next += 1;
        let mut body = piece.body;
        if let (Side::Server, false, Body::Reply(reply)) = (piece.from, piece.secrets.is_empty(), &mut body) {
            // What was read of the line is as secret as the line.
            *reply = Reply { status: reply.status.clone(), answers: reply.answers, ..Reply::default() };
        }
        self.pieces.push(Found { seq, from: piece.from, wire: piece.wire.to_vec(), shown, body });
        seq
    }

    fn note(&mut self, note: Note) {
        self.next += 1;
        self.notes.push(note);
    }

    fn compress(&mut self, _: &str) {}

    fn user(&mut self, name: &str) {
        self.users.push(name.to_owned());
    }

    fn edit(&mut self, range: Range<usize>, with: &[u8], _: Note) {
        assert!(range.start < range.end);
        let range = self.base + range.start..self.base + range.end;
        assert!(self.edits.last().is_none_or(|(last, _)| last.end <= range.start), "edits ascend");
        self.edits.push((range, with.to_vec()));
    }
}

impl Tap {
    pub fn new(spec: &Spec, setup: Setup) -> Tap {
        Tap {
            dialog: (spec.dialog)(setup),
            log: Log::default(),
            held: Default::default(),
            fed: [0; 2],
            injected: Default::default(),
            upgrades: true,
            upgraded: 0,
            accepted_at: None,
            after_upgrade: false,
        }
    }

    /// Upgrades that the server accepts fail from here on.
    pub fn without_upgrades(mut self) -> Tap {
        self.upgrades = false;
        self
    }

    pub fn dialog(&mut self) -> &mut dyn Dialog {
        self.dialog.as_mut()
    }

    /// How many bytes of a side are held.
    pub fn held(&self, side: Side) -> usize {
        self.held[index(side)].len()
    }

    pub fn client(&mut self, bytes: impl AsRef<[u8]>) -> &mut Tap {
        self.say(Side::Client, &[bytes.as_ref()]);
        self
    }

    pub fn server(&mut self, bytes: impl AsRef<[u8]>) -> &mut Tap {
        self.say(Side::Server, &[bytes.as_ref()]);
        self
    }

    /// A turn: all of these before the other side's held bytes are offered again.
    pub fn say(&mut self, side: Side, chunks: &[&[u8]]) {
        self.after_upgrade = false;
        for chunk in chunks {
            if self.after_upgrade {
                self.injected[index(side)].extend_from_slice(chunk);
                continue;
            }
            self.held[index(side)].extend_from_slice(chunk);
            self.offer(side);
        }
        self.after_upgrade = false;
        let mut turn = side.other();
        let mut stuck = 0;
        while stuck < 2 {
            let before = self.fed[index(turn)];
            self.offer(turn);
            stuck = if self.fed[index(turn)] == before { stuck + 1 } else { 0 };
            turn = turn.other();
        }
    }

    /// The server does not answer in time.
    pub fn release(&mut self) {
        if !self.dialog.upgrading() {
            self.dialog.release();
            self.say(Side::Client, &[]);
        }
    }

    /// Both sides have said all.
    pub fn end(&mut self) {
        for _ in 0..100_000 {
            if self.held.iter().all(Vec::is_empty) || self.dialog.upgrading() {
                break;
            }
            self.release();
        }
        assert!(self.held.iter().all(Vec::is_empty) || self.dialog.upgrading(), "bytes are held for ever");
        for side in Side::BOTH {
            self.log.base = 0;
            self.dialog.end(side, &mut self.log);
        }
    }

    fn offer(&mut self, side: Side) {
        let place = index(side);
        loop {
            let bytes = std::mem::take(&mut self.held[place]);
            if bytes.is_empty() {
                return;
            }
            self.log.base = self.fed[place];
            match self.dialog.feed(side, &bytes, &mut self.log) {
                Flow::All => {
                    self.fed[place] += bytes.len();
                    return;
                }
                Flow::Stop { at, why: Stop::Hold } => {
                    self.fed[place] += at;
                    self.held[place] = bytes[at..].to_vec();
                    return;
                }
                Flow::Stop { at, why: Stop::StartTls { reply } } => {
                    assert!(side == Side::Server && reply < at, "{reply} {at}");
                    self.accepted_at = Some(self.fed[place] + reply);
                    self.fed[place] += at;
                    self.dialog.upgraded(self.upgrades);
                    if self.upgrades {
                        self.upgraded += 1;
                        self.after_upgrade = true;
                        self.injected[place].extend_from_slice(&bytes[at..]);
                        let other = std::mem::take(&mut self.held[1 - place]);
                        self.injected[1 - place].extend(other);
                        return;
                    }
                    self.held[place] = bytes[at..].to_vec();
                }
            }
        }
    }

    /// Pieces as (kind, side, first field), by which most tests say what they expect.
    pub fn kinds(&self) -> Vec<String> {
        merged(&self.log).iter().map(|found| brief(&found.body)).collect()
    }

    /// The only piece whose wire is this.
    pub fn piece(&self, wire: impl AsRef<[u8]>) -> &Found {
        let wire = wire.as_ref();
        let mut found = self.log.pieces.iter().filter(|found| found.wire == wire);
        let one = found.next().unwrap_or_else(|| panic!("no piece {:?}", String::from_utf8_lossy(wire)));
        assert!(found.next().is_none(), "two pieces {:?}", String::from_utf8_lossy(wire));
        one
    }

    pub fn note_codes(&self) -> Vec<&str> {
        self.log.notes.iter().map(|note| note.code.as_str()).collect()
    }

    /// What the other side gets of the server's stream.
    pub fn edited(&self, stream: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut at = 0;
        for (range, with) in &self.log.edits {
            out.extend_from_slice(&stream[at..range.start]);
            out.extend_from_slice(with);
            at = range.end;
        }
        out.extend_from_slice(&stream[at..]);
        out
    }
}

fn index(side: Side) -> usize {
    if side == Side::Client { 0 } else { 1 }
}

fn brief(body: &Body) -> String {
    match body {
        Body::Greeting(greeting) => format!("greeting {}", greeting.status),
        Body::Command(command) if command.continues.is_some() => "command …".to_owned(),
        Body::Command(command) => format!("command {}", command.verb),
        Body::Reply(reply) if reply.continues.is_some() => "reply …".to_owned(),
        Body::Reply(reply) => format!("reply {}", reply.status),
        Body::Continue(go) => format!("continue {}", go.status),
        Body::Auth(auth) => format!("auth {} {}", auth.mechanism, auth.step),
        Body::Content(content) => format!("content {}{}", content.bytes, if content.last { " last" } else { "" }),
        other => other.kind().to_owned(),
    }
}

/// The pieces with adjacent content (and adjacent raw bytes) made one, and numbers that do not depend on the cuts.
pub(crate) fn merged(log: &Log) -> Vec<Found> {
    let mut merged: Vec<Found> = Vec::new();
    let mut numbers = std::collections::HashMap::new();
    for found in &log.pieces {
        if let Some(last) = merged.last_mut().filter(|last| last.from == found.from) {
            let joins = match (&mut last.body, &found.body) {
                (Body::Content(before), Body::Content(now)) if before.of == now.of && !before.last => {
                    (before.bytes, before.last) = (now.bytes, now.last);
                    true
                }
                (Body::Raw, Body::Raw) => true,
                _ => false,
            };
            if joins {
                last.wire.extend_from_slice(&found.wire);
                last.shown.extend_from_slice(&found.shown);
                numbers.insert(found.seq, merged.len() as Seq - 1);
                continue;
            }
        }
        numbers.insert(found.seq, merged.len() as Seq);
        merged.push(found.clone());
    }
    let renumber = |seq: &mut Seq| *seq = numbers.get(seq).copied().unwrap_or(Seq::MAX);
    for (at, found) in merged.iter_mut().enumerate() {
        found.seq = at as Seq;
        match &mut found.body {
            Body::Content(content) => renumber(&mut content.of),
            Body::Command(command) => command.continues.iter_mut().for_each(renumber),
            Body::Reply(reply) => reply.continues.iter_mut().chain(&mut reply.answers).for_each(renumber),
            Body::Continue(go) => go.answers.iter_mut().for_each(renumber),
            Body::Auth(auth) => auth.of.iter_mut().for_each(renumber),
            _ => {}
        }
    }
    merged
}

/// Plays a script to its end.
pub(crate) fn play(spec: &Spec, setup: Setup, script: &[(Side, Vec<u8>)], cuts: &Cuts) -> Tap {
    let mut tap = Tap::new(spec, setup);
    play_on(&mut tap, script, cuts);
    tap.end();
    tap
}

pub(crate) fn play_on(tap: &mut Tap, script: &[(Side, Vec<u8>)], cuts: &Cuts) {
    let mut client_at = 0;
    for (side, bytes) in script {
        let chunks: Vec<&[u8]> = match cuts {
            Cuts::Whole => vec![bytes],
            Cuts::Bytes => bytes.chunks(1).collect(),
            Cuts::At(places) => {
                let mut places: Vec<usize> = places.iter().map(|place| place % (bytes.len() + 1)).collect();
                places.sort_unstable();
                places.push(bytes.len());
                let mut from = 0;
                places.iter().map(|&to| &bytes[std::mem::replace(&mut from, to)..to]).collect()
            }
            Cuts::Client(place) => {
                let within = place.checked_sub(client_at).filter(|place| *side == Side::Client && *place < bytes.len());
                let (head, tail) = bytes.split_at(within.unwrap_or(0));
                vec![head, tail]
            }
        };
        tap.say(*side, &chunks);
        if *side == Side::Client {
            client_at += bytes.len();
        }
    }
}

/// Laws 2, 3 and 4 for one script: nothing panics, pieces tile, cuts do not matter.
pub(crate) fn keep(spec: &Spec, setup: Setup, script: &[(Side, Vec<u8>)], places: &[usize]) {
    let whole = play(spec, setup, script, &Cuts::Whole);
    for cuts in [Cuts::Whole, Cuts::Bytes, Cuts::At(places.to_vec())] {
        let tap = play(spec, setup, script, &cuts);
        for side in Side::BOTH {
            let said: Vec<u8> =
                script.iter().filter(|(from, _)| *from == side).flat_map(|(_, bytes)| bytes.clone()).collect();
            let mut tiles: Vec<u8> =
                tap.log.pieces.iter().filter(|found| found.from == side).flat_map(|found| found.wire.clone()).collect();
            tiles.extend_from_slice(&tap.held[index(side)]);
            // What was injected into an upgrade may be followed by what was said in TLS.
            if tap.upgraded == 0 {
                assert_eq!(String::from_utf8_lossy(&tiles), String::from_utf8_lossy(&said), "{side:?} {cuts:?}");
                assert_eq!(tiles, said);
            } else {
                assert_eq!(tiles.len() + tap.injected[index(side)].len(), said.len());
            }
        }
        assert_eq!(merged(&tap.log), merged(&whole.log), "{cuts:?}");
        assert_eq!(tap.injected, whole.injected);
        assert_eq!(tap.log.users, whole.log.users);
        assert_eq!(tap.note_codes(), whole.note_codes());
        let edits = |tap: &Tap| tap.log.edits.clone();
        assert_eq!(edits(&tap), edits(&whole));
    }
}

/// Law 7 for one script, cut at every byte of the client's stream: no piece shows a secret, raw or in base64.
pub(crate) fn keep_secret(spec: &Spec, script: &[(Side, Vec<u8>)], secrets: &[&str]) {
    let length: usize = script.iter().filter(|(side, _)| *side == Side::Client).map(|(_, bytes)| bytes.len()).sum();
    for cuts in [Cuts::Whole, Cuts::Bytes].into_iter().chain((0..length).map(Cuts::Client)) {
        let tap = play(spec, Setup::default(), script, &cuts);
        assert_hidden(&tap, secrets);
        // A client that goes away at this place.
        if let Cuts::Client(place) = cuts {
            let mut tap = Tap::new(spec, Setup::default());
            let mut left = place;
            for (side, bytes) in script {
                let end = if *side == Side::Client { left.min(bytes.len()) } else { bytes.len() };
                tap.say(*side, &[&bytes[..end]]);
                if *side == Side::Client {
                    left -= end;
                    if end < bytes.len() {
                        break;
                    }
                }
            }
            tap.end();
            assert_hidden(&tap, secrets);
        }
    }
}

pub(crate) fn assert_hidden(tap: &Tap, secrets: &[&str]) {
    let mut shown: Vec<u8> = tap.log.pieces.iter().flat_map(|found| found.shown.clone()).collect();
    for found in &tap.log.pieces {
        shown.extend(format!("\n{:?}", found.body).bytes());
    }
    shown.extend(format!("{:?}{:?}", tap.log.users, tap.log.notes).bytes());
    shown.make_ascii_lowercase();
    for secret in secrets {
        for form in forms(secret) {
            let form = form.to_ascii_lowercase();
            let found = memchr::memmem::find(&shown, form.as_bytes());
            assert!(found.is_none(), "{form} of {secret} stands in {}", String::from_utf8_lossy(&shown));
        }
    }
}

/// A secret itself, and what of its base64 does not depend on its neighbours, in all three alignments.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned()];
    for before in 0..3 {
        let padded = [&vec![0; before], secret.as_bytes()].concat();
        let encoded = STANDARD.encode(&padded);
        let from = (before * 8).div_ceil(6);
        let to = padded.len() * 8 / 6;
        forms.push(encoded[from..to].to_owned());
    }
    forms
}

/// Scripts made of a protocol's own words and of arbitrary bytes, and places to cut at.
pub(crate) fn scripts(
    client: &'static [&'static str],
    server: &'static [&'static str],
) -> impl Strategy<Value = (Script, Vec<usize>)> {
    let words = |words: &'static [&'static str]| {
        let word = prop_oneof![
            12 => proptest::sample::select(words).prop_map(|word| word.as_bytes().to_vec()),
            1 => proptest::collection::vec(any::<u8>(), 0..12),
        ];
        proptest::collection::vec(word, 1..4).prop_map(|words| words.concat())
    };
    let turn = prop_oneof![
        words(client).prop_map(|bytes| (Side::Client, bytes)),
        words(server).prop_map(|bytes| (Side::Server, bytes)),
    ];
    (proptest::collection::vec(turn, 0..12), proptest::collection::vec(any::<usize>(), 0..4))
}

/// A recorded conversation of `tests/corpus`, turn by turn as its bytes arrived.
macro_rules! recorded {
    ($name:literal) => {
        $crate::proto::laws::turns(
            [recorded!(@ $name, ".client.bin"), recorded!(@ $name, ".server.bin")],
            recorded!(@ $name, ".times.jsonl"),
        )
    };
    (@ $name:literal, $end:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/", $name, $end)).as_slice()
    };
}
pub(crate) use recorded;

/// Both sides' streams as a script, by the reads that the lines of JSON tell of.
pub(crate) fn turns(streams: [&[u8]; 2], reads: &[u8]) -> Script {
    let mut script: Script = Vec::new();
    for line in String::from_utf8_lossy(reads).lines() {
        let read: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        let side = if read["from"] == "client" { Side::Client } else { Side::Server };
        let number = |name: &str| usize::try_from(read[name].as_u64().expect("a number")).expect("a place");
        let (from, length) = (number("offset"), number("bytes"));
        script.push((side, streams[index(side)][from..from + length].to_vec()));
    }
    script
}
