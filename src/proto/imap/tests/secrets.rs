//! Law 7: for each spelling of a login, cut at every byte and torn there, the secret is marked.
//! Takes logins with a canary in them, refused, torn and pipelined; it must stand in no piece.
//! Does not know how the session masks what is marked.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::SPEC;
use super::*;
use crate::proto::frame::LINE_MAX;
use crate::proto::laws::{self, Cuts, Script, assert_hidden, keep_secret};

const CANARY: &str = "Kanarienvogel-4711-\\\"x";
/// As it stands within quotes.
const QUOTED: &str = "Kanarienvogel-4711-\\\\\\\"x";

fn script(turns: &[(Side, &str)]) -> Script {
    turns
        .iter()
        .map(|(side, said)| (*side, said.replace("CANARY", CANARY).replace("QUOTED", QUOTED).into_bytes()))
        .collect()
}

fn hidden(turns: &[(Side, &str)]) {
    let script = script(turns);
    let shortened = &CANARY[..CANARY.len() - 3];
    keep_secret(&SPEC, &script, &[CANARY, shortened]);
}

#[test]
fn login_in_one_line() {
    for line in [
        "a LOGIN joe CANARY\r\n",
        "a login joe \"QUOTED\"\r\n",
        "a LoGiN \"joe\" \"QUOTED\"\r\n",
        "a LOGIN \"j\\\"oe\" \"QUOTED\"\r\n",
        "a  LOGIN   joe\tCANARY \r\n",
        "\ta\tLOGIN\tjoe CANARY\n",
        "a LOGIN \"joe\"CANARY\r\n",
        "a LOGIN joe\"QUOTED\"\r\n",
        "a LOGIN joe CANARY and CANARY\r\n",
        "a LOGIN \"joe CANARY\r\n",
        "a LOGIN joe \"CANARY\r\n",
        "LOGIN joe CANARY\r\n",
        "login \"joe\" CANARY\r\n",
        "x y a LOGIN joe CANARY\r\n",
        "\u{0}\u{1} a LOGIN joe CANARY\r\n",
        "\"a LOGIN joe CANARY\r\n",
    ] {
        hidden(&[(S, "* OK hi\r\n"), (C, line), (S, "a OK in\r\n")]);
        hidden(&[(S, "what?\r\n"), (C, "garbage\r\n"), (C, line), (S, "a NO out\r\n")]);
        hidden(&[(C, "z IDLE\r\n"), (S, "+ idling\r\n"), (C, line)]);
    }
}

#[test]
fn login_with_literals() {
    let length = CANARY.len();
    for mark in ["", "+"] {
        let password = "CANARY\r\n";
        for user in [
            vec![format!("a LOGIN joe {{{length}{mark}}}\r\n")],
            vec![format!("a LOGIN \"joe\" ~{{{length}{mark}}}\r\n")],
            vec![format!("a login {{3{mark}}}\r\n"), format!("joe {{{length}{mark}}}\r\n")],
            vec![format!("a login {{3{mark}}}\r\n"), format!("joe{{{length}{mark}}}\r\n")],
            vec![format!("a login {{0{mark}}}\r\n"), format!(" {{{length}{mark}}}\r\n")],
        ] {
            let mut turns = vec![(S, "* OK hi\r\n")];
            for line in &user {
                turns.push((C, line));
                if mark.is_empty() {
                    turns.push((S, "+ go\r\n"));
                }
            }
            turns.push((C, password));
            turns.push((S, "a OK in\r\n"));
            hidden(&turns);
        }
        let first = format!("a LOGIN {{3{mark}}}\r\n");
        hidden(&[(C, &first), (S, "+\r\n"), (C, "joe CANARY\r\n")]);
        hidden(&[(C, &first), (S, "+\r\n"), (C, "joe \"QUOTED\" x\r\n")]);
        hidden(&[(C, &first), (S, "+\r\n"), (C, "joeCANARY\r\n")]);
    }
}

#[test]
fn a_password_sent_without_waiting_for_a_go_ahead_that_is_then_refused() {
    let line = format!("a LOGIN joe {{{}}}\r\n", CANARY.len());
    let both = [line.as_str(), "CANARY\r\n"].concat();
    hidden(&[(C, &both), (S, "a BAD no\r\n"), (C, "b NOOP\r\n"), (S, "b OK\r\n")]);
    let both = ["a LOGIN {3}\r\njoe ", &format!("{{{}}}\r\n", CANARY.len()), "CANARY\r\n"].concat();
    hidden(&[(C, &both), (S, "a BAD no\r\n")]);
    let talk = talk(&[(C, format!("{line}b NOOP\r\n").as_bytes()), (S, b"a BAD no\r\n"), (C, b"c NOOP\r\n")]);
    assert_eq!(summary(&talk).last().unwrap(), "C 3 command c NOOP");
}

#[test]
fn login_in_a_line_longer_than_the_longest() {
    for padding in [LINE_MAX - 30, LINE_MAX - 14, LINE_MAX, 2 * LINE_MAX] {
        for line in [
            format!("a LOGIN joe \"{}CANARY\"\r\n", "x".repeat(padding)),
            format!("a LOGIN {} CANARY\r\n", "x".repeat(padding)),
            format!("a {} LOGIN joe CANARY\r\n", " ".repeat(padding)),
            format!("{} LOGIN joe CANARY\r\n", "x".repeat(padding)),
            format!("a AUTHENTICATE PLAIN {}CANARY\r\n", "x".repeat(padding)),
        ] {
            let script = script(&[(C, &line), (S, "a BAD no\r\n")]);
            for cuts in [Cuts::Whole, Cuts::Client(LINE_MAX), Cuts::Client(LINE_MAX + 1), Cuts::Client(padding)] {
                let tap = laws::play(&SPEC, Setup::default(), &script, &cuts);
                assert_hidden(&tap, &[CANARY]);
            }
        }
    }
}

