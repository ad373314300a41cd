//! A test for each thing that makes IMAP hard to read, named after it.
//! Takes short conversations, compares all that was found in them.
//! Knows no session and no socket.

use super::*;

fn lines(script: &[(Side, &str)]) -> Vec<String> {
    let script: Vec<(Side, &[u8])> = script.iter().map(|(side, said)| (*side, said.as_bytes())).collect();
    summary(&talk(&script))
}

#[test]
fn a_synchronising_literal_waits_for_the_go_ahead() {
    let mut talk = Talk::new();
    talk.say(C, b"a APPEND x {5}\r\nhello\r\n");
    assert_eq!(talk.held(C), b"hello\r\n");
    talk.say(S, b"* 3 EXISTS\r\n");
    assert_eq!(talk.held(C), b"hello\r\n");
    talk.say(S, b"+ go\r\n");
    assert_eq!(talk.held(C), b"");
    assert_eq!(
        summary(&talk.out),
        [
            "C 0 command a APPEND {\"mailbox\":\"x\",\"bytes\":5}",
            "S 1 reply * EXISTS #3",
            "S 2 continue answers=0",
            "C 3 content 5 last of=0",
            "C 4 command  continues=0",
        ]
    );
}

#[test]
fn a_refused_literal_never_comes() {
    assert_eq!(
        lines(&[(C, "a APPEND x {5}\r\n"), (S, "a NO [TRYCREATE] no\r\n"), (C, "b NOOP\r\n"), (S, "b OK\r\n")]),
        [
            "C 0 command a APPEND {\"mailbox\":\"x\",\"bytes\":5}",
            "S 1 reply NO a TRYCREATE answers=0",
            "C 2 command b NOOP",
            "S 3 reply OK b answers=2",
        ]
    );
}

#[test]
fn a_reply_to_another_command_does_not_refuse_a_literal() {
    let mut talk = Talk::new();
    talk.say(C, b"z NOOP\r\na APPEND x {5}\r\nhello\r\n");
    talk.say(S, b"z BAD what\r\n");
    assert_eq!(talk.held(C), b"hello\r\n");
}

#[test]
fn literal_plus_and_literal8_do_not_wait() {
    let found = lines(&[(C, "a APPEND x ~{5+}\r\nhe\0lo\r\nb SELECT {3+}\r\nfoo\r\n")]);
    assert_eq!(found[1], "C 1 content 5 last of=0");
    assert_eq!(found[4], "C 4 content 3 last of=3");
    assert_eq!(found[5], "C 5 command  {\"mailbox\":\"foo\"} continues=3");
}

#[test]
fn a_literal_of_no_bytes() {
    assert_eq!(
        lines(&[(C, "a SELECT {0+}\r\n\r\n"), (S, "* LIST () NIL {0}\r\n\r\n* 1 FETCH (BODY[] {0}\r\n UID 3)\r\n")]),
        [
            "C 0 command a SELECT",
            "C 1 command  {\"mailbox\":\"\"} continues=0",
            "S 2 reply * LIST {\"flags\":[],\"delimiter\":null}",
            "S 3 reply * {\"flags\":[],\"delimiter\":null,\"mailbox\":\"\"} continues=2",
            "S 4 reply * FETCH #1 {\"BODY[]\":{\"bytes\":0}}",
            "S 5 reply * {\"UID\":3} continues=4",
        ]
    );
}

#[test]
fn braces_in_quotes_and_at_the_end_of_a_status_text_are_no_literal() {
    assert_eq!(
        lines(&[
            (C, "a SELECT \"{5}\"\r\nb SEARCH SUBJECT \"x {5}\r\n"),
            (S, "* OK see {5}\r\na NO [ALERT] {5}\r\n* 1 FETCH (UID 1 X \"{5}\r\nb OK {5+}\r\n"),
        ]),
        [
            "C 0 command a SELECT {\"mailbox\":\"{5}\"}",
            "C 1 command b SEARCH {\"keys\":[\"SUBJECT \\\"x {5}\\\"\"]}",
            "S 2 greeting OK None \"see {5}\"",
            "S 3 reply NO a ALERT answers=0",
            "S 4 reply * FETCH #1 {\"UID\":1,\"X\":\"{5}\"}",
            "S 5 reply OK b answers=1",
        ]
    );
}

