//! The client's side of a login: what answers a server's challenges, for a user and a password (RFC 4422).
//! Takes a mechanism, who logs in, and challenges; gives responses as they are before base64.
//! Knows no protocol's framing of them, and no source of randomness: the nonce is given.

mod digest;

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use self::digest::Digest as DigestMd5;

/// The mechanisms that can be answered.
pub const MECHANISMS: &[&str] = &[
    "PLAIN",
    "LOGIN",
    "CRAM-MD5",
    "DIGEST-MD5",
    "SCRAM-SHA-1",
    "SCRAM-SHA-256",
    "SCRAM-SHA-512",
    "XOAUTH2",
    "OAUTHBEARER",
    "EXTERNAL",
    "ANONYMOUS",
];

/// How often a server may have a password hashed (RFC 5802 §5.1 sets no limit; RFC 7677 §4 asks for 4,096). More would
/// keep the processor busy for seconds.
const ITERATIONS_MAX: u32 = 1_000_000;

/// Who logs in.
#[derive(Clone)]
pub struct Credentials {
    pub user: String,
    /// A password, or a token where the mechanism takes one.
    pub password: String,
}

/// One login under way.
pub struct Answering {
    mechanism: String,
    credentials: Credentials,
    nonce: String,
    uri: String,
    step: usize,
    /// DIGEST-MD5, once the challenge is answered.
    digest: Option<DigestMd5>,
    /// What was said in a SCRAM exchange, which its last message signs.
    first: String,
}

impl Answering {
    /// None where the mechanism is not among [`MECHANISMS`]. The nonce is printable text without commas; the service is
    /// named as in `imap/mail.example` (RFC 2831 §2.1.2, digest-uri).
    #[must_use]
    pub fn new(mechanism: &str, credentials: Credentials, nonce: String, uri: String) -> Option<Answering> {
        let mechanism = mechanism.to_ascii_uppercase();
        // Without a channel binding, the mechanism is the plain one.
        MECHANISMS.contains(&mechanism.as_str()).then(|| Answering {
            mechanism,
            credentials,
            nonce,
            uri,
            step: 0,
            digest: None,
            first: String::new(),
        })
    }

    /// Whether the client can speak first.
    #[must_use]
    pub fn begins(&self) -> bool {
        !matches!(self.mechanism.as_str(), "CRAM-MD5" | "DIGEST-MD5")
    }

    /// The next response. The challenge is empty for the first one of mechanisms in which the client begins. None
    /// where the challenge makes no sense, and the login is to be cancelled.
    pub fn respond(&mut self, challenge: &[u8]) -> Option<Vec<u8>> {
        self.step += 1;
        let Credentials { user, password } = &self.credentials;
        let first = self.step == 1;
        Some(match self.mechanism.as_str() {
            "PLAIN" if first => format!("\0{user}\0{password}").into_bytes(),
            "LOGIN" => {
                let asked = String::from_utf8_lossy(challenge).to_ascii_lowercase();
                let name = if asked.contains("pass") { false } else { first };
                if name { user.clone().into_bytes() } else { password.clone().into_bytes() }
            }
            "CRAM-MD5" => format!("{user} {}", hex(&hmac::<Md5>(password.as_bytes(), challenge, 64))).into_bytes(),
            "DIGEST-MD5" if first => {
                let (response, digest) = DigestMd5::respond(challenge, &self.credentials, &self.nonce, &self.uri)?;
                self.digest = Some(digest);
                response
            }
            "DIGEST-MD5" if !self.digest.as_ref()?.is_proven(challenge) => return None,
            "XOAUTH2" if first => format!("user={user}\x01auth=Bearer {password}\x01\x01").into_bytes(),
            "OAUTHBEARER" if first => format!("n,a={},\x01auth=Bearer {password}\x01\x01", name(user)).into_bytes(),
            // RFC 7628 §3.2.3: an error is answered with one byte before the server says no.
            "OAUTHBEARER" => b"\x01".to_vec(),
            "EXTERNAL" if first => Vec::new(),
            "ANONYMOUS" if first => user.clone().into_bytes(),
            "SCRAM-SHA-1" => return self.scram::<Sha1>(challenge, 64),
            "SCRAM-SHA-256" => return self.scram::<Sha256>(challenge, 64),
            "SCRAM-SHA-512" => return self.scram::<Sha512>(challenge, 128),
            _ => Vec::new(),
        })
    }

    /// RFC 5802 §3: the first message, the proof, and an empty answer to the server's signature.
    fn scram<D: Digest + Clone>(&mut self, challenge: &[u8], block: usize) -> Option<Vec<u8>> {
        match self.step {
            1 => {
                self.first = format!("n={},r={}", name(&self.credentials.user), self.nonce);
                Some(format!("n,,{}", self.first).into_bytes())
            }
            2 => {
                let server = std::str::from_utf8(challenge).ok()?;
                let field = |start: &str| server.split(',').find_map(|part| part.strip_prefix(start));
                let (nonce, salt, rounds) = (field("r=")?, field("s=")?, field("i=")?);
                let rounds = rounds.parse::<u32>().ok().filter(|rounds| (1..=ITERATIONS_MAX).contains(rounds))?;
                if !nonce.starts_with(&self.nonce) {
                    return None;
                }
                let salted =
                    salted::<D>(self.credentials.password.as_bytes(), &STANDARD.decode(salt).ok()?, rounds, block);
                let key = hmac::<D>(&salted, b"Client Key", block);
                let stored = D::digest(&key);
                let last = format!("c=biws,r={nonce}");
                let signed = format!("{},{server},{last}", self.first);
                let signature = hmac::<D>(&stored, signed.as_bytes(), block);
                let proof: Vec<u8> = key.iter().zip(signature).map(|(key, byte)| key ^ byte).collect();
                Some(format!("{last},p={}", STANDARD.encode(proof)).into_bytes())
            }
            _ => Some(Vec::new()),
        }
    }
}

