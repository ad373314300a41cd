//! Handshakes: TLS on the legs of a session, the server's first.
//! Takes legs and what the process has for TLS, gives finished handshakes as events say them, or why they failed.
//! Knows no protocol; when a leg is to be upgraded is the session's decision.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use rustls::Connection;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use super::leg::Leg;
use super::tunnel::{self, Overheard, Passthrough};
use crate::event::{Certificate, Tls, Verified};
use crate::tls::answer::Answer;
use crate::tls::authority::Authority;
use crate::tls::facts::Facts;
use crate::tls::failure::{self, Failure, Peer};
use crate::tls::hello::Offer;
use crate::tls::leaf::LeafRequest;
use crate::tls::server::{Hello, HelloReader, Refusal, Server};
use crate::tls::upstream::{ClientCertificate, Target, Upstream};
use crate::tls::{certificate, verdict};

/// How long one handshake may take. Clients give up after about as long themselves.
pub const HANDSHAKE_FOR: Duration = Duration::from_secs(30);

/// How much is read at a time while a hello is awaited; one is about 1,900 bytes long.
const HELLO_BLOCK: usize = 4096;

/// What the process has for TLS.
pub struct Secure {
    pub authority: Authority,
    pub server: Server,
    pub upstream: Upstream,
    pub passthrough: Passthrough,
    /// How long one handshake may take; [`HANDSHAKE_FOR`] as a rule.
    pub handshake: Duration,
}

/// A handshake that did not come to its end, with what is known of it.
pub struct Failed {
    pub facts: Tls,
    pub failure: Failure,
    /// What the peer said in place of its hello.
    pub plaintext: Vec<u8>,
}

/// A finished handshake.
pub struct Done {
    pub facts: Tls,
    /// Why the server's certificate would have been refused.
    pub doubt: Option<String>,
}

/// A client's hello that has not been answered yet.
pub struct Asked {
    pub hello: Hello,
    /// What came behind the hello.
    rest: Vec<u8>,
}

impl Asked {
    /// The client has left without waiting for an answer.
    #[must_use]
    pub fn left(&self, how: &str) -> Failed {
        let failure = failure::of_io(Peer::Client, CLIENT, &io::ErrorKind::UnexpectedEof.into());
        Failed::new(how, Facts::of_offer(&self.hello.offer), failure)
    }
}

impl Secure {
    /// Waits for the client's hello; `early` is what was read of it already.
    pub async fn hello(&self, leg: &mut Leg, how: &str, early: &[u8]) -> Result<Asked, Box<Failed>> {
        let reading = read_hello(leg, early);
        let failed = |failure, facts| Box::new(Failed::new(how, facts, failure));
        match timeout(self.handshake, reading).await {
            Ok(Ok(asked)) => Ok(asked),
            Ok(Err(Stop::Refused(refusal))) => {
                let Refusal { alert, offer, failure, plaintext, .. } = *refusal;
                let _ = timeout(self.handshake, leg.socket_mut().write_all(&alert)).await;
                let facts = offer.as_ref().map(Facts::of_offer).unwrap_or_default();
                Err(Box::new(Failed { plaintext, ..Failed::new(how, facts, failure) }))
            }
            Ok(Err(Stop::Broken(error))) => Err(failed(failure::of_io(Peer::Client, CLIENT, &error), Facts::default())),
            Err(_) => Err(failed(failure::of_timeout(Peer::Client, CLIENT, self.handshake), Facts::default())),
        }
    }

    /// Waits for the client's hello without answering it; `early` is what was read of it already.
    pub async fn overhear(&self, leg: &mut Leg, how: &str, early: Vec<u8>) -> Result<Overheard, Box<Failed>> {
        let failure = match timeout(self.handshake, tunnel::listen(leg.socket_mut(), early)).await {
            Ok(Ok(heard)) => return Ok(heard),
            Ok(Err(error)) => failure::of_io(Peer::Client, CLIENT, &error),
            Err(_) => failure::of_timeout(Peer::Client, CLIENT, self.handshake),
        };
        Err(Box::new(Failed::new(how, Facts::default(), failure)))
    }