#[test]
fn several_literals_in_one_command() {
    assert_eq!(
        lines(&[
            (C, "a RENAME {3}\r\n"),
            (S, "+\r\n"),
            (C, "foo {3}\r\n"),
            (S, "+\r\n"),
            (C, "bar\r\n"),
            (S, "a OK\r\n"),
        ]),
        [
            "C 0 command a RENAME",
            "S 1 continue answers=0",
            "C 2 content 3 last of=0",
            "C 3 command  {\"mailbox\":\"foo\"} continues=0",
            "S 4 continue answers=0",
            "C 5 content 3 last of=0",
            "C 6 command  {\"mailbox\":\"foo\",\"destination\":\"bar\"} continues=0",
            "S 7 reply OK a answers=0",
        ]
    );
}

#[test]
fn multiappend_and_catenate() {
    let found = lines(&[
        (C, "a APPEND x (\\Seen) {2+}\r\nhi (\\Draft) \" 7-Feb-1994 21:52:25 -0800\" {3+}\r\nho!\r\n"),
        (
            C,
            "b APPEND Drafts (\\Draft) CATENATE (URL \"/Drafts;UID=20\" TEXT {2+}\r\nhi URL \"/x\" TEXT {1+}\r\n!)\r\n",
        ),
    ]);
    assert_eq!(
        found,
        [
            "C 0 command a APPEND {\"mailbox\":\"x\",\"flags\":[\"\\\\Seen\"],\"bytes\":2}",
            "C 1 content 2 last of=0",
            "C 2 command  {\"flags\":[\"\\\\Draft\"],\"date\":\" 7-Feb-1994 21:52:25 -0800\",\"bytes\":3} continues=0",
            "C 3 content 3 last of=0",
            "C 4 command  continues=0",
            "C 5 command b APPEND {\"mailbox\":\"Drafts\",\"flags\":[\"\\\\Draft\"],\"catenate\":[\"URL /Drafts;UID=20\",\"TEXT {2}\"]}",
            "C 6 content 2 last of=5",
            "C 7 command  {\"mailbox\":\"Drafts\",\"flags\":[\"\\\\Draft\"],\"catenate\":[\"URL /Drafts;UID=20\",\"TEXT {2}\",\"URL /x\",\"TEXT {1}\"]} continues=5",
            "C 8 content 1 last of=5",
            "C 9 command  continues=5",
        ]
    );
}

#[test]
fn literals_of_the_server_never_wait() {
    assert_eq!(
        lines(&[(
            S,
            "* OK hi\r\n* 12 FETCH (UID 5 BODY[HEADER] {5}\r\nhello FLAGS (\\Seen) BINARY[1]<0> ~{3}\r\n\0\0\0 ENVELOPE (NIL {2}\r\nhi NIL) RFC822.SIZE 7)\r\n* LIST (\\Noselect) \"/\" {7}\r\nfoo/bar\r\n"
        )]),
        [
            "S 0 greeting OK None \"hi\"",
            "S 1 reply * FETCH #12 {\"UID\":5,\"BODY[HEADER]\":{\"bytes\":5}}",
            "S 2 content 5 last of=1",
            "S 3 reply * {\"FLAGS\":[\"\\\\Seen\"],\"BINARY[1]<0>\":{\"bytes\":3}} continues=1",
            "S 4 content 3 last of=1",
            "S 5 reply * {\"ENVELOPE\":{}} continues=1",
            "S 6 content 2 last of=1",
            "S 7 reply * {\"RFC822.SIZE\":7} continues=1",
            "S 8 reply * LIST {\"flags\":[\"\\\\Noselect\"],\"delimiter\":\"/\"}",
            "S 9 content 7 last of=8",
            "S 10 reply * {\"flags\":[\"\\\\Noselect\"],\"delimiter\":\"/\",\"mailbox\":\"foo/bar\"} continues=8",
        ]
    );
}

#[test]
fn idle_ends_with_done_or_without() {
    assert_eq!(
        lines(&[
            (C, "a IDLE\r\n"),
            (S, "+ idling\r\n* 4 EXISTS\r\n"),
            (C, "done\r\nb IDLE\r\n"),
            (S, "a OK\r\n+ idling\r\n"),
            (C, "c NOOP\r\n"),
        ]),
        [
            "C 0 command a IDLE",
            "S 1 continue answers=0",
            "S 2 reply * EXISTS #4",
            "C 3 command DONE continues=0",
            "C 4 command b IDLE",
            "S 5 reply OK a answers=0",
            "S 6 continue answers=4",
            "C 7 command c NOOP",
        ]
    );
}

