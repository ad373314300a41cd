//! Reads a recording event by event, however long it is, and passes over what is damaged.
//! Takes a file, gives its lines and events, and says what it passed over.
//! Does not know what the events mean.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::event::Event;

use super::Error;

/// Bytes of the longest line that is read. An event holds at most some MiB of wire, which JSON or base64 may make
/// longer several times over; a longer line is damage.
pub const LINE_MAX: usize = 256 * 1024 * 1024;

/// Bytes that are read from the file at once.
const BLOCK: usize = 256 * 1024;

/// A line of a recording and the event that it says.
#[derive(Debug)]
pub struct Record<'r> {
    /// Without its line end.
    pub line: &'r [u8],
    pub event: Event<'static>,
}

/// What was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The last line has no end: its writer was stopped within it.
    Torn {
        line: u64,
    },
    Bad {
        line: u64,
        why: String,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::Torn { line } => write!(f, "line {line}, the last, is torn and was passed over"),
            Damage::Bad { line, why } => write!(f, "line {line} is damaged and was passed over: {why}"),
        }
    }
}

/// A recording, read from its start or followed while it grows.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    input: BufReader<File>,
    /// Where the next line begins.
    offset: u64,
    /// Up to where lines were counted, and how many there are before it. Only damage makes anybody count.
    counted: (u64, u64),
    line: Vec<u8>,
}

impl Reader {
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path) -> Result<Reader, Error> {
        Reader::open_at(path, 0)
            .map_err(|error| Error::at(path, "read", &error, "see mailtap sessions for the recordings that there are"))
    }

    /// Goes on from a place that [`Reader::offset`] told.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open_at(path: &Path, offset: u64) -> io::Result<Reader> {
        let mut file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        file.seek(SeekFrom::Start(offset))?;
        let input = BufReader::with_capacity(BLOCK, file);
        Ok(Reader { path: path.to_owned(), input, offset, counted: (0, 0), line: Vec::new() })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the next line begins, in bytes.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next event, or None at the end of what is there now. Damage is told and passed over.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn next(&mut self, damage: &mut dyn FnMut(Damage)) -> io::Result<Option<Record<'_>>> {
        let event = loop {
            let start = self.offset;
            match self.read_line()? {
                Step::End => return Ok(None),
                Step::Torn => {
                    damage(Damage::Torn { line: self.number(start)? });
                    return Ok(None);
                }
                Step::TooLong => {
                    let why = format!("longer than {} MiB", LINE_MAX >> 20);
                    damage(Damage::Bad { line: self.number(start)?, why });
                }
                Step::Line if self.line.is_empty() => {}
                Step::Line => match Event::from_json(&self.line) {
                    Ok(event) => break event,
                    Err(error) => damage(Damage::Bad { line: self.number(start)?, why: error.to_string() }),
                },
            }
        };
        Ok(Some(Record { line: &self.line, event }))
    }

    fn read_line(&mut self) -> io::Result<Step> {
        self.line.clear();
        let read = (&mut self.input).take(LINE_MAX as u64).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(Step::End);
        }
        if self.line.pop_if(|last| *last == b'\n').is_some() {
            self.offset += read as u64;
            return Ok(Step::Line);
        }
        if read < LINE_MAX {
            // What is there so far is read again when there is more.
            self.input.seek(SeekFrom::Start(self.offset))?;
            return Ok(Step::Torn);
        }
        self.line = Vec::new();
        self.offset += read as u64 + self.skip_to_line_end()?;
        Ok(Step::TooLong)
    }

    /// The number of the line that begins at `start`, from 1.
    fn number(&mut self, start: u64) -> io::Result<u64> {
        let (from, lines) = self.counted;
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(from))?;
        let mut input = BufReader::with_capacity(BLOCK, file.take(start.saturating_sub(from)));
        let mut lines = lines;
        loop {
            let block = input.fill_buf()?;
            let size = block.len();
            if size == 0 {
                break;
            }
            lines += memchr::memchr_iter(b'\n', block).count() as u64;
            input.consume(size);
        }
        self.counted = (start, lines);
        Ok(lines + 1)
    }

    fn skip_to_line_end(&mut self) -> io::Result<u64> {
        let mut skipped = 0;
        loop {
            let block = self.input.fill_buf()?;
            let (used, done) = match memchr::memchr(b'\n', block) {
                Some(end) => (end + 1, true),
                None => (block.len(), block.is_empty()),
            };
            self.input.consume(used);
            skipped += used as u64;
            if done {
                return Ok(skipped);
            }
        }
    }
}

