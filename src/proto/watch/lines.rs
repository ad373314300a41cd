//! The lines of a message: how they end, and what the dots at their beginning mean.
//! Takes content in whatever stretches it comes, gives findings and what is known of it at its end.
//! Does not know which protocol carries it.

use super::Found;
use crate::event::{Content, Seq};
use crate::findings;

/// Looks at the lines of a message, in whatever stretches it comes, and over several contents where it comes in chunks.
#[derive(Default)]
pub struct Lines {
    /// What is noted is about this: the first content of the message.
    about: Option<Seq>,
    /// The content under way, and how many bytes of it were taken.
    of: Seq,
    taken: u64,
    /// How the line before ended.
    before: End,
    line: Line,
    /// A CR came, and what is behind it is not known yet.
    pending: bool,
    bytes: u64,
    /// Dots that were put before others, and do not count.
    stuffed: u64,
    lf: u64,
    cr: u64,
    near: u64,
    unstuffed: u64,
    high: bool,
}

/// The line so far, NULs left out: some programs do so.
#[derive(Clone, Copy, Default)]
struct Line {
    first: [u8; 2],
    length: u64,
    nul: bool,
    nul_first: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum End {
    #[default]
    Crlf,
    Lf,
    Cr,
}

/// By so many octets a message may be larger on its way than it is: the line end that its last line did not have, and that
/// the dot behind it needs.
pub const LAST_LINE_END: u64 = 2;

/// What is known of a message at its end.
#[derive(Default)]
pub struct Told {
    /// Octets of the message itself, without what was put in for its way.
    pub octets: u64,
    /// It has bytes above 127.
    pub high: bool,
}

impl Lines {
    /// Takes a piece of content; what stands behind the content itself, its terminator, is left out.
    pub fn take(&mut self, wire: &[u8], content: &Content) {
        if self.about.is_none() || self.of != content.of {
            self.about.get_or_insert(content.of);
            (self.of, self.taken) = (content.of, 0);
        }
        let counted = usize::try_from(content.bytes.saturating_sub(self.taken)).unwrap_or(usize::MAX);
        let data = wire.get(..counted).unwrap_or(wire);
        self.taken += data.len() as u64;
        self.bytes += data.len() as u64;
        let shape = Shape::of(data);
        self.high |= shape.high;
        if self.is_dotless(data, &shape) {
            self.count(data, &shape);
        } else {
            self.walk(data);
        }
    }

    /// Whether a message is under way.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.about.is_some()
    }

    /// Whether no line of a stretch, the one under way included, begins with a dot or has a NUL: then it is enough to
    /// count the line ends. So it is with most of all that is sent.
    fn is_dotless(&self, data: &[u8], shape: &Shape) -> bool {
        let Some(&first) = data.first() else { return true };
        let begins = self.pending || self.line.length == 0;
        let dotted = begins && first == b'.' || self.line.length > 0 && self.line.first.first() == Some(&b'.');
        !dotted && !shape.dots && !shape.nul
    }

    /// Takes a stretch in which only the line ends are of interest.
    fn count(&mut self, data: &[u8], shape: &Shape) {
        let Some((&first, &last)) = data.first().zip(data.last()) else { return };
        let pending = std::mem::replace(&mut self.pending, last == b'\r');
        let pairs = shape.crlf + u64::from(pending && first == b'\n');
        self.lf += shape.lf - pairs;
        self.cr += shape.cr + u64::from(pending) - pairs - u64::from(self.pending);
        let known = data.strip_suffix(b"\r").unwrap_or(data);
        let (end, rest) = match memchr::memrchr2(b'\r', b'\n', known) {
            Some(at) => {
                let returned = if at == 0 { pending } else { known.get(at - 1) == Some(&b'\r') };
                let end = match known.get(at) {
                    Some(b'\n') if returned => End::Crlf,
                    Some(b'\n') => End::Lf,
                    _ => End::Cr,
                };
                (end, known.get(at + 1..).unwrap_or_default())
            }
            None if pending => (End::Cr, known),
            None => return self.line.take(known),
        };
        self.before = end;
        self.line = Line::default();
        self.line.take(rest);
    }

    /// Takes a stretch line by line.
    fn walk(&mut self, data: &[u8]) {
        let mut at = 0;
        for found in memchr::memchr2_iter(b'\r', b'\n', data) {
            self.within(data.get(at..found).unwrap_or_default());
            at = found + 1;
            match (data.get(found), self.pending) {
                (Some(b'\n'), true) => {
                    self.pending = false;
                    self.ended(End::Crlf);
                }
                (Some(b'\n'), false) => self.ended(End::Lf),
                (_, true) => self.ended(End::Cr),
                (_, false) => self.pending = true,
            }
        }
        self.within(data.get(at..).unwrap_or_default());
    }

