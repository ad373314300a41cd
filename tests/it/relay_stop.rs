//! Being told to stop: sessions at rest end right away, those in the middle of something when they are done.
//! Takes peers that are played here, and the practice server's clients; gives the time it took and what was recorded.
//! Does not know how rest is told from work, beyond what a person would call so.

use std::time::{Duration, Instant};

use mailtap::event::{Event, Side, Stamp};
use mailtap::proto::{self, Setup};
use mailtap::session::{Config, Log, Outbox, Session};

use crate::practice_kit::Talk;
use crate::support::mailtap::{Mailtap, run};
use crate::support::peers::Stage;
use crate::support::recording::Recording;
use crate::support::tls_peer::{BOTH_VERSIONS, Bench, showing, trusting};
use crate::support::wait_for;

/// Far above what it takes when nothing is waited for, and far below the shortest grace.
const AT_ONCE: Duration = Duration::from_secs(7);

struct Nowhere;

impl Log for Nowhere {
    fn event(&mut self, _: &Event<'_>) {}
}

/// Feeds lines, which end in CRLF or, with a backslash, in nothing. Before each stands how it is after it: `-` at rest,
/// `+` something is under way.
#[track_caller]
fn assert_rest(protocol: &str, talk: &str) {
    let (spec, _) = proto::scheme(protocol).unwrap();
    let mut session = Session::new(spec, Setup::default(), false, Config::default());
    assert!(session.at_rest(), "{protocol}: a greeting that does not come");
    for line in talk.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        let (state, said) = line.split_at(2);
        let side = if said.starts_with('C') { Side::Client } else { Side::Server };
        let bytes = format!("{}\r\n", said.get(3..).unwrap_or_default());
        let bytes = bytes.strip_suffix("\\\r\n").unwrap_or(&bytes);
        session.bytes(Stamp(0), side, bytes.as_bytes(), &mut Nowhere, &mut Outbox::default());
        assert_eq!(session.at_rest(), state == "- ", "{protocol}: after {line}");
    }
}

#[test]
fn rest_is_told_from_work() {
    assert_rest(
        "imap",
        "- S: * OK hi
         + C: a NOO\\
         + C: P
         + S: * 1 EXISTS
         - S: a OK done
         + C: b SELECT INBOX
         + C: c FETCH 1 BODY[]
         + S: b OK done
         + S: * 1 FETCH (BODY[] {3}
         + S: x\\
         + S: yz)
         - S: c OK done
         + C: d APPEND INBOX {2}
         + S: + go
         + C: x\\
         + C: y
         - S: d OK done
         + C: e IDLE
         - S: + idling
         - S: * 2 EXISTS
         - C: DONE
         - S: e OK done
         + C: f AUTHENTICATE PLAIN
         + S: +
         + C: AGEAYg==
         - S: f OK in",
    );
    assert_rest(
        "smtp",
        "- S: 220 hi
         + C: EHLO x
         + S: 250-y
         - S: 250 SIZE
         + C: MAIL FROM:<>
         - S: 250 ok
         + C: DATA
         + S: 354 go
         + C: x
         + C: .
         - S: 250 ok
         + C: BDAT 3
         + C: x\\
         + C: yz\\
         - S: 250 ok
         + C: AUTH LOGIN
         + S: 334 VXNlcm5hbWU6
         + C: eA==
         + S: 334 UGFzc3dvcmQ6
         + C: eQ==
         - S: 235 in",
    );
    assert_rest(
        "pop3",
        "- S: +OK hi
         + C: RETR 1
         + S: +OK
         + S: text
         - S: .
         + C: STAT\\
         + C:
         - S: +OK 0 0",
    );
    assert_rest(
        "sieve",
        "+ S: \"SIEVE\" \"\"
         - S: OK
         + C: PUTSCRIPT \"x\" {3+}
         + C: abc
         - S: OK
         + C: GETSCRIPT \"x\"
         + S: {3}
         + S: abc
         - S: OK",
    );
}

