//! Whole mailboxes: SELECT, CLOSE, DELETE, SUBSCRIBE, STATUS, APPEND.
//! Takes the parsed command and the user's store; gives replies, and the session its view.
//! It does not know what is in a message.

use std::fmt::Write;
use std::io;

use super::super::store::{Addition, Flags, Mailbox, Refusal, System};
use super::super::users::User;
use super::parse::{Append, Status};
use super::view::{View, flag_lines};
use super::{Answer, Session, change, refused, text};

impl Session<'_> {
    pub(super) fn select(&mut self, user: &User, name: &str, read_only: bool, condstore: bool) -> io::Result<Answer> {
        let was_open = self.view.take().is_some();
        if was_open {
            self.wire.line("* OK [CLOSED] Previous mailbox closed.");
        }
        let Some(mailbox) = user.store.mailbox(name) else {
            return Ok(Answer::no_mailbox(name));
        };
        self.condstore |= condstore;
        mailbox.refresh()?;
        let view = View::open(mailbox, name.to_owned(), read_only);
        let mut out = view.mailbox().summary(|m| flag_lines(m.keywords(), read_only));
        let _ = write!(out, "* {} EXISTS\r\n* {} RECENT\r\n", view.len(), view.recent());
        view.mailbox().summary(|m| {
            let unseen = view.iter().find(|(_, e)| m.facts(e.uid).is_some_and(|f| !f.flags.has(System::Seen)));
            if let Some((n, _)) = unseen {
                let _ = write!(out, "* OK [UNSEEN {n}] First unseen.\r\n");
            }
            let _ = write!(out, "* OK [UIDVALIDITY {}] UIDs valid\r\n", m.validity());
            let _ = write!(out, "* OK [UIDNEXT {}] Predicted next UID\r\n", m.next());
            let _ = write!(out, "* OK [HIGHESTMODSEQ {}] Highest\r\n", m.modseq());
        });
        self.wire.push(out.as_bytes());
        self.view = Some(view);
        match read_only {
            true => Answer::ok("[READ-ONLY] Examine completed."),
            false => Answer::ok("[READ-WRITE] Select completed."),
        }
    }

    pub(super) fn unselect(&mut self, text: &str) -> io::Result<Answer> {
        self.view = None;
        Answer::ok(text)
    }

    /// Removes what is marked as deleted, without telling, and closes the view.
    pub(super) fn close(&mut self) -> io::Result<Answer> {
        if let Some(view) = self.view.take().filter(|view| !view.read_only) {
            let mailbox = view.mailbox();
            mailbox.expunge(&mailbox.deleted());
        }
        Answer::ok("Close completed.")
    }

    pub(super) fn delete(&mut self, user: &User, name: &str) -> io::Result<Answer> {
        if self.view.as_ref().is_some_and(|view| view.name == name) {
            self.view = None;
        }
        change(user.store.delete(name), "Delete completed.")
    }

    pub(super) fn subscribe(&mut self, user: &User, name: &str) -> io::Result<Answer> {
        if user.store.mailbox(name).is_none() {
            return Ok(Answer::no_mailbox(name));
        }
        change(user.store.subscribe(name, true), "Subscribe completed.")
    }

    pub(super) fn status(&mut self, user: &User, name: &str, items: &[Status]) -> io::Result<Answer> {
        let Some(mailbox) = user.store.mailbox(name) else {
            return Ok(Answer::no_mailbox(name));
        };
        mailbox.refresh()?;
        self.condstore |= items.contains(&Status::HighestModSeq);
        self.wire.line(&status_line(name, &mailbox, items));
        Answer::ok("Status completed.")
    }

    pub(super) fn append(&mut self, user: &User, append: Append) -> io::Result<Answer> {
        let Some(mailbox) = user.store.mailbox(&append.mailbox) else {
            return Ok(Answer::try_create(&append.mailbox));
        };
        let mut additions = Vec::with_capacity(append.messages.len());
        for message in append.messages {
            if message.bytes.is_empty() {
                return Answer::no("Can't save a zero byte message.");
            }
            let Some(flags) = flags_of(&message.flags) else { return Answer::bad("Invalid system flag.") };
            additions.push(Addition { bytes: message.bytes, flags, date: message.date, fresh: false });
        }
        match mailbox.add(additions) {
            Ok(uids) => {
                let validity = mailbox.summary(|m| m.validity());
                Ok(Answer::Ok(format!("[APPENDUID {validity} {}] Append completed.", super::parse::write_set(&uids))))
            }
            Err(Refusal::NoMailbox) => Ok(Answer::try_create(&append.mailbox)),
            Err(refusal) => Ok(refused(&refusal)),
        }
    }
}

/// `\Recent` is dropped, as clients copy it from what they read; None: some other name begins with a backslash.
pub fn flags_of(names: &[String]) -> Option<Flags> {
    let mut flags = Flags::default();
    for name in names {
        if !name.eq_ignore_ascii_case("\\Recent") && !flags.insert(name) {
            return None;
        }
    }
    Some(flags)
}

pub fn status_line(name: &str, mailbox: &Mailbox, items: &[Status]) -> String {
    let values: Vec<String> = mailbox.summary(|m| {
        let count = |wanted: &dyn Fn(&Flags) -> bool| m.iter().filter(|(_, facts)| wanted(&facts.flags)).count();
        let value = |item: &Status| match item {
            Status::Messages => format!("MESSAGES {}", m.len()),
            Status::Recent => format!("RECENT {}", m.recent()),
            Status::UidNext => format!("UIDNEXT {}", m.next()),
            Status::UidValidity => format!("UIDVALIDITY {}", m.validity()),
            Status::Unseen => format!("UNSEEN {}", count(&|flags| !flags.has(System::Seen))),
            Status::Deleted => format!("DELETED {}", count(&|flags| flags.has(System::Deleted))),
            Status::HighestModSeq => format!("HIGHESTMODSEQ {}", m.modseq()),
            Status::Size => format!("SIZE {}", m.iter().map(|(_, facts)| facts.size).sum::<u64>()),
        };
        items.iter().map(value).collect()
    });
    format!("* STATUS {} ({})", text::mailbox(name), values.join(" "))
}
