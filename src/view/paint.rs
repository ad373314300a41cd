//! Text for a terminal: harmless whatever came over the wire, as wide as it looks, coloured by what it is.
//! Takes bytes and texts with their roles, gives lines cut or wrapped to a width.
//! Knows neither the terminal nor what an event is.

use std::borrow::Cow;
use std::fmt::Write;

use anstyle::{AnsiColor, Style as Ansi};
use unicode_width::UnicodeWidthChar;

use crate::event::Object;

/// Makes bytes fit to be shown: text stays text, and whatever could steer a terminal or turn text around is written
/// out, as `\r`, `\x1b`, `\u{202e}`. Every byte of a wire that reaches a terminal comes through here.
#[must_use]
pub fn harmless(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    if is_plain(bytes)
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        out.push_str(text);
        return out;
    }
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                '\n' => out.push_str("\\n"),
                '\0'..='\x1f' | '\x7f' => drop(write!(out, "\\x{:02x}", u32::from(character))),
                _ if is_harmful(character) => drop(write!(out, "\\u{{{:x}}}", u32::from(character))),
                _ => out.push(character),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// A line of JSON that says the same and can be printed: what could steer a terminal stands as `\u009b`. Beyond ASCII, JSON
/// has nothing but the insides of strings.
#[must_use]
pub fn harmless_json(line: &[u8]) -> Cow<'_, [u8]> {
    if line.is_ascii() && memchr::memchr(0x7f, line).is_none() {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len() + 16);
    for character in line.utf8_chunks().flat_map(|chunk| {
        let broken = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
        chunk.valid().chars().chain(broken)
    }) {
        if character == '\x7f' || is_harmful(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out.into_bytes())
}

/// Appends an object as such a line.
pub fn json_line(object: &Object, out: &mut String) {
    let mut line = String::new();
    object.write(&mut line);
    out.push_str(&String::from_utf8_lossy(&harmless_json(line.as_bytes())));
    out.push('\n');
}

/// Whether these are printable ASCII: most of what is ever shown.
fn is_plain(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Characters beyond ASCII that steer rather than show: C1 controls, marks that turn or hide text, tags.
fn is_harmful(character: char) -> bool {
    matches!(character,
        '\u{80}'..='\u{9f}'
        | '\u{ad}' | '\u{61c}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

/// How many columns a text takes.
#[must_use]
pub fn width(text: &str) -> usize {
    if is_plain(text.as_bytes()) { text.len() } else { text.chars().map(columns).sum() }
}

fn columns(character: char) -> usize {
    character.width().unwrap_or(0)
}

/// How to write for whoever reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    pub color: bool,
    /// Columns of the terminal; None where there is none, and lines stay as long as they are.
    pub width: Option<usize>,
}

impl Style {
    /// Appends a line, wrapped to the width; its later lines begin behind `indent` columns.
    pub(super) fn lay(self, line: Line, indent: usize, out: &mut String) {
        match self.width {
            Some(width) => line.wrap(width, indent).iter().for_each(|line| line.write(self.color, out)),
            None => line.write(self.color, out),
        }
    }
}

/// What a piece of text is. Colours are of the terminal's own sixteen, and only those that can be read on a light and
/// on a dark background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Plain,
    Client,
    Server,
    /// Times, names, figures: what is not the conversation itself.
    Aside,
    Strong,
    Warning,
    /// A server's no.
    Refusal,
}

impl Role {
    fn ansi(self) -> Ansi {
        let color = |color: AnsiColor| Ansi::new().fg_color(Some(color.into()));
        match self {
            Role::Plain => Ansi::new(),
            Role::Client => color(AnsiColor::Green),
            Role::Server => color(AnsiColor::Magenta),
            Role::Aside => Ansi::new().dimmed(),
            Role::Strong => Ansi::new().bold(),
            Role::Warning => color(AnsiColor::Red).bold(),
            Role::Refusal => color(AnsiColor::Red),
        }
    }
}

/// One line, made of harmless pieces only: there is no way to put other text into it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    spans: Vec<(Role, String)>,
    width: usize,
}

impl Line {
    #[must_use]
    pub fn new() -> Line {
        Line::default()
    }

    #[must_use]
    pub fn add(mut self, role: Role, text: &str) -> Line {
        self.push(role, text.as_bytes());
        self
    }

