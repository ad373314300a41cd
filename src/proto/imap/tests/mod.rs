//! Tests of the IMAP dialog: a sink that records, a driver that holds bytes back as the session does.
//! Takes conversations as (side, bytes), gives what was found in them.
//! Does not know the session itself.

mod corpus;
mod examples;
mod laws;
mod secrets;
mod traps;

use std::ops::Range;

use super::SPEC;
use crate::event::{Body, Note, Seq, Side};
use crate::proto::{Dialog, Flow, Piece, Setup, Sink, Stop};

pub(super) use Side::{Client as C, Server as S};

/// One piece as it was given, with owned bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub seq: Seq,
    pub from: Side,
    pub wire: Vec<u8>,
    pub secrets: Vec<Range<usize>>,
    pub body: Body,
}

impl Found {
    /// The bytes that may be shown.
    pub fn masked(&self) -> Vec<u8> {
        let mut shown = Vec::new();
        let mut at = 0;
        for secret in &self.secrets {
            shown.extend_from_slice(&self.wire[at..secret.start]);
            shown.extend_from_slice("«redacted»".as_bytes());
            at = secret.end;
        }
        shown.extend_from_slice(&self.wire[at..]);
        shown
    }
}

#[derive(Default)]
pub(super) struct Recorder {
    pub pieces: Vec<Found>,
    pub notes: Vec<Note>,
    pub users: Vec<String>,
    pub compress: Vec<String>,
    pub edits: Vec<(Range<usize>, Vec<u8>)>,
}

impl Sink for Recorder {
    fn piece(&mut self, piece: Piece<'_>) -> Seq {
        assert!(!piece.wire.is_empty(), "a piece without bytes: {:?}", piece.body);
        let mut at = 0;
        for secret in piece.secrets {
            assert!(secret.start >= at && secret.start < secret.end && secret.end <= piece.wire.len(), "{piece:?}");
            at = secret.end;
        }
        // As the session does, so that the numbers do not depend on how content was cut.
        if let (Body::Content(now), Some(last)) = (&piece.body, self.pieces.last_mut())
            && let Body::Content(before) = &mut last.body
            && (last.from, before.of, before.last) == (piece.from, now.of, false)
        {
            let start = last.wire.len();
            match last.secrets.last_mut() {
                Some(secret) if !piece.secrets.is_empty() => secret.end = start + piece.wire.len(),
                _ => assert!(piece.secrets.is_empty()),
            }
            last.wire.extend_from_slice(piece.wire);
            *before = now.clone();
            return last.seq;
        }
        let raw = |body: &Body| *body == Body::Raw;
        if let Some(last) = self.pieces.last_mut()
            && raw(&last.body)
            && raw(&piece.body)
            && last.from == piece.from
        {
            let start = last.wire.len();
            last.secrets.extend(piece.secrets.iter().map(|secret| start + secret.start..start + secret.end));
            last.wire.extend_from_slice(piece.wire);
            return last.seq;
        }
        let seq = self.pieces.len() as Seq;
        let (from, wire, secrets) = (piece.from, piece.wire.to_vec(), piece.secrets.to_vec());
        self.pieces.push(Found { seq, from, wire, secrets, body: piece.body });
        seq
    }

    fn note(&mut self, note: Note) {
        self.notes.push(note);
    }

    fn compress(&mut self, algorithm: &str) {
        self.compress.push(algorithm.to_owned());
    }

    fn user(&mut self, name: &str) {
        self.users.push(name.to_owned());
    }

    fn edit(&mut self, range: Range<usize>, with: &[u8], _: Note) {
        self.edits.push((range, with.to_vec()));
    }
}

/// A dialog with what is held back from it.
pub(super) struct Talk {
    pub dialog: Box<dyn Dialog>,
    pub out: Recorder,
    held: [Vec<u8>; 2],
    /// Where the server accepted an upgrade: the reply, and what came behind it.
    pub upgrade: Option<(Vec<u8>, Vec<u8>)>,
}

impl Talk {
    pub fn new() -> Talk {
        Talk::with(Setup::default())
    }

    pub fn with(setup: Setup) -> Talk {
        Talk { dialog: (SPEC.dialog)(setup), out: Recorder::default(), held: [vec![], vec![]], upgrade: None }
    }

