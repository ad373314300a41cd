// The script after login, and where the practice server answers otherwise on purpose.

const AFTER: &[&str] = &[
    // Mailboxes.
    "CAPABILITY", "NAMESPACE", "ENABLE NONSENSE", "ENABLE", "LOGIN bob x", "AUTHENTICATE PLAIN", "STARTTLS", "CHECK", "CLOSE", "UNSELECT",
    "EXPUNGE", "FETCH 1 FLAGS", "UID FETCH 1 FLAGS", "SEARCH ALL", "STORE 1 FLAGS ()", "COPY 1 Sent", "MOVE 1 Sent", "NONSENSE", "UID NONSENSE", "UID",
    "LIST \"\" \"\"", "LIST \"\" *", "LIST \"\" %", "LIST \"\" inbox", "LIST \"\" S%", "LIST \"\" Nowhere", "LIST", "LIST \"\"", "LSUB \"\" *",
    "LIST (SUBSCRIBED) \"\" *", "LIST (SPECIAL-USE) \"\" *", "LIST \"\" (Sent Trash)", "LIST \"\" * RETURN (SUBSCRIBED CHILDREN)",
    "LIST \"\" * RETURN (STATUS (MESSAGES UNSEEN))", "LIST (NONSENSE) \"\" *", "LIST \"\" * RETURN (NONSENSE)", "LIST (RECURSIVEMATCH) \"\" *",
    "CREATE Work", "CREATE Work", "CREATE inbox", "CREATE Work/2026/May", "CREATE Work/", "CREATE \"\"", "CREATE a//b", "CREATE a.b", "CREATE",
    "CREATE «With Space»", "CREATE \"Entw&APw-rfe\"", "CREATE \"&bad\"", "LIST \"\" Work*", "LIST \"\" Work/%", "LIST Work/ %", "LIST Work %", "LIST \"\" \"With*\"", "LIST \"\" Entw*",
    "SUBSCRIBE Work/2026/May", "LSUB \"\" Work*", "LSUB \"\" Work/%", "LSUB \"\" %", "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" Wor%", "SUBSCRIBE Nowhere", "UNSUBSCRIBE Nowhere", "UNSUBSCRIBE Work/2026/May",
    "RENAME Work Play", "RENAME Nowhere X", "RENAME Sent Trash", "RENAME Play Play/Sub", "RENAME Sent", "LIST \"\" Play*", "DELETE Play/2026/May", "DELETE Play", "DELETE Play", "DELETE INBOX", "DELETE Nowhere", "DELETE",
    "STATUS INBOX (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)", "STATUS Nowhere (MESSAGES)", "STATUS INBOX ()", "STATUS INBOX (NONSENSE)", "STATUS INBOX MESSAGES", "STATUS INBOX", "STATUS inBox (MESSAGES)",
    // Appending.
    "APPEND INBOX «@PLAIN»", "APPEND INBOX (\\Seen $Label) «@MIXED»", "APPEND INBOX (\\Flagged) \"05-Feb-2020 12:00:00 +0000\" «@DIGEST»", "APPEND Nowhere «x»", "APPEND INBOX", "APPEND INBOX x",
    "APPEND INBOX (\\Nonsense) «x»", "APPEND INBOX \"nonsense\" «x»", "APPEND INBOX «»", "APPEND Sent (\\Seen) «Subject: a\r\n\r\nb\r\n» (\\Draft) «Subject: c\r\n\r\nd\r\n»", "STATUS INBOX (MESSAGES UIDNEXT UNSEEN)",
    // Selecting.
    "SELECT Nowhere", "SELECT", "EXAMINE Sent", "STORE 1 +FLAGS (\\Seen \\Flagged)", "expunge", "CLOSE", "SELECT Sent", "STORE 1:2 +FLAGS.SILENT (\\Deleted)", "CLOSE", "STATUS Sent (MESSAGES UIDNEXT)", "SELECT Sent", "FETCH 1 FLAGS", "FETCH 1:* FLAGS", "FETCH * FLAGS", "UID FETCH 1:* FLAGS", "SEARCH ALL", "SEARCH 1", "STORE 1:* FLAGS ()", "COPY 1:* Trash", "UID COPY 1:* Trash", "EXAMINE INBOX", "SELECT INBOX",
    // Fetching.
    "FETCH 1:* (FLAGS)", "FETCH 1 FAST", "FETCH 2 ENVELOPE", "FETCH 1 ENVELOPE", "FETCH 3 ENVELOPE", "FETCH 1:3 RFC822.SIZE", "FETCH 1 BODYSTRUCTURE", "FETCH 2 BODYSTRUCTURE", "FETCH 3 BODYSTRUCTURE", "FETCH 2 BODY", "FETCH 1 BODY.PEEK[]", "FETCH 1 BODY.PEEK[HEADER]", "FETCH 1 BODY.PEEK[TEXT]",
    "FETCH 1 BODY.PEEK[HEADER.FIELDS (Subject from NOPE)]", "FETCH 1 BODY.PEEK[HEADER.FIELDS.NOT (Subject Date)]", "FETCH 1 BODY.PEEK[1]", "FETCH 1 BODY.PEEK[1.MIME]", "FETCH 1 BODY.PEEK[2]", "FETCH 2 BODY.PEEK[1]", "FETCH 2 BODY.PEEK[1.1]", "FETCH 2 BODY.PEEK[1.1.MIME]", "FETCH 2 BODY.PEEK[1.2]", "FETCH 2 BODY.PEEK[2]", "FETCH 2 BODY.PEEK[2.MIME]", "FETCH 2 BODY.PEEK[3]", "FETCH 2 BODY.PEEK[3.HEADER]", "FETCH 2 BODY.PEEK[3.TEXT]", "FETCH 2 BODY.PEEK[3.1]", "FETCH 2 BODY.PEEK[3.1.MIME]", "FETCH 2 BODY.PEEK[3.HEADER.FIELDS (SUBJECT)]", "FETCH 2 BODY.PEEK[4]", "FETCH 2 BODY.PEEK[1.HEADER]", "FETCH 2 BODY.PEEK[3.1.1]", "FETCH 3 BODY.PEEK[1]", "FETCH 3 BODY.PEEK[2.HEADER]", "FETCH 3 BODY.PEEK[1.1]", "FETCH 3 BODY.PEEK[2.TEXT]",
    "FETCH 1 BODY.PEEK[]<0.10>", "FETCH 1 BODY.PEEK[TEXT]<3.4>", "FETCH 1 BODY.PEEK[TEXT]<10000.4>", "FETCH 1 BODY.PEEK[TEXT]<0.0>", "FETCH 1 (RFC822.HEADER)", "FETCH 3 (UID FLAGS INTERNALDATE)", "FETCH 1 BODY[1]", "FETCH 1 FLAGS", "FETCH 3 RFC822.TEXT", "FETCH 2 RFC822",
    "FETCH 4 FLAGS", "FETCH 1:9 FLAGS", "FETCH 0 FLAGS", "FETCH a FLAGS", "FETCH 1,,2 FLAGS", "FETCH 1", "FETCH", "FETCH 1 NONSENSE", "FETCH 1 (FLAGS", "FETCH 1 ()", "FETCH 1 BODY[", "FETCH 1 BODY[NONSENSE]", "FETCH 1 BODY[0]", "FETCH 1 BODY[1.]", "FETCH 1 BODY[MIME]", "FETCH 1 BODY[HEADER.FIELDS ()]", "UID FETCH 2 FLAGS", "UID FETCH 99 FLAGS", "UID FETCH 2:* (UID FLAGS)", "UID FETCH * FLAGS", "UID FETCH 99:* FLAGS", "FETCH 3:1 UID", "FETCH * UID", "FETCH 1 (UID UID)",
    // Storing.
    "STORE 1 +FLAGS (\\Answered)", "STORE 1 -FLAGS (\\Answered)", "STORE 1 FLAGS (\\Flagged \\Draft)", "STORE 1 FLAGS ()", "STORE 1 FLAGS \\Seen", "STORE 1 +FLAGS \\Draft \\Flagged", "STORE 1 +FLAGS.SILENT ($Mine)", "FETCH 1 FLAGS", "STORE 1 +FLAGS (New1)", "STORE 1 +FLAGS (\\Recent)", "STORE 1 +FLAGS (\\Nonsense)", "STORE 1 NONSENSE (\\Seen)", "STORE 1 FLAGS", "STORE 1 FLAGS (\\Seen $Mine New1)", "STORE 9 FLAGS ()", "STORE 1:* -FLAGS ($Mine New1)", "UID STORE 99 FLAGS ()", "UID STORE 1 +FLAGS (\\Seen)", "STORE 1 +FLAGS (\\Seen)",
    // Searching.
    "SEARCH ALL", "SEARCH SEEN", "SEARCH UNSEEN", "SEARCH FLAGGED", "SEARCH KEYWORD $Label", "SEARCH UNKEYWORD $Label", "SEARCH SUBJECT plain", "SEARCH SUBJECT PLAIN", "SEARCH CHARSET UTF-8 SUBJECT «grüße»", "SEARCH FROM jo@a", "SEARCH TO al@c.example", "SEARCH CC bob", "SEARCH BODY there", "SEARCH BODY deep", "SEARCH CHARSET UTF-8 BODY «grüße»", "SEARCH TEXT mixed", "SEARCH TEXT FLOWED", "SEARCH TEXT \"some bytes\"", "SEARCH BODY flowed", "SEARCH TEXT \"inner one\"", "SEARCH BODY \"inner one\"", "SEARCH BODY preamble", "SEARCH TEXT epilogue", "SEARCH BODY AAEC", "SEARCH BODY \"<p>\"", "SEARCH TEXT nowhere", "SEARCH HEADER Message-ID 1@a", "SEARCH HEADER Message-ID \"\"", "SEARCH BEFORE 1-Jan-2021", "SEARCH ON 5-Feb-2020", "SEARCH SINCE 1-Jan-2021", "SEARCH SENTBEFORE 3-Feb-2026", "SEARCH SENTON 3-Feb-2026", "SEARCH SENTSINCE 3-Feb-2026", "SEARCH LARGER 500", "SEARCH SMALLER 300", "SEARCH 1:2 UNSEEN", "SEARCH OR 1 3", "SEARCH NOT 2", "SEARCH (1:3 (NOT 2))", "SEARCH UID 2:*", "UID SEARCH 1:*", "SEARCH NEW", "SEARCH OLD", "SEARCH RECENT", "SEARCH YOUNGER 1000", "SEARCH",
    "SEARCH NONSENSE", "SEARCH NOT", "SEARCH OR 1", "SEARCH (1", "SEARCH SUBJECT", "SEARCH ON nonsense", "SEARCH LARGER x", "SEARCH 9", "SEARCH 2:9", "SEARCH CHARSET NONSENSE ALL", "SEARCH CHARSET US-ASCII ALL", "SEARCH UID 99",
    // Copying, moving, expunging.
    "COPY 1 Sent", "COPY 1:2 Archive", "UID COPY 3 Archive", "UID COPY 99 Archive", "COPY 1 Nowhere", "COPY 9 Sent", "COPY 1", "STATUS Archive (MESSAGES UIDNEXT UNSEEN)", "UID MOVE 3 Trash", "FETCH 1:* UID", "MOVE 9 Trash", "MOVE 1 Nowhere", "UID MOVE 99 Trash", "MOVE 1 Trash", "STATUS Trash (MESSAGES)", "STORE 1 +FLAGS (\\Deleted)", "SEARCH DELETED", "SEARCH UNDELETED", "UID EXPUNGE 99", "UID EXPUNGE", "UID EXPUNGE 2", "EXPUNGE", "SEARCH ALL", "FETCH 1 FLAGS",
    "SELECT Archive", "FETCH 1:* (UID FLAGS INTERNALDATE)", "UID EXPUNGE 1:*", "STORE 2 +FLAGS.SILENT (\\Deleted)", "EXPUNGE", "FETCH 1:* (UID)", "UNSELECT", "DELETE Archive", "NOOP", "SELECT Drafts", "ID NIL", "COMPRESS NONSENSE", "UNSELECT", "FETCH 1 FLAGS",
    // More spaces than needed.
    "CREATE Spaces ", "CREATE  Spaces2", "NOOP ", " NOOP", "UID  SEARCH ALL", "NAMESPACE ", "ID  ( \"a\"  \"b\" ) ", "LIST \"\" Spa* ", "LIST  \"\"  Spa*", "LIST ( SUBSCRIBED ) \"\" S*", "LIST \"\" ( Sent  Trash )", "LIST \"\" ()", "LIST \"\" S*  RETURN  ( CHILDREN  SUBSCRIBED ) ", "LSUB  \"\"  S* ", "SUBSCRIBE  Spaces ", "UNSUBSCRIBE Spaces ", "RENAME Spaces2  Spaces3 ", "STATUS  Spaces3  ( MESSAGES  UNSEEN ) ",
    "APPEND  Spaces  ( \\Seen  $Label )  «@PLAIN»", "APPEND Spaces «@MIXED» ", "EXAMINE Spaces ( CONDSTORE ) ", "SELECT Spaces ", "SELECT  Spaces", "FETCH 1 UID ", "FETCH  1  UID", "FETCH 1 ( UID  FLAGS )", "UID FETCH  1 FLAGS", "FETCH 1 BODY.PEEK[HEADER.FIELDS  ( subject  from )]", "FETCH 1 BODY.PEEK[ HEADER]", "FETCH 1 BODY.PEEK [HEADER]", "STORE 1  +FLAGS  ( \\Seen  \\Draft ) ", "STORE 1 -FLAGS \\Seen  \\Draft ", "SEARCH ALL ", "SEARCH  ALL", "SEARCH ALL  1", "SEARCH ( ALL  1 )", "SEARCH NOT  1", "SEARCH OR  1  2 ", "SEARCH  HEADER  subject  plain", "SEARCH (1", "SEARCH 1)", "SEARCH CHARSET  UTF-8  ALL", "COPY  1  Spaces3 ", "UID MOVE 1  Spaces3 ", "EXPUNGE ", "CHECK ", "UNSELECT ",
    // Names.
    "CREATE \"&AGE-\"", "CREATE \"&AOk-&AOk-\"", "CREATE \"&AOkA6Q-\"", "CREATE \"&-&-\"", "CREATE \"&2D0-\"", "CREATE \"Entwürfe\"", "CREATE \"a\tb\"", "SELECT \"&AGE-\"", "SELECT \"ö\"", "STATUS «a\r\nb» (MESSAGES)", "APPEND \"&bad\" «x»", "APPEND \"ö\" «x»", "SUBSCRIBE \"&bad\"", "UNSUBSCRIBE \"&bad\"", "DELETE \"&bad\"", "RENAME Spaces \"&bad\"", "LIST \"\" \"&*\"", "LIST \"\" \"&AOkA6Q-\"", "LIST \"\" \"&AOkA*\"", "LIST \"\" \"&bad\"", "LIST \"&bad\" *", "LIST \"\" \"ö\"", "LIST \"\" \"éé\"", "SELECT \"b{5}\"",
    // Levels that are no mailboxes.
    "CREATE Deep/Er/Est", "LIST \"\" Deep*", "LIST () \"\" Deep*", "LIST \"\" Deep* RETURN ()", "LIST \"\" D% RETURN (CHILDREN)", "LIST (SUBSCRIBED) \"\" Deep*", "SUBSCRIBE Deep/Er/Est", "DELETE Deep/Er/Est", "LIST (SUBSCRIBED) \"\" Deep*", "LIST \"\" Deep*",
    // A message as some make them.
    "APPEND Spaces3 «Content-Type: multipart/mixed; boundary=x\r\n\r\nno parts\r\n»", "SELECT Spaces3", "FETCH 3 BODY", "FETCH 3 BODYSTRUCTURE", "SEARCH BODY parts", "SEARCH TEXT boundary",
    // Addresses.
    "APPEND Trash «@ADDRESSES»", "APPEND Trash «@BROKEN»", "APPEND Trash «@TWICE»", "SELECT Trash", "FETCH * ENVELOPE", "FETCH 1:* ENVELOPE", "SEARCH FROM route", "UNSELECT", "SELECT Spaces3",
    // Numbers of modifications.
    "ENABLE CONDSTORE", "STORE 1 +FLAGS.SILENT (\\Flagged)", "STORE 1 +FLAGS.SILENT (\\Flagged)", "UID STORE 1 -FLAGS.SILENT (\\Flagged)", "STORE 1:2 FLAGS (\\Seen)", "STORE 1 (UNCHANGEDSINCE 99999999999999999) +FLAGS.SILENT (\\Draft)", "STORE 1 ( UNCHANGEDSINCE  1 ) +FLAGS (\\Flagged)", "UID STORE 1  (UNCHANGEDSINCE 99999999999999999)  -FLAGS (\\Draft)", "FETCH 1 FLAGS  ( CHANGEDSINCE  99999999999999999 ) ", "UNSELECT", "LOGOUT",
];

/// Commands, and why the practice server answers otherwise.
const KNOWN: &[(&str, &str)] = &[
    ("AUTHENTICATE NONSENSE", "Dovecot adds ALERT, which makes programs show a window"),
    ("ENABLE", "RFC 5161, 3.1 asks for at least one capability; Dovecot takes none as well"),
    ("FETCH 1 BODY.PEEK[TEXT]<0.0>", "RFC 3501, 9: the second number of a partial is not zero; Dovecot gives nothing"),
    ("FETCH 1 BODY[0]", "RFC 3501, 9: a part's number is not zero; Dovecot gives an empty part"),
    ("STORE 1 +FLAGS (\\Seen \\Flagged)", "RFC 3501, 6.3.2: nothing may change in an examined mailbox; Dovecot says OK and changes nothing"),
    ("expunge", "the same"),
    ("STORE 1 FLAGS", "RFC 3501, 9: STORE needs flags; Dovecot takes none for an empty list"),
];
