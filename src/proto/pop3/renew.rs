//! What a recorded POP3 client says anew: its login.
//! Takes commands as they were recorded, gives lines.
//! Knows nothing of the conversation around them.

use crate::event::Command;
use crate::proto::renew::{Login, Renew, Secret, sasl};

pub(super) const RENEW: Renew = Renew {
    service: "pop",
    login: |command| match command.verb.as_str() {
        "USER" => Some(Login::User),
        "PASS" => Some(Login::Password),
        "APOP" => Some(Login::Digest),
        "AUTH" => sasl(command),
        _ => None,
    },
    say,
    refuses: |status| status == "-ERR",
    starttls: |command| command.verb == "STLS",
    ..Renew::NOTHING
};

fn say(_: &Command, secret: &Secret<'_>) -> Vec<u8> {
    let line = match secret {
        Secret::User(user) => format!("USER {user}\r\n"),
        Secret::Password(password) => format!("PASS {password}\r\n"),
        Secret::Digest(user, digest) => format!("APOP {user} {digest}\r\n"),
        Secret::Sasl(mechanism, Some("")) => format!("AUTH {mechanism} =\r\n"),
        Secret::Sasl(mechanism, Some(initial)) => format!("AUTH {mechanism} {initial}\r\n"),
        Secret::Sasl(mechanism, None) => format!("AUTH {mechanism}\r\n"),
        Secret::Both(..) => return Vec::new(),
    };
    line.into_bytes()
}
