//! USER and PASS, APOP, AUTH: no secret is shown wherever the bytes are cut.
//! Takes whole logins; fails where a password, its base64 or its part of the exchange stands in a piece.
//! Does not test what a mechanism means; `sasl` does.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

const CANARY: &str = "Canary-4711-Pw";

fn b64(text: impl AsRef<[u8]>) -> String {
    STANDARD.encode(text)
}

/// Turns of client and server, the client first, behind a greeting; with a NOOP at the end.
fn talk(turns: &[&str]) -> Script {
    let mut script = vec![(Side::Server, b"+OK ready\r\n".to_vec())];
    for (number, line) in turns.iter().chain(&["NOOP", "+OK noop"]).enumerate() {
        let side = if number % 2 == 0 { Side::Client } else { Side::Server };
        script.push((side, format!("{line}\r\n").into_bytes()));
    }
    script
}

fn safe(turns: &[&str], secrets: &[&str]) -> Tap {
    let talk = talk(turns);
    laws::keep_secret(&SPEC, &talk, secrets);
    laws::keep(&SPEC, Setup::default(), &talk, &[4, 11]);
    let tap = laws::play(&SPEC, Setup::default(), &talk, &Cuts::Whole);
    assert_eq!(answered(&tap, "+OK noop\r\n").as_deref(), Some("NOOP\r\n"));
    tap
}

#[test]
fn user_and_pass() {
    for pass in [format!("PASS {CANARY}"), format!("pass  {CANARY} with spaces "), format!(" PASS\t{CANARY}")] {
        let tap = safe(&["USER joe", "+OK", &pass, "+OK"], &[CANARY, "with spaces"]);
        assert_eq!(tap.log.users, ["joe"]);
    }
    for pass in [format!("PASS{CANARY}"), format!("PASS\u{b}{CANARY}"), format!("PASSWORD {CANARY}")] {
        laws::keep_secret(&SPEC, &talk(&["USER joe", "+OK", &pass, "-ERR"]), &[CANARY]);
    }
}

#[test]
fn apop() {
    let digest = "c4c9334bac560ecc979e58001b3e22fb";
    let tap = safe(&[&format!("APOP mrose {digest}"), "+OK"], &[digest]);
    assert_eq!(tap.log.users, ["mrose"]);
    laws::keep_secret(&SPEC, &talk(&[&format!("apop  mrose \t{digest} more"), "-ERR"]), &[digest]);
}

#[test]
fn auth_plain_with_and_without_initial_response() {
    let message = b64(format!("\0joe\0{CANARY}"));
    for tap in [
        safe(&["AUTH PLAIN", "+ ", &message, "+OK"], &[CANARY]),
        safe(&[&format!("auth  plain  {message}"), "-ERR [AUTH] no"], &[CANARY]),
        safe(&["AUTH PLAIN", "+", &message, "+OK"], &[CANARY]),
    ] {
        assert_eq!(tap.log.users, ["joe"]);
    }
}

