//! Real mail programs at work with the practice server: directly, and through the proxy with its recordings read.
//! Takes installed programs; gives nothing but failures.
//! Does not know the protocols. Thunderbird has a test of its own, see `real_thunderbird`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::practice_kit::{PASSWORD, Practice, account};
use crate::support::clients::{curl, curl_with, fetchmail, mbsync, msmtp, swaks};
use crate::support::mailtap::Mailtap;
use crate::support::process::Ran;
use crate::support::recording::{Recording, files_with};
use crate::support::through::spellings;
use crate::support::{program, test_file};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    Plain,
    StartTls,
    Implicit,
}

/// Where a program finds its server.
pub struct Ends {
    pub submission: SocketAddr,
    pub imap: SocketAddr,
    pub pop3: SocketAddr,
    pub tls: Security,
    /// What it trusts.
    pub ca: PathBuf,
    /// Bytes of the largest attachment.
    pub attachment: usize,
}

/// A program, and the work that it does as the user of its name, in a folder of its own.
pub type Job = (&'static str, fn(&Ends, &Path, &str));

pub const JOBS: &[Job] = &[
    ("curl", by_curl),
    ("python", by_python),
    ("swaks", by_swaks),
    ("msmtp", by_msmtp),
    ("fetchmail", by_fetchmail),
    ("getmail", by_getmail),
    ("mbsync", by_mbsync),
    ("offlineimap", by_offlineimap),
    ("neomutt", by_neomutt),
];

/// How often offlineimap may try; what is wrong with it stands where it is run.
const STARTTLS_TRIES: usize = 4;

#[test]
fn programs_work_in_plaintext() {
    work(Security::Plain, 20 << 20);
}

#[test]
fn programs_work_over_starttls() {
    work(Security::StartTls, 1 << 20);
}

#[test]
fn programs_work_over_implicit_tls() {
    work(Security::Implicit, 1 << 20);
}

fn work(tls: Security, attachment: usize) {
    let practice = Practice::with(|config| {
        let users = JOBS.iter().flat_map(|(name, _)| [(*name).to_owned(), format!("{name}2")]);
        config.accounts.extend(users.map(|user| account(&user)));
    });
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.pem");
    std::fs::write(&root, &practice.root).unwrap();
    let at = practice.at;
    let (submission, imap, pop3, suffix) = match tls {
        Security::Implicit => (at.submissions, at.imaps, at.pop3s, "s"),
        _ => (at.submission, at.imap, at.pop3, ""),
    };
    let [submission, imap, pop3] = [submission, imap, pop3].map(Option::unwrap);
    let direct = Ends { submission, imap, pop3, tls, ca: root.clone(), attachment };
    do_all(&direct, folder.path(), "");

    let route = |scheme: &str, to| format!("{scheme}{suffix}://127.0.0.1:0={scheme}{suffix}://{to}");
    let routes = [route("submission", submission), route("imap", imap), route("pop3", pop3)];
    let mut mailtap =
        Mailtap::start(&routes.each_ref().map(String::as_str), &["--upstream-ca", root.to_str().unwrap()]);
    let [submission, imap, pop3] = routes.each_ref().map(|route| mailtap.address(route));
    let ca = mailtap.dir.join("certs/ca.pem");
    do_all(&Ends { submission, imap, pop3, tls, ca, attachment }, folder.path(), "2");

    let recordings = mailtap.recordings(JOBS.len());
    assert!(mailtap.stop().success(), "{}", mailtap.errors());
    let closed = |recording: &&Recording| recording.of_kind("note").iter().any(|note| note["code"] == "tls-closed");
    let given_up = recordings.iter().filter(closed).count();
    assert!(given_up <= if tls == Security::StartTls { 3 * (STARTTLS_TRIES - 1) } else { 0 });
    for recording in recordings.iter().filter(|recording| !closed(recording)) {
        assert!(recording.of_kind("raw").is_empty(), "{}", recording.dump());
        let legs = recording.of_kind("tls").iter().filter(|event| event["error"].is_null()).count();
        assert_eq!(legs, if tls == Security::Plain { 0 } else { 2 }, "{}", recording.dump());
        for note in recording.of_kind("note") {
            let code = note["code"].as_str().unwrap_or_default();
            // Python sends text of 8 bits as it is told to.
            let true_ones = ["plaintext-password", "no-close-notify", "slow-answer", "8bit-without-8bitmime"];
            assert!(true_ones.contains(&code), "{note}\n{}", recording.dump());
        }
    }
    for secret in spellings(PASSWORD) {
        let files = files_with(&mailtap.dir, secret.as_bytes());
        assert!(files.is_empty(), "the password stands as {secret} in {files:?}");
    }
}

/// All programs at once, each on its own account.
fn do_all(ends: &Ends, folder: &Path, suffix: &str) {
    std::thread::scope(|scope| {
        let jobs: Vec<_> = JOBS
            .iter()
            .map(|(name, job)| {
                let (user, home) = (format!("{name}{suffix}"), folder.join(format!("{name}{suffix}")));
                std::fs::create_dir(&home).unwrap();
                (name, scope.spawn(move || job(ends, &home, &user)))
            })
            .collect();
        for (name, job) in jobs {
            assert!(
                job.join().is_ok(),
                "{name} over {:?}{}",
                ends.tls,
                if suffix.is_empty() { "" } else { ", proxied" }
            );
        }
    });
}

impl Ends {
    fn ca(&self) -> String {
        self.ca.display().to_string()
    }

    /// A mail to oneself.
    fn send(&self, home: &Path, user: &str, subject: &str) {
        let tls = match self.tls {
            Security::Plain => "tls off".to_owned(),
            Security::StartTls => format!("tls on\ntls_trust_file {}", self.ca()),
            Security::Implicit => format!("tls on\ntls_starttls off\ntls_trust_file {}", self.ca()),
        };
        let text = format!(
            "account default\nhost localhost\nport {}\nauth scram-sha-256\nuser {user}\npassword {PASSWORD}\n\
             from {user}@practice.example\n{tls}\n",
            self.submission.port(),
        );
        let message = format!("Subject: {subject}\nFrom: {user}@practice.example\n\nhello\n.dot\n");
        msmtp(home, &text, &[&format!("{user}@practice.example")], message.as_bytes()).expect_ok();
    }
}

fn by_curl(ends: &Ends, home: &Path, user: &str) {
    let suffix = if ends.tls == Security::Implicit { "s" } else { "" };
    let url = |scheme: &str, at: SocketAddr| format!("{scheme}{suffix}://localhost:{}", at.port());
    let (smtp, imap, pop3) = (url("smtp", ends.submission), url("imap", ends.imap), url("pop3", ends.pop3));
    let (login, address, ca) = (format!("{user}:{PASSWORD}"), format!("{user}@practice.example"), ends.ca());
    let more = if ends.tls == Security::StartTls { "--ssl-reqd" } else { "--disable" };
    let args = ["--ipv4", "--cacert", &ca, "-u", &login, more];
    let ask = |more: &[&str]| curl([&args[..], more].concat()).expect_ok();
    let mail = ["--mail-from", &address, "--mail-rcpt", &address, "-T", "-", &smtp];
    curl_with([&args[..], &mail].concat(), b"Subject: by curl\r\n\r\n.x\r\n").expect_ok();
    let inbox = format!("{imap}/INBOX");
    assert!(ask(&[&format!("{inbox}?SUBJECT%20curl")]).text().starts_with("* SEARCH 1"));
    assert!(ask(&[&format!("{inbox}/;UID=1")]).text().ends_with("Subject: by curl\r\n\r\n.x\r\n"));
    assert!(ask(&[&pop3]).text().starts_with("1 "));
    assert!(ask(&[&format!("{pop3}/1")]).text().ends_with("\r\n\r\n.x\r\n"));
    let draft = home.join("draft");
    std::fs::write(&draft, "Subject: draft\r\n\r\ny\r\n").unwrap();
    ask(&["-T", draft.to_str().unwrap(), &format!("{imap}/Drafts")]);
    assert!(ask(&[&format!("{imap}/Drafts"), "-X", "STORE 1 +Flags \\Deleted"]).text().contains("\\Deleted"));
    ask(&[&format!("{imap}/Drafts"), "-X", "EXPUNGE"]);
    let examined = ask(&[&imap, "-X", "STATUS Drafts (MESSAGES)"]);
    assert!(examined.text().contains("(MESSAGES 0)"), "{examined}");
}

fn by_python(ends: &Ends, _home: &Path, user: &str) {
    let tls = match ends.tls {
        Security::Plain => "plain",
        Security::StartTls => "starttls",
        Security::Implicit => "implicit",
    };
    let day = json!({
        "host": "localhost", "smtp": ends.submission.port(), "imap": ends.imap.port(), "pop3": ends.pop3.port(),
        "tls": tls, "ca": ends.ca(), "user": user, "password": PASSWORD, "address": format!("{user}@practice.example"),
        "attachment": ends.attachment,
    });
    let mut command = Command::new(program("python3", "python3"));
    command.arg("-B").arg(test_file("clients/practice_day.py")).env("PYTHONUTF8", "1");
    assert_eq!(Ran::with_limit(&command, day.to_string().as_bytes(), 120).expect_ok().text(), "done\n");
}

fn by_swaks(ends: &Ends, _home: &Path, user: &str) {
    let address = format!("{user}@practice.example");
    let tls: &[&str] = match ends.tls {
        Security::Plain => &[],
        Security::StartTls => &["--tls"],
        Security::Implicit => &["--tls-on-connect"],
    };
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
        let login = ["--auth", mechanism, "--auth-user", user, "--auth-password", PASSWORD];
        swaks(ends.submission, [&login[..], tls, &["--from", &address, "--to", &address]].concat()).expect_ok();
        let away = ["--from", &address, "--to", "x@elsewhere.example"];
        let refused = swaks(ends.submission, [&login[..], tls, &away].concat());
        assert!(refused.text().contains("550 5.7.1"), "{refused}");
    }
    let wrong = ["--auth", "PLAIN", "--auth-user", user, "--auth-password", "wrong"];
    let refused = swaks(ends.submission, [&wrong[..], tls, &["--from", &address, "--to", &address]].concat());
    assert!(refused.text().contains("535 5.7.8"), "{refused}");
}

