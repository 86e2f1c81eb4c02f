# SPDX-License-Identifier: Apache-2.0
"""A second factor once more for a session that is open, on one page."""
import re
import time
import urllib.parse

import pytest

import harness
import issuer as issuers
from authenticator import PRESENT, Passkey
from forms import browser_at
from test_account_pages import (CHEAP, MINUTE_MS, OurServer, code_at, later, make_codes,  # noqa: F401 (fixtures)
                                new_place, operations_of, place, set_up_totp, signed_in, works)
from test_accounts import Local

STEP_UP = "/account/step-up"
WANTED = "/account/factors?x=1"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    options = [*CHEAP, "--node-url", OurServer.origin, "--identity-private-issuers"]
    made = OurServer(tmp_path_factory.mktemp("step-up"), options=options).start()
    yield made
    assert made.stop() == 0, made.process.text


def may_change(browser):
    """Whether the session's second factor is fresh enough to change factors."""
    return bool(browser.get("/account/factors").forms)


def who(server, browser):
    return server.api(browser.session_token).ok("GET", "/v1/whoami")


# ---- local accounts


def test_a_one_time_password_makes_the_session_fresh(server, place, later):  # noqa: F811
    local = Local(place)
    browser = signed_in(local)
    seed = set_up_totp(browser)
    later(11)
    assert not may_change(browser)
    page = browser.get(STEP_UP, return_to=WANTED)
    assert page.status == 200 and [form["action"] for form in page.forms] == [STEP_UP]
    assert 'autocomplete="one-time-code"' in page.text
    before, session = browser.session_token, who(server, browser)["credential"]
    code = code_at(seed, 0, 11 * MINUTE_MS)
    wrong = browser.submit(page, STEP_UP, code="000000" if code != "000000" else "000001")
    assert wrong.status == 401 and wrong.code == "UNAUTHENTICATED" and not may_change(browser)
    assert 'aria-invalid="true" aria-describedby="e-code h-code"' in wrong.text
    done = browser.submit(wrong, STEP_UP, code=code)
    assert done.status == 303 and done.location == WANTED, done.text
    # The same session, with a new secret.
    assert may_change(browser) and who(server, browser)["credential"] == session
    assert browser.session_token != before
    assert server.api(before).request("GET", "/v1/whoami").status_code == 401
    # The code is used, here and at the log-in.
    assert browser.submit(page, STEP_UP, code=code).status == 401
    other, page = local.log_in(browser=browser_at(server))
    assert other.submit(page, "/login/local/factor", code=code).status == 401
    assert operations_of(place, "session.step_up") == [("session.step_up", 2), ("session.step_up", 1),
                                                       ("session.step_up", 2)]


def test_a_recovery_code_makes_it_fresh_once(place, later):  # noqa: F811
    browser = signed_in(Local(place))
    set_up_totp(browser)
    codes = make_codes(browser)
    later(11)
    page = browser.get(STEP_UP, return_to=WANTED)
    assert browser.submit(page, STEP_UP, code=codes[0].upper().replace("-", " ")).status == 303
    assert may_change(browser)
    assert browser.submit(page, STEP_UP, code=codes[0]).status == 401, "used"
    make_codes(browser)
    assert browser.submit(page, STEP_UP, code=codes[1]).status == 401, "replaced"


def test_a_passkey_makes_it_fresh(place, later):  # noqa: F811
    local, other = Local(place), Local(place)
    keys, browsers = [], []
    for person in (local, other):
        browser = signed_in(person)
        form = browser.get("/account/passkeys").form("/account/passkeys")
        keys.append(Passkey(OurServer.origin))
        fields = {**form["fields"], **keys[-1].fill_create(form), "name": "key"}
        assert browser.post("/account/passkeys", fields).status == 303
        browsers.append(browser)
    later(11)
    browser, key = browsers[0], keys[0]
    page = browser.get(STEP_UP, return_to=WANTED)
    assert "script-src 'self'" in page.response.headers["Content-Security-Policy"]
    form = page.form(STEP_UP)
    # Another person's passkey, another person's challenge, an answer to the log-in's question.
    keys[1].user_handle = b""
    data = {**form["data"], "keys": ""}
    assert browser.post(STEP_UP, {**form["fields"], **keys[1].fill_get({"data": data})}).status == 401
    theirs = browsers[1].get(STEP_UP).form(STEP_UP)
    answer = key.fill_get({"data": {**theirs["data"], "keys": ""}})
    assert browser.post(STEP_UP, {**form["fields"], **answer,
                                  "challenge": theirs["fields"]["challenge"]}).status == 403
    login, page = local.log_in(browser=browser_at(local.server))
    asked = [one for one in page.forms if one["data"]][0]
    assert browser.post(STEP_UP, {**form["fields"], **key.fill_get(asked),
                                  "challenge": asked["fields"]["challenge"]}).status == 403
    assert not may_change(browser) and not login.session_token
    # Presence is enough for a second factor.
    fields = {**form["fields"], **key.fill_get(form, flags=PRESENT)}
    done = browser.post(STEP_UP, fields)
    assert done.status == 303 and done.location == WANTED, done.text
    assert may_change(browser)
    assert browser.post(STEP_UP, fields).status == 403, "the challenge is used up"


