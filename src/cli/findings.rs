//! `mailtap findings`: everything that a session can have noted about it.
//! Takes a code or none, prints the catalogue or the one entry.
//! Does not know how anything is found.

use super::{Failure, Globals, serving};
use crate::event::Object;
use crate::findings::{self, Finding};
use crate::view::findings as listing;

/// List the findings that a session can have, or explain one
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A finding's code, as it stands in notes: plaintext-password, bare-lf …
    #[arg(value_name = "CODE")]
    code: Option<String>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// # Errors
/// There is no such finding, or standard output fails.
pub fn run(args: &Args, globals: &Globals) -> Result<(), Failure> {
    let found: Vec<&Finding> = match &args.code {
        None => findings::all().collect(),
        Some(code) => vec![known(code)?],
    };
    if args.json {
        return found.iter().try_for_each(|finding| serving::print_object(&object(finding)));
    }
    let mut text = String::new();
    for finding in found {
        listing::entry(finding, args.code.is_some(), globals.style(), &mut text);
    }
    serving::print(&text)
}

/// The finding with this code.
///
/// # Errors
/// There is none; says which are near.
pub(super) fn known(code: &str) -> Result<&'static Finding, Failure> {
    findings::find(code).ok_or_else(|| {
        let asked = code.to_ascii_lowercase();
        // Two letters say nothing.
        let shares = |word: &str| word.len() > 2 && asked.split(['-', '_', ' ']).any(|part| part == word);
        let near: Vec<&str> =
            findings::all().map(|finding| finding.code).filter(|other| other.split('-').any(shares)).collect();
        let hint = if near.is_empty() { String::new() } else { format!("; there are {}", near.join(", ")) };
        Failure::usage(format!("no finding has the code {code:?}{hint} (mailtap findings lists all)"))
    })
}

fn object(finding: &Finding) -> Object {
    let mut line = Object::new();
    line.text("code", finding.code).text("level", finding.level.name()).text("explain", finding.what);
    line.text("mend", finding.mend).text("rfc", finding.source);
    line
}
