//! Words without a session around them, as `mailtap explain WORD…` asks for them.
//! Takes what a person typed, case and decoration left out of account; gives every meaning in every protocol, and what
//! is unknown with the known word next to it. Does not know sessions: lines of one are read by the session reader.

use super::lines::without_secrets;
use super::near::nearest;
use super::say::{self, clip, is_enhanced, smtp};
use super::{Category, Entry, Explained, Protocol, entries, find};
use crate::event::REDACTED;

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

/// A word that stands in no table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// As it was typed; in place of a secret stands its mark.
    pub word: String,
    /// The known word that was likely meant.
    pub nearest: Option<String>,
}

impl Unknown {
    fn new(word: &str) -> Unknown {
        Unknown { word: word.to_owned(), nearest: nearest_to(word) }
    }

    /// One of which the kind is known.
    fn of(protocol: Protocol, category: Category, word: &str) -> Unknown {
        let known = entries(protocol).filter(|entry| entry.category == category).map(|entry| entry.word);
        Unknown { word: word.to_owned(), nearest: nearest(word, known).map(str::to_owned) }
    }
}

/// What is known of what was typed, and what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub found: Vec<Found>,
    pub unknown: Vec<Unknown>,
}

impl Answer {
    fn known(found: Vec<Found>) -> Answer {
        Answer { found, unknown: Vec::new() }
    }

    fn add(&mut self, other: Answer) {
        self.found.extend(other.found);
        self.unknown.extend(other.unknown);
    }
}

/// Looks up the words of a command line, of which each may be several, quoted; or several be one, as `UID FETCH`.
#[must_use]
pub fn ask(words: &[String]) -> Answer {
    let shown = without_secrets(&words.join(" "));
    let mut answer = Answer::default();
    for query in queries(words) {
        answer.add(lookup(&query));
    }
    // A pasted line may hold a password, which is in no table.
    for unknown in &mut answer.unknown {
        if !shown.contains(&unknown.word) || without_secrets(&unknown.word) != unknown.word {
            *unknown = Unknown { word: REDACTED.to_owned(), nearest: None };
        }
    }
    answer.unknown.dedup();
    answer
}

/// Words of a shell line that belong together: a pasted line, or a word of two words.
fn queries(words: &[String]) -> Vec<String> {
    let line = words.join(" ");
    if words.len() > 1 && is_line(words) {
        return vec![line];
    }
    let mut queries = Vec::new();
    let mut rest = words;
    while let Some((first, behind)) = rest.split_first() {
        let pair = behind.first().map(|second| format!("{first} {second}"));
        match pair.filter(|pair| !rows(pair).is_empty()) {
            Some(pair) => {
                queries.push(pair);
                rest = &behind[1..];
            }
            None => {
                queries.push(first.clone());
                rest = behind;
            }
        }
    }
    queries
}

/// Whether these are the words of one line of a session, rather than words by themselves.
fn is_line(words: &[String]) -> bool {
    let first = words.first().map(String::as_str).unwrap_or_default();
    let second = words.get(1).map(String::as_str).unwrap_or_default();
    first == "*"
        || (matches!(first, "+OK" | "-ERR") && second.starts_with('['))
        || is_code(first)
        || first.contains('-') && is_code(first.get(..3).unwrap_or_default())
        || (["FROM", "TO"].iter().any(|word| second.to_ascii_uppercase().starts_with(&format!("{word}:"))))
        || (exactly(first).is_empty() && (is_status(second) || is_imap_command(second)))
}

/// Every meaning of one query, and what of it is unknown.
#[must_use]
pub fn lookup(query: &str) -> Answer {
    let query = query.split_whitespace().collect::<Vec<_>>().join(" ");
    if query.is_empty() {
        return Answer::default();
    }
    let undecorated = bare(&query);
    for word in [query.as_str(), undecorated] {
        let found = exactly(word);
        if !found.is_empty() {
            return Answer::known(found);
        }
    }
    reply_line(undecorated)
        .or_else(|| status_line(&query))
        .or_else(|| path_command(undecorated))
        .or_else(|| command_line(undecorated))
        .unwrap_or_else(|| Answer { found: Vec::new(), unknown: vec![Unknown::new(undecorated)] })
}

