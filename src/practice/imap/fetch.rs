//! FETCH: what was asked of each message, one reply a message.
//! Takes the set and the attributes; sends replies, in pieces when they are large, and marks what was read as seen.
//! It does not know how the mailbox keeps its messages.

use std::io;
use std::sync::{Arc, OnceLock};

use super::super::store::{Change, Flags, System};
use super::mime::{self, Entity};
use super::parse::{Attribute, Section, Set};
use super::view::{self, flag_names};
use super::{Answer, Session, envelope, section, structure, text};

const GONE: &str = "[EXPUNGEISSUED] Some messages were already expunged.";

impl Session<'_> {
    pub(super) async fn fetch(
        &mut self,
        uid: bool,
        set: &Set,
        mut attributes: Vec<Attribute>,
        changed_since: Option<u64>,
    ) -> io::Result<Answer> {
        let Some(view) = &self.view else { return Answer::bad("No mailbox selected.") };
        let Some(mut picked) = view.pick(set, uid) else {
            return Answer::bad("Error in IMAP command FETCH: Invalid messageset.");
        };
        if uid && !attributes.contains(&Attribute::Uid) {
            attributes.insert(0, Attribute::Uid);
        }
        if changed_since.is_some() && !attributes.contains(&Attribute::ModSeq) {
            attributes.push(Attribute::ModSeq);
        }
        let asked = std::mem::take(&mut attributes);
        for attribute in asked {
            if !attributes.contains(&attribute) {
                attributes.push(attribute);
            }
        }
        self.condstore |= attributes.contains(&Attribute::ModSeq);
        let (mailbox, read_only) = (view.mailbox().clone(), view.read_only);
        if let Some(since) = changed_since {
            mailbox.summary(|m| picked.retain(|(_, entry)| m.facts(entry.uid).is_some_and(|f| f.modseq > since)));
        }
        let reads = attributes.iter().any(|attribute| is_read(attribute) && !read_only);
        let mut is_complete = true;
        for (number, entry) in picked {
            let mut marked = false;
            if reads && mailbox.summary(|m| m.facts(entry.uid).is_some_and(|f| !f.flags.has(System::Seen))) {
                let mut seen = Flags::default();
                seen.set(System::Seen);
                mailbox.store(entry.uid, Change::Add, &seen, None)?;
                marked = !attributes.contains(&Attribute::Flags);
            }
            let facts = mailbox.summary(|m| m.facts(entry.uid).cloned());
            let bytes = match attributes.iter().any(needs_bytes) {
                true => mailbox.read(entry.uid)?,
                false => Some(Arc::from([])),
            };
            let (Some(facts), Some(bytes)) = (facts, bytes) else {
                is_complete = false;
                continue;
            };
            let message = Message { facts: &facts, entry: &entry, bytes: &bytes, root: OnceLock::new() };
            let mut out = format!("* {number} FETCH (").into_bytes();
            if marked {
                out.extend_from_slice(format!("FLAGS ({}) ", flag_names(&entry, &facts)).as_bytes());
            }
            for (n, attribute) in attributes.iter().enumerate() {
                if n > 0 {
                    out.push(b' ');
                }
                message.attribute(&mut out, attribute);
            }
            out.extend_from_slice(b")\r\n");
            self.wire.push(&out);
            if let Some(view) = self.view.as_mut().filter(|_| marked || attributes.contains(&Attribute::Flags)) {
                view.told(number, facts.modseq);
            }
            self.wire.relieve().await?;
        }
        match is_complete {
            true => Answer::ok("Fetch completed."),
            false => Answer::ok(GONE),
        }
    }
}

/// Does it count as reading the message?
fn is_read(attribute: &Attribute) -> bool {
    matches!(attribute, Attribute::Section { peek: false, .. } | Attribute::Old { peek: false, .. })
}

fn needs_bytes(attribute: &Attribute) -> bool {
    use Attribute::{Flags, InternalDate, ModSeq, Size, Uid};
    !matches!(attribute, Flags | InternalDate | Size | Uid | ModSeq)
}

struct Message<'a> {
    facts: &'a super::super::store::Facts,
    entry: &'a view::Entry,
    bytes: &'a [u8],
    /// Taken apart when the first attribute needs it.
    root: OnceLock<Entity>,
}

impl Message<'_> {
    fn root(&self) -> &Entity {
        self.root.get_or_init(|| mime::parse(self.bytes))
    }

    fn attribute(&self, out: &mut Vec<u8>, attribute: &Attribute) {
        let plain = |out: &mut Vec<u8>, text: String| out.extend_from_slice(text.as_bytes());
        match attribute {
            Attribute::Uid => plain(out, format!("UID {}", self.entry.uid)),
            Attribute::ModSeq => plain(out, format!("MODSEQ ({})", self.facts.modseq)),
            Attribute::Flags => plain(out, format!("FLAGS ({})", flag_names(self.entry, self.facts))),
            Attribute::InternalDate => plain(out, format!("INTERNALDATE \"{}\"", date_time(self.facts.date))),
            Attribute::Size => plain(out, format!("RFC822.SIZE {}", self.facts.size)),
            Attribute::Envelope => {
                out.extend_from_slice(b"ENVELOPE ");
                envelope::envelope(out, &self.bytes[self.root().header.clone()]);
            }
            Attribute::Body => {
                out.extend_from_slice(b"BODY ");
                structure::structure(out, self.bytes, self.root(), false);
            }
            Attribute::BodyStructure => {
                out.extend_from_slice(b"BODYSTRUCTURE ");
                structure::structure(out, self.bytes, self.root(), true);
            }
            Attribute::Old { name, section, .. } => self.section(out, name, section, None),
            Attribute::Section { section, partial, .. } => {
                let mut name = format!("BODY[{}]", section::name(section));
                if let Some((from, _)) = partial {
                    name.push_str(&format!("<{from}>"));
                }
                self.section(out, &name, section, *partial);
            }
        }
    }

    fn section(&self, out: &mut Vec<u8>, name: &str, section: &Section, partial: Option<(u64, u64)>) {
        out.extend_from_slice(name.as_bytes());
        out.push(b' ');
        let Some(found) = section::extract(self.bytes, self.root(), section) else {
            // A part that is not there is empty: the grammar would allow NIL, Dovecot's clients expect this.
            return out.extend_from_slice(b"\"\"");
        };
        let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(found.len());
        let piece = match partial {
            None => &found[..],
            Some((from, count)) => &found[within(from)..within(from.saturating_add(count))],
        };
        match piece.is_empty() {
            true => out.extend_from_slice(b"\"\""),
            false => text::literal(out, piece),
        }
    }
}

/// `dd-Mon-yyyy hh:mm:ss +0000`: dates are kept and told in UTC.
fn date_time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or_default().strftime("%d-%b-%Y %H:%M:%S +0000").to_string()
}
