//! Real mail programs at work with a server of any kind: they send, fetch, file and sync, each on its own account.
//! Takes a server's addresses and what is particular about it; gives nothing but failures.
//! Does not know whether something stands between, nor what is recorded there.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    clients::{curl, curl_with, fetchmail, mbsync, msmtp, swaks},
    process::Ran,
    program, wait_for,
};

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
    pub site: &'static Site,
}

/// What is particular about a server.
pub struct Site {
    /// Its users' addresses end so.
    pub domain: &'static str,
    pub password: &'static str,
    /// The mechanism by which msmtp logs in.
    pub auth: &'static str,
    /// What the names of folders begin with.
    pub prefix: &'static str,
    /// How it refuses mail to elsewhere, and a wrong password.
    pub relay_refused: &'static str,
    pub wrong_password: &'static str,
    /// How many messages for a user have been delivered until now, where that takes its time.
    pub delivered: Option<fn(&str) -> usize>,
}

/// A program, and the work that it does as the user of its name, in a folder of its own.
pub type Job = (&'static str, fn(&Ends, &Path, &str));

pub const JOBS: &[Job] = &[
    ("curl", by_curl),
    ("swaks", by_swaks),
    ("msmtp", by_msmtp),
    ("fetchmail", by_fetchmail),
    ("getmail", by_getmail),
    ("mbsync", by_mbsync),
    ("offlineimap", by_offlineimap),
    ("neomutt", by_neomutt),
];

/// How often offlineimap may try; what is wrong with it stands where it is run.
pub const STARTTLS_TRIES: usize = 4;

/// All programs at once, each on its own account: the user of its name with `suffix`.
#[track_caller]
pub fn do_all(jobs: &[Job], ends: &Ends, folder: &Path, suffix: &str) {
    std::thread::scope(|scope| {
        let jobs: Vec<_> = jobs
            .iter()
            .map(|(name, job)| {
                let (user, home) = (format!("{name}{suffix}"), folder.join(format!("{name}{suffix}")));
                std::fs::create_dir(&home).unwrap();
                (name, scope.spawn(move || job(ends, &home, &user)))
            })
            .collect();
        for (name, job) in jobs {
            assert!(job.join().is_ok(), "{name}{suffix} over {:?}", ends.tls);
        }
    });
}

impl Ends {
    pub fn ca(&self) -> String {
        self.ca.display().to_string()
    }

    /// A mail to oneself, which is there when this returns.
    fn send(&self, home: &Path, user: &str, subject: &str) {
        let Site { domain, password, auth, .. } = self.site;
        let tls = match self.tls {
            Security::Plain => "tls off".to_owned(),
            Security::StartTls => format!("tls on\ntls_trust_file {}", self.ca()),
            Security::Implicit => format!("tls on\ntls_starttls off\ntls_trust_file {}", self.ca()),
        };
        let text = format!(
            "account default\nhost localhost\nport {}\nauth {auth}\nuser {user}\npassword {password}\n\
             from {user}@{domain}\n{tls}\n",
            self.submission.port(),
        );
        let message = format!("Subject: {subject}\nFrom: {user}@{domain}\n\nhello\n.dot\n");
        self.delivering(user, || {
            msmtp(home, &text, &[&format!("{user}@{domain}")], message.as_bytes()).expect_ok();
        });
    }

    /// Does what sends a mail to the user, and waits until it is there.
    fn delivering(&self, user: &str, send: impl FnOnce()) {
        let Some(delivered) = self.site.delivered else { return send() };
        let before = delivered(user);
        send();
        wait_for(&format!("another message for {user}"), || (delivered(user) > before).then_some(()));
    }
}

fn by_curl(ends: &Ends, home: &Path, user: &str) {
    let Site { domain, password, prefix, .. } = ends.site;
    let suffix = if ends.tls == Security::Implicit { "s" } else { "" };
    let url = |scheme: &str, at: SocketAddr| format!("{scheme}{suffix}://localhost:{}", at.port());
    let (smtp, imap, pop3) = (url("smtp", ends.submission), url("imap", ends.imap), url("pop3", ends.pop3));
    let (login, address, ca) = (format!("{user}:{password}"), format!("{user}@{domain}"), ends.ca());
    let more = if ends.tls == Security::StartTls { "--ssl-reqd" } else { "--disable" };
    let args = ["--ipv4", "--cacert", &ca, "-u", &login, more];
    let ask = |more: &[&str]| curl([&args[..], more].concat()).expect_ok();
    let mail = ["--mail-from", &address, "--mail-rcpt", &address, "-T", "-", &smtp];
    ends.delivering(user, || {
        curl_with([&args[..], &mail].concat(), b"Subject: by curl\r\n\r\n.x\r\n").expect_ok();
    });
    let inbox = format!("{imap}/INBOX");
    assert!(ask(&[&format!("{inbox}?SUBJECT%20curl")]).text().starts_with("* SEARCH 1"));
    assert!(ask(&[&format!("{inbox}/;UID=1")]).text().ends_with("\r\n\r\n.x\r\n"));
    assert!(ask(&[&pop3]).text().starts_with("1 "));
    assert!(ask(&[&format!("{pop3}/1")]).text().ends_with("\r\n\r\n.x\r\n"));
    let draft = home.join("draft");
    std::fs::write(&draft, "Subject: draft\r\n\r\ny\r\n").unwrap();
    ask(&["-T", draft.to_str().unwrap(), &format!("{imap}/{prefix}Drafts")]);
    assert!(ask(&[&format!("{imap}/{prefix}Drafts"), "-X", "STORE 1 +Flags \\Deleted"]).text().contains("\\Deleted"));
    ask(&[&format!("{imap}/{prefix}Drafts"), "-X", "EXPUNGE"]);
    let examined = ask(&[&imap, "-X", &format!("STATUS {prefix}Drafts (MESSAGES)")]);
    assert!(examined.text().contains("(MESSAGES 0)"), "{examined}");
}

fn by_swaks(ends: &Ends, _home: &Path, user: &str) {
    let Site { domain, password, relay_refused, wrong_password, .. } = ends.site;
    let address = format!("{user}@{domain}");
    let tls: &[&str] = match ends.tls {
        Security::Plain => &[],
        Security::StartTls => &["--tls"],
        Security::Implicit => &["--tls-on-connect"],
    };
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
        let login = ["--auth", mechanism, "--auth-user", user, "--auth-password", password];
        swaks(ends.submission, [&login[..], tls, &["--from", &address, "--to", &address]].concat()).expect_ok();
        let away = ["--from", &address, "--to", "x@elsewhere.example"];
        let refused = swaks(ends.submission, [&login[..], tls, &away].concat());
        assert!(refused.text().contains(relay_refused), "{refused}");
    }
    let wrong = ["--auth", "PLAIN", "--auth-user", user, "--auth-password", "wrong"];
    let refused = swaks(ends.submission, [&wrong[..], tls, &["--from", &address, "--to", &address]].concat());
    assert!(refused.text().contains(wrong_password), "{refused}");
}

