//! What a played server keeps to: matching, several recordings, limits, what cannot be played; and that it survives
//! any bytes. Takes recordings made by the session itself; gives nothing but failures.
//! Does not know any real server; see `replay_server`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mailtap::event::{Event, Open, Origin, Side, Stamp, Tls, write_line};
use mailtap::play::Speed;
use mailtap::proto::{self, Setup};
use mailtap::replay::casting::Casting;
use mailtap::replay::matching::Match;
use mailtap::replay::report::Report;
use mailtap::replay::scram::Login;
use mailtap::replay::script::Script;
use mailtap::replay::server::{Act, Player};
use mailtap::replay::{Builder, Server};
use mailtap::session::{Config, Log, Next, Outbox, Session};
use proptest::prelude::*;
use serde_json::Value;

use crate::practice_kit::{PASSWORD, Practice, Talk};
use crate::replay_server::Replay;
use crate::support::mailtap::{Mailtap, command, run};
use crate::support::process::Ran;

const ID: &str = "20261123T033200000-k3f9q2xw";

struct Lines(Vec<u8>);

impl Log for Lines {
    fn event(&mut self, event: &Event<'_>) {
        write_line(event, &mut self.0);
    }
}

/// A recording of a conversation: lines that begin with `C: ` or `S: `, `\r\n` put behind each.
fn recorded(scheme: &str, number: u8, talk: &str, config: Config) -> Vec<u8> {
    let mut log = Lines(Vec::new());
    let (spec, _) = proto::scheme(scheme).unwrap();
    let mut session = Session::new(spec, Setup::default(), false, config);
    let open = Open {
        format: Open::FORMAT.to_owned(),
        session: format!("{}{number}", &ID[..ID.len() - 1]),
        protocol: spec.name.to_owned(),
        upstream_name: "localhost:1".to_owned(),
        route: format!("{scheme}://127.0.0.1:2={scheme}://localhost:1"),
        ..Open::default()
    };
    session.open(Stamp(0), open, &mut log);
    let mut now = 0;
    for line in talk.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        let (side, text) = line.split_once(": ").unwrap();
        let side = if side == "C" { Side::Client } else { Side::Server };
        now += 1000;
        let mut out = Outbox::default();
        session.bytes(Stamp(now), side, format!("{text}\r\n").as_bytes(), &mut log, &mut out);
        if out.next == Next::UpgradeServer {
            for side in [Side::Server, Side::Client] {
                let facts = Tls { how: "starttls".to_owned(), ..Tls::default() };
                session.upgraded(Stamp(now), side, Some(facts), &mut log, &mut Outbox::default());
            }
        }
    }
    session.close(Stamp(now + 1000), Origin::Client, "done", &mut log);
    log.0
}

fn script(lines: &[u8]) -> Result<Script, String> {
    let mut builder = Builder::new();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match Event::from_json(line) {
            Ok(event) => builder.event(&event),
            Err(error) => builder.damaged(&error.to_string()),
        }
    }
    builder.finish()
}

const IMAP: &str = r#"
    S: * OK ready
    C: a1 CAPABILITY
    S: * CAPABILITY IMAP4rev1 AUTH=PLAIN
    S: a1 OK done
    C: a2 LOGIN joe sesame
    S: a2 OK in
    C: a3 SELECT INBOX
    S: * 1 EXISTS
    S: a3 OK [READ-WRITE] selected
    C: a4 APPEND Drafts {4}
    S: + go
    C: abcd
    S: a4 OK appended
    C: a5 NOOP
    S: a5 OK nothing
    C: a6 IDLE
    S: + idling
    S: * 2 EXISTS
    C: DONE
    S: a6 OK idle is over
    C: a7 FETCH 2 BODY[]
    S: * 2 FETCH (BODY[] {3}
    S: hi.)
    S: a7 OK fetched
    C: a8 LOGOUT
    S: * BYE
    S: a8 OK bye
"#;

const OTHER: &str = "
    S: * OK ready
    C: 1 LOGIN joe sesame
    S: 1 OK in
    C: 2 SELECT Sent
    S: * 9 EXISTS
    S: 2 OK [READ-WRITE] Sent is selected
    C: 3 LOGOUT
    S: * BYE
    S: 3 OK bye
";

const SMTP: &str = r"
    S: 220 ready
    C: EHLO old.example
    S: 250-hello
    S: 250-PIPELINING
    S: 250 AUTH PLAIN
    C: AUTH PLAIN AGpvZQBzZXNhbWU=
    S: 235 in
    C: MAIL FROM:<a@example.org> SIZE=10
    C: RCPT TO:<b@example.org>
    C: DATA
    S: 250 from
    S: 250 to
    S: 354 go
    C: text
    C: .
    S: 250 queued as 17
    C: QUIT
    S: 221 bye
";

/// Writes recordings into a folder.
pub fn files(talks: &[(&str, &str)]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let paths = talks.iter().enumerate().map(|(number, (scheme, talk))| {
        let path = folder.path().join(format!("{number}.jsonl"));
        std::fs::write(&path, recorded(scheme, number as u8, talk, Config::default())).unwrap();
        path
    });
    let paths = paths.collect();
    (folder, paths)
}

/// RFC 3030 §4.2: chunks are counted, and need not end in a line end.
const CHUNKS: &str = "
    S: 220 ready
    C: EHLO old.example
    S: 250-hello
    S: 250 CHUNKING
    C: MAIL FROM:<a@example.org>
    S: 250 from
    C: RCPT TO:<b@example.org>
    S: 250 to
    C: BDAT 5
    C: helloBDAT 6 LAST
    C: abcd
    S: 250 five
    S: 250 done
    C: QUIT
    S: 221 bye
";

