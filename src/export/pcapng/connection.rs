//! A TCP connection made up around what two sides said: handshake, segments, end.
//! Takes payloads in the order in which they came, writes packets with numbers that fit.
//! Does not know where the payloads come from.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeader};

use super::packet;
use crate::event::{Side, Stamp};

/// The time to live that Linux gives a packet.
const HOPS: u8 = 64;

/// What each side says that it can still take; nobody is ever made to wait.
const WINDOW: u16 = u16::MAX;

/// Where the two ends stand.
pub(super) struct Ends {
    client: SocketAddr,
    server: SocketAddr,
}

pub(super) struct Connection {
    ends: Ends,
    /// The next sequence number of the client and of the server.
    next: [u32; 2],
    begun: bool,
}

impl Ends {
    /// Addresses that are unknown, or not of one family, become ones for documentation (RFC 5737 §3).
    pub fn new(client: Option<SocketAddr>, server: Option<SocketAddr>, port: u16) -> Ends {
        let (client, server) = match (client, server) {
            (Some(client), Some(server)) if client.is_ipv4() == server.is_ipv4() => (client, server),
            (client, server) => {
                let ports = [client, server].map(|end| end.map_or(0, |end| end.port()));
                let [client, server] = [1, 2].map(|last| IpAddr::from(Ipv4Addr::new(192, 0, 2, last)));
                (SocketAddr::new(client, ports[0]), SocketAddr::new(server, ports[1]))
            }
        };
        Ends { client, server: SocketAddr::new(server.ip(), port) }
    }
}

impl Connection {
    pub fn new(ends: Ends) -> Connection {
        Connection { ends, next: [0; 2], begun: false }
    }

    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// The handshake, unless it has been.
    pub fn begin(&mut self, at: Stamp, comments: &mut Vec<String>, out: &mut dyn Write) -> io::Result<()> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        self.packet(Side::Client, at, Flags { syn: true, ..Flags::default() }, &[], comments, out)?;
        self.packet(Side::Server, at, Flags { syn: true, ack: true, ..Flags::default() }, &[], comments, out)?;
        self.packet(Side::Client, at, Flags { ack: true, ..Flags::default() }, &[], comments, out)
    }

    pub fn send(
        &mut self,
        from: Side,
        at: Stamp,
        payload: &[u8],
        comments: &mut Vec<String>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        self.begin(at, comments, out)?;
        self.packet(from, at, Flags { ack: true, push: true, ..Flags::default() }, payload, comments, out)
    }

    /// So many bytes of a side are missing.
    pub fn skip(&mut self, from: Side, bytes: u32) {
        let next = self.next_mut(from);
        *next = next.wrapping_add(bytes);
    }

    /// Ends a connection that has begun; `by` goes first.
    pub fn end(&mut self, by: Side, at: Stamp, comments: &mut Vec<String>, out: &mut dyn Write) -> io::Result<()> {
        if !std::mem::take(&mut self.begun) {
            return Ok(());
        }
        let fin = Flags { fin: true, ack: true, ..Flags::default() };
        self.packet(by, at, fin, &[], comments, out)?;
        self.packet(by.other(), at, fin, &[], comments, out)?;
        self.packet(by, at, Flags { ack: true, ..Flags::default() }, &[], comments, out)
    }

    /// A further connection between the two, from another port of the client.
    pub fn anew(&mut self) {
        /// The first of the ports that clients get, to go on at behind the last.
        const FIRST: u16 = 49_152;
        let port = self.ends.client.port();
        self.ends.client.set_port(port.checked_add(1).unwrap_or(FIRST));
        self.next = [0; 2];
    }

    fn packet(
        &mut self,
        from: Side,
        at: Stamp,
        flags: Flags,
        payload: &[u8],
        comments: &mut Vec<String>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let (source, target) = match from {
            Side::Client => (self.ends.client, self.ends.server),
            Side::Server => (self.ends.server, self.ends.client),
        };
        let mut header = TcpHeader::new(source.port(), target.port(), *self.next_mut(from), WINDOW);
        (header.syn, header.fin, header.psh, header.ack) = (flags.syn, flags.fin, flags.push, flags.ack);
        if flags.ack {
            header.acknowledgment_number = *self.next_mut(from.other());
        }
        let mut bytes = Vec::with_capacity(payload.len() + 64);
        ip(source.ip(), target.ip())?.tcp_header(header).write(&mut bytes, payload).map_err(io::Error::other)?;
        let counted = u32::try_from(payload.len()).unwrap_or(0) + u32::from(flags.syn) + u32::from(flags.fin);
        self.skip(from, counted);
        packet(at, &bytes, comments, out)?;
        comments.clear();
        Ok(())
    }

    fn next_mut(&mut self, side: Side) -> &mut u32 {
        let [client, server] = &mut self.next;
        if side == Side::Client { client } else { server }
    }
}

#[derive(Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "TCP has them")]
struct Flags {
    syn: bool,
    fin: bool,
    push: bool,
    ack: bool,
}

fn ip(source: IpAddr, target: IpAddr) -> io::Result<PacketBuilderStep<etherparse::IpHeaders>> {
    match (source, target) {
        (IpAddr::V4(source), IpAddr::V4(target)) => Ok(PacketBuilder::ipv4(source.octets(), target.octets(), HOPS)),
        (IpAddr::V6(source), IpAddr::V6(target)) => Ok(PacketBuilder::ipv6(source.octets(), target.octets(), HOPS)),
        _ => Err(io::Error::other("addresses of two families in one connection")),
    }
}
