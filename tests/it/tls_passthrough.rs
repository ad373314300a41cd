//! `--passthrough`: the client's TLS reaches the server's own certificate, and only metadata are recorded.
//! Takes peers that do as they are told; gives what the client was shown and the counts that were recorded.
//! Does not decrypt anything.

use std::thread;

use crate::support::recording::{Recording, find};
use crate::support::tls_peer::{BOTH_VERSIONS, Bench, showing, trusting};
use crate::tls_upgrade::{ALL, over};

/// Says nothing of what passed but its offer and its size.
#[track_caller]
fn assert_metadata(recording: &Recording, how: &str, said: &[&[u8]]) {
    let tls = recording.one("tls");
    assert_eq!((&tls["from"], &tls["how"], &tls["sni"]), (&"client".into(), &how.into(), &"localhost".into()), "{tls}");
    assert_eq!(tls["alpn_offered"], serde_json::json!(["imap"]), "{tls}");
    assert_eq!(tls["versions_offered"], serde_json::json!(["TLSv1.3", "TLSv1.2"]), "{tls}");
    assert!(tls["certificate"].is_null() && tls["error"].is_null(), "{tls}");
    let close = recording.one("close");
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
            let client = if *version == &rustls::version::TLS13 {
                trusting(&bench.authority.root(), BOTH_VERSIONS, &["imap"])
            } else {
                client
            };
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
            if *version == &rustls::version::TLS13 {
                assert_metadata(&recording, "implicit", &[b"Canary-said"]);
            }
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
