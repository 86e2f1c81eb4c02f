# SPDX-License-Identifier: Apache-2.0
"""`countersign login` from its first line to its last: page by page, with a password and a second factor."""
import base64
import hashlib
import html
import json
import re
import secrets
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


# ---- what was allowed in a session ends with it ------------------------------------------------------------

CALLBACK = "http://127.0.0.1:4711/callback"


def by_code(server, browser):
    """Allows a command line by the browser's session; gives what exchanges its code."""
    verifier = secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    page = browser.get("/oauth2/authorize", response_type="code", client_id="countersign-cli", state="s" * 16,
                       redirect_uri=CALLBACK, code_challenge=challenge, code_challenge_method="S256")
    back = browser.submit(page, "/oauth2/authorize", decision="allow")
    code = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(back.location).query))["code"]
    return {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": verifier}


def by_device(server, browser):
    codes = server.api().ok("POST", "/oauth2/device_authorization", raw="client_id=countersign-cli", headers=FORM)
    page = browser.submit(browser.get("/device"), "/device", user_code=codes["user_code"])
    assert browser.submit(page, "/device", decision="allow").status == 200
    return {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": codes["device_code"]}


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def exchange(server, grant):
    return server.api().request("POST", "/oauth2/token", headers=FORM,
                                raw=urllib.parse.urlencode({"client_id": "countersign-cli", **grant}))


def signed_out(local, browser):
    server = local.server
    server.api(browser.session_token).ok("POST", "/v1/logout")


def all_ended(local, browser):
    local.tenant.admin.api.ok("DELETE", f"{local.path}/sessions")


def password_changed(local, browser):
    local.api().ok("POST", f"{local.path}/account/password", {"current": PASSWORD, "password": PASSWORD + "2"})


def account_disabled(local, browser):
    """And enabled again: what ended stays ended."""
    local.tenant.admin.api.ok("POST", f"{local.path}/account/disable")
    local.tenant.admin.api.ok("POST", f"{local.path}/account/enable")


def person_disabled(local, browser):
    local.tenant.admin.api.ok("POST", f"{local.path}/disable")


@pytest.mark.parametrize("allow", [by_code, by_device])
@pytest.mark.parametrize("end", [signed_out, all_ended, password_changed, account_disabled, person_disabled])
def test_a_code_ends_with_the_session_in_which_it_was_allowed(server, tenant, allow, end):
    local = Local(tenant)
    browser, _ = local.log_in()
    grants = [allow(server, browser) for _ in range(2)]
    first = exchange(server, grants[0])
    assert first.status_code == 200, first.text
    other, _ = local.log_in()
    grants.append(allow(server, other))
    end(local, browser)
    late = exchange(server, grants[1])
    assert (late.status_code, late.json()["error"]) == (400, "invalid_grant")
    assert exchange(server, grants[1]).json()["error"] == "invalid_grant", "nor at the second try"
    # Where only one session was ended, the others' codes still count.
    assert exchange(server, grants[2]).status_code == (200 if end is signed_out else 400)
    tries = [event for event in tenant.log_entries() if event["api"]["operation"] == "token.issue"]
    refused = [2, 2] if allow is by_code else [2]  # a device's code is used up by its first try
    assert [event["status_id"] for event in tries] == [1, *refused, 1 if end is signed_out else 2], tries
    assert {event["actor"]["user"]["uid"] for event in tries} == {local.person.id}, tries


def test_a_code_that_comes_twice_is_in_the_log(server, tenant):
    local = Local(tenant)
    browser, _ = local.log_in()
    grant = by_code(server, browser)
    token = exchange(server, grant).json()["access_token"]
    assert exchange(server, {**grant, "code_verifier": "x" * 43}).json()["error"] == "invalid_grant"
    assert exchange(server, grant).json()["error"] == "invalid_grant"
    server.api(token).refused("UNAUTHENTICATED", "GET", "/v1/whoami")
    tries = [event for event in tenant.log_entries() if event["api"]["operation"] == "token.issue"]
    assert [(event["status_id"], event.get("status_code")) for event in tries] == [(1, None), (2, "INVALID_GRANT")], tries
