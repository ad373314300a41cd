//! Runners of real mail clients.
//! Takes addresses, users and messages; gives what the programs said and how they ended.
//! Does not know whether a client talks to the server itself or to something between.

use std::{ffi::OsStr, net::SocketAddr, path::Path, process::Command};

use super::{capture::CAPTURED_CLIENT, dovecot::TOKEN_KEY, process::Ran, program, test_file};

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

/// `openssl s_client` that trusts `ca` alone and ends where the certificate is not right; `input` is what it says.
#[track_caller]
pub fn s_client(server: SocketAddr, ca: &Path, more: &[&str], input: &[u8]) -> Ran {
    let mut command = Command::new(program("openssl", "openssl"));
    command.args(["s_client", "-quiet", "-verify_quiet", "-verify_return_error", "-connect", &server.to_string()]);
    command.arg("-CAfile").arg(ca).args(["-verify_ip", &server.ip().to_string()]).args(more);
    Ran::with_input(&command, input)
}

/// `gnutls-cli` that trusts `ca` alone; `protocol` is what to upgrade (`smtp`, `imap`, `pop3`), None for TLS at once.
#[track_caller]
pub fn gnutls_cli(server: SocketAddr, ca: &Path, protocol: Option<&str>, input: &[u8]) -> Ran {
    let mut command = Command::new(program("gnutls-cli", "gnutls-bin"));
    command.arg("--x509cafile").arg(ca).args(["--port", &server.port().to_string()]);
    if let Some(protocol) = protocol {
        command.arg(format!("--starttls-proto={protocol}"));
    }
    command.arg(server.ip().to_string());
    Ran::with_endless_input(&command, input)
}

/// What tshark decrypts of the one connection in `file` with the key log `keys`: the client's bytes and the server's.
#[track_caller]
pub fn tshark_decrypt(file: &Path, keys: &str) -> (Vec<u8>, Vec<u8>) {
    let ran = tshark_run(file, &["-q", "-o", &format!("tls.keylog_file:{keys}"), "-z", "follow,tls,raw,0"]);
    let text = ran.text();
    // "Node 0" is whichever side tshark met first; its lines stand at the margin.
    let margin_is_client = text.contains(&format!("Node 0: {CAPTURED_CLIENT}:"));
    let (mut client, mut server) = (Vec::new(), Vec::new());
    // Hexadecimal lines, those of the other side behind a tab; everything else is a frame around them.
    for line in text.lines().skip_while(|line| !line.starts_with("Node 1:")).skip(1) {
        if line.starts_with('=') {
            break;
        }
        let side = if line.starts_with('\t') != margin_is_client { &mut client } else { &mut server };
        let digits = line.trim().as_bytes().chunks_exact(2);
        side.extend(digits.map(|pair| u8::from_str_radix(&String::from_utf8_lossy(pair), 16).expect("hexadecimal")));
    }
    (client, server)
}

#[track_caller]
fn tshark_run(file: &Path, args: &[&str]) -> Ran {
    let mut command = Command::new(program("tshark", "tshark"));
    command.arg("-n").arg("-r").arg(file).args(args);
    // A profile of the user's could change what tshark understands.
    let home = tempfile::tempdir().expect("a folder");
    command.env("HOME", home.path()).env("XDG_CONFIG_HOME", home.path());
    Ran::new(&command).expect_ok()
}

/// tshark on a capture file: for each packet that has any of `fields`, these fields' values in order.
#[track_caller]
pub fn tshark(file: &Path, more: &[&str], fields: &[&str]) -> Vec<Vec<Vec<String>>> {
    /// Between several values of one field in a packet; no mail protocol has it on the wire.
    const BETWEEN: char = '\u{1f}';
    let mut args = vec!["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a"];
    let aggregator = format!("aggregator={BETWEEN}");
    args.extend(["-E", &aggregator]);
    args.extend(more);
    for field in fields {
        args.extend(["-e", field]);
    }
    let ran = tshark_run(file, &args);
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
