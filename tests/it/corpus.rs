//! The recorded conversations of real programs, each line explained and nothing found in them that is not so.
//! Takes tests/corpus, plays it to a session at the times at which it was said, reads what the program says of it.
//! Knows no socket, and nothing of what the conversations are about.

use std::fs;
use std::path::{Path, PathBuf};

use mailtap::event::{Event, Open, Origin, Side, Stamp};
use mailtap::proto::{self, Setup};
use mailtap::session::{Config, Log, Next, Outbox, Session};
use serde_json::Value;

use crate::support::findings::{Because, nothing_false, what_is_wrong};
use crate::support::recording::Recording;

/// The lines of a recording.
#[derive(Default)]
struct Lines(String);

impl Log for Lines {
    fn event(&mut self, event: &Event<'_>) {
        self.0.push_str(&event.to_json());
        self.0.push('\n');
    }
}

/// One read from a socket: when, whose, what.
type Read = (Stamp, Side, Vec<u8>);

/// The recording that a proxy would have made of these reads.
fn recorded(protocol: &str, reads: &[Read], folder: &Path) -> Recording {
    let (spec, _) = proto::scheme(protocol).unwrap();
    let mut session = Session::new(spec, Setup::default(), false, Config::default());
    let mut lines = Lines::default();
    let (began, ended) = (reads.first().unwrap().0, reads.last().unwrap().0);
    let route = format!("{protocol}://127.0.0.1:1={protocol}://127.0.0.1:2");
    let open = Open { format: Open::FORMAT.to_owned(), protocol: spec.name.to_owned(), route, ..Open::default() };
    session.open(began, open, &mut lines);
    for (at, side, bytes) in reads {
        let mut out = Outbox::default();
        session.bytes(*at, *side, bytes, &mut lines, &mut out);
        assert_eq!(out.next, Next::Relay, "nothing is upgraded here");
    }
    for side in Side::BOTH {
        session.end(ended, side, &mut lines, &mut Outbox::default());
    }
    session.close(ended, Origin::Client, "over", &mut lines);
    let file = folder.join("20261123T044848000-corpus00.jsonl");
    fs::write(&file, lines.0).unwrap();
    Recording::read(&file).unwrap()
}

/// A conversation: `NAME.client.bin`, `NAME.server.bin` and `NAME.times.jsonl`.
fn reads_of(name: &Path) -> Vec<Read> {
    let file = |end: &str| fs::read(format!("{}.{end}", name.display())).unwrap();
    let sides = [file("client.bin"), file("server.bin")];
    let read = |line: &str| {
        let read: Value = serde_json::from_str(line).unwrap();
        let number = |field: &str| usize::try_from(read[field].as_u64().unwrap()).unwrap();
        let side = if read["from"] == "client" { Side::Client } else { Side::Server };
        let bytes = &sides[usize::from(side == Side::Server)][number("offset")..][..number("bytes")];
        (Stamp::parse(read["at"].as_str().unwrap()).unwrap(), side, bytes.to_vec())
    };
    String::from_utf8(file("times.jsonl")).unwrap().lines().map(read).collect()
}

/// All conversations below a folder, without the ends of their names.
fn names(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(names(&path));
        } else if let Some(name) = path.to_str().and_then(|path| path.strip_suffix(".times.jsonl")) {
            found.push(name.into());
        }
    }
    found.sort();
    found
}

#[test]
fn thunderbird_is_explained_and_nothing_false_is_found() {
    let names = names(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus"));
    assert!(names.len() >= 13, "{names:?}");
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let protocol = name.to_str().and_then(|name| name.rsplit_once('-')).expect("NN-PROTOCOL").1;
        let recording = recorded(protocol, &reads_of(&name), folder.path());
        let codes = recording.note_codes();
        assert!(codes.iter().all(|code| code == "plaintext-password"), "{codes:?}");
        nothing_false(folder.path(), &[recording], &[]);
    }
}

/// What [`nothing_false`] is for: each of these lines must be told, or nothing is worth its silence.
#[test]
fn a_line_without_an_explanation_and_a_finding_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let told = |protocol: &str, said: &str, known: &[Because]| {
        let reads: Vec<Read> = said
            .lines()
            .zip(0..)
            .map(|(line, second)| {
                let side = if line.starts_with('C') { Side::Client } else { Side::Server };
                (Stamp(second * 1000), side, format!("{}\r\n", &line[3..]).into_bytes())
            })
            .collect();
        what_is_wrong(folder.path(), &recorded(protocol, &reads, folder.path()), known).join("\n")
    };
    let imap = |offers: &str, said: &str| format!("S: * OK [CAPABILITY IMAP4rev1{offers}] ready\n{said}");
    assert_eq!(told("imap", &imap("", "C: a NOOP\nS: a OK done"), &[]), "");
    for (protocol, said, expected) in [
        ("imap", imap(" XFOOBAR", ""), "XFOOBAR"),
        ("imap", imap("", "C: a FOOBAR"), "FOOBAR is an unknown command"),
        ("imap", imap("", "C: a NOOP\nS: a OK [FOOBAR] done"), "FOOBAR"),
        ("imap", imap("", "S: * FOOBAR 5"), "FOOBAR"),
        ("imap", imap("", "C: a MOVE 1 x\nS: a NO what"), "capability-not-offered"),
        ("imap", imap("", "S: ))((\nS: \u{1}\u{2}"), "lost-sync"),
        ("smtp", "S: 220 mx\nC: EHLO c\nS: 250-mx\nS: 250 FOOBAR".to_owned(), "FOOBAR"),
        ("smtp", "S: 220 mx\nC: EHLO c\nS: 250 mx\nC: MAIL FROM:<a@b> FOOBAR=1\nS: 250 ok".to_owned(), "FOOBAR"),
        ("pop3", "S: +OK\nC: CAPA\nS: +OK\nS: FOOBAR\nS: .".to_owned(), "FOOBAR"),
        ("pop3", "S: +OK\nC: FOOBAR\nS: -ERR what".to_owned(), "FOOBAR is an unknown command"),
    ] {
        let wrong = told(protocol, &said, &[]);
        assert!(wrong.contains(expected), "{expected} is not told of\n{said}\nbut {wrong:?}");
    }
    let known: &[Because] = &[("FOOBAR is an unknown command", "it is said on purpose"), ("early-talk", "no greeting")];
    assert_eq!(told("pop3", "C: FOOBAR\nS: +OK\nS: -ERR what", known), "");
}
