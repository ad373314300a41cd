//! What the taps saw, as a capture file that other programs read.
//! Takes the taps' captures and the port that tells the protocol; gives a classic pcap file with IPv4 and TCP headers.
//! Does not need the right to capture on an interface, so it works in any container.

use std::path::Path;

use super::tap::{Capture, From};

/// Payload bytes of one packet; IPv4's length field ends at 65,535.
const SEGMENT: usize = 32 * 1024;

/// Raw IP packets, without a link layer.
const LINKTYPE_RAW: u32 = 101;

/// The client's address in every capture, as text.
pub const CAPTURED_CLIENT: &str = "10.0.0.1";

const CLIENT: [u8; 4] = [10, 0, 0, 1];
const SERVER: [u8; 4] = [10, 0, 0, 2];
/// The first connection's client port; each further one has the next.
const CLIENT_PORT: u16 = 40_000;

const FIN: u8 = 1;
const SYN: u8 = 2;
const ACK: u8 = 16;

/// Writes `captures` as connections to `port`, one after the other.
pub fn write_pcap(path: &Path, captures: &[Capture], port: u16) {
    let mut file = Pcap::new();
    for (index, capture) in captures.iter().enumerate() {
        let mut talk = Talk { client_port: CLIENT_PORT + index as u16, port, sent: [1_000, 5_000] };
        talk.packet(&mut file, From::Client, SYN, &[]);
        talk.packet(&mut file, From::Server, SYN | ACK, &[]);
        talk.packet(&mut file, From::Client, ACK, &[]);
        for (side, bytes) in &capture.blocks {
            for segment in bytes.chunks(SEGMENT) {
                talk.packet(&mut file, *side, ACK, segment);
            }
        }
        talk.packet(&mut file, From::Client, FIN | ACK, &[]);
        talk.packet(&mut file, From::Server, FIN | ACK, &[]);
        talk.packet(&mut file, From::Client, ACK, &[]);
    }
    std::fs::write(path, file.bytes).expect("a capture file");
}

struct Pcap {
    bytes: Vec<u8>,
    packets: u32,
}

impl Pcap {
    fn new() -> Self {
        let mut bytes = Vec::new();
        bytes.extend(0xa1b2_c3d4_u32.to_le_bytes());
        bytes.extend(2_u16.to_le_bytes());
        bytes.extend(4_u16.to_le_bytes());
        bytes.extend([0; 8]);
        bytes.extend(262_144_u32.to_le_bytes());
        bytes.extend(LINKTYPE_RAW.to_le_bytes());
        Self { bytes, packets: 0 }
    }

    fn push(&mut self, packet: &[u8]) {
        // The times are made up: a millisecond from one packet to the next.
        self.packets += 1;
        self.bytes.extend((self.packets / 1000).to_le_bytes());
        self.bytes.extend((self.packets % 1000 * 1000).to_le_bytes());
        let length = u32::try_from(packet.len()).expect("a packet's length");
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend(packet);
    }
}

/// One connection: ports, and the next sequence number of the client and of the server.
struct Talk {
    client_port: u16,
    port: u16,
    sent: [u32; 2],
}

impl Talk {
    fn packet(&mut self, file: &mut Pcap, side: From, flags: u8, payload: &[u8]) {
        let (from, to, source, target, own) = match side {
            From::Client => (CLIENT, SERVER, self.client_port, self.port, 0),
            From::Server => (SERVER, CLIENT, self.port, self.client_port, 1),
        };
        let mut packet = Vec::with_capacity(40 + payload.len());
        packet.extend([0x45, 0]);
        packet.extend(u16::try_from(40 + payload.len()).expect("a packet's length").to_be_bytes());
        // Identification, flags, time to live, TCP, and a header checksum that nobody checks.
        packet.extend([0, 0, 0, 0, 64, 6, 0, 0]);
        packet.extend(from);
        packet.extend(to);
        packet.extend(source.to_be_bytes());
        packet.extend(target.to_be_bytes());
        packet.extend(self.sent[own].to_be_bytes());
        packet.extend(if flags & ACK == 0 { 0 } else { self.sent[1 - own] }.to_be_bytes());
        packet.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        packet.extend(payload);
        file.push(&packet);
        let counted = payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        self.sent[own] = self.sent[own].wrapping_add(counted);
    }
}
