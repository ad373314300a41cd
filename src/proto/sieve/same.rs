//! What is the same when a ManageSieve session is run again: the texts are not, nor the server's version.
//! Takes commands and replies as they were parsed, gives what they ask and mean.
//! Knows nothing of two sessions.

use crate::event::{Command, Reply};
use crate::proto::same::{Kept, Meaning, Same};

pub(super) const SAME: Same = Same {
    command: |command: &Command| {
        let mut args = command.args.map();
        args.retain(|name, _| !matches!(name.as_str(), "bytes" | "initial" | "response" | "user"));
        args
    },
    reply: |_, reply: &Reply| Some(steady(Meaning::of(reply))),
    greeting: |greeting| steady(Meaning::greeted(greeting)),
    content: |_| Kept::All,
};

/// RFC 5804 §1.7: IMPLEMENTATION is the server's name and version.
fn steady(mut meaning: Meaning) -> Meaning {
    if let Some(capabilities) = &mut meaning.capabilities {
        capabilities.retain(|capability| !capability.starts_with("IMPLEMENTATION"));
    }
    meaning
}
