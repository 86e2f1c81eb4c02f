# SPDX-License-Identifier: Apache-2.0
"""
People who are logged in: cookies, where requests come from, second factors that must be fresh, log-in of the
command line through a browser here or elsewhere.
"""
import base64
import hashlib
import json
import os
import re
import secrets
import subprocess
import threading
import time
import urllib.parse

import pytest
import requests

from browser import Browser, log_in, query_of
from conftest import new_tenant
from harness import PATIENCE_S, binary

LOOPBACK = "http://127.0.0.1:4711/callback"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


def now_ms():
    return int(time.time() * 1000)


@pytest.fixture
def anna(tenant):
    return tenant.person("user", "administrator", "anna")


@pytest.fixture
def browser(server, tenant, anna):
    return Browser(server, log_in(server, tenant, anna))


def pkce():
    verifier = secrets.token_urlsafe(32)
    return verifier, base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def question(**changes):
    verifier, challenge = pkce()
    params = {"response_type": "code", "client_id": "countersign-cli", "redirect_uri": LOOPBACK,
              "code_challenge": challenge, "code_challenge_method": "S256", "state": "s" * 16, **changes}
    return verifier, "/oauth2/authorize?" + urllib.parse.urlencode({k: v for k, v in params.items() if v is not None})


def exchange(server, **form):
    return requests.post(f"{server.url}/oauth2/token", timeout=30,
                         data={"client_id": "countersign-cli", "grant_type": "authorization_code", **form})


# ---- cookies --------------------------------------------------------------------------------------------


def test_a_cookie_is_a_credential_until_it_rests_expires_or_is_taken_back(make_server):
    server = make_server().start()
    tenant = new_tenant(server)
    anna = tenant.person("user", "administrator")
    browser = Browser(server, log_in(server, tenant, anna, idle_ms=600000, lifetime_ms=3600000))
    me = browser.get("/v1/whoami").json()
    assert (me["principal"], me["realm"], me["methods"]) == (anna.id, "local", ["pwd"])
    server.set_clock_offset_ms(500000)
    assert browser.get("/v1/whoami").status_code == 200

    def seen():  # it is written behind the request's back
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            found = tenant.admin.api.ok("GET", f"{tenant.path}/principals/{anna.id}/sessions")["items"]
            if found and found[0]["seen_at"] != found[0]["created_at"]:
                return True
        return False

    assert seen()
    server.set_clock_offset_ms(1000000)
    assert browser.get("/v1/whoami").status_code == 200, "its last use counts"
    server.set_clock_offset_ms(1000000 + 700000)
    assert browser.get("/v1/whoami").status_code == 401, "it rested too long"
    other = Browser(server, log_in(server, tenant, anna, idle_ms=None, lifetime_ms=3600000))
    assert other.get("/v1/whoami").status_code == 200
    server.set_clock_offset_ms(3600001)
    assert other.get("/v1/whoami").status_code == 401, "it has expired"


def test_logging_out_takes_the_cookie_back(browser):
    answer = browser.post("/v1/logout", None)
    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["Set-Cookie"] and "HttpOnly" in answer.headers["Set-Cookie"]
    assert browser.get("/v1/whoami").status_code == 401


