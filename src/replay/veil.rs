//! What of a recording is not shown though it stands there: passwords, in one that was told to keep them.
//! Takes a session's lines in order, gives them with their secrets masked.
//! Does not know which words log in; a dialog that hears such a line says what of it is secret.

use super::ears::{Pieces, masked};
use crate::event::{Body, Event, Side};
use crate::proto::{Setup, Spec};
use crate::secrets::{self, Secrets};

/// Between one session's lines and whoever reads them.
pub(super) struct Veil {
    spec: &'static Spec,
    secrets: Secrets,
}

impl Veil {
    pub fn new(spec: &'static Spec) -> Veil {
        Veil { spec, secrets: Secrets::default() }
    }

    /// A command's first line.
    pub fn command(&mut self, verb: &str, event: &Event<'_>) -> Vec<u8> {
        let again = self.secrets.find(&event.wire);
        let mut places = Vec::new();
        // Where something was taken out, the session has done it, and knew more.
        if !event.redacted && (self.spec.replay.login)(verb) {
            let mut pieces = Pieces::default();
            let mut dialog = (self.spec.dialog)(Setup::default());
            dialog.feed(Side::Client, &event.wire, &mut pieces);
            // The places are those of the whole line, as long as that is one piece.
            let found = pieces.found.into_iter().next().filter(|found| found.wire.len() == event.wire.len());
            places = found.map(|found| found.secrets).unwrap_or_default();
            self.secrets.remember(&event.wire, &places, &event.body, None);
        }
        masked(&event.wire, &secrets::sorted([again, places].concat()))
    }

    /// A response in a login is not shown; what is like it further on is not, either.
    pub fn response(&mut self, event: &Event<'_>) {
        if !event.redacted && matches!(event.body, Body::Auth(_)) {
            let whole = 0..event.wire.trim_ascii_end().len();
            self.secrets.remember(&event.wire, &[whole], &event.body, None);
        }
    }

    /// Any other line.
    pub fn line(&mut self, wire: &[u8]) -> Vec<u8> {
        let places = self.secrets.find(wire);
        masked(wire, &secrets::sorted(places))
    }
}
