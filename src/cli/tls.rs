//! The options for TLS that every command with a proxy in it takes.
//! Takes arguments and the folder, gives what the process has for TLS.
//! Does not know when a leg speaks it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::KeyLog;

use super::Failure;
use super::own_ca::OwnCa;
use crate::net::{HANDSHAKE_FOR, Passthrough, Secure};
use crate::tls::keylog::KeyLogFile;
use crate::tls::leaf::LeafKey;
use crate::tls::server::Server;
use crate::tls::upstream::{self, Upstream};

#[derive(clap::Args, Debug)]
pub struct TlsArgs {
    /// Trust the certificates in this PEM file too, besides the system's (repeatable)
    #[arg(long, value_name = "FILE")]
    upstream_ca: Vec<PathBuf>,
    /// Accept any certificate of the server; each session says so
    #[arg(long)]
    upstream_insecure: bool,
    /// Certificate (PEM) to show to servers that ask for one
    #[arg(long, value_name = "FILE", requires = "upstream_key")]
    upstream_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", requires = "upstream_cert")]
    upstream_key: Option<PathBuf>,
    /// Pass the TLS of this host through untouched, and record only that it passed: `mail.example`, `*.example` (repeatable)
    ///
    /// A host is meant by its name in the route or, with TLS from the first byte, by the name that the client asks for. `*.` stands for
    /// one part of a name. What is recorded: both hellos (names, versions, cipher), sizes and times.
    #[arg(long, value_name = "HOST")]
    passthrough: Vec<String>,
    /// Append the TLS secrets of both legs to this file, for Wireshark
    #[arg(long, value_name = "FILE", env = "SSLKEYLOGFILE", hide_env_values = true)]
    keylog: Option<PathBuf>,
    #[command(flatten)]
    own_ca: OwnCa,
    /// The kind of key of the certificates that clients see: rsa2048 is for old ones
    #[arg(long, value_name = "KIND", default_value = "p256")]
    leaf_key: LeafKeyArg,
    /// How long one TLS handshake may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = HANDSHAKE_SECONDS, value_parser = clap::value_parser!(u32).range(1..=3600))]
    handshake_timeout: u32,
}

/// The same as [`HANDSHAKE_FOR`], as the command line counts.
#[allow(clippy::cast_possible_truncation)]
const HANDSHAKE_SECONDS: u32 = HANDSHAKE_FOR.as_secs() as u32;

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum LeafKeyArg {
    P256,
    Rsa2048,
}

impl TlsArgs {
    /// Opens the CA (made in `dir/certs` on first use) and what else the options name.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub fn open(&self, dir: &Path) -> Result<Secure, Failure> {
        let authority = self.own_ca.open(dir);
        let leaf_key = match self.leaf_key {
            LeafKeyArg::P256 => LeafKey::P256,
            LeafKeyArg::Rsa2048 => LeafKey::Rsa2048,
        };
        let authority = authority.map_err(Failure::usage)?.with_leaf_key(leaf_key);
        if let Some(warning) = authority.warning() {
            eprintln!("mailtap: {warning}");
        }
        let key_log = match self.keylog.as_deref().filter(|path| !path.as_os_str().is_empty()) {
            Some(path) => Some(Arc::new(KeyLogFile::open(path).map_err(Failure::usage)?) as Arc<dyn KeyLog>),
            None => None,
        };
        let options = upstream::Options {
            ca_files: self.upstream_ca.clone(),
            insecure: self.upstream_insecure,
            identity: self.upstream_cert.clone().zip(self.upstream_key.clone()),
            key_log: key_log.clone(),
        };
        Ok(Secure {
            authority,
            server: Server::new(key_log).map_err(Failure::work)?,
            upstream: Upstream::open(&options).map_err(Failure::usage)?,
            passthrough: Passthrough::new(&self.passthrough).map_err(Failure::usage)?,
            handshake: Duration::from_secs(u64::from(self.handshake_timeout)),
        })
    }
}
