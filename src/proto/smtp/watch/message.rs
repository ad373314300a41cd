//! The message on its way: what was said of it, and what it turns out to be.
//! Takes the commands that announce it and its content, gives findings: line ends, dots, size, 8-bit text.
//! Does not know what the server thinks of it.

use serde_json::Value;

use crate::event::{Command, Content, Seq};
use crate::findings;
use crate::proto::watch::{Found, LAST_LINE_END, Lines};

/// What the client said of the message that is to come.
#[derive(Default)]
pub(super) struct Message {
    size: Option<u64>,
    /// 8-bit text was announced, or is part of what was.
    eight_bit: bool,
    /// Anything was announced: lines mean nothing.
    binary: bool,
    /// The command whose content is to come.
    part: Option<(Seq, Part)>,
    lines: Lines,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Behind DATA: all of it, with dots.
    Whole,
    /// Behind BDAT: counted.
    Chunk { last: bool },
}

impl Message {
    pub fn command(&mut self, seq: Seq, command: &Command, out: &mut Found) {
        match command.verb.as_str() {
            "BDAT" => {
                let args = command.args.map();
                let last = args.get("last").and_then(Value::as_bool).unwrap_or_default();
                self.part = Some((seq, Part::Chunk { last }));
                // A chunk of nothing has no content: what there was of the message has ended.
                if last && args.get("bytes").and_then(Value::as_u64) == Some(0) {
                    self.ends(seq, out);
                }
            }
            "DATA" => self.part = Some((seq, Part::Whole)),
            "MAIL" | "RSET" | "EHLO" | "HELO" | "LHLO" => self.abandoned(out),
            _ => {}
        }
    }

    /// A parameter of MAIL, in upper case.
    pub fn parameter(&mut self, name: &str, value: &str) {
        match name {
            "SIZE" => self.size = value.parse().ok(),
            "BODY" => {
                self.eight_bit |= value != "7BIT";
                self.binary |= value == "BINARYMIME";
            }
            "SMTPUTF8" => self.eight_bit = true,
            _ => {}
        }
    }

    pub fn content(&mut self, wire: &[u8], content: &Content, out: &mut Found) {
        // Some servers have commands with content of their own.
        let Some((_, part)) = self.part.filter(|(of, _)| *of == content.of) else { return };
        self.lines.take(wire, content);
        if content.last && part != (Part::Chunk { last: false }) {
            self.ends(content.of, out);
        }
    }

    /// The server has answered: where the message behind DATA had not come to its end, it never will.
    pub fn reply(&mut self, out: &mut Found) {
        if matches!(self.part, Some((_, Part::Whole))) && self.lines.is_open() {
            self.abandoned(out);
        }
    }

    /// What has come of a message is all of it.
    pub fn abandoned(&mut self, out: &mut Found) {
        if self.lines.is_open() {
            self.judged(out);
        }
        *self = Message::default();
    }

    /// The whole message has come.
    fn ends(&mut self, seq: Seq, out: &mut Found) {
        let octets = self.judged(out);
        if let Some(size) = std::mem::take(self).size
            && octets > size.saturating_add(LAST_LINE_END)
        {
            let text = format!("the client had said that the message has {size} octets, and it has {octets}");
            out.add(&findings::SIZE_MISMATCH, seq, text);
        }
    }

    /// What there is to say about the bytes that have come; gives how many these are.
    fn judged(&mut self, out: &mut Found) -> u64 {
        let about = self.part.map_or(0, |(of, _)| of);
        // Dots mean something behind DATA only, and nothing means anything in what is binary.
        let dotted = matches!(self.part, Some((_, Part::Whole)));
        let told = match self.binary {
            true => self.lines.end("", false, &mut Found::default()),
            false => self.lines.end("the message", dotted, out),
        };
        if told.high && !self.eight_bit {
            let text = "the message has bytes above 127, and MAIL had no BODY=8BITMIME";
            out.add(&findings::EIGHT_BIT, about, text);
        }
        told.octets
    }
}
