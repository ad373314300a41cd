//! `mailtap replay client`: the recorded client, towards a real server.
//! Takes a session and a URL, plays it once and says what differs, or many times and says how fast it was.
//! Does not know how a client is played, nor how sessions are compared.

use std::collections::VecDeque;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::diff::{self, Sides};
use super::serving::{self, RecordingArgs, Signals};
use super::tls::TlsArgs;
use super::{Failure, Globals, recording, replay_load, say, warn};
use crate::event::{Object, Origin, Stamp};
use crate::net::{self, Calls, Ended, PLAYED_BUFFER, PlayedClient};
use crate::play::Speed;
use crate::proto::answer::{Credentials, MECHANISMS};
use crate::proto::renew::Login;
use crate::proto::{self, SchemeTls, Spec};
use crate::replay::client::{Client, End, Manner, Step};
use crate::replay::compare::Mode;
use crate::replay::cue::{Cues, Reading};
use crate::replay::diff::Diff;
use crate::route::Route;
use crate::session;
use crate::store::Store;
use crate::view::diff::Table;

/// How long a server may take to end the connection when the client has said everything.
const LEAVE_FOR: Duration = Duration::from_secs(5);

/// How many bytes are read at a time.
const BLOCK: usize = 16 * 1024;

/// Be the recorded client towards a real server, and compare what it answers
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The session: its id, the part after the dash, a beginning of either, `last`, or a recording's path
    session: String,
    /// The server: SCHEME://HOST[:PORT], e.g. imap://mail.example or imaps://127.0.0.1:1993
    url: String,
    /// Who logs in [default: who did when it was recorded]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The environment variable that holds the password (or token)
    #[arg(long, value_name = "NAME")]
    password_env: Option<String>,
    /// The file whose first line is the password (or token)
    #[arg(long, value_name = "FILE", conflicts_with = "password_env")]
    password_file: Option<PathBuf>,
    /// Compare byte by byte instead of by status and meaning
    #[arg(long)]
    strict: bool,
    /// How fast to go on: as recorded, N times as fast, or at once
    #[arg(long, value_name = "original|N|max", default_value = "max", value_parser = Speed::parse)]
    speed: Speed,
    /// How many seconds an answer may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    timeout: u32,
    /// How many seconds to wait for news (IDLE) that the recorded client was told of
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=86_400))]
    news_timeout: u32,
    /// Play it N times, as a load test
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    repeat: Option<u64>,
    /// How many of these at a time
    #[arg(long, value_name = "M", default_value_t = 1, requires = "repeat", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    concurrency: u64,
    /// Show every command; without it, runs of commands that are the same are folded
    #[arg(long)]
    all: bool,
    /// Print one JSON object for each difference, then a report
    #[arg(long, conflicts_with = "all")]
    json: bool,
    #[command(flatten)]
    recording: RecordingArgs,
    #[command(flatten)]
    tls: TlsArgs,
}

