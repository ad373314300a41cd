//! Both legs through memory: what the server presents, what the client is shown, and what is told of it.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use mailtap::tls::authority::Authority;
use mailtap::tls::facts::Facts;
use mailtap::tls::failure::{self, Peer};
use mailtap::tls::leaf::{LeafKey, LeafRequest};
use mailtap::tls::server::{HelloReader, Server};
use mailtap::tls::upstream::{ClientCertificate, Options, Target, Upstream};
use mailtap::tls::verdict::Verified;
use rustls::ServerConfig;
use rustls::client::ClientConnection;
use rustls::pki_types::ServerName;

use crate::tls_kit::{DAY, Ended, TestCa, Wanted, client_config, now, run, server};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

struct Judged {
    ended: Ended,
    verified: Verified,
    facts: Facts,
}

/// The server leg towards `config` under the name `mail.example`, trusting `ca` besides the system.
fn judge_with(config: ServerConfig, trusted: &[&str], insecure: bool, target: Target<'_>) -> Judged {
    let dir = tempfile::tempdir().expect("a folder");
    let ca_files: Vec<PathBuf> = (0..trusted.len()).map(|n| dir.path().join(format!("{n}.pem"))).collect();
    for (path, pem) in ca_files.iter().zip(trusted) {
        std::fs::write(path, pem).expect("writes");
    }
    let upstream = Upstream::open(&Options { ca_files, insecure, ..Options::default() }).expect("opens");
    let (mut client, watch) = upstream.connect(&target).expect("a usable name");
    let ended = run(&mut client, &mut server(config));
    let facts = Facts::of_server_leg(&client, &watch, target.alpn);
    Judged { ended, verified: watch.verified(), facts }
}

fn target(name: &str) -> Target<'_> {
    Target { name, sni: None, alpn: &[] }
}

fn judge(config: ServerConfig, trusted: &[&str]) -> Judged {
    judge_with(config, trusted, false, target("mail.example"))
}

fn reason(judged: &Judged) -> &str {
    assert!(judged.ended.client.is_err(), "the handshake must fail");
    assert!(!judged.facts.chain.is_empty(), "the chain is kept");
    judged.verified.reason().expect("a reason")
}

#[test]
fn a_good_server_is_verified() {
    let root = TestCa::root("Test Root");
    let judged = judge(Wanted::default().signed_by(&root, &[]), &[&root.pem]);
    assert!(judged.ended.is_good(), "{:?}", judged.ended);
    assert_eq!(judged.verified, Verified::Yes);
    assert_eq!(judged.facts.version.as_deref(), Some("TLSv1.3"));
    assert_eq!(judged.facts.group.as_deref(), Some("X25519MLKEM768"));
    assert!(judged.facts.cipher.expect("a cipher").starts_with("TLS_AES_"));
    assert_eq!(judged.facts.sni.as_deref(), Some("mail.example"));
    assert_eq!(judged.facts.certificate.expect("a certificate").names, ["mail.example"]);
    assert_eq!(judged.facts.resumed, Some(false));
    assert_eq!(judged.facts.client_certificate, Some(ClientCertificate::NotAsked));
}

#[test]
fn an_expired_certificate_is_told_with_its_day() {
    let root = TestCa::root("Test Root");
    let config = Wanted { from: 1_700_000_000, until: 1_767_312_000, ..Wanted::default() }.signed_by(&root, &[]);
    let judged = judge(config, &[&root.pem]);
    assert_eq!(reason(&judged), "mail.example presented a certificate that expired on 2026-01-02");
}

#[test]
fn a_certificate_of_the_future_is_told() {
    let root = TestCa::root("Test Root");
    let config = Wanted { from: now() + 40 * DAY, until: now() + 50 * DAY, ..Wanted::default() }.signed_by(&root, &[]);
    let judged = judge(config, &[&root.pem]);
    assert!(reason(&judged).contains("is not valid before 20"), "{}", reason(&judged));
}

#[test]
fn a_wrong_name_is_told_with_both_names() {
    let root = TestCa::root("Test Root");
    let config = Wanted { names: &["mail.other.example"], ..Wanted::default() }.signed_by(&root, &[]);
    let judged = judge(config, &[&root.pem]);
    assert_eq!(reason(&judged), "mail.example presented a certificate for mail.other.example, not for mail.example");
}

#[test]
fn a_self_signed_certificate_is_told() {
    let (config, _) = Wanted::default().self_signed();
    let root = TestCa::root("Test Root");
    assert_eq!(reason(&judge(config, &[&root.pem])), "mail.example presented a self-signed certificate");
}

