//! A machine of its own for servers that cannot be installed beside others: a root folder that their programs are locked in.
//! Takes what tests/setup.sh has unpacked; gives a folder with their files, accounts and the log of what they report.
//! Does not know which servers run on it.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, fs::chown, net::UnixDatagram},
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use super::{
    certs::Chain,
    open_folder,
    process::{Daemon, Ran},
    program,
};

/// Accounts of the machine: name, user and group number. Numbers need not exist outside.
const ACCOUNTS: [(&str, u32, u32); 5] =
    [("root", 0, 0), ("mail", 8, 8), ("Debian-exim", 901, 901), ("courier", 902, 902), ("cyrus", 903, 8)];

/// Owner of mail, by number.
pub const MAIL: (u32, u32) = (8, 8);

pub struct Machine {
    pub folder: PathBuf,
}

impl Machine {
    /// A fresh machine. It stays until [`Machine::start`]ed servers that were told to remove it have ended.
    #[track_caller]
    pub fn new(name: &str) -> Self {
        let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/servers/root");
        assert!(unpacked.is_dir(), "{} is missing; tests/setup.sh makes it", unpacked.display());
        let folder = open_folder(name).keep();
        let copy = Ran::new(Command::new("cp").arg("-a").arg(unpacked.join(".")).arg(&folder));
        copy.expect_ok();
        let it = Self { folder };
        for (path, mode) in [("dev", 0o755), ("etc", 0o755), ("run", 0o755), ("tmp", 0o1777), ("var/log", 0o755)] {
            it.make(path, mode, (0, 0));
        }
        for (name, minor) in [("null", "3"), ("urandom", "9")] {
            let path = it.path(&format!("dev/{name}"));
            Ran::new(Command::new("mknod").args(["-m", "666"]).arg(path).args(["c", "1", minor])).expect_ok();
        }
        let accounts = ACCOUNTS.iter();
        let users: String =
            accounts.clone().map(|(name, user, group)| format!("{name}:x:{user}:{group}::/:/bin/false\n")).collect();
        let groups: String = accounts
            .filter(|(_, user, group)| user == group)
            .map(|(name, _, group)| format!("{name}:x:{group}:\n"))
            .collect();
        it.write("etc/passwd", &users);
        it.write("etc/group", &groups);
        it.write("etc/hosts", "127.0.0.1 localhost mail.test\n");
        it.write("etc/services", "smtp 25/tcp\nlmtp 24/tcp\n");
        it.listen_for_reports();
        it
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.folder.join(inside)
    }

    #[track_caller]
    pub fn write(&self, inside: &str, text: &str) {
        let path = self.path(inside);
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// A folder, and those above it.
    #[track_caller]
    pub fn make(&self, inside: &str, mode: u32, (user, group): (u32, u32)) {
        let path = self.path(inside);
        fs::create_dir_all(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("the mode of a folder");
        chown(&path, Some(user), Some(group)).expect("the owner of a folder (the tests run as root)");
    }

    /// User and group of one of the machine's accounts.
    #[track_caller]
    pub fn account(name: &str) -> (u32, u32) {
        let found = ACCOUNTS.iter().find(|(known, ..)| *known == name);
        found.map(|(_, user, group)| (*user, *group)).unwrap_or_else(|| panic!("no account {name}"))
    }

    /// The certificate as `etc/cert.pem`, its key as `etc/key.pem`, and both together as `etc/both.pem`.
    #[track_caller]
    pub fn certify(&self, chain: &Chain) {
        self.write("etc/cert.pem", &chain.certificates);
        self.write("etc/key.pem", &chain.key);
        self.write("etc/both.pem", &format!("{}{}", chain.key, chain.certificates));
    }

    /// A program of the machine, with an environment that holds nothing but these variables.
    pub fn command(&self, variables: &[(&str, &str)], program_inside: &str) -> Command {
        self.command_as("root", variables, program_inside)
    }

    /// The same as another of the machine's accounts.
    pub fn command_as(&self, account: &str, variables: &[(&str, &str)], program_inside: &str) -> Command {
        let (user, group) = Self::account(account);
        let mut command = Command::new(program("env", "coreutils"));
        command.args(["-i", "PATH=/usr/sbin:/usr/bin:/usr/lib/cyrus/bin"]);
        command.args(variables.iter().map(|(name, value)| format!("{name}={value}")));
        command.arg(program("chroot", "coreutils")).arg(format!("--userspec={user}:{group}"));
        command.arg(&self.folder).arg(program_inside);
        command
    }

    /// Runs a server. With `last`, the machine goes when it ends.
    #[track_caller]
    pub fn start(&self, name: &str, command: &Command, last: bool) -> Daemon {
        let log = self.path(&format!("var/log/{name}.output"));
        Daemon::start(command, &log, last.then_some(self.folder.as_path()))
    }

    /// Everything that the servers wrote to their logs and reported.
    pub fn log(&self) -> String {
        let files = fs::read_dir(self.path("var/log")).into_iter().flatten().flatten();
        files.map(|file| fs::read_to_string(file.path()).unwrap_or_default()).collect()
    }

    /// Collects what is sent to the machine's log socket in a file.
    fn listen_for_reports(&self) {
        let path = self.path("dev/log");
        let socket = UnixDatagram::bind(&path).expect("the log socket");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("the log socket's mode");
        let mut file = fs::File::create(self.path("var/log/reports")).expect("the file for reports");
        // Ends with the tests: a socket whose file is gone gets no more.
        thread::spawn(move || {
            use std::io::Write;
            let mut report = vec![0; 64 * 1024];
            while let Ok(length) = socket.recv(&mut report) {
                let written = file.write_all(&report[..length]).and_then(|()| file.write_all(b"\n"));
                if written.is_err() {
                    return;
                }
            }
        });
    }
}
