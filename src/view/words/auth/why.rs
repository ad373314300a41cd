//! Why a login failed, as far as that can be told, and what to try.
//! Takes a refusal and what was seen of the login before it; gives a reason with its source, and an advice.
//! Does not know what is true, only what servers mean by what they say.

use serde_json::{Map, Value};

use super::super::say::{clip, enhanced, response_code};
use super::super::{Category, Explained, Protocol, find};
use super::{oauth_error, scram_error, token};
use crate::event::Side;

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
    /// What a token in it says: Kerberos puts its error there.
    pub token: Option<&'a Map<String, Value>>,
    /// What the client thinks of binding the login to the TLS connection (RFC 5802 §6).
    pub binding: Option<&'a str>,
    /// The client gave the login up.
    pub cancelled: bool,
    /// A message of the client was not base64.
    pub malformed: bool,
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

    /// Both as one sentence. Where the reason says what to do, there is nothing to add.
    #[must_use]
    pub fn explained(self) -> Explained {
        if self.hint.is_empty() {
            return self.why;
        }
        Explained::new(format!("{}; try: {}", self.why.text, self.hint), self.why.source)
    }
}

const ENCRYPT: &str =
    "encrypt the connection first, by STARTTLS (STLS in POP3) or on the port that is always encrypted";
const CHECK: &str =
    "the password once more, the full mail address as user name, and whether the account allows this protocol";
const CHECK_DOMAIN: &str = "the password once more, the user name with its domain (CORP\\joe or joe@corp.example), and whether the account allows this protocol";
const CHECK_TOKEN: &str = "a new token, whether it has the scope for this protocol, whether its account is this user, and whether the mailbox allows this protocol";
const CHECK_CERTIFICATE: &str =
    "whether the client shows the right certificate, and whether the server knows it as this user's";
const CHECK_TICKET: &str =
    "a new ticket (klist shows it), this computer's clock, and the server's full name as its ticket has it";
const APPLICATION_PASSWORD: &str =
    "make an application password in the account's web settings, or let the mail program sign in by OAuth 2.0";
const NEW_TOKEN: &str =
    "let the mail program get a new token; if that fails, sign in anew, and check this computer's clock";
const NO_BINDING: &str = "the mechanism without -PLUS, or a connection past the proxy, since the login is bound to TLS";
const HIDDEN_BINDING: &str = "find what took the mechanisms with -PLUS off the server's list, or log in by another mechanism over an encrypted connection";
const CLOCK: &str = "set this computer's clock, or the server's";
const ANOTHER: &str = "one of the mechanisms that the server lists; the list may differ before and after encryption";
const WAIT: &str = "wait a little and log in again";

/// Where the reason stands in what the server said, that; otherwise what is most likely.
#[must_use]
pub fn why(failure: &Failure<'_>) -> Advice {
    by_challenge(failure)
        .or_else(|| by_client(failure))
        .or_else(|| by_text(failure))
        .or_else(|| by_code(failure))
        .unwrap_or_else(|| {
            Advice::new("the login failed, and the server does not say why", general(failure), check(failure))
        })
}

