//! `mailtap replay client` towards servers that do not do what servers do: it ends within its limits, and says why.
//! Takes hand-written sessions and servers of a few lines.
//! Does not know how a client is played.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;

use crate::support::mailtap::command;
use crate::support::peers::Stage;
use crate::support::process::Ran;
use crate::support::recording::Recording;

const PASSWORD: &str = "Canary-Qw7-Password";

/// How long a replay with `--timeout 1` may take, in seconds: its limit, the time that a server has to end or to take
/// what is left for it, and what a busy machine adds.
const ENDS_WITHIN: u32 = 120;

/// A session whose client and server said this, in turns that begin with the server's.
struct Recorded {
    stage: Stage,
    path: PathBuf,
}

impl Recorded {
    fn new(scheme: &str, talk: &[(&str, &str)]) -> Recorded {
        let stage = Stage::new(scheme, &[]);
        let (mut client, mut server) = stage.session();
        for (asked, answer) in talk {
            client.say(asked);
            server.hear(asked);
            server.say(answer);
            client.hear(answer);
        }
        drop((client, server));
        let path = stage.recording().path;
        Recorded { stage, path }
    }

    fn imap() -> Recorded {
        Recorded::new(
            "imap",
            &[
                ("", "* OK hello\r\n"),
                ("a LOGIN joe secret\r\n", "a OK in\r\n"),
                ("b SELECT INBOX\r\n", "* 1 EXISTS\r\nb OK selected\r\n"),
                ("c APPEND INBOX {10}\r\n", "+ go\r\n"),
                ("Subject: x\r\n", "c OK appended\r\n"),
                ("d LOGOUT\r\n", "* BYE\r\nd OK out\r\n"),
            ],
        )
    }

    fn play(&self, url: &str, more: &[&str]) -> Ran {
        self.play_within("1", url, more)
    }

    fn play_within(&self, seconds: &str, url: &str, more: &[&str]) -> Ran {
        let args = ["replay", "client", self.path.to_str().unwrap(), url, "--password-env", "REPLAY_PASSWORD"];
        let mut command =
            command(&self.stage.mailtap.dir, &[&args[..], &["--json", "--timeout", seconds], more].concat());
        command.env("REPLAY_PASSWORD", PASSWORD);
        Ran::with_limit(&command, b"", ENDS_WITHIN)
    }

    /// Plays it; it must end by itself, with these words.
    #[track_caller]
    fn ends(&self, url: &str, more: &[&str], words: &str) -> Ran {
        let ran = self.play(url, more);
        assert!(ran.code == Some(1) && ran.errors().contains(words), "{words}: {ran}");
        ran
    }
}

/// A server that does this with each connection, and what it was told.
fn server(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = std::sync::Arc::new(serve);
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let serve = std::sync::Arc::clone(&serve);
            std::thread::spawn(move || serve(socket));
        }
    });
    address
}

/// Answers each line as told, and does not end.
fn answers(answer: fn(&str, usize) -> String) -> SocketAddr {
    server(move |socket| {
        let mut lines = BufReader::new(socket.try_clone().unwrap());
        let mut out = socket.try_clone().unwrap();
        let _ = out.write_all(answer("", 0).as_bytes());
        for at in 1.. {
            let mut line = String::new();
            if !matches!(lines.read_line(&mut line), Ok(1..)) {
                break;
            }
            if out.write_all(answer(line.trim_end(), at).as_bytes()).is_err() {
                break;
            }
        }
        // Open as long as the tests run.
        std::mem::forget(socket);
    })
}

