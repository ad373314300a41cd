//! The CA's certificate in the forms that other programs import.
//! Takes DER, gives a file's bytes: PEM, DER, a PKCS #12 trust store, an Apple configuration profile.
//! Never has the private key.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::tls::Error;
use crate::tls::certificate::{Certificate, fingerprint};
use crate::tls::pair;

/// The password of the PKCS #12 file. It guards nothing, the certificate being public; Java's tools expect this one.
pub const P12_PASSWORD: &str = "changeit";

/// Rounds of the key derivation for the PKCS #12 file's checksum, as Java's own files have.
const P12_ROUNDS: u32 = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Pem,
    Der,
    /// PKCS #12 (RFC 7292) that holds only the certificate, marked as trusted in Java's way.
    P12,
    /// A profile for iOS, iPadOS and macOS.
    Mobileconfig,
}

impl Format {
    pub const ALL: [Format; 4] = [Format::Pem, Format::Der, Format::P12, Format::Mobileconfig];

    /// The certificate in this form.
    ///
    /// # Errors
    /// When the system gives no random bytes, which PKCS #12 needs.
    pub fn write(self, der: &[u8]) -> Result<Vec<u8>, Error> {
        match self {
            Format::Pem => Ok(pem(der).into_bytes()),
            Format::Der => Ok(der.to_vec()),
            Format::P12 => Ok(p12(der, &pair::serial()?)),
            Format::Mobileconfig => Ok(mobileconfig(der).into_bytes()),
        }
    }

    /// Whether the form is text that a terminal can show.
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(self, Format::Pem | Format::Mobileconfig)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Pem => "pem",
            Format::Der => "der",
            Format::P12 => "p12",
            Format::Mobileconfig => "mobileconfig",
        })
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(word: &str) -> Result<Format, Error> {
        let found = Format::ALL.into_iter().find(|format| format.to_string() == word);
        found
            .ok_or_else(|| Error::new(format!("{word} is no form of a certificate: say pem, der, p12 or mobileconfig")))
    }
}

fn pem(der: &[u8]) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{}-----END CERTIFICATE-----\n", base64_lines(der, "", 64))
}

fn base64_lines(bytes: &[u8], indent: &str, width: usize) -> String {
    let text = STANDARD.encode(bytes);
    let lines = text.as_bytes().chunks(width).map(|line| format!("{indent}{}\n", String::from_utf8_lossy(line)));
    lines.collect()
}

fn name_of(der: &[u8]) -> String {
    Certificate::parse(&der.into()).map_or_else(|| "mailtap CA".into(), |cert| cert.subject_in_short().to_string())
}

/// Identifiers are taken from the fingerprint, so that the same CA replaces itself when it is installed twice.
fn mobileconfig(der: &[u8]) -> String {
    let hex = fingerprint(der);
    let uuid = |at: usize| {
        let part = |from: usize, to: usize| hex.get(at + from..at + to).unwrap_or_default();
        // Version 8 and the variant of RFC 9562: a UUID of our own making.
        format!("{}-{}-8{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32)).to_uppercase()
    };
    let (inner, outer) = (uuid(0), uuid(32));
    let short = hex.get(..8).unwrap_or_default();
    let name = escaped(&name_of(der));
    let data = base64_lines(der, "\t\t\t\t", 52);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n<dict>\n\
         \t<key>PayloadContent</key>\n\t<array>\n\t\t<dict>\n\
         \t\t\t<key>PayloadCertificateFileName</key>\n\t\t\t<string>mailtap-ca.cer</string>\n\
         \t\t\t<key>PayloadContent</key>\n\t\t\t<data>\n{data}\t\t\t</data>\n\
         \t\t\t<key>PayloadDescription</key>\n\t\t\t<string>Adds mailtap's CA, which signs the certificates it shows to mail programs.</string>\n\
         \t\t\t<key>PayloadDisplayName</key>\n\t\t\t<string>{name}</string>\n\
         \t\t\t<key>PayloadIdentifier</key>\n\t\t\t<string>mailtap.ca.{short}.root</string>\n\
         \t\t\t<key>PayloadType</key>\n\t\t\t<string>com.apple.security.root</string>\n\
         \t\t\t<key>PayloadUUID</key>\n\t\t\t<string>{inner}</string>\n\
         \t\t\t<key>PayloadVersion</key>\n\t\t\t<integer>1</integer>\n\
         \t\t</dict>\n\t</array>\n\
         \t<key>PayloadDescription</key>\n\t<string>Lets mailtap read the encrypted connections of mail programs on this device.</string>\n\
         \t<key>PayloadDisplayName</key>\n\t<string>mailtap CA</string>\n\
         \t<key>PayloadIdentifier</key>\n\t<string>mailtap.ca.{short}</string>\n\
         \t<key>PayloadRemovalDisallowed</key>\n\t<false/>\n\
         \t<key>PayloadType</key>\n\t<string>Configuration</string>\n\
         \t<key>PayloadUUID</key>\n\t<string>{outer}</string>\n\
         \t<key>PayloadVersion</key>\n\t<integer>1</integer>\n\
         </dict>\n</plist>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

// Object identifiers, as DER has them after tag and length.
/// 1.2.840.113549.1.7.1
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
/// 1.2.840.113549.1.12.10.1.3
const CERT_BAG: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x03];
/// 1.2.840.113549.1.9.22.1
const X509_CERTIFICATE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x16, 0x01];
/// 1.2.840.113549.1.9.20
const FRIENDLY_NAME: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x14];
/// 2.16.840.1.113894.746875.1.1, by which Java tells a trusted certificate from a mere part of a chain.
const TRUSTED_KEY_USAGE: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x86, 0xf9, 0x66, 0xad, 0xca, 0x7b, 0x01, 0x01];
/// 2.5.29.37.0
const ANY_EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25, 0x00];
/// 2.16.840.1.101.3.4.2.1
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const NULL: u8 = 0x05;
const OBJECT: u8 = 0x06;
const BMP: u8 = 0x1e;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// Constructed, context-specific, number 0.
const EXPLICIT: u8 = 0xa0;

