//! How much of a content is logged: all of it, or its first bytes with the hash of the whole. Of a secret, its mark alone.
//! Takes each stretch of content as it passes, says what stands in its event, if there is one.
//! Knows nothing of what the content is.

use std::borrow::Cow;
use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::event::{Content, Side};

/// The contents under way, at most one a side.
pub(super) struct Contents {
    limit: u64,
    sides: [Option<Box<Elided>>; 2],
}

struct Elided {
    hash: Sha256,
    of: u64,
    bytes: u64,
    logged: u64,
    /// Part of it was secret: a hash would let everybody try passwords on it.
    secret: bool,
}

impl Contents {
    pub fn new(limit: u64) -> Contents {
        Contents { limit, sides: [None, None] }
    }

    /// Shortens `wire` to what is to be logged and fills in what is left out; what was masked in it (`secret`) stays as it
    /// is. False where there is nothing to log.
    pub fn take(
        &mut self,
        side: Side,
        bytes: &[u8],
        secret: bool,
        content: &mut Content,
        wire: &mut Cow<'_, [u8]>,
    ) -> bool {
        if self.limit == u64::MAX {
            return true;
        }
        let [client, server] = &mut self.sides;
        let slot = if side == Side::Client { client } else { server };
        if slot.as_ref().is_some_and(|under_way| under_way.of != content.of) {
            *slot = None;
        }
        let under_way = slot.get_or_insert_with(|| Box::new(Elided::new(content.of)));
        under_way.secret |= secret;
        if under_way.secret {
            under_way.bytes = content.bytes;
            if content.last {
                *slot = None;
            }
            return true;
        }
        // What `bytes` counts is the content; the terminator behind it is logged in any case.
        let counted = usize::try_from(content.bytes - under_way.bytes).unwrap_or(bytes.len()).min(bytes.len());
        let (data, terminator) = bytes.split_at(counted);
        under_way.hash.update(data);
        let room = usize::try_from(self.limit.saturating_sub(under_way.bytes)).unwrap_or(usize::MAX).min(data.len());
        under_way.bytes = content.bytes;
        under_way.logged += room as u64;
        if room < data.len() {
            let kept = wire.get(..room.min(wire.len())).unwrap_or_default();
            *wire = Cow::Owned([kept, if content.last { terminator } else { b"" }].concat());
        }
        if content.last {
            under_way.fill(content);
            *slot = None;
            return true;
        }
        room > 0
    }

    /// What there is to say of a content that was cut off.
    pub fn end(&mut self, side: Side) -> Option<Content> {
        let [client, server] = &mut self.sides;
        let under_way = if side == Side::Client { client.take() } else { server.take() }?;
        let mut content = Content { of: under_way.of, bytes: under_way.bytes, ..Content::default() };
        under_way.fill(&mut content);
        content.elided.is_some().then_some(content)
    }
}

impl Elided {
    fn new(of: u64) -> Elided {
        Elided { hash: Sha256::new(), of, bytes: 0, logged: 0, secret: false }
    }

    fn fill(&self, content: &mut Content) {
        if self.logged == self.bytes || self.secret {
            return;
        }
        let mut hex = String::with_capacity(64);
        for byte in self.hash.clone().finalize() {
            let _ = write!(hex, "{byte:02x}");
        }
        content.sha256 = Some(hex);
        content.elided = Some(self.bytes - self.logged);
    }
}