#[test]
fn a_self_signed_certificate_can_be_trusted_itself() {
    let (config, pem) = Wanted::default().self_signed();
    assert_eq!(judge(config, &[&pem]).verified, Verified::Yes);
    let (config, pem) = Wanted { names: &["other.example"], ..Wanted::default() }.self_signed();
    let judged = judge(config, &[&pem]);
    assert!(reason(&judged).contains("not for mail.example"), "the name counts: {}", reason(&judged));
}

#[test]
fn a_leaf_that_nobody_vouches_for_can_be_pinned_but_not_when_expired() {
    let (unknown, root) = (TestCa::root("Unknown Root"), TestCa::root("Test Root"));
    let expired = Wanted { from: 1_700_000_000, until: 1_767_312_000, ..Wanted::default() }.self_signed();
    assert!(reason(&judge(expired.0, &[&expired.1])).contains("expired on 2026-01-02"));
    let judged = judge(Wanted::default().signed_by(&unknown, &[]), &[&root.pem]);
    assert!(reason(&judged).contains("Unknown Root"), "{}", reason(&judged));
}

#[test]
fn an_unknown_authority_is_named() {
    let (unknown, root) = (TestCa::root("Unknown Root"), TestCa::root("Test Root"));
    let judged = judge(Wanted::default().signed_by(&unknown, &[&unknown]), &[&root.pem]);
    assert_eq!(
        reason(&judged),
        "mail.example presented a certificate that is signed by an authority that is not trusted here (Unknown Root)"
    );
}

#[test]
fn a_missing_intermediate_is_suspected() {
    let root = TestCa::root("Test Root");
    let middle = TestCa::intermediate("Test Middle", &root);
    let good = judge(Wanted::default().signed_by(&middle, &[&middle]), &[&root.pem]);
    assert_eq!(good.verified, Verified::Yes);
    let judged = judge(Wanted::default().signed_by(&middle, &[]), &[&root.pem]);
    let said = reason(&judged);
    assert!(
        said.contains("issuer Test Middle") && said.contains("the server should send its certificate along"),
        "{said}"
    );
}

#[test]
fn insecure_accepts_and_still_says_why_not() {
    let (config, _) = Wanted { names: &["other.example"], ..Wanted::default() }.self_signed();
    let judged = judge_with(config, &[], true, target("mail.example"));
    assert!(judged.ended.is_good(), "{:?}", judged.ended);
    assert_eq!(judged.verified, Verified::Skipped(Some("mail.example presented a self-signed certificate".into())));
}

#[test]
fn the_clients_sni_and_alpn_go_to_the_server() {
    let root = TestCa::root("Test Root");
    let mut config = Wanted { names: &["imap.example"], ..Wanted::default() }.signed_by(&root, &[]);
    config.alpn_protocols = vec![b"imap".to_vec()];
    let alpn = [b"smtp".to_vec(), b"imap".to_vec()];
    let judged =
        judge_with(config, &[&root.pem], false, Target { name: "192.0.2.1", sni: Some("imap.example"), alpn: &alpn });
    assert!(judged.ended.is_good(), "{:?}", judged.ended);
    assert_eq!(judged.facts.sni.as_deref(), Some("imap.example"));
    assert_eq!(judged.facts.alpn.as_deref(), Some("imap"));
    assert_eq!(judged.facts.alpn_offered, ["smtp", "imap"]);
}

#[test]
fn a_certificate_for_the_dialed_name_will_do_and_localhost_is_not_passed_on() {
    let root = TestCa::root("Test Root");
    for (sni, sent) in [("alias.example", "alias.example"), ("localhost", "mail.example")] {
        let config = Wanted::default().signed_by(&root, &[]);
        let judged =
            judge_with(config, &[&root.pem], false, Target { name: "mail.example", sni: Some(sni), alpn: &[] });
        assert_eq!((judged.verified, judged.facts.sni.as_deref()), (Verified::Yes, Some(sent)), "{sni}");
    }
}

#[test]
fn an_ip_address_sends_no_sni_and_needs_a_certificate_for_it() {
    let root = TestCa::root("Test Root");
    let config = Wanted { names: &["192.0.2.7"], ..Wanted::default() }.signed_by(&root, &[]);
    let judged = judge_with(config, &[&root.pem], false, target("192.0.2.7"));
    assert_eq!((judged.verified, judged.facts.sni), (Verified::Yes, None));
    let config = Wanted::default().signed_by(&root, &[]);
    let judged = judge_with(config, &[&root.pem], false, target("192.0.2.7"));
    assert!(reason(&judged).ends_with("not for 192.0.2.7"), "{}", reason(&judged));
}

