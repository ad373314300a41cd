//! `mailtap export`: a recording in another format.
//! Takes the session and the format, writes to standard output or a file.
//! Does not know what a format looks like.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;

use super::{Failure, Globals, recording};
use crate::export::{self, ALL};

/// Write a recording in another format
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The session: its id, the part after the dash, a beginning of either, `last`, or a recording's path
    session: String,
    /// The format
    #[arg(long, short, value_name = "FORMAT", value_parser = PossibleValuesParser::new(ALL.iter().map(|format| clap::builder::PossibleValue::new(format.name).help(format.about))))]
    format: String,
    /// Where to write; for its owner alone (0600) where it is made [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// # Errors
/// There is no such session, or it cannot be read or written.
pub fn run(args: &Args, globals: &Globals) -> Result<(), Failure> {
    let (found, mut reader) = recording::open(globals, &args.session)?;
    let format = export::format(&args.format).ok_or_else(|| Failure::usage("no such format; see --help"))?;
    let mut export = (format.new)();
    let failed = |error: &io::Error| match &args.output {
        Some(path) => Failure::work(format!("cannot write {}: {error}; choose another file with -o", path.display())),
        None => Failure::output(error),
    };
    let mut out: Box<dyn Write> = match &args.output {
        Some(path) => {
            let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
            Box::new(BufWriter::new(file.map_err(|error| failed(&error))?))
        }
        None => Box::new(BufWriter::new(io::stdout())),
    };
    while let Some(record) = recording::next(&mut reader, &found.session)? {
        export.event(record.line, &record.event, &mut out).map_err(|error| failed(&error))?;
    }
    export.end(&mut out).and_then(|()| out.flush()).map_err(|error| failed(&error))?;
    for warning in export.warnings() {
        super::warn(&warning);
    }
    Ok(())
}
