//! A session as a capture file: Wireshark's pcapng, with the plaintext as TCP connections to the protocol's own port.
//! Takes events, writes packets as they come; notes of the session become comments on packets.
//! Does not know what the bytes mean, and invents nothing but addresses, ports and TCP's own numbers.

mod blocks;
mod connection;

use std::io::{self, Write};
use std::net::SocketAddr;

use self::blocks::{interface, packet, section};
use self::connection::{Connection, Ends};
use super::{Export, Format};
use crate::event::{Body, Event, Note, Open, Side, Stamp};
use crate::proto::{ALL, SchemeTls};

pub(super) const FORMAT: Format = Format {
    name: "pcapng",
    about: "a capture for Wireshark, in plaintext, with the notes as packet comments",
    new: || Box::new(Pcapng::default()),
};

/// How many payload bytes a packet has at most. The length field of IPv4 ends at 65,535 with headers.
const SEGMENT: usize = 32 * 1024;

/// How many bytes of comments may wait for a packet; what is beyond is left out, and said so at the end.
const COMMENTS_MAX: usize = 64 * 1024;

/// How far one gap moves the sequence numbers. They have 32 bits, and receivers take a jump of half of them as a step back.
const GAP_MAX: u64 = 1 << 30;

#[derive(Default)]
struct Pcapng {
    connection: Option<Connection>,
    /// What is to stand beside the next packet.
    comments: Vec<String>,
    comments_bytes: usize,
    left_out: u64,
    at: Stamp,
    redacted: u64,
    missing: u64,
    began: bool,
}

impl Export for Pcapng {
    fn event(&mut self, _line: &[u8], event: &Event<'_>, out: &mut dyn Write) -> io::Result<()> {
        self.at = event.at;
        self.redacted += u64::from(event.redacted);
        match &event.body {
            Body::Open(open) => return self.open(open, out),
            Body::Tls(tls) => {
                let side = event.from.name();
                let what = match (&tls.version, &tls.error) {
                    (_, Some(error)) => format!("the TLS handshake with the {side} failed: {error}"),
                    (Some(version), None) => {
                        format!("{version} with the {side} begins here; mailtap shows what is inside")
                    }
                    (None, None) => format!("TLS with the {side} begins here"),
                };
                self.comment(what);
                // Wireshark would read what follows an accepted STARTTLS as TLS records: it gets a connection of its own.
                if tls.how == "starttls"
                    && let Some(connection) = &mut self.connection
                    && connection.has_begun()
                {
                    connection.end(Side::Client, event.at, &mut self.comments, out)?;
                    connection.anew();
                }
            }
            Body::Note(note) => self.note(note, &event.wire, out)?,
            Body::Compress { algorithm } => {
                self.comment(format!("compressed with {algorithm} from here on; this is what is inside"));
            }
            Body::Gap(gap) => {
                self.comment(format!("{} bytes of the {} are not recorded: {}", gap.bytes, gap.side, gap.why));
                let side = if gap.side == Side::Server.name() { Side::Server } else { Side::Client };
                self.skip(side, gap.bytes, out)?;
            }
            Body::Close(close) => {
                self.comment(format!("closed by the {}: {}", close.by, close.reason));
                let by = if close.by == Side::Server.name() { Side::Server } else { Side::Client };
                return self.close(by, out);
            }
            _ => {}
        }
        let Some(side) = event.from.side() else { return Ok(()) };
        self.send(side, &event.wire, out)?;
        match &event.body {
            Body::Content(content) => match content.elided {
                Some(elided) if elided > 0 => self.skip(side, elided, out),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.connection.is_some() {
            self.comment("the recording ends here, although the session did not".to_owned());
            self.close(Side::Client, out)?;
        }
        out.flush()
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.redacted > 0 {
            let events = self.redacted;
            warnings.push(format!(
                "secrets in {events} events are shown as «redacted»; record with --keep-secrets to have them"
            ));
        }
        if self.missing > 0 {
            warnings.push(format!("{} bytes were not recorded; Wireshark shows them as lost segments", self.missing));
        }
        if self.left_out > 0 {
            warnings.push(format!("{} notes did not fit beside their packets", self.left_out));
        }
        warnings
    }
}

impl Pcapng {
    fn open(&mut self, open: &Open, out: &mut dyn Write) -> io::Result<()> {
        if !std::mem::replace(&mut self.began, true) {
            section(&format!("mailtap {}", open.mailtap), out)?;
            interface(&open.route, out)?;
        }
        self.comment(format!("session {}: {} to {}, by {}", open.session, open.client, open.upstream_name, open.route));
        let mut connection = Connection::new(ends(open));
        connection.begin(self.at, &mut self.comments, out)?;
        self.comments_bytes = 0;
        self.connection = Some(connection);
        Ok(())
    }

    fn note(&mut self, note: &Note, wire: &[u8], out: &mut dyn Write) -> io::Result<()> {
        let text = format!("{} ({})", note.text, note.code);
        // What mailtap itself said to one side came, for that side, from the other.
        let from = Side::BOTH.into_iter().find(|side| note.to.as_deref() == Some(side.other().name()));
        match from {
            Some(side) if !wire.is_empty() => {
                self.comment(format!("sent by mailtap itself: {text}"));
                self.send(side, wire, out)
            }
            _ => {
                self.comment(text);
                Ok(())
            }
        }
    }

    fn comment(&mut self, text: String) {
        if self.comments_bytes + text.len() > COMMENTS_MAX {
            self.left_out += 1;
            return;
        }
        self.comments_bytes += text.len();
        self.comments.push(text);
    }

    fn send(&mut self, side: Side, wire: &[u8], out: &mut dyn Write) -> io::Result<()> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        for payload in wire.chunks(SEGMENT) {
            connection.send(side, self.at, payload, &mut self.comments, out)?;
            self.comments_bytes = 0;
        }
        Ok(())
    }

    fn skip(&mut self, side: Side, bytes: u64, out: &mut dyn Write) -> io::Result<()> {
        self.missing = self.missing.saturating_add(bytes);
        let Some(connection) = &mut self.connection else { return Ok(()) };
        connection.begin(self.at, &mut self.comments, out)?;
        connection.skip(side, u32::try_from(bytes.min(GAP_MAX)).unwrap_or(u32::MAX));
        Ok(())
    }

    fn close(&mut self, by: Side, out: &mut dyn Write) -> io::Result<()> {
        let Some(mut connection) = self.connection.take() else { return Ok(()) };
        connection.begin(self.at, &mut self.comments, out)?;
        connection.end(by, self.at, &mut self.comments, out)
    }
}

/// The two addresses: the client's own, and the server's where it is of the same family, or else the listener's. The
/// port is the one at which the protocol is spoken in plaintext, because that is what Wireshark goes by.
fn ends(open: &Open) -> Ends {
    let parse = |text: &str| text.parse::<SocketAddr>().ok();
    let client = parse(&open.client);
    let family = |address: &SocketAddr| client.is_none_or(|client| client.is_ipv4() == address.is_ipv4());
    let server = parse(&open.upstream).filter(family).or_else(|| parse(&open.listener));
    let schemes = ALL.iter().find(|spec| spec.name == open.protocol).map(|spec| spec.schemes).unwrap_or_default();
    let plain = || schemes.iter().filter(|scheme| scheme.tls == SchemeTls::Asked).map(|scheme| scheme.port);
    let port = server.map(|server| server.port()).filter(|port| plain().any(|plain| plain == *port));
    let port = port.or_else(|| plain().next()).or(server.map(|server| server.port())).unwrap_or(0);
    Ends::new(client, server, port)
}

#[cfg(test)]
mod tests;
