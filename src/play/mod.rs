//! Played servers at work: each client that is accepted gets one, which speaks at its time.
//! Takes recordings and how they are to be played, gives servers to `net` and a report.
//! Does not know what is said; that is `replay`'s work.

mod load;
mod server;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::Notify;
use tokio::time::Instant;

pub use self::load::{Loaded, load, routes};
pub use self::server::{Running, Server, StartError};
use crate::event::Note;
use crate::findings;
use crate::net::{PLAYED_BUFFER, Played, PlayedServer};
use crate::proto::Trouble;
use crate::replay::casting::Casting;
use crate::replay::matching::Match;
use crate::replay::report::Report;
use crate::replay::scram::Login;
use crate::replay::script::Script;
use crate::replay::server::{Act, Player};
use crate::route::Route;

/// How many things a played server may have to say before it listens on. A command leads to some tens.
const ACTS_MAX: usize = 10_000;

/// How much of a client is read at a time, bytes.
const BLOCK: usize = 64 * 1024;

/// How long a client may take to leave when its server has: it has nothing to do any more but to read.
const LEAVE_FOR: Duration = Duration::from_secs(5);

/// How fast a recording is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// So many times as fast as it was recorded.
    Times(f64),
    /// Without any wait.
    Max,
}

impl Speed {
    pub const ORIGINAL: Speed = Speed::Times(1.0);

    /// `original`, `max`, or a number above 0.
    ///
    /// # Errors
    /// Says what may be written.
    pub fn parse(text: &str) -> Result<Speed, String> {
        match text {
            "original" => Ok(Speed::ORIGINAL),
            "max" => Ok(Speed::Max),
            number => match number.parse::<f64>() {
                Ok(times) if times.is_finite() && times > 0.0 => Ok(Speed::Times(times)),
                _ => Err("write original, max, or a number above 0: 2 is twice as fast as recorded".to_owned()),
            },
        }
    }

    fn wait(self, recorded_us: u64) -> Duration {
        match self {
            Speed::Max => Duration::ZERO,
            #[allow(clippy::cast_precision_loss)]
            Speed::Times(times) => {
                let seconds = recorded_us as f64 / 1e6 / times;
                Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).min(WAIT_MAX)
            }
        }
    }
}

/// The longest wait, so that it can be added to any time: nothing recorded is longer, and nobody waits for it.
const WAIT_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// How recordings are played.
#[derive(Clone)]
pub struct Plan {
    pub mode: Match,
    pub speed: Speed,
    /// Recordings that have been played are played again.
    pub again: bool,
    /// Who is let in by a mechanism in which the server has to know the password.
    pub login: Option<Login>,
}

/// Plays the servers of some recordings.
pub struct Stage {
    plan: Plan,
    inner: Arc<Inner>,
}

struct Inner {
    casting: Arc<Mutex<Casting>>,
    next: Mutex<u64>,
    /// A client has gone, or something differed.
    changed: Notify,
}

impl Stage {
    #[must_use]
    pub fn new(scripts: Vec<Script>, plan: Plan) -> Stage {
        let casting = Arc::new(Mutex::new(Casting::new(scripts, plan.mode, plan.again)));
        Stage { plan, inner: Arc::new(Inner { casting, next: Mutex::new(0), changed: Notify::new() }) }
    }

    /// Waits until every recording was played to its end; and only for a difference, where nothing may differ.
    pub async fn over(&self, once: bool) {
        loop {
            let changed = self.inner.changed.notified();
            {
                let casting = lock(&self.inner.casting);
                if casting.has_failed() || (once && casting.is_over()) {
                    return;
                }
            }
            changed.await;
        }
    }

    #[must_use]
    pub fn report(&self) -> Report {
        lock(&self.inner.casting).report()
    }
}

