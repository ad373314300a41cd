//! A mailbox as a Maildir that other programs can read and write at the same time (Maildir++ for folders).
//! Takes messages with CRLF and stores them with LF, as Maildirs have them; gives them back with CRLF.
//! It does not know sequence numbers, quotas or sessions.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::keep::{Body, Found, Incoming, Keep, Kept};
use super::lines::{size_with_crlf, with_crlf, with_lf};
use super::names::{INBOX, from_modified_utf7, to_modified_utf7};
use super::{Flags, TICK, disk, flags};

/// UIDs: a line with format, validity and next UID, then UID and base name of each message.
const UIDS: &str = "mailtap-uids";
/// Keywords: letter number and name, in the format Dovecot made common.
const KEYWORDS: &str = "dovecot-keywords";

/// The folder of a mailbox below the account's root.
#[must_use]
pub fn folder(root: &Path, name: &str) -> PathBuf {
    match name {
        INBOX => root.to_owned(),
        name => root.join(format!(".{}", to_modified_utf7(name).replace('/', "."))),
    }
}

/// The mailboxes whose folders are there.
pub fn folders(root: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    if root.join("cur").is_dir() {
        names.push(INBOX.to_owned());
    }
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let file = entry.file_name();
        let Some(file) = file.to_str().and_then(|f| f.strip_prefix('.')) else { continue };
        let name = from_modified_utf7(file.replace('.', "/").as_bytes());
        if let Some(name) = name
            && !file.is_empty()
            && entry.path().join("cur").is_dir()
        {
            names.push(name);
        }
    }
    Ok(names)
}

/// A message's file with every line end as CRLF.
pub fn read_message(path: &Path) -> io::Result<Arc<[u8]>> {
    Ok(Arc::from(with_crlf(&fs::read(path)?)))
}

/// After so long a message in `tmp` was left by a program that ended in the middle; https://cr.yp.to/proto/maildir.html
/// says 36 hours.
const ABANDONED: Duration = Duration::from_secs(36 * 3600);

#[derive(Debug)]
pub struct Maildir {
    root: PathBuf,
    is_inbox: bool,
    /// UID by base name (the file name up to the colon).
    uids: HashMap<String, u32>,
    /// When `new` and `cur` were changed last, at the last look. None: look again.
    looked: Option<(SystemTime, SystemTime)>,
}

impl Maildir {
    pub fn open(root: PathBuf, is_inbox: bool) -> io::Result<Self> {
        for part in ["tmp", "new", "cur"] {
            disk::make_folder(&root.join(part))?;
        }
        disk::sweep(&root.join("tmp"), ABANDONED, SystemTime::now())?;
        if !is_inbox {
            // Tells a Maildir++ folder from an account's root.
            disk::append(&root.join("maildirfolder"))?;
        }
        Ok(Maildir { root, is_inbox, uids: HashMap::new(), looked: None })
    }

