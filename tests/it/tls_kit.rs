//! What the TLS tests share: certificates of every bad kind, and two ends that talk through memory.
//! Takes rustls connections, gives how the handshake between them ended.
//! Knows no sockets.

use std::sync::Arc;
use std::time::Duration;

use mailtap::tls::provider;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::client::ClientConnection;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ServerConnection;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Seconds since 1970.
pub fn now() -> u64 {
    rustls::pki_types::UnixTime::now().as_secs()
}

pub const DAY: u64 = 86_400;

/// A CA of the tests' own.
pub struct TestCa {
    pub issuer: Issuer<'static, KeyPair>,
    pub der: CertificateDer<'static>,
    pub pem: String,
    pub key_pem: String,
}

impl TestCa {
    pub fn root(name: &str) -> TestCa {
        TestCa::make(name, |params, key| params.self_signed(key).expect("signs"))
    }

    pub fn intermediate(name: &str, above: &TestCa) -> TestCa {
        TestCa::make(name, |params, key| params.signed_by(key, &above.issuer).expect("signs"))
    }

    fn make(name: &str, sign: impl Fn(&CertificateParams, &KeyPair) -> rcgen::Certificate) -> TestCa {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let cert = sign(&params, &key);
        let (der, pem, key_pem) = (cert.der().clone(), cert.pem(), key.serialize_pem());
        TestCa { issuer: Issuer::new(params, key), der, pem, key_pem }
    }
}

/// What a server's certificate is to look like.
pub struct Wanted<'a> {
    pub names: &'a [&'a str],
    /// Seconds since 1970.
    pub from: u64,
    pub until: u64,
}

impl Default for Wanted<'_> {
    fn default() -> Self {
        Wanted { names: &["mail.example"], from: now() - DAY, until: now() + 30 * DAY }
    }
}

impl Wanted<'_> {
    fn params(&self) -> CertificateParams {
        let names: Vec<String> = self.names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, self.names.first().copied().unwrap_or("nobody"));
        params.not_before = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(self.from);
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(self.until);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params
    }

    /// The same for a server that asks its clients for certificates.
    pub fn signed_by_asking(
        &self,
        ca: &TestCa,
        asking: Arc<dyn rustls::server::danger::ClientCertVerifier>,
    ) -> ServerConfig {
        let key = KeyPair::generate().expect("a key");
        let cert = self.params().signed_by(&key, &ca.issuer).expect("signs");
        ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(asking)
            .with_single_cert(
                vec![cert.der().clone()],
                PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .expect("key and certificate")
    }

    /// A server's configuration with such a certificate, signed by `ca`, with `chain` sent along.
    pub fn signed_by(&self, ca: &TestCa, chain: &[&TestCa]) -> ServerConfig {
        let key = KeyPair::generate().expect("a key");
        let cert = self.params().signed_by(&key, &ca.issuer).expect("signs");
        let chain = std::iter::once(cert.der().clone()).chain(chain.iter().map(|ca| ca.der.clone())).collect();
        server_config(chain, &key)
    }

    pub fn self_signed(&self) -> (ServerConfig, String) {
        let key = KeyPair::generate().expect("a key");
        let cert = self.params().self_signed(&key).expect("signs");
        (server_config(vec![cert.der().clone()], &key), cert.pem())
    }
}

fn server_config(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> ServerConfig {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("key and certificate")
}

/// A client that trusts only `root`.
pub fn client_config(root: &CertificateDer<'static>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).expect("a root");
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// How a handshake ended, seen from each end.
#[derive(Debug)]
pub struct Ended {
    pub client: Result<(), rustls::Error>,
    pub server: Result<(), rustls::Error>,
}

impl Ended {
    pub fn is_good(&self) -> bool {
        self.client.is_ok() && self.server.is_ok()
    }
}

/// Carries bytes between the two until neither has anything to say.
pub fn run(client: &mut ClientConnection, server: &mut ServerConnection) -> Ended {
    let mut ended = Ended { client: Ok(()), server: Ok(()) };
    loop {
        let mut moved = false;
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).expect("memory");
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() && ended.server.is_ok() {
            moved = true;
            server.read_tls(&mut rest).expect("memory");
            ended.server = server.process_new_packets().map(|_| ());
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).expect("memory");
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() && ended.client.is_ok() {
            moved = true;
            client.read_tls(&mut rest).expect("memory");
            ended.client = client.process_new_packets().map(|_| ());
        }
        if !moved {
            return ended;
        }
    }
}

/// A fresh server with this configuration.
pub fn server(config: ServerConfig) -> ServerConnection {
    ServerConnection::new(Arc::new(config)).expect("a server")
}
