//! What an event means, said with its own values.
//! Takes the events of one session in order, gives for each a sentence and its source, or nothing where there is none to say.
//! Does not know how it is shown.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};

use serde_json::{Map, Value};

use crate::event::{Auth, Body, Command, Continue, Event, Greeting, Object, Reply, Seq, Tls};
use crate::findings;

use super::auth::{self, Login, Refusal};
use super::lines::{imap_answer, imap_verb};
use super::say::{Asked, Waiting, clip, each_capability, imap, pop3, sieve, smtp, strange_capabilities};
use super::{Category, Explained, Protocol, find};

/// Commands that are remembered, so that a reply can be read as an answer. More are seldom under way.
const REMEMBERED_MAX: usize = 256;

/// How much of an event's bytes is read for its sentence: a first line, or a reply of a few dozen lines.
const READ_MAX: usize = 16 * 1024;

/// How much of a listing of capabilities is gathered, in bytes; servers list a few hundred.
const LISTING_MAX: usize = 8 * 1024;

/// Capabilities that are told of, each once a session; a server that lists more of them made them up.
const TOLD_MAX: usize = 512;

/// Explains the events of one session.
#[derive(Clone, Debug, Default)]
pub struct Explainer {
    protocol: Option<Protocol>,
    commands: VecDeque<(Seq, Waiting)>,
    /// The reply to CAPA whose listing follows as content, and what of that came so far.
    capabilities: Option<(Seq, Vec<u8>)>,
    login: Option<Login>,
    /// Capabilities that were told of already, and those that the event explained last listed for the first time.
    told: HashSet<String>,
    listed: Vec<Explained>,
    /// Whether the client's leg is encrypted.
    encrypted: bool,
}

impl Explainer {
    /// The protocol, where the `open` event is not among those to come.
    #[must_use]
    pub fn new(protocol: Protocol) -> Explainer {
        Explainer { protocol: Some(protocol), ..Explainer::default() }
    }

    pub fn explain(&mut self, event: &Event<'_>) -> Option<Explained> {
        self.listed.clear();
        match &event.body {
            Body::Open(open) => {
                *self = Explainer { protocol: Protocol::parse(&open.protocol), ..Explainer::default() };
                None
            }
            Body::Tls(tls) => {
                self.encrypted |= tls.error.is_none() && event.from == crate::event::Origin::Client;
                Some(encryption(tls))
            }
            Body::Greeting(greeting) => self.greeting(greeting, &text_of(event)),
            Body::Command(command) => match command.continues {
                None => self.command(event.seq, command, &text_of(event)),
                Some(of) => self.later_part(of, command, &text_of(event)),
            },
            Body::Reply(reply) if reply.continues.is_none() => self.reply(event.seq, reply, &text_of(event)),
            Body::Continue(go_ahead) => self.go_ahead(go_ahead),
            Body::Auth(auth) => Some(self.auth(auth)),
            Body::Content(content) => self.content(content.of, content.last, &event.wire),
            Body::Note(note) => findings::find(&note.code).map(|found| Explained::new(found.mend, found.source)),
            Body::Compress { .. } => {
                Some(Explained::new("from here on everything is compressed; what is shown is unpacked", "RFC 4978 §3"))
            }
            _ => None,
        }
    }

    /// What the single lines of an event mean, where each means something of its own: what a server lists, one thing a
    /// line. Said after [`Explainer::explain`] has seen the event; empty where the event has one meaning.
    #[must_use]
    pub fn lines(&self, event: &Event<'_>) -> Vec<Explained> {
        let text = text_of(event);
        match (self.protocol, &event.body) {
            (Some(Protocol::Smtp), Body::Reply(reply)) if reply.status == "250" => {
                let hello = self.asked(reply).is_some_and(|asked| matches!(asked.verb, "EHLO" | "LHLO"));
                let said = text.lines().map(|line| line.get(4..).unwrap_or_default());
                if hello { smtp::extensions(said) } else { Vec::new() }
            }
            (Some(Protocol::Sieve), Body::Greeting(greeting)) => sieve::each_capability(&text, &greeting.status),
            (Some(Protocol::Sieve), Body::Reply(reply)) if reply.values.contains("capabilities") => {
                sieve::each_capability(&text, &reply.status)
            }
            _ => Vec::new(),
        }
    }