    fn scan(&mut self, keywords: &[String]) -> io::Result<Vec<Found>> {
        let times = self.times()?;
        let mut found = Vec::new();
        for (part, fresh) in [("new", true), ("cur", false)] {
            for entry in fs::read_dir(self.root.join(part))? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with('.') || !entry.path().is_file() {
                    continue;
                }
                let base = base_in(&name);
                // Another program may have moved it since the folder was read: then the next look finds it.
                let Ok(facts) = entry.metadata() else { continue };
                let Ok(size) = size_of(base, &entry.path()) else { continue };
                let date = facts.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                found.push((
                    base.to_owned(),
                    Found {
                        uid: self.uids.get(base).copied(),
                        body: Body::File(entry.path()),
                        flags: Flags::from_letters(letters_of(&name), keywords),
                        date: date.map_or(0, |since| since.as_secs() as i64),
                        size,
                        fresh,
                    },
                ));
            }
        }
        let settled = |at: SystemTime| at.elapsed().is_ok_and(|age| age > TICK);
        self.looked = (settled(times.0) && settled(times.1)).then_some(times);
        // Base names begin with the time of delivery, so new mail is numbered in order of arrival.
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        // Moved from `new` to `cur` while they were read, a message was found twice.
        found.dedup_by(|(later, moved), (earlier, kept)| {
            let is_same = later == earlier;
            if is_same {
                std::mem::swap(moved, kept);
            }
            is_same
        });
        Ok(found.into_iter().map(|(_, found)| found).collect())
    }

    fn times(&self) -> io::Result<(SystemTime, SystemTime)> {
        let at = |part| fs::metadata(self.root.join(part)).and_then(|facts| facts.modified());
        Ok((at("new")?, at("cur")?))
    }

    fn write_keywords(&self, keywords: &[String]) -> io::Result<()> {
        let lines: String = keywords.iter().enumerate().map(|(n, keyword)| format!("{n} {keyword}\n")).collect();
        disk::replace(&self.root.join(KEYWORDS), lines.as_bytes())
    }

    fn read_keywords(&self) -> Vec<String> {
        let lines = fs::read_to_string(self.root.join(KEYWORDS)).unwrap_or_default();
        let names = lines.lines().filter_map(|line| line.split_once(' ')).map(|(_, name)| name.to_owned());
        names.take(flags::KEYWORDS).collect()
    }

    fn append_uid(&self, uid: u32, base: &str) -> io::Result<()> {
        writeln!(disk::append(&self.root.join(UIDS))?, "{uid} {base}")
    }

    /// Puts a message into `tmp`, under a name that says its sizes. Errors leave nothing behind.
    fn write(&self, message: &Incoming) -> io::Result<Written> {
        let name = |stored: u64, size: u64| {
            let base = unique_name(stored, size);
            Written { path: self.root.join("tmp").join(&base), base, size }
        };
        match &message.body {
            Body::Memory(bytes) => {
                let text = with_lf(bytes);
                let written = name(text.len() as u64, size_with_crlf(&text));
                let filled = disk::create(&written.path).and_then(|mut file| {
                    file.write_all(&text)?;
                    match message.fresh {
                        true => Ok(()),
                        false => file.set_modified(UNIX_EPOCH + Duration::from_secs(message.date.max(0) as u64)),
                    }
                });
                written.or_removed(filled).map(|(_, written)| written)
            }
            Body::File(path) => {
                let written = name(fs::metadata(path)?.len(), message.size);
                // Nobody changes a message's bytes, so two mailboxes can have one file between them, date included.
                let linked = fs::hard_link(path, &written.path).or_else(|error| match error.kind() {
                    io::ErrorKind::NotFound => Err(error),
                    _ => copy_file(path, &written.path),
                });
                written.or_removed(linked).map(|(_, written)| written)
            }
        }
    }

    /// Moves what stands in `tmp` to where it belongs.
    fn deliver(&self, uid: u32, message: &Incoming, written: &Written, keywords: &[String]) -> io::Result<PathBuf> {
        let base = &written.base;
        let path = match message.fresh {
            true => self.root.join("new").join(base),
            false => self.root.join("cur").join(format!("{base}:2,{}", message.flags.letters(keywords, ""))),
        };
        if !message.flags.keywords().is_empty() {
            self.write_keywords(keywords)?;
        }
        // The number is written first: a file without one would get a new one after a crash, a number without file is
        // passed over.
        self.append_uid(uid, base)?;
        fs::rename(&written.path, &path)?;
        Ok(path)
    }

    /// Where another program has moved a message to.
    fn find(&self, base: &str) -> io::Result<Option<PathBuf>> {
        for part in ["cur", "new"] {
            for entry in fs::read_dir(self.root.join(part))? {
                let path = entry?.path();
                if base_of(&path) == base {
                    return Ok(Some(path));
                }
            }
        }
        Ok(None)
    }
}

impl Keep for Maildir {
    fn load(&mut self, validity: u32) -> io::Result<Kept> {
        let text = fs::read_to_string(self.root.join(UIDS)).unwrap_or_default();
        let mut lines = text.lines();
        let header: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
        let field = |n: usize, mark| header.get(n).and_then(|f| f.strip_prefix(mark)?.parse::<u32>().ok());
        let kept_validity = field(1, 'V');
        let mut next = field(2, 'N').unwrap_or(1).max(1);
        for (uid, base) in lines.filter_map(|line| line.split_once(' ')) {
            let Ok(uid) = uid.parse::<u32>() else { continue };
            next = next.max(uid.saturating_add(1));
            self.uids.insert(base.to_owned(), uid);
        }
        let keywords = self.read_keywords();
        let mut found = self.scan(&keywords)?;
        let mut given = HashSet::new();
        for one in &mut found {
            // Of two messages that have one between them, the later gets a new one.
            one.uid = one.uid.filter(|uid| given.insert(*uid));
        }
        let mut lines = format!("1 V{} N{next}\n", kept_validity.unwrap_or(validity));
        let mut live = HashMap::new();
        for one in &found {
            if let (Some(uid), Body::File(path)) = (one.uid, &one.body) {
                let base = base_of(path);
                lines.push_str(&format!("{uid} {base}\n"));
                live.insert(base, uid);
            }
        }
        self.uids = live;
        disk::replace(&self.root.join(UIDS), lines.as_bytes())?;
        Ok(Kept { validity: kept_validity.or(Some(validity)), next, found, keywords })
    }

