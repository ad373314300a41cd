//! The server leg: a rustls client that offers what the mail client offered and judges the server's certificate.
//! Takes options, a name, SNI and ALPN; gives a connection and a watch that tells afterwards what was presented.
//! Knows no sockets: the caller moves the bytes.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConnection, ResolvesClientCert, Resumption, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, KeyLog, NoKeyLog, SignatureScheme,
};
use rustls_platform_verifier::Verifier;

use crate::tls::certificate::Certificate;
use crate::tls::verdict::{Verified, sentence};
use crate::tls::{Error, pair, provider};

/// How the server leg is to be secured. The default is the system's trust and no client certificate.
#[derive(Clone, Default)]
pub struct Options {
    /// PEM files whose certificates are trusted besides the system's roots: authorities, or a server's own certificate.
    pub ca_files: Vec<PathBuf>,
    /// Accept any certificate.
    pub insecure: bool,
    /// Certificate chain and private key, both PEM, for servers that ask for a client certificate.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Where session secrets go.
    pub key_log: Option<Arc<dyn KeyLog>>,
}

/// What one connection is made for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The server's name as the route or the client gave it: a host name or an IP address.
    pub name: &'a str,
    /// The SNI of the client's hello.
    pub sni: Option<&'a str>,
    /// The ALPN protocols of the client's hello, in order; empty for none.
    pub alpn: &'a [Vec<u8>],
}

impl Target<'_> {
    /// The name for the server's SNI and the certificate: the client's SNI when it sent one, else the server's name.
    /// `localhost` in an SNI means mailtap itself, because that is what the client connected to, so it is not passed
    /// on. An IP address goes into no SNI (RFC 6066 section 3), but the certificate must still be for it.
    ///
    /// # Errors
    /// When neither is a name that TLS can use.
    pub fn server_name(&self) -> Result<ServerName<'static>, Error> {
        if let Some(name) = self.sni.filter(|sni| !means_mailtap(sni)).and_then(parse_name) {
            return Ok(name);
        }
        parse_name(self.name).ok_or_else(|| {
            Error::new(format!("{} is neither a host name nor an IP address that TLS can use", self.name))
        })
    }
}

/// Makes connections to servers. One serves the whole process.
pub struct Upstream {
    /// Everything that does not differ between sessions; cloning it copies pointers.
    base: ClientConfig,
    trust: Arc<Trust>,
    identity: Option<Arc<CertifiedKey>>,
}

impl Upstream {
    /// Reads the files that `options` name. The system's roots are read when the first server is verified.
    ///
    /// # Errors
    /// When a file cannot be read, or key and certificate do not belong together.
    pub fn open(options: &Options) -> Result<Upstream, Error> {
        let mut extra = Vec::new();
        for path in &options.ca_files {
            let found = pair::certificates(path)
                .map_err(|why| Error::new(format!("{why}: give a PEM file with --upstream-ca")))?;
            if found.is_empty() {
                return Err(Error::new(format!(
                    "{} holds no certificate in PEM: give another file with --upstream-ca",
                    path.display()
                )));
            }
            if let Some(bad) = found.iter().position(|der| Certificate::parse(der).is_none()) {
                return Err(Error::new(format!(
                    "certificate {} in {} is damaged: give another file with --upstream-ca",
                    bad + 1,
                    path.display()
                )));
            }
            extra.extend(found);
        }
        let identity = options.identity.as_ref().map(|(cert, key)| identity(cert, key)).transpose()?;
        let trust = Arc::new(Trust { extra, insecure: options.insecure, verifier: OnceLock::new() });
        let placeholder =
            Arc::new(Judge { trust: Arc::clone(&trust), name: String::new(), dialed: None, seen: Arc::default() });
        let mut base = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|why| Error::new(format!("TLS cannot be set up: {why}")))?
            .dangerous()
            .with_custom_certificate_verifier(placeholder)
            .with_no_client_auth();
        // Every session shall see the server's certificate; a resumed one is not shown it.
        base.resumption = Resumption::disabled();
        base.key_log = options.key_log.clone().unwrap_or_else(|| Arc::new(NoKeyLog));
        Ok(Upstream { base, trust, identity })
    }

    /// A connection that has its hello ready to be written, and the watch over its verification.
    ///
    /// # Errors
    /// When the target has no usable name.
    pub fn connect(&self, target: &Target<'_>) -> Result<(ClientConnection, Watch), Error> {
        let name = target.server_name()?;
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let mut config = self.base.clone();
        config.dangerous().set_certificate_verifier(Arc::new(Judge {
            trust: Arc::clone(&self.trust),
            name: shown_name(target, &name),
            dialed: parse_name(target.name).filter(|dialed| *dialed != name),
            seen: Arc::clone(&seen),
        }));
        config.client_auth_cert_resolver = Arc::new(Identity { key: self.identity.clone(), seen: Arc::clone(&seen) });
        let sni = match &name {
            ServerName::DnsName(dns) => Some(dns.as_ref().to_string()),
            _ => None,
        };
        let connection = ClientConnection::new_with_alpn(Arc::new(config), name, target.alpn.to_vec())
            .map_err(|why| Error::new(format!("TLS to {} cannot be begun: {why}", target.name)))?;
        Ok((connection, Watch { seen, sni }))
    }

    /// Reads the system's roots now rather than in the first session, which saves that one some milliseconds.
    pub fn warm(&self) {
        let _ = self.trust.verifier();
    }
}

