//! A recorded client at work: it speaks and listens on a leg in memory, while the session at the other end goes on with the
//! real server. Takes what is played and where, gives how it ended; never later than the client's own limits allow.
//! Does not know what the client says, nor what is made of the answers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::oneshot;

use crate::event::{Origin, Stamp};
use crate::net::{self, Calls, Ended, PLAYED_BUFFER, PlayedClient};
use crate::replay::client::{Client, End, Manner, Step};
use crate::replay::cue::Cues;
use crate::route::Route;

/// How long a server may take to end the connection when the client has said everything.
const LEAVE_FOR: Duration = Duration::from_secs(5);

/// How many bytes are read at a time.
const BLOCK: usize = 16 * 1024;

/// What is played, and where.
#[derive(Clone)]
pub(super) struct Stage {
    pub(super) cues: Arc<Cues>,
    pub(super) manner: Manner,
    pub(super) route: Arc<Route>,
    /// The session that it was recorded in.
    pub(super) of: String,
}

/// How it went.
pub(super) struct Played {
    /// None where it was over before anything was said.
    pub(super) ended: Option<Ended>,
    /// Why it went no further, where it did not come to its end.
    pub(super) stopped: Option<String>,
    pub(super) client: Client,
}

impl Stage {
    pub(super) async fn play(&self, calls: &Calls) -> Played {
        let manner = Manner { nonce: nonce(), ..self.manner.clone() };
        let leave_for = LEAVE_FOR.min(Duration::from_micros(manner.answer_within.unsigned_abs()));
        let mut client = Client::new(Arc::clone(&self.cues), manner);
        let (mut near, far) = tokio::io::duplex(PLAYED_BUFFER);
        let (leaves, left) = oneshot::channel::<()>();
        let gone = async {
            let _ = left.await;
        };
        let call = calls.call(PlayedClient { stream: far, of: self.of.clone() }, Arc::clone(&self.route), gone);
        let drive = async {
            let mut open = true;
            let end = drive(&mut client, &mut near, &mut open).await;
            let _ = near.shutdown().await;
            if end == End::Done && open {
                let _ = tokio::time::timeout(leave_for, rest(&mut client, &mut near, &mut open)).await;
            }
            if !open {
                // Both have ended: the session ends by itself, unless the server does not take what is left for it.
                let mut leaves = leaves;
                let _ = tokio::time::timeout(leave_for, leaves.closed()).await;
            }
            end
        };
        let (ended, end) = tokio::join!(call, drive);
        let stopped = match (end, &ended) {
            (End::Done, _) => None,
            // What kept the server away says more than that it said nothing.
            (End::Stopped(_), Some(ended)) if ended.by == Origin::Proxy => Some(ended.reason.clone()),
            (End::Stopped(why), _) => Some(why),
        };
        Played { ended, stopped, client }
    }
}

/// Lets the client speak and listen until it is over.
async fn drive(client: &mut Client, near: &mut DuplexStream, open: &mut bool) -> End {
    let mut block = vec![0; BLOCK];
    let mut unsent: VecDeque<u8> = VecDeque::new();
    let mut moved = false;
    loop {
        let until = if unsent.is_empty() || client.is_stopped() {
            match client.next(net::now()) {
                Step::Send(bytes) => {
                    unsent = bytes.into();
                    continue;
                }
                Step::Wait(at) => at,
                Step::End(end) => return end,
            }
        } else {
            client.sending(net::now(), moved)
        };
        moved = false;
        let (mut reads, mut writes) = tokio::io::split(&mut *near);
        let (first, _) = unsent.as_slices();
        tokio::select! {
            read = reads.read(&mut block), if *open => match read {
                Ok(read @ 1..) => client.received(net::now(), block.get(..read).unwrap_or_default()),
                Ok(0) | Err(_) => {
                    *open = false;
                    client.server_ended(net::now());
                }
            },
            written = writes.write(first), if !unsent.is_empty() => match written {
                Ok(written) => {
                    unsent.drain(..written);
                    moved = true;
                }
                Err(_) => unsent.clear(),
            },
            () = tokio::time::sleep(Duration::from_micros(until.since(net::now()).max(1))) => {}
        }
    }
}

/// Hears what the server still has to say to a client that has said everything.
async fn rest(client: &mut Client, near: &mut DuplexStream, open: &mut bool) {
    let mut block = vec![0; BLOCK];
    while *open && !client.is_stopped() {
        match near.read(&mut block).await {
            Ok(read @ 1..) => client.received(net::now(), block.get(..read).unwrap_or_default()),
            Ok(0) | Err(_) => *open = false,
        }
    }
}

/// Text for a login's nonce. Without the system's randomness it is the time: the exchange then proves less, to a server
/// that is being tested.
fn nonce() -> String {
    let mut random = [0; 18];
    if getrandom::fill(&mut random).is_err() {
        let Stamp(now) = net::now();
        return format!("mailtap{now}");
    }
    STANDARD.encode(random)
}
