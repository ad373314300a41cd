//! What the tests share: real servers, real clients, a recording relay and the program under test.
//! Takes nothing from the outside but installed programs; gives handles that stop what they started when dropped.
//! Does not know what any single test is about.

#![allow(dead_code, reason = "each test file uses its own part of the support")]

pub mod capture;
pub mod certs;
pub mod clients;
pub mod courier;
pub mod cyrus;
pub mod dovecot;
pub mod exim;
pub mod findings;
pub mod jobs;
pub mod machine;
pub mod mailtap;
pub mod others;
pub mod peers;
pub mod postfix;
pub mod process;
pub mod programs;
pub mod readers;
pub mod recording;
pub mod servers;
pub mod tap;
pub mod through;
pub mod tls_peer;

use std::{
    env,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::{Duration, Instant},
};

/// How long anything that should happen at once may take. Generous, because the machine may be busy with
/// something else; it only delays a test that fails anyway.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Pause between two looks at a condition that has no event of its own to wait for.
const POLL: Duration = Duration::from_millis(5);

/// Ports are taken from below Linux's range for outgoing connections (32768 and up), so that no connection
/// that happens to be made between choosing a port and listening on it can take it away.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// Looks until `look` finds something, and panics with `what` when the deadline has passed.
#[track_caller]
pub fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    match wait_until(DEADLINE, look) {
        Some(found) => found,
        None => panic!("waited {} s in vain for: {what}", DEADLINE.as_secs()),
    }
}

/// Looks until `look` finds something or `limit` has passed.
pub fn wait_until<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(POLL);
    }
}

/// True when something accepts connections at `address`.
pub fn is_listening(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

/// A loopback address that nobody listens on, given out once in this process.
///
/// Another process may still take it before the caller does; the range and a start that depends on the process
/// make that unlikely.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let span = PORTS.end - PORTS.start;
    let start = (std::process::id() % u32::from(span)) as u16;
    for _ in 0..span {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        // A prime stride, so that two test processes with neighbouring ids do not walk over each other's ports.
        let offset = (u32::from(start) * 61 + u32::from(step) * 7) % u32::from(span);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORTS.start + offset as u16));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no free loopback port between {} and {}", PORTS.start, PORTS.end);
}

/// The path of an installed program, or a failure that names the package and the script that installs it.
#[track_caller]
pub fn program(name: &str, package: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/lib/postfix/sbin", "/usr/games"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file());
    match found {
        Some(path) => path,
        None => panic!("`{name}` is not installed: it is in Debian's package `{package}`; tests/setup.sh installs it"),
    }
}

/// A file below `tests/` of the source tree.
pub fn test_file(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(relative)
}

/// A fresh folder, removed on drop, that the servers' own users may enter.
pub fn open_folder(name: &str) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    // Short and always below /tmp: the servers put Unix sockets in it, whose paths end at 107 bytes.
    let folder = tempfile::Builder::new().prefix(name).tempdir_in("/tmp").expect("a temporary folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions of a folder");
    folder
}
