# SPDX-License-Identifier: Apache-2.0
"""
A browser that is logged in, without a log-in page: its session is written into the tenant's cell, with the
keyed hash that the server itself would have written. For tests of what comes after a log-in.
"""
import base64
import hashlib
import hmac
import html
import re
import secrets
import time
import urllib.parse

import requests
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

import cells

LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
FORM = re.compile(r'<form method="post" action="([^"]+)">(.*?)</form>', re.S)
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


def make_id(prefix):
    """A UUIDv7 (RFC 9562) as our ids are written."""
    value = int(time.time() * 1000) << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    return prefix + "_" + "".join(LETTERS[value >> shift & 31] for shift in range(125, -5, -5))


def text(count):
    return "".join(secrets.choice(LETTERS) for _ in range(count))


def credential_hash(server, token):
    line = next(line for line in (server.data / "root.key").read_text().splitlines() if line.startswith("derive "))
    _, version, key = line.split()
    derived = HKDF(hashes.SHA256(), 32, b"countersign/derive", b"credential-hash").derive(base64.b64decode(key))
    return hmac.digest(derived, token.encode(), hashlib.sha256), int(version)


def log_in(server, tenant, person, *, methods="pwd", second_factor_ms=None, age_ms=0, lifetime_ms=3600000,
           idle_ms=1800000, realm="local", kind="browser"):
    """The session's token."""
    prefix = text(8)
    token = f"css_{tenant.id[4:]}_{prefix}_{text(52)}"
    digest, version = credential_hash(server, token)
    now = int(time.time() * 1000)
    then = now - age_ms
    cells.run(server, tenant, "INSERT INTO session (tenant_id, id, principal_id, kind, prefix, hash, hash_version, created_ms, "
              "authenticated_ms, second_factor_ms, seen_ms, idle_ms, expires_ms, realm, methods) "
              "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
              tenant.id, make_id("ses"), person.id, kind, prefix, digest, version, then, then, second_factor_ms,
              then, idle_ms, then + lifetime_ms, realm, methods)
    return token


class Browser:
    """Cookies, forms, and the headers that browsers write."""

    def __init__(self, server, token=None):
        self.server = server
        self.session = requests.Session()
        self.session.trust_env = False
        if token:
            self.session.cookies.set("countersign", token)

    def get(self, path, **more):
        url = path if path.startswith("http") else self.server.url + path
        return self.session.get(url, allow_redirects=False, timeout=30, headers={"Sec-Fetch-Site": "none"}, **more)

    def post(self, path, data, **headers):
        sent = {"Origin": self.server.url, "Sec-Fetch-Site": "same-origin", **headers}
        return self.session.post(self.server.url + path, data=data, timeout=30, allow_redirects=False,
                                 headers={name: value for name, value in sent.items() if value is not None})

    def form(self, answer):
        """(action, the hidden fields) of the page's form."""
        action, inner = FORM.search(answer.text).groups()
        return html.unescape(action), {html.unescape(n): html.unescape(v) for n, v in HIDDEN.findall(inner)}

    def submit(self, answer, **fields):
        action, hidden = self.form(answer)
        return self.post(action, {**hidden, **fields})


def query_of(url):
    return {name: values[0] for name, values in urllib.parse.parse_qs(urllib.parse.urlsplit(url).query).items()}
