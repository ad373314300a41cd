//! The server leg: a rustls client that offers what the mail client offered and judges the server's certificate.
//! Takes options, a name, SNI and ALPN; gives a connection and a watch that tells afterwards what was presented.
//! Knows no sockets: the caller moves the bytes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::{ClientConnection, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, Error as TlsError, KeyLog, NoKeyLog};

use crate::tls::certificate::Certificate;
pub use crate::tls::judge::ClientCertificate;
use crate::tls::judge::{Identity, Judge, Seen, Trust};
use crate::tls::verdict::Verified;
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
        let trust = Arc::new(Trust::new(extra, options.insecure));
        let placeholder =
            Arc::new(Judge { trust: Arc::clone(&trust), name: String::new(), dialed: None, seen: Seen::default() });
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
        let seen = Seen::default();
        let mut config = self.base.clone();
        config.dangerous().set_certificate_verifier(Arc::new(Judge {
            trust: Arc::clone(&self.trust),
            name: shown_name(target, &name),
            dialed: parse_name(target.name).filter(|dialed| *dialed != name),
            seen: seen.clone(),
        }));
        config.client_auth_cert_resolver = Arc::new(Identity { key: self.identity.clone(), seen: seen.clone() });
        let sni = match &name {
            ServerName::DnsName(dns) => Some(dns.as_ref().to_string()),
            _ => None,
        };
        let connection = ClientConnection::new_with_alpn(Arc::new(config), name, target.alpn.to_vec())
            .map_err(|why| Error::new(format!("TLS to {} cannot be begun: {why}", target.name)))?;
        Ok((connection, Watch { seen, sni }))
    }

    /// A configuration for a client that is not the proxy's server leg, with the same trust: for one connection.
    ///
    /// # Errors
    /// When the target has no usable name.
    pub fn config(&self, target: &Target<'_>) -> Result<ClientConfig, Error> {
        let name = target.server_name()?;
        let mut config = self.base.clone();
        config.dangerous().set_certificate_verifier(Arc::new(Judge {
            trust: Arc::clone(&self.trust),
            name: shown_name(target, &name),
            dialed: None,
            seen: Seen::default(),
        }));
        Ok(config)
    }

    /// Reads the system's roots now rather than in the first session, which saves that one some milliseconds.
    pub fn warm(&self) {
        let _ = self.trust.verifier();
    }
}

/// Tells what a handshake on the server leg has shown so far, also after it failed.
#[derive(Clone)]
pub struct Watch {
    seen: Seen,
    sni: Option<String>,
}

impl Watch {
    /// What the verification came to.
    #[must_use]
    pub fn verified(&self) -> Verified {
        self.seen.lock().verified.clone()
    }

    /// What the server presented, its own certificate first; empty until it did.
    #[must_use]
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.seen.lock().chain.clone()
    }

    /// Whether the server asked for a client certificate.
    #[must_use]
    pub fn client_certificate(&self) -> ClientCertificate {
        self.seen.lock().client_certificate
    }

    /// The SNI that was sent.
    #[must_use]
    pub fn sni(&self) -> Option<&str> {
        self.sni.as_deref()
    }
}

fn identity(cert: &Path, key: &Path) -> Result<Arc<CertifiedKey>, Error> {
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
