# SPDX-License-Identifier: Apache-2.0
"""`countersign login` from its first line to its last: page by page, with a password and a second factor."""
import html
import json
import re
import subprocess
import time
import urllib.parse

import pytest
import requests

import harness
from forms import Browser
from test_accounts import CHEAP, PASSWORD, Local, enrol_totp, totp
from test_sessions import cli, finish, line_with


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = harness.Server(tmp_path_factory.mktemp("login"), options=CHEAP).start()
    yield server
    assert server.stop() == 0, server.process.text


@pytest.fixture
def tenant(server):
    created = server.api(server.bootstrap_key).ok("POST", "/v1/tenants", {"name": harness.unique("tenant")})
    return harness.Tenant(server, created)


def follow(browser, location):
    parts = urllib.parse.urlsplit(location)
    return browser.get(parts.path, **dict(urllib.parse.parse_qsl(parts.query)))


def sign_in(browser, page, local, seed=None):
    """From the redirect to the log-in page, to the page that the browser is sent back to."""
    assert page.status == 303 and page.location.startswith("/login?return_to="), page.text
    page = follow(browser, page.location)
    form = page.form("/login")["fields"]
    page = browser.get("/login", tenant=local.tenant.name, return_to=form["return_to"])
    link = html.unescape(re.search(r'href="(/login/local\?[^"]+)"', page.text).group(1))
    page = follow(browser, link)
    page = browser.submit(page, "/login/local", login=local.login, password=PASSWORD)
    if seed:
        page = browser.submit(page, "/login/local/factor", code=totp(seed))
    assert page.status == 303, page.text
    return follow(browser, page.location)


def test_with_a_password_by_the_browser(server, tenant, tmp_path):
    local = Local(tenant, role="administrator")
    profile = tmp_path / "profile.json"
    login = cli(profile, "login", "--browser", "--no-browser", "--server", server.url)
    browser = Browser(server.url)
    page = sign_in(browser, follow(browser, line_with(login.stderr, r"^  (http://\S+)$")), local)
    assert page.status == 200 and local.person.name in page.text
    back = browser.submit(page, "/oauth2/authorize", decision="allow")
    assert requests.get(back.location, timeout=harness.PATIENCE_S).status_code == 200
    finish(login)
    me = json.loads(finish(cli(profile, "whoami", "--json")))
    assert (me["principal"], me["realm"], me["methods"]) == (local.person.id, "local", ["pwd"])
    finish(cli(profile, "key", "create", local.person.id), code=3)


def test_a_second_factor_opens_what_asks_for_one(server, tenant, tmp_path):
    local = Local(tenant, role="administrator")
    seed = enrol_totp(local, local.api())
    profile = tmp_path / "profile.json"
    login = cli(profile, "login", "--browser", "--no-browser", "--second-factor", "--server", server.url)
    browser = Browser(server.url)
    page = sign_in(browser, follow(browser, line_with(login.stderr, r"^  (http://\S+)$")), local, seed)
    back = browser.submit(page, "/oauth2/authorize", decision="allow")
    assert requests.get(back.location, timeout=harness.PATIENCE_S).status_code == 200
    finish(login)
    me = json.loads(finish(cli(profile, "whoami", "--json")))
    assert "otp" in me["methods"] and "second_factor_at" in me
    assert "cs_" in finish(cli(profile, "key", "create", local.person.id))


def test_by_device_code(server, tenant, tmp_path):
    local = Local(tenant)
    profile = tmp_path / "profile.json"
    login = cli(profile, "login", "--device", "--server", server.url)
    code = line_with(login.stderr, r"type the code  (\S+)$")
    browser = Browser(server.url)
    page = sign_in(browser, browser.get("/device"), local)
    page = browser.submit(page, "/device", user_code=code)
    page = browser.submit(page, "/device", decision="allow")
    assert page.status == 200
    finish(login)
    assert json.loads(finish(cli(profile, "whoami", "--json")))["principal"] == local.person.id
