//! `mailtap diff`: two sessions, aligned by command.
//! Takes two sessions, prints what differs; status 1 if anything does.
//! Does not know how sessions are compared, nor how a line looks.

use std::io::{self, BufWriter, Write};

use super::{Failure, Globals, recording};
use crate::event::{Body, Event, Object, Open};
use crate::proto::{self, Spec};
use crate::replay::align::Pair;
use crate::replay::compare::{Difference, Mode};
use crate::replay::diff::{Diff, Row};
use crate::replay::exchange::{Builder, Conversation, Exchange};
use crate::view::diff::{Head, Mark, Row as Shown, Table};
use crate::view::json_line;

/// Show what differs between two sessions, aligned by command
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The first session (A): its id, the part after the dash, a beginning of either, `last`, or a recording's path
    #[arg(value_name = "A")]
    first: String,
    /// The second session (B)
    #[arg(value_name = "B")]
    second: String,
    /// Compare byte by byte instead of by status and meaning
    #[arg(long)]
    strict: bool,
    /// Show every command; without it, runs of commands that are the same are folded
    #[arg(long)]
    all: bool,
    /// Print one JSON object for each difference, then a report
    #[arg(long, conflicts_with = "all")]
    json: bool,
}

/// # Errors
/// There is no such session, it cannot be read, or the two differ.
pub fn run(args: &Args, globals: &Globals) -> Result<(), Failure> {
    let (first, one) = read(globals, &args.first)?;
    let (second, other) = read(globals, &args.second)?;
    if first.spec.name != second.spec.name {
        return Err(Failure::usage(format!(
            "A is a session of {} and B of {}; choose two of the same protocol",
            first.spec.name, second.spec.name
        )));
    }
    tell_lacks("A", &one);
    tell_lacks("B", &other);
    let mode = if args.strict { Mode::Strict } else { Mode::Meaning };
    let diff = Diff::new(&one, &other, first.spec.same, mode);
    let sides = Sides { one: &one, other: &other };
    let mut out = BufWriter::new(io::stdout().lock());
    let text = if args.json {
        json(&diff, &sides, &Object::new())
    } else {
        let mut table = Table::new(globals.style(), args.all);
        let mut text = String::new();
        table.head([first.head(&one), second.head(&other)], &mut text);
        rows(&diff, &sides, &mut table, &mut text);
        text
    };
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))?;
    if diff.is_same() { Ok(()) } else { Err(Failure::Differs) }
}

pub(super) fn tell_lacks(name: &str, conversation: &Conversation) {
    for lack in &conversation.lacks {
        super::warn(&format!("{name} is not whole: {lack}"));
    }
}

/// A recording that was read.
pub(super) struct Read {
    pub spec: &'static Spec,
    pub session: String,
}

impl Read {
    pub(super) fn head<'r>(&'r self, conversation: &'r Conversation) -> Head<'r> {
        let open = conversation.open.as_ref();
        Head {
            session: &self.session,
            protocol: self.spec.name,
            client: open.map_or("", |open| &open.client),
            server: open.map_or("", |open| &open.upstream_name),
        }
    }
}

/// Reads the recording that a word means.
pub(super) fn read(globals: &Globals, word: &str) -> Result<(Read, Conversation), Failure> {
    read_with(globals, word, |_, _| {})
}

/// The same, and each event is also shown to `see`.
pub(super) fn read_with(
    globals: &Globals,
    word: &str,
    mut see: impl FnMut(&'static Spec, &Event<'_>),
) -> Result<(Read, Conversation), Failure> {
    let (found, mut reader) = recording::open(globals, word)?;
    let mut builder: Option<(&'static Spec, Builder)> = None;
    while let Some(record) = recording::next(&mut reader, &found.session)? {
        let (spec, builder) = match (&mut builder, &record.event.body) {
            (Some(built), _) => built,
            (none, Body::Open(open)) => {
                let spec = proto::ALL.iter().find(|spec| spec.name == open.protocol);
                let Some(&spec) = spec else {
                    let what =
                        format!("{} is a session of {:?}, which cannot be compared", found.session, open.protocol);
                    return Err(Failure::work(what));
                };
                if open.format != Open::FORMAT {
                    let what = format!(
                        "{} has the format {:?}, and this mailtap reads {:?}; use the version that recorded it",
                        found.session,
                        open.format,
                        Open::FORMAT
                    );
                    return Err(Failure::work(what));
                }
                none.insert((spec, Builder::new(spec)))
            }
            (None, _) => {
                let what = format!("the recording {} does not begin with its open event", reader.path().display());
                return Err(Failure::work(what));
            }
        };
        builder.event(&record.event);
        see(spec, &record.event);
    }
    let Some((spec, builder)) = builder else {
        return Err(Failure::work(format!("the recording {} is empty", found.path.display())));
    };
    Ok((Read { spec, session: found.session }, builder.finish()))
}

/// Both conversations, to look up what a row stands for.
pub(super) struct Sides<'c> {
    pub one: &'c Conversation,
    pub other: &'c Conversation,
}

