//! A real Cyrus: IMAP, POP3 and ManageSieve with STARTTLS, the first two also with TLS from the first byte, and LMTP.
//! Takes a certificate and the names of users; gives addresses on free loopback ports, and the log.
//! Does not know the program under test.

use std::{net::SocketAddr, os::unix::fs::chown};

use super::{
    certs::Chain,
    dovecot::{DOMAIN, PASSWORD},
    free_address, is_listening,
    machine::Machine,
    process::{Daemon, Ran},
    wait_until,
};

/// A running Cyrus whose users have [`PASSWORD`], and an INBOX with Drafts, Sent and Trash beside it after the first login.
pub struct Cyrus {
    pub imap: SocketAddr,
    pub imaps: SocketAddr,
    pub pop3: SocketAddr,
    pub pop3s: SocketAddr,
    pub lmtp: SocketAddr,
    pub sieve: SocketAddr,
    machine: Machine,
    _daemon: Daemon,
}

impl Cyrus {
    #[track_caller]
    pub fn start(chain: &Chain, users: &[String]) -> Self {
        let machine = Machine::new("mt-cyrus-");
        machine.certify(chain);
        let cyrus = Machine::account("cyrus");
        machine.make("run/cyrus", 0o755, cyrus);
        for folder in ["run/cyrus/socket", "run/cyrus/proc", "run/cyrus/lock", "var/spool/cyrus", "var/spool/sieve"] {
            machine.make(folder, 0o750, cyrus);
        }
        for folder in
            ["", "/backup", "/db", "/log", "/msg", "/proc", "/ptclient", "/quota", "/sieve", "/socket", "/user"]
        {
            machine.make(&format!("var/lib/cyrus{folder}"), 0o750, cyrus);
        }
        machine.write("etc/imapd.conf", &configuration());
        for user in users {
            let mut command = machine.command(&[], "/usr/sbin/saslpasswd2");
            command.args(["-p", "-c", "-u", DOMAIN, user]);
            Ran::with_input(&command, PASSWORD.as_bytes()).expect_ok();
        }
        chown(machine.path("etc/sasldb2"), Some(cyrus.0), Some(cyrus.1)).expect("the owner of the passwords");
        let all = std::array::from_fn(|_| free_address());
        machine.write("etc/cyrus.conf", &services(all));
        let mut command = machine.command(&[], "/usr/lib/cyrus/bin/master");
        command.args(["-C", "/etc/imapd.conf", "-M", "/etc/cyrus.conf"]);
        let daemon = machine.start("master", &command, true);
        let [imap, imaps, pop3, pop3s, lmtp, sieve] = all;
        let mut it = Self { imap, imaps, pop3, pop3s, lmtp, sieve, machine, _daemon: daemon };
        if wait_until(super::DEADLINE, || all.iter().all(|address| is_listening(*address)).then_some(())).is_none() {
            let log = it.log();
            it._daemon.stop();
            panic!("Cyrus does not listen on {all:?}; it said:\n{log}");
        }
        it
    }

    pub fn log(&self) -> String {
        self.machine.log()
    }
}

fn configuration() -> String {
    format!(
        "configdirectory: /var/lib/cyrus
proc_path: /run/cyrus/proc
mboxname_lockpath: /run/cyrus/lock
idlesocket: /run/cyrus/socket/idle
notifysocket: /run/cyrus/socket/notify
defaultpartition: default
partition-default: /var/spool/cyrus
sievedir: /var/spool/sieve
servername: {DOMAIN}
unixhierarchysep: yes
altnamespace: yes
lmtp_downcase_rcpt: yes
duplicatesuppression: no
autocreate_quota: 1000000
autocreate_post: yes
autocreate_inbox_folders: Drafts | Sent | Trash
xlist-drafts: Drafts
xlist-sent: Sent
xlist-trash: Trash
allowplaintext: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: /etc/sasldb2
sasl_mech_list: PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256
tls_server_cert: /etc/cert.pem
tls_server_key: /etc/key.pem
"
    )
}

fn services([imap, imaps, pop3, pop3s, lmtp, sieve]: [SocketAddr; 6]) -> String {
    format!(
        "START {{
  recover cmd=\"ctl_cyrusdb -r\"
}}
SERVICES {{
  imap cmd=\"imapd\" listen=\"{imap}\" prefork=0
  imaps cmd=\"imapd -s\" listen=\"{imaps}\" prefork=0
  pop3 cmd=\"pop3d\" listen=\"{pop3}\" prefork=0
  pop3s cmd=\"pop3d -s\" listen=\"{pop3s}\" prefork=0
  lmtp cmd=\"lmtpd -a\" listen=\"{lmtp}\" prefork=0
  sieve cmd=\"timsieved\" listen=\"{sieve}\" prefork=0
}}
EVENTS {{
}}
"
    )
}
