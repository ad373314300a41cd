//! What an event says, in words and with the wire's own bytes: what `tail` and `show` have in common.
//! Takes one event, gives who speaks, the text and what stands beside it.
//! Does not know how lines are laid out.

use std::borrow::Cow;

use crate::event::{Body, Close, Event, Level, Open, Origin, Tls, Verified};

use super::paint::{Line, Role};
use super::text;

/// Who speaks, in four columns.
pub(super) fn arrow(event: &Event<'_>) -> (Role, &'static str) {
    match (&event.body, event.from) {
        (Body::Note(note), _) if note.level == Level::Warn => (Role::Warning, " !! "),
        (Body::Gap(_), _) => (Role::Warning, " !! "),
        (Body::Tls(tls), _) if tls.error.is_some() => (Role::Warning, " !! "),
        (Body::Tls(_), Origin::Client) => (Role::Client, "C = "),
        (Body::Tls(_), Origin::Server) => (Role::Server, "S = "),
        (_, Origin::Client) => (Role::Client, "C → "),
        (_, Origin::Server) => (Role::Server, "S ← "),
        (_, Origin::Proxy) => (Role::Aside, " ·  "),
    }
}

/// The role in which an event's text is shown.
pub(super) fn role(event: &Event<'_>) -> Role {
    match &event.body {
        Body::Reply(reply) if is_no(&reply.status) => Role::Refusal,
        Body::Greeting(greeting) if is_no(&greeting.status) => Role::Refusal,
        Body::Note(note) if note.level == Level::Warn => Role::Warning,
        Body::Gap(_) => Role::Warning,
        Body::Tls(tls) if tls.error.is_some() => Role::Warning,
        _ => Role::Plain,
    }
}

fn is_no(status: &str) -> bool {
    matches!(status, "NO" | "BAD" | "BYE" | "-ERR")
        || (status.len() == 3 && matches!(status.as_bytes().first(), Some(b'4' | b'5')))
}

/// The lines of the wire without their line ends.
pub(super) fn wire_lines(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    let wire = wire.strip_suffix(b"\n").unwrap_or(wire);
    wire.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// The event in a sentence, where it is not the wire itself that is shown.
pub(super) fn sentence(event: &Event<'_>) -> Option<String> {
    Some(match &event.body {
        Body::Open(open) => opened(open),
        Body::Tls(tls) => tls_facts(tls),
        Body::Content(content) => {
            let left_out = content
                .elided
                .filter(|&elided| elided > 0)
                .map(|elided| format!(" ({} not recorded)", text::grouped(elided)));
            format!("⋯ {} of content{}", text::counted(content.bytes, "byte"), left_out.unwrap_or_default())
        }
        Body::Note(note) => {
            let to = note.to.as_deref().map(|side| format!(" (sent to the {side})")).unwrap_or_default();
            format!("{}: {}{to}", note.code, note.text)
        }
        Body::Compress { algorithm } => format!("compressed with {algorithm} from here on; shown as it reads"),
        Body::Gap(gap) => {
            format!("{} of the {} not recorded: {}", text::counted(gap.bytes, "byte"), gap.side, gap.why)
        }
        Body::Close(close) => closed(close),
        _ => return None,
    })
}

fn opened(open: &Open) -> String {
    let mode = open.mode.as_deref().map(|mode| format!(" ({mode})")).unwrap_or_default();
    format!("{} session opened: {} → {}{mode}", open.protocol, open.client, upstream(open))
}

/// The server as it was named, and the address that was dialled.
pub(super) fn upstream(open: &Open) -> String {
    if open.upstream.is_empty() && open.mode.as_deref() == Some("replay server") {
        // Nobody was dialled, and nobody was to be.
        format!("{} (played)", open.upstream_name)
    } else if open.upstream.is_empty() {
        format!("{} (not reached)", open.upstream_name)
    } else if open.upstream == open.upstream_name {
        open.upstream.clone()
    } else {
        format!("{} ({})", open.upstream_name, open.upstream)
    }
}

fn tls_facts(tls: &Tls) -> String {
    if let Some(error) = &tls.error {
        return format!("TLS handshake ({}) failed: {error}", tls.how);
    }
    let mut facts = vec![format!("TLS ({})", tls.how)];
    facts.extend([&tls.version, &tls.cipher, &tls.group].into_iter().flatten().cloned());
    // Of TLS that is passed through, each side's hello is all that is known.
    if tls.version.is_none() && !tls.versions_offered.is_empty() {
        facts.push(format!("offers {}", tls.versions_offered.join(" and ")));
        facts.extend(tls.alpn_offered.iter().map(|alpn| format!("ALPN {alpn}")));
    }
    facts.extend(tls.sni.as_ref().map(|name| format!("for {name}")));
    facts.extend(tls.alpn.as_ref().map(|alpn| format!("ALPN {alpn}")));
    facts.extend(tls.resumed.filter(|resumed| *resumed).map(|_| "resumed".to_owned()));
    facts.extend(tls.certificate.as_ref().map(|certificate| format!("certificate of {}", certificate.subject)));
    facts.extend(tls.verified.map(|verified| {
        match verified {
            Verified::Yes => "verified",
            Verified::No => "NOT verified",
            Verified::Skipped => "verification skipped",
        }
        .to_owned()
    }));
    facts.join(", ")
}

fn closed(close: &Close) -> String {
    // Most reasons say themselves whose they are.
    let by = if close.reason.starts_with(&format!("the {} ", close.by)) {
        String::new()
    } else {
        format!(" by the {}", close.by)
    };
    format!(
        "closed{by}: {} — {}, {} from the client, {} from the server, {}",
        close.reason,
        text::counted(close.commands, "command"),
        text::counted(close.client_bytes, "byte"),
        text::counted(close.server_bytes, "byte"),
        text::duration(close.duration_us)
    )
}

/// How long the client waited for this.
pub(super) fn latency(event: &Event<'_>) -> Option<u64> {
    match &event.body {
        Body::Reply(reply) => reply.latency_us,
        Body::Continue(go) => go.latency_us,
        _ => None,
    }
}

/// What a SASL message says that its bytes do not show.
pub(super) fn beside<'e>(event: &'e Event<'_>) -> Option<Cow<'e, str>> {
    match &event.body {
        Body::Auth(auth) => {
            let user = auth.user.as_deref().map(|user| format!(", user {user}")).unwrap_or_default();
            Some(Cow::Owned(format!("{} step {}{user}", auth.mechanism, auth.step)))
        }
        Body::Continue(go) => go.decoded.as_deref().map(Cow::Borrowed),
        _ => None,
    }
}

/// An explanation under an event.
pub(super) fn explained(text: &str, indent: usize) -> Line {
    Line::new().pad(indent).add(Role::Aside, "│ ").add(Role::Aside, text)
}
