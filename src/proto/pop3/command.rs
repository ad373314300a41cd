//! One POP3 command line: its verb, its arguments, where its secret stands and what kind of reply it gets.
//! Takes a line (or the first block of a long one), gives its parts.
//! Knows nothing of the conversation around it.

use std::ops::Range;

use super::super::sasl;
use super::super::standing::{Standing, VERB_MAX, command_length, hidden, verb_length};
use super::super::words::{Words, foreign_login};
use crate::event;
use crate::event::Object;

pub(super) struct Command {
    pub said: event::Command,
    /// Where its secret stands: to the end of the line.
    pub secret: Option<Range<usize>>,
    /// Whatever follows on this line is secret too.
    pub sensitive: bool,
    pub lines: Lines,
    pub starttls: bool,
    /// A login by SASL begins, with this mechanism.
    pub mechanism: Option<String>,
    pub initial: Option<Vec<u8>>,
    pub user: Option<String>,
    /// It is a command of POP3 or of an extension.
    pub known: bool,
}

/// What an accepted command is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    One,
    /// A status line, then lines up to a dot.
    Many,
    /// The same, and the lines are capabilities.
    Capabilities,
}

impl Command {
    pub fn parse(line: &[u8], standing: Standing) -> Command {
        let text = line.trim_ascii_end();
        let mut command = Command::read(text);
        let shown = standing.shows(command.known, command.own(text), text.len());
        if shown < text.len() {
            // Said is what would be said without the rest.
            let Command { said, user, .. } = Command::read(text.get(..shown).unwrap_or_default());
            (command.said, command.user) = (said, user);
            command.secret = hidden(command.secret, shown, text.len());
        }
        command
    }

    fn read(line: &[u8]) -> Command {
        let mut words = Words::of(line);
        let (at, first) = words.next().unwrap_or_default();
        let mut command = Command {
            said: event::Command::default(),
            secret: None,
            sensitive: false,
            lines: Lines::One,
            starttls: false,
            mechanism: None,
            initial: None,
            user: None,
            known: true,
        };
        // What hides a secret with its first letters hides it with white space that is none, or without any.
        let hides = ["PASS", "APOP", "AUTH"].into_iter().find(|verb| {
            first.len() > verb.len()
                && first.get(..verb.len()).is_some_and(|start| start.eq_ignore_ascii_case(verb.as_bytes()))
        });
        if let Some(verb) = hides {
            command.said.verb = verb.to_owned();
            command.secret = Some(at + verb.len()..words.rest_range().end);
            command.sensitive = true;
            command.known = false;
            return command;
        }
        if first.len() > VERB_MAX || !first.iter().all(u8::is_ascii_graphic) {
            command.known = false;
            command.said.args.bytes("rest", line.get(at..).unwrap_or_default().trim_ascii_end());
            return command;
        }
        command.said.verb = String::from_utf8_lossy(first).to_ascii_uppercase();
        command.arguments(words);
        if !command.known
            && let Some(secret) = foreign_login(line)
        {
            command.said.args = Object::new();
            command.secret = Some(secret);
            command.sensitive = true;
        }
        command
    }

    /// How much of the line is the command and the words that belong to it, or what stands in the place of a verb.
    fn own(&self, text: &[u8]) -> usize {
        match &self.secret {
            _ if self.known => command_length(text, own_words(&self.said.verb)),
            Some(secret) => secret.start,
            None => verb_length(text),
        }
    }

    fn arguments(&mut self, mut words: Words<'_>) {
        let rest = words.rest();
        let all = words.rest_range();
        let first = words.next();
        let behind_first = words.rest_range();
        let response = words.rest();
        let second = words.next();
        let args = &mut self.said.args;
        match self.said.verb.as_str() {
            "USER" => {
                args.bytes("user", rest);
                self.user = Some(String::from_utf8_lossy(rest).into_owned()).filter(|name| !name.is_empty());
            }
            // Everything behind the verb: a password may hold spaces.
            "PASS" => {
                self.secret = Some(all);
                self.sensitive = true;
            }
            "APOP" => {
                self.sensitive = true;
                // A word alone may be both.
                let name = first.filter(|_| second.is_some());
                if let Some((_, name)) = name {
                    args.bytes("user", name);
                    self.user = Some(String::from_utf8_lossy(name).into_owned());
                }
                self.secret = Some(if name.is_some() { behind_first } else { all });
            }
            "AUTH" => match first {
                None => self.lines = Lines::Many,
                Some((_, mechanism)) => {
                    self.sensitive = true;
                    let Some(mechanism) = sasl::mechanism(mechanism) else {
                        self.mechanism = Some(String::new());
                        self.secret = Some(all);
                        return;
                    };
                    args.text("mechanism", &mechanism);
                    self.mechanism = Some(mechanism);
                    if second.is_some() {
                        args.flag("initial", true);
                        self.secret = Some(behind_first);
                        self.initial = Some(response.to_vec());
                    }
                }
            },
            "CAPA" => self.lines = Lines::Capabilities,
            "RETR" | "TOP" => {
                self.lines = Lines::Many;
                number(args, "message", first);
                number(args, "lines", second);
            }
            "LIST" | "UIDL" => {
                self.lines = if first.is_none() { Lines::Many } else { Lines::One };
                number(args, "message", first);
            }
            // RFC 6856 §3.2: without an argument, the languages are listed.
            "LANG" => {
                self.lines = if first.is_none() { Lines::Many } else { Lines::One };
                if let Some((_, tag)) = first {
                    args.bytes("language", tag);
                }
            }
            "DELE" => number(args, "message", first),
            // With arguments it is wrong (RFC 2595 §4), but what counts is whether the server accepts it.
            "STLS" => self.starttls = true,
            "STAT" | "NOOP" | "RSET" | "QUIT" | "UTF8" | "LAST" | "XTND" | "XSENDER" => {}
            _ => self.known = false,
        }
        if self.said.args.is_empty() && self.secret.is_none() && !rest.is_empty() {
            self.said.args.bytes("rest", rest);
        }
    }
}

/// How many words belong to a command that has not any number of them (RFC 1939 and its extensions).
fn own_words(verb: &str) -> Option<usize> {
    match verb {
        "STAT" | "NOOP" | "RSET" | "QUIT" | "STLS" | "CAPA" | "UTF8" | "LAST" => Some(0),
        "USER" | "LIST" | "UIDL" | "RETR" | "DELE" | "LANG" | "XSENDER" => Some(1),
        "TOP" | "XTND" => Some(2),
        _ => None,
    }
}

fn number(args: &mut Object, name: &str, word: Option<(usize, &[u8])>) {
    let Some((_, word)) = word else { return };
    match std::str::from_utf8(word).ok().and_then(|word| word.parse().ok()) {
        Some(number) => args.number(name, number),
        None => args.bytes(name, word),
    };
}
