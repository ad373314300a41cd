//! What a ManageSieve client asks and a server answers, said with the line's own values.
//! Takes a verb or status and the rest of the line, or the lines of an answer; gives a sentence and its source.
//! Does not know the filter language, nor what stands in literals behind a line.

use super::imap_tokens::{Token, tokens};
use super::plain::{clip, count, list, size};
use super::{
    Asked, Category, Explained, Protocol, clauses, find, mechanism_sentence, row, split_word, strange_capabilities,
};

/// One command. Its strings may be literals, which follow.
pub(in crate::view::words) fn command(verb: &str, rest: &str) -> Explained {
    let entry = row(Protocol::Sieve, Category::Command, verb);
    let words = tokens(rest);
    match said(verb, &words) {
        Some(text) => Explained::new(text, entry.source),
        None => entry,
    }
}

fn said(verb: &str, words: &[Token]) -> Option<String> {
    let first = words.first();
    Some(match verb {
        "AUTHENTICATE" => {
            let mechanism = first?.text()?;
            let begins = if words.len() > 1 { ", its first message included" } else { "" };
            format!("logs in by {}{begins}: {}", clip(mechanism), mechanism_sentence(mechanism).text)
        }
        "HAVESPACE" => format!("asks whether {} of {} would fit", script(first?), size(words.get(1)?.number()?)),
        "PUTSCRIPT" => match words.get(1) {
            Some(Token::Literal(bytes)) => format!("stores {} of {}", script(first?), size(*bytes)),
            _ => format!("stores {}", script(first?)),
        },
        "SETACTIVE" if first?.text() == Some("") => {
            "switches the active filter script off, so that none runs".to_owned()
        }
        "SETACTIVE" => format!("makes {} the one that runs on new mail", script(first?)),
        "GETSCRIPT" => format!("asks for {}", script(first?)),
        "DELETESCRIPT" => format!("removes {}", script(first?)),
        "RENAMESCRIPT" => match words.get(1)?.text() {
            Some(to) => format!("gives {} the name “{}”", script(first?), clip(to)),
            None => format!("gives {} another name, which follows", script(first?)),
        },
        _ => return None,
    })
}

fn script(name: &Token) -> String {
    match name.text() {
        Some(name) => format!("the filter script “{}”", clip(name)),
        None => "the filter script whose name follows".to_owned(),
    }
}

/// A status line: `code` is what stands behind it in parentheses, without its values.
pub(in crate::view::words) fn answer(status: &str, code: Option<&str>, completes: Option<Asked<'_>>) -> Explained {
    let entry = row(Protocol::Sieve, Category::Reply, status);
    let outcome = match (status, completes) {
        ("OK", Some(asked)) => match done(asked.verb) {
            Some(said) => Explained::new(said, asked.source(Protocol::Sieve).unwrap_or(entry.source)),
            None => entry,
        },
        ("NO", Some(asked)) => Explained::new(format!("{} was refused", clip(asked.verb)), entry.source),
        _ => entry,
    };
    match code {
        Some(code) => {
            let told = row(Protocol::Sieve, Category::ResponseCode, code);
            Explained::new(clauses([outcome.text, told.text]), told.source)
        }
        None => outcome,
    }
}

fn done(verb: &str) -> Option<&'static str> {
    Some(match verb {
        "AUTHENTICATE" => "the login worked",
        "STARTTLS" => "the encryption begins now",
        "LOGOUT" => "the session is over",
        "HAVESPACE" => "the script would fit",
        "PUTSCRIPT" => "the script is stored",
        "CHECKSCRIPT" => "the script is free of errors",
        "SETACTIVE" => "the choice is made",
        "DELETESCRIPT" => "the script is removed",
        "RENAMESCRIPT" => "the script has its new name",
        "GETSCRIPT" => "the script stands before this line",
        "UNAUTHENTICATE" => "the person is logged out",
        _ => return None,
    })
}

/// The server's first answer: what it can do, and that it is ready.
pub(in crate::view::words) fn greeting(lines: &[&str], status: &str) -> Explained {
    if status != "OK" {
        return row(Protocol::Sieve, Category::Reply, status);
    }
    let told = capabilities(lines);
    Explained::new(clauses(["the server greets and is ready".to_owned(), told.text]), told.source)
}

/// A whole answer: its lines of data, then its status line.
pub(in crate::view::words) fn reply(
    lines: &[&str],
    status: &str,
    code: Option<&str>,
    completes: Option<Asked<'_>>,
) -> Explained {
    match (completes.map(|asked| asked.verb), status) {
        (Some("LISTSCRIPTS"), "OK") => scripts(lines),
        (Some("CAPABILITY") | None, "OK") if !lines.is_empty() => capabilities(lines),
        _ => answer(status, code, completes),
    }
}

/// The first line of data that is a literal, before its status line is known.
pub(in crate::view::words) fn data(name: &str) -> Option<Explained> {
    let source = find(Protocol::Sieve, Category::Command, name)?.source;
    (name == "GETSCRIPT").then(|| Explained::new("the script follows", source))
}

/// Each line of a list of capabilities, and the status line behind it.
pub(in crate::view::words) fn each_capability(wire: &str, status: &str) -> Vec<Explained> {
    let lines = lines_of(wire, status);
    let mut told: Vec<Explained> = lines.iter().filter_map(|line| one_capability(line)).collect();
    if told.len() == lines.len() {
        told.push(Explained::new("the server is ready", "RFC 5804 §1.3"));
    } else {
        // A literal broke a line, so that none can be told from the others.
        told.clear();
    }
    told
}