/// A client's hello through the reader, `step` bytes at a time, answered with a leaf of a fresh CA.
fn client_leg(step: usize, kind: LeafKey, trusts: bool, alpn: &[&[u8]], chosen: Option<&[u8]>) -> (Ended, Facts) {
    let dir = tempfile::tempdir().expect("a folder");
    let authority = Authority::open(dir.path()).expect("a CA").with_leaf_key(kind);
    let stranger = TestCa::root("Stranger");
    let root = if trusts { authority.certificate().clone() } else { stranger.der };
    let mut config = client_config(&root);
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from("mail.example").expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).expect("memory");
    }
    let mut reader = HelloReader::new();
    let mut hello = None;
    for mut piece in bytes.chunks(step) {
        assert!(hello.is_none(), "complete before the last byte");
        hello = reader.feed(&mut piece).expect("a good hello");
        assert!(piece.is_empty());
    }
    let hello = hello.expect("complete");
    let offer = hello.offer.clone();
    assert_eq!(offer.sni.as_deref(), Some("mail.example"));
    assert_eq!(offer.versions_in_words(), "TLSv1.3, TLSv1.2");
    let request = LeafRequest { name: offer.sni.as_deref(), extra: &["*.example".to_string()], listener: LOOPBACK };
    let leaf = authority.leaf(&request).expect("a leaf");
    let config = Server::new(None).expect("a server").config(&leaf, chosen).expect("a configuration");
    let mut server = hello.answer(config).expect("something in common");
    let ended = run(&mut client, &mut server);
    (ended, Facts::of_client_leg(&server, &offer, &leaf.cert))
}

#[test]
fn a_hello_may_come_byte_by_byte() {
    for step in [1, 2, 7, 500, 100_000] {
        let (ended, facts) = client_leg(step, LeafKey::P256, true, &[b"imap"], Some(b"imap"));
        assert!(ended.is_good(), "{ended:?}");
        assert_eq!(facts.alpn.as_deref(), Some("imap"));
        assert_eq!(facts.versions_offered, ["TLSv1.3", "TLSv1.2"]);
        let names = facts.certificate.expect("the leaf").names;
        assert_eq!(names, ["mail.example", "*.example", "localhost", "127.0.0.1", "::1"]);
    }
}

#[test]
fn an_offer_that_the_server_left_unanswered_stays_unanswered() {
    let (ended, facts) = client_leg(4096, LeafKey::Rsa2048, true, &[b"imap"], None);
    assert!(ended.is_good(), "{ended:?}");
    assert_eq!((facts.alpn, facts.alpn_offered.as_slice()), (None, ["imap".to_string()].as_slice()));
}

#[test]
fn a_client_that_does_not_trust_the_ca_is_told_how() {
    let (ended, _) = client_leg(4096, LeafKey::P256, false, &[], None);
    let error = ended.server.expect_err("an alert");
    let failure = failure::of_tls(Peer::Client, "the client", &error);
    assert_eq!(failure.code, failure::REFUSED);
    assert_eq!(failure.text, "the client refused mailtap's certificate (alert unknown_ca)");
    assert!(failure.advice.expect("advice").contains("mailtap ca trust"));
}

/// What the reader says to bytes that are no good hello.
fn refused(bytes: &[u8]) -> Box<mailtap::tls::server::Refusal> {
    let mut rest = bytes;
    HelloReader::new().feed(&mut rest).err().expect("refused")
}

#[test]
fn plaintext_on_a_tls_port_is_told_and_not_answered_in_tls() {
    let refusal = refused(b"EHLO me.example\r\n");
    assert_eq!(refusal.failure.code, failure::PLAINTEXT);
    assert_eq!(refusal.failure.text, "the client sent plaintext where TLS was to begin");
    assert_eq!(refusal.plaintext, b"EHLO me.example\r\n");
    assert!(refusal.alert.is_empty());
}

#[test]
fn an_old_hello_is_refused_with_its_version_and_the_right_alert() {
    // TLS 1.0 as sent long ago: no extensions at all.
    let mut body = vec![3, 1];
    body.extend([9; 32]);
    body.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    let length = u8::try_from(body.len()).expect("short");
    let mut bytes = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    bytes.extend(body);
    let refusal = refused(&bytes);
    assert_eq!(refusal.failure.text, "the client offers only TLSv1.0; mailtap speaks TLSv1.2 and TLSv1.3");
    assert_eq!(refusal.alert, [21, 3, 1, 0, 2, 2, 70]);
    assert_eq!(refusal.offer.as_ref().map(|offer| offer.versions_in_words()).as_deref(), Some("TLSv1.0"));
}

