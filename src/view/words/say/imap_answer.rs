//! What an IMAP server answers or reports, said with its own values.
//! Takes a line behind its tag or star, and the command that it completes; gives a sentence and its source.
//! Does not know sessions.

use super::imap::{flag_meaning, status_item};
use super::imap_tokens::{Token, tokens};
use super::plain::{clip, count, list, mailbox, size};
use super::{Category, Explained, Protocol, capability, clauses, find, row, split_word, unknown};

/// One line of the server.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::view::words) struct Answer<'a> {
    /// `OK`, `NO`, `BAD`, `BYE`, `PREAUTH`, or `+`; for untagged data its name.
    pub word: &'a str,
    /// What stands behind that word: for a status its code in brackets and its text.
    pub rest: &'a str,
    /// The number before the word, as in `* 23 EXISTS`.
    pub number: Option<u64>,
    /// The verb of the command that this line completes, where it is known.
    pub completes: Option<&'a str>,
    pub tagged: bool,
}

pub(in crate::view::words) fn answer(line: Answer<'_>) -> Explained {
    match line.word.to_ascii_uppercase().as_str() {
        "OK" | "NO" | "BAD" | "BYE" | "PREAUTH" => status(line),
        "+" => row(Protocol::Imap, Category::Reply, "+"),
        name => data(name, line),
    }
}

fn status(line: Answer<'_>) -> Explained {
    let entry = row(Protocol::Imap, Category::Reply, line.word);
    let (code, _text) = code_of(line.rest);
    let completed = line.completes.map(plain_verb);
    let logged_in =
        line.word.eq_ignore_ascii_case("OK") && matches!(completed.as_deref(), Some("LOGIN" | "AUTHENTICATE"));
    let told = code.map(|code| match split_word(code) {
        ("CAPABILITY", rest) if logged_in => capabilities(rest, true),
        _ => response_code(code),
    });
    let outcome = match (line.word.to_ascii_uppercase().as_str(), completed) {
        ("OK", Some(verb)) => done(&verb),
        ("NO", Some(verb)) => format!("{verb} was refused"),
        ("BAD", Some(verb)) => format!("{verb} was not understood, or is not allowed at this moment"),
        ("OK", None) if line.tagged => "the command is done".to_owned(),
        ("OK", None) => String::new(),
        _ => entry.text.clone(),
    };
    match told {
        None if outcome.is_empty() => Explained::new("a remark of the server", entry.source),
        None => Explained::new(outcome, entry.source),
        // READ-ONLY and READ-WRITE say themselves that the mailbox is open.
        Some(told) if told.text.starts_with(&outcome) => told,
        Some(told) => Explained::new(clauses([outcome, told.text]), told.source),
    }
}

fn plain_verb(verb: &str) -> String {
    verb.to_ascii_uppercase()
}

/// What it means that a command was done.
fn done(verb: &str) -> String {
    let said = match verb {
        "LOGIN" | "AUTHENTICATE" => "the login worked",
        "SELECT" | "EXAMINE" => "the mailbox is open",
        "STARTTLS" => "the encryption begins now",
        "LOGOUT" => "the session is over",
        "COMPRESS" => "the compression begins now",
        "APPEND" => "the message is stored",
        "COPY" | "UID COPY" => "the messages are copied",
        "MOVE" | "UID MOVE" => "the messages are moved",
        "CREATE" => "the mailbox is made",
        "DELETE" => "the mailbox is removed",
        "RENAME" => "the mailbox is renamed",
        "IDLE" => "the waiting is over",
        "CLOSE" | "UNSELECT" => "the mailbox is closed",
        "UNAUTHENTICATE" => "the person is logged out",
        _ => return format!("{verb} is done"),
    };
    said.to_owned()
}

