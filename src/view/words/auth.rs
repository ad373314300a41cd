//! The login explained: what each challenge and response is, why a login failed where that can be told, what to try.
//! Takes mechanism, step, decoded challenges, the client's parts that are not secret, the server's refusal; gives sentences.
//! Does not know passwords or tokens, and says so where a reason is only likely.

mod login;
mod token;
mod why;

use serde_json::{Map, Value};

use super::say::{clip, list, mechanism_sentence};
use super::{Category, Explained, Protocol, find};
use crate::event::Side;
use crate::proto::sasl::Exchange;

pub(super) use login::{Login, Refusal};
pub use why::{Advice, Failure, why};

/// A challenge as it stands in a server's line, in base64.
#[must_use]
pub fn challenge_line(mechanism: &str, line: &str) -> Explained {
    let said = Exchange::new(mechanism, 0).challenge(line.trim().as_bytes());
    challenge(mechanism, line, said.decoded.as_deref(), &said.values.map())
}

/// A challenge of the server: the line, what stands in it where that is text, and what a token in it says.
#[must_use]
pub fn challenge(mechanism: &str, line: &str, decoded: Option<&str>, parts: &Map<String, Value>) -> Explained {
    let mechanism = mechanism.to_ascii_uppercase();
    let source = source_of(&mechanism);
    if let Some(told) = token::said(parts, Side::Server, None) {
        return told;
    }
    if parts.contains_key("malformed") {
        return not_base64(&mechanism, line);
    }
    if matches!(line.trim(), "" | "=") {
        return Explained::new("waits for the client's next message of the login", source);
    }
    let text = decoded.unwrap_or_default();
    let said = match mechanism.as_str() {
        "LOGIN" => prompt(text).unwrap_or("asks for the next part of the login").to_owned(),
        cram if cram.starts_with("CRAM-") && !text.is_empty() => {
            format!("sends {}, for the client to mix with the password into a checksum", clip(text))
        }
        "XOAUTH2" | "OAUTHBEARER" | "OAUTH10A" if text.starts_with('{') => return oauth_error(text),
        "DIGEST-MD5" if text.starts_with("rspauth=") => "proves that it knows the password too".to_owned(),
        "DIGEST-MD5" if !text.is_empty() => digest_challenge(text),
        scram if scram.starts_with("SCRAM-") && !text.is_empty() => return scram_challenge(text),
        _ => "sends the next message of the login".to_owned(),
    };
    Explained::new(said, source)
}

/// The two prompts of LOGIN, however a server words them.
fn prompt(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    match (text.contains("pass"), text.contains("user")) {
        (true, _) => Some("asks for the password"),
        (false, true) => Some("asks for the user name"),
        (false, false) => None,
    }
}

/// Exchange writes a remark where the client is to begin, which it may ([MS-SMTPNTLM] §2.2.1.2); elsewhere it is wrong.
fn not_base64(mechanism: &str, line: &str) -> Explained {
    match (mechanism, prompt(line)) {
        ("NTLM" | "GSSAPI" | "GSS-SPNEGO", _) => {
            let text = format!("waits for the client's first message; “{}” is a remark", clip(line));
            Explained::new(text, source_of(mechanism))
        }
        ("LOGIN", Some(asks)) => {
            Explained::new(format!("{asks}, but not in base64, as clients expect it"), "RFC 4954 §4")
        }
        _ => Explained::new("sends something that is not base64, so the client cannot go on", "RFC 4954 §4"),
    }
}

