//! Lines of a session as other programs print and log them: curl, swaks, msmtp, telnet, openssl, Thunderbird, mutt,
//! fetchmail, Python, Postfix, Exim, Dovecot, Cyrus, and the `C:` and `S:` of documents.
//! Takes a pasted line; gives who spoke and what was said, or that the program speaks. Does not know what words mean.

use std::borrow::Cow;

use super::form::{is_command, is_server_s};
use super::python;
use crate::event::Side;

/// A line without what its program put around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pasted<'l> {
    pub side: Option<Side>,
    /// The mark that names the side, where there is one.
    pub mark: Option<&'static Mark>,
    pub before: &'l str,
    pub text: Cow<'l, str>,
    pub after: &'l str,
    /// The program speaks rather than one of the two sides.
    pub chatter: bool,
}

/// What a side's lines begin with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mark {
    begins: &'static str,
    side: Option<Side>,
    /// A space or the end of the line must follow: otherwise it may well be text.
    apart: bool,
    /// It says in or out, and a server that writes its own log means the other side by it.
    pub relative: bool,
    /// What stands behind it is printed as Python prints strings.
    python: bool,
}

/// The name of a program, which says on every line whose it is; what has no arrow behind it is its own.
const FETCHMAIL: Mark = Mark { begins: "fetchmail:", side: None, apart: true, relative: false, python: false };

const fn mark(begins: &'static str, side: Side) -> Mark {
    Mark { begins, side: Some(side), apart: false, relative: false, python: false }
}

const fn arrow(begins: &'static str, side: Side) -> Mark {
    Mark { begins, side: Some(side), apart: true, relative: true, python: false }
}

const fn python(begins: &'static str, side: Side) -> Mark {
    Mark { python: true, ..mark(begins, side) }
}

/// A longer mark stands before one that it begins with.
const MARKS: [Mark; 45] = [
    mark("C:", Side::Client),
    mark("S:", Side::Server),
    mark("c:", Side::Client),
    mark("s:", Side::Server),
    // Postfix's transcripts for the postmaster.
    mark("In:", Side::Client),
    mark("Out:", Side::Server),
    // msmtp and mpop.
    arrow("-->", Side::Client),
    arrow("<--", Side::Server),
    // swaks: plain and encrypted, with errors.
    arrow("**>", Side::Client),
    arrow("<**", Side::Server),
    arrow("*~>", Side::Client),
    arrow("<~*", Side::Server),
    arrow("~>", Side::Client),
    arrow("<~", Side::Server),
    arrow("->", Side::Client),
    arrow("<-", Side::Server),
    // Exim, fetchmail.
    arrow("SMTP>>", Side::Client),
    arrow("SMTP<<", Side::Server),
    arrow("LMTP>>", Side::Client),
    arrow("LMTP<<", Side::Server),
    arrow("SMTP>", Side::Client),
    arrow("SMTP<", Side::Server),
    arrow("LMTP>", Side::Client),
    arrow("LMTP<", Side::Server),
    arrow("IMAP>", Side::Client),
    arrow("IMAP<", Side::Server),
    arrow("POP3>", Side::Client),
    arrow("POP3<", Side::Server),
    // sendmail, mbsync, curl and many others.
    arrow(">>>", Side::Client),
    arrow("<<<", Side::Server),
    arrow(">>", Side::Client),
    arrow("<<", Side::Server),
    arrow(">", Side::Client),
    arrow("<", Side::Server),
    // Python's smtplib and poplib.
    python("send:", Side::Client),
    python("reply:", Side::Server),
    python("*cmd*", Side::Client),
    python("*get*", Side::Server),
    python("*welcome*", Side::Server),
    // Programs that say their name, or which of two stores they speak to.
    FETCHMAIL,
    Mark { begins: "F:", side: None, apart: true, relative: false, python: false },
    Mark { begins: "N:", side: None, apart: true, relative: false, python: false },
    Mark { begins: "M:", side: None, apart: true, relative: false, python: false },
    // Dovecot's rawlog, behind its time: what came in, what went out.
    Mark { begins: "I:", side: Some(Side::Client), apart: true, relative: true, python: false },
    Mark { begins: "O:", side: Some(Side::Server), apart: true, relative: true, python: false },
];

