//! Two sessions laid side by side: the rows of a diff, what differs in each, and the counts of a report.
//! Takes two conversations, gives rows in order.
//! Does not know how rows are shown.

use std::collections::HashSet;

use super::align::{Key, Pair, align};
use super::compare::{Difference, Mode, answered, asked, data, key};
use super::exchange::{Conversation, Exchange};
use super::handshake::handshakes;
use crate::event::{Side, Tls};
use crate::proto::same::Same;

/// So much longer one of two latencies must be to be told, and by so much, in microseconds: less than this is noise.
const SLOWER_TIMES: u64 = 3;
const SLOWER_BY: u64 = 50_000;

/// One line of the diff: an exchange of both sessions, or of one.
#[derive(Debug)]
pub struct Row {
    pub pair: Pair,
    pub differences: Vec<Difference>,
    /// A sentence, where one of the two took much longer.
    pub slower: Option<String>,
}

impl Row {
    /// Whether the two came to different ends.
    fn refused(&self) -> bool {
        self.differences.iter().any(|difference| difference.what == "status")
    }
}

pub struct Diff {
    /// What differs beyond single exchanges: TLS, compression.
    pub whole: Vec<Difference>,
    pub rows: Vec<Row>,
}

impl Diff {
    /// What differs in both sides of two sessions.
    #[must_use]
    pub fn new(one: &Conversation, other: &Conversation, same: &Same, mode: Mode) -> Diff {
        Diff::of(one, other, same, mode, false)
    }

    /// What another server answered when a client was played again: what the client said is its own.
    #[must_use]
    pub fn replayed(one: &Conversation, other: &Conversation, same: &Same, mode: Mode) -> Diff {
        Diff::of(one, other, same, mode, true)
    }

    fn of(one: &Conversation, other: &Conversation, same: &Same, mode: Mode, replayed: bool) -> Diff {
        let keys = |conversation: &Conversation| -> Vec<Key> {
            conversation.exchanges.iter().map(|exchange| key(exchange, same)).collect()
        };
        let mut told = HashSet::new();
        let mut rows = Vec::new();
        for pair in align(&keys(one), &keys(other)) {
            let mut row = Row { pair, differences: Vec::new(), slower: None };
            match pair {
                Pair::Both(first, second) => {
                    if let (Some(first), Some(second)) = (one.exchanges.get(first), other.exchanges.get(second)) {
                        row.differences = answered(first, second, same, mode);
                        // A refusal says itself that it went no further; a login that is said anew may take fewer steps.
                        if replayed || row.refused() {
                            row.differences.retain(|one| one.what != "go-ahead");
                        }
                        if !replayed {
                            row.differences.splice(0..0, asked(first, second, same, mode));
                        }
                        row.slower = slower(first, second);
                    }
                }
                Pair::First(at) => row.differences.extend(one.exchanges.get(at).map(|lone| alone(lone, "A"))),
                Pair::Second(at) => row.differences.extend(other.exchanges.get(at).map(|lone| alone(lone, "B"))),
            }
            rows.push(row);
        }
        if mode == Mode::Meaning {
            compare_data(&mut rows, one, other, same);
        }
        for row in &mut rows {
            let differences = std::mem::take(&mut row.differences);
            row.differences = differences.into_iter().filter_map(|difference| difference.untold(&mut told)).collect();
        }
        Diff { whole: beyond(one, other), rows }
    }

    #[must_use]
    pub fn is_same(&self) -> bool {
        self.whole.is_empty() && self.rows.iter().all(|row| row.differences.is_empty())
    }

    #[must_use]
    pub fn matched(&self) -> u64 {
        let same = |row: &&Row| matches!(row.pair, Pair::Both(..)) && row.differences.is_empty();
        self.rows.iter().filter(same).count() as u64
    }
}

/// Compares what servers said besides answers, for each run of rows that overlap in either session.
fn compare_data(rows: &mut [Row], one: &Conversation, other: &Conversation, same: &Same) {
    let exchanges = |pair: Pair| match pair {
        Pair::Both(first, second) => (one.exchanges.get(first), other.exchanges.get(second)),
        Pair::First(first) => (one.exchanges.get(first), None),
        Pair::Second(second) => (None, other.exchanges.get(second)),
    };
    let overlaps = |row: &Row| {
        let (first, second) = exchanges(row.pair);
        [first, second].into_iter().flatten().any(|exchange| exchange.overlaps)
    };
    for run in rows.chunk_by_mut(|_, row| overlaps(row)) {
        // What is said to a command that the other session has not, or that had another end, is told by that.
        if let [row] = run
            && (!matches!(row.pair, Pair::Both(..)) || row.refused())
        {
            continue;
        }
        let (mut ones, mut others) = (Vec::new(), Vec::new());
        for row in &*run {
            let (first, second) = exchanges(row.pair);
            ones.extend(first);
            others.extend(second);
        }
        let found = data(&ones, &others, same);
        let both = run.iter().position(|row| matches!(row.pair, Pair::Both(..))).unwrap_or(0);
        if let Some(row) = run.get_mut(both) {
            row.differences.extend(found);
        }
    }
}

fn alone(exchange: &Exchange, side: &str) -> Difference {
    let word = vec![exchange.name().to_owned()];
    let (removed, added) = if side == "A" { (word, Vec::new()) } else { (Vec::new(), word) };
    Difference { what: "command", text: format!("only in {side}"), removed, added }
}

fn beyond(one: &Conversation, other: &Conversation) -> Vec<Difference> {
    let mut found = Vec::new();
    for side in Side::BOTH {
        let of = |conversation: &Conversation| -> Vec<Tls> {
            let legs = conversation.tls.iter().filter(|(leg, _)| *leg == side);
            legs.map(|(_, tls)| tls.clone()).collect()
        };
        // A leg that is played has no TLS of its own.
        let played = |conversation: &Conversation| conversation.open.as_ref().is_some_and(|open| open.mode.is_some());
        let played = played(one) || played(other);
        if played && side == Side::Client {
            continue;
        }
        let (mut first, mut second) = (of(one), of(other));
        if played {
            // Names and algorithms are those of whoever plays; whether there was TLS counts.
            first.iter_mut().chain(&mut second).for_each(|tls| {
                *tls = Tls { how: tls.how.clone(), error: tls.error.clone(), ..Tls::default() };
            });
        }
        for at in 0..first.len().max(second.len()) {
            found.extend(handshakes(side.name(), first.get(at), second.get(at)));
        }
    }
    if one.compressed != other.compressed {
        let (first, second) = (one.compressed.join(" "), other.compressed.join(" "));
        let or_none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
        let text = format!("compression is {} in A and {} in B", or_none(first), or_none(second));
        found.push(Difference::new("compress", text));
    }
    found
}

fn slower(one: &Exchange, other: &Exchange) -> Option<String> {
    let (first, second) = (one.latency_us?, other.latency_us?);
    let (least, most, which) = if first < second { (first, second, "B") } else { (second, first, "A") };
    let much = most - least >= SLOWER_BY && most >= least.saturating_mul(SLOWER_TIMES);
    much.then(|| format!("slower in {which}"))
}
