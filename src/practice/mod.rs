//! The practice mail server: SMTP, POP3 and IMAP4rev1 in one process, for demonstrations and offline tests.
//! Takes accounts, ports and bounds; gives the addresses it listens on until it is stopped. Mail never leaves it.
//! It does not know the proxy: it shares no parser with it, so that each can be judged by the other.

mod imap;
mod limits;
mod pop3;
mod sasl;
pub mod script;
mod server;
mod smtp;
mod store;
mod users;
mod wire;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

pub use limits::Limits;
pub use server::{Host, Running, Server, Service};
pub use wire::Io;

/// What the server is to be.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen on. Default: 127.0.0.1.
    pub bind: IpAddr,
    pub ports: Ports,
    /// Where a port is in use, take the next free one.
    pub next_free: bool,
    pub accounts: Vec<Account>,
    /// The folder in which each account gets a Maildir of its name. None: mail is kept in memory.
    pub mail: Option<PathBuf>,
    /// Without it there is neither STARTTLS nor a listener with TLS from the first byte.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    pub limits: Limits,
    /// What the server calls itself in greetings and `Received` fields.
    pub hostname: String,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports: Ports::default(),
            next_free: false,
            accounts: Vec::new(),
            mail: None,
            tls: None,
            limits: Limits::default(),
            hostname: "localhost".to_owned(),
        }
    }
}

/// The port of each service: 0 takes a free one, None leaves the service out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    pub imap: Option<u16>,
    pub imaps: Option<u16>,
    pub pop3: Option<u16>,
    pub pop3s: Option<u16>,
    pub smtp: Option<u16>,
    pub submission: Option<u16>,
    pub submissions: Option<u16>,
}

impl Default for Ports {
    fn default() -> Self {
        let free = Some(0);
        Ports { imap: free, imaps: free, pop3: free, pop3s: free, smtp: free, submission: free, submissions: free }
    }
}

/// Where each service listens. None: it was left out, or needs TLS and there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Addresses {
    pub imap: Option<SocketAddr>,
    pub imaps: Option<SocketAddr>,
    pub pop3: Option<SocketAddr>,
    pub pop3s: Option<SocketAddr>,
    pub smtp: Option<SocketAddr>,
    pub submission: Option<SocketAddr>,
    pub submissions: Option<SocketAddr>,
}

/// Somebody with a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What is typed as the user name. The address is accepted there too.
    pub user: String,
    pub password: String,
    pub address: String,
}
