//! What a listing says of a session, and the index lines that carry it: one when it was opened, one when it was closed.
//! Takes the events of a session, or a line, gives an [`Entry`]; and back.
//! Does not know where the lines lie, nor which protocol they are about.

use std::cmp::Ordering;

use crate::event::{Body, Close, Event, Object, Open, Origin, Seq, Side, Stamp};

use super::flat::{self, Value};
use super::ids::Id;

/// How many different findings an entry lists; a session that has more is broken beyond counting.
const MAX_FINDINGS: usize = 32;

/// Commands that log a client in. When the server refuses one of them and accepts none later, the session failed.
const LOGIN_VERBS: [&str; 5] = ["LOGIN", "AUTHENTICATE", "AUTH", "PASS", "APOP"];

/// What `sessions` says of one session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    pub session: String,
    pub protocol: String,
    pub client: String,
    pub upstream_name: String,
    pub user: Option<String>,
    pub opened: Stamp,
    /// Microseconds from open to close; None while that is not known.
    pub duration_us: Option<u64>,
    pub commands: u64,
    pub client_bytes: u64,
    pub server_bytes: u64,
    /// One text for each leg with TLS: `client TLSv1.3`.
    pub tls: Vec<String>,
    pub status: Status,
    /// Codes of what was found, each once.
    pub findings: Vec<String>,
    /// Why the session counts as failed: no clean close, no login, no server.
    pub failed: Option<String>,
    /// The process that records it, while it is open.
    pub(super) writer: String,
    /// The last command that logs in, until it is answered.
    login: Option<Seq>,
    login_refused: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Status {
    #[default]
    Running,
    Closed,
    /// Without a close, and the process that recorded it is no more.
    Unfinished,
}

impl Status {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Status::Running => "running",
            Status::Closed => "closed",
            Status::Unfinished => "unfinished",
        }
    }
}

impl Entry {
    /// The entry of a session that begins.
    #[must_use]
    pub fn new(open: &Open, at: Stamp) -> Entry {
        Entry {
            session: open.session.clone(),
            protocol: open.protocol.clone(),
            client: open.client.clone(),
            upstream_name: open.upstream_name.clone(),
            opened: at,
            ..Entry::default()
        }
    }

    /// Takes in the next event of the session. Fed with all of them, live or read back, it comes out the same.
    pub fn observe(&mut self, event: &Event<'_>) {
        if self.duration_us.is_none() || self.status != Status::Closed {
            self.duration_us = Some(event.at.since(self.opened));
        }
        self.count(event);
        match &event.body {
            Body::Open(open) => {
                let writer = std::mem::take(&mut self.writer);
                *self = Entry { writer, ..Entry::new(open, event.at) };
            }
            Body::Tls(tls) => match (&tls.error, &tls.version) {
                (Some(error), _) => self.failed = Some(format!("TLS with the {} failed: {error}", event.from.name())),
                (None, version) => {
                    self.tls.push(format!("{} {}", event.from.name(), version.as_deref().unwrap_or("TLS")));
                }
            },
            Body::Command(command) if command.continues.is_none() => {
                self.commands += 1;
                if LOGIN_VERBS.contains(&command.verb.as_str()) {
                    self.login = Some(event.seq);
                }
            }
            Body::Auth(auth) if auth.user.is_some() => self.user.clone_from(&auth.user),
            Body::Reply(reply) if reply.answers.is_some() && reply.answers == self.login => {
                self.login = None;
                self.login_refused =
                    is_refusal(&reply.status).then(|| format!("login refused: {} {}", reply.status, reply.text));
            }
            Body::Note(note) => self.find(&note.code),
            Body::Close(close) => self.close(close),
            _ => {}
        }
    }

    /// Lists a finding, once.
    pub fn find(&mut self, code: &str) {
        if self.findings.len() < MAX_FINDINGS && !self.findings.iter().any(|known| known == code) {
            self.findings.push(code.to_owned());
        }
    }

    /// Without a close, and nobody records it any more.
    pub(super) fn unfinished(&mut self) {
        self.status = Status::Unfinished;
        self.failed = Some("not closed".to_owned());
    }

    fn count(&mut self, event: &Event<'_>) {
        let elided = match &event.body {
            Body::Content(content) => content.elided.unwrap_or(0),
            _ => 0,
        };
        let bytes = event.wire.len() as u64 + elided;
        match event.from {
            Origin::Client => self.client_bytes += bytes,
            Origin::Server => self.server_bytes += bytes,
            Origin::Proxy => {
                if let Body::Gap(gap) = &event.body {
                    let side =
                        if gap.side == Side::Client.name() { &mut self.client_bytes } else { &mut self.server_bytes };
                    *side += gap.bytes;
                }
            }
        }
    }