    /// Shakes hands with the server, as its client: with the SNI and ALPN that the mail client offers.
    pub async fn server_leg(
        &self,
        leg: &mut Leg,
        how: &str,
        name: &str,
        asked: Option<&Asked>,
    ) -> Result<Done, Box<Failed>> {
        let offer = asked.map(|asked| &asked.hello.offer);
        let alpn = offer.map(|offer| offer.alpn.as_slice()).unwrap_or_default();
        let target = Target { name, sni: offer.and_then(|offer| offer.sni.as_deref()), alpn };
        let (connection, watch) = self
            .upstream
            .connect(&target)
            .map_err(|error| Box::new(Failed::new(how, Facts::default(), broken_here(&error.to_string()))))?;
        leg.start_tls(Connection::Client(connection));
        let ended = shake(leg, self.handshake).await;
        leg.asked = watch.client_certificate();
        let facts = match leg.tls() {
            Some(Connection::Client(connection)) => Facts::of_server_leg(connection, &watch, alpn),
            _ => Facts::default(),
        };
        let verified = watch.verified();
        if let Err(problem) = ended {
            let failure = match (&verified, problem) {
                (crate::tls::verdict::Verified::No(reason), Problem::Broken(error)) => {
                    failure::unverified(reason, Some(&error))
                }
                (crate::tls::verdict::Verified::No(reason), Problem::Slow) => failure::unverified(reason, None),
                (_, Problem::Broken(error)) => failure::of_client_certificate(name, &error, leg.asked)
                    .unwrap_or_else(|| failure::of_io(Peer::Server, name, &error).with_answer(name, leg.first())),
                (_, Problem::Slow) => failure::of_timeout(Peer::Server, name, self.handshake),
            };
            return Err(Box::new(Failed::new(how, facts, failure)));
        }
        Ok(Done { facts: described(how, facts), doubt: verified.reason().map(str::to_owned) })
    }

    /// Answers the client's hello with a leaf for the name that it asked for, or else the server's.
    pub async fn client_leg(
        &self,
        leg: &mut Leg,
        how: &str,
        asked: Asked,
        upstream: &str,
        names: &[String],
        alpn: Option<&[u8]>,
    ) -> Result<Done, Box<Failed>> {
        let Asked { hello, mut rest } = asked;
        rest.append(&mut leg.take_unanswered());
        let offer = hello.offer.clone();
        let failed = |failure, facts| Box::new(Failed::new(how, facts, failure));
        let listener: IpAddr = leg.socket().local_ip().unwrap_or(IpAddr::from([0, 0, 0, 0]));
        let name = offer.sni.as_deref().unwrap_or(upstream);
        let request = LeafRequest { name: Some(name), extra: names, listener };
        let made = self.authority.leaf(&request).and_then(|leaf| Ok((self.server.config(&leaf, alpn)?, leaf)));
        let (config, leaf) = made.map_err(|error| failed(broken_here(&error.to_string()), Facts::of_offer(&offer)))?;
        let mut connection = match hello.answer(config) {
            Ok(connection) => connection,
            Err(refusal) => {
                let _ = timeout(self.handshake, leg.socket_mut().write_all(&refusal.alert)).await;
                return Err(failed(refusal.failure, Facts::of_offer(&offer)));
            }
        };
        let taken = feed(&mut connection, &mut rest);
        leg.start_tls(Connection::Server(connection));
        let ended = match taken {
            Ok(()) => shake(leg, self.handshake).await,
            Err(error) => Err(Problem::Broken(error)),
        };
        let facts = match leg.tls() {
            Some(Connection::Server(connection)) => Facts::of_client_leg(connection, &offer, &leaf.cert),
            _ => Facts::of_offer(&offer),
        };
        match ended {
            Ok(()) => Ok(Done { facts: described(how, facts), doubt: None }),
            Err(Problem::Broken(error)) => Err(failed(failure::of_io(Peer::Client, CLIENT, &error), facts)),
            Err(Problem::Slow) => Err(failed(failure::of_timeout(Peer::Client, CLIENT, self.handshake), facts)),
        }
    }
}

/// How sentences name the peer of the client leg.
const CLIENT: &str = "the client";

enum Stop {
    Refused(Box<Refusal>),
    Broken(io::Error),
}

enum Problem {
    Broken(io::Error),
    Slow,
}

