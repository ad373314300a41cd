//! What there is to say of a server's certificate that was shown in a handshake.
//! Takes the handshake's facts and the server's name, gives notes.
//! Verifies nothing; that was done in the handshake.

use crate::event::{Note, Stamp, Tls, Verified};
use crate::findings;

/// A certificate that ends within so many microseconds is soon to be renewed: two weeks. Automatic renewal has been at it
/// for some time by then.
const EXPIRING: u64 = 14 * DAY;

const DAY: u64 = 24 * 3600 * 1_000_000;

/// How many of a certificate's names a sentence lists.
const NAMES_SHOWN: usize = 5;

pub(super) fn judged(at: Stamp, facts: &Tls, host: &str) -> Vec<Note> {
    let Some(certificate) = &facts.certificate else { return Vec::new() };
    let mut found = Vec::new();
    let left = Stamp::parse(&certificate.not_after).map_or(0, |end| end.since(at));
    if left > 0 && left < EXPIRING {
        let text = format!("the server's certificate ends on {}, {}", certificate.not_after, within(left / DAY));
        found.push(findings::CERTIFICATE_EXPIRING.note(text));
    }
    let name = facts.sni.as_deref().unwrap_or(host);
    if !name.is_empty()
        && facts.verified != Some(Verified::Yes)
        && !certificate.names.is_empty()
        && !certificate.names.iter().any(|pattern| covers(pattern, name))
    {
        let names = certificate.names.iter().take(NAMES_SHOWN).cloned().collect::<Vec<_>>().join(", ");
        found.push(
            findings::CERTIFICATE_NAME.note(format!("the server's certificate is for {names}, and not for {name}")),
        );
    }
    found
}

fn within(days: u64) -> String {
    match days {
        0 => "within a day".to_owned(),
        1 => "in a day".to_owned(),
        days => format!("in {days} days"),
    }
}

/// Whether a name in a certificate covers a host's; a star stands for the first label alone (RFC 9525 §6.3).
fn covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(rest) => name.split_once('.').is_some_and(|(_, parent)| parent.eq_ignore_ascii_case(rest)),
        None => pattern.eq_ignore_ascii_case(name),
    }
}
