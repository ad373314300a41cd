//! What a recorded client must say anew to another server: logins, and numbers that the server gives out.
//! Takes commands and replies as they were recorded and as they are now, gives command lines.
//! Knows no conversation: who waits for what is elsewhere.

use std::collections::HashMap;

use crate::event::{Command, Reply};

/// How many numbers are remembered. A client that was told of more goes on with those that it had.
const LEARNED_MAX: usize = 200_000;

/// How many numbers of one set are paired with another's, one by one.
pub const SET_MAX: usize = 10_000;

/// One protocol's knowledge of what is to be said anew.
pub struct Renew {
    /// What SASL calls the service (RFC 4422 §4).
    pub service: &'static str,
    /// What a command has to do with logging in.
    pub login: fn(&Command) -> Option<Login>,
    /// A line that logs in, in place of the recorded one of this command.
    pub say: fn(&Command, &Secret<'_>) -> Vec<u8>,
    /// A response in base64 as a line.
    pub response: fn(&str) -> Vec<u8>,
    /// Whether this status refuses a login.
    pub refuses: fn(&str) -> bool,
    /// Whether this command asks for TLS.
    pub starttls: fn(&Command) -> bool,
    /// What the server may take its time for: the client waits for news, and ends the wait itself.
    pub waits: fn(&Command) -> bool,
    /// Learns from a reply to this command, as it was and as it is now.
    pub learn: fn(&Command, &Reply, &Reply, &mut Learned),
    /// A command's first line with what was learned, where that changes it.
    pub renewed: fn(&Command, &[u8], &mut Learned) -> Option<Vec<u8>>,
}

/// How a command logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// It names the user.
    User,
    /// It holds the password.
    Password,
    /// It holds both.
    Both,
    /// It holds the user and a hash of the password and the greeting's time stamp.
    Digest,
    /// It begins an exchange; `initial` if the first response is in it.
    Sasl { mechanism: String, initial: bool },
}

/// What is put into a line that logs in.
pub enum Secret<'s> {
    User(&'s str),
    Password(&'s str),
    Both(&'s str, &'s str),
    Digest(&'s str, &'s str),
    /// The mechanism, and the first response in base64.
    Sasl(&'s str, Option<&'s str>),
}

/// What stands for what: numbers of the recording and those of the server now.
#[derive(Debug, Default)]
pub struct Learned {
    /// By kind and place (a mailbox).
    numbers: HashMap<(&'static str, String, u64), u64>,
    /// Where the client is: its mailbox.
    pub place: String,
}

impl Learned {
    pub fn learn(&mut self, kind: &'static str, place: &str, old: u64, new: u64) {
        if self.numbers.len() < LEARNED_MAX {
            self.numbers.insert((kind, place.to_owned(), old), new);
        }
    }

    /// The number that stands for this one now; itself where nothing was learned of it.
    #[must_use]
    pub fn now(&self, kind: &'static str, place: &str, old: u64) -> u64 {
        self.numbers.get(&(kind, place.to_owned(), old)).copied().unwrap_or(old)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
}

impl Renew {
    /// For a protocol in which nothing is said anew.
    pub const NOTHING: Renew = Renew {
        service: "",
        login: |_| None,
        say: |_, _| Vec::new(),
        response: |text| format!("{text}\r\n").into_bytes(),
        refuses: |_| false,
        starttls: |_| false,
        waits: |_| false,
        learn: |_, _, _, _| {},
        renewed: |_, _, _| None,
    };
}

/// An argument as text.
#[must_use]
pub fn argument(command: &Command, name: &str) -> Option<String> {
    command.args.map().get(name).and_then(|value| value.as_str().map(str::to_owned))
}

/// How a command that has the arguments `mechanism` and `initial` logs in.
#[must_use]
pub fn sasl(command: &Command) -> Option<Login> {
    let mechanism = argument(command, "mechanism")?;
    let initial = command.args.map().get("initial").is_some_and(|value| value.as_bool() == Some(true));
    Some(Login::Sasl { mechanism, initial })
}

/// A text in double quotes.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
