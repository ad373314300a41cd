//! The relay against nginx's stream module, which records nothing: throughput, small commands, new sessions, memory.
//! Takes the release build of the program and Debian's nginx; runs both in turn, five rounds, and prints medians.
//! Does not measure anything but whole processes; run it with `cargo bench --bench relay [WORD…]`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader as Lines};
use tokio::net::{TcpListener, TcpStream};

const ROUNDS: usize = 5;
const LITERAL: usize = 64 << 20;
const FETCHES: usize = 8;
const CONNECTIONS: usize = 64;
const COMMANDS: usize = 1500;
const SESSIONS: usize = 3000;
const SESSIONS_AT_ONCE: usize = 16;
const IDLE: usize = 9000;
const HUGE: u64 = 4 << 30;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|word| word == name);
    let _ = rustix::process::setrlimit(
        rustix::process::Resource::Nofile,
        rustix::process::getrlimit(rustix::process::Resource::Nofile),
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let server = serve().await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let nginx = Proxy::nginx(folder.path(), server);
        for (name, unit) in [("fetch", "MiB/s"), ("small", "commands/s"), ("sessions", "sessions/s")] {
            if !wants(name) {
                continue;
            }
            let mut rows = [Vec::new(), Vec::new()];
            let mut costs = [Vec::new(), Vec::new()];
            for _ in 0..ROUNDS {
                let dir = tempfile::tempdir().expect("a temporary folder");
                let mailtap = Proxy::mailtap(dir.path(), server);
                for (which, proxy) in [&mailtap, &nginx].into_iter().enumerate() {
                    let cpu = proxy.cpu();
                    let (figure, work) = match name {
                        "fetch" => fetch(proxy.address).await,
                        "small" => small(proxy.address).await,
                        _ => sessions(proxy.address).await,
                    };
                    rows[which].push(figure);
                    costs[which].push((proxy.cpu() - cpu) * 1e6 / work);
                }
            }
            let [mine, theirs] = rows.map(median);
            let [cost, their_cost] = costs.map(median);
            println!("{name:9} mailtap {mine:10.0} {unit:12} nginx {theirs:10.0}   ratio {:.2}", mine / theirs);
            println!("{:9} mailtap {cost:10.1} cpu us each   nginx {their_cost:10.1}", "");
        }
        if wants("idle") {
            for which in ["mailtap", "nginx"] {
                let dir = tempfile::tempdir().expect("a temporary folder");
                let own = (which == "mailtap").then(|| Proxy::mailtap(dir.path(), server));
                let proxy = own.as_ref().unwrap_or(&nginx);
                let before = proxy.rss();
                let kept = idle(proxy.address).await;
                let each = (proxy.rss() - before) as f64 / 1024.0 / IDLE as f64;
                println!("idle      {which:8} {each:8.1} KiB each of {} idle sessions", kept.len());
            }
        }
        if wants("huge") {
            let dir = tempfile::tempdir().expect("a temporary folder");
            let mailtap = Proxy::mailtap(dir.path(), server);
            let mut socket = login(mailtap.address).await;
            let before = mailtap.rss();
            let started = Instant::now();
            take(&mut socket, HUGE).await;
            let peak = mailtap.peak();
            println!(
                "huge      mailtap {:8.1} MiB of growth in a literal of 4 GiB ({:.0} MiB/s)",
                peak.saturating_sub(before) as f64 / 1048576.0,
                4096.0 / started.elapsed().as_secs_f64()
            );
        }
    });
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// One proxy process.
struct Proxy {
    child: Child,
    /// The processes that do the work.
    workers: Vec<u32>,
    address: SocketAddr,
}

impl Proxy {
    fn mailtap(dir: &Path, server: SocketAddr) -> Proxy {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mailtap"))
            .arg("--dir")
            .arg(dir)
            .args(["proxy", "--quiet", "--route", &format!("imap://127.0.0.1:0=imap://{server}")])
            .stderr(Stdio::piped())
            .spawn()
            .expect("mailtap starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its output"));
        let mut line = String::new();
        lines.read_line(&mut line).expect("a listening line");
        let address = line.split("listening on ").nth(1).and_then(|rest| rest.split(' ').next());
        let address = address.and_then(|text| text.parse().ok()).expect("an address");
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Proxy { workers: vec![child.id()], child, address }
    }

    fn nginx(folder: &Path, server: SocketAddr) -> Proxy {
        let port = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").local_addr().unwrap().port();
        let module = "/usr/lib/nginx/modules/ngx_stream_module.so";
        assert!(Path::new(module).exists(), "install nginx and libnginx-mod-stream");
        let config = folder.join("nginx.conf");
        let text = format!(
            "load_module {module}; daemon off; worker_processes 2; pid {dir}/nginx.pid; error_log {dir}/error.log;\n\
             worker_rlimit_nofile 20000; events {{ worker_connections 20000; }}\n\
             stream {{ server {{ listen 127.0.0.1:{port}; proxy_pass {server}; tcp_nodelay on; }} }}\n",
            dir = folder.display()
        );
        fs::write(&config, text).expect("a configuration");
        let child = Command::new("nginx").arg("-c").arg(&config).stderr(Stdio::null()).spawn().expect("nginx starts");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "nginx does not listen");
        }
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap_or_default();
        let workers = children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
        Proxy { child, workers, address }
    }

    /// CPU seconds so far.
    fn cpu(&self) -> f64 {
        let ticks: u64 = self
            .workers
            .iter()
            .map(|pid| {
                let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
                let field = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
                field(11) + field(12)
            })
            .sum();
        ticks as f64 / 100.0
    }

    fn status(&self, name: &str) -> u64 {
        self.workers
            .iter()
            .map(|pid| {
                let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
                let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
                line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
            })
            .sum()
    }

    fn rss(&self) -> u64 {
        self.status("VmRSS:")
    }

    fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// A mail server that answers at once and holds no mail.