/// `250-SIZE 1000`, `550 5.1.1 no such user`, `421`: its extension, its enhanced code, its number.
fn reply_line(query: &str) -> Option<Answer> {
    let (code, rest) = query.split_at_checked(3).filter(|(code, _)| is_code(code))?;
    if !rest.is_empty() && !rest.starts_with([' ', '-']) {
        return None;
    }
    let number = exactly(code);
    let more = rest.starts_with('-');
    let first = rest.strip_prefix([' ', '-']).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    if is_enhanced(first) {
        return Some(Answer::known([exactly(first), number].concat()));
    }
    let name = first.split('=').next().unwrap_or_default();
    let extension = find(Protocol::Smtp, Category::Capability, name).filter(|_| code == "250");
    if let Some(entry) = extension {
        return Some(Answer::known(vec![Found::row(Protocol::Smtp, entry)]));
    }
    let unknown = Unknown::of(Protocol::Smtp, Category::Capability, name);
    let is_keyword =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-');
    // The first line of the reply to EHLO has the server's name.
    let doubtful = code == "250" && more && (is_keyword || unknown.nearest.is_some());
    Some(Answer { found: number, unknown: if doubtful { vec![unknown] } else { Vec::new() } })
}

/// `* OK [UIDVALIDITY 3] valid`, `a1 NO [ALERT] no`, `* 3 EXISTS`, `-ERR [IN-USE] locked`: the word and the code.
fn status_line(query: &str) -> Option<Answer> {
    let (first, behind) = query.split_once(' ')?;
    let second = behind.split(' ').next().unwrap_or_default();
    let (protocol, line) = match first {
        "+OK" | "-ERR" => (Protocol::Pop3, query),
        "*" => (Protocol::Imap, behind),
        _ if is_status(second) => (Protocol::Imap, behind),
        _ => return None,
    };
    let mut words = line.split(' ');
    let word = words.next().filter(|word| !is_number(word)).or_else(|| words.next())?;
    let rows = |category, word: &str| find(protocol, category, word).map(|entry| Found::row(protocol, entry));
    let mut answer = Answer::default();
    match rows(Category::Reply, word).or_else(|| rows(Category::Data, word)) {
        Some(found) => answer.found.push(found),
        None => answer.unknown.push(Unknown::of(protocol, Category::Data, word)),
    }
    let (code, _) = say::code_of(line.split_once(' ').map_or("", |(_, rest)| rest));
    if let Some(code) = code.and_then(|code| code.split(' ').next()) {
        match rows(Category::ResponseCode, code) {
            Some(found) => answer.found.push(found),
            None => answer.unknown.push(Unknown::of(protocol, Category::ResponseCode, code)),
        }
    }
    Some(answer)
}

/// `MAIL FROM:<a@b.example> SIZE=1000`: the command and its parameters.
fn path_command(query: &str) -> Option<Answer> {
    let upper = query.to_ascii_uppercase();
    let verb =
        [("MAIL", "MAIL FROM"), ("RCPT", "RCPT TO")].into_iter().find(|(_, begins)| upper.starts_with(begins))?.0;
    let entry = find(Protocol::Smtp, Category::Command, verb)?;
    let mut answer = Answer::known(vec![Found::row(Protocol::Smtp, entry)]);
    let parameters = query.split_once('>').map_or("", |(_, parameters)| parameters);
    for parameter in parameters.split(' ').filter(|word| !word.is_empty()) {
        match parameter_of(parameter) {
            found if found.is_empty() => {
                let name = parameter.split('=').next().unwrap_or_default();
                answer.unknown.push(Unknown::of(Protocol::Smtp, Category::Parameter, name));
            }
            found => answer.found.extend(found),
        }
    }
    Some(answer)
}

/// `a1 UID FETCH 1:* FLAGS`, `SELECT INBOX`: the command, by its first words.
fn command_line(query: &str) -> Option<Answer> {
    let mut words: Vec<&str> = query.split(' ').collect();
    let tagged = words.len() > 1 && is_imap_command(words[1]) && exactly(words[0]).is_empty();
    if tagged || words.first().is_some_and(|word| is_number(word) && words.len() > 1) {
        words.remove(0);
    }
    for length in (1..=words.len().min(3)).rev() {
        let mut found = exactly(&words[..length].join(" "));
        if tagged {
            found.retain(|found| found.protocol == Protocol::Imap && found.category == Category::Command);
        }
        if found.is_empty() {
            continue;
        }
        // `UID FECTH` is no UID.
        let pair =
            words.get(..2).map(|pair| pair.join(" ")).filter(|_| length == 1 && words[0].eq_ignore_ascii_case("UID"));
        return Some(match pair {
            Some(pair) => Answer { found, unknown: vec![Unknown::of(Protocol::Imap, Category::Command, &pair)] },
            None => Answer::known(found),
        });
    }
    None
}

