//! Judging what a server presents in one session, and remembering it for the events.
//! Takes the roots that are trusted and rustls's questions, gives its answers and what was seen.
//! Knows no connection: the handshake asks, and may fail by what is answered.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, verify_server_name};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, Error as TlsError, SignatureScheme};
use rustls_platform_verifier::Verifier;

use crate::tls::certificate::Certificate;
use crate::tls::provider;
use crate::tls::verdict::{Verified, sentence};

/// Whether the server asked for a client certificate, and what it got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificate {
    #[default]
    NotAsked,
    /// It asked, and there was none to give.
    Asked,
    Given,
}

/// What a handshake has shown so far; shared between the verifier, the resolver and the watch.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Arc<Mutex<Shown>>);

#[derive(Debug, Default)]
pub(super) struct Shown {
    pub verified: Verified,
    /// The server's own certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    pub client_certificate: ClientCertificate,
}

impl Seen {
    pub fn lock(&self) -> MutexGuard<'_, Shown> {
        // Each change is one assignment, so a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What all sessions trust.
#[derive(Debug)]
pub(super) struct Trust {
    /// Besides the system's roots: authorities, or a server's own certificate.
    extra: Vec<CertificateDer<'static>>,
    /// Accept anything.
    insecure: bool,
    /// Made when it is first needed: reading the system's roots takes some milliseconds.
    verifier: OnceLock<Result<Verifier, TlsError>>,
}

impl Trust {
    pub fn new(extra: Vec<CertificateDer<'static>>, insecure: bool) -> Trust {
        Trust { extra, insecure, verifier: OnceLock::new() }
    }

    pub fn verifier(&self) -> Result<&Verifier, TlsError> {
        let made = self.verifier.get_or_init(|| {
            let roots = self.extra.iter().filter(|der| ParsedCertificate::try_from(*der).is_ok()).cloned();
            Verifier::new_with_extra_roots(roots, provider())
        });
        made.as_ref().map_err(Clone::clone)
    }

    fn verify(
        &self,
        own: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<(), TlsError> {
        let verdict = self.verifier().and_then(|verifier| verifier.verify_server_cert(own, rest, name, ocsp, now));
        match verdict {
            Ok(_) => Ok(()),
            // A server's own certificate given as trusted: nobody needs to vouch for it, but name and dates count.
            Err(_) if self.extra.iter().any(|known| known == own) => verify_pinned(own, name, now),
            Err(why) => Err(why),
        }
    }
}

fn verify_pinned(own: &CertificateDer<'_>, name: &ServerName<'_>, now: UnixTime) -> Result<(), TlsError> {
    let Some(facts) = Certificate::parse(own) else { return Err(CertificateError::BadEncoding.into()) };
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if facts.valid_until <= now {
        return Err(CertificateError::Expired.into());
    }
    if facts.valid_from > now {
        return Err(CertificateError::NotValidYet.into());
    }
    verify_server_name(&ParsedCertificate::try_from(own)?, name)
}

/// The verifier of one session: judges, and remembers what it saw.
#[derive(Debug)]
pub(super) struct Judge {
    pub trust: Arc<Trust>,
    /// The server's name for sentences.
    pub name: String,
    /// The server's name as it was dialed, where the SNI is another. A certificate for either will do: the one is
    /// what the client wants to talk to, the other what the user told mailtap to talk to.
    pub dialed: Option<ServerName<'static>>,
    pub seen: Seen,
}

impl Judge {
    fn remember(&self, verified: Verified) {
        self.seen.lock().verified = verified;
    }

    /// A signature of the handshake that does not verify: the server does not have the key it shows.
    fn signature(
        &self,
        verdict: Result<HandshakeSignatureValid, TlsError>,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let Err(why) = verdict else { return verdict };
        let sentence = format!("{} did not prove that it has the key of its certificate ({why})", self.name);
        if self.trust.insecure {
            self.remember(Verified::Skipped(Some(sentence)));
            return Ok(HandshakeSignatureValid::assertion());
        }
        self.remember(Verified::No(sentence));
        Err(why)
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let chain: Vec<_> = std::iter::once(own).chain(rest).map(|der| der.clone().into_owned()).collect();
        self.seen.lock().chain = chain;
        let verdict = match (self.trust.verify(own, rest, name, ocsp, now), &self.dialed) {
            (Err(why), Some(dialed)) if is_wrong_name(&why) => {
                self.trust.verify(own, rest, dialed, ocsp, now).map_err(|_| why)
            }
            (verdict, _) => verdict,
        };
        let words = |why: &TlsError| {
            let chain = self.seen.lock().chain.clone();
            match self.trust.verifier() {
                Err(why) => without_roots(&self.name, &why),
                Ok(_) => sentence(why, &self.name, &chain),
            }
        };
        match verdict {
            Ok(()) if self.trust.insecure => self.remember(Verified::Skipped(None)),
            Ok(()) => self.remember(Verified::Yes),
            Err(why) if self.trust.insecure => self.remember(Verified::Skipped(Some(words(&why)))),
            Err(why) => {
                self.remember(Verified::No(words(&why)));
                return Err(why);
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.signature(verify_tls12_signature(message, cert, dss, &provider().signature_verification_algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.signature(verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Answers the server's request for a client certificate and remembers that there was one.
pub(super) struct Identity {
    pub key: Option<Arc<CertifiedKey>>,
    pub seen: Seen,
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let key = self.key.clone().filter(|key| key.key.choose_scheme(schemes).is_some());
        let outcome = if key.is_some() { ClientCertificate::Given } else { ClientCertificate::Asked };
        self.seen.lock().client_certificate = outcome;
        key
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("seen", &self.seen).finish_non_exhaustive()
    }
}

/// There is nothing to verify with: a small container image, mostly.
fn without_roots(name: &str, why: &TlsError) -> String {
    format!(
        "{name}'s certificate cannot be verified, because this machine has no usable root certificates ({why}): install \
         them (most systems: the package ca-certificates)"
    )
}

fn is_wrong_name(why: &TlsError) -> bool {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    matches!(why, TlsError::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_roots_says_so_and_can_still_be_insecure() {
        let own = rcgen::generate_simple_self_signed(["mail.example".to_string()]).expect("rcgen makes it").cert;
        for insecure in [false, true] {
            let verifier = OnceLock::from(Err(TlsError::General("none were found".into())));
            let trust = Arc::new(Trust { extra: Vec::new(), insecure, verifier });
            let judge = Judge { trust, name: "mail.example".into(), dialed: None, seen: Seen::default() };
            let name = ServerName::try_from("mail.example").expect("a name");
            let verdict = judge.verify_server_cert(own.der(), &[], &name, &[], UnixTime::now());
            assert_eq!(verdict.is_ok(), insecure);
            let verified = judge.seen.lock().verified.clone();
            assert_eq!(matches!(verified, Verified::Skipped(_)), insecure);
            assert!(verified.reason().expect("a reason").contains("no usable root certificates"), "{verified:?}");
        }
    }
}
