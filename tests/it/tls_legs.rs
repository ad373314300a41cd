//! TLS on both legs from the first byte: how each end is told, what is resumed, and what old peers and doubters get.
//! Takes peers that do as they are told, and OpenSSL; gives what each was told and what was recorded.
//! Does not upgrade anything; that is tested elsewhere.

use std::io::Write;
use std::process::Command;

use crate::support::certs::{Key, self_signed_with};
use crate::support::clients::s_client;
use crate::support::mailtap::run;
use crate::support::process::Ran;
use crate::support::program;
use crate::support::recording::Recording;
use crate::support::tls_peer::{BOTH_VERSIONS, Bench, showing, trusting};
use crate::tls_upgrade::over;

/// More than all the buffers on the way hold.
const MUCH: usize = 8 << 20;

fn no_close_notify(recording: &Recording) -> Vec<String> {
    let all = recording.of_kind("note").into_iter().filter(|note| note["code"] == "no-close-notify");
    all.map(|note| note["text"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_half_close_goes_through_and_the_other_direction_goes_on() {
    for version in BOTH_VERSIONS {
        for client_first in [true, false] {
            let bench = Bench::start("imaps", "imaps", &[]);
            let client = trusting(&bench.ca(), &[version], &[]);
            let (near, far) = bench.implicit(client, &showing(&bench.good(), &[version], &[]));
            let (mut first, mut second) = if client_first { (near, far) } else { (far, near) };
            first.say("* the last words\r\n");
            first.end();
            assert_eq!(second.rest(), (b"* the last words\r\n".to_vec(), true));
            let line = format!("* {}\r\n", "more ".repeat(800));
            let much = line.repeat(MUCH / line.len()).into_bytes();
            let reading = std::thread::spawn(move || first.rest());
            second.say(&much);
            second.end();
            let (heard, properly) = reading.join().expect("no panic");
            assert!(heard == much, "{} of {} bytes", heard.len(), much.len());
            assert!(properly, "close_notify is sent on");
            let recording = bench.recording();
            assert!(no_close_notify(&recording).is_empty(), "{}", recording.dump());
            assert_eq!(recording.one("close")["by"], if client_first { "client" } else { "server" });
        }
    }
}

#[test]
fn an_end_without_close_notify_is_recorded_and_the_other_side_gets_a_proper_one() {
    for version in BOTH_VERSIONS {
        for cut_by in ["client", "server"] {
            let bench = Bench::start("imaps", "imaps", &[]);
            let client = trusting(&bench.ca(), &[version], &[]);
            let (near, far) = bench.implicit(client, &showing(&bench.good(), &[version], &[]));
            let (mut first, mut second) = if cut_by == "client" { (near, far) } else { (far, near) };
            first.cut();
            let _ = second.rest();
            second.end();
            let recording = bench.recording();
            let noted = no_close_notify(&recording);
            assert_eq!(noted, [format!("the {cut_by} ended the connection without a TLS close_notify")]);
        }
    }
}

#[test]
fn bad_certificates_of_all_kinds_are_told_in_each_protocol_inside_tls() {
    let kinds: [(&str, &str); 5] = [
        ("expired", "expired on 2021-01-01"),
        ("early", "is not valid before"),
        ("name", "for other.example, not for localhost"),
        ("self-signed", "self-signed"),
        ("intermediate", "intermediate"),
    ];
    let sentences = [
        ("imaps", "* BYE [UNAVAILABLE] mailtap: "),
        ("pop3s", "-ERR [SYS/PERM] mailtap: "),
        ("smtps", "421 4.7.5 mailtap: "),
    ];
    std::thread::scope(|scope| {
        for (scheme, begins) in sentences {
            scope.spawn(move || {
                for key in [Key::Ecdsa, Key::Rsa] {
                    for version in BOTH_VERSIONS {
                        for (kind, told) in kinds {
                            let bench = Bench::start(scheme, scheme, &[]);
                            let chain = match kind {
                                "expired" => bench.authority.expired(&["localhost"], key),
                                "early" => bench.authority.not_yet(&["localhost"], key),
                                "name" => bench.authority.issue(&["other.example"], key),
                                "self-signed" => self_signed_with(&["localhost"], key),
                                _ => bench.authority.without_intermediate(&["localhost"], key),
                            };
                            let config = showing(&chain, &[version], &[]);
                            let trusting = bench.trusting();
                            let mut near = bench.client();
                            let client = std::thread::spawn(move || {
                                near.start_tls(&trusting, "localhost").expect("the TLS that it asked for");
                                let line = near.line();
                                near.end();
                                (line, near.rest())
                            });
                            let refused = bench.server().serve_tls(&config);
                            let (line, (rest, properly)) = client.join().expect("no panic");
                            assert!(line.contains(told), "{scheme} {kind} {key:?} {version:?}: {line}");
                            assert!(line.starts_with(begins), "{line}");
                            assert!(rest.is_empty() && properly, "the end is told");
                            // With TLS 1.3 the server's own handshake is over before the alert comes.
                            assert!(refused.is_err() || *version == &rustls::version::TLS13);
                            let recording = bench.recording();
                            let event = recording.of_kind("tls").into_iter().find(|event| event["from"] == "server");
                            let event = event.expect("the server leg's event");
                            assert!(event["error"].as_str().is_some_and(|error| error.contains(told)), "{event}");
                            assert_eq!(event["verified"], false, "{event}");
                            assert!(event["chain"].as_array().is_some_and(|chain| !chain.is_empty()), "{event}");
                        }
                    }
                }
            });
        }
    });
}

#[test]
fn a_client_that_does_not_trust_the_ca_is_recorded_and_told_what_to_do() {
    for version in BOTH_VERSIONS {
        let bench = Bench::start("imaps", "imaps", &[]);
        let stranger = trusting(&bench.authority.root(), &[version], &[]);
        let mut near = bench.client();
        let client = std::thread::spawn(move || near.start_tls(&stranger, "localhost"));
        let mut far = bench.server();
        far.serve_tls(&bench.showing()).expect("the server's handshake");
        assert!(client.join().expect("no panic").is_err(), "the leaf is not trusted");
        let recording = bench.recording();
        let refused = recording.of_kind("tls").into_iter().find(|event| event["from"] == "client");
        let refused = refused.expect("the client leg's event");
        assert!(refused["error"].as_str().is_some_and(|error| error.contains("certificate")), "{refused}");
        assert!(recording.note_codes().contains(&"tls-certificate-refused".to_owned()), "{}", recording.dump());
        let tail = run(&bench.mailtap.dir, &["tail", "last"]).expect_ok().text();
        assert!(tail.contains("mailtap ca trust"), "{tail}");
    }
}

#[test]
fn an_old_client_is_recorded_with_the_versions_it_offers() {
    // An SSLv3 hello, written by hand: nothing installed speaks it any more.
    let mut ssl3 = vec![3, 0];
    ssl3.extend([7; 32]);
    ssl3.extend([0, 0, 4, 0, 0x2f, 0, 0x35, 1, 0]);
    let mut hello = vec![1, 0, 0, ssl3.len() as u8];
    hello.extend(ssl3);
    let mut record = vec![0x16, 3, 0, 0, hello.len() as u8];
    record.extend(hello);
    let bench = Bench::start("imaps", "imaps", &[]);
    let mut near = bench.client();
    near.say(&record);
    let (alert, _) = near.rest();
    assert_eq!(alert.first(), Some(&0x15), "an alert: {alert:?}");
    assert_offers(&bench.recording(), "offers only SSLv3; mailtap speaks TLSv1.2 and TLSv1.3");

    for (option, version) in [("-tls1", "TLSv1.0"), ("-tls1_1", "TLSv1.1")] {
        let bench = Bench::start("pop3s", "pop3s", &[]);
        let ca = bench.mailtap.dir.join("certs/ca.pem");
        let ran = s_client(bench.address, &ca, &[option, "-cipher", "ALL:@SECLEVEL=0"], b"QUIT\r\n");
        assert!(!ran.is_ok(), "{ran}");
        assert_offers(&bench.recording(), &format!("offers only {version}"));
    }

    let bench = Bench::start("pop3s", "pop3s", &[]);
    let ca = bench.mailtap.dir.join("certs/ca.pem");
    let address = bench.address;
    let options = ["-tls1_2", "-cipher", "AES128-SHA"];
    let ran = std::thread::spawn(move || s_client(address, &ca, &options, b"QUIT\r\n"));
    bench.server().serve_tls(&bench.showing()).expect("the server's handshake");
    let ran = ran.join().expect("no panic");
    assert!(!ran.is_ok(), "{ran}");
    let recording = bench.recording();
    let error = recording.of_kind("tls").iter().map(|event| event["error"].to_string()).collect::<String>();
    assert!(error.contains("in common") || error.contains("cipher"), "{error}");
}

#[track_caller]
fn assert_offers(recording: &Recording, told: &str) {
    let tls = recording.one("tls");
    assert!(tls["error"].as_str().is_some_and(|error| error.contains(told)), "{tls}");
    assert!(recording.note_codes().contains(&"tls-version".to_owned()), "{}", recording.dump());
}

#[test]
fn early_data_is_never_accepted_and_resumption_is_recorded() {
    let bench = Bench::start("imaps", "imaps", &[]);
    let server = bench.showing();
    let folder = tempfile::tempdir().expect("a folder");
    let (ticket, early) = (folder.path().join("ticket").display().to_string(), folder.path().join("early"));
    std::fs::File::create(&early).and_then(|mut file| file.write_all(b"a NOOP too early\r\n")).expect("writes");
    let ca = bench.mailtap.dir.join("certs/ca.pem").display().to_string();
    for round in 0..2 {
        let mut command = Command::new(program("openssl", "openssl"));
        command.args(["s_client", "-connect", &bench.address.to_string(), "-CAfile", &ca, "-servername", "localhost"]);
        command.args(["-tls1_3", "-ign_eof"]);
        if round == 0 {
            command.args(["-sess_out", &ticket]);
        } else {
            command.args(["-sess_in", &ticket, "-early_data"]).arg(&early);
        }
        let client = std::thread::spawn(move || Ran::with_input(&command, b"b NOOP in time\r\n"));
        let mut far = bench.server();
        far.serve_tls(&server).expect("the server's handshake");
        far.say("* OK ready\r\n");
        far.hear("b NOOP in time\r\n");
        far.say("b OK done\r\n* BYE\r\n");
        far.end();
        let ran = client.join().expect("no panic");
        assert!(ran.text().contains("Max Early Data: 0") || ran.text().contains("Early data was"), "{ran}");
        assert!(!ran.text().contains("Early data was accepted"), "{ran}");
    }
    let recordings = bench.mailtap.recordings(2);
    for (recording, resumed) in recordings.iter().zip([false, true]) {
        let client = recording.of_kind("tls").into_iter().find(|event| event["from"] == "client").expect("an event");
        assert_eq!(client["resumed"], resumed, "{client}");
        assert!(!recording.dump().contains("too early"), "{}", recording.dump());
    }
}

#[test]
fn what_the_client_offers_is_what_the_server_sees() {
    let bench = Bench::start("imaps", "imaps", &[]);
    let client = trusting(&bench.ca(), BOTH_VERSIONS, &["imap", "h2"]);
    let server = showing(&bench.good(), BOTH_VERSIONS, &["other", "imap"]);
    let (near, far) = bench.implicit(client, &server);
    assert_eq!(far.agreed().1, Some(b"imap".to_vec()));
    assert_eq!(near.agreed().1, Some(b"imap".to_vec()), "the server's answer is the client's");
    let recording = over(&bench, near, far);
    for event in recording.of_kind("tls") {
        assert_eq!(event["alpn"], "imap", "{event}");
        assert_eq!(event["alpn_offered"], serde_json::json!(["imap", "h2"]), "{event}");
        for field in ["version", "cipher", "group", "resumed", "certificate"] {
            assert!(!event[field].is_null(), "{field} in {event}");
        }
    }
}

#[test]
fn an_old_server_is_told_with_what_it_said_and_what_mailtap_speaks() {
    // A fatal alert for the version (RFC 8446 §6), and ServerHellos of TLS 1.1 and 1.0, written by hand.
    let alert = vec![21, 3, 1, 0, 2, 2, 70];
    let hello = |minor: u8| {
        let mut body = vec![3, minor];
        body.extend([7; 32]);
        body.extend([0, 0, 0x2f, 0]);
        let mut message = vec![2, 0, 0, body.len() as u8];
        message.extend(body);
        let mut record = vec![22, 3, minor, 0, message.len() as u8];
        record.extend(message);
        record
    };
    let answers = [
        (alert, "neither TLSv1.2 nor TLSv1.3"),
        (hello(2), "answered in TLSv1.1;"),
        (hello(1), "answered in TLSv1.0;"),
    ];
    for (answer, named) in answers {
        let bench = Bench::start("imaps", "imaps", &[]);
        let trusting = bench.trusting();
        let mut near = bench.client();
        let client = std::thread::spawn(move || {
            near.start_tls(&trusting, "localhost").expect("the TLS that it asked for");
            let line = near.line();
            near.end();
            line
        });
        let mut far = bench.server();
        assert_eq!(far.take(2), [22, 3], "mailtap's hello");
        far.say(&answer);
        let told = client.join().expect("no panic");
        assert!(told.starts_with("* BYE [UNAVAILABLE] mailtap: localhost "), "{told}");
        assert!(told.contains(named) && told.contains("TLSv1.2"), "{told}");
        let recording = bench.recording();
        assert_eq!(recording.of_kind("tls")[0]["from"], "server");
        let advice = recording.of_kind("note").into_iter().find(|note| note["code"] == "tls-advice");
        assert!(advice.is_some_and(|note| note["text"].to_string().contains("updated")), "{}", recording.dump());
    }
}

#[test]
fn a_ca_of_ones_own_and_the_key_log_of_the_environment() {
    use std::os::unix::fs::PermissionsExt;
    let own = crate::tls_kit::TestCa::root("Own Root");
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("writes");
        path.display().to_string()
    };
    let (cert, key) = (write("own.pem", &own.pem), write("own-key.pem", &own.key_pem));
    let bench = Bench::start("imaps", "imaps", &["--ca-cert", &cert, "--ca-key", &key]);
    let (near, far) = bench.implicit(trusting(&own.pem, BOTH_VERSIONS, &[]), &bench.showing());
    let recording = over(&bench, near, far);
    assert!(recording.dump().contains("Own Root"), "{}", recording.dump());
    assert!(!bench.mailtap.dir.join("certs/ca.pem").exists(), "none is made where there is one");

    // Opened before anything is listened at, so that an address which is taken is enough here.
    let keys = folder.path().join("keys");
    let route = format!("imap://{}=imap://localhost", bench.address);
    let mut command = crate::support::mailtap::command(folder.path(), &["proxy", "--route", &route]);
    command.env("SSLKEYLOGFILE", &keys);
    assert!(!Ran::new(&command).is_ok());
    let mode = std::fs::metadata(&keys).expect("SSLKEYLOGFILE is heeded").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
