//! What an IMAP client asks, said with its own arguments.
//! Takes a command's verb and the rest of its line; gives a sentence and its source.
//! Does not repeat what may be secret: of LOGIN the name only, of AUTHENTICATE the mechanism only.

use super::imap_fetch::{fetch_items, search_keys, strange_options};
use super::imap_tokens::{Token, tokens};
use super::plain::{clip, count, list, mailbox, set, size};
use super::{Category, Explained, Protocol, clauses, find, mechanism_sentence, row, strangers};

pub(in crate::view::words) use super::imap_answer::{Answer, answer, greeting};

/// One command. `verb` is in upper case, with its UID; `mailbox_name` is the decoded name, where it is known.
pub(in crate::view::words) fn command(verb: &str, rest: &str, mailbox_name: Option<&str>) -> Explained {
    let entry = row(Protocol::Imap, Category::Command, verb);
    let words = tokens(rest);
    match said(verb, &words, mailbox_name) {
        Some(text) => Explained::new(text, entry.source),
        None => entry,
    }
}

fn said(verb: &str, words: &[Token], mailbox_name: Option<&str>) -> Option<String> {
    let (plain, uid) = verb.strip_prefix("UID ").map_or((verb, false), |plain| (plain, true));
    let first = words.first();
    let named = || name_of(first, mailbox_name);
    Some(match plain {
        "LOGIN" => match first.and_then(Token::text) {
            Some(user) => format!("logs in as {} with a password", clip(user)),
            None => "logs in; name and password come in the next lines".to_owned(),
        },
        "AUTHENTICATE" => {
            let mechanism = first?.text()?;
            let begins = if words.len() > 1 { ", its first message included" } else { "" };
            format!("logs in by {}{begins}: {}", clip(mechanism), mechanism_sentence(mechanism).text)
        }
        "ENABLE" => {
            let names = texts(words);
            let strange = strangers(Protocol::Imap, Category::Capability, names.iter().map(String::as_str));
            clauses([format!("switches on {}", list(&names)), strange])
        }
        "SELECT" => clauses([format!("opens {} to read and change it", named()?), select_options(words)]),
        "EXAMINE" => clauses([format!("opens {} for reading only", named()?), select_options(words)]),
        "CREATE" => match use_of(words) {
            Some(role) => format!("makes the mailbox {} with the role {role}", named()?),
            None => format!("makes the mailbox {}", named()?),
        },
        "DELETE" => format!("removes the mailbox {} and all messages in it", named()?),
        "RENAME" => format!("renames the mailbox {} to {}", named()?, name_of(words.get(1), None)?),
        "SUBSCRIBE" => format!("puts {} on the list of mailboxes to show", named()?),
        "UNSUBSCRIBE" => format!("takes {} off the list of mailboxes to show", named()?),
        "LIST" | "LSUB" | "XLIST" => listing(plain, words)?,
        "STATUS" => {
            let items = words.get(1)?.items();
            let facts: Vec<String> = items.iter().filter_map(status_item).collect();
            let strange = strangers(Protocol::Imap, Category::StatusItem, items.iter().filter_map(Token::text));
            clauses([format!("asks about {} without opening it: {}", named()?, list(&facts)), strange])
        }
        "APPEND" => append(words, named()?),
        "REPLACE" => {
            let target = name_of(words.get(1), mailbox_name)?;
            format!("stores a new message in {target} and removes {}", set(first?.text()?, uid))
        }
        "FETCH" => fetch_items(first?.text()?, words.get(1..)?, uid),
        "STORE" => store(first?.text()?, words.get(1..)?, uid)?,
        "COPY" => format!("copies {} to {}", set(first?.text()?, uid), name_of(words.get(1), mailbox_name)?),
        "MOVE" | "XMOVE" => format!("moves {} to {}", set(first?.text()?, uid), name_of(words.get(1), mailbox_name)?),
        "EXPUNGE" if uid => {
            format!("removes for good those of {} that are marked \\Deleted", set(first?.text()?, true))
        }
        "SEARCH" => search_keys(words, uid),
        "COMPRESS" => format!("asks to compress everything from the server's OK on, by {}", first?.text()?),
        "GETQUOTAROOT" => format!("asks which quotas, limits on storage, apply to {} and how full they are", named()?),
        "MYRIGHTS" => format!("asks what the person may do with {}", named()?),
        "GETACL" => format!("asks who may do what with {}", named()?),
        "ID" => id(words),
        _ => return None,
    })
}

fn name_of(token: Option<&Token>, decoded: Option<&str>) -> Option<String> {
    if let Some(name) = decoded {
        return Some(mailbox(name));
    }
    match token? {
        Token::Literal(_) => Some("the mailbox whose name follows".to_owned()),
        token => token.text().map(mailbox),
    }
}

