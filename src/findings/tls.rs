//! Findings about TLS: how it begins, what it is worth, why it failed.
//! A table: takes nothing, gives entries.
//! Does not know how they are found.

use super::Finding;

pub const STARTTLS_INJECTION: Finding = Finding::warn(
    "starttls-injection",
    "plaintext stood behind STARTTLS, where only TLS may come",
    "It was not passed on into TLS. Somebody on the way may have put it there, to have it taken for something said within TLS",
    "RFC 3207 §6, CVE-2011-0411",
);

pub const STARTTLS_IN_TLS: Finding = Finding::warn(
    "starttls-in-tls",
    "the server accepted STARTTLS although the client's leg or its own has TLS already",
    "With TLS on its own leg the server should refuse it; without, it was not offered to the client. What follows is between the two ends and cannot be read",
    "RFC 3207 §4.2",
);

pub const STARTTLS_HIDDEN: Finding = Finding::info(
    "starttls-hidden",
    "the offer of STARTTLS was taken out of what the client is told",
    "The two legs of the route differ, and it would lead nowhere. Use the same scheme on both sides to leave it in",
    "",
);

pub const CAPABILITIES_HIDDEN: Finding = Finding::info(
    "capabilities-hidden",
    "the list of capabilities was taken out of the greeting, which is from before TLS",
    "A client asks for them itself where the greeting has none. Before TLS servers often offer no login (LOGINDISABLED), and a client that took that for granted would give up",
    "RFC 3501 §6.2.1, RFC 9051 §6.2.1",
);

pub const OWN_COMMAND: Finding = Finding::info(
    "own-command",
    "the proxy said something to the server itself, to upgrade its leg to TLS",
    "That is what +starttls on the right side of a route asks for",
    "",
);

pub const EARLY_CLIENT_HELLO: Finding = Finding::info(
    "early-client-hello",
    "the client began its TLS handshake before the server had accepted STARTTLS",
    "It works, but a server that refuses STARTTLS would take the handshake for commands: the client should wait for the reply",
    "RFC 3207 §4",
);

pub const OPAQUE_TLS: Finding = Finding::warn(
    "opaque-tls",
    "client and server begin TLS in a way of their own",
    "It is passed on and cannot be read. Servers of Exchange do so among themselves (X-ANONYMOUSTLS)",
    "MS-SMTPNTLM, MS-OXSMTP",
);

pub const PASSTHROUGH_UNEQUAL: Finding = Finding::warn(
    "passthrough-unequal",
    "TLS was to be passed through untouched and was not: the legs of the route differ",
    "The session was read and recorded as any other. Use the same scheme on both sides of the route to have its TLS passed through",
    "",
);

pub const NO_CLOSE_NOTIFY: Finding = Finding::info(
    "no-close-notify",
    "a side ended the connection without saying so within TLS first",
    "Many do. Nobody can tell from it whether something was cut off",
    "RFC 8446 §6.1",
);

pub const TLS_ADVICE: Finding = Finding::info(
    "tls-advice",
    "there is something to do about the server's TLS",
    "The note says what; the reason of the failure stands before it, in the tls event or in the note for the client",
    "",
);

pub const UPSTREAM_UNVERIFIED: Finding = Finding::warn(
    "upstream-unverified",
    "the server's certificate is not to be trusted, and --upstream-insecure let it pass",
    "Somebody else may pose as the server. In place of --upstream-insecure, trust its authority with --upstream-ca FILE, or \
     give a name of its certificate in the route",
    "RFC 7817 §3",
);

pub const UPSTREAM_TLS: Finding = Finding::warn(
    "upstream-tls",
    "TLS with the server failed",
    "The client was told so in its own protocol. The tls event of the server's leg has the reason and the certificates",
    "",
);

pub const CERTIFICATE_EXPIRING: Finding = Finding::warn(
    "certificate-expiring",
    "the server's certificate ends within two weeks",
    "From then on mail programs refuse the server: renew it",
    "RFC 5280 §4.1.2.5",
);

pub const CERTIFICATE_NAME: Finding = Finding::warn(
    "certificate-name",
    "the server's certificate is not for the name under which the server is asked for",
    "Mail programs refuse it. Use a name that stands in the certificate, or have one made that holds this name",
    "RFC 7817 §3, RFC 9525 §6",
);

pub const NO_FORWARD_SECRECY: Finding = Finding::warn(
    "no-forward-secrecy",
    "the client offers only cipher suites that encrypt the connection's key with the certificate's (TLS_RSA_WITH_…)",
    "Whoever gets that key later can read what was recorded today, so mailtap has none of them: turn on ECDHE cipher suites in \
     the client, or TLS 1.3. A server that has no others shows as tls-nothing-in-common",
    "RFC 9325 §4.1",
);