fn by_msmtp(ends: &Ends, home: &Path, user: &str) {
    ends.send(home, user, "by msmtp");
}

fn by_fetchmail(ends: &Ends, home: &Path, user: &str) {
    for (protocol, address) in [("IMAP", ends.imap), ("POP3", ends.pop3)] {
        ends.send(home, user, protocol);
        let tls = match ends.tls {
            Security::Plain => "sslproto ''".to_owned(),
            Security::StartTls => format!("sslproto 'TLS1.2+' sslcertck sslcertfile '{}'", ends.ca()),
            Security::Implicit => format!("ssl sslcertck sslcertfile '{}'", ends.ca()),
        };
        let text = format!(
            "poll localhost service {} protocol {protocol} auth password username {user} password {PASSWORD} {tls}\n\
             mda \"cat > {}/{protocol}.eml\"\n",
            address.port(),
            home.display()
        );
        fetchmail(home, &text).expect_ok();
        let fetched = std::fs::read_to_string(home.join(format!("{protocol}.eml"))).unwrap();
        assert!(fetched.contains(&format!("Subject: {protocol}")) && fetched.ends_with(".dot\n"), "{fetched}");
    }
}

/// getmail has no STARTTLS.
fn by_getmail(ends: &Ends, home: &Path, user: &str) {
    if ends.tls == Security::StartTls {
        return;
    }
    for (kind, address) in [("IMAP", ends.imap), ("POP3", ends.pop3)] {
        ends.send(home, user, kind);
        let file = home.join(kind);
        let (retriever, ca) = match ends.tls {
            Security::Plain => (format!("Simple{kind}Retriever"), String::new()),
            _ => (format!("Simple{kind}SSLRetriever"), format!("ca_certs = {}\n", ends.ca())),
        };
        let text = format!(
            "[retriever]\ntype = {retriever}\nserver = localhost\nport = {}\nusername = {user}\npassword = {PASSWORD}\n{ca}\
             [destination]\ntype = MDA_external\npath = /bin/sh\narguments = ('-c', 'cat > {}')\nallow_root_commands = true\n\
             [options]\nread_all = true\ndelete = true\n",
            address.port(),
            file.display()
        );
        std::fs::write(home.join("getmailrc"), text).unwrap();
        let mut command = Command::new(program("getmail", "getmail6"));
        command.args(["--rcfile", "getmailrc", "--getmaildir"]).arg(home).env("HOME", home);
        // It syncs what it remembers to the disk before it says QUIT, which a busy disk can hold up beyond any limit.
        // What was not deleted then is fetched again.
        let ran = Ran::with_limit(&command, b"", 60);
        let ran = if ran.code.is_some_and(|code| code != 124) { ran } else { Ran::with_limit(&command, b"", 120) };
        ran.expect_ok();
        let fetched = std::fs::read_to_string(&file).unwrap();
        assert!(fetched.contains(&format!("Subject: {kind}")) && fetched.ends_with(".dot\n"), "{fetched}");
    }
}

