//! Tells a connection's protocol by its first bytes: a TLS ClientHello, or the server's greeting.
//! Takes what one side has said so far, gives what it is, or that more has to be seen.
//! Takes none of the bytes: whoever asked feeds them to the dialog afterwards. Knows no port numbers.

use super::{Spec, imap, pop3, sieve, smtp};

/// How much of a greeting is looked at, in bytes: a first line is at most 512 octets long (RFC 5321 §4.5.3.1.5, RFC 1939 §3),
/// and what is longer tells no more.
pub const GREETING_MAX: usize = 512;

/// What the first bytes tell.
#[derive(Clone, Copy)]
pub enum Told {
    /// A TLS handshake begins; the protocol is told by what is said in it.
    Tls,
    Speaks(&'static Spec),
    /// Not told yet.
    More,
    /// Nothing that mailtap knows: [`super::raw::SPEC`] is for these.
    Unknown,
}

/// By what the client says before the server has said anything. In all of the mail protocols the server speaks first,
/// so there is no more in it than whether TLS begins.
#[must_use]
pub fn by_client(bytes: &[u8]) -> Told {
    // RFC 8446 §5.1, §4: a handshake record, of a version 3.x, its length, and in it a ClientHello.
    let record = [
        |byte: u8| byte == 0x16,
        |byte: u8| byte == 0x03,
        |byte: u8| byte <= 0x04,
        |_| true,
        |_| true,
        |byte: u8| byte == 0x01,
    ];
    if !bytes.iter().zip(record).all(|(&byte, fits)| fits(byte)) {
        return Told::Unknown;
    }
    if bytes.len() < record.len() { Told::More } else { Told::Tls }
}

/// By the server's greeting.
#[must_use]
pub fn by_server(bytes: &[u8]) -> Told {
    let line = memchr::memchr(b'\n', bytes).map(|end| bytes.get(..end).unwrap_or(bytes));
    let whole = line.is_some() || bytes.len() >= GREETING_MAX;
    let line = line.unwrap_or(bytes);
    match line.first() {
        None => Told::More,
        // Where the line has not come to its end, what is there must fit at least.
        Some(_) if !whole => {
            let fits = STARTS.iter().any(|start| line.starts_with(start) || start.starts_with(line));
            if fits { Told::More } else { Told::Unknown }
        }
        Some(_) => by_greeting(line),
    }
}

/// What greetings begin with.
const STARTS: &[&[u8]] = &[b"* ", b"+OK", b"-ERR", b"220", b"421", b"554", b"\"", b"OK", b"BYE"];

fn by_greeting(line: &[u8]) -> Told {
    let line = line.trim_ascii_end();
    let says = |word: &[u8]| line.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    let word = |word: &[u8]| {
        line.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
            && line.get(word.len()).is_none_or(|next| matches!(next, b' ' | b'-' | b'('))
    };
    if [b"* OK".as_slice(), b"* PREAUTH", b"* BYE"].into_iter().any(word) {
        return Told::Speaks(&imap::SPEC);
    }
    if line.starts_with(b"+OK") || line.starts_with(b"-ERR") {
        return Told::Speaks(&pop3::SPEC);
    }
    if [b"220".as_slice(), b"421", b"554"].into_iter().any(word) {
        // FTP greets with the same code, and its servers say what they are.
        if says(b"FTP") && !says(b"SMTP") {
            return Told::Unknown;
        }
        return Told::Speaks(if says(b"LMTP") { &smtp::LMTP } else { &smtp::SMTP });
    }
    if line.starts_with(b"\"") || [b"OK".as_slice(), b"BYE"].into_iter().any(word) {
        return Told::Speaks(&sieve::SPEC);
    }
    Told::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(told: Told) -> &'static str {
        match told {
            Told::Tls => "tls",
            Told::Speaks(spec) => spec.name,
            Told::More => "more",
            Told::Unknown => "unknown",
        }
    }

    #[test]
    fn greetings_tell_the_protocol() {
        for (greeting, protocol) in [
            ("* OK [CAPABILITY IMAP4rev1] Dovecot ready.\r\n", "imap"),
            ("* PREAUTH\r\n", "imap"),
            ("* bye overloaded\n", "imap"),
            ("+OK Dovecot ready.\r\n", "pop3"),
            ("+OK\r\n", "pop3"),
            ("-ERR [SYS/TEMP] later\r\n", "pop3"),
            ("220 mx.example ESMTP Postfix\r\n", "smtp"),
            ("220-mx.example\r\n220 ESMTP\r\n", "smtp"),
            ("220\r\n", "smtp"),
            ("554 no\r\n", "smtp"),
            ("421 4.3.2 later\r\n", "smtp"),
            ("220 mail.example Dovecot LMTP ready.\r\n", "lmtp"),
            ("220 ProFTPD Server ready.\r\n", "unknown"),
            ("220 ftpd and SMTP\r\n", "smtp"),
            ("\"IMPLEMENTATION\" \"Dovecot Pigeonhole\"\r\n", "sieve"),
            ("BYE \"no\"\r\n", "sieve"),
            ("200 news.example NNTP\r\n", "unknown"),
            ("2200 x\r\n", "unknown"),
            ("SSH-2.0-OpenSSH_9.2\r\n", "unknown"),
            ("\r\n", "unknown"),
        ] {
            assert_eq!(name(by_server(greeting.as_bytes())), protocol, "{greeting:?}");
            for cut in 0..greeting.find('\n').unwrap() {
                let told = name(by_server(&greeting.as_bytes()[..cut]));
                assert!(
                    told == "more" || (told == "unknown" && protocol == "unknown"),
                    "{:?} {told}",
                    &greeting[..cut]
                );
            }
        }
        assert_eq!(name(by_server("220 ".repeat(200).as_bytes())), "smtp");
        assert_eq!(name(by_server(b"")), "more");
    }

    #[test]
    fn a_client_hello_is_told_from_everything_else() {
        let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
        assert_eq!(name(by_client(hello)), "tls");
        for cut in 0..6 {
            assert_eq!(name(by_client(&hello[..cut])), "more");
        }
        assert_eq!(name(by_client(b"\x16\x03\x01\x02\x00\x02")), "unknown");
        assert_eq!(name(by_client(b"\x16\x04\x01")), "unknown");
        assert_eq!(name(by_client(b"EHLO x\r\n")), "unknown");
    }
}
