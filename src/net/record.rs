//! The recorder: from each session's lines to its file, by one thread for all.
//! Takes lines from sessions, which wait when the disk is slow; writes them in batches, and says what could not be.
//! Knows nothing of sockets, and of the lines only what a gap must name.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::event::{self, Body, Event, Gap, Origin, Seq, Side};
use crate::session::Log;
use crate::store::{Entry, Recording, Store};

/// How many bytes of lines may wait for the disk, a session. One more input is taken when there are fewer, so that
/// with the largest input (256 KiB, every byte escaped as six) a session holds at most 2 MiB.
const WAITING_MAX: usize = 512 * 1024;

/// From so many on they are written at once instead of being gathered.
const URGENT: usize = 128 * 1024;

/// How long lines are gathered before they are written. It is what a crash can cost, and `tail -f` may show an event
/// 100 ms after its bytes.
const GATHER: Duration = Duration::from_millis(3);

/// How many recordings are open at a time; the others are opened again when they grow. A process has often 1,024
/// descriptors in all.
const OPEN_MAX: usize = 256;

/// How many blocks of lines may wait for a slow terminal before some are left out there.
pub const LIVE_MAX: usize = 256;

/// Lines of a session as they are written, for whoever watches.
pub struct Live {
    pub session: Arc<str>,
    pub lines: Vec<u8>,
}

/// The handle on the writing thread.
pub struct Recorder {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    dirty: Mutex<Dirty>,
    wake: Condvar,
    stop: AtomicBool,
}

/// Sessions with lines to be written.
#[derive(Default)]
struct Dirty {
    tapes: Vec<Arc<Tape>>,
    /// One of them has so many that it will soon have to wait.
    urgent: bool,
}

/// One session's lines on their way to its file.
struct Tape {
    state: Mutex<State>,
}

struct State {
    entry: Entry,
    lines: Vec<u8>,
    /// Bytes of each side that these lines stand for.
    received: [u64; 2],
    queued: bool,
    urgent: bool,
    closed: bool,
    waker: Option<Waker>,
    file: File,
}

/// What the writing thread has of a session.
#[derive(Default)]
struct File {
    recording: Option<Recording>,
    open: bool,
    lost: Option<Lost>,
}

/// What could not be written since.
struct Lost {
    /// The lines that tell whose session it was and how it ended; they are kept, and written when they can be.
    open: Vec<u8>,
    close: Vec<u8>,
    first: Option<Seq>,
    at: event::Stamp,
    bytes: [u64; 2],
    why: String,
}

/// A session's end of the recorder.
pub struct Track {
    tape: Arc<Tape>,
    shared: Arc<Shared>,
}

impl Recorder {
    /// # Errors
    /// When no thread can be started.
    pub fn start(store: Store, live: Option<SyncSender<Live>>) -> std::io::Result<Recorder> {
        let shared = Arc::new(Shared { dirty: Mutex::default(), wake: Condvar::new(), stop: AtomicBool::new(false) });
        let writer = Writer { shared: Arc::clone(&shared), store, live, open: VecDeque::new(), troubled: Vec::new() };
        let thread = std::thread::Builder::new().name("recorder".to_owned()).spawn(move || writer.run())?;
        Ok(Recorder { shared, thread: Mutex::new(Some(thread)) })
    }

    /// A new session's track.
    #[must_use]
    pub fn track(&self, entry: Entry) -> Track {
        let state = State {
            entry,
            lines: Vec::new(),
            received: [0; 2],
            queued: false,
            urgent: false,
            closed: false,
            waker: None,
            file: File::default(),
        };
        Track { tape: Arc::new(Tape { state: Mutex::new(state) }), shared: Arc::clone(&self.shared) }
    }

    /// Writes what is waiting, then ends.
    pub fn finish(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.wake.notify_one();
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}

impl Track {
    /// The log to write into. While it is held, nothing of this session is written.
    #[must_use]
    pub fn log(&self) -> Pen<'_> {
        Pen { state: lock(&self.tape.state), track: self }
    }

