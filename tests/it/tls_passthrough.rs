//! `--passthrough`: the client's TLS reaches the server's own certificate, and only metadata are recorded.
//! Takes peers that do as they are told; gives what the client was shown and the counts that were recorded.
//! Does not decrypt anything.

use std::thread;

use crate::support::certs::Key;
use crate::support::mailtap::run;
use crate::support::recording::{Recording, find};
use crate::support::tls_peer::{BOTH_VERSIONS, Bench, showing, trusting};
use crate::tls_upgrade::{ALL, over};

/// Says nothing of what passed but its offer and its size.
#[track_caller]
fn assert_metadata(recording: &Recording, how: &str, said: &[&[u8]]) {
    let [tls, answer] = recording.of_kind("tls")[..] else { panic!("two events expected: {}", recording.dump()) };
    assert_eq!((&tls["from"], &tls["how"], &tls["sni"]), (&"client".into(), &how.into(), &"localhost".into()), "{tls}");
    assert_eq!(tls["alpn_offered"], serde_json::json!(["imap"]), "{tls}");
    assert!(tls["versions_offered"].to_string().contains("TLSv1."), "{tls}");
    assert_eq!((&answer["from"], &answer["how"]), (&"server".into(), &how.into()), "{answer}");
    // Only the older version says in clear which protocol was chosen, and only the newer one which group.
    let old = answer["version"] == "TLSv1.2";
    assert!(old || answer["version"] == "TLSv1.3", "{answer}");
    assert!(answer["cipher"].as_str().is_some_and(|cipher| cipher.starts_with("TLS_")), "{answer}");
    assert_eq!((answer["alpn"] == "imap", answer["group"].is_null()), (old, old), "{answer}");
    for event in [tls, answer] {
        assert!(event["certificate"].is_null() && event["error"].is_null(), "{event}");
    }
    let close = recording.one("close");
    assert!(close["duration_us"].as_u64().is_some_and(|time| time > 0), "{close}");
    for side in ["client", "server"] {
        let gap = recording.of_kind("gap").into_iter().find(|gap| gap["side"] == side).expect("a gap for each side");
        let clear: usize = recording.stream(side).iter().map(Vec::len).sum();
        let passed = gap["bytes"].as_u64().expect("a count");
        // A handshake of either version has more than this from each side.
        assert!(passed > 200, "{gap}");
        assert_eq!(close[format!("{side}_bytes")], passed + clear as u64, "{}", recording.dump());
    }
    let text = std::fs::read(&recording.path).expect("the recording");
    for said in said {
        assert!(find(&text, said).is_none(), "what was said inside TLS is recorded");
    }
}

#[test]
fn implicit_tls_reaches_the_servers_own_certificate() {
    for version in BOTH_VERSIONS {
        // By the server's name and by the name that the client asks for.
        for (scheme, host) in [("imaps", "localhost"), ("pop3s", "LOCALHOST"), ("smtps", "localhost")] {
            let bench = Bench::start(scheme, scheme, &["--passthrough", host]);
            let chain = bench.good();
            let client = trusting(&bench.authority.root(), &[version], &["imap"]);
            let (mut near, mut far) = bench.implicit(client, &showing(&chain, &[version], &["imap"]));
            assert_eq!(far.agreed(), (Some("localhost".to_owned()), Some(b"imap".to_vec())));
            assert!(
                chain.certificates.contains(&pem_body(near.shown().expect("a certificate").as_ref())),
                "the server's own certificate"
            );
            near.say("Canary-said-by-the-client\r\n");
            far.hear("Canary-said-by-the-client\r\n");
            far.say("Canary-said-by-the-server\r\n");
            near.hear("Canary-said-by-the-server\r\n");
            let recording = over(&bench, near, far);
            assert_metadata(&recording, "implicit", &[b"Canary-said"]);
            let tail = run(&bench.mailtap.dir, &["tail", "last"]).expect_ok().text();
            let offers = if *version == &rustls::version::TLS13 { "TLSv1.3" } else { "TLSv1.2" };
            assert!(tail.contains(&format!("TLS (implicit), offers {offers}, ALPN imap, for localhost")), "{tail}");
            assert_eq!(recording.one("close")["by"], "client", "{}", recording.dump());
        }
    }
}

/// The first line of a certificate's PEM text.
fn pem_body(der: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(der).chars().take(64).collect()
}