    fn add(&mut self, uid: u32, message: &Incoming, keywords: &[String]) -> io::Result<(Body, u64)> {
        let written = self.write(message)?;
        let path = self.deliver(uid, message, &written, keywords);
        let (path, written) = written.or_removed(path)?;
        self.uids.insert(written.base, uid);
        self.looked = None;
        Ok((Body::File(path), written.size))
    }

    fn set_flags(&mut self, body: &mut Body, flags: &Flags, keywords: &[String]) -> io::Result<()> {
        let Body::File(path) = body else { return Ok(()) };
        if !flags.keywords().is_empty() {
            self.write_keywords(keywords)?;
        }
        let (base, letters) = (base_of(path), flags.letters(keywords, letters_of(&name_of(path))));
        let to = self.root.join("cur").join(format!("{base}:2,{letters}"));
        if *path != to {
            fs::rename(&*path, &to)?;
            *path = to;
            self.looked = None;
        }
        Ok(())
    }

    fn remove(&mut self, body: &Body) -> io::Result<()> {
        let Body::File(path) = body else { return Ok(()) };
        let base = base_of(path);
        self.uids.remove(&base);
        self.looked = None;
        match fs::remove_file(path) {
            // It is gone, or another program has given it other flags.
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.find(&base)?.map_or(Ok(()), fs::remove_file),
            removed => removed,
        }
    }

    fn changed(&mut self, keywords: &[String]) -> io::Result<Option<Vec<Found>>> {
        if self.looked.is_some() && self.looked == Some(self.times()?) {
            return Ok(None);
        }
        let found = self.scan(keywords)?;
        // A file renamed while its folder is read may be found under neither name; the second look tells.
        let known = found.iter().filter(|one| one.uid.is_some()).count();
        match known < self.uids.len() {
            true => self.scan(keywords).map(Some),
            false => Ok(Some(found)),
        }
    }

    fn forget(&mut self, body: &Body) {
        if let Body::File(path) = body {
            self.uids.remove(&base_of(path));
        }
    }

    fn number(&mut self, uid: u32, body: &Body) -> io::Result<()> {
        let Body::File(path) = body else { return Ok(()) };
        let base = base_of(path);
        self.append_uid(uid, &base)?;
        self.uids.insert(base, uid);
        Ok(())
    }

    fn rename(&mut self, to: PathBuf) -> io::Result<Option<PathBuf>> {
        fs::rename(&self.root, &to)?;
        self.looked = None;
        Ok(Some(std::mem::replace(&mut self.root, to)))
    }

    fn destroy(&mut self) -> io::Result<()> {
        if self.is_inbox {
            // Its folder holds all others.
            return Ok(());
        }
        match fs::remove_dir_all(&self.root) {
            // Another program was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn is_shared(&self) -> bool {
        true
    }
}

/// A message in `tmp`.
struct Written {
    path: PathBuf,
    base: String,
    /// Octets with CRLF line ends.
    size: u64,
}

impl Written {
    /// Unless what was done with it was done, it is removed.
    fn or_removed<T>(self, done: io::Result<T>) -> io::Result<(T, Written)> {
        if done.is_err() {
            // It may not have been made.
            let _ = fs::remove_file(&self.path);
        }
        done.map(|done| (done, self))
    }
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = fs::File::open(from)?;
    let mut copy = disk::create(to)?;
    io::copy(&mut source, &mut copy)?;
    copy.set_modified(source.metadata()?.modified()?)
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn base_of(path: &Path) -> String {
    base_in(&name_of(path)).to_owned()
}

fn base_in(name: &str) -> &str {
    name.split(':').next().unwrap_or_default()
}

fn letters_of(name: &str) -> &str {
    name.split_once(":2,").map_or("", |(_, letters)| letters)
}

/// Size with CRLF line ends: from the name (`,W=`), or counted.
fn size_of(base: &str, path: &Path) -> io::Result<u64> {
    match base.split(',').find_map(|part| part.strip_prefix("W=")?.parse().ok()) {
        Some(size) => Ok(size),
        None => Ok(size_with_crlf(&fs::read(path)?)),
    }
}

fn unique_name(size: u64, wire_size: u64) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    format!("{}.M{:06}P{process}Q{count:06}.practice,S={size},W={wire_size}", now.as_secs(), now.subsec_micros())
}
