//! One ManageSieve command line: its verb, its arguments and where its secret stands.
//! Takes a line (or the first block of a long one), gives its parts.
//! Knows nothing of the conversation around it.

use std::ops::Range;

use super::super::sasl;
use super::super::standing::{Standing, VERB_MAX, command_length, hidden, verb_length};
use super::super::words::foreign_login;
use super::text::{Is, Word, Words};
use crate::event;

pub(super) struct Command {
    pub said: event::Command,
    /// Where its secret stands: to the end of the line, and beyond where the command goes on.
    pub secret: Option<Range<usize>>,
    pub kind: Kind,
    /// A login begins, with this mechanism.
    pub mechanism: Option<String>,
    pub initial: Option<Vec<u8>>,
    /// It is a command of ManageSieve.
    pub known: bool,
}

/// What the answer to a command holds, or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Capability,
    List,
    Get,
    Auth,
    StartTls,
    Other,
    /// A line that may hold a password: the answer may repeat it.
    Stray,
}

impl Kind {
    /// The name of the data in the answer.
    pub fn data(self) -> &'static str {
        match self {
            Kind::Capability => "CAPABILITY",
            Kind::List => "LISTSCRIPTS",
            Kind::Get => "GETSCRIPT",
            Kind::Auth | Kind::StartTls | Kind::Other | Kind::Stray => "STRING",
        }
    }
}

impl Command {
    pub fn parse(line: &[u8], standing: Standing) -> Command {
        let text = line.trim_ascii_end();
        let mut command = Command::read(text);
        let shown = standing.shows(command.known, command.own(text), text.len());
        if shown < text.len() {
            // Said is what would be said without the rest.
            command.said = Command::read(text.get(..shown).unwrap_or_default()).said;
            command.secret = hidden(command.secret, shown, text.len());
        }
        command
    }

    fn read(line: &[u8]) -> Command {
        let mut words = Words::of(line);
        let mut command = Command {
            said: event::Command::default(),
            secret: None,
            kind: Kind::Other,
            mechanism: None,
            initial: None,
            known: true,
        };
        let all = words.rest_range();
        let Some(first) = words.next() else { return command };
        let verb = first.text.to_ascii_uppercase();
        if verb.starts_with(b"AUTHENTICATE") && verb.len() > b"AUTHENTICATE".len() {
            // AUTHENTICATE and something that a server may take for white space.
            command.known = false;
            command.said.verb = "AUTHENTICATE".to_owned();
            command.secret = Some(first.range.start + b"AUTHENTICATE".len()..all.end);
            return command;
        }
        if first.is != Is::Atom || verb.len() > VERB_MAX || !verb.iter().all(u8::is_ascii_graphic) {
            command.known = false;
            command.said.args.bytes("rest", line.get(all).unwrap_or_default());
            return command;
        }
        command.said.verb = String::from_utf8_lossy(&verb).into_owned();
        command.arguments(words);
        if !command.known
            && let Some(secret) = foreign_login(line)
        {
            command.said.args = event::Object::new();
            command.secret = Some(secret);
        }
        command
    }

    /// How much of the line is the command and what belongs to it, or what stands in the place of a verb.
    fn own(&self, text: &[u8]) -> usize {
        match &self.secret {
            _ if self.known => command_length(text, has_no_words(&self.said.verb).then_some(0)),
            Some(secret) => secret.start,
            None => verb_length(text),
        }
    }

    fn arguments(&mut self, mut words: Words<'_>) {
        let rest = words.rest();
        let said = &mut self.said;
        match said.verb.as_str() {
            "AUTHENTICATE" => self.authenticate(words),
            "CAPABILITY" => self.kind = Kind::Capability,
            "LISTSCRIPTS" => self.kind = Kind::List,
            "STARTTLS" => self.kind = Kind::StartTls,
            "GETSCRIPT" => {
                self.kind = Kind::Get;
                text(said, "script", words.next());
            }
            "PUTSCRIPT" | "SETACTIVE" | "DELETESCRIPT" => text(said, "script", words.next()),
            "HAVESPACE" => {
                text(said, "script", words.next());
                if let Some(size) = words.next() {
                    match std::str::from_utf8(&size.text).ok().and_then(|size| size.parse().ok()) {
                        Some(bytes) => said.args.number("bytes", bytes),
                        None => said.args.bytes("bytes", &size.text),
                    };
                }
            }
            "RENAMESCRIPT" => {
                text(said, "script", words.next());
                text(said, "to", words.next());
            }
            "NOOP" => text(said, "tag", words.next()),
            "CHECKSCRIPT" | "LOGOUT" | "UNAUTHENTICATE" => {}
            _ => {
                self.known = false;
                if !rest.is_empty() {
                    said.args.bytes("rest", rest);
                }
            }
        }
    }

    /// RFC 5804 §2.1: a mechanism and perhaps an initial response, each a string.
    fn authenticate(&mut self, mut words: Words<'_>) {
        let all = words.rest_range();
        let Some(mechanism) = words.next() else { return };
        self.kind = Kind::Auth;
        let Some(name) = sasl::mechanism(&mechanism.text) else {
            // A literal, or a response that stands in the wrong place.
            self.mechanism = Some(String::new());
            self.secret = Some(all).filter(|_| mechanism.is != Is::Literal);
            return;
        };
        self.said.args.text("mechanism", &name);
        self.mechanism = Some(name);
        let rest = words.rest_range();
        if let Some(initial) = words.next() {
            self.said.args.flag("initial", true);
            if initial.is != Is::Literal {
                self.secret = Some(rest);
                self.initial = Some(initial.text.into_owned());
            }
        }
    }
}

/// Commands without arguments (RFC 5804 §2).
fn has_no_words(verb: &str) -> bool {
    matches!(verb, "CAPABILITY" | "LISTSCRIPTS" | "STARTTLS" | "LOGOUT" | "UNAUTHENTICATE")
}

fn text(said: &mut event::Command, name: &str, word: Option<Word<'_>>) {
    if let Some(word) = word.filter(|word| word.is != Is::Literal) {
        said.args.bytes(name, &word.text);
    }
}
