//! What is wrong with a conversation in POP3, or worth knowing about it.
//! Takes its pieces, gives findings: pipelining, sizes that are none, lines without their dots.
//! Does not read bytes for their meaning, but for the sizes in a listing.

use std::collections::HashMap;

use serde_json::Value;

use crate::event::{Body, Command, Content, Reply, Seq, Side, Stamp};
use crate::findings;
use crate::proto::watch::{Again, Found, LAST_LINE_END, Lines, Offer, Seen, Waiting, Watch, not_offered, shown};

/// How many messages' sizes are remembered from a listing.
const SIZES_MAX: usize = 10_000;

/// The longest line of a listing that is looked at, in bytes: two numbers.
const LISTED_MAX: usize = 64;

/// Commands that must be offered, each by the capability of its name (RFC 2449 §6, RFC 2595 §4, RFC 6856 §2, §3).
const OFFERED: &[&str] = &["TOP", "UIDL", "STLS", "UTF8", "LANG"];

/// How many mechanisms are remembered, and how long one may be in bytes (RFC 4422 §3.1 allows 20).
const MECHANISMS_MAX: usize = 64;
const MECHANISM_MAX: usize = 32;

#[derive(Default)]
pub(super) struct PopWatch {
    offer: Offer,
    mechanisms: Vec<String>,
    waiting: Waiting<Asked>,
    /// The content that is to come, and what it answers.
    coming: Option<(Seq, Asked)>,
    sizes: HashMap<u64, u64>,
    line: Vec<u8>,
    lines: Lines,
    again: Again,
}

#[derive(Clone, Default)]
struct Asked {
    /// Verbs are short, or none.
    verb: String,
    message: Option<u64>,
    /// The size in the reply's own line.
    told: Option<u64>,
}

impl Watch for PopWatch {
    fn look(&mut self, seen: &Seen<'_>, out: &mut Found) {
        match seen.body {
            Body::Command(command) if command.continues.is_none() => self.command(seen, command, out),
            Body::Reply(reply) if reply.continues.is_none() => self.reply(seen.seq, reply),
            Body::Content(content) if seen.from == Side::Server => self.content(seen, content, out),
            _ => {}
        }
    }

    fn capabilities(&mut self, about: Seq, names: &[String], out: &mut Found) {
        self.mechanisms.clear();
        for line in names {
            let mut words = line.split_whitespace().map(str::to_ascii_uppercase);
            if words.next().as_deref() == Some("SASL") {
                self.mechanisms.extend(words.filter(|word| word.len() <= MECHANISM_MAX).take(MECHANISMS_MAX));
            }
        }
        let word = |line: &String| line.split_whitespace().next().unwrap_or_default().to_owned();
        self.offer.set(about, names.iter().map(word), out);
    }

    fn upgraded(&mut self) {
        let mut offer = std::mem::take(&mut self.offer);
        offer.upgraded();
        *self = PopWatch { offer, ..PopWatch::default() };
    }

    fn end(&mut self, _at: Stamp, out: &mut Found) {
        if let Some((_, asked)) = self.coming.take().filter(|_| self.lines.is_open()) {
            self.judged(&asked, out);
        }
    }
}

impl PopWatch {
    fn command(&mut self, seen: &Seen<'_>, command: &Command, out: &mut Found) {
        let verb = command.verb.as_str();
        self.pipelined(seen.seq, verb, out);
        if OFFERED.contains(&verb) && self.offer.lacks(&[verb]) {
            not_offered(seen.seq, verb, verb, out);
        }
        let args = command.args.map();
        if verb == "AUTH"
            && let Some(mechanism) = args.get("mechanism").and_then(Value::as_str)
            && self.offer.is_known()
            && !self.mechanisms.iter().any(|offered| offered == mechanism)
        {
            not_offered(seen.seq, &format!("AUTH {mechanism}"), &format!("SASL {mechanism}"), out);
        }
        let message = args.get("message").and_then(Value::as_u64);
        self.asked_again(seen, verb, message.is_some(), out);
        self.waiting.push(seen.seq, Asked { verb: verb.to_owned(), message, told: None });
    }

