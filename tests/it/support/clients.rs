//! Runners of real mail clients.
//! Takes addresses, users and messages; gives what the programs said and how they ended.
//! Does not know whether a client talks to the server itself or to something between.

use std::{ffi::OsStr, net::SocketAddr, path::Path, process::Command};

use super::{dovecot::TOKEN_KEY, process::Ran, program, test_file};

/// curl, quiet, with its own limits and no configuration of the user's.
#[track_caller]
pub fn curl<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Ran {
    curl_with(args, b"")
}

#[track_caller]
pub fn curl_with<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>, input: &[u8]) -> Ran {
    let mut command = Command::new(program("curl", "curl"));
    command.args(["-q", "--silent", "--show-error", "--max-time", "60", "--noproxy", "*"]).args(args);
    Ran::with_input(&command, input)
}

/// One of the scripts in `tests/clients`, run by Python.
#[track_caller]
pub fn python<A: AsRef<OsStr>>(script: &str, args: impl IntoIterator<Item = A>) -> Ran {
    let mut command = Command::new(program("python3", "python3"));
    command.arg("-B").arg(test_file("clients").join(script)).args(args);
    command.env("MAILTAP_TEST_TOKEN_KEY", TOKEN_KEY).env("PYTHONUTF8", "1");
    Ran::new(&command)
}

/// mbsync (isync) with the configuration `text`, which is put into `folder`.
#[track_caller]
pub fn mbsync(folder: &Path, text: &str) -> Ran {
    let file = write_private(folder, "mbsyncrc", text);
    let mut command = Command::new(program("mbsync", "isync"));
    command.args(["-a", "-c"]).arg(file).env("HOME", folder);
    Ran::new(&command)
}

#[track_caller]
pub fn swaks<A: AsRef<OsStr>>(server: SocketAddr, args: impl IntoIterator<Item = A>) -> Ran {
    let mut command = Command::new(program("swaks", "swaks"));
    command.args(["--server", &server.ip().to_string(), "--port", &server.port().to_string(), "--timeout", "60"]);
    command.args(args).env("HOME", "/nonexistent");
    Ran::new(&command)
}

/// msmtp with the configuration `text`; `message` is what it sends to `to`.
#[track_caller]
pub fn msmtp(folder: &Path, text: &str, to: &[&str], message: &[u8]) -> Ran {
    let file = write_private(folder, "msmtprc", text);
    let mut command = Command::new(program("msmtp", "msmtp"));
    command.arg("-C").arg(file).args(to).env("HOME", folder);
    Ran::with_input(&command, message)
}

/// fetchmail with the configuration `text`, once.
#[track_caller]
pub fn fetchmail(folder: &Path, text: &str) -> Ran {
    let file = write_private(folder, "fetchmailrc", text);
    let mut command = Command::new(program("fetchmail", "fetchmail"));
    command.arg("-f").arg(file).args(["--nosyslog", "--idfile"]).arg(folder.join("fetchids"));
    command.arg("--pidfile").arg(folder.join("fetchmail.pid")).env("HOME", folder).env("FETCHMAILHOME", folder);
    Ran::new(&command)
}

/// tshark on a capture file: for each packet that has any of `fields`, these fields' values in order.
#[track_caller]
pub fn tshark(file: &Path, more: &[&str], fields: &[&str]) -> Vec<Vec<Vec<String>>> {
    /// Between several values of one field in a packet; no mail protocol has it on the wire.
    const BETWEEN: char = '\u{1f}';
    let mut command = Command::new(program("tshark", "tshark"));
    command.arg("-r").arg(file).args(["-n", "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a"]);
    command.args(["-E", &format!("aggregator={BETWEEN}")]).args(more);
    for field in fields {
        command.args(["-e", field]);
    }
    // A profile of the user's could change what tshark understands.
    let home = tempfile::tempdir().expect("a folder");
    command.env("HOME", home.path()).env("XDG_CONFIG_HOME", home.path());
    let ran = Ran::new(&command).expect_ok();
    let values = |cell: &str| cell.split(BETWEEN).filter(|value| !value.is_empty()).map(ToOwned::to_owned).collect();
    ran.text()
        .lines()
        .map(|line| line.split('\t').map(values).collect::<Vec<Vec<String>>>())
        .filter(|row| row.iter().any(|cell| !cell.is_empty()))
        .collect()
}

/// Configurations hold passwords, and some clients refuse files that others may read.
fn write_private(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a client's configuration");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
    path
}
