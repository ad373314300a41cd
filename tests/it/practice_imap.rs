//! The practice server's IMAP, spoken to line by line, by one client and by two at once.
//! Takes a server in this process; gives nothing but failures.
//! Does not know what Dovecot says: another test compares with it.

use std::io::{Read, Write};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::practice_kit::{Practice, Talk};

const MESSAGE: &str = "From: Jo <jo@a.example>\r\nTo: bob@practice.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
    Date: Mon, 2 Feb 2026 10:00:00 +0100\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello W=C3=B6rld\r\n\
    --b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nR3LDvMOfZQ==\r\n\
    --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ntext\r\n--b--\r\n";

fn with_messages(count: usize) -> (Practice, Talk) {
    let practice = Practice::start();
    let mut talk = practice.imap("bob");
    for n in 1..=count {
        let tagged = talk.append("INBOX", "", &format!("Subject: number {n}\r\n\r\ntext {n}\r\n"));
        assert!(tagged.starts_with("OK [APPENDUID "), "{tagged}");
    }
    // Twice, so that the messages are not recent any more.
    talk.ok("SELECT INBOX");
    talk.ok("SELECT INBOX");
    (practice, talk)
}

#[test]
fn select_tells_what_the_mailbox_has() {
    let (practice, mut talk) = with_messages(2);
    practice.deliver("bob", "Subject: new\r\n\r\nx");
    talk.ok("UNSELECT");
    let lines = talk.ok("SELECT inbox").join("\n");
    for part in [
        "* FLAGS (",
        "* OK [PERMANENTFLAGS (",
        "* 3 EXISTS",
        "* 1 RECENT",
        "[UNSEEN 1]",
        "[UIDVALIDITY ",
        "[UIDNEXT 4]",
    ] {
        assert!(lines.contains(part), "{part} is not in {lines}");
    }
    assert!(talk.ok("EXAMINE INBOX").concat().contains("* 0 RECENT"), "recent is told once");
    assert_eq!(talk.status("STORE 1 FLAGS (\\Seen)"), "NO [READ-ONLY]");
    assert_eq!(talk.status("SELECT Nowhere"), "NO Mailbox");
    assert_eq!(talk.imap("FETCH 1 FLAGS").1, "BAD No mailbox selected.", "a failed SELECT leaves nothing selected");
}