    /// What the capabilities mean that the event explained last listed, where they were not listed before; each begins
    /// with its word. Where they stand in lines of their own, [`Explainer::lines`] has them.
    #[must_use]
    pub fn listed(&self) -> &[Explained] {
        &self.listed
    }

    fn list<'w>(&mut self, protocol: Protocol, capabilities: impl IntoIterator<Item = &'w str>) {
        for capability in capabilities {
            if self.told.len() < TOLD_MAX && self.told.insert(capability.to_ascii_uppercase()) {
                self.listed.push(each_capability(protocol, capability));
            }
        }
    }

    /// IMAP's list, wherever it stands in a line.
    fn list_values(&mut self, values: &Object) {
        if self.protocol != Some(Protocol::Imap) || !values.contains("capabilities") {
            return;
        }
        let values = values.map();
        let listed = values.get("capabilities").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        self.list(Protocol::Imap, listed.iter().filter_map(Value::as_str));
    }

    fn greeting(&mut self, greeting: &Greeting, wire: &str) -> Option<Explained> {
        self.list_values(&greeting.values);
        let line = first_line(wire);
        Some(match self.protocol? {
            Protocol::Imap => imap::greeting(imap_answer(behind_word(line))),
            Protocol::Smtp => smtp::answer(&greeting.status, &[&greeting.text], None),
            Protocol::Pop3 => pop3::greeting(&greeting.status, behind_word(line)),
            Protocol::Sieve => sieve::greeting(&sieve::lines_of(wire, &greeting.status), &greeting.status),
            Protocol::Sasl => return None,
        })
    }

    fn command(&mut self, seq: Seq, command: &Command, wire: &str) -> Option<Explained> {
        let protocol = self.protocol?;
        let line = first_line(wire);
        let args = command.args.map();
        let rest = match protocol {
            Protocol::Imap => imap_verb(if command.tag.is_some() { behind_word(line) } else { line }).1,
            _ => behind_word(line),
        };
        let told = match protocol {
            Protocol::Imap => imap::command(&command.verb, rest, args.get("mailbox").and_then(Value::as_str)),
            Protocol::Smtp => smtp::command(&command.verb, rest),
            Protocol::Pop3 => pop3::command(&command.verb, rest),
            Protocol::Sieve => sieve::command(&command.verb, rest),
            Protocol::Sasl => return None,
        };
        if self.commands.len() == REMEMBERED_MAX {
            self.commands.pop_front();
        }
        self.commands.push_back((seq, Waiting::new(&command.verb, rest)));
        if logs_in(&command.verb) {
            let mechanism = args.get("mechanism").and_then(Value::as_str).unwrap_or_default();
            self.login = Some(Login::new(mechanism));
        }
        if args.get("initial").and_then(Value::as_bool) != Some(true) {
            return Some(told);
        }
        match self.first_response(&args) {
            Some(response) => {
                Some(Explained::new(format!("{}; in it the client {}", told.text, response.text), told.source))
            }
            None => Some(told),
        }
    }

    /// What a login's first message says, where it stands in the command. It may still come, as a literal.
    fn first_response(&mut self, args: &Map<String, Value>) -> Option<Explained> {
        let user = args.get("user").and_then(Value::as_str);
        let parts = args.get("response").and_then(Value::as_object);
        if user.is_none() && parts.is_none() {
            return None;
        }
        let (none, login) = (Map::new(), self.login.as_mut()?);
        Some(login.answered(1, user, parts.unwrap_or(&none)))
    }

    /// A line that goes on with a command: the end of IDLE, or of a command whose first response was a literal.
    fn later_part(&mut self, of: Seq, command: &Command, wire: &str) -> Option<Explained> {
        let idling = self.command_of(of).is_some_and(|asked| asked.verb == "IDLE");
        if idling && first_line(wire).eq_ignore_ascii_case("DONE") {
            return Some(imap::command("DONE", "", None));
        }
        self.login.as_ref()?;
        self.first_response(&command.args.map())
    }

    fn asked(&self, reply: &Reply) -> Option<Asked<'_>> {
        self.command_of(reply.answers?)
    }

    fn command_of(&self, seq: Seq) -> Option<Asked<'_>> {
        self.commands.iter().find(|(known, _)| *known == seq).map(|(_, waiting)| waiting.asked())
    }

    fn reply(&mut self, seq: Seq, reply: &Reply, wire: &str) -> Option<Explained> {
        self.list_values(&reply.values);
        let protocol = self.protocol?;
        let asked = self.asked(reply);
        let told = match protocol {
            Protocol::Imap => {
                let tagged = reply.tag.is_some();
                let line = imap_answer(behind_word(first_line(wire)));
                imap::answer(imap::Answer { completes: asked.filter(|_| tagged), tagged, ..line })
            }
            Protocol::Smtp => {
                let lines: Vec<&str> = wire.lines().map(|line| line.get(4..).unwrap_or_default()).collect();
                smtp::answer(&reply.status, &lines, asked)
            }
            Protocol::Pop3 => pop3::answer(&reply.status, behind_word(first_line(wire)), asked),
            Protocol::Sieve if reply.status.is_empty() => sieve::data(reply.data.as_deref()?)?,
            Protocol::Sieve => {
                sieve::reply(&sieve::lines_of(wire, &reply.status), &reply.status, reply.code.as_deref(), asked)
            }
            Protocol::Sasl => return None,
        };
        let (capabilities, ends_login) =
            asked.map_or((false, false), |asked| (asked.verb == "CAPA", logs_in(asked.verb)));
        if capabilities && reply.status == "+OK" {
            self.capabilities = Some((seq, Vec::new()));
        }
        if ends_login { Some(self.with_advice(protocol, reply, told)) } else { Some(told) }
    }

    /// Where the reply ends a login in vain: why, and what to try.
    fn with_advice(&mut self, protocol: Protocol, reply: &Reply, told: Explained) -> Explained {
        let Some(login) = self.login.take() else { return told };
        let refused = match protocol {
            Protocol::Smtp => reply.status.starts_with(['4', '5']),
            Protocol::Pop3 => reply.status == "-ERR",
            _ => matches!(reply.status.as_str(), "NO" | "BAD"),
        };
        if !refused || reply.data.is_some() {
            return told;
        }
        let refusal = Refusal {
            protocol: Some(protocol),
            encrypted: Some(self.encrypted),
            status: &reply.status,
            code: reply.code.as_deref(),
            text: &reply.text,
        };
        auth::why(&login.failure(&refusal)).explained()
    }

    fn go_ahead(&mut self, go_ahead: &Continue) -> Option<Explained> {
        let protocol = self.protocol?;
        if let Some(login) = self.login.as_mut().filter(|login| !login.mechanism.is_empty() && go_ahead.status != "354")
        {
            return Some(login.challenged(&go_ahead.text, go_ahead.decoded.as_deref(), go_ahead.values.map()));
        }
        let asked = go_ahead.answers.and_then(|of| self.command_of(of));
        match protocol {
            Protocol::Imap => {
                Some(imap::answer(imap::Answer { word: "+", completes: asked, ..imap::Answer::default() }))
            }
            Protocol::Smtp => Some(smtp::answer(&go_ahead.status, &[&go_ahead.text], asked)),
            _ => find(protocol, Category::Reply, &go_ahead.status).map(Explained::from),
        }
    }

    fn auth(&mut self, said: &Auth) -> Explained {
        let parts = said.args.map();
        match &mut self.login {
            Some(login) if login.mechanism.eq_ignore_ascii_case(&said.mechanism) => {
                login.answered(said.step, said.user.as_deref(), &parts)
            }
            _ => auth::response(&said.mechanism, said.step, said.user.as_deref(), &parts),
        }
    }

    /// The listing behind CAPA's +OK, told once it is whole, however many reads it came in.
    fn content(&mut self, of: Seq, last: bool, wire: &[u8]) -> Option<Explained> {
        let (_, gathered) = self.capabilities.as_mut().filter(|(reply, _)| *reply == of)?;
        let room = LISTING_MAX.saturating_sub(gathered.len()).min(wire.len());
        gathered.extend_from_slice(&wire[..room]);
        if !last {
            return None;
        }
        let (_, gathered) = self.capabilities.take()?;
        let text = String::from_utf8_lossy(&gathered);
        self.list(Protocol::Pop3, capability_lines(&text));
        listing(&text)
    }
}

