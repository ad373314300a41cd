//! The server's half: the greeting, status lines, challenges and listings, and what they change.
//! Takes the server's bytes, gives pieces, each tied to the command that it answers.
//! Does not read commands; see `client`.

use super::super::frame::{Cut, Mode, Part};
use super::super::sasl::{self, Challenge, Exchange, Layer};
use super::super::{Dialog, Flow, Piece, Sink, Stop, hidden_offer, lost_sync};
use super::command::Lines;
use super::reply::{self, Answered};
use super::{Auth, CAPABILITIES_MAX, Listing, Pop3};
use crate::event;
use crate::event::{Body, Content, Continue, Greeting, Reply, Seq, Side};

impl Pop3 {
    pub(super) fn feed_server(&mut self, bytes: &[u8], out: &mut dyn Sink) -> Flow {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            self.layer_begins(rest, out);
            let (cut, used) = self.server.cut(rest);
            let before = at;
            at += used;
            match cut {
                None if used == 0 => return Flow::Stop { at, why: Stop::Hold },
                None => {}
                Some(Cut::Line { bytes, part }) => {
                    let upgrade = self.take_server_line(&bytes, part, (used == bytes.len()).then_some(before), out);
                    if part == Part::Whole {
                        self.server.set_whole_lines(self.wants_whole_lines());
                    }
                    if upgrade {
                        return Flow::Stop { at, why: Stop::StartTls { reply: before } };
                    }
                }
                Some(Cut::Data { bytes, end }) => self.server_data(&bytes, end, out),
                Some(Cut::Raw(bytes)) => {
                    out.piece(Piece::new(Side::Server, bytes, Body::Raw));
                }
            }
        }
        Flow::All
    }

    /// Whether the server's lines are taken whole or not at all: they may have to be changed, or kept back.
    fn wants_whole_lines(&self) -> bool {
        self.setup.hide_starttls || self.upgrading()
    }

    /// Gives true if the line accepts an upgrade to TLS.
    fn take_server_line(&mut self, line: &[u8], part: Part, at: Option<usize>, out: &mut dyn Sink) -> bool {
        if self.listing.as_ref().is_some_and(|listing| listing.by_line) {
            self.take_listed(line, part, at, out);
            return false;
        }
        if matches!(part, Part::Middle | Part::Tail) {
            let body = match self.server_line {
                Some(of) => Body::Reply(Reply { continues: Some(of), ..Reply::default() }),
                None => Body::Raw,
            };
            out.piece(Piece::new(Side::Server, line, body));
            return false;
        }
        self.released = false;
        let Some(parsed) = reply::parse(line) else {
            out.piece(Piece::new(Side::Server, line, Body::Raw));
            self.server_line = None;
            lost_sync(&mut self.lost, Side::Server, "a POP3 reply begins with +OK, -ERR or +", out);
            return false;
        };
        if !self.greeted {
            self.greeted = true;
            let reply::Line { status, code, text } = parsed;
            let values = reply::greeting(&text);
            let body = Body::Greeting(Greeting { status: status.to_owned(), code, text, values });
            self.server_line = Some(out.piece(Piece::new(Side::Server, line, body)));
            return false;
        }
        if parsed.status == "+" {
            self.challenge(line, &parsed, out);
            return false;
        }
        self.reply(line, parsed, out)
    }

    /// One line of a listing: of CAPA, where the offer of STLS leads nowhere and is not passed on, or of a server whose lines
    /// end with LF alone. `at` is where the line stands in the bytes now being fed, if all of it does.
    fn take_listed(&mut self, line: &[u8], part: Part, at: Option<usize>, out: &mut dyn Sink) {
        let Some(listing) = &mut self.listing else { return };
        let last = part == Part::Whole && matches!(line, b".\r\n" | b".\n");
        listing.bytes += if last { 0 } else { line.len() as u64 };
        let body = Body::Content(Content { of: listing.of, bytes: listing.bytes, last, ..Content::default() });
        let seq = out.piece(Piece::new(Side::Server, line, body));
        let offers = line.split(u8::is_ascii_whitespace).next().is_some_and(|word| word.eq_ignore_ascii_case(b"STLS"));
        let hides = offers && listing.hides;
        if let Some(at) = at.filter(|_| hides && part == Part::Whole) {
            out.edit(at..at + line.len(), b"", hidden_offer(seq));
        }
        if last {
            self.listing = None;
        }
    }

    fn challenge(&mut self, line: &[u8], parsed: &reply::Line, out: &mut dyn Sink) {
        let mut said = Challenge::default();
        self.login_begins();
        if let Some(auth) = &mut self.auth {
            // AUTH is the last of what a client sends without waiting, and nothing else is answered so.
            self.expected.only_newest();
            auth.asked = true;
            said = auth.exchange.challenge(parsed.text.trim_ascii().as_bytes());
        }
        let answers = self.expected.front().map(|expected| expected.of);
        let body = Body::Continue(Continue {
            status: "+".to_owned(),
            text: parsed.text.clone(),
            decoded: said.decoded,
            values: said.values,
            answers,
            latency_us: None,
        });
        self.server_line = Some(out.piece(Piece::new(Side::Server, line, body)));
    }

    /// A challenge in answer to a command that is not known: it begins a login all the same.
    fn login_begins(&mut self) {
        let newest = self.expected.newest().filter(|_| self.auth.is_none() && !self.client.within_line());
        if let Some(newest) = newest.filter(|newest| matches!(newest.answered, Answered::Unknown | Answered::Stray)) {
            self.auth = Some(Auth { exchange: Exchange::new("", newest.of), asked: true });
            self.standing.tries();
        }
    }

    fn reply(&mut self, line: &[u8], parsed: reply::Line, out: &mut dyn Sink) -> bool {
        let ok = parsed.status == "+OK";
        if ok {
            self.expected.skip(|expected| expected.answered == Answered::Nothing);
        }
        let expected = self.expected.pop();
        let answered = expected.as_ref().map_or(Answered::Other, |expected| expected.answered);
        // Some servers repeat the line that they did not understand.
        let stray = answered == Answered::Stray;
        let secret = Some(parsed.status.len()..line.trim_ascii_end().len()).filter(|range| stray && !range.is_empty());
        let body = Body::Reply(Reply {
            status: parsed.status.to_owned(),
            values: if ok { reply::values(answered, &parsed.text) } else { event::Object::new() },
            code: parsed.code,
            text: parsed.text,
            answers: expected.as_ref().map(|expected| expected.of),
            ..Reply::default()
        });
        let of = out.piece(Piece { from: Side::Server, wire: line, secrets: secret.as_slice(), body });
        self.server_line = Some(of);
        let Some(expected) = expected else { return false };
        if ok && answered == Answered::Login {
            self.standing.succeeds();
        }
        if self.auth.as_ref().is_some_and(|auth| auth.exchange.of() == expected.of) {
            self.auth_ends(ok, of, out);
        }
        if expected.starttls {
            self.upgrade = ok;
            return ok;
        }
        if ok && expected.lines != Lines::One {
            let hides = self.setup.hide_starttls && expected.lines == Lines::Capabilities;
            // A server that ends its lines with LF alone ends its listings so.
            let by_line = hides || !line.ends_with(b"\r\n");
            let capabilities = (expected.lines == Lines::Capabilities).then(Vec::new);
            self.listing = Some(Listing { of, bytes: 0, by_line, hides, capabilities });
            if !by_line {
                self.server.expect(Mode::Dotted);
            }
        }
        false
    }

    fn auth_ends(&mut self, ok: bool, of: Seq, out: &mut dyn Sink) {
        let Some(auth) = self.auth.take() else { return };
        if ok {
            self.standing.succeeds();
        }
        if ok && !self.client.within_line() {
            match auth.exchange.layer() {
                Layer::None => {}
                Layer::Possible => self.layer = Some(of),
                Layer::Certain => {
                    out.note(sasl::layer_note(of));
                    self.go_raw();
                    return;
                }
            }
        }
        self.stray = Some(auth.exchange);
    }

    pub(super) fn server_data(&mut self, bytes: &[u8], end: Option<usize>, out: &mut dyn Sink) {
        let Some(listing) = &mut self.listing else { return };
        listing.bytes += (bytes.len() - end.unwrap_or(0)) as u64;
        if let Some(text) = &mut listing.capabilities {
            let room = CAPABILITIES_MAX.saturating_sub(text.len());
            text.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
        let body =
            Body::Content(Content { of: listing.of, bytes: listing.bytes, last: end.is_some(), ..Content::default() });
        out.piece(Piece::new(Side::Server, bytes, body));
        if end.is_some()
            && let Some(text) = self.listing.take().and_then(|listing| listing.capabilities)
        {
            let text = String::from_utf8_lossy(&text).to_ascii_uppercase();
            out.capabilities(text.lines().filter(|line| !matches!(*line, "" | ".")).map(str::to_owned).collect());
        }
    }
}
