//! The literals of a client's command: announced, sent or refused, and what is remembered of short ones.
//! Takes the server's answer and the bytes as they come, gives content, and the text of an argument.
//! Does not know how a command is read; that is the rest of `client`.

use super::*;

impl Talk {
    pub(super) fn literal_announced(&mut self, command: Box<Unfinished>, literal: Literal) {
        let secret = command.login == Some(Login::Secret);
        let keeps = !secret && literal.bytes <= REMEMBERED_MAX && command.remembered < ARGUMENTS_MAX;
        let (kept, text) = (keeps.then(Vec::new), !secret && !args::is_append(&command.verb));
        self.client.literal = Some(Reading { of: command.of, literal, done: 0, secret, kept, text });
        self.client.command = Some(command);
        self.client.waits = literal.waits && !self.released;
        if !self.client.waits {
            self.literal_comes();
        }
    }

    /// The literal that was announced is what the client sends next.
    pub(in crate::proto::imap) fn literal_comes(&mut self) {
        self.client.waits = false;
        let Some(reading) = &self.client.literal else { return };
        let mode = if reading.text { Mode::Gathered } else { Mode::Counted };
        self.client.framer.expect(mode(reading.literal.bytes));
        if reading.literal.bytes == 0 {
            self.literal_ends();
        }
    }

    /// The command was refused before its literal was sent: it is over.
    pub(in crate::proto::imap) fn literal_refused(&mut self) {
        self.client.waits = false;
        self.client.literal = None;
        if self.client.command.take().is_some_and(|command| command.login.is_some()) {
            self.client.suspect = self.client.held;
            self.client.suspect_all = true;
        }
    }

    /// A login by SASL is over. What was sent of it until then and not read is none of the server's commands.
    pub(in crate::proto::imap) fn response_not_wanted(&mut self) {
        self.client.suspect = self.client.held;
        self.client.suspect_all = false;
    }

    pub(super) fn client_data(&mut self, bytes: &[u8], last: bool, out: &mut dyn Sink) {
        let Some(reading) = &mut self.client.literal else { return };
        reading.done += bytes.len() as u64;
        if let Some(kept) = &mut reading.kept {
            kept.extend_from_slice(bytes);
        }
        let all = [0..bytes.len()];
        let secrets: &[Range<usize>] = if reading.secret { &all } else { &[] };
        let whole = reading.text && reading.literal.bytes <= LINE_MAX as u64;
        let body = Body::Content(Content { of: reading.of, bytes: reading.done, last, ..Content::default() });
        let piece = Piece { from: Side::Client, wire: bytes, secrets, body };
        if whole {
            out.text(piece)
        } else {
            out.piece(piece)
        };
        if last && let Some(user) = self.literal_ends() {
            out.user(&user);
        }
    }

    /// Gives the user, if the literal named one.
    pub(super) fn literal_ends(&mut self) -> Option<String> {
        let reading = self.client.literal.take()?;
        let command = self.client.command.as_mut()?;
        let Some(kept) = reading.kept else {
            if command.login == Some(Login::User) {
                command.login = Some(Login::Password);
            }
            return None;
        };
        if let Some(login) = &mut command.login {
            *login = Login::Password;
            if kept.is_empty() || kept.len() > USER_MAX {
                return None;
            }
            let user = String::from_utf8_lossy(&kept).into_owned();
            command.tokens.push(Token { kind: token::Kind::Quoted, text: Cow::Owned(kept) });
            return Some(user);
        }
        command.remembered += kept.len();
        if let Some(Token { kind: token::Kind::Literal { known, .. }, text }) = command.tokens.last_mut() {
            *known = true;
            *text = Cow::Owned(kept);
        }
        None
    }
}
