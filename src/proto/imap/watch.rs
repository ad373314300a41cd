//! What is wrong with a conversation in IMAP, or worth knowing about it.
//! Takes its pieces, gives findings: extensions that were not offered, numbers that a mailbox must keep, long IDLEs.
//! Does not read bytes for their meaning where the dialog has told it.

use std::collections::HashMap;

use serde_json::Value;

use crate::event::{Body, Command, Content, Continue, Greeting, Object, Reply, Seq, Side, Stamp};
use crate::findings;
use crate::proto::watch::{Found, Lines, Offer, Seen, Waiting, Watch, not_offered};

/// RFC 2177 §3.
const IDLE_MAX: u64 = 29 * 60 * 1_000_000;

/// RFC 7888 §5.
const LITERAL_MINUS_MAX: u64 = 4096;

/// Mailboxes whose UIDVALIDITY is remembered.
const MAILBOXES_MAX: usize = 1000;

/// The longest name of a mailbox that is remembered, in bytes. Servers store them in file names, which have 255.
const NAME_MAX: usize = 1024;

/// So many times in a row is often.
const OFTEN: u32 = 10;

/// Commands and the capabilities of which one must be offered. Those of RFC 9051 count for IMAP4rev2.
const COMMANDS: &[(&str, &[&str])] = &[
    ("IDLE", &["IDLE", "IMAP4REV2"]),
    ("MOVE", &["MOVE", "IMAP4REV2"]),
    ("UID MOVE", &["MOVE", "IMAP4REV2"]),
    ("UID EXPUNGE", &["UIDPLUS", "IMAP4REV2"]),
    ("ENABLE", &["ENABLE", "IMAP4REV2"]),
    ("NAMESPACE", &["NAMESPACE", "IMAP4REV2"]),
    ("UNSELECT", &["UNSELECT", "IMAP4REV2"]),
    ("ID", &["ID"]),
    ("COMPRESS", &["COMPRESS=DEFLATE"]),
    ("STARTTLS", &["STARTTLS"]),
    ("UNAUTHENTICATE", &["UNAUTHENTICATE"]),
    ("XLIST", &["XLIST", "X-GM-EXT-1"]),
    ("NOTIFY", &["NOTIFY"]),
    ("GETQUOTA", &["QUOTA"]),
    ("GETQUOTAROOT", &["QUOTA"]),
    ("SETQUOTA", &["QUOTA", "QUOTASET"]),
    ("GETACL", &["ACL"]),
    ("SETACL", &["ACL"]),
    ("DELETEACL", &["ACL"]),
    ("MYRIGHTS", &["ACL"]),
    ("LISTRIGHTS", &["ACL"]),
    ("GETMETADATA", &["METADATA", "METADATA-SERVER"]),
    ("SETMETADATA", &["METADATA", "METADATA-SERVER"]),
    ("GENURLAUTH", &["URLAUTH"]),
    ("URLFETCH", &["URLAUTH"]),
    ("RESETKEY", &["URLAUTH"]),
    ("REPLACE", &["REPLACE"]),
    ("UID REPLACE", &["REPLACE"]),
];

/// Those whose capability has parts of its own: `SORT=DISPLAY`, `THREAD=REFERENCES`.
const FAMILIES: &[(&str, &str)] =
    &[("SORT", "SORT"), ("UID SORT", "SORT"), ("THREAD", "THREAD="), ("UID THREAD", "THREAD=")];

/// They go with the login, or with what comes before it.
const BEFORE_LOGIN: &[&str] = &["STARTTLS", "LOGINDISABLED", "SASL-IR", "LOGIN-REFERRALS", "ID", "IMAP4"];

#[derive(Default)]
pub(super) struct ImapWatch {
    offer: Offer,
    /// What was offered before the login, until it was offered again.
    before: Option<Vec<String>>,
    now: Vec<String>,
    waiting: Waiting<Asked>,
    idle: Option<(Seq, Stamp)>,
    validity: HashMap<String, u64>,
    open: Mailbox,
    /// The message that is being appended.
    append: Option<Seq>,
    lines: Lines,
    again: Again,
}

#[derive(Default)]
struct Asked {
    verb: String,
    mailbox: Option<String>,
    /// An empty list of parameters, or one left out.
    bare_id: bool,
}

