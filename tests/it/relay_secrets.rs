//! No secret in anything that the program writes: files, index, terminal, JSON, tracing at its most talkative.
//! Takes peers played here, with one word as the password in every protocol, said right, wrong and in the wrong place.
//! Does not know how redaction is done.

use std::io::Read;
use std::process::Stdio;

use crate::support::mailtap::{command, run};
use crate::support::peers::Stage;
use crate::support::recording::files_with;
use crate::support::through::spellings;
use crate::support::tls_peer::Bench;
use crate::support::wait_for;
use crate::tls_upgrade;

const CANARY: &str = "Zq8vCanaryT5hs";

fn plain() -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(format!("\0joe\0{CANARY}"))
}

/// Scheme, greeting, and what the client says with what it is answered.
type Talk = (&'static str, &'static str, Vec<(String, String)>);

fn talks() -> Vec<Talk> {
    let plain = plain();
    let said = |lines: &[(&str, &str)]| lines.iter().map(|&(one, other)| (one.to_owned(), other.to_owned())).collect();
    vec![
        (
            "pop3",
            "+OK hi\r\n",
            said(&[
                ("AUTH PLAIN\r\n", "+ \r\n"),
                (&format!("{plain}\r\n"), "-ERR [AUTH] no\r\n"),
                ("USER joe\r\n", "+OK\r\n"),
                (&format!("PASS {CANARY}\r\n"), &format!("-ERR [AUTH] bad password {CANARY}\r\n")),
                (&format!("PASS {CANARY}\r\n"), "+OK\r\n"),
                (&format!("PASS {CANARY}\r\n"), &format!("-ERR unknown: PASS {CANARY}\r\n")),
                (&format!("{CANARY}\r\n"), &format!("-ERR unknown: {CANARY}\r\n")),
                (&format!("a LOGIN joe {CANARY}\r\n"), "-ERR what?\r\n"),
            ]),
        ),
        (
            "imap",
            "* OK hi\r\n",
            said(&[
                (
                    &format!("a LOGIN joe {CANARY}\r\n"),
                    &format!("* BAD Invalid command LOGIN joe {CANARY}\r\na BAD no\r\n"),
                ),
                ("b LOGIN joe {14}\r\n", "+ go\r\n"),
                (&format!("{CANARY}\r\n"), &format!("b NO \"{CANARY}\" is wrong\r\n")),
                (&format!("PASS {CANARY}\r\n"), "PASS BAD what?\r\n"),
                (&format!("c AUTHENTICATE PLAIN {plain}\r\n"), "c OK in\r\n"),
                (
                    "d GENURLAUTH \"imap://x/;uid=1;urlauth=user+joe\" INTERNAL\r\n",
                    &format!("* GENURLAUTH \"imap://x/;uid=1;urlauth=user+joe:internal:{CANARY}\"\r\nd OK\r\n"),
                ),
            ]),
        ),
        (
            "smtp",
            "220 hi\r\n",
            said(&[
                (&format!("LOGIN joe {CANARY}\r\n"), &format!("500 5.5.1 LOGIN joe {CANARY}?\r\n")),
                (&format!("AUTH PLAIN {plain}\r\n"), &format!("500 5.5.1 unrecognized: AUTH PLAIN {plain}\r\n")),
                (&format!("BURL imap://x/;uid=1;urlauth=submit+joe:internal:{CANARY} LAST\r\n"), "554 no\r\n"),
            ]),
        ),
        (
            "sieve",
            "OK\r\n",
            said(&[(&format!("AUTHENTICATE \"PLAIN\" \"{plain}\"\r\n"), &format!("NO \"no {CANARY}\"\r\n"))]),
        ),
    ]
}

#[track_caller]
fn play(more: &[&str]) -> Vec<(Stage, String)> {
    let mut played = Vec::new();
    for (scheme, greeting, said) in talks() {
        let mut stage = Stage::new(scheme, more);
        let (mut client, mut server) = stage.greeted(greeting);
        for (line, reply) in &said {
            client.say(line);
            server.hear(line);
            server.say(reply);
            client.hear(reply);
        }
        drop((client, server));
        stage.recording();
        assert!(stage.mailtap.stop().success());
        let mut written = stage.mailtap.printed().join("\n") + &stage.mailtap.errors();
        for args in [&["show", "last", "--bodies"][..], &["tail", "--explain"], &["sessions"], &["sessions", "--json"]]
        {
            written += &run(&stage.mailtap.dir, args).expect_ok().text();
        }
        played.push((stage, written));
    }
    played
}

#[test]
fn no_secret_in_anything_that_is_written() {
    for (stage, written) in play(&["--log", "trace"]) {
        for form in spellings(CANARY) {
            let files = files_with(&stage.mailtap.dir, form.as_bytes());
            assert!(files.is_empty(), "{form} in {files:?}: {}", stage.recording().dump());
            let line = written.lines().find(|line| line.contains(&form));
            assert_eq!(line, None, "{form}");
        }
    }
}