/// RFC 1939 §7: the banner's time stamp and the shared secret, hashed.
#[must_use]
pub fn apop(timestamp: &str, password: &str) -> String {
    hex(&Md5::digest(format!("{timestamp}{password}")))
}

/// RFC 5802 §5.1: comma and equals sign are written `=2C` and `=3D`.
fn name(user: &str) -> String {
    user.replace('=', "=3D").replace(',', "=2C")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// PBKDF2 with one block (RFC 5802 §2.2, Hi).
fn salted<D: Digest + Clone>(password: &[u8], salt: &[u8], rounds: u32, block: usize) -> Vec<u8> {
    let keyed = Keyed::<D>::new(password, block);
    let mut last = keyed.sign(&[salt, &[0, 0, 0, 1]].concat());
    let mut sum = last.clone();
    for _ in 1..rounds {
        last = keyed.sign(&last);
        sum.iter_mut().zip(&last).for_each(|(sum, byte)| *sum ^= byte);
    }
    sum
}

fn hmac<D: Digest + Clone>(key: &[u8], data: &[u8], block: usize) -> Vec<u8> {
    Keyed::<D>::new(key, block).sign(data)
}

/// HMAC (RFC 2104) with its key taken in.
struct Keyed<D> {
    inner: D,
    outer: D,
}

impl<D: Digest + Clone> Keyed<D> {
    fn new(key: &[u8], block: usize) -> Keyed<D> {
        let mut padded = if key.len() > block { D::digest(key).to_vec() } else { key.to_vec() };
        padded.resize(block, 0);
        let with = |byte: u8| D::new().chain_update(padded.iter().map(|key| key ^ byte).collect::<Vec<u8>>());
        Keyed { inner: with(0x36), outer: with(0x5c) }
    }

    fn sign(&self, data: &[u8]) -> Vec<u8> {
        let inner = self.inner.clone().chain_update(data).finalize();
        self.outer.clone().chain_update(inner).finalize().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(mechanism: &str, user: &str, password: &str, nonce: &str) -> Answering {
        let credentials = Credentials { user: user.to_owned(), password: password.to_owned() };
        Answering::new(mechanism, credentials, nonce.to_owned(), "imap/mail.example".to_owned()).unwrap()
    }

    fn text(response: Option<Vec<u8>>) -> String {
        String::from_utf8(response.unwrap()).unwrap()
    }

    #[test]
    fn the_examples_of_the_rfcs_come_out() {
        // RFC 2195 §2.
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        let answer = text(login("CRAM-MD5", "tim", "tanstaaftanstaaf", "").respond(challenge));
        assert_eq!(answer, "tim b913a602c7eda7a495b4e6e7334d3890");
        // RFC 1939 §7.
        assert_eq!(apop("<1896.697170952@dbc.mtview.ca.us>", "tanstaaf"), "c4c9334bac560ecc979e58001b3e22fb");
        // RFC 5802 §5.
        let mut scram = login("SCRAM-SHA-1", "user", "pencil", "fyko+d2lbbFgONRv9qkxdawL");
        assert_eq!(text(scram.respond(b"")), "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
        let server = b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096";
        let last = "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=";
        assert_eq!(text(scram.respond(server)), last);
        // RFC 7677 §3.
        let mut scram = login("SCRAM-SHA-256", "user", "pencil", "rOprNGfwEbeRWgbNEkqO");
        scram.respond(b"");
        let server = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        assert!(text(scram.respond(server)).ends_with(",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="));
        assert_eq!(scram.respond(b"v=x").unwrap(), b"");
    }

    #[test]
    fn a_challenge_that_is_wrong_or_too_costly_is_not_answered() {
        let mut scram = login("SCRAM-SHA-256", "user", "pencil", "abc");
        scram.respond(b"");
        assert_eq!(scram.respond(b"r=xyz,s=AAAA,i=4096"), None);
        let mut scram = login("SCRAM-SHA-256", "user", "pencil", "abc");
        scram.respond(b"");
        assert_eq!(scram.respond(b"r=abcd,s=AAAA,i=4000000000"), None);
        assert!(
            Answering::new(
                "GSSAPI",
                Credentials { user: String::new(), password: String::new() },
                String::new(),
                String::new()
            )
            .is_none()
        );
    }

    #[test]
    fn login_answers_what_is_asked() {
        let mut by_prompt = login("LOGIN", "joe", "s3cret", "");
        assert_eq!(text(by_prompt.respond(b"Username:")), "joe");
        assert_eq!(text(by_prompt.respond(b"Password:")), "s3cret");
        assert_eq!(text(login("PLAIN", "joe", "s3cret", "").respond(b"")), "\0joe\0s3cret");
    }
}
