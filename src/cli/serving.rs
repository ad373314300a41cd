//! What the commands that serve share: signals, the lines that say where they listen, and the printing of live events.
//! Takes a proxy that is bound, runs it until it is told to end.
//! Does not know which command it serves.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Failure, Globals};
use crate::event::Object;
use crate::net::{BindError, LIVE_MAX, Leaving, Live, Proxy};
use crate::store::Store;
use crate::view::words::Explainer;
use crate::view::{self, Form};

/// How long the last lines may take to be printed when everything else has ended.
const PRINT_FOR: Duration = Duration::from_secs(2);

/// What is printed while sessions run.
#[derive(clap::Args, Debug)]
pub struct Shown {
    /// Print event lines as JSON instead of text; with --explain, each with `explain` and `rfc`; with --quiet, only what
    /// is not of sessions: listeners, accounts, reports
    #[arg(long)]
    pub json: bool,
    /// Print nothing of the sessions
    #[arg(long, short)]
    pub quiet: bool,
    /// Say under each command and reply what it means
    #[arg(long, conflicts_with = "quiet")]
    pub explain: bool,
}

/// What is recorded of sessions.
#[derive(clap::Args, Debug)]
pub struct RecordingArgs {
    /// Record passwords, SASL responses and tokens as they are
    #[arg(long)]
    pub keep_secrets: bool,
    /// How much of each message or literal to record: all, none, or a number of bytes
    #[arg(long, value_name = "all|none|BYTES", default_value = "all", value_parser = bodies)]
    pub bodies: u64,
    /// How many seconds sessions in the middle of something may go on after SIGINT or SIGTERM (those at rest end right
    /// away); a second signal ends all at once
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub grace: u64,
}

/// The signals that end the program: the first one kindly, the second at once.
pub struct Signals {
    first: (Signal, Signal),
    second: (Signal, Signal),
}

impl Signals {
    /// From here on the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// When the system does not let signals be caught.
    pub fn catch() -> Result<Signals, Failure> {
        let pair = || -> io::Result<(Signal, Signal)> {
            Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
        };
        let failed = |error: io::Error| Failure::work(format!("cannot catch signals: {error}"));
        // Where a limit is set on the size of files, the recording that reaches it is to have a gap. Unless it is caught
        // this signal ends the process; caught, the write fails as on a full disk.
        let _ = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).map_err(failed)?;
        Ok(Signals { first: pair().map_err(failed)?, second: pair().map_err(failed)? })
    }

    pub async fn wait(&mut self) {
        either(&mut self.first).await;
    }

    pub async fn wait_for_second(&mut self) {
        second(&mut self.second).await;
    }
}

async fn second(signals: &mut (Signal, Signal)) {
    // The first one is seen here as well.
    either(signals).await;
    either(signals).await;
}

async fn either((interrupt, terminate): &mut (Signal, Signal)) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Does the whole work of a command that serves.
///
/// # Errors
/// When the system gives no threads, and those of the work.
pub fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::work(format!("cannot start: {error}; look at the limits of this user")))?;
    let done = runtime.block_on(work);
    // The name of a server that is still being looked up, for one thing, is of no interest any more.
    runtime.shutdown_background();
    done
}

/// Serves until a signal, and says when it stops and whom it refused.
///
/// # Errors
/// When it cannot run.
pub async fn run(
    proxy: Proxy,
    store: Store,
    shown: &Shown,
    grace: u64,
    globals: &Globals,
    signals: Signals,
) -> Result<(), Failure> {
    run_until(proxy, store, shown, grace, globals, signals, std::future::pending()).await
}

/// The same, and it also stops when `over` says so.
///
/// # Errors
/// When it cannot run.
pub async fn run_until(
    proxy: Proxy,
    store: Store,
    shown: &Shown,
    grace: u64,
    globals: &Globals,
    mut signals: Signals,
    over: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let (live, printer) = if shown.quiet {
        (None, None)
    } else {
        let (send, receive) = sync_channel(LIVE_MAX);
        let (json, explain, style) = (shown.json, shown.explain, globals.style());
        let form = if json { Form::Json } else { Form::Text(style) };
        let (printed, done) = sync_channel(1);
        std::thread::spawn(move || {
            print_live(&receive, live(form, explain));
            let _ = printed.send(());
        });
        (Some(send), Some(done))
    };
    let stop = async {
        tokio::select! {
            () = either(&mut signals.first) => {
                eprintln!("mailtap: stopping; sessions in the middle of something may go on for {grace} s");
                Leaving::AtRest
            }
            () = over => Leaving::ByThemselves,
        }
    };
    let force = second(&mut signals.second);
    let served = proxy.run(store, live, Duration::from_secs(grace), stop, force).await;
    let served = served.map_err(|error| Failure::work(format!("cannot serve: {error}")))?;
    if let Some(printer) = printer {
        // Whoever reads our output may have stopped reading; that is no reason not to end.
        let _ = printer.recv_timeout(PRINT_FOR);
    }
    if served.refused > 0 {
        eprintln!("mailtap: {} connections were refused: their addresses are not in --allow-from", served.refused);
    }
    Ok(())
}

fn live(form: Form, explain: bool) -> view::Live {
    let view = view::Live::new(form);
    if explain { view.annotated(|| Box::new(Explainer::default())) } else { view }
}

/// Prints what is recorded, as it is recorded.
fn print_live(blocks: &Receiver<Live>, mut view: view::Live) {
    let mut text = Vec::new();
    for block in blocks {
        for line in block.lines.split_inclusive(|&byte| byte == b'\n') {
            view.line(&block.session, line, &mut text);
        }
        let mut out = io::stdout().lock();
        // Whoever reads our output may have gone; mail flows on.
        let _ = out.write_all(&text).and_then(|()| out.flush());
        text.clear();
    }
}

/// Says where a listener is, to people and, if wanted, to scripts.
///
/// # Errors
/// Standard output cannot be written.
pub fn tell_listening(address: SocketAddr, route: &str, json: bool) -> Result<(), Failure> {
    eprintln!("mailtap: listening on {address} ({route})");
    if !json {
        return Ok(());
    }
    let mut line = Object::new();
    line.text("kind", "listening").text("address", &address.to_string()).text("route", route);
    print_object(&line)
}

/// Prints a JSON object on a line of its own.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_object(line: &Object) -> Result<(), Failure> {
    let mut text = String::new();
    view::json_line(line, &mut text);
    print(&text)
}

/// # Errors
/// Standard output cannot be written.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
}

#[must_use]
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

#[must_use]
pub fn bind_failure(failure: &BindError) -> Failure {
    let why = match failure.error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there; end it, or choose another port (0 takes a free one)".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 are for root; choose a higher one, e.g. 1143 in place of 143".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address; 127.0.0.1 is always there".to_owned(),
        _ => format!("{}; choose another address", failure.error),
    };
    Failure::usage(format!("cannot listen on {} for route {}: {why}", failure.address, failure.route))
}

fn bodies(text: &str) -> Result<u64, String> {
    match text {
        "all" => Ok(u64::MAX),
        "none" => Ok(0),
        number => number.parse().map_err(|_| "write all, none, or a number of bytes".to_owned()),
    }
}

/// Descriptors that are not a session's: listeners, recordings that are open, the terminal.
const DESCRIPTORS_KEPT: u64 = 400;

/// Raises the limit of open files as far as it goes, and says how many sessions of two sockets fit below it.
#[must_use]
pub fn sessions_by_descriptors() -> usize {
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
