//! What FETCH and SEARCH ask for, and what FETCH gives, in words.
//! Takes tokens, gives sentences.
//! Does not know the rest of IMAP.

use super::imap::{flag_meaning, flag_strangers};
use super::imap_tokens::Token;
use super::plain::{clip, count, list, set, size};
use super::{Category, Explained, Protocol, clauses, doubtful, find, strangers, unknown_ones};

/// `asks for flags and sizes of messages 1 to 25`.
pub(super) fn fetch_items(which: &str, words: &[Token], uid: bool) -> String {
    let items = match words.first() {
        Some(Token::List(items)) => items.as_slice(),
        _ => words.get(..1).unwrap_or_default(),
    };
    let several = which.contains([':', ',', '*', '$']);
    let names: Vec<String> = items.iter().filter_map(Token::text).map(|item| item_name(item, several)).collect();
    let marks = items.iter().filter_map(Token::text).any(marks_as_read);
    let modifiers = words.get(1).map(Token::items).unwrap_or_default();
    let since = modifiers.iter().position(|word| word.is_atom("CHANGEDSINCE")).and_then(|at| modifiers.get(at + 1));
    let changed = since.and_then(Token::text).map(|number| format!(", if changed after change {}", clip(number)));
    let gone = modifiers.iter().any(|word| word.is_atom("VANISHED"));
    clauses([
        format!("asks for {} of {}{}", list(&names), set(which, uid), changed.unwrap_or_default()),
        if gone { "and which of them are gone".to_owned() } else { String::new() },
        match (marks, several) {
            (true, true) => "this marks them as read".to_owned(),
            (true, false) => "this marks it as read".to_owned(),
            (false, _) => String::new(),
        },
        strange_items(items),
        strange_options(modifiers),
    ])
}

/// Options in brackets that no table knows; their values are numbers, ranges or lists.
pub(super) fn strange_options(options: &[Token]) -> String {
    let names = options.iter().filter_map(Token::text).filter(|name| name.starts_with(|c: char| c.is_alphabetic()));
    strangers(Protocol::Imap, Category::ListOption, names)
}

/// Items that no table knows; those with a section are judged by the name before it.
fn strange_items(items: &[Token]) -> String {
    let names = items.iter().filter_map(Token::text).map(|item| match item.split_once('[') {
        Some((name, _)) => format!("{name}[]"),
        None => item.to_owned(),
    });
    let named: Vec<String> = names.filter_map(|name| doubtful(Protocol::Imap, Category::FetchItem, &name)).collect();
    unknown_ones(&named)
}

/// `message 12 is marked as read`, or which parts of it follow.
pub(super) fn fetched(number: u64, items: &[Token]) -> Option<String> {
    let pairs = || items.chunks_exact(2).filter_map(|pair| Some((pair[0].text()?.to_ascii_uppercase(), &pair[1])));
    let uid = pairs().find(|(name, _)| name == "UID").and_then(|(_, uid)| uid.number());
    let which = match uid {
        Some(uid) => format!("message {number}, UID {uid}"),
        None => format!("message {number}"),
    };
    let flags = pairs().find(|(name, _)| name == "FLAGS").map(|(_, flags)| texts(flags.items())).unwrap_or_default();
    let facts: Vec<String> =
        pairs().filter(|(name, _)| name != "UID").map(|(name, value)| fact(&name, value)).collect();
    if facts.is_empty() && uid.is_none() {
        return None;
    }
    let said = if facts.is_empty() { which } else { format!("{which} {}", list(&facts)) };
    let names = items.iter().step_by(2).cloned().collect::<Vec<_>>();
    Some(clauses([said, flag_strangers(&flags), strange_items(&names)]))
}

