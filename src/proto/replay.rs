//! What a replay must know of a protocol: what a client may leave out or say besides, which arguments are new in each
//! run, and how it is refused. Takes words of the protocol, gives lines of it.
//! Knows nothing of recordings.

use serde_json::{Map, Value};

/// A protocol, as a played server speaks it.
#[derive(Clone, Copy, Debug)]
pub struct Replay {
    /// Commands that tell the server nothing: they may come where none was recorded, and stay away where one was.
    pub optional: fn(verb: &str) -> bool,
    /// What such a command is answered with where the recording has no answer: a line for each turn of the server's,
    /// `{tag}` for the tag.
    pub polite: fn(verb: &str) -> Option<&'static [&'static str]>,
    /// Whether what answered such a command elsewhere in the recording may answer it again.
    pub again: fn(verb: &str) -> bool,
    /// Whether its answer is the same on each of a program's connections, whatever was said there before it but a login.
    pub anywhere: fn(verb: &str) -> bool,
    /// After the answer to this command the server closes.
    pub farewell: fn(verb: &str) -> bool,
    /// Takes out the arguments that are new in each run, although the client does the same.
    pub settle: fn(verb: &str, args: &mut Map<String, Value>),
    /// Whether this command logs in, or goes on with it: who does so is of no matter to a played server.
    pub login: fn(verb: &str) -> bool,
    /// The line that refuses a command of this tag.
    pub refuse: fn(tag: Option<&str>, text: &str) -> Vec<u8>,
    /// The line that tells a client of this tag that its user or password is wrong.
    pub deny: fn(tag: Option<&str>, text: &str) -> Vec<u8>,
    /// The line with a challenge, which is base64.
    pub challenge: fn(base64: &str) -> Vec<u8>,
}

/// Where a client is with what it says, for whoever speaks in the server's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// What it began is all there.
    Whole,
    /// The rest of a line, a literal or a message is under way.
    Within,
    /// It goes on with a literal when it has been told to by this line.
    Waits(&'static str),
}

/// Takes out of a login everything but how it is done.
pub(crate) fn mechanism_only(args: &mut Map<String, Value>) {
    args.retain(|name, _| name == "mechanism");
}
