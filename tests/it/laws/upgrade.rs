//! The law of upgrades, held against any two peers: nothing that was said in plaintext comes out within TLS.
//! Takes the legs of a route, what the two sides do in which order, how it is cut and which handshake fails; panics where
//! a law is broken. Shared by the property tests and the fuzz target; knows no protocol.

use mailtap::event::{Body, Event, Origin, Side, Stamp, Tls};
use mailtap::proto::{Setup, Spec};
use mailtap::session::{Config, Log, Next, Outbox, Session};

/// What a conversation about upgrades is composed of.
pub const PARTS: &[&[u8]] = &[
    b"a STARTTLS\r\n",
    b"STARTTLS\r\n",
    b"STLS\r\n",
    b"a OK go\r\n",
    b"a NO no\r\n",
    b"220 go\r\n",
    b"220-",
    b"454 no\r\n",
    b"+OK go\r\n",
    b"-ERR no\r\n",
    b"* OK hi\r\n",
    b"+OK hi\r\n",
    b"220 hi\r\n",
    b"250-x\r\n250 STARTTLS\r\n",
    b"EHLO x\r\n",
    b"b NOOP\r\n",
    b"NOOP\r\n",
    b"\x16\x03\x01\x00\x05hello",
    b"a LOGIN j {3}\r\n",
    b"abc\r\n",
    b"+ \r\n",
    b"\r\n",
    b"\n",
    b"a",
    b"OK\r\n",
    b"mailtap1 OK go\r\n",
    b"* CAPABILITY IMAP4rev1 STARTTLS ID\r\nb OK\r\n",
    b"250-x\r\n250-STARTTLS\r\n250 y\r\n",
    b"CAPA\r\n",
    b"+OK\r\nSTLS\r\nUIDL\r\n.\r\n",
    b"OK \"hi\"\r\n",
    b"\"STARTTLS\"\r\nOK\r\n",
];

/// Which legs have TLS when the session begins, and whether the proxy upgrades one itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Legs {
    Plain,
    ClientTls,
    ServerTls,
    BothTls,
    /// `+starttls` behind a plain client, and behind one with TLS.
    Own,
    OwnForTls,
}

pub const LEGS: [Legs; 6] = [Legs::Plain, Legs::ClientTls, Legs::ServerTls, Legs::BothTls, Legs::Own, Legs::OwnForTls];

#[derive(Clone, PartialEq, Eq)]
pub enum Turn {
    Says(Side, Vec<u8>),
    Ends(Side),
    /// Nobody says anything for longer than anybody waits.
    Waits,
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Turn::Says(side, bytes) => write!(f, "{}: {}", side.name(), bytes.escape_ascii()),
            Turn::Ends(side) => write!(f, "{} ends", side.name()),
            Turn::Waits => f.write_str("nobody says anything"),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub legs: Legs,
    /// The handshake that fails, where it comes to one.
    pub fails: Option<Side>,
    pub cut: usize,
}

