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
