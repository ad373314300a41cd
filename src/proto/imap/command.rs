//! The beginning of an IMAP command line: tag and verb, and what a LOGIN or AUTHENTICATE must hide.
//! Takes a line (or the first block of a long one), gives its parts and their places.
//! Knows nothing of the conversation around it.

use std::borrow::Cow;
use std::ops::Range;

use crate::proto::standing::{VERB_MAX, command_length};

/// What a command does to the conversation, beyond being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Login,
    Authenticate,
    Idle,
    StartTls,
    Compress,
    Unauthenticate,
    /// No command of IMAP or of an extension.
    Unknown,
    /// The same, and it may be a part of a login.
    Stray,
}

#[derive(Debug)]
pub(super) struct Head<'l> {
    pub tag: &'l [u8],
    /// Upper case.
    pub verb: String,
    pub kind: Kind,
    /// Where the arguments begin, in the line.
    pub rest_at: usize,
    /// The verb ended before the text did, so it cannot become another one.
    pub ended: bool,
    /// Where the reading of a login's arguments begins.
    pub stage: Login,
}

impl<'l> Head<'l> {
    /// Nothing, where there is no tag with a verb behind it.
    pub fn parse(line: &'l [u8]) -> Option<Head<'l>> {
        let (tag, at) = word(line, 0)?;
        let (verb, at) = word(line, at)?;
        let head = Head::of(line, tag, verb, at);
        if head.kind == Kind::Unknown
            && let Some(login) = stray_login(line)
        {
            return Some(login);
        }
        // A login is one whatever its tag looks like: its password is hidden.
        let is_login = matches!(head.kind, Kind::Login | Kind::Authenticate);
        (is_login || is_tag(tag) && is_verb(verb)).then_some(head)
    }

    /// How much of the line is the command and what belongs to it, or what stands in the place of one.
    pub fn own(&self, text: &[u8]) -> usize {
        let bare =
            self.kind == Kind::Unknown || matches!(self.verb.as_str(), "CAPABILITY" | "NOOP" | "LOGOUT" | "STARTTLS");
        // Behind the tag: the verb.
        command_length(text, bare.then_some(1))
    }

    fn of(line: &'l [u8], tag: &'l [u8], verb: &[u8], after: usize) -> Head<'l> {
        let mut verb = String::from_utf8_lossy(verb).to_ascii_uppercase();
        let mut rest_at = after;
        if verb == "UID"
            && let Some((what, after)) = word(line, after)
            && is_verb(what)
        {
            verb.push(' ');
            verb.push_str(&String::from_utf8_lossy(what).to_ascii_uppercase());
            rest_at = after;
        }
        let kind = match verb.as_str() {
            "LOGIN" => Kind::Login,
            "AUTHENTICATE" => Kind::Authenticate,
            "IDLE" => Kind::Idle,
            "STARTTLS" => Kind::StartTls,
            "COMPRESS" => Kind::Compress,
            "UNAUTHENTICATE" => Kind::Unauthenticate,
            verb if is_known(verb) => Kind::Plain,
            _ => Kind::Unknown,
        };
        Head { tag, verb, kind, rest_at, ended: rest_at < line.len(), stage: Login::User }
    }
}

/// A login whose tag is missing, or that stands behind something else: what a server makes of it is its affair, its
/// password is hidden all the same.
fn stray_login(line: &[u8]) -> Option<Head<'_>> {
    let (first, after) = word(line, 0)?;
    for (verb, kind) in [("PASS", Kind::Login), ("APOP", Kind::Login), ("AUTH", Kind::Authenticate)] {
        if first.eq_ignore_ascii_case(verb.as_bytes()) {
            // Of another protocol. A server takes the word for a tag.
            let (ended, stage) = (after < line.len(), if verb == "PASS" { Login::Password } else { Login::User });
            return Some(Head { tag: first, verb: verb.to_owned(), kind, rest_at: after, ended, stage });
        }
    }
    let mut before = None;
    let mut at = 0;
    while let Some((text, after)) = word(line, at) {
        if text.eq_ignore_ascii_case(b"LOGIN") || text.eq_ignore_ascii_case(b"AUTHENTICATE") {
            let stage = if before.is_none() { Login::User } else { Login::Secret };
            return Some(Head { stage, ..Head::of(line, before.unwrap_or(text), text, after) });
        }
        before = Some(text);
        at = after;
    }
    None
}

/// The next word at or after a place, between any white space, and where it ends.
pub(super) fn word(line: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let from = skip_space(line, at);
    let rest = line.get(from..).filter(|rest| !rest.is_empty())?;
    let length = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
    Some((rest.get(..length)?, from + length))
}

