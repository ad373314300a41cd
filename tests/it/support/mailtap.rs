//! The program under test, run as a person would run it.
//! Takes routes and options; gives the addresses it listens on, its output, and its recordings.
//! Does not know what the program does inside.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use serde_json::Value;

use super::{DEADLINE, process::Ran, recording::Recording, wait_for, wait_until};

/// A command line of the program, with nothing of the environment that changes what it does.
pub fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailtap"));
    command.arg("--dir").arg(dir).args(args);
    for name in ["MAILTAP_DIR", "SSLKEYLOGFILE", "NO_COLOR", "RUST_LOG", "MAILTAP_LOG"] {
        command.env_remove(name);
    }
    command
}

/// Runs the program to its end.
#[track_caller]
pub fn run(dir: &Path, args: &[&str]) -> Ran {
    Ran::new(&command(dir, args))
}

/// A running `mailtap proxy --json`, or another command that listens.
pub struct Mailtap {
    pub dir: PathBuf,
    child: Child,
    routes: HashMap<String, SocketAddr>,
    output: Arc<Mutex<Vec<String>>>,
    errors: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Mailtap {
    /// Starts the proxy with `routes` and `more` arguments, and waits until it listens.
    ///
    /// The routes' left sides should have port 0; [`Mailtap::address`] says which one it became.
    #[track_caller]
    pub fn start(routes: &[&str], more: &[&str]) -> Self {
        let mut args = vec!["proxy", "--json"];
        for route in routes {
            args.extend(["--route", route]);
        }
        args.extend(more);
        Self::launch(&args, routes.len())
    }

    /// Starts a command that listens, and waits until it does so at `listeners` addresses.
    #[track_caller]
    pub fn launch(args: &[&str], listeners: usize) -> Self {
        let folder = tempfile::Builder::new().prefix("mt-dir-").tempdir().expect("a folder for --dir");
        let dir = folder.path().join("dir");
        let mut command = command(&dir, args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let (output, errors) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(String::new())));
        let (stdout, stderr) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        let (lines, text) = (Arc::clone(&output), Arc::clone(&errors));
        let readers = vec![
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines() {
                    let Ok(line) = line else { return };
                    lines.lock().expect("the lines").push(line);
                }
            }),
            thread::spawn(move || {
                let mut stderr = stderr;
                let mut block = [0; 4096];
                while let Ok(read @ 1..) = stderr.read(&mut block) {
                    text.lock().expect("the errors").push_str(&String::from_utf8_lossy(&block[..read]));
                }
            }),
        ];
        let mut it = Self { dir, child, routes: HashMap::new(), output, errors, readers, _folder: folder };
        it.wait_for_listeners(listeners);
        it
    }

    #[track_caller]
    fn wait_for_listeners(&mut self, count: usize) {
        let mut ended = None;
        wait_until(DEADLINE, || {
            self.routes = listeners(&self.output.lock().expect("the lines"));
            ended = self.child.try_wait().expect("the state of the program");
            (self.routes.len() >= count || ended.is_some()).then_some(())
        });
        assert!(self.routes.len() >= count, "mailtap does not listen (ended: {ended:?}); it said:\n{}", self.errors());
    }

    /// The address that serves `route`, which is spelled as it was given to [`Mailtap::start`].
    ///
    /// The port of the left side is not compared, because 0 has become a number.
    #[track_caller]
    pub fn address(&self, route: &str) -> SocketAddr {
        let wanted = without_left_port(route);
        let found = self.routes.iter().find(|(known, _)| without_left_port(known) == wanted);
        match found {
            Some((_, address)) => *address,
            None => panic!("no listener for {route} among {:?}", self.routes),
        }
    }

    /// The addresses of all listeners.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.routes.values().copied()
    }

    /// The line about the account that `demo` and `practice` have.
    #[track_caller]
    pub fn account(&self) -> Value {
        wait_for("the line about the account", || {
            let lines = self.printed();
            lines
                .iter()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok())
                .find(|line| line["kind"] == "account")
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory it has had, in KiB.
    #[track_caller]
    pub fn memory_peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the state of the program");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its highest memory");
        peak.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// The JSON lines printed until now.
    pub fn printed(&self) -> Vec<String> {
        self.output.lock().expect("the lines").clone()
    }

    /// What was printed to standard error until now.
    pub fn errors(&self) -> String {
        self.errors.lock().expect("the errors").clone()
    }

    /// Waits until `count` sessions or more were recorded and all are closed, then gives them in order.
    #[track_caller]
    pub fn recordings(&self, count: usize) -> Vec<Recording> {
        wait_for(&format!("{count} closed recordings (mailtap said: {})", self.errors()), || {
            // A file that is being written may end in the middle of a line; then it is not closed either.
            let all = Recording::all(&self.dir).ok()?;
            (all.len() >= count && all.iter().all(Recording::is_closed)).then_some(all)
        })
    }

    /// Sends a signal by name (`TERM`, `INT`, `KILL`).
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "cannot send {name} to mailtap");
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the state of the program").is_some()
    }

    /// Ends the program as a service manager would and waits for its end.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        if let Ok(Some(status)) = self.child.try_wait() {
            return status;
        }
        self.signal("TERM");
        let status =
            wait_for("the end of mailtap after SIGTERM", || self.child.try_wait().expect("the state of the program"));
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        status
    }
}

impl Drop for Mailtap {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listeners(lines: &[String]) -> HashMap<String, SocketAddr> {
    lines
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|value| value["kind"] == "listening")
        .filter_map(|value| Some((value["route"].as_str()?.to_owned(), value["address"].as_str()?.parse().ok()?)))
        .collect()
}

/// `imap://127.0.0.1:0=imap://mail.test:143` without the first port.
fn without_left_port(route: &str) -> String {
    let Some((left, right)) = route.split_once('=') else { return route.to_owned() };
    let left = left.rsplit_once(':').map_or(left, |(before, _)| before);
    format!("{left}={right}")
}
