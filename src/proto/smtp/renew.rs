//! What a recorded SMTP client says anew: its login.
//! Takes commands as they were recorded, gives lines.
//! Knows nothing of the conversation around them.

use crate::event::Command;
use crate::proto::renew::{Renew, Secret, sasl};

pub(super) const RENEW: Renew = Renew {
    service: "smtp",
    login: |command| if command.verb == "AUTH" { sasl(command) } else { None },
    say,
    refuses: |status| status.starts_with(['4', '5']),
    starttls: |command| command.verb == "STARTTLS",
    ..Renew::NOTHING
};

fn say(_: &Command, secret: &Secret<'_>) -> Vec<u8> {
    let Secret::Sasl(mechanism, initial) = secret else { return Vec::new() };
    match initial {
        // RFC 4954 §4: an empty initial response is written so.
        Some("") => format!("AUTH {mechanism} =\r\n").into_bytes(),
        Some(initial) => format!("AUTH {mechanism} {initial}\r\n").into_bytes(),
        None => format!("AUTH {mechanism}\r\n").into_bytes(),
    }
}