#[test]
fn fetch_gives_every_section() {
    let (_practice, mut talk) = with_messages(0);
    talk.append("INBOX", "(\\Flagged $Label) \"05-Feb-2026 12:00:00 +0200\" ", MESSAGE);
    talk.ok("SELECT INBOX");
    talk.ok("SELECT INBOX");
    let one = |talk: &mut Talk, what: &str| talk.ok(&format!("FETCH 1 {what}")).pop().unwrap();
    assert_eq!(one(&mut talk, "(UID FLAGS)"), "* 1 FETCH (UID 1 FLAGS (\\Flagged $Label))");
    assert_eq!(one(&mut talk, "INTERNALDATE"), "* 1 FETCH (INTERNALDATE \"05-Feb-2026 10:00:00 +0000\")");
    assert_eq!(one(&mut talk, "RFC822.SIZE"), format!("* 1 FETCH (RFC822.SIZE {})", MESSAGE.len()));
    assert_eq!(one(&mut talk, "BODY.PEEK[1]"), "* 1 FETCH (BODY[1] {16}\r\nHello W=C3=B6rld)");
    assert_eq!(one(&mut talk, "BODY.PEEK[1.MIME]"), "* 1 FETCH (BODY[1.MIME] {2}\r\n\r\n)");
    assert_eq!(one(&mut talk, "BODY.PEEK[3.HEADER]"), "* 1 FETCH (BODY[3.HEADER] {18}\r\nSubject: inner\r\n\r\n)");
    assert_eq!(one(&mut talk, "BODY.PEEK[3.1]"), "* 1 FETCH (BODY[3.1] {4}\r\ntext)");
    assert_eq!(one(&mut talk, "BODY.PEEK[4]"), "* 1 FETCH (BODY[4] \"\")");
    assert_eq!(one(&mut talk, "BODY.PEEK[3.TEXT]<1.2>"), "* 1 FETCH (BODY[3.TEXT]<1> {2}\r\nex)");
    assert_eq!(
        one(&mut talk, "BODY.PEEK[HEADER.FIELDS (subject x)]"),
        "* 1 FETCH (BODY[HEADER.FIELDS (SUBJECT X)] {40}\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n)"
    );
    let structure = one(&mut talk, "BODYSTRUCTURE");
    assert_eq!(
        structure,
        "* 1 FETCH (BODYSTRUCTURE ((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 16 0 NIL NIL NIL NIL)\
         (\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"base64\" 12 0 NIL NIL NIL NIL)\
         (\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 22 (NIL \"inner\" NIL NIL NIL NIL NIL NIL NIL NIL) \
         (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 4 0 NIL NIL NIL NIL) 2 NIL NIL NIL NIL) \
         \"mixed\" (\"boundary\" \"b\") NIL NIL NIL))"
    );
    assert!(one(&mut talk, "ENVELOPE").contains("ENVELOPE (\"Mon, 2 Feb 2026 10:00:00 +0100\" \"=?utf-8?q?Gr=C3=BC=C3=9Fe?=\" ((\"Jo\" NIL \"jo\" \"a.example\"))"));
    let many = (0..101).map(|from| format!("BODY.PEEK[]<{from}.1>")).collect::<Vec<_>>().join(" ");
    assert_eq!(talk.status(&format!("FETCH 1 ({many})")), "BAD Error");
    let whole = one(&mut talk, "BODY[]");
    assert!(whole.starts_with("* 1 FETCH (FLAGS (\\Flagged \\Seen $Label) BODY[] {"), "{whole}");
    assert!(whole.contains(MESSAGE));
}

#[test]
fn search_finds_by_every_kind_of_key() {
    let (_practice, mut talk) = with_messages(3);
    talk.append("INBOX", "(\\Seen $Done) \"05-Feb-2020 12:00:00 +0000\" ", MESSAGE);
    talk.ok("STORE 2 +FLAGS.SILENT (\\Answered \\Deleted)");
    for (key, found) in [
        ("ALL", "1 2 3 4"),
        ("1:2,4", "1 2 4"),
        ("NOT 1:2", "3 4"),
        ("ANSWERED", "2"),
        ("UNANSWERED SEEN", "4"),
        ("OR 1 KEYWORD $done", "1 4"),
        ("UNKEYWORD $Done UNDELETED", "1 3"),
        ("SUBJECT \"number 3\"", "3"),
        ("SUBJECT grüße", "4"),
        ("BODY grüße", "4"),
        ("TEXT inner", "4"),
        ("HEADER Subject \"\"", "1 2 3 4"),
        ("HEADER Date \"\"", "4"),
        ("FROM jo@A.example", "4"),
        ("BEFORE 1-Jan-2021", "4"),
        ("ON 5-Feb-2020", "4"),
        ("SINCE 1-Jan-2021", "1 2 3"),
        ("SENTON 2-Feb-2026", "4"),
        ("SENTBEFORE 3-Feb-2026", "4"),
        ("LARGER 100", "4"),
        ("SMALLER 100 (OR TEXT \"text 1\" TEXT \"text 2\")", "1 2"),
        ("UID 2:* NOT DELETED", "3 4"),
        ("YOUNGER 3600", "1 2 3"),
        ("CHARSET UTF-8 BODY {6+}\r\ntext 3", "3"),
        ("DRAFT", ""),
        ("9", ""),
    ] {
        let lines = talk.ok(&format!("SEARCH {key}"));
        assert_eq!(lines, [format!("* SEARCH {found}").trim_end()], "{key}");
    }
    assert_eq!(talk.status("SEARCH CHARSET X-UNKNOWN ALL"), "NO [BADCHARSET");
    for wrong in ["SEARCH", "SEARCH FOO", "SEARCH (ALL", "SEARCH NOT", "SEARCH ON yesterday", "SEARCH SUBJECT"] {
        assert!(talk.imap(wrong).1.starts_with("BAD "), "{wrong}");
    }
}

