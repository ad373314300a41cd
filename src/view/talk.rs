//! One session as a conversation, as `show` prints it: who and when, then both sides in turn, then totals.
//! Takes the session's events in order, gives the lines that each adds.
//! Does not know where the events come from.

use crate::event::{Body, Content, Event, Open, Side, Stamp};

use super::findings::Noted;
use super::paint::{Line, Role, Style};
use super::words::Explained;
use super::{Annotate, said, text};

/// Columns of the time and of who speaks, before the text.
const TIME: usize = 10;
const INDENT: usize = TIME + 6;

/// Bytes of a line of content that are gathered until its end comes.
const PENDING_MAX: usize = 16 * 1024;

/// Bytes of a command or reply that are shown; the rest is told as a number.
const SHOWN_MAX: usize = 64 * 1024;

/// What is known of the whole session before its first event is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub session: String,
    pub user: Option<String>,
    /// One text for each leg with TLS.
    pub tls: Vec<String>,
    /// `closed`, `running`, `unfinished`.
    pub status: String,
}

/// Turns a session's events into a conversation.
pub struct Talk {
    style: Style,
    facts: Facts,
    bodies: bool,
    annotator: Option<Box<dyn Annotate>>,
    opened: Option<Stamp>,
    /// The offset that the last line showed: it is not repeated.
    shown_at: Option<u64>,
    last: Option<Stamp>,
    closed: bool,
    noted: Noted,
    /// Content of each side whose line has not ended yet.
    pending: [Vec<u8>; 2],
    /// Content of each side that is folded and has not ended yet, as far as it is known.
    folded: [Option<Content>; 2],
}

impl Talk {
    #[must_use]
    pub fn new(style: Style, facts: Facts) -> Talk {
        Talk {
            style,
            facts,
            bodies: false,
            annotator: None,
            opened: None,
            shown_at: None,
            last: None,
            closed: false,
            noted: Noted::default(),
            pending: [Vec::new(), Vec::new()],
            folded: [None, None],
        }
    }

    /// Shows contents instead of folding them.
    #[must_use]
    pub fn with_bodies(mut self, bodies: bool) -> Talk {
        self.bodies = bodies;
        self
    }

    /// Puts explanations under events.
    #[must_use]
    pub fn annotated(mut self, annotator: Box<dyn Annotate>) -> Talk {
        self.annotator = Some(annotator);
        self
    }

    /// Appends what the next event adds.
    pub fn event(&mut self, event: &Event<'_>, out: &mut String) {
        self.last = Some(event.at);
        let annotation = self.annotator.as_mut().and_then(|annotator| annotator.annotate(event));
        let lines = self.annotator.as_ref().map(|annotator| annotator.annotate_lines(event)).unwrap_or_default();
        let words = self.annotator.as_ref().map(|annotator| annotator.annotate_words().to_vec()).unwrap_or_default();
        if let Body::Note(note) = &event.body {
            self.noted.take(note);
        }
        match &event.body {
            Body::Open(open) => {
                self.opened = Some(event.at);
                self.header(open, event.at, out);
            }
            Body::Content(content) => self.content(event, content, out),
            Body::Close(_) => {
                self.flush(event, out);
                self.closed = true;
                out.push('\n');
                self.footer(event, out);
            }
            _ => self.said(event, &lines, out),
        }
        if let Some(annotation) = annotation.filter(|_| lines.is_empty()) {
            self.explanation(&annotation, out);
        }
        for word in &words {
            self.explanation(word, out);
        }
    }

    fn explanation(&self, explained: &Explained, out: &mut String) {
        self.lay(said::explained(&explained.sentence(), INDENT), INDENT + 2, out);
    }

    /// Appends what is to be said when there are no more events.
    pub fn end(&mut self, out: &mut String) {
        for side in Side::BOTH {
            let folded = self.folded_mut(side).take();
            if let Some(content) = folded {
                let said = format!("⋯ {} of content, and no end", text::counted(content.bytes, "byte"));
                self.lay(Line::new().pad(INDENT).add(Role::Aside, &said), INDENT, out);
            }
        }
        if !self.closed {
            out.push('\n');
            let status = if self.facts.status.is_empty() { "not closed" } else { self.facts.status.as_str() };
            let since = match (self.opened, self.last) {
                (Some(opened), Some(last)) => {
                    format!("; the last event came after {}", text::duration(last.since(opened)))
                }
                _ => String::new(),
            };
            let line = Line::new().add(Role::Warning, &format!("{status}: there is no close{since}"));
            self.lay(line, 2, out);
        }
        self.noted.write(self.style, out);
    }

    fn header(&mut self, open: &Open, at: Stamp, out: &mut String) {
        let mut field = |name: &str, value: &str| {
            if !value.is_empty() {
                let line = Line::new().add(Role::Aside, name).pad(TIME).add(Role::Plain, value);
                self.lay(line, TIME, out);
            }
        };
        field("session", &open.session);
        field("opened", &format!("{} UTC", text::day_and_time(at)));
        field("protocol", &open.protocol);
        field("client", &open.client);
        field("listener", &open.listener);
        field("server", &said::upstream(open));
        field("route", &open.route);
        field("user", self.facts.user.clone().as_deref().unwrap_or_default());
        field("TLS", &self.facts.tls.clone().join(", "));
        field("replay", open.mode.as_deref().unwrap_or_default());
        field("of", open.of.as_deref().unwrap_or_default());
        out.push('\n');
    }

