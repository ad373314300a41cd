//! Routes: where mailtap listens, what it speaks there, and where that goes.
//! Takes the text `SCHEME://ADDR:PORT=SCHEME://HOST[:PORT]`, gives a [`Route`] or a sentence that says how to mend it.
//! Knows no socket: names are resolved where connections are made. Schemes and ports come from `proto::ALL`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::proto::{self, SchemeTls, Spec};

/// One way through the proxy.
#[derive(Clone)]
pub struct Route {
    pub spec: &'static Spec,
    pub listen: SocketAddr,
    pub client: Leg,
    pub server: Leg,
    pub upstream: Upstream,
}

/// How one leg of a route is spoken.
#[derive(Clone, Copy, Debug)]
pub struct Leg {
    pub scheme: &'static str,
    pub tls: SchemeTls,
}

/// The server, as a person wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// A name or an address, without brackets.
    pub host: String,
    pub port: u16,
}

/// Why a route cannot be understood, and how to mend it.
#[derive(Debug, PartialEq, Eq)]
pub struct RouteError(String);

/// The listeners of `mailtap proxy HOST`: scheme, port, and the standard port of the server.
const DEFAULTS: [(&str, u16); 7] = [
    ("smtp", 1025),
    ("submission", 1587),
    ("smtps", 1465),
    ("pop3", 1110),
    ("pop3s", 1995),
    ("imap", 1143),
    ("imaps", 1993),
];

impl Route {
    /// The seven routes to a server's standard ports.
    ///
    /// # Errors
    /// When `host` is not a host name or an address.
    pub fn defaults(host: &str) -> Result<Vec<Route>, RouteError> {
        let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
        let right = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        DEFAULTS.iter().map(|(scheme, port)| Route::parse(&format!("{scheme}://:{port}={scheme}://{right}"))).collect()
    }

    /// # Errors
    /// Says which part is wrong and what stands there instead.
    pub fn parse(text: &str) -> Result<Route, RouteError> {
        let shape =
            "a route is SCHEME://ADDR:PORT=SCHEME://HOST[:PORT], e.g. imap://127.0.0.1:1143=imap://mail.example";
        let fail = |what: String| Err(RouteError(format!("route {text:?}: {what}")));
        let Some((left, right)) = text.split_once('=') else { return fail(format!("no \"=\" in it; {shape}")) };
        let (Some((left_scheme, left)), Some((right_scheme, right))) =
            (left.split_once("://"), right.split_once("://"))
        else {
            return fail(format!("each side begins with a scheme and \"://\"; {shape}"));
        };
        let unknown = |name: &str| format!("{name:?} is no scheme; there are {}", names());
        let Some((client_spec, client)) = proto::scheme(left_scheme) else { return fail(unknown(left_scheme)) };
        let Some((spec, server)) = proto::scheme(right_scheme) else { return fail(unknown(right_scheme)) };
        if client_spec.name != spec.name {
            return fail(format!(
                "{left_scheme} is {} and {right_scheme} is {}; both sides of a route speak the same protocol",
                client_spec.name, spec.name
            ));
        }
        if client.tls == SchemeTls::StartTls {
            return fail(format!(
                "{left_scheme} is for the right side only; on the left, write {}",
                plain(client_spec)
            ));
        }
        let listen = match address(left) {
            Ok((_, None)) => return fail(format!("no port in {left:?}; write 0 for a free one")),
            Ok((host, Some(port))) => match listen_address(host) {
                Some(ip) => SocketAddr::new(ip, port),
                None => {
                    return fail(format!("{host:?} is no address to listen at; write an IP address, e.g. 127.0.0.1"));
                }
            },
            Err(why) => return fail(why),
        };
        let upstream = match address(right) {
            Ok(("", _)) => return fail(format!("no host on the right side; {shape}")),
            Ok((host, port)) => Upstream { host: host.to_owned(), port: port.unwrap_or(server.port) },
            Err(why) => return fail(why),
        };
        if upstream.port == 0 {
            return fail("port 0 on the right side leads nowhere".to_owned());
        }
        if !is_host(&upstream.host) {
            return fail(format!("{:?} is neither a host name nor an address", upstream.host));
        }
        Ok(Route {
            spec,
            listen,
            client: Leg { scheme: client.name, tls: client.tls },
            server: Leg { scheme: server.name, tls: server.tls },
            upstream,
        })
    }