#[test]
fn two_sessions_see_each_others_changes_under_their_own_numbers() {
    let (practice, mut one) = with_messages(4);
    let mut two = practice.imap("bob");
    two.ok("SELECT INBOX");
    assert_eq!(one.ok("STORE 2 +FLAGS (\\Deleted)"), ["* 2 FETCH (FLAGS (\\Deleted))"]);
    assert_eq!(one.ok("EXPUNGE"), ["* 2 EXPUNGE"]);
    // FETCH and STORE by number must not move the numbers below the client's feet.
    assert_eq!(two.ok("FETCH 3 (UID)"), ["* 3 FETCH (UID 3)"]);
    assert_eq!(two.imap("FETCH 2 FLAGS").1, "OK [EXPUNGEISSUED] Some messages were already expunged.");
    assert_eq!(two.ok("NOOP"), ["* 2 EXPUNGE"]);
    assert_eq!(two.ok("FETCH 3 (UID)"), ["* 3 FETCH (UID 4)"]);
    two.ok("STORE 1 +FLAGS.SILENT ($Mine)");
    let told = one.ok("NOOP");
    assert!(told[0].starts_with("* FLAGS (") && told[0].contains("$Mine"), "{told:?}");
    assert_eq!(told.last().unwrap(), "* 1 FETCH (FLAGS ($Mine))");
    two.append("INBOX", "", "Subject: x\r\n\r\n");
    assert_eq!(one.ok("NOOP")[0], "* 4 EXISTS");
    // The one who changed something is not told it again.
    assert_eq!(one.ok("NOOP"), Vec::<String>::new());
}

#[test]
fn idle_pushes_what_arrives_and_goes() {
    let (practice, mut idler) = with_messages(1);
    idler.send(b"i IDLE\r\n");
    assert_eq!(idler.line(), "+ idling");
    practice.deliver("bob", "Subject: now\r\n\r\nx");
    assert_eq!(idler.line(), "* 2 EXISTS");
    assert_eq!(idler.line(), "* 1 RECENT");
    let mut other = practice.imap("bob");
    other.ok("SELECT INBOX");
    other.ok("UID STORE 1 FLAGS (\\Deleted)");
    assert_eq!(idler.line(), "* 1 FETCH (FLAGS (\\Deleted))");
    other.ok("CLOSE");
    assert_eq!(idler.line(), "* 1 EXPUNGE");
    idler.send(b"DONE\r\n");
    assert_eq!(idler.line(), "i OK Idle completed.");
    idler.send(b"j IDLE\r\n");
    assert_eq!(idler.line(), "+ idling");
    assert_eq!(idler.ask("NOOP"), "j BAD Expected DONE.");
}

#[test]
fn copies_and_moves_tell_both_uids() {
    let (_practice, mut talk) = with_messages(3);
    let (_, tagged) = talk.imap("COPY 1,3 Archive");
    assert!(tagged.starts_with("OK [COPYUID ") && tagged.contains(" 1,3 1:2] "), "{tagged}");
    let (untagged, tagged) = talk.imap("UID MOVE 2 Trash");
    assert!(untagged[0].starts_with("* OK [COPYUID ") && untagged[0].contains(" 2 1]"), "{untagged:?}");
    assert_eq!(untagged[1..], ["* 2 EXPUNGE"]);
    assert_eq!(tagged, "OK Move completed.");
    assert_eq!(talk.status("COPY 1 Nowhere"), "NO [TRYCREATE]");
    talk.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)");
    assert_eq!(talk.ok("UID EXPUNGE 1"), ["* 1 EXPUNGE"]);
    assert_eq!(
        talk.ok("STATUS Archive (MESSAGES UIDNEXT UNSEEN)"),
        ["* STATUS Archive (MESSAGES 2 UIDNEXT 3 UNSEEN 2)"]
    );
}

