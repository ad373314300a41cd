//! What every word of a mail conversation means: one visible table a protocol, and sentences made from an event's values.
//! Takes events, lines or single words; gives a sentence in plain English and where that is written.
//! Knows no sockets, clocks, files or colours, and keeps no secret: it reads only what an event may show.

pub mod auth;
mod event;
mod lines;
mod lookup;

mod near;
mod say;
mod tables;

pub use event::Explainer;
pub use lines::{Reader, Told};
pub use lookup::{Answer, Found, Unknown, ask, lookup};

/// A row of a table: what a word means and where that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub word: &'static str,
    pub category: Category,
    /// One sentence that a learner understands.
    pub sentence: &'static str,
    /// `RFC 9051 §6.4.5`, or the name of the document where there is no RFC.
    pub source: &'static str,
}

/// What kind of word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    Command,
    /// A status: an SMTP code, `OK`, `NO`, `+OK` …
    Reply,
    EnhancedCode,
    ResponseCode,
    /// IMAP's untagged data.
    Data,
    /// An IMAP capability, a POP3 CAPA tag or an EHLO keyword.
    Capability,
    Mechanism,
    /// A parameter of MAIL, RCPT and of other commands.
    Parameter,
    FetchItem,
    SearchKey,
    StatusItem,
    Flag,
    MailboxAttribute,
    ListOption,
    /// A name within a SASL message: SCRAM's `r=`, OAuth's `auth=` …
    Attribute,
}

impl Category {
    /// The kind in words, as it is shown beside the word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Category::Command => "command",
            Category::Reply => "reply",
            Category::EnhancedCode => "enhanced status code",
            Category::ResponseCode => "response code",
            Category::Data => "untagged data",
            Category::Capability => "capability",
            Category::Mechanism => "login mechanism",
            Category::Parameter => "parameter",
            Category::FetchItem => "fetch item",
            Category::SearchKey => "search key",
            Category::StatusItem => "status item",
            Category::Flag => "flag",
            Category::MailboxAttribute => "mailbox attribute",
            Category::ListOption => "option",
            Category::Attribute => "attribute",
        }
    }
}

/// The protocols that have tables. LMTP and submission speak SMTP's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    Smtp,
    Imap,
    Pop3,
    Sasl,
    Sieve,
}

impl Protocol {
    pub const ALL: [Protocol; 5] = [Protocol::Smtp, Protocol::Imap, Protocol::Pop3, Protocol::Sasl, Protocol::Sieve];

    /// From an event's `protocol` or a route's scheme: `imaps`, `submission+starttls`, `lmtp` …
    #[must_use]
    pub fn parse(name: &str) -> Option<Protocol> {
        let scheme = name.split('+').next().unwrap_or(name).to_ascii_lowercase();
        match scheme.as_str() {
            "smtp" | "smtps" | "submission" | "submissions" | "lmtp" => Some(Protocol::Smtp),
            "imap" | "imaps" => Some(Protocol::Imap),
            "pop3" | "pop3s" => Some(Protocol::Pop3),
            "sasl" => Some(Protocol::Sasl),
            "sieve" | "managesieve" => Some(Protocol::Sieve),
            _ => None,
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Smtp => "smtp",
            Protocol::Imap => "imap",
            Protocol::Pop3 => "pop3",
            Protocol::Sasl => "sasl",
            Protocol::Sieve => "sieve",
        }
    }

    /// Every table of this protocol; together they hold each pair of category and word once.
    #[must_use]
    pub fn tables(self) -> &'static [&'static [Entry]] {
        tables::of(self)
    }
}

/// A sentence and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    pub text: String,
    pub source: &'static str,
}

impl Explained {
    /// The sentence with its source behind it.
    #[must_use]
    pub fn sentence(&self) -> String {
        if self.source.is_empty() { self.text.clone() } else { format!("{} ({})", self.text, self.source) }
    }

    /// The fields `explain` and `rfc`, put at the end of an event line (without its line end).
    pub fn append_to(&self, line: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(line.strip_suffix(b"}").unwrap_or(line));
        let source = Some(self.source).filter(|source| !source.is_empty());
        let (text, source) = (serde_json::json!(self.text), serde_json::json!(source));
        out.extend_from_slice(format!(",\"explain\":{text},\"rfc\":{source}}}").as_bytes());
    }

    pub(crate) fn new(text: impl Into<String>, source: &'static str) -> Explained {
        Explained { text: text.into(), source }
    }
}

impl From<&Entry> for Explained {
    fn from(entry: &Entry) -> Explained {
        Explained::new(entry.sentence, entry.source)
    }
}

/// The row for a word, whatever its case.
#[must_use]
pub fn find(protocol: Protocol, category: Category, word: &str) -> Option<&'static Entry> {
    entries(protocol).find(|entry| entry.category == category && entry.word.eq_ignore_ascii_case(word))
}

/// Every row of a protocol.
pub fn entries(protocol: Protocol) -> impl Iterator<Item = &'static Entry> {
    protocol.tables().iter().flat_map(|table| table.iter())
}