/// What must hold of the mailbox that is selected.
#[derive(Default)]
struct Mailbox {
    exists: Option<u64>,
    /// The number and UID of the message that was told of last.
    last: Option<(u64, u64)>,
}

/// What the client asked last, but for which message.
#[derive(Default)]
struct Again {
    verb: String,
    rest: String,
    count: u32,
}

impl Watch for ImapWatch {
    fn look(&mut self, seen: &Seen<'_>, out: &mut Found) {
        self.idles(seen, out);
        match seen.body {
            Body::Greeting(greeting) => self.greeting(seen, greeting, out),
            Body::Command(command) => self.command(seen, command, out),
            Body::Continue(go_ahead) => self.go_ahead(seen, go_ahead),
            Body::Reply(reply) => self.reply(seen, reply, out),
            Body::Content(content) if seen.from == Side::Client => self.content(seen.wire, content, out),
            _ => {}
        }
    }

    fn upgraded(&mut self) {
        *self = ImapWatch::default();
    }
}

impl ImapWatch {
    fn greeting(&mut self, seen: &Seen<'_>, greeting: &Greeting, out: &mut Found) {
        if greeting.status == "PREAUTH" && !seen.encrypted {
            let text = "the server takes the client as logged in already, on a connection without TLS: STARTTLS is impossible now";
            out.add(&findings::PREAUTH, seen.seq, text);
        }
        self.alert(seen, greeting.code.as_deref(), out);
        self.capabilities_of(&greeting.values, seen.seq, out);
    }

    fn alert(&self, seen: &Seen<'_>, code: Option<&str>, out: &mut Found) {
        if code == Some("ALERT") && !seen.encrypted {
            let text = "the server has a text for the person in front of the client, and nobody knows who wrote it: there is no TLS";
            out.add(&findings::ALERT_BEFORE_TLS, seen.seq, text);
        }
    }

    fn command(&mut self, seen: &Seen<'_>, command: &Command, out: &mut Found) {
        self.literal(seen, command, out);
        if command.continues.is_some() {
            return;
        }
        let verb = command.verb.as_str();
        self.extension(seen.seq, verb, command, out);
        if verb == "LOGIN" && self.offer.has("LOGINDISABLED") {
            let text = "the client sent LOGIN, and the server had said LOGINDISABLED";
            out.add(&findings::LOGIN_DESPITE_DISABLED, seen.seq, text);
        }
        let mut asked = Asked { verb: verb.to_owned(), ..Asked::default() };
        match verb {
            "SELECT" | "EXAMINE" => {
                self.open = Mailbox::default();
                let args = command.args.map();
                let mailbox = args.get("mailbox").and_then(Value::as_str);
                asked.mailbox = mailbox.filter(|name| name.len() <= NAME_MAX).map(str::to_owned);
            }
            "CLOSE" | "UNSELECT" => self.open = Mailbox::default(),
            "APPEND" => self.append = Some(seen.seq),
            "ID" => {
                let args = command.args.map();
                asked.bare_id = args.get("params").and_then(Value::as_object).is_none_or(serde_json::Map::is_empty);
            }
            "FETCH" | "UID FETCH" if memchr::memmem::find(seen.wire, b"CHANGEDSINCE 0)").is_some() => {
                let text =
                    "the client asks for what changed since mod-sequence 0, which is none; iPhone Mail is known for it";
                out.add(&findings::KNOWN_DEVIATION, seen.seq, text);
            }
            _ => {}
        }
        self.again.look(seen.seq, command, out);
        self.waiting.push(seen.seq, asked);
    }

