//! What is wrong with a conversation in SMTP or LMTP, or worth knowing about it.
//! Takes its pieces, gives findings: pipelining, extensions that were not offered, messages that are not as was said.
//! Does not read bytes for their meaning; the dialog has done that.

mod message;

use serde_json::Value;

use self::message::Message;
use crate::event::{Body, Command, Reply, Seq, Side, Stamp};
use crate::findings;
use crate::proto::watch::{Found, Offer, Seen, Waiting, Watch, not_offered, shown};

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

/// By one of these a server says that whoever has been there before need wait neither for its greeting nor for the answer
/// to EHLO. Exim does so, and its clients remember it.
const EARLY: &[&str] = &["PIPECONNECT", "X_PIPE_CONNECT", "X_PIPECONNECT"];

/// How many findings wait for that answer. More of one kind are not noted in any case.
const UNSURE_MAX: usize = 8;

/// How many mechanisms are remembered, and how long one may be in bytes (RFC 4422 §3.1 allows 20).
const MECHANISMS_MAX: usize = 64;
const MECHANISM_MAX: usize = 32;

#[derive(Default)]
pub(super) struct SmtpWatch {
    offer: Offer,
    /// What AUTH offers.
    mechanisms: Vec<String>,
    /// Verbs are short, or none.
    waiting: Waiting<String>,
    message: Message,
    /// The first EHLO, until it is answered, and what is wrong if the server does not allow it then.
    first: Option<Seq>,
    unsure: Found,
}

impl Watch for SmtpWatch {
    fn look(&mut self, seen: &Seen<'_>, out: &mut Found) {
        match seen.body {
            Body::Greeting(greeting) => without_text(seen.seq, &greeting.status, &greeting.text, out),
            Body::Command(command) if command.continues.is_none() => self.command(seen, command, out),
            Body::Reply(reply) if reply.continues.is_none() => self.reply(seen, reply, out),
            Body::Continue(go_ahead) if go_ahead.status == "354" => {
                without_text(seen.seq, &go_ahead.status, &go_ahead.text, out);
                // The message itself may be followed by the next group.
                if let Some(verb) = go_ahead.answers.and_then(|of| self.waiting.find_mut(of)) {
                    "the message".clone_into(verb);
                }
            }
            Body::Content(content) if seen.from == Side::Client => self.message.content(seen.wire, content, out),
            _ => {}
        }
    }

    fn upgraded(&mut self) {
        let mut offer = std::mem::take(&mut self.offer);
        offer.upgraded();
        *self = SmtpWatch { offer, ..SmtpWatch::default() };
    }

    /// Judged when the server has said what it offers.
    fn early(&mut self, seen: &Seen<'_>, _out: &mut Found) {
        self.unsure.add(&findings::EARLY_TALK, seen.seq, "the client spoke before the server had greeted it");
    }

    fn end(&mut self, _at: Stamp, out: &mut Found) {
        self.is_sure(out);
        self.message.abandoned(out);
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
        self.message.command(seen.seq, command, out);
        match verb {
            "MAIL" | "RCPT" => self.parameters(seen.seq, verb, command, out),
            "AUTH" => self.login(seen.seq, command, out),
            _ => {}
        }
        if self.first.is_none() && !self.offer.is_known() && matches!(verb, "EHLO" | "LHLO") {
            self.first = Some(seen.seq);
        }
        self.waiting.push(seen.seq, verb.to_owned());
    }

    fn pipelined(&mut self, seq: Seq, verb: &str, out: &mut Found) {
        let Some((_, before)) = self.waiting.last() else { return };
        let why = if LAST_OF_GROUP.contains(&before.as_str()) {
            ", which must be the last of a group"
        } else if self.offer.lacks(&["PIPELINING"]) {
            ", and the server does not offer PIPELINING"
        } else if !self.offer.is_known() {
            ", and has not asked whether the server offers PIPELINING"
        } else {
            return;
        };
        let text = format!("the client sent {} without waiting for the answer to {}{why}", shown(verb), shown(before));
        if self.first.is_none() {
            out.add(&findings::PIPELINING, seq, text);
        } else if self.unsure.0.len() < UNSURE_MAX {
            self.unsure.add(&findings::PIPELINING, seq, text);
        }
    }

    fn parameters(&mut self, seq: Seq, verb: &str, command: &Command, out: &mut Found) {
        if !command.args.contains("\"parameters\"") {
            return;
        }
        let args = command.args.map();
        let Some(parameters) = args.get("parameters").and_then(Value::as_object) else { return };
        for (name, value) in parameters {
            let name = name.to_ascii_uppercase();
            let value = value.as_str().unwrap_or_default().to_ascii_uppercase();
            if verb == "MAIL" {
                self.message.parameter(&name, &value);
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
        if self.offer.is_known() && !self.mechanisms.iter().any(|offered| offered == mechanism) {
            not_offered(seq, &format!("AUTH {mechanism}"), &format!("AUTH {mechanism}"), out);
        }
    }

    fn reply(&mut self, seen: &Seen<'_>, reply: &Reply, out: &mut Found) {
        let verb = reply.answers.and_then(|of| self.waiting.take_in_turn(of));
        if reply.code.is_none() {
            without_text(seen.seq, &reply.status, &reply.text, out);
        }
        self.message.reply(out);
        let done = reply.status.starts_with('2');
        match verb.as_deref() {
            Some("EHLO" | "LHLO") if done => {
                self.offered(seen.seq, reply, out);
                if !self.offer.lacks(EARLY) {
                    self.unsure = Found::default();
                }
                self.is_sure(out);
            }
            Some("HELO") if done => {
                self.mechanisms.clear();
                self.offer.forget();
                self.offer.set(seen.seq, [], out);
                self.is_sure(out);
            }
            // RFC 4954 §4 has the client ask again only after a security layer, so the list before holds on.
            Some("AUTH") if done => self.offer.logged_in(true),
            Some(_) => self.is_sure(out),
            None => {}
        }
    }

    /// The server has said what it allows, or never will.
    fn is_sure(&mut self, out: &mut Found) {
        self.first = None;
        out.0.append(&mut self.unsure.0);
    }

    fn offered(&mut self, seq: Seq, reply: &Reply, out: &mut Found) {
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
                let words = first.into_iter().chain(value.split_whitespace().map(str::to_owned));
                let room = MECHANISMS_MAX.saturating_sub(self.mechanisms.len());
                self.mechanisms.extend(words.filter(|word| word.len() <= MECHANISM_MAX).take(room));
            }
        }
        self.offer.set(seq, capabilities.into_iter().flatten().map(|(name, _)| name.clone()), out);
    }
}

fn without_text(seq: Seq, status: &str, text: &str, out: &mut Found) {
    if text.is_empty() {
        out.add(&findings::REPLY_WITHOUT_TEXT, seq, format!("the server said {status} with no text behind it"));
    }
}
