//! One side's deflate stream (RFC 4978), inflated for the log.
//! Takes deflate as it passes, gives inflated bytes in pieces of bounded size, and says where it broke.
//! Knows nothing of IMAP.

use flate2::{Decompress, FlushDecompress, Status};

/// How many inflated bytes are kept at a time. What does not fit stays deflated until these were read.
const KEPT_MAX: usize = 64 * 1024;

/// How many of the last bytes are kept as they came. What begins a block and gives nothing yet has at most some 550 of
/// them (RFC 1951 §3.2.7).
const TAIL: usize = 1024;

/// What ends a flush, and gives nothing either, has at most so many.
const FLUSH_END: usize = 6;

/// How far the stream behind goes in one step.
const BEHIND_ROOM: usize = 32 * 1024;

pub(super) struct Inflate {
    stream: Decompress,
    /// The same stream, behind by what is in `tail`: where it breaks, this one tells which byte was the last that gave
    /// something.
    behind: Decompress,
    tail: Vec<u8>,
    /// What was taken last and gave nothing, once it is known that nothing more comes.
    swallowed: Vec<u8>,
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
        Inflate {
            stream: Decompress::new(false),
            behind: Decompress::new(false),
            tail: Vec::new(),
            swallowed: Vec::new(),
            kept: Vec::new(),
            more: false,
            broken: false,
        }
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
        self.follow(input.get(..taken).unwrap_or_default(), status.is_err());
        match status {
            Ok(Status::Ok | Status::BufError) if taken > 0 || given > 0 => (taken, Step::Moved),
            Ok(Status::Ok | Status::BufError) => {
                self.more = false;
                (taken, Step::Idle)
            }
            // Some servers end their stream before they close the connection; what is no deflate is nothing at all.
            Ok(Status::StreamEnd) | Err(_) => {
                self.broken = true;
                (taken, if given > 0 { Step::Moved } else { Step::Broken })
            }
        }
    }

    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// The bytes before the break that gave nothing, once.
    pub fn take_swallowed(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.swallowed)
    }

    /// Nothing more comes. What ends the stream in the middle of something counts as swallowed.
    pub fn end(&mut self) {
        if !std::mem::replace(&mut self.broken, true) {
            self.follow(b"", true);
            if self.swallowed.len() <= FLUSH_END {
                self.swallowed = Vec::new();
            }
        }
    }

    /// Lets the stream behind come after, up to the last bytes; at the end, byte by byte to the last one.
    fn follow(&mut self, taken: &[u8], end: bool) {
        self.tail.extend_from_slice(taken);
        let mut scratch = Vec::new();
        if self.tail.len() > 2 * TAIL {
            scratch.reserve_exact(BEHIND_ROOM);
            let passed = self.tail.len() - TAIL;
            self.catch_up(passed, &mut scratch);
            self.tail.drain(..passed);
            // What a block of input needed is not kept by an idle session.
            self.tail.shrink_to(2 * TAIL);
        }
        if !end {
            return;
        }
        scratch.reserve_exact(BEHIND_ROOM);
        let tail = std::mem::take(&mut self.tail);
        let mut gave = 0;
        for (index, byte) in tail.iter().enumerate() {
            let before = self.behind.total_out();
            let fine = inflate_all(&mut self.behind, std::slice::from_ref(byte), &mut scratch);
            if self.behind.total_out() > before {
                gave = index + 1;
            }
            if !fine {
                break;
            }
        }
        self.swallowed = without_flushes(tail.get(gave..).unwrap_or_default()).to_vec();
    }

    fn catch_up(&mut self, passed: usize, scratch: &mut Vec<u8>) {
        let _ = inflate_all(&mut self.behind, self.tail.get(..passed).unwrap_or_default(), scratch);
    }
}

/// Inflates all of the input and forgets what comes of it. False where it breaks.
fn inflate_all(stream: &mut Decompress, mut input: &[u8], scratch: &mut Vec<u8>) -> bool {
    loop {
        scratch.clear();
        let before = stream.total_in();
        let status = stream.decompress_vec(input, scratch, FlushDecompress::Sync);
        let taken = usize::try_from(stream.total_in() - before).unwrap_or(0);
        input = input.get(taken..).unwrap_or_default();
        match status {
            Ok(Status::Ok | Status::BufError) if scratch.len() == scratch.capacity() => {}
            Ok(Status::Ok | Status::BufError) if input.is_empty() || taken == 0 => return true,
            Ok(Status::Ok | Status::BufError) => {}
            Ok(Status::StreamEnd) | Err(_) => return false,
        }
    }
}

/// What is left behind the empty blocks that a flush ends with: they are whole, and there is nothing in them.
fn without_flushes(mut bytes: &[u8]) -> &[u8] {
    const EMPTY: &[u8] = &[0, 0, 0xff, 0xff];
    loop {
        let behind = bytes.strip_prefix(EMPTY).or_else(|| bytes.get(1..).and_then(|bytes| bytes.strip_prefix(EMPTY)));
        match behind {
            Some(rest) => bytes = rest,
            None => return bytes,
        }
    }
}
