//! mailtap's own CA: kept in a folder, made on first use, never overwritten but by `renew`.
//! Takes a folder or two files, gives leaves for the client leg.
//! Does not know what is served with a leaf, nor who trusts the CA.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;

use crate::tls::Error;
use crate::tls::certificate::Certificate;
use crate::tls::clock;
use crate::tls::leaf::{LeafKey, LeafRequest, Mint};
use crate::tls::pair::{Fresh, Pair};

/// File names in the folder.
pub const CERT_FILE: &str = "ca.pem";
pub const KEY_FILE: &str = "ca-key.pem";

const LOCK_FILE: &str = ".ca.lock";
const NEW_CERT_FILE: &str = ".ca.pem.new";
const NEW_KEY_FILE: &str = ".ca-key.pem.new";

/// Pause between two attempts at the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Attempts at the lock, 10 seconds in all. Another process needs milliseconds to make the CA; more means that it hangs.
const LOCK_ATTEMPTS: u32 = 1000;

/// A CA that can sign leaves.
pub struct Authority {
    pair: Pair,
    cert_path: PathBuf,
    key_path: PathBuf,
    mint: Mint,
    warning: Option<String>,
}

impl Authority {
    /// The CA kept in `dir`, which with all that is missing above it is made (mode 0700). Several processes may do
    /// this at the same time: all get the same CA.
    ///
    /// # Errors
    /// When the folder cannot be written, or holds a CA that is damaged, incomplete, expired, not mailtap's or none at all.
    /// Nothing that is there is changed then.
    pub fn open(dir: &Path) -> Result<Authority, Error> {
        let folder = Folder::new(dir);
        // Without the lock first: a folder that may only be read must do, once the CA is there.
        if folder.has_both()
            && let Ok(pair) = folder.load()
        {
            return Ok(Authority::of(pair, folder.cert, folder.key));
        }
        let lock = folder.lock()?;
        let pair = folder.load_or_make()?;
        drop(lock);
        Ok(Authority::of(pair, folder.cert, folder.key))
    }

    /// The CA in two files that the user brought. Further certificates in the first file are its chain.
    ///
    /// # Errors
    /// When they cannot be read or are no working CA.
    pub fn from_files(cert: &Path, key: &Path) -> Result<Authority, Error> {
        let pair = Pair::load(cert, key, clock::now())
            .map_err(|why| Error::new(format!("{why}: give a working CA with --ca-cert and --ca-key")))?;
        Ok(Authority::of(pair, cert.to_path_buf(), key.to_path_buf()))
    }

    /// Replaces the CA in `dir` by a new one, whatever state it is in. The old files stay beside the new ones under
    /// names with the date; they are returned. Programs that trust the old CA have to be told of the new one, and a
    /// running mailtap keeps the old one until it is started again.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn renew(dir: &Path) -> Result<(Authority, Vec<PathBuf>), Error> {
        let folder = Folder::new(dir);
        let lock = folder.lock()?;
        // The new one is whole before the old one goes.
        folder.prepare()?;
        let old = folder.put_aside()?;
        folder.publish()?;
        let pair = folder.load()?;
        drop(lock);
        Ok((Authority::of(pair, folder.cert, folder.key), old))
    }

    fn of(pair: Pair, cert_path: PathBuf, key_path: PathBuf) -> Authority {
        let warning = loose_mode(&key_path).map(|mode| {
            format!(
                "{0} can be read by others (mode {mode:04o}): run chmod 600 {0}, and `mailtap ca renew` if someone may have",
                key_path.display()
            )
        });
        Authority { pair, cert_path, key_path, mint: Mint::new(LeafKey::default()), warning }
    }

    /// The same CA with leaves of this kind.
    #[must_use]
    pub fn with_leaf_key(self, kind: LeafKey) -> Authority {
        Authority { mint: Mint::new(kind), ..self }
    }

    /// A certificate for the client leg, with its key: from the cache, or minted now.
    ///
    /// # Errors
    /// When the CA has expired meanwhile or the crypto library fails.
    pub fn leaf(&self, request: &LeafRequest<'_>) -> Result<Arc<CertifiedKey>, Error> {
        self.mint.leaf(&self.pair, request, clock::now())
    }

    /// A leaf for one name, as the practice server needs it.
    ///
    /// # Errors
    /// As [`Authority::leaf`].
    pub fn leaf_for(&self, name: &str, listener: IpAddr) -> Result<Arc<CertifiedKey>, Error> {
        self.leaf(&LeafRequest { name: Some(name), extra: &[], listener })
    }

    /// The CA's certificate in DER.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        // Pair::load refuses an empty chain.
        &self.pair.chain[0]
    }

    /// What the CA's certificate says.
    #[must_use]
    pub fn facts(&self) -> Certificate {
        // It was parsed when it was loaded.
        Certificate::parse(self.certificate()).expect("a certificate that was read before")
    }

    #[must_use]
    pub fn cert_path(&self) -> &Path {
        &self.cert_path
    }

    #[must_use]
    pub fn key_path(&self) -> &Path {
        &self.key_path
    }

    /// Something the user should know, though everything works.
    #[must_use]
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }
}

/// The folder and the names in it.
struct Folder {
    dir: PathBuf,
    cert: PathBuf,
    key: PathBuf,
}

impl Folder {
    fn new(dir: &Path) -> Folder {
        Folder { dir: dir.to_path_buf(), cert: dir.join(CERT_FILE), key: dir.join(KEY_FILE) }
    }

    fn has_both(&self) -> bool {
        self.cert.exists() && self.key.exists()
    }

