//! Words without a session around them, as `mailtap explain WORD…` asks for them.
//! Takes what a person typed, case and decoration left out of account; gives every meaning in every protocol.
//! Does not know sessions: lines of one are read by the session reader.

use super::near::nearest;
use super::say::{self, is_enhanced};
use super::{Category, Entry, Explained, Protocol, entries};

/// One meaning of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub protocol: Protocol,
    pub category: Category,
    /// The word as its table spells it.
    pub word: String,
    pub explained: Explained,
}

impl Found {
    fn row(protocol: Protocol, entry: &Entry) -> Found {
        Found { protocol, category: entry.category, word: entry.word.to_owned(), explained: entry.into() }
    }
}

/// Every meaning of what was typed, in all protocols; empty if it is unknown.
#[must_use]
pub fn lookup(query: &str) -> Vec<Found> {
    let query = query.split_whitespace().collect::<Vec<_>>().join(" ");
    if query.is_empty() {
        return Vec::new();
    }
    for candidate in candidates(&query) {
        let mut found = exactly(&candidate);
        // A line that begins with a reply code is SMTP's, and behind 250 stand capabilities.
        if reply_line(&query) && found.iter().any(|one| one.protocol == Protocol::Smtp) {
            found.retain(|one| one.protocol == Protocol::Smtp);
            found.sort_by_key(|one| one.category != Category::Capability);
        }
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

/// The known word that an unknown one was likely meant to be.
#[must_use]
pub fn suggest(query: &str) -> Option<&'static str> {
    let query = bare(query.trim());
    nearest(query, Protocol::ALL.into_iter().flat_map(entries).map(|entry| entry.word))
}

/// What may have been meant, best first: as typed, without decoration, by the first words.
fn candidates(query: &str) -> Vec<String> {
    let mut all = vec![query.to_owned()];
    let undecorated = bare(query);
    all.push(undecorated.to_owned());
    let mut words: Vec<&str> = undecorated.split(' ').collect();
    // A reply line: its extension, its enhanced code, its number.
    if let Some((code, rest)) = undecorated.split_at_checked(3).filter(|(code, _)| is_number(code))
        && let Some(rest) = rest.strip_prefix([' ', '-'])
    {
        let first = rest.split([' ', '=']).next().unwrap_or(rest);
        all.extend([first.to_owned(), code.to_owned()]);
        return all;
    }
    // A tagged or numbered line: `* 3 EXISTS`, `a1 UID FETCH 1:* FLAGS`.
    if words.first().is_some_and(|word| is_number(word)) {
        words.remove(0);
    }
    for length in (1..=words.len().min(3)).rev() {
        all.push(words[..length].join(" "));
    }
    // An item with a section or a stretch: BODY.PEEK[1.2]<0.100>.
    if let Some((name, _)) = undecorated.split_once('[') {
        all.push(format!("{name}[]"));
    }
    all
}

/// `250-SIZE`, `250 SIZE 1000`.
fn reply_line(query: &str) -> bool {
    let (code, rest) = bare(query).split_at_checked(3).unwrap_or_default();
    is_number(code) && rest.starts_with([' ', '-'])
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// Without the star of untagged lines, brackets of response codes, colons of MAIL FROM:.
fn bare(query: &str) -> &str {
    let query = query.strip_prefix("* ").unwrap_or(query);
    let query = query.strip_prefix('[').map_or(query, |inner| inner.split_once(']').map_or(inner, |(code, _)| code));
    query.trim_matches(['"', '\'', '`', ':', ','])
}

fn exactly(word: &str) -> Vec<Found> {
    let mut found = Vec::new();
    if is_enhanced(word)
        && let Some(explained) = say::enhanced(word)
    {
        let word = word.to_ascii_uppercase();
        return vec![Found { protocol: Protocol::Smtp, category: Category::EnhancedCode, word, explained }];
    }
    for protocol in Protocol::ALL {
        let same = entries(protocol).filter(|entry| entry.word.eq_ignore_ascii_case(word));
        found.extend(same.map(|entry| Found::row(protocol, entry)));
    }
    if found.is_empty() {
        found.extend(family(word));
    }
    found
}

/// `AUTH=PLAIN`, `SCRAM-SHA-384`, `APPENDLIMIT=1000`, `MAIL FROM`, `LOGINDISABLED=…`.
fn family(word: &str) -> Option<Found> {
    let upper = word.to_ascii_uppercase();
    let of = |protocol, category, explained| Some(Found { protocol, category, word: upper.clone(), explained });
    if let Some(command) = ["MAIL FROM", "RCPT TO"].into_iter().find(|command| upper.starts_with(command)) {
        let entry = entries(Protocol::Smtp)
            .find(|entry| entry.category == Category::Command && command.starts_with(entry.word))?;
        return Some(Found::row(Protocol::Smtp, entry));
    }
    if upper.starts_with("AUTH=") {
        return of(Protocol::Imap, Category::Capability, say::capability(Protocol::Imap, word));
    }
    for (protocol, category) in [
        (Protocol::Imap, Category::Capability),
        (Protocol::Smtp, Category::Capability),
        (Protocol::Sasl, Category::Mechanism),
    ] {
        if let Some((entry, value)) = say::find_family(protocol, category, word) {
            let text =
                if value.is_empty() { entry.sentence.to_owned() } else { format!("{} ({value})", entry.sentence) };
            return of(protocol, category, Explained::new(text, entry.source));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn finds(query: &str, protocol: Protocol, category: Category, word: &str) {
        let found = lookup(query);
        assert!(
            found.iter().any(|f| f.protocol == protocol && f.category == category && f.word == word),
            "{query}: {found:?}"
        );
    }

    #[test]
    fn words_are_found_however_they_are_typed() {
        finds("UID FETCH", Protocol::Imap, Category::Command, "UID FETCH");
        finds("uid fetch 1:* FLAGS", Protocol::Imap, Category::Command, "UID FETCH");
        finds("5.7.8", Protocol::Smtp, Category::EnhancedCode, "5.7.8");
        finds("CONDSTORE", Protocol::Imap, Category::Capability, "CONDSTORE");
        finds("250-SIZE", Protocol::Smtp, Category::Capability, "SIZE");
        finds("250-SIZE 1000", Protocol::Smtp, Category::Capability, "SIZE");
        finds("authenticationfailed", Protocol::Imap, Category::ResponseCode, "AUTHENTICATIONFAILED");
        finds("[TRYCREATE]", Protocol::Imap, Category::ResponseCode, "TRYCREATE");
        finds("[UIDNEXT 4]", Protocol::Imap, Category::ResponseCode, "UIDNEXT");
        finds("\\Seen", Protocol::Imap, Category::Flag, "\\Seen");
        finds("$forwarded", Protocol::Imap, Category::Flag, "$Forwarded");
        finds("AUTH=PLAIN", Protocol::Imap, Category::Capability, "AUTH=PLAIN");
        finds("+OK", Protocol::Pop3, Category::Reply, "+OK");
        finds("* BYE", Protocol::Imap, Category::Reply, "BYE");
        finds("* 3 EXISTS", Protocol::Imap, Category::Data, "EXISTS");
        finds("334", Protocol::Smtp, Category::Reply, "334");
        finds("MAIL FROM", Protocol::Smtp, Category::Command, "MAIL");
        finds("MAIL FROM:<a@b>", Protocol::Smtp, Category::Command, "MAIL");
        finds("RCPT TO:", Protocol::Smtp, Category::Command, "RCPT");
        finds("SCRAM-SHA-384", Protocol::Sasl, Category::Mechanism, "SCRAM-SHA-384");
        finds("BODY.PEEK[1.2]", Protocol::Imap, Category::FetchItem, "BODY.PEEK[]");
        finds("X-GM-LABELS", Protocol::Imap, Category::FetchItem, "X-GM-LABELS");
        finds("stls", Protocol::Pop3, Category::Command, "STLS");
    }

    #[test]
    fn a_word_of_several_protocols_is_told_for_each() {
        let protocols: Vec<Protocol> = lookup("NOOP").iter().map(|found| found.protocol).collect();
        assert!([Protocol::Smtp, Protocol::Imap, Protocol::Pop3].iter().all(|one| protocols.contains(one)));
    }

    #[test]
    fn what_stands_behind_a_reply_code_is_smtp() {
        let found = lookup("250-SIZE 1000");
        assert_eq!(found[0].category, Category::Capability);
        assert!(found.iter().all(|one| one.protocol == Protocol::Smtp), "{found:?}");
    }

    #[test]
    fn strangers_are_not_found_but_typing_errors_are_named() {
        assert!(lookup("XYZZYX").is_empty());
        assert!(lookup("").is_empty());
        assert_eq!(suggest("CONDSTOR"), Some("CONDSTORE"));
        assert_eq!(suggest("qqqqqqqq"), None);
    }
}
