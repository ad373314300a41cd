//! The Exim, the Courier and the Cyrus that tests of this process share, beside the Dovecot and the Postfix.
//! Takes nothing; gives running servers, started by the first test that asks, and users that each test has for itself.
//! Does not know what the tests do with them.

use std::{
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    certs::{Authority, Chain, Key},
    courier::Courier,
    cyrus::Cyrus,
    exim::{Delivery, Exim},
    programs::JOBS,
    servers::server_names,
};

/// Users that are given out one by one.
const MEMBERS: usize = 60;

/// What is added to a program's name for each of its ways to talk.
pub const WAYS: [&str; 3] = ["-plain", "-starttls", "-implicit"];

/// The throwaway authority that has signed the servers' certificates.
struct Trust {
    chain: Chain,
    root: PathBuf,
    _folder: tempfile::TempDir,
}

fn trust() -> &'static Trust {
    static TRUST: OnceLock<Trust> = OnceLock::new();
    TRUST.get_or_init(|| {
        let authority = Authority::new();
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("root.pem");
        std::fs::write(&root, authority.root()).expect("the root's certificate");
        Trust { chain: authority.issue(&server_names(), Key::Ecdsa), root, _folder: folder }
    })
}

/// The certificate of the authority, as a file.
pub fn root() -> &'static str {
    trust().root.to_str().expect("a path in UTF-8")
}

pub fn chain() -> &'static Chain {
    &trust().chain
}

/// Courier, and the Exim that delivers to its users.
pub fn courier() -> &'static (Courier, Exim) {
    static COURIER: OnceLock<(Courier, Exim)> = OnceLock::new();
    COURIER.get_or_init(|| {
        let courier = Courier::start(chain(), &users());
        let exim = Exim::start(chain(), Delivery::Homes(Arc::clone(&courier.machine), users()));
        (courier, exim)
    })
}

/// Cyrus, and the Exim that hands on to it.
pub fn cyrus() -> &'static (Cyrus, Exim) {
    static CYRUS: OnceLock<(Cyrus, Exim)> = OnceLock::new();
    CYRUS.get_or_init(|| {
        let cyrus = Cyrus::start(chain(), &users());
        let exim = Exim::start(chain(), Delivery::Lmtp(cyrus.lmtp));
        (cyrus, exim)
    })
}

/// A user of every server whom no other test has.
#[track_caller]
pub fn member() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!(number <= MEMBERS, "more than {MEMBERS} users are asked for");
    format!("member{number:02}")
}

fn users() -> Vec<String> {
    let programs = JOBS.iter().flat_map(|(name, _)| WAYS.map(|way| format!("{name}{way}")));
    (1..=MEMBERS).map(|number| format!("member{number:02}")).chain(programs).collect()
}
