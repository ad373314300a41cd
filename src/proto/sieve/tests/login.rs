//! AUTHENTICATE: no secret is shown wherever the bytes are cut.
//! Takes whole logins; fails where a password, its base64 or its part of the exchange stands in a piece.
//! Does not test what a mechanism means; `sasl` does.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

const CANARY: &str = "Canary-4711-Pw";

fn b64(text: impl AsRef<[u8]>) -> String {
    STANDARD.encode(text)
}

fn literal(text: &str) -> String {
    format!("{{{}+}}\r\n{text}", text.len())
}

/// Turns of client and server, the client first, behind a greeting; with a NOOP at the end.
fn talk(turns: &[&str]) -> Script {
    let mut script = vec![(Side::Server, GREETING.as_bytes().to_vec())];
    for (number, line) in turns.iter().chain(&["NOOP", "OK \"noop\""]).enumerate() {
        let side = if number % 2 == 0 { Side::Client } else { Side::Server };
        script.push((side, format!("{line}\r\n").into_bytes()));
    }
    script
}

fn safe(turns: &[&str]) -> Tap {
    let talk = talk(turns);
    laws::keep_secret(&SPEC, &talk, &[CANARY]);
    laws::keep(&SPEC, Setup::default(), &talk, &[4, 11]);
    let tap = laws::play(&SPEC, Setup::default(), &talk, &Cuts::Whole);
    assert_eq!(answered(&tap, "OK \"noop\"\r\n").as_deref(), Some("NOOP\r\n"));
    tap
}

#[test]
fn plain_however_it_is_written() {
    let message = b64(format!("\0joe\0{CANARY}"));
    let quoted = format!("\"{message}\"");
    let counted = literal(&message);
    for tap in [
        safe(&[&format!("AUTHENTICATE \"PLAIN\" {quoted}"), "OK"]),
        safe(&[&format!("authenticate  \"plain\"  {counted}"), "OK"]),
        safe(&["AUTHENTICATE \"PLAIN\"", "\"\"", &quoted, "NO \"bad\""]),
        safe(&["AUTHENTICATE \"PLAIN\"", "\"\"", &counted, "OK"]),
        safe(&["AUTHENTICATE \"PLAIN\"", "{0}\r\n", &counted, "OK"]),
    ] {
        assert_eq!(tap.log.users, ["joe"]);
    }
    laws::keep_secret(&SPEC, &talk(&[&format!("AUTHENTICATE {}  {quoted}", literal("PLAIN")), "OK"]), &[CANARY]);
    laws::keep_secret(&SPEC, &talk(&[&format!("AUTHENTICATE {quoted}"), "NO"]), &[CANARY]);
    laws::keep_secret(&SPEC, &talk(&[&format!("AUTHENTICATEPLAIN {quoted}"), "NO"]), &[CANARY]);
    laws::keep_secret(&SPEC, &talk(&[&format!("AUTHENTICATE PLAIN {message}"), "NO"]), &[CANARY]);
}

#[test]
fn every_other_mechanism() {
    let run = |mechanism: &str, steps: &[(&str, String)]| {
        for as_literal in [false, true] {
            let mut turns = vec![format!("AUTHENTICATE \"{mechanism}\"")];
            for (challenge, response) in steps {
                turns.push(format!("\"{challenge}\""));
                turns.push(if as_literal { literal(response) } else { format!("\"{response}\"") });
            }
            turns.push("OK (SASL \"dj02cnJp\")".to_owned());
            safe(&turns.iter().map(String::as_str).collect::<Vec<_>>());
        }
    };
    run("LOGIN", &[("VXNlcm5hbWU6", b64("joe")), ("UGFzc3dvcmQ6", b64(CANARY))]);
    run("CRAM-MD5", &[("PDFAeD4=", b64(format!("joe {CANARY}")))]);
    run("DIGEST-MD5", &[("bm9uY2U=", b64(format!("username=\"joe\",response={CANARY}"))), ("cnNw", String::new())]);
    run("SCRAM-SHA-256", &[("", b64("n,,n=joe,r=abc")), ("cj1h", b64(format!("c=biws,r=abc,p={CANARY}")))]);
    run("XOAUTH2", &[("", b64(format!("user=joe\x01auth=Bearer {CANARY}\x01\x01"))), ("e30=", String::new())]);
    run("OAUTHBEARER", &[("", b64(format!("n,a=joe,\x01auth=Bearer {CANARY}\x01\x01")))]);
    run("EXTERNAL", &[("", b64("joe"))]);
    run(
        "NTLM",
        &[("", b64(format!("NTLMSSP\0\x01\0\0\0{CANARY}"))), ("TlRMTQ==", b64(format!("NTLMSSP\0\x03{CANARY}")))],
    );
    run("GSSAPI", &[("", b64(CANARY)), ("YGU=", b64(format!("x{CANARY}")))]);
}

#[test]
fn a_star_cancels() {
    let tap = safe(&["AUTHENTICATE \"PLAIN\"", "\"\"", "\"*\"", "NO \"cancelled\""]);
    assert_eq!(tap.piece("\"*\"\r\n").shown, b"\"*\"\r\n");
}

#[test]
fn the_servers_last_word_is_decoded() {
    let tap = safe(&["AUTHENTICATE \"SCRAM-SHA-1\"", "OK (SASL \"dj02cnJp\") \"fine\""]);
    let found = reply(&tap, "OK (SASL \"dj02cnJp\") \"fine\"\r\n");
    assert_eq!((found.text.as_str(), &found.values.map()["sasl"]), ("fine", &"v=6rri".into()));
}

#[test]
fn a_response_to_a_refused_login_stays_secret() {
    for response in [format!("\"{}\"", b64(CANARY)), literal(&b64(CANARY))] {
        let both = format!("AUTHENTICATE \"PLAIN\"\r\n{response}");
        let mut talk = talk(&[&both, "NO \"no such mechanism\"", "", "NO \"what\"", "NOOP \"x\"", "OK"]);
        talk.remove(3);
        laws::keep_secret(&SPEC, &talk, &[CANARY]);
        let tap = laws::play(&SPEC, Setup::default(), &talk, &Cuts::Whole);
        assert_eq!(tap.kinds()[1..4], ["command AUTHENTICATE", "reply NO", "auth PLAIN 1"]);
    }
}

#[test]
fn a_list_before_a_login_is_no_challenge() {
    let mut tap = sieve();
    tap.client("LISTSCRIPTS\r\nAUTHENTICATE \"PLAIN\"\r\n").server("\"a\"\r\nOK\r\n").server("\"\"\r\n");
    assert_eq!(tap.kinds()[1..], ["command LISTSCRIPTS", "command AUTHENTICATE", "reply OK", "continue "]);
}

#[test]
fn a_security_layer_makes_the_rest_raw() {
    let mut tap = sieve();
    tap.client("AUTHENTICATE \"GSSAPI\"\r\n").server("\"\"\r\n").client("\"YIIC\"\r\n").server("OK\r\n");
    tap.server(b"\0\0\0\x04\"a\"\n".as_slice()).client(b"\0\0\0\x04NOO\n".as_slice());
    assert_eq!(tap.note_codes(), ["sasl-security-layer"]);
    assert_eq!(tap.kinds()[5..], ["raw", "raw"]);
}
