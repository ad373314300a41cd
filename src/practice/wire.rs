//! One client connection: lines and counted bytes in, replies out; plain, under TLS, or deflated.
//! Takes a socket; gives lines bounded in length, and sends what was written before it waits for more.
//! It does not know any protocol.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::limits::{HANDSHAKE, READ, WRITE, WRITE_BUFFER};

/// Octets of a line that was too long which are kept.
const START: usize = 256;

pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A line without its line end.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    Whole(Vec<u8>),
    /// It was longer than allowed and was dropped up to its end; how it began, to tell who asked.
    TooLong {
        start: Vec<u8>,
    },
}

/// How a server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopping {
    No,
    /// Where nothing is under way.
    AtRest,
    AtOnce,
}

pub struct Wire {
    /// None only after a failed handshake.
    io: Option<Box<dyn Io>>,
    input: Vec<u8>,
    /// What one read fills.
    block: Box<[u8]>,
    out: Vec<u8>,
    idle: Duration,
    squeeze: Option<Squeeze>,
    is_secure: bool,
    stopped: Option<watch::Receiver<Stopping>>,
}

/// Both directions of COMPRESS=DEFLATE (RFC 4978).
struct Squeeze {
    deflate: Compress,
    inflate: Decompress,
    /// Received, not inflated yet.
    pending: Vec<u8>,
}

impl Wire {
    pub fn new(io: Box<dyn Io>, idle: Duration) -> Self {
        Wire {
            io: Some(io),
            input: Vec::new(),
            block: vec![0; READ].into_boxed_slice(),
            out: Vec::new(),
            idle,
            squeeze: None,
            is_secure: false,
            stopped: None,
        }
    }

    /// When the server stops no further command is waited for.
    pub fn stop_at(&mut self, stopped: watch::Receiver<Stopping>) {
        self.stopped = Some(stopped);
    }

