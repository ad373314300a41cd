//! Commands that wait for their answers, in a protocol in which these come in the same order.
//! Takes each command as it is said, gives the one that an answer is for. Nothing waits for it: when it is full, commands
//! are only counted. Does not know what an answer looks like.

use std::collections::VecDeque;

use super::OUTSTANDING_MAX;

/// The newest command is always known, as what follows it may depend on its answer.
#[derive(Debug)]
pub(super) struct Unanswered<E> {
    oldest: VecDeque<E>,
    /// So many came behind these.
    counted: u64,
    newest: VecDeque<E>,
}

impl<E> Unanswered<E> {
    pub fn new() -> Unanswered<E> {
        Unanswered { oldest: VecDeque::new(), counted: 0, newest: VecDeque::new() }
    }

    pub fn push(&mut self, said: E) {
        if self.oldest.len() + self.newest.len() >= OUTSTANDING_MAX {
            let forgotten = if self.counted > 0 {
                self.newest.drain(..).count()
            } else {
                self.oldest.drain(OUTSTANDING_MAX - 1..).count()
            };
            self.counted += forgotten as u64;
        }
        if self.counted > 0 { self.newest.push_back(said) } else { self.oldest.push_back(said) }
    }

    /// Answered before all others.
    pub fn push_front(&mut self, said: E) {
        self.oldest.push_front(said);
    }

    /// What is answered next. Nothing, where that is not known.
    pub fn front(&self) -> Option<&E> {
        if self.is_known() { self.oldest.front().or(self.newest.front()) } else { None }
    }

    pub fn front_mut(&mut self) -> Option<&mut E> {
        if self.is_known() { self.oldest.front_mut().or(self.newest.front_mut()) } else { None }
    }

    /// Those that stand first and are such are never answered.
    pub fn skip(&mut self, such: impl Fn(&E) -> bool) {
        while self.front().is_some_and(&such) {
            self.pop();
        }
    }

    /// It is answered. Nothing, where it is not known what was.
    pub fn pop(&mut self) -> Option<E> {
        if !self.is_known() {
            self.counted -= 1;
            return None;
        }
        self.oldest.pop_front().or_else(|| self.newest.pop_front())
    }

    pub fn newest(&self) -> Option<&E> {
        self.newest.back().or(self.oldest.back().filter(|_| self.counted == 0))
    }

    pub fn newest_mut(&mut self) -> Option<&mut E> {
        self.newest.back_mut().or(self.oldest.back_mut().filter(|_| self.counted == 0))
    }

    /// All but the newest are answered, or never will be.
    pub fn only_newest(&mut self) {
        let newest = self.newest.pop_back().or_else(|| self.oldest.pop_back());
        self.clear();
        self.oldest.extend(newest);
    }

    pub fn clear(&mut self) {
        *self = Unanswered::new();
    }

    /// Whether all of them are known.
    pub fn is_exact(&self) -> bool {
        self.counted == 0
    }

    pub fn all(&self, is: impl FnMut(&E) -> bool) -> bool {
        self.counted == 0 && self.oldest.iter().chain(&self.newest).all(is)
    }

    fn is_known(&self) -> bool {
        !self.oldest.is_empty() || self.counted == 0
    }
}

impl<E> FromIterator<E> for Unanswered<E> {
    fn from_iter<I: IntoIterator<Item = E>>(said: I) -> Unanswered<E> {
        let mut all = Unanswered::new();
        said.into_iter().for_each(|said| all.push(said));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_counted_and_the_newest_known() {
        let all = 3 * OUTSTANDING_MAX;
        let mut unanswered = Unanswered::new();
        for said in 0..all {
            unanswered.push(said);
            assert_eq!(unanswered.newest(), Some(&said));
            assert!(unanswered.oldest.len() + unanswered.newest.len() <= OUTSTANDING_MAX + 1);
        }
        let answered: Vec<Option<usize>> = (0..all).map(|_| unanswered.pop()).collect();
        for (said, answered) in answered.iter().enumerate() {
            assert!(answered.is_none_or(|answered| answered == said), "each answer is for its command or for none");
        }
        assert!(answered[..OUTSTANDING_MAX - 1].iter().all(Option::is_some));
        assert_eq!((answered[all - 1], unanswered.pop()), (Some(all - 1), None));
        unanswered.push(7);
        assert_eq!(unanswered.front(), Some(&7));
        assert_eq!(unanswered.pop(), Some(7));
    }

    #[test]
    fn what_comes_behind_those_that_are_counted_is_known() {
        let mut unanswered: Unanswered<usize> = (0..OUTSTANDING_MAX + 9).collect();
        for _ in 0..OUTSTANDING_MAX {
            unanswered.pop();
        }
        (1..=3).for_each(|said| unanswered.push(said));
        let rest: Vec<Option<usize>> = (0..9 + 3).map(|_| unanswered.pop()).collect();
        assert_eq!(rest[8..], [Some(OUTSTANDING_MAX + 8), Some(1), Some(2), Some(3)]);
        assert!(unanswered.is_exact());
    }
}
