//! `show`, `tail`, `export`: what they print of recordings, past and growing, whole and damaged.
//! Takes recordings made here, reads what the program prints.
//! Does not know how a line is laid out, only what must stand in it and what must not.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use mailtap::event::{Body, Content, Gap, Origin};
use mailtap::store::Store;

use crate::recordings::{Session, mailtap, out, run};

fn talk(store: &Store, second: i64, random: u8) -> Session {
    let mut session = Session::open(store, second, random, "imap", "127.0.0.1:5001");
    let login = session.command(1, "LOGIN", "a LOGIN joe «redacted»\r\n");
    session.warn(1, "plaintext-password");
    session.reply(2, "OK", login, "a OK in\r\n");
    let fetch = session.command(3, "UID FETCH", "b UID FETCH 1 BODY[]\r\n");
    let content = |bytes, last| Body::Content(Content { of: fetch, bytes, last, ..Content::default() });
    session.event(4, Origin::Server, b"Subject: caf\xc3", content(13, false));
    session.event(4, Origin::Server, b"\xa9 \x1b[31mred\r\nend\xff", content(29, true));
    session.reply(5, "NO", fetch, "b NO \u{202e}\u{9b}31m\u{7} \x1b]0;x\r\n");
    session
}

#[test]
fn show_is_the_conversation() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let id = talk(&store, 0, 1).close(&store, 9, "client", Some("joe"));
    let shown = out(dir.path(), &["show", &id]);
    for part in [
        "session   20261123T033203000-040g2081",
        "client    127.0.0.1:5001",
        "server    mail.example:143 (192.0.2.7:143)",
        "user      joe",
        "0.001  C → a LOGIN joe «redacted»",
        "!! plaintext-password: look",
        "0.002  S ← a OK in  1.5 ms",
        "⋯ 29 bytes of content",
        r"b NO \u{202e}\u{9b}31m\x07 \x1b]0;x",
        "closed    by the client: it left",
        "11 from the client, 22 from the server",
    ] {
        assert!(shown.contains(part), "no {part:?} in\n{shown}");
    }
    let bodies = out(dir.path(), &["show", &id, "--bodies"]);
    assert!(bodies.contains(r"┆ Subject: café \x1b[31mred") && bodies.contains(r"┆ end\xff"), "{bodies}");
}

#[test]
fn no_control_character_comes_through_in_any_view() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let evil: String =
        (0_u8..=0x9f).map(char::from).chain("\u{202a}\u{2066}\u{200d}\u{200e}\u{feff}".chars()).collect();
    let mut session = Session::open(&store, 0, 1, &evil, &evil);
    let verb = session.command(1, &evil, &evil);
    session.reply(2, &evil, verb, &evil);
    session.warn(3, &evil);
    let gap = Gap { bytes: 1, side: evil.clone(), why: evil.clone() };
    session.event(3, Origin::Proxy, b"", Body::Gap(gap));
    session.event(4, Origin::Client, &(0..=255).collect::<Vec<u8>>(), Body::Raw);
    session.append(format!("{{\"seq\":{evil}\n").as_bytes());
    session.close(&store, 9, &evil, Some(&evil));
    for args in [
        &["show", "last"][..],
        &["show", "last", "--bodies"],
        &["show", "last", "--json"],
        &["show", "last", "--json", "--explain"],
        &["tail"],
        &["tail", "--json"],
        &["tail", "--json", "--explain"],
        &["sessions"],
        &["sessions", "--json"],
        &["tail", "last"],
    ] {
        let printed = run(dir.path(), args);
        for text in [&printed.out, &printed.err] {
            let bad = text.chars().find(|&c| {
                (c.is_control() && c != '\n')
                    || ('\u{202a}'..='\u{202e}').contains(&c)
                    || ('\u{200b}'..='\u{200f}').contains(&c)
            });
            assert_eq!(bad, None, "{args:?}");
        }
        assert_eq!(printed.status, 0, "{args:?}: {}", printed.err);
    }
}

#[test]
fn colour_comes_when_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    talk(&store, 0, 1).close(&store, 9, "client", None);
    assert!(!out(dir.path(), &["tail"]).contains('\u{1b}'));
    assert!(out(dir.path(), &["tail", "--color", "always"]).contains("\u{1b}[32m"));
    assert!(!out(dir.path(), &["show", "last", "--color", "never"]).contains('\u{1b}'));
}

