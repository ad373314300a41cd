//! Before and around login: CAPABILITY, STARTTLS, LOGIN, AUTHENTICATE, ENABLE, COMPRESS.
//! Takes the parsed command; gives the session its user, TLS or compression.
//! It does not know mailboxes.

use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::limits::SASL_LINE;
use super::super::sasl::{Exchange, MECHANISMS, Step};
use super::super::users::User;
use super::super::wire::Line;
use super::parse::Command;
use super::{Answer, Session};

const WRONG: &str = "[AUTHENTICATIONFAILED] Authentication failed.";

impl Session<'_> {
    pub(super) fn capability(&self) -> String {
        let mut words = vec!["IMAP4rev1", "SASL-IR", "LITERAL+", "ID", "ENABLE", "IDLE"];
        if self.user.is_none() {
            if self.shared.tls.is_some() && !self.wire.is_secure() {
                words.push("STARTTLS");
            }
            let mechanisms = MECHANISMS.map(|mechanism| format!("AUTH={mechanism}"));
            return format!("{} {}", words.join(" "), mechanisms.join(" "));
        }
        words.extend(["NAMESPACE", "UIDPLUS", "UNSELECT", "CHILDREN", "SPECIAL-USE", "MOVE", "MULTIAPPEND", "WITHIN"]);
        words.extend(["LIST-EXTENDED", "LIST-STATUS", "CONDSTORE", "STATUS=SIZE"]);
        if !self.wire.is_compressed() {
            words.push("COMPRESS=DEFLATE");
        }
        words.join(" ")
    }

    pub(super) async fn before_login(&mut self, tag: &str, command: Command) -> io::Result<Answer> {
        match command {
            Command::StartTls => self.start_tls(tag).await,
            Command::Login { user, password } => {
                let user = self.shared.users.by_password(&user, &password);
                Ok(self.log_in(user))
            }
            Command::Authenticate { mechanism, initial } => self.authenticate(&mechanism, initial).await,
            _ => Answer::bad("Error in IMAP command received by server: Please log in first."),
        }
    }

    fn log_in(&mut self, user: Option<Arc<User>>) -> Answer {
        match user {
            None => {
                self.failed_logins += 1;
                Answer::No(WRONG.to_owned())
            }
            Some(user) => {
                self.user = Some(user);
                self.wire.wait_up_to(self.shared.limits.imap_idle);
                Answer::Ok(format!("[CAPABILITY {}] Logged in", self.capability()))
            }
        }
    }

    async fn start_tls(&mut self, tag: &str) -> io::Result<Answer> {
        let Some(tls) = self.shared.tls.clone() else {
            return Answer::bad("TLS support isn't enabled.");
        };
        if self.wire.is_secure() {
            return Answer::bad("TLS is already active.");
        }
        self.wire.line(&format!("{tag} OK Begin TLS negotiation now."));
        self.wire.accept_tls(tls).await?;
        Ok(Answer::Sent)
    }

    async fn authenticate(&mut self, mechanism: &str, initial: Option<String>) -> io::Result<Answer> {
        let shared = self.shared.clone();
        let Some(mut exchange) = Exchange::new(mechanism, &shared.users, &shared.hostname) else {
            return Answer::no("Unsupported authentication mechanism.");
        };
        let mut response = match initial.as_deref() {
            Some("=") => Ok(Vec::new()),
            Some(text) => STANDARD.decode(text).map_err(|_| "Invalid base64 data in initial response."),
            None => {
                let challenge = exchange.open();
                self.answer_to(&challenge).await?
            }
        };
        loop {
            let bytes = match response {
                Ok(bytes) => bytes,
                Err(why) => return Answer::bad(why),
            };
            match exchange.step(&bytes) {
                Step::Challenge(challenge) => response = self.answer_to(&challenge).await?,
                Step::Done(user) => return Ok(self.log_in(Some(user))),
                Step::Failed | Step::Malformed => return Ok(self.log_in(None)),
            }
        }
    }

    async fn answer_to(&mut self, challenge: &[u8]) -> io::Result<Result<Vec<u8>, &'static str>> {
        self.wire.line(&format!("+ {}", STANDARD.encode(challenge)));
        Ok(match self.wire.read_line(SASL_LINE).await? {
            Line::TooLong { .. } => Err("Authentication exchange line is too long."),
            Line::Whole(line) if line == b"*" => Err("Authentication aborted by client."),
            Line::Whole(line) => STANDARD.decode(&line).map_err(|_| "Invalid base64 data in continued response."),
        })
    }

    pub(super) fn enable(&mut self, words: &[String]) -> io::Result<Answer> {
        let mut enabled = String::new();
        if words.iter().any(|word| word == "CONDSTORE") {
            self.condstore = true;
            enabled.push_str(" CONDSTORE");
        }
        if !enabled.is_empty() {
            self.wire.line(&format!("* ENABLED{enabled}"));
        }
        Answer::ok("Enabled.")
    }

    pub(super) async fn compress(&mut self, tag: &str, algorithm: &str) -> io::Result<Answer> {
        if algorithm != "DEFLATE" {
            return Answer::no("Unknown COMPRESS mechanism.");
        }
        if self.wire.is_compressed() {
            return Answer::no("[COMPRESSIONACTIVE] COMPRESSION already enabled.");
        }
        self.wire.line(&format!("{tag} OK Begin compression."));
        self.wire.compress().await?;
        Ok(Answer::Sent)
    }
}
