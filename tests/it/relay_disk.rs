//! The disk and the reader behind the relay: slow, full, killed, shared. Mail flows on, and the recording says what it
//! lacks.
//! Takes peers played here and limits of the system. Does not know how recordings are written.

use std::io::{Read, Write};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::mailtap::{Mailtap, run};
use crate::support::peers::{Peer, Stage};
use crate::support::recording::Recording;
use crate::support::{program, wait_for};

/// Sets the limit of a file's size for the running program, in bytes.
#[track_caller]
fn limit_files(mailtap: &Mailtap, to: &str) {
    let set = Command::new(program("prlimit", "util-linux"))
        .args(["--pid", &mailtap.pid().to_string(), &format!("--fsize={to}:unlimited")])
        .status();
    assert!(set.is_ok_and(|status| status.success()), "the limit is set");
}

/// The last whole line of the only recording, while it may grow.
fn seqs(stage: &Stage) -> Vec<Value> {
    let all = std::fs::read_dir(stage.mailtap.dir.join("sessions")).into_iter().flatten().flatten();
    let files =
        all.filter(|day| day.path().is_dir()).flat_map(|day| std::fs::read_dir(day.path()).into_iter().flatten());
    let text = files.flatten().map(|file| std::fs::read_to_string(file.path()).unwrap_or_default()).collect::<String>();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn talk(client: &mut Peer, server: &mut Peer, command: &str, reply: &str) {
    client.say(command);
    server.hear(command);
    server.say(reply);
    client.hear(reply);
}

#[test]
fn a_full_disk_lets_mail_flow_on_and_leaves_a_gap() {
    let stage = Stage::new("smtp", &["--bodies", "none"]);
    let (mut client, mut server) = stage.greeted("220 hi\r\n");
    talk(&mut client, &mut server, "EHLO x\r\n", "250 x\r\n");
    wait_for("the reply in the recording", || seqs(&stage).iter().any(|event| event["status"] == "250").then_some(()));
    limit_files(&stage.mailtap, "1");
    let (command, reply) = ("NOOP lost\r\n", "250 lost as well\r\n");
    for _ in 0..100 {
        talk(&mut client, &mut server, command, reply);
    }
    // A gap counts what was received, and not what would stand in the recording.
    talk(&mut client, &mut server, "AUTH PLAIN AGpvZQBzM2NyZXQtczNjcmV0LXMzY3JldA==\r\n", "235 in\r\n");
    talk(&mut client, &mut server, "DATA\r\n", "354 go\r\n");
    talk(&mut client, &mut server, "a message\r\n.\r\n", "250 taken\r\n");
    wait_for("word of the full disk", || stage.mailtap.errors().contains("cannot be written").then_some(()));
    // One that comes and goes meanwhile.
    let (short, mut its_server) = stage.greeted("220 second\r\n");
    drop(short);
    its_server.rest();
    drop(its_server);
    wait_for("word of both sessions", || {
        let said = stage.mailtap.errors();
        let lines = said.lines().filter(|line| line.contains("cannot be written"));
        let sessions: std::collections::BTreeSet<&str> =
            lines.filter_map(|line| line.split("session=").nth(1)?.split(' ').next()).collect();
        (sessions.len() == 2).then_some(())
    });
    limit_files(&stage.mailtap, "unlimited");
    talk(&mut client, &mut server, "NOOP kept\r\n", "250 kept\r\n");
    drop((client, server));
    let mut recordings = stage.mailtap.recordings(2);
    let second = recordings.remove(1);
    let recording = recordings.remove(0);
    let kinds: Vec<&str> = second.events.iter().filter_map(|event| event["kind"].as_str()).collect();
    assert_eq!(kinds, ["open", "gap", "close"], "{}", second.dump());
    assert_eq!((second.one("gap")["bytes"].as_u64(), second.one("gap")["side"].as_str()), (Some(12), Some("server")));
    let gaps = recording.of_kind("gap");
    let lost = |side: &str| -> u64 {
        gaps.iter().filter(|gap| gap["side"] == side).filter_map(|gap| gap["bytes"].as_u64()).sum()
    };
    let bytes = |side: &str| recording.stream(side).concat().len() as u64 + lost(side);
    let close = recording.one("close");
    assert!(lost("client") > 0 && lost("server") > 0, "{}", recording.dump());
    assert_eq!(Some(bytes("client")), close["client_bytes"].as_u64(), "{}", recording.dump());
    assert_eq!(Some(bytes("server")), close["server_bytes"].as_u64());
    assert!(gaps.iter().all(|gap| gap["why"].as_str().is_some_and(|why| why.contains("could not be written"))));
    assert_eq!(close["commands"], 104);
    let seqs: Vec<u64> = recording.events.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]), "{seqs:?}");
    let kept = String::from_utf8(recording.stream("client").concat()).expect("text");
    assert!(kept.ends_with("NOOP kept\r\n") || lost("client") >= 11, "what came after is there: {kept}");
}

