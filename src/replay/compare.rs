//! Whether two exchanges are the same, and if not, in what: by status and meaning, or byte by byte.
//! Takes two exchanges, gives the differences between them, each with a sentence.
//! Does not know which protocol is spoken: what is set aside the protocol says itself.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Map, Value};

use super::align::Key;
use super::content::Sum;
use super::exchange::{Answer, Exchange, Said, Sent, Wire};
use crate::proto::same::{Meaning, Same};

/// How many differences of one exchange are told one by one.
const TOLD_MAX: usize = 50;

/// The longest text of a value in a sentence, in characters.
const TEXT_MAX: usize = 200;

/// How exactly two sessions are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By status and meaning, what differs from run to run set aside.
    Meaning,
    /// Byte by byte.
    Strict,
}

/// One thing in which two sessions differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// A stable word: `command`, `status`, `code`, `reply`, `go-ahead`, `content`, `sent`, `capabilities`, `tls`,
    /// `bytes`.
    pub what: &'static str,
    /// A sentence without a full stop, in which the first session is A and the second B.
    pub text: String,
    /// What A has alone, and what B has: words.
    pub removed: Vec<String>,
    pub added: Vec<String>,
}

impl Difference {
    #[must_use]
    pub fn new(what: &'static str, text: String) -> Difference {
        Difference { what, text, ..Difference::default() }
    }

    pub(super) fn changed(what: &'static str, name: &str, one: &str, other: &str) -> Difference {
        let (one, other) = (cut(one), cut(other));
        let text = format!("{name} is {} in A and {} in B", or_none(&one), or_none(&other));
        Difference { what, text, removed: listed(one), added: listed(other) }
    }
}

impl Difference {
    fn capabilities(removed: Vec<String>, added: Vec<String>) -> Difference {
        let text = format!("capabilities {}", alone(&removed, &added));
        Difference { what: "capabilities", text, removed, added }
    }

    /// The same capabilities are listed again and again; what differs in them is told once. None where nothing of it is
    /// new; `told` holds what was told before, by the side that has it.
    #[must_use]
    pub fn untold(self, told: &mut HashSet<(bool, String)>) -> Option<Difference> {
        if self.what != "capabilities" {
            return Some(self);
        }
        let mut fresh = |first: bool, words: Vec<String>| -> Vec<String> {
            words.into_iter().filter(|word| told.insert((first, word.clone()))).collect()
        };
        let (removed, added) = (fresh(true, self.removed), fresh(false, self.added));
        (!removed.is_empty() || !added.is_empty()).then(|| Difference::capabilities(removed, added))
    }
}

