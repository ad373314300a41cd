//! How sessions end: resets in the middle of things, half-closes, last words. The other side gets all that was said
//! before and then an end, and the recording says who and why.
//! Takes peers played here. Does not know how the relay is built.

use crate::support::peers::Stage;
use crate::support::recording::Recording;

const SMTP: &str = "220 hi\r\n";
const IMAP: &str = "* OK hi\r\n";
const POP3: &str = "+OK hi\r\n";

#[track_caller]
fn ended(recording: &Recording, by: &str, why: &str) {
    let close = recording.one("close");
    assert_eq!(close["by"], by, "{close}");
    let reason = close["reason"].as_str().unwrap_or_default();
    assert!(reason.contains(by) && reason.contains(why), "{close}");
}

/// Commands and replies.
type Exchanged = &'static [(&'static str, &'static str)];

/// What the client says before it breaks off, and what the server has said.
const CUT_OFF: &[(&str, &str, Exchanged, &str)] = &[
    ("smtp", SMTP, &[], "MAIL FROM:<a"),
    ("smtp", SMTP, &[("DATA\r\n", "354 go\r\n")], "Subject: x\r\n\r\nhalf a li"),
    ("smtp", SMTP, &[("BDAT 1000 LAST\r\n", "")], "half a chunk"),
    ("imap", IMAP, &[("a APPEND x {1000}\r\n", "+ go\r\n")], "half a literal"),
    ("imap", IMAP, &[("a IDLE\r\n", "+ idling\r\n")], "DO"),
    ("pop3", POP3, &[("USER joe\r\n", "+OK\r\n")], "STA"),
    ("sieve", "OK\r\n", &[], "PUTSCRIPT \"x\" {1000+}\r\nkeep"),
    ("lmtp", SMTP, &[("LHLO x\r\n", "250 x\r\n")], "MAIL"),
];

#[test]
fn a_client_that_resets_anywhere() {
    for (scheme, greeting, said, last) in CUT_OFF {
        let stage = Stage::new(scheme, &[]);
        let (mut client, mut server) = stage.greeted(greeting);
        for (command, reply) in *said {
            client.say(command);
            server.hear(command);
            server.say(reply);
            client.hear(reply);
        }
        client.say(last);
        client.reset();
        assert_eq!(String::from_utf8_lossy(&server.rest()), *last, "{scheme}: all that was said, then an end");
        let recording = stage.recording();
        ended(&recording, "client", "reset");
        let sent = said.iter().map(|(command, _)| *command).collect::<String>() + last;
        recording.compare("client", sent.as_bytes()).unwrap_or_else(|text| panic!("{text}\n{}", recording.dump()));
    }
}

#[test]
fn a_server_that_resets_anywhere() {
    for (scheme, greeting, said, last) in [
        ("smtp", SMTP, "EHLO x\r\n", "250-x\r\n250-SI"),
        ("smtp", SMTP, "DATA\r\n", "354 g"),
        ("imap", IMAP, "a FETCH 1 BODY[]\r\n", "* 1 FETCH (BODY[] {1000}\r\nhalf"),
        ("pop3", POP3, "RETR 1\r\n", "+OK\r\nSubject: x\r\n\r\nhalf"),
        ("sieve", "OK\r\n", "GETSCRIPT \"x\"\r\n", "{1000}\r\nkee"),
    ] {
        let stage = Stage::new(scheme, &[]);
        let (mut client, mut server) = stage.greeted(greeting);
        client.say(said);
        server.hear(said);
        server.say(last);
        server.reset();
        assert_eq!(String::from_utf8_lossy(&client.rest()), last, "{scheme}");
        let recording = stage.recording();
        ended(&recording, "server", "reset");
        recording.compare("server", format!("{greeting}{last}").as_bytes()).unwrap_or_else(|text| panic!("{text}"));
    }
}

