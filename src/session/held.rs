//! What is held back of each side until the other has spoken, or until the log has room.
//! Takes bytes that the dialog left untaken, reads on in them when it may, passes on what was taken.
//! Does not decide what must wait: the dialog says so.

use super::core::Tap;
use super::{Log, Next, Outbox, Session};
use crate::event::{Side, Stamp};

impl Session {
    /// Whether what is held of a side is not to be read now: the log has no room, or the client has to wait until the
    /// proxy has upgraded the server leg.
    pub(super) fn rests(&self, side: Side) -> bool {
        self.waits_for_log(side) || (side == Side::Client && self.owns_server())
    }

    /// Whether what follows a line of this side may be another thing than what came before it.
    pub(super) fn goes_by_line(&self, from: Side) -> bool {
        !self.held(from.other()).is_empty() || self.owns_server()
    }

    /// The other side (or the proxy itself) waits for an answer that may stand in these bytes: it goes on right behind the
    /// line that gives it, wherever the bytes were cut.
    pub(super) fn bytes_by_line(&mut self, now: Stamp, from: Side, bytes: &[u8], log: &mut dyn Log, out: &mut Outbox) {
        let mut rest = bytes;
        while !rest.is_empty() && out.next == Next::Relay && !self.waits_for_log(from) {
            let waits = self.goes_by_line(from);
            let end = memchr::memchr(b'\n', rest).filter(|_| waits).map_or(rest.len(), |end| end + 1);
            let (line, after) = rest.split_at(end);
            rest = after;
            self.held_mut(from).extend_from_slice(line);
            self.take_held(now, from, log, out);
            self.unhold(now, from.other(), log, out);
        }
        if out.next == Next::UpgradeServer {
            self.inject(now, from, rest, log);
        } else {
            self.held_mut(from).extend_from_slice(rest);
        }
    }

    pub(super) fn held(&self, side: Side) -> &Vec<u8> {
        let [client, server] = &self.held;
        if side == Side::Client { client } else { server }
    }

    pub(super) fn held_mut(&mut self, side: Side) -> &mut Vec<u8> {
        let [client, server] = &mut self.held;
        if side == Side::Client { client } else { server }
    }

    pub(super) fn later_mut(&mut self, side: Side) -> &mut bool {
        let [client, server] = &mut self.later;
        if side == Side::Client { client } else { server }
    }

    /// Reads on in what is held of both sides, for as long as one gets further.
    pub(super) fn unhold(&mut self, now: Stamp, first: Side, log: &mut dyn Log, out: &mut Outbox) {
        let mut side = first;
        let mut idle = 0;
        while idle < 2 && out.next == Next::Relay {
            let ready = !self.held(side).is_empty() && !self.rests(side);
            let progress = ready && self.take_held(now, side, log, out);
            idle = if progress { 0 } else { idle + 1 };
            side = side.other();
        }
    }

    /// Gives true if any of what is held was taken.
    pub(super) fn take_held(&mut self, now: Stamp, from: Side, log: &mut dyn Log, out: &mut Outbox) -> bool {
        let mut held = std::mem::take(self.held_mut(from));
        let taken = self.take(now, from, &held, log, out);
        if let Some(pass) = taken.pass {
            out.to(from.other()).extend_from_slice(held.get(..pass).unwrap_or(&held));
        }
        // Where nothing was taken, nothing is copied: the other side may have said no more than a byte.
        if taken.kept_from < held.len() {
            held.drain(..taken.kept_from);
            *self.held_mut(from) = held;
        }
        taken.kept_from > 0
    }

    /// Lets sides that have ended come to their end, as far as nothing is held any more that they have said. A client may
    /// say all it has to say at once and end: what it says is still to be read, answer by answer.
    pub(super) fn come_to_ends(&mut self, now: Stamp, log: &mut dyn Log, out: &mut Outbox) {
        let [client, server] = self.ended;
        if out.next != Next::Relay {
            return;
        }
        if server {
            self.flush_held(now, Side::Server, log, out);
            // Nobody will answer otherwise than by ending too.
            self.flush_held(now, Side::Client, log, out);
            if self.held(Side::Server).is_empty() {
                self.comes_to_end(now, Side::Server, log);
            }
        }
        if client && self.held(Side::Client).is_empty() {
            self.comes_to_end(now, Side::Client, log);
        }
    }

    pub(super) fn comes_to_end(&mut self, now: Stamp, from: Side, log: &mut dyn Log) {
        let [client, server] = &mut self.over;
        if std::mem::replace(if from == Side::Client { client } else { server }, true) {
            return;
        }
        self.dialog.end(from, &mut Tap::new(&mut self.core, now, log));
        self.core.end_content(now, from, log);
    }

    /// Passes on what is held as it is: no answer will come.
    pub(super) fn flush_held(&mut self, now: Stamp, from: Side, log: &mut dyn Log, out: &mut Outbox) {
        if self.held(from).is_empty() || self.waits_for_log(from) {
            return;
        }
        // An upgrade was asked for and will not come; until here nothing of what follows it was passed on, and it
        // still may not be.
        if self.dialog.upgrading() && from == Side::Client {
            let held = std::mem::take(self.held_mut(from));
            self.inject(now, from, &held, log);
            return;
        }
        self.dialog.release();
        while !self.held(from).is_empty() && !self.waits_for_log(from) && self.take_held(now, from, log, out) {}
        if !self.waits_for_log(from) {
            let held = std::mem::take(self.held_mut(from));
            self.raw(now, from, &held, log);
            out.to(from.other()).extend_from_slice(&held);
        }
    }

    /// All is over: what is still held is logged as it is. To read what is compressed could take hundreds of MiB.
    pub(super) fn give_up_held(&mut self, now: Stamp, from: Side, log: &mut dyn Log) {
        let held = std::mem::take(self.held_mut(from));
        self.comes_to_end(now, from, log);
        self.raw(now, from, &held, log);
    }

    fn raw(&mut self, now: Stamp, from: Side, bytes: &[u8], log: &mut dyn Log) {
        if !bytes.is_empty() {
            self.core.raw(now, from, bytes, log);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::proto::{self, Setup};
    use crate::session::Config;

    struct Nowhere;

    impl Log for Nowhere {
        fn event(&mut self, _: &Event<'_>) {}
    }

    #[test]
    fn what_waits_is_not_copied_for_each_line_of_the_other_side() {
        let (spec, _) = proto::scheme("imap").expect("a protocol");
        let mut session = Session::new(spec, Setup::default(), false, Config::default());
        let mut out = Outbox::default();
        let said = [b"a AUTHENTICATE PLAIN\r\n".as_slice(), &b"b NOOP\r\n".repeat(5000)].concat();
        session.bytes(Stamp(0), Side::Client, &said, &mut Nowhere, &mut out);
        session.bytes(Stamp(0), Side::Server, b"* OK hi\r\n", &mut Nowhere, &mut out);
        let before = session.held(Side::Client).as_ptr();
        session.bytes(Stamp(0), Side::Server, &b"* OK wait\r\n".repeat(1000), &mut Nowhere, &mut out);
        assert_eq!(session.held(Side::Client).as_ptr(), before);
        assert_eq!(session.held(Side::Client).len(), 40_000);
    }
}
