//! The client's side of an IMAP conversation: commands, their literals, SASL responses, DONE.
//! Takes the client's bytes, gives pieces and what the conversation now waits for.
//! Does not know what the server answers, save through the state that `server` changes.

mod literal;
mod login;

use std::borrow::Cow;
use std::ops::Range;

use self::login::{note_binding, say_user, torn_secret};
use super::args;
use super::command::{Head, Kind, Login, skip_space, word};
use super::scan::{Literal, Scan, without_end};
use super::talk::{Auth, Halt, REMEMBERED_MAX, Talk, USER_MAX};
use super::token::{self, TOKENS_MAX, Token};
use crate::event::{self, Body, Content, Note, Object, Seq, Side};
use crate::proto::frame::{Cut, Framer, LINE_MAX, Mode, Part};
use crate::proto::sasl::{self, Exchange};
use crate::proto::standing::{Standing, hidden};
use crate::proto::{Piece, Sink};

/// How many bytes of a command's arguments are remembered over its literals, to explain them when it is complete.
const ARGUMENTS_MAX: usize = 16 * 1024;

#[derive(Default)]
pub(super) struct Client {
    pub framer: Framer,
    /// A literal was announced that is sent only after a go-ahead.
    pub waits: bool,
    /// Set when a login has succeeded, until the next byte: mechanism and command.
    pub after_auth: Option<(String, Seq)>,
    /// How many bytes were not read when the client had to wait.
    held: usize,
    /// So many of the next bytes were sent before the refusal of a login that they were meant for.
    suspect: usize,
    /// The login was a LOGIN: what was sent may look like anything. A SASL response is one word.
    suspect_all: bool,
    line: Line,
    scan: Scan,
    /// A command that goes on after this line.
    command: Option<Box<Unfinished>>,
    literal: Option<Reading>,
}

/// The line under way, as it was judged when it began.
#[derive(Default)]
struct Line {
    kind: LineKind,
    of: Seq,
    /// What follows of it is secret.
    secret: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LineKind {
    #[default]
    Command,
    Auth,
    Suspect,
    /// No command; not read for literals.
    Garbage,
}

struct Unfinished {
    of: Seq,
    verb: String,
    login: Option<Login>,
    tokens: Vec<Token<'static>>,
    remembered: usize,
    /// Its arguments as they were last said.
    said: Object,
    /// Further messages of an APPEND are explained one by one.
    more: bool,
}

/// A literal on its way.
struct Reading {
    of: Seq,
    literal: Literal,
    done: u64,
    secret: bool,
    kept: Option<Vec<u8>>,
    /// It is no message.
    text: bool,
}

impl Client {
    pub fn within_command(&self) -> bool {
        self.command.is_some()
    }