    /// Bytes of a line that are no line ends.
    fn within(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if std::mem::take(&mut self.pending) {
            self.ended(End::Cr);
        }
        self.line.take(bytes);
    }

    fn ended(&mut self, end: End) {
        match end {
            End::Crlf => {}
            End::Lf => self.lf += 1,
            End::Cr => self.cr += 1,
        }
        let Line { first: [first, second], length, nul, nul_first } = std::mem::take(&mut self.line);
        let before = std::mem::replace(&mut self.before, end);
        if first != b'.' || length == 0 {
            return;
        }
        if length == 1 && (nul || before != End::Crlf || end != End::Crlf) {
            self.near += 1;
        } else if before == End::Crlf && !nul_first {
            *(if second == b'.' && length > 1 { &mut self.stuffed } else { &mut self.unstuffed }) += 1;
        }
    }

    /// The message has ended: says what is wrong with its lines. `dotted` where a dot at the beginning of a line stands
    /// for something.
    pub fn end(&mut self, whose: &str, dotted: bool, out: &mut Found) -> Told {
        if self.pending {
            self.cr += 1;
        }
        let Lines { about, bytes, stuffed, lf, cr, near, unstuffed, high, .. } = std::mem::take(self);
        let of = about.unwrap_or_default();
        let lines = |count: u64| if count == 1 { "one line".to_owned() } else { format!("{count} lines") };
        if lf > 0 {
            out.add(&findings::BARE_LF, of, format!("{whose}: {} in LF without CR", ends(lf)));
        }
        if cr > 0 {
            let text = if cr == 1 {
                "one CR has no LF behind it".to_owned()
            } else {
                format!("{cr} CRs have no LF behind them")
            };
            out.add(&findings::BARE_CR, of, format!("{whose}: {text}"));
        }
        if !dotted {
            return Told { octets: bytes, high };
        }
        if near > 0 {
            let text = format!(
                "{whose}: {} with nothing but a dot, and another line end than CRLF around it, or a NUL; some servers take \
                 that for the end of the message",
                lines(near)
            );
            out.add(&findings::NEAR_TERMINATOR, of, text);
        }
        if unstuffed > 0 {
            let begin = if unstuffed == 1 { "begins" } else { "begin" };
            let text = format!(
                "{whose}: {} {begin} with a dot that was not doubled; the receiver takes it away",
                lines(unstuffed)
            );
            out.add(&findings::MISSING_DOT_STUFFING, of, text);
        }
        Told { octets: bytes - stuffed, high }
    }
}

