//! SMTP and LMTP as a played server speaks them.
//! Takes verbs and parsed arguments, gives lines.
//! Does not know what was recorded.

use serde_json::{Map, Value};

use crate::proto::line::line;
use crate::proto::replay::{Replay, mechanism_only};

pub const REPLAY: Replay = Replay {
    optional: |verb| matches!(verb, "NOOP" | "RSET" | "QUIT"),
    polite: |verb| match verb {
        "NOOP" | "RSET" => Some(&["250 2.0.0 OK\r\n"]),
        "QUIT" => Some(&["221 2.0.0 the replay ends\r\n"]),
        _ => None,
    },
    again: |verb| verb == "QUIT",
    anywhere: |_| false,
    farewell: |verb| verb == "QUIT",
    settle,
    login: |verb| verb == "AUTH",
    refuse: |_, text| line("500 5.5.1 ", text),
    deny: |_, text| line("535 5.7.8 ", text),
    challenge: |base64| format!("334 {base64}\r\n").into_bytes(),
};

/// The client's name for its machine, sizes, and identifiers of messages.
fn settle(verb: &str, args: &mut Map<String, Value>) {
    match verb {
        "AUTH" => mechanism_only(args),
        "EHLO" | "HELO" | "LHLO" | "NOOP" => args.clear(),
        "BDAT" => args.retain(|name, _| name == "last"),
        "MAIL" => {
            let mut empty = false;
            if let Some(Value::Object(parameters)) = args.get_mut("parameters") {
                parameters.retain(|name, _| {
                    !["SIZE", "ENVID", "AUTH"].iter().any(|volatile| name.eq_ignore_ascii_case(volatile))
                });
                empty = parameters.is_empty();
            }
            if empty {
                args.shift_remove("parameters");
            }
        }
        _ => {}
    }
}
