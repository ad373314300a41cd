//! What bounds the practice server, in one place.
//! Takes nothing; gives the defaults, which suit one person's programs and the largest attachments people send.
//! It does not know how each bound is kept.

use std::time::Duration;

/// The bounds a caller may set. The defaults are the constants below.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Octets of one message, as SMTP's SIZE announces.
    pub message: u64,
    /// Octets of all messages of an account.
    pub quota: u64,
    /// Messages in a mailbox.
    pub messages: usize,
    /// Mailboxes of an account.
    pub mailboxes: usize,
    /// Connections at a time, all services together.
    pub connections: usize,
    /// Silence after which a connection is closed on which nobody has logged in, nor begun to send mail.
    pub login: Duration,
    /// Silence after which an IMAP connection is closed.
    pub imap_idle: Duration,
    /// Silence after which a POP3 connection is closed.
    pub pop3_idle: Duration,
    /// Silence after which an SMTP connection is closed.
    pub smtp_idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            message: MESSAGE,
            quota: QUOTA,
            messages: MESSAGES,
            mailboxes: MAILBOXES,
            connections: CONNECTIONS,
            login: LOGIN,
            imap_idle: IMAP_IDLE,
            pop3_idle: POP3_IDLE,
            smtp_idle: SMTP_IDLE,
        }
    }
}

/// 50 MiB: an attachment of 20 MB is 28 MB in base64, and some programs send several.
const MESSAGE: u64 = 50 * 1024 * 1024;
/// 1 GiB: with mail in memory this is what one account can make the process hold.
const QUOTA: u64 = 1024 * 1024 * 1024;
/// A mailbox of this size still answers a SEARCH in well under a second.
const MESSAGES: usize = 100_000;
const MAILBOXES: usize = 1_000;
/// Thunderbird alone opens five a mailbox account; this leaves room for many programs.
const CONNECTIONS: usize = 200;
/// Who says nothing takes the place of somebody who would; who types by hand needs some time for a line. The times that
/// the RFCs ask for, below, are for sessions at work.
const LOGIN: Duration = Duration::from_secs(60);
/// RFC 3501, 5.4 asks for at least 30 minutes.
const IMAP_IDLE: Duration = Duration::from_secs(31 * 60);
/// RFC 1939, 3 asks for at least 10 minutes.
const POP3_IDLE: Duration = Duration::from_secs(10 * 60);
/// RFC 5321, 4.5.3.2.7 asks for at least 5 minutes.
const SMTP_IDLE: Duration = Duration::from_secs(5 * 60);

/// Time for the handshake: a client that connects and says nothing should not hold a place for long.
pub const HANDSHAKE: Duration = Duration::from_secs(30);
/// Time in which a client must take what was sent to it, a block at a time.
pub const WRITE: Duration = Duration::from_secs(120);

/// Octets of an SMTP command line: RFC 5321's 512 with room for every extension's parameters and for UTF-8.
pub const SMTP_LINE: usize = 4096;
/// Octets of a POP3 command line: RFC 2449 says 255, and AUTH's initial response may make it as long as a SASL line.
pub const POP3_LINE: usize = SASL_LINE;
/// Octets of an IMAP command without the message of an APPEND: 64 KiB, as large UID sets need it.
pub const IMAP_COMMAND: usize = 64 * 1024;
/// Octets of a SASL response line: RFC 4954, 4 says 12288.
pub const SASL_LINE: usize = 12_288;
/// Octets of a refused literal or chunk that are read and dropped to stay in step; after more the connection ends.
pub const SKIP: u64 = 1024 * 1024 * 1024;
/// Messages of one APPEND (MULTIAPPEND).
pub const APPEND_MESSAGES: usize = 100;
/// Recipients of one message: RFC 5321, 4.5.3.1.8 asks for at least 100.
pub const RECIPIENTS: usize = 1000;

/// Failed logins on one connection.
pub const LOGINS: u32 = 3;
/// Commands in a row that could not be understood.
pub const BAD_COMMANDS: u32 = 20;

/// Octets read from a connection at a time, and most inflated at a time.
pub const READ: usize = 64 * 1024;
/// Octets of replies collected before they are sent.
pub const WRITE_BUFFER: usize = 256 * 1024;
/// Octets of messages that are looked at in passing: some milliseconds' work. More is done on a thread of its own.
pub const IN_PASSING: u64 = 128 * 1024;
/// Such threads at a time: a message that is taken apart needs several times its size.
pub const ASIDE: usize = 2;