    fn close(&mut self, close: &Close) {
        self.status = Status::Closed;
        self.duration_us = Some(close.duration_us);
        self.commands = close.commands;
        self.client_bytes = close.client_bytes;
        self.server_bytes = close.server_bytes;
        if close.user.is_some() {
            self.user.clone_from(&close.user);
        }
        // Whoever stops mailtap has not seen a session fail by that.
        let by_proxy = close.by == Origin::Proxy.name() && close.reason != Close::STOPPED;
        self.failed = if by_proxy {
            Some(close.reason.clone())
        } else {
            self.failed.take().or_else(|| self.login_refused.take())
        };
    }

    /// The line that `sessions --json` prints; what is not known while the session runs is `null`.
    #[must_use]
    pub fn listed(&self, path: &str) -> Object {
        let mut line = Object::new();
        line.text("session", &self.session);
        self.fields(&mut line);
        line.text("status", self.status.name()).list("findings", &self.findings).text("path", path);
        if let Some(failed) = &self.failed {
            line.text("failed", failed);
        }
        line
    }

    fn fields(&self, line: &mut Object) {
        line.text("protocol", &self.protocol).text("client", &self.client);
        line.text("upstream_name", &self.upstream_name);
        match &self.user {
            Some(user) => line.text("user", user),
            None => line.null("user"),
        };
        line.text("opened", &self.opened.to_string());
        let known = self.status != Status::Running;
        for (name, number) in [
            ("duration_us", self.duration_us),
            ("commands", known.then_some(self.commands)),
            ("client_bytes", known.then_some(self.client_bytes)),
            ("server_bytes", known.then_some(self.server_bytes)),
        ] {
            match number {
                Some(number) => line.number(name, number),
                None => line.null(name),
            };
        }
        line.list("tls", &self.tls);
    }
}

/// Whether a reply's status says no: `NO`, `BAD`, `-ERR`, `4..`, `5..`.
#[must_use]
pub fn is_refusal(status: &str) -> bool {
    matches!(status, "NO" | "BAD" | "BYE" | "-ERR")
        || (status.len() == 3 && matches!(status.as_bytes().first(), Some(b'4' | b'5')))
}

/// Appends the line for a session that begins. Name and status stand first, so that [`peek`] need not parse.
pub(super) fn write_opened(entry: &Entry, writer: &str, out: &mut Vec<u8>) {
    let mut line = begin(entry, Status::Running);
    line.text("protocol", &entry.protocol).text("client", &entry.client).text("upstream_name", &entry.upstream_name);
    line.text("opened", &entry.opened.to_string()).text("writer", writer);
    finish(&line, out);
}

/// Appends the line for a session that ended, closed or unfinished.
pub(super) fn write_closed(entry: &Entry, out: &mut Vec<u8>) {
    let status = if entry.status == Status::Unfinished { Status::Unfinished } else { Status::Closed };
    let mut line = begin(entry, status);
    entry.fields(&mut line);
    line.list("findings", &entry.findings);
    if let Some(failed) = &entry.failed {
        line.text("failed", failed);
    }
    finish(&line, out);
}

fn begin(entry: &Entry, status: Status) -> Object {
    let mut line = Object::new();
    line.text("session", &entry.session).text("status", status.name());
    line
}

fn finish(line: &Object, out: &mut Vec<u8>) {
    let mut text = String::with_capacity(384);
    line.write(&mut text);
    text.push('\n');
    out.extend_from_slice(text.as_bytes());
}

/// The session that a line is about and whether it is the closing one, without parsing the line. None where it was not
/// written by this program, or is torn.
pub(super) fn peek(line: &[u8]) -> Option<(&str, bool)> {
    let rest = line.strip_prefix(b"{\"session\":\"")?;
    let name = std::str::from_utf8(rest.get(..memchr::memchr(b'"', rest)?)?).ok()?;
    let closed = rest.get(name.len()..)?.starts_with(b"\",\"status\":\"closed\"");
    (line.last() == Some(&b'}')).then_some((Id::parse(name)?.as_str(), closed))
}

/// The line that counts for each session: the closing one, else the last. In the order of their names.
pub(super) fn latest(bytes: &[u8]) -> Latest<'_> {
    let mut lines = Vec::with_capacity(bytes.len() / 256);
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', bytes) {
        let line = bytes.get(start..end).unwrap_or_default();
        start = end + 1;
        if let Some((session, closed)) = peek(line) {
            lines.push((session, closed, line));
        }
    }
    // Mostly sorted already. Stable, so that of several lines about a session the last stays last.
    lines.sort_by(|one, other| one.0.cmp(other.0));
    lines.dedup_by(|later, stands| {
        let same = later.0 == stands.0;
        if same && (later.1 || !stands.1) {
            *stands = *later;
        }
        same
    });
    Latest(lines)
}

/// Each session's line: its name, whether it is closed, the line.
pub(super) struct Latest<'b>(Vec<(&'b str, bool, &'b [u8])>);

impl<'b> Latest<'b> {
    /// For looking up names in falling order: each step goes on from the one before.
    pub(super) fn falling(&self) -> Falling<'_, 'b> {
        Falling(&self.0)
    }