/// The code in brackets at the beginning of a status text, and the text behind it.
pub(in crate::view::words) fn code_of(rest: &str) -> (Option<&str>, &str) {
    let rest = rest.trim_start_matches(' ');
    match rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((code, text)) if !code.is_empty() => (Some(code), text.trim_start_matches(' ')),
        _ => (None, rest),
    }
}

/// A response code with its values.
pub(in crate::view::words) fn response_code(code: &str) -> Explained {
    let (name, rest) = split_word(code);
    let Some(entry) = find(Protocol::Imap, Category::ResponseCode, name) else {
        return unknown(Protocol::Imap, Category::ResponseCode, name);
    };
    let words = tokens(rest);
    let first = words.first().and_then(Token::text).map(clip);
    let text = match (entry.word, first) {
        ("CAPABILITY", Some(_)) => return capabilities(rest, false),
        ("UIDNEXT", Some(uid)) => format!("the next new message will get the UID {uid} or a higher one"),
        ("UIDVALIDITY", Some(number)) => {
            format!(
                "UIDs stay valid as long as this number is {number}; if it changes, the client must forget all UIDs"
            )
        }
        ("UNSEEN", Some(number)) => format!("message {number} is the first that nobody has read"),
        ("HIGHESTMODSEQ", Some(number)) => format!("the newest change in the mailbox has the number {number}"),
        ("APPENDUID", Some(_)) => match words.get(1).and_then(Token::text) {
            Some(uid) => format!("the stored message got the UID {}", clip(uid)),
            None => entry.sentence.to_owned(),
        },
        ("COPYUID", Some(_)) => match (words.get(1).and_then(Token::text), words.get(2).and_then(Token::text)) {
            (Some(from), Some(to)) => format!("UID {} became UID {} in the other mailbox", clip(from), clip(to)),
            _ => entry.sentence.to_owned(),
        },
        ("PERMANENTFLAGS", _) => permanent_flags(&words).unwrap_or_else(|| entry.sentence.to_owned()),
        ("BADCHARSET", _) => match words.first().map(Token::items) {
            Some(known) if !known.is_empty() => {
                format!("the server does not know the search's character set, but {}", list(&texts(known)))
            }
            _ => entry.sentence.to_owned(),
        },
        ("REFERRAL" | "MAILBOXID" | "MESSAGELIMIT" | "MODIFIED" | "WEBALERT", _) if !rest.is_empty() => {
            format!("{} ({})", entry.sentence, clip(rest))
        }
        _ => entry.sentence.to_owned(),
    };
    Explained::new(text, entry.source)
}

fn permanent_flags(words: &[Token]) -> Option<String> {
    let flags = texts(words.first()?.items());
    let own = flags.iter().any(|flag| flag == "\\*");
    let named: Vec<&String> = flags.iter().filter(|flag| *flag != "\\*").collect();
    Some(match (named.is_empty(), own) {
        (true, false) => "no flag can be changed for good in this mailbox".to_owned(),
        (true, true) => "the client may make up flags of its own here".to_owned(),
        (false, false) => format!("these flags can be changed for good: {}", list(&named)),
        (false, true) => {
            format!("these flags can be changed for good: {}; and the client may make up others", list(&named))
        }
    })
}

fn texts(words: &[Token]) -> Vec<String> {
    words.iter().filter_map(Token::text).map(clip).collect()
}

/// A list of capabilities: how many, the ones that matter most, and those that no table knows. Ways to log in matter
/// only before the login.
fn capabilities(rest: &str, logged_in: bool) -> Explained {
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    let logins: Vec<&str> = words
        .iter()
        .filter_map(|word| {
            word.get(5..).filter(|_| word.get(..5).is_some_and(|head| head.eq_ignore_ascii_case("AUTH=")))
        })
        .collect();
    let has = |name: &str| words.iter().any(|word| word.eq_ignore_ascii_case(name));
    let strange: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| capability(Protocol::Imap, word).text.contains(" is an unknown "))
        .collect();
    let login = match (logins.is_empty(), has("LOGINDISABLED")) {
        _ if logged_in => String::new(),
        (true, true) => "no login is possible before the connection is encrypted".to_owned(),
        (true, false) => String::new(),
        (false, disabled) => {
            let plain = if disabled { ", but not LOGIN" } else { "" };
            format!("logins by {}{plain}", list(&logins))
        }
    };
    let text = clauses([
        format!("the server offers {}", count(words.len() as u64, "capability").replace("capabilitys", "capabilities")),
        login,
        if has("STARTTLS") { "the connection can be encrypted (STARTTLS)".to_owned() } else { String::new() },
        if strange.is_empty() { String::new() } else { format!("unknown: {}", list(&strange)) },
    ]);
    Explained::new(text, "RFC 9051 §7.2.2")
}

