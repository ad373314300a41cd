//! Work on whole messages that takes long: done aside, so that nobody else's connection waits for it.
//! Takes the work and how much it is about; gives what came of it.
//! It does not know what is done.

use std::io;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::super::limits::{ASIDE, IN_PASSING};

static PLACES: Semaphore = Semaphore::const_new(ASIDE);

/// Does the work at once when it is about few octets, else on a thread of its own. Errors: the work panicked.
pub async fn aside<T: Send + 'static>(octets: u64, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    if octets <= IN_PASSING {
        return Ok(work());
    }
    let place = PLACES.acquire().await.map_err(io::Error::other)?;
    let work = move || {
        // Kept until the work is done, even when nobody waits for it any more.
        let _place = place;
        work()
    };
    spawn_blocking(work).await.map_err(io::Error::other)
}
