//! The waist: what a session log says, one [`Event`] a line, exactly the line of the contract.
//! Takes values from the session and gives them to whoever stores, shows, exports or replays them.
//! Knows nothing of protocols, files or sockets.

mod body;
mod json;
mod object;
mod read;
mod stamp;
mod wire;

use std::borrow::Cow;

pub use body::{
    Auth, Body, Certificate, Close, Command, Content, Continue, Gap, Greeting, Level, Note, Open, Reply, Tls, Verified,
};
pub use json::write_line;
pub use object::Object;
pub use read::ReadError;
pub use stamp::Stamp;

/// The number of an event in its session: 0, 1, 2 …
pub type Seq = u64;

/// What stands where a secret stood.
pub const REDACTED: &str = "«redacted»";

/// One of the two ends of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    Client,
    Server,
}

impl Side {
    pub const BOTH: [Side; 2] = [Side::Client, Side::Server];

    #[must_use]
    pub fn other(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Side::Client => "client",
            Side::Server => "server",
        }
    }
}

/// Who an event is from: one of the two sides, or the proxy itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    Client,
    Server,
    Proxy,
}

impl Origin {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Origin::Client => "client",
            Origin::Server => "server",
            Origin::Proxy => "proxy",
        }
    }

    #[must_use]
    pub fn side(self) -> Option<Side> {
        match self {
            Origin::Client => Some(Side::Client),
            Origin::Server => Some(Side::Server),
            Origin::Proxy => None,
        }
    }
}

impl From<Side> for Origin {
    fn from(side: Side) -> Origin {
        match side {
            Side::Client => Origin::Client,
            Side::Server => Origin::Server,
        }
    }
}

/// One line of a session log.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    pub seq: Seq,
    pub at: Stamp,
    pub from: Origin,
    /// The bytes of that side which this event stands for; empty where there are none.
    pub wire: Cow<'a, [u8]>,
    /// True where a secret was taken out of `wire`.
    pub redacted: bool,
    pub body: Body,
}

impl Event<'_> {
    /// The word that stands in `kind`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.body.kind()
    }

    #[must_use]
    pub fn into_owned(self) -> Event<'static> {
        Event {
            seq: self.seq,
            at: self.at,
            from: self.from,
            wire: Cow::Owned(self.wire.into_owned()),
            redacted: self.redacted,
            body: self.body,
        }
    }

    /// The line without its line end.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut line = Vec::new();
        write_line(self, &mut line);
        line.pop();
        String::from_utf8(line).unwrap_or_default()
    }

    /// Reads one line of a recording.
    ///
    /// # Errors
    /// Says what is wrong with the line: not JSON, no known `kind`, a field of the wrong type.
    pub fn from_json(line: &[u8]) -> Result<Event<'static>, ReadError> {
        read::event(line)
    }
}
