//! `mailtap replay server`: the recorded server, for a real client.
//! Takes sessions and how they are to be played, serves until it is told to end or all is played, and reports.
//! Does not know how a recording is played.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;

use super::own_ca::OwnCa;
use super::serving::{self, RecordingArgs, Shown, Signals};
use super::{Failure, Globals, say, warn};
use crate::net::{HANDSHAKE_FOR, Options, Passthrough, Played, Proxy, Secure};
use crate::play::{self, Loaded, Plan, Speed, Stage};
use crate::proto::{self, Scheme};
use crate::replay::matching::Match;
use crate::replay::scram::Login;
use crate::replay::script::Script;
use crate::route::Route;
use crate::session;
use crate::store::{Library, Store};
use crate::tls::server::Server;
use crate::tls::upstream::{self, Upstream};

/// Be the recorded server for a real client
#[derive(clap::Args, Debug)]
pub struct Args {
    /// What to play: ids, their parts after the dash, `last`, recordings' paths, or folders of recordings
    #[arg(value_name = "SESSION", required = true)]
    sessions: Vec<String>,
    /// Where to listen: ADDR:PORT (port 0 takes a free one), or SCHEME://ADDR:PORT where the recordings are of several
    /// schemes (repeatable)
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: Vec<String>,
    /// How closely the client must keep to the recording: strict ends at the first difference, ordered lets be new what
    /// is new in each run, free answers anything that was recorded, as often as it is asked
    #[arg(long = "match", value_name = "HOW", default_value = "ordered")]
    mode: MatchArg,
    /// How fast to answer: as recorded, N times as fast, or at once
    #[arg(long, value_name = "original|N|max", default_value = "max", value_parser = Speed::parse)]
    speed: Speed,
    /// End when every recording has been played
    #[arg(long, conflicts_with = "again")]
    once: bool,
    /// Play the recordings again when all have been played
    #[arg(long = "loop")]
    again: bool,
    /// Who may log in by SCRAM, which needs the password; every other mechanism lets anybody in
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The password for --user
    #[arg(long, value_name = "PASSWORD", requires = "user", conflicts_with_all = ["password_env", "password_file"])]
    password: Option<String>,
    /// The environment variable that holds it
    #[arg(long, value_name = "NAME", requires = "user")]
    password_env: Option<String>,
    /// The file whose first line it is
    #[arg(long, value_name = "FILE", requires = "user", conflicts_with = "password_env")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    shown: Shown,
    #[command(flatten)]
    recording: RecordingArgs,
    #[command(flatten)]
    own_ca: OwnCa,
    /// Let clients from these networks connect, besides this machine (repeatable; needed to listen elsewhere than on loopback)
    #[arg(long, value_name = "CIDR", value_delimiter = ',', num_args = 1..)]
    allow_from: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MatchArg {
    Strict,
    Ordered,
    Free,
}

/// # Errors
/// Nothing that can be played, an address that cannot be used; at the end, a client that asked for something else.
pub fn run(args: &Args, globals: &Globals) -> Result<(), Failure> {
    let login = login(args)?;
    let scripts = scripts(args, globals)?;
    let routes = listeners(args, &scripts)?;
    let allow_from = args.allow_from.iter().map(|text| super::proxy::network(text)).collect::<Result<Vec<_>, _>>()?;
    for route in &routes {
        if !route.listen.ip().is_loopback() && allow_from.is_empty() {
            return Err(Failure::usage(format!(
                "{} can be reached from other machines; say which may connect with --allow-from CIDR, or listen on 127.0.0.1",
                route.listen
            )));
        }
    }
    let mode = match args.mode {
        MatchArg::Strict => Match::Strict,
        MatchArg::Ordered => Match::Ordered,
        MatchArg::Free => Match::Free,
    };
    let stage = Arc::new(Stage::new(scripts, Plan { mode, speed: args.speed, again: args.again, login }));
    let authority = args.own_ca.open(&globals.dir).map_err(Failure::usage)?;
    let options = Options {
        routes,
        next_free: false,
        allow_from,
        sessions_max: serving::sessions_by_descriptors(),
        session: session::Config { keep_secrets: args.recording.keep_secrets, bodies: args.recording.bodies },
        secure: Secure {
            authority,
            server: Server::new(None).map_err(Failure::work)?,
            upstream: Upstream::open(&upstream::Options::default()).map_err(Failure::work)?,
            passthrough: Passthrough::default(),
            handshake: HANDSHAKE_FOR,
        },
        played: Some(Arc::clone(&stage) as Arc<dyn Played>),
    };
    let store = Store::open(&globals.dir).map_err(Failure::usage)?;
    serving::block_on(async {
        let signals = Signals::catch()?;
        let proxy = Proxy::bind(options).await.map_err(|failure| serving::bind_failure(&failure))?;
        for route in proxy.routes() {
            serving::tell_listening(route.listen, &route.to_string(), args.shown.json)?;
        }
        let over = stage.over(args.once);
        serving::run_until(proxy, store, &args.shown, args.recording.grace, globals, signals, over).await
    })?;
    let report = stage.report();
    if args.shown.json {
        serving::print_object(&report.object())?;
    } else {
        serving::print(&report.text())?;
    }
    if report.differs() {
        return Err(Failure::work("the client did something other than what was recorded; the report says what"));
    }
    Ok(())
}

fn login(args: &Args) -> Result<Option<Login>, Failure> {
    let Some(user) = args.user.clone() else { return Ok(None) };
    let password = match (&args.password, &args.password_env, &args.password_file) {
        (Some(password), ..) => password.clone(),
        (None, Some(name), _) => std::env::var(name).map_err(|_| {
            Failure::usage(format!("--password-env {name}: no such variable is set; set it, or use --password-file"))
        })?,
        (None, None, Some(file)) => {
            let text = std::fs::read_to_string(file);
            let text = text.map_err(|error| Failure::usage(format!("--password-file {}: {error}", file.display())))?;
            text.lines().next().unwrap_or_default().to_owned()
        }
        (None, None, None) => {
            return Err(Failure::usage("--user needs a password; give --password-env NAME or --password-file FILE"));
        }
    };
    Ok(Some(Login { user, password }))
}

/// Reads what is to be played, and says what cannot be played, or not whole.
fn scripts(args: &Args, globals: &Globals) -> Result<Vec<Script>, Failure> {
    let library = Library::new(&globals.dir);
    let mut paths = Vec::new();
    for word in &args.sessions {
        if Path::new(word).is_dir() {
            let before = paths.len();
            collect(Path::new(word), &mut paths);
            if paths.len() == before {
                return Err(Failure::work(format!("there is no recording (….jsonl) in {word}; name another folder")));
            }
        } else {
            paths.push(library.find(word)?.path);
        }
    }
    let mut scripts = Vec::new();
    let mut last = String::new();
    for path in paths {
        match play::load(&path) {
            Ok(Loaded { script, cut }) => {
                if let Some(cut) = cut {
                    warn(&cut);
                }
                scripts.push(script);
            }
            Err(why) => {
                if !last.is_empty() {
                    say(&last);
                }
                last = why;
            }
        }
    }
    if scripts.is_empty() {
        return Err(Failure::work(last));
    }
    if !last.is_empty() {
        warn(&format!("{last}; it is left out"));
    }
    Ok(scripts)
}

/// Every recording below a folder, in the order of their names.
fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    // A folder behind a symbolic link is not entered: it may be one that this stands in.
    let inside = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut inside: Vec<(PathBuf, bool)> =
        inside.map(|entry| (entry.path(), entry.file_type().is_ok_and(|kind| kind.is_dir()))).collect();
    inside.sort();
    for (path, is_folder) in inside {
        if is_folder {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "jsonl")
            && path.file_name().is_some_and(|name| name != "index.jsonl")
        {
            paths.push(path);
        }
    }
}

