//! The blocks of a pcapng file: section header, interface, packet.
//! Takes texts, times and packets, writes them with their lengths and options, in little-endian order.
//! Knows nothing of TCP. The format: IETF draft-ietf-opsawg-pcapng §3 and §4.

use std::io::{self, Write};

use crate::event::Stamp;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;

/// Says in which order the bytes of the section's numbers stand.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;

/// Packets begin with the IP header, version 4 or 6 (LINKTYPE_RAW).
const LINK_RAW: u16 = 101;

const OPTION_END: u16 = 0;
const OPTION_COMMENT: u16 = 1;
const OPTION_APPLICATION: u16 = 4;
const OPTION_NAME: u16 = 2;

/// How long an option's text may be: its length has 16 bits, and readers refuse far longer ones.
const OPTION_MAX: usize = 32 * 1024;

/// The file's beginning: which program made it.
pub(super) fn section(application: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut body = Vec::new();
    body.extend(BYTE_ORDER.to_le_bytes());
    // Version 1.0, and a section of unknown length.
    body.extend([1, 0, 0, 0]);
    body.extend((-1_i64).to_le_bytes());
    option(OPTION_APPLICATION, application, &mut body);
    option(OPTION_END, "", &mut body);
    block(SECTION, &body, out)
}

/// Where the packets were taken. Times are in microseconds, as they are where nothing else is said.
pub(super) fn interface(name: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut body = Vec::new();
    body.extend(LINK_RAW.to_le_bytes());
    // Two unused bytes, and no limit to a packet's length.
    body.extend([0; 6]);
    option(OPTION_NAME, name, &mut body);
    option(OPTION_END, "", &mut body);
    block(INTERFACE, &body, out)
}

pub(super) fn packet(at: Stamp, bytes: &[u8], comments: &[String], out: &mut dyn Write) -> io::Result<()> {
    let time = u64::try_from(at.0).unwrap_or(0);
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut body = Vec::with_capacity(bytes.len() + 64);
    // The first and only interface.
    body.extend(0_u32.to_le_bytes());
    #[expect(clippy::cast_possible_truncation, reason = "the lower half of the time")]
    body.extend([(time >> 32) as u32, time as u32, length, length].into_iter().flat_map(u32::to_le_bytes));
    body.extend_from_slice(bytes);
    pad(&mut body);
    if !comments.is_empty() {
        for comment in comments {
            option(OPTION_COMMENT, comment, &mut body);
        }
        option(OPTION_END, "", &mut body);
    }
    block(PACKET, &body, out)
}

fn block(kind: u32, body: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let length = u32::try_from(body.len() + 12).map_err(io::Error::other)?.to_le_bytes();
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&length)?;
    out.write_all(body)?;
    out.write_all(&length)
}

fn option(code: u16, text: &str, body: &mut Vec<u8>) {
    let end = (0..=OPTION_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    let text = text.get(..end.unwrap_or(0)).unwrap_or_default();
    body.extend(code.to_le_bytes());
    body.extend(u16::try_from(text.len()).unwrap_or(0).to_le_bytes());
    body.extend_from_slice(text.as_bytes());
    pad(body);
}

/// Everything begins at a multiple of four bytes.
fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}
