//! Two sessions side by side as text: a line for each command with both latencies, and under it what differs.
//! Takes rows in order, gives lines; runs of rows that are the same are folded.
//! Does not know how sessions are compared.

use super::paint::{Line, Role, Style};
use super::text;

/// Columns of one latency.
const LATENCY: usize = 10;

/// Columns before a command: two latencies, the mark and what stands between.
const INDENT: usize = 2 * LATENCY + 6;

/// From this width on, what both servers said stands side by side.
const WIDE: usize = 120;

/// Of a run of rows that are the same, so many are shown at its beginning and at its end.
const SHOWN: usize = 3;

/// How many lines of each side are shown under a row that differs.
const LINES_MAX: usize = 12;

/// What is compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head<'a> {
    pub session: &'a str,
    pub protocol: &'a str,
    pub client: &'a str,
    pub server: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Same,
    Differs,
    OnlyFirst,
    OnlySecond,
}

/// A command in both sessions, or in one.
#[derive(Clone, Debug)]
pub struct Row {
    pub mark: Mark,
    pub latency: [Option<u64>; 2],
    /// The command's line as the one session has it, and as the other does where that is another.
    pub command: Vec<u8>,
    pub other: Option<Vec<u8>>,
    /// Sentences: what differs.
    pub differences: Vec<String>,
    /// What is said beside it and is no difference.
    pub aside: Option<String>,
    /// What each server said, line by line.
    pub said: [Vec<Vec<u8>>; 2],
}

pub struct Table {
    style: Style,
    all: bool,
    /// Rows that are the same and wait until it is clear whether they are folded.
    run: Vec<Row>,
    /// Rows of the run that were left out before those.
    left_out: u64,
}

impl Table {
    /// With `all`, nothing is folded.
    #[must_use]
    pub fn new(style: Style, all: bool) -> Table {
        Table { style, all, run: Vec::new(), left_out: 0 }
    }

