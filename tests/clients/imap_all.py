"""Everything that an IMAP server says it can do, asked of it once: each command of each capability that it lists.

imap_all.py HOST PORT USER PASSWORD PREFIX [CAFILE [implicit]]
PREFIX is what the names of the user's own folders begin with. Prints each command with the answer's status. What a server refuses
is printed as well: it need not do all that there is.
"""

import base64
import hashlib
import hmac
import re
import socket
import ssl
import sys

host, port, user, password, prefix = sys.argv[1:6]
cafile = sys.argv[6] if len(sys.argv) > 6 else None
implicit = len(sys.argv) > 7
context = ssl.create_default_context(cafile=cafile) if cafile else None

MESSAGE = (
    "From: Anna <anna@mail.test>\r\nTo: bert@mail.test\r\nCc: carl@mail.test\r\nSubject: {subject}\r\n"
    "Date: Tue, 3 Mar 2026 10:00:00 +0100\r\nMessage-ID: <{id}@mail.test>\r\n{more}MIME-Version: 1.0\r\n"
    'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n'
    "Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe\r\n--b\r\nContent-Type: image/png; name=a.png\r\n"
    "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=a.png\r\n\r\naGVsbG8=\r\n--b--\r\n"
)


def message(number):
    more = "" if number == 1 else "In-Reply-To: <1@mail.test>\r\nReferences: <1@mail.test>\r\n"
    subject = "plans" if number == 1 else "Re: plans"
    return MESSAGE.format(subject=subject, id=number, more=more).encode()


class Session:
    def __init__(self):
        self.link = socket.create_connection((host, int(port)), timeout=60)
        if implicit:
            self.link = context.wrap_socket(self.link, server_hostname=host)
        self.file = self.link.makefile("rb")
        self.number = 0
        self.capabilities = set()
        self.look(self.file.readline())

    def look(self, line):
        found = re.search(rb"[*\[] ?CAPABILITY ([^\]\r\n]*)", line)
        if found:
            self.capabilities = {word.upper() for word in found[1].decode().split()}

    def can(self, *words):
        return any(word in self.capabilities for word in words)

    def line(self):
        """One line with its literals."""
        line = self.file.readline()
        assert line, "the server hung up"
        while found := re.search(rb"\{(\d+)\}\r\n$", line):
            line += self.file.read(int(found[1])) + self.file.readline()
        self.look(line)
        return line

    def start(self, *parts):
        """Sends a command: text, and bytes as literals, for which the server is waited for. True when all was taken."""
        self.number += 1
        self.tag = f"x{self.number}".encode()
        out = self.tag
        for part in parts:
            if isinstance(part, str):
                out += (b"" if part == ")" else b" ") + part.encode()
                continue
            self.link.sendall(out + b" {%d}\r\n" % len(part))
            line = self.line()
            if not line.startswith(b"+"):
                return line
            out = part
        self.link.sendall(out + b"\r\n")
        return None

    def ask(self, *parts):
        line = self.start(*parts) or self.line()
        lines = []
        while not line.startswith(self.tag + b" "):
            lines.append(line)
            line = self.line()
        status = line.split()[1].decode()
        shown = " ".join(part if isinstance(part, str) else "{literal}" for part in parts)
        print(status, shown.replace(user, "USER").replace(password, "PASSWORD"))
        return status, lines, line


box = Session()
ask, can = box.ask, box.can
ask("CAPABILITY")
if cafile and not implicit:
    ask("STARTTLS")
    box.link = context.wrap_socket(box.link, server_hostname=host)
    box.file = box.link.makefile("rb")
    ask("CAPABILITY")
if can("ID"):
    ask('ID ("name" "everything" "version" "1" "vendor" NIL)')
    ask("ID NIL")
if can("AUTH=CRAM-SHA256"):
    # No library has it: a checksum as in CRAM-MD5, with SHA-256.
    box.number += 1
    box.tag = f"x{box.number}".encode()
    box.link.sendall(box.tag + b" AUTHENTICATE CRAM-SHA256\r\n")
    challenge = base64.b64decode(box.line()[2:])
    digest = hmac.new(password.encode(), challenge, hashlib.sha256).hexdigest()
    box.link.sendall(base64.b64encode(f"{user} {digest}".encode()) + b"\r\n")
    while not (line := box.line()).startswith(box.tag):
        pass
    assert line.split()[1] == b"OK", line
else:
    assert ask(f'LOGIN {user} "{password}"')[0] == "OK"
ask("CAPABILITY")
ask("NOOP")
if can("ENABLE"):
    ask("ENABLE CONDSTORE QRESYNC")
if can("NAMESPACE"):
    ask("NAMESPACE")
one, two = f"{prefix}one", f"{prefix}two"

# Mailboxes.
ask(f"CREATE {one}")
ask(f"CREATE {one}")
ask(f"SUBSCRIBE {one}")
ask('LSUB "" "*"')
ask(f"UNSUBSCRIBE {one}")
ask('LIST "" ""')
ask('LIST "" "*"')
if can("LIST-EXTENDED"):
    ask('LIST (SUBSCRIBED RECURSIVEMATCH) "" ("*" "%") RETURN (CHILDREN SUBSCRIBED)')
    ask('LIST (REMOTE) "" "*" RETURN (CHILDREN)')