enum Step {
    Line,
    Torn,
    TooLong,
    End,
}

/// Where the last `count` whole lines of a file begin, in bytes. Reads from the end, and no more than it must.
///
/// # Errors
/// The file cannot be read.
pub fn start_of_last(path: &Path, count: usize) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut at = file.seek(SeekFrom::End(0))?;
    let mut block = vec![0; BLOCK];
    let mut ends = 0;
    while at > 0 {
        let size = at.min(BLOCK as u64);
        at -= size;
        file.seek(SeekFrom::Start(at))?;
        let block = block.get_mut(..usize::try_from(size).unwrap_or(BLOCK)).unwrap_or_default();
        file.read_exact(block)?;
        for end in memchr::memrchr_iter(b'\n', block) {
            if ends == count {
                return Ok(at + end as u64 + 1);
            }
            ends += 1;
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const RAW: &str =
        "{\"seq\":SEQ,\"at\":\"2026-11-23T03:32:03.200001Z\",\"kind\":\"raw\",\"from\":\"client\",\"wire\":\"x\"}";

    fn raw(seq: u64) -> String {
        RAW.replace("SEQ", &seq.to_string())
    }

    fn read_all(reader: &mut Reader) -> (Vec<u64>, Vec<Damage>) {
        let (mut seqs, mut damage) = (Vec::new(), Vec::new());
        while let Some(record) = reader.next(&mut |what| damage.push(what)).unwrap() {
            assert_eq!(record.line, raw(record.event.seq).as_bytes());
            seqs.push(record.event.seq);
        }
        (seqs, damage)
    }

    #[test]
    fn damage_is_passed_over_and_told_with_its_line() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "{}\nnonsense\n\n{}\n{{\"seq\":", raw(0), raw(1)).unwrap();
        let mut reader = Reader::open(file.path()).unwrap();
        let (seqs, damage) = read_all(&mut reader);
        assert_eq!(seqs, [0, 1]);
        assert!(matches!(damage.as_slice(), [Damage::Bad { line: 2, .. }, Damage::Torn { line: 5 }]), "{damage:?}");
    }

    #[test]
    fn a_torn_line_is_read_once_it_is_whole() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let (first, second) = (raw(0), raw(1));
        let (half, rest) = second.split_at(20);
        write!(file, "{first}\n{half}").unwrap();
        let mut reader = Reader::open(file.path()).unwrap();
        assert_eq!(read_all(&mut reader).0, [0]);
        writeln!(file, "{rest}").unwrap();
        let offset = reader.offset();
        assert_eq!(offset, first.len() as u64 + 1);
        assert_eq!(read_all(&mut reader), (vec![1], vec![]));
        assert_eq!(read_all(&mut Reader::open_at(file.path(), offset).unwrap()).0, [1]);
    }

    #[test]
    fn the_last_lines_are_found_from_the_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let long = "y".repeat(BLOCK);
        write!(file, "a\n{long}\nb\nc").unwrap();
        let start = |count| start_of_last(file.path(), count).unwrap();
        let after_long = 2 + BLOCK as u64 + 1;
        assert_eq!([start(0), start(1), start(2), start(3), start(9)], [after_long + 2, after_long, 2, 0, 0]);
    }
}
