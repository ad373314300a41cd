//! One session from accept to close: dials the server, relays, upgrades, and says how it ended.
//! Takes an accepted connection and its route, leaves a recording.
//! Does not move bytes itself; that is the pump's work.

mod passing;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::dial::dial;
use super::leg::Leg;
use super::played::{CLIENT_MODE, Ended, SERVER_MODE};
use super::pump::{Pump, Stopped};
use super::record::Pen;
use super::secure::{Asked, Done, Failed};
use super::socket::Socket;
use super::tunnel::{Overheard, Passed};
use super::{Phase, Shared, clock, prepare};
use crate::event::{Close, Level, Note, Open, Origin, Side, Stamp, Tls};
use crate::findings;
use crate::proto::{SchemeTls, Setup, Trouble};
use crate::route::Route;
use crate::session::{Next, Outbox, Session};
use crate::store::{Entry, ids};
use crate::tls::failure::Failure;

/// `how` of a handshake that opens a connection.
const IMPLICIT: &str = "implicit";
/// `how` of a handshake in the middle of one.
const STARTTLS: &str = "starttls";

/// A client that was accepted.
pub(super) struct Guest {
    pub socket: Socket,
    pub client: SocketAddr,
    pub route: Arc<Route>,
    /// What it plays, where it is played.
    pub of: Option<String>,
}

/// A socket says by itself that its client has left; one in memory says by `gone` that nobody is at its other end any
/// more, whatever the server still does. None where the session was over before anything was said.
pub(super) async fn serve(guest: Guest, shared: &Shared, gone: impl Future<Output = ()>) -> Option<Ended> {
    let mut phase = shared.phase.clone();
    tokio::pin!(gone);
    let mut call = Call::open(guest, shared, &mut phase, gone.as_mut()).await?;
    let (by, reason) = tokio::select! {
        ended = call.run(shared) => ended,
        () = reached(&mut phase, Phase::Over) => stopped(),
        () = gone => (Origin::Client, "the client has closed the connection".to_owned()),
    };
    let session = call.id.clone();
    call.close(by, &reason, &mut phase).await;
    Some(Ended { session, by, reason })
}

/// Waits until it has come so far.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    // Without a sender, everything is over.
    let _ = phase.wait_for(|phase| *phase >= wanted).await;
}

fn stopped() -> (Origin, String) {
    (Origin::Proxy, Close::STOPPED.to_owned())
}

/// A session under way.
struct Call {
    id: String,
    pump: Pump,
    route: Arc<Route>,
    /// The client's hello, where its leg has TLS from the first byte, until it is answered.
    asked: Option<Asked>,
    /// The TLS of this session is passed through; this was read of it.
    passes: Option<Vec<u8>>,
    passed: Option<Passed>,
    trouble: Option<Unreached>,
    /// What a played server has to say of this session when it is over.
    notes: Option<Receiver<Note>>,
    /// Tells a played server that its acceptance of an upgrade has been taken.
    taken: Arc<Notify>,
}

/// Why there is no server.
struct Unreached {
    trouble: Trouble,
    code: &'static str,
    text: String,
}

