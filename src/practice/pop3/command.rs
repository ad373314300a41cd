//! POP3 command lines, read.
//! Takes a line without its line end; gives a [`Command`], of which one kind says what is wrong with the line.
//! It does not know which commands are allowed before login.

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    User(String),
    Pass(Vec<u8>),
    Apop { name: String, digest: String },
    AuthList,
    Auth { mechanism: String, initial: Option<String> },
    Capa,
    Stls,
    Stat,
    List(Option<usize>),
    Uidl(Option<usize>),
    Retr(usize),
    Top { number: usize, lines: u64 },
    Dele(usize),
    Rset,
    Noop,
    Quit,
    Wrong(&'static str),
}

const UNKNOWN: Command = Command::Wrong("Unknown command.");
const NOISE: Command = Command::Wrong("Noise after message number.");

#[must_use]
pub fn parse(line: &[u8]) -> Command {
    let space = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let (verb, rest) = line.split_at(space);
    let verb = verb.to_ascii_uppercase();
    if verb == b"PASS" {
        // Everything after one space: passwords may have spaces, also at their ends (RFC 1939, 7).
        return Command::Pass(rest.get(1..).unwrap_or_default().to_vec());
    }
    let Ok(rest) = std::str::from_utf8(rest) else { return UNKNOWN };
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    match (verb.as_slice(), words.as_slice()) {
        (b"USER", []) => Command::Wrong("No username given."),
        (b"USER", _) => Command::User(rest.trim().to_owned()),
        (b"APOP", [name, digest]) => Command::Apop { name: (*name).to_owned(), digest: (*digest).to_owned() },
        (b"APOP", _) => Command::Wrong("Invalid APOP parameters."),
        (b"AUTH", []) => Command::AuthList,
        (b"AUTH", [mechanism]) => Command::Auth { mechanism: (*mechanism).to_owned(), initial: None },
        (b"AUTH", [mechanism, initial]) => {
            Command::Auth { mechanism: (*mechanism).to_owned(), initial: Some((*initial).to_owned()) }
        }
        (b"CAPA", []) => Command::Capa,
        (b"STLS", []) => Command::Stls,
        (b"STAT", []) => Command::Stat,
        (b"RSET", []) => Command::Rset,
        (b"NOOP", []) => Command::Noop,
        (b"QUIT", []) => Command::Quit,
        (b"LIST", []) => Command::List(None),
        (b"UIDL", []) => Command::Uidl(None),
        (b"LIST", [n]) => number(n, |n| Command::List(Some(n))),
        (b"UIDL", [n]) => number(n, |n| Command::Uidl(Some(n))),
        (b"RETR", [n]) => number(n, Command::Retr),
        (b"DELE", [n]) => number(n, Command::Dele),
        (b"TOP", [n, lines]) => match lines.parse() {
            Ok(lines) => number(n, |number| Command::Top { number, lines }),
            Err(_) => Command::Wrong("Invalid line count."),
        },
        (b"RETR" | b"DELE" | b"TOP", []) => Command::Wrong("Invalid message number: "),
        (b"TOP", [_]) => Command::Wrong("Invalid line count."),
        (b"LIST" | b"UIDL" | b"RETR" | b"DELE" | b"TOP", _) => NOISE,
        _ => UNKNOWN,
    }
}

fn number(text: &str, command: impl FnOnce(usize) -> Command) -> Command {
    match text.parse() {
        Ok(0) | Err(_) => Command::Wrong("Invalid message number."),
        Ok(number) => command(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_password_is_taken_whole() {
        assert_eq!(parse(b"pass  two  spaces "), Command::Pass(b" two  spaces ".to_vec()));
        assert_eq!(parse(b"PASS"), Command::Pass(Vec::new()));
    }

    #[test]
    fn numbers_begin_with_one() {
        assert_eq!(parse(b"RETR 1"), Command::Retr(1));
        assert!(matches!(parse(b"RETR 0"), Command::Wrong(_)));
        assert!(matches!(parse(b"DELE x"), Command::Wrong(_)));
        assert_eq!(parse(b"LIST 1 2"), NOISE);
    }

    proptest! {
        #[test]
        fn any_line_is_read(line in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = parse(&line);
        }
    }
}