fn by_mbsync(ends: &Ends, home: &Path, user: &str) {
    ends.send(home, user, "far");
    let tls = match ends.tls {
        Security::Plain => "SSLType None\nAuthMechs LOGIN".to_owned(),
        Security::StartTls => format!("SSLType STARTTLS\nCertificateFile {}", ends.ca()),
        Security::Implicit => format!("SSLType IMAPS\nCertificateFile {}", ends.ca()),
    };
    let text = format!(
        "IMAPAccount a\nHost localhost\nPort {}\nUser {user}\nPass {PASSWORD}\n{tls}\n\n\
         IMAPStore far\nAccount a\n\nMaildirStore near\nPath {home}/mail/\nInbox {home}/mail/INBOX\nSubFolders Verbatim\n\n\
         Channel c\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSync All\n",
        ends.imap.port(),
        home = home.display()
    );
    std::fs::create_dir(home.join("mail")).unwrap();
    mbsync(home, &text).expect_ok();
    let inbox = home.join("mail/INBOX");
    assert_eq!(messages(&inbox), 1);
    std::fs::write(inbox.join("cur/9.near:2,F"), "Subject: near\nMessage-ID: <2@x>\n\ny\n").unwrap();
    mbsync(home, &text).expect_ok();
    // As if by another computer: what was put there comes back.
    std::fs::rename(home.join("mail"), home.join("before")).unwrap();
    let _ = std::fs::remove_dir_all(home.join(".mbsync"));
    std::fs::create_dir(home.join("mail")).unwrap();
    mbsync(home, &text).expect_ok();
    assert_eq!(messages(&inbox), 2);
}

