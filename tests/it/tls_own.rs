//! The upgrade of the server leg that mailtap makes itself, in every order of events: it always comes to an end, the
//! client always learns why, and nothing goes over the plaintext that is not mailtap's own.
//! Takes peers that do as they are told. Does not use real servers; those have tests of their own.

use std::thread;

use crate::support::recording::Recording;
use crate::support::tls_peer::{Bench, Peer};
use crate::tls_unequal::{ALL, Unequal};
use crate::tls_upgrade::over;

/// A session in which the server has said so much: at 0 not even its greeting, then one answer after the other. What it
/// is to answer next it has heard.
#[track_caller]
fn at(stage: usize, unequal: &Unequal, more: &[&str]) -> (Bench, Peer, Peer) {
    let bench = Bench::start(unequal.plain, unequal.upgraded, more);
    let (near, mut far) = bench.both();
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

/// Every stage of every protocol, side by side.
fn everywhere(test: impl Fn(usize, &'static Unequal) + Copy + Send) {
    thread::scope(|scope| {
        for unequal in &ALL {
            scope.spawn(move || (0..=unequal.own.len()).for_each(|stage| test(stage, unequal)));
        }
    });
}

/// The client is told in one line, and that is the end; gives the recording.
#[track_caller]
fn told(bench: &Bench, mut near: Peer, words: &str) -> Recording {
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
    everywhere(|stage, unequal| {
        let without = if stage == 0 { "without a greeting" } else { "without an answer to " };
        let (bench, near, mut far) = at(stage, unequal, &[]);
        far.end();
        told(&bench, near, without);
        assert_eq!(far.rest(), (Vec::new(), true), "{}: nothing more is said to it", unequal.plain);

        let (bench, near, far) = at(stage, unequal, &[]);
        far.reset();
        told(&bench, near, without);
    });
}

#[test]
fn a_server_that_is_silent() {
    everywhere(|stage, unequal| {
        let (bench, near, mut far) = at(stage, unequal, &["--handshake-timeout", "1"]);
        told(&bench, near, "within 1 seconds");
        assert_eq!(far.rest(), (Vec::new(), true), "{}: nothing more is said to it", unequal.plain);
    });
}

#[test]
fn a_client_that_breaks_off() {
    everywhere(|stage, unequal| {
        let (bench, near, mut far) = at(stage, unequal, &[]);
        near.reset();
        assert_eq!(far.rest(), (Vec::new(), true), "{}: nothing more is said to it", unequal.plain);
        let recording = bench.recording();
        assert_eq!(recording.one("close")["by"], "client", "{}", recording.dump());
    });
}

#[test]
fn what_a_client_says_too_early_and_its_end_wait_for_tls() {
    everywhere(|stage, unequal| {
        let (line, answer, hidden) = unequal.talk[0];
        let bench = Bench::start(unequal.plain, unequal.upgraded, &[]);
        let (mut near, mut far) = bench.both();
        // Before the greeting, and (at the other stages) behind it as well.
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
        let (bench, mut near, mut far) = at(1, &ALL[number], &["--handshake-timeout", "1"]);
        near.say(line);
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
        told(&bench, near, "greeting has no end");
        saying.join().expect("no panic");
    }
}
