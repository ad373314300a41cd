//! The SMTP server: RFC 5321 with its usual extensions, for mail that arrives and mail that users submit.
//! Takes commands from a [`Wire`]; gives replies, and mail to the mailboxes of local accounts.
//! It does not know the way to any other server: mail to elsewhere is refused.

mod auth;
mod command;
mod deliver;
mod transfer;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::limits::{BAD_COMMANDS, LOGINS, RECIPIENTS, SMTP_LINE};
use super::sasl::MECHANISMS;
use super::server::{Service, Shared};
use super::users::User;
use super::wire::{Line, Wire};
use command::{Command, Mail, Rcpt, parse};
use deliver::Recipient;

/// Speaks with one client until it says QUIT or goes away.
pub async fn serve(wire: &mut Wire, shared: &Arc<Shared>, service: Service, peer: SocketAddr) -> io::Result<()> {
    let mut session = Session {
        wire,
        shared: shared.clone(),
        service,
        peer,
        hello: None,
        is_extended: false,
        user: None,
        transaction: None,
        failed_logins: 0,
        bad: 0,
    };
    session.run().await
}

struct Session<'w> {
    wire: &'w mut Wire,
    shared: Arc<Shared>,
    service: Service,
    peer: SocketAddr,
    /// What the client called itself.
    hello: Option<String>,
    is_extended: bool,
    user: Option<Arc<User>>,
    transaction: Option<Transaction>,
    failed_logins: u32,
    bad: u32,
}

/// A message on its way.
struct Transaction {
    mail: Mail,
    recipients: Vec<Recipient>,
    /// What BDAT has brought so far.
    chunks: Vec<u8>,
    /// A BDAT has been accepted: from now on only BDAT and RSET make sense.
    is_chunked: bool,
}

enum Next {
    Go,
    Quit,
}

