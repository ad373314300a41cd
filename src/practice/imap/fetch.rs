//! FETCH: what was asked of each message, one reply a message.
//! Takes the set and the attributes; sends replies, in pieces when they are large, and marks what was read as seen.
//! It does not know how the mailbox keeps its messages.

use std::io;
use std::sync::{Arc, OnceLock};

use super::super::store::{Change, Facts, Flags, System};
use super::aside::aside;
use super::mime::{self, Entity};
use super::parse::{Attribute, Section, Set};
use super::section::Octets;
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
            let bytes = match (&facts, attributes.iter().any(needs_bytes)) {
                (Some(facts), true) => {
                    let mailbox = mailbox.clone();
                    aside(facts.size, move || mailbox.read(entry.uid)).await??
                }
                _ => Some(Arc::from([])),
            };
            let (Some(facts), Some(bytes)) = (facts, bytes) else {
                is_complete = false;
                continue;
            };
            if let Some(view) = self.view.as_mut().filter(|_| marked || attributes.contains(&Attribute::Flags)) {
                view.told(number, facts.modseq);
            }
            self.wire.push(format!("* {number} FETCH (").as_bytes());
            if marked {
                self.wire.push(format!("FLAGS ({}) ", flag_names(&entry, &facts)).as_bytes());
            }
            let message = Arc::new(Message { facts, entry, bytes, root: OnceLock::new() });
            for (n, attribute) in attributes.iter().enumerate() {
                if n > 0 {
                    self.wire.push(b" ");
                }
                // One at a time: each may be as long as the message.
                let (asked, of) = (attribute.clone(), message.clone());
                let value = aside(message.bytes.len() as u64, move || of.attribute(&asked)).await?;
                self.wire.push_long(&value.words).await?;
                match &value.octets {
                    Octets::None => {}
                    Octets::At(range) => text::send_octets(self.wire, &message.bytes[range.clone()]).await?,
                    Octets::Made(bytes) => text::send_octets(self.wire, bytes).await?,
                }
            }
            self.wire.push(b")\r\n");
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

struct Message {
    facts: Facts,
    entry: view::Entry,
    bytes: Arc<[u8]>,
    /// Taken apart when the first attribute needs it.
    root: OnceLock<Entity>,
}

/// An attribute with its value: what is short, and behind it a literal's octets.
struct Value {
    words: Vec<u8>,
    octets: Octets,
}

impl Message {
    fn root(&self) -> &Entity {
        self.root.get_or_init(|| mime::parse(&self.bytes))
    }

    fn attribute(&self, attribute: &Attribute) -> Value {
        let mut out = Vec::new();
        match attribute {
            Attribute::Uid => out = format!("UID {}", self.entry.uid).into_bytes(),
            Attribute::ModSeq => out = format!("MODSEQ ({})", self.facts.modseq).into_bytes(),
            Attribute::Flags => out = format!("FLAGS ({})", flag_names(&self.entry, &self.facts)).into_bytes(),
            Attribute::InternalDate => out = format!("INTERNALDATE \"{}\"", date_time(self.facts.date)).into_bytes(),
            Attribute::Size => out = format!("RFC822.SIZE {}", self.facts.size).into_bytes(),
            Attribute::Envelope => {
                out.extend_from_slice(b"ENVELOPE ");
                envelope::envelope(&mut out, &self.bytes[self.root().header.clone()]);
            }
            Attribute::Body => {
                out.extend_from_slice(b"BODY ");
                structure::structure(&mut out, &self.bytes, self.root(), false);
            }
            Attribute::BodyStructure => {
                out.extend_from_slice(b"BODYSTRUCTURE ");
                structure::structure(&mut out, &self.bytes, self.root(), true);
            }
            Attribute::Old { name, section, .. } => return self.section(name, section, None),
            Attribute::Section { section, partial, .. } => {
                let mut name = format!("BODY[{}]", section::name(section));
                if let Some((from, _)) = partial {
                    name.push_str(&format!("<{from}>"));
                }
                return self.section(&name, section, *partial);
            }
        }
        Value { words: out, octets: Octets::None }
    }

    fn section(&self, name: &str, section: &Section, partial: Option<(u64, u64)>) -> Value {
        let octets = section::extract(&self.bytes, self.root(), section).part(partial);
        let words = match octets.len() {
            // A part that is not there is empty too: the grammar would allow NIL, Dovecot's clients expect this.
            0 => format!("{name} \"\""),
            count => format!("{name} {{{count}}}\r\n"),
        };
        Value { words: words.into_bytes(), octets }
    }
}

/// `dd-Mon-yyyy hh:mm:ss +0000`: dates are kept and told in UTC.
fn date_time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or_default().strftime("%d-%b-%Y %H:%M:%S +0000").to_string()
}
