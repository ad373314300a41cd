//! The key log: session secrets of both legs in the NSS format, so that other tools can decrypt a capture.
//! Takes a path, gives rustls somewhere to write its secrets.
//! Does not know which leg or session a secret belongs to: the random of the hello says that.

use std::fmt;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::KeyLog;

use crate::tls::Error;

/// A file that grows by a line for each secret. Each line is one write to a file opened for appending, so sessions and
/// processes that share it never mix their lines.
pub struct KeyLogFile {
    file: File,
    path: PathBuf,
    /// A failure was reported already.
    failed: AtomicBool,
}

impl KeyLogFile {
    /// Opens `path` for appending, with mode 0600; a file that is there already gets that mode too.
    ///
    /// # Errors
    /// When it cannot be opened, or others could read what is written to it.
    pub fn open(path: &Path) -> Result<KeyLogFile, Error> {
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        let file = opened.and_then(|file| hide(&file).map(|()| file)).map_err(|why| {
            Error::new(format!(
                "the key log {} cannot be opened for you alone ({why}): give another file with --keylog",
                path.display()
            ))
        })?;
        Ok(KeyLogFile { file, path: path.to_path_buf(), failed: AtomicBool::new(false) })
    }
}

/// Keeps others from reading a file. A pipe or a device is left as it is.
fn hide(file: &File) -> io::Result<()> {
    let now = file.metadata()?;
    if now.is_file() && now.permissions().mode() & 0o077 != 0 {
        return file.set_permissions(Permissions::from_mode(0o600));
    }
    Ok(())
}

impl KeyLog for KeyLogFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        // `write` and not `write_all`: a second write for the rest could fall into the middle of another's line.
        let wrote = (&self.file).write(line.as_bytes());
        let why = match wrote {
            Ok(count) if count == line.len() => return,
            Ok(_) => "the disk is full".to_string(),
            Err(why) => why.to_string(),
        };
        if !self.failed.swap(true, Ordering::Relaxed) {
            tracing::warn!(path = %self.path.display(), "the key log cannot be written: {why}; later failures are not reported");
        }
    }
}

impl fmt::Debug for KeyLogFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyLogFile").field("path", &self.path).finish_non_exhaustive()
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 0x0f)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn lines_of_many_writers_never_mix() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("keys.log");
        let logs: Vec<_> = (0..4).map(|_| Arc::new(KeyLogFile::open(&path).expect("opens"))).collect();
        let writers: Vec<_> = logs
            .into_iter()
            .zip(0..)
            .map(|(log, n)| thread::spawn(move || (0..200).for_each(|_| log.log("CLIENT_RANDOM", &[n; 32], &[n; 48]))))
            .collect();
        writers.into_iter().for_each(|writer| writer.join().expect("no panic"));
        let text = fs::read_to_string(&path).expect("reads");
        assert_eq!(text.lines().count(), 800);
        for line in text.lines() {
            let parts: Vec<_> = line.split(' ').collect();
            assert_eq!((parts[0], parts[1].len(), parts[2].len()), ("CLIENT_RANDOM", 64, 96), "{line}");
            assert_eq!(parts[1][..2], parts[2][..2]);
        }
        assert_eq!(fs::metadata(&path).expect("stat").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_others_could_read_is_hidden_from_them() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("keys.log");
        fs::write(&path, "# mine\n").expect("writes");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("a mode");
        let log = KeyLogFile::open(&path).expect("opens");
        log.log("CLIENT_RANDOM", &[1; 32], &[2; 48]);
        assert_eq!(fs::metadata(&path).expect("stat").permissions().mode() & 0o777, 0o600);
        assert!(fs::read_to_string(&path).expect("reads").starts_with("# mine\nCLIENT_RANDOM "));
    }

    #[test]
    fn a_path_that_cannot_be_opened_is_an_error_with_its_name() {
        let said = KeyLogFile::open(Path::new("/nonexistent/keys.log")).expect_err("no such folder").to_string();
        assert!(said.contains("/nonexistent/keys.log") && said.contains("--keylog"), "{said}");
    }

    #[test]
    fn a_write_error_does_not_panic() {
        let log = KeyLogFile::open(Path::new("/dev/full")).expect("opens");
        log.log("CLIENT_RANDOM", &[1; 32], &[2; 48]);
        assert!(log.failed.load(Ordering::Relaxed));
    }
}
