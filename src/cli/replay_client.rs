//! `mailtap replay client`: the recorded client, towards a real server.
//! Takes a session and a URL, plays it once and says what differs, or many times and says how fast it was.
//! Does not know how a client is played, nor how sessions are compared.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use super::diff::{self, Read, Sides};
use super::replay_stage::{Played, Stage};
use super::serving::{self, RecordingArgs, Signals};
use super::tls::TlsArgs;
use super::{Failure, Globals, replay_load, say, warn};
use crate::event::Object;
use crate::net::Calls;
use crate::play::Speed;
use crate::proto::answer::{Credentials, MECHANISMS};
use crate::proto::renew::Login;
use crate::proto::{self, SchemeTls, Spec};
use crate::replay::client::Manner;
use crate::replay::compare::Mode;
use crate::replay::cue::{Cues, Reading};
use crate::replay::diff::Diff;
use crate::replay::exchange::Conversation;
use crate::route::Route;
use crate::session;
use crate::store::Store;
use crate::view::diff::Table;

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
    /// Log in without TLS too, where the recorded client logged in within TLS: anybody on the way can read the password
    #[arg(long)]
    plaintext_login: bool,
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
    /// Print the counts alone; with --json, the report alone
    #[arg(long, short, conflicts_with = "all")]
    quiet: bool,
    #[command(flatten)]
    recording: RecordingArgs,
    #[command(flatten)]
    tls: TlsArgs,
}

/// # Errors
/// A session that cannot be played, a server that cannot be reached; a difference.
pub fn run(args: &Args, globals: &Globals) -> Result<(), Failure> {
    let mut reading = None;
    let (recorded, conversation) = diff::read_with(globals, &args.session, |spec, event| {
        reading.get_or_insert_with(|| Reading::new(spec)).event(event);
    })?;
    // A recording may have been given another name, and is still the same session.
    let named = conversation.open.as_ref().map(|open| open.session.clone()).filter(|name| !name.is_empty());
    let recorded = Read { session: named.unwrap_or(recorded.session), ..recorded };
    let route = route(&args.url, recorded.spec)?;
    let cues = Arc::new(cues(reading, &recorded)?);
    let has_tls = route.server.tls != SchemeTls::Asked;
    if cues.is_given_tls() && !has_tls && !args.plaintext_login {
        let with_tls = recorded.spec.schemes.iter().find(|scheme| scheme.tls != SchemeTls::Asked);
        let with_tls = with_tls.map_or_else(String::new, |scheme| format!("give a URL of {}://, or ", scheme.name));
        return Err(Failure::usage(format!(
            "the recorded client logged in within TLS, and {} has none; {with_tls}let the password be read on the way \
             with --plaintext-login",
            args.url
        )));
    }
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
        has_tls,
        bares_logins: args.plaintext_login,
        host: route.upstream.host.clone(),
        nonce: String::new(),
    };
    let store = Store::open(&globals.dir).map_err(Failure::usage)?;
    let config = session::Config { keep_secrets: args.recording.keep_secrets, bodies: args.recording.bodies };
    let secure = args.tls.open(&globals.dir)?;
    let calls = Calls::start(store, None, config, secure);
    let calls = calls.map_err(|error| Failure::work(format!("cannot record: {error}")))?;
    let stage = Stage { cues, manner, route: Arc::new(route), of: recorded.session.clone() };
    if let Some(repeat) = args.repeat {
        let form = Form { json: args.json, quiet: args.quiet };
        return replay_load::run(&stage, calls, repeat, args.concurrency, form, globals);
    }
    serving::block_on(async {
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
        // Everything is recorded. Whoever does not want to wait for the comparison need not.
        tokio::spawn(async move {
            signals.wait().await;
            std::process::exit(1);
        });
        told(args, globals, &stage, played, &recorded, &conversation)
    })
}

/// Compares what was answered with the recording, and prints what differs.
fn told(
    args: &Args,
    globals: &Globals,
    stage: &Stage,
    played: Played,
    recorded: &Read,
    conversation: &Conversation,
) -> Result<(), Failure> {
    let Some(ended) = played.ended else {
        let why = played.stopped.unwrap_or_else(|| "it was stopped".to_owned());
        return Err(Failure::work(format!("it came to nothing: {why}")));
    };
    let (again, replayed) = diff::read(globals, &ended.session)?;
    diff::tell_lacks("B", &replayed);
    let mode = if args.strict { Mode::Strict } else { Mode::Meaning };
    let found = Diff::replayed(conversation, &replayed, recorded.spec.same, mode);
    let sides = Sides { one: conversation, other: &replayed };
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
        table.head([recorded.head(conversation), again.head(&replayed)], &mut text);
        diff::rows(&found, &sides, &mut table, &mut text);
        text
    };
    Form { json: args.json, quiet: args.quiet }.print(&text)?;
    if played.client.missed > 0 {
        say(&format!("{} that the recorded client was told of never came", played.client.missed));
    }
    match played.stopped {
        Some(why) => Err(Failure::work(format!("it stopped early: {why}"))),
        None if found.is_same() => Ok(()),
        None => Err(Failure::Differs),
    }
}

/// What of the result is printed.
#[derive(Clone, Copy)]
pub(super) struct Form {
    pub(super) json: bool,
    /// Its end alone: the report, or the paragraph with the counts.
    pub(super) quiet: bool,
}

impl Form {
    pub(super) fn print(self, text: &str) -> Result<(), Failure> {
        let end = if self.json { "\n" } else { "\n\n" };
        let last = text.trim_end().rsplit(end).next().map_or(0, |last| text.trim_end().len() - last.len());
        let text = if self.quiet { text.get(last..).unwrap_or_default() } else { text };
        let mut out = BufWriter::new(io::stdout().lock());
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
    }
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

fn cues(reading: Option<Reading>, recorded: &Read) -> Result<Cues, Failure> {
    let cues = reading.unwrap_or_else(|| Reading::new(recorded.spec)).finish();
    if cues.parts.is_empty() {
        let why = cues.cut.clone().unwrap_or_else(|| "the client said nothing in it".to_owned());
        return Err(Failure::work(format!("{} cannot be played: {why}", recorded.session)));
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
