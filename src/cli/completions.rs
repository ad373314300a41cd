//! `mailtap completions`: what a shell needs to complete mailtap's arguments.
//! Takes the shell's name, prints its script.
//! Does not know where the script goes.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Failure, Globals};

/// Print the script that completes mailtap's arguments in a shell
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// # Errors
/// Standard output cannot be written.
pub fn run(args: &Args, _globals: &Globals) -> Result<(), Failure> {
    // clap_complete panics where it cannot write, so it writes into memory.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "mailtap", &mut script);
    io::stdout().write_all(&script).map_err(|error| Failure::output(&error))
}
