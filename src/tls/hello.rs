//! The first bytes of a TLS client, read by hand: SNI, ALPN, and above all the versions, which rustls does not tell.
//! Takes the bytes received so far, gives the offer, "more, please", or what it is instead of TLS.
//! Knows no connection; does not negotiate.

use std::fmt;
use std::ops::RangeInclusive;

/// Bytes of a hello with its record headers, at most. rustls reads handshake messages up to 64 KiB; the largest
/// hellos in use (post-quantum key shares, tickets) have about 4 KiB.
pub const HELLO_MAX: usize = 68 << 10;

/// A record of this kind holds messages of a handshake.
pub(super) const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const RECORD_HEADER: usize = 5;
/// RFC 8446 section 5.1: 2^14. Some allowance, as in old implementations, costs nothing here.
const RECORD_MAX: usize = (1 << 14) + 2048;

/// Cipher suites with RSA key transport.
const KEY_TRANSPORT: &[RangeInclusive<u16>] = &[
    0x0001..=0x000a,
    0x002f..=0x002f,
    0x0035..=0x0035,
    0x003b..=0x003d,
    0x0041..=0x0041,
    0x0084..=0x0084,
    0x0096..=0x0096,
    0x009c..=0x009d,
    0x00ba..=0x00ba,
    0x00c0..=0x00c0,
    0xc03c..=0xc03d,
    0xc050..=0xc051,
    0xc07a..=0xc07b,
    0xc09c..=0xc09d,
    0xc0a0..=0xc0a1,
];

/// What stands among the suites and is none: renegotiation and fallback (RFC 5746, RFC 7507).
const SIGNALS: [u16; 2] = [0x00ff, 0x5600];

/// What a client offers in its hello. Numbers are IANA's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    pub sni: Option<String>,
    /// In the client's order; empty when it sent none.
    pub alpn: Vec<Vec<u8>>,
    /// Newest first as the client wrote them; GREASE (RFC 8701) left out.
    pub versions: Vec<Version>,
    pub ciphers: Vec<u16>,
    pub signature_schemes: Vec<u16>,
    pub groups: Vec<u16>,
    /// The client would like to resume an earlier session or uses a pre-shared key (TLS 1.3).
    pub psk: bool,
    /// The client sent or announced 0-RTT data, which is never accepted.
    pub early_data: bool,
}

impl Offer {
    /// Whether there is a version that mailtap speaks.
    #[must_use]
    pub fn is_new_enough(&self) -> bool {
        self.versions.iter().any(|version| matches!(version.0, 0x0303 | 0x0304))
    }

    /// Whether all its cipher suites encrypt the key with the certificate's (`TLS_RSA_WITH_…`), so that whoever gets that
    /// key later can read what was recorded before.
    #[must_use]
    pub fn is_without_forward_secrecy(&self) -> bool {
        let mut suites = self.ciphers.iter().filter(|suite| !SIGNALS.contains(suite)).peekable();
        suites.peek().is_some() && suites.all(|suite| KEY_TRANSPORT.iter().any(|range| range.contains(suite)))
    }

    /// `TLSv1.1, TLSv1.0`.
    #[must_use]
    pub fn versions_in_words(&self) -> String {
        self.versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// ALPN names as text; octets that are no printable ASCII are shown as `\xNN`.
    #[must_use]
    pub fn alpn_in_words(&self) -> Vec<String> {
        self.alpn.iter().map(|name| alpn_word(name)).collect()
    }
}

/// A protocol version as it is numbered on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u16);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0x0304 => f.write_str("TLSv1.3"),
            0x0303 => f.write_str("TLSv1.2"),
            0x0302 => f.write_str("TLSv1.1"),
            0x0301 => f.write_str("TLSv1.0"),
            0x0300 => f.write_str("SSLv3"),
            0x0002 => f.write_str("SSLv2"),
            other => write!(f, "{other:#06x}"),
        }
    }
}

/// What the first bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peek {
    /// So far a hello, but not all of it.
    More,
    Hello(Box<Offer>),
    /// An SSL 2 hello, which no server should answer any more (RFC 6176).
    Ssl2,
    /// No TLS.
    NotTls,
    /// It begins like TLS and then breaks the rules.
    Damaged,
}

