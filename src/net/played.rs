//! Sessions with a played leg: a server that is played for each client that comes, and a client that is played towards
//! a real server. Takes connections in memory, gives sessions like any other, recorded and with the real leg's TLS.
//! Does not know what is played; see `replay`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, SyncSender};

use tokio::io::DuplexStream;
use tokio::sync::{Notify, watch};

use super::secure::Secure;
use super::serve::{self, Guest};
use super::socket::Socket;
use super::{Live, Phase, Recorder, Shared};
use crate::event::{Note, Origin};
use crate::route::Route;
use crate::session;
use crate::store::Store;

/// `mode` of a session whose server is played.
pub const SERVER_MODE: &str = "replay server";
/// `mode` of a session whose client is played.
pub const CLIENT_MODE: &str = "replay client";

/// Whoever plays servers.
pub trait Played: Send + Sync {
    /// The server for a client that has just been accepted.
    fn server(&self, client: SocketAddr, route: &Route) -> PlayedServer;
}

/// A server that is played.
pub struct PlayedServer {
    /// The end of the connection that the session holds; at the other one the server speaks, as in plaintext.
    pub stream: DuplexStream,
    /// Stands as `of` in the session's recording.
    pub of: Option<String>,
    /// What is to be noted in the session's recording when it ends.
    pub notes: Receiver<Note>,
    /// Told when the server's acceptance of an upgrade has been taken: what it says from then on goes into TLS.
    pub upgraded: Arc<Notify>,
}

/// A client that is played.
pub struct PlayedClient {
    /// The end of the connection that the session holds; at the other one the client speaks, as in plaintext, through a
    /// STARTTLS too: it is the server's leg that is upgraded.
    pub stream: DuplexStream,
    /// Stands as `of` in the session's recording.
    pub of: String,
}

/// How the session of a played client ended.
#[derive(Clone, Debug)]
pub struct Ended {
    pub session: String,
    pub by: Origin,
    pub reason: String,
}

/// Sessions for played clients, any number of them at a time.
pub struct Calls {
    shared: Shared,
    phases: watch::Sender<Phase>,
}

impl Calls {
    /// # Errors
    /// When no recorder can be started.
    pub fn start(
        store: Store,
        live: Option<SyncSender<Live>>,
        session: session::Config,
        secure: Secure,
    ) -> std::io::Result<Calls> {
        let (phases, phase) = watch::channel(Phase::Serving);
        let recorder = Recorder::start(store, live)?;
        let shared = Shared {
            recorder,
            session,
            secure,
            allow_from: Vec::new(),
            refused: AtomicU64::new(0),
            played: None,
            phase,
        };
        Ok(Calls { shared, phases })
    }

    /// One session: the client is played, and its server is dialled as the route says. The listener of the route stands
    /// for nothing here; its schemes are to be the same on both sides, so that nothing is changed on the wire.
    ///
    /// A client that has said its last word is waited for as any other, as its server may still have something to say;
    /// once it is `gone` the session ends. None where that was before it began.
    pub async fn call(&self, client: PlayedClient, route: Arc<Route>, gone: impl Future<Output = ()>) -> Option<Ended> {
        let PlayedClient { stream, of } = client;
        let address = SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), 0);
        let guest = Guest { socket: Socket::Played(stream), client: address, route, of: Some(of) };
        serve::serve(guest, &self.shared, gone).await
    }

    /// Ends the sessions that still run.
    pub fn stop(&self) {
        self.phases.send_replace(Phase::Over);
    }

    /// Waits until everything has been recorded.
    pub async fn finish(self) {
        let Calls { shared, .. } = self;
        // What could not be written was said when it failed.
        let _ = tokio::task::spawn_blocking(move || shared.recorder.finish()).await;
    }
}
