//! AUTH: each mechanism, with no secret shown wherever the bytes are cut.
//! Takes whole logins; fails where a password, its base64 or its part of the exchange stands in a piece.
//! Does not test what a mechanism means; `sasl` does.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::proto::frame::LINE_MAX;

const CANARY: &str = "Canary-4711-Pw";

fn b64(text: impl AsRef<[u8]>) -> String {
    STANDARD.encode(text)
}

/// A login of one challenge after the other.
fn login(first: &str, steps: &[(&str, &str)], last: &str) -> Script {
    let mut talk = vec![(Side::Server, b"220 x\r\n".to_vec()), (Side::Client, format!("{first}\r\n").into_bytes())];
    for (challenge, response) in steps {
        talk.push((Side::Server, format!("334 {challenge}\r\n").into_bytes()));
        talk.push((Side::Client, format!("{response}\r\n").into_bytes()));
    }
    talk.push((Side::Server, format!("{last}\r\n").into_bytes()));
    talk.push((Side::Client, b"NOOP\r\n".to_vec()));
    talk.push((Side::Server, b"250 noop\r\n".to_vec()));
    talk
}

/// Checks law 7 and the laws of cutting, gives what was found.
fn safe(talk: &Script, secrets: &[&str]) -> Tap {
    laws::keep_secret(&SMTP, talk, secrets);
    laws::keep(&SMTP, Setup::default(), talk, &[5, 9]);
    let tap = laws::play(&SMTP, Setup::default(), talk, &Cuts::Whole);
    assert_eq!(answered(&tap, "250 noop\r\n").as_deref(), Some("NOOP\r\n"));
    tap
}

fn responses(tap: &Tap) -> Vec<(u32, Option<&str>)> {
    let auth = |found: &laws::Found| matches!(found.body, Body::Auth(_));
    let told = tap.log.pieces.iter().filter(|found| auth(found));
    told.map(|found| match &found.body {
        Body::Auth(auth) => (auth.step, auth.user.as_deref()),
        _ => (0, None),
    })
    .collect()
}

#[test]
fn plain_with_initial_response() {
    let message = b64(format!("adm\0joe\0{CANARY}"));
    for line in [
        format!("AUTH PLAIN {message}"),
        format!("auth plain {message}"),
        format!("AUTH\tPLAIN\t {message}"),
        format!("  AuTh   PlAiN   {message}   "),
    ] {
        let tap = safe(&login(&line, &[], "235 2.7.0 ok"), &[CANARY]);
        let found = args(command(&tap, &format!("{line}\r\n")));
        assert_eq!((found["mechanism"].as_str(), found["user"].as_str()), (Some("PLAIN"), Some("joe")));
        assert_eq!((found["initial"].as_bool(), tap.log.users.as_slice()), (Some(true), ["joe".to_owned()].as_slice()));
    }
}

#[test]
fn plain_without_initial_response() {
    let message = b64(format!("\0joe\0{CANARY}"));
    let tap = safe(&login("AUTH PLAIN", &[("", &message)], "235 ok"), &[CANARY]);
    assert_eq!(responses(&tap), [(1, Some("joe"))]);
    assert_eq!(tap.kinds()[1..5], ["command AUTH", "continue 334", "auth PLAIN 1", "reply 235"]);
}

#[test]
fn login_with_and_without_initial_response() {
    let steps = [("VXNlcm5hbWU6", b64("joe")), ("UGFzc3dvcmQ6", b64(CANARY))];
    let steps: Vec<(&str, &str)> = steps.iter().map(|(a, b)| (*a, b.as_str())).collect();
    let tap = safe(&login("AUTH LOGIN", &steps, "235 ok"), &[CANARY]);
    assert_eq!(responses(&tap), [(1, Some("joe")), (2, None)]);
    let Body::Continue(go) = &tap.piece("334 UGFzc3dvcmQ6\r\n").body else { panic!() };
    assert_eq!(go.decoded.as_deref(), Some("Password:"));
    let tap = safe(&login(&format!("AUTH LOGIN {}", b64("joe")), &steps[1..], "535 no"), &[CANARY]);
    assert_eq!(tap.log.users, ["joe"]);
    // Some servers ask in other words, or with none.
    safe(&login("AUTH LOGIN", &[("", &b64("joe")), ("", &b64(CANARY))], "235 ok"), &[CANARY]);
}

#[test]
fn cram_md5() {
    let digest = "b913a602c7eda7a495b4e6e7334d3890";
    let tap = safe(
        &login("AUTH CRAM-MD5", &[(&b64("<1896.697170952@x>"), &b64(format!("joe {digest}")))], "235 ok"),
        &[digest],
    );
    assert_eq!(responses(&tap), [(1, Some("joe"))]);
}

