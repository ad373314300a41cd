//! Delivery: trace fields before the message, a copy to each recipient, and the reports that DSN asks for.
//! Takes a whole message and its envelope; gives the reply to the end of data.
//! It does not know any mailbox but the recipients' INBOX.

use std::sync::Arc;

use super::super::sasl::random_text;
use super::super::store::{Addition, Mailbox, Refusal, unix_now};
use super::super::users::User;
use super::command::Rcpt;
use super::{Session, Transaction};

pub struct Recipient {
    pub user: Arc<User>,
    pub rcpt: Rcpt,
}

/// Octets of a queue identifier, which a reply and the `Received` field carry.
const QUEUE_ID: usize = 10;

impl Session<'_> {
    /// Delivers to everybody or, as one full mailbox cannot be told apart in one reply, to nobody.
    pub(super) fn deliver(&mut self, message: Vec<u8>) {
        let Some(transaction) = self.transaction.take() else { return };
        let id = random_text(QUEUE_ID).to_uppercase();
        let head = self.trace(&transaction, &id);
        let reply = match to_all(&transaction, &head, &message) {
            Ok(()) => {
                self.report_success(&transaction, &message, &id);
                format!("250 2.0.0 Ok: queued as {id}")
            }
            Err(reply) => reply,
        };
        self.wire.line(&reply);
    }

    fn trace(&self, transaction: &Transaction, id: &str) -> String {
        let with = match (transaction.mail.utf8, self.is_extended) {
            (_, false) => "SMTP".to_owned(),
            (utf8, true) => {
                let start = if utf8 { "UTF8SMTP" } else { "ESMTP" };
                let tls = if self.wire.is_secure() { "S" } else { "" };
                let auth = if self.user.is_some() { "A" } else { "" };
                format!("{start}{tls}{auth}")
            }
        };
        let hello = self.hello.as_deref().unwrap_or("unknown");
        // What the client called itself goes into a header: nothing in it may end the line or the comment.
        let hello: String = hello.chars().filter(|c| c.is_alphanumeric() || "-._:[]".contains(*c)).collect();
        let ip = match self.peer.ip() {
            std::net::IpAddr::V4(ip) => format!("[{ip}]"),
            std::net::IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
        };
        format!(
            "Return-Path: <{}>\r\nReceived: from {hello} ({ip})\r\n\tby {} (mailtap practice server) with {with} id {id};\r\n\t{}\r\n",
            transaction.mail.from,
            self.shared.hostname,
            date(unix_now()),
        )
    }

    /// RFC 3461: who asked NOTIFY=SUCCESS is told, when the sender is local; other senders cannot be reached.
    fn report_success(&self, transaction: &Transaction, message: &[u8], id: &str) {
        let asked: Vec<&Recipient> = transaction.recipients.iter().filter(|r| r.rcpt.on_success).collect();
        let Some(sender) = self.shared.users.by_address(&transaction.mail.from) else { return };
        if asked.is_empty() || transaction.mail.from.is_empty() {
            return;
        }
        let host = &self.shared.hostname;
        let boundary = format!("report-{id}-{}", random_text(QUEUE_ID));
        let mut text = format!(
            "Return-Path: <>\r\nDate: {date}\r\nFrom: Mail Delivery System <postmaster@{host}>\r\nTo: {to}\r\n\
             Subject: Successful Mail Delivery Report\r\nMessage-ID: <{id}.report@{host}>\r\nAuto-Submitted: auto-replied\r\n\
             MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{boundary}\"\r\n\r\n\
             --{boundary}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nYour message was delivered to the mailbox of:\r\n\r\n",
            date = date(unix_now()),
            to = transaction.mail.from,
        );
        for recipient in &asked {
            text.push_str(&format!("  {}\r\n", recipient.rcpt.to));
        }
        text.push_str(&format!(
            "\r\n--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; {host}\r\n"
        ));
        if let Some(envelope) = &transaction.mail.envelope {
            text.push_str(&format!("Original-Envelope-Id: {envelope}\r\n"));
        }
        for recipient in &asked {
            text.push_str("\r\n");
            if let Some(original) = &recipient.rcpt.original {
                text.push_str(&format!("Original-Recipient: {original}\r\n"));
            }
            let to = &recipient.rcpt.to;
            text.push_str(&format!("Final-Recipient: rfc822; {to}\r\nAction: delivered\r\nStatus: 2.0.0\r\n"));
        }
        let (kind, part) = match transaction.mail.whole {
            true => ("message/rfc822", message),
            false => ("text/rfc822-headers", header_of(message)),
        };
        text.push_str(&format!("\r\n--{boundary}\r\nContent-Type: {kind}\r\n\r\n"));
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(part);
        bytes.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        // A report that finds no room is lost, as there is nobody to tell.
        if let Err(refusal) = arrive(&sender, bytes) {
            tracing::warn!(%refusal, user = sender.name, "a delivery report was lost");
        }
    }
}

/// A copy for each mailbox or for none: a client that is refused sends to all of them again. Err: the reply.
fn to_all(transaction: &Transaction, head: &str, message: &[u8]) -> Result<(), String> {
    let mut recipients: Vec<&Recipient> = Vec::new();
    for recipient in &transaction.recipients {
        // The same mailbox under two addresses gets one copy.
        if !recipients.iter().any(|other| Arc::ptr_eq(&other.user, &recipient.user)) {
            recipients.push(recipient);
        }
    }
    let head = |user: &User| format!("{head}Delivered-To: {}\r\n", user.address);
    for Recipient { user, rcpt } in &recipients {
        let size = (head(user).len() + message.len()) as u64;
        let has_room = user.store.inbox().and_then(|inbox| inbox.has_room(size));
        has_room.map_err(|refusal| refused(&rcpt.to, &refusal))?;
    }
    let mut arrived = Vec::new();
    for Recipient { user, rcpt } in &recipients {
        match arrive(user, [head(user).as_bytes(), message].concat()) {
            Ok(there) => arrived.push(there),
            // Another message took the room, or the disk said no.
            Err(refusal) => {
                for (inbox, uids) in arrived {
                    inbox.expunge(&uids);
                }
                return Err(refused(&rcpt.to, &refusal));
            }
        }
    }
    Ok(())
}

/// Gives the mailbox and the message's UID there.
fn arrive(user: &User, bytes: Vec<u8>) -> Result<(Arc<Mailbox>, Vec<u32>), Refusal> {
    let addition = Addition { bytes, date: unix_now(), fresh: true, ..Addition::default() };
    let inbox = user.store.inbox()?;
    let uids = inbox.add(vec![addition])?;
    Ok((inbox, uids))
}

fn refused(to: &str, refusal: &Refusal) -> String {
    match refusal {
        Refusal::OverQuota | Refusal::Limit(_) => format!("552 5.2.2 <{to}>: Mailbox full: {refusal}"),
        Refusal::TooBig => "552 5.3.4 Error: message file too big".to_owned(),
        other => format!("451 4.3.0 <{to}>: {other}"),
    }
}

fn header_of(message: &[u8]) -> &[u8] {
    let end = memchr::memmem::find(message, b"\r\n\r\n").map_or(message.len(), |at| at + 2);
    &message[..end]
}

/// A date as header fields have it (RFC 5322, 3.3), in UTC.
fn date(seconds: i64) -> String {
    let at = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}