fn listed(text: String) -> Vec<String> {
    if text.is_empty() { Vec::new() } else { vec![text] }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// What an exchange is when it is laid beside others: the same command with the same arguments, or the same verb.
#[must_use]
pub fn key(exchange: &Exchange, same: &Same) -> Key {
    let Some(command) = &exchange.command else { return Key { whole: 0, kind: 0 } };
    let kind = hash(command.verb.as_bytes(), 1);
    let args = Value::Object((same.command)(command)).to_string();
    Key { whole: hash(args.as_bytes(), kind), kind }
}

fn hash(bytes: &[u8], start: u64) -> u64 {
    let start = start ^ 0xcbf2_9ce4_8422_2325;
    bytes.iter().fold(start, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// What differs in the client's part of two exchanges.
#[must_use]
pub fn asked(one: &Exchange, other: &Exchange, same: &Same, mode: Mode) -> Vec<Difference> {
    let mut found = Vec::new();
    if mode == Mode::Strict {
        bytes("the client's bytes", &sent_wires(one), &sent_wires(other), &mut found);
    } else if let (Some(first), Some(second)) = (&one.command, &other.command) {
        values("command", &(same.command)(first), &(same.command)(second), &mut found);
    }
    let contents = |exchange: &Exchange| -> Vec<Sum> {
        let sums = exchange.sent.iter().filter_map(|sent| match sent {
            Sent::Content(sum) => Some((**sum).clone()),
            _ => None,
        });
        sums.collect()
    };
    sums("sent", &contents(one), &contents(other), mode, &mut found);
    if mode == Mode::Meaning {
        let steps = |exchange: &Exchange| exchange.sent.iter().filter(|sent| matches!(sent, Sent::Auth(_))).count();
        let (first, second) = (steps(one), steps(other));
        if first != second {
            let steps = [first, second].map(|count| count.to_string());
            let [first, second] = &steps;
            found.push(Difference::changed("sent", "the number of responses in the login", first, second));
        }
    }
    found
}

fn sent_wires(exchange: &Exchange) -> Vec<&Wire> {
    let further = exchange.sent.iter().filter_map(|sent| match sent {
        Sent::Line(wire) | Sent::Raw(wire) => Some(wire),
        Sent::Auth(_) | Sent::Content(_) => None,
    });
    std::iter::once(&exchange.wire).chain(further).collect()
}

/// What differs in the server's part of two exchanges, but for data: see [`data`].
#[must_use]
pub fn answered(one: &Exchange, other: &Exchange, same: &Same, mode: Mode) -> Vec<Difference> {
    let mut found = Vec::new();
    if mode == Mode::Strict {
        let wires =
            |exchange: &'_ Exchange| exchange.answers.iter().map(|answer| answer.wire.clone()).collect::<Vec<_>>();
        let (first, second) = (wires(one), wires(other));
        bytes("the server's bytes", &first.iter().collect::<Vec<_>>(), &second.iter().collect::<Vec<_>>(), &mut found);
        sums("content", &all_contents(one), &all_contents(other), mode, &mut found);
        return found;
    }
    let (first, second) = (Meant::of(one, same), Meant::of(other, same));
    first.completed(&second, &mut found);
    if first.go_aheads != second.go_aheads {
        let (first, second) = (first.go_aheads.join(" "), second.go_aheads.join(" "));
        found.push(Difference::changed("go-ahead", "the go-ahead", &first, &second));
    }
    if let (Some(first), Some(second)) = (&first.capabilities, &second.capabilities) {
        capabilities(first, second, &mut found);
    }
    found
}

/// What differs in the data that servers gave while these commands were under way. Of commands that overlap it cannot
/// be told which of them a server answered with it, so all of it is compared together.
#[must_use]
pub fn data(ones: &[&Exchange], others: &[&Exchange], same: &Same) -> Vec<Difference> {
    let mut found = Vec::new();
    let all = |exchanges: &[&Exchange]| {
        let mut all = Meant::default();
        for exchange in exchanges {
            for answer in exchange.answers.iter().filter(|answer| !answer.completes()) {
                all.add(answer, exchange.verb(), same);
            }
        }
        all
    };
    all(ones).data(&all(others), &mut found);
    if found.len() > TOLD_MAX {
        let more = found.len() - TOLD_MAX;
        found.truncate(TOLD_MAX);
        found.push(Difference::new("reply", format!("and {more} more differences in these replies")));
    }
    found
}

fn all_contents(exchange: &Exchange) -> Vec<Sum> {
    exchange.answers.iter().flat_map(|answer| answer.contents.iter().cloned()).collect()
}

fn bytes(what: &str, one: &[&Wire], other: &[&Wire], found: &mut Vec<Difference>) {
    if one == other {
        return;
    }
    let differing = one.iter().zip(other).find(|(one, other)| one != other);
    let shown = |wire: Option<&&Wire>| {
        wire.map(|wire| String::from_utf8_lossy(wire.shown.trim_ascii_end()).into_owned()).unwrap_or_default()
    };
    let (first, second) = match differing {
        Some((one, other)) => (shown(Some(one)), shown(Some(other))),
        None => (shown(one.get(other.len())), shown(other.get(one.len()))),
    };
    found.push(Difference::changed("bytes", what, &first, &second));
}

fn sums(what: &'static str, one: &[Sum], other: &[Sum], mode: Mode, found: &mut Vec<Difference>) {
    if one.len() != other.len() {
        let numbers = [one.len(), other.len()].map(|count| count.to_string());
        let [first, second] = &numbers;
        found.push(Difference::changed(what, "the number of contents", first, second));
        return;
    }
    for (one, other) in one.iter().zip(other) {
        let same = match mode {
            Mode::Meaning => one.means(other),
            Mode::Strict => one.bytes == other.bytes && (one.elided || other.elided || one.exact == other.exact),
        };
        if !same {
            found.push(content_differs(what, one, other));
        }
    }
}

fn content_differs(what: &'static str, one: &Sum, other: &Sum) -> Difference {
    if let (Some(first), Some(second)) = (&one.words, &other.words) {
        let (first, second): (BTreeSet<&String>, BTreeSet<&String>) = (first.iter().collect(), second.iter().collect());
        let removed: Vec<String> = first.difference(&second).take(TOLD_MAX).map(|word| cut(word)).collect();
        let added: Vec<String> = second.difference(&first).take(TOLD_MAX).map(|word| cut(word)).collect();
        return Difference { what, text: alone(&removed, &added), removed, added };
    }
    let text = if one.bytes == other.bytes {
        format!("the content of {} bytes is another", one.bytes)
    } else {
        format!("the content is another: {} bytes in A, {} in B", one.bytes, other.bytes)
    };
    Difference::new(what, text)
}

fn alone(removed: &[String], added: &[String]) -> String {
    let part = |words: &[String], side: &str| {
        (!words.is_empty()).then(|| format!("only in {side}: {}", cut(&words.join(", "))))
    };
    let parts: Vec<String> = part(removed, "A").into_iter().chain(part(added, "B")).collect();
    if parts.is_empty() { "the order is another".to_owned() } else { parts.join("; ") }
}

fn capabilities(one: &BTreeSet<String>, other: &BTreeSet<String>, found: &mut Vec<Difference>) {
    let removed: Vec<String> = one.difference(other).cloned().collect();
    let added: Vec<String> = other.difference(one).cloned().collect();
    if !removed.is_empty() || !added.is_empty() {
        found.push(Difference::capabilities(removed, added));
    }
}

/// What the answers of an exchange mean.
#[derive(Default)]
struct Meant {
    /// Of the replies that complete it: meaning and contents.
    completed: Vec<(Meaning, Vec<Sum>)>,
    go_aheads: Vec<String>,
    capabilities: Option<BTreeSet<String>>,
    /// What else was said, by what it is about.
    data: BTreeMap<String, Vec<(Meaning, Vec<Sum>)>>,
}

impl Meant {
    fn of(exchange: &Exchange, same: &Same) -> Meant {
        let mut meant = Meant::default();
        for answer in &exchange.answers {
            meant.add(answer, exchange.verb(), same);
        }
        meant
    }

    fn add(&mut self, answer: &Answer, verb: &str, same: &Same) {
        let mut meaning = match &answer.said {
            Said::GoAhead(go) => {
                // A server that waits says so in untagged words at times; only what was asked for counts.
                self.go_aheads.push(go.status.clone());
                return;
            }
            Said::Greeting(greeting) => (same.greeting)(greeting),
            Said::Reply(reply) => match (same.reply)(verb, reply) {
                Some(meaning) => meaning,
                None => return,
            },
            Said::Raw => Meaning { status: "raw bytes".to_owned(), ..Meaning::default() },
        };
        if let Some(listed) = meaning.capabilities.take() {
            self.capabilities.get_or_insert_default().extend(listed);
        }
        let mut contents = answer.contents.clone();
        // A listing of capabilities that comes as content.
        if (same.content)(verb) == crate::proto::same::Kept::Capabilities {
            for words in contents.iter_mut().filter_map(|sum| sum.words.take()) {
                self.capabilities.get_or_insert_default().extend(words);
            }
            contents.clear();
        }
        if answer.completes() {
            self.completed.push((meaning, contents));
            return;
        }
        // Data of which nothing else is left than that it listed capabilities may stand in any answer.
        if self.capabilities.is_some() && meaning.values.is_empty() && meaning.data.as_deref() == Some("CAPABILITY") {
            return;
        }
        let name = name(&meaning);
        self.data.entry(name).or_default().push((meaning, contents));
    }

    fn completed(&self, other: &Meant, found: &mut Vec<Difference>) {
        if self.completed.len() != other.completed.len() {
            let statuses =
                |meant: &Meant| meant.completed.iter().map(|(one, _)| one.status.clone()).collect::<Vec<_>>().join(" ");
            found.push(Difference::changed("status", "the status", &statuses(self), &statuses(other)));
            return;
        }
        for ((one, first), (another, second)) in self.completed.iter().zip(&other.completed) {
            meanings(one, another, found);
            if one.status == another.status {
                sums("content", first, second, Mode::Meaning, found);
            }
        }
    }

    fn data(&self, other: &Meant, found: &mut Vec<Difference>) {
        let names: BTreeSet<&String> = self.data.keys().chain(other.data.keys()).collect();
        for name in names {
            let none = Vec::new();
            let (first, second) = (self.data.get(name).unwrap_or(&none), other.data.get(name).unwrap_or(&none));
            let paired = first.len().min(second.len());
            for ((one, contents), (another, others)) in first.iter().zip(second) {
                values_of(name, one, another, found);
                sums("content", contents, others, Mode::Meaning, found);
            }
            for (one, _) in first.iter().skip(paired) {
                let said = said(name, one);
                let text = format!("only in A: {}", cut(&said));
                found.push(Difference { what: "reply", text, removed: vec![said], added: Vec::new() });
            }
            for (another, _) in second.iter().skip(paired) {
                let said = said(name, another);
                let text = format!("only in B: {}", cut(&said));
                found.push(Difference { what: "reply", text, removed: Vec::new(), added: vec![said] });
            }
        }
    }
}

fn name(meaning: &Meaning) -> String {
    let parts = [meaning.data.as_deref(), meaning.code.as_deref(), meaning.about.as_deref()];
    let named: Vec<&str> = parts.into_iter().flatten().collect();
    if meaning.status.is_empty() || meaning.status == "*" {
        named.join(" ")
    } else {
        [&[meaning.status.as_str()], named.as_slice()].concat().join(" ")
    }
}

fn said(name: &str, meaning: &Meaning) -> String {
    if meaning.values.is_empty() {
        return name.to_owned();
    }
    let values: Vec<String> =
        meaning.values.iter().map(|(name, value)| format!("{name} {}", shown(Some(value)))).collect();
    format!("{name} ({})", values.join(", "))
}

fn meanings(one: &Meaning, other: &Meaning, found: &mut Vec<Difference>) {
    let both = |meaning: &Meaning| {
        let code = meaning.code.as_deref().map(|code| format!(" [{code}]")).unwrap_or_default();
        format!("{}{code}", meaning.status)
    };
    if one.status != other.status {
        found.push(Difference::changed("status", "the status", &both(one), &both(other)));
        return;
    }
    if one.code != other.code {
        let code = |meaning: &Meaning| meaning.code.clone().unwrap_or_default();
        found.push(Difference::changed("code", "the response code", &code(one), &code(other)));
    }
    values("reply", &one.values, &other.values, found);
}

fn values_of(name: &str, one: &Meaning, other: &Meaning, found: &mut Vec<Difference>) {
    let before = found.len();
    values("reply", &one.values, &other.values, found);
    for difference in found.iter_mut().skip(before) {
        difference.text = format!("{name}: {}", difference.text);
    }
}

fn values(what: &'static str, one: &Map<String, Value>, other: &Map<String, Value>, found: &mut Vec<Difference>) {
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    for name in names {
        let (first, second) = (one.get(name), other.get(name));
        if first != second {
            found.push(Difference::changed(what, name, &shown(first), &shown(second)));
        }
    }
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) => format!("{text:?}"),
        Some(Value::Array(values)) => {
            let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("({})", values.iter().map(word).collect::<Vec<_>>().join(" "))
        }
        Some(value) => value.to_string(),
    }
}
