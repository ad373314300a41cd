//! What a played client takes in: answers, go-aheads, news, and numbers that stand for the recorded ones.
//! Takes what the dialog found in the server's bytes.
//! Does not decide what is said next.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Client, Timing};
use crate::event::{Body, Continue, Reply, Seq, Stamp};

/// How far a recorded reply is looked for that a reply stands for: servers keep to an order.
const NEAR: usize = 1000;

impl Client {
    /// What the dialog has found.
    pub(super) fn take_in(&mut self, now: Stamp) {
        let (commands, said) = self.hearing.take();
        for seq in commands {
            if let Some(place) = self.unread.pop_front() {
                self.open.push((seq, place));
            }
        }
        for body in said {
            match body {
                Body::Greeting(greeting) => {
                    self.greetings += 1;
                    let timestamp =
                        greeting.values.map().get("timestamp").and_then(|value| value.as_str().map(str::to_owned));
                    self.timestamp = timestamp.or(self.timestamp.take());
                }
                Body::Reply(reply) => self.reply(&reply, now),
                Body::Continue(go) => self.go_ahead(&go),
                _ => {}
            }
        }
    }

    fn place(&self, answers: Option<Seq>) -> Option<usize> {
        let named = |of: Seq| self.open.iter().find(|(seq, _)| *seq == of);
        answers.map_or_else(|| self.open.first(), named).map(|(_, place)| *place)
    }

    fn go_ahead(&mut self, go: &Continue) {
        let Some(place) = self.place(go.answers) else { return };
        self.state(place).go_aheads += 1;
        self.challenge = STANDARD.decode(go.text.trim()).unwrap_or_default();
    }

    fn reply(&mut self, reply: &Reply, now: Stamp) {
        let Some(place) = self.place(reply.answers) else { return };
        self.teach(place, reply);
        if reply.answers.is_none() {
            if reply.data.is_some() && reply.continues.is_none() {
                self.state(place).news += 1;
            }
            return;
        }
        let state = self.state(place);
        let (nth, sent) = (state.done, state.sent_at);
        state.done += 1;
        let expected = self.cues.commands.get(place).and_then(|asked| asked.statuses.get(nth as usize));
        self.timings.push(Timing {
            command: place,
            status: reply.status.clone(),
            same: expected == Some(&reply.status),
            latency_us: sent.map_or(0, |sent| now.since(sent)),
        });
        // Where each recipient has a reply of its own, the command stays until all that are known have come.
        let all = self.cues.commands.get(place).map_or(0, |asked| asked.statuses.len());
        if nth as usize + 1 >= all {
            self.open.retain(|(_, open)| *open != place);
        }
        if self.answering.as_ref().is_some_and(|(of, _)| *of == place) {
            self.answering = None;
        }
    }

    /// Pairs a reply with the recorded one that it stands for.
    fn teach(&mut self, place: usize, reply: &Reply) {
        if reply.values.is_empty() {
            return;
        }
        let cues = Arc::clone(&self.cues);
        let Some(asked) = cues.commands.get(place) else { return };
        let from = self.state(place).taught;
        let alike = |old: &Reply| old.data == reply.data && old.code == reply.code && old.number == reply.number;
        let found = asked.teaching.iter().enumerate().skip(from).take(NEAR).find(|(_, old)| alike(old));
        let found = found.or_else(|| asked.teaching.iter().enumerate().take(NEAR).find(|(_, old)| alike(old)));
        if let Some((at, old)) = found {
            self.state(place).taught = at + 1;
            (cues.spec.renew.learn)(&asked.command, old, reply, &mut self.learned);
        }
    }
}
