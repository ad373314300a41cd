//! The framer: cuts one side's stream into lines, counted data, dot-terminated data and raw bytes, losing none.
//! Takes bytes however they were cut, gives cuts that do not depend on it (save where data is cut into stretches).
//! Knows no protocol: the dialog says which mode comes next.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;

/// The longest line that is gathered, in bytes. Longer ones are given in blocks of this size, so that a line of any
/// length is logged in bounded memory. RFC 7162 §4 recommends 8,192 octets for IMAP commands, and some clients send
/// sets of message numbers several times as long.
pub const LINE_MAX: usize = 64 * 1024;

/// One side's stream on its way into pieces.
#[derive(Debug, Default)]
pub struct Framer {
    mode: Mode,
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
    /// How many blocks of the present line were given already.
    blocks: usize,
    /// Where dot-terminated data stands in relation to its end.
    dot: Approach,
    whole: bool,
}

/// What comes next in the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Line,
    /// So many bytes, whatever they are. Never 0.
    Counted(u64),
    /// The same, no more than [`LINE_MAX`], and gathered like a line: they are one cut.
    Gathered(u64),
    /// Lines up to one that holds a dot only.
    Dotted,
    Raw,
}

/// What was cut off.
#[derive(Debug, PartialEq, Eq)]
pub enum Cut<'i> {
    Line {
        bytes: Cow<'i, [u8]>,
        part: Part,
    },
    /// A stretch of counted or dot-terminated data. On the last stretch `end` is the length of the terminator, which
    /// is the end of `bytes` (0 for counted data); the mode is `Line` again.
    Data {
        bytes: Cow<'i, [u8]>,
        end: Option<usize>,
    },
    Raw(&'i [u8]),
}

/// Which part of a line a cut is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Whole,
    /// The first block of a line longer than [`LINE_MAX`].
    Head,
    /// A further block, not the last.
    Middle,
    /// The last block, line end included.
    Tail,
}

impl Framer {
    /// A framer that leaves an unfinished line in the input instead of keeping it.
    #[must_use]
    pub fn whole_lines() -> Framer {
        Framer { whole: true, ..Framer::default() }
    }

    /// Lines are from now on left in the input until they are whole (or not). One that has begun already is kept on.
    pub fn set_whole_lines(&mut self, whole: bool) {
        self.whole = whole;
    }

    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Sets what comes next; to be called between cuts. `Counted(0)` is the same as `Line`.
    pub fn expect(&mut self, mode: Mode) {
        self.mode = match mode {
            Mode::Counted(0) | Mode::Gathered(0) => Mode::Line,
            Mode::Gathered(bytes) if bytes > LINE_MAX as u64 => Mode::Counted(bytes),
            mode => mode,
        };
        self.dot = Approach::Start;
    }

    /// Whether a line has begun and not ended.
    #[must_use]
    pub fn within_line(&self) -> bool {
        !self.partial.is_empty() || self.blocks > 0
    }

    /// Whether blocks of the present line were given already: what comes next belongs to them.
    #[must_use]
    pub fn within_long_line(&self) -> bool {
        self.blocks > 0
    }

