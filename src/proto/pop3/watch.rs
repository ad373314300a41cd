//! What is wrong with a conversation in POP3, or worth knowing about it.
//! Takes its pieces, gives findings: pipelining, sizes that are none, lines without their dots.
//! Does not read bytes for their meaning, but for the sizes in a listing.

use std::collections::HashMap;

use serde_json::Value;

use crate::event::{Body, Command, Content, Reply, Seq, Side};
use crate::findings;
use crate::proto::watch::{Found, Lines, Offer, Seen, Waiting, Watch, not_offered};

/// How many messages' sizes are remembered from a listing.
const SIZES_MAX: usize = 10_000;

/// The longest line of a listing that is looked at, in bytes: two numbers.
const LISTED_MAX: usize = 64;

/// So many times in a row is often.
const OFTEN: u32 = 10;

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
    /// The verb that was asked for single messages last, and how often.
    again: (String, u32),
}

#[derive(Clone, Default)]
struct Asked {
    verb: String,
    message: Option<u64>,
    /// The size in the reply's own line.
    told: Option<u64>,
}

impl Watch for PopWatch {
    fn look(&mut self, seen: &Seen<'_>, out: &mut Found) {
        match seen.body {
            Body::Command(command) if command.continues.is_none() => self.command(seen.seq, command, out),
            Body::Reply(reply) if reply.continues.is_none() => self.reply(seen.seq, reply),
            Body::Content(content) if seen.from == Side::Server => self.content(seen, content, out),
            _ => {}
        }
    }

    fn capabilities(&mut self, names: &[String]) {
        self.mechanisms.clear();
        for line in names {
            let mut words = line.split_whitespace().map(str::to_ascii_uppercase);
            if words.next().as_deref() == Some("SASL") {
                self.mechanisms.extend(words);
            }
        }
        let word = |line: &String| line.split_whitespace().next().unwrap_or_default().to_owned();
        self.offer.set(names.iter().map(word));
    }

    fn upgraded(&mut self) {
        *self = PopWatch::default();
    }
}

impl PopWatch {
    fn command(&mut self, seq: Seq, command: &Command, out: &mut Found) {
        let verb = command.verb.as_str();
        if let Some((_, before)) = self.waiting.last()
            && self.offer.lacks(&["PIPELINING"])
        {
            let text = format!(
                "the client sent {verb} without waiting for the answer to {}, and the server does not offer PIPELINING",
                before.verb
            );
            out.add(&findings::PIPELINING, seq, text);
        }
        let wants = match verb {
            "TOP" | "UIDL" | "STLS" | "UTF8" | "LANG" => verb,
            _ => "",
        };
        if !wants.is_empty() && self.offer.lacks(&[wants]) {
            not_offered(seq, verb, wants, out);
        }
        let args = command.args.map();
        if verb == "AUTH"
            && let Some(mechanism) = args.get("mechanism").and_then(Value::as_str)
            && self.offer.lacks(&[""])
            && !self.mechanisms.iter().any(|offered| offered == mechanism)
        {
            not_offered(seq, &format!("AUTH {mechanism}"), &format!("SASL {mechanism}"), out);
        }
        let message = args.get("message").and_then(Value::as_u64);
        let single = message.is_some() && matches!(verb, "LIST" | "UIDL");
        self.again = match std::mem::take(&mut self.again) {
            (before, count) if single && before == verb => (before, count + 1),
            _ => (if single { verb.to_owned() } else { String::new() }, 1),
        };
        if single && self.again.1 == OFTEN {
            let text = format!("the client asks {verb} for one message after the other; without a number it lists all");
            out.add(&findings::ASKED_AGAIN, seq, text);
        }
        self.waiting.push(seq, Asked { verb: verb.to_owned(), message, told: None });
    }

    fn reply(&mut self, seq: Seq, reply: &Reply) {
        let Some(mut asked) = reply.answers.and_then(|of| self.waiting.take_in_turn(of)) else { return };
        if reply.status != "+OK" {
            return;
        }
        asked.told = match asked.verb.as_str() {
            "RETR" => octets(&reply.text),
            _ => None,
        };
        if matches!(asked.verb.as_str(), "PASS" | "APOP" | "AUTH") {
            // RFC 2449 §5: the capabilities may be others in the transaction state.
            self.offer.forget();
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
                let told = self.lines.end(&format!("message {message}"), true, out);
                let said = asked.told.or_else(|| self.sizes.get(&message).copied());
                if let Some(said) = said.filter(|said| asked.verb == "RETR" && *said != told.octets) {
                    let text =
                        format!("the server says that message {message} has {said} octets, and it has {}", told.octets);
                    out.add(&findings::OCTET_COUNT, of, text);
                }
            }
            _ => {}
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
            if let (Some(Some(message)), Some(Some(size))) = (numbers.next(), numbers.next())
                && self.sizes.len() < SIZES_MAX
            {
                self.sizes.insert(message, size);
            }
        }
    }
}

/// `120 octets`: only a number with its unit is one.
fn octets(text: &str) -> Option<u64> {
    let mut words = text.split_whitespace();
    let number = words.next()?.trim_start_matches('(').parse().ok()?;
    words.next()?.trim_matches(['(', ')', '.']).eq_ignore_ascii_case("octets").then_some(number)
}
