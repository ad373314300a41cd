//! How many sessions of a load test were answered, how, and how fast.
//! Takes how each command was answered, gives counts and percentiles by command.
//! Memory does not grow with the number of sessions.

use std::collections::BTreeMap;

/// Each power of two is divided into so many steps: a latency is known to within 3 %.
const STEPS: u32 = 32;

/// Places of the histogram: 64 powers of two.
const PLACES: usize = 64 * STEPS as usize;

/// How many different reasons and commands are counted apart.
const APART_MAX: usize = 1000;

#[derive(Default)]
pub struct Tally {
    pub commands: BTreeMap<String, Line>,
    /// Sessions in which everything was said and answered.
    pub done: u64,
    /// Why others were not.
    pub stopped: BTreeMap<String, u64>,
}

/// What is known of one command.
#[derive(Default)]
pub struct Line {
    pub count: u64,
    /// By status.
    pub statuses: BTreeMap<String, u64>,
    /// Those that are not as recorded.
    pub differing: BTreeMap<String, u64>,
    latencies: Latencies,
}

/// Latencies in microseconds, as a histogram.
#[derive(Default)]
struct Latencies {
    places: Vec<u64>,
    count: u64,
    most: u64,
}

impl Tally {
    pub fn add(&mut self, command: &str, status: &str, same: bool, latency_us: u64) {
        let command =
            if self.commands.len() < APART_MAX || self.commands.contains_key(command) { command } else { "…" };
        let line = self.commands.entry(command.to_owned()).or_default();
        line.count += 1;
        let count = |map: &mut BTreeMap<String, u64>| {
            let status = if map.len() < APART_MAX || map.contains_key(status) { status } else { "…" };
            *map.entry(status.to_owned()).or_default() += 1;
        };
        count(&mut line.statuses);
        if !same {
            count(&mut line.differing);
        }
        line.latencies.add(latency_us);
    }

    /// A session ended; with a reason where it could not go on.
    pub fn ended(&mut self, stopped: Option<String>) {
        let Some(mut why) = stopped else {
            self.done += 1;
            return;
        };
        if self.stopped.len() >= APART_MAX && !self.stopped.contains_key(&why) {
            "other reasons".clone_into(&mut why);
        }
        *self.stopped.entry(why).or_default() += 1;
    }

    /// Whether every session was as it was recorded.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.stopped.is_empty() && self.commands.values().all(|line| line.differing.is_empty())
    }
}

impl Line {
    /// The latency that so many of a thousand do not exceed, microseconds.
    #[must_use]
    pub fn within(&self, of_thousand: u64) -> u64 {
        self.latencies.within(of_thousand)
    }

    #[must_use]
    pub fn most(&self) -> u64 {
        self.latencies.most
    }
}

impl Latencies {
    fn add(&mut self, micros: u64) {
        if self.places.is_empty() {
            self.places = vec![0; PLACES];
        }
        if let Some(count) = self.places.get_mut(place(micros)) {
            *count += 1;
        }
        self.count += 1;
        self.most = self.most.max(micros);
    }

    fn within(&self, of_thousand: u64) -> u64 {
        let wanted = self.count.saturating_mul(of_thousand).div_ceil(1000).max(1);
        let mut seen = 0;
        for (place, count) in self.places.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return value(place).min(self.most);
            }
        }
        self.most
    }
}

/// Below the first power that has as many steps, each number has its own place.
fn place(micros: u64) -> usize {
    let power = micros.max(1).ilog2();
    let first = STEPS.ilog2();
    if power < first {
        return usize::try_from(micros).unwrap_or(0);
    }
    let step = (micros >> (power - first)) & u64::from(STEPS - 1);
    ((power - first + 1) * STEPS) as usize + usize::try_from(step).unwrap_or(0)
}

/// The largest number of a place.
fn value(place: usize) -> u64 {
    let place = place as u64;
    let steps = u64::from(STEPS);
    if place < steps {
        return place;
    }
    let power = place / steps - 1;
    let below = (steps + place % steps + 1).checked_shl(u32::try_from(power).unwrap_or(64)).unwrap_or(u64::MAX);
    below - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_their_error() {
        let mut tally = Tally::default();
        for micros in 1..=100_000 {
            tally.add("NOOP", "OK", true, micros);
        }
        let line = &tally.commands["NOOP"];
        for (of_thousand, exact) in [(500, 50_000), (900, 90_000), (990, 99_000), (999, 99_900)] {
            let found = line.within(of_thousand);
            assert!(found >= exact && found <= exact * 104 / 100, "{of_thousand}: {found}");
        }
        assert_eq!((line.within(1000), line.most(), line.count), (100_000, 100_000, 100_000));
        assert!(tally.is_same());
    }

    #[test]
    fn every_number_is_in_its_place() {
        for shift in 0..64 {
            for near in [0_u64, 1, 2] {
                let micros = (1_u64 << shift).wrapping_sub(1).wrapping_add(near);
                let place = place(micros);
                assert!(place < PLACES && value(place) >= micros, "{micros}");
                assert!(place == 0 || value(place - 1) < micros, "{micros}");
            }
        }
    }
}
