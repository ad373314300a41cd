//! A recorded client as parts to be said: each with what it waited for, and how long it thought before it.
//! Takes the events of a recording in order, gives the parts, and says up to where they can be played.
//! Does not know when anything is said, nor to whom.

use std::collections::HashMap;

use crate::event::{Body, Command, Content, Event, Level, REDACTED, Reply, Seq, Side, Stamp};
use crate::proto::Spec;
use crate::proto::renew::Login;

/// How much a client may have said to be played, in bytes: it is held in memory.
const SAID_MAX: u64 = 1024 * 1024 * 1024;

const SECRET: &str = "the client said something there that is a secret, and not in the recording";

/// What is said in place of words that the recording has not.
const HIDDEN: &str = "redacted";

/// What a recorded client said.
pub struct Cues {
    pub spec: &'static Spec,
    pub commands: Vec<Asked>,
    pub parts: Vec<Part>,
    /// What it waited for when it had said everything.
    pub last: Vec<Wait>,
    /// Sentences: why what follows is not played, or what is played otherwise.
    pub cut: Option<String>,
    pub filled: u64,
    /// How much the server said, and in how many replies.
    pub heard_bytes: u64,
    pub heard_replies: u64,
    /// Mechanisms and commands of logins that need a user and a password.
    pub logins: Vec<Login>,
    /// Who logged in.
    pub user: Option<String>,
}

/// A command of the recording.
pub struct Asked {
    pub command: Command,
    /// Statuses of the replies that completed it.
    pub statuses: Vec<String>,
    /// Replies that numbers can be learned from, in order.
    pub teaching: Vec<Reply>,
    pub go_aheads: u32,
    /// The recording has not all of it, and this is its number there.
    pub hidden: Option<Seq>,
}

impl Asked {
    /// Whether it is a login that the server refused.
    #[must_use]
    pub fn is_refused(&self, spec: &Spec) -> bool {
        let refuses = self.statuses.last().is_some_and(|status| (spec.renew.refuses)(status));
        refuses && (spec.renew.login)(&self.command).is_some()
    }
}

/// Something that the client said in one go.
pub struct Part {
    /// The place of its command among the commands; none for raw bytes.
    pub of: Option<usize>,
    pub what: What,
    pub wire: Vec<u8>,
    /// What it waited for, since the part before.
    pub waits: Vec<Wait>,
    /// The connection had TLS, at one of its legs at least.
    pub in_tls: bool,
    /// Microseconds between what it waited for, or the part before, and this one.
    pub thought_us: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The first line of a command.
    Command,
    /// A command that logs in, to be said anew.
    Login(Login),
    /// A further line of a command, or the end of a wait for news.
    More,
    /// A response in a login.
    Response,
    Content,
    Raw,
}

/// Something that the server said before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// So many greetings have come: some servers greet again after an upgrade to TLS.
    Greeting(u32),
    /// So many replies have completed this command.
    Done(usize, u32),
    /// So many go-aheads have come for it.
    GoAhead(usize, u32),
    /// So many news have come while it waited for them.
    News(usize, u32),
}

impl Cues {
    /// Whether somebody must say who logs in.
    #[must_use]
    pub fn needs_password(&self) -> bool {
        self.logins.iter().any(|login| match login {
            Login::User => false,
            Login::Sasl { mechanism, .. } => !matches!(mechanism.as_str(), "EXTERNAL" | "ANONYMOUS"),
            Login::Password | Login::Both | Login::Digest => true,
        })
    }
}

impl Cues {
    /// Whether a login was said within TLS that the client itself never asked for: it was there from the first byte, or
    /// somebody else saw to it.
    #[must_use]
    pub fn is_given_tls(&self) -> bool {
        let asks = |part: &Part| {
            let asked = part.of.and_then(|place| self.commands.get(place));
            asked.is_some_and(|asked| (self.spec.renew.starttls)(&asked.command))
        };
        let mut before = self.parts.iter().take_while(|part| !asks(part));
        before.any(|part| part.in_tls && matches!(part.what, What::Login(_)))
    }
}

