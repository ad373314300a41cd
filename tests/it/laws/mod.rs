//! The laws as property tests: any two peers, any cut, every protocol.
//! Takes conversations that a generator makes of words which mean something to the parsers, and of bytes that do not.
//! Does not look into the parsers.

pub mod check;
pub mod upgrade;

use mailtap::event::{Event, Side, Stamp};
use mailtap::proto::{self, Setup};
use mailtap::session::{Config, Log, Outbox, Session};
use proptest::prelude::*;

/// Pieces of lines that lead the parsers into their states.
const WORDS: &[&str] = &[
    "\r\n",
    "\r\n",
    "\r\n",
    "\n",
    "\r",
    " ",
    ".",
    ".\r\n",
    "\r\n.\r\n",
    "a1 ",
    "a2 ",
    "* ",
    "+ ",
    "+OK",
    "-ERR",
    "220 ",
    "250-",
    "250 ",
    "334 ",
    "354 ",
    "421 ",
    "500 ",
    "OK",
    "NO",
    "BAD",
    "BYE",
    "LOGIN joe secret",
    "LOGIN {3}",
    "{3+}",
    "{5}",
    "~{4}",
    "\"a\\\"b\"",
    "AUTHENTICATE PLAIN",
    "AUTH PLAIN",
    "AUTH PLAIN AGpvZQBzZWNyZXQ=",
    "AUTH LOGIN",
    "USER joe",
    "PASS secret",
    "APOP joe 0123",
    "STARTTLS",
    "STLS",
    "CAPA",
    "CAPABILITY",
    "RETR 1",
    "LIST",
    "UIDL",
    "TOP 1 2",
    "FETCH 1 (BODY[])",
    "1 FETCH (BODY[] {6}",
    "APPEND x {4}",
    "IDLE",
    "DONE",
    "COMPRESS DEFLATE",
    "EHLO me",
    "LHLO me",
    "MAIL FROM:<a@b>",
    "RCPT TO:<c@d>",
    "DATA",
    "BDAT 4",
    "BDAT 3 LAST",
    "RSET",
    "QUIT",
    "XCLIENT NAME=x",
    "AGpvZQBzZWNyZXQ=",
    "*",
];

/// One side's bytes, shown as text where a test fails.
#[derive(Clone)]
pub struct Saying(pub Side, pub Vec<u8>);

impl std::fmt::Debug for Saying {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.0.name(), self.1.escape_ascii())
    }
}

pub fn saying() -> impl Strategy<Value = Saying> {
    let bytes = prop_oneof![
        8 => proptest::collection::vec(proptest::sample::select(WORDS), 1..6).prop_map(|words| words.concat().into_bytes()),
        1 => proptest::collection::vec(any::<u8>(), 0..30),
    ];
    (prop_oneof![Just(Side::Client), Just(Side::Server)], bytes).prop_map(|(side, bytes)| Saying(side, bytes))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn hold_for_any_two_peers(said in proptest::collection::vec(saying(), 0..14), cut in 1_usize..12) {
        let said: Vec<check::Said> = said.into_iter().map(|Saying(side, bytes)| (side, bytes)).collect();
        for spec in proto::ALL {
            check::check(spec, &said, cut);
        }
    }
}

fn turn() -> impl Strategy<Value = upgrade::Turn> {
    use upgrade::Turn;
    let side = prop_oneof![Just(Side::Client), Just(Side::Server)];
    let says = (side.clone(), proptest::collection::vec(proptest::sample::select(upgrade::PARTS), 1..4));
    prop_oneof![
        30 => says.prop_map(|(side, parts)| Turn::Says(side, parts.concat())),
        1 => side.prop_map(Turn::Ends),
        1 => Just(Turn::Waits),
    ]
}

