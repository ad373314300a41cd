//! The client leg: the mail client's hello, and the rustls server that answers it once the server leg is known.
//! Takes the bytes of the client, a leaf and the server's ALPN answer; gives the offer, then a connection.
//! Knows no sockets: the caller moves the bytes.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{
    Accepted, AcceptedAlert, Acceptor, ClientHello, ProducesTickets, ResolvesServerCert, ServerSessionMemoryCache,
    StoresServerSessions,
};
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InvalidMessage, KeyLog, NoKeyLog, PeerIncompatible, ServerConfig, ServerConnection};

use crate::tls::failure::{self, Failure};
use crate::tls::hello::{self, HELLO_MAX, Offer, Peek};
use crate::tls::{Error, provider};

/// Configurations kept, at most: one for each leaf and ALPN answer in use, a few KiB each.
pub const CONFIGS_MAX: usize = 256;

/// TLS 1.2 sessions kept for clients without tickets, at most, for all configurations together; some 200 bytes each.
const SESSIONS_MAX: usize = 1024;

/// Makes the configurations of the client leg. One serves the whole process.
pub struct Server {
    key_log: Arc<dyn KeyLog>,
    tickets: Arc<dyn ProducesTickets>,
    sessions: Arc<dyn StoresServerSessions>,
    /// Most recently used last.
    kept: Mutex<Vec<Kept>>,
}

struct Kept {
    leaf: Arc<CertifiedKey>,
    alpn: Option<Vec<u8>>,
    config: Arc<ServerConfig>,
}

impl Server {
    /// # Errors
    /// When the crypto library fails, which needs a broken machine.
    pub fn new(key_log: Option<Arc<dyn KeyLog>>) -> Result<Server, Error> {
        Ok(Server {
            key_log: key_log.unwrap_or_else(|| Arc::new(NoKeyLog)),
            tickets: Ticketer::new().map_err(|why| Error::new(format!("TLS tickets cannot be set up: {why}")))?,
            sessions: ServerSessionMemoryCache::new(SESSIONS_MAX),
            kept: Mutex::default(),
        })
    }

    /// The configuration that presents `leaf` and answers the client's ALPN offer with `alpn`, the server's choice;
    /// with none, the client's offer is left unanswered. TLS 1.2 and 1.3, resumption allowed, never 0-RTT.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub fn config(&self, leaf: &Arc<CertifiedKey>, alpn: Option<&[u8]>) -> Result<Arc<ServerConfig>, Error> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().position(|one| Arc::ptr_eq(&one.leaf, leaf) && one.alpn.as_deref() == alpn);
        if let Some(at) = found {
            let one = kept.remove(at);
            let config = Arc::clone(&one.config);
            kept.push(one);
            return Ok(config);
        }
        let config = Arc::new(self.make(leaf, alpn)?);
        if kept.len() >= CONFIGS_MAX {
            kept.remove(0);
        }
        kept.push(Kept { leaf: Arc::clone(leaf), alpn: alpn.map(<[u8]>::to_vec), config: Arc::clone(&config) });
        Ok(config)
    }

    fn make(&self, leaf: &Arc<CertifiedKey>, alpn: Option<&[u8]>) -> Result<ServerConfig, Error> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|why| Error::new(format!("TLS cannot be set up: {why}")))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Leaf(Arc::clone(leaf))));
        config.key_log = Arc::clone(&self.key_log);
        config.ticketer = Arc::clone(&self.tickets);
        config.session_storage = Arc::clone(&self.sessions);
        config.alpn_protocols = alpn.map(<[u8]>::to_vec).into_iter().collect();
        config.max_early_data_size = 0;
        Ok(config)
    }
}

/// Presents the same certificate to everybody: which one was decided when the hello was read.
struct Leaf(Arc<CertifiedKey>);

impl ResolvesServerCert for Leaf {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leaf")
    }
}

/// Collects a client's hello from reads of any size.
#[derive(Default)]
pub struct HelloReader {
    acceptor: Acceptor,
    /// A copy of what was read, for what rustls does not tell.
    seen: Vec<u8>,
}

impl HelloReader {
    #[must_use]
    pub fn new() -> HelloReader {
        HelloReader::default()
    }

