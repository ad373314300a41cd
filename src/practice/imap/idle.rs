//! IDLE: waiting for DONE, and telling meanwhile what changes (RFC 2177).
//! Takes the session's view and wire; gives pushes as they come and the answer at the end.
//! It does not know what changed; the view does.

use std::future::pending;
use std::io;
use std::time::Duration;

use tokio::time::{Instant, interval, sleep_until};

use super::super::limits::IMAP_COMMAND;
use super::super::wire::Line;
use super::{Answer, DELETED, Session, Tell};

/// How often a mailbox that other programs may change is looked at.
const LOOK: Duration = Duration::from_secs(1);

impl Session<'_> {
    pub(super) async fn idle(&mut self, tag: &str) -> io::Result<Answer> {
        let mailbox = self.view.as_ref().map(|view| view.mailbox().clone());
        let mut changes = mailbox.as_ref().map(|mailbox| mailbox.watch());
        let is_shared = mailbox.as_ref().is_some_and(|mailbox| mailbox.is_shared());
        let mut look = interval(LOOK);
        let end = Instant::now() + self.shared.limits.imap_idle;
        self.wire.line("+ idling");
        loop {
            if let Some(changes) = &mut changes {
                changes.borrow_and_update();
            }
            if self.tell(Tell::Everything, false).is_err() {
                return Ok(Answer::Bye(DELETED));
            }
            // Sent before waiting, so that giving up the wait loses nothing.
            self.wire.flush().await?;
            tokio::select! {
                line = self.wire.read_command(IMAP_COMMAND) => {
                    return match line? {
                        Line::Whole(line) if line.eq_ignore_ascii_case(b"DONE") => Answer::ok("Idle completed."),
                        _ => Answer::bad("Expected DONE."),
                    };
                }
                () = changed(&mut changes) => {}
                _ = look.tick(), if is_shared => {
                    if let Some(mailbox) = &mailbox {
                        mailbox.refresh()?;
                    }
                }
                () = sleep_until(end) => {
                    tracing::debug!(tag, "idle for too long");
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
        }
    }
}

async fn changed(changes: &mut Option<tokio::sync::watch::Receiver<u64>>) {
    let Some(changes) = changes else { return pending().await };
    if changes.changed().await.is_err() {
        pending().await
    }
}