impl Played for Stage {
    fn server(&self, client: SocketAddr, route: &Route) -> PlayedServer {
        let (ours, theirs) = duplex(PLAYED_BUFFER);
        let (notes, told) = channel();
        let upgraded = Arc::new(Notify::new());
        let id = {
            let mut next = lock(&self.inner.next);
            *next += 1;
            *next
        };
        let scheme = crate::proto::scheme(route.client.scheme).map(|(_, scheme)| scheme);
        let script = scheme.and_then(|scheme| lock(&self.inner.casting).join(id, scheme));
        let Some(script) = script else {
            let text = "every recording has been played; --loop plays them again";
            tracing::warn!(%client, "{text}");
            let line = (route.spec.trouble)(Trouble::Unreachable, &format!("mailtap replay: {text}"));
            let _ = notes.send(findings::REPLAY_OVER.note(text));
            tokio::spawn(async move {
                let mut theirs = theirs;
                // A client that has gone already does not mind.
                let _ = theirs.write_all(&line).await;
                let _ = theirs.shutdown().await;
                let _ = tokio::io::copy(&mut theirs, &mut tokio::io::sink()).await;
            });
            return PlayedServer { stream: ours, of: None, notes: told, upgraded };
        };
        let of = Some(script.of.clone());
        let mut acts = Vec::new();
        let player = Player::new(id, &script, Arc::clone(&self.inner.casting), self.plan.login.clone(), &mut acts);
        let act = Actor {
            player,
            stream: theirs,
            acts: VecDeque::new(),
            said: 0,
            sending: Vec::new(),
            sent: 0,
            due: Instant::now(),
            speed: self.plan.speed,
            upgraded: Arc::clone(&upgraded),
            id,
            of: script.of.clone(),
            notes,
        };
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move {
            act.run(acts, &inner).await;
            lock(&inner.casting).leave(id);
            inner.changed.notify_waiters();
        });
        PlayedServer { stream: ours, of, notes: told, upgraded }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A player on its end of a connection.
struct Actor {
    player: Player,
    stream: DuplexStream,
    acts: VecDeque<Act>,
    /// How many bytes of the first of them have been taken to be sent.
    said: usize,
    sending: Vec<u8>,
    sent: usize,
    /// When the next thing is to be said.
    due: Instant,
    speed: Speed,
    upgraded: Arc<Notify>,
    /// Among those who play at a time.
    id: u64,
    /// The recording that it plays, as far as it was told.
    of: String,
    notes: Sender<Note>,
}

impl Actor {
    async fn run(mut self, first: Vec<Act>, inner: &Inner) {
        let mut block = vec![0; BLOCK];
        let mut listens = true;
        self.take(first);
        loop {
            // Whatever is due goes out before more is heard, as long as the client takes it.
            if self.sent == self.sending.len() {
                self.take_due();
            }
            if self.acts.is_empty() && self.player.pauses() {
                let mut acts = Vec::new();
                self.player.resume(&mut acts);
                self.heard(acts, inner);
                continue;
            }
            let writes = self.sent < self.sending.len();
            let next = self.acts.front();
            if !writes && !listens && next.is_none() {
                break;
            }
            if !writes && matches!(next, Some(Act::Close)) {
                let _ = self.stream.shutdown().await;
                self.acts.clear();
                if !listens {
                    break;
                }
                // Until the client has gone as well: an end with bytes unread would look like a broken connection. One
                // that never goes does not keep its recording from being over.
                let mut nowhere = tokio::io::sink();
                let _ = tokio::time::timeout(LEAVE_FOR, tokio::io::copy(&mut self.stream, &mut nowhere)).await;
                break;
            }
            let upgrades = !writes && matches!(next, Some(Act::StartTls));
            let waits = !writes && matches!(next, Some(Act::Send { .. }));
            let listens_now = listens && self.acts.len() < ACTS_MAX && !self.player.pauses();
            let (mut reader, mut writer) = tokio::io::split(&mut self.stream);
            tokio::select! {
                biased;
                written = writer.write(self.sending.get(self.sent..).unwrap_or_default()), if writes => match written {
                    Ok(written @ 1..) => self.sent += written,
                    _ => break,
                },
                () = tokio::time::sleep_until(self.due), if waits => {}
                () = self.upgraded.notified(), if upgrades => {
                    self.acts.pop_front();
                    self.set_due();
                }
                read = reader.read(&mut block), if listens_now => match read {
                    Ok(read @ 1..) => {
                        let mut acts = Vec::new();
                        self.player.client(block.get(..read).unwrap_or_default(), &mut acts);
                        self.heard(acts, inner);
                    }
                    _ => {
                        // Who has left does not wait for anything.
                        listens = false;
                        self.speed = Speed::Max;
                        self.due = Instant::now();
                        if self.acts.iter().any(|act| *act == Act::StartTls) {
                            break;
                        }
                    }
                },
            }
        }
        // Whoever waits for the end of this side sees it now.
        let _ = self.stream.shutdown().await;
    }

    /// The player has heard the client, and this comes of it.
    fn heard(&mut self, acts: Vec<Act>, inner: &Inner) {
        self.take(acts);
        self.tell_of(inner);
        if lock(&inner.casting).has_failed() {
            inner.changed.notify_waiters();
        }
    }

    /// Notes which recording is played, where what the client said has led to another one.
    fn tell_of(&mut self, inner: &Inner) {
        let plays = lock(&inner.casting).plays(self.id);
        if let Some(plays) = plays.filter(|plays| plays.of != self.of) {
            let text = format!("what this client said led to another recording, {}", plays.of);
            self.of.clone_from(&plays.of);
            // The session takes it when it ends.
            let _ = self.notes.send(findings::REPLAY_OF.note(text));
        }
    }

    fn take(&mut self, acts: Vec<Act>) {
        let idle = self.acts.is_empty();
        self.acts.extend(acts);
        if idle {
            self.set_due();
        }
    }

    /// From now on the next thing waits for its time.
    fn set_due(&mut self) {
        if let Some(Act::Send { wait_us, .. }) = self.acts.front() {
            self.due = Instant::now() + self.speed.wait(*wait_us);
        }
    }

    /// Takes what is due by now, up to a block of it, so that waits shorter than the timer's step add up to no more than
    /// they are.
    fn take_due(&mut self) {
        self.sending.clear();
        self.sent = 0;
        let now = Instant::now();
        while let Some(Act::Send { bytes, .. }) = self.acts.front()
            && self.due <= now
            && self.sending.len() < BLOCK
        {
            let rest = bytes.get(self.said..).unwrap_or_default();
            let part = rest.get(..BLOCK - self.sending.len()).unwrap_or(rest);
            self.sending.extend_from_slice(part);
            self.said += part.len();
            if part.len() == rest.len() {
                self.acts.pop_front();
                self.said = 0;
                if let Some(Act::Send { wait_us, .. }) = self.acts.front() {
                    self.due += self.speed.wait(*wait_us);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_read_and_kept_to() {
        assert_eq!(Speed::parse("original").unwrap().wait(1500), Duration::from_micros(1500));
        assert_eq!(Speed::parse("2").unwrap().wait(1000), Duration::from_micros(500));
        assert_eq!(Speed::parse("max").unwrap().wait(u64::MAX), Duration::ZERO);
        assert_eq!(Speed::parse("1e-300").unwrap().wait(u64::MAX), WAIT_MAX);
        assert!(["0", "-1", "fast", "NaN", "inf"].into_iter().all(|text| Speed::parse(text).is_err()));
    }
}
