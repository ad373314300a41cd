//! Why a handshake failed, in words: who is to blame, what happened, what can be done.
//! Takes errors of rustls and of the operating system, gives a sentence, advice and a stable word.
//! Does not decide what becomes of the session.

use std::io;
use std::time::Duration;

use rustls::{AlertDescription, Error as TlsError, PeerIncompatible};

use crate::tls::hello::{Offer, Peek, Version};
use crate::tls::upstream::ClientCertificate;
use crate::tls::verdict;

/// Which of the two ends of the mail conversation the failed leg leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Client,
    Server,
}

/// Who has to change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    Client,
    Server,
    Mailtap,
}

/// A failed handshake, told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub blame: Blame,
    /// A stable kebab-case word.
    pub code: &'static str,
    /// What happened: a clause that can follow "mailtap: ".
    pub text: String,
    /// What can be done about it.
    pub advice: Option<String>,
}

impl Failure {
    /// Names the version that the server chose, where it was too old, or what it may have lacked, where it left without a
    /// word: `answer` is how its hello began.
    #[must_use]
    pub fn with_answer(self, name: &str, answer: &[u8]) -> Failure {
        match answer {
            // Dovecot sends no alert where it has no version in common with its client.
            [] if self.code == CLOSED => Failure {
                text: format!("{name} closed the connection without an answer to mailtap's offer of TLSv1.2 and TLSv1.3"),
                advice: Some(
                    "a server that has only older versions may end so, and has to be updated; so may one that has no TLS \
                     at this port, or does not want this client: its log says which"
                        .to_owned(),
                ),
                ..self
            },
            // A handshake record with a ServerHello in it.
            [22, 3, _, _, _, 2, _, _, _, high, low] if self.code == VERSION => {
                let version = Version(u16::from_be_bytes([*high, *low]));
                let text = format!("{name} answered in {version}; mailtap speaks TLSv1.2 and TLSv1.3");
                Failure { text, ..self }
            }
            _ => self,
        }
    }
}

/// Code of [`of_hello`] when somebody spoke plaintext where TLS was to begin.
pub const PLAINTEXT: &str = "tls-plaintext";
/// Code when the client does not accept the certificate that mailtap made.
pub const REFUSED: &str = "tls-certificate-refused";
/// Code when there is no common version.
pub const VERSION: &str = "tls-version";
/// Code when there is no common cipher, group or signature.
pub const NO_COMMON: &str = "tls-nothing-in-common";
/// Code when the server's certificate was not accepted.
pub const UNVERIFIED: &str = "tls-unverified";
/// Code when a client certificate is missing or refused.
pub const CLIENT_CERTIFICATE: &str = "tls-client-certificate";
/// Code when the connection ended in the middle of the handshake.
pub const CLOSED: &str = "tls-closed";
/// Code when the handshake took too long.
pub const TIMEOUT: &str = "tls-timeout";
/// Code for an ALPN offer that was refused.
pub const ALPN: &str = "tls-alpn";
/// Code for bytes in an established connection that are no TLS, or damaged.
pub const BROKEN: &str = "tls-broken";
/// Code for a client that has no ciphers with forward secrecy.
pub const NO_FORWARD_SECRECY: &str = "no-forward-secrecy";
/// Code for everything else.
pub const FAILED: &str = "tls-failed";

const TRUST: &str = "let it trust mailtap's CA: `mailtap ca trust` shows the steps for each program; a program that pins \
                     its server's certificate can only be passed through with --passthrough";

/// The failure behind what rustls reports while reading the hello.
#[must_use]
pub fn of_hello(error: &TlsError, peek: &Peek) -> Failure {
    let client = |code, text: String, advice: Option<&str>| Failure {
        blame: Blame::Client,
        code,
        text,
        advice: advice.map(str::to_string),
    };
    let newer = "use a newer version of the client, or switch TLS 1.2 on in it";
    match peek {
        // What it was is not said here: it may be a password.
        Peek::NotTls => client(
            PLAINTEXT,
            "the client sent plaintext where TLS was to begin".into(),
            Some("set the client to TLS from the start (\"SSL/TLS\"), or use the port for STARTTLS"),
        ),
        Peek::Ssl2 => {
            client(VERSION, "the client offers only SSLv2; mailtap speaks TLSv1.2 and TLSv1.3".into(), Some(newer))
        }
        Peek::Hello(offer) if !offer.is_new_enough() => client(
            VERSION,
            format!("the client offers only {}; mailtap speaks TLSv1.2 and TLSv1.3", offer.versions_in_words()),
            Some(newer),
        ),
        _ => of_tls(Peer::Client, "the client", error),
    }
}

