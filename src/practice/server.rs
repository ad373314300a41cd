//! The listeners: which service answers where, how many at a time, until when.
//! Takes a [`Config`]; gives a [`Running`] server, or a [`Host`] for single conversations. Each connection ends alone.
//! It does not know what any protocol says, except how each turns away one connection too many.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::{Instrument, debug, debug_span};

use super::store::Bounds;
use super::users::Users;
use super::wire::{Io, Stopping, Wire};
use super::{Addresses, Config, Limits, imap, pop3, smtp};

/// Wait after an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many ports above a wanted one are tried when it is taken.
const NEXT_PORTS: u16 = 100;

/// What every connection shares.
#[derive(Debug)]
pub struct Shared {
    pub users: Users,
    pub tls: Option<Arc<rustls::ServerConfig>>,
    pub limits: Limits,
    pub hostname: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Imap,
    Pop3,
    /// Mail from other servers: for local accounts, without login.
    Smtp,
    /// Mail from programs of users, who log in.
    Submission,
}

/// The practice server before it runs.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Opens the mail and every listener. Errors: a port is taken, a Maildir cannot be opened, an account is impossible.
    pub async fn start(config: Config) -> io::Result<Running> {
        let (limits, secure, ip, ports) = (config.limits, config.tls.is_some(), config.bind, config.ports);
        let next_free = config.next_free;
        let Host { shared } = Host::open(config)?;
        let (stop, stopped) = watch::channel(Stopping::No);
        let places = Arc::new(Semaphore::new(limits.connections));
        let mut running = Running { addresses: Addresses::default(), stop, listeners: JoinSet::new() };
        let at = &mut running.addresses;
        for (service, implicit, port, address) in [
            (Service::Imap, false, ports.imap, &mut at.imap),
            (Service::Imap, true, ports.imaps, &mut at.imaps),
            (Service::Pop3, false, ports.pop3, &mut at.pop3),
            (Service::Pop3, true, ports.pop3s, &mut at.pop3s),
            (Service::Smtp, false, ports.smtp, &mut at.smtp),
            (Service::Submission, false, ports.submission, &mut at.submission),
            (Service::Submission, true, ports.submissions, &mut at.submissions),
        ] {
            let Some(port) = port.filter(|_| secure || !implicit) else { continue };
            let listener = bind(SocketAddr::new(ip, port), next_free).await?;
            *address = Some(listener.local_addr()?);
            let door =
                Door { shared: shared.clone(), service, implicit, places: places.clone(), stopped: stopped.clone() };
            running.listeners.spawn(door.serve(listener));
        }
        Ok(running)
    }
}

/// The practice server's mail without its listeners: it converses over any stream.
#[derive(Debug)]
pub struct Host {
    shared: Arc<Shared>,
}

impl Host {
    /// Opens the mail. Errors: a Maildir cannot be opened, an account is impossible.
    pub fn open(config: Config) -> io::Result<Host> {
        let limits = config.limits;
        let bounds = Bounds {
            message: limits.message,
            quota: limits.quota,
            messages: limits.messages,
            mailboxes: limits.mailboxes,
        };
        let users = Users::open(&config.accounts, config.mail.as_deref(), bounds, &config.hostname)?;
        Ok(Host { shared: Arc::new(Shared { users, tls: config.tls, limits, hostname: config.hostname }) })
    }

    /// One conversation, until either side ends it.
    pub async fn converse(&self, service: Service, io: Box<dyn Io>, peer: SocketAddr) {
        let wire = Wire::new(io, self.shared.limits.login);
        converse(&self.shared, service, false, Ok::<(), ()>(()), wire, peer).await;
    }
}

/// The practice server while it runs. Dropped without [`Running::stop`] it ends as well, but nobody waits for that.
#[derive(Debug)]
pub struct Running {
    pub addresses: Addresses,
    stop: watch::Sender<Stopping>,
    listeners: JoinSet<()>,
}

impl Running {
    /// Closes the listeners, and every connection on which nothing is under way. The others may go on until they are done,
    /// for so long and not after `force`.
    pub async fn stop(mut self, grace: Duration, force: impl Future<Output = ()>) {
        self.stop.send_replace(Stopping::AtRest);
        tokio::select! {
            biased;
            () = force => {}
            () = self.closed() => {}
            () = tokio::time::sleep(grace) => {}
        }
        self.stop.send_replace(Stopping::AtOnce);
        self.closed().await;
    }

