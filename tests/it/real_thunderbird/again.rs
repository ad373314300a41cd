//! What real Thunderbird did, once more with nothing but the recordings: as its server, and as it was itself.
//! Takes the folder with the recordings; gives failures that show what was said then and now.
//! Does not know what the jobs are.

use std::path::{Path, PathBuf};
use std::thread;

use serde_json::Value;

use crate::replay_server::Replay;
use crate::support::mailtap::command;
use crate::support::process::Ran;
use crate::support::recording::Recording;
use crate::support::wait_for;

/// Everything that was recorded, played to a Thunderbird that knows nothing yet.
pub struct Played {
    pub replay: Replay,
    /// Where the recordings are.
    of: PathBuf,
}

impl Played {
    #[track_caller]
    pub fn start(of: &Path) -> Played {
        Played { replay: Replay::start(of, &[]), of: of.to_owned() }
    }

    #[track_caller]
    pub fn port(&self, scheme: &str) -> u16 {
        self.replay.address(scheme).expect("a listener").port()
    }

    /// The same job has the same outcome, and the report says so. Thunderbird does several things at a time: what it looks at
    /// first, and whether it opens a folder or asks for its STATUS, is a matter of luck. That is told, and nothing else.
    #[track_caller]
    pub fn check(self, job: thread::Result<()>) {
        let Played { replay, of } = self;
        let (played, report) = replay.end_keeping();
        let told = |dir: &Path| -> String {
            let all = Recording::all(dir).unwrap_or_default();
            all.iter().map(|recording| format!("{:?}\n", recording.verbs())).collect()
        };
        let what = || format!("{report}\nthen:\n{}now:\n{}", told(&of), told(&played.dir));
        assert!(job.is_ok(), "Thunderbird with a played server: {}", what());
        for list in ["differing", "unmet", "unasked"] {
            let all = report[list].as_array().expect("a list");
            assert!(all.iter().all(only_looks), "{list}: {}", what());
        }
        let differs = ["differing", "unmet"].iter().any(|list| report[list] != Value::Array(Vec::new()));
        assert_eq!(report["status"], u8::from(differs), "{}", what());
    }
}

/// Whether a line of the report is about a command that changes nothing.
fn only_looks(line: &Value) -> bool {
    let said = line["asked"].as_str().or(line["command"].as_str()).unwrap_or_default().to_ascii_uppercase();
    let behind_tag = said.split_once(' ').map_or("", |(_, command)| command);
    ["UID FETCH ", "STATUS ", "SELECT ", "LIST ", "NOOP"].iter().any(|verb| behind_tag.starts_with(verb))
}

/// A server to which what Thunderbird said is said again.
pub struct Fresh<'a> {
    /// Where the recordings are.
    pub dir: &'a Path,
    /// The root that the server's certificate leads to.
    pub root: &'a Path,
    pub user: &'a str,
    pub password: &'a str,
    /// The server's address, by scheme.
    pub url: &'a (dyn Fn(&str) -> String + Sync),
}

impl Fresh<'_> {
    /// Nothing is answered otherwise than it was. What waited for news is played while the rest is: some of it brings them.
    #[track_caller]
    pub fn says_the_same(&self, recordings: &[Recording]) {
        let waits = |recording: &&Recording| recording.verbs().iter().any(|verb| verb == "IDLE");
        let (waiting, others): (Vec<_>, Vec<_>) = recordings.iter().partition(waits);
        let (mail, others): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|recording| recording.one("open")["protocol"] == "smtp");
        for recording in others {
            self.same(recording);
        }
        thread::scope(|scope| {
            let playing: Vec<_> = waiting.iter().map(|recording| scope.spawn(|| self.same(recording))).collect();
            wait_for("the played clients to wait for news", || {
                let all = Recording::all(self.dir).ok()?;
                let waits = |one: &&Recording| one.verbs().last().is_some_and(|verb| verb == "IDLE");
                (all.iter().filter(|one| !one.is_closed()).filter(waits).count() == playing.len()).then_some(())
            });
            for recording in mail {
                self.same(recording);
            }
            for played in playing {
                assert!(played.join().is_ok(), "a client that waited for news");
            }
        });
    }

    #[track_caller]
    fn same(&self, recording: &Recording) {
        let open = recording.one("open");
        let scheme = open["route"].as_str().and_then(|route| route.split("://").next()).expect("a route");
        let (path, root) = (recording.path.to_str().expect("text"), self.root.to_str().expect("text"));
        let url = (self.url)(scheme);
        let args = ["replay", "client", path, &url, "--upstream-ca", root, "--user", self.user, "--json"];
        let more = ["--password-env", "REPLAY_PASSWORD", "--news-timeout", "30"];
        let mut command = command(self.dir, &[&args[..], &more].concat());
        command.env("REPLAY_PASSWORD", self.password);
        let ran = Ran::new(&command);
        assert_eq!(ran.code, Some(0), "{url}: {ran}\n{}", recording.dump());
    }
}
