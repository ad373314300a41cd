//! A day of real Thunderbird with the practice server, through mailtap and directly: all that a mailbox is for.
//! Takes Thunderbird and Xvfb; reads what Thunderbird showed, what another program then finds on the server, the recordings.
//! Does not know how Thunderbird is told what to do, see `tests/clients/thunderbird`.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use super::again::Fresh;
use super::{Account, IMPLICIT, PLAIN, STARTTLS, check_secrets, check_tls, thunderbird};
use crate::practice_demo::check_explained;
use crate::practice_kit::{PASSWORD, Practice, Talk, account};
use crate::support::mailtap::Mailtap;
use crate::support::recording::Recording;

/// Bytes of what is attached: 20 MB once, and less where only the way to the server is another.
const LARGE: usize = 20_000_000;
const SMALL: usize = 1_000_000;

/// Who fetches by POP3.
const POST: &str = "post";

/// What Thunderbird is given: an account of its own, and where its servers are.
struct Servers {
    bird: Account,
    /// IMAP and SMTP, as Thunderbird reaches them.
    ports: [u16; 2],
    pop3: u16,
    /// Where others send mail to it, without login; a played server needs none.
    other: Option<u16>,
    /// The server's own IMAP, without TLS.
    imap: SocketAddr,
    post_address: String,
}

impl Servers {
    /// Thunderbird's day, and what it shows of it.
    #[track_caller]
    fn day(&self, mailtap: &Mailtap, tls: u8, attachment: usize, recorded: bool) {
        let more = json!({
            "attachment": attachment, "other": self.other, "pop3": self.pop3, "pop3_user": POST,
            "pop3_address": self.post_address, "pop3_password": PASSWORD,
            "recordings": recorded.then_some(&mailtap.dir),
        });
        let shown = thunderbird("day", mailtap, self.ports, tls, &self.bird, &more);
        check_shown(&shown, attachment);
    }

    /// What another program finds on the server afterwards.
    #[track_caller]
    fn check_server(&self, attachment: usize) {
        let mut imap = Talk::logged_in(Some(self.imap), &self.bird.user, &self.bird.password);
        let listed = imap.ok("LIST \"\" *");
        let mut names: Vec<&str> = listed.iter().filter_map(|line| line.rsplit(' ').next()).collect();
        names.sort_unstable();
        assert_eq!(names, ["Archive", "Drafts", "INBOX", "Ideas", "Junk", "Sent", "Trash"]);
        assert_eq!(imap.ok("STATUS INBOX (MESSAGES)"), ["* STATUS INBOX (MESSAGES 0)"]);
        imap.ok("SELECT Ideas");
        let moved = imap.ok("FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])").join("\n");
        assert!(moved.contains("\\Seen") && moved.contains("Subject: pushed\r\n"), "{moved}");
        imap.ok("SELECT Sent");
        assert_eq!(imap.ok("SEARCH SEEN SUBJECT file"), ["* SEARCH 1"]);
        let structure = imap.ok("FETCH 1 BODYSTRUCTURE").join("\n");
        // In base64, with an end to each line of 72 characters.
        let size = attachment.div_ceil(3) * 4;
        let sizes = |text: &str| text.split([' ', ')']).filter_map(|word| word.parse::<usize>().ok()).max();
        assert!(sizes(&structure).is_some_and(|found| found > size && found < size + size / 20), "{structure}");
        let mut post = Talk::logged_in(Some(self.imap), POST, PASSWORD);
        assert_eq!(post.ok("STATUS INBOX (MESSAGES)"), ["* STATUS INBOX (MESSAGES 0)"]);
    }
}