/// One item and its value, as a fact about the message.
fn fact(name: &str, value: &Token) -> String {
    let text = || value.text().or_else(|| value.items().first()?.text()).map(clip).unwrap_or_default();
    match name {
        "FLAGS" if value.items().is_empty() => "has no flags".to_owned(),
        "FLAGS" => format!("is marked as {}", flag_meaning(&texts(value.items()))),
        "RFC822.SIZE" => format!("has {}", value.number().map_or_else(text, size)),
        "INTERNALDATE" => format!("arrived {}", text()),
        "SAVEDATE" => format!("was put here {}", text()),
        "MODSEQ" => format!("last changed with change {}", text()),
        "EMAILID" => format!("has the lasting name {}", text()),
        "THREADID" if text().eq_ignore_ascii_case("NIL") => "belongs to no conversation".to_owned(),
        "THREADID" => format!("belongs to the conversation {}", text()),
        "X-GM-MSGID" => format!("has Gmail's number {}", text()),
        "X-GM-THRID" => format!("belongs to Gmail's conversation {}", text()),
        "PREVIEW" | "SNIPPET" => match value {
            Token::Literal(bytes) => format!("comes with its first words ({})", size(*bytes)),
            // RFC 8970 §3.1.
            Token::Atom(nil) if nil.eq_ignore_ascii_case("NIL") => "has no first words to show".to_owned(),
            _ if text().is_empty() => "has no text to show the first words of".to_owned(),
            _ => format!("begins with “{}”", text()),
        },
        "ENVELOPE" => match value.items().get(1).and_then(Token::text).filter(|subject| *subject != "NIL") {
            Some(subject) => format!("has the subject “{}”", clip(subject)),
            None => "comes with its main headers".to_owned(),
        },
        "BODYSTRUCTURE" | "BODY" => "comes with its structure".to_owned(),
        "X-GM-LABELS" => {
            let labels: Vec<String> = texts(value.items()).iter().map(|label| format!("“{label}”")).collect();
            match labels.as_slice() {
                [] => "has no labels".to_owned(),
                [one] => format!("has the label {one}"),
                several => format!("has the labels {}", list(several)),
            }
        }
        _ => {
            let bytes = match value {
                Token::Literal(bytes) => format!(" ({})", size(*bytes)),
                Token::Quoted(text) => format!(" ({})", size(text.len() as u64)),
                _ => String::new(),
            };
            format!("comes with {}{bytes}", item_name(name, false))
        }
    }
}

fn texts(words: &[Token]) -> Vec<String> {
    words.iter().filter_map(Token::text).map(clip).collect()
}

/// Whether asking for this item sets \Seen (RFC 9051 §6.4.5).
fn marks_as_read(item: &str) -> bool {
    let item = item.to_ascii_uppercase();
    item == "RFC822" || item == "RFC822.TEXT" || item.starts_with("BODY[") || item.starts_with("BINARY[")
}

fn item_name(item: &str, several: bool) -> String {
    let upper = item.to_ascii_uppercase();
    let (one, many) = match upper.as_str() {
        "FLAGS" => ("flags", "flags"),
        "UID" => ("UID", "UIDs"),
        "RFC822.SIZE" => ("size", "sizes"),
        "INTERNALDATE" => ("date of arrival", "dates of arrival"),
        "ENVELOPE" => ("the main headers", "the main headers"),
        "BODY" | "BODYSTRUCTURE" => ("structure", "structure"),
        "RFC822" => ("the whole text", "the whole text"),
        "RFC822.HEADER" => ("all headers", "all headers"),
        "RFC822.TEXT" => ("the text without headers", "the text without headers"),
        "MODSEQ" => ("number of the last change", "numbers of the last change"),
        "X-GM-MSGID" => ("Gmail's number of the message", "Gmail's numbers of the messages"),
        "X-GM-THRID" => ("Gmail's number of the conversation", "Gmail's numbers of the conversations"),
        "X-GM-LABELS" => ("Gmail's labels", "Gmail's labels"),
        "PREVIEW" => ("the first words", "the first words"),
        "EMAILID" => ("lasting name", "lasting names"),
        "THREADID" => ("name of the conversation", "names of the conversations"),
        "SAVEDATE" => ("date of being put here", "dates of being put here"),
        _ => return section(item, &upper),
    };
    if several { many.to_owned() } else { one.to_owned() }
}