/// Turns that come to an upgrade, with anything around and behind each of them.
fn turns_of(spec: &'static proto::Spec) -> impl Strategy<Value = Vec<upgrade::Turn>> {
    use upgrade::Turn;
    let (greeting, ask, yes) = match spec.name {
        "imap" => ("* OK hi\r\n", "a STARTTLS\r\n", "a OK go\r\n"),
        "pop3" => ("+OK hi\r\n", "STLS\r\n", "+OK go\r\n"),
        "sieve" => ("\"STARTTLS\"\r\nOK\r\n", "STARTTLS\r\n", "OK\r\n"),
        _ => ("220 hi\r\n", "STARTTLS\r\n", "220 go\r\n"),
    };
    // A line with something behind it: more often nothing, or the beginning of a handshake.
    let line = |side, line: &'static str| {
        let parts = proptest::collection::vec(proptest::sample::select(upgrade::PARTS), 1..4);
        let behind = prop_oneof![4 => Just(Vec::new()), 2 => parts.prop_map(|parts| parts.concat()), 1 => Just(b"\x16\x03\x01".to_vec())];
        behind.prop_map(move |behind| vec![Turn::Says(side, [line.as_bytes(), &behind].concat())])
    };
    let few = || prop_oneof![3 => Just(Vec::new()), 1 => proptest::collection::vec(turn(), 1..3)];
    // What the client asks for, or what the proxy's own commands are answered with first.
    let asked = prop_oneof![
        3 => line(Side::Client, ask),
        1 => line(Side::Server, "mailtap1 OK go\r\n"),
        1 => line(Side::Server, "250-x\r\n250 STARTTLS\r\n"),
    ];
    let more = proptest::collection::vec(turn(), 0..6);
    let all = (few(), line(Side::Server, greeting), few(), asked, few(), line(Side::Server, yes), more);
    all.prop_map(|(a, b, c, d, e, f, g)| [a, b, c, d, e, f, g].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn nothing_injected_comes_out_within_tls(
        (which, turns) in (0..proto::ALL.len()).prop_flat_map(|which| (Just(which), turns_of(proto::ALL[which]))),
        legs in proptest::sample::select(&upgrade::LEGS[..]),
        fails in prop_oneof![3 => Just(None), 1 => Just(Some(Side::Server)), 1 => Just(Some(Side::Client))],
        cut in prop_oneof![Just(usize::MAX), 1_usize..12],
    ) {
        upgrade::check(proto::ALL[which], upgrade::Plan { legs, fails, cut }, &turns);
    }
}

#[test]
fn a_line_of_megabytes_is_passed_on_as_it_comes() {
    for spec in proto::ALL {
        let mut line = vec![b'x'; 3 << 20];
        line.extend_from_slice(b"\r\n");
        check::check(spec, &[(Side::Client, line.clone()), (Side::Server, line)], 100_000);
    }
}

struct Nowhere;

impl Log for Nowhere {
    fn event(&mut self, _: &Event<'_>) {}
}

/// A client that says everything to a server which says nothing.
struct OneWay(Session);

impl OneWay {
    fn to(spec: &'static proto::Spec) -> OneWay {
        OneWay(Session::new(spec, Setup::default(), false, Config::default()))
    }

    /// How much of this is passed on at once.
    fn say(&mut self, said: &[u8]) -> usize {
        let mut passed = 0;
        for block in said.chunks(200_000) {
            let mut out = Outbox::default();
            self.0.bytes(Stamp(0), Side::Client, block, &mut Nowhere, &mut out);
            passed += out.pass + out.to_server.len();
        }
        passed
    }

    fn release(&mut self) -> usize {
        let mut out = Outbox::default();
        self.0.release(Stamp(0), &mut Nowhere, &mut out);
        out.to_server.len()
    }
}

/// Thousands of lines that nobody answers, commands or not.
#[test]
fn what_is_not_answered_is_passed_on_at_once() {
    let mut number = 1_u32;
    let noise: Vec<u8> = std::iter::from_fn(|| {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some(number.to_be_bytes()[0])
    })
    .take(1 << 20)
    .collect();
    for spec in proto::ALL {
        let commands: Vec<u8> = (0..20_000)
            .flat_map(|number| match spec.name {
                "imap" => format!("a{number} NOOP\r\n").into_bytes(),
                _ => b"NOOP\r\n".to_vec(),
            })
            .collect();
        for said in [&commands, &noise] {
            assert_eq!(OneWay::to(spec).say(said), said.len(), "{}", spec.name);
        }
    }
}

/// Where an answer must be waited for and does not come in time, nothing waits until one comes.
#[test]
fn who_has_waited_in_vain_waits_no_more() {
    for spec in proto::ALL {
        let login = match spec.name {
            "imap" => "a AUTHENTICATE PLAIN\r\n",
            "sieve" => "AUTHENTICATE \"PLAIN\"\r\n",
            _ => "AUTH PLAIN\r\n",
        };
        let mut client = OneWay::to(spec);
        let lines = format!("{login}x\r\n").repeat(1000);
        let passed = client.say(login.as_bytes()) + client.say(lines.as_bytes());
        assert_eq!(passed, login.len(), "{} waits", spec.name);
        assert_eq!(client.release(), lines.len(), "{} is released", spec.name);
        assert_eq!(client.say(lines.as_bytes()), lines.len(), "{} waits no more", spec.name);
    }
}
