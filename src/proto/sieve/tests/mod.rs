//! ManageSieve conversations and what is found in them.
//! Takes nothing; fails where the dialog does not do what RFC 5804 and real servers need.
//! Knows no sockets.

mod login;
mod talk;

use proptest::prelude::*;

use super::super::Setup;
use super::super::laws::{self, Cuts, Script, Tap};
use super::SPEC;
use crate::event::{Body, Command, Reply, Side};

const GREETING: &str = "\"IMPLEMENTATION\" \"Example1 ManageSieved v001\"\r\n\"VERSION\" \"1.0\"\r\n\
    \"SASL\" \"PLAIN SCRAM-SHA-1 GSSAPI\"\r\n\"SIEVE\" \"fileinto vacation\"\r\n\"STARTTLS\"\r\nOK\r\n";

fn sieve() -> Tap {
    let mut tap = Tap::new(&SPEC, Setup::default());
    tap.server(GREETING);
    tap
}

fn command<'t>(tap: &'t Tap, wire: &str) -> &'t Command {
    match &tap.piece(wire).body {
        Body::Command(command) => command,
        other => panic!("{other:?}"),
    }
}

fn reply<'t>(tap: &'t Tap, wire: &str) -> &'t Reply {
    match &tap.piece(wire).body {
        Body::Reply(reply) => reply,
        other => panic!("{other:?}"),
    }
}

/// The wire of the command that a reply answers.
fn answered(tap: &Tap, wire: &str) -> Option<String> {
    let of = reply(tap, wire).answers?;
    let found = tap.log.pieces.iter().find(|found| found.seq == of).expect("the command that is answered");
    Some(String::from_utf8_lossy(&found.wire).into_owned())
}

const CLIENT: &[&str] = &[
    "CAPABILITY\r\n",
    "STARTTLS\r\n",
    "STARTTLS {3+}\r\n",
    "AUTHENTICATE \"PLAIN\"\r\n",
    "AUTHENTICATE \"PLAIN\" \"AGEAYg==\"\r\n",
    "AUTHENTICATE \"PLAIN\" {8+}\r\nAGEAYg==\r\n",
    "AUTHENTICATE {5+}\r\nPLAIN\r\n",
    "AUTHENTICATE GSSAPI\r\n",
    "\"AGEAYg==\"\r\n",
    "{8+}\r\nAGEAYg==\r\n",
    "{0+}\r\n",
    "\"*\"\r\n",
    "PUTSCRIPT \"a\" {9+}\r\n",
    "keep;\r\n",
    "#c\r\n",
    "LISTSCRIPTS\r\n",
    "GETSCRIPT \"a\"\r\n",
    "LOGOUT\r\n",
    "NOOP\n",
    "HAVESPACE \"a\" 99\r\n",
    "{5}\r\n",
    "\"",
    "\\",
    "\r\n",
    "\u{0}",
    "ü\r\n",
];

const SERVER: &[&str] = &[
    "OK\r\n",
    "OK \"done\"\r\n",
    "NO (QUOTA) \"full\"\r\n",
    "NO {4}\r\nfull\r\n",
    "BYE\r\n",
    "OK (SASL \"dj1h\")\n",
    "\"STARTTLS\"\r\n",
    "\"SASL\" \"PLAIN\"\r\n",
    "\"a\" ACTIVE\r\n",
    "{6}\r\nkeep;\n\r\n",
    "{0}\r\n\r\n",
    "\"\"\r\n",
    "\"UGFzcw==\"\r\n",
    "{4}\r\nUGE=\r\n",
    "x\r\n",
    "\r\n",
    "O",
    "\"",
    "{",
    "}",
    "\n",
    "\u{0}",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold((script, places) in laws::scripts(CLIENT, SERVER), hide_starttls: bool) {
        laws::keep(&SPEC, Setup { hide_starttls, ..Setup::default() }, &script, &places);
    }
}
