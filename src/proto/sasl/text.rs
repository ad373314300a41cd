//! Login messages that are text: PLAIN, CRAM-MD5, DIGEST-MD5, SCRAM, and those with OAuth's tokens.
//! Takes a client's message, gives who logs in and what else is not secret in it.
//! Does not know which step of the login it is: each message tells by its form what it is.

use base64::Engine;

use super::{BASE64, name};
use crate::event::Object;

/// What of DIGEST-MD5 is told: all but `response`, which follows from the password, and `username`, which the event names.
const DIRECTIVES: [(&str, &str); 10] = [
    ("realm", "realm"),
    ("digest-uri", "digest-uri"),
    ("qop", "qop"),
    ("authzid", "authorization"),
    ("nc", "nc"),
    ("cipher", "cipher"),
    ("maxbuf", "maxbuf"),
    ("charset", "charset"),
    ("nonce", "nonce"),
    ("cnonce", "cnonce"),
];

/// RFC 4616 §2: authorization identity, NUL, authentication identity, NUL, password. With fewer NULs it cannot be
/// told which part is the password.
pub(super) fn plain(message: &[u8], args: &mut Object) -> Option<String> {
    let mut parts = message.splitn(3, |&byte| byte == 0);
    let (authorization, authentication, _password) = (parts.next()?, parts.next()?, parts.next()?);
    if let Some(authorization) = name(authorization) {
        args.text("authorization", &authorization);
    }
    name(authentication)
}

/// RFC 2195 §2: user name, space, 32 hexadecimal digits.
pub(super) fn cram(message: &[u8]) -> Option<String> {
    let space = memchr::memrchr(b' ', message)?;
    let digest = message.get(space + 1..)?;
    // MD5's 16 bytes, and what Courier has besides: SHA-1's 20 and SHA-256's 32.
    let is_digest = matches!(digest.len(), 32 | 40 | 64) && digest.iter().all(u8::is_ascii_hexdigit);
    if is_digest { name(message.get(..space)?) } else { None }
}

/// RFC 2831 §2.1.2.
pub(super) fn digest(message: &[u8], args: &mut Object) -> Option<String> {
    for (directive, called) in DIRECTIVES {
        if let Some(value) = directive_value(message, directive).and_then(name) {
            args.text(called, &value);
        }
    }
    directive_value(message, "username").and_then(name)
}

/// The value of a directive (RFC 2831 §2.1), as it stands in its quotes.
pub(in crate::proto) fn directive_value<'m>(message: &'m [u8], directive: &str) -> Option<&'m [u8]> {
    let mut rest = message;
    loop {
        let equals = memchr::memchr(b'=', rest)?;
        let (key, value) = (rest.get(..equals)?.trim_ascii(), rest.get(equals + 1..)?);
        let (value, after) = if let Some(quoted) = value.strip_prefix(b"\"") {
            let end = memchr::memchr(b'"', quoted)?;
            (quoted.get(..end)?, quoted.get(end + 1..)?)
        } else {
            let end = memchr::memchr(b',', value).unwrap_or(value.len());
            (value.get(..end)?, value.get(end..)?)
        };
        if key.eq_ignore_ascii_case(directive.as_bytes()) {
            return Some(value);
        }
        rest = after.strip_prefix(b",").unwrap_or(after);
    }
}

/// A SCRAM message (RFC 5802 §7): only the first names the user, behind the GS2 header. The second repeats that header in
/// base64, and what the login is bound to behind it.
pub(super) fn scram(message: &[u8], args: &mut Object) -> Option<String> {
    if let Some(repeated) = message.strip_prefix(b"c=") {
        let encoded = repeated.split(|&byte| byte == b',').next().unwrap_or_default();
        let header = BASE64.decode(encoded).ok()?;
        let flag = header.split(|&byte| byte == b',').next().filter(|flag| is_binding(flag));
        if let Some(flag) = flag.and_then(name) {
            args.text("channel_binding", &flag);
        }
        return None;
    }
    let mut parts = message.splitn(3, |&byte| byte == b',');
    let (binding, authorization, bare) = (parts.next()?, parts.next()?, parts.next()?);
    if !is_binding(binding) {
        return None;
    }
    args.bytes("channel_binding", binding);
    if let Some(authorization) = authorization.strip_prefix(b"a=").and_then(saslname) {
        args.text("authorization", &authorization);
    }
    bare.split(|&byte| byte == b',').find_map(|part| part.strip_prefix(b"n=")).and_then(saslname)
}

/// RFC 5802 §7: what the client thinks of binding the login to the TLS connection.
fn is_binding(flag: &[u8]) -> bool {
    flag == b"n" || flag == b"y" || flag.starts_with(b"p=")
}

/// Google's form: key=value pairs between 0x01, the user first.
pub(super) fn xoauth2(message: &[u8], args: &mut Object) -> Option<String> {
    if acknowledges(message, args) {
        return None;
    }
    say_scheme(message, args);
    name(after(message, b"user=", 1)?)
}

/// RFC 7628 §3.2.3: a single 0x01 answers the error, so that the server can end the login.
fn acknowledges(message: &[u8], args: &mut Object) -> bool {
    if message == [1] {
        args.flag("acknowledges", true);
    }
    message == [1]
}

/// The kind of token, which stands before it. Anything but this one may be the token itself.
fn say_scheme(message: &[u8], args: &mut Object) {
    let scheme = after(message, b"\x01auth=", b' ').filter(|scheme| scheme.eq_ignore_ascii_case(b"Bearer"));
    if let Some(scheme) = scheme.and_then(name) {
        args.text("scheme", &scheme);
    }
}

/// RFC 7628 §3.1: a GS2 header that names the user, then key=value pairs between 0x01.
pub(super) fn oauth(message: &[u8], args: &mut Object) -> Option<String> {
    if acknowledges(message, args) {
        return None;
    }
    say_scheme(message, args);
    for key in ["host", "port"] {
        let separated = [b"\x01", key.as_bytes(), b"="].concat();
        if let Some(value) = after(message, &separated, 1).and_then(name) {
            args.text(key, &value);
        }
    }
    let header = message.split(|&byte| byte == 1).next()?;
    header.split(|&byte| byte == b',').find_map(|part| part.strip_prefix(b"a=")).and_then(saslname)
}

/// The bytes behind `start`, up to the byte `end` or the end.
fn after<'m>(message: &'m [u8], start: &[u8], end: u8) -> Option<&'m [u8]> {
    let from = memchr::memmem::find(message, start)? + start.len();
    let rest = message.get(from..)?;
    rest.get(..memchr::memchr(end, rest).unwrap_or(rest.len()))
}

/// RFC 5802 §5.1: comma and equals sign are written `=2C` and `=3D`.
fn saslname(encoded: &[u8]) -> Option<String> {
    name(encoded).map(|text| text.replace("=2C", ",").replace("=3D", "="))
}
