//! The laws of a session, held against any two peers: transparent, lossless, independent of the cut, nothing injected.
//! Takes what the two sides say in which order, and how it is cut; panics where a law is broken.
//! Shared by the property tests and the fuzz targets; knows no protocol.

use mailtap::event::{Body, Event, Note, Origin, Side, Stamp, Tls};
use mailtap::proto::{Setup, Spec};
use mailtap::session::{Config, Log, Next, Outbox, Session};

/// What one side says at a time.
pub type Said = (Side, Vec<u8>);

#[derive(Default)]
struct Events(Vec<Event<'static>>);

impl Log for Events {
    fn event(&mut self, event: &Event<'_>) {
        self.0.push(event.clone().into_owned());
    }
}

/// What became of a conversation.
pub struct Heard {
    pub events: Vec<Event<'static>>,
    /// What the client was sent, and the server.
    pub sent: [Vec<u8>; 2],
    pub upgraded: bool,
}

/// A side says something, or ends.
type Turn<'s> = (Side, Option<&'s [u8]>);

/// Runs a conversation through a session, each saying cut into pieces of at most `cut` bytes.
pub fn run(spec: &'static Spec, said: &[Said], cut: usize, config: Config) -> Heard {
    play(spec, &hasty(said, said.len()), cut, config)
}

/// The turns of a conversation in which the client, from this turn on, says all it has to say at once, and ends.
fn hasty(said: &[Said], from: usize) -> Vec<Turn<'_>> {
    let (before, after) = said.split_at(from);
    let of = |side: Side| after.iter().filter(move |(from, _)| *from == side);
    let turns = before.iter().chain(of(Side::Client)).map(|(side, bytes)| (*side, Some(bytes.as_slice())));
    let answers = of(Side::Server).map(|(side, bytes)| (*side, Some(bytes.as_slice())));
    turns.chain([(Side::Client, None)]).chain(answers).chain([(Side::Server, None)]).collect()
}

fn play(spec: &'static Spec, turns: &[Turn<'_>], cut: usize, config: Config) -> Heard {
    let mut session = Session::new(spec, Setup::default(), false, config);
    let mut heard = Heard { events: Vec::new(), sent: [Vec::new(), Vec::new()], upgraded: false };
    let mut log = Events::default();
    let now = Stamp(0);
    for &(side, bytes) in turns {
        let chunks: Vec<Option<&[u8]>> = match bytes {
            Some(bytes) => bytes.chunks(cut.max(1)).map(Some).collect(),
            None => vec![None],
        };
        for chunk in chunks {
            let mut out = Outbox::default();
            match chunk {
                Some(chunk) => session.bytes(now, side, chunk, &mut log, &mut out),
                None => session.end(now, side, &mut log, &mut out),
            }
            take(&mut heard, side, chunk.unwrap_or_default(), &out);
            for side in Side::BOTH {
                while session.waits_for_log(side) && out.next == Next::Relay {
                    out = Outbox::default();
                    session.resume(now, side, &mut log, &mut out);
                    take(&mut heard, side, b"", &out);
                }
            }
            while out.next != Next::Relay {
                out = upgrade(&mut session, &mut heard, &out.next, &mut log);
                take(&mut heard, side, b"", &out);
            }
        }
    }
    session.close(now, Origin::Client, "over", &mut log);
    heard.events = log.0;
    heard
}

/// Checks every law for a conversation, whole and cut, and that what is written reads back.
pub fn check(spec: &'static Spec, said: &[Said], cut: usize) {
    check_laws(spec, said, cut, true);
}

/// The same; whether events are also written and read back, which takes about as long as all the rest, is said by
/// `written`.
pub fn check_laws(spec: &'static Spec, said: &[Said], cut: usize, written: bool) {
    let kept = Config { keep_secrets: true, ..Config::default() };
    let whole = run(spec, said, usize::MAX, kept);
    let compressed = whole.events.iter().any(|event| matches!(event.body, Body::Compress { .. }));
    // Nobody answers a STARTTLS: what came behind it is not passed on, and a note says so.
    let noted = |code: &str| whole.events.iter().any(|event| is_note(event, code));
    let injected = noted("starttls-injection");
    // What a client sends of its handshake before it may is TLS already, and not part of its stream.
    let early = noted("early-client-hello");
    for side in Side::BOTH {
        let told = told(said, side);
        let sent = &whole.sent[usize::from(side == Side::Client)];
        if injected {
            assert!(whole.upgraded || told.starts_with(sent), "only what stands behind STARTTLS is kept back");
        } else if !whole.upgraded {
            assert_eq!(*sent, told, "transparent, {} side", side.name());
        }
        if !compressed && !early {
            assert_eq!(wires(&whole.events, side), told, "lossless, {} side", side.name());
        }
    }
    for (number, event) in whole.events.iter().enumerate() {
        assert_eq!(event.seq, number as u64, "numbers have no gaps");
        if !written {
            continue;
        }
        let line = event.to_json();
        let back = Event::from_json(line.as_bytes()).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(&back, event, "what is written reads back");
    }
    let in_pieces = run(spec, said, cut, kept);
    if !whole.upgraded && !in_pieces.upgraded {
        let (whole, in_pieces) = (merged(&whole.events), merged(&in_pieces.events));
        for (one, other) in whole.iter().zip(&in_pieces) {
            assert!(one == other, "independent of the cut, pieces of {cut}:\n{}\n{}", shown(one), shown(other));
        }
        assert_eq!(whole.len(), in_pieces.len(), "independent of the cut, pieces of {cut}");
    }
    // A client that does not wait for answers, and ends.
    let hasty = play(spec, &hasty(said, cut % (said.len() + 1)), cut, kept);
    let injected = hasty.events.iter().any(|event| is_note(event, "starttls-injection"));
    let told = told(said, Side::Client);
    assert!(injected || hasty.upgraded || hasty.sent[1] == told, "transparent to a client that ends early");
    assert!(hasty.upgraded || told.starts_with(&hasty.sent[1]), "only what stands behind STARTTLS is kept back");
    if !compressed && !early && !hasty.upgraded {
        assert_eq!(wires(&hasty.events, Side::Client), told, "lossless for a client that ends early");
    }
    // With secrets taken out, everything else stays as it is.
    let redacted = run(spec, said, usize::MAX, Config::default());
    assert_eq!(redacted.sent, whole.sent, "redaction changes nothing on the wire");
    for (plain, masked) in whole.events.iter().zip(&redacted.events) {
        assert!(masked.redacted || masked.wire == plain.wire, "only redacted events differ");
    }
}

