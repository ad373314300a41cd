//! One account's mail: its mailboxes by name, its subscriptions and its quota.
//! Takes mailbox names in UTF-8 with `/` between levels; gives shared [`Mailbox`]es and the reasons why not.
//! It does not know protocols, sequence numbers or who is connected.

mod flags;
mod keep;
mod mailbox;
mod maildir;
mod names;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fmt, fs, io};

pub use flags::{Flags, System};
pub use mailbox::{Addition, Change, FlagChange, Mailbox};
pub use names::SEPARATOR;
pub use names::{from_modified_utf7, to_modified_utf7};
pub use state::Facts;

use keep::{Keep, Memory};
use maildir::Maildir;

/// The mailboxes every account starts with, and the special use of each (RFC 6154).
pub const SPECIAL: [(&str, &str); 5] =
    [("Archive", "\\Archive"), ("Drafts", "\\Drafts"), ("Junk", "\\Junk"), ("Sent", "\\Sent"), ("Trash", "\\Trash")];

/// The file of a Maildir that lists the subscriptions, a name a line (as other servers write it).
const SUBSCRIPTIONS: &str = "subscriptions";

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
}

#[derive(Debug, Default)]
struct Inner {
    boxes: BTreeMap<String, Arc<Mailbox>>,
    subscriptions: BTreeSet<String>,
}

impl Store {
    /// Opens the account's mail: in memory, or in the Maildir `root` (made when it is not there), whose folders follow
    /// the Maildir++ layout.
    pub fn open(root: Option<PathBuf>, bounds: Bounds) -> io::Result<Self> {
        let store = Store {
            inner: Mutex::default(),
            root,
            bounds,
            used: Arc::default(),
            validity: AtomicU32::new(unix_now().clamp(1, i64::from(u32::MAX / 2)) as u32),
        };
        store.load()?;
        Ok(store)
    }

    #[must_use]
    pub fn mailbox(&self, name: &str) -> Option<Arc<Mailbox>> {
        self.lock().boxes.get(&names::normal(name)).cloned()
    }

    /// Where mail arrives. It is made when the store is opened and cannot be deleted.
    pub fn inbox(&self) -> Result<Arc<Mailbox>, Refusal> {
        self.mailbox("INBOX").ok_or(Refusal::NoMailbox)
    }

    /// Every mailbox's name, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.lock().boxes.keys().cloned().collect()
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
        let mut inner = self.lock();
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
        let mut inner = self.lock();
        let gone = inner.boxes.remove(&name).ok_or(Refusal::NoMailbox)?;
        Ok(gone.destroy()?)
    }

    /// Renames a mailbox and all below it. Renaming INBOX moves its messages and leaves it empty (RFC 3501, 6.3.5).
    pub fn rename(&self, from: &str, to: &str) -> Result<(), Refusal> {
        let (from, to) = (names::normal(from), names::normal(to));
        names::check(&to)?;
        if from == names::INBOX {
            return self.empty_inbox_into(&to);
        }
        let mut inner = self.lock();
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
        for (old, new) in moving {
            let Some(mailbox) = inner.boxes.remove(&old) else { continue };
            mailbox.rename(self.folder(&new))?;
            inner.boxes.insert(new, mailbox);
        }
        Ok(())
    }

    pub fn subscribe(&self, name: &str, on: bool) -> Result<(), Refusal> {
        let name = names::normal(name);
        names::check(&name)?;
        let mut inner = self.lock();
        if !on {
            inner.subscriptions.remove(&name);
        } else if inner.subscriptions.len() >= self.bounds.mailboxes {
            return Err(Refusal::Limit("Too many subscriptions"));
        } else {
            inner.subscriptions.insert(name);
        }
        let names = inner.subscriptions.iter().map(|n| to_modified_utf7(n) + "\n").collect::<String>();
        if let Some(root) = &self.root {
            fs::write(root.join(SUBSCRIPTIONS), names)?;
        }
        Ok(())
    }

    fn empty_inbox_into(&self, to: &str) -> Result<(), Refusal> {
        self.create(to)?;
        let (inbox, target) = (self.inbox()?, self.mailbox(to).ok_or(Refusal::NoMailbox)?);
        let uids: Vec<u32> = inbox.summary(|m| m.uids().collect());
        inbox.copy(&uids, &target)?;
        inbox.expunge(&uids);
        Ok(())
    }

    fn load(&self) -> io::Result<()> {
        let mut inner = self.lock();
        if let Some(root) = &self.root {
            fs::create_dir_all(root)?;
            for name in maildir::folders(root)? {
                let mailbox = self.make(&name)?;
                inner.boxes.insert(name, mailbox);
            }
            let listed = fs::read_to_string(root.join(SUBSCRIPTIONS)).unwrap_or_default();
            inner.subscriptions = listed.lines().filter_map(|line| from_modified_utf7(line.as_bytes())).collect();
        }
        let fresh = inner.boxes.len() <= 1 && inner.subscriptions.is_empty();
        for name in [names::INBOX].into_iter().chain(SPECIAL.map(|(name, _)| name)) {
            if !inner.boxes.contains_key(name) && (fresh || name == names::INBOX) {
                inner.boxes.insert(name.to_owned(), self.make(name)?);
            }
            if fresh {
                inner.subscriptions.insert(name.to_owned());
            }
        }
        Ok(())
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