    /// The number of the command whose literal waits for a go-ahead.
    pub fn waiting(&self) -> Option<Seq> {
        self.command.as_ref().filter(|_| self.waits).map(|command| command.of)
    }
}

impl Talk {
    pub(super) fn feed_client(&mut self, bytes: &[u8], out: &mut dyn Sink) -> (usize, Halt) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if self.client_must_wait() {
                self.client.held = rest.len();
                return (at, Halt::Hold);
            }
            if self.client.framer.mode() == Mode::Line && !self.client.framer.within_line() {
                self.client_line_begins(rest, out);
            }
            let (cut, used) = self.client.framer.cut(rest);
            at += used;
            self.client.suspect = self.client.suspect.saturating_sub(used);
            match cut {
                None => {}
                Some(Cut::Line { bytes, part }) => self.client_line(&bytes, part, out),
                Some(Cut::Data { bytes, end }) => self.client_data(&bytes, end.is_some(), out),
                Some(Cut::Raw(bytes)) => {
                    out.piece(Piece::new(Side::Client, bytes, Body::Raw));
                }
            }
        }
        self.client.held = 0;
        (at, Halt::End)
    }

    fn client_line_begins(&mut self, rest: &[u8], out: &mut dyn Sink) {
        if let Some(&first) = rest.first()
            && self.client.after_auth.is_some()
            && self.begins_layer(Side::Client, first, out)
        {
            return;
        }
        self.client.line.kind = if self.auth.as_ref().is_some_and(|auth| auth.asked || self.released) {
            LineKind::Auth
        } else if self.client.suspect > 0 {
            LineKind::Suspect
        } else {
            LineKind::Command
        };
    }

    fn client_line(&mut self, line: &[u8], part: Part, out: &mut dyn Sink) {
        if matches!(part, Part::Middle | Part::Tail) {
            self.client_block(line, part, out);
            return;
        }
        match self.client.line.kind {
            LineKind::Auth => self.response(line, part, out),
            LineKind::Suspect if self.client.suspect_all || Head::parse(line).is_none() => self.stray(line, out),
            LineKind::Suspect => self.command_begins(line, part, out),
            LineKind::Command | LineKind::Garbage => match self.client.command.take() {
                Some(command) => self.command_goes_on(command, line, part, out),
                None => self.command_begins(line, part, out),
            },
        }
    }

    /// A further block of a line that is longer than the longest.
    fn client_block(&mut self, block: &[u8], part: Part, out: &mut dyn Sink) {
        let Line { kind, of, secret } = self.client.line;
        let text = without_end(block);
        let all = [0..text.len()];
        let secrets: &[Range<usize>] = if secret && !text.is_empty() { &all } else { &[] };
        let body = match kind {
            LineKind::Command | LineKind::Auth => {
                Body::Command(event::Command { continues: Some(of), ..event::Command::default() })
            }
            LineKind::Suspect | LineKind::Garbage => Body::Raw,
        };
        out.piece(Piece { from: Side::Client, wire: block, secrets, body });
        if kind != LineKind::Command {
            return;
        }
        self.client.scan.feed(block);
        if part == Part::Tail {
            let literal = self.client.scan.literal();
            if let Some(command) = self.client.command.take()
                && let Some(literal) = literal
            {
                self.literal_announced(command, literal);
            }
        }
    }

    fn command_begins(&mut self, line: &[u8], part: Part, out: &mut dyn Sink) {
        let head = Head::parse(line).filter(|head| part == Part::Whole || head.ended);
        let Some(head) = head else {
            self.no_command(line, part, out);
            return;
        };
        self.standing.hears(line);
        let takes_literals = !matches!(head.kind, Kind::Authenticate | Kind::StartTls | Kind::Compress);
        let found = if part == Part::Whole && takes_literals { Scan::line(line, false) } else { None };
        let text = without_end(line);
        let text = text.get(..found.map_or(text.len(), |(_, at)| at)).unwrap_or(text);
        let literal = found.map(|(literal, _)| literal);
        // What may be shown of it; before a login that is what the protocol has a meaning for.
        let known = head.kind != Kind::Unknown;
        let end = text.trim_ascii_end().len();
        let shown = self.standing.shows(known, head.own(text), end);
        if shown == 0 {
            self.stray(line, out);
            return;
        }
        self.idle = None;
        let visible = if shown < end { text.get(..shown).unwrap_or(text) } else { text };
        let hides = shown < end || !(known || self.standing.is_settled());
        match head.kind {
            Kind::Login | Kind::Authenticate => self.standing.tries(),
            Kind::Unknown => self.standing.slips(),
            _ => {}
        }
        let mut said = event::Command {
            verb: head.verb,
            tag: Some(String::from_utf8_lossy(head.tag).into_owned()),
            ..event::Command::default()
        };
        let mut secret = None;
        let mut login = hides.then_some(Login::Secret);
        let mut tokens = Vec::new();
        match head.kind {
            Kind::Login => {
                let mut stage = head.stage;
                let (user, range) = stage.read(visible, head.rest_at, literal.is_some());
                if let Some(user) = user.filter(|user| user.len() <= USER_MAX) {
                    say_user(&user, &mut said.args, out);
                }
                secret = range;
                // Of a block nobody knows where the name ends.
                login = Some(if part == Part::Whole && !hides { stage } else { Login::Secret });
            }
            Kind::Authenticate => secret = self.authenticate(visible, head.rest_at, part, &mut said.args, out),
            _ => {
                let brackets = said.verb.ends_with("FETCH");
                tokens = Token::split(visible.get(head.rest_at..).unwrap_or_default(), brackets);
                tokens.extend(literal.map(|literal| Token::literal(literal.bytes)));
                said.args = args::build(&said.verb, &tokens, self.names);
            }
        }
        let verb = if literal.is_some() || part == Part::Head { said.verb.clone() } else { String::new() };
        let args = if literal.is_some() { said.args.clone() } else { Object::new() };
        let secret = hidden(secret, shown, end);
        let secrets = secret.as_slice();
        let of = out.piece(Piece { from: Side::Client, wire: line, secrets, body: Body::Command(said) });
        let goes_on_secret = login.is_some() || head.kind == Kind::Authenticate || !self.standing.is_settled();
        self.client.line = Line { kind: LineKind::Command, of, secret: goes_on_secret };
        self.expects(of, head.tag, head.kind);
        match head.kind {
            Kind::Authenticate => {
                if let Some(auth) = self.auth.take() {
                    note_binding(auth.exchange.mechanism(), of, out);
                    self.auth = Some(Auth { exchange: auth.exchange.belongs_to(of), ..auth });
                }
            }
            Kind::Idle => self.idle = Some(of),
            // Within compression there is no upgrade (RFC 4978 §3): what the server says to it is an answer like others.
            Kind::StartTls if !self.compressed => {
                self.upgrade = Some(head.tag.to_vec());
                self.server.framer.set_whole_lines(true);
            }
            Kind::Compress => self.compressing = !self.compressed && !self.released,
            _ => {}
        }
        if literal.is_none() && part == Part::Whole {
            return;
        }
        let mut command =
            Box::new(Unfinished { of, verb, login, tokens: Vec::new(), remembered: 0, said: args, more: false });
        match literal {
            Some(literal) => {
                command.remember(tokens);
                self.literal_announced(command, literal);
            }
            None if takes_literals => {
                command.remembered = ARGUMENTS_MAX;
                self.client.scan = Scan::new(false);
                self.client.scan.feed(line);
                self.client.command = Some(command);
            }
            None => {}
        }
    }

    /// DONE, or a line that is no command.
    fn no_command(&mut self, line: &[u8], part: Part, out: &mut dyn Sink) {
        let text = without_end(line);
        if part == Part::Whole
            && text.trim_ascii().eq_ignore_ascii_case(b"DONE")
            && let Some(idle) = self.idle.take()
        {
            let done = event::Command { verb: "DONE".to_owned(), continues: Some(idle), ..event::Command::default() };
            out.piece(Piece::new(Side::Client, line, Body::Command(done)));
            return;
        }
        if text.is_empty() || self.standing.is_settled() {
            let of = out.piece(Piece::new(Side::Client, line, Body::Raw));
            // Whether a verb is still to come in a line of this length, nobody knows.
            self.client.line = Line { kind: LineKind::Garbage, of, secret: true };
        } else {
            self.stray(line, out);
        }
        self.standing.slips();
        if !text.is_empty() && !self.standing.is_within_login() {
            self.lost_sync(Side::Client, "an IMAP command is a tag and a verb", out);
        }
    }

    /// The line of a command that follows a literal.
    fn command_goes_on(&mut self, mut command: Box<Unfinished>, line: &[u8], part: Part, out: &mut dyn Sink) {
        let found = if part == Part::Whole { Scan::line(line, false) } else { None };
        let text = without_end(line);
        let text = text.get(..found.map_or(text.len(), |(_, at)| at)).unwrap_or(text);
        let literal = found.map(|(literal, _)| literal);
        let mut said = event::Command { continues: Some(command.of), ..event::Command::default() };
        let mut secret = None;
        if let Some(login) = &mut command.login {
            secret = login.read(text, 0, literal.is_some() || part == Part::Head).1;
            if let Some(Token { text: user, .. }) = command.tokens.first()
                && command.said.is_empty()
            {
                said.args.bytes("user", user);
                command.said = said.args.clone();
            }
        } else {
            let mut tokens = Token::split(text, command.verb.ends_with("FETCH"));
            tokens.extend(literal.map(|literal| Token::literal(literal.bytes)));
            said.args = command.goes_on(tokens, self.names);
        }
        let secrets = secret.as_slice();
        out.piece(Piece { from: Side::Client, wire: line, secrets, body: Body::Command(said) });
        self.client.line = Line { kind: LineKind::Command, of: command.of, secret: command.login.is_some() };
        match literal {
            Some(literal) => self.literal_announced(command, literal),
            None if part == Part::Head => {
                command.remembered = ARGUMENTS_MAX;
                self.client.scan = Scan::new(false);
                self.client.scan.feed(line);
                self.client.command = Some(command);
            }
            None => {}
        }
    }

    pub(super) fn end_client(&mut self, out: &mut dyn Sink) {
        let long = self.client.framer.within_long_line();
        let rest = self.client.framer.finish();
        if rest.is_empty() {
            return;
        }
        if self.client.literal.is_some() && !self.client.waits {
            self.client_data(&rest, false, out);
            return;
        }
        let text = without_end(&rest);
        let secret = if self.client.line.kind != LineKind::Command && !long || long && self.client.line.secret {
            Some(0..text.len())
        } else if long {
            None
        } else if let Some(command) = &self.client.command {
            command.login.and_then(|mut login| login.read(text, 0, false).1)
        } else {
            torn_secret(text, self.standing)
        };
        let secret = secret.filter(|secret| !secret.is_empty());
        let secrets = secret.as_slice();
        out.piece(Piece { from: Side::Client, wire: &rest, secrets, body: Body::Raw });
    }
}

impl Unfinished {
    fn remember(&mut self, tokens: Vec<Token<'_>>) {
        for token in tokens {
            self.remembered = self.remembered.saturating_add(token.text.len());
            if self.tokens.len() >= TOKENS_MAX || self.remembered > ARGUMENTS_MAX {
                self.remembered = ARGUMENTS_MAX + 1;
                self.tokens.clear();
                return;
            }
            self.tokens.push(token.into_owned());
        }
    }

    /// What the arguments are with these: nothing, where they are as they were.
    fn goes_on(&mut self, tokens: Vec<Token<'_>>, names: token::Names) -> Object {
        if args::is_append(&self.verb) && (self.more || args::message_complete(&self.verb, &self.tokens)) {
            self.more = true;
            self.tokens.clear();
            self.remembered = 0;
        }
        self.remember(tokens);
        if self.tokens.is_empty() {
            return Object::new();
        }
        let args = if self.more { args::message(&self.tokens) } else { args::build(&self.verb, &self.tokens, names) };
        if args == self.said {
            return Object::new();
        }
        self.said = args;
        self.said.clone()
    }
}