#[test]
fn a_client_that_has_said_all_still_hears_a_long_answer() {
    let stage = Stage::new("pop3", &[]);
    let (mut client, mut server) = stage.greeted(POP3);
    client.say("RETR 1\r\nQUIT\r\n");
    client.half_close();
    server.hear("RETR 1\r\nQUIT\r\n");
    assert_eq!(server.rest(), b"", "the end comes at once, while the answer is still to come");
    let message = format!("+OK\r\n{}.\r\n+OK bye\r\n", "a line of a long message\r\n".repeat(400_000));
    let said = message.clone();
    let saying = std::thread::spawn(move || server.say(said));
    assert!(client.rest() == message.as_bytes(), "all of the answer");
    saying.join().expect("the server");
    let recording = stage.recording();
    ended(&recording, "client", "ended");
    recording.compare("server", format!("{POP3}{message}").as_bytes()).unwrap_or_else(|text| panic!("{text}"));
}

#[test]
fn a_server_that_has_said_all_still_hears() {
    let stage = Stage::new("smtp", &[]);
    let (mut client, mut server) = stage.greeted(SMTP);
    server.say("421 going\r\n");
    server.half_close();
    assert_eq!(client.rest(), b"421 going\r\n");
    client.say("QUIT\r\n");
    client.half_close();
    assert_eq!(server.rest(), b"QUIT\r\n");
    ended(&stage.recording(), "server", "ended");
}

#[test]
fn last_words_in_the_middle_of_a_message() {
    let stage = Stage::new("smtp", &[]);
    let (mut client, mut server) = stage.greeted(SMTP);
    client.say("DATA\r\n");
    server.hear("DATA\r\n");
    server.say("354 go\r\n");
    client.hear("354 go\r\n");
    client.say("Subject: x\r\n\r\nbody\r\n");
    server.hear("Subject: x\r\n\r\nbody\r\n");
    server.say("421 4.3.2 going down\r\n");
    drop(server);
    assert_eq!(client.rest(), b"421 4.3.2 going down\r\n");
    drop(client);
    let recording = stage.recording();
    assert!(recording.of_kind("reply").iter().any(|reply| reply["status"] == "421"), "{}", recording.dump());
    assert_eq!(recording.one("close")["by"], "server");

    let stage = Stage::new("imap", &[]);
    let (mut client, mut server) = stage.greeted(IMAP);
    client.say("a APPEND x {1000}\r\n");
    server.hear("a APPEND x {1000}\r\n");
    server.say("+ go\r\n");
    client.hear("+ go\r\n");
    client.say("half");
    server.hear("half");
    server.say("* BYE going down\r\n");
    drop(server);
    assert_eq!(client.rest(), b"* BYE going down\r\n");
    drop(client);
    let recording = stage.recording();
    assert!(recording.of_kind("reply").iter().any(|reply| reply["status"] == "BYE"), "{}", recording.dump());
    assert_eq!(recording.one("close")["by"], "server");
}

#[test]
fn a_server_that_speaks_unasked_or_leaves_after_its_greeting() {
    for (scheme, words) in [
        ("smtp", "220 hi\r\n250 ok\r\n250 ok\r\n354 go\r\n"),
        ("imap", "* OK hi\r\na OK done\r\n+ go\r\n"),
        ("pop3", "+OK hi\r\n+OK 1 2\r\n-ERR no\r\n"),
        ("sieve", "OK\r\nOK\r\n{3}\r\nabc\r\n"),
        ("smtp", "554 go away\r\n"),
        ("imap", "* BYE go away\r\n"),
        ("imap", ""),
        ("pop3", "+OK hi\r\n"),
        ("smtp", "220 hi\0\r\n\0\0\0\r\n\u{feff}\r\n"),
    ] {
        let stage = Stage::new(scheme, &[]);
        let (mut client, mut server) = stage.session();
        server.say(words);
        drop(server);
        assert_eq!(String::from_utf8_lossy(&client.rest()), words);
        drop(client);
        let recording = stage.recording();
        recording.compare("server", words.as_bytes()).unwrap_or_else(|text| panic!("{text}"));
        ended(&recording, "server", "ended");
    }
}

