//! POP3 (RFC 1939, with RFC 2449, 2595, 5034): the dialog of a client and its maildrop.
//! Takes both sides' bytes, gives their commands, replies and listings.
//! Knows nothing of sockets and logs, nor of what is done about the secrets that it marks.

mod command;
mod reply;

use std::collections::VecDeque;

use self::command::{Command, Lines};
use super::frame::{Cut, Framer, Mode, Part};
use super::sasl::Exchange;
use super::{Dialog, Flow, OUTSTANDING_MAX, Piece, Scheme, SchemeTls, Setup, Sink, Spec, Stop, Trouble, lost_sync};
use crate::event::{Body, Content, Continue, Greeting, Reply, Seq, Side};

pub const SPEC: Spec = Spec {
    name: "pop3",
    schemes: &[
        Scheme { name: "pop3", tls: SchemeTls::Asked, port: 110 },
        Scheme { name: "pop3s", tls: SchemeTls::Implicit, port: 995 },
        Scheme { name: "pop3+starttls", tls: SchemeTls::StartTls, port: 110 },
    ],
    dialog: |setup| Box::new(Pop3::new(setup)),
    trouble: |trouble, text| {
        // RFC 3206 §4: SYS/TEMP is a failure that is likely to pass, SYS/PERM one that wants a person.
        let code = if trouble == Trouble::Tls { "SYS/PERM" } else { "SYS/TEMP" };
        format!("-ERR [{code}] {text}\r\n").into_bytes()
    },
    starttls: &[b"STLS\r\n"],
    greets: |status| status == "+OK",
};

/// The state of one conversation.
struct Pop3 {
    setup: Setup,
    client: Framer,
    server: Framer,
    greeted: bool,
    /// Commands whose reply is still to come, oldest first.
    expected: VecDeque<Expected>,
    auth: Option<Auth>,
    /// The listing that the server is sending, and how many bytes of it went by.
    listing: Option<Listing>,
    /// The client's last line, and whether what follows of it is secret: for lines longer than the longest.
    client_line: (Seq, bool),
    server_line: Seq,
    lost: bool,
}

struct Expected {
    of: Seq,
    lines: Lines,
    starttls: bool,
}

struct Auth {
    exchange: Exchange,
    /// The server has sent a challenge: the next client line is the response.
    asked: bool,
}

struct Listing {
    of: Seq,
    bytes: u64,
    /// Capabilities are taken line by line where an offer has to be taken out.
    by_line: bool,
}

impl Pop3 {
    fn new(setup: Setup) -> Pop3 {
        let server = if setup.hide_starttls { Framer::whole_lines() } else { Framer::default() };
        Pop3 {
            setup,
            client: Framer::default(),
            server,
            greeted: false,
            expected: VecDeque::new(),
            auth: None,
            listing: None,
            client_line: (0, false),
            server_line: 0,
            lost: false,
        }
    }

    /// Whether the client's next bytes cannot be read before the server has answered.
    fn client_must_wait(&self) -> bool {
        let within = self.client.within_line();
        self.upgrading()
            || self.expected.len() >= OUTSTANDING_MAX
            || (self.auth.as_ref().is_some_and(|auth| !auth.asked) && !within)
    }