    #[must_use]
    pub fn add_bytes(mut self, role: Role, bytes: &[u8]) -> Line {
        self.push(role, bytes);
        self
    }

    fn push(&mut self, role: Role, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.push_harmless(role, harmless(bytes));
        }
    }

    fn push_harmless(&mut self, role: Role, text: String) {
        self.width += width(&text);
        self.spans.push((role, text));
    }

    #[must_use]
    pub fn append(mut self, other: Line) -> Line {
        self.width += other.width;
        self.spans.extend(other.spans);
        self
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Fills up with spaces.
    #[must_use]
    pub fn pad(mut self, to: usize) -> Line {
        let missing = to.saturating_sub(self.width());
        if missing > 0 {
            self.push_harmless(Role::Plain, " ".repeat(missing));
        }
        self
    }

    /// Cut to a width, the last column an ellipsis where something is missing.
    #[must_use]
    pub fn cut(self, to: usize) -> Line {
        if self.width() <= to {
            return self;
        }
        let mut left = to.saturating_sub(1);
        let mut cut = Line::new();
        for (role, text) in self.spans {
            let fitting = fitting(&text, left);
            left -= width(text.get(..fitting).unwrap_or_default());
            let whole = fitting == text.len();
            cut.push_harmless(role, text.get(..fitting).unwrap_or_default().to_owned());
            if !whole {
                break;
            }
        }
        if to > 0 {
            cut.push_harmless(Role::Aside, "…".to_owned());
        }
        cut
    }

    /// Broken into lines of a width, all but the first indented; between words where there are any.
    #[must_use]
    pub fn wrap(self, to: usize, indent: usize) -> Vec<Line> {
        // A terminal too narrow for the indent gets text that it breaks itself.
        if self.width() <= to || to < indent + 8 {
            return vec![self];
        }
        let mut lines = Vec::new();
        let mut line = Line::new();
        let mut left = to;
        for (role, text) in self.spans {
            let mut rest = text.as_str();
            while !rest.is_empty() {
                let fits = fitting(rest, left);
                let end = if fits == rest.len() { fits } else { break_before(rest, fits, left == to - indent) };
                let (now, later) = rest.split_at_checked(end).unwrap_or((rest, ""));
                left -= width(now).min(left);
                if !now.is_empty() {
                    line.push_harmless(role, now.to_owned());
                }
                rest = later;
                if !rest.is_empty() {
                    lines.push(std::mem::take(&mut line));
                    line.push_harmless(Role::Plain, " ".repeat(indent));
                    left = to - indent;
                }
            }
        }
        lines.push(line);
        lines
    }

    /// Appends the text, coloured or not, and a line end.
    pub fn write(&self, color: bool, out: &mut String) {
        // Spaces at the end serve nobody.
        let last = self.spans.iter().rposition(|(_, span)| span.contains(|character| character != ' '));
        for (index, (role, span)) in self.spans.iter().enumerate().take(last.map_or(0, |last| last + 1)) {
            let span = if Some(index) == last { span.trim_end_matches(' ') } else { span };
            let ansi = role.ansi();
            if color && ansi != Ansi::new() {
                let _ = write!(out, "{}{span}{}", ansi.render(), ansi.render_reset());
            } else {
                out.push_str(span);
            }
        }
        out.push('\n');
    }
}

/// How many bytes of the text fit into so many columns.
fn fitting(text: &str, mut columns_left: usize) -> usize {
    if is_plain(text.as_bytes()) {
        return text.len().min(columns_left);
    }
    for (at, character) in text.char_indices() {
        let needed = columns(character);
        if needed > columns_left {
            return at;
        }
        columns_left -= needed;
    }
    text.len()
}

