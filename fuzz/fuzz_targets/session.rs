//! Any two peers in any protocol, cut anywhere: the laws hold.
#![no_main]

#[path = "../../tests/it/laws/check.rs"]
#[allow(dead_code)]
mod check;

use libfuzzer_sys::fuzz_target;
use mailtap::event::Side;
use mailtap::proto;

fuzz_target!(|input: &[u8]| {
    let [protocol, cut, rest @ ..] = input else { return };
    let spec = proto::ALL[usize::from(*protocol) % proto::ALL.len()];
    // Sayings are separated by 0xFF, the sides take turns; an empty one lets the same side go on.
    let said: Vec<check::Said> = rest
        .split(|&byte| byte == 0xff)
        .enumerate()
        .map(|(turn, bytes)| (if turn % 2 == 0 { Side::Server } else { Side::Client }, bytes.to_vec()))
        .collect();
    // One of eight cuts also writes the events down and reads them back.
    check::check_laws(spec, &said, usize::from(*cut) + 1, cut % 8 == 0);
});
