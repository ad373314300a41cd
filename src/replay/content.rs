//! What a content comes to when it is compared: hashes of its bytes, and of what of it is the same from run to run.
//! Takes its stretches as they pass, gives two hashes, or the words that count in it.
//! Does not know which protocol carried it, nor keep its bytes.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use crate::proto::same::Kept;

/// The longest line of which the beginning is looked at, in bytes: of a longer one the rest counts as it is.
const LINE_MAX: usize = 16 * 1024;

/// How many words of a listing are kept; of a longer one the hash says whether it is the same.
const WORDS_MAX: usize = 10_000;

/// How many boundaries between the parts of a message are known at a time; real messages nest a few.
const BOUNDARIES_MAX: usize = 64;

/// Header fields that are new in every run: the trace, times and what programs make up.
const VOLATILE: &[&str] = &[
    "received",
    "date",
    "message-id",
    "delivered-to",
    "x-original-to",
    "return-path",
    "x-uid",
    "x-uidl",
    "x-keywords",
    "status",
    "x-status",
    "delivery-date",
    "x-mailer",
    "user-agent",
];

/// A content that has passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// On the wire, its terminator not counted.
    pub bytes: u64,
    pub exact: [u8; 32],
    /// Of what is the same from run to run.
    pub steady: [u8; 32],
    /// The lines that count, where it is a listing.
    pub words: Option<Vec<String>>,
    /// Its bytes are not all in the recording, so that only its size can be compared.
    pub elided: bool,
}

impl Sum {
    /// Whether both mean the same, as far as it can be told.
    #[must_use]
    pub fn means(&self, other: &Sum) -> bool {
        self.elided || other.elided || self.steady == other.steady
    }
}

/// A content under way.
pub struct Summing {
    kept: Kept,
    exact: Sha256,
    steady: Sha256,
    line: Vec<u8>,
    /// Within a line that is longer than the longest.
    long: bool,
    words: Vec<String>,
    header: bool,
    /// The field under way is left out.
    skipping: bool,
    boundaries: HashSet<Vec<u8>>,
    bytes: u64,
    elided: bool,
}

impl Summing {
    #[must_use]
    pub fn new(kept: Kept) -> Summing {
        Summing {
            kept,
            exact: Sha256::new(),
            steady: Sha256::new(),
            line: Vec::new(),
            long: false,
            words: Vec::new(),
            header: true,
            skipping: false,
            boundaries: HashSet::new(),
            bytes: 0,
            elided: false,
        }
    }

    /// The next stretch. `bytes` is how many there were until its end; `elided` that some are missing.
    pub fn add(&mut self, wire: &[u8], bytes: u64, elided: bool) {
        self.bytes = bytes;
        self.elided |= elided;
        self.exact.update(wire);
        if self.kept == Kept::All {
            self.steady.update(wire);
            return;
        }
        for part in wire.split_inclusive(|&byte| byte == b'\n') {
            let room = LINE_MAX.saturating_sub(self.line.len());
            if part.len() > room {
                self.flush();
                self.long = true;
            }
            if self.long {
                self.steady.update(part);
            } else {
                self.line.extend_from_slice(part);
            }
            if part.ends_with(b"\n") {
                self.flush();
                self.long = false;
            }
        }
    }

    #[must_use]
    pub fn finish(mut self) -> Sum {
        self.flush();
        let listing = matches!(self.kept, Kept::FirstWords | Kept::Capabilities) && self.words.len() < WORDS_MAX;
        Sum {
            bytes: self.bytes,
            exact: self.exact.finalize().into(),
            steady: self.steady.finalize().into(),
            words: listing.then_some(self.words),
            elided: self.elided,
        }
    }