/// `r=…,s=…,i=4096`, `v=…`, `e=…`.
fn scram_challenge(text: &str) -> Explained {
    let value =
        |name: char| text.split(',').find_map(|part| part.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')));
    if let Some(error) = value('e') {
        return scram_error(error);
    }
    let said = match (value('i'), value('v')) {
        (Some(rounds), _) => {
            format!("lengthens the random text and sends the salt; the password is to be hashed {} times", clip(rounds))
        }
        (None, Some(_)) => "proves that it knows the password too".to_owned(),
        (None, None) => "sends the next message of the login".to_owned(),
    };
    Explained::new(said, "RFC 5802 §5.1")
}

fn scram_error(error: &str) -> Explained {
    match find(Protocol::Sasl, Category::Attribute, error) {
        Some(entry) => entry.into(),
        None => Explained::new(format!("SCRAM refused: {}", clip(error)), "RFC 5802 §7"),
    }
}

/// RFC 2831 §2.1.1. Of the kinds of protection only those are told that put a layer around what follows the login.
fn digest_challenge(text: &str) -> String {
    let realm = directive(text, "realm").map(|realm| format!(", for the group of accounts {}", clip(realm)));
    let layers: Vec<&str> = ["auth-int", "auth-conf"].into_iter().filter(|layer| text.contains(layer)).collect();
    let layers = if layers.is_empty() {
        String::new()
    } else {
        format!("; what follows the login can be protected too ({})", list(&layers))
    };
    format!("sends a random text for the checksum{}{layers}", realm.unwrap_or_default())
}

fn directive<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let behind = text.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))?;
    Some(behind.trim_matches('"')).filter(|value| !value.is_empty())
}