/// What to look at first, by what the client logged in with.
fn check(failure: &Failure<'_>) -> &'static str {
    if failure.token.is_some_and(token::is_ntlm) {
        return CHECK_DOMAIN;
    }
    match failure.mechanism.to_ascii_uppercase().as_str() {
        "XOAUTH2" | "OAUTHBEARER" | "OAUTH10A" => CHECK_TOKEN,
        "EXTERNAL" => CHECK_CERTIFICATE,
        "GSSAPI" | "GSS-SPNEGO" | "GS2-KRB5" | "GS2-KRB5-PLUS" => CHECK_TICKET,
        "NTLM" => CHECK_DOMAIN,
        "ANONYMOUS" => "a login with a name: this server takes no guests",
        _ => CHECK,
    }
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
    if let Some(parts) = failure.token {
        return by_token(parts);
    }
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
    let hint = match failure.binding {
        Some("y") if error.contains("channel-binding") => HIDDEN_BINDING,
        _ if error.contains("channel-binding") => NO_BINDING,
        _ => CHECK,
    };
    Some(Advice { why: scram_error(error), hint })
}

/// An error of Kerberos, or the refusal of all mechanisms that were offered.
fn by_token(parts: &Map<String, Value>) -> Option<Advice> {
    if let Some(error) = token::kerberos_error(parts) {
        let why = token::said(error, Side::Server, None)?;
        let hint = match error.get("error_name").and_then(Value::as_str) {
            Some("KRB_AP_ERR_SKEW" | "KRB_AP_ERR_TKT_NYV") => CLOCK,
            Some("KRB_AP_ERR_MODIFIED" | "KRB_AP_ERR_BAD_INTEGRITY" | "KRB_AP_ERR_BADKEYVER" | "KRB_AP_ERR_NOKEY") => {
                "let the administrator look at the server's keytab; and a new ticket, if that was renewed"
            }
            _ => CHECK_TICKET,
        };
        return Some(Advice { why, hint });
    }
    let rejected = token::is_rejected(parts);
    rejected
        .then(|| Advice::new("the server takes none of the mechanisms that were offered", "RFC 4178 §4.2.2", ANOTHER))
}

/// Where the client itself ended the login, or spoiled it.
fn by_client(failure: &Failure<'_>) -> Option<Advice> {
    if failure.cancelled {
        return Some(Advice::new(
            "the client gave the login up, so the server had to end it",
            "RFC 4422 §3.5",
            "look into the mail program's own messages or log: it did not like what the server sent before",
        ));
    }
    failure.malformed.then(|| {
        Advice::new(
            "a message of the login was not base64",
            "RFC 4648 §3.3",
            "make it anew, without a line break or a space in it",
        )
    })
}

/// What well-known servers write for people.
fn by_text(failure: &Failure<'_>) -> Option<Advice> {
    let text = failure.text.to_ascii_lowercase();
    let has = |any: &[&str]| any.iter().any(|part| text.contains(part));
    by_state_of_account(failure, &has).or_else(|| by_what_is_wrong(failure, &has))
}

fn by_state_of_account(failure: &Failure<'_>, has: &dyn Fn(&[&str]) -> bool) -> Option<Advice> {
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
    if has(&["settings page and enable", "not enabled for pop", "not enabled for imap", "access is disabled for"]) {
        return Some(Advice::new(
            "the account does not allow this protocol yet",
            "the server's text",
            "switch this protocol on in the account's web settings",
        ));
    }
    if has(&["too many", "temporarily blocked", "temporarily locked", "rate limit"]) {
        return Some(Advice::new(
            "the server takes no further login for now, because of those before",
            "the server's text",
            "wait some minutes, and let no program try again with a wrong password meanwhile",
        ));
    }
    if has(&["authentication not enabled", "auth not available", "authentication is not enabled"]) {
        return Some(Advice::new(
            "the server takes no logins on this connection",
            general(failure),
            "port 587 or 465, which are for handing mail in, and STARTTLS before the login",
        ));
    }
    None
}

fn by_what_is_wrong(failure: &Failure<'_>, has: &dyn Fn(&[&str]) -> bool) -> Option<Advice> {
    if has(&["clock", "time skew", "skew too great"]) {
        return Some(Advice::new("the two ends' clocks differ too much", "RFC 4120 §7.5.9", CLOCK));
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
        return Some(Advice::new(format!("the server does not do {} here", named(failure)), general(failure), ANOTHER));
    }
    if has(&["base64", "cannot decode", "can't decode", "invalid sasl argument", "malformed auth"]) {
        return Some(Advice::new(
            "the server could not read a message of the login",
            general(failure),
            "make it anew, as the mechanism wants it and in base64 without a line break or a space",
        ));
    }
    if has(&[
        "bad password",
        "wrong password",
        "invalid password",
        "incorrect password",
        "incorrect username",
        "user name or password",
        "username or password",
        "username and password not accepted",
        "invalid credentials",
    ]) {
        let what = if check(failure) == CHECK_TOKEN { "token" } else { "password" };
        let why = format!("user name or {what} is wrong, says the server");
        return Some(Advice::new(why, "the server's text", check(failure)));
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
        (_, "SYS/PERM" | "5.7.13") => "ask the administrator or the help desk",
        // These say themselves what to do.
        (_, "CONTACTADMIN" | "UNAVAILABLE" | "WEBALERT" | "TRYLATER") => return of_code(failure, &code, ""),
        (_, "SYS/TEMP" | "IN-USE" | "LOGIN-DELAY" | "THROTTLED") => WAIT,
        // What Exchange says of every login that it refuses.
        (_, "5.7.3") => {
            return Some(Advice::new(
                "the login failed, and the server does not say why",
                general(failure),
                check(failure),
            ));
        }
        (_, "AUTHORIZATIONFAILED") => {
            "leave the name of the user to act as empty, or ask the administrator for the right"
        }
        (_, "5.7.9") => APPLICATION_PASSWORD,
        (_, "AUTH-TOO-WEAK") => ANOTHER,
        (_, "4.7.12" | "TRANSITION-NEEDED") => "log in once by PLAIN over an encrypted connection",
        (_, "AUTHENTICATIONFAILED" | "5.7.8" | "AUTH") => check(failure),
        _ => return by_status(failure, plain),
    };
    of_code(failure, &code, hint)
}

/// What the code means, and an advice.
fn of_code(failure: &Failure<'_>, code: &str, hint: &'static str) -> Option<Advice> {
    let why = match failure.protocol {
        Some(Protocol::Smtp) => enhanced(code)?,
        Some(Protocol::Pop3) => find(Protocol::Pop3, Category::ResponseCode, code)?.into(),
        Some(Protocol::Sieve) => find(Protocol::Sieve, Category::ResponseCode, code)?.into(),
        _ => response_code(code),
    };
    Some(Advice { why, hint })
}

fn by_status(failure: &Failure<'_>, plain: bool) -> Option<Advice> {
    match failure.status {
        "538" | "530" if plain => Some(reply(failure.status, ENCRYPT)),
        "534" => Some(reply("534", APPLICATION_PASSWORD)),
        "535" => Some(reply("535", check(failure))),
        "421" => Some(reply("421", "")),
        "504" => Some(Advice::new(format!("the server does not do {} here", named(failure)), "RFC 4954 §4", ANOTHER)),
        "454" => Some(reply("454", "")),
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

    #[test]
    fn what_to_look_at_depends_on_what_was_logged_in_with() {
        let imap = Failure { protocol: Some(Protocol::Imap), status: "NO", ..Failure::default() };
        let hint = |mechanism| why(&Failure { mechanism, text: "AUTHENTICATE failed.", ..imap.clone() }).hint;
        assert_eq!([hint("XOAUTH2"), hint("EXTERNAL"), hint("GSSAPI")], [CHECK_TOKEN, CHECK_CERTIFICATE, CHECK_TICKET]);
        let exchange = Failure {
            protocol: Some(Protocol::Smtp),
            status: "535",
            code: Some("5.7.3"),
            text: "Authentication unsuccessful",
            ..Failure::default()
        };
        assert_eq!(why(&Failure { mechanism: "XOAUTH2", ..exchange.clone() }).hint, CHECK_TOKEN);
        let told = why(&Failure { mechanism: "NTLM", ..exchange });
        assert_eq!(
            (told.why.text.as_str(), told.hint),
            ("the login failed, and the server does not say why", CHECK_DOMAIN)
        );
    }

    #[test]
    fn what_the_server_says_is_heard() {
        let smtp = Failure { protocol: Some(Protocol::Smtp), mechanism: "PLAIN", ..Failure::default() };
        let said = |status: &'static str, text: &'static str| why(&Failure { status, text, ..smtp.clone() }).why.text;
        assert_eq!(said("503", "Error: authentication not enabled"), "the server takes no logins on this connection");
        assert!(said("421", "Too many auth failures").starts_with("the server takes no further login for now"));
        assert_eq!(said("501", "Cannot decode AUTH parameter"), "the server could not read a message of the login");
        for text in ["Logon failure: unknown user name or bad password.", "Invalid user name or password."] {
            let told = why(&Failure { protocol: Some(Protocol::Pop3), status: "-ERR", text, ..Failure::default() });
            assert_eq!((told.why.text.as_str(), told.hint), ("user name or password is wrong, says the server", CHECK));
        }
        let imap = Failure { protocol: Some(Protocol::Imap), status: "BAD", mechanism: "PLAIN", ..Failure::default() };
        assert!(why(&Failure { text: "Invalid base64", ..imap.clone() }).hint.contains("anew"));
        assert!(why(&Failure { text: "Invalid SASL argument", ..imap }).hint.contains("anew"));
        let gmail = "Your account is not enabled for POP access. Please visit your Gmail settings page and enable it.";
        let told = why(&Failure {
            protocol: Some(Protocol::Pop3),
            status: "-ERR",
            code: Some("SYS/PERM"),
            text: gmail,
            ..Failure::default()
        });
        assert_eq!(told.hint, "switch this protocol on in the account's web settings");
    }

    #[test]
    fn a_login_that_the_client_gave_up_is_not_the_servers_to_explain() {
        let imap = Failure { protocol: Some(Protocol::Imap), status: "BAD", mechanism: "PLAIN", ..Failure::default() };
        let told = why(&Failure { cancelled: true, ..imap.clone() });
        assert!(told.why.text.starts_with("the client gave the login up"), "{told:?}");
        assert!(why(&Failure { malformed: true, ..imap.clone() }).why.text.contains("not base64"));
        let token = Failure { cancelled: true, mechanism: "XOAUTH2", challenge: Some(r#"{"status":"401"}"#), ..imap };
        assert_eq!(why(&token).hint, NEW_TOKEN, "it gave up because of the error");
    }

    #[test]
    fn binding_and_kerberos_have_reasons_of_their_own() {
        let imap = Failure { protocol: Some(Protocol::Imap), status: "NO", ..Failure::default() };
        let hidden = Failure {
            mechanism: "SCRAM-SHA-256",
            binding: Some("y"),
            challenge: Some("e=server-does-support-channel-binding"),
            ..imap.clone()
        };
        assert_eq!(why(&hidden).hint, HIDDEN_BINDING);
        let skew = json!({"token": "NegTokenResp", "inner":
            {"token": "KRB-ERROR", "error": 37, "error_name": "KRB_AP_ERR_SKEW", "time": "2026-11-23T10:05:00Z"}});
        let told = why(&Failure { mechanism: "GSS-SPNEGO", token: skew.as_object(), ..imap.clone() });
        assert_eq!(told.hint, CLOCK);
        assert!(told.why.text.contains("its clock shows 2026-11-23 10:05:00 UTC"), "{told:?}");
        let rejected = json!({"token": "NegTokenResp", "state": "reject"});
        assert_eq!(
            why(&Failure { mechanism: "GSS-SPNEGO", token: rejected.as_object(), ..imap.clone() }).hint,
            ANOTHER
        );
        let second = json!({"message": 2});
        assert_eq!(why(&Failure { mechanism: "NTLM", token: second.as_object(), ..imap }).hint, CHECK_DOMAIN);
    }

    #[test]
    fn nothing_is_advised_twice() {
        let imap = Failure { protocol: Some(Protocol::Imap), status: "NO", ..Failure::default() };
        for code in ["CONTACTADMIN", "UNAVAILABLE"] {
            let told = why(&Failure { code: Some(code), ..imap.clone() }).explained();
            assert!(!told.text.contains("try:"), "{}", told.text);
        }
    }
}