impl Line {
    fn take(&mut self, bytes: &[u8]) {
        let begins = self.length == 0 && !self.nul;
        if memchr::memchr(0, bytes).is_none() {
            self.put(bytes);
            return;
        }
        self.nul_first |= begins && bytes.first() == Some(&0);
        self.nul = true;
        for part in bytes.split(|&byte| byte == 0) {
            self.put(part);
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        if self.length < 2 {
            let rest = self.first.iter_mut().skip(usize::try_from(self.length).unwrap_or(0));
            rest.zip(bytes).for_each(|(to, byte)| *to = *byte);
        }
        self.length += bytes.len() as u64;
    }
}

/// Line ends that are none, in what is no content: commands and replies.
#[derive(Default)]
pub struct Ends {
    /// The piece before ended in a CR.
    pending: bool,
}

impl Ends {
    /// How many LFs without CR there are in a piece, and how many CRs without LF.
    pub fn bare(&mut self, wire: &[u8]) -> (u64, u64) {
        if !self.pending
            && let Some(line) = wire.strip_suffix(b"\r\n")
            && memchr::memchr2(b'\r', b'\n', line).is_none()
        {
            return (0, 0);
        }
        let shape = Shape::of(wire);
        let before = std::mem::take(&mut self.pending) && !wire.is_empty();
        let completed = before && wire.first() == Some(&b'\n');
        self.pending = wire.last() == Some(&b'\r');
        let lf = shape.lf - shape.crlf - u64::from(completed);
        let cr = shape.cr - shape.crlf - u64::from(self.pending) + u64::from(before && !completed);
        (lf, cr)
    }
}

/// What a stretch holds, counted.
struct Shape {
    cr: u64,
    lf: u64,
    crlf: u64,
    /// A dot stands behind a line end.
    dots: bool,
    nul: bool,
    high: bool,
}

impl Shape {
    fn of(data: &[u8]) -> Shape {
        let cr = memchr::memchr_iter(b'\r', data).count() as u64;
        let crlf = pairs(data);
        // A dot behind a CR stands behind a bare one.
        let dots = |end: &[u8]| memchr::memmem::find(data, end).is_some();
        Shape {
            cr,
            lf: memchr::memchr_iter(b'\n', data).count() as u64,
            crlf,
            dots: dots(b"\n.") || cr > crlf && dots(b"\r."),
            nul: memchr::memchr(0, data).is_some(),
            high: !data.is_ascii(),
        }
    }
}

/// How often CRLF stands in it. Counted in bytes, which a processor does for many at a time; so no block may be longer
/// than a byte counts to.
fn pairs(data: &[u8]) -> u64 {
    let next = data.get(1..).unwrap_or_default();
    let blocks = data.chunks(255).zip(next.chunks(255));
    let counted = blocks.map(|(block, next)| {
        let pair = |(&byte, &next): (&u8, &u8)| u8::from(byte == b'\r') & u8::from(next == b'\n');
        u64::from(block.iter().zip(next).map(pair).sum::<u8>())
    });
    counted.sum()
}

fn ends(count: u64) -> String {
    if count == 1 { "one line ends".to_owned() } else { format!("{count} lines end") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &[u8], cut: usize) -> (Vec<String>, u64, bool) {
        let mut lines = Lines::default();
        let mut bytes = 0;
        for chunk in text.chunks(cut) {
            bytes += chunk.len() as u64;
            lines.take(chunk, &Content { of: 7, bytes, ..Content::default() });
        }
        let mut found = Found::default();
        let told = lines.end("it", true, &mut found);
        assert!(found.0.iter().all(|note| note.about == Some(7)));
        (found.0.into_iter().map(|note| note.code).collect(), told.octets, told.high)
    }

    proptest::proptest! {
        /// Where no line begins with a dot the ends are only counted; what is found must not depend on that.
        #[test]
        fn counting_finds_what_walking_finds(text in proptest::collection::vec(
            proptest::sample::select(vec!["\r\n", "\r\n", "\r\n", "a", "bc", ".", "\r", "\n", "..", "ü", "\0"]), 0..60,
        ), cut in 1_usize..20) {
            let text = text.concat().into_bytes();
            // By single bytes no more is counted than one line end.
            proptest::prop_assert_eq!(told(&text, cut), told(&text, 1));
            let mut walked = Lines { bytes: text.len() as u64, high: !text.is_ascii(), ..Lines::default() };
            walked.walk(&text);
            let mut found = Found::default();
            let end = walked.end("it", true, &mut found);
            let codes: Vec<String> = found.0.into_iter().map(|note| note.code).collect();
            proptest::prop_assert_eq!(told(&text, cut), (codes, end.octets, end.high));
        }
    }

    #[test]
    fn lines_are_judged_the_same_however_they_are_cut() {
        let cases: &[(&[u8], &[&str], u64)] = &[
            (b"a\r\n..dot\r\n..\r\nb\r\n", &[], 15),
            (b"a\r\n.dot\r\n", &["missing-dot-stuffing"], 9),
            (b"a\nb\r\n", &["bare-lf"], 5),
            (b"a\rb\r\n", &["bare-cr"], 5),
            (b"a\r\r\n", &["bare-cr"], 4),
            (b"a\r\n\r", &["bare-cr"], 4),
            (b"a\n.\nMAIL\r\n", &["bare-lf", "near-terminator"], 10),
            (b"a\n.\r\nMAIL\r\n", &["bare-lf", "near-terminator"], 11),
            (b"a\r\n.\nMAIL\r\n", &["bare-lf", "near-terminator"], 11),
            (b"a\r.\rMAIL\r\n", &["bare-cr", "near-terminator"], 10),
            (b"a\r\n.\rMAIL\r\n", &["bare-cr", "near-terminator"], 11),
            (b"a\r\n.\r\r\n", &["bare-cr", "near-terminator"], 7),
            (b"a\r\n\0.\r\nb\r\n", &["near-terminator"], 10),
            (b"a\r\n.\0\r\nb\r\n", &["near-terminator"], 10),
            (b"a\r\n.\0b\r\n\0.x\r\n", &["missing-dot-stuffing"], 13),
            (b"a.\r\n. \r\n", &["missing-dot-stuffing"], 8),
            (b"", &[], 0),
        ];
        for (text, codes, octets) in cases {
            for cut in 1..=text.len().max(1) {
                let (found, counted, high) = told(text, cut);
                assert_eq!(
                    (found.iter().map(String::as_str).collect::<Vec<_>>(), counted),
                    (codes.to_vec(), *octets),
                    "{text:?} by {cut}"
                );
                assert!(!high);
            }
        }
        assert!(told("ü\r\n".as_bytes(), 1).2);
    }
}