/// The JSON that a server sends when it refuses a token (RFC 7628 §3.2.2).
fn oauth_error(text: &str) -> Explained {
    let json: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    let field = |name: &str| match json.get(name) {
        Some(Value::String(text)) => Some(text.clone()).filter(|text| !text.is_empty()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let status = field("status").unwrap_or_else(|| "no status".to_owned());
    let reason = match status.as_str() {
        "invalid_token" | "401" => "the token is expired, withdrawn or wrong",
        "insufficient_scope" | "403" => "the token is good, but not for mail",
        "invalid_request" => "the token or the message around it is not written as it should be",
        // What Gmail says of every token that it does not take.
        "400" => "the token is expired or withdrawn, or the message around it is not written as it should be",
        _ => "the token was not accepted",
    };
    let scope =
        field("scope").map(|scope| format!("; the server wants the scope {}", clip(&scope))).unwrap_or_default();
    Explained::new(format!("refuses the token ({}): {reason}{scope}", clip(&status)), "RFC 7628 §3.2.2")
}

/// A response of the client: `step` is 1 for the first, `parts` what of it is not secret.
#[must_use]
pub fn response(mechanism: &str, step: u32, user: Option<&str>, parts: &Map<String, Value>) -> Explained {
    let mechanism = mechanism.to_ascii_uppercase();
    let source = source_of(&mechanism);
    let part = |name: &str| parts.get(name).and_then(Value::as_str).filter(|value| !value.is_empty()).map(clip);
    let is = |name: &str| parts.get(name).and_then(Value::as_bool) == Some(true);
    let token_login = matches!(mechanism.as_str(), "XOAUTH2" | "OAUTHBEARER" | "OAUTH10A");
    if is("cancel") {
        return Explained::new("gives the login up", "RFC 4422 §3.5");
    }
    if is("malformed") {
        return Explained::new("sends something that is not base64, so the login must fail", "RFC 4648 §3.3");
    }
    if is("acknowledges") || (token_login && is("empty") && step > 1) {
        return Explained::new("acknowledges the refusal, so that the server can end the login", "RFC 7628 §3.2.3");
    }
    if is("empty") {
        return empty(&mechanism, step);
    }
    let name = user.map(|user| format!("as {}", clip(user)));
    if let Some(told) = token::said(parts, Side::Client, name.as_deref()) {
        return told;
    }
    if is("stray") {
        return Explained::new("says something for which no login waits any more; it may be a password", "RFC 4422 §3");
    }
    let acting = part("authorization").map(|other| format!(", to act as {other}")).unwrap_or_default();
    let said = match (mechanism.as_str(), name) {
        ("LOGIN", Some(name)) => format!("gives the user name: logs in {name}"),
        ("LOGIN", None) if step == 1 => "gives the user name, or the password, not shown here".to_owned(),
        ("LOGIN", None) => "gives the password, not shown here".to_owned(),
        ("PLAIN", name) => format!("gives name and password in one message{}{acting}", spaced(name)),
        (cram, name) if cram.starts_with("CRAM-") => format!("gives the user name and the checksum{}", spaced(name)),
        ("DIGEST-MD5", name) => {
            let realm = part("realm").map(|realm| format!(" of {realm}")).unwrap_or_default();
            let at = part("digest-uri").map(|uri| format!(", for {uri}")).unwrap_or_default();
            format!("gives the user name and the checksum{}{realm}{at}{acting}{}", spaced(name), layer(part("qop")))
        }
        ("XOAUTH2" | "OAUTHBEARER" | "OAUTH10A", name) => {
            let port = part("port").map(|port| format!(" port {port}")).unwrap_or_default();
            let host = part("host").map(|host| format!(", for {host}{port}")).unwrap_or_default();
            format!("gives its token, not shown here{}{acting}{host}", spaced(name))
        }
        ("EXTERNAL", name) => format!("refers to its certificate{}", spaced(name)),
        ("ANONYMOUS", _) => "logs in as nobody in particular".to_owned(),
        (scram, Some(name)) if scram.starts_with("SCRAM-") => {
            let comma = if acting.is_empty() { "" } else { "," };
            let bound = binding(part("channel_binding").as_deref());
            format!("logs in {name}{acting}{comma} and sends a random text{bound}")
        }
        (scram, None) if scram.starts_with("SCRAM-") && step == 1 => "begins the login".to_owned(),
        (scram, None) if scram.starts_with("SCRAM-") => "proves that it knows the password".to_owned(),
        (_, name) => format!("sends the next message of the login{}{acting}", spaced(name)),
    };
    Explained::new(said, source)
}

/// A response without content means something in mechanisms whose server has the last word, and where the user follows
/// from elsewhere.
fn empty(mechanism: &str, step: u32) -> Explained {
    let (said, source) = match (mechanism, step) {
        ("EXTERNAL", _) => ("refers to its certificate, which names the user", "RFC 4422 §A.1"),
        ("GSSAPI", 2..) => ("sends an empty message: it is the server's turn", "RFC 4752 §3.1"),
        ("DIGEST-MD5", 2..) => ("acknowledges the server's proof", "RFC 2831 §2.1.3"),
        (scram, 2..) if scram.starts_with("SCRAM-") => ("acknowledges the server's proof", source_of(scram)),
        _ => ("sends an empty message", source_of(mechanism)),
    };
    Explained::new(said, source)
}

fn spaced(name: Option<String>) -> String {
    name.map(|name| format!(", {name}")).unwrap_or_default()
}

/// RFC 2831 §2.1.2.1: what is protected besides the login.
fn layer(qop: Option<String>) -> &'static str {
    match qop.as_deref() {
        Some("auth-int") => "; what follows is signed",
        Some("auth-conf") => "; what follows is encrypted",
        _ => "",
    }
}

/// RFC 5802 §6: the first letter says what the client thinks of binding the login to the TLS connection.
fn binding(flag: Option<&str>) -> String {
    match flag {
        Some("y") => "; it could bind to the TLS connection but believes that the server cannot".to_owned(),
        Some(flag) if flag.starts_with("p=") => {
            format!("; the login is bound to the TLS connection ({}), which a proxy breaks", &flag[2..])
        }
        _ => String::new(),
    }
}

fn source_of(mechanism: &str) -> &'static str {
    mechanism_sentence(mechanism).source
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;

    fn parts(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    fn asks(mechanism: &str, message: &str) -> String {
        challenge_line(mechanism, &STANDARD.encode(message)).text
    }

    #[test]
    fn challenges_are_told_by_their_mechanism() {
        assert_eq!(asks("LOGIN", "Username:"), "asks for the user name");
        assert!(asks("CRAM-MD5", "<1@h>").starts_with("sends <1@h>"));
        assert!(asks("CRAM-SHA256", "<1@h>").starts_with("sends <1@h>"));
        assert!(asks("SCRAM-SHA-256", "r=ab,s=cd,i=4096").contains("hashed 4096 times"));
        assert_eq!(asks("SCRAM-SHA-1", "v=abc"), "proves that it knows the password too");
        assert!(asks("SCRAM-SHA-256-PLUS", "e=channel-bindings-dont-match").contains("this proxy"));
        assert_eq!(
            asks("DIGEST-MD5", "realm=\"mail.example\",nonce=\"OA6\",qop=\"auth,auth-int\",charset=utf-8"),
            "sends a random text for the checksum, for the group of accounts mail.example; what follows the login can be \
             protected too (auth-int)"
        );
        assert_eq!(asks("DIGEST-MD5", "rspauth=ea40"), "proves that it knows the password too");
        assert!(challenge_line("NTLM", "").text.starts_with("waits for the client's next message"));
        assert!(asks("NTLM", "NTLMSSP\0\u{2}\0\0\0").starts_with("sends its random text"));
    }

    #[test]
    fn what_is_not_base64_is_said_to_be_so() {
        let line = |mechanism, line| challenge_line(mechanism, line).text;
        assert_eq!(
            line("NTLM", "NTLM supported"),
            "waits for the client's first message; “NTLM supported” is a remark"
        );
        assert_eq!(line("CRAM-MD5", "<1@h>"), "sends something that is not base64, so the client cannot go on");
        assert_eq!(line("LOGIN", "Username:"), "asks for the user name, but not in base64, as clients expect it");
    }

    #[test]
    fn a_refused_token_tells_its_status_and_scope() {
        assert_eq!(
            asks("XOAUTH2", r#"{"status":"403","schemes":"bearer","scope":"https://mail.example/"}"#),
            "refuses the token (403): the token is good, but not for mail; the server wants the scope https://mail.example/"
        );
        assert!(asks("XOAUTH2", r#"{"status":"400","schemes":"Bearer"}"#).contains("expired"));
        assert_eq!(asks("OAUTHBEARER", r#"{"status":401}"#), asks("OAUTHBEARER", r#"{"status":"401"}"#));
    }

    #[test]
    fn responses_name_the_user_and_no_secret() {
        let none = Map::new();
        assert_eq!(
            response("PLAIN", 1, Some("joe"), &parts(&json!({"authorization": "shop"}))).text,
            "gives name and password in one message, as joe, to act as shop"
        );
        assert_eq!(response("LOGIN", 2, None, &none).text, "gives the password, not shown here");
        let bound =
            response("SCRAM-SHA-256-PLUS", 1, Some("joe"), &parts(&json!({"channel_binding": "p=tls-exporter"})));
        assert!(bound.text.contains("bound to the TLS connection (tls-exporter)"));
        let told = |mechanism, step, user, value: Value| response(mechanism, step, user, &parts(&value)).text;
        assert_eq!(
            told("NTLM", 2, Some("joe"), json!({"message": 3, "domain": "CORP"})),
            "gives its answer to the challenge, as joe of domain CORP"
        );
        assert_eq!(
            told(
                "DIGEST-MD5",
                1,
                Some("joe"),
                json!({"realm": "mail.example", "digest-uri": "imap/mail.example",
                "qop": "auth-int", "authorization": "shop"})
            ),
            "gives the user name and the checksum, as joe of mail.example, for imap/mail.example, to act as shop; what \
             follows is signed"
        );
        assert_eq!(
            told("OAUTHBEARER", 1, Some("joe"), json!({"host": "mail.example", "port": "993"})),
            "gives its token, not shown here, as joe, for mail.example port 993"
        );
        let acknowledged = told("OAUTHBEARER", 2, None, json!({"acknowledges": true}));
        assert_eq!(acknowledged, "acknowledges the refusal, so that the server can end the login");
        assert_eq!(told("SCRAM-SHA-1", 3, None, json!({"empty": true})), "acknowledges the server's proof");
        assert_eq!(response("XOAUTH2", 2, None, &parts(&json!({"empty": true}))).source, "RFC 7628 §3.2.3");
        assert_eq!(response("PLAIN", 1, None, &parts(&json!({"cancel": true}))).text, "gives the login up");
    }
}
