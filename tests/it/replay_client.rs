//! `mailtap replay client`: recorded programs played again towards fresh practice servers, and towards changed ones.
//! Takes curl, Python's libraries, swaks and mbsync; reads what the program prints and how it ends.
//! Does not know how a client is played.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mailtap::practice::Config;
use serde_json::Value;

use crate::practice_kit::{PASSWORD, Practice};
use crate::practice_programs::SITE;
use crate::support::clients::{curl, curl_with, mbsync, swaks};
use crate::support::mailtap::{Mailtap, command};
use crate::support::process::Ran;
use crate::support::program;
use crate::support::programs;
use crate::support::recording::Recording;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    Plain,
    StartTls,
    Implicit,
}

/// What programs did, recorded, and the folder in which it was.
struct Recorded {
    mailtap: Mailtap,
    _folder: tempfile::TempDir,
    recordings: Vec<Recording>,
}

/// A server whose certificate is trusted by way of a file.
struct Fresh {
    practice: Practice,
    root: PathBuf,
    _folder: tempfile::TempDir,
}

impl Fresh {
    fn start(change: impl FnOnce(&mut Config)) -> Fresh {
        let practice = Practice::with(change);
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root.pem");
        std::fs::write(&root, &practice.root).unwrap();
        Fresh { practice, root, _folder: folder }
    }

    fn url(&self, protocol: &str, security: Security) -> String {
        let at = self.practice.at;
        let implicit = security == Security::Implicit;
        let (scheme, address) = match (protocol, implicit) {
            ("smtp", false) => ("submission", at.submission),
            ("smtp", true) => ("submissions", at.submissions),
            ("imap", false) => ("imap", at.imap),
            ("imap", true) => ("imaps", at.imaps),
            (_, false) => ("pop3", at.pop3),
            (_, true) => ("pop3s", at.pop3s),
        };
        format!("{scheme}://localhost:{}", address.unwrap().port())
    }
}

/// Lets programs work through the proxy with a fresh server, and gives what was recorded.
fn record(security: Security, more: &[&str], work: impl FnOnce(&dyn Fn(&str) -> u16, &Path, &Path)) -> Recorded {
    let fresh = Fresh::start(|_| {});
    let routes = ["smtp", "imap", "pop3"].map(|protocol| {
        let url = fresh.url(protocol, security);
        let scheme = url.split("://").next().unwrap();
        format!("{scheme}://127.0.0.1:0={url}")
    });
    let trust = ["--upstream-ca", fresh.root.to_str().unwrap()];
    let mut mailtap = Mailtap::start(&routes.each_ref().map(String::as_str), &[&trust[..], more].concat());
    let ports = routes.each_ref().map(|route| mailtap.address(route).port());
    let port = |protocol: &str| ports[["smtp", "imap", "pop3"].iter().position(|name| *name == protocol).unwrap()];
    let folder = tempfile::tempdir().unwrap();
    work(&port, &mailtap.dir.join("certs/ca.pem"), folder.path());
    assert!(mailtap.stop().success());
    let recordings = Recording::all(&mailtap.dir).unwrap();
    Recorded { mailtap, _folder: folder, recordings }
}

fn replay(recorded: &Recorded, session: &Path, fresh: &Fresh, url: &str, more: &[&str]) -> Ran {
    let args = ["replay", "client", session.to_str().unwrap(), url, "--upstream-ca", fresh.root.to_str().unwrap()];
    let mut command =
        command(&recorded.mailtap.dir, &[&args[..], &["--password-env", "REPLAY_PASSWORD"], more].concat());
    command.env("REPLAY_PASSWORD", PASSWORD);
    Ran::new(&command)
}

