//! SEARCH: does a message fit a key?
//! Takes a view and a key; gives the messages that fit. Text is compared decoded and without regard to case.
//! It does not know how the result is sent.

use std::io;
use std::sync::Arc;

use jiff::civil::Date;
use mail_parser::{MessageParser, PartType};

use super::super::store::{Facts, System, unix_now};
use super::mime::{field, fields, parse, unfold};
use super::parse::{Key, contains};
use super::view::{Entry, View};

pub struct Result {
    pub picked: Vec<(usize, Entry)>,
    /// The highest modification number found, when the key asked about them.
    pub modseq: Option<u64>,
}

/// Sequence numbers that are not there fit nothing.
pub fn search(view: &View, key: &Key) -> io::Result<Result> {
    let key = Test::new(view, key);
    let mut picked = Vec::new();
    let mut highest = None;
    for (number, entry) in view.iter() {
        let Some(facts) = view.mailbox().summary(|m| m.facts(entry.uid).cloned()) else { continue };
        let mut message = Message { view, entry, facts: &facts, bytes: None, body: None };
        if key.fits(number, &mut message)? {
            picked.push((number, *entry));
            highest = highest.max(Some(facts.modseq));
        }
    }
    Ok(Result { picked, modseq: highest.filter(|_| key.has_modseq()) })
}

#[must_use]
pub fn has_modseq(key: &Key) -> bool {
    match key {
        Key::And(keys) => keys.iter().any(has_modseq),
        Key::Or(left, right) => has_modseq(left) || has_modseq(right),
        Key::Not(key) => has_modseq(key),
        Key::ModSeq(_) => true,
        _ => false,
    }
}