#[test]
fn mailboxes_are_made_renamed_listed_and_deleted() {
    let practice = Practice::start();
    let mut talk = practice.imap("bob");
    assert_eq!(talk.ok("LIST \"\" \"\""), ["* LIST (\\Noselect) \"/\" \"\""]);
    talk.ok("CREATE \"Entw&APw-rfe/2026\"");
    assert_eq!(
        talk.ok("LIST \"\" Entw*"),
        ["* LIST (\\Noselect \\HasChildren) \"/\" Entw&APw-rfe", "* LIST (\\HasNoChildren) \"/\" Entw&APw-rfe/2026"]
    );
    assert_eq!(talk.status("CREATE \"Entw&APw-rfe/2026\""), "NO [ALREADYEXISTS]");
    talk.ok("RENAME \"Entw&APw-rfe\" Old");
    talk.ok("SUBSCRIBE Old/2026");
    assert_eq!(talk.ok("LIST Old/ %"), ["* LIST (\\HasNoChildren) \"/\" Old/2026"]);
    assert_eq!(talk.ok("LSUB \"\" Old/*"), ["* LSUB () \"/\" Old/2026"]);
    assert_eq!(talk.ok("LSUB \"\" Ol%"), ["* LSUB (\\Noselect) \"/\" Old"]);
    assert_eq!(
        talk.ok("LIST \"\" (Sent Old/%) RETURN (SUBSCRIBED STATUS (MESSAGES))"),
        [
            "* LIST (\\Subscribed) \"/\" Old/2026",
            "* STATUS Old/2026 (MESSAGES 0)",
            "* LIST (\\Subscribed) \"/\" Sent",
            "* STATUS Sent (MESSAGES 0)",
        ]
    );
    talk.ok("DELETE Old/2026");
    assert_eq!(talk.ok("LIST \"\" Old*"), Vec::<String>::new());
    for (command, answer) in [
        ("DELETE INBOX", "NO INBOX"),
        ("DELETE Nowhere", "NO [NONEXISTENT]"),
        ("CREATE a.b", "NO [CANNOT]"),
        ("CREATE \"a//b\"", "NO [CANNOT]"),
        ("CREATE &bad", "NO Mailbox"),
        ("RENAME Sent Trash", "NO [ALREADYEXISTS]"),
        ("SUBSCRIBE Nowhere", "NO Mailbox"),
        ("STATUS Nowhere (MESSAGES)", "NO Mailbox"),
        ("STATUS INBOX (FOO)", "BAD Error"),
        ("STATUS INBOX ()", "BAD Error"),
        ("LIST", "BAD Error"),
        ("NONSENSE", "BAD Error"),
        ("UID NONSENSE", "BAD Error"),
    ] {
        assert_eq!(talk.status(command), answer, "{command}");
    }
}

#[test]
fn a_deleted_mailbox_ends_the_sessions_that_have_it_open() {
    let practice = Practice::start();
    let (mut one, mut two) = (practice.imap("bob"), practice.imap("bob"));
    one.ok("CREATE Gone");
    one.ok("SELECT Gone");
    two.ok("DELETE Gone");
    assert!(one.ask("n NOOP").starts_with("* BYE"));
    assert_eq!(one.rest(), "");
    let mut idler = practice.imap("bob");
    two.ok("CREATE Gone");
    idler.ok("SELECT Gone");
    assert_eq!(idler.ask("i IDLE"), "+ idling");
    two.ok("DELETE Gone");
    assert_eq!(idler.line(), "* BYE Selected mailbox was deleted, have to disconnect.");
    assert_eq!(idler.rest(), "", "no second farewell, and no answer to a command nobody gave");
}

