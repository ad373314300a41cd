//! SEARCH: does a message fit a key?
//! Takes a view and a key; gives the messages that fit. Text is compared decoded and without regard to case.
//! It does not know how the result is sent.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::civil::Date;
use memchr::memmem::Finder;

use super::super::store::{Facts, Mailbox, System, unix_now};
use super::aside::aside;
use super::contents::Contents;
use super::parse::{Key, contains};
use super::view::{Entry, View};

/// How long one search goes on before others that cost as much have their turn.
const TURN: Duration = Duration::from_millis(20);

pub struct Found {
    pub picked: Vec<(usize, Entry)>,
    /// The highest modification number found, when the key asked about them.
    pub modseq: Option<u64>,
}

/// Sequence numbers that are not there fit nothing.
pub async fn search(view: &View, key: &Key) -> io::Result<Found> {
    let octets = view.mailbox().summary(|m| m.iter().map(|(_, facts)| facts.size).sum());
    let mut search = Search::new(view, key);
    loop {
        let (now, done) = aside(octets, move || {
            let done = search.go_on();
            (search, done)
        })
        .await?;
        search = now;
        if done? {
            return Ok(Found { picked: search.picked, modseq: search.highest.filter(|_| has_modseq(key)) });
        }
        tokio::task::yield_now().await;
    }
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

struct Search {
    mailbox: Arc<Mailbox>,
    entries: std::vec::IntoIter<(usize, Entry)>,
    test: Test,
    /// The names of the header fields that the key is about, in lower case.
    fields: HashSet<Vec<u8>>,
    picked: Vec<(usize, Entry)>,
    highest: Option<u64>,
}

impl Search {
    fn new(view: &View, key: &Key) -> Self {
        let mut fields = HashSet::new();
        let test = Test::new(view, key, &mut fields);
        let entries = view.iter().map(|(number, entry)| (number, *entry)).collect::<Vec<_>>().into_iter();
        Search { mailbox: view.mailbox().clone(), entries, test, fields, picked: Vec::new(), highest: None }
    }

    /// Looks at messages for one turn. True: at all that there are.
    fn go_on(&mut self) -> io::Result<bool> {
        let until = Instant::now() + TURN;
        for (number, entry) in self.entries.by_ref() {
            let Some(facts) = self.mailbox.summary(|m| m.facts(entry.uid).cloned()) else { continue };
            let message = Message {
                mailbox: &self.mailbox,
                fields: &self.fields,
                number,
                entry,
                facts,
                contents: OnceCell::new(),
            };
            if self.test.fits(&message)? {
                self.picked.push((number, entry));
                self.highest = self.highest.max(Some(message.facts.modseq));
            }
            if Instant::now() >= until {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A key with its sets resolved and its words in lower case.
enum Test {
    And(Vec<Test>),
    Or(Box<Test>, Box<Test>),
    Not(Box<Test>),
    Numbers(Vec<(u32, u32)>),
    Uids(Vec<(u32, u32)>),
    Header(Vec<u8>, Finder<'static>),
    Body(Finder<'static>),
    Text(Finder<'static>),
    Plain(Key),
}

impl Test {
    fn new(view: &View, key: &Key, fields: &mut HashSet<Vec<u8>>) -> Self {
        let word = |word: &String| Finder::new(word.to_lowercase().as_bytes()).into_owned();
        match key {
            Key::And(keys) => Test::And(keys.iter().map(|key| Test::new(view, key, fields)).collect()),
            Key::Or(left, right) => {
                Test::Or(Box::new(Test::new(view, left, fields)), Box::new(Test::new(view, right, fields)))
            }
            Key::Not(key) => Test::Not(Box::new(Test::new(view, key, fields))),
            Key::Set(set) => Test::Numbers(set.resolve(view.len() as u32)),
            Key::Uid(set) => Test::Uids(set.resolve(view.iter().last().map_or(0, |(_, entry)| entry.uid))),
            Key::Header(name, text) => {
                let name = name.to_ascii_lowercase().into_bytes();
                fields.insert(name.clone());
                Test::Header(name, word(text))
            }
            Key::Body(text) => Test::Body(word(text)),
            Key::Text(text) => Test::Text(word(text)),
            other => Test::Plain(other.clone()),
        }
    }

    fn fits(&self, message: &Message<'_>) -> io::Result<bool> {
        let has = |text: &str, word: &Finder<'_>| word.find(text.as_bytes()).is_some();
        Ok(match self {
            Test::And(tests) => {
                for test in tests {
                    if !test.fits(message)? {
                        return Ok(false);
                    }
                }
                true
            }
            Test::Or(left, right) => left.fits(message)? || right.fits(message)?,
            Test::Not(test) => !test.fits(message)?,
            Test::Numbers(ranges) => contains(ranges, message.number as u32),
            Test::Uids(ranges) => contains(ranges, message.entry.uid),
            Test::Header(name, word) => {
                message.contents()?.field(name, message.fields).is_some_and(|value| has(value, word))
            }
            Test::Body(word) => has(message.contents()?.texts(), word),
            Test::Text(word) => {
                let contents = message.contents()?;
                has(contents.headers(), word) || has(contents.texts(), word)
            }
            Test::Plain(key) => message.fits(key)?,
        })
    }
}

struct Message<'a> {
    mailbox: &'a Mailbox,
    fields: &'a HashSet<Vec<u8>>,
    number: usize,
    entry: Entry,
    facts: Facts,
    contents: OnceCell<Contents>,
}

impl Message<'_> {
    fn fits(&self, key: &Key) -> io::Result<bool> {
        let (facts, recent) = (&self.facts, self.entry.recent);
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

    fn contents(&self) -> io::Result<&Contents> {
        if let Some(contents) = self.contents.get() {
            return Ok(contents);
        }
        // A message that went away in the meantime fits nothing.
        let bytes = self.mailbox.read(self.entry.uid)?.unwrap_or_else(|| Arc::from([]));
        Ok(self.contents.get_or_init(|| Contents::new(bytes)))
    }

    /// The day on which it was written; without one the day of arrival.
    fn sent(&self) -> io::Result<Date> {
        Ok(self.contents()?.sent().unwrap_or_else(|| date(self.facts.date)))
    }
}

fn date(seconds: i64) -> Date {
    jiff::Timestamp::from_second(seconds).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC).date()
}
