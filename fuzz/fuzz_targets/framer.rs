//! Any bytes in any mode, cut anywhere: the framer's cuts tile them, and do not depend on how they came.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailtap::proto::frame::{Cut, Framer, Mode};

fn run(mode: Mode, input: &[u8], size: usize) -> (Vec<(bool, Vec<u8>)>, Vec<u8>) {
    let mut framer = Framer::default();
    framer.expect(mode);
    let mut found: Vec<(bool, Vec<u8>)> = Vec::new();
    for chunk in input.chunks(size) {
        let mut at = 0;
        while at < chunk.len() {
            let (cut, used) = framer.cut(&chunk[at..]);
            at += used;
            match cut {
                None => assert_eq!(at, chunk.len()),
                Some(Cut::Line { bytes, .. }) => found.push((true, bytes.into_owned())),
                Some(Cut::Data { bytes, end }) => match found.last_mut() {
                    Some((false, data)) => {
                        data.extend_from_slice(&bytes);
                        if end.is_some() {
                            found.push((true, Vec::new()));
                        }
                    }
                    _ => {
                        found.push((false, bytes.into_owned()));
                        if end.is_some() {
                            found.push((true, Vec::new()));
                        }
                    }
                },
                Some(Cut::Raw(bytes)) => found.push((true, bytes.to_vec())),
            }
        }
    }
    (found, framer.finish())
}

fuzz_target!(|input: &[u8]| {
    let [mode, size, rest @ ..] = input else { return };
    let mode = match mode % 3 {
        0 => Mode::Line,
        1 => Mode::Dotted,
        _ => Mode::Counted(u64::from(*mode) + 1),
    };
    let whole = run(mode, rest, usize::MAX);
    assert_eq!(whole, run(mode, rest, usize::from(*size) + 1));
    let mut tiled: Vec<u8> = whole.0.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    tiled.extend(&whole.1);
    assert_eq!(tiled, rest);
});