#[test]
fn what_a_client_names_never_becomes_a_line_of_the_server() {
    let practice = Practice::start();
    let mut talk = practice.imap("bob");
    let evil = "foo\r\n* OK evil";
    for command in
        ["SELECT @", "SUBSCRIBE @", "STATUS @ (MESSAGES)", "APPEND @ {3+}\r\nabc", "APPEND @", "LIST \"\" @", "@"]
    {
        let literal = format!("{{{}+}}\r\n{evil}", evil.len());
        let (untagged, tagged) = talk.imap(&command.replace('@', &literal));
        assert_eq!(untagged, Vec::<String>::new(), "{command}");
        assert!(!tagged.contains("evil"), "{command}: {tagged}");
        let (untagged, _) = talk.imap(&format!("NONSENSE{{{}+}}\r\n{evil}", evil.len()));
        assert_eq!(untagged, Vec::<String>::new(), "a verb");
    }
    for (name, answer) in [
        ("\"&AAo-\"", "NO Mailbox doesn't exist: &AAo-"),
        ("\"a b\"", "NO Mailbox doesn't exist: \"a b\""),
        ("\"b {5}\"", "NO Mailbox doesn't exist: \"b {5}\""),
        ("Entw&APw-rfe", "NO Mailbox doesn't exist: Entw&APw-rfe"),
        // None of these is modified UTF-7: a control character, letters that need no encoding, UTF-8.
        ("\"a\tb\"", "NO Mailbox name isn't valid mUTF-7"),
        ("\"&AAoAKg-\"", "NO Mailbox name isn't valid mUTF-7"),
        ("\"Entwürfe\"", "NO Mailbox name isn't valid mUTF-7"),
    ] {
        assert_eq!(talk.imap(&format!("SELECT {name}")).1, answer);
        let (_, tagged) = talk.imap(&format!("APPEND {name} {{3+}}\r\nabc"));
        assert_eq!(tagged.replace("[TRYCREATE] ", ""), answer);
    }
}

#[test]
fn nul_octets_are_given_as_others() {
    let practice = Practice::start();
    practice.deliver("bob", "Subject: a\0b\r\n\r\nc\0d");
    let mut talk = practice.imap("bob");
    talk.ok("SELECT INBOX");
    for what in ["BODY.PEEK[]", "RFC822.TEXT", "BODY.PEEK[HEADER.FIELDS (Subject)]", "BODY.PEEK[HEADER]", "ENVELOPE"] {
        let fetched = talk.ok(&format!("FETCH 1 {what}")).concat();
        assert!(!fetched.contains('\0'), "{what}: {fetched:?}");
    }
    // 0x80 is no UTF-8, and is read here as what stands for such octets.
    assert!(talk.ok("FETCH 1 BODY.PEEK[TEXT]").concat().contains("{5}\r\nc\u{fffd}d\r\n)"));
}

#[test]
fn literals_over_the_limit_keep_the_session_in_step() {
    let practice = Practice::with(|config| {
        config.limits.message = 1000;
        config.limits.quota = 1500;
    });
    let mut talk = practice.imap("bob");
    assert!(talk.ask("a APPEND INBOX {1001}").starts_with("a NO [TOOBIG]"), "no go-ahead");
    assert!(talk.ask("b APPEND Nowhere {10}").starts_with("b NO [TRYCREATE]"));
    assert_eq!(talk.ask("c APPEND INBOX {5}"), "+ OK");
    assert!(talk.ask("a\r\nb\r {1001}").starts_with("c NO [TOOBIG]"), "the second literal of one APPEND");
    let big = format!("d APPEND INBOX {{1001+}}\r\n{} {{3+}}\r\nabc\r\ne NOOP", "x".repeat(1001));
    assert!(talk.ask(&big).starts_with("d NO [TOOBIG]"));
    assert!(talk.line().starts_with("e OK"));
    assert!(talk.append("INBOX", "", &"x".repeat(900)).starts_with("OK "));
    assert!(talk.append("INBOX", "", &"x".repeat(900)).starts_with("NO [OVERQUOTA]"));
    talk.ok("SELECT INBOX");
    assert_eq!(talk.status("COPY 1 Sent"), "NO [OVERQUOTA]");
    assert_eq!(talk.status("STATUS {1+}\r\nx"), "BAD Error", "no items behind a name that is a literal");
    assert!(talk.ask("f LOGIN {70000}").starts_with("f BAD [TOOBIG]"));
    assert!(talk.ask(&"x".repeat(200_000)).starts_with("* BAD "));
    assert!(talk.ask(&format!("long UID FETCH {}1 FLAGS", "1,".repeat(100_000))).starts_with("long BAD "));
    assert!(talk.ask(&format!("later APPEND INBOX {{2+}}\r\nab {}", "x".repeat(200_000))).starts_with("later BAD "));
    talk.ok("NOOP");
    assert!(talk.ask("g APPEND INBOX {99999999999999999999+}").starts_with("* BYE [TOOBIG]"));
    assert_eq!(talk.rest(), "");
}

