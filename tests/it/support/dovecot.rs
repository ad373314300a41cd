//! A real Dovecot: IMAP, POP3, LMTP and submission on free loopback ports.
//! Takes certificates and the address it relays submissions to; gives addresses and the mail folders on disk.
//! Does not know Postfix, nor the program under test.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use super::{certs::Chain, free_address, is_listening, open_folder, process::Daemon, program, wait_until};

/// The password of every user. It looks like nothing else that passes, so that tests can search for it.
pub const PASSWORD: &str = "Canary-Zk9xQ-Password";

/// The key with which the test's bearer tokens are signed (HS256).
pub const TOKEN_KEY: &str = "mailtap-test-token-key";

/// The domain that the servers feel responsible for.
pub const DOMAIN: &str = "mail.test";

/// A running Dovecot. Every user exists, has [`PASSWORD`] and starts with an empty mailbox.
pub struct Dovecot {
    pub imap: SocketAddr,
    pub imaps: SocketAddr,
    pub pop3: SocketAddr,
    pub pop3s: SocketAddr,
    pub lmtp: SocketAddr,
    pub submission: SocketAddr,
    pub submissions: SocketAddr,
    /// Where Postfix asks whether a user's password is right.
    pub auth_socket: PathBuf,
    folder: PathBuf,
    _daemon: Daemon,
}

/// What may differ between one Dovecot and the next.
#[derive(Clone, Debug)]
pub struct Options {
    pub chain: Chain,
    /// Where the submission service hands messages on to.
    pub relay: SocketAddr,
    /// The lowest TLS version, in Dovecot's spelling (`TLSv1.2`, `TLSv1.3`).
    pub tls_min: &'static str,
    /// Lines put at the end of the configuration.
    pub extra: String,
}

impl Options {
    pub fn new(chain: Chain) -> Self {
        Self { chain, relay: SocketAddr::from(([127, 0, 0, 1], 9)), tls_min: "TLSv1.2", extra: String::new() }
    }
}

impl Dovecot {
    #[track_caller]
    pub fn start(options: &Options) -> Self {
        let dovecot = program("dovecot", "dovecot-core");
        for (service, package) in [
            ("imap", "dovecot-imapd"),
            ("pop3", "dovecot-pop3d"),
            ("lmtp", "dovecot-lmtpd"),
            ("submission", "dovecot-submissiond"),
        ] {
            let path = Path::new("/usr/lib/dovecot").join(service);
            assert!(path.exists(), "{} is missing: package `{package}`; tests/setup.sh installs it", path.display());
        }
        let folder = open_folder("mt-dovecot-").keep();
        let [imap, imaps, pop3, pop3s, lmtp, submission, submissions] = std::array::from_fn(|_| free_address());
        let mut it = Self {
            imap,
            imaps,
            pop3,
            pop3s,
            lmtp,
            submission,
            submissions,
            auth_socket: folder.join("auth-postfix"),
            folder: folder.clone(),
            _daemon: {
                write_keys(&folder);
                fs::write(folder.join("cert.pem"), &options.chain.certificates).expect("the certificate");
                fs::write(folder.join("key.pem"), &options.chain.key).expect("the key");
                let ports = [imap, imaps, pop3, pop3s, lmtp, submission, submissions].map(|address| address.port());
                let configuration = folder.join("dovecot.conf");
                fs::write(&configuration, configuration_text(&folder, ports, options)).expect("dovecot.conf");
                let mut command = Command::new(dovecot);
                command.arg("-F").arg("-c").arg(&configuration);
                Daemon::start(&command, &folder.join("output"), Some(&folder))
            },
        };
        let all = [imap, imaps, pop3, pop3s, lmtp, submission, submissions];
        if wait_until(super::DEADLINE, || all.iter().all(|address| is_listening(*address)).then_some(())).is_none() {
            let log = it.log();
            it._daemon.stop();
            panic!("Dovecot does not listen on {all:?}; it said:\n{log}");
        }
        it
    }

