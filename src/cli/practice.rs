//! `mailtap practice`: the practice server alone, for tests of other programs.
//! Takes arguments, runs until it is told to end.
//! Does not know how the server works.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::own_ca::OwnCa;
use super::serving::{self, Signals};
use super::{Failure, Globals};
use crate::event::Object;
use crate::practice::{Account, Addresses, Config, Limits, Ports, Running, Server};
use crate::tls;
use crate::tls::authority::Authority;

/// The name that the practice server gives itself, and the domain of its addresses (RFC 2606 §2 keeps it free).
pub const DOMAIN: &str = "mailtap.example";

const USUAL_PORTS: Ports = Ports {
    imap: Some(1143),
    imaps: Some(1993),
    pop3: Some(1110),
    pop3s: Some(1995),
    smtp: Some(1025),
    submission: Some(1587),
    submissions: Some(1465),
};

/// Run the practice mail server alone: SMTP, IMAP and POP3, in memory, for this machine only
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    mailboxes: Mailboxes,
    /// Take free ports instead of 1025, 1587, 1465, 1110, 1995, 1143 and 1993
    #[arg(long)]
    free_ports: bool,
    #[command(flatten)]
    own_ca: OwnCa,
    /// Print `listening` and `account` lines as JSON
    #[arg(long)]
    json: bool,
    /// How many seconds clients in the middle of something may go on after SIGINT or SIGTERM (those at rest are told at
    /// once that the server stops); a second signal ends all at once
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    grace: u64,
}

/// Who has mail on the practice server, and where it is kept.
#[derive(clap::Args, Debug)]
pub struct Mailboxes {
    /// Keep mail in a Maildir for each account below this folder [default: in memory]
    #[arg(long, value_name = "DIR")]
    mail: Option<PathBuf>,
    /// A further account (repeatable)
    #[arg(long = "user", value_name = "NAME:PASSWORD", value_parser = account)]
    users: Vec<Account>,
}

impl Mailboxes {
    /// The account that is always there, and those that were asked for.
    #[must_use]
    pub fn accounts(&self) -> Vec<Account> {
        let mut accounts = vec![first_account()];
        accounts.extend(self.users.iter().cloned());
        accounts
    }

    /// What the server is to be, with the first account that is always there.
    ///
    /// # Errors
    /// When no certificate can be made for it.
    pub fn config(&self, authority: &Authority, ports: Ports) -> Result<Config, Failure> {
        Ok(Config {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports,
            next_free: true,
            accounts: self.accounts(),
            mail: self.mail.clone(),
            tls: Some(server_tls(authority)?),
            limits: Limits::default(),
            hostname: DOMAIN.to_owned(),
        })
    }
}

/// # Errors
/// A port, a folder or an account that cannot be used.
pub fn run(args: &Args, globals: &Globals) -> Result<(), Failure> {
    let authority = args.own_ca.open(&globals.dir).map_err(Failure::usage)?;
    let ports = ports(args.free_ports);
    let config = args.mailboxes.config(&authority, ports)?;
    let accounts = args.mailboxes.accounts();
    serving::block_on(async {
        let mut signals = Signals::catch()?;
        let running = start(config).await?;
        let at = running.addresses;
        for ((service, address), wanted) in named(&at).zip(wanted(&ports)) {
            tell_moved(service, wanted, address);
            serving::tell_listening(address, &format!("{service}://{address}"), args.json)?;
        }
        tell_accounts(&accounts, &at, authority.cert_path(), args.json, globals)?;
        signals.wait().await;
        eprintln!("mailtap: stopping; what is under way may go on for {} s", args.grace);
        running.stop(Duration::from_secs(args.grace), signals.wait_for_second()).await;
        Ok(())
    })
}

/// # Errors
/// A port, a folder or an account that cannot be used.
pub async fn start(config: Config) -> Result<Running, Failure> {
    Server::start(config).await.map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => "; take others with --free-ports",
            _ => "",
        };
        Failure::usage(format!("the practice server cannot start: {error}{advice}"))
    })
}

/// Says to people that a service is not where it was wanted.
pub fn tell_moved(service: &str, wanted: u16, at: SocketAddr) {
    if wanted != 0 && at.port() != wanted {
        eprintln!("mailtap: port {wanted} is in use; {service} is at {}", at.port());
    }
}

