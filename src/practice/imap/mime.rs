//! A message as nested entities: where each part's header and body lie (RFC 2045, RFC 2046).
//! Takes the whole message; gives ranges into it, header fields and `type/subtype; name=value` fields.
//! It does not decode anything: IMAP hands out parts as they are.

use std::ops::Range;

/// Entities within entities.
const DEPTH: usize = 50;
/// Parts of one message.
const PARTS: usize = 10_000;
/// Parameters of one field.
const PARAMETERS: usize = 1000;

#[derive(Debug, Clone)]
pub struct Entity {
    /// With the empty line at its end.
    pub header: Range<usize>,
    pub body: Range<usize>,
    pub media: Media,
    pub kind: Kind,
}

#[derive(Debug, Clone)]
pub enum Kind {
    Leaf,
    Multipart(Vec<Entity>),
    Message(Box<Entity>),
}

/// `type/subtype; name=value`, or with `subtype` empty a value with parameters like Content-Disposition's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Media {
    pub kind: String,
    pub subtype: String,
    pub parameters: Vec<(String, String)>,
}

impl Media {
    #[must_use]
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }

    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Takes a message apart.
#[must_use]
pub fn parse(bytes: &[u8]) -> Entity {
    let mut budget = PARTS;
    entity(bytes, 0..bytes.len(), false, 0, &mut budget)
}

/// The header of a message that need not be taken apart.
#[must_use]
pub fn header(bytes: &[u8]) -> &[u8] {
    &bytes[..header_end(bytes, &(0..bytes.len()))]
}

fn entity(bytes: &[u8], whole: Range<usize>, in_digest: bool, depth: usize, budget: &mut usize) -> Entity {
    *budget = budget.saturating_sub(1);
    let end = header_end(bytes, &whole);
    let (header, body) = (whole.start..end, end..whole.end);
    let written = field(&bytes[header.clone()], "Content-Type").map(|value| media(&value));
    let mut media = match written {
        Some(media) if !media.kind.is_empty() && !media.subtype.is_empty() => media,
        _ if in_digest => Media { kind: "message".into(), subtype: "rfc822".into(), parameters: Vec::new() },
        _ => Media {
            kind: "text".into(),
            subtype: "plain".into(),
            parameters: vec![("charset".into(), "us-ascii".into())],
        },
    };
    let is_message = media.is("message", "rfc822");
    let is_multipart = media.kind.eq_ignore_ascii_case("multipart");
    if (is_message || is_multipart) && (depth >= DEPTH || *budget == 0) {
        // What is not taken apart must not look as if it had parts.
        (media.kind, media.subtype) = ("application".into(), "octet-stream".into());
        return Entity { header, body, media, kind: Kind::Leaf };
    }
    let kind = if is_message {
        Kind::Message(Box::new(entity(bytes, body.clone(), false, depth + 1, budget)))
    } else if is_multipart {
        let is_digest = media.subtype.eq_ignore_ascii_case("digest");
        let ranges = match media.parameter("boundary") {
            Some(boundary) => split(bytes, &body, boundary, *budget),
            None => Vec::new(),
        };
        let parts = ranges.into_iter().map(|range| entity(bytes, range, is_digest, depth + 1, budget)).collect();
        Kind::Multipart(parts)
    } else {
        Kind::Leaf
    };
    Entity { header, body, media, kind }
}

/// Where the body begins: behind the first empty line.
fn header_end(bytes: &[u8], whole: &Range<usize>) -> usize {
    let slice = &bytes[whole.clone()];
    if slice.starts_with(b"\r\n") {
        return whole.start + 2;
    }
    memchr::memmem::find(slice, b"\r\n\r\n").map_or(whole.end, |at| whole.start + at + 4)
}

/// The parts between the lines `--boundary`, up to `--boundary--`.
fn split(bytes: &[u8], body: &Range<usize>, boundary: &str, most: usize) -> Vec<Range<usize>> {
    let marker = format!("--{boundary}");
    let slice = &bytes[body.clone()];
    let mut parts = Vec::new();
    let mut start = None;
    for at in memchr::memmem::find_iter(slice, marker.as_bytes()) {
        if at > 0 && slice[at - 1] != b'\n' {
            continue;
        }
        let after = at + marker.len();
        let line_end = memchr::memchr(b'\n', &slice[after..]).map_or(slice.len(), |end| after + end + 1);
        let rest = slice[after..line_end].trim_ascii();
        if !rest.is_empty() && !rest.starts_with(b"--") {
            continue;
        }
        if let Some(from) = start {
            // The line end before the marker belongs to the marker.
            let to =
                at.saturating_sub(usize::from(at > 0)).saturating_sub(usize::from(at > 1 && slice[at - 2] == b'\r'));
            parts.push(body.start + from..body.start + to.max(from));
        }
        start = Some(line_end);
        if rest.starts_with(b"--") || parts.len() >= most {
            return parts;
        }
    }
    if let Some(from) = start {
        parts.push(body.start + from..body.end);
    }
    parts
}

/// One header field.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    pub name: &'a [u8],
    /// Behind the colon, still folded.
    pub value: &'a [u8],
    /// Everything, the line end too.
    pub raw: &'a [u8],
}

/// The fields of a header, in order. Lines that are no field are passed over.
pub fn fields(header: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut rest = header;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let mut end = 0;
            loop {
                end += memchr::memchr(b'\n', &rest[end..]).map_or(rest.len() - end, |at| at + 1);
                if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                    break;
                }
            }
            let (raw, after) = rest.split_at(end);
            rest = after;
            if let Some(colon) = raw.iter().position(|byte| *byte == b':') {
                let name = raw[..colon].trim_ascii_end();
                return Some(Field { name, value: &raw[colon + 1..], raw });
            }
        }
        None
    })
}

