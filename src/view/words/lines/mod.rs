//! Lines of a session without a recording around them, as `mailtap explain` reads them from standard input.
//! Takes lines in order, marked or not by the program that printed them; tells the protocol by itself and gives a sentence
//! for each line, and the line without its secrets. Does not know bytes that are no lines, and remembers a few commands.

mod content;
mod form;
mod guess;
mod imap;
mod mask;
mod pasted;
mod pop3;
mod python;
mod sieve;
mod smtp;

use std::collections::VecDeque;

use self::content::{Content, Until};
use self::form::{is_ending, is_sieve_status, is_status, is_surely_command, smtp_reply};
use self::mask::{Is, Mask, Masked};
use self::pasted::{Marks, Pasted};
use super::auth::{self, Login, Refusal};
use super::near::nearest;
use super::say::{Asked, Waiting, clip, imap as said, mechanism_sentence};
use super::{Category, Explained, Protocol, entries, find};
use crate::event::Side;

/// Commands whose answer is still to come, at most; more in flight only means that an answer is told less exactly.
const OUTSTANDING_MAX: usize = 64;

/// A line and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub protocol: Option<Protocol>,
    pub from: Option<Side>,
    pub explained: Option<Explained>,
    /// The line as it may be shown again, where it holds a secret.
    pub shown: Option<String>,
}

/// Reads the lines of one session.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    protocol: Option<Protocol>,
    marks: Marks,
    mask: Mask,
    /// The tag (empty where the protocol has none) of commands under way, and these.
    outstanding: VecDeque<(String, Waiting)>,
    /// Whether a command or an answer was read: the first answer greets.
    begun: bool,
    content: Option<Content>,
    /// Whether the last line began an SMTP reply of several lines, and whether that is one to EHLO, told by its parts.
    more: bool,
    ehlo: bool,
    /// Whether the connection is encrypted, where the lines tell.
    encrypted: Option<bool>,
}

/// A line without marks and secrets.
struct Line<'l> {
    from: Option<Side>,
    text: &'l str,
    masked: &'l Masked,
}

impl Reader {
    /// Where the protocol is known beforehand.
    #[must_use]
    pub fn new(protocol: Protocol) -> Reader {
        Reader { protocol: Some(protocol), ..Reader::default() }
    }

    pub fn line(&mut self, line: &str) -> Told {
        let pasted = self.marks.read(line.trim_end_matches(['\r', '\n']), self.content.is_some());
        if self.content.as_ref().is_some_and(|content| self.is_over(content, &pasted)) {
            self.content = None;
        }
        let masked = self.mask.line(&pasted, self.content.is_some(), self.marks.both());
        let (before, after) = (self.mask.again(pasted.before), self.mask.again(pasted.after));
        let hidden = masked.text != pasted.text || before != pasted.before || after != pasted.after;
        let shown = hidden.then(|| format!("{before}{}{after}", masked.text));
        let (from, explained) = self.tell(&pasted, &masked);
        Told { protocol: self.protocol, from, explained, shown }
    }

    fn tell(&mut self, pasted: &Pasted<'_>, masked: &Masked) -> (Option<Side>, Option<Explained>) {
        let line = Line { from: pasted.side, text: &masked.text, masked };
        if pasted.chatter {
            return (None, None);
        }
        let goes_on = pasted.side != Some(Side::Client) && (line.text == "+" || line.text.starts_with("+ "));
        match self.content.take() {
            Some(content) if content.waits() && goes_on => {
                // A literal may be sent: the line is an answer, and what comes then is content.
                let completes = self.outstanding.back().map(|(_, waiting)| waiting.asked());
                let told = said::answer(said::Answer { word: "+", completes, ..said::Answer::default() });
                self.content = Some(content.awaited());
                return (Some(Side::Server), Some(told));
            }
            Some(content) => {
                let from = content.from;
                let (rest, told) = content.line(&pasted.text, line.text, self.protocol);
                self.content = rest;
                return (Some(from), told);
            }
            None => {}
        }
        if line.text.trim().is_empty() && masked.is == Is::Nothing {
            return (line.from, None);
        }
        match &masked.is {
            Is::Response(told) => return (Some(Side::Client), Some(told.clone())),
            Is::Argument => {
                let told = Explained::new("gives the user name or the password, not shown here", "RFC 9051 §6.2.3");
                return (Some(Side::Client), Some(told));
            }
            Is::Challenge(_) | Is::Nothing => {}
        }
        // Of several lines that were sent or came together, some programs mark the first.
        let goes_on = is_surely_command(line.text)
            || (self.more && smtp_reply(line.text.trim_start()).is_some())
            || line.text.strip_prefix("* ").is_some_and(guess::names_data);
        if line.from.is_none() && self.marks.both() && !goes_on {
            return (None, None);
        }
        self.tell_protocol(&line);
        match self.protocol {
            Some(Protocol::Imap) => self.imap(&line),
            Some(Protocol::Smtp) => self.smtp(&line),
            Some(Protocol::Pop3) => self.pop3(&line),
            Some(Protocol::Sieve) => self.sieve(&line),
            Some(Protocol::Sasl) | None => (line.from, line.login_of_some_protocol()),
        }
    }

