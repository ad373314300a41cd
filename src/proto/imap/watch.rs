//! What is wrong with a conversation in IMAP, or worth knowing about it.
//! Takes its pieces, gives findings: who may say what, long IDLEs, messages appended, and what `offers` and `mailbox` see.
//! Does not read bytes for their meaning where the dialog has told it.

mod append;
mod fetched;
mod mailbox;
mod offers;
mod outstanding;

use std::hash::Hash;

use serde_json::{Map, Value};

use self::append::Append;
use self::mailbox::{Mailbox, Validities};
use self::outstanding::{Asked, Outstanding};
use crate::event::{Body, Command, Continue, Greeting, Object, Reply, Seq, Side, Stamp};
use crate::findings;
use crate::proto::watch::{Again, Found, OFTEN, Offer, Seen, Watch};

/// RFC 2177 §3.
const IDLE_MAX: u64 = 29 * 60 * 1_000_000;

#[derive(Default)]
pub(super) struct ImapWatch {
    offer: Offer,
    logged_in: bool,
    disabled_noted: bool,
    outstanding: Outstanding,
    idle: Option<(Seq, Stamp)>,
    validities: Validities,
    open: Mailbox,
    append: Append,
    again: Again,
}

impl Watch for ImapWatch {
    fn look(&mut self, seen: &Seen<'_>, out: &mut Found) {
        self.idles(seen.at, seen.from, out);
        match seen.body {
            Body::Greeting(greeting) => self.greeting(seen, greeting, out),
            Body::Command(command) => self.command(seen, command, out),
            Body::Continue(go_ahead) => self.go_ahead(seen, go_ahead, out),
            Body::Reply(reply) => self.reply(seen, reply, out),
            Body::Content(content) if seen.from == Side::Client => self.append.content(seen.wire, content, out),
            _ => {}
        }
    }

    fn upgraded(&mut self) {
        let mut offer = std::mem::take(&mut self.offer);
        offer.upgraded();
        *self = ImapWatch { offer, ..ImapWatch::default() };
    }

    fn end(&mut self, at: Stamp, out: &mut Found) {
        self.idles(at, Side::Client, out);
        self.append.abandoned(out);
    }
}

impl ImapWatch {
    fn greeting(&mut self, seen: &Seen<'_>, greeting: &Greeting, out: &mut Found) {
        if greeting.status == "PREAUTH" && !seen.encrypted() {
            let text = "the server takes the client as logged in already, on a connection without TLS: STARTTLS is impossible now";
            out.add(&findings::PREAUTH, seen.seq, text);
        }
        self.logged_in = greeting.status == "PREAUTH";
        alert(seen, greeting.code.as_deref(), out);
        self.capabilities(seen, &greeting.values, out);
        self.text(seen.seq, &greeting.status, &greeting.text, None, out);
    }

    fn command(&mut self, seen: &Seen<'_>, command: &Command, out: &mut Found) {
        offers::literal(&self.offer, seen, command, out);
        self.append.command(seen, command);
        if let Some(of) = command.continues {
            if command.verb == "DONE" {
                self.outstanding.done(of);
            }
            return;
        }
        let verb = command.verb.as_str();
        let args = if command.args.is_empty() { Map::new() } else { command.args.map() };
        offers::command(&self.offer, seen.seq, verb, &args, out);
        if verb == "LOGIN" && self.offer.has("LOGINDISABLED") {
            let text = "the client sent LOGIN, and the server had said LOGINDISABLED";
            out.add(&findings::LOGIN_DESPITE_DISABLED, seen.seq, text);
        }
        if verb.ends_with("FETCH") && memchr::memmem::find(seen.wire, b"CHANGEDSINCE 0)").is_some() {
            let text = "the client asks for what changed since mod-sequence 0, which is none: a deviation that iPhone Mail is known for";
            out.add(&findings::KNOWN_DEVIATION, seen.seq, text);
        }
        if let Some(text) = self.outstanding.pipelined(verb) {
            out.add(&findings::PIPELINING, seen.seq, text);
        }
        self.asked_again(seen, verb, &args, out);
        self.outstanding.push(seen.seq, Asked::new(verb, &args));
        self.next_mailbox();
    }

