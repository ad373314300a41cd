//! The practice server's parsers: whatever a client says, it is answered, the server neither panics nor hangs, and
//! what it holds stays within its bounds.
#![no_main]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use mailtap::practice::{Account, Config, Host, Limits, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

/// What the fuzzer composes of, where a byte of the input says so: a login, messages, words of each protocol.
const PARTS: &[&[u8]] = &[
    b"a LOGIN bob sesame\r\n",
    b"a SELECT INBOX\r\n",
    b"USER bob\r\nPASS sesame\r\n",
    b"EHLO x\r\nAUTH PLAIN AGJvYgBzZXNhbWU=\r\n",
    b"MAIL FROM:<bob@x>\r\nRCPT TO:<bob@x>\r\nDATA\r\n",
    b"a APPEND INBOX {30+}\r\nSubject: x\r\nFrom: a@x\r\n\r\nb\r\n\r\n",
    b"\r\n.\r\n",
    b"a FETCH 1:* ",
    b"a UID ",
    b"a SEARCH ",
    b"a STORE 1 +FLAGS ",
    b"BODY[",
    b"HEADER.FIELDS (",
    b"BODYSTRUCTURE ENVELOPE ",
    b"<0.7>",
    b"a LIST (",
    b") RETURN (",
    b"a CREATE ",
    b"a RENAME ",
    b"a COPY 1 ",
    b"a IDLE\r\nDONE\r\n",
    b"{3+}\r\n",
    b"BDAT 5 LAST\r\nabcde",
    b"RETR 1\r\nTOP 1 1\r\nUIDL\r\nLIST\r\n",
    b"OR NOT ",
    b"SENTSINCE 1-Jan-2026 ",
    b"CHARSET UTF-8 ",
    b"\r\n",
    b"\\Seen",
    b"\"",
];

const SERVICES: [Service; 4] = [Service::Imap, Service::Pop3, Service::Smtp, Service::Submission];

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Builder::new_current_thread().enable_time().build().expect("a runtime"))
}

/// Mail of its own for each input, so that one leaves nothing to the next.
fn host() -> Host {
    let user = |name: &str| Account {
        user: name.to_owned(),
        password: "sesame".to_owned(),
        address: format!("{name}@x"),
    };
    let limits = Limits { message: 4096, quota: 16_384, messages: 20, mailboxes: 10, ..Limits::default() };
    Host::open(Config { accounts: vec![user("bob")], limits, ..Config::default() }).expect("mail in memory")
}

fuzz_target!(|input: &[u8]| {
    let [service, input @ ..] = input else { return };
    let service = SERVICES[usize::from(*service) % SERVICES.len()];
    let mut said = Vec::new();
    for &byte in input.iter().take(2048) {
        match PARTS.get(usize::from(byte).wrapping_sub(0x80)) {
            Some(part) => said.extend_from_slice(part),
            None => said.push(byte),
        }
    }
    runtime().block_on(async {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let host = host();
        let serving = host.converse(service, Box::new(far), SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
        let (mut reads, mut writes) = tokio::io::split(near);
        let client = async {
            let talking = async {
                // The server may have hung up already.
                let _ = writes.write_all(&said).await;
                let _ = writes.shutdown().await;
            };
            let mut heard = Vec::new();
            let listening = reads.read_to_end(&mut heard);
            let ((), _) = tokio::join!(talking, listening);
            heard
        };
        let both = async { tokio::join!(serving, client) };
        let Ok(((), heard)) = tokio::time::timeout(Duration::from_secs(10), both).await else {
            panic!("the server neither answers nor closes")
        };
        assert!(heard.is_empty() || heard.ends_with(b"\r\n"), "it ends in the middle of a line");
    });
});