fn texts(words: &[Token]) -> Vec<String> {
    words.iter().filter_map(Token::text).map(clip).collect()
}

fn select_options(words: &[Token]) -> String {
    let options = words.get(1).map(Token::items).unwrap_or_default();
    let wants = if options.iter().any(|option| option.is_atom("QRESYNC")) {
        "asks at once for what changed and went since last time"
    } else if options.iter().any(|option| option.is_atom("CONDSTORE")) {
        "wants the number of each change"
    } else {
        ""
    };
    clauses([wants.to_owned(), strange_options(options)])
}

fn use_of(words: &[Token]) -> Option<String> {
    let options = words.get(1)?.items();
    let at = options.iter().position(|option| option.is_atom("USE"))?;
    Some(list(&texts(options.get(at + 1)?.items())))
}

/// `LIST (SUBSCRIBED) "" (INBOX "%") RETURN (STATUS (MESSAGES))`.
fn listing(verb: &str, words: &[Token]) -> Option<String> {
    let (selection, words) = match words.split_first()? {
        (Token::List(options), rest) => (texts(options), rest),
        _ => (Vec::new(), words),
    };
    let (reference, pattern) = (words.first()?.text()?, words.get(1)?);
    let patterns = match pattern {
        Token::List(patterns) => texts(patterns),
        pattern => vec![pattern.text()?.to_owned()],
    };
    if verb == "LIST" && selection.is_empty() && patterns == [""] {
        return Some("asks only which character separates the levels of mailbox names".to_owned());
    }
    let below = if reference.is_empty() { String::new() } else { format!(" below {}", mailbox(reference)) };
    let what = match patterns.as_slice() {
        [one] if one == "*" => format!("all mailboxes{below}"),
        [one] if one == "%" => format!("the mailboxes of the first level{below}"),
        [one] if !one.contains(['*', '%']) => format!("the mailbox {}{below}, if it exists", mailbox(one)),
        several => format!("the mailboxes that match {}{below}", list(several)),
    };
    let subscribed = verb == "LSUB" || selection.iter().any(|option| option.eq_ignore_ascii_case("SUBSCRIBED"));
    let which = match (subscribed, selection.iter().any(|option| option.eq_ignore_ascii_case("SPECIAL-USE"))) {
        (true, _) => ", subscribed ones only",
        (false, true) => ", only those with a role such as \\Sent",
        (false, false) => "",
    };
    let returned = words.iter().position(|word| word.is_atom("RETURN")).and_then(|at| words.get(at + 1));
    let wanted = returned.map(Token::items).unwrap_or_default();
    let extra: Vec<&str> = wanted.iter().filter_map(returns).collect();
    let with = if extra.is_empty() { String::new() } else { format!(", with {}", list(&extra)) };
    let options = selection.iter().map(String::as_str).chain(wanted.iter().filter_map(Token::text));
    let strange = strangers(Protocol::Imap, Category::ListOption, options);
    let numbers = wanted.iter().position(|word| word.is_atom("STATUS")).and_then(|at| wanted.get(at + 1));
    let numbers = numbers.map(Token::items).unwrap_or_default().iter().filter_map(Token::text);
    let numbers = strangers(Protocol::Imap, Category::StatusItem, numbers);
    Some(clauses([format!("asks for {what}{which}{with}"), strange, numbers]))
}

fn returns(option: &Token) -> Option<&'static str> {
    Some(match option.text()?.to_ascii_uppercase().as_str() {
        "SUBSCRIBED" => "whether each is subscribed",
        "CHILDREN" => "whether there are others below",
        "SPECIAL-USE" => "the role of each",
        "STATUS" => "numbers about each",
        "MYRIGHTS" => "the rights on each",
        "METADATA" => "the notes on each",
        _ => return None,
    })
}

pub(super) fn status_item(item: &Token) -> Option<String> {
    let word = item.text()?;
    Some(find(Protocol::Imap, Category::StatusItem, word).map_or_else(|| clip(word), |entry| entry.sentence.to_owned()))
}

fn append(words: &[Token], into: String) -> String {
    // Behind CATENATE (RFC 4469) stand the parts that the message is put together from.
    let parts = words.iter().position(|word| word.is_atom("CATENATE"));
    let flags = words.get(1..parts.unwrap_or(words.len())).unwrap_or_default();
    let flags = flags.iter().map(Token::items).find(|items| !items.is_empty()).map(texts).unwrap_or_default();
    let put_together = if parts.is_some() { ", put together from parts" } else { "" };
    let marked = if flags.is_empty() { String::new() } else { format!(", marked {}", list(&flags)) };
    let bytes = words.iter().find_map(|word| if let Token::Literal(bytes) = word { Some(*bytes) } else { None });
    let of = bytes.filter(|_| parts.is_none()).map(|bytes| format!(" of {}", size(bytes))).unwrap_or_default();
    clauses([format!("stores a message{of} in {into}{marked}{put_together}"), flag_strangers(&flags)])
}