fn by_offlineimap(ends: &Ends, home: &Path, user: &str) {
    ends.send(home, user, "far");
    let tls = match ends.tls {
        Security::Plain => "ssl = no\nstarttls = no".to_owned(),
        Security::StartTls => format!("ssl = no\nstarttls = yes\nsslcacertfile = {}", ends.ca()),
        Security::Implicit => format!("ssl = yes\nsslcacertfile = {}", ends.ca()),
    };
    let text = format!(
        "[general]\naccounts = a\nmetadata = {home}/state\nui = basic\n[Account a]\nlocalrepository = l\nremoterepository = r\n\
         [Repository l]\ntype = Maildir\nlocalfolders = {home}/mail\n\
         [Repository r]\ntype = IMAP\nremotehost = localhost\nremoteport = {}\nremoteuser = {user}\nremotepass = {PASSWORD}\n\
         auth_mechanisms = PLAIN\n{tls}\n",
        ends.imap.port(),
        home = home.display()
    );
    std::fs::write(home.join("rc"), text).unwrap();
    let mut command = Command::new(program("offlineimap", "offlineimap3"));
    command.args(["-o", "-c"]).arg(home.join("rc")).env("HOME", home);
    // Its library's reading thread may take the reply before STARTTLS for the one to STARTTLS, and then nobody reads
    // the latter: with any server, whenever that thread is held up between two statements. So it may try again.
    let tries = if ends.tls == Security::StartTls { STARTTLS_TRIES } else { 1 };
    let run = || {
        for _ in 1..tries {
            let ran = Ran::with_limit(&command, b"", 30);
            if ran.code.is_some_and(|code| code != 124) {
                return ran.expect_ok();
            }
        }
        Ran::with_limit(&command, b"", 120).expect_ok()
    };
    run();
    let inbox = home.join("mail/INBOX");
    assert_eq!(messages(&inbox), 1);
    std::fs::write(inbox.join("cur/9.near:2,FS"), "Subject: near\nMessage-ID: <2@x>\n\ny\n").unwrap();
    run();
    std::fs::rename(home.join("mail"), home.join("before")).unwrap();
    std::fs::remove_dir_all(home.join("state")).unwrap();
    run();
    assert_eq!(messages(&inbox), 2);
}

