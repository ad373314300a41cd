//! Real Thunderbird sends a message to itself through mailtap and fetches it: plain, STARTTLS and TLS from the first byte.
//! Takes Thunderbird and Xvfb, which `tests/setup.sh --thunderbird` installs; run by `tests/thunderbird/run`.
//! Does not run with the other tests, because Thunderbird is large and slow to start.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use self::again::{Fresh, Played};
use crate::support::{
    dovecot::PASSWORD,
    findings::nothing_false,
    mailtap::{self, Mailtap},
    others,
    process::Ran,
    program,
    recording::{self, Recording, files_with},
    servers::{servers, user},
    test_file,
    through::spellings,
};

mod again;
mod day;

/// What Thunderbird's preferences call the three ways.
const PLAIN: u8 = 0;
const STARTTLS: u8 = 2;
const IMPLICIT: u8 = 3;

/// Real servers, with mailtap before them.
#[track_caller]
fn to_itself(imap: &str, smtp: &str, tls: u8) {
    let servers = servers();
    let (imap_server, smtp_server) = match tls {
        IMPLICIT => (servers.dovecot.imaps, servers.postfix.submissions),
        _ => (servers.dovecot.imap, servers.postfix.submission),
    };
    let routes = [
        format!("{imap}://127.0.0.1:0={imap}://{imap_server}"),
        format!("{smtp}://127.0.0.1:0={smtp}://{smtp_server}"),
    ];
    let root = servers.root.display().to_string();
    let proxy = Mailtap::start(&[&routes[0], &routes[1]], &["--upstream-ca", &root]);
    let name = user("thunderbird");
    let account = Account { address: format!("{name}@mail.test"), user: name, password: PASSWORD.to_owned() };
    let ports = routes.each_ref().map(|route| proxy.address(route).port());
    run(&proxy, ports, tls, &account);
    let dir = proxy.dir.clone();
    let _folder = check(proxy, tls, &account);
    once_more(&dir, [imap, smtp], tls, &account);
    // And towards the servers that it was recorded with, which know nothing of it any more.
    std::fs::remove_dir_all(servers.dovecot.maildir(&account.user)).expect("the mailbox");
    let url = |scheme: &str| match scheme.starts_with("imap") {
        true => format!("{scheme}://{imap_server}"),
        false => format!("{scheme}://{smtp_server}"),
    };
    let Account { user, password, .. } = &account;
    let fresh = Fresh { dir: &dir, root: &servers.root, user, password, url: &url };
    fresh.says_the_same(&Recording::all(&dir).expect("recordings"));
}

/// The same again, with nothing but the recordings.
#[track_caller]
fn once_more(recorded: &Path, schemes: [&str; 2], tls: u8, account: &Account) {
    let played = Played::start(recorded);
    let ports = schemes.map(|scheme| played.port(scheme));
    let mailtap = &played.replay.mailtap;
    let job = std::thread::scope(|scope| scope.spawn(|| run(mailtap, ports, tls, account)).join());
    played.check(job);
}

/// Other real servers, with mailtap before them.
#[track_caller]
fn to_itself_with_others(servers: [SocketAddr; 2], implicit: bool) {
    let suffix = if implicit { "s" } else { "" };
    let [imap, smtp] = servers;
    let routes = [
        format!("imap{suffix}://127.0.0.1:0=imap{suffix}://{imap}"),
        format!("submission{suffix}://127.0.0.1:0=submission{suffix}://{smtp}"),
    ];
    let proxy = Mailtap::start(&[&routes[0], &routes[1]], &["--upstream-ca", others::root()]);
    let name = others::member();
    let account = Account { address: format!("{name}@mail.test"), user: name, password: PASSWORD.to_owned() };
    let ports = routes.each_ref().map(|route| proxy.address(route).port());
    let tls = if implicit { IMPLICIT } else { STARTTLS };
    run_as("to-itself-asking", &proxy, ports, tls, &account);
    check(proxy, tls, &account);
}

