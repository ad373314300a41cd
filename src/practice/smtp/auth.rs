//! AUTH in SMTP (RFC 4954): the exchange of 334 lines.
//! Takes the mechanism and an initial response; gives the session its user.
//! It does not know what is in a response; the SASL exchange does.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::limits::SASL_LINE;
use super::super::sasl::{Exchange, Step};
use super::super::wire::Line;
use super::Session;

impl Session<'_> {
    pub(super) async fn auth(&mut self, mechanism: &str, initial: Option<String>) -> io::Result<()> {
        if !self.is_extended {
            self.wire.line("503 5.5.1 Error: send EHLO first");
            return Ok(());
        }
        if self.user.is_some() {
            self.wire.line("503 5.5.1 Error: already authenticated");
            return Ok(());
        }
        if self.transaction.is_some() {
            self.wire.line("503 5.5.1 Error: MAIL transaction in progress");
            return Ok(());
        }
        let shared = self.shared.clone();
        let Some(mut exchange) = Exchange::new(mechanism, &shared.users, &shared.hostname) else {
            self.mistake("504 5.5.4 Error: authentication mechanism not supported");
            return Ok(());
        };
        let mut response = match initial.as_deref() {
            Some("=") => Some(Vec::new()),
            Some(text) => match STANDARD.decode(text) {
                Ok(bytes) => Some(bytes),
                Err(_) => {
                    self.mistake("501 5.5.2 Error: initial response is not base64");
                    return Ok(());
                }
            },
            None => {
                let challenge = exchange.open();
                self.answer_to(&challenge).await?
            }
        };
        loop {
            // Whatever was wrong with the line has been said.
            let Some(bytes) = response else { return Ok(()) };
            match exchange.step(&bytes) {
                Step::Challenge(challenge) => response = self.answer_to(&challenge).await?,
                Step::Done(user) => {
                    self.user = Some(user);
                    self.wire.wait_up_to(self.shared.limits.smtp_idle);
                    self.wire.line("235 2.7.0 Authentication successful");
                    return Ok(());
                }
                Step::Failed => {
                    self.failed_logins += 1;
                    self.wire.line("535 5.7.8 Error: authentication failed: wrong user name or password");
                    return Ok(());
                }
                Step::Malformed => {
                    self.failed_logins += 1;
                    self.wire.line("535 5.7.8 Error: authentication failed: malformed response");
                    return Ok(());
                }
            }
        }
    }

    async fn answer_to(&mut self, challenge: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.wire.line(&format!("334 {}", STANDARD.encode(challenge)));
        let line = match self.wire.read_line(SASL_LINE).await? {
            Line::Whole(line) => line,
            Line::TooLong { .. } => {
                self.mistake("500 5.5.6 Authentication exchange line is too long");
                return Ok(None);
            }
        };
        if line == b"*" {
            self.wire.line("501 5.7.0 Authentication aborted");
            return Ok(None);
        }
        match STANDARD.decode(&line) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(_) => {
                self.mistake("501 5.5.2 Error: response is not base64");
                Ok(None)
            }
        }
    }
}
