//! What is the same when an SMTP or LMTP session is run again: texts, queue ids and host names are not.
//! Takes commands and replies as they were parsed, gives what they ask and mean.
//! Knows nothing of two sessions.

use serde_json::{Map, Value};

use crate::event::{Command, Reply};
use crate::proto::same::{Kept, Meaning, Same};

pub(super) const SAME: Same = Same {
    command,
    reply: |_, said| Some(reply(said)),
    greeting: |greeting| {
        let mut meaning = Meaning::greeted(greeting);
        meaning.drop(&["domain"]);
        meaning
    },
    content: |verb| if matches!(verb, "DATA" | "BDAT") { Kept::Message } else { Kept::All },
};

fn command(command: &Command) -> Map<String, Value> {
    let mut args = command.args.map();
    match command.verb.as_str() {
        // The client's own name.
        "EHLO" | "HELO" | "LHLO" => args.clear(),
        "AUTH" => args.retain(|name, _| name == "mechanism"),
        "BDAT" => {
            args.shift_remove("bytes");
        }
        _ => {}
    }
    // MAIL's SIZE (RFC 1870) follows from headers that differ in length.
    for value in args.values_mut().filter_map(Value::as_object_mut) {
        value.retain(|name, _| !name.eq_ignore_ascii_case("SIZE"));
    }
    args.retain(|_, value| !value.as_object().is_some_and(Map::is_empty));
    args
}

fn reply(reply: &Reply) -> Meaning {
    let mut meaning = Meaning::of(reply);
    meaning.drop(&["domain"]);
    meaning
}
