//! Findings about numbers that a mailbox must keep.
//! A table: takes nothing, gives entries.
//! Does not know how they are found.

use super::Finding;

pub const UID_ORDER: Finding = Finding::warn(
    "uid-order",
    "a message with a higher number has a lower UID, or a message changed its UID",
    "Clients lose messages or fetch them twice: UIDs must rise with the numbers and stay as they are",
    "RFC 9051 §2.3.1.1",
);

pub const UIDVALIDITY_CHANGED: Finding = Finding::warn(
    "uidvalidity-changed",
    "a mailbox has another UIDVALIDITY than before in the same session",
    "All that a client remembers of the mailbox is void, and it fetches everything again",
    "RFC 9051 §2.3.1.1",
);

pub const EXISTS_SHRANK: Finding = Finding::warn(
    "exists-shrank",
    "the number of messages fell without an EXPUNGE that says which are gone",
    "Numbers that the client remembers now mean other messages: it may show, or delete, the wrong ones",
    "RFC 9051 §7.5.1",
);

pub(super) const ALL: &[&Finding] = &[&UID_ORDER, &UIDVALIDITY_CHANGED, &EXISTS_SHRANK];
