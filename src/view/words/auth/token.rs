//! Tokens of logins in words: NTLM's messages, Kerberos' tokens, and those that agree on one of the two.
//! Takes what an event tells of a token, and who sent it; gives a sentence and its source.
//! Does not see the token itself.

use serde_json::{Map, Value};

use super::super::say::{any_of, clip, list};
use super::super::{Category, Explained, Protocol, find};
use crate::event::Side;

type Parts = Map<String, Value>;

/// The error that Kerberos gave in a token, or in the one inside: its number and its name.
pub(super) fn kerberos_error(parts: &Parts) -> Option<&Parts> {
    if parts.contains_key("error") { Some(parts) } else { parts.get("inner")?.as_object().and_then(kerberos_error) }
}

/// Whether it is one of NTLM's messages, or carries one.
pub(super) fn is_ntlm(parts: &Parts) -> bool {
    parts.contains_key("message") || parts.get("inner").and_then(Value::as_object).is_some_and(is_ntlm)
}

/// Whether the other side took none of the mechanisms that were offered.
pub(super) fn is_rejected(parts: &Parts) -> bool {
    parts.get("state").and_then(Value::as_str) == Some("reject")
}

fn text(parts: &Parts, name: &str) -> Option<String> {
    parts.get(name).and_then(Value::as_str).map(clip).filter(|text| !text.is_empty())
}

fn texts(parts: &Parts, name: &str) -> Vec<String> {
    let listed = parts.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut texts: Vec<String> = listed.iter().filter_map(Value::as_str).map(clip).collect();
    // Windows offers Kerberos under two numbers.
    texts.dedup();
    texts
}

/// What a token says, and who logs in by it; nothing where there is none.
pub(super) fn said(parts: &Parts, from: Side, name: Option<&str>) -> Option<Explained> {
    if let Some(message) = parts.get("message").and_then(Value::as_u64) {
        return ntlm(message, parts, name);
    }
    let client = from == Side::Client;
    let kind = text(parts, "token");
    Some(match kind.as_deref() {
        Some("AP-REQ") => Explained::new(format!("shows a Kerberos ticket{}", for_service(parts)), "RFC 4121 §4.1"),
        Some("AP-REP") => {
            Explained::new("proves that it could read the ticket, so that both are sure", "RFC 4121 §4.1")
        }
        Some("KRB-ERROR") => error(parts),
        Some("Wrap") => wrapped(parts, client),
        Some("MIC") => Explained::new("sends a signature under what was said", "RFC 4121 §4.2.6.1"),
        Some("NegTokenInit") => {
            let offered = texts(parts, "mechs");
            let offer = if offered.is_empty() {
                "begins to agree on a mechanism".to_owned()
            } else {
                format!("offers {}", list(&offered))
            };
            with_inner(offer, parts, from, name, "RFC 4178 §4.2.1")
        }
        Some("NegTokenResp") => with_inner(answer(parts), parts, from, name, "RFC 4178 §4.2.2"),
        _ => {
            let mechanism = text(parts, "mech")?;
            Explained::new(format!("sends a token of {mechanism}"), "RFC 2743 §3.1")
        }
    })
}

/// MS-NLMP §2.2.1: 1 is what the client can do, 2 the server's challenge, 3 the client's answer.
fn ntlm(message: u64, parts: &Parts, name: Option<&str>) -> Option<Explained> {
    let of_domain = text(parts, "domain").map(|domain| format!(" of domain {domain}")).unwrap_or_default();
    let from = text(parts, "workstation").map(|host| format!(" from {host}")).unwrap_or_default();
    Some(match message {
        1 => {
            let who = format!("{from}{of_domain}");
            let who = if who.is_empty() { String::new() } else { format!("; it comes{who}") };
            let abilities = abilities(parts);
            let said = if abilities.is_empty() { String::new() } else { format!(": {}", list(&abilities)) };
            Explained::new(format!("says which variants of NTLM it can do{said}{who}"), "MS-NLMP §2.2.1.1")
        }
        2 => {
            let host = text(parts, "dns_host").or_else(|| text(parts, "host")).or_else(|| text(parts, "target"));
            let host = host.map(|host| format!(" and its names: {host}{of_domain}")).unwrap_or_default();
            Explained::new(format!("sends its random text{host}{}", clock(parts)), "MS-NLMP §2.2.1.2")
        }
        3 => {
            let weak = match text(parts, "variant").as_deref() {
                Some("NTLMv2") => " (NTLMv2)",
                Some(_) => " (NTLMv1, so weak that most servers refuse it)",
                None => "",
            };
            let name = name.map(|name| format!(", {name}")).unwrap_or_default();
            Explained::new(
                format!("gives its answer to the challenge{weak}{name}{of_domain}{from}"),
                "MS-NLMP §2.2.1.3",
            )
        }
        _ => return None,
    })
}

