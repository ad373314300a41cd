//! What Dovecot answers is the measure: the same commands to both, wrong ones included, and the same meaning back.
//! Takes an installed Dovecot and a practice server; gives the commands whose answers differ.
//! Does not compare wording, the order of flags, or numbers that are each server's own.

use crate::practice_kit::{Practice, Talk};
use crate::support::certs::self_signed;
use crate::support::dovecot::{Dovecot, Options, PASSWORD};

/// The folders of the practice server, for Dovecot.
const SETTINGS: &str = "
namespace inbox {
  separator = /
  mailbox INBOX {
    auto = subscribe
  }
  mailbox Archive {
    auto = subscribe
    special_use = \\Archive
  }
  mailbox Drafts {
    auto = subscribe
    special_use = \\Drafts
  }
  mailbox Junk {
    auto = subscribe
    special_use = \\Junk
  }
  mailbox Sent {
    auto = subscribe
    special_use = \\Sent
  }
  mailbox Trash {
    auto = subscribe
    special_use = \\Trash
  }
}
";

const PLAIN: &str = "Date: Mon, 2 Feb 2026 10:00:00 +0100\nFrom: \"Doe, Jo\" <jo@a.example>\nTo: bob@b.example, Al <al@c.example>\n\
    Subject: plain =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nMessage-ID: <1@a.example>\nIn-Reply-To: <0@a.example>\n\nHello\nthere\n";

const MIXED: &str = "Date: Tue, 3 Feb 2026 10:00:00 +0000\nFrom: a@a.example\nTo: team: x@y.example, z@y.example;\nCc: bob@b.example\n\
    Subject: mixed\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\n\npreamble\n--b\n\
    Content-Type: multipart/alternative; boundary=inner\n\n--inner\nContent-Type: text/plain; charset=utf-8; format=flowed\n\
    Content-Transfer-Encoding: quoted-printable\nContent-Language: de, en\n\nGr=C3=BC=C3=9Fe\n--inner\nContent-Type: text/html\n\n\
    <p>x</p>\n\n--inner--\n\n--b\nContent-Type: application/octet-stream; name=\"a b.bin\"\nContent-Disposition: attachment; \
    filename=\"a b.bin\"\nContent-Transfer-Encoding: base64\nContent-ID: <part@a>\nContent-Description: some bytes\n\
    Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\n\nAAEC\n--b\nContent-Type: message/rfc822\n\nFrom: in@n.example\nSubject: inner one\n\
    Content-Type: multipart/mixed; boundary=c\n\n--c\n\ndeep\n--c--\n\n--b--\nepilogue\n";

const DIGEST: &str = "From: list@l.example\nSubject: digest\nContent-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: one\n\n1\n--d\n\n\
    Subject: two\n\n2\n--d--\n";

const ADDRESSES: &str = "Date: Thu,  1 Jan 1970 00:00:00 +0000 (comment)\n\
    From: \"Quoted \\\"Name\\\"\" <\"a b\"@c.example>, =?utf-8?q?J=C3=B6rg?= <j@d>, (comment) x@y (why), J. R. <a.b@[1.2.3.4]>\n\
    To: undisclosed-recipients:;\nCc: \"A, B\" <ab@c>, team: p@q, N <r@s>;, , <@route.example:t@u>, N <@r1 , @r2:z@w>\n\
    Bcc: (nobody)\nReply-To: root@localhost (Cron (nested) Daemon)\nSender: \"s \\\" t\"@u\n\
    Subject:   folded\n subject  with\ttab \"quotes\" \\back\nMessage-ID: <3@c.example>\nIn-Reply-To: <a@b> <c@d>\n\nx\n";

const BROKEN: &str =
    "From: plain\nSender: N M\nReply-To: <@r z@w>, N <x@y\nTo: a@b; c@d\nCc: a b@c, <>, @b\nBcc: team: p@q\n\nx\n";

const TWICE: &str =
    "From: a@b\nFrom: c@d\nSubject: first\nSubject: second\nDate: x\nDate: y\nMessage-Id: <1>\nMESSAGE-ID: <2>\n\nx\n";

