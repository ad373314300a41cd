//! Peers that say too much: endless lines, commands by the thousand, nested beyond reason, bombs. The relay passes all of it
//! on unchanged, and its memory stays where it is.
//! Takes peers played here, reads the program's memory from the system. Does not know how the relay is built.

use std::io::{Read, Write};
use std::thread;

use crate::support::peers::{Peer, Stage};
use crate::support::recording::Recording;

/// What the program may take at the most, in KiB: some 30 MiB to begin with, and what a session holds. Less than what
/// is said to it, so that it cannot have kept it.
const MEMORY_MAX: u64 = 60 * 1024;

#[track_caller]
fn memory_is_bounded(stage: &Stage) {
    let peak = stage.mailtap.memory_peak();
    assert!(peak < MEMORY_MAX, "{peak} KiB");
}

/// One says the block so many times, while the other hears all of it and nothing else.
#[track_caller]
fn flows(mut from: Peer, to: &mut Peer, block: &[u8], times: usize) -> Peer {
    let said = block.to_vec();
    let saying = thread::spawn(move || {
        (0..times).for_each(|_| from.say(&said));
        from
    });
    let mut heard = vec![0; block.len()];
    for _ in 0..times {
        to.socket.read_exact(&mut heard).expect("all of it");
        assert!(heard == block, "as it was said");
    }
    saying.join().expect("who says it")
}

#[track_caller]
fn passed(stage: &Stage, client: u64, server: u64) -> Recording {
    let recording = stage.recording();
    let close = recording.one("close");
    assert_eq!((close["client_bytes"].as_u64(), close["server_bytes"].as_u64()), (Some(client), Some(server)));
    recording
}

#[test]
fn lines_without_end() {
    let mut block = vec![b'x'; 1 << 20];
    block[77] = 0;
    for (scheme, greeting, mebibytes) in
        [("imap", "* OK hi\r\n", 100), ("smtp", "220 hi\r\n", 4), ("pop3", "+OK hi\r\n", 4), ("sieve", "OK\r\n", 4)]
    {
        let stage = Stage::new(scheme, &[]);
        let (client, mut server) = stage.greeted(greeting);
        let mut client = flows(client, &mut server, &block, mebibytes);
        let server = flows(server, &mut client, &block, 4);
        memory_is_bounded(&stage);
        drop((server, client));
        passed(&stage, (mebibytes as u64) << 20, (4 << 20) + greeting.len() as u64);
    }
}

#[test]
fn very_many_commands_at_once() {
    for (scheme, greeting, command, reply) in
        [("smtp", "220 hi\r\n", "NOOP\r\n", "250 ok\r\n"), ("pop3", "+OK hi\r\n", "NOOP\r\n", "+OK\r\n")]
    {
        let stage = Stage::new(scheme, &[]);
        let (client, mut server) = stage.greeted(greeting);
        // The server answers as it hears; a client that does not listen meanwhile would block both.
        let mut hears = Peer { socket: client.socket.try_clone().expect("a second handle") };
        const COMMANDS: usize = 10_000;
        let mut says = client;
        let saying = thread::spawn(move || {
            let block = command.repeat(1000);
            (0..COMMANDS / 1000).for_each(|_| says.say(&block));
            says.half_close();
        });
        let listening = thread::spawn(move || hears.rest().len());
        let mut block = vec![0; 64 * 1024];
        let (mut heard, mut answered) = (0, 0);
        loop {
            let read = server.socket.read(&mut block).expect("the client's commands");
            if read == 0 {
                break;
            }
            heard += read;
            let due = heard / command.len() - answered;
            server.say(reply.repeat(due));
            answered += due;
        }
        drop(server);
        saying.join().expect("the client");
        assert_eq!(answered, COMMANDS);
        assert_eq!(listening.join().expect("the client"), COMMANDS * reply.len());
        memory_is_bounded(&stage);
        let recording =
            passed(&stage, (COMMANDS * command.len()) as u64, (COMMANDS * reply.len() + greeting.len()) as u64);
        assert_eq!(recording.one("close")["commands"], COMMANDS);
    }
}

#[test]
fn a_server_that_never_answers_a_flood_of_commands_still_gets_it() {
    let stage = Stage::new("imap", &[]);
    let (mut client, mut server) = stage.greeted("* OK hi\r\n");
    let commands: String = (0..3000).map(|number| format!("a{number} NOOP\r\n")).collect();
    client.say(&commands);
    client.half_close();
    assert!(server.rest() == commands.as_bytes());
    drop(server);
    passed(&stage, commands.len() as u64, 9);
}