    /// One message after the other, or the same again, with nothing else that the client could be waiting for.
    fn asked_again(&mut self, seen: &Seen<'_>, verb: &str, args: &Map<String, Value>, out: &mut Found) {
        let name = verb.strip_prefix("UID ").unwrap_or(verb);
        let one = |set: &str| !set.is_empty() && set.bytes().all(|byte| byte.is_ascii_digit());
        let single = matches!(name, "FETCH" | "STORE" | "COPY" | "MOVE")
            && args.get("sequence").is_some_and(|set| set.as_str().is_some_and(one));
        let repeated = matches!(name, "STATUS" | "LIST" | "LSUB" | "SEARCH" | "SELECT" | "EXAMINE" | "CAPABILITY");
        // Whole messages are taken one by one, so that what has come need not come again.
        if !single && !repeated || single && name == "FETCH" && takes_content(args) {
            self.again.forget();
            return;
        }
        // Whoever does not wait for the answers loses nothing.
        if !self.outstanding.is_empty() {
            return;
        }
        let mut args = args.clone();
        if single {
            args.remove("sequence");
        }
        if !self.again.often(seen.at, &Question { verb, rest: Value::Object(args).to_string() }) {
            return;
        }
        let text = if single {
            format!(
                "the client has asked {verb} for one message after the other, {OFTEN} times in some seconds, and waited for each answer"
            )
        } else {
            format!("the client has asked {verb} for the same {OFTEN} times in some seconds")
        };
        out.add(&findings::ASKED_AGAIN, seen.seq, text);
    }

    fn go_ahead(&mut self, seen: &Seen<'_>, go_ahead: &Continue, out: &mut Found) {
        if seen.wire.trim_ascii() == b"+" && !seen.wire.starts_with(b"+ ") {
            let text = "the server said + with nothing behind it, not even the space that the grammar wants";
            out.add(&findings::REPLY_WITHOUT_TEXT, seen.seq, text);
        }
        let Some(of) = go_ahead.answers else { return };
        if self.outstanding.find(of).is_some_and(|asked| asked.verb == "IDLE") {
            self.idle = Some((of, seen.at));
        }
    }

    /// Whether the client has been in IDLE for too long when something came.
    fn idles(&mut self, at: Stamp, from: Side, out: &mut Found) {
        let Some((of, since)) = self.idle else { return };
        let lasted = at.since(since);
        if lasted > IDLE_MAX {
            let text = format!("the client has been in IDLE for {} minutes", lasted / 60_000_000);
            out.add(&findings::IDLE_TOO_LONG, of, text);
            self.idle = None;
        }
        if from == Side::Client {
            self.idle = None;
        }
    }

    fn reply(&mut self, seen: &Seen<'_>, reply: &Reply, out: &mut Found) {
        if let Some(of) = reply.continues {
            self.open.fetch_goes_on(seen.seq, of, &reply.values, out);
            return;
        }
        let code = reply.code.as_deref();
        alert(seen, code, out);
        match reply.data.as_deref() {
            Some("CAPABILITY") => return self.relisted(seen, reply, out),
            Some(data) => return self.data(seen, data, reply, out),
            None => self.text(seen.seq, &reply.status, &reply.text, code, out),
        }
        match code {
            Some("CLOSED") => self.open = Mailbox::default(),
            Some("UIDVALIDITY") => {
                let value = reply.values.map().get("uidvalidity").and_then(Value::as_u64);
                if let (Some(mailbox), Some(value)) = (self.outstanding.selecting(), value) {
                    self.validities.told(seen.seq, mailbox, value, out);
                }
            }
            _ => {}
        }
        self.completed(seen, reply, out);
    }

    fn text(&self, seq: Seq, status: &str, text: &str, code: Option<&str>, out: &mut Found) {
        let status_alone = matches!(status, "OK" | "NO" | "BAD" | "BYE" | "PREAUTH") && text.is_empty();
        // IMAP4rev2 alone lets the text be empty (RFC 9051, appendix E, 23).
        if !status_alone || self.offer.has("IMAP4REV2") && !self.offer.has("IMAP4REV1") {
            return;
        }
        if code == Some("HIGHESTMODSEQ") {
            let text = "the server put no text behind HIGHESTMODSEQ, which the grammar wants: a deviation that Gmail and Yahoo \
                        are known for";
            out.add(&findings::KNOWN_DEVIATION, seq, text);
        } else {
            out.add(&findings::REPLY_WITHOUT_TEXT, seq, format!("the server said {status} with no text behind it"));
        }
    }

