//! A practice server for one test, and raw conversations with it.
//! Takes changes to the configuration; gives addresses and connections on which every read has a deadline.
//! Does not know any protocol beyond where an IMAP reply ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};

use mailtap::practice::{Account, Addresses, Config, Running, Server};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::support::DEADLINE;
use crate::support::certs::{Authority, Key};

pub const PASSWORD: &str = "sesame";

/// The name of the servers' threads.
const THREAD: &str = "practice-server";

/// Panics in any server's thread.
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if std::thread::current().name() == Some(THREAD) {
                PANICS.fetch_add(1, Ordering::Relaxed);
            }
            before(info);
        }));
    });
}

/// A running server with the accounts alice and bob. It stops when dropped.
pub struct Practice {
    pub at: Addresses,
    /// The authority's root, PEM.
    pub root: String,
    running: Option<Running>,
    runtime: tokio::runtime::Runtime,
}

impl Practice {
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let authority = Authority::new();
        let chain = authority.issue(&["localhost", "127.0.0.1"], Key::Ecdsa);
        let certificates = CertificateDer::pem_slice_iter(chain.certificates.as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(chain.key.as_bytes()).unwrap();
        let tls = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key).unwrap();
        let mut config =
            Config { accounts: vec![account("alice"), account("bob")], tls: Some(Arc::new(tls)), ..Config::default() };
        change(&mut config);
        count_panics();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(THREAD)
            .enable_all()
            .build()
            .unwrap();
        let running = runtime.block_on(Server::start(config)).unwrap();
        Practice { at: running.addresses, root: authority.root(), running: Some(running), runtime }
    }

    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// An IMAP session, logged in.
    pub fn imap(&self, user: &str) -> Talk {
        Talk::logged_in(self.at.imap, user, PASSWORD)
    }

    /// Sends a message to a user by way of the plain SMTP port.
    pub fn deliver(&self, user: &str, message: &str) {
        let mut talk = Talk::to(self.at.smtp);
        talk.line();
        for (command, code) in [
            ("HELO test", "250"),
            ("MAIL FROM:<x@elsewhere.example>", "250"),
            (&format!("RCPT TO:<{user}@practice.example>"), "250"),
            ("DATA", "354"),
            (&format!("{message}\r\n."), "250"),
        ] {
            let reply = talk.ask(command);
            assert!(reply.starts_with(code), "{command}: {reply}");
        }
    }
}

impl Drop for Practice {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.stop(std::time::Duration::ZERO, std::future::ready(())));
        }
        // A panic ends only its own connection, so nobody else would notice.
        if !std::thread::panicking() {
            assert_eq!(PANICS.load(Ordering::Relaxed), 0, "a practice server panicked");
        }
    }
}

pub fn account(user: &str) -> Account {
    Account { user: user.to_owned(), password: PASSWORD.to_owned(), address: format!("{user}@practice.example") }
}

/// One connection.
pub struct Talk {
    stream: BufReader<TcpStream>,
    count: usize,
}

impl Talk {
    pub fn to(address: Option<SocketAddr>) -> Self {
        let stream = TcpStream::connect(address.expect("the service runs")).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Talk { stream: BufReader::new(stream), count: 0 }
    }

    /// An IMAP session, logged in.
    pub fn logged_in(address: Option<SocketAddr>, user: &str, password: &str) -> Self {
        let mut talk = Talk::to(address);
        assert!(talk.line().starts_with("* OK [CAPABILITY IMAP4rev1"));
        assert_eq!(talk.status(&format!("LOGIN {user} {password}")), "OK [CAPABILITY");
        talk
    }

    pub fn send(&mut self, bytes: &[u8]) {
        // A server that has closed is found out by the next read.
        let _ = self.stream.get_mut().write_all(bytes);
    }

    /// The next line without its end; empty at the end of the connection.
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).expect("a line within the deadline");
        String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()
    }

    /// Sends a line and gives the next one.
    pub fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n").as_bytes());
        self.line()
    }

    /// The lines up to a dot alone.
    pub fn listing(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.line().as_str() {
                "." => return lines,
                line => lines.push(line.to_owned()),
            }
            assert!(lines.len() < 1_000_000, "a listing without end");
        }
    }

    /// The lines of an SMTP reply.
    pub fn smtp(&mut self, command: &str) -> Vec<String> {
        self.send(format!("{command}\r\n").as_bytes());
        let mut lines = Vec::new();
        loop {
            lines.push(self.line());
            if lines.last().is_some_and(|line| line.get(3..4) != Some("-")) {
                return lines;
            }
        }
    }

    /// Sends an IMAP command; gives its untagged replies, literals in place, and the tagged one without the tag.
    pub fn imap(&mut self, command: &str) -> (Vec<String>, String) {
        self.count += 1;
        let tag = format!("t{}", self.count);
        self.send(format!("{tag} {command}\r\n").as_bytes());
        self.imap_reply(&tag)
    }

    /// Reads up to the tagged reply.
    pub fn imap_reply(&mut self, tag: &str) -> (Vec<String>, String) {
        let mut untagged = Vec::new();
        loop {
            let line = self.imap_line();
            match line.strip_prefix(tag).and_then(|rest| rest.strip_prefix(' ')) {
                Some(rest) => return (untagged, rest.to_owned()),
                None if line.is_empty() => return (untagged, "closed".to_owned()),
                None => untagged.push(line),
            }
        }
    }

    /// Has the server said nothing that was not read?
    pub fn is_silent(&mut self) -> bool {
        self.stream.get_ref().set_nonblocking(true).unwrap();
        let waits = self.stream.fill_buf().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        self.stream.get_ref().set_nonblocking(false).unwrap();
        waits
    }

    /// Reads over so many octets.
    pub fn skip(&mut self, count: u64) {
        let skipped = std::io::copy(&mut self.stream.by_ref().take(count), &mut std::io::sink());
        assert_eq!(skipped.expect("the octets within the deadline"), count);
    }

    /// One line with the literals in it.
    pub fn imap_line(&mut self) -> String {
        let mut whole = self.line();
        loop {
            let size = whole.strip_suffix('}').and_then(|line| line.rsplit_once('{')).map(|(_, size)| size.parse());
            let Some(Ok(size)) = size else { return whole };
            let mut literal = vec![0; size];
            self.stream.read_exact(&mut literal).unwrap();
            whole = format!("{whole}\r\n{}{}", String::from_utf8_lossy(&literal), self.line());
        }
    }

    /// The first two words of the tagged reply.
    pub fn status(&mut self, command: &str) -> String {
        let (_, tagged) = self.imap(command);
        tagged.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// Sends a command that must be answered with OK; gives the untagged replies.
    #[track_caller]
    pub fn ok(&mut self, command: &str) -> Vec<String> {
        let (untagged, tagged) = self.imap(command);
        assert!(tagged.starts_with("OK"), "{command}: {tagged}");
        untagged
    }

    /// Appends a message with a literal that is not waited for.
    pub fn append(&mut self, mailbox: &str, more: &str, message: &str) -> String {
        let (_, tagged) = self.imap(&format!("APPEND {mailbox} {more}{{{}+}}\r\n{message}", message.len()));
        tagged
    }

    /// Everything up to the end of the connection.
    pub fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).expect("the end within the deadline");
        String::from_utf8_lossy(&rest).into_owned()
    }
}
