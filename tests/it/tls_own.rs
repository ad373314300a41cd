//! The upgrade of the server leg that mailtap makes itself, in every order of events: it always comes to an end, the
//! client always learns why, and nothing goes over the plaintext that is not mailtap's own.
//! Takes peers that do as they are told. Does not use real servers; those have tests of their own.

use std::thread;

use rustls::client::ClientConnection;

use crate::support::certs::Key;
use crate::support::recording::Recording;
use crate::support::tls_peer::{BOTH_VERSIONS, Bench, Peer, client, showing, trusting};
use crate::tls_unequal::{ALL, Unequal};
use crate::tls_upgrade::over;

/// A client that waits: in plaintext, or for the answer to its hello.
struct Near {
    peer: Peer,
    hello: Option<ClientConnection>,
}

impl Near {
    #[track_caller]
    fn new(bench: &Bench, scheme: &str, unequal: &Unequal) -> Near {
        let mut peer = bench.client();
        let hello = (scheme != unequal.plain).then(|| client(&bench.trusting(), "localhost"));
        let hello = hello.map(|mut connection| {
            let mut bytes = Vec::new();
            connection.write_tls(&mut bytes).expect("memory");
            peer.say(&bytes);
            connection
        });
        Near { peer, hello }
    }

    /// It has been answered.
    #[track_caller]
    fn answered(mut self) -> Peer {
        if let Some(connection) = self.hello {
            self.peer.start(connection).expect("the TLS that it asked for");
        }
        self.peer
    }
}

/// A session in which the server has said so much: at 0 not even its greeting, then one answer after the other. What it
/// is to answer next it has heard.
#[track_caller]
fn at(stage: usize, scheme: &str, unequal: &Unequal, more: &[&str]) -> (Bench, Near, Peer) {
    let bench = Bench::start(scheme, unequal.upgraded, more);
    let near = Near::new(&bench, scheme, unequal);
    let mut far = bench.server();
    if stage > 0 {
        far.say(unequal.greeting);
    }
    for number in 0..stage {
        let answer = unequal.own_command(&mut far, number);
        if number + 1 < stage {
            far.say(answer);
        }
    }
    (bench, near, far)
}

/// Every stage of every protocol, with and without TLS for the client, side by side.
fn everywhere(test: impl Fn(usize, &'static str, &'static Unequal) + Copy + Send) {
    thread::scope(|scope| {
        for unequal in &ALL {
            for scheme in [Some(unequal.plain), unequal.implicit].into_iter().flatten() {
                scope.spawn(move || (0..=unequal.own.len()).for_each(|stage| test(stage, scheme, unequal)));
            }
        }
    });
}

/// The client is told in one line, and that is the end; gives the recording.
#[track_caller]
fn told(bench: &Bench, near: Near, words: &str) -> Recording {
    let mut near = near.answered();
    let line = near.line();
    assert!(line.contains("mailtap: ") && line.contains(words), "{line}");
    near.end();
    assert_eq!(near.rest(), (Vec::new(), true), "and that is the end");
    let recording = bench.recording();
    assert_eq!(recording.one("close")["by"], "server", "{}", recording.dump());
    assert!(recording.note_codes().contains(&"upstream-tls".to_owned()), "{}", recording.dump());
    recording
}

#[test]
fn a_server_that_ends_the_connection() {
    everywhere(|stage, scheme, unequal| {
        let without = if stage == 0 { "without a greeting" } else { "without an answer to " };
        let (bench, near, mut far) = at(stage, scheme, unequal, &[]);
        far.end();
        told(&bench, near, without);
        assert_eq!(far.rest(), (Vec::new(), true), "{}: nothing more is said to it", unequal.plain);

        // Before it has said anything, a reset may as well come while mailtap still connects.
        if stage > 0 {
            let (bench, near, far) = at(stage, scheme, unequal, &[]);
            far.reset();
            told(&bench, near, without);
        }
    });
}

