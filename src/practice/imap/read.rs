//! Reading one whole command: lines joined by literals, each literal asked for or refused before it comes.
//! Takes lines from the wire; gives the bytes of a command whose literals are in place, or the answer to a refused one.
//! It does not know the grammar beyond tag, verb and `{n}` at a line's end.

use std::io;

use super::super::limits::{APPEND_MESSAGES, IMAP_COMMAND, SKIP};
use super::super::wire::Line;
use super::parse::{self, Cursor};
use super::{Answer, Session, refused};
use crate::practice::store::Refusal;

/// A literal announced at the end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Literal {
    size: u64,
    /// `{n+}`: it comes without being asked for.
    comes_anyway: bool,
}

/// What came of reading a command.
pub(super) enum Read {
    Whole(Vec<u8>),
    /// It was passed over; its tag, and the answer.
    Refused(String, Answer),
}

impl Session<'_> {
    /// The next command.
    pub(super) async fn read_command(&mut self) -> io::Result<Read> {
        let mut bytes = Vec::new();
        // Octets of the command outside of messages, and the answer to what is being passed over.
        let (mut outside, mut literals) = (0, 0);
        let mut refusal: Option<Answer> = None;
        loop {
            let fresh = bytes.is_empty() && refusal.is_none();
            let line = match fresh {
                true => self.wire.read_command(IMAP_COMMAND).await?,
                false => self.wire.read_line(IMAP_COMMAND).await?,
            };
            let line = match line {
                Line::Whole(line) => line,
                Line::TooLong { start } => {
                    bytes.extend_from_slice(&start);
                    refusal = Some(Answer::Bad(super::explain(&parse::head(&bytes).1, "Line is too long")));
                    break;
                }
            };
            outside += line.len();
            let literal = trailing_literal(&line);
            if refusal.is_none() {
                bytes.extend_from_slice(&line);
            }
            if bytes.is_empty() {
                // Some clients send an empty line after a literal; it is no command.
                continue;
            }
            let Some(literal) = literal else { break };
            literals += 1;
            let is_message = parse::head(&bytes).1 == "APPEND" && refusal.is_none() && is_after_mailbox(&bytes);
            if refusal.is_none() {
                refusal = self.refuses(&bytes, literal, is_message, outside, literals);
            }
            match (&refusal, literal.comes_anyway) {
                (Some(_), false) => break,
                (Some(_), true) if literal.size > SKIP => {
                    refusal = Some(Answer::Bye("[TOOBIG] Literal too big to be passed over."));
                    break;
                }
                (Some(_), true) => self.wire.skip(literal.size).await?,
                (None, comes_anyway) => {
                    if !comes_anyway {
                        self.wire.line("+ OK");
                    }
                    if !is_message {
                        outside += literal.size as usize;
                    }
                    bytes.extend_from_slice(b"\r\n");
                    self.wire.read_exact(literal.size, &mut bytes).await?;
                }
            }
        }
        let Some(answer) = refusal else { return Ok(Read::Whole(bytes)) };
        let tag = match parse::head(&bytes) {
            (Some(tag), verb) if !verb.is_empty() => tag,
            _ => "*".to_owned(),
        };
        Ok(Read::Refused(tag, answer))
    }

    /// The answer to a literal that is not wanted.
    fn refuses(
        &self,
        bytes: &[u8],
        literal: Literal,
        is_message: bool,
        outside: usize,
        literals: usize,
    ) -> Option<Answer> {
        if !is_message {
            let total = literal.size.saturating_add(outside as u64);
            return (total > IMAP_COMMAND as u64).then(|| Answer::Bad("[TOOBIG] Literal too big.".to_owned()));
        }
        let Some(user) = &self.user else {
            return Some(Answer::Bad("Error in IMAP command APPEND: Not logged in.".to_owned()));
        };
        let bounds = user.store.bounds();
        match append_mailbox(bytes).map(|name| parse::mailbox_name(&name)) {
            Some(Ok(mailbox)) if user.store.mailbox(&mailbox).is_some() => {}
            Some(Ok(mailbox)) => return Some(Answer::try_create(&mailbox)),
            Some(Err(parse::Bad::Senseless(why))) => return Some(Answer::No(why.to_owned())),
            Some(Err(_)) | None => {
                return Some(Answer::Bad("Error in IMAP command APPEND: Invalid mailbox name.".to_owned()));
            }
        }
        if literal.size > bounds.message {
            return Some(refused(&Refusal::TooBig));
        }
        if literals > APPEND_MESSAGES {
            return Some(refused(&Refusal::Limit("Too many messages in one APPEND")));
        }
        // All messages of one APPEND are held until the last has come.
        let held = literal.size.saturating_add(bytes.len() as u64);
        if held > bounds.message * 2 {
            return Some(refused(&Refusal::TooBig));
        }
        (held > user.store.room()).then(|| refused(&Refusal::OverQuota))
    }
}

/// Does an APPEND's line go beyond the mailbox's name? If not, the literal is the name itself.
fn is_after_mailbox(bytes: &[u8]) -> bool {
    append_mailbox(bytes).is_some()
}

/// The name as it was sent.
fn append_mailbox(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut cursor = Cursor::new(bytes);
    cursor.tag().ok()?;
    cursor.space().ok()?;
    cursor.verb();
    cursor.space().ok()?;
    cursor.astring().ok()
}

/// `{n}` or `{n+}` at the end of a line, outside of quotes.
fn trailing_literal(line: &[u8]) -> Option<Literal> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|byte| *byte == b'{')?;
    let (digits, comes_anyway) = match inner[open + 1..].strip_suffix(b"+") {
        Some(digits) => (digits, true),
        None => (&inner[open + 1..], false),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (mut quoted, mut escaped) = (false, false);
    for &byte in &line[..open] {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    // A number with more digits than fit is a literal all the same, of a size nobody takes.
    let size = std::str::from_utf8(digits).ok()?.parse().unwrap_or(u64::MAX);
    (!quoted).then_some(Literal { size, comes_anyway })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_told_from_text() {
        let literal = |line: &[u8]| trailing_literal(line).map(|l| (l.size, l.comes_anyway));
        assert_eq!(literal(b"a LOGIN {3}"), Some((3, false)));
        assert_eq!(literal(b"a LOGIN {12+}"), Some((12, true)));
        assert_eq!(literal(b"a APPEND x {99999999999999999999999}"), Some((u64::MAX, false)));
        assert_eq!(literal(b"a LOGIN \"x {3}"), None);
        assert_eq!(literal(b"a LOGIN \"x\\\" {3}"), None);
        assert_eq!(literal(b"a LOGIN {}"), None);
        assert_eq!(literal(b"a LOGIN {-1}"), None);
    }
}
