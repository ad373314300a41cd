//! Whether each side speaks when it should, and how long the server takes for what is its turn.
//! Takes the pieces of both sides with their times, says who was early and who was slow.
//! Does not know what is asked.

use crate::event::{Body, Seq, Side, Stamp};
use crate::findings;
use crate::proto::Piece;
use crate::proto::watch::{Found, Waiting};

/// From here on an answer is slow, in microseconds.
const SLOW: u64 = 1_000_000;

#[derive(Default)]
pub(super) struct Turns {
    /// Commands without an answer, and since when it is the server's turn to give one: not while it waits for the rest
    /// of a command, a message or a response.
    waiting: Waiting<Option<Stamp>>,
    /// The command that was answered last: some are answered several times.
    answered: Option<(Seq, Option<Stamp>)>,
    greeted: bool,
    /// When the connection began, or got TLS.
    began: Stamp,
    /// Who said something last, and when each side did.
    last: Option<Side>,
    client: Stamp,
    server: Stamp,
}

impl Turns {
    /// The connection begins, or goes on with TLS.
    pub fn begin(&mut self, at: Stamp) {
        (self.began, self.client, self.server) = (at, at, at);
    }

    /// Takes a piece. `whole` is whether all of what the client has begun to say has come. Says whether the client
    /// spoke before its server had.
    pub fn look(&mut self, at: Stamp, seq: Seq, piece: &Piece<'_>, whole: bool, found: &mut Found) -> bool {
        let early = match piece.from {
            Side::Client => self.client(at, seq, &piece.body),
            Side::Server => {
                self.late(at, seq, &piece.body, whole, found);
                self.server(at, &piece.body);
                false
            }
        };
        self.last = Some(piece.from);
        early
    }

    fn client(&mut self, at: Stamp, seq: Seq, body: &Body) -> bool {
        self.client = at;
        match body {
            Body::Command(command) => match command.continues {
                Some(of) => self.goes_on(of, at),
                None => {
                    self.waiting.push(seq, Some(at));
                    return self.last.is_none() && !self.greeted;
                }
            },
            Body::Content(content) => self.goes_on(content.of, at),
            Body::Auth(auth) => auth.of.into_iter().for_each(|of| self.goes_on(of, at)),
            _ => {}
        }
        false
    }

    fn goes_on(&mut self, of: Seq, at: Stamp) {
        if let Some(since) = self.waiting.find_mut(of) {
            *since = Some(at);
        }
    }

    fn server(&mut self, at: Stamp, body: &Body) {
        self.server = at;
        self.greeted |= matches!(body, Body::Greeting(_));
        match body {
            Body::Reply(reply) => {
                if let Some(of) = reply.answers
                    && let Some(since) = self.waiting.take(of)
                {
                    self.answered = Some((of, since));
                }
            }
            Body::Continue(go) => {
                if let Some(since) = go.answers.and_then(|of| self.waiting.find_mut(of)) {
                    *since = None;
                }
            }
            _ => {}
        }
    }

    /// Whether the server took long for what it says now.
    fn late(&mut self, at: Stamp, seq: Seq, body: &Body, whole: bool, found: &mut Found) {
        let (about, since, what) = match body {
            Body::Greeting(_) if self.last.is_none() => (seq, Some(self.began), "greet"),
            Body::Reply(reply) if reply.continues.is_some() => return,
            Body::Reply(reply) => match reply.answers {
                Some(of) => (of, self.since(of), "answer"),
                // Of what comes unasked nobody knows how long it took; but it may be the beginning of an answer.
                None if self.last == Some(Side::Client) => match self.waiting.last() {
                    Some(&(of, Some(_))) => (of, Some(self.client), "answer"),
                    _ => return,
                },
                None => return,
            },
            Body::Continue(go) => match go.answers {
                Some(of) => (of, self.since(of), "let the client go on"),
                None => return,
            },
            _ => return,
        };
        // It was busy with the answer before until it had given it.
        let waited = since.map_or(0, |since| at.since(since.max(self.server)));
        if whole && waited > SLOW {
            found.add(&findings::SLOW_ANSWER, about, format!("the server took {} to {what}", seconds(waited)));
        }
    }

    fn since(&self, of: Seq) -> Option<Stamp> {
        match self.waiting.find(of) {
            Some(since) => *since,
            None => self.answered.filter(|(answered, _)| *answered == of).and_then(|(_, since)| since),
        }
    }
}

fn seconds(microseconds: u64) -> String {
    format!("{}.{} s", microseconds / 1_000_000, microseconds % 1_000_000 / 100_000)
}
