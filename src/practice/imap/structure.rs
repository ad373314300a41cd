//! BODY and BODYSTRUCTURE: a message's parts as nested lists (RFC 3501, 7.4.2).
//! Takes a message and its entities; appends the list, with or without the extension data.
//! It does not know sections.

use super::envelope::envelope;
use super::mime::{Entity, Kind, Media, field, media};
use super::text::{nstring, string};

pub fn structure(out: &mut Vec<u8>, bytes: &[u8], entity: &Entity, extended: bool) {
    let header = &bytes[entity.header.clone()];
    out.push(b'(');
    if let Kind::Multipart(parts) = &entity.kind {
        for part in parts {
            structure(out, bytes, part, extended);
        }
        if parts.is_empty() {
            // The grammar wants at least one part.
            out.extend_from_slice(b"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0");
            out.extend_from_slice(if extended { b" NIL NIL NIL NIL)" } else { b")" });
        }
        out.push(b' ');
        string(out, entity.media.subtype.as_bytes());
        if extended {
            out.push(b' ');
            parameters(out, &entity.media, false);
            disposition_and_on(out, header);
        }
        out.push(b')');
        return;
    }
    let body = &bytes[entity.body.clone()];
    string(out, entity.media.kind.as_bytes());
    out.push(b' ');
    string(out, entity.media.subtype.as_bytes());
    out.push(b' ');
    let is_text = entity.media.kind.eq_ignore_ascii_case("text");
    parameters(out, &entity.media, is_text && entity.media.parameter("charset").is_none());
    for name in ["Content-ID", "Content-Description"] {
        out.push(b' ');
        nstring(out, field(header, name).as_deref());
    }
    let encoding = field(header, "Content-Transfer-Encoding").map(|value| media(&value).kind).unwrap_or_default();
    out.push(b' ');
    string(out, if encoding.is_empty() { b"7bit" } else { encoding.as_bytes() });
    out.extend_from_slice(format!(" {}", body.len()).as_bytes());
    let lines = || memchr::memchr_iter(b'\n', body).count();
    if let Kind::Message(inner) = &entity.kind {
        out.push(b' ');
        envelope(out, &bytes[inner.header.clone()]);
        out.push(b' ');
        structure(out, bytes, inner, extended);
        out.extend_from_slice(format!(" {}", lines()).as_bytes());
    } else if is_text {
        out.extend_from_slice(format!(" {}", lines()).as_bytes());
    }
    if extended {
        out.push(b' ');
        nstring(out, field(header, "Content-MD5").as_deref());
        disposition_and_on(out, header);
    }
    out.push(b')');
}

/// Text without a charset is told to be US-ASCII, which is what RFC 2046 says it is.
fn parameters(out: &mut Vec<u8>, media: &Media, is_ascii: bool) {
    let default = is_ascii.then(|| ("charset".to_owned(), "us-ascii".to_owned()));
    if media.parameters.is_empty() && default.is_none() {
        return out.extend_from_slice(b"NIL");
    }
    out.push(b'(');
    for (n, (name, value)) in media.parameters.iter().chain(&default).enumerate() {
        if n > 0 {
            out.push(b' ');
        }
        string(out, name.as_bytes());
        out.push(b' ');
        string(out, value.as_bytes());
    }
    out.push(b')');
}

/// Disposition, language, location.
fn disposition_and_on(out: &mut Vec<u8>, header: &[u8]) {
    out.push(b' ');
    match field(header, "Content-Disposition").map(|value| media(&value)).filter(|media| !media.kind.is_empty()) {
        None => out.extend_from_slice(b"NIL"),
        Some(disposition) => {
            out.push(b'(');
            string(out, disposition.kind.as_bytes());
            out.push(b' ');
            parameters(out, &disposition, false);
            out.push(b')');
        }
    }
    out.push(b' ');
    match field(header, "Content-Language") {
        None => out.extend_from_slice(b"NIL"),
        Some(value) => {
            out.push(b'(');
            for (n, language) in value.split(|byte| *byte == b',').enumerate() {
                if n > 0 {
                    out.push(b' ');
                }
                string(out, language.trim_ascii());
            }
            out.push(b')');
        }
    }
    out.push(b' ');
    nstring(out, field(header, "Content-Location").as_deref());
}
