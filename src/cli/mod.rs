//! The command line: one file a command, and here what they share.
//! Takes arguments, gives an exit status: 0 done, 1 the work failed, 2 the command line or configuration is wrong.
//! Formats nothing itself; that is `view`'s work.

mod ca;
mod completions;
mod demo;
mod diff;
mod explain;
mod export;
mod filter;
mod findings;
mod globals;
mod merge;
mod own_ca;
mod practice;
mod proxy;
mod recording;
mod replay;
mod replay_client;
mod replay_load;
mod replay_server;
mod replay_stage;
mod serving;
mod sessions;
mod show;
mod tail;
mod tls;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand};

pub use globals::{GlobalArgs, Globals};

use crate::event::Stamp;
use crate::store;

/// A transparent logging proxy for mail: SMTP, IMAP and POP3, read, explained, recorded and replayed.
#[derive(Debug, Parser)]
#[command(name = "mailtap", version, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Proxy(proxy::Args),
    Demo(demo::Args),
    Practice(practice::Args),
    Ca(ca::Args),
    Tail(tail::Args),
    Sessions(sessions::Args),
    Show(show::Args),
    Diff(diff::Args),
    Replay(replay::Args),
    Export(export::Args),
    Explain(explain::Args),
    Findings(findings::Args),
    Completions(completions::Args),
}

/// Runs the program and says how it ended.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(explain::guarded(arguments)) {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error),
    };
    match run(cli) {
        Ok(()) | Err(Failure::Unread) => ExitCode::SUCCESS,
        Err(Failure::Differs) => ExitCode::from(1),
        Err(failure) => {
            let _ = writeln!(io::stderr(), "mailtap: {failure}");
            failure.status()
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let globals = Globals::new(cli.global)?;
    match cli.command {
        Command::Proxy(args) => proxy::run(&args, &globals),
        Command::Demo(args) => demo::run(args, &globals),
        Command::Practice(args) => practice::run(&args, &globals),
        Command::Ca(args) => ca::run(&args, &globals),
        Command::Tail(args) => tail::run(&args, &globals),
        Command::Sessions(args) => sessions::run(&args, &globals),
        Command::Show(args) => show::run(&args, &globals),
        Command::Diff(args) => diff::run(&args, &globals),
        Command::Replay(args) => replay::run(&args, &globals),
        Command::Export(args) => export::run(&args, &globals),
        Command::Explain(args) => explain::run(&args, &globals),
        Command::Findings(args) => findings::run(&args, &globals),
        Command::Completions(args) => completions::run(&args, &globals),
    }
}

/// Help and version as clap writes them; what is wrong with the arguments on one line.
fn not_understood(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    if matches!(error.kind(), DisplayHelp | DisplayVersion) {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if error.kind() == DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return ExitCode::from(2);
    }
    let text = error.to_string().replace(explain::GUARD, "");
    let before_usage = text.split("\n\nUsage:").next().unwrap_or_default();
    let before_usage = before_usage.split("\n\nFor more information").next().unwrap_or_default();
    let words: Vec<&str> = before_usage.split_whitespace().collect();
    let line = words.join(" ").replacen(" tip: ", "; ", 1);
    let what = line.strip_prefix("error: ").unwrap_or(&line);
    let _ = writeln!(io::stderr(), "mailtap: {what}; see --help");
    ExitCode::from(2)
}

/// A warning on standard error.
fn warn(what: &str) {
    say(&format!("warning: {what}"));
}

/// A line on standard error. Where that is closed there is nobody to tell.
fn say(what: &str) {
    let _ = writeln!(io::stderr(), "mailtap: {what}");
}

/// The time of day.
fn now() -> Stamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Stamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Why a command did not do its work: one line that says what, and how to mend it.
#[derive(Debug)]
pub enum Failure {
    /// The command line or the configuration is wrong: status 2.
    Usage(String),
    /// The work itself failed: status 1.
    Work(String),
    /// The work was done, and what it compared is not the same, which its output says: status 1.
    Differs,
    /// Whoever read our output has gone (`| head`): nothing to say, status 0.
    Unread,
}

impl Failure {
    /// The arguments are wrong. `what; how to mend it`, without a full stop.
    pub fn usage(line: impl fmt::Display) -> Failure {
        Failure::Usage(line.to_string())
    }

    /// The work failed. `what; how to mend it`, without a full stop.
    pub fn work(line: impl fmt::Display) -> Failure {
        Failure::Work(line.to_string())
    }

    /// A failed write to standard output.
    #[must_use]
    pub fn output(error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::Unread,
            _ => Failure::Work(format!("cannot write to standard output: {error}; look where it is redirected to")),
        }
    }

    fn status(&self) -> ExitCode {
        match self {
            Failure::Usage(_) => ExitCode::from(2),
            Failure::Work(_) | Failure::Differs => ExitCode::from(1),
            Failure::Unread => ExitCode::SUCCESS,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(line) | Failure::Work(line) => f.write_str(line),
            Failure::Differs => f.write_str("they differ"),
            Failure::Unread => f.write_str("nobody reads the output"),
        }
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Failure {
        if error.is_unclear() { Failure::usage(error) } else { Failure::work(error) }
    }
}
