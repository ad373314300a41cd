//! The library's way to a played server: from recordings to an address, for tests in Rust.
//! Takes paths of recordings, gives a server that runs until it is stopped or dropped.
//! Does not print anything, and leaves recordings only where it is told to.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{Plan, Speed, Stage, load, routes};
use crate::net::{HANDSHAKE_FOR, Leaving, Options, Passthrough, Played, Proxy, Secure};
use crate::replay::matching::Match;
use crate::replay::report::Report;
use crate::replay::scram::Login;
use crate::session;
use crate::store::Store;
use crate::tls;
use crate::tls::authority::Authority;

/// How many sessions may run at a time.
const SESSIONS_MAX: usize = 1000;

/// How long sessions that still run may go on when the server is stopped.
const GRACE: Duration = Duration::from_millis(200);

/// A recorded server for tests: it answers a real client as the recording says.
///
/// It listens on a free port of 127.0.0.1, in a thread of its own, and ends when it is dropped. A session that used TLS
/// is served with TLS; the certificate is from the CA in the folder, see `Running::ca`.
///
/// ```
/// use std::io::{BufRead, BufReader, Write};
///
/// # let folder = std::env::temp_dir().join(format!("mailtap-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("noop.jsonl");
/// # std::fs::write(&path, concat!(
/// #   r#"{"seq":0,"at":"2026-11-23T03:32:00.000000Z","kind":"open","from":"proxy","format":"mailtap/1","session":"20261123T033200000-k3f9q2xw","protocol":"pop3","client":"127.0.0.1:4","listener":"127.0.0.1:1110","upstream":"127.0.0.1:110","upstream_name":"localhost:110","route":"pop3://127.0.0.1:1110=pop3://localhost:110","mailtap":"0.1.0"}"#, "\n",
/// #   r#"{"seq":1,"at":"2026-11-23T03:32:00.001000Z","kind":"greeting","from":"server","status":"+OK","text":"ready","wire":"+OK ready\r\n"}"#, "\n",
/// #   r#"{"seq":2,"at":"2026-11-23T03:32:00.002000Z","kind":"command","from":"client","verb":"STAT","args":{},"wire":"STAT\r\n"}"#, "\n",
/// #   r#"{"seq":3,"at":"2026-11-23T03:32:00.003000Z","kind":"reply","from":"server","status":"+OK","text":"2 320","answers":2,"wire":"+OK 2 320\r\n"}"#, "\n",
/// #   r#"{"seq":4,"at":"2026-11-23T03:32:00.004000Z","kind":"close","from":"proxy","by":"client","reason":"done","client_bytes":6,"server_bytes":22,"commands":1,"duration_us":4000}"#, "\n",
/// # ))?;
/// // `path` is a recording, e.g. ~/.local/share/mailtap/sessions/2026-11-23/20261123T033200000-k3f9q2xw.jsonl
/// let server = mailtap::replay::Server::from_recording(&path).start()?;
///
/// let mut client = BufReader::new(std::net::TcpStream::connect(server.address())?);
/// let mut line = String::new();
/// client.read_line(&mut line)?;
/// assert_eq!(line, "+OK ready\r\n");
/// client.get_mut().write_all(b"STAT\r\n")?;
/// line.clear();
/// client.read_line(&mut line)?;
/// assert_eq!(line, "+OK 2 320\r\n");
/// drop(client);
///
/// let report = server.stop();
/// assert!(report.matched == 1 && !report.differs());
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct Server {
    recordings: Vec<PathBuf>,
    plan: Plan,
    listen: SocketAddr,
    dir: Option<PathBuf>,
}

/// A played server that listens.
pub struct Running {
    addresses: Vec<(&'static str, SocketAddr)>,
    ca: PathBuf,
    cut: Vec<String>,
    stage: Arc<Stage>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Made for this server, and removed with it.
    folder: Option<PathBuf>,
}

/// Why a played server cannot start: one sentence.
#[derive(Debug)]
pub struct StartError(String);

impl Server {
    /// The server that this recording (a file `….jsonl`) was made of.
    pub fn from_recording(path: impl AsRef<Path>) -> Server {
        Server::from_recordings([path])
    }

    /// The server of several recordings: each connection is matched to the best one that is not played yet.
    pub fn from_recordings<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Server {
        let recordings = paths.into_iter().map(|path| path.as_ref().to_owned()).collect();
        let plan = Plan { mode: Match::Ordered, speed: Speed::Max, again: true, login: None };
        Server { recordings, plan, listen: SocketAddr::from(([127, 0, 0, 1], 0)), dir: None }
    }

    /// How closely the client must keep to the recording; [`Match::Ordered`] if nothing is said.
    pub fn matching(mut self, mode: Match) -> Server {
        self.plan.mode = mode;
        self
    }

    /// How fast it answers; [`Speed::Max`] if nothing is said.
    pub fn speed(mut self, speed: Speed) -> Server {
        self.plan.speed = speed;
        self
    }

