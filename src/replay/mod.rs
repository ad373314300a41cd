//! Recordings at work: compared with each other, and played again.
//! Takes the events of recordings, gives exchanges, differences and what is to be said next.
//! Knows no socket, no file and no protocol by name.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod align;
pub mod compare;
pub mod content;
pub mod diff;
pub mod exchange;