#[test]
fn a_server_that_is_silent() {
    everywhere(|stage, scheme, unequal| {
        let (bench, near, mut far) = at(stage, scheme, unequal, &["--handshake-timeout", "1"]);
        told(&bench, near, "within 1 seconds");
        assert_eq!(far.rest(), (Vec::new(), true), "{}: nothing more is said to it", unequal.plain);
    });
}

#[test]
fn a_client_that_breaks_off() {
    everywhere(|stage, scheme, unequal| {
        let (bench, near, mut far) = at(stage, scheme, unequal, &[]);
        near.peer.reset();
        assert_eq!(far.rest(), (Vec::new(), true), "{}: nothing more is said to it", unequal.plain);
        let recording = bench.recording();
        assert_eq!(recording.one("close")["by"], "client", "{}", recording.dump());
    });
}

#[test]
fn a_client_that_leaves_before_its_hello_is_answered() {
    for unequal in &ALL {
        let Some(scheme) = unequal.implicit else { continue };
        let (bench, mut near, mut far) = at(1, scheme, unequal, &[]);
        near.peer.end();
        assert_eq!(far.rest(), (Vec::new(), true), "{scheme}: the end comes at once");
        let recording = bench.recording();
        assert_eq!(recording.one("close")["by"], "client", "{}", recording.dump());
        let tls = recording.one("tls");
        assert_eq!((&tls["from"], &tls["sni"]), (&"client".into(), &"localhost".into()), "{tls}");
        assert!(tls["error"].as_str().is_some_and(|error| error.contains("closed the connection")), "{tls}");
    }
}

#[test]
fn a_client_with_tls_is_answered_with_what_the_server_has_shown() {
    for unequal in &ALL {
        let Some(scheme) = unequal.implicit else { continue };
        let bench = Bench::start(scheme, unequal.upgraded, &[]);
        let asking = trusting(&bench.ca(), BOTH_VERSIONS, &["other", "mail"]);
        let mut near = bench.client();
        let shaking = thread::spawn(move || {
            near.start_tls(&asking, "alias.example").expect("the client's handshake");
            near
        });
        let chain = bench.authority.issue(&["localhost", "further.example"], Key::Ecdsa);
        let mut far = bench.server();
        far.say(unequal.greeting);
        for number in 0..unequal.own.len() {
            let answer = unequal.own_command(&mut far, number);
            far.say(answer);
        }
        far.serve_tls(&showing(&chain, BOTH_VERSIONS, &["mail"])).expect("the server's handshake");
        assert_eq!(far.agreed(), (Some("alias.example".to_owned()), Some(b"mail".to_vec())), "as the client asked");
        let mut near = shaking.join().expect("no panic");
        assert_eq!(near.agreed().1, Some(b"mail".to_vec()), "the server's choice");
        near.hear(unequal.own_greeting);
        let recording = over(&bench, near, far);
        let tls = recording.of_kind("tls");
        let from: Vec<_> = tls.iter().map(|event| event["from"].as_str().unwrap_or_default()).collect();
        assert_eq!(from, ["server", "client"], "{}", recording.dump());
        let names = tls[1]["certificate"]["names"].to_string();
        assert!(names.contains("alias.example") && names.contains("further.example"), "{names}");
        assert!(!recording.note_codes().contains(&"login-disabled".to_owned()), "{}", recording.dump());
    }
}

#[test]
fn what_a_client_says_too_early_and_its_end_wait_for_tls() {
    everywhere(|stage, scheme, unequal| {
        let (line, answer, hidden) = unequal.talk[0];
        if scheme != unequal.plain {
            return;
        }
        let bench = Bench::start(unequal.plain, unequal.upgraded, &[]);
        let (mut near, mut far) = bench.both();
        near.say(line);
        if stage > 0 {
            near.end();
        }
        far.say(unequal.greeting);
        unequal.own_upgrade(&bench, &mut far);
        near.hear(unequal.own_greeting);
        far.hear(line);
        if stage > 0 {
            assert_eq!(far.rest(), (Vec::new(), true), "{}: its end has come through", unequal.plain);
        }
        far.say(answer);
        near.hear(hidden);
        let recording = over(&bench, near, far);
        recording.compare("client", line.as_bytes()).unwrap_or_else(|text| panic!("{text}"));
    });
}

