//! `mailtap sessions`: which sessions were recorded.
//! Takes filters, prints a line for each session, newest last.
//! Does not know how a line looks.

use std::io::{self, BufWriter, Write};

use super::filter::{SessionArgs, Sessions};
use super::{Failure, Globals};
use crate::event::{Level, Stamp};
use crate::findings;
use crate::store::{Entry, Library, Status};
use crate::view::{Style, json_line, listing};

/// List recorded sessions, newest last
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    filter: SessionArgs,
    /// Only the newest N of them
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// # Errors
/// The folder or standard output fails.
pub fn run(args: &Args, globals: &Globals) -> Result<(), Failure> {
    let now = super::now();
    let filter = Sessions::new(&args.filter, now)?;
    let library = Library::new(&globals.dir);
    let entries = library.list(&mut |entry| filter.match_entry(entry), args.limit.unwrap_or(usize::MAX))?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut text = String::new();
    if !args.json && !entries.is_empty() {
        listing::head(globals.style(), &mut text);
    }
    for entry in &entries {
        if args.json {
            json_line(&entry.listed(&library.path(&entry.session).to_string_lossy()), &mut text);
        } else {
            row(entry, now, globals.style(), &mut text);
        }
        out.write_all(text.as_bytes()).map_err(|error| Failure::output(&error))?;
        text.clear();
    }
    out.flush().map_err(|error| Failure::output(&error))?;
    if entries.is_empty() && !args.json {
        let which = if filter.is_all() { "nothing is recorded" } else { "no session matches" };
        super::say(&format!("{which} in {}", globals.dir.display()));
    }
    Ok(())
}

fn row(entry: &Entry, now: Stamp, style: Style, text: &mut String) {
    let ended = |number: u64| (entry.status != Status::Running).then_some(number);
    // What is only worth knowing would hide what is wrong.
    let warns = |code: &&str| findings::find(code).is_none_or(|finding| finding.level == Level::Warn);
    let found: Vec<&str> = entry.findings.iter().map(String::as_str).filter(warns).collect();
    let row = listing::Row {
        session: &entry.session,
        opened: entry.opened,
        protocol: &entry.protocol,
        client: &entry.client,
        upstream_name: &entry.upstream_name,
        user: entry.user.as_deref(),
        duration_us: if entry.status == Status::Running { Some(now.since(entry.opened)) } else { entry.duration_us },
        commands: ended(entry.commands),
        client_bytes: ended(entry.client_bytes),
        server_bytes: ended(entry.server_bytes),
        tls: !entry.tls.is_empty(),
        status: entry.status.name(),
        failed: entry.failed.as_deref(),
        findings: &found,
    };
    listing::row(&row, style, text);
}