/// The commands whose refusal is a login that failed.
fn logs_in(verb: &str) -> bool {
    matches!(verb, "AUTH" | "AUTHENTICATE" | "X-EXPS" | "LOGIN" | "PASS" | "APOP")
}

/// The capabilities that POP3's CAPA lists.
fn listing(text: &str) -> Option<Explained> {
    let lines: Vec<&str> = capability_lines(text).collect();
    if lines.is_empty() {
        return None;
    }
    let names: Vec<String> = lines.iter().map(|line| clip(line)).collect();
    let strange = Some(strange_capabilities(Protocol::Pop3, lines)).filter(|strange| !strange.is_empty());
    let strange = strange.map(|strange| format!("; {strange}")).unwrap_or_default();
    Some(Explained::new(format!("the server can do: {}{strange}", names.join(", ")), "RFC 2449 §5"))
}

fn capability_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| *line != "." && !line.is_empty())
}

fn encryption(tls: &Tls) -> Explained {
    let version = tls.version.as_deref().unwrap_or("TLS");
    let source = match (version.contains("1.2"), &tls.error) {
        (true, Some(_)) => "RFC 5246 §7.2.2",
        (true, None) => "RFC 5246 §6.2.3",
        (false, Some(_)) => "RFC 8446 §6.2",
        (false, None) => "RFC 8446 §5.2",
    };
    let text = match (&tls.error, tls.how.as_str()) {
        (Some(error), _) => format!("the encryption could not be set up: {}", clip(error)),
        (None, "implicit") => format!("everything is encrypted from the first byte, by {}", clip(version)),
        (None, _) => format!("everything is encrypted from here on, by {}", clip(version)),
    };
    Explained::new(text, source)
}

