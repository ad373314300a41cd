//! The secrets that a client has said in this session, for where they are said again: by a server that repeats a line
//! it did not like, by a client that types its password where nobody asked for it; and the tokens of URLs.
//! Takes what a dialog has marked as secret, gives places in later lines. Does not know how a login is recognized.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem::Finder;

use crate::event::{Body, Object, REDACTED, Reply};

/// How many spellings of secrets are remembered; a login has about six.
const FORMS_MAX: usize = 32;

/// How many bytes they may have together. Tokens are the longest secrets, and have some thousand.
const BYTES_MAX: usize = 16 * 1024;

/// The longest spelling that is remembered, in bytes: of a longer one, its beginning, behind which a line is masked to
/// its end.
const FORM_MAX: usize = 4 * 1024;

/// What is shorter, in bytes, stands by chance in too many lines.
const FORM_MIN: usize = 4;

/// What is shorter, in bytes, is looked for as a word of its own only.
const WITHIN_WORDS_MIN: usize = 8;

/// The longest URL with a token in it (RFC 4467), in bytes; such URLs are some hundred long.
const URL_MAX: usize = 4 * 1024;

/// What one session's client has said in secret.
#[derive(Clone, Default)]
pub struct Secrets {
    forms: VecDeque<Form>,
    bytes: usize,
    /// A literal that is secret, until it is whole, and how much of it has been learned.
    literal: Vec<u8>,
    learned: usize,
}

#[derive(Clone)]
struct Form {
    /// In lower case.
    find: Finder<'static>,
    /// Only the beginning is remembered.
    goes_on: bool,
}

impl fmt::Debug for Secrets {
    /// How many there are, and no more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.forms.len())
    }
}

impl Secrets {
    /// Remembers what stands in these places of a client's piece. `user` is known to everybody.
    pub fn remember(&mut self, wire: &[u8], places: &[Range<usize>], body: &Body, user: Option<&str>) {
        for place in places {
            let said = wire.get(place.clone()).unwrap_or_default();
            if let Body::Content(content) = body {
                let room = FORM_MAX.saturating_sub(self.literal.len()).min(said.len());
                self.literal.extend_from_slice(said.get(..room).unwrap_or_default());
                if content.last {
                    let literal = std::mem::take(&mut self.literal);
                    self.learned = 0;
                    self.learn(&literal, false, user);
                }
            } else {
                self.learn(said, *body == Body::Raw, user);
            }
        }
    }

    /// Where secrets that were said before, or tokens of URLs, stand in a line; in order, not overlapping. Tokens are
    /// remembered.
    pub fn find(&mut self, line: &[u8]) -> Vec<Range<usize>> {
        // A literal may be announced longer than it is, and its server not wait for the rest.
        if self.literal.len() > self.learned {
            self.learned = self.literal.len();
            let literal = self.literal.clone();
            self.learn(&literal, true, None);
        }
        let mut found = tokens(line);
        for token in &found {
            self.add(line.get(token.clone()).unwrap_or_default());
        }
        self.places(line, &mut found);
        found
    }

    /// In any case: what a protocol takes for one of its words is said again in capitals.
    fn places(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        if self.forms.is_empty() {
            return;
        }
        let folded = text.to_ascii_lowercase();
        for form in &self.forms {
            form.places(&folded, found);
        }
    }

    /// Takes secrets out of what was read from a line.
    pub fn scrub(&self, body: &mut Body) {
        if self.forms.is_empty() {
            return;
        }
        match body {
            Body::Greeting(greeting) => {
                self.scrub_text(&mut greeting.text);
                greeting.code.iter_mut().for_each(|code| self.scrub_text(code));
                self.object(&mut greeting.values);
            }
            Body::Reply(reply) => {
                self.scrub_text(&mut reply.text);
                [&mut reply.code, &mut reply.tag, &mut reply.data]
                    .into_iter()
                    .flatten()
                    .for_each(|text| self.scrub_text(text));
                self.object(&mut reply.values);
            }
            Body::Continue(go) => {
                self.scrub_text(&mut go.text);
                let before = (go.decoded.clone(), go.values.clone());
                go.decoded.iter_mut().for_each(|text| self.scrub_text(text));
                self.object(&mut go.values);
                if (&go.decoded, &go.values) != (&before.0, &before.1) {
                    // The text is the same in base64.
                    REDACTED.clone_into(&mut go.text);
                }
            }
            Body::Command(command) => {
                self.scrub_text(&mut command.verb);
                command.tag.iter_mut().for_each(|tag| self.scrub_text(tag));
                self.object(&mut command.args);
            }
            Body::Auth(auth) => {
                auth.user.iter_mut().for_each(|user| self.scrub_text(user));
                self.object(&mut auth.args);
            }
            Body::Note(note) => self.scrub_text(&mut note.text),
            _ => {}
        }
    }

