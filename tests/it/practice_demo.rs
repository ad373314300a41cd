//! The demo as a learner runs it: what its own client does is recorded whole, explained, and without its password.
//! Takes nothing but the program itself; gives nothing but failures.
//! Does not know what the client says.

use crate::support::mailtap::{Mailtap, run};
use crate::support::recording::files_with;
use crate::support::through::spellings;

/// Sending, and fetching by IMAP and POP3, in plaintext and through STARTTLS.
const SESSIONS: usize = 6;

#[test]
fn the_demos_own_sessions_are_whole_and_hold_no_password() {
    let mut demo = Mailtap::launch(&["demo", "--json", "--free-ports"], 7);
    let account = demo.account();
    let recordings = demo.recordings(SESSIONS);
    assert!(demo.stop().success(), "{}", demo.errors());
    assert_eq!(recordings.len(), SESSIONS);
    for recording in &recordings {
        assert!(recording.of_kind("raw").is_empty() && recording.of_kind("gap").is_empty(), "{}", recording.dump());
        for (number, event) in recording.events.iter().enumerate() {
            assert_eq!(event["seq"], number, "{event}");
            let answered = event["kind"] != "command" || event["verb"] == "PASS" || {
                let of = |reply: &&serde_json::Value| reply["answers"] == event["seq"];
                recording.events.iter().find(of).is_some()
            };
            assert!(answered, "nothing answers {event}");
        }
        let noted = recording.of_kind("note");
        let warnings: Vec<_> = noted.iter().filter(|note| note["level"] == "warn").collect();
        let plain = recording.of_kind("tls").is_empty();
        let codes: Vec<_> = warnings.iter().filter_map(|note| note["code"].as_str()).collect();
        assert_eq!(codes, if plain { vec!["plaintext-password"] } else { vec![] }, "{}", recording.dump());
        // What passed by the count of the last event is what can be read back.
        let close = recording.one("close");
        let path = recording.path.to_str().expect("a path as text");
        for (format, bytes) in [("raw-client", "client_bytes"), ("raw-server", "server_bytes")] {
            let exported = run(&demo.dir, &["export", path, "--format", format]).expect_ok();
            let hidden = recording.events.iter().any(|event| event["redacted"] == true);
            let length = exported.text().len() as u64;
            assert!(Some(length) == close[bytes].as_u64() || (hidden && format == "raw-client"), "{format}: {close}");
        }
        let plain = run(&demo.dir, &["show", path, "--json"]).expect_ok().text();
        let explained = run(&demo.dir, &["show", path, "--json", "--explain"]).expect_ok().text();
        for (plain, explained) in plain.lines().zip(explained.lines()) {
            let mut event: serde_json::Value = serde_json::from_str(explained).expect("an event");
            let fields = event.as_object_mut().expect("an object");
            let said = ["explain", "rfc"].map(|name| fields.remove(name).is_some_and(|value| value.is_string()));
            let meant = ["greeting", "command", "reply", "continue", "auth"].iter().any(|kind| fields["kind"] == *kind);
            assert!(said == [true; 2] || !meant || fields.contains_key("continues"), "{explained}");
            assert_eq!(event, serde_json::from_str::<serde_json::Value>(plain).expect("an event"));
        }
        let shown = run(&demo.dir, &["--color", "never", "show", path, "--explain"]).expect_ok().text();
        let lines: Vec<&str> = shown.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair[0].contains("  C → ")) {
            assert!(pair[1].contains('│') || pair[0].contains("C → ⋯"), "not explained: {}\n{shown}", pair[0]);
        }
    }
    let tailed = run(&demo.dir, &["tail", "--json", "--explain"]).expect_ok().text();
    let of = |line: &&str| {
        line.contains("\"session\":\"") && line.contains(",\"explain\":\"") && line.contains(",\"rfc\":\"")
    };
    assert!(tailed.lines().filter(of).count() > SESSIONS * 8, "{tailed}");
    let password = account["password"].as_str().expect("a password");
    for secret in spellings(password) {
        let files = files_with(&demo.dir, secret.as_bytes());
        assert!(files.is_empty(), "the password stands as {secret} in {files:?}");
    }
}