/// The account that is always there.
#[must_use]
pub fn first_account() -> Account {
    // A password that stands in no text of the server, which would be masked with it.
    Account { user: "demo".to_owned(), password: "opensesame".to_owned(), address: format!("demo@{DOMAIN}") }
}

/// Says how to set up a mail program: to people on standard output, or as a line of JSON.
///
/// # Errors
/// Standard output cannot be written.
pub fn tell_accounts(
    accounts: &[Account],
    at: &Addresses,
    ca: &Path,
    json: bool,
    globals: &Globals,
) -> Result<(), Failure> {
    if json {
        return accounts.iter().try_for_each(|account| {
            let mut line = Object::new();
            line.text("kind", "account").text("user", &account.user).text("password", &account.password);
            line.text("address", &account.address).text("ca", &ca.display().to_string());
            for (service, address) in named(at) {
                line.text(service, &address.to_string());
            }
            serving::print_object(&line)
        });
    }
    serving::print(&format!(
        "\n  Settings for a mail program on this machine\n{}\n",
        settings(accounts, at, ca, globals)
    ))
}

/// What to type into a mail program, a line each.
pub fn settings(accounts: &[Account], at: &Addresses, ca: &Path, globals: &Globals) -> String {
    let Some((account, others)) = accounts.split_first() else { return String::new() };
    let others: String = others
        .iter()
        .map(|other| {
            format!("\n    also               {}, <{}>, with the password you gave", other.user, other.address)
        })
        .collect();
    let of = |address: Option<SocketAddr>| address.map(|address| address.port().to_string()).unwrap_or_default();
    format!(
        "\n    name and address   Demo <{address}>\
         \n    user, password     {user}, {password}{others}\
         \n    server             127.0.0.1 (or localhost)\
         \n    IMAP               {imap} (none or STARTTLS), {imaps} (TLS)\
         \n    POP3               {pop3} (none or STLS), {pop3s} (TLS)\
         \n    SMTP               {submission} (none or STARTTLS), {submissions} (TLS), {smtp} (no login)\
         \n    the CA to trust    {ca}\
         \n    how, by program    {command} ca trust\n",
        command = globals.command,
        address = account.address,
        user = account.user,
        password = account.password,
        imap = of(at.imap),
        imaps = of(at.imaps),
        pop3 = of(at.pop3),
        pop3s = of(at.pop3s),
        smtp = of(at.smtp),
        submission = of(at.submission),
        submissions = of(at.submissions),
        ca = ca.display(),
    )
}

/// Each service that listens, by the name that the account line gives it.
pub fn named(at: &Addresses) -> impl Iterator<Item = (&'static str, SocketAddr)> {
    let all = [
        ("imap", at.imap),
        ("imaps", at.imaps),
        ("pop3", at.pop3),
        ("pop3s", at.pop3s),
        ("smtp", at.smtp),
        ("submission", at.submission),
        ("submissions", at.submissions),
    ];
    all.into_iter().filter_map(|(service, address)| Some((service, address?)))
}

/// Where programs are told to look for the services, or anywhere.
#[must_use]
pub fn ports(free: bool) -> Ports {
    if free { Ports::default() } else { USUAL_PORTS }
}

/// The wanted ports, in the order of [`named`].
pub fn wanted(ports: &Ports) -> impl Iterator<Item = u16> {
    let Ports { imap, imaps, pop3, pop3s, smtp, submission, submissions } = *ports;
    [imap, imaps, pop3, pop3s, smtp, submission, submissions].into_iter().flatten()
}

/// The server's own TLS: a leaf of the CA for this machine's names.
fn server_tls(authority: &Authority) -> Result<Arc<rustls::ServerConfig>, Failure> {
    let leaf = authority.leaf_for("localhost", IpAddr::V4(Ipv4Addr::LOCALHOST)).map_err(Failure::work)?;
    let server = tls::server::Server::new(None).map_err(Failure::work)?;
    server.config(&leaf, None).map_err(Failure::work)
}

fn account(text: &str) -> Result<Account, String> {
    let wrong = || "write NAME:PASSWORD, e.g. anna:secret".to_owned();
    let (user, password) = text.split_once(':').ok_or_else(wrong)?;
    if user.is_empty() || password.is_empty() {
        return Err(wrong());
    }
    let address = if user.contains('@') { user.to_owned() } else { format!("{user}@{DOMAIN}") };
    Ok(Account { user: user.to_owned(), password: password.to_owned(), address })
}
