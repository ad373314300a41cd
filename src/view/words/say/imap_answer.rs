//! What an IMAP server answers or reports, said with its own values.
//! Takes a line behind its tag or star, and the command that it completes; gives a sentence and its source.
//! Does not know sessions.

use super::imap::{flag_strangers, status_item};
use super::imap_fetch::fetched;
use super::imap_tokens::{Token, tokens};
use super::plain::{clip, count, is_one, list, mailbox, numbers, size};
use super::{
    Asked, Category, Explained, Protocol, clauses, find, row, split_word, strange_capabilities, strangers, unknown,
};

/// One line of the server.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::view::words) struct Answer<'a> {
    /// `OK`, `NO`, `BAD`, `BYE`, `PREAUTH`, or `+`; for untagged data its name.
    pub word: &'a str,
    /// What stands behind that word: for a status its code in brackets and its text.
    pub rest: &'a str,
    /// The number before the word, as in `* 23 EXISTS`.
    pub number: Option<u64>,
    /// The command that this line completes, or that a `+` answers, where it is known.
    pub completes: Option<Asked<'a>>,
    pub tagged: bool,
}

pub(in crate::view::words) fn answer(line: Answer<'_>) -> Explained {
    match line.word.to_ascii_uppercase().as_str() {
        "OK" | "NO" | "BAD" | "BYE" | "PREAUTH" => status(line),
        "+" => go_ahead(line.completes),
        name => data(name, line),
    }
}

/// The server's first line.
pub(in crate::view::words) fn greeting(line: Answer<'_>) -> Explained {
    let told = code_of(line.rest).0.map(response_code);
    let (text, source) = match line.word.to_ascii_uppercase().as_str() {
        "OK" => ("the server greets and is ready", "RFC 9051 §7.1.1"),
        "BYE" => ("the server does not talk to this client; the text says why", "RFC 9051 §7.1.5"),
        _ => {
            let entry = row(Protocol::Imap, Category::Reply, line.word);
            return Explained::new(clauses([entry.text].into_iter().chain(told.map(|told| told.text))), entry.source);
        }
    };
    match told {
        Some(told) => Explained::new(clauses([text.to_owned(), told.text]), told.source),
        None => Explained::new(text, source),
    }
}

/// The next step of a login is told by whoever follows the login.
fn go_ahead(asked: Option<Asked<'_>>) -> Explained {
    match asked.map(|asked| asked.verb) {
        Some("IDLE") => Explained::new("the server waits with the client and reports changes", "RFC 9051 §6.3.13"),
        Some(verb) if verb != "AUTHENTICATE" => {
            Explained::new("go on: the server waits for the rest of the command", "RFC 9051 §7.6")
        }
        _ => row(Protocol::Imap, Category::Reply, "+"),
    }
}

fn status(line: Answer<'_>) -> Explained {
    let entry = row(Protocol::Imap, Category::Reply, line.word);
    let (code, _text) = code_of(line.rest);
    let status = line.word.to_ascii_uppercase();
    let logged_in =
        status == "OK" && line.completes.is_some_and(|asked| matches!(asked.verb, "LOGIN" | "AUTHENTICATE"));
    let told = code.map(|code| match split_word(code) {
        ("CAPABILITY", rest) if logged_in => capabilities(rest, true),
        _ => response_code(code),
    });
    let mut source = entry.source;
    let outcome = match (status.as_str(), line.completes) {
        ("OK", Some(asked)) => {
            // What its success means stands where the command does.
            source = asked.source(Protocol::Imap).unwrap_or(source);
            done(asked)
        }
        ("NO", Some(asked)) => format!("{} was refused", clip(asked.verb)),
        ("BAD", Some(asked)) => format!("{} was not understood, or is not allowed at this moment", clip(asked.verb)),
        ("OK", None) if line.tagged => "the command is done".to_owned(),
        ("OK", None) => String::new(),
        _ => entry.text.clone(),
    };
    match told {
        None if outcome.is_empty() => Explained::new("a remark of the server", source),
        None => Explained::new(outcome, source),
        // READ-ONLY and READ-WRITE say themselves that the mailbox is open.
        Some(told) if told.text.starts_with(&outcome) => told,
        Some(told) => Explained::new(clauses([outcome, told.text]), told.source),
    }
}