#[test]
fn a_go_ahead_for_idle_is_none_for_the_literal_behind_it() {
    let mut talk = Talk::new();
    talk.say(C, b"a IDLE\r\nDONE\r\nb SELECT {1}\r\nx\r\n");
    talk.say(S, b"+ idling\r\na OK\r\n");
    assert_eq!(talk.held(C), b"x\r\n");
    talk.say(S, b"+ go\r\n");
    assert_eq!(talk.held(C), b"");
}

#[test]
fn preauth_and_bye_greet_too() {
    assert_eq!(lines(&[(S, "* PREAUTH in\r\n")]), ["S 0 greeting PREAUTH None \"in\""]);
    assert_eq!(
        lines(&[(S, "* BYE [ALERT] off\r\n* BYE again\r\n")]),
        ["S 0 greeting BYE Some(\"ALERT\") \"off\"", "S 1 reply BYE"]
    );
}

#[test]
fn pipelined_commands_are_answered_in_any_order() {
    assert_eq!(
        lines(&[(C, "1 NOOP\r\n2 CHECK\r\n3 CLOSE\r\n"), (S, "3 OK\r\n1 OK\r\n9 OK\r\n2 NO\r\n")])[3..],
        ["S 3 reply OK 3 answers=2", "S 4 reply OK 1 answers=0", "S 5 reply OK 9", "S 6 reply NO 2 answers=1"]
    );
}

#[test]
fn a_client_that_pipelines_without_end_is_read_on_and_its_oldest_commands_are_forgotten() {
    let mut talk = Talk::new();
    let all: String = (0..1500).map(|number| format!("{number} NOOP\r\n")).collect();
    talk.say(C, all.as_bytes());
    assert_eq!(talk.out.pieces.len(), 1500);
    for number in 0..1500 {
        talk.say(S, format!("{number} OK\r\n").as_bytes());
    }
    let found = summary(&talk.out);
    assert_eq!(found[1500 + 499], "S 1999 reply OK 499");
    assert_eq!(found[1500 + 500], "S 2000 reply OK 500 answers=500");
}

#[test]
fn starttls_stops_at_the_reply() {
    let mut talk = Talk::new();
    talk.say(S, b"* OK [CAPABILITY STARTTLS] hi\r\n");
    talk.say(C, b"t1 STARTTLS\r\nx LOGIN joe pw\r\n");
    assert!(talk.dialog.upgrading());
    talk.say(S, b"* NO");
    assert_eq!((talk.held(S), talk.held(C)), (&b"* NO"[..], &b"x LOGIN joe pw\r\n"[..]));
    talk.say(S, b"TE\r\nt1 OK go\r\n* injected\r\n");
    assert_eq!(talk.upgrade, Some((b"t1 OK go\r\n".to_vec(), b"* injected\r\n".to_vec())));
    assert_eq!(talk.dialog.refusal("no"), b"t1 NO [UNAVAILABLE] no\r\n");
    talk.dialog.upgraded(true);
    assert!(!talk.dialog.upgrading());
    // What was held is the session's to drop. Then all begins anew, without a greeting.
    let mut fresh = Talk { out: Recorder::default(), ..Talk::new() };
    fresh.dialog = talk.dialog;
    fresh.say(S, b"* OK later\r\n");
    assert_eq!(summary(&fresh.out), ["S 0 reply OK"]);
}

#[test]
fn a_refused_starttls_goes_on_in_plaintext() {
    for (reply, done) in [(&b"t1 NO\r\n"[..], None), (b"t1 OK\r\n", Some(false))] {
        let mut talk = Talk::new();
        talk.say(C, b"t1 STARTTLS\r\nt2 NOOP\r\n");
        talk.say(S, reply);
        if let Some(done) = done {
            assert!(talk.dialog.upgrading());
            talk.dialog.upgraded(done);
            talk.say(C, b"");
        }
        talk.say(S, b"t2 OK\r\n");
        assert!(!talk.dialog.upgrading());
        assert_eq!(summary(&talk.out).last().unwrap(), "S 3 reply OK t2 answers=2");
    }
}

