# SPDX-License-Identifier: Apache-2.0
"""Passkeys in Chromium, with its virtual authenticator."""
import base64
import os
import subprocess

import harness
from test_accounts import CHEAP, PASSWORD, Local
from test_web import chromium, modules  # noqa: F401 (fixtures)


def test_a_passkey_in_chromium_logs_in_and_approves(make_server, modules, chromium, tmp_path):  # noqa: F811
    server = make_server(options=CHEAP).start()
    # A relying party is a host: the browser reaches the same port by its name.
    server.options += ["--node-url", f"http://localhost:{server.port}"]
    server.origin = f"http://localhost:{server.port}"
    server.restart()
    place = harness.Tenant(server, server.api(server.bootstrap_key).ok("POST", "/v1/tenants", {"name": "web"}))
    local = Local(place)
    bot = place.agent()
    place.admin.offer_key()
    executor = harness.HandExecutor(place).answer_resolutions()
    node = subprocess.Popen(["node", "passkeys.mjs"], cwd=modules, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True,
                            env={**os.environ, "SERVER": server.origin, "TENANT": place.id, "LOGIN": local.login,
                                 "PASSWORD": PASSWORD, "CHROMIUM": chromium, "HOME": str(tmp_path)})
    said = []
    try:
        for line in node.stdout:
            said.append(line)
            if not line.startswith("ok: not verified"):
                continue
            passkey = place.admin.api.ok("GET", f"{local.path}/factors")["passkeys"][0]
            member = {"principal": local.person.id, "name": local.person.name, "roles": ["approver"],
                      "keys": [{"type": "webauthn", "public": passkey["public_key"], "rp_id": passkey["rp_id"],
                                "origins": passkey["origins"]}]}
            payload = place.roster_bytes([place.member(place.admin, "administrator"), member])
            place.admin.api.ok("POST", f"{place.path}/roster", place.admin.key.envelope(harness.ROSTER, payload))
            action = bot.submit()
            node.stdin.write(f"/workspaces/{place.workspace}/actions/{action['id']}\n")
            node.stdin.flush()
        assert node.wait(60) == 0, "".join(said) + server.process.text[-3000:]
    finally:
        node.kill()
        executor.close()
    assert [line for line in said if line.startswith("ok: ")][-1] == "ok: approved\n", said
    done = bot.action(action["id"])
    assert done["state"] == "approved" and done["decisions"][0]["keyid"] == passkey["keyid"]
    envelope = place.admin.api.ok("GET", f"{place.actions}/{action['id']}/envelope")
    client_data = base64.b64decode(envelope["signatures"][0]["clientDataJSON"])
    assert f'"origin":"{server.origin}"'.encode() in client_data