    async fn closed(&mut self) {
        while self.listeners.join_next().await.is_some() {}
    }
}

/// Listens, at the next port that is free if there is to be one. It is kept from then on: nobody can take it before it is
/// used.
async fn bind(wanted: SocketAddr, next_free: bool) -> io::Result<TcpListener> {
    let steps = if next_free { NEXT_PORTS } else { 0 };
    let mut bound = TcpListener::bind(wanted).await;
    for step in 1..=steps {
        let (Err(error), Some(port)) = (&bound, wanted.port().checked_add(step)) else { break };
        if error.kind() != io::ErrorKind::AddrInUse {
            break;
        }
        bound = TcpListener::bind(SocketAddr::new(wanted.ip(), port)).await;
    }
    bound.map_err(|error| {
        let above = if next_free { format!(" or the {NEXT_PORTS} ports above") } else { String::new() };
        io::Error::new(error.kind(), format!("cannot listen on {wanted}{above}: {error}"))
    })
}

struct Door {
    shared: Arc<Shared>,
    service: Service,
    implicit: bool,
    places: Arc<Semaphore>,
    stopped: watch::Receiver<Stopping>,
}

impl Door {
    async fn serve(mut self, listener: TcpListener) {
        // Dropped, it ends what is still running.
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                _ = self.stopped.changed() => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((socket, peer)) => self.admit(socket, peer, &mut connections),
                    Err(error) => {
                        debug!(%error, "accept failed");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(listener);
        let done = async { while connections.join_next().await.is_some() {} };
        tokio::select! {
            () = done => {}
            _ = self.stopped.wait_for(|stopping| *stopping == Stopping::AtOnce) => {}
        }
        connections.shutdown().await;
    }

    fn admit(&self, socket: TcpStream, peer: SocketAddr, connections: &mut JoinSet<()>) {
        let place = self.places.clone().try_acquire_owned();
        let (shared, service, implicit) = (self.shared.clone(), self.service, self.implicit);
        let stopped = self.stopped.clone();
        let span = debug_span!("practice", ?service, %peer);
        let connection = async move {
            let _ = socket.set_nodelay(true);
            let mut wire = Wire::new(Box::new(socket), shared.limits.login);
            wire.stop_at(stopped);
            converse(&shared, service, implicit, place, wire, peer).await;
        };
        connections.spawn(connection.instrument(span));
    }
}

/// One connection, with a place or one too many.
async fn converse<P, E>(
    shared: &Arc<Shared>,
    service: Service,
    implicit: bool,
    place: Result<P, E>,
    mut wire: Wire,
    peer: SocketAddr,
) {
    // One connection too many is not worth a handshake.
    if implicit && place.is_err() {
        return;
    }
    if let (true, Some(tls)) = (implicit, &shared.tls)
        && let Err(error) = wire.accept_tls(tls.clone()).await
    {
        debug!(%error, "no TLS");
        return;
    }
    if place.is_err() {
        wire.line(match service {
            Service::Imap => "* BYE Too many connections",
            Service::Pop3 => "-ERR [SYS/TEMP] Too many connections",
            Service::Smtp | Service::Submission => "421 4.7.0 Too many connections",
        });
        wire.close().await;
        return;
    }
    let ended = match service {
        Service::Imap => imap::serve(&mut wire, shared).await,
        Service::Pop3 => pop3::serve(&mut wire, shared).await,
        Service::Smtp | Service::Submission => smtp::serve(&mut wire, shared, service, peer).await,
    };
    if let Err(error) = ended {
        debug!(%error, "connection ended");
        if error.kind() == io::ErrorKind::TimedOut {
            wire.line(match service {
                Service::Imap => "* BYE Disconnected for inactivity.",
                Service::Pop3 => "-ERR Disconnected for inactivity.",
                Service::Smtp | Service::Submission => "421 4.4.2 Timeout exceeded",
            });
        } else if error.kind() == io::ErrorKind::Interrupted {
            wire.line(match service {
                Service::Imap => "* BYE Server shutting down.",
                Service::Pop3 => "-ERR [SYS/TEMP] Server shutting down.",
                Service::Smtp | Service::Submission => "421 4.3.2 Server shutting down",
            });
        }
    }
    wire.close().await;
}
