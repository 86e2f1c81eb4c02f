# SPDX-License-Identifier: Apache-2.0
"""A WebAuthn authenticator in software, and the part that a browser has in it."""
import base64
import hashlib
import json
import os
import struct

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_b64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def cbor(value):
    """What authenticators write: CTAP2's canonical form."""
    def head(major, number):
        if number < 24:
            return bytes([major << 5 | number])
        size = 1 if number < 0x100 else 2 if number < 0x10000 else 4
        return bytes([major << 5 | {1: 24, 2: 25, 4: 26}[size]]) + number.to_bytes(size, "big")
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, dict):
        return head(5, len(value)) + b"".join(cbor(key) + cbor(item) for key, item in value.items())
    raise TypeError(value)


class Passkey:
    def __init__(self, origin, algorithm="ES256", rp_id=None):
        self.origin = origin
        self.rp_id = rp_id or origin.split("://")[1].split(":")[0]
        self.algorithm = algorithm
        self.id = os.urandom(32)
        self.count = 0
        self.user_handle = b""
        if algorithm == "ES256":
            self.private = ec.generate_private_key(ec.SECP256R1())
            numbers = self.private.public_key().public_numbers()
            self.cose = cbor({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
        elif algorithm == "EdDSA":
            self.private = ed25519.Ed25519PrivateKey.generate()
            raw = self.private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            self.cose = cbor({1: 1, 3: -8, -1: 6, -2: raw})
        else:
            self.private = rsa.generate_private_key(65537, 2048)
            numbers = self.private.public_key().public_numbers()
            self.cose = cbor({1: 3, 3: -257, -1: numbers.n.to_bytes(256, "big"), -2: b"\x01\x00\x01"})

    @property
    def keyid(self):
        return hashlib.sha256(self.cose).hexdigest()

    def client_data(self, kind, challenge, **more):
        return json.dumps({"type": kind, "challenge": b64url(challenge), "origin": self.origin, "crossOrigin": False,
                           **more}, separators=(",", ":")).encode()

    def data(self, flags, attested=b""):
        self.count += 1
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + struct.pack(">I", self.count) + attested

    def sign(self, data, client_data):
        message = data + hashlib.sha256(client_data).digest()
        if self.algorithm == "ES256":
            return self.private.sign(message, ec.ECDSA(hashes.SHA256()))
        if self.algorithm == "EdDSA":
            return self.private.sign(message)
        return self.private.sign(message, padding.PKCS1v15(), hashes.SHA256())

    def create(self, challenge, attestation="none", flags=PRESENT | VERIFIED):
        """attestationObject and clientDataJSON."""
        client_data = self.client_data("webauthn.create", challenge)
        data = self.data(flags | ATTESTED, bytes(16) + struct.pack(">H", len(self.id)) + self.id + self.cose)
        statement = {}
        if attestation == "packed":
            number = {"ES256": -7, "EdDSA": -8, "RS256": -257}[self.algorithm]
            statement = {"alg": number, "sig": self.sign(data, client_data)}
        return cbor({"fmt": attestation, "attStmt": statement, "authData": data}), client_data

    def get(self, challenge, flags=PRESENT | VERIFIED, **more):
        """authenticatorData, clientDataJSON and the signature."""
        client_data = self.client_data("webauthn.get", challenge, **more)
        data = self.data(flags)
        return data, client_data, self.sign(data, client_data)

    def roster_key(self):
        return {"origins": [self.origin], "public": base64.b64encode(self.cose).decode(), "rp_id": self.rp_id,
                "type": "webauthn"}

    def signature(self, payload_type, payload, **more):
        """A DSSE signature: the challenge is SHA-256 of what an Ed25519 key would sign."""
        kind = payload_type.encode()
        pae = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
        data, client_data, signature = self.get(hashlib.sha256(pae).digest(), **more)
        return {"keyid": self.keyid, "sig": base64.b64encode(signature).decode(),
                "authenticatorData": base64.b64encode(data).decode(),
                "clientDataJSON": base64.b64encode(client_data).decode()}

    # ---- what the script does with a page's form

    def fill_create(self, form):
        data = form["data"]
        assert data["webauthn"] == "create" and data["rp"] == self.rp_id
        self.user_handle = data["user"].encode()
        attestation, client_data = self.create(from_b64url(data["challenge"]))
        return {"attestation": b64url(attestation), "client_data": b64url(client_data)}

    def fill_get(self, form, **more):
        data = form["data"]
        assert data["webauthn"] == "get" and data["rp"] == self.rp_id
        assert not data["keys"] or b64url(self.id) in data["keys"].split(" ")
        authenticator_data, client_data, signature = self.get(from_b64url(data["challenge"]), **more)
        return {"credential": b64url(self.id), "authenticator_data": b64url(authenticator_data),
                "client_data": b64url(client_data), "signature": b64url(signature),
                "user_handle": b64url(self.user_handle)}
