//! The IMAP4rev1 server: RFC 3501 with the extensions its CAPABILITY names.
//! Takes commands from a [`Wire`]; gives answers from the account's store, and pushes what other sessions change.
//! It does not know the proxy's reading of IMAP: commands are read by its own small parser.

mod address;
mod aside;
mod contents;
mod envelope;
mod fetch;
mod idle;
mod list;
mod login;
mod mailboxes;
mod messages;
mod mime;
mod parse;
mod read;
mod search;
mod section;
mod structure;
mod text;
mod view;

use std::io;
use std::sync::Arc;

use super::limits::{BAD_COMMANDS, LOGINS};
use super::server::Shared;
use super::store::Refusal;
use super::users::User;
use super::wire::Wire;
use parse::{Command, Wrong};
use read::Read;
use view::{Gone, View};

/// Speaks with one client until it logs out or goes away.
pub async fn serve(wire: &mut Wire, shared: &Arc<Shared>) -> io::Result<()> {
    let mut session =
        Session { wire, shared: shared.clone(), user: None, view: None, condstore: false, failed_logins: 0, bad: 0 };
    session.run().await
}

struct Session<'w> {
    wire: &'w mut Wire,
    shared: Arc<Shared>,
    /// After login.
    user: Option<Arc<User>>,
    /// The selected mailbox.
    view: Option<View>,
    /// The client knows modification numbers (RFC 7162): flags are pushed with them.
    condstore: bool,
    failed_logins: u32,
    /// Commands in a row that could not be understood.
    bad: u32,
}

/// How a command ends, but for the tag.
enum Answer {
    Ok(String),
    No(String),
    Bad(String),
    /// It has been sent already.
    Sent,
    Logout,
    /// The connection ends, and the command with it.
    Bye(&'static str),
}

/// Why a session ends whose mailbox is no longer there.
const DELETED: &str = "Selected mailbox was deleted, have to disconnect.";

impl Answer {
    fn ok(text: &str) -> io::Result<Self> {
        Ok(Answer::Ok(text.to_owned()))
    }

    fn no(text: &str) -> io::Result<Self> {
        Ok(Answer::No(text.to_owned()))
    }

    fn bad(text: &str) -> io::Result<Self> {
        Ok(Answer::Bad(text.to_owned()))
    }

    fn no_mailbox(name: &str) -> Self {
        Answer::No(format!("Mailbox doesn't exist: {}", text::mailbox(name)))
    }

    /// The same, for a client that may make it and try again.
    fn try_create(name: &str) -> Self {
        Answer::No(format!("[TRYCREATE] Mailbox doesn't exist: {}", text::mailbox(name)))
    }
}

/// What may be told after a command (RFC 3501, 7.4.1): removals not while sequence numbers are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tell {
    Everything,
    NoRemovals,
    Nothing,
}

