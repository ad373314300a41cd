//! Who gets in, and what happens where nobody is behind the door: limits of sessions and descriptors, servers that are
//! not there, the end of the program.
//! Takes peers played here and limits of the system. Does not know how the relay accepts.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::mailtap::{Mailtap, run};
use crate::support::peers::Stage;
use crate::support::{DEADLINE, free_address, program, wait_for};

fn all_of(mut socket: TcpStream) -> String {
    socket.set_read_timeout(Some(DEADLINE)).expect("a limit");
    let mut heard = Vec::new();
    socket.read_to_end(&mut heard).expect("an end");
    String::from_utf8_lossy(&heard).into_owned()
}

#[test]
fn a_server_that_cannot_be_had_is_told_in_the_clients_protocol() {
    let refused = free_address();
    let to = [refused.to_string(), "no-such-host.invalid".to_owned()];
    let schemes = [("smtp", "421 "), ("imap", "* BYE "), ("pop3", "-ERR "), ("lmtp", "421 "), ("sieve", "BYE ")];
    let routes: Vec<String> = schemes
        .iter()
        .flat_map(|(scheme, _)| to.iter().map(move |host| format!("{scheme}://127.0.0.1:0={scheme}://{host}")))
        .map(|route| if route.ends_with(".invalid") { route + ":2525" } else { route })
        .collect();
    let mailtap = Mailtap::start(&routes.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    for (number, route) in routes.iter().enumerate() {
        let said = all_of(TcpStream::connect(mailtap.address(route)).expect("the proxy accepts"));
        let (_, start) = schemes[number / 2];
        assert!(said.starts_with(start) && said.ends_with("\r\n") && said.lines().count() == 1, "{route}: {said}");
        assert!(said.contains("mailtap"), "{said}");
    }
    for recording in mailtap.recordings(routes.len()) {
        assert_eq!(recording.one("close")["by"], "proxy", "{}", recording.dump());
        let codes = recording.note_codes();
        assert!(
            codes.iter().any(|code| ["upstream-refused", "upstream-unknown"].contains(&code.as_str())),
            "{codes:?}"
        );
    }
    let failed = run(&mailtap.dir, &["sessions", "--failed", "--json"]).expect_ok().text();
    assert_eq!(failed.lines().count(), routes.len());
}

#[test]
fn a_server_that_cannot_be_reached_or_does_not_answer_is_told_apart() {
    // A queue of connections that is full lets no more in, and says nothing.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    full.listen(0).expect("a listener");
    let silent = full.local_addr().expect("an address").as_socket().expect("of the internet");
    let _first = TcpStream::connect(silent).expect("one finds room");
    // No packet leaves for this one: a connection to everybody is not allowed.
    let routes =
        [format!("imap://127.0.0.1:0=imap://{silent}"), "imap://127.0.0.1:0=imap://255.255.255.255:1".to_owned()];
    let mailtap = Mailtap::start(&routes.each_ref().map(String::as_str), &[]);
    for (route, code) in routes.iter().zip(["upstream-timeout", "upstream-unreachable"]) {
        let said = all_of(TcpStream::connect(mailtap.address(route)).expect("the proxy accepts"));
        assert!(said.starts_with("* BYE [UNAVAILABLE] mailtap: "), "{said}");
        let recorded = mailtap.recordings(if code == "upstream-timeout" { 1 } else { 2 });
        assert!(recorded.iter().any(|recording| recording.note_codes().contains(&code.to_owned())), "{code}: {said}");
    }
}

#[test]
fn more_clients_than_sessions_wait_their_turn() {
    let stage = Stage::new("pop3", &["--max-sessions", "1"]);
    let (client, mut server) = stage.greeted("+OK one\r\n");
    let second = TcpStream::connect(stage.address).expect("the system accepts");
    second.set_read_timeout(Some(Duration::from_millis(300))).expect("a limit");
    let waited = (&second).read(&mut [0; 1]).expect_err("no session yet");
    assert!(matches!(waited.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
    drop(client);
    server.rest();
    drop(server);
    // Its turn comes with the end of the first.
    let (third, mut server) = stage.session();
    server.say("+OK two\r\n");
    drop(server);
    assert_eq!(all_of(second), "+OK two\r\n");
    drop(third);
}

#[test]
fn without_descriptors_it_serves_again_later() {
    let stage = Stage::new("pop3", &["--max-sessions", "1000"]);
    let set = Command::new(program("prlimit", "util-linux"))
        .args(["--pid", &stage.mailtap.pid().to_string(), "--nofile=40:40"])
        .status();
    assert!(set.is_ok_and(|status| status.success()));
    let clients: Vec<TcpStream> =
        (0..60).map(|_| TcpStream::connect(stage.address).expect("the system accepts")).collect();
    wait_for("trouble", || {
        let said = stage.mailtap.errors();
        (said.contains("could not be accepted") || said.contains("cannot be written")).then_some(())
    });
    drop(clients);
    // The ones that came through have a server each, which leaves.
    stage.drain();
    let before = Instant::now();
    loop {
        // A server may still be that of a client which has left.
        let mut client = TcpStream::connect(stage.address).expect("the system accepts");
        client.set_read_timeout(Some(Duration::from_millis(500))).expect("a limit");
        let server = stage.next_server(Duration::from_millis(500));
        if let Some(mut server) = server {
            let _ = server.socket.write_all(b"+OK again\r\n");
            let mut heard = [0; 11];
            if client.read_exact(&mut heard).is_ok() && heard == *b"+OK again\r\n" {
                return;
            }
        }
        drop(client);
        stage.drain();
        assert!(before.elapsed() < DEADLINE, "it serves again: {}", stage.mailtap.errors());
    }
}

#[test]
fn who_is_not_allowed_is_not_served() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let to = listener.local_addr().expect("its address");
    let other =
        run(std::path::Path::new("/nonexistent"), &["proxy", "--route", &format!("pop3://0.0.0.0:0=pop3://{to}")]);
    assert_eq!(other.code, Some(2), "{other}");
    assert!(other.errors().contains("--allow-from") && other.errors().lines().count() == 1, "{other}");
    let route = format!("pop3://0.0.0.0:0=pop3://{to}");
    let mailtap = Mailtap::start(&[&route], &["--allow-from", "192.0.2.0/24"]);
    // This machine itself may always.
    let port = mailtap.address(&route).port();
    let client = TcpStream::connect(("127.0.0.1", port)).expect("accepted");
    drop(listener.accept().expect("and passed on"));
    assert_eq!(all_of(client), "");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut stage = Stage::new("imap", &["--grace", "600"]);
    let (mut client, mut server) = stage.greeted("* OK hi\r\n");
    client.say("a NOOP\r\n");
    server.hear("a NOOP\r\n");
    stage.mailtap.signal("INT");
    wait_for("the first signal", || stage.mailtap.errors().contains("stopping").then_some(()));
    // The session goes on.
    let before = Instant::now();
    assert!(stage.mailtap.stop().success());
    assert!(before.elapsed() < Duration::from_secs(30));
    assert_eq!(client.rest(), b"");
    let recording = stage.recording();
    let close = recording.one("close");
    assert_eq!((close["by"].as_str(), close["reason"].as_str()), (Some("proxy"), Some("mailtap was stopped")));
    let failed = run(&stage.mailtap.dir, &["sessions", "--failed", "--json"]).expect_ok().text();
    assert_eq!(failed, "", "to be told to stop is no failure");
}