/// What a client says at once before it half-closes, step by step as the server answers, and how each event begins.
struct AtOnce {
    scheme: &'static str,
    greeting: &'static str,
    steps: &'static [(&'static str, &'static str)],
    verbs: &'static [&'static str],
}

/// As with `printf … | nc`: the client does not wait for answers on which what it says next depends, and is read all the
/// same when they come. Behind an upgrade that is refused nothing is lost.
#[test]
fn a_client_that_says_all_at_once_and_half_closes() {
    for AtOnce { scheme, greeting, steps, verbs } in [
        AtOnce {
            scheme: "smtp",
            greeting: SMTP,
            steps: &[("EHLO x\r\nSTARTTLS\r\n", "250 x\r\n454 no\r\n"), ("QUIT\r\n", "221 bye\r\n")],
            verbs: &["EHLO", "STARTTLS", "QUIT"],
        },
        AtOnce {
            scheme: "imap",
            greeting: IMAP,
            steps: &[("a STARTTLS\r\n", "a NO no\r\n"), ("b LOGOUT\r\n", "* BYE\r\nb OK\r\n")],
            verbs: &["STARTTLS", "LOGOUT"],
        },
        AtOnce {
            scheme: "pop3",
            greeting: POP3,
            steps: &[("STLS\r\n", "-ERR no\r\n"), ("QUIT\r\n", "+OK\r\n")],
            verbs: &["STLS", "QUIT"],
        },
        AtOnce {
            scheme: "smtp",
            greeting: SMTP,
            steps: &[
                ("EHLO x\r\nAUTH PLAIN AGpvZQBzM2NyZXRw\r\n", "250 x\r\n235 in\r\n"),
                ("MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n", "250 1\r\n250 2\r\n354 go\r\n"),
                ("Subject: x\r\n\r\nhi\r\n.\r\n", "250 queued\r\n"),
                ("QUIT\r\n", "221 bye\r\n"),
            ],
            verbs: &["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"],
        },
        AtOnce {
            scheme: "imap",
            greeting: IMAP,
            steps: &[
                ("a AUTHENTICATE PLAIN AGpvZQBzM2NyZXRw\r\n", "a OK in\r\n"),
                ("b SELECT INBOX\r\nc LOGOUT\r\n", "b OK\r\n* BYE\r\nc OK\r\n"),
            ],
            verbs: &["AUTHENTICATE", "SELECT", "LOGOUT"],
        },
        AtOnce {
            scheme: "pop3",
            greeting: POP3,
            steps: &[
                ("AUTH PLAIN AGpvZQBzM2NyZXRw\r\n", "+OK\r\n"),
                ("STAT\r\nRETR 1\r\nQUIT\r\n", "+OK 1 2\r\n+OK\r\nhi\r\n.\r\n+OK\r\n"),
            ],
            verbs: &["AUTH", "STAT", "RETR", "QUIT"],
        },
    ] {
        let stage = Stage::new(scheme, &[]);
        let (mut client, mut server) = stage.greeted(greeting);
        client.say(steps.iter().map(|(said, _)| *said).collect::<String>());
        client.half_close();
        for (said, answer) in steps {
            server.hear(said);
            server.say(answer);
            client.hear(answer);
        }
        assert_eq!(server.rest(), b"", "{scheme}: and then its end");
        drop(server);
        let recording = stage.recording();
        ended(&recording, "client", "ended");
        let commands = recording.of_kind("command");
        let commands: Vec<&str> = commands.iter().filter_map(|command| command["verb"].as_str()).collect();
        assert_eq!(commands, *verbs, "{}", recording.dump());
        let codes = recording.note_codes();
        assert!(!codes.iter().any(|code| code == "starttls-injection" || code == "lost-sync"), "{codes:?}");
        let unlinked = recording.of_kind("reply").iter().filter(|reply| reply["answers"].is_null()).count();
        assert_eq!(unlinked, usize::from(scheme == "imap" && verbs.contains(&"LOGOUT")), "{}", recording.dump());
    }
}
