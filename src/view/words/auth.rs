//! The login explained: what each challenge and response is, why a login failed where that can be told, what to try.
//! Takes mechanism, step, decoded challenges, the client's parts that are not secret, the server's refusal; gives sentences.
//! Does not know passwords or tokens, and says so where a reason is only likely.

use serde_json::{Map, Value};

use super::say::{clip, enhanced, mechanism_sentence, response_code};
use super::{Category, Explained, Protocol, find};

/// A challenge of the server, decoded where it is text.
#[must_use]
pub fn challenge(mechanism: &str, decoded: Option<&str>) -> Explained {
    let mechanism = mechanism.to_ascii_uppercase();
    let text = decoded.unwrap_or_default();
    let said = match mechanism.as_str() {
        "LOGIN" if text.to_ascii_lowercase().contains("pass") => "asks for the password".to_owned(),
        "LOGIN" if text.to_ascii_lowercase().contains("user") => "asks for the user name".to_owned(),
        "CRAM-MD5" if !text.is_empty() => {
            format!("sends {}, for the client to mix with the password into a checksum", clip(text))
        }
        "XOAUTH2" | "OAUTHBEARER" | "OAUTH10A" if text.starts_with('{') => return oauth_error(text),
        "DIGEST-MD5" if text.starts_with("rspauth=") => "proves that it knows the password too".to_owned(),
        "DIGEST-MD5" if !text.is_empty() => match directive(text, "realm") {
            Some(realm) => format!("sends a random text for the checksum, for the group of accounts {}", clip(realm)),
            None => "sends a random text for the checksum".to_owned(),
        },
        scram if scram.starts_with("SCRAM-") && !text.is_empty() => return scram_challenge(text),
        "NTLM" if decoded.is_none() => "sends its random text and the names of host and domain".to_owned(),
        "GSSAPI" | "GSS-SPNEGO" => "sends its part of the Kerberos exchange".to_owned(),
        _ if text.is_empty() => "waits for the client's next message of the login".to_owned(),
        _ => "sends the next message of the login".to_owned(),
    };
    Explained::new(said, source_of(&mechanism))
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

/// The JSON that a server sends when it refuses a token (RFC 7628 §3.2.2).
fn oauth_error(text: &str) -> Explained {
    let json: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    let field = |name: &str| json.get(name).and_then(Value::as_str).filter(|value| !value.is_empty());
    let status = field("status").unwrap_or("no status");
    let reason = match status {
        "invalid_token" | "401" => "the token is expired, withdrawn or wrong",
        "insufficient_scope" | "403" => "the token is good, but not for mail",
        "invalid_request" => "the token or the message around it is not written as it should be",
        // What Gmail says of every token that it does not take.
        "400" => "the token is expired or withdrawn, or the message around it is not written as it should be",
        _ => "the token was not accepted",
    };
    let scope = field("scope").map(|scope| format!("; the server wants the scope {}", clip(scope))).unwrap_or_default();
    Explained::new(format!("refuses the token ({}): {reason}{scope}", clip(status)), "RFC 7628 §3.2.2")
}

fn directive<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let behind = text.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))?;
    Some(behind.trim_matches('"')).filter(|value| !value.is_empty())
}

/// A response of the client: `step` is 1 for the first, `parts` what of it is not secret.
#[must_use]
pub fn response(mechanism: &str, step: u32, user: Option<&str>, parts: &Map<String, Value>) -> Explained {
    let mechanism = mechanism.to_ascii_uppercase();
    let source = source_of(&mechanism);
    let part = |name: &str| parts.get(name).and_then(Value::as_str).filter(|value| !value.is_empty()).map(clip);
    let is = |name: &str| parts.get(name).and_then(Value::as_bool) == Some(true);
    if is("cancel") {
        return Explained::new("gives the login up", "RFC 4422 §3.5");
    }
    if is("malformed") {
        return Explained::new("sends something that is not base64, so the login must fail", "RFC 4648 §3.3");
    }
    if is("empty") && matches!(mechanism.as_str(), "XOAUTH2" | "OAUTHBEARER") && step > 1 {
        return Explained::new("acknowledges the refusal, so that the server can end the login", "RFC 7628 §3.2.3");
    }
    if is("empty") {
        return Explained::new("sends an empty message", source);
    }
    let name = user.map(|user| format!("as {}", clip(user)));
    let acting = part("authorization").map(|other| format!(", to act as {other}")).unwrap_or_default();
    let said = match (mechanism.as_str(), name) {
        ("LOGIN", Some(name)) => format!("gives the user name: logs in {name}"),
        ("LOGIN", None) => "gives the password, not shown here".to_owned(),
        ("PLAIN", name) => format!("gives name and password in one message{}{acting}", spaced(name)),
        ("CRAM-MD5", name) => format!("gives the user name and the checksum{}", spaced(name)),
        ("XOAUTH2" | "OAUTHBEARER", name) => format!("gives its token, not shown here{}{acting}", spaced(name)),
        ("EXTERNAL", name) => format!("refers to its certificate{}", spaced(name)),
        ("ANONYMOUS", _) => "logs in as nobody in particular".to_owned(),
        ("NTLM", name) => ntlm(parts, name),
        ("GSSAPI" | "GSS-SPNEGO", _) => "sends its part of the Kerberos exchange".to_owned(),
        (scram, Some(name)) if scram.starts_with("SCRAM-") => {
            format!("logs in {name}{acting} and sends a random text{}", binding(part("channel_binding").as_deref()))
        }
        (scram, None) if scram.starts_with("SCRAM-") && step == 1 => "begins the login".to_owned(),
        (scram, None) if scram.starts_with("SCRAM-") && step == 2 => "proves that it knows the password".to_owned(),
        (scram, None) if scram.starts_with("SCRAM-") => "acknowledges the server's proof".to_owned(),
        (_, name) => format!("sends the next message of the login{}", spaced(name)),
    };
    Explained::new(said, source)
}

