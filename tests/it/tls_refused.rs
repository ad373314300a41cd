//! Servers that refuse mailtap after the handshake, as those do that want a client certificate in TLS 1.3: the client is
//! told in a sentence, as if the handshake had failed.
//! Takes peers that do as they are told; gives what the client heard and what was recorded.
//! Does not use real servers; those have tests of their own.

use std::sync::Arc;
use std::thread;

use rustls::ServerConfig;
use rustls::version::TLS13;

use crate::support::certs::self_signed;
use crate::support::tls_peer::{Bench, Peer, requiring, showing};
use crate::tls_unequal::ALL as UNEQUAL;
use crate::tls_upgrade::ALL;

/// What mailtap is started with, and what it is told.
struct Refusal {
    word: &'static str,
    advice: &'static str,
    shows_one: bool,
}

const REFUSALS: [Refusal; 2] = [
    Refusal { word: "requires a client certificate", advice: "give it with --upstream-cert", shows_one: false },
    Refusal { word: "refused the client certificate", advice: "that it accepts with --upstream-cert", shows_one: true },
];

impl Refusal {
    /// A bench, and a server that takes other certificates than mailtap has.
    fn bench(&self, left: &str, right: &str) -> (Bench, Arc<ServerConfig>, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let identity = self_signed(&["joe"]);
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("writes");
            path.display().to_string()
        };
        let (certificate, key) = (write("cert.pem", &identity.certificates), write("key.pem", &identity.key));
        let shown = ["--upstream-cert", &certificate, "--upstream-key", &key];
        let bench = Bench::start(left, right, if self.shows_one { &shown } else { &[] });
        let server = requiring(&bench.authority.root(), &bench.good(), &[&TLS13]);
        (bench, server, folder)
    }

    /// The client hears one more line, and that is the end.
    #[track_caller]
    fn is_told(&self, bench: &Bench, mut near: Peer, begins: &str) {
        let line = near.line();
        assert!(line.starts_with(begins) && line.contains("mailtap: ") && line.contains(self.word), "{line}");
        near.end();
        assert_eq!(near.rest(), (Vec::new(), true), "and that is the end");
        let recording = bench.recording();
        let notes = recording.of_kind("note");
        let at = notes.iter().position(|note| note["code"] == "tls-client-certificate");
        let at = at.unwrap_or_else(|| panic!("{}", recording.dump()));
        assert_eq!(notes[at]["to"], "client", "{}", recording.dump());
        assert_eq!(notes[at + 1]["code"], "tls-advice", "{}", recording.dump());
        assert!(notes[at + 1]["text"].to_string().contains(self.advice), "{}", recording.dump());
        let close = recording.one("close");
        assert_eq!(close["by"], "server", "{close}");
        assert!(close["reason"].to_string().contains(self.word), "{close}");
    }
}

#[test]
fn the_refusal_takes_the_place_of_the_greeting() {
    let begins = [("imaps", "* BYE [UNAVAILABLE] "), ("pop3s", "-ERR [SYS/PERM] "), ("smtps", "421 4.7.5 ")];
    for refusal in &REFUSALS {
        for (scheme, begins) in begins {
            let (bench, server, _folder) = refusal.bench(scheme, scheme);
            let (mut near, trusting) = (bench.client(), bench.trusting());
            let shaking = thread::spawn(move || {
                near.start_tls(&trusting, "localhost").expect("the TLS that it asked for");
                near
            });
            assert!(bench.server().serve_tls(&server).is_err());
            refusal.is_told(&bench, shaking.join().expect("no panic"), begins);
        }
    }
}

#[test]
fn the_refusal_is_told_behind_an_upgrade() {
    for refusal in &REFUSALS {
        for words in &ALL {
            // The client may have said something already, which the server will never read.
            for said in ["", words.noop.0] {
                let (bench, server, _folder) = refusal.bench(words.scheme, words.scheme);
                let (mut near, mut far) = bench.both();
                words.greet(&mut near, &mut far);
                near.say(words.ask);
                far.hear(words.ask);
                far.say(words.yes);
                assert!(far.serve_tls(&server).is_err());
                near.hear(words.yes);
                near.start_tls(&bench.trusting(), "localhost").expect("the client's handshake");
                near.try_say(said);
                refusal.is_told(&bench, near, "");
            }
        }
    }
}

#[test]
fn the_refusal_is_told_behind_an_upgrade_of_mailtaps_own() {
    for refusal in &REFUSALS {
        for unequal in &UNEQUAL {
            let (bench, server, _folder) = refusal.bench(unequal.plain, unequal.upgraded);
            let (mut near, mut far) = bench.both();
            far.say(unequal.greeting);
            for number in 0..unequal.own.len() {
                let answer = unequal.own_command(&mut far, number);
                far.say(answer);
            }
            assert!(far.serve_tls(&server).is_err());
            // Where the server greets again within TLS, the client has not been greeted.
            near.hear(if unequal.again.is_empty() { unequal.own_greeting } else { "" });
            refusal.is_told(&bench, near, "");
        }
    }
}

#[test]
fn nothing_is_put_into_what_a_server_has_begun_to_say() {
    let bench = Bench::start("imaps", "imaps", &[]);
    let (mut near, mut far) = bench.implicit(bench.trusting(), &showing(&bench.good(), &[&TLS13], &[]));
    far.say("* OK [CAPABILITY IMAP4rev1] half a gree");
    near.hear("* OK [CAPABILITY IMAP4rev1] half a gree");
    far.say_beneath(b"this is no TLS\r\n");
    assert_eq!(near.rest().0, b"");
    near.end();
    let recording = bench.recording();
    let note = recording.of_kind("note").into_iter().find(|note| note["code"].to_string().contains("tls-"));
    assert!(note.is_some_and(|note| note["to"].is_null()), "{}", recording.dump());
}