fn is_note(event: &Event<'_>, code: &str) -> bool {
    matches!(&event.body, Body::Note(note) if note.code == code)
}

pub fn told(said: &[Said], side: Side) -> Vec<u8> {
    said.iter().filter(|(from, _)| *from == side).flat_map(|(_, bytes)| bytes.clone()).collect()
}

pub fn wires(events: &[Event<'static>], side: Side) -> Vec<u8> {
    events.iter().filter(|event| event.from.side() == Some(side)).flat_map(|event| event.wire.to_vec()).collect()
}

fn take(heard: &mut Heard, from: Side, chunk: &[u8], out: &Outbox) {
    let to = usize::from(from == Side::Client);
    heard.sent[to].extend_from_slice(&chunk[..out.pass]);
    heard.sent[0].extend_from_slice(&out.to_client);
    heard.sent[1].extend_from_slice(&out.to_server);
}

/// A handshake that succeeds. Until here the server was told nothing behind the command that asks for TLS.
fn upgrade(session: &mut Session, heard: &mut Heard, next: &Next, log: &mut Events) -> Outbox {
    let side = match next {
        Next::UpgradeServer => Side::Server,
        Next::UpgradeClient { .. } => Side::Client,
        other => panic!("nobody asked for {other:?}"),
    };
    if side == Side::Server {
        let last = heard.sent[1].strip_suffix(b"\n").expect("a whole line comes before an upgrade");
        let last = last.rsplit(|&byte| byte == b'\n').next().unwrap_or_default().to_ascii_uppercase();
        let asks = [&b"STARTTLS"[..], b"STLS"].iter().any(|word| last.windows(word.len()).any(|part| part == *word));
        assert!(asks, "bytes were passed on behind STARTTLS: {:?}", String::from_utf8_lossy(&last));
    }
    heard.upgraded = true;
    let facts = Tls { how: "starttls".to_owned(), version: Some("TLSv1.3".to_owned()), ..Tls::default() };
    let mut out = Outbox::default();
    session.upgraded(Stamp(0), side, Some(facts), log, &mut out);
    out
}

/// Events with adjacent content and adjacent raw bytes joined, and with the places of events for their numbers, which
/// depend on how many pieces content came in.
fn merged(events: &[Event<'static>]) -> Vec<(Origin, Vec<u8>, Body)> {
    let mut joined: Vec<(Origin, Vec<u8>, Body)> = Vec::with_capacity(events.len());
    let mut places: Vec<u64> = Vec::with_capacity(events.len());
    for event in events {
        let place = |seq: u64| usize::try_from(seq).ok().and_then(|seq| places.get(seq).copied()).unwrap_or(u64::MAX);
        let mut body = event.body.clone();
        match &mut body {
            Body::Content(content) => content.of = place(content.of),
            Body::Command(command) => command.continues = command.continues.map(place),
            Body::Reply(reply) => {
                reply.answers = reply.answers.map(place);
                reply.continues = reply.continues.map(place);
            }
            Body::Continue(go) => go.answers = go.answers.map(place),
            Body::Auth(auth) => auth.of = auth.of.map(place),
            Body::Note(note) => *note = Note { code: std::mem::take(&mut note.code), ..Note::default() },
            // Its duration and its reason are of no side.
            _ => {}
        }
        let joins = joined.last().is_some_and(|(from, _, last)| {
            *from == event.from
                && match (last, &body) {
                    (Body::Content(last), Body::Content(_)) => !last.last,
                    (Body::Raw, Body::Raw) => true,
                    _ => false,
                }
        });
        if let (true, Some((_, wire, last))) = (joins, joined.last_mut()) {
            wire.extend_from_slice(&event.wire);
            *last = body;
        } else {
            joined.push((event.from, event.wire.to_vec(), body));
        }
        places.push(joined.len() as u64);
    }
    joined
}

fn shown((from, wire, body): &(Origin, Vec<u8>, Body)) -> String {
    format!("{} {body:?}: {}", from.name(), wire.escape_ascii())
}
