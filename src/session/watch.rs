//! What is wrong with a session or worth knowing about it, whatever its protocol; and how often it is said.
//! Takes each piece and handshake as it is logged, asks the protocol's own watch too, gives notes.
//! Knows what events say and nothing of how they were read.

use std::collections::{BTreeSet, HashMap};

use crate::event::{Body, Note, Object, Seq, Side, Stamp, Tls, Verified};
use crate::findings;
use crate::proto::watch::{self, Found, Seen};
use crate::proto::{Piece, Spec};

/// Mechanisms whose response holds neither the password nor a token: a challenge is answered, or nothing is secret.
const WITHOUT_PASSWORD: [&str; 7] = ["CRAM-MD5", "DIGEST-MD5", "SCRAM-", "APOP", "GSS", "NTLM", "EXTERNAL"];

/// Commands with a login in them. Of others what is hidden may be a password, and need not be.
const LOGINS: [&str; 5] = ["LOGIN", "AUTHENTICATE", "AUTH", "PASS", "APOP"];

/// Capabilities that TLS changes as a rule: the offer of TLS itself goes, and logins become possible.
const USUAL: [&str; 6] = ["STARTTLS", "STLS", "LOGINDISABLED", "AUTH", "SASL", "USER"];

/// How many capabilities are compared; servers list some thirty.
const CAPABILITIES_MAX: usize = 256;

/// How often one finding is noted in a session. The first tell what is wrong; a log of thousands hides the rest.
const TIMES_MAX: u32 = 5;

/// From here on an answer is slow, in microseconds.
const SLOW: u64 = 1_000_000;

/// A certificate that ends within so many microseconds is soon to be renewed: two weeks. Automatic renewal has been at it
/// for some time by then.
const EXPIRING: u64 = 14 * 24 * 3600 * 1_000_000;

pub(super) struct Watch {
    protocol: Box<dyn watch::Watch>,
    times: HashMap<String, u32>,
    /// The server as the route names it.
    host: String,
    client_tls: bool,
    server_tls: bool,
    greeted: bool,
    /// Who said something last, and when.
    last: Option<Side>,
    last_at: Stamp,
    plaintext_noted: bool,
    disabled_noted: bool,
    now: BTreeSet<String>,
    /// What was offered before TLS, until it has been compared.
    before: Option<BTreeSet<String>>,
}

impl Watch {
    pub fn new(spec: &Spec) -> Watch {
        Watch {
            protocol: (spec.watch)(),
            times: HashMap::new(),
            host: String::new(),
            client_tls: false,
            server_tls: false,
            greeted: false,
            last: None,
            last_at: Stamp::default(),
            plaintext_noted: false,
            disabled_noted: false,
            now: BTreeSet::new(),
            before: None,
        }
    }

    /// The connection begins.
    pub fn opened(&mut self, at: Stamp, upstream_name: &str) {
        self.last_at = at;
        let host = upstream_name.rsplit_once(':').map_or(upstream_name, |(host, _)| host);
        host.trim_matches(['[', ']']).clone_into(&mut self.host);
    }

    /// A leg has TLS from here on, or was to have it.
    pub fn tls(&mut self, at: Stamp, side: Side, facts: &Tls) -> Vec<Note> {
        self.last_at = at;
        if facts.error.is_none() || facts.verified == Some(Verified::Skipped) {
            self.encrypted(side, facts.how == "starttls");
        }
        let mut found = Vec::new();
        if side == Side::Server {
            found.extend(judged(at, facts, &self.host));
        }
        let cipher = facts.cipher.as_deref().unwrap_or_default();
        if cipher.starts_with("TLS_RSA_WITH_") {
            let text = format!("{cipher} on the {} leg has no forward secrecy", side.name());
            found.push(findings::NO_FORWARD_SECRECY.note(text));
        }
        self.sparing(found)
    }

    fn encrypted(&mut self, side: Side, upgrade: bool) {
        match side {
            Side::Client => self.client_tls = true,
            Side::Server => self.server_tls = true,
        }
        if upgrade && side == Side::Server {
            self.protocol.upgraded();
        }
        if upgrade && !self.now.is_empty() {
            self.before = Some(std::mem::take(&mut self.now));
        }
    }

    pub fn has_tls(&self) -> bool {
        self.client_tls || self.server_tls
    }

    /// What there is to note about a piece that is logged under this number.
    pub fn look(&mut self, at: Stamp, seq: Seq, piece: &Piece<'_>) -> Vec<Note> {
        let mut found = Found::default();
        if piece.from == Side::Client && !piece.secrets.is_empty() {
            found.0.extend(self.secret(&piece.body));
            // What is offered after a login is another matter than what is after TLS.
            self.before = None;
        }
        if piece.from == Side::Server {
            found.0.extend(self.told(&piece.body));
        }
        self.in_turn(at, seq, piece, &mut found);
        let encrypted = if piece.from == Side::Client { self.client_tls } else { self.server_tls };
        let seen = Seen { seq, at, from: piece.from, wire: piece.wire, body: &piece.body, encrypted };
        self.protocol.look(&seen, &mut found);
        if found.0.is_empty() { Vec::new() } else { self.sparing(found.0) }
    }