/// Reads a recording.
pub struct Reading {
    cues: Cues,
    by_seq: HashMap<Seq, usize>,
    /// Commands that are not completed, in order.
    open: Vec<usize>,
    waits: Vec<Wait>,
    greetings: u32,
    in_tls: bool,
    /// When the last thing was said that the next part follows.
    since: Option<Stamp>,
    next: Option<Seq>,
    said: u64,
    closed: bool,
    /// The login under way is said anew: what belongs to it is left out but for its responses.
    anew: Option<usize>,
    /// Bytes of the content under way that stand in the recording.
    kept: u64,
}

impl Reading {
    /// With `anew`, logins are said anew although the recording holds them.
    #[must_use]
    pub fn new(spec: &'static Spec) -> Reading {
        let cues = Cues {
            spec,
            commands: Vec::new(),
            parts: Vec::new(),
            last: Vec::new(),
            cut: None,
            filled: 0,
            heard_bytes: 0,
            heard_replies: 0,
            logins: Vec::new(),
            user: None,
        };
        Reading {
            cues,
            by_seq: HashMap::new(),
            open: Vec::new(),
            waits: Vec::new(),
            greetings: 0,
            in_tls: false,
            since: None,
            next: None,
            said: 0,
            closed: false,
            anew: None,
            kept: 0,
        }
    }

    /// What can be played.
    #[must_use]
    pub fn finish(mut self) -> Cues {
        if !self.closed && self.cues.cut.is_none() {
            self.cut("the recording has no end");
        }
        self.cues.last = std::mem::take(&mut self.waits);
        self.part_hidden();
        self.cues
    }

    /// A command of which the recording has not all is said as far as it has it, and a word for the rest: what the server
    /// refused then it refuses now. Where it did something there is no telling what it would do for another word.
    fn part_hidden(&mut self) {
        let Cues { spec, commands, parts, .. } = &mut self.cues;
        let hidden = |part: &Part| {
            let asked = part.of.filter(|_| part.what == What::Command).and_then(|place| commands.get(place));
            asked.and_then(|asked| asked.hidden.map(|seq| (asked, seq)))
        };
        let refused = |asked: &Asked| asked.statuses.last().is_some_and(|status| (spec.renew.refuses)(status));
        let found = parts.iter().enumerate().find_map(|(at, part)| {
            let (asked, seq) = hidden(part)?;
            (!refused(asked)).then_some((at, seq))
        });
        for part in parts.iter_mut().filter(|part| hidden(part).is_some()) {
            part.wire = String::from_utf8_lossy(&part.wire).replace(REDACTED, HIDDEN).into_bytes();
        }
        let Some((at, seq)) = found else { return };
        self.cues.last = self.cues.parts.get_mut(at).map(|part| std::mem::take(&mut part.waits)).unwrap_or_default();
        self.cues.parts.truncate(at);
        self.cues.cut = Some(format!("{SECRET} (event {seq})"));
    }

    fn cut(&mut self, why: &str) {
        let next = self.next.unwrap_or(0);
        self.cues.cut.get_or_insert_with(|| format!("{why} (event {next})"));
    }

    pub fn event(&mut self, event: &Event<'_>) {
        if let Body::Close(close) = &event.body {
            // Who it was is worth knowing wherever the rest is cut.
            self.cues.user = close.user.clone().or(self.cues.user.take());
        }
        if self.cues.cut.is_some() {
            return;
        }
        if self.next.is_some_and(|next| event.seq != next) {
            return self.cut("lines of the recording are missing there");
        }
        self.next = Some(event.seq);
        if event.from.side() == Some(Side::Server) {
            let elided = if let Body::Content(content) = &event.body { content.elided.unwrap_or(0) } else { 0 };
            self.cues.heard_bytes =
                self.cues.heard_bytes.saturating_add(elided).saturating_add(event.wire.len() as u64);
            self.cues.heard_replies += 1;
        }
        self.part_of(event);
        self.next = Some(event.seq + 1);
    }

