//! A mailbox as a Maildir that other programs can read and write at the same time (Maildir++ for folders).
//! Takes messages with CRLF and stores them with LF, as Maildirs have them; gives them back with CRLF.
//! It does not know sequence numbers, quotas or sessions.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::keep::{Body, Found, Incoming, Keep, Kept};
use super::names::{INBOX, from_modified_utf7, to_modified_utf7};
use super::{Flags, flags};

/// UIDs: a line with format, validity and next UID, then UID and base name of each message.
const UIDS: &str = "mailtap-uids";
/// Keywords: letter number and name, in the format Dovecot made common.
const KEYWORDS: &str = "dovecot-keywords";
/// A folder changed so recently may change again without its time telling.
const TICK: Duration = Duration::from_secs(1);

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
            fs::create_dir_all(root.join(part))?;
        }
        if !is_inbox {
            // Tells a Maildir++ folder from an account's root.
            OpenOptions::new().create(true).append(true).open(root.join("maildirfolder"))?;
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
                let (base, info) = name.split_once(':').unwrap_or((&name, ""));
                let letters = info.strip_prefix("2,").unwrap_or_default();
                // Another program may have moved it since the folder was read: then the next look finds it.
                let Ok(facts) = entry.metadata() else { continue };
                let Ok(size) = size_of(base, &entry.path()) else { continue };
                let date = facts.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                found.push((
                    base.to_owned(),
                    Found {
                        uid: self.uids.get(base).copied(),
                        body: Body::File(entry.path()),
                        flags: Flags::from_letters(letters, keywords),
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
        Ok(found.into_iter().map(|(_, found)| found).collect())
    }

    fn times(&self) -> io::Result<(SystemTime, SystemTime)> {
        let at = |part| fs::metadata(self.root.join(part)).and_then(|facts| facts.modified());
        Ok((at("new")?, at("cur")?))
    }

    fn write_keywords(&self, keywords: &[String]) -> io::Result<()> {
        let lines: String = keywords.iter().enumerate().map(|(n, keyword)| format!("{n} {keyword}\n")).collect();
        replace(&self.root.join(KEYWORDS), lines.as_bytes())
    }

    fn read_keywords(&self) -> Vec<String> {
        let lines = fs::read_to_string(self.root.join(KEYWORDS)).unwrap_or_default();
        let names = lines.lines().filter_map(|line| line.split_once(' ')).map(|(_, name)| name.to_owned());
        names.take(flags::KEYWORDS).collect()
    }

    fn append_uid(&self, uid: u32, base: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(self.root.join(UIDS))?;
        writeln!(file, "{uid} {base}")
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
        let found = self.scan(&keywords)?;
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
        replace(&self.root.join(UIDS), lines.as_bytes())?;
        Ok(Kept { validity: kept_validity.or(Some(validity)), next, found, keywords })
    }

    fn add(&mut self, uid: u32, message: Incoming<'_>, keywords: &[String]) -> io::Result<Body> {
        let text = with_lf(message.bytes);
        let base = unique_name(text.len(), message.bytes.len());
        let temporary = self.root.join("tmp").join(&base);
        let mut file = File::create(&temporary)?;
        file.write_all(&text)?;
        if !message.fresh {
            file.set_modified(UNIX_EPOCH + Duration::from_secs(message.date.max(0) as u64))?;
        }
        drop(file);
        let path = match message.fresh {
            true => self.root.join("new").join(&base),
            false => self.root.join("cur").join(format!("{base}:2,{}", message.flags.letters(keywords))),
        };
        if !message.flags.keywords().is_empty() {
            self.write_keywords(keywords)?;
        }
        // The number is written first: a file without one would get a new one after a crash, a number without file is
        // passed over.
        self.append_uid(uid, &base)?;
        fs::rename(&temporary, &path)?;
        self.uids.insert(base, uid);
        self.looked = None;
        Ok(Body::File(path))
    }

    fn set_flags(&mut self, body: &mut Body, flags: &Flags, keywords: &[String]) -> io::Result<()> {
        let Body::File(path) = body else { return Ok(()) };
        if !flags.keywords().is_empty() {
            self.write_keywords(keywords)?;
        }
        let to = self.root.join("cur").join(format!("{}:2,{}", base_of(path), flags.letters(keywords)));
        if *path != to {
            fs::rename(&*path, &to)?;
            *path = to;
            self.looked = None;
        }
        Ok(())
    }

    fn remove(&mut self, body: &Body) -> io::Result<()> {
        let Body::File(path) = body else { return Ok(()) };
        self.uids.remove(&base_of(path));
        self.looked = None;
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn changed(&mut self, keywords: &[String]) -> io::Result<Option<Vec<Found>>> {
        if self.looked.is_some() && self.looked == Some(self.times()?) {
            return Ok(None);
        }
        self.scan(keywords).map(Some)
    }

    fn number(&mut self, uid: u32, body: &Body) -> io::Result<()> {
        let Body::File(path) = body else { return Ok(()) };
        let base = base_of(path);
        self.append_uid(uid, &base)?;
        self.uids.insert(base, uid);
        Ok(())
    }

    fn rename(&mut self, to: PathBuf) -> io::Result<()> {
        fs::rename(&self.root, &to)?;
        self.root = to;
        self.looked = None;
        Ok(())
    }

    fn destroy(&mut self) -> io::Result<()> {
        match self.is_inbox {
            true => Ok(()),
            false => fs::remove_dir_all(&self.root),
        }
    }

    fn is_shared(&self) -> bool {
        true
    }
}

fn base_of(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.split(':').next().unwrap_or_default().to_owned()
}

/// Size with CRLF line ends: from the name (`,W=`), or counted.
fn size_of(base: &str, path: &Path) -> io::Result<u64> {
    match base.split(',').find_map(|part| part.strip_prefix("W=")?.parse().ok()) {
        Some(size) => Ok(size),
        None => Ok(with_crlf(&fs::read(path)?).len() as u64),
    }
}

fn unique_name(size: usize, wire_size: usize) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    format!("{}.M{:06}P{process}Q{count:06}.practice,S={size},W={wire_size}", now.as_secs(), now.subsec_micros())
}

/// Writes beside it and renames, so that a crash leaves the old file or the new one.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, bytes)?;
    fs::rename(beside, path)
}

/// Every bare LF as CRLF.
#[must_use]
pub fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 32);
    let mut from = 0;
    for at in memchr::memchr_iter(b'\n', bytes) {
        if at > 0 && bytes[at - 1] == b'\r' {
            continue;
        }
        out.extend_from_slice(&bytes[from..at]);
        out.push(b'\r');
        from = at;
    }
    out.extend_from_slice(&bytes[from..]);
    out
}

fn with_lf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for at in memchr::memchr_iter(b'\n', bytes) {
        if at > from && bytes[at - 1] == b'\r' {
            out.extend_from_slice(&bytes[from..at - 1]);
            from = at;
        }
    }
    out.extend_from_slice(&bytes[from..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_changed_and_changed_back() {
        let wire = b"a\r\n\r\nb\r\r\nc";
        assert_eq!(with_lf(wire), b"a\n\nb\r\nc");
        assert_eq!(with_crlf(b"\na\n\nb\r\nc\n"), b"\r\na\r\n\r\nb\r\nc\r\n");
        assert_eq!(with_crlf(&with_lf(b"x\r\n.\r\n")), b"x\r\n.\r\n");
    }
}