    /// `explained` has a sentence for each line, or none.
    fn said(&mut self, event: &Event<'_>, explained: &[Explained], out: &mut String) {
        let role = said::role(event);
        if let Some(sentence) = said::sentence(event) {
            let line = self.head(event).add(role, &sentence);
            self.lay(line, INDENT, out);
            // What the proxy itself sent stands in the wire of its note.
            if event.wire.is_empty() {
                return;
            }
        }
        let shown = event.wire.get(..SHOWN_MAX).unwrap_or(&event.wire);
        let mut lines = said::wire_lines(shown).peekable();
        let mut explained = explained.iter();
        while let Some(part) = lines.next() {
            let mut line = self.head(event).add_bytes(role, part);
            if lines.peek().is_none() {
                line = line.append(beside(event, shown.len()));
            }
            self.lay(line, INDENT, out);
            if let Some(explained) = explained.next() {
                self.explanation(explained, out);
            }
        }
    }

    fn content(&mut self, event: &Event<'_>, content: &Content, out: &mut String) {
        let Some(side) = event.from.side() else { return };
        if self.bodies && content.elided.is_none() {
            let mut pending = std::mem::take(self.pending_mut(side));
            let mut rest = event.wire.as_ref();
            while let Some(end) = memchr::memchr(b'\n', rest) {
                let (now, later) = rest.split_at_checked(end + 1).unwrap_or((rest, b""));
                pending.extend_from_slice(now);
                self.content_line(event, &pending, out);
                pending.clear();
                rest = later;
            }
            pending.extend_from_slice(rest);
            if !pending.is_empty() && (content.last || pending.len() > PENDING_MAX) {
                self.content_line(event, &pending, out);
                pending.clear();
            }
            *self.pending_mut(side) = pending;
            return;
        }
        if !content.last {
            *self.folded_mut(side) = Some(content.clone());
            return;
        }
        *self.folded_mut(side) = None;
        let line = self.head(event).add(Role::Aside, &said::sentence(event).unwrap_or_default());
        self.lay(line, INDENT, out);
    }

    fn content_line(&mut self, event: &Event<'_>, line: &[u8], out: &mut String) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = self.head(event).add(Role::Aside, "┆ ").add_bytes(Role::Plain, line);
        self.lay(line, INDENT + 2, out);
    }

    /// Shows what is left of contents that did not end before the close.
    fn flush(&mut self, event: &Event<'_>, out: &mut String) {
        for side in Side::BOTH {
            let pending = std::mem::take(self.pending_mut(side));
            if !pending.is_empty() {
                self.content_line(event, &pending, out);
            }
            if let Some(content) = self.folded_mut(side).take() {
                let said = format!("⋯ {} of content, and no end", text::counted(content.bytes, "byte"));
                self.lay(Line::new().pad(INDENT).add(Role::Aside, &said), INDENT, out);
            }
        }
    }

    fn footer(&self, event: &Event<'_>, out: &mut String) {
        let Body::Close(close) = &event.body else { return };
        let mut field = |name: &str, value: String| {
            self.lay(Line::new().add(Role::Aside, name).pad(TIME).add(Role::Plain, &value), TIME, out);
        };
        field("closed", format!("by the {}: {}", close.by, close.reason));
        field("lasted", text::duration(close.duration_us));
        field("commands", text::grouped(close.commands));
        field(
            "bytes",
            format!(
                "{} from the client, {} from the server",
                text::grouped(close.client_bytes),
                text::grouped(close.server_bytes)
            ),
        );
    }

    /// Time since the start, unless the line before showed the same, and who speaks.
    fn head(&mut self, event: &Event<'_>) -> Line {
        let since = event.at.since(*self.opened.get_or_insert(event.at));
        let time = if self.shown_at == Some(since) { String::new() } else { text::offset(since) };
        self.shown_at = Some(since);
        let (who, arrow) = said::arrow(event);
        Line::new().add(Role::Aside, &format!("{time:>TIME$}  ")).add(who, arrow)
    }

    fn lay(&self, line: Line, indent: usize, out: &mut String) {
        self.style.lay(line, indent, out);
    }

    fn pending_mut(&mut self, side: Side) -> &mut Vec<u8> {
        let [client, server] = &mut self.pending;
        if side == Side::Client { client } else { server }
    }

    fn folded_mut(&mut self, side: Side) -> &mut Option<Content> {
        let [client, server] = &mut self.folded;
        if side == Side::Client { client } else { server }
    }
}

/// What stands after an event's last line: how long it took, what its bytes do not show, how much is left out.
fn beside(event: &Event<'_>, shown: usize) -> Line {
    let mut line = Line::new();
    if shown < event.wire.len() {
        line = line.add(Role::Aside, &format!(" … ({} in all)", text::counted(event.wire.len() as u64, "byte")));
    }
    if let Some(beside) = said::beside(event) {
        line = line.add(Role::Aside, "  (").add(Role::Aside, &beside).add(Role::Aside, ")");
    }
    match said::latency(event) {
        Some(latency) => line.add(Role::Aside, &format!("  {}", text::duration(latency))),
        None => line,
    }
}