/// Tells what a handshake on the server leg has shown so far, also after it failed.
#[derive(Clone)]
pub struct Watch {
    seen: Arc<Mutex<Seen>>,
    sni: Option<String>,
}

impl Watch {
    /// What the verification came to.
    #[must_use]
    pub fn verified(&self) -> Verified {
        self.lock().verified.clone()
    }

    /// What the server presented, its own certificate first; empty until it did.
    #[must_use]
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.lock().chain.clone()
    }

    /// Whether the server asked for a client certificate.
    #[must_use]
    pub fn client_certificate(&self) -> ClientCertificate {
        self.lock().client_certificate
    }

    /// The SNI that was sent.
    #[must_use]
    pub fn sni(&self) -> Option<&str> {
        self.sni.as_deref()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the server asked for a client certificate, and what it got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificate {
    #[default]
    NotAsked,
    /// It asked, and there was none to give.
    Asked,
    Given,
}

#[derive(Debug, Default)]
struct Seen {
    verified: Verified,
    chain: Vec<CertificateDer<'static>>,
    client_certificate: ClientCertificate,
}

/// What all sessions trust.
#[derive(Debug)]
struct Trust {
    extra: Vec<CertificateDer<'static>>,
    insecure: bool,
    verifier: OnceLock<Result<Verifier, TlsError>>,
}

impl Trust {
    fn verifier(&self) -> Result<&Verifier, TlsError> {
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
struct Judge {
    trust: Arc<Trust>,
    /// The server's name for sentences.
    name: String,
    /// The server's name as it was dialed, where the SNI is another. A certificate for either will do: the one is
    /// what the client wants to talk to, the other what the user told mailtap to talk to.
    dialed: Option<ServerName<'static>>,
    seen: Arc<Mutex<Seen>>,
}

impl Judge {
    fn remember(&self, verified: Verified) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).verified = verified;
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
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).chain = chain;
        let verdict = match (self.trust.verify(own, rest, name, ocsp, now), &self.dialed) {
            (Err(why), Some(dialed)) if is_wrong_name(&why) => {
                self.trust.verify(own, rest, dialed, ocsp, now).map_err(|_| why)
            }
            (verdict, _) => verdict,
        };
        let words = |why: &TlsError| {
            let chain = self.seen.lock().unwrap_or_else(PoisonError::into_inner).chain.clone();
            match self.trust.verifier() {
                Err(none) => format!("{}'s certificate cannot be verified: {none}", self.name),
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
struct Identity {
    key: Option<Arc<CertifiedKey>>,
    seen: Arc<Mutex<Seen>>,
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let key = self.key.clone().filter(|key| key.key.choose_scheme(schemes).is_some());
        let outcome = if key.is_some() { ClientCertificate::Given } else { ClientCertificate::Asked };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).client_certificate = outcome;
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

fn identity(cert: &std::path::Path, key: &std::path::Path) -> Result<Arc<CertifiedKey>, Error> {
    let mend = "give a matching pair with --upstream-cert and --upstream-key";
    let chain = pair::certificates(cert).map_err(|why| Error::new(format!("{why}: {mend}")))?;
    if chain.is_empty() {
        return Err(Error::new(format!("{} holds no certificate in PEM: {mend}", cert.display())));
    }
    let secret = pair::private_key(key).map_err(|why| Error::new(format!("{why}: {mend}")))?;
    let provider: &CryptoProvider = &provider();
    let made = CertifiedKey::from_der(chain, secret, provider).map_err(|why| match why {
        TlsError::InconsistentKeys(_) => {
            Error::new(format!("{} is not the key of the certificate in {}: {mend}", key.display(), cert.display()))
        }
        why => Error::new(format!("{} and {} cannot be used ({why}): {mend}", cert.display(), key.display())),
    })?;
    Ok(Arc::new(made))
}

/// The name for sentences: the one dialed, unless that is an IP address and the SNI says more.
fn shown_name(target: &Target<'_>, on_the_wire: &ServerName<'_>) -> String {
    match (parse_name(target.name), on_the_wire) {
        (Some(ServerName::IpAddress(_)), ServerName::DnsName(dns)) => dns.as_ref().to_string(),
        _ => target.name.to_string(),
    }
}

fn parse_name(text: &str) -> Option<ServerName<'static>> {
    let text = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    ServerName::try_from(text.to_string()).ok()
}

fn means_mailtap(sni: &str) -> bool {
    let sni = sni.trim_end_matches('.').to_ascii_lowercase();
    sni == "localhost" || sni.ends_with(".localhost")
}

fn is_wrong_name(why: &TlsError) -> bool {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    matches!(why, TlsError::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
}