/// `BODY.PEEK[1.2.HEADER.FIELDS (From To)]<0.2048>` in words.
fn section(item: &str, upper: &str) -> String {
    let Some((name, behind)) = upper.split_once('[') else {
        return find(Protocol::Imap, Category::FetchItem, item)
            .map_or_else(|| clip(item), |entry| entry.sentence.to_owned());
    };
    let (inside, partial) = behind.rsplit_once(']').unwrap_or((behind, ""));
    let (part, what) = match inside.find(|c: char| c.is_ascii_alphabetic()) {
        Some(at) => (inside[..at].trim_end_matches('.'), &inside[at..]),
        None => (inside, ""),
    };
    let of_part = if part.is_empty() { String::new() } else { format!(" of part {part}") };
    let fields = what.split_once('(').map(|(_, fields)| fields.trim_end_matches(')').to_owned());
    let named: Vec<String> =
        fields.unwrap_or_default().split(' ').filter(|field| !field.is_empty()).map(title_case).collect();
    let text = match what.split(' ').next().unwrap_or_default() {
        "" if name.starts_with("BINARY.SIZE") => format!("the size once decoded{of_part}"),
        "" if part.is_empty() => "the whole text".to_owned(),
        "" if name.starts_with("BINARY") => format!("part {part}, decoded"),
        "" => format!("part {part}"),
        "HEADER" => format!("all headers{of_part}"),
        "HEADER.FIELDS" if named.len() == 1 => format!("the header {}{of_part}", list(&named)),
        "HEADER.FIELDS" => format!("the headers {}{of_part}", list(&named)),
        "HEADER.FIELDS.NOT" => format!("all headers but {}{of_part}", list(&named)),
        "TEXT" => format!("the text without headers{of_part}"),
        "MIME" => format!("the headers{of_part}"),
        _ => clip(item),
    };
    let stretch = partial.trim_start_matches('<').trim_end_matches('>');
    match stretch.split_once('.').map(|(from, length)| (from.parse::<u64>(), length.parse::<u64>())) {
        Some((Ok(0), Ok(length))) => format!("the first {} of {text}", size(length)),
        Some((Ok(from), Ok(length))) => format!("{} from byte {from} on of {text}", size(length)),
        // An answer names only where the stretch begins.
        None if stretch.parse::<u64>().is_ok() => format!("a stretch from byte {stretch} on of {text}"),
        _ => text,
    }
}

/// An item by itself, as it stands in a request: `BODY.PEEK[1.2.MIME]<0.100>`.
pub(in crate::view::words) fn item(item: &str) -> Option<Explained> {
    let upper = item.to_ascii_uppercase();
    let (name, behind) = upper.split_once('[')?;
    let (inside, _) = behind.rsplit_once(']')?;
    let what = inside.split(' ').next().unwrap_or_default();
    let what = what.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let row = find(Protocol::Imap, Category::FetchItem, &format!("{name}[{what}]"))?;
    let marks = match (marks_as_read(&upper), name.ends_with(".PEEK")) {
        (true, _) => "; the message is marked as read by this",
        (false, true) => ", without marking the message as read",
        (false, false) => "",
    };
    Some(Explained::new(format!("{}{marks}", section(item, &upper)), row.source))
}

fn title_case(field: &str) -> String {
    let field = field.trim_matches('"').to_ascii_lowercase();
    let words: Vec<String> = field
        .split('-')
        .map(|word| {
            word.chars().next().map_or_else(String::new, |c| c.to_ascii_uppercase().to_string() + &word[c.len_utf8()..])
        })
        .collect();
    clip(&words.join("-"))
}

/// `asks for messages that are unread and from "joe"`.
pub(super) fn search_keys(words: &[Token], uid: bool) -> String {
    let mut words = words;
    let mut wants = Vec::new();
    let mut strange_wants = String::new();
    if let [first, Token::List(options), rest @ ..] = words
        && first.is_atom("RETURN")
    {
        wants = options.iter().filter_map(Token::text).map(str::to_ascii_uppercase).collect();
        strange_wants = strange_options(options);
        words = rest;
    }
    if let [first, _, rest @ ..] = words
        && first.is_atom("CHARSET")
    {
        words = rest;
    }
    let mut strange = Vec::new();
    let keys = list(&keys(words, &mut strange));
    let asked = match (wants.first().map(String::as_str), uid) {
        (Some("COUNT"), _) if wants.len() == 1 => "asks how many there are",
        (Some("MAX"), _) if wants.len() == 1 => "asks for the last",
        (Some("MIN"), _) if wants.len() == 1 => "asks for the first",
        (_, true) => "asks for the UIDs",
        (_, false) => "asks for the numbers",
    };
    let kept = if wants.iter().any(|want| want == "SAVE") { ", to be kept as $ for the next command" } else { "" };
    clauses([format!("{asked} of these messages: {keys}{kept}"), unknown_ones(&strange), strange_wants])
}

/// `strange` takes the keys that no table knows.
fn keys(words: &[Token], strange: &mut Vec<String>) -> Vec<String> {
    let mut said = Vec::new();
    let mut rest = words;
    while let Some((key, used)) = key(rest, 0, strange) {
        said.push(key);
        rest = &rest[used..];
    }
    said
}

