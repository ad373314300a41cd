//! IMAP's pasted lines.
//! Takes a line without its secrets, gives who said it and what it means.
//! Does not know literals' content, nor how logins are hidden.

use super::super::say::{Asked, Waiting, code_of, imap};
use super::super::{Explained, Protocol};
use super::content::Content;
use super::form::is_status;
use super::guess::{is_tagged, names_data};
use super::{Line, Reader, imap_answer, imap_verb};
use crate::event::Side;

impl Reader {
    pub(super) fn imap(&mut self, line: &Line<'_>) -> (Option<Side>, Option<Explained>) {
        let text = line.text;
        let (tag, rest) = text.split_once(' ').unwrap_or((text, ""));
        if line.from != Some(Side::Client) && (matches!(tag, "*" | "+") || self.is_answer(tag, rest)) {
            if tag == "*" && line.from.is_none() && self.outstanding.is_empty() && !names_data(rest) {
                // curl begins what it says of itself with a star too.
                return (None, None);
            }
            self.content = Content::literal(Side::Server, text);
            return (Some(Side::Server), Some(self.imap_server(line, tag, rest)));
        }
        if line.from == Some(Side::Server) {
            return (line.from, None);
        }
        if text.eq_ignore_ascii_case("DONE") {
            return (Some(Side::Client), Some(imap::command("DONE", "", None)));
        }
        let (verb, arguments) = imap_verb(rest);
        let word = rest.split(' ').next().unwrap_or_default();
        let likely = line.from.is_some() || (is_tagged(tag, word) && self.is_likely(Protocol::Imap, &verb, word));
        if verb.is_empty() || !likely {
            return (line.from, None);
        }
        self.remember(tag, &verb, arguments);
        if !matches!(verb.as_str(), "LOGIN" | "AUTHENTICATE") {
            self.content = Content::literal(Side::Client, text);
        }
        (Some(Side::Client), Some(line.with_first_response(imap::command(&verb, arguments, None))))
    }

    /// Whether it is a tagged status: of a command under way, or in the form of one.
    fn is_answer(&self, tag: &str, rest: &str) -> bool {
        let status = rest.split(' ').next().unwrap_or_default();
        is_status(status) && (self.outstanding.iter().any(|(known, _)| known == tag) || is_tagged(tag, "OK"))
    }

    fn imap_server(&mut self, line: &Line<'_>, tag: &str, rest: &str) -> Explained {
        if let Some(challenge) = line.challenge() {
            return challenge;
        }
        let answer = imap_answer(rest);
        let greets = !std::mem::replace(&mut self.begun, true) && matches!(answer.word, "OK" | "PREAUTH" | "BYE");
        if tag == "+" {
            let completes = self.outstanding.back().map(|(_, waiting)| waiting.asked());
            return imap::answer(imap::Answer { word: "+", rest, completes, ..imap::Answer::default() });
        }
        if tag == "*" && greets {
            return imap::greeting(answer);
        }
        let completed = self.completed(tag);
        let completes = completed.as_ref().map(Waiting::asked);
        if completes.is_some_and(|asked: Asked<'_>| asked.verb == "STARTTLS") && answer.word == "OK" {
            self.encrypted = Some(true);
        }
        let refused = tag != "*" && matches!(answer.word, "NO" | "BAD");
        let (code, text) = code_of(answer.rest);
        let refusal = (answer.word, code, text);
        let told = imap::answer(imap::Answer { completes, tagged: tag != "*", ..answer });
        if refused { self.with_advice(line, completes, refusal, told) } else { told }
    }

    /// The command with this tag, which is under way no longer.
    fn completed(&mut self, tag: &str) -> Option<Waiting> {
        let at = self.outstanding.iter().position(|(known, _)| known == tag)?;
        self.outstanding.remove(at).map(|(_, waiting)| waiting)
    }
}