/// What stands before the words in Thunderbird's log (MOZ_LOG of IMAP, POP3 and SMTP, and its console's).
const THUNDERBIRD: [(&str, Side); 8] = [
    ("SendData: ", Side::Client),
    ("CreateNewLineFromSocket: ", Side::Server),
    ("SMTP Send: ", Side::Client),
    ("SMTP Response: ", Side::Server),
    ("SEND: ", Side::Client),
    ("RECV: ", Side::Server),
    (" C: ", Side::Client),
    (" S: ", Side::Server),
];

/// The marks of lines in logs, where something else than a mark tells the side; and of a program's own lines there.
const OWN_LOG: Mark = Mark { begins: "", side: None, apart: false, relative: false, python: false };
const CLIENT_LOG: Mark = Mark { begins: "", side: Some(Side::Client), apart: false, relative: true, python: false };
const SERVER_LOG: Mark = Mark { begins: "", side: Some(Side::Server), apart: false, relative: true, python: false };

/// How lines begin that programs say of themselves and of the connection.
const CHATTER: [&str; 45] = [
    // telnet, nc
    "Trying ",
    "Connected to ",
    "Connection closed",
    "Connection to ",
    "Escape character is ",
    // openssl s_client
    "Connecting to ",
    "CONNECTED(",
    "DONE ",
    "closed",
    "depth=",
    "read R BLOCK",
    "read:errno=",
    "verify return:",
    "verify error:",
    "Verify return code:",
    "Verification: ",
    "Certificate chain",
    "Server certificate",
    "No client certificate",
    "Peer signing digest:",
    "Peer signature type:",
    "Server Temp Key:",
    "SSL handshake has read ",
    "SSL-Session:",
    "New, ",
    "Early data was not sent",
    "Post-Handshake New Session",
    "subject=",
    "issuer=",
    "---",
    "-----BEGIN ",
    "-----END ",
    // curl
    "{ [",
    "} [",
    // swaks
    "=== ",
    "*** ",
    // mbsync
    "-> log: ",
    // msmtp
    "loaded ",
    "using account ",
    "TLS session parameters:",
    "TLS certificate information:",
    // Thunderbird
    "Logging suppressed ",
    // Python
    "reply: retcode ",
    "*put* ",
    "*resp* ",
];

/// The marks of a paste, learned line by line.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    seen: Vec<&'static Mark>,
    /// Whether lines of the client and of the server were marked.
    sides: [bool; 2],
    /// Whether the log is a server's, which means the other side by in and out.
    flipped: Option<bool>,
}

impl Marks {
    /// The line without its marks. Within content only marks that were seen before count as such: text may begin with
    /// anything.
    pub fn read<'l>(&mut self, line: &'l str, within: bool) -> Pasted<'l> {
        let mut pasted = read(line);
        let known = pasted.mark.is_some_and(|mark| self.seen.contains(&mark));
        if within && !known && !(pasted.chatter && self.both()) {
            return said(line, 0, None, None);
        }
        if let Some(mark) = pasted.mark.filter(|_| !within) {
            self.learn(mark, &pasted);
        }
        if self.flipped == Some(true) && pasted.mark.is_some_and(|mark| mark.relative) {
            pasted.side = pasted.side.map(Side::other);
        }
        if let Some(side) = pasted.side.filter(|_| !within) {
            self.sides[usize::from(side == Side::Server)] = true;
        }
        pasted
    }

    /// Whether lines of both sides are marked, so that those without a mark are of neither.
    pub fn both(&self) -> bool {
        self.sides == [true; 2]
    }

    fn learn(&mut self, mark: &'static Mark, pasted: &Pasted<'_>) {
        if !self.seen.contains(&mark) {
            self.seen.push(mark);
        }
        if mark.relative && self.flipped.is_none() && !pasted.chatter {
            let first = pasted.text.split([' ', '-']).next().unwrap_or_default();
            let server_s = is_server_s(&pasted.text);
            if server_s || is_command(first) {
                self.flipped = Some(server_s != (pasted.side == Some(Side::Server)));
            }
        }
    }
}

/// How deep marks may stand in each other: a name, a store, an arrow.
const DEPTH_MAX: usize = 3;