/// Plays everything that was recorded, in its order, to one server; nothing may differ.
fn replay_all(recorded: &Recorded, fresh: &Fresh, security: Security) {
    for recording in &recorded.recordings {
        let protocol = recording.one("open")["protocol"].as_str().unwrap();
        let ran = replay(recorded, &recording.path, fresh, &fresh.url(protocol, security), &["--json"]);
        let (differences, report) = lines(&ran);
        assert!(differences.is_empty() && ran.code == Some(0), "{security:?} {protocol}: {ran}\n{}", recording.dump());
        assert!(report["matched"].as_u64().unwrap() > 2, "{ran}");
        let again = Recording::all(&recorded.mailtap.dir).unwrap();
        let again = again.iter().find(|one| one.one("open")["session"] == report["session"]).unwrap();
        let open = again.one("open");
        assert_eq!([&open["mode"], &open["of"]], ["replay client", recording.one("open")["session"].as_str().unwrap()]);
        assert!(
            again.of_kind("raw").is_empty() && !again.note_codes().contains(&"lost-sync".to_owned()),
            "{}",
            again.dump()
        );
        if security != Security::Plain {
            let tls = again.of_kind("tls");
            assert!(tls.len() == 1 && tls[0]["from"] == "server" && tls[0]["verified"] == true, "{}", again.dump());
        }
    }
}

/// The lines of `--json`: the differences, and the report behind them.
fn lines(ran: &Ran) -> (Vec<Value>, Value) {
    let mut lines: Vec<Value> = ran.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let report = lines.pop().unwrap_or_else(|| panic!("nothing was printed: {ran}"));
    assert_eq!(report["kind"], "report", "{ran}");
    (lines, report)
}

/// curl sends a mail, then reads it over IMAP and POP3.
fn by_curl(port: &dyn Fn(&str) -> u16, ca: &Path, security: Security) {
    let suffix = if security == Security::Implicit { "s" } else { "" };
    let login = format!("alice:{PASSWORD}");
    let more = if security == Security::StartTls { "--ssl-reqd" } else { "--disable" };
    let args = ["--ipv4", "--cacert", ca.to_str().unwrap(), "-u", &login, more];
    let url = |protocol: &str, rest: &str| format!("{protocol}{suffix}://localhost:{}/{rest}", port(protocol));
    let address = "alice@practice.example";
    let mail = ["--mail-from", address, "--mail-rcpt", address, "-T", "-", &url("smtp", "")];
    curl_with([&args[..], &mail].concat(), b"Subject: by curl\r\n\r\n.x\r\n").expect_ok();
    curl([&args[..], &[&url("imap", "INBOX/;UID=1")]].concat()).expect_ok();
    curl([&args[..], &[&url("pop3", "1")]].concat()).expect_ok();
}

#[test]
fn curl_played_again_is_answered_as_it_was() {
    for security in [Security::Plain, Security::StartTls, Security::Implicit] {
        let recorded = record(security, &[], |port, ca, _| by_curl(port, ca, security));
        assert_eq!(recorded.recordings.len(), 3);
        replay_all(&recorded, &Fresh::start(|_| {}), security);
    }
}

#[test]
fn logins_are_answered_anew() {
    let recorded = record(Security::Plain, &[], |port, _, folder| {
        for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
            let login = ["--auth", mechanism, "--auth-user", "alice", "--auth-password", PASSWORD];
            let address = ["--from", "alice@practice.example", "--to", "bob@practice.example"];
            let server = std::net::SocketAddr::from(([127, 0, 0, 1], port("smtp")));
            swaks(server, [&login[..], &address].concat()).expect_ok();
        }
        let text = format!(
            "account default\nhost localhost\nport {}\nauth scram-sha-256\nuser alice\npassword {PASSWORD}\n\
             from alice@practice.example\ntls off\n",
            port("smtp")
        );
        let message = b"Subject: x\n\nhello\n.dot\n";
        crate::support::clients::msmtp(folder, &text, &["bob@practice.example"], message).expect_ok();
        let script = format!(
            "import imaplib, poplib\n\
             m = imaplib.IMAP4('127.0.0.1', {imap})\n\
             m.login_cram_md5('alice', '{PASSWORD}')\nm.select()\nm.logout()\n\
             p = poplib.POP3('127.0.0.1', {pop3})\np.user('alice')\np.pass_('{PASSWORD}')\np.stat()\np.quit()\n\
             p = poplib.POP3('127.0.0.1', {pop3})\np.apop('alice', '{PASSWORD}')\np.stat()\np.quit()\n",
            imap = port("imap"),
            pop3 = port("pop3"),
        );
        python(&script);
    });
    assert_eq!(recorded.recordings.len(), 7);
    replay_all(&recorded, &Fresh::start(|_| {}), Security::Plain);
}

