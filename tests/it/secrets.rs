//! No secret leaves a session: a canary as the password in every spelling and mechanism, split at every byte.
//! Takes conversations with a canary in them, and looks for it, its base64 in three alignments, its part of a SASL message
//! and its hash in everything that a session logs and that is listed of it. Does not know how redaction is done.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mailtap::event::{Event, Side, Stamp};
use mailtap::proto;
use mailtap::session::{Config, Log, Next, Outbox, Session};
use mailtap::store::Entry;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const CANARY: &str = "Xq7zCanaryW9kd";

/// Server and client in turns, the server first.
type Turns = Vec<(Side, Vec<u8>)>;

#[derive(Default)]
struct Lines {
    text: String,
    entry: Entry,
}

impl Log for Lines {
    fn event(&mut self, event: &Event<'_>) {
        self.text.push_str(&event.to_json());
        self.text.push('\n');
        // What stands in base64 in the log is looked into as well.
        self.text.push_str(&String::from_utf8_lossy(&event.wire));
        self.text.push('\n');
        self.entry.observe(event);
    }
}

fn b64(message: &str) -> String {
    STANDARD.encode(message)
}

/// Base64 of the canary as it stands inside a longer text, whatever came before it.
fn in_base64() -> Vec<String> {
    (0..3)
        .map(|shift| {
            let padded = STANDARD.encode(format!("{}{CANARY}", "x".repeat(shift)));
            // The first and the last letters depend on the neighbours.
            padded[if shift == 0 { 0 } else { 4 }..padded.trim_end_matches('=').len() - 2].to_owned()
        })
        .collect()
}

/// What may not be read anywhere, in lower case: servers and logs may change the case of a word.
fn forms() -> Vec<String> {
    let mut forms = in_base64();
    forms.push(CANARY.to_owned());
    forms.extend([CANARY, &b64(CANARY), &b64(&format!("\0joe\0{CANARY}"))].map(hash));
    forms.iter().map(|form| form.to_ascii_lowercase()).collect()
}

fn hash(secret: &str) -> String {
    Sha256::digest(secret).iter().map(|byte| format!("{byte:02x}")).collect()
}

const KEPT: Config = Config { keep_secrets: true, bodies: u64::MAX };

fn run(protocol: &str, turns: &Turns, cut: usize, config: Config) -> (String, Vec<u8>) {
    let (spec, _) = proto::scheme(protocol).unwrap();
    let mut session = Session::new(spec, proto::Setup::default(), false, config);
    let (mut log, mut sent) = (Lines::default(), Vec::new());
    for (side, bytes) in turns {
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        for part in [first, second] {
            let mut out = Outbox::default();
            session.bytes(Stamp(0), *side, part, &mut log, &mut out);
            assert_eq!(out.next, Next::Relay);
            if *side == Side::Client {
                sent.extend_from_slice(&part[..out.pass]);
            }
            sent.extend_from_slice(&out.to_server);
        }
    }
    session.close(Stamp(0), mailtap::event::Origin::Client, "over", &mut log);
    log.text.push_str(&format!("{:?}", log.entry));
    (log.text, sent)
}

/// `said` are the client's lines, with the server's answers between them.
fn holds(protocol: &str, said: &[(&str, &str)]) {
    let greeting = match protocol {
        "imap" => "* OK hi\r\n",
        "pop3" => "+OK hi <1.2@x>\r\n",
        "sieve" => "\"IMPLEMENTATION\" \"x\"\r\n\"SASL\" \"PLAIN\"\r\nOK\r\n",
        _ => "220 hi\r\n",
    };
    let mut turns: Turns = vec![(Side::Server, greeting.as_bytes().to_vec())];
    for (client, server) in said {
        turns.push((Side::Client, client.as_bytes().to_vec()));
        turns.push((Side::Server, server.as_bytes().to_vec()));
    }
    let longest = turns.iter().map(|(_, bytes)| bytes.len()).max().unwrap();
    let forms = forms();
    // Names in literals are looked into when they are whole; torn, they are not known to hold a secret.
    let named = said.iter().any(|(client, _)| client.contains("SELECT {") || client.contains("URLFETCH {"));
    for bodies in [u64::MAX, 0, 4] {
        let config = Config { bodies, ..Config::default() };
        let clean = |log: &str, cut: usize, hashes: bool| clean(log, &forms, hashes, protocol, said, cut);
        for cut in 0..=longest {
            let (log, sent) = run(protocol, &turns, cut, config);
            clean(&log, cut, true);
            let told: Vec<u8> =
                turns.iter().filter(|(side, _)| *side == Side::Client).flat_map(|(_, bytes)| bytes.clone()).collect();
            assert_eq!(sent, told, "the server got what the client said");
        }
        // The client's last words torn at every byte, and nothing after.
        for last in 1..turns.len() {
            if turns[last].0 == Side::Client {
                for cut in 0..turns[last].1.len() {
                    let mut torn = turns[..=last].to_vec();
                    torn[last].1.truncate(cut);
                    clean(&run(protocol, &torn, usize::MAX, config).0, cut, !named);
                }
            }
        }
    }
    let (kept, _) = run(protocol, &turns, usize::MAX, KEPT);
    let there = kept.contains(CANARY) || in_base64().iter().any(|part| kept.contains(part));
    assert!(there, "the test holds nothing if the canary is not in what is kept: {said:?}");
}