    /// Cuts the next thing off `input`, and says how many bytes of it were taken. With no cut, and all of the input
    /// taken, the rest is kept inside; with no cut and nothing taken, a whole line is still to come.
    pub fn cut<'i>(&mut self, input: &'i [u8]) -> (Option<Cut<'i>>, usize) {
        match self.mode {
            Mode::Line => self.line(input),
            Mode::Counted(left) => self.counted(input, left),
            Mode::Gathered(left) => self.gathered(input, left),
            Mode::Dotted => self.dotted(input),
            Mode::Raw if input.is_empty() => (None, 0),
            Mode::Raw => (Some(Cut::Raw(input)), input.len()),
        }
    }

    /// What was kept of an unfinished line or of a terminator that did not come to its end.
    #[must_use]
    pub fn finish(&mut self) -> Vec<u8> {
        self.blocks = 0;
        let held = self.dot.held();
        self.dot = Approach::Middle;
        if self.mode == Mode::Dotted { held.to_vec() } else { std::mem::take(&mut self.partial) }
    }

    fn line<'i>(&mut self, input: &'i [u8]) -> (Option<Cut<'i>>, usize) {
        let room = LINE_MAX - self.partial.len();
        let within = input.get(..room).unwrap_or(input);
        let (taken, part) = match memchr::memchr(b'\n', within) {
            Some(end) => (end + 1, if self.blocks == 0 { Part::Whole } else { Part::Tail }),
            None if within.len() == room => (room, if self.blocks == 0 { Part::Head } else { Part::Middle }),
            None if self.whole && self.partial.is_empty() => return (None, 0),
            None => {
                self.partial.extend_from_slice(within);
                return (None, within.len());
            }
        };
        self.blocks = if matches!(part, Part::Head | Part::Middle) { self.blocks + 1 } else { 0 };
        let bytes = within.get(..taken).unwrap_or(within);
        let bytes = if self.partial.is_empty() {
            Cow::Borrowed(bytes)
        } else {
            self.partial.extend_from_slice(bytes);
            Cow::Owned(std::mem::take(&mut self.partial))
        };
        (Some(Cut::Line { bytes, part }), taken)
    }

    fn counted<'i>(&mut self, input: &'i [u8], left: u64) -> (Option<Cut<'i>>, usize) {
        if input.is_empty() {
            return (None, 0);
        }
        let take = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
        let left = left - take as u64;
        self.mode = if left == 0 { Mode::Line } else { Mode::Counted(left) };
        let bytes = Cow::Borrowed(input.get(..take).unwrap_or(input));
        (Some(Cut::Data { bytes, end: (left == 0).then_some(0) }), take)
    }

    fn gathered<'i>(&mut self, input: &'i [u8], left: u64) -> (Option<Cut<'i>>, usize) {
        let (cut, used) = self.counted(input, left);
        let Some(Cut::Data { bytes, end }) = cut else { return (cut, used) };
        if end.is_some() && self.partial.is_empty() {
            return (Some(Cut::Data { bytes, end }), used);
        }
        self.partial.extend_from_slice(&bytes);
        if end.is_none() {
            self.mode = Mode::Gathered(left - used as u64);
            return (None, used);
        }
        (Some(Cut::Data { bytes: Cow::Owned(std::mem::take(&mut self.partial)), end }), used)
    }

    fn dotted<'i>(&mut self, input: &'i [u8]) -> (Option<Cut<'i>>, usize) {
        if input.is_empty() {
            return (None, 0);
        }
        let held = self.dot.held();
        if !held.is_empty() {
            return self.after_held(input, held);
        }
        // A terminator that began before this input ends in its first bytes; all others are inside it.
        let mut dot = self.dot;
        for (index, &byte) in input.iter().enumerate().take(STRADDLE) {
            dot = dot.step(byte);
            if dot == Approach::End {
                return self.terminated(input, index + 1);
            }
        }
        if input.len() > STRADDLE {
            if let Some(at) = TERMINATOR.find(input) {
                return self.terminated(input, at + 5);
            }
            let tail = input.len() - 4;
            dot = input.get(tail..).unwrap_or_default().iter().fold(Approach::Middle, |dot, &byte| dot.step(byte));
        }
        self.dot = dot;
        let given = input.len() - dot.held().len();
        if given == 0 {
            return (None, input.len());
        }
        let bytes = Cow::Borrowed(input.get(..given).unwrap_or(input));
        (Some(Cut::Data { bytes, end: None }), input.len())
    }

    /// The last input ended in what might be the beginning of the terminator.
    fn after_held<'i>(&mut self, input: &'i [u8], held: &'static [u8]) -> (Option<Cut<'i>>, usize) {
        let before = self.dot;
        for (index, &byte) in input.iter().enumerate() {
            self.dot = self.dot.step(byte);
            if self.dot == Approach::End {
                self.mode = Mode::Line;
                return (Some(Cut::Data { bytes: Cow::Borrowed(b".\r\n"), end: Some(3) }), index + 1);
            }
            if self.dot.held().is_empty() {
                // It was not. What was held is given alone; the input is looked at again from where it stands.
                let given = [held, input.get(..index).unwrap_or_default()].concat();
                self.dot = if before == Approach::DotCr || index > 0 { Approach::Cr } else { Approach::Middle };
                return (Some(Cut::Data { bytes: Cow::Owned(given), end: None }), index);
            }
        }
        (None, input.len())
    }

    fn terminated<'i>(&mut self, input: &'i [u8], end: usize) -> (Option<Cut<'i>>, usize) {
        self.mode = Mode::Line;
        (Some(Cut::Data { bytes: Cow::Borrowed(input.get(..end).unwrap_or(input)), end: Some(3) }), end)
    }
}

/// How many of the first bytes of an input are looked at one by one: those in which a terminator can end that began
/// in an earlier input, and at least the four on which the state at the end depends.
const STRADDLE: usize = 5;

static TERMINATOR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n.\r\n"));

/// The last bytes of dot-terminated data, as far as they can be part of CRLF "." CRLF (RFC 5321 §4.1.1.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Approach {
    /// After CRLF, or before the first byte.
    #[default]
    Start,
    Middle,
    /// After CR.
    Cr,
    /// After CRLF and a dot.
    Dot,
    DotCr,
    End,
}