    fn load(&self) -> Result<Pair, Error> {
        let renew = "`mailtap ca renew`, which keeps the old files beside a new CA, and trust that";
        let pair = Pair::load(&self.cert, &self.key, clock::now()).map_err(|why| {
            Error::new(format!(
                "{why}; nothing was changed: bring the right files back, give a CA of your own with --ca-cert and --ca-key, \
                 or run {renew}"
            ))
        })?;
        if pair.is_ours() {
            return Ok(pair);
        }
        // It might have been put here by somebody whom programs are not meant to trust.
        let (cert, key) = (self.cert.display(), self.key.display());
        Err(Error::new(format!(
            "{cert} is not a CA that mailtap made (it is {}); nothing was changed: to use it as a CA of your own, say \
             --ca-cert {cert} --ca-key {key}, or run {renew}",
            pair.subject()
        )))
    }

    /// Only under the lock.
    fn load_or_make(&self) -> Result<Pair, Error> {
        match (is_there(&self.cert), is_there(&self.key)) {
            (false, false) => {
                self.prepare()?;
                self.publish()?;
            }
            (false, true) => self.finish()?,
            _ => {}
        }
        self.load()
    }

    /// Writes a new pair beside the final names. Where that fails, nothing of it stays.
    fn prepare(&self) -> Result<(), Error> {
        let fresh = Fresh::generate(clock::now())?;
        let (new_cert, new_key) = (self.dir.join(NEW_CERT_FILE), self.dir.join(NEW_KEY_FILE));
        self.write(&new_key, &fresh.key_pem, 0o600)
            .and_then(|()| self.write(&new_cert, &fresh.cert_pem, 0o600))
            .inspect_err(|_| self.clean())
    }

    /// Links the new pair to the final names: link(2) fails where something is already, so no file is ever replaced, and
    /// what a name shows is complete.
    fn publish(&self) -> Result<(), Error> {
        self.link(&self.dir.join(NEW_KEY_FILE), &self.key)?;
        self.link(&self.dir.join(NEW_CERT_FILE), &self.cert)?;
        self.clean();
        Ok(())
    }

    /// A process that died between the two links left the key alone, and the certificate under its first name.
    fn finish(&self) -> Result<(), Error> {
        let new_cert = self.dir.join(NEW_CERT_FILE);
        if Pair::load(&new_cert, &self.key, clock::now()).is_ok() {
            self.link(&new_cert, &self.cert)?;
            self.clean();
        }
        Ok(())
    }

    /// Renames what is there to names with the time, and says which.
    fn put_aside(&self) -> Result<Vec<PathBuf>, Error> {
        let stamp: String = clock::rfc3339(clock::now()).chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        let mut moved = Vec::new();
        for (path, stem) in [(&self.cert, "ca"), (&self.key, "ca-key")] {
            if !is_there(path) {
                continue;
            }
            let aside = (0..)
                .map(|n| {
                    self.dir.join(if n == 0 {
                        format!("{stem}-{stamp}.pem")
                    } else {
                        format!("{stem}-{stamp}-{n}.pem")
                    })
                })
                .find(|aside| !is_there(aside));
            if let Some(aside) = aside {
                fs::rename(path, &aside).map_err(|why| self.failed(path, &why))?;
                moved.push(aside);
            }
        }
        Ok(moved)
    }

    fn write(&self, path: &Path, text: &str, mode: u32) -> Result<(), Error> {
        let write = || -> io::Result<()> {
            match fs::remove_file(path) {
                Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
                _ => {}
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().map_err(|why| self.failed(path, &why))
    }

    fn link(&self, from: &Path, to: &Path) -> Result<(), Error> {
        let linked = match fs::hard_link(from, to) {
            // Some file systems have no hard links (FAT, some network and container mounts). The lock is held, so
            // looking first is safe against other mailtaps.
            Err(why) if why.kind() != io::ErrorKind::AlreadyExists && !is_there(to) => {
                fs::rename(from, to).map_err(|_| why)
            }
            other => other,
        };
        linked.map_err(|why| self.failed(to, &why))?;
        // So that the name outlives a power cut; where folders cannot be synced, nothing is lost but that.
        let _ = File::open(&self.dir).and_then(|dir| dir.sync_all());
        Ok(())
    }

    fn clean(&self) {
        for name in [NEW_CERT_FILE, NEW_KEY_FILE] {
            let _ = fs::remove_file(self.dir.join(name));
        }
    }

    /// Makes the folder and waits for the lock in it.
    fn lock(&self) -> Result<File, Error> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(|why| self.failed(&self.dir, &why))?;
        let path = self.dir.join(LOCK_FILE);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|why| self.failed(&path, &why))?;
        for _ in 0..LOCK_ATTEMPTS {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(file),
                Err(rustix::io::Errno::WOULDBLOCK) => thread::sleep(LOCK_PAUSE),
                Err(why) => return Err(self.failed(&path, &why.into())),
            }
        }
        let waited = LOCK_PAUSE * LOCK_ATTEMPTS;
        Err(Error::new(format!(
            "another process has held {} for more than {} seconds: end it and try again",
            path.display(),
            waited.as_secs()
        )))
    }

    fn failed(&self, path: &Path, why: &io::Error) -> Error {
        Error::new(format!(
            "{} cannot be written ({why}): give another folder with --dir, or your own CA with --ca-cert and --ca-key",
            path.display()
        ))
    }
}

/// Whether something has this name, be it a link that leads nowhere.
fn is_there(path: &Path) -> bool {
    !matches!(fs::symlink_metadata(path), Err(why) if why.kind() == io::ErrorKind::NotFound)
}

/// The mode of a file that more than its owner may touch.
fn loose_mode(path: &Path) -> Option<u32> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o7777;
    (mode & 0o077 != 0).then_some(mode)
}
