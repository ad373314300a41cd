//! What an event means, said with its own values.
//! Takes the events of one session in order, gives for each a sentence and its source, or nothing where there is none to say.
//! Does not know how it is shown.

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::event::{Auth, Body, Command, Continue, Event, Greeting, Reply, Seq, Tls};
use crate::findings;

use super::auth::{self, Failure};
use super::lines::{imap_answer, imap_verb};
use super::say::{capability, clip, imap, pop3, smtp};
use super::{Category, Explained, Protocol, find};

/// Commands that are remembered, so that a reply can be read as an answer. More are seldom under way.
const REMEMBERED_MAX: usize = 256;

/// How much of an event's bytes is read for its sentence: a first line, or a reply of a few dozen lines.
const READ_MAX: usize = 16 * 1024;

/// How the second message of NTLM, the server's challenge, begins in base64 (MS-NLMP §2.2.1.2).
const NTLM_CHALLENGE: &str = "TlRMTVNTUAAC";

/// Explains the events of one session.
#[derive(Clone, Debug, Default)]
pub struct Explainer {
    protocol: Option<Protocol>,
    commands: VecDeque<(Seq, String)>,
    /// Replies to CAPA, whose listing follows as content.
    capabilities: Option<Seq>,
    login: Option<Login>,
    /// Whether the client's leg is encrypted.
    encrypted: bool,
}

#[derive(Clone, Debug)]
struct Login {
    mechanism: String,
    /// The last challenge, decoded.
    challenge: Option<String>,
}

impl Explainer {
    /// The protocol, where the `open` event is not among those to come.
    #[must_use]
    pub fn new(protocol: Protocol) -> Explainer {
        Explainer { protocol: Some(protocol), ..Explainer::default() }
    }

    pub fn explain(&mut self, event: &Event<'_>) -> Option<Explained> {
        match &event.body {
            Body::Open(open) => {
                *self = Explainer { protocol: Protocol::parse(&open.protocol), ..Explainer::default() };
                None
            }
            Body::Tls(tls) => {
                self.encrypted |= tls.error.is_none() && event.from == crate::event::Origin::Client;
                Some(encryption(tls))
            }
            Body::Greeting(greeting) => self.greeting(greeting, &text_of(event)),
            Body::Command(command) if command.continues.is_none() => self.command(event.seq, command, &text_of(event)),
            Body::Reply(reply) if reply.continues.is_none() => self.reply(event.seq, reply, &text_of(event)),
            Body::Continue(go_ahead) => self.go_ahead(go_ahead),
            Body::Auth(auth) => Some(self.auth(auth)),
            Body::Content(content) if self.capabilities == Some(content.of) => listing(&text_of(event)),
            Body::Note(note) => findings::find(&note.code).map(|found| Explained::new(found.mend, found.source)),
            Body::Compress { .. } => {
                Some(Explained::new("from here on everything is compressed; what is shown is unpacked", "RFC 4978 §3"))
            }
            _ => None,
        }
    }

    fn greeting(&self, greeting: &Greeting, wire: &str) -> Option<Explained> {
        let line = first_line(wire);
        Some(match self.protocol? {
            Protocol::Imap => {
                let told = imap::answer(imap_answer(behind_word(line)));
                Explained::new(format!("the server greets: {}", told.text), told.source)
            }
            Protocol::Smtp => smtp::answer(&greeting.status, &[&greeting.text], None),
            Protocol::Pop3 => {
                let told = pop3::answer(&greeting.status, behind_word(line), None);
                let plain = greeting.status == "+OK" && !told.text.contains("greets");
                if plain { Explained::new("the server greets and is ready", "RFC 1939 §4") } else { told }
            }
            Protocol::Sieve | Protocol::Sasl => return None,
        })
    }

    fn command(&mut self, seq: Seq, command: &Command, wire: &str) -> Option<Explained> {
        let protocol = self.protocol?;
        if self.commands.len() == REMEMBERED_MAX {
            self.commands.pop_front();
        }
        self.commands.push_back((seq, command.verb.clone()));
        let line = first_line(wire);
        let args = command.args.map();
        let told = match protocol {
            Protocol::Imap => {
                let line = if command.tag.is_some() { behind_word(line) } else { line };
                let mailbox = args.get("mailbox").and_then(serde_json::Value::as_str);
                imap::command(&command.verb, imap_verb(line).1, mailbox)
            }
            Protocol::Smtp => smtp::command(&command.verb, behind_word(line)),
            Protocol::Pop3 => pop3::command(&command.verb, behind_word(line)),
            Protocol::Sieve => find(protocol, Category::Command, &command.verb).map(Explained::from)?,
            Protocol::Sasl => return None,
        };
        if matches!(command.verb.as_str(), "AUTH" | "AUTHENTICATE" | "LOGIN" | "PASS" | "APOP") {
            let mechanism = args.get("mechanism").and_then(serde_json::Value::as_str).unwrap_or_default();
            self.login = Some(Login { mechanism: mechanism.to_owned(), challenge: None });
        }
        // A login's first message may stand in the command; who it names is known then.
        match (args.get("user").and_then(serde_json::Value::as_str), command.verb.as_str()) {
            (Some(user), "AUTH" | "AUTHENTICATE") => {
                Some(Explained::new(format!("{} (as {})", told.text, clip(user)), told.source))
            }
            _ => Some(told),
        }
    }

