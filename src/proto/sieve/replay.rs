//! ManageSieve as a played server speaks it.
//! Takes verbs and parsed arguments, gives lines.
//! Does not know what was recorded.

use serde_json::{Map, Value};

use super::text;
use crate::proto::replay::{Replay, mechanism_only};

pub const REPLAY: Replay = Replay {
    optional: |verb| matches!(verb, "NOOP" | "CAPABILITY" | "LOGOUT"),
    polite: |verb| match verb {
        "NOOP" => Some(&["OK \"nothing new\"\r\n"]),
        "CAPABILITY" => Some(&["\"IMPLEMENTATION\" \"mailtap\"\r\n\"VERSION\" \"1.0\"\r\nOK\r\n"]),
        "LOGOUT" => Some(&["OK \"the replay ends\"\r\n"]),
        _ => None,
    },
    again: |verb| matches!(verb, "CAPABILITY" | "LOGOUT"),
    anywhere: |verb| {
        matches!(
            verb,
            "LISTSCRIPTS"
                | "GETSCRIPT"
                | "PUTSCRIPT"
                | "CHECKSCRIPT"
                | "SETACTIVE"
                | "DELETESCRIPT"
                | "RENAMESCRIPT"
                | "HAVESPACE"
        )
    },
    farewell: |verb| verb == "LOGOUT",
    settle,
    login: |verb| verb == "AUTHENTICATE",
    refuse: |_, text| format!("NO {}\r\n", text::told(text)).into_bytes(),
    deny: |_, text| format!("NO {}\r\n", text::told(text)).into_bytes(),
    challenge: |base64| format!("{}\r\n", text::quote(base64)).into_bytes(),
};

/// Sizes of scripts.
fn settle(verb: &str, args: &mut Map<String, Value>) {
    match verb {
        "AUTHENTICATE" => mechanism_only(args),
        "NOOP" => args.clear(),
        "HAVESPACE" | "PUTSCRIPT" | "CHECKSCRIPT" => {
            args.shift_remove("bytes");
        }
        _ => {}
    }
}