/// The failure behind what rustls reports of a hello that was read and cannot be answered.
#[must_use]
pub fn of_offer(error: &TlsError, offer: &Offer) -> Failure {
    if matches!(error, TlsError::PeerIncompatible(_)) && offer.is_without_forward_secrecy() {
        return Failure {
            blame: Blame::Client,
            code: NO_FORWARD_SECRECY,
            text: "the client offers only cipher suites without forward secrecy, and mailtap has none of these".into(),
            advice: Some("use a newer version of the client, or switch ECDHE on in it".into()),
        };
    }
    of_tls(Peer::Client, "the client", error)
}

/// The failure behind an error of a connection whose handshake is done.
#[must_use]
pub fn of_established(peer: Peer, name: &str, error: &io::Error) -> Failure {
    // Some clients judge the certificate only now, and say so by an alert.
    let Some(inner) = inner(error).filter(|inner| !matches!(inner, TlsError::AlertReceived(_))) else {
        return of_io(peer, name, error);
    };
    let what = match inner {
        TlsError::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
            "sent something that is no TLS, on a connection that has it".to_owned()
        }
        TlsError::DecryptError => "sent something in TLS that was damaged on its way".to_owned(),
        other => format!("broke the rules of TLS: {other}"),
    };
    let blame = if peer == Peer::Client { Blame::Client } else { Blame::Server };
    Failure { blame, code: BROKEN, text: format!("{name} {what}"), advice: None }
}

/// The failure behind an error of rustls on the leg to `peer`, which people know as `name`. For the server leg ask
/// the watch first: a refused certificate has a better sentence there ([`unverified`]).
#[must_use]
pub fn of_tls(peer: Peer, name: &str, error: &TlsError) -> Failure {
    let theirs = match peer {
        Peer::Client => Blame::Client,
        Peer::Server => Blame::Server,
    };
    let told = |blame, code, text: String, advice: Option<&str>| Failure {
        blame,
        code,
        text,
        advice: advice.map(str::to_string),
    };
    match error {
        TlsError::AlertReceived(alert) => of_alert(peer, theirs, name, *alert),
        TlsError::InvalidCertificate(why) => {
            let advice = verdict::advice(Some(error));
            told(theirs, UNVERIFIED, format!("{name}'s certificate was refused: {why}"), Some(advice))
        }
        TlsError::NoCertificatesPresented => told(theirs, UNVERIFIED, format!("{name} presented no certificate"), None),
        TlsError::InvalidMessage(rustls::InvalidMessage::InvalidContentType) if peer == Peer::Server => told(
            Blame::Mailtap,
            PLAINTEXT,
            format!("{name} answered in plaintext where TLS was to begin"),
            Some(
                "that port has no TLS from the start: use the plain scheme, or the one with +starttls, on the right side of the route",
            ),
        ),
        TlsError::PeerIncompatible(why) => of_incompatible(theirs, name, why),
        TlsError::NoApplicationProtocol => {
            told(theirs, ALPN, format!("{name} and mailtap have no ALPN protocol in common"), None)
        }
        TlsError::General(_) | TlsError::FailedToGetCurrentTime | TlsError::FailedToGetRandomBytes => {
            told(Blame::Mailtap, FAILED, format!("TLS with {name} failed in mailtap itself: {error}"), None)
        }
        _ => told(theirs, FAILED, format!("{name} broke the rules of TLS: {error}"), None),
    }
}

