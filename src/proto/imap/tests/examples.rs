//! The sessions that the RFCs print (RFC 3501 §8, RFC 9051 §8, and examples of their extensions).
//! Takes them as they stand there, compares all that was found in them.
//! Knows no session and no socket.

use super::*;

#[test]
fn the_sample_session_of_rfc_3501() {
    let header = "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nSubject: IMAP4rev1 WG mtg summary and minutes\r\n\r\n";
    let fetch = format!("* 12 FETCH (BODY[HEADER] {{{}}}\r\n{header})\r\na004 OK FETCH completed\r\n", header.len());
    let envelope = "* 12 FETCH (FLAGS (\\Seen) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 4286 ENVELOPE \
        (\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev1 WG mtg summary and minutes\" ((\"Terry Gray\" NIL \"gray\" \
        \"cac.washington.edu\")) ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((\"Terry Gray\" NIL \"gray\" \
        \"cac.washington.edu\")) ((NIL NIL \"imap\" \"cac.washington.edu\")) ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")\
        (\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL \"<B27397-0100000@cac.washington.edu>\") BODY (\"TEXT\" \
        \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3028 92))\r\na003 OK FETCH completed\r\n";
    let out = talk(&[
        (S, b"* OK IMAP4rev1 Service Ready\r\n"),
        (C, b"a001 login mrc secret\r\n"),
        (S, b"a001 OK LOGIN completed\r\n"),
        (C, b"a002 select inbox\r\n"),
        (S, b"* 18 EXISTS\r\n* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* 2 RECENT\r\n"),
        (S, b"* OK [UNSEEN 17] Message 17 is the first unseen message\r\n* OK [UIDVALIDITY 3857529045] UIDs valid\r\n"),
        (S, b"a002 OK [READ-WRITE] SELECT completed\r\n"),
        (C, b"a003 fetch 12 full\r\n"),
        (S, envelope.as_bytes()),
        (C, b"a004 fetch 12 body[header]\r\n"),
        (S, fetch.as_bytes()),
        (C, b"a005 store 12 +flags \\deleted\r\n"),
        (S, b"* 12 FETCH (FLAGS (\\Seen \\Deleted))\r\na005 OK +FLAGS completed\r\n"),
        (C, b"a006 logout\r\n"),
        (S, b"* BYE IMAP4rev1 server terminating connection\r\na006 OK LOGOUT completed\r\n"),
    ]);
    assert_eq!(out.users, ["mrc"]);
    assert_eq!(out.pieces[1].masked(), "a001 login mrc «redacted»\r\n".as_bytes());
    let found = summary(&out);
    assert_eq!(found[3], "C 3 command a002 SELECT {\"mailbox\":\"inbox\"}");
    assert_eq!(found[4], "S 4 reply * EXISTS #18");
    assert_eq!(found[7], "S 7 reply OK UNSEEN {\"unseen\":17}");
    assert_eq!(found[10], "C 10 command a003 FETCH {\"sequence\":\"12\",\"items\":[\"full\"]}");
    assert_eq!(
        found[11],
        "S 11 reply * FETCH #12 {\"FLAGS\":[\"\\\\Seen\"],\"INTERNALDATE\":\"17-Jul-1996 02:44:25 -0700\",\
         \"RFC822.SIZE\":4286,\"ENVELOPE\":{\"date\":\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\",\"subject\":\
         \"IMAP4rev1 WG mtg summary and minutes\",\"from\":[\"gray@cac.washington.edu\"],\"to\":[\"imap@cac.washington.edu\"],\
         \"cc\":[\"minutes@CNRI.Reston.VA.US\",\"KLENSIN@MIT.EDU\"],\"message_id\":\"<B27397-0100000@cac.washington.edu>\"},\
         \"BODY\":\"text/plain\"}"
    );
    assert_eq!(found[14], format!("S 14 reply * FETCH #12 {{\"BODY[HEADER]\":{{\"bytes\":{}}}}}", header.len()));
    assert_eq!(
        found[18],
        "C 18 command a005 STORE {\"sequence\":\"12\",\"action\":\"+FLAGS\",\"flags\":[\"\\\\deleted\"]}"
    );
    assert_eq!(found[22..], ["S 22 reply BYE", "S 23 reply OK a006 answers=21"]);
}

