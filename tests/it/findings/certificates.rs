//! Findings of certificates and ciphers.
//! Takes conversations, gives nothing but failures.
//! Does not know how a finding is made.

use mailtap::event::{Certificate, Open, Side, Stamp, Tls, Verified};
use mailtap::findings;
use mailtap::proto::{self, Setup};
use mailtap::session::{Config, Session};

use super::Codes;

#[test]
fn of_certificates() {
    let (spec, _) = proto::scheme("imaps").unwrap();
    let day = 24 * 3600 * 1_000_000_i64;
    let facts = |names: &[&str], verified: Verified, days: i64, cipher: &str| Tls {
        how: "implicit".to_owned(),
        cipher: Some(cipher.to_owned()),
        sni: Some("mail.example".to_owned()),
        verified: Some(verified),
        certificate: Some(Certificate {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            not_after: Stamp(1_700_000_000_000_000 + days * day).to_string(),
            ..Certificate::default()
        }),
        ..Tls::default()
    };
    let found = |side: Side, facts: Tls| {
        let mut codes = Codes::default();
        let mut session = Session::new(spec, Setup::default(), false, Config::default());
        session.open(Stamp(1_700_000_000_000_000), Open::default(), &mut codes);
        session.shaken(Stamp(1_700_000_000_000_000), side, facts, &mut codes);
        codes.0.into_iter().map(|(code, _)| code).collect::<Vec<_>>()
    };
    let good = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    let names = ["mail.example"];
    assert_eq!(found(Side::Server, facts(&names, Verified::Yes, 13, good)), ["certificate-expiring"]);
    assert!(found(Side::Server, facts(&names, Verified::Yes, 15, good)).is_empty());
    // What has expired is told otherwise, and the client's side shows mailtap's own.
    assert!(found(Side::Server, facts(&names, Verified::Yes, -1, good)).is_empty());
    assert!(found(Side::Client, facts(&names, Verified::Yes, 1, good)).is_empty());
    assert_eq!(
        found(Side::Server, facts(&["other.example", "*.mail.example"], Verified::Skipped, 99, good)),
        ["certificate-name"]
    );
    assert!(found(Side::Server, facts(&["*.example"], Verified::Skipped, 99, good)).is_empty());
}

/// These come from handshakes; the tests of TLS provoke them, and know them by name.
#[test]
fn codes_of_failed_handshakes_stay_as_they_are() {
    use mailtap::tls::failure;
    for (code, stable) in [
        (failure::PLAINTEXT, "tls-plaintext"),
        (failure::REFUSED, "tls-certificate-refused"),
        (failure::VERSION, "tls-version"),
        (failure::NO_COMMON, "tls-nothing-in-common"),
        (failure::UNVERIFIED, "tls-unverified"),
        (failure::CLIENT_CERTIFICATE, "tls-client-certificate"),
        (failure::CLOSED, "tls-closed"),
        (failure::TIMEOUT, "tls-timeout"),
        (failure::ALPN, "tls-alpn"),
        (failure::BROKEN, "tls-broken"),
        (failure::NO_FORWARD_SECRECY, "no-forward-secrecy"),
        (failure::FAILED, "tls-failed"),
    ] {
        assert_eq!(code, stable);
        assert!(findings::find(code).is_some(), "{code}");
    }
}