if can("LIST-STATUS"):
    ask('LIST "" "*" RETURN (STATUS (MESSAGES UNSEEN UIDNEXT UIDVALIDITY RECENT))')
if can("SPECIAL-USE"):
    ask('LIST (SPECIAL-USE) "" "*" RETURN (SPECIAL-USE)')
if can("LIST-MYRIGHTS"):
    ask('LIST "" "*" RETURN (MYRIGHTS)')
if can("LIST-METADATA"):
    ask('LIST "" "*" RETURN (METADATA (/private/comment))')
if can("XLIST"):
    ask('XLIST "" "*"')
if can("SCAN"):
    ask('SCAN "" "*" "hello"')
if can("CREATE-SPECIAL-USE"):
    ask(f"CREATE {prefix}archive (USE (\\Archive))")
ask(f"RENAME {one} {two}")
ask(f"DELETE {two}")
ask(f"DELETE {two}")
ask(f"CREATE {one}")

# Messages.
for number in range(1, 6):
    flags = ["", "(\\Seen)", "(\\Flagged $Forwarded)", "(\\Answered \\Draft)", '(\\Seen) "03-Mar-2026 10:00:00 +0100"'][number - 1]
    ask(*[part for part in (f"APPEND INBOX {flags}".strip(),) if part], message(number))
ask("APPEND nowhere", message(1))
if can("MULTIAPPEND"):
    ask("APPEND INBOX (\\Seen)", message(6), "(\\Flagged)", message(7))
if can("CATENATE"):
    ask("APPEND INBOX CATENATE (TEXT", b"Subject: put together\r\n\r\nx\r\n", ")")
ask("STATUS INBOX (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)")
if can("CONDSTORE"):
    ask("STATUS INBOX (HIGHESTMODSEQ)")
if can("STATUS=SIZE", "IMAP4REV2"):
    ask("STATUS INBOX (SIZE DELETED)")
if can("OBJECTID"):
    ask("STATUS INBOX (MAILBOXID)")
if any(word.startswith("APPENDLIMIT") for word in box.capabilities):
    ask("STATUS INBOX (APPENDLIMIT)")
ask("SELECT nowhere")
ask("EXAMINE INBOX")
ask("STORE 1 +FLAGS (\\Seen)")
ask("SELECT INBOX" + (" (CONDSTORE)" if can("CONDSTORE") else ""))
ask("CHECK")
for items in (
    "ALL", "FAST", "FULL", "FLAGS", "UID", "INTERNALDATE", "RFC822.SIZE", "RFC822.HEADER", "RFC822.TEXT", "RFC822", "ENVELOPE",
    "BODY", "BODYSTRUCTURE", "BODY.PEEK[]", "BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]", "BODY.PEEK[1]", "BODY.PEEK[1.MIME]",
    "BODY.PEEK[HEADER.FIELDS (SUBJECT FROM)]", "BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT FROM)]", "BODY.PEEK[]<0.100>", "BODY[2]",
):
    ask(f"FETCH 1 ({items})" if items.isupper() and "[" in items else f"FETCH 1 {items}")
ask("UID FETCH 1:* (UID FLAGS RFC822.SIZE)")
ask("FETCH 99 FLAGS")
for word, items in (
    ("CONDSTORE", "(MODSEQ)"), ("BINARY", "(BINARY.PEEK[1])"), ("BINARY", "(BINARY.SIZE[1])"), ("OBJECTID", "(EMAILID THREADID)"),
    ("PREVIEW", "(PREVIEW)"), ("PREVIEW", "(PREVIEW (LAZY))"), ("SAVEDATE", "(SAVEDATE)"), ("X-CREATEDMODSEQ", "(CREATEDMODSEQ)"),
    ("ANNOTATE-EXPERIMENT-1", "(ANNOTATION (/comment (value.priv size.priv)))"), ("X-GM-EXT-1", "(X-GM-MSGID X-GM-LABELS)"),
    ("DIGEST=SHA1", "(DIGEST.SHA1)"), ("X-REPLICATION", "(BASECID CID)"),
):
    if can(word):
        ask(f"FETCH 1:2 {items}")
if can("CONDSTORE"):
    ask("FETCH 1:* (FLAGS) (CHANGEDSINCE 1)")
if can("QRESYNC"):
    ask("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)")
for keys in (
    "ALL", "SEEN UNSEEN", "NOT DELETED", "OR FLAGGED ANSWERED", "SINCE 1-Mar-2026 BEFORE 1-Jan-2030", "SENTON 3-Mar-2026",
    "FROM anna TO bert CC carl BCC nobody", "SUBJECT plans BODY hello TEXT Anna", "LARGER 10 SMALLER 100000", "KEYWORD $Forwarded",
    "UNKEYWORD $Junk", "HEADER Message-ID 1@mail.test", "UID 1:*", "NEW", "OLD", "RECENT", "DRAFT", "UNDRAFT", "1:2 UNFLAGGED",
    "SENTBEFORE 1-Jan-2030 SENTSINCE 1-Jan-2020 ON 3-Mar-2026",
):
    ask(f"SEARCH {keys}")
