//! Names of sessions: `20261123T033200123-k3f9q2xw`, the UTC time to the millisecond and eight random characters.
//! Takes a time and five random bytes, gives the name; takes a name apart again.
//! Knows neither clock nor source of randomness, and no files.

use crate::event::Stamp;

/// Crockford's base32, lower case: no i, l, o, u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Characters before the dash: `YYYYMMDDTHHMMSSmmm`.
const TIME_LEN: usize = 18;

/// Characters after it: 40 random bits, five a character.
const RANDOM_LEN: usize = 8;

/// A new name. Two sessions of the same millisecond share it with a chance of one in 2^40.
#[must_use]
pub fn new_id(now: Stamp, random: [u8; 5]) -> String {
    let [year, month, day, hour, minute, second, micro] = now.parts();
    let milli = micro / 1000;
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}{milli:03}-{}", base32(random))
}

/// Five bytes as eight characters.
#[must_use]
pub fn base32(bytes: [u8; 5]) -> String {
    let bits = bytes.iter().fold(0_u64, |bits, &byte| bits << 8 | u64::from(byte));
    (0..RANDOM_LEN)
        .rev()
        .filter_map(|place| ALPHABET.get((bits >> (place * 5) & 31) as usize))
        .map(|&character| char::from(character))
        .collect()
}

/// A name that has the right form, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id<'a>(&'a str);

impl<'a> Id<'a> {
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Id<'a>> {
        let (time, random) = text.split_once('-')?;
        let right = time.len() == TIME_LEN
            && time
                .bytes()
                .enumerate()
                .all(|(place, byte)| if place == 8 { byte == b'T' } else { byte.is_ascii_digit() })
            && random.len() == RANDOM_LEN
            && random.bytes().all(|byte| {
                byte.is_ascii_digit() || (byte.is_ascii_lowercase() && !matches!(byte, b'i' | b'l' | b'o' | b'u'))
            });
        right.then_some(Id(text))
    }

    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// The part after the dash, which is what people type.
    #[must_use]
    pub fn short(self) -> &'a str {
        self.0.split_once('-').map_or(self.0, |(_, random)| random)
    }

    /// The folder of its day: `2026-11-23`.
    #[must_use]
    pub fn day(self) -> String {
        let part = |from: usize, to: usize| self.0.get(from..to).unwrap_or_default();
        format!("{}-{}-{}", part(0, 4), part(4, 6), part(6, 8))
    }

    /// When it was opened, to the millisecond.
    #[must_use]
    pub fn opened(self) -> Option<Stamp> {
        let part = |from: usize, to: usize| self.0.get(from..to).unwrap_or_default();
        let (hour, minute, second, milli) = (part(9, 11), part(11, 13), part(13, 15), part(15, 18));
        Stamp::parse(&format!("{}T{hour}:{minute}:{second}.{milli}Z", self.day()))
    }
}

/// The short form of a session's name; a name of another form stays whole.
#[must_use]
pub fn short(session: &str) -> &str {
    Id::parse(session).map_or(session, Id::short)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Stamp = Stamp(1_795_404_723_200_001);

    #[test]
    fn has_the_form_of_the_contract() {
        assert_eq!(new_id(NOW, [0; 5]), "20261123T033203200-00000000");
        assert_eq!(new_id(NOW, [0xff; 5]), "20261123T033203200-zzzzzzzz");
        assert_eq!(base32([0, 0, 0, 0, 33]), "00000011");
    }

    #[test]
    fn comes_apart_again() {
        let name = new_id(NOW, [1, 2, 3, 4, 5]);
        let id = Id::parse(&name).unwrap();
        assert_eq!(id.day(), "2026-11-23");
        assert_eq!(id.short(), short(&name));
        assert_eq!(id.short().len(), 8);
        assert_eq!(id.opened(), Some(Stamp(1_795_404_723_200_000)));
    }

    #[test]
    fn sorts_by_time() {
        let later = Stamp(NOW.0 + 1000);
        assert!(new_id(NOW, [0xff; 5]) < new_id(later, [0; 5]));
    }

    #[test]
    fn refuses_other_names() {
        for name in [
            "",
            "index",
            "20261123T033203200",
            "20261123T033203200-0000000i",
            "20261123T033203200-000000000",
            "2026112éT03320320-00000000",
        ] {
            assert_eq!(Id::parse(name), None, "{name}");
        }
        assert_eq!(short("mine"), "mine");
    }
}