    /// A literal that the client does not wait with (RFC 7888).
    fn literal(&self, seen: &Seen<'_>, command: &Command, out: &mut Found) {
        let Some(line) = seen.wire.strip_suffix(b"+}\r\n") else { return };
        let digits = line.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let Some((before, number)) = line.split_at_checked(line.len() - digits) else { return };
        if digits == 0 || !before.ends_with(b"{") {
            return;
        }
        let size: u64 = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok()).unwrap_or(u64::MAX);
        let about = command.continues.unwrap_or(seen.seq);
        if self.offer.lacks(&["LITERAL+", "LITERAL-", "IMAP4REV2"]) {
            not_offered(about, "a literal without waiting", "LITERAL+", out);
        } else if size > LITERAL_MINUS_MAX && self.offer.lacks(&["LITERAL+"]) {
            let text = format!(
                "the client sent a literal of {size} bytes without waiting, and LITERAL- allows {LITERAL_MINUS_MAX}"
            );
            out.add(&findings::LITERAL_MINUS, about, text);
        }
    }

    fn extension(&self, seq: Seq, verb: &str, command: &Command, out: &mut Found) {
        if let Some((_, wants)) = COMMANDS.iter().find(|(name, _)| *name == verb)
            && self.offer.lacks(wants)
        {
            not_offered(seq, verb, wants.first().copied().unwrap_or_default(), out);
        }
        if let Some((_, start)) = FAMILIES.iter().find(|(name, _)| *name == verb)
            && self.offer.lacks_all_beginning(start)
        {
            not_offered(seq, verb, start.trim_end_matches('='), out);
        }
        if verb != "AUTHENTICATE" {
            return;
        }
        let args = command.args.map();
        let Some(mechanism) = args.get("mechanism").and_then(Value::as_str) else { return };
        let wants = format!("AUTH={}", mechanism.to_ascii_uppercase());
        if self.offer.lacks(&[&wants]) {
            not_offered(seq, &format!("AUTHENTICATE {mechanism}"), &wants, out);
        }
        if args.get("initial").and_then(Value::as_bool) == Some(true) && self.offer.lacks(&["SASL-IR", "IMAP4REV2"]) {
            not_offered(seq, "a first response in the AUTHENTICATE line itself", "SASL-IR", out);
        }
    }

    fn go_ahead(&mut self, seen: &Seen<'_>, go_ahead: &Continue) {
        let Some(of) = go_ahead.answers else { return };
        if self.waiting.find(of).is_some_and(|asked| asked.verb == "IDLE") {
            self.idle = Some((of, seen.at));
        }
    }

    /// Whether the client has been in IDLE for too long when this came.
    fn idles(&mut self, seen: &Seen<'_>, out: &mut Found) {
        let Some((of, since)) = self.idle else { return };
        let lasted = seen.at.since(since);
        if lasted > IDLE_MAX {
            let text = format!("the client has been in IDLE for {} minutes", lasted / 60_000_000);
            out.add(&findings::IDLE_TOO_LONG, of, text);
            self.idle = None;
        }
        if seen.from == Side::Client {
            self.idle = None;
        }
    }

    fn reply(&mut self, seen: &Seen<'_>, reply: &Reply, out: &mut Found) {
        if reply.continues.is_some() {
            return;
        }
        self.alert(seen, reply.code.as_deref(), out);
        self.text(seen.seq, reply, out);
        match reply.data.as_deref() {
            None => {}
            Some("CAPABILITY") => return self.capabilities_of(&reply.values, seen.seq, out),
            Some(data) => return self.data(seen, data, reply, out),
        }
        match reply.code.as_deref() {
            Some("CAPABILITY") => {
                // In the reply to a login it is the list after it.
                if reply.status == "OK" && reply.answers.is_some() {
                    self.logged_in(reply);
                }
                self.capabilities_of(&reply.values, seen.seq, out);
                self.completed(seen.seq, reply, true, out);
                return;
            }
            Some("UIDVALIDITY") => {
                let mailbox = self.waiting.last().and_then(|(_, asked)| asked.mailbox.clone());
                let value = reply.values.map().get("uidvalidity").and_then(Value::as_u64);
                if let (Some(mailbox), Some(value)) = (mailbox, value) {
                    self.valid(seen.seq, mailbox, value, out);
                }
            }
            _ => {}
        }
        self.completed(seen.seq, reply, false, out);
    }

    fn text(&self, seq: Seq, reply: &Reply, out: &mut Found) {
        let status = matches!(reply.status.as_str(), "OK" | "NO" | "BAD" | "BYE");
        if !status || !reply.text.is_empty() {
            return;
        }
        if reply.code.as_deref() == Some("HIGHESTMODSEQ") {
            let text = "the server put no text behind HIGHESTMODSEQ, which the grammar wants; Gmail and Yahoo are known for it";
            out.add(&findings::KNOWN_DEVIATION, seq, text);
        } else {
            let text = format!("the server said {} with no text behind it", reply.status);
            out.add(&findings::REPLY_WITHOUT_TEXT, seq, text);
        }
    }

    /// A tagged reply. `listed` where it had the list of capabilities in it.
    fn completed(&mut self, seq: Seq, reply: &Reply, listed: bool, out: &mut Found) {
        let Some(asked) = reply.tag.as_ref().and(reply.answers).and_then(|of| self.waiting.take(of)) else { return };
        match asked.verb.as_str() {
            // What was offered holds until the login, and after it until it is asked for again.
            "LOGIN" | "AUTHENTICATE" if reply.status == "OK" && !listed => {
                self.logged_in(reply);
                self.offer.forget();
            }
            "ENABLE" | "UNAUTHENTICATE" => self.offer.forget(),
            "ID" if asked.bare_id && reply.status == "BAD" => {
                let text = "the server refuses an ID without parameters, which the grammar allows; Exchange and the servers of \
                            GMX and WEB.DE are known for it";
                out.add(&findings::KNOWN_DEVIATION, seq, text);
            }
            _ => {}
        }
    }

    fn logged_in(&mut self, reply: &Reply) {
        let login = reply.answers.and_then(|of| self.waiting.find(of));
        if login.is_none_or(|asked| matches!(asked.verb.as_str(), "LOGIN" | "AUTHENTICATE")) && self.before.is_none() {
            self.before = Some(std::mem::take(&mut self.now)).filter(|before| !before.is_empty());
        }
    }

    fn capabilities_of(&mut self, values: &Object, seq: Seq, out: &mut Found) {
        if !values.contains("\"capabilities\"") {
            return;
        }
        let map = values.map();
        let Some(list) = map.get("capabilities").and_then(Value::as_array) else { return };
        let names: Vec<String> =
            list.iter().filter_map(Value::as_str).map(str::to_ascii_uppercase).take(MAILBOXES_MAX).collect();
        self.offer.set(names.iter().cloned());
        if let Some(before) = self.before.take() {
            let usual = |name: &str| name.starts_with("AUTH=") || name.starts_with('X') || BEFORE_LOGIN.contains(&name);
            let gone: Vec<&str> =
                before.iter().filter(|name| !names.contains(name) && !usual(name)).map(String::as_str).collect();
            if !gone.is_empty() {
                let text = format!("after the login the server no longer offers {}", gone.join(" "));
                out.add(&findings::CAPABILITIES_CHANGED, seq, text);
            }
        }
        self.now = names;
    }

    fn data(&mut self, seen: &Seen<'_>, data: &str, reply: &Reply, out: &mut Found) {
        match (data, reply.number) {
            ("EXISTS", Some(number)) => {
                if let Some(before) = self.open.exists.replace(number)
                    && number < before
                {
                    let text =
                        format!("there were {before} messages, and now there are {number}, with no EXPUNGE in between");
                    out.add(&findings::EXISTS_SHRANK, seen.seq, text);
                }
            }
            ("EXPUNGE", Some(number)) => {
                self.open.exists = self.open.exists.and_then(|exists| exists.checked_sub(1));
                // What stood behind it has moved up.
                self.open.last = match self.open.last {
                    Some((last, _)) if last == number => None,
                    Some((last, uid)) if last > number => Some((last - 1, uid)),
                    other => other,
                };
            }
            // How many they are would have to be counted in what the client knows.
            ("VANISHED", _) => self.open = Mailbox::default(),
            ("FETCH", Some(number)) => self.fetched(seen, number, reply, out),
            ("STATUS", _) => {
                if seen.wire.ends_with(b" \r\n") {
                    let text = "the server put a space behind its STATUS, which is not in the grammar; Exchange is known for it";
                    out.add(&findings::KNOWN_DEVIATION, seen.seq, text);
                }
                if reply.values.contains("UIDVALIDITY") {
                    let map = reply.values.map();
                    let value = map.iter().find(|(name, _)| name.eq_ignore_ascii_case("UIDVALIDITY"));
                    if let (Some(mailbox), Some(value)) =
                        (map.get("mailbox").and_then(Value::as_str), value.and_then(|(_, value)| value.as_u64()))
                    {
                        self.valid(seen.seq, mailbox.to_owned(), value, out);
                    }
                }
            }
            _ => {}
        }
    }

    fn valid(&mut self, seq: Seq, mailbox: String, value: u64, out: &mut Found) {
        let is_new = || !self.validity.contains_key(&mailbox);
        if mailbox.len() > NAME_MAX || (self.validity.len() >= MAILBOXES_MAX && is_new()) {
            return;
        }
        // Of all names this one alone is the same in any case (RFC 9051 §5.1).
        let name = if mailbox.eq_ignore_ascii_case("INBOX") { "INBOX".to_owned() } else { mailbox };
        if let Some(before) = self.validity.insert(name.clone(), value)
            && before != value
        {
            let text = format!("the UIDVALIDITY of {name:?} was {before}, and now it is {value}");
            out.add(&findings::UIDVALIDITY_CHANGED, seq, text);
        }
    }

    fn fetched(&mut self, seen: &Seen<'_>, number: u64, reply: &Reply, out: &mut Found) {
        if let Some(uid) = reply.values.number_of("UID") {
            if let Some((before, other)) = self.open.last
                && number.cmp(&before) != uid.cmp(&other)
            {
                let text = format!("message {before} has the UID {other}, and message {number} has {uid}");
                out.add(&findings::UID_ORDER, seen.seq, text);
            }
            self.open.last = Some((number, uid));
        }
        if memchr::memmem::find(seen.wire, b"BODY").is_none() {
            return;
        }
        if reply.values.contains("\"BODY[]\"")
            && let Some(size) = reply.values.number_of("RFC822.SIZE")
        {
            let map = reply.values.map();
            let octets = map.get("BODY[]").and_then(|body| body.get("bytes")).and_then(Value::as_u64);
            if let Some(octets) = octets.filter(|octets| *octets != size) {
                let text = format!(
                    "the server gives {size} as the size of message {number}, and the message has {octets} octets; Exchange is \
                     known for it"
                );
                out.add(&findings::SIZE_MISMATCH, seen.seq, text);
            }
        }
        if memchr::memmem::find(seen.wire, b" -1").is_some() {
            let text = "the server gives -1 as the number of a part's lines, which the grammar does not allow";
            out.add(&findings::KNOWN_DEVIATION, seen.seq, text);
        }
    }

    /// Only an appended message is looked at: other literals are names and passwords.
    fn content(&mut self, wire: &[u8], content: &Content, out: &mut Found) {
        if self.append != Some(content.of) {
            return;
        }
        self.lines.take(wire, content);
        if content.last {
            self.lines.end("the message", false, out);
        }
    }
}

