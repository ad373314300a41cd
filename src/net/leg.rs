//! One connection of a session: a socket, with or without TLS on it, read and written without waiting.
//! Takes bytes to send and keeps what the socket does not take yet; gives the bytes that come.
//! Does not know what the bytes mean, nor what the other leg does.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::socket::Socket;
use crate::tls::certificate::Certificate;
use crate::tls::upstream::ClientCertificate;
use rustls::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes are read at a time. Larger blocks cost less for each byte up to here, and one buffer of this size
/// is shared by all sessions of a thread.
pub const BLOCK: usize = 256 * 1024;

/// How many times a flush of TLS records is tried in one go, so that one session does not keep a thread to itself.
const ROUNDS: usize = 64;

pub struct Leg {
    socket: Socket,
    tls: Option<Box<Connection>>,
    /// What was to be sent and is not yet, from `unsent_at` on.
    unsent: Vec<u8>,
    unsent_at: usize,
    /// No more will be sent: the end is to be told when everything has gone.
    ending: Ending,
    /// The peer ended TLS with a close_notify before it ended the connection.
    pub closed_cleanly: bool,
    /// Whether the peer asked for a certificate, and what it got.
    pub asked: ClientCertificate,
    /// How the peer's side of the TLS handshake began.
    first: Vec<u8>,
    /// The peer waits for the answer to its hello, and has sent this behind it. What is to be sent to it waits as well: it
    /// is for within TLS.
    unanswered: Option<Vec<u8>>,
}

/// How many bytes of a peer whose hello has not been answered are kept. It has little to say then; if it goes on, it is not
/// read further.
const UNANSWERED_MAX: usize = 64 * 1024;

/// How much of that is kept: the headers of a record (RFC 8446 §5.1) and of a message (§4), and the hello's version.
const FIRST: usize = 5 + 4 + 2;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    No,
    Wanted,
    Done,
}

impl Leg {
    #[must_use]
    pub fn plain(socket: Socket) -> Leg {
        Leg {
            socket,
            tls: None,
            unsent: Vec::new(),
            unsent_at: 0,
            ending: Ending::No,
            closed_cleanly: true,
            asked: ClientCertificate::NotAsked,
            first: Vec::new(),
            unanswered: None,
        }
    }

    /// The peer's hello was read, and is answered later, by [`Leg::start_tls`].
    pub fn keep_waiting(&mut self) {
        self.unanswered = Some(Vec::new());
    }

