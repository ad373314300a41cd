//! What is wrong with a conversation in SMTP or LMTP, or worth knowing about it.
//! Takes its pieces, gives findings: pipelining, extensions that were not offered, messages that are not as was said.
//! Does not read bytes for their meaning; the dialog has done that.

use serde_json::Value;

use crate::event::{Body, Command, Content, Reply, Seq, Side};
use crate::findings;
use crate::proto::watch::{Found, Lines, Offer, Seen, Waiting, Watch, not_offered};

/// After these the client has to wait: they are the last of a group (RFC 2920 §3.1, RFC 4954 §4, RFC 3207 §4.2).
const LAST_OF_GROUP: &[&str] =
    &["EHLO", "HELO", "LHLO", "DATA", "VRFY", "EXPN", "TURN", "ATRN", "QUIT", "NOOP", "AUTH", "STARTTLS"];

/// Parameters of MAIL and RCPT, and the keyword of the extension that brings each.
const PARAMETERS: &[(&str, &str)] = &[
    ("SIZE", "SIZE"),
    ("BODY", "8BITMIME"),
    ("SMTPUTF8", "SMTPUTF8"),
    ("RET", "DSN"),
    ("ENVID", "DSN"),
    ("NOTIFY", "DSN"),
    ("ORCPT", "DSN"),
    ("AUTH", "AUTH"),
    ("REQUIRETLS", "REQUIRETLS"),
    ("MT-PRIORITY", "MT-PRIORITY"),
    ("HOLDFOR", "FUTURERELEASE"),
    ("HOLDUNTIL", "FUTURERELEASE"),
    ("BY", "DELIVERBY"),
    ("RRVS", "RRVS"),
    ("PRDR", "PRDR"),
];

/// Commands, and the keyword of the extension that brings each.
const COMMANDS: &[(&str, &str)] =
    &[("BDAT", "CHUNKING"), ("BURL", "BURL"), ("STARTTLS", "STARTTLS"), ("ETRN", "ETRN"), ("ATRN", "ATRN")];

#[derive(Default)]
pub(super) struct SmtpWatch {
    offer: Offer,
    /// What AUTH offers.
    mechanisms: Vec<String>,
    waiting: Waiting<String>,
    message: Message,
    lines: Lines,
}

/// What the client said of the message that is to come.
#[derive(Default)]
struct Message {
    size: Option<u64>,
    /// 8-bit text was announced, or is part of what was.
    eight_bit: bool,
    /// Octets of the chunks so far.
    chunks: u64,
    /// The command whose content is to come.
    part: Option<(Seq, Part)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Behind DATA: all of it, with dots.
    Whole,
    /// Behind BDAT: counted.
    Chunk { last: bool },
}

impl Watch for SmtpWatch {
    fn look(&mut self, seen: &Seen<'_>, out: &mut Found) {
        match seen.body {
            Body::Command(command) if command.continues.is_none() => self.command(seen, command, out),
            Body::Reply(reply) if reply.continues.is_none() => self.reply(seen, reply, out),
            // The message itself may be followed by the next group.
            Body::Continue(go_ahead) if go_ahead.status == "354" => {
                if let Some(verb) = go_ahead.answers.and_then(|of| self.waiting.find_mut(of)) {
                    *verb = "the message".to_owned();
                }
            }
            Body::Content(content) if seen.from == Side::Client => self.content(seen, content, out),
            _ => {}
        }
    }

    fn upgraded(&mut self) {
        *self = SmtpWatch::default();
    }
}

impl SmtpWatch {
    fn command(&mut self, seen: &Seen<'_>, command: &Command, out: &mut Found) {
        let verb = command.verb.as_str();
        self.pipelined(seen.seq, verb, out);
        if let Some((_, wants)) = COMMANDS.iter().find(|(name, _)| *name == verb)
            && self.offer.lacks(&[wants])
        {
            not_offered(seen.seq, verb, wants, out);
        }
        match verb {
            "MAIL" | "RCPT" => self.parameters(seen.seq, verb, command, out),
            "AUTH" => self.login(seen.seq, command, out),
            "BDAT" => {
                let args = command.args.map();
                let last = args.get("last").and_then(Value::as_bool).unwrap_or_default();
                self.message.part = Some((seen.seq, Part::Chunk { last }));
                // A chunk of nothing has no content: what there was of the message has ended.
                if last && args.get("bytes").and_then(Value::as_u64) == Some(0) {
                    self.sized(seen.seq, self.message.chunks, out);
                }
            }
            "DATA" => self.message.part = Some((seen.seq, Part::Whole)),
            "RSET" | "EHLO" | "HELO" | "LHLO" => self.message = Message::default(),
            _ => {}
        }
        self.waiting.push(seen.seq, verb.to_owned());
    }

