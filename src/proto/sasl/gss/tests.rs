//! Tokens put together from their parts, whole, torn and forged.
//! Takes nothing.
//! Does not know logins.

use super::*;

/// An element: its tag and what it holds.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head = match length {
        0..128 => vec![tag, u8::try_from(length).unwrap()],
        128..256 => vec![tag, 0x81, u8::try_from(length).unwrap()],
        _ => vec![tag, 0x82, u8::try_from(length >> 8).unwrap(), u8::try_from(length & 255).unwrap()],
    };
    [head.as_slice(), content].concat()
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    der(SEQUENCE, &parts.concat())
}

fn text(text: &str) -> Vec<u8> {
    der(GENERAL_STRING, text.as_bytes())
}

fn integer(number: u8) -> Vec<u8> {
    der(INTEGER, &[number])
}

fn principal(names: &[&str]) -> Vec<u8> {
    let names: Vec<Vec<u8>> = names.iter().map(|name| text(name)).collect();
    sequence(&[der(field(0), &integer(2)), der(field(1), &sequence(&names))])
}

const KERBEROS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2];
const KERBEROS_OF_WINDOWS: &[u8] = &[0x2a, 0x86, 0x48, 0x82, 0xf7, 0x12, 1, 2, 2];
const SPNEGO: &[u8] = &[0x2b, 6, 1, 5, 5, 2];
const NTLM: &[u8] = &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 10];

fn framed(oid: &[u8], inner: &[u8]) -> Vec<u8> {
    der(application(0), &[der(OID, oid).as_slice(), inner].concat())
}

fn ap_req() -> Vec<u8> {
    let encrypted = sequence(&[der(field(0), &integer(18)), der(field(2), &der(OCTETS, &[7; 300]))]);
    let ticket = der(
        application(1),
        &sequence(&[
            der(field(0), &integer(5)),
            der(field(1), &text("CORP.EXAMPLE")),
            der(field(2), &principal(&["imap", "mail.corp.example"])),
            der(field(3), &encrypted),
        ]),
    );
    let request = sequence(&[
        der(field(0), &integer(5)),
        der(field(1), &integer(14)),
        der(field(2), &der(3, &[0, 0x20, 0, 0, 0])),
        der(field(3), &ticket),
        der(field(4), &encrypted),
    ]);
    [&[1, 0][..], &der(application(14), &request)].concat()
}

fn krb_error(code: u8) -> Vec<u8> {
    let error = sequence(&[
        der(field(0), &integer(5)),
        der(field(1), &integer(30)),
        der(field(4), &der(GENERALIZED_TIME, b"20261123100500Z")),
        der(field(5), &integer(9)),
        der(field(6), &integer(code)),
        der(field(9), &text("CORP.EXAMPLE")),
        der(field(10), &principal(&["imap", "mail.corp.example"])),
        der(field(11), &text("too far apart\0")),
    ]);
    [&[3, 0][..], &der(application(30), &error)].concat()
}

fn told(token: &[u8]) -> String {
    let mut args = Object::new();
    let _ = read(token, &mut args);
    let mut text = String::new();
    args.write(&mut text);
    text
}

