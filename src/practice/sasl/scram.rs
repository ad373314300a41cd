//! SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side, without channel binding.
//! Takes the client's two messages and an empty last one; gives the server's two, then the user.
//! It does not know SASLprep: names and passwords are compared as they are.

use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::super::users::{User, Users};
use super::{Step, random_text};

/// RFC 7677, 4 asks for at least 4096.
const ITERATIONS: u32 = 4096;
const SALT: usize = 16;
const NONCE: usize = 24;

/// What is stored for a user in place of the password.
#[derive(Clone)]
pub struct Verifier {
    salt: [u8; SALT],
    stored_key: [u8; 32],
    server_key: [u8; 32],
}

impl Verifier {
    pub fn new(password: &str) -> io::Result<Self> {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self::with_salt(password, salt, ITERATIONS))
    }

    fn with_salt(password: &str, salt: [u8; SALT], iterations: u32) -> Self {
        let salted = salted_password(password.as_bytes(), &salt, iterations);
        let stored_key = Sha256::digest(hmac(&salted, b"Client Key")).into();
        Verifier { salt, stored_key, server_key: hmac(&salted, b"Server Key") }
    }
}

/// One exchange.
pub struct Server {
    nonce: String,
    phase: Phase,
}

enum Phase {
    First,
    Final { user: Option<Arc<User>>, gs2: String, bare: String, server_first: String, nonce: String },
    Confirmed(Arc<User>),
    Over,
}

impl Server {
    #[must_use]
    pub fn new() -> Self {
        Server { nonce: random_text(NONCE), phase: Phase::First }
    }

    pub fn step(&mut self, users: &Users, response: &[u8]) -> Step {
        let Ok(text) = std::str::from_utf8(response) else { return Step::Malformed };
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::First => self.first(users, text).unwrap_or(Step::Malformed),
            Phase::Final { user, gs2, bare, server_first, nonce } => {
                let answer = self.last(user, &gs2, &bare, &server_first, &nonce, text);
                answer.unwrap_or(Step::Malformed)
            }
            Phase::Confirmed(user) if response.is_empty() => Step::Done(user),
            Phase::Confirmed(_) | Phase::Over => Step::Malformed,
        }
    }

    /// `n,,n=user,r=nonce`
    fn first(&mut self, users: &Users, text: &str) -> Option<Step> {
        let mut parts = text.splitn(3, ',');
        let (binding, identity, bare) = (parts.next()?, parts.next()?, parts.next()?);
        // `p=…` asks for a channel binding that was not offered.
        if !matches!(binding, "n" | "y") {
            return None;
        }
        let mut fields = bare.split(',');
        let name = fields.next()?.strip_prefix("n=")?.replace("=2C", ",").replace("=3D", "=");
        let client_nonce = fields.next()?.strip_prefix("r=").filter(|nonce| !nonce.is_empty())?;
        let other = identity.strip_prefix("a=");
        let user = users.by_name(&name).filter(|user| other.is_none_or(|o| o.is_empty() || o == user.name));
        // A name that is not there gets a salt all the same; the exchange fails at its end like a wrong password.
        let salt = user.as_ref().map_or_else(|| fake_salt(&name), |user| user.scram.salt);
        let nonce = format!("{client_nonce}{}", self.nonce);
        let server_first = format!("r={nonce},s={},i={ITERATIONS}", STANDARD.encode(salt));
        let answer = Step::Challenge(server_first.clone().into_bytes());
        self.phase =
            Phase::Final { user, gs2: format!("{binding},{identity},"), bare: bare.to_owned(), server_first, nonce };
        Some(answer)
    }

    /// `c=biws,r=nonce,p=proof`
    fn last(
        &mut self,
        user: Option<Arc<User>>,
        gs2: &str,
        bare: &str,
        server_first: &str,
        nonce: &str,
        text: &str,
    ) -> Option<Step> {
        let (without_proof, proof) = text.rsplit_once(",p=")?;
        let mut fields = without_proof.split(',');
        let channel = STANDARD.decode(fields.next()?.strip_prefix("c=")?).ok()?;
        let proof: [u8; 32] = STANDARD.decode(proof).ok()?.try_into().ok()?;
        if channel != gs2.as_bytes() || fields.next()?.strip_prefix("r=")? != nonce {
            return None;
        }
        let Some(user) = user else { return Some(Step::Failed) };
        let message = format!("{bare},{server_first},{without_proof}");
        let signature = hmac(&user.scram.stored_key, message.as_bytes());
        let mut client_key = proof;
        client_key.iter_mut().zip(signature).for_each(|(key, byte)| *key ^= byte);
        if Sha256::digest(client_key).as_slice() != user.scram.stored_key {
            return Some(Step::Failed);
        }
        let verdict = format!("v={}", STANDARD.encode(hmac(&user.scram.server_key, message.as_bytes())));
        self.phase = Phase::Confirmed(user);
        Some(Step::Challenge(verdict.into_bytes()))
    }
}

fn fake_salt(name: &str) -> [u8; SALT] {
    let digest = Sha256::digest(format!("no such user: {name}"));
    std::array::from_fn(|n| digest[n])
}

/// PBKDF2 with HMAC-SHA-256 and one block (RFC 5802, 2.2, Hi).
fn salted_password(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 32] {
    let keyed = keyed(password);
    let round = |data: &[u8]| {
        let mut mac = keyed.clone();
        mac.update(data);
        <[u8; 32]>::from(mac.finalize().into_bytes())
    };
    let mut last = round(&[salt, &[0, 0, 0, 1]].concat());
    let mut sum = last;
    for _ in 1..iterations {
        last = round(&last);
        sum.iter_mut().zip(last).for_each(|(sum, byte)| *sum ^= byte);
    }
    sum
}

fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut mac = keyed(key);
    mac.update(data);
    mac.finalize().into_bytes().into()
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rfcs_exchange_verifies() {
        // RFC 7677, 3.
        let salt: Vec<u8> = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = Verifier::with_salt("pencil", salt.try_into().unwrap(), 4096);
        let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                       s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = hmac(&verifier.server_key, message.as_bytes());
        assert_eq!(STANDARD.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }
}
