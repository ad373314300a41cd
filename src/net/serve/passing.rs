//! Sessions whose TLS is to be left alone: which they are, and what can be said of them all the same.
//! Takes a session before its TLS has begun, gives how it ended; the two hellos and the sizes are recorded.
//! Does not move bytes itself; that is the tunnel's work.

use super::{Call, STARTTLS, Unreached, reached, stopped};
use crate::event::{Origin, Side};
use crate::findings;
use crate::net::pump::Pump;
use crate::net::record::Pen;
use crate::net::secure::{answered, offered};
use crate::net::tunnel::{self, Overheard, Passed};
use crate::net::{Phase, Shared, clock};
use crate::route::Route;
use crate::session::{Outbox, Session};
use crate::tls::answer::Answer;
use crate::tls::hello::Offer;

/// Whether the TLS of a client that asks for this name is to be passed through.
pub(super) fn covers(shared: &Shared, route: &Route, sni: Option<&str>) -> bool {
    let covers = |host: &str| shared.secure.passthrough.covers(host);
    covers(&route.upstream.host) || sni.is_some_and(covers)
}

impl Call {
    /// Where the legs differ, one of them has no TLS, or not yet, and nothing can be passed through.
    pub(super) fn tell_unequal(&mut self, shared: &Shared, sni: Option<&str>) {
        if shared.played.is_some() || !self.route.unequal() || !covers(shared, &self.route, sni) {
            return;
        }
        let text = format!(
            "TLS is not passed through, as --passthrough says, where the legs differ ({} and {}): this session is read",
            self.route.client.scheme, self.route.server.scheme
        );
        let note = findings::PASSTHROUGH_UNEQUAL.note(text);
        self.pump.session.note(clock::now(), note, &mut self.pump.track.log());
    }

    /// Whether the upgrade that the server has accepted is left to the two ends.
    pub(super) fn leaves_upgrade(&self, shared: &Shared) -> bool {
        shared.played.is_none() && !self.route.unequal() && covers(shared, &self.route, None)
    }

    /// The client gets the server's acceptance, and its TLS is passed through.
    pub(super) async fn pass_upgrade(&mut self, shared: &Shared) -> (Origin, String) {
        let mut early = Vec::new();
        let release = |session: &mut Session, _: &mut Pen<'_>, out: &mut Outbox| early = session.pass_through(out);
        self.pump.act(release).await;
        self.pump.flush(Side::Client).await;
        let heard = shared.secure.overhear(&mut self.pump.client, STARTTLS, early).await;
        let failed = match heard {
            Ok(Overheard { read, offer: Some(offer) }) => {
                self.tell_offered(STARTTLS, &offer);
                return self.pass_through(STARTTLS, &read, shared).await;
            }
            // It is refused as anywhere else.
            Ok(Overheard { read, offer: None }) => {
                shared.secure.hello(&mut self.pump.client, STARTTLS, &read).await.err()
            }
            Err(failed) => Some(failed),
        };
        let reason = failed.map(|failed| self.tell_failed(Side::Client, &failed));
        (Origin::Client, reason.unwrap_or_else(|| "the client did not begin TLS".to_owned()))
    }

    /// Passes on what the two ends say. `early` is what was read of the client's hello.
    pub(super) async fn pass_through(&mut self, how: &str, early: &[u8], shared: &Shared) -> (Origin, String) {
        if let Some(Unreached { code, text, .. }) = self.trouble.take() {
            // There is no way to tell a client that waits for a TLS handshake.
            self.note(code, text.clone());
            return (Origin::Proxy, text);
        }
        let Pump { client, server: Some(server), session, track, .. } = &mut self.pump else {
            return (Origin::Proxy, "there is no server".to_owned());
        };
        let passed = self.passed.insert(Passed::default());
        let mut phase = shared.phase.clone();
        let silent = async {
            reached(&mut phase, Phase::Leaving).await;
            tunnel::silent(passed).await;
        };
        let mut tell = |answer: &Answer| {
            session.shaken(clock::now(), Side::Server, answered(how, answer), &mut track.log());
        };
        let passing = tunnel::run(client.socket_mut(), server.socket_mut(), early, passed, &mut tell);
        let ended = tokio::select! {
            ended = passing => ended,
            () = silent => return stopped(),
        };
        let by = passed.ended().unwrap_or(Side::Client);
        let reason = match ended {
            Ok(()) => format!("the {} ended the connection", by.name()),
            Err(error) => format!("the connection to the {} broke: {error}", by.name()),
        };
        (by.into(), reason)
    }

    /// What a client offers whose TLS is passed through.
    pub(super) fn tell_offered(&mut self, how: &str, offer: &Offer) {
        let facts = offered(how, offer);
        self.pump.session.shaken(clock::now(), Side::Client, facts, &mut self.pump.track.log());
    }
}