    fn take_client_line(&mut self, line: &[u8], part: Part, out: &mut dyn Sink) {
        if matches!(part, Part::Middle | Part::Tail) {
            let (of, secret) = self.client_line;
            let continued = crate::event::Command { continues: Some(of), ..crate::event::Command::default() };
            let secret = secret.then_some(0..line.len());
            let secrets = secret.as_slice();
            out.piece(Piece { from: Side::Client, wire: line, secrets, body: Body::Command(continued) });
            return;
        }
        if let Some(auth) = self.auth.as_mut().filter(|auth| auth.asked) {
            auth.asked = false;
            let text = line.trim_ascii_end();
            let said = auth.exchange.response(text);
            if let Some(user) = &said.user {
                out.user(user);
            }
            let secret = (text != b"*").then_some(0..text.len());
            let secrets = secret.as_slice();
            let of = out.piece(Piece { from: Side::Client, wire: line, secrets, body: Body::Auth(said) });
            self.client_line = (of, true);
            return;
        }
        let command = Command::parse(line);
        let mut said = command.said;
        let mut exchange = command.mechanism.as_ref().map(|mechanism| Exchange::new(mechanism, 0));
        if let (Some(exchange), Some(initial)) = (&mut exchange, &command.initial) {
            let response = exchange.response(initial);
            if let Some(user) = &response.user {
                said.args.text("user", user);
                out.user(user);
            }
        }
        if let Some(user) = &command.user {
            out.user(user);
        }
        let of =
            out.piece(Piece { from: Side::Client, wire: line, secrets: &command.secrets, body: Body::Command(said) });
        self.client_line = (of, command.sensitive);
        self.auth = exchange.map(|exchange| Auth { exchange: exchange.belongs_to(of), asked: false });
        self.expected.push_back(Expected { of, lines: command.lines, starttls: command.starttls });
        if command.starttls {
            self.server.set_whole_lines(true);
        }
    }

    /// Gives true if the line accepts an upgrade to TLS.
    fn take_server_line(&mut self, line: &[u8], part: Part, at: usize, out: &mut dyn Sink) -> bool {
        if matches!(part, Part::Middle | Part::Tail) {
            let body = Body::Reply(Reply { continues: Some(self.server_line), ..Reply::default() });
            out.piece(Piece::new(Side::Server, line, body));
            return false;
        }
        if let Some(listing) = &mut self.listing {
            // Capabilities, line by line: an offer that leads nowhere is not passed on.
            let last = line == b".\r\n";
            listing.bytes += if last { 0 } else { line.len() as u64 };
            let body = Body::Content(Content { of: listing.of, bytes: listing.bytes, last, ..Content::default() });
            let seq = out.piece(Piece::new(Side::Server, line, body));
            if line.trim_ascii().eq_ignore_ascii_case(b"STLS") {
                out.edit(at..at + line.len(), b"", seq);
            }
            if last {
                self.listing = None;
            }
            return false;
        }
        let Some(parsed) = reply::parse(line) else {
            let body = Body::Raw;
            out.piece(Piece::new(Side::Server, line, body));
            lost_sync(&mut self.lost, Side::Server, "a POP3 reply begins with +OK, -ERR or +", out);
            return false;
        };
        if !self.greeted {
            self.greeted = true;
            let reply::Line { status, code, text } = parsed;
            let body = Body::Greeting(Greeting { status: status.to_owned(), code, text, ..Greeting::default() });
            out.piece(Piece::new(Side::Server, line, body));
            return false;
        }
        if parsed.status == "+" {
            self.challenge(line, &parsed, out);
            return false;
        }
        self.reply(line, parsed, out)
    }

    fn challenge(&mut self, line: &[u8], parsed: &reply::Line, out: &mut dyn Sink) {
        let answers = self.expected.front().map(|expected| expected.of);
        let mut decoded = None;
        if let Some(auth) = &mut self.auth
            && self.expected.len() == 1
        {
            auth.asked = true;
            decoded = auth.exchange.challenge(parsed.text.as_bytes());
        }
        let body = Body::Continue(Continue {
            status: "+".to_owned(),
            text: parsed.text.clone(),
            decoded,
            answers,
            latency_us: None,
        });
        out.piece(Piece::new(Side::Server, line, body));
    }

    fn reply(&mut self, line: &[u8], parsed: reply::Line, out: &mut dyn Sink) -> bool {
        let expected = self.expected.pop_front();
        let ok = parsed.status == "+OK";
        let body = Body::Reply(Reply {
            status: parsed.status.to_owned(),
            code: parsed.code,
            text: parsed.text,
            answers: expected.as_ref().map(|expected| expected.of),
            ..Reply::default()
        });
        let of = out.piece(Piece::new(Side::Server, line, body));
        self.server_line = of;
        let Some(expected) = expected else { return false };
        if self.auth.as_ref().is_some_and(|auth| auth.exchange.of() == expected.of) {
            self.auth = None;
        }
        if expected.starttls {
            self.server.set_whole_lines(self.setup.hide_starttls);
            return ok;
        }
        if ok && expected.lines != Lines::One {
            let by_line = self.setup.hide_starttls && expected.lines == Lines::Capabilities;
            self.listing = Some(Listing { of, bytes: 0, by_line });
            if !by_line {
                self.server.expect(Mode::Dotted);
            }
        }
        false
    }

