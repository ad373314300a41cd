//! What a POP3 client asks and a server answers, said with the line's own values.
//! Takes a verb or status and the rest of the line; gives a sentence and its source.
//! Does not repeat passwords or checksums.

use super::plain::{clip, count, size};
use super::{Asked, Category, Explained, Protocol, clauses, find, mechanism_sentence, row, split_word, unknown};

pub(in crate::view::words) fn command(verb: &str, rest: &str) -> Explained {
    let entry = row(Protocol::Pop3, Category::Command, verb);
    let (first, behind) = split_word(rest);
    let text = match (verb, first) {
        ("USER", name) if !name.is_empty() => format!("logs in as {}; the password is in the next line", clip(rest)),
        ("APOP", name) if !name.is_empty() => format!(
            "logs in as {} with a checksum of the greeting and the password, so that the password itself is not sent",
            clip(name)
        ),
        ("LIST", "") => "asks for the size of each message".to_owned(),
        ("LIST", number) => format!("asks for the size of message {}", clip(number)),
        ("UIDL", "") => "asks for a name of each message that never changes".to_owned(),
        ("UIDL", number) => format!("asks for the lasting name of message {}", clip(number)),
        ("RETR", number) if !number.is_empty() => format!("asks for the whole of message {}", clip(number)),
        ("DELE", number) if !number.is_empty() => {
            format!("marks message {} for removal; it is removed only when the client says QUIT", clip(number))
        }
        ("TOP", number) if !number.is_empty() => match behind.trim().parse::<u64>() {
            Ok(0) => format!("asks for the headers of message {}", clip(number)),
            Ok(lines) => {
                format!("asks for the headers of message {} and {} of its text", clip(number), count(lines, "line"))
            }
            Err(_) => entry.text.clone(),
        },
        ("AUTH", "") => "asks for the list of mechanisms to log in with".to_owned(),
        ("AUTH", mechanism) => format!("logs in by {}: {}", clip(mechanism), mechanism_sentence(mechanism).text),
        _ => return entry,
    };
    Explained::new(text, entry.source)
}

/// A status line. `completes` is the command that it answers, where it is known.
pub(in crate::view::words) fn answer(status: &str, rest: &str, completes: Option<Asked<'_>>) -> Explained {
    let entry = row(Protocol::Pop3, Category::Reply, status);
    let (code, text) = super::imap_answer::code_of(rest);
    let told = code.and_then(|code| {
        let (word, value) = split_word(code);
        match find(Protocol::Pop3, Category::ResponseCode, word) {
            Some(entry) if value.is_empty() => Some(entry.into()),
            Some(entry) => Some(Explained::new(format!("{} ({})", entry.sentence, clip(value)), entry.source)),
            // RFC 2449 §8 knows no values; what has any is text.
            None if !value.is_empty() => None,
            None => Some(unknown(Protocol::Pop3, Category::ResponseCode, word)),
        }
    });
    let mut source = entry.source;
    let outcome = match (status, completes) {
        ("+OK", Some(asked)) => match accepted(asked, text) {
            // What it means stands where its command does.
            Some(outcome) => {
                source = asked.source(Protocol::Pop3).unwrap_or(source);
                outcome
            }
            None => entry.text.clone(),
        },
        ("+OK", None) if greets(rest) => {
            source = "RFC 1939 §7";
            "the server greets; the part in <> can be used to log in with APOP".to_owned()
        }
        ("-ERR", Some(asked)) if logs_in(asked) && told.is_none() => {
            "the login failed: most often name or password is wrong".to_owned()
        }
        ("-ERR", Some(asked)) => format!("{} was refused", clip(asked.verb)),
        _ => entry.text.clone(),
    };
    match told {
        Some(told) => Explained::new(clauses([outcome, told.text]), told.source),
        None => Explained::new(outcome, source),
    }
}

/// The server's first line.
pub(in crate::view::words) fn greeting(status: &str, rest: &str) -> Explained {
    if status == "+OK" && !greets(rest) {
        return Explained::new("the server greets and is ready", "RFC 1939 §4");
    }
    answer(status, rest, None)
}

/// RFC 1939 §7: a greeting for APOP holds `<…@…>`.
fn greets(rest: &str) -> bool {
    rest.split_once('<').and_then(|(_, inner)| inner.split_once('>')).is_some_and(|(stamp, _)| stamp.contains('@'))
}

