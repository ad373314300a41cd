//! SCRAM (RFC 5802, RFC 7677) as a played server does it: with the recorded salt, count and part of the nonce, and the
//! client's own. Takes the client's messages and what was recorded, gives the server's.
//! Knows no framing. Without a password it cannot prove that it knows one, and repeats the recorded proof.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

/// How many rounds a recording may ask for; above, somebody wants to waste time. RFC 7677 §4 asks for 4,096, servers of
/// today for some ten thousand.
const ROUNDS_MAX: u32 = 1_000_000;

/// Who is let in, where that is not everybody.
#[derive(Clone)]
pub struct Login {
    pub user: String,
    pub password: String,
}

/// One exchange.
pub struct Scram {
    hash: Hash,
    login: Option<Login>,
    gs2: String,
    bare: String,
    first: String,
    salt: Vec<u8>,
    rounds: u32,
    verdict: Verdict,
}

#[derive(Clone, Copy)]
enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

enum Verdict {
    /// No password is known: what was recorded is repeated.
    Repeat,
    Proof(String),
    Wrong,
}

impl Scram {
    /// None where the mechanism is no SCRAM that is known.
    #[must_use]
    pub fn new(mechanism: &str, login: Option<Login>) -> Option<Scram> {
        let hash = match mechanism.to_ascii_uppercase().as_str() {
            "SCRAM-SHA-1" => Hash::Sha1,
            "SCRAM-SHA-256" => Hash::Sha256,
            "SCRAM-SHA-512" => Hash::Sha512,
            _ => return None,
        };
        let (gs2, bare, first) = Default::default();
        Some(Scram { hash, login, gs2, bare, first, salt: Vec::new(), rounds: 0, verdict: Verdict::Repeat })
    }

    /// The client's next message.
    pub fn response(&mut self, message: &str) {
        if self.bare.is_empty() {
            let mut parts = message.splitn(3, ',');
            if let (Some(binding), Some(identity), Some(bare)) = (parts.next(), parts.next(), parts.next()) {
                self.gs2 = format!("{binding},{identity},");
                bare.clone_into(&mut self.bare);
            }
        } else if !message.is_empty() {
            self.verdict = self.judge(message).unwrap_or(Verdict::Wrong);
        }
    }

    /// The server's next message, made from the recorded one. None where the login fails.
    pub fn challenge(&mut self, recorded: &str) -> Option<String> {
        if recorded.starts_with("r=") {
            let nonce = self.bare.split(',').find_map(|field| field.strip_prefix("r=")).unwrap_or_default();
            let mut fields = recorded.splitn(2, ',');
            let old = fields.next().and_then(|field| field.strip_prefix("r=")).unwrap_or_default();
            let rest = fields.next().unwrap_or_default();
            // Where the recorded client's part ends is not known; what is left of the nonce is long enough in any case.
            self.first = format!("r={nonce}{old},{rest}");
            for field in rest.split(',') {
                if let Some(salt) = field.strip_prefix("s=") {
                    self.salt = STANDARD.decode(salt).unwrap_or_default();
                }
                if let Some(rounds) = field.strip_prefix("i=") {
                    self.rounds = rounds.parse().unwrap_or_default();
                }
            }
            return Some(self.first.clone());
        }
        if recorded.starts_with("v=") {
            return match &self.verdict {
                Verdict::Repeat => Some(recorded.to_owned()),
                Verdict::Proof(proof) => Some(format!("v={proof}")),
                Verdict::Wrong => None,
            };
        }
        Some(recorded.to_owned())
    }

    /// The client has shown that it does not know the password.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        matches!(self.verdict, Verdict::Wrong)
    }

    fn judge(&self, message: &str) -> Option<Verdict> {
        let Some(login) = &self.login else { return Some(Verdict::Repeat) };
        let user = self.bare.split(',').find_map(|field| field.strip_prefix("n="))?;
        let user = user.replace("=2C", ",").replace("=3D", "=");
        let (without_proof, proof) = message.rsplit_once(",p=")?;
        let mut fields = without_proof.split(',');
        let binding = STANDARD.decode(fields.next()?.strip_prefix("c=")?).ok()?;
        let nonce = fields.next()?.strip_prefix("r=")?;
        let sent = self.first.split(',').next()?.strip_prefix("r=")?;
        if user != login.user || binding != self.gs2.as_bytes() || nonce != sent || self.rounds > ROUNDS_MAX {
            return None;
        }
        let proof = STANDARD.decode(proof).ok()?;
        let salted = self.hash.salted(login.password.as_bytes(), &self.salt, self.rounds);
        let stored = self.hash.digest(&self.hash.hmac(&salted, b"Client Key"));
        let all = format!("{},{},{without_proof}", self.bare, self.first);
        let signature = self.hash.hmac(&stored, all.as_bytes());
        if proof.len() != signature.len() {
            return None;
        }
        let key: Vec<u8> = proof.iter().zip(&signature).map(|(one, other)| one ^ other).collect();
        if self.hash.digest(&key) != stored {
            return None;
        }
        let server = self.hash.hmac(&salted, b"Server Key");
        Some(Verdict::Proof(STANDARD.encode(self.hash.hmac(&server, all.as_bytes()))))
    }
}

impl Hash {
    fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha1 => Sha1::digest(data).to_vec(),
            Hash::Sha256 => Sha256::digest(data).to_vec(),
            Hash::Sha512 => Sha512::digest(data).to_vec(),
        }
    }

    /// RFC 2104.
    fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        let block = if matches!(self, Hash::Sha512) { 128 } else { 64 };
        let mut key = if key.len() > block { self.digest(key) } else { key.to_vec() };
        key.resize(block, 0);
        let pad = |with: u8| key.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
        let inner = self.digest(&[pad(0x36).as_slice(), data].concat());
        self.digest(&[pad(0x5c), inner].concat())
    }

    /// PBKDF2 with one block (RFC 5802 §2.2, Hi).
    fn salted(self, password: &[u8], salt: &[u8], rounds: u32) -> Vec<u8> {
        let mut last = self.hmac(password, &[salt, &[0, 0, 0, 1]].concat());
        let mut sum = last.clone();
        for _ in 1..rounds {
            last = self.hmac(password, &last);
            sum.iter_mut().zip(&last).for_each(|(sum, byte)| *sum ^= byte);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::{Login, Scram};

    const FIRST: &str = "r=%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn scram(password: &str) -> Scram {
        let login = Login { user: "user".to_owned(), password: password.to_owned() };
        let mut scram = Scram::new("SCRAM-SHA-256", Some(login)).unwrap();
        scram.response("n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let first = scram.challenge(FIRST).unwrap();
        assert!(first.starts_with("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s="));
        scram.response(
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        );
        scram
    }

    #[test]
    fn the_rfcs_exchange_comes_to_its_end() {
        // RFC 7677, 3.
        assert_eq!(scram("pencil").challenge("v=old").unwrap(), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn a_wrong_password_is_found_out() {
        let mut scram = scram("pen");
        assert!(scram.has_failed() && scram.challenge("v=old").is_none());
    }

    #[test]
    fn without_a_password_the_recorded_proof_is_repeated() {
        let mut scram = Scram::new("scram-sha-1", None).unwrap();
        scram.response("n,,n=user,r=abc");
        assert_eq!(
            scram.challenge("r=olddef,s=QSXCR+Q6sek8bf92,i=4096").unwrap(),
            "r=abcolddef,s=QSXCR+Q6sek8bf92,i=4096"
        );
        scram.response("c=biws,r=abcolddef,p=AAAA");
        assert_eq!(scram.challenge("v=x").unwrap(), "v=x");
    }
}
