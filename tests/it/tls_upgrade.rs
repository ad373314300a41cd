//! STARTTLS and STLS between peers that do as they are told: early, injected, pipelined, refused, repeated, failing.
//! Takes a line for each protocol that has an upgrade; gives what crossed it, and what was recorded.
//! Does not use real servers or clients; those have tests of their own.

use crate::support::{
    certs::self_signed,
    recording::{Recording, wire},
    tls_peer::{BOTH_VERSIONS, Bench, Peer, client, showing, trusting},
};

/// What one protocol says around its upgrade.
pub struct Words {
    pub scheme: &'static str,
    /// What the server says first.
    pub greeting: &'static str,
    /// What comes before an upgrade may be asked for: the client's line and the server's answer.
    pub hello: Option<(&'static str, &'static str)>,
    pub ask: &'static str,
    pub yes: &'static str,
    pub no: &'static str,
    /// How mailtap's own refusal begins.
    pub refusal: &'static str,
    /// What the server says unasked once TLS is up.
    pub again: &'static str,
    pub noop: (&'static str, &'static str),
    /// A line of the server's that nobody asked for.
    pub stray: &'static str,
}

pub const ALL: [Words; 5] = [
    Words {
        scheme: "imap",
        greeting: "* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n",
        hello: None,
        ask: "a STARTTLS\r\n",
        yes: "a OK begin\r\n",
        no: "a NO not now\r\n",
        refusal: "a NO ",
        again: "",
        noop: ("n NOOP\r\n", "n OK done\r\n"),
        stray: "* OK stray\r\n",
    },
    Words {
        scheme: "pop3",
        greeting: "+OK ready\r\n",
        hello: None,
        ask: "STLS\r\n",
        yes: "+OK begin\r\n",
        no: "-ERR not now\r\n",
        refusal: "-ERR ",
        again: "",
        noop: ("NOOP\r\n", "+OK done\r\n"),
        stray: "+OK stray\r\n",
    },
    Words {
        scheme: "smtp",
        greeting: "220 mx.example ESMTP\r\n",
        hello: Some(("EHLO c\r\n", "250-mx.example\r\n250-SIZE 1000\r\n250 STARTTLS\r\n")),
        ask: "STARTTLS\r\n",
        yes: "220 2.0.0 begin\r\n",
        no: "454 4.7.0 not now\r\n",
        refusal: "454 4.7.0 ",
        again: "",
        noop: ("NOOP\r\n", "250 2.0.0 done\r\n"),
        stray: "250 stray\r\n",
    },
    Words {
        scheme: "lmtp",
        greeting: "220 mx.example LMTP\r\n",
        hello: Some(("LHLO c\r\n", "250-mx.example\r\n250-SIZE 1000\r\n250 STARTTLS\r\n")),
        ask: "STARTTLS\r\n",
        yes: "220 2.0.0 begin\r\n",
        no: "454 4.7.0 not now\r\n",
        refusal: "454 4.7.0 ",
        again: "",
        noop: ("NOOP\r\n", "250 2.0.0 done\r\n"),
        stray: "250 stray\r\n",
    },
    Words {
        scheme: "sieve",
        greeting: "\"IMPLEMENTATION\" \"x\"\r\n\"STARTTLS\"\r\nOK\r\n",
        hello: None,
        ask: "STARTTLS\r\n",
        yes: "OK \"begin\"\r\n",
        no: "NO \"not now\"\r\n",
        refusal: "NO ",
        again: "\"IMPLEMENTATION\" \"x\"\r\nOK\r\n",
        noop: ("NOOP\r\n", "OK \"done\"\r\n"),
        stray: "OK \"stray\"\r\n",
    },
];

impl Words {
    /// A fresh session up to where an upgrade may be asked for.
    #[track_caller]
    fn begin(&self, more: &[&str]) -> (Bench, Peer, Peer) {
        let bench = Bench::start(self.scheme, self.scheme, more);
        let (mut near, mut far) = bench.both();
        self.greet(&mut near, &mut far);
        (bench, near, far)
    }

    #[track_caller]
    pub fn greet(&self, near: &mut Peer, far: &mut Peer) {
        far.say(self.greeting);
        near.hear(self.greeting);
        if let Some((line, answer)) = self.hello {
            exchange(near, far, (line, answer));
        }
    }

    /// The server has been asked; both legs get TLS.
    #[track_caller]
    fn upgrade(&self, bench: &Bench, near: &mut Peer, far: &mut Peer) {
        far.say(self.yes);
        far.serve_tls(&bench.showing()).expect("the server's handshake");
        near.hear(self.yes);
        near.start_tls(&bench.trusting(), "localhost").expect("the client's handshake");
        far.say(self.again);
        near.hear(self.again);
    }

