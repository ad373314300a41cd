//! One POP3 command line: its verb, its arguments, where its secret stands and what kind of reply it gets.
//! Takes a line (or the first block of a long one), gives its parts.
//! Knows nothing of the conversation around it.

use std::ops::Range;

use super::super::words::{Words, foreign_login};
use crate::event;
use crate::event::Object;

/// The longest name of a mechanism, in bytes (RFC 4422 §3.1).
const MECHANISM_MAX: usize = 20;

/// The longest verb that is taken for one, in bytes: keywords have four letters (RFC 1939 §3), experiments some more.
const VERB_MAX: usize = 20;

pub(super) struct Command {
    pub said: event::Command,
    pub secrets: Vec<Range<usize>>,
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
    pub fn parse(line: &[u8]) -> Command {
        let mut words = Words::of(line);
        let (at, first) = words.next().unwrap_or_default();
        let mut command = Command {
            said: event::Command::default(),
            secrets: Vec::new(),
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
            command.secrets.push(at + verb.len()..words.rest_range().end);
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
            command.secrets.push(secret);
            command.sensitive = true;
        }
        command
    }

    /// Whether the line begins with what could be a verb.
    pub fn is_text(&self) -> bool {
        !self.said.verb.is_empty() || self.said.args.is_empty()
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
                self.secrets.push(all);
                self.sensitive = true;
            }
            "APOP" => {
                self.sensitive = true;
                if let Some((_, name)) = first {
                    args.bytes("user", name);
                    self.user = Some(String::from_utf8_lossy(name).into_owned());
                }
                self.secrets.push(behind_first);
            }
            "AUTH" => match first {
                None => self.lines = Lines::Many,
                Some((_, mechanism)) => {
                    self.sensitive = true;
                    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
                    if mechanism.len() > MECHANISM_MAX || !mechanism.iter().all(is_name) {
                        // A response in the wrong place, perhaps.
                        self.mechanism = Some(String::new());
                        self.secrets.push(all);
                        return;
                    }
                    let mechanism = String::from_utf8_lossy(mechanism).to_ascii_uppercase();
                    args.text("mechanism", &mechanism);
                    self.mechanism = Some(mechanism);
                    if second.is_some() {
                        args.flag("initial", true);
                        self.secrets.push(behind_first);
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
            "STAT" | "NOOP" | "RSET" | "QUIT" | "UTF8" => {}
            _ => self.known = false,
        }
        if self.said.args.is_empty() && self.secrets.is_empty() && !rest.is_empty() {
            self.said.args.bytes("rest", rest);
        }
    }
}

fn number(args: &mut Object, name: &str, word: Option<(usize, &[u8])>) {
    let Some((_, word)) = word else { return };
    match std::str::from_utf8(word).ok().and_then(|word| word.parse().ok()) {
        Some(number) => args.number(name, number),
        None => args.bytes(name, word),
    };
}
