//! POP3 conversations and what is found in them: one test a trap, named after it.
//! Takes nothing; fails where the dialog does not do what the RFCs and real servers need.
//! Knows no sockets.

mod login;
mod talk;

use proptest::prelude::*;

use super::super::Setup;
use super::super::laws::{self, Cuts, Script, Tap};
use super::SPEC;
use crate::event::{Body, Command, Reply, Side};

fn pop3() -> Tap {
    let mut tap = Tap::new(&SPEC, Setup::default());
    tap.server("+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n");
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
    "CAPA\r\n",
    "STLS\r\n",
    "USER joe\r\n",
    "PASS s3cret\r\n",
    "APOP joe c4c9334bac560ecc979e58001b3e22fb\r\n",
    "AUTH\r\n",
    "AUTH PLAIN\r\n",
    "AUTH PLAIN AGEAYg==\r\n",
    "AUTH GSSAPI\r\n",
    "AGEAYg==\r\n",
    "*\r\n",
    "STAT\r\n",
    "LIST\r\n",
    "LIST 1\r\n",
    "UIDL\r\n",
    "RETR 1\r\n",
    "TOP 1 0\r\n",
    "DELE 1\r\n",
    "NOOP\n",
    "QUIT\r\n",
    "LANG\r\n",
    "XYZZY\r\n",
    "\r\n",
    "\u{0}",
    "ü\r\n",
];

const SERVER: &[&str] = &[
    "+OK\r\n",
    "+OK ready <a@b>\r\n",
    "-ERR no\r\n",
    "-ERR [IN-USE] no\r\n",
    "+ \r\n",
    "+ UGFzc3dvcmQ6\r\n",
    "+OK 2 320\n",
    ".\r\n",
    "line\r\n",
    "..\r\n",
    "STLS\r\n",
    "USER\r\n",
    "\r\n",
    ".",
    "\r",
    "\n",
    "+O",
    "-ER",
    "\u{0}",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold((script, places) in laws::scripts(CLIENT, SERVER), hide_starttls: bool) {
        laws::keep(&SPEC, Setup { hide_starttls, ..Setup::default() }, &script, &places);
    }
}
