//! The clock of the program: wall time that never goes back while it runs.
//! Gives the time as a [`Stamp`].
//! Everything left of here takes the time as an argument.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::event::Stamp;

static START: LazyLock<(Instant, i64)> = LazyLock::new(|| {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
    (Instant::now(), i64::try_from(wall).unwrap_or(i64::MAX))
});

/// Wall time at the start of the program plus what has passed since: latencies stay right when the wall clock is set.
#[must_use]
pub fn now() -> Stamp {
    let (start, wall) = *START;
    Stamp(wall.saturating_add(i64::try_from(start.elapsed().as_micros()).unwrap_or(i64::MAX)))
}