    /// Something harmless goes to and fro, and nothing else.
    #[track_caller]
    pub fn live(&self, near: &mut Peer, far: &mut Peer) {
        exchange(near, far, self.noop);
    }
}

#[track_caller]
fn exchange(near: &mut Peer, far: &mut Peer, (line, answer): (&str, &str)) {
    near.say(line);
    far.hear(line);
    far.say(answer);
    near.hear(answer);
}

/// Both hang up; nothing more has come, and the recording is whole.
#[track_caller]
pub fn over(bench: &Bench, mut near: Peer, mut far: Peer) -> Recording {
    near.end();
    assert_eq!(far.rest(), (Vec::new(), true), "nothing more for the server, and a proper end");
    far.end();
    assert_eq!(near.rest(), (Vec::new(), true), "nothing more for the client, and a proper end");
    bench.recording()
}

/// This note stands right behind the server leg's `tls` event.
#[track_caller]
fn assert_follows(recording: &Recording, code: &str) {
    let of_server = |event: &serde_json::Value| event["kind"] == "tls" && event["from"] == "server";
    let at = recording.events.iter().position(of_server).expect("the event of the server's leg");
    assert_eq!(recording.events[at + 1]["code"], code, "{}", recording.dump());
}

fn count(recording: &Recording, code: &str) -> usize {
    recording.note_codes().iter().filter(|found| *found == code).count()
}

/// `tls` events without an error, as (leg, how).
fn legs(recording: &Recording) -> Vec<(String, String)> {
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let good = recording.of_kind("tls").into_iter().filter(|event| event["error"].is_null());
    good.map(|event| (word(&event["from"]), word(&event["how"]))).collect()
}

fn both_upgraded() -> Vec<(String, String)> {
    ["server", "client"].map(|leg| (leg.to_owned(), "starttls".to_owned())).to_vec()
}

#[test]
fn a_handshake_that_begins_too_early_still_works() {
    for words in &ALL {
        // The whole hello with the command, and just its first byte.
        for early in [usize::MAX, 1] {
            let (bench, mut near, mut far) = words.begin(&[]);
            let mut connection = client(&bench.trusting(), "localhost");
            let mut hello = Vec::new();
            connection.write_tls(&mut hello).expect("memory");
            let (early, late) = hello.split_at(early.min(hello.len()));
            near.say([words.ask.as_bytes(), early].concat());
            far.hear(words.ask);
            far.say(words.yes);
            far.serve_tls(&bench.showing()).expect("the server's handshake");
            near.hear(words.yes);
            near.say(late);
            near.start(connection).expect("the client's handshake");
            far.say(words.again);
            near.hear(words.again);
            words.live(&mut near, &mut far);
            let recording = over(&bench, near, far);
            assert_eq!(count(&recording, "early-client-hello"), 1, "{}", recording.dump());
            assert_eq!(legs(&recording), both_upgraded(), "{}", recording.dump());
        }
    }
}

#[test]
fn what_is_injected_on_either_leg_does_not_cross_the_upgrade() {
    for words in &ALL {
        let (bench, mut near, mut far) = words.begin(&[]);
        near.say(format!("{}{}", words.ask, words.noop.0));
        far.hear(words.ask);
        far.say(format!("{}{}", words.yes, words.stray));
        far.serve_tls(&bench.showing()).expect("the server's handshake");
        near.hear(words.yes);
        near.start_tls(&bench.trusting(), "localhost").expect("the client's handshake");
        far.say(words.again);
        near.hear(words.again);
        words.live(&mut near, &mut far);
        let recording = over(&bench, near, far);
        assert_eq!(count(&recording, "starttls-injection"), 2, "{}", recording.dump());
        let raw: Vec<_> = recording.of_kind("raw").into_iter().map(wire).collect();
        let injected = [words.noop.0.as_bytes().to_vec(), words.stray.as_bytes().to_vec()];
        assert!(injected.iter().all(|bytes| raw.contains(bytes)), "{}", recording.dump());
    }
}

#[test]
fn a_refusal_is_passed_on_and_what_was_pipelined_follows() {
    for words in &ALL {
        let (bench, mut near, mut far) = words.begin(&[]);
        exchange(&mut near, &mut far, (words.ask, words.no));
        near.say(format!("{}{}", words.ask, words.noop.0));
        far.hear(words.ask);
        far.say(words.no);
        near.hear(words.no);
        far.hear(words.noop.0);
        far.say(words.noop.1);
        near.hear(words.noop.1);
        // A third time it works.
        near.say(words.ask);
        far.hear(words.ask);
        words.upgrade(&bench, &mut near, &mut far);
        words.live(&mut near, &mut far);
        let recording = over(&bench, near, far);
        assert_eq!(count(&recording, "starttls-injection"), 0, "{}", recording.dump());
        assert_eq!(legs(&recording), both_upgraded(), "{}", recording.dump());
    }
}