/// What it means that a command was done.
fn done(asked: Asked<'_>) -> String {
    let set = asked.rest.split(' ').next().unwrap_or_default();
    let one = !set.is_empty() && is_one(set);
    let said = match asked.verb {
        "LOGIN" | "AUTHENTICATE" => "the login worked",
        "SELECT" | "EXAMINE" => "the mailbox is open",
        "STARTTLS" => "the encryption begins now",
        "LOGOUT" => "the session is over",
        "COMPRESS" => "the compression begins now",
        "APPEND" => "the message is stored",
        "COPY" | "UID COPY" if one => "the message is copied",
        "COPY" | "UID COPY" => "the messages are copied",
        "MOVE" | "UID MOVE" | "XMOVE" | "UID XMOVE" if one => "the message is moved",
        "MOVE" | "UID MOVE" | "XMOVE" | "UID XMOVE" => "the messages are moved",
        "CREATE" => "the mailbox is made",
        "DELETE" => "the mailbox is removed",
        "RENAME" => "the mailbox is renamed",
        "IDLE" => "the waiting is over",
        "CLOSE" | "UNSELECT" => "the mailbox is closed",
        "UNAUTHENTICATE" => "the person is logged out",
        verb => return format!("{} is done", clip(verb)),
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
            Some(uid) if is_one(uid) => format!("the stored message got the UID {}", clip(uid)),
            Some(uids) => format!("the stored messages got {}", numbers("UID", uids)),
            None => entry.sentence.to_owned(),
        },
        ("COPYUID", Some(_)) => match (words.get(1).and_then(Token::text), words.get(2).and_then(Token::text)) {
            (Some(from), Some(to)) => {
                format!("{} became {} in the other mailbox", numbers("UID", from), numbers("UID", to))
            }
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
            let values = rest.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(rest);
            format!("{} ({})", entry.sentence, clip(values))
        }
        _ => entry.sentence.to_owned(),
    };
    Explained::new(text, entry.source)
}

fn permanent_flags(words: &[Token]) -> Option<String> {
    let flags = texts(words.first()?.items());
    let own = flags.iter().any(|flag| flag == "\\*");
    let named: Vec<&String> = flags.iter().filter(|flag| *flag != "\\*").collect();
    let said = match (named.is_empty(), own) {
        (true, false) => "no flag can be changed for good in this mailbox".to_owned(),
        (true, true) => "the client may make up flags of its own here".to_owned(),
        (false, false) => format!("these flags can be changed for good: {}", list(&named)),
        (false, true) => {
            format!("these flags can be changed for good: {}; and the client may make up others", list(&named))
        }
    };
    Some(clauses([said, flag_strangers(&flags)]))
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
    let login = match (logins.is_empty(), has("LOGINDISABLED")) {
        _ if logged_in => String::new(),
        (true, true) if has("STARTTLS") => "no login is possible before the connection is encrypted".to_owned(),
        // Cyrus says so when somebody has logged in.
        (true, true) => "the command LOGIN is not allowed here (LOGINDISABLED)".to_owned(),
        (true, false) => String::new(),
        (false, disabled) => {
            let plain = if disabled { ", but not by the command LOGIN" } else { "" };
            format!("logins by {}{plain}", list(&logins))
        }
    };
    let text = clauses([
        format!("the server offers {}", count(words.len() as u64, "capability").replace("capabilitys", "capabilities")),
        login,
        if has("STARTTLS") { "the connection can be encrypted (STARTTLS)".to_owned() } else { String::new() },
        strange_capabilities(Protocol::Imap, words),
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
            0 => "no message is new".to_owned(),
            1 => "1 message is new: no session was told of it before".to_owned(),
            number => format!("{number} messages are new: no session was told of them before"),
        },
        "EXPUNGE" => format!("message {} is gone for good; all behind it move down by one", number?),
        "FETCH" | "UIDFETCH" => fetched(number?, first?.items())?,
        "FLAGS" => {
            let flags = texts(first?.items());
            let many = count(flags.len() as u64, "flag");
            let named = if flags.is_empty() { many } else { format!("{many}: {}", list(&flags)) };
            clauses([format!("messages here can have {named}"), flag_strangers(&flags)])
        }
        "ENABLED" if words.is_empty() => "nothing was switched on".to_owned(),
        "ENABLED" => {
            let names = texts(words);
            let strange = strangers(Protocol::Imap, Category::Capability, names.iter().map(String::as_str));
            clauses([format!("switched on now: {}", list(&names)), strange])
        }
        "LIST" | "LSUB" | "XLIST" => listed(word, words)?,
        "STATUS" => {
            let name = first?.text().map_or_else(|| "the mailbox".to_owned(), mailbox);
            let pairs = words.get(1)?.items();
            let facts: Vec<String> = pairs.chunks_exact(2).filter_map(|pair| status_fact(&pair[0], &pair[1])).collect();
            let names = pairs.iter().step_by(2).filter_map(Token::text);
            clauses([format!("{name}: {}", list(&facts)), strangers(Protocol::Imap, Category::StatusItem, names)])
        }
        "SEARCH" | "SORT" if words.is_empty() => "no message matches".to_owned(),
        "SEARCH" | "SORT" => {
            let found = words.iter().filter(|word| word.number().is_some()).count() as u64;
            let order = if word == "SORT" { ", in the order that was asked for" } else { "" };
            format!("{}{order}", matching(found))
        }
        "ESEARCH" => esearch(words)?,
        "VANISHED" => {
            let earlier = first?.items().iter().any(|word| word.is_atom("EARLIER"));
            let set = words.get(usize::from(earlier))?.text()?;
            let noun = if is_one(set) { "the message with" } else { "the messages with" };
            let when = match (earlier, is_one(set)) {
                (true, _) => "went before this session",
                (false, true) => "is gone",
                (false, false) => "are gone",
            };
            format!("{noun} {} {when}", numbers("UID", set))
        }
        "NAMESPACE" => namespace(words)?,
        "QUOTA" => quota(words)?,
        "QUOTAROOT" => {
            let roots = words.get(1..)?.iter().filter_map(Token::text).count() as u64;
            format!("{} for {}", count(roots, "quota").replace("no quotas", "no quota"), mailbox(first?.text()?))
        }
        "ID" => identity(words)?,
        "MYRIGHTS" => format!("rights on {}: {}", mailbox(first?.text()?), list(&texts(words.get(1..)?))),
        "ACL" => {
            let pairs = texts(words.get(1..)?);
            let each: Vec<String> = pairs.chunks(2).map(|pair| pair.join(" has ")).collect();
            let each = if each.is_empty() { "nobody has any".to_owned() } else { list(&each) };
            format!("rights on {}: {each}", mailbox(first?.text()?))
        }
        "THREAD" => {
            let conversations = words.iter().filter(|word| matches!(word, Token::List(_))).count() as u64;
            format!("the matching messages in {}; brackets show who answers whom", count(conversations, "conversation"))
        }
        _ if rest.is_empty() => return None,
        _ => return None,
    })
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
        .chain(Some(strangers(Protocol::Imap, Category::MailboxAttribute, attributes.iter().map(String::as_str))))
        .filter(|told| !told.is_empty())
        .collect();
    let start = match (word, words.get(1)?.text(), words.get(2)?.text()) {
        // RFC 3501 §6.3.9: where only names below it are subscribed, it is given with \Noselect.
        ("LSUB", ..) if attributes.iter().any(|attribute| attribute.eq_ignore_ascii_case("\\Noselect")) => {
            return Some(format!("mailboxes below {name} are subscribed"));
        }
        ("LSUB", ..) => format!("{name} is subscribed"),
        // The answer to a question for the separator alone.
        (_, Some(separator), Some("")) => return Some(format!("levels are separated by {}", clip(separator))),
        _ => format!("there is {name}"),
    };
    Some(if told.is_empty() { start } else { format!("{start}: {}", told.join("; ")) })
}

