//! What an SMTP or LMTP client asks, said with its own arguments.
//! Takes a verb and the rest of its line; gives a sentence and its source.
//! Does not repeat what follows a mechanism in AUTH.

use super::plain::{any_of, clip, count, size};
use super::{
    Category, Explained, Protocol, clauses, find, mechanism_sentence, row, split_word, strip_prefix_ignoring_case,
    unknown,
};

pub(in crate::view::words) use super::smtp_answer::{answer, extension, extensions};

pub(in crate::view::words) fn command(verb: &str, rest: &str) -> Explained {
    let entry = row(Protocol::Smtp, Category::Command, verb);
    let rest = rest.trim();
    let text = match verb {
        "HELO" if !rest.is_empty() => format!("says hello as {}, in plain SMTP without extensions", clip(rest)),
        "EHLO" if !rest.is_empty() => {
            format!("says hello as {} and asks which extensions the server offers", clip(rest))
        }
        "LHLO" if !rest.is_empty() => {
            format!("says hello as {} in LMTP, which delivers into mailboxes, and asks for the extensions", clip(rest))
        }
        "MAIL" => match path(rest, "FROM:") {
            Some(("", parameters)) => clauses([
                "begins a message without a sender, such as a failure report, so that no report comes back".to_owned(),
                said_of(parameters),
            ]),
            Some((sender, parameters)) => {
                clauses([format!("begins a message from {}", clip(sender)), said_of(parameters)])
            }
            None => entry.text.clone(),
        },
        "RCPT" => match path(rest, "TO:") {
            Some((recipient, parameters)) => {
                clauses([format!("names the recipient {}", clip(recipient)), said_of(parameters)])
            }
            None => entry.text.clone(),
        },
        "BDAT" => match split_word(rest) {
            (bytes, last) if bytes.parse::<u64>().is_ok() => {
                let end = if last.trim().eq_ignore_ascii_case("LAST") { ", the last" } else { "" };
                format!("sends a piece of the message of {}{end}", size(bytes.parse().unwrap_or_default()))
            }
            _ => entry.text.clone(),
        },
        "AUTH" | "X-EXPS" if !rest.is_empty() => {
            let (mechanism, initial) = split_word(rest);
            let begins = if initial.is_empty() { "" } else { ", its first message included" };
            format!("logs in by {}{begins}: {}", clip(mechanism), mechanism_sentence(mechanism).text)
        }
        "VRFY" if !rest.is_empty() => format!("asks whether {} exists; most servers give no true answer", clip(rest)),
        "EXPN" if !rest.is_empty() => format!("asks who is on the list {}; most servers refuse", clip(rest)),
        "ETRN" if !rest.is_empty() => {
            format!("asks the server to start sending the mail that it holds for {}", clip(rest))
        }
        "XCLIENT" | "XFORWARD" => clauses([entry.text.clone(), said_of(rest)]),
        _ => return entry,
    };
    Explained::new(text, entry.source)
}

/// The address behind `FROM:` or `TO:`, without its brackets, and the parameters behind it.
fn path<'r>(rest: &'r str, keyword: &str) -> Option<(&'r str, &'r str)> {
    let behind = strip_prefix_ignoring_case(rest, keyword)?.trim_start();
    match behind.strip_prefix('<') {
        Some(inner) => {
            let end = closing(inner)?;
            Some((&inner[..end], &inner[end + 1..]))
        }
        None => Some(split_word(behind)),
    }
}

/// Where the path ends: a `>` outside of quotes.
fn closing(inner: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// Parameters that are put into words, at most: a line holds few.
const PARAMETERS_MAX: usize = 12;

fn said_of(parameters: &str) -> String {
    clauses(parameters.split_ascii_whitespace().take(PARAMETERS_MAX).map(parameter))
}

fn parameter(text: &str) -> String {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let value_words = clip(value);
    match (name.to_ascii_uppercase().as_str(), value.parse::<u64>()) {
        ("SIZE", Ok(bytes)) => format!("it has {}", size(bytes)),
        ("BODY", _) => match value.to_ascii_uppercase().as_str() {
            "7BIT" => "its text is plain ASCII".to_owned(),
            "8BITMIME" => "its text may hold bytes above 127".to_owned(),
            "BINARYMIME" => "it may hold any bytes".to_owned(),
            _ => format!("its kind is {value_words}"),
        },
        ("RET", _) if value.eq_ignore_ascii_case("FULL") => "a failure report shall hold all of it".to_owned(),
        ("RET", _) if value.eq_ignore_ascii_case("HDRS") => "a failure report shall hold its headers only".to_owned(),
        ("NOTIFY", _) if value.eq_ignore_ascii_case("NEVER") => "no report shall be sent".to_owned(),
        ("NOTIFY", _) => {
            let cases = value.to_ascii_lowercase();
            format!("a report shall be sent on {}", any_of(&cases.split(',').map(clip).collect::<Vec<_>>()))
        }
        ("ENVID", _) => format!("reports shall carry the number {value_words}"),
        ("ORCPT", _) => format!("it was first written as {}", clip(value.split_once(';').map_or(value, |(_, to)| to))),
        ("SMTPUTF8", _) => "an address or header is in UTF-8".to_owned(),
        ("REQUIRETLS", _) => "it must travel encrypted all the way".to_owned(),
        ("AUTH", _) if value == "<>" => "who handed it in first is not known".to_owned(),
        ("AUTH", _) => format!("it was handed in by {value_words}"),
        ("HOLDFOR", Ok(seconds)) => format!("it shall be sent after {}", count(seconds, "second")),
        ("HOLDUNTIL", _) => format!("it shall be sent at {value_words}"),
        (name, _) => match find(Protocol::Smtp, Category::Parameter, name) {
            Some(entry) => {
                let sentence = entry.sentence.split_once(": ").map_or(entry.sentence, |(_, sentence)| sentence);
                if value.is_empty() { sentence.to_owned() } else { format!("{sentence} ({value_words})") }
            }
            None => unknown(Protocol::Smtp, Category::Parameter, name).text,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn says(verb: &str, rest: &str, expected: &str) {
        assert_eq!(command(verb, rest).text, expected);
    }

    #[test]
    fn commands_name_what_they_carry() {
        says("EHLO", "laptop.example", "says hello as laptop.example and asks which extensions the server offers");
        says(
            "MAIL",
            "FROM:<ann@mail.example> SIZE=2048 BODY=8BITMIME",
            "begins a message from ann@mail.example; it has 2 kB; its text may hold bytes above 127",
        );
        says(
            "MAIL",
            "FROM:<>",
            "begins a message without a sender, such as a failure report, so that no report comes back",
        );
        says("RCPT", "TO:<bob@mail.example>", "names the recipient bob@mail.example");
        says(
            "RCPT",
            "to:<\"a>b\"@mail.example> NOTIFY=SUCCESS,FAILURE,DELAY XTRA=1",
            "names the recipient \"a>b\"@mail.example; a report shall be sent on success, failure or delay; XTRA is an \
             unknown parameter, perhaps a private extension",
        );
        says(
            "MAIL",
            "FROM:<a@b.example> SZIE=3 HOLDFOR=1",
            "begins a message from a@b.example; SZIE is an unknown parameter; perhaps SIZE was meant; it shall be sent \
             after 1 second",
        );
        says("BDAT", "1024 LAST", "sends a piece of the message of 1 kB, the last");
        assert!(!command("AUTH", "PLAIN AGpvZQBzZXNhbWU=").text.contains("AGpv"));
        says("ELHO", "x", "ELHO is an unknown command; perhaps EHLO was meant");
    }
}
