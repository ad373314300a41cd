//! The options that name a CA of the user's own, for every command that shows certificates.
//! Takes arguments and the folder, gives the CA: the one named, or the generated one, made on first use.
//! Does not know what is signed with it.

use std::path::{Path, PathBuf};

use crate::tls::Error;
use crate::tls::authority::Authority;

#[derive(clap::Args, Debug)]
pub struct OwnCa {
    /// Certificate of a CA of your own, in PEM, instead of the generated one
    #[arg(long, value_name = "FILE", requires = "ca_key")]
    ca_cert: Option<PathBuf>,
    /// Its private key, in PEM
    #[arg(long, value_name = "FILE", requires = "ca_cert")]
    ca_key: Option<PathBuf>,
}

impl OwnCa {
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.ca_cert.is_some()
    }

    /// # Errors
    /// Files that cannot be used, or cannot be made.
    pub fn open(&self, dir: &Path) -> Result<Authority, Error> {
        match (&self.ca_cert, &self.ca_key) {
            (Some(cert), Some(key)) => Authority::from_files(cert, key),
            _ => Authority::open(&dir.join("certs")),
        }
    }
}
