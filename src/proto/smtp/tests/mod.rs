//! SMTP and LMTP conversations and what is found in them: one test a trap, named after it.
//! Takes nothing; fails where the dialog does not do what the RFCs and real servers need.
//! Knows no sockets.

mod auth;
mod corpus;
mod data;
mod lmtp;
mod starttls;
mod talk;

use proptest::prelude::*;

use super::super::laws::{self, Cuts, Script, Tap};
use super::super::{Setup, Spec};
use super::{LMTP, SMTP};
use crate::event::{Body, Command, Reply, Side};

fn smtp() -> Tap {
    let mut tap = Tap::new(&SMTP, Setup::default());
    tap.server("220 mx.example ESMTP\r\n");
    tap
}

/// `C: ` and `S: ` lines as a script, each with CRLF; lines of one side in a row are one turn.
fn script(talk: &str) -> Script {
    let mut script: Script = Vec::new();
    for line in talk.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        let (side, text) = line.split_at_checked(2).expect("a side");
        let side = if side == "C:" { Side::Client } else { Side::Server };
        let text = format!("{}\r\n", text.strip_prefix(' ').unwrap_or(text));
        match script.last_mut() {
            Some((last, bytes)) if *last == side => bytes.extend_from_slice(text.as_bytes()),
            _ => script.push((side, text.into_bytes())),
        }
    }
    script
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
    let of = match &tap.piece(wire).body {
        Body::Reply(reply) => reply.answers,
        Body::Continue(go) => go.answers,
        other => panic!("{other:?}"),
    };
    let of = of?;
    let found = tap.log.pieces.iter().find(|found| found.seq == of).expect("the command that is answered");
    Some(String::from_utf8_lossy(&found.wire).into_owned())
}

fn args(command: &Command) -> serde_json::Value {
    serde_json::Value::Object(command.args.map())
}

const CLIENT: &[&str] = &[
    "EHLO x\r\n",
    "LHLO x\r\n",
    "MAIL FROM:<a@b> SIZE=5\r\n",
    "RCPT TO:<c@d>\r\n",
    "DATA\r\n",
    "Subject: x\r\n\r\nbody\r\n",
    ".\r\n",
    "\r\n.\r\n",
    "\n.\n",
    "\r\n.\n",
    "\r.\r",
    "..\r\n",
    ".",
    "\r",
    "\n",
    "BDAT 5\r\n",
    "BDAT 3 LAST\r\n",
    "BDAT 0 LAST\r\n",
    "BDAT x\r\n",
    "hello",
    "abc",
    "AUTH PLAIN\r\n",
    "AUTH PLAIN AGEAYg==\r\n",
    "AUTH GSSAPI\r\n",
    "AGEAYg==\r\n",
    "*\r\n",
    "STARTTLS\r\n",
    "RSET\r\n",
    "QUIT\r\n",
    "NOOP\r\n",
    "XCLIENT NAME=x\r\n",
    "TURN\r\n",
    "GARBAGE here\r\n",
    "\r\n",
    "\u{0}\u{1}",
    "ü\r\n",
];

const SERVER: &[&str] = &[
    "220 hello\r\n",
    "220-hello\r\n",
    "250 ok\r\n",
    "250-mx\r\n250-SIZE 9\r\n250 STARTTLS\r\n",
    "250-more\r\n",
    "250 2.1.0 ok\n",
    "354 go\r\n",
    "334 \r\n",
    "334 VXNlcm5hbWU6\r\n",
    "235 2.7.0 ok\r\n",
    "535 5.7.8 no\r\n",
    "421 bye\r\n",
    "454 no\r\n",
    "500 what\r\n",
    "250\r\n",
    "5",
    "50",
    "x\r\n",
    "\r\n",
    "\u{0}",
    "251-a\r\n252 b\r\n",
    "221 bye\r\n",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold((script, places) in laws::scripts(CLIENT, SERVER), lmtp: bool, hide_starttls: bool) {
        let spec: &Spec = if lmtp { &LMTP } else { &SMTP };
        laws::keep(spec, Setup { hide_starttls, ..Setup::default() }, &script, &places);
    }
}