/// A key with its sets resolved and its words in lower case.
enum Test<'k> {
    And(Vec<Test<'k>>),
    Or(Box<Test<'k>>, Box<Test<'k>>),
    Not(Box<Test<'k>>),
    Numbers(Vec<(u32, u32)>),
    Uids(Vec<(u32, u32)>),
    Header(&'k str, String),
    Body(String),
    Text(String),
    Plain(&'k Key),
}

impl<'k> Test<'k> {
    fn new(view: &View, key: &'k Key) -> Self {
        match key {
            Key::And(keys) => Test::And(keys.iter().map(|key| Test::new(view, key)).collect()),
            Key::Or(left, right) => Test::Or(Box::new(Test::new(view, left)), Box::new(Test::new(view, right))),
            Key::Not(key) => Test::Not(Box::new(Test::new(view, key))),
            Key::Set(set) => Test::Numbers(set.resolve(view.len() as u32)),
            Key::Uid(set) => Test::Uids(set.resolve(view.iter().last().map_or(0, |(_, entry)| entry.uid))),
            Key::Header(name, word) => Test::Header(name, word.to_lowercase()),
            Key::Body(word) => Test::Body(word.to_lowercase()),
            Key::Text(word) => Test::Text(word.to_lowercase()),
            other => Test::Plain(other),
        }
    }

    fn has_modseq(&self) -> bool {
        match self {
            Test::And(tests) => tests.iter().any(Test::has_modseq),
            Test::Or(left, right) => left.has_modseq() || right.has_modseq(),
            Test::Not(test) => test.has_modseq(),
            Test::Plain(key) => matches!(key, Key::ModSeq(_)),
            _ => false,
        }
    }

    fn fits(&self, number: usize, message: &mut Message<'_>) -> io::Result<bool> {
        Ok(match self {
            Test::And(tests) => {
                for test in tests {
                    if !test.fits(number, message)? {
                        return Ok(false);
                    }
                }
                true
            }
            Test::Or(left, right) => left.fits(number, message)? || right.fits(number, message)?,
            Test::Not(test) => !test.fits(number, message)?,
            Test::Numbers(ranges) => contains(ranges, number as u32),
            Test::Uids(ranges) => contains(ranges, message.entry.uid),
            Test::Header(name, word) => message.header_has(name, word)?,
            Test::Body(word) => message.body()?.contains(word),
            Test::Text(word) => message.header()?.contains(word) || message.body()?.contains(word),
            Test::Plain(key) => message.fits(key)?,
        })
    }
}

struct Message<'a> {
    view: &'a View,
    entry: &'a Entry,
    facts: &'a Facts,
    bytes: Option<Arc<[u8]>>,
    /// The texts of its parts, decoded, in lower case.
    body: Option<String>,
}

impl Message<'_> {
    fn fits(&mut self, key: &Key) -> io::Result<bool> {
        let (facts, recent) = (self.facts, self.entry.recent);
        let arrived = || date(facts.date);
        let age = unix_now().saturating_sub(facts.date).max(0) as u64;
        Ok(match key {
            Key::All => true,
            Key::Flag(name, wanted) => facts.flags.names().any(|flag| flag == *name) == *wanted,
            Key::Keyword(keyword, wanted) => facts.flags.has_keyword(keyword) == *wanted,
            Key::Recent(wanted) => recent == *wanted,
            Key::New => recent && !facts.flags.has(System::Seen),
            Key::Before(day) => arrived() < *day,
            Key::On(day) => arrived() == *day,
            Key::Since(day) => arrived() >= *day,
            Key::SentBefore(day) => self.sent()? < *day,
            Key::SentOn(day) => self.sent()? == *day,
            Key::SentSince(day) => self.sent()? >= *day,
            Key::Larger(size) => facts.size > *size,
            Key::Smaller(size) => facts.size < *size,
            Key::Older(seconds) => age >= *seconds,
            Key::Younger(seconds) => age <= *seconds,
            Key::ModSeq(modseq) => facts.modseq >= *modseq,
            // These became tests of their own.
            Key::And(_) | Key::Or(..) | Key::Not(_) | Key::Set(_) | Key::Uid(_) => false,
            Key::Header(..) | Key::Body(_) | Key::Text(_) => false,
        })
    }

    fn bytes(&mut self) -> io::Result<Arc<[u8]>> {
        if self.bytes.is_none() {
            // A message that went away in the meantime fits nothing.
            self.bytes = Some(self.view.mailbox().read(self.entry.uid)?.unwrap_or_else(|| Arc::from([])));
        }
        Ok(self.bytes.clone().unwrap_or_else(|| Arc::from([])))
    }

    /// The day in the Date field, as its writer saw it; without one the day of arrival.
    fn sent(&mut self) -> io::Result<Date> {
        let bytes = self.bytes()?;
        let value = field(&bytes[parse(&bytes).header], "Date").unwrap_or_default();
        let sent = mail_parser::DateTime::parse_rfc822(&String::from_utf8_lossy(&value));
        let day = sent.and_then(|at| Date::new(at.year as i16, at.month as i8, at.day as i8).ok());
        Ok(day.unwrap_or_else(|| date(self.facts.date)))
    }

    fn header_has(&mut self, name: &str, word: &str) -> io::Result<bool> {
        let bytes = self.bytes()?;
        let header = &bytes[parse(&bytes).header];
        let mut wanted = fields(header).filter(|field| field.name.eq_ignore_ascii_case(name.as_bytes()));
        Ok(wanted.any(|field| decoded(&unfold(field.value)).to_lowercase().contains(word)))
    }

    fn header(&mut self) -> io::Result<String> {
        let bytes = self.bytes()?;
        let header = &bytes[parse(&bytes).header];
        let line = |field: super::mime::Field<'_>| {
            format!("{}: {}\n", String::from_utf8_lossy(field.name), decoded(&unfold(field.value)))
        };
        Ok(fields(header).map(line).collect::<String>().to_lowercase())
    }

    fn body(&mut self) -> io::Result<&str> {
        if self.body.is_none() {
            let bytes = self.bytes()?;
            let mut text = String::new();
            if let Some(message) = MessageParser::default().parse(&bytes[..]) {
                collect(&message, &mut text);
            }
            self.body = Some(text.to_lowercase());
        }
        Ok(self.body.as_deref().unwrap_or_default())
    }
}

/// Appends the texts of all parts, those of attached messages too.
fn collect(message: &mail_parser::Message<'_>, text: &mut String) {
    for part in &message.parts {
        match &part.body {
            PartType::Text(part) | PartType::Html(part) => {
                text.push_str(part);
                text.push('\n');
            }
            PartType::Message(inner) => {
                text.extend(inner.subject());
                text.push('\n');
                collect(inner, text);
            }
            _ => {}
        }
    }
}

/// A field's value with its encoded words read (RFC 2047).
fn decoded(value: &[u8]) -> String {
    let plain = || String::from_utf8_lossy(value).into_owned();
    if memchr::memmem::find(value, b"=?").is_none() {
        return plain();
    }
    let message = [b"Subject: ", value, b"\r\n\r\n"].concat();
    let parsed = MessageParser::default().parse(&message[..]).and_then(|m| m.subject().map(str::to_owned));
    parsed.unwrap_or_else(plain)
}

fn date(seconds: i64) -> Date {
    jiff::Timestamp::from_second(seconds).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC).date()
}