def test_another_site_cannot_use_the_cookie(browser, tenant, anna):
    sessions = f"{tenant.path}/principals/{anna.id}/sessions"
    for headers in ({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
                    {"Origin": "https://evil.example", "Sec-Fetch-Site": None}, {"Origin": None, "Sec-Fetch-Site": None}):
        answer = browser.post("/v1/logout", None, **headers)
        assert answer.status_code == 403, headers
    assert browser.get(sessions).status_code == 200


def test_a_page_sends_who_is_not_logged_in_to_the_log_in_page(server):
    nobody = Browser(server)
    _, path = question()
    for here in ("/device?user_code=BCDF-GHJK", path):
        answer = nobody.get(here)
        assert answer.status_code == 303
        assert answer.headers["Location"] == "/login?return_to=" + urllib.parse.quote(here, safe="-._~")


# ---- second factors ---------------------------------------------------------------------------------------


def test_what_needs_a_second_factor_says_so(server, tenant, anna):
    keys = f"{tenant.path}/principals/{anna.id}/keys"
    for ago, fits in ((None, False), (301000, False), (200000, True)):
        stamp = None if ago is None else now_ms() - ago
        api = server.api(log_in(server, tenant, anna, kind="cli", second_factor_ms=stamp))
        if fits:
            made = api.ok("POST", keys, {"name": "mine"})
            # The key is no person: using it asks for no second factor.
            server.api(made["secret"]).ok("POST", keys, {"name": "another"})
            continue
        answer = api.request("POST", keys, {"name": "mine"})
        assert answer.status_code == 401 and answer.json()["code"] == "SECOND_FACTOR_REQUIRED"
        challenge = answer.headers["WWW-Authenticate"]
        assert 'error="insufficient_user_authentication"' in challenge and 'max_age="300"' in challenge
        api.ok("GET", keys)


# ---- the command line, through a browser here -----------------------------------------------------------------


def allow(browser, path, decision="allow"):
    page = browser.get(path)
    assert page.status_code == 200, page.text
    assert f"form-action 'self' {LOOPBACK.removesuffix('/callback')};" in page.headers["Content-Security-Policy"]
    answer = browser.submit(page, decision=decision)
    assert answer.status_code == 303, answer.text
    place, _, _ = answer.headers["Location"].partition("?")
    assert place == LOOPBACK
    return query_of(answer.headers["Location"])


def test_a_code_is_exchanged_once_by_who_asked(server, browser, tenant, anna):
    verifier, path = question()
    back = allow(browser, path)
    assert back["state"] == "s" * 16 and back["iss"] == server.url
    wrong = exchange(server, code=back["code"], redirect_uri=LOOPBACK, code_verifier=pkce()[0])
    assert wrong.json()["error"] == "invalid_grant"
    wrong = exchange(server, code=back["code"], redirect_uri=LOOPBACK.replace("4711", "4712"), code_verifier=verifier)
    assert wrong.json()["error"] == "invalid_grant"
    wrong = exchange(server, code=back["code"], redirect_uri=LOOPBACK, code_verifier=verifier, client_id="other")
    assert wrong.json()["error"] == "invalid_client"
    token = exchange(server, code=back["code"], redirect_uri=LOOPBACK, code_verifier=verifier).json()["access_token"]
    me = server.api(token).ok("GET", "/v1/whoami")
    assert (me["principal"], me["realm"], me["methods"]) == (anna.id, "local", ["pwd"])
    # Whoever has the code a second time has stolen it, or was stolen from.
    again = exchange(server, code=back["code"], redirect_uri=LOOPBACK, code_verifier=verifier)
    assert again.json()["error"] == "invalid_grant"
    server.api(token).refused("UNAUTHENTICATED", "GET", "/v1/whoami")


def test_a_code_expires_within_a_minute(make_server):
    server = make_server().start()
    tenant = new_tenant(server)
    browser = Browser(server, log_in(server, tenant, tenant.person("user", "operator")))
    verifier, path = question()
    back = allow(browser, path)
    server.set_clock_offset_ms(61000)
    late = exchange(server, code=back["code"], redirect_uri=LOOPBACK, code_verifier=verifier)
    assert late.json()["error"] == "invalid_grant"


def test_saying_no_is_told(browser):
    _, path = question()
    back = allow(browser, path, decision="refuse")
    assert back["error"] == "access_denied" and "code" not in back


@pytest.mark.parametrize("uri", [
    "http://localhost:4711/callback", "https://127.0.0.1:4711/callback", "http://127.0.0.1/callback",
    "http://127.0.0.1:4711/callback/", "http://127.0.0.1:4711/other", "http://127.0.0.1:4711@evil.example/callback",
    "http://127.0.0.1:4711/callback?x=1", "http://127.0.0.1:4711/callback#/callback", "http://evil.example/callback",
    "http://127.0.0.1:99999/callback", "http://127.0.0.1:04711/callback", "http://127.0.0.1.evil.example:80/callback",
    "//evil.example/callback", "http://127.0.0.1:4711\\@evil.example/callback", "javascript:alert(1)//callback", ""])
def test_the_answer_goes_to_this_machine_only(browser, uri):
    _, path = question(redirect_uri=uri)
    page = browser.get(path)
    assert page.status_code == 400 and "Location" not in page.headers
    # Nor can the form be made to say it.
    _, good = question()
    _, hidden = browser.form(browser.get(good))
    answer = browser.post("/oauth2/authorize", {**hidden, "redirect_uri": uri, "decision": "allow"})
    assert answer.status_code == 400 and "Location" not in answer.headers


def test_questions_that_do_not_fit(browser):
    for changes in ({"client_id": "other"}, {"response_type": "token"}, {"code_challenge_method": "plain"},
                    {"code_challenge": "short"}, {"code_challenge": None}, {"state": "<script>"}, {"state": None}):
        assert browser.get(question(**changes)[1]).status_code == 400, changes


def test_another_site_cannot_let_its_command_line_in(server, browser, tenant, anna):
    _, path = question()
    page = browser.get(path)
    _, hidden = browser.form(page)
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": None, "Origin": "https://evil.example"},
                    {"Sec-Fetch-Site": None, "Origin": None}):
        assert browser.post("/oauth2/authorize", {**hidden, "decision": "allow"}, **headers).status_code == 403
    token = next(name for name in hidden if "token" in name)
    without = {name: value for name, value in hidden.items() if name != token}
    assert browser.post("/oauth2/authorize", {**without, "decision": "allow"}).status_code == 403
    # The form of one browser is worth nothing in another.
    other = Browser(server, log_in(server, tenant, anna))
    other.get(path)
    assert other.post("/oauth2/authorize", {**hidden, "decision": "allow"}).status_code == 403
    # A bearer token is no browser.
    answer = anna.api.request("GET", path)
    assert answer.status_code == 303 and answer.headers["Location"].startswith("/login")


