"""Everything that an SMTP or LMTP server says it can do, asked of it once, by smtplib's lower half.

smtp_all.py smtp|lmtp HOST PORT USER PASSWORD none [CAFILE [implicit]]
Prints each command with the code of its answer. What a server refuses is printed as well: it need not do all that there is.
"""

import smtplib
import ssl
import sys

kind, host, port, user, password, how = sys.argv[1:7]
cafile = sys.argv[7] if len(sys.argv) > 7 else None
implicit = len(sys.argv) > 8
address = f"{user}@mail.test"
context = ssl.create_default_context(cafile=cafile) if cafile else None
if kind == "lmtp":
    box = smtplib.LMTP(host, int(port), local_hostname="client.test")
elif implicit:
    box = smtplib.SMTP_SSL(host, int(port), local_hostname="client.test", context=context)
else:
    box = smtplib.SMTP(host, int(port), local_hostname="client.test")


def ask(command, arguments=""):
    code, text = box.docmd(command, arguments)
    print(code, f"{command} {arguments}".replace(user, "USER"), text.split(b"\n")[0][:20])
    return code


def answers(what, count=1):
    for _ in range(count):
        print(box.getreply()[0], what)


def deliver(recipients):
    """The message to these, by DATA. LMTP answers for each of those that were accepted."""
    accepted = [recipient for recipient in recipients if ask("RCPT", f"TO:<{recipient}>") == 250]
    if ask("DATA") == 354:
        box.send(message.encode() + b".\r\n")
        answers("message", len(accepted) if kind == "lmtp" else 1)


if kind == "smtp":
    ask("HELO", "client.test")
box.ehlo()
if cafile and not implicit:
    box.starttls(context=context)
    box.ehlo()
offers = {name.upper() for name in box.esmtp_features}
ask("NOOP")
for word in ("HELP", "VRFY", "EXPN", "ETRN"):
    if word in offers:
        ask(word, {"HELP": "", "ETRN": "mail.test"}.get(word, user))
ask("RCPT", f"TO:<{address}>")
message = f"From: {address}\r\nTo: {address}\r\nSubject: all\r\n\r\n..x\r\n"
sizes = f" SIZE={len(message)}" if "SIZE" in offers else ""
body = " BODY=8BITMIME" if "8BITMIME" in offers else ""
if "DSN" in offers:
    ask("MAIL", f"FROM:<{address}>{sizes}{body} RET=HDRS ENVID=QQ314159")
    ask("RCPT", f"TO:<{address}> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;{address}")
    ask("RSET")
if "SMTPUTF8" in offers:
    ask("MAIL", f"FROM:<{address}> SMTPUTF8{body}")
    ask("RSET")
ask("MAIL", f"FROM:<{address}> AUTH=<>")
ask("RSET")
ask("MAIL", f"FROM:<{address}> SIZE=99999999999")
ask("RSET")
ask("MAIL", "FROM:<>")
deliver(["nobody@mail.test", "somebody@elsewhere.test", address])
if "CHUNKING" in offers:
    ask("MAIL", f"FROM:<{address}>{body}")
    ask("RCPT", f"TO:<{address}>")
    data = message.encode()
    box.send(b"BDAT %d\r\n" % 10 + data[:10])
    answers("BDAT")
    box.send(b"BDAT %d LAST\r\n" % len(data[10:]) + data[10:])
    answers("BDAT LAST")
if "PRDR" in offers:
    ask("MAIL", f"FROM:<{address}> PRDR")
    ask("RCPT", f"TO:<{address}>")
    ask("RCPT", "TO:<never@mail.test>")
    if ask("DATA") == 354:
        box.send(message.encode() + b".\r\n")
        code = box.getreply()[0]
        print(code, "message")
        if code == 353:
            # One for each recipient, and one for the whole.
            answers("of several", 3)
if kind == "lmtp":
    ask("MAIL", f"FROM:<{address}>")
    deliver([address, f"{user}+folder@mail.test", address])
ask("NONSENSE", "word")
ask("QUIT")