/// The flags that change what a person might care about; the event has all.
const ABILITIES: [(&str, &str); 5] = [
    ("NEGOTIATE_SIGN", "signatures"),
    ("NEGOTIATE_SEAL", "encryption"),
    ("NEGOTIATE_EXTENDED_SESSIONSECURITY", "the newer session security"),
    ("NEGOTIATE_128", "keys of 128 bits"),
    ("NEGOTIATE_LM_KEY", "the old LAN Manager key"),
];

fn abilities(parts: &Parts) -> Vec<&'static str> {
    let flags = texts(parts, "flags");
    ABILITIES.into_iter().filter(|(flag, _)| flags.iter().any(|set| set == flag)).map(|(_, words)| words).collect()
}

fn clock(parts: &Parts) -> String {
    let time = text(parts, "time").map(|time| {
        let seconds = time.split('.').next().unwrap_or(&time).trim_end_matches('Z').replacen('T', " ", 1);
        format!("; its clock shows {seconds} UTC")
    });
    time.unwrap_or_default()
}

fn for_service(parts: &Parts) -> String {
    match (text(parts, "service"), text(parts, "realm")) {
        (Some(service), Some(realm)) => format!(" for {service} of {realm}"),
        (Some(service), None) => format!(" for {service}"),
        _ => String::new(),
    }
}

/// RFC 4120 §7.5.9.
fn error(parts: &Parts) -> Explained {
    let number = parts.get("error").and_then(Value::as_u64).map(|number| number.to_string());
    let name = text(parts, "error_name");
    let entry = name.as_deref().and_then(|name| find(Protocol::Sasl, Category::Attribute, name));
    let reason = match (entry, number) {
        (Some(entry), _) => entry.sentence.to_owned(),
        (None, Some(number)) => format!("Kerberos: the error {number}"),
        (None, None) => "Kerberos: an error".to_owned(),
    };
    let text = text(parts, "text").map(|text| format!("; it says “{text}”")).unwrap_or_default();
    let source = entry.map_or("RFC 4120 §5.9.1", |entry| entry.source);
    Explained::new(
        format!("refuses the ticket: {}{}{text}", reason.trim_start_matches("Kerberos: "), clock(parts)),
        source,
    )
}

/// RFC 4752 §3.1, §3.2: the server offers what may protect the rest of the session, the client takes one.
fn wrapped(parts: &Parts, client: bool) -> Explained {
    let layers: Vec<&str> = texts(parts, "layers")
        .iter()
        .filter_map(|layer| {
            Some(match layer.as_str() {
                "none" => "no protection",
                "integrity" => "signatures",
                "confidentiality" => "encryption",
                _ => return None,
            })
        })
        .collect();
    let source = if client { "RFC 4752 §3.1" } else { "RFC 4752 §3.2" };
    let acting = text(parts, "authorization").map(|other| format!(", to act as {other}")).unwrap_or_default();
    let text = match (layers.is_empty(), client) {
        (false, true) => format!("takes {} for what follows the login{acting}", list(&layers)),
        (false, false) => format!("offers for what follows the login: {}", any_of(&layers)),
        (true, true) => "chooses, sealed, how what follows the login is protected".to_owned(),
        (true, false) => "offers, sealed, how what follows the login can be protected".to_owned(),
    };
    Explained::new(text, source)
}

/// RFC 4178 §4.2.2.
fn answer(parts: &Parts) -> String {
    let mechanism = text(parts, "mech");
    match (text(parts, "state").as_deref(), mechanism) {
        (Some("reject"), _) => "takes none of the mechanisms that were offered".to_owned(),
        (Some("accept-completed"), Some(mechanism)) => format!("takes {mechanism}, and the login is complete"),
        (Some("accept-completed"), None) => "says that the login is complete".to_owned(),
        (_, Some(mechanism)) => format!("takes {mechanism}"),
        (_, None) => "goes on".to_owned(),
    }
}