#[test]
fn tail_puts_sessions_in_the_order_of_time_and_filters() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let (one, two) = (talk(&store, 0, 1), talk(&store, 0, 2));
    let (one, two) = (one.close(&store, 8, "client", Some("joe")), two.close(&store, 9, "client", Some("ann")));
    let lines = |args: &[&str]| -> Vec<serde_json::Value> {
        let all = [&["tail", "--json"], args].concat();
        out(dir.path(), &all).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = lines(&[]);
    assert_eq!(all.len(), 18);
    assert!(all.windows(2).all(|pair| pair[0]["at"].as_str() <= pair[1]["at"].as_str()));
    assert!(all.iter().all(|line| line["session"] == one.as_str() || line["session"] == two.as_str()));
    assert_eq!(lines(&[&two[..21]]).len(), 9);
    assert_eq!(lines(&["--user", "joe"]).len(), 9);
    assert_eq!(lines(&["-n", "3"]), all[15..]);
    assert_eq!(
        lines(&["-n", "2", "--level", "warn"]).iter().map(|line| &line["code"]).collect::<Vec<_>>(),
        ["plaintext-password"; 2]
    );
    let kinds =
        |args: &[&str]| lines(args).iter().map(|line| line["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(kinds(&["--user", "ann", "--verb", "fetch"]), ["command", "content", "content", "reply"]);
    assert_eq!(kinds(&["--status", "no"]), ["reply", "reply"]);
    assert_eq!(kinds(&["--verb", "login", "--status", "OK", "--protocol", "imap"]), ["reply", "reply"]);
    assert_eq!(kinds(&["--protocol", "smtp"]), Vec::<String>::new());
}

#[test]
fn damage_is_passed_over_with_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut session = talk(&store, 0, 1);
    session.append(b"{\"seq\":nonsense}\n");
    session.command(6, "NOOP", "c NOOP\r\n");
    session.append(b"{\"seq\":8,\"at\":\"2026-");
    for args in [&["show", "last"][..], &["tail"], &["export", "last", "--format", "jsonl"]] {
        let printed = run(dir.path(), args);
        assert_eq!(printed.status, 0);
        assert!(printed.out.contains("c NOOP"), "{}", printed.out);
        let warnings: Vec<&str> = printed.err.lines().collect();
        assert_eq!(warnings.len(), 2, "{}", printed.err);
        assert!(
            warnings[0].contains("line 9 is damaged") && warnings[1].contains("line 11, the last, is torn"),
            "{warnings:?}"
        );
    }
    assert!(out_of_show(dir.path()).contains("running: there is no close"));
    drop(store);
    assert!(out_of_show(dir.path()).contains("unfinished: there is no close"));
}

fn out_of_show(dir: &std::path::Path) -> String {
    run(dir, &["show", "last"]).out
}

#[test]
fn a_name_that_means_none_or_several_is_told_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let empty = run(dir.path(), &["show", "last"]);
    assert!(empty.status == 1 && empty.err.contains("nothing is recorded"), "{}", empty.err);
    let store = Store::open(dir.path()).unwrap();
    let one = talk(&store, 0, 1);
    let path = one.path();
    let one = one.close(&store, 9, "client", None);
    let two = talk(&store, 1, 0x01).close(&store, 9, "client", None);
    for (word, status, said) in [
        ("zzz", 1, "no session \"zzz\""),
        ("2026", 2, "begins 2 sessions (040g2081, 040g2081)"),
        ("", 2, "is empty"),
        ("/nowhere/x.jsonl", 1, "no recording at /nowhere/x.jsonl"),
    ] {
        let printed = run(dir.path(), &["show", word]);
        assert_eq!((printed.status, printed.out.as_str()), (status, ""), "{word}");
        assert!(printed.err.contains(said) && printed.err.lines().count() == 1, "{}", printed.err);
    }
    assert!(out(dir.path(), &["show", "last"]).contains(&two));
    for word in [&one, &one[..18], path.to_str().unwrap()] {
        assert!(out(dir.path(), &["show", word]).contains(&one), "{word}");
    }
}

