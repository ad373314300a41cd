//! What was recorded, and does not come where a client asks for it: it asks again, in another order, or another of its
//! connections asked then. Takes a command that leads nowhere in what the client plays, gives an exchange that answers it.
//! Does not know what is answered when there is none.

use std::sync::Arc;

use super::{Asked, Asking, Casting, Cue, DIFFERENCES_MAX, Fit, Match, fit};

/// An exchange that agrees with a command.
struct Found {
    script: usize,
    exchange: usize,
    /// Nobody has asked for it.
    fresh: bool,
    /// It is in what the client plays.
    own: bool,
    fits: Fit,
}

impl Casting {
    /// It is answered, and the report says so.
    pub(super) fn out_of_order(&mut self, id: u64, plays: usize, asked: &Asked) -> Option<Cue> {
        if self.mode != Match::Ordered {
            return None;
        }
        let own = self.scripts.get(plays)?;
        let replay = &own.script.spec.replay;
        if (replay.optional)(&asked.verb) {
            return None;
        }
        let next = self.clients.get(&id)?.fits.get(&plays).map_or(0, |place| place.next);
        // Which of a program's connections says what is said alike on all of them is a matter of luck.
        let elsewhere = |found: &Found| !found.own && found.fresh && (replay.anywhere)(&asked.verb);
        let rank = |found: &Found| {
            let near = if found.own && found.exchange < next { found.exchange } else { usize::MAX - found.exchange };
            (elsewhere(found) || found.own, found.fresh || !found.own, found.own, found.fits, near)
        };
        let found = self.alike(plays, asked).max_by_key(rank)?;
        let expected = own.script.exchanges.get(next).map(|exchange| exchange.shown.clone());
        let asking = Asking { of: own.script.of.clone(), expected, asked: asked.shown.clone() };
        let list = match (&found, elsewhere(&found)) {
            (_, true) => &mut self.report.elsewhere,
            (Found { fresh: true, .. }, false) => &mut self.report.differing,
            (Found { fresh: false, .. }, false) => &mut self.report.again,
        };
        if list.len() < DIFFERENCES_MAX {
            list.push(asking);
        }
        let Found { script, exchange, .. } = found;
        self.count(&[(script, exchange)], true);
        Some(Cue::Play { script: Arc::clone(&self.scripts.get(script)?.script), exchange })
    }

    /// Everything that agrees with a command, in all recordings of what the client speaks.
    fn alike<'a>(&'a self, plays: usize, asked: &'a Asked) -> impl Iterator<Item = Found> + 'a {
        let scheme = self.scripts.get(plays).map(|own| own.script.scheme.name);
        let scripts = self.scripts.iter().enumerate();
        scripts.filter(move |(_, cast)| Some(cast.script.scheme.name) == scheme).flat_map(move |(script, cast)| {
            let replay = &cast.script.spec.replay;
            let exchanges = cast.script.exchanges.iter().zip(&cast.asked).enumerate();
            exchanges.filter_map(move |(exchange, (recorded, count))| {
                let fits = fit(recorded, asked, replay);
                let found = Found { script, exchange, fresh: *count == 0, own: script == plays, fits };
                (fits != Fit::No && recorded.answered).then_some(found)
            })
        })
    }
}
