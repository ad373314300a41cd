//! Who plays what: several recordings, several clients, each matched to the recording that fits what it says.
//! Takes what the clients ask, gives the recorded exchange that answers it, and at the end a report.
//! Knows no socket and no clock; says nothing itself.

mod order;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::cast::{Cast, Client, Place};
use super::matching::{Asked, Fit, Match, fit};
use super::report::{Asking, Report};
use super::script::{Exchange, Script};
use crate::proto::Scheme;

/// How many differences are kept for the report, of each kind. A client that is refused may ask for ever.
const DIFFERENCES_MAX: usize = 1000;

/// How many commands a client may have left out of a recording, or said besides, until it cannot be this one that it
/// plays; while it plays another.
const COST_MAX: usize = 4;

/// How much worse another recording may fit a client that is to change to it, so that the one it has goes to a client
/// that needs it. Which of its connections asks what all of them want to know is new in each run of some programs.
const COST_MORE: usize = 2;

/// All the recordings, and who plays which.
pub struct Casting {
    mode: Match,
    /// Recordings may be played more than once.
    again: bool,
    scripts: Vec<Cast>,
    clients: HashMap<u64, Client>,
    report: Report,
}

/// What is to be answered.
pub enum Cue {
    /// Play this exchange; after it the recording may be over.
    Play { script: Arc<Script>, exchange: usize },
    /// It was not recorded, and is harmless.
    Polite,
    /// Refuse it, with this text; with `ends` the connection ends too.
    Refuse { why: String, ends: bool },
}

impl Casting {
    #[must_use]
    pub fn new(scripts: Vec<Script>, mode: Match, again: bool) -> Casting {
        let cast = |script: Script| {
            let asked = vec![0; script.exchanges.len()];
            Cast { script: Arc::new(script), used: false, by: None, asked }
        };
        Casting {
            mode,
            again,
            scripts: scripts.into_iter().map(cast).collect(),
            clients: HashMap::new(),
            report: Report::default(),
        }
    }

    pub fn scripts(&self) -> impl Iterator<Item = &Arc<Script>> {
        self.scripts.iter().map(|cast| &cast.script)
    }

    /// A client has come that speaks this scheme. Gives what is played to it first; none where every recording has been
    /// played. While others are there, it may be one of a program that opens more connections than it did then: it
    /// shares what they play, and the report says so.
    pub fn join(&mut self, id: u64, scheme: &Scheme) -> Option<Arc<Script>> {
        let speaks = |cast: &Cast| cast.script.scheme.name == scheme.name;
        let free = |cast: &Cast| speaks(cast) && cast.is_free();
        let reuses = self.again || self.mode == Match::Free;
        if reuses && !self.scripts.iter().any(free) {
            // Everything has had its turn.
            self.scripts.iter_mut().filter(|cast| speaks(cast)).for_each(|cast| cast.used = false);
        }
        let plays = match self.scripts.iter().position(free) {
            Some(free) => free,
            None => {
                let shares = !reuses && self.mode == Match::Ordered && !self.clients.is_empty();
                let shared = self.scripts.iter().position(|cast| speaks(cast) && (reuses || cast.by.is_some()));
                let Some(shared) = shared.filter(|_| reuses || shares) else {
                    self.one_more(scheme, |report| &mut report.unmet);
                    return None;
                };
                if shares {
                    self.one_more(scheme, |report| &mut report.again);
                }
                shared
            }
        };
        let fits = self.scripts.iter().enumerate().filter(|(_, cast)| speaks(cast) && (reuses || !cast.used));
        let fits = fits.map(|(index, _)| (index, Place::default())).collect();
        self.clients.insert(id, Client { plays, fits, works: false });
        let cast = self.scripts.get_mut(plays)?;
        cast.by.get_or_insert(id);
        Some(Arc::clone(&cast.script))
    }

    /// Counts a connection that was not recorded.
    fn one_more(&mut self, scheme: &Scheme, list: impl FnOnce(&mut Report) -> &mut Vec<Asking>) {
        let of = self.scripts.iter().find(|cast| cast.script.scheme.name == scheme.name);
        let of = of.map(|cast| cast.script.of.clone()).unwrap_or_default();
        let list = list(&mut self.report);
        if list.len() < DIFFERENCES_MAX {
            list.push(Asking { of, expected: None, asked: "a connection more than was recorded".to_owned() });
        }
    }