/// Before login; a line each. `«…»` is sent as a literal.
const BEFORE: &[&str] = &[
    "CAPABILITY",
    "NOOP",
    "ID NIL",
    "ID (\"name\" \"test\")",
    "SELECT INBOX",
    "FETCH 1 FLAGS",
    "NONSENSE",
    "LOGIN",
    "LOGIN bob",
    "AUTHENTICATE NONSENSE",
    "LOGIN nobody «wrong»",
    "LIST \"\" *",
    "LOGIN «bob» «@PASSWORD»",
    "LOGOUT",
];

include!("practice_dovecot/script.rs");

fn practice_and_dovecot() -> (Practice, Dovecot) {
    let practice = Practice::with(|config| {
        for account in &mut config.accounts {
            account.password = PASSWORD.to_owned();
        }
    });
    let options = Options { extra: SETTINGS.to_owned(), ..Options::new(self_signed(&["localhost"])) };
    (practice, Dovecot::start(&options))
}

#[test]
fn answers_mean_what_dovecots_mean() {
    let (practice, dovecot) = practice_and_dovecot();
    assert!(BEFORE.len() + AFTER.len() >= 150, "{}", BEFORE.len() + AFTER.len());
    let mut differences = Vec::new();
    for (login, script) in [(false, BEFORE), (true, AFTER)] {
        let open = |address| {
            let mut talk = Talk::to(address);
            talk.line();
            if login {
                talk.ok(&format!("LOGIN bob {PASSWORD}"));
            }
            talk
        };
        let (mut ours, mut theirs) = (open(practice.at.imap), open(Some(dovecot.imap)));
        for command in script {
            if !login {
                // Dovecot closes after three bad commands before login.
                (ours, theirs) = (open(practice.at.imap), open(Some(dovecot.imap)));
            }
            // Shown when the test fails: a server that waits for more is found by the last of these.
            println!("{command}");
            let wire = expand(command);
            let (us, them) = (meaning(ours.imap(&wire)), meaning(theirs.imap(&wire)));
            if us.last().is_some_and(|status| status.starts_with("BAD")) {
                // Both servers close after many bad commands in a row.
                ours.imap("NOOP");
                theirs.imap("NOOP");
            }
            let known = KNOWN.iter().find(|(known, _)| known == command);
            if us != them && known.is_none() {
                differences.push(format!("{command}\n  ours:    {us:#?}\n  Dovecot: {them:#?}"));
            }
            if us == them && known.is_some() {
                differences.push(format!("{command}: no longer differs"));
            }
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

/// Puts literals and messages in.
fn expand(command: &str) -> String {
    let command = command
        .replace("@PASSWORD", PASSWORD)
        .replace("@PLAIN", &PLAIN.replace('\n', "\r\n"))
        .replace("@MIXED", &MIXED.replace('\n', "\r\n"))
        .replace("@DIGEST", &DIGEST.replace('\n', "\r\n"))
        .replace("@ADDRESSES", &ADDRESSES.replace('\n', "\r\n"))
        .replace("@BROKEN", &BROKEN.replace('\n', "\r\n"))
        .replace("@TWICE", &TWICE.replace('\n', "\r\n"));
    let mut out = String::new();
    let mut rest = command.as_str();
    while let Some((before, after)) = rest.split_once('«') {
        let (literal, after) = after.split_once('»').expect("a literal that ends");
        out.push_str(&format!("{before}{{{}+}}\r\n{literal}", literal.len()));
        rest = after;
    }
    out + rest
}

/// A reply without what may differ.
fn meaning((untagged, tagged): (Vec<String>, String)) -> Vec<String> {
    // RFC 7162, 3.1.2.1 asks for HIGHESTMODSEQ at every SELECT; Dovecot waits until somebody asked for it.
    let told = untagged.iter().filter(|line| !line.starts_with("* OK [HIGHESTMODSEQ "));
    let mut meaning: Vec<String> = told.map(|line| untagged_meaning(line)).collect();
    // Lists of mailboxes come in any order.
    if meaning
        .iter()
        .all(|line| line.starts_with("* LIST") || line.starts_with("* LSUB") || line.starts_with("* STATUS"))
    {
        meaning.sort();
    }
    // So do the lines of SELECT.
    if meaning.iter().any(|line| line.starts_with("* OK [UIDVALIDITY")) {
        meaning.sort();
    }
    meaning.push(status_meaning(&tagged));
    meaning
}

/// Status and response code; of a code's arguments those that both must agree on.
fn status_meaning(text: &str) -> String {
    let status = text.split(' ').next().unwrap_or_default();
    let code = text[status.len()..].strip_prefix(" [").and_then(|rest| rest.split_once(']')).map(|(code, _)| code);
    let Some(code) = code else { return status.to_owned() };
    let words: Vec<&str> = code.split(' ').collect();
    match words[0] {
        "UIDVALIDITY" | "HIGHESTMODSEQ" | "CAPABILITY" | "BADCHARSET" => format!("{status} [{}]", words[0]),
        "APPENDUID" | "COPYUID" => format!("{status} [{} - {}]", words[0], words[2..].join(" ")),
        "PERMANENTFLAGS" => format!("{status} [{}]", sorted_lists(code)),
        _ => format!("{status} [{code}]"),
    }
}

fn untagged_meaning(line: &str) -> String {
    let rest = line.strip_prefix("* ").unwrap_or(line);
    let first = rest.split(' ').next().unwrap_or_default();
    match first {
        "OK" | "NO" | "BAD" | "BYE" => format!("* {}", status_meaning(rest)),
        "CAPABILITY" | "ID" => format!("* {first}"),
        _ => format!("* {}", sorted_lists(&without_own(&with_quotes(rest)))),
    }
}

/// Literals as quoted strings, where they could be: which of the two it is does not matter.
fn with_quotes(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let literal = after.split_once("}\r\n").and_then(|(size, after)| after.get(..size.parse().ok()?));
        match literal.filter(|text| text.is_ascii() && !text.contains(['\r', '\n'])) {
            Some(text) => {
                out.push_str(&format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")));
                rest = &after[after.find('\n').unwrap_or_default() + 1 + text.len()..];
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out + rest
}

/// Modification numbers and the validity are each server's own, and so is the moment of an APPEND without a date.
fn without_own(line: &str) -> String {
    let mut out = line.to_owned();
    let date =
        out.split_once("INTERNALDATE \"").and_then(|(_, rest)| rest.split_once('"')).map(|(date, _)| date.to_owned());
    let moment = |date: &String| jiff::fmt::strtime::parse("%d-%b-%Y %H:%M:%S %z", date).ok()?.to_timestamp().ok();
    if let Some(date) = date
        && moment(&date).is_some_and(|at| jiff::Timestamp::now().duration_since(at).as_secs() < 600)
    {
        out = out.replace(&date, "now");
    }
    for mark in ["MODSEQ (", "HIGHESTMODSEQ ", "(MODSEQ ", "UIDVALIDITY "] {
        if let Some(at) = out.find(mark).map(|at| at + mark.len()) {
            let digits = out[at..].bytes().take_while(u8::is_ascii_digit).count();
            out.replace_range(at..at + digits, "n");
        }
    }
    out
}

/// Flags and attributes have no order: the innermost lists that begin with a backslash or follow FLAGS are sorted.
fn sorted_lists(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(open) = rest.find('(') {
        out.push_str(&rest[..=open]);
        rest = &rest[open + 1..];
        let end = rest.find(['(', ')', '"', '\n']).unwrap_or(rest.len());
        let is_list = rest[end..].starts_with(')')
            && (rest.starts_with('\\') || rest.starts_with('$') || out.ends_with("FLAGS ("));
        if is_list {
            let mut words: Vec<&str> = rest[..end].split(' ').collect();
            words.sort_unstable();
            out.push_str(&words.join(" "));
            rest = &rest[end..];
        }
    }
    out + rest
}