def test_a_fresh_second_factor_can_be_asked_for(server, tenant, anna):
    _, path = question(max_age=240)
    old = Browser(server, log_in(server, tenant, anna, second_factor_ms=now_ms() - 250000))
    assert old.get(path).headers["Location"].startswith("/account/step-up?return_to=%2Foauth2%2Fauthorize")
    new = Browser(server, log_in(server, tenant, anna, methods="pwd otp", second_factor_ms=now_ms() - 1000))
    verifier, path = question(max_age=240)
    back = allow(new, path)
    token = exchange(server, code=back["code"], redirect_uri=LOOPBACK, code_verifier=verifier).json()["access_token"]
    me = server.api(token).ok("GET", "/v1/whoami")
    assert me["methods"] == ["pwd", "otp"] and "second_factor_at" in me


# ---- by a code on another device ---------------------------------------------------------------------------------


def begin(server):
    answer = requests.post(f"{server.url}/oauth2/device_authorization", data={"client_id": "countersign-cli"}, timeout=30)
    assert answer.status_code == 200, answer.text
    codes = answer.json()
    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", codes["user_code"])
    return codes


def poll(server, codes, **more):
    return requests.post(f"{server.url}/oauth2/token", timeout=30,
                         data={"grant_type": DEVICE, "client_id": "countersign-cli",
                               "device_code": codes["device_code"], **more})


def decide(browser, codes, decision, typed=None):
    page = browser.submit(browser.get("/device"), user_code=typed or codes["user_code"])
    assert codes["user_code"] in page.text
    return browser.submit(page, decision=decision)


def test_a_device_gets_in_once_a_person_said_so(make_server):
    server = make_server().start()
    tenant = new_tenant(server)
    anna = tenant.person("user", "operator")
    browser = Browser(server, log_in(server, tenant, anna))
    codes = begin(server)
    assert poll(server, codes).json()["error"] == "authorization_pending"
    assert poll(server, codes).json()["error"] == "slow_down"
    done = decide(browser, codes, "allow", codes["user_code"].lower().replace("-", " "))
    assert done.status_code == 200
    server.set_clock_offset_ms(20000)
    got = poll(server, codes)
    assert got.status_code == 200, got.text
    me = server.api(got.json()["access_token"]).ok("GET", "/v1/whoami")
    assert me["principal"] == anna.id
    assert poll(server, codes).json()["error"] == "invalid_grant"
    # The code is not good twice, for nobody.
    assert codes["user_code"] not in browser.submit(browser.get("/device"), user_code=codes["user_code"]).text or \
        "No device" in browser.submit(browser.get("/device"), user_code=codes["user_code"]).text


def test_a_device_is_refused_and_expires(make_server):
    server = make_server().start()
    tenant = new_tenant(server)
    browser = Browser(server, log_in(server, tenant, tenant.person("user", "operator"), lifetime_ms=36000000,
                                     idle_ms=None))
    codes = begin(server)
    decide(browser, codes, "refuse")
    assert poll(server, codes).json()["error"] == "access_denied"
    late = begin(server)
    server.set_clock_offset_ms(601000)
    assert poll(server, late).json()["error"] == "expired_token"
    assert "No device" in browser.submit(browser.get("/device"), user_code=late["user_code"]).text
    assert poll(server, {"device_code": "x"}).json()["error"] == "invalid_grant"
    assert poll(server, late, client_id="other").json()["error"] == "invalid_client"
    wrong = requests.post(f"{server.url}/oauth2/device_authorization", data={"client_id": "other"}, timeout=30)
    assert wrong.json()["error"] == "invalid_client"


def test_codes_cannot_be_guessed(server, tenant, anna):
    browser = Browser(server, log_in(server, tenant, anna))
    page = browser.get("/device")
    answers = [browser.submit(page, user_code="BBBB-" + "".join(secrets.choice("BCDFGHJK") for _ in range(4))).text
               for _ in range(12)]
    assert "No device" in answers[0]
    assert "Too many" in answers[-1]
    codes = begin(server)
    assert "Too many" in browser.submit(page, user_code=codes["user_code"]).text, "even the right one waits"


