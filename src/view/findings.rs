//! Findings for people: the catalogue, and what one session had noted about it.
//! Takes entries and notes, gives lines.
//! Does not know how anything is found.

use crate::event::{Level, Note};
use crate::findings::{self, Finding};

use super::paint::{Line, Role, Style};

/// Columns before the text of an entry in the list: level and code.
const LISTED: usize = 30;
/// Columns before what is said of an entry.
const INDENT: usize = 6;

/// Appends one entry of the catalogue: a line, or all that there is to say.
pub fn entry(finding: &Finding, whole: bool, style: Style, out: &mut String) {
    let head = Line::new().add(role(finding.level), mark(finding.level)).add(Role::Strong, finding.code);
    if !whole {
        style.lay(head.pad(LISTED).add(Role::Plain, finding.what), LISTED, out);
        return;
    }
    style.lay(head.add(Role::Aside, &format!("  ({})", finding.level.name())), INDENT, out);
    style.lay(Line::new().pad(INDENT).add(Role::Plain, finding.what), INDENT, out);
    advice(finding, style, out);
}

fn advice(finding: &Finding, style: Style, out: &mut String) {
    let mut line = Line::new().pad(INDENT).add(Role::Aside, "→ ").add(Role::Aside, finding.mend);
    if !finding.source.is_empty() {
        line = line.add(Role::Aside, &format!(" [{}]", finding.source));
    }
    style.lay(line, INDENT + 2, out);
}

/// What was noted in a session, each code once.
#[derive(Default)]
pub(super) struct Noted(Vec<Times>);

struct Times {
    code: String,
    level: Level,
    text: String,
    times: u64,
}

/// How many different codes are told of; there are fewer in the catalogue.
const CODES_MAX: usize = 256;

impl Noted {
    pub fn take(&mut self, note: &Note) {
        let room = self.0.len() < CODES_MAX;
        match self.0.iter_mut().find(|noted| noted.code == note.code) {
            Some(noted) => noted.times += 1,
            None if room => {
                self.0.push(Times { code: note.code.clone(), level: note.level, text: note.text.clone(), times: 1 })
            }
            None => {}
        }
    }

    /// Appends what was noted, the worst first, with what to do about it.
    pub fn write(&mut self, style: Style, out: &mut String) {
        if self.0.is_empty() {
            return;
        }
        self.0.sort_by_key(|noted| std::cmp::Reverse(noted.level));
        out.push('\n');
        style.lay(Line::new().add(Role::Aside, "findings"), 0, out);
        for noted in &self.0 {
            let times = if noted.times == 1 { String::new() } else { format!(" ({} times)", noted.times) };
            let line = Line::new()
                .add(role(noted.level), mark(noted.level))
                .add(Role::Strong, &noted.code)
                .add(Role::Aside, &times)
                .add(Role::Aside, ": ")
                .add(Role::Plain, &noted.text);
            style.lay(line, INDENT, out);
            if let Some(finding) = findings::find(&noted.code) {
                advice(finding, style, out);
            }
        }
    }
}

fn role(level: Level) -> Role {
    if level == Level::Warn { Role::Warning } else { Role::Aside }
}

fn mark(level: Level) -> &'static str {
    if level == Level::Warn { "  !! " } else { "  ·  " }
}
