//! The `mailtap` command. Everything it does is in the library; this file only hands over the arguments.

use std::process::ExitCode;

fn main() -> ExitCode {
    mailtap::cli::main(std::env::args_os())
}
