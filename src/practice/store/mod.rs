//! One account's mail: its mailboxes by name, its subscriptions and its quota.
//! Takes mailbox names in UTF-8 with `/` between levels; gives shared [`Mailbox`]es and the reasons why not.
//! It does not know protocols, sequence numbers or who is connected.

mod disk;
mod flags;
mod keep;
mod lines;
mod mailbox;
mod maildir;
mod names;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fmt, fs, io};

pub use flags::{Flags, System};
pub use mailbox::{Addition, Change, FlagChange, Mailbox};
pub use names::SEPARATOR;
pub use names::{from_modified_utf7, to_modified_utf7};
pub use state::Facts;

use disk::Lock;
use keep::{Keep, Memory};
use maildir::Maildir;

/// The mailboxes every account starts with, and the special use of each (RFC 6154).
pub const SPECIAL: [(&str, &str); 5] =
    [("Archive", "\\Archive"), ("Drafts", "\\Drafts"), ("Junk", "\\Junk"), ("Sent", "\\Sent"), ("Trash", "\\Trash")];

/// The file of a Maildir that lists the subscriptions, a name a line (as other servers write it).
const SUBSCRIPTIONS: &str = "subscriptions";

/// A folder changed so recently may change again without its time telling.
const TICK: Duration = Duration::from_secs(1);

/// What bounds one account.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Octets of one message.
    pub message: u64,
    /// Octets of all messages of the account.
    pub quota: u64,
    /// Messages in one mailbox.
    pub messages: usize,
    /// Mailboxes of the account, and names subscribed to.
    pub mailboxes: usize,
}

