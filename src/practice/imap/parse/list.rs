//! LIST, LSUB and STATUS, with the options of LIST-EXTENDED and LIST-STATUS (RFC 5258, RFC 5819, RFC 6154).
//! Takes a cursor behind the verb; gives reference, patterns and what is asked about each mailbox.
//! It does not know mailboxes.

use super::{Bad, Cursor, mailbox_name};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct List {
    pub reference: String,
    pub patterns: Vec<String>,
    pub lsub: bool,
    /// Selection options: only subscribed ones, only ones with a special use.
    pub subscribed: bool,
    pub special: bool,
    pub recursive: bool,
    /// It has options or several patterns, so that the answer is what was asked for and no more (RFC 5258, 3).
    pub is_extended: bool,
    pub returns: Vec<Return>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Return {
    Subscribed,
    Children,
    SpecialUse,
    Status(Vec<Status>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Messages,
    Recent,
    UidNext,
    UidValidity,
    Unseen,
    HighestModSeq,
    Size,
    Deleted,
}

/// Patterns of one LIST.
const PATTERNS: usize = 100;

pub fn list(c: &mut Cursor<'_>) -> Result<List, Bad> {
    let mut list = List::default();
    c.space()?;
    if c.peek() == Some(b'(') {
        list.is_extended = true;
        for option in c.list(Cursor::atom)? {
            match option.to_ascii_uppercase().as_str() {
                "SUBSCRIBED" => list.subscribed = true,
                "SPECIAL-USE" => list.special = true,
                "RECURSIVEMATCH" => list.recursive = true,
                "REMOTE" => {}
                _ => return Err(Bad::new("Unknown select option")),
            }
        }
        if list.recursive && !list.subscribed {
            return Err(Bad::new("RECURSIVEMATCH must not be the only selection"));
        }
        c.space()?;
    }
    list.reference = text(&c.astring()?);
    c.space()?;
    if c.peek() == Some(b'(') {
        list.is_extended = true;
        list.patterns = c.list(pattern)?;
        if list.patterns.len() > PATTERNS {
            return Err(Bad::new("Too many patterns"));
        }
    } else {
        list.patterns.push(pattern(c)?);
    }
    if c.more() {
        if !c.eat_word("RETURN") {
            return Err(Bad::new("Unknown parameter"));
        }
        c.space()?;
        list.is_extended = true;
        list.returns = returns(c)?;
    }
    Ok(list)
}

pub fn lsub(c: &mut Cursor<'_>) -> Result<List, Bad> {
    c.space()?;
    let reference = text(&c.astring()?);
    c.space()?;
    Ok(List { reference, patterns: vec![pattern(c)?], lsub: true, subscribed: true, ..List::default() })
}

pub fn status_items(c: &mut Cursor<'_>) -> Result<Vec<Status>, Bad> {
    let words = c.list(Cursor::atom)?;
    if words.is_empty() {
        return Err(Bad::new("Empty status list"));
    }
    let item = |word: &String| {
        Ok(match word.to_ascii_uppercase().as_str() {
            "MESSAGES" => Status::Messages,
            "RECENT" => Status::Recent,
            "UIDNEXT" => Status::UidNext,
            "UIDVALIDITY" => Status::UidValidity,
            "UNSEEN" => Status::Unseen,
            "HIGHESTMODSEQ" => Status::HighestModSeq,
            "SIZE" => Status::Size,
            "DELETED" => Status::Deleted,
            other => return Err(Bad::Syntax(format!("Invalid status item {other}"))),
        })
    };
    words.iter().map(item).collect()
}

fn returns(c: &mut Cursor<'_>) -> Result<Vec<Return>, Bad> {
    c.list(|c| {
        Ok(match c.atom()?.to_ascii_uppercase().as_str() {
            "SUBSCRIBED" => Return::Subscribed,
            "CHILDREN" => Return::Children,
            "SPECIAL-USE" => Return::SpecialUse,
            "STATUS" => {
                c.space()?;
                Return::Status(status_items(c)?)
            }
            _ => return Err(Bad::new("Unknown return option")),
        })
    })
}

/// A mailbox name with `*` and `%`, which an atom may have here.
fn pattern(c: &mut Cursor<'_>) -> Result<String, Bad> {
    if matches!(c.peek(), Some(b'"' | b'{')) {
        return Ok(text(&c.string()?));
    }
    let atom = c.take_while(|byte| byte.is_ascii_graphic() && !b"(){\"\\".contains(&byte));
    match atom.is_empty() {
        true => Err(Bad::new("Missing arguments")),
        false => Ok(text(atom.as_bytes())),
    }
}

/// A name or a piece of one; what is none is no mistake here, as Dovecot sees it, and matches nothing.
fn text(bytes: &[u8]) -> String {
    mailbox_name(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned())
}