def test_who_has_no_factor_is_told_to_set_one_up(place):
    browser = signed_in(Local(place))
    page = browser.get(STEP_UP)
    assert page.status == 200 and not page.forms and 'href="/account/factors"' in page.text


def test_a_recovery_code_is_no_factor_by_itself(place):
    browser, other = signed_in(Local(place)), signed_in(Local(place))
    set_up_totp(browser)
    set_up_totp(other)
    codes = make_codes(browser)
    fields = browser.get(STEP_UP).form(STEP_UP)["fields"]
    theirs = other.get(STEP_UP).form(STEP_UP)["fields"]
    assert browser.post(STEP_UP, {**theirs, "code": codes[0]}).status == 403, "another browser's form"
    assert other.post(STEP_UP, {**theirs, "code": codes[0]}).status == 401, "another person's code"
    assert browser.submit(browser.get("/account/factors"), "/account/totp/remove").status == 303
    assert not browser.get(STEP_UP).forms
    assert browser.post(STEP_UP, {**fields, "code": codes[0]}).status == 401, "it stands in for one that is there"
    set_up_totp(browser)
    assert browser.post(STEP_UP, {**fields, "code": codes[0]}).status == 303


def test_guesses_are_slowed_down_and_lock_nobody_else_out(place, later):  # noqa: F811
    local = Local(place)
    browser, other = signed_in(local), signed_in(local)
    seed = set_up_totp(browser)
    del other.cookies["countersign-device"]
    page = other.get(STEP_UP)
    statuses = [other.submit(page, STEP_UP, code="12345").status for _ in range(12)]
    assert set(statuses) == {401, 429} and statuses[-1] == 429, statuses
    later(11)
    done = browser.submit(browser.get(STEP_UP), STEP_UP, code=code_at(seed, 0, 11 * MINUTE_MS))
    assert done.status == 303, "the owner's own browser"


def test_one_goes_on_only_to_pages_of_ours(place):
    browser = signed_in(Local(place))
    seed = set_up_totp(browser)
    codes = make_codes(browser)
    targets = ("//evil.example", "https://evil.example", "/\\evil.example", "/login/../../x")
    for number, target in enumerate(targets):
        page = browser.get(STEP_UP, return_to=target)
        done = browser.submit(page, STEP_UP, code=codes[number], return_to=target)
        assert done.status == 303 and done.location == "/account", target
    assert seed


def test_the_command_lines_question_asks_on_one_page(server, place, later):  # noqa: F811
    local = Local(place, role="administrator")
    browser = signed_in(local)
    seed = set_up_totp(browser)
    later(6)
    query = {"response_type": "code", "client_id": "countersign-cli", "redirect_uri": "http://127.0.0.1:9/callback",
             "code_challenge": "x" * 43, "code_challenge_method": "S256", "state": "s" * 16, "max_age": "240"}
    page = browser.get("/oauth2/authorize", **query)
    assert page.status == 303 and page.location.startswith(STEP_UP + "?return_to=%2Foauth2%2Fauthorize")
    parts = urllib.parse.urlsplit(page.location)
    page = browser.get(parts.path, **dict(urllib.parse.parse_qsl(parts.query)))
    page = browser.submit(page, STEP_UP, code=code_at(seed, 0, 6 * MINUTE_MS))
    assert page.status == 303
    parts = urllib.parse.urlsplit(page.location)
    page = browser.get(parts.path, **dict(urllib.parse.parse_qsl(parts.query)))
    assert page.status == 200 and page.form("/oauth2/authorize"), page.text
    # And what the contract asks a second factor for is open to the session.
    fresh = server.api(browser.session_token)
    fresh.ok("POST", f"{local.path}/keys", {"name": "made"})


# ---- people of an issuer


class Abroad:
    """A person of a tenant's own issuer, signed in to a browser."""

    def __init__(self, place, issuer, **claims):
        self.place, self.issuer = place, issuer
        self.realm = place.admin.api.ok("POST", f"{place.path}/realms", issuer.realm())
        self.browser = browser_at(place.server)
        issuer.claims.update(claims)
        page = self.browser.get(f"/login/oidc/{place.id}/{self.realm['id']}")
        done = self.come_back(page)
        assert done.status == 303, done.text

    def come_back(self, page):
        """By way of the issuer, which signs everybody in, to our callback."""
        assert page.status == 303, page.text
        self.query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page.location).query))
        there = self.browser.session.get(page.location, allow_redirects=False, timeout=harness.PATIENCE_S)
        parts = urllib.parse.urlsplit(there.headers["Location"])
        return self.browser.get(parts.path, **dict(urllib.parse.parse_qsl(parts.query)))

    def step_up(self):
        return self.come_back(self.browser.get(STEP_UP + "/issuer", return_to=WANTED))