impl Failed {
    fn new(how: &str, facts: Facts, failure: Failure) -> Failed {
        Failed { facts: described(how, facts), failure, plaintext: Vec::new() }
    }

    /// The failure in one sentence, with what to do about it.
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.failure.advice {
            Some(advice) => format!("{}: {advice}", self.failure.text),
            None => self.failure.text.clone(),
        }
    }
}

async fn read_hello(leg: &mut Leg, early: &[u8]) -> Result<Asked, Stop> {
    let mut reader = HelloReader::new();
    let mut next = early.to_vec();
    loop {
        let mut bytes = next.as_slice();
        match reader.feed(&mut bytes) {
            Ok(Some(hello)) => return Ok(Asked { hello, rest: bytes.to_vec() }),
            Ok(None) => {}
            Err(mut refusal) => {
                if !refusal.plaintext.is_empty() {
                    refusal.plaintext.extend_from_slice(bytes);
                }
                return Err(Stop::Refused(refusal));
            }
        }
        let mut block = [0; HELLO_BLOCK];
        let read = poll_fn(|cx| {
            let mut into = ReadBuf::new(&mut block);
            Pin::new(leg.socket_mut()).poll_read(cx, &mut into).map_ok(|()| into.filled().len())
        });
        match read.await {
            Ok(0) => return Err(Stop::Broken(io::ErrorKind::UnexpectedEof.into())),
            Ok(read) => next = block.get(..read).unwrap_or_default().to_vec(),
            Err(error) => return Err(Stop::Broken(error)),
        }
    }
}

/// Gives a connection what was read for it already.
fn feed(connection: &mut rustls::ServerConnection, rest: &mut Vec<u8>) -> io::Result<()> {
    let mut bytes = rest.as_slice();
    while !bytes.is_empty() {
        connection.read_tls(&mut bytes)?;
        connection.process_new_packets().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    }
    rest.clear();
    Ok(())
}

async fn shake(leg: &mut Leg, limit: Duration) -> Result<(), Problem> {
    match timeout(limit, poll_fn(|cx| leg.poll_handshake(cx))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Problem::Broken(error)),
        Err(_) => Err(Problem::Slow),
    }
}

fn broken_here(why: &str) -> Failure {
    Failure { blame: failure::Blame::Mailtap, code: failure::FAILED, text: why.to_owned(), advice: None }
}

/// What a hello offers, as an event says it.
pub fn offered(how: &str, offer: &Offer) -> Tls {
    described(how, Facts::of_offer(offer))
}

/// What a server whose TLS is passed through answered.
pub fn answered(how: &str, answer: &Answer) -> Tls {
    match answer {
        Answer::Hello(chosen) => described(how, Facts::of_answer(chosen)),
        other => Tls { error: Some(other.to_string()), ..described(how, Facts::default()) },
    }
}

/// Facts as an event says them.
fn described(how: &str, facts: Facts) -> Tls {
    Tls {
        how: how.to_owned(),
        version: facts.version,
        cipher: facts.cipher,
        group: facts.group,
        sni: facts.sni,
        alpn: facts.alpn,
        alpn_offered: facts.alpn_offered,
        versions_offered: facts.versions_offered,
        verified: facts.verified.and_then(|verified| match verified {
            verdict::Verified::NotSeen => None,
            verdict::Verified::Yes => Some(Verified::Yes),
            verdict::Verified::No(_) => Some(Verified::No),
            verdict::Verified::Skipped(_) => Some(Verified::Skipped),
        }),
        resumed: facts.resumed,
        client_certificate: facts.client_certificate.map(|asked| {
            match asked {
                ClientCertificate::NotAsked => "not asked",
                ClientCertificate::Asked => "asked",
                ClientCertificate::Given => "given",
            }
            .to_owned()
        }),
        certificate: facts.certificate.as_ref().map(told),
        chain: facts.chain.iter().map(told).collect(),
        error: None,
    }
}

fn told(certificate: &certificate::Certificate) -> Certificate {
    Certificate {
        subject: certificate.subject.clone(),
        issuer: certificate.issuer.clone(),
        names: certificate.names.clone(),
        not_after: certificate.not_after.clone(),
        sha256: certificate.sha256.clone(),
    }
}
