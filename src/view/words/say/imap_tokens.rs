//! The words of an IMAP line: atoms, quoted strings, lists, the heads of literals.
//! Takes a line's text, gives tokens; what is malformed becomes atoms.
//! Does not know what they mean, and is bounded: deep or long lines are read up to a limit.

/// Lists within lists beyond this are left out: no line that a person could follow is deeper.
const DEPTH_MAX: usize = 12;

/// Tokens of a line that are read.
const TOKENS_MAX: usize = 512;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Atom(String),
    Quoted(String),
    List(Vec<Token>),
    /// A literal of so many bytes, which follow.
    Literal(u64),
}

impl Token {
    /// What it says as text; nothing for lists and literals.
    pub fn text(&self) -> Option<&str> {
        match self {
            Token::Atom(text) | Token::Quoted(text) => Some(text),
            Token::List(_) | Token::Literal(_) => None,
        }
    }

    pub fn is_atom(&self, word: &str) -> bool {
        matches!(self, Token::Atom(text) if text.eq_ignore_ascii_case(word))
    }

    pub fn items(&self) -> &[Token] {
        match self {
            Token::List(items) => items,
            _ => &[],
        }
    }

    pub fn number(&self) -> Option<u64> {
        self.text()?.parse().ok()
    }
}

pub(super) fn tokens(line: &str) -> Vec<Token> {
    let mut reader = Reader { rest: line.trim_end_matches(['\r', '\n']), left: TOKENS_MAX };
    reader.list(0)
}

struct Reader<'l> {
    rest: &'l str,
    left: usize,
}

impl Reader<'_> {
    fn list(&mut self, depth: usize) -> Vec<Token> {
        let mut items = Vec::new();
        loop {
            self.rest = self.rest.trim_start_matches(' ');
            let Some(first) = self.rest.chars().next() else { return items };
            if self.left == 0 || depth > DEPTH_MAX {
                self.rest = "";
                return items;
            }
            self.left -= 1;
            match first {
                ')' => {
                    self.rest = &self.rest[1..];
                    if depth > 0 {
                        return items;
                    }
                }
                '(' => {
                    self.rest = &self.rest[1..];
                    let inner = self.list(depth + 1);
                    items.push(Token::List(inner));
                }
                '"' => items.push(self.quoted()),
                _ => items.push(self.atom()),
            }
        }
    }

    fn quoted(&mut self) -> Token {
        let mut text = String::new();
        let mut escaped = false;
        for (at, c) in self.rest.char_indices().skip(1) {
            match c {
                _ if escaped => {
                    escaped = false;
                    text.push(c);
                }
                '\\' => escaped = true,
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Token::Quoted(text);
                }
                _ => text.push(c),
            }
        }
        self.rest = "";
        Token::Quoted(text)
    }

    /// An atom; brackets belong to it with what is inside, since `BODY[HEADER.FIELDS (To)]<0.5>` is one thing.
    fn atom(&mut self) -> Token {
        let mut brackets = 0_u32;
        let end = self
            .rest
            .char_indices()
            .find(|&(_, c)| match c {
                '[' => {
                    brackets += 1;
                    false
                }
                ']' => {
                    brackets = brackets.saturating_sub(1);
                    false
                }
                ' ' | '(' | ')' => brackets == 0,
                _ => false,
            })
            .map_or(self.rest.len(), |(at, _)| at);
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        literal(text).map_or_else(|| Token::Atom(text.to_owned()), Token::Literal)
    }
}

/// `{12}`, `{12+}`, `~{12}`.
fn literal(text: &str) -> Option<u64> {
    let inner = text.strip_prefix('~').unwrap_or(text).strip_prefix('{')?.strip_suffix('}')?;
    inner.trim_end_matches(['+', '-']).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atom(text: &str) -> Token {
        Token::Atom(text.to_owned())
    }

    #[test]
    fn a_line_falls_into_its_words() {
        let line = r#"1:5 (FLAGS BODY.PEEK[HEADER.FIELDS (From To)]<0.9> ("a \"b\"" NIL)) {12+}"#;
        let expected = vec![
            atom("1:5"),
            Token::List(vec![
                atom("FLAGS"),
                atom("BODY.PEEK[HEADER.FIELDS (From To)]<0.9>"),
                Token::List(vec![Token::Quoted("a \"b\"".to_owned()), atom("NIL")]),
            ]),
            Token::Literal(12),
        ];
        assert_eq!(tokens(line), expected);
    }

    #[test]
    fn malformed_and_endless_lines_end() {
        assert_eq!(tokens(") a"), vec![atom("a")]);
        assert_eq!(tokens("\"open"), vec![Token::Quoted("open".to_owned())]);
        let _ = tokens(&"(".repeat(10_000));
        assert!(tokens(&"a ".repeat(10_000)).len() <= TOKENS_MAX);
    }
}
