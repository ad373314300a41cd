//! What is worth a note although nothing is wrong with the bytes: passwords in plaintext, capabilities that TLS changes.
//! Takes each event as it is made, gives notes about it, each once a session.
//! Knows what events say and nothing of how they were read.

use std::collections::BTreeSet;

use crate::event::{Body, Event, Level, Note, Object, Side};

/// Mechanisms whose response holds neither the password nor a token: a challenge is answered, or nothing is secret.
const WITHOUT_PASSWORD: [&str; 7] = ["CRAM-MD5", "DIGEST-MD5", "SCRAM-", "APOP", "GSS", "NTLM", "EXTERNAL"];

/// Capabilities that TLS changes as a rule: the offer of TLS itself goes, and logins become possible.
const USUAL: [&str; 6] = ["STARTTLS", "STLS", "LOGINDISABLED", "AUTH", "SASL", "USER"];

/// How many capabilities are compared; servers list some thirty.
const CAPABILITIES_MAX: usize = 256;

#[derive(Default)]
pub(super) struct Watch {
    client_tls: bool,
    server_tls: bool,
    plaintext_noted: bool,
    disabled_noted: bool,
    now: BTreeSet<String>,
    /// What was offered before TLS, until it has been compared.
    before: Option<BTreeSet<String>>,
}

impl Watch {
    /// A leg has TLS from here on.
    pub fn tls(&mut self, side: Side, upgrade: bool) {
        match side {
            Side::Client => self.client_tls = true,
            Side::Server => self.server_tls = true,
        }
        if upgrade && !self.now.is_empty() {
            self.before = Some(std::mem::take(&mut self.now));
        }
    }

    pub fn has_tls(&self) -> bool {
        self.client_tls || self.server_tls
    }

    /// Whether the client's secret in this event went over the wire in plaintext.
    pub fn secret(&mut self, body: &Body) -> Option<Note> {
        let mechanism = match body {
            Body::Command(command) => match command.args.map().get("mechanism") {
                Some(mechanism) => mechanism.as_str().unwrap_or_default().to_owned(),
                None => command.verb.clone(),
            },
            Body::Auth(auth) => auth.mechanism.clone(),
            // At its end, so that the note stands in the same place however the content came.
            Body::Content(content) if content.last => String::new(),
            _ => return None,
        };
        let harmless = WITHOUT_PASSWORD.iter().any(|start| mechanism.starts_with(start));
        if self.client_tls || harmless || std::mem::replace(&mut self.plaintext_noted, true) {
            return None;
        }
        let rest = if self.server_tls { "; from here to the server it is encrypted" } else { "" };
        let text =
            format!("a password or token came from the client in plaintext, for everybody on the way to read{rest}");
        Some(Note { level: Level::Warn, code: "plaintext-password".to_owned(), text, ..Note::default() })
    }

    /// What an event of the server says about its capabilities.
    pub fn look(&mut self, event: &Event<'_>) -> Option<Note> {
        let values = match &event.body {
            Body::Greeting(greeting) => &greeting.values,
            Body::Reply(reply) => &reply.values,
            _ => return None,
        };
        let offered = capabilities(values)?;
        self.offered(offered)
    }

    /// The server lists what it can do.
    pub fn offered(&mut self, offered: BTreeSet<String>) -> Option<Note> {
        self.now = offered;
        if let Some(before) = self.before.take() {
            return changed(&before, &self.now);
        }
        let disabled = self.now.contains("LOGINDISABLED") && !self.server_tls && self.client_tls;
        if disabled && !std::mem::replace(&mut self.disabled_noted, true) {
            let text = "the server takes no logins without TLS (LOGINDISABLED), and its leg has none: let the right side \
                        of the route end in +starttls, or use the scheme with TLS from the first byte";
            let (code, text) = ("login-disabled".to_owned(), text.to_owned());
            return Some(Note { level: Level::Warn, code, text, ..Note::default() });
        }
        None
    }
}

fn capabilities(values: &Object) -> Option<BTreeSet<String>> {
    if !values.contains("capabilities") {
        return None;
    }
    let map = values.map();
    let names: Vec<String> = match map.get("capabilities")? {
        serde_json::Value::Array(names) => names.iter().filter_map(|name| name.as_str()).map(str::to_owned).collect(),
        serde_json::Value::Object(named) => named.keys().cloned().collect(),
        _ => return None,
    };
    Some(names.into_iter().take(CAPABILITIES_MAX).map(|name| name.to_ascii_uppercase()).collect())
}

fn changed(before: &BTreeSet<String>, now: &BTreeSet<String>) -> Option<Note> {
    let usual = |name: &&String| {
        let word = name.split(['=', ' ']).next().unwrap_or_default();
        USUAL.contains(&word)
    };
    let list = |one: &BTreeSet<String>, other: &BTreeSet<String>| -> Vec<String> {
        one.difference(other).filter(|name| !usual(name)).cloned().collect()
    };
    let (gone, new) = (list(before, now), list(now, before));
    if gone.is_empty() && new.is_empty() {
        return None;
    }
    let said = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(" ") };
    let text =
        format!("the server's capabilities differ before and after TLS; gone: {}; new: {}", said(&gone), said(&new));
    Some(Note { code: "capabilities-changed".to_owned(), text, ..Note::default() })
}
