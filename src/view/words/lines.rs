//! Lines of a session without a recording around them, as `mailtap explain` reads them from standard input.
//! Takes lines in order, with or without `C:` and `S:`; tells the protocol by itself and gives a sentence for each line.
//! Does not know bytes that are no lines, and remembers only a few commands.

use std::collections::VecDeque;

use crate::event::Side;

use super::pasted::{is_chatter, masked, side_of};
use super::say::{Waiting, imap, pop3, smtp};
use super::{Category, Explained, Protocol, auth, find};

/// Commands whose answer is still to come, at most; more in flight only means that an answer is told less exactly.
const OUTSTANDING_MAX: usize = 64;

/// A line and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub protocol: Option<Protocol>,
    pub from: Option<Side>,
    pub explained: Option<Explained>,
    /// The line as it may be shown again, where it holds a secret.
    pub shown: Option<String>,
}

/// Reads the lines of one session.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    protocol: Option<Protocol>,
    /// The tag (empty where the protocol has none) of commands under way, and these.
    outstanding: VecDeque<(String, Waiting)>,
    /// The mechanism of a login under way.
    login: Option<String>,
    /// Whether what follows is message text or a listing, up to a dot alone on a line.
    listing: bool,
    /// SMTP's text of a reply so far: a reply of several lines is told by its parts.
    ehlo: bool,
    /// Whether the client's next line is a literal of LOGIN: a name or a password.
    literal: bool,
}

impl Reader {
    /// Where the protocol is known beforehand.
    #[must_use]
    pub fn new(protocol: Protocol) -> Reader {
        Reader { protocol: Some(protocol), ..Reader::default() }
    }

    pub fn line(&mut self, line: &str) -> Told {
        let (from, text) = side_of(line.trim_end_matches(['\r', '\n']));
        if self.listing {
            return self.listed(from, text);
        }
        if text.trim().is_empty() || (from.is_none() && is_chatter(text)) {
            return Told { protocol: self.protocol, from, explained: None, shown: None };
        }
        if self.protocol.is_none() {
            self.protocol = guess(from, text);
        }
        let in_login = self.login.is_some() || self.literal;
        let (side, explained) = match self.protocol {
            Some(Protocol::Imap) => self.imap(from, text),
            Some(Protocol::Smtp) => self.smtp(from, text),
            Some(Protocol::Pop3) => self.pop3(from, text),
            _ => (from, None),
        };
        if side == Some(Side::Server) {
            return Told { protocol: self.protocol, from: side, explained, shown: None };
        }
        let before = &line[..line.trim_end_matches(['\r', '\n']).len() - text.len()];
        let shown = masked(self.protocol, in_login, text).map(|masked| format!("{before}{masked}"));
        let login = in_login || text.split(' ').nth(1).is_some_and(|verb| verb.eq_ignore_ascii_case("LOGIN"));
        self.literal = self.protocol == Some(Protocol::Imap) && login && text.ends_with('}');
        Told { protocol: self.protocol, from: side, explained, shown }
    }

    fn listed(&mut self, from: Option<Side>, text: &str) -> Told {
        let ends = text == ".";
        self.listing = !ends;
        let explained = ends.then(|| {
            let source = if self.protocol == Some(Protocol::Smtp) { "RFC 5321 §4.1.1.4" } else { "RFC 1939 §3" };
            Explained::new("the dot ends it", source)
        });
        Told { protocol: self.protocol, from, explained, shown: None }
    }

    fn remember(&mut self, tag: &str, verb: &str, rest: &str) {
        if self.outstanding.len() == OUTSTANDING_MAX {
            self.outstanding.pop_front();
        }
        self.outstanding.push_back((tag.to_owned(), Waiting::new(verb, rest)));
    }

    fn imap(&mut self, from: Option<Side>, text: &str) -> (Option<Side>, Option<Explained>) {
        let (tag, rest) = text.split_once(' ').unwrap_or((text, ""));
        if tag == "*" || tag == "+" || (from != Some(Side::Client) && is_status(rest)) {
            return (Some(Side::Server), Some(self.imap_server(tag, rest)));
        }
        if from == Some(Side::Server) {
            return (from, None);
        }
        if text.eq_ignore_ascii_case("DONE") {
            return (Some(Side::Client), Some(imap::command("DONE", "", None)));
        }
        if let Some(mechanism) = self.login.clone() {
            return (Some(Side::Client), Some(response(&mechanism, text)));
        }
        let (verb, rest) = imap_verb(rest);
        if verb.is_empty() {
            return (from, None);
        }
        self.remember(tag, &verb, rest);
        if verb == "AUTHENTICATE" {
            self.login = rest.split(' ').next().map(str::to_ascii_uppercase);
        }
        (Some(Side::Client), Some(imap::command(&verb, rest, None)))
    }