#[test]
fn a_command_right_behind_a_chunk_is_answered_besides_the_chunk() {
    let (_folder, paths) = files(&[("smtp", CHUNKS)]);
    let said = b"BDAT 5\r\nhelloBDAT 6 LAST\r\nabcd\r\nQUIT\r\n";
    for mode in [Match::Strict, Match::Ordered, Match::Free] {
        for cut in [0, 8, 10, 13, 20, said.len() - 1] {
            let server = Server::from_recordings(&paths).matching(mode).start().unwrap();
            let mut talk = Talk::to(Some(server.address()));
            assert_eq!(talk.line(), "220 ready");
            for command in ["EHLO old.example", "MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>"] {
                talk.send(format!("{command}\r\n").as_bytes());
                while talk.line().starts_with("250-") {}
            }
            let (first, second) = said.split_at(cut);
            talk.send(first);
            talk.send(second);
            let answers: Vec<String> = (0..3).map(|_| talk.line()).collect();
            assert_eq!(answers, ["250 five", "250 done", "221 bye"], "{mode:?}, cut at {cut}");
            drop(talk);
            let report = server.stop();
            assert!(!report.differs() && report.unasked.is_empty(), "{}", report.text());
        }
    }
}

#[test]
fn tags_literals_and_what_may_come_or_stay_away() {
    let (_folder, paths) = files(&[("imap", IMAP)]);
    let server = Server::from_recording(&paths[0]).start().unwrap();
    let mut talk = Talk::to(Some(server.address()));
    assert_eq!(talk.line(), "* OK ready");
    // No CAPABILITY; a NOOP instead, and any password.
    assert_eq!(talk.imap("NOOP"), (vec![], "OK nothing new".to_owned()));
    assert_eq!(talk.imap("LOGIN \"ann\" other").1, "OK in");
    assert_eq!(talk.imap("select \"INBOX\""), (vec!["* 1 EXISTS".to_owned()], "OK [READ-WRITE] selected".to_owned()));
    // A literal of another size, without waiting for it; recorded, and asked for again out of turn.
    assert_eq!(talk.append("Drafts", "", &"x".repeat(100_000)), "OK appended");
    assert_eq!(talk.imap("CAPABILITY").0, ["* CAPABILITY IMAP4rev1 AUTH=PLAIN"]);
    talk.send(b"i IDLE\r\n");
    assert_eq!((talk.line(), talk.line()), ("+ idling".to_owned(), "* 2 EXISTS".to_owned()));
    assert_eq!(talk.ask("DONE"), "i OK idle is over");
    assert_eq!(talk.imap("FETCH 2 BODY[]").0, ["* 2 FETCH (BODY[] {3}\r\nhi.)"]);
    assert_eq!(talk.imap("LOGOUT").1, "OK bye");
    assert_eq!(talk.rest(), "");
    let report = server.stop();
    assert_eq!((report.matched, report.unasked.len(), report.differs()), (6, 0, false), "{}", report.text());
}

#[test]
fn a_synchronising_literal_is_asked_for() {
    let (_folder, paths) = files(&[("imap", IMAP)]);
    let server = Server::from_recording(&paths[0]).start().unwrap();
    let mut talk = Talk::to(Some(server.address()));
    talk.line();
    assert_eq!(talk.ask("x LOGIN joe {6}"), "+ OK");
    assert_eq!(talk.ask("sesame"), "x OK in");
    assert_eq!(talk.ask("y APPEND Drafts {3}"), "+ OK");
    assert_eq!(talk.ask("abc"), "y OK appended");
    let report = server.stop();
    assert!(!report.differs() && report.unasked.iter().any(|unasked| unasked.command == "a3 SELECT INBOX"));
}

#[test]
fn pipelined_commands_are_answered_one_by_one() {
    let (_folder, paths) = files(&[("submission", SMTP)]);
    let server = Server::from_recording(&paths[0]).start().unwrap();
    let mut talk = Talk::to(Some(server.address()));
    talk.line();
    assert_eq!(talk.smtp("EHLO new.example"), ["250-hello", "250-PIPELINING", "250 AUTH PLAIN"]);
    // Without the initial response that was recorded.
    assert_eq!(talk.ask("AUTH PLAIN"), "334 ");
    assert_eq!(talk.ask("AGFubgBvdGhlcg=="), "235 in");
    assert_eq!(talk.ask("MAIL FROM:<a@example.org> SIZE=77777"), "250 from");
    assert_eq!(talk.ask("RCPT TO:<b@example.org>\r\nDATA"), "250 to");
    assert_eq!(talk.line(), "354 go");
    assert_eq!(talk.ask(&format!("{}\r\n.", "text\r\n".repeat(50_000))), "250 queued as 17");
    assert_eq!(talk.ask("QUIT"), "221 bye");
    assert_eq!(talk.rest(), "");
    assert!(!server.stop().differs());
}

#[test]
fn each_connection_gets_the_recording_that_fits() {
    let (_folder, paths) = files(&[("imap", IMAP), ("imap", OTHER)]);
    let server = Server::from_recordings(&paths).once().start().unwrap();
    // Both begin alike, and the first to speak takes what the other was thought to play.
    let mut one = Talk::to(Some(server.address()));
    let mut other = Talk::to(Some(server.address()));
    assert_eq!((one.line(), other.line()), ("* OK ready".to_owned(), "* OK ready".to_owned()));
    assert!(one.imap("LOGIN joe sesame").1.starts_with("OK") && other.imap("LOGIN joe sesame").1.starts_with("OK"));
    assert_eq!(one.imap("SELECT Sent").1, "OK [READ-WRITE] Sent is selected");
    assert_eq!(other.imap("SELECT INBOX").1, "OK [READ-WRITE] selected");
    assert_eq!(one.imap("LOGOUT").1, "OK bye");
    assert_eq!(other.imap("LOGOUT").1, "OK bye");
    assert_eq!((one.rest(), other.rest()), (String::new(), String::new()));
    drop((one, other));
    // Whoever comes when all has been played is sent away in the protocol's own words.
    let late = crate::support::wait_for("the end of both", || {
        let line = Talk::to(Some(server.address())).line();
        line.starts_with("* BYE").then_some(line)
    });
    assert!(late.contains("every recording has been played"), "{late}");
    let report = server.stop();
    assert!(report.differing.is_empty(), "{}", report.text());
    let more = report.unmet.iter().chain(&report.again);
    assert!(
        !report.unmet.is_empty() && more.clone().all(|asking| asking.asked == "a connection more than was recorded")
    );
}

