//! What a client says on a line, as a piece: with at most one stretch of it secret.
//! Takes the line and what it means, gives the piece's number.
//! Does not know the protocol, nor how the line was understood.

use std::ops::Range;

use super::{Piece, Sink};
use crate::event::{Auth, Body, Seq, Side};

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
