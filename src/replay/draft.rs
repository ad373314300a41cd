//! From the events of a recording to a server's part.
//! Takes events one by one, gives a script, or a sentence that says why it cannot be played (whole).
//! Does not know who listens, and changes nothing of what was said.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::matching::settled;
use super::script::{Exchange, Part, SCRIPT_MAX, Said, Script, Turn, shown};
use super::veil::Veil;
use crate::event::{Body, Event, Open, Origin, Seq, Side, Stamp};
use crate::proto::replay::Replay;
use crate::proto::{self, Scheme, SchemeTls, Spec};

/// Reads a recording event by event.
#[derive(Default)]
pub struct Builder {
    open: Option<Open>,
    veil: Option<Veil>,
    greeting: Vec<(Stamp, Said)>,
    drafts: Vec<Draft>,
    /// Where later events find what they refer to.
    places: HashMap<Seq, Place>,
    /// Said unasked, while commands waited.
    pending: Vec<Item>,
    bytes: u64,
    closed: Option<String>,
    cut: Option<String>,
    /// What is played ends before this exchange.
    truncated: Option<usize>,
    troubled: bool,
    /// The client's TLS began with the first byte.
    implicit: bool,
    end: Stamp,
    /// The number that the next event must have.
    next: Seq,
}

#[derive(Clone, Copy)]
enum Place {
    Exchange(usize),
    /// What the proxy said itself, and the answers to it.
    Own,
}

struct Draft {
    at: Stamp,
    exchange: Exchange,
    items: Vec<Item>,
    after: Vec<(Stamp, Said)>,
}

struct Item {
    seq: Seq,
    at: Stamp,
    what: What,
}

enum What {
    Said(Said),
    Part(Part),
    /// The rest of the command behind a literal.
    Rest,
}

impl Builder {
    #[must_use]
    pub fn new() -> Builder {
        Builder::default()
    }

    /// The recording is damaged here: what comes behind cannot be trusted.
    pub fn damaged(&mut self, why: &str) {
        self.cut_at(&format!("it is damaged: {why}"));
    }

    /// Takes the next event.
    pub fn event(&mut self, event: &Event<'_>) {
        self.end = event.at;
        if let Body::Close(close) = &event.body {
            self.closed = Some(close.by.clone());
        }
        if self.cut.is_some() {
            return;
        }
        // A gap has its own reason.
        if event.seq != self.next && !matches!(event.body, Body::Gap(_)) {
            return self
                .cut_at(&format!("lines of it are missing, or not in their order, before number {}", event.seq));
        }
        self.next = event.seq.saturating_add(1);
        match &event.body {
            Body::Open(open) => {
                let spec = proto::ALL.iter().find(|spec| spec.name == open.protocol);
                self.veil = spec.map(|spec| Veil::new(spec));
                self.open = Some(open.as_ref().clone());
            }
            Body::Gap(gap) => {
                self.cut_at(&format!("{} bytes of the {} are missing in it: {}", gap.bytes, gap.side, gap.why));
            }
            Body::Note(note) if event.from == Origin::Proxy && !event.wire.is_empty() => match note.to.as_deref() {
                Some("server") => {
                    self.places.insert(event.seq, Place::Own);
                }
                // An edit of what the server said stands in a note too, and is made again by the session.
                Some("client") if note.code != "starttls-hidden" => self.troubled = true,
                _ => {}
            },
            Body::Tls(tls) if event.from == Origin::Client && tls.how == "implicit" => self.implicit = true,
            Body::Tls(tls) if event.from == Origin::Client && tls.how == "starttls" => {
                if let Some(draft) = self.drafts.last_mut() {
                    draft.exchange.upgrade = true;
                }
            }
            Body::Compress { .. } => {
                if let Some(draft) = self.drafts.last_mut() {
                    draft.exchange.compress = true;
                }
            }
            _ => match event.from.side() {
                Some(Side::Client) => self.client(event),
                Some(Side::Server) => self.server(event),
                None => {}
            },
        }
    }

