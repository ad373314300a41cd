//! What is wrong with a conversation in ManageSieve, or worth knowing about it.
//! Takes its pieces, gives findings: pipelining, extensions that were not offered.
//! Does not read bytes for their meaning; the dialog has done that.

use serde_json::Value;

use crate::event::{Body, Command, Object, Reply, Seq};
use crate::findings;
use crate::proto::watch::{Found, Offer, Seen, Waiting, Watch, not_offered, shown};

/// Commands, and the capabilities of which one must be offered (RFC 5804 §1.7, §2.14.1). The others have been there
/// before the RFC, or in its drafts by a capability of their own.
const COMMANDS: &[(&str, &[&str])] = &[
    ("STARTTLS", &["STARTTLS"]),
    ("RENAMESCRIPT", &["VERSION", "RENAME"]),
    ("CHECKSCRIPT", &["VERSION"]),
    ("NOOP", &["VERSION", "NOOP"]),
    ("UNAUTHENTICATE", &["UNAUTHENTICATE"]),
];

/// How many mechanisms are remembered, and how long one may be in bytes (RFC 4422 §3.1 allows 20).
const MECHANISMS_MAX: usize = 64;
const MECHANISM_MAX: usize = 32;

#[derive(Default)]
pub(super) struct SieveWatch {
    offer: Offer,
    /// What SASL offers.
    mechanisms: Vec<String>,
    /// Verbs are short, or none.
    waiting: Waiting<String>,
}

impl Watch for SieveWatch {
    fn look(&mut self, seen: &Seen<'_>, out: &mut Found) {
        match seen.body {
            Body::Greeting(greeting) => self.offered(seen.seq, &greeting.values, out),
            Body::Command(command) if command.continues.is_none() => self.command(seen.seq, command, out),
            Body::Reply(reply) if reply.continues.is_none() => self.reply(seen.seq, reply, out),
            _ => {}
        }
    }

    fn upgraded(&mut self) {
        let mut offer = std::mem::take(&mut self.offer);
        offer.upgraded();
        *self = SieveWatch { offer, ..SieveWatch::default() };
    }
}

impl SieveWatch {
    fn command(&mut self, seq: Seq, command: &Command, out: &mut Found) {
        let verb = command.verb.as_str();
        // The others of which this is true are waited for in any case (RFC 5804 §2).
        if self.waiting.last().is_some_and(|(_, before)| before == "HAVESPACE") {
            let text = format!(
                "the client sent {} without waiting for the answer to HAVESPACE, which must be the last of a group",
                shown(verb)
            );
            out.add(&findings::PIPELINING, seq, text);
        }
        if let Some((_, wants)) = COMMANDS.iter().find(|(name, _)| *name == verb)
            && self.offer.lacks(wants)
        {
            not_offered(seq, verb, wants.first().copied().unwrap_or_default(), out);
        }
        let args = command.args.map();
        if verb == "AUTHENTICATE"
            && let Some(mechanism) = args.get("mechanism").and_then(Value::as_str)
            && self.offer.is_known()
            && !self.mechanisms.iter().any(|offered| offered == mechanism)
        {
            not_offered(seq, &format!("AUTHENTICATE {mechanism}"), &format!("SASL {mechanism}"), out);
        }
        self.waiting.push(seq, verb.to_owned());
    }

    fn reply(&mut self, seq: Seq, reply: &Reply, out: &mut Found) {
        let verb = reply.answers.and_then(|of| self.waiting.take_in_turn(of));
        if verb.as_deref() == Some("AUTHENTICATE") && reply.status == "OK" {
            self.offer.logged_in(true);
        }
        if verb.as_deref() == Some("UNAUTHENTICATE") && reply.status == "OK" {
            self.offer.forget();
        }
        self.offered(seq, &reply.values, out);
    }

    fn offered(&mut self, seq: Seq, values: &Object, out: &mut Found) {
        if !values.contains("\"capabilities\"") {
            return;
        }
        let map = values.map();
        let Some(capabilities) = map.get("capabilities").and_then(Value::as_object) else { return };
        let sasl = capabilities.get("SASL").and_then(Value::as_str).unwrap_or_default().to_ascii_uppercase();
        let words = sasl.split_whitespace().filter(|word| word.len() <= MECHANISM_MAX);
        self.mechanisms = words.take(MECHANISMS_MAX).map(str::to_owned).collect();
        self.offer.set(seq, capabilities.keys().cloned(), out);
    }
}