    /// From here on so much silence is put up with.
    pub fn wait_up_to(&mut self, idle: Duration) {
        self.idle = idle;
    }

    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.squeeze.is_some()
    }

    /// Adds to what is to be sent.
    pub fn push(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Adds a line; CRLF is put behind it.
    pub fn line(&mut self, text: &str) {
        self.push(text.as_bytes());
        self.push(b"\r\n");
    }

    /// Adds what may be as long as a message, and sends it piece by piece, so that it is not held once more.
    pub async fn push_long(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(WRITE_BUFFER) {
            self.push(piece);
            self.relieve().await?;
        }
        Ok(())
    }

    /// Sends what has piled up, when it is much. Loops that write a lot call this.
    pub async fn relieve(&mut self) -> io::Result<()> {
        match self.out.len() < WRITE_BUFFER {
            true => Ok(()),
            false => self.flush().await,
        }
    }

    /// Sends everything. Errors: the client is gone, or took nothing for two minutes.
    pub async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let mut sending = std::mem::take(&mut self.out);
        if let Some(squeeze) = &mut self.squeeze {
            sending = squeeze.deflate(&sending)?;
        }
        let io = self.io.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        for block in sending.chunks(WRITE_BUFFER) {
            timeout(WRITE, io.write_all(block)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        }
        timeout(WRITE, io.flush()).await.map_err(|_| io::ErrorKind::TimedOut)??;
        Ok(())
    }

    /// The next line, up to LF; a CR before it goes too. Errors: `UnexpectedEof` at the end, `TimedOut` after silence.
    pub async fn read_line(&mut self, max: usize) -> io::Result<Line> {
        let mut looked = 0;
        let mut too_long = None;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.input[looked..]).map(|at| looked + at) {
                let mut line: Vec<u8> = self.input.drain(..=at).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                if too_long.is_none() && line.len() > max {
                    too_long = Some(start_of(&line));
                }
                return Ok(too_long.map_or(Line::Whole(line), |start| Line::TooLong { start }));
            }
            looked = self.input.len();
            // One more for the CR.
            if looked > max + 1 {
                too_long.get_or_insert_with(|| start_of(&self.input));
                self.input.clear();
                looked = 0;
            }
            self.fill().await?;
        }
    }

    /// The next line where nothing is under way. Errors: the same, and `Interrupted` where the server is to stop.
    pub async fn read_command(&mut self, max: usize) -> io::Result<Line> {
        self.flush().await?;
        if self.input.is_empty() {
            let stopped = stopped(self.stopped.clone());
            tokio::select! {
                biased;
                // What has come already is still answered.
                filled = self.fill() => filled?,
                () = stopped => return Err(io::ErrorKind::Interrupted.into()),
            }
        }
        self.read_line(max).await
    }

    /// Appends exactly `count` octets to `to`. The caller has bounded the count.
    pub async fn read_exact(&mut self, count: u64, to: &mut Vec<u8>) -> io::Result<()> {
        let mut left = count;
        while left > 0 {
            let block = self.read_some(left).await?;
            to.extend_from_slice(&block);
            left -= block.len() as u64;
        }
        Ok(())
    }

    /// Reads and drops `count` octets.
    pub async fn skip(&mut self, count: u64) -> io::Result<()> {
        let mut left = count;
        while left > 0 {
            left -= self.read_some(left).await?.len() as u64;
        }
        Ok(())
    }

    /// Some octets, at least one and at most `max`.
    pub async fn read_some(&mut self, max: u64) -> io::Result<Vec<u8>> {
        if self.input.is_empty() {
            self.fill().await?;
        }
        let take = usize::try_from(max).map_or(self.input.len(), |max| max.min(self.input.len()));
        let rest = self.input.split_off(take);
        Ok(std::mem::replace(&mut self.input, rest))
    }

    /// Puts octets back that were read too far.
    pub fn unread(&mut self, bytes: &[u8]) {
        self.input.splice(0..0, bytes.iter().copied());
    }

    /// Waits for input. Safe to give up while waiting, if everything was flushed before.
    pub async fn fill(&mut self) -> io::Result<()> {
        self.flush().await?;
        loop {
            if let Some(squeeze) = &mut self.squeeze
                && squeeze.inflate_into(&mut self.input)?
            {
                return Ok(());
            }
            let io = self.io.as_mut().ok_or(io::ErrorKind::NotConnected)?;
            let read = timeout(self.idle, io.read(&mut self.block)).await.map_err(|_| io::ErrorKind::TimedOut)??;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match &mut self.squeeze {
                Some(squeeze) => squeeze.pending.extend_from_slice(&self.block[..read]),
                None => {
                    self.input.extend_from_slice(&self.block[..read]);
                    return Ok(());
                }
            }
        }
    }

    /// The server's side of STARTTLS and of TLS from the first byte. What the client sent in plaintext ahead of the
    /// handshake is dropped, or it would be taken for something said under TLS.
    pub async fn accept_tls(&mut self, config: Arc<rustls::ServerConfig>) -> io::Result<()> {
        self.flush().await?;
        self.input.clear();
        let io = self.io.take().ok_or(io::ErrorKind::NotConnected)?;
        let stopped = stopped(self.stopped.clone());
        let tls = tokio::select! {
            tls = timeout(HANDSHAKE, TlsAcceptor::from(config).accept(io)) => tls,
            () = stopped => return Err(io::ErrorKind::Interrupted.into()),
        };
        self.io = Some(Box::new(tls.map_err(|_| io::ErrorKind::TimedOut)??));
        self.is_secure = true;
        Ok(())
    }

    /// The client's side of the same, for the scripted client.
    pub async fn connect_tls(
        &mut self,
        config: Arc<rustls::ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<()> {
        self.flush().await?;
        self.input.clear();
        let io = self.io.take().ok_or(io::ErrorKind::NotConnected)?;
        let tls = timeout(HANDSHAKE, TlsConnector::from(config).connect(name, io)).await;
        self.io = Some(Box::new(tls.map_err(|_| io::ErrorKind::TimedOut)??));
        self.is_secure = true;
        Ok(())
    }

    /// Everything after what is now buffered to be sent is deflated, everything not read yet is inflated.
    pub async fn compress(&mut self) -> io::Result<()> {
        self.flush().await?;
        self.squeeze = Some(Squeeze {
            deflate: Compress::new(Compression::fast(), false),
            inflate: Decompress::new(false),
            pending: std::mem::take(&mut self.input),
        });
        Ok(())
    }

    /// Sends the rest and closes: under TLS with a close_notify.
    pub async fn close(&mut self) {
        let _ = self.flush().await;
        if let Some(io) = &mut self.io {
            let _ = timeout(HANDSHAKE, io.shutdown()).await;
        }
    }
}

/// Until the server stops, if it ever does.
async fn stopped(stopping: Option<watch::Receiver<Stopping>>) {
    let Some(mut stopping) = stopping else { return std::future::pending().await };
    if stopping.wait_for(|stopping| *stopping != Stopping::No).await.is_err() {
        std::future::pending().await
    }
}

fn start_of(line: &[u8]) -> Vec<u8> {
    line[..line.len().min(START)].to_vec()
}

impl Squeeze {
    /// Inflates a bounded piece. False: more input is needed.
    fn inflate_into(&mut self, to: &mut Vec<u8>) -> io::Result<bool> {
        if self.pending.is_empty() {
            return Ok(false);
        }
        let before = to.len();
        let mut piece = vec![0; READ];
        let (had_in, had_out) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self
            .inflate
            .decompress(&self.pending, &mut piece, FlushDecompress::None)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        to.extend_from_slice(&piece[..(self.inflate.total_out() - had_out) as usize]);
        self.pending.drain(..(self.inflate.total_in() - had_in) as usize);
        if status == Status::StreamEnd && to.len() == before {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(to.len() > before)
    }

    fn deflate(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::with_capacity(bytes.len() / 2 + 64);
        let start = self.deflate.total_in();
        loop {
            let done = (self.deflate.total_in() - start) as usize;
            out.reserve(READ);
            let room = out.capacity() - out.len();
            self.deflate
                .compress_vec(&bytes[done..], &mut out, FlushCompress::Sync)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            // Output space left over says that everything, the flush included, came out.
            let all_in = (self.deflate.total_in() - start) as usize == bytes.len();
            if all_in && out.capacity() > out.len() && room > 0 {
                return Ok(out);
            }
        }
    }
}
