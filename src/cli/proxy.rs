//! `mailtap proxy`: the routes, and the proxy that serves them.
//! Takes arguments, runs until it is told to end.
//! Does not know how sessions are relayed or shown.

use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use ipnet::IpNet;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::tls::TlsArgs;
use super::{Failure, Globals};
use crate::event::Object;
use crate::net::{self, LIVE_MAX, Live, Options, Proxy};
use crate::route::Route;
use crate::session;
use crate::store::Store;

/// Descriptors that are not a session's: listeners, recordings that are open, the terminal.
const DESCRIPTORS_KEPT: u64 = 400;

/// Run the proxy: relay mail sessions, log them, show them
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The server whose standard ports are served on 127.0.0.1 at 1025, 1587, 1465, 1110, 1995, 1143 and 1993
    #[arg(value_name = "UPSTREAM_HOST")]
    host: Option<String>,
    /// Where to listen and where that goes, e.g. imap://127.0.0.1:1143=imap://mail.example (repeatable)
    #[arg(long = "route", value_name = "ROUTE")]
    routes: Vec<String>,
    #[command(flatten)]
    shown: Shown,
    #[command(flatten)]
    recording: RecordingArgs,
    #[command(flatten)]
    tls: TlsArgs,
    /// Let clients from these networks connect, besides this machine (repeatable; needed to listen elsewhere than on loopback)
    #[arg(long, value_name = "CIDR", value_delimiter = ',', num_args = 1..)]
    allow_from: Vec<String>,
    /// How many seconds running sessions may go on after SIGINT or SIGTERM; a second signal ends them at once
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    grace: u64,
    /// How many sessions may run at a time [default: as many as the limit of open files allows]
    #[arg(long, value_name = "N")]
    max_sessions: Option<usize>,
}

/// What is printed while sessions run.
#[derive(clap::Args, Debug)]
pub struct Shown {
    /// Print event lines as JSON instead of text
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
    /// Print nothing of the sessions
    #[arg(long, short)]
    quiet: bool,
}

/// What is recorded of sessions.
#[derive(clap::Args, Debug)]
pub struct RecordingArgs {
    /// Record passwords, SASL responses and tokens as they are
    #[arg(long)]
    keep_secrets: bool,
    /// How much of each message or literal to record: all, none, or a number of bytes
    #[arg(long, value_name = "all|none|BYTES", default_value = "all", value_parser = bodies)]
    bodies: u64,
}

/// # Errors
/// A wrong route, or an address or folder that cannot be used.
pub fn run(args: Args, globals: &Globals) -> Result<(), Failure> {
    let options = options(&args, globals)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::work(format!("cannot start: {error}")))?;
    runtime.block_on(serve(options, &args.shown, globals))
}

fn options(args: &Args, globals: &Globals) -> Result<Options, Failure> {
    let mut routes = Vec::new();
    for text in &args.routes {
        routes.push(Route::parse(text).map_err(Failure::usage)?);
    }
    if let Some(host) = &args.host {
        routes.extend(Route::defaults(host).map_err(Failure::usage)?);
    }
    if routes.is_empty() {
        return Err(Failure::usage(
            "nowhere to relay to; name a server, e.g. mailtap proxy mail.example, or a route with --route",
        ));
    }
    let allow_from = args.allow_from.iter().map(|text| network(text)).collect::<Result<Vec<_>, _>>()?;
    for route in &routes {
        if !route.listen.ip().is_loopback() && allow_from.is_empty() {
            return Err(Failure::usage(format!(
                "{} can be reached from other machines, and whoever connects there talks to {}: an open relay; \
                 say who may with --allow-from CIDR, or listen on 127.0.0.1",
                route.listen, route.upstream
            )));
        }
    }
    let sessions_max = args.max_sessions.unwrap_or_else(sessions_by_descriptors);
    if sessions_max == 0 {
        return Err(Failure::usage("--max-sessions 0 would serve nobody; give a number above 0"));
    }
    Ok(Options {
        routes,
        allow_from,
        grace: Duration::from_secs(args.grace),
        sessions_max,
        session: session::Config { keep_secrets: args.recording.keep_secrets, bodies: args.recording.bodies },
        secure: args.tls.open(&globals.dir)?,
    })
}