    fn imap_server(&mut self, tag: &str, rest: &str) -> Explained {
        if tag == "+" {
            return match &self.login {
                Some(mechanism) => auth::challenge_line(mechanism, rest),
                None => {
                    let completes = self.outstanding.back().map(|(_, waiting)| waiting.asked());
                    imap::answer(imap::Answer { word: "+", rest, completes, ..imap::Answer::default() })
                }
            };
        }
        let at = self.outstanding.iter().position(|(known, _)| known == tag);
        let completed = at.and_then(|at| self.outstanding.remove(at)).map(|(_, waiting)| waiting);
        let completes = completed.as_ref().map(Waiting::asked);
        if completes.is_some_and(|asked| asked.verb == "AUTHENTICATE") {
            self.login = None;
        }
        imap::answer(imap::Answer { completes, tagged: tag != "*", ..imap_answer(rest) })
    }

    fn smtp(&mut self, from: Option<Side>, text: &str) -> (Option<Side>, Option<Explained>) {
        if let Some((code, more, rest)) = smtp_reply(text).filter(|_| from != Some(Side::Client)) {
            return (Some(Side::Server), Some(self.smtp_server(code, more, rest)));
        }
        if from == Some(Side::Server) {
            return (from, None);
        }
        if let Some(mechanism) = self.login.clone() {
            return (Some(Side::Client), Some(response(&mechanism, text)));
        }
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        let verb = verb.to_ascii_uppercase();
        self.remember("", &verb, rest);
        if verb == "AUTH" {
            self.login = rest.split(' ').next().map(str::to_ascii_uppercase);
        }
        (Some(Side::Client), Some(smtp::command(&verb, rest)))
    }

    fn smtp_server(&mut self, code: &str, more: bool, rest: &str) -> Explained {
        let front = self.outstanding.front().map(|(_, waiting)| waiting.clone());
        let asked = front.as_ref().map(Waiting::asked);
        let goes_on = code.starts_with('3');
        let within = self.ehlo;
        let hello = asked.is_some_and(|asked| matches!(asked.verb, "EHLO" | "LHLO"));
        self.ehlo = more && (hello || asked.is_none()) && code == "250";
        if !(more || (goes_on && code == "334")) {
            self.outstanding.pop_front();
            self.login = None;
        }
        if code == "354" {
            self.listing = true;
            self.remember("", "DATA", "");
        }
        if within {
            return smtp::extension(rest);
        }
        match (&self.login, code) {
            (Some(mechanism), "334") => auth::challenge_line(mechanism, rest),
            _ if more && self.ehlo => smtp::answer(code, &[rest], Some(Waiting::new("HELO", "").asked())),
            _ => smtp::answer(code, &[rest], asked.filter(|_| !hello)),
        }
    }

    fn pop3(&mut self, from: Option<Side>, text: &str) -> (Option<Side>, Option<Explained>) {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        if from != Some(Side::Client) && matches!(word, "+OK" | "-ERR" | "+") {
            return (Some(Side::Server), Some(self.pop3_server(word, rest)));
        }
        if from == Some(Side::Server) {
            return (from, None);
        }
        if let Some(mechanism) = self.login.clone() {
            return (Some(Side::Client), Some(response(&mechanism, text)));
        }
        let verb = word.to_ascii_uppercase();
        let many =
            matches!((verb.as_str(), rest.is_empty()), ("LIST" | "UIDL" | "CAPA" | "AUTH", true) | ("RETR" | "TOP", _));
        self.remember(if many { "many" } else { "" }, &verb, rest);
        if verb == "AUTH" && !rest.is_empty() {
            self.login = rest.split(' ').next().map(str::to_ascii_uppercase);
        }
        (Some(Side::Client), Some(pop3::command(&verb, rest)))
    }

