//! Legs of which one has TLS and the other has not, for every combination of schemes: the least edits that work.
//! Takes peers that do as they are told; gives what each side was told, compared byte by byte.
//! Does not use real servers; those have tests of their own.

use std::thread;

use crate::support::recording::Recording;
use crate::support::tls_peer::{BOTH_VERSIONS, Bench, Peer};
use crate::tls_upgrade::over;

/// One protocol on unequal legs.
pub struct Unequal {
    pub plain: &'static str,
    /// TLS from the first byte, where the protocol has it.
    pub implicit: Option<&'static str>,
    /// The right side's scheme for an upgrade of mailtap's own.
    pub upgraded: &'static str,
    pub greeting: &'static str,
    /// What mailtap itself says before and for an upgrade of the server leg, each with the server's answer.
    pub own: &'static [(&'static str, &'static str)],
    /// What a server says again once it has TLS.
    pub again: &'static str,
    /// What the client says, what the server answers, and what the client is to hear of that.
    pub talk: &'static [(&'static str, &'static str, &'static str)],
    /// The greeting (or what stands for it) as the client is to hear it where the offer of TLS leads nowhere.
    hidden_greeting: &'static str,
    /// The same after an upgrade of mailtap's own, where the greeting is from before TLS.
    pub own_greeting: &'static str,
}

