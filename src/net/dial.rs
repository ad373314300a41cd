//! Dialling: from the server's name to a connection, all its addresses tried.
//! Takes the upstream of a route, gives a connected socket or a sentence that says why there is none.
//! Knows nothing of what is said on it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::route::Upstream;

/// How long one address may take to answer. A lost SYN is sent again after 1, 3 and 7 s.
const CONNECT_FOR: Duration = Duration::from_secs(8);

/// How long all addresses together may take. RFC 5321 §4.5.3.2.1 lets a client wait five minutes for a greeting;
/// people and mail programs wait for about this long.
const CONNECT_ALL_FOR: Duration = Duration::from_secs(25);

/// How long a name may take to be resolved.
const RESOLVE_FOR: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug)]
pub struct DialError {
    /// Stable, in kebab-case.
    pub code: &'static str,
    pub text: String,
    /// The address tried last.
    pub address: Option<SocketAddr>,
}

/// Connects to the first address that answers, in the order in which the system's resolver gives them.
///
/// # Errors
/// When the name is unknown, or no address answers.
pub async fn dial(upstream: &Upstream) -> Result<(TcpStream, SocketAddr), DialError> {
    let addresses = resolve(upstream).await?;
    let mut last = DialError { code: "upstream-unknown", text: format!("{upstream} has no address"), address: None };
    let all = async {
        for address in addresses {
            match timeout(CONNECT_FOR, TcpStream::connect(address)).await {
                Ok(Ok(socket)) => return Some((socket, address)),
                Ok(Err(error)) => last = failed(upstream, address, &error),
                Err(_) => last = silent(upstream, address),
            }
        }
        None
    };
    match timeout(CONNECT_ALL_FOR, all).await {
        Ok(Some(connected)) => Ok(connected),
        Ok(None) | Err(_) => Err(last),
    }
}

async fn resolve(upstream: &Upstream) -> Result<Vec<SocketAddr>, DialError> {
    if let Ok(ip) = upstream.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, upstream.port)]);
    }
    let unknown = |why: String| DialError {
        code: "upstream-unknown",
        text: format!("the name of {upstream} is unknown: {why}"),
        address: None,
    };
    match timeout(RESOLVE_FOR, tokio::net::lookup_host((upstream.host.as_str(), upstream.port))).await {
        Ok(Ok(addresses)) => Ok(addresses.collect()),
        Ok(Err(error)) => Err(unknown(error.to_string())),
        Err(_) => Err(unknown(format!("no answer from the resolver within {} s", RESOLVE_FOR.as_secs()))),
    }
}

fn failed(upstream: &Upstream, address: SocketAddr, error: &io::Error) -> DialError {
    let why = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut => return silent(upstream, address),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "no way to that address".to_owned(),
        _ => error.to_string(),
    };
    let code =
        if error.kind() == io::ErrorKind::ConnectionRefused { "upstream-refused" } else { "upstream-unreachable" };
    DialError { code, text: format!("cannot reach {upstream} at {address}: {why}"), address: Some(address) }
}

fn silent(upstream: &Upstream, address: SocketAddr) -> DialError {
    let text = format!("cannot reach {upstream} at {address}: no answer within {} s", CONNECT_FOR.as_secs());
    DialError { code: "upstream-timeout", text, address: Some(address) }
}