#[test]
fn digest_md5_and_its_security_layer() {
    let digest = "d388dad90d4bbd760a152321f2143af7";
    let response = |qop| {
        b64(format!("username=\"joe\",realm=\"x\",nonce=\"n\",cnonce=\"c\",nc=00000001,qop={qop},response={digest}"))
    };
    let challenge = b64("realm=\"x\",nonce=\"n\",qop=\"auth,auth-int\"");
    let tap = safe(
        &login("AUTH DIGEST-MD5", &[(&challenge, &response("auth")), (&b64("rspauth=abc"), "")], "235 ok"),
        &[digest],
    );
    assert_eq!(responses(&tap), [(1, Some("joe")), (2, None)]);
    assert!(tap.log.notes.is_empty());
    let mut tap = smtp();
    laws::play_on(
        &mut tap,
        &login("AUTH DIGEST-MD5", &[(&challenge, &response("auth-int")), ("", "")], "235 ok")[1..5],
        &Cuts::Whole,
    );
    tap.server("235 ok\r\n").client(b"\0\0\0\x10xyz".as_slice()).server(b"\0\0\0\x10abc".as_slice());
    tap.end();
    assert_eq!(tap.note_codes(), ["sasl-security-layer"]);
    assert_eq!(tap.kinds()[tap.kinds().len() - 2..], ["raw", "raw"]);
}

#[test]
fn scram_and_its_channel_binding() {
    let proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    for mechanism in ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512", "SCRAM-SHA-256-PLUS"] {
        let plus = mechanism.ends_with("-PLUS");
        let first = b64(format!("{},,n=joe,r=rOprNGfwEbeRWgbNEkqO", if plus { "p=tls-exporter" } else { "n" }));
        let last = b64(format!("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYD,p={proof}"));
        let challenge = b64("r=rOprNGfwEbeRWgbNEkqO%hvYD,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let tap = safe(
            &login(&format!("AUTH {mechanism}"), &[("", &first), (&challenge, &last), (&b64("v=6rri"), "")], "235 ok"),
            &[proof],
        );
        assert_eq!(responses(&tap)[0], (1, Some("joe")));
        assert_eq!(tap.note_codes(), if plus { vec!["channel-binding"] } else { vec![] });
        safe(&login(&format!("AUTH {mechanism} {first}"), &[(&challenge, &last)], "235 ok"), &[proof]);
    }
}

#[test]
fn xoauth2_error_is_decoded_and_answered() {
    let message = b64(format!("user=joe@x.example\x01auth=Bearer {CANARY}\x01\x01"));
    let error = r#"{"status":"400","schemes":"bearer","scope":"https://mail.example/"}"#;
    for answer in ["", "=", "*", "AA=="] {
        let tap = safe(&login(&format!("AUTH XOAUTH2 {message}"), &[(&b64(error), answer)], "535 5.7.8 no"), &[CANARY]);
        let Body::Continue(go) = &tap.piece(format!("334 {}\r\n", b64(error))).body else { panic!() };
        assert_eq!(go.decoded.as_deref(), Some(error));
        assert_eq!(tap.log.users, ["joe@x.example"]);
    }
    safe(&login("AUTH XOAUTH2", &[("", &message)], "235 ok"), &[CANARY]);
}

