"""A POP3 client's visit, by poplib; prints what a person would notice.

pop3_job.py HOST PORT USER PASSWORD HOW [CAFILE [implicit]]     HOW: pass, apop, plain
"""

import base64
import poplib
import re
import ssl
import sys

host, port, user, password, how = sys.argv[1:6]
cafile = sys.argv[6] if len(sys.argv) > 6 else None
implicit = len(sys.argv) > 7


def show(what, answer):
    text = repr(answer)
    text = re.sub(r"<[^<>@ ]+@[^<>]*>", "<S>", text)
    # What servers put on top of a message differs each time; continuation lines of headers begin with a tab.
    text = re.sub(r"b'(Received|Delivered-To|Return-Path|Date|Message-[Ii]d|\\t).*?'", "b'...'", text)
    print(what, text.replace(user, "USER"))


def attempt(what, action):
    try:
        show(what, action())
    except poplib.error_proto as error:
        show(what + " refused", error.args)


context = ssl.create_default_context(cafile=cafile) if cafile else None
box = poplib.POP3_SSL(host, int(port), context=context) if implicit else poplib.POP3(host, int(port))
show("banner", box.getwelcome())
show("capa", box.capa())
if cafile and not implicit:
    show("stls", box.stls(context))
if how == "pass":
    show("user", box.user(user))
    attempt("wrong pass", lambda: box.pass_(password + "-wrong"))
    show("user", box.user(user))
    show("pass", box.pass_(password))
elif how == "apop":
    show("apop", box.apop(user, password))
elif how == "plain":
    blob = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    show("auth", box._shortcmd(f"AUTH PLAIN {blob}"))
else:
    sys.exit(f"unknown way {how}")
count, _size = box.stat()
show("count", count)
show("list", [len(part) if isinstance(part, list) else 0 for part in box.list()])
attempt("uidl", lambda: len(box.uidl()[1]))
for number in range(1, count + 1):
    show("retr", box.retr(number)[1])
    show("top", [line for line in box.top(number, 1)[1] if line.startswith(b"Subject")])
attempt("retr nothing", lambda: box.retr(99))
attempt("list nothing", lambda: box.list(99))
if count:
    attempt("dele", lambda: box.dele(1))
    attempt("retr deleted", lambda: box.retr(1))
attempt("rset", lambda: box.rset())
if count:
    attempt("dele", lambda: box.dele(1))
attempt("nonsense", lambda: box._shortcmd("NONSENSE"))
show("quit", box.quit())
