//! `mailtap tail`: events of all sessions or one, past or live.
//! Takes filters, prints a line for each event.
//! Does not know how a line looks, nor how files are followed.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{self, Stdout, Write};
use std::time::Duration;

use super::filter::{EventArgs, Events, Remembered, SessionArgs, Sessions};
use super::merge::Merge;
use super::show::is_close;
use super::{Failure, Globals, recording};
use crate::event::Event;
use crate::store::{Damage, Entry, Followed, Follower, Found, Library, Record, Status};
use crate::view::words::Explainer;
use crate::view::{Form, Live};

/// Events that `-f` shows of what was before.
const LAST: usize = 10;

/// How long one wait for events lasts; nothing depends on it.
const WAIT: Duration = Duration::from_secs(1);

/// Sessions whose filters are remembered while following.
const KNOWN_MAX: usize = 65_536;

/// Show events of all sessions or one, past or live
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The session: its id, the part after the dash, a beginning of either, `last`, or a recording's path [default: all]
    session: Option<String>,
    /// Go on with what is recorded from now on; of one session, until it ends
    #[arg(long, short)]
    follow: bool,
    /// Of past events, only the last N [default: all, with --follow 10]
    #[arg(long = "lines", short = 'n', value_name = "N")]
    lines: Option<usize>,
    #[command(flatten)]
    sessions: SessionArgs,
    #[command(flatten)]
    events: EventArgs,
    /// Say under each command and reply what it means
    #[arg(long)]
    explain: bool,
    /// Print the event lines, with `session`; with --explain, also with `explain` and `rfc`
    #[arg(long)]
    json: bool,
}

/// # Errors
/// There is no such session, or a folder, a recording or standard output fails.
pub fn run(args: &Args, globals: &Globals) -> Result<(), Failure> {
    let sessions = Sessions::new(&args.sessions, super::now())?;
    let library = Library::new(&globals.dir);
    let only = args.session.as_deref().map(|word| library.find(word)).transpose()?;
    let mut live = Live::new(if args.json { Form::Json } else { Form::Text(globals.style()) });
    if args.explain {
        live = live.annotated(|| Box::new(Explainer::default()));
    }
    let mut tail = Tail {
        sessions,
        events: Events::new(&args.events),
        one: only.is_some(),
        over: false,
        live,
        known: HashMap::new(),
        out: io::stdout(),
        bytes: Vec::new(),
    };
    // It watches from here on, so that nothing is missed between past and live.
    let mut follower = args
        .follow
        .then(|| Follower::new(&library, only.as_ref().map(|found| (found.session.clone(), found.path.clone()))));
    let last = args.lines.or(args.follow.then_some(LAST));
    tail.past(&library, only, last, follower.as_mut())?;
    let Some(mut follower) = follower else { return Ok(()) };
    while !tail.over {
        follower.wait(WAIT, &mut tail).and_then(|()| tail.flush()).map_err(|error| Failure::output(&error))?;
    }
    Ok(())
}

/// Filters and prints events.
struct Tail {
    sessions: Sessions,
    events: Events,
    /// The user named a session, so filters of sessions do not apply.
    one: bool,
    /// The one session has ended: nothing more will come.
    over: bool,
    live: Live,
    known: HashMap<String, Known>,
    out: Stdout,
    bytes: Vec<u8>,
}

/// What filters need of a session: what is known of it so far.
#[derive(Default)]
struct Known {
    entry: Entry,
    remembered: Remembered,
}

