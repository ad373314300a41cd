//! Sessions as people paste them, from logs of real programs: what `mailtap explain` says of each line.
//! Takes `tests/pasted/*.txt`; what is said stands beside each as `*.told`, and `BLESS=1` renews it, to be read then.
//! Does not know how lines are read.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{mailtap::command, process::Ran};

/// What is secret in these sessions, in the ways in which it is written.
const SECRETS: [&str; 6] =
    ["s3cretpw", "wrongpass", "czNjcmV0cHc", "AGFubgBzM2NyZXRwdw", "d3JvbmdwYXNz", "AGFubgB3cm9uZ3Bhc3M"];

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pasted");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    assert!(!files.is_empty(), "nothing in {}", folder.display());
    files
}

fn explained(input: &str, more: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let args = [&["explain"], more].concat();
    Ran::with_input(&command(dir.path(), &args), input.as_bytes()).expect_ok().text()
}

#[test]
fn pasted_sessions_are_told_line_by_line() {
    let mut wrong = Vec::new();
    for file in files() {
        let told = explained(&fs::read_to_string(&file).unwrap(), &[]);
        let beside = file.with_extension("told");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&beside, &told).unwrap();
        } else if told != fs::read_to_string(&beside).unwrap_or_default() {
            wrong.push(format!("{}:\n{told}", beside.display()));
        }
    }
    assert!(wrong.is_empty(), "{}\n(BLESS=1 writes what was found; read it then)", wrong.join("\n"));
}

/// Whether the client says something secret in the line; a server's text that repeats it cannot be told from other text
/// without that line.
fn is_secret(line: &str) -> bool {
    SECRETS.iter().any(|secret| line.contains(secret)) && !line.contains("535 ") && !line.contains(" NO ")
}

#[test]
fn no_secret_in_a_paste_is_shown_again_wherever_it_begins() {
    for file in files() {
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        // A person may paste the end only: from each of these lines, and from the one before it.
        let begins = (0..lines.len())
            .filter(|&at| at == 0 || is_secret(lines[at]) || lines.get(at + 1).is_some_and(|line| is_secret(line)));
        for begin in begins {
            let told = explained(&lines[begin..].join("\n"), &["--json"]);
            let shown = SECRETS.iter().find(|secret| told.contains(**secret));
            assert_eq!(shown, None, "{} from line {} on:\n{told}", file.display(), begin + 1);
        }
    }
}
