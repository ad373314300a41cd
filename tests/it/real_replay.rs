//! Real clients recorded with real servers, then played again to the same servers for another user: nothing differs.
//! Takes the shared Dovecot and Postfix; reads what the program prints and how it ends.
//! Does not know how a client is played.

use std::net::SocketAddr;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::certs::Key;
use crate::support::clients::{mbsync, s_client};
use crate::support::dovecot::{Dovecot, Options, PASSWORD};
use crate::support::findings::nothing_false;
use crate::support::jobs::{delivered, script, secure_script, seed};
use crate::support::mailtap::{Mailtap, command};
use crate::support::process::Ran;
use crate::support::recording::Recording;
use crate::support::servers::{server_names, servers, user};
use crate::support::{free_address, is_listening, program, wait_for};

/// A client's work, recorded.
pub struct Recorded {
    pub mailtap: Mailtap,
    pub url: String,
    pub recordings: Vec<Recording>,
}

impl Recorded {
    pub fn new(scheme: &str, server: SocketAddr, sessions: usize, work: impl FnOnce(SocketAddr, &Path)) -> Recorded {
        let url = format!("{scheme}://{server}");
        let route = format!("{scheme}://127.0.0.1:0={url}");
        let mut mailtap = Mailtap::start(&[&route], &["--upstream-ca", servers().root.to_str().unwrap()]);
        work(mailtap.address(&route), &mailtap.dir.join("certs/ca.pem"));
        let recordings = mailtap.recordings(sessions);
        assert!(mailtap.stop().success());
        nothing_false(&mailtap.dir, &recordings, &[]);
        Recorded { mailtap, url, recordings }
    }

    pub fn play(&self, at: usize, user: &str, more: &[&str]) -> Ran {
        let session = self.recordings[at].path.to_str().unwrap();
        let root = servers().root.to_str().unwrap();
        let args = ["replay", "client", session, &self.url, "--upstream-ca", root, "--user", user, "--json"];
        let mut command =
            command(&self.mailtap.dir, &[&args[..], &["--password-env", "REPLAY_PASSWORD"], more].concat());
        command.env("REPLAY_PASSWORD", PASSWORD);
        Ran::new(&command)
    }

    /// Plays every session for a user; gives the recordings of that.
    #[track_caller]
    pub fn same(&self, user: &str) -> Vec<Recording> {
        let mut played = Vec::new();
        for (at, recording) in self.recordings.iter().enumerate() {
            let ran = self.play(at, user, &["--timeout", "20"]);
            let report: Value = ran.text().lines().last().map(|line| serde_json::from_str(line).unwrap()).unwrap();
            if ran.code != Some(0) {
                let all = Recording::all(&self.mailtap.dir).unwrap();
                println!("{}", all.iter().find(|one| one.one("open")["session"] == report["session"]).unwrap().dump());
                println!("{}", recording.dump());
            }
            assert_eq!(ran.code, Some(0), "{}, {}: {ran}", self.url, recording.path.display());
            assert!(report["matched"].as_u64().unwrap() > 3, "{ran}");
            let all = Recording::all(&self.mailtap.dir).unwrap();
            played.extend(all.into_iter().find(|one| one.one("open")["session"] == report["session"]));
        }
        played
    }
}

/// The mailbox as it was at first: the same three messages, delivered anew, with another UIDVALIDITY.
pub fn afresh(user: &str) {
    std::fs::remove_dir_all(servers().dovecot.maildir(user)).unwrap();
    seed(user);
}

#[test]
fn imap_clients_find_in_dovecot_what_they_found() {
    for how in ["login", "plain", "cram-md5"] {
        let recorded = Recorded::new("imap", servers().dovecot.imap, 1, |address, _| {
            script("imap_job.py", &[], address, &user("rec"), how);
        });
        recorded.same(&user("rep"));
    }
}