async fn serve(options: Options, shown: &Shown, globals: &Globals) -> Result<(), Failure> {
    let store = Store::open(&globals.dir).map_err(Failure::usage)?;
    let failed = |error: io::Error| Failure::work(format!("cannot serve: {error}"));
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt()).map_err(failed)?, signal(SignalKind::terminate()).map_err(failed)?);
    let grace = options.grace;
    let proxy = Proxy::bind(options).await.map_err(|error| bind_failure(&error))?;
    for route in proxy.routes() {
        eprintln!("mailtap: listening on {} ({route})", route.listen);
        if shown.json {
            let mut line = Object::new();
            line.text("kind", "listening").text("address", &route.listen.to_string()).text("route", &route.to_string());
            print_line(&line)?;
        }
    }
    let (live, printer) = if shown.quiet {
        (None, None)
    } else {
        let (send, receive) = sync_channel(LIVE_MAX);
        let (json, globals) = (shown.json, globals.clone());
        (Some(send), Some(std::thread::spawn(move || print_live(&receive, json, &globals))))
    };
    let first = either(&mut interrupt, &mut terminate);
    let stop = async {
        first.await;
        eprintln!("mailtap: stopping; running sessions may go on for {} s", grace.as_secs());
    };
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt()).map_err(failed)?, signal(SignalKind::terminate()).map_err(failed)?);
    let force = async {
        // Signals from before the stop are not meant for here: the first one is seen by both.
        either(&mut interrupt, &mut terminate).await;
        either(&mut interrupt, &mut terminate).await;
    };
    let served = proxy.run(store, live, stop, force).await.map_err(failed)?;
    if let Some(printer) = printer {
        let _ = printer.join();
    }
    if served.refused > 0 {
        eprintln!("mailtap: {} connections were refused: their addresses are not in --allow-from", served.refused);
    }
    Ok(())
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Prints what is recorded, as it is recorded.
fn print_live(blocks: &Receiver<Live>, json: bool, globals: &Globals) {
    let _ = (json, globals);
    for block in blocks {
        let mut out = io::stdout().lock();
        for line in block.lines.split_inclusive(|&byte| byte == b'\n') {
            // The first event of a session carries its name already.
            if memchr::memmem::find(line.get(..80).unwrap_or(line), b"\"kind\":\"open\"").is_some() {
                let _ = out.write_all(line);
                continue;
            }
            let _ = write!(out, "{{\"session\":\"{}\",", block.session);
            let _ = out.write_all(line.get(1..).unwrap_or_default());
        }
        let _ = out.flush();
    }
}

fn print_line(line: &Object) -> Result<(), Failure> {
    let mut text = String::new();
    line.write(&mut text);
    text.push('\n');
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
}

fn bind_failure(error: &net::BindError) -> Failure {
    let why = match error.error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there; end it, or choose another port (0 takes a free one)".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 are for root; choose a higher one, e.g. 1143 in place of 143".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address; 127.0.0.1 is always there".to_owned(),
        _ => format!("{}; choose another address", error.error),
    };
    Failure::usage(format!("cannot listen on {} for route {}: {why}", error.address, error.route))
}

fn network(text: &str) -> Result<IpNet, Failure> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or_else(|_| address()).map_err(|_| {
        Failure::usage(format!("--allow-from {text:?} is no network; write one as 192.0.2.0/24 or 2001:db8::/32"))
    })
}

fn bodies(text: &str) -> Result<u64, String> {
    match text {
        "all" => Ok(u64::MAX),
        "none" => Ok(0),
        number => number.parse().map_err(|_| "write all, none, or a number of bytes".to_owned()),
    }
}

/// Raises the limit of open files as far as it goes, and says how many sessions of two sockets fit below it.
fn sessions_by_descriptors() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let files = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let files = files.unwrap_or(1 << 20);
    usize::try_from(files.saturating_sub(DESCRIPTORS_KEPT) / 2).unwrap_or(usize::MAX).clamp(16, 1 << 20)
}
