//! Programs that read a mailbox: getmail, offlineimap and neomutt, set up and run.
//! Takes a mailbox and a folder for the program's own; gives nothing where the program did its work.
//! Does not know which server it is, nor what lies between.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::process::Ran;
use super::program;
use super::programs::Security;

/// How often offlineimap may try within TLS; what is wrong with it stands where it is run.
pub const OFFLINEIMAP_TRIES: usize = 4;

/// Whose mailbox it is, and how it is reached.
pub struct Mailbox<'a> {
    pub address: SocketAddr,
    pub tls: Security,
    /// What is trusted.
    pub ca: &'a Path,
    pub user: &'a str,
    pub password: &'a str,
}

/// getmail moves everything by `IMAP` or `POP3` into a file. It has no STARTTLS.
#[track_caller]
pub fn getmail(mailbox: &Mailbox, kind: &str, home: &Path, file: &Path) {
    let Mailbox { address, tls, ca, user, password } = mailbox;
    let (retriever, ca) = match tls {
        Security::Plain => (format!("Simple{kind}Retriever"), String::new()),
        _ => (format!("Simple{kind}SSLRetriever"), format!("ca_certs = {}\n", ca.display())),
    };
    let text = format!(
        "[retriever]\ntype = {retriever}\nserver = localhost\nport = {}\nusername = {user}\npassword = {password}\n{ca}\
         [destination]\ntype = MDA_external\npath = /bin/sh\narguments = ('-c', 'cat >> {}')\nallow_root_commands = true\n\
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
    if ran.code.is_none_or(|code| code == 124) {
        let _ = std::fs::remove_file(file);
        Ran::with_limit(&command, b"", 120).expect_ok();
    } else {
        ran.expect_ok();
    }
}

/// offlineimap, set up to keep a Maildir like the mailbox.
pub struct Offlineimap {
    command: Command,
    tries: usize,
}

impl Offlineimap {
    /// Below `home`: the mail in `mail`, what it remembers in `state`. `more` is about the remote side.
    #[track_caller]
    pub fn new(mailbox: &Mailbox, more: &str, home: &Path) -> Offlineimap {
        let Mailbox { address, tls, ca, user, password } = mailbox;
        // Its library's reading thread may take the reply before STARTTLS for the one to STARTTLS, and then nobody reads
        // the latter: with any server, whenever that thread is held up between two statements. So threads are not
        // switched there. And it reads and writes one TLS connection in two threads, which Python's ssl before 3.13 does
        // not bear: the first command may arrive spoilt where the server sends tickets meanwhile. So TLS 1.2, and it
        // may try again.
        let first = "import sys, imaplib2\nsys.setswitchinterval(60)\n\
                     imaplib2.IMAP4.starttls.__defaults__ = (None, None, None, None, 'tls1_2', 'tls_compat')\n";
        std::fs::write(home.join("first.py"), first).unwrap();
        let ca = format!("sslcacertfile = {}\nssl_version = tls1_2\n", ca.display());
        let tls = match tls {
            Security::Plain => "ssl = no\nstarttls = no\n".to_owned(),
            Security::StartTls => format!("ssl = no\nstarttls = yes\n{ca}"),
            Security::Implicit => format!("ssl = yes\n{ca}"),
        };
        let text = format!(
            "[general]\naccounts = a\nmetadata = {home}/state\nui = basic\npythonfile = {home}/first.py\n\
             [Account a]\nlocalrepository = l\nremoterepository = r\n\
             [Repository l]\ntype = Maildir\nlocalfolders = {home}/mail\n\
             [Repository r]\ntype = IMAP\nremotehost = localhost\nremoteport = {}\nremoteuser = {user}\nremotepass = {password}\n\
             auth_mechanisms = PLAIN\n{tls}{more}",
            address.port(),
            home = home.display()
        );
        std::fs::write(home.join("rc"), text).unwrap();
        let mut command = Command::new(program("offlineimap", "offlineimap3"));
        command.args(["-o", "-c"]).arg(home.join("rc")).env("HOME", home);
        Offlineimap { command, tries: if mailbox.tls == Security::Plain { 1 } else { OFFLINEIMAP_TRIES } }
    }

    #[track_caller]
    pub fn run(&self) {
        for _ in 1..self.tries {
            let ran = Ran::with_limit(&self.command, b"", 30);
            let stuck = ran.code.is_none_or(|code| code == 124);
            if !stuck && !ran.text().contains("Failed to start TLS connection") {
                ran.expect_ok();
                return;
            }
        }
        Ran::with_limit(&self.command, b"", 120).expect_ok();
    }
}

/// neomutt with a mailbox.
pub struct Neomutt {
    command: String,
    url: String,
}

impl Neomutt {
    /// Its settings are put below `home`; `more` are further ones.
    #[track_caller]
    pub fn new(mailbox: &Mailbox, more: &str, home: &Path) -> Neomutt {
        let Mailbox { address, tls, ca, user, password } = mailbox;
        let scheme = if *tls == Security::Implicit { "imaps" } else { "imap" };
        let url = format!("{scheme}://{user}@localhost:{}/", address.port());
        let starttls = if *tls == Security::StartTls { "yes" } else { "no" };
        let text = format!(
            "set imap_pass={password}\nset folder={url}\nset spoolfile={url}INBOX\nset ssl_starttls={starttls}\n\
             set ssl_force_tls={starttls}\nset ssl_verify_host=no\nset certificate_file={}\n\
             set header_cache=\nset quit=yes\nset confirmappend=no\nset delete=yes\nset confirmcreate=no\nset wait_key=no\n{more}",
            ca.display()
        );
        let rc = home.join("rc");
        std::fs::write(&rc, text).unwrap();
        let neomutt = program("neomutt", "neomutt");
        let command = format!("HOME={} TERM=xterm {} -n -F {}", home.display(), neomutt.display(), rc.display());
        Neomutt { command, url }
    }

    /// It opens a mailbox, these keys are pressed, and it leaves.
    #[track_caller]
    pub fn press(&self, folder: &str, keys: &str) {
        let Neomutt { command, url } = self;
        let run = format!("{command} -f {url}{folder} -e \"push '{keys}<quit>'\"");
        let mut command = Command::new(program("script", "bsdutils"));
        command.args(["-qec", &run, "/dev/null"]);
        Ran::new(&command).expect_ok();
    }
}