impl Call {
    /// Reads the client's hello, where there is one, dials the server and begins the recording.
    async fn open(
        guest: Guest,
        shared: &Shared,
        phase: &mut watch::Receiver<Phase>,
        gone: impl Future<Output = ()>,
    ) -> Option<Call> {
        let opened = clock::now();
        let Guest { socket, client, route, of } = guest;
        let mut open = Open {
            format: Open::FORMAT.to_owned(),
            session: new_id(opened),
            protocol: route.spec.name.to_owned(),
            client: client.to_string(),
            listener: SocketAddr::new(socket.local_ip().unwrap_or(route.listen.ip()), route.listen.port()).to_string(),
            upstream_name: route.upstream.to_string(),
            route: route.to_string(),
            mailtap: env!("CARGO_PKG_VERSION").to_owned(),
            mode: of.is_some().then(|| CLIENT_MODE.to_owned()),
            of,
            ..Open::default()
        };
        let greeted_before_tls = route.server.tls == SchemeTls::StartTls;
        let setup = Setup { hide_starttls: route.unequal(), greeted_before_tls };
        let upgrade = greeted_before_tls && shared.played.is_none();
        let mut session = Session::new(route.spec, setup, upgrade, shared.session);
        let mut leg = Leg::plain(socket);
        let shakes = route.client.tls == SchemeTls::Implicit && !leg.is_played();
        let (mut early, mut passes) = (Vec::new(), None);
        let begin = async {
            if shakes && !route.unequal() && shared.played.is_none() && !shared.secure.passthrough.is_empty() {
                // The hello is read without being answered, in case it is to be passed on.
                let Overheard { read, offer } = match shared.secure.overhear(&mut leg, IMPLICIT, Vec::new()).await {
                    Ok(heard) => heard,
                    Err(failed) => return (Some(Err(failed)), None),
                };
                match offer {
                    Some(offer) if passing::covers(shared, &route, offer.sni.as_deref()) => {
                        passes = Some((read, offer));
                        return (None, Some(dial(&route.upstream).await));
                    }
                    _ => early = read,
                }
            }
            let asked = if shakes { Some(shared.secure.hello(&mut leg, IMPLICIT, &early).await) } else { None };
            if let Some(Err(failed)) = asked {
                return (Some(Err(failed)), None);
            }
            if shared.played.is_some() {
                return (asked, None);
            }
            (asked, Some(dial(&route.upstream).await))
        };
        let (asked, dialled) = tokio::select! {
            begun = begin => begun,
            () = reached(phase, Phase::Leaving) => return None,
            () = gone => return None,
        };
        let (server, trouble) = match dialled {
            Some(Ok((socket, address))) => {
                prepare(&socket);
                open.upstream = address.to_string();
                (Some(Leg::plain(Socket::Tcp(socket))), None)
            }
            Some(Err(error)) => {
                open.upstream = error.address.map(|address| address.to_string()).unwrap_or_default();
                (None, Some(Unreached { trouble: Trouble::Unreachable, code: error.code, text: error.text }))
            }
            None => (None, None),
        };
        let (mut server, mut notes, mut taken) = (server, None, Arc::default());
        // A client whose hello failed is not worth a recording that may be played once only.
        if let Some(played) = &shared.played
            && !matches!(asked, Some(Err(_)))
        {
            let played = played.server(client, &route);
            open.mode = Some(SERVER_MODE.to_owned());
            open.of = played.of;
            server = Some(Leg::plain(Socket::Played(played.stream)));
            notes = Some(played.notes);
            taken = played.upgraded;
        }
        let id = open.session.clone();
        let track = shared.recorder.track(Entry::new(&open, opened));
        session.open(opened, open, &mut track.log());
        let pump = Pump::new(session, track, leg, server);
        let mut call = Call { id, pump, route, asked: None, passes: None, passed: None, trouble, notes, taken };
        if let Some((read, offer)) = passes {
            call.tell_offered(IMPLICIT, &offer);
            call.passes = Some(read);
        }
        let sni =
            asked.as_ref().and_then(|asked| asked.as_ref().ok()).and_then(|asked| asked.hello.offer.sni.as_deref());
        call.tell_unequal(shared, sni);
        match asked {
            Some(Ok(asked)) => {
                call.pump.client.keep_waiting();
                call.asked = Some(asked);
            }
            Some(Err(failed)) => {
                let reason = call.tell_failed(Side::Client, &failed);
                call.close(Origin::Client, &reason, phase).await;
                return None;
            }
            None => {}
        }
        Some(call)
    }

    /// Brings the legs up, relays, and upgrades them when the session says so. Gives who ended it, and why.
    async fn run(&mut self, shared: &Shared) -> (Origin, String) {
        if let Some(early) = self.passes.take() {
            return self.pass_through(IMPLICIT, &early, shared).await;
        }
        let mut phase = shared.phase.clone();
        // Before the client is answered, nothing has been said that would be cut off.
        let mut next = tokio::select! {
            next = self.begin(shared) => next,
            () = reached(&mut phase, Phase::Leaving) => return stopped(),
        };
        loop {
            // Once the server leg is up, or will never be: then the client is told within the TLS that it asked for.
            if self.asked.is_some() && !self.pump.session.owns_server() {
                let answered = tokio::select! {
                    answered = self.answer(shared) => answered,
                    () = reached(&mut phase, Phase::Leaving) => return stopped(),
                };
                if let Err(reason) = answered {
                    return (Origin::Client, reason);
                }
            }
            next = match next {
                Next::Relay => match self.relay(shared.secure.handshake, &mut phase).await {
                    Stopped::Over { by: Origin::Client, reason } => {
                        return (Origin::Client, self.unanswered().unwrap_or(reason));
                    }
                    Stopped::Over { by, reason } => return (by, reason),
                    Stopped::Next(next) => next,
                },
                Next::Close { by, reason } => return (by, reason),
                Next::UpgradeServer if self.leaves_upgrade(shared) => return self.pass_upgrade(shared).await,
                Next::UpgradeServer => self.upgrade_server(shared).await,
                Next::UpgradeClient { early } => self.upgrade_client(shared, &early).await,
            };
        }
    }

