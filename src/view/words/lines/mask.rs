//! Takes what is secret out of pasted lines: passwords, SASL responses, tokens, and what of these is said again.
//! Takes each line in order, gives it without its secrets, and what of a login may be told.
//! Does not know which protocol is spoken, on purpose: a wrong guess must hide too much rather than show a password.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::form::{self, arguments, challenge_of, is_ending, is_literal, is_server_s, unquoted};
use super::pasted::Pasted;
use crate::event::{Auth, Body, Command, REDACTED, Side};
use crate::proto::sasl::Exchange;
use crate::secrets::{Secrets, sorted};

use super::super::auth::Login;
use super::super::say::find_family;
use super::super::{Category, Explained, Protocol, find};

/// A login under way, as its lines tell it.
#[derive(Clone, Debug)]
struct Responses {
    exchange: Exchange,
    login: Login,
    /// Whether it surely was begun; if not, only what is base64 is taken for a response.
    sure: bool,
}

impl Responses {
    /// Reads a message of the client; what is secret in it is not in what comes back.
    fn read(&mut self, said: &str) -> (Auth, Explained) {
        let auth = self.exchange.response(said.as_bytes());
        let told = self.login.answered(auth.step, auth.user.as_deref(), &auth.args.map());
        (auth, told)
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Mask {
    expects: Expects,
    /// Whether a line was read.
    begun: bool,
    secrets: Secrets,
}

/// What the client's next lines are, up to the server's last word on it. There is one of these, so its size is no matter.
#[derive(Clone, Debug, Default)]
#[allow(clippy::large_enum_variant)]
enum Expects {
    #[default]
    Commands,
    Responses(Responses),
    /// Arguments of LOGIN that are literals: name and password.
    Arguments,
}

/// A line without its secrets.
#[derive(Clone, Debug, Default)]
pub(super) struct Masked {
    pub text: String,
    pub is: Is,
    /// What the first response says, where it stands in the command.
    pub begun: Option<Explained>,
    /// The login that this line ends.
    pub ended: Option<Login>,
}

/// What a line is to a login, and what it says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Is {
    #[default]
    Nothing,
    Challenge(Explained),
    Response(Explained),
    /// A name or password as a literal.
    Argument,
}

/// Where a secret stands in a command, and what follows it.
struct Found {
    secret: Range<usize>,
    /// Whether it is a login rather than prose that looks like one: only then is it looked for in other lines.
    sure: bool,
    user: Option<String>,
    then: Expects,
}

/// What begins a login: how many words behind it everybody may know, and whether a tag stands before it.
const LOGINS: [(&str, usize, bool); 6] = [
    ("LOGIN", 1, true),
    ("AUTHENTICATE", 1, true),
    ("AUTH", 1, false),
    ("X-EXPS", 1, false),
    ("PASS", 0, false),
    ("APOP", 1, false),
];

impl Mask {
    /// `text` is what `pasted` says, and may be content: message text or the like. Where `marked`, a line that names no side
    /// is most likely of neither.
    pub fn line(&mut self, pasted: &Pasted<'_>, content: bool, marked: bool) -> Masked {
        let (side, text, chatter) = (pasted.side, pasted.text.as_ref(), pasted.chatter);
        let servers = side != Some(Side::Client) && is_server_s(text);
        let mut masked = match std::mem::take(&mut self.expects) {
            Expects::Commands => self.command(side, text, content, servers),
            expects if chatter => self.go_on(expects, text, Is::Nothing),
            expects if servers => self.answered(expects, text),
            // A log without the server's lines: the login is over, however it ended. No response has spaces in it.
            _ if side == Some(Side::Client) && form::is_surely_command(text) => {
                self.command(side, text, content, servers)
            }
            Expects::Responses(responses) => {
                let sure = responses.sure && (side.is_some() || !marked);
                self.response(responses, text, sure)
            }
            expects @ Expects::Arguments if is_literal(text) => self.go_on(expects, text, Is::Nothing),
            expects @ Expects::Arguments => {
                self.learn(text, 0..text.len(), None);
                self.go_on(expects, REDACTED, Is::Argument)
            }
        };
        masked.text = self.again(&masked.text);
        masked
    }

    /// A text that may repeat a secret that was said before.
    pub fn again(&mut self, text: &str) -> String {
        let places = [self.secrets.find(text.as_bytes()), bearers(text), messages(text)].concat();
        without(text, sorted(places))
    }