/// RFC 7292: one certificate, not encrypted because it is public, with a checksum over all.
fn p12(der: &[u8], salt: &[u8]) -> Vec<u8> {
    let friendly: Vec<u8> = name_of(der).encode_utf16().flat_map(u16::to_be_bytes).collect();
    let attribute = |kind: &[u8], value: Vec<u8>| tlv(SEQUENCE, &[&tlv(OBJECT, &[kind]), &tlv(SET, &[&value])]);
    let name = attribute(FRIENDLY_NAME, tlv(BMP, &[&friendly]));
    let trusted = attribute(TRUSTED_KEY_USAGE, tlv(OBJECT, &[ANY_EXTENDED_KEY_USAGE]));
    let cert = tlv(SEQUENCE, &[&tlv(OBJECT, &[X509_CERTIFICATE]), &tlv(EXPLICIT, &[&tlv(OCTETS, &[der])])]);
    let bag = tlv(SEQUENCE, &[&tlv(OBJECT, &[CERT_BAG]), &tlv(EXPLICIT, &[&cert]), &tlv(SET, &[&name, &trusted])]);
    let safe = tlv(SEQUENCE, &[&data(&tlv(SEQUENCE, &[&bag]))]);

    let mut mac = Hmac::<Sha256>::new_from_slice(&p12_key(P12_PASSWORD, salt)).expect("HMAC takes keys of any length");
    mac.update(&safe);
    let sum = mac.finalize().into_bytes();
    let algorithm = tlv(SEQUENCE, &[&tlv(OBJECT, &[SHA256]), &tlv(NULL, &[])]);
    let digest = tlv(SEQUENCE, &[&algorithm, &tlv(OCTETS, &[&sum])]);
    // The highest bit of the first octet must stay clear: it would make the number negative.
    let rounds = tlv(INTEGER, &[&P12_ROUNDS.to_be_bytes()[2..]]);
    let mac = tlv(SEQUENCE, &[&digest, &tlv(OCTETS, &[salt]), &rounds]);
    tlv(SEQUENCE, &[&tlv(INTEGER, &[&[3]]), &data(&safe), &mac])
}

/// A ContentInfo of type data (RFC 5652 section 4).
fn data(content: &[u8]) -> Vec<u8> {
    tlv(SEQUENCE, &[&tlv(OBJECT, &[DATA]), &tlv(EXPLICIT, &[&tlv(OCTETS, &[content])])])
}

/// RFC 7292 appendix B.2 for the checksum (ID 3) with SHA-256, whose output is as long as the key wanted: one block.
fn p12_key(password: &str, salt: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let password: Vec<u8> = password.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect();
    let filled = |bytes: &[u8]| {
        let length = bytes.len().div_ceil(BLOCK) * BLOCK;
        bytes.iter().copied().cycle().take(length).collect::<Vec<u8>>()
    };
    let mut key =
        Sha256::new().chain_update([3; BLOCK]).chain_update(filled(salt)).chain_update(filled(&password)).finalize();
    for _ in 1..P12_ROUNDS {
        key = Sha256::digest(key);
    }
    key.into()
}

/// Tag, length and value in DER.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let length = value.len().to_be_bytes();
    let significant = length.iter().position(|byte| *byte != 0).map_or(&length[length.len() - 1..], |at| &length[at..]);
    let mut out = vec![tag];
    match significant {
        [short] if *short < 0x80 => out.push(*short),
        // At most eight octets of length.
        long => {
            out.push(0x80 | long.len() as u8);
            out.extend_from_slice(long);
        }
    }
    out.extend(value);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::pair::Fresh;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    fn der() -> Vec<u8> {
        let fresh = Fresh::generate(1_795_400_000).expect("a CA");
        CertificateDer::from_pem_slice(fresh.cert_pem.as_bytes()).expect("its certificate").to_vec()
    }

    #[test]
    fn pem_comes_back() {
        let der = der();
        let pem = Format::Pem.write(&der).expect("writes");
        assert_eq!(CertificateDer::from_pem_slice(&pem).expect("reads").to_vec(), der);
    }

    #[test]
    fn lengths_in_der() {
        assert_eq!(tlv(4, &[])[..], [4, 0]);
        assert_eq!(tlv(4, &[&[7; 127]])[..3], [4, 127, 7]);
        assert_eq!(tlv(4, &[&[7; 128]])[..4], [4, 0x81, 128, 7]);
        assert_eq!(tlv(4, &[&[7; 300]])[..5], [4, 0x82, 1, 44, 7]);
    }

    #[test]
    fn the_profile_is_the_same_for_the_same_ca() {
        let der = der();
        assert_eq!(mobileconfig(&der), mobileconfig(&der));
        assert!(mobileconfig(&der).contains("com.apple.security.root"));
    }

    #[test]
    fn words_for_formats() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert!("jks".parse::<Format>().is_err());
    }
}