    /// What the peer sent behind a hello that had to wait for its answer.
    pub fn take_unanswered(&mut self) -> Vec<u8> {
        self.unanswered.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The socket itself, for what passes before TLS has begun.
    pub fn socket_mut(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// Whether its peer is played: then it never has TLS, whatever is agreed on.
    #[must_use]
    pub fn is_played(&self) -> bool {
        self.socket.is_played()
    }

    #[must_use]
    pub fn tls(&self) -> Option<&Connection> {
        self.tls.as_deref()
    }

    /// The first bytes of the peer's handshake, up to the version in its hello.
    #[must_use]
    pub fn first(&self) -> &[u8] {
        &self.first
    }

    /// The names in the certificate that the peer presented.
    #[must_use]
    pub fn peer_names(&self) -> Vec<String> {
        let presented = self.tls().and_then(|tls| tls.peer_certificates()).and_then(<[_]>::first);
        presented.and_then(Certificate::parse).map(|certificate| certificate.names).unwrap_or_default()
    }

    /// From here on the leg speaks TLS. The handshake is done by [`Leg::poll_handshake`].
    pub fn start_tls(&mut self, connection: Connection) {
        self.tls = Some(Box::new(connection));
        self.unanswered = None;
        self.closed_cleanly = false;
    }

    /// Whether something that was to be sent has not gone yet.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.unsent_at < self.unsent.len() || self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Whether the end has been told to the peer.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ending == Ending::Done
    }

    /// Reads what there is; 0 is the end of the stream.
    ///
    /// # Errors
    /// Those of the socket, `InvalidData` with a [`rustls::Error`] inside where TLS is broken, and `UnexpectedEof` where
    /// the peer leaves before its hello is answered.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.unanswered.is_some() {
            return self.poll_unanswered(cx, into).map(Err);
        }
        let Leg { socket, tls, closed_cleanly, .. } = self;
        let Some(tls) = tls else {
            let mut into = ReadBuf::new(into);
            ready!(Pin::new(socket).poll_read(cx, &mut into))?;
            return Poll::Ready(Ok(into.filled().len()));
        };
        let mut filled = 0;
        loop {
            // All the records that have come, as far as there is room: fewer, larger blocks for the other leg.
            while filled < into.len() {
                match tls.reader().read(into.get_mut(filled..).unwrap_or_default()) {
                    Ok(0) => {
                        *closed_cleanly = true;
                        return Poll::Ready(Ok(filled));
                    }
                    Ok(read) => filled += read,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Poll::Ready(Ok(filled)),
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            if filled == into.len() {
                return Poll::Ready(Ok(filled));
            }
            match tls.read_tls(&mut Adapter { socket, cx }) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return if filled > 0 { Poll::Ready(Ok(filled)) } else { Poll::Pending };
                }
                Err(error) => return if filled > 0 { Poll::Ready(Ok(filled)) } else { Poll::Ready(Err(error)) },
            }
            if let Err(error) = tls.process_new_packets() {
                // The alert that says why, as far as the socket takes it.
                let _ = tls.write_tls(&mut Adapter { socket, cx });
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
            }
        }
    }

    /// Reads what comes of a peer whose hello is not answered yet. None of it can be understood before.
    fn poll_unanswered(&mut self, cx: &mut Context<'_>, block: &mut [u8]) -> Poll<io::Error> {
        while let Some(kept) = self.unanswered.as_mut().filter(|kept| kept.len() < UNANSWERED_MAX) {
            let mut into = ReadBuf::new(block);
            match ready!(Pin::new(&mut self.socket).poll_read(cx, &mut into)) {
                Ok(()) if into.filled().is_empty() => return Poll::Ready(io::ErrorKind::UnexpectedEof.into()),
                Ok(()) => kept.extend_from_slice(into.filled()),
                Err(error) => return Poll::Ready(error),
            }
        }
        Poll::Pending
    }

    /// Sends bytes, and keeps what cannot go yet.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send(&mut self, cx: &mut Context<'_>, mut bytes: &[u8]) -> io::Result<()> {
        if self.unsent_at == self.unsent.len() && self.unanswered.is_none() {
            let sent = self.write(cx, bytes)?;
            bytes = bytes.get(sent..).unwrap_or_default();
        }
        self.unsent.extend_from_slice(bytes);
        Ok(())
    }

    /// Sends what is left. Ready when everything has gone, the end included if it is wanted.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.unsent_at < self.unsent.len() && self.unanswered.is_none() {
            let unsent = std::mem::take(&mut self.unsent);
            let sent = self.write(cx, unsent.get(self.unsent_at..).unwrap_or_default());
            self.unsent = unsent;
            match sent? {
                0 => return Poll::Pending,
                sent => self.unsent_at += sent,
            }
        }
        if self.unanswered.is_none() {
            self.unsent = Vec::new();
            self.unsent_at = 0;
        }
        ready!(self.poll_records(cx))?;
        if self.ending == Ending::Wanted {
            if let Some(tls) = &mut self.tls {
                tls.send_close_notify();
                ready!(self.poll_records(cx))?;
            }
            self.ending = Ending::Done;
            // The peer may be gone already.
            let _ = ready!(Pin::new(&mut self.socket).poll_shutdown(cx));
        }
        Poll::Ready(Ok(()))
    }

    /// Tells the peer, after what is left to send, that no more will come.
    pub fn end(&mut self) {
        if self.ending == Ending::No {
            self.ending = Ending::Wanted;
        }
    }

    #[must_use]
    pub fn wants_end(&self) -> bool {
        self.ending == Ending::Wanted
    }

    /// Goes on with the TLS handshake. Ready when it has ended.
    ///
    /// # Errors
    /// Those of the socket, `UnexpectedEof` where the peer leaves, and `InvalidData` with a [`rustls::Error`] inside.
    pub fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let written = self.poll_records(cx)?;
            let Leg { socket, tls: Some(tls), first, .. } = self else { return Poll::Ready(Ok(())) };
            if !tls.is_handshaking() {
                // The last flight must be on its way before the handshake counts as done.
                ready!(written);
                return Poll::Ready(Ok(()));
            }
            if tls.wants_read() {
                match tls.read_tls(&mut Noting { adapter: Adapter { socket, cx }, first }) {
                    Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                    Err(error) => return Poll::Ready(Err(error)),
                }
                if let Err(error) = tls.process_new_packets() {
                    let _ = tls.write_tls(&mut Adapter { socket, cx });
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
                }
            } else if written.is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Gives how many of the bytes were taken; 0 where the socket is full.
    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<usize> {
        let mut sent = 0;
        while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
            let taken = match &mut self.tls {
                None => match Pin::new(&mut self.socket).poll_write(cx, rest) {
                    Poll::Ready(taken) => taken?,
                    Poll::Pending => return Ok(sent),
                },
                Some(tls) => {
                    // rustls takes as much as its own buffer holds.
                    let taken = tls.writer().write(rest)?;
                    if self.poll_records(cx)?.is_pending() {
                        return Ok(sent + taken);
                    }
                    taken
                }
            };
            sent += taken;
        }
        Ok(sent)
    }

    /// Sends the TLS records that are ready.
    fn poll_records(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Leg { socket, tls: Some(tls), .. } = self else { return Poll::Ready(Ok(())) };
        for _ in 0..ROUNDS {
            if !tls.wants_write() {
                return Poll::Ready(Ok(()));
            }
            match tls.write_tls(&mut Adapter { socket, cx }) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A socket as rustls wants it: `WouldBlock` where there is nothing to do now, and the task is woken when there is.
struct Adapter<'a, 'c> {
    socket: &'a mut Socket,
    cx: &'a mut Context<'c>,
}

impl Read for Adapter<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut into = ReadBuf::new(into);
        match Pin::new(&mut *self.socket).poll_read(self.cx, &mut into) {
            Poll::Ready(Ok(())) => Ok(into.filled().len()),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// The same, and the first bytes are kept.
struct Noting<'a, 'c> {
    adapter: Adapter<'a, 'c>,
    first: &'a mut Vec<u8>,
}

impl Read for Noting<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.adapter.read(into)?;
        let wanted = FIRST.saturating_sub(self.first.len()).min(read);
        self.first.extend_from_slice(into.get(..wanted).unwrap_or_default());
        Ok(read)
    }
}

impl Write for Adapter<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match Pin::new(&mut *self.socket).poll_write(self.cx, bytes) {
            Poll::Ready(taken) => taken,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match Pin::new(&mut *self.socket).poll_write_vectored(self.cx, slices) {
            Poll::Ready(taken) => taken,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
