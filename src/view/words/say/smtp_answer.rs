//! What an SMTP or LMTP server answers, said with its own values.
//! Takes a reply's code and lines, and the command that it answers; gives a sentence and its source.
//! Does not know sessions.

use super::plain::{clip, count, list, size};
use super::{Category, Explained, Protocol, capability, clauses, find, split_word};

/// A reply: its three digits, the text of each line behind them, and the verb that it answers, where it is known.
pub(in crate::view::words) fn answer(code: &str, lines: &[&str], completes: Option<&str>) -> Explained {
    let first = lines.first().copied().unwrap_or_default();
    if code.starts_with('2') && matches!(completes, Some("EHLO" | "LHLO")) {
        return greeting(lines);
    }
    let outcome = outcome(code, first, completes);
    match enhanced_of(first).filter(|told| !told.ends_with(".0.0")).and_then(enhanced) {
        // 2.1.0, 2.1.5 and the like say no more than 250 does.
        Some(told) if !code.starts_with('2') => Explained::new(clauses([outcome.text, told.text]), told.source),
        _ => outcome,
    }
}

fn outcome(code: &str, first: &str, completes: Option<&str>) -> Explained {
    let entry = find(Protocol::Smtp, Category::Reply, code);
    let source = entry.map_or("RFC 5321 §4.2.1", |entry| entry.source);
    let said = match (code, completes) {
        ("250", Some("MAIL")) => Some("the sender is accepted"),
        ("250", Some("RCPT")) => Some("the recipient is accepted"),
        ("250", Some("DATA" | "BDAT" | "BURL")) => Some("the message is taken: the server is responsible for it now"),
        ("250", Some("RSET")) => Some("the message that was begun is forgotten"),
        ("250", Some("HELO")) => Some("the server says hello"),
        ("220", Some("STARTTLS" | "X-ANONYMOUSTLS")) => Some("the encryption begins now"),
        ("220", Some("XCLIENT")) => Some("the session begins anew, as that of the named client"),
        ("220", None) => Some("the server greets and is ready"),
        ("554", None) => Some("refused for good"),
        _ => None,
    };
    match (said, entry) {
        (Some(said), _) => Explained::new(said, source),
        (None, Some(entry)) if code == "334" => Explained::new(challenge(first).unwrap_or(entry.sentence), source),
        (None, Some(entry)) => entry.into(),
        (None, None) => Explained::new(class(code), source),
    }
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

/// An enhanced status code: its class in words, then what its subject and detail mean.
pub(in crate::view::words) fn enhanced(code: &str) -> Option<Explained> {
    if !is_enhanced(code) {
        return None;
    }
    let (class, detail) = code.split_once('.')?;
    let word = format!("X.{detail}");
    let subject = detail.split_once('.').map(|(subject, _)| format!("X.{subject}.0"));
    let entry = find(Protocol::Smtp, Category::EnhancedCode, &word);
    let fallback = subject.and_then(|word| find(Protocol::Smtp, Category::EnhancedCode, &word));
    let sentence = match (entry, fallback) {
        (Some(entry), _) => entry.sentence.to_owned(),
        (None, Some(entry)) => format!("{}; its last number is not a registered one", entry.sentence),
        (None, None) => "its last two numbers are not registered ones".to_owned(),
    };
    let source = entry.or(fallback).map_or("RFC 3463 §2", |entry| entry.source);
    Some(match class {
        "2" => Explained::new(format!("done: {sentence}"), source),
        "4" => Explained::new(format!("not now, try again later: {sentence}"), source),
        "5" => Explained::new(format!("refused for good: {sentence}"), source),
        _ => Explained::new(sentence, source),
    })
}

/// The reply to EHLO: the first line greets, each other is an extension.
fn greeting(lines: &[&str]) -> Explained {
    let offers = lines.get(1..).unwrap_or_default();
    let has = |name: &str| offers.iter().any(|line| split_word(line).0.eq_ignore_ascii_case(name));
    let largest = offers.iter().find_map(|line| {
        let (word, value) = split_word(line);
        word.eq_ignore_ascii_case("SIZE").then(|| value.trim().parse::<u64>().ok()).flatten()
    });
    let logins = offers.iter().find_map(|line| {
        let (word, value) = split_word(line);
        word.eq_ignore_ascii_case("AUTH").then(|| value.split_ascii_whitespace().collect::<Vec<_>>())
    });
    let unknown: Vec<&str> = offers
        .iter()
        .map(|line| split_word(line).0)
        .filter(|word| extension(word).text.contains(" is an unknown "))
        .collect();
    let text = clauses([
        format!("the server offers {}", count(offers.len() as u64, "extension")),
        largest
            .filter(|bytes| *bytes > 0)
            .map(|bytes| format!("it takes messages up to {}", size(bytes)))
            .unwrap_or_default(),
        logins.map(|logins| format!("logins by {}", list(&logins))).unwrap_or_default(),
        if has("STARTTLS") { "the connection can be encrypted (STARTTLS)".to_owned() } else { String::new() },
        if unknown.is_empty() { String::new() } else { format!("unknown: {}", list(&unknown)) },
    ]);
    Explained::new(text, "RFC 5321 §4.1.1.1")
}

/// One line of the reply to EHLO: `SIZE 36700160`, `AUTH PLAIN LOGIN`, `AUTH=LOGIN`.
pub(in crate::view::words) fn extension(line: &str) -> Explained {
    let (word, value) = split_word(line.trim());
    // Old clients wanted AUTH=LOGIN, and many servers still say it beside AUTH LOGIN.
    let (word, value) = match word.split_once('=') {
        Some((name, _)) if name.eq_ignore_ascii_case("AUTH") => (name, &line.trim()["AUTH=".len()..]),
        _ => (word, value),
    };
    let told = capability(Protocol::Smtp, word);
    let value = value.trim();
    let text = match (word.to_ascii_uppercase().as_str(), value.parse::<u64>()) {
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

    #[test]
    fn replies_are_read_by_their_command() {
        assert_eq!(answer("250", &["2.1.5 Ok"], Some("RCPT")).text, "the recipient is accepted");
        let refused = answer("550", &["5.1.1 <bob>: User unknown"], Some("RCPT"));
        assert!(refused.text.ends_with("refused for good: the mailbox named before the @ does not exist there"));
        assert_eq!(refused.source, "RFC 3463 §3.2");
        assert_eq!(answer("334", &["VXNlcm5hbWU6"], Some("AUTH")).text, "asks for the user name");
        assert_eq!(answer("499", &["odd"], None).text, "not now, try again later; this code is not a standard one");
    }

    #[test]
    fn the_reply_to_ehlo_is_summed_up() {
        let told =
            answer("250", &["mail.example", "SIZE 36700160", "AUTH PLAIN LOGIN", "XODD", "STARTTLS"], Some("EHLO"));
        assert_eq!(
            told.text,
            "the server offers 4 extensions; it takes messages up to 35 MB; logins by PLAIN and LOGIN; \
             the connection can be encrypted (STARTTLS); unknown: XODD"
        );
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
        assert!(enhanced("4.7.99").is_some_and(|told| told.text.contains("not a registered one")));
        for wrong in ["3.1.1", "5.1", "5.1.1.1", "5..1", "5.1234.1", "hello"] {
            assert!(enhanced(wrong).is_none(), "{wrong}");
        }
    }
}
