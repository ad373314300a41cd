//! Findings about the relay itself: servers that are not there, bytes that make no sense.
//! A table: takes nothing, gives entries.
//! Does not know how they are found.

use super::Finding;

pub const LOST_SYNC: Finding = Finding::warn(
    "lost-sync",
    "a side said something that makes no sense in the protocol",
    "It is passed on and logged as raw bytes. If it is right in the protocol, the fault is mailtap's: please report it",
    "",
);

pub const NO_ANSWER: Finding = Finding::warn(
    "no-answer",
    "bytes whose meaning depends on the other side's answer were passed on without it, after 10 seconds",
    "The side that spoke did not wait for an answer that the protocol wants; what follows is read as it seems to mean it",
    "",
);

pub const UPSTREAM_REFUSED: Finding = Finding::warn(
    "upstream-refused",
    "the server's machine refused the connection",
    "Nothing listens at that port, or a firewall says so: check the port on the right side of the route",
    "",
);

pub const UPSTREAM_TIMEOUT: Finding = Finding::warn(
    "upstream-timeout",
    "the server's machine did not answer in time",
    "A firewall drops the packets, or the machine is down: many networks close port 25 to everybody",
    "",
);

pub const UPSTREAM_UNKNOWN: Finding = Finding::warn(
    "upstream-unknown",
    "the server's name could not be resolved",
    "Check the name on the right side of the route, and the resolver of this machine",
    "",
);

pub const UPSTREAM_UNREACHABLE: Finding = Finding::warn(
    "upstream-unreachable",
    "the server could not be reached",
    "The note has the system's reason: there may be no route to the address, or no IPv6 here",
    "",
);

pub const REPLAY_OF: Finding = Finding::info(
    "replay-of",
    "what the client said led to another recording than the one that its session began with",
    "Nothing needs mending: of several recordings that begin alike, the one that fits is played; its id is in the note",
    "",
);

pub const REPLAY_OVER: Finding = Finding::warn(
    "replay-over",
    "a client came when every recording had been played",
    "--loop plays them again; or record as many sessions as the client opens connections",
    "",
);

pub(super) const ALL: &[&Finding] = &[
    &LOST_SYNC,
    &NO_ANSWER,
    &UPSTREAM_REFUSED,
    &UPSTREAM_TIMEOUT,
    &UPSTREAM_UNKNOWN,
    &UPSTREAM_UNREACHABLE,
    &REPLAY_OF,
    &REPLAY_OVER,
];