#[test]
fn an_upgrade_reaches_the_servers_own_certificate() {
    for words in &ALL {
        let bench = Bench::start(words.scheme, words.scheme, &["--passthrough", "localhost"]);
        let (mut near, mut far) = bench.both();
        words.greet(&mut near, &mut far);
        near.say(words.ask);
        far.hear(words.ask);
        far.say(words.yes);
        near.hear(words.yes);
        let server = showing(&bench.good(), BOTH_VERSIONS, &["imap"]);
        let far = thread::spawn(move || {
            far.serve_tls(&server).expect("the server's handshake");
            far
        });
        near.start_tls(&trusting(&bench.authority.root(), BOTH_VERSIONS, &["imap"]), "localhost")
            .expect("the handshake");
        let mut far = far.join().expect("no panic");
        words.live(&mut near, &mut far);
        let recording = over(&bench, near, far);
        assert_metadata(&recording, "starttls", &[b"NOOP"]);
    }
}

#[test]
fn another_hosts_tls_is_read_although_somebody_elses_is_passed_through() {
    let bench = Bench::start("imaps", "imaps", &["--passthrough", "elsewhere.example"]);
    let (near, far) = bench.implicit(bench.trusting(), &bench.showing());
    let recording = over(&bench, near, far);
    assert_eq!(recording.of_kind("tls").len(), 2);
    assert!(recording.of_kind("gap").is_empty());
}

#[test]
fn what_passed_is_counted_although_mailtap_is_stopped() {
    let mut bench = Bench::start("imaps", "imaps", &["--passthrough", "localhost"]);
    let (mut near, mut far) =
        bench.implicit(trusting(&bench.authority.root(), BOTH_VERSIONS, &["imap"]), &bench.showing());
    near.say("hello\r\n");
    far.hear("hello\r\n");
    bench.mailtap.signal("TERM");
    // A second one ends the grace.
    crate::support::wait_for("the end of listening", || std::net::TcpStream::connect(bench.address).err());
    bench.mailtap.signal("TERM");
    bench.mailtap.stop();
    // The look at the listener may have been a session too.
    let recordings = bench.mailtap.recordings(1);
    let passed = recordings.iter().find(|recording| !recording.of_kind("gap").is_empty()).expect("what passed is told");
    assert_metadata(passed, "implicit", &[b"hello\r\n"]);
}

#[test]
fn who_ends_first_is_told() {
    for (by, said) in [("client", "the client ended the connection"), ("server", "the server ended the connection")] {
        let bench = Bench::start("imaps", "imaps", &["--passthrough", "localhost"]);
        let (mut near, mut far) =
            bench.implicit(trusting(&bench.authority.root(), BOTH_VERSIONS, &[]), &bench.showing());
        let (first, second) = if by == "client" { (&mut near, &mut far) } else { (&mut far, &mut near) };
        first.say("the last word\r\n");
        first.end();
        assert_eq!(second.rest(), (b"the last word\r\n".to_vec(), true));
        // The half-close went through, and the other direction goes on.
        second.say("an answer\r\n");
        second.end();
        assert_eq!(first.rest(), (b"an answer\r\n".to_vec(), true));
        let recording = bench.recording();
        let close = recording.one("close");
        assert_eq!((&close["by"], &close["reason"]), (&by.into(), &said.into()), "{}", recording.dump());
    }
}

/// Without SNI, and with the name of the host in the route alone; and with SNI where the route has an address.
#[test]
fn the_routes_host_counts_and_so_does_the_name_that_the_client_asks_for() {
    let visit = |more: &[&str], name: &str, passes: bool| {
        let bench = Bench::start("imaps", "imaps", more);
        let roots = if passes { bench.authority.root() } else { bench.ca() };
        let chain = bench.authority.issue(&["mail.example", "localhost", "127.0.0.1"], Key::Ecdsa);
        let (client, server) = (trusting(&roots, BOTH_VERSIONS, &[]), showing(&chain, BOTH_VERSIONS, &[]));
        let mut near = bench.client();
        let name = name.to_owned();
        let shaking = thread::spawn(move || {
            let ended = near.start_tls(&client, &name);
            (near, ended)
        });
        let mut far = bench.server();
        far.serve_tls(&server).expect("the server's handshake");
        let (near, ended) = shaking.join().expect("no panic");
        ended.expect("the client's handshake");
        let recording = over(&bench, near, far);
        assert_eq!(recording.of_kind("gap").is_empty(), !passes, "{}", recording.dump());
        recording.of_kind("tls").into_iter().find(|event| event["from"] == "client").expect("an event")["sni"].clone()
    };
    // An address is no SNI.
    assert!(visit(&["--passthrough", "LocalHost"], "127.0.0.1", true).is_null());
    assert!(visit(&["--passthrough", "elsewhere.example"], "127.0.0.1", false).is_null());
    assert_eq!(visit(&["--passthrough", "*.EXAMPLE"], "mail.example", true), "mail.example");
    assert_eq!(visit(&["--passthrough", "example"], "mail.example", false), "mail.example");
}

