//! What an event says besides its number, time and bytes: one struct a kind, fields as in the contract.
//! Filled in by the dialogs and the session, read by everything right of the event.
//! Knows nothing of how they are written down; see `json` and `read`.

use super::{Object, Seq};

#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    Open(Box<Open>),
    Tls(Box<Tls>),
    Greeting(Greeting),
    Command(Command),
    Reply(Reply),
    Continue(Continue),
    Auth(Auth),
    Content(Content),
    Raw,
    Note(Note),
    Compress { algorithm: String },
    Gap(Gap),
    Close(Box<Close>),
}

impl Body {
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Body::Open(_) => "open",
            Body::Tls(_) => "tls",
            Body::Greeting(_) => "greeting",
            Body::Command(_) => "command",
            Body::Reply(_) => "reply",
            Body::Continue(_) => "continue",
            Body::Auth(_) => "auth",
            Body::Content(_) => "content",
            Body::Raw => "raw",
            Body::Note(_) => "note",
            Body::Compress { .. } => "compress",
            Body::Gap(_) => "gap",
            Body::Close(_) => "close",
        }
    }
}

/// A session begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Open {
    /// `mailtap/1`.
    pub format: String,
    pub session: String,
    pub protocol: String,
    pub client: String,
    pub listener: String,
    /// The server's address as it was dialled; empty when no connection came about.
    pub upstream: String,
    pub upstream_name: String,
    pub route: String,
    /// The version of the program.
    pub mailtap: String,
    /// `replay server` or `replay client`, where the session is one.
    pub mode: Option<String>,
    /// The recording that is replayed.
    pub of: Option<String>,
}

impl Open {
    pub const FORMAT: &'static str = "mailtap/1";
}

/// A TLS handshake on one leg, finished or failed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tls {
    /// `implicit` or `starttls`.
    pub how: String,
    pub version: Option<String>,
    pub cipher: Option<String>,
    pub group: Option<String>,
    pub sni: Option<String>,
    pub alpn: Option<String>,
    pub alpn_offered: Vec<String>,
    /// Newest first; known on the client leg alone.
    pub versions_offered: Vec<String>,
    pub verified: Option<Verified>,
    pub resumed: Option<bool>,
    pub client_certificate: Option<String>,
    pub certificate: Option<Certificate>,
    pub chain: Vec<Certificate>,
    /// Why the handshake failed, or why the certificate would have been refused.
    pub error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    Yes,
    No,
    Skipped,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Certificate {
    pub subject: String,
    pub issuer: String,
    pub names: Vec<String>,
    pub not_after: String,
    pub sha256: String,
}

/// The server's first line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Greeting {
    pub status: String,
    pub code: Option<String>,
    pub text: String,
    /// What its response code or text says, e.g. `capabilities`.
    pub values: Object,
}

/// What the client asks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Command {
    /// Upper case; for UID commands `UID FETCH`.
    pub verb: String,
    pub tag: Option<String>,
    pub args: Object,
    /// The command whose later part this is (after a literal, or beyond the longest line).
    pub continues: Option<Seq>,
}

/// What the server answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    pub status: String,
    pub tag: Option<String>,
    /// The response code or enhanced status code.
    pub code: Option<String>,
    pub text: String,
    /// The name of IMAP untagged data: `EXISTS`, `FETCH`, `LIST` …
    pub data: Option<String>,
    /// Its number: messages that EXIST, the message that is FETCHed.
    pub number: Option<u64>,
    /// What it says, parsed.
    pub values: Object,
    pub answers: Option<Seq>,
    /// From the command's first line to this reply, microseconds.
    pub latency_us: Option<u64>,
    pub continues: Option<Seq>,
}

/// The server's go-ahead.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Continue {
    /// `+`, `334`, `354`.
    pub status: String,
    pub text: String,
    /// A SASL challenge, decoded from base64, where it is text.
    pub decoded: Option<String>,
    /// What a SASL challenge says that is no text: NTLM's names, the kind of a Kerberos token.
    pub values: Object,
    pub answers: Option<Seq>,
    pub latency_us: Option<u64>,
}

/// One SASL response line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Auth {
    pub mechanism: String,
    /// 1, 2, 3 … in this exchange.
    pub step: u32,
    pub user: Option<String>,
    /// The parts of the response that are not secret.
    pub args: Object,
    pub of: Option<Seq>,
}

/// A stretch of message data or of a literal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    /// The command or reply that it belongs to.
    pub of: Seq,
    /// Bytes so far, this stretch included; dot-stuffing counts, the terminator does not.
    pub bytes: u64,
    pub last: bool,
    /// Of the whole content, in hex, where its bytes were left out.
    pub sha256: Option<String>,
    /// Bytes left out.
    pub elided: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    #[default]
    Info,
    Warn,
}

impl Level {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warn => "warn",
        }
    }
}

/// Something that the proxy did or saw.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Note {
    pub level: Level,
    /// A stable word in kebab-case.
    pub code: String,
    pub text: String,
    pub about: Option<Seq>,
    /// Where the proxy itself sent something (it stands in `wire`): `client` or `server`.
    pub to: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gap {
    pub bytes: u64,
    pub side: String,
    pub why: String,
}

/// A session ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Close {
    pub by: String,
    pub reason: String,
    pub client_bytes: u64,
    pub server_bytes: u64,
    pub commands: u64,
    pub duration_us: u64,
    pub user: Option<String>,
}

impl Close {
    /// The reason where the proxy ended although nothing was wrong: it was told to.
    pub const STOPPED: &str = "mailtap was stopped";
}
