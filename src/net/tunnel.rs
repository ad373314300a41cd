//! The tunnel for TLS that is to be left alone: bytes pass as they are, and only their number is known afterwards.
//! Takes two connections, with what was read of the client's hello already; gives what went through.
//! Reads nothing of what passes.

use std::io;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

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

/// What went through a tunnel, in bytes.
pub struct Passed {
    pub client: u64,
    pub server: u64,
    pub error: Option<io::Error>,
}

/// Reads until the client's hello is whole, and gives what was read, with the offer if it was a hello.
///
/// # Errors
/// Those of the socket, and `UnexpectedEof` where the client leaves before.
pub async fn listen(socket: &mut TcpStream) -> io::Result<(Vec<u8>, Option<Offer>)> {
    use tokio::io::AsyncReadExt;
    let mut read = Vec::new();
    loop {
        match peek(&read) {
            Peek::More => {}
            Peek::Hello(offer) => return Ok((read, Some(*offer))),
            Peek::Ssl2 | Peek::NotTls(_) | Peek::Damaged => return Ok((read, None)),
        }
        if socket.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Passes everything on until both sides have ended.
pub async fn run(client: &mut TcpStream, server: &mut TcpStream, early: &[u8]) -> Passed {
    let before = early.len() as u64;
    if let Err(error) = server.write_all(early).await {
        return Passed { client: before, server: 0, error: Some(error) };
    }
    let (mut up, mut down) = (Counted(client, 0), Counted(server, 0));
    let error = tokio::io::copy_bidirectional(&mut up, &mut down).await.err();
    Passed { client: before + up.1, server: down.1, error }
}

/// Counts what is read from a connection, so that the number is known however the tunnel ends.
struct Counted<'s>(&'s mut TcpStream, u64);

impl tokio::io::AsyncRead for Counted<'_> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        into: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = std::pin::Pin::new(&mut *self.0).poll_read(cx, into);
        self.1 += (into.filled().len() - before) as u64;
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
