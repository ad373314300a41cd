//! Logins on the client's side: SASL responses, the start of an AUTHENTICATE, and what is secret in torn or stray lines.
//! Takes lines of which it is known that they belong to a login, gives pieces with their secrets marked.
//! Does not know LOGIN's arguments; these are read in `command`.

use super::*;
use crate::findings;

impl Talk {
    /// A SASL response: all of the line is secret, save a `*` that cancels.
    pub(super) fn response(&mut self, line: &[u8], part: Part, out: &mut dyn Sink) {
        let text = without_end(line).trim_ascii_end();
        let all = [0..text.len()];
        let secrets: &[Range<usize>] = if text.is_empty() || text == b"*" && part == Part::Whole { &[] } else { &all };
        let body = match self.auth.as_mut() {
            Some(auth) => {
                auth.asked = false;
                let said = auth.exchange.response(text);
                if let Some(user) = &said.user {
                    out.user(user);
                }
                Body::Auth(said)
            }
            // The server has ended the exchange while this line was coming.
            None => Body::Raw,
        };
        let of = out.piece(Piece { from: Side::Client, wire: line, secrets, body });
        self.client.line = Line { kind: LineKind::Auth, of, secret: true };
    }

    /// No command, and it may be a part of a login that is over, or was never begun: the server takes its first word for a
    /// tag, and it may be a password.
    pub(super) fn stray(&mut self, line: &[u8], out: &mut dyn Sink) {
        let text = without_end(line);
        let all = [0..text.len()];
        let secrets: &[Range<usize>] = if text.is_empty() { &[] } else { &all };
        let of = out.piece(Piece { from: Side::Client, wire: line, secrets, body: Body::Raw });
        self.client.line = Line { kind: LineKind::Suspect, of, secret: true };
        if let Some((tag, _)) = word(text, 0) {
            self.expects(of, tag, Kind::Stray);
        }
    }

    /// The start of an AUTHENTICATE; gives where its initial response stands (RFC 4959).
    pub(super) fn authenticate(
        &mut self,
        text: &[u8],
        at: usize,
        part: Part,
        args: &mut Object,
        out: &mut dyn Sink,
    ) -> Option<Range<usize>> {
        let (mechanism, after) = word(text, at).unwrap_or_default();
        let Some(name) = sasl::mechanism(mechanism) else {
            // It may be a response that stands in the wrong place.
            self.auth = Some(Auth { exchange: Exchange::new("", 0), asked: false });
            let from = skip_space(text, at);
            return (from < text.len()).then_some(from..text.len());
        };
        let mut exchange = Exchange::new(&name, 0);
        args.text("mechanism", exchange.mechanism());
        let initial_at = skip_space(text, after);
        let initial = text.get(initial_at..).unwrap_or_default();
        let secret = (!initial.is_empty()).then_some(initial_at..text.len());
        if secret.is_some() {
            args.flag("initial", true);
            if part == Part::Whole
                && let Some(user) = exchange.initial(initial.trim_ascii_end(), args)
            {
                out.user(&user);
            }
        }
        self.auth = Some(Auth { exchange, asked: false });
        secret
    }
}

pub(super) fn say_user(user: &[u8], args: &mut Object, out: &mut dyn Sink) {
    let user = String::from_utf8_lossy(user);
    args.text("user", &user);
    out.user(&user);
}

/// What may be a secret in a command that was torn off.
pub(super) fn torn_secret(text: &[u8], standing: Standing) -> Option<Range<usize>> {
    let Some(mut head) = Head::parse(text) else {
        return hidden(None, standing.shows(false, 0, text.len()), text.len());
    };
    let shown = standing.shows(head.kind != Kind::Unknown, head.own(text), text.len());
    let secret = match head.kind {
        Kind::Login => head.stage.read(text, head.rest_at, false).1,
        Kind::Authenticate => {
            let (mechanism, after) = word(text, head.rest_at)?;
            let named = sasl::mechanism(mechanism).is_some();
            let from = skip_space(text, if named { after } else { head.rest_at });
            (from < text.len()).then_some(from..text.len())
        }
        _ => None,
    };
    hidden(secret, shown, text.len())
}

pub(super) fn note_binding(mechanism: &str, about: Seq, out: &mut dyn Sink) {
    if !mechanism.ends_with("-PLUS") {
        return;
    }
    let without = mechanism.strip_suffix("-PLUS").unwrap_or(mechanism);
    out.note(Note {
        about: Some(about),
        ..findings::CHANNEL_BINDING.note(format!(
            "{mechanism} binds the login to the TLS connection, and here client and server each have another one, so \
             the server will refuse it; choose {without} in the client, or let this host's TLS through unread with \
             --passthrough"
        ))
    });
}
