//! Deflate on both sides of a played server (RFC 1951, RFC 4978), really done.
//! Takes plain bytes and gives deflated ones, each flushed, and the reverse.
//! Does not know what is said.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// How much room is made at a time, bytes.
const ROOM: usize = 16 * 1024;

/// How much may come of one input, bytes. Deflate grows by a factor of 1,032 at most; whoever sends more than commands
/// of that kind wants to fill the memory.
const INFLATED_MAX: usize = 64 << 20;

pub struct Codec {
    inflate: Decompress,
    deflate: Compress,
}

impl Codec {
    #[must_use]
    pub fn new() -> Codec {
        Codec { inflate: Decompress::new(false), deflate: Compress::new(Compression::default(), false) }
    }

    /// Appends what the bytes hold. False where they are no deflate, or too much.
    #[must_use]
    pub fn inflate(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> bool {
        let before = out.len();
        loop {
            out.reserve(ROOM);
            let (taken, given) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress_vec(bytes, out, FlushDecompress::Sync);
            let taken = usize::try_from(self.inflate.total_in() - taken).unwrap_or(0);
            let given = self.inflate.total_out() - given;
            bytes = bytes.get(taken..).unwrap_or_default();
            match status {
                Ok(Status::Ok | Status::BufError) if out.len() - before > INFLATED_MAX => return false,
                Ok(Status::Ok | Status::BufError) if taken == 0 && given == 0 => return true,
                Ok(Status::Ok | Status::BufError) => {}
                // Some clients end their stream before they close the connection.
                Ok(Status::StreamEnd) => return true,
                Err(_) => return false,
            }
        }
    }

    /// The bytes deflated, up to a flush: the client can read all of it.
    #[must_use]
    pub fn deflate(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            out.reserve(ROOM);
            let before = self.deflate.total_in();
            // A write into memory fails only for want of room, and there is some.
            let _ = self.deflate.compress_vec(bytes, &mut out, FlushCompress::Sync);
            let taken = usize::try_from(self.deflate.total_in() - before).unwrap_or(0);
            bytes = bytes.get(taken..).unwrap_or_default();
            if bytes.is_empty() && out.len() < out.capacity() {
                return out;
            }
        }
    }
}

impl Default for Codec {
    fn default() -> Codec {
        Codec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::Codec;

    #[test]
    fn what_one_deflates_the_other_inflates() {
        let (mut server, mut client) = (Codec::new(), Codec::new());
        for size in [0, 1, 100, 100_000, 3] {
            let text: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            let mut back = Vec::new();
            for byte in server.deflate(&text) {
                assert!(client.inflate(&[byte], &mut back));
            }
            assert_eq!(back, text);
        }
        assert!(!Codec::new().inflate(b"\xff\xff\xff", &mut Vec::new()));
    }
}
