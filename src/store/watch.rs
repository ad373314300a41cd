//! Waits until something changes in the folders of recordings.
//! Takes folders, gives the names of the files that were written to.
//! Does not know what the files say.

// Linux tells which file changed, so that ten thousand idle sessions cost nothing; notify and its like were not taken
// because rustix, which is here anyway, has the call. Elsewhere, and where the system refuses (too many watches), the
// folders are looked through instead.

use std::collections::{BTreeSet, HashMap};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::layout::{Layout, is_day};

/// How long looking through the folders waits before it looks again.
const LOOK_EVERY: Duration = Duration::from_millis(40);

/// Bytes for change notices: several hundred at once.
const NOTICES: usize = 32 * 1024;

/// What has changed since the last wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Changes {
    /// Names of recordings (`ID.jsonl`), and of day folders that are new.
    These { files: BTreeSet<String>, days: BTreeSet<String> },
    /// Not known: look.
    Anything,
}

#[derive(Debug)]
pub(super) struct Watch {
    layout: Layout,
    notices: Option<OwnedFd>,
    /// The day of each watch; empty for the folder above them.
    days: HashMap<i32, String>,
    /// Never asks the system.
    looks: bool,
}

impl Watch {
    pub(super) fn new(layout: &Layout) -> Watch {
        let mut watch = Watch { layout: layout.clone(), notices: None, days: HashMap::new(), looks: false };
        watch.start();
        watch
    }

    /// Looks again and again, and is told nothing.
    pub(super) fn looking(layout: &Layout) -> Watch {
        Watch { layout: layout.clone(), notices: None, days: HashMap::new(), looks: true }
    }

    fn start(&mut self) {
        let Ok(notices) = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC) else { return };
        let Ok(top) = inotify::add_watch(&notices, self.layout.sessions(), WatchFlags::CREATE) else { return };
        self.days = HashMap::from([(top, String::new())]);
        self.notices = Some(notices);
    }

    /// Watches the folder of a day as well.
    pub(super) fn day(&mut self, day: &str) {
        let Some(notices) = &self.notices else { return };
        let flags = WatchFlags::CREATE | WatchFlags::MODIFY | WatchFlags::MOVED_TO;
        match inotify::add_watch(notices, self.layout.day(day), flags) {
            Ok(watch) => drop(self.days.insert(watch, day.to_owned())),
            Err(Errno::NOENT) => {}
            Err(_) => self.notices = None,
        }
    }

    /// Waits for a change, at most for `limit`.
    pub(super) fn wait(&mut self, limit: Duration) -> Changes {
        let Some(notices) = &self.notices else {
            thread::sleep(LOOK_EVERY.min(limit));
            if !self.looks {
                self.start();
            }
            return Changes::Anything;
        };
        let limit = Timespec::try_from(limit).ok();
        let _ = poll(&mut [PollFd::new(notices, PollFlags::IN)], limit.as_ref());
        let (mut files, mut days) = (BTreeSet::new(), BTreeSet::new());
        let mut room = [MaybeUninit::uninit(); NOTICES];
        let mut reader = inotify::Reader::new(notices, &mut room);
        while let Ok(notice) = reader.next() {
            if notice.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                return Changes::Anything;
            }
            let Some(name) = notice.file_name().and_then(|name| name.to_str().ok()) else { continue };
            match self.days.get(&notice.wd()) {
                Some(day) if day.is_empty() && is_day(name) => drop(days.insert(name.to_owned())),
                Some(day) if !day.is_empty() => drop(files.insert(name.to_owned())),
                _ => {}
            }
        }
        Changes::These { files, days }
    }
}
