//! The client's half: commands, scripts and SASL responses.
//! Takes the client's bytes, gives pieces, and puts down what is to be answered.
//! Does not read answers; see `server`.

use super::super::frame::{Cut, Mode, Part};
use super::super::sasl::{self, Exchange};
use super::super::say;
use super::super::standing::Standing;
use super::super::{Dialog, Flow, Piece, Sink, Stop, lost_sync};
use super::command::{Command, Kind};
use super::text::{Is, Words};
use super::{Auth, Expected, RESPONSE_MAX, Sieve};
use crate::event;
use crate::event::{Body, Content, Seq, Side};

/// A line that goes on behind a literal or a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unfinished {
    of: Seq,
    /// Whatever follows of it is secret.
    pub secret: bool,
    /// A SASL response is in it: to be read at its end.
    response: Option<Response>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Response {
    /// Of AUTHENTICATE itself.
    Initial,
    Later,
}

impl Sieve {
    pub(super) fn feed_client(&mut self, bytes: &[u8], out: &mut dyn Sink) -> Flow {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if self.client_must_wait() {
                return Flow::Stop { at, why: Stop::Hold };
            }
            self.layer_begins(rest, out);
            let (cut, used) = self.client.cut(rest);
            at += used;
            match cut {
                None => {}
                Some(Cut::Line { bytes, part }) => self.take_client_line(&bytes, part, out),
                Some(Cut::Data { bytes, end }) => self.take_client_literal(&bytes, end.is_some(), out),
                Some(Cut::Raw(bytes)) => {
                    out.piece(Piece::new(Side::Client, bytes, Body::Raw));
                }
            }
        }
        Flow::All
    }

    /// Whether the client's next bytes cannot be read before the server has answered.
    fn client_must_wait(&self) -> bool {
        if self.upgrade {
            return true;
        }
        if self.unfinished.is_some() || self.client.within_line() {
            return false;
        }
        self.upgrading() || (!self.released && self.auth.as_ref().is_some_and(|auth| !auth.asked))
    }

    fn take_client_line(&mut self, line: &[u8], part: Part, out: &mut dyn Sink) {
        // RFC 5804 §1.2: a client's literal does not wait for the server, and says so by its plus sign.
        let literal = self.client_scan.literal(line).filter(|literal| literal.plus).map(|literal| literal.bytes);
        let ends = literal.is_none() && matches!(part, Part::Whole | Part::Tail);
        let of = match self.unfinished {
            Some(unfinished) => self.line_goes_on(line, unfinished, ends, out),
            None => self.line_begins(line, ends, out),
        };
        if ends {
            self.unfinished = None;
        } else if let Some(bytes) = literal.filter(|&bytes| bytes > 0) {
            self.client.expect(Mode::Counted(bytes));
            self.client_literal = Some(Content { of, ..Content::default() });
        }
    }

    fn line_goes_on(&mut self, line: &[u8], unfinished: Unfinished, ends: bool, out: &mut dyn Sink) -> Seq {
        let text = line.trim_ascii_end();
        let secret = unfinished.secret.then_some(0..text.len());
        let response = unfinished.response.filter(|_| ends);
        if let (Some(response), Some(auth)) = (response, &mut self.auth) {
            let literal = std::mem::take(&mut auth.literal);
            // Without a literal, AUTHENTICATE had no initial response, or one in a string that was read already.
            let none = response == Response::Initial && literal.is_empty();
            let said = if none { None } else { Some(auth.exchange.response(&literal)) };
            if let Some(said) = said {
                if response == Response::Later {
                    return say::response(line, secret, said, out);
                }
                let mut command = event::Command { continues: Some(unfinished.of), ..event::Command::default() };
                if let Some(user) = &said.user {
                    out.user(user);
                    command.args.text("user", user);
                }
                if !said.args.is_empty() {
                    command.args.object("response", &said.args);
                }
                return say::client(line, secret, Body::Command(command), out);
            }
        }
        let command = event::Command { continues: Some(unfinished.of), ..event::Command::default() };
        say::client(line, secret, Body::Command(command), out);
        unfinished.of
    }

    fn line_begins(&mut self, line: &[u8], ends: bool, out: &mut dyn Sink) -> Seq {
        if self.auth.as_ref().is_some_and(|auth| auth.asked || self.released) {
            return self.response_begins(line, ends, out);
        }
        self.standing.hears(line);
        let command = Command::parse(line, self.standing);
        if self.standing.is_within_login() && !command.known && !line.trim_ascii().is_empty() {
            let first = Words::of(line).next().map(|word| word.text).unwrap_or_default();
            let of = say::stray(line, &first, self.stray.as_mut(), out);
            self.expected.push(Expected { of, kind: Some(Kind::Stray) });
            self.unfinished = Some(Unfinished { of, secret: true, response: None });
            return of;
        }
        self.take_command(line, ends, command, out)
    }

    fn response_begins(&mut self, line: &[u8], ends: bool, out: &mut dyn Sink) -> Seq {
        let Some(auth) = &mut self.auth else { return 0 };
        auth.asked = false;
        auth.literal.clear();
        let text = line.trim_ascii_end();
        let word = Words::of(line).next();
        let literal = word.as_ref().is_some_and(|word| word.is == Is::Literal);
        let of = auth.exchange.of();
        if literal && !ends {
            let said = event::Command { continues: Some(of), ..event::Command::default() };
            say::client(line, None, Body::Command(said), out);
            self.unfinished = Some(Unfinished { of, secret: true, response: Some(Response::Later) });
            return of;
        }
        let response = word.map(|word| word.text.into_owned()).unwrap_or_default();
        let said = auth.exchange.response(&response);
        let secret = (response != b"*").then_some(0..text.len());
        let of = say::response(line, secret, said, out);
        self.unfinished = Some(Unfinished { of, secret: true, response: None });
        of
    }

    fn take_command(&mut self, line: &[u8], ends: bool, command: Command, out: &mut dyn Sink) -> Seq {
        match command.said.verb.as_str() {
            "AUTHENTICATE" => self.standing.tries(),
            "UNAUTHENTICATE" => self.standing = Standing::default(),
            _ if command.known => self.standing.goes_on(),
            _ => self.standing.slips(),
        }
        let mut said = command.said;
        let mut exchange = command.mechanism.as_ref().map(|mechanism| Exchange::new(mechanism, 0));
        if let (Some(exchange), Some(initial)) = (&mut exchange, &command.initial)
            && let Some(user) = exchange.initial(initial, &mut said.args)
        {
            out.user(&user);
        }
        let lost = said.verb.is_empty();
        let secret = command.secret.is_some() || exchange.is_some() || !(command.known || self.standing.is_settled());
        let of = say::client(line, command.secret, if lost { Body::Raw } else { Body::Command(said) }, out);
        if lost && !line.trim_ascii().is_empty() {
            lost_sync(&mut self.lost, Side::Client, "a command begins with a word of letters", out);
        }
        let response = exchange.is_some().then_some(Response::Initial).filter(|_| command.initial.is_none());
        self.unfinished = Some(Unfinished { of, secret, response });
        if let Some(exchange) = exchange.map(|exchange| exchange.belongs_to(of)) {
            sasl::note_channel_binding(&exchange, out);
            self.auth = Some(Auth { exchange, asked: false, literal: Vec::new() });
        }
        // What goes on is no STARTTLS; its end could not be told from what follows it.
        let kind = if command.kind == Kind::StartTls && !ends { Kind::Other } else { command.kind };
        self.expected.push(Expected { of, kind: Some(kind) });
        of
    }

    fn take_client_literal(&mut self, bytes: &[u8], last: bool, out: &mut dyn Sink) {
        let Some(content) = &mut self.client_literal else { return };
        content.bytes += bytes.len() as u64;
        content.last = last;
        let secret = self.unfinished.is_some_and(|unfinished| unfinished.secret);
        let response = self.unfinished.is_some_and(|unfinished| unfinished.response.is_some());
        if let Some(auth) = self.auth.as_mut().filter(|_| response) {
            let room = RESPONSE_MAX.saturating_sub(auth.literal.len());
            auth.literal.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
        say::client(bytes, secret.then_some(0..bytes.len()), Body::Content(content.clone()), out);
        if last {
            self.client_literal = None;
        }
    }
}
