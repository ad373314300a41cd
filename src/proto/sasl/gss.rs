//! Tokens of GSS-API as logins carry them: Kerberos' (RFC 4121), those that agree on a mechanism (SPNEGO, RFC 4178), NTLM's.
//! Takes a token, gives its kind and what in it is for everybody to read: mechanisms, service, realm, errors, the choice of a
//! security layer. Does not decrypt, and does not know which login the token belongs to: its form tells.

use super::der::{self, Elements, GENERAL_STRING, GENERALIZED_TIME, INTEGER, OCTETS, OID, SEQUENCE};
use super::der::{application, field};
use super::{name, ntlm};
use crate::event::Object;

/// Mechanisms by their object identifiers (RFC 1964, RFC 4178, RFC 7055, MS-NLMP, MS-NEGOEX). Kerberos has two: Windows
/// once cut a number of the first to 16 bits, and still offers both.
const MECHANISMS: [(&str, &str); 8] = [
    ("1.2.840.113554.1.2.2", "Kerberos"),
    ("1.2.840.48018.1.2.2", "Kerberos"),
    ("1.2.840.113554.1.2.2.3", "Kerberos user-to-user"),
    ("1.3.6.1.5.5.2", "SPNEGO"),
    ("1.3.6.1.4.1.311.2.2.10", "NTLM"),
    ("1.3.6.1.4.1.311.2.2.30", "NEGOEX"),
    ("1.3.6.1.5.2.5", "IAKERB"),
    ("1.3.6.1.5.5.15.1.1.17", "EAP-AES128"),
];

/// Mechanisms of an offer that are told, at most; clients offer about four.
const OFFERED_MAX: usize = 8;

/// Names of a principal that are put together, at most: service and host, and perhaps a domain.
const NAMES_MAX: usize = 4;

/// RFC 4120 §7.5.9, those that a service can answer with.
pub const ERRORS: [(u64, &str); 29] = [
    (7, "KDC_ERR_S_PRINCIPAL_UNKNOWN"),
    (14, "KDC_ERR_ETYPE_NOSUPP"),
    (18, "KDC_ERR_CLIENT_REVOKED"),
    (23, "KDC_ERR_KEY_EXPIRED"),
    (24, "KDC_ERR_PREAUTH_FAILED"),
    (26, "KDC_ERR_SERVER_NOMATCH"),
    (29, "KDC_ERR_SVC_UNAVAILABLE"),
    (31, "KRB_AP_ERR_BAD_INTEGRITY"),
    (32, "KRB_AP_ERR_TKT_EXPIRED"),
    (33, "KRB_AP_ERR_TKT_NYV"),
    (34, "KRB_AP_ERR_REPEAT"),
    (35, "KRB_AP_ERR_NOT_US"),
    (36, "KRB_AP_ERR_BADMATCH"),
    (37, "KRB_AP_ERR_SKEW"),
    (38, "KRB_AP_ERR_BADADDR"),
    (39, "KRB_AP_ERR_BADVERSION"),
    (40, "KRB_AP_ERR_MSG_TYPE"),
    (41, "KRB_AP_ERR_MODIFIED"),
    (42, "KRB_AP_ERR_BADORDER"),
    (44, "KRB_AP_ERR_BADKEYVER"),
    (45, "KRB_AP_ERR_NOKEY"),
    (46, "KRB_AP_ERR_MUT_FAIL"),
    (48, "KRB_AP_ERR_METHOD"),
    (50, "KRB_AP_ERR_INAPP_CKSUM"),
    (51, "KRB_AP_PATH_NOT_ACCEPTED"),
    (60, "KRB_ERR_GENERIC"),
    (61, "KRB_ERR_FIELD_TOOLONG"),
    (67, "KRB_AP_ERR_NO_TGT"),
    (69, "KRB_AP_ERR_USER_TO_USER_REQUIRED"),
];

/// RFC 4178 §4.2.2.
const STATES: [&str; 4] = ["accept-completed", "accept-incomplete", "reject", "request-mic"];

/// RFC 4752 §3.3: what may stand in the first byte of the last messages.
const LAYERS: [(u8, &str); 3] = [(1, "none"), (2, "integrity"), (4, "confidentiality")];