fn data(name: &str, line: Answer<'_>) -> Explained {
    let Some(entry) = find(Protocol::Imap, Category::Data, name) else {
        return unknown(Protocol::Imap, Category::Data, name);
    };
    let words = tokens(line.rest);
    let text = match entry.word {
        "CAPABILITY" => return capabilities(line.rest, false),
        word => said(word, line.number, &words, line.rest),
    };
    Explained::new(text.unwrap_or_else(|| entry.sentence.to_owned()), entry.source)
}

fn said(word: &str, number: Option<u64>, words: &[Token], rest: &str) -> Option<String> {
    let first = words.first();
    Some(match word {
        "EXISTS" => match number? {
            0 => "the mailbox is empty".to_owned(),
            number => format!("the mailbox holds {}", count(number, "message")),
        },
        "RECENT" => match number? {
            0 => "none of the messages is new to all sessions".to_owned(),
            1 => "1 of the messages is new: no session was told of it before".to_owned(),
            number => format!("{number} of the messages are new: no session was told of them before"),
        },
        "EXPUNGE" => format!("message {} is gone for good; all behind it move down by one", number?),
        "FETCH" | "UIDFETCH" => fetched(number?, first?.items())?,
        "FLAGS" => {
            let flags = texts(first?.items());
            format!("messages here can have {}: {}", count(flags.len() as u64, "flag"), list(&flags))
        }
        "ENABLED" if words.is_empty() => "nothing was switched on".to_owned(),
        "ENABLED" => format!("switched on now: {}", list(&texts(words))),
        "LIST" | "LSUB" | "XLIST" => listed(word, words)?,
        "STATUS" => {
            let name = first?.text().map_or_else(|| "the mailbox".to_owned(), mailbox);
            let pairs = words.get(1)?.items();
            let facts: Vec<String> = pairs.chunks_exact(2).filter_map(|pair| status_fact(&pair[0], &pair[1])).collect();
            format!("{name}: {}", list(&facts))
        }
        "SEARCH" | "SORT" if words.is_empty() => "no message matches".to_owned(),
        "SEARCH" | "SORT" => {
            let found = words.iter().filter(|word| word.number().is_some()).count() as u64;
            let order = if word == "SORT" { ", in the order that was asked for" } else { "" };
            format!("{} {}{order}", count(found, "message"), if found == 1 { "matches" } else { "match" })
        }
        "ESEARCH" => esearch(words)?,
        "VANISHED" => {
            let earlier = first?.items().iter().any(|word| word.is_atom("EARLIER"));
            let set = words.get(usize::from(earlier))?.text()?;
            let when = if earlier { " went before this session" } else { " are gone" };
            format!("the messages with UID {}{when}", clip(&set.replace(':', " to ").replace(',', ", ")))
        }
        "NAMESPACE" => namespace(words)?,
        "QUOTA" => quota(words)?,
        "QUOTAROOT" => {
            let roots = words.get(1..)?.iter().filter_map(Token::text).count() as u64;
            format!("{} for {}", count(roots, "quota").replace("no quotas", "no quota"), mailbox(first?.text()?))
        }
        "ID" => identity(words)?,
        "ACL" | "MYRIGHTS" => format!("rights on {}: {}", mailbox(first?.text()?), list(&texts(words.get(1..)?))),
        "THREAD" => {
            let conversations = words.iter().filter(|word| matches!(word, Token::List(_))).count() as u64;
            format!("the matching messages in {}; brackets show who answers whom", count(conversations, "conversation"))
        }
        _ if rest.is_empty() => return None,
        _ => return None,
    })
}