fn python(script: &str) {
    let mut command = std::process::Command::new(program("python3", "python3"));
    command.args(["-B", "-c", script]);
    Ran::new(&command).expect_ok();
}

#[test]
fn uids_are_those_of_the_server_that_is_there() {
    let mut script = String::new();
    let recorded = record(Security::Plain, &[], |port, _, _| {
        let _ = write!(
            script,
            "import imaplib\n\
             m = imaplib.IMAP4('127.0.0.1', {})\nm.login('alice', '{PASSWORD}')\nm.create('Work')\n\
             for n in range(3):\n    m.append('Work', None, None, b'Subject: %d\\r\\n\\r\\nx\\r\\n' % n)\n\
             m.select('Work')\n\
             _, found = m.uid('SEARCH', 'ALL')\n\
             for uid in found[0].split():\n    m.uid('FETCH', uid, '(FLAGS BODY[])')\n\
             m.uid('STORE', found[0].split()[1], '+FLAGS', '(\\\\Deleted)')\nm.expunge()\n\
             m.uid('COPY', found[0].split()[0], 'INBOX')\nm.select('INBOX')\nm.fetch('1', '(UID FLAGS)')\nm.logout()\n",
            port("imap")
        );
        python(&script);
    });
    // A server on which the mailbox has had messages before, so that no UID is what it was.
    let fresh = Fresh::start(|_| {});
    let mut talk = fresh.practice.imap("alice");
    talk.ok("CREATE Work");
    for _ in 0..5 {
        talk.append("Work", "", "Subject: old\r\n\r\nx\r\n");
    }
    talk.ok("SELECT Work");
    talk.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)");
    talk.ok("EXPUNGE");
    talk.ok("LOGOUT");
    let ran = replay(&recorded, &recorded.recordings[0].path, &fresh, &fresh.url("imap", Security::Plain), &["--json"]);
    let (differences, report) = lines(&ran);
    // That the mailbox is there already is all that is different.
    assert!(differences.iter().all(|line| line["command"] == "CREATE" && line["what"] == "status"), "{ran}");
    assert_eq!((differences.len(), ran.code), (1, Some(1)), "{ran}");
    let again = Recording::all(&recorded.mailtap.dir).unwrap();
    let again = again.iter().find(|one| one.one("open")["session"] == report["session"]).unwrap();
    let fetched: Vec<&str> = again
        .of_kind("command")
        .iter()
        .filter(|one| one["verb"] == "UID FETCH")
        .map(|one| one["args"]["sequence"].as_str().unwrap())
        .collect();
    assert_eq!(fetched, ["6", "7", "8"], "{}", again.dump());
}

#[test]
fn mbsync_and_idle_are_played_with_what_they_wait_for() {
    let recorded = record(Security::Plain, &[], |port, _, folder| {
        let home = folder.join("home");
        std::fs::create_dir_all(home.join("mail/INBOX")).unwrap();
        for part in ["cur", "new", "tmp"] {
            std::fs::create_dir(home.join("mail/INBOX").join(part)).unwrap();
        }
        std::fs::write(home.join("mail/INBOX/cur/9.near:2,F"), "Subject: near\nMessage-ID: <2@x>\n\ny\n").unwrap();
        let text = format!(
            "IMAPAccount a\nHost localhost\nPort {}\nUser alice\nPass {PASSWORD}\nSSLType None\nAuthMechs LOGIN\n\n\
             IMAPStore far\nAccount a\n\nMaildirStore near\nPath {home}/mail/\nInbox {home}/mail/INBOX\nSubFolders Verbatim\n\n\
             Channel c\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSync All\n",
            port("imap"),
            home = home.display()
        );
        mbsync(&home, &text).expect_ok();
        let script = format!(
            "import imaplib\n\
             m = imaplib.IMAP4('127.0.0.1', {imap})\nm.login('alice', '{PASSWORD}')\nm.select()\n\
             m.send(b'A IDLE\\r\\n')\nm.readline()\n\
             n = imaplib.IMAP4('127.0.0.1', {imap})\nn.login('alice', '{PASSWORD}')\n\
             n.append('INBOX', None, None, b'Subject: x\\r\\n\\r\\ny\\r\\n')\nn.logout()\n\
             while b'EXISTS' not in m.readline(): pass\n\
             m.send(b'DONE\\r\\n')\n\
             while not m.readline().startswith(b'A '): pass\n\
             m.logout()\n",
            imap = port("imap"),
        );
        python(&script);
    });
    assert_eq!(recorded.recordings.len(), 3);
    let fresh = Fresh::start(|_| {});
    let url = fresh.url("imap", Security::Plain);
    let [sync, idle, append] = [0, 1, 2].map(|at| recorded.recordings[at].path.clone());
    let ran = replay(&recorded, &sync, &fresh, &url, &[]);
    assert_eq!(ran.code, Some(0), "{ran}");
    // Nobody brings the news: after its time the client goes on, and what is missing is told.
    let ran = replay(&recorded, &idle, &fresh, &url, &["--news-timeout", "0", "--json"]);
    let (differences, _) = lines(&ran);
    assert!(!differences.is_empty() && differences.iter().all(|line| line["command"] == "IDLE"), "{ran}");
    assert!(ran.errors().contains("never came"), "{ran}");
    // Somebody brings them.
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| replay(&recorded, &idle, &fresh, &url, &["--news-timeout", "30"]));
        let idles = || {
            let all = Recording::all(&recorded.mailtap.dir).ok()?;
            all.iter().any(|one| !one.is_closed() && one.of_kind("continue").len() == 1).then_some(())
        };
        crate::support::wait_for("the played client to IDLE", idles);
        assert_eq!(replay(&recorded, &append, &fresh, &url, &[]).code, Some(0));
        waiting.join().unwrap()
    });
    assert!(!waiting.errors().contains("never came"), "{waiting}");
}