#[test]
fn an_endless_hello_is_refused() {
    let mut reader = HelloReader::new();
    let mut record = vec![22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff];
    record.resize(5 + 0x4000, 0);
    let mut fed = 0;
    let refused = loop {
        let mut rest = record.as_slice();
        match reader.feed(&mut rest) {
            Ok(None) => fed += record.len(),
            Ok(Some(_)) => panic!("that is no hello"),
            Err(refusal) => break refusal,
        }
        assert!(fed < 200_000, "somewhere it must end");
    };
    assert_eq!(refused.failure.code, failure::FAILED);
}

#[test]
fn configurations_are_shared_between_sessions() {
    let dir = tempfile::tempdir().expect("a folder");
    let authority = Authority::open(dir.path()).expect("a CA");
    let (one, other) = (
        authority.leaf_for("a.example", LOOPBACK).expect("a leaf"),
        authority.leaf_for("b.example", LOOPBACK).expect("a leaf"),
    );
    let server = Server::new(None).expect("a server");
    let config = |leaf, alpn| server.config(leaf, alpn).expect("a configuration");
    let first = config(&one, Some(b"imap"));
    assert!(Arc::ptr_eq(&first, &config(&one, Some(b"imap"))));
    assert!(!Arc::ptr_eq(&first, &config(&one, None)));
    assert!(!Arc::ptr_eq(&first, &config(&other, Some(b"imap"))));
    assert_eq!(first.max_early_data_size, 0);
}

#[test]
fn a_client_certificate_is_given_when_asked_for() {
    let root = TestCa::root("Test Root");
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("writes");
        path
    };
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(["user.example".to_string()]).expect("a name");
    let cert = params.signed_by(&key, &root.issuer).expect("signs");
    let identity = (write("user.pem", &cert.pem()), write("user-key.pem", &key.serialize_pem()));
    let ca_files = vec![write("root.pem", &root.pem)];
    for (identity, outcome) in [(None, ClientCertificate::Asked), (Some(identity.clone()), ClientCertificate::Given)] {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(root.der.clone()).expect("a root");
        let asking =
            rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), mailtap::tls::provider());
        let config =
            Wanted::default().signed_by_asking(&root, asking.allow_unauthenticated().build().expect("a verifier"));
        let options = Options { ca_files: ca_files.clone(), identity: identity.clone(), ..Options::default() };
        let (mut client, watch) =
            Upstream::open(&options).expect("opens").connect(&target("mail.example")).expect("a name");
        let mut server = server(config);
        let ended = run(&mut client, &mut server);
        assert!(ended.is_good(), "{ended:?}");
        assert_eq!(watch.client_certificate(), outcome);
        assert_eq!(server.peer_certificates().is_some(), identity.is_some());
    }
    let wrong = Options { identity: Some((identity.0, write("other.pem", &root.key_pem))), ..Options::default() };
    let said = Upstream::open(&wrong).err().expect("no match").to_string();
    assert!(said.contains("is not the key of the certificate") && said.contains("--upstream-key"), "{said}");
}

#[test]
fn sessions_may_be_resumed_but_0_rtt_is_never_offered() {
    let dir = tempfile::tempdir().expect("a folder");
    let authority = Authority::open(dir.path()).expect("a CA");
    let leaf = authority.leaf_for("mail.example", LOOPBACK).expect("a leaf");
    let served = Server::new(None).expect("a server");
    for versions in [&[&rustls::version::TLS13], &[&rustls::version::TLS12]] {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.certificate().clone()).expect("a root");
        let mut config = rustls::ClientConfig::builder_with_provider(mailtap::tls::provider())
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.enable_early_data = true;
        let config = Arc::new(config);
        let mut resumed = Vec::new();
        for _ in 0..2 {
            let name = ServerName::try_from("mail.example").expect("a name");
            let mut client = ClientConnection::new(Arc::clone(&config), name).expect("a client");
            assert!(client.early_data().is_none(), "the tickets must not allow it");
            let mut bytes = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut bytes).expect("memory");
            }
            let hello = HelloReader::new().feed(&mut bytes.as_slice()).expect("a good hello").expect("complete");
            let offer = hello.offer.clone();
            let mut server = hello.answer(served.config(&leaf, None).expect("a configuration")).expect("common ground");
            assert!(run(&mut client, &mut server).is_good());
            resumed.push(Facts::of_client_leg(&server, &offer, &leaf.cert).resumed);
        }
        assert_eq!(resumed, [Some(false), Some(true)], "{versions:?}");
    }
}
