//! mailtap: a transparent logging proxy for mail.
//!
//! ```text
//!          sockets                                                        people, files, tools
//! client ──┐                                                             ┌─ view    tail, show
//!          ├─ net ── bytes ─▶ session ─▶ proto ─▶ pieces ─▶ EVENT ───────┼─ store   recording
//! server ──┘   ◀── bytes to send, "upgrade", "close" ──┘                 └─ export  raw, jsonl …
//! ```

#[cfg(feature = "proxy")]
pub mod cli;
pub mod event;
pub mod export;
pub mod findings;
#[cfg(feature = "proxy")]
pub mod net;
#[cfg(feature = "proxy")]
pub mod play;
#[cfg(feature = "proxy")]
pub mod practice;
pub mod proto;
pub mod replay;
pub mod route;
pub mod secrets;
pub mod session;
#[cfg(feature = "proxy")]
pub mod store;
#[cfg(feature = "proxy")]
pub mod tls;
pub mod view;
