//! Who asks the same again and again, and waits for each answer.
//! Takes what a client asks, with its time, and says when that was often.
//! Does not know what is asked; a question is whatever can be hashed.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::event::Stamp;

/// So many times within `WITHIN` is often.
pub const OFTEN: u32 = 10;

/// Ten within so many microseconds. Who looks every few seconds whether there is new mail does not ask in a loop.
const WITHIN: u64 = 10_000_000;

/// How many different questions are counted at a time: a loop asks two or three things of each message.
const QUESTIONS_MAX: usize = 4;

/// What a client has asked of late.
#[derive(Default)]
pub struct Again(VecDeque<Question>);

struct Question {
    key: u64,
    since: Stamp,
    times: u32,
}

impl Again {
    /// Takes a question; says whether it has now come the tenth time.
    pub fn often(&mut self, at: Stamp, question: &impl Hash) -> bool {
        let key = hashed(question);
        let place = self.0.iter().position(|known| known.key == key);
        let known = place.and_then(|place| self.0.remove(place)).filter(|known| at.since(known.since) <= WITHIN);
        let mut question = known.unwrap_or(Question { key, since: at, times: 0 });
        question.times += 1;
        let often = question.times == OFTEN;
        if self.0.len() == QUESTIONS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(question);
        often
    }

    /// Whoever does something else does not ask in a loop.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

/// What stands for a text that a peer may make as long as it likes.
pub fn hashed(text: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