/// Why the store refused.
#[derive(Debug)]
pub enum Refusal {
    NoMailbox,
    Exists,
    /// The name cannot be one; the text says why.
    Name(&'static str),
    /// A bound on numbers; the text says which.
    Limit(&'static str),
    OverQuota,
    TooBig,
    Inbox,
    /// A mailbox cannot be moved to below itself.
    Below,
    Io(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Refusal::Io(error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NoMailbox => f.write_str("Mailbox doesn't exist"),
            Refusal::Exists => f.write_str("Mailbox already exists"),
            Refusal::Name(why) | Refusal::Limit(why) => f.write_str(why),
            Refusal::OverQuota => f.write_str("Quota exceeded (mailbox for user is full)"),
            Refusal::TooBig => f.write_str("Message is too big"),
            Refusal::Inbox => f.write_str("INBOX can't be deleted or replaced"),
            Refusal::Below => f.write_str("Can't rename a mailbox to below itself"),
            Refusal::Io(error) => write!(f, "Storage failed: {error}"),
        }
    }
}

/// All mail of one account.
#[derive(Debug)]
pub struct Store {
    inner: Mutex<Inner>,
    root: Option<PathBuf>,
    bounds: Bounds,
    used: Arc<AtomicU64>,
    validity: AtomicU32,
    /// Kept while the store is.
    _lock: Option<Lock>,
}

#[derive(Debug, Default)]
struct Inner {
    boxes: BTreeMap<String, Arc<Mailbox>>,
    subscriptions: BTreeSet<String>,
    /// When the folder of the account was changed last, at the last look. None: look again.
    looked: Option<SystemTime>,
}

impl Store {
    /// Opens the account's mail: in memory, or in the Maildir `root` (made when it is not there), whose folders follow
    /// the Maildir++ layout. Errors: it cannot be made or read; another server has it.
    pub fn open(root: Option<PathBuf>, bounds: Bounds) -> io::Result<Self> {
        let lock = match &root {
            None => None,
            Some(root) => {
                disk::make_folder(root)?;
                Some(Lock::take(root)?)
            }
        };
        let store = Store {
            inner: Mutex::default(),
            root,
            bounds,
            used: Arc::default(),
            validity: AtomicU32::new(unix_now().clamp(1, i64::from(u32::MAX / 2)) as u32),
            _lock: lock,
        };
        store.load()?;
        Ok(store)
    }

    #[must_use]
    pub fn mailbox(&self, name: &str) -> Option<Arc<Mailbox>> {
        self.look().boxes.get(&names::normal(name)).cloned()
    }

    /// Where mail arrives. It is made when the store is opened and cannot be deleted.
    pub fn inbox(&self) -> Result<Arc<Mailbox>, Refusal> {
        self.mailbox("INBOX").ok_or(Refusal::NoMailbox)
    }

    /// Every mailbox's name, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.look().boxes.keys().cloned().collect()
    }

    #[must_use]
    pub fn subscriptions(&self) -> BTreeSet<String> {
        self.lock().subscriptions.clone()
    }

    /// Octets left in the account's quota.
    #[must_use]
    pub fn room(&self) -> u64 {
        self.bounds.quota.saturating_sub(self.used.load(Ordering::Relaxed))
    }

    #[must_use]
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    pub fn create(&self, name: &str) -> Result<(), Refusal> {
        let name = names::normal(name.strip_suffix(names::SEPARATOR).unwrap_or(name));
        names::check(&name)?;
        let mut inner = self.look();
        if inner.boxes.contains_key(&name) {
            return Err(Refusal::Exists);
        }
        if inner.boxes.len() >= self.bounds.mailboxes {
            return Err(Refusal::Limit("Too many mailboxes"));
        }
        let made = self.make(&name)?;
        inner.boxes.insert(name, made);
        Ok(())
    }

    pub fn delete(&self, name: &str) -> Result<(), Refusal> {
        let name = names::normal(name);
        if name == names::INBOX {
            return Err(Refusal::Inbox);
        }
        let mut inner = self.look();
        inner.boxes.get(&name).ok_or(Refusal::NoMailbox)?.destroy()?;
        inner.boxes.remove(&name);
        Ok(())
    }

    /// Renames a mailbox and all below it. Renaming INBOX moves its messages and leaves it empty (RFC 3501, 6.3.5).
    pub fn rename(&self, from: &str, to: &str) -> Result<(), Refusal> {
        let (from, to) = (names::normal(from), names::normal(to));
        names::check(&to)?;
        if from == names::INBOX {
            return self.empty_inbox_into(&to);
        }
        let mut inner = self.look();
        let below = format!("{from}{}", names::SEPARATOR);
        let moving: Vec<(String, String)> = inner
            .boxes
            .keys()
            .filter(|name| **name == from || name.starts_with(&below))
            .map(|name| (name.clone(), format!("{to}{}", &name[from.len()..])))
            .collect();
        if moving.is_empty() {
            return Err(Refusal::NoMailbox);
        }
        if to.starts_with(&below) {
            return Err(Refusal::Below);
        }
        if moving.iter().any(|(_, new)| inner.boxes.contains_key(new)) {
            return Err(Refusal::Exists);
        }
        for (_, new) in &moving {
            names::check(new)?;
        }
        self.move_folders(&inner, &moving)?;
        for (old, new) in moving {
            if let Some(mailbox) = inner.boxes.remove(&old) {
                inner.boxes.insert(new, mailbox);
            }
        }
        Ok(())
    }

    pub fn subscribe(&self, name: &str, on: bool) -> Result<(), Refusal> {
        let name = names::normal(name);
        names::check(&name)?;
        let mut inner = self.lock();
        let mut names = inner.subscriptions.clone();
        if !on {
            names.remove(&name);
        } else if names.len() >= self.bounds.mailboxes {
            return Err(Refusal::Limit("Too many subscriptions"));
        } else {
            names.insert(name);
        }
        self.write_subscriptions(&names)?;
        inner.subscriptions = names;
        Ok(())
    }

    fn empty_inbox_into(&self, to: &str) -> Result<(), Refusal> {
        self.create(to)?;
        let (inbox, target) = (self.inbox()?, self.mailbox(to).ok_or(Refusal::NoMailbox)?);
        let uids: Vec<u32> = inbox.summary(|m| m.uids().collect());
        if let Err(refusal) = inbox.copy(&uids, &target) {
            // Nothing was renamed, so there is no mailbox of that name.
            let _ = self.delete(to);
            return Err(refusal);
        }
        inbox.expunge(&uids);
        Ok(())
    }

    fn load(&self) -> io::Result<()> {
        let mut inner = self.lock();
        self.find_folders(&mut inner)?;
        let listed = self.read_subscriptions()?;
        let is_new = listed.is_none() && inner.boxes.len() <= 1;
        for name in [names::INBOX].into_iter().chain(SPECIAL.map(|(name, _)| name)) {
            if !inner.boxes.contains_key(name) && (is_new || name == names::INBOX) {
                inner.boxes.insert(name.to_owned(), self.make(name)?);
            }
        }
        inner.subscriptions = match listed {
            Some(names) => names,
            // Who has not been asked yet wants to see everything.
            None => {
                let all = inner.boxes.keys().cloned().collect();
                self.write_subscriptions(&all)?;
                all
            }
        };
        Ok(())
    }

    /// The mailboxes as they are now: other programs may have made folders, or deleted some.
    fn look(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.lock();
        if let Err(error) = self.find_folders(&mut inner) {
            tracing::warn!(%error, "a folder that another program made cannot be opened");
        }
        inner
    }

    /// Takes in the folders that are there, as far as they can be opened, and lets go of those that are not.
    fn find_folders(&self, inner: &mut Inner) -> io::Result<()> {
        let Some(root) = &self.root else { return Ok(()) };
        let changed = fs::metadata(root)?.modified()?;
        if inner.looked == Some(changed) {
            return Ok(());
        }
        let found = maildir::folders(root)?;
        inner.boxes.retain(|name, mailbox| {
            let is_there = name == names::INBOX || found.contains(name);
            if !is_there {
                mailbox.vanish();
            }
            is_there
        });
        let mut failed = Ok(());
        for name in found {
            if inner.boxes.contains_key(&name) || inner.boxes.len() >= self.bounds.mailboxes {
                continue;
            }
            match self.make(&name) {
                Ok(mailbox) => _ = inner.boxes.insert(name, mailbox),
                Err(error) => failed = Err(error),
            }
        }
        inner.looked = Some(changed).filter(|at| at.elapsed().is_ok_and(|age| age > TICK));
        failed
    }

    /// Moves all or none.
    fn move_folders(&self, inner: &Inner, moving: &[(String, String)]) -> io::Result<()> {
        let to = |mailbox: &str, name: &str| match inner.boxes.get(mailbox) {
            Some(mailbox) => mailbox.rename(self.folder(name)),
            None => Ok(()),
        };
        for (n, (old, new)) in moving.iter().enumerate() {
            let Err(error) = to(old, new) else { continue };
            for (old, _) in &moving[..n] {
                if let Err(error) = to(old, old) {
                    tracing::warn!(%error, name = old, "a folder could not be moved back");
                }
            }
            return Err(error);
        }
        Ok(())
    }

    /// None: nobody has chosen yet.
    fn read_subscriptions(&self) -> io::Result<Option<BTreeSet<String>>> {
        let Some(root) = &self.root else { return Ok(None) };
        match fs::read(root.join(SUBSCRIPTIONS)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            listed => {
                let listed = listed?;
                let names = listed.split(|byte| *byte == b'\n').filter_map(from_modified_utf7);
                Ok(Some(names.filter(|name| !name.is_empty()).collect()))
            }
        }
    }

    fn write_subscriptions(&self, names: &BTreeSet<String>) -> io::Result<()> {
        let Some(root) = &self.root else { return Ok(()) };
        let lines: String = names.iter().map(|name| to_modified_utf7(name) + "\n").collect();
        disk::replace(&root.join(SUBSCRIPTIONS), lines.as_bytes())
    }

    fn make(&self, name: &str) -> io::Result<Arc<Mailbox>> {
        // A mailbox deleted and made again must not look like the old one, so no two share a validity.
        let validity = self.validity.fetch_add(1, Ordering::Relaxed);
        let keep: Box<dyn Keep> = match self.folder(name) {
            None => Box::new(Memory),
            Some(folder) => Box::new(Maildir::open(folder, name == names::INBOX)?),
        };
        Ok(Arc::new(Mailbox::open(keep, validity, self.bounds, self.used.clone())?))
    }

    fn folder(&self, name: &str) -> Option<PathBuf> {
        self.root.as_ref().map(|root| maildir::folder(root, name))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Seconds since 1970, UTC.
#[must_use]
pub fn unix_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