    fn pop3_server(&mut self, status: &str, rest: &str) -> Explained {
        if status == "+" {
            let mechanism = self.login.as_deref().unwrap_or_default();
            return auth::challenge_line(mechanism, rest);
        }
        let command = self.outstanding.pop_front();
        self.login = None;
        let (tag, asked) = command.unzip();
        self.listing = status == "+OK" && tag.as_deref() == Some("many");
        pop3::answer(status, rest, asked.as_ref().map(Waiting::asked))
    }
}

/// The protocol that a line can only be of.
fn guess(from: Option<Side>, text: &str) -> Option<Protocol> {
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    let upper = first.to_ascii_uppercase();
    if first == "*" || first == "+" {
        return Some(Protocol::Imap);
    }
    if matches!(first, "+OK" | "-ERR") {
        return Some(Protocol::Pop3);
    }
    if smtp_reply(text).is_some() && from != Some(Side::Client) {
        return Some(Protocol::Smtp);
    }
    let (verb, _) = imap_verb(rest);
    if !verb.is_empty() && find(Protocol::Imap, Category::Command, &verb).is_some() || is_status(rest) {
        return Some(Protocol::Imap);
    }
    let known = |protocol| find(protocol, Category::Command, &upper).is_some();
    match (known(Protocol::Smtp), known(Protocol::Pop3), known(Protocol::Imap)) {
        (true, false, _) => Some(Protocol::Smtp),
        (false, true, _) => Some(Protocol::Pop3),
        _ => None,
    }
}

fn is_status(text: &str) -> bool {
    let first = text.split(' ').next().unwrap_or_default();
    matches!(first, "OK" | "NO" | "BAD")
}

/// `250-text`, `250 text`, `250`.
fn smtp_reply(text: &str) -> Option<(&str, bool, &str)> {
    let code = text.get(..3).filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()))?;
    match text.as_bytes().get(3) {
        None => Some((code, false, "")),
        Some(b' ') => Some((code, false, &text[4..])),
        Some(b'-') => Some((code, true, &text[4..])),
        Some(_) => None,
    }
}

/// The verb of a command, with its UID, in upper case, and what stands behind it.
pub(super) fn imap_verb(text: &str) -> (String, &str) {
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    let verb = verb.to_ascii_uppercase();
    if verb != "UID" {
        return (verb, rest);
    }
    let (second, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    (format!("UID {}", second.to_ascii_uppercase()), rest)
}

/// A server's line behind its star or tag.
pub(super) fn imap_answer(text: &str) -> imap::Answer<'_> {
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    match first.parse::<u64>() {
        Ok(number) => {
            let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            imap::Answer { word, rest, number: Some(number), ..imap::Answer::default() }
        }
        Err(_) => imap::Answer { word: first, rest, ..imap::Answer::default() },
    }
}

