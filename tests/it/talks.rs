//! Conversations as tests: every `tests/talks/*/*.talk` is run through a session and compared with the events it expects.
//! Takes files of `C:` and `S:` lines; `BLESS=1` writes what came out into them, to be read by a person afterwards.
//! Knows no socket: the session is fed directly, whole, byte by byte and at random cuts.
//!
//! ```text
//! # what this is, and where the facts come from
//! protocol: imap
//! tls: implicit           where both legs have TLS from the first byte
//! S: * OK ready            a line, with CRLF
//! C| raw \x00 bytes\n      no line end of its own; \r \n \t \\ \xNN
//! ---
//! {"seq":0,…}              the events, one a line, without their times
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use mailtap::event::{Body, Event, Origin, Side, Stamp, Tls};
use mailtap::proto::{self, Setup};
use mailtap::session::{Config, Log, Next, Outbox, Session};
use mailtap::view::words::{Explainer, Protocol};
use mailtap::view::{Facts, Style, Talk as Shown, paint};

struct Talk {
    head: String,
    protocol: String,
    implicit: bool,
    said: Vec<(Side, Vec<u8>)>,
    expected: String,
}

#[derive(Default)]
struct Events(Vec<Event<'static>>);

impl Log for Events {
    fn event(&mut self, event: &Event<'_>) {
        self.0.push(event.clone().into_owned());
    }
}

struct Heard {
    events: Vec<Event<'static>>,
    /// What each side was sent: the client, the server.
    sent: [Vec<u8>; 2],
}

#[test]
fn talks_mean_what_they_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/talks");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(!files.is_empty(), "no talks below {}", root.display());
    let mut wrong = Vec::new();
    for file in files {
        let talk = Talk::read(&fs::read_to_string(&file).unwrap());
        let whole = talk.run(usize::MAX);
        let found = shown(&whole.events);
        if std::env::var_os("BLESS").is_some() {
            fs::write(&file, format!("{}---\n{found}", talk.head)).unwrap();
        } else if found != talk.expected {
            wrong.push(format!("{}:\n--- expected\n{}--- found\n{found}", file.display(), talk.expected));
        }
        let told = |side: Side| -> Vec<u8> {
            talk.said.iter().filter(|(from, _)| *from == side).flat_map(|(_, bytes)| bytes.clone()).collect()
        };
        if talk.implicit || !whole.events.iter().any(|event| matches!(event.body, Body::Tls(_))) {
            assert_eq!(whole.sent[0], told(Side::Server), "{}: what the client was sent", file.display());
            assert_eq!(whole.sent[1], told(Side::Client), "{}: what the server was sent", file.display());
        }
        // What a server injects behind its reply is plaintext only if it arrives together with it.
        let cuts: &[usize] = if talk.head.contains("\n# in one piece") { &[] } else { &[1, 2, 3, 7, 50] };
        for &cut in cuts {
            let cut_up = talk.run(cut);
            assert_eq!(merged(&whole.events), merged(&cut_up.events), "{} in pieces of {cut}", file.display());
            assert_eq!(whole.sent, cut_up.sent, "{} in pieces of {cut}", file.display());
        }
    }
    assert!(wrong.is_empty(), "{}\n(BLESS=1 writes what was found; read it then)", wrong.join("\n"));
}

/// Talks named after a server's dialect, and the words in them that are unknown on purpose.
const DIALECTS: [(&str, &[&str]); 19] = [
    ("imap/courier", &[]),
    ("imap/cyrus", &[]),
    ("imap/exchange-ntlm", &[]),
    ("imap/exchange-online-oauth", &[]),
    ("imap/gmail", &[]),
    ("imap/hmailserver", &[]),
    ("imap/icloud", &[]),
    ("imap/yahoo", &[]),
    ("pop3/courier", &[]),
    ("pop3/exchange", &["XYZ is an unknown command"]),
    ("pop3/gmail", &[]),
    ("smtp/exchange-ntlm-bdat", &[]),
    ("smtp/exchange-spnego", &[]),
    ("smtp/exchange-x-anonymoustls", &[]),
    ("smtp/exchange-x-exps", &[]),
    ("smtp/exim-prdr", &[]),
    ("smtp/gmail", &[]),
    ("smtp/hmailserver", &[]),
    ("smtp/sendmail-verbose", &[]),
];

/// What the proxy remarks on in these talks, and rightly: passwords cross in plaintext, X-ANONYMOUSTLS hides what follows
/// it, Gmail and Yahoo put no text behind HIGHESTMODSEQ, and the client asks iCloud for what it refuses.
const RIGHTLY_NOTED: [(&str, &str); 5] = [
    ("", "plaintext-password"),
    ("smtp/exchange-x-anonymoustls", "opaque-tls"),
    ("imap/gmail", "known-deviation"),
    ("imap/yahoo", "known-deviation"),
    ("imap/icloud", "capability-not-offered"),
];