    /// Each recording is played to one client only; the ones that come when all have been played are sent away.
    pub fn once(mut self) -> Server {
        self.plan.again = false;
        self
    }

    /// The login that SCRAM needs for a true exchange. Every other mechanism lets anybody in.
    pub fn login(mut self, user: &str, password: &str) -> Server {
        self.plan.login = Some(Login { user: user.to_owned(), password: password.to_owned() });
        self
    }

    /// Where the CA is kept and the replay's own recordings are written. If nothing is said, in a folder that goes with
    /// the server.
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Server {
        self.dir = Some(dir.as_ref().to_owned());
        self
    }

    /// Where it listens; a free port of 127.0.0.1 if nothing is said.
    pub fn listen(mut self, address: SocketAddr) -> Server {
        self.listen = address;
        self
    }

    /// Starts it; it listens when this returns.
    ///
    /// # Errors
    /// A recording that cannot be read or played at all, or an address that cannot be listened at.
    pub fn start(self) -> Result<Running, StartError> {
        let (mut scripts, mut cut) = (Vec::new(), Vec::new());
        for path in &self.recordings {
            let loaded = load(path).map_err(StartError)?;
            cut.extend(loaded.cut);
            scripts.push(loaded.script);
        }
        if scripts.is_empty() {
            return Err(StartError("there is no recording to play".to_owned()));
        }
        let mut first = Some(self.listen);
        let free = SocketAddr::new(self.listen.ip(), 0);
        let routes = routes(&scripts, &mut |_| Ok(first.take().unwrap_or(free))).map_err(StartError)?;
        let (dir, folder) = match self.dir {
            Some(dir) => (dir, None),
            None => {
                let dir = own_folder()?;
                (dir.clone(), Some(dir))
            }
        };
        let wrong = |error: &dyn fmt::Display| StartError(error.to_string());
        let authority = Authority::open(&dir.join("certs")).map_err(|error| wrong(&error))?;
        let ca = authority.cert_path().to_path_buf();
        let store = Store::open(&dir).map_err(|error| wrong(&error))?;
        let stage = Arc::new(Stage::new(scripts, self.plan));
        let secure = Secure {
            authority,
            server: tls::server::Server::new(None).map_err(|error| wrong(&error))?,
            upstream: tls::upstream::Upstream::open(&tls::upstream::Options::default())
                .map_err(|error| wrong(&error))?,
            passthrough: Passthrough::default(),
            handshake: HANDSHAKE_FOR,
        };
        let options = Options {
            routes,
            next_free: false,
            allow_from: Vec::new(),
            sessions_max: SESSIONS_MAX,
            session: session::Config::default(),
            secure,
            played: Some(Arc::clone(&stage) as Arc<dyn Played>),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| wrong(&error))?;
        let proxy = runtime.block_on(Proxy::bind(options));
        let proxy =
            proxy.map_err(|error| StartError(format!("cannot listen on {}: {}", error.address, error.error)))?;
        let addresses = proxy.routes().map(|route| (route.client.scheme, route.listen)).collect();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let stop = async {
                // Dropped counts as said.
                let _ = stopped.await;
                Leaving::ByThemselves
            };
            let _ = runtime.block_on(proxy.run(store, None, GRACE, stop, std::future::pending()));
        });
        Ok(Running { addresses, ca, cut, stage, stop: Some(stop), thread: Some(thread), folder })
    }
}

impl Running {
    /// Where it listens: the first address, if the recordings are of several schemes.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.addresses.first().map_or(SocketAddr::from(([127, 0, 0, 1], 0)), |(_, address)| *address)
    }

    /// Every scheme (`imap`, `submissions` …) with its address.
    #[must_use]
    pub fn addresses(&self) -> &[(&'static str, SocketAddr)] {
        &self.addresses
    }

    /// The certificate (PEM) that a client of it must trust, where the recording has TLS.
    #[must_use]
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// Why a recording is not played whole, a sentence for each.
    #[must_use]
    pub fn cut(&self) -> &[String] {
        &self.cut
    }

    /// What matched until now, what was asked in vain and what was never asked.
    #[must_use]
    pub fn report(&self) -> Report {
        self.stage.report()
    }

    /// Ends it, and says what it came to.
    pub fn stop(mut self) -> Report {
        self.end();
        self.stage.report()
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to say.
            let _ = thread.join();
        }
        if let Some(folder) = self.folder.take() {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// A folder of its owner alone, with a name that nobody can guess.
fn own_folder() -> Result<PathBuf, StartError> {
    use std::os::unix::fs::DirBuilderExt;
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| StartError(format!("no randomness: {error}")))?;
    let name = format!("mailtap-replay-{:016x}", u64::from_le_bytes(random));
    let dir = std::env::temp_dir().join(name);
    let made = std::fs::DirBuilder::new().mode(0o700).create(&dir);
    made.map_err(|error| StartError(format!("cannot make {}: {error}", dir.display())))?;
    Ok(dir)
}