pub const ALL: [Unequal; 4] = [
    Unequal {
        plain: "imap",
        implicit: Some("imaps"),
        upgraded: "imap+starttls",
        greeting: "* OK [CAPABILITY IMAP4rev1 STARTTLS IDLE] ready\r\n",
        own: &[("STARTTLS\r\n", " OK begin\r\n")],
        again: "",
        talk: &[
            (
                "a CAPABILITY\r\n",
                "* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN\r\na OK STARTTLS may follow\r\n",
                "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\na OK STARTTLS may follow\r\n",
            ),
            ("b LOGIN joe Canary-7\r\n", "b OK in\r\n", "b OK in\r\n"),
            ("c NOOP\r\n", "* 1 EXISTS\r\nc OK done\r\n", "* 1 EXISTS\r\nc OK done\r\n"),
        ],
        hidden_greeting: "* OK [CAPABILITY IMAP4rev1 IDLE] ready\r\n",
        own_greeting: "* OK ready\r\n",
    },
    Unequal {
        plain: "pop3",
        implicit: Some("pop3s"),
        upgraded: "pop3+starttls",
        greeting: "+OK STLS is only a word here <1896.697170952@mail.example>\r\n",
        own: &[("STLS\r\n", "+OK begin\r\n")],
        again: "",
        talk: &[
            ("CAPA\r\n", "+OK list\r\nTOP\r\nSTLS\r\nUSER\r\n.\r\n", "+OK list\r\nTOP\r\nUSER\r\n.\r\n"),
            ("USER joe\r\n", "+OK\r\n", "+OK\r\n"),
            ("PASS Canary-7\r\n", "+OK in\r\n", "+OK in\r\n"),
            (
                "RETR 1\r\n",
                "+OK it follows\r\nSubject: x\r\n\r\nSTLS\r\n.\r\n",
                "+OK it follows\r\nSubject: x\r\n\r\nSTLS\r\n.\r\n",
            ),
        ],
        hidden_greeting: "+OK STLS is only a word here <1896.697170952@mail.example>\r\n",
        own_greeting: "+OK STLS is only a word here <1896.697170952@mail.example>\r\n",
    },
    Unequal {
        plain: "submission",
        implicit: Some("submissions"),
        upgraded: "submission+starttls",
        greeting: "220 mx.example ESMTP STARTTLS\r\n",
        own: &[("EHLO ", "250-mx.example\r\n250 STARTTLS\r\n"), ("STARTTLS\r\n", "220 2.0.0 begin\r\n")],
        again: "",
        talk: &[
            (
                "EHLO c.example\r\n",
                "250-mx.example\r\n250-SIZE 99\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n",
                "250-mx.example\r\n250-SIZE 99\r\n250 AUTH PLAIN\r\n",
            ),
            ("AUTH PLAIN AGpvZQBDYW5hcnktNw==\r\n", "235 2.7.0 in\r\n", "235 2.7.0 in\r\n"),
            ("NOOP STARTTLS\r\n", "250-STARTTLS\r\n250 done\r\n", "250-STARTTLS\r\n250 done\r\n"),
        ],
        hidden_greeting: "220 mx.example ESMTP STARTTLS\r\n",
        own_greeting: "220 mx.example ESMTP STARTTLS\r\n",
    },
    Unequal {
        plain: "sieve",
        implicit: None,
        upgraded: "sieve+starttls",
        greeting: "\"IMPLEMENTATION\" \"x\"\r\n\"STARTTLS\"\r\n\"SASL\" \"\"\r\nOK\r\n",
        own: &[("STARTTLS\r\n", "OK\r\n")],
        again: "\"IMPLEMENTATION\" \"x\"\r\n\"SASL\" \"PLAIN\"\r\nOK\r\n",
        talk: &[
            ("AUTHENTICATE \"PLAIN\" \"AGpvZQBDYW5hcnktNw==\"\r\n", "OK\r\n", "OK\r\n"),
            ("NOOP \"STARTTLS\"\r\n", "OK (TAG \"STARTTLS\") \"done\"\r\n", "OK (TAG \"STARTTLS\") \"done\"\r\n"),
        ],
        hidden_greeting: "",
        own_greeting: "\"IMPLEMENTATION\" \"x\"\r\n\"SASL\" \"PLAIN\"\r\nOK\r\n",
    },
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Leg {
    Plain,
    Implicit,
    Upgraded,
}

impl Unequal {
    fn scheme(&self, leg: Leg) -> Option<&'static str> {
        match leg {
            Leg::Plain => Some(self.plain),
            Leg::Implicit => self.implicit,
            Leg::Upgraded => Some(self.upgraded),
        }
    }

    #[track_caller]
    fn run(&self, left: Leg, right: Leg) {
        let (Some(left_scheme), Some(right_scheme)) = (self.scheme(left), self.scheme(right)) else { return };
        let what = format!("{left_scheme} to {right_scheme}");
        let bench = Bench::start(left_scheme, right_scheme, &[]);
        let mut near = bench.client();
        let near = thread::spawn({
            let trusting = bench.trusting();
            move || {
                if left == Leg::Implicit {
                    near.start_tls(&trusting, "localhost").expect("the client's handshake");
                }
                near
            }
        });
        let mut far = bench.server();
        if right == Leg::Implicit {
            far.serve_tls(&bench.showing()).expect("the server's handshake");
        }
        far.say(self.greeting);
        if right == Leg::Upgraded {
            self.own_upgrade(&bench, &mut far);
        }
        let mut near = near.join().expect("no panic");
        let equal = left == right;
        let greeting = match () {
            () if right == Leg::Upgraded => self.own_greeting,
            () if equal => self.greeting,
            () => self.hidden_greeting,
        };
        near.hear(greeting);
        for (line, answer, hidden) in self.talk {
            near.say(line);
            far.hear(line);
            far.say(answer);
            near.hear(if equal { answer } else { hidden });
        }
        let recording = over(&bench, near, far);
        self.check(&recording, left, right, &what);
    }

    /// The server hears a command of mailtap's own; gives its answer.
    #[track_caller]
    pub fn own_command(&self, far: &mut Peer, number: usize) -> String {
        let (begins, answer) = self.own[number];
        let line = format!("{}\r\n", far.line());
        if self.plain == "imap" {
            let (tag, rest) = line.split_once(' ').expect("a tag");
            assert_eq!(rest, begins);
            return format!("{tag}{answer}");
        }
        assert!(line.starts_with(begins), "{line}");
        answer.to_owned()
    }

    #[track_caller]
    pub fn own_upgrade(&self, bench: &Bench, far: &mut Peer) {
        for number in 0..self.own.len() {
            let answer = self.own_command(far, number);
            far.say(answer);
        }
        far.serve_tls(&bench.showing()).expect("the server's handshake");
        far.say(self.again);
    }

    #[track_caller]
    fn check(&self, recording: &Recording, left: Leg, right: Leg, what: &str) {
        let dump = recording.dump();
        for (side, leg) in [("client", left), ("server", right)] {
            let tls: Vec<_> = recording.of_kind("tls").into_iter().filter(|event| event["from"] == side).collect();
            let how: Vec<&str> = tls.iter().filter_map(|event| event["how"].as_str()).collect();
            let wanted: &[&str] = match leg {
                Leg::Plain => &[],
                Leg::Implicit => &["implicit"],
                Leg::Upgraded => &["starttls"],
            };
            assert_eq!(how, wanted, "{what}: {dump}");
        }
        // What the server said is recorded as it said it, the offer included.
        let said = format!(
            "{}{}{}{}",
            self.greeting,
            if right == Leg::Upgraded { self.own_answers() } else { String::new() },
            if right == Leg::Upgraded { self.again } else { "" },
            self.talk.iter().map(|(_, answer, _)| *answer).collect::<String>()
        );
        let recorded = String::from_utf8_lossy(&recording.stream("server").concat()).into_owned();
        assert_eq!(without_tag(&recorded), without_tag(&said), "{what}");
        let edits = recording.note_codes().iter().filter(|code| *code == "starttls-hidden").count();
        let noted = recording.note_codes().join(" ");
        if left == right {
            assert_eq!(edits, 0, "{what}: {dump}");
        } else if self.plain != "sieve" {
            assert!(edits > 0, "{what}: an edit is an event: {noted}\n{dump}");
        }
        let own = recording.note_codes().iter().filter(|code| *code == "own-command").count();
        assert_eq!(own, if right == Leg::Upgraded { self.own.len() } else { 0 }, "{what}: {noted}");
        assert_eq!(left == Leg::Plain, noted.contains("plaintext-password"), "{what}: {noted}");
        assert!(!dump.contains("Canary-7") && !dump.contains("AGpvZQBDYW5hcnktNw"), "{what}: a password is logged");
    }

    fn own_answers(&self) -> String {
        self.own
            .iter()
            .map(|(_, answer)| if self.plain == "imap" { format!("x{answer}") } else { (*answer).to_owned() })
            .collect()
    }
}