#[test]
fn a_connection_more_than_was_recorded_shares_what_the_others_play() {
    let (_folder, paths) = files(&[("imap", IMAP)]);
    let server = Server::from_recordings(&paths).once().start().unwrap();
    let mut one = Talk::to(Some(server.address()));
    one.line();
    assert!(one.imap("LOGIN joe sesame").1.starts_with("OK"));
    let mut other = Talk::to(Some(server.address()));
    assert_eq!(other.line(), "* OK ready");
    assert!(other.imap("LOGIN joe sesame").1.starts_with("OK"));
    for talk in [&mut one, &mut other] {
        assert_eq!(talk.imap("SELECT INBOX").1, "OK [READ-WRITE] selected");
    }
    assert_eq!(other.imap("LOGOUT").1, "OK bye");
    assert_eq!(one.imap("LOGOUT").1, "OK bye");
    drop((one, other));
    let report = server.stop();
    assert!(!report.differs() && report.again.len() == 1, "{}", report.text());
}

#[test]
fn a_client_that_was_only_refused_has_played_its_recording() {
    let talk = "S: * PREAUTH in\nC: a SELECT INBOX\nS: a OK selected\nC: b LOGOUT\nS: * BYE bye\nS: b OK bye";
    for said in ["z SELECT Work", "z NOOP"] {
        let (_folder, paths) = files(&[("imap", talk)]);
        // It ends by itself.
        let (_, report) = served(&paths, &["--once", "--quiet"], |talk| {
            talk.line();
            talk.ask(said);
        });
        assert!(report["unasked"].as_array().is_some_and(|unasked| !unasked.is_empty()), "{report}");
    }
}

#[test]
fn the_replays_own_recordings_say_what_was_played() {
    let (_folder, paths) = files(&[("imap", IMAP), ("imap", OTHER)]);
    let paths = paths.iter().map(|path| path.to_str().unwrap());
    let mut server = Mailtap::launch(&["replay", "server", "--json"].into_iter().chain(paths).collect::<Vec<_>>(), 1);
    let address = server.addresses().next();
    // It is thought to play the first recording until it says otherwise.
    let mut other = Talk::to(address);
    other.line();
    other.imap("LOGIN joe sesame");
    assert_eq!(other.imap("SELECT Sent").1, "OK [READ-WRITE] Sent is selected");
    other.imap("LOGOUT");
    let mut one = Talk::to(address);
    one.line();
    one.imap("LOGIN joe sesame");
    assert_eq!(one.imap("SELECT INBOX").1, "OK [READ-WRITE] selected");
    drop((one, other));
    server.recordings(2);
    let late = Talk::to(address).line();
    assert!(late.contains("every recording has been played"), "{late}");
    let codes: Vec<_> = server.recordings(3).iter().map(|recording| recording.note_codes()).collect();
    assert!(codes[0].contains(&"replay-of".to_owned()), "{codes:?}");
    assert!(!codes[1].contains(&"replay-of".to_owned()), "{codes:?}");
    assert!(codes[2].contains(&"replay-over".to_owned()), "{codes:?}");
    server.stop();
}

#[test]
fn whoever_says_nothing_uses_up_nothing() {
    let (_folder, paths) = files(&[("imap", OTHER)]);
    let server = Server::from_recording(&paths[0]).once().start().unwrap();
    for _ in 0..3 {
        crate::support::wait_for("a greeting", || {
            Talk::to(Some(server.address())).line().starts_with("* OK").then_some(())
        });
    }
    let mut talk = crate::support::wait_for("the recording", || {
        let mut talk = Talk::to(Some(server.address()));
        (talk.line() == "* OK ready").then_some(talk)
    });
    assert_eq!(talk.imap("LOGIN joe sesame").1, "OK in");
}

/// What a mailbox holds, found out within TLS.
fn in_tls(exists: u32) -> String {
    format!(
        "
        S: * OK ready
        C: 1 CAPABILITY
        S: * CAPABILITY IMAP4rev1 STARTTLS
        S: 1 OK done
        C: 2 STARTTLS
        S: 2 OK begin
        C: 3 LOGIN joe sesame
        S: 3 OK in
        C: 4 SELECT INBOX
        S: * {exists} EXISTS
        S: 4 OK selected
        C: 5 LOGOUT
        S: * BYE
        S: 5 OK bye
        "
    )
}