/// Where to break a text of which `fits` bytes fit: after the last space, else right there. `fresh` where the line holds
/// nothing else; then at least one character goes on it, so that there is always progress.
fn break_before(text: &str, fits: usize, fresh: bool) -> usize {
    // A word is kept whole unless that would leave more than this part of the line empty.
    let least = fits / 2;
    let space = text.get(..fits).and_then(|head| head.rfind(' ')).map(|at| at + 1);
    match space {
        Some(at) if at > least => at,
        _ if fits > 0 || !fresh => fits,
        _ => text.chars().next().map_or(0, char::len_utf8),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(line: &Line) -> String {
        let mut out = String::new();
        line.write(false, &mut out);
        out.trim_end_matches('\n').to_owned()
    }

    proptest! {
        #[test]
        fn nothing_that_steers_a_terminal_comes_through(bytes: Vec<u8>, text in "[\\x00-\\x1f\\x7f-\\u{a0}\\u{200e}\\u{202a}-\\u{202e}\\u{2066}-\\u{2069}a-c]*") {
            for shown in [harmless(&bytes), harmless(text.as_bytes())] {
                prop_assert!(!shown.chars().any(|character| character.is_control() || is_harmful(character)), "{shown:?}");
            }
        }

        #[test]
        fn printed_json_says_the_same_and_steers_nothing(text in "(\\PC|[\\x00-\\x1f\\x7f-\\u{a0}\\u{200b}-\\u{200f}\\u{202a}-\\u{202e}\\u{e0001}])*") {
            let mut object = Object::new();
            object.text("wire", &text);
            let mut line = String::new();
            json_line(&object, &mut line);
            let inside = line.strip_suffix('\n').unwrap();
            prop_assert!(!inside.chars().any(|character| character.is_control() || is_harmful(character)), "{inside:?}");
            let back: serde_json::Value = serde_json::from_str(inside).unwrap();
            prop_assert_eq!(back["wire"].as_str(), Some(text.as_str()));
        }

        #[test]
        fn different_wires_look_different_unless_they_hold_backslashes(one in "[^\\\\]{0,8}", other in "[^\\\\]{0,8}") {
            prop_assert_eq!(one == other, harmless(one.as_bytes()) == harmless(other.as_bytes()));
        }

        #[test]
        fn a_cut_line_fits(text in "\\PC{0,40}", to in 0_usize..50) {
            let line = Line::new().add(Role::Client, &text).add(Role::Aside, "12 ms");
            prop_assert!(line.cut(to).width() <= to);
        }

        #[test]
        fn wrapped_lines_fit_and_lose_nothing(text in "[a-z 漢é]{0,120}", to in 20_usize..60) {
            let lines = Line::new().add(Role::Client, &text).wrap(to, 6);
            for line in &lines {
                prop_assert!(line.width() <= to, "{line:?}");
            }
            let joined: String = lines.iter().enumerate().map(|(index, line)| {
                let text: String = line.spans.iter().map(|(_, text)| text.as_str()).collect();
                if index == 0 { text } else { text[6..].to_owned() }
            }).collect();
            prop_assert_eq!(joined, text);
        }
    }

    #[test]
    fn what_is_harmful_is_written_out() {
        assert_eq!(harmless(b"a\x1b[31m\xff\x00"), "a\\x1b[31m\\xff\\x00");
        assert_eq!(
            harmless("\u{9b}31m\u{202e}x\u{2066}\u{200f}ü漢".as_bytes()),
            "\\u{9b}31m\\u{202e}x\\u{2066}\\u{200f}ü漢"
        );
    }

    #[test]
    fn json_is_only_written_anew_where_it_must_be() {
        assert!(matches!(harmless_json(b"{\"a\":\"\\u001b\"}"), Cow::Borrowed(_)));
        assert_eq!(
            harmless_json("\"ü\u{9b}31m\u{200d}\u{e0041}\"".as_bytes()),
            "\"ü\\u009b31m\\u200d\\udb40\\udc41\"".as_bytes()
        );
        assert_eq!(harmless_json(b"\"\xff\x7f\""), "\"\u{fffd}\\u007f\"".as_bytes());
    }

    #[test]
    fn wide_characters_count_double() {
        let line = Line::new().add(Role::Plain, "件名件名");
        assert_eq!(line.width(), 8);
        assert_eq!(plain(&line.clone().cut(6)), "件名…");
        assert_eq!(plain(&line.cut(8)), "件名件名");
    }

    #[test]
    fn colours_end_where_their_text_ends() {
        let mut out = String::new();
        Line::new().add(Role::Client, "C").add(Role::Plain, "p").write(true, &mut out);
        assert_eq!(out, "\u{1b}[32mC\u{1b}[0mp\n");
    }
}