    /// Tells the protocol by the first line that only one has; a greeting of another begins a new session.
    fn tell_protocol(&mut self, line: &Line<'_>) {
        let Some(protocol) = self.protocol else {
            self.protocol = guess::guess(line.from, line.text);
            return;
        };
        let answers =
            self.outstanding.iter().any(|(tag, _)| !tag.is_empty() && line.text.split(' ').next() == Some(tag));
        if let Some(other) = guess::greeting(line.from, line.text).filter(|other| *other != protocol && !answers) {
            *self = Reader {
                protocol: Some(other),
                marks: std::mem::take(&mut self.marks),
                mask: std::mem::take(&mut self.mask),
                ..Reader::default()
            };
        }
    }

    /// Whether a line is no content any more: the other side speaks, or the server ends the command, as where a
    /// program leaves contents out of its log.
    fn is_over(&self, content: &Content, pasted: &Pasted<'_>) -> bool {
        if pasted.chatter {
            return false;
        }
        let text = pasted.text.as_ref();
        let goes_on = content.waits() && (text == "+" || text.starts_with("+ "));
        if pasted.side.is_some_and(|side| side != content.from) {
            return !goes_on;
        }
        let (tag, rest) = text.split_once(' ').unwrap_or((text, ""));
        let ends_command = is_status(rest.split(' ').next().unwrap_or_default())
            && self.outstanding.iter().any(|(known, _)| known == tag && !known.is_empty());
        let not_client = pasted.side != Some(Side::Client);
        not_client
            && (ends_command
                || (content.waits() && is_ending(text))
                || (content.until == Until::LineEnd && tag == "*" && !rest.is_empty())
                || (self.protocol == Some(Protocol::Sieve)
                    && content.until != Until::LineEnd
                    && is_sieve_status(text)
                    && text.contains('"')))
    }

    fn remember(&mut self, tag: &str, verb: &str, rest: &str) {
        if self.outstanding.len() == OUTSTANDING_MAX {
            self.outstanding.pop_front();
        }
        self.outstanding.push_back((tag.to_owned(), Waiting::new(verb, rest)));
    }

    /// Whether a line that nobody marked is a command, rather than what a person wrote between the lines.
    fn is_likely(&self, protocol: Protocol, verb: &str, word: &str) -> bool {
        if find(protocol, Category::Command, verb).is_some() {
            return true;
        }
        let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let known = entries(protocol).filter(|entry| entry.category == Category::Command).map(|entry| entry.word);
        is_word && (word.bytes().all(|byte| !byte.is_ascii_lowercase()) || nearest(verb, known).is_some())
    }

    /// Where a server's answer ends a login in vain: why, and what to try.
    fn with_advice(
        &self,
        line: &Line<'_>,
        asked: Option<Asked<'_>>,
        (status, code, text): (&str, Option<&str>, &str),
        told: Explained,
    ) -> Explained {
        let by_password = asked.is_some_and(|asked| matches!(asked.verb, "LOGIN" | "PASS" | "APOP"));
        let without_mechanism = Login::default();
        let Some(login) = line.masked.ended.as_ref().or(by_password.then_some(&without_mechanism)) else { return told };
        let refusal = Refusal { protocol: self.protocol, encrypted: self.encrypted, status, code, text };
        auth::why(&login.failure(&refusal)).explained()
    }
}

impl Line<'_> {
    /// What a server's challenge means, if the line is one.
    fn challenge(&self) -> Option<Explained> {
        match &self.masked.is {
            Is::Challenge(told) => Some(told.clone()),
            _ => None,
        }
    }

    /// What a command says, and the login's first message in it.
    fn with_first_response(&self, told: Explained) -> Explained {
        match &self.masked.begun {
            Some(first) => Explained::new(format!("{}; in it the client {}", told.text, first.text), told.source),
            None => told,
        }
    }

    /// AUTH is known in SMTP and in POP3; its mechanism is the same in both.
    fn login_of_some_protocol(&self) -> Option<Explained> {
        let mut words = self.text.split(' ');
        let mechanism = words.next().filter(|verb| verb.eq_ignore_ascii_case("AUTH")).and(words.next())?;
        let told = mechanism_sentence(mechanism);
        Some(
            self.with_first_response(Explained::new(
                format!("logs in by {}: {}", clip(mechanism), told.text),
                told.source,
            )),
        )
    }
}

/// A line by itself, without what is secret in it.
pub(super) fn without_secrets(text: &str) -> String {
    let (pasted, mut mask) = (pasted::read(text), Mask::default());
    let masked = mask.line(&pasted, false, false);
    format!("{}{}{}", mask.again(pasted.before), masked.text, mask.again(pasted.after))
}

/// The verb of a command, with its UID, in upper case, and what stands behind it.
pub(super) fn imap_verb(text: &str) -> (String, &str) {
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    let verb = verb.to_ascii_uppercase();
    if verb != "UID" {
        return (verb, rest);
    }
    let (second, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    (format!("UID {}", second.to_ascii_uppercase()), rest)
}

/// A server's line behind its star or tag.
pub(super) fn imap_answer(text: &str) -> said::Answer<'_> {
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    match first.parse::<u64>() {
        Ok(number) => {
            let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            said::Answer { word, rest, number: Some(number), ..said::Answer::default() }
        }
        Err(_) => said::Answer { word: first, rest, ..said::Answer::default() },
    }
}

#[cfg(test)]
mod tests;