/// What clients see that come one after the other; each says its lines, and leaves.
fn seen_in_turn(talks: &[&str], mode: Match, clients: &[&[&str]]) -> (Vec<String>, Report) {
    let scripts: Vec<Script> = talks
        .iter()
        .enumerate()
        .map(|(number, talk)| script(&recorded("imap", number as u8, talk, Config::default())).unwrap())
        .collect();
    let scheme = scripts[0].scheme;
    let casting = Arc::new(Mutex::new(Casting::new(scripts, mode, false)));
    let mut seen = Vec::new();
    for (id, lines) in clients.iter().enumerate() {
        let id = id as u64;
        let script = casting.lock().unwrap().join(id, scheme).expect("a recording");
        let mut acts = Vec::new();
        let mut player = Player::new(id, &script, Arc::clone(&casting), None, &mut acts);
        for line in *lines {
            player.client(format!("{line}\r\n").as_bytes(), &mut acts);
        }
        casting.lock().unwrap().leave(id);
        let said = acts.iter().filter_map(|act| match act {
            Act::Send { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
            Act::StartTls | Act::Close => None,
        });
        seen.push(said.filter(|said| said.contains("EXISTS")).collect());
    }
    let report = casting.lock().unwrap().report();
    (seen, report)
}

const WORK: &[&str] = &["a CAPABILITY", "b STARTTLS", "c LOGIN joe sesame", "d SELECT INBOX", "e LOGOUT"];

#[test]
fn whoever_fails_on_the_way_into_tls_uses_up_nothing() {
    let talks = [in_tls(1), in_tls(2)];
    for mode in [Match::Ordered, Match::Free] {
        let clients: [&[&str]; 5] = [&WORK[..1], &WORK[..2], WORK, &WORK[..2], WORK];
        let (seen, report) = seen_in_turn(&talks.each_ref().map(String::as_str), mode, &clients);
        assert_eq!(seen, ["", "", "* 1 EXISTS\r\n", "", "* 2 EXISTS\r\n"], "{mode:?}");
        assert!(!report.differs() && report.again.is_empty() && report.unasked.is_empty(), "{}", report.text());
    }
}

#[test]
fn a_client_that_gave_up_when_it_was_recorded_stands_in_nobodys_way() {
    let whole = [in_tls(1), in_tls(2)];
    let gave_up = whole[0].split("C: 3").next().unwrap().to_owned();
    let talks = [gave_up.as_str(), &whole[0], &gave_up, &whole[1]];
    for mode in [Match::Ordered, Match::Free] {
        let (seen, report) = seen_in_turn(&talks, mode, &[WORK, WORK]);
        assert_eq!(seen, ["* 1 EXISTS\r\n", "* 2 EXISTS\r\n"], "{mode:?}: {}", report.text());
        assert!(!report.differs(), "{}", report.text());
    }
    // The same client again has played what it was recorded to do, and what comes behind it is as it was.
    let (seen, report) = seen_in_turn(&talks, Match::Ordered, &[&WORK[..2], WORK, &WORK[..2], WORK]);
    assert_eq!(seen, ["", "* 1 EXISTS\r\n", "", "* 2 EXISTS\r\n"], "{}", report.text());
    assert!(!report.differs() && report.unasked.is_empty(), "{}", report.text());
}

/// Runs `replay server --once` on recordings, lets somebody talk to it, and gives the status and the report.
fn served(paths: &[PathBuf], more: &[&str], talk: impl FnOnce(&mut Talk)) -> (Option<i32>, Value) {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<&str> = paths.iter().map(|path| path.to_str().unwrap()).collect();
    let args = [&["replay", "server", "--json"], paths.as_slice(), more].concat();
    let mut child = command(folder.path(), &args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["kind"], "listening");
    let mut client = Talk::to(first["address"].as_str().and_then(|address| address.parse().ok()));
    talk(&mut client);
    drop(client);
    let last = lines.map_while(Result::ok).last().unwrap();
    (child.wait().unwrap().code(), serde_json::from_str(&last).unwrap())
}

#[test]
fn strict_ends_at_the_first_difference() {
    let (_folder, paths) = files(&[("imap", OTHER)]);
    let (status, report) = served(&paths, &["--match", "strict"], |talk| {
        talk.line();
        assert_eq!(talk.imap("LOGIN ann other").1, "OK in");
        let refused = talk.imap("SELECT INBOX").1;
        assert!(refused.starts_with("BAD") && refused.contains("SELECT Sent"), "{refused}");
        assert_eq!(talk.rest(), "");
    });
    assert_eq!(status, Some(1));
    assert_eq!(report["kind"], "report");
    assert_eq!(report["matched"], 1);
    assert_eq!(report["differing"][0]["expected"], "2 SELECT Sent");
    assert_eq!(report["differing"][0]["asked"], "t2 SELECT INBOX");
    assert!(report["unasked"].as_array().is_some_and(|unasked| unasked.len() == 2), "{report}");
}

#[test]
fn strict_takes_no_noop() {
    let (_folder, paths) = files(&[("imap", OTHER)]);
    let (status, report) = served(&paths, &["--match", "strict", "--once"], |talk| {
        talk.line();
        assert!(talk.imap("NOOP").1.starts_with("BAD"));
    });
    assert_eq!((status, &report["matched"]), (Some(1), &Value::from(0)));
}

#[test]
fn once_ends_when_all_is_played_and_the_password_is_never_told() {
    let (_folder, paths) = files(&[("submission", SMTP)]);
    let (status, report) = served(&paths, &["--once"], |talk| {
        talk.line();
        for (line, code) in [("EHLO x", "250-"), ("AUTH PLAIN AGpvZQBzZXNhbWU=", "250-")] {
            assert!(talk.ask(line).starts_with(code), "{line}");
        }
        talk.line();
        assert_eq!(talk.line(), "235 in");
        // What was not recorded is refused, and the conversation goes on.
        assert!(talk.ask("RCPT TO:<c@example.org>").starts_with("500 "));
        assert!(talk.ask("AUTH LOGIN AGpvZQBzZXNhbWU=").starts_with("500 "));
        assert_eq!(talk.ask("MAIL FROM:<a@example.org>"), "250 from");
        assert_eq!(talk.ask("QUIT"), "221 bye");
        assert_eq!(talk.rest(), "");
    });
    assert_eq!(status, Some(1), "{report}");
    assert_eq!(report["unmet"].as_array().map(Vec::len), Some(2));
    assert!(!report.to_string().contains("AGpvZQBzZXNhbWU"), "{report}");
    assert_eq!(report["unasked"].as_array().map(Vec::len), Some(2), "{report}");
}

/// What was a password once is none the less when it is said again, behind the login, where nothing is secret.
#[test]
fn a_password_that_is_said_again_behind_the_login_is_not_reported() {
    let pop3 = "S: +OK hi\nC: USER joe\nS: +OK\nC: PASS sesame\nS: +OK in\nC: STAT\nS: +OK 0 0\nC: QUIT\nS: +OK";
    let smtp = SMTP.replace("C: QUIT", "C: VRFY x\n S: 252 maybe\n C: QUIT");
    let plain = STANDARD.encode("\0ann\0Zq9hunter2Xv");
    let auth = format!("AUTH PLAIN {plain}");
    for (scheme, talk, lines) in [
        ("pop3", pop3, ["USER ann", "PASS Zq9hunter2Xv", "STAT", "PAS Zq9hunter2Xv", "X zq9hunter2xv", &plain, "QUIT"]),
        ("submission", &smtp, ["EHLO x", &auth, "VRFY x", &plain, "AUT Zq9hunter2Xv", "HELP me Zq9hunter2Xv", "QUIT"]),
        (
            "imap",
            IMAP,
            [
                "a LOGIN ann Zq9hunter2Xv",
                "b NOOP",
                "c SELECT INBOX",
                "d LOGN ann Zq9hunter2Xv",
                &plain,
                "e X y",
                "f LOGOUT",
            ],
        ),
    ] {
        for mode in [Match::Ordered, Match::Free] {
            let (_folder, paths) = files(&[(scheme, talk)]);
            let server = Server::from_recordings(&paths).matching(mode).start().unwrap();
            let mut talk = Talk::to(Some(server.address()));
            lines.iter().for_each(|line| talk.send(format!("{line}\r\n").as_bytes()));
            talk.rest();
            let report = server.stop();
            let said = report.text() + &format!("{:?}", report.object());
            assert!(report.unmet.len() >= 2, "{said}");
            for spelling in ["Zq9hunter2Xv", "zq9hunter2xv", &plain] {
                assert!(!said.contains(spelling), "{mode:?}: {said}");
            }
        }
    }
}

/// They are where `--keep-secrets` put them; a replay that says which command it waited for does not repeat them.
#[test]
fn passwords_that_a_recording_holds_are_not_told_by_its_replay() {
    let plain = STANDARD.encode("\0joe\0Zq9hunter2Xv");
    let logins = [
        ("imap", "S: * OK hi\nC: a LOGIN joe Zq9hunter2Xv\nS: a NO you said Zq9hunter2Xv".to_owned()),
        ("imap", "S: * OK hi\nC: a LOGIN \"joe\" \"Zq9hunter2Xv\"\nS: a OK in".to_owned()),
        ("imap", format!("S: * OK hi\nC: a AUTHENTICATE PLAIN {plain}\nS: a OK in")),
        (
            "imap",
            format!("S: * OK hi\nC: a AUTHENTICATE PLAIN\nS: + \nC: {plain}\nS: a OK\nC: b X Zq9hunter2Xv\nS: b BAD"),
        ),
        ("pop3", "S: +OK hi\nC: USER joe\nS: +OK\nC: PASS Zq9hunter2Xv\nS: +OK in".to_owned()),
        ("submission", format!("S: 220 hi\nC: AUTH PLAIN {plain}\nS: 235 in\nC: X {plain}\nS: 500 what")),
    ];
    for (number, (scheme, talk)) in logins.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept.jsonl");
        let kept = recorded(scheme, 1, talk, Config { keep_secrets: true, ..Config::default() });
        assert!(!String::from_utf8_lossy(&kept).contains("redacted"), "{number}");
        std::fs::write(&path, kept).unwrap();
        for mode in [Match::Strict, Match::Ordered] {
            let server = Server::from_recording(&path).matching(mode).start().unwrap();
            let mut talk = Talk::to(Some(server.address()));
            talk.line();
            let refused = talk.ask("z FROB");
            let report = server.stop();
            let said = refused + &report.text() + &format!("{:?}", report.object());
            assert!(report.unasked.len() + report.differing.len() + report.unmet.len() >= 2, "{number}: {said}");
            for secret in ["Zq9hunter2Xv", &plain] {
                assert!(!said.contains(secret), "{number}: {said}");
            }
        }
        // Nor beside another session.
        let path = path.to_str().unwrap();
        let compared = Ran::new(&command(folder.path(), &["diff", path, path, "--all", "--strict"]));
        assert_eq!(compared.code, Some(0), "{number}: {compared}");
        for secret in ["Zq9hunter2Xv", &plain] {
            assert!(!compared.text().contains(secret), "{number}: {compared}");
        }
    }
}