/// Reads a token, if it is one of those known here; gives who logs in, where NTLM says it.
pub(super) fn read(token: &[u8], args: &mut Object) -> Option<String> {
    if ntlm::is_message(token) {
        return ntlm::read(token, args);
    }
    if let Some(framed) = der::only(application(0), token) {
        return framed_token(framed, args);
    }
    match token.first() {
        Some(&tag) if tag == field(0) || tag == field(1) => negotiation(token, args),
        _ => {
            kerberos(token, args);
            None
        }
    }
}

/// RFC 2743 §3.1: the mechanism's object identifier, then the mechanism's own token.
fn framed_token(framed: &[u8], args: &mut Object) -> Option<String> {
    let mut elements = Elements(framed);
    let (_, oid) = elements.next().filter(|(tag, _)| *tag == OID)?;
    let mechanism = mechanism(oid)?;
    let inner = elements.0;
    if mechanism == "SPNEGO" {
        return negotiation(inner, args);
    }
    args.text("mech", &mechanism);
    if ntlm::is_message(inner) {
        return ntlm::read(inner, args);
    }
    kerberos(inner, args);
    None
}

fn mechanism(oid: &[u8]) -> Option<String> {
    let dotted = der::oid(oid)?;
    let known = MECHANISMS.iter().find(|(known, _)| *known == dotted).map(|(_, name)| (*name).to_owned());
    Some(known.unwrap_or(dotted))
}

/// RFC 4178 §4.2: an offer, or an answer to one. The token of the mechanism itself may stand in either.
fn negotiation(token: &[u8], args: &mut Object) -> Option<String> {
    let (choice, content) = Elements(token).next()?;
    let fields = der::only(SEQUENCE, content)?;
    if choice == field(0) {
        args.text("token", "NegTokenInit");
        if let Some(offered) = der::find(field(0), fields).and_then(|list| der::only(SEQUENCE, list)) {
            let oids = Elements(offered).filter(|(tag, _)| *tag == OID).take(OFFERED_MAX);
            args.list("mechs", oids.filter_map(|(_, oid)| mechanism(oid)));
        }
    } else if choice == field(1) {
        args.text("token", "NegTokenResp");
        let state = der::find(field(0), fields).and_then(|state| der::only(der::ENUMERATED, state));
        let state = state.and_then(der::number).and_then(|state| usize::try_from(state).ok());
        if let Some(state) = state.and_then(|state| STATES.get(state)) {
            args.text("state", state);
        }
        if let Some(chosen) = der::find(field(1), fields).and_then(|chosen| der::only(OID, chosen)).and_then(mechanism)
        {
            args.text("mech", &chosen);
        }
    } else {
        return None;
    }
    let inner = der::find(field(2), fields).and_then(|inner| der::only(OCTETS, inner))?;
    let mut told = Object::new();
    let user = mechanism_token(inner, &mut told);
    if !told.is_empty() {
        args.object("inner", &told);
    }
    user
}

/// What stands in a negotiation: no further one.
fn mechanism_token(token: &[u8], args: &mut Object) -> Option<String> {
    if ntlm::is_message(token) {
        return ntlm::read(token, args);
    }
    let framed = der::only(application(0), token).and_then(|framed| {
        let mut elements = Elements(framed);
        elements.next().filter(|(tag, _)| *tag == OID)?;
        Some(elements.0)
    });
    kerberos(framed.unwrap_or(token), args);
    None
}

/// RFC 4121 §4.1, §4.2.6 and, for the older ciphers, RFC 1964 §1.2: two bytes say what follows. In DCE's style they are
/// left out, and the tag of Kerberos' own message says it.
fn kerberos(token: &[u8], args: &mut Object) {
    let behind = token.get(2..).unwrap_or_default();
    match token {
        [0x01, 0x00, ..] => request(behind, args),
        [0x02, 0x00, ..] | [0x6f, ..] => drop(args.text("token", "AP-REP")),
        [0x03, 0x00, ..] => error(behind, args),
        [0x05, 0x04, flags, 0xff, ..] => wrapped(token, *flags, args),
        [0x02, 0x01, ..] => drop(args.text("token", "Wrap")),
        [0x04, 0x04, ..] | [0x01, 0x01, ..] => drop(args.text("token", "MIC")),
        [0x6e, ..] => request(token, args),
        [0x7e, ..] => error(token, args),
        _ => {}
    }
}

