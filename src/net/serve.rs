//! One session from accept to close: dials the server, relays, upgrades, and says how it ended.
//! Takes an accepted connection and its route, leaves a recording.
//! Does not move bytes itself; that is the pump's work.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use super::dial::dial;
use super::leg::Leg;
use super::pump::{Pump, Stopped};
use super::{Shared, clock, prepare};
use crate::event::{Open, Origin, Stamp};
use crate::proto::{SchemeTls, Setup, Trouble};
use crate::route::Route;
use crate::session::{Next, Outbox, Session};
use crate::store::{Entry, ids};

/// How long a client that was told why it cannot be served may take to leave by itself. Closing earlier can reset the
/// connection before the client has read the reason.
const LEAVE_FOR: Duration = Duration::from_secs(2);

/// A client that was accepted.
pub(super) struct Guest {
    pub socket: TcpStream,
    pub client: SocketAddr,
    pub route: Arc<Route>,
}

pub(super) async fn serve(guest: Guest, shared: &Shared) {
    let opened = clock::now();
    let Guest { socket, client, route } = guest;
    let id = new_id(opened);
    let mut open = Open {
        format: Open::FORMAT.to_owned(),
        session: id,
        protocol: route.spec.name.to_owned(),
        client: client.to_string(),
        listener: socket.local_addr().unwrap_or(route.listen).to_string(),
        upstream_name: route.upstream.to_string(),
        route: route.to_string(),
        mailtap: env!("CARGO_PKG_VERSION").to_owned(),
        ..Open::default()
    };
    let setup = Setup { hide_starttls: route.unequal() };
    let mut session = Session::new(route.spec, setup, route.server.tls == SchemeTls::StartTls, shared.session);
    let mut stop = shared.stop.clone();
    let dialled = tokio::select! {
        dialled = dial(&route.upstream) => dialled,
        _ = stop.wait_for(|stop| *stop) => return,
    };
    let (server, address) = match dialled {
        Ok(connected) => connected,
        Err(error) => {
            open.upstream = error.address.map(|address| address.to_string()).unwrap_or_default();
            let entry = Entry::new(&open, opened);
            let track = shared.recorder.track(entry);
            let mut out = Outbox::default();
            {
                let mut log = track.log();
                session.open(opened, open, &mut log);
                session.trouble(clock::now(), Trouble::Unreachable, error.code, &error.text, &mut log, &mut out);
                session.close(clock::now(), Origin::Proxy, &error.text, &mut log);
            }
            track.close();
            leave(socket, &out.to_client).await;
            return;
        }
    };
    prepare(&server);
    open.upstream = address.to_string();
    let track = shared.recorder.track(Entry::new(&open, opened));
    session.open(opened, open, &mut track.log());
    let mut pump = Pump::new(session, track, Leg::plain(socket), Leg::plain(server));
    let (by, reason) = tokio::select! {
        ended = relay(&mut pump) => ended,
        _ = stop.wait_for(|stop| *stop) => (Origin::Proxy, "mailtap was stopped".to_owned()),
    };
    pump.finish().await;
    let Pump { mut session, track, .. } = pump;
    session.close(clock::now(), by, &reason, &mut track.log());
    track.close();
}

async fn relay(pump: &mut Pump) -> (Origin, String) {
    loop {
        match pump.run().await {
            Stopped::Over { by, reason } | Stopped::Next(Next::Close { by, reason }) => return (by, reason),
            Stopped::Next(_) => return (Origin::Proxy, "TLS is not there yet".to_owned()),
        }
    }
}

/// Says the last words to a client and lets it go.
async fn leave(socket: TcpStream, words: &[u8]) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut socket = socket;
    let goodbye = async {
        socket.write_all(words).await?;
        socket.shutdown().await?;
        let mut rest = [0; 1024];
        while socket.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    // The client may be gone already; then there is nobody to tell.
    let _ = tokio::time::timeout(LEAVE_FOR, goodbye).await;
}

fn new_id(now: Stamp) -> String {
    let mut random = [0; 5];
    if getrandom::fill(&mut random).is_err() {
        // Without the system's randomness, the address of a fresh allocation and the time have to do: the id must be
        // unique on this machine, not secret.
        let place = Box::new(0_u8);
        let mixed = (std::ptr::from_ref(&*place).addr() as u64) ^ now.0.cast_unsigned().rotate_left(17);
        random.copy_from_slice(mixed.to_le_bytes().get(..5).unwrap_or(&[0; 5]));
    }
    ids::new_id(now, random)
}
