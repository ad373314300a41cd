//! An event as `tail` prints it: time, session, who speaks, what, how long it took.
//! Takes events of any sessions. What came over the wire is one line, cut to the width; what mailtap itself has to say
//! of it is wrapped.
//! Keeps nothing from one event to the next.

use crate::event::{Body, Event};

use super::paint::{Line, Role, Style};
use super::{said, text};

/// Bytes of a wire that a line shows at most where no terminal sets a width.
const SHOWN_MAX: usize = 4096;

/// What stands between the lines of a reply that has several.
const LINE_BREAK: &str = " ⏎ ";

/// Appends the event's line; none for content that goes on, whose size is told with its last part.
pub fn line(session: &str, event: &Event<'_>, style: Style, out: &mut String) {
    if matches!(&event.body, Body::Content(content) if !content.last) {
        return;
    }
    let (who, arrow) = said::arrow(event);
    let head = Line::new()
        .add(Role::Aside, &text::time_of_day(event.at))
        .add(Role::Plain, " ")
        .add(Role::Aside, text::short(session))
        .add(Role::Plain, " ")
        .add(who, arrow);
    if let Some(sentence) = said::sentence(event) {
        let indent = head.width();
        return style.lay(head.add(said::role(event), &sentence), indent, out);
    }
    let beside = said::latency(event).map(|latency| format!("  {}", text::duration(latency))).unwrap_or_default();
    let beside = Line::new().add(Role::Aside, &beside);
    let line = head.append(wire(event, style));
    let line = match style.width {
        Some(width) => line.cut(width.saturating_sub(beside.width())).append(beside).cut(width),
        None => line.append(beside),
    };
    line.write(style.color, out);
}

/// Columns before the text of a line, for what is put under it.
#[must_use]
pub fn indent(session: &str) -> usize {
    text::time_of_day(crate::event::Stamp(0)).len() + 1 + super::paint::width(text::short(session)) + 1
}

fn wire(event: &Event<'_>, style: Style) -> Line {
    let role = said::role(event);
    let shown_max = style.width.map_or(SHOWN_MAX, |width| (width * 4).min(SHOWN_MAX));
    let shown = event.wire.get(..shown_max).unwrap_or(&event.wire);
    let mut line = Line::new();
    for (index, part) in said::wire_lines(shown).enumerate() {
        if index > 0 {
            line = line.add(Role::Aside, LINE_BREAK);
        }
        line = line.add_bytes(role, part);
    }
    if shown.len() < event.wire.len() {
        line = line.add(Role::Aside, &format!("… ({})", text::counted(event.wire.len() as u64, "byte")));
    }
    match said::beside(event) {
        Some(beside) => line.add(Role::Aside, "  (").add(Role::Aside, &beside).add(Role::Aside, ")"),
        None => line,
    }
}