#[test]
fn a_repeated_upgrade_is_the_servers_to_refuse() {
    for words in &ALL {
        let (bench, mut near, mut far) = words.begin(&[]);
        near.say(words.ask);
        far.hear(words.ask);
        words.upgrade(&bench, &mut near, &mut far);
        if let Some(hello) = words.hello {
            exchange(&mut near, &mut far, hello);
        }
        exchange(&mut near, &mut far, (words.ask, words.no));
        words.live(&mut near, &mut far);
        let recording = over(&bench, near, far);
        assert_eq!(legs(&recording), both_upgraded(), "{}", recording.dump());
        assert!(recording.of_kind("raw").is_empty(), "{}", recording.dump());
    }
}

#[test]
fn an_upgrade_within_tls_is_left_to_the_two_ends() {
    for words in &ALL {
        let (bench, mut near, mut far) = words.begin(&[]);
        near.say(words.ask);
        far.hear(words.ask);
        words.upgrade(&bench, &mut near, &mut far);
        // Injected again, and again it goes no further.
        near.say(format!("{}{}", words.ask, words.noop.0));
        far.hear(words.ask);
        far.say(format!("{}{}", words.yes, words.stray));
        near.hear(words.yes);
        let chain = bench.good();
        let (server, client) =
            (showing(&chain, BOTH_VERSIONS, &[]), trusting(&bench.authority.root(), BOTH_VERSIONS, &[]));
        let far = std::thread::spawn(move || {
            far.serve_tls(&server).expect("the inner handshake of the server");
            far
        });
        near.start_tls(&client, "localhost").expect("the inner handshake of the client");
        let mut far = far.join().expect("no panic");
        words.live(&mut near, &mut far);
        let recording = over(&bench, near, far);
        assert_eq!(legs(&recording), both_upgraded(), "{}", recording.dump());
        assert_eq!(count(&recording, "starttls-in-tls"), 1, "{}", recording.dump());
        assert_eq!(count(&recording, "starttls-injection"), 2, "{}", recording.dump());
        let sealed = recording.of_kind("raw").into_iter().filter(|event| wire(event).starts_with(&[0x16, 3])).count();
        assert!(sealed >= 2, "both sides' handshakes are raw:\n{}", recording.dump());
    }
}

#[test]
fn an_upgrade_that_the_server_leg_cannot_have_is_refused_in_words() {
    for words in &ALL {
        for how in ["self-signed", "closed", "plaintext"] {
            let (bench, mut near, mut far) = words.begin(&[]);
            near.say(words.ask);
            far.hear(words.ask);
            far.say(words.yes);
            match how {
                "self-signed" => {
                    let chain = self_signed(&["localhost"]);
                    assert!(far.serve_tls(&showing(&chain, BOTH_VERSIONS, &[])).is_err(), "mailtap must refuse");
                }
                "closed" => far.end(),
                _ => {
                    // Not together with the acceptance: that would be an injection.
                    assert_eq!(far.take(3)[..2], [0x16, 3], "mailtap's hello");
                    far.say("this is no TLS at all\r\n");
                }
            }
            let told = near.line();
            assert!(told.starts_with(words.refusal) && told.contains("mailtap: "), "{how}: {told}");
            assert_eq!(near.rest(), (Vec::new(), true), "{how}: and that is the end");
            let recording = bench.recording();
            let error = recording.one("tls")["error"].as_str().unwrap_or_default().to_owned();
            assert!(!error.is_empty() && told.contains(&error), "{how}: {told}\n{}", recording.dump());
            if how == "self-signed" {
                assert!(error.contains("self-signed"), "{error}");
                assert_follows(&recording, "tls-advice");
            }
        }
    }
}

#[test]
fn a_doubtful_server_is_noted_behind_its_event() {
    for words in &ALL {
        let (bench, mut near, mut far) = words.begin(&["--upstream-insecure"]);
        near.say(words.ask);
        far.hear(words.ask);
        far.say(words.yes);
        far.serve_tls(&showing(&self_signed(&["localhost"]), BOTH_VERSIONS, &[])).expect("the server's handshake");
        near.hear(words.yes);
        near.start_tls(&bench.trusting(), "localhost").expect("the client's handshake");
        far.say(words.again);
        near.hear(words.again);
        assert_follows(&over(&bench, near, far), "upstream-unverified");
    }
}