fn is_imap_command(word: &str) -> bool {
    word.eq_ignore_ascii_case("UID") || find(Protocol::Imap, Category::Command, word).is_some()
}

fn is_status(word: &str) -> bool {
    matches!(word, "OK" | "NO" | "BAD")
}

/// RFC 5321 §4.2: a reply code's first digit is 2, 3, 4 or 5.
fn is_code(word: &str) -> bool {
    word.len() == 3 && is_number(word) && word.starts_with(['2', '3', '4', '5'])
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// Without brackets of response codes, colons of MAIL FROM: and quotes.
fn bare(query: &str) -> &str {
    let query = query.strip_prefix('[').map_or(query, |inner| inner.split_once(']').map_or(inner, |(code, _)| code));
    query.trim_matches(['"', '\'', '`', ':', ',', '(', ')'])
}

/// The known word next to an unknown one, of any kind; of `SZIE=1000`, to what stands before the value.
fn nearest_to(word: &str) -> Option<String> {
    if let Some((name, mechanism)) = word.split_once('=').filter(|(name, _)| name.eq_ignore_ascii_case("AUTH")) {
        let known = entries(Protocol::Sasl).filter(|entry| entry.category == Category::Mechanism);
        return nearest(mechanism, known.map(|entry| entry.word)).map(|near| format!("{name}={near}"));
    }
    let known = || Protocol::ALL.into_iter().flat_map(entries).map(|entry| entry.word);
    let name = word.split('=').next().unwrap_or_default();
    nearest(word, known()).or_else(|| nearest(name, known()).filter(|_| name != word)).map(str::to_owned)
}

/// The word as it stands in a table, or as one of a family.
fn exactly(word: &str) -> Vec<Found> {
    if is_enhanced(word)
        && let Some(explained) = say::enhanced(word)
    {
        let word = word.to_ascii_uppercase();
        return vec![Found { protocol: Protocol::Smtp, category: Category::EnhancedCode, word, explained }];
    }
    let found = rows(word);
    if found.is_empty() { family(word) } else { found }
}

fn rows(word: &str) -> Vec<Found> {
    let of = |protocol| {
        let same = entries(protocol).filter(|entry| entry.word.eq_ignore_ascii_case(word));
        same.map(move |entry| Found::row(protocol, entry))
    };
    Protocol::ALL.into_iter().flat_map(of).collect()
}

/// `AUTH=PLAIN`, `SCRAM-SHA-384`, `APPENDLIMIT=1000`, `SIZE=1000`, `BODY[1.2]`, `r=fyko`, `571`.
fn family(word: &str) -> Vec<Found> {
    let one =
        |protocol, category, explained| vec![Found { protocol, category, word: word.to_ascii_uppercase(), explained }];
    if is_code(word) {
        return one(Protocol::Smtp, Category::Reply, smtp::answer(word, &[""], None));
    }
    if let Some(explained) = say::item(word) {
        return one(Protocol::Imap, Category::FetchItem, explained);
    }
    if let Some(mechanism) = word.get(..5).filter(|name| name.eq_ignore_ascii_case("AUTH=")).map(|_| &word[5..])
        && say::find_family(Protocol::Sasl, Category::Mechanism, mechanism).is_some()
    {
        return one(Protocol::Imap, Category::Capability, say::capability(Protocol::Imap, word));
    }
    let attributes = || entries(Protocol::Sasl).filter(|entry| entry.category == Category::Attribute);
    if let Some(entry) = attributes().find(|entry| entry.word.ends_with('=') && word.starts_with(entry.word)) {
        // What stands behind it may be a proof or a token.
        return vec![Found::row(Protocol::Sasl, entry)];
    }
    let parameters = parameter_of(word);
    if !parameters.is_empty() {
        return parameters;
    }
    [
        (Protocol::Imap, Category::Capability),
        (Protocol::Smtp, Category::Capability),
        (Protocol::Sasl, Category::Mechanism),
    ]
    .into_iter()
    .find_map(|(protocol, category)| {
        let (entry, value) = say::find_family(protocol, category, word).filter(|(entry, _)| entry.word != "AUTH=")?;
        Some(one(protocol, category, with_value(entry, value)))
    })
    .unwrap_or_default()
}

/// `SIZE=1000`, `NOTIFY=SUCCESS,DELAY`, `AUTH=<>`: a parameter of SMTP, and each of its values that is a word itself.
fn parameter_of(word: &str) -> Vec<Found> {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    let Some(entry) = find(Protocol::Smtp, Category::Parameter, name) else { return Vec::new() };
    // Elsewhere a mechanism stands behind AUTH=, in MAIL an address.
    if name.eq_ignore_ascii_case("AUTH") && !(value == "<>" || value.is_empty() || value.contains(['@', '+'])) {
        return Vec::new();
    }
    let row = Found {
        word: word.to_ascii_uppercase(),
        explained: with_value(entry, value),
        ..Found::row(Protocol::Smtp, entry)
    };
    let values = value.split([',', ';']).filter_map(|value| find(Protocol::Smtp, Category::Parameter, value));
    let of_name = |entry: &&Entry| entry.sentence.split(": ").next().is_some_and(|of| of.eq_ignore_ascii_case(name));
    std::iter::once(row).chain(values.filter(of_name).map(|entry| Found::row(Protocol::Smtp, entry))).collect()
}

fn with_value(entry: &Entry, value: &str) -> Explained {
    match clip(value).as_str() {
        "" => entry.into(),
        value => Explained::new(format!("{} ({value})", entry.sentence), entry.source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn finds(query: &str, protocol: Protocol, category: Category, word: &str) {
        let found = lookup(query).found;
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
        finds("BODY.PEEK[1.2]", Protocol::Imap, Category::FetchItem, "BODY.PEEK[1.2]");
        finds("body.peek[]", Protocol::Imap, Category::FetchItem, "BODY.PEEK[]");
        finds("X-GM-LABELS", Protocol::Imap, Category::FetchItem, "X-GM-LABELS");
        finds("stls", Protocol::Pop3, Category::Command, "STLS");
    }

    #[test]
    fn a_word_of_several_protocols_is_told_for_each() {
        let protocols: Vec<Protocol> = lookup("NOOP").found.iter().map(|found| found.protocol).collect();
        assert!([Protocol::Smtp, Protocol::Imap, Protocol::Pop3].iter().all(|one| protocols.contains(one)));
    }

    #[test]
    fn what_stands_behind_a_reply_code_is_smtp() {
        let found = lookup("250-SIZE 1000").found;
        assert_eq!(found[0].category, Category::Capability);
        assert!(found.iter().all(|one| one.protocol == Protocol::Smtp), "{found:?}");
    }

    #[track_caller]
    fn asked(words: &[&str]) -> (Vec<String>, Vec<(String, Option<String>)>) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let answer = ask(&words);
        let found = answer.found.into_iter().map(|found| found.word).collect();
        (found, answer.unknown.into_iter().map(|unknown| (unknown.word, unknown.nearest)).collect())
    }

    fn unknown(word: &str, nearest: &str) -> (String, Option<String>) {
        (word.to_owned(), Some(nearest.to_owned()).filter(|near| !near.is_empty()))
    }

    #[test]
    fn values_are_told_with_their_names() {
        for (query, text) in [
            ("SIZE=1000", "(1000)"),
            ("BODY=8BITMIME", "what kind of bytes"),
            ("RET=HDRS", "failure report"),
            ("ENVID=", "number of the sender's own"),
            ("ORCPT=rfc822;joe@mail.example", "as the sender first wrote it"),
            ("BY=120;R", "the time within which"),
            ("RRVS=2026-11-25T00:00:00Z;C", "the same owner"),
            ("MT-PRIORITY=3", "priority"),
            ("HOLDFOR=60", "after so many seconds"),
            ("RCPTMAX=20", "how many recipients"),
            ("AUTH=<>", "who handed the message in first"),
            ("THREAD=FOO", "(FOO)"),
            ("BODY[1.2.MIME]<0.100>", "the headers of part 1.2"),
            ("BODY.PEEK[HEADER.FIELDS (FROM TO)]", "the headers From and To, without"),
            ("BODY[3]", "part 3; the message is marked"),
            ("+FLAGS", "besides those"),
            ("flags.silent", "without telling"),
            ("-FLAGS", "no longer"),
            ("571", "refused for good; this code is not a standard one"),
        ] {
            let found = lookup(query).found;
            assert!(found.iter().any(|found| found.explained.text.contains(text)), "{query}: {found:?}");
        }
        assert_eq!(asked(&["NOTIFY=SUCCESS,DELAY"]).0, ["NOTIFY=SUCCESS,DELAY", "SUCCESS", "DELAY"]);
        let proof = &lookup("p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=").found[0];
        assert!(!format!("{proof:?}").contains("v0X8"));
    }

    #[test]
    fn lines_are_told_word_by_word() {
        assert_eq!(asked(&["* OK [UIDVALIDITY 3]"]).0, ["OK", "UIDVALIDITY"]);
        assert_eq!(asked(&["a1", "NO", "[AUTHENTICATIONFAILD]", "no"]).0, ["NO"]);
        assert_eq!(asked(&["-ERR [IN-USE] locked"]).0, ["-ERR", "IN-USE"]);
        assert_eq!(asked(&["550 5.1.1 no such user"]).0, ["5.1.1", "550"]);
        assert_eq!(
            asked(&["MAIL FROM:<a@b.example> SIZE=10 BODYY=7BIT"]),
            (vec!["MAIL".to_owned(), "SIZE=10".to_owned()], vec![unknown("BODYY", "BODY")],)
        );
        assert_eq!(asked(&["UID", "FETCH", "CONDSTORE"]).0[0], "UID FETCH");
        assert_eq!(asked(&["a1 UID FETCH 1:* FLAGS"]).0, ["UID FETCH"]);
        assert_eq!(asked(&["a1 LOGIN joe x"]).0, ["LOGIN"]);
        assert_eq!(asked(&["SIZE=10", "RET=FULL"]).0, ["SIZE=10", "RET=FULL", "FULL"]);
    }

    #[test]
    fn each_unknown_word_is_named_with_the_one_next_to_it() {
        assert_eq!(lookup(""), Answer::default());
        assert_eq!(asked(&["ABRACADABRA"]), (vec![], vec![unknown("ABRACADABRA", "")]));
        let (found, strange) = asked(&["NOOP", "CONDSTOR", "qqqqqqqq", "541", "1.2.3", "SZIE=10", "AUTH=PLIAN"]);
        assert!(found.contains(&"NOOP".to_owned()));
        assert_eq!(
            strange,
            [
                unknown("CONDSTOR", "CONDSTORE"),
                unknown("qqqqqqqq", ""),
                unknown("1.2.3", ""),
                unknown("SZIE=10", "SIZE"),
                unknown("AUTH=PLIAN", "AUTH=PLAIN"),
            ]
        );
        assert_eq!(asked(&["250-SZIE"]), (vec!["250".to_owned()], vec![unknown("SZIE", "SIZE")]));
        assert_eq!(asked(&["250-mail.example"]), (vec!["250".to_owned()], vec![]));
        assert_eq!(asked(&["UID FECTH"]).1, [unknown("UID FECTH", "UID FETCH")]);
        assert_eq!(asked(&["* OK [UIDVALIDTY 3]"]).1, [unknown("UIDVALIDTY", "UIDVALIDITY")]);
        assert_eq!(asked(&["BODY[HEADR]"]).1, [unknown("BODY[HEADR]", "BODY[HEADER]")]);
    }

    #[test]
    fn numbers_that_are_no_reply_codes_are_unknown() {
        for word in ["999", "100", "600", "1234", "12", "0", "2501", "999 x"] {
            let answer = lookup(word);
            assert!(answer.found.is_empty() && answer.unknown.len() == 1, "{word}");
        }
        assert!(lookup("OK").found.iter().all(|found| found.protocol != Protocol::Smtp));
    }

    #[test]
    fn a_secret_that_was_typed_is_not_named() {
        for words in [
            &["a1 LOGIN joe s3cr3t"][..],
            &["a1", "LOGIN", "joe", "s3cr3t"],
            &["PASS", "s3cr3t"],
            &["PASS s3cr3t"],
            &["AUTH", "PLAIN", "AGpvZQBzM2NyM3Q="],
            &["AGpvZQBzM2NyM3Q="],
            &["XFOO", "C: a1 LOGIN joe s3cr3t"],
        ] {
            let shown = format!("{:?}", asked(words));
            assert!(!shown.contains("s3cr3t") && !shown.contains("AGpv"), "{words:?}: {shown}");
        }
        // Words of the tables are none, though they may look so.
        for word in Protocol::ALL.into_iter().flat_map(entries).map(|entry| entry.word) {
            assert_eq!(without_secrets(word), word);
        }
        assert_eq!(asked(&["LOGIN", "SELECT", "FETCH"]).1, []);
    }
}