/// As any server says it: the client is to ask for another password, not to take the server for a strange one.
#[test]
fn a_wrong_password_is_refused_in_the_protocols_own_words() {
    let [first, challenge, proof, end] =
        ["n,,n=joe,r=abc", "r=abcdef,s=c2FsdA==,i=4096", "c=biws,r=abcdef,p=cHJvb2Y=", "v=c2lnbmF0dXJl"]
            .map(|text| STANDARD.encode(text));
    for (scheme, before, login, go, tag, denied) in [
        ("imap", "S: * OK ready", "AUTHENTICATE SCRAM-SHA-256", "+", "t ", "t NO [AUTHENTICATIONFAILED] "),
        ("pop3", "S: +OK ready", "AUTH SCRAM-SHA-256", "+", "", "-ERR [AUTH] "),
        ("submission", "S: 220 ready", "AUTH SCRAM-SHA-256", "334", "", "535 5.7.8 "),
    ] {
        let ok = ["t OK in", "+OK in", "235 in"]
            [["imap", "pop3", "submission"].iter().position(|one| *one == scheme).unwrap()];
        let talk = format!(
            "{before}\nC: {tag}{login}\nS: {go} \nC: {first}\nS: {go} {challenge}\nC: {proof}\nS: {go} {end}\nC: \nS: {ok}"
        );
        let script = script(&recorded(scheme, 1, &talk, Config::default())).unwrap();
        let of = script.scheme;
        let casting = Arc::new(Mutex::new(Casting::new(vec![script], Match::Ordered, true)));
        let first_script = casting.lock().unwrap().join(1, of).unwrap();
        let mut acts = Vec::new();
        let login_of = Login { user: "ann".to_owned(), password: "other".to_owned() };
        let mut player = Player::new(1, &first_script, casting, Some(login_of), &mut acts);
        for line in
            [format!("{tag}{login}"), STANDARD.encode("n,,n=ann,r=xyz"), STANDARD.encode("c=biws,r=xyz,p=cHJvb2Y=")]
        {
            player.client(format!("{line}\r\n").as_bytes(), &mut acts);
        }
        let Some(Act::Send { bytes, .. }) = acts.last() else { panic!("{acts:?}") };
        let said = String::from_utf8_lossy(bytes);
        assert!(said.starts_with(denied) && said.contains("wrong user or password"), "{said}");
    }
}

#[test]
fn once_ends_although_a_client_stays_behind_its_servers_end() {
    let (_folder, paths) = files(&[("imap", OTHER)]);
    let mut server =
        Mailtap::launch(&["replay", "server", "--once", "--grace", "0", "--json", paths[0].to_str().unwrap()], 1);
    let mut talk = Talk::to(server.addresses().next());
    talk.line();
    for line in ["LOGIN joe sesame", "SELECT Sent", "LOGOUT"] {
        talk.imap(line);
    }
    crate::support::wait_for("the end", || server.has_ended().then_some(()));
    assert!(server.stop().success());
    assert_eq!(talk.rest(), "");
}