/// The practice server, by itself and within the demo, as a learner has them.
#[track_caller]
fn to_itself_in_practice(tls: u8) {
    // By itself it has a whole day over STARTTLS.
    let commands: &[&str] = if tls == STARTTLS { &["demo"] } else { &["practice", "demo"] };
    for &command in commands {
        let mut args = vec![command, "--json", "--free-ports"];
        if command == "demo" {
            args.push("--no-client");
        }
        let mut mailtap = Mailtap::launch(&args, 7);
        let line = mailtap.account();
        let text = |name: &str| line[name].as_str().unwrap_or_else(|| panic!("no {name} in {line}")).to_owned();
        let port = |name: &str| text(name).parse::<SocketAddr>().expect("an address").port();
        let ports =
            if tls == IMPLICIT { [port("imaps"), port("submissions")] } else { [port("imap"), port("submission")] };
        let account = Account { user: text("user"), address: text("address"), password: text("password") };
        run(&mailtap, ports, tls, &account);
        if command == "demo" {
            let mailtap = check(mailtap, tls, &account);
            let schemes = if tls == IMPLICIT { ["imaps", "submissions"] } else { ["imap", "submission"] };
            once_more(&mailtap.dir, schemes, tls, &account);
        } else {
            assert!(mailtap.stop().success(), "{}", mailtap.errors());
        }
    }
}

struct Account {
    user: String,
    address: String,
    password: String,
}

/// Thunderbird does a job, and what it showed after each step is given. `ports` are those of IMAP and SMTP.
#[track_caller]
fn thunderbird(job: &str, mailtap: &Mailtap, ports: [u16; 2], tls: u8, account: &Account, more: &Value) -> Value {
    program("thunderbird", "thunderbird");
    program("Xvfb", "xvfb");
    let profile = tempfile::tempdir().expect("a folder for the profile");
    let profile_path = profile.path().display().to_string();
    if tls != PLAIN {
        // What tells a profile from any other folder; Thunderbird fills it.
        std::fs::write(profile.path().join("prefs.js"), "").expect("the preferences");
        mailtap::run(&mailtap.dir, &["ca", "trust", "--thunderbird", &profile_path]).expect_ok();
    }
    let mut config = serde_json::json!({
        "profile": profile_path, "imap": ports[0], "smtp": ports[1], "tls": tls, "user": account.user,
        "address": account.address, "password": account.password, "job": job,
    });
    config.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let mut command = Command::new(program("python3", "python3"));
    command.arg("-B").arg(test_file("clients/thunderbird"));
    let ran = Ran::with_limit(&command, config.to_string().as_bytes(), 240).expect_ok();
    serde_json::from_str(ran.text().trim()).unwrap_or_else(|error| panic!("{error}: {ran}"))
}

/// Thunderbird sends itself a message and fetches it.
#[track_caller]
fn run(mailtap: &Mailtap, ports: [u16; 2], tls: u8, account: &Account) {
    run_as("to-itself", mailtap, ports, tls, account);
}

#[track_caller]
fn run_as(job: &str, mailtap: &Mailtap, ports: [u16; 2], tls: u8, account: &Account) {
    let subject = format!("to-itself-{tls}");
    let shown = thunderbird(job, mailtap, ports, tls, account, &serde_json::json!({ "subject": subject }));
    for expected in ["sent by Thunderbird", "to itself", &subject] {
        assert!(
            shown["fetch"].as_str().is_some_and(|text| text.contains(expected)),
            "{expected:?} was fetched: {shown}"
        );
    }
}

