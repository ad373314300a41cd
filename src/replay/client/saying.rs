//! What a played client says: its parts as recorded, but for logins and for numbers that this server has given out.
//! Takes a part of the recording, gives bytes.
//! Does not know when they are said.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Client;
use crate::event::Stamp;
use crate::proto::answer::{Answering, Credentials, apop};
use crate::proto::renew::{Login, Secret};
use crate::replay::cue::{Part, What};

/// What makes a password a wrong one, for a login that was refused when it was recorded.
const WRONG: &str = "-wrong";

impl Client {
    /// What a part comes to now. None where there is nothing to be said.
    pub(super) fn said(&mut self, part: &Part, now: Stamp) -> Option<Vec<u8>> {
        let cues = Arc::clone(&self.cues);
        let renew = cues.spec.renew;
        let asked = part.of.and_then(|place| cues.commands.get(place).map(|asked| (place, asked)));
        if let (Some((place, asked)), What::Command | What::Login(_)) = (asked, &part.what) {
            self.unread.push_back(place);
            self.state(place).sent_at = Some(now);
            if let What::Login(login) = &part.what {
                let Some(line) = self.login(login, place) else {
                    self.stopped = Some(format!("{} cannot be said without a user and a password", asked.command.verb));
                    return None;
                };
                return Some(line);
            }
            return Some(
                (renew.renewed)(&asked.command, &part.wire, &mut self.learned).unwrap_or_else(|| part.wire.clone()),
            );
        }
        let cancels = part.wire.trim_ascii() == b"*";
        if part.what == What::Response && self.answering.is_some() && !cancels {
            return Some(self.response());
        }
        Some(part.wire.clone())
    }

    fn login(&mut self, login: &Login, place: usize) -> Option<Vec<u8>> {
        let cues = Arc::clone(&self.cues);
        let asked = cues.commands.get(place)?;
        let command = &asked.command;
        let Credentials { user, mut password } = self.manner.credentials.clone()?;
        if asked.is_refused(cues.spec) {
            password.push_str(WRONG);
        }
        let say = cues.spec.renew.say;
        Some(match login {
            Login::User => say(command, &Secret::User(&user)),
            Login::Password => say(command, &Secret::Password(&password)),
            Login::Both => say(command, &Secret::Both(&user, &password)),
            Login::Digest => {
                let digest = apop(self.timestamp.as_deref().unwrap_or_default(), &password);
                say(command, &Secret::Digest(&user, &digest))
            }
            Login::Sasl { mechanism, initial } => {
                let credentials = Credentials { user, password };
                let uri = format!("{}/{}", cues.spec.renew.service, self.manner.host);
                let mut answering = Answering::new(mechanism, credentials, self.manner.nonce.clone(), uri)?;
                let first =
                    if *initial && answering.begins() { Some(STANDARD.encode(answering.respond(b"")?)) } else { None };
                self.answering = Some((place, answering));
                say(command, &Secret::Sasl(mechanism, first.as_deref()))
            }
        })
    }

    /// What answers the last challenge; a challenge that makes no sense is answered by cancelling.
    pub(super) fn response(&mut self) -> Vec<u8> {
        let challenge = std::mem::take(&mut self.challenge);
        let response = self.answering.as_mut().and_then(|(_, answering)| answering.respond(&challenge));
        let text = response.map_or_else(|| "*".to_owned(), |response| STANDARD.encode(response));
        (self.cues.spec.renew.response)(&text)
    }
}
