//! Recordings at work: compared with each other, and played again.
//! Takes the events of recordings, gives exchanges, differences and what is to be said next.
//! Knows no socket, no file and no protocol by name.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod align;
mod cast;
pub mod casting;
pub mod client;
pub mod compare;
pub mod content;
pub mod cue;
pub mod deflate;
pub mod diff;
mod draft;
mod ears;
pub mod exchange;
pub mod handshake;
pub mod hear;
pub mod matching;
pub mod report;
pub mod scram;
pub mod script;
pub mod server;
pub mod tally;
mod veil;

#[cfg(feature = "proxy")]
pub use crate::play::Server;
pub use draft::Builder;
