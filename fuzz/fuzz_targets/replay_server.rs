//! Any recording, played to any client: it never panics and never hangs.
#![no_main]

use std::sync::{Arc, Mutex};

use libfuzzer_sys::fuzz_target;
use mailtap::event::{Event, Open, Origin, Side, Stamp, write_line};
use mailtap::proto::{self, Setup};
use mailtap::replay::Builder;
use mailtap::replay::casting::Casting;
use mailtap::replay::matching::Match;
use mailtap::replay::server::Player;
use mailtap::session::{Config, Log, Outbox, Session};

struct Events(Builder);

impl Log for Events {
    fn event(&mut self, event: &Event<'_>) {
        let mut line = Vec::new();
        write_line(event, &mut line);
        self.0.event(&Event::from_json(line.trim_ascii_end()).unwrap());
    }
}

fuzz_target!(|input: &[u8]| {
    let [protocol, mode, rest @ ..] = input else { return };
    let spec = proto::ALL[usize::from(*protocol) % proto::ALL.len()];
    let mode = [Match::Strict, Match::Ordered, Match::Free][usize::from(*mode) % 3];
    // Sayings are separated by 0xFF, the sides take turns; behind an empty one stands what the new client says.
    let said: Vec<&[u8]> = rest.split(|&byte| byte == 0xff).collect();
    let until = said.iter().position(|bytes| bytes.is_empty()).unwrap_or(said.len());
    let mut log = Events(Builder::new());
    let mut session = Session::new(spec, Setup::default(), false, Config::default());
    let scheme = spec.schemes[0].name;
    let route = format!("{scheme}://127.0.0.1:1={scheme}://localhost:1");
    let open = Open { format: Open::FORMAT.to_owned(), protocol: spec.name.to_owned(), route, ..Open::default() };
    session.open(Stamp(0), open, &mut log);
    for (turn, bytes) in said[..until].iter().enumerate() {
        let side = if turn % 2 == 0 { Side::Server } else { Side::Client };
        session.bytes(Stamp(0), side, bytes, &mut log, &mut Outbox::default());
    }
    session.close(Stamp(0), Origin::Client, "", &mut log);
    let Ok(script) = log.0.finish() else { return };
    let scheme = script.scheme;
    let casting = Arc::new(Mutex::new(Casting::new(vec![script], mode, true)));
    let Some(first) = casting.lock().unwrap().join(1, scheme) else { return };
    let mut acts = Vec::new();
    let mut player = Player::new(1, &first, casting, None, &mut acts);
    for bytes in said.get(until + 1..).unwrap_or_default() {
        player.client(bytes, &mut acts);
    }
});