#[test]
fn all_of_them_where_they_are_to_be_kept() {
    for (stage, written) in play(&["--keep-secrets"]) {
        let recording = stage.recording();
        assert_eq!((recording.stream("client").len(), recording.stream("server").len()), (1, 1), "nothing is masked");
        assert!(spellings(CANARY).iter().any(|form| written.contains(form)));
        assert!(!written.contains("«redacted»"));
    }
}

/// A client that takes the port of TLS for one of plaintext, or goes on in plaintext behind STARTTLS.
#[test]
fn no_secret_of_a_client_that_speaks_plaintext_where_tls_was_to_begin() {
    let plain = plain();
    let lines = [
        ("imap", format!("a LOGIN joe {CANARY}\r\n")),
        ("pop3", format!("PASS {CANARY}\r\n")),
        ("smtp", format!("AUTH PLAIN {plain}\r\n")),
        ("lmtp", format!("AUTH PLAIN {plain}\r\n")),
        ("sieve", format!("AUTHENTICATE \"PLAIN\" \"{plain}\"\r\n")),
        // Cut in the middle of the line.
        ("imap", format!("a LOGIN joe {CANARY}")),
    ];
    for (scheme, line) in &lines {
        if *scheme != "lmtp" && *scheme != "sieve" {
            let left = format!("{scheme}s");
            let bench = Bench::start(&left, &left, &["--log", "trace"]);
            let mut near = bench.client();
            near.say(line);
            let _ = near.rest();
            unspoilt(&bench, line, &["tls-plaintext"]);
        }
        let words = tls_upgrade::ALL.iter().find(|words| words.scheme == *scheme).expect("an upgrade");
        let bench = Bench::start(scheme, scheme, &["--log", "trace"]);
        let (mut near, mut far) = bench.both();
        words.greet(&mut near, &mut far);
        near.say(words.ask);
        far.hear(words.ask);
        far.say(words.yes);
        far.serve_tls(&bench.showing()).expect("the server's handshake");
        near.hear(words.yes);
        near.say(line);
        let _ = near.rest();
        unspoilt(&bench, line, &["starttls-injection", "tls-plaintext"]);
    }
}

/// The line is recorded as far as it is no secret, it is noted, and the canary is nowhere.
#[track_caller]
fn unspoilt(bench: &Bench, line: &str, notes: &[&str]) {
    let recording = bench.recording();
    for note in notes {
        assert!(recording.note_codes().iter().any(|code| code == note), "{note} in\n{}", recording.dump());
    }
    let raw = recording.one("raw");
    assert!(raw["redacted"] == true && raw["from"] == "client", "{line:?} in\n{}", recording.dump());
    let mut written = run(&bench.mailtap.dir, &["show", "last"]).expect_ok().text();
    for args in [&["tail"][..], &["sessions", "--json"]] {
        written += &run(&bench.mailtap.dir, args).expect_ok().text();
    }
    written += &(bench.mailtap.printed().join("\n") + &bench.mailtap.errors());
    for form in spellings(CANARY) {
        let files = files_with(&bench.mailtap.dir, form.as_bytes());
        assert!(files.is_empty(), "{form} in {files:?}:\n{}", recording.dump());
        assert!(!written.contains(&form), "{form} in {written}");
    }
}

#[test]
fn no_secret_in_the_text_for_people() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let to = server.local_addr().expect("its address");
    let dir = tempfile::tempdir().expect("a folder");
    let listen = crate::support::free_address();
    let route = format!("pop3://{listen}=pop3://{to}");
    let mut program = command(dir.path(), &["proxy", "--explain", "--log", "trace", "--route", &route]);
    let mut child = program.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program");
    let mut client = wait_for("the proxy", || std::net::TcpStream::connect(listen).ok());
    let (mut peer, _) = server.accept().expect("the proxy connects");
    std::io::Write::write_all(&mut client, format!("PASS {CANARY}\r\n").as_bytes()).expect("said");
    let mut heard = vec![0; 5 + CANARY.len() + 2];
    peer.read_exact(&mut heard).expect("heard");
    std::io::Write::write_all(&mut peer, format!("-ERR not {CANARY}\r\n").as_bytes()).expect("said");
    drop(peer);
    let _ = client.read_to_end(&mut Vec::new());
    drop(client);
    wait_for("the end of the session", || {
        let index = std::fs::read_to_string(dir.path().join("sessions/index.jsonl")).ok()?;
        index.contains("\"closed\"").then_some(())
    });
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().is_ok_and(|status| status.success()));
    let mut shown = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut shown).expect("text");
    assert!(child.wait().expect("its end").success());
    assert!(shown.contains("PASS «redacted»") && shown.contains("not «redacted»"), "{shown}");
    assert!(!shown.contains(CANARY), "{shown}");
}