fn store(which: &str, words: &[Token], uid: bool) -> Option<String> {
    // RFC 5257 §4.4: notes are changed by the same command.
    if words.iter().any(|word| word.is_atom("ANNOTATION")) {
        return Some(format!("changes notes kept with {}", set(which, uid)));
    }
    let modifiers = words.first().map(Token::items).unwrap_or_default();
    let unchanged = modifiers.windows(2).find(|pair| pair[0].is_atom("UNCHANGEDSINCE"));
    let unchanged = unchanged.and_then(|pair| pair[1].number());
    let condition = unchanged.map(|change| format!(", unless changed after change {change}")).unwrap_or_default();
    let action_at = words.iter().position(|word| {
        word.text().is_some_and(|text| {
            text.to_ascii_uppercase().contains("FLAGS") || text.to_ascii_uppercase().contains("LABELS")
        })
    })?;
    let action = words.get(action_at)?.text()?.to_ascii_uppercase();
    let flags = match words.get(action_at + 1)? {
        Token::List(flags) => texts(flags),
        _ => texts(words.get(action_at + 1..)?),
    };
    let set = set(which, uid);
    let thing = if action.contains("LABELS") { "label" } else { "flag" };
    let silent =
        if action.ends_with(".SILENT") { format!(", without asking for the new {thing}s") } else { String::new() };
    let silent = format!("{silent}{condition}");
    if thing == "label" && !flags.is_empty() {
        let labels: Vec<String> = flags.iter().map(|label| format!("“{label}”")).collect();
        let (noun, labels) = (if labels.len() == 1 { "label" } else { "labels" }, list(&labels));
        return Some(match action.chars().next() {
            Some('+') => format!("gives the {noun} {labels} to {set}{silent}"),
            Some('-') => format!("takes the {noun} {labels} off {set}{silent}"),
            _ => format!("sets the labels of {set} to {labels}{silent}"),
        });
    }
    let flag_words = flag_meaning(&flags);
    let said = match action.chars().next() {
        Some('+') => format!("marks {set} as {flag_words}{silent}"),
        Some('-') => format!("takes the mark {flag_words} off {set}{silent}"),
        _ if flags.is_empty() => format!("takes all {thing}s off {set}{silent}"),
        _ => format!("sets the {thing}s of {set} to {}{silent}", list(&flags)),
    };
    Some(clauses([said, flag_strangers(&flags)]))
}

/// Flags that no table knows, where they look like those that have a meaning for everybody: a client's own keywords
/// begin with neither sign.
pub(super) fn flag_strangers(flags: &[String]) -> String {
    let marked = flags.iter().map(String::as_str).filter(|flag| flag.starts_with(['\\', '$']));
    strangers(Protocol::Imap, Category::Flag, marked)
}

/// `read (\Seen)` for the flags that have a word of their own.
pub(super) fn flag_meaning(flags: &[String]) -> String {
    let said: Vec<String> = flags.iter().map(|flag| flag_word(flag)).collect();
    list(&said)
}

fn flag_word(flag: &str) -> String {
    let word = match flag.to_ascii_lowercase().as_str() {
        "\\seen" => "read",
        "\\answered" => "answered",
        "\\flagged" => "important",
        "\\deleted" => "to be removed",
        "\\draft" => "a draft",
        "\\recent" => "new",
        "$forwarded" => "forwarded",
        "$junk" => "junk",
        "$notjunk" => "not junk",
        _ => return flag.to_owned(),
    };
    format!("{word} ({flag})")
}

fn id(words: &[Token]) -> String {
    let pairs = words.first().map(Token::items).unwrap_or_default();
    let value = |name: &str| {
        let at = pairs
            .iter()
            .step_by(2)
            .position(|field| field.is_atom(name) || field.text().is_some_and(|t| t.eq_ignore_ascii_case(name)))?;
        pairs.get(at * 2 + 1)?.text().filter(|text| !text.eq_ignore_ascii_case("NIL")).map(clip)
    };
    match (value("name"), value("version")) {
        (Some(name), Some(version)) => {
            format!("says that it is {name}, version {version}, and asks for the other's name")
        }
        (Some(name), None) => format!("says that it is {name} and asks for the other's name"),
        _ if pairs.is_empty() => "asks for the server's name without giving its own".to_owned(),
        _ => format!("tells {} about itself and asks for the other's", count(pairs.len() as u64 / 2, "fact")),
    }
}
