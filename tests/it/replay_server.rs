//! Real mail programs at work with a played server: what they did with the practice server, they do again with nothing
//! but the recordings, with the same outcome. Takes installed programs; gives nothing but failures.
//! Does not know the protocols.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::practice_kit::{PASSWORD, Practice, account};
use crate::practice_programs::{JOBS, SITE};
use crate::support::mailtap::Mailtap;
use crate::support::programs::{Ends, Security};
use crate::support::wait_until;

/// How long after the first listener was told the last one may be.
const LISTENERS_FOR: Duration = Duration::from_millis(500);

/// Records each program with the practice server, then lets it do the same with a played one.
fn again(security: Security, attachment: usize) {
    let practice = Practice::with(|config| config.accounts.extend(JOBS.iter().map(|(name, _)| account(name))));
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.pem");
    std::fs::write(&root, &practice.root).unwrap();
    let at = practice.at;
    let (submission, imap, pop3, suffix) = match security {
        Security::Implicit => (at.submissions, at.imaps, at.pop3s, "s"),
        _ => (at.submission, at.imap, at.pop3, ""),
    };
    let [submission, imap, pop3] = [submission, imap, pop3].map(Option::unwrap);
    let schemes = ["submission", "imap", "pop3"].map(|scheme| format!("{scheme}{suffix}"));
    let mut recorded = Vec::new();
    for (name, job) in JOBS.iter() {
        if security == Security::StartTls && *name == "getmail" {
            // It has none.
            continue;
        }
        let routes: Vec<String> = schemes
            .iter()
            .zip([submission, imap, pop3])
            .map(|(scheme, to)| format!("{scheme}://127.0.0.1:0={scheme}://{to}"))
            .collect();
        let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
        let mut mailtap = Mailtap::start(&routes, &["--upstream-ca", root.to_str().unwrap()]);
        let [submission, imap, pop3] = [0, 1, 2].map(|index| mailtap.address(routes[index]));
        let ca = mailtap.dir.join("certs/ca.pem");
        let home = folder.path().join(format!("{name}-recorded"));
        std::fs::create_dir(&home).unwrap();
        job(&Ends { submission, imap, pop3, tls: security, ca, attachment, site: &SITE }, &home, name);
        mailtap.recordings(1);
        assert!(mailtap.stop().success(), "{}", mailtap.errors());
        recorded.push((name, job, mailtap));
    }
    // From here on there is no server.
    drop(practice);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let jobs: Vec<_> = recorded
            .iter()
            .map(|(name, job, recorded)| {
                let home = folder.path().join(format!("{name}-replayed"));
                // Its threads ask in another order each time.
                let how = if ***name == *"offlineimap" { "free" } else { "ordered" };
                let schemes = &schemes;
                let run = move |home: &Path| {
                    std::fs::create_dir(home).unwrap();
                    let more = ["--user", name, "--password", PASSWORD, "--match", how];
                    let played = Replay::start(&recorded.dir, &more);
                    let ends = played.ends(schemes, security, attachment);
                    let job = std::thread::scope(|scope| scope.spawn(|| job(&ends, home, name)).join());
                    let report = played.end();
                    let well =
                        job.is_ok() && report["status"] == 0 && (how == "free" || report["unasked"] == json!([]));
                    (!well).then(|| format!("{name} over {security:?} (done: {}): {report}", job.is_ok()))
                };
                scope.spawn(move || {
                    let failure = run(&home);
                    // Which of its threads sees the mailbox before, and which after, is a matter of luck.
                    if failure.is_some() && how == "free" { run(&home.with_extension("again")) } else { failure }
                })
            })
            .collect();
        jobs.into_iter().filter_map(|job| job.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A `mailtap replay server` under way.
pub struct Replay {
    pub mailtap: Mailtap,
}

impl Replay {
    /// Plays everything that was recorded below a folder, at free ports.
    #[track_caller]
    pub fn start(dir: &Path, more: &[&str]) -> Replay {
        let sessions = dir.join("sessions");
        let args = [&["replay", "server", sessions.to_str().unwrap(), "--listen", "127.0.0.1:0", "--json"], more];
        Replay { mailtap: Mailtap::launch(&args.concat(), 1) }
    }

    /// Where a program finds it; a protocol that it never spoke is served nowhere.
    fn ends(&self, schemes: &[String; 3], tls: Security, attachment: usize) -> Ends {
        let at = |scheme: &String| self.address(scheme).unwrap_or_else(|| "127.0.0.1:9".parse().unwrap());
        let [submission, imap, pop3] = schemes.each_ref().map(at);
        Ends { submission, imap, pop3, tls, ca: self.mailtap.dir.join("certs/ca.pem"), attachment, site: &SITE }
    }

    /// Where a scheme is served. All of them are told at once.
    pub fn address(&self, scheme: &str) -> Option<std::net::SocketAddr> {
        let wanted = format!("{scheme}://");
        let found = || {
            let lines = self.mailtap.printed();
            let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines
                .filter(|line| line["route"].as_str().is_some_and(|route| route.starts_with(&wanted)))
                .find_map(|line| line["address"].as_str()?.parse().ok())
        };
        // The lines of several listeners come one after the other, within no time.
        found().or_else(|| wait_until(LISTENERS_FOR, found))
    }

    /// Ends it; gives the report, with the exit status as `status`.
    #[track_caller]
    pub fn end(mut self) -> Value {
        let status = self.mailtap.stop();
        self.report(status)
    }

    /// The same, and the report alone is given; what was recorded goes with the folder that is returned.
    #[track_caller]
    pub fn end_keeping(mut self) -> (Mailtap, Value) {
        let status = self.mailtap.stop();
        let report = self.report(status);
        (self.mailtap, report)
    }

    #[track_caller]
    pub fn report(&self, status: std::process::ExitStatus) -> Value {
        let lines = self.mailtap.printed();
        let last = lines.last().unwrap_or_else(|| panic!("nothing printed: {}", self.mailtap.errors()));
        let mut report: Value = serde_json::from_str(last).unwrap();
        assert_eq!(report["kind"], "report", "{last}\n{}", self.mailtap.errors());
        report["status"] = status.code().into();
        report
    }
}

#[test]
fn programs_find_the_played_server_in_plaintext() {
    again(Security::Plain, 1 << 20);
}

#[test]
fn programs_find_the_played_server_over_starttls() {
    again(Security::StartTls, 1 << 18);
}

#[test]
fn programs_find_the_played_server_over_implicit_tls() {
    again(Security::Implicit, 1 << 18);
}
