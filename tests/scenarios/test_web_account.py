# SPDX-License-Identifier: Apache-2.0
"""One's own account in Chromium: second factors, sessions, step-up, and how a screen reader is given the pages."""
import html
import json
import os
import re
import subprocess

import harness
from forms import Browser
from test_accounts import CHEAP, PASSWORD, Local
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


def test_another_implementation_reads_every_qr_code(make_server, modules):  # noqa: F811
    server = make_server(options=CHEAP).start()
    place = harness.Tenant(server, server.api(server.bootstrap_key).ok("POST", "/v1/tenants", {"name": "qr"}))
    uris, lines, sides = [], [], set()
    for length in (1, 30, 50, 75, 100, 125, 150, 175, 200, 225, 254):
        for letter in "aä" if length <= 100 else "a":
            browser, page = Local(place, letter * length).log_in()
            page = browser.submit(browser.get("/account/factors"), "/account/totp")
            uris.append(html.unescape(re.search(r'href="(otpauth://[^"]+)"', page.text).group(1)))
            side, path = re.search(r'<svg [^>]*viewBox="0 0 (\d+) \1".*? d="([^"]+)"', page.text, re.S).groups()
            lines.append(json.dumps({"side": int(side), "path": path}))
            sides.add(int(side))
    done = subprocess.run(["node", "qr.mjs"], cwd=modules, input="\n".join(lines), capture_output=True, text=True,
                          timeout=60, check=True)
    assert [json.loads(line) for line in done.stdout.splitlines()] == uris
    assert len(sides) > 6, sides
    # A name that is too long for one leaves the key to be typed.
    browser, _ = Local(place, "ä" * 126).log_in()
    page = browser.submit(browser.get("/account/factors"), "/account/totp")
    assert "<svg" not in page.text and 'id="seed"' in page.text