    fn client(&mut self, event: &Event<'_>) {
        match &event.body {
            Body::Command(command) => match command.continues {
                None => self.begins(event, &command.verb, command.tag.clone(), command.args.map()),
                Some(of) => {
                    let Some(draft) = self.draft(of) else { return };
                    let what = if command.verb.is_empty() {
                        draft.exchange.args.extend(command.args.map());
                        draft.exchange.wire.extend_from_slice(&event.wire);
                        What::Rest
                    } else {
                        What::Part(Part::Line)
                    };
                    draft.items.push(Item { seq: event.seq, at: event.at, what });
                }
            },
            Body::Auth(auth) => {
                self.veil.iter_mut().for_each(|veil| veil.response(event));
                let part = if event.wire.trim_ascii() == b"*" { Part::Cancel } else { Part::Response };
                let last = self.drafts.len().checked_sub(1);
                let place = auth.of.and_then(|of| self.place(of)).or(last);
                if let Some(draft) = place.and_then(|place| self.drafts.get_mut(place)) {
                    draft.items.push(Item { seq: event.seq, at: event.at, what: What::Part(part) });
                }
            }
            Body::Content(content) if content.last => {
                if let Some(draft) = self.draft(content.of) {
                    draft.items.push(Item { seq: event.seq, at: event.at, what: What::Part(Part::Content) });
                }
            }
            Body::Raw => self.begins(event, "", None, Map::new()),
            _ => {}
        }
    }

    fn begins(&mut self, event: &Event<'_>, verb: &str, tag: Option<String>, args: Map<String, Value>) {
        self.places.insert(event.seq, Place::Exchange(self.drafts.len()));
        let veiled = self.veil.as_mut().map(|veil| veil.command(verb, event)).unwrap_or_default();
        let exchange = Exchange {
            seq: event.seq,
            verb: verb.to_owned(),
            shown: shown(&veiled),
            args,
            settled: Map::new(),
            wire: event.wire.to_vec(),
            tag,
            turns: Vec::new(),
            after: Vec::new(),
            stops_at_literal: false,
            answered: false,
            compress: false,
            upgrade: false,
        };
        self.drafts.push(Draft { at: event.at, exchange, items: Vec::new(), after: Vec::new() });
    }

    fn server(&mut self, event: &Event<'_>) {
        self.bytes += event.wire.len() as u64;
        if self.bytes > SCRIPT_MAX {
            let limit = SCRIPT_MAX >> 20;
            return self.cut_at(&format!("the server said more than {limit} MiB, and no more is kept in memory"));
        }
        let mut said = Said { wire: event.wire.as_ref().into(), ..Said::default() };
        match &event.body {
            Body::Greeting(_) => self.unasked(event, said),
            Body::Reply(reply) => {
                if let Some(of) = reply.answers {
                    said.tag.clone_from(&reply.tag);
                    self.answers(event, of, said, true);
                } else {
                    self.belongs(event, reply.continues, said);
                }
            }
            Body::Continue(go) => {
                said.go_ahead = Some(go.text.clone());
                match go.answers {
                    Some(of) => self.answers(event, of, said, false),
                    None => self.unasked(event, said),
                }
            }
            Body::Content(content) if content.elided.is_some() => {
                self.truncated = self.place(content.of);
                self.cut_at("the bodies that the server sent were left out of it (--bodies)");
            }
            Body::Content(content) => self.belongs(event, Some(content.of), said),
            Body::Raw => {
                let raw = "the server said what is not understood, or put a security layer around it";
                self.cut_at(raw);
            }
            _ => {}
        }
    }

