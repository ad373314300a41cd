//! What a client says on a line, as a piece: with at most one stretch of it secret.
//! Takes the line and what it means, gives the piece's number.
//! Does not know the protocol, nor how the line was understood.

use std::ops::Range;

use super::sasl::Exchange;
use super::{Piece, Sink};
use crate::event::{Auth, Body, Command, Object, Seq, Side};

pub(super) fn client(line: &[u8], secret: Option<Range<usize>>, body: Body, out: &mut dyn Sink) -> Seq {
    let secret = secret.filter(|range| !range.is_empty());
    out.piece(Piece { from: Side::Client, wire: line, secrets: secret.as_slice(), body })
}

/// A SASL response, with the name of whoever logs in.
pub(super) fn response(line: &[u8], secret: Option<Range<usize>>, said: Auth, out: &mut dyn Sink) -> Seq {
    if let Some(user) = &said.user {
        out.user(user);
    }
    client(line, secret, Body::Auth(said), out)
}

/// A line that may belong to a login which is over: a response, where that was an exchange.
pub(super) fn stray(line: &[u8], said: &[u8], exchange: Option<&mut Exchange>, out: &mut dyn Sink) -> Seq {
    let all = Some(0..line.trim_ascii_end().len());
    let Some(exchange) = exchange else { return client(line, all, Body::Raw, out) };
    // Which part of a login it was is not known: what reads like a name may be the password.
    let mut auth = Auth { user: None, args: Object::new(), ..exchange.response(said) };
    auth.args.flag("stray", true);
    client(line, all, Body::Auth(auth), out)
}

/// A further block of a line that is longer than the longest: of what command it is, if of any, and whether it is secret.
pub(super) fn block(block: &[u8], (of, secret): (Option<Seq>, bool), out: &mut dyn Sink) {
    let body = match of {
        Some(of) => Body::Command(Command { continues: Some(of), ..Command::default() }),
        None => Body::Raw,
    };
    client(block, secret.then_some(0..block.trim_ascii_end().len()), body, out);
}