    fn object(&self, object: &mut Object) {
        if !object.is_empty() {
            object.map_texts(&mut |text| self.scrub_text(text));
        }
    }

    /// Takes secrets out of a text.
    pub fn scrub_text(&self, text: &mut String) {
        let mut found = Vec::new();
        self.places(text.as_bytes(), &mut found);
        for place in sorted(found).into_iter().rev() {
            if text.get(place.clone()).is_some() {
                text.replace_range(place, REDACTED);
            }
        }
    }

    /// What was said in any of the ways in which it may be said again. Of several words the last is a password, or all
    /// may be; several together may be one, and all but the last of them be repeated.
    fn learn(&mut self, said: &[u8], words: bool, user: Option<&str>) {
        let said = said.trim_ascii();
        self.learn_one(said, user);
        let mut several = said.split(u8::is_ascii_whitespace);
        if words {
            several.for_each(|word| self.learn_one(word, user));
        } else if let Some(last) = several.next_back().filter(|last| last.len() < said.len()) {
            self.learn_one(last, user);
            let before = said.get(..said.len() - last.len()).unwrap_or_default().trim_ascii();
            if before.iter().any(u8::is_ascii_whitespace) {
                self.learn_one(before, user);
            }
        }
    }

    fn learn_one(&mut self, said: &[u8], user: Option<&str>) {
        let is_user = |form: &[u8]| user.is_some_and(|user| user.as_bytes() == form);
        let mut forms = vec![said.to_vec()];
        let mut plain = said.to_vec();
        if let Some(quoted) = said.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) {
            plain = unescaped(quoted);
            forms.extend([quoted.to_vec(), plain.clone()]);
        }
        let reads = |message: &Vec<u8>| std::str::from_utf8(message).is_ok() || message.contains(&0);
        let passwords = match STANDARD.decode(&plain).ok().filter(reads) {
            Some(message) if is_user(&message) => return,
            Some(message) => within(&message),
            None => vec![plain],
        };
        for password in passwords {
            if password.len() <= FORM_MAX && !is_user(&password) {
                let mut messages = vec![password.clone()];
                if let Some(user) = user.map(str::as_bytes).filter(|user| user.len() <= FORM_MAX) {
                    // As PLAIN says it (RFC 4616 §2), for nobody else or for oneself.
                    messages.extend([&b""[..], user].map(|whose| [whose, b"\0", user, b"\0", &password].concat()));
                }
                let encoded = messages.iter().map(|message| STANDARD.encode(message));
                forms.extend(encoded.map(|form| form.trim_end_matches('=').as_bytes().to_vec()));
            }
            forms.push(password);
        }
        for form in forms.iter().filter(|form| !is_user(form)) {
            self.add(form);
            // As it is written in what is read of a line.
            if let Cow::Owned(text) = String::from_utf8_lossy(form) {
                self.add(text.as_bytes());
            }
        }
    }

    fn add(&mut self, form: &[u8]) {
        let kept = form.get(..FORM_MAX).unwrap_or(form).to_ascii_lowercase();
        if kept.len() < FORM_MIN || self.forms.iter().any(|known| known.find.needle() == kept) {
            return;
        }
        self.bytes += kept.len();
        self.forms.push_back(Form { find: Finder::new(&kept).into_owned(), goes_on: kept.len() < form.len() });
        while self.forms.len() > FORMS_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.forms.pop_front() else { return };
            self.bytes -= oldest.find.needle().len();
        }
    }
}

impl Form {
    fn places(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        let length = self.find.needle().len();
        for at in self.find.find_iter(text) {
            let end = if self.goes_on { text.trim_ascii_end().len().max(at + length) } else { at + length };
            let joins = |index: Option<usize>| {
                index.and_then(|index| text.get(index)).is_some_and(|byte| byte.is_ascii_alphanumeric())
            };
            if length >= WITHIN_WORDS_MIN || !(joins(at.checked_sub(1)) || joins(Some(end))) {
                found.push(at..end);
            }
        }
    }
}

/// What was read of a line that is secret as a whole: only that it is an answer, and to what.
pub(super) fn hide(body: &mut Body) {
    if let Body::Reply(reply) = body {
        let Reply { status, answers, latency_us, .. } = std::mem::take(reply);
        *reply = Reply { status, answers, latency_us, text: REDACTED.to_owned(), ..Reply::default() };
    }
}

/// Places in order, those that overlap joined.
#[must_use]
pub fn sorted(mut places: Vec<Range<usize>>) -> Vec<Range<usize>> {
    places.sort_unstable_by_key(|place| place.start);
    places.dedup_by(|next, last| {
        let joins = next.start < last.end;
        if joins {
            last.end = last.end.max(next.end);
        }
        joins
    });
    places
}

