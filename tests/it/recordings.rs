//! Recordings for tests of the commands that read them, and a way to run these commands.
//! Takes events as the program's own values, writes them through its own store; gives what a command printed.
//! Does not know what a command ought to print.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mailtap::event::{Body, Close, Event, Note, Open, Origin, Stamp, write_line};
use mailtap::store::{Entry, Recording, Store, ids};

/// 2026-11-23T03:32:03Z.
pub const NOON: i64 = 1_795_404_723_000_000;

/// A session being recorded. Times are milliseconds after its start.
pub struct Session {
    pub id: String,
    recording: Recording,
    entry: Entry,
    opened: Stamp,
    seq: u64,
}

impl Session {
    pub fn open(store: &Store, second: i64, random: u8, protocol: &str, client: &str) -> Session {
        let opened = Stamp(NOON + second * 1_000_000);
        let id = ids::new_id(opened, [random; 5]);
        let open = Open {
            format: Open::FORMAT.to_owned(),
            session: id.clone(),
            protocol: protocol.to_owned(),
            client: client.to_owned(),
            listener: "127.0.0.1:1143".to_owned(),
            upstream: "192.0.2.7:143".to_owned(),
            upstream_name: "mail.example:143".to_owned(),
            route: "a route".to_owned(),
            mailtap: "0".to_owned(),
            ..Open::default()
        };
        let entry = Entry::new(&open, opened);
        let recording = store.create(&entry).unwrap();
        let mut session = Session { id, recording, entry, opened, seq: 0 };
        session.event(0, Origin::Proxy, b"", Body::Open(Box::new(open)));
        session
    }

    pub fn event(&mut self, millis: i64, from: Origin, wire: &[u8], body: Body) -> u64 {
        let at = Stamp(self.opened.0 + millis * 1000);
        let mark = mailtap::event::REDACTED.as_bytes();
        let redacted = wire.windows(mark.len()).any(|part| part == mark);
        let event = Event { seq: self.seq, at, from, wire: Cow::Borrowed(wire), redacted, body };
        self.entry.observe(&event);
        let mut line = Vec::new();
        write_line(&event, &mut line);
        self.recording.append(&line).unwrap();
        self.seq += 1;
        event.seq
    }

    pub fn command(&mut self, millis: i64, verb: &str, wire: &str) -> u64 {
        let command = mailtap::event::Command { verb: verb.to_owned(), ..mailtap::event::Command::default() };
        self.event(millis, Origin::Client, wire.as_bytes(), Body::Command(command))
    }

    pub fn reply(&mut self, millis: i64, status: &str, answers: u64, wire: &str) -> u64 {
        let reply = mailtap::event::Reply {
            status: status.to_owned(),
            answers: Some(answers),
            latency_us: Some(1500),
            ..mailtap::event::Reply::default()
        };
        self.event(millis, Origin::Server, wire.as_bytes(), Body::Reply(reply))
    }

    pub fn warn(&mut self, millis: i64, code: &str) {
        self.note(millis, code, mailtap::event::Level::Warn);
    }

    pub fn note(&mut self, millis: i64, code: &str, level: mailtap::event::Level) {
        let note = Note { level, code: code.to_owned(), text: "look".to_owned(), ..Note::default() };
        self.event(millis, Origin::Proxy, b"", Body::Note(note));
    }

    /// Bytes as they are, a torn line for instance.
    pub fn append(&mut self, bytes: &[u8]) {
        self.recording.append(bytes).unwrap();
    }

    pub fn path(&self) -> PathBuf {
        self.recording.path().to_owned()
    }

    pub fn close(mut self, store: &Store, millis: i64, by: &str, user: Option<&str>) -> String {
        let close = Close {
            by: by.to_owned(),
            reason: "it left".to_owned(),
            client_bytes: 11,
            server_bytes: 22,
            commands: 3,
            duration_us: millis as u64 * 1000,
            user: user.map(str::to_owned),
        };
        self.event(millis, Origin::Proxy, b"", Body::Close(Box::new(close)));
        store.closed(&self.entry).unwrap();
        self.id
    }
}

/// A command, without the environment of whoever runs the tests.
pub fn mailtap(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailtap"));
    command.args(args).env_clear().env("MAILTAP_DIR", dir);
    command
}

/// What a command printed, and its status.
pub struct Printed {
    pub out: String,
    pub err: String,
    pub status: i32,
}

impl From<Output> for Printed {
    fn from(output: Output) -> Printed {
        Printed {
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
            status: output.status.code().unwrap(),
        }
    }
}

pub fn run(dir: &Path, args: &[&str]) -> Printed {
    mailtap(dir, args).output().unwrap().into()
}

/// What a command printed that must have done its work and warned of nothing.
pub fn out(dir: &Path, args: &[&str]) -> String {
    let printed = run(dir, args);
    assert_eq!((printed.err.as_str(), printed.status), ("", 0), "{args:?}");
    printed.out
}