    fn flush(&mut self) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return;
        }
        match self.kept {
            Kept::All => {}
            Kept::Message => self.message_line(&line),
            Kept::FirstWords => {
                let word = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
                self.word(String::from_utf8_lossy(word).into_owned());
            }
            Kept::Capabilities => {
                let text = String::from_utf8_lossy(line.trim_ascii()).to_ascii_uppercase();
                self.word(text.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
            }
        }
    }

    fn word(&mut self, word: String) {
        self.steady.update(word.as_bytes());
        self.steady.update(b"\n");
        if word != "." && !word.is_empty() && self.words.len() < WORDS_MAX {
            self.words.push(word);
        }
    }

    fn message_line(&mut self, line: &[u8]) {
        let text = line.trim_ascii_end();
        if self.header {
            if text.is_empty() {
                self.header = false;
            }
            if !line.starts_with(b" ") && !line.starts_with(b"\t") {
                let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
                let name = String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase();
                self.skipping = VOLATILE.contains(&name.as_str());
            }
            if self.skipping && self.header {
                return;
            }
        }
        // The dot that ends a message on the wire, or stands before one that begins a line.
        if text == b"." {
            return;
        }
        if let Some(boundary) = boundary(text)
            && self.boundaries.len() < BOUNDARIES_MAX
        {
            let shown = replaced(text, &boundary);
            self.boundaries.insert(boundary);
            self.steady.update(shown);
            self.steady.update(b"\n");
            return;
        }
        let inner = text.strip_prefix(b"--").map(|rest| rest.strip_suffix(b"--").unwrap_or(rest));
        if inner.is_some_and(|inner| self.boundaries.contains(inner)) {
            self.steady.update(b"--boundary\n");
            return;
        }
        self.steady.update(text);
        self.steady.update(b"\n");
    }
}

/// What stands behind `boundary=` in a line (RFC 2046 §5.1.1): it is made up anew for every message.
fn boundary(line: &[u8]) -> Option<Vec<u8>> {
    let lower = line.to_ascii_lowercase();
    let from = memchr::memmem::find(&lower, b"boundary=")? + b"boundary=".len();
    let rest = line.get(from..)?;
    let value = match rest.strip_prefix(b"\"") {
        Some(quoted) => quoted.split(|&byte| byte == b'"').next()?,
        None => rest.split(|&byte| byte == b';' || byte.is_ascii_whitespace()).next()?,
    };
    (!value.is_empty()).then(|| value.to_vec())
}

fn replaced(line: &[u8], boundary: &[u8]) -> Vec<u8> {
    let at = memchr::memmem::find(line, boundary).unwrap_or(line.len());
    let after = line.get(at + boundary.len()..).unwrap_or_default();
    [line.get(..at).unwrap_or(line), b"boundary", after].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: &[u8], cut: usize) -> Sum {
        let mut summing = Summing::new(Kept::Message);
        for part in bytes.chunks(cut.max(1)) {
            summing.add(part, 0, false);
        }
        summing.finish()
    }

    #[test]
    fn trace_dates_and_boundaries_are_set_aside() {
        let one = b"Received: from a\r\n\tby b; today\r\nSubject: x\r\nDate: now\r\nContent-Type: multipart/mixed;\r\n boundary=\"abc\"\r\n\r\n--abc\r\n\r\nhi\r\n--abc--\r\n";
        let other = b"Subject: x\r\nMessage-ID: <1@x>\r\nContent-Type: multipart/mixed;\r\n boundary=\"xyz1\"\r\n\r\n--xyz1\r\n\r\nhi\r\n--xyz1--\r\n";
        assert!(message(one, 1000).means(&message(other, 1)));
        assert_eq!(message(one, 3), message(one, 1));
        let third = b"Subject: y\r\n\r\nhi\r\n";
        assert!(!message(one, 1000).means(&message(third, 1000)));
        assert!(!message(b"a: b\r\n\r\nDate: 1\r\n", 5).means(&message(b"a: b\r\n\r\nDate: 2\r\n", 5)));
    }

    #[test]
    fn a_listing_is_its_first_words() {
        let mut summing = Summing::new(Kept::FirstWords);
        summing.add(b"1 120\r\n2 99\r\n.\r\n", 13, false);
        assert_eq!(summing.finish().words.unwrap(), ["1", "2"]);
    }
}