fn by_msmtp(ends: &Ends, home: &Path, user: &str) {
    ends.send(home, user, "by msmtp");
}

fn by_fetchmail(ends: &Ends, home: &Path, user: &str) {
    let Site { password, .. } = ends.site;
    for (protocol, address) in [("IMAP", ends.imap), ("POP3", ends.pop3)] {
        ends.send(home, user, protocol);
        let tls = match ends.tls {
            Security::Plain => "sslproto ''".to_owned(),
            Security::StartTls => format!("sslproto 'TLS1.2+' sslcertck sslcertfile '{}'", ends.ca()),
            Security::Implicit => format!("ssl sslcertck sslcertfile '{}'", ends.ca()),
        };
        let text = format!(
            "poll localhost service {} protocol {protocol} auth password username {user} password {password} {tls}\n\
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
    let Site { password, .. } = ends.site;
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
            "[retriever]\ntype = {retriever}\nserver = localhost\nport = {}\nusername = {user}\npassword = {password}\n{ca}\
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
    let Site { password, .. } = ends.site;
    ends.send(home, user, "far");
    let tls = match ends.tls {
        Security::Plain => "SSLType None\nAuthMechs LOGIN".to_owned(),
        Security::StartTls => format!("SSLType STARTTLS\nCertificateFile {}", ends.ca()),
        Security::Implicit => format!("SSLType IMAPS\nCertificateFile {}", ends.ca()),
    };
    let text = format!(
        "IMAPAccount a\nHost localhost\nPort {}\nUser {user}\nPass {password}\n{tls}\n\n\
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
    let Site { password, .. } = ends.site;
    ends.send(home, user, "far");
    let tls = match ends.tls {
        Security::Plain => "ssl = no\nstarttls = no".to_owned(),
        Security::StartTls => format!("ssl = no\nstarttls = yes\nsslcacertfile = {}", ends.ca()),
        Security::Implicit => format!("ssl = yes\nsslcacertfile = {}", ends.ca()),
    };
    let text = format!(
        "[general]\naccounts = a\nmetadata = {home}/state\nui = basic\n[Account a]\nlocalrepository = l\nremoterepository = r\n\
         [Repository l]\ntype = Maildir\nlocalfolders = {home}/mail\n\
         [Repository r]\ntype = IMAP\nremotehost = localhost\nremoteport = {}\nremoteuser = {user}\nremotepass = {password}\n\
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
    let Site { password, prefix, .. } = ends.site;
    ends.send(home, user, "for mutt");
    let scheme = if ends.tls == Security::Implicit { "imaps" } else { "imap" };
    let url = format!("{scheme}://{user}@localhost:{}/", ends.imap.port());
    let starttls = if ends.tls == Security::StartTls { "yes" } else { "no" };
    let rc = home.join("rc");
    let text = format!(
        "set imap_pass={password}\nset folder={url}\nset spoolfile={url}INBOX\nset ssl_starttls={starttls}\n\
         set ssl_force_tls={starttls}\nset ssl_verify_host=no\nset certificate_file={}\nset ssl_use_system_certs=no\n\
         set header_cache=\nset quit=yes\nset confirmappend=no\nset delete=yes\nset confirmcreate=no\nset wait_key=no\n\
         push \"<save-message>={prefix}Archive<enter><sync-mailbox><quit>\"\n",
        ends.ca()
    );
    std::fs::write(&rc, text).unwrap();
    let neomutt = program("neomutt", "neomutt");
    let mut command = Command::new(program("script", "bsdutils"));
    command.args(["-qec", &format!("{} -n -F {}", neomutt.display(), rc.display()), "/dev/null"]);
    command.env("TERM", "xterm").env("HOME", home);
    Ran::new(&command).expect_ok();
    // What it filed is found by another program.
    let login = format!("{user}:{password}");
    let (ca, more) = (ends.ca(), if ends.tls == Security::StartTls { "--ssl-reqd" } else { "--disable" });
    let at = format!("{scheme}://localhost:{}/", ends.imap.port());
    let holds = |mailbox: &str, messages: usize| {
        let command = format!("STATUS {mailbox} (MESSAGES)");
        let ran = curl(["--ipv4", "--cacert", &ca, "-u", &login, more, &at, "-X", &command]).expect_ok();
        assert!(ran.text().contains(&format!("(MESSAGES {messages})")), "{ran}");
    };
    holds(&format!("{prefix}Archive"), 1);
    holds("INBOX", 0);
}

/// How many messages a Maildir holds.
fn messages(mailbox: &Path) -> usize {
    ["new", "cur"].iter().map(|part| std::fs::read_dir(mailbox.join(part)).unwrap().count()).sum()
}