    /// Relays, and leaves when the session is at rest once that is wanted.
    async fn relay(&mut self, limit: Duration, phase: &mut watch::Receiver<Phase>) -> Stopped {
        if self.pump.session.owns_server() {
            return self.upgrade_first(limit, phase).await;
        }
        tokio::select! {
            biased;
            stopped = self.pump.run() => return stopped,
            () = reached(phase, Phase::Leaving) => {}
        }
        self.pump.leave();
        self.pump.run().await
    }

    /// Until the server leg has the TLS that mailtap itself asks for, the client hears nothing: that takes no longer than a
    /// handshake may.
    async fn upgrade_first(&mut self, limit: Duration, phase: &mut watch::Receiver<Phase>) -> Stopped {
        let run = tokio::select! {
            biased;
            run = timeout(limit, self.pump.run()) => run,
            () = reached(phase, Phase::Leaving) => {
                let (by, reason) = stopped();
                return Stopped::Over { by, reason };
            }
        };
        match run {
            Ok(stopped) => stopped,
            Err(_) => {
                let overdue = |session: &mut Session, log: &mut Pen<'_>, out: &mut Outbox| {
                    session.overdue(clock::now(), limit.as_secs(), log, out);
                };
                Stopped::Next(self.pump.act(overdue).await)
            }
        }
    }

    /// TLS from the first byte on the server leg, where it has that: it comes before the client's.
    async fn begin(&mut self, shared: &Shared) -> Next {
        if self.route.server.tls == SchemeTls::Implicit
            && let Some(leg) = self.pump.server.as_mut().filter(|leg| !leg.is_played())
        {
            let shaken = shared.secure.server_leg(leg, IMPLICIT, &self.route.upstream.host, self.asked.as_ref()).await;
            match shaken {
                Ok(done) => self.tell_done(Side::Server, done),
                Err(failed) => {
                    self.tell_failed(Side::Server, &failed);
                    let Failure { code, text, .. } = failed.failure;
                    self.trouble = Some(Unreached { trouble: Trouble::Tls, code, text });
                }
            }
        }
        let Some(Unreached { trouble, code, text }) = self.trouble.take() else { return Next::Relay };
        let unreached = |session: &mut Session, log: &mut Pen<'_>, out: &mut Outbox| {
            session.unreached(clock::now(), trouble, code, &text, log, out);
        };
        self.pump.act(unreached).await
    }

    /// Answers the client's hello, where that waits for the server leg: with the server's names and its choice of ALPN.
    async fn answer(&mut self, shared: &Shared) -> Result<(), String> {
        let Some(asked) = self.asked.take() else { return Ok(()) };
        let server = self.pump.server.as_ref();
        let names = server.map(Leg::peer_names).unwrap_or_default();
        let alpn = server.and_then(Leg::tls).and_then(|tls| tls.alpn_protocol()).map(<[u8]>::to_vec);
        let (leg, host) = (&mut self.pump.client, &self.route.upstream.host);
        match shared.secure.client_leg(leg, IMPLICIT, asked, host, &names, alpn.as_deref()).await {
            Ok(done) => {
                self.tell_done(Side::Client, done);
                Ok(())
            }
            Err(failed) => Err(self.tell_failed(Side::Client, &failed)),
        }
    }

    /// The client did not wait for the answer to its hello.
    fn unanswered(&mut self) -> Option<String> {
        let asked = self.asked.take()?;
        Some(self.tell_failed(Side::Client, &asked.left(IMPLICIT)))
    }

    async fn upgrade_server(&mut self, shared: &Shared) -> Next {
        self.pump.flush(Side::Server).await;
        let Some(leg) = &mut self.pump.server else {
            return Next::Close { by: Origin::Proxy, reason: "there is no server to upgrade".to_owned() };
        };
        if leg.is_played() {
            self.taken.notify_one();
        } else {
            let host = &self.route.upstream.host;
            match shared.secure.server_leg(leg, STARTTLS, host, self.asked.as_ref()).await {
                Ok(done) => self.tell_done(Side::Server, done),
                Err(failed) => {
                    let text = self.tell_failed(Side::Server, &failed);
                    let refused = |session: &mut Session, log: &mut Pen<'_>, out: &mut Outbox| {
                        session.upgrade_failed(clock::now(), Side::Server, text, log, out);
                    };
                    return self.pump.act(refused).await;
                }
            }
        }
        self.pump.act(|session, log, out| session.upgraded(clock::now(), Side::Server, None, log, out)).await
    }

    async fn upgrade_client(&mut self, shared: &Shared, early: &[u8]) -> Next {
        self.pump.flush(Side::Client).await;
        let names = self.pump.server.as_ref().map(Leg::peer_names).unwrap_or_default();
        let leg = &mut self.pump.client;
        if !leg.is_played() {
            let shaken = match shared.secure.hello(leg, STARTTLS, early).await {
                Ok(asked) => {
                    let host = &self.route.upstream.host;
                    shared.secure.client_leg(leg, STARTTLS, asked, host, &names, None).await
                }
                Err(failed) => Err(failed),
            };
            match shaken {
                Ok(done) => self.tell_done(Side::Client, done),
                Err(failed) => {
                    let reason = self.tell_failed(Side::Client, &failed);
                    return Next::Close { by: Origin::Client, reason };
                }
            }
        }
        self.pump.act(|session, log, out| session.upgraded(clock::now(), Side::Client, None, log, out)).await
    }

    fn tell_done(&mut self, side: Side, done: Done) {
        let mut log = self.pump.track.log();
        self.pump.session.shaken(clock::now(), side, done.facts, &mut log);
        drop(log);
        self.tell_doubt(done.doubt);
    }

    fn tell_doubt(&mut self, doubt: Option<String>) {
        let Some(doubt) = doubt else { return };
        let text = format!("the server's certificate was accepted as --upstream-insecure says, although {doubt}");
        self.note("upstream-unverified", text);
    }

    /// Logs a failed handshake, gives the reason in a sentence.
    fn tell_failed(&mut self, side: Side, failed: &Failed) -> String {
        let facts = Tls { error: Some(failed.failure.text.clone()), ..failed.facts.clone() };
        self.pump.session.shaken(clock::now(), side, facts, &mut self.pump.track.log());
        if !failed.plaintext.is_empty() {
            let upgrade = failed.facts.how == STARTTLS;
            let mut log = self.pump.track.log();
            self.pump.session.plaintext(clock::now(), side, &failed.plaintext, upgrade, &mut log);
        }
        match side {
            Side::Client => self.note(failed.failure.code, failed.sentence()),
            Side::Server => self.tell_advice(failed),
        }
        failed.failure.text.clone()
    }

    /// What can be done about the server's TLS. What is wrong with it is told elsewhere, to the client too.
    fn tell_advice(&mut self, failed: &Failed) {
        let Some(advice) = &failed.failure.advice else { return };
        let note = findings::TLS_ADVICE.note(advice.clone());
        self.pump.session.note(clock::now(), note, &mut self.pump.track.log());
    }

    fn note(&mut self, code: &str, text: String) {
        let note = Note { level: Level::Warn, code: code.to_owned(), text, ..Note::default() };
        self.pump.session.note(clock::now(), note, &mut self.pump.track.log());
    }

    /// Ends the legs as is due to them, unless everything is over, and then the recording.
    async fn close(mut self, by: Origin, reason: &str, phase: &mut watch::Receiver<Phase>) {
        let last_words = self.pump.session.has_told();
        tokio::select! {
            biased;
            () = self.pump.finish(last_words) => {}
            () = reached(phase, Phase::Over) => {}
        }
        let Pump { mut session, track, .. } = self.pump;
        for note in self.notes.iter().flat_map(Receiver::try_iter) {
            session.note(clock::now(), note, &mut track.log());
        }
        if let Some(Passed { client, server, .. }) = self.passed {
            session.passed(clock::now(), client.into_inner(), server.into_inner(), &mut track.log());
        }
        session.close(clock::now(), by, reason, &mut track.log());
        track.close();
    }
}

fn new_id(now: Stamp) -> String {
    let mut random = [0; 5];
    if getrandom::fill(&mut random).is_err() {
        // Without the system's randomness, the address of a fresh allocation and the time have to do: the id must be
        // unique on this machine, not secret.
        let place = Box::new(0_u8);
        let mixed = (std::ptr::from_ref(&*place).addr() as u64) ^ now.0.cast_unsigned().rotate_left(17);
        random.copy_from_slice(mixed.to_le_bytes().get(..5).unwrap_or(&[0; 5]));
    }
    ids::new_id(now, random)
}
