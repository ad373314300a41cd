//! Reading what mailtap recorded, and comparing it with the bytes that really passed.
//! Takes the folder given to `--dir`; gives events as JSON values and each side's stream.
//! Does not use the crate's own reader, which could share a mistake with the writer.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

/// What stands where a secret was.
pub const REDACTED: &[u8] = "«redacted»".as_bytes();

/// One session's file.
#[derive(Clone, Debug)]
pub struct Recording {
    pub path: PathBuf,
    pub events: Vec<Value>,
}

impl Recording {
    /// Reads one file. A line that is not JSON is an error, which a file that is being written may well have.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let events: Result<_, _> = text
            .lines()
            .map(|line| serde_json::from_str(line).map_err(|error| format!("{}: {error} in {line}", path.display())))
            .collect();
        Ok(Self { path: path.to_owned(), events: events? })
    }

    /// All recordings below `dir`, in the order in which the sessions were opened.
    pub fn all(dir: &Path) -> Result<Vec<Self>, String> {
        let mut paths: Vec<PathBuf> = list(&dir.join("sessions"))
            .into_iter()
            .filter(|path| path.is_dir())
            .flat_map(|day| list(&day))
            .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .collect();
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    pub fn of_kind(&self, kind: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["kind"] == kind).collect()
    }

    /// The event of that kind of which there is one in each session.
    #[track_caller]
    pub fn one(&self, kind: &str) -> &Value {
        let all = self.of_kind(kind);
        assert_eq!(all.len(), 1, "one `{kind}` event expected in {}:\n{}", self.path.display(), self.dump());
        all[0]
    }

    pub fn is_closed(&self) -> bool {
        self.events.last().is_some_and(|event| event["kind"] == "close")
    }

    /// The verbs of commands, in order; the later parts of a command with literals have none.
    pub fn verbs(&self) -> Vec<String> {
        self.of_kind("command")
            .iter()
            .filter(|event| event["continues"].is_null())
            .map(|event| event["verb"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// The status of every answer, in order: the greeting, replies, and go-aheads, which have theirs on the wire alone.
    pub fn statuses(&self) -> Vec<String> {
        let answers = self
            .events
            .iter()
            .filter(|event| ["greeting", "reply", "continue"].iter().any(|kind| event["kind"] == *kind));
        answers
            .filter_map(|event| match event["status"].as_str() {
                Some(status) => Some(status.to_owned()),
                None if event["kind"] == "continue" => {
                    let wire = String::from_utf8_lossy(&wire(event)).into_owned();
                    wire.split([' ', '\r']).next().map(ToOwned::to_owned)
                }
                None => None,
            })
            .collect()
    }

    pub fn note_codes(&self) -> Vec<String> {
        self.of_kind("note").iter().map(|event| event["code"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The stream of one side (`client` or `server`), in parts: what stands between two parts was redacted.
    pub fn stream(&self, side: &str) -> Vec<Vec<u8>> {
        let mut parts = vec![Vec::new()];
        for event in self.events.iter().filter(|event| event["from"] == side) {
            let wire = wire(event);
            if event["redacted"] != true {
                parts.last_mut().expect("a part").extend(wire);
                continue;
            }
            let mut rest = wire.as_slice();
            while let Some(at) = find(rest, REDACTED) {
                parts.last_mut().expect("a part").extend(&rest[..at]);
                parts.push(Vec::new());
                rest = &rest[at + REDACTED.len()..];
            }
            parts.last_mut().expect("a part").extend(rest);
        }
        parts
    }

    /// Compares a side's stream with what passed: exactly, save where something was redacted.
    pub fn compare(&self, side: &str, passed: &[u8]) -> Result<(), String> {
        let parts = self.stream(side);
        let (first, rest) = parts.split_first().expect("at least one part");
        let mut left = passed.strip_prefix(first.as_slice()).ok_or_else(|| difference(side, first, passed))?;
        let Some((last, middle)) = rest.split_last() else {
            return if left.is_empty() { Ok(()) } else { Err(format!("{side}: not recorded: {}", show(left))) };
        };
        for part in middle {
            let at = find(left, part).ok_or_else(|| difference(side, part, left))?;
            left = &left[at + part.len()..];
        }
        if left.ends_with(last) { Ok(()) } else { Err(difference(side, last, left)) }
    }

    /// Every event on a line, for failure messages.
    pub fn dump(&self) -> String {
        self.events.iter().map(|event| format!("{event}\n")).collect()
    }
}

/// The bytes of one event, decoded.
pub fn wire(event: &Value) -> Vec<u8> {
    if let Some(text) = event["wire"].as_str() {
        return text.as_bytes().to_vec();
    }
    event["wire_b64"].as_str().map(|text| STANDARD.decode(text).expect("base64 in wire_b64")).unwrap_or_default()
}

/// Where `needle` begins in `hay`; an empty needle is everywhere.
pub fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(hay, needle)
}

/// Every file below `folder` that holds `needle`.
pub fn files_with(folder: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in list(folder) {
        if path.is_dir() {
            found.extend(files_with(&path, needle));
        } else if fs::read(&path).is_ok_and(|bytes| find(&bytes, needle).is_some()) {
            found.push(path);
        }
    }
    found
}

fn list(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path()).collect()
}

/// Says where two streams part.
fn difference(side: &str, recorded: &[u8], passed: &[u8]) -> String {
    let same = recorded.iter().zip(passed).take_while(|(one, other)| one == other).count();
    format!(
        "{side}: after {same} equal bytes the recording goes on with {} and the wire with {}",
        show(&recorded[same..]),
        show(&passed[same..])
    )
}

fn show(bytes: &[u8]) -> String {
    const ENOUGH: usize = 200;
    format!("{:?} ({} bytes)", String::from_utf8_lossy(&bytes[..bytes.len().min(ENOUGH)]), bytes.len())
}
