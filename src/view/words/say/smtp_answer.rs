//! What an SMTP or LMTP server answers, said with its own values.
//! Takes a reply's code and lines, and the command that it answers; gives a sentence and its source.
//! Does not know sessions.

use super::plain::{clip, count, list, size};
use super::{
    Asked, Category, Explained, Protocol, capability, clauses, find, split_word, strange_capabilities,
    strip_prefix_ignoring_case,
};

/// A reply: its three digits, the text of each line behind them, and the command that it answers, where it is known;
/// the greeting answers none.
pub(in crate::view::words) fn answer(code: &str, lines: &[&str], completes: Option<Asked<'_>>) -> Explained {
    let first = lines.first().copied().unwrap_or_default();
    if code.starts_with('2') && completes.is_some_and(|asked| matches!(asked.verb, "EHLO" | "LHLO")) {
        return greeting(lines);
    }
    let outcome = outcome(code, first, completes);
    // 2.1.0, 2.1.5 and the like say no more than 250 does.
    let told = enhanced_of(first).filter(|told| !told.ends_with(".0.0") && !code.starts_with('2'));
    let same_class = |told: &str| told.bytes().next() == code.bytes().next();
    // What the class says, the reply's own code has said already.
    match told.and_then(|told| if same_class(told) { detail(told) } else { enhanced(told) }) {
        Some(told) => Explained::new(clauses([outcome.text, told.text]), told.source),
        None => outcome,
    }
}

fn outcome(code: &str, first: &str, completes: Option<Asked<'_>>) -> Explained {
    let entry = find(Protocol::Smtp, Category::Reply, code);
    let source = entry.map_or("RFC 5321 §4.2.1", |entry| entry.source);
    if let Some((said, source)) = completes.and_then(|asked| done(code, asked)) {
        return Explained::new(said, source);
    }
    match (code, completes, entry) {
        ("220", None, _) => Explained::new("the server greets and is ready", source),
        ("554", None, _) => Explained::new("the server does not talk to this client", "RFC 5321 §3.1"),
        ("334", _, Some(entry)) => Explained::new(challenge(first).unwrap_or(entry.sentence), source),
        (_, _, Some(entry)) => entry.into(),
        (_, _, None) => Explained::new(class(code), source),
    }
}

/// What a code means as the answer to one command, and where that is written.
fn done(code: &str, asked: Asked<'_>) -> Option<(&'static str, &'static str)> {
    let last = || asked.rest.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("LAST"));
    let said = match (code, asked.verb) {
        ("250", "MAIL") => "the sender is accepted",
        ("250", "RCPT") => "the recipient is accepted",
        ("250", "BDAT" | "BURL") if !last() => "this piece is taken; more follow",
        ("250", "DATA" | "BDAT" | "BURL") => {
            return Some(("the message is taken: the server is responsible for it now", "RFC 5321 §6.1"));
        }
        ("250", "RSET") => "the message that was begun is forgotten",
        ("250", "HELO") => "the server says hello",
        ("220", "STARTTLS" | "X-ANONYMOUSTLS") => "the encryption begins now",
        ("220", "XCLIENT") => "the session begins anew, as that of the named client",
        ("354", "XEXCH50") => "send the counted bytes now",
        ("554", _) => return Some(("failed for good", "RFC 5321 §4.2.3")),
        _ => return None,
    };
    Some((said, asked.source(Protocol::Smtp)?))
}

/// The two prompts of LOGIN, in base64.
fn challenge(text: &str) -> Option<&'static str> {
    match text.trim() {
        "VXNlcm5hbWU6" | "VXNlciBOYW1lAA==" => Some("asks for the user name"),
        "UGFzc3dvcmQ6" | "UGFzc3dvcmQA" => Some("asks for the password"),
        "" => Some("go on with the login: the client may begin"),
        _ => None,
    }
}

/// What the first digit says of a code that no table knows.
fn class(code: &str) -> &'static str {
    match code.as_bytes().first() {
        Some(b'2') => "done; this code is not a standard one",
        Some(b'3') => "go on; this code is not a standard one",
        Some(b'4') => "not now, try again later; this code is not a standard one",
        Some(b'5') => "refused for good; this code is not a standard one",
        _ => "no code that SMTP knows",
    }
}

/// The enhanced status code at the beginning of a reply's text.
pub(in crate::view::words) fn enhanced_of(text: &str) -> Option<&str> {
    let (word, _) = split_word(text);
    let word = word.trim_end_matches(['-', ':']);
    is_enhanced(word).then_some(word)
}