/// One line of such a list.
pub(in crate::view::words) fn one_capability(line: &str) -> Option<Explained> {
    let (name, value) = capability_line(line)?;
    let entry = row(Protocol::Sieve, Category::Capability, &name);
    Some(match value.as_str() {
        "" => entry,
        value => Explained::new(format!("{}: {}", entry.text, clip(value)), entry.source),
    })
}

/// One line of a list of scripts.
pub(in crate::view::words) fn one_script(line: &str) -> Option<Explained> {
    let words = tokens(line);
    let name = words.first()?.text()?;
    let active = if words.get(1).is_some_and(|word| word.is_atom("ACTIVE")) { ", which runs on new mail" } else { "" };
    let source = find(Protocol::Sieve, Category::Command, "LISTSCRIPTS").map_or("", |entry| entry.source);
    Some(Explained::new(format!("there is the filter script “{}”{active}", clip(name)), source))
}

/// The lines before a status line that list what the server can do.
pub(in crate::view::words) fn capabilities(lines: &[&str]) -> Explained {
    let listed: Vec<(String, String)> = lines.iter().filter_map(|line| capability_line(line)).collect();
    let value =
        |name: &str| listed.iter().find(|(word, _)| word.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
    let words = |name: &str| value(name).unwrap_or_default().split_ascii_whitespace().map(clip).collect::<Vec<_>>();
    let (logins, extensions) = (words("SASL"), words("SIEVE"));
    let text = clauses([
        value("IMPLEMENTATION").map(|name| format!("the server is {}", clip(name))).unwrap_or_default(),
        if logins.is_empty() { String::new() } else { format!("logins by {}", list(&logins)) },
        if extensions.is_empty() { String::new() } else { format!("scripts may use {}", list(&extensions)) },
        if value("STARTTLS").is_some() {
            "the connection can be encrypted (STARTTLS)".to_owned()
        } else {
            String::new()
        },
        strange_capabilities(
            Protocol::Sieve,
            listed.iter().map(|(word, value)| format!("{word} {value}")).collect::<Vec<_>>().iter().map(String::as_str),
        ),
    ]);
    Explained::new(text, "RFC 5804 §1.7")
}

/// `"SIEVE" "fileinto vacation"`.
fn capability_line(line: &str) -> Option<(String, String)> {
    let words = tokens(line);
    let name = words.first()?.text()?.to_owned();
    Some((name, words.get(1).and_then(Token::text).unwrap_or_default().to_owned()))
}

/// The lines before a status line that list scripts.
pub(in crate::view::words) fn scripts(lines: &[&str]) -> Explained {
    let active = lines.iter().find_map(|line| {
        let words = tokens(line);
        words.get(1).filter(|word| word.is_atom("ACTIVE"))?;
        Some(words.first()?.text()?.to_owned())
    });
    let text = match active {
        Some(name) => format!("{}; “{}” runs on new mail", count(lines.len() as u64, "filter script"), clip(&name)),
        None => format!("{}; none runs on new mail", count(lines.len() as u64, "filter script")),
    };
    Explained::new(text, find(Protocol::Sieve, Category::Command, "LISTSCRIPTS").map_or("", |entry| entry.source))
}

/// The lines of an answer that stand before its status line.
pub(in crate::view::words) fn lines_of<'w>(wire: &'w str, status: &str) -> Vec<&'w str> {
    wire.lines().take_while(|line| !split_word(line).0.eq_ignore_ascii_case(status)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn says(verb: &str, rest: &str, expected: &str) {
        assert_eq!(command(verb, rest).text, expected);
    }

    #[test]
    fn commands_name_what_they_act_on() {
        says("PUTSCRIPT", "\"main\" {31+}", "stores the filter script “main” of 31 bytes");
        says("HAVESPACE", "\"main\" 2048", "asks whether the filter script “main” of 2 kB would fit");
        says("SETACTIVE", "\"main\"", "makes the filter script “main” the one that runs on new mail");
        says("SETACTIVE", "\"\"", "switches the active filter script off, so that none runs");
        says("RENAMESCRIPT", "\"a\" \"b\"", "gives the filter script “a” the name “b”");
        says("GETSCRIPT", "{4+}", "asks for the filter script whose name follows");
        says("SETACTIV", "\"main\"", "SETACTIV is an unknown command; perhaps SETACTIVE was meant");
        assert!(
            command("AUTHENTICATE", "\"PLAIN\" \"AGpvZQBzZXNhbWU=\"").text.starts_with("logs in by PLAIN, its first")
        );
        assert!(!command("AUTHENTICATE", "\"PLAIN\" \"AGpvZQBzZXNhbWU=\"").text.contains("AGpv"));
    }

    #[test]
    fn answers_are_read_by_command_and_code() {
        let put = Some(Asked { verb: "PUTSCRIPT", rest: "" });
        assert_eq!(answer("OK", None, put), Explained::new("the script is stored", "RFC 5804 §2.6"));
        assert_eq!(answer("NO", Some("QUOTA/MAXSIZE"), put).text, "PUTSCRIPT was refused; the script is too big");
        assert_eq!(answer("NO", Some("TRYLATR"), put).text.split("; ").last(), Some("perhaps TRYLATER was meant"));
    }

    #[test]
    fn lists_are_summed_up() {
        let lines =
            ["\"IMPLEMENTATION\" \"Pigeonhole\"", "\"SASL\" \"PLAIN LOGNI\"", "\"SIEVE\" \"fileinto\"", "\"STARTTSL\""];
        assert_eq!(
            capabilities(&lines).text,
            "the server is Pigeonhole; logins by PLAIN and LOGNI; scripts may use fileinto; unknown: LOGNI (perhaps \
             LOGIN) and STARTTSL (perhaps STARTTLS)"
        );
        assert_eq!(scripts(&["\"a\"", "\"b\" ACTIVE"]).text, "2 filter scripts; “b” runs on new mail");
    }
}