impl<'c> Sides<'c> {
    fn of(&self, pair: Pair) -> [Option<&'c Exchange>; 2] {
        match pair {
            Pair::Both(one, other) => [self.one.exchanges.get(one), self.other.exchanges.get(other)],
            Pair::First(one) => [self.one.exchanges.get(one), None],
            Pair::Second(other) => [None, self.other.exchanges.get(other)],
        }
    }
}

/// Prints the rows and the counts below them.
pub(super) fn rows(diff: &Diff, sides: &Sides<'_>, table: &mut Table, text: &mut String) {
    for difference in &diff.whole {
        table.whole(&difference.text, text);
    }
    let mut counts = [0; 4];
    for row in &diff.rows {
        let shown = shown(row, sides.of(row.pair));
        let place = match shown.mark {
            Mark::Same => 0,
            Mark::Differs => 1,
            Mark::OnlyFirst => 2,
            Mark::OnlySecond => 3,
        };
        counts.iter_mut().skip(place).take(1).for_each(|count| *count += 1);
        table.row(shown, text);
    }
    let took = [sides.one, sides.other].map(|conversation| conversation.close.as_ref().map(|close| close.duration_us));
    table.end(counts, took, text);
}

fn shown(row: &Row, exchanges: [Option<&Exchange>; 2]) -> Shown {
    let mark = match row.pair {
        Pair::Both(..) if row.differences.is_empty() => Mark::Same,
        Pair::Both(..) => Mark::Differs,
        Pair::First(_) => Mark::OnlyFirst,
        Pair::Second(_) => Mark::OnlySecond,
    };
    let command = |exchange: &Exchange| match &exchange.command {
        Some(_) => exchange.wire.shown.clone(),
        None => b"(greeting)".to_vec(),
    };
    let [one, other] = exchanges;
    let asks_otherwise = row.differences.iter().any(|difference| matches!(difference.what, "command" | "bytes"));
    let lone = matches!(mark, Mark::OnlyFirst | Mark::OnlySecond);
    Shown {
        mark,
        latency: exchanges.map(|exchange| exchange.and_then(|exchange| exchange.latency_us)),
        command: one.or(other).map(command).unwrap_or_default(),
        other: other.filter(|_| asks_otherwise && mark == Mark::Differs).map(command),
        differences: row.differences.iter().filter(|_| !lone).map(|difference| difference.text.clone()).collect(),
        aside: row.slower.clone(),
        said: exchanges.map(|exchange| exchange.map(said).unwrap_or_default()),
    }
}

/// What the server said, line by line.
fn said(exchange: &Exchange) -> Vec<Vec<u8>> {
    let wires = exchange.answers.iter().map(|answer| answer.wire.shown.trim_ascii_end());
    let lines = wires.flat_map(|wire| wire.split(|&byte| byte == b'\n'));
    lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line).to_vec()).collect()
}

/// A line for each difference, then the report, to which `more` is added.
pub(super) fn json(diff: &Diff, sides: &Sides<'_>, more: &Object) -> String {
    let mut text = String::new();
    let (mut differing, mut unasked, mut unmet) = (Vec::new(), Vec::new(), Vec::new());
    for difference in &diff.whole {
        let line = difference_line(difference, [None, None]);
        json_line(&line, &mut text);
        differing.push(line);
    }
    for row in &diff.rows {
        let exchanges = sides.of(row.pair);
        for difference in &row.differences {
            let line = difference_line(difference, exchanges);
            json_line(&line, &mut text);
            match row.pair {
                Pair::Both(..) => differing.push(line),
                Pair::First(_) => unasked.push(line),
                Pair::Second(_) => unmet.push(line),
            }
        }
    }
    let mut report = Object::new();
    report.text("kind", "report").number("matched", diff.matched());
    report.objects("differing", &differing).objects("unasked", &unasked).objects("unmet", &unmet);
    let mut map = report.map();
    map.extend(more.map());
    json_line(&Object::from(&map), &mut text);
    text
}

fn difference_line(difference: &Difference, exchanges: [Option<&Exchange>; 2]) -> Object {
    let mut line = Object::new();
    line.text("kind", "difference").text("what", difference.what);
    if let Some(exchange) = exchanges.iter().flatten().next() {
        line.text("command", exchange.name());
    }
    for (name, exchange) in ["a", "b"].into_iter().zip(exchanges) {
        if let Some(exchange) = exchange {
            line.number(name, exchange.seq);
        }
    }
    line.text("text", &difference.text);
    line.list("removed", &difference.removed).list("added", &difference.added);
    for (name, exchange) in ["latency_a_us", "latency_b_us"].into_iter().zip(exchanges) {
        if let Some(latency) = exchange.and_then(|exchange| exchange.latency_us) {
            line.number(name, latency);
        }
    }
    line
}