fn by_neomutt(ends: &Ends, home: &Path, user: &str) {
    ends.send(home, user, "for mutt");
    let scheme = if ends.tls == Security::Implicit { "imaps" } else { "imap" };
    let url = format!("{scheme}://{user}@localhost:{}/", ends.imap.port());
    let starttls = if ends.tls == Security::StartTls { "yes" } else { "no" };
    let rc = home.join("rc");
    let text = format!(
        "set imap_pass={PASSWORD}\nset folder={url}\nset spoolfile={url}INBOX\nset ssl_starttls={starttls}\n\
         set ssl_force_tls={starttls}\nset ssl_verify_host=no\nset certificate_file={}\nset ssl_use_system_certs=no\n\
         set header_cache=\nset quit=yes\nset confirmappend=no\nset delete=yes\nset confirmcreate=no\nset wait_key=no\n\
         push \"<save-message>=Archive<enter><sync-mailbox><quit>\"\n",
        ends.ca()
    );
    std::fs::write(&rc, text).unwrap();
    let neomutt = program("neomutt", "neomutt");
    let mut command = Command::new(program("script", "bsdutils"));
    command.args(["-qec", &format!("{} -n -F {}", neomutt.display(), rc.display()), "/dev/null"]);
    command.env("TERM", "xterm").env("HOME", home);
    Ran::new(&command).expect_ok();
    // What it filed is found by another program.
    let login = format!("{user}:{PASSWORD}");
    let (ca, more) = (ends.ca(), if ends.tls == Security::StartTls { "--ssl-reqd" } else { "--disable" });
    let at = format!("{scheme}://localhost:{}/", ends.imap.port());
    let status = |mailbox: &str| {
        let command = format!("STATUS {mailbox} (MESSAGES)");
        curl(["--ipv4", "--cacert", &ca, "-u", &login, more, &at, "-X", &command]).expect_ok().text()
    };
    assert_eq!(status("Archive").trim_end(), "* STATUS Archive (MESSAGES 1)");
    assert_eq!(status("INBOX").trim_end(), "* STATUS INBOX (MESSAGES 0)");
}

/// How many messages a Maildir holds.
fn messages(mailbox: &Path) -> usize {
    ["new", "cur"].iter().map(|part| std::fs::read_dir(mailbox.join(part)).unwrap().count()).sum()
}
