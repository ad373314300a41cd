//! The structure holds: who may know whom, how long a file may be, how it opens, and what the pure core must not touch.
//! Takes the source as text.
//! Does not know what the code does.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each module may use of ours. `practice` shares nothing with the parsers that are judged by it.
const MAY_USE: &[(&str, &[&str])] = &[
    ("event", &[]),
    ("findings", &["event"]),
    ("proto", &["event", "findings"]),
    ("route", &["proto"]),
    ("secrets", &["event"]),
    ("session", &["event", "findings", "proto", "route", "secrets"]),
    ("store", &["event"]),
    ("view", &["event", "findings", "proto", "secrets"]),
    ("export", &["event", "proto"]),
    // `play` is named for one thing: the library's `replay::Server`, which is given on.
    ("replay", &["event", "proto", "secrets", "play"]),
    ("tls", &[]),
    ("practice", &["tls"]),
    ("net", &["event", "findings", "proto", "route", "session", "store", "replay", "tls"]),
    ("play", &["event", "findings", "proto", "route", "session", "store", "replay", "tls", "net"]),
    (
        "cli",
        &[
            "event", "findings", "proto", "route", "session", "store", "view", "export", "replay", "tls", "practice",
            "net", "play",
        ],
    ),
];

/// Modules in which no protocol may be named: a new one is a folder in `proto` and a line in its list.
const WITHOUT_PROTOCOLS: &[&str] = &["secrets", "session", "net", "store", "replay", "play"];

/// Modules without clocks, files and sockets.
const PURE: &[&str] = &["event", "findings", "proto", "route", "secrets", "session", "view"];

const LINES_MAX: usize = 500;

struct Source {
    path: PathBuf,
    module: String,
    text: String,
}

impl Source {
    /// The code, up to the tests at its end, comments left out.
    fn code(&self) -> Vec<&str> {
        let until = self.text.find("\n#[cfg(test)]\nmod ").unwrap_or(self.text.len());
        self.text[..until].lines().filter(|line| !line.trim_start().starts_with("//")).collect()
    }
}

/// Everything below `src` but the modules' own tests.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    found.retain(|source| !source.path.components().any(|part| part.as_os_str() == "tests"));
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let inside = path.strip_prefix(root).unwrap();
            let module = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
            found.push(Source { text: fs::read_to_string(&path).unwrap(), module, path });
        }
    }
}

#[test]
fn modules_know_only_whom_they_may() {
    let may: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !["main", "lib"].contains(&source.module.as_str())) {
        let Some(allowed) = may.get(source.module.as_str()) else {
            wrong.push(format!("{}: the module {} is not in the table", source.path.display(), source.module));
            continue;
        };
        for line in source.code() {
            for (_, used) in line.match_indices("crate::").map(|(at, found)| (at, &line[at + found.len()..])) {
                let name: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if name != source.module && !name.is_empty() && !allowed.contains(&name.as_str()) {
                    wrong.push(format!("{}: {} may not know {name}", source.path.display(), source.module));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn protocols_are_named_in_one_place() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| WITHOUT_PROTOCOLS.contains(&source.module.as_str())) {
        for line in source.code() {
            let lower = line.to_ascii_lowercase();
            if let Some(word) = ["smtp", "imap", "pop3", "sieve"].into_iter().find(|word| lower.contains(word)) {
                wrong.push(format!("{}: {word} in {line:?}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_pure_core_touches_nothing() {
    let forbidden = [
        "std::fs",
        "std::net::Tcp",
        "std::net::Udp",
        "std::time::Instant",
        "SystemTime",
        "Instant::now",
        "tokio",
        "rustls",
    ];
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| PURE.contains(&source.module.as_str())) {
        for line in source.code() {
            if let Some(word) = forbidden.into_iter().find(|word| line.contains(word)) {
                wrong.push(format!("{}: {word} in {line:?}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_short_and_say_what_they_do() {
    let mut wrong = Vec::new();
    for source in sources() {
        let lines = source.text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default().lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{}: {lines} lines without tests, more than {LINES_MAX}", source.path.display()));
        }
        let opening = source.text.lines().take_while(|line| line.starts_with("//!")).count();
        if opening < 3 && source.module != "main" {
            wrong.push(format!("{}: opens with {opening} lines of what it does, not 3", source.path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