#[test]
fn a_server_that_refuses_the_clients_tls_is_recorded() {
    let answers: [(&[u8], &str); 2] = [
        (&[21, 3, 1, 0, 2, 2, 70], "the server ended the TLS handshake (alert protocol_version)"),
        (b"* OK ready\r\n", "the server answered in plaintext where TLS was to begin"),
    ];
    for (answer, told) in answers {
        let bench = Bench::start("imaps", "imaps", &["--passthrough", "localhost"]);
        let trusting = trusting(&bench.authority.root(), BOTH_VERSIONS, &[]);
        let mut near = bench.client();
        let client = thread::spawn(move || near.start_tls(&trusting, "localhost").is_err());
        let mut far = bench.server();
        assert_eq!(far.take(2), [22, 3]);
        far.say(answer);
        far.end();
        assert!(client.join().expect("no panic"));
        drop(far);
        let recording = bench.recording();
        let event = recording.of_kind("tls").into_iter().find(|event| event["from"] == "server").expect("an event");
        assert_eq!(event["error"], told, "{event}");
    }
}

#[test]
fn plaintext_in_place_of_the_clients_hello_is_refused_and_not_passed_through() {
    let bench = Bench::start("imaps", "imaps", &["--passthrough", "localhost"]);
    let mut near = bench.client();
    near.say("a LOGIN joe Canary-secret\r\n");
    assert_eq!(near.rest().0, b"");
    let recording = bench.recording();
    assert!(recording.note_codes().contains(&"tls-plaintext".to_owned()), "{}", recording.dump());
    assert!(recording.of_kind("gap").is_empty() && !recording.dump().contains("Canary"), "{}", recording.dump());

    for words in &ALL {
        let bench = Bench::start(words.scheme, words.scheme, &["--passthrough", "localhost"]);
        let (mut near, mut far) = bench.both();
        words.greet(&mut near, &mut far);
        near.say(words.ask);
        far.hear(words.ask);
        far.say(words.yes);
        near.hear(words.yes);
        near.say("injected\r\n");
        assert_eq!(far.rest().0, b"", "nothing is passed on");
        far.end();
        assert_eq!(near.rest().0, b"");
        let recording = bench.recording();
        let codes = recording.note_codes();
        for code in ["tls-plaintext", "starttls-injection"] {
            assert!(codes.contains(&code.to_owned()), "{}", recording.dump());
        }
    }
}

#[test]
fn a_server_that_is_not_there_is_noted() {
    let free = crate::support::free_address();
    let route = format!("imaps://127.0.0.1:0=imaps://localhost:{}", free.port());
    let mailtap = crate::support::mailtap::Mailtap::start(&[&route], &["--passthrough", "localhost"]);
    let mut near = crate::support::tls_peer::Peer::connect(mailtap.address(&route));
    assert!(
        near.start_tls(&trusting(&crate::tls_kit::TestCa::root("Any").pem, BOTH_VERSIONS, &[]), "localhost").is_err()
    );
    let recordings = mailtap.recordings(1);
    assert!(recordings[0].note_codes().contains(&"upstream-refused".to_owned()), "{}", recordings[0].dump());
    assert_eq!(recordings[0].one("close")["by"], "proxy");
}

/// Where the legs differ there is no TLS that could be passed through from end to end: the session is read, and says so.
#[test]
fn legs_that_differ_are_read_and_say_so() {
    for (left, right) in [("imaps", "imap"), ("imap", "imaps"), ("imap", "imap+starttls"), ("imaps", "imap+starttls")] {
        let bench = Bench::start(left, right, &["--passthrough", "localhost"]);
        let mut near = bench.client();
        let trusting = bench.trusting();
        let client = thread::spawn(move || {
            if left == "imaps" {
                near.start_tls(&trusting, "localhost").expect("the TLS that it asked for");
            }
            near.hear("* OK ready\r\n");
            near.say("a NOOP\r\n");
            near.hear("a OK done\r\n");
            near
        });
        let mut far = bench.server();
        if right == "imaps" {
            far.serve_tls(&bench.showing()).expect("the server's handshake");
        }
        far.say("* OK ready\r\n");
        if right == "imap+starttls" {
            let asked = far.line();
            let (tag, _) = asked.split_once(" STARTTLS").expect("STARTTLS");
            far.say(format!("{tag} OK go\r\n"));
            far.serve_tls(&bench.showing()).expect("the server's handshake");
        }
        far.hear("a NOOP\r\n");
        far.say("a OK done\r\n");
        let near = client.join().expect("no panic");
        let recording = over(&bench, near, far);
        assert_eq!(recording.verbs(), ["NOOP"], "{left} and {right}: {}", recording.dump());
        assert!(recording.of_kind("gap").is_empty());
        let note = recording.of_kind("note").into_iter().find(|note| note["code"] == "passthrough-unequal");
        let text = note.expect("a note")["text"].to_string();
        assert!(text.contains(left) && text.contains(right), "{text}");
    }
}
