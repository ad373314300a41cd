//! TLS on both legs: the CA and its leaves, the client's hello, verification of the server, and facts about a handshake.
//! Takes bytes, names and files; gives rustls configurations, connections, plain facts and sentences for people.
//! Knows no sockets, no async runtime, no session and no mail protocol.

pub mod answer;
pub mod authority;
pub mod certificate;
mod clock;
pub mod export;
pub mod facts;
pub mod failure;
pub mod hello;
mod judge;
pub mod keylog;
pub mod leaf;
pub mod pair;
pub mod server;
pub mod trust;
pub mod upstream;
pub mod verdict;

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;

/// The one crypto library, for both legs.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider())))
}

/// What went wrong, as one sentence that also says how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    pub fn new(sentence: impl Into<String>) -> Error {
        Error(sentence.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}
