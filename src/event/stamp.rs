//! A point in time: microseconds since 1970, UTC, as RFC 3339 text with six digits.
//! Takes numbers from a clock that somebody else reads, gives text and back.
//! Knows no clock.

use std::fmt;

const MICROS: i64 = 1_000_000;

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(pub i64);

impl Stamp {
    /// Microseconds from `earlier` to here; 0 if it is later.
    #[must_use]
    pub fn since(self, earlier: Stamp) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Stamp> {
        text.parse::<jiff::Timestamp>().ok().map(|at| Stamp(at.as_microsecond()))
    }

    /// `[year, month, day, hour, minute, second, microsecond]`, UTC.
    #[must_use]
    pub fn parts(self) -> [i64; 7] {
        let (days, rest) = (self.0.div_euclid(86_400 * MICROS), self.0.rem_euclid(86_400 * MICROS));
        let (year, month, day) = civil(days);
        let seconds = rest / MICROS;
        [year, month, day, seconds / 3600, seconds / 60 % 60, seconds % 60, rest % MICROS]
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [year, month, day, hour, minute, second, micro] = self.parts();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micro:06}Z")
    }
}

/// Days since 1970-01-01 as year, month and day of the Gregorian calendar. Written out because a stamp is
/// formatted for every event, and a calendar library's general path costs several times as much.
fn civil(days: i64) -> (i64, i64, i64) {
    // Years begin in March here, so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_calendar_library() {
        for step in 0..40_000_i64 {
            let at = Stamp(-20_000_000_000_000_000 + step * 4_321_987_654_321);
            assert_eq!(Stamp::parse(&at.to_string()), Some(at), "{at}");
        }
        assert_eq!(Stamp(1_795_404_723_200_001).to_string(), "2026-11-23T03:32:03.200001Z");
    }

    #[test]
    fn refuses_what_is_no_time() {
        assert_eq!(Stamp::parse("yesterday"), None);
    }
}
