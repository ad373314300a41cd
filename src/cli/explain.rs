//! `mailtap explain`: what a command, reply, code or capability means, and where it is written.
//! Takes words, or lines of a session on standard input; prints a sentence for each.
//! Does not know what the words mean; that is `view::words`.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal};

use super::{Failure, Globals, serving};
use crate::event::Object;
use crate::view::harmless;
use crate::view::words::{Explained, Found, Protocol, Reader, Unknown, ask};

/// The longest line that is read from standard input, in bytes. RFC 5321 §4.5.3.1.6 allows text lines of 1,000 octets,
/// and IMAP commands can be some times as long.
const LINE_MAX: usize = 64 * 1024;

/// Say what a command, reply, code or capability means, and where it is written
#[derive(clap::Args, Debug)]
pub struct Args {
    /// E.g. "UID FETCH", 5.7.8, CONDSTORE, 250-SIZE, AUTHENTICATIONFAILED [default: read lines of a session from standard input]
    #[arg(value_name = "WORD", value_parser = word)]
    words: Vec<String>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// What keeps a word from being read as an option. No argument of a program can hold it.
pub(super) const GUARD: char = '\0';

/// The arguments with a guard before words of protocols that look like options: `-ERR`, `-FLAGS`. Options here are written
/// with two hyphens, or with one small letter.
pub fn guarded(arguments: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    let mut explains = false;
    arguments.map(move |argument| {
        let looks_so = argument.to_str().is_some_and(|text| {
            let word = text.strip_prefix('-').unwrap_or_default();
            word.len() > 1 && word.starts_with(|c: char| c.is_ascii_uppercase())
        });
        if explains && looks_so {
            let mut guarded = OsString::from(GUARD.to_string());
            guarded.push(argument);
            return guarded;
        }
        explains |= argument == "explain";
        argument
    })
}

fn word(argument: &str) -> Result<String, Infallible> {
    Ok(argument.strip_prefix(GUARD).unwrap_or(argument).to_owned())
}

const NOTHING: &str =
    "nothing to explain; name a word, e.g. mailtap explain CONDSTORE, or give lines of a session on standard input";

/// # Errors
/// A word is unknown, or standard input or output fails.
pub fn run(args: &Args, _globals: &Globals) -> Result<(), Failure> {
    if args.words.is_empty() {
        if io::stdin().is_terminal() {
            return Err(Failure::usage(NOTHING));
        }
        return lines(args.json);
    }
    let answer = ask(&args.words);
    for meaning in &answer.found {
        print(&meaning.word, Some(meaning.protocol), Some(&meaning.explained), Some(meaning), args.json)?;
    }
    if args.json {
        answer.unknown.iter().try_for_each(|unknown| serving::print_object(&object(unknown)))?;
    }
    match answer.unknown.as_slice() {
        [] if answer.found.is_empty() => Err(Failure::usage(NOTHING)),
        [] => Ok(()),
        unknown => {
            let said: Vec<String> = unknown.iter().map(not_found).collect();
            Err(Failure::work(said.join("\nmailtap: ")))
        }
    }
}

fn object(unknown: &Unknown) -> Object {
    let mut line = Object::new();
    line.text("word", &unknown.word).null("protocol").null("explain").null("rfc").flag("unknown", true);
    match &unknown.nearest {
        Some(near) => line.text("nearest", near),
        None => line.null("nearest"),
    };
    line
}

fn not_found(unknown: &Unknown) -> String {
    let hint = match &unknown.nearest {
        Some(near) => format!("did you mean {near}?"),
        None => "it may be a private extension".to_owned(),
    };
    let word = harmless(unknown.word.as_bytes());
    format!("“{word}” is in no table of SMTP, IMAP, POP3, SASL or ManageSieve; {hint}")
}

fn lines(json: bool) -> Result<(), Failure> {
    let mut reader = Reader::default();
    let mut input = io::stdin().lock();
    loop {
        let line = read_line(&mut input);
        let Some(line) = line.map_err(|error| Failure::work(format!("cannot read standard input: {error}")))? else {
            return Ok(());
        };
        let text = String::from_utf8_lossy(&line);
        let told = reader.line(&text);
        let shown = told.shown.as_deref().unwrap_or(text.trim_end_matches(['\r', '\n']));
        print(shown, told.protocol, told.explained.as_ref(), None, json)?;
    }
}

/// The next line. What is longer than a line may be is left out, rather than read as a line of its own: it may be the end
/// of a secret.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut short = io::Read::take(&mut *input, LINE_MAX as u64);
    if short.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.len() == LINE_MAX && !line.ends_with(b"\n") {
        input.skip_until(b'\n')?;
        line.extend_from_slice("…".as_bytes());
    }
    Ok(Some(line))
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
