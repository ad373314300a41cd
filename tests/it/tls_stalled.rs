//! Handshakes that stall, on either leg and at every stage: each ends in the time that `--handshake-timeout` names.
//! Takes peers that stop talking; gives what the other end was told, and what was recorded.
//! Does not wait for the default of 30 seconds.

use std::thread;

use crate::support::tls_peer::{Bench, Peer, client};
use crate::tls_upgrade::ALL;

/// Long enough for a handshake on a busy machine, short enough for a test.
const LIMIT: &str = "2";
const IN_WORDS: &str = "within 2 seconds";

/// The session has ended, and the leg's `tls` event says why.
#[track_caller]
fn assert_told(bench: &Bench, leg: &str) {
    let recording = bench.recording();
    let failed = recording.of_kind("tls").into_iter().find(|event| event["error"].is_string());
    let failed = failed.unwrap_or_else(|| panic!("no failed handshake in\n{}", recording.dump()));
    assert_eq!(failed["from"], leg, "{failed}");
    assert!(failed["error"].as_str().is_some_and(|error| error.contains(IN_WORDS)), "{failed}");
    // The one handshake's time, and some for everything around it, but not twice that time.
    let lasted = recording.one("close")["duration_us"].as_u64().expect("a duration");
    assert!((1_900_000..3_900_000).contains(&lasted), "{lasted} µs\n{}", recording.dump());
}

fn hello(bench: &Bench) -> Vec<u8> {
    let mut hello = Vec::new();
    client(&bench.trusting(), "localhost").write_tls(&mut hello).expect("memory");
    hello
}

/// Nothing, one byte, half a hello, and a whole one that nothing follows.
fn starts(bench: &Bench) -> [Vec<u8>; 4] {
    let hello = hello(bench);
    [Vec::new(), hello[..1].to_vec(), hello[..hello.len() / 2].to_vec(), hello]
}

#[track_caller]
fn ends(mut peer: Peer) {
    let _ = peer.rest();
}

#[test]
fn a_client_that_stalls_in_an_implicit_handshake() {
    thread::scope(|scope| {
        for start in 0..4 {
            for passthrough in [&[][..], &["--passthrough", "elsewhere.example"]] {
                scope.spawn(move || {
                    let more = [&["--handshake-timeout", LIMIT], passthrough].concat();
                    let bench = Bench::start("imaps", "imaps", &more);
                    let mut near = bench.client();
                    near.say(&starts(&bench)[start]);
                    if start == 3 {
                        bench.server().serve_tls(&bench.showing()).expect("the server's handshake");
                    }
                    ends(near);
                    assert_told(&bench, "client");
                });
            }
        }
    });
}

#[test]
fn a_client_that_stalls_where_its_tls_would_be_passed_through() {
    thread::scope(|scope| {
        for start in 0..3 {
            scope.spawn(move || {
                let bench =
                    Bench::start("imaps", "imaps", &["--handshake-timeout", LIMIT, "--passthrough", "localhost"]);
                let mut near = bench.client();
                near.say(&starts(&bench)[start]);
                ends(near);
                assert_told(&bench, "client");
            });
        }
    });
}

#[test]
fn a_server_that_accepts_and_is_silent() {
    thread::scope(|scope| {
        for (left, right) in [("imaps", "imaps"), ("imap", "imaps"), ("pop3s", "pop3s"), ("smtps", "smtps")] {
            scope.spawn(move || {
                let bench = Bench::start(left, right, &["--handshake-timeout", LIMIT]);
                let mut near = bench.client();
                let shaking = thread::spawn({
                    let trusting = bench.trusting();
                    move || {
                        if left.ends_with('s') {
                            near.start_tls(&trusting, "localhost").expect("TLS for the sentence");
                        }
                        let told = near.line();
                        near.end();
                        (told, near.rest())
                    }
                });
                let silent = bench.server();
                let (told, _) = shaking.join().expect("no panic");
                assert!(told.contains("mailtap: ") && told.contains(IN_WORDS), "{told}");
                drop(silent);
                assert_told(&bench, "server");
            });
        }
    });
}

#[test]
fn a_server_that_accepts_an_upgrade_and_is_silent() {
    thread::scope(|scope| {
        for words in &ALL {
            scope.spawn(move || {
                let bench = Bench::start(words.scheme, words.scheme, &["--handshake-timeout", LIMIT]);
                let (mut near, mut far) = bench.both();
                words.greet(&mut near, &mut far);
                near.say(words.ask);
                far.hear(words.ask);
                far.say(words.yes);
                let told = near.line();
                assert!(told.starts_with(words.refusal) && told.contains(IN_WORDS), "{told}");
                ends(near);
                assert_told(&bench, "server");
            });
        }
    });
}

#[test]
fn a_client_that_asks_for_an_upgrade_and_is_silent() {
    thread::scope(|scope| {
        for words in &ALL {
            for (start, passthrough) in [(0, false), (1, false), (2, false), (2, true)] {
                scope.spawn(move || {
                    let mut more = vec!["--handshake-timeout", LIMIT];
                    if passthrough {
                        more.extend(["--passthrough", "localhost"]);
                    }
                    let bench = Bench::start(words.scheme, words.scheme, &more);
                    let (mut near, mut far) = bench.both();
                    words.greet(&mut near, &mut far);
                    near.say(words.ask);
                    far.hear(words.ask);
                    far.say(words.yes);
                    if !passthrough {
                        far.serve_tls(&bench.showing()).expect("the server's handshake");
                    }
                    near.hear(words.yes);
                    near.say(&starts(&bench)[start]);
                    ends(near);
                    assert_told(&bench, "client");
                });
            }
        }
    });
}