/// The failure behind an alert of the server, where what became of its request for a client certificate explains it.
#[must_use]
pub fn of_client_certificate(name: &str, error: &io::Error, certificate: ClientCertificate) -> Option<Failure> {
    use AlertDescription as A;
    let Some(TlsError::AlertReceived(alert)) = inner(error) else { return None };
    let word = alert_word(*alert);
    let told = |text: String, advice: &str| {
        Some(Failure { blame: Blame::Server, code: CLIENT_CERTIFICATE, text, advice: Some(advice.to_owned()) })
    };
    match (certificate, *alert) {
        // TLS 1.2 has no alert of its own for it (RFC 5246 §7.4.6), and some keep to that in 1.3.
        (
            ClientCertificate::Asked,
            A::HandshakeFailure | A::BadCertificate | A::CertificateUnknown | A::AccessDenied | A::UnknownCA,
        ) => told(
            format!("{name} asked for a client certificate and does not go on without one (alert {word})"),
            "give it with --upstream-cert and --upstream-key",
        ),
        (ClientCertificate::Given, A::DecryptError) => told(
            format!("{name} refused the client certificate or its signature (alert {word})"),
            "give one that it accepts with --upstream-cert and --upstream-key",
        ),
        _ => None,
    }
}

/// The failure behind an error of the connection; rustls's errors inside it are found.
#[must_use]
pub fn of_io(peer: Peer, name: &str, error: &io::Error) -> Failure {
    if let Some(inner) = inner(error) {
        return of_tls(peer, name, inner);
    }
    let blame = if peer == Peer::Client { Blame::Client } else { Blame::Server };
    let closed = matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    );
    if !closed {
        return Failure {
            blame,
            code: FAILED,
            text: format!("the TLS handshake with {name} failed: {error}"),
            advice: None,
        };
    }
    // Many clients hang up on a certificate they do not trust without any alert, while a person is being asked.
    let advice = (peer == Peer::Client).then(|| format!("if it does not trust the certificate, {TRUST}"));
    Failure {
        blame,
        code: CLOSED,
        text: format!("{name} closed the connection in the middle of the TLS handshake"),
        advice,
    }
}

/// rustls's error within one of the connection.
fn inner(error: &io::Error) -> Option<&TlsError> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// The handshake was given up after `waited`.
#[must_use]
pub fn of_timeout(peer: Peer, name: &str, waited: Duration) -> Failure {
    let blame = if peer == Peer::Client { Blame::Client } else { Blame::Server };
    let advice = (peer == Peer::Server)
        .then(|| "a server that stays silent may have no TLS on that port: try the scheme with +starttls".to_string());
    let text = format!("{name} did not finish the TLS handshake within {} seconds", waited.as_secs());
    Failure { blame, code: TIMEOUT, text, advice }
}

/// The server's certificate was not accepted; `reason` is the watch's sentence, `error` what the handshake ended with.
#[must_use]
pub fn unverified(reason: &str, error: Option<&io::Error>) -> Failure {
    Failure {
        blame: Blame::Server,
        code: UNVERIFIED,
        text: reason.to_string(),
        advice: Some(verdict::advice(error.and_then(inner)).to_string()),
    }
}