/// How deep NOT and OR may stand in each other.
const NESTED_MAX: usize = 8;

/// One search key, and how many tokens it took.
fn key(words: &[Token], depth: usize, strange: &mut Vec<String>) -> Option<(String, usize)> {
    let first = words.first()?;
    if depth > NESTED_MAX {
        return Some(("and more".to_owned(), words.len()));
    }
    if let Token::List(inner) = first {
        return Some((format!("({})", list(&keys(inner, strange))), 1));
    }
    let Some(word) = first.text() else { return Some(("a text that follows".to_owned(), 1)) };
    let upper = word.to_ascii_uppercase();
    let value = |at: usize| match words.get(at) {
        Some(Token::Literal(_)) => "a text that follows".to_owned(),
        Some(token) => clip(token.text().unwrap_or_default()),
        None => String::new(),
    };
    let day = |text: &str| format!("{text} {}", value(1));
    let quoted = |text: &str| format!("{text} “{}”", value(1));
    Some(match upper.as_str() {
        "ALL" => ("all".to_owned(), 1),
        "SEEN" => ("read".to_owned(), 1),
        "UNSEEN" => ("not read".to_owned(), 1),
        "DELETED" => ("marked for removal".to_owned(), 1),
        "UNDELETED" => ("not marked for removal".to_owned(), 1),
        "ANSWERED" => ("answered".to_owned(), 1),
        "UNANSWERED" => ("not answered".to_owned(), 1),
        "FLAGGED" => ("important".to_owned(), 1),
        "UNFLAGGED" => ("not important".to_owned(), 1),
        "DRAFT" => ("drafts".to_owned(), 1),
        "UNDRAFT" => ("no drafts".to_owned(), 1),
        "NEW" => ("new and not read".to_owned(), 1),
        "OLD" => ("not new".to_owned(), 1),
        "RECENT" => ("new".to_owned(), 1),
        "SINCE" => (day("arrived since"), 2),
        "BEFORE" => (day("arrived before"), 2),
        "ON" => (day("arrived on"), 2),
        "SENTSINCE" => (day("dated since"), 2),
        "SENTBEFORE" => (day("dated before"), 2),
        "SENTON" => (day("dated"), 2),
        "FROM" => (quoted("from"), 2),
        "TO" => (quoted("to"), 2),
        "CC" => (quoted("with a copy to"), 2),
        "BCC" => (quoted("with a hidden copy to"), 2),
        "SUBJECT" => (quoted("subject with"), 2),
        "BODY" => (quoted("text with"), 2),
        "TEXT" => (quoted("anywhere with"), 2),
        "X-GM-RAW" => (quoted("matching Gmail's search"), 2),
        "KEYWORD" => (format!("with the keyword {}", value(1)), 2),
        "UNKEYWORD" => (format!("without the keyword {}", value(1)), 2),
        "LARGER" => (format!("larger than {}", words.get(1).and_then(Token::number).map_or_else(|| value(1), size)), 2),
        "SMALLER" => {
            (format!("smaller than {}", words.get(1).and_then(Token::number).map_or_else(|| value(1), size)), 2)
        }
        "HEADER" => (format!("with “{}” in the header {}", value(2), value(1)), 3),
        "UID" => (set(&value(1), true), 2),
        "UIDAFTER" => (format!("with a UID above {}", value(1)), 2),
        "UIDBEFORE" => (format!("with a UID below {}", value(1)), 2),
        "MODSEQ" => (format!("changed since change {}", value(1)), 2),
        "YOUNGER" | "OLDER" => {
            let seconds =
                words.get(1).and_then(Token::number).map_or_else(|| value(1), |number| count(number, "second"));
            (format!("{} than {seconds}", upper.to_ascii_lowercase()), 2)
        }
        "EMAILID" | "THREADID" | "X-GM-MSGID" | "X-GM-THRID" | "X-GM-LABELS" | "FILTER" => {
            (format!("{upper} {}", value(1)), 2)
        }
        "SAVEDSINCE" => (day("put here since"), 2),
        "SAVEDBEFORE" => (day("put here before"), 2),
        "SAVEDON" => (day("put here on"), 2),
        "ANNOTATION" => ("with a matching note".to_owned(), 4),
        "NOT" => key(words.get(1..)?, depth + 1, strange).map(|(inner, used)| (format!("not: {inner}"), used + 1))?,
        "FUZZY" => {
            key(words.get(1..)?, depth + 1, strange).map(|(inner, used)| (format!("roughly {inner}"), used + 1))?
        }
        "OR" => {
            let (left, used) = key(words.get(1..)?, depth + 1, strange)?;
            let (right, more) = key(words.get(1 + used..)?, depth + 1, strange)?;
            (format!("{left} or {right}"), 1 + used + more)
        }
        _ if word.starts_with(|c: char| c.is_ascii_digit() || c == '*' || c == '$') => (set(word, false), 1),
        _ => {
            strange.extend(doubtful(Protocol::Imap, Category::SearchKey, word));
            (clip(word), 1)
        }
    })
    .map(|(text, used)| (text, used.min(words.len())))
}

