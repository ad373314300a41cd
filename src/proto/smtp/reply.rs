//! SMTP replies: one line's code, a whole reply's parts, what EHLO lists, and the offer of STARTTLS taken out of it.
//! Takes the bytes of lines or replies, gives their parts.
//! Knows nothing of the command that is answered.

use std::ops::Range;

use crate::event::Object;

/// The beginning of a reply line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub code: Code,
    /// No further line belongs to the reply.
    pub last: bool,
}

/// Three digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code([u8; 3]);

impl Code {
    pub fn is(self, code: &[u8; 3]) -> bool {
        &self.0 == code
    }

    /// 2 done, 3 go on, 4 not now, 5 never (RFC 5321 §4.2.1); 0 is sendmail's, for what it says by the way.
    pub fn class(self) -> u8 {
        let [class, ..] = self.0;
        class.wrapping_sub(b'0')
    }

    /// Whether it answers a command.
    pub fn answers(self) -> bool {
        self.class() != 0
    }

    pub fn text(self) -> String {
        self.0.iter().copied().map(char::from).collect()
    }
}

impl Head {
    /// RFC 5321 §4.2: three digits, then a hyphen where more lines follow, and a space or nothing at all on the last.
    pub fn parse(line: &[u8]) -> Option<Head> {
        let (&code, rest) = line.split_first_chunk::<3>()?;
        let [first, ..] = code;
        if !code.iter().all(u8::is_ascii_digit) || !(b'0'..=b'5').contains(&first) {
            return None;
        }
        match rest.first() {
            Some(b'-') => Some(Head { code: Code(code), last: false }),
            None | Some(b' ' | b'\t' | b'\r' | b'\n') => Some(Head { code: Code(code), last: true }),
            Some(_) => None,
        }
    }
}

/// What a reply of one or several lines says.
#[derive(Debug)]
pub(super) struct Parsed {
    /// The code of its last line: that is the one by which clients know that it is the last.
    pub code: Code,
    /// Lines carried different codes.
    pub mixed: bool,
    pub enhanced: Option<String>,
    /// The lines' texts, joined by a line feed.
    pub text: String,
}

impl Parsed {
    /// The code of a reply; `None` where no line of it has one.
    pub fn code(wire: &[u8]) -> Option<Code> {
        codes(wire).last()
    }

    /// Reads a reply that has this code. With `extended`, it may have an enhanced status code (RFC 2034 §3: neither the
    /// greeting nor the reply to EHLO has one).
    pub fn read(wire: &[u8], code: Code, extended: bool) -> Parsed {
        let mut texts: Vec<&[u8]> = lines(wire).map(text_of).collect();
        let enhanced = texts.first().filter(|_| extended).and_then(|text| enhanced(text)).map(<[u8]>::to_vec);
        if let Some(enhanced) = &enhanced {
            // RFC 2034 §4: each line repeats it.
            for text in &mut texts {
                if let Some(rest) = text.strip_prefix(enhanced.as_slice()) {
                    *text = rest.strip_prefix(b" ").unwrap_or(rest);
                }
            }
        }
        Parsed {
            code,
            mixed: codes(wire).any(|other| other != code),
            enhanced: enhanced.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            text: String::from_utf8_lossy(&texts.join(&b'\n')).into_owned(),
        }
    }
}

/// What a reply to EHLO or LHLO says (RFC 5321 §4.1.1.1): the server's name and its extensions with their parameters.
pub(super) fn extensions(wire: &[u8]) -> Object {
    let mut lines = lines(wire).map(text_of);
    let mut values = Object::new();
    let domain = first_word(lines.next().unwrap_or_default());
    values.bytes("domain", domain);
    let mut capabilities = Object::new();
    for line in lines {
        let keyword = first_word(line);
        let parameters = line.get(keyword.len()..).unwrap_or_default().trim_ascii();
        // `AUTH=LOGIN`, an older spelling for clients that know no other.
        let (keyword, parameters) = match (keyword.split_at_checked(5), parameters) {
            (Some((name, first)), more) if name.eq_ignore_ascii_case(b"AUTH=") => {
                (name, [first, more].join(&b' ').trim_ascii().to_vec())
            }
            (_, parameters) => (keyword, parameters.to_vec()),
        };
        if !keyword.is_empty() {
            capabilities.bytes(&String::from_utf8_lossy(keyword).to_ascii_uppercase(), &parameters);
        }
    }
    values.object("capabilities", &capabilities);
    values
}

/// The name with which a greeting begins (RFC 5321 §4.2: `220 domain …`).
pub(super) fn greeting(wire: &[u8]) -> Object {
    let mut values = Object::new();
    let domain = lines(wire).next().map(text_of).map(first_word).unwrap_or_default();
    if !domain.is_empty() {
        values.bytes("domain", domain);
    }
    values
}

/// What is to be changed so that a whole reply to EHLO no longer offers STARTTLS: ranges of it and what stands there
/// instead. The line itself goes; if it was the last, the one before it becomes the last.
pub(super) fn without_starttls(wire: &[u8]) -> Vec<(Range<usize>, &'static [u8])> {
    let mut edits: Vec<(Range<usize>, &'static [u8])> = Vec::new();
    let mut kept = None;
    let mut at = 0;
    let mut ends_hidden = false;
    for line in wire.split_inclusive(|&byte| byte == b'\n') {
        let range = at..at + line.len();
        // The first line is the server's name, whatever it is.
        ends_hidden = at > 0 && first_word(text_of(line)).eq_ignore_ascii_case(b"STARTTLS");
        if ends_hidden {
            edits.push((range, b""));
        } else {
            kept = Some(at + 3);
        }
        at += line.len();
    }
    if let Some(hyphen) = kept.filter(|_| ends_hidden) {
        let place = edits.partition_point(|(range, _)| range.start < hyphen);
        edits.insert(place, (hyphen..hyphen + 1, b" "));
    }
    edits
}

/// How long the reply is with which the bytes begin, if all of it is there.
pub(super) fn whole(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..)?;
        let end = memchr::memchr(b'\n', rest)? + 1;
        let line = rest.get(..end)?;
        let first = at == 0;
        at += end;
        match Head::parse(line) {
            Some(head) if head.last => return Some(at),
            Some(_) => {}
            // Not a reply at all: a line by itself. Within one it is taken along.
            None if first => return Some(at),
            None => {}
        }
    }
}

fn codes(wire: &[u8]) -> impl Iterator<Item = Code> {
    lines(wire).filter_map(|line| Head::parse(line).map(|head| head.code))
}

fn lines(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    wire.split_inclusive(|&byte| byte == b'\n')
}

/// A line without its code and its line end.
fn text_of(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if Head::parse(line).is_none() {
        return line;
    }
    line.get(4..).unwrap_or_default()
}

fn first_word(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii();
    text.split(u8::is_ascii_whitespace).next().unwrap_or_default()
}

/// An enhanced status code at the beginning of a text (RFC 3463 §2): class, subject and detail.
fn enhanced(text: &[u8]) -> Option<&[u8]> {
    let code = text.split(|&byte| byte == b' ').next()?;
    let mut parts = code.split(|&byte| byte == b'.');
    let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
    let number = |part: &[u8]| (1..=3).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    let fits = matches!(class, b"2" | b"4" | b"5") && number(subject) && number(detail) && parts.next().is_none();
    fits.then_some(code)
}
