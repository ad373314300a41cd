//! Errors of every kind, in words.
//! Takes errors as rustls and the system make them; gives the failures that people read.
//! Shakes no hands.

use super::*;

fn alert(peer: Peer, alert: AlertDescription) -> Failure {
    of_tls(peer, "mail.example", &TlsError::AlertReceived(alert))
}

#[test]
fn a_refused_leaf_says_how_to_be_trusted() {
    use AlertDescription::{BadCertificate, CertificateUnknown, UnknownCA};
    for (kind, word) in
        [(UnknownCA, "unknown_ca"), (BadCertificate, "bad_certificate"), (CertificateUnknown, "certificate_unknown")]
    {
        let failure = alert(Peer::Client, kind);
        assert_eq!((failure.blame, failure.code), (Blame::Client, REFUSED));
        assert!(failure.text.contains(word) && failure.advice.expect("advice").contains("mailtap ca trust"));
    }
}

#[test]
fn the_same_alert_from_the_server_is_about_the_client_certificate() {
    let failure = alert(Peer::Server, AlertDescription::UnknownCA);
    assert_eq!((failure.blame, failure.code), (Blame::Server, CLIENT_CERTIFICATE));
    assert!(failure.advice.expect("advice").contains("--upstream-cert"));
    assert_eq!(alert(Peer::Server, AlertDescription::CertificateRequired).code, CLIENT_CERTIFICATE);
}

#[test]
fn what_became_of_a_request_for_a_certificate_explains_the_alert() {
    use AlertDescription as A;
    use ClientCertificate::{Asked, Given, NotAsked};
    for (certificate, alert, code, words) in [
        (Asked, A::HandshakeFailure, CLIENT_CERTIFICATE, "does not go on without one (alert handshake_failure)"),
        (Asked, A::BadCertificate, CLIENT_CERTIFICATE, "does not go on without one (alert bad_certificate)"),
        (Asked, A::CertificateRequired, CLIENT_CERTIFICATE, "requires a client certificate"),
        (Given, A::HandshakeFailure, NO_COMMON, "no cipher or signature in common"),
        (Given, A::UnknownCA, CLIENT_CERTIFICATE, "refused the client certificate (alert unknown_ca)"),
        (Given, A::DecryptError, CLIENT_CERTIFICATE, "refused the client certificate or its signature"),
        (NotAsked, A::HandshakeFailure, NO_COMMON, "no cipher or signature in common"),
    ] {
        let error = io::Error::new(io::ErrorKind::InvalidData, TlsError::AlertReceived(alert));
        let about_it = of_client_certificate("mail.example", &error, certificate);
        let failure = about_it.unwrap_or_else(|| of_io(Peer::Server, "mail.example", &error));
        assert_eq!(failure.code, code, "{certificate:?} {alert:?}");
        assert!(failure.text.contains(words), "{}", failure.text);
        let advised = failure.advice.is_some_and(|advice| advice.contains("--upstream-cert"));
        assert_eq!(advised, code == CLIENT_CERTIFICATE, "{certificate:?} {alert:?}");
    }
    assert_eq!(of_client_certificate("mail.example", &io::ErrorKind::UnexpectedEof.into(), Asked), None);
}

#[test]
fn an_error_inside_an_io_error_is_found() {
    let error = io::Error::new(io::ErrorKind::InvalidData, TlsError::AlertReceived(AlertDescription::ProtocolVersion));
    assert_eq!(of_io(Peer::Server, "mail.example", &error).code, VERSION);
    let closed = of_io(Peer::Client, "the client", &io::ErrorKind::UnexpectedEof.into());
    assert_eq!(closed.code, CLOSED);
    assert!(closed.advice.expect("advice").contains("mailtap ca trust"));
    assert_eq!(of_io(Peer::Server, "mail.example", &io::ErrorKind::PermissionDenied.into()).code, FAILED);
}

#[test]
fn what_a_server_answered_or_did_not_answer_is_told() {
    let answered = |error: io::Error, answer: &[u8]| {
        of_io(Peer::Server, "mail.example", &error).with_answer("mail.example", answer)
    };
    let silent = answered(io::ErrorKind::UnexpectedEof.into(), &[]);
    assert_eq!(silent.code, CLOSED);
    assert!(silent.text.contains("TLSv1.2 and TLSv1.3") && silent.advice.expect("advice").contains("updated"));
    let began = answered(io::ErrorKind::UnexpectedEof.into(), &[22, 3, 3]);
    assert!(began.text.contains("in the middle"), "{}", began.text);
    let old = TlsError::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13);
    let old = answered(io::Error::new(io::ErrorKind::InvalidData, old), &[22, 3, 2, 0, 50, 2, 0, 0, 46, 3, 2]);
    assert!(old.text.contains("answered in TLSv1.1; mailtap speaks"), "{}", old.text);
}

#[test]
fn plaintext_is_told_on_either_leg() {
    let error = TlsError::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
    let server = of_tls(Peer::Server, "mail.example", &error);
    assert_eq!((server.code, server.blame), (PLAINTEXT, Blame::Mailtap));
    assert!(server.advice.expect("advice").contains("+starttls"));
    let client = of_hello(&error, &Peek::NotTls);
    assert_eq!(client.code, PLAINTEXT);
}

#[test]
fn time_is_told() {
    let failure = of_timeout(Peer::Server, "mail.example", Duration::from_secs(30));
    assert_eq!(failure.text, "mail.example did not finish the TLS handshake within 30 seconds");
    assert_eq!(failure.code, TIMEOUT);
}

#[test]
fn alerts_are_spelled_as_in_the_rfc() {
    use AlertDescription as A;
    for (alert, word) in [
        (A::CloseNotify, "close_notify"),
        (A::BadRecordMac, "bad_record_mac"),
        (A::UnknownCA, "unknown_ca"),
        (A::UnrecognisedName, "unrecognized_name"),
        (A::NoApplicationProtocol, "no_application_protocol"),
        (A::Unknown(200), "number 200"),
    ] {
        assert_eq!(alert_word(alert), word);
    }
}
