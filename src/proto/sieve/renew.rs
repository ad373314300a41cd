//! What a recorded ManageSieve client says anew: its login.
//! Takes commands as they were recorded, gives lines.
//! Knows nothing of the conversation around them.

use crate::event::Command;
use crate::proto::renew::{Renew, Secret, quoted, sasl};

pub(super) const RENEW: Renew = Renew {
    service: "sieve",
    login: |command| if command.verb == "AUTHENTICATE" { sasl(command) } else { None },
    say,
    response: |text| format!("{}\r\n", quoted(text)).into_bytes(),
    refuses: |status| status == "NO",
    starttls: |command| command.verb == "STARTTLS",
    ..Renew::NOTHING
};

fn say(_: &Command, secret: &Secret<'_>) -> Vec<u8> {
    let Secret::Sasl(mechanism, initial) = secret else { return Vec::new() };
    let initial = initial.map(|text| format!(" {}", quoted(text))).unwrap_or_default();
    format!("AUTHENTICATE {}{initial}\r\n", quoted(mechanism)).into_bytes()
}
