//! A scripted client: sends one mail by SMTP submission and fetches it by IMAP and POP3.
//! Takes addresses (a server's, or those of a proxy before it), an account and how to encrypt; gives what came back.
//! It does not know whom it talks to, and speaks to any server that keeps to the standards.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use super::Account;
use super::sasl::random_text;
use super::wire::{Line, Wire};

/// Silence after which the script gives up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Octets of a line the script reads.
const LINE: usize = 64 * 1024;
/// Octets of the message that comes back: it was sent with less than one kilobyte.
const MESSAGE: u64 = 1024 * 1024;
/// Lines of one reply.
const LINES: usize = 10_000;

/// How the script's connections are encrypted.
#[derive(Debug, Clone)]
pub enum Security {
    None,
    /// In plaintext up to STARTTLS or STLS.
    StartTls(Tls),
    /// From the first byte.
    Implicit(Tls),
}

#[derive(Debug, Clone)]
pub struct Tls {
    pub config: Arc<rustls::ClientConfig>,
    /// The name the certificate must carry, sent as SNI too.
    pub name: ServerName<'static>,
}

/// What the script does, and where.
#[derive(Debug, Clone)]
pub struct Script {
    pub submission: SocketAddr,
    pub imap: SocketAddr,
    /// None: the message is not fetched by POP3.
    pub pop3: Option<SocketAddr>,
    pub security: Security,
    /// The mail is from and to this account.
    pub account: Account,
    pub subject: String,
    /// The text, without line ends inside.
    pub text: String,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// With the angle brackets.
    pub message_id: String,
    /// The message as IMAP gave it.
    pub imap: Vec<u8>,
    /// The same as POP3 gave it, dots unstuffed.
    pub pop3: Option<Vec<u8>>,
}

/// Sends the mail and fetches it. Errors: a connection failed, the server refused something (the reply is in the
/// error's text), or the message did not come back.
pub async fn send_and_fetch(script: &Script) -> io::Result<Fetched> {
    let message_id = format!("<{}@script.mailtap.example>", random_text(16));
    send(script, &message_id).await?;
    let imap = fetch_by_imap(script, &message_id).await?;
    let pop3 = match script.pop3 {
        Some(address) => Some(fetch_by_pop3(script, address, &message_id).await?),
        None => None,
    };
    Ok(Fetched { message_id, imap, pop3 })
}

async fn send(script: &Script, message_id: &str) -> io::Result<()> {
    let account = &script.account;
    let mut smtp = Client::connect(script.submission, &script.security).await?;
    smtp.smtp(None, '2').await?;
    smtp.smtp(Some("EHLO script.mailtap.example"), '2').await?;
    if let Security::StartTls(tls) = &script.security {
        smtp.smtp(Some("STARTTLS"), '2').await?;
        smtp.wire.connect_tls(tls.config.clone(), tls.name.clone()).await?;
        smtp.smtp(Some("EHLO script.mailtap.example"), '2').await?;
    }
    let plain = STANDARD.encode(format!("\0{}\0{}", account.user, account.password));
    smtp.smtp(Some(&format!("AUTH PLAIN {plain}")), '2').await?;
    smtp.smtp(Some(&format!("MAIL FROM:<{}>", account.address)), '2').await?;
    smtp.smtp(Some(&format!("RCPT TO:<{}>", account.address)), '2').await?;
    smtp.smtp(Some("DATA"), '3').await?;
    let date = jiff::Timestamp::from_second(super::store::unix_now()).unwrap_or_default();
    let message = format!(
        "Date: {}\r\nFrom: {address}\r\nTo: {address}\r\nSubject: {}\r\nMessage-ID: {message_id}\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{}\r\n.",
        date.strftime("%a, %d %b %Y %H:%M:%S +0000"),
        script.subject,
        dotted(&script.text),
        address = account.address,
    );
    smtp.smtp(Some(&message), '2').await?;
    smtp.smtp(Some("QUIT"), '2').await?;
    smtp.wire.close().await;
    Ok(())
}

