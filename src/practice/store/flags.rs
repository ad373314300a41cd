//! The flags of a message: the system's five and the keywords.
//! Takes names as IMAP and Maildir file names spell them; gives a set that can be joined, cut and printed.
//! It does not know `\Recent`, which belongs to a session and not to a message.

use std::collections::BTreeSet;

/// A system flag (RFC 3501, 2.3.2) as a bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    Answered = 1,
    Flagged = 2,
    Deleted = 4,
    Seen = 8,
    Draft = 16,
}

/// Every system flag, its IMAP name and its letter in a Maildir file name.
const ALL: [(System, &str, char); 5] = [
    (System::Answered, "\\Answered", 'R'),
    (System::Flagged, "\\Flagged", 'F'),
    (System::Deleted, "\\Deleted", 'T'),
    (System::Seen, "\\Seen", 'S'),
    (System::Draft, "\\Draft", 'D'),
];

/// The most keywords one mailbox can have: a Maildir file name has the letters a to z for them.
pub const KEYWORDS: usize = 26;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    system: u8,
    /// Sorted, without regard to case each at most once.
    keywords: Vec<String>,
}

impl Flags {
    /// Reads the flag letters of a Maildir file name; `keywords` are the mailbox's, in the order of the letters.
    #[must_use]
    pub fn from_letters(letters: &str, keywords: &[String]) -> Self {
        let mut flags = Flags::default();
        for letter in letters.chars() {
            if let Some((flag, ..)) = ALL.iter().find(|(.., l)| *l == letter) {
                flags.system |= *flag as u8;
            } else if letter.is_ascii_lowercase()
                && let Some(keyword) = keywords.get(letter as usize - 'a' as usize)
            {
                flags.insert(keyword);
            }
        }
        flags
    }

    /// The letters for a Maildir file name, in ASCII order as the format demands. Of those it had before, the ones that
    /// say nothing here stay: another program knows what they mean.
    #[must_use]
    pub fn letters(&self, keywords: &[String], before: &str) -> String {
        let keywords = || keywords.iter().take(KEYWORDS).zip('a'..='z');
        let is_known = |letter: char| ALL.iter().any(|(.., l)| *l == letter) || keywords().any(|(_, l)| l == letter);
        let system = ALL.iter().filter(|(flag, ..)| self.has(*flag)).map(|(.., letter)| *letter);
        let named = keywords().filter(|(keyword, _)| self.has_keyword(keyword)).map(|(_, letter)| letter);
        let unknown = before.chars().filter(|letter| letter.is_ascii_alphabetic() && !is_known(*letter));
        let letters: BTreeSet<char> = system.chain(named).chain(unknown).collect();
        letters.into_iter().collect()
    }

    /// Adds a flag by its IMAP name. False: it begins with a backslash and is none of the five.
    pub fn insert(&mut self, name: &str) -> bool {
        if let Some((flag, ..)) = ALL.iter().find(|(_, n, _)| n.eq_ignore_ascii_case(name)) {
            self.system |= *flag as u8;
            return true;
        }
        if name.starts_with('\\') {
            return false;
        }
        if !self.has_keyword(name) {
            self.keywords.push(name.to_owned());
            self.keywords.sort_unstable();
        }
        true
    }

    #[must_use]
    pub fn has(&self, flag: System) -> bool {
        self.system & flag as u8 != 0
    }

    #[must_use]
    pub fn has_keyword(&self, keyword: &str) -> bool {
        self.keywords.iter().any(|k| k.eq_ignore_ascii_case(keyword))
    }

    #[must_use]
    pub fn keywords(&self) -> &[String] {
        &self.keywords
    }

    pub fn keywords_mut(&mut self) -> &mut Vec<String> {
        &mut self.keywords
    }

    pub fn set(&mut self, flag: System) {
        self.system |= flag as u8;
    }

    pub fn add(&mut self, other: &Flags) {
        self.system |= other.system;
        for keyword in &other.keywords {
            self.insert(keyword);
        }
    }

    pub fn remove(&mut self, other: &Flags) {
        self.system &= !other.system;
        self.keywords.retain(|keyword| !other.has_keyword(keyword));
    }

    /// The IMAP names, the system's flags first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let system = ALL.iter().filter(|(flag, ..)| self.has(*flag)).map(|(_, name, _)| *name);
        system.chain(self.keywords.iter().map(String::as_str))
    }
}
