# SPDX-License-Identifier: Apache-2.0
"""Signing in with a real browser through a second, independent provider: Debian's glewlwyd."""
import json
import os
import subprocess

import glewlwyd
import harness
import pytest
import requests
import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PASSWORD = "a long password of alice"


@pytest.fixture(scope="module")
def needed():
    """chromium, and the folder with the npm packages."""
    try:
        glewlwyd.unpack()
        return web.chromium(), web.modules()
    except (glewlwyd.Unavailable, web.Unavailable) as why:
        pytest.skip(f"signing in through glewlwyd: {why}")


@pytest.fixture
def provider(needed, tmp_path):
    made = glewlwyd.Glewlwyd(tmp_path / "glewlwyd")
    yield made
    made.stop()


@pytest.fixture
def server(tmp_path):
    """`countersign server` over TLS, since a browser keeps its cookies only then."""
    certificate, key = web.make_certificate(tmp_path)
    made = harness.Server(tmp_path)  # for its options and environment: the store, the exchanges' log
    process = harness.Process(["server", "--data-folder", tmp_path / "data", "--listen-port", "0", "--rate-address", "0",
                               "--identity-private-issuers", "--identity-issuer-refetch", "100ms",
                               "--tls-certificate", certificate, "--tls-key", key, *made.options], env=made.env)
    try:
        yield process, certificate
    finally:
        code = process.stop()
    assert code == 0, process.text


def test_a_person_signs_in_through_glewlwyd_before_and_after_a_change_of_its_key(needed, provider, server, tmp_path):
    process, certificate = server
    url = process.wait_for(r"serving.*(https://[0-9.]+:\d+)").group(1)
    platform = process.wait_for(r"^API key:\s+(cs_\S+)").group(1)

    def call(method, path, key, body=None):
        reply = requests.request(method, url + path, json=body, timeout=30, verify=certificate,
                                 headers={"Authorization": f"Bearer {key}"})
        assert reply.ok, reply.text
        return reply.json()

    made = call("POST", "/v1/tenants", platform, {"name": harness.unique("tenant")})
    tenant = made["tenant"]
    secret = harness.unique("a-client-secret")
    realm = call("POST", f"/v1/tenants/{tenant['id']}/realms", made["api_key"], {
        "name": "corp", "issuer": provider.issuer, "client_id": "countersign", "client_secret": secret,
        "scopes": "openid profile email",
        "roles_expression": "'operators' in claims.groups ? ['operator'] : []"})
    provider.add_issuer(rsa.generate_private_key(65537, 2048))
    provider.add_client(realm, secret)
    provider.add_user("alice", PASSWORD, ["operators", "staff"])

    first = sign_in(needed, url, certificate, provider, tenant, tmp_path, process, steps=4)  # it asks for grants once
    assert first["tenant"] == tenant["id"]
    assert first["realm"] == realm["id"]
    # Another key, of another kind: asked for again when the first token by it comes.
    provider.change_key(ec.generate_private_key(ec.SECP256R1()))
    second = sign_in(needed, url, certificate, provider, tenant, tmp_path, process)
    assert second["principal"] == first["principal"]


def sign_in(needed, url, certificate, provider, tenant, folder, process, steps=3):
    """What whoami says to the person's browser."""
    chromium, modules = needed
    done = subprocess.run(["node", "glewlwyd.mjs"], cwd=modules, capture_output=True, text=True, timeout=120,
                          check=False, env={**os.environ, "SERVER": url, "ISSUER": provider.issuer,
                                            "TENANT": tenant["name"], "REALM": "corp", "PERSON": "alice",
                                            "PASSWORD": PASSWORD, "CHROMIUM": chromium, "HOME": str(folder),
                                            "NODE_EXTRA_CA_CERTS": str(certificate), "NODE_NO_WARNINGS": "1"})
    assert done.returncode == 0, "\n".join([done.stdout, done.stderr, process.text[-2000:],
                                            provider.process.text[-2000:]])
    assert done.stdout.count("ok: ") == steps, done.stdout
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("whoami: "))[8:])