/// The first field of this name, unfolded.
#[must_use]
pub fn field(header: &[u8], name: &str) -> Option<Vec<u8>> {
    fields(header).find(|field| field.name.eq_ignore_ascii_case(name.as_bytes())).map(|field| unfold(field.value))
}

/// Without line ends and without blanks at both ends.
#[must_use]
pub fn unfold(value: &[u8]) -> Vec<u8> {
    let kept: Vec<u8> = value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)).collect();
    kept.trim_ascii().to_vec()
}

/// Reads a value with parameters. Comments are dropped.
#[must_use]
pub fn media(value: &[u8]) -> Media {
    let mut words = Words { rest: value };
    let mut media = Media { kind: words.token(), ..Media::default() };
    if words.eat(b'/') {
        media.subtype = words.token();
    }
    while media.parameters.len() < PARAMETERS && words.skip_to_semicolon() {
        let name = words.token();
        if name.is_empty() || !words.eat(b'=') {
            continue;
        }
        let value = words.value();
        media.parameters.push((name, value));
    }
    media
}

struct Words<'a> {
    rest: &'a [u8],
}

impl Words<'_> {
    fn blanks(&mut self) {
        let mut depth = 0usize;
        while let Some((&byte, after)) = self.rest.split_first() {
            match byte {
                b'(' => depth += 1,
                b')' if depth > 0 => depth -= 1,
                b' ' | b'\t' => {}
                _ if depth > 0 => {}
                _ => return,
            }
            self.rest = after;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.blanks();
        let is_next = self.rest.first() == Some(&byte);
        if is_next {
            self.rest = &self.rest[1..];
        }
        is_next
    }

    fn token(&mut self) -> String {
        self.blanks();
        let is_token = |byte: &&u8| !byte.is_ascii_whitespace() && !b"()<>@,;:\\\"/[]?=".contains(byte);
        let length = self.rest.iter().take_while(is_token).count();
        let (token, rest) = self.rest.split_at(length);
        self.rest = rest;
        String::from_utf8_lossy(token).into_owned()
    }

    /// A token, a quoted string, or what some programs write unquoted up to the semicolon.
    fn value(&mut self) -> String {
        self.blanks();
        if self.rest.first() != Some(&b'"') {
            let end = self.rest.iter().position(|byte| b"; \t(".contains(byte)).unwrap_or(self.rest.len());
            let (value, rest) = self.rest.split_at(end);
            self.rest = rest;
            return String::from_utf8_lossy(value).into_owned();
        }
        let mut value = Vec::new();
        let mut bytes = self.rest[1..].iter().enumerate();
        let mut end = self.rest.len();
        while let Some((at, &byte)) = bytes.next() {
            match byte {
                b'"' => {
                    end = at + 2;
                    break;
                }
                b'\\' => value.extend(bytes.next().map(|(_, byte)| *byte)),
                other => value.push(other),
            }
        }
        self.rest = &self.rest[end..];
        String::from_utf8_lossy(&value).into_owned()
    }

    fn skip_to_semicolon(&mut self) -> bool {
        let found = self.rest.iter().position(|byte| *byte == b';');
        self.rest = found.map_or(&[], |at| &self.rest[at + 1..]);
        found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_are_found_with_their_exact_bytes() {
        let message =
            b"Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\npre\r\n--b\r\n\r\none\r\n--b\r\nContent-Type: \
            text/html\r\n\r\ntwo\r\n\r\n--b-- \r\nafter";
        let entity = parse(message);
        let Kind::Multipart(parts) = &entity.kind else { panic!("{entity:?}") };
        let bodies: Vec<&[u8]> = parts.iter().map(|part| &message[part.body.clone()]).collect();
        assert_eq!(bodies, [b"one".as_slice(), b"two\r\n"]);
        assert!(parts[1].media.is("text", "html"));
    }

    #[test]
    fn media_with_comments_and_quotes() {
        let media = media(b"Text/Plain (x;y); charset=utf-8; name=\"a \\\"b\\\"; c\" ; x = y");
        assert_eq!(media.parameter("name"), Some("a \"b\"; c"));
        assert_eq!((media.parameter("charset"), media.parameter("x")), (Some("utf-8"), Some("y")));
    }

    #[test]
    fn parameters_have_an_end() {
        assert_eq!(media(format!("a/b{}", "; x=y".repeat(PARAMETERS + 5)).as_bytes()).parameters.len(), PARAMETERS);
    }

    #[test]
    fn what_lies_too_deep_looks_like_a_file() {
        let levels = DEPTH + 5;
        let multipart = |n| format!("Content-Type: multipart/mixed; boundary=b{n}-\r\n\r\n--b{n}-\r\n");
        for message in ["Content-Type: message/rfc822\r\n\r\n".repeat(levels), (0..levels).map(multipart).collect()] {
            let (mut entity, mut depth) = (parse(message.as_bytes()), 0);
            loop {
                entity = match entity.kind {
                    Kind::Message(inner) => *inner,
                    Kind::Multipart(mut parts) => parts.remove(0),
                    Kind::Leaf => break,
                };
                depth += 1;
            }
            assert_eq!(depth, DEPTH);
            assert!(entity.media.is("application", "octet-stream"), "{:?}", entity.media);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_apart(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
            let _ = media(&bytes);
        }

        #[test]
        fn any_mail_like_text_is_taken_apart(body in "(--b|--b--|\r\n|x|Content-Type: message/rfc822|: |;|\"){0,40}") {
            let text = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{body}");
            let whole = parse(text.as_bytes());
            prop_assert_eq!(whole.body.end, text.len());
        }
    }
}