/// The line without its marks.
pub(super) fn read(line: &str) -> Pasted<'_> {
    let trimmed = line.trim_start();
    let start = line.len() - trimmed.len();
    if is_chatter(trimmed) {
        return Pasted { chatter: true, ..said(line, start, None, None) };
    }
    if let Some(pasted) = logged(line, trimmed) {
        return pasted;
    }
    let mut at = start + time_of(trimmed);
    let (mut found, mut side) = (None, None);
    for _ in 0..DEPTH_MAX {
        let rest = line.get(at..).unwrap_or_default();
        let rest_at = at + rest.len() - rest.trim_start().len();
        let Some((mark, text_at)) = marked(line, rest_at) else { break };
        side = mark.side.or(side);
        found = Some(mark);
        at = text_at;
    }
    if found.is_none() {
        return said(line, 0, None, None);
    }
    let text = line.get(at..).unwrap_or_default();
    // imaplib has arrows, and always bytes.
    let is_python = found.is_some_and(|mark| mark.python) || text.starts_with("b'") || text.starts_with("b\"");
    match python::literal(text).filter(|_| is_python) {
        Some((text, before, after)) => {
            let (begin, end) = (at + before, line.len() - after);
            Pasted {
                side,
                mark: found,
                before: line.get(..begin).unwrap_or_default(),
                text: Cow::Owned(text),
                after: line.get(end..).unwrap_or_default(),
                chatter: false,
            }
        }
        None => Pasted { chatter: is_chatter(text) || found == Some(&FETCHMAIL), ..said(line, at, side, found) },
    }
}

fn said<'l>(line: &'l str, at: usize, side: Option<Side>, mark: Option<&'static Mark>) -> Pasted<'l> {
    let (before, text) = line.split_at_checked(at).unwrap_or(("", line));
    Pasted { side, mark, before, text: Cow::Borrowed(text), after: "", chatter: false }
}

/// The mark at this place, and where the text behind it begins.
fn marked(line: &str, at: usize) -> Option<(&'static Mark, usize)> {
    let rest = line.get(at..)?;
    let mark = MARKS.iter().find(|mark| {
        rest.strip_prefix(mark.begins).is_some_and(|behind| !mark.apart || behind.is_empty() || behind.starts_with(' '))
    })?;
    let behind = &rest[mark.begins.len()..];
    // swaks, Postfix and Python fill up with more than one space; a line of text begins with none in any protocol.
    Some((mark, line.len() - behind.trim_start_matches(' ').len()))
}

/// How much of the line is a time that a program put there: `1448446534.123456 `, `  33:21.12 `.
fn time_of(line: &str) -> usize {
    let Some((time, rest)) = line.split_once(' ') else { return 0 };
    let figures = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_time = time.split_once('.').is_some_and(|(whole, part)| {
        figures(part) && (figures(whole) || whole.split_once(':').is_some_and(|(m, s)| figures(m) && figures(s)))
    });
    if is_time { line.len() - rest.len() } else { 0 }
}

/// A line of a log whose own words stand before the mark.
fn logged<'l>(line: &'l str, trimmed: &'l str) -> Option<Pasted<'l>> {
    mutt(line, trimmed)
        .or_else(|| telemetry(line, trimmed))
        .or_else(|| thunderbird(line, trimmed))
        .or_else(|| postfix(line))
}

/// `[2026-11-23 10:00:00] 4> a0001 NOOP`, and newer `[2026-11-23 10:00:00]<2> mutt_socket_write_d() 4> a0001 NOOP`, whose
/// other lines are the program's own.
fn mutt<'l>(line: &'l str, trimmed: &str) -> Option<Pasted<'l>> {
    let (time, behind) = trimmed.strip_prefix('[')?.split_once(']')?;
    if !time.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let by_function = behind.starts_with('<');
    let behind =
        if by_function { behind.split_once("() ").map_or("", |(_, said)| said) } else { behind.strip_prefix(' ')? };
    let digits = behind.trim_start_matches(|c: char| c.is_ascii_digit());
    let (side, mark) = match digits.get(..2).filter(|_| digits.len() < behind.len()) {
        Some("> ") => (Side::Client, &CLIENT_LOG),
        Some("< ") => (Side::Server, &SERVER_LOG),
        _ if by_function => return Some(Pasted { chatter: true, ..said(line, 0, None, Some(&OWN_LOG)) }),
        _ => return None,
    };
    Some(said(line, line.len() - digits.len() + 2, Some(side), Some(mark)))
}

