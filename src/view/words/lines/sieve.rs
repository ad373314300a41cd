//! ManageSieve's pasted lines.
//! Takes a line without its secrets, gives who said it and what it means.
//! Does not know scripts, nor how logins are hidden.

use super::super::say::{Waiting, sieve};
use super::super::{Explained, Protocol};
use super::content::Content;
use super::form::is_sieve_status;
use super::{Line, Reader};
use crate::event::Side;

impl Reader {
    pub(super) fn sieve(&mut self, line: &Line<'_>) -> (Option<Side>, Option<Explained>) {
        let text = line.text;
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        if line.from != Some(Side::Client) {
            if is_sieve_status(text) {
                self.content = Content::literal(Side::Server, text);
                return (Some(Side::Server), Some(self.sieve_answer(line, word, rest)));
            }
            if text.starts_with(['"', '{']) {
                self.content = Content::literal(Side::Server, text);
                return (Some(Side::Server), line.challenge().or_else(|| self.sieve_data(text)));
            }
        }
        let verb = word.to_ascii_uppercase();
        if line.from == Some(Side::Server) || (line.from.is_none() && !self.is_likely(Protocol::Sieve, &verb, word)) {
            return (line.from, None);
        }
        self.remember("", &verb, rest);
        if verb != "AUTHENTICATE" {
            self.content = Content::literal(Side::Client, text);
        }
        (Some(Side::Client), Some(line.with_first_response(sieve::command(&verb, rest))))
    }

    fn sieve_answer(&mut self, line: &Line<'_>, status: &str, rest: &str) -> Explained {
        let greets = !std::mem::replace(&mut self.begun, true) && status == "OK" && self.outstanding.is_empty();
        if greets {
            return sieve::greeting(&[], status);
        }
        let answered = self.outstanding.pop_front().map(|(_, waiting)| waiting);
        let asked = answered.as_ref().map(Waiting::asked);
        if asked.is_some_and(|asked| asked.verb == "STARTTLS") && status == "OK" {
            self.encrypted = Some(true);
        }
        let code = rest.strip_prefix('(').and_then(|inside| inside.split([')', ' ']).next());
        let told = sieve::answer(status, code, asked);
        let text = rest.split_once('"').map_or(rest, |(_, text)| text.trim_end_matches('"'));
        if status == "NO" { self.with_advice(line, asked, (status, code, text), told) } else { told }
    }

    /// What stands before a status line: the name of a script, or a capability.
    fn sieve_data(&self, text: &str) -> Option<Explained> {
        match self.outstanding.front().map(|(_, waiting)| waiting.asked().verb) {
            Some("LISTSCRIPTS") => sieve::one_script(text),
            Some("GETSCRIPT") => sieve::data("GETSCRIPT"),
            Some("CAPABILITY" | "STARTTLS") | None => sieve::one_capability(text),
            Some(_) => None,
        }
    }
}