    fn go_on(&mut self, expects: Expects, text: &str, is: Is) -> Masked {
        self.expects = expects;
        Masked { text: text.to_owned(), is, ..Masked::default() }
    }

    fn answered(&mut self, expects: Expects, text: &str) -> Masked {
        match (expects, challenge_of(text)) {
            (Expects::Responses(Responses { login, .. }), _) if is_ending(text) => {
                Masked { text: text.to_owned(), ended: Some(login), ..Masked::default() }
            }
            (Expects::Arguments, _) if is_ending(text) => Masked { text: text.to_owned(), ..Masked::default() },
            (Expects::Responses(mut responses), Some(line)) => {
                let said = responses.exchange.challenge(line.as_bytes());
                let told = responses.login.challenged(line, said.decoded.as_deref(), said.values.map());
                self.go_on(Expects::Responses(responses), text, Is::Challenge(told))
            }
            (expects, _) => self.go_on(expects, text, Is::Nothing),
        }
    }

    /// A response of the client; if that is not `sure`, only where it is base64.
    fn response(&mut self, mut responses: Responses, text: &str, sure: bool) -> Masked {
        let last = text.trim_end().rsplit(' ').next().unwrap_or_default();
        if is_literal(text) || !(sure || is_base64(last)) {
            return self.go_on(Expects::Responses(responses), text, Is::Nothing);
        }
        let said = unquoted(text.trim());
        let (auth, told) = responses.read(said);
        let hidden = !matches!(said, "*" | "=" | "");
        if hidden {
            self.learn_response(text, 0..text.len(), &auth);
        }
        self.go_on(Expects::Responses(responses), if hidden { REDACTED } else { text }, Is::Response(told))
    }

    fn command(&mut self, side: Option<Side>, text: &str, content: bool, servers: bool) -> Masked {
        let mut masked = Masked { text: text.to_owned(), ..Masked::default() };
        // A login was begun before the first line that was pasted, or may have been.
        if servers && text.starts_with("334 ") {
            self.expects = responses("");
        } else if servers && !self.begun && (text == "+" || text.starts_with("+ ")) {
            self.expects = Expects::Arguments;
        }
        self.begun |= !text.trim().is_empty();
        match login(side, text, content, servers) {
            Some(Found { secret, sure, user, mut then }) => {
                let first = text.get(secret.clone()).filter(|said| !said.is_empty());
                if let (Expects::Responses(responses), Some(said)) = (&mut then, first) {
                    let (auth, told) = responses.read(unquoted(said.trim()));
                    self.learn_response(text, secret.clone(), &auth);
                    masked.begun = Some(told);
                } else if sure {
                    self.learn(text, secret.clone(), user.as_deref());
                }
                masked.text = without(text, vec![secret]);
                self.expects = then;
            }
            None if let Some(value) = setting(text).filter(|_| !servers) => masked.text = without(text, vec![value]),
            None if !content && !servers && is_last_argument(text) => self.expects = Expects::Arguments,
            None if !content && !servers && side != Some(Side::Server) && is_lone(side, text) => {
                self.learn(text, 0..text.len(), None);
                REDACTED.clone_into(&mut masked.text);
            }
            None => {}
        }
        masked
    }

    fn learn_response(&mut self, text: &str, place: Range<usize>, auth: &Auth) {
        // The name that LOGIN asks for first is no secret, and stands in addresses later; and prose is hidden, but its words
        // are not.
        let is_name = auth.mechanism == "LOGIN" && auth.user.is_some();
        let is_prose = text.get(place.clone()).is_some_and(|said| said.trim().contains(' '));
        if !(is_name || is_prose) {
            self.learn(text, place, auth.user.as_deref());
        }
    }

