//! A load test as text: a line for each command with how often, how fast and how it was answered.
//! Takes figures, gives lines.
//! Does not know how they were measured.

use super::paint::{Line, Role, Style};
use super::text;

/// Columns of the command's name, and of each figure.
const NAME: usize = 14;
const FIGURE: usize = 10;

/// One command's figures; latencies in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub command: String,
    pub count: u64,
    /// p50, p90, p99, p99.9 and the largest.
    pub latencies: [u64; 5],
    /// Statuses that are not as recorded, and how often they came.
    pub differing: Vec<(String, u64)>,
}

/// Appends the heading and the rows.
pub fn rows(rows: &[Row], style: Style, out: &mut String) {
    let mut head = Line::new().add(Role::Aside, "command").pad(NAME);
    for name in ["count", "p50", "p90", "p99", "p99.9", "max"] {
        head = head.add(Role::Aside, &format!("{name:>FIGURE$}"));
    }
    head.add(Role::Aside, "  not as recorded").write(style.color, out);
    for row in rows {
        let mut line = Line::new().add(Role::Client, &row.command).cut(NAME - 1).pad(NAME);
        line = figure(line, &text::grouped(row.count));
        for latency in row.latencies {
            line = figure(line, &text::duration(latency));
        }
        let differing: Vec<String> =
            row.differing.iter().map(|(status, count)| format!("{status} × {}", text::grouped(*count))).collect();
        line = line.add(Role::Plain, "  ").add(Role::Refusal, &differing.join(", "));
        let lines = style.width.map_or_else(|| vec![line.clone()], |width| line.clone().wrap(width, NAME));
        lines.iter().for_each(|line| line.write(style.color, out));
    }
}

fn figure(line: Line, text: &str) -> Line {
    let missing = FIGURE.saturating_sub(super::paint::width(text)).max(1);
    line.add(Role::Plain, &" ".repeat(missing)).add(Role::Plain, text)
}

/// Appends the totals: how many sessions, how many of them to their end, and why the others were not.
pub fn end(
    sessions: u64,
    done: u64,
    stopped: &std::collections::BTreeMap<String, u64>,
    took_us: u64,
    style: Style,
    out: &mut String,
) {
    out.push('\n');
    let a_second = sessions.saturating_mul(1_000_000) / took_us.max(1);
    let line = format!(
        "{} of {} played to their end in {}, {} a second",
        text::grouped(done),
        text::counted(sessions, "session"),
        text::duration(took_us),
        text::grouped(a_second)
    );
    Line::new().add(Role::Strong, &line).write(style.color, out);
    for (why, &count) in stopped {
        Line::new().add(Role::Refusal, &format!("{} stopped: {why}", text::grouped(count))).write(style.color, out);
    }
}