/// `message 12 was marked as read`, or which parts of it follow.
fn fetched(number: u64, items: &[Token]) -> Option<String> {
    let value = |name: &str| {
        let at = items.iter().step_by(2).position(|item| item.is_atom(name))?;
        items.get(at * 2 + 1)
    };
    let names: Vec<String> = items.iter().step_by(2).filter_map(Token::text).map(str::to_ascii_uppercase).collect();
    let flags = value("FLAGS").map(|flags| texts(flags.items()));
    let uid = value("UID").and_then(Token::number).map(|uid| format!(", UID {uid}")).unwrap_or_default();
    let only_flags = names.iter().all(|name| matches!(name.as_str(), "FLAGS" | "UID" | "MODSEQ"));
    let marked = flags.as_ref().map(|flags| {
        if flags.is_empty() { "has no flags".to_owned() } else { format!("is marked as {}", flag_meaning(flags)) }
    });
    if only_flags && let Some(marked) = &marked {
        return Some(format!("message {number}{uid} {marked}"));
    }
    let mut parts = Vec::new();
    if let Some(size_in_bytes) = value("RFC822.SIZE").and_then(Token::number) {
        parts.push(format!("has {}", size(size_in_bytes)));
    }
    if let Some(date) = value("INTERNALDATE").and_then(Token::text) {
        parts.push(format!("arrived {}", clip(date)));
    }
    if let Some(Token::List(envelope)) = value("ENVELOPE")
        && let Some(subject) = envelope.get(1).and_then(Token::text).filter(|subject| *subject != "NIL")
    {
        parts.push(format!("has the subject “{}”", clip(subject)));
    }
    parts.extend(marked);
    if let Some(labels) = value("X-GM-LABELS") {
        let labels: Vec<String> = texts(labels.items()).iter().map(|label| format!("“{label}”")).collect();
        let noun = if labels.len() == 1 { "the label" } else { "the labels" };
        parts.push(if labels.is_empty() {
            "has no labels".to_owned()
        } else {
            format!("has {noun} {}", list(&labels))
        });
    }
    if let Some(part) =
        names.iter().find(|name| name.contains('[') || name.starts_with("RFC822") && *name != "RFC822.SIZE")
    {
        let what = match value_bytes(items, part) {
            Some(bytes) => format!("{} ({})", clip(part), size(bytes)),
            None => clip(part),
        };
        parts.push(format!("comes with {what}"));
    }
    if names.iter().any(|name| name == "BODYSTRUCTURE" || name == "BODY") {
        parts.push("comes with its structure".to_owned());
    }
    if parts.is_empty() {
        return Some(format!("message {number}{uid}: {}", list(&names)));
    }
    Some(format!("message {number}{uid} {}", list(&parts)))
}

fn value_bytes(items: &[Token], name: &str) -> Option<u64> {
    let at = items.iter().step_by(2).position(|item| item.is_atom(name))?;
    match items.get(at * 2 + 1)? {
        Token::Literal(bytes) => Some(*bytes),
        Token::Quoted(text) => Some(text.len() as u64),
        _ => None,
    }
}

fn listed(word: &str, words: &[Token]) -> Option<String> {
    let attributes = texts(words.first()?.items());
    let name = match words.get(2)? {
        Token::Literal(_) => "a mailbox whose name follows".to_owned(),
        name => mailbox(name.text()?),
    };
    let told: Vec<String> = attributes
        .iter()
        .filter_map(|attribute| find(Protocol::Imap, Category::MailboxAttribute, attribute))
        .filter(|entry| entry.word != "\\HasNoChildren")
        .map(|entry| entry.sentence.to_owned())
        .collect();
    let start = if word == "LSUB" { format!("{name} is subscribed") } else { format!("there is {name}") };
    Some(if told.is_empty() { start } else { format!("{start}: {}", told.join("; ")) })
}

