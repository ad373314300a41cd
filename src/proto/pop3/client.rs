//! The client's half: commands and SASL responses.
//! Takes the client's bytes, gives pieces, and puts down what is to be answered.
//! Does not read answers; see `server`.

use super::super::frame::{Cut, Part};
use super::super::sasl::{self, Exchange};
use super::super::say;
use super::super::{Dialog, Flow, Piece, Sink, Stop, lost_sync};
use super::command::{Command, Lines};
use super::reply::Answered;
use super::{Auth, Expected, Pop3};
use crate::event::{Body, Side};

impl Pop3 {
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
                Some(Cut::Line { bytes, part }) => self.take_client_line(&bytes, part, out),
                Some(Cut::Raw(bytes)) => {
                    out.piece(Piece::new(Side::Client, bytes, Body::Raw));
                }
                Some(Cut::Data { .. }) | None => {}
            }
        }
        Flow::All
    }

    /// Whether the client's next bytes cannot be read before the server has answered.
    fn client_must_wait(&self) -> bool {
        if self.client.within_line() && !self.upgrade {
            return false;
        }
        self.upgrading() || (!self.released && self.auth.as_ref().is_some_and(|auth| !auth.asked))
    }

    fn take_client_line(&mut self, line: &[u8], part: Part, out: &mut dyn Sink) {
        let text = line.trim_ascii_end();
        if matches!(part, Part::Middle | Part::Tail) {
            say::block(line, self.client_line, out);
            return;
        }
        if let Some(auth) = self.auth.as_mut().filter(|auth| auth.asked || self.released) {
            auth.asked = false;
            let said = auth.exchange.response(text);
            let secret = (text != b"*").then_some(0..text.len());
            self.client_line = (Some(say::response(line, secret, said, out)), true);
            return;
        }
        self.standing.hears(line);
        let command = Command::parse(line, self.standing);
        if self.standing.is_within_login() && !command.known && !text.is_empty() {
            let of = say::stray(line, text, self.stray.as_mut(), out);
            self.client_line = (Some(of), true);
            self.expected.push(Expected { of, lines: Lines::One, answered: Answered::Stray, starttls: false });
            return;
        }
        self.take_command(line, part, command, out);
    }

    fn take_command(&mut self, line: &[u8], part: Part, command: Command, out: &mut dyn Sink) {
        match command.said.verb.as_str() {
            "USER" | "PASS" | "APOP" => self.standing.tries(),
            "AUTH" if command.mechanism.is_some() => self.standing.tries(),
            _ if command.known => self.standing.goes_on(),
            _ => self.standing.slips(),
        }
        let answered = match command.lines {
            _ if line.trim_ascii().is_empty() => Answered::Nothing,
            _ if !command.known => Answered::Unknown,
            Lines::One => Answered::of(&command.said.verb),
            _ => Answered::Other,
        };
        let mut said = command.said;
        let mut exchange = command.mechanism.as_ref().map(|mechanism| Exchange::new(mechanism, 0));
        if let (Some(exchange), Some(initial)) = (&mut exchange, &command.initial)
            && let Some(user) = exchange.initial(initial, &mut said.args)
        {
            out.user(&user);
        }
        if let Some(user) = &command.user {
            out.user(user);
        }
        let lost = said.verb.is_empty();
        let sensitive = command.secret.is_some() || command.sensitive || !self.standing.is_settled();
        let of = say::client(line, command.secret, if lost { Body::Raw } else { Body::Command(said) }, out);
        if lost && !line.trim_ascii().is_empty() {
            lost_sync(&mut self.lost, Side::Client, "a command begins with a word of letters", out);
        }
        self.client_line = (Some(of).filter(|_| !lost), sensitive);
        if let Some(exchange) = exchange.map(|exchange| exchange.belongs_to(of)) {
            sasl::note_channel_binding(&exchange, out);
            self.auth = Some(Auth { exchange, asked: false });
        }
        // What is so long is no STLS; its end could not be told from what follows it. Nor can its answer be, where not all
        // of those before it are known: some of them have many lines.
        let starttls = command.starttls && part == Part::Whole && self.expected.is_exact();
        self.expected.push(Expected { of, lines: command.lines, answered, starttls });
        if starttls {
            self.server.set_whole_lines(true);
        }
    }
}
