//! What a server offers, and what a client uses of it.
//! Takes the names in its lists of capabilities, gives findings.
//! Does not know what a capability is for.

use std::collections::HashSet;

use super::Found;
use crate::event::Seq;
use crate::findings;

/// What a server offers, as far as it has said so since its connection or the login changed it.
#[derive(Default)]
pub struct Offer(Option<HashSet<String>>);

impl Offer {
    pub fn set(&mut self, names: impl IntoIterator<Item = String>) {
        self.0 = Some(names.into_iter().take(256).map(|name| name.to_ascii_uppercase()).collect());
    }

    pub fn forget(&mut self) {
        self.0 = None;
    }

    /// Whether the list is known and has none of these.
    pub fn lacks(&self, names: &[&str]) -> bool {
        self.0.as_ref().is_some_and(|offered| !names.iter().any(|name| offered.contains(*name)))
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.as_ref().is_some_and(|offered| offered.contains(name))
    }

    /// Whether the list is known and no name in it begins like that.
    pub fn lacks_all_beginning(&self, start: &str) -> bool {
        self.0.as_ref().is_some_and(|offered| !offered.iter().any(|name| name.starts_with(start)))
    }
}

/// Says that an extension was used and not offered.
pub fn not_offered(seq: Seq, used: &str, wants: &str, out: &mut Found) {
    let text = format!("the client used {used}, and the server does not offer {wants}");
    out.add(&findings::NOT_OFFERED, seq, text);
}