    fn server_data(&mut self, bytes: &[u8], end: Option<usize>, out: &mut dyn Sink) {
        let Some(listing) = &mut self.listing else { return };
        listing.bytes += (bytes.len() - end.unwrap_or(0)) as u64;
        let body =
            Body::Content(Content { of: listing.of, bytes: listing.bytes, last: end.is_some(), ..Content::default() });
        out.piece(Piece::new(Side::Server, bytes, body));
        if end.is_some() {
            self.listing = None;
        }
    }

    fn feed_client(&mut self, bytes: &[u8], out: &mut dyn Sink) -> Flow {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if self.client_must_wait() {
                return Flow::Stop { at, why: Stop::Hold };
            }
            let (cut, used) = self.client.cut(rest);
            at += used;
            if let Some(Cut::Line { bytes, part }) = cut {
                self.take_client_line(&bytes, part, out);
            }
        }
        Flow::All
    }

    fn feed_server(&mut self, bytes: &[u8], out: &mut dyn Sink) -> Flow {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let (cut, used) = self.server.cut(rest);
            let before = at;
            at += used;
            match cut {
                None if used == 0 => return Flow::Stop { at, why: Stop::Hold },
                None => {}
                Some(Cut::Line { bytes, part }) => {
                    let upgrade = self.take_server_line(&bytes, part, before, out);
                    if upgrade {
                        return Flow::Stop { at, why: Stop::StartTls { reply: before } };
                    }
                }
                Some(Cut::Data { bytes, end }) => self.server_data(&bytes, end, out),
                Some(Cut::Raw(_)) => {}
            }
        }
        Flow::All
    }
}

impl Dialog for Pop3 {
    fn feed(&mut self, from: Side, bytes: &[u8], out: &mut dyn Sink) -> Flow {
        match from {
            Side::Client => self.feed_client(bytes, out),
            Side::Server => self.feed_server(bytes, out),
        }
    }

    fn end(&mut self, from: Side, out: &mut dyn Sink) {
        let framer = if from == Side::Client { &mut self.client } else { &mut self.server };
        let long = framer.within_long_line();
        let rest = framer.finish();
        if rest.is_empty() {
            return;
        }
        if from == Side::Server && self.listing.as_ref().is_some_and(|listing| !listing.by_line) {
            self.server_data(&rest, None, out);
            return;
        }
        let mut secrets = Vec::new();
        if from == Side::Client {
            let secret = self.auth.is_some() || (long && self.client_line.1);
            secrets = if secret { std::iter::once(0..rest.len()).collect() } else { Command::parse(&rest).secrets };
        }
        out.piece(Piece { from, wire: &rest, secrets: &secrets, body: Body::Raw });
    }

    fn upgraded(&mut self, done: bool) {
        self.setup.hide_starttls |= done;
        self.client = Framer::default();
        self.server = if self.setup.hide_starttls && !done { Framer::whole_lines() } else { Framer::default() };
        self.expected.clear();
        self.auth = None;
        self.listing = None;
    }

    fn refusal(&self, reason: &str) -> Vec<u8> {
        format!("-ERR [SYS/TEMP] {reason}\r\n").into_bytes()
    }

    fn release(&mut self) {
        if let Some(auth) = &mut self.auth {
            auth.asked = true;
        }
        self.expected.truncate(OUTSTANDING_MAX / 2);
    }

    fn upgrading(&self) -> bool {
        self.expected.back().is_some_and(|expected| expected.starttls)
    }
}