#[test]
fn tls_is_really_done() {
    for (scheme, server, implicit) in
        [("imap", servers().dovecot.imap, false), ("imaps", servers().dovecot.imaps, true)]
    {
        let recorded = Recorded::new(scheme, server, 1, |address, ca| {
            secure_script("imap_job.py", &[], address, &user("rec"), "plain", ca, implicit);
        });
        let played = recorded.same(&user("rep"));
        let tls = played[0].of_kind("tls");
        let how = if implicit { "implicit" } else { "starttls" };
        assert!(tls.len() == 1 && tls[0]["how"] == how && tls[0]["verified"] == true, "{}", played[0].dump());
    }
}

#[test]
fn mbsync_is_played_compressed() {
    let user_once = user("rec");
    seed(&user_once);
    let recorded = Recorded::new("imap", servers().dovecot.imap, 1, |address, _| {
        let user = &user_once;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().display();
        let text = format!(
            "IMAPAccount server\nHost {}\nPort {}\nUser {user}\nPass {PASSWORD}\nSSLType None\nAuthMechs LOGIN\n\n\
             IMAPStore far\nAccount server\n\nMaildirStore near\nPath {root}/mail/\nInbox {root}/mail/INBOX\nSubFolders Verbatim\n\n\
             Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n",
            address.ip(),
            address.port()
        );
        let near = folder.path().join("mail/INBOX");
        for part in ["cur", "new", "tmp"] {
            std::fs::create_dir_all(near.join(part)).unwrap();
        }
        std::fs::write(near.join("new/1.new.here"), "Subject: made here\n\nby mbsync\n").unwrap();
        mbsync(folder.path(), &text).expect_ok();
    });
    afresh(&user_once);
    let played = recorded.same(&user_once);
    assert_eq!(played[0].of_kind("compress").len(), 1, "{}", played[0].dump());
    assert!(delivered(&user_once, 4).contains("made here"));
    // Whoever has no mail is answered otherwise, and that is all.
    let ran = recorded.play(0, &user("rep"), &[]);
    assert_eq!(ran.code, Some(1), "{ran}");
    for difference in ran.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let text = difference["text"].as_str().unwrap_or_default();
        let missing = ["EXISTS: messages is", "only in A: OK UNSEEN", "only in A: FETCH "];
        assert!(difference["kind"] == "report" || missing.iter().any(|start| text.starts_with(start)), "{ran}");
    }
}

#[test]
fn pop3_clients_find_in_dovecot_what_they_found() {
    for how in ["plain", "apop"] {
        let user = user("rec");
        seed(&user);
        let recorded = Recorded::new("pop3", servers().dovecot.pop3, 1, |address, _| {
            script("pop3_job.py", &[], address, &user, how);
        });
        afresh(&user);
        recorded.same(&user);
    }
}

#[test]
fn mail_goes_out_again_through_postfix_and_dovecot() {
    let to = user("rec");
    let lmtp = Recorded::new("lmtp", servers().dovecot.lmtp, 1, |address, _| {
        script("smtp_job.py", &["lmtp"], address, &to, "none");
    });
    lmtp.same("nobody");
    delivered(&to, 6);
    for how in ["plain", "login", "cram-md5", "wrong"] {
        let to = user("rec");
        let recorded = Recorded::new("submission", servers().postfix.submission, 1, |address, ca| {
            secure_script("smtp_job.py", &["smtp"], address, &to, how, ca, false);
        });
        recorded.same(&to);
        delivered(&to, 6);
    }
}

