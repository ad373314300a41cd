//! Whether a command that a client sends is the one that was recorded.
//! Takes both as they were read, gives how well they agree.
//! Knows no protocol; which arguments are new in each run is said by its `Spec`.

use serde_json::{Map, Value};

use super::script::Exchange;
use crate::event::REDACTED;
use crate::proto::replay::Replay;

/// How closely a client must keep to what was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Match {
    /// The same commands with the same arguments in the same order.
    Strict,
    /// The same order; arguments that are new in each run are free.
    #[default]
    Ordered,
    /// Any recorded answer to an equal command, as often as it is asked for.
    Free,
}

/// A command as a client sent it.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub verb: String,
    pub tag: Option<String>,
    pub args: Map<String, Value>,
    /// Those that are the same in each run; see [`Asked::settle`].
    pub settled: Map<String, Value>,
    /// Its lines without its literals, as they came: never to be shown.
    pub wire: Vec<u8>,
    /// Its first line without secrets.
    pub shown: String,
    /// A literal of it has not been sent yet.
    pub waits: bool,
}

impl Asked {
    /// Has to be called when all arguments are there, before it is compared.
    pub fn settle(&mut self, replay: &Replay) {
        self.settled = settled(&self.verb, &self.args, replay);
    }
}

/// The arguments of a command that are the same in each run.
#[must_use]
pub fn settled(verb: &str, args: &Map<String, Value>, replay: &Replay) -> Map<String, Value> {
    let mut args = args.clone();
    (replay.settle)(verb, &mut args);
    args
}

/// How well a command agrees with a recorded one; better is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    No,
    /// Save for arguments that are new in each run.
    Settled,
    Equal,
}

/// Compares a command with a recorded one.
#[must_use]
pub fn fit(recorded: &Exchange, asked: &Asked, replay: &Replay) -> Fit {
    if recorded.verb != asked.verb {
        return Fit::No;
    }
    if same_wire(recorded, asked) {
        return Fit::Equal;
    }
    if asked.verb.is_empty() {
        return Fit::No;
    }
    if recorded.settled != asked.settled {
        return Fit::No;
    }
    let same = !asked.args.is_empty() && recorded.args == asked.args;
    // Whoever logs in is let in.
    if same || (replay.login)(&asked.verb) { Fit::Equal } else { Fit::Settled }
}

/// Whether the lines are the same, their tags, the verb's spelling and what was redacted set aside.
fn same_wire(recorded: &Exchange, asked: &Asked) -> bool {
    let one = without_tag(&recorded.wire, recorded.tag.as_deref());
    let other = without_tag(&asked.wire, asked.tag.as_deref());
    let verb = recorded.verb.len();
    let (Some((one_verb, one)), Some((other_verb, other))) = (one.split_at_checked(verb), other.split_at_checked(verb))
    else {
        return false;
    };
    one_verb.eq_ignore_ascii_case(other_verb) && agrees(one.trim_ascii_end(), other.trim_ascii_end())
}

fn without_tag<'w>(wire: &'w [u8], tag: Option<&str>) -> &'w [u8] {
    let rest = tag.and_then(|tag| wire.strip_prefix(tag.as_bytes()));
    rest.unwrap_or(wire).trim_ascii_start()
}

/// Whether text agrees with a pattern in which what was redacted stands for anything.
fn agrees(pattern: &[u8], text: &[u8]) -> bool {
    let mut parts = Vec::new();
    let mut rest = pattern;
    while let Some(at) = memchr::memmem::find(rest, REDACTED.as_bytes()) {
        parts.push(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + REDACTED.len()..).unwrap_or_default();
    }
    let Some((first, middle)) = parts.split_first() else { return pattern == text };
    let Some(mut left) = text.strip_prefix(*first) else { return false };
    for part in middle {
        let Some(at) = memchr::memmem::find(left, part) else { return false };
        left = left.get(at + part.len()..).unwrap_or_default();
    }
    left.ends_with(rest)
}

#[cfg(test)]
mod tests {
    use super::agrees;

    #[test]
    fn what_was_redacted_may_be_anything() {
        let pattern = format!(" joe {REDACTED}", REDACTED = crate::event::REDACTED);
        assert!(agrees(pattern.as_bytes(), b" joe hunter2") && !agrees(pattern.as_bytes(), b" ann hunter2"));
        assert!(agrees(b" x", b" x") && !agrees(b" x", b" xy") && !agrees(b" x", b""));
        let twice = format!("a{r}b{r}c", r = crate::event::REDACTED);
        assert!(agrees(twice.as_bytes(), b"a1b2c") && !agrees(twice.as_bytes(), b"a1c"));
        assert!(!agrees(twice.as_bytes(), b"abd"));
    }
}
