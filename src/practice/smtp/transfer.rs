//! The message itself: DATA with its dots, BDAT with its counts.
//! Takes bytes from the wire up to the end of the message, also of one that is refused; gives the reply.
//! It does not know where a message goes.

use std::io;

use super::super::limits::SKIP;
use super::super::wire::Wire;
use super::{Next, Session};

const TOO_BIG: &str = "552 5.3.4 Error: message file too big";

impl Session<'_> {
    pub(super) async fn data(&mut self) -> io::Result<()> {
        match &self.transaction {
            None => self.wire.line("503 5.5.1 Error: need MAIL command"),
            Some(transaction) if transaction.is_chunked => self.wire.line("503 5.5.1 Error: DATA after BDAT"),
            Some(transaction) if transaction.recipients.is_empty() => {
                self.wire.line("554 5.5.1 Error: no valid recipients");
            }
            Some(_) => {
                self.wire.line("354 End data with <CR><LF>.<CR><LF>");
                let message = read_data(self.wire, self.shared.limits.message).await?;
                match message {
                    None => {
                        self.transaction = None;
                        self.wire.line(TOO_BIG);
                    }
                    Some(message) => self.deliver(message),
                }
            }
        }
        Ok(())
    }

    pub(super) async fn bdat(&mut self, size: u64, last: bool) -> io::Result<Next> {
        if size > SKIP {
            // Too much even to pass over: the way back into step is a new connection.
            self.wire.line("421 4.3.4 Error: chunk too big");
            return Ok(Next::Quit);
        }
        let limit = self.shared.limits.message;
        let refusal = match &self.transaction {
            None => Some("503 5.5.1 Error: need MAIL command"),
            Some(transaction) if transaction.recipients.is_empty() => Some("554 5.5.1 Error: no valid recipients"),
            Some(transaction) if size.saturating_add(transaction.chunks.len() as u64) > limit => Some(TOO_BIG),
            Some(_) => None,
        };
        if let Some(refusal) = refusal {
            // The octets come even when they are refused (RFC 3030, 2).
            self.wire.skip(size).await?;
            if refusal == TOO_BIG {
                self.transaction = None;
            }
            self.wire.line(refusal);
            return Ok(Next::Go);
        }
        if let Some(transaction) = &mut self.transaction {
            transaction.is_chunked = true;
            self.wire.read_exact(size, &mut transaction.chunks).await?;
            let message = std::mem::take(&mut transaction.chunks);
            if last {
                self.deliver(message);
            } else {
                transaction.chunks = message;
                self.wire.line(&format!("250 2.0.0 Ok: {size} bytes"));
            }
        }
        Ok(Next::Go)
    }
}

/// Reads up to CRLF.CRLF and takes the stuffed dots out. None: it was longer than `max`.
async fn read_data(wire: &mut Wire, max: u64) -> io::Result<Option<Vec<u8>>> {
    let mut dots = Dots::default();
    let mut message = Vec::new();
    let mut too_big = false;
    loop {
        let block = wire.read_some(u64::MAX).await?;
        let end = dots.feed(&block, &mut message);
        if message.len() as u64 > max {
            too_big = true;
            message.clear();
        }
        if let Some(end) = end {
            wire.unread(&block[end..]);
            return Ok((!too_big).then_some(message));
        }
    }
}

/// Where in a line the next octet stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Dots {
    #[default]
    LineStart,
    Text,
    Cr,
    /// A dot at the start of a line.
    Dot,
    DotCr,
}

impl Dots {
    /// Appends what belongs to the message. Some: the message ended before this position.
    fn feed(&mut self, block: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        for (at, &byte) in block.iter().enumerate() {
            *self = match (*self, byte) {
                (Dots::LineStart, b'.') => Dots::Dot,
                (Dots::Dot, b'\r') => Dots::DotCr,
                (Dots::DotCr, b'\n') => {
                    *self = Dots::LineStart;
                    return Some(at + 1);
                }
                (Dots::Cr, b'\n') => {
                    out.push(byte);
                    Dots::LineStart
                }
                (state, byte) => {
                    // The dot is dropped, whatever follows (RFC 5321, 4.5.2); a CR that ended nothing is text.
                    if state == Dots::DotCr {
                        out.push(b'\r');
                    }
                    out.push(byte);
                    if byte == b'\r' { Dots::Cr } else { Dots::Text }
                }
            };
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(wire: &[u8], cut: usize) -> Option<(Vec<u8>, usize)> {
        let (mut dots, mut out) = (Dots::default(), Vec::new());
        let (head, tail) = wire.split_at(cut.min(wire.len()));
        if let Some(end) = dots.feed(head, &mut out) {
            return Some((out, end));
        }
        dots.feed(tail, &mut out).map(|end| (out, head.len() + end))
    }

    #[test]
    fn only_crlf_dot_crlf_ends() {
        assert_eq!(read(b".\r\nQUIT", 1), Some((Vec::new(), 3)));
        assert_eq!(read(b"..a\r\n.\r\n", 0), Some((b".a\r\n".to_vec(), 8)));
        assert_eq!(read(b"a\n.\nb\r\n.\nc\r\n", 3), None);
        assert_eq!(read(b"a\r\n.\rb\r\n.\r\n", 5), Some((b"a\r\n\rb\r\n".to_vec(), 11)));
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(body in "[.\r\na]{0,40}", cut in 0usize..50) {
            let wire = format!("{body}\r\n.\r\n");
            prop_assert_eq!(read(wire.as_bytes(), 0), read(wire.as_bytes(), cut));
        }
    }
}