#[test]
fn a_dovecot_that_was_changed_differs_in_what_was_changed() {
    let user = user("rec");
    let job = "import imaplib, sys\n\
               m = imaplib.IMAP4('127.0.0.1', int(sys.argv[1]))\nm.login(sys.argv[2], sys.argv[3])\n\
               m.capability()\nm.select('Work')\n\
               m.append('INBOX', None, None, b'Subject: x\\r\\n\\r\\n' + b'y' * 5000)\nm.logout()\n";
    let recorded = Recorded::new("imap", servers().dovecot.imap, 2, |address, _| {
        let python = |script: &str| {
            let mut command = std::process::Command::new(program("python3", "python3"));
            Ran::new(command.args(["-B", "-c", script, &address.port().to_string(), &user, PASSWORD])).expect_ok();
        };
        let create = "import imaplib, sys\nm = imaplib.IMAP4('127.0.0.1', int(sys.argv[1]))\n\
                      m.login(sys.argv[2], sys.argv[3])\nm.create('Work')\nm.logout()\n";
        python(create);
        python(job);
    });
    let chain = servers().authority.issue(&server_names(), Key::Ecdsa);
    let extra = "plugin {\n  quota = count:User quota\n  quota_rule = *:storage=1K\n  quota_vsizes = yes\n}\n\
                 mail_plugins = quota\nprotocol imap {\n  mail_plugins = quota imap_zlib\n}\n\
                 imap_capability = IMAP4rev1 LITERAL+ SASL-IR LOGIN-REFERRALS IDLE UIDPLUS XCHANGED\n";
    let changed = Dovecot::start(&Options { extra: extra.to_owned(), ..Options::new(chain) });
    let moved = Recorded { url: format!("imap://{}", changed.imap), ..recorded };
    let ran = moved.play(1, &user, &[]);
    assert_eq!(ran.code, Some(1), "{ran}");
    let lines: Vec<Value> = ran.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (report, differences) = lines.split_last().unwrap();
    for difference in differences {
        let text = difference["text"].as_str().unwrap();
        match difference["command"].as_str().unwrap() {
            "greeting" | "LOGIN" | "CAPABILITY" => assert_eq!(difference["what"], "capabilities", "{ran}"),
            "SELECT" => assert!(text.ends_with("in A and NO in B"), "{ran}"),
            "APPEND" => assert!(text.ends_with("and NO [OVERQUOTA] in B"), "{ran}"),
            _ => panic!("{ran}"),
        }
    }
    let added = |line: &&Value| line["added"].as_array().is_some_and(|words| words.contains(&"XCHANGED".into()));
    assert_eq!(differences.iter().filter(added).count(), 1, "it is told once: {ran}");
    let commands = |what: &str| {
        differences.iter().filter(|line| line["what"] == what).map(|line| line["command"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(commands("status"), ["SELECT", "APPEND"], "{ran}");
    assert_eq!([&report["unasked"], &report["unmet"]], [&serde_json::json!([]); 2], "{ran}");
}

#[test]
fn managesieve_is_played_with_its_login_and_its_starttls() {
    let address = free_address();
    let extra = format!(
        "protocols = imap pop3 lmtp submission sieve\nservice managesieve-login {{\n  inet_listener sieve {{\n    \
         address = 127.0.0.1\n    port = {}\n  }}\n}}\nplugin {{\n  sieve = file:~/sieve;active=~/.dovecot.sieve\n}}\n",
        address.port()
    );
    let chain = servers().authority.issue(&server_names(), Key::Rsa);
    let _dovecot = Dovecot::start(&Options { extra, ..Options::new(chain) });
    wait_for("ManageSieve", || is_listening(address).then_some(()));
    let recorded = Recorded::new("sieve", address, 2, |address, ca| {
        let login = STANDARD.encode(format!("\0{}\0{PASSWORD}", user("rec")));
        let initial = format!("AUTHENTICATE \"PLAIN\" {{{}+}}\r\n{login}\r\n", login.len());
        let work =
            "PUTSCRIPT \"one\" {6+}\r\nkeep;\n\r\nLISTSCRIPTS\r\nGETSCRIPT \"one\"\r\nSETACTIVE \"two\"\r\nLOGOUT\r\n";
        let mut talk = crate::practice_kit::Talk::to(Some(address));
        while !talk.line().starts_with("OK") {}
        assert!(talk.ask("AUTHENTICATE \"PLAIN\"").starts_with("\"\""));
        assert!(talk.ask(&format!("\"{login}\"")).starts_with("OK"));
        talk.send(work.as_bytes());
        assert!(talk.rest().contains("Logout completed"));
        s_client(address, ca, &["-starttls", "sieve"], (initial + work).as_bytes()).expect_ok();
    });
    let played = recorded.same(&user("rep"));
    assert_eq!(played[1].of_kind("tls").len(), 1, "{}", played[1].dump());
}