/// What the arguments of a command are said to be.
fn args(line: &str) -> String {
    let out = talk(&[(C, format!("a {line}\r\n").as_bytes())]);
    let found = summary(&out);
    found[0].strip_prefix("C 0 command a ").unwrap().to_owned()
}

#[test]
fn arguments_of_commands() {
    for (line, expected) in [
        (
            "SELECT \"Entw&APw-rfe\" (QRESYNC (67890007 20050715194045000))",
            "SELECT {\"mailbox\":\"Entwürfe\",\"arguments\":\"(QRESYNC (67890007 20050715194045000))\"}",
        ),
        (
            "LIST (SUBSCRIBED) \"\" (\"a\" b) RETURN (CHILDREN STATUS (MESSAGES))",
            "LIST {\"selection\":[\"SUBSCRIBED\"],\"reference\":\"\",\"patterns\":[\"a\",\"b\"],\"return\":[\"CHILDREN\",\"STATUS\",\"(MESSAGES)\"]}",
        ),
        (
            "STATUS blurdybloop (UIDNEXT MESSAGES)",
            "STATUS {\"mailbox\":\"blurdybloop\",\"items\":[\"UIDNEXT\",\"MESSAGES\"]}",
        ),
        (
            "uid fetch 1:5,8 (FLAGS BODY.PEEK[HEADER.FIELDS (TO \"X]\")]<0.9>) (CHANGEDSINCE 5)",
            "UID FETCH {\"sequence\":\"1:5,8\",\"items\":[\"FLAGS\",\"BODY.PEEK[HEADER.FIELDS (TO \\\"X]\\\")]<0.9>\"],\"modifiers\":[\"CHANGEDSINCE\",\"5\"]}",
        ),
        ("UID SEARCH UIDAFTER 4 UIDBEFORE 9", "UID SEARCH {\"keys\":[\"UIDAFTER 4\",\"UIDBEFORE 9\"]}"),
        (
            "SEARCH RETURN (MIN COUNT) CHARSET UTF-8 OR NOT FROM \"Smith\" (SEEN SINCE 1-Feb-1994) UNSEEN 2:4",
            "SEARCH {\"return\":[\"MIN\",\"COUNT\"],\"charset\":\"UTF-8\",\"keys\":[\"OR NOT FROM \\\"Smith\\\" (SEEN SINCE 1-Feb-1994)\",\"UNSEEN\",\"2:4\"]}",
        ),
        (
            "SORT (REVERSE DATE) UTF-8 ALL",
            "SORT {\"criteria\":[\"REVERSE\",\"DATE\"],\"charset\":\"UTF-8\",\"keys\":[\"ALL\"]}",
        ),
        (
            "STORE 1 (UNCHANGEDSINCE 7) +flags.silent (\\Deleted)",
            "STORE {\"sequence\":\"1\",\"modifiers\":[\"UNCHANGEDSINCE\",\"7\"],\"action\":\"+FLAGS.SILENT\",\"flags\":[\"\\\\Deleted\"]}",
        ),
        ("UID MOVE 3 Trash", "UID MOVE {\"sequence\":\"3\",\"destination\":\"Trash\"}"),
        ("RENAME a \"b c\"", "RENAME {\"mailbox\":\"a\",\"destination\":\"b c\"}"),
        ("ID (\"name\" \"x\" \"os\" NIL)", "ID {\"params\":{\"name\":\"x\",\"os\":null}}"),
        ("ID NIL", "ID {\"params\":null}"),
        ("ENABLE CONDSTORE QRESYNC", "ENABLE {\"capabilities\":[\"CONDSTORE\",\"QRESYNC\"]}"),
        // Nobody has logged in yet: it may be a login.
        ("X-UNKNOWN (a \"b c\") d", "X-UNKNOWN"),
        ("noop", "NOOP"),
    ] {
        assert_eq!(args(line), expected);
    }
    let found = summary(&talk(&[(S, b"* PREAUTH hi\r\n"), (C, b"a X-UNKNOWN (a \"b c\") d\r\n")]));
    assert_eq!(found[1], "C 1 command a X-UNKNOWN {\"arguments\":\"(a \\\"b c\\\") d\"}");
}

