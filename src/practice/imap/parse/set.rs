//! Sets of sequence numbers or UIDs: `1,3:5,7:*`.
//! Takes the text; gives membership, once it is known what `*` is.
//! It does not know whether the numbers are UIDs.

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set(Vec<(Bound, Bound)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Number(u32),
    /// `*`
    Last,
}

/// Ranges in one set: what fits into a command of 64 KiB.
const RANGES: usize = 32 * 1024;

impl Set {
    pub fn parse(text: &str) -> Option<Self> {
        let mut ranges = Vec::new();
        for range in text.split(',') {
            let (from, to) = range.split_once(':').unwrap_or((range, range));
            ranges.push((bound(from)?, bound(to)?));
        }
        (ranges.len() <= RANGES).then_some(Set(ranges))
    }

    /// The ranges with `*` replaced, each from low to high, sorted and joined.
    #[must_use]
    pub fn resolve(&self, last: u32) -> Vec<(u32, u32)> {
        let number = |bound| match bound {
            Bound::Number(number) => number,
            Bound::Last => last,
        };
        let mut ranges: Vec<(u32, u32)> = self
            .0
            .iter()
            .map(|(from, to)| (number(*from), number(*to)))
            .map(|(from, to)| (from.min(to), from.max(to)))
            .collect();
        ranges.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (from, to) in ranges {
            match joined.last_mut() {
                Some(before) if from <= before.1.saturating_add(1) => before.1 = before.1.max(to),
                _ => joined.push((from, to)),
            }
        }
        joined
    }

    /// The highest number that is spelled out.
    #[must_use]
    pub fn highest(&self) -> Option<u32> {
        let numbers = self.0.iter().flat_map(|(from, to)| [*from, *to]);
        numbers.filter_map(|bound| if let Bound::Number(number) = bound { Some(number) } else { None }).max()
    }
}

/// Is it in one of the ranges, which are sorted and apart?
#[must_use]
pub fn contains(ranges: &[(u32, u32)], number: u32) -> bool {
    let after = ranges.partition_point(|(from, _)| *from <= number);
    after > 0 && ranges[after - 1].1 >= number
}

/// Numbers as a set is written: runs as `a:b`.
#[must_use]
pub fn write(numbers: &[u32]) -> String {
    let mut out = String::new();
    let mut at = 0;
    while at < numbers.len() {
        let start = at;
        while at + 1 < numbers.len() && numbers[at + 1] == numbers[at].saturating_add(1) {
            at += 1;
        }
        if !out.is_empty() {
            out.push(',');
        }
        match at == start {
            true => out.push_str(&numbers[at].to_string()),
            false => out.push_str(&format!("{}:{}", numbers[start], numbers[at])),
        }
        at += 1;
    }
    out
}

fn bound(text: &str) -> Option<Bound> {
    match text {
        "*" => Some(Bound::Last),
        _ if text.starts_with('+') => None,
        _ => text.parse().ok().filter(|number| *number > 0).map(Bound::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_resolved() {
        let set = Set::parse("9:7,2,*:5,3").unwrap();
        assert_eq!(set.resolve(6), [(2, 3), (5, 9)]);
        assert!(contains(&set.resolve(6), 8) && !contains(&set.resolve(6), 4));
        assert_eq!(write(&[1, 2, 3, 7, 9, 10]), "1:3,7,9:10");
        for wrong in ["", "0", "1:", ",1", "1,,2", "a", "4294967296", "+1"] {
            assert_eq!(Set::parse(wrong), None, "{wrong}");
        }
    }
}
