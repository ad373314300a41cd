//! `mailtap explain`: what a command, reply, code or capability means, and where it is written.
//! Takes words, or lines of a session on standard input; prints a sentence for each.
//! Does not know what the words mean; that is `view::words`.

use std::io::{self, BufRead, IsTerminal};

use super::{Failure, Globals, serving};
use crate::event::Object;
use crate::view::harmless;
use crate::view::words::{Explained, Found, Protocol, Reader, lookup, suggest};

/// The longest line that is read from standard input, in bytes. RFC 5321 §4.5.3.1.6 allows text lines of 1,000 octets,
/// and IMAP commands can be some times as long.
const LINE_MAX: usize = 64 * 1024;

/// Say what a command, reply, code or capability means, and where it is written
#[derive(clap::Args, Debug)]
pub struct Args {
    /// E.g. "UID FETCH", 5.7.8, CONDSTORE, 250-SIZE, AUTHENTICATIONFAILED [default: read lines of a session from standard input]
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// # Errors
/// A word is unknown, or standard input or output fails.
pub fn run(args: &Args, _globals: &Globals) -> Result<(), Failure> {
    if args.words.is_empty() {
        if io::stdin().is_terminal() {
            return Err(Failure::usage(
                "nothing to explain; name a word, e.g. mailtap explain CONDSTORE, or give lines of a session on standard input",
            ));
        }
        return lines(args.json);
    }
    let mut unknown = Vec::new();
    for word in queries(&args.words) {
        let found = lookup(&word);
        if found.is_empty() {
            unknown.push(word.clone());
        }
        for meaning in &found {
            print(&meaning.word, Some(meaning.protocol), Some(&meaning.explained), Some(meaning), args.json)?;
        }
    }
    match unknown.first() {
        None => Ok(()),
        Some(word) => {
            let hint = suggest(word).map(|near| format!("; did you mean {near}?"));
            let hint = hint.unwrap_or_else(|| "; it may be a private extension".to_owned());
            Err(Failure::work(format!("{:?} is in no table of SMTP, IMAP, POP3, SASL or ManageSieve{hint}", word)))
        }
    }
}

/// Words of a shell line that are one word of a protocol (`UID FETCH`) belong together.
fn queries(words: &[String]) -> Vec<String> {
    let joined = words.join(" ");
    let whole = lookup(&joined).iter().any(|found| found.word.eq_ignore_ascii_case(&joined));
    if words.len() > 1 && whole { vec![joined] } else { words.to_vec() }
}

fn lines(json: bool) -> Result<(), Failure> {
    let mut reader = Reader::default();
    let mut input = io::stdin().lock();
    loop {
        let mut line = Vec::new();
        let mut short = io::Read::take(&mut input, LINE_MAX as u64);
        let read = short.read_until(b'\n', &mut line);
        let read = read.map_err(|error| Failure::work(format!("cannot read standard input: {error}")))?;
        if read == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        let told = reader.line(&text);
        let shown = told.shown.as_deref().unwrap_or(text.trim_end_matches(['\r', '\n']));
        print(shown, told.protocol, told.explained.as_ref(), None, json)?;
    }
}

fn print(
    word: &str,
    protocol: Option<Protocol>,
    explained: Option<&Explained>,
    found: Option<&Found>,
    json: bool,
) -> Result<(), Failure> {
    if json {
        let mut line = Object::new();
        line.text("word", word);
        match protocol {
            Some(protocol) => line.text("protocol", protocol.name()),
            None => line.null("protocol"),
        };
        match explained {
            Some(explained) => line.text("explain", &explained.text).text("rfc", explained.source),
            None => line.null("explain").null("rfc"),
        };
        return serving::print_object(&line);
    }
    let mut text = harmless(word.as_bytes());
    if let (Some(found), Some(protocol)) = (found, protocol) {
        text.push_str(&format!(" ({} {})", protocol.name(), found.category.name()));
    }
    text.push('\n');
    if let Some(explained) = explained {
        text.push_str(&format!("    {}", harmless(explained.text.as_bytes())));
        if !explained.source.is_empty() {
            text.push_str(&format!(" [{}]", explained.source));
        }
        text.push('\n');
    }
    serving::print(&text)
}
