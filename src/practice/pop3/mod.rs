//! The POP3 server: RFC 1939 with CAPA, STLS, SASL, PIPELINING and response codes.
//! Takes commands from a [`Wire`]; gives the messages of the account's INBOX as they were at login.
//! It does not know other mailboxes, nor what other sessions do meanwhile.

mod command;
mod maildrop;

use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::limits::{BAD_COMMANDS, LOGINS, POP3_LINE, SASL_LINE};
use super::sasl::{Exchange, MECHANISMS, Step, hex, stamp};
use super::server::Shared;
use super::users::User;
use super::wire::{Line, Wire};
use command::{Command, parse};
use maildrop::Maildrop;

const WRONG: &str = "-ERR [AUTH] Authentication failed.";

/// Speaks with one client until it says QUIT or goes away.
pub async fn serve(wire: &mut Wire, shared: &Arc<Shared>) -> io::Result<()> {
    let stamp = stamp(&shared.hostname);
    wire.line(&format!("+OK mailtap practice server ready. {stamp}"));
    let mut session = Session { wire, shared: shared.clone(), stamp, name: None, drop: None, failed_logins: 0, bad: 0 };
    session.run().await
}

struct Session<'w> {
    wire: &'w mut Wire,
    shared: Arc<Shared>,
    /// The banner's unique part, which APOP hashes.
    stamp: String,
    /// What USER said.
    name: Option<String>,
    /// After login.
    drop: Option<Maildrop>,
    failed_logins: u32,
    bad: u32,
}