fn tag(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

/// What a friendly IMAP server says to a line of [`Recorded::imap`].
fn friendly(line: &str, _: usize) -> String {
    match line.split(' ').nth(1) {
        None if line.is_empty() => "* OK hello\r\n".to_owned(),
        Some("SELECT") => format!("* 1 EXISTS\r\n{} OK selected\r\n", tag(line)),
        Some("APPEND") => "+ go\r\n".to_owned(),
        Some("x") => "c OK appended\r\n".to_owned(),
        Some("LOGOUT") => format!("* BYE\r\n{} OK out\r\n", tag(line)),
        _ => format!("{} OK done\r\n", tag(line)),
    }
}

#[test]
fn a_server_that_says_nothing_or_nonsense_is_left() {
    let recorded = Recorded::imap();
    let url = |address: SocketAddr| format!("imap://{address}");
    let silent = answers(|_, _| String::new());
    recorded.ends(&url(silent), &[], "no answer to greeting within 1 s");
    let imaps = recorded.ends(&format!("imaps://{silent}"), &[], "no answer to greeting within 1 s");
    assert!(imaps.text().contains("\"report\""), "{imaps}");
    recorded.ends(&url(answers(|_, at| ["* OK hello\r\n", "other OK in\r\n"][at.min(1)].to_owned())), &[], "LOGIN");
    recorded.ends(
        &url(answers(|_, at| ["* OK hello\r\n", "+ go\r\n+ go\r\n"][at.min(1)].to_owned())),
        &[],
        "more of LOGIN",
    );
    recorded.ends(&url(answers(|_, _| "\u{1}\u{2}x".repeat(500_000))), &[], "stopped");
    // Each of several is left.
    let ran = recorded.play(&url(silent), &["--repeat", "3", "--concurrency", "3"]);
    let report: serde_json::Value = serde_json::from_str(ran.text().lines().last().unwrap()).unwrap();
    assert!(ran.code == Some(1) && report["unasked"][0]["sessions"] == 3, "{ran}");
}

#[test]
fn a_server_that_never_ends_the_connection_is_left_when_all_was_said() {
    let recorded = Recorded::imap();
    let ran = recorded.play(&format!("imap://{}", answers(friendly)), &[]);
    assert_eq!(ran.code, Some(0), "{ran}");
    let again = Recording::all(&recorded.stage.mailtap.dir).unwrap().pop().unwrap();
    let close = again.one("close");
    assert_eq!([&close["by"], &close["reason"]], ["client", "the client has closed the connection"]);
    assert_eq!(again.verbs(), ["LOGIN", "SELECT", "APPEND", "LOGOUT"]);
    let ran = recorded.play(&format!("imap://{}", answers(friendly)), &["--repeat", "2"]);
    assert_eq!(ran.code, Some(0), "{ran}");
}

#[test]
fn a_server_that_takes_nothing_is_left() {
    let message = "x".repeat(78) + "\r\n";
    let message = message.repeat(200_000);
    let asked = format!("b APPEND INBOX {{{}}}\r\n", message.len());
    let stage = Stage::new("imap", &[]);
    let (mut client, mut peer) = stage.greeted("* OK hello\r\n");
    client.say(&asked);
    peer.hear(&asked);
    peer.say("+ go\r\n");
    client.hear("+ go\r\n");
    std::thread::scope(|scope| {
        scope.spawn(|| client.say(message.clone() + "\r\n"));
        peer.hear(message.clone() + "\r\n");
    });
    peer.say("b OK done\r\n");
    client.hear("b OK done\r\n");
    drop((client, peer));
    let path = stage.recording().path;
    let recorded = Recorded { stage, path };
    let address = server(|socket| {
        let mut line = String::new();
        let mut lines = BufReader::with_capacity(64, socket.try_clone().unwrap());
        let _ = (&socket).write_all(b"* OK hello\r\n");
        let _ = lines.read_line(&mut line);
        let _ = (&socket).write_all(b"+ go\r\n");
        // Nothing is read any more.
        std::mem::forget(socket);
    });
    recorded.ends(&format!("imap://{address}"), &[], "took nothing of what was sent to it for 1 s");
}

#[test]
fn a_server_that_talks_without_end_is_left_before_it_fills_the_disk() {
    let recorded = Recorded::imap();
    for (flood, words) in [
        ("* 1 FETCH (FLAGS ())\r\n".repeat(1000), "replies beyond those that were recorded"),
        ("+ go\r\n".repeat(1000), "stopped"),
    ] {
        let address = server(move |mut socket| {
            let _ = socket.write_all(b"* OK hello\r\n");
            let mut block = [0; 4096];
            let _ = socket.read(&mut block);
            while socket.write_all(flood.as_bytes()).is_ok() {}
        });
        let ran = recorded.play_within("60", &format!("imap://{address}"), &[]);
        assert!(ran.code == Some(1) && ran.errors().contains(words), "{words}: {ran}");
        let again = Recording::all(&recorded.stage.mailtap.dir).unwrap().pop().unwrap();
        let length = std::fs::metadata(&again.path).unwrap().len();
        assert!(again.is_closed() && length < 1 << 27, "{length} bytes, {words}: {ran}");
    }
}

/// What is no command may hold anything, and is not recorded whole.
#[test]
fn a_word_that_was_not_understood_is_said_again_and_one_that_was_is_not() {
    let talk = |answer: &'static str| {
        let said = [("", "220 hello\r\n"), ("HELO x\r\n", "250 x\r\n"), ("XWORD some thing\r\n", answer)];
        Recorded::new("smtp", &[&said[..], &[("QUIT\r\n", "221 bye\r\n")]].concat())
    };
    let server = answers(|line, _| {
        let code = if line.is_empty() {
            220
        } else if line.starts_with("XWORD") {
            500
        } else {
            250
        };
        if line == "QUIT" { "221 bye\r\n".to_owned() } else { format!("{code} x\r\n") }
    });
    let refused = talk("500 what\r\n").play(&format!("smtp://{server}"), &[]);
    assert!(refused.code == Some(0) && !refused.errors().contains("only up to a point"), "{refused}");
    let accepted = talk("250 done\r\n").play(&format!("smtp://{server}"), &[]);
    assert!(accepted.code == Some(1) && accepted.errors().contains("is a secret, and not in the recording (event "));
    assert!(
        accepted.text().contains("\"unasked\":[{\"kind\":\"difference\",\"what\":\"command\",\"command\":\"XWORD\""),
        "{accepted}"
    );
}

