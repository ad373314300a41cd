//! A real Exim: SMTP with STARTTLS and with TLS from the first byte, on free loopback ports.
//! Takes a certificate and where mail goes; gives addresses and the log.
//! Does not know the program under test.

use std::{net::SocketAddr, sync::Arc};

use super::{
    certs::Chain,
    dovecot::{DOMAIN, PASSWORD},
    free_address, is_listening,
    machine::Machine,
    process::Daemon,
    wait_until,
};

/// A running Exim that takes mail for [`DOMAIN`] alone, whoever logs in with [`PASSWORD`] or does not.
pub struct Exim {
    pub smtp: SocketAddr,
    /// TLS from the first byte.
    pub submissions: SocketAddr,
    machine: Arc<Machine>,
    _daemon: Daemon,
}

/// Where mail for [`DOMAIN`] goes.
pub enum Delivery {
    /// To a server, by LMTP.
    Lmtp(SocketAddr),
    /// Into the Maildirs of these users, whose homes are on the machine that Exim runs on beside another server.
    Homes(Arc<Machine>, Vec<String>),
}

impl Exim {
    #[track_caller]
    pub fn start(chain: &Chain, delivery: Delivery) -> Self {
        let (machine, alone) = match &delivery {
            Delivery::Lmtp(_) => (Arc::new(Machine::new("mt-exim-")), true),
            Delivery::Homes(machine, _) => (Arc::clone(machine), false),
        };
        let [smtp, submissions] = std::array::from_fn(|_| free_address());
        machine.certify(chain);
        for folder in ["var/spool/exim4", "var/log/exim4"] {
            machine.make(folder, 0o750, Machine::account("Debian-exim"));
        }
        machine.make("etc/exim4", 0o755, (0, 0));
        if let Delivery::Homes(_, users) = &delivery {
            machine.write("etc/users", &users.iter().map(|user| format!("{user}: {user}\n")).collect::<String>());
        }
        // Where Debian's Exim looks: from any other place it would read it without its rights.
        machine.write("etc/exim4/exim4.conf", &configuration(smtp, submissions, &delivery));
        // In the foreground; it looks at its queue often, so that a message whose first delivery failed is not late.
        let mut command = machine.command(&[], "/usr/sbin/exim4");
        command.args(["-bdf", "-q5s"]);
        let daemon = machine.start("exim", &command, alone);
        let mut it = Self { smtp, submissions, machine, _daemon: daemon };
        let all = [smtp, submissions];
        if wait_until(super::DEADLINE, || all.iter().all(|address| is_listening(*address)).then_some(())).is_none() {
            let log = it.log();
            it._daemon.stop();
            panic!("Exim does not listen on {all:?}; it said:\n{log}");
        }
        it
    }

    pub fn log(&self) -> String {
        self.machine.log() + &self.main_log()
    }

    fn main_log(&self) -> String {
        std::fs::read_to_string(self.machine.path("var/log/exim4/mainlog")).unwrap_or_default()
    }

    /// How many messages for a user have been delivered until now.
    pub fn delivered(&self, user: &str) -> usize {
        let log = self.main_log();
        let to = |address: &str| address.strip_prefix(user).is_some_and(|rest| rest.starts_with(['@', ' ']));
        let arrows = ["=> ", "-> "].into_iter();
        arrows
            .flat_map(|arrow| log.split(&format!(" {arrow}")).skip(1).filter(|rest| to(rest)).collect::<Vec<_>>())
            .count()
    }
}

fn configuration(smtp: SocketAddr, submissions: SocketAddr, delivery: &Delivery) -> String {
    let (plain, encrypted, host) = (smtp.port(), submissions.port(), smtp.ip());
    let (router, transport) = match delivery {
        Delivery::Lmtp(address) => (
            format!("manualroute\n  route_list = * {}\n  self = send", address.ip()),
            format!(
                "smtp\n  protocol = lmtp\n  port = {}\n  hosts_try_fastopen =\n  hosts_avoid_tls = *\n  allow_localhost",
                address.port()
            ),
        ),
        Delivery::Homes(..) => (
            "accept\n  local_parts = lsearch;/etc/users".to_owned(),
            "appendfile\n  directory = /var/home/$local_part_data/Maildir\n  maildir_format\n  user = mail\n  group = mail"
                .to_owned(),
        ),
    };
    format!(
        "primary_hostname = {DOMAIN}
spool_directory = /var/spool/exim4
log_file_path = /var/log/exim4/%slog
keep_environment =
local_interfaces = <; {host}.{plain} ; {host}.{encrypted}
daemon_smtp_ports = {plain} : {encrypted}
tls_on_connect_ports = {encrypted}
# Nothing is looked up.
host_lookup =
dns_again_means_nonexist = *
rfc1413_query_timeout = 0s
smtp_accept_max = 500
queue_run_max = 5
# Everything that it can do is offered.
tls_advertise_hosts = *
tls_certificate = /etc/cert.pem
tls_privatekey = /etc/key.pem
chunking_advertise_hosts = *
dsn_advertise_hosts = *
prdr_enable = true
smtputf8_advertise_hosts = *
pipelining_connect_advertise_hosts = *
acl_smtp_rcpt = recipient
acl_smtp_data = accept
acl_smtp_data_prdr = prdr
acl_smtp_vrfy = accept
acl_smtp_expn = accept
acl_smtp_etrn = accept

begin acl
recipient:
  deny local_parts = nobody
    message = no such person here
  accept domains = {DOMAIN}
  deny message = relay not permitted
prdr:
  deny local_parts = never
    message = not this one
  accept

begin routers
all:
  driver = {router}
  domains = {DOMAIN}
  transport = out

begin transports
out:
  driver = {transport}

begin retry
* * F,1h,1s

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if eq{{$auth3}}{{{PASSWORD}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if eq{{$auth2}}{{{PASSWORD}}}}}
  server_set_id = $auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = {PASSWORD}
  server_set_id = $auth1
ntlm:
  driver = spa
  public_name = NTLM
  server_password = {PASSWORD}
  server_set_id = $auth1
"
    )
}
