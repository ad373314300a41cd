//! The tunnel for TLS that is to be left alone: bytes pass as they are, and only their number is known afterwards.
//! Takes two connections, with what was read of the client's hello already; gives what went through.
//! Reads nothing of what passes.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::socket::Socket;
use crate::tls::hello::{Offer, Peek, peek};

/// Hosts whose TLS is passed through untouched.
#[derive(Clone, Debug, Default)]
pub struct Passthrough(Vec<String>);

impl Passthrough {
    /// Names as in certificates: `mail.example`, or `*.example` for every name right below it.
    #[must_use]
    pub fn new(hosts: Vec<String>) -> Passthrough {
        Passthrough(hosts)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        self.0.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent)),
            None => pattern.eq_ignore_ascii_case(host),
        })
    }
}

/// What went through a tunnel until now, in bytes of each side.
#[derive(Debug, Default)]
pub struct Passed {
    pub client: AtomicU64,
    pub server: AtomicU64,
}

/// How long nothing must have passed for a tunnel to be at rest. Whether somebody waits for an answer cannot be seen.
const SILENCE: Duration = Duration::from_secs(2);

/// Reads until the client's hello is whole, and gives what was read, with the offer if it was a hello. `read` is what
/// came of it before.
///
/// # Errors
/// Those of the socket, and `UnexpectedEof` where the client leaves before.
pub async fn listen(socket: &mut Socket, mut read: Vec<u8>) -> io::Result<(Vec<u8>, Option<Offer>)> {
    use tokio::io::AsyncReadExt;
    loop {
        match peek(&read) {
            Peek::More => {}
            Peek::Hello(offer) => return Ok((read, Some(*offer))),
            Peek::Ssl2 | Peek::NotTls | Peek::Damaged => return Ok((read, None)),
        }
        if socket.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Passes everything on until both sides have ended, and counts it in `passed`, which is right whenever the tunnel is
/// given up.
///
/// # Errors
/// Those of the sockets.
pub async fn run(client: &mut Socket, server: &mut Socket, early: &[u8], passed: &Passed) -> io::Result<()> {
    passed.client.fetch_add(early.len() as u64, Ordering::Relaxed);
    server.write_all(early).await?;
    let (mut up, mut down) = (Counted(client, &passed.client), Counted(server, &passed.server));
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

/// Counts what is read from a connection.
struct Counted<'s>(&'s mut Socket, &'s AtomicU64);

impl tokio::io::AsyncRead for Counted<'_> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        into: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = std::pin::Pin::new(&mut *self.0).poll_read(cx, into);
        self.1.fetch_add((into.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}

impl tokio::io::AsyncWrite for Counted<'_> {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        std::pin::Pin::new(&mut *self.0).poll_write(cx, bytes)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut *self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::Passthrough;

    #[test]
    fn names_are_covered_as_in_certificates() {
        let hosts = Passthrough::new(vec!["mail.example".into(), "*.Other.example".into()]);
        assert!(hosts.covers("MAIL.example") && hosts.covers("a.other.example"));
        assert!(
            !hosts.covers("x.mail.example") && !hosts.covers("other.example") && !hosts.covers("a.b.other.example")
        );
    }
}
