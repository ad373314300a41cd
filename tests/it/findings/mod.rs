//! The findings: each is provoked by a conversation, and left alone by one that comes close.
//! Takes short conversations with their times, runs them through a session, looks at its notes.
//! Knows no socket; what only a handshake or the network can provoke is tested where these are.

mod catalogue;
mod certificates;
mod logins;
mod mailboxes;
mod messages;
mod offers;
mod turns;

use std::collections::BTreeSet;

use mailtap::event::{Body, Event, Open, Origin, Side, Stamp, Tls};
use mailtap::findings;
use mailtap::proto::{self, Setup};
use mailtap::session::{Config, Log, Next, Outbox, Session};

#[derive(Default)]
struct Codes(Vec<(String, String)>);

impl Log for Codes {
    fn event(&mut self, event: &Event<'_>) {
        if let Body::Note(note) = &event.body {
            assert!(findings::find(&note.code).is_some_and(|found| found.level == note.level), "{note:?}");
            assert!(note.about.is_none_or(|about| about < event.seq), "{note:?}");
            self.0.push((note.code.clone(), note.text.clone()));
        }
    }
}

/// What is said: `C: line`, `S: line`, `C| bytes\n`, `~SECONDS` (time goes by), `TLS` (both legs have it now), `CTLS` (the
/// client's has), `LATE` (what is held is passed on without an answer).
fn notes(protocol: &str, said: &str) -> Vec<(String, String)> {
    let whole = notes_with(protocol, said, Config::default());
    // What is wrong with a message does not depend on whether it is kept.
    let without_bodies = notes_with(protocol, said, Config { bodies: 0, ..Config::default() });
    assert_eq!(whole, without_bodies, "without bodies, of\n{said}");
    whole
}

fn notes_with(protocol: &str, said: &str, config: Config) -> Vec<(String, String)> {
    let (spec, _) = proto::scheme(protocol).unwrap();
    let mut codes = Codes::default();
    let mut session = Session::new(spec, Setup::default(), false, config);
    let mut now = Stamp(1_000_000_000);
    session.open(now, Open::default(), &mut codes);
    for line in said.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        now.0 += 1000;
        if let Some(seconds) = line.strip_prefix('~') {
            now.0 += (seconds.parse::<f64>().unwrap() * 1e6) as i64;
            continue;
        }
        if line == "LATE" {
            session.release(now, &mut codes, &mut Outbox::default());
            continue;
        }
        if matches!(line, "TLS" | "CTLS") {
            let sides: &[Side] = if line == "CTLS" { &[Side::Client] } else { &[Side::Server, Side::Client] };
            for &side in sides {
                let facts = Tls { how: "implicit".to_owned(), version: Some("TLSv1.3".to_owned()), ..Tls::default() };
                session.shaken(now, side, facts, &mut codes);
            }
            continue;
        }
        let side = if line.starts_with('C') { Side::Client } else { Side::Server };
        let mut bytes = unescaped(line[2..].strip_prefix(' ').unwrap_or(&line[2..]));
        if line.as_bytes()[1] == b':' {
            bytes.extend_from_slice(b"\r\n");
        }
        let mut out = Outbox::default();
        session.bytes(now, side, &bytes, &mut codes, &mut out);
        while out.next != Next::Relay {
            let done = Tls { how: "starttls".to_owned(), ..Tls::default() };
            let side = if out.next == Next::UpgradeServer { Side::Server } else { Side::Client };
            out = Outbox::default();
            session.upgraded(now, side, Some(done), &mut codes, &mut out);
        }
    }
    for side in Side::BOTH {
        session.end(now, side, &mut codes, &mut Outbox::default());
    }
    session.close(now, Origin::Client, "over", &mut codes);
    codes.0
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('r') => out.push(b'\r'),
                Some('n') => out.push(b'\n'),
                Some('x') => {
                    let hex: String = chars.by_ref().take(2).collect();
                    out.push(u8::from_str_radix(&hex, 16).unwrap());
                }
                other => panic!("\\{other:?}"),
            },
            c => out.extend_from_slice(c.to_string().as_bytes()),
        }
    }
    out
}

/// The one is found with this code, the other is not, and nothing else is found in either but what stands in `besides`.
#[track_caller]
fn case(code: &str, protocol: &str, provokes: &str, comes_close: &str, besides: &[&str]) {
    let found = notes(protocol, provokes);
    assert!(found.iter().any(|(found, _)| found == code), "{code} was not found in\n{provokes}\nbut {found:?}");
    let others = |found: &[(String, String)]| -> BTreeSet<String> {
        found
            .iter()
            .map(|(code, _)| code.clone())
            .filter(|found| found != code && !besides.contains(&found.as_str()))
            .collect()
    };
    assert!(others(&found).is_empty(), "{code}: more was found: {found:?}");
    let found = notes(protocol, comes_close);
    assert!(!found.iter().any(|(found, _)| found == code), "{code} was found in\n{comes_close}\n{found:?}");
    assert!(others(&found).is_empty(), "{code}: more was found: {found:?}");
}

const SMTP: &str = "S: 220 mx ESMTP\nC: EHLO c\nS: 250-mx\nS: 250-PIPELINING\nS: 250-8BITMIME\nS: 250-SIZE 1000000\nS: 250-CHUNKING\nS: 250 STARTTLS\n";
const SENT: &str = "S: 250 2.0.0 sent\n";

fn smtp(rest: &str) -> String {
    format!("{SMTP}{rest}")
}

/// A message by DATA: these are the bytes between 354 and the terminator.
fn data(parameters: &str, bytes: &str) -> String {
    format!(
        "{SMTP}C: MAIL FROM:<a@x>{parameters}\nS: 250 2.1.0 ok\nC: RCPT TO:<b@x>\nS: 250 2.1.5 ok\nC: DATA\nS: 354 go\nC| {bytes}\nC: .\n{SENT}"
    )
}
