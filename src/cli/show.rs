//! `mailtap show`: one session as a conversation.
//! Takes the session, prints it from open to close.
//! Does not know how an event looks.

use std::io::{self, BufWriter, Write};

use super::{Failure, Globals, recording};
use crate::event::{Body, Event};
use crate::store::{Entry, Found, Library, Status};
use crate::view::words::Explainer;
use crate::view::{Facts, Talk, harmless_json};

/// Show one session as a conversation
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The session: its id, the part after the dash, a beginning of either, `last`, or a recording's path
    session: String,
    /// Show messages and literals instead of their size
    #[arg(long)]
    bodies: bool,
    /// Say under each command and reply what it means
    #[arg(long)]
    explain: bool,
    /// Print the event lines; with --explain, each with `explain` and `rfc`
    #[arg(long, conflicts_with = "bodies")]
    json: bool,
}

/// # Errors
/// There is no such session, or it cannot be read.
pub fn run(args: &Args, globals: &Globals) -> Result<(), Failure> {
    let (found, mut reader) = recording::open(globals, &args.session)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        let mut explainer = args.explain.then(Explainer::default);
        let mut line = Vec::new();
        while let Some(record) = recording::next(&mut reader, &found.session)? {
            line.clear();
            match explainer.as_mut().and_then(|explainer| explainer.explain(&record.event)) {
                Some(explained) => explained.append_to(record.line, &mut line),
                None => line.extend_from_slice(record.line),
            }
            let written = out.write_all(&harmless_json(&line)).and_then(|()| out.write_all(b"\n"));
            written.map_err(|error| Failure::output(&error))?;
        }
        return out.flush().map_err(|error| Failure::output(&error));
    }
    let mut talk = Talk::new(globals.style(), facts(globals, &found)).with_bodies(args.bodies);
    if args.explain {
        talk = talk.annotated(Box::new(Explainer::default()));
    }
    let mut text = String::new();
    while let Some(record) = recording::next(&mut reader, &found.session)? {
        talk.event(&record.event, &mut text);
        out.write_all(text.as_bytes()).map_err(|error| Failure::output(&error))?;
        text.clear();
    }
    talk.end(&mut text);
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
}

/// What the index knows of the session; of a recording elsewhere, what stands in the recording.
fn facts(globals: &Globals, found: &Found) -> Facts {
    let library = Library::new(&globals.dir);
    let entry = if library.path(&found.session) == found.path {
        library.entry(&found.session)
    } else {
        crate::store::read_entry(&found.path)
    };
    let Entry { user, tls, status, .. } = entry.unwrap_or_default();
    let status = if status == Status::Running { "running" } else { status.name() };
    Facts { session: found.session.clone(), user, tls, status: status.to_owned() }
}

/// Whether this event ends a session.
#[must_use]
pub(super) fn is_close(event: &Event<'_>) -> bool {
    matches!(event.body, Body::Close(_))
}