fn clean(log: &str, forms: &[String], hashes: bool, protocol: &str, said: &[(&str, &str)], cut: usize) {
    let folded = log.to_ascii_lowercase();
    let is_user = |hash_of: &str| ["", "j", "jo", "joe"].iter().any(|user| hash_of.starts_with(&hash(user)));
    // A hash of any part of the canary would be as bad; there is no other content in most of these conversations.
    let hashed =
        folded.match_indices("\"sha256\":\"").find(|(at, start)| hashes && !is_user(&folded[at + start.len()..]));
    let found = forms.iter().find_map(|form| folded.find(form)).or(hashed.map(|(at, _)| at));
    if let Some(at) = found {
        let line = folded[folded[..at].rfind('\n').map_or(0, |line| line + 1)..].lines().next().unwrap_or_default();
        panic!("{protocol}, cut at {cut}: the canary is in {line}\nin {said:?}");
    }
}

#[test]
fn imap_login_in_every_spelling() {
    let length = CANARY.len();
    let ok = "a OK in\r\n";
    let quoted = format!("a LOGIN joe \"{CANARY}\"\r\n");
    let escaped = format!("a login \"jo\\\"e\" \"x\\\"{CANARY}\\\\\"\r\n");
    holds("imap", &[(&format!("a LOGIN joe {CANARY}\r\n"), ok)]);
    holds("imap", &[(&format!("a  LoGiN  joe  {CANARY} \r\n"), ok)]);
    holds("imap", &[(&quoted, ok)]);
    holds("imap", &[(&escaped, ok)]);
    holds("imap", &[(&format!("a LOGIN joe {{{length}}}\r\n"), "+ go\r\n"), (&format!("{CANARY}\r\n"), ok)]);
    holds("imap", &[(&format!("a LOGIN joe {{{length}+}}\r\n{CANARY}\r\n"), ok)]);
    holds("imap", &[(&format!("a LOGIN {{3+}}\r\njoe {{{length}+}}\r\n{CANARY}\r\n"), ok)]);
    let steps = [
        ("a LOGIN {3}\r\n", "+ go\r\n"),
        (&*format!("joe {{{length}}}\r\n"), "+ go\r\n"),
        (&*format!("{CANARY}\r\n"), ok),
    ];
    holds("imap", &steps);
    holds("imap", &[(&format!("a LOGIN joe {CANARY} more\r\n"), "a BAD no\r\n")]);
    holds("imap", &[(&format!("a LOGIN joe {CANARY}\r\n"), "a NO [AUTHENTICATIONFAILED] no\r\n"), (&quoted, ok)]);
    // After something that makes no sense.
    holds("imap", &[("\x01\x02\r\n", "what?\r\n"), (&quoted, ok)]);
}

#[test]
fn pop3_passwords() {
    holds("pop3", &[("USER joe\r\n", "+OK\r\n"), (&format!("PASS {CANARY}\r\n"), "+OK\r\n")]);
    holds("pop3", &[("user joe\r\n", "+OK\r\n"), (&format!("  pass\t{CANARY} x\r\n"), "-ERR\r\n")]);
    holds("pop3", &[(&format!("APOP joe {CANARY}\r\n"), "+OK\r\n")]);
    holds("pop3", &[(&format!("APOP joe{CANARY}\r\n"), "-ERR\r\n")]);
    holds("pop3", &[(&format!("USER joe\r\nPASS {CANARY}\r\nSTAT\r\n"), "+OK\r\n+OK\r\n+OK 0 0\r\n")]);
}

/// The last command of a session names its user, in `close` and in every listing.
#[test]
fn a_password_in_the_place_of_the_user() {
    let pass = format!("PASS {CANARY}\r\n");
    holds("pop3", &[(&pass, "-ERR no\r\n"), (&format!("USER {CANARY}\r\n"), "+OK\r\n")]);
    let plain = b64(&format!("\0{CANARY}\0x"));
    holds("pop3", &[(&pass, "-ERR no\r\n"), (&format!("AUTH PLAIN {plain}\r\n"), "-ERR no\r\n")]);
    let again = format!("b LOGIN {CANARY} x\r\n");
    holds("imap", &[(&format!("a LOGIN joe {CANARY}\r\n"), "a NO no\r\n"), (&again, "b NO no\r\n")]);
    let said = [
        (&*format!("AUTH PLAIN {}\r\n", b64(&format!("\0joe\0{CANARY}"))), "535 no\r\n"),
        ("AUTH PLAIN\r\n", "334 \r\n"),
        (&*format!("{plain}\r\n"), "535 no\r\n"),
    ];
    holds("smtp", &said);
    holds("lmtp", &said);
}

