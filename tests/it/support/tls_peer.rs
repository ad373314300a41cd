//! Peers that do exactly as they are told: one end of a connection, in plaintext, in TLS, or in TLS within TLS.
//! Takes lines to say and lines to expect; gives what came and how the connection ended.
//! Does not know mail protocols, nor how the program under test works.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::Arc,
    thread,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::WebPkiClientVerifier,
};

use super::{
    DEADLINE,
    certs::{Authority, Chain, Key},
    mailtap::Mailtap,
    recording::Recording,
};

pub const BOTH_VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// One end of a connection.
pub struct Peer {
    wire: Option<Wire>,
}

enum Wire {
    Plain(TcpStream),
    Client(Box<StreamOwned<ClientConnection, Wire>>),
    Server(Box<StreamOwned<ServerConnection, Wire>>),
}

impl Peer {
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Peer {
        Peer::new(TcpStream::connect(address).expect("a connection"))
    }

    fn new(socket: TcpStream) -> Peer {
        socket.set_read_timeout(Some(DEADLINE)).expect("a time limit");
        socket.set_nodelay(true).expect("TCP_NODELAY");
        Peer { wire: Some(Wire::Plain(socket)) }
    }

    /// False after a handshake that failed.
    pub fn is_alive(&self) -> bool {
        self.wire.is_some()
    }

    fn wire(&mut self) -> &mut Wire {
        self.wire.as_mut().expect("a connection that did not fail")
    }

    #[track_caller]
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire().write_all(bytes.as_ref()).expect("sends");
        self.wire().flush().expect("sends");
    }

    /// Sends bytes past TLS, on the connection beneath.
    #[track_caller]
    pub fn say_beneath(&mut self, bytes: &[u8]) {
        match self.wire() {
            Wire::Client(stream) => stream.sock.write_all(bytes).expect("sends"),
            Wire::Server(stream) => stream.sock.write_all(bytes).expect("sends"),
            Wire::Plain(_) => panic!("there is no TLS on this connection"),
        }
    }

    /// Says what is taken of it, by a peer that may hang up meanwhile.
    pub fn try_say(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.wire().write_all(bytes.as_ref());
    }

    /// The next line without its end; what came of it where the connection ends before.
    #[track_caller]
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\n") {
            match self.wire().read(&mut byte) {
                Ok(1..) => line.extend(byte),
                Ok(0) => break,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&line)),
            }
        }
        String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()
    }

    /// Reads exactly these bytes, and nothing else has come before them.
    #[track_caller]
    pub fn hear(&mut self, wanted: impl AsRef<[u8]>) {
        let wanted = wanted.as_ref();
        let mut found = Vec::new();
        let mut byte = [0];
        while found.len() < wanted.len() && found == wanted[..found.len()] {
            match self.wire().read(&mut byte) {
                Ok(1..) => found.extend(byte),
                ended => panic!("{ended:?} after {:?}", String::from_utf8_lossy(&found)),
            }
        }
        assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(wanted));
    }

    /// The next bytes, so many.
    #[track_caller]
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        let mut taken = vec![0; count];
        self.wire().read_exact(&mut taken).expect("so many bytes");
        taken
    }

    /// Everything until the end, and whether the end was told properly (in TLS: with close_notify).
    #[track_caller]
    pub fn rest(&mut self) -> (Vec<u8>, bool) {
        let mut all = Vec::new();
        match self.wire().read_to_end(&mut all) {
            Ok(_) => (all, true),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                panic!("the connection does not end; until now: {:?}", String::from_utf8_lossy(&all))
            }
            Err(_) => (all, false),
        }
    }

    /// Sends no more, and says so on every layer.
    pub fn end(&mut self) {
        self.wire().end(true);
    }

    /// Sends no more, without a close_notify.
    pub fn cut(&mut self) {
        self.wire().end(false);
    }

    /// Breaks the connection off.
    pub fn reset(mut self) {
        if let Some(Wire::Plain(socket)) = self.wire.take() {
            socket2::SockRef::from(&socket).set_linger(Some(std::time::Duration::ZERO)).expect("no lingering");
        }
    }

    /// # Errors
    /// Those of the handshake.
    pub fn serve_tls(&mut self, config: &Arc<ServerConfig>) -> io::Result<()> {
        let wire = self.wire.take().expect("a connection");
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(config)).expect("a server"), wire);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        self.wire = Some(Wire::Server(Box::new(stream)));
        Ok(())
    }

    /// # Errors
    /// Those of the handshake.
    pub fn start_tls(&mut self, config: &Arc<ClientConfig>, name: &str) -> io::Result<()> {
        self.start(client(config, name))
    }

    /// Goes on with a handshake whose hello may have been sent already.
    ///
    /// # Errors
    /// Those of the handshake.
    pub fn start(&mut self, connection: ClientConnection) -> io::Result<()> {
        let wire = self.wire.take().expect("a connection");
        let mut stream = StreamOwned::new(connection, wire);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        self.wire = Some(Wire::Client(Box::new(stream)));
        Ok(())
    }

    /// The certificate that the server showed.
    pub fn shown(&self) -> Option<CertificateDer<'static>> {
        match self.wire.as_ref()? {
            Wire::Client(stream) => stream.conn.peer_certificates()?.first().cloned().map(CertificateDer::into_owned),
            _ => None,
        }
    }

    /// What the client asked for, and what was agreed on.
    pub fn agreed(&self) -> (Option<String>, Option<Vec<u8>>) {
        match self.wire.as_ref() {
            Some(Wire::Server(stream)) => {
                (stream.conn.server_name().map(str::to_owned), stream.conn.alpn_protocol().map(<[u8]>::to_vec))
            }
            Some(Wire::Client(stream)) => (None, stream.conn.alpn_protocol().map(<[u8]>::to_vec)),
            _ => (None, None),
        }
    }
}