impl Session<'_> {
    async fn run(&mut self) -> io::Result<()> {
        loop {
            let command = match self.wire.read_command(POP3_LINE).await? {
                Line::TooLong { .. } => Command::Wrong("Line too long."),
                Line::Whole(line) => parse(&line),
            };
            if command == Command::Quit {
                return self.quit();
            }
            match command {
                Command::Capa => self.capa(),
                _ if self.drop.is_some() => self.transaction(command).await?,
                _ => self.authorization(command).await?,
            }
            if self.bad > BAD_COMMANDS || self.failed_logins >= LOGINS {
                self.wire.line("-ERR Too many errors, good-bye.");
                return Ok(());
            }
        }
    }

    fn quit(&mut self) -> io::Result<()> {
        match &self.drop {
            None => self.wire.line("+OK Logging out"),
            Some(drop) => {
                let removed = drop.commit();
                self.wire.line(match removed {
                    0 => "+OK Logging out.",
                    _ => "+OK Logging out, messages deleted.",
                });
            }
        }
        Ok(())
    }

    fn capa(&mut self) {
        self.wire.line("+OK");
        for word in ["CAPA", "TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"] {
            self.wire.line(word);
        }
        if self.drop.is_none() {
            if self.shared.tls.is_some() && !self.wire.is_secure() {
                self.wire.line("STLS");
            }
            self.wire.line("USER");
            self.wire.line(&format!("SASL {}", MECHANISMS.join(" ")));
        }
        self.wire.line("IMPLEMENTATION mailtap-practice");
        self.wire.line(".");
    }

    async fn authorization(&mut self, command: Command) -> io::Result<()> {
        match command {
            Command::User(name) => {
                self.name = Some(name);
                self.wire.line("+OK");
            }
            Command::Pass(password) => match self.name.take() {
                None => self.mistake("No username given."),
                Some(name) => {
                    let user = self.shared.users.by_password(&name, &password);
                    self.log_in(user);
                }
            },
            Command::Apop { name, digest } => {
                let is_his = |user: &Arc<User>| {
                    use md5::{Digest, Md5};
                    let mut md5 = Md5::new();
                    md5.update(&self.stamp);
                    md5.update(&user.password);
                    hex(&md5.finalize()).eq_ignore_ascii_case(&digest)
                };
                let user = self.shared.users.by_name(&name).filter(is_his);
                self.log_in(user);
            }
            Command::AuthList => {
                self.wire.line("+OK");
                for mechanism in MECHANISMS {
                    self.wire.line(mechanism);
                }
                self.wire.line(".");
            }
            Command::Auth { mechanism, initial } => self.auth(&mechanism, initial).await?,
            Command::Stls => self.stls().await?,
            Command::Wrong(why) => self.mistake(why),
            _ => self.mistake("Unknown command."),
        }
        Ok(())
    }

    async fn stls(&mut self) -> io::Result<()> {
        let Some(tls) = self.shared.tls.clone() else {
            self.mistake("TLS support isn't enabled.");
            return Ok(());
        };
        if self.wire.is_secure() {
            self.mistake("TLS is already active.");
            return Ok(());
        }
        self.wire.line("+OK Begin TLS negotiation now.");
        self.wire.accept_tls(tls).await?;
        self.name = None;
        Ok(())
    }

    async fn auth(&mut self, mechanism: &str, initial: Option<String>) -> io::Result<()> {
        let shared = self.shared.clone();
        let Some(mut exchange) = Exchange::new(mechanism, &shared.users, &shared.hostname) else {
            self.mistake("Unsupported authentication mechanism.");
            return Ok(());
        };
        let mut response = match initial.as_deref() {
            Some("=") => Ok(Vec::new()),
            Some(text) => STANDARD.decode(text).map_err(|_| "Invalid base64 data in initial response"),
            None => {
                let challenge = exchange.open();
                self.answer_to(&challenge).await?
            }
        };
        loop {
            let bytes = match response {
                Ok(bytes) => bytes,
                Err(why) => {
                    self.mistake(why);
                    return Ok(());
                }
            };
            match exchange.step(&bytes) {
                Step::Challenge(challenge) => response = self.answer_to(&challenge).await?,
                Step::Done(user) => {
                    self.log_in(Some(user));
                    return Ok(());
                }
                Step::Failed | Step::Malformed => {
                    self.log_in(None);
                    return Ok(());
                }
            }
        }
    }

    async fn answer_to(&mut self, challenge: &[u8]) -> io::Result<Result<Vec<u8>, &'static str>> {
        self.wire.line(&format!("+ {}", STANDARD.encode(challenge)));
        Ok(match self.wire.read_line(SASL_LINE).await? {
            Line::TooLong { .. } => Err("Authentication exchange line is too long."),
            Line::Whole(line) if line == b"*" => Err("Authentication aborted by client."),
            Line::Whole(line) => STANDARD.decode(&line).map_err(|_| "Invalid base64 data in continued response"),
        })
    }

    fn log_in(&mut self, user: Option<Arc<User>>) {
        let Some(user) = user else {
            self.failed_logins += 1;
            return self.wire.line(WRONG);
        };
        match Maildrop::open(&user) {
            Ok(drop) => {
                self.drop = Some(drop);
                self.wire.wait_up_to(self.shared.limits.pop3_idle);
                self.wire.line("+OK Logged in.");
            }
            Err(refusal) => self.wire.line(&format!("-ERR [SYS/TEMP] {refusal}")),
        }
    }

    async fn transaction(&mut self, command: Command) -> io::Result<()> {
        let Some(drop) = &mut self.drop else { return Ok(()) };
        match command {
            Command::Stat => {
                let (count, size) = drop.total();
                self.wire.line(&format!("+OK {count} {size}"));
            }
            Command::List(None) => {
                let (count, _) = drop.total();
                self.wire.line(&format!("+OK {count} messages:"));
                for (n, entry) in drop.present() {
                    self.wire.line(&format!("{n} {}", entry.size));
                }
                self.wire.line(".");
            }
            Command::Uidl(None) => {
                self.wire.line("+OK");
                for (n, entry) in drop.present() {
                    self.wire.line(&format!("{n} {}", drop.unique_id(entry)));
                }
                self.wire.line(".");
            }
            Command::List(Some(n)) => match drop.entry(n) {
                Some(entry) => self.wire.line(&format!("+OK {n} {}", entry.size)),
                None => self.no_such_message(n),
            },
            Command::Uidl(Some(n)) => match drop.entry(n) {
                Some(entry) => self.wire.line(&format!("+OK {n} {}", drop.unique_id(entry))),
                None => self.no_such_message(n),
            },
            Command::Retr(n) => self.message(n, None).await?,
            Command::Top { number, lines } => self.message(number, Some(lines)).await?,
            Command::Dele(n) => match drop.delete(n) {
                true => self.wire.line("+OK Marked to be deleted."),
                false => self.no_such_message(n),
            },
            Command::Rset => {
                drop.reset();
                self.wire.line("+OK");
            }
            Command::Noop => self.wire.line("+OK"),
            Command::Wrong(why) => self.mistake(why),
            _ => self.mistake("Unknown command."),
        }
        Ok(())
    }

    /// Sends a message, or its header and so many lines of its body.
    async fn message(&mut self, number: usize, lines: Option<u64>) -> io::Result<()> {
        let Some(drop) = &mut self.drop else { return Ok(()) };
        let Some(bytes) = drop.read(number)? else {
            self.no_such_message(number);
            return Ok(());
        };
        match lines {
            None => self.wire.line(&format!("+OK {} octets", bytes.len())),
            Some(_) => self.wire.line("+OK"),
        }
        let mut left = None;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if left == Some(0) {
                break;
            }
            if line.starts_with(b".") {
                self.wire.push(b".");
            }
            self.wire.push(line);
            if !line.ends_with(b"\n") {
                self.wire.push(b"\r\n");
            }
            left = match (left, lines) {
                (Some(n), _) => Some(n - 1),
                (None, Some(lines)) if line == b"\r\n" => Some(lines),
                (None, _) => None,
            };
            self.wire.relieve().await?;
        }
        self.wire.line(".");
        Ok(())
    }

    fn no_such_message(&mut self, number: usize) {
        let count = self.drop.as_ref().map_or(0, Maildrop::len);
        self.wire.line(&match number <= count && number > 0 {
            true => "-ERR Message is deleted.".to_owned(),
            false => format!("-ERR There's no message {number}."),
        });
    }

    fn mistake(&mut self, why: &str) {
        self.bad += 1;
        self.wire.line(&format!("-ERR {why}"));
    }
}
