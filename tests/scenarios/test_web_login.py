# SPDX-License-Identifier: Apache-2.0
"""`countersign login` in a real browser, over TLS and, as on a laptop, without."""
import json
import os
import subprocess

import pytest
import requests

import harness
from forms import Browser
from test_accounts import CHEAP, PASSWORD, follow_link
from test_sessions import cli, finish, line_with
from test_web import chromium, make_certificate, modules  # noqa: F401 (fixtures)


class Place:
    """A server, and a person with a password on it."""

    def __init__(self, folder, tls):
        made = harness.Server(folder)  # for its options and environment: the store, the exchanges' log
        self.certificate, options = None, []
        if tls:
            self.certificate, key = make_certificate(folder)
            options = ["--tls-certificate", self.certificate, "--tls-key", key]
        self.process = harness.Process(["server", "--data-folder", folder / "data", "--listen-port", "0",
                                        "--rate-address", "0", *CHEAP, *options, *made.options], env=made.env)
        self.url = self.process.wait_for(r"serving.*(https?://[0-9.]+:\d+)").group(1)
        self.key = self.process.wait_for(r"^API key:\s+(cs_\S+)").group(1)

    def call(self, method, path, body=None):
        reply = requests.request(method, self.url + path, json=body, timeout=30, verify=self.certificate or True,
                                 headers={"Authorization": f"Bearer {self.key}"})
        assert reply.ok, reply.text
        return reply.json()

    def person(self):
        tenant = self.call("GET", "/v1/whoami")
        path = f"/v1/tenants/{tenant['tenant']}"
        record = self.call("POST", f"{path}/principals", {"kind": "user", "name": "ann", "roles": ["operator"]})
        link = self.call("POST", f"{path}/accounts", {"principal": record["id"], "login": "ann@example.org"})["link"]
        return tenant["tenant_name"], record["id"], link


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_the_command_line_logs_in_through_chromium(tmp_path, modules, chromium, tls):  # noqa: F811
    place = Place(tmp_path, tls)
    try:
        tenant, principal, link = place.person()
        set_password(place, link)
        profile = tmp_path / "profile.json"
        more = ["--ca", str(place.certificate)] if tls else []
        login = cli(profile, "login", "--browser", "--no-browser", "--server", place.url, *more)
        url = line_with(login.stderr, r"^  (https?://\S+)$")
        done = subprocess.run(["node", "cli_login.mjs"], cwd=modules, capture_output=True, text=True, timeout=120,
                              check=False, env={**os.environ, "URL_TO_OPEN": url, "TENANT": tenant,
                                                "LOGIN": "ann@example.org", "PASSWORD": PASSWORD, "CHROMIUM": chromium,
                                                "SECURE": "1" if tls else "", "HOME": str(tmp_path)})
        if done.returncode != 0:
            login.kill()
        assert done.returncode == 0, done.stdout + done.stderr + place.process.text[-3000:]
        assert done.stdout.count("ok: ") == 3
        finish(login)
        assert json.loads(finish(cli(profile, "whoami", "--json")))["principal"] == principal
    finally:
        assert place.process.stop() == 0


def set_password(place, link):
    browser = Browser(place.url)
    browser.session.verify = place.certificate or True
    assert follow_link(place, link, browser=browser).status == 303