/// Cyrus: `<1448446534<a1 NOOP`, `>1448446534>a1 OK`.
fn telemetry<'l>(line: &'l str, trimmed: &str) -> Option<Pasted<'l>> {
    let arrow = trimmed.chars().next().filter(|c| matches!(c, '<' | '>'))?;
    let digits = trimmed[1..].trim_start_matches(|c: char| c.is_ascii_digit());
    let text = digits.strip_prefix(arrow).filter(|_| digits.len() + 4 < trimmed.len())?;
    let (side, mark) = if arrow == '<' { (Side::Client, &CLIENT_LOG) } else { (Side::Server, &SERVER_LOG) };
    Some(said(line, line.len() - text.len(), Some(side), Some(mark)))
}

/// `2026-11-25 22:10:00 UTC - [Parent 1234: IMAP]: I/IMAP 7f8e:mail.example:NA:SendData: 2 noop`,
/// `mailnews.smtp: C: EHLO laptop`. What has no mark of speech is the program's own.
fn thunderbird<'l>(line: &'l str, trimmed: &str) -> Option<Pasted<'l>> {
    let bracket = trimmed.split_once('[').filter(|(before, _)| before.is_empty() || before.ends_with("- "));
    let of_program = bracket.is_some_and(|(_, inside)| {
        let named = ["Parent ", "Main", "Child ", "Socket ", "(null) "];
        named.iter().any(|name| inside.starts_with(name)) && inside.contains("]: ")
    });
    if !of_program && !trimmed.starts_with("mailnews.") {
        return None;
    }
    let speech = THUNDERBIRD
        .into_iter()
        .filter_map(|(mark, side)| line.find(mark).map(|at| (at, mark, side)))
        .min_by_key(|(at, ..)| *at);
    Some(match speech {
        Some((at, mark, side)) => {
            let pasted = said(
                line,
                at + mark.len(),
                Some(side),
                Some(if side == Side::Client { &CLIENT_LOG } else { &SERVER_LOG }),
            );
            Pasted { chatter: is_chatter(&pasted.text), ..pasted }
        }
        None => Pasted { chatter: true, ..said(line, 0, None, Some(&OWN_LOG)) },
    })
}

/// `Nov 25 22:10:00 mx postfix/smtp[7]: > mail.example[192.0.2.1]:25: EHLO mx`. The server's log has it the other way
/// round, which is told by what is said.
fn postfix(line: &str) -> Option<Pasted<'_>> {
    let (before, behind) = line.split_once("]: ")?;
    let (side, mark, named) = match (behind.strip_prefix("> "), behind.strip_prefix("< ")) {
        (Some(named), _) => (Side::Client, &CLIENT_LOG, named),
        (_, Some(named)) => (Side::Server, &SERVER_LOG, named),
        _ if before.contains(" postfix/") => {
            return Some(Pasted { chatter: true, ..said(line, 0, None, Some(&OWN_LOG)) });
        }
        _ => return None,
    };
    let (_, text) = named.split_once(": ").filter(|(peer, _)| peer.contains('[') && !peer.contains(' '))?;
    Some(said(line, line.len() - text.len(), Some(side), Some(mark)))
}

/// Whether the program speaks, rather than one of the two sides.
fn is_chatter(line: &str) -> bool {
    CHATTER.iter().any(|beginning| line.starts_with(beginning)) || is_setting(line)
}

