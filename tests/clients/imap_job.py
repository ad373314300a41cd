"""A day of an IMAP client, by imaplib; prints what a person would notice, without times and numbers that differ each time.

imap_job.py HOST PORT USER PASSWORD MECHANISM [CAFILE [implicit]]
With CAFILE the connection is upgraded by STARTTLS, or encrypted from the start with `implicit`.
"""

import imaplib
import re
import ssl
import sys

import token_maker

host, port, user, password, mechanism = sys.argv[1:6]
cafile = sys.argv[6] if len(sys.argv) > 6 else None
implicit = len(sys.argv) > 7

MESSAGE = (
    b"From: anna@mail.test\r\nTo: bert@mail.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    + "Grüße aus Köln\r\na1 OK not a reply\r\n* BYE neither\r\n{5}\r\n)\r\n.\r\n".encode()
)


def show(what, answer):
    text = repr(answer)
    # Times and validity numbers are new in each mailbox.
    text = re.sub(r"(UIDVALIDITY|APPENDUID|COPYUID|HIGHESTMODSEQ) \d+", r"\1 N", text)
    text = re.sub(r"\d\.\d{3} \+ \d\.\d{3}( \+ \d\.\d{3})? secs", "T secs", text)
    text = re.sub(r'INTERNALDATE "[^"]*"', "INTERNALDATE D", text)
    text = re.sub(r"session=<[^>]*>|<[^<>@]*@mail.test>", "<S>", text)
    print(what, text.replace(user, "USER"))


context = ssl.create_default_context(cafile=cafile) if cafile else None
box = imaplib.IMAP4_SSL(host, int(port), ssl_context=context) if implicit else imaplib.IMAP4(host, int(port))
show("greeting", box.welcome)
if cafile and not implicit:
    show("starttls", box.starttls(context))

if mechanism == "login":
    show("login", box.login(user, password))
elif mechanism == "cram-md5":
    show("cram", box.login_cram_md5(user, password))
elif mechanism == "plain":
    show("plain", box.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode()))
elif mechanism == "xoauth2":
    show("xoauth2", box.authenticate("XOAUTH2", lambda _: token_maker.xoauth2(user)))
elif mechanism == "oauthbearer":
    show("oauthbearer", box.authenticate("OAUTHBEARER", lambda _: token_maker.oauthbearer(user)))
elif mechanism == "wrong":
    for attempt in (
        lambda: box.login(user, password + "-wrong"),
        lambda: box.authenticate("XOAUTH2", lambda c: b"" if c else token_maker.xoauth2(user, key="wrong")),
        lambda: box.login(user, password),
    ):
        try:
            show("attempt", attempt())
        except imaplib.IMAP4.error as error:
            show("refused", error.args)
else:
    sys.exit(f"unknown mechanism {mechanism}")

show("capability", box.capability())
show("create", box.create('"Entw&APw-rfe"'))
show("create again", box.create('"Entw&APw-rfe"'))
show("list", box.list())
for number in range(3):
    show("append", box.append("INBOX", "(\\Seen)" if number else None, None, MESSAGE + b"x" * number + b"\r\n"))
show("select", box.select())
show("fetch whole", box.fetch("1:*", "(FLAGS RFC822.SIZE BODY.PEEK[])"))
show("fetch header", box.fetch("2", "(BODY.PEEK[HEADER.FIELDS (SUBJECT FROM)] ENVELOPE BODYSTRUCTURE)"))
try:
    show("fetch nothing", box.fetch("99", "(FLAGS)"))
except imaplib.IMAP4.error as error:
    show("fetch nothing", error.args)
show("search", box.search(None, "SUBJECT", '"nothing"'))
box.literal = "Köln".encode()
show("search literal", box.search("UTF-8", "BODY"))
show("uid fetch", box.uid("FETCH", "1:3", "(UID FLAGS)"))
show("store", box.store("1", "+FLAGS", "(\\Deleted $Label1)"))
show("copy", box.copy("1:2", '"Entw&APw-rfe"'))
show("status", box.status('"Entw&APw-rfe"', "(MESSAGES UNSEEN)"))
show("expunge", box.expunge())
try:
    show("nonsense", box.xatom("NONSENSE"))
except imaplib.IMAP4.error as error:
    show("nonsense", error.args)
show("noop", box.noop())
show("close", box.close())
show("delete", box.delete('"Entw&APw-rfe"'))
show("logout", box.logout())