impl Session<'_> {
    async fn run(&mut self) -> io::Result<()> {
        let banner = format!("220 {} ESMTP mailtap practice server", self.shared.hostname);
        self.wire.line(&banner);
        loop {
            // A message that comes in chunks is under way between them.
            let line = match self.transaction.as_ref().is_some_and(|transaction| transaction.is_chunked) {
                true => self.wire.read_line(SMTP_LINE).await?,
                false => self.wire.read_command(SMTP_LINE).await?,
            };
            let command = match line {
                Line::TooLong { .. } => Command::TooLong,
                Line::Whole(line) => parse(&line),
            };
            if let Next::Quit = self.command(command).await? {
                return Ok(());
            }
            if self.bad > BAD_COMMANDS || self.failed_logins >= LOGINS {
                self.wire.line("421 4.7.0 Error: too many errors");
                return Ok(());
            }
        }
    }

    async fn command(&mut self, command: Command) -> io::Result<Next> {
        match command {
            Command::Ehlo(name) => self.greet(name, true),
            Command::Helo(name) => self.greet(name, false),
            Command::Mail(mail) => self.mail(mail),
            Command::Rcpt(rcpt) => self.rcpt(rcpt),
            Command::Data => self.data().await?,
            Command::Bdat { size, last } => return self.bdat(size, last).await,
            Command::Rset => {
                self.transaction = None;
                self.wire.line("250 2.0.0 Ok");
            }
            Command::Noop => self.wire.line("250 2.0.0 Ok"),
            Command::Vrfy => self.wire.line("252 2.0.0 Cannot verify the user, but will take mail for it"),
            Command::Help => {
                self.wire.line("214 2.0.0 Practice server: see RFC 5321. Mail to local accounts arrives at once")
            }
            Command::Auth { mechanism, initial } => self.auth(&mechanism, initial).await?,
            Command::StartTls => self.start_tls().await?,
            Command::Quit => {
                self.wire.line("221 2.0.0 Bye");
                return Ok(Next::Quit);
            }
            Command::Unknown => self.mistake("502 5.5.2 Error: command not recognized"),
            Command::TooLong => self.mistake("500 5.5.2 Error: line too long"),
            Command::Syntax(why) => self.mistake(&format!("501 5.5.4 Syntax: {why}")),
            Command::Parameter(name) => self.mistake(&format!("555 5.5.4 Unsupported option: {name}")),
        }
        Ok(Next::Go)
    }

    fn mistake(&mut self, reply: &str) {
        self.bad += 1;
        self.wire.line(reply);
    }

    fn greet(&mut self, name: String, extended: bool) {
        self.transaction = None;
        self.hello = Some(name);
        self.is_extended = extended;
        let hostname = self.shared.hostname.clone();
        if !extended {
            self.wire.line(&format!("250 {hostname}"));
            return;
        }
        let mut words =
            vec![hostname, "PIPELINING".to_owned(), format!("SIZE {}", self.shared.limits.message), "VRFY".to_owned()];
        if self.shared.tls.is_some() && !self.wire.is_secure() {
            words.push("STARTTLS".to_owned());
        }
        words.push(format!("AUTH {}", MECHANISMS.join(" ")));
        words.extend(["ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"].map(str::to_owned));
        let last = words.len() - 1;
        for (n, word) in words.iter().enumerate() {
            self.wire.line(&format!("250{}{word}", if n == last { ' ' } else { '-' }));
        }
    }

    fn mail(&mut self, mail: Mail) {
        let needs_login = self.service == Service::Submission && self.user.is_none();
        let reply = if self.hello.is_none() {
            "503 5.5.1 Error: send HELO/EHLO first"
        } else if needs_login {
            "530 5.7.0 Authentication required"
        } else if self.transaction.is_some() {
            "503 5.5.1 Error: nested MAIL command"
        } else if mail.size.is_some_and(|size| size > self.shared.limits.message) {
            "552 5.3.4 Message size exceeds fixed limit"
        } else if !mail.from.is_ascii() && !mail.utf8 {
            "553 5.6.7 Address needs the SMTPUTF8 parameter"
        } else {
            self.transaction =
                Some(Transaction { mail, recipients: Vec::new(), chunks: Vec::new(), is_chunked: false });
            self.wire.wait_up_to(self.shared.limits.smtp_idle);
            self.bad = 0;
            "250 2.1.0 Ok"
        };
        self.wire.line(reply);
    }

    fn rcpt(&mut self, rcpt: Rcpt) {
        let Some(transaction) = &mut self.transaction else {
            return self.wire.line("503 5.5.1 Error: need MAIL command");
        };
        let to = &rcpt.to;
        if transaction.is_chunked {
            return self.wire.line("503 5.5.1 Error: RCPT after BDAT");
        }
        if transaction.recipients.len() >= RECIPIENTS {
            return self.wire.line("452 4.5.3 Error: too many recipients");
        }
        if !to.is_ascii() && !transaction.mail.utf8 {
            return self.wire.line("553 5.6.7 Address needs the SMTPUTF8 parameter");
        }
        let Some(user) = self.shared.users.by_address(to) else {
            let reply = match self.shared.users.is_local_domain(to) {
                true => format!("550 5.1.1 <{to}>: Recipient address rejected: User unknown in local recipient table"),
                false => format!("550 5.7.1 <{to}>: Relay access denied: a practice server, mail never leaves it"),
            };
            return self.wire.line(&reply);
        };
        if user.store.room() < transaction.mail.size.unwrap_or(0).max(1) {
            return self.wire.line(&format!("552 5.2.2 <{to}>: Mailbox full: quota exceeded"));
        }
        transaction.recipients.push(Recipient { user, rcpt });
        self.wire.line("250 2.1.5 Ok");
    }

    async fn start_tls(&mut self) -> io::Result<()> {
        let Some(tls) = self.shared.tls.clone() else {
            self.mistake("502 5.5.1 Error: command not implemented");
            return Ok(());
        };
        if self.wire.is_secure() {
            self.wire.line("554 5.5.1 Error: TLS already active");
            return Ok(());
        }
        self.wire.line("220 2.0.0 Ready to start TLS");
        self.wire.accept_tls(tls).await?;
        // RFC 3207, 4.2: all that was learnt in plaintext is forgotten.
        self.hello = None;
        self.user = None;
        self.transaction = None;
        Ok(())
    }
}
