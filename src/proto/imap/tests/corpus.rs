//! What the real Thunderbird and the real Dovecot said to each other, in the order in which it was relayed.
//! Takes the reads of both sockets; every piece must be understood, whatever the cuts.
//! Does not know what is expected of single lines; see `traps`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/thunderbird")
}

/// The reads of a connection: who, and what.
pub(super) fn reads(name: &str) -> Vec<(Side, Vec<u8>)> {
    let file = |end: &str| std::fs::read(folder().join(format!("{name}.{end}"))).unwrap();
    let (client, server) = (file("client.bin"), file("server.bin"));
    let times = String::from_utf8(file("times.jsonl")).unwrap();
    times
        .lines()
        .map(|line| {
            let read: Value = serde_json::from_str(line).unwrap();
            let (side, bytes) = if read["from"] == "client" { (C, &client) } else { (S, &server) };
            let offset = read["offset"].as_u64().unwrap() as usize;
            (side, bytes[offset..offset + read["bytes"].as_u64().unwrap() as usize].to_vec())
        })
        .collect()
}

fn understood(name: &str) -> Recorder {
    let reads = reads(name);
    let whole = run(&reads, usize::MAX);
    let raw: Vec<_> = summary(&whole).into_iter().filter(|line| line.contains(" raw ")).collect();
    assert!(raw.is_empty(), "{raw:#?}");
    assert_eq!(whole.notes, []);
    assert_eq!(whole.users, ["user@ranchtest.local"]);
    for found in &whole.pieces {
        if let Body::Reply(reply) = &found.body {
            assert!(reply.tag.is_none() || reply.answers.is_some(), "{found:?}");
        }
        let shown = String::from_utf8_lossy(&found.masked()).into_owned();
        assert!(!shown.contains("UmFuY2gtU2VjcmV0") && !shown.contains("Ranch-Secret"), "{shown}");
    }
    for size in [1, 7, 1000] {
        assert_eq!(summary(&run(&reads, size)), summary(&whole), "in reads of {size}");
    }
    whole
}

fn run(reads: &[(Side, Vec<u8>)], size: usize) -> Recorder {
    let mut talk = Talk::new();
    for (side, bytes) in reads {
        for chunk in bytes.chunks(size) {
            talk.say(*side, chunk);
        }
    }
    assert_eq!(talk.held(C), b"");
    talk.end();
    if talk.out.compress.is_empty() {
        for side in Side::BOTH {
            let stream: Vec<u8> = reads.iter().filter(|read| read.0 == side).flat_map(|read| read.1.clone()).collect();
            assert_eq!(talk.wire(side), stream);
        }
    }
    talk.out
}

#[test]
fn thunderbird_in_plaintext() {
    for name in ["plain/01-imap", "plain/02-imap", "plain/04-imap"] {
        let out = understood(name);
        assert_eq!(out.compress, [] as [&str; 0], "{name}");
    }
}

#[test]
fn thunderbird_compresses() {
    for name in ["compress/01-imap", "compress/02-imap", "compress/04-imap"] {
        let out = understood(name);
        assert_eq!(out.compress, ["DEFLATE"], "{name}");
    }
    let all =
        ["compress/01-imap", "compress/02-imap", "compress/04-imap"].map(|name| summary(&understood(name)).join("\n"));
    assert!(all[1].contains("continues=") && all[1].contains("UID FETCH"), "{}", all[1]);
    assert!(all[0].contains("APPEND {\"mailbox\":\"Sent\",\"flags\":[\"\\\\Seen\"],\"bytes\":434}"), "{}", all[0]);
}