    /// Reads from the front of `bytes`. `None`: all were taken and more are wanted. Once the hello is there, what is
    /// left in `bytes` belongs to the connection (`read_tls`), and this reader must not be used again.
    ///
    /// # Errors
    /// When it is no TLS, too old, or breaks the rules. The refusal has the alert to send.
    pub fn feed(&mut self, bytes: &mut &[u8]) -> Result<Option<Hello>, Box<Refusal>> {
        while !bytes.is_empty() {
            let before = *bytes;
            let room = HELLO_MAX.saturating_sub(self.seen.len());
            if room == 0 {
                return Err(
                    self.refusal(TlsError::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge), Vec::new())
                );
            }
            let mut part = before.get(..room).unwrap_or(before);
            let read = self.acceptor.read_tls(&mut part);
            let taken = match read {
                Ok(count) if count > 0 => count,
                _ => return Err(self.refusal(TlsError::PeerSentOversizedRecord, Vec::new())),
            };
            *bytes = before.get(taken..).unwrap_or_default();
            self.seen.extend_from_slice(before.get(..taken).unwrap_or_default());
            match self.acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => return self.accepted(accepted).map(Some),
                Err((error, alert)) => return Err(self.refusal(error, written(alert))),
            }
        }
        Ok(None)
    }

    fn accepted(&mut self, accepted: Accepted) -> Result<Hello, Box<Refusal>> {
        let offer = match hello::peek(&self.seen) {
            Peek::Hello(offer) => *offer,
            // rustls has read it, so this does not happen; if it does, the facts are poorer and nothing else.
            _ => offer_of(&accepted.client_hello()),
        };
        if !offer.versions.is_empty() && !offer.is_new_enough() {
            let error = TlsError::PeerIncompatible(PeerIncompatible::Tls12NotOffered);
            return Err(self.refusal(error, Vec::new()));
        }
        self.seen = Vec::new();
        Ok(Hello { offer, accepted })
    }

    fn refusal(&self, error: TlsError, alert: Vec<u8>) -> Box<Refusal> {
        let peek = hello::peek(&self.seen);
        let failure = failure::of_hello(&error, &peek);
        let plaintext = if peek == Peek::NotTls { self.seen.clone() } else { Vec::new() };
        let offer = if let Peek::Hello(offer) = peek { Some(*offer) } else { None };
        let alert = match failure.code {
            // Somebody who speaks no TLS must not be answered in TLS.
            failure::PLAINTEXT => Vec::new(),
            // rustls may stumble over something else first that an old hello lacks; this says more.
            failure::VERSION => PROTOCOL_VERSION_ALERT.to_vec(),
            _ => alert,
        };
        Box::new(Refusal { error, alert, offer, failure, plaintext })
    }
}

/// A complete hello, not yet answered.
pub struct Hello {
    pub offer: Offer,
    accepted: Accepted,
}

impl Hello {
    /// The connection that answers the hello. It has bytes to be written right away.
    ///
    /// # Errors
    /// When client and configuration have nothing in common; the refusal has the alert to send.
    pub fn answer(self, config: Arc<ServerConfig>) -> Result<ServerConnection, Box<Refusal>> {
        let Hello { offer, accepted } = self;
        accepted.into_connection(config).map_err(|(error, alert)| {
            let failure = failure::of_offer(&error, &offer);
            Box::new(Refusal { failure, error, alert: written(alert), offer: Some(offer), plaintext: Vec::new() })
        })
    }
}

/// Why a hello cannot be answered.
#[derive(Debug)]
pub struct Refusal {
    pub error: TlsError,
    /// To be sent to the client as it is; may be empty.
    pub alert: Vec<u8>,
    pub offer: Option<Offer>,
    pub failure: Failure,
    /// What was read in place of a hello.
    pub plaintext: Vec<u8>,
}

/// Fatal alert 70 in a record (RFC 8446 section 6), for clients before TLS 1.2.
const PROTOCOL_VERSION_ALERT: [u8; 7] = [21, 3, 1, 0, 2, 2, 70];

fn written(mut alert: AcceptedAlert) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory does not fail.
    let _ = alert.write_all(&mut bytes);
    bytes
}

fn offer_of(hello: &ClientHello<'_>) -> Offer {
    Offer {
        sni: hello.server_name().map(str::to_string),
        alpn: hello.alpn().map(|names| names.map(<[u8]>::to_vec).collect()).unwrap_or_default(),
        ciphers: hello.cipher_suites().iter().map(|suite| u16::from(*suite)).collect(),
        signature_schemes: hello.signature_schemes().iter().map(|scheme| u16::from(*scheme)).collect(),
        groups: hello.named_groups().unwrap_or_default().iter().map(|group| u16::from(*group)).collect(),
        ..Offer::default()
    }
}
