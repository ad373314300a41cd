//! `mailtap practice`: the practice server alone, for tests of other programs.
//! Takes arguments, runs until it is told to end.
//! Does not know how the server works.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::serving::{self, Signals};
use super::{Failure, Globals};
use crate::event::Object;
use crate::practice::{Account, Addresses, Config, Limits, Ports, Running, Server};
use crate::tls;
use crate::tls::authority::Authority;

/// The name that the practice server gives itself, and the domain of its addresses (RFC 2606 §2 keeps it free).
pub const DOMAIN: &str = "mailtap.example";

/// How many ports above a wanted one are tried when it is taken.
pub const NEXT_PORTS: u16 = 100;

/// Run the practice mail server alone: SMTP, IMAP and POP3, in memory, for this machine only
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    mailboxes: Mailboxes,
    /// Take free ports instead of 1025, 1587, 1465, 1110, 1995, 1143 and 1993
    #[arg(long)]
    free_ports: bool,
    /// Print `listening` and `account` lines as JSON
    #[arg(long)]
    json: bool,
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
    let authority = Authority::open(&globals.dir.join("certs")).map_err(Failure::usage)?;
    let ports = if args.free_ports { Ports::default() } else { usual_ports()? };
    let config = args.mailboxes.config(&authority, ports)?;
    let accounts = args.mailboxes.accounts();
    serving::runtime()?.block_on(async {
        let mut signals = Signals::catch()?;
        let running = start(config).await?;
        let at = running.addresses;
        for (service, address) in named(&at) {
            serving::tell_listening(address, &format!("{service}://{address}"), args.json)?;
        }
        tell_accounts(&accounts, &at, authority.cert_path(), args.json, globals)?;
        signals.wait().await;
        running.stop().await;
        Ok(())
    })
}

/// # Errors
/// A port, a folder or an account that cannot be used.
pub async fn start(config: Config) -> Result<Running, Failure> {
    Server::start(config).await.map_err(|error| {
        Failure::usage(format!("the practice server cannot start: {error}; look at --mail and --user"))
    })
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

fn usual_ports() -> Result<Ports, Failure> {
    Ok(Ports {
        smtp: Some(free_from(1025)?),
        submission: Some(free_from(1587)?),
        submissions: Some(free_from(1465)?),
        pop3: Some(free_from(1110)?),
        pop3s: Some(free_from(1995)?),
        imap: Some(free_from(1143)?),
        imaps: Some(free_from(1993)?),
    })
}

/// The wanted port, or the next one that nobody listens at.
fn free_from(wanted: u16) -> Result<u16, Failure> {
    let free = (wanted..wanted + NEXT_PORTS).find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    let Some(port) = free else {
        let until = wanted + NEXT_PORTS;
        return Err(Failure::usage(format!(
            "the ports {wanted} to {until} are all in use; take others with --free-ports"
        )));
    };
    if port != wanted {
        eprintln!("mailtap: port {wanted} is in use; taking {port}");
    }
    Ok(port)
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
