//! How far a client is with logging in, and so how much may be shown of a line that the protocol has no meaning for.
//! Takes what is tried and how it ends, gives the length of what is surely no secret.
//! Knows no protocol's commands: the dialog says which line is one, and how much of it the command is.

use std::ops::Range;

use super::words::Words;

/// The longest verb, in bytes: UNAUTHENTICATE has 14, and what is much longer is no verb.
pub(super) const VERB_MAX: usize = 20;

/// Before a login has succeeded, only what is a command is shown in full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// No login was tried. What means nothing may be one all the same, misspelt or of another protocol: then its verb comes
    /// first, and is no secret.
    #[default]
    Stranger,
    /// The same, and something meant nothing already: a word alone may be the rest of it.
    Slipped,
    /// A login was tried, and none has succeeded: what means nothing may be a part of one that came too late.
    Trying,
    /// A login has succeeded, and it may still be that a part of it comes too late.
    Entered,
    /// The client has gone on since.
    Settled,
}

impl Standing {
    /// The client has said what is no command.
    pub fn slips(&mut self) {
        if *self == Standing::Stranger {
            *self = Standing::Slipped;
        }
    }

    /// A login begins.
    pub fn tries(&mut self) {
        *self = Standing::Trying;
    }

    pub fn succeeds(&mut self) {
        *self = Standing::Entered;
    }

    /// The client's next line. Of several words it is no response, which is all that may still come of a login that has
    /// succeeded.
    pub fn hears(&mut self, line: &[u8]) {
        if line.trim_ascii().iter().any(u8::is_ascii_whitespace) {
            self.goes_on();
        }
    }

    /// The client has said a command that is none of a login.
    pub fn goes_on(&mut self) {
        if *self == Standing::Entered {
            *self = Standing::Settled;
        }
    }

    /// The client goes on without a login.
    pub fn gives_up(&mut self) {
        if *self == Standing::Trying {
            *self = Standing::Stranger;
        }
    }

    /// Whether all of a line that means nothing may belong to a login.
    pub fn is_within_login(self) -> bool {
        matches!(self, Standing::Trying | Standing::Entered)
    }

    /// Whether nothing that is secret can have been said.
    pub fn is_stranger(self) -> bool {
        self == Standing::Stranger
    }

    /// Whether everything may be shown that is not marked as a secret.
    pub fn is_settled(self) -> bool {
        self == Standing::Settled
    }

    /// How much of a line of this length may be shown that is a command (`known`) or not, and of which so many bytes are the
    /// command, or what stands in the place of one.
    pub fn shows(self, known: bool, own: usize, length: usize) -> usize {
        match self {
            Standing::Settled => length,
            Standing::Trying | Standing::Entered if !known => 0,
            Standing::Slipped if !known && own >= length => 0,
            _ => own,
        }
    }
}

/// A secret that stands at the end of a line of this length, joined with all that is not to be shown of it.
pub(super) fn hidden(secret: Option<Range<usize>>, shown: usize, length: usize) -> Option<Range<usize>> {
    if shown >= length {
        return secret;
    }
    Some(secret.map_or(shown, |secret| secret.start.min(shown))..length)
}

/// How much of a line, its end left out, is a verb and so many words behind it, or any number of them, up to the word behind
/// these.
///
/// Behind a control character nothing is: for a server that takes it for a line end, as some do with CR alone, another
/// command stands there.
pub(super) fn command_length(text: &[u8], count: Option<usize>) -> usize {
    let control = text.iter().position(|byte| byte.is_ascii_control() && *byte != b'\t');
    let clean = control.map_or(text.len(), |at| at + 1);
    let Some(count) = count else { return clean };
    let mut words = Words::of(text);
    for _ in 0..=count {
        words.next();
    }
    words.rest_at().min(clean)
}

/// How much of a line is its first word, where that may be a verb. Neither base64 with its padding looks like one nor do the
/// fields of HTTP.
pub(super) fn verb_length(text: &[u8]) -> usize {
    let mut words = Words::of(text);
    let (_, first) = words.next().unwrap_or_default();
    if may_be_verb(first) { words.rest_at() } else { 0 }
}

fn may_be_verb(word: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    word.len() <= VERB_MAX && word.first().is_some_and(u8::is_ascii_alphabetic) && word.iter().all(is_letter)
}
