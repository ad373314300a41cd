//! Content between the lines of a pasted session: literals, messages, listings.
//! Takes lines in order, says when it is over, and what a listing's line means.
//! Does not know which command asked for it.

use super::super::say::{capability, clip, mechanism_sentence, size};
use super::super::{Explained, Protocol};
use super::form::literal;
use crate::event::Side;

/// What is being sent, until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub from: Side,
    pub until: Until,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// A dot alone on a line.
    Dot,
    /// So many bytes more, line ends included. `waits` until the server has told the client to go on.
    Bytes { left: u64, waits: bool },
    /// The end of the line that goes on behind a literal.
    LineEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Text,
    /// POP3's listings.
    Sizes,
    Names,
    Capabilities,
    Mechanisms,
}

impl Content {
    pub fn dotted(from: Side, what: What) -> Content {
        Content { from, until: Until::Dot, what }
    }

    /// The literal that a line announces.
    pub fn literal(from: Side, text: &str) -> Option<Content> {
        let (left, waits) = literal(text)?;
        Some(Content { from, until: Until::Bytes { left, waits: waits && from == Side::Client }, what: What::Text })
    }

    pub fn counted(from: Side, left: u64) -> Content {
        Content { from, until: Until::Bytes { left, waits: false }, what: What::Text }
    }

    /// Whether the server has to say first that the client may go on.
    pub fn waits(&self) -> bool {
        matches!(self.until, Until::Bytes { waits: true, .. })
    }

    /// The same once the server has said so.
    pub fn awaited(self) -> Content {
        match self.until {
            Until::Bytes { left, .. } => Content { until: Until::Bytes { left, waits: false }, ..self },
            _ => self,
        }
    }

    /// Reads a line of it; gives what is to come then, and what the line means. `shown` is the line without secrets: it
    /// may be no content, if the protocol was guessed wrongly.
    pub fn line(self, text: &str, shown: &str, protocol: Option<Protocol>) -> (Option<Content>, Option<Explained>) {
        match self.until {
            Until::Dot if text == "." || text.ends_with("\n.") => {
                let source = if protocol == Some(Protocol::Smtp) { "RFC 5321 §4.1.1.4" } else { "RFC 1939 §3" };
                (None, Some(Explained::new("the dot ends it", source)))
            }
            Until::Dot => {
                let told = self.listed(shown);
                (Some(self), told)
            }
            Until::Bytes { left, .. } => (self.counted_line(left, text), None),
            Until::LineEnd => (Content::literal(self.from, text), None),
        }
    }

    fn counted_line(self, left: u64, text: &str) -> Option<Content> {
        let line = text.len() as u64;
        let until = match left.checked_sub(line + 2) {
            Some(0) => Until::LineEnd,
            Some(left) => Until::Bytes { left, waits: false },
            // The line goes on behind the last byte of the literal.
            None => {
                let behind = text.get(usize::try_from(left).unwrap_or(text.len())..).unwrap_or_default();
                return Content::literal(self.from, behind);
            }
        };
        Some(Content { until, ..self })
    }

    /// A line of one of POP3's listings.
    fn listed(&self, text: &str) -> Option<Explained> {
        let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
        match self.what {
            What::Text => None,
            What::Sizes => {
                let bytes = rest.split(' ').next()?.parse().ok()?;
                first.parse::<u64>().ok()?;
                Some(Explained::new(format!("message {first} has {}", size(bytes)), "RFC 1939 §5"))
            }
            What::Names => {
                first.parse::<u64>().ok()?;
                Some(Explained::new(format!("the lasting name of message {first} stands behind it"), "RFC 1939 §7"))
            }
            What::Capabilities => {
                let told = capability(Protocol::Pop3, first);
                let values = clip(rest);
                Some(if values.is_empty() {
                    told
                } else {
                    Explained::new(format!("{} ({values})", told.text), told.source)
                })
            }
            What::Mechanisms => Some(mechanism_sentence(first)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(content: Option<Content>, text: &str) -> Option<Content> {
        content.and_then(|content| content.line(text, text, Some(Protocol::Imap)).0)
    }

    #[test]
    fn a_literal_is_counted_over_lines_and_may_end_within_one() {
        let begun = Content::literal(Side::Server, "* 1 FETCH (BODY[] {12}");
        let left = rest(begun.clone(), "To: c@d");
        assert!(matches!(left, Some(Content { until: Until::Bytes { left: 3, .. }, .. })));
        assert_eq!(rest(left.clone(), "abc FLAGS ())"), None);
        assert!(matches!(rest(left, "abc X {4}"), Some(Content { until: Until::Bytes { left: 4, .. }, .. })));
        let exact = rest(rest(begun, "0123456789"), " FLAGS ())");
        assert_eq!(exact, None);
    }
}
