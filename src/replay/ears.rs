//! What a played server hears: the pieces that a dialog finds in what the client says, and the SASL lines in them.
//! Takes pieces, gives those of the client with their secrets marked.
//! Does not know what is answered.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::scram::Scram;
use crate::event::{Body, Note, REDACTED, Seq, Side};
use crate::proto::{Piece, Sink};
use crate::secrets::{self, Secrets};

/// Gathers what the dialog finds, from one feed to the next.
#[derive(Default)]
pub(super) struct Pieces {
    seq: Seq,
    pub found: Vec<Found>,
    /// What the client has said in secret, for where it says it again.
    secrets: Secrets,
    user: Option<String>,
}

pub(super) struct Found {
    pub seq: Seq,
    pub wire: Vec<u8>,
    pub secrets: Vec<Range<usize>>,
    pub body: Body,
}

impl Sink for Pieces {
    fn piece(&mut self, piece: Piece<'_>) -> Seq {
        let seq = self.seq;
        self.seq += 1;
        if piece.from == Side::Client {
            // Of a message only its end is of interest.
            let is_content = matches!(piece.body, Body::Content(_));
            let again = if is_content { Vec::new() } else { self.secrets.find(piece.wire) };
            self.secrets.remember(piece.wire, piece.secrets, &piece.body, self.user.as_deref());
            let secrets = secrets::sorted([again.as_slice(), piece.secrets].concat());
            let wire = if is_content { Vec::new() } else { piece.wire.to_vec() };
            self.found.push(Found { seq, wire, secrets, body: piece.body });
        }
        seq
    }

    fn note(&mut self, _: Note) {}

    fn compress(&mut self, _: &str) {}

    fn user(&mut self, name: &str) {
        self.user = Some(name.to_owned());
    }

    fn edit(&mut self, _: Range<usize>, _: &[u8], _: Note) {}
}

pub(super) fn masked(wire: &[u8], secrets: &[Range<usize>]) -> Vec<u8> {
    let (mut shown, mut at) = (Vec::new(), 0);
    for secret in secrets {
        shown.extend_from_slice(wire.get(at..secret.start).unwrap_or_default());
        shown.extend_from_slice(REDACTED.as_bytes());
        at = secret.end;
    }
    shown.extend_from_slice(wire.get(at..).unwrap_or_default());
    shown
}

/// A SASL response: base64, maybe as a quoted string.
pub(super) fn decoded(line: &[u8]) -> String {
    let text: Vec<u8> = line.trim_ascii().iter().copied().filter(|byte| *byte != b'"').collect();
    String::from_utf8(STANDARD.decode(text).unwrap_or_default()).unwrap_or_default()
}

/// The challenge for this client in place of the recorded one, in base64.
pub(super) fn answered(scram: &mut Scram, recorded: &str) -> Option<String> {
    let text = decoded(recorded.as_bytes());
    if text.is_empty() {
        return None;
    }
    scram.challenge(&text).map(|made| STANDARD.encode(made))
}
