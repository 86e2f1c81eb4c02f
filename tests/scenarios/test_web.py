# SPDX-License-Identifier: Apache-2.0
"""Signing in with a real browser through a certified OpenID Connect provider.

oidc-provider and playwright-core come from npm (tests/web/package-lock.json) into the build folder; the
browser is Debian's chromium.
"""
import json
import os
import subprocess

import harness
import pytest
import requests
import web
from web import make_certificate  # noqa: F401 (used by other scenarios)


@pytest.fixture(scope="module")
def chromium():
    try:
        return web.chromium()
    except web.Unavailable as why:
        pytest.skip(str(why))


@pytest.fixture(scope="module")
def modules(chromium):
    """The folder with the npm packages of the lock file, and the scripts beside them."""
    try:
        return web.modules()
    except web.Unavailable as why:
        pytest.skip(str(why))


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
        assert done.stdout.count("ok: ") == 9, done.stdout
    finally:
        assert process.stop() == 0, process.text