fn status_fact(item: &Token, value: &Token) -> Option<String> {
    let value = value.text().map(clip)?;
    let number = value.parse::<u64>().ok();
    Some(match (item.text()?.to_ascii_uppercase().as_str(), number) {
        ("MESSAGES", Some(number)) => count(number, "message"),
        ("UNSEEN", Some(number)) => format!("{number} not read"),
        ("RECENT", Some(number)) => format!("{number} new"),
        ("DELETED", Some(number)) => format!("{number} marked for removal"),
        ("SIZE", Some(number)) => size(number),
        ("UIDNEXT", Some(number)) => format!("next UID {number}"),
        ("UIDVALIDITY", Some(number)) => format!("UIDs valid under {number}"),
        ("HIGHESTMODSEQ", Some(number)) => format!("newest change {number}"),
        ("APPENDLIMIT", Some(number)) => format!("takes messages up to {}", size(number)),
        _ => format!("{} is {value}", status_item(item)?),
    })
}

fn esearch(words: &[Token]) -> Option<String> {
    let mut facts = Vec::new();
    let uid = words.iter().any(|word| word.is_atom("UID"));
    let noun = if uid { "UID" } else { "number" };
    for pair in words.windows(2) {
        let (Some(name), Some(value)) = (pair[0].text(), pair[1].text()) else { continue };
        match name.to_ascii_uppercase().as_str() {
            "COUNT" => facts.push(format!("{} match", count(value.parse().ok()?, "message"))),
            "MIN" => facts.push(format!("the lowest {noun} is {}", clip(value))),
            "MAX" => facts.push(format!("the highest {noun} is {}", clip(value))),
            "ALL" => facts.push(format!("{noun}s {}", clip(&value.replace(':', " to ").replace(',', ", ")))),
            _ => {}
        }
    }
    Some(if facts.is_empty() { "no message matches".to_owned() } else { list(&facts) })
}

fn namespace(words: &[Token]) -> Option<String> {
    let names = ["own", "other people's", "shared"];
    let facts: Vec<String> = words
        .iter()
        .zip(names)
        .filter_map(|(space, name)| {
            let first = space.items().first()?.items();
            let prefix = first.first()?.text()?;
            let at = if prefix.is_empty() { "at the top".to_owned() } else { format!("below “{}”", clip(prefix)) };
            Some(format!("{name} mailboxes {at}"))
        })
        .collect();
    let separator = words.first()?.items().first().and_then(|space| space.items().get(1)).and_then(Token::text);
    let levels = separator.map(|c| format!("levels are separated by {}", clip(c))).unwrap_or_default();
    Some(clauses([list(&facts), levels]))
}

fn quota(words: &[Token]) -> Option<String> {
    let facts: Vec<String> = words
        .get(1)?
        .items()
        .chunks_exact(3)
        .filter_map(|triple| {
            let (used, limit) = (triple[1].number()?, triple[2].number()?);
            Some(match triple[0].text()?.to_ascii_uppercase().as_str() {
                // RFC 9208 §5.1: in units of 1024 bytes.
                "STORAGE" => {
                    format!("{} of {} used", size(used.saturating_mul(1024)), size(limit.saturating_mul(1024)))
                }
                "MESSAGE" => format!("{used} of {} used", count(limit, "message")),
                name => format!("{used} of {limit} {} used", clip(name)),
            })
        })
        .collect();
    Some(if facts.is_empty() { "there is no limit".to_owned() } else { list(&facts) })
}

