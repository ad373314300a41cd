//! A protocol that mailtap does not know: everything is raw bytes.
//! Takes both sides' bytes, gives them as they came.
//! Knows nothing of what they mean, so it cannot tell a secret in them either.

use super::replay::Replay;
use super::{Dialog, Flow, Piece, Setup, Sink, Spec};
use crate::event::{Body, Side};

/// What is spoken where [`super::auto`] can tell nothing. It has no scheme: nobody asks for it by name.
pub const SPEC: Spec = Spec {
    name: "raw",
    schemes: &[],
    dialog: |_: Setup| Box::new(Raw),
    // There is nothing that a client of an unknown protocol would understand.
    trouble: |_, _| Vec::new(),
    starttls: &[],
    watch: || Box::new(super::watch::Nothing),
    greets: |_| false,
    same: &super::same::Same::PLAIN,
    replay: Replay {
        optional: |_| false,
        polite: |_| None,
        again: |_| false,
        anywhere: |_| false,
        farewell: |_| false,
        settle: |_, _| {},
        login: |_| false,
        refuse: |_, _| Vec::new(),
        deny: |_, _| Vec::new(),
        challenge: |_| Vec::new(),
    },
    renew: &super::renew::Renew::NOTHING,
};

struct Raw;

impl Dialog for Raw {
    fn feed(&mut self, from: Side, bytes: &[u8], out: &mut dyn Sink) -> Flow {
        if !bytes.is_empty() {
            out.piece(Piece::new(from, bytes, Body::Raw));
        }
        Flow::All
    }

    fn end(&mut self, _: Side, _: &mut dyn Sink) {}

    fn upgraded(&mut self, _: bool) {}

    fn refusal(&self, _: &str) -> Vec<u8> {
        Vec::new()
    }

    fn release(&mut self) {}

    fn upgrading(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::laws;
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_laws_hold((script, places) in laws::scripts(&["a", "\r\n"], &["b", "\n"])) {
            laws::keep(&SPEC, Setup::default(), &script, &places);
        }
    }
}