    /// A later part of what was said before.
    fn belongs(&mut self, event: &Event<'_>, of: Option<Seq>, said: Said) {
        match of.and_then(|of| self.places.get(&of).copied()) {
            Some(Place::Own) => {}
            Some(Place::Exchange(place)) => {
                self.places.insert(event.seq, Place::Exchange(place));
                if let Some(draft) = self.drafts.get_mut(place) {
                    draft.items.push(Item { seq: event.seq, at: event.at, what: What::Said(said) });
                }
            }
            None => self.unasked(event, said),
        }
    }

    fn answers(&mut self, event: &Event<'_>, of: Seq, said: Said, whole: bool) {
        let Some(Place::Exchange(place)) = self.places.get(&of).copied() else { return };
        self.places.insert(event.seq, Place::Exchange(place));
        let Some(draft) = self.drafts.get_mut(place) else { return };
        if whole {
            draft.exchange.answered = true;
            draft.items.append(&mut self.pending);
        }
        draft.items.push(Item { seq: event.seq, at: event.at, what: What::Said(said) });
    }

    /// What no command is named for: data of the command that is answered next, or the server's own.
    fn unasked(&mut self, event: &Event<'_>, said: Said) {
        if self.drafts.iter().rev().take(proto::OUTSTANDING_MAX).any(|draft| !draft.exchange.answered) {
            self.pending.push(Item { seq: event.seq, at: event.at, what: What::Said(said) });
        } else if let Some(draft) = self.drafts.last_mut() {
            draft.after.push((event.at, said));
        } else {
            self.greeting.push((event.at, said));
        }
    }

    fn place(&self, of: Seq) -> Option<usize> {
        match self.places.get(&of) {
            Some(Place::Exchange(place)) => Some(*place),
            _ => None,
        }
    }

    fn draft(&mut self, of: Seq) -> Option<&mut Draft> {
        let place = self.place(of)?;
        self.drafts.get_mut(place)
    }

    fn cut_at(&mut self, why: &str) {
        self.cut.get_or_insert_with(|| why.to_owned());
    }

    /// The part that can be played.
    ///
    /// # Errors
    /// A sentence that says why there is none.
    pub fn finish(mut self) -> Result<Script, String> {
        let Some(open) = self.open.take() else {
            return Err("it has no beginning: no open event stands in it".to_owned());
        };
        let name = &open.session;
        if open.format != Open::FORMAT {
            return Err(format!(
                "{name} has the format {:?}, and this mailtap reads {:?}; use the version that recorded it",
                open.format,
                Open::FORMAT
            ));
        }
        let Some((spec, scheme)) = served_scheme(&open, self.implicit) else {
            return Err(format!("{name} is {}, which has no server to be replayed", protocol_of(&open)));
        };
        if self.closed.is_none() {
            self.cut_at("it has no end: mailtap was stopped before the session was closed, or the session still runs");
        }
        let whole = self.cut.is_none();
        let last = std::mem::take(&mut self.pending);
        if whole {
            // The server spoke and left before it answered.
            if let Some(draft) = self.drafts.iter_mut().find(|draft| !draft.exchange.answered) {
                draft.items.extend(last);
            }
        } else {
            let torn = self.drafts.iter().position(|draft| !draft.exchange.answered);
            self.drafts.truncate(torn.into_iter().chain(self.truncated).min().unwrap_or(usize::MAX));
        }
        let cut = self.cut.take();
        if self.greeting.is_empty() {
            let why = cut.unwrap_or_else(|| {
                if self.troubled {
                    "mailtap itself told the client that there was no server".to_owned()
                } else {
                    "the server said nothing in it".to_owned()
                }
            });
            return Err(format!("{name} cannot be replayed: {why}"));
        }
        if self.drafts.is_empty()
            && let Some(why) = &cut
        {
            return Err(format!("{name} cannot be replayed: {why}, and no command is answered before"));
        }
        let cut = cut.map(|why| {
            let last = self.drafts.last().map_or(0, |draft| draft.exchange.seq);
            let count = self.drafts.len();
            format!(
                "{name} cannot be replayed whole: {why}; it is played up to its command number {count} (seq {last})"
            )
        });
        let route = open.route.split_once('=');
        let known = |side: &str| {
            let (its, scheme) = scheme_of(side).and_then(proto::scheme)?;
            (its.name == spec.name).then_some(scheme)
        };
        let schemes = route.and_then(|(left, right)| Some((known(left)?, known(right)?)));
        let unequal = schemes.and_then(|(left, right)| (left.tls != right.tls).then_some(right));
        let server_ends = whole && self.closed.as_deref() == Some("server");
        let opened = self.greeting.first().map_or(self.end, |(at, _)| *at);
        Ok(Script {
            of: open.session.clone(),
            spec,
            scheme,
            upstream: open.upstream_name.clone(),
            unequal,
            greeting: timed(opened, self.greeting),
            exchanges: self.drafts.into_iter().map(|draft| draft.finish(&spec.replay)).collect(),
            server_ends,
            cut,
        })
    }
}