/// Looks at all bytes received so far. The answer `More` to more than [`HELLO_MAX`] bytes never comes.
#[must_use]
pub fn peek(bytes: &[u8]) -> Peek {
    match bytes {
        [] => return Peek::More,
        [HANDSHAKE] => return Peek::More,
        [HANDSHAKE, 3, ..] => {}
        // SSL 2: two octets of length with the highest bit set, then message type 1.
        [first, _, CLIENT_HELLO, ..] if first & 0x80 != 0 => return Peek::Ssl2,
        [first] | [first, _] if first & 0x80 != 0 => return Peek::More,
        _ => return Peek::NotTls,
    }
    match message(bytes, CLIENT_HELLO) {
        Message::More if bytes.len() > HELLO_MAX => Peek::Damaged,
        Message::More => Peek::More,
        Message::Damaged => Peek::Damaged,
        Message::Whole(body) => offer(&body).map_or(Peek::Damaged, |offer| Peek::Hello(Box::new(offer))),
    }
}

/// An ALPN protocol name as text.
#[must_use]
pub fn alpn_word(name: &[u8]) -> String {
    name.escape_ascii().to_string()
}

pub(super) enum Message {
    More,
    Damaged,
    /// The body of the message.
    Whole(Vec<u8>),
}

/// Puts the first message of a handshake, which is to be of this kind, together from its records.
pub(super) fn message(bytes: &[u8], wanted_kind: u8) -> Message {
    let mut body: Vec<u8> = Vec::new();
    let mut rest = bytes;
    loop {
        let wanted = match body.as_slice() {
            [kind, ..] if *kind != wanted_kind => return Message::Damaged,
            [_, high, mid, low, ..] => {
                Some(4 + (usize::from(*high) << 16 | usize::from(*mid) << 8 | usize::from(*low)))
            }
            _ => None,
        };
        if wanted.is_some_and(|wanted| wanted > HELLO_MAX) {
            return Message::Damaged;
        }
        if let Some(whole) = wanted.and_then(|wanted| body.get(4..wanted)) {
            return Message::Whole(whole.to_vec());
        }
        let (header, after) = match rest.split_at_checked(RECORD_HEADER) {
            Some(split) => split,
            None => return Message::More,
        };
        let &[kind, major, _, high, low] = header else { return Message::Damaged };
        let length = usize::from(high) << 8 | usize::from(low);
        if kind != HANDSHAKE || major != 3 || length == 0 || length > RECORD_MAX {
            return Message::Damaged;
        }
        let Some((payload, behind)) = after.split_at_checked(length) else {
            // The beginning of the message may tell already that it is none.
            return if body.is_empty() && after.first().is_some_and(|kind| *kind != wanted_kind) {
                Message::Damaged
            } else {
                Message::More
            };
        };
        body.extend_from_slice(payload);
        rest = behind;
    }
}

/// RFC 8446 section 4.1.2.
fn offer(body: &[u8]) -> Option<Offer> {
    let mut body = Cursor(body);
    let legacy = body.u16()?;
    body.take(32)?;
    body.vec8()?;
    let ciphers = Cursor(body.vec16()?).numbers();
    body.vec8()?;
    let mut offer = Offer { ciphers, ..Offer::default() };
    let mut versions = None;
    // Clients before TLS 1.2 may send no extensions at all.
    let mut extensions = Cursor(if body.0.is_empty() { &[] } else { body.vec16()? });
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let mut data = Cursor(extensions.vec16()?);
        match kind {
            0 => offer.sni = sni(data.vec16()?),
            10 => offer.groups = Cursor(data.vec16()?).numbers(),
            13 => offer.signature_schemes = Cursor(data.vec16()?).numbers(),
            16 => {
                let mut list = Cursor(data.vec16()?);
                while !list.0.is_empty() {
                    offer.alpn.push(list.vec8()?.to_vec());
                }
            }
            41 => offer.psk = true,
            42 => offer.early_data = true,
            43 => versions = Some(Cursor(data.vec8()?).numbers()),
            _ => {}
        }
    }
    offer.versions = match versions {
        Some(listed) => listed.into_iter().filter(|number| !is_grease(*number)).map(Version).collect(),
        // Without the list the client speaks everything up to this version.
        None => vec![Version(legacy.min(0x0303))],
    };
    offer.groups.retain(|number| !is_grease(*number));
    offer.ciphers.retain(|number| !is_grease(*number));
    Some(offer)
}

/// The first host name of the list (RFC 6066 section 3).
fn sni(list: &[u8]) -> Option<String> {
    let mut list = Cursor(list);
    while !list.0.is_empty() {
        let kind = list.u8()?;
        let name = list.vec16()?;
        if kind == 0 {
            return std::str::from_utf8(name).ok().map(str::to_string);
        }
    }
    None
}