#[test]
fn the_offer_of_starttls_is_taken_out_where_it_leads_nowhere() {
    let mut talk = Talk::with(Setup { hide_starttls: true, ..Setup::default() });
    let said = b"* OK [CAPABILITY IMAP4rev1 STARTTLS ID] hi\r\n";
    talk.say(S, &said[..20]);
    assert_eq!(talk.held(S), &said[..20]);
    talk.say(S, &said[20..]);
    assert_eq!(talk.out.edits, [(26..35, vec![])]);
    assert_eq!(&said[26..35], b" STARTTLS");
    talk.say(S, b"* CAPABILITY STARTTLS\r\nx OK STARTTLS [CAPABILITY STARTTLS]\r\n");
    assert_eq!(talk.out.edits[1..], [(12..21, vec![])]);
}

#[test]
fn what_a_greeting_says_of_capabilities_is_taken_out_where_it_is_from_before_tls() {
    for (said, taken_out) in [
        (
            "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] hi\r\n",
            Some("[CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] "),
        ),
        ("* ok [capability IMAP4rev1]\r\n", Some("[capability IMAP4rev1]")),
        ("* OK [ALERT] hi [CAPABILITY x]\r\n", None),
    ] {
        let mut talk = Talk::with(Setup { hide_starttls: true, greeted_before_tls: true });
        talk.say(S, said.as_bytes());
        let edits: Vec<&str> = talk.out.edits.iter().map(|(range, _)| &said[range.clone()]).collect();
        assert_eq!(edits, Vec::from_iter(taken_out));
        talk.say(S, b"x OK [CAPABILITY IMAP4rev1] within TLS\r\n");
        assert_eq!(talk.out.edits.len(), edits.len());
    }
}

#[test]
fn compress_inflates_from_the_tagged_ok_on() {
    use std::io::Write;
    let deflate = |text: &str| {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.flush().unwrap();
        encoder.get_ref().clone()
    };
    let mut talk = Talk::new();
    let client = deflate("b LOGIN joe {2}\r\npw\r\n");
    talk.say(C, &[b"a COMPRESS DEFLATE\r\n", client.as_slice()].concat());
    assert_eq!(talk.held(C), client);
    talk.say(S, &[b"a OK on\r\n", deflate("+ go\r\nb OK in\r\n").as_slice()].concat());
    assert_eq!(talk.out.compress, ["DEFLATE"]);
    talk.end();
    let found = summary(&talk.out);
    assert_eq!(found[0], "C 0 command a COMPRESS {\"algorithm\":\"DEFLATE\"}");
    assert!(found.contains(&"C 2 command b LOGIN {\"user\":\"joe\"}".to_owned()), "{found:#?}");
    let content = talk.out.pieces.iter().find(|found| matches!(found.body, Body::Content(_))).unwrap();
    assert_eq!((content.wire.as_slice(), content.secrets.as_slice()), (&b"pw"[..], &[0..2][..]));
}

#[test]
fn a_broken_deflate_stream_is_raw() {
    let mut talk = Talk::new();
    talk.say(C, b"a COMPRESS DEFLATE\r\n");
    talk.say(S, b"a OK on\r\n\xff\xff\xff\xff");
    talk.say(S, b"more");
    assert_eq!(talk.out.notes.len(), 1);
    assert_eq!(talk.out.notes[0].code, "lost-sync");
    assert!(talk.wire(S).ends_with(b"more"));
}

#[test]
fn a_deflate_bomb_is_read_in_small_pieces() {
    use std::io::Write;
    let mut talk = Talk::new();
    talk.say(C, b"a COMPRESS DEFLATE\r\n");
    talk.say(S, b"a OK on\r\n");
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(b"* 1 FETCH (BODY[] {50000000}\r\n").unwrap();
    encoder.write_all(&vec![0; 50_000_000]).unwrap();
    encoder.write_all(b")\r\n").unwrap();
    encoder.flush().unwrap();
    let bomb = encoder.get_ref().clone();
    assert!(bomb.len() < 100_000);
    talk.say(S, &bomb);
    assert_eq!(summary(&talk.out)[3..], ["S 3 content 50000000 last of=2", "S 4 reply * continues=2"]);
}

#[test]
fn a_refused_compress_changes_nothing() {
    assert_eq!(
        lines(&[(C, "a COMPRESS DEFLATE\r\nb NOOP\r\n"), (S, "a NO [COMPRESSIONACTIVE] x\r\n"), (S, "b OK\r\n")])[1..],
        ["S 1 reply NO a COMPRESSIONACTIVE answers=0", "C 2 command b NOOP", "S 3 reply OK b answers=2"]
    );
}