/// `tls_starttls = on`, as msmtp lists what it is set to.
fn is_setting(line: &str) -> bool {
    line.split_once(" = ").is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b' '))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn says(line: &str, side: Option<Side>, text: &str) {
        let pasted = read(line);
        assert_eq!((pasted.side, pasted.text.as_ref(), pasted.chatter), (side, text, false), "{line}");
        if let Cow::Borrowed(text) = pasted.text {
            assert_eq!(format!("{}{text}{}", pasted.before, pasted.after), line);
        }
    }

    const C: Option<Side> = Some(Side::Client);
    const S: Option<Side> = Some(Side::Server);

    #[test]
    fn documents_and_terminals() {
        says("C: a NOOP", C, "a NOOP");
        says("   S: * OK C: ready", S, "* OK C: ready");
        says("* OK [ALERT] 4> text", None, "* OK [ALERT] 4> text");
        says("a1 NOOP", None, "a1 NOOP");
        says("<1.2@mail.example> is no mark", None, "<1.2@mail.example> is no mark");
        says(">From the beginning", None, ">From the beginning");
    }

    #[test]
    fn mail_programs() {
        says("> A001 CAPABILITY", C, "A001 CAPABILITY");
        says("< * OK ready", S, "* OK ready");
        says("--> EHLO laptop", C, "EHLO laptop");
        says("<-- 220 mail.example", S, "220 mail.example");
        says(" -> EHLO laptop", C, "EHLO laptop");
        says("<-  250-mail.example", S, "250-mail.example");
        says(" ~> QUIT", C, "QUIT");
        says("<~* 535 no", S, "535 no");
        says("<** 550 no", S, "550 no");
        says("fetchmail: IMAP> A0001 NOOP", C, "A0001 NOOP");
        says("fetchmail: POP3< +OK", S, "+OK");
        says("F: >>> 1 NOOP", C, "1 NOOP");
        says("S: >>> 1 NOOP", C, "1 NOOP");
        says("  SMTP<< 250 ok", S, "250 ok");
        says("[2026-11-23 10:00:00] 4> a0001 NOOP", C, "a0001 NOOP");
        says("[2026-11-26 00:05:28]<2> mutt_socket_write_d() 4> a0000 NOOP", C, "a0000 NOOP");
        assert!(read("[2026-11-26 00:05:28]<2> imap_authenticate() Trying method login").chatter);
        says("[2026-11-23 10:00:00] 4< a0001 OK [ALERT] done", S, "a0001 OK [ALERT] done");
    }

    #[test]
    fn thunderbird_with_and_without_times() {
        says("[Parent 7: IMAP]: I/IMAP 7f8e:mail.example:NA:SendData: 1 capability", C, "1 capability");
        says("[Parent 7: IMAP]: D/IMAP 7f8e:m.example:NA:CreateNewLineFromSocket: * OK C: ready", S, "* OK C: ready");
        says(
            "2026-11-25 22:10:00.123456 UTC - [Parent 1234: IMAP]: I/IMAP 7f8e:m.example:A:SendData: 2 login \"joe\" \"x\"",
            C,
            "2 login \"joe\" \"x\"",
        );
        says("mailnews.smtp: C: EHLO laptop", C, "EHLO laptop");
        for own in [
            "[Parent 1234: IMAP]: D/IMAP 7f8e:m.example:A:ProcessCurrentURL: entering",
            "[Parent 1234: IMAP]: D/IMAP 7f8e:m.example:A:SendData: Logging suppressed for this command (it probably contained authentication information)",
        ] {
            assert!(read(own).chatter, "{own}");
        }
    }

    #[test]
    fn servers_logs() {
        says("1448446534.123456 I: a1 NOOP", C, "a1 NOOP");
        says("1448446534.123456 O: a1 OK done", S, "a1 OK done");
        says("<1448446534<a1 NOOP", C, "a1 NOOP");
        says(">1448446534>a1 OK done", S, "a1 OK done");
        says(" Out: 220 mail.example", S, "220 mail.example");
        says(" In:  EHLO laptop", C, "EHLO laptop");
        says("Nov 25 22:10:00 mx postfix/smtp[7]: > m.example[192.0.2.1]:25: EHLO mx", C, "EHLO mx");
    }

    #[test]
    fn python() {
        says("send: 'ehlo laptop\\r\\n'", C, "ehlo laptop");
        says("reply: b'250-mail.example\\r\\n'", S, "250-mail.example");
        says("*cmd* 'USER joe'", C, "USER joe");
        says("  33:21.12 > b'AAAA1 LOGIN joe \"x\\\\\\\\y\"'", C, "AAAA1 LOGIN joe \"x\\\\y\"");
        assert!(read("reply: retcode (250); Msg: b'ok'").chatter);
    }

    #[test]
    fn chatter_is_told_from_speech() {
        for own in
            ["Connection closed by foreign host.", "read R BLOCK", "=== Connected to mail.example.", "{ [5 bytes data]"]
        {
            assert!(read(own).chatter, "{own}");
        }
        for speech in ["DONE", "* OK Connected to mail.example", "NOOP"] {
            assert!(!read(speech).chatter, "{speech}");
        }
    }
}