/// Whether the command ends a login; AUTH alone asks for the list of mechanisms.
fn logs_in(asked: Asked<'_>) -> bool {
    matches!(asked.verb, "PASS" | "APOP") || asked.verb == "AUTH" && !asked.rest.trim().is_empty()
}

/// LIST, UIDL and AUTH mean another thing without an argument: many lines follow, whatever stands behind the +OK.
fn accepted(asked: Asked<'_>, text: &str) -> Option<String> {
    let numbers: Vec<u64> = text.split(' ').map_while(|word| word.parse().ok()).collect();
    let alone = asked.rest.trim().is_empty();
    Some(match (asked.verb, numbers.as_slice()) {
        ("STAT", [messages, bytes, ..]) => {
            format!("the mailbox holds {}, {} in all", count(*messages, "message"), size(*bytes))
        }
        ("LIST", _) if alone => "the sizes follow, a message a line: number and bytes".to_owned(),
        ("LIST", [message, bytes, ..]) => format!("message {message} has {}", size(*bytes)),
        ("UIDL", _) if alone => "the lasting names follow, a message a line: number and name".to_owned(),
        ("UIDL", [message, ..]) => format!("the lasting name of message {message} stands behind it"),
        ("AUTH", _) if alone => "the mechanisms follow, one a line, up to a dot alone on a line".to_owned(),
        ("RETR" | "TOP", _) => "the message follows, up to a dot alone on a line".to_owned(),
        ("CAPA", _) => "what the server can do follows, up to a dot alone on a line".to_owned(),
        ("USER", _) => "the name is taken; now the password".to_owned(),
        ("PASS" | "APOP" | "AUTH", _) => "the login worked".to_owned(),
        ("STLS", _) => "the encryption begins now".to_owned(),
        ("DELE", _) => "the message is marked for removal".to_owned(),
        ("RSET", _) => "no message is marked for removal any more".to_owned(),
        ("QUIT", _) => "goodbye; messages marked with DELE are removed now".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_what_they_act_on() {
        assert_eq!(command("USER", "joe").text, "logs in as joe; the password is in the next line");
        assert_eq!(command("TOP", "3 10").text, "asks for the headers of message 3 and 10 lines of its text");
        assert_eq!(command("TOP", "3 0").text, "asks for the headers of message 3");
        assert!(!command("PASS", "sesame").text.contains("sesame"));
        assert!(!command("APOP", "joe c4c9334bac560ecc979e58001b3e22fb").text.contains("c4c9"));
        assert!(!command("AUTH", "PLAIN AGpvZQBzZXNhbWU=").text.contains("AGpv"));
        assert_eq!(command("RETT", "1").text, "RETT is an unknown command; perhaps RETR was meant");
    }

    #[test]
    fn answers_are_read_by_their_command() {
        let asked = |verb, rest| Some(Asked { verb, rest });
        let text = |rest, asked| answer("+OK", rest, asked).text;
        assert_eq!(text(" 2 320", asked("STAT", "")), "the mailbox holds 2 messages, 320 bytes in all");
        assert_eq!(text("1 1024", asked("LIST", "1")), "message 1 has 1 kB");
        assert_eq!(text("2 320", asked("LIST", "")), "the sizes follow, a message a line: number and bytes");
        assert_eq!(
            text("2 messages", asked("UIDL", "")),
            "the lasting names follow, a message a line: number and name"
        );
        assert_eq!(text("done", asked("AUTH", "PLAIN")), "the login worked");
        assert!(text("here", asked("AUTH", "")).starts_with("the mechanisms follow"));
        let greeting = answer("+OK", "POP3 ready <1896.697@mail.example>", None);
        assert!(greeting.text.contains("APOP") && greeting.source == "RFC 1939 §7", "{greeting:?}");
        let refused = answer("-ERR", "[IN-USE] locked", asked("PASS", ""));
        assert!(refused.text.starts_with("PASS was refused; another program"), "{}", refused.text);
        assert_eq!(refused.source, "RFC 2449 §8.1.2");
        let web = answer("-ERR", "[WEBALERT https://mail.example/x] Web login required.", asked("PASS", ""));
        assert!(web.text.ends_with("(https://mail.example/x)"), "{}", web.text);
        let text = answer("-ERR", "[no code] at all", asked("DELE", "1"));
        assert_eq!(text.text, "DELE was refused");
    }
}