/// # Errors
/// A session that cannot be played, a server that cannot be reached; a difference.
pub fn run(args: &Args, globals: &Globals) -> Result<(), Failure> {
    let (recorded, conversation) = diff::read(globals, &args.session)?;
    let route = route(&args.url, recorded.spec)?;
    let cues = Arc::new(cues(args, globals, recorded.spec)?);
    let credentials = credentials(args, &cues)?;
    if let Some(why) = &cues.cut {
        warn(&format!("the recording is played only up to a point: {why}"));
    }
    if cues.filled > 0 {
        warn(&format!(
            "{} bytes of content are not in the recording; text made up by mailtap stands for them",
            cues.filled
        ));
    }
    let refused = cues.commands.iter().filter(|asked| asked.is_refused(cues.spec)).count();
    if refused > 0 {
        warn(&format!(
            "{refused} of the logins were refused when they were recorded; they are said with a wrong password"
        ));
    }
    let seconds = |seconds: u32| i64::from(seconds) * 1_000_000;
    let manner = Manner {
        speed: match args.speed {
            Speed::Times(times) => Some(times),
            Speed::Max => None,
        },
        answer_within: seconds(args.timeout),
        news_within: seconds(args.news_timeout),
        credentials,
        has_tls: route.server.tls != SchemeTls::Asked,
        nonce: String::new(),
    };
    let store = Store::open(&globals.dir).map_err(Failure::usage)?;
    let config = session::Config { keep_secrets: args.recording.keep_secrets, bodies: args.recording.bodies };
    let secure = args.tls.open(&globals.dir)?;
    let calls = Calls::start(store, None, config, secure);
    let calls = calls.map_err(|error| Failure::work(format!("cannot record: {error}")))?;
    let stage = Stage { cues, manner, route: Arc::new(route), of: recorded.session.clone() };
    if let Some(repeat) = args.repeat {
        return replay_load::run(&stage, calls, repeat, args.concurrency, args.json, globals);
    }
    let played = serving::block_on(async {
        let mut signals = Signals::catch()?;
        let played = {
            let play = stage.play(&calls);
            tokio::pin!(play);
            tokio::select! {
                played = &mut play => played,
                // What was said until then is recorded and compared.
                () = signals.wait() => {
                    calls.stop();
                    play.await
                }
            }
        };
        calls.finish().await;
        Ok::<_, Failure>(played)
    })?;
    let Some(ended) = played.ended else { return Err(Failure::work("it was stopped before it began")) };
    let (again, replayed) = diff::read(globals, &ended.session)?;
    let mode = if args.strict { Mode::Strict } else { Mode::Meaning };
    let found = Diff::replayed(&conversation, &replayed, recorded.spec.same, mode);
    let sides = Sides { one: &conversation, other: &replayed };
    let text = if args.json {
        let mut more = Object::new();
        more.text("session", &ended.session).text("of", &recorded.session);
        if let Some(why) = &played.stopped {
            more.text("stopped", why);
        }
        if stage.cues.filled > 0 {
            more.number("filled_bytes", stage.cues.filled);
        }
        diff::json(&found, &sides, &more)
    } else {
        let mut table = Table::new(globals.style(), args.all);
        let mut text = String::new();
        table.head([recorded.head(&conversation), again.head(&replayed)], &mut text);
        diff::rows(&found, &sides, &mut table, &mut text);
        text
    };
    print(&text)?;
    if played.missed > 0 {
        say(&format!("{} that the recorded client was told of never came", played.missed));
    }
    match played.stopped {
        Some(why) if ended.by == Origin::Proxy => {
            Err(Failure::work(format!("it stopped early: {why}; {}", ended.reason)))
        }
        Some(why) => Err(Failure::work(format!("it stopped early: {why}"))),
        None if found.is_same() => Ok(()),
        None => Err(Failure::Differs),
    }
}

pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
}

/// The route to the server; its listener stands for nothing.
fn route(url: &str, spec: &Spec) -> Result<Route, Failure> {
    let shape = "write the server as SCHEME://HOST[:PORT], e.g. imaps://mail.example";
    let Some((name, _)) = url.split_once("://") else {
        return Err(Failure::usage(format!("{url:?} is no URL; {shape}")));
    };
    let Some((of_url, scheme)) = proto::scheme(name) else {
        return Err(Failure::usage(format!("{name:?} is no scheme that mailtap knows; {shape}")));
    };
    if of_url.name != spec.name {
        let what = format!(
            "the recording is of {} and {url} is of {}; give a server of the same protocol",
            spec.name, of_url.name
        );
        return Err(Failure::usage(what));
    }
    let left = match scheme.tls {
        SchemeTls::StartTls => of_url.schemes.first().map_or(name, |scheme| scheme.name),
        SchemeTls::Asked | SchemeTls::Implicit => name,
    };
    // The URL is a part of what is parsed, and what is wrong with it is said of that.
    Route::parse(&format!("{left}://127.0.0.1:0={url}")).map_err(|error| Failure::usage(format!("{url}: {error}")))
}

fn cues(args: &Args, globals: &Globals, spec: &'static Spec) -> Result<Cues, Failure> {
    let (found, mut reader) = recording::open(globals, &args.session)?;
    let mut reading = Reading::new(spec);
    while let Some(record) = recording::next(&mut reader, &found.session)? {
        reading.event(&record.event);
    }
    let cues = reading.finish();
    if cues.parts.is_empty() {
        let why = cues.cut.clone().unwrap_or_else(|| "the client said nothing in it".to_owned());
        return Err(Failure::work(format!("{} cannot be played: {why}", found.session)));
    }
    Ok(cues)
}

