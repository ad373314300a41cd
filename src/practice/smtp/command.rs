//! SMTP command lines, read.
//! Takes a line without its line end; gives a [`Command`], of which one kind says what is wrong with the line.
//! It does not know which commands are allowed when.

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Ehlo(String),
    Helo(String),
    Mail(Mail),
    Rcpt(Rcpt),
    Data,
    Bdat {
        size: u64,
        last: bool,
    },
    Rset,
    Noop,
    Vrfy,
    Help,
    Auth {
        mechanism: String,
        initial: Option<String>,
    },
    StartTls,
    Quit,
    Unknown,
    TooLong,
    /// The right form.
    Syntax(&'static str),
    /// A MAIL or RCPT parameter that is not known or has a value it cannot have.
    Parameter(String),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mail {
    /// Empty: `<>`.
    pub from: String,
    pub size: Option<u64>,
    pub utf8: bool,
    /// DSN's ENVID, out of xtext.
    pub envelope: Option<String>,
    /// DSN's RET=FULL.
    pub whole: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rcpt {
    pub to: String,
    /// DSN's NOTIFY has SUCCESS.
    pub on_success: bool,
    /// DSN's ORCPT, out of xtext.
    pub original: Option<String>,
}

#[must_use]
pub fn parse(line: &[u8]) -> Command {
    let Ok(text) = std::str::from_utf8(line) else { return Command::Unknown };
    let text = text.trim_end_matches([' ', '\t']);
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim_start_matches(' ');
    match (verb.to_ascii_uppercase().as_str(), rest) {
        ("EHLO", "") => Command::Syntax("EHLO hostname"),
        ("HELO", "") => Command::Syntax("HELO hostname"),
        ("EHLO", name) => Command::Ehlo(name.to_owned()),
        ("HELO", name) => Command::Helo(name.to_owned()),
        ("MAIL", rest) => mail(rest).unwrap_or_else(|wrong| wrong),
        ("RCPT", rest) => rcpt(rest).unwrap_or_else(|wrong| wrong),
        ("DATA", "") => Command::Data,
        ("DATA", _) => Command::Syntax("DATA"),
        ("BDAT", rest) => bdat(rest).unwrap_or(Command::Syntax("BDAT count [LAST]")),
        ("RSET", "") => Command::Rset,
        ("RSET", _) => Command::Syntax("RSET"),
        ("NOOP", _) => Command::Noop,
        ("VRFY", "") => Command::Syntax("VRFY address"),
        ("VRFY", _) => Command::Vrfy,
        ("HELP", _) => Command::Help,
        ("AUTH", rest) => auth(rest).unwrap_or(Command::Syntax("AUTH mechanism")),
        ("STARTTLS", "") => Command::StartTls,
        ("STARTTLS", _) => Command::Syntax("STARTTLS"),
        ("QUIT", "") => Command::Quit,
        ("QUIT", _) => Command::Syntax("QUIT"),
        _ => Command::Unknown,
    }
}

fn auth(rest: &str) -> Option<Command> {
    let mut words = rest.split_ascii_whitespace();
    let mechanism = words.next()?.to_owned();
    let initial = words.next().map(str::to_owned);
    words.next().is_none().then_some(Command::Auth { mechanism, initial })
}

fn bdat(rest: &str) -> Option<Command> {
    let mut words = rest.split_ascii_whitespace();
    let size = number(words.next()?)?;
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return None,
    };
    words.next().is_none().then_some(Command::Bdat { size, last })
}

fn mail(rest: &str) -> Result<Command, Command> {
    let syntax = Command::Syntax("MAIL FROM:<address>");
    let (from, parameters) = path(rest, "FROM:").ok_or(syntax)?;
    let mut mail = Mail { from, ..Mail::default() };
    for parameter in parameters.split_ascii_whitespace() {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let known = match name.to_ascii_uppercase().as_str() {
            "SIZE" => {
                mail.size = number(value);
                mail.size.is_some()
            }
            "BODY" => ["7BIT", "8BITMIME"].iter().any(|body| body.eq_ignore_ascii_case(value)),
            "SMTPUTF8" if value.is_empty() => {
                mail.utf8 = true;
                true
            }
            "RET" => {
                mail.whole = value.eq_ignore_ascii_case("FULL");
                mail.whole || value.eq_ignore_ascii_case("HDRS")
            }
            "ENVID" => {
                mail.envelope = from_xtext(value);
                mail.envelope.is_some()
            }
            // RFC 4954, 5: to be accepted from anybody and believed of nobody.
            "AUTH" => from_xtext(value).is_some(),
            _ => false,
        };
        if !known {
            return Err(Command::Parameter(parameter.to_owned()));
        }
    }
    Ok(Command::Mail(mail))
}

fn rcpt(rest: &str) -> Result<Command, Command> {
    let syntax = || Command::Syntax("RCPT TO:<address>");
    let (to, parameters) = path(rest, "TO:").ok_or_else(syntax)?;
    if to.is_empty() {
        return Err(syntax());
    }
    let mut rcpt = Rcpt { to, ..Rcpt::default() };
    for parameter in parameters.split_ascii_whitespace() {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let known = match name.to_ascii_uppercase().as_str() {
            "NOTIFY" => {
                let words: Vec<String> = value.split(',').map(str::to_ascii_uppercase).collect();
                rcpt.on_success = words.iter().any(|word| word == "SUCCESS");
                let is_never = words.iter().any(|word| word == "NEVER");
                let all_known = words.iter().all(|w| matches!(w.as_str(), "SUCCESS" | "FAILURE" | "DELAY" | "NEVER"));
                all_known && (!is_never || words.len() == 1)
            }
            "ORCPT" => {
                rcpt.original =
                    value.split_once(';').and_then(|(kind, address)| Some(format!("{kind};{}", from_xtext(address)?)));
                rcpt.original.is_some()
            }
            _ => false,
        };
        if !known {
            return Err(Command::Parameter(parameter.to_owned()));
        }
    }
    Ok(Command::Rcpt(rcpt))
}

/// `FROM:<address> parameters`. A space after the colon and missing brackets are put up with, as others do.
fn path<'a>(rest: &'a str, prefix: &str) -> Option<(String, &'a str)> {
    let rest = rest.get(..prefix.len()).filter(|p| p.eq_ignore_ascii_case(prefix)).map(|p| &rest[p.len()..])?;
    let rest = rest.trim_start_matches(' ');
    let (address, parameters) = match rest.strip_prefix('<') {
        Some(inner) => {
            let end = bracket_end(inner)?;
            (&inner[..end], &inner[end + 1..])
        }
        None => rest.split_once(' ').unwrap_or((rest, "")),
    };
    if !parameters.is_empty() && rest.starts_with('<') && !parameters.starts_with(' ') {
        return None;
    }
    if !rest.starts_with('<') && address.is_empty() {
        return None;
    }
    // A source route (RFC 5321, 4.1.1.3) is read and forgotten.
    let address = match address.strip_prefix('@') {
        Some(route) => route.split_once(':')?.1,
        None => address,
    };
    if address.chars().any(char::is_control) || address.ends_with('@') {
        return None;
    }
    Some((unquoted(address), parameters))
}