#[test]
fn a_sasl_security_layer_is_raw_and_noted() {
    let out = talk(&[
        (C, b"a AUTHENTICATE GSSAPI\r\n"),
        (S, b"+ \r\n"),
        (C, b"YWJj\r\n"),
        (S, b"a OK in\r\n\0\0\0\x05abc\nd"),
        (C, b"\0\0\0\x05a LOGIN joe pw\r\n"),
        (S, b"\0\0\0\x01\n"),
    ]);
    assert_eq!(out.notes.iter().map(|note| note.code.as_str()).collect::<Vec<_>>(), ["sasl-security-layer"]);
    assert!(summary(&out)[4..].iter().all(|line| line.contains(" raw ")));
    let plain = talk(&[(C, b"a AUTHENTICATE GSSAPI\r\n"), (S, b"a OK in\r\n* 1 EXISTS\r\n"), (C, b"b NOOP\r\n")]);
    assert_eq!(plain.notes, []);
}

#[test]
fn channel_binding_is_noted() {
    let out = talk(&[(C, b"a AUTHENTICATE SCRAM-SHA-256-PLUS\r\n")]);
    assert_eq!(out.notes[0].code, "channel-binding");
    assert_eq!(out.notes[0].about, Some(0));
}

#[test]
fn unauthenticate_starts_anew() {
    let found = lines(&[
        (C, "a ENABLE UTF8=ACCEPT\r\n"),
        (S, "* ENABLED UTF8=ACCEPT\r\na OK\r\n"),
        (C, "b SELECT \"&AOQ-\"\r\nc UNAUTHENTICATE\r\n"),
        (S, "b OK\r\nc OK\r\n"),
        (C, "d SELECT \"&AOQ-\"\r\n"),
    ]);
    assert_eq!(found[3], "C 3 command b SELECT {\"mailbox\":\"&AOQ-\"}");
    assert_eq!(found[7], "C 7 command d SELECT {\"mailbox\":\"ä\"}");
}

#[test]
fn after_nonsense_both_sides_are_read_on() {
    let out = talk(&[
        (S, b"220 mail ESMTP\r\nmore\r\n* OK hi\r\n"),
        (C, b"EHLO\r\n\r\n\xff\xfe\r\na1 NOOP\r\n"),
        (S, b"a1 OK\r\n"),
    ]);
    assert_eq!(out.notes.len(), 1);
    let found = summary(&out);
    assert!(found[1].starts_with("S 1 greeting"), "{found:#?}");
    assert_eq!(found[3..], ["C 3 command a1 NOOP", "S 4 reply OK a1 answers=3"]);
}

#[test]
fn a_line_of_megabytes() {
    let mut script = b"* OK hi\r\n* SEARCH".to_vec();
    while script.len() < 3_000_000 {
        script.extend_from_slice(b" 1234567");
    }
    script.extend_from_slice(b"\r\n* LIST () \"/\" \"");
    script.extend(vec![b'x'; 100_000]);
    script.extend_from_slice(b" {3}\" {3}\r\nabc\r\n* 1 EXISTS\r\n");
    let out = talk(&[(S, &script)]);
    let found = summary(&out);
    assert_eq!(found.iter().filter(|line| line.contains("reply * SEARCH")).count(), 1);
    assert!(found.iter().any(|line| line.contains("content 3 last")));
    assert!(found.last().unwrap().ends_with("reply * EXISTS #1"));
    assert_eq!(out.notes, []);
    assert_eq!(out.pieces.iter().flat_map(|found| found.wire.clone()).collect::<Vec<_>>(), script);
}

#[test]
fn a_long_command_line_with_a_literal_at_its_end() {
    let line = format!("a UID FETCH {} (BODY[HEADER.FIELDS ({{2+}}\r\n", "1,".repeat(60_000));
    let out = talk(&[(C, line.as_bytes()), (C, b"To)])\r\nb NOOP\r\n")]);
    let found = summary(&out);
    assert!(found.iter().any(|line| line.contains("content 2 last of=0")), "{found:#?}");
    assert!(found.last().unwrap().ends_with("command b NOOP"));
}

#[test]
fn a_released_client_is_read_as_it_means_it() {
    let mut talk = Talk::new();
    talk.say(C, b"a APPEND x {5}\r\nhello\r\nb NOOP\r\n");
    talk.dialog.release();
    talk.say(C, b"");
    assert_eq!(summary(&talk.out)[1..], ["C 1 content 5 last of=0", "C 2 command  continues=0", "C 3 command b NOOP"]);
}
