//! The elements of a DER message (X.690), as far as tokens of logins are made of them.
//! Takes bytes, gives tags and contents; nothing where a length lies beyond the end.
//! Does not know what the elements mean. Every reading shortens what is left, so nothing is read for ever.

/// Numbers of an object identifier that are read, at most: those of mechanisms have up to ten.
const ARCS_MAX: usize = 16;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const GENERAL_STRING: u8 = 0x1b;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;

/// The tag of the field with this number, up to 30, in a sequence with explicit tags.
pub(super) const fn field(number: u8) -> u8 {
    0xa0 | number
}

/// The tag of an application's own type with this number, up to 30.
pub(super) const fn application(number: u8) -> u8 {
    0x60 | number
}

/// Elements one behind the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements<'m>(pub &'m [u8]);

impl<'m> Iterator for Elements<'m> {
    type Item = (u8, &'m [u8]);

    fn next(&mut self) -> Option<(u8, &'m [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (length, rest) = length(rest)?;
        let content = rest.get(..length)?;
        self.0 = rest.get(length..)?;
        Some((tag, content))
    }
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((usize::from(first), rest));
    }
    // The form without a length is none of DER's, and no token has four gigabytes.
    let count = usize::from(first & 0x7f);
    if count == 0 || count > 4 {
        return None;
    }
    let length = rest.get(..count)?.iter().fold(0, |length, &byte| length << 8 | u64::from(byte));
    Some((usize::try_from(length).ok()?, rest.get(count..)?))
}

/// The content of the first element, if it has this tag.
pub(super) fn only(tag: u8, bytes: &[u8]) -> Option<&[u8]> {
    Elements(bytes).next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
}

/// The content of the first element with this tag.
pub(super) fn find(tag: u8, bytes: &[u8]) -> Option<&[u8]> {
    Elements(bytes).find(|(found, _)| *found == tag).map(|(_, content)| content)
}

/// A number that is not negative and not larger than a machine can hold.
pub(super) fn number(content: &[u8]) -> Option<u64> {
    if content.is_empty() || content.len() > 8 || content.first()? & 0x80 != 0 {
        return None;
    }
    Some(content.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

/// An object identifier in dotted form.
pub(super) fn oid(content: &[u8]) -> Option<String> {
    let mut arcs: Vec<u64> = Vec::new();
    let mut arc: u64 = 0;
    let mut ended = false;
    for &byte in content {
        arc = arc.checked_mul(128)?.checked_add(u64::from(byte & 0x7f))?;
        ended = byte & 0x80 == 0;
        if ended {
            if arcs.is_empty() {
                // The first two numbers stand in one.
                let first = (arc / 40).min(2);
                arcs.push(first);
                arc -= first * 40;
            }
            arcs.push(arc);
            arc = 0;
        }
        if arcs.len() > ARCS_MAX {
            return None;
        }
    }
    ended.then(|| arcs.iter().map(u64::to_string).collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_within_their_bounds() {
        let message = [0x30, 3, 2, 1, 37, 0x04, 0x81, 1, 9];
        let found: Vec<(u8, &[u8])> = Elements(&message).collect();
        assert_eq!(found, [(SEQUENCE, &[2, 1, 37][..]), (OCTETS, &[9][..])]);
        assert_eq!(number(only(INTEGER, found[0].1).unwrap()), Some(37));
        for wrong in [&[0x30][..], &[0x30, 5, 1], &[0x30, 0x80, 0, 0], &[0x30, 0x85, 1, 1, 1, 1, 1], &[0x30, 0x82, 1]] {
            assert_eq!(Elements(wrong).next(), None, "{wrong:?}");
        }
    }

    #[test]
    fn identifiers_are_written_with_dots() {
        assert_eq!(oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2]).as_deref(), Some("1.2.840.113554.1.2.2"));
        assert_eq!(oid(&[0x2b, 6, 1, 5, 5, 2]).as_deref(), Some("1.3.6.1.5.5.2"));
        assert_eq!(oid(&[0x88, 0x37]).as_deref(), Some("2.999"));
        for wrong in [&[][..], &[0x2a, 0x86], &[0xff; 20], &[1; 40]] {
            assert_eq!(oid(wrong), None, "{wrong:?}");
        }
        assert_eq!(number(&[0xff]), None);
        assert_eq!(number(&[1; 9]), None);
    }
}
