//! The table that `sessions` prints: one line a session.
//! Takes rows of plain values, gives lines fitted to the width.
//! Does not know where the values come from.

use crate::event::Stamp;

use super::paint::{self, Line, Role, Style};
use super::text;

/// What a listing says of one session.
#[derive(Clone, Copy, Debug)]
pub struct Row<'r> {
    pub session: &'r str,
    pub opened: Stamp,
    pub protocol: &'r str,
    pub client: &'r str,
    pub upstream_name: &'r str,
    pub user: Option<&'r str>,
    pub duration_us: Option<u64>,
    pub commands: Option<u64>,
    pub client_bytes: Option<u64>,
    pub server_bytes: Option<u64>,
    pub tls: bool,
    pub status: &'r str,
    pub failed: Option<&'r str>,
    pub findings: &'r [&'r str],
}

/// Appends the names of the columns.
pub fn head(style: Style, out: &mut String) {
    let cells = ["session", "opened (UTC)", "proto", "took", "cmds", "sent", "received", "user", "client → server"];
    let line = columns(cells.map(|cell| (Role::Aside, cell.to_owned())));
    lay(line, style, out);
}

/// Appends one session's line.
pub fn row(row: &Row<'_>, style: Style, out: &mut String) {
    let number = |number: Option<u64>, show: fn(u64) -> String| number.map_or_else(|| "-".to_owned(), show);
    let took = row.duration_us.map_or_else(|| row.status.to_owned(), text::duration);
    let protocol = if row.tls { format!("{}+tls", row.protocol) } else { row.protocol.to_owned() };
    let mut line = columns([
        (Role::Strong, text::short(row.session).to_owned()),
        (Role::Aside, text::day_and_time(row.opened)),
        (Role::Plain, protocol),
        (Role::Plain, took),
        (Role::Plain, number(row.commands, text::grouped)),
        (Role::Client, number(row.client_bytes, text::size)),
        (Role::Server, number(row.server_bytes, text::size)),
        (Role::Plain, row.user.unwrap_or("-").to_owned()),
        (Role::Plain, format!("{} → {}", row.client, row.upstream_name)),
    ]);
    if let Some(failed) = row.failed {
        line = line.add(Role::Warning, &format!("  failed: {failed}"));
    }
    if !row.findings.is_empty() {
        line = line.add(Role::Refusal, &format!("  {}", row.findings.join(" ")));
    }
    lay(line, style, out);
}

/// Widths of the columns but the last; a longer value pushes the rest of its line to the right.
const WIDTHS: [usize; 8] = [8, 19, 8, 9, 5, 8, 8, 12];

/// Columns whose values stand to the right: numbers.
const RIGHT: [bool; 8] = [false, false, false, true, true, true, true, false];

fn columns(cells: [(Role, String); 9]) -> Line {
    let mut line = Line::new();
    let layout = WIDTHS.iter().zip(RIGHT).map(Some).chain([None]);
    for ((role, text), layout) in cells.into_iter().zip(layout) {
        let before = line.width();
        line = match layout {
            Some((&width, true)) => {
                let gap = width.saturating_sub(paint::width(&text));
                line.pad(before + gap).add(role, &text).add(Role::Plain, "  ")
            }
            Some((&width, false)) => line.add(role, &text).pad(before + width).add(Role::Plain, "  "),
            None => line.add(role, &text),
        };
    }
    line
}

fn lay(line: Line, style: Style, out: &mut String) {
    let line = match style.width {
        Some(width) => line.cut(width),
        None => line,
    };
    line.write(style.color, out);
}
