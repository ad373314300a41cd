//! What of a conversation is the same from run to run: what a command asks and what a reply means, the parts set aside
//! that differ whenever the same is done again. Takes commands and replies as they were parsed, gives what is left.
//! Knows no two sessions: who compares, and what follows from a difference, is elsewhere.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::event::{Command, Greeting, Reply};

/// One protocol's knowledge of what differs from run to run.
pub struct Same {
    /// A command's arguments without those that differ from run to run.
    pub command: fn(&Command) -> Map<String, Value>,
    /// What a reply to a command of this verb means; nothing, where it says nothing (a server that is still there).
    pub reply: fn(&str, &Reply) -> Option<Meaning>,
    pub greeting: fn(&Greeting) -> Meaning,
    /// What the content is that belongs to a command of this verb, or to its reply.
    pub content: fn(&str) -> Kept,
}

/// What a reply means.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meaning {
    pub status: String,
    /// Its response code or enhanced status code.
    pub code: Option<String>,
    /// What untagged data is called.
    pub data: Option<String>,
    /// What the data is about, where there may be several of it: a message's number, a mailbox.
    pub about: Option<String>,
    pub values: Map<String, Value>,
    /// The capabilities that it lists, each with its parameters.
    pub capabilities: Option<BTreeSet<String>>,
}

/// What of a content is the same from run to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A message: its trace and its dates differ.
    Message,
    /// Lines of which the first words count.
    FirstWords,
    /// Lines that are capabilities.
    Capabilities,
    /// Every byte.
    All,
}

impl Same {
    /// For a protocol in which nothing is known to differ.
    pub const PLAIN: Same = Same {
        command: |command| command.args.map(),
        reply: |_, reply| Some(Meaning::of(reply)),
        greeting: Meaning::greeted,
        content: |_| Kept::All,
    };
}

impl Meaning {
    /// Status, code and values as they are; the text is for people and says nothing.
    #[must_use]
    pub fn of(reply: &Reply) -> Meaning {
        let mut meaning = Meaning {
            status: reply.status.clone(),
            code: reply.code.clone(),
            data: reply.data.clone(),
            about: reply.number.map(|number| number.to_string()),
            values: reply.values.map(),
            capabilities: None,
        };
        meaning.take_capabilities();
        meaning
    }

    #[must_use]
    pub fn greeted(greeting: &Greeting) -> Meaning {
        let mut meaning = Meaning {
            status: greeting.status.clone(),
            code: greeting.code.clone(),
            values: greeting.values.map(),
            ..Meaning::default()
        };
        meaning.take_capabilities();
        meaning
    }

    /// Leaves values of these names out.
    pub fn drop(&mut self, names: &[&str]) {
        self.values.retain(|name, _| !names.contains(&name.as_str()));
    }

    /// Capabilities are a set, however they are listed.
    fn take_capabilities(&mut self) {
        let listed = match self.values.shift_remove("capabilities") {
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_ascii_uppercase).collect(),
            Some(Value::Object(map)) => map.iter().map(|(name, value)| with_parameters(name, value)).collect(),
            _ => return,
        };
        self.capabilities = Some(listed);
    }
}

/// `SIZE 10240`; the order in which a capability's parameters are listed says nothing.
fn with_parameters(name: &str, value: &Value) -> String {
    let mut words: Vec<&str> = value.as_str().unwrap_or_default().split_ascii_whitespace().collect();
    words.sort_unstable();
    [&[name], words.as_slice()].concat().join(" ")
}

/// A list of which the order says nothing, without some of its words.
pub fn as_set(value: &mut Value, without: &[&str]) {
    let Value::Array(items) = value else { return };
    items
        .retain(|item| !item.as_str().is_some_and(|word| without.iter().any(|other| word.eq_ignore_ascii_case(other))));
    items.sort_by_cached_key(ToString::to_string);
}

/// A text in which every number is one.
#[must_use]
pub fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut within = false;
    for character in text.chars() {
        let digit = character.is_ascii_digit();
        if !digit {
            out.push(character);
        } else if !within {
            out.push('#');
        }
        within = digit;
    }
    out
}
