//! Whether two TLS handshakes are the same, and if not, in what.
//! Takes what is known of them, gives the differences, each with a sentence.
//! Does not know what was said inside.

use super::compare::Difference;
use crate::event::{Tls, Verified};

/// What differs between two handshakes of one leg; None where there was none.
#[must_use]
pub fn handshakes(leg: &str, one: Option<&Tls>, other: Option<&Tls>) -> Vec<Difference> {
    let mut found = Vec::new();
    let said = |tls: &Tls| match &tls.error {
        Some(error) => format!("failed: {error}"),
        None => format!("{} ({})", tls.version.as_deref().unwrap_or("done"), tls.how),
    };
    let (one, other) = match (one, other) {
        (Some(one), Some(other)) => (one, other),
        (None, None) => return found,
        (one, other) => {
            let none = || "none".to_owned();
            let (one, other) = (one.map_or_else(none, said), other.map_or_else(none, said));
            return vec![Difference::changed("tls", &format!("TLS with the {leg}"), &one, &other)];
        }
    };
    let verified = |tls: &Tls| match tls.verified {
        Some(Verified::Yes) => "yes".to_owned(),
        Some(Verified::No) => "no".to_owned(),
        Some(Verified::Skipped) => "skipped".to_owned(),
        None => String::new(),
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let subject = |tls: &Tls| tls.certificate.as_ref().map(|one| one.subject.clone()).unwrap_or_default();
    let facts: [(&str, String, String); 9] = [
        ("how it began", one.how.clone(), other.how.clone()),
        ("version", text(&one.version), text(&other.version)),
        ("cipher", text(&one.cipher), text(&other.cipher)),
        ("group", text(&one.group), text(&other.group)),
        ("name asked for (SNI)", text(&one.sni), text(&other.sni)),
        ("ALPN", text(&one.alpn), text(&other.alpn)),
        ("certificate verified", verified(one), verified(other)),
        ("certificate's subject", subject(one), subject(other)),
        ("error", text(&one.error), text(&other.error)),
    ];
    for (name, first, second) in facts {
        if first != second {
            found.push(Difference::changed("tls", &format!("TLS with the {leg}, {name}"), &first, &second));
        }
    }
    found
}