fn of_alert(peer: Peer, theirs: Blame, name: &str, alert: AlertDescription) -> Failure {
    use AlertDescription as A;
    let word = alert_word(alert);
    let told = |code, text: String, advice: Option<&str>| Failure {
        blame: theirs,
        code,
        text,
        advice: advice.map(str::to_string),
    };
    match (peer, alert) {
        (
            Peer::Client,
            A::UnknownCA
            | A::BadCertificate
            | A::CertificateUnknown
            | A::UnsupportedCertificate
            | A::CertificateExpired
            | A::CertificateRevoked
            | A::AccessDenied,
        ) => told(REFUSED, format!("the client refused mailtap's certificate (alert {word})"), Some(TRUST)),
        (Peer::Client, A::DecryptError) => {
            told(REFUSED, format!("the client refused mailtap's certificate or signature (alert {word})"), Some(TRUST))
        }
        (
            Peer::Server,
            A::BadCertificate
            | A::UnknownCA
            | A::CertificateUnknown
            | A::CertificateExpired
            | A::CertificateRevoked
            | A::UnsupportedCertificate
            | A::AccessDenied,
        ) => told(
            CLIENT_CERTIFICATE,
            format!("{name} refused the client certificate (alert {word})"),
            Some("give one that it accepts with --upstream-cert and --upstream-key"),
        ),
        (Peer::Server, A::CertificateRequired) => told(
            CLIENT_CERTIFICATE,
            format!("{name} requires a client certificate (alert {word})"),
            Some("give it with --upstream-cert and --upstream-key"),
        ),
        (_, A::ProtocolVersion) => told(
            VERSION,
            format!("{name} speaks neither TLSv1.2 nor TLSv1.3 (alert {word})"),
            Some("mailtap speaks no older versions: the other side has to be updated"),
        ),
        (_, A::HandshakeFailure | A::InsufficientSecurity) => {
            let advice = "it may have only cipher suites without forward secrecy (TLS_RSA_…), only old key exchange groups, or a \
                          certificate that mailtap cannot verify: it wants ECDHE, AES-GCM or ChaCha20-Poly1305, and SHA-2";
            let advice = (peer == Peer::Server).then_some(advice);
            told(NO_COMMON, format!("{name} and mailtap have no cipher or signature in common (alert {word})"), advice)
        }
        (_, A::NoApplicationProtocol) => {
            told(ALPN, format!("{name} refused the ALPN protocols offered (alert {word})"), None)
        }
        (Peer::Server, A::UnrecognisedName) => told(
            FAILED,
            format!("{name} does not know the host name it was asked for (alert {word})"),
            Some("give the server's real host name in the route, or connect the client to that name"),
        ),
        (_, A::CloseNotify | A::UserCanceled) => told(
            CLOSED,
            format!("{name} broke off the TLS handshake (alert {word})"),
            (peer == Peer::Client).then_some(TRUST),
        ),
        _ => told(FAILED, format!("{name} ended the TLS handshake (alert {word})"), None),
    }
}

fn of_incompatible(theirs: Blame, name: &str, why: &PeerIncompatible) -> Failure {
    use PeerIncompatible as P;
    match why {
        P::Tls12NotOffered
        | P::Tls12NotOfferedOrEnabled
        | P::ServerDoesNotSupportTls12Or13
        | P::ServerTlsVersionIsDisabledByOurConfig
        | P::SupportedVersionsExtensionRequired => Failure {
            blame: theirs,
            code: VERSION,
            text: format!("{name} speaks neither TLSv1.2 nor TLSv1.3"),
            advice: Some("mailtap speaks no older versions: the other side has to be updated".into()),
        },
        P::NoSignatureSchemesInCommon => Failure {
            blame: theirs,
            code: NO_COMMON,
            text: format!("{name} has no signature algorithm in common with mailtap's certificate"),
            advice: Some(
                "a client that verifies RSA signatures only needs --leaf-key rsa2048, and an RSA CA of your own \
                 (--ca-cert) where it cannot verify ECDSA in certificates either"
                    .into(),
            ),
        },
        P::NoCipherSuitesInCommon
        | P::NoKxGroupsInCommon
        | P::NoEcPointFormatsInCommon
        | P::UncompressedEcPointsRequired => Failure {
            blame: theirs,
            code: NO_COMMON,
            text: format!("{name} and mailtap have no cipher suite or key exchange in common"),
            advice: Some(
                "both have to know ECDHE with AES-GCM or ChaCha20-Poly1305; where the client lacks only ECDSA, \
                 --leaf-key rsa2048 helps"
                    .into(),
            ),
        },
        other => Failure {
            blame: theirs,
            code: NO_COMMON,
            text: format!("{name} offers a TLS that mailtap cannot use ({other:?})"),
            advice: None,
        },
    }
}

/// The alert's name as RFC 8446 section 6 spells it, `unknown_ca`.
#[must_use]
pub fn alert_word(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::UnknownCA => return "unknown_ca".into(),
        AlertDescription::UnknownPSKIdentity => return "unknown_psk_identity".into(),
        AlertDescription::UnrecognisedName => return "unrecognized_name".into(),
        AlertDescription::Unknown(number) => return format!("number {number}"),
        _ => {}
    }
    let mut word = String::new();
    for letter in format!("{alert:?}").chars() {
        if letter.is_ascii_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

#[cfg(test)]
mod tests;
