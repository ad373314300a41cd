//! What is wrong with a session or worth knowing about it, whatever its protocol; and how often it is said.
//! Takes each piece and handshake as it is logged, asks the protocol's own watch too, gives notes.
//! Knows what events say and nothing of how they were read.

mod certificate;
mod turns;

use std::collections::HashMap;

use self::turns::Turns;
use crate::event::{Body, Note, Seq, Side, Stamp, Tls, Verified};
use crate::findings;
use crate::proto::watch::{self, Ends, Found, Legs, Seen};
use crate::proto::{Piece, Spec};

/// Mechanisms whose responses hold neither the password nor a token: a challenge is answered, a password counts once, or
/// nothing is secret. By their beginnings.
const WITHOUT_PASSWORD: &[&str] = &[
    "CRAM-",
    "DIGEST-MD5",
    "SCRAM-",
    "APOP",
    "GSS",
    "GS2-",
    "KERBEROS_V",
    "NTLM",
    "EXTERNAL",
    "ANONYMOUS",
    "OTP",
    "SKEY",
    "SRP",
    "EAP-",
    "ECDSA-",
    "ECDH-",
    "9798-",
];

/// Commands with a login in them. Of others what is hidden may be a password, and need not be.
const LOGINS: [&str; 5] = ["LOGIN", "AUTHENTICATE", "AUTH", "PASS", "APOP"];

/// How often one finding is noted in a session. The first tell what is wrong; a log of thousands hides the rest.
const TIMES_MAX: u32 = 5;

pub(super) struct Watch {
    protocol: Box<dyn watch::Watch>,
    times: HashMap<String, u32>,
    /// The server as the route names it.
    host: String,
    tls: Legs,
    turns: Turns,
    ends: [Ends; 2],
    /// The client has said all of what it has begun.
    whole: bool,
    plaintext_noted: bool,
}

impl Watch {
    pub fn new(spec: &Spec) -> Watch {
        Watch {
            protocol: (spec.watch)(),
            times: HashMap::new(),
            host: String::new(),
            tls: Legs::default(),
            turns: Turns::default(),
            ends: Default::default(),
            whole: true,
            plaintext_noted: false,
        }
    }

    /// The connection begins.
    pub fn opened(&mut self, at: Stamp, upstream_name: &str) {
        self.turns.begin(at);
        let host = upstream_name.rsplit_once(':').map_or(upstream_name, |(host, _)| host);
        host.trim_matches(['[', ']']).clone_into(&mut self.host);
    }

    /// A leg has TLS from here on, or was to have it.
    pub fn tls(&mut self, at: Stamp, side: Side, facts: &Tls) -> Vec<Note> {
        self.turns.begin(at);
        if facts.error.is_none() || facts.verified == Some(Verified::Skipped) {
            self.encrypted(side, facts.how == "starttls");
        }
        let found = if side == Side::Server { certificate::judged(at, facts, &self.host) } else { Vec::new() };
        self.sparing(found)
    }

    fn encrypted(&mut self, side: Side, upgrade: bool) {
        match side {
            Side::Client => self.tls.client = true,
            Side::Server => self.tls.server = true,
        }
        if upgrade && side == Side::Server {
            self.protocol.upgraded();
        }
    }

    pub fn has_tls(&self) -> bool {
        self.tls.client || self.tls.server
    }

    /// Whether the client has said all of what it has begun, before the bytes that come now.
    pub fn client_is_whole(&mut self, whole: bool) {
        self.whole = whole;
    }

    /// What there is to note about a piece that is logged under this number.
    pub fn look(&mut self, at: Stamp, seq: Seq, piece: &Piece<'_>) -> Vec<Note> {
        let mut found = Found::default();
        if piece.from == Side::Client && !piece.secrets.is_empty() {
            found.0.extend(self.secret(&piece.body));
        }
        self.line_ends(seq, piece, &mut found);
        let seen = Seen { seq, at, from: piece.from, wire: piece.wire, body: &piece.body, tls: self.tls };
        if self.turns.look(at, seq, piece, self.whole, &mut found) {
            self.protocol.early(&seen, &mut found);
        }
        self.protocol.look(&seen, &mut found);
        if found.0.is_empty() { Vec::new() } else { self.sparing(found.0) }
    }

    /// The server lists in content what it can do; the last of it is `about`.
    pub fn offered(&mut self, about: Seq, offered: &[String]) -> Vec<Note> {
        let mut found = Found::default();
        self.protocol.capabilities(about, offered, &mut found);
        self.sparing(found.0)
    }

    /// The session is over.
    pub fn ended(&mut self, at: Stamp) -> Vec<Note> {
        let mut found = Found::default();
        self.protocol.end(at, &mut found);
        self.sparing(found.0)
    }

    /// Lines other than those of a message.
    fn line_ends(&mut self, seq: Seq, piece: &Piece<'_>, found: &mut Found) {
        if matches!(piece.body, Body::Content(_) | Body::Raw) {
            return;
        }
        let [client, server] = &mut self.ends;
        let ends = if piece.from == Side::Client { client } else { server };
        let (lf, cr) = ends.bare(piece.wire);
        if lf > 0 {
            found.add(&findings::BARE_LF, seq, format!("what the {} said ends in LF without CR", piece.from.name()));
        }
        if cr > 0 {
            found.add(&findings::BARE_CR, seq, format!("the {} said a CR without LF behind it", piece.from.name()));
        }
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
        let mechanism = mechanism.to_ascii_uppercase();
        let harmless = WITHOUT_PASSWORD.iter().any(|start| mechanism.starts_with(start));
        if self.tls.client || harmless || std::mem::replace(&mut self.plaintext_noted, true) {
            return None;
        }
        let rest = if self.tls.server { "; from here to the server it is encrypted" } else { "" };
        Some(findings::PLAINTEXT_PASSWORD.note(format!(
            "a password or token came from the client in plaintext, for everybody on the way to read{rest}"
        )))
    }
}