/// What Thunderbird shows, step by step.
#[track_caller]
fn check_shown(shown: &Value, attachment: usize) {
    let usual = ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"];
    assert_eq!(shown["open"], json!(usual));
    assert!(shown["pushed"].as_str().is_some_and(|text| text.ends_with("\r\n\r\nby another program\r\n")), "{shown}");
    assert_eq!(shown["send"], json!(["with a file"]));
    assert_eq!(shown["attachment"], json!({ "name": "attachment.bin", "kind": "application/octet-stream" }));
    assert_eq!(shown["whole"], json!({ "bytes": attachment, "same": true }));
    assert_eq!(shown["flags"], json!({ "pushed": [true, false], "with a file": [false, true] }));
    let last = ["Archive", "Drafts", "INBOX", "Ideas", "Junk", "Sent", "Trash"];
    let between = [&last[..], &["Trash/Rubbish"]].concat();
    assert_eq!(shown["folders"], json!({ "between": between, "at_last": last }));
    assert_eq!(shown["move"], json!({ "inbox": ["with a file"], "ideas": ["pushed"] }));
    assert_eq!(shown["search"], json!({ "subject": ["pushed"], "body": ["pushed"], "none": [] }));
    assert_eq!(shown["delete"], json!([]));
    // What was left on the server is deleted there, and stays here.
    for step in ["pop3_leave", "pop3_delete"] {
        assert_eq!(shown[step], json!(["first by POP3", "second by POP3"]), "{step}");
    }
}

/// Everything was said, each where it belongs, and the recordings hold nothing that was not understood.
#[track_caller]
fn check_recordings(mailtap: &Mailtap, tls: u8) {
    let all = Recording::all(&mailtap.dir).expect("recordings");
    let of = |protocol: &str| -> Vec<&Recording> {
        all.iter().filter(|recording| recording.one("open")["protocol"] == protocol).collect()
    };
    let imap: Vec<String> = of("imap").iter().flat_map(|session| session.verbs()).collect();
    for verb in [
        "IDLE",
        "UID FETCH",
        "APPEND",
        "UID STORE",
        "CREATE",
        "SUBSCRIBE",
        "RENAME",
        "DELETE",
        "UID MOVE",
        "UID SEARCH",
        "EXPUNGE",
    ] {
        assert!(imap.iter().any(|known| known == verb), "no {verb} among {imap:?}");
    }
    assert!(of("imap").iter().any(|session| is_pushed(session)), "no news came to a client that waited for them");
    let pop3: Vec<Vec<String>> = of("pop3").iter().map(|session| session.verbs()).collect();
    let count = |session: &Vec<String>, verb: &str| session.iter().filter(|known| *known == verb).count();
    let counts: Vec<_> = pop3.iter().map(|session| ["RETR", "DELE"].map(|verb| count(session, verb))).collect();
    assert_eq!(counts, [[2, 0], [0, 2]], "{pop3:?}");
    for recording in &all {
        let codes = recording.note_codes();
        let expected = |code: &String| match code.as_str() {
            "plaintext-password" => tls == PLAIN,
            // What a busy machine makes true.
            "slow-answer" => true,
            _ => false,
        };
        assert!(codes.iter().all(expected), "{codes:?} in\n{}", recording.dump());
        assert!(recording.of_kind("gap").is_empty(), "{}", recording.dump());
        check_tls(recording, tls);
        check_explained(&mailtap.dir, recording.path.to_str().expect("a path as text"));
    }
    check_secrets(&mailtap.dir, PASSWORD);
}

/// Whether a message was told to a client that had said nothing after IDLE.
fn is_pushed(session: &Recording) -> bool {
    let mut waits = false;
    session.events.iter().any(|event| {
        match event["kind"].as_str() {
            Some("command") => waits = false,
            Some("continue") => waits = true,
            _ => {}
        }
        waits && event["kind"] == "reply" && event["data"] == "EXISTS"
    })
}

/// A server with both accounts, and a file with the root that its certificate leads to.
fn practice() -> (Practice, tempfile::NamedTempFile) {
    let practice = Practice::with(|config| config.accounts = vec![account("bird"), account(POST)]);
    let root = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(root.path(), &practice.root).expect("the root");
    (practice, root)
}

