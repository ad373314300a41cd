//! The server's half: the greeting, responses, challenges and scripts, and what they change.
//! Takes the server's bytes, gives pieces, each tied to the command that it answers.
//! Does not read commands; see `client`.

use super::super::frame::{Cut, Mode, Part};
use super::super::sasl::{self, Layer};
use super::super::{Flow, Piece, Sink, Stop, hidden_offer, lost_sync};
use super::command::Kind;
use super::reply::{self, Status};
use super::text::{Is, Literal, Words};
use super::{REPLY_MAX, Sieve};
use crate::event::{Body, Content, Continue, Greeting, Reply, Seq, Side};

/// A line that goes on behind a literal or a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    of: Seq,
    is: Line,
}

/// What a literal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// The user's.
    Script,
    /// The server's, given as a whole: it may repeat what it did not like.
    Whole,
    /// The same, and longer than any text for people: where a secret may have been said, none of it is shown.
    Long,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Status(Status),
    Data,
    Challenge,
    Raw,
}

impl Sieve {
    pub(super) fn feed_server(&mut self, bytes: &[u8], out: &mut dyn Sink) -> Flow {
        let mut at = 0;
        // Where the response begins that is now being taken.
        let mut begins = 0;
        self.gathered_at = None;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            self.layer_begins(rest, out);
            if self.between_responses() {
                begins = at;
                if self.wants_whole_responses()
                    && rest.len() < REPLY_MAX
                    && reply::whole(rest, self.login_is_next()).is_none_or(|length| length > rest.len())
                {
                    return Flow::Stop { at, why: Stop::Hold };
                }
            }
            let (cut, used) = self.server.cut(rest);
            let before = at;
            at += used;
            match cut {
                None => {}
                Some(Cut::Line { bytes, part }) => {
                    if self.gathered.is_empty() {
                        self.gathered_at = (used == bytes.len()).then_some(before);
                    }
                    let upgrade = self.take_server_line(&bytes, part, out);
                    if upgrade {
                        return Flow::Stop { at, why: Stop::StartTls { reply: begins } };
                    }
                }
                Some(Cut::Data { bytes, end }) => self.take_server_literal(&bytes, end.is_some(), out),
                Some(Cut::Raw(bytes)) => {
                    out.piece(Piece::new(Side::Server, bytes, Body::Raw));
                }
            }
        }
        Flow::All
    }

    fn between_responses(&self) -> bool {
        self.server.mode() == Mode::Line
            && !self.server.within_line()
            && self.gathered.is_empty()
            && self.pending.is_none()
    }

    /// Whether a login is what the server answers next: strings are then challenges.
    fn login_is_next(&self) -> bool {
        self.auth.is_some() && self.expected.front().is_some_and(|front| front.kind == Some(Kind::Auth))
    }

    /// Whether the next response is taken whole or not at all: it may have to be changed, or kept back.
    fn wants_whole_responses(&self) -> bool {
        (self.setup.hide_starttls || self.newest() == Some(Kind::StartTls)) && !self.released
    }

    /// Gives true if the line accepts an upgrade to TLS, as with all that follow.
    fn take_server_line(&mut self, line: &[u8], part: Part, out: &mut dyn Sink) -> bool {
        let literal = self.server_scan.literal(line);
        let ends = literal.is_none() && matches!(part, Part::Whole | Part::Tail);
        if let Some(Pending { of, is }) = self.pending {
            let body = match is {
                Line::Raw => Body::Raw,
                _ => Body::Reply(Reply { continues: Some(of), ..Reply::default() }),
            };
            out.piece(Piece::new(Side::Server, line, body));
            return self.line_ends(of, is, literal, ends, out);
        }
        let is = match Status::of(line) {
            _ if reply::is_data(line) && self.login_is_next() => Line::Challenge,
            Some(status) => Line::Status(status),
            None if reply::is_data(line) => Line::Data,
            None => Line::Raw,
        };
        if is == Line::Data && ends && self.gathered.len() + line.len() <= REPLY_MAX {
            self.gathered.extend_from_slice(line);
            return false;
        }
        if is == Line::Data && !self.gathered.is_empty() && self.gathered.len() + line.len() <= 2 * REPLY_MAX {
            self.gathered.extend_from_slice(line);
            let of = self.say_data(out);
            return self.line_ends(of, is, literal, ends, out);
        }
        if !matches!(is, Line::Status(_)) && !self.gathered.is_empty() {
            self.say_data(out);
        }
        let of = match is {
            Line::Status(status) => self.say_status(line, status, out),
            Line::Challenge => self.say_challenge(line, out),
            Line::Data => {
                self.gathered.extend_from_slice(line);
                self.say_data(out)
            }
            Line::Raw => {
                let of = out.piece(Piece::new(Side::Server, line, Body::Raw));
                lost_sync(&mut self.lost, Side::Server, "a response is a string, or begins with OK, NO or BYE", out);
                of
            }
        };
        self.line_ends(of, is, literal, ends, out)
    }

    /// Goes on behind a line or a part of it.
    fn line_ends(&mut self, of: Seq, is: Line, literal: Option<Literal>, ends: bool, out: &mut dyn Sink) -> bool {
        if !ends {
            self.pending = Some(Pending { of, is });
            if let Some(literal) = literal.filter(|literal| literal.bytes > 0 && is != Line::Raw) {
                let text = if is == Line::Data && self.data_name() == Kind::Get.data() {
                    Text::Script
                } else if literal.bytes <= REPLY_MAX as u64 {
                    Text::Whole
                } else {
                    Text::Long
                };
                let mode = if text == Text::Whole { Mode::Gathered } else { Mode::Counted };
                self.server.expect(mode(literal.bytes));
                self.server_literal = Some((Content { of, ..Content::default() }, text));
            } else if literal.is_some() && is == Line::Raw {
                self.pending = None;
            }
            return false;
        }
        self.pending = None;
        match is {
            Line::Status(status) => self.settle(status, of, out),
            Line::Challenge => {
                if let Some(auth) = &mut self.auth {
                    auth.asked = true;
                }
                false
            }
            Line::Data | Line::Raw => false,
        }
    }

    pub(super) fn take_server_literal(&mut self, bytes: &[u8], last: bool, out: &mut dyn Sink) {
        let Some((content, text)) = &mut self.server_literal else { return };
        content.bytes += bytes.len() as u64;
        content.last = last;
        let body = Body::Content(content.clone());
        let secret = (*text == Text::Long && !self.standing.is_stranger()).then_some(0..bytes.len());
        let piece = Piece { from: Side::Server, wire: bytes, secrets: secret.as_slice(), body };
        if *text == Text::Whole {
            out.text(piece)
        } else {
            out.piece(piece)
        };
        if last {
            self.server_literal = None;
        }
    }

    /// The name of the data that the oldest command asked for.
    fn data_name(&self) -> &'static str {
        match self.expected.front() {
            Some(front) => front.kind.unwrap_or(Kind::Capability).data(),
            None => Kind::Other.data(),
        }
    }

    /// Lines of data without their status line.
    fn say_data(&mut self, out: &mut dyn Sink) -> Seq {
        let lines = std::mem::take(&mut self.gathered);
        let name = self.data_name();
        let mut body = Reply { data: Some(name.to_owned()), ..Reply::default() };
        reply::data(&lines, name, &mut body.values);
        let of = out.piece(Piece::new(Side::Server, &lines, Body::Reply(body)));
        self.hide_offer(&lines, of, out);
        of
    }

    fn say_challenge(&mut self, line: &[u8], out: &mut dyn Sink) -> Seq {
        let word = Words::of(line).next().filter(|word| word.is != Is::Literal);
        let text = word.map(|word| word.text.into_owned()).unwrap_or_default();
        let said = self.auth.as_mut().map(|auth| auth.exchange.challenge(&text)).unwrap_or_default();
        let body = Body::Continue(Continue {
            status: String::new(),
            text: String::from_utf8_lossy(&text).into_owned(),
            decoded: said.decoded,
            values: said.values,
            answers: self.expected.front().map(|front| front.of),
            latency_us: None,
        });
        out.piece(Piece::new(Side::Server, line, body))
    }

    fn say_status(&mut self, line: &[u8], status: Status, out: &mut dyn Sink) -> Seq {
        let mut lines = std::mem::take(&mut self.gathered);
        let name = self.data_name();
        let mut parsed = reply::status_line(line, status);
        if status == Status::Ok {
            reply::data(&lines, name, &mut parsed.values);
        }
        let front = self.expected.front().copied();
        let stray = front.is_some_and(|front| front.kind == Some(Kind::Stray));
        let data = lines.len();
        lines.extend_from_slice(line);
        let mut secret = None;
        if stray {
            // Some servers repeat the line that they did not understand.
            secret = Some(data + status.name().len()..lines.trim_ascii_end().len()).filter(|range| !range.is_empty());
        }
        let reply::Parsed { code, text, values } = parsed;
        let status = status.name().to_owned();
        let body = match front {
            Some(front) if front.kind.is_none() => Body::Greeting(Greeting { status, code, text, values }),
            front => {
                let answers = front.map(|front| front.of);
                Body::Reply(Reply { status, code, text, values, answers, ..Reply::default() })
            }
        };
        let of = out.piece(Piece { from: Side::Server, wire: &lines, secrets: secret.as_slice(), body });
        self.hide_offer(&lines, of, out);
        of
    }

    /// Takes the offer of STARTTLS out of capabilities that stand whole in the bytes now being fed.
    fn hide_offer(&mut self, lines: &[u8], of: Seq, out: &mut dyn Sink) {
        let Some(mut at) = self.gathered_at.take().filter(|_| self.setup.hide_starttls) else { return };
        if self.data_name() != Kind::Capability.data() {
            return;
        }
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            if reply::offers_starttls(line) && line.ends_with(b"\n") {
                out.edit(at..at + line.len(), b"", hidden_offer(of));
            }
            at += line.len();
        }
    }

    /// Does what a status line changes. Gives true if it accepts an upgrade to TLS.
    fn settle(&mut self, status: Status, of: Seq, out: &mut dyn Sink) -> bool {
        self.released = false;
        let Some(kind) = self.expected.pop().and_then(|done| done.kind) else { return false };
        match kind {
            Kind::StartTls => {
                self.upgrade = status == Status::Ok;
                self.upgrade
            }
            Kind::Auth => {
                self.auth_ends(status == Status::Ok, of, out);
                false
            }
            _ => false,
        }
    }

    fn auth_ends(&mut self, ok: bool, of: Seq, out: &mut dyn Sink) {
        let Some(auth) = self.auth.take() else { return };
        if ok {
            self.standing.succeeds();
        }
        if ok && self.unfinished.is_none() && !self.client.within_line() {
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
}
