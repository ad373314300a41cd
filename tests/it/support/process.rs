//! Running programs: to their end with a limit, or in the background with a guard.
//! Takes commands; gives their output, or a handle that stops them on drop and even when the tests are killed.
//! Does not know which programs these are.

use std::{
    fmt,
    io::Write,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

/// Seconds after which a client that should be done is killed.
const CLIENT_SECONDS: u32 = 90;

/// What a program said and how it ended.
#[derive(Clone)]
pub struct Ran {
    pub command: String,
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Ran {
    /// Runs `command` to its end, with `input` on its standard input.
    ///
    /// A program that hangs is ended after [`CLIENT_SECONDS`] and then has the exit code 124.
    #[track_caller]
    pub fn with_input(command: &Command, input: &[u8]) -> Self {
        Self::run(command, input, false, CLIENT_SECONDS)
    }

    /// The same with a limit of one's own.
    #[track_caller]
    pub fn with_limit(command: &Command, input: &[u8], seconds: u32) -> Self {
        Self::run(command, input, false, seconds)
    }

    /// The same, but the input does not end before the program does: some take its end as the order to hang up.
    #[track_caller]
    pub fn with_endless_input(command: &Command, input: &[u8]) -> Self {
        Self::run(command, input, true, CLIENT_SECONDS)
    }

    #[track_caller]
    fn run(command: &Command, input: &[u8], endless: bool, seconds: u32) -> Self {
        let mut limited = Command::new(super::program("timeout", "coreutils"));
        limited.args(["-k", "5", &seconds.to_string()]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => limited.env(name, value),
                None => limited.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            limited.current_dir(folder);
        }
        limited.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let described = format!("{command:?}");
        let mut child = limited.spawn().unwrap_or_else(|error| panic!("cannot start {described}: {error}"));
        let mut stdin = child.stdin.take().expect("a piped standard input");
        let input = input.to_vec();
        // From a thread of its own: the program may write much before it has read everything.
        let writer = std::thread::spawn(move || {
            // A program that does not read its input to the end closes the pipe; that is its right.
            let _ = stdin.write_all(&input).and_then(|()| stdin.flush());
            endless.then_some(stdin)
        });
        let output = child.wait_with_output().unwrap_or_else(|error| panic!("{described}: {error}"));
        // An endless input has been held open by this result until here.
        drop(writer.join().expect("the thread that writes the input"));
        Self { command: described, code: output.status.code(), stdout: output.stdout, stderr: output.stderr }
    }

    #[track_caller]
    pub fn new(command: &Command) -> Self {
        Self::with_input(command, b"")
    }

    pub fn is_ok(&self) -> bool {
        self.code == Some(0)
    }

    /// Panics with everything the program said when it did not end with 0.
    #[track_caller]
    pub fn expect_ok(self) -> Self {
        assert!(self.is_ok(), "{self}");
        self
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ended with {:?}", self.command, self.code)?;
        writeln!(f, "--- standard output\n{}", self.text())?;
        write!(f, "--- standard error\n{}", self.errors())
    }
}

/// A server in the background.
///
/// It runs below a small shell that waits for the end of a pipe this process holds. So it is stopped on drop, and also
/// when the handle is in a static, which is never dropped, or when the test process is killed.
pub struct Daemon {
    keeper: Child,
    lifeline: Option<ChildStdin>,
}

impl Daemon {
    /// Starts `command`; what it prints goes to `log`. When it is stopped, `remove` is deleted with all it holds.
    #[track_caller]
    pub fn start(command: &Command, log: &Path, remove: Option<&Path>) -> Self {
        const KEEP: &str = r#"
            remove=$1; shift
            "$@" & child=$!
            read -r _
            kill -TERM "$child" 2>/dev/null
            ( n=0; while [ $n -lt 100 ] && kill -0 "$child" 2>/dev/null; do sleep 0.1; n=$((n+1)); done
              kill -KILL "$child" 2>/dev/null ) & 
            wait "$child"
            kill $! 2>/dev/null
            [ -z "$remove" ] || rm -rf "$remove"
        "#;
        let output = std::fs::File::create(log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        let mut keeper = Command::new("/bin/sh");
        keeper.args(["-c", KEEP, "keeper"]).arg(remove.unwrap_or(Path::new("")));
        keeper.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                keeper.env(name, value);
            }
        }
        // A group of its own: an interrupt at the keyboard reaches the tests, and the end of the pipe reaches this.
        keeper.process_group(0).stdin(Stdio::piped());
        keeper.stdout(output.try_clone().expect("a second handle of the log")).stderr(output);
        let mut keeper = keeper.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let lifeline = keeper.stdin.take();
        Self { keeper, lifeline }
    }

    /// Stops the server and waits until it is gone.
    pub fn stop(&mut self) {
        drop(self.lifeline.take());
        let _ = self.keeper.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}
