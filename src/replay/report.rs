//! What a replay came to: what matched, what differed, what was asked in vain and what was never asked.
//! Takes these as they are found, gives a line for scripts and text for people.
//! Does not know how they were found.

use std::fmt::Write;

use crate::event::{Object, Seq};

/// At the end of a played server.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Commands that were answered as recorded.
    pub matched: u64,
    /// The command that comes in the recording, with other arguments; and what was recorded and asked, but not in this
    /// order.
    pub differing: Vec<Asking>,
    /// What another connection asked when it was recorded, and any may ask.
    pub elsewhere: Vec<Asking>,
    /// What was asked more often than it was recorded, and answered as before.
    pub again: Vec<Asking>,
    /// What was asked, and was not recorded.
    pub unmet: Vec<Asking>,
    /// What was recorded, and never asked.
    pub unasked: Vec<Unasked>,
    pub strict: bool,
}

/// A command that had no answer.
#[derive(Clone, Debug)]
pub struct Asking {
    pub of: String,
    pub expected: Option<String>,
    pub asked: String,
}

/// A recorded command that nobody asked.
#[derive(Clone, Debug)]
pub struct Unasked {
    pub of: String,
    pub seq: Seq,
    pub command: String,
}

impl Report {
    pub(super) fn unasked(&mut self, of: &str, seq: Seq, command: String) {
        self.unasked.push(Unasked { of: of.to_owned(), seq, command });
    }

    /// Whether a client asked what could not be answered as recorded; and if nothing may differ, whether it asked
    /// everything.
    #[must_use]
    pub fn differs(&self) -> bool {
        !self.differing.is_empty() || !self.unmet.is_empty() || (self.strict && !self.unasked.is_empty())
    }

    /// The line of the contract.
    #[must_use]
    pub fn object(&self) -> Object {
        let asking = |asking: &Asking| {
            let mut line = Object::new();
            line.text("of", &asking.of);
            if let Some(expected) = &asking.expected {
                line.text("expected", expected);
            }
            line.text("asked", &asking.asked);
            line
        };
        let differing: Vec<Object> = self.differing.iter().map(asking).collect();
        let elsewhere: Vec<Object> = self.elsewhere.iter().map(asking).collect();
        let again: Vec<Object> = self.again.iter().map(asking).collect();
        let unmet: Vec<Object> = self.unmet.iter().map(asking).collect();
        let unasked: Vec<Object> = self
            .unasked
            .iter()
            .map(|unasked| {
                let mut line = Object::new();
                line.text("of", &unasked.of).number("seq", unasked.seq).text("command", &unasked.command);
                line
            })
            .collect();
        let mut line = Object::new();
        line.text("kind", "report").number("matched", self.matched);
        line.objects("differing", &differing).objects("unasked", &unasked).objects("unmet", &unmet);
        line.objects("again", &again).objects("elsewhere", &elsewhere);
        line
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} commands answered as recorded, {} differing, {} asked in vain, {} never asked\n",
            self.matched,
            self.differing.len(),
            self.unmet.len(),
            self.unasked.len()
        );
        for Asking { expected, asked, .. } in &self.differing {
            let _ =
                writeln!(text, "  differs      {asked}\n    recorded   {}", expected.as_deref().unwrap_or("nothing"));
        }
        for Asking { asked, .. } in &self.elsewhere {
            let _ = writeln!(text, "  elsewhere    {asked}");
        }
        for Asking { asked, .. } in &self.again {
            let _ = writeln!(text, "  again        {asked}");
        }
        for Asking { asked, .. } in &self.unmet {
            let _ = writeln!(text, "  in vain      {asked}");
        }
        for Unasked { of, seq, command } in &self.unasked {
            let _ = writeln!(text, "  never asked  {command}   ({of}, {seq})");
        }
        text
    }
}