#[test]
fn sasl_in_every_protocol_and_mechanism() {
    let plain = b64(&format!("\0joe\0{CANARY}"));
    let xoauth2 = b64(&format!("user=joe\x01auth=Bearer {CANARY}\x01\x01"));
    let bearer = b64(&format!("n,a=joe,\x01host=h\x01auth=Bearer {CANARY}\x01\x01"));
    let secret = b64(CANARY);
    let first = b64("n,,n=joe,r=abc");
    let last = b64(&format!("c=biws,r=abc,p={CANARY}"));
    let digest = b64(&format!("username=\"joe\",response={CANARY}"));
    let cram = b64(&format!("joe {CANARY}"));
    let challenge = b64("challenge");
    let (user, pass) = (b64("Username:"), b64("Password:"));
    let joe = b64("joe");
    // Mechanism, the responses in order, the server's prompts before each of them.
    let exchanges: Vec<(&str, Vec<(&str, &str)>)> = vec![
        ("PLAIN", vec![("", &plain)]),
        ("LOGIN", vec![(&user, &joe), (&pass, &secret)]),
        ("CRAM-MD5", vec![(&challenge, &cram)]),
        ("DIGEST-MD5", vec![(&challenge, &digest), (&challenge, "")]),
        ("SCRAM-SHA-1", vec![("", &first), (&challenge, &last)]),
        ("SCRAM-SHA-256", vec![("", &first), (&challenge, &last), (&challenge, "")]),
        ("XOAUTH2", vec![("", &xoauth2), (&challenge, "")]),
        ("OAUTHBEARER", vec![("", &bearer), (&challenge, "AQ==")]),
        ("NTLM", vec![("", &secret), (&challenge, &secret)]),
        ("GSSAPI", vec![("", &secret), (&challenge, &secret)]),
        ("X-UNKNOWN", vec![("", &secret)]),
        ("PLAIN", vec![("", &plain), (&challenge, "*")]),
    ];
    for protocol in ["imap", "smtp", "submission", "lmtp", "pop3"] {
        let (start, go, ok, no) = match protocol {
            "imap" => ("a AUTHENTICATE", "+ ", "a OK in\r\n", "a NO no\r\n"),
            "pop3" => ("AUTH", "+ ", "+OK in\r\n", "-ERR no\r\n"),
            _ => ("AUTH", "334 ", "235 2.7.0 in\r\n", "535 5.7.8 no\r\n"),
        };
        for (mechanism, steps) in &exchanges {
            for end in [ok, no] {
                // Each response waits for its prompt.
                let mut said: Vec<(String, String)> = Vec::new();
                let mut line = format!("{start} {mechanism}\r\n");
                for (prompt, response) in steps {
                    said.push((line, format!("{go}{prompt}\r\n")));
                    line = format!("{response}\r\n");
                }
                said.push((line, end.to_owned()));
                let said: Vec<(&str, &str)> = said.iter().map(|(client, server)| (&**client, &**server)).collect();
                holds(protocol, &said);
                // The first response on the command's own line, in lower case.
                let mut said: Vec<(String, String)> = Vec::new();
                let mut line = format!("{} {} {}\r\n", start.to_lowercase(), mechanism.to_lowercase(), steps[0].1);
                for (prompt, response) in &steps[1..] {
                    said.push((line, format!("{go}{prompt}\r\n")));
                    line = format!("{response}\r\n");
                }
                said.push((line, end.to_owned()));
                let said: Vec<(&str, &str)> = said.iter().map(|(client, server)| (&**client, &**server)).collect();
                holds(protocol, &said);
            }
        }
    }
}

/// A message of NTLM (MS-NLMP §2.2.1) of this kind, with values behind fields at these places.
fn ntlm(kind: u8, length: usize, fields: &[(usize, &[u8])]) -> String {
    let mut message = b"NTLMSSP\0".to_vec();
    message.extend([kind, 0, 0, 0]);
    message.resize(length, 0);
    for &(at, value) in fields {
        let offset = u32::try_from(message.len()).unwrap().to_le_bytes();
        message[at..at + 2].copy_from_slice(&u16::try_from(value.len()).unwrap().to_le_bytes());
        message[at + 4..at + 8].copy_from_slice(&offset);
        message.extend_from_slice(value);
    }
    STANDARD.encode(message)
}

#[test]
fn what_is_secret_in_a_token_is_not_read_from_it() {
    const RESPONSE: usize = 20;
    const USER: usize = 36;
    let honest = ntlm(3, 64, &[(USER, b"joe"), (RESPONSE, CANARY.as_bytes())]);
    // A user name that lies where the response does.
    let mut forged = STANDARD.decode(&honest).unwrap();
    let place: [u8; 8] = forged[RESPONSE..RESPONSE + 8].try_into().unwrap();
    forged[USER..USER + 8].copy_from_slice(&place);
    for third in [honest, STANDARD.encode(forged)] {
        let said = [
            ("AUTH NTLM\r\n", "334 \r\n"),
            (&*format!("{}\r\n", ntlm(1, 32, &[])), &*format!("334 {}\r\n", ntlm(2, 48, &[(12, b"CORP")]))),
            (&*format!("{third}\r\n"), "535 5.7.8 no\r\n"),
        ];
        holds("smtp", &said);
    }
}