    /// What Dovecot wrote to its log and to its standard streams.
    pub fn log(&self) -> String {
        ["output", "log"].map(|name| fs::read_to_string(self.folder.join(name)).unwrap_or_default()).join("")
    }

    /// Puts a file into the server's folder, which goes when the server goes.
    pub fn keep_file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// The user's mail folder (Maildir).
    pub fn maildir(&self, user: &str) -> PathBuf {
        self.folder.join("mail").join(user).join("Maildir")
    }

    /// The messages in the user's INBOX as they lie on disk, oldest first.
    pub fn messages(&self, user: &str) -> Vec<Vec<u8>> {
        messages_in(&self.maildir(user))
    }
}

/// The messages of one Maildir folder, in the order of their names, which begin with the time of delivery.
pub fn messages_in(maildir: &Path) -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> = ["new", "cur"]
        .iter()
        .filter_map(|part| fs::read_dir(maildir.join(part)).ok())
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    files.sort_by_key(|path| path.file_name().map(ToOwned::to_owned));
    files.iter().filter_map(|path| fs::read(path).ok()).collect()
}

/// The key of the bearer tokens where Dovecot's local validation looks for it: azp/alg/kid, all default.
fn write_keys(folder: &Path) {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let keys = folder.join("keys/default/HS256");
    fs::create_dir_all(&keys).expect("the folder for token keys");
    fs::write(keys.join("default"), STANDARD.encode(TOKEN_KEY)).expect("the token key");
    let validation = format!(
        "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={}/keys/\nusername_attribute = sub\n",
        folder.display()
    );
    fs::write(folder.join("oauth2.conf"), validation).expect("oauth2.conf");
    let mail = folder.join("mail");
    fs::create_dir(&mail).expect("the folder for mail");
    // Mail belongs to nobody (65534), whatever the test runs as.
    std::os::unix::fs::chown(&mail, Some(65_534), Some(65_534)).expect("the owner of the mail (tests run as root)");
}

fn configuration_text(folder: &Path, ports: [u16; 7], options: &Options) -> String {
    let [imap, imaps, pop3, pop3s, lmtp, submission, submissions] = ports;
    let folder = folder.display();
    let (relay_host, relay_port) = (options.relay.ip(), options.relay.port());
    let tls_min = options.tls_min;
    let extra = &options.extra;
    format!(
        "base_dir = {folder}/run
state_dir = {folder}/state
instance_name = mt{imap}
log_path = {folder}/log
auth_verbose = yes
protocols = imap pop3 lmtp submission
listen = 127.0.0.1
hostname = {DOMAIN}
default_internal_user = dovecot
default_login_user = dovenull
first_valid_uid = 1
# Tests come all at once and fail to log in on purpose.
auth_failure_delay = 0
mail_max_userip_connections = 1000
default_client_limit = 3000
default_process_limit = 400
mail_fsync = never

ssl = yes
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
ssl_min_protocol = {tls_min}
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256 apop xoauth2 oauthbearer external
# A user's mail is the same with and without the domain, which LMTP adds.
auth_username_format = %Ln
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}}
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={folder}/mail/%n allow_all_users=yes
}}
mail_location = maildir:~/Maildir
mail_plugins = zlib
namespace inbox {{
  inbox = yes
}}
protocol imap {{
  mail_plugins = zlib imap_zlib
}}
lmtp_rcpt_check_quota = no
submission_relay_host = {relay_host}
submission_relay_port = {relay_port}
submission_relay_trusted = yes

service auth {{
  unix_listener {folder}/auth-postfix {{
    mode = 0666
  }}
}}
service anvil {{
  # No growing delay after failed logins.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
  service_count = 0
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
  service_count = 0
}}
service submission-login {{
  inet_listener submission {{
    port = {submission}
  }}
  inet_listener submissions {{
    port = {submissions}
    ssl = yes
  }}
  service_count = 0
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
{extra}
"
    )
}
