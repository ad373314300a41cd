//! SMTP's words, one file a kind. LMTP and submission speak the same.
//! Takes nothing; gives tables.
//! Does not know login mechanisms, which all protocols share.

mod commands;
mod enhanced;
mod extensions;
mod replies;

use super::super::Entry;

pub(super) const ALL: &[&[Entry]] = &[
    commands::COMMANDS,
    commands::EXTENDED,
    replies::REPLIES,
    enhanced::CODES,
    extensions::EXTENSIONS,
    extensions::PRIVATE,
    extensions::PARAMETERS,
    extensions::XCLIENT,
    extensions::LIMITS,
    extensions::RECEIVED_WITH,
];