#[cfg(test)]
mod tests {
    use super::super::imap::command;
    use super::item;

    #[track_caller]
    fn says(verb: &str, rest: &str, expected: &str) {
        assert_eq!(command(verb, rest, None).text, expected);
    }

    #[test]
    fn fetch_says_what_it_asks_for() {
        says("FETCH", "1:25 (FLAGS RFC822.SIZE)", "asks for flags and sizes of messages 1 to 25");
        says("UID FETCH", "7 BODY[]", "asks for the whole text of the message with UID 7; this marks it as read");
        says(
            "FETCH",
            "1:* (UID BODY.PEEK[HEADER.FIELDS (From MESSAGE-ID)])",
            "asks for UIDs and the headers From and Message-Id of all messages",
        );
        says(
            "UID FETCH",
            "40:41 (X-GM-LABELS FLAGS)",
            "asks for Gmail's labels and flags of messages with UID 40 to 41",
        );
        says(
            "FETCH",
            "3 (FOO FLGAS BODY.PEAK[1])",
            "asks for FOO, FLGAS and part 1 of message 3; unknown: FOO, FLGAS (perhaps FLAGS) and BODY.PEAK[] (perhaps \
             BODY.PEEK[])",
        );
        says(
            "UID FETCH",
            "1:9 (UID EMAILID THREADID)",
            "asks for UIDs, lasting names and names of the conversations of messages with UID 1 to 9",
        );
        says("UID STORE", "41 +X-GM-LABELS (Later)", "gives the label “Later” to the message with UID 41");
        says("FETCH", "3 BODY.PEEK[1.2.MIME]", "asks for the headers of part 1.2 of message 3");
        says("FETCH", "3 BODY.PEEK[]<0.2048>", "asks for the first 2 kB of the whole text of message 3");
        says(
            "UID FETCH",
            "1:* (FLAGS) (CHANGEDSINCE 77 VANISHED)",
            "asks for flags of all messages, if changed after change 77; and which of them are gone",
        );
    }

    #[test]
    fn items_are_told_by_themselves() {
        let said = |word: &str| item(word).map(|told| told.text);
        assert_eq!(
            said("BODY[1.2.MIME]<0.100>").as_deref(),
            Some("the first 100 bytes of the headers of part 1.2; the message is marked as read by this")
        );
        assert_eq!(
            said("body.peek[HEADER.FIELDS (FROM TO)]").as_deref(),
            Some("the headers From and To, without marking the message as read")
        );
        assert_eq!(said("BINARY.SIZE[3]").as_deref(), Some("the size once decoded of part 3"));
        for none in ["BODY[HEADR]", "BDOY[]", "BODY[", "FLAGS"] {
            assert_eq!(said(none), None, "{none}");
        }
    }

    #[test]
    fn search_says_what_it_looks_for() {
        says("SEARCH", "UNSEEN FROM \"joe\"", "asks for the numbers of these messages: not read and from “joe”");
        says("UID SEARCH", "RETURN (COUNT) ALL", "asks how many there are of these messages: all");
        says(
            "SEARCH",
            "OR (SEEN LARGER 1048576) NOT SINCE 1-Feb-2026",
            "asks for the numbers of these messages: (read and larger than 1 MB) or not: arrived since 1-Feb-2026",
        );
        says("UID SEARCH", "UIDAFTER 4 UNSEEN", "asks for the UIDs of these messages: with a UID above 4 and not read");
        says("SEARCH", "NOT", "asks for the numbers of these messages: ");
        says(
            "SEARCH",
            "UNSENE (SINCE 1-Feb-2026 FLAGED)",
            "asks for the numbers of these messages: UNSENE and (arrived since 1-Feb-2026 and FLAGED); unknown: UNSENE \
             (perhaps UNSEEN) and FLAGED (perhaps FLAGGED)",
        );
        let deep = "NOT ".repeat(500) + "SEEN";
        assert!(command("SEARCH", &deep, None).text.len() < 400);
    }

