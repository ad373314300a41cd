//! A recording that is played, a client that plays one, and how far it has come in it.
//! Takes what was asked, gives what it means for the recording.
//! Does not choose; see `casting`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::script::Script;

/// A recording.
pub(super) struct Cast {
    pub script: Arc<Script>,
    pub used: bool,
    pub by: Option<u64>,
    /// How often each exchange was asked for.
    pub asked: Vec<u64>,
}

pub(super) struct Client {
    /// What is played to it.
    pub plays: usize,
    /// Every recording that agrees with what it said, and how far each has come.
    pub fits: BTreeMap<usize, Place>,
    /// It has said something, besides what leads to TLS.
    pub works: bool,
}

/// Where a client is in a recording.
#[derive(Clone, Default)]
pub(super) struct Place {
    /// The exchange that comes next.
    pub next: usize,
    /// How many commands it has left out or said besides.
    pub cost: usize,
    /// The exchanges that it has asked for, if this is the recording that it plays; what is not in it, in another.
    pub asked: Vec<(usize, usize)>,
}

impl Cast {
    pub fn is_free(&self) -> bool {
        !self.used && self.by.is_none()
    }

    /// Whether an exchange is some of what the recorded client came for, and not only what leads to TLS; unless it went no
    /// further.
    pub fn is_work(&self, exchange: usize) -> bool {
        let exchanges = &self.script.exchanges;
        let begins = exchanges.iter().rposition(|exchange| exchange.upgrade).map_or(0, |at| at + 1);
        exchange >= begins || begins == exchanges.len()
    }
}

impl Place {
    /// The client has asked for an exchange of this recording, and left out some before it.
    pub fn after(mut self, script: usize, exchange: usize, skipped: usize) -> Place {
        self.asked.push((script, exchange));
        Place { next: exchange + 1, cost: self.cost + skipped, asked: self.asked }
    }

    /// The client has asked for what this recording has not, and another has.
    pub fn besides(mut self, script: usize, exchange: usize, cost: usize) -> Place {
        self.asked.push((script, exchange));
        Place { cost: self.cost + cost, ..self }
    }
}
