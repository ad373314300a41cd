//! Prints event lines as they come, of any number of sessions: as text, or as JSON with the session's name.
//! Takes a session's name and its lines, gives what is to be printed.
//! Does not know where lines come from nor where the output goes.

use std::collections::HashMap;

use crate::event::{Body, Event};

use super::paint::{Style, harmless_json};
use super::words::Explained;
use super::{Annotate, line, said};

/// Sessions whose annotators are kept; a session beyond that starts with a new one.
const ANNOTATED_MAX: usize = 4096;

/// How events are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Text(Style),
    Json,
}

/// Prints the events of several sessions together.
pub struct Live {
    form: Form,
    annotator: Option<fn() -> Box<dyn Annotate>>,
    annotators: HashMap<String, Box<dyn Annotate>>,
}

impl Live {
    #[must_use]
    pub fn new(form: Form) -> Live {
        Live { form, annotator: None, annotators: HashMap::new() }
    }

    /// Puts explanations under events; `annotator` makes one for each session.
    #[must_use]
    pub fn annotated(mut self, annotator: fn() -> Box<dyn Annotate>) -> Live {
        self.annotator = Some(annotator);
        self
    }

    /// Appends what is printed for one line of a recording (with or without its line end). A line that is no event
    /// gives nothing as text, and itself as JSON if it is an object.
    pub fn line(&mut self, session: &str, line: &[u8], out: &mut Vec<u8>) {
        let explained = self.annotator.is_some();
        match (self.form, (self.form != Form::Json || explained).then(|| Event::from_json(line))) {
            (_, Some(Ok(event))) => self.event(session, line, &event, out),
            (Form::Json, _) => json(session, line, out),
            (Form::Text(_), _) => {}
        }
    }

    /// The same for a line whose event is known already.
    pub fn event(&mut self, session: &str, line: &[u8], event: &Event<'_>, out: &mut Vec<u8>) {
        let style = match self.form {
            Form::Json => {
                let Some(explained) = self.annotation(session, event) else { return json(session, line, out) };
                let mut longer = Vec::new();
                explained.append_to(line.strip_suffix(b"\n").unwrap_or(line), &mut longer);
                return json(session, &longer, out);
            }
            Form::Text(style) => style,
        };
        let mut text = String::new();
        line::line(session, event, style, &mut text);
        if let Some(annotation) = self.annotation(session, event) {
            let indent = line::indent(session);
            let annotation = said::explained(&annotation.sentence(), indent);
            style.lay(annotation, indent + 2, &mut text);
        }
        out.extend_from_slice(text.as_bytes());
    }

    fn annotation(&mut self, session: &str, event: &Event<'_>) -> Option<Explained> {
        let new = self.annotator?;
        if !self.annotators.contains_key(session) {
            if self.annotators.len() >= ANNOTATED_MAX {
                self.annotators.clear();
            }
            self.annotators.insert(session.to_owned(), new());
        }
        let annotation = self.annotators.get_mut(session)?.annotate(event);
        if matches!(event.body, Body::Close(_)) {
            self.annotators.remove(session);
        }
        annotation
    }
}

/// The line with `session` in front, save where it has that field (`open`).
fn json(session: &str, line: &[u8], out: &mut Vec<u8>) {
    let line = &*harmless_json(line.strip_suffix(b"\n").unwrap_or(line));
    let Some(rest) = line.strip_prefix(b"{") else { return };
    // Only an open event names its session, and its kind stands in front of everything that came over the wire.
    let head = rest.get(..rest.len().min(HEAD)).unwrap_or_default();
    if memchr::memmem::find(head, b"\"kind\":\"open\"").is_some() {
        out.extend_from_slice(line);
    } else {
        let name = serde_json::Value::from(session).to_string();
        out.extend_from_slice(b"{\"session\":");
        out.extend_from_slice(name.as_bytes());
        out.push(b',');
        out.extend_from_slice(rest);
    }
    out.push(b'\n');
}

/// Bytes from a line's start within which its kind stands: number, time and kind.
const HEAD: usize = 96;