    /// Whether each side speaks when it should.
    fn in_turn(&mut self, at: Stamp, seq: Seq, piece: &Piece<'_>, found: &mut Found) {
        let waited = at.since(self.last_at);
        let from_client = self.last == Some(Side::Client);
        match &piece.body {
            Body::Greeting(_) if self.last.is_none() && waited > SLOW => {
                let text = format!("the server took {} to greet", seconds(waited));
                found.add(&findings::SLOW_ANSWER, seq, text);
            }
            Body::Command(_) if self.last.is_none() && !self.greeted => {
                found.add(&findings::EARLY_TALK, seq, "the client spoke before the server had greeted it");
            }
            // Of what comes unasked nobody knows how long it took.
            Body::Reply(reply) if from_client && waited > SLOW => {
                let text = format!("the server took {} to answer", seconds(waited));
                found.add(&findings::SLOW_ANSWER, reply.answers.unwrap_or(seq), text);
            }
            Body::Continue(go) if from_client && waited > SLOW => {
                let text = format!("the server took {} to let the client go on", seconds(waited));
                found.add(&findings::SLOW_ANSWER, go.answers.unwrap_or(seq), text);
            }
            _ => {}
        }
        self.greeted |= matches!(piece.body, Body::Greeting(_));
        (self.last, self.last_at) = (Some(piece.from), at);
    }

    /// Leaves out what was said often enough.
    fn sparing(&mut self, found: Vec<Note>) -> Vec<Note> {
        let kept = found.into_iter().filter_map(|mut note| {
            let times = self.times.entry(note.code.clone()).or_default();
            *times += 1;
            if *times == TIMES_MAX {
                note.text.push_str(" (further ones are not noted)");
            }
            (*times <= TIMES_MAX).then_some(note)
        });
        kept.collect()
    }

    /// Whether the client's secret in this event went over the wire in plaintext.
    fn secret(&mut self, body: &Body) -> Option<Note> {
        let mechanism = match body {
            Body::Command(command) => match command.args.map().get("mechanism") {
                Some(mechanism) => mechanism.as_str().unwrap_or_default().to_owned(),
                None if LOGINS.contains(&command.verb.as_str()) => command.verb.clone(),
                None => return None,
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
        Some(findings::PLAINTEXT_PASSWORD.note(format!(
            "a password or token came from the client in plaintext, for everybody on the way to read{rest}"
        )))
    }

    /// What the server says about its capabilities.
    fn told(&mut self, body: &Body) -> Option<Note> {
        let values = match body {
            Body::Greeting(greeting) => &greeting.values,
            Body::Reply(reply) => &reply.values,
            _ => return None,
        };
        self.compared(capabilities(values)?)
    }

    /// The server lists in content what it can do.
    pub fn offered(&mut self, offered: Vec<String>) -> Option<Note> {
        self.protocol.capabilities(&offered);
        let name = |line: &String| line.split(' ').next().unwrap_or_default().to_owned();
        self.compared(offered.iter().map(name).collect())
    }

    fn compared(&mut self, offered: BTreeSet<String>) -> Option<Note> {
        self.now = offered;
        if let Some(before) = self.before.take() {
            return changed(&before, &self.now);
        }
        let disabled = self.now.contains("LOGINDISABLED") && !self.server_tls && self.client_tls;
        if disabled && !std::mem::replace(&mut self.disabled_noted, true) {
            let text = "the server takes no logins without TLS (LOGINDISABLED), and its leg has none: let the right side \
                        of the route end in +starttls, or use the scheme with TLS from the first byte";
            return Some(findings::LOGIN_DISABLED.note(text));
        }
        None
    }
}

/// What there is to say of the server's certificate.
fn judged(at: Stamp, facts: &Tls, host: &str) -> Vec<Note> {
    let Some(certificate) = &facts.certificate else { return Vec::new() };
    let mut found = Vec::new();
    let left = Stamp::parse(&certificate.not_after).map_or(0, |end| end.since(at));
    if left > 0 && left < EXPIRING {
        let text = format!(
            "the server's certificate ends on {}, in {} days",
            certificate.not_after,
            left / (24 * 3600 * 1_000_000)
        );
        found.push(findings::CERTIFICATE_EXPIRING.note(text));
    }
    let name = facts.sni.as_deref().unwrap_or(host);
    if !name.is_empty()
        && facts.verified != Some(Verified::Yes)
        && !certificate.names.is_empty()
        && !certificate.names.iter().any(|pattern| covers(pattern, name))
    {
        let names = certificate.names.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        found.push(
            findings::CERTIFICATE_NAME.note(format!("the server's certificate is for {names}, and not for {name}")),
        );
    }
    found
}

/// Whether a name in a certificate covers a host's; a star stands for the first label alone (RFC 9525 §6.3).
fn covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(rest) => name.split_once('.').is_some_and(|(_, parent)| parent.eq_ignore_ascii_case(rest)),
        None => pattern.eq_ignore_ascii_case(name),
    }
}

fn seconds(microseconds: u64) -> String {
    format!("{}.{} s", microseconds / 1_000_000, microseconds % 1_000_000 / 100_000)
}

fn capabilities(values: &Object) -> Option<BTreeSet<String>> {
    if values.is_empty() || !values.contains("capabilities") {
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
    Some(findings::CAPABILITIES_CHANGED.note(text))
}