    fn pipelined(&self, seq: Seq, verb: &str, out: &mut Found) {
        let Some((_, before)) = self.waiting.last() else { return };
        let why = if self.offer.lacks(&["PIPELINING"]) {
            "the server does not offer PIPELINING"
        } else if !self.offer.is_known() {
            "has not asked whether the server offers PIPELINING"
        } else {
            return;
        };
        let text = format!(
            "the client sent {} without waiting for the answer to {}, and {why}",
            shown(verb),
            shown(&before.verb)
        );
        out.add(&findings::PIPELINING, seq, text);
    }

    fn asked_again(&mut self, seen: &Seen<'_>, verb: &str, single: bool, out: &mut Found) {
        if !(single && matches!(verb, "LIST" | "UIDL")) {
            self.again.forget();
        } else if self.waiting.is_empty() && self.again.often(seen.at, &verb) {
            let text = format!("the client asks {verb} for one message after the other; without a number it lists all");
            out.add(&findings::ASKED_AGAIN, seen.seq, text);
        }
    }

    fn reply(&mut self, seq: Seq, reply: &Reply) {
        let Some(mut asked) = reply.answers.and_then(|of| self.waiting.take_in_turn(of)) else { return };
        if reply.status != "+OK" {
            return;
        }
        match asked.verb.as_str() {
            "RETR" => asked.told = octets(&reply.text),
            "LIST" => {
                if let (Some(message), Some(size)) = (asked.message, reply.values.number_of("octets")) {
                    self.sized(message, size);
                }
            }
            // The capabilities that matter here are the same before and after (RFC 2449 §6).
            "PASS" | "APOP" | "AUTH" => self.offer.logged_in(true),
            _ => {}
        }
        self.coming = Some((seq, asked));
    }

    fn content(&mut self, seen: &Seen<'_>, content: &Content, out: &mut Found) {
        let Some((of, asked)) = self.coming.clone().filter(|(of, _)| *of == content.of) else { return };
        match (asked.verb.as_str(), asked.message) {
            ("LIST", None) => self.listed(seen.wire),
            ("RETR" | "TOP", Some(message)) => {
                self.lines.take(seen.wire, content);
                if !content.last {
                    return;
                }
                let told = self.judged(&asked, out);
                let said = asked.told.or_else(|| self.sizes.get(&message).copied());
                let right = |said: u64| told == said || told == said.saturating_add(LAST_LINE_END);
                if let Some(said) = said.filter(|&said| asked.verb == "RETR" && !right(said)) {
                    let text = format!("the server says that message {message} has {said} octets, and it has {told}");
                    out.add(&findings::OCTET_COUNT, of, text);
                }
            }
            _ => {}
        }
    }

    /// What there is to say about the lines that have come; gives how many octets these are.
    fn judged(&mut self, asked: &Asked, out: &mut Found) -> u64 {
        self.lines.end(&format!("message {}", asked.message.unwrap_or_default()), true, out).octets
    }

    fn sized(&mut self, message: u64, size: u64) {
        if self.sizes.len() < SIZES_MAX || self.sizes.contains_key(&message) {
            self.sizes.insert(message, size);
        }
    }

    /// Takes the sizes from a stretch of a listing: a number and a size a line.
    fn listed(&mut self, wire: &[u8]) {
        for &byte in wire {
            if byte != b'\n' {
                if self.line.len() < LISTED_MAX {
                    self.line.push(byte);
                }
                continue;
            }
            let line = String::from_utf8_lossy(&self.line).into_owned();
            self.line.clear();
            let mut numbers = line.split_whitespace().map(|word| word.parse::<u64>().ok());
            if let (Some(Some(message)), Some(Some(size))) = (numbers.next(), numbers.next()) {
                self.sized(message, size);
            }
        }
    }
}

/// `120 octets`, `message follows (120 octets)`: only a number with its unit is one.
fn octets(text: &str) -> Option<u64> {
    let bare = |word: &str| word.trim_matches(['(', ')', '.', ',']).to_ascii_lowercase();
    let mut words = text.split_whitespace().map(bare).peekable();
    while let Some(word) = words.next() {
        let unit = words.peek().is_some_and(|unit| matches!(unit.as_str(), "octets" | "bytes"));
        if let Some(number) = word.parse().ok().filter(|_| unit) {
            return Some(number);
        }
    }
    None
}