impl Tail {
    fn past(
        &mut self,
        library: &Library,
        only: Option<Found>,
        last: Option<usize>,
        follower: Option<&mut Follower>,
    ) -> Result<(), Failure> {
        let entries = match &only {
            Some(_) => Vec::new(),
            None => library.list(&mut |entry| self.may_match(entry), usize::MAX)?,
        };
        if last == Some(0) && only.is_none() && self.sessions.is_all() {
            return Ok(());
        }
        // Without filters of events the last lines are enough, and no session need be looked at that ended before as
        // many others as there are lines to show.
        let per_file = last.filter(|_| self.events.is_all() && self.sessions.is_all());
        let entries = match per_file {
            Some(count) => latest(entries, count),
            None => entries,
        };
        let open: HashSet<String> =
            entries.iter().filter(|entry| entry.status == Status::Running).map(|entry| entry.session.clone()).collect();
        let sessions = match only {
            Some(found) => vec![(found.session, found.path)],
            None => entries
                .into_iter()
                .map(|entry| {
                    let path = library.path(&entry.session);
                    (entry.session, path)
                })
                .collect(),
        };
        let mut ring = last.map(|count| (count, VecDeque::new()));
        let mut merge = Merge::new(sessions, per_file);
        while let Some((session, line, event)) = merge.next(&mut |session, damage| recording::tell(session, &damage))? {
            // What has ended was chosen by its entry already.
            if !self.wants(&session, &event, !open.contains(&session)) {
                continue;
            }
            match &mut ring {
                Some((count, ring)) => {
                    ring.push_back((session, line, event));
                    if ring.len() > *count {
                        ring.pop_front();
                    }
                }
                None => self.print(&session, &line, &event).map_err(|error| Failure::output(&error))?,
            }
        }
        if let Some(follower) = follower {
            for (session, offset) in merge.ends().iter().filter(|(session, _)| self.one || open.contains(session)) {
                follower.begin_at(session, *offset);
            }
        }
        for (session, line, event) in ring.map(|(_, ring)| ring).unwrap_or_default() {
            self.print(&session, &line, &event).map_err(|error| Failure::output(&error))?;
        }
        self.flush().map_err(|error| Failure::output(&error))
    }

    /// Whether the session may match by its end. A running one may still log in, or fail.
    fn may_match(&self, entry: &Entry) -> bool {
        self.sessions.match_entry(entry) || entry.status == Status::Running
    }

    fn wants(&mut self, session: &str, event: &Event<'_>, chosen: bool) -> bool {
        if !self.known.contains_key(session) {
            if self.known.len() >= KNOWN_MAX {
                self.known.clear();
            }
            self.known.insert(session.to_owned(), Known::default());
        }
        let Some(known) = self.known.get_mut(session) else { return false };
        known.entry.observe(event);
        let wanted = self.one || chosen || self.sessions.match_entry(&known.entry);
        let wanted = self.events.matches(event, &mut known.remembered) && wanted;
        if is_close(event) {
            self.over = self.one;
            self.known.remove(session);
        }
        wanted
    }

    fn print(&mut self, session: &str, line: &[u8], event: &Event<'_>) -> io::Result<()> {
        /// Bytes that are gathered before they are written.
        const BLOCK: usize = 64 * 1024;
        self.live.event(session, line, event, &mut self.bytes);
        if self.bytes.len() >= BLOCK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let mut out = self.out.lock();
        out.write_all(&self.bytes)?;
        self.bytes.clear();
        out.flush()
    }
}

impl Followed for Tail {
    fn event(&mut self, session: &str, record: &Record<'_>) -> io::Result<()> {
        if self.wants(session, &record.event, false) {
            self.print(session, record.line, &record.event)?;
        }
        Ok(())
    }

    fn damage(&mut self, session: &str, damage: Damage) {
        recording::tell(session, &damage);
    }
}

/// Those that may hold one of the last events: the ones that still run, and of the others as many as there are events
/// to show, because each of these has at least its own last one.
fn latest(mut entries: Vec<Entry>, count: usize) -> Vec<Entry> {
    let end = |entry: &Entry| entry.opened.0.saturating_add_unsigned(entry.duration_us.unwrap_or(0));
    entries.sort_by_key(|entry| Reverse((entry.status == Status::Running, end(entry))));
    let running = entries.iter().take_while(|entry| entry.status == Status::Running).count();
    entries.truncate(running.saturating_add(count));
    entries
}