ask("SEARCH CHARSET UTF-8 SUBJECT", "Grüße".encode())
ask("SEARCH CHARSET X-NOWHERE SUBJECT x")
ask("UID SEARCH FLAGGED")
for word, command in (
    ("ESEARCH", "SEARCH RETURN (MIN MAX COUNT ALL) ALL"), ("ESEARCH", "UID SEARCH RETURN () UNSEEN"),
    ("SEARCHRES", "SEARCH RETURN (SAVE) FLAGGED"), ("SEARCHRES", "FETCH $ FLAGS"),
    ("WITHIN", "SEARCH YOUNGER 3600 OLDER 1"), ("SEARCH=FUZZY", "SEARCH FUZZY SUBJECT plan"), ("CONDSTORE", "SEARCH MODSEQ 1"),
    ("OBJECTID", "SEARCH EMAILID M1 THREADID T1"), ("SAVEDATE", "SEARCH SAVEDSINCE 1-Jan-2020 SAVEDATESUPPORTED"),
    ("SORT", "SORT (REVERSE DATE SUBJECT ARRIVAL CC FROM SIZE TO) UTF-8 ALL"), ("SORT", "UID SORT (DATE) US-ASCII UNDELETED"),
    ("SORT=DISPLAY", "SORT (DISPLAYFROM DISPLAYTO) UTF-8 ALL"), ("ESORT", "SORT RETURN (COUNT MIN) (ARRIVAL) UTF-8 ALL"),
    ("SORT=MODSEQ", "SORT (MODSEQ) UTF-8 ALL"), ("SORT=UID", "SORT (UID) UTF-8 ALL"),
    ("THREAD=ORDEREDSUBJECT", "THREAD ORDEREDSUBJECT UTF-8 ALL"), ("THREAD=REFERENCES", "THREAD REFERENCES UTF-8 ALL"),
    ("THREAD=REFERENCES", "UID THREAD REFERENCES US-ASCII ALL"), ("THREAD=REFS", "THREAD REFS UTF-8 ALL"),
):
    if can(word):
        ask(command)
ask("STORE 1 +FLAGS (\\Seen Work)")
ask("STORE 1:2 -FLAGS.SILENT (\\Flagged)")
ask("STORE 3 FLAGS (\\Deleted)")
ask("UID STORE 1 +FLAGS ($Junk $NotJunk $MDNSent)")
if can("CONDSTORE"):
    ask("STORE 1:2 (UNCHANGEDSINCE 1) +FLAGS (\\Answered)")
if can("ANNOTATE-EXPERIMENT-1"):
    ask('STORE 1 ANNOTATION (/comment (value.priv "good"))')
ask(f"COPY 1:2 {one}")
ask("COPY 1 nowhere")
ask(f"UID COPY 1 {one}")
if can("MOVE"):
    ask(f"MOVE 2 {one}")
    ask(f"UID MOVE 4 {one}")
ask("UID EXPUNGE 3" if can("UIDPLUS") else "EXPUNGE")
ask("STORE 1 +FLAGS.SILENT (\\Deleted)")
ask("EXPUNGE")

# What belongs to a mailbox beside its messages.
for word, command in (
    ("QUOTA", "GETQUOTAROOT INBOX"), ("QUOTA", 'GETQUOTA ""'), ("QUOTA", 'SETQUOTA "" (STORAGE 5000)'), ("ACL", "MYRIGHTS INBOX"),
    ("ACL", "GETACL INBOX"), ("ACL", f"LISTRIGHTS INBOX {user}"), ("ACL", f"SETACL {one} anyone lr"), ("ACL", f"GETACL {one}"),
    ("ACL", f"DELETEACL {one} anyone"), ("METADATA", f'SETMETADATA {one} (/private/comment "mine")'),
    ("METADATA", f"GETMETADATA {one} /private/comment"), ("METADATA", f"GETMETADATA (DEPTH infinity) {one} (/private)"),
    ("METADATA", 'GETMETADATA "" /shared/comment'), ("XMOVE", f"XMOVE 1 {one}"), ("URLAUTH", f'RESETKEY {one}'),
    ("URLAUTH", f'GENURLAUTH "imap://{user}@mail.test/{one}/;UID=1;URLAUTH=anonymous" INTERNAL'), ("NOTIFY", "NOTIFY NONE"),
    ("LANGUAGE", "LANGUAGE"), ("I18NLEVEL=1", "COMPARATOR"),
):
    if can(word):
        ask(command)
if can("IDLE"):
    refused = box.start("IDLE")
    line = refused or box.line()
    while not line.startswith((b"+", box.tag)):
        line = box.line()
    if line.startswith(b"+"):
        box.link.sendall(b"DONE\r\n")
        while not line.startswith(box.tag):
            line = box.line()
if can("UNSELECT"):
    ask("UNSELECT")
    ask("SELECT INBOX")
ask("CLOSE")
ask("CLOSE")
ask("FETCH 1 FLAGS")
ask(f"DELETE {one}")
ask("NONSENSE")
ask("LOGOUT")