#[test]
fn what_may_be_known_stands_in_the_log() {
    let error = b64(r#"{"status":"401"}"#);
    let turns: Turns = vec![
        (Side::Server, b"* OK hi\r\n".to_vec()),
        (Side::Client, b"a AUTHENTICATE XOAUTH2\r\n".to_vec()),
        (Side::Server, b"+ \r\n".to_vec()),
        (Side::Client, format!("{}\r\n", b64("user=joe\x01auth=Bearer x\x01\x01")).into_bytes()),
        (Side::Server, format!("+ {error}\r\n").into_bytes()),
        (Side::Client, b"\r\n".to_vec()),
        (Side::Server, b"a NO no\r\n".to_vec()),
    ];
    let (log, _) = run("imap", &turns, usize::MAX, Config::default());
    for part in ["\"user\":\"joe\"", "\"mechanism\":\"XOAUTH2\"", "\"step\":1", "{\\\"status\\\":\\\"401\\\"}"] {
        assert!(log.contains(part), "{part} in {log}");
    }
}

#[test]
fn what_a_server_says_again() {
    let plain = b64(&format!("\0joe\0{CANARY}"));
    let secret = b64(CANARY);
    let length = CANARY.len();
    let echo = |before: &str| format!("{before} bad password {CANARY}, or \"{CANARY}\"\r\n");
    holds("pop3", &[("USER joe\r\n", "+OK\r\n"), (&format!("PASS {CANARY}\r\n"), &echo("-ERR [AUTH]"))]);
    let untagged = echo("* BAD Invalid command LOGIN joe") + &echo("a BAD [X ").replace(", or", "] or");
    holds("imap", &[(&format!("a LOGIN joe {CANARY}\r\n"), &untagged)]);
    holds("imap", &[(&format!("a LOGIN joe \"{CANARY}\"\r\n"), &untagged)]);
    let literal = format!("a LOGIN joe {{{length}+}}\r\n{CANARY}\r\n");
    holds("imap", &[(&literal, &untagged)]);
    holds("imap", &[(&literal, "a OK in\r\n"), ("b NOOP\r\n", &echo("* OK [ALERT]"))]);
    for protocol in ["smtp", "lmtp"] {
        let said = [
            (&*format!("AUTH PLAIN {plain}\r\n"), &*format!("500 5.5.1 unrecognized: AUTH PLAIN {plain}\r\n")),
            ("NOOP\r\n", &echo("250-first\r\n250 and")),
            (&format!("NOOP {CANARY}\r\n"), "250 ok\r\n"),
        ];
        holds(protocol, &said);
        let go = format!("334 {}\r\n", b64(&format!("again, {CANARY} was wrong")));
        let said = [
            ("AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n"),
            (&*b64("joe"), ""),
            ("\r\n", "334 UGFzc3dvcmQ6\r\n"),
            (&*format!("{secret}\r\n"), &*go),
            ("*\r\n", &echo("535 5.7.8")),
        ];
        holds(protocol, &said);
    }
    // The password alone, in base64, where the response was a longer message.
    for echo in [secret.clone(), secret.trim_end_matches('=').to_owned(), CANARY.to_ascii_uppercase()] {
        holds("imap", &[(&format!("a AUTHENTICATE PLAIN {plain}\r\n"), &format!("a NO not \"{echo}\"\r\n"))]);
        holds("smtp", &[(&format!("AUTH PLAIN {plain}\r\n"), &format!("535 not {echo}\r\n"))]);
        holds("pop3", &[("AUTH PLAIN\r\n", "+ \r\n"), (&format!("{plain}\r\n"), &format!("-ERR {echo}?\r\n"))]);
    }
    // In a literal that is no message.
    let sieve = format!("AUTHENTICATE \"PLAIN\" \"{plain}\"\r\n");
    holds("sieve", &[(&sieve, &format!("NO {{{length}}}\r\n{CANARY}\r\n"))]);
    let long = format!("{}{CANARY}{}", "x ".repeat(20), " y".repeat(20));
    holds("sieve", &[(&sieve, &format!("NO (AUTH) {{{}}}\r\n{long}\r\n", long.len()))]);
    holds(
        "imap",
        &[
            (&format!("a LOGIN joe {CANARY}\r\n"), &format!("* ID (\"x\" {{{}}}\r\n{long})\r\na OK\r\n", long.len())),
            (&format!("b SELECT {{{length}+}}\r\n{CANARY}\r\n"), "b NO\r\n"),
        ],
    );
    // In the place of a name that the protocol gives.
    let names = [
        ("imap", format!("* ID (\"{CANARY}\" \"x\")\r\n* {CANARY} x\r\na NO [{CANARY} x] no\r\n")),
        ("smtp", format!("250-hi\r\n250-{CANARY} x\r\n250 {CANARY}\r\n")),
    ];
    holds("imap", &[(&format!("a LOGIN joe {CANARY}\r\n"), &names[0].1)]);
    holds("smtp", &[(&format!("AUTH PLAIN {plain}\r\n"), "535 no\r\n"), ("EHLO x\r\n", &names[1].1)]);
    // One that is no UTF-8, and what a text makes of it.
    for form in [format!("\u{e9}{CANARY}\u{e9}x"), format!("{CANARY}\u{fc}")] {
        let latin: Vec<u8> = form.chars().map(|c| c as u8).collect();
        let plain = STANDARD.encode([b"\0joe\0", latin.as_slice()].concat());
        let turns: Turns = vec![
            (Side::Server, b"+OK hi\r\n".to_vec()),
            (Side::Client, [b"PASS ", latin.as_slice(), b"\r\n"].concat()),
            (Side::Server, [b"-ERR not ", latin.as_slice(), b"\r\n"].concat()),
            (Side::Client, format!("AUTH PLAIN {plain}\r\n").into_bytes()),
            (Side::Server, [b"-ERR not ", latin.as_slice(), b"\r\n"].concat()),
        ];
        for turns in [&turns[..], &[&turns[..1], &turns[3..]].concat()] {
            clean(&run("pop3", &turns.to_vec(), 9, Config::default()).0, &forms(), true, "pop3", &[], 9);
        }
    }
    // A password of several words, repeated in part.
    holds("pop3", &[(&format!("PASS my {CANARY} pw\r\n"), &format!("-ERR my {CANARY}\r\n"))]);
    // As the name of a server, in a challenge of NTLM.
    let target = format!("+ {}\r\n", ntlm(2, 48, &[(12, CANARY.as_bytes())]));
    holds("imap", &[(&format!("a LOGIN joe {CANARY}\r\n"), "a NO no\r\n"), ("b AUTHENTICATE NTLM\r\n", &target)]);
    holds("sieve", &[(&sieve, &format!("NO (AUTH) \"bad password {CANARY}\"\r\n"))]);
}

#[test]
fn a_login_of_another_protocol() {
    let plain = b64(&format!("\0joe\0{CANARY}"));
    let lines = [
        format!("PASS {CANARY}\r\n"),
        format!("pass  {CANARY} x\r\n"),
        format!("LOGIN joe {CANARY}\r\n"),
        format!("a LOGIN joe \"{CANARY}\"\r\n"),
        format!("a1 authenticate PLAIN {plain}\r\n"),
        format!("AUTH PLAIN {plain}\r\n"),
        format!("AUTHENTICATE \"PLAIN\" \"{plain}\"\r\n"),
        format!("APOP joe {CANARY}\r\n"),
    ];
    for protocol in ["smtp", "lmtp", "imap", "pop3", "sieve"] {
        let no = match protocol {
            "imap" => "* BAD what? ",
            "pop3" => "-ERR what? ",
            "sieve" => "NO ",
            _ => "500 what? ",
        };
        for line in &lines {
            holds(protocol, &[(line, &format!("{no}\"{}\"\r\n", line.trim_end().replace('"', "")))]);
        }
    }
}

/// What a client says of a login after it was refused, cancelled, or is over.
#[test]
fn what_comes_too_late() {
    let (plain, secret, joe) = (b64(&format!("\0joe\0{CANARY}")), b64(CANARY), b64("joe"));
    let length = CANARY.len();
    let prompt = "VXNlcm5hbWU6";
    for (protocol, start, go, no, what) in [
        ("imap", "a AUTHENTICATE", "+", "a NO no\r\n", "* BAD"),
        ("smtp", "AUTH", "334", "535 no\r\n", "500"),
        ("lmtp", "AUTH", "334", "535 no\r\n", "500"),
        ("pop3", "AUTH", "+", "-ERR no\r\n", "-ERR"),
        ("sieve", "AUTHENTICATE", "", "NO\r\n", "NO"),
    ] {
        let quote = |text: &str| if protocol == "sieve" { format!("\"{text}\"\r\n") } else { format!("{text}\r\n") };
        let login = format!("{start} {}", quote("LOGIN"));
        let echo = |text: &str| format!("{what} \"{text}\"\r\n");
        let noop = if protocol == "imap" { "b NOOP\r\n" } else { "NOOP\r\n" };
        let (joe, late) = (quote(&joe), quote(&secret));
        let ask = format!("{go} {}", quote(prompt)).trim_start().to_owned();
        for said in [&secret, CANARY] {
            let (late, echo) = (quote(said), echo(said));
            // At once, after the name, after a cancel, behind an empty line and a command that is none of a login's.
            holds(protocol, &[(&login, no), (&late, &echo)]);
            holds(protocol, &[(&login, &ask), (&joe, no), (&late, &echo)]);
            holds(protocol, &[(&login, &ask), (&quote("*"), no), (&late, &echo)]);
            holds(protocol, &[(&login, no), ("\r\n", ""), (&late, &echo)]);
            holds(protocol, &[(&login, no), (noop, ""), (&late, &echo), (noop, ""), (&late, &echo)]);
        }
        let plain = quote(&plain);
        holds(protocol, &[(&login, no), (&plain, "")]);
        // Said once more.
        let ok = match protocol {
            "imap" => "a OK in\r\n",
            "pop3" => "+OK in\r\n",
            "sieve" => "OK\r\n",
            _ => "235 in\r\n",
        };
        holds(protocol, &[(&login, &ask), (&joe, &ask), (&late, ok), (&late, &echo(&secret))]);
    }
    let literal = format!("a LOGIN joe {{{length}}}\r\n");
    let line = format!("{CANARY}\r\n");
    holds("imap", &[(&literal, "a NO no\r\n"), (&line, &format!("{CANARY} BAD what?\r\n"))]);
    holds("imap", &[("a LOGIN {3}\r\n", "a BAD no\r\n"), (&format!("joe {CANARY}\r\n"), "joe BAD what?\r\n")]);
    holds("imap", &[("a LOGIN joe x\r\n", "a NO no\r\n"), (&format!("b {CANARY} {{3+}}\r\nabc\r\n"), "b BAD\r\n")]);
    holds("pop3", &[("USER joe\r\n", "+OK\r\n"), (&line, &format!("-ERR unknown {CANARY}\r\n"))]);
    holds("pop3", &[("USER joe\r\n", "+OK\r\n"), ("STAT\r\n", "-ERR\r\n"), (&line, "-ERR\r\n")]);
}

/// What a server takes for a login, and mailtap does not know.
#[test]
fn a_login_by_a_command_that_is_not_known() {
    let plain = format!("{}\r\n", b64(&format!("\0joe\0{CANARY}")));
    let secret = format!("{}\r\n", b64(CANARY));
    for (protocol, command, go, ok) in [
        ("imap", "a XAUTH PLAIN\r\n", "+ \r\n", "a OK in\r\n"),
        ("pop3", "XAUTH\r\n", "+ \r\n", "+OK in\r\n"),
        ("smtp", "XAUTH PLAIN\r\n", "334 \r\n", "235 in\r\n"),
        ("smtp", "EHLO x\rAUTH LOGIN\r\n", "334 \r\n", "235 in\r\n"),
        ("lmtp", "XAUTH\r\n", "334 \r\n", "235 in\r\n"),
    ] {
        holds(protocol, &[(command, go), (&plain, ok)]);
        holds(protocol, &[(command, go), (&secret, go), (&secret, ok)]);
        // A word that may be a command.
        holds(protocol, &[(command, go), (&format!("{CANARY}\r\n"), ok)]);
    }
    holds("sieve", &[("XAUTH\r\n", "\"\"\r\n"), (&format!("\"{}\"\r\n", plain.trim_end()), "OK\r\n")]);
    let length = CANARY.len();
    holds("imap", &[(&format!("a XLOGIN joe {{{length}+}}\r\n{CANARY}\r\n"), "a BAD no\r\n")]);
    holds("sieve", &[(&format!("XLOGIN {{{length}+}}\r\n{CANARY}\r\n"), "NO\r\n")]);
}

/// Logins with errors in them: before anybody is logged in, only what is a command is shown in full.
#[test]
fn a_login_that_is_misspelt() {
    let plain = b64(&format!("\0joe\0{CANARY}"));
    let lines = |protocol: &str| -> Vec<String> {
        let lines: Vec<String> = match protocol {
            "imap" => vec![
                format!("a AUTH PLAIN {plain}"),
                format!("a AUTH LOGIN {}", b64(CANARY)),
                format!("a PASS {CANARY}"),
                format!("a LOGIN\"joe\" \"{CANARY}\""),
                format!("a LOGIN\0joe {CANARY}"),
                format!("a LOGIN joe\0{CANARY}"),
                format!("a LOGIN joe{CANARY}"),
                format!("a LOGON joe {CANARY}"),
                format!("a LOGINN joe {CANARY}"),
                format!("LOGNI joe {CANARY}"),
                format!("a NOOP\ra LOGIN joe {CANARY}"),
                format!("a NOOP LOGIN joe {CANARY}"),
                format!("a SELECT INBOX\0LOGIN joe {CANARY}"),
                format!("a AUTHENTICATE {plain}"),
                format!("a AUTHENTICATE {}", b64(CANARY).trim_end_matches('=')),
                CANARY.to_owned(),
                plain.clone(),
            ],
            "pop3" => vec![
                format!("USER joe\rPASS {CANARY}"),
                format!("USER joe {CANARY}"),
                format!("PSAS {CANARY}"),
                format!("STAT PASS {CANARY}"),
                format!("RETR 1 PASS {CANARY}"),
                format!("AUTH {}", b64(CANARY).trim_end_matches('=')),
                plain.clone(),
            ],
            "sieve" => vec![
                format!("AUTHENTICAET \"PLAIN\" \"{plain}\""),
                format!("LOGOUT AUTHENTICATE \"PLAIN\" \"{plain}\""),
                format!("NOOP\rAUTHENTICATE \"PLAIN\" \"{plain}\""),
                format!("\"PLAIN\" \"{plain}\""),
            ],
            _ => vec![
                format!("AUHT PLAIN {plain}"),
                format!("\u{feff}AUTH PLAIN {plain}"),
                format!("\0AUTH PLAIN {plain}"),
                format!("A\u{8}AUTH PLAIN {plain}"),
                format!("HELP AUTH PLAIN {plain}"),
                format!("EHLO x AUTH PLAIN {plain}"),
                format!("EHLO x\rAUTH PLAIN {plain}"),
                format!("NOOP\0AUTH PLAIN {plain}"),
                format!("AUTH\u{b}PLAIN {plain}"),
                format!("AUTH PLAIN \0joe\0{CANARY}"),
                format!("Authorization: Basic {plain}"),
                format!("user joe\r\npass {CANARY}"),
            ],
        };
        lines
    };
    for protocol in ["imap", "pop3", "smtp", "lmtp", "sieve"] {
        let no = match protocol {
            "imap" => "a BAD no\r\n",
            "pop3" => "-ERR no\r\n",
            "sieve" => "NO\r\n",
            _ => "500 no\r\n",
        };
        for line in lines(protocol) {
            let line = format!("{line}\r\n");
            holds(protocol, &[(&line, no)]);
            // After garbage, and longer than the longest line.
            holds(protocol, &[("\x01\x02\r\n", no), (&line, &line)]);
        }
    }
    let padding = "x".repeat(66_000);
    for (protocol, line) in [
        ("imap", format!("a NOOP {padding} {CANARY}\r\n")),
        ("imap", format!("a XLOGIN joe {padding} {CANARY}\r\n")),
        ("pop3", format!("NOOP {padding} {CANARY}\r\n")),
        ("smtp", format!("NOOP {padding} {CANARY}\r\n")),
        ("smtp", format!("{padding} {CANARY}\r\n")),
        ("sieve", format!("XLOGIN {padding} {CANARY}\r\n")),
    ] {
        let turns: Turns = vec![(Side::Client, line.into_bytes())];
        for cut in [0, 100, 65_536, 66_000, usize::MAX] {
            clean(&run(protocol, &turns, cut, Config::default()).0, &forms(), true, protocol, &[], cut);
        }
    }
}

/// A login with one byte too many, too few, wrong or in the wrong place before the secret, as the client's first words or
/// after others; and the server says it again.
#[derive(Clone, Debug)]
struct Slip {
    protocol: &'static str,
    before: &'static [&'static str],
    line: String,
    at: usize,
    byte: u8,
    how: u8,
}

