//! A CA's certificate and key: made, read from two files, and checked.
//! Takes PEM, gives something that can sign leaves, or a sentence that says what is wrong with the files.
//! Does not know where files are kept or who may read them.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::tls::Error;
use crate::tls::certificate::Certificate;
use crate::tls::clock::{self, DAY};

/// How the common names of generated CAs begin.
pub const NAME: &str = "mailtap CA";

/// Whom they name as their maker.
const ORGANIZATION: &str = "mailtap";

/// How long a CA made here lives, in days. Client limits on validity concern leaves; a root that people must trust by
/// hand should not need it again every year.
pub const CA_DAYS: i64 = 3650;

/// How far the start of validity lies in the past, in days: a client whose clock is behind, or in another time zone by
/// mistake, still accepts the certificate.
pub const BACKDATED_DAYS: i64 = 2;

/// Bytes read from a PEM file, at most. Bundles of all public roots are below 1 MiB.
pub const PEM_FILE_MAX: u64 = 4 << 20;

/// Octets of a serial number: below the 20 of RFC 5280 section 4.1.2.2, above the 64 random bits that CAs must have.
const SERIAL_OCTETS: usize = 16;

/// A CA ready to sign: its chain (own certificate first) and its key.
pub struct Pair {
    pub chain: Vec<CertificateDer<'static>>,
    pub issuer: Issuer<'static, KeyPair>,
    /// Seconds since 1970.
    pub valid_from: i64,
    /// Seconds since 1970.
    pub valid_until: i64,
}

/// The text of the two files of a new CA.
pub struct Fresh {
    pub cert_pem: String,
    pub key_pem: String,
}

impl Fresh {
    /// Makes an ECDSA P-256 key and a certificate for it that is valid from `now` (seconds since 1970).
    ///
    /// # Errors
    /// When the crypto library fails, which needs a broken machine.
    pub fn generate(now: i64) -> Result<Fresh, Error> {
        let broken = |why: rcgen::Error| Error::new(format!("no CA could be made: {why}"));
        let key = KeyPair::generate().map_err(broken)?;
        let serial = serial()?;
        let mut params = CertificateParams::default();
        set_validity(&mut params, now - BACKDATED_DAYS * DAY, now + CA_DAYS * DAY);
        // The name is unique to each CA, so that two of them in one trust store can be told apart, by people and by
        // programs that look for an issuer by name.
        let tag: String = serial.iter().skip(1).take(4).map(|byte| format!("{byte:02x}")).collect();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, ORGANIZATION);
        params.distinguished_name.push(DnType::CommonName, format!("{NAME} {tag}"));
        params.serial_number = Some(serial.to_vec().into());
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.use_authority_key_identifier_extension = true;
        let cert = params.self_signed(&key).map_err(broken)?;
        Ok(Fresh { cert_pem: cert.pem(), key_pem: key.serialize_pem() })
    }
}

impl Pair {
    /// Reads and checks the two files. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// A sentence naming the file and what is wrong with it. It does not say how to mend it: that depends on whose
    /// files they are.
    pub fn load(cert_path: &Path, key_path: &Path, now: i64) -> Result<Pair, Error> {
        let shown = cert_path.display();
        let chain = certificates(cert_path)?;
        let Some(own) = chain.first() else {
            return Err(Error::new(format!("{shown} holds no certificate in PEM")));
        };
        let (_, x509) = X509Certificate::from_der(own)
            .map_err(|why| Error::new(format!("{shown} holds a damaged certificate ({why})")))?;
        if !x509.is_ca() {
            return Err(Error::new(format!(
                "{shown} is not the certificate of a CA (its basic constraints do not allow it to sign others)"
            )));
        }
        if let Ok(Some(usage)) = x509.key_usage()
            && !usage.value.key_cert_sign()
        {
            return Err(Error::new(format!("{shown} may not sign certificates: its key usage lacks keyCertSign")));
        }
        let (valid_from, valid_until) = (x509.validity().not_before.timestamp(), x509.validity().not_after.timestamp());
        if valid_until <= now {
            return Err(Error::new(format!("{shown} expired on {}", clock::date(valid_until))));
        }
        if valid_from > now {
            return Err(Error::new(format!("{shown} is not valid before {}", clock::date(valid_from))));
        }
        let key = private_key(key_path)?;
        let key = KeyPair::try_from(&key).map_err(|_| {
            Error::new(format!("{} holds a private key of a kind that cannot be used to sign", key_path.display()))
        })?;
        if key.subject_public_key_info() != x509.public_key().raw {
            return Err(Error::new(format!("{} is not the key of the certificate in {shown}", key_path.display())));
        }
        let issuer = Issuer::from_ca_cert_der(own, key)
            .map_err(|why| Error::new(format!("{shown} cannot be used to sign certificates ({why})")))?;
        let pair = Pair { issuer, valid_from, valid_until, chain: chain.clone() };
        pair.check_name(x509.subject().as_raw(), cert_path)?;
        Ok(pair)
    }

