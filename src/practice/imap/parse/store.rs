//! STORE and APPEND (RFC 3501, 6.4.6 and 6.3.11; RFC 3502 for several messages; RFC 7162 for UNCHANGEDSINCE).
//! Takes a cursor behind the verb; gives the flags, the way to set them, and messages with their dates.
//! It does not know which flags there are.

use super::super::super::store::{Change, unix_now};
use super::{Bad, Cursor, Set, mailbox};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    pub uid: bool,
    pub set: Set,
    pub how: Change,
    pub silent: bool,
    pub flags: Vec<String>,
    pub unchanged_since: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    pub mailbox: String,
    pub messages: Vec<AppendMessage>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendMessage {
    pub flags: Vec<String>,
    /// Seconds since 1970.
    pub date: i64,
    pub bytes: Vec<u8>,
}

pub fn store(c: &mut Cursor<'_>, uid: bool) -> Result<Store, Bad> {
    c.space()?;
    let set = c.set()?;
    c.space()?;
    let mut unchanged_since = None;
    if c.peek() == Some(b'(') {
        unchanged_since = c.modifier("UNCHANGEDSINCE")?;
        if unchanged_since.is_none() {
            return Err(Bad::new("Unknown STORE modifier"));
        }
        c.space()?;
    }
    let how = if c.eat(b'+') {
        Change::Add
    } else if c.eat(b'-') {
        Change::Remove
    } else {
        Change::Replace
    };
    let silent = match c.name().as_str() {
        "FLAGS" => false,
        "FLAGS.SILENT" => true,
        _ => return Err(Bad::new("Invalid STORE item")),
    };
    c.space()?;
    Ok(Store { uid, set, how, silent, flags: c.flags()?, unchanged_since })
}

pub fn append(c: &mut Cursor<'_>) -> Result<Append, Bad> {
    let mailbox = mailbox(c)?;
    c.space()?;
    let mut messages = vec![append_message(c)?];
    while c.more() {
        messages.push(append_message(c)?);
    }
    Ok(Append { mailbox, messages })
}

fn append_message(c: &mut Cursor<'_>) -> Result<AppendMessage, Bad> {
    let mut flags = Vec::new();
    if c.peek() == Some(b'(') {
        flags = c.flags()?;
        c.space()?;
    }
    let mut date = unix_now();
    if c.peek() == Some(b'"') {
        let text = String::from_utf8(c.string()?).map_err(|_| Bad::new("Invalid internal date"))?;
        date = date_time(&text).ok_or_else(|| Bad::new("Invalid internal date"))?;
        c.space()?;
    }
    if c.peek() != Some(b'{') {
        return Err(Bad::new("Invalid arguments"));
    }
    Ok(AppendMessage { flags, date, bytes: c.literal()? })
}

/// `dd-Mon-yyyy hh:mm:ss +zzzz`, the day with a space in place of a leading zero.
fn date_time(text: &str) -> Option<i64> {
    let text = text.trim_start_matches(' ');
    let (date, rest) = text.split_once(' ')?;
    let (time, zone) = rest.split_once(' ')?;
    let date = date_of(date)?;
    let mut parts = time.split(':').map(|part| part.parse::<i8>().ok());
    let time = jiff::civil::Time::new(parts.next()??, parts.next()??, parts.next()??, 0).ok()?;
    if parts.next().is_some() || zone.len() != 5 || !zone.is_ascii() {
        return None;
    }
    let (sign, digits) = zone.split_at(1);
    let offset = digits[..2].parse::<i64>().ok()? * 3600 + digits[2..].parse::<i64>().ok()? * 60;
    let local = date.to_datetime(time).to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
    match sign {
        "+" => Some(local - offset),
        "-" => Some(local + offset),
        _ => None,
    }
}

/// `d-Mon-yyyy`
pub fn date_of(text: &str) -> Option<jiff::civil::Date> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let mut parts = text.split('-');
    let day = parts.next()?.parse().ok()?;
    let month = parts.next()?.to_ascii_lowercase();
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let year = parts.next()?.parse().ok()?;
    match parts.next() {
        None => jiff::civil::Date::new(year, month as i8, day).ok(),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_with_their_zone() {
        assert_eq!(date_time("17-Jul-1996 02:44:25 -0700"), Some(837_596_665));
        assert_eq!(date_time(" 1-Jan-1970 01:00:00 +0100"), Some(0));
        assert_eq!(date_time("31-Feb-2020 00:00:00 +0000"), None);
        assert_eq!(date_time("1-Jan-1970 01:00:00 é00"), None);
    }
}
