//! The tunnel for TLS that is to be left alone: bytes pass as they are, and only their number is known afterwards.
//! Takes two connections, with what was read of the client's hello already; gives what went through.
//! Reads nothing of what passes but the hello of each side.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::socket::Socket;
use crate::event::Side;
use crate::route::is_host;
use crate::tls::answer::{self, Answer};
use crate::tls::hello::{Offer, Peek, peek};

/// Hosts whose TLS is passed through untouched.
#[derive(Clone, Debug, Default)]
pub struct Passthrough(Vec<String>);

impl Passthrough {
    /// Names as in certificates: `mail.example`, or `*.example` for every name right below it; and addresses.
    ///
    /// # Errors
    /// What is neither, and so would never be met: whoever wrote it would take for untouched what is read.
    pub fn new(hosts: &[String]) -> Result<Passthrough, String> {
        let pattern = |host: &String| {
            let (below, name) = host.strip_prefix("*.").map_or(("", host.as_str()), |parent| ("*.", parent));
            let name = normal(name);
            let known = is_host(&name) && (below.is_empty() || name.parse::<IpAddr>().is_err());
            known.then(|| format!("{below}{name}")).ok_or_else(|| {
                format!("--passthrough {host:?} is no host: give a name or an address without a port, such as mail.example or *.example")
            })
        };
        hosts.iter().map(pattern).collect::<Result<_, _>>().map(Passthrough)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        let host = normal(host);
        self.0.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest == parent),
            None => *pattern == host,
        })
    }
}

/// A host in the one spelling in which it is compared.
fn normal(host: &str) -> String {
    let address = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    match address.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase(),
    }
}

/// What was read of a client in the place of its hello.
pub struct Overheard {
    pub read: Vec<u8>,
    /// None where it is no TLS at all.
    pub offer: Option<Offer>,
}

/// What went through a tunnel until now, in bytes of each side.
#[derive(Debug, Default)]
pub struct Passed {
    pub client: AtomicU64,
    pub server: AtomicU64,
    /// Who ended first.
    ended: OnceLock<Side>,
}

impl Passed {
    fn of(&self, side: Side) -> &AtomicU64 {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    /// Who ended the connection, or broke it, before the other did.
    #[must_use]
    pub fn ended(&self) -> Option<Side> {
        self.ended.get().copied()
    }

    fn ends(&self, side: Side) {
        // Whoever comes second has nothing to say here.
        let _ = self.ended.set(side);
    }
}

/// How much of a server's first bytes is kept to read its hello in them: the hello itself has some hundred, and what comes
/// behind it may come in the same reading.
const ANSWER_MAX: usize = 32 * 1024;

/// How long nothing must have passed for a tunnel to be at rest. Whether somebody waits for an answer cannot be seen.
const SILENCE: Duration = Duration::from_secs(2);

/// Reads until the client's hello is whole; `read` is what came of it before. One that breaks the rules is a hello without
/// an offer.
///
/// # Errors
/// Those of the socket, and `UnexpectedEof` where the client leaves before.
pub async fn listen(socket: &mut Socket, mut read: Vec<u8>) -> io::Result<Overheard> {
    use tokio::io::AsyncReadExt;
    loop {
        match peek(&read) {
            Peek::More => {}
            Peek::Hello(offer) => return Ok(Overheard { read, offer: Some(*offer) }),
            Peek::Ssl2 | Peek::Damaged => return Ok(Overheard { read, offer: Some(Offer::default()) }),
            Peek::NotTls => return Ok(Overheard { read, offer: None }),
        }
        if socket.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// What is told of a server's answer.
pub type Tell<'a> = dyn FnMut(&Answer) + Send + 'a;

/// Passes everything on until both sides have ended, and counts it in `passed`, which is right whenever the tunnel is
/// given up. The server's answer to the client's hello is told once, when it is whole.
///
/// # Errors
/// Those of the sockets.
pub async fn run(
    client: &mut Socket,
    server: &mut Socket,
    early: &[u8],
    passed: &Passed,
    answered: &mut Tell<'_>,
) -> io::Result<()> {
    passed.client.fetch_add(early.len() as u64, Ordering::Relaxed);
    server.write_all(early).await.inspect_err(|_| passed.ends(Side::Server))?;
    let mut up = Counted { socket: client, side: Side::Client, passed, first: None };
    let mut down = Counted { socket: server, side: Side::Server, passed, first: Some((Vec::new(), answered)) };
    tokio::io::copy_bidirectional(&mut up, &mut down).await?;
    Ok(())
}

/// Waits until nothing passes any more.
pub async fn silent(passed: &Passed) {
    let count = || passed.client.load(Ordering::Relaxed) + passed.server.load(Ordering::Relaxed);
    loop {
        let before = count();
        tokio::time::sleep(SILENCE).await;
        if count() == before {
            return;
        }
    }
}

/// Counts what is read from a connection, and reads a server's answer in it.
struct Counted<'s, 'a> {
    socket: &'s mut Socket,
    side: Side,
    passed: &'s Passed,
    /// What has come of the answer, and whom to tell.
    first: Option<(Vec<u8>, &'s mut Tell<'a>)>,
}

impl Counted<'_, '_> {
    fn came(&mut self, bytes: &[u8]) {
        self.passed.of(self.side).fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if bytes.is_empty() {
            self.passed.ends(self.side);
        }
        let Some((read, tell)) = &mut self.first else { return };
        read.extend_from_slice(bytes);
        match answer::peek(read) {
            Answer::More if read.len() < ANSWER_MAX => return,
            Answer::More => tell(&Answer::Damaged),
            told => tell(&told),
        }
        self.first = None;
    }

    /// The end of a connection that breaks is its peer's doing.
    fn noted<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(_)) = polled {
            self.passed.ends(self.side);
        }
        polled
    }
}

impl AsyncRead for Counted<'_, '_> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut *self.socket).poll_read(cx, into);
        if let Poll::Ready(Ok(())) = polled {
            self.came(into.filled().get(before..).unwrap_or_default());
        }
        self.noted(polled)
    }
}

impl AsyncWrite for Counted<'_, '_> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut *self.socket).poll_write(cx, bytes);
        self.noted(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut *self.socket).poll_flush(cx);
        self.noted(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut *self.socket).poll_shutdown(cx);
        self.noted(polled)
    }
}

#[cfg(test)]
mod tests {
    use super::Passthrough;

    #[test]
    fn names_are_covered_as_in_certificates() {
        let hosts = ["mail.example.", "*.Other.example", "[::1]", "2001:DB8:0::1"].map(str::to_owned);
        let hosts = Passthrough::new(&hosts).expect("hosts");
        for host in ["MAIL.example", "mail.example.", "a.other.example", "::1", "0:0::1", "2001:db8::1"] {
            assert!(hosts.covers(host), "{host}");
        }
        assert!(
            !hosts.covers("x.mail.example") && !hosts.covers("other.example") && !hosts.covers("a.b.other.example")
        );
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for host in ["", "*", "*.", "a.*.b", "mail.example:993", "imaps://mail.example", "*.127.0.0.1", "a..b", "m x"] {
            let said = Passthrough::new(&[host.to_owned()]).expect_err(host);
            assert!(said.contains("without a port"), "{said}");
        }
    }
}
