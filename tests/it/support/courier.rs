//! A real Courier: IMAP and POP3 with STARTTLS and with TLS from the first byte, on free loopback ports.
//! Takes a certificate and the names of users; gives addresses and the log.
//! Does not know the program under test.

use std::{net::SocketAddr, sync::Arc};

use super::{
    certs::Chain,
    dovecot::PASSWORD,
    free_address, is_listening,
    machine::{MAIL, Machine},
    process::{Daemon, Ran},
    wait_until,
};

/// What Debian's configuration lists, and the logins that it would list with them switched on.
const CAPABILITIES: &str = "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA \
                            AUTH=CRAM-MD5 AUTH=CRAM-SHA1 AUTH=CRAM-SHA256 AUTH=PLAIN IDLE";
const LOGINS: &str = "PLAIN LOGIN CRAM-MD5 CRAM-SHA1 CRAM-SHA256";
const LIBRARY: &str = "/usr/lib/courier/courier";

/// A running Courier whose users have [`PASSWORD`].
pub struct Courier {
    pub imap: SocketAddr,
    pub imaps: SocketAddr,
    pub pop3: SocketAddr,
    pub pop3s: SocketAddr,
    /// Where others may run beside it.
    pub machine: Arc<Machine>,
    _daemons: Vec<Daemon>,
}

impl Courier {
    #[track_caller]
    pub fn start(chain: &Chain, users: &[String]) -> Self {
        let machine = Machine::new("mt-courier-");
        machine.certify(chain);
        machine.make("etc/courier", 0o755, (0, 0));
        machine.make("run/courier/authdaemon", 0o755, Machine::account("courier"));
        for user in users {
            machine.make(&format!("var/home/{user}"), 0o700, MAIL);
            for folder in ["Maildir", "Maildir/.Drafts"] {
                for part in ["", "/cur", "/new", "/tmp"] {
                    machine.make(&format!("var/home/{user}/{folder}{part}"), 0o700, MAIL);
                }
            }
        }
        machine.write(
            "etc/courier/authdaemonrc",
            "authmodulelist=\"authuserdb\"\ndaemons=5\nauthdaemonvar=/run/courier/authdaemon\n",
        );
        write_users(&machine, users);
        let [imap, imaps, pop3, pop3s] = std::array::from_fn(|_| free_address());
        let mut daemons =
            vec![machine.start("auth", &machine.command(&[], "/usr/lib/courier/courier-authlib/authdaemond"), true)];
        // Tells sessions that a folder has changed. It is found by a name that all machines share, so it has one of its own.
        let watcher = format!("mailtap-{}", imap.port());
        let mut command = machine.command_as("mail", &[], "/usr/libexec/gam_server");
        command.args(["--notimeout", &watcher]);
        daemons.push(machine.start("gamin", &command, false));
        for (address, implicit, program, then) in [
            (imap, false, "imaplogin", "/usr/bin/imapd"),
            (imaps, true, "imaplogin", "/usr/bin/imapd"),
            (pop3, false, "courierpop3login", "/usr/lib/courier/courier/courierpop3d"),
            (pop3s, true, "courierpop3login", "/usr/lib/courier/courier/courierpop3d"),
        ] {
            daemons.push(listen(&machine, address, implicit, program, then, &watcher));
        }
        let it = Self { imap, imaps, pop3, pop3s, machine: Arc::new(machine), _daemons: daemons };
        let socket = it.machine.path("run/courier/authdaemon/socket");
        let all = [imap, imaps, pop3, pop3s];
        let up = || (socket.exists() && all.iter().all(|address| is_listening(*address))).then_some(());
        if wait_until(super::DEADLINE, up).is_none() {
            panic!("Courier does not listen on {all:?}; it said:\n{}", it.log());
        }
        it
    }

    pub fn log(&self) -> String {
        self.machine.log()
    }
}

/// The two databases of users: what everybody may know, and the passwords.
fn write_users(machine: &Machine, users: &[String]) {
    let encrypted = |how: &[&str]| {
        let mut command = machine.command(&[], "/usr/sbin/userdbpw");
        command.args(how);
        Ran::with_input(&command, format!("{PASSWORD}\n").as_bytes()).expect_ok().text().trim().to_owned()
    };
    let secret = ["md5", "sha1", "sha256"].map(|hash| (hash, encrypted(&[&format!("-hmac-{hash}")])));
    let hmac: String = secret.iter().map(|(hash, value)| format!("|hmac-{hash}pw={value}")).collect();
    let crypt = encrypted(&["-md5"]);
    let (user, group) = MAIL;
    let known = users
        .iter()
        .map(|name| format!("{name}\tuid={user}|gid={group}|home=/var/home/{name}|mail=/var/home/{name}/Maildir|_=\n"));
    let hidden = users.iter().map(|name| format!("{name}\tsystempw={crypt}{hmac}\n"));
    for (name, lines) in [("userdb", known.collect::<String>()), ("userdbshadow", hidden.collect())] {
        let mut command = machine.command(&[], "/usr/lib/courier/courier-authlib/makedatprog");
        command.args(["-", &format!("/etc/courier/{name}.tmp"), &format!("/etc/courier/{name}.dat")]);
        Ran::with_input(&command, format!("{lines}.\n").as_bytes()).expect_ok();
    }
}

#[track_caller]
fn listen(machine: &Machine, address: SocketAddr, implicit: bool, login: &str, then: &str, watcher: &str) -> Daemon {
    let tls = if implicit { ("IMAP_TLS", "1") } else { ("IMAP_STARTTLS", "YES") };
    let pop3_tls = if implicit { ("POP3_TLS", "1") } else { ("POP3_STARTTLS", "YES") };
    let variables = [
        tls,
        pop3_tls,
        ("IMAP_CAPABILITY", CAPABILITIES),
        ("IMAP_CAPABILITY_TLS", CAPABILITIES),
        ("IMAP_KEYWORDS", "1"),
        ("IMAP_ACL", "1"),
        ("IMAP_IDLE_TIMEOUT", "60"),
        ("IMAP_USELOCKS", "1"),
        ("IMAP_ENHANCEDIDLE", "1"),
        ("GAM_CLIENT_ID", watcher),
        ("IMAP_TRASHFOLDERNAME", "Trash"),
        ("IMAP_UMASK", "022"),
        ("POP3AUTH", LOGINS),
        ("POP3AUTH_TLS", LOGINS),
        ("COURIERTLS", "/usr/bin/couriertls"),
        ("TLS_CERTFILE", "/etc/both.pem"),
        ("TLS_VERIFYPEER", "NONE"),
    ];
    let mut command = machine.command(&variables, "/usr/sbin/couriertcpd");
    command.args([&format!("-address={}", address.ip()), "-maxprocs=200", "-maxperip=200"]);
    command.args(["-nodnslookup", "-noidentlookup", &address.port().to_string()]);
    if implicit {
        command.args(["/usr/bin/couriertls", "-server", "-tcpd", "-user=courier"]);
    }
    command.args([&format!("{LIBRARY}/{login}"), then, "Maildir"]);
    machine.start(&format!("{login}-{}", address.port()), &command, false)
}
