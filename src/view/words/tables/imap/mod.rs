//! IMAP's words, one file a kind.
//! Takes nothing; gives tables.
//! Does not know login mechanisms, which all protocols share.

mod capabilities;
mod codes;
mod commands;
mod data;
mod flags;
mod items;
mod searching;

use super::super::Entry;

pub(super) const ALL: &[&[Entry]] = &[
    commands::COMMANDS,
    commands::UID_COMMANDS,
    commands::EXTENDED,
    data::STATUSES,
    data::DATA,
    codes::CODES,
    capabilities::CAPABILITIES,
    capabilities::PRIVATE,
    flags::FLAGS,
    flags::KEYWORDS,
    flags::ATTRIBUTES,
    items::FETCH_ITEMS,
    items::STATUS_ITEMS,
    items::OPTIONS,
    searching::SEARCH_KEYS,
    searching::SORT_KEYS,
];
