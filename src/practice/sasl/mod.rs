//! The server's side of SASL: PLAIN, LOGIN, CRAM-MD5 and SCRAM-SHA-256.
//! Takes the client's responses, already out of base64; gives the next challenge, the user, or a refusal.
//! It does not know which protocol carries them, nor how each of those frames a challenge.

pub mod scram;

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

use super::users::{User, Users};

/// Every mechanism, in the order in which it is announced.
pub const MECHANISMS: [&str; 4] = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"];

pub enum Step {
    Challenge(Vec<u8>),
    Done(Arc<User>),
    /// The reason is for people; wrong name and wrong password are not told apart.
    Failed,
    /// The client's response has not the mechanism's form.
    Malformed,
}

/// One exchange, from AUTH to its end.
pub struct Exchange<'a> {
    users: &'a Users,
    state: State,
}

enum State {
    Plain,
    LoginName,
    LoginPassword(String),
    CramStart(String),
    CramAnswer(String),
    Scram(scram::Server),
    Over,
}

impl<'a> Exchange<'a> {
    /// None: there is no such mechanism.
    #[must_use]
    pub fn new(mechanism: &str, users: &'a Users, hostname: &str) -> Option<Self> {
        let state = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => State::Plain,
            "LOGIN" => State::LoginName,
            "CRAM-MD5" => State::CramStart(stamp(hostname)),
            "SCRAM-SHA-256" => State::Scram(scram::Server::new()),
            _ => return None,
        };
        Some(Exchange { users, state })
    }

    /// What to send when the client gave no initial response; None for a mechanism that begins with the client's turn
    /// and has an empty challenge.
    pub fn open(&mut self) -> Vec<u8> {
        match &self.state {
            State::LoginName => b"Username:".to_vec(),
            State::CramStart(challenge) => {
                let bytes = challenge.clone().into_bytes();
                self.state = State::CramAnswer(challenge.clone());
                bytes
            }
            _ => Vec::new(),
        }
    }

    pub fn step(&mut self, response: &[u8]) -> Step {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Plain => self.plain(response),
            State::LoginName => match std::str::from_utf8(response) {
                Ok(name) => {
                    self.state = State::LoginPassword(name.to_owned());
                    Step::Challenge(b"Password:".to_vec())
                }
                Err(_) => Step::Malformed,
            },
            State::LoginPassword(name) => done(self.users.by_password(&name, response)),
            // An initial response: the mechanism has none, because the server speaks first.
            State::CramStart(_) | State::Over => Step::Malformed,
            State::CramAnswer(challenge) => self.cram(&challenge, response),
            State::Scram(mut server) => {
                let step = server.step(self.users, response);
                self.state = State::Scram(server);
                step
            }
        }
    }

    /// RFC 4616: authorization identity, authentication identity, password, with NULs between.
    fn plain(&self, response: &[u8]) -> Step {
        let parts: Vec<&[u8]> = response.split(|byte| *byte == 0).collect();
        let [other, name, password] = parts.as_slice() else { return Step::Malformed };
        let (Ok(other), Ok(name)) = (std::str::from_utf8(other), std::str::from_utf8(name)) else {
            return Step::Malformed;
        };
        let user = self.users.by_password(name, password);
        // Nobody may act as somebody else.
        done(user.filter(|user| other.is_empty() || self.users.by_name(other).is_some_and(|o| o.name == user.name)))
    }

    /// RFC 2195: the name, a space, and the challenge's HMAC in hexadecimal.
    fn cram(&self, challenge: &str, response: &[u8]) -> Step {
        let Ok(text) = std::str::from_utf8(response) else { return Step::Malformed };
        let Some((name, digest)) = text.rsplit_once(' ') else { return Step::Malformed };
        let user = self.users.by_name(name);
        done(user.filter(|user| hmac_md5(user.password.as_bytes(), challenge.as_bytes()).eq_ignore_ascii_case(digest)))
    }
}

/// A name unique to this moment, in the form of a message's identifier: the challenge of CRAM-MD5 and of APOP.
#[must_use]
pub fn stamp(hostname: &str) -> String {
    format!("<{}.{}@{hostname}>", random_text(12), super::store::unix_now())
}

/// Random letters and digits.
#[must_use]
pub fn random_text(length: usize) -> String {
    const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut bytes = vec![0; length];
    // Without the system's randomness challenges could repeat, and no login could be trusted.
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte & 31)])).collect()
}

#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hmac_md5(key: &[u8], data: &[u8]) -> String {
    let mut mac = Hmac::<Md5>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    hex(&mac.finalize().into_bytes())
}

fn done(user: Option<Arc<User>>) -> Step {
    user.map_or(Step::Failed, Step::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cram_md5_has_the_rfcs_digest() {
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        assert_eq!(hmac_md5(b"tanstaaftanstaaf", challenge), "b913a602c7eda7a495b4e6e7334d3890");
    }
}