    /// What its own certificate is called.
    #[must_use]
    pub fn subject(&self) -> String {
        // It was parsed when it was loaded.
        self.chain.first().and_then(Certificate::parse).map(|own| own.subject).unwrap_or_default()
    }

    /// Whether it has the name of the CAs made here.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.subject().starts_with(&format!("O={ORGANIZATION}, CN={NAME} "))
    }

    /// A leaf names its issuer byte by byte. rcgen writes that name anew from what it parsed, and a name of an unusual
    /// form would come out different: better found here than by each client.
    fn check_name(&self, subject: &[u8], cert_path: &Path) -> Result<(), Error> {
        let probe = CertificateParams::default().signed_by(self.issuer.key(), &self.issuer);
        let probe = probe.map_err(|why| Error::new(format!("{} cannot sign ({why})", cert_path.display())))?;
        match X509Certificate::from_der(probe.der()) {
            Ok((_, x509)) if x509.issuer().as_raw() == subject => Ok(()),
            _ => Err(Error::new(format!(
                "the subject name of {} has a form that cannot be repeated exactly in the certificates it signs \
                 (several parts of the same kind, or an old character set)",
                cert_path.display()
            ))),
        }
    }
}

/// All certificates of a PEM file, in order.
///
/// # Errors
/// When the file cannot be read or a PEM block is damaged.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let pem = read(path)?;
    CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|why| Error::new(format!("{} is damaged: its PEM cannot be read ({why})", path.display())))
}

/// The first private key of a PEM file: PKCS #8, PKCS #1 or SEC 1, not encrypted.
///
/// # Errors
/// When the file cannot be read, has no such key, or a damaged or encrypted one.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let pem = read(path)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
        let shown = path.display();
        if pem.windows(9).any(|window| window == b"ENCRYPTED") {
            return Error::new(format!(
                "{shown} holds an encrypted private key; give one without a passphrase (openssl pkey -in {shown} -out …)"
            ));
        }
        Error::new(format!("{shown} holds no readable private key in PEM"))
    })
}

/// A positive serial number from the system's random source.
///
/// # Errors
/// When the system gives no random bytes.
pub fn serial() -> Result<[u8; SERIAL_OCTETS], Error> {
    let mut octets = [0; SERIAL_OCTETS];
    getrandom::fill(&mut octets).map_err(|why| Error::new(format!("the system gives no random bytes ({why})")))?;
    // The highest bit is the sign in DER; the next one set keeps the length the same for all.
    octets[0] = octets[0] & 0x7f | 0x40;
    Ok(octets)
}

/// Sets both ends of the validity, in seconds since 1970. Times before 1970 become 1970.
pub fn set_validity(params: &mut CertificateParams, from: i64, until: i64) {
    let since_1970 = |seconds: i64| Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + since_1970(from);
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + since_1970(until);
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |why: std::io::Error| match fs::read_link(path) {
        Ok(target) => Error::new(format!("{} leads to {} and cannot be read: {why}", path.display(), target.display())),
        Err(_) => Error::new(format!("{} cannot be read: {why}", path.display())),
    };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(PEM_FILE_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > PEM_FILE_MAX {
        return Err(Error::new(format!("{} is larger than {PEM_FILE_MAX} bytes", path.display())));
    }
    Ok(bytes)
}
