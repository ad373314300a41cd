//! `mailtap proxy`: the routes, and the proxy that serves them.
//! Takes arguments, runs until it is told to end.
//! Does not know how sessions are relayed or shown.

use super::{Failure, Globals};

/// Run the proxy
#[derive(clap::Args, Debug)]
pub struct Args {}

/// # Errors
/// A wrong route, or an address or folder that cannot be used.
pub fn run(_args: Args, _globals: &Globals) -> Result<(), Failure> {
    Err(Failure::work("the proxy is not built in yet; use a later version"))
}