    fn reply(&mut self, seq: Seq, reply: &Reply, wire: &str) -> Option<Explained> {
        let protocol = self.protocol?;
        let verb =
            reply.answers.and_then(|of| self.commands.iter().find(|(seq, _)| *seq == of)).map(|(_, verb)| verb.clone());
        let verb = verb.as_deref();
        let told = match protocol {
            Protocol::Imap => {
                let answer = imap_answer(behind_word(first_line(wire)));
                let tagged = reply.tag.is_some();
                imap::answer(imap::Answer { completes: verb.filter(|_| tagged), tagged, ..answer })
            }
            Protocol::Smtp => {
                let lines: Vec<&str> = wire.lines().map(|line| line.get(4..).unwrap_or_default()).collect();
                smtp::answer(&reply.status, &lines, verb)
            }
            Protocol::Pop3 => {
                if verb == Some("CAPA") && reply.status == "+OK" {
                    self.capabilities = Some(seq);
                }
                pop3::answer(&reply.status, behind_word(first_line(wire)), verb)
            }
            Protocol::Sieve => find(protocol, Category::Reply, &reply.status).map(Explained::from)?,
            Protocol::Sasl => return None,
        };
        self.with_advice(protocol, reply, verb, told)
    }

    /// Where the reply ends a login in vain: why, and what to try.
    fn with_advice(
        &mut self,
        protocol: Protocol,
        reply: &Reply,
        verb: Option<&str>,
        told: Explained,
    ) -> Option<Explained> {
        if !matches!(verb, Some("AUTH" | "AUTHENTICATE" | "LOGIN" | "PASS" | "APOP")) {
            return Some(told);
        }
        let Some(login) = self.login.take() else { return Some(told) };
        let refused = match protocol {
            Protocol::Smtp => reply.status.starts_with(['4', '5']),
            Protocol::Pop3 => reply.status == "-ERR",
            _ => matches!(reply.status.as_str(), "NO" | "BAD"),
        };
        if !refused || reply.data.is_some() {
            return Some(told);
        }
        let failure = Failure {
            protocol: Some(protocol),
            mechanism: &login.mechanism,
            encrypted: Some(self.encrypted),
            status: &reply.status,
            code: reply.code.as_deref().and_then(|code| code.split(' ').next()),
            text: &reply.text,
            challenge: login.challenge.as_deref(),
        };
        Some(auth::why(&failure).explained())
    }

    fn go_ahead(&mut self, go_ahead: &Continue) -> Option<Explained> {
        if let Some(login) = self.login.as_mut().filter(|login| !login.mechanism.is_empty() && go_ahead.status != "354")
        {
            login.challenge.clone_from(&go_ahead.decoded);
            // A token of NTLM is no text. Before the first, servers send nothing, or a remark ("NTLM supported").
            let remark = login.mechanism == "NTLM" && !go_ahead.text.trim().starts_with(NTLM_CHALLENGE);
            let decoded = if remark { Some("") } else { go_ahead.decoded.as_deref() };
            return Some(auth::challenge(&login.mechanism, decoded));
        }
        find(self.protocol?, Category::Reply, &go_ahead.status).map(Explained::from)
    }

    fn auth(&mut self, said: &Auth) -> Explained {
        auth::response(&said.mechanism, said.step, said.user.as_deref(), &said.args.map())
    }
}

/// The capabilities that POP3's CAPA lists.
fn listing(text: &str) -> Option<Explained> {
    let words: Vec<&str> = text.lines().filter(|line| *line != "." && !line.is_empty()).collect();
    if words.is_empty() {
        return None;
    }
    let names: Vec<String> = words.iter().map(|line| clip(line)).collect();
    let unknown: Vec<String> = words
        .iter()
        .map(|line| line.split(' ').next().unwrap_or(line))
        .filter(|word| capability(Protocol::Pop3, word).text.contains(" is an unknown "))
        .map(clip)
        .collect();
    let strange = if unknown.is_empty() { String::new() } else { format!("; unknown: {}", unknown.join(", ")) };
    Some(Explained::new(format!("the server can do: {}{strange}", names.join(", ")), "RFC 2449 §5"))
}

fn encryption(tls: &Tls) -> Explained {
    let version = tls.version.as_deref().unwrap_or("TLS");
    let source = match (version.contains("1.2"), &tls.error) {
        (true, Some(_)) => "RFC 5246 §7.2.2",
        (true, None) => "RFC 5246 §6.2.3",
        (false, Some(_)) => "RFC 8446 §6.2",
        (false, None) => "RFC 8446 §5.2",
    };
    let text = match (&tls.error, tls.how.as_str()) {
        (Some(error), _) => format!("the encryption could not be set up: {}", clip(error)),
        (None, "implicit") => format!("everything is encrypted from the first byte, by {}", clip(version)),
        (None, _) => format!("everything is encrypted from here on, by {}", clip(version)),
    };
    Explained::new(text, source)
}

fn text_of<'e>(event: &'e Event<'_>) -> Cow<'e, str> {
    String::from_utf8_lossy(event.wire.get(..READ_MAX).unwrap_or(&event.wire))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// What stands behind the first word.
fn behind_word(line: &str) -> &str {
    line.split_once(' ').map_or("", |(_, rest)| rest)
}
