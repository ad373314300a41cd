//! The options that every command takes, and what follows from them: the folder, colours, tracing.
//! Takes arguments, the environment and the terminal, gives [`Globals`].
//! Does not know which command runs.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use anstream::{AutoStream, ColorChoice};
use clap::{Args, ValueEnum};
use etcetera::BaseStrategy;
use tracing_subscriber::EnvFilter;

use super::Failure;
use crate::tls::trust;
use crate::view::Style;

/// What is traced unless `--log` says otherwise. A server's certificate that is refused is an event with its reason; the
/// verifier's own line would tell it twice, and worse.
const DEFAULT_LOG: &str = "warn,rustls_platform_verifier=off";

#[derive(Args, Debug)]
pub struct GlobalArgs {
    /// Folder for recordings and certificates [default: `mailtap` in your data folder]
    #[arg(long, global = true, value_name = "DIR", env = "MAILTAP_DIR", hide_env_values = true)]
    dir: Option<PathBuf>,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: Color,
    /// What mailtap says of its own work on standard error: warn, info, debug, or a filter such as mailtap::net=trace
    #[arg(long, global = true, value_name = "FILTER", env = "MAILTAP_LOG", hide_env_values = true)]
    log: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

/// What every command needs to know.
#[derive(Clone, Debug)]
pub struct Globals {
    /// Where everything is kept.
    pub dir: PathBuf,
    /// How this program is called so that it uses this folder, for lines that people are to copy.
    pub command: String,
    /// Whether standard output gets colours.
    pub color: bool,
    /// Columns of the terminal on standard output; None where that is none.
    pub width: Option<usize>,
}

impl Globals {
    /// # Errors
    /// There is no data folder to be found, or the filter of `--log` makes no sense.
    pub fn new(args: GlobalArgs) -> Result<Globals, Failure> {
        start_tracing(args.log.as_deref())?;
        match args.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::AlwaysAnsi,
            Color::Never => ColorChoice::Never,
        }
        .write_global();
        let mut command = trust::quoted(&std::env::args().next().unwrap_or_else(|| "mailtap".to_owned()));
        if let Some(dir) = &args.dir {
            command = format!("{command} --dir {}", trust::in_shell(dir));
        }
        let dir = match args.dir {
            Some(dir) if dir.as_os_str().is_empty() => {
                return Err(Failure::usage("--dir (or MAILTAP_DIR) is empty; give a folder"));
            }
            Some(dir) => dir,
            None => etcetera::choose_base_strategy()
                .map_err(|_| Failure::usage("cannot tell your data folder; give one with --dir DIR or MAILTAP_DIR"))?
                .data_dir()
                .join("mailtap"),
        };
        Ok(Globals {
            dir,
            command,
            color: AutoStream::choice(&io::stdout()) != ColorChoice::Never,
            width: terminal_width(),
        })
    }
}

impl Globals {
    /// How text is written to standard output.
    #[must_use]
    pub fn style(&self) -> Style {
        Style { color: self.color, width: self.width }
    }
}

fn terminal_width() -> Option<usize> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let columns = rustix::termios::tcgetwinsize(&stdout).ok()?.ws_col;
    (columns > 0).then_some(usize::from(columns))
}

fn start_tracing(filter: Option<&str>) -> Result<(), Failure> {
    let filter = filter.filter(|filter| !filter.is_empty()).unwrap_or(DEFAULT_LOG);
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::usage(format!("--log (or MAILTAP_LOG) {filter:?} is no filter: {error}; try --log debug"))
    })?;
    // A second call in the same process (a test) keeps the first one's setting.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .try_init();
    Ok(())
}