    /// What answers a command. `None` for a command that waits to be told whether to go on, and may.
    pub fn ask(&mut self, id: u64, asked: &Asked) -> Option<Cue> {
        let Some(client) = self.clients.get(&id) else {
            return Some(Cue::Refuse { why: "nothing is played here".to_owned(), ends: true });
        };
        let plays = client.plays;
        let found =
            if self.mode == Match::Free { self.anywhere(client, asked) } else { self.in_order(id, client, asked) };
        if asked.waits {
            // What was refused before its literal is refused so again; anything else is heard to its end.
            let stops = found.is_some_and(|(script, exchange)| {
                self.exchange(script, exchange).is_some_and(|exchange| exchange.stops_at_literal)
            });
            if !stops {
                return None;
            }
        }
        match found {
            Some((script, exchange)) => self.play(id, asked, script, exchange),
            None => {
                let cue = self.out_of_order(id, plays, asked).unwrap_or_else(|| self.in_vain(id, plays, asked));
                let leaves =
                    self.scripts.get(plays).is_some_and(|cast| (cast.script.spec.replay.farewell)(&asked.verb));
                if let Some(client) = self.clients.get_mut(&id) {
                    client.works |= !leaves;
                }
                Some(cue)
            }
        }
    }

    /// What is played to a client.
    #[must_use]
    pub fn plays(&self, id: u64) -> Option<Arc<Script>> {
        let plays = self.clients.get(&id)?.plays;
        self.scripts.get(plays).map(|cast| Arc::clone(&cast.script))
    }

    /// A client has gone.
    pub fn leave(&mut self, id: u64) {
        let Some(client) = self.clients.remove(&id) else { return };
        for cast in self.scripts.iter_mut().filter(|cast| cast.by == Some(id)) {
            cast.by = None;
            // Whoever said nothing only looked whether somebody listens, or TLS failed and it will come again.
            cast.used |= client.works;
        }
    }

