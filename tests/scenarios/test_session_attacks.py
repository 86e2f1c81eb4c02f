# SPDX-License-Identifier: Apache-2.0
"""Attacks on sessions in browsers: planted ones, cookies tampered with, log-ins of somebody else's choosing."""
import pytest

import harness
import issuer as issuers
from forms import Browser
from test_accounts import CHEAP, PASSWORD, Local, enrol_totp, log_in, totp

COOKIE = "countersign"
ABROAD = ["--identity-private-issuers"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = harness.Server(tmp_path_factory.mktemp("attacks"), options=[*CHEAP, *ABROAD]).start()
    yield made
    assert made.stop() == 0, made.process.text


@pytest.fixture
def place(server):
    created = server.api(server.bootstrap_key).ok("POST", "/v1/tenants", {"name": harness.unique("tenant")})
    return harness.Tenant(server, created)


def who(server, token):
    reply = server.api(token).request("GET", "/v1/whoami")
    return reply.json()["principal"] if reply.ok else None


# ---- fixation


def test_a_session_that_was_planted_is_not_the_one_that_one_gets(server, place):
    """The attacker's own session, in the victim's browser before the log-in: it stays theirs, and gains nothing."""
    attacker, victim = Local(place), Local(place, role="administrator")
    planted = attacker.log_in()[0].session_token
    browser = Browser(server.url)
    browser.cookies[COOKIE] = planted
    _, page = log_in(server, place, victim.login, browser=browser)
    assert page.status == 303 and browser.session_token != planted
    assert who(server, planted) == attacker.person.id
    assert who(server, browser.session_token) == victim.person.id


@pytest.mark.parametrize("planted", ["x", "css_" + "0" * 26 + "_" + "0" * 8 + "_" + "0" * 52, ""])
def test_a_name_that_was_planted_does_not_become_a_session(server, place, planted):
    local = Local(place)
    browser = Browser(server.url)
    browser.cookies[COOKIE] = planted
    _, page = log_in(server, place, local.login, browser=browser)
    assert page.status == 303 and browser.session_token not in (planted, None)
    assert who(server, planted or "x") is None


def test_what_was_known_before_the_second_factor_is_worth_nothing_after_it(server, place):
    local = Local(place)
    seed = enrol_totp(local, local.api())
    browser, page = local.log_in()
    assert page.status == 200 and browser.session_token is None, "half a log-in is no session"
    before = dict(browser.cookies)
    assert browser.submit(page, "/login/local/factor", code=totp(seed)).status == 303
    thief = Browser(server.url)
    thief.cookies = before
    assert thief.get("/v1/whoami").status == 401


def test_a_session_that_was_planted_before_the_issuer_signed_in_is_not_used(server, place):
    attacker = Local(place)
    planted = attacker.log_in()[0].session_token
    provider = issuers.Issuer()
    try:
        realm = place.admin.api.ok("POST", f"{place.path}/realms", provider.realm())
        browser = Browser(server.url)
        browser.cookies[COOKIE] = planted
        there = browser.get(f"/login/oidc/{place.id}/{realm['id']}").location
        back = browser.session.get(there, allow_redirects=False, timeout=harness.PATIENCE_S).headers["Location"]
        assert browser.get(back.removeprefix(server.url)).status == 303
        assert browser.session_token != planted
        assert who(server, planted) == attacker.person.id != who(server, browser.session_token)
    finally:
        provider.close()


# ---- cookies that were tampered with


def test_a_cookie_with_any_character_changed_is_nobodys(server, place):
    browser, _ = Local(place).log_in()
    token = browser.session_token
    for at in range(0, len(token), 3):
        browser.cookies[COOKIE] = token[:at] + ("0" if token[at] != "0" else "1") + token[at + 1:]
        assert browser.get("/v1/whoami").status == 401, at
    for wrong in (token[:-1], token + "0", token.upper(), f'"{token}"', token.replace("css_", "cs_")):
        browser.cookies[COOKIE] = wrong
        assert browser.get("/v1/whoami").status in (400, 401), wrong
    browser.cookies[COOKIE] = token
    assert browser.get("/v1/whoami").status == 200


def test_two_cookies_of_one_name_are_none(server, place):
    """A neighbour host may set one for the whole domain; which of the two counts must not be a matter of order."""
    mine, theirs = Local(place).log_in()[0].session_token, Local(place).log_in()[0].session_token
    for first, second in ((mine, theirs), (theirs, mine)):
        browser = Browser(server.url)
        browser.cookies[COOKIE] = f"{first}; {COOKIE}={second}"
        assert browser.get("/v1/whoami").status in (400, 401)


def test_another_tenants_id_in_a_cookie_is_no_way_there(server, place):
    browser, _ = Local(place).log_in()
    other = server.api(server.bootstrap_key).ok("POST", "/v1/tenants", {"name": harness.unique("tenant")})["tenant"]
    browser.cookies[COOKIE] = browser.session_token.replace(place.id[4:], other["id"][4:])
    assert browser.get("/v1/whoami").status == 401


# ---- log-ins of somebody else's choosing


def test_nobody_is_logged_in_as_somebody_else_by_a_page_elsewhere(server, place):
    """Login CSRF: the attacker's name and password, and even the attacker's own form, sent by the victim's browser."""
    attacker, victim = Local(place), Local(place)
    theirs = Browser(server.url)
    fields = {**theirs.get("/login/local", tenant=place.id).form("/login/local")["fields"],
              "login": attacker.login, "password": PASSWORD}
    browser, _ = victim.log_in()
    for headers in ({}, {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}):
        refused = browser.post("/login/local", fields, headers=headers)
        assert refused.status == 403, refused.text
    assert who(server, browser.session_token) == victim.person.id
