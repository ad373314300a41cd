//! Reads a line of a recording back into an event.
//! Takes one line, gives the event or what is wrong with the line. Fields it does not know are passed over, so that a
//! newer program's recordings can be read. Knows nothing of files.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::{
    Auth, Body, Certificate, Close, Command, Content, Continue, Event, Gap, Greeting, Level, Note, Object, Open,
    Origin, Reply, Stamp, Tls, Verified,
};

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError(String);

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ReadError {}

pub(super) fn event(line: &[u8]) -> Result<Event<'static>, ReadError> {
    let value: Value = serde_json::from_slice(line).map_err(|error| ReadError(format!("not JSON: {error}")))?;
    let Value::Object(map) = value else { return Err(ReadError("not a JSON object".to_owned())) };
    let fields = Fields(&map);
    let at = fields.text("at")?;
    Ok(Event {
        seq: fields.number("seq")?,
        at: Stamp::parse(&at).ok_or_else(|| ReadError(format!("\"at\" is no time: {at:?}")))?,
        from: fields.origin()?,
        wire: Cow::Owned(fields.wire()?),
        redacted: fields.flag("redacted"),
        body: fields.body()?,
    })
}

struct Fields<'m>(&'m Map<String, Value>);

impl Fields<'_> {
    fn body(&self) -> Result<Body, ReadError> {
        let kind = self.text("kind")?;
        Ok(match kind.as_str() {
            "open" => Body::Open(Box::new(Open {
                format: self.text("format")?,
                session: self.text("session")?,
                protocol: self.text("protocol")?,
                client: self.text_or_empty("client"),
                listener: self.text_or_empty("listener"),
                upstream: self.text_or_empty("upstream"),
                upstream_name: self.text_or_empty("upstream_name"),
                route: self.text_or_empty("route"),
                mailtap: self.text_or_empty("mailtap"),
                mode: self.maybe("mode"),
                of: self.maybe("of"),
            })),
            "tls" => Body::Tls(Box::new(self.tls())),
            "greeting" => Body::Greeting(Greeting {
                status: self.text("status")?,
                code: self.maybe("code"),
                text: self.text_or_empty("text"),
                values: self.object("values"),
            }),
            "command" => Body::Command(Command {
                verb: self.text("verb")?,
                tag: self.maybe("tag"),
                args: self.object("args"),
                continues: self.maybe_number("continues"),
            }),
            "reply" => Body::Reply(Reply {
                status: self.text("status")?,
                tag: self.maybe("tag"),
                code: self.maybe("code"),
                text: self.text_or_empty("text"),
                data: self.maybe("data"),
                number: self.maybe_number("number"),
                values: self.object("values"),
                answers: self.maybe_number("answers"),
                latency_us: self.maybe_number("latency_us"),
                continues: self.maybe_number("continues"),
            }),
            "continue" => Body::Continue(Continue {
                status: self.text("status")?,
                text: self.text_or_empty("text"),
                decoded: self.maybe("decoded"),
                values: self.object("values"),
                answers: self.maybe_number("answers"),
                latency_us: self.maybe_number("latency_us"),
            }),
            "auth" => Body::Auth(Auth {
                mechanism: self.text("mechanism")?,
                step: u32::try_from(self.number("step")?).unwrap_or(u32::MAX),
                user: self.maybe("user"),
                args: self.object("args"),
                of: self.maybe_number("of"),
            }),
            "content" => Body::Content(Content {
                of: self.number("of")?,
                bytes: self.number("bytes")?,
                last: self.flag("last"),
                sha256: self.maybe("sha256"),
                elided: self.maybe_number("elided"),
            }),
            "raw" => Body::Raw,
            "note" => Body::Note(Note {
                level: if self.text("level")? == "warn" { Level::Warn } else { Level::Info },
                code: self.text("code")?,
                text: self.text_or_empty("text"),
                about: self.maybe_number("about"),
                to: self.maybe("to"),
            }),
            "compress" => Body::Compress { algorithm: self.text("algorithm")? },
            "gap" => Body::Gap(Gap {
                bytes: self.number("bytes")?,
                side: self.text_or_empty("side"),
                why: self.text_or_empty("why"),
            }),
            "close" => Body::Close(Box::new(Close {
                by: self.text("by")?,
                reason: self.text_or_empty("reason"),
                client_bytes: self.number("client_bytes")?,
                server_bytes: self.number("server_bytes")?,
                commands: self.number("commands")?,
                duration_us: self.number("duration_us")?,
                user: self.maybe("user"),
            })),
            other => return Err(ReadError(format!("unknown kind {other:?}"))),
        })
    }

    fn tls(&self) -> Tls {
        Tls {
            how: self.text_or_empty("how"),
            version: self.maybe("version"),
            cipher: self.maybe("cipher"),
            group: self.maybe("group"),
            sni: self.maybe("sni"),
            alpn: self.maybe("alpn"),
            alpn_offered: self.texts("alpn_offered"),
            versions_offered: self.texts("versions_offered"),
            verified: match self.0.get("verified") {
                Some(Value::Bool(true)) => Some(Verified::Yes),
                Some(Value::Bool(false)) => Some(Verified::No),
                Some(Value::String(_)) => Some(Verified::Skipped),
                _ => None,
            },
            resumed: self.0.get("resumed").and_then(Value::as_bool),
            client_certificate: self.maybe("client_certificate"),
            certificate: self.0.get("certificate").and_then(Value::as_object).map(|map| Fields(map).certificate()),
            chain: match self.0.get("chain") {
                Some(Value::Array(chain)) => {
                    chain.iter().filter_map(Value::as_object).map(|map| Fields(map).certificate()).collect()
                }
                _ => Vec::new(),
            },
            error: self.maybe("error"),
        }
    }

    fn certificate(&self) -> Certificate {
        Certificate {
            subject: self.text_or_empty("subject"),
            issuer: self.text_or_empty("issuer"),
            names: self.texts("names"),
            not_after: self.text_or_empty("not_after"),
            sha256: self.text_or_empty("sha256"),
        }
    }

    fn origin(&self) -> Result<Origin, ReadError> {
        match self.text("from")?.as_str() {
            "client" => Ok(Origin::Client),
            "server" => Ok(Origin::Server),
            "proxy" => Ok(Origin::Proxy),
            other => Err(ReadError(format!("\"from\" is {other:?}, not client, server or proxy"))),
        }
    }

    fn wire(&self) -> Result<Vec<u8>, ReadError> {
        if let Some(text) = self.maybe("wire") {
            return Ok(text.into_bytes());
        }
        let Some(encoded) = self.maybe("wire_b64") else { return Ok(Vec::new()) };
        STANDARD.decode(encoded).map_err(|error| ReadError(format!("\"wire_b64\" is not base64: {error}")))
    }

    fn text(&self, name: &str) -> Result<String, ReadError> {
        self.maybe(name).ok_or_else(|| ReadError(format!("no text in {name:?}")))
    }

    fn text_or_empty(&self, name: &str) -> String {
        self.maybe(name).unwrap_or_default()
    }

    fn maybe(&self, name: &str) -> Option<String> {
        self.0.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    fn texts(&self, name: &str) -> Vec<String> {
        match self.0.get(name) {
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    fn number(&self, name: &str) -> Result<u64, ReadError> {
        self.maybe_number(name).ok_or_else(|| ReadError(format!("no number in {name:?}")))
    }

    fn maybe_number(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(Value::as_u64)
    }

    fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    fn object(&self, name: &str) -> Object {
        self.0.get(name).and_then(Value::as_object).map(Object::from).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use std::borrow::Cow;

    fn same(from: Origin, wire: &[u8], body: Body) {
        let event =
            Event { seq: 3, at: Stamp(1_795_404_723_200_001), from, wire: Cow::Borrowed(wire), redacted: true, body };
        let line = event.to_json();
        assert_eq!(Event::from_json(line.as_bytes()).unwrap(), event.clone().into_owned(), "{line}");
    }

    #[test]
    fn every_kind_reads_back_as_it_was_written() {
        let mut args = Object::new();
        args.text("mailbox", "Entwürfe").list("items", ["UID", "FLAGS"]);
        let certificate = Certificate { subject: "CN=a".into(), names: vec!["a".into()], ..Certificate::default() };
        same(
            Origin::Proxy,
            b"",
            Body::Open(Box::new(Open { format: "mailtap/1".into(), of: Some("x".into()), ..Open::default() })),
        );
        same(
            Origin::Server,
            b"",
            Body::Tls(Box::new(Tls {
                how: "starttls".into(),
                verified: Some(Verified::Skipped),
                alpn_offered: vec!["imap".into()],
                versions_offered: vec!["TLSv1.3".into(), "TLSv1.2".into()],
                chain: vec![certificate.clone()],
                certificate: Some(certificate),
                resumed: Some(false),
                error: Some("expired".into()),
                ..Tls::default()
            })),
        );
        same(
            Origin::Server,
            b"* OK hi\r\n",
            Body::Greeting(Greeting { status: "OK".into(), text: "hi".into(), values: args.clone(), code: None }),
        );
        same(
            Origin::Client,
            b"\xff\x00",
            Body::Command(Command {
                verb: "NOOP".into(),
                tag: Some("a1".into()),
                args: args.clone(),
                continues: Some(1),
            }),
        );
        same(
            Origin::Server,
            b"x",
            Body::Reply(Reply {
                status: "OK".into(),
                number: Some(7),
                answers: Some(2),
                latency_us: Some(0),
                values: args.clone(),
                ..Reply::default()
            }),
        );
        same(
            Origin::Server,
            b"+ \r\n",
            Body::Continue(Continue {
                status: "+".into(),
                decoded: Some("c".into()),
                values: args.clone(),
                ..Continue::default()
            }),
        );
        same(
            Origin::Client,
            b"x",
            Body::Auth(Auth { mechanism: "PLAIN".into(), step: 1, user: Some("joe".into()), args, of: Some(1) }),
        );
        same(
            Origin::Client,
            b"x",
            Body::Content(Content { of: 1, bytes: 1 << 40, last: true, sha256: Some("00".into()), elided: Some(9) }),
        );
        same(Origin::Client, b"x", Body::Raw);
        same(
            Origin::Proxy,
            b"x",
            Body::Note(Note {
                level: Level::Warn,
                code: "lost-sync".into(),
                text: "t".into(),
                about: Some(1),
                to: Some("client".into()),
            }),
        );
        same(Origin::Proxy, b"", Body::Compress { algorithm: "DEFLATE".into() });
        same(Origin::Proxy, b"", Body::Gap(Gap { bytes: 5, side: "client".into(), why: "disk".into() }));
        same(
            Origin::Proxy,
            b"",
            Body::Close(Box::new(Close { by: "client".into(), reason: "r".into(), ..Close::default() })),
        );
    }

    #[test]
    fn a_bad_line_says_what_is_wrong() {
        let wrong = |line: &str| Event::from_json(line.as_bytes()).unwrap_err().to_string();
        assert!(wrong("{\"seq\":1").starts_with("not JSON"));
        assert_eq!(wrong("[]"), "not a JSON object");
        assert_eq!(wrong("{\"at\":\"x\",\"seq\":1}"), "\"at\" is no time: \"x\"");
    }
}
