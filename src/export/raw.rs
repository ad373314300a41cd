//! The bytes that one side sent, TLS and compression removed: what the contract calls the side's stream.
//! Takes events, writes the wires of that side one after another.
//! Does not know what the bytes mean.

use std::io::{self, Write};

use super::{Export, Format};
use crate::event::{Body, Event, Side};

pub(super) const CLIENT: Format =
    Format { name: "raw-client", about: "the bytes that the client sent", new: || Box::new(Raw::new(Side::Client)) };

pub(super) const SERVER: Format =
    Format { name: "raw-server", about: "the bytes that the server sent", new: || Box::new(Raw::new(Side::Server)) };

struct Raw {
    side: Side,
    redacted: u64,
    gaps: u64,
    missing: u64,
    elided: u64,
}

impl Raw {
    fn new(side: Side) -> Raw {
        Raw { side, redacted: 0, gaps: 0, missing: 0, elided: 0 }
    }
}

impl Export for Raw {
    fn event(&mut self, _line: &[u8], event: &Event<'_>, out: &mut dyn Write) -> io::Result<()> {
        if let Body::Gap(gap) = &event.body
            && gap.side == self.side.name()
        {
            self.gaps += 1;
            self.missing += gap.bytes;
        }
        if event.from.side() != Some(self.side) {
            return Ok(());
        }
        if let Body::Content(content) = &event.body {
            self.elided += content.elided.unwrap_or(0);
        }
        self.redacted += u64::from(event.redacted);
        out.write_all(&event.wire)
    }

    fn warnings(&self) -> Vec<String> {
        let side = self.side.name();
        let mut warnings = Vec::new();
        if self.redacted > 0 {
            warnings.push(format!(
                "{} events of the {side} had secrets, which are not in the output; record with --keep-secrets to have them",
                self.redacted
            ));
        }
        if self.gaps > 0 {
            warnings.push(format!(
                "{} bytes of the {side} are missing in {} gaps of the recording",
                self.missing, self.gaps
            ));
        }
        if self.elided > 0 {
            warnings.push(format!("{} bytes of the {side}'s contents were not recorded (--bodies)", self.elided));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::super::*;
    use crate::event::{Body, Content, Gap, Origin, Stamp};

    fn export(name: &str, events: &[(Origin, &'static [u8], bool, Body)]) -> (Vec<u8>, Vec<String>) {
        let mut export = (format(name).unwrap().new)();
        let mut out = Vec::new();
        for (seq, (from, wire, redacted, body)) in events.iter().enumerate() {
            let event = Event {
                seq: seq as u64,
                at: Stamp(0),
                from: *from,
                wire: Cow::Borrowed(wire),
                redacted: *redacted,
                body: body.clone(),
            };
            export.event(event.to_json().as_bytes(), &event, &mut out).unwrap();
        }
        export.end(&mut out).unwrap();
        (out, export.warnings())
    }

    fn session() -> Vec<(Origin, &'static [u8], bool, Body)> {
        let content = Content { of: 0, bytes: 9, last: true, elided: Some(4), ..Content::default() };
        vec![
            (Origin::Client, b"a\xff", false, Body::Raw),
            (Origin::Server, b"b\r\n", false, Body::Raw),
            (Origin::Proxy, b"not a side's", false, Body::Note(crate::event::Note::default())),
            (Origin::Proxy, b"", false, Body::Gap(Gap { bytes: 7, side: "client".into(), why: "disk".into() })),
            (Origin::Client, b"c\x00\n", true, Body::Content(content)),
        ]
    }

    #[test]
    fn a_sides_stream_is_its_wires_and_what_lacks_is_told() {
        let (out, warnings) = export("raw-client", &session());
        assert_eq!(out, b"a\xffc\x00\n");
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert!(warnings[1].starts_with("7 bytes of the client are missing in 1 gaps"), "{warnings:?}");
        assert_eq!(export("raw-server", &session()), (b"b\r\n".to_vec(), vec![]));
    }

    #[test]
    fn event_lines_pass_as_they_are() {
        let (out, warnings) = export("jsonl", &session());
        assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), 5);
        assert!(out.starts_with(b"{\"seq\":0,") && warnings.is_empty());
    }
}
