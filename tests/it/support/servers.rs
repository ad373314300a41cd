//! The one Dovecot and the one Postfix that most tests of this process share.
//! Takes nothing; gives running servers, started by the first test that asks, and user names of one's own.
//! Does not know what the tests do with them.

use std::{
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use super::{
    certs::{Authority, Key},
    dovecot::{self, DOMAIN, Dovecot},
    free_address,
    postfix::{self, Postfix},
};

/// Servers with a good certificate of a throwaway authority.
pub struct Servers {
    pub authority: Authority,
    /// The authority's root as a PEM file.
    pub root: PathBuf,
    pub dovecot: Dovecot,
    pub postfix: Postfix,
}

/// The shared servers. Whoever asks first waits for their start, about a second.
pub fn servers() -> &'static Servers {
    static SERVERS: OnceLock<Servers> = OnceLock::new();
    SERVERS.get_or_init(|| {
        let authority = Authority::new();
        // One of each kind, so that both are met.
        let (chain, rsa) = (authority.issue(&server_names(), Key::Ecdsa), authority.issue(&server_names(), Key::Rsa));
        // Each of the two needs the other's address, so one is settled first.
        let smtp = free_address();
        let dovecot = Dovecot::start(&dovecot::Options { relay: smtp, ..dovecot::Options::new(chain) });
        let postfix = Postfix::start(&postfix::Options {
            chain: rsa,
            auth_socket: dovecot.auth_socket.clone(),
            lmtp: dovecot.lmtp,
            smtp,
            extra: String::new(),
        });
        let root = dovecot.keep_file("root.pem", &authority.root());
        Servers { authority, root, dovecot, postfix }
    })
}

/// A user nobody else has: the name of the test with a number of four digits, so that sizes do not differ.
pub fn user(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{name}{:04}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What a server's certificate is for when nothing is wrong with it.
pub fn server_names() -> [&'static str; 3] {
    [DOMAIN, "localhost", "127.0.0.1"]
}