#[test]
fn a_reader_that_does_not_read_holds_the_writer_up() {
    let stage = Stage::new("smtp", &["--bodies", "none"]);
    let (mut client, mut server) = stage.greeted("220 hi\r\n");
    talk(&mut client, &mut server, "DATA\r\n", "354 go\r\n");
    client.socket.set_write_timeout(Some(Duration::from_millis(500))).expect("a limit");
    let block = b"a line of a long message\r\n".repeat(40_000);
    let mut said = 0;
    // Until nothing goes any more: the buffers of the system are full, and those of the relay.
    loop {
        match client.socket.write(&block) {
            Ok(written) => said += written,
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                break;
            }
        }
        assert!(said < 200 << 20, "the writer is held up");
    }
    let peak = stage.mailtap.memory_peak();
    assert!(peak < 60 * 1024, "{peak} KiB");
    client.half_close();
    let mut heard = 0;
    let mut into = vec![0; 1 << 20];
    while let Ok(read @ 1..) = server.socket.read(&mut into) {
        heard += read;
    }
    assert_eq!(heard, said, "and then it gets all of it");
}

#[test]
fn after_a_kill_every_reader_passes_over_the_torn_line() {
    let stage = Stage::new("imap", &[]);
    let (mut client, mut server) = stage.greeted("* OK hi\r\n");
    talk(&mut client, &mut server, "a NOOP\r\n", "a OK done\r\n");
    wait_for("the reply in the recording", || seqs(&stage).iter().any(|event| event["tag"] == "a").then_some(()));
    stage.mailtap.signal("KILL");
    assert_eq!(client.rest(), b"");
    let recording = Recording::all(&stage.mailtap.dir).expect("whole lines").remove(0);
    let mut file = std::fs::OpenOptions::new().append(true).open(&recording.path).expect("the recording");
    file.write_all(b"{\"seq\":7,\"at\":\"2026-").expect("a torn line");
    for args in [
        &["show", "last"][..],
        &["tail"],
        &["tail", "last", "--json"],
        &["export", "last", "--format", "jsonl"],
        &["export", "last", "--format", "raw-client"],
    ] {
        let ran = run(&stage.mailtap.dir, args).expect_ok();
        assert!(ran.text().contains("a NOOP"), "{ran}");
        assert!(ran.errors().contains("torn"), "{ran}");
    }
    let listed = run(&stage.mailtap.dir, &["sessions", "--json"]).expect_ok().text();
    let line: Value = serde_json::from_str(listed.trim()).expect("one line");
    assert_eq!((line["status"].as_str(), line["commands"].as_u64()), (Some("unfinished"), Some(1)), "{line}");
}

#[test]
fn two_processes_share_a_folder() {
    let one = Stage::new("imap", &[]);
    let dir = one.mailtap.dir.display().to_string();
    // The later --dir counts, as everywhere on the command line.
    let two = Stage::new("imap", &["--dir", &dir]);
    let sessions = 40;
    std::thread::scope(|scope| {
        for stage in [&one, &two] {
            scope.spawn(move || {
                for _ in 0..sessions {
                    let (mut client, mut server) = stage.greeted("* OK hi\r\n");
                    talk(&mut client, &mut server, "a LOGOUT\r\n", "* BYE\r\na OK\r\n");
                }
            });
        }
    });
    one.mailtap.recordings(2 * sessions);
    let index = wait_for("all in the index", || {
        let index = std::fs::read_to_string(one.mailtap.dir.join("sessions/index.jsonl")).ok()?;
        (index.matches("\"status\":\"closed\"").count() == 2 * sessions).then_some(index)
    });
    let lines: Vec<Value> = index
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert_eq!(lines.len(), 4 * sessions);
    let listed = run(&one.mailtap.dir, &["sessions", "--json"]).expect_ok().text();
    assert_eq!(listed.lines().filter(|line| line.contains("\"status\":\"closed\"")).count(), 2 * sessions);
}