#[derive(Default)]
struct Events(Vec<Event<'static>>);

impl Log for Events {
    fn event(&mut self, event: &Event<'_>) {
        self.0.push(event.clone().into_owned());
    }
}

/// What a client says in place of its hello, when its handshake is to fail.
const IN_PLACE_OF_HELLO: &[u8] = b"said in place of a hello\r\n";

struct Bout {
    spec: &'static Spec,
    plan: Plan,
    session: Session,
    log: Events,
    /// What the client said, and the server.
    told: [Vec<u8>; 2],
    /// What the client was sent, and the server.
    sent: [Vec<u8>; 2],
    /// How much a side had said, and been sent, when its leg was upgraded.
    upgraded: [Option<(usize, usize)>; 2],
    failed: Option<Side>,
    early: Vec<u8>,
    over: bool,
}

/// Runs a conversation, and checks it.
pub fn check(spec: &'static Spec, plan: Plan, turns: &[Turn]) {
    let mut bout = Bout::new(spec, plan);
    let mut ended = [false; 2];
    for turn in turns.iter().chain(&[Turn::Ends(Side::Client), Turn::Ends(Side::Server)]) {
        match turn {
            Turn::Says(side, bytes) if !ended[at(*side)] => bout.says(*side, bytes),
            Turn::Ends(side) if !std::mem::replace(&mut ended[at(*side)], true) => bout.ends(*side),
            Turn::Waits => bout.waits(),
            _ => {}
        }
    }
    bout.close();
    bout.check();
}

fn at(side: Side) -> usize {
    usize::from(side == Side::Server)
}

fn facts(error: Option<&str>) -> Tls {
    let version = error.is_none().then(|| "TLSv1.3".to_owned());
    Tls { how: "starttls".to_owned(), version, error: error.map(str::to_owned), ..Tls::default() }
}

const NOW: Stamp = Stamp(0);

impl Bout {
    fn new(spec: &'static Spec, plan: Plan) -> Bout {
        let own = matches!(plan.legs, Legs::Own | Legs::OwnForTls);
        let setup = Setup { hide_starttls: !matches!(plan.legs, Legs::Plain | Legs::BothTls), greeted_before_tls: own };
        let kept = Config { keep_secrets: true, ..Config::default() };
        let mut session = Session::new(spec, setup, own, kept);
        let mut log = Events::default();
        for (side, legs) in [(Side::Server, Legs::ServerTls), (Side::Client, Legs::ClientTls)] {
            if plan.legs == legs || plan.legs == Legs::BothTls {
                session.shaken(NOW, side, facts(None), &mut log);
            }
        }
        Bout {
            spec,
            plan,
            session,
            log,
            told: Default::default(),
            sent: Default::default(),
            upgraded: [None; 2],
            failed: None,
            early: Vec::new(),
            over: false,
        }
    }

    fn says(&mut self, side: Side, bytes: &[u8]) {
        for chunk in bytes.chunks(self.plan.cut.max(1)) {
            // Before its hello is answered, a client with TLS can say nothing.
            let unheard = self.plan.legs == Legs::OwnForTls && side == Side::Client && self.session.owns_server();
            if self.over || unheard {
                return;
            }
            self.told[at(side)].extend_from_slice(chunk);
            let mut out = Outbox::default();
            self.session.bytes(NOW, side, chunk, &mut self.log, &mut out);
            self.take(side, chunk, out);
        }
    }

    fn ends(&mut self, side: Side) {
        self.with(|session, log, out| session.end(NOW, side, log, out));
    }

    fn waits(&mut self) {
        self.with(|session, log, out| match session.owns_server() {
            true => session.overdue(NOW, 30, log, out),
            false => session.release(NOW, log, out),
        });
    }

    fn with(&mut self, act: impl FnOnce(&mut Session, &mut Events, &mut Outbox)) {
        if self.over {
            return;
        }
        let mut out = Outbox::default();
        act(&mut self.session, &mut self.log, &mut out);
        self.take(Side::Client, b"", out);
    }

    /// Sends what is to be sent, and does what is to be done.
    fn take(&mut self, from: Side, chunk: &[u8], out: Outbox) {
        self.sent[at(from.other())].extend_from_slice(&chunk[..out.pass]);
        self.sent[0].extend_from_slice(&out.to_client);
        self.sent[1].extend_from_slice(&out.to_server);
        match out.next {
            Next::Relay => {
                for side in Side::BOTH {
                    if self.session.waits_for_log(side) {
                        self.with(|session, log, out| session.resume(NOW, side, log, out));
                    }
                }
            }
            Next::UpgradeServer => self.shake(Side::Server),
            Next::UpgradeClient { early } => {
                assert!(early.is_empty() || early[0] == 0x16, "what is no handshake goes into none");
                self.early = early;
                self.shake(Side::Client);
            }
            Next::Close { .. } => self.over = true,
        }
    }

    fn shake(&mut self, side: Side) {
        let legs = self.plan.legs;
        assert!(legs == Legs::Plain || side == Side::Server && self.session.owns_server(), "{legs:?} has no upgrade");
        assert!(self.upgraded[at(side)].is_none(), "one upgrade of a leg");
        if side == Side::Server {
            let last = self.sent[1].strip_suffix(b"\n").expect("a whole line comes before an upgrade");
            let last = last.rsplit(|&byte| byte == b'\n').next().unwrap_or_default().to_ascii_uppercase();
            let asks = [&b"STARTTLS"[..], b"STLS"].iter().any(|word| find(&last, word));
            assert!(asks, "bytes were passed on behind STARTTLS: {:?}", String::from_utf8_lossy(&last));
        }
        if self.plan.fails == Some(side) {
            self.failed = Some(side);
            if side == Side::Client && self.early.is_empty() {
                self.told[0].extend_from_slice(IN_PLACE_OF_HELLO);
                self.session.plaintext(NOW, Side::Client, IN_PLACE_OF_HELLO, true, &mut self.log);
            }
            return self.with(|session, log, out| session.upgraded(NOW, side, Some(facts(Some("broken"))), log, out));
        }
        self.upgraded[at(side)] = Some((self.told[at(side)].len(), self.sent[at(side)].len()));
        if self.plan.legs == Legs::OwnForTls {
            self.session.shaken(NOW, Side::Client, facts(None), &mut self.log);
        }
        self.with(|session, log, out| session.upgraded(NOW, side, Some(facts(None)), log, out));
    }

    fn close(&mut self) {
        self.session.close(NOW, Origin::Client, "over", &mut self.log);
    }

    fn has(&self, code: &str) -> bool {
        self.log.0.iter().any(|event| is_note(event, code))
    }

    fn check(&self) {
        for (number, event) in self.log.0.iter().enumerate() {
            assert_eq!(event.seq, number as u64, "numbers have no gaps");
        }
        let compressed = self.log.0.iter().any(|event| matches!(event.body, Body::Compress { .. }));
        for side in Side::BOTH {
            let (wires, told) = (wires(&self.log.0, side), &self.told[at(side)]);
            if side == Side::Client && self.has("early-client-hello") {
                // It is TLS already, whether it came to a handshake or not.
                let kept =
                    |early: &[u8]| early.first() == Some(&0x16) && (self.early.is_empty() || self.early == early);
                assert!(left_out(told, &wires).any(kept), "only a handshake is left out: {}", wires.escape_ascii());
                continue;
            }
            assert!(compressed || wires == *told, "lossless, {} side: {}", side.name(), wires.escape_ascii());
        }
        match self.plan.legs {
            Legs::Plain => self.check_plain(),
            Legs::Own | Legs::OwnForTls => self.check_own(),
            _ => {
                self.check_inside(Side::Client, &self.told[0], &self.sent[1]);
                self.check_inside(Side::Server, &self.told[1], &self.sent[0]);
            }
        }
    }

    /// Both legs begin in plaintext.
    fn check_plain(&self) {
        let Some((_, asked)) = self.upgraded[1] else {
            assert!(self.told[0].starts_with(&self.sent[1]), "before TLS, what the client says is passed on or kept");
            if self.failed == Some(Side::Server) {
                return self.assert_refused(&self.told[1]);
            }
            assert!(self.told[1] == self.sent[0] || self.has("starttls-injection"), "transparent to the client");
            return;
        };
        assert!(self.told[0].starts_with(&self.sent[1][..asked]), "before TLS, what the client says is passed on");
        let (Some((client_said, client_got)), Some((server_said, _))) = (self.upgraded[0], self.upgraded[1]) else {
            assert_eq!(
                self.sent[1].len(),
                asked,
                "nothing comes to the server within TLS that the client has not said in TLS"
            );
            assert!(self.told[1].starts_with(&self.sent[0]), "nothing comes to the client but the acceptance");
            return;
        };
        assert!(self.told[1].starts_with(&self.sent[0][..client_got]), "before TLS, what the server says is passed on");
        self.check_inside(Side::Client, &self.told[0][client_said..], &self.sent[1][asked..]);
        self.check_inside(Side::Server, &self.told[1][server_said..], &self.sent[0][client_got..]);
    }

    /// The proxy upgrades the server leg before the client hears anything.
    fn check_own(&self) {
        let own = self.spec.starttls.concat();
        let Some((server_said, asked)) = self.upgraded[1] else {
            assert!(own.starts_with(&self.sent[1]), "nothing of the client's before TLS");
            return self.assert_refused(b"");
        };
        assert_eq!(self.sent[1][..asked], own, "the proxy's own commands and no others");
        self.check_inside(Side::Client, &self.told[0], &self.sent[1][asked..]);
        let first_own = self.log.0.iter().position(|event| is_note(event, "own-command")).unwrap_or_default();
        let greeting = wires(&self.log.0[..first_own], Side::Server);
        let within = &self.told[1][server_said..];
        let heard = [greeting.as_slice(), within].concat();
        assert!(is_part(&self.sent[0], &heard), "the client hears the greeting, and what was said in TLS");
    }

    /// What passes where nothing is upgraded any more: everything, save what another STARTTLS keeps back, and the offers
    /// of one that would lead nowhere.
    fn check_inside(&self, from: Side, said: &[u8], sent: &[u8]) {
        let shown =
            || format!("{:?}, {} side: {} became {}", self.plan, from.name(), said.escape_ascii(), sent.escape_ascii());
        let edited = from == Side::Server && (self.has("starttls-hidden") || self.has("capabilities-hidden"));
        if edited || self.has("starttls-in-tls") {
            return assert!(is_part(sent, said), "{}", shown());
        }
        let last = self.log.0.iter().rposition(|event| matches!(event.body, Body::Tls(_))).map_or(0, |last| last + 1);
        if self.log.0[last..].iter().any(|event| is_note(event, "starttls-injection")) {
            return assert!(said.starts_with(sent), "{}", shown());
        }
        assert!(said == sent, "{}", shown());
    }

    /// The client is told in one line why there is no TLS to its server; before it, it has heard part of this.
    fn assert_refused(&self, before: &[u8]) {
        assert!(self.over, "the session is over");
        let line = self.sent[0].strip_suffix(b"\r\n").expect("a line");
        let begins = line.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let (heard, line) = line.split_at(begins);
        assert!(find(line, b"mailtap: "), "{}", line.escape_ascii());
        // A server may have left its last line unfinished; then the reason has begun in the middle of that.
        assert!(before.starts_with(heard), "{}", heard.escape_ascii());
    }
}

fn is_note(event: &Event<'_>, code: &str) -> bool {
    matches!(&event.body, Body::Note(note) if note.code == code)
}

fn wires(events: &[Event<'static>], side: Side) -> Vec<u8> {
    events.iter().filter(|event| event.from.side() == Some(side)).flat_map(|event| event.wire.to_vec()).collect()
}

fn find(whole: &[u8], part: &[u8]) -> bool {
    whole.windows(part.len()).any(|window| window == part)
}

/// Whether all of `part` stands in `whole` in this order. The mark between lines of an SMTP reply may differ: where the
/// last one is taken out, the one before it becomes the last.
fn is_part(part: &[u8], whole: &[u8]) -> bool {
    let plain = |byte: &u8| if *byte == b'-' { b' ' } else { *byte };
    let mut left = whole.iter().map(plain);
    part.iter().map(plain).all(|wanted| left.any(|byte| byte == wanted))
}

/// What may have been left out of `whole` in one place, to make `part` of it.
fn left_out<'w>(whole: &'w [u8], part: &'w [u8]) -> impl Iterator<Item = &'w [u8]> {
    let count = whole.len().saturating_sub(part.len());
    let fits = move |at: usize| whole.starts_with(&part[..at]) && whole.ends_with(&part[at..]);
    (0..=part.len()).filter(move |at| fits(*at)).filter_map(move |at| whole.get(at..at + count))
}