fn is_grease(number: u16) -> bool {
    let [high, low] = number.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

/// Reads what is coded one behind the other.
pub(super) struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// A vector with one octet of length.
    pub fn vec8(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.take(length.into())
    }

    /// A vector with two octets of length.
    pub fn vec16(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(length.into())
    }

    /// Everything that is left, two octets each.
    fn numbers(self) -> Vec<u16> {
        self.0.chunks_exact(2).filter_map(|pair| pair.try_into().ok().map(u16::from_be_bytes)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hello with these extensions, already encoded.
    fn body(legacy: u16, extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut body = legacy.to_be_bytes().to_vec();
        body.extend([7; 32]);
        body.push(0);
        body.extend([0, 4, 0x13, 0x01, 0x1a, 0x1a]);
        body.extend([1, 0]);
        let coded: Vec<u8> = extensions
            .iter()
            .flat_map(|(kind, data)| [&kind.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat())
            .collect();
        body.extend((coded.len() as u16).to_be_bytes());
        body.extend(coded);
        body
    }

    /// Cut into records of `step` bytes.
    fn records(body: &[u8], step: usize) -> Vec<u8> {
        let mut message = vec![CLIENT_HELLO, 0];
        message.extend((body.len() as u16).to_be_bytes());
        message.extend(body);
        let record = |part: &[u8]| [&[HANDSHAKE, 3, 1][..], &(part.len() as u16).to_be_bytes(), part].concat();
        message.chunks(step).flat_map(record).collect()
    }

    fn full() -> Vec<u8> {
        body(
            0x0303,
            &[
                (0, [&[0, 15, 0, 0, 12][..], b"mail.example"].concat()),
                (16, [&[0, 10, 4][..], b"imap", &[4], b"\xffodd"].concat()),
                (43, vec![6, 0x2a, 0x2a, 3, 4, 3, 3]),
                (10, vec![0, 4, 0x11, 0xec, 0, 29]),
                (42, vec![]),
            ],
        )
    }

    #[test]
    fn a_whole_hello_is_read_however_it_is_cut() {
        for step in [1, 3, 4, 5, 100, 16_000] {
            let bytes = records(&full(), step);
            for cut in 0..bytes.len() {
                assert_eq!(peek(&bytes[..cut]), Peek::More, "step {step}, {cut} bytes");
            }
            let Peek::Hello(offer) = peek(&bytes) else { panic!("step {step}: {:?}", peek(&bytes)) };
            assert_eq!(offer.sni.as_deref(), Some("mail.example"));
            assert_eq!(offer.alpn_in_words(), ["imap", r"\xffodd"]);
            assert_eq!(offer.versions_in_words(), "TLSv1.3, TLSv1.2");
            assert_eq!(
                (offer.groups.as_slice(), offer.ciphers.as_slice()),
                ([0x11ec, 29].as_slice(), [0x1301].as_slice())
            );
            assert!(offer.early_data && offer.is_new_enough());
        }
    }

    #[test]
    fn an_old_client_is_known_by_its_one_version() {
        for (number, word, good) in [
            (0x0300, "SSLv3", false),
            (0x0301, "TLSv1.0", false),
            (0x0302, "TLSv1.1", false),
            (0x0303, "TLSv1.2", true),
        ] {
            let Peek::Hello(offer) = peek(&records(&body(number, &[]), 1000)) else { panic!("{word}") };
            assert_eq!((offer.versions_in_words().as_str(), offer.is_new_enough()), (word, good));
        }
    }

    #[test]
    fn what_is_no_tls_is_told_apart() {
        assert_eq!(peek(b"EHLO me\r\nMAIL"), Peek::NotTls);
        assert_eq!(peek(b"\x01\x02"), Peek::NotTls);
        assert_eq!(peek(b"\x80\x2e\x01\x00\x02"), Peek::Ssl2);
        assert_eq!(peek(&[HANDSHAKE, 3, 1, 0, 4, 2, 0, 0, 0]), Peek::Damaged);
        assert_eq!(peek(&[HANDSHAKE, 3, 1, 0xff, 0xff]), Peek::Damaged);
        assert_eq!(peek(&records(&full()[..50], 1000)), Peek::Damaged);
        assert_eq!(peek(b""), Peek::More);
    }

    #[test]
    fn an_endless_hello_is_given_up() {
        let mut bytes = records(&[0; 60_000], 16_000);
        bytes[RECORD_HEADER + 1] = 0xff;
        assert_eq!(peek(&bytes), Peek::Damaged);
    }

    #[test]
    fn any_damage_gives_an_answer_and_no_panic() {
        let bytes = records(&full(), 60);
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                let _ = peek(&damaged);
                let _ = peek(&damaged[..at]);
            }
        }
    }
}
