//! The first bytes of a TLS server whose connection is passed through, read by hand: what it chose, or why it did not.
//! Takes the bytes received so far, gives the choice, "more, please", or what came instead.
//! Knows no connection; what is encrypted stays so.

use std::fmt;

use rustls::AlertDescription;

use crate::tls::failure::alert_word;
use crate::tls::hello::{Cursor, HANDSHAKE, Message, Version, message};

const ALERT: u8 = 21;
const SERVER_HELLO: u8 = 2;
const WARNING: u8 = 1;
const CLOSE_NOTIFY: u8 = 0;

/// What a server chose in its hello. Numbers are IANA's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    pub version: Version,
    pub cipher: u16,
    /// TLS 1.3 alone says it here.
    pub group: Option<u16>,
    /// TLS 1.2 alone says it here; later versions encrypt it.
    pub alpn: Option<Vec<u8>>,
}

/// What the first bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// So far an answer, but not all of it.
    More,
    Hello(Chosen),
    /// The server refuses, with this alert.
    Alert(u8),
    /// No TLS.
    NotTls,
    /// It begins like TLS and then breaks the rules.
    Damaged,
}

/// What was wrong with an answer, as a clause behind "mailtap: ".
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Alert(number) => {
                write!(f, "the server ended the TLS handshake (alert {})", alert_word(AlertDescription::from(*number)))
            }
            Answer::NotTls => f.write_str("the server answered in plaintext where TLS was to begin"),
            Answer::Damaged => f.write_str("the server's answer is no TLS that can be read"),
            Answer::More | Answer::Hello(_) => f.write_str("the server answers"),
        }
    }
}

/// Looks at all bytes received so far.
#[must_use]
pub fn peek(bytes: &[u8]) -> Answer {
    let mut bytes = bytes;
    // Before TLS 1.3 a warning, of a name that is not known above all, lets the handshake go on (RFC 5246 section 7.2).
    while let [ALERT, 3, _, 0, 2, WARNING, number, rest @ ..] = bytes
        && *number != CLOSE_NOTIFY
    {
        bytes = rest;
    }
    match bytes {
        [] | [ALERT | HANDSHAKE] => Answer::More,
        [ALERT, 3, _, 0, 2, _, number, ..] => Answer::Alert(*number),
        [ALERT, 3, rest @ ..] if rest.len() < 5 => Answer::More,
        [HANDSHAKE, 3, ..] => match message(bytes, SERVER_HELLO) {
            Message::More => Answer::More,
            Message::Damaged => Answer::Damaged,
            Message::Whole(body) => chosen(&body).map_or(Answer::Damaged, Answer::Hello),
        },
        [ALERT, 3, ..] => Answer::Damaged,
        _ => Answer::NotTls,
    }
}

/// RFC 8446 section 4.1.3; a request for another hello (section 4.1.4) says the same.
fn chosen(body: &[u8]) -> Option<Chosen> {
    let mut body = Cursor(body);
    let legacy = body.u16()?;
    body.take(32)?;
    body.vec8()?;
    let cipher = body.u16()?;
    body.u8()?;
    let mut chosen = Chosen { version: Version(legacy), cipher, group: None, alpn: None };
    // Servers before TLS 1.3 may send no extensions at all.
    let mut extensions = Cursor(if body.0.is_empty() { &[] } else { body.vec16()? });
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let mut data = Cursor(extensions.vec16()?);
        match kind {
            16 => chosen.alpn = Cursor(data.vec16()?).vec8().map(<[u8]>::to_vec),
            43 => chosen.version = Version(data.u16()?),
            51 => chosen.group = Some(data.u16()?),
            _ => {}
        }
    }
    Some(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(legacy: u16, extensions: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = legacy.to_be_bytes().to_vec();
        body.extend([7; 32]);
        body.extend([2, 9, 9, 0x13, 0x02, 0]);
        let coded: Vec<u8> = extensions
            .iter()
            .flat_map(|(kind, data)| [&kind.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat())
            .collect();
        if !coded.is_empty() {
            body.extend((coded.len() as u16).to_be_bytes());
            body.extend(coded);
        }
        let message = [&[SERVER_HELLO, 0][..], &(body.len() as u16).to_be_bytes(), &body].concat();
        [&[HANDSHAKE, 3, 3][..], &(message.len() as u16).to_be_bytes(), &message].concat()
    }

    #[test]
    fn what_a_server_chose_is_read_however_it_is_cut() {
        let new = hello(0x0303, &[(43, &[3, 4]), (51, &[0, 29, 0, 2, 1, 1])]);
        let old = hello(0x0303, &[(16, &[0, 5, 4, b'i', b'm', b'a', b'p'])]);
        let oldest = hello(0x0301, &[]);
        let expected = |version, group, alpn: Option<&[u8]>| {
            Answer::Hello(Chosen { version: Version(version), cipher: 0x1302, group, alpn: alpn.map(<[u8]>::to_vec) })
        };
        for (bytes, chosen) in [
            (new, expected(0x0304, Some(29), None)),
            (old, expected(0x0303, None, Some(b"imap"))),
            (oldest, expected(0x0301, None, None)),
        ] {
            for cut in 0..bytes.len() {
                assert_eq!(peek(&bytes[..cut]), Answer::More, "{cut} bytes");
            }
            assert_eq!(peek(&bytes), chosen);
            let warned = [&[ALERT, 3, 3, 0, 2, WARNING, 112][..], &bytes].concat();
            assert_eq!((peek(&warned[..7]), peek(&warned)), (Answer::More, chosen.clone()));
            // A certificate and more may come behind.
            assert_eq!(peek(&[&bytes, &[22, 3, 3, 0, 1, 11][..]].concat()), chosen);
        }
    }

    #[test]
    fn what_is_no_hello_is_told_apart() {
        let alert = [ALERT, 3, 1, 0, 2, 2, 70];
        for cut in 0..alert.len() {
            assert_eq!(peek(&alert[..cut]), Answer::More);
        }
        assert_eq!(peek(&alert).to_string(), "the server ended the TLS handshake (alert protocol_version)");
        assert_eq!(peek(b"* OK ready\r\n"), Answer::NotTls);
        assert_eq!(peek(&[ALERT, 3, 1, 0, 9, 2, 70]), Answer::Damaged);
        assert_eq!(peek(&[HANDSHAKE, 3, 1, 0, 4, 1, 0, 0, 0]), Answer::Damaged);
        assert_eq!(peek(&hello(0x0303, &[])[..4]), Answer::More);
    }

    #[test]
    fn any_damage_gives_an_answer_and_no_panic() {
        let bytes = hello(0x0303, &[(43, &[3, 4]), (16, &[0, 3, 2, b'h', b'2'])]);
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                let _ = (peek(&damaged), peek(&damaged[..at]));
            }
        }
    }
}
