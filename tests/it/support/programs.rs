//! Real mail programs at work with a server of any kind: they send, fetch, file and sync, each on its own account.
//! Takes a server's addresses and what is particular about it; gives nothing but failures.
//! Does not know whether something stands between, nor what is recorded there.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{
    clients::{curl, curl_with, fetchmail, mbsync, msmtp, swaks},
    readers::{Mailbox, Neomutt, Offlineimap, getmail},
    wait_for,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    Plain,
    StartTls,
    Implicit,
}

impl Security {
    pub const ALL: [Security; 3] = [Security::Plain, Security::StartTls, Security::Implicit];
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
    /// Whether a new mailbox has a folder for what was sent, besides one for drafts.
    pub has_sent: bool,
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

    fn mailbox<'a>(&'a self, address: SocketAddr, user: &'a str) -> Mailbox<'a> {
        Mailbox { address, tls: self.tls, ca: &self.ca, user, password: self.site.password }
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

/// What is done to a copy of the mail, to be done on the server as well.
impl Ends {
    /// The only message goes, one with a large text and a flag comes, and a folder with another, where folders may have
    /// any name.
    fn change_locally(&self, home: &Path) {
        let inbox = home.join("mail/INBOX");
        let far = files(&inbox).pop().unwrap();
        std::fs::remove_file(far).unwrap();
        let large = "0123456789abcdef\n".repeat(self.attachment / 17);
        std::fs::write(inbox.join("cur/9.near:2,FS"), format!("Subject: near\nMessage-ID: <2@x>\n\n{large}")).unwrap();
        let Some(plans) = self.plans(home) else { return };
        for part in ["cur", "new", "tmp"] {
            std::fs::create_dir_all(plans.join(part)).unwrap();
        }
        std::fs::write(plans.join("cur/8.near:2,S"), "Subject: plan\nMessage-ID: <3@x>\n\ny\n").unwrap();
    }

    fn check_changes(&self, home: &Path) {
        let flags = |path: &Path| path.to_string_lossy().rsplit(":2,").next().unwrap_or_default().to_owned();
        let inbox = files(&home.join("mail/INBOX"));
        assert_eq!(inbox.len(), 1, "{inbox:?}");
        let text = std::fs::read_to_string(&inbox[0]).unwrap();
        let lines = text.lines().filter(|line| *line == "0123456789abcdef").count();
        assert!(text.contains("Subject: near") && lines == self.attachment / 17, "{lines} lines of {}", text.len());
        assert_eq!(flags(&inbox[0]), "FS");
        let Some(plans) = self.plans(home) else { return };
        let plans = files(&plans);
        assert_eq!(plans.len(), 1, "{plans:?}");
        assert_eq!(flags(&plans[0]), "S");
        assert!(std::fs::read_to_string(&plans[0]).unwrap().contains("Subject: plan"));
    }

    fn plans(&self, home: &Path) -> Option<PathBuf> {
        self.site.prefix.is_empty().then(|| home.join("mail/Plans"))
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
    if ends.tls == Security::StartTls {
        return;
    }
    for (kind, address) in [("IMAP", ends.imap), ("POP3", ends.pop3)] {
        ends.send(home, user, kind);
        let file = home.join(kind);
        getmail(&ends.mailbox(address, user), kind, home, &file);
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
    assert_eq!(files(&inbox).len(), 1);
    ends.change_locally(home);
    mbsync(home, &text).expect_ok();
    // As if by another computer: what was put there comes back.
    std::fs::rename(home.join("mail"), home.join("before")).unwrap();
    let _ = std::fs::remove_dir_all(home.join(".mbsync"));
    std::fs::create_dir(home.join("mail")).unwrap();
    mbsync(home, &text).expect_ok();
    ends.check_changes(home);
}

fn by_offlineimap(ends: &Ends, home: &Path, user: &str) {
    ends.send(home, user, "far");
    let offlineimap = Offlineimap::new(&ends.mailbox(ends.imap, user), "", home);
    offlineimap.run();
    let inbox = home.join("mail/INBOX");
    assert_eq!(files(&inbox).len(), 1);
    ends.change_locally(home);
    offlineimap.run();
    std::fs::rename(home.join("mail"), home.join("before")).unwrap();
    std::fs::remove_dir_all(home.join("state")).unwrap();
    offlineimap.run();
    ends.check_changes(home);
}

fn by_neomutt(ends: &Ends, home: &Path, user: &str) {
    let Site { domain, password, prefix, has_sent, .. } = ends.site;
    ends.send(home, user, "for mutt");
    let sends = if ends.tls == Security::Implicit { "smtps" } else { "smtp" };
    let more = format!(
        "set smtp_url={sends}://{user}@localhost:{}/\nset smtp_pass={password}\nset smtp_authenticators=plain\n\
         set from={user}@{domain}\nset record=+{prefix}Sent\nset sleep_time=0\nset editor=true\nset abort_unmodified=no\n",
        ends.submission.port(),
    );
    let neomutt = Neomutt::new(&ends.mailbox(ends.imap, user), &more, home);
    let login = format!("{user}:{password}");
    let scheme = if ends.tls == Security::Implicit { "imaps" } else { "imap" };
    let (ca, more) = (ends.ca(), if ends.tls == Security::StartTls { "--ssl-reqd" } else { "--disable" });
    let at = format!("{scheme}://localhost:{}/", ends.imap.port());
    let ask = |folder: &str, command: &str| {
        let url = format!("{at}{folder}");
        curl(["--ipv4", "--cacert", &ca, "-u", &login, more, &url, "-X", command]).expect_ok().text()
    };
    let [archive, sent, drafts] = ["Archive", "Sent", "Drafts"].map(|name| format!("{prefix}{name}"));
    if !has_sent {
        ask("", &format!("CREATE {sent}"));
    }
    // It sends a file to itself, and keeps a copy on the server; elsewhere than where the message arrives, so that this is
    // not told in the same session, which may be played alone.
    let file = home.join("attachment.bin");
    std::fs::write(&file, [0, 255, 13, 10].repeat(ends.attachment / 4)).unwrap();
    let mail = format!("<mail>{user}@{domain}<enter>by neomutt<enter><attach-file>{}<enter>", file.display());
    ends.delivering(user, || neomutt.press(&drafts, &format!("{mail}<send-message>")));
    // It flags and files what the server finds, and deletes the rest.
    neomutt.press(
        "INBOX",
        &format!(
            "<limit>=b hello<enter><flag-message><save-message>={prefix}Archive<enter><limit>all<enter>\
         <delete-pattern>=s neomutt<enter><sync-mailbox>"
        ),
    );
    // What it filed is found by another program.
    let holds = |mailbox: &str, messages: usize| {
        let told = ask("", &format!("STATUS {mailbox} (MESSAGES)"));
        assert!(told.contains(&format!("(MESSAGES {messages})")), "{told}");
    };
    holds(&archive, 1);
    holds("INBOX", 0);
    assert_eq!(ask(&archive, "SEARCH FLAGGED BODY hello").trim_end(), "* SEARCH 1");
    // In base64 it is a third larger.
    let larger = format!("SEARCH SEEN SUBJECT neomutt LARGER {}", ends.attachment / 3 * 4);
    assert_eq!(ask(&sent, &larger).trim_end(), "* SEARCH 1");
}

/// The messages that a Maildir holds.
fn files(mailbox: &Path) -> Vec<PathBuf> {
    let of = |part: &str| std::fs::read_dir(mailbox.join(part)).unwrap().map(|entry| entry.unwrap().path());
    of("new").chain(of("cur")).collect()
}