#[test]
fn several_messages_in_one_append() {
    let practice = Practice::start();
    let mut talk = practice.imap("bob");
    let (_, tagged) = talk.imap("APPEND Sent (\\Seen) {3+}\r\nabc (\\Draft) {2+}\r\nde");
    assert!(tagged.starts_with("OK [APPENDUID ") && tagged.contains(" 1:2]"), "{tagged}");
    assert_eq!(talk.status("APPEND Sent {0+}\r\n"), "NO Can't");
    assert_eq!(talk.status("APPEND Sent (\\Nonsense) {1+}\r\nx"), "BAD Invalid");
    assert_eq!(talk.status("APPEND Sent \"yesterday\" {1+}\r\nx"), "BAD Error");
}

#[test]
fn logins_of_every_kind() {
    let practice = Practice::start();
    let mut talk = Talk::to(practice.at.imap);
    talk.line();
    assert_eq!(talk.status("SELECT INBOX"), "BAD Error");
    assert_eq!(talk.status("LOGIN bob wrong"), "NO [AUTHENTICATIONFAILED]");
    assert_eq!(talk.status("AUTHENTICATE UNKNOWN"), "NO Unsupported");
    talk.send(b"p AUTHENTICATE PLAIN\r\n");
    assert_eq!(talk.line(), "+ ");
    assert!(talk.ask("*").starts_with("p BAD "));
    let plain = STANDARD.encode("\0bob\0sesame");
    let (_, tagged) = talk.imap(&format!("AUTHENTICATE PLAIN {plain}"));
    assert!(tagged.starts_with("OK [CAPABILITY IMAP4rev1 ") && tagged.contains(" IDLE"), "{tagged}");
    assert_eq!(talk.status("LOGIN bob sesame"), "BAD Error");
    assert_eq!(talk.ok("ID NIL").len(), 1);
    assert_eq!(talk.ok("NAMESPACE"), ["* NAMESPACE ((\"\" \"/\")) NIL NIL"]);
    let (untagged, tagged) = talk.imap("LOGOUT");
    assert!(untagged[0].starts_with("* BYE") && tagged.starts_with("OK"));
    let mut literal = Talk::to(practice.at.imap);
    literal.line();
    assert_eq!(literal.ask("l LOGIN {3}"), "+ OK");
    assert_eq!(literal.ask("bob {6}"), "+ OK");
    assert!(literal.ask("sesame").starts_with("l OK [CAPABILITY"));
    let mut failing = Talk::to(practice.at.imap);
    failing.line();
    for _ in 0..3 {
        assert_eq!(failing.status("LOGIN nobody x"), "NO [AUTHENTICATIONFAILED]");
    }
    assert!(failing.line().starts_with("* BYE"));
}

#[test]
fn conditional_store_and_changed_since() {
    let (_practice, mut talk) = with_messages(2);
    let line = talk.ok("FETCH 2 (MODSEQ)").pop().unwrap();
    let modseq = line.split(['(', ')']).nth(2).unwrap().to_owned();
    assert!(talk.ok("STORE 1 +FLAGS (\\Seen)")[0].contains("MODSEQ ("));
    assert_eq!(talk.status(&format!("STORE 1 (UNCHANGEDSINCE {modseq}) +FLAGS (\\Draft)")), "OK [MODIFIED");
    let changed = talk.ok(&format!("FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq})"));
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert!(changed[0].starts_with("* 1 FETCH (FLAGS (\\Seen) MODSEQ ("), "{changed:?}");
}

