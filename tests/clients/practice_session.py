"""Python's own mail libraries do a day's work with a practice server.

Arguments: port of submission, IMAP, POP3. User bob with the password sesame. Ends with an assertion where it fails.
"""

import imaplib
import poplib
import smtplib
import sys
from email.message import EmailMessage

submission, imap_port, pop3_port = map(int, sys.argv[1:4])

message = EmailMessage()
message["From"] = "bob@practice.example"
message["To"] = "bob@practice.example"
message["Subject"] = "Grüße"
message.set_content("Hällo\n.dot\n")
message.add_attachment(bytes(range(256)) * 4000, maintype="application", subtype="octet-stream", filename="a.bin")

with smtplib.SMTP("127.0.0.1", submission) as smtp:
    smtp.login("bob", "sesame")
    assert smtp.send_message(message) == {}
    smtp.mail("bob@practice.example")
    code, _ = smtp.rcpt("someone@elsewhere.example")
    assert code == 550, code

with imaplib.IMAP4("127.0.0.1", imap_port) as imap:
    imap.login_cram_md5("bob", "sesame")
    assert imap.select()[1] == [b"1"]
    _, found = imap.search(None, "SUBJECT", "Gr")
    assert found == [b"1"], found
    _, data = imap.fetch("1", "(FLAGS BODY.PEEK[])")
    assert b"filename=\"a.bin\"" in data[0][1]
    imap.store("1", "+FLAGS", "\\Flagged")
    imap.create("Work/2026")
    assert imap.copy("1", "Work/2026")[0] == "OK"
    assert imap.append("Sent", "\\Seen", None, b"Subject: s\r\n\r\nx\r\n")[0] == "OK"
    assert imap.status("Work/2026", "(MESSAGES)")[1] == [b"Work/2026 (MESSAGES 1)"]
    assert imap.rename("Work/2026", "Work/2027")[0] == "OK"
    assert imap.delete("Work/2027")[0] == "OK"

pop3 = poplib.POP3("127.0.0.1", pop3_port)
pop3.apop("bob", "sesame")
assert pop3.stat()[0] == 1
assert any(b".dot" in line for line in pop3.top(1, 20)[1])
assert len(b"\r\n".join(pop3.retr(1)[1])) > 1_000_000
pop3.dele(1)
pop3.quit()
print("done")
