//! A real Postfix: SMTP, submission and submissions on free loopback ports.
//! Takes a Dovecot for passwords and delivery, and certificates; gives addresses and the log.
//! Does not know the program under test; changes nothing outside its own folder.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    certs::Chain,
    dovecot::DOMAIN,
    free_address, is_listening, open_folder,
    process::{Daemon, Ran},
    program, wait_until,
};

/// A running Postfix that delivers everything for [`DOMAIN`] by LMTP and knows passwords from Dovecot.
pub struct Postfix {
    /// Port 25's rules: no password asked for mail to [`DOMAIN`].
    pub smtp: SocketAddr,
    /// Port 587's rules: a password is asked for.
    pub submission: SocketAddr,
    /// Port 465's rules: the same, TLS from the first byte.
    pub submissions: SocketAddr,
    folder: PathBuf,
    _daemon: Daemon,
}

/// What Postfix needs from others.
#[derive(Clone, Debug)]
pub struct Options {
    pub chain: Chain,
    pub auth_socket: PathBuf,
    pub lmtp: SocketAddr,
    /// Where Postfix listens for SMTP: settled before it starts, because Dovecot needs it too.
    pub smtp: SocketAddr,
    /// Lines put at the end of `main.cf`.
    pub extra: String,
}

impl Postfix {
    #[track_caller]
    pub fn start(options: &Options) -> Self {
        let master = program("master", "postfix");
        let folder = open_folder("mt-postfix-").keep();
        make_queue(&folder);
        fs::write(folder.join("cert.pem"), &options.chain.certificates).expect("the certificate");
        fs::write(folder.join("key.pem"), &options.chain.key).expect("the key");
        let (smtp, submission, submissions) = (options.smtp, free_address(), free_address());
        let etc = folder.join("etc");
        fs::create_dir(&etc).expect("the configuration folder");
        fs::write(etc.join("main.cf"), main_text(&folder, options)).expect("main.cf");
        fs::write(etc.join("master.cf"), master_text([smtp, submission, submissions])).expect("master.cf");
        fs::copy("/etc/postfix/dynamicmaps.cf", etc.join("dynamicmaps.cf")).ok();

        let mut command = Command::new(master);
        // -d: stay in the foreground. The shell above it makes the process group that `master` signals at its end.
        command.arg("-c").arg(&etc).arg("-d").env("MAIL_CONFIG", &etc);
        let daemon = Daemon::start(&command, &folder.join("output"), Some(&folder));
        let mut it = Self { smtp, submission, submissions, folder, _daemon: daemon };
        let all = [smtp, submission, submissions];
        if wait_until(super::DEADLINE, || all.iter().all(|address| is_listening(*address)).then_some(())).is_none() {
            let log = it.log();
            it._daemon.stop();
            panic!("Postfix does not listen on {all:?}; it said:\n{log}");
        }
        it
    }

    pub fn log(&self) -> String {
        ["output", "log"].map(|name| fs::read_to_string(self.folder.join(name)).unwrap_or_default()).join("")
    }
}

/// The folders of a queue, with the owners and modes that Postfix insists on.
fn make_queue(folder: &Path) {
    let (postfix, postdrop) = (id("-u", "postfix"), group("postdrop"));
    let queue = folder.join("queue");
    fs::create_dir(&queue).expect("the queue");
    for name in
        ["active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace"]
    {
        make(&queue.join(name), 0o700, postfix, None);
    }
    make(&queue.join("maildrop"), 0o730, postfix, Some(postdrop));
    make(&queue.join("public"), 0o710, postfix, Some(postdrop));
    make(&queue.join("pid"), 0o755, 0, None);
    make(&folder.join("data"), 0o700, postfix, None);
}

fn make(path: &Path, mode: u32, owner: u32, group: Option<u32>) {
    fs::create_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the mode of a queue folder");
    chown(path, Some(owner), group).expect("the owner of a queue folder (the tests run as root)");
}

fn id(what: &str, user: &str) -> u32 {
    let ran = Ran::new(Command::new("id").args([what, user])).expect_ok();
    ran.text().trim().parse().expect("a user's number")
}

fn group(name: &str) -> u32 {
    let ran = Ran::new(Command::new("getent").args(["group", name])).expect_ok();
    ran.text().split(':').nth(2).and_then(|field| field.parse().ok()).expect("a group's number")
}

fn main_text(folder: &Path, options: &Options) -> String {
    let folder = folder.display();
    let Options { lmtp, extra, .. } = options;
    let auth = options.auth_socket.display();
    format!(
        "compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = {DOMAIN}
mydestination =
mynetworks = 127.0.0.0/8
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
# Nothing is looked up, and nothing leaves the machine.
disable_dns_lookups = yes
smtp_host_lookup = native
smtpd_peername_lookup = no
default_transport = error:this server delivers to {DOMAIN} alone
virtual_mailbox_domains = {DOMAIN}
virtual_mailbox_maps = static:everybody
virtual_transport = lmtp:inet:{lmtp}
# Tests come in bursts and make mistakes on purpose.
in_flow_delay = 0
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
smtpd_hard_error_limit = 100
message_size_limit = 200000000
mailbox_size_limit = 0
smtpd_tls_security_level = may
smtpd_tls_chain_files = {folder}/key.pem, {folder}/cert.pem
smtpd_sasl_type = dovecot
smtpd_sasl_path = {auth}
smtpd_sasl_auth_enable = yes
smtpd_sasl_security_options = noanonymous
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
{extra}
"
    )
}

fn master_text([smtp, submission, submissions]: [SocketAddr; 3]) -> String {
    let services = "cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";
    format!(
        "{smtp} inet n - n - - smtpd
{submission} inet n - n - - smtpd
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
{submissions} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
{services}"
    )
}
