"""Logs in by DIGEST-MD5 (RFC 2831), which Python's libraries leave to their callers, and says NOOP.

digest_job.py PROTOCOL HOST PORT USER PASSWORD     PROTOCOL: imap, smtp
"""

import hashlib
import imaplib
import re
import smtplib
import sys

protocol, host, port, user, password = sys.argv[1:]


def md5(*parts):
    return hashlib.md5(b":".join(parts))


def respond(challenge):
    challenge = challenge if isinstance(challenge, bytes) else challenge.encode()
    if challenge.startswith(b"rspauth="):
        return ""
    nonce = re.search(rb'nonce="([^"]*)"', challenge)[1]
    realm = re.search(rb'realm="([^"]*)"', challenge)[1]
    name, secret, cnonce, uri = user.encode(), password.encode(), b"Y25vbmNl", f"{protocol}/{host}".encode()
    a1 = md5(md5(name, realm, secret).digest(), nonce, cnonce).hexdigest().encode()
    a2 = md5(b"AUTHENTICATE", uri).hexdigest().encode()
    proof = md5(a1, nonce, b"00000001", cnonce, b"auth", a2).hexdigest()
    fields = f'username="{user}",realm="{realm.decode()}",nonce="{nonce.decode()}",cnonce="{cnonce.decode()}"'
    return f'{fields},nc=00000001,qop=auth,digest-uri="{uri.decode()}",response={proof},charset=utf-8'


if protocol == "imap":
    box = imaplib.IMAP4(host, int(port))
    box.authenticate("DIGEST-MD5", respond)
    print(box.noop())
    box.logout()
else:
    relay = smtplib.SMTP(host, int(port), local_hostname="client.test")
    relay.ehlo()
    relay.auth("DIGEST-MD5", respond, initial_response_ok=False)
    print(relay.noop())
    relay.quit()