fn text_of<'e>(event: &'e Event<'_>) -> Cow<'e, str> {
    String::from_utf8_lossy(event.wire.get(..READ_MAX).unwrap_or(&event.wire))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// What stands behind the first word.
fn behind_word(line: &str) -> &str {
    line.split_once(' ').map_or("", |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Content, Origin, Stamp};

    fn event(seq: Seq, from: Origin, wire: &[u8], body: Body) -> Event<'static> {
        Event { seq, at: Stamp(0), from, wire: wire.to_vec().into(), redacted: false, body }
    }

    fn command(seq: Seq, verb: &str, wire: &str, args: Object) -> Event<'static> {
        let body = Body::Command(Command { verb: verb.to_owned(), args, ..Command::default() });
        event(seq, Origin::Client, wire.as_bytes(), body)
    }

    fn reply(seq: Seq, status: &str, wire: &str, answers: Seq) -> Event<'static> {
        let reply = Reply { status: status.to_owned(), answers: Some(answers), ..Reply::default() };
        event(seq, Origin::Server, wire.as_bytes(), Body::Reply(reply))
    }

    #[test]
    fn a_listing_is_told_once_however_it_was_read() {
        let listing = b"UIDL\r\nPIPELNING\r\nSASL PLIAN\r\n.\r\n";
        for cut in 0..=listing.len() {
            let mut explainer = Explainer::new(Protocol::Pop3);
            explainer.explain(&command(0, "CAPA", "CAPA\r\n", Object::new()));
            explainer.explain(&reply(1, "+OK", "+OK\r\n", 0));
            let (first, second) = listing.split_at(cut);
            let content = |last| Body::Content(Content { of: 1, last, ..Content::default() });
            let told = explainer.explain(&event(2, Origin::Server, first, content(false)));
            assert_eq!(told, None);
            let told = explainer.explain(&event(3, Origin::Server, second, content(true)));
            let text = told.map(|told| told.text).unwrap_or_default();
            assert_eq!(
                text,
                "the server can do: UIDL, PIPELNING, SASL PLIAN; unknown: PIPELNING (perhaps PIPELINING) and PLIAN (perhaps PLAIN)",
                "{cut}"
            );
        }
    }

    #[test]
    fn a_first_message_in_the_command_is_told_with_its_parts() {
        let mut parts = Object::new();
        parts.text("channel_binding", "y").text("authorization", "shop");
        let mut args = Object::new();
        args.text("mechanism", "SCRAM-SHA-256").flag("initial", true).text("user", "joe").object("response", &parts);
        let told = Explainer::new(Protocol::Smtp)
            .explain(&command(0, "AUTH", "AUTH SCRAM-SHA-256 «redacted»\r\n", args))
            .map(|told| told.text)
            .unwrap_or_default();
        assert!(
            told.ends_with(
                "; in it the client logs in as joe, to act as shop, and sends a random text; it could bind to the TLS \
                 connection but believes that the server cannot"
            ),
            "{told}"
        );
        let mut parts = Object::new();
        parts.flag("malformed", true);
        let mut args = Object::new();
        args.text("mechanism", "PLAIN").flag("initial", true).object("response", &parts);
        let mut explainer = Explainer::new(Protocol::Pop3);
        let told = explainer.explain(&command(0, "AUTH", "AUTH PLAIN «redacted»\r\n", args));
        assert!(told.is_some_and(|told| told.text.contains("in it the client sends something that is not base64")));
        let told = explainer.explain(&reply(1, "-ERR", "-ERR no\r\n", 0));
        assert!(told.is_some_and(|told| told.text.starts_with("a message of the login was not base64; try: ")));
    }

    #[test]
    fn each_extension_has_a_line_of_its_own() {
        let mut explainer = Explainer::new(Protocol::Smtp);
        explainer.explain(&command(0, "EHLO", "EHLO laptop\r\n", Object::new()));
        let answer = reply(1, "250", "250-mail.example\r\n250-SIZE 1024\r\n250 PIPELNING\r\n", 0);
        let whole = explainer.explain(&answer).map(|told| told.text).unwrap_or_default();
        assert!(whole.starts_with("the server offers 2 extensions"), "{whole}");
        let lines: Vec<String> = explainer.lines(&answer).into_iter().map(|told| told.text).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1], "the server takes messages up to 1 kB");
        assert_eq!(lines[2], "PIPELNING is an unknown extension; perhaps PIPELINING was meant");
        assert!(explainer.lines(&reply(2, "250", "250 ok\r\n", 9)).is_empty());
    }

    #[test]
    fn each_capability_is_told_when_it_is_listed_first() {
        let mut explainer = Explainer::new(Protocol::Imap);
        let listing = |seq: u64, words: &[&str]| {
            let mut values = Object::new();
            values.list("capabilities", words.iter().copied());
            let reply =
                Reply { status: "*".to_owned(), data: Some("CAPABILITY".to_owned()), values, ..Reply::default() };
            let wire = format!("* CAPABILITY {}\r\n", words.join(" "));
            event(seq, Origin::Server, wire.as_bytes(), Body::Reply(reply))
        };
        explainer.explain(&listing(0, &["IMAP4rev1", "IDLE", "AUTH=PLAIN"]));
        let told: Vec<&str> = explainer.listed().iter().map(|told| told.text.as_str()).collect();
        assert_eq!(told.len(), 3);
        assert!(told[1].starts_with("IDLE: the server "), "{told:?}");
        explainer.explain(&listing(1, &["IMAP4rev1", "idle", "UIDPLUS"]));
        assert_eq!(explainer.listed().len(), 1);
        explainer.explain(&command(2, "NOOP", "a NOOP\r\n", Object::new()));
        assert!(explainer.listed().is_empty());
    }

    #[test]
    fn a_sentence_without_a_source_ends_without_brackets() {
        let told = Explained::new("please report it", "");
        assert_eq!(told.sentence(), "please report it");
        let mut line = Vec::new();
        told.append_to(b"{\"seq\":1}", &mut line);
        assert_eq!(line, br#"{"seq":1,"explain":"please report it","rfc":null}"#);
    }
}
