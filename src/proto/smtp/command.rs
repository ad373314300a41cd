//! One SMTP command line: its verb, its arguments, where its secret stands and what kind of answer it gets.
//! Takes a line (or the first block of a long one), gives its parts.
//! Knows nothing of the conversation around it.

use std::ops::Range;

use super::super::sasl;
use super::super::standing::{Standing, VERB_MAX, command_length, hidden, verb_length};
use super::super::words::{Words, foreign_login};
use super::path;
use crate::event;
use crate::event::Object;

pub(super) struct Command {
    pub said: event::Command,
    /// Where its secret stands: to the end of the line, and beyond in a line that goes on.
    pub secret: Option<Range<usize>>,
    pub kind: Kind,
    /// A login begins, with this mechanism.
    pub mechanism: Option<String>,
    pub initial: Option<Vec<u8>>,
    /// The bytes that follow the line (BDAT).
    pub octets: u64,
    /// It is a command of SMTP, an extension of it, or one that is in wide use.
    pub known: bool,
}

/// What the answer to a command changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Hello,
    /// MAIL, RSET, XCLIENT: recipients are forgotten.
    Afresh,
    Recipient,
    Data,
    Chunk,
    /// The end of a message: the last chunk, or the dot. LMTP answers it once for each recipient.
    End,
    Auth,
    StartTls,
    /// TLS that is not the proxy's to end: its certificates are nobody's.
    OpaqueTls,
    /// So many octets follow a 354.
    Blob(u64),
    /// TURN and ATRN: client and server change their places.
    Turn,
    /// The server has answered before the message came to its end.
    Early,
    Other,
    /// An empty line: servers refuse it, or wait for the next.
    Nothing,
    /// A line that may hold a password: the answer may repeat it.
    Stray,
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
        let (at, first) = words.next().unwrap_or_default();
        let mut command = Command {
            said: event::Command::default(),
            secret: None,
            kind: Kind::Other,
            mechanism: None,
            initial: None,
            octets: 0,
            known: true,
        };
        if first.len() > VERB_MAX || !first.iter().all(u8::is_ascii_graphic) {
            command.known = false;
            command.said.args.bytes("rest", words_from(line, at));
            // AUTH and something that a server may take for white space.
            if first.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH")) {
                command.hide(at + 4..words.rest_range().end);
            }
            return command;
        }
        command.said.verb = String::from_utf8_lossy(first).to_ascii_uppercase();
        command.arguments(words, at);
        if !command.known
            && command.secret.is_none()
            && let Some(secret) = foreign_login(line)
        {
            command.hide(secret);
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

    fn arguments(&mut self, mut words: Words<'_>, verb_at: usize) {
        let rest = words.rest();
        let args = &mut self.said.args;
        match self.said.verb.as_str() {
            "EHLO" | "HELO" | "LHLO" => {
                self.kind = Kind::Hello;
                args.bytes("domain", rest);
            }
            "MAIL" | "SEND" | "SOML" | "SAML" => {
                self.kind = Kind::Afresh;
                path::envelope(rest, "FROM", args);
            }
            "RCPT" => {
                self.kind = Kind::Recipient;
                path::envelope(rest, "TO", args);
            }
            "DATA" => self.kind = Kind::Data,
            "BDAT" => self.chunk(words),
            // X-EXPS is Exchange's own AUTH, with the same responses.
            "AUTH" | "X-EXPS" => self.auth(words),
            // With arguments it is wrong (RFC 3207 §4), but what counts is whether the server accepts it.
            "STARTTLS" => self.kind = Kind::StartTls,
            "RSET" => self.kind = Kind::Afresh,
            "XCLIENT" | "XFORWARD" => {
                self.kind = if self.said.verb == "XCLIENT" { Kind::Afresh } else { Kind::Other };
                args.object("attributes", &attributes(rest));
            }
            "TURN" | "ATRN" => {
                self.kind = Kind::Turn;
                argument(args, "domains", rest);
            }
            "VRFY" | "EXPN" => argument(args, "name", rest),
            "HELP" => argument(args, "topic", rest),
            "ETRN" => argument(args, "node", rest),
            "NOOP" => argument(args, "text", rest),
            "XEXCH50" => {
                // Exchange up to 2003: octets that follow a 354, counted as those of BDAT are.
                let size = words.next().and_then(|(_, word)| digits(word));
                self.kind = size.map_or(Kind::Other, Kind::Blob);
                argument(args, "rest", rest);
            }
            "X-ANONYMOUSTLS" => self.kind = Kind::OpaqueTls,
            "BURL" => {
                // RFC 4468 §3: a chunk that the server fetches by itself.
                let (_, url) = words.next().unwrap_or_default();
                let last = words.next().is_some_and(|(_, word)| word.eq_ignore_ascii_case(b"LAST"));
                self.kind = if last { Kind::End } else { Kind::Chunk };
                args.bytes("url", url).flag("last", last);
            }
            "VERB" | "ONEX" | "X-LINK2STATE" | "XSHADOW" | "XQDISCARD" | "XADR" | "XSTA" | "XCIR" | "XGEN"
            | "DEBUG" => {
                argument(args, "rest", rest);
            }
            "QUIT" => {}
            verb => {
                self.known = false;
                if verb.starts_with("AUTH") {
                    // Not AUTH, but a server may not be so exact: nothing behind these letters is kept.
                    self.said.verb = "AUTH".to_owned();
                    let end = words.rest_range().end;
                    self.hide(verb_at + 4..end);
                } else {
                    argument(args, "rest", rest);
                }
            }
        }
        if matches!(self.kind, Kind::Data | Kind::StartTls | Kind::Other) && self.said.args.is_empty() && self.known {
            argument(&mut self.said.args, "rest", rest);
        }
    }

    /// RFC 3030 §2: a size in decimal digits, and LAST. Without a size that can be read, no octets are waited for.
    fn chunk(&mut self, mut words: Words<'_>) {
        let rest = words.rest();
        let size = words.next().and_then(|(_, word)| digits(word));
        let last = words.next().is_some_and(|(_, word)| word.eq_ignore_ascii_case(b"LAST"));
        let args = &mut self.said.args;
        match size {
            Some(size) => {
                self.octets = size;
                self.kind = if last { Kind::End } else { Kind::Chunk };
                args.number("bytes", size).flag("last", last);
            }
            None => argument(args, "rest", rest),
        }
    }

    fn auth(&mut self, mut words: Words<'_>) {
        let whole = words.rest_range();
        let Some((_, mechanism)) = words.next() else { return };
        self.kind = Kind::Auth;
        let Some(mechanism) = sasl::mechanism(mechanism) else {
            self.mechanism = Some(String::new());
            self.secret = Some(whole);
            return;
        };
        self.said.args.text("mechanism", &mechanism);
        self.mechanism = Some(mechanism);
        let initial = words.rest();
        let range = words.rest_range();
        if !initial.is_empty() {
            self.said.args.flag("initial", true);
            self.initial = Some(initial.to_vec());
        }
        self.secret = Some(range);
    }

    fn hide(&mut self, range: Range<usize>) {
        self.said.args = Object::new();
        self.secret = Some(range);
    }
}

