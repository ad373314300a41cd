//! The client's half: commands, SASL responses and messages.
//! Takes the client's bytes, gives pieces, and puts down what is to be answered.
//! Does not read answers; see `server`.

use super::super::frame::{Cut, Part};
use super::super::sasl::{self, Exchange};
use super::super::say;
use super::super::{Flow, Piece, Sink, Stop, lost_sync};
use super::command::{Command, Kind};
use super::content::Message;
use super::{Auth, Expected, Mode, Smtp, Variant};
use crate::event::{Body, Side};

impl Smtp {
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
                Some(Cut::Data { bytes, end }) => self.take_content(&bytes, end, out),
                Some(Cut::Raw(bytes)) => self.raw(Side::Client, bytes, out),
            }
        }
        Flow::All
    }

    /// Whether the client's next bytes cannot be read before the server has answered.
    fn client_must_wait(&self) -> bool {
        if self.upgrade {
            return true;
        }
        if self.message.is_some() || self.client.within_line() {
            return false;
        }
        let waits = self.auth.as_ref().is_some_and(|auth| !auth.asked)
            || matches!(self.newest(), Some(Kind::Data | Kind::Turn | Kind::OpaqueTls | Kind::Blob(_)));
        self.newest() == Some(Kind::StartTls) || (waits && !self.released)
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
            self.expected.push(Expected::new(of, Kind::Stray));
            return;
        }
        self.take_command(line, part, command, out);
    }

    fn take_command(&mut self, line: &[u8], part: Part, command: Command, out: &mut dyn Sink) {
        let mut said = command.said.clone();
        let mut exchange = command.mechanism.as_ref().map(|mechanism| Exchange::new(mechanism, 0));
        if let (Some(exchange), Some(initial)) = (&mut exchange, &command.initial)
            && let Some(user) = exchange.initial(initial, &mut said.args)
        {
            out.user(&user);
        }
        self.stands(&command);
        let body = if said.verb.is_empty() { Body::Raw } else { Body::Command(said) };
        let lost = body == Body::Raw;
        let sensitive = command.secret.is_some() || !self.standing.is_settled();
        let of = say::client(line, command.secret, body, out);
        if lost && !line.trim_ascii().is_empty() {
            lost_sync(&mut self.lost, Side::Client, "a command begins with a word of letters", out);
        }
        self.client_line = (Some(of).filter(|_| !lost), sensitive);
        if let Some(exchange) = exchange.map(|exchange| exchange.belongs_to(of)) {
            sasl::note_channel_binding(&exchange, out);
            self.auth = Some(Auth { exchange, asked: false });
        }
        // What is so long is no command of these; its end could not be told from what follows it.
        let long = part == Part::Head;
        let kind = match command.kind {
            Kind::Data | Kind::StartTls | Kind::Turn | Kind::Chunk | Kind::End | Kind::OpaqueTls | Kind::Blob(_)
                if long =>
            {
                Kind::Other
            }
            Kind::Other if line.trim_ascii().is_empty() => Kind::Nothing,
            kind => kind,
        };
        self.expected.push(Expected::new(of, kind));
        self.begin_unasked();
        if command.octets > 0 && !long {
            self.client.expect(Mode::Counted(command.octets));
            self.message = Some(Message::chunk(of));
        }
    }

    /// What a command says about whoever is to be logged in.
    fn stands(&mut self, command: &Command) {
        match command.said.verb.as_str() {
            "AUTH" | "X-EXPS" => self.standing.tries(),
            "MAIL" => {
                self.standing.goes_on();
                self.standing.gives_up();
            }
            _ if command.known => self.standing.goes_on(),
            _ => self.standing.slips(),
        }
    }

    fn take_content(&mut self, bytes: &[u8], end: Option<usize>, out: &mut dyn Sink) {
        let Some(message) = &mut self.message else {
            self.raw(Side::Client, bytes, out);
            return;
        };
        let data = bytes.get(..bytes.len() - end.unwrap_or(0)).unwrap_or(bytes);
        let body = message.take(data, end.is_some());
        out.piece(Piece::new(Side::Client, bytes, body));
        if end.is_none() {
            return;
        }
        let Some(message) = self.message.take() else { return };
        if message.dotted {
            // An answer that came before the end was the answer.
            let left = message.asked.then(|| self.recipients().saturating_sub(message.answered));
            if left != Some(0) {
                self.expected.push(Expected { left, ..Expected::new(message.of, Kind::End) });
            }
        }
    }

    /// How many answers the end of a message gets (RFC 2033 §4.2).
    pub(super) fn recipients(&self) -> u64 {
        if self.variant == Variant::Lmtp { self.accepted.max(1) } else { 1 }
    }
}
