//! Lays two sequences side by side: what stands in both, what is alike, what stands in one alone.
//! Takes for each element what it is and what kind it is; gives pairs in order.
//! Does not know what the elements are. Time and memory are bounded whatever the lengths.

use std::collections::HashMap;

/// The largest table that is filled, in cells of one byte: two sequences of a thousand.
const CELLS_MAX: usize = 1024 * 1024;

/// How much of each sequence is laid side by side at a time where there is nothing to hold on to.
const WINDOW: usize = 400;

/// How alike two elements are.
const EQUAL: u32 = 5;
const ALIKE: u32 = 3;

/// An element: equal ones have both numbers in common, alike ones the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub whole: u64,
    pub kind: u64,
}

/// A line of the two sequences side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    Both(usize, usize),
    First(usize),
    Second(usize),
}

/// Every element of both sequences stands in exactly one pair, and their order is kept.
#[must_use]
pub fn align(first: &[Key], second: &[Key]) -> Vec<Pair> {
    let mut pairs = Vec::with_capacity(first.len().max(second.len()));
    let mut at = (0, 0);
    let whole = Stretch { first, second };
    for (one, other) in anchors(first, second) {
        whole.between(at, (one, other), &mut pairs);
        pairs.push(Pair::Both(one, other));
        at = (one + 1, other + 1);
    }
    whole.between(at, (first.len(), second.len()), &mut pairs);
    pairs
}

/// Elements that stand once in each sequence, as many of them as have the same order in both.
fn anchors(first: &[Key], second: &[Key]) -> Vec<(usize, usize)> {
    let (in_first, in_second) = (single(first), single(second));
    let mut common: Vec<(usize, usize)> =
        in_first.iter().filter_map(|(key, &one)| in_second.get(key).map(|&other| (one, other))).collect();
    common.sort_unstable();
    rising(&common)
}

fn single(keys: &[Key]) -> HashMap<u64, usize> {
    let mut counts: HashMap<u64, (usize, usize)> = HashMap::with_capacity(keys.len());
    for (place, key) in keys.iter().enumerate() {
        counts.entry(key.whole).or_insert((place, 0)).1 += 1;
    }
    counts.into_iter().filter(|(_, (_, count))| *count == 1).map(|(key, (place, _))| (key, place)).collect()
}

/// The longest run of pairs that rises in its second place too; the first rises already.
fn rising(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // For each length, the pair with the smallest end of all runs of that length.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    for (index, (_, other)) in pairs.iter().enumerate() {
        let length = ends.partition_point(|&end| pairs.get(end).is_some_and(|(_, end)| end < other));
        before.push(length.checked_sub(1).and_then(|last| ends.get(last).copied()));
        match ends.get_mut(length) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    let mut run = Vec::with_capacity(ends.len());
    let mut at = ends.last().copied();
    while let Some(index) = at {
        run.extend(pairs.get(index));
        at = before.get(index).copied().flatten();
    }
    run.reverse();
    run
}

struct Stretch<'k> {
    first: &'k [Key],
    second: &'k [Key],
}