fn with_inner(start: String, parts: &Parts, from: Side, name: Option<&str>, source: &'static str) -> Explained {
    match parts.get("inner").and_then(Value::as_object).and_then(|inner| said(inner, from, name)) {
        Some(inner) => Explained::new(format!("{start}; {}", inner.text), inner.source),
        None => Explained::new(start, source),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::proto::sasl::{gss, ntlm};

    fn says(parts: Value, from: Side) -> String {
        said(parts.as_object().unwrap(), from, None).map(|told| told.text).unwrap_or_default()
    }

    #[test]
    fn every_flag_and_error_has_a_sentence() {
        let missing: Vec<&str> = ntlm::FLAGS
            .iter()
            .map(|(_, flag)| *flag)
            .chain(gss::ERRORS.iter().map(|(_, error)| *error))
            .filter(|word| find(Protocol::Sasl, Category::Attribute, word).is_none())
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
        for (flag, _) in ABILITIES {
            assert!(ntlm::FLAGS.iter().any(|(_, known)| *known == flag), "{flag}");
        }
    }

    #[test]
    fn ntlm_tells_abilities_names_and_variant() {
        assert_eq!(
            says(
                json!({"message": 1, "flags": ["NEGOTIATE_SIGN", "NEGOTIATE_128"], "workstation": "DESK7"}),
                Side::Client
            ),
            "says which variants of NTLM it can do: signatures and keys of 128 bits; it comes from DESK7"
        );
        let second = json!({"message": 2, "target": "CORP", "domain": "CORP", "dns_host": "ex01.corp.example",
            "time": "2026-11-23T03:32:03.200001Z"});
        assert_eq!(
            says(second, Side::Server),
            "sends its random text and its names: ex01.corp.example of domain CORP; its clock shows 2026-11-23 03:32:03 UTC"
        );
        let third = json!({"message": 3, "domain": "CORP", "variant": "NTLMv1"});
        let told = said(third.as_object().unwrap(), Side::Client, Some("as joe")).unwrap();
        assert_eq!(
            told.text,
            "gives its answer to the challenge (NTLMv1, so weak that most servers refuse it), as joe of domain CORP"
        );
        assert_eq!(says(json!({"message": 9}), Side::Client), "");
    }

    #[test]
    fn kerberos_tells_the_service_the_error_and_the_layers() {
        assert_eq!(
            says(json!({"mech": "Kerberos", "token": "AP-REQ", "service": "imap/mail", "realm": "CORP"}), Side::Client),
            "shows a Kerberos ticket for imap/mail of CORP"
        );
        let skew =
            json!({"token": "KRB-ERROR", "error": 37, "error_name": "KRB_AP_ERR_SKEW", "time": "2026-11-23T10:05:00Z"});
        assert_eq!(
            says(skew, Side::Server),
            "refuses the ticket: the two ends' clocks differ too much; its clock shows 2026-11-23 10:05:00 UTC"
        );
        assert_eq!(says(json!({"token": "KRB-ERROR", "error": 99}), Side::Server), "refuses the ticket: the error 99");
        assert_eq!(
            says(json!({"token": "Wrap", "layers": ["none", "integrity"]}), Side::Server),
            "offers for what follows the login: no protection or signatures"
        );
        assert_eq!(
            says(json!({"token": "Wrap", "layers": ["none"], "authorization": "shop"}), Side::Client),
            "takes no protection for what follows the login, to act as shop"
        );
    }

    #[test]
    fn a_negotiation_is_told_with_what_it_carries() {
        let offer =
            json!({"token": "NegTokenInit", "mechs": ["Kerberos", "Kerberos", "NTLM"], "inner": {"message": 1}});
        assert_eq!(says(offer, Side::Client), "offers Kerberos and NTLM; says which variants of NTLM it can do");
        let refusal = json!({"token": "NegTokenResp", "state": "reject"});
        assert_eq!(says(refusal.clone(), Side::Server), "takes none of the mechanisms that were offered");
        assert!(is_rejected(refusal.as_object().unwrap()));
        let inside = json!({"token": "NegTokenResp", "mech": "Kerberos", "inner": {"token": "KRB-ERROR", "error": 37}});
        assert!(kerberos_error(inside.as_object().unwrap()).is_some());
    }
}