/// A line of the client within a login: read by the same code that redacts live sessions, so nothing secret is in it.
fn response(mechanism: &str, text: &str) -> Explained {
    let said = crate::proto::sasl::Exchange::new(mechanism, 0).response(text.trim().as_bytes());
    // Which step it is, is not counted here: a lone LOGIN line may be the name or the password.
    let user = said.user.as_deref().filter(|_| mechanism != "LOGIN");
    if mechanism == "LOGIN" {
        return Explained::new("gives the user name or the password, not shown here", "draft-murchison-sasl-login");
    }
    auth::response(mechanism, said.step, user, &said.args.map())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[&str]) -> (Option<Protocol>, Vec<String>) {
        let mut reader = Reader::default();
        let texts = lines
            .iter()
            .map(|line| reader.line(line).explained.map(|explained| explained.text).unwrap_or_default())
            .collect();
        (reader.protocol, texts)
    }

    #[test]
    fn an_imap_session_is_told_line_by_line() {
        let (protocol, texts) = told(&[
            "S: * OK [CAPABILITY IMAP4rev1] ready",
            "C: a1 LOGIN joe sesame",
            "S: a1 OK done",
            "C: a2 SELECT INBOX",
            "S: * 23 EXISTS",
            "S: a2 OK [READ-WRITE] done",
            "C: a3 idle",
            "S: + idling",
            "C: DONE",
            "S: * BYE over",
        ]);
        assert_eq!(protocol, Some(Protocol::Imap));
        assert_eq!(texts[1], "logs in as joe with a password");
        assert_eq!(texts[2], "the login worked");
        assert_eq!(texts[4], "the mailbox holds 23 messages");
        assert!(texts.iter().all(|text| !text.is_empty() && !text.contains("sesame")), "{texts:?}");
    }

    #[test]
    fn an_smtp_session_is_told_line_by_line() {
        let (protocol, texts) = told(&[
            "220 mail.example ESMTP",
            "EHLO laptop",
            "250-mail.example",
            "250-SIZE 36700160",
            "250 PIPELINING",
            "AUTH LOGIN",
            "334 VXNlcm5hbWU6",
            "am9l",
            "334 UGFzc3dvcmQ6",
            "c2VzYW1l",
            "235 2.7.0 ok",
            "MAIL FROM:<a@b.example>",
            "250 2.1.0 ok",
            "DATA",
            "354 go on",
            "Subject: 250 is no reply here",
            ".",
            "250 2.0.0 queued",
            "QUIT",
        ]);
        assert_eq!(protocol, Some(Protocol::Smtp));
        assert_eq!(texts[3], "the server takes messages up to 35 MB");
        assert_eq!(texts[6], "asks for the user name");
        assert!(texts[9].contains("not shown here"));
        assert_eq!(texts[12], "the sender is accepted");
        assert_eq!(texts[15], "");
        assert_eq!(texts[17], "the message is taken: the server is responsible for it now");
        assert!(texts[18].starts_with("says goodbye"));
    }

    #[test]
    fn a_pop3_session_is_told_line_by_line() {
        let (protocol, texts) = told(&[
            "< +OK ready <1.2@mail.example>",
            "> USER joe",
            "< +OK",
            "> PASS sesame",
            "< +OK logged in",
            "> LIST",
            "< +OK 2 messages",
            "1 120",
            ".",
            "> QUIT",
        ]);
        assert_eq!(protocol, Some(Protocol::Pop3));
        assert_eq!(texts[1], "logs in as joe; the password is in the next line");
        assert_eq!(texts[4], "the login worked");
        assert_eq!(texts[7], "");
        assert_eq!(texts[8], "the dot ends it");
        assert!(texts.iter().all(|text| !text.contains("sesame")));
    }

    #[test]
    fn a_terminal_program_s_own_lines_are_passed_over() {
        let (protocol, texts) = told(&[
            "Trying 192.0.2.1...",
            "Connected to mail.example.",
            "220 mail.example ESMTP",
            "QUIT",
            "221 bye",
            "Connection closed by foreign host.",
        ]);
        assert_eq!(protocol, Some(Protocol::Smtp));
        assert_eq!((texts[1].as_str(), texts[5].as_str()), ("", ""));
        assert!(texts[3].starts_with("says goodbye"));
    }

    #[test]
    fn secrets_are_not_shown_again() {
        let mut reader = Reader::default();
        let mut shown = |line: &str| reader.line(line).shown;
        assert_eq!(shown("* OK ready"), None);
        assert_eq!(shown("C: a1 LOGIN joe sesame").as_deref(), Some("C: a1 LOGIN joe «redacted»"));
        assert_eq!(shown("S: a1 NO no"), None);
        assert_eq!(shown("a2 LOGIN joe {6}"), None);
        assert_eq!(shown("+ go on"), None);
        assert_eq!(shown("sesame").as_deref(), Some("«redacted»"));
        assert_eq!(shown("a2 NO no"), None);
        assert_eq!(shown("a3 AUTHENTICATE PLAIN"), None);
        assert_eq!(shown("+ "), None);
        assert_eq!(shown("AGpvZQBzZXNhbWU=\r\n").as_deref(), Some("«redacted»"));
        assert_eq!(Reader::default().line("PASS open sesame").shown.as_deref(), Some("PASS «redacted»"));
        let mut reader = Reader::new(Protocol::Smtp);
        assert_eq!(reader.line("AUTH PLAIN AGpvZQBzZXNhbWU=").shown.as_deref(), Some("AUTH PLAIN «redacted»"));
    }

    #[test]
    fn the_client_may_speak_first_and_nonsense_is_left_alone() {
        assert_eq!(told(&["ehlo there"]).0, Some(Protocol::Smtp));
        assert_eq!(told(&["a UID FETCH 1:* FLAGS"]).0, Some(Protocol::Imap));
        assert_eq!(told(&["RETR 1"]).0, Some(Protocol::Pop3));
        assert_eq!(told(&["NOOP", "what is this", ""]), (None, vec![String::new(); 3]));
    }
}
