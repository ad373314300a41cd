//! One POP3 status line: status, response code, text.
//! Takes a line, gives its parts, or nothing where it is no status line.
//! Knows nothing of the command that it answers.

pub(super) struct Line {
    pub status: &'static str,
    /// RFC 2449 §8, without its brackets.
    pub code: Option<String>,
    pub text: String,
}

pub(super) fn parse(line: &[u8]) -> Option<Line> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (status, rest) = if let Some(rest) = line.strip_prefix(b"+OK") {
        ("+OK", rest)
    } else if let Some(rest) = line.strip_prefix(b"-ERR") {
        ("-ERR", rest)
    } else {
        ("+", line.strip_prefix(b"+")?)
    };
    let rest = String::from_utf8_lossy(rest.strip_prefix(b" ").unwrap_or(rest));
    let (code, text) = match rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((code, text)) if status != "+" && !code.is_empty() && !code.contains(' ') => {
            (Some(code.to_owned()), text.trim_start().to_owned())
        }
        _ => (None, rest.into_owned()),
    };
    Some(Line { status, code, text })
}
