//! The server's side of an IMAP conversation: greeting, untagged data and its literals, go-aheads, tagged replies.
//! Takes the server's bytes, gives pieces and changes what the client waits for.
//! Does not know what the data means beyond its name; see `data` and `fetch`.

use std::borrow::Cow;
use std::ops::Range;

use super::command::Kind;
use super::reply::{Line, Status};
use super::scan::{Literal, Scan, without_end};
use super::talk::{Halt, Outstanding, REMEMBERED_MAX, Talk};
use super::token::{self, Names, TOKENS_MAX, Token};
use super::{data, fetch};
use crate::event::{Body, Content, Continue, Greeting, Note, Object, Reply, Seq, Side};
use crate::findings;
use crate::proto::frame::{Cut, Framer, LINE_MAX, Mode, Part};
use crate::proto::sasl::Challenge;
use crate::proto::standing::Standing;
use crate::proto::{Piece, Sink, hidden_offer};

/// How many bytes of a response's values are remembered over its literals, to explain them when it is complete.
const VALUES_MAX: usize = 16 * 1024;

#[derive(Default)]
pub(super) struct Server {
    pub framer: Framer,
    pub greeted: bool,
    /// Set when a login has succeeded, until the next byte: mechanism and command.
    pub after_auth: Option<(String, Seq)>,
    of: Seq,
    scan: Scan,
    /// A response that goes on after this line.
    response: Option<Box<Unfinished>>,
    literal: Option<Reading>,
}

impl Server {
    pub fn within_literal(&self) -> bool {
        self.literal.is_some()
    }
}

struct Unfinished {
    of: Seq,
    name: String,
    /// Where a FETCH stands among its items.
    items: fetch::Items,
    tokens: Vec<Token<'static>>,
    remembered: usize,
}

struct Reading {
    done: u64,
    kept: Option<Vec<u8>>,
    /// It is no message, and given as a whole.
    text: bool,
}

impl Server {
    pub fn within_response(&self) -> bool {
        self.response.is_some() || self.literal.is_some() || self.framer.within_line()
    }
}

