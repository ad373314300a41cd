//! The server's half: the greeting, replies and go-aheads, and what they change.
//! Takes the server's bytes, gives pieces, each tied to the command that it answers.
//! Does not read commands; see `client`.

use super::super::frame::{Cut, Part};
use super::super::sasl::{self, Exchange, Layer};
use super::super::{Flow, Piece, Sink, Stop, hidden_offer, lost_sync};
use super::command::Kind;
use super::content::Message;
use super::reply::{self, Code, Head, Parsed};
use super::{Auth, Expected, Mode, REPLY_MAX, Smtp};
use crate::event::{Body, Continue, Greeting, Note, Reply, Seq, Side};
use crate::findings;

/// A reply that is too long to be gathered: its first part was given already.
pub(super) struct Open {
    of: Seq,
    /// Of the last line that had one; without one, it is no reply.
    code: Option<Code>,
    /// The line now being taken is its last.
    last: bool,
}

impl Smtp {
    pub(super) fn feed_server(&mut self, bytes: &[u8], out: &mut dyn Sink) -> Flow {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            self.layer_begins(rest, out);
            if self.wants_whole_replies() {
                match reply::whole(rest) {
                    Some(length) if length <= REPLY_MAX => {
                        let wire = rest.get(..length).unwrap_or(rest);
                        let before = at;
                        at += length;
                        if self.take_reply(wire, Some(before), out) {
                            return Flow::Stop { at, why: Stop::StartTls { reply: before } };
                        }
                        continue;
                    }
                    None if rest.len() < REPLY_MAX => return Flow::Stop { at, why: Stop::Hold },
                    _ => {}
                }
            }
            let (cut, used) = self.server.cut(rest);
            let before = at;
            at += used;
            match cut {
                None => {}
                Some(Cut::Line { bytes, part }) => {
                    let upgrade = self.take_server_line(&bytes, part, out);
                    if upgrade {
                        return Flow::Stop { at, why: Stop::StartTls { reply: before } };
                    }
                }
                Some(Cut::Data { bytes, .. }) => self.raw(Side::Server, &bytes, out),
                Some(Cut::Raw(bytes)) => self.raw(Side::Server, bytes, out),
            }
        }
        Flow::All
    }

    /// Whether the next reply is taken whole or not at all: it may have to be changed, or kept back.
    fn wants_whole_replies(&self) -> bool {
        (self.setup.hide_starttls || self.newest() == Some(Kind::StartTls))
            && !self.released
            && self.server.mode() == Mode::Line
            && !self.server.within_line()
            && self.gathered.is_empty()
            && self.open.is_none()
    }

    /// Gives true if the line accepts an upgrade to TLS, as with all that follow.
    fn take_server_line(&mut self, line: &[u8], part: Part, out: &mut dyn Sink) -> bool {
        let head = matches!(part, Part::Whole | Part::Head).then(|| Head::parse(line)).flatten();
        if let Some(open) = &mut self.open {
            if let Some(head) = head {
                open.code = Some(head.code);
                open.last = head.last;
            }
            return self.take_part(line, part, out);
        }
        let lines_follow = head.map_or(!self.gathered.is_empty(), |head| !head.last);
        let too_long = self.gathered.len() + line.len() > REPLY_MAX || part == Part::Head;
        if too_long {
            let mut first = std::mem::take(&mut self.gathered);
            let gathered = !first.is_empty();
            if !gathered {
                first.extend_from_slice(line);
            }
            let (of, code) = self.announce(&first, None, out);
            self.open = Some(Open { of, code: head.map(|head| head.code).or(code), last: !lines_follow });
            return if gathered {
                self.take_part(line, part, out)
            } else if part == Part::Whole {
                self.part_ends(out)
            } else {
                false
            };
        }
        if lines_follow {
            self.gathered.extend_from_slice(line);
            return false;
        }
        if self.gathered.is_empty() {
            return self.take_reply(line, None, out);
        }
        let mut wire = std::mem::take(&mut self.gathered);
        wire.extend_from_slice(line);
        self.take_reply(&wire, None, out)
    }

    /// A further part of a reply that was not gathered.
    fn take_part(&mut self, line: &[u8], part: Part, out: &mut dyn Sink) -> bool {
        let Some(open) = &self.open else { return false };
        let body = match open.code {
            Some(_) => Body::Reply(Reply { continues: Some(open.of), ..Reply::default() }),
            None => Body::Raw,
        };
        out.piece(Piece::new(Side::Server, line, body));
        if matches!(part, Part::Whole | Part::Tail) { self.part_ends(out) } else { false }
    }

    fn part_ends(&mut self, out: &mut dyn Sink) -> bool {
        let Some(open) = self.open.take_if(|open| open.last) else { return false };
        let Some(code) = open.code else { return false };
        self.settle(code, open.of, out)
    }

    /// A whole reply. `at` is where it stands in the bytes now being fed, if all of it does.
    fn take_reply(&mut self, wire: &[u8], at: Option<usize>, out: &mut dyn Sink) -> bool {
        let (of, code) = self.announce(wire, at, out);
        let Some(code) = code else { return false };
        self.settle(code, of, out)
    }

    /// Gives the piece for a reply, or for the first part of one.
    fn announce(&mut self, wire: &[u8], at: Option<usize>, out: &mut dyn Sink) -> (Seq, Option<Code>) {
        let Some(head) = Parsed::code(wire) else {
            let of = out.piece(Piece::new(Side::Server, wire, Body::Raw));
            lost_sync(&mut self.lost, Side::Server, "a reply begins with a code of three digits", out);
            return (of, None);
        };
        self.prepare(head, out);
        let front = self.expected.front().copied().filter(|_| head.answers());
        let kind = front.and_then(|front| front.kind);
        let greeting = front.is_some_and(|front| front.kind.is_none());
        let hello = kind == Some(Kind::Hello) && head.is(b"250");
        let Parsed { code, mixed, enhanced, text } = Parsed::read(wire, head, !(hello || greeting && head.is(b"220")));
        let status = code.text();
        let answers = front.filter(|_| !greeting).map(|front| front.of);
        let mut secret = None;
        let body = if greeting {
            Body::Greeting(Greeting { status, code: enhanced, text, values: reply::greeting(wire) })
        } else if (kind == Some(Kind::Auth) && code.is(b"334"))
            || (matches!(kind, Some(Kind::Data | Kind::Blob(_))) && code.is(b"354"))
        {
            let asks = self.auth.as_mut().filter(|_| code.is(b"334"));
            let said = asks.map(|auth| auth.exchange.challenge(text.trim_ascii().as_bytes())).unwrap_or_default();
            let (decoded, values) = (said.decoded, said.values);
            Body::Continue(Continue { status, text, decoded, values, answers, latency_us: None })
        } else {
            if kind == Some(Kind::Stray) {
                // Some servers repeat the line that they did not understand.
                secret = Some(wire.len().min(4)..wire.trim_ascii_end().len()).filter(|range| range.start < range.end);
            }
            let values = if hello { reply::extensions(wire) } else { crate::event::Object::new() };
            Body::Reply(Reply { status, code: enhanced, text, values, answers, ..Reply::default() })
        };
        let of = out.piece(Piece { from: Side::Server, wire, secrets: secret.as_slice(), body });
        if mixed {
            out.note(Note {
                about: Some(of),
                ..findings::MIXED_REPLY_CODES
                    .note("the lines of this reply carry different codes; clients differ in which of them they believe")
            });
        }
        if self.setup.hide_starttls
            && hello
            && let Some(at) = at
        {
            for (range, with) in reply::without_starttls(wire) {
                out.edit(at + range.start..at + range.end, with, hidden_offer(of));
            }
        }
        (of, Some(code))
    }

    /// Finds what a reply with this code can only belong to, where that is not the oldest command.
    fn prepare(&mut self, code: Code, out: &mut dyn Sink) {
        if matches!(code.class(), 2 | 3) {
            self.expected.skip(|expected| expected.kind == Some(Kind::Nothing));
        }
        let asks = match (self.newest(), &self.message) {
            (Some(Kind::Auth), _) => code.is(b"334"),
            (Some(Kind::Other | Kind::Stray | Kind::Hello), None) if code.is(b"334") && !self.client.within_line() => {
                self.login_begins();
                true
            }
            (Some(Kind::Data | Kind::Blob(_)), None) => code.is(b"354"),
            _ => false,
        };
        if asks {
            // Both are the last of what a client sends without waiting, and nothing else is answered so.
            self.expected.only_newest();
        }
        let Some(message) = self.message.as_mut().filter(|message| message.dotted) else { return };
        let refused = matches!(code.class(), 4 | 5);
        if !message.asked {
            // Its DATA has not been answered yet, and may be answered here.
            let of = message.of;
            if refused && self.expected.front().is_some_and(|front| front.of == of) {
                self.follow_server("refused DATA, but the client did not wait for its answer", out);
            }
            return;
        }
        let ends = code.class() == 2 || (refused && message.lax_end && !code.is(b"421"));
        let of = message.of;
        if ends {
            let left = Some(self.recipients());
            self.follow_server(
                "answered before the message had come to CRLF.CRLF, so it takes something else for its end",
                out,
            );
            self.expected.push_front(Expected { left, ..Expected::new(of, Kind::End) });
        } else if refused {
            message.answered += 1;
            self.expected.push_front(Expected::new(of, Kind::Early));
        }
    }

    /// A challenge in answer to a command that is none of a login's, as far as is known: it is one all the same, and what
    /// the client says next is secret.
    fn login_begins(&mut self) {
        let Some(newest) = self.expected.newest_mut() else { return };
        newest.kind = Some(Kind::Auth);
        self.standing.tries();
        self.auth = Some(Auth { exchange: Exchange::new("", 0).belongs_to(newest.of), asked: false });
    }

    /// Ends the message where the server thinks that it ends: what comes next is commands for it.
    fn follow_server(&mut self, why: &str, out: &mut dyn Sink) {
        let Some(mut message) = self.message.take() else { return };
        let held = self.client.finish();
        self.client.expect(Mode::Line);
        let body = message.take(&held, true);
        out.piece(Piece::new(Side::Client, &held, body));
        out.note(Note {
            about: Some(message.of),
            ..findings::DESYNC.note(format!(
                "the server {why}; what the client sends from here on is read as commands, as the server does"
            ))
        });
    }

    /// Does what a reply changes. Gives true if it accepts an upgrade to TLS.
    fn settle(&mut self, code: Code, of: Seq, out: &mut dyn Sink) -> bool {
        if !code.answers() {
            return false;
        }
        self.released = false;
        let recipients = self.recipients();
        let Some(front) = self.expected.front_mut() else {
            self.expected.pop();
            return false;
        };
        match front.kind {
            // PRDR (draft-hall-prdr, as Exim is said to do it): an answer for each recipient follows, and one for all.
            Some(Kind::End) if code.is(b"353") && front.left.is_none_or(|left| left <= 1) => {
                front.left = Some(self.accepted.saturating_add(1));
                return false;
            }
            Some(Kind::End) => {
                let left = front.left.unwrap_or(recipients).saturating_sub(1);
                if left > 0 && !code.is(b"421") {
                    front.left = Some(left);
                    return false;
                }
                self.accepted = 0;
            }
            Some(Kind::Auth) if code.is(b"334") => {
                if let Some(auth) = &mut self.auth {
                    auth.asked = true;
                }
                return false;
            }
            _ => {}
        }
        let Some(done) = self.expected.pop() else { return false };
        let Some(kind) = done.kind else { return false };
        match kind {
            Kind::Hello | Kind::Afresh if code.class() == 2 => self.accepted = 0,
            Kind::Recipient if code.class() == 2 => self.accepted += 1,
            Kind::Data => self.data_answered(done.of, code),
            Kind::Auth => self.auth_ends(code, of, out),
            Kind::StartTls if code.is(b"220") => {
                self.upgrade = true;
                return true;
            }
            Kind::Turn if code.class() == 2 => self.turn(of, out),
            Kind::OpaqueTls if code.is(b"220") => self.opaque(of, out),
            Kind::Blob(octets) if code.is(b"354") => self.blob_begins(done.of, octets),
            _ => {}
        }
        false
    }

    fn data_answered(&mut self, of: Seq, code: Code) {
        if code.is(b"354") {
            match &mut self.message {
                Some(message) if message.of == of => message.asked = true,
                Some(_) => {}
                // The client did not wait, and has come to the end of its message already.
                None if self.expected.front().is_some_and(|front| front.of == of) => {}
                None => {
                    self.message = Some(Message::data(of, true));
                    self.client.expect(Mode::Dotted);
                }
            }
        } else if self.expected.front().is_some_and(|front| front.of == of) {
            // Refused, so the end of the message that came all the same is not answered.
            self.expected.pop();
        }
    }

    fn auth_ends(&mut self, code: Code, of: Seq, out: &mut dyn Sink) {
        let Some(auth) = self.auth.take() else { return };
        if code.class() == 2 {
            self.standing.succeeds();
        }
        if code.class() == 2 && !self.client.within_line() {
            match auth.exchange.layer() {
                Layer::None => {}
                Layer::Possible => self.layer = Some(of),
                Layer::Certain => {
                    out.note(sasl::layer_note(of));
                    self.go_raw(out);
                    return;
                }
            }
        }
        self.stray = Some(auth.exchange);
    }

    fn blob_begins(&mut self, of: Seq, octets: u64) {
        self.expected.push(Expected::new(of, Kind::Other));
        if octets > 0 {
            self.client.expect(Mode::Counted(octets));
            self.message = Some(Message::chunk(of));
        }
    }

    fn opaque(&mut self, of: Seq, out: &mut dyn Sink) {
        self.go_raw(out);
        out.note(Note {
            about: Some(of),
            ..findings::OPAQUE_TLS
                .note("client and server begin TLS in a way of their own, which mailtap passes on and cannot read")
        });
    }

    /// RFC 821 §3.8, RFC 2645 §5: from here on the server sends mail, and the client takes it.
    fn turn(&mut self, of: Seq, out: &mut dyn Sink) {
        self.turned = true;
        self.go_raw(out);
        out.note(Note {
            about: Some(of),
            ..findings::TURNED.note(
                "client and server have changed places; what follows is not read, and not kept, as it may hold a login",
            )
        });
    }
}