/// RFC 4120 §5.5.1: the ticket names in clear for which service of which realm it is good.
fn request(message: &[u8], args: &mut Object) {
    args.text("token", "AP-REQ");
    let ticket = der::only(application(14), message)
        .and_then(|fields| der::only(SEQUENCE, fields))
        .and_then(|fields| der::find(field(3), fields))
        .and_then(|ticket| der::only(application(1), ticket))
        .and_then(|fields| der::only(SEQUENCE, fields));
    if let Some(ticket) = ticket {
        say_service(der::find(field(2), ticket), der::find(field(1), ticket), args);
    }
}

/// RFC 4120 §5.9.1.
fn error(message: &[u8], args: &mut Object) {
    args.text("token", "KRB-ERROR");
    let Some(fields) = der::only(application(30), message).and_then(|fields| der::only(SEQUENCE, fields)) else {
        return;
    };
    let code = der::find(field(6), fields).and_then(|code| der::only(INTEGER, code)).and_then(der::number);
    if let Some(code) = code {
        args.number("error", code);
        if let Some((_, name)) = ERRORS.iter().find(|(known, _)| *known == code) {
            args.text("error_name", name);
        }
    }
    let time = der::find(field(4), fields).and_then(|time| der::only(GENERALIZED_TIME, time)).and_then(kerberos_time);
    if let Some(time) = time {
        args.text("time", &time);
    }
    say_service(der::find(field(10), fields), der::find(field(9), fields), args);
    if let Some(text) = der::find(field(11), fields).and_then(string) {
        args.text("text", &text);
    }
}

/// RFC 4120 §5.2.2: `imap/mail.example` and the realm.
fn say_service(principal: Option<&[u8]>, realm: Option<&[u8]>, args: &mut Object) {
    let names = principal
        .and_then(|principal| der::only(SEQUENCE, principal))
        .and_then(|fields| der::find(field(1), fields))
        .and_then(|names| der::only(SEQUENCE, names));
    let names: Vec<String> = Elements(names.unwrap_or_default())
        .take(NAMES_MAX)
        .filter(|(tag, _)| *tag == GENERAL_STRING)
        .filter_map(|(_, text)| name(text))
        .collect();
    if !names.is_empty() {
        args.text("service", &names.join("/"));
    }
    if let Some(realm) = realm.and_then(string) {
        args.text("realm", &realm);
    }
}

fn string(content: &[u8]) -> Option<String> {
    let text = der::only(GENERAL_STRING, content)?;
    // Some end their texts with a zero.
    name(text.strip_suffix(b"\0").unwrap_or(text))
}

/// RFC 4120 §5.2.3: `20261123100000Z`.
fn kerberos_time(text: &[u8]) -> Option<String> {
    let digits = std::str::from_utf8(text.strip_suffix(b"Z")?).ok()?;
    if digits.len() != 14 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| digits.get(from..to);
    Some(format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?
    ))
}

/// RFC 4121 §4.2.6.2: the last two messages of a login by GSSAPI. Where they are signed and not sealed, the layers stand
/// in them (RFC 4752 §3.1): the server offers several, the client takes one and may name the user to act as.
fn wrapped(token: &[u8], flags: u8, args: &mut Object) {
    const SENT_BY_ACCEPTOR: u8 = 1;
    const SEALED: u8 = 2;
    const HEADER: usize = 16;
    args.text("token", "Wrap").flag("sealed", flags & SEALED != 0);
    if flags & SEALED != 0 {
        return;
    }
    let [_, _, _, _, checksum_high, checksum_low, rotated_high, rotated_low, ..] = token else { return };
    let checksum = usize::from(u16::from_be_bytes([*checksum_high, *checksum_low]));
    let rotated = usize::from(u16::from_be_bytes([*rotated_high, *rotated_low]));
    let mut body = token.get(HEADER..).unwrap_or_default().to_vec();
    if let Some(rotated) = rotated.checked_rem(body.len()) {
        body.rotate_left(rotated);
    }
    let Some(plain) = body.len().checked_sub(checksum).and_then(|length| body.get(..length)) else { return };
    let [layers, _, _, _, authorization @ ..] = plain else { return };
    args.list("layers", LAYERS.iter().filter(|(bit, _)| layers & bit != 0).map(|(_, name)| name));
    if flags & SENT_BY_ACCEPTOR == 0
        && let Some(authorization) = name(authorization)
    {
        args.text("authorization", &authorization);
    }
}

#[cfg(test)]
mod tests;