/// What is secret in a SASL message: the password behind names and NULs (RFC 4616), the token behind `auth=` (RFC 7628),
/// the last word of others.
fn within(message: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = message.split(|byte| matches!(byte, 0 | 1)).filter(|part| !part.is_empty());
    if message.contains(&1) {
        let tokens = parts.filter_map(|part| part.strip_prefix(b"auth="));
        return tokens.filter_map(|token| token.rsplit(|&byte| byte == b' ').next()).map(<[u8]>::to_vec).collect();
    }
    if message.contains(&0) {
        return parts.next_back().map(<[u8]>::to_vec).into_iter().collect();
    }
    vec![message.to_vec()]
}

fn unescaped(quoted: &[u8]) -> Vec<u8> {
    let mut bytes = quoted.iter().copied();
    let mut plain = Vec::with_capacity(quoted.len());
    while let Some(byte) = bytes.next() {
        plain.push(if byte == b'\\' { bytes.next().unwrap_or(byte) } else { byte });
    }
    plain
}

/// Where the tokens of authorized URLs stand: whoever has one may read the message (RFC 4467 §3).
fn tokens(line: &[u8]) -> Vec<Range<usize>> {
    const MARK: &[u8] = b"urlauth=";
    let mut found = Vec::new();
    for at in memchr::memchr_iter(b';', line) {
        let from = at + 1 + MARK.len();
        if !line.get(at + 1..from).is_some_and(|mark| mark.eq_ignore_ascii_case(MARK)) {
            continue;
        }
        let rest = line.get(from..line.len().min(from + URL_MAX)).unwrap_or_default();
        let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b')' | b'>' | b'<' | b';');
        let rest = rest.get(..rest.iter().position(ends).unwrap_or(rest.len())).unwrap_or_default();
        // Who may use it, by which mechanism, the token.
        let mut colons = memchr::memchr_iter(b':', rest);
        let (_, second) = (colons.next(), colons.next());
        if let Some(token) = second.map(|second| from + second + 1..from + rest.len()).filter(|token| !token.is_empty())
        {
            found.push(token);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(secrets: &mut Secrets, line: &str) -> String {
        let mut line = line.to_owned();
        for place in sorted(secrets.find(line.as_bytes())).into_iter().rev() {
            line.replace_range(place, "#");
        }
        line
    }

    fn knows(said: &str, user: Option<&str>) -> Secrets {
        let mut secrets = Secrets::default();
        let body = Body::Command(crate::event::Command::default());
        secrets.remember(said.as_bytes(), &[0..said.len()], &body, user);
        secrets
    }

    #[test]
    fn a_password_is_found_in_its_spellings() {
        let mut secrets = knows("\"hunt\\\"er2\"", Some("joe"));
        assert_eq!(masked(&mut secrets, "no \"hunt\\\"er2\" or hunt\"er2, joe"), "no # or #, joe");
        let mut secrets = knows(&STANDARD.encode("\0joe\0hunter2"), Some("joe"));
        let echoed = format!("500 what? AUTH PLAIN {} (joe:hunter2)", STANDARD.encode("\0joe\0hunter2"));
        assert_eq!(masked(&mut secrets, &echoed), "500 what? AUTH PLAIN # (joe:#)");
        let mut secrets = knows("hunter2", Some("joe"));
        for plain in ["\0joe\0hunter2", "joe\0joe\0hunter2"] {
            let said = STANDARD.encode(plain);
            assert_eq!(masked(&mut secrets, &said).trim_end_matches('='), "#", "{said}");
        }
        let mut secrets = knows(&STANDARD.encode("user=joe\x01auth=Bearer ya29.token\x01\x01"), Some("joe"));
        assert_eq!(masked(&mut secrets, "joe ya29.token Bearer"), "joe # Bearer");
    }

    #[test]
    fn short_ones_are_words_and_the_shortest_and_the_user_are_none() {
        let mut secrets = knows("1234", None);
        assert_eq!(masked(&mut secrets, "51234 1234. 12345"), "51234 #. 12345");
        assert_eq!(masked(&mut knows("abc", None), "abc abc"), "abc abc");
        assert_eq!(masked(&mut knows("joe@example", Some("joe@example")), "hi joe@example"), "hi joe@example");
        assert_eq!(masked(&mut knows(&STANDARD.encode("longname"), Some("longname")), "hi longname"), "hi longname");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut secrets = Secrets::default();
        for number in 0..1000 {
            secrets.learn(format!("password{number}{}", "x".repeat(3000)).as_bytes(), false, None);
        }
        assert!(secrets.bytes <= BYTES_MAX && secrets.forms.len() <= FORMS_MAX);
        let long = "t".repeat(10_000);
        assert_eq!(masked(&mut knows(&long, None), &format!("no {long}\r\n")), "no #\r\n");
    }

    #[test]
    fn tokens_of_urls_are_found() {
        let line =
            "* GENURLAUTH \"imap://joe@x/INBOX;uid=1;URLAUTH=user+fred:internal:0afe12\" \"x;urlauth=anonymous\"";
        assert_eq!(masked(&mut Secrets::default(), line), line.replace("0afe12", "#"));
    }
}