impl Slip {
    fn said(&self) -> Vec<u8> {
        let mut line = self.line.clone().into_bytes();
        // The canary itself, or the base64 of a message with it at its end, stays as it is.
        let secret = self.line.find(CANARY).or(self.line.find("AGpv")).unwrap();
        let at = self.at % secret;
        match self.how {
            0 => line.insert(at, self.byte),
            1 => drop(line.remove(at)),
            2 => line[at] = self.byte,
            _ => line.swap(at, (at + 1).min(secret - 1)),
        }
        line.extend_from_slice(b"\r\n");
        line
    }
}

fn slip() -> impl Strategy<Value = Slip> {
    let plain = b64(&format!("\0joe\0{CANARY}"));
    let lines = vec![
        ("imap", format!("a1 LOGIN joe {CANARY}")),
        ("imap", format!("a1 LOGIN \"joe\" \"{CANARY}\"")),
        ("imap", format!("a1 AUTHENTICATE PLAIN {plain}")),
        ("imap", format!("a1 LOGIN joe {{{}+}}\r\n{CANARY}", CANARY.len())),
        ("pop3", format!("PASS {CANARY}")),
        ("pop3", format!("USER joe\r\nPASS {CANARY}")),
        ("pop3", format!("APOP joe {CANARY}")),
        ("pop3", format!("AUTH PLAIN {plain}")),
        ("smtp", format!("AUTH PLAIN {plain}")),
        ("smtp", format!("EHLO x\r\nAUTH PLAIN {plain}")),
        ("lmtp", format!("AUTH PLAIN {plain}")),
        ("sieve", format!("AUTHENTICATE \"PLAIN\" \"{plain}\"")),
    ];
    let before: Vec<&'static [&'static str]> =
        vec![&[], &["\x01\x02"], &["NOOP"], &["a0 NOOP"], &["", "QUIT"], &["AUTH"]];
    let byte = prop_oneof![any::<u8>(), proptest::sample::select(b"\r\n \0\t\"{}+*aX".to_vec())];
    (proptest::sample::select(lines), proptest::sample::select(before), any::<usize>(), byte, 0_u8..4)
        .prop_map(|((protocol, line), before, at, byte, how)| Slip { protocol, before, line, at, byte, how })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_slip_of_the_fingers_shows_nothing(slip in slip(), cut in 0_usize..40) {
        let no = match slip.protocol {
            "imap" => "* BAD no\r\n",
            "pop3" => "-ERR no\r\n",
            "sieve" => "NO\r\n",
            _ => "500 no\r\n",
        };
        let mut turns: Turns = vec![(Side::Server, b"220 hi\r\n".to_vec())];
        for line in slip.before {
            turns.push((Side::Client, format!("{line}\r\n").into_bytes()));
            turns.push((Side::Server, no.as_bytes().to_vec()));
        }
        let said = slip.said();
        turns.push((Side::Client, said.clone()));
        turns.push((Side::Server, no.as_bytes().to_vec()));
        // What waits has not been sent, and nobody can say it again.
        let (_, sent) = run(slip.protocol, &turns, cut, Config::default());
        if sent.ends_with(&said) {
            turns.push((Side::Server, [no.trim_end().as_bytes(), b" ", said.as_slice()].concat()));
        }
        let (log, _) = run(slip.protocol, &turns, cut, Config::default());
        clean(&log, &forms(), false, slip.protocol, &[(&said.escape_ascii().to_string(), no)], cut);
    }
}