    pub(super) fn line(&self, session: &str) -> Option<&'b [u8]> {
        let place = self.0.binary_search_by(|(name, _, _)| (*name).cmp(session)).ok()?;
        self.0.get(place).map(|(_, _, line)| *line)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'b str, &'b [u8])> {
        self.0.iter().map(|(name, _, line)| (*name, *line))
    }
}

/// Lines not yet passed.
pub(super) struct Falling<'a, 'b>(&'a [(&'b str, bool, &'b [u8])]);

impl<'b> Falling<'_, 'b> {
    /// The line of a session whose name is below all that were asked for before.
    pub(super) fn line(&mut self, session: &str) -> Option<&'b [u8]> {
        while let Some(((name, _, line), below)) = self.0.split_last() {
            match (*name).cmp(session) {
                Ordering::Less => return None,
                Ordering::Equal => return Some(line),
                Ordering::Greater => self.0 = below,
            }
        }
        None
    }
}

/// Reads a line of the index. Nothing where it is damaged: the recording itself is read then.
pub(super) fn parse(line: &[u8]) -> Option<Entry> {
    let mut entry = Entry::default();
    let (mut status, mut opened) = (None, None);
    flat::fields(line, &mut |name, value| match (name, value) {
        ("session", Value::Text(text)) => entry.session = text.into_owned(),
        ("protocol", Value::Text(text)) => entry.protocol = text.into_owned(),
        ("client", Value::Text(text)) => entry.client = text.into_owned(),
        ("upstream_name", Value::Text(text)) => entry.upstream_name = text.into_owned(),
        ("user", Value::Text(text)) => entry.user = Some(text.into_owned()),
        ("opened", Value::Text(text)) => opened = Stamp::parse(&text),
        ("duration_us", Value::Number(number)) => entry.duration_us = Some(number),
        ("commands", Value::Number(number)) => entry.commands = number,
        ("client_bytes", Value::Number(number)) => entry.client_bytes = number,
        ("server_bytes", Value::Number(number)) => entry.server_bytes = number,
        ("tls", Value::Texts(texts)) => entry.tls = texts,
        ("status", Value::Text(text)) => {
            status =
                [Status::Closed, Status::Running, Status::Unfinished].into_iter().find(|status| status.name() == text);
        }
        ("findings", Value::Texts(texts)) => entry.findings = texts,
        ("failed", Value::Text(text)) => entry.failed = Some(text.into_owned()),
        ("writer", Value::Text(text)) => entry.writer = text.into_owned(),
        _ => {}
    })?;
    entry.opened = opened?;
    entry.status = status?;
    Id::parse(&entry.session)?;
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "20261123T033203200-0w3ge1r7";

    fn entry() -> Entry {
        let open = Open { session: ID.to_owned(), protocol: "raw \"x\"".to_owned(), ..Open::default() };
        Entry::new(&open, Stamp(1_795_404_723_200_001))
    }

    #[test]
    fn a_line_reads_back() {
        let mut closed = entry();
        closed.user = Some("jö\"e".to_owned());
        closed.tls = vec!["client TLSv1.3".to_owned()];
        closed.find("plaintext-password");
        closed.find("plaintext-password");
        closed.close(&Close { by: "proxy".into(), reason: "no server".into(), commands: 7, ..Close::default() });
        assert_eq!(closed.findings.len(), 1);
        let mut line = Vec::new();
        write_closed(&closed, &mut line);
        line.pop();
        assert_eq!(peek(&line), Some((ID, true)));
        assert_eq!(parse(&line), Some(closed));
        let mut line = Vec::new();
        write_opened(&entry(), "7-abc", &mut line);
        line.pop();
        assert_eq!(peek(&line), Some((ID, false)));
        assert_eq!(parse(&line), Some(Entry { writer: "7-abc".to_owned(), ..entry() }));
        assert_eq!(peek(&line[..line.len() - 1]), None);
    }

    #[test]
    fn a_session_that_mailtap_was_told_to_end_did_not_fail_by_that() {
        let mut stopped = entry();
        stopped.close(&Close { by: "proxy".into(), reason: Close::STOPPED.into(), ..Close::default() });
        assert_eq!(stopped.failed, None);
        let mut refused = entry();
        refused.login_refused = Some("login refused: NO".to_owned());
        refused.close(&Close { by: "proxy".into(), reason: Close::STOPPED.into(), ..Close::default() });
        assert_eq!(refused.failed.as_deref(), Some("login refused: NO"));
    }

    #[test]
    fn the_closing_line_counts_whatever_comes_after_it() {
        let mut bytes = Vec::new();
        write_opened(&entry(), "1-a", &mut bytes);
        let closed_from = bytes.len();
        let mut closed = entry();
        closed.close(&Close::default());
        write_closed(&closed, &mut bytes);
        let closed_until = bytes.len() - 1;
        let mut unfinished = entry();
        unfinished.unfinished();
        write_closed(&unfinished, &mut bytes);
        bytes.extend_from_slice(b"{\"session\":\"torn");
        let lines = latest(&bytes);
        assert_eq!(lines.line(ID), bytes.get(closed_from..closed_until));
        assert_eq!(lines.iter().count(), 1);
    }
}
