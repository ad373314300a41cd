//! Writes an event as one line of JSON.
//! Takes an [`Event`], appends the line and its line end to the caller's buffer.
//! Knows nothing of where the line goes.

use std::fmt::Write;

use super::wire::{escape, wire_field};
use super::{Body, Certificate, Event, Object, Verified};

/// Appends the event as one line, `\n` included. Fields without a value are left out.
pub fn write_line(event: &Event<'_>, out: &mut Vec<u8>) {
    let mut head = String::with_capacity(96);
    let _ = write!(
        head,
        "{{\"seq\":{},\"at\":\"{}\",\"kind\":\"{}\",\"from\":\"{}\"",
        event.seq,
        event.at,
        event.kind(),
        event.from.name()
    );
    out.extend_from_slice(head.as_bytes());
    let mut fields = Fields { out };
    fields.body(&event.body);
    if !event.wire.is_empty() {
        wire_field(out, &event.wire);
    }
    if event.redacted {
        out.extend_from_slice(b",\"redacted\":true");
    }
    out.extend_from_slice(b"}\n");
}

struct Fields<'o> {
    out: &'o mut Vec<u8>,
}

impl Fields<'_> {
    fn body(&mut self, body: &Body) {
        match body {
            Body::Open(open) => {
                self.text("format", &open.format).text("session", &open.session).text("protocol", &open.protocol);
                self.text("client", &open.client).text("listener", &open.listener).text("upstream", &open.upstream);
                self.text("upstream_name", &open.upstream_name).text("route", &open.route);
                self.text("mailtap", &open.mailtap).maybe("mode", open.mode.as_deref());
                self.maybe("of", open.of.as_deref());
            }
            Body::Tls(tls) => self.tls(tls),
            Body::Greeting(greeting) => {
                self.text("status", &greeting.status).maybe("code", greeting.code.as_deref());
                self.text("text", &greeting.text).some_object("values", &greeting.values);
            }
            Body::Command(command) => {
                self.text("verb", &command.verb).maybe("tag", command.tag.as_deref());
                self.object("args", &command.args).maybe_number("continues", command.continues);
            }
            Body::Reply(reply) => {
                self.text("status", &reply.status).maybe("tag", reply.tag.as_deref());
                self.maybe("code", reply.code.as_deref()).text("text", &reply.text);
                self.maybe("data", reply.data.as_deref()).maybe_number("number", reply.number);
                self.some_object("values", &reply.values).maybe_number("answers", reply.answers);
                self.maybe_number("latency_us", reply.latency_us).maybe_number("continues", reply.continues);
            }
            Body::Continue(go) => {
                self.text("status", &go.status).text("text", &go.text).maybe("decoded", go.decoded.as_deref());
                self.some_object("values", &go.values);
                self.maybe_number("answers", go.answers).maybe_number("latency_us", go.latency_us);
            }
            Body::Auth(auth) => {
                self.text("mechanism", &auth.mechanism).number("step", u64::from(auth.step));
                self.maybe("user", auth.user.as_deref()).some_object("args", &auth.args).maybe_number("of", auth.of);
            }
            Body::Content(content) => {
                self.number("of", content.of).number("bytes", content.bytes);
                if content.last {
                    self.flag("last", true);
                }
                self.maybe("sha256", content.sha256.as_deref()).maybe_number("elided", content.elided);
            }
            Body::Raw => {}
            Body::Note(note) => {
                self.text("level", note.level.name()).text("code", &note.code).text("text", &note.text);
                self.maybe_number("about", note.about).maybe("to", note.to.as_deref());
            }
            Body::Compress { algorithm } => {
                self.text("algorithm", algorithm);
            }
            Body::Gap(gap) => {
                self.number("bytes", gap.bytes).text("side", &gap.side).text("why", &gap.why);
            }
            Body::Close(close) => {
                self.text("by", &close.by).text("reason", &close.reason);
                self.number("client_bytes", close.client_bytes).number("server_bytes", close.server_bytes);
                self.number("commands", close.commands).number("duration_us", close.duration_us);
                self.maybe("user", close.user.as_deref());
            }
        }
    }

    fn tls(&mut self, tls: &super::Tls) {
        self.text("how", &tls.how).maybe("version", tls.version.as_deref()).maybe("cipher", tls.cipher.as_deref());
        self.maybe("group", tls.group.as_deref()).maybe("sni", tls.sni.as_deref()).maybe("alpn", tls.alpn.as_deref());
        let mut rest = Object::new();
        if !tls.alpn_offered.is_empty() {
            rest.list("alpn_offered", &tls.alpn_offered);
        }
        if !tls.versions_offered.is_empty() {
            rest.list("versions_offered", &tls.versions_offered);
        }
        match tls.verified {
            Some(Verified::Yes) => rest.flag("verified", true),
            Some(Verified::No) => rest.flag("verified", false),
            Some(Verified::Skipped) => rest.text("verified", "skipped"),
            None => &mut rest,
        };
        if let Some(resumed) = tls.resumed {
            rest.flag("resumed", resumed);
        }
        if let Some(client_certificate) = &tls.client_certificate {
            rest.text("client_certificate", client_certificate);
        }
        if let Some(certificate) = &tls.certificate {
            rest.object("certificate", &described(certificate));
        }
        if !tls.chain.is_empty() {
            let chain: Vec<Object> = tls.chain.iter().map(described).collect();
            rest.objects("chain", &chain);
        }
        if let Some(error) = &tls.error {
            rest.text("error", error);
        }
        if !rest.is_empty() {
            self.out.push(b',');
            self.out.extend_from_slice(rest.inner().as_bytes());
        }
    }

    fn name(&mut self, name: &str) {
        self.out.extend_from_slice(b",\"");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name);
        self.out.push(b'"');
        escape(self.out, value.as_bytes());
        self.out.push(b'"');
        self
    }

    fn maybe(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.text(name, value);
        }
        self
    }

    fn number(&mut self, name: &str, value: u64) -> &mut Self {
        self.name(name);
        let mut digits = String::with_capacity(20);
        let _ = write!(digits, "{value}");
        self.out.extend_from_slice(digits.as_bytes());
        self
    }

    fn maybe_number(&mut self, name: &str, value: Option<u64>) -> &mut Self {
        if let Some(value) = value {
            self.number(name, value);
        }
        self
    }

    fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.name(name);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    fn object(&mut self, name: &str, value: &Object) -> &mut Self {
        self.name(name);
        self.out.push(b'{');
        self.out.extend_from_slice(value.inner().as_bytes());
        self.out.push(b'}');
        self
    }

    fn some_object(&mut self, name: &str, value: &Object) -> &mut Self {
        if !value.is_empty() {
            self.object(name, value);
        }
        self
    }
}

fn described(certificate: &Certificate) -> Object {
    let mut object = Object::new();
    object.text("subject", &certificate.subject).text("issuer", &certificate.issuer).list("names", &certificate.names);
    object.text("not_after", &certificate.not_after).text("sha256", &certificate.sha256);
    object
}
