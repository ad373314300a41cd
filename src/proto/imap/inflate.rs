//! One side's deflate stream (RFC 4978), inflated for the log.
//! Takes deflate as it passes, gives inflated bytes in pieces of bounded size, and says where it broke.
//! Knows nothing of IMAP.

use flate2::{Decompress, FlushDecompress, Status};

/// How many inflated bytes are kept at a time. What does not fit stays deflated until these were read.
const KEPT_MAX: usize = 64 * 1024;

pub(super) struct Inflate {
    stream: Decompress,
    /// Inflated, and not read yet.
    kept: Vec<u8>,
    /// The last room was filled to its end, so there may be more without further input.
    more: bool,
    broken: bool,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is something to read, or there was something to take.
    Moved,
    /// Nothing to take, or no room until what is kept was read.
    Idle,
    /// What was not taken cannot be inflated.
    Broken,
}

impl Inflate {
    pub fn new() -> Inflate {
        Inflate { stream: Decompress::new(false), kept: Vec::new(), more: false, broken: false }
    }

    pub fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// So many of the kept bytes were read.
    pub fn read(&mut self, count: usize) {
        if count >= self.kept.len() {
            // An idle session holds no buffer.
            self.kept = Vec::new();
        } else {
            self.kept.drain(..count);
        }
    }

    /// Inflates the next stretch; gives how many bytes of the input were taken.
    pub fn step(&mut self, input: &[u8]) -> (usize, Step) {
        if self.broken {
            return (0, Step::Broken);
        }
        if self.kept.len() >= KEPT_MAX || (input.is_empty() && !self.more) {
            return (0, Step::Idle);
        }
        self.kept.reserve_exact(KEPT_MAX - self.kept.len());
        let (taken, given) = (self.stream.total_in(), self.stream.total_out());
        let status = self.stream.decompress_vec(input, &mut self.kept, FlushDecompress::Sync);
        let taken = usize::try_from(self.stream.total_in() - taken).unwrap_or(0).min(input.len());
        let given = self.stream.total_out() - given;
        self.more = self.kept.len() >= KEPT_MAX;
        match status {
            Ok(Status::Ok | Status::BufError) if taken > 0 || given > 0 => (taken, Step::Moved),
            Ok(Status::Ok | Status::BufError) => {
                self.more = false;
                (taken, Step::Idle)
            }
            // Neither side may end its stream but by closing the connection, and what is no deflate is nothing at all.
            Ok(Status::StreamEnd) | Err(_) => {
                self.broken = true;
                (taken, if given > 0 { Step::Moved } else { Step::Broken })
            }
        }
    }
}
