//! POP3's pasted lines.
//! Takes a line without its secrets, gives who said it and what it means.
//! Does not know messages, nor how logins are hidden.

use super::super::say::{Asked, Waiting, code_of, pop3};
use super::super::{Explained, Protocol};
use super::content::{Content, What};
use super::{Line, Reader};
use crate::event::Side;

impl Reader {
    pub(super) fn pop3(&mut self, line: &Line<'_>) -> (Option<Side>, Option<Explained>) {
        let (word, rest) = line.text.split_once(' ').unwrap_or((line.text, ""));
        if line.from != Some(Side::Client) && matches!(word, "+OK" | "-ERR" | "+") {
            return (Some(Side::Server), Some(self.pop3_server(line, word, rest)));
        }
        let verb = word.to_ascii_uppercase();
        if line.from == Some(Side::Server) || (line.from.is_none() && !self.is_likely(Protocol::Pop3, &verb, word)) {
            return (line.from, None);
        }
        self.remember("", &verb, rest);
        (Some(Side::Client), Some(line.with_first_response(pop3::command(&verb, rest))))
    }

    fn pop3_server(&mut self, line: &Line<'_>, status: &str, rest: &str) -> Explained {
        if status == "+" {
            return line.challenge().unwrap_or_else(|| pop3::answer(status, rest, None));
        }
        let answered = self.outstanding.pop_front().map(|(_, waiting)| waiting);
        let asked = answered.as_ref().map(Waiting::asked);
        if status == "+OK" {
            self.content = asked.and_then(listing).map(|what| Content::dotted(Side::Server, what));
            if asked.is_some_and(|asked| asked.verb == "STLS") {
                self.encrypted = Some(true);
            }
            let greets = !std::mem::replace(&mut self.begun, true) && asked.is_none();
            return if greets { pop3::greeting(status, rest) } else { pop3::answer(status, rest, asked) };
        }
        let (code, text) = code_of(rest);
        self.with_advice(line, asked, (status, code, text), pop3::answer(status, rest, asked))
    }
}

/// What follows a `+OK`, up to a dot.
fn listing(asked: Asked<'_>) -> Option<What> {
    match (asked.verb, asked.rest.trim().is_empty()) {
        ("RETR" | "TOP", _) => Some(What::Text),
        ("LIST", true) => Some(What::Sizes),
        ("UIDL", true) => Some(What::Names),
        ("CAPA", _) => Some(What::Capabilities),
        ("AUTH", true) => Some(What::Mechanisms),
        _ => None,
    }
}