fn credentials(args: &Args, cues: &Cues) -> Result<Option<Credentials>, Failure> {
    for login in &cues.logins {
        if let Login::Sasl { mechanism, .. } = login
            && !MECHANISMS.contains(&mechanism.to_ascii_uppercase().as_str())
        {
            let there_are = MECHANISMS.join(", ");
            return Err(Failure::work(format!(
                "the recording logs in by {mechanism}, which cannot be played; there are {there_are}"
            )));
        }
    }
    let password = match (&args.password_env, &args.password_file) {
        (Some(name), _) => Some(std::env::var(name).map_err(|_| {
            Failure::usage(format!(
                "--password-env {name}: there is no such variable in the environment, or it is no text"
            ))
        })?),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Failure::usage(format!("--password-file {}: {error}", path.display())))?;
            Some(text.lines().next().unwrap_or_default().to_owned())
        }
        (None, None) => None,
    };
    if cues.logins.is_empty() {
        return Ok(None);
    }
    if password.is_none() && cues.needs_password() {
        return Err(Failure::usage(
            "the recording logs in, and passwords are never taken from recordings; \
             give one with --password-env NAME or --password-file FILE",
        ));
    }
    let Some(user) = args.user.clone().or_else(|| cues.user.clone()) else {
        return Err(Failure::usage("the recording does not say who logged in; give the name with --user NAME"));
    };
    if [Some(&user), password.as_ref()].into_iter().flatten().any(|text| text.contains(['\r', '\n', '\0'])) {
        return Err(Failure::usage("a user or a password with a line end or NUL in it cannot be sent; give another"));
    }
    Ok(Some(Credentials { user, password: password.unwrap_or_default() }))
}

/// What is played, and where.
#[derive(Clone)]
pub(super) struct Stage {
    pub(super) cues: Arc<Cues>,
    manner: Manner,
    route: Arc<Route>,
    of: String,
}

/// What came of it.
pub(super) struct Played {
    ended: Option<Ended>,
    pub(super) stopped: Option<String>,
    missed: u32,
    pub(super) client: Client,
}

impl Stage {
    pub(super) async fn play(&self, calls: &Calls) -> Played {
        let manner = Manner { nonce: nonce(), ..self.manner.clone() };
        let mut client = Client::new(Arc::clone(&self.cues), manner);
        let (near, far) = tokio::io::duplex(PLAYED_BUFFER);
        let call = calls.call(PlayedClient { stream: far, of: self.of.clone() }, Arc::clone(&self.route));
        let (ended, end) = tokio::join!(call, drive(&mut client, near));
        let stopped = match (end, &ended) {
            (End::Done, _) => None,
            // What kept the server away says more than that it said nothing.
            (End::Stopped(_), Some(ended)) if ended.by == Origin::Proxy => Some(ended.reason.clone()),
            (End::Stopped(why), _) => Some(why),
        };
        Played { ended, stopped, missed: client.missed, client }
    }
}

/// Lets the client speak and listen until it is over, then until the server has ended.
async fn drive(client: &mut Client, mut near: DuplexStream) -> End {
    let mut block = vec![0; BLOCK];
    let mut unsent: VecDeque<u8> = VecDeque::new();
    let mut open = true;
    let end = loop {
        let mut until = None;
        if unsent.is_empty() {
            match client.next(net::now()) {
                Step::Send(bytes) => unsent = bytes.into(),
                Step::Wait(at) => until = Some(at),
                Step::End(end) => break end,
            }
        }
        let (mut reads, mut writes) = tokio::io::split(&mut near);
        let (first, _) = unsent.as_slices();
        let wakes = async {
            match until {
                Some(at) => tokio::time::sleep(Duration::from_micros(at.since(net::now()).max(1))).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            read = reads.read(&mut block), if open => match read {
                Ok(read @ 1..) => client.received(net::now(), block.get(..read).unwrap_or_default()),
                Ok(0) | Err(_) => {
                    open = false;
                    client.server_ended(net::now());
                }
            },
            written = writes.write(first), if !unsent.is_empty() => match written {
                Ok(written) => drop(unsent.drain(..written)),
                Err(_) => unsent.clear(),
            },
            () = wakes => {}
        }
    };
    let _ = near.shutdown().await;
    let rest = async {
        while open {
            match near.read(&mut block).await {
                Ok(read @ 1..) => client.received(net::now(), block.get(..read).unwrap_or_default()),
                Ok(0) | Err(_) => open = false,
            }
        }
    };
    let _ = tokio::time::timeout(LEAVE_FOR, rest).await;
    end
}

/// Text for a login's nonce. Without the system's randomness it is the time: the exchange then proves less, to a server
/// that is being tested.
fn nonce() -> String {
    let mut random = [0; 18];
    if getrandom::fill(&mut random).is_err() {
        let Stamp(now) = net::now();
        return format!("mailtap{now}");
    }
    STANDARD.encode(random)
}
