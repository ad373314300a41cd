//! What an event means, said with its own values.
//! Takes the events of one session in order, gives for each a sentence and its source, or nothing where there is none to say.
//! Does not know how it is shown.

use crate::event::{Body, Event};

use super::{Category, Explained, Protocol, find};

/// Explains the events of one session. It remembers a few recent commands, so that a reply can be read as an answer.
#[derive(Clone, Debug, Default)]
pub struct Explainer {
    protocol: Option<Protocol>,
}

impl Explainer {
    /// The protocol, where the `open` event is not among those to come.
    #[must_use]
    pub fn new(protocol: Protocol) -> Explainer {
        Explainer { protocol: Some(protocol) }
    }

    pub fn explain(&mut self, event: &Event<'_>) -> Option<Explained> {
        if let Body::Open(open) = &event.body {
            self.protocol = Protocol::parse(&open.protocol);
            return None;
        }
        let protocol = self.protocol?;
        match &event.body {
            Body::Command(command) if command.continues.is_none() => {
                find(protocol, Category::Command, &command.verb).map(Explained::from)
            }
            Body::Reply(reply) if reply.continues.is_none() => {
                find(protocol, Category::Reply, &reply.status).map(Explained::from)
            }
            _ => None,
        }
    }
}