    /// Whether the legs differ, so that an offer of STARTTLS leads nowhere.
    #[must_use]
    pub fn unequal(&self) -> bool {
        self.client.tls != self.server.tls
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}={}://{}", self.client.scheme, self.listen, self.server.scheme, self.upstream)
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Upstream { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Route({self})")
    }
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RouteError {}

/// Host and port; the host without its brackets.
fn address(text: &str) -> Result<(&str, Option<u16>), String> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((host, after)) = rest.split_once(']') else { return Err(format!("no \"]\" in {text:?}")) };
        if host.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(format!("{host:?} is no IPv6 address"));
        }
        match after.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if after.is_empty() => (host, None),
            None => return Err(format!("{after:?} behind the bracket is no port")),
        }
    } else if text.matches(':').count() > 1 {
        return Err(format!("{text:?} looks like an IPv6 address; put it in brackets"));
    } else {
        text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
    };
    let Some(port) = port else { return Ok((host, None)) };
    match port.parse() {
        Ok(port) if !port_has_sign(text) => Ok((host, Some(port))),
        _ => Err(format!("{port:?} is no port; a port is a number up to 65535")),
    }
}

fn port_has_sign(text: &str) -> bool {
    text.rsplit(':').next().is_some_and(|port| port.starts_with('+'))
}

fn listen_address(host: &str) -> Option<IpAddr> {
    match host {
        "" | "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        host => host.parse().ok(),
    }
}

/// Whether this may be the name of a host, or is an address.
#[must_use]
pub fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' || byte >= 0x80)
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    host.parse::<IpAddr>().is_ok() || (host.len() <= 253 && name.split('.').all(label))
}

fn plain(spec: &Spec) -> &'static str {
    spec.schemes.first().map_or("", |scheme| scheme.name)
}

fn names() -> String {
    let names: Vec<&str> = proto::ALL.iter().flat_map(|spec| spec.schemes.iter().map(|scheme| scheme.name)).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        Route::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_route_reads_back_as_it_was_written() {
        for text in [
            "pop3://127.0.0.1:1110=pop3://mail.example:110",
            "pop3s://[::1]:0=pop3s://[2001:db8::1]:995",
            "pop3://0.0.0.0:110=pop3+starttls://10.0.0.1:1",
        ] {
            assert_eq!(Route::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn ports_and_hosts_may_be_left_out() {
        let route = Route::parse("pop3://:1110=pop3s://mail.example").unwrap();
        assert_eq!(route.to_string(), "pop3://127.0.0.1:1110=pop3s://mail.example:995");
        assert!(route.unequal());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_mend() {
        assert!(wrong("pop3://:1110").contains("no \"=\""));
        assert!(wrong("1110=mail.example").contains("begins with a scheme"));
        assert!(wrong("gopher://:70=pop3://h").contains("is no scheme; there are"));
        assert!(wrong("pop3://127.0.0.1=pop3://h").contains("no port"));
        assert!(wrong("pop3://:99999=pop3://h").contains("number up to 65535"));
        assert!(wrong("pop3://::1:110=pop3://h").contains("brackets"));
        assert!(wrong("pop3://mail.example:110=pop3://h").contains("no address to listen at"));
        assert!(wrong("pop3://:110=pop3://").contains("no host"));
        assert!(wrong("pop3+starttls://:110=pop3://h").contains("right side only"));
        assert!(wrong("pop3://:110=pop3://a b").contains("neither a host name"));
    }
}