fn status_fact(item: &Token, value: &Token) -> Option<String> {
    let value = value.text().or_else(|| value.items().first()?.text()).map(clip)?;
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

fn matching(number: u64) -> String {
    format!("{} {}", count(number, "message"), if number == 1 { "matches" } else { "match" })
}

fn esearch(words: &[Token]) -> Option<String> {
    let mut facts = Vec::new();
    let noun = if words.iter().any(|word| word.is_atom("UID")) { "UID" } else { "number" };
    for pair in words.windows(2) {
        let (Some(name), Some(value)) = (pair[0].text(), pair[1].text()) else { continue };
        match name.to_ascii_uppercase().as_str() {
            "COUNT" => facts.push(matching(value.parse().ok()?)),
            "MIN" => facts.push(format!("the lowest {noun} is {}", clip(value))),
            "MAX" => facts.push(format!("the highest {noun} is {}", clip(value))),
            "ALL" => facts.push(numbers(noun, value)),
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
        says(
            Some(3),
            "FETCH",
            "(RFC822.SIZE 2048 BODY[] {2048}",
            "message 3 has 2 kB and comes with the whole text (2 kB)",
        );
        says(None, "LIST", "(\\HasNoChildren \\Sent) \"/\" Sent", "there is “Sent”: for copies of sent messages");
        says(None, "STATUS", "INBOX (MESSAGES 3 UNSEEN 1)", "INBOX: 3 messages and 1 not read");
        let named = "INBOX: a name for the mailbox that never changes is F1";
        says(None, "STATUS", "INBOX (MAILBOXID (F1))", named);
        says(None, "ACL", "INBOX joe lrs anyone l", "rights on INBOX: joe has lrs and anyone has l");
        says(None, "ACL", "INBOX", "rights on INBOX: nobody has any");
        says(None, "LIST", "(\\Noselect) \"/\" \"\"", "levels are separated by /");
        says(None, "LSUB", "(\\Noselect) \".\" INBOX", "mailboxes below INBOX are subscribed");
        says(None, "LSUB", "() \".\" INBOX", "INBOX is subscribed");
        says(Some(1), "FETCH", "(PREVIEW NIL)", "message 1 has no first words to show");
        says(Some(1), "FETCH", "(PREVIEW {7}", "message 1 comes with its first words (7 bytes)");
        says(Some(1), "FETCH", "(PREVIEW \"hello\")", "message 1 begins with “hello”");
        says(None, "OK", "[APPENDUID 3 6:7] done", "the stored messages got UIDs 6 to 7");
        says(None, "OK", "[APPENDUID 3 6] done", "the stored message got the UID 6");
        says(None, "SEARCH", "", "no message matches");
        says(None, "SEARCH", "2 5", "2 messages match");
        says(Some(0), "RECENT", "", "no message is new");
        says(None, "ESEARCH", "(TAG \"a\") UID COUNT 5 ALL 4:8", "5 messages match and UIDs 4 to 8");
        says(None, "ESEARCH", "(TAG \"a\") UID COUNT 1 ALL 5", "1 message matches and UID 5");
        says(None, "ESEARCH", "(TAG \"a\") ALL 1", "number 1");
        says(None, "VANISHED", "5", "the message with UID 5 is gone");
        says(
            None,
            "OK",
            "[MAILBOXID (6)] ok",
            "a name for the mailbox that never changes, not even when it is renamed (6)",
        );
        says(
            None,
            "OK",
            "[\u{1}] ok",
            "what stands here, without a letter, is an unknown response code, perhaps a private extension",
        );
        says(
            Some(1),
            "FETCH",
            "(EMAILID (M6d) THREADID NIL FLAGS ($Foo) BODY[HEADER.FIELDS (FROM TO)] {20}",
            "message 1 has the lasting name M6d, belongs to no conversation, is marked as $Foo and comes with the headers \
             From and To (20 bytes); unknown: $Foo",
        );
        says(None, "LIST", "(\\Fooo) \"/\" a", "there is “a”: unknown: \\Fooo");
        says(None, "QUOTA", "\"\" (STORAGE 10 512)", "10 kB of 512 kB used");
        says(None, "VANISHED", "(EARLIER) 4:6,9", "the messages with UIDs 4 to 6 and 9 went before this session");
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
            completes: Some(Asked { verb: "LOGIN", rest: "" }),
            tagged: true,
            number: None,
        });
        assert!(told.text.starts_with("LOGIN was refused; the login failed"), "{}", told.text);
        assert_eq!(told.source, "RFC 5530 §3");
        let done = |verb, set, rest| {
            answer(Answer { word: "OK", rest, completes: Some(Asked { verb, rest: set }), ..Answer::default() })
        };
        assert_eq!(done("SELECT", "", "[READ-WRITE] ok").text, "the mailbox is open for reading and changing");
        assert_eq!(done("UID COPY", "7 Sent", "ok").text, "the message is copied");
        assert_eq!(done("UID COPY", "7:9 Sent", "ok").text, "the messages are copied");
        assert_eq!(done("STARTTLS", "", "go").source, "RFC 9051 §6.2.1");
        assert_eq!(done("COMPRESS", "DEFLATE", "go").source, "RFC 4978 §3");
    }

    #[test]
    fn a_greeting_is_no_remark() {
        let text = |word, rest| greeting(Answer { word, rest, ..Answer::default() }).text;
        assert_eq!(text("OK", "Gimap ready"), "the server greets and is ready");
        assert_eq!(
            text("OK", "[CAPABILITY IMAP4rev1] ready"),
            "the server greets and is ready; the server offers 1 capability"
        );
        assert!(text("BYE", "too many").starts_with("the server does not talk to this client"));
        assert!(text("PREAUTH", "hi").starts_with("the server greets and takes the client as logged in"));
    }

    #[test]
    fn a_go_ahead_is_read_by_its_command() {
        let text = |completes| answer(Answer { word: "+", completes, ..Answer::default() }).text;
        assert_eq!(
            text(Some(Asked { verb: "IDLE", rest: "" })),
            "the server waits with the client and reports changes"
        );
        assert_eq!(
            text(Some(Asked { verb: "APPEND", rest: "" })),
            "go on: the server waits for the rest of the command"
        );
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
            "IMAP4rev1 LOGINDISABLED",
            "the server offers 2 capabilities; the command LOGIN is not allowed here (LOGINDISABLED)",
        );
        says(
            None,
            "CAPABILITY",
            "IMAP4rev1 AUTH=PLIAN XFOO CONDSTROE",
            "the server offers 4 capabilities; logins by PLIAN; unknown: PLIAN (perhaps PLAIN), XFOO and CONDSTROE (perhaps \
             CONDSTORE)",
        );
    }
}