pub(super) fn skip_space(line: &[u8], at: usize) -> usize {
    let rest = line.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(rest.len())
}

fn is_tag(word: &[u8]) -> bool {
    word.iter().all(|&byte| byte.is_ascii_graphic() && !matches!(byte, b'(' | b')' | b'{' | b'"' | b'*' | b'+'))
}

fn is_verb(word: &[u8]) -> bool {
    word.len() <= VERB_MAX
        && word.first().is_some_and(u8::is_ascii_alphabetic)
        && word.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'='))
}

/// Whether a verb is one that real clients use, so that words behind it are surely its arguments.
fn is_known(verb: &str) -> bool {
    let verb = verb.strip_prefix("UID ").unwrap_or(verb);
    matches!(
        verb,
        "CAPABILITY"
            | "NOOP"
            | "LOGOUT"
            | "SELECT"
            | "EXAMINE"
            | "CREATE"
            | "DELETE"
            | "RENAME"
            | "SUBSCRIBE"
            | "UNSUBSCRIBE"
            | "LIST"
            | "LSUB"
            | "XLIST"
            | "NAMESPACE"
            | "STATUS"
            | "APPEND"
            | "REPLACE"
            | "CHECK"
            | "CLOSE"
            | "UNSELECT"
            | "EXPUNGE"
            | "SEARCH"
            | "ESEARCH"
            | "FETCH"
            | "STORE"
            | "COPY"
            | "MOVE"
            | "SORT"
            | "THREAD"
            | "ID"
            | "ENABLE"
            | "GETACL"
            | "SETACL"
            | "DELETEACL"
            | "MYRIGHTS"
            | "LISTRIGHTS"
            | "GETQUOTA"
            | "SETQUOTA"
            | "GETQUOTAROOT"
            | "GETMETADATA"
            | "SETMETADATA"
            | "GETANNOTATION"
            | "SETANNOTATION"
            | "NOTIFY"
            | "CONVERT"
            | "CONVERSIONS"
            | "LANGUAGE"
            | "COMPARATOR"
            | "GENURLAUTH"
            | "URLFETCH"
            | "RESETKEY"
            | "CANCELUPDATE"
            | "GETJMAPACCESS"
            | "RLIST"
            | "RLSUB"
            | "UIDBATCHES"
            | "SCAN"
            | "PROXYAUTH"
            | "XAPPLEPUSHSERVICE"
            | "XWARMUP"
            | "XBACKUP"
            | "XSNIPPETS"
            | "XCONVFETCH"
    )
}

/// How much of a LOGIN's arguments has gone by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Login {
    #[default]
    User,
    /// The user is known, or comes as the literal now under way.
    Password,
    /// From here to the command's end everything is secret.
    Secret,
}

impl Login {
    /// Reads the next stretch of the arguments: `text` without line end and without the announcement of a literal,
    /// from `at` on. Gives the user and the range that is secret. `literal` says whether one follows.
    pub fn read<'l>(
        &mut self,
        text: &'l [u8],
        at: usize,
        literal: bool,
    ) -> (Option<Cow<'l, [u8]>>, Option<Range<usize>>) {
        let mut user = None;
        let mut at = skip_space(text, at);
        if *self == Login::User {
            let from = at;
            match text.get(at) {
                None => return (None, None),
                Some(b'"') => match quoted_end(text, at + 1) {
                    Some(end) => {
                        let inside = text.get(at + 1..end).unwrap_or_default();
                        user = Some(unescape(inside));
                        at = end + 1;
                    }
                    // Where the name ends cannot be told, so it may be that the password has begun.
                    None => {
                        *self = Login::Secret;
                        return (None, Some(at..text.len()));
                    }
                },
                Some(_) => {
                    let rest = text.get(at..).unwrap_or_default();
                    let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'{');
                    let length = rest.iter().position(ends).unwrap_or(rest.len()).max(1);
                    user = rest.get(..length).map(Cow::Borrowed);
                    at += length;
                }
            }
            *self = Login::Password;
            at = skip_space(text, at);
            if at == text.len() && !literal {
                // A word alone may be both.
                return (None, Some(from..at));
            }
        }
        if at < text.len() || literal {
            *self = Login::Secret;
        }
        (user, (at < text.len()).then_some(at..text.len()))
    }
}

fn quoted_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn unescape(inside: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', inside).is_none() {
        return Cow::Borrowed(inside);
    }
    let mut text = Vec::with_capacity(inside.len());
    let mut bytes = inside.iter();
    while let Some(&byte) = bytes.next() {
        text.push(if byte == b'\\' { bytes.next().copied().unwrap_or(byte) } else { byte });
    }
    Cow::Owned(text)
}