pub const TLS_OLD: Finding = Finding::warn(
    "tls-version",
    "a side speaks only versions of TLS that are given up",
    "mailtap speaks 1.2 and 1.3: update the program, or turn these on in it",
    "RFC 8996 §4, RFC 8996 §5",
);

pub const TLS_PLAINTEXT: Finding = Finding::warn(
    "tls-plaintext",
    "a side spoke plaintext where TLS was to begin",
    "The port and the kind of encryption do not go together: 993, 995 and 465 have TLS from the first byte, 143, 110 and 587 STARTTLS",
    "RFC 8314 §3",
);

pub const TLS_CERTIFICATE_REFUSED: Finding = Finding::warn(
    "tls-certificate-refused",
    "the client refused the certificate that mailtap showed it",
    "Let it trust mailtap's CA (mailtap ca trust says how); a program that pins its server's certificate can only be passed through",
    "RFC 8446 §6.2",
);

pub const TLS_NOTHING_IN_COMMON: Finding = Finding::warn(
    "tls-nothing-in-common",
    "the two sides of a TLS handshake found no cipher, group or signature that both know",
    "The older of the two has to be updated; for a client that verifies RSA signatures only, --leaf-key rsa2048 will do",
    "RFC 8446 §4.1.1",
);

pub const TLS_UNVERIFIED: Finding = Finding::warn(
    "tls-unverified",
    "a certificate could not be verified",
    "The note says what is wrong with it: --upstream-ca FILE trusts another authority, a wrong name is mended in the route, and \
     --upstream-insecure trusts everybody",
    "RFC 5280 §6",
);

pub const TLS_CLIENT_CERTIFICATE: Finding = Finding::warn(
    "tls-client-certificate",
    "the server wants a certificate from the client",
    "Clients' certificates do not pass through: give mailtap one with --upstream-cert and --upstream-key",
    "RFC 8446 §4.3.2",
);

pub const TLS_CLOSED: Finding = Finding::warn(
    "tls-closed",
    "a side closed the connection in the middle of the TLS handshake",
    "Clients do so silently when they do not trust the certificate: mailtap ca trust shows how they come to trust it",
    "",
);

pub const TLS_TIMEOUT: Finding = Finding::warn(
    "tls-timeout",
    "a side said nothing for 30 seconds in the middle of the TLS handshake",
    "It may wait for a greeting in plaintext: TLS from the first byte and STARTTLS were mixed up",
    "",
);

pub const TLS_ALPN: Finding = Finding::warn(
    "tls-alpn",
    "the client insists on a protocol by ALPN that the server did not choose",
    "The client speaks to the wrong port, or the server's ALPN settings are wrong",
    "RFC 7301 §3.2",
);

pub const TLS_BROKEN: Finding = Finding::warn(
    "tls-broken",
    "a side sent something on a connection with TLS that is no TLS, or was damaged",
    "The session ends there. Something on the way may change bytes, or one side has gone on in plaintext",
    "RFC 8446 §5.1, RFC 8446 §5.2",
);

pub const TLS_FAILED: Finding = Finding::warn(
    "tls-failed",
    "a TLS handshake failed",
    "The note has the reason in words; --keylog and a capture of the leg show the handshake itself",
    "",
);

pub(super) const ALL: &[&Finding] = &[
    &STARTTLS_INJECTION,
    &STARTTLS_IN_TLS,
    &STARTTLS_HIDDEN,
    &CAPABILITIES_HIDDEN,
    &OWN_COMMAND,
    &EARLY_CLIENT_HELLO,
    &OPAQUE_TLS,
    &PASSTHROUGH_UNEQUAL,
    &NO_CLOSE_NOTIFY,
    &TLS_ADVICE,
    &UPSTREAM_UNVERIFIED,
    &UPSTREAM_TLS,
    &CERTIFICATE_EXPIRING,
    &CERTIFICATE_NAME,
    &NO_FORWARD_SECRECY,
    &TLS_OLD,
    &TLS_PLAINTEXT,
    &TLS_CERTIFICATE_REFUSED,
    &TLS_NOTHING_IN_COMMON,
    &TLS_UNVERIFIED,
    &TLS_CLIENT_CERTIFICATE,
    &TLS_CLOSED,
    &TLS_TIMEOUT,
    &TLS_ALPN,
    &TLS_BROKEN,
    &TLS_FAILED,
];
