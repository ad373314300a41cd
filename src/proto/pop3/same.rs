//! What is the same when a POP3 session is run again: sizes, unique ids and banners are not.
//! Takes commands and replies as they were parsed, gives what they ask and mean.
//! Knows nothing of two sessions.

use crate::proto::same::{Kept, Meaning, Same};

pub(super) const SAME: Same = Same {
    command: |command| {
        let mut args = command.args.map();
        args.retain(|name, _| !matches!(name.as_str(), "initial" | "response"));
        args
    },
    reply: |_, reply| {
        let mut meaning = Meaning::of(reply);
        meaning.drop(&["octets", "uid"]);
        Some(meaning)
    },
    greeting: |greeting| {
        let mut meaning = Meaning::greeted(greeting);
        meaning.values.clear();
        meaning
    },
    content: |verb| match verb {
        "RETR" | "TOP" => Kept::Message,
        "CAPA" => Kept::Capabilities,
        "LIST" | "UIDL" => Kept::FirstWords,
        _ => Kept::All,
    },
};
