"""Python's mail libraries do what people do all day, on one account, over any security.

Reads one JSON object: host, smtp, imap, pop3 (ports), tls ("plain", "starttls", "implicit"), ca (a file), user, password,
address, attachment (bytes). Ends with an assertion where something is not as it should be.
"""

import hashlib
import imaplib
import json
import poplib
import smtplib
import ssl
import sys
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage

day = json.load(sys.stdin)
host, user, password, address = day["host"], day["user"], day["password"], day["address"]
context = ssl.create_default_context(cafile=day["ca"])
secure = {"context": context}
SECONDS = 60


def smtp():
    if day["tls"] == "implicit":
        it = smtplib.SMTP_SSL(host, day["smtp"], timeout=SECONDS, **secure)
    else:
        it = smtplib.SMTP(host, day["smtp"], timeout=SECONDS)
    if day["tls"] == "starttls":
        it.starttls(**secure)
    it.login(user, password)
    return it


def imap():
    if day["tls"] == "implicit":
        it = imaplib.IMAP4_SSL(host, day["imap"], ssl_context=context, timeout=SECONDS)
    else:
        it = imaplib.IMAP4(host, day["imap"], timeout=SECONDS)
    if day["tls"] == "starttls":
        ok(it.starttls(context))
    ok(it.login(user, password))
    return it


def pop3():
    if day["tls"] == "implicit":
        it = poplib.POP3_SSL(host, day["pop3"], timeout=SECONDS, **secure)
    else:
        it = poplib.POP3(host, day["pop3"], timeout=SECONDS)
    if day["tls"] == "starttls":
        it.stls(context)
    it.user(user)
    it.pass_(password)
    return it


def ok(answer):
    status, data = answer
    assert status == "OK", answer
    return data


def count(box, name):
    return int(ok(box.status(name, "(MESSAGES)"))[0].split()[-1].rstrip(b")"))


# A message with a large attachment, and what arrives of it.
attachment = bytes(range(256)) * (day["attachment"] // 256)
message = EmailMessage()
message["From"] = message["To"] = address
message["Subject"] = "Grüße"
message.set_content("Hällo\n.dot\n")
message.add_attachment(attachment, maintype="application", subtype="octet-stream", filename="a.bin")
with smtp() as sender:
    assert sender.send_message(message) == {}

box = imap()
assert ok(box.select()) == [b"1"]
fetched = message_from_bytes(ok(box.fetch("1", "(UID FLAGS BODY.PEEK[])"))[0][1], policy=policy.SMTP)
part = next(fetched.iter_attachments())
assert hashlib.sha256(part.get_content()).digest() == hashlib.sha256(attachment).digest()
assert fetched.get_body().get_content().splitlines() == ["Hällo", ".dot"]

# Folders, flags, copies, moves.
ok(box.create("Work/2026"))
ok(box.append("Sent", "\\Seen", None, b"Subject: sent\r\n\r\nx\r\n"))
assert count(box, "Sent") == 1
for number in range(5):
    ok(box.append("INBOX", None, None, b"Subject: note %d\r\n\r\n%d\r\n" % (number, number)))
assert ok(box.uid("SEARCH", "SUBJECT", "note"))[0].split() == [b"2", b"3", b"4", b"5", b"6"]
ok(box.uid("STORE", "2:3", "+FLAGS", "(\\Flagged Work)"))
assert ok(box.search(None, "FLAGGED", "KEYWORD", "Work")) == [b"2 3"]
ok(box.uid("COPY", "2", "Work/2026"))
ok(box.uid("MOVE", "3:4", "Work/2026"))
assert count(box, "Work/2026") == 3
ok(box.store("2", "+FLAGS", "\\Deleted"))
assert ok(box.expunge())[-1] == b"2"
ok(box.rename("Work/2026", "Work/2027"))
ok(box.delete("Work/2027"))
assert box.select("Work/2027")[0] == "NO"
assert ok(box.select()) == [b"3"]

# New mail is pushed to a client that waits in IDLE.
box.send(b"w1 IDLE\r\n")
assert box.readline().startswith(b"+")
short = EmailMessage()
short["From"] = short["To"] = address
short["Subject"] = "pushed"
short.set_content("now\n")
with smtp() as sender:
    sender.send_message(short)
while (line := box.readline()) != b"* 4 EXISTS\r\n":
    assert line.startswith(b"* "), line
box.send(b"DONE\r\n")
while not (line := box.readline()).startswith(b"w1 "):
    assert line.startswith(b"* "), line
assert line.startswith(b"w1 OK"), line

# Several clients at once on one mailbox.
problems = []


def neighbour(number):
    try:
        with imap() as mine:
            ok(mine.select())
            for turn in range(5):
                ok(mine.append("INBOX", None, None, b"Subject: by %d\r\n\r\n%d\r\n" % (number, turn)))
                ok(mine.noop())
                ok(mine.fetch("1:*", "(UID FLAGS)"))
                ok(mine.uid("STORE", "1:*", "+FLAGS", f"(n{number})"))
    except Exception as problem:
        problems.append(problem)


neighbours = [threading.Thread(target=neighbour, args=(number,)) for number in range(4)]
for thread in neighbours:
    thread.start()
for thread in neighbours:
    thread.join()
assert not problems, problems
ok(box.noop())
assert len(ok(box.search(None, "SUBJECT", "by"))[0].split()) == 20
box.logout()

# What POP3 sees of it, and takes.
drop = pop3()
messages, octets = drop.stat()
assert messages == 24, messages
assert len(drop.uidl()[1]) == 24
assert any(b".dot" in line for line in drop.top(1, 20)[1])
lines = drop.retr(24)[1]
assert len(b"\r\n".join(lines)) + 2 == int(drop.list(24).split()[-1])
for number in range(2, 25):
    drop.dele(number)
drop.quit()
drop = pop3()
assert drop.stat()[0] == 1
drop.quit()
print("done")
