//! One X.509 certificate as plain data: whose it is, who signed it, for which names, until when.
//! Takes DER, gives strings and numbers.
//! Does not know whether anybody trusts it.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

use crate::tls::clock;

/// Names taken from one certificate, at most. The largest certificates in use have a few hundred.
pub const NAMES_MAX: usize = 1000;

/// What an event says of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// RFC 4514-like text, e.g. `CN=mail.example, O=Example`.
    pub subject: String,
    pub issuer: String,
    /// DNS names and IP addresses of the subject alternative name; where there is none, the common name.
    pub names: Vec<String>,
    /// RFC 3339, UTC.
    pub not_before: String,
    /// RFC 3339, UTC.
    pub not_after: String,
    /// Of the whole certificate in DER, lower-case hex.
    pub sha256: String,
    /// Subject and issuer are the same name.
    pub self_issued: bool,
    /// Its basic constraints say that it may sign certificates.
    pub is_ca: bool,
    /// Seconds since 1970.
    pub valid_from: i64,
    /// Seconds since 1970.
    pub valid_until: i64,
}

impl Certificate {
    /// What can be told of `der`. `None` when it is not a certificate.
    #[must_use]
    pub fn parse(der: &CertificateDer<'_>) -> Option<Certificate> {
        let (_, x509) = X509Certificate::from_der(der).ok()?;
        let valid_from = x509.validity().not_before.timestamp();
        let valid_until = x509.validity().not_after.timestamp();
        Some(Certificate {
            subject: x509.subject().to_string(),
            issuer: x509.issuer().to_string(),
            names: names(&x509),
            not_before: clock::rfc3339(valid_from),
            not_after: clock::rfc3339(valid_until),
            sha256: fingerprint(der),
            self_issued: x509.subject().as_raw() == x509.issuer().as_raw(),
            is_ca: x509.is_ca(),
            valid_from,
            valid_until,
        })
    }

    /// The issuer in a few words: its common name or organisation, else the whole name.
    #[must_use]
    pub fn issuer_in_short(&self) -> &str {
        in_short(&self.issuer)
    }

    /// The subject in a few words: its common name or organisation, else the whole name.
    #[must_use]
    pub fn subject_in_short(&self) -> &str {
        in_short(&self.subject)
    }
}

/// SHA-256 of a certificate in lower-case hex.
#[must_use]
pub fn fingerprint(der: &[u8]) -> String {
    Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `AB:CD:…`, as most programs print fingerprints.
#[must_use]
pub fn with_colons(hex: &str) -> String {
    let upper = hex.to_ascii_uppercase();
    let pairs: Vec<&str> = (0..upper.len()).step_by(2).filter_map(|at| upper.get(at..at + 2)).collect();
    pairs.join(":")
}

fn names(x509: &X509Certificate<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for extension in x509.extensions() {
        if let ParsedExtension::SubjectAlternativeName(san) = extension.parsed_extension() {
            found.extend(san.general_names.iter().filter_map(text_of).take(NAMES_MAX));
        }
    }
    if found.is_empty() {
        found.extend(x509.subject().iter_common_name().filter_map(|cn| cn.as_str().ok()).map(str::to_string).take(1));
    }
    found
}

fn text_of(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(dns) => Some((*dns).to_string()),
        GeneralName::IPAddress(octets) => {
            let ip = match octets.len() {
                4 => IpAddr::from(<[u8; 4]>::try_from(*octets).ok()?),
                16 => IpAddr::from(<[u8; 16]>::try_from(*octets).ok()?),
                _ => return None,
            };
            Some(ip.to_string())
        }
        _ => None,
    }
}

fn in_short(name: &str) -> &str {
    ["CN=", "O=", "OU="]
        .iter()
        .find_map(|key| name.split(", ").find_map(|part| part.strip_prefix(key)))
        .filter(|short| !short.is_empty())
        .unwrap_or(if name.is_empty() { "(no name)" } else { name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_of_both_kinds() {
        let made = rcgen::generate_simple_self_signed(["mail.example".to_string(), "192.0.2.1".into(), "::1".into()]);
        let cert = Certificate::parse(made.expect("rcgen makes it").cert.der()).expect("a certificate");
        assert_eq!(cert.names, ["mail.example", "192.0.2.1", "::1"]);
        assert!(cert.self_issued);
        assert_eq!(cert.not_before, "1975-01-01T00:00:00Z");
        assert_eq!(cert.sha256.len(), 64);
    }

    #[test]
    fn what_is_no_certificate_gives_none() {
        assert_eq!(Certificate::parse(&CertificateDer::from(vec![0x30, 3, 1, 2, 3])), None);
    }

    #[test]
    fn a_name_in_short_is_the_common_name_first() {
        assert_eq!(in_short("C=DE, O=Example, CN=Example Root"), "Example Root");
        assert_eq!(in_short("C=DE, O=Example"), "Example");
        assert_eq!(in_short(""), "(no name)");
    }

    #[test]
    fn fingerprints_have_both_spellings() {
        assert_eq!(with_colons("00ff1a"), "00:FF:1A");
    }
}