#[test]
fn sizes_and_depths_beyond_reason() {
    let nested = "(".repeat(100_000);
    for said in [
        "* 1 FETCH (BODY[] {9223372036854775808}\r\n".to_owned(),
        "* 1 FETCH (BODY[] {18446744073709551616}\r\n".to_owned(),
        format!("* 1 FETCH (BODYSTRUCTURE {nested}\r\n"),
        format!("* LIST {nested}{}\r\n", ")".repeat(100_000)),
        format!("* OK [{}\r\n", "[".repeat(100_000)),
        "* 4294967295 EXISTS\r\n* 99999999999999999999 EXISTS\r\n* -1 EXISTS\r\n".to_owned(),
        "* 1 FETCH (FLAGS (\\Seen))\r\n".repeat(10_000),
        format!("* LIST () \"/\" {{5}}\r\nINBOX{}\r\n", " {0}\r\n".repeat(1000)),
    ] {
        let stage = Stage::new("imap", &[]);
        let (mut client, mut server) = stage.greeted("* OK hi\r\n");
        let asked = "a SEARCH ".to_owned() + &nested + "\r\nb APPEND x {9223372036854775807+}\r\n";
        client.say(&asked);
        server.hear(&asked);
        server.say(&said);
        client.hear(&said);
        client.say("more of it");
        server.hear("more of it");
        memory_is_bounded(&stage);
        drop((client, server));
        let recording = passed(&stage, asked.len() as u64 + 10, said.len() as u64 + 9);
        recording.compare("server", format!("* OK hi\r\n{said}").as_bytes()).unwrap_or_else(|text| panic!("{text}"));
    }
}

#[test]
fn a_byte_at_a_time() {
    let stage = Stage::new("imap", &[]);
    let (mut client, mut server) = stage.greeted("* OK hi\r\n");
    let asked = "a LOGIN {3}\r\n";
    for byte in asked.bytes() {
        client.say([byte]);
    }
    server.hear(asked);
    server.say("+ go\r\n");
    client.hear("+ go\r\n");
    for byte in "joe secret\r\nb FETCH 1 BODY[]\r\n".bytes() {
        client.say([byte]);
    }
    server.hear("joe secret\r\nb FETCH 1 BODY[]\r\n");
    let answer = "a OK in\r\n* 1 FETCH (BODY[] {4}\r\na\0b\n)\r\nb OK done\r\n";
    for byte in answer.bytes() {
        server.say([byte]);
        client.hear([byte]);
    }
    drop((client, server));
    let recording = stage.recording();
    assert_eq!(recording.verbs(), ["LOGIN", "FETCH"], "{}", recording.dump());
}
/// A server's side after COMPRESS.
fn compressed(stage: &Stage) -> (Peer, Peer) {
    let (mut client, mut server) = stage.greeted("* OK hi\r\n");
    client.say("a COMPRESS DEFLATE\r\n");
    server.hear("a COMPRESS DEFLATE\r\n");
    server.say("a OK go\r\n");
    client.hear("a OK go\r\n");
    (client, server)
}

fn deflated(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).expect("in memory");
    encoder.flush().expect("in memory");
    encoder.get_ref().clone()
}

#[test]
fn a_bomb_behind_compress() {
    let stage = Stage::new("imap", &["--bodies", "none"]);
    let (client, mut server) = compressed(&stage);
    // 24 MiB in some 24 KiB.
    let mut client = client;
    let bomb = deflated(&vec![b'x'; 24 << 20]);
    assert!(bomb.len() < 128 * 1024);
    let said = bomb.clone();
    let saying = thread::spawn(move || {
        server.say(said);
        server
    });
    let mut heard = vec![0; bomb.len()];
    client.socket.read_exact(&mut heard).expect("all of it");
    assert!(heard == bomb);
    drop((client, saying.join().expect("the server")));
    let close = stage.recording().one("close").clone();
    memory_is_bounded(&stage);
    assert_eq!(close["server_bytes"].as_u64(), Some((24 << 20) + 9 + 9), "{close}");
}

#[test]
fn what_is_no_deflate_is_recorded_as_it_came() {
    let good = deflated(b"* 1 EXISTS\r\n* 2 EXI");
    // A block of a type that there is not, in the middle of what is good.
    let bad = [good.as_slice(), b"\xff\xff and words in plaintext\r\n", &[7; 600]].concat();
    for cut in [1, 7, 5000] {
        let stage = Stage::new("imap", &[]);
        let (mut client, mut server) = compressed(&stage);
        for part in bad.chunks(cut) {
            server.say(part);
            client.hear(part);
        }
        client.say("\x07\x07\x07\x07");
        server.hear("\x07\x07\x07\x07");
        server.say("still here");
        client.hear("still here");
        drop((client, server));
        let recording = stage.recording();
        let wanted =
            ["* OK hi\r\na OK go\r\n* 1 EXISTS\r\n* 2 EXI".as_bytes(), &bad[good.len()..], b"still here"].concat();
        recording
            .compare("server", &wanted)
            .unwrap_or_else(|text| panic!("in pieces of {cut}: {text}\n{}", recording.dump()));
        recording
            .compare("client", b"a COMPRESS DEFLATE\r\n\x07\x07\x07\x07")
            .unwrap_or_else(|text| panic!("{text}\n{}", recording.dump()));
        assert!(recording.note_codes().contains(&"lost-sync".to_owned()));
    }
}
