//! What is done to messages of the selected mailbox: STORE, COPY, MOVE, EXPUNGE, SEARCH.
//! Takes sets as the view numbers them; gives replies, and other mailboxes their copies.
//! It does not know what is in a message.

use std::io;

use super::super::store::FlagChange;
use super::super::users::User;
use super::mailboxes::flags_of;
use super::parse::{Key, Set, Store, contains, write_set};
use super::view::{flags_reply, modseq_reply};
use super::{Answer, Session, refused, search};

const READ_ONLY: &str = "[READ-ONLY] Mailbox is read-only.";
const BAD_SET: &str = "Error in IMAP command: Invalid messageset.";

impl Session<'_> {
    pub(super) fn store(&mut self, store: &Store) -> io::Result<Answer> {
        let Some(view) = &mut self.view else { return Answer::bad("No mailbox selected.") };
        let Some(picked) = view.pick(&store.set, store.uid) else { return Answer::bad(BAD_SET) };
        let is_recent = |flag: &String| flag.eq_ignore_ascii_case("\\Recent");
        let Some(flags) = flags_of(&store.flags).filter(|_| !store.flags.iter().any(is_recent)) else {
            return Answer::bad("Invalid system flag.");
        };
        if view.read_only {
            return Answer::no(READ_ONLY);
        }
        self.condstore |= store.unchanged_since.is_some();
        let mailbox = view.mailbox().clone();
        let (mut modified, mut is_complete) = (Vec::new(), true);
        for (number, entry) in picked {
            match mailbox.store(entry.uid, store.how, &flags, store.unchanged_since)? {
                FlagChange::Gone => is_complete = false,
                FlagChange::Modified => modified.push(if store.uid { entry.uid } else { number as u32 }),
                // Like Dovecot: nothing changed, so nothing is told.
                FlagChange::Unchanged if store.unchanged_since.is_none() => {}
                FlagChange::Unchanged | FlagChange::Done => {
                    let Some(facts) = mailbox.summary(|m| m.facts(entry.uid).cloned()) else { continue };
                    view.told(number, facts.modseq);
                    if let Some(lines) = view.new_keywords() {
                        self.wire.push(lines.as_bytes());
                    }
                    let reply = match store.silent {
                        false => flags_reply(number, &entry, &facts, store.uid, self.condstore),
                        true if self.condstore => modseq_reply(number, &entry, &facts, store.uid),
                        true => continue,
                    };
                    self.wire.push(reply.as_bytes());
                }
            }
        }
        match (modified.is_empty(), is_complete) {
            (false, _) => Ok(Answer::Ok(format!("[MODIFIED {}] Conditional store failed.", write_set(&modified)))),
            (true, true) => Answer::ok("Store completed."),
            (true, false) => Answer::no("[EXPUNGEISSUED] Some messages were already expunged."),
        }
    }

    pub(super) fn copy(&mut self, user: &User, uid: bool, set: &Set, to: &str, moves: bool) -> io::Result<Answer> {
        let Some(view) = &mut self.view else { return Answer::bad("No mailbox selected.") };
        let Some(picked) = view.pick(set, uid) else { return Answer::bad(BAD_SET) };
        let Some(target) = user.store.mailbox(to) else {
            return Ok(Answer::try_create(to));
        };
        if moves && view.read_only {
            return Answer::no(READ_ONLY);
        }
        let mailbox = view.mailbox().clone();
        let done = if moves { "Move completed." } else { "Copy completed." };
        let uids: Vec<u32> = picked.iter().map(|(_, entry)| entry.uid).collect();
        let (from, there) = match mailbox.copy(&uids, &target) {
            Ok(copied) => copied,
            Err(refusal) => return Ok(refused(&refusal)),
        };
        if from.is_empty() {
            return Answer::ok(&format!("No messages found, {}", done.to_lowercase()));
        }
        let validity = target.summary(|m| m.validity());
        let code = format!("[COPYUID {validity} {} {}]", write_set(&from), write_set(&there));
        if !moves {
            return Answer::ok(&format!("{code} {done}"));
        }
        self.wire.line(&format!("* OK {code} Moved UIDs."));
        mailbox.expunge(&from);
        Answer::ok(done)
    }

    pub(super) fn expunge(&mut self, set: Option<&Set>) -> io::Result<Answer> {
        let Some(view) = &self.view else { return Answer::bad("No mailbox selected.") };
        if view.read_only {
            return Answer::no(READ_ONLY);
        }
        let mailbox = view.mailbox();
        let mut uids = mailbox.deleted();
        if let Some(set) = set {
            let ranges = set.resolve(mailbox.summary(|m| m.uids().last().unwrap_or(0)));
            uids.retain(|uid| contains(&ranges, *uid));
        }
        mailbox.expunge(&uids);
        Answer::ok("Expunge completed.")
    }

    pub(super) async fn search(&mut self, uid: bool, key: &Key, charset: Option<&str>) -> io::Result<Answer> {
        let Some(view) = &self.view else { return Answer::bad("No mailbox selected.") };
        if charset.is_some_and(|set| !["US-ASCII", "UTF-8"].iter().any(|known| known.eq_ignore_ascii_case(set))) {
            return Answer::no("[BADCHARSET (US-ASCII UTF-8)] Unknown charset");
        }
        self.condstore |= search::has_modseq(key);
        let found = search::search(view, key).await?;
        let mut line = "* SEARCH".to_owned();
        for (number, entry) in &found.picked {
            line.push_str(&format!(" {}", if uid { entry.uid } else { *number as u32 }));
        }
        if let Some(modseq) = found.modseq {
            line.push_str(&format!(" (MODSEQ {modseq})"));
        }
        self.wire.line(&line);
        Answer::ok("Search completed.")
    }
}
