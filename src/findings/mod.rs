//! The findings: everything that a session can have noted about it, each with a stable code and what to do about it.
//! Takes a code, gives its entry; takes what was seen, gives the note that says it.
//! Does not know how anything is found; that stands where the bytes are read.

mod login;
mod mailbox;
mod message;
mod order;
mod relay;
mod tls;

pub use self::login::*;
pub use self::mailbox::*;
pub use self::message::*;
pub use self::order::*;
pub use self::relay::*;
pub use self::tls::*;

use crate::event::{Level, Note};

/// One thing that is wrong with a session, or worth knowing about it.
#[derive(Debug)]
pub struct Finding {
    /// Stable, in kebab-case; stands in `note` events.
    pub code: &'static str,
    pub level: Level,
    /// What was seen, in one sentence.
    pub what: &'static str,
    /// What comes of it, and what to do.
    pub mend: &'static str,
    /// Where it is written; empty where it is mailtap's own business.
    pub source: &'static str,
}

impl Finding {
    const fn new(
        level: Level,
        code: &'static str,
        what: &'static str,
        mend: &'static str,
        source: &'static str,
    ) -> Finding {
        Finding { code, level, what, mend, source }
    }

    const fn warn(code: &'static str, what: &'static str, mend: &'static str, source: &'static str) -> Finding {
        Finding::new(Level::Warn, code, what, mend, source)
    }

    const fn info(code: &'static str, what: &'static str, mend: &'static str, source: &'static str) -> Finding {
        Finding::new(Level::Info, code, what, mend, source)
    }

    /// The note that says it of one session.
    #[must_use]
    pub fn note(&self, text: impl Into<String>) -> Note {
        Note { level: self.level, code: self.code.to_owned(), text: text.into(), ..Note::default() }
    }
}

/// All findings, by subject.
pub fn all() -> impl Iterator<Item = &'static Finding> {
    [login::ALL, tls::ALL, order::ALL, message::ALL, mailbox::ALL, relay::ALL].into_iter().flatten().copied()
}

/// The finding with this code.
#[must_use]
pub fn find(code: &str) -> Option<&'static Finding> {
    all().find(|finding| finding.code.eq_ignore_ascii_case(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_kebab_case_and_every_entry_says_what_and_how_to_mend_it() {
        let mut codes: Vec<&str> = all().map(|finding| finding.code).collect();
        codes.sort_unstable();
        let count = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), count, "a code stands twice");
        for finding in all() {
            let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(finding.code.chars().all(kebab), "{finding:?}");
            assert!(finding.what.len() > 20 && !finding.what.ends_with('.'), "{finding:?}");
            assert!(finding.mend.len() > 20 && !finding.mend.ends_with('.'), "{finding:?}");
            assert!(find(finding.code).is_some());
        }
        assert!(find("no-such-thing").is_none());
    }
}