#[test]
fn what_a_client_says_too_early_goes_nowhere_where_there_is_no_tls() {
    for (number, line) in [
        "a LOGIN joe Canary-7\r\n",
        "USER joe\r\nPASS Canary-7\r\n",
        "AUTH PLAIN AGpvZQBDYW5hcnktNw==\r\n",
        "AUTHENTICATE \"PLAIN\" \"AGpvZQBDYW5hcnktNw==\"\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        let (bench, mut near, mut far) = at(1, ALL[number].plain, &ALL[number], &["--handshake-timeout", "1"]);
        near.peer.say(line);
        let recording = told(&bench, near, "within 1 seconds");
        assert_eq!(far.rest(), (Vec::new(), true));
        recording.compare("client", line.as_bytes()).unwrap_or_else(|text| panic!("{text}"));
        let dump = recording.dump();
        assert!(!dump.contains("Canary-7") && !dump.contains("AGpvZQBDYW5hcnktNw"), "{dump}");
    }
}

#[test]
fn a_client_that_says_very_much_too_early_has_to_wait_with_it() {
    let bench = Bench::start("imap", "imap+starttls", &[]);
    let (mut near, mut far) = bench.both();
    let much = format!("a APPEND x {{4000000+}}\r\n{}\r\n", "x".repeat(4_000_000));
    let said = much.clone();
    let saying = thread::spawn(move || {
        near.say(said);
        near
    });
    far.say(ALL[0].greeting);
    ALL[0].own_upgrade(&bench, &mut far);
    assert!(far.take(much.len()) == much.as_bytes(), "all of it, and within TLS");
    let mut near = saying.join().expect("no panic");
    near.hear(ALL[0].own_greeting);
    over(&bench, near, far);
}

#[test]
fn plaintext_behind_the_greeting_does_not_reach_the_client() {
    // Where replies have no tags, such a line would be taken for an answer, and TLS would not come about.
    let (unequal, stray) = (&ALL[0], "* OK stray\r\n");
    let bench = Bench::start(unequal.plain, unequal.upgraded, &[]);
    let (mut near, mut far) = bench.both();
    far.say([unequal.greeting, stray].concat());
    unequal.own_upgrade(&bench, &mut far);
    near.hear(unequal.own_greeting);
    over(&bench, near, far);
}

#[test]
fn plaintext_behind_the_answer_does_not_reach_the_client() {
    for (unequal, stray) in ALL.iter().zip(["* OK stray\r\n", "+OK stray\r\n", "250 stray\r\n", "OK \"stray\"\r\n"]) {
        let bench = Bench::start(unequal.plain, unequal.upgraded, &[]);
        let (mut near, mut far) = bench.both();
        far.say(unequal.greeting);
        for number in 0..unequal.own.len() {
            let answer = unequal.own_command(&mut far, number);
            let last = number + 1 == unequal.own.len();
            far.say(if last { answer + stray } else { answer });
        }
        far.serve_tls(&bench.showing()).expect("the server's handshake");
        far.say(unequal.again);
        near.hear(unequal.own_greeting);
        let recording = over(&bench, near, far);
        assert!(recording.note_codes().contains(&"starttls-injection".to_owned()), "{}", recording.dump());
    }
}

#[test]
fn a_greeting_without_end_is_given_up() {
    let long = "x".repeat(1000);
    for (unequal, line) in ALL.iter().zip([
        "* OK ".to_owned(),
        "+OK ".to_owned(),
        format!("220-{long}\r\n"),
        format!("\"A\" \"{long}\"\r\n"),
    ]) {
        let bench = Bench::start(unequal.plain, unequal.upgraded, &[]);
        let (near, mut far) = bench.both();
        let more = if line.ends_with('\n') { &line } else { &long };
        let all = [line.as_str(), &more.repeat(200)].concat();
        let saying = thread::spawn(move || far.try_say(all));
        told(&bench, Near { peer: near, hello: None }, "greeting has no end");
        saying.join().expect("no panic");
    }
}