/// An address for each scheme: the one that was named for it, or else the one without a scheme.
fn listeners(args: &Args, scripts: &[Script]) -> Result<Vec<Route>, Failure> {
    let (mut named, mut plain) = (Vec::new(), Vec::new());
    for text in &args.listen {
        match text.split_once("://") {
            Some((scheme, address)) => {
                if proto::scheme(scheme).is_none() {
                    return Err(Failure::usage(format!(
                        "--listen {text}: {scheme:?} is no scheme; see routes in the manual"
                    )));
                }
                named.push((scheme, address_of(text, address)?));
            }
            None => plain.push(address_of(text, text)?),
        }
    }
    let mut plain = plain.into_iter();
    let mut shared: Option<SocketAddr> = None;
    let mut at = |scheme: &Scheme| {
        if let Some((_, address)) = named.iter().find(|(name, _)| *name == scheme.name) {
            return Ok(*address);
        }
        if let Some(address) = plain.next() {
            shared = Some(address);
            return Ok(address);
        }
        match shared {
            Some(address) if address.port() == 0 => Ok(address),
            _ => Err(format!(
                "the recordings are of several schemes, and {0} has no address of its own; add --listen {0}://127.0.0.1:0",
                scheme.name
            )),
        }
    };
    play::routes(scripts, &mut at).map_err(Failure::usage)
}

fn address_of(text: &str, address: &str) -> Result<SocketAddr, Failure> {
    let wrong =
        || Failure::usage(format!("--listen {text} is no address; write ADDR:PORT, e.g. 127.0.0.1:1143 or [::1]:0"));
    if let Ok(address) = address.parse() {
        return Ok(address);
    }
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    match host {
        "" | "localhost" => Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
        _ => Err(wrong()),
    }
}