/// Schemes, and where the server serves them.
fn ends(practice: &Practice, tls: u8) -> [(&'static str, Option<SocketAddr>); 3] {
    let at = practice.at;
    match tls {
        IMPLICIT => [("imaps", at.imaps), ("submissions", at.submissions), ("pop3s", at.pop3s)],
        _ => [("imap", at.imap), ("submission", at.submission), ("pop3", at.pop3)],
    }
}

/// What does not depend on Thunderbird's other connections is said again to a server on which nothing has happened yet.
#[track_caller]
fn says_the_same(dir: &Path, tls: u8) {
    let (practice, root) = practice();
    for subject in ["first by POP3", "second by POP3"] {
        let address = account(POST).address;
        let head = format!("From: x@elsewhere.example\r\nTo: {address}\r\nSubject: {subject}");
        practice.deliver(POST, &format!("{head}\r\n\r\nby another program"));
    }
    let url = |scheme: &str| {
        let (_, at) = ends(&practice, tls).into_iter().find(|(name, _)| *name == scheme).expect("a scheme");
        format!("{scheme}://{}", at.expect("the service runs"))
    };
    let all = Recording::all(dir).expect("recordings");
    for (protocol, user, sessions) in [("smtp", "bird", 1), ("pop3", POST, 2)] {
        let fresh = Fresh { dir, root: root.path(), user, password: PASSWORD, url: &url };
        let of = |one: &&Recording| one.one("open")["protocol"] == protocol;
        let recordings: Vec<Recording> = all.iter().filter(of).cloned().collect();
        assert_eq!(recordings.len(), sessions);
        fresh.says_the_same(&recordings);
    }
}

/// Through mailtap.
#[track_caller]
fn through_mailtap(tls: u8, attachment: usize) {
    let (practice, root) = practice();
    let (at, ends) = (practice.at, ends(&practice, tls));
    let routes =
        ends.map(|(scheme, at)| format!("{scheme}://127.0.0.1:0={scheme}://{}", at.expect("the service runs")));
    let root = root.path().to_str().expect("a path as text");
    let mut mailtap = Mailtap::start(&routes.each_ref().map(String::as_str), &["--upstream-ca", root]);
    let [imap, smtp, pop3] = routes.each_ref().map(|route| mailtap.address(route).port());
    let address = |user: &str| account(user).address;
    let servers = Servers {
        bird: Account { user: "bird".to_owned(), address: address("bird"), password: PASSWORD.to_owned() },
        ports: [imap, smtp],
        pop3,
        other: at.smtp.map(|at| at.port()),
        imap: at.imap.expect("IMAP"),
        post_address: address(POST),
    };
    servers.day(&mailtap, tls, attachment, true);
    servers.check_server(attachment);
    assert!(mailtap.stop().success(), "{}", mailtap.errors());
    check_recordings(&mailtap, tls);
    drop(practice);
    says_the_same(&mailtap.dir, tls);
}

#[test]
#[ignore = "run by tests/thunderbird/run, which installs Thunderbird"]
fn thunderbird_has_a_day_in_plaintext() {
    through_mailtap(PLAIN, LARGE);
}

#[test]
#[ignore = "run by tests/thunderbird/run, which installs Thunderbird"]
fn thunderbird_has_a_day_with_starttls() {
    through_mailtap(STARTTLS, SMALL);
}

#[test]
#[ignore = "run by tests/thunderbird/run, which installs Thunderbird"]
fn thunderbird_has_a_day_with_implicit_tls() {
    through_mailtap(IMPLICIT, SMALL);
}

#[test]
#[ignore = "run by tests/thunderbird/run, which installs Thunderbird"]
fn thunderbird_has_a_day_with_the_practice_server_itself() {
    let post = format!("{POST}:{PASSWORD}");
    let mut practice = Mailtap::launch(&["practice", "--json", "--free-ports", "--user", &post], 7);
    let line = practice.account();
    let text = |name: &str| line[name].as_str().unwrap_or_else(|| panic!("no {name} in {line}")).to_owned();
    let at = |name: &str| text(name).parse::<SocketAddr>().expect("an address");
    let servers = Servers {
        bird: Account { user: text("user"), address: text("address"), password: text("password") },
        ports: [at("imap").port(), at("submission").port()],
        pop3: at("pop3").port(),
        other: Some(at("smtp").port()),
        imap: at("imap"),
        post_address: text("address").replace(&text("user"), POST),
    };
    servers.day(&practice, STARTTLS, SMALL, false);
    servers.check_server(SMALL);
    assert!(practice.stop().success(), "{}", practice.errors());
}