#[test]
fn compressed_sessions_go_on() {
    let (practice, _talk) = with_messages(1);
    let mut stream = std::net::TcpStream::connect(practice.at.imap.unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(b"a LOGIN bob sesame\r\nb COMPRESS DEFLATE\r\n").unwrap();
    let mut plain = Vec::new();
    while !plain.ends_with(b"b OK Begin compression.\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        plain.push(byte[0]);
    }
    let mut writer = flate2::write::DeflateEncoder::new(stream.try_clone().unwrap(), flate2::Compression::fast());
    let padding = " ".repeat(200_000).replace("  ", "X ");
    writer.write_all(format!("c APPEND Sent {{{}+}}\r\n{padding}\r\nd LOGOUT\r\n", padding.len()).as_bytes()).unwrap();
    writer.flush().unwrap();
    let mut answer = String::new();
    let mut reader = flate2::read::DeflateDecoder::new(stream);
    // The server closes without ending the deflate stream, as others do.
    let _ = reader.read_to_string(&mut answer);
    assert!(answer.contains("c OK [APPENDUID ") && answer.contains("d OK Logout"), "{answer}");
}

#[test]
fn twenty_megabytes_go_in_and_out() {
    let practice = Practice::start();
    let mut talk = practice.imap("bob");
    let body = "0123456789abcdef\r\n".repeat(20_000_000 / 18);
    assert!(talk.append("INBOX", "", &format!("Subject: big\r\n\r\n{body}")).starts_with("OK "));
    talk.ok("SELECT INBOX");
    let fetched = talk.ok("FETCH 1 BODY[TEXT]").pop().unwrap();
    assert!(fetched.contains(&body));
}

#[test]
fn a_maildir_is_shared_with_other_programs_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mail = folder.path().join("bob");
    let first = Practice::with(|config| config.mail = Some(folder.path().to_owned()));
    first.deliver("bob", "Subject: one\r\n\r\nx");
    let mut talk = first.imap("bob");
    talk.append("INBOX", "(\\Seen $Label) ", "Subject: two\r\n\r\ny\r\n");
    talk.ok("CREATE Entw&APw-rfe/x");
    let uids = talk.ok("SELECT INBOX");
    let validity = uids.iter().find(|line| line.contains("UIDVALIDITY")).unwrap().clone();
    // Another program delivers, while the session idles.
    talk.send(b"i IDLE\r\n");
    assert_eq!(talk.line(), "+ idling");
    std::fs::write(mail.join("tmp/5.other"), "Subject: three\n\nz\n").unwrap();
    std::fs::rename(mail.join("tmp/5.other"), mail.join("new/5.other")).unwrap();
    assert_eq!(talk.line(), "* 3 EXISTS");
    assert_eq!(talk.line(), "* 3 RECENT");
    talk.send(b"DONE\r\n");
    assert!(talk.line().starts_with("i OK"));
    assert_eq!(talk.ok("FETCH 3 (UID RFC822.SIZE)"), ["* 3 FETCH (UID 3 RFC822.SIZE 21)"]);
    assert!(mail.join(".Entw&APw-rfe.x/cur").is_dir());
    drop((talk, first));
    let second = Practice::with(|config| config.mail = Some(folder.path().to_owned()));
    let mut talk = second.imap("bob");
    assert!(talk.ok("SELECT INBOX").contains(&validity));
    assert_eq!(
        talk.ok("FETCH 1:* (UID FLAGS)"),
        ["* 1 FETCH (UID 1 FLAGS ())", "* 2 FETCH (UID 2 FLAGS (\\Seen $Label))", "* 3 FETCH (UID 3 FLAGS ())"]
    );
}