    fn part_of(&mut self, event: &Event<'_>) {
        match &event.body {
            Body::Greeting(_) => {
                self.greetings += 1;
                self.heard(event, Wait::Greeting(self.greetings));
            }
            Body::Command(command) => self.command(command, event),
            Body::Auth(auth) => {
                let of = auth.of.and_then(|of| self.by_seq.get(&of)).copied();
                self.cues.user = auth.user.clone().or(self.cues.user.take());
                self.part(of, What::Response, event, event.wire.to_vec());
            }
            Body::Content(content) if event.from.side() == Some(Side::Client) => self.content(content, event),
            Body::Reply(reply) => self.reply(reply, event),
            Body::Continue(go) => {
                let of = go.answers.and_then(|of| self.by_seq.get(&of)).copied().or(self.open.first().copied());
                if let Some(place) = of
                    && let Some(asked) = self.cues.commands.get_mut(place)
                {
                    asked.go_aheads += 1;
                    let wait = Wait::GoAhead(place, asked.go_aheads);
                    self.heard(event, wait);
                }
            }
            Body::Raw if event.from.side() == Some(Side::Client) => {
                if event.redacted {
                    return self.cut("what the client said there was not understood, and is not in the recording");
                }
                self.part(None, What::Raw, event, event.wire.to_vec());
            }
            Body::Gap(gap) => {
                let why = format!("{} bytes of the {} were not recorded there", gap.bytes, gap.side);
                self.cut(&why);
            }
            Body::Note(note) if note.level == Level::Warn && note.code == "sasl-security-layer" => {
                self.cut("the login put on a security layer there, of which nobody else has the keys");
            }
            Body::Close(_) => self.closed = true,
            Body::Tls(tls) => self.in_tls |= tls.error.is_none(),
            Body::Open(_) | Body::Content(_) | Body::Raw | Body::Note(_) | Body::Compress { .. } => {}
        }
    }

    fn heard(&mut self, event: &Event<'_>, wait: Wait) {
        self.since = Some(event.at);
        self.waits.push(wait);
    }

    fn command(&mut self, command: &Command, event: &Event<'_>) {
        if let Some(of) = command.continues.and_then(|of| self.by_seq.get(&of)).copied() {
            self.by_seq.insert(event.seq, of);
            return self.part(Some(of), What::More, event, event.wire.to_vec());
        }
        let place = self.cues.commands.len();
        self.by_seq.insert(event.seq, place);
        self.open.push(place);
        self.anew = None;
        let login = (self.cues.spec.renew.login)(command);
        if let Some(user) = crate::proto::renew::argument(command, "user") {
            self.cues.user.get_or_insert(user);
        }
        self.cues.commands.push(Asked {
            command: command.clone(),
            statuses: Vec::new(),
            teaching: Vec::new(),
            go_aheads: 0,
            hidden: event.redacted.then_some(event.seq),
        });
        let what = login.map_or(What::Command, |login| {
            self.cues.logins.push(login.clone());
            self.anew = Some(place);
            What::Login(login)
        });
        self.part(Some(place), what, event, event.wire.to_vec());
    }

    fn content(&mut self, content: &Content, event: &Event<'_>) {
        let of = self.by_seq.get(&content.of).copied();
        let mut wire = event.wire.to_vec();
        if let Some(elided) = content.elided.filter(|&elided| elided > 0) {
            let before = usize::try_from(content.bytes.saturating_sub(elided).saturating_sub(self.kept));
            let at = before.unwrap_or(usize::MAX).min(wire.len());
            if self.said + elided > SAID_MAX {
                return self.cut(&format!("a content of {} bytes begins there", content.bytes));
            }
            let end = wire.split_off(at);
            let fresh = self.kept == 0 && at == 0;
            wire.extend(filler(usize::try_from(elided).unwrap_or(usize::MAX), fresh));
            wire.extend(end);
            self.cues.filled += elided;
        }
        self.kept = if content.last { 0 } else { content.bytes };
        self.part(of, What::Content, event, wire);
    }

