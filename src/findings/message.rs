//! Findings about messages on their way: line ends, dots, sizes, 8-bit text.
//! A table: takes nothing, gives entries.
//! Does not know how they are found.

use super::Finding;

pub const BARE_LF: Finding = Finding::warn(
    "bare-lf",
    "a message, a command or a reply has lines that end in LF without CR",
    "Programs differ in what they take for the end of a line, and in SMTP that can be abused to smuggle mail: lines must end in \
     CRLF",
    "RFC 5321 §2.3.8, RFC 5322 §2.3, RFC 9051 §2.2, RFC 1939 §3",
);

pub const BARE_CR: Finding = Finding::warn(
    "bare-cr",
    "a message, a command or a reply has a CR without LF behind it",
    "Programs differ in what they take for the end of a line, and in SMTP that can be abused to smuggle mail: CR may stand \
     before LF only",
    "RFC 5321 §2.3.8, RFC 5322 §2.3",
);

pub const NEAR_TERMINATOR: Finding = Finding::warn(
    "near-terminator",
    "a message has a dot on a line of its own whose line ends are not CRLF on both sides, or that has a NUL beside it",
    "A server that takes it for the end of the message reads what follows as commands: that is how SMTP smuggling works",
    "RFC 5321 §4.1.1.4, CVE-2023-51764",
);

pub const MISSING_DOT_STUFFING: Finding = Finding::warn(
    "missing-dot-stuffing",
    "a line of the message begins with one dot that was not doubled",
    "The other side takes that dot away: the sender must put another before each dot at the beginning of a line",
    "RFC 5321 §4.5.2, RFC 1939 §3",
);

pub const EIGHT_BIT: Finding = Finding::warn(
    "8bit-without-8bitmime",
    "the message has bytes above 127, and the client had not said BODY=8BITMIME",
    "A server on the way may damage or refuse it: say BODY=8BITMIME where the server offers it, or encode the message",
    "RFC 6152 §3",
);

pub const SIZE_MISMATCH: Finding = Finding::warn(
    "size-mismatch",
    "a message has another size than was said",
    "Room was made, or progress shown, for the wrong size; a client that counts on it cuts the message off or waits for more",
    "RFC 1870 §6.3, RFC 9051 §2.3.4",
);

pub const OCTET_COUNT: Finding = Finding::warn(
    "octet-count",
    "the server gave a number of octets for a message that is not its size",
    "Clients that count octets in place of looking for the final dot lose their place: the server must count CRLF as two",
    "RFC 1939 §11",
);

pub const DESYNC: Finding = Finding::warn(
    "desync",
    "the server took something else than CRLF.CRLF for the end of a message",
    "What the client sends from there on is read as commands by the server: this is what SMTP smuggling needs",
    "RFC 5321 §4.1.1.4, CVE-2023-51764",
);

pub(super) const ALL: &[&Finding] =
    &[&BARE_LF, &BARE_CR, &NEAR_TERMINATOR, &MISSING_DOT_STUFFING, &EIGHT_BIT, &SIZE_MISMATCH, &OCTET_COUNT, &DESYNC];
