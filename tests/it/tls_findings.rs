//! Findings that only a handshake, or what follows it on the wire, can provoke.
//! Takes peers that do as they are told, and OpenSSL; gives the codes that were noted, and comes close to each.
//! Does not know how a finding is made.

use std::net::SocketAddr;
use std::process::Command;

use crate::support::certs::Key;
use crate::support::clients::s_client;
use crate::support::process::Daemon;
use crate::support::recording::Recording;
use crate::support::tls_peer::{BOTH_VERSIONS, Bench, showing};
use crate::support::{free_address, is_listening, mailtap::Mailtap, program, wait_for};

fn noted(recording: &Recording, code: &str) -> Vec<String> {
    let all = recording.of_kind("note").into_iter().filter(|note| note["code"] == code);
    all.map(|note| note["text"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_certificate_that_soon_ends() {
    for (days, told) in [(13, true), (15, false)] {
        let bench = Bench::start("imaps", "imaps", &[]);
        let chain = bench.authority.ending(&["localhost"], days);
        let (mut near, mut far) = bench.implicit(bench.trusting(), &showing(&chain, BOTH_VERSIONS, &[]));
        far.say("* BYE not today\r\n");
        near.hear("* BYE not today\r\n");
        far.end();
        near.end();
        let recording = bench.recording();
        let found = noted(&recording, "certificate-expiring");
        assert_eq!(!found.is_empty(), told, "{}", recording.dump());
        assert!(found.iter().all(|text| text.contains("in 12 days")), "{found:?}");
    }
}

/// What helps against a wrong name is another name, and not to trust an authority that is trusted already.
#[test]
fn a_certificate_with_another_name() {
    for (names, told) in [(["mail.example"], true), (["localhost"], false)] {
        let bench = Bench::start("imaps", "imaps", &[]);
        let chain = bench.authority.issue(&names, Key::Ecdsa);
        let near = bench.client();
        let trusting = bench.trusting();
        let shaking = std::thread::spawn(move || {
            let mut near = near;
            let _ = near.start_tls(&trusting, "localhost");
        });
        let mut far = bench.server();
        let _ = far.serve_tls(&showing(&chain, BOTH_VERSIONS, &[]));
        if !told {
            far.end();
        }
        drop(far);
        shaking.join().expect("no panic");
        let recording = bench.recording();
        assert_eq!(noted(&recording, "certificate-name").is_empty(), !told, "{}", recording.dump());
        let advice = noted(&recording, "tls-advice");
        assert_eq!(advice.is_empty(), !told, "{}", recording.dump());
        assert!(advice.iter().all(|text| text.contains("route") && !text.contains("--upstream-ca")), "{advice:?}");
    }
}

#[test]
fn a_client_without_forward_secrecy() {
    for (ciphers, code) in [
        ("AES128-SHA:AES128-GCM-SHA256", "no-forward-secrecy"),
        // It has that, and mailtap does not have these.
        ("DHE-RSA-AES128-GCM-SHA256:AES128-SHA", "tls-nothing-in-common"),
        ("ECDHE-ECDSA-AES128-GCM-SHA256:AES128-SHA", ""),
    ] {
        let bench = Bench::start("imaps", "imaps", &[]);
        let (address, ca) = (bench.address, bench.mailtap.dir.join("certs/ca.pem"));
        let client = std::thread::spawn(move || s_client(address, &ca, &["-tls1_2", "-cipher", ciphers], b""));
        let mut far = bench.server();
        let _ = far.serve_tls(&bench.showing());
        if code.is_empty() {
            far.end();
        }
        drop(far);
        client.join().expect("no panic");
        let recording = bench.recording();
        for one in ["no-forward-secrecy", "tls-nothing-in-common"] {
            assert_eq!(!noted(&recording, one).is_empty(), one == code, "{ciphers}: {}", recording.dump());
        }
    }
}

/// Which ciphers a server has, it does not say. What can be said is what may be the matter.
#[test]
fn a_server_that_may_be_without_forward_secrecy() {
    let folder = tempfile::tempdir().unwrap();
    let authority = crate::support::certs::Authority::new();
    let chain = authority.issue(&["localhost"], Key::Rsa);
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("root.pem"), authority.root()).unwrap();
    std::fs::write(at("cert.pem"), chain.certificates).unwrap();
    std::fs::write(at("key.pem"), chain.key).unwrap();
    for (ciphers, told) in [("AES128-GCM-SHA256", true), ("ECDHE-RSA-AES128-GCM-SHA256", false)] {
        let address = free_address();
        let mut command = Command::new(program("openssl", "openssl"));
        command.args(["s_server", "-quiet", "-tls1_2", "-cipher", ciphers, "-accept", &address.to_string()]);
        command.arg("-cert").arg(at("cert.pem")).arg("-key").arg(at("key.pem"));
        let _server = Daemon::start(&command, &at("log"), None);
        wait_for("openssl s_server", || is_listening(address).then_some(()));
        let recording = one_visit(address, &at("root.pem"));
        let found = noted(&recording, "tls-nothing-in-common");
        let advice = noted(&recording, "tls-advice");
        assert_eq!([found.is_empty(), advice.is_empty()], [!told; 2], "{}", recording.dump());
        assert!(advice.iter().all(|text| text.contains("forward secrecy")), "{advice:?}");
    }
}

/// A client with TLS comes and goes.
fn one_visit(server: SocketAddr, root: &std::path::Path) -> Recording {
    let route = format!("imaps://127.0.0.1:0=imaps://localhost:{}", server.port());
    let mailtap = Mailtap::start(&[&route], &["--upstream-ca", root.to_str().unwrap()]);
    s_client(mailtap.address(&route), &mailtap.dir.join("certs/ca.pem"), &["-tls1_2"], b"");
    mailtap.recordings(1).remove(0)
}

#[test]
fn bytes_that_are_no_tls() {
    for from_server in [true, false] {
        let bench = Bench::start("imaps", "imaps", &[]);
        let (mut near, mut far) = bench.implicit(bench.trusting(), &bench.showing());
        far.say("* OK hi\r\n");
        near.hear("* OK hi\r\n");
        let one = if from_server { &mut far } else { &mut near };
        one.say_beneath(b"421 plaintext after all\r\n");
        let recording = bench.recording();
        let name = if from_server { "server" } else { "client" };
        assert_eq!(
            noted(&recording, "tls-broken"),
            [format!("the {name} sent something that is no TLS, on a connection that has it")],
            "{}",
            recording.dump()
        );
        assert_eq!(recording.one("close")["by"], name);
        assert!(noted(&recording, "tls-plaintext").is_empty(), "{}", recording.dump());
    }
}

/// Exim says its last words in plaintext when a client has ended TLS without QUIT.
#[test]
fn what_a_server_says_behind_the_end_of_tls_is_nobodys() {
    let bench = Bench::start("imaps", "imaps", &[]);
    let (mut near, mut far) = bench.implicit(bench.trusting(), &bench.showing());
    far.say("* OK hi\r\n");
    near.hear("* OK hi\r\n");
    near.end();
    assert_eq!(far.rest(), (Vec::new(), true));
    far.say_beneath(b"421 lost input connection\r\n");
    drop(far);
    let recording = bench.recording();
    for code in ["tls-broken", "tls-plaintext"] {
        assert!(noted(&recording, code).is_empty(), "{}", recording.dump());
    }
    let close = recording.one("close");
    assert_eq!((&close["by"], &close["reason"]), (&"client".into(), &"the client ended the connection".into()));
}
