//! Small texts: numbers, sizes and times as people read them.
//! Takes numbers, gives texts without colour.
//! Knows no event.

use crate::event::Stamp;

/// `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and its noun: `1 byte`, `2 bytes`.
#[must_use]
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// A size that fits into seven columns: `999 B`, `1.2 KiB`, `34 MiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut rest = bytes;
    let mut tenths = bytes.saturating_mul(10);
    while rest >= 1000 && unit + 1 < UNITS.len() {
        tenths = rest.saturating_mul(10) / 1024;
        rest /= 1024;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or("B");
    if unit > 0 && tenths < 100 { format!("{}.{} {name}", tenths / 10, tenths % 10) } else { format!("{rest} {name}") }
}

/// How long something took: `85 µs`, `12 ms`, `1.2 s`, `3 min 20 s`, `2 h 5 min`.
#[must_use]
pub fn duration(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{}.{} ms", micros / 1_000, micros / 100 % 10),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        1_000_000..60_000_000 => format!("{}.{} s", micros / 1_000_000, micros / 100_000 % 10),
        60_000_000..3_600_000_000 => format!("{} min {} s", micros / 60_000_000, micros / 1_000_000 % 60),
        _ => format!("{} h {} min", micros / 3_600_000_000, micros / 60_000_000 % 60),
    }
}

/// The time of day to the millisecond, UTC: `03:32:03.200`.
#[must_use]
pub fn time_of_day(at: Stamp) -> String {
    let [_, _, _, hour, minute, second, micro] = at.parts();
    format!("{hour:02}:{minute:02}:{second:02}.{:03}", micro / 1000)
}

/// Day and time to the second, UTC: `2026-11-23 03:32:03`.
#[must_use]
pub fn day_and_time(at: Stamp) -> String {
    let [year, month, day, hour, minute, second, _] = at.parts();
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// The time since a session began: `0.000`, `12.345`.
#[must_use]
pub fn offset(micros: u64) -> String {
    format!("{}.{:03}", micros / 1_000_000, micros / 1_000 % 1_000)
}

/// The short form of a session's name: what stands after the dash.
#[must_use]
pub fn short(session: &str) -> &str {
    match session.rsplit_once('-') {
        Some((_, random)) if !random.is_empty() => random,
        _ => session,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([grouped(0), grouped(999), grouped(1000), grouped(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([counted(1, "byte"), counted(0, "byte")], ["1 byte", "0 bytes"]);
        assert_eq!(
            [size(0), size(999), size(1024), size(1 << 20), size(35 << 20)],
            ["0 B", "999 B", "1.0 KiB", "1.0 MiB", "35 MiB"]
        );
        assert_eq!(size(1000), "0.9 KiB");
        assert_eq!(size(u64::MAX), "16777215 TiB");
    }

    #[test]
    fn durations_read_well() {
        let said = [85, 1_200, 12_000, 1_250_000, 200_000_000, 7_500_000_000].map(duration);
        assert_eq!(said, ["85 µs", "1.2 ms", "12 ms", "1.2 s", "3 min 20 s", "2 h 5 min"]);
    }
}