    /// Every recording was played to its client's end, and nobody is there.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.clients.is_empty() && self.scripts.iter().all(|cast| cast.used)
    }

    /// Something differed where nothing may.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.mode == Match::Strict && self.report.differs()
    }

    /// What matched until now, what was asked in vain and what was never asked.
    #[must_use]
    pub fn report(&self) -> Report {
        let mut report = self.report.clone();
        for cast in &self.scripts {
            let never = cast.script.exchanges.iter().zip(&cast.asked).filter(|(_, asked)| **asked == 0);
            for (exchange, _) in never {
                let optional = self.mode != Match::Strict && (cast.script.spec.replay.optional)(&exchange.verb);
                if !optional {
                    report.unasked(&cast.script.of, exchange.seq, exchange.shown.clone());
                }
            }
        }
        report.strict = self.mode == Match::Strict;
        report
    }

    fn exchange(&self, script: usize, exchange: usize) -> Option<&Exchange> {
        self.scripts.get(script)?.script.exchanges.get(exchange)
    }

    /// The next exchange of the recording that fits best, the order kept.
    fn in_order(&self, id: u64, client: &Client, asked: &Asked) -> Option<(usize, usize)> {
        let mut best: Option<(_, usize, usize)> = None;
        // Nobody changes the recording for what means nothing.
        let optional = self.mode != Match::Strict
            && self.scripts.get(client.plays).is_some_and(|cast| (cast.script.spec.replay.optional)(&asked.verb));
        for (&script, &Place { next, cost, .. }) in &client.fits {
            let Some((exchange, skipped, fit)) = self.advance(script, next, asked) else { continue };
            let own = script == client.plays;
            if own && skipped == 0 {
                return Some((script, exchange));
            }
            if !own && (optional || skipped > COST_MAX) {
                continue;
            }
            if !own && !self.may_take(id, client.plays, script) {
                continue;
            }
            // As little as possible left out, then no change, then the better fit.
            let rank = (usize::MAX - skipped - cost, own, fit);
            if best.as_ref().is_none_or(|(other, ..)| rank > *other) {
                best = Some((rank, script, exchange));
            }
        }
        best.map(|(_, script, exchange)| (script, exchange))
    }

    /// The exchange that a command leads to, how many are left out on the way, and how well it fits.
    fn advance(&self, script: usize, cursor: usize, asked: &Asked) -> Option<(usize, usize, Fit)> {
        let script = &self.scripts.get(script)?.script;
        let replay = &script.spec.replay;
        let rest = script.exchanges.get(cursor..)?;
        if self.mode == Match::Strict {
            let fits = fit(rest.first()?, asked, replay);
            return (fits == Fit::Equal).then_some((cursor, 0, fits));
        }
        let mut skipped = 0;
        for (index, exchange) in rest.iter().enumerate() {
            let fits = fit(exchange, asked, replay);
            if fits != Fit::No {
                return Some((cursor + index, skipped, fits));
            }
            if !(replay.optional)(&exchange.verb) {
                // What may come at any time is no reason to leave out anything; save to say goodbye.
                if (replay.optional)(&asked.verb) && !(replay.farewell)(&asked.verb) {
                    return None;
                }
                skipped += 1;
            }
        }
        None
    }

    /// Any exchange that fits: the next one, or one before, in the client's own recording or another.
    fn anywhere(&self, client: &Client, asked: &Asked) -> Option<(usize, usize)> {
        let mut best: Option<(_, usize, usize)> = None;
        for (&index, &Place { next: cursor, .. }) in &client.fits {
            let Some(cast) = self.scripts.get(index) else { continue };
            for (place, exchange) in cast.script.exchanges.iter().enumerate() {
                let fits = fit(exchange, asked, &cast.script.spec.replay);
                if fits == Fit::No {
                    continue;
                }
                // Ahead, the nearest first; behind, the latest.
                let near = if place >= cursor { usize::MAX - place } else { place };
                let rank = (fits, index == client.plays, cast.is_free(), place >= cursor, near);
                if best.as_ref().is_none_or(|(other, ..)| rank > *other) {
                    best = Some((rank, index, place));
                }
            }
        }
        best.map(|(_, script, exchange)| (script, exchange))
    }

    /// Whether a client may change from one recording to another: nobody plays that, or whoever does can take this.
    fn may_take(&self, id: u64, from: usize, to: usize) -> bool {
        match self.scripts.get(to).map(|cast| (cast.used && !self.again, cast.by)) {
            Some((false, None)) => true,
            Some((false, Some(other))) => {
                let cost = |fits: &BTreeMap<usize, Place>, script| fits.get(&script).map(|place| place.cost);
                other == id
                    || self.clients.get(&other).is_some_and(|other| match cost(&other.fits, from) {
                        Some(new) => new <= cost(&other.fits, to).unwrap_or_default() + COST_MORE,
                        None => false,
                    })
            }
            _ => false,
        }
    }

    fn play(&mut self, id: u64, asked: &Asked, script: usize, exchange: usize) -> Option<Cue> {
        let mut fits = BTreeMap::new();
        let client = self.clients.get_mut(&id)?;
        let from = client.plays;
        let places = std::mem::take(&mut client.fits);
        let changes = self.mode != Match::Free && from != script;
        let before = places.get(&from).filter(|_| changes).map(|place| place.asked.clone()).unwrap_or_default();
        for (other, place) in places {
            let optional =
                || self.scripts.get(other).is_some_and(|cast| (cast.script.spec.replay.optional)(&asked.verb));
            let now = match self.mode {
                Match::Free if other == script => Some(Place { next: exchange + 1, ..Place::default() }),
                Match::Free => Some(place),
                _ => match self.advance(other, place.next, asked) {
                    Some((exchange, skipped, _)) if other == script || skipped <= COST_MAX => {
                        Some(place.after(other, exchange, skipped))
                    }
                    _ if self.mode == Match::Strict => None,
                    _ => Some(place.besides(script, exchange, usize::from(!optional()))),
                },
            };
            if let Some(now) = now.filter(|now| other == script || now.cost <= COST_MAX) {
                fits.insert(other, now);
            }
        }
        if !changes {
            self.count(&[(script, exchange)], true);
        } else {
            let now = fits.get(&script).map(|place| place.asked.clone()).unwrap_or_default();
            self.count(&before, false);
            self.change(id, from, script);
            self.count(&now, true);
        }
        let takes = self.mode != Match::Free || self.takes(id, asked, script);
        let client = self.clients.get_mut(&id)?;
        client.fits = fits;
        if takes {
            client.plays = script;
        }
        let cast = self.scripts.get(script)?;
        client.works = client.works || self.mode == Match::Strict || cast.is_work(exchange);
        self.report.matched += 1;
        Some(Cue::Play { script: Arc::clone(&cast.script), exchange })
    }

    /// Whether a client that is answered out of any recording leaves its own for the one that has the answer: nobody plays
    /// that, and its own has nothing of the kind, or it has only begun TLS.
    fn takes(&mut self, id: u64, asked: &Asked, script: usize) -> bool {
        let Some(client) = self.clients.get(&id) else { return false };
        let (Some(own), Some(cast)) = (self.scripts.get(client.plays), self.scripts.get(script)) else { return false };
        let replay = &own.script.spec.replay;
        let knows = || own.script.exchanges.iter().any(|exchange| fit(exchange, asked, replay) != Fit::No);
        let optional = (replay.optional)(&asked.verb);
        if client.plays == script || optional || !cast.is_free() || (client.works && knows()) {
            return false;
        }
        let from = client.plays;
        self.change(id, from, script);
        true
    }

    /// A client changes its recording; whoever had that one takes the other.
    fn change(&mut self, id: u64, from: usize, to: usize) {
        let holder = self.scripts.get(to).and_then(|cast| cast.by);
        if let Some(cast) = self.scripts.get_mut(from).filter(|cast| cast.by == Some(id)) {
            cast.by = holder;
        }
        if let Some(other) = holder.filter(|holder| *holder != id).and_then(|holder| self.clients.get_mut(&holder)) {
            other.plays = from;
            let asked = |script| other.fits.get(&script).map(|place: &Place| place.asked.clone()).unwrap_or_default();
            let (before, now) = (asked(to), asked(from));
            self.count(&before, false);
            self.count(&now, true);
        }
        if let Some(cast) = self.scripts.get_mut(to) {
            cast.by = Some(id);
        }
    }

    /// What a client has asked of which recording; or not of this one, as it turned out.
    fn count(&mut self, exchanges: &[(usize, usize)], asked: bool) {
        for &(script, exchange) in exchanges {
            if let Some(count) = self.scripts.get_mut(script).and_then(|cast| cast.asked.get_mut(exchange)) {
                *count = if asked { *count + 1 } else { count.saturating_sub(1) };
            }
        }
    }

    fn in_vain(&mut self, id: u64, plays: usize, asked: &Asked) -> Cue {
        let strict = self.mode == Match::Strict;
        let Some(cast) = self.scripts.get(plays) else { return Cue::Polite };
        let replay = &cast.script.spec.replay;
        if !strict && (replay.optional)(&asked.verb) && (replay.polite)(&asked.verb).is_some() {
            // What was recorded elsewhere is a better answer than none at all.
            let again = |exchange: &Exchange| exchange.answered && fit(exchange, asked, replay) != Fit::No;
            let known = cast.script.exchanges.iter().rposition(again).filter(|_| (replay.again)(&asked.verb));
            return known.map_or(Cue::Polite, |exchange| Cue::Play { script: Arc::clone(&cast.script), exchange });
        }
        let place = self.clients.get(&id).and_then(|client| client.fits.get(&plays));
        let cursor = place.map_or(0, |place| place.next);
        let rest = cast.script.exchanges.get(cursor..).unwrap_or_default();
        let expected = rest.iter().find(|exchange| strict || !(replay.optional)(&exchange.verb));
        let of = cast.script.of.clone();
        let why = match expected {
            Some(expected) if strict || expected.verb == asked.verb => {
                let expected = expected.shown.clone();
                let why = format!("mailtap replay: this differs from the recording, where {expected:?} comes here");
                if self.report.differing.len() < DIFFERENCES_MAX {
                    self.report.differing.push(Asking { of, expected: Some(expected), asked: asked.shown.clone() });
                }
                return Cue::Refuse { why, ends: strict };
            }
            Some(expected) => format!("mailtap replay: this was not recorded; {:?} comes next", expected.shown),
            None => "mailtap replay: this was not recorded, and nothing comes any more".to_owned(),
        };
        if self.report.unmet.len() < DIFFERENCES_MAX {
            self.report.unmet.push(Asking { of, expected: None, asked: asked.shown.clone() });
        }
        Cue::Refuse { why, ends: strict }
    }
}