impl Again {
    fn look(&mut self, seq: Seq, command: &Command, out: &mut Found) {
        let verb = command.verb.as_str();
        let single =
            matches!(verb, "FETCH" | "UID FETCH" | "STORE" | "UID STORE" | "COPY" | "UID COPY" | "MOVE" | "UID MOVE");
        let repeated =
            matches!(verb, "STATUS" | "LIST" | "LSUB" | "SEARCH" | "UID SEARCH" | "SELECT" | "EXAMINE" | "CAPABILITY");
        if !single && !repeated {
            *self = Again::default();
            return;
        }
        let mut args = command.args.map();
        if single {
            let one = |set: &str| !set.is_empty() && set.bytes().all(|byte| byte.is_ascii_digit());
            if !args.remove("sequence").is_some_and(|set| set.as_str().is_some_and(one)) {
                *self = Again::default();
                return;
            }
        }
        let rest = Value::Object(args).to_string();
        self.count = if verb == self.verb && rest == self.rest { self.count + 1 } else { 1 };
        (self.verb, self.rest) = (verb.to_owned(), rest);
        if self.count == OFTEN {
            let text = if single {
                format!(
                    "the client asks {verb} for one message after the other ({OFTEN} so far); one command with all of them would do"
                )
            } else {
                format!("the client has asked {verb} for the same thing {OFTEN} times in a row")
            };
            out.add(&findings::ASKED_AGAIN, seq, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_of_mailboxes_are_not_remembered() {
        let (mut watch, mut found) = (ImapWatch::default(), Found::default());
        for value in [1, 2] {
            watch.valid(0, "short".to_owned(), value, &mut found);
            watch.valid(0, "x".repeat(60_000), value, &mut found);
        }
        assert_eq!((watch.validity.len(), found.0.len()), (1, 1));
    }
}