    fn pipelined(&self, seq: Seq, verb: &str, out: &mut Found) {
        let Some((_, before)) = self.waiting.last() else { return };
        let text = if LAST_OF_GROUP.contains(&before.as_str()) {
            format!(
                "the client sent {verb} without waiting for the answer to {before}, which must be the last of a group"
            )
        } else if self.offer.lacks(&["PIPELINING"]) {
            format!(
                "the client sent {verb} without waiting for the answer to {before}, and the server does not offer PIPELINING"
            )
        } else {
            return;
        };
        out.add(&findings::PIPELINING, seq, text);
    }

    fn parameters(&mut self, seq: Seq, verb: &str, command: &Command, out: &mut Found) {
        if verb == "MAIL" {
            self.message = Message::default();
        }
        if !command.args.contains("\"parameters\"") {
            return;
        }
        let args = command.args.map();
        let Some(parameters) = args.get("parameters").and_then(Value::as_object) else { return };
        for (name, value) in parameters {
            let name = name.to_ascii_uppercase();
            let value = value.as_str().unwrap_or_default().to_ascii_uppercase();
            match name.as_str() {
                "SIZE" if verb == "MAIL" => self.message.size = value.parse().ok(),
                "BODY" => self.message.eight_bit |= value != "7BIT",
                "SMTPUTF8" => self.message.eight_bit = true,
                _ => {}
            }
            if let Some((_, wants)) = PARAMETERS.iter().find(|(parameter, _)| *parameter == name) {
                let wants = if value == "BINARYMIME" { "BINARYMIME" } else { *wants };
                let lacks = if wants == "AUTH" { self.mechanisms.is_empty() } else { true };
                if lacks && self.offer.lacks(&[wants]) {
                    not_offered(seq, &format!("the parameter {name} of {verb}"), wants, out);
                }
            }
        }
    }

    fn login(&self, seq: Seq, command: &Command, out: &mut Found) {
        let args = command.args.map();
        let Some(mechanism) = args.get("mechanism").and_then(Value::as_str) else { return };
        if self.offer.lacks(&[""]) && !self.mechanisms.iter().any(|offered| offered == mechanism) {
            not_offered(seq, &format!("AUTH {mechanism}"), &format!("AUTH {mechanism}"), out);
        }
    }

    fn reply(&mut self, seen: &Seen<'_>, reply: &Reply, out: &mut Found) {
        let verb = match reply.answers {
            Some(of) => self.waiting.take_in_turn(of),
            None => None,
        };
        if reply.text.is_empty() && reply.code.is_none() {
            let text = format!("the server answered {} with no text behind it", reply.status);
            out.add(&findings::REPLY_WITHOUT_TEXT, seen.seq, text);
        }
        match verb.as_deref() {
            Some("EHLO" | "LHLO") if reply.status.starts_with('2') => self.offered(reply),
            Some("HELO") if reply.status.starts_with('2') => {
                self.offer.set([]);
                self.mechanisms.clear();
            }
            // What is offered after a login may be another list; RFC 4954 §4 has the client ask again only after a
            // security layer, so the old one holds.
            _ => {}
        }
    }

    fn offered(&mut self, reply: &Reply) {
        let values = reply.values.map();
        let capabilities = values.get("capabilities").and_then(Value::as_object);
        let named = capabilities.into_iter().flatten();
        self.mechanisms.clear();
        for (name, value) in named {
            let value = value.as_str().unwrap_or_default().to_ascii_uppercase();
            let name = name.to_ascii_uppercase();
            // An old form is AUTH=LOGIN, and Exchange has its own in X-EXPS.
            if name == "AUTH" || name == "X-EXPS" || name.starts_with("AUTH=") {
                let first = name.strip_prefix("AUTH=").map(str::to_owned);
                self.mechanisms.extend(first.into_iter().chain(value.split_whitespace().map(str::to_owned)));
            }
        }
        self.offer.set(capabilities.into_iter().flatten().map(|(name, _)| name.clone()));
    }

    fn content(&mut self, seen: &Seen<'_>, content: &Content, out: &mut Found) {
        // Some servers have commands with content of their own.
        let Some((_, part)) = self.message.part.filter(|(of, _)| *of == content.of) else { return };
        self.lines.take(seen.wire, content);
        if !content.last {
            return;
        }
        let told = match part {
            Part::Whole => self.lines.end("the message", true, out),
            // Chunks may end anywhere, in the middle of a line too, and hold what they like.
            Part::Chunk { .. } => self.lines.end("", false, &mut Found::default()),
        };
        if told.high && !self.message.eight_bit {
            let text = "the message has bytes above 127, and MAIL had no BODY=8BITMIME";
            out.add(&findings::EIGHT_BIT, content.of, text);
        }
        self.message.chunks += told.octets;
        if part != (Part::Chunk { last: false }) {
            self.sized(content.of, self.message.chunks, out);
        }
    }

    /// The whole message has come.
    fn sized(&mut self, seq: Seq, octets: u64, out: &mut Found) {
        if let Some(size) = std::mem::take(&mut self.message).size
            && octets > size
        {
            let text = format!("the client had said that the message has {size} octets, and it has {octets}");
            out.add(&findings::SIZE_MISMATCH, seq, text);
        }
    }
}