impl Wire {
    fn end(&mut self, properly: bool) {
        match self {
            Wire::Plain(socket) => {
                let _ = socket.shutdown(Shutdown::Write);
                return;
            }
            Wire::Client(stream) if properly => stream.conn.send_close_notify(),
            Wire::Server(stream) if properly => stream.conn.send_close_notify(),
            _ => {}
        }
        match self {
            Wire::Client(stream) => {
                let _ = stream.flush();
                stream.sock.end(properly);
            }
            Wire::Server(stream) => {
                let _ = stream.flush();
                stream.sock.end(properly);
            }
            Wire::Plain(_) => {}
        }
    }
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(socket) => socket.read(into),
            Wire::Client(stream) => stream.read(into),
            Wire::Server(stream) => stream.read(into),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(socket) => socket.write(bytes),
            Wire::Client(stream) => stream.write(bytes),
            Wire::Server(stream) => stream.write(bytes),
        }
    }

    // Where a handshake fails, rustls writes once and no more: all of its records must go with it.
    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Wire::Plain(socket) => socket.write_vectored(slices),
            Wire::Client(stream) => stream.write_vectored(slices),
            Wire::Server(stream) => stream.write_vectored(slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Wire::Plain(socket) => socket.flush(),
            Wire::Client(stream) => stream.flush(),
            Wire::Server(stream) => stream.flush(),
        }
    }
}

#[track_caller]
pub fn client(config: &Arc<ClientConfig>, name: &str) -> ClientConnection {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    ClientConnection::new(Arc::clone(config), name).expect("a client")
}