/// What is hidden before a login is shown after it, and commands are shown at any time.
#[test]
fn what_is_no_login_is_shown() {
    let shown = |protocol: &str, turns: &[(Side, &str)], parts: &[&str]| {
        let turns: Turns = turns.iter().map(|(side, said)| (*side, said.as_bytes().to_vec())).collect();
        let (log, _) = run(protocol, &turns, usize::MAX, Config::default());
        for part in parts {
            assert!(log.contains(part), "{part} in {log}");
        }
    };
    use Side::{Client as C, Server as S};
    let said = [
        (S, "* OK hi\r\n"),
        (C, "a CAPABILITY\r\nb ID (\"name\" \"x y\")\r\nc LOGIN joe secret\r\nd SELECT \"my box\"\r\n"),
        (S, "a OK\r\nb OK\r\nc OK\r\nd OK\r\n"),
        (C, "e XFOO bar \"baz\"\r\nf NOOP\r\nLOGIN\r\n"),
    ];
    shown("imap", &said, &["b ID (\"name\" \"x y\")", "LOGIN joe «redacted»", "SELECT \"my box\"", "XFOO bar \"baz\""]);
    let said = [(S, "* PREAUTH hi\r\n"), (C, "e XFOO bar\r\n")];
    shown("imap", &said, &["XFOO bar"]);
    let said = [(S, "* OK hi\r\n"), (C, "e LOGON joe secret\r\n"), (S, "e BAD unknown command\r\n")];
    shown("imap", &said, &["e LOGON «redacted»", "unknown command"]);
    let said = [
        (S, "+OK hi\r\n"),
        (C, "USER joe\r\nPASS secret\r\nLIST 1\r\n"),
        (S, "+OK\r\n+OK\r\n+OK 1 2\r\n"),
        (C, "XFOO bar\r\n"),
    ];
    shown("pop3", &said, &["USER joe", "PASS «redacted»", "LIST 1", "XFOO bar"]);
    let said = [
        (S, "220 hi\r\n"),
        (
            C,
            "XFOO bar\r\nEHLO x\r\nMAIL FROM:<a@b> BODY=8BITMIME SIZE=1\r\nRCPT TO:<c@d>\r\nVRFY John Smith\r\nHELP MAIL\r\n",
        ),
    ];
    shown("smtp", &said, &["XFOO «redacted»", "EHLO x", "BODY=8BITMIME SIZE=1", "TO:<c@d>", "John Smith", "HELP MAIL"]);
}

#[test]
fn tokens_of_urls() {
    let url = format!("imap://joe@mail.example/Drafts;uidvalidity=1/;uid=2;URLAUTH=submit+joe:internal:{CANARY}");
    holds(
        "imap",
        &[(
            "a GENURLAUTH \"imap://x/;uid=2;urlauth=user+joe\" INTERNAL\r\n",
            &format!("* GENURLAUTH \"{url}\"\r\na OK\r\n"),
        )],
    );
    holds(
        "imap",
        &[(&format!("a URLFETCH \"{url}\" \"{url}\"\r\n"), &format!("* URLFETCH \"{url}\" NIL\r\na OK\r\n"))],
    );
    let literal = format!("{{{}}}\r\n{url}", url.len());
    holds("imap", &[("a GENURLAUTH \"imap://x/;uid=2\" INTERNAL\r\n", &format!("* GENURLAUTH {literal}\r\na OK\r\n"))]);
    holds("imap", &[(&format!("a URLFETCH {}\r\n", literal.replace('}', "+}")), "a OK\r\n")]);
    holds("smtp", &[(&format!("BURL {url} LAST\r\n"), &format!("554 5.6.6 {url} has no message\r\n"))]);
}
