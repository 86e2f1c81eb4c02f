# SPDX-License-Identifier: Apache-2.0
"""One's own account in Chromium: second factors, sessions, step-up, and how a screen reader is given the pages."""
import os
import subprocess

import harness
from test_accounts import CHEAP, PASSWORD
from test_web import chromium, modules  # noqa: F401 (fixtures)


def test_an_account_is_looked_after_in_chromium(make_server, modules, chromium, tmp_path):  # noqa: F811
    server = make_server(options=CHEAP).start()
    # A relying party is a host: the browser reaches the same port by its name.
    server.options += ["--node-url", f"http://localhost:{server.port}"]
    server.restart()
    place = harness.Tenant(server, server.api(server.bootstrap_key).ok("POST", "/v1/tenants", {"name": "web"}))
    person = place.person("user", "approver")
    made = place.admin.api.ok("POST", f"{place.path}/accounts", {"principal": person.id, "login": "ann@example.org"})
    node = subprocess.Popen(["node", "account.mjs"], cwd=modules, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True,
                            env={**os.environ, "SERVER": f"http://localhost:{server.port}", "TENANT": place.id,
                                 "LOGIN": "ann@example.org", "PASSWORD": PASSWORD, "LINK": made["link"],
                                 "CHROMIUM": chromium, "HOME": str(tmp_path)})
    said = []
    try:
        for line in node.stdout:
            said.append(line)
            if line.startswith("clock: "):
                server.set_clock_offset_ms(int(line.split()[1]))
                node.stdin.write("set\n")
                node.stdin.flush()
        assert node.wait(60) == 0, "".join(said) + server.process.text[-3000:]
    finally:
        node.kill()
    assert said[-1] == "done\n" and sum(line.startswith("ok: ") for line in said) == 8, said
    factors = place.admin.api.ok("GET", f"{place.path}/principals/{person.id}/factors")
    assert factors["totp_at"] and not factors["passkeys"] and factors["recovery_codes"] == 8