#[test]
fn a_request_names_the_service_that_its_ticket_is_for() {
    assert_eq!(
        told(&framed(KERBEROS, &ap_req())),
        r#"{"mech":"Kerberos","token":"AP-REQ","service":"imap/mail.corp.example","realm":"CORP.EXAMPLE"}"#
    );
    assert_eq!(told(&framed(KERBEROS, &[2, 0, 0x6f, 0])), r#"{"mech":"Kerberos","token":"AP-REP"}"#);
    assert_eq!(told(&framed(&[0x2a, 3], &[9, 9])), r#"{"mech":"1.2.3"}"#);
}

#[test]
fn an_error_has_its_code_its_name_and_the_servers_clock() {
    assert_eq!(
        told(&framed(KERBEROS, &krb_error(37))),
        r#"{"mech":"Kerberos","token":"KRB-ERROR","error":37,"error_name":"KRB_AP_ERR_SKEW","time":"2026-11-23T10:05:00Z","service":"imap/mail.corp.example","realm":"CORP.EXAMPLE","text":"too far apart"}"#
    );
    assert!(told(&framed(KERBEROS, &krb_error(99))).contains(r#""error":99,"time""#));
}

#[test]
fn an_offer_and_its_answer_are_told_with_the_token_inside() {
    let offer = |token: &[u8]| {
        let mechs: Vec<Vec<u8>> = [KERBEROS_OF_WINDOWS, KERBEROS, NTLM].iter().map(|oid| der(OID, oid)).collect();
        let fields = sequence(&[der(field(0), &sequence(&mechs)), der(field(2), &der(OCTETS, token))]);
        framed(SPNEGO, &der(field(0), &fields))
    };
    assert_eq!(
        told(&offer(&framed(KERBEROS, &ap_req()))),
        r#"{"token":"NegTokenInit","mechs":["Kerberos","Kerberos","NTLM"],"inner":{"token":"AP-REQ","service":"imap/mail.corp.example","realm":"CORP.EXAMPLE"}}"#
    );
    let ntlm = [&b"NTLMSSP\0\x01\0\0\0"[..], &[1, 2, 0, 0]].concat();
    assert!(told(&offer(&ntlm)).ends_with(r#""inner":{"message":1,"flags":["NEGOTIATE_UNICODE","NEGOTIATE_NTLM"]}}"#));
    let answer = sequence(&[
        der(field(0), &der(der::ENUMERATED, &[1])),
        der(field(1), &der(OID, KERBEROS)),
        der(field(2), &der(OCTETS, &krb_error(37))),
    ]);
    assert!(told(&der(field(1), &answer)).starts_with(
        r#"{"token":"NegTokenResp","state":"accept-incomplete","mech":"Kerberos","inner":{"token":"KRB-ERROR","error":37"#
    ));
    let refusal = sequence(&[der(field(0), &der(der::ENUMERATED, &[2]))]);
    assert_eq!(told(&der(field(1), &refusal)), r#"{"token":"NegTokenResp","state":"reject"}"#);
}

#[test]
fn the_choice_of_a_layer_is_read_where_it_is_not_sealed() {
    let wrap = |flags: u8, rotated: u8, body: &[u8]| {
        [&[5, 4, flags, 0xff, 0, 3, 0, rotated, 0, 0, 0, 0, 0, 0, 0, 1][..], body].concat()
    };
    assert_eq!(
        told(&wrap(1, 0, b"\x07\0\xff\xffsum")),
        r#"{"token":"Wrap","sealed":false,"layers":["none","integrity","confidentiality"]}"#
    );
    let chosen = r#"{"token":"Wrap","sealed":false,"layers":["none"],"authorization":"shop"}"#;
    assert_eq!(told(&wrap(0, 0, b"\x01\0\0\0shopsum")), chosen);
    assert_eq!(told(&wrap(0, 3, b"sum\x01\0\0\0shop")), chosen, "rotated to the right by three");
    assert_eq!(told(&wrap(2, 0, b"sealed")), r#"{"token":"Wrap","sealed":true}"#);
    assert_eq!(told(&wrap(0, 255, b"")), r#"{"token":"Wrap","sealed":false}"#);
}

#[test]
fn torn_and_forged_tokens_give_what_lies_in_them() {
    for whole in [framed(KERBEROS, &ap_req()), framed(SPNEGO, &der(field(0), &krb_error(37))), krb_error(1)] {
        for length in 0..whole.len() {
            let _ = told(&whole[..length]);
        }
        for at in 0..whole.len() {
            for byte in [0, 0x7f, 0x80, 0xff] {
                let mut wrong = whole.clone();
                wrong[at] = byte;
                let _ = told(&wrong);
            }
        }
    }
    for nothing in [&b""[..], b"\x60", b"\x60\x84\xff\xff\xff\xff", b"\xa0\x02\x30\x05", b"s3cret of joe"] {
        assert_eq!(told(nothing), "{}", "{nothing:?}");
    }
    let nested = (0..200).fold(b"".to_vec(), |inner, _| framed(SPNEGO, &der(field(0), &sequence(&[inner]))));
    let _ = told(&nested);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_borne(token: Vec<u8>, kind in 0_usize..4) {
        let starts = [&b""[..], b"NTLMSSP\0", &[0x60, 0x82, 0x01, 0x00, 6, 9], &[0xa1, 0x30]];
        let _ = told(&[starts[kind], &token].concat());
    }
}