async fn fetch_by_imap(script: &Script, message_id: &str) -> io::Result<Vec<u8>> {
    let mut imap = Client::connect(script.imap, &script.security).await?;
    imap.line().await?;
    if let Security::StartTls(tls) = &script.security {
        imap.imap("s1", "STARTTLS").await?;
        imap.wire.connect_tls(tls.config.clone(), tls.name.clone()).await?;
    }
    let account = &script.account;
    imap.imap("a1", &format!("LOGIN {} {}", quoted(&account.user), quoted(&account.password))).await?;
    imap.imap("a2", "SELECT INBOX").await?;
    let found = imap.imap("a3", &format!("UID SEARCH HEADER Message-ID {}", quoted(message_id))).await?;
    let uid = found.iter().find_map(|line| line.strip_prefix("* SEARCH ")?.split(' ').next_back());
    let uid = uid.ok_or_else(|| failed("the message sent was not found by IMAP"))?;
    imap.wire.line(&format!("a4 UID FETCH {uid} (FLAGS BODY.PEEK[])"));
    let mut message = None;
    loop {
        let line = imap.line().await?;
        if let Some(rest) = line.strip_prefix("a4 ") {
            if !rest.starts_with("OK") {
                return Err(failed(&line));
            }
            break;
        }
        let size =
            line.strip_suffix('}').and_then(|l| l.rsplit_once('{')).and_then(|(_, size)| size.parse::<u64>().ok());
        if let Some(size) = size {
            if size > MESSAGE {
                return Err(failed("the message that came back is too big"));
            }
            let mut bytes = Vec::new();
            imap.wire.read_exact(size, &mut bytes).await?;
            message = Some(bytes);
        }
    }
    imap.imap("a5", "LOGOUT").await?;
    imap.wire.close().await;
    message.ok_or_else(|| failed("FETCH gave no message"))
}

async fn fetch_by_pop3(script: &Script, address: SocketAddr, message_id: &str) -> io::Result<Vec<u8>> {
    let mut pop3 = Client::connect(address, &script.security).await?;
    pop3.pop3(None).await?;
    if let Security::StartTls(tls) = &script.security {
        pop3.pop3(Some("STLS")).await?;
        pop3.wire.connect_tls(tls.config.clone(), tls.name.clone()).await?;
    }
    pop3.pop3(Some(&format!("USER {}", script.account.user))).await?;
    pop3.pop3(Some(&format!("PASS {}", script.account.password))).await?;
    let count = pop3.pop3(Some("STAT")).await?;
    let count: usize = count.split(' ').nth(1).and_then(|n| n.parse().ok()).ok_or_else(|| failed(&count))?;
    // New mail is last; others may have brought some in the meantime.
    for number in (1..=count).rev() {
        pop3.pop3(Some(&format!("RETR {number}"))).await?;
        let message = pop3.listing().await?;
        if memchr::memmem::find(&message, message_id.as_bytes()).is_some() {
            pop3.pop3(Some("QUIT")).await?;
            pop3.wire.close().await;
            return Ok(message);
        }
    }
    Err(failed("the message sent was not found by POP3"))
}

struct Client {
    wire: Wire,
}

impl Client {
    async fn connect(address: SocketAddr, security: &Security) -> io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let mut wire = Wire::new(Box::new(socket), PATIENCE);
        if let Security::Implicit(tls) = security {
            wire.connect_tls(tls.config.clone(), tls.name.clone()).await?;
        }
        Ok(Client { wire })
    }

    async fn line(&mut self) -> io::Result<String> {
        match self.wire.read_line(LINE).await? {
            Line::Whole(line) => Ok(String::from_utf8_lossy(&line).into_owned()),
            Line::TooLong { .. } => Err(failed("a reply line is too long")),
        }
    }

    /// Sends a command, if there is one, and reads a reply of any number of lines that must begin with the digit.
    async fn smtp(&mut self, command: Option<&str>, digit: char) -> io::Result<String> {
        if let Some(command) = command {
            self.wire.line(command);
        }
        for _ in 0..LINES {
            let line = self.line().await?;
            if !line.starts_with(digit) {
                return Err(failed(&line));
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line);
            }
        }
        Err(failed("a reply without end"))
    }

    /// Sends a command; gives the untagged lines of its reply.
    async fn imap(&mut self, tag: &str, command: &str) -> io::Result<Vec<String>> {
        self.wire.line(&format!("{tag} {command}"));
        let mut lines = Vec::new();
        while lines.len() < LINES {
            let line = self.line().await?;
            match line.strip_prefix(tag).and_then(|rest| rest.strip_prefix(' ')) {
                Some(rest) if rest.starts_with("OK") => return Ok(lines),
                Some(_) => return Err(failed(&line)),
                None => lines.push(line),
            }
        }
        Err(failed("a reply without end"))
    }

    async fn pop3(&mut self, command: Option<&str>) -> io::Result<String> {
        if let Some(command) = command {
            self.wire.line(command);
        }
        let line = self.line().await?;
        if line.starts_with("+OK") { Ok(line) } else { Err(failed(&line)) }
    }

    /// The lines of a POP3 reply up to the dot.
    async fn listing(&mut self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        while (text.len() as u64) < MESSAGE {
            let Line::Whole(line) = self.wire.read_line(LINE).await? else { break };
            match line.strip_prefix(b".") {
                Some(b"") => return Ok(text),
                Some(rest) => text.extend_from_slice(rest),
                None => text.extend_from_slice(&line),
            }
            text.extend_from_slice(b"\r\n");
        }
        Err(failed("the message that came back is too big"))
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn dotted(text: &str) -> String {
    if text.starts_with('.') { format!(".{text}") } else { text.to_owned() }
}

fn failed(what: &str) -> io::Error {
    io::Error::other(format!("the scripted client stopped: {what}"))
}