fn identity(words: &[Token]) -> Option<String> {
    let pairs = words.first()?.items();
    if pairs.is_empty() {
        return Some("the server does not say who it is".to_owned());
    }
    let value = |name: &str| {
        pairs.chunks_exact(2).find(|pair| pair[0].text().is_some_and(|text| text.eq_ignore_ascii_case(name)))?[1].text()
    };
    Some(match (value("name"), value("version")) {
        (Some(name), Some(version)) => format!("the server is {}, version {}", clip(name), clip(version)),
        (Some(name), None) => format!("the server is {}", clip(name)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn says(number: Option<u64>, word: &str, rest: &str, expected: &str) {
        assert_eq!(answer(Answer { word, rest, number, ..Answer::default() }).text, expected);
    }

    #[test]
    fn data_is_told_with_its_numbers() {
        says(Some(23), "EXISTS", "", "the mailbox holds 23 messages");
        says(Some(0), "EXISTS", "", "the mailbox is empty");
        says(Some(12), "FETCH", "(FLAGS (\\Seen))", "message 12 is marked as read (\\Seen)");
        says(Some(12), "FETCH", "(UID 7 FLAGS ())", "message 12, UID 7 has no flags");
        says(
            Some(2),
            "FETCH",
            "(X-GM-LABELS (\"Later this week\" Work) UID 41)",
            "message 2, UID 41 has the labels “Later this week” and “Work”",
        );
        says(Some(2), "FETCH", "(X-GM-LABELS () UID 41)", "message 2, UID 41 has no labels");
        says(Some(3), "FETCH", "(RFC822.SIZE 2048 BODY[] {2048}", "message 3 has 2 kB and comes with BODY[] (2 kB)");
        says(None, "LIST", "(\\HasNoChildren \\Sent) \"/\" Sent", "there is “Sent”: for copies of sent messages");
        says(None, "STATUS", "INBOX (MESSAGES 3 UNSEEN 1)", "INBOX: 3 messages and 1 not read");
        says(None, "SEARCH", "", "no message matches");
        says(None, "SEARCH", "2 5", "2 messages match");
        says(None, "ESEARCH", "(TAG \"a\") UID COUNT 5 ALL 4:8", "5 messages match and UIDs 4 to 8");
        says(None, "QUOTA", "\"\" (STORAGE 10 512)", "10 kB of 512 kB used");
        says(None, "VANISHED", "(EARLIER) 4:6,9", "the messages with UID 4 to 6, 9 went before this session");
        says(None, "NAMESPACE", "((\"\" \"/\")) NIL NIL", "own mailboxes at the top; levels are separated by /");
        says(None, "ID", "(\"name\" \"Dovecot\")", "the server is Dovecot");
    }

    #[test]
    fn statuses_tell_code_and_command() {
        says(None, "OK", "[UIDNEXT 4392] Predicted", "the next new message will get the UID 4392 or a higher one");
        says(None, "OK", "Still here", "a remark of the server");
        let told = answer(Answer {
            word: "NO",
            rest: "[AUTHENTICATIONFAILED] Invalid",
            completes: Some("login"),
            tagged: true,
            number: None,
        });
        assert!(told.text.starts_with("LOGIN was refused; the login failed"), "{}", told.text);
        assert_eq!(told.source, "RFC 5530 §3");
        let told =
            answer(Answer { word: "OK", rest: "[READ-WRITE] ok", completes: Some("SELECT"), ..Answer::default() });
        assert_eq!(told.text, "the mailbox is open for reading and changing");
    }

    #[test]
    fn capabilities_are_summed_up() {
        says(
            None,
            "CAPABILITY",
            "IMAP4rev1 STARTTLS LOGINDISABLED",
            "the server offers 3 capabilities; no login is possible before the connection is encrypted; the connection can be encrypted (STARTTLS)",
        );
        says(
            None,
            "CAPABILITY",
            "IMAP4rev1 AUTH=PLAIN XFOO",
            "the server offers 3 capabilities; logins by PLAIN; unknown: XFOO",
        );
    }
}
