"""Makes the bearer tokens that the tests' Dovecot accepts: JWT, HS256, with the key that the tests hand over."""

import base64
import hashlib
import hmac
import json
import os
import time


def _part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def token(user, key=None):
    key = (key or os.environ["MAILTAP_TEST_TOKEN_KEY"]).encode()
    now = int(time.time())
    claims = {"sub": user, "iat": now - 60, "nbf": now - 60, "exp": now + 86400}
    signed = b".".join(_part(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return signed + b"." + _part(hmac.new(key, signed, hashlib.sha256).digest())


def xoauth2(user, key=None):
    return b"user=" + user.encode() + b"\x01auth=Bearer " + token(user, key) + b"\x01\x01"


def oauthbearer(user, key=None):
    return b"n,a=" + user.encode() + b",\x01auth=Bearer " + token(user, key) + b"\x01\x01"
