//! What a server offers, what a client uses of it, and whether it stays the same.
//! Takes the names in its lists of capabilities, gives findings.
//! Does not know what a capability is for.

use std::collections::HashSet;

use super::{Found, listed, shown};
use crate::event::Seq;
use crate::findings;

/// How many capabilities are remembered, and how long one may be in bytes. Servers list some thirty; the longest that
/// is registered has 27 letters.
const NAMES_MAX: usize = 256;
const NAME_MAX: usize = 64;

/// They go with TLS or with a login, or may: what leads to these, and what a server says of itself.
const USUAL: &[&str] = &[
    "STARTTLS",
    "STLS",
    "LOGINDISABLED",
    "AUTH",
    "SASL",
    "SASL-IR",
    "LOGIN-REFERRALS",
    "USER",
    "ID",
    "IMAP4",
    "IMPLEMENTATION",
    "LOGIN-DELAY",
    "EXPIRE",
    "PIPECONNECT",
];

/// What a server offers, as far as it has said so since its connection or the login changed it.
#[derive(Default)]
pub struct Offer {
    now: Option<HashSet<String>>,
    /// What was offered before something that may change it, until it is offered again.
    before: Option<(After, HashSet<String>)>,
}

#[derive(Clone, Copy)]
enum After {
    Tls,
    Login,
}

impl Offer {
    /// The server has listed what it offers.
    pub fn set(&mut self, about: Seq, names: impl IntoIterator<Item = String>, out: &mut Found) {
        let names = names.into_iter().filter(|name| name.len() <= NAME_MAX).take(NAMES_MAX);
        let now: HashSet<String> = names.map(|name| name.to_ascii_uppercase()).collect();
        if let Some((after, before)) = self.before.take() {
            let mut gone: Vec<&str> = before.iter().map(String::as_str).filter(|name| is_gone(name, &now)).collect();
            gone.sort_unstable();
            if !gone.is_empty() {
                let when = match after {
                    After::Tls => "after STARTTLS",
                    After::Login => "after the login",
                };
                let text = format!("{when} the server no longer offers {}", listed(&gone));
                out.add(&findings::CAPABILITIES_CHANGED, about, text);
            }
        }
        self.now = Some(now);
    }

    pub fn forget(&mut self) {
        *self = Offer::default();
    }

    /// The connection has TLS now, and nothing that was offered before counts.
    pub fn upgraded(&mut self) {
        self.before = self.now.take().map(|now| (After::Tls, now));
    }

    /// The client has logged in. What was offered before holds on where `holds`.
    pub fn logged_in(&mut self, holds: bool) {
        self.before = if holds { self.now.clone() } else { self.now.take() }.map(|now| (After::Login, now));
    }

    #[must_use]
    pub fn is_known(&self) -> bool {
        self.now.is_some()
    }

    /// Whether the list is known and has none of these. A name that ends in `=` stands for all that begin so.
    #[must_use]
    pub fn lacks(&self, names: &[&str]) -> bool {
        let Some(offered) = &self.now else { return false };
        !names.iter().any(|name| match name.strip_suffix('=') {
            Some(_) => offered.iter().any(|offered| offered.starts_with(name)),
            None => offered.contains(*name),
        })
    }

    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.now.as_ref().is_some_and(|offered| offered.contains(name))
    }
}

/// Whether nothing of the kind is offered any more, and that is not to be expected.
fn is_gone(name: &str, now: &HashSet<String>) -> bool {
    let kind = name.split(['=', ' ']).next().unwrap_or_default();
    // A server's own things may have any reason.
    let usual = USUAL.contains(&kind) || kind.starts_with('X');
    !usual && !now.contains(name) && !now.iter().any(|other| other.split(['=', ' ']).next() == Some(kind))
}

/// Says that an extension was used and not offered.
pub fn not_offered(seq: Seq, used: &str, wants: &str, out: &mut Found) {
    let text = format!("the client used {}, and the server does not offer {}", shown(used), shown(wants));
    out.add(&findings::NOT_OFFERED, seq, text);
}