fn spaced(name: Option<String>) -> String {
    name.map(|name| format!(", {name}")).unwrap_or_default()
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

fn ntlm(parts: &Map<String, Value>, name: Option<String>) -> String {
    let text = |name: &str| parts.get(name).and_then(Value::as_str).map(clip);
    match parts.get("message").and_then(Value::as_u64) {
        Some(1) => "says which variants of NTLM it can do".to_owned(),
        Some(3) => {
            let domain = text("domain").map(|domain| format!(" of domain {domain}")).unwrap_or_default();
            let host = text("workstation").map(|host| format!(" from {host}")).unwrap_or_default();
            format!("gives its answer to the challenge{}{domain}{host}", spaced(name))
        }
        _ => "sends the next message of the login".to_owned(),
    }
}

fn source_of(mechanism: &str) -> &'static str {
    mechanism_sentence(mechanism).source
}

/// A login that was refused, as far as it was seen.
#[derive(Clone, Debug, Default)]
pub struct Failure<'a> {
    pub protocol: Option<Protocol>,
    /// The SASL mechanism; empty for LOGIN of IMAP, USER and PASS, APOP.
    pub mechanism: &'a str,
    /// Whether the client's connection was encrypted, where it is known.
    pub encrypted: Option<bool>,
    /// `NO`, `BAD`, `-ERR`, `535` …
    pub status: &'a str,
    /// The response code or enhanced status.
    pub code: Option<&'a str>,
    pub text: &'a str,
    /// The server's last challenge, decoded: OAuth and SCRAM put their error there.
    pub challenge: Option<&'a str>,
}

/// Why a login failed, and what to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    pub why: Explained,
    pub hint: &'static str,
}

impl Advice {
    fn new(why: impl Into<String>, source: &'static str, hint: &'static str) -> Advice {
        Advice { why: Explained::new(why, source), hint }
    }

    /// Both as one sentence.
    #[must_use]
    pub fn explained(self) -> Explained {
        Explained::new(format!("{}; try: {}", self.why.text, self.hint), self.why.source)
    }
}

const ENCRYPT: &str =
    "encrypt the connection first, by STARTTLS (STLS in POP3) or on the port that is always encrypted";
const CHECK: &str =
    "the password once more, the full mail address as user name, and whether the account allows this protocol";
const APPLICATION_PASSWORD: &str =
    "make an application password in the account's web settings, or let the mail program sign in by OAuth 2.0";
const NEW_TOKEN: &str =
    "let the mail program get a new token; if that fails, sign in anew, and check this computer's clock";
const NO_BINDING: &str = "the mechanism without -PLUS, or a connection past the proxy, since the login is bound to TLS";

/// Where the reason stands in what the server said, that; otherwise what is most likely.
#[must_use]
pub fn why(failure: &Failure<'_>) -> Advice {
    by_challenge(failure)
        .or_else(|| by_text(failure))
        .or_else(|| by_code(failure))
        .unwrap_or_else(|| Advice::new("the login failed, and the server does not say why", general(failure), CHECK))
}