#[track_caller]
fn check(mut proxy: Mailtap, tls: u8, account: &Account) -> Mailtap {
    assert!(proxy.stop().success(), "{}", proxy.errors());
    let recordings = Recording::all(&proxy.dir).expect("recordings");
    let of = |protocol: &str| -> Vec<&Recording> {
        recordings.iter().filter(|recording| recording.one("open")["protocol"] == protocol).collect()
    };
    let verbs =
        |sessions: &[&Recording]| -> Vec<String> { sessions.iter().flat_map(|session| session.verbs()).collect() };
    let (imap_verbs, smtp_verbs) = (verbs(&of("imap")), verbs(&of("smtp")));
    let offers = |event: &Value| recording::find(&recording::wire(event), b"COMPRESS=DEFLATE").is_some();
    let offered = recordings.iter().flat_map(|recording| recording.of_kind("reply")).any(offers);
    // Thunderbird compresses wherever the server offers it, and is still read.
    assert_eq!(imap_verbs.contains(&"COMPRESS".to_owned()), offered, "{imap_verbs:?}");
    for verb in ["SELECT", "UID FETCH"] {
        assert!(imap_verbs.iter().any(|known| known == verb), "no {verb} among {imap_verbs:?}");
    }
    for verb in ["EHLO", "AUTH", "MAIL", "RCPT", "DATA"] {
        assert!(smtp_verbs.iter().any(|known| known == verb), "no {verb} among {smtp_verbs:?}");
    }
    for recording in &recordings {
        check_tls(recording, tls);
    }
    nothing_false(&proxy.dir, &recordings, &[("slow-answer", "Thunderbird and its display keep the machine busy")]);
    check_secrets(&proxy.dir, &account.password);
    proxy
}

/// A recording is whole and understood, and both its legs had TLS if they were to have it.
#[track_caller]
fn check_tls(recording: &Recording, tls: u8) {
    assert!(recording.is_closed() && recording.of_kind("raw").is_empty(), "{}", recording.dump());
    let legs = recording.of_kind("tls").iter().filter(|event| event["error"].is_null()).count();
    assert_eq!(legs, if tls == PLAIN { 0 } else { 2 }, "legs with TLS in\n{}", recording.dump());
}

/// A password stands nowhere below a folder.
#[track_caller]
fn check_secrets(dir: &Path, password: &str) {
    for secret in spellings(password) {
        let files = files_with(dir, secret.as_bytes());
        assert!(files.is_empty(), "the password stands as {secret} in {files:?}");
    }
}

#[test]
#[ignore = "run by tests/thunderbird/run, which installs Thunderbird"]
fn thunderbird_in_plaintext() {
    to_itself("imap", "submission", PLAIN);
}

#[test]
#[ignore = "run by tests/thunderbird/run, which installs Thunderbird"]
fn thunderbird_with_starttls() {
    to_itself("imap", "submission", STARTTLS);
}

#[test]
#[ignore = "run by tests/thunderbird/run, which installs Thunderbird"]
fn thunderbird_with_implicit_tls() {
    to_itself("imaps", "submissions", IMPLICIT);
}

#[test]
#[ignore = "run by tests/thunderbird/run, which installs Thunderbird"]
fn thunderbird_with_courier_and_exim() {
    let (courier, exim) = others::courier();
    to_itself_with_others([courier.imap, exim.smtp], false);
    to_itself_with_others([courier.imaps, exim.submissions], true);
}

#[test]
#[ignore = "run by tests/thunderbird/run, which installs Thunderbird"]
fn thunderbird_with_cyrus_and_exim() {
    let (cyrus, exim) = others::cyrus();
    to_itself_with_others([cyrus.imap, exim.smtp], false);
    to_itself_with_others([cyrus.imaps, exim.submissions], true);
}

#[test]
#[ignore = "run by tests/thunderbird/run, which installs Thunderbird"]
fn thunderbird_and_the_practice_server_in_plaintext() {
    to_itself_in_practice(PLAIN);
}

#[test]
#[ignore = "run by tests/thunderbird/run, which installs Thunderbird"]
fn thunderbird_and_the_practice_server_with_starttls() {
    to_itself_in_practice(STARTTLS);
}

#[test]
#[ignore = "run by tests/thunderbird/run, which installs Thunderbird"]
fn thunderbird_and_the_practice_server_with_implicit_tls() {
    to_itself_in_practice(IMPLICIT);
}
