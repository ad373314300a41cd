//! What a leg stands on: a connection of the system's, or one in memory, whose other end is played from a recording.
//! Takes and gives bytes as any stream.
//! Does not know who plays, nor what is said.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;

/// How many bytes wait in memory, each way, between a session and a played peer: as many as a socket's buffer holds.
pub const PLAYED_BUFFER: usize = 64 * 1024;

pub enum Socket {
    Tcp(TcpStream),
    Played(DuplexStream),
}

impl Socket {
    /// The address of this end; none for one in memory.
    #[must_use]
    pub fn local_ip(&self) -> Option<IpAddr> {
        match self {
            Socket::Tcp(socket) => socket.local_addr().ok().map(|address| address.ip()),
            Socket::Played(_) => None,
        }
    }

    #[must_use]
    pub fn is_played(&self) -> bool {
        matches!(self, Socket::Played(_))
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(socket) => Pin::new(socket).poll_read(cx, into),
            Socket::Played(socket) => Pin::new(socket).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(socket) => Pin::new(socket).poll_write(cx, bytes),
            Socket::Played(socket) => Pin::new(socket).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
            Socket::Played(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(socket) => Pin::new(socket).poll_flush(cx),
            Socket::Played(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            Socket::Played(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}