#[test]
fn the_user_of_a_login_is_named() {
    for (turns, user) in [
        (vec![(C, "a LOGIN joe x\r\n")], "joe"),
        (vec![(C, "a login \"j \\\"oe\" x\r\n")], "j \"oe"),
        (vec![(C, "a login {3+}\r\njoe {1+}\r\nx\r\n")], "joe"),
        (vec![(C, "a login {3}\r\n"), (S, "+\r\n"), (C, "joe {1}\r\n"), (S, "+\r\n"), (C, "x\r\n")], "joe"),
    ] {
        let turns: Vec<(Side, &[u8])> = turns.iter().map(|(side, said)| (*side, said.as_bytes())).collect();
        let out = talk(&turns);
        assert_eq!(out.users, [user]);
        let args = summary(&out).join("\n");
        assert!(args.contains("\"user\":"), "{args}");
    }
}

#[test]
fn every_mechanism() {
    let code = |message: &str| STANDARD.encode(message.replace("CANARY", CANARY));
    let exchanges: &[(&str, &[&str])] = &[
        ("PLAIN", &["\0joe\0CANARY"]),
        ("LOGIN", &["joe", "CANARY"]),
        ("CRAM-MD5", &["joe CANARY"]),
        ("DIGEST-MD5", &["username=\"joe\",response=CANARY", ""]),
        ("SCRAM-SHA-1", &["n,,n=joe,r=CANARY", "c=biws,r=CANARY,p=CANARY"]),
        ("SCRAM-SHA-256-PLUS", &["p=tls-exporter,,n=joe,r=x", "c=x,r=x,p=CANARY"]),
        ("XOAUTH2", &["user=joe\u{1}auth=Bearer CANARY\u{1}\u{1}", ""]),
        ("OAUTHBEARER", &["n,a=joe,\u{1}auth=Bearer CANARY\u{1}\u{1}", "\u{1}"]),
        ("NTLM", &["NTLMSSP\0\u{1}CANARY", "NTLMSSP\0\u{3}CANARY"]),
        ("GSSAPI", &["CANARY", "CANARY"]),
        ("X-OWN", &["CANARY"]),
    ];
    for (mechanism, messages) in exchanges {
        let responses: Vec<String> = messages.iter().map(|message| format!("{}\r\n", code(message))).collect();
        let secrets: Vec<&str> = responses.iter().map(|line| line.trim()).filter(|line| line.len() > 8).collect();
        for initial in [false, true] {
            for end in ["a OK in\r\n", "a NO out\r\n", "a BAD what\r\n"] {
                let begin = if initial {
                    format!("a authenticate {mechanism} {}", responses[0])
                } else {
                    format!("a AUTHENTICATE {mechanism}\r\n")
                };
                let mut turns = vec![(S, "* OK hi\r\n"), (C, begin.as_str())];
                for line in responses.iter().skip(usize::from(initial)) {
                    turns.push((S, "+ \r\n"));
                    turns.push((C, line));
                }
                turns.push((S, end));
                keep_secret(&SPEC, &script(&turns), &secrets);
                // Everything at once, without waiting, and refused before it began.
                let all: String = turns.iter().filter(|turn| turn.0 == C).map(|turn| turn.1).collect();
                keep_secret(&SPEC, &script(&[(C, &all), (S, end)]), &secrets);
                keep_secret(&SPEC, &script(&[(C, &all), (S, "+ \r\n"), (S, end)]), &secrets);
            }
        }
    }
}

#[test]
fn a_response_whose_exchange_ends_while_it_comes() {
    let mut talk = Talk::new();
    talk.say(C, b"a AUTHENTICATE PLAIN\r\n");
    talk.say(S, b"+ \r\n");
    talk.say(C, b"AGpvZQBzM2");
    talk.say(S, b"a NO too slow\r\n");
    talk.say(C, b"NyZXQ=\r\n");
    talk.end();
    let last = talk.out.pieces.last().unwrap();
    assert_eq!(
        (last.wire.as_slice(), last.masked().as_slice()),
        (&b"AGpvZQBzM2NyZXQ=\r\n"[..], "«redacted»\r\n".as_bytes())
    );
}

#[test]
fn a_cancelled_exchange_is_shown_and_an_error_is_decoded() {
    let out = talk(&[
        (C, b"a AUTHENTICATE XOAUTH2 dXNlcj1qb2UBYXV0aD1CZWFyZXIgeAEB\r\n"),
        (S, b"+ eyJzdGF0dXMiOiI0MDAifQ==\r\n"),
        (C, b"*\r\n"),
        (S, b"a BAD cancelled\r\n"),
    ]);
    assert_eq!(
        summary(&out),
        [
            "C 0 command a AUTHENTICATE {\"mechanism\":\"XOAUTH2\",\"initial\":true,\"user\":\"joe\",\"response\":{\"scheme\":\"Bearer\"}}",
            "S 1 continue \"{\\\"status\\\":\\\"400\\\"}\" answers=0",
            "C 2 auth XOAUTH2 2 None {\"cancel\":true} of=0",
            "S 3 reply BAD a answers=0",
        ]
    );
    assert!(out.pieces[2].secrets.is_empty());
}