    fn learn(&mut self, text: &str, place: Range<usize>, user: Option<&str>) {
        if text.get(place.clone()).is_some_and(|said| !matches!(said.trim(), "" | "*" | "=" | "{" | "}")) {
            self.secrets.remember(text.as_bytes(), &[place], &Body::Command(Command::default()), user);
        }
    }
}

/// Where the secret of a login stands in a line, if it begins one.
fn login(side: Option<Side>, text: &str, content: bool, servers: bool) -> Option<Found> {
    let words: Vec<(usize, &str)> = form::words(text).collect();
    let tag = words.first().map(|(_, tag)| *tag).unwrap_or_default();
    let known = form::is_command(tag)
        || words.get(1).is_some_and(|(_, word)| find(Protocol::Imap, Category::Command, word).is_some());
    for (index, &(at, word)) in words.iter().enumerate() {
        // Within quotes, as programs print strings: `"PASS x"`, `b'PASS x'`.
        let bare = word.trim_start_matches("b'").trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let Some(&(name, kept, tagged)) = LOGINS.iter().find(|(name, ..)| bare.eq_ignore_ascii_case(name)) else {
            continue;
        };
        // A mark that names a side may stand before it, although what it marks seems to be content.
        let place = index - usize::from(index > 0 && tag.ends_with([':', '>', '<']));
        let is_tagged = |at: Option<&(usize, &str)>| tagged && at.is_some_and(|(_, tag)| form::is_tag(tag));
        let in_place = place == 0 || (place == 1 && is_tagged(words.get(index - 1)));
        // Behind a mark that is not known it may stand anywhere.
        let is_upper = word == word.to_ascii_uppercase();
        if !in_place && (servers || known || (content && !is_upper)) {
            continue;
        }
        let Some(found) = behind(text, at + word.len(), name, kept) else { continue };
        let surely = is_surely(name, word, text, at + word.len(), &found);
        let found = Found { sure: in_place || (surely && is_upper && !is_known_word(text, &found.secret)), ..found };
        let looks_else = content || (index == 1 && form::is_code(tag)) || !(in_place || is_upper);
        if looks_else && !surely {
            continue;
        }
        return Some(match found.then {
            Expects::Responses(responses)
                if !(is_known(&responses.login.mechanism) || said_by_client(side, in_place, word)) =>
            {
                // Prose, as it seems: what stands there is hidden where a command would stand, but not what follows.
                if found.secret.is_empty() || !in_place {
                    continue;
                }
                Found { then: Expects::Commands, sure: false, ..found }
            }
            Expects::Responses(responses) => {
                Found { then: Expects::Responses(Responses { sure: in_place, ..responses }), ..found }
            }
            then => Found { then, ..found },
        });
    }
    None
}

/// Whether what seems a secret is a word of mail itself, as in prose about it.
fn is_known_word(text: &str, place: &Range<usize>) -> bool {
    text.get(place.clone()).is_some_and(form::is_word)
}

fn said_by_client(side: Option<Side>, in_place: bool, word: &str) -> bool {
    in_place && (side == Some(Side::Client) || word == word.to_ascii_uppercase())
}

fn is_known(mechanism: &str) -> bool {
    find_family(Protocol::Sasl, Category::Mechanism, mechanism).is_some()
}

/// What stands behind the word that begins a login.
fn behind(text: &str, from: usize, name: &str, kept: usize) -> Option<Found> {
    let words: Vec<Range<usize>> = arguments(text, from).collect();
    let word = |at: usize| words.get(at).and_then(|place| text.get(place.clone()));
    let end = text.trim_end().len();
    let begin = words.get(kept).map_or(end, |place| place.start);
    let rest = text.get(begin..end).unwrap_or_default();
    let secret = if matches!(rest, "=" | "*") || is_literal(rest) { end..end } else { begin..end };
    if word(if name == "LOGIN" { 0 } else { kept }).is_some_and(is_known) {
        // A list of mechanisms: `AUTH PLAIN LOGIN CRAM-MD5`.
        return None;
    }
    match name {
        "LOGIN" if words.last().and_then(|last| text.get(last.clone())).is_some_and(is_literal) => {
            Some(Found { secret, sure: true, user: None, then: Expects::Arguments })
        }
        "LOGIN" | "PASS" | "APOP" => {
            let user = (kept > 0).then(|| word(0).map(|user| unquoted(user).to_owned())).flatten();
            (!secret.is_empty()).then_some(Found { secret, sure: true, user, then: Expects::Commands })
        }
        _ => Some(Found { secret, sure: true, user: None, then: responses(unquoted(word(0)?)) }),
    }
}

/// Whether text that looks like a login is one: in a message, or behind what looks like a reply's number.
fn is_surely(name: &str, word: &str, text: &str, from: usize, found: &Found) -> bool {
    let words: Vec<&str> = arguments(text, from).filter_map(|place| text.get(place)).collect();
    match (name, words.as_slice()) {
        ("LOGIN", [_, _]) => true,
        ("PASS", [_]) => true,
        ("PASS", _) => word == "PASS",
        ("APOP", [_, digest]) => digest.len() == 32 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()),
        ("AUTH" | "AUTHENTICATE" | "X-EXPS", [mechanism] | [mechanism, _]) => is_known(unquoted(mechanism)),
        _ => matches!(found.then, Expects::Arguments),
    }
}