#[test]
fn free_answers_what_was_recorded_as_often_as_it_is_asked() {
    let (_folder, paths) = files(&[("imap", IMAP), ("imap", OTHER)]);
    let server = Server::from_recordings(&paths).matching(Match::Free).start().unwrap();
    let mut talk = Talk::to(Some(server.address()));
    talk.line();
    for _ in 0..3 {
        assert_eq!(talk.imap("SELECT Sent").1, "OK [READ-WRITE] Sent is selected");
        assert_eq!(talk.imap("SELECT INBOX").1, "OK [READ-WRITE] selected");
    }
    assert!(talk.imap("SELECT Nowhere").1.starts_with("BAD"));
    assert_eq!(server.stop().unmet.len(), 1);
}

#[test]
fn what_cannot_be_played_whole_is_said_before_anybody_is_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let whole = recorded("imap", 1, IMAP, Config::default());
    let refused = |name: &str, lines: &[u8], why: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, lines).unwrap();
        let error = Server::from_recording(&path).start().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(why), "{name}: {error}");
        let ran = run(folder.path(), &["replay", "server", path.to_str().unwrap()]);
        assert!(ran.code == Some(1) && ran.errors().contains(why) && ran.text().is_empty(), "{name}: {ran}");
    };
    let cut = |name: &str, lines: &[u8], why: &str, exchanges: usize| {
        let script = script(lines).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(script.cut.as_deref().is_some_and(|cut| cut.contains(why)), "{name}: {:?}", script.cut);
        assert_eq!(script.exchanges.len(), exchanges, "{name}");
    };
    refused("empty.jsonl", b"", "no beginning");
    refused("silent.jsonl", &recorded("imap", 1, "", Config::default()), "the server said nothing");
    let until = |what: &str| {
        let at = memchr::memmem::find(&whole, what.as_bytes()).unwrap();
        &whole[..memchr::memrchr(b'\n', &whole[..at]).map_or(0, |end| end + 1)]
    };
    refused("torn-early.jsonl", until("\"a1 OK"), "no command is answered");
    cut("torn", until("\"a4 OK"), "no end", 3);
    cut(
        "bodies",
        &recorded("imap", 1, IMAP, Config { bodies: 0, ..Config::default() }),
        "bodies that the server sent",
        6,
    );
    let gap = br#"{"seq":9,"at":"2026-11-23T03:32:00.000000Z","kind":"gap","from":"proxy","bytes":5,"side":"server","why":"the disk was full"}"#;
    cut("gap", &[until("{\"seq\":8,"), gap, b"\n"].concat(), "the disk was full", 2);
    let layer = "
        S: * OK ready
        C: a AUTHENTICATE GSSAPI
        S: +
        C: eHh4
        S: a OK in
    ";
    let mut log = recorded("imap", 1, layer, Config::default());
    log.truncate(memchr::memmem::rfind(&log, b"{\"seq\"").unwrap());
    log.extend_from_slice(
        format!(
            r#"{{"seq":{},"at":"2026-11-23T03:32:00.000000Z","kind":"raw","from":"server","wire":"\u0000\u0000"}}"#,
            log.iter().filter(|byte| **byte == b'\n').count()
        )
        .as_bytes(),
    );
    log.push(b'\n');
    cut("layer", &log, "security layer", 1);
    // A line that is not there, or not in its place.
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let at = lines.iter().position(|line| memchr::memmem::find(line, b"a3 OK").is_some()).unwrap();
    cut("missing", &[&lines[..at], &lines[at + 1..]].concat().concat(), "lines of it are missing", 2);
    let mut swapped = lines.clone();
    swapped.swap(at, at + 1);
    cut("swapped", &swapped.concat(), "not in their order", 2);
    let other = String::from_utf8(whole.clone()).unwrap().replace("mailtap/1", "mailtap/9");
    refused("newer.jsonl", other.as_bytes(), "this mailtap reads \"mailtap/1\"");
}

#[test]
fn the_example_in_the_readme_can_be_pasted() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    assert!(readme.contains("mailtap::replay::Server::from_recording"), "the README shows the library");
    assert!(readme.contains("mailtap replay server"), "the README shows the command");
}

/// Plays recordings to a client that sends these bytes, cut so; gives what was said.
fn played(talks: &[(&str, &str)], mode: Match, blocks: &[Vec<u8>]) -> (Vec<u8>, bool) {
    let scripts: Vec<Script> = talks
        .iter()
        .zip(0..)
        .map(|((scheme, talk), number)| script(&recorded(scheme, number, talk, Config::default())).unwrap())
        .collect();
    let scheme = scripts[0].scheme;
    let casting = Arc::new(Mutex::new(Casting::new(scripts, mode, true)));
    let first = casting.lock().unwrap().join(1, scheme).unwrap();
    let mut acts = Vec::new();
    let mut player = Player::new(1, &first, casting, None, &mut acts);
    for block in blocks {
        player.client(block, &mut acts);
        assert!(acts.len() < 1_000_000, "it never comes to an end");
    }
    let (mut said, mut closed) = (Vec::new(), false);
    for act in acts {
        match act {
            Act::Send { bytes, .. } => said.extend_from_slice(&bytes),
            Act::Close => closed = true,
            Act::StartTls => {}
        }
    }
    (said, closed)
}

/// The client's bytes of a talk.
fn client_of(talk: &str) -> Vec<u8> {
    let lines = talk.lines().filter_map(|line| line.trim_start().strip_prefix("C: "));
    lines.flat_map(|line| format!("{line}\r\n").into_bytes()).collect()
}

fn cut(bytes: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect()
}

fn talks() -> impl Strategy<Value = &'static [(&'static str, &'static str)]> {
    let all: [&[(&str, &str)]; 3] = [&[("imap", IMAP), ("imap", OTHER)], &[("submission", SMTP)], &[("imap", OTHER)]];
    proptest::sample::select(all.to_vec())
}

fn modes() -> impl Strategy<Value = Match> {
    proptest::sample::select(vec![Match::Strict, Match::Ordered, Match::Free])
}