#[test]
fn raw_export_is_the_stream_and_says_what_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    talk(&store, 0, 1).close(&store, 9, "client", None);
    let file = dir.path().join("out");
    let file = file.to_str().unwrap();
    let printed = run(dir.path(), &["export", "last", "--format", "raw-server", "-o", file]);
    assert_eq!((printed.status, printed.err.as_str(), printed.out.as_str()), (0, "", ""));
    let wanted = b"a OK in\r\nSubject: caf\xc3\xa9 \x1b[31mred\r\nend\xffb NO \xe2\x80\xae\xc2\x9b31m\x07 \x1b]0;x\r\n";
    assert_eq!(std::fs::read(file).unwrap(), wanted);
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(file).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    let printed = run(dir.path(), &["export", "last", "--format", "raw-client"]);
    assert_eq!(printed.out, "a LOGIN joe «redacted»\r\nb UID FETCH 1 BODY[]\r\n");
    assert!(printed.err.contains("1 events of the client had secrets"), "{}", printed.err);
    let wrong = run(dir.path(), &["export", "last", "--format", "fish"]);
    assert!(wrong.status == 2 && wrong.err.contains("raw-client") && wrong.err.lines().count() == 1, "{}", wrong.err);
    let nowhere = run(dir.path(), &["export", "last", "--format", "jsonl", "-o", "/nowhere/at/all"]);
    assert_eq!((nowhere.status, nowhere.err.lines().count()), (1, 1), "{}", nowhere.err);
}

#[test]
fn a_reader_that_leaves_ends_the_command_quietly() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut session = talk(&store, 0, 1);
    for _ in 0..3000 {
        session.command(6, "NOOP", "c NOOP with some more text in it so that no pipe can hold it all\r\n");
    }
    session.close(&store, 9, "client", None);
    for args in [&["tail"][..], &["show", "last"], &["tail", "--json"], &["export", "last", "--format", "jsonl"]] {
        let mut child = mailtap(dir.path(), args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let ended = child.wait_with_output().unwrap();
        assert_eq!((ended.status.code(), ended.stderr.len()), (Some(0), 0), "{args:?}");
    }
}

/// A following `tail`, killed at the end of its test.
struct Following {
    child: Child,
    lines: Receiver<String>,
}

impl Following {
    fn start(dir: &std::path::Path, args: &[&str]) -> Following {
        let all = [&["tail", "-f", "--json"], args].concat();
        let mut child = mailtap(dir, &all).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Following { child, lines }
    }

    fn next(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(20)).expect("an event within the time")
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn following_shows_what_comes_of_sessions_from_before_and_after() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut before = talk(&store, 0, 1);
    let tail = Following::start(dir.path(), &["-n", "1"]);
    assert!(tail.next().contains("b NO"));
    let mut slowest = Duration::ZERO;
    for number in 0..20 {
        let sent = Instant::now();
        before.command(6, "NOOP", &format!("NOOP {number}\r\n"));
        assert!(tail.next().contains(&format!("NOOP {number}\\r")));
        slowest = slowest.max(sent.elapsed());
    }
    let mut after = Session::open(&store, 86_400, 7, "pop3", "127.0.0.1:7");
    assert!(tail.next().contains("\"kind\":\"open\""));
    // A line that is written in two parts comes once, whole.
    after.append(b"{\"seq\":1,\"at\":\"2026-11-24T03:32:03.000001Z\",\"kind\":\"raw\",");
    before.command(7, "NOOP", "between\r\n");
    assert!(tail.next().contains("between"));
    after.append(b"\"from\":\"client\",\"wire\":\"torn and mended\"}\n");
    assert!(tail.next().contains("torn and mended"));
    before.close(&store, 9, "client", None);
    assert!(tail.next().contains("\"kind\":\"close\""));
    after.close(&store, 9, "client", None);
    assert!(tail.next().contains("\"kind\":\"close\""));
    assert!(
        slowest < Duration::from_millis(1000),
        "{slowest:?}, where 100 ms are promised on a machine that is not busy"
    );
}

#[test]
fn following_begins_before_anything_is_recorded_and_follows_one() {
    let dir = tempfile::tempdir().unwrap();
    let all = Following::start(dir.path(), &[]);
    let store = Store::open(dir.path()).unwrap();
    let mut one = talk(&store, 0, 1);
    for _ in 0..8 {
        all.next();
    }
    let only = Following::start(dir.path(), &["-n", "0", &one.id]);
    let mut other = talk(&store, 1, 2);
    other.command(9, "NOOP", "other\r\n");
    // It says when it has begun by nothing but an event; so there are events until one comes.
    let seen = (0..400).any(|_| {
        one.command(9, "NOOP", "mine\r\n");
        only.lines.recv_timeout(Duration::from_millis(50)).is_ok_and(|line| line.contains("mine"))
    });
    assert!(seen);
    let id = one.close(&store, 20, "client", None);
    let last = only.lines.iter().last().expect("the session's end, and then that of the output");
    assert!(last.contains("\"kind\":\"close\""), "{last}");
    let past = Following::start(dir.path(), &["-n", "1", &id]);
    assert!(past.lines.iter().last().expect("what is past").contains("\"kind\":\"close\""));
    let user = Following::start(dir.path(), &["-n", "0", "--user", "nobody"]);
    drop(user);
}