fn responses(mechanism: &str) -> Expects {
    let mechanism = mechanism.to_ascii_uppercase();
    Expects::Responses(Responses { exchange: Exchange::new(&mechanism, 0), login: Login::new(&mechanism), sure: true })
}

/// The value of a program's setting whose name says that it is a password: `imap_pass=sesame`, `password: sesame`.
fn setting(text: &str) -> Option<Range<usize>> {
    let (at, _) = text.match_indices(['=', ':']).next()?;
    let name = text.get(..at)?.trim_end().rsplit(' ').next()?.to_ascii_lowercase();
    let value = at + 1 + text[at + 1..].len() - text[at + 1..].trim_start().len();
    (name.contains("passw") || name.ends_with("pass"))
        .then_some(value..text.trim_end().len())
        .filter(|place| !place.is_empty())
}

/// The shortest base64 that is taken for a password by itself, in characters: four letters of a password have as many.
const LONE_MIN: usize = 8;

/// Whether the line is a response or password by itself, begun before the first line that was pasted: base64 of text, or a
/// word of the client's that is no command of any protocol.
fn is_lone(side: Option<Side>, text: &str) -> bool {
    let text = text.trim();
    if form::is_command(text) || text.contains(' ') || matches!(text, "*" | "") {
        return false;
    }
    let is_text = |bytes: &[u8]| {
        std::str::from_utf8(bytes)
            .is_ok_and(|text| text.chars().all(|c| !c.is_control() || matches!(c, '\0' | '\u{1}')))
    };
    let is_response =
        text.len() >= LONE_MIN && !form::is_word(text) && STANDARD.decode(text).is_ok_and(|bytes| is_text(&bytes));
    let is_word = side == Some(Side::Client) && !text.eq_ignore_ascii_case("DONE") && !form::is_nearly_command(text);
    is_response || is_word
}

/// `ann {8}`: what was begun before may be LOGIN, and the literal a password.
fn is_last_argument(text: &str) -> bool {
    let words: Vec<&str> = form::words(text).map(|(_, word)| word).collect();
    matches!(words.as_slice(), [first, last] if is_literal(last) && !form::is_command(first))
}

fn is_base64(word: &str) -> bool {
    !word.is_empty() && !form::is_command(word) && STANDARD.decode(word.trim_matches(['"', '\''])).is_ok()
}

/// Where tokens stand: behind `Bearer`, wherever that is (RFC 6750 §2.1).
fn bearers(text: &str) -> Vec<Range<usize>> {
    const MARK: &str = "bearer ";
    let lower = text.to_ascii_lowercase();
    lower
        .match_indices(MARK)
        .map(|(at, _)| at + MARK.len())
        .map(|from| from..from + lower[from..].find([' ', '\u{1}', '"', '\'']).unwrap_or(lower.len() - from))
        .filter(|place| place.len() > LONE_MIN && text.get(place.clone()) != Some(REDACTED))
        .collect()
}

/// The shortest message of PLAIN in base64 that is looked for in any line, in characters.
const MESSAGE_MIN: usize = 12;

/// Words that are a whole message of PLAIN or XOAUTH2 in base64, wherever they stand: nothing else has its form, name and
/// password between NULs (RFC 4616 §2), or a token behind 0x01 (RFC 7628 §3.1).
fn messages(text: &str) -> Vec<Range<usize>> {
    let is_message = |word: &str| {
        STANDARD.decode(word).is_ok_and(|bytes| {
            let is_text = std::str::from_utf8(&bytes).is_ok();
            let nuls = memchr::memchr_iter(0, &bytes).count();
            is_text && ((nuls == 2 && bytes.last() != Some(&0)) || memchr::memmem::find(&bytes, b"\x01auth=").is_some())
        })
    };
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find(is_base64) {
        let word = &rest[begin..];
        let word = &word[..word.find(|c| !is_base64(c)).unwrap_or(word.len())];
        let at = text.len() - rest.len() + begin;
        if word.len() >= MESSAGE_MIN && is_message(word) {
            found.push(at..at + word.len());
        }
        rest = &rest[begin + word.len()..];
    }
    found
}

fn without(text: &str, places: Vec<Range<usize>>) -> String {
    let mut text = text.to_owned();
    for place in places.into_iter().rev().filter(|place| !place.is_empty()) {
        if text.get(place.clone()).is_some() {
            text.replace_range(place, REDACTED);
        }
    }
    text
}