proptest! {
    #[test]
    fn the_cut_makes_no_difference(talks in talks(), mode in modes(), cuts in prop::collection::vec(any::<usize>(), 0..40)) {
        let bytes = client_of(talks[0].1);
        let whole = played(talks, mode, std::slice::from_ref(&bytes));
        prop_assert_eq!(&whole, &played(talks, mode, &cut(&bytes, &cuts)));
        prop_assert!(whole.1, "it ends with the client's goodbye");
    }

    #[test]
    fn any_bytes_are_survived(
        talks in talks(),
        mode in modes(),
        blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
    ) {
        played(talks, mode, &blocks);
    }

    #[test]
    fn damaged_conversations_are_survived(
        talks in talks(),
        mode in modes(),
        changes in prop::collection::vec((any::<usize>(), any::<u8>()), 0..20),
        swaps in prop::collection::vec((any::<usize>(), any::<usize>()), 0..10),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let bytes = client_of(talks[0].1);
        let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let count = lines.len();
        for (one, other) in swaps {
            lines.swap(one % count, other % count);
        }
        let mut bytes = lines.concat();
        let len = bytes.len();
        for (at, with) in changes {
            bytes[at % len] = with;
        }
        played(talks, mode, &cut(&bytes, &cuts));
    }

    #[test]
    fn damaged_recordings_are_survived(
        talks in talks(),
        changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..20),
        drops in prop::collection::vec(any::<usize>(), 0..5),
    ) {
        let lines = recorded(talks[0].0, 1, talks[0].1, Config::default());
        let mut lines: Vec<Vec<u8>> = lines.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        for drop in drops {
            let at = drop % lines.len();
            lines.remove(at);
        }
        let mut bytes = lines.concat();
        let len = bytes.len();
        for (at, with) in changes {
            bytes[at % len] = with;
        }
        if let Ok(script) = script(&bytes) {
            let scheme = script.scheme;
            let casting = Arc::new(Mutex::new(Casting::new(vec![script], Match::Ordered, true)));
            let first = casting.lock().unwrap().join(1, scheme).unwrap();
            let mut acts = Vec::new();
            Player::new(1, &first, casting, None, &mut acts).client(&client_of(talks[0].1), &mut acts);
        }
    }
}

/// The README's shell example, in short: nothing but the program and curl.
#[test]
fn a_shell_needs_only_the_program() {
    let (folder, paths) = files(&[("submission", SMTP)]);
    let script = format!(
        "set -e; exec 3< <({mailtap} --dir {dir} replay server {path} --listen 127.0.0.1:0 --once --json)\n\
         read -r line <&3; address=$(printf %s \"$line\" | sed 's/.*\"address\":\"\\([^\"]*\\)\".*/\\1/')\n\
         printf 'x\\r\\n' | curl -q -sS --max-time 30 --noproxy '*' -u a:b --mail-from a@example.org \
         --mail-rcpt b@example.org -T - smtp://$address; cat <&3 | tail -1",
        mailtap = env!("CARGO_BIN_EXE_mailtap"),
        dir = folder.path().display(),
        path = paths[0].display()
    );
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]);
    let ran = Ran::new(&bash).expect_ok();
    let report: Value = serde_json::from_str(ran.text().trim()).unwrap();
    assert_eq!((&report["matched"], &report["unmet"]), (&Value::from(6), &serde_json::json!([])), "{ran}");
    // The replay is a recording too, and says what it is.
    let shown = run(folder.path(), &["show", "last"]).expect_ok().text();
    for expected in ["(played)", "replay server", &ID[..ID.len() - 1]] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
}

/// Legs that differed then: the client is served as it was, and no offer leads nowhere.
#[test]
fn recordings_with_unequal_legs_are_played_as_the_client_knew_them() {
    let practice = Practice::start();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.pem");
    std::fs::write(&root, &practice.root).unwrap();
    let at = practice.at;
    let imap = |address: SocketAddr| -> String {
        let mut talk = Talk::to(Some(address));
        let mut seen = talk.line();
        for command in ["CAPABILITY", &format!("LOGIN alice {PASSWORD}"), "SELECT INBOX", "LOGOUT"] {
            let (data, tagged) = talk.imap(command);
            seen += &format!("\n{data:?} {tagged}");
        }
        seen
    };
    let submission = |address: SocketAddr| -> String {
        let mut talk = Talk::to(Some(address));
        let mut seen = talk.line();
        for command in ["EHLO x.example", "NOOP", "QUIT"] {
            seen += &talk.smtp(command).join("\n");
        }
        seen
    };
    for (route, job) in [
        (
            format!("imap://127.0.0.1:0=imaps://localhost:{}", at.imaps.unwrap().port()),
            &imap as &dyn Fn(SocketAddr) -> String,
        ),
        (format!("imap://127.0.0.1:0=imap+starttls://localhost:{}", at.imap.unwrap().port()), &imap),
        (format!("submission://127.0.0.1:0=submissions://localhost:{}", at.submissions.unwrap().port()), &submission),
        (
            format!("submission://127.0.0.1:0=submission+starttls://localhost:{}", at.submission.unwrap().port()),
            &submission,
        ),
    ] {
        let mut mailtap = Mailtap::start(&[&route], &["--upstream-ca", root.to_str().unwrap()]);
        let seen = job(mailtap.address(&route));
        mailtap.recordings(1);
        assert!(mailtap.stop().success());
        let played = Replay::start(&mailtap.dir, &["--match", "strict"]);
        let scheme = route.split_once(':').unwrap().0;
        assert_eq!(job(played.address(scheme).unwrap()), seen, "{route}");
        played.mailtap.recordings(1);
        let report = played.end();
        assert_eq!((&report["status"], &report["unasked"]), (&0.into(), &serde_json::json!([])), "{route}: {report}");
    }
}

#[test]
fn original_speed_takes_its_time_and_max_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slow.jsonl");
    // The greeting comes at once, and the answer 700 ms after the command.
    let lines =
        String::from_utf8(recorded("imap", 1, "S: * OK ready\nC: a NOOP\nS: a OK slow", Config::default())).unwrap();
    let slow = lines.replacen("00:00:00.003", "00:00:00.702", 1);
    assert_ne!(slow, lines);
    std::fs::write(&path, slow).unwrap();
    let time = |speed: &str| {
        let server = Server::from_recording(&path).speed(Speed::parse(speed).unwrap()).start().unwrap();
        let mut talk = Talk::to(Some(server.address()));
        talk.line();
        let begun = Instant::now();
        assert_eq!(talk.imap("NOOP").1, "OK slow");
        begun.elapsed()
    };
    let (original, twice, max) = (time("original"), time("2"), time("max"));
    assert!(original >= Duration::from_millis(700), "{original:?}");
    assert!((Duration::from_millis(350)..original).contains(&twice), "{twice:?}");
    assert!(max < Duration::from_millis(350), "{max:?}");
}