#[test]
fn auth_by_every_mechanism() {
    let hidden = |first: &str, steps: &[(&str, String)]| {
        let mut turns = vec![first.to_owned()];
        for (challenge, response) in steps {
            turns.extend([format!("+ {challenge}"), response.clone()]);
        }
        turns.push("+OK".to_owned());
        safe(&turns.iter().map(String::as_str).collect::<Vec<_>>(), &[CANARY])
    };
    let bearer = b64(format!("n,a=joe,\x01auth=Bearer {CANARY}\x01\x01"));
    let xoauth = b64(format!("user=joe\x01auth=Bearer {CANARY}\x01\x01"));
    let scram = [("", b64("n,,n=joe,r=abc")), ("cj1h", b64(format!("c=biws,r=abc,p={CANARY}")))];
    assert_eq!(hidden("AUTH LOGIN", &[("VXNlcm5hbWU6", b64("joe")), ("UGFzc3dvcmQ6", b64(CANARY))]).log.users, ["joe"]);
    assert_eq!(hidden(&format!("AUTH LOGIN {}", b64("joe")), &[("UGFzc3dvcmQ6", b64(CANARY))]).log.users, ["joe"]);
    hidden("AUTH CRAM-MD5", &[("PDFAeD4=", b64(format!("joe {CANARY}")))]);
    hidden(
        "AUTH DIGEST-MD5",
        &[("bm9uY2U=", b64(format!("username=\"joe\",response={CANARY}"))), ("cnNw", String::new())],
    );
    assert_eq!(hidden("AUTH SCRAM-SHA-256", &scram).log.users, ["joe"]);
    hidden("AUTH SCRAM-SHA-1-PLUS", &scram);
    hidden(&format!("AUTH OAUTHBEARER {bearer}"), &[]);
    hidden("AUTH OAUTHBEARER", &[("", bearer)]);
    let tap = hidden(&format!("AUTH XOAUTH2 {xoauth}"), &[(&b64(r#"{"status":"401"}"#), String::new())]);
    let decoded = |found: &laws::Found| matches!(&found.body, Body::Continue(go) if go.decoded.as_deref() == Some(r#"{"status":"401"}"#));
    assert!(tap.log.pieces.iter().any(decoded));
    hidden("AUTH XOAUTH2", &[("", xoauth)]);
    hidden("AUTH EXTERNAL", &[("", b64("joe"))]);
    hidden(
        "AUTH NTLM",
        &[("", b64(format!("NTLMSSP\0\x01\0\0\0{CANARY}"))), ("TlRMTQ==", b64(format!("NTLMSSP\0\x03\0\0\0{CANARY}")))],
    );
    hidden("AUTH GSSAPI", &[("", b64(CANARY)), ("YGU=", b64(format!("x{CANARY}")))]);
    let tap = safe(&["AUTH PLAIN", "+ ", "*", "-ERR cancelled"], &[]);
    assert_eq!(tap.piece("*\r\n").shown, b"*\r\n");
}

#[test]
fn a_response_to_a_refused_auth_stays_secret() {
    let message = b64(format!("\0joe\0{CANARY}"));
    let both = format!("AUTH PLAIN\r\n{message}");
    let turns =
        [both.as_str(), "-ERR no such mechanism", "", &format!("-ERR unknown command {message}"), "CAPA", "+OK\r\n."];
    let mut talk = talk(&turns);
    talk.remove(3);
    laws::keep_secret(&SPEC, &talk, &[CANARY, &message]);
    let tap = laws::play(&SPEC, Setup::default(), &talk, &Cuts::Whole);
    assert_eq!(tap.kinds()[1..5], ["command AUTH", "reply -ERR", "auth PLAIN 1", "reply -ERR"]);
    for line in [format!("AUTH {message}"), format!("AUTH=PLAIN {message}"), format!("AUTHPLAIN {message}")] {
        laws::keep_secret(&SPEC, &super::login::talk(&[&line, "-ERR"]), &[CANARY]);
    }
}

#[test]
fn a_challenge_is_for_auth_even_if_an_earlier_answer_never_came() {
    let mut tap = pop3();
    tap.client("NOOP\r\nAUTH PLAIN\r\n")
        .server("+ \r\n")
        .client(format!("{}\r\n", b64(format!("\0joe\0{CANARY}"))))
        .server("+OK\r\n");
    laws::assert_hidden(&tap, &[CANARY]);
    assert_eq!(answered(&tap, "+OK\r\n").as_deref(), Some("AUTH PLAIN\r\n"));
}

#[test]
fn a_security_layer_makes_the_rest_raw() {
    let mut tap = pop3();
    tap.client("AUTH GSSAPI\r\n").server("+ \r\n").client("YIIC\r\n").server("+OK\r\n");
    tap.client(b"\0\0\0\x04\n\n\n\n".as_slice()).server(b"\0\0\0\x04+OK\n".as_slice());
    assert_eq!(tap.note_codes(), ["sasl-security-layer"]);
    assert_eq!(tap.kinds()[5..], ["raw", "raw"]);
}
