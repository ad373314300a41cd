//! One POP3 command line: its verb, its arguments, where its secret stands and what kind of reply it gets.
//! Takes a line (or the first block of a long one), gives its parts.
//! Knows nothing of the conversation around it.

use std::ops::Range;

use crate::event;
use crate::event::Object;

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
        let text = line.trim_ascii_end();
        let mut words = Words { text, at: 0 };
        let verb = String::from_utf8_lossy(words.next().unwrap_or_default().1).to_ascii_uppercase();
        let mut command = Command {
            said: event::Command { verb, ..event::Command::default() },
            secrets: Vec::new(),
            sensitive: false,
            lines: Lines::One,
            starttls: false,
            mechanism: None,
            initial: None,
            user: None,
        };
        command.arguments(&mut words);
        command
    }

    fn arguments(&mut self, words: &mut Words<'_>) {
        let rest_at = words.rest_at();
        let rest = words.text.get(rest_at..).unwrap_or_default();
        let first = words.next();
        let second = words.next();
        let args = &mut self.said.args;
        match self.said.verb.as_str() {
            "USER" => {
                args.bytes("user", rest);
                self.user = Some(String::from_utf8_lossy(rest).into_owned()).filter(|name| !name.is_empty());
            }
            // Everything behind the verb: a password may hold spaces.
            "PASS" => {
                self.secrets.push(rest_at..words.text.len());
                self.sensitive = true;
            }
            "APOP" => {
                self.sensitive = true;
                if let Some((_, name)) = first {
                    args.bytes("user", name);
                    self.user = Some(String::from_utf8_lossy(name).into_owned());
                }
                if let Some((digest, _)) = second {
                    self.secrets.push(digest..words.text.len());
                }
            }
            "AUTH" => match first {
                None => self.lines = Lines::Many,
                Some((_, mechanism)) => {
                    self.sensitive = true;
                    let mechanism = String::from_utf8_lossy(mechanism).to_ascii_uppercase();
                    args.text("mechanism", &mechanism);
                    self.mechanism = Some(mechanism);
                    if let Some((initial, _)) = second {
                        args.flag("initial", true);
                        self.secrets.push(initial..words.text.len());
                        self.initial = words.text.get(initial..).map(<[u8]>::to_vec);
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
            "STLS" => self.starttls = first.is_none(),
            _ if !rest.is_empty() => {
                args.bytes("rest", rest);
            }
            _ => {}
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

/// Words of a line with their places, between any white space: a server may be as lax.
struct Words<'l> {
    text: &'l [u8],
    at: usize,
}

impl<'l> Words<'l> {
    fn next(&mut self) -> Option<(usize, &'l [u8])> {
        let from = self.rest_at();
        let rest = self.text.get(from..).filter(|rest| !rest.is_empty())?;
        let length = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
        self.at = from + length;
        Some((from, rest.get(..length).unwrap_or(rest)))
    }

    /// Where the next word begins.
    fn rest_at(&self) -> usize {
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at + rest.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(rest.len())
    }
}