    fn part(&mut self, of: Option<usize>, what: What, event: &Event<'_>, wire: Vec<u8>) {
        if self.anew.is_some() && self.anew == of && matches!(what, What::More | What::Content) {
            // A login whose parts come as literals is said in one line; what it waited for is not waited for.
            self.waits.clear();
            return;
        }
        if event.redacted && !matches!(what, What::Command | What::Login(_) | What::Response) {
            return self.cut(SECRET);
        }
        self.said += wire.len() as u64;
        if self.said > SAID_MAX {
            return self.cut(&format!("the client said more than {} MiB until there", SAID_MAX >> 20));
        }
        let thought_us = self.since.map_or(0, |since| event.at.since(since));
        self.since = Some(event.at);
        let waits = std::mem::take(&mut self.waits);
        // Stretches of one content are said as one.
        if what == What::Content
            && waits.is_empty()
            && let Some(last) = self.cues.parts.last_mut()
            && last.what == What::Content
            && last.of == of
            && thought_us == 0
        {
            last.wire.extend(wire);
            return;
        }
        self.cues.parts.push(Part { of, what, wire, waits, in_tls: self.in_tls, thought_us });
    }

    fn reply(&mut self, reply: &Reply, event: &Event<'_>) {
        let named = reply.answers.or(reply.continues).and_then(|of| self.by_seq.get(&of)).copied();
        let Some(place) = named.or(self.open.first().copied()) else { return };
        self.by_seq.insert(event.seq, place);
        let Some(asked) = self.cues.commands.get_mut(place) else { return };
        if !reply.values.is_empty() {
            asked.teaching.push(reply.clone());
        }
        if reply.answers.is_some() {
            asked.statuses.push(reply.status.clone());
            let count = u32::try_from(asked.statuses.len()).unwrap_or(u32::MAX);
            self.open.retain(|&open| open != place);
            self.heard(event, Wait::Done(place, count));
        } else if (self.cues.spec.renew.waits)(&asked.command) && reply.continues.is_none() && reply.data.is_some() {
            let before = self.waits.iter().rev().find_map(|wait| match wait {
                Wait::News(of, count) if *of == place => Some(*count),
                _ => None,
            });
            self.heard(event, Wait::News(place, before.unwrap_or(0) + 1));
        }
    }
}

/// So many bytes that could be a message, or the rest of one.
fn filler(bytes: usize, fresh: bool) -> Vec<u8> {
    const HEAD: &[u8] = b"Subject: filled by mailtap\r\n\r\n";
    const LINE: &[u8] = b"This text stands for a message that was not recorded; it has the same size.\r\n";
    let mut text = Vec::with_capacity(bytes);
    if fresh && bytes > HEAD.len() {
        text.extend_from_slice(HEAD);
    }
    while text.len() < bytes {
        let room = (bytes - text.len()).min(LINE.len());
        text.extend_from_slice(LINE.get(..room).unwrap_or(LINE));
    }
    // Whatever ends it must find a line's end before it.
    if let Some(end) = bytes.checked_sub(2).and_then(|from| text.get_mut(from..)) {
        end.copy_from_slice(b"\r\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::filler;

    #[test]
    fn a_filler_has_its_size_and_ends_its_line() {
        for bytes in [0, 1, 2, 3, 30, 31, 100, 5000] {
            for fresh in [false, true] {
                let text = filler(bytes, fresh);
                assert_eq!(text.len(), bytes);
                assert!(bytes < 2 || text.ends_with(b"\r\n"));
                assert!(!text.windows(3).any(|three| three == b"\n.\r"));
            }
        }
    }
}