    /// Whether there is room for what one more input can give. If not, the task is woken when there is.
    #[must_use]
    pub fn has_room(&self, cx: &Context<'_>) -> bool {
        let mut state = lock(&self.tape.state);
        if state.lines.len() < WAITING_MAX {
            return true;
        }
        state.waker = Some(cx.waker().clone());
        false
    }

    /// The session has ended.
    pub fn close(self) {
        let mut state = lock(&self.tape.state);
        state.closed = true;
        self.queue(&mut state);
    }

    fn queue(&self, state: &mut State) {
        let urgent = state.lines.len() >= URGENT && !std::mem::replace(&mut state.urgent, true);
        let queued = std::mem::replace(&mut state.queued, true);
        if queued && !urgent {
            return;
        }
        let mut dirty = lock(&self.shared.dirty);
        if !queued {
            dirty.tapes.push(Arc::clone(&self.tape));
        }
        dirty.urgent |= urgent;
        if urgent || dirty.tapes.len() == 1 {
            self.shared.wake.notify_one();
        }
    }
}

/// Writes events as lines into a session's track.
pub struct Pen<'t> {
    state: MutexGuard<'t, State>,
    track: &'t Track,
}

impl Log for Pen<'_> {
    fn event(&mut self, event: &Event<'_>) {
        event::write_line(event, &mut self.state.lines);
        self.state.entry.observe(event);
        self.track.queue(&mut self.state);
    }

    fn received(&mut self, from: Side, bytes: u64) {
        let [client, server] = &mut self.state.received;
        *(if from == Side::Client { client } else { server }) += bytes;
    }
}

/// The writing thread.
struct Writer {
    shared: Arc<Shared>,
    store: Store,
    live: Option<SyncSender<Live>>,
    /// Sessions whose file is open, the longest open first.
    open: VecDeque<Arc<Tape>>,
    /// Closed sessions whose last lines could not be written yet.
    troubled: Vec<Arc<Tape>>,
}

/// How often the end of a session is tried to be written on a disk that is full.
const RETRY: Duration = Duration::from_secs(1);

/// How many ended sessions wait for a disk that is full.
const TROUBLED_MAX: usize = 10_000;

impl Writer {
    fn run(mut self) {
        let mut spare = Vec::new();
        loop {
            let stopping = self.shared.stop.load(Ordering::Acquire);
            let batch = self.gather(stopping);
            for tape in &batch {
                self.write(tape, &mut spare);
            }
            for tape in std::mem::take(&mut self.troubled) {
                self.write(&tape, &mut spare);
            }
            if stopping && batch.is_empty() {
                return;
            }
        }
    }

