//! `mailtap replay`: what was recorded, again.
//! Takes arguments, hands them to the side that is played.
//! Does nothing itself.

use super::{Failure, Globals, replay_client, replay_server};

/// Be the recorded server, or the recorded client
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    side: Side,
}

#[derive(Debug, clap::Subcommand)]
#[allow(clippy::large_enum_variant)] // Made once, and not moved about.
enum Side {
    Server(replay_server::Args),
    Client(replay_client::Args),
}

/// # Errors
/// Whatever the side that is played cannot do.
pub fn run(args: &Args, globals: &Globals) -> Result<(), Failure> {
    match &args.side {
        Side::Server(args) => replay_server::run(args, globals),
        Side::Client(args) => replay_client::run(args, globals),
    }
}
