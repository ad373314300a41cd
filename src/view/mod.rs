//! Events as text for people.
//! Takes events, gives lines and sentences.
//! Knows neither files nor sockets.

pub mod diff;
pub mod findings;
mod line;
pub mod listing;
mod live;
pub mod load;
pub mod paint;
mod said;
mod talk;
pub mod text;
pub mod words;

pub use live::{Form, Live};
pub use paint::{Style, harmless, harmless_json, json_line};
pub use talk::{Facts, Talk};

use crate::event::Event;

/// A line of explanation under an event, or none. It sees the events of one session in order.
pub trait Annotate {
    fn annotate(&mut self, event: &Event<'_>) -> Option<words::Explained>;

    /// Lines of explanation under each line of the event just annotated, where these stand for themselves.
    fn annotate_lines(&self, _event: &Event<'_>) -> Vec<words::Explained> {
        Vec::new()
    }

    /// Further lines of explanation under the event just annotated: a line for each word that it lists.
    fn annotate_words(&self) -> &[words::Explained] {
        &[]
    }
}

impl Annotate for words::Explainer {
    fn annotate(&mut self, event: &Event<'_>) -> Option<words::Explained> {
        self.explain(event)
    }

    fn annotate_lines(&self, event: &Event<'_>) -> Vec<words::Explained> {
        self.lines(event)
    }

    fn annotate_words(&self) -> &[words::Explained] {
        self.listed()
    }
}
