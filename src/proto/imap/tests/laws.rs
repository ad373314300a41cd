//! Laws 2, 3 and 4: pieces tile, cuts do not matter, nothing panics, whatever both sides say.
//! Takes arbitrary turns made of IMAP's own words and of noise, plain and deflated.
//! Does not know what the pieces say, only how they hang together.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use proptest::prelude::*;

use super::super::SPEC;
use super::*;
use crate::proto::laws::{Script, keep};

/// What an IMAP conversation is made of, in and out of place.
const CLIENT: &[&str] = &[
    "a1 NOOP\r\n",
    "a2 LOGIN joe pw\r\n",
    "a3 LOGIN {3}\r\n",
    "a3 LOGIN {3+}\r\n",
    "joe {2+}\r\n",
    "pw\r\n",
    "joe",
    "\r\n",
    "a4 AUTHENTICATE PLAIN\r\n",
    "a4 AUTHENTICATE GSSAPI YQ==\r\n",
    "AGpvZQBwdw==\r\n",
    "*\r\n",
    "a5 IDLE\r\n",
    "DONE\r\n",
    "a6 APPEND x (\\Seen) {5}\r\n",
    "hello",
    "a7 APPEND x CATENATE (URL \"/a\" TEXT {5+}\r\n",
    " TEXT ~{0+}\r\n",
    ")\r\n",
    "a8 UID FETCH 1:* (UID BODY[HEADER.FIELDS (\"To\" {4+}\r\n",
    "From)])\r\n",
    "a9 STARTTLS\r\n",
    "b1 SEARCH OR NOT TO \"{3}\r\n",
    "LOGIN joe pw\r\n",
    "x y LOGIN joe pw\r\n",
    "\0\0\u{1}",
    " ",
    "\"",
    "{5}",
    "{3+}\r\n",
    "a",
    "b2 UNAUTHENTICATE\r\n",
    "((((",
];

const SERVER: &[&str] = &[
    "* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n",
    "* PREAUTH x\r\n",
    "+ go\r\n",
    "+\r\n",
    "+ eyJzdGF0dXMiOiI0MDAifQ==\r\n",
    "a1 OK done\r\n",
    "a2 NO {5}\r\n",
    "a3 BAD no\r\n",
    "a4 OK [CAPABILITY STARTTLS X] in\r\n",
    "a4 NO out\r\n",
    "a5 OK idle\r\n",
    "a6 BAD\r\n",
    "a7 OK [APPENDUID 1 2] x\r\n",
    "a8 OK x\r\n",
    "a9 OK tls\r\n",
    "a9 NO tls\r\n",
    "b2 OK x\r\n",
    "* 3 EXISTS\r\n",
    "* 1 FETCH (UID 5 BODY[] {5}\r\n",
    "hello",
    " FLAGS (\\Seen))\r\n",
    "* LIST () \"/\" {3}\r\n",
    "abc\r\n",
    "* LIST () \"/\" ~{0}\r\n",
    "* CAPABILITY IMAP4rev1 STARTTLS STARTTLS IDLE\r\n",
    "* SEARCH 1 2 (MODSEQ 5)\r\n",
    "* NAMESPACE ((\"\" \".\")) NIL NIL\r\n",
    "* ENABLED UTF8=ACCEPT\r\n",
    "* BYE\r\n",
    "\0\0\0\u{4}",
    "garbage\r\n",
    "* ",
    "{3}\r\n",
    "\"",
    "((",
    "* 1 FETCH ((((\r\n",
];

fn script() -> impl Strategy<Value = Script> {
    let said = |words: &'static [&'static str]| {
        prop_oneof![
            6 => proptest::collection::vec(proptest::sample::select(words), 1..4).prop_map(|words| words.concat().into_bytes()),
            1 => proptest::collection::vec(any::<u8>(), 1..12),
        ]
    };
    let turn = prop_oneof![said(CLIENT).prop_map(|bytes| (C, bytes)), said(SERVER).prop_map(|bytes| (S, bytes)),];
    proptest::collection::vec(turn, 0..16)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_tile_whatever_the_cuts(script in script(), places: [usize; 4], hide_starttls: bool) {
        keep(&SPEC, Setup { hide_starttls, ..Setup::default() }, &script, &places);
    }

    #[test]
    fn compressed_or_not_it_is_the_same(script in script(), sizes in proptest::collection::vec(1..40_usize, 4)) {
        // A STARTTLS means something else within compression, and numbers of pieces begin later.
        let script: Script = script.into_iter().filter(|(_, bytes)| !bytes.starts_with(b"a9")).collect();
        let script: Script = script.into_iter().filter(|(_, bytes)| memchr::memmem::find(bytes, b"STARTTLS").is_none()).collect();
        let begin: [(Side, &[u8]); 3] = [(S, b"* OK hi\r\n"), (C, b"z COMPRESS DEFLATE\r\n"), (S, b"z OK on\r\n")];
        let mut plain = Talk::new();
        plain.say(S, b"* OK hi\r\n");
        plain.say(C, b"z NOOP\r\n");
        plain.say(S, b"z OK on\r\n");
        for (side, bytes) in &script {
            plain.say(*side, bytes);
        }
        let mut deflated = Talk::new();
        for (side, bytes) in begin {
            deflated.say(side, bytes);
        }
        let mut encoders = [Vec::new(), Vec::new()].map(|out| DeflateEncoder::new(out, Compression::default()));
        let mut sizes = sizes.into_iter().cycle();
        for (side, bytes) in &script {
            let encoder = &mut encoders[*side as usize];
            encoder.write_all(bytes).unwrap();
            encoder.flush().unwrap();
            for chunk in std::mem::take(encoder.get_mut()).chunks(sizes.next().unwrap()) {
                deflated.say(*side, chunk);
            }
        }
        prop_assert_eq!(&summary(&plain.out)[3..], &summary(&deflated.out)[3..]);
        let secrets = |talk: &Talk| talk.out.pieces[3..].iter().map(|found| found.secrets.clone()).collect::<Vec<_>>();
        prop_assert_eq!(secrets(&plain), secrets(&deflated));
        deflated.end();
    }

    #[test]
    fn any_bytes_for_deflate(script in script(), sizes in proptest::collection::vec(1..40_usize, 4)) {
        let mut talk = Talk::new();
        talk.say(S, b"* OK hi\r\n");
        talk.say(C, b"z COMPRESS DEFLATE\r\n");
        talk.say(S, b"z OK on\r\n");
        let mut sizes = sizes.into_iter().cycle();
        for (side, bytes) in &script {
            for chunk in bytes.chunks(sizes.next().unwrap()) {
                talk.say(*side, chunk);
            }
        }
        talk.end();
    }
}