    /// Waits for something to write, and a moment more for what comes with it.
    fn gather(&self, stopping: bool) -> Vec<Arc<Tape>> {
        let mut dirty = lock(&self.shared.dirty);
        while dirty.tapes.is_empty() && !stopping && !self.shared.stop.load(Ordering::Acquire) {
            if self.troubled.is_empty() {
                dirty = self.shared.wake.wait(dirty).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let waited = self.shared.wake.wait_timeout(dirty, RETRY).unwrap_or_else(PoisonError::into_inner);
            dirty = waited.0;
            if waited.1.timed_out() {
                break;
            }
        }
        let since = Instant::now();
        while !stopping && !dirty.urgent {
            let Some(left) = GATHER.checked_sub(since.elapsed()) else { break };
            dirty = self.shared.wake.wait_timeout(dirty, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        dirty.urgent = false;
        std::mem::take(&mut dirty.tapes)
    }

    fn write(&mut self, tape: &Arc<Tape>, spare: &mut Vec<u8>) {
        let mut state = lock(&tape.state);
        state.queued = false;
        state.urgent = false;
        spare.clear();
        std::mem::swap(&mut state.lines, spare);
        let received = std::mem::take(&mut state.received);
        let closed = state.closed;
        let mut file = std::mem::take(&mut state.file);
        let entry = state.entry.clone();
        // The session may go on while its lines are written.
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
        drop(state);
        let written = self.put(tape, &entry, &mut file, spare);
        if let Err(error) = written {
            lose(&mut file, spare, received, &error, &entry.session);
        }
        self.show(&entry, spare);
        let ended = closed && file.lost.is_none();
        if ended {
            if let Err(error) = self.store.closed(&entry) {
                tracing::warn!(session = entry.session, %error, "the index could not be written");
            }
            file = File::default();
            self.open.retain(|other| !Arc::ptr_eq(other, tape));
        } else if closed && self.troubled.len() < TROUBLED_MAX && !self.shared.stop.load(Ordering::Acquire) {
            self.troubled.push(Arc::clone(tape));
        }
        lock(&tape.state).file = file;
        // A block of content can be large; what idle sessions cost is counted.
        if spare.capacity() > 2 * WAITING_MAX {
            *spare = Vec::new();
        }
    }

    fn put(&mut self, tape: &Arc<Tape>, entry: &Entry, file: &mut File, lines: &[u8]) -> std::io::Result<()> {
        if file.recording.is_none() {
            file.recording = Some(self.store.create(entry)?);
        }
        if !std::mem::replace(&mut file.open, true) {
            self.open.push_back(Arc::clone(tape));
            self.park_longest_open();
        }
        let Some(recording) = &mut file.recording else { return Ok(()) };
        if let Some(lost) = &file.lost {
            recording.append(&gap_lines(lost))?;
            file.lost = None;
        }
        if lines.is_empty() { Ok(()) } else { recording.append(lines) }
    }

    fn park_longest_open(&mut self) {
        while self.open.len() > OPEN_MAX {
            let Some(tape) = self.open.pop_front() else { return };
            let file = &mut lock(&tape.state).file;
            file.open = false;
            if let Some(recording) = &mut file.recording {
                recording.park();
            }
        }
    }

    fn show(&self, entry: &Entry, lines: &[u8]) {
        if let (Some(live), false) = (&self.live, lines.is_empty()) {
            let block = Live { session: entry.session.as_str().into(), lines: lines.to_vec() };
            if live.try_send(block).is_err() {
                tracing::debug!(session = entry.session, "the terminal is too slow; lines are left out there");
            }
        }
    }
}

/// Counts what is lost: mail flows on.
fn lose(file: &mut File, lines: &[u8], received: [u64; 2], error: &std::io::Error, session: &str) {
    if file.lost.is_none() {
        tracing::error!(session, %error, "the recording cannot be written; mail flows on, and a gap will say what is missing");
    }
    for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let Ok(event) = Event::from_json(line) else { continue };
        let lost = file.lost.get_or_insert_with(|| Lost {
            open: Vec::new(),
            close: Vec::new(),
            first: None,
            at: event.at,
            bytes: [0; 2],
            why: format!("the recording could not be written: {error}"),
        });
        match &event.body {
            Body::Open(_) => {
                lost.open = [line, b"\n"].concat();
                continue;
            }
            Body::Close(_) => {
                lost.close = [line, b"\n"].concat();
                continue;
            }
            _ => {}
        }
        if lost.first.is_none() {
            (lost.first, lost.at) = (Some(event.seq), event.at);
        }
        // What went by unread is as much lost as what was read.
        if let Body::Gap(gap) = &event.body {
            let [client, server] = &mut lost.bytes;
            *(if gap.side == Side::Client.name() { client } else { server }) += gap.bytes;
        }
    }
    if let Some(lost) = &mut file.lost {
        lost.bytes.iter_mut().zip(received).for_each(|(bytes, received)| *bytes += received);
    }
}

/// An event for each side that lost bytes. They stand in the place of the lost ones, and take the first numbers.
fn gap_lines(lost: &Lost) -> Vec<u8> {
    let mut lines = lost.open.clone();
    let Some(mut seq) = lost.first else { return [lines, lost.close.clone()].concat() };
    let [client, server] = lost.bytes;
    let sides = [(Side::Client, client), (Side::Server, server)];
    for (side, bytes) in sides {
        if bytes == 0 && !(side == Side::Client && server == 0) {
            continue;
        }
        let gap = Gap { bytes, side: side.name().to_owned(), why: lost.why.clone() };
        let event = Event {
            seq,
            at: lost.at,
            from: Origin::Proxy,
            wire: Default::default(),
            redacted: false,
            body: Body::Gap(gap),
        };
        event::write_line(&event, &mut lines);
        seq += 1;
    }
    lines.extend_from_slice(&lost.close);
    lines
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