/// Where `>` ends the path, outside of a quoted local part.
fn bracket_end(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// `"local part"@domain` without the quotes and backslashes.
fn unquoted(address: &str) -> String {
    let Some((local, domain)) = address.rsplit_once('@') else { return address.to_owned() };
    let Some(inner) = local.strip_prefix('"').and_then(|l| l.strip_suffix('"')) else { return address.to_owned() };
    let mut plain = String::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    format!("{plain}@{domain}")
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// RFC 3461, 4: `+` and two hexadecimal digits stand for an octet.
fn from_xtext(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => {
                let digits = [bytes.next()?, bytes.next()?];
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            b'=' => return None,
            other => out.push(other),
        }
    }
    String::from_utf8(out).ok().filter(|text| !text.chars().any(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mail_with_every_parameter() {
        let line = b"mail from:<a@b.example> SIZE=12 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=x+2By AUTH=<>";
        let mail =
            Mail { from: "a@b.example".into(), size: Some(12), utf8: true, envelope: Some("x+y".into()), whole: true };
        assert_eq!(parse(line), Command::Mail(mail));
    }

    #[test]
    fn odd_paths() {
        let to = |line: &str| match parse(line.as_bytes()) {
            Command::Rcpt(rcpt) => Some(rcpt.to),
            _ => None,
        };
        assert_eq!(to("RCPT TO:<\"a>b\\\"c\"@d>").as_deref(), Some("a>b\"c@d"), "quoted");
        assert_eq!(to("RCPT TO: <@relay,@other:a@b>").as_deref(), Some("a@b"));
        assert_eq!(to("RCPT TO:a@b").as_deref(), Some("a@b"));
        for wrong in ["RCPT TO:<>", "RCPT TO:<a@b", "RCPT <a@b>", "RCPT TO:<a@>", "RCPT TO:<a@b>NOTIFY=NEVER"] {
            assert_eq!(to(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&line);
        }

        #[test]
        fn any_mail_like_line_is_read(tail in "\\PC{0,60}") {
            for start in ["MAIL FROM:", "RCPT TO:<", "BDAT ", "AUTH ", "MAIL FROM:<a@b> ", "RCPT TO:<a@b> ORCPT=", "MAIL FROM:<> ENVID="] {
                let _ = parse(format!("{start}{tail}").as_bytes());
            }
        }
    }
}
