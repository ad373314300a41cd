//! What every recording of real programs must pass: each line is explained, and nothing is found in it that is not so.
//! Takes recordings and what is true of them, each with its reason; gives a failure that names the line.
//! Does not know how a line is explained or a finding found: it asks the program, as a person would.

use std::path::Path;

use serde_json::Value;

use super::{
    mailtap::run,
    recording::{Recording, wire},
};

/// What may stand in a recording, and why it is true there: a finding's code, the beginning of what is said of an unknown
/// word, or `raw` for bytes without a meaning.
pub type Because = (&'static str, &'static str);

/// What the scripts say on purpose, to see that it passes unharmed.
const ON_PURPOSE: &[Because] = &[
    ("NONSENSE is an unknown command", "the scripts say it to every server"),
    ("XYZZY is an unknown", "the scripts ask for it by this name"),
];

/// Mechanisms in which the password or a token crosses as it is.
const READABLE: &[&str] = &["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"];

/// What is true of sessions by how they are set up, whatever is said in them.
fn true_by_itself(recording: &Recording, note: &Value) -> bool {
    let code = note["code"].as_str().unwrap_or_default();
    let encrypted =
        |side: &str| recording.of_kind("tls").iter().any(|event| event["from"] == side && event["error"].is_null());
    match code {
        "plaintext-password" => {
            let about = recording.events.iter().find(|event| event["seq"] == note["about"]);
            (!encrypted("client") || !encrypted("server")) && about.is_some_and(gives_a_password)
        }
        // What the proxy itself has to do where the legs of the route differ.
        "own-command" | "starttls-hidden" | "capabilities-hidden" => legs_differ(recording),
        // Many programs hang up without a word within TLS.
        "no-close-notify" => encrypted("client") || encrypted("server"),
        _ => false,
    }
}

/// Whether somebody who reads this line knows a password or token then.
fn gives_a_password(event: &Value) -> bool {
    let mechanism = event["mechanism"].as_str().or_else(|| event["args"]["mechanism"].as_str()).unwrap_or_default();
    match event["verb"].as_str() {
        Some("LOGIN" | "PASS") => true,
        _ => READABLE.iter().any(|readable| mechanism.eq_ignore_ascii_case(readable)),
    }
}

/// Whether the two sides of the session's route have other schemes.
fn legs_differ(recording: &Recording) -> bool {
    let route = recording.one("open")["route"].as_str().unwrap_or_default();
    let mut schemes = route.split('=').filter_map(|side| side.split_once("://")).map(|(scheme, _)| scheme);
    schemes.next() != schemes.next()
}

/// Fails where a line has no explanation, where one says that it does not know a word, and where a note is neither true
/// by itself nor among those that the test knows to be true.
#[track_caller]
pub fn nothing_false(dir: &Path, recordings: &[Recording], known: &[Because]) {
    let all: Vec<String> = recordings
        .iter()
        .map(|recording| (recording, what_is_wrong(dir, recording, known)))
        .filter(|(_, wrong)| !wrong.is_empty())
        .map(|(recording, wrong)| format!("{}\nin\n{}", wrong.join("\n"), recording.dump()))
        .collect();
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// Every line without an explanation and every finding that is not known to be true, in words.
#[track_caller]
pub fn what_is_wrong(dir: &Path, recording: &Recording, known: &[Because]) -> Vec<String> {
    [unexplained(dir, recording, known), untrue(recording, known)].concat()
}

fn untrue(recording: &Recording, known: &[Because]) -> Vec<String> {
    let notes = recording.of_kind("note").into_iter();
    let mut wrong: Vec<String> = notes
        .filter(|note| !true_by_itself(recording, note) && !known.iter().any(|(known, _)| note["code"] == *known))
        .map(|note| format!("found, and not known to be true: {note}"))
        .collect();
    if !known.iter().any(|(known, _)| *known == "raw") {
        wrong.extend(recording.of_kind("raw").iter().map(|event| format!("not understood: {event}")));
    }
    wrong
}

fn unexplained(dir: &Path, recording: &Recording, known: &[Because]) -> Vec<String> {
    let path = recording.path.display().to_string();
    let told = run(dir, &["show", &path, "--json", "--explain"]).expect_ok().text();
    let events = told.lines().map(|line| serde_json::from_str(line).expect("an event"));
    events.filter_map(|event: Value| what_is_missing(&event, known)).collect()
}

/// What is wrong with the explanation of an event, or its lack.
fn what_is_missing(event: &Value, known: &[Because]) -> Option<String> {
    let said = String::from_utf8_lossy(&wire(event)).trim_end().to_owned();
    let Some(text) = event["explain"].as_str().filter(|text| !text.is_empty()) else {
        return needs_words(event).then(|| format!("not explained: {said}"));
    };
    let knows_not = [" is an unknown ", "; unknown: "].iter().any(|words| text.contains(words));
    let mut expected = ON_PURPOSE.iter().chain(known);
    let unknown = (knows_not || text.starts_with("unknown: ")) && !expected.any(|(begin, _)| text.starts_with(begin));
    unknown.then(|| format!("explained as unknown: {said}\n  {text}"))
}

/// Every line that says something; message data and the later lines of a command or reply belong to what was said.
fn needs_words(event: &Value) -> bool {
    match event["kind"].as_str().unwrap_or_default() {
        "greeting" | "continue" | "auth" | "tls" | "note" | "compress" => true,
        "command" | "reply" => event["continues"].is_null(),
        _ => false,
    }
}
