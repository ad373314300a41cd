//! The upgrade to TLS with arbitrary cuts, orders and refusals, on legs of every kind: nothing injected is passed on.
#![no_main]

#[path = "../../tests/it/laws/check.rs"]
#[allow(dead_code)]
mod check;
#[path = "../../tests/it/laws/upgrade.rs"]
mod upgrade;

use libfuzzer_sys::fuzz_target;
use mailtap::event::Side;
use mailtap::proto;
use upgrade::{LEGS, PARTS, Plan, Turn};

/// Bytes of the input that are no part of what is said, save its side.
const WAITS: u8 = 0x7f;
const ENDS: u8 = 0x7e;

fuzz_target!(|input: &[u8]| {
    let [protocol, cut, rest @ ..] = input else { return };
    let count = proto::ALL.len();
    let spec = proto::ALL[usize::from(*protocol) % count];
    let plan = usize::from(*protocol) / count;
    let side = |byte: u8| if byte & 0x80 == 0 { Side::Client } else { Side::Server };
    let cut = usize::from(*cut % 40) + 1;
    let turns: Vec<Turn> = rest
        .iter()
        .take(64)
        .map(|byte| match byte & 0x7f {
            WAITS => Turn::Waits,
            ENDS => Turn::Ends(side(*byte)),
            part => Turn::Says(side(*byte), PARTS[usize::from(part) % PARTS.len()].to_vec()),
        })
        .collect();
    let said: Vec<check::Said> = turns
        .iter()
        .filter_map(|turn| match turn {
            Turn::Says(side, bytes) => Some((*side, bytes.clone())),
            _ => None,
        })
        .collect();
    check::check(spec, &said, cut);
    let fails = [None, Some(Side::Server), Some(Side::Client)];
    let plan = Plan { legs: LEGS[plan % LEGS.len()], fails: fails[plan / LEGS.len() % fails.len()], cut };
    // Where parts are joined, one comes behind another in the same reading.
    upgrade::check(spec, plan, &turns);
    upgrade::check(spec, Plan { cut: usize::MAX, ..plan }, &joined(&turns));
});

/// What a side says in one go.
fn joined(turns: &[Turn]) -> Vec<Turn> {
    let mut joined: Vec<Turn> = Vec::new();
    for turn in turns {
        match (joined.last_mut(), turn) {
            (Some(Turn::Says(side, said)), Turn::Says(again, more)) if side == again => said.extend_from_slice(more),
            _ => joined.push(turn.clone()),
        }
    }
    joined
}