impl Draft {
    /// Puts everything in order, and takes out the literals: those are asked for when they come.
    fn finish(mut self, replay: &Replay) -> Exchange {
        self.items.sort_by_key(|item| item.seq);
        let mut exchange = self.exchange;
        exchange.settled = settled(&exchange.verb, &exchange.args, replay);
        let mut kept = Vec::new();
        let mut rest = self.items.iter().filter(|item| matches!(item.what, What::Rest)).count();
        exchange.stops_at_literal = rest == 0 && exchange.wire.trim_ascii_end().ends_with(b"}");
        let mut asked = false;
        let mut before = self.at;
        for (index, item) in self.items.iter().enumerate() {
            let wait_us = item.at.since(before);
            match &item.what {
                What::Said(said) => {
                    let literal =
                        said.go_ahead.is_some() && leads_to_rest(self.items.get(index + 1..).unwrap_or_default());
                    before = item.at;
                    if !literal {
                        asked |= said.go_ahead.is_some();
                        kept.push(Turn::Server(Said { wait_us, ..said.clone() }));
                    }
                }
                What::Rest => {
                    rest -= 1;
                    before = item.at;
                }
                What::Part(Part::Content) if rest > 0 || !asked => before = item.at,
                What::Part(part) => {
                    kept.push(Turn::Client(*part));
                    before = item.at;
                }
            }
        }
        exchange.turns = kept;
        exchange.after = timed(before, self.after);
        exchange
    }
}

/// Whether a go-ahead was for a literal: behind the client's next content the command goes on.
fn leads_to_rest(items: &[Item]) -> bool {
    let next = items.iter().find(|item| !matches!(item.what, What::Part(Part::Content)));
    next.is_some_and(|item| matches!(item.what, What::Rest))
}

fn timed(mut before: Stamp, said: Vec<(Stamp, Said)>) -> Vec<Said> {
    let timed =
        said.into_iter().map(|(at, said)| Said { wait_us: at.since(std::mem::replace(&mut before, at)), ..said });
    timed.collect()
}

/// What the recorded client spoke: as the route says it, or where it came by another way in, as it turned out.
fn served_scheme(open: &Open, implicit: bool) -> Option<(&'static Spec, &'static Scheme)> {
    let left = open.route.split_once('=').and_then(|(left, _)| scheme_of(left));
    let named = left.and_then(proto::scheme).filter(|(spec, _)| spec.name == open.protocol);
    named.or_else(|| {
        let wanted = if implicit { SchemeTls::Implicit } else { SchemeTls::Asked };
        let spec = proto::ALL.iter().find(|spec| spec.name == open.protocol)?;
        let scheme = spec.schemes.iter().find(|scheme| scheme.tls == wanted)?;
        Some((*spec, scheme))
    })
}

fn scheme_of(side: &str) -> Option<&str> {
    side.split_once("://").map(|(scheme, _)| scheme)
}

fn protocol_of(open: &Open) -> &str {
    if open.protocol.is_empty() { "of no known protocol" } else { &open.protocol }
}