impl Approach {
    fn step(self, byte: u8) -> Approach {
        match (self, byte) {
            (Approach::Start, b'.') => Approach::Dot,
            (Approach::Dot, b'\r') => Approach::DotCr,
            (Approach::DotCr, b'\n') => Approach::End,
            (Approach::Cr, b'\n') => Approach::Start,
            (_, b'\r') => Approach::Cr,
            _ => Approach::Middle,
        }
    }

    /// The bytes that are kept back because they belong to the terminator if it is one.
    fn held(self) -> &'static [u8] {
        match self {
            Approach::Dot => b".",
            Approach::DotCr => b".\r",
            _ => b"",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Everything that a framer in this mode makes of an input that arrives in these chunks: (line or data, bytes).
    fn run(mode: Mode, chunks: &[&[u8]]) -> (Vec<(char, Vec<u8>)>, Vec<u8>) {
        let mut framer = Framer::default();
        framer.expect(mode);
        let mut found: Vec<(char, Vec<u8>)> = Vec::new();
        for chunk in chunks {
            let mut at = 0;
            while at < chunk.len() {
                let (cut, used) = framer.cut(&chunk[at..]);
                at += used;
                match cut {
                    None => assert_eq!(at, chunk.len()),
                    Some(Cut::Line { bytes, part }) => found.push((
                        match part {
                            Part::Whole => 'w',
                            Part::Head => 'h',
                            Part::Middle => 'm',
                            Part::Tail => 't',
                        },
                        bytes.into_owned(),
                    )),
                    Some(Cut::Data { bytes, end }) => {
                        match found.last_mut() {
                            Some((kind, data)) if *kind == 'd' => data.extend_from_slice(&bytes),
                            _ => found.push(('d', bytes.into_owned())),
                        }
                        if let Some(end) = end {
                            found.push(('e', vec![0; end]));
                        }
                    }
                    Some(Cut::Raw(bytes)) => found.push(('r', bytes.to_vec())),
                }
            }
        }
        (found, framer.finish())
    }

    fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut chunks = Vec::new();
        let mut from = 0;
        for cut in cuts.into_iter().chain([bytes.len()]) {
            chunks.push(&bytes[from..cut]);
            from = cut;
        }
        chunks
    }

    proptest! {
        #[test]
        fn the_cut_does_not_matter(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'a')], 0..60),
            cuts: Vec<usize>,
            mode in prop_oneof![
                Just(Mode::Line),
                Just(Mode::Dotted),
                (1..40_u64).prop_map(Mode::Counted),
                (1..40_u64).prop_map(Mode::Gathered),
            ],
        ) {
            let whole = run(mode, &[&bytes]);
            prop_assert_eq!(&whole, &run(mode, &pieces(&bytes, &cuts)));
            prop_assert_eq!(&whole, &run(mode, &bytes.chunks(1).collect::<Vec<_>>()));
            let mut tiled: Vec<u8> = whole.0.iter().filter(|(kind, _)| *kind != 'e').flat_map(|(_, b)| b.clone()).collect();
            tiled.extend(whole.1);
            prop_assert_eq!(tiled, bytes);
        }
    }

    #[test]
    fn only_crlf_dot_crlf_ends_data() {
        for body in ["\n.\n", "\r\n.\n", "\n.\r\n", "\r.\r", "x\r\n..\r\n", "\r\n.\r\r\n", "\r\n. \r\n"] {
            let (found, _) = run(Mode::Dotted, &[b"a", body.as_bytes()]);
            assert!(found.iter().all(|(kind, _)| *kind == 'd'), "{body:?}");
        }
    }

    #[test]
    fn an_empty_body_ends_straight_away() {
        let (found, rest) = run(Mode::Dotted, &[b".\r\nQUIT\r\n"]);
        assert_eq!(found, [('d', b".\r\n".to_vec()), ('e', vec![0; 3]), ('w', b"QUIT\r\n".to_vec())]);
        assert_eq!(rest, b"");
    }

    #[test]
    fn a_long_line_comes_in_blocks() {
        let mut line = vec![b'x'; 2 * LINE_MAX + 10];
        line.extend_from_slice(b"\r\nnext\r\n");
        let (whole, _) = run(Mode::Line, &[&line]);
        assert_eq!(whole.iter().map(|(kind, _)| *kind).collect::<String>(), "hmtw");
        assert_eq!(whole[0].1.len(), LINE_MAX);
        assert_eq!(whole, run(Mode::Line, &line.chunks(777).collect::<Vec<_>>()).0);
    }
}