    pub fn head(&self, heads: [Head<'_>; 2], out: &mut String) {
        for (name, head) in ["A", "B"].into_iter().zip(heads) {
            let line = Line::new()
                .add(Role::Strong, name)
                .pad(3)
                .add(Role::Plain, head.session)
                .add(Role::Aside, &format!("  {}  {} → {}", head.protocol, head.client, head.server));
            self.lay(line, 3, out);
        }
        out.push('\n');
        let line = Line::new().add(Role::Aside, &format!("{:>LATENCY$} {:>LATENCY$}", "A", "B"));
        self.lay(line, 0, out);
    }

    /// What differs beyond single commands.
    pub fn whole(&self, difference: &str, out: &mut String) {
        self.lay(Line::new().pad(INDENT - 2).add(Role::Warning, "≠ ").add(Role::Plain, difference), INDENT, out);
    }

    pub fn row(&mut self, row: Row, out: &mut String) {
        if row.mark == Mark::Same && row.aside.is_none() && !self.all {
            self.run.push(row);
            // The first ones and the last ones are enough to keep.
            if self.run.len() > 2 * SHOWN + 1 {
                self.run.remove(SHOWN);
                self.left_out += 1;
            }
            return;
        }
        self.unfold(out);
        self.print(&row, out);
    }

    /// `counts`: rows that are the same, that differ, only in A, only in B.
    pub fn end(&mut self, counts: [u64; 4], took: [Option<u64>; 2], out: &mut String) {
        self.unfold(out);
        out.push('\n');
        let [same, differing, first, second] = counts.map(text::grouped);
        let mut line = Line::new();
        line = if counts.iter().skip(1).all(|&count| count == 0) {
            line.add(Role::Strong, &format!("{same} the same"))
        } else {
            let role = Role::Warning;
            line.add(role, &format!("{same} the same, {differing} different, {first} only in A, {second} only in B"))
        };
        if let [Some(one), Some(other)] = took {
            let took = format!("; A took {}, B {}", text::duration(one), text::duration(other));
            line = line.add(Role::Aside, &took);
        }
        self.lay(line, 2, out);
    }

    fn unfold(&mut self, out: &mut String) {
        let run = std::mem::take(&mut self.run);
        let left_out = std::mem::take(&mut self.left_out);
        for (place, row) in run.iter().enumerate() {
            if left_out > 0 && place == SHOWN {
                let line = format!("⋯ {} the same", text::grouped(left_out + 1));
                self.lay(Line::new().pad(INDENT).add(Role::Aside, &line), INDENT, out);
                continue;
            }
            self.print(row, out);
        }
    }

    fn print(&self, row: &Row, out: &mut String) {
        let [one, other] = row.latency.map(|latency| latency.map_or_else(|| "—".to_owned(), text::duration));
        let (role, mark) = match row.mark {
            Mark::Same => (Role::Plain, " "),
            Mark::Differs => (Role::Warning, "≠"),
            Mark::OnlyFirst => (Role::Warning, "−"),
            Mark::OnlySecond => (Role::Warning, "+"),
        };
        let head = Line::new()
            .add(Role::Aside, &format!("{}{one} {}{other}  ", pad(&one), pad(&other)))
            .add(role, mark)
            .add(Role::Plain, "  ")
            .cut(INDENT)
            .pad(INDENT);
        let mut line = head.add_bytes(Role::Client, first_line(&row.command));
        if let Some(aside) = &row.aside {
            line = line.add(Role::Aside, &format!("  ({aside})"));
        }
        self.lay(line, INDENT, out);
        if let Some(command) = &row.other {
            let line = Line::new().pad(INDENT - 2).add(Role::Aside, "B ").add_bytes(Role::Client, first_line(command));
            self.lay(line, INDENT, out);
        }
        for difference in &row.differences {
            self.lay(Line::new().pad(INDENT).add(Role::Warning, difference), INDENT + 2, out);
        }
        if row.mark == Mark::Differs {
            self.said(&row.said, out);
        }
    }

    fn said(&self, said: &[Vec<Vec<u8>>; 2], out: &mut String) {
        let [first, second] = said;
        let side = |line: &[u8]| Line::new().add_bytes(Role::Server, line);
        let shown = |lines: &[Vec<u8>]| -> Vec<Line> {
            let mut shown: Vec<Line> = lines.iter().take(LINES_MAX).map(|line| side(line)).collect();
            if lines.len() > LINES_MAX {
                let more = format!("⋯ {} more", text::counted((lines.len() - LINES_MAX) as u64, "line"));
                shown.push(Line::new().add(Role::Aside, &more));
            }
            shown
        };
        match self.style.width {
            Some(width) if width >= WIDE => {
                let half = (width - INDENT - 3) / 2;
                let wrapped =
                    |lines: Vec<Line>| -> Vec<Line> { lines.into_iter().flat_map(|line| line.wrap(half, 2)).collect() };
                let (mut first, mut second) = (wrapped(shown(first)).into_iter(), wrapped(shown(second)).into_iter());
                loop {
                    let (one, other) = (first.next(), second.next());
                    if one.is_none() && other.is_none() {
                        return;
                    }
                    let one = one.unwrap_or_default().cut(half).pad(half);
                    let line = Line::new().pad(INDENT).append(one).add(Role::Aside, " │ ");
                    line.append(other.unwrap_or_default().cut(half)).write(self.style.color, out);
                }
            }
            _ => {
                for (name, lines) in [("A ", first), ("B ", second)] {
                    for line in shown(lines) {
                        let line = Line::new().pad(INDENT).add(Role::Aside, name).append(line);
                        self.lay(line, INDENT + 4, out);
                    }
                }
            }
        }
    }

    fn lay(&self, line: Line, indent: usize, out: &mut String) {
        match self.style.width {
            Some(width) => line.wrap(width, indent).iter().for_each(|line| line.write(self.style.color, out)),
            None => line.write(self.style.color, out),
        }
    }
}

/// What is missing before a text that stands at the right of its column.
fn pad(text: &str) -> String {
    " ".repeat(LATENCY.saturating_sub(super::paint::width(text)))
}

fn first_line(bytes: &[u8]) -> &[u8] {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::paint::width;

    fn row(mark: Mark, command: &str) -> Row {
        let said =
            "250 this is what the server has to say about it, and it takes more than one line to do so, for it is long";
        Row {
            mark,
            latency: [Some(1200), Some(65_000_000)],
            command: command.as_bytes().to_vec(),
            other: None,
            differences: if mark == Mark::Differs {
                vec!["the status is 250 in A and 550 in B".to_owned()]
            } else {
                Vec::new()
            },
            aside: None,
            said: [vec![said.as_bytes().to_vec()], vec![b"550 no".to_vec()]],
        }
    }

    fn table(width: Option<usize>, all: bool) -> String {
        let mut table = Table::new(Style { color: false, width }, all);
        let mut out = String::new();
        table.head([Head { session: "one", ..Head::default() }, Head { session: "two", ..Head::default() }], &mut out);
        for number in 0..40 {
            table.row(row(Mark::Same, &format!("NOOP {number}\r\n")), &mut out);
        }
        table.row(
            row(
                Mark::Differs,
                "RCPT TO:<somebody@example.org> and a long line that does not fit into eighty columns at all\r\n",
            ),
            &mut out,
        );
        table.row(row(Mark::OnlyFirst, "RSET\r\n"), &mut out);
        table.end([40, 1, 1, 0], [Some(5), Some(6)], &mut out);
        out
    }

    #[test]
    fn every_line_fits_at_80_and_at_160_columns() {
        for columns in [80, 160] {
            for line in table(Some(columns), false).lines() {
                assert!(width(line) <= columns, "{columns}: {line}");
            }
        }
        assert!(table(Some(160), false).contains(" │ 550 no"), "{}", table(Some(160), false));
        assert!(table(Some(80), false).contains("  B 550 no"), "{}", table(Some(80), false));
    }

    #[test]
    fn what_is_the_same_is_folded_and_nothing_else() {
        let text = table(None, false);
        assert!(
            text.contains("NOOP 2")
                && !text.contains("NOOP 3\n")
                && text.contains("⋯ 34 the same")
                && text.contains("NOOP 37"),
            "{text}"
        );
        assert!(text.contains("≠  RCPT") && text.contains("−  RSET"), "{text}");
        assert_eq!(table(None, true).matches("NOOP").count(), 40);
    }
}
