//! The upgrade to TLS with arbitrary cuts, orders and refusals: nothing injected is passed on.
#![no_main]

#[path = "../../tests/it/laws/check.rs"]
#[allow(dead_code)]
mod check;

use libfuzzer_sys::fuzz_target;
use mailtap::event::Side;
use mailtap::proto;

/// What the fuzzer composes a conversation of.
const PARTS: &[&[u8]] = &[
    b"a STARTTLS\r\n",
    b"STARTTLS\r\n",
    b"STLS\r\n",
    b"a OK go\r\n",
    b"a NO no\r\n",
    b"220 go\r\n",
    b"220-",
    b"454 no\r\n",
    b"+OK go\r\n",
    b"-ERR no\r\n",
    b"* OK hi\r\n",
    b"+OK hi\r\n",
    b"220 hi\r\n",
    b"250-x\r\n250 STARTTLS\r\n",
    b"EHLO x\r\n",
    b"b NOOP\r\n",
    b"NOOP\r\n",
    b"\x16\x03\x01\x00\x05hello",
    b"a LOGIN j {3}\r\n",
    b"abc\r\n",
    b"+ \r\n",
    b"\r\n",
    b"\n",
    b"a",
    b"OK\r\n",
];

fuzz_target!(|input: &[u8]| {
    let [protocol, cut, rest @ ..] = input else { return };
    let spec = proto::ALL[usize::from(*protocol) % proto::ALL.len()];
    let said: Vec<check::Said> = rest
        .iter()
        .take(64)
        .map(|byte| {
            let side = if byte & 0x80 == 0 { Side::Client } else { Side::Server };
            (side, PARTS[usize::from(byte & 0x7f) % PARTS.len()].to_vec())
        })
        .collect();
    check::check(spec, &said, usize::from(*cut % 40) + 1);
});
