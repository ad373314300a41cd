//! Any recording, compared with any other and played towards any server: nothing panics, nothing goes on without end.
//! Takes conversations that a generator makes; time is a number.
//! Does not know what is right, only that it ends and that the same is the same.

use std::sync::Arc;

use mailtap::event::{Event, Side, Stamp};
use mailtap::proto::answer::Credentials;
use mailtap::proto::{self, Spec};
use mailtap::replay::client::{Client, Manner, Step};
use mailtap::replay::compare::Mode;
use mailtap::replay::cue::{Cues, Reading};
use mailtap::replay::diff::Diff;
use mailtap::replay::exchange::{Builder, Conversation};
use mailtap::session::Config;
use proptest::prelude::*;

use crate::laws::check::{Said, run};
use crate::laws::{Saying, saying};

fn events(spec: &'static Spec, said: &[Said], keep_secrets: bool) -> Vec<Event<'static>> {
    let mut events = run(spec, said, usize::MAX, Config { keep_secrets, bodies: 3 }).events;
    for (seq, event) in events.iter_mut().enumerate() {
        event.at = Stamp(1000 * seq as i64);
    }
    events
}

fn conversation(spec: &'static Spec, events: &[Event<'_>]) -> Conversation {
    let mut builder = Builder::new(spec);
    events.iter().for_each(|event| builder.event(event));
    builder.finish()
}

fn cues(spec: &'static Spec, events: &[Event<'_>]) -> Cues {
    let mut reading = Reading::new(spec);
    events.iter().for_each(|event| reading.event(event));
    reading.finish()
}

/// Plays a client towards whatever the server says, a piece each time that the client waits; gives how many steps it took.
fn play(cues: Cues, server: &[Vec<u8>], speed: Option<f64>) -> usize {
    let parts = cues.parts.len();
    let credentials = Credentials { user: "joe".to_owned(), password: "secret".to_owned() };
    let manner = Manner {
        speed,
        answer_within: 60_000_000,
        news_within: 10_000_000,
        credentials: Some(credentials),
        has_tls: false,
        bares_logins: false,
        host: "mail.example".to_owned(),
        nonce: "nonce".to_owned(),
    };
    let mut client = Client::new(Arc::new(cues), manner);
    let mut now = Stamp(0);
    let mut server = server.iter();
    for step in 0.. {
        assert!(step < 100 + 20 * parts + 10 * server.len(), "it does not end");
        match client.next(now) {
            Step::Send(_) => {}
            Step::Wait(until) => match server.next() {
                Some(bytes) => client.received(now, bytes),
                None if step % 2 == 0 => now = Stamp(until.0.max(now.0)),
                None => client.server_ended(now),
            },
            Step::End(_) => return step,
        }
    }
    unreachable!()
}

fn said(sayings: Vec<Saying>) -> Vec<Said> {
    sayings.into_iter().map(|Saying(side, bytes)| (side, bytes)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_client_comes_to_an_end(
        recorded in proptest::collection::vec(saying(), 0..16),
        server in proptest::collection::vec(saying(), 0..16),
        keep in any::<bool>(),
        fast in any::<bool>(),
        lost in any::<prop::sample::Index>(),
    ) {
        let (recorded, server) = (said(recorded), said(server));
        let server: Vec<Vec<u8>> = server.into_iter().map(|(_, bytes)| bytes).collect();
        let answers: Vec<Vec<u8>> =
            recorded.iter().filter(|(side, _)| *side == Side::Server).map(|(_, bytes)| bytes.clone()).collect();
        let speed = if fast { None } else { Some(2.0) };
        for spec in proto::ALL {
            let mut events = events(spec, &recorded, keep);
            play(cues(spec, &events), &server, speed);
            play(cues(spec, &events), &answers, speed);
            events.remove(lost.index(events.len()));
            let torn = cues(spec, &events);
            play(torn, &answers, speed);
        }
    }

    #[test]
    fn any_two_sessions_can_be_compared(
        one in proptest::collection::vec(saying(), 0..16),
        other in proptest::collection::vec(saying(), 0..16),
    ) {
        let (one, other) = (said(one), said(other));
        for spec in proto::ALL {
            let (first, second) = (events(spec, &one, true), events(spec, &other, true));
            for mode in [Mode::Meaning, Mode::Strict] {
                let (first, second) = (conversation(spec, &first), conversation(spec, &second));
                let same = Diff::new(&first, &first, spec.same, mode);
                prop_assert!(same.is_same(), "{:?}", same.rows);
                let there = Diff::new(&first, &second, spec.same, mode);
                let back = Diff::new(&second, &first, spec.same, mode);
                prop_assert_eq!(there.is_same(), back.is_same());
            }
        }
    }
}