async fn serve() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        loop {
            if let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(answer(socket));
            }
        }
    });
    address
}

async fn answer(socket: TcpStream) -> std::io::Result<()> {
    let _ = socket.set_nodelay(true);
    let (reader, mut writer) = socket.into_split();
    let mut lines = Lines::with_capacity(512, reader);
    writer.write_all(b"* OK ready\r\n").await?;
    let mut line = String::new();
    let block: Vec<u8> =
        b"A line of a message, as long as most of them are, with nothing special at all.\r\n".repeat(800);
    loop {
        line.clear();
        if lines.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let mut words = line.split_whitespace();
        let (tag, verb) = (words.next().unwrap_or("*"), words.next().unwrap_or(""));
        match verb {
            "FETCH" => {
                let size: usize = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
                writer.write_all(format!("* 1 FETCH (BODY[] {{{size}}}\r\n").as_bytes()).await?;
                let mut left = size;
                while left > 0 {
                    let part = left.min(block.len());
                    writer.write_all(&block[..part]).await?;
                    left -= part;
                }
                writer.write_all(format!(")\r\n{tag} OK done\r\n").as_bytes()).await?;
            }
            "LOGOUT" => {
                writer.write_all(format!("* BYE\r\n{tag} OK done\r\n").as_bytes()).await?;
                return Ok(());
            }
            _ => writer.write_all(format!("{tag} OK done\r\n").as_bytes()).await?,
        }
    }
}

async fn login(address: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    let _ = socket.set_nodelay(true);
    until(&mut socket, b"ready\r\n").await;
    socket.write_all(b"a1 LOGIN joe secret\r\n").await.expect("it is sent");
    until(&mut socket, b"done\r\n").await;
    socket
}

/// Reads until the end is there; answers are short and come alone.
async fn until(socket: &mut TcpStream, end: &[u8]) {
    let mut heard = Vec::new();
    let mut block = [0; 512];
    while !heard.ends_with(end) {
        let read = socket.read(&mut block).await.expect("an answer");
        assert!(read > 0, "the proxy ended the connection");
        heard.extend_from_slice(&block[..read]);
    }
}

async fn take(socket: &mut TcpStream, bytes: u64) {
    socket.write_all(format!("a2 FETCH {bytes}\r\n").as_bytes()).await.expect("it is sent");
    let mut block = vec![0; 256 * 1024];
    let mut taken = 0;
    loop {
        let read = socket.read(&mut block).await.expect("data");
        assert!(read > 0, "the proxy ended the connection");
        taken += read as u64;
        if taken > bytes && block[..read].ends_with(b"done\r\n") {
            return;
        }
    }
}

async fn fetch(address: SocketAddr) -> (f64, f64) {
    let mut socket = login(address).await;
    let started = Instant::now();
    for _ in 0..FETCHES {
        take(&mut socket, LITERAL as u64).await;
    }
    let work = (FETCHES * LITERAL) as f64 / 1048576.0;
    (work / started.elapsed().as_secs_f64(), work)
}

async fn small(address: SocketAddr) -> (f64, f64) {
    let mut sockets = Vec::new();
    for _ in 0..CONNECTIONS {
        sockets.push(login(address).await);
    }
    let started = Instant::now();
    let tasks: Vec<_> = sockets
        .into_iter()
        .map(|mut socket| {
            tokio::spawn(async move {
                for number in 0..COMMANDS {
                    socket.write_all(format!("b{number} NOOP\r\n").as_bytes()).await.expect("it is sent");
                    until(&mut socket, b"done\r\n").await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a client");
    }
    let work = (CONNECTIONS * COMMANDS) as f64;
    (work / started.elapsed().as_secs_f64(), work)
}

async fn sessions(address: SocketAddr) -> (f64, f64) {
    let started = Instant::now();
    let tasks: Vec<_> = (0..SESSIONS_AT_ONCE)
        .map(|_| {
            tokio::spawn(async move {
                for _ in 0..SESSIONS / SESSIONS_AT_ONCE {
                    let mut socket = login(address).await;
                    socket.write_all(b"a9 LOGOUT\r\n").await.expect("it is sent");
                    let mut rest = Vec::new();
                    socket.read_to_end(&mut rest).await.expect("the end");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a client");
    }
    let work = (SESSIONS / SESSIONS_AT_ONCE * SESSIONS_AT_ONCE) as f64;
    (work / started.elapsed().as_secs_f64(), work)
}

async fn idle(address: SocketAddr) -> Vec<TcpStream> {
    let mut kept = Vec::with_capacity(IDLE);
    for _ in 0..IDLE {
        kept.push(login(address).await);
    }
    kept
}