    #[test]
    fn other_commands_name_what_they_act_on() {
        says("SELECT", "INBOX (CONDSTORE)", "opens INBOX to read and change it; wants the number of each change");
        says("LOGIN", "joe \"sec ret\"", "logs in as joe with a password");
        says("LOGIN", "{3}", "logs in; name and password come in the next lines");
        says("LIST", "\"\" \"*\"", "asks for all mailboxes");
        says("LIST", "\"\" \"\"", "asks only which character separates the levels of mailbox names");
        says(
            "LIST",
            "(SUBSCRIBED) \"\" % RETURN (SPECIAL-USE)",
            "asks for the mailboxes of the first level, subscribed ones only, with the role of each",
        );
        says(
            "STATUS",
            "Sent (MESSAGES UNSEEN)",
            "asks about “Sent” without opening it: how many messages there are and how many were not read",
        );
        says("APPEND", "Sent (\\Seen) {2048}", "stores a message of 2 kB in “Sent”, marked \\Seen");
        says(
            "STORE",
            "12 +FLAGS.SILENT (\\Seen)",
            "marks message 12 as read (\\Seen), without asking for the new flags",
        );
        says(
            "STORE",
            "12 +FLAGS ($Junkk Work)",
            "marks message 12 as $Junkk and Work; unknown: $Junkk (perhaps $Junk)",
        );
        says(
            "ENABLE",
            "CONDSTROE QRESYNC",
            "switches on CONDSTROE and QRESYNC; unknown: CONDSTROE (perhaps CONDSTORE)",
        );
        says(
            "STATUS",
            "INBOX (MESSAGSE)",
            "asks about INBOX without opening it: MESSAGSE; unknown: MESSAGSE (perhaps MESSAGES)",
        );
        says(
            "LIST",
            "(SUBSCRIBD) \"\" * RETURN (CHILDREN BAR STATUS (UNSENE))",
            "asks for all mailboxes, with whether there are others below and numbers about each; unknown: SUBSCRIBD \
             (perhaps SUBSCRIBED) and BAR; unknown: UNSENE (perhaps UNSEEN)",
        );
        says("SELECT", "INBOX (CONDSTOR)", "opens INBOX to read and change it; unknown: CONDSTOR (perhaps CONDSTORE)");
        says(
            "FETCH",
            "1 FLAGS (CHANGEDSINC 12)",
            "asks for flags of message 1; unknown: CHANGEDSINC (perhaps CHANGEDSINCE)",
        );
        says("UID FETCH", "1:* FLAGS (PARTIAL -1:-30)", "asks for flags of all messages");
        says(
            "SEARCH",
            "RETURN (PARTIAL 1:9 CUONT) ALL",
            "asks for the numbers of these messages: all; unknown: CUONT (perhaps COUNT)",
        );
        says(
            "LIST",
            "\"\" * RETURN (METADATA (\"/shared/comment\"))",
            "asks for all mailboxes, with the notes on each",
        );
        says("SEARCH", "YOUNGER 1", "asks for the numbers of these messages: younger than 1 second");
        says("UID MOVE", "4:6 Trash", "moves messages with UID 4 to 6 to “Trash”");
        says("XMOVE", "1 Trash", "moves message 1 to “Trash”");
        says("STORE", "1 ANNOTATION (/comment (value.priv \"x\"))", "changes notes kept with message 1");
        says(
            "STORE",
            "1 (UNCHANGEDSINCE 7) +FLAGS (\\Seen)",
            "marks message 1 as read (\\Seen), unless changed after change 7",
        );
        says("APPEND", "INBOX (\\Seen) {5}", "stores a message of 5 bytes in INBOX, marked \\Seen");
        says(
            "APPEND",
            "INBOX (\\Seen) CATENATE (URL \"/a\" TEXT {28}",
            "stores a message in INBOX, marked \\Seen, put together from parts",
        );
        says(
            "ID",
            "(\"name\" \"mutt\" \"version\" \"2.2\")",
            "says that it is mutt, version 2.2, and asks for the other's name",
        );
        says("FECTH", "1 FLAGS", "FECTH is an unknown command; perhaps FETCH was meant");
    }
}
