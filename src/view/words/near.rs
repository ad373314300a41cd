//! The nearest known word to an unknown one, if the unknown one is likely a typing error.
//! Takes a word and the known ones, gives one of these or nothing.
//! Does not know what the words mean.

/// Changes of one letter that may lie between a word and a typing error of it.
const DISTANCE_MAX: usize = 2;

/// The longest word that is compared, in bytes: no known word is longer, and the work grows with the square.
const WORD_MAX: usize = 40;

/// The known word that `word` was likely meant to be: at most two letters off, and at most a third of them. One without a
/// letter is a number, and near to many by chance.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > WORD_MAX || !word.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        return None;
    }
    let word = word.to_ascii_uppercase();
    let allowed = DISTANCE_MAX.min(word.len() / 3);
    known
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= allowed)
        .map(|candidate| (distance(&word, &candidate.to_ascii_uppercase()), candidate))
        .filter(|(distance, _)| (1..=allowed).contains(distance))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Letters put in, left out, changed, or swapped with their neighbour, counted one each.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let width = b.len() + 1;
    let mut cells = vec![0; (a.len() + 1) * width];
    for row in 0..=a.len() {
        for column in 0..width {
            cells[row * width + column] = if row == 0 || column == 0 {
                row + column
            } else {
                let changed = usize::from(a[row - 1] != b[column - 1]);
                let mut least = (cells[(row - 1) * width + column] + 1)
                    .min(cells[row * width + column - 1] + 1)
                    .min(cells[(row - 1) * width + column - 1] + changed);
                if row > 1 && column > 1 && a[row - 1] == b[column - 2] && a[row - 2] == b[column - 1] {
                    least = least.min(cells[(row - 2) * width + column - 2] + 1);
                }
                least
            };
        }
    }
    cells[a.len() * width + b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_finds_its_word_and_a_stranger_does_not() {
        let known = ["FETCH", "SELECT", "NOOP", "EXAMINE"];
        let near = |word| nearest(word, known.into_iter());
        assert_eq!(near("FECTH"), Some("FETCH"));
        assert_eq!(near("selct"), Some("SELECT"));
        assert_eq!(near("EXMINE"), Some("EXAMINE"));
        assert_eq!(near("NOPO"), Some("NOOP"));
        assert_eq!(near("XYZZY"), None);
        assert_eq!(near("FETCH"), None, "the word itself is not an error");
        assert_eq!(near("X"), None);
        assert_eq!(nearest("571", ["501", "X.2.3"].into_iter()), None);
        assert_eq!(nearest("1.2.3", ["X.2.3"].into_iter()), None);
        assert_eq!(near(&"FETCH".repeat(20)), None);
    }
}
