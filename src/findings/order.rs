//! Findings about who may say what, and when.
//! A table: takes nothing, gives entries.
//! Does not know how they are found.

use super::Finding;

pub const EARLY_TALK: Finding = Finding::warn(
    "early-talk",
    "the client spoke before the server had greeted it",
    "Servers take that for a sign of spam software, and some hang up: the client should wait for the greeting. Exim need not \
     where the server has offered PIPECONNECT before; where it still offers that, nothing is said of it",
    "RFC 5321 §4.3.1, RFC 1939 §4, RFC 9051 §2.2",
);

pub const PIPELINING: Finding = Finding::warn(
    "pipelining",
    "the client sent a command without waiting for the answer to one before, where that is not allowed",
    "The server may lose what comes too early, or do it to another message than the client means: wait for the answer \
     without PIPELINING, behind the last command of a group, in IDLE, and before message numbers that may have changed",
    "RFC 2920 §3.1, RFC 2449 §6.6, RFC 9051 §5.5, RFC 2177 §3, RFC 5804 §2",
);

pub const NOT_OFFERED: Finding = Finding::warn(
    "capability-not-offered",
    "the client used an extension that the server does not offer",
    "Servers refuse it as a rule: the client must look at the capabilities, and again after TLS and login",
    "RFC 5321 §4.1.1.1, RFC 9051 §6.1.1, RFC 2449 §5",
);

pub const CAPABILITIES_CHANGED: Finding = Finding::info(
    "capabilities-changed",
    "the server no longer offers, after TLS or login, what it offered before and need not take back",
    "A client that remembers the first list is misled: it must ask again",
    "RFC 9051 §6.1.1, RFC 3207 §4.2, RFC 2449 §5",
);

pub const PREAUTH: Finding = Finding::warn(
    "preauth",
    "the server greeted a plaintext connection as logged in already (PREAUTH)",
    "STARTTLS is impossible from there on. On a network connection somebody on the way may have put it there, to read what follows",
    "RFC 9051 §7.1.4, CVE-2020-12398",
);

pub const ALERT_BEFORE_TLS: Finding = Finding::warn(
    "alert-before-tls",
    "the server had a text for the person in front of the client (ALERT), and there was no TLS",
    "Anybody on the way can have written it. Clients should not show it before TLS has begun",
    "RFC 9051 §7.1",
);

pub const LITERAL_MINUS: Finding = Finding::warn(
    "literal-minus",
    "the client sent a literal of more than 4096 bytes without waiting, and the server offers LITERAL- only",
    "The server refuses it with BAD or hangs up: larger literals must wait for the server's go-ahead",
    "RFC 7888 §5",
);

pub const IDLE_TOO_LONG: Finding = Finding::warn(
    "idle-too-long",
    "the client stayed in IDLE for more than 29 minutes",
    "Servers log clients out after 30 minutes, and routers forget silent connections sooner: end IDLE and begin it again",
    "RFC 2177 §3",
);

pub const REPLY_WITHOUT_TEXT: Finding = Finding::info(
    "reply-without-text",
    "the server gave a status and no text behind it",
    "Clients that insist on a text stumble over it. IMAP4rev1 wants one, and IMAP4rev2 no longer does; SMTP says that there \
     should be one, and that clients must do without",
    "RFC 3501 §9, RFC 9051 §9, RFC 5321 §4.2",
);

pub const MIXED_REPLY_CODES: Finding = Finding::warn(
    "mixed-reply-codes",
    "the lines of one reply have different codes",
    "Clients disagree on which of them counts: the server must give all lines the same",
    "RFC 5321 §4.2.1",
);

pub const SLOW_ANSWER: Finding = Finding::info(
    "slow-answer",
    "the server took more than a second to answer",
    "People notice. Look at its load, at its disks, and at names it looks up or lists it asks before it answers",
    "",
);

pub const ASKED_AGAIN: Finding = Finding::info(
    "asked-again",
    "the client asked the same of one message after the other, or the same again and again, within seconds",
    "It waited for each answer: one command for the whole set would do in a fraction of the time. Of new mail, IDLE tells by \
     itself",
    "RFC 9051 §6.4.9, RFC 1939 §5",
);

pub const KNOWN_DEVIATION: Finding = Finding::info(
    "known-deviation",
    "a server or client did something in its own way that is known of it",
    "It is against the standard, and will hardly be mended soon: clients do well to put up with it",
    "github.com/modern-email/defects",
);

pub const TURNED: Finding = Finding::warn(
    "turned",
    "client and server have changed places (TURN, ATRN)",
    "What follows is passed on, and not read and not kept, as it may hold a login",
    "RFC 2645 §5",
);

pub(super) const ALL: &[&Finding] = &[
    &EARLY_TALK,
    &PIPELINING,
    &NOT_OFFERED,
    &CAPABILITIES_CHANGED,
    &PREAUTH,
    &ALERT_BEFORE_TLS,
    &LITERAL_MINUS,
    &IDLE_TOO_LONG,
    &REPLY_WITHOUT_TEXT,
    &MIXED_REPLY_CODES,
    &SLOW_ANSWER,
    &ASKED_AGAIN,
    &KNOWN_DEVIATION,
    &TURNED,
];
