//! POP3 as a played server speaks it.
//! Takes verbs and parsed arguments, gives lines.
//! Does not know what was recorded.

use serde_json::{Map, Value};

use crate::proto::line::line;
use crate::proto::replay::{Replay, mechanism_only};

pub const REPLAY: Replay = Replay {
    optional: |verb| matches!(verb, "NOOP" | "CAPA" | "QUIT"),
    polite: |verb| match verb {
        "NOOP" => Some(&["+OK\r\n"]),
        "CAPA" => Some(&["+OK\r\nUSER\r\nUIDL\r\nTOP\r\n.\r\n"]),
        "QUIT" => Some(&["+OK the replay ends\r\n"]),
        _ => None,
    },
    again: |verb| matches!(verb, "CAPA" | "QUIT"),
    anywhere: |_| false,
    farewell: |verb| verb == "QUIT",
    settle,
    login: |verb| matches!(verb, "USER" | "PASS" | "APOP" | "AUTH"),
    refuse: |_, text| line("-ERR ", text),
    deny: |_, text| line("-ERR [AUTH] ", text),
    challenge: |base64| format!("+ {base64}\r\n").into_bytes(),
};

fn settle(verb: &str, args: &mut Map<String, Value>) {
    if matches!(verb, "USER" | "PASS" | "APOP" | "AUTH") {
        mechanism_only(args);
    }
}
