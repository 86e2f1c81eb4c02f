# SPDX-License-Identifier: Apache-2.0
"""An OpenID Connect issuer that can lie, for what a proper one cannot be made to do.

It signs everybody in without asking: a story changes its fields (claims, header,
key set, delays, statuses) and looks at what Countersign makes of it.
"""
import base64
import functools
import hashlib
import hmac
import http.server
import json
import secrets
import threading
import time
import urllib.parse

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, size=None):
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


@functools.cache
def rsa_key():
    """One for all: to make one takes long, and no story has two."""
    return rsa.generate_private_key(65537, 2048)


class SigningKey:
    """A key with its JWK and the algorithm that goes with it."""

    def __init__(self, alg="ES256", kid=None):
        self.alg, self.kid = alg, kid or secrets.token_hex(4)
        if alg[:2] in ("RS", "PS"):
            self.private = rsa_key()
        elif alg == "EdDSA":
            self.private = ed25519.Ed25519PrivateKey.generate()
        else:
            self.private = ec.generate_private_key({"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(),
                                                    "ES512": ec.SECP521R1()}[alg])

    @property
    def jwk(self):
        public = self.private.public_key()
        common = {"kid": self.kid, "alg": self.alg, "use": "sig"}
        if self.alg == "EdDSA":
            return {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes(Encoding.Raw, PublicFormat.Raw)),
                    **common}
        numbers = public.public_numbers()
        if self.alg[:2] in ("RS", "PS"):
            return {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e), **common}
        size = {"ES256": 32, "ES384": 48, "ES512": 66}[self.alg]
        return {"kty": "EC", "crv": {32: "P-256", 48: "P-384", 66: "P-521"}[size], "x": number(numbers.x, size),
                "y": number(numbers.y, size), **common}

    def sign(self, text):
        digest = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}.get(self.alg[2:])
        if self.alg == "EdDSA":
            return self.private.sign(text)
        if self.alg[:2] == "RS":
            return self.private.sign(text, padding.PKCS1v15(), digest)
        if self.alg[:2] == "PS":
            return self.private.sign(text, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
        size = {"ES256": 32, "ES384": 48, "ES512": 66}[self.alg]
        r, s = utils.decode_dss_signature(self.private.sign(text, ec.ECDSA(digest)))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    def token(self, claims, **header):
        header = {"alg": self.alg, "kid": self.kid, "typ": "JWT", **header}
        header = {name: value for name, value in header.items() if value is not None}
        text = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
        return f"{text}.{b64(self.sign(text.encode()))}"


def unsigned(claims, alg="none"):
    return f"{b64(json.dumps({'alg': alg}).encode())}.{b64(json.dumps(claims).encode())}."


def hmac_token(claims, secret, **header):
    text = f"{b64(json.dumps({'alg': 'HS256', **header}).encode())}.{b64(json.dumps(claims).encode())}"
    return f"{text}.{b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


class Issuer:
    def __init__(self, path=""):
        """At a path of its own: a later issuer may get the same port, and a server remembers what an issuer said."""
        path = path or f"/{secrets.token_hex(4)}"
        self.keys = [SigningKey()]
        self.client_id, self.client_secret = "countersign", secrets.token_urlsafe(16)
        self.subject, self.claims = "alice", {"name": "Alice", "email": "alice@example.com", "roles": ["operator"]}
        self.metadata = {}          # laid over the discovery document
        self.iss_parameter = True   # RFC 9207
        self.checks_pkce = True
        self.edit = lambda claims: claims
        self.make_token = lambda claims: self.keys[0].token(claims)
        self.hold = None            # an event: answers wait for it
        self.status = None          # of every answer but the authorization endpoint
        self.body = None            # in place of the discovery document
        self.fetches, self.token_requests, self.codes = [], [], {}
        self.asked = threading.Event()  # something was fetched
        self.jwks = None            # in place of the key set
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}{path}"
        self.path = path
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self):
        if self.hold:
            self.hold.set()
        self.server.shutdown()
        self.server.server_close()

    def realm(self, **more):
        """The body that makes it a realm of a tenant."""
        return {"name": "corp", "issuer": self.url, "client_id": self.client_id, "client_secret": self.client_secret,
                "roles_expression": "claims.roles", **more}

    def discovery(self):
        document = {"issuer": self.url, "authorization_endpoint": f"{self.url}/authorize",
                    "token_endpoint": f"{self.url}/token", "jwks_uri": f"{self.url}/jwks",
                    "end_session_endpoint": f"{self.url}/end",
                    "authorization_response_iss_parameter_supported": self.iss_parameter}
        document.update(self.metadata)
        return {name: value for name, value in document.items() if value is not None}

    def id_claims(self, **more):
        now = int(time.time())
        return {"iss": self.url, "sub": self.subject, "aud": self.client_id, "iat": now, "exp": now + 300,
                "sid": "sid-1", **self.claims, **more}

    def authorize(self, query):
        """What the browser is sent back with."""
        code = secrets.token_urlsafe(12)
        self.codes[code] = query
        answer = {"code": code, "state": query["state"]}
        if self.iss_parameter:
            answer["iss"] = self.url
        return f"{query['redirect_uri']}?{urllib.parse.urlencode(answer)}"

    def token_answer(self, form, authorization):
        self.token_requests.append((form, authorization))
        asked = self.codes.pop(form.get("code"), None)
        if asked is None:
            return 400, {"error": "invalid_grant"}
        challenge = b64(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if self.checks_pkce and (asked["code_challenge_method"] != "S256" or asked["code_challenge"] != challenge
                                 or asked["redirect_uri"] != form["redirect_uri"]):
            return 400, {"error": "invalid_grant"}
        claims = self.edit(self.id_claims(nonce=asked["nonce"]))
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": self.make_token(claims)}

    def handler(issuer):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def reply(self, status, value, headers=()):
                body = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                for name, text in headers:
                    self.send_header(name, text)
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                place = urllib.parse.urlsplit(self.path)
                what = place.path.removeprefix(issuer.path)
                if what == "/authorize":
                    query = dict(urllib.parse.parse_qsl(place.query))
                    self.reply(303, b"", [("Location", issuer.authorize(query))])
                    return
                issuer.fetches.append(what)
                issuer.asked.set()
                if issuer.hold:
                    issuer.hold.wait(30)
                if issuer.status:
                    headers = [("Location", f"{issuer.url}/elsewhere")] if issuer.status // 100 == 3 else []
                    self.reply(issuer.status, {}, headers)
                elif what == "/.well-known/openid-configuration":
                    self.reply(200, issuer.discovery() if issuer.body is None else issuer.body)
                elif what == "/jwks":
                    keys = {"keys": [key.jwk for key in issuer.keys]}
                    self.reply(200, keys if issuer.jwks is None else issuer.jwks)
                else:
                    self.reply(404, {})

            def do_POST(self):
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = dict(urllib.parse.parse_qsl(text))
                self.reply(*issuer.token_answer(form, self.headers.get("Authorization")))

        return Handler