/// A client that trusts the roots in this PEM text alone.
pub fn trusting(roots: &str, versions: &[&'static SupportedProtocolVersion], alpn: &[&str]) -> Arc<ClientConfig> {
    let mut store = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(roots.as_bytes()) {
        store.add(root.expect("a certificate")).expect("a root");
    }
    let mut config = ClientConfig::builder_with_provider(mailtap::tls::provider())
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// A server with this chain.
pub fn showing(chain: &Chain, versions: &[&'static SupportedProtocolVersion], alpn: &[&str]) -> Arc<ServerConfig> {
    let certificates = CertificateDer::pem_slice_iter(chain.certificates.as_bytes());
    let certificates = certificates.map(|one| one.expect("a certificate").into_owned()).collect();
    let key = PrivateKeyDer::from_pem_slice(chain.key.as_bytes()).expect("a key");
    let mut config = ServerConfig::builder_with_provider(mailtap::tls::provider())
        .with_protocol_versions(versions)
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .expect("key and certificate");
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// The same server for clients that have a certificate of this root alone.
pub fn requiring(root: &str, chain: &Chain, versions: &[&'static SupportedProtocolVersion]) -> Arc<ServerConfig> {
    let mut store = RootCertStore::empty();
    store.add(CertificateDer::from_pem_slice(root.as_bytes()).expect("a certificate")).expect("a root");
    let provider = mailtap::tls::provider();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider)).build();
    let certificates = CertificateDer::pem_slice_iter(chain.certificates.as_bytes());
    let certificates = certificates.map(|one| one.expect("a certificate").into_owned()).collect();
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("versions")
        .with_client_cert_verifier(verifier.expect("a verifier"))
        .with_single_cert(certificates, PrivateKeyDer::from_pem_slice(chain.key.as_bytes()).expect("a key"))
        .expect("key and certificate");
    Arc::new(config)
}

/// mailtap with one route, and a server behind it that does as it is told.
pub struct Bench {
    pub authority: Authority,
    pub mailtap: Mailtap,
    pub address: SocketAddr,
    listener: TcpListener,
    _folder: tempfile::TempDir,
}

impl Bench {
    #[track_caller]
    pub fn start(left: &str, right: &str, more: &[&str]) -> Bench {
        let authority = Authority::new();
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("root.pem");
        std::fs::write(&root, authority.root()).expect("writes");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let route = format!("{left}://127.0.0.1:0={right}://localhost:{port}");
        let root = root.display().to_string();
        let mut args = vec!["--upstream-ca", &root];
        args.extend(more);
        let mailtap = Mailtap::start(&[&route], &args);
        let address = mailtap.address(&route);
        Bench { authority, mailtap, address, listener, _folder: folder }
    }

    #[track_caller]
    pub fn client(&self) -> Peer {
        Peer::connect(self.address)
    }

    /// The connection that mailtap makes.
    #[track_caller]
    pub fn server(&self) -> Peer {
        self.listener.set_nonblocking(true).expect("a socket");
        let (socket, _) = super::wait_for("mailtap's connection", || self.listener.accept().ok());
        socket.set_nonblocking(false).expect("a socket");
        Peer::new(socket)
    }

    #[track_caller]
    pub fn both(&self) -> (Peer, Peer) {
        let client = self.client();
        (client, self.server())
    }

    /// A client that trusts mailtap's CA.
    pub fn trusting(&self) -> Arc<ClientConfig> {
        trusting(&self.ca(), BOTH_VERSIONS, &[])
    }

    pub fn ca(&self) -> String {
        read(&self.mailtap.dir.join("certs/ca.pem"))
    }

    /// A server whose certificate is good.
    pub fn showing(&self) -> Arc<ServerConfig> {
        showing(&self.good(), BOTH_VERSIONS, &[])
    }

    pub fn good(&self) -> Chain {
        self.authority.issue(&["localhost", "127.0.0.1"], Key::Ecdsa)
    }

    /// Both handshakes, where the client's leg and the server's have TLS from the first byte.
    #[track_caller]
    pub fn implicit(&self, client: Arc<ClientConfig>, server: &Arc<ServerConfig>) -> (Peer, Peer) {
        let mut near = self.client();
        // The client's handshake ends only after the server's.
        let shaking = thread::spawn(move || {
            let ended = near.start_tls(&client, "localhost");
            (near, ended)
        });
        let mut far = self.server();
        far.serve_tls(server).expect("the server's handshake");
        let (near, ended) = shaking.join().expect("no panic");
        ended.expect("the client's handshake");
        (near, far)
    }

    /// The one session's recording, once it is closed.
    #[track_caller]
    pub fn recording(&self) -> Recording {
        let mut all = self.mailtap.recordings(1);
        assert_eq!(all.len(), 1, "one session");
        all.remove(0)
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
