//! Peers that are told what to do step by step: a client and a server, with the program between them.
//! Takes a scheme and options; gives the two sockets of each session and the running program.
//! Does not know what is said.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::mailtap::Mailtap;
use super::recording::Recording;
use super::{DEADLINE, wait_until};

/// The program with a server that the test plays.
pub struct Stage {
    pub mailtap: Mailtap,
    pub address: SocketAddr,
    server: TcpListener,
}

impl Stage {
    #[track_caller]
    pub fn new(scheme: &str, more: &[&str]) -> Stage {
        let server = TcpListener::bind("127.0.0.1:0").expect("a port");
        let to = server.local_addr().expect("its address");
        let route = format!("{scheme}://127.0.0.1:0={scheme}://{to}");
        let mailtap = Mailtap::start(&[&route], more);
        let address = mailtap.address(&route);
        Stage { mailtap, address, server }
    }

    /// A new session: its client and its server.
    #[track_caller]
    pub fn session(&self) -> (Peer, Peer) {
        let client = TcpStream::connect(self.address).expect("the proxy accepts");
        let (server, _) = self.server.accept().expect("the proxy connects");
        (Peer::new(client), Peer::new(server))
    }

    /// Ends every connection that waits for its server.
    pub fn drain(&self) {
        while self.next_server(Duration::ZERO).is_some() {}
    }

    /// The server of the next session, if one comes within the time.
    pub fn next_server(&self, limit: Duration) -> Option<Peer> {
        self.server.set_nonblocking(true).expect("not to wait");
        let found = wait_until(limit, || self.server.accept().ok());
        self.server.set_nonblocking(false).expect("to wait");
        let (socket, _) = found?;
        socket.set_nonblocking(false).expect("to wait");
        Some(Peer::new(socket))
    }

    /// A session whose server has greeted.
    #[track_caller]
    pub fn greeted(&self, greeting: &str) -> (Peer, Peer) {
        let (mut client, mut server) = self.session();
        server.say(greeting);
        client.hear(greeting);
        (client, server)
    }

    /// The recording of the only session, once it is closed.
    #[track_caller]
    pub fn recording(&self) -> Recording {
        self.mailtap.recordings(1).remove(0)
    }
}

/// One end of a session.
pub struct Peer {
    pub socket: TcpStream,
}

impl Peer {
    fn new(socket: TcpStream) -> Peer {
        socket.set_read_timeout(Some(DEADLINE)).expect("a limit");
        socket.set_write_timeout(Some(DEADLINE)).expect("a limit");
        socket.set_nodelay(true).expect("no delay");
        Peer { socket }
    }

    #[track_caller]
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).expect("the proxy takes it");
    }

    /// Reads exactly what is expected.
    #[track_caller]
    pub fn hear(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        let mut heard = vec![0; expected.len()];
        let mut at = 0;
        while at < heard.len() {
            match self.socket.read(&mut heard[at..]) {
                Ok(read @ 1..) => at += read,
                other => panic!("after {:?}: {other:?}", String::from_utf8_lossy(&heard[..at])),
            }
        }
        assert_eq!(String::from_utf8_lossy(&heard), String::from_utf8_lossy(expected));
    }

    /// Reads to the end, which may be a reset.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        let mut heard = Vec::new();
        let mut block = vec![0; 64 * 1024];
        loop {
            match self.socket.read(&mut block) {
                Ok(0) => return heard,
                Ok(read) => heard.extend_from_slice(&block[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return heard,
                Err(error) => panic!("no end within the deadline: {error}"),
            }
        }
    }

    /// Nothing more will be said; what is said to it is still read.
    pub fn half_close(&self) {
        self.socket.shutdown(Shutdown::Write).expect("the end");
    }

    /// Breaks the connection off.
    pub fn reset(self) {
        socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO)).expect("no lingering");
    }
}
