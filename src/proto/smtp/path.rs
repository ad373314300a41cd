//! The addresses of MAIL and RCPT with their parameters (RFC 5321 §4.1.2), and xtext (RFC 3461 §4).
//! Takes what stands behind the verb, gives the arguments of the event.
//! Does not judge them: a server may be laxer than the grammar, and the exact bytes stand in the event anyway.

use super::super::words::Words;
use crate::event::Object;

/// Reads `FROM:<address> PARAMETER=VALUE …`; `keyword` is FROM or TO. What has another shape is given as `rest`.
pub(super) fn envelope(text: &[u8], keyword: &str, args: &mut Object) {
    let Some(path) = after_keyword(text, keyword) else {
        args.bytes("rest", text);
        return;
    };
    let (inner, rest) = split_path(path);
    let (route, address) = split_route(inner);
    args.bytes("address", address);
    if let Some(route) = route {
        args.bytes("route", route);
    }
    let parameters = parameters(rest);
    if !parameters.is_empty() {
        args.object("parameters", &parameters);
    }
}

/// `NAME=value` words as an object, names in upper case; a name alone has an empty value.
pub(super) fn parameters(text: &[u8]) -> Object {
    let mut found = Object::new();
    let mut words = Words::of(text);
    while let Some((_, word)) = words.next() {
        let equals = memchr::memchr(b'=', word);
        let name = word.get(..equals.unwrap_or(word.len())).unwrap_or(word);
        let name = String::from_utf8_lossy(name).to_ascii_uppercase();
        let value = equals.and_then(|at| word.get(at + 1..)).unwrap_or_default();
        // Those that are xtext (RFC 3461 §4.2, §4.4; RFC 4954 §5); for all others a plus sign is itself.
        if matches!(name.as_str(), "AUTH" | "ENVID" | "ORCPT") {
            found.bytes(&name, &xtext(value));
        } else {
            found.bytes(&name, value);
        }
    }
    found
}

/// xtext decoded: `+` and two upper-case hexadecimal digits stand for a byte.
pub(super) fn xtext(encoded: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'+'
            && let Some((&[high, low], behind)) = after.split_first_chunk::<2>()
            && let (Some(high), Some(low)) = (char::from(high).to_digit(16), char::from(low).to_digit(16))
        {
            decoded.push(u8::try_from(high * 16 + low).unwrap_or(byte));
            rest = behind;
            continue;
        }
        decoded.push(byte);
    }
    decoded
}

/// What stands behind `FROM:`. White space around the colon is wrong, common and taken by most servers.
fn after_keyword<'t>(text: &'t [u8], keyword: &str) -> Option<&'t [u8]> {
    let (word, rest) = text.split_at_checked(keyword.len())?;
    if !word.eq_ignore_ascii_case(keyword.as_bytes()) {
        return None;
    }
    rest.trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii_start)
}

/// The path without its angle brackets, and what stands behind it. A bracket may stand in a quoted local part.
fn split_path(path: &[u8]) -> (&[u8], &[u8]) {
    let bracketed = path.strip_prefix(b"<");
    let text = bracketed.unwrap_or(path);
    let mut quoted = false;
    let mut escaped = false;
    for (index, &byte) in text.iter().enumerate() {
        if escaped {
            escaped = false;
            continue;
        }
        let ends = if bracketed.is_some() { byte == b'>' } else { byte.is_ascii_whitespace() };
        match byte {
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if ends && !quoted => {
                return (text.get(..index).unwrap_or_default(), text.get(index + 1..).unwrap_or_default());
            }
            _ => {}
        }
    }
    (text, b"")
}

/// `@one,@two:user@three`: the hosts to go by, and the address (RFC 5321 §4.1.2, obsolete since RFC 1123).
fn split_route(path: &[u8]) -> (Option<&[u8]>, &[u8]) {
    if path.first() != Some(&b'@') {
        return (None, path);
    }
    match memchr::memchr(b':', path) {
        Some(colon) => (path.get(..colon), path.get(colon + 1..).unwrap_or_default()),
        None => (None, path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, keyword: &str) -> serde_json::Value {
        let mut args = Object::new();
        envelope(text.as_bytes(), keyword, &mut args);
        serde_json::Value::Object(args.map())
    }

    #[test]
    fn addresses_are_read_however_they_are_written() {
        for (text, address) in [
            ("FROM:<Smith@bar.com>", "Smith@bar.com"),
            ("from: <smith@bar.com>", "smith@bar.com"),
            ("FROM :\t<smith@bar.com>", "smith@bar.com"),
            ("FROM:smith@bar.com", "smith@bar.com"),
            ("FROM:<>", ""),
            ("FROM:<\"john > \\\" doe\"@x.example>", "\"john > \\\" doe\"@x.example"),
            ("FROM:<\u{fc}ser@b\u{fc}cher.example>", "\u{fc}ser@b\u{fc}cher.example"),
            ("FROM:<unclosed@x", "unclosed@x"),
        ] {
            assert_eq!(read(text, "FROM")["address"], address, "{text}");
        }
        assert_eq!(read("FRM:<a@b>", "FROM")["rest"], "FRM:<a@b>");
        assert_eq!(read("", "TO")["rest"], "");
    }

    #[test]
    fn a_source_route_is_kept_apart() {
        let read = read("TO:<@hosta.int,@jkl.org:userc@d.bar.org>", "TO");
        assert_eq!(read["address"], "userc@d.bar.org");
        assert_eq!(read["route"], "@hosta.int,@jkl.org");
    }

    #[test]
    fn parameters_have_names_and_values() {
        let read = read("FROM:<e@x> SIZE=123 body=8BITMIME SMTPUTF8 AUTH=e+3Dmc2@x ENVID=Q+ZZ+2B RET=HDRS", "FROM");
        let parameters = &read["parameters"];
        assert_eq!(parameters["SIZE"], "123");
        assert_eq!(parameters["BODY"], "8BITMIME");
        assert_eq!(parameters["SMTPUTF8"], "");
        assert_eq!(parameters["AUTH"], "e=mc2@x");
        assert_eq!(parameters["ENVID"], "Q+ZZ+");
    }
}
