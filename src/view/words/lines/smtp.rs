//! SMTP's and LMTP's pasted lines.
//! Takes a line without its secrets, gives who said it and what it means.
//! Does not know message text, nor how logins are hidden.

use super::super::say::{Asked, Waiting, enhanced_of, smtp};
use super::super::{Explained, Protocol};
use super::content::{Content, What};
use super::form::smtp_reply;
use super::{Line, Reader};
use crate::event::Side;

impl Reader {
    pub(super) fn smtp(&mut self, line: &Line<'_>) -> (Option<Side>, Option<Explained>) {
        let text = line.text;
        let reply = smtp_reply(if self.more { text.trim_start() } else { text });
        if let Some((code, more, rest)) = reply.filter(|_| line.from != Some(Side::Client)) {
            return (Some(Side::Server), Some(self.smtp_server(line, code, more, rest)));
        }
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let verb = word.to_ascii_uppercase();
        if line.from == Some(Side::Server) || (line.from.is_none() && !self.is_likely(Protocol::Smtp, &verb, word)) {
            return (line.from, None);
        }
        self.remember("", &verb, rest);
        if verb == "BDAT" {
            let bytes = rest.split(' ').next().and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
            self.content = (bytes > 0).then(|| Content::counted(Side::Client, bytes));
        }
        (Some(Side::Client), Some(line.with_first_response(smtp::command(&verb, rest))))
    }

    fn smtp_server(&mut self, line: &Line<'_>, code: &str, more: bool, rest: &str) -> Explained {
        let front = self.outstanding.front().map(|(_, waiting)| waiting.clone());
        let asked = front.as_ref().map(Waiting::asked);
        let is = |verbs: &[&str]| asked.is_some_and(|asked: Asked<'_>| verbs.contains(&asked.verb));
        let hello = is(&["EHLO", "LHLO"]);
        let within = self.ehlo && code == "250";
        self.more = more;
        self.ehlo = more && (hello || asked.is_none()) && code == "250";
        if !(more || code == "334") {
            self.outstanding.pop_front();
        }
        if code == "354" && !more && (is(&["DATA"]) || asked.is_none()) {
            self.content = Some(Content::dotted(Side::Client, What::Text));
            self.remember("", "DATA", "");
        }
        if code == "220" && is(&["STARTTLS"]) {
            self.encrypted = Some(true);
        }
        if within {
            return smtp::extension(rest);
        }
        if let Some(challenge) = line.challenge() {
            return challenge;
        }
        let told = match asked {
            _ if self.ehlo => smtp::answer(code, &[rest], Some(Asked { verb: "HELO", rest: "" })),
            asked => smtp::answer(code, &[rest], asked.filter(|_| !hello)),
        };
        if !code.starts_with(['4', '5']) {
            return told;
        }
        let enhanced = enhanced_of(rest);
        let text = enhanced.map_or(rest, |enhanced| &rest[enhanced.len()..]);
        self.with_advice(line, asked, (code, enhanced, text), told)
    }
}