#[test]
fn oauthbearer() {
    let message = b64(format!("n,a=joe@x.example,\x01host=mx\x01port=587\x01auth=Bearer {CANARY}\x01\x01"));
    let error = b64(r#"{"status":"invalid_token"}"#);
    let tap = safe(&login(&format!("AUTH OAUTHBEARER {message}"), &[(&error, "AQ==")], "535 no"), &[CANARY]);
    assert_eq!(tap.log.users, ["joe@x.example"]);
    safe(&login("AUTH OAUTHBEARER", &[("", &message)], "235 ok"), &[CANARY]);
}

#[test]
fn external_with_and_without_a_name() {
    let tap = safe(&login("AUTH EXTERNAL =", &[], "235 ok"), &[CANARY]);
    assert_eq!(args(command(&tap, "AUTH EXTERNAL =\r\n"))["mechanism"], "EXTERNAL");
    let tap = safe(&login("AUTH EXTERNAL", &[("", &b64("joe"))], "235 ok"), &[CANARY]);
    assert_eq!(responses(&tap), [(1, Some("joe"))]);
}

#[test]
fn ntlm_and_gssapi() {
    let ntlm = |kind: u8| [b"NTLMSSP\0".as_slice(), &[kind, 0, 0, 0], CANARY.as_bytes()].concat();
    safe(&login("AUTH NTLM", &[("", &b64(ntlm(1))), (&b64(ntlm(2)), &b64(ntlm(3)))], "235 ok"), &[]);
    let response = b64(format!("\x60\x23{CANARY}"));
    safe(&login("AUTH GSSAPI", &[("", &response), ("YGU=", ""), ("YDM=", &response)], "235 ok"), &[CANARY]);
    safe(&login(&format!("AUTH GSSAPI {response}"), &[("YGU=", "")], "235 ok"), &[CANARY]);
    // With a security layer, what follows is no text.
    let mut talk = login("AUTH GSSAPI", &[("", &response)], "235 ok");
    talk.truncate(5);
    talk.push((Side::Client, b"\0\0\0\x05\n\n\n\n\n".to_vec()));
    talk.push((Side::Server, b"\0\0\0\x05abcde".to_vec()));
    let tap = laws::play(&SMTP, Setup::default(), &talk, &Cuts::Bytes);
    assert_eq!(tap.note_codes(), ["sasl-security-layer"]);
    laws::keep(&SMTP, Setup::default(), &talk, &[2]);
}

#[test]
fn a_star_cancels() {
    let tap = safe(&login("AUTH PLAIN", &[("", "*")], "501 5.7.0 cancelled"), &[]);
    assert_eq!(tap.piece("*\r\n").shown, b"*\r\n");
    let Body::Auth(auth) = &tap.piece("*\r\n").body else { panic!() };
    assert_eq!(auth.args.map()["cancel"], true);
}

#[test]
fn a_client_that_does_not_wait_for_334_is_held() {
    let mut tap = smtp();
    tap.client(format!("NOOP\r\nAUTH LOGIN\r\n{}\r\n{}\r\n", b64("joe"), b64(CANARY)));
    assert_eq!(tap.kinds()[1..], ["command NOOP", "command AUTH"]);
    tap.server("250 ok\r\n").server("334 VXNlcm5hbWU6\r\n").server("334 UGFzc3dvcmQ6\r\n").server("235 ok\r\n");
    laws::assert_hidden(&tap, &[CANARY]);
    assert_eq!(responses(&tap), [(1, Some("joe")), (2, None)]);
}

#[test]
fn a_response_to_a_refused_auth_stays_secret() {
    let message = b64(format!("\0joe\0{CANARY}"));
    let mut talk = script(&format!("S: 220 x\nC: AUTH PLAIN\nC: {message}\nS: 504 5.5.4 no such mechanism"));
    // Some servers repeat what they did not understand.
    talk.extend(script(&format!("S: 500 5.5.1 Command unrecognized: \"{message}\"\nC: NOOP\nS: 250 noop")));
    let tap = safe(&talk, &[CANARY, &message]);
    assert_eq!(tap.kinds()[1..5], ["command AUTH", "reply 504", "auth PLAIN 1", "reply 500"]);
}

#[test]
fn a_response_in_the_place_of_the_mechanism_stays_secret() {
    let message = b64(format!("\0joe\0{CANARY}"));
    for line in [
        format!("AUTH {message}"),
        format!("AUTH=PLAIN {message}"),
        format!("AUTH\u{b}PLAIN {message}"),
        format!("AUTHPLAIN{message}"),
    ] {
        let talk = login(&line, &[], "500 what");
        laws::keep_secret(&SMTP, &talk, &[CANARY]);
    }
}

#[test]
fn a_login_without_an_answer_stays_secret() {
    let mut tap = smtp();
    tap.client(format!("AUTH PLAIN\r\n{}\r\n", b64(format!("\0joe\0{CANARY}"))));
    tap.end();
    laws::assert_hidden(&tap, &[CANARY]);
    // After lost synchronisation as well.
    let mut tap = smtp();
    tap.client("NOOP\r\n")
        .server("garbage\r\nmore\r\n")
        .client(format!("AUTH PLAIN {}\r\n", b64(format!("\0joe\0{CANARY}"))));
    laws::assert_hidden(&tap, &[CANARY]);
    // A 334 is for AUTH, even if an earlier answer never came.
    let mut tap = smtp();
    tap.client("NOOP\r\nAUTH PLAIN\r\n")
        .server("334 \r\n")
        .client(format!("{}\r\n", b64(format!("\0joe\0{CANARY}"))))
        .server("235 ok\r\n");
    assert_eq!(responses(&tap), [(1, Some("joe"))]);
    assert_eq!(answered(&tap, "235 ok\r\n").as_deref(), Some("AUTH PLAIN\r\n"));
}

#[test]
fn a_secret_longer_than_the_longest_line_stays_secret() {
    let long = b64(format!("\0joe\0{}{CANARY}", "x".repeat(2 * LINE_MAX)));
    for talk in [login(&format!("AUTH PLAIN {long}"), &[], "235 ok"), login("AUTH PLAIN", &[("", &long)], "235 ok")] {
        for cuts in [Cuts::Whole, Cuts::At(vec![LINE_MAX - 1, LINE_MAX, 2 * LINE_MAX + 7])] {
            let tap = laws::play(&SMTP, Setup::default(), &talk, &cuts);
            laws::assert_hidden(&tap, &[CANARY, "eHh4eHh4"]);
            assert_eq!(answered(&tap, "250 noop\r\n").as_deref(), Some("NOOP\r\n"));
        }
        // And one that is torn.
        let mut tap = smtp();
        let mut torn = talk[1..talk.len() - 3].to_vec();
        if let Some((Side::Client, bytes)) = torn.last_mut() {
            bytes.truncate(bytes.len() - 4);
        }
        laws::play_on(&mut tap, &torn, &Cuts::Whole);
        tap.end();
        laws::assert_hidden(&tap, &[CANARY, "eHh4eHh4"]);
    }
}