def test_another_site_cannot_let_its_device_in(server, browser):
    codes = begin(server)
    _, hidden = browser.form(browser.get("/device"))
    answer = browser.post("/device", {**hidden, "user_code": codes["user_code"], "decision": "allow"},
                          **{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert browser.get("/device?user_code=" + "B" * 33).status_code == 400
    assert poll(server, codes).json()["error"] == "authorization_pending"


def test_a_link_with_a_code_lets_nobody_in_by_itself(server, browser):
    codes = begin(server)
    page = browser.get("/device?user_code=" + codes["user_code"])
    assert 'name="decision"' not in page.text
    assert codes["user_code"] in page.text
    asked = browser.submit(page, user_code=codes["user_code"])
    assert 'name="decision"' in asked.text and "only if you have just started" in asked.text
    assert poll(server, codes).json()["error"] == "authorization_pending"


# ---- the command itself ------------------------------------------------------------------------------------------


def cli(profile, *arguments, **more):
    env = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
    env["COUNTERSIGN_PROFILE"] = str(profile)
    return subprocess.Popen([str(binary()), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=env, **more)


def finish(process, code=0):
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, out + err
    return out


def line_with(stream, pattern):
    for line in stream:
        match = re.search(pattern, line)
        if match:
            return match.group(1)
    raise AssertionError(f"no line with {pattern}")


def test_countersign_login_through_the_browser(server, browser, tenant, anna, tmp_path):
    profile = tmp_path / "profile.json"
    login = cli(profile, "login", "--browser", "--no-browser", "--server", server.url)
    url = line_with(login.stderr, r"^  (http://\S+)$")
    answer = browser.submit(browser.get(url), decision="allow")
    back = answer.headers["Location"]
    # Somebody else's answer is not listened to.
    place = back.partition("?")[0]
    assert requests.get(f"{place}?code=csc_x_y&state=wrong&iss={server.url}", timeout=30).status_code == 404
    assert requests.get(place.replace("callback", "other"), timeout=30).status_code == 404
    assert requests.get(back, timeout=30).status_code == 200
    finish(login)
    assert profile.stat().st_mode & 0o777 == 0o600
    assert json.loads(profile.read_text())["key"].startswith("css_")
    me = json.loads(finish(cli(profile, "whoami", "--json")))
    assert me["principal"] == anna.id and me["expires_at"]
    sessions = json.loads(finish(cli(profile, "session", "list", "--json")))["items"]
    assert {s["kind"] for s in sessions} == {"browser", "cli"}
    finish(cli(profile, "key", "create", anna.id), code=3)  # a second factor is missing
    finish(cli(profile, "session", "revoke", "all"))
    assert browser.get("/v1/whoami").status_code == 401
    finish(cli(profile, "logout"))
    assert "key" not in json.loads(profile.read_text()) or not json.loads(profile.read_text())["key"]
    finish(cli(profile, "whoami"), code=2)


def test_countersign_login_by_device_code(server, browser, anna, tmp_path):
    profile = tmp_path / "profile.json"
    login = cli(profile, "login", "--device", "--server", server.url)
    code = line_with(login.stderr, r"type the code  (\S+)$")
    threading.Thread(target=decide, args=(browser, {"user_code": code}, "allow")).start()
    finish(login)
    assert json.loads(finish(cli(profile, "whoami", "--json")))["principal"] == anna.id


def test_keys_and_clients_by_the_command_line(server, tenant, tmp_path):
    profile = tmp_path / "profile.json"
    finish(cli(profile, "login", "--server", server.url, "--key", tenant.admin.api.key))
    bot = tenant.person("agent", "agent", "bot-one")
    made = json.loads(finish(cli(profile, "key", "create", "bot-one", "--scope", "action.read", "--json")))
    assert made["key"]["scopes"] == ["action.read"]
    after = json.loads(finish(cli(profile, "key", "rotate", "bot-one", made["key"]["id"], "--overlap", "1h", "--json")))
    assert after["key"]["replaces"] == made["key"]["id"] and after["key"]["scopes"] == ["action.read"]
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519",
                                          "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}))
    finish(cli(profile, "token-client", "set", "bot-one", "--jwks", str(jwks), "--agent-scope", "read_only",
               "--risk-tier", "low", "--bind", tenant.workspace))
    shown = json.loads(finish(cli(profile, "token-client", "show", "bot-one", "--json")))
    assert shown["client_id"] == f"{tenant.id}/{bot.id}" and shown["workspace"] == tenant.workspace
    assert shown["risk_tier"] == "low"
