//! What a FETCH tells of a message: its UID, its size, and how long it turns out to be.
//! Takes the items of its lines, gives the size that was told and the one that is.
//! Does not know the message itself.

use std::collections::VecDeque;

use crate::event::{Object, Seq};
use crate::proto::imap::token::{Kind, Token};

/// Messages whose sizes are remembered: clients ask for sizes first, and for the messages later.
const SIZES_MAX: usize = 1000;

/// One FETCH response, as far as it has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fetched {
    pub of: Seq,
    pub number: u64,
    pub uid: Option<u64>,
    size: Option<u64>,
    octets: Option<u64>,
    judged: bool,
}

impl Fetched {
    pub fn new(of: Seq, number: u64) -> Fetched {
        Fetched { of, number, ..Fetched::default() }
    }

    /// Takes the items of a line. Gives the UID, where it stands there.
    pub fn take(&mut self, values: &Object) -> Option<u64> {
        let uid = values.number_of("UID");
        self.uid = uid.or(self.uid);
        self.size = values.number_of("RFC822.SIZE").or(self.size);
        if values.contains("\"BODY[]\"") || values.contains("\"RFC822\"") {
            let map = values.map();
            let whole = map.get("BODY[]").or_else(|| map.get("RFC822"));
            self.octets = whole.and_then(|body| body.get("bytes")).and_then(serde_json::Value::as_u64).or(self.octets);
        }
        uid
    }
}

/// The sizes that the server has told, newest last.
#[derive(Default)]
pub(super) struct Sizes {
    told: VecDeque<Told>,
    /// How often messages have changed their numbers.
    numbering: u64,
}

struct Told {
    numbering: u64,
    number: u64,
    uid: Option<u64>,
    size: u64,
}

impl Sizes {
    /// Messages have changed their numbers.
    pub fn renumbered(&mut self) {
        self.numbering += 1;
    }

    /// The size that was told of this message and the one that it has, where they differ: once for each response.
    pub fn compare(&mut self, fetched: &mut Fetched) -> Option<(u64, u64)> {
        if let Some(size) = fetched.size.filter(|_| fetched.octets.is_none()) {
            if self.told.len() == SIZES_MAX {
                self.told.pop_front();
            }
            self.told.push_back(Told { numbering: self.numbering, number: fetched.number, uid: fetched.uid, size });
        }
        let octets = fetched.octets.filter(|_| !fetched.judged)?;
        let size = fetched.size.or_else(|| self.remembered(fetched))?;
        fetched.judged = true;
        (size != octets).then_some((size, octets))
    }

    fn remembered(&self, fetched: &Fetched) -> Option<u64> {
        let same = |told: &&Told| match (told.uid, fetched.uid) {
            (Some(one), Some(other)) => one == other,
            _ => told.numbering == self.numbering && told.number == fetched.number,
        };
        self.told.iter().rev().find(same).map(|told| told.size)
    }
}

/// Whether a body structure in this line has -1 where a number stands. Texts in it are quoted.
pub(super) fn counts_lines_as_minus_one(line: &[u8]) -> bool {
    if memchr::memmem::find(line, b" -1").is_none() {
        return false;
    }
    let tokens = Token::split(line, true);
    let structures = tokens.split(|token| token.is("BODY") || token.is("BODYSTRUCTURE")).skip(1);
    structures.into_iter().any(|rest| {
        let mut depth = 0_usize;
        let inside = rest.iter().take_while(|token| {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth > 0
        });
        inside.into_iter().any(|token| token.is("-1"))
    })
}