/// mailtap's own tag is its own affair.
fn without_tag(text: &str) -> String {
    text.lines()
        .map(|line| line.split_once(' ').filter(|(_, rest)| *rest == "OK begin").map_or(line, |(_, rest)| rest))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn every_combination_of_legs_works_with_the_least_edits() {
    thread::scope(|scope| {
        for unequal in &ALL {
            scope.spawn(move || {
                for left in [Leg::Plain, Leg::Implicit] {
                    for right in [Leg::Plain, Leg::Implicit, Leg::Upgraded] {
                        unequal.run(left, right);
                    }
                }
            });
        }
    });
}

#[test]
fn a_server_that_greets_with_preauth_cannot_be_upgraded() {
    let bench = Bench::start("imap", "imap+starttls", &[]);
    let (mut near, mut far) = bench.both();
    // RFC 3501 §6.2.1: STARTTLS is for the state before authentication alone.
    far.say("* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] logged in as joe\r\n");
    let told = near.line();
    assert!(told.starts_with("* BYE ") && told.contains("mailtap: ") && told.contains("PREAUTH"), "{told}");
    near.end();
    assert_eq!(far.rest().0, b"", "no STARTTLS is said");
    let recording = bench.recording();
    assert!(recording.note_codes().contains(&"upstream-tls".to_owned()), "{}", recording.dump());
}

#[test]
fn a_server_without_starttls_is_not_taken_for_one_that_has_it() {
    for (scheme, right, greeting, asked, no) in [
        ("imap", "imap+starttls", "* OK ready\r\n", 1, "BAD unknown\r\n"),
        ("pop3", "pop3+starttls", "+OK ready\r\n", 1, "-ERR unknown\r\n"),
        ("smtp", "smtp+starttls", "220 mx.example\r\n", 2, "502 5.5.1 unknown\r\n"),
    ] {
        let bench = Bench::start(scheme, right, &[]);
        let (mut near, mut far) = bench.both();
        far.say(greeting);
        for _ in 0..asked {
            let line = far.line();
            if line.starts_with("EHLO") {
                far.say("250 mx.example\r\n");
            } else if scheme == "imap" {
                far.say(format!("{} {no}", line.split(' ').next().unwrap_or_default()));
            } else {
                far.say(no);
            }
        }
        let told = near.line();
        assert!(told.contains("mailtap: "), "{told}");
        assert!(!told.contains(greeting.trim_end()), "the greeting would promise a session: {told}");
        near.end();
        assert_eq!(far.rest().0, b"");
        assert!(bench.recording().note_codes().contains(&"upstream-tls".to_owned()));
    }
}

#[test]
fn logindisabled_is_left_and_explained() {
    let bench = Bench::start("imaps", "imap", &[]);
    let trusting = bench.trusting();
    let mut near = bench.client();
    let near = thread::spawn(move || {
        near.start_tls(&trusting, "localhost").expect("the client's handshake");
        near
    });
    let mut far = bench.server();
    far.say("* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready\r\n");
    let mut near = near.join().expect("no panic");
    near.hear("* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] ready\r\n");
    let recording = over(&bench, near, far);
    let note = recording.of_kind("note").into_iter().find(|note| note["code"] == "login-disabled");
    let note = note.unwrap_or_else(|| panic!("no explanation in\n{}", recording.dump()));
    assert!(note["text"].as_str().is_some_and(|text| text.contains("+starttls")), "{note}");
}

#[test]
fn a_client_that_upgrades_although_nothing_offers_it_is_left_to_its_server() {
    for (left, right) in [("imap", "imaps"), ("imaps", "imap")] {
        let bench = Bench::start(left, right, &[]);
        let trusting_mailtap = bench.trusting();
        let mut near = bench.client();
        let near = thread::spawn(move || {
            if left == "imaps" {
                near.start_tls(&trusting_mailtap, "localhost").expect("the client's handshake");
            }
            near
        });
        let mut far = bench.server();
        if right == "imaps" {
            far.serve_tls(&bench.showing()).expect("the server's handshake");
        }
        far.say("* OK ready\r\n");
        let mut near = near.join().expect("no panic");
        near.hear("* OK ready\r\n");
        near.say("a STARTTLS\r\n");
        far.hear("a STARTTLS\r\n");
        far.say("a OK begin\r\n");
        near.hear("a OK begin\r\n");
        let server = bench.showing();
        let far = thread::spawn(move || {
            far.serve_tls(&server).expect("the inner handshake of the server");
            far
        });
        let inner = crate::support::tls_peer::trusting(&bench.authority.root(), BOTH_VERSIONS, &[]);
        near.start_tls(&inner, "localhost").expect("the inner handshake of the client");
        let mut far = far.join().expect("no panic");
        near.say("b NOOP\r\n");
        far.hear("b NOOP\r\n");
        let recording = over(&bench, near, far);
        assert_eq!(recording.of_kind("tls").len(), 1, "one leg has TLS of mailtap's\n{}", recording.dump());
        assert!(recording.note_codes().contains(&"starttls-in-tls".to_owned()), "{}", recording.dump());
    }
}