impl Talk {
    pub(super) fn feed_server(&mut self, bytes: &[u8], out: &mut dyn Sink) -> (usize, Halt) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if let Some(&first) = rest.first()
                && self.server.after_auth.is_some()
            {
                self.begins_layer(Side::Server, first, out);
            }
            let (cut, used) = self.server.framer.cut(rest);
            let before = at;
            at += used;
            match cut {
                None if used == 0 => return (at, Halt::Hold),
                None => {}
                Some(Cut::Line { bytes: line, part }) => {
                    let place = (line.len() == used).then_some(before);
                    match self.server_line(&line, part, place, out) {
                        Halt::StartTls { .. } => return (at, Halt::StartTls { reply: before }),
                        Halt::Compress => return (at, Halt::Compress),
                        Halt::End | Halt::Hold => {}
                    }
                }
                Some(Cut::Data { bytes, end }) => self.server_data(&bytes, end.is_some(), out),
                Some(Cut::Raw(bytes)) => {
                    out.piece(Piece::new(Side::Server, bytes, Body::Raw));
                }
            }
        }
        (at, Halt::End)
    }

    /// `place` is where the line stands in the bytes being fed, if it is all there.
    fn server_line(&mut self, line: &[u8], part: Part, place: Option<usize>, out: &mut dyn Sink) -> Halt {
        self.released = false;
        if self.setup.hide_starttls && !self.compressed {
            self.server.framer.set_whole_lines(true);
        }
        if matches!(part, Part::Middle | Part::Tail) {
            self.server_block(line, part, out);
            return Halt::End;
        }
        if let Some(response) = self.server.response.take() {
            self.response_goes_on(response, line, part, out);
            return Halt::End;
        }
        let text = without_end(line);
        let Some(parsed) = Line::parse(text) else {
            self.server.of = out.piece(Piece::new(Side::Server, line, Body::Raw));
            self.lost_sync(Side::Server, "an IMAP response begins with *, + or a tag and a status", out);
            return Halt::End;
        };
        let greets = !std::mem::replace(&mut self.server.greeted, true);
        match parsed {
            Line::GoAhead { text } => self.go_ahead(line, text, out),
            Line::Data { number, name, rest_at } => self.data(line, part, place, number, name, rest_at, out),
            Line::Status { tag, status, rest_at } => {
                let said = Status::parse(text, rest_at);
                let capabilities = said.capabilities.clone();
                let Status { code, values, text, .. } = said;
                let answered = tag.and_then(|tag| self.answered(tag));
                // Its tag is what the client said.
                let stray = answered.as_ref().is_some_and(|answered| answered.kind == Kind::Stray);
                let secret = stray.then_some(0..line.trim_ascii_end().len());
                if greets && status == "PREAUTH" {
                    self.standing = Standing::Settled;
                }
                let body = if greets && tag.is_none() {
                    Body::Greeting(Greeting { status: status.to_owned(), code, text, values })
                } else {
                    Body::Reply(Reply {
                        status: status.to_owned(),
                        tag: tag.map(|tag| String::from_utf8_lossy(tag).into_owned()),
                        code,
                        text,
                        values,
                        answers: answered.as_ref().map(|answered| answered.of),
                        ..Reply::default()
                    })
                };
                self.server.of = out.piece(Piece { from: Side::Server, wire: line, secrets: secret.as_slice(), body });
                match capabilities {
                    Some(list) if greets && self.setup.greeted_before_tls => self.take_list_out(line, list, place, out),
                    Some(list) => self.hide_offer(line, list, place, out),
                    None => {}
                }
                return answered.map_or(Halt::End, |answered| self.completed(&answered, status == "OK", part));
            }
        }
        Halt::End
    }

    /// A command is over. What that means for the conversation.
    fn completed(&mut self, command: &Outstanding, ok: bool, part: Part) -> Halt {
        if self.client.waiting() == Some(command.of) {
            self.literal_refused();
        }
        match command.kind {
            Kind::StartTls if self.upgrade.is_some() => {
                self.server.framer.set_whole_lines(self.setup.hide_starttls);
                // A line of that length cannot be held back, so it cannot be taken back either.
                if ok && part == Part::Whole {
                    return Halt::StartTls { reply: 0 };
                }
                self.upgrade = None;
            }
            Kind::Compress => {
                let asked = std::mem::take(&mut self.compressing);
                if asked && ok && part == Part::Whole {
                    return Halt::Compress;
                }
            }
            Kind::Authenticate => {
                let auth = self.auth.take();
                self.response_not_wanted();
                if ok {
                    self.standing.succeeds();
                    let layer = auth.map(|auth| (auth.exchange.mechanism().to_owned(), command.of));
                    self.client.after_auth.clone_from(&layer);
                    self.server.after_auth = layer;
                }
            }
            Kind::Login if ok => self.standing.succeeds(),
            Kind::Unauthenticate if ok => {
                self.names = Names::default();
                self.standing = Standing::default();
            }
            _ => {}
        }
        Halt::End
    }

    fn go_ahead(&mut self, line: &[u8], text: &[u8], out: &mut dyn Sink) {
        let mut said = Challenge::default();
        let answers = if let Some(idle) = self.idling() {
            Some(idle)
        } else if let Some(auth) = &mut self.auth {
            auth.asked = true;
            said = auth.exchange.challenge(text.trim_ascii());
            Some(auth.exchange.of())
        } else if let Some(waiting) = self.client.waiting() {
            self.literal_comes();
            Some(waiting)
        } else if let Some(auth) = self.login_begins() {
            said = auth.exchange.challenge(text.trim_ascii());
            Some(auth.exchange.of())
        } else {
            None
        };
        let text = String::from_utf8_lossy(text).into_owned();
        let body = Body::Continue(Continue {
            status: "+".to_owned(),
            text,
            decoded: said.decoded,
            values: said.values,
            answers,
            latency_us: None,
        });
        self.server.of = out.piece(Piece::new(Side::Server, line, body));
    }

    #[allow(clippy::too_many_arguments)]
    fn data(
        &mut self,
        line: &[u8],
        part: Part,
        place: Option<usize>,
        number: Option<u64>,
        name: String,
        rest_at: usize,
        out: &mut dyn Sink,
    ) {
        let found = if part == Part::Whole { Scan::line(line, true) } else { None };
        let text = without_end(line);
        let text = text.get(..found.map_or(text.len(), |(_, at)| at)).unwrap_or(text);
        let rest = text.get(rest_at..).unwrap_or_default();
        let literal = found.map(|(literal, _)| literal);
        let mut items = fetch::Items::default();
        let mut tokens = Vec::new();
        let values = if name == "FETCH" {
            items.read(rest, literal)
        } else if data::is_list(&name) {
            data::read_list(&name, rest)
        } else {
            tokens = Token::split(rest, false);
            tokens.extend(literal.map(|literal| Token::literal(literal.bytes)));
            data::read(&name, &tokens, self.names)
        };
        if name == "ENABLED" && (has_word(rest, b"UTF8=ACCEPT") || has_word(rest, b"IMAP4REV2")) {
            self.names = Names::Utf8;
        }
        let body =
            Body::Reply(Reply { status: "*".to_owned(), data: Some(name.clone()), number, values, ..Reply::default() });
        let of = out.piece(Piece::new(Side::Server, line, body));
        self.server.of = of;
        if name == "CAPABILITY" {
            self.hide_offer(line, rest_at..text.len(), place, out);
        }
        if literal.is_none() && part == Part::Whole {
            return;
        }
        let mut response = Box::new(Unfinished { of, name, items, tokens: Vec::new(), remembered: 0 });
        response.remember(tokens);
        self.line_ends(response, literal, line, part);
    }

    /// The line of a response that follows a literal.
    fn response_goes_on(&mut self, mut response: Box<Unfinished>, line: &[u8], part: Part, out: &mut dyn Sink) {
        let found = if part == Part::Whole { Scan::line(line, true) } else { None };
        let text = without_end(line);
        let text = text.get(..found.map_or(text.len(), |(_, at)| at)).unwrap_or(text);
        let literal = found.map(|(literal, _)| literal);
        let values = if response.name == "FETCH" {
            response.items.read(text, literal)
        } else if data::is_list(&response.name) {
            Object::new()
        } else {
            let mut tokens = Token::split(text, false);
            tokens.extend(literal.map(|literal| Token::literal(literal.bytes)));
            response.remember(tokens);
            data::read(&response.name, &response.tokens, self.names)
        };
        let body =
            Body::Reply(Reply { status: "*".to_owned(), values, continues: Some(response.of), ..Reply::default() });
        out.piece(Piece::new(Side::Server, line, body));
        self.server.of = response.of;
        self.line_ends(response, literal, line, part);
    }

    /// What comes after a line of data: a literal, the rest of a long line, or nothing that belongs to it.
    fn line_ends(&mut self, response: Box<Unfinished>, literal: Option<Literal>, line: &[u8], part: Part) {
        match literal {
            Some(literal) => self.server_literal(response, literal),
            None if part == Part::Head => {
                self.server.scan = Scan::new(true);
                self.server.scan.feed(line);
                let lost = Unfinished { remembered: VALUES_MAX + 1, tokens: Vec::new(), ..*response };
                self.server.response = Some(Box::new(Unfinished { items: fetch::Items::lost(), ..lost }));
            }
            None => {}
        }
    }

    /// A further block of a line that is longer than the longest.
    fn server_block(&mut self, block: &[u8], part: Part, out: &mut dyn Sink) {
        let body = Reply { status: "*".to_owned(), continues: Some(self.server.of), ..Reply::default() };
        out.piece(Piece::new(Side::Server, block, Body::Reply(body)));
        if self.server.response.is_none() {
            return;
        }
        self.server.scan.feed(block);
        if part == Part::Tail
            && let Some(response) = self.server.response.take()
            && let Some(literal) = self.server.scan.literal()
        {
            self.server_literal(response, literal);
        }
    }

    fn server_literal(&mut self, mut response: Box<Unfinished>, literal: Literal) {
        let keeps = response.name != "FETCH" && literal.bytes <= REMEMBERED_MAX && response.remembered < VALUES_MAX;
        if literal.bytes == 0 {
            response.literal_ends(keeps.then(Vec::new));
        } else {
            let message = matches!(response.name.as_str(), "FETCH" | "URLFETCH" | "CONVERTED");
            let text = !message && literal.bytes <= LINE_MAX as u64;
            let mode = if text { Mode::Gathered } else { Mode::Counted };
            self.server.literal = Some(Reading { done: 0, kept: keeps.then(Vec::new), text });
            self.server.framer.expect(mode(literal.bytes));
        }
        self.server.response = Some(response);
    }

    pub(super) fn server_data(&mut self, bytes: &[u8], last: bool, out: &mut dyn Sink) {
        let (Some(reading), Some(response)) = (&mut self.server.literal, &mut self.server.response) else { return };
        reading.done += bytes.len() as u64;
        if let Some(kept) = &mut reading.kept {
            kept.extend_from_slice(bytes);
        }
        let body = Body::Content(Content { of: response.of, bytes: reading.done, last, ..Content::default() });
        let piece = Piece::new(Side::Server, bytes, body);
        if reading.text {
            out.text(piece)
        } else {
            out.piece(piece)
        };
        if last {
            let kept = self.server.literal.take().and_then(|reading| reading.kept);
            response.literal_ends(kept);
        }
    }

    /// Takes the whole code with the capabilities out of a greeting from before TLS: within TLS they may be others, and a
    /// client has to ask for them anew (RFC 3501 §6.2.1, RFC 9051 §6.2.1).
    fn take_list_out(&mut self, line: &[u8], list: Range<usize>, place: Option<usize>, out: &mut dyn Sink) {
        let (Some(place), before) = (place, line.get(..list.start).unwrap_or_default()) else { return };
        let Some(start) = before.iter().rposition(|&byte| byte == b'[') else { return };
        let space = line.get(list.end + 1) == Some(&b' ');
        let end = list.end + 1 + usize::from(space);
        let text = "the list of capabilities in the greeting was taken out for the client: it is from before TLS, and \
                    others may hold now; the client can ask for them";
        let note = Note { about: Some(self.server.of), ..findings::CAPABILITIES_HIDDEN.note(text) };
        out.edit(place + start..place + end, b"", note);
    }

    /// Takes the offer of STARTTLS out of a list of capabilities, where it leads nowhere.
    fn hide_offer(&mut self, line: &[u8], list: Range<usize>, place: Option<usize>, out: &mut dyn Sink) {
        let Some(place) = place.filter(|_| self.setup.hide_starttls && !self.compressed) else { return };
        let mut at = list.start;
        while let Some((word, end)) = super::command::word(line.get(..list.end).unwrap_or_default(), at) {
            if word.eq_ignore_ascii_case(b"STARTTLS") {
                out.edit(place + at..place + end, b"", hidden_offer(self.server.of));
            }
            at = end;
        }
    }
}

impl Unfinished {
    fn remember(&mut self, tokens: Vec<Token<'_>>) {
        for token in tokens {
            self.remembered = self.remembered.saturating_add(token.text.len());
            if self.tokens.len() >= TOKENS_MAX || self.remembered > VALUES_MAX {
                self.remembered = VALUES_MAX + 1;
                self.tokens.clear();
                return;
            }
            self.tokens.push(token.into_owned());
        }
    }

    fn literal_ends(&mut self, kept: Option<Vec<u8>>) {
        let Some(kept) = kept else { return };
        self.remembered += kept.len();
        if let Some(Token { kind: token::Kind::Literal { known, .. }, text }) = self.tokens.last_mut() {
            *known = true;
            *text = Cow::Owned(kept);
        }
    }
}

fn has_word(rest: &[u8], word: &[u8]) -> bool {
    rest.split(u8::is_ascii_whitespace).any(|text| text.eq_ignore_ascii_case(word))
}