/// `5.7.8`, and `X.7.8` as the registry writes it.
pub(in crate::view::words) fn is_enhanced(word: &str) -> bool {
    let mut parts = word.split('.');
    let class = matches!(parts.next(), Some("2" | "4" | "5" | "X" | "x"));
    let number = |part: Option<&str>| {
        part.is_some_and(|part| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    class && number(parts.next()) && number(parts.next()) && parts.next().is_none()
}

/// Details that only a success can have: X.1.5 is for positive reports (RFC 3463 §3.2), with X.3.6 the message is taken
/// (RFC 6710 §4.1).
const OF_SUCCESS: [&str; 2] = ["1.5", "3.6"];

/// An enhanced status code: its class in words, then what its subject and detail mean.
pub(in crate::view::words) fn enhanced(code: &str) -> Option<Explained> {
    let told = detail(code)?;
    let (class, detail) = code.split_once('.')?;
    let class = match class {
        "2" => "done",
        "4" => "not now, try again later",
        "5" => "refused for good",
        _ => return Some(told),
    };
    if class != "done" && OF_SUCCESS.contains(&detail) {
        let text = format!("a code that contradicts itself: “{class}”, and “{}”", told.text);
        return Some(Explained::new(text, told.source));
    }
    Some(Explained::new(format!("{class}: {}", told.text), told.source))
}

/// What subject and detail of an enhanced status code mean, its class left out. A few codes mean more as a whole.
fn detail(code: &str) -> Option<Explained> {
    if !is_enhanced(code) {
        return None;
    }
    let (_, detail) = code.split_once('.')?;
    let known = |word: &str| find(Protocol::Smtp, Category::EnhancedCode, word);
    if let Some(entry) = known(code).or_else(|| known(&format!("X.{detail}"))) {
        return Some(entry.into());
    }
    let subject = detail.split_once('.').and_then(|(subject, _)| known(&format!("X.{subject}.0")));
    Some(match subject {
        Some(entry) => {
            Explained::new(format!("{}; its last number is not a registered one", entry.sentence), entry.source)
        }
        None => Explained::new("its last two numbers are not registered ones", "RFC 3463 §2"),
    })
}

/// The reply to EHLO: the first line greets, each other is an extension.
fn greeting(lines: &[&str]) -> Explained {
    let offers = lines.get(1..).unwrap_or_default().iter();
    let offers: Vec<&str> = offers.copied().filter(|line| !ends_list(line)).collect();
    let has = |name: &str| offers.iter().any(|line| split_word(line).0.eq_ignore_ascii_case(name));
    let largest = offers.iter().find_map(|line| {
        let (word, value) = split_word(line);
        word.eq_ignore_ascii_case("SIZE").then(|| value.trim().parse::<u64>().ok()).flatten()
    });
    let logins = offers.iter().find_map(|line| {
        let (word, value) = split_word(line);
        word.eq_ignore_ascii_case("AUTH").then(|| value.split_ascii_whitespace().collect::<Vec<_>>())
    });
    let logins = logins.filter(|logins| !logins.is_empty());
    let text = clauses([
        format!("the server offers {}", count(offers.len() as u64, "extension")),
        largest
            .filter(|bytes| *bytes > 0)
            .map(|bytes| format!("it takes messages up to {}", size(bytes)))
            .unwrap_or_default(),
        logins.map(|logins| format!("logins by {}", list(&logins))).unwrap_or_default(),
        if has("STARTTLS") { "the connection can be encrypted (STARTTLS)".to_owned() } else { String::new() },
        strange_capabilities(Protocol::Smtp, offers.iter().copied()),
    ]);
    Explained::new(text, "RFC 5321 §4.1.1.1")
}

/// Each line of the reply to EHLO.
pub(in crate::view::words) fn extensions<'l>(lines: impl Iterator<Item = &'l str>) -> Vec<Explained> {
    let first = Explained::new("the server greets back; what it can do follows, a line each", "RFC 5321 §4.1.1.1");
    std::iter::once(first).chain(lines.skip(1).map(extension)).collect()
}

/// Cyrus ends its list with Ok and the name of the session.
fn ends_list(line: &str) -> bool {
    split_word(line).0.eq_ignore_ascii_case("OK")
}

/// One line of the reply to EHLO: `SIZE 36700160`, `AUTH PLAIN LOGIN`, `AUTH=LOGIN`.
pub(in crate::view::words) fn extension(line: &str) -> Explained {
    let (word, value) = split_word(line.trim());
    // Old clients wanted AUTH=LOGIN, and many servers still say it beside AUTH LOGIN.
    let (word, value) = match strip_prefix_ignoring_case(line.trim(), "AUTH=") {
        Some(mechanisms) => ("AUTH", mechanisms),
        None => (word, value),
    };
    if ends_list(line.trim()) {
        return Explained::new(
            "no extension: Cyrus ends its list with Ok and the session's name in its log",
            "Cyrus IMAP",
        );
    }
    let told = capability(Protocol::Smtp, word);
    let value = value.trim();
    // RFC 1870 §3: no number, and the number zero, say that no limit is known or set.
    let number = if value.is_empty() { Ok(0) } else { value.parse::<u64>() };
    let text = match (word.to_ascii_uppercase().as_str(), number) {
        ("SIZE", Ok(0)) => "the client may tell the message's size beforehand; no limit is told".to_owned(),
        ("SIZE", Ok(bytes)) => format!("the server takes messages up to {}", size(bytes)),
        ("AUTH", _) if !value.is_empty() => {
            format!("the client can log in by {}", list(&value.split_ascii_whitespace().collect::<Vec<_>>()))
        }
        ("LIMITS", _) if !value.is_empty() => format!("limits of the server: {}", clip(value)),
        _ if !value.is_empty() => format!("{} ({})", told.text, clip(value)),
        _ => told.text,
    };
    Explained::new(text, told.source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked<'a>(verb: &'a str, rest: &'a str) -> Asked<'a> {
        Asked { verb, rest }
    }

    #[test]
    fn replies_are_read_by_their_command() {
        let rcpt = Some(asked("RCPT", ""));
        assert_eq!(answer("250", &["2.1.5 Ok"], rcpt).text, "the recipient is accepted");
        let refused = answer("550", &["5.1.1 <bob>: User unknown"], rcpt);
        assert_eq!(
            refused.text,
            "refused for good: there is no such mailbox, or the server does not want this mail; the mailbox named before \
             the @ does not exist there"
        );
        assert_eq!(refused.source, "RFC 3463 §3.2");
        let later = answer("550", &["4.2.2 full"], rcpt);
        assert!(later.text.ends_with("; not now, try again later: the mailbox is full"), "{}", later.text);
        assert_eq!(answer("334", &["VXNlcm5hbWU6"], Some(asked("AUTH", "LOGIN"))).text, "asks for the user name");
        assert_eq!(answer("499", &["odd"], None).text, "not now, try again later; this code is not a standard one");
        assert_eq!(answer("050", &["..."], Some(asked("DATA", ""))).source, "sendmail");
    }

    #[test]
    fn a_message_is_taken_when_its_last_piece_is() {
        let text = |verb, rest| answer("250", &["ok"], Some(asked(verb, rest))).text;
        assert_eq!(text("BDAT", "20"), "this piece is taken; more follow");
        assert_eq!(text("BURL", "imap://mail.example/1"), "this piece is taken; more follow");
        for (verb, rest) in [("BDAT", "15 last"), ("BURL", "imap://mail.example/1 LAST"), ("DATA", "")] {
            assert_eq!(text(verb, rest), "the message is taken: the server is responsible for it now");
        }
        assert_eq!(answer("354", &["go"], Some(asked("XEXCH50", "12 2"))).text, "send the counted bytes now");
    }

    #[test]
    fn what_means_something_else_as_a_first_line_is_told_apart() {
        assert_eq!(answer("554", &["no"], None).text, "the server does not talk to this client");
        assert_eq!(answer("554", &["no"], Some(asked("DATA", ""))).text, "failed for good");
        assert_eq!(answer("220", &["go"], Some(asked("STARTTLS", ""))).source, "RFC 3207 §4");
    }

    #[test]
    fn the_reply_to_ehlo_is_summed_up() {
        let lines = ["mail.example", "SIZE 36700160", "AUTH PLAIN LOGNI", "XODD", "STARTTLS", "PIPELNING"];
        let told = answer("250", &lines, Some(asked("EHLO", "laptop")));
        assert_eq!(
            told.text,
            "the server offers 5 extensions; it takes messages up to 35 MB; logins by PLAIN and LOGNI; \
             the connection can be encrypted (STARTTLS); unknown: LOGNI (perhaps LOGIN), XODD and \
             PIPELNING (perhaps PIPELINING)"
        );
        let empty = answer("250", &["mail.example", "AUTH"], Some(asked("EHLO", "laptop")));
        assert_eq!(empty.text, "the server offers 1 extension");
        let cyrus = answer("250", &["mx", "8BITMIME", "Ok SESSIONID=<mx-1-2-3>"], Some(asked("LHLO", "c")));
        assert_eq!(cyrus.text, "the server offers 1 extension");
        assert!(extension("Ok SESSIONID=<mx-1-2-3>").text.starts_with("no extension: "));
    }

    #[test]
    fn extensions_tell_their_values() {
        assert_eq!(extension("SIZE 36700160").text, "the server takes messages up to 35 MB");
        assert_eq!(extension("AUTH=LOGIN PLAIN").text, extension("AUTH LOGIN PLAIN").text);
        assert_eq!(extension("PIPELNING").text, "PIPELNING is an unknown extension; perhaps PIPELINING was meant");
    }

    #[test]
    fn enhanced_codes_have_a_class_and_a_detail() {
        assert!(enhanced("5.7.8").is_some_and(|told| told.text.starts_with("refused for good: user name or password")));
        assert_eq!(
            enhanced("2.7.0").map(|told| told.text).as_deref(),
            Some("done: the login worked, as this code mostly says")
        );
        assert!(enhanced("5.7.0").is_some_and(|told| !told.text.contains("login worked")));
        let odd = enhanced("5.1.5").map(|told| told.text).unwrap_or_default();
        assert_eq!(odd, "a code that contradicts itself: “refused for good”, and “the recipient's address is right”");
        assert!(enhanced("4.7.99").is_some_and(|told| told.text.contains("not a registered one")));
        for wrong in ["3.1.1", "5.1", "5.1.1.1", "5..1", "5.1234.1", "hello"] {
            assert!(enhanced(wrong).is_none(), "{wrong}");
        }
    }
}
