//! A relay of the tests' own that writes down every byte it carries.
//! Takes the address to pass connections on to; gives, for each connection, both sides' bytes in the order they came.
//! Does not know mail protocols, nor anything of the program under test.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::wait_for;

/// Bytes of one read; large enough that a big message does not take long, small enough to keep the order telling.
const BLOCK: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    Client,
    Server,
}

/// One connection as it passed.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    /// The client's address, as the relay's listener saw it.
    pub incoming: Option<SocketAddr>,
    /// The relay's own address on its connection to the server: what the next hop sees as its client.
    pub outgoing: Option<SocketAddr>,
    /// Everything that passed, in order.
    pub blocks: Vec<(From, Vec<u8>)>,
    /// Sides that have ended.
    ended: usize,
}

impl Capture {
    pub fn bytes(&self, side: From) -> Vec<u8> {
        self.blocks.iter().filter(|(from, _)| *from == side).flat_map(|(_, bytes)| bytes.iter().copied()).collect()
    }

    pub fn client(&self) -> Vec<u8> {
        self.bytes(From::Client)
    }

    pub fn server(&self) -> Vec<u8> {
        self.bytes(From::Server)
    }

    pub fn is_finished(&self) -> bool {
        self.ended == 2
    }
}

type Shared = Arc<Mutex<Vec<Capture>>>;

/// The running relay.
pub struct Tap {
    pub address: SocketAddr,
    captures: Shared,
    stopping: Arc<AtomicBool>,
}

impl Tap {
    /// Listens on a free loopback port and passes every connection on to `target`.
    pub fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port for the tap");
        let address = listener.local_addr().expect("the tap's address");
        let captures = Shared::default();
        let stopping = Arc::new(AtomicBool::new(false));
        let (shared, stop) = (Arc::clone(&captures), Arc::clone(&stopping));
        thread::spawn(move || {
            for client in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(client) = client else { continue };
                relay(client, target, &shared);
            }
        });
        Self { address, captures, stopping }
    }

    /// What has passed until now.
    pub fn captures(&self) -> Vec<Capture> {
        self.captures.lock().expect("the captures").clone()
    }

    /// Waits until there are `count` connections or more and every one has ended, then gives them.
    #[track_caller]
    pub fn finished(&self, count: usize) -> Vec<Capture> {
        wait_for("the end of the connections through the tap", || {
            let captures = self.captures.lock().expect("the captures");
            (captures.len() >= count && captures.iter().all(Capture::is_finished)).then(|| captures.clone())
        })
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Wakes the listener, which looks at the flag and ends.
        let _ = TcpStream::connect(self.address);
    }
}

/// Carries one connection in two threads. A server that cannot be reached leaves a capture without blocks.
fn relay(client: TcpStream, target: SocketAddr, captures: &Shared) {
    let index = {
        let mut captures = captures.lock().expect("the captures");
        captures.push(Capture { incoming: client.peer_addr().ok(), ..Capture::default() });
        captures.len() - 1
    };
    let Ok(server) = TcpStream::connect(target) else {
        captures.lock().expect("the captures")[index].ended = 2;
        return;
    };
    captures.lock().expect("the captures")[index].outgoing = server.local_addr().ok();
    for stream in [&client, &server] {
        stream.set_nodelay(true).expect("TCP_NODELAY");
    }
    let (client_again, server_again) = (client.try_clone().expect("a clone"), server.try_clone().expect("a clone"));
    let (one, other) = (Arc::clone(captures), Arc::clone(captures));
    thread::spawn(move || carry(client, server, From::Client, index, &one));
    thread::spawn(move || carry(server_again, client_again, From::Server, index, &other));
}

/// Carries one direction to its end, and the end too: a half-close stays a half-close.
fn carry(mut from: TcpStream, mut to: TcpStream, side: From, index: usize, captures: &Shared) {
    let mut block = vec![0; BLOCK];
    loop {
        let read = match from.read(&mut block) {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        // Written down before it is sent on, so that an answer never stands before what it answers.
        captures.lock().expect("the captures")[index].blocks.push((side, block[..read].to_vec()));
        if to.write_all(&block[..read]).is_err() {
            // The receiver is gone: tell the sender, or it waits for an answer for ever.
            let _ = from.shutdown(Shutdown::Both);
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    captures.lock().expect("the captures")[index].ended += 1;
}
