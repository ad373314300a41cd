//! SEARCH keys (RFC 3501, 6.4.4; RFC 5032 for OLDER and YOUNGER; RFC 7162 for MODSEQ).
//! Takes a cursor behind the verb; gives one key, of bounded depth.
//! It does not know messages.

use jiff::civil::Date;

use super::store::date_of;
use super::{Bad, Command, Cursor, Set};

#[derive(Debug, Clone, PartialEq)]
pub enum Key {
    And(Vec<Key>),
    Or(Box<Key>, Box<Key>),
    Not(Box<Key>),
    All,
    Set(Set),
    Uid(Set),
    /// A flag by its IMAP name; false: without it.
    Flag(&'static str, bool),
    Keyword(String, bool),
    Recent(bool),
    New,
    Before(Date),
    On(Date),
    Since(Date),
    SentBefore(Date),
    SentOn(Date),
    SentSince(Date),
    Larger(u64),
    Smaller(u64),
    /// Seconds.
    Older(u64),
    Younger(u64),
    ModSeq(u64),
    Header(String, String),
    Body(String),
    Text(String),
}

/// Keys within keys.
const DEPTH: usize = 50;
/// Keys of one SEARCH.
const KEYS: usize = 1000;
/// Those of them that look for a word in the whole message.
const WHOLE: usize = 100;

/// How many more keys there may be.
struct Budget {
    keys: usize,
    whole: usize,
}

impl Budget {
    fn take(left: &mut usize) -> Result<(), Bad> {
        *left = left.checked_sub(1).ok_or_else(|| Bad::new("Too many search arguments"))?;
        Ok(())
    }
}

pub fn search(c: &mut Cursor<'_>, uid: bool) -> Result<Command, Bad> {
    let mut charset = None;
    if c.eat_word("CHARSET ") {
        c.blanks();
        charset = Some(c.text_astring()?);
        c.space()?;
    }
    let mut budget = Budget { keys: KEYS, whole: WHOLE };
    let key = keys(c, 0, &mut budget, false)?;
    Ok(Command::Search { uid, key, charset })
}

fn keys(c: &mut Cursor<'_>, depth: usize, budget: &mut Budget, nested: bool) -> Result<Key, Bad> {
    c.blanks();
    let mut all = vec![key(c, depth, budget)?];
    loop {
        let apart = c.peek() == Some(b' ');
        c.blanks();
        match c.peek() {
            None if !nested => return Ok(Key::And(all)),
            Some(b')') if nested => {
                c.expect(b')')?;
                return Ok(Key::And(all));
            }
            None => return Err(Bad::new("Missing ')'")),
            Some(_) if apart => all.push(key(c, depth, budget)?),
            Some(_) => return Err(Bad::new("Expected a space")),
        }
    }
}

fn key(c: &mut Cursor<'_>, depth: usize, budget: &mut Budget) -> Result<Key, Bad> {
    Budget::take(&mut budget.keys)?;
    if depth > DEPTH {
        return Err(Bad::new("Search arguments nested too deeply"));
    }
    if c.eat(b'(') {
        return keys(c, depth + 1, budget, true);
    }
    if c.peek().is_some_and(|byte| byte.is_ascii_digit() || byte == b'*') {
        return Ok(Key::Set(c.set()?));
    }
    let word = c.atom()?.to_ascii_uppercase();
    if matches!(word.as_str(), "BODY" | "TEXT") {
        Budget::take(&mut budget.whole)?;
    }
    let flag = |name: &'static str| Key::Flag(name, true);
    let without = |name: &'static str| Key::Flag(name, false);
    Ok(match word.as_str() {
        "ALL" => Key::All,
        "ANSWERED" => flag("\\Answered"),
        "DELETED" => flag("\\Deleted"),
        "DRAFT" => flag("\\Draft"),
        "FLAGGED" => flag("\\Flagged"),
        "SEEN" => flag("\\Seen"),
        "UNANSWERED" => without("\\Answered"),
        "UNDELETED" => without("\\Deleted"),
        "UNDRAFT" => without("\\Draft"),
        "UNFLAGGED" => without("\\Flagged"),
        "UNSEEN" => without("\\Seen"),
        "RECENT" => Key::Recent(true),
        "OLD" => Key::Recent(false),
        "NEW" => Key::New,
        "NOT" => {
            c.space()?;
            Key::Not(Box::new(key(c, depth + 1, budget)?))
        }
        "OR" => {
            c.space()?;
            let left = key(c, depth + 1, budget)?;
            c.space()?;
            Key::Or(Box::new(left), Box::new(key(c, depth + 1, budget)?))
        }
        "UID" => {
            c.space()?;
            Key::Uid(c.set()?)
        }
        "KEYWORD" => Key::Keyword(text(c)?, true),
        "UNKEYWORD" => Key::Keyword(text(c)?, false),
        "BEFORE" => Key::Before(date(c)?),
        "ON" => Key::On(date(c)?),
        "SINCE" => Key::Since(date(c)?),
        "SENTBEFORE" => Key::SentBefore(date(c)?),
        "SENTON" => Key::SentOn(date(c)?),
        "SENTSINCE" => Key::SentSince(date(c)?),
        "LARGER" => Key::Larger(number(c)?),
        "SMALLER" => Key::Smaller(number(c)?),
        "OLDER" => Key::Older(number(c)?),
        "YOUNGER" => Key::Younger(number(c)?),
        "MODSEQ" => {
            c.space()?;
            if c.peek() == Some(b'"') {
                // Which flag the number is of: all flags of a message have one here.
                c.string()?;
                c.space()?;
                c.atom()?;
                c.space()?;
            }
            Key::ModSeq(c.number()?)
        }
        "HEADER" => Key::Header(text(c)?, text(c)?),
        "FROM" | "TO" | "CC" | "BCC" | "SUBJECT" => Key::Header(word, text(c)?),
        "BODY" => Key::Body(text(c)?),
        "TEXT" => Key::Text(text(c)?),
        _ => return Err(Bad::Syntax(format!("Unknown argument {word}"))),
    })
}

fn text(c: &mut Cursor<'_>) -> Result<String, Bad> {
    c.space()?;
    c.text_astring()
}

fn number(c: &mut Cursor<'_>) -> Result<u64, Bad> {
    c.space()?;
    c.number()
}

fn date(c: &mut Cursor<'_>) -> Result<Date, Bad> {
    date_of(&text(c)?).ok_or_else(|| Bad::new("Invalid search date parameter"))
}
