//! The time as certificates count it, and its text.
//! Takes the machine's clock through rustls, gives whole seconds since 1970 and RFC 3339.
//! Knows nothing of certificates.

use jiff::Timestamp;
use rustls::pki_types::UnixTime;

/// Seconds a day.
pub const DAY: i64 = 86_400;

/// Seconds since 1970-01-01T00:00:00Z, by the clock that rustls verifies certificates with.
#[must_use]
pub fn now() -> i64 {
    i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX)
}

/// `2026-11-23T07:14:00Z`. A time beyond the calendar (year 9999) is given as its number of seconds.
#[must_use]
pub fn rfc3339(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string())
}

/// `2026-11-23`.
#[must_use]
pub fn date(seconds: i64) -> String {
    let whole = rfc3339(seconds);
    whole.split('T').next().unwrap_or(&whole).to_string()
}
