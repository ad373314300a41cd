//! mailtap between two taps: what a client of it sent and got, what the server got and sent, and what was recorded.
//! Takes a scheme and a server's address; gives an address for clients and the checks that every session must pass.
//! Does not know the protocols.

use std::{net::SocketAddr, path::PathBuf};

use super::{
    dovecot::PASSWORD,
    findings::{Because, nothing_false},
    mailtap::Mailtap,
    recording::{Recording, files_with, find},
    tap::{Capture, Tap},
};

pub struct Through {
    pub mailtap: Mailtap,
    client_leg: Tap,
    server_leg: Tap,
    keeps_secrets: bool,
    known: Vec<Because>,
}

/// What is left of sessions with TLS.
pub struct Secured {
    pub recordings: Vec<Recording>,
    pub client_side: Vec<Capture>,
    pub server_side: Vec<Capture>,
    /// It has ended; its folder is still there.
    pub mailtap: Mailtap,
}

impl Through {
    /// client → tap → mailtap → tap → `server`, with one route of `scheme` on both legs.
    #[track_caller]
    pub fn start(scheme: &str, server: SocketAddr, more: &[&str]) -> Self {
        Self::unequal(scheme, scheme, server, more)
    }

    /// The same with a scheme for each leg.
    #[track_caller]
    pub fn unequal(left: &str, right: &str, server: SocketAddr, more: &[&str]) -> Self {
        let server_leg = Tap::start(server);
        let route = format!("{left}://127.0.0.1:0={right}://{}", server_leg.address);
        let mailtap = Mailtap::start(&[&route], more);
        let client_leg = Tap::start(mailtap.address(&route));
        Self { mailtap, client_leg, server_leg, keeps_secrets: more.contains(&"--keep-secrets"), known: Vec::new() }
    }

    /// A finding that is true of these sessions, or an unknown word in them, and why. What else is found fails the test.
    pub fn knowing(mut self, known: &[Because]) -> Self {
        self.known.extend_from_slice(known);
        self
    }

    /// The certificate that clients of mailtap must trust.
    pub fn ca(&self) -> PathBuf {
        self.mailtap.dir.join("certs/ca.pem")
    }

    /// Waits until all of at least `count` sessions are over, where TLS hides the bytes of one leg or of both.
    ///
    /// On a leg that was never encrypted, what its own side sent is compared with the recording; what came from the
    /// other side may have been edited. Secrets are searched for as always.
    #[track_caller]
    pub fn check_secure(mut self, count: usize) -> Secured {
        let client_side = self.client_leg.finished(count);
        let server_side = self.server_leg.finished(count);
        let recordings = self.mailtap.recordings(count);
        let status = self.mailtap.stop();
        assert!(status.success(), "mailtap ended with {status} after SIGTERM; it said:\n{}", self.mailtap.errors());
        if let ([recording], [client], [server]) = (&recordings[..], &client_side[..], &server_side[..]) {
            let failed = recording.of_kind("tls").iter().any(|event| event["error"].is_string());
            let encrypted = |side: &str| recording.of_kind("tls").iter().any(|event| event["from"] == side);
            for (side, sent) in [("client", client.client()), ("server", server.server())] {
                // After a failed handshake mailtap ends the session, and what was still under way is not read.
                let read = recording.one("close")[format!("{side}_bytes")].as_u64().expect("a count") as usize;
                let sent = if failed { sent[..read.min(sent.len())].to_vec() } else { sent };
                if !encrypted(side) {
                    recording.compare(side, &sent).unwrap_or_else(|text| panic!("{text}\n{}", recording.dump()));
                }
            }
        }
        nothing_false(&self.mailtap.dir, &recordings, &self.known);
        if !self.keeps_secrets {
            self.search_for_secrets();
        }
        Secured { recordings, client_side, server_side, mailtap: self.mailtap }
    }

    /// Where a client should connect.
    pub fn address(&self) -> SocketAddr {
        self.client_leg.address
    }

    /// Waits until all of at least `count` sessions are over, stops mailtap, and checks for each of them:
    /// both taps saw the same bytes, the recording holds exactly these, and no secret stands anywhere.
    #[track_caller]
    pub fn check(self, count: usize) -> Vec<Recording> {
        self.check_with_captures(count).0
    }

