//! A recording as a server's part: what was said for a greeting, and for each command what was answered, turn by turn.
//! Made of a recording's events by `draft`, read by whoever plays it.
//! Does not know who listens.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::event::Seq;
use crate::proto::{Scheme, Spec};

/// How many bytes of a recorded server are kept in memory, so that a recording without end cannot fill it.
pub const SCRIPT_MAX: u64 = 1 << 30;

/// A recorded server.
pub struct Script {
    /// The session that was recorded.
    pub of: String,
    pub spec: &'static Spec,
    /// What the recorded client spoke.
    pub scheme: &'static Scheme,
    /// The server as the recorded client knew it: host and port.
    pub upstream: String,
    /// How the server leg was spoken, where the legs differed: what led nowhere then was taken out for the client.
    pub unequal: Option<&'static Scheme>,
    pub greeting: Vec<Said>,
    pub exchanges: Vec<Exchange>,
    /// The server ended the connection.
    pub server_ends: bool,
    /// Why the recording is not played whole.
    pub cut: Option<String>,
}

/// A command and everything that was said because of it.
#[derive(Debug)]
pub struct Exchange {
    pub seq: Seq,
    /// Upper case; empty where the client said what is no command.
    pub verb: String,
    pub args: Map<String, Value>,
    /// Those that are the same in each run.
    pub settled: Map<String, Value>,
    /// What a report calls it.
    pub shown: String,
    /// The command's lines without its literals, as they were recorded: not to be shown.
    pub wire: Vec<u8>,
    pub tag: Option<String>,
    /// What followed the command, in order.
    pub turns: Vec<Turn>,
    /// What the server said unasked before the next command.
    pub after: Vec<Said>,
    /// It ended where it announced a literal: it was refused before that was sent.
    pub stops_at_literal: bool,
    /// An answer came.
    pub answered: bool,
    /// From its last answer on both sides are deflated.
    pub compress: bool,
    /// It led to TLS.
    pub upgrade: bool,
}

#[derive(Clone, Debug)]
pub enum Turn {
    Server(Said),
    Client(Part),
}

/// What a client says in the middle of a command that waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A SASL response.
    Response,
    /// The word that gives a login up.
    Cancel,
    /// Message data.
    Content,
    /// A line that ends what the server was doing.
    Line,
}

/// Something that the server said. It is shared with whoever is being told it: a body may be large, and asked for often.
#[derive(Clone, Debug, Default)]
pub struct Said {
    pub wire: Arc<[u8]>,
    /// How long after what was said before it, microseconds.
    pub wait_us: u64,
    /// The tag that it begins with.
    pub tag: Option<String>,
    /// The text of a go-ahead: a challenge, in a login.
    pub go_ahead: Option<String>,
}

/// A command's first line, for people.
#[must_use]
pub fn shown(wire: &[u8]) -> String {
    /// Characters; enough to know a command by.
    const SHOWN_MAX: usize = 200;
    let line = wire.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let text = String::from_utf8_lossy(line.trim_ascii());
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN_MAX).collect()
}