#[test]
fn dialects_are_explained_without_unknown_words_or_false_findings() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/talks");
    let mut wrong = Vec::new();
    for (name, strangers) in DIALECTS {
        let talk = Talk::read(&fs::read_to_string(root.join(name).with_extension("talk")).unwrap());
        let mut explainer = Explainer::new(Protocol::parse(&talk.protocol).unwrap());
        for event in talk.run(usize::MAX).events {
            let told = explainer.explain(&event);
            let needs_words = match &event.body {
                Body::Greeting(_) | Body::Continue(_) | Body::Auth(_) => true,
                Body::Command(command) => command.continues.is_none(),
                Body::Reply(reply) => reply.continues.is_none(),
                Body::Note(note)
                    if !RIGHTLY_NOTED.iter().any(|(of, code)| name.starts_with(of) && note.code == *code) =>
                {
                    wrong.push(format!("{name}: {}: {}", note.code, note.text));
                    false
                }
                _ => false,
            };
            let text = told.map(|told| told.text).unwrap_or_default();
            let unknown = text.contains("unknown") && !strangers.iter().any(|stranger| text.starts_with(stranger));
            if unknown || (needs_words && text.is_empty()) {
                wrong.push(format!("{name}: {}: {text:?}", String::from_utf8_lossy(&event.wire).trim_end()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Talks of logins whose messages are decoded, one with wide letters, and one of each further protocol. Their
/// conversations with explanations stand beside them as text, and so do those of the dialects.
const SHOWN: [&str; 8] = [
    "imap/digest-md5",
    "imap/gssapi",
    "imap/oauth-refused",
    "imap/scram",
    "imap/wide-names",
    "lmtp/rfc2033",
    "sieve/rfc5804",
    "sieve/refusals",
];

/// Talks whose conversation is kept at this width too.
const SHOWN_WIDE: [&str; 5] = ["imap/courier", "pop3/courier", "smtp/exim-prdr", "lmtp/rfc2033", "sieve/rfc5804"];

#[test]
fn conversations_with_explanations_read_as_somebody_read_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/talks");
    let mut wrong = Vec::new();
    for name in DIALECTS.into_iter().map(|(name, _)| name).chain(SHOWN) {
        let talk = Talk::read(&fs::read_to_string(root.join(name).with_extension("talk")).unwrap());
        let widths: &[usize] = if SHOWN_WIDE.contains(&name) { &[80, 160] } else { &[80] };
        for columns in widths {
            let text = talk.explained(*columns);
            let file = root.join(format!("{name}.{columns}.txt"));
            if std::env::var_os("BLESS").is_some() {
                fs::write(&file, &text).unwrap();
            }
            if text != fs::read_to_string(&file).unwrap_or_default() {
                wrong.push(format!("{}:\n{text}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n(BLESS=1 writes what was found; read it then)", wrong.join("\n"));
}

#[test]
fn conversations_with_explanations_fit_the_terminal() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/talks");
    for name in DIALECTS.into_iter().map(|(name, _)| name).chain(SHOWN) {
        let talk = Talk::read(&fs::read_to_string(root.join(name).with_extension("talk")).unwrap());
        for columns in [60, 80, 160] {
            for line in talk.explained(columns).lines() {
                assert!(paint::width(line) <= columns, "{name} at {columns}: {line}");
                assert!(!line.contains("│") || line.starts_with("                │"), "{name} at {columns}: {line}");
            }
        }
    }
}

impl Talk {
    fn read(text: &str) -> Talk {
        let (head, expected) = text.split_once("---\n").unwrap_or((text, ""));
        let mut talk = Talk {
            head: head.to_owned(),
            protocol: String::new(),
            implicit: false,
            said: Vec::new(),
            expected: expected.to_owned(),
        };
        for line in head.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(protocol) = line.strip_prefix("protocol: ") {
                protocol.clone_into(&mut talk.protocol);
                continue;
            }
            if line == "tls: implicit" {
                talk.implicit = true;
                continue;
            }
            let side = match line.as_bytes().first() {
                Some(b'C') => Side::Client,
                Some(b'S') => Side::Server,
                _ => panic!("a line of a talk begins with C: S: C| S| or #: {line:?}"),
            };
            let rest = &line[2..];
            let mut bytes = unescaped(rest.strip_prefix(' ').unwrap_or(rest));
            if line.as_bytes()[1] == b':' {
                bytes.extend_from_slice(b"\r\n");
            }
            // One speaker's lines in a row arrive together, as they would from a socket.
            match talk.said.last_mut() {
                Some((last, said)) if *last == side => said.extend(bytes),
                _ => talk.said.push((side, bytes)),
            }
        }
        talk
    }

    /// The conversation as it is shown, with explanations, on a terminal of so many columns.
    fn explained(&self, columns: usize) -> String {
        let (spec, _) = proto::scheme(&self.protocol).unwrap();
        let style = Style { color: false, width: Some(columns) };
        let explainer = Explainer::new(Protocol::parse(spec.name).unwrap());
        let mut shown = Shown::new(style, Facts::default()).annotated(Box::new(explainer));
        let mut text = String::new();
        for event in &self.run(usize::MAX).events {
            shown.event(event, &mut text);
        }
        shown.end(&mut text);
        text
    }

    fn run(&self, cut: usize) -> Heard {
        let (spec, _) = proto::scheme(&self.protocol).unwrap_or_else(|| panic!("protocol {:?}", self.protocol));
        let mut session = Session::new(spec, Setup::default(), false, Config::default());
        let mut heard = Heard { events: Vec::new(), sent: [Vec::new(), Vec::new()] };
        let mut log = Events::default();
        let mut now = Stamp(0);
        for side in [Side::Server, Side::Client].iter().filter(|_| self.implicit) {
            let facts = Tls { how: "implicit".to_owned(), version: Some("TLSv1.3".to_owned()), ..Tls::default() };
            session.shaken(now, *side, facts, &mut log);
        }
        for (side, bytes) in &self.said {
            now.0 += 1000;
            for chunk in bytes.chunks(cut.min(bytes.len()).max(1)) {
                let mut out = Outbox::default();
                session.bytes(now, *side, chunk, &mut log, &mut out);
                heard.take(*side, chunk, &out);
                while out.next != Next::Relay {
                    out = upgrade(&mut session, now, &out.next, &mut log);
                    heard.take(*side, b"", &out);
                }
            }
        }
        for side in Side::BOTH {
            let mut out = Outbox::default();
            session.end(now, side, &mut log, &mut out);
            heard.take(side, b"", &out);
        }
        session.close(now, Origin::Client, "the talk is over", &mut log);
        heard.events = log.0;
        heard
    }
}

impl Heard {
    fn take(&mut self, from: Side, chunk: &[u8], out: &Outbox) {
        let to = usize::from(from == Side::Client);
        self.sent[to].extend_from_slice(&chunk[..out.pass]);
        self.sent[0].extend_from_slice(&out.to_client);
        self.sent[1].extend_from_slice(&out.to_server);
    }
}

/// A handshake that succeeds at once.
fn upgrade(session: &mut Session, now: Stamp, next: &Next, log: &mut Events) -> Outbox {
    let side = match next {
        Next::UpgradeServer => Side::Server,
        Next::UpgradeClient { .. } => Side::Client,
        other => panic!("{other:?}"),
    };
    let facts = mailtap::event::Tls {
        how: "starttls".into(),
        version: Some("TLSv1.3".into()),
        ..mailtap::event::Tls::default()
    };
    let mut out = Outbox::default();
    session.upgraded(now, side, Some(facts), log, &mut out);
    out
}

fn shown(events: &[Event<'static>]) -> String {
    events
        .iter()
        .map(|event| {
            let line = event.to_json();
            let (before, after) = line.split_once(",\"at\":\"").unwrap();
            format!("{before}{}\n", &after[after.find('"').unwrap() + 1..])
        })
        .collect()
}

/// Events with adjacent content joined, and without what depends on how many there were.
fn merged(events: &[Event<'static>]) -> Vec<(Origin, Vec<u8>, bool, String)> {
    let mut joined: Vec<(Origin, Vec<u8>, bool, String)> = Vec::new();
    for event in events {
        let body = match &event.body {
            Body::Content(content) => format!("content last={} bytes={}", content.last, content.bytes),
            Body::Command(command) => format!("command {} {:?} {:?}", command.verb, command.tag, command.args),
            Body::Reply(reply) => format!("reply {} {:?} {} {:?}", reply.status, reply.code, reply.text, reply.values),
            Body::Auth(auth) => format!("auth {:?} {} {:?}", auth.user, auth.step, auth.args),
            Body::Continue(go) => format!("continue {:?} {:?}", go.decoded, go.values),
            other => other.kind().to_owned(),
        };
        match (&event.body, joined.last_mut()) {
            (Body::Content(_) | Body::Raw, Some((from, wire, redacted, last)))
                if *from == event.from
                    && (last.starts_with("content last=false") || (last == "raw" && body == "raw")) =>
            {
                // One mark for a secret, in however many pieces it came.
                if !(*redacted && event.redacted) {
                    wire.extend_from_slice(&event.wire);
                }
                *redacted |= event.redacted;
                *last = body;
            }
            _ => joined.push((event.from, event.wire.to_vec(), event.redacted, body)),
        }
    }
    joined
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let (&escape, after) = rest.split_first().expect("something behind the backslash");
        rest = after;
        match escape {
            b'r' => bytes.push(b'\r'),
            b'n' => bytes.push(b'\n'),
            b't' => bytes.push(b'\t'),
            b'\\' => bytes.push(b'\\'),
            b'x' => {
                bytes.push(u8::from_str_radix(std::str::from_utf8(&rest[..2]).unwrap(), 16).unwrap());
                rest = &rest[2..];
            }
            other => panic!("unknown escape \\{}", char::from(other)),
        }
    }
    bytes
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "talk") {
            into.push(path);
        }
    }
}