    fn completed(&mut self, seen: &Seen<'_>, reply: &Reply, out: &mut Found) {
        let asked = reply.tag.as_ref().and(reply.answers).and_then(|of| self.outstanding.take(of));
        if reply.tag.is_some() && asked.is_none() {
            self.outstanding.lose();
        }
        let ok = reply.status == "OK";
        let lists = reply.code.as_deref() == Some("CAPABILITY");
        match asked.as_ref().map(|asked| (asked.verb.as_str(), asked)) {
            Some(("LOGIN" | "AUTHENTICATE", asked)) if ok => {
                self.logged_in = true;
                // What was offered holds until the login, and after it until it is told again.
                if !asked.relisted {
                    self.offer.logged_in(false);
                }
            }
            Some(("UNAUTHENTICATE", _)) if ok => {
                self.offer.forget();
                self.validities = Validities::default();
                self.logged_in = false;
            }
            Some(("CREATE" | "DELETE" | "RENAME", asked)) if ok => self.validities.void(asked),
            Some(("ID", asked)) if asked.bare_id && reply.status == "BAD" => {
                let text = "the server refuses an ID without parameters, which the grammar allows: a deviation that Exchange and \
                            the servers of GMX and WEB.DE are known for";
                out.add(&findings::KNOWN_DEVIATION, seen.seq, text);
            }
            _ => {}
        }
        if lists {
            self.capabilities(seen, &reply.values, out);
        }
        if asked.is_some_and(|asked| asked.changes_mailbox() && !asked.begun) {
            self.open = Mailbox::default();
        }
        self.next_mailbox();
    }

    /// Commands are worked on in their order: where the oldest changes the mailbox, what comes from here on is of that one.
    fn next_mailbox(&mut self) {
        if self.outstanding.begins_change() {
            self.open = Mailbox::default();
        }
    }

    /// Capabilities by themselves: an answer to CAPABILITY, or told with a login, before it is accepted.
    fn relisted(&mut self, seen: &Seen<'_>, reply: &Reply, out: &mut Found) {
        if self.outstanding.login_relists() {
            self.logged_in = true;
            self.offer.logged_in(false);
        }
        self.capabilities(seen, &reply.values, out);
    }

    fn capabilities(&mut self, seen: &Seen<'_>, values: &Object, out: &mut Found) {
        if !values.contains("\"capabilities\"") {
            return;
        }
        let map = values.map();
        let Some(list) = map.get("capabilities").and_then(Value::as_array) else { return };
        self.offer.set(seen.seq, list.iter().filter_map(Value::as_str).map(str::to_owned), out);
        let disabled = self.offer.has("LOGINDISABLED") && !self.logged_in;
        if disabled && seen.tls.client && !seen.tls.server && !std::mem::replace(&mut self.disabled_noted, true) {
            let text = "the server takes no logins without TLS (LOGINDISABLED), and its leg has none: let the right side \
                        of the route end in +starttls, or use the scheme with TLS from the first byte";
            out.add(&findings::LOGIN_DISABLED, seen.seq, text);
        }
    }

    fn data(&mut self, seen: &Seen<'_>, data: &str, reply: &Reply, out: &mut Found) {
        if data == "STATUS" {
            if seen.wire.ends_with(b" \r\n") {
                let text = "the server put a space behind its STATUS, which is not in the grammar: a deviation that Exchange is \
                            known for";
                out.add(&findings::KNOWN_DEVIATION, seen.seq, text);
            }
            self.validities.status(seen.seq, &reply.values, out);
        }
        if !self.outstanding.is_unsure() {
            self.open.data(seen, data, reply, out);
        }
    }
}

fn alert(seen: &Seen<'_>, code: Option<&str>, out: &mut Found) {
    if code == Some("ALERT") && !seen.encrypted() {
        let text = "the server has a text for the person in front of the client, and nobody knows who wrote it: there is no TLS";
        out.add(&findings::ALERT_BEFORE_TLS, seen.seq, text);
    }
}

/// What is asked, but for the message.
#[derive(Hash)]
struct Question<'q> {
    verb: &'q str,
    rest: String,
}

/// Whether a FETCH takes messages or parts of them, and not only what stands about them.
fn takes_content(args: &Map<String, Value>) -> bool {
    let items = args.get("items").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    items.map(str::to_ascii_uppercase).any(|item| match item.split_once('[') {
        Some((_, section)) => !section.starts_with("HEADER"),
        None => matches!(item.as_str(), "RFC822" | "RFC822.TEXT" | "RFC822.PEEK"),
    })
}
