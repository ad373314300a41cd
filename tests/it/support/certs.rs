//! Certificates of a throwaway authority: good ones, and every kind of bad one.
//! Takes names and what should be wrong; gives PEM text.
//! Does not know which server will show them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Ecdsa,
    Rsa,
}

impl Key {
    fn generate(self) -> KeyPair {
        let algorithm = match self {
            Self::Ecdsa => &rcgen::PKCS_ECDSA_P256_SHA256,
            Self::Rsa => &rcgen::PKCS_RSA_SHA256,
        };
        KeyPair::generate_for(algorithm).expect("a key")
    }
}

/// What a server shows: certificates (leaf first) and the leaf's key, both PEM.
#[derive(Clone, Debug)]
pub struct Chain {
    pub certificates: String,
    pub key: String,
}

/// A root and an intermediate below it.
pub struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    intermediate: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        Self::with(Key::Ecdsa)
    }

    /// One that signs with keys of this kind.
    pub fn with(key: Key) -> Self {
        let root = CertifiedIssuer::self_signed(issuer("Throwaway Root"), key.generate()).expect("a root");
        let intermediate =
            CertifiedIssuer::signed_by(issuer("Throwaway Intermediate"), key.generate(), &root).expect("an issuer");
        Self { root, intermediate }
    }

    /// The root, which clients must trust, as PEM.
    pub fn root(&self) -> String {
        self.root.pem()
    }

    /// A good certificate directly below the root.
    pub fn issue(&self, names: &[&str], key: Key) -> Chain {
        self.sign(leaf(names), key)
    }

    /// A certificate that ended years ago.
    pub fn expired(&self, names: &[&str], key: Key) -> Chain {
        let mut params = leaf(names);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.sign(params, key)
    }

    /// A certificate that ends in so many days.
    pub fn ending(&self, names: &[&str], days: u64) -> Chain {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        let mut params = leaf(names);
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(1970, 1, 1) + now + Duration::from_secs(days * 24 * 3600);
        self.sign(params, Key::Ecdsa)
    }

    /// A certificate of the far future.
    pub fn not_yet(&self, names: &[&str], key: Key) -> Chain {
        let mut params = leaf(names);
        params.not_before = date_time_ymd(2039, 1, 1);
        params.not_after = date_time_ymd(2040, 1, 1);
        self.sign(params, key)
    }

    /// A good certificate below an intermediate, with the intermediate in the chain.
    pub fn issue_below_intermediate(&self, names: &[&str], key: Key) -> Chain {
        let mut chain = self.without_intermediate(names, key);
        chain.certificates.push_str(&self.intermediate.pem());
        chain
    }

    /// The same, but the server forgets to send the intermediate.
    pub fn without_intermediate(&self, names: &[&str], key: Key) -> Chain {
        let key = key.generate();
        let certificate = leaf(names).signed_by(&key, &self.intermediate).expect("a certificate");
        Chain { certificates: certificate.pem(), key: key.serialize_pem() }
    }

    /// A certificate of a client whose user this is.
    pub fn client(&self, user: &str) -> Chain {
        let mut params = leaf(&[user]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, Key::Ecdsa)
    }

    fn sign(&self, params: CertificateParams, key: Key) -> Chain {
        let key = key.generate();
        let certificate = params.signed_by(&key, &self.root).expect("a certificate");
        Chain { certificates: certificate.pem(), key: key.serialize_pem() }
    }
}

/// A certificate that vouches for itself.
pub fn self_signed(names: &[&str]) -> Chain {
    self_signed_with(names, Key::Ecdsa)
}

pub fn self_signed_with(names: &[&str], key: Key) -> Chain {
    let key = key.generate();
    let certificate = leaf(names).self_signed(&key).expect("a certificate");
    Chain { certificates: certificate.pem(), key: key.serialize_pem() }
}

fn issuer(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params
}

fn leaf(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let common = names.first().cloned().unwrap_or_default();
    let mut params = CertificateParams::new(names).expect("names of a certificate");
    params.distinguished_name.push(DnType::CommonName, common);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2036, 1, 1);
    params
}
