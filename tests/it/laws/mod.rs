//! The laws as property tests: any two peers, any cut, every protocol.
//! Takes conversations that a generator makes of words which mean something to the parsers, and of bytes that do not.
//! Does not look into the parsers.

pub mod check;

use mailtap::event::Side;
use mailtap::proto;
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

#[test]
fn a_line_of_megabytes_is_passed_on_as_it_comes() {
    for spec in proto::ALL {
        let mut line = vec![b'x'; 3 << 20];
        line.extend_from_slice(b"\r\n");
        check::check(spec, &[(Side::Client, line.clone()), (Side::Server, line)], 100_000);
    }
}
