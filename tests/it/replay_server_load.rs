//! Played servers under load: how long many answers take, and what a client that does not read costs.
//! Takes recordings made here and clients that send much at once.
//! Does not look at what is answered beyond its end; other tests do.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::replay_server_rules::files;
use crate::support::mailtap::Mailtap;

const PATIENCE: Duration = Duration::from_secs(30);

fn started(talk: &str, more: &[&str]) -> (tempfile::TempDir, Mailtap, TcpStream) {
    let (folder, paths) = files(&[("imap", talk)]);
    let args = [&["replay", "server", "--json", paths[0].to_str().unwrap()], more].concat();
    let server = Mailtap::launch(&args, 1);
    let client = TcpStream::connect(server.addresses().next().unwrap()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    (folder, server, client)
}

/// A wait of the timer for each answer would be 20 s.
#[test]
fn many_answers_come_at_once() {
    const MANY: usize = 20_000;
    let (_folder, _server, mut client) =
        started("S: * OK in\nC: a NOOP\nS: a OK nothing\nC: b LOGOUT\nS: b OK bye", &[]);
    let began = Instant::now();
    let mut sender = client.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        let lines: String = (0..MANY).map(|number| format!("n{number} NOOP\r\n")).collect();
        sender.write_all(lines.as_bytes()).unwrap();
    });
    let mut answers = BufReader::new(&mut client).lines().map_while(Result::ok);
    let last = format!("n{} OK", MANY - 1);
    assert!(answers.any(|line| line.starts_with(&last)), "the last answer");
    sending.join().unwrap();
    assert!(began.elapsed() < PATIENCE / 2, "{:?} for {MANY} answers", began.elapsed());
}

#[test]
fn a_client_that_does_not_read_costs_little() {
    const BODY: usize = 1 << 20;
    let body = "x".repeat(BODY);
    let talk =
        format!("S: * PREAUTH in\nC: a FETCH 1 BODY[]\nS: * 1 FETCH (BODY[] {{{BODY}}}\nS: {body})\nS: a OK fetched");
    for mode in ["ordered", "free"] {
        let (_folder, server, mut client) = started(&talk, &["--match", mode]);
        client.set_nonblocking(true).unwrap();
        // Until the client's socket is full, or all is sent.
        let mut sent = 0;
        while sent < 20_000 && client.write_all(format!("c{sent} FETCH 1 BODY[]\r\n").as_bytes()).is_ok() {
            sent += 1;
        }
        client.set_nonblocking(false).unwrap();
        let mut first = vec![0; 4 * BODY];
        std::io::Read::read_exact(&mut client, &mut first).unwrap();
        let peak = server.memory_peak();
        assert!(peak < 128 << 10, "{mode}: {peak} KiB after {sent} commands");
    }
}
