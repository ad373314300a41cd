//! A login under way, as far as its refusal can be read from it.
//! Takes what both sides say in it, without what is secret; gives sentences, and what is known of it when it is refused.
//! Does not know how its messages are carried.

use serde_json::{Map, Value};

use super::super::{Explained, Protocol};
use super::{Failure, challenge, response};

#[derive(Clone, Debug, Default)]
pub(in crate::view::words) struct Login {
    pub mechanism: String,
    /// The last challenge, decoded, and what a token in it says.
    challenge: Option<String>,
    token: Map<String, Value>,
    /// What the client said of binding the login to the TLS connection.
    binding: Option<String>,
    cancelled: bool,
    malformed: bool,
}

/// A server's answer that says no.
pub(in crate::view::words) struct Refusal<'t> {
    pub protocol: Option<Protocol>,
    /// Whether the client's connection is encrypted, where it is known.
    pub encrypted: Option<bool>,
    pub status: &'t str,
    /// The response code or enhanced status, with its values.
    pub code: Option<&'t str>,
    pub text: &'t str,
}

impl Login {
    pub fn new(mechanism: &str) -> Login {
        Login { mechanism: mechanism.to_owned(), ..Login::default() }
    }

    /// A challenge: the line, what stands in it where that is text, and what a token in it says.
    pub fn challenged(&mut self, line: &str, decoded: Option<&str>, token: Map<String, Value>) -> Explained {
        let told = challenge(&self.mechanism, line, decoded, &token);
        self.challenge = decoded.map(str::to_owned);
        self.token = token;
        told
    }

    /// A message of the client: `step` is 1 for the first, `parts` what of it is not secret.
    pub fn answered(&mut self, step: u32, user: Option<&str>, parts: &Map<String, Value>) -> Explained {
        self.heard(parts);
        let refused = self.challenge.as_deref().is_some_and(|challenge| challenge.starts_with("e="));
        if refused && parts.contains_key("empty") {
            return Explained::new("acknowledges the refusal, so that the server can end the login", "RFC 5802 §5.1");
        }
        response(&self.mechanism, step, user, parts)
    }

    /// Takes what a message of the client says of itself.
    fn heard(&mut self, parts: &Map<String, Value>) {
        let is = |name: &str| parts.get(name).and_then(Value::as_bool) == Some(true);
        self.cancelled |= is("cancel");
        self.malformed |= is("malformed");
        if let Some(flag) = parts.get("channel_binding").and_then(Value::as_str) {
            self.binding.get_or_insert_with(|| flag.to_owned());
        }
    }

    /// All that can tell why it was refused.
    pub fn failure<'a>(&'a self, refusal: &Refusal<'a>) -> Failure<'a> {
        Failure {
            protocol: refusal.protocol,
            mechanism: &self.mechanism,
            encrypted: refusal.encrypted,
            status: refusal.status,
            code: refusal.code.and_then(|code| code.split(' ').next()),
            text: refusal.text,
            challenge: self.challenge.as_deref(),
            token: Some(&self.token).filter(|token| !token.is_empty()),
            binding: self.binding.as_deref(),
            cancelled: self.cancelled,
            malformed: self.malformed,
        }
    }
}
