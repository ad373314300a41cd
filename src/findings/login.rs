//! Findings about logins and what they give away.
//! A table: takes nothing, gives entries.
//! Does not know how they are found.

use super::Finding;

pub const PLAINTEXT_PASSWORD: Finding = Finding::warn(
    "plaintext-password",
    "a password or token came from the client without TLS",
    "Whoever is on the way can read it. Choose TLS or STARTTLS in the mail program's settings",
    "RFC 8314 §3",
);

pub const LOGIN_DISABLED: Finding = Finding::warn(
    "login-disabled",
    "the client's leg has TLS, the server's has none, and the server takes no logins like that (LOGINDISABLED)",
    "Let the right side of the route end in +starttls, or use the scheme with TLS from the first byte",
    "RFC 9051 §6.2.3",
);

pub const LOGIN_DESPITE_DISABLED: Finding = Finding::warn(
    "login-despite-disabled",
    "the client sent LOGIN although the server had announced LOGINDISABLED",
    "The server refuses it, and the password has been on the way for nothing: the client must use STARTTLS first",
    "RFC 9051 §6.2.3",
);

pub const CHANNEL_BINDING: Finding = Finding::warn(
    "channel-binding",
    "the login is bound to the TLS connection, and client and server each have another one here",
    "The server will refuse it. Choose the mechanism without -PLUS in the client, or pass this host's TLS through with --passthrough",
    "RFC 5802 §6",
);

pub const SASL_SECURITY_LAYER: Finding = Finding::warn(
    "sasl-security-layer",
    "the login put a security layer around what follows, so that only client and server can read it",
    "It is passed on and logged as raw bytes. To read it, use TLS and a login without a layer",
    "RFC 4422 §3.7",
);

pub(super) const ALL: &[&Finding] =
    &[&PLAINTEXT_PASSWORD, &LOGIN_DISABLED, &LOGIN_DESPITE_DISABLED, &CHANNEL_BINDING, &SASL_SECURITY_LAYER];