impl Stretch<'_> {
    /// Lays out what stands between two places; the elements at `to` are not part of it.
    fn between(&self, from: (usize, usize), to: (usize, usize), pairs: &mut Vec<Pair>) {
        let (mut one, mut other) = from;
        while one < to.0 && other < to.1 && self.score(one, other) == EQUAL {
            pairs.push(Pair::Both(one, other));
            (one, other) = (one + 1, other + 1);
        }
        let (mut one_end, mut other_end) = to;
        while one < one_end && other < other_end && self.score(one_end - 1, other_end - 1) == EQUAL {
            (one_end, other_end) = (one_end - 1, other_end - 1);
        }
        while one < one_end && other < other_end {
            let whole = (one_end - one + 1).saturating_mul(other_end - other + 1) <= CELLS_MAX;
            let (one_to, other_to) =
                if whole { (one_end, other_end) } else { (one_end.min(one + WINDOW), other_end.min(other + WINDOW)) };
            (one, other) = self.table((one, other), (one_to, other_to), whole, pairs);
        }
        pairs.extend((one..one_end).map(Pair::First));
        pairs.extend((other..other_end).map(Pair::Second));
        pairs.extend((one_end..to.0).zip(other_end..to.1).map(|(one, other)| Pair::Both(one, other)));
    }

    /// The best layout of a part, by what each pair is worth. Of a window that is followed by more, the second half is
    /// left to the next one, because what it is best paired with may come later. Gives how far it came.
    fn table(&self, from: (usize, usize), to: (usize, usize), whole: bool, pairs: &mut Vec<Pair>) -> (usize, usize) {
        let (rows, columns) = (to.0 - from.0, to.1 - from.1);
        // What to do at each place so that the rest is worth most: 1 pair, 2 pass over the first's, 3 the second's.
        let mut steps = vec![0_u8; rows * columns];
        let mut below = vec![0_u32; columns + 1];
        for row in (0..rows).rev() {
            let mut current = vec![0_u32; columns + 1];
            for column in (0..columns).rev() {
                let value = |line: &[u32], at: usize| line.get(at).copied().unwrap_or(0);
                let paired = match self.score(from.0 + row, from.1 + column) {
                    0 => 0,
                    score => value(&below, column + 1) + score,
                };
                let (down, right) = (value(&below, column), value(&current, column + 1));
                let (best, step) = if paired >= down && paired >= right && paired > 0 {
                    (paired, 1)
                } else if down >= right {
                    (down, 2)
                } else {
                    (right, 3)
                };
                if let Some(cell) = current.get_mut(column) {
                    *cell = best;
                }
                if let Some(cell) = steps.get_mut(row * columns + column) {
                    *cell = step;
                }
            }
            below = current;
        }
        let (mut row, mut column) = (0, 0);
        let enough = |row: usize, column: usize| !whole && (row > rows / 2 || column > columns / 2);
        while row < rows && column < columns && !enough(row, column) {
            match steps.get(row * columns + column) {
                Some(1) => {
                    pairs.push(Pair::Both(from.0 + row, from.1 + column));
                    (row, column) = (row + 1, column + 1);
                }
                Some(2) => {
                    pairs.push(Pair::First(from.0 + row));
                    row += 1;
                }
                _ => {
                    pairs.push(Pair::Second(from.1 + column));
                    column += 1;
                }
            }
        }
        (from.0 + row, from.1 + column)
    }

    fn score(&self, one: usize, other: usize) -> u32 {
        match (self.first.get(one), self.second.get(other)) {
            (Some(one), Some(other)) if one == other => EQUAL,
            (Some(one), Some(other)) if one.kind == other.kind => ALIKE,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(wholes: &[u64]) -> Vec<Key> {
        wholes.iter().map(|&whole| Key { whole, kind: whole / 10 }).collect()
    }

    fn check(first: &[Key], second: &[Key]) -> Vec<Pair> {
        let pairs = align(first, second);
        let (mut one, mut other) = (0, 0);
        for pair in &pairs {
            match *pair {
                Pair::Both(a, b) => {
                    assert_eq!((a, b), (one, other));
                    (one, other) = (one + 1, other + 1);
                }
                Pair::First(a) => {
                    assert_eq!(a, one);
                    one += 1;
                }
                Pair::Second(b) => {
                    assert_eq!(b, other);
                    other += 1;
                }
            }
        }
        assert_eq!((one, other), (first.len(), second.len()));
        pairs
    }

    proptest! {
        #[test]
        fn every_element_stands_in_one_pair(first in prop::collection::vec(0_u64..40, 0..60), second in prop::collection::vec(0_u64..40, 0..60)) {
            check(&keys(&first), &keys(&second));
        }

        #[test]
        fn what_was_taken_out_is_what_is_missing(whole in prop::collection::vec(0_u64..40, 1..60), out in any::<prop::sample::Index>()) {
            let mut less = whole.clone();
            less.remove(out.index(whole.len()));
            let pairs = check(&keys(&whole), &keys(&less));
            prop_assert_eq!(pairs.iter().filter(|pair| !matches!(pair, Pair::Both(..))).count(), 1);
        }
    }

    #[test]
    fn what_is_alike_is_paired_between_equals() {
        let pairs = check(&keys(&[1, 11, 21, 31]), &keys(&[1, 12, 31, 41]));
        assert_eq!(pairs, [Pair::Both(0, 0), Pair::Both(1, 1), Pair::First(2), Pair::Both(3, 2), Pair::Second(3)]);
    }

    #[test]
    fn huge_sequences_take_bounded_time() {
        let one: Vec<u64> = (0..30_000).map(|step| step * 7919 % 97).collect();
        let other: Vec<u64> = (0..25_000).map(|step| step * 104_729 % 89).collect();
        check(&keys(&one), &keys(&other));
        let distinct: Vec<u64> = (0..200_000).collect();
        let reversed: Vec<u64> = (0..200_000).rev().collect();
        check(&keys(&distinct), &keys(&reversed));
    }
}