#[test]
fn the_end_of_the_result_can_be_had_alone() {
    let recorded = Recorded::imap();
    let url = format!("imap://{}", answers(friendly));
    for more in [&["--quiet"][..], &["--quiet", "--repeat", "2"]] {
        let ran = recorded.play(&url, more);
        assert_eq!((ran.code, ran.text().lines().count()), (Some(0), 1), "{ran}");
        assert!(ran.text().starts_with("{\"kind\":\"report\",\"matched\":"), "{ran}");
    }
    let args = ["replay", "client", recorded.path.to_str().unwrap(), &url, "--password-env", "WORD", "--quiet"];
    let mut command = command(&recorded.stage.mailtap.dir, &[&args[..], &["--timeout", "1"]].concat());
    let ran = Ran::with_limit(command.env("WORD", PASSWORD), b"", ENDS_WITHIN);
    assert!(ran.code == Some(0) && ran.text().starts_with("5 the same; A took "), "{ran}");
    assert_eq!(ran.text().lines().count(), 1, "{ran}");
}

#[test]
fn what_was_wrong_is_said_once() {
    let recorded = Recorded::imap();
    let mut text = std::fs::read_to_string(&recorded.path).unwrap();
    text.insert_str(text.find('\n').unwrap() + 1, "{\"seq\":1,\"kind\":\n");
    std::fs::write(&recorded.path, text).unwrap();
    let closed = crate::support::free_address();
    let ran = recorded.ends(&format!("imap://{closed}"), &[], "connection refused");
    assert_eq!(ran.errors().matches("connection refused").count(), 1, "{ran}");
    assert_eq!(ran.errors().matches("line 2").count(), 1, "{ran}");
}
