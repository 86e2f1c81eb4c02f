# SPDX-License-Identifier: Apache-2.0
"""What tests with a real browser and a certified OpenID Connect provider need.

oidc-provider and playwright-core come from npm (tests/web/package-lock.json) into the build folder; the
browser is Debian's chromium.
"""
import datetime
import ipaddress
import shutil
import subprocess

import harness
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

WEB = harness.ROOT / "tests" / "web"
PLACE = harness.ROOT / "build" / "web-tests"


class Unavailable(Exception):
    """Something is not here that these tests need."""


def chromium():
    found = shutil.which("chromium")
    if not found or not shutil.which("node") or not shutil.which("npm"):
        raise Unavailable("node, npm and chromium are needed")
    return found


def modules():
    """The folder with the npm packages of the lock file, and the scripts beside them."""
    PLACE.mkdir(parents=True, exist_ok=True)
    lock = (WEB / "package-lock.json").read_bytes()
    if not (PLACE / "node_modules").exists() or not (PLACE / "installed.lock").exists() \
            or (PLACE / "installed.lock").read_bytes() != lock:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(WEB / name, PLACE / name)
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=PLACE, timeout=300,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Unavailable("npm ci failed, which needs the network: " + done.stderr.strip().splitlines()[-1][:200])
        (PLACE / "installed.lock").write_bytes(lock)
    for script in WEB.glob("*.mjs"):
        shutil.copy(script, PLACE / script.name)
    return PLACE


def make_certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.utcnow()
    certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
                   .not_valid_after(now + datetime.timedelta(days=2))
                   .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
                   .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
                   .sign(key, hashes.SHA256()))
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                                       serialization.NoEncryption()))
    return folder / "cert.pem", folder / "key.pem"