@pytest.fixture
def issuer():
    made = issuers.Issuer()
    yield made
    made.close()


def now_s():
    return int(time.time())


def test_people_of_an_issuer_show_it_there(server, place, issuer):
    abroad = Abroad(place, issuer, amr=["pwd"], auth_time=now_s() - 3600)
    browser = abroad.browser
    assert "prompt" not in abroad.query and "max_age" not in abroad.query
    page = browser.get(STEP_UP, return_to=WANTED)
    link = re.search(r'href="(/account/step-up/issuer\?return_to=[^"]+)"', page.text).group(1)
    assert link.endswith(urllib.parse.quote(WANTED, safe="")) and not page.forms
    before, me = browser.session_token, who(server, browser)
    assert "second_factor_at" not in me
    issuer.claims.update(amr=["pwd", "mfa"], auth_time=now_s())
    done = abroad.step_up()
    assert done.status == 303 and done.location == WANTED, done.text
    assert abroad.query["prompt"] == "login" and abroad.query["max_age"] == "300"
    after = who(server, browser)
    assert after["principal"] == me["principal"] and "second_factor_at" in after
    # The new session has the old one's place.
    assert browser.session_token != before and after["credential"] != me["credential"]
    assert server.api(before).request("GET", "/v1/whoami").status_code == 401


def test_an_issuer_may_say_it_by_acr(server, place, issuer):
    abroad = Abroad(place, issuer, amr=["pwd"], auth_time=now_s() - 3600)
    path = f"{place.path}/realms/{abroad.realm['id']}"
    issuer.claims.update(acr="urn:example:two", auth_time=now_s())
    assert abroad.step_up().status == 401 and "acr_values" not in abroad.query
    made = place.admin.api.ok("PATCH", path, {"second_factor_acr": "urn:example:two"})
    assert made["second_factor_acr"] == "urn:example:two"
    issuer.claims.update(acr="urn:example:one")
    assert abroad.step_up().status == 401 and abroad.query["acr_values"] == "urn:example:two"
    issuer.claims.update(acr="urn:example:two")
    assert abroad.step_up().status == 303
    assert "second_factor_at" in who(server, abroad.browser)
    assert "second_factor_acr" not in place.admin.api.ok("PATCH", path, {"second_factor_acr": ""})
    issuer.claims.update(acr="")
    assert abroad.step_up().status == 401, "no acr is none that the realm calls a second factor"
    for wrong in ("two words", "x" * 256):
        place.admin.api.refused("BAD_FIELD", "PATCH", path, {"second_factor_acr": wrong})


@pytest.mark.parametrize("claims", [
    {"amr": ["pwd"]}, {"amr": None}, {"auth_time": None}, {"auth_time": "old"}, {"auth_time": "future"}])
def test_an_issuer_that_did_not_ask_again_is_not_enough(server, place, issuer, claims):
    abroad = Abroad(place, issuer, amr=["pwd", "mfa"], auth_time=now_s() - 3600)
    before, me = abroad.browser.session_token, who(server, abroad.browser)
    answer = {"amr": ["pwd", "mfa"], "auth_time": now_s(), **claims}
    times = {"old": now_s() - 600, "future": now_s() + 3600}
    for name, value in answer.items():
        value = times.get(value, value) if isinstance(value, str) else value
        if value is None:
            issuer.claims.pop(name, None)
        else:
            issuer.claims[name] = value
    refused = abroad.step_up()
    assert refused.status == 401 and refused.code == "UNAUTHENTICATED", refused.text
    # Nothing has changed: the session stands, as old as it was.
    assert abroad.browser.session_token == before and works(abroad.browser)
    assert who(server, abroad.browser) == me


def test_somebody_else_at_the_issuer_is_nobody_here(place, issuer):
    abroad = Abroad(place, issuer, amr=["pwd", "mfa"], auth_time=now_s() - 3600)
    before = abroad.browser.session_token
    people = len(place.admin.api.ok("GET", f"{place.path}/principals")["items"])
    issuer.claims.update(sub="somebody-else", amr=["pwd", "mfa"], auth_time=now_s())
    refused = abroad.step_up()
    assert refused.status == 403 and refused.code == "FORBIDDEN", refused.text
    assert abroad.browser.session_token == before and works(abroad.browser)
    assert len(place.admin.api.ok("GET", f"{place.path}/principals")["items"]) == people, "nobody was made"


def test_people_of_local_accounts_have_no_issuer_to_go_to(place):
    browser = signed_in(Local(place))
    page = browser.get(STEP_UP + "/issuer")
    assert page.status == 404, page.text