#[test]
fn many_clients_are_served_at_a_time_and_again() {
    let (_folder, paths) = files(&[("imap", IMAP), ("imap", OTHER)]);
    let server = Server::from_recordings(&paths).matching(Match::Free).start().unwrap();
    let mut talks: Vec<Talk> = (0..20).map(|_| Talk::to(Some(server.address()))).collect();
    for talk in &mut talks {
        assert_eq!(talk.line(), "* OK ready");
        assert_eq!(talk.imap("LOGIN joe sesame").1, "OK in");
    }
    for talk in &mut talks {
        assert_eq!(talk.imap("SELECT Sent").1, "OK [READ-WRITE] Sent is selected");
    }
    drop(talks);
    assert_eq!(server.stop().matched, 40);
}

#[test]
fn wrong_command_lines_say_how_to_mend_them() {
    let (folder, paths) = files(&[("imap", OTHER), ("submission", SMTP)]);
    let [imap, smtp] = [0, 1].map(|index| paths[index].to_str().unwrap());
    for (args, status, why) in [
        (vec![imap, "--listen", "nowhere"], 2, "is no address"),
        (vec![imap, "--listen", "gopher://127.0.0.1:0"], 2, "is no scheme"),
        (vec![imap, smtp, "--listen", "127.0.0.1:1143"], 2, "add --listen submission://"),
        (vec![imap, "--listen", "0.0.0.0:0"], 2, "--allow-from"),
        (vec![imap, "--speed", "0"], 2, "a number above 0"),
        (vec![imap, "--match", "loose"], 2, "ordered"),
        (vec![imap, "--once", "--loop"], 2, "--loop"),
        (vec![imap, "--user", "joe"], 2, "--password-file"),
        (vec![imap, "--user", "joe", "--password-env", "MAILTAP_NO_SUCH"], 2, "no such variable"),
        (vec!["nosuchsession"], 1, "nothing is recorded"),
    ] {
        let ran = run(folder.path(), &[&["replay", "server"], args.as_slice()].concat());
        assert!(ran.code == Some(status) && ran.errors().contains(why), "{args:?}: {ran}");
    }
}

/// What a server says around its upgrade to TLS.
#[test]
fn what_is_said_behind_starttls_is_said_in_tls() {
    let sieve = r#"
        S: "IMPLEMENTATION" "x"
        S: "STARTTLS"
        S: OK "ready"
        C: STARTTLS
        S: OK "begin"
        S: "IMPLEMENTATION" "x"
        S: "SASL" "PLAIN"
        S: OK "in tls"
        C: HAVESPACE "a" 10
        S: OK
        C: LOGOUT
        S: OK "bye"
    "#;
    let smtp = "
        S: 220 ready
        C: EHLO a
        S: 250 STARTTLS
        C: STARTTLS
        S: 220 begin
        C: EHLO a
        S: 250 AUTH PLAIN
        C: QUIT
        S: 221 bye
    ";
    for (scheme, talk, said, behind) in [
        ("sieve", sieve, "STARTTLS\r\nHAVESPACE \"b\" 20\r\nLOGOUT\r\n", "\"IMPLEMENTATION\" \"x\"\r\n\"SASL\""),
        ("smtp", smtp, "EHLO b\r\nSTARTTLS\r\nEHLO b\r\nSTARTTLS\r\nQUIT\r\n", "250 AUTH PLAIN"),
    ] {
        let script = script(&recorded(scheme, 1, talk, Config::default())).unwrap();
        assert!(script.cut.is_none());
        let of = script.scheme;
        let casting = Arc::new(Mutex::new(Casting::new(vec![script], Match::Free, true)));
        let first = casting.lock().unwrap().join(1, of).unwrap();
        let mut acts = Vec::new();
        let mut player = Player::new(1, &first, casting, None, &mut acts);
        for line in said.split_inclusive('\n') {
            player.client(line.as_bytes(), &mut acts);
        }
        let upgrades: Vec<usize> =
            acts.iter().enumerate().filter(|(_, act)| **act == Act::StartTls).map(|(at, _)| at).collect();
        assert_eq!(upgrades.len(), 1, "a second one is refused: {acts:?}");
        let text = |acts: &[Act]| -> String {
            let sent = acts.iter().filter_map(|act| match act {
                Act::Send { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
                _ => None,
            });
            sent.collect()
        };
        let (before, after) = acts.split_at(upgrades[0]);
        assert!(text(before).contains("begin") && text(after).starts_with(behind), "{acts:?}");
        assert!(text(after).contains("bye") && acts.last() == Some(&Act::Close), "{acts:?}");
    }
}

/// Sessions that came by a way in without a scheme are served as they turned out.
#[test]
fn the_scheme_is_told_by_the_session_where_the_route_has_none() {
    let lines = String::from_utf8(recorded("imap", 1, OTHER, Config::default())).unwrap();
    let auto = lines.replace("imap://127.0.0.1:2=imap://", "auto://127.0.0.1:2=auto://");
    assert_eq!(script(auto.as_bytes()).unwrap().scheme.name, "imap");
    // Behind the open event, those after it one further.
    let tls = r#"{"seq":1,"at":"1970-01-01T00:00:00.000000Z","kind":"tls","from":"client","how":"implicit"}"#;
    let (open, rest) = auto.split_once('\n').unwrap();
    let mut rest = rest.to_owned();
    for number in (1..100).rev() {
        for name in ["seq", "answers", "of", "about", "continues"] {
            rest = rest.replace(&format!("\"{name}\":{number},"), &format!("\"{name}\":{},", number + 1));
        }
    }
    assert_eq!(script(format!("{open}\n{tls}\n{rest}").as_bytes()).unwrap().scheme.name, "imaps");
}