/// How many words belong to a command that has not any number of them (RFC 5321 §4.1.1 and the extensions).
fn own_words(verb: &str) -> Option<usize> {
    match verb {
        "DATA" | "RSET" | "QUIT" | "STARTTLS" | "TURN" | "X-ANONYMOUSTLS" => Some(0),
        "VERB" | "ONEX" | "XSHADOW" | "XQDISCARD" | "XADR" | "XSTA" | "XCIR" | "XGEN" | "DEBUG" => Some(1),
        "EHLO" | "HELO" | "LHLO" | "HELP" | "NOOP" | "ETRN" | "ATRN" => Some(1),
        "BDAT" | "BURL" | "XEXCH50" => Some(2),
        _ => None,
    }
}

fn argument(args: &mut Object, name: &str, text: &[u8]) {
    if !text.is_empty() {
        args.bytes(name, text);
    }
}

fn words_from(line: &[u8], at: usize) -> &[u8] {
    line.get(at..).unwrap_or_default().trim_ascii_end()
}

/// The attributes of XCLIENT and XFORWARD: names and xtext values.
fn attributes(text: &[u8]) -> Object {
    let mut found = Object::new();
    let mut words = Words::of(text);
    while let Some((_, word)) = words.next() {
        let equals = memchr::memchr(b'=', word).unwrap_or(word.len());
        let name = String::from_utf8_lossy(word.get(..equals).unwrap_or_default()).to_ascii_uppercase();
        found.bytes(&name, &path::xtext(word.get(equals + 1..).unwrap_or_default()));
    }
    found
}

/// Decimal digits only: no sign, and nothing beyond 64 bits.
fn digits(word: &[u8]) -> Option<u64> {
    if !word.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(word).ok()?.parse().ok()
}