fn general(failure: &Failure<'_>) -> &'static str {
    match failure.protocol {
        Some(Protocol::Smtp) => "RFC 4954 §6",
        Some(Protocol::Imap) => "RFC 9051 §6.2.2",
        Some(Protocol::Pop3) => "RFC 1939 §4",
        _ => "RFC 4422 §3.6",
    }
}

fn by_challenge(failure: &Failure<'_>) -> Option<Advice> {
    let text = failure.challenge?;
    let mechanism = failure.mechanism.to_ascii_uppercase();
    if text.starts_with('{') && (mechanism == "XOAUTH2" || mechanism.starts_with("OAUTH")) {
        let why = oauth_error(text);
        let hint = if why.text.contains("not for mail") {
            "let the mail program ask for the scope that the server names, and the administrator allow it"
        } else {
            NEW_TOKEN
        };
        return Some(Advice { why, hint });
    }
    let error = mechanism.starts_with("SCRAM-").then(|| text.strip_prefix("e=")).flatten()?;
    let hint = if error.contains("channel-binding") { NO_BINDING } else { CHECK };
    Some(Advice { why: scram_error(error), hint })
}

/// What well-known servers write for people.
fn by_text(failure: &Failure<'_>) -> Option<Advice> {
    let text = failure.text.to_ascii_lowercase();
    let has = |any: &[&str]| any.iter().any(|part| text.contains(part));
    if has(&["application-specific password", "app password", "application password", "app-specific"]) {
        return Some(Advice::new(
            "the account needs a password of its own for mail programs, since it has a second factor",
            "the server's text",
            APPLICATION_PASSWORD,
        ));
    }
    if has(&["web browser", "weblogin", "web login"]) {
        return Some(Advice::new(
            "the service wants the person to sign in once in a web browser",
            "the server's text",
            "open the address in the server's text in a web browser, sign in, and log in again",
        ));
    }
    if has(&[
        "basic authentication is disabled",
        "smtpclientauthentication is disabled",
        "logondenied-basicauth",
        "basicauthblocked",
    ]) {
        return Some(Advice::new(
            "the service has switched off logins by password for this protocol",
            "the server's text",
            "let the mail program sign in by OAuth 2.0, or the administrator allow the protocol for this mailbox",
        ));
    }
    if has(&["clock", "time skew", "skew too great"]) {
        return Some(Advice::new(
            "the two ends' clocks differ too much",
            "RFC 4120 §7.5.9",
            "set this computer's clock",
        ));
    }
    if has(&["channel binding", "channel-binding"]) {
        return Some(Advice::new(
            "the login is bound to the TLS connection, and something stands between, such as this proxy",
            "RFC 5802 §6",
            NO_BINDING,
        ));
    }
    if has(&[
        "plaintext authentication disallowed",
        "plaintext auth",
        "cleartext",
        "must issue a starttls",
        "ssl/tls required",
        "tls required",
        "encryption required",
    ]) {
        return Some(Advice::new(
            "the server takes no password on a connection that is not encrypted",
            "RFC 8314 §4.1",
            ENCRYPT,
        ));
    }
    if has(&[
        "unsupported authentication mechanism",
        "mechanism not supported",
        "unrecognized authentication type",
        "unknown authentication mechanism",
        "no mechanism available",
        "unsupported mechanism",
    ]) {
        return Some(Advice::new(
            format!("the server does not do {} here", named(failure)),
            general(failure),
            "one of the mechanisms that the server lists; the list may differ before and after encryption",
        ));
    }
    None
}

fn named(failure: &Failure<'_>) -> String {
    if failure.mechanism.is_empty() { "this kind of login".to_owned() } else { clip(failure.mechanism) }
}

fn by_code(failure: &Failure<'_>) -> Option<Advice> {
    let code = failure.code.unwrap_or_default().to_ascii_uppercase();
    let plain = failure.encrypted == Some(false);
    let hint = match (failure.status, code.as_str()) {
        (_, "PRIVACYREQUIRED" | "5.7.10" | "5.7.11" | "ENCRYPT-NEEDED") => ENCRYPT,
        (_, "EXPIRED") => "change the password on the service's web page, or get a new token",
        (_, "CONTACTADMIN" | "SYS/PERM" | "5.7.13") => "ask the administrator or the help desk",
        (_, "UNAVAILABLE" | "SYS/TEMP" | "IN-USE" | "LOGIN-DELAY" | "THROTTLED") => "wait a little and log in again",
        (_, "AUTHORIZATIONFAILED") => {
            "leave the name of the user to act as empty, or ask the administrator for the right"
        }
        (_, "5.7.9" | "AUTH-TOO-WEAK") => APPLICATION_PASSWORD,
        (_, "4.7.12" | "TRANSITION-NEEDED") => "log in once by PLAIN over an encrypted connection",
        (_, "AUTHENTICATIONFAILED" | "5.7.8" | "AUTH") => CHECK,
        _ => "",
    };
    if !hint.is_empty() {
        let why = match failure.protocol {
            Some(Protocol::Smtp) => enhanced(&code)?,
            Some(Protocol::Pop3) => find(Protocol::Pop3, Category::ResponseCode, &code)?.into(),
            Some(Protocol::Sieve) => find(Protocol::Sieve, Category::ResponseCode, &code)?.into(),
            _ => response_code(&code),
        };
        return Some(Advice { why, hint });
    }
    match failure.status {
        "538" | "530" if plain => Some(reply(failure.status, ENCRYPT)),
        "534" => Some(reply("534", APPLICATION_PASSWORD)),
        "535" => Some(reply("535", CHECK)),
        "504" => Some(Advice::new(
            format!("the server does not do {} here", named(failure)),
            "RFC 4954 §4",
            "one of the mechanisms that the server lists; the list may differ before and after encryption",
        )),
        "454" => Some(reply("454", "wait a little and log in again")),
        "BAD" => Some(Advice::new(
            "the server did not understand the login, or does not allow it at this moment",
            "RFC 9051 §7.1.3",
            "see whether the capabilities list the mechanism, and whether LOGINDISABLED is among them",
        )),
        _ => None,
    }
}

fn reply(code: &str, hint: &'static str) -> Advice {
    let why = find(Protocol::Smtp, Category::Reply, code)
        .map_or_else(|| Explained::new("the login failed", "RFC 4954 §6"), Explained::from);
    Advice { why, hint }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parts(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn challenges_are_told_by_their_mechanism() {
        assert_eq!(challenge("LOGIN", Some("Username:")).text, "asks for the user name");
        assert!(challenge("CRAM-MD5", Some("<1@h>")).text.starts_with("sends <1@h>"));
        assert!(challenge("SCRAM-SHA-256", Some("r=ab,s=cd,i=4096")).text.contains("hashed 4096 times"));
        assert_eq!(challenge("SCRAM-SHA-1", Some("v=abc")).text, "proves that it knows the password too");
        let error = challenge("SCRAM-SHA-256-PLUS", Some("e=channel-bindings-dont-match"));
        assert!(error.text.contains("this proxy"));
        let token =
            challenge("XOAUTH2", Some(r#"{"status":"403","schemes":"bearer","scope":"https://mail.example/"}"#));
        assert_eq!(
            token.text,
            "refuses the token (403): the token is good, but not for mail; the server wants the scope https://mail.example/"
        );
        assert_eq!(challenge("GSSAPI", None).text, "sends its part of the Kerberos exchange");
        assert!(challenge("NTLM", None).text.starts_with("sends its random text"));
        assert!(challenge("NTLM", Some("")).text.starts_with("waits for the client's next message"));
        let error = challenge("XOAUTH2", Some(r#"{"status":"400","schemes":"Bearer"}"#));
        assert!(error.text.contains("expired"), "{}", error.text);
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
        assert_eq!(
            response("NTLM", 2, Some("joe"), &parts(&json!({"message": 3, "domain": "CORP"}))).text,
            "gives its answer to the challenge, as joe of domain CORP"
        );
        assert_eq!(response("XOAUTH2", 2, None, &parts(&json!({"empty": true}))).source, "RFC 7628 §3.2.3");
        assert_eq!(response("PLAIN", 1, None, &parts(&json!({"cancel": true}))).text, "gives the login up");
    }

    #[test]
    fn the_reason_of_a_refusal_is_told_where_it_can_be() {
        let smtp = Failure { protocol: Some(Protocol::Smtp), status: "535", ..Failure::default() };
        assert_eq!(why(&Failure { code: Some("5.7.8"), ..smtp.clone() }).hint, CHECK);
        let gmail = "Application-specific password required. Learn more at …";
        assert_eq!(
            why(&Failure { status: "534", code: Some("5.7.9"), text: gmail, ..smtp.clone() }).hint,
            APPLICATION_PASSWORD
        );
        assert_eq!(why(&Failure { status: "538", code: Some("5.7.11"), ..smtp.clone() }).hint, ENCRYPT);
        assert_eq!(
            why(&Failure { status: "504", mechanism: "NTLM", ..smtp }).why.text,
            "the server does not do NTLM here"
        );
        let imap = Failure { protocol: Some(Protocol::Imap), status: "NO", ..Failure::default() };
        assert_eq!(why(&Failure { code: Some("PRIVACYREQUIRED"), ..imap.clone() }).hint, ENCRYPT);
        let expired =
            Failure { mechanism: "XOAUTH2", challenge: Some(r#"{"status":"invalid_token"}"#), ..imap.clone() };
        assert_eq!(why(&expired).hint, NEW_TOKEN);
        let bound =
            Failure { mechanism: "SCRAM-SHA-1-PLUS", challenge: Some("e=channel-bindings-dont-match"), ..imap.clone() };
        assert_eq!(why(&bound).hint, NO_BINDING);
        assert_eq!(why(&imap).why.text, "the login failed, and the server does not say why");
        let pop =
            Failure { protocol: Some(Protocol::Pop3), status: "-ERR", code: Some("IN-USE"), ..Failure::default() };
        assert_eq!(why(&pop).hint, "wait a little and log in again");
    }
}
