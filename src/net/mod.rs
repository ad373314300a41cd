//! Everything that is asynchronous: listeners, legs, the pump between them and the recorder behind it.
//! Takes routes and options, serves until it is told to stop, leaves recordings.
//! Knows no protocol, and nothing of the command line.

mod clock;
mod dial;
mod leg;
mod played;
mod pump;
mod record;
mod secure;
mod serve;
mod socket;
mod tunnel;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};

pub use self::clock::now;
pub use self::played::{CLIENT_MODE, Calls, Ended, Played, PlayedClient, PlayedServer, SERVER_MODE};
use self::record::Recorder;
pub use self::record::{LIVE_MAX, Live};
pub use self::secure::{HANDSHAKE_FOR, Secure};
use self::serve::Guest;
pub use self::socket::PLAYED_BUFFER;
use self::socket::Socket;
pub use self::tunnel::Passthrough;
use crate::route::Route;
use crate::session;
use crate::store::Store;

/// How long accepting rests after the system had no descriptor left.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// How a proxy runs.
pub struct Options {
    pub routes: Vec<Route>,
    /// Where a port is in use, take the next free one.
    pub next_free: bool,
    /// Who may connect, besides this machine itself.
    pub allow_from: Vec<IpNet>,
    /// How many sessions may run at a time; further clients wait to be accepted.
    pub sessions_max: usize,
    pub session: session::Config,
    pub secure: Secure,
    /// Who plays the servers; none where they are dialled.
    pub played: Option<Arc<dyn Played>>,
}

/// Listeners that are bound and not yet served.
pub struct Proxy {
    listeners: Vec<(TcpListener, Arc<Route>)>,
    options: Options,
}

/// An address that cannot be listened at.
#[derive(Debug)]
pub struct BindError {
    pub route: String,
    pub address: SocketAddr,
    pub error: std::io::Error,
}

/// What becomes of sessions that still run when there are to be no new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// They end when they are at rest.
    AtRest,
    /// They end as their peers will have it.
    ByThemselves,
}

/// How far it is to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    /// Sessions end when they are at rest.
    Leaving,
    Over,
}

/// What all sessions share.
struct Shared {
    recorder: Recorder,
    session: session::Config,
    secure: Secure,
    allow_from: Vec<IpNet>,
    refused: AtomicU64,
    played: Option<Arc<dyn Played>>,
    phase: watch::Receiver<Phase>,
}

/// What a proxy has to say when it has ended.
#[derive(Debug, Default)]
pub struct Served {
    /// Connections from addresses that are not allowed.
    pub refused: u64,
}

impl Proxy {
    /// Binds every route's address; a port 0 becomes a free one.
    ///
    /// # Errors
    /// Says which address cannot be listened at.
    pub async fn bind(mut options: Options) -> Result<Proxy, BindError> {
        let mut listeners = Vec::new();
        for mut route in std::mem::take(&mut options.routes) {
            let failed = |error| BindError { route: route.to_string(), address: route.listen, error };
            let listener = bind(route.listen, options.next_free).await.map_err(failed)?;
            route.listen = listener.local_addr().map_err(failed)?;
            listeners.push((listener, Arc::new(route)));
        }
        Ok(Proxy { listeners, options })
    }

    /// The routes, each with the address that was bound.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.listeners.iter().map(|(_, route)| route.as_ref())
    }

    /// Serves until `stop`, then lets running sessions go on, as it says, for their grace, or until `force`.
    ///
    /// # Errors
    /// When no recorder can be started.
    pub async fn run(
        self,
        store: Store,
        live: Option<SyncSender<Live>>,
        grace: Duration,
        stop: impl Future<Output = Leaving>,
        force: impl Future<Output = ()>,
    ) -> std::io::Result<Served> {
        let (phases, phase) = watch::channel(Phase::Serving);
        let shared = Arc::new(Shared {
            recorder: Recorder::start(store, live)?,
            session: self.options.session,
            secure: self.options.secure,
            allow_from: self.options.allow_from,
            refused: AtomicU64::new(0),
            played: self.options.played,
            phase,
        });
        // The system's roots take some time to read; better now than in somebody's first handshake.
        let warm = Arc::clone(&shared);
        tokio::task::spawn_blocking(move || warm.secure.upstream.warm());
        let places = Arc::new(Semaphore::new(self.options.sessions_max));
        let (alive, mut all_gone) = mpsc::channel::<()>(1);
        let listeners: Vec<_> = self
            .listeners
            .into_iter()
            .map(|(listener, route)| {
                let accepting = accept(listener, route, Arc::clone(&shared), Arc::clone(&places), alive.clone());
                tokio::spawn(accepting)
            })
            .collect();
        drop(alive);
        let leaving = stop.await;
        for listener in &listeners {
            listener.abort();
        }
        for listener in listeners {
            // Aborted, as it was told to be.
            let _ = listener.await;
        }
        if leaving == Leaving::AtRest {
            phases.send_replace(Phase::Leaving);
        }
        tokio::select! {
            _ = all_gone.recv() => {}
            () = tokio::time::sleep(grace) => {}
            () = force => {}
        }
        phases.send_replace(Phase::Over);
        let _ = all_gone.recv().await;
        let refused = shared.refused.load(Ordering::Relaxed);
        let _ = tokio::task::spawn_blocking(move || shared.recorder.finish()).await;
        Ok(Served { refused })
    }
}

async fn bind(address: SocketAddr, next_free: bool) -> std::io::Result<TcpListener> {
    /// How many ports above the wanted one are tried.
    const NEXT_PORTS: u16 = 100;
    let mut bound = TcpListener::bind(address).await;
    for step in 1..=NEXT_PORTS {
        let (Err(error), Some(port)) = (&bound, address.port().checked_add(step)) else { break };
        if !next_free || error.kind() != std::io::ErrorKind::AddrInUse {
            break;
        }
        bound = TcpListener::bind(SocketAddr::new(address.ip(), port)).await;
    }
    bound
}

async fn accept(
    listener: TcpListener,
    route: Arc<Route>,
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
    alive: mpsc::Sender<()>,
) {
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((socket, client)) if shared.allows(client.ip()) => {
                let (route, shared, alive) = (Arc::clone(&route), Arc::clone(&shared), alive.clone());
                tokio::spawn(async move {
                    welcome(socket, client, route, &shared).await;
                    drop((shared, place, alive));
                });
            }
            Ok((socket, client)) => {
                drop(socket);
                let refused = shared.refused.fetch_add(1, Ordering::Relaxed) + 1;
                tracing::warn!(%client, refused, "refused: this address is not in --allow-from");
            }
            Err(error) => {
                // Out of descriptors, or the peer left before it was accepted: others may have more luck.
                tracing::warn!(%error, listener = %route.listen, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}

async fn welcome(socket: TcpStream, client: SocketAddr, route: Arc<Route>, shared: &Shared) {
    prepare(&socket);
    let guest = Guest { socket: Socket::Tcp(socket), client, route, of: None };
    serve::serve(guest, shared, std::future::pending()).await;
}

/// Small segments go at once, and a peer that has vanished is found out.
fn prepare(socket: &TcpStream) {
    /// How long a connection may be silent before the system asks whether the peer is still there.
    const KEEPALIVE_AFTER: Duration = Duration::from_secs(300);
    let _ = socket.set_nodelay(true);
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE_AFTER);
    let _ = socket2::SockRef::from(socket).set_tcp_keepalive(&keepalive);
}

impl Shared {
    fn allows(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        client.is_loopback() || self.allow_from.iter().any(|net| net.contains(&client))
    }
}