    /// The same, and what the tap between the client and mailtap saw.
    #[track_caller]
    pub fn check_with_captures(mut self, count: usize) -> (Vec<Recording>, Vec<Capture>) {
        let client_side = self.client_leg.finished(count);
        let server_side = self.server_leg.finished(count);
        let recordings = self.mailtap.recordings(client_side.len());
        let status = self.mailtap.stop();
        assert!(status.success(), "mailtap ended with {status} after SIGTERM; it said:\n{}", self.mailtap.errors());
        assert_eq!(recordings.len(), client_side.len(), "as many recordings as connections");
        assert_eq!(streams(&client_side), streams(&server_side), "the same bytes on both legs");
        for recording in &recordings {
            self.compare(recording, &client_side);
        }
        nothing_false(&self.mailtap.dir, &recordings, &self.known);
        if !self.keeps_secrets {
            self.search_for_secrets();
        }
        (recordings, client_side)
    }

    #[track_caller]
    fn compare(&self, recording: &Recording, captures: &[Capture]) {
        let client = recording.one("open")["client"].as_str().unwrap_or_default();
        let capture = captures
            .iter()
            .find(|capture| capture.outgoing.is_some_and(|address| address.to_string() == client))
            .unwrap_or_else(|| panic!("no connection from {client}, which the recording names"));
        let compressed = !recording.of_kind("compress").is_empty();
        // What comes before compression: the client's command, and the server's answer to it.
        let sides = [
            ("client", capture.client(), b"COMPRESS DEFLATE\r\n".as_slice()),
            ("server", capture.server(), b"OK Begin compression"),
        ];
        for (side, passed, last_plain) in sides {
            let passed = if compressed { inflated(&passed, last_plain) } else { passed };
            if let Err(difference) = recording.compare(side, &passed) {
                panic!("{difference}\n{}", recording.dump());
            }
            if self.keeps_secrets {
                assert_eq!(recording.stream(side).len(), 1, "nothing is redacted with --keep-secrets");
            }
            let close = recording.one("close");
            assert_eq!(close[format!("{side}_bytes")], passed.len(), "{side}_bytes in {close}");
        }
        for (number, event) in recording.events.iter().enumerate() {
            assert_eq!(event["seq"], number, "numbers without holes in\n{}", recording.dump());
        }
    }

    /// The password, however base64 would spell it, in files and in what was printed.
    #[track_caller]
    fn search_for_secrets(&self) {
        let printed = self.mailtap.printed().join("\n") + &self.mailtap.errors();
        for secret in spellings(PASSWORD) {
            let files = files_with(&self.mailtap.dir, secret.as_bytes());
            assert!(files.is_empty(), "the password stands as {secret} in {files:?}");
            assert!(find(printed.as_bytes(), secret.as_bytes()).is_none(), "the password was printed as {secret}");
        }
    }
}

/// A secret as it is, and what of its base64 does not depend on its neighbours, in all three alignments.
pub fn spellings(secret: &str) -> Vec<String> {
    use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
    let mut all = vec![secret.to_owned()];
    for before in 0..3 {
        let encoded = STANDARD_NO_PAD.encode([&vec![0; before], secret.as_bytes()].concat());
        // The first characters carry the bytes before, the last one may carry what comes behind.
        let skip = [0, 2, 3][before];
        all.push(encoded[skip..encoded.len() - 1].to_owned());
    }
    all
}

/// A stream that is compressed (raw deflate) after the line that holds `last_plain`, as it was before compression.
#[track_caller]
fn inflated(stream: &[u8], last_plain: &[u8]) -> Vec<u8> {
    use std::io::Read;
    let at = find(stream, last_plain).expect("the line before compression");
    let end = at + find(&stream[at..], b"\r\n").expect("the end of that line") + 2;
    let mut plain = stream[..end].to_vec();
    let mut decoder = flate2::read::DeflateDecoder::new(&stream[end..]);
    // The last block is flushed and not finished, so the end of the input is an error here; what came before counts.
    let mut block = [0; 4096];
    while let Ok(read @ 1..) = decoder.read(&mut block) {
        plain.extend_from_slice(&block[..read]);
    }
    plain
}

/// Both sides' bytes of every connection, in an order that does not depend on which was quicker.
fn streams(captures: &[Capture]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all: Vec<_> = captures.iter().map(|capture| (capture.client(), capture.server())).collect();
    all.sort();
    all
}