#[test]
fn exactly_what_was_changed_differs() {
    let recorded = record(Security::Plain, &[], |port, ca, _| by_curl(port, ca, Security::Plain));
    let changed = Fresh::start(|config| {
        config.limits.quota = 10;
        config.tls = None;
        (config.ports.imaps, config.ports.pop3s, config.ports.submissions) = (None, None, None);
    });
    let smtp = &recorded.recordings[0].path;
    let ran = replay(&recorded, smtp, &changed, &changed.url("smtp", Security::Plain), &["--json"]);
    let (differences, report) = lines(&ran);
    assert_eq!(ran.code, Some(1), "{ran}");
    let what: Vec<&str> = differences.iter().map(|line| line["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["capabilities", "status"], "{ran}");
    assert_eq!(differences[0]["removed"], serde_json::json!(["STARTTLS"]), "{ran}");
    assert!(differences[1]["text"].as_str().unwrap().contains("552"), "{ran}");
    assert_eq!(report["unmet"], serde_json::json!([]), "{ran}");
    let text = replay(&recorded, smtp, &changed, &changed.url("smtp", Security::Plain), &[]);
    assert!(text.text().contains("≠") && text.text().contains("only in A: STARTTLS"), "{text}");
}

/// A server without STARTTLS, with no room, without a mailbox, without a message and without a recipient.
#[test]
fn each_change_of_a_server_is_told_and_nothing_else() {
    let recorded = record(Security::Plain, &[], |port, _, _| {
        let (smtp, imap, pop3) = (port("smtp"), port("imap"), port("pop3"));
        python(&format!(
            "import imaplib, poplib, smtplib\n\
             m = imaplib.IMAP4('127.0.0.1', {imap})\nm.login('alice', '{PASSWORD}')\nm.create('Work')\n\
             m.append('INBOX', None, None, b'Subject: x\\r\\n\\r\\nhello\\r\\n')\nm.logout()\n\
             m = imaplib.IMAP4('127.0.0.1', {imap})\nm.login('alice', '{PASSWORD}')\nm.capability()\n\
             m.select('Work')\nm.append('Work', None, None, b'Subject: x\\r\\n\\r\\n' + b'y' * 5000)\nm.noop()\nm.logout()\n\
             p = poplib.POP3('127.0.0.1', {pop3})\np.capa()\np.user('alice')\np.pass_('{PASSWORD}')\np.noop()\n\
             p.retr(1)\np.quit()\n\
             s = smtplib.SMTP('127.0.0.1', {smtp}, 'client.test')\ns.ehlo()\ns.login('alice', '{PASSWORD}')\n\
             s.sendmail('alice@practice.example', ['alice@practice.example', 'bob@practice.example'], 'Subject: x\\n\\nx')\n\
             s.quit()\n"
        ));
    });
    let changed = Fresh::start(|config| {
        config.tls = None;
        (config.ports.imaps, config.ports.pop3s, config.ports.submissions) = (None, None, None);
        config.limits.quota = 3000;
        config.accounts.retain(|account| account.user != "bob");
    });
    // What is told in the greeting is not told again where it is asked for.
    let imap = [("greeting", "capabilities"), ("SELECT", "status"), ("APPEND", "status")];
    let pop3 = [("CAPA", "capabilities"), ("RETR", "status")];
    let smtp = [("EHLO", "capabilities"), ("RCPT", "status")];
    for (at, protocol, expected) in [(1, "imap", &imap[..]), (2, "pop3", &pop3), (3, "smtp", &smtp)] {
        let url = changed.url(protocol, Security::Plain);
        let ran = replay(&recorded, &recorded.recordings[at].path, &changed, &url, &["--json"]);
        let (differences, report) = lines(&ran);
        let word = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
        let told: Vec<_> = differences.iter().map(|line| (word(line, "command"), word(line, "what"))).collect();
        let expected: Vec<_> = expected.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect();
        assert_eq!((told, ran.code), (expected, Some(1)), "{ran}");
        for line in differences.iter().filter(|line| line["what"] == "capabilities") {
            let removed = line["removed"].as_array().unwrap();
            assert!(removed.iter().all(|word| ["STARTTLS", "STLS"].contains(&word.as_str().unwrap())), "{ran}");
            assert_eq!(line["added"], serde_json::json!([]), "{ran}");
        }
        assert_eq!([&report["unasked"], &report["unmet"]], [&serde_json::json!([]); 2], "{ran}");
    }
}

/// How often somebody logged in, or tried to, in the last session of each protocol.
fn logins(recorded: &Recorded, count: usize) -> usize {
    let all = Recording::all(&recorded.mailtap.dir).unwrap();
    let verbs: Vec<String> = all[all.len() - count..].iter().flat_map(Recording::verbs).collect();
    let words = ["LOGIN", "AUTHENTICATE", "AUTH", "USER", "PASS"];
    verbs.iter().filter(|verb| words.contains(&verb.as_str())).count()
}

#[test]
fn a_login_that_was_said_within_tls_is_not_said_without() {
    let plain = Fresh::start(|config| {
        config.tls = None;
        (config.ports.imaps, config.ports.pop3s, config.ports.submissions) = (None, None, None);
    });
    let by_starttls = record(Security::StartTls, &[], |port, ca, _| by_curl(port, ca, Security::StartTls));
    let implicit = record(Security::Implicit, &[], |port, ca, _| by_curl(port, ca, Security::Implicit));
    for (security, recorded) in [(Security::StartTls, &by_starttls), (Security::Implicit, &implicit)] {
        let before = Recording::all(&recorded.mailtap.dir).unwrap().len();
        for (at, protocol) in ["smtp", "imap", "pop3"].into_iter().enumerate() {
            let (session, url) = (&recorded.recordings[at].path, plain.url(protocol, Security::Plain));
            let ran = replay(recorded, session, &plain, &url, &["--json", "--timeout", "5"]);
            assert!(ran.errors().contains("within TLS"), "{ran}");
            // Where the client asks for TLS it can be found out only there that it does not come.
            let asks = security == Security::StartTls;
            assert_eq!(ran.code, Some(if asks { 1 } else { 2 }), "{ran}");
            assert!(asks || ran.errors().contains("--plaintext-login"), "{ran}");
            let count = Recording::all(&recorded.mailtap.dir).unwrap().len();
            assert_eq!(count, before + usize::from(asks) * (at + 1), "{ran}");
        }
        assert_eq!(logins(recorded, Recording::all(&recorded.mailtap.dir).unwrap().len() - before), 0);
        for (at, protocol) in ["smtp", "imap", "pop3"].into_iter().enumerate() {
            let (session, url) = (&recorded.recordings[at].path, plain.url(protocol, Security::Plain));
            let ran = replay(recorded, session, &plain, &url, &["--json", "--plaintext-login"]);
            assert!(ran.code == Some(1) && !ran.errors().contains("within TLS"), "{ran}");
            assert!(logins(recorded, 1) > 0, "{ran}");
        }
    }
}

#[test]
fn what_cannot_be_played_is_said_before_connecting() {
    let recorded = record(Security::Plain, &["--bodies", "none"], |port, ca, _| by_curl(port, ca, Security::Plain));
    let fresh = Fresh::start(|_| {});
    let session = recorded.recordings[0].path.to_str().unwrap();
    let count = || Recording::all(&recorded.mailtap.dir).unwrap().len();
    let before = count();
    let url = fresh.url("smtp", Security::Plain);
    let ran = Ran::new(&command(&recorded.mailtap.dir, &["replay", "client", session, &url]));
    assert!(ran.code == Some(2) && ran.errors().contains("--password-env NAME"), "{ran}");
    let other = Ran::new(&command(&recorded.mailtap.dir, &["replay", "client", session, "imap://localhost"]));
    assert!(other.code == Some(2) && other.errors().contains("same protocol"), "{other}");
    assert_eq!(count(), before, "nothing was connected to");
    // The message itself was not recorded: one of the same size is sent, and said to be.
    let ran = replay(&recorded, Path::new(session), &fresh, &url, &["--json"]);
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(ran.errors().contains("not in the recording"), "{ran}");
    let sizes = fresh.practice.imap("alice");
    drop(sizes);
    // A gap.
    let text = std::fs::read_to_string(session).unwrap();
    let torn: Vec<&str> = text.lines().take(6).chain(text.lines().skip(7)).collect();
    let path = recorded.mailtap.dir.join("torn.jsonl");
    std::fs::write(&path, torn.join("\n") + "\n").unwrap();
    let ran = replay(&recorded, &path, &fresh, &url, &["--json"]);
    assert!(ran.errors().contains("only up to a point: lines of the recording are missing"), "{ran}");
    // Of a version to come.
    std::fs::write(&path, text.replace("mailtap/1", "mailtap/9")).unwrap();
    let before = count();
    let ran = replay(&recorded, &path, &fresh, &url, &["--json"]);
    assert!(ran.code == Some(1) && ran.errors().contains("use the version that recorded it"), "{ran}");
    assert_eq!(count(), before, "nothing was connected to");
    // Nobody listens.
    let closed = crate::support::free_address();
    let ran = replay(&recorded, Path::new(session), &fresh, &format!("submission://{closed}"), &[]);
    assert!(ran.code == Some(1) && ran.errors().contains("connection refused"), "{ran}");
}

#[test]
fn many_at_a_time_are_counted() {
    let recorded = record(Security::Plain, &[], |port, ca, _| by_curl(port, ca, Security::Plain));
    let fresh = Fresh::start(|_| {});
    let url = fresh.url("smtp", Security::Plain);
    let smtp = &recorded.recordings[0].path;
    let ran = replay(&recorded, smtp, &fresh, &url, &["--repeat", "40", "--concurrency", "8", "--json"]);
    let (rows, report) = lines(&ran);
    assert_eq!(ran.code, Some(0), "{ran}");
    assert_eq!((&report["sessions"], &report["done"]), (&40.into(), &40.into()), "{ran}");
    let data = rows.iter().find(|row| row["command"] == "DATA").unwrap();
    assert!(data["count"] == 40 && data["statuses"]["250"] == 40, "{ran}");
    let order: Vec<u64> =
        ["p50_us", "p90_us", "p99_us", "p999_us", "max_us"].map(|name| data[name].as_u64().unwrap()).into();
    assert!(order.is_sorted() && order[0] > 0, "{ran}");
    let mut talk = fresh.practice.imap("alice");
    assert!(talk.ok("SELECT INBOX").iter().any(|line| line == "* 40 EXISTS"));
    // Quotas make errors, by status.
    let small = Fresh::start(|config| config.limits.quota = 2000);
    let ran =
        replay(&recorded, smtp, &small, &small.url("smtp", Security::Plain), &["--repeat", "20", "--concurrency", "2"]);
    assert!(ran.code == Some(1) && ran.text().contains("552 × ") && ran.text().contains("p99.9"), "{ran}");
}

#[test]
fn a_login_by_literals_is_said_in_one_line_and_starttls_is_left_out_within_tls() {
    let recorded = record(Security::StartTls, &[], |port, ca, _| {
        by_curl(port, ca, Security::StartTls);
        let mut talk = crate::practice_kit::Talk::to(Some(([127, 0, 0, 1], port("imap")).into()));
        talk.line();
        assert!(talk.ask("a LOGIN {5}").starts_with('+'));
        assert!(talk.ask(&format!("alice {{{}}}", PASSWORD.len())).starts_with('+'));
        talk.send(format!("{PASSWORD}\r\n").as_bytes());
        assert!(talk.imap_reply("a").1.starts_with("OK"));
        assert!(talk.imap("NOOP").1.starts_with("OK"));
        assert!(talk.imap("LOGOUT").1.starts_with("OK"));
    });
    let fresh = Fresh::start(|_| {});
    let paths: Vec<&Path> = recorded.recordings.iter().map(|one| one.path.as_path()).collect();
    let curl_smtp = replay(&recorded, paths[0], &fresh, &fresh.url("smtp", Security::Implicit), &["--json"]);
    let (differences, report) = lines(&curl_smtp);
    assert_eq!(report["unasked"][0]["command"], "STARTTLS", "{curl_smtp}");
    let allowed = ["tls", "capabilities", "command"];
    assert!(differences.iter().all(|line| allowed.contains(&line["what"].as_str().unwrap())), "{curl_smtp}");
    let ran =
        replay(&recorded, paths[3], &fresh, &fresh.url("imap", Security::Plain), &["--json", "--speed", "original"]);
    assert!(lines(&ran).0.is_empty() && ran.code == Some(0), "{ran}");
}

#[test]
fn the_speed_is_that_of_the_recording_where_it_is_asked_for() {
    let recorded = record(Security::Plain, &[], |port, _, _| {
        let script = format!(
            "import imaplib, time\n\
             m = imaplib.IMAP4('127.0.0.1', {})\nm.login('alice', '{PASSWORD}')\ntime.sleep(0.6)\nm.logout()\n",
            port("imap")
        );
        python(&script);
    });
    let fresh = Fresh::start(|_| {});
    let took = |speed: &str| {
        let url = fresh.url("imap", Security::Plain);
        let ran = replay(&recorded, &recorded.recordings[0].path, &fresh, &url, &["--json", "--speed", speed]);
        assert_eq!(ran.code, Some(0), "{ran}");
        let session = lines(&ran).1["session"].clone();
        let all = Recording::all(&recorded.mailtap.dir).unwrap();
        let again = all.iter().find(|one| one.one("open")["session"] == session).unwrap();
        again.one("close")["duration_us"].as_u64().unwrap()
    };
    let (original, twice, at_once) = (took("original"), took("2"), took("max"));
    assert!(original >= 600_000 && twice >= 300_000 && at_once < original, "{original} {twice} {at_once}");
    let wrong = replay(&recorded, &recorded.recordings[0].path, &fresh, "imap://localhost", &["--speed", "0"]);
    assert_eq!(wrong.code, Some(2), "{wrong}");
}

/// Each program's day, played again to a server on which nothing has happened yet.
#[test]
fn every_programs_day_can_be_played_again() {
    for tls in [programs::Security::Plain, programs::Security::StartTls, programs::Security::Implicit] {
        let security = match tls {
            programs::Security::Plain => Security::Plain,
            programs::Security::StartTls => Security::StartTls,
            programs::Security::Implicit => Security::Implicit,
        };
        std::thread::scope(|scope| {
            // Without Python's day: its sessions wait for each other, so that one alone is not answered as it was.
            for (_, job) in programs::JOBS {
                scope.spawn(move || {
                    let recorded = record(security, &[], |port, ca, folder| {
                        let address = |protocol: &str| ([127, 0, 0, 1], port(protocol)).into();
                        let ends = programs::Ends {
                            submission: address("smtp"),
                            imap: address("imap"),
                            pop3: address("pop3"),
                            tls,
                            ca: ca.to_owned(),
                            attachment: 100_000,
                            site: &SITE,
                        };
                        job(&ends, folder, "alice");
                    });
                    if !recorded.recordings.is_empty() {
                        replay_all(&recorded, &Fresh::start(|_| {}), security);
                    }
                });
            }
        });
    }
}
