//! What the verification of a server's certificate came to, in words for the person at the mail program.
//! Takes rustls's verdict and the chain that was presented, gives one sentence.
//! Does not verify anything itself.

use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, Error as TlsError};

use crate::tls::certificate::Certificate;
use crate::tls::clock;

/// Names of a certificate that a sentence lists, at most; it goes into one line of a mail protocol.
const NAMES_SHOWN: usize = 4;

/// The outcome of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verified {
    /// The server presented no certificate (yet): the handshake ended before.
    #[default]
    NotSeen,
    /// Trusted, in time, and for the right name.
    Yes,
    /// Refused; the sentence says why.
    No(String),
    /// Accepted because the user said so; the sentence says why it would have been refused, if it would.
    Skipped(Option<String>),
}

impl Verified {
    /// Why the certificate is not good, whether or not it was accepted.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Verified::No(why) | Verified::Skipped(Some(why)) => Some(why),
            Verified::NotSeen | Verified::Yes | Verified::Skipped(None) => None,
        }
    }
}

/// What can be done about a certificate that was refused for this; follows the sentence where there is room.
#[must_use]
pub fn advice(error: Option<&TlsError>) -> &'static str {
    use CertificateError as C;
    let Some(TlsError::InvalidCertificate(error)) = error else { return TRUST };
    match error {
        C::NotValidForName | C::NotValidForNameContext { .. } => {
            "use a name that stands in the certificate on the right side of the route, or accept anything with \
             --upstream-insecure"
        }
        C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. } => {
            "its keeper has to renew it; until then, accept anything with --upstream-insecure"
        }
        _ => TRUST,
    }
}

const TRUST: &str = "if you know this server, trust its authority with --upstream-ca FILE, or accept anything with \
                     --upstream-insecure";

/// The sentence for `error`. `name` is the server's name as people know it; `chain` is what it presented.
#[must_use]
pub fn sentence(error: &TlsError, name: &str, chain: &[CertificateDer<'_>]) -> String {
    let parsed: Vec<Option<Certificate>> = chain.iter().map(Certificate::parse).collect();
    let Some(Some(own)) = parsed.first() else {
        return format!("{name} presented something that is not a certificate");
    };
    let TlsError::InvalidCertificate(error) = error else {
        return format!("{name} presented a certificate that cannot be verified: {error}");
    };
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => expired(name, own, &parsed),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            let late = parsed.iter().flatten().max_by_key(|cert| cert.valid_from).unwrap_or(own);
            let day = clock::date(late.valid_from);
            format!(
                "{name} presented a certificate that is not valid before {day} (or the clock of this machine is wrong)"
            )
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("{name} presented a certificate for {}, not for {name}", list(&own.names))
        }
        CertificateError::UnknownIssuer => unknown_issuer(name, own, &parsed),
        CertificateError::Revoked => format!("{name} presented a certificate that was revoked by its issuer"),
        CertificateError::BadSignature if own.self_issued => self_signed(name),
        CertificateError::BadSignature => {
            format!("{name} presented a certificate with a false signature: {} did not make it", own.issuer_in_short())
        }
        CertificateError::BadEncoding => format!("{name} presented a damaged certificate"),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            format!("{name} presented a certificate that is not meant for servers")
        }
        CertificateError::UnhandledCriticalExtension => {
            format!("{name} presented a certificate with a critical extension that is not understood here")
        }
        // A CA's certificate used as a server's: what many self-signed ones are.
        _ if own.self_issued => self_signed(name),
        other => other_words(name, other),
    }
}

fn expired(name: &str, own: &Certificate, chain: &[Option<Certificate>]) -> String {
    let first = chain.iter().flatten().min_by_key(|cert| cert.valid_until).unwrap_or(own);
    // Its own first, when both are over: that is the one its keeper must renew.
    if own.valid_until <= clock::now() || first.sha256 == own.sha256 {
        return format!("{name} presented a certificate that expired on {}", clock::date(own.valid_until));
    }
    format!(
        "{name} presented a certificate whose authority's own certificate ({}) expired on {}",
        first.subject_in_short(),
        clock::date(first.valid_until)
    )
}

fn unknown_issuer(name: &str, own: &Certificate, chain: &[Option<Certificate>]) -> String {
    if own.self_issued {
        return self_signed(name);
    }
    let top = chain.iter().flatten().next_back().unwrap_or(own);
    let issuer = top.issuer_in_short();
    if top.self_issued {
        return format!(
            "{name} presented a certificate that is signed by an authority that is not trusted here ({issuer})"
        );
    }
    if chain.len() == 1 {
        return format!(
            "{name} presented a certificate that is signed by an authority that is not trusted here (issuer {issuer}); \
             if that is an intermediate one, the server should send its certificate along"
        );
    }
    format!(
        "{name} presented a chain of certificates that ends at an authority that is not trusted here (issuer {issuer})"
    )
}

fn self_signed(name: &str) -> String {
    format!("{name} presented a self-signed certificate")
}

fn other_words(name: &str, error: &CertificateError) -> String {
    let words = error.to_string();
    if words.contains("UnsupportedCertVersion") {
        return format!("{name} presented a certificate of an outdated form (X.509 before version 3)");
    }
    format!("{name} presented a certificate that cannot be verified: {words}")
}

fn list(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => "no name at all".into(),
        n if n > NAMES_SHOWN => format!("{shown} and {} more", n - NAMES_SHOWN),
        _ => shown,
    }
}
