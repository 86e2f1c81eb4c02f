# SPDX-License-Identifier: Apache-2.0
"""Signing in with a real browser through a certified OpenID Connect provider.

oidc-provider and playwright-core come from npm (tests/web/package-lock.json) into the build folder; the
browser is Debian's chromium.
"""
import datetime
import ipaddress
import json
import os
import shutil
import subprocess

import harness
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

WEB = harness.ROOT / "tests" / "web"
PLACE = harness.ROOT / "build" / "web-tests"


@pytest.fixture(scope="module")
def chromium():
    found = shutil.which("chromium")
    if not found or not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node, npm and chromium are needed")
    return found


@pytest.fixture(scope="module")
def modules(chromium):
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
            pytest.skip("npm ci failed, which needs the network: " + done.stderr.strip().splitlines()[-1][:200])
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


def test_two_tenants_sign_in_through_two_issuers(tmp_path, modules, chromium):
    certificate, key = make_certificate(tmp_path)
    made = harness.Server(tmp_path)  # for its options and environment: the store, the exchanges' log
    process = harness.Process(["server", "--data-folder", tmp_path / "data", "--listen-port", "0", "--rate-address", "0",
                               "--identity-private-issuers", "--tls-certificate", certificate, "--tls-key", key,
                               *made.options], env=made.env)
    try:
        url = process.wait_for(r"serving.*(https://[0-9.]+:\d+)").group(1)
        platform = process.wait_for(r"^API key:\s+(cs_\S+)").group(1)
        tenants = []
        for _ in range(2):
            created = requests.post(f"{url}/v1/tenants", json={"name": harness.unique("tenant")}, timeout=30,
                                    headers={"Authorization": f"Bearer {platform}"}, verify=certificate).json()
            tenants.append({"id": created["tenant"]["id"], "name": created["tenant"]["name"],
                            "key": created["api_key"]})
        done = subprocess.run(["node", "signin.mjs"], cwd=modules, capture_output=True, text=True, timeout=240,
                              check=False, env={**os.environ, "SERVER": url, "TENANTS": json.dumps(tenants),
                                                "CHROMIUM": chromium, "NODE_EXTRA_CA_CERTS": str(certificate),
                                                "NODE_NO_WARNINGS": "1", "HOME": str(tmp_path)})
        assert done.returncode == 0, process.text[-5000:] + done.stdout + done.stderr
        assert done.stdout.count("ok: ") == 8, done.stdout
    finally:
        assert process.stop() == 0, process.text