    /// As in a session, a side that waits goes on right behind the line that has its answer.
    pub fn say(&mut self, from: Side, mut bytes: &[u8]) {
        loop {
            let waits = !self.held(from.other()).is_empty();
            let end = bytes.iter().position(|&byte| byte == b'\n').filter(|_| waits).map_or(bytes.len(), |end| end + 1);
            self.held[from as usize].extend_from_slice(&bytes[..end]);
            bytes = &bytes[end..];
            self.read(from);
            self.read(from.other());
            if bytes.is_empty() || self.upgrade.is_some() {
                break;
            }
        }
        if let (Some((_, behind)), Side::Server) = (&mut self.upgrade, from) {
            behind.extend_from_slice(bytes);
        }
    }

    fn read(&mut self, from: Side) {
        let bytes = std::mem::take(&mut self.held[from as usize]);
        if bytes.is_empty() {
            return;
        }
        match self.dialog.feed(from, &bytes, &mut self.out) {
            Flow::All => {}
            Flow::Stop { at, why: Stop::Hold } => self.held[from as usize] = bytes[at..].to_vec(),
            Flow::Stop { at, why: Stop::StartTls { reply } } => {
                self.upgrade = Some((bytes[reply..at].to_vec(), bytes[at..].to_vec()));
            }
        }
    }

    pub fn held(&self, side: Side) -> &[u8] {
        &self.held[side as usize]
    }

    /// Both sides end; what was held is read on, as when nobody answers any more.
    pub fn end(&mut self) {
        for side in Side::BOTH {
            for _ in 0..10_000 {
                if self.held(side).is_empty() || self.dialog.upgrading() {
                    break;
                }
                self.dialog.release();
                self.read(side);
            }
            self.dialog.end(side, &mut self.out);
        }
    }

    pub fn wire(&self, side: Side) -> Vec<u8> {
        self.out.pieces.iter().filter(|found| found.from == side).flat_map(|found| found.wire.clone()).collect()
    }
}

/// A short line for each piece: side, kind, verb or data or status, its fields.
pub(super) fn summary(out: &Recorder) -> Vec<String> {
    out.pieces.iter().map(line).collect()
}

fn line(found: &Found) -> String {
    let side = if found.from == C { 'C' } else { 'S' };
    let object = |object: &crate::event::Object| {
        let mut text = String::new();
        if !object.is_empty() {
            text.push(' ');
            object.write(&mut text);
        }
        text
    };
    let name = |name: &str, of: Option<Seq>| of.map(|of| format!(" {name}={of}")).unwrap_or_default();
    let what = match &found.body {
        Body::Greeting(said) => {
            format!("greeting {} {:?} {:?}{}", said.status, said.code, said.text, object(&said.values))
        }
        Body::Command(said) => format!(
            "command {}{}{}{}",
            said.tag.as_deref().map(|tag| format!("{tag} ")).unwrap_or_default(),
            said.verb,
            object(&said.args),
            name("continues", said.continues)
        ),
        Body::Reply(said) => {
            let mut text = format!("reply {}", said.status);
            for part in [&said.tag, &said.data, &said.code].into_iter().flatten() {
                text.push(' ');
                text.push_str(part);
            }
            if let Some(number) = said.number {
                text.push_str(&format!(" #{number}"));
            }
            text.push_str(&object(&said.values));
            text.push_str(&name("answers", said.answers));
            text.push_str(&name("continues", said.continues));
            text
        }
        Body::Continue(said) => format!(
            "continue{}{}",
            said.decoded.as_ref().map(|text| format!(" {text:?}")).unwrap_or_default(),
            name("answers", said.answers)
        ),
        Body::Auth(said) => format!(
            "auth {} {} {:?}{}{}",
            said.mechanism,
            said.step,
            said.user,
            object(&said.args),
            name("of", said.of)
        ),
        Body::Content(said) => {
            format!("content {}{} of={}", said.bytes, if said.last { " last" } else { "" }, said.of)
        }
        Body::Raw => format!("raw {:?}", String::from_utf8_lossy(&found.wire)),
        other => format!("{other:?}"),
    };
    format!("{side} {} {what}", found.seq)
}

/// Everything found in a conversation, each part of it fed whole.
pub(super) fn talk(script: &[(Side, &[u8])]) -> Recorder {
    let mut talk = Talk::new();
    for (from, bytes) in script {
        talk.say(*from, bytes);
    }
    talk.end();
    talk.out
}
