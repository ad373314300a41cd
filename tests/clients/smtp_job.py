"""Sending by smtplib; prints what a person would notice.

smtp_job.py smtp|lmtp HOST PORT USER PASSWORD HOW [CAFILE [implicit]]     HOW: none, plain, login, cram-md5, wrong
Sends three messages to USER@mail.test: a small one, one full of dots and bare line ends' look-alikes, a large 8-bit one.
"""

import re
import smtplib
import ssl
import sys

kind, host, port, user, password, how = sys.argv[1:7]
cafile = sys.argv[7] if len(sys.argv) > 7 else None
implicit = len(sys.argv) > 8
address = f"{user}@mail.test"
HEAD = f"From: {address}\r\nTo: {address}\r\nSubject: ".encode()
MESSAGES = [
    HEAD + b"small\r\n\r\nhello\r\n",
    HEAD + b"dots\r\n\r\n.\r\n..\r\n. \r\nQUIT\r\n250 not a reply\r\n",
    HEAD + b"large\r\n\r\n" + ("Grüße " * 12 + "\r\n").encode() * 4000,
]


def show(what, answer):
    text = repr(answer)
    text = re.sub(r"queued as \w+", "queued as Q", text)
    text = re.sub(r"> [A-Za-z0-9+/=]+(:T\d+)?(:R\d+)? Saved", "> ID Saved", text)
    print(what, text.replace(user, "USER"))


def attempt(what, action):
    try:
        show(what, action())
    except smtplib.SMTPException as error:
        show(what + " refused", (type(error).__name__, error.args))


context = ssl.create_default_context(cafile=cafile) if cafile else None
if kind == "lmtp":
    box = smtplib.LMTP(host, int(port), local_hostname="client.test")
elif implicit:
    box = smtplib.SMTP_SSL(host, int(port), local_hostname="client.test", context=context)
else:
    box = smtplib.SMTP(host, int(port), local_hostname="client.test")
show("ehlo", box.ehlo())
if cafile and not implicit:
    show("starttls", box.starttls(context=context))
    show("ehlo", box.ehlo())
box.user, box.password = user, password
if how in ("plain", "login", "cram-md5"):
    method = {"plain": box.auth_plain, "login": box.auth_login, "cram-md5": box.auth_cram_md5}[how]
    attempt("auth", lambda: box.auth(how.upper(), method))
elif how == "wrong":
    box.password = password + "-wrong"
    attempt("auth", lambda: box.auth("PLAIN", box.auth_plain))
    attempt("auth", lambda: box.auth("LOGIN", box.auth_login, initial_response_ok=False))
    box.password = password
    attempt("auth", lambda: box.auth("LOGIN", box.auth_login, initial_response_ok=False))
elif how != "none":
    sys.exit(f"unknown way {how}")
for message in MESSAGES:
    attempt("send", lambda: box.sendmail(address, [address], message, ["BODY=8BITMIME"]))
if kind == "lmtp":
    # Two recipients get two answers, of which smtplib reads only the first by itself.
    show("mail", box.mail(address))
    show("rcpt", box.rcpt(f"{user}a@mail.test"))
    show("rcpt", box.rcpt(f"{user}b@mail.test"))
    show("data", box.data(MESSAGES[0]))
    show("second answer", box.getreply())
attempt("send elsewhere", lambda: box.sendmail(address, ["somebody@elsewhere.test"], MESSAGES[0]))
show("rset", box.rset())
show("vrfy", box.docmd("VRFY", user))
show("nonsense", box.docmd("NONSENSE", "word"))
show("quit", box.quit())