impl Session<'_> {
    async fn run(&mut self) -> io::Result<()> {
        let greeting = format!("* OK [CAPABILITY {}] mailtap practice server ready.", self.capability());
        self.wire.line(&greeting);
        loop {
            let (tag, answer) = match self.read_command().await? {
                Read::Whole(bytes) => self.obey(&bytes).await?,
                Read::Refused(tag, answer) => (tag, answer),
            };
            self.bad = if matches!(answer, Answer::Bad(_)) { self.bad + 1 } else { 0 };
            let mut bye = None;
            match answer {
                Answer::Ok(text) => self.wire.line(&format!("{tag} OK {text}")),
                Answer::No(text) => self.wire.line(&format!("{tag} NO {text}")),
                Answer::Bad(text) => self.wire.line(&format!("{tag} BAD {text}")),
                Answer::Sent => {}
                Answer::Bye(text) => bye = Some(text),
                Answer::Logout => {
                    self.wire.line("* BYE Logging out");
                    self.wire.line(&format!("{tag} OK Logout completed."));
                    return Ok(());
                }
            }
            if self.bad >= BAD_COMMANDS {
                bye = Some("Too many invalid IMAP commands.");
            }
            if self.failed_logins >= LOGINS {
                bye = Some("Too many failed logins.");
            }
            if let Some(text) = bye {
                self.wire.line(&format!("* BYE {text}"));
                return Ok(());
            }
        }
    }

    /// Does what the command says, and tells what else changed before it is answered.
    async fn obey(&mut self, bytes: &[u8]) -> io::Result<(String, Answer)> {
        let (tag, command) = match parse::parse(bytes) {
            Ok(read) => read,
            Err(Wrong { tag, why, is_syntax: false, .. }) => return Ok((tag, Answer::No(why))),
            Err(Wrong { tag, verb, why, .. }) => return Ok((tag, Answer::Bad(explain(&verb, &why)))),
        };
        let (tell, uid) = told_after(&command);
        let answer = self.command(&tag, command).await?;
        let is_told = matches!(answer, Answer::Ok(_) | Answer::No(_));
        let answer = match self.tell(if is_told { tell } else { Tell::Nothing }, uid) {
            Ok(()) => answer,
            Err(Gone) => Answer::Bye(DELETED),
        };
        Ok((tag, answer))
    }

    async fn command(&mut self, tag: &str, command: Command) -> io::Result<Answer> {
        match command {
            Command::Capability => {
                self.wire.line(&format!("* CAPABILITY {}", self.capability()));
                Answer::ok("Capability completed.")
            }
            Command::Noop => self.noop("NOOP completed."),
            Command::Logout => Ok(Answer::Logout),
            Command::Id => {
                let id = concat!(
                    "* ID (\"name\" \"mailtap practice server\" \"version\" \"",
                    env!("CARGO_PKG_VERSION"),
                    "\")"
                );
                self.wire.line(id);
                Answer::ok("ID completed.")
            }
            other => match self.user.clone() {
                None => self.before_login(tag, other).await,
                Some(user) => self.after_login(tag, &user, other).await,
            },
        }
    }

    async fn after_login(&mut self, tag: &str, user: &User, command: Command) -> io::Result<Answer> {
        match command {
            Command::Enable(words) => self.enable(&words),
            Command::Namespace => {
                self.wire.line("* NAMESPACE ((\"\" \"/\")) NIL NIL");
                Answer::ok("Namespace completed.")
            }
            Command::Select { mailbox, read_only, condstore } => self.select(user, &mailbox, read_only, condstore),
            Command::Create(name) => change(user.store.create(&name), "Create completed."),
            Command::Delete(name) => self.delete(user, &name),
            Command::Rename { from, to } => change(user.store.rename(&from, &to), "Rename completed."),
            Command::Subscribe(name) => self.subscribe(user, &name),
            Command::Unsubscribe(name) => change(user.store.subscribe(&name, false), "Unsubscribe completed."),
            Command::List(list) => self.list(user, &list),
            Command::Status { mailbox, items } => self.status(user, &mailbox, &items),
            Command::Append(append) => self.append(user, append),
            Command::Compress(algorithm) => self.compress(tag, &algorithm).await,
            Command::Idle => self.idle(tag).await,
            Command::Login { .. } | Command::Authenticate { .. } | Command::StartTls => {
                Answer::bad("Error in IMAP command: Already logged in.")
            }
            _ if self.view.is_none() => Answer::bad("No mailbox selected."),
            Command::Unselect => self.unselect("Unselect completed."),
            Command::Close => self.close(),
            Command::Check => self.noop("Check completed."),
            Command::Expunge(set) => self.expunge(set.as_ref()),
            Command::Search { uid, key, charset } => self.search(uid, &key, charset.as_deref()).await,
            Command::Fetch { uid, set, attributes, changed_since } => {
                self.fetch(uid, &set, attributes, changed_since).await
            }
            Command::Store(store) => self.store(&store),
            Command::Copy { uid, set, mailbox } => self.copy(user, uid, &set, &mailbox, false),
            Command::Move { uid, set, mailbox } => self.copy(user, uid, &set, &mailbox, true),
            Command::Capability | Command::Noop | Command::Logout | Command::Id => Answer::bad("Unknown command."),
        }
    }

    fn noop(&mut self, text: &str) -> io::Result<Answer> {
        if let Some(view) = &self.view {
            view.mailbox().refresh()?;
        }
        Answer::ok(text)
    }

    /// Tells the client what changed in the selected mailbox. Err: the mailbox is no longer there.
    fn tell(&mut self, tell: Tell, uid: bool) -> Result<(), Gone> {
        let Some(view) = self.view.as_mut().filter(|_| tell != Tell::Nothing) else { return Ok(()) };
        let news = view.sync(tell == Tell::Everything, uid, self.condstore)?;
        self.wire.push(news.as_bytes());
        Ok(())
    }
}

fn explain(verb: &str, why: &str) -> String {
    match verb {
        "" => format!("Error in IMAP command received by server: {why}."),
        verb => format!("Error in IMAP command {verb}: {why}."),
    }
}

/// What may be told after this command, and whether it was about UIDs.
fn told_after(command: &Command) -> (Tell, bool) {
    match command {
        Command::Fetch { uid, .. } | Command::Search { uid, .. } => {
            (if *uid { Tell::Everything } else { Tell::NoRemovals }, *uid)
        }
        Command::Store(store) => (if store.uid { Tell::Everything } else { Tell::NoRemovals }, store.uid),
        Command::Copy { uid, .. } | Command::Move { uid, .. } => (Tell::Everything, *uid),
        Command::Expunge(set) => (Tell::Everything, set.is_some()),
        // The view is new, or there is none.
        Command::Select { .. } | Command::Close | Command::Unselect => (Tell::Nothing, false),
        _ => (Tell::Everything, false),
    }
}

/// The answer to a command that changes the list of mailboxes.
fn change(done: Result<(), Refusal>, text: &str) -> io::Result<Answer> {
    match done {
        Ok(()) => Answer::ok(text),
        Err(refusal) => Ok(refused(&refusal)),
    }
}

/// A refusal with the response code that fits (RFC 5530, RFC 9208).
fn refused(refusal: &Refusal) -> Answer {
    let code = match refusal {
        // Dovecot has no code for these two, and it is what clients were tried with.
        Refusal::Inbox | Refusal::Below => return Answer::No(refusal.to_string()),
        Refusal::NoMailbox => "NONEXISTENT",
        Refusal::Exists => "ALREADYEXISTS",
        Refusal::Name(_) => "CANNOT",
        Refusal::Limit(_) => "LIMIT",
        Refusal::TooBig => "TOOBIG",
        Refusal::OverQuota => "OVERQUOTA",
        Refusal::Io(_) => "SERVERBUG",
    };
    Answer::No(format!("[{code}] {refusal}"))
}