/// Sends a signal, and checks that it ends soon, with sessions closed by the proxy.
#[track_caller]
fn assert_ends_at_once(mailtap: &mut Mailtap, sessions: usize) -> Vec<Recording> {
    let before = Instant::now();
    assert!(mailtap.stop().success(), "{}", mailtap.errors());
    assert!(before.elapsed() < AT_ONCE, "it took {:?}", before.elapsed());
    let recordings = mailtap.recordings(sessions);
    let stopped: Vec<Recording> =
        recordings.into_iter().filter(|recording| recording.one("close")["reason"] == "mailtap was stopped").collect();
    assert_eq!(stopped.len(), sessions);
    for recording in &stopped {
        assert_eq!(recording.one("close")["by"], "proxy", "{}", recording.dump());
    }
    stopped
}

#[test]
fn the_demo_ends_while_mail_programs_are_at_rest() {
    let mut demo = Mailtap::launch(&["demo", "--json", "--no-client", "--free-ports"], 7);
    let account = demo.account();
    let at = |service: &str| account[service].as_str().map(|address| address.parse().expect("an address"));
    let login = format!("LOGIN demo {}", account["password"].as_str().expect("a password"));
    let mut resting = Talk::to(at("imap"));
    resting.line();
    resting.ok(&login);
    let mut idling = Talk::to(at("imap"));
    idling.line();
    idling.ok(&login);
    idling.ok("SELECT INBOX");
    assert_eq!(idling.ask("i IDLE"), "+ idling");
    let mut greeted = Talk::to(at("pop3"));
    greeted.line();
    // It says nothing, not even what TLS begins with, and is no session yet.
    let mut silent = Talk::to(at("imaps"));
    let stopped = assert_ends_at_once(&mut demo, 3);
    assert!(stopped.iter().any(|recording| recording.one("close")["user"] == "demo"));
    for talk in [&mut resting, &mut idling, &mut greeted, &mut silent] {
        assert_eq!(talk.rest(), "");
    }
    let failed = run(&demo.dir, &["sessions", "--failed", "--json"]).expect_ok().text();
    assert_eq!(failed, "", "to be told to stop is no failure");
}

#[test]
fn the_practice_server_ends_while_mail_programs_are_at_rest() {
    let mut practice = Mailtap::launch(&["practice", "--json", "--free-ports"], 7);
    let account = practice.account();
    let mut talk = Talk::to(account["imap"].as_str().map(|address| address.parse().expect("an address")));
    talk.line();
    let before = Instant::now();
    assert!(practice.stop().success());
    assert!(before.elapsed() < AT_ONCE);
    assert_eq!(talk.rest(), "* BYE Server shutting down.\r\n");
}

#[test]
fn what_is_under_way_is_finished_first() {
    let mut stage = Stage::new("imap", &["--grace", "600"]);
    let (mut client, mut server) = stage.greeted("* OK hi\r\n");
    client.say("a FETCH 1 BODY[]\r\n");
    server.hear("a FETCH 1 BODY[]\r\n");
    let (mut other, _its_server) = stage.greeted("* OK hi\r\n");
    stage.mailtap.signal("INT");
    assert_eq!(other.rest(), b"", "who is at rest ends");
    // The others' time does not run out meanwhile.
    server.say("* 1 FETCH (BODY[] {3}\r\nx");
    client.hear("* 1 FETCH (BODY[] {3}\r\nx");
    // A client at work goes on.
    client.say("b NOOP\r\n");
    server.hear("b NOOP\r\n");
    server.say("yz)\r\na OK done\r\nb OK done\r\n");
    client.hear("yz)\r\na OK done\r\nb OK done\r\n");
    assert_eq!(client.rest(), b"", "and ends when it is done");
    assert_eq!(server.rest(), b"");
    wait_for("the end", || stage.mailtap.has_ended().then_some(()));
    for recording in stage.mailtap.recordings(2) {
        assert_eq!(recording.one("close")["reason"], "mailtap was stopped", "{}", recording.dump());
    }
}

#[test]
fn tls_that_is_passed_through_ends_when_nothing_passes() {
    let mut bench = Bench::start("imaps", "imaps", &["--passthrough", "localhost", "--grace", "600"]);
    let trusts = trusting(&bench.authority.root(), BOTH_VERSIONS, &["imap"]);
    let (mut near, mut far) = bench.implicit(trusts, &showing(&bench.good(), BOTH_VERSIONS, &["imap"]));
    near.say("hello\r\n");
    far.hear("hello\r\n");
    assert_ends_at_once(&mut bench.mailtap, 1);
    assert_eq!((near.rest().0, far.rest().0), (Vec::new(), Vec::new()));
}
