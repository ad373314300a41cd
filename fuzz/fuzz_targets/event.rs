//! Any line of a recording: it is read or refused, and what was read is written and read back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailtap::event::Event;

fuzz_target!(|line: &[u8]| {
    let Ok(event) = Event::from_json(line) else { return };
    let again = event.to_json();
    let back = Event::from_json(again.as_bytes()).expect("what was written can be read");
    assert_eq!(back.to_json(), again);
});