#[test]
fn what_untagged_data_says() {
    for (line, expected) in [
        ("CAPABILITY IMAP4rev1 IDLE", "CAPABILITY {\"capabilities\":[\"IMAP4rev1\",\"IDLE\"]}"),
        (
            "LIST (\\HasChildren) \"/\" \"Tom &- J\" (\"CHILDINFO\" (\"SUBSCRIBED\"))",
            "LIST {\"flags\":[\"\\\\HasChildren\"],\"delimiter\":\"/\",\"mailbox\":\"Tom & J\",\"extended\":\"\\\"CHILDINFO\\\" (\\\"SUBSCRIBED\\\")\"}",
        ),
        (
            "STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292)",
            "STATUS {\"mailbox\":\"blurdybloop\",\"MESSAGES\":231,\"UIDNEXT\":44292}",
        ),
        ("SEARCH 2 84 (MODSEQ 917)", "SEARCH {\"count\":2,\"found\":[\"2\",\"84\"],\"modseq\":917}"),
        ("SEARCH", "SEARCH {\"count\":0}"),
        (
            "ESEARCH (TAG \"A282\") UID MIN 2 ALL 2,10:11",
            "ESEARCH {\"for\":\"A282\",\"uid\":true,\"MIN\":2,\"ALL\":\"2,10:11\"}",
        ),
        ("THREAD (2)(3 6 (4 23))", "THREAD {\"count\":5,\"threads\":\"(2)(3 6 (4 23))\"}"),
        (
            "NAMESPACE ((\"\" \"/\")) NIL ((\"#shared/\" NIL))",
            "NAMESPACE {\"personal\":[{\"prefix\":\"\",\"delimiter\":\"/\"}],\"shared\":[{\"prefix\":\"#shared/\",\"delimiter\":null}]}",
        ),
        (
            "QUOTA \"\" (STORAGE 10 512)",
            "QUOTA {\"root\":\"\",\"resources\":{\"STORAGE\":{\"usage\":10,\"limit\":512}}}",
        ),
        ("QUOTAROOT INBOX \"\"", "QUOTAROOT {\"mailbox\":\"INBOX\",\"roots\":[\"\"]}"),
        ("ACL INBOX joe lrs eve l", "ACL {\"mailbox\":\"INBOX\",\"rights\":{\"joe\":\"lrs\",\"eve\":\"l\"}}"),
        ("VANISHED (EARLIER) 300:310,405", "VANISHED {\"earlier\":true,\"uids\":\"300:310,405\"}"),
        (
            "METADATA \"\" (/shared/comment \"hi\")",
            "METADATA {\"mailbox\":\"\",\"entries\":{\"/shared/comment\":\"hi\"}}",
        ),
        ("4392 EXPUNGE", "EXPUNGE #4392"),
        (
            "23 FETCH (MODSEQ (65402) BODYSTRUCTURE ((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 1 1)(\"IMAGE\" \"PNG\" NIL NIL NIL \"BASE64\" 1) \"MIXED\"))",
            "FETCH #23 {\"MODSEQ\":65402,\"BODYSTRUCTURE\":\"multipart/mixed (text/plain, image/png)\"}",
        ),
        ("X-NEW a (b)", "X-NEW {\"arguments\":\"a (b)\"}"),
    ] {
        let out = talk(&[(S, format!("* {line}\r\n").as_bytes())]);
        assert_eq!(summary(&out), [format!("S 0 reply * {expected}")]);
    }
}

#[test]
fn what_response_codes_say() {
    for (line, expected) in [
        ("OK [APPENDUID 38505 3955] x", "OK a APPENDUID {\"uidvalidity\":38505,\"uids\":\"3955\"}"),
        (
            "OK [COPYUID 38505 304,319:320 3956:3958] x",
            "OK a COPYUID {\"uidvalidity\":38505,\"source\":\"304,319:320\",\"destination\":\"3956:3958\"}",
        ),
        ("OK [PERMANENTFLAGS (\\Seen \\*)] x", "OK a PERMANENTFLAGS {\"flags\":[\"\\\\Seen\",\"\\\\*\"]}"),
        ("NO [BADCHARSET (\"US]\" UTF-8)] x", "NO a BADCHARSET {\"charsets\":[\"US]\",\"UTF-8\"]}"),
        ("OK [MODIFIED 7,9] x", "OK a MODIFIED {\"sequence\":\"7,9\"}"),
        ("NO [ALERT] x", "NO a ALERT"),
        ("NO [unclosed", "NO a"),
    ] {
        let out = talk(&[(S, format!("a {line}\r\n").as_bytes())]);
        assert_eq!(summary(&out), [format!("S 0 reply {expected}")]);
    }
}
