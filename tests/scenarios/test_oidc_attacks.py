# SPDX-License-Identifier: Apache-2.0
"""Attacks on signing in through an issuer: tokens that lie, replays, mix-ups, forced log-ins, redirects."""
import json
import urllib.parse

import issuer as issuers
import pytest
from conftest import new_tenant
from realms import (Browser, browser, issuer, make_realm, query_of, realm, seconds, server, tenant,  # noqa: F401 (fixtures)
                    whoami)


# ---- tokens that lie

WRONG_CLAIMS = {
    "another issuer": lambda c: {**c, "iss": c["iss"] + "/"},
    "no issuer": lambda c: {k: v for k, v in c.items() if k != "iss"},
    "another audience": lambda c: {**c, "aud": "another"},
    "two audiences, no azp": lambda c: {**c, "aud": [c["aud"], "another"]},
    "another azp": lambda c: {**c, "azp": "another"},
    "no audience": lambda c: {k: v for k, v in c.items() if k != "aud"},
    "another nonce": lambda c: {**c, "nonce": "x" * 43},
    "no nonce": lambda c: {k: v for k, v in c.items() if k != "nonce"},
    "expired": lambda c: {**c, **seconds(exp=-61)},
    "no expiry": lambda c: {k: v for k, v in c.items() if k != "exp"},
    "not yet valid": lambda c: {**c, **seconds(nbf=120)},
    "issued in the future": lambda c: {**c, **seconds(iat=120)},
    "no subject": lambda c: {k: v for k, v in c.items() if k != "sub"},
    "an empty subject": lambda c: {**c, "sub": ""},
    "a subject that is no text": lambda c: {**c, "sub": ["alice"]},
    "a huge subject": lambda c: {**c, "sub": "a" * 300},
    "huge claims": lambda c: {**c, "junk": "x" * 40000},
    "deep claims": lambda c: {**c, "junk": json.loads("[" * 100 + "]" * 100)},
}


@pytest.mark.parametrize("edit", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS)
def test_wrong_claims_are_refused(tenant, issuer, realm, browser, edit):
    issuer.edit = edit
    browser.refused("UNAUTHENTICATED", browser.go_there(browser.begin(tenant, realm)))


def test_a_little_skew_is_forgiven(tenant, issuer, realm, browser):
    issuer.edit = lambda c: {**c, **seconds(exp=-30, iat=30, nbf=30)}
    assert browser.sign_in(tenant, realm).status_code == 303


def with_jwk(issuer, claims):
    mine = issuers.SigningKey()
    return mine.token(claims, jwk=mine.jwk, kid=None)


WRONG_TOKENS = {
    "none": lambda i, c: issuers.unsigned(c),
    "None": lambda i, c: issuers.unsigned(c, "None"),
    "no signature": lambda i, c: i.keys[0].token(c).rsplit(".", 1)[0] + ".",
    "another's key": lambda i, c: issuers.SigningKey(kid=i.keys[0].kid).token(c),
    "an unknown kid": lambda i, c: issuers.SigningKey(kid="nobody").token(c),
    "a kid that is a path": lambda i, c: issuers.SigningKey(kid="../../../dev/null").token(c),
    "its own key": with_jwk,
    "its own jku": lambda i, c: issuers.SigningKey(kid="x").token(c, jku=i.url + "/jwks"),
    "crit": lambda i, c: i.keys[0].token(c, crit=["exp"]),
    "an algorithm that is not allowed": lambda i, c: issuers.SigningKey("ES384", i.keys[0].kid).token(c),
    "HMAC with the public key": lambda i, c: issuers.hmac_token(c, json.dumps(i.keys[0].jwk).encode(), kid=i.keys[0].kid),
    "HMAC with the client's secret": lambda i, c: issuers.hmac_token(c, i.client_secret.encode()),
    "an encrypted token": lambda i, c: "e30.e30.e30.e30.e30",
    "nothing": lambda i, c: "x",
}


@pytest.mark.parametrize("make", WRONG_TOKENS.values(), ids=WRONG_TOKENS)
def test_wrong_tokens_are_refused(tenant, issuer, realm, browser, make):
    issuer.make_token = lambda claims: make(issuer, claims)
    browser.refused("UNAUTHENTICATED", browser.go_there(browser.begin(tenant, realm)))


def test_denied_sign_ins_are_in_the_tenants_log(tenant, issuer, realm, browser):
    issuer.edit = WRONG_CLAIMS["another audience"]
    browser.refused("UNAUTHENTICATED", browser.go_there(browser.begin(tenant, realm)))
    issuer.edit = lambda c: c
    browser.sign_in(tenant, realm)
    text = tenant.admin.api.request("GET", f"{tenant.path}/log/export").text
    events = [json.loads(line) for line in text.splitlines() if '"login.callback"' in line]
    assert len(events) == 2
    assert "alice@example.com" not in text and "Alice" not in text


# ---- replays, mix-ups, forced log-ins

def test_a_sign_in_is_finished_once(tenant, issuer, realm, browser):
    callback = browser.go_there(browser.begin(tenant, realm))
    assert browser.get(callback).status_code == 303
    browser.refused("UNAUTHENTICATED", callback)
    # Even by an issuer that takes its code a second time.
    issuer.codes[query_of(callback)["code"]] = query_of(browser.begin(tenant, realm))
    browser.refused("UNAUTHENTICATED", callback)


def test_a_state_is_good_once_whatever_the_issuer_says(tenant, issuer, realm, browser):
    location = browser.begin(tenant, realm)
    first, second = browser.go_there(location), browser.go_there(location)
    assert browser.get(first).status_code == 303
    browser.refused("UNAUTHENTICATED", second)


@pytest.mark.parametrize("checks_pkce", [True, False])
def test_a_code_of_another_sign_in_is_worth_nothing(tenant, issuer, realm, browser, server, checks_pkce):
    """A stolen code in a way of the thief's own: PKCE stops it, and where an issuer forgets that, the nonce."""
    issuer.checks_pkce = checks_pkce
    stolen = query_of(browser.go_there(browser.begin(tenant, realm)))["code"]
    thief = Browser(server)
    mine = query_of(thief.go_there(thief.begin(tenant, realm)))
    callback = f"/login/oidc/{tenant.id}/{realm['id']}/callback?"
    reply = thief.get(callback + urllib.parse.urlencode({**mine, "code": stolen}))
    assert reply.status_code in (401, 502) and "countersign=css_" not in reply.headers.get("Set-Cookie", "")
    assert len(issuer.token_requests) == 1, "the issuer was asked"
    assert thief.get("/v1/whoami").status_code == 401


def test_an_id_token_of_an_earlier_sign_in_is_refused(tenant, issuer, realm, browser):
    """Its nonce was for that one."""
    made = []
    issuer.make_token = lambda claims: made.append(issuer.keys[0].token(claims)) or made[0]
    assert browser.sign_in(tenant, realm).status_code == 303
    browser.session.cookies.clear()
    browser.refused("UNAUTHENTICATED", browser.go_there(browser.begin(tenant, realm)))
    assert len(made) == 2


def test_somebody_elses_callback_does_not_sign_me_in(tenant, issuer, realm, browser, server):
    """Login CSRF: the attacker's own finished way, sent to the victim."""
    callback = browser.go_there(browser.begin(tenant, realm))
    victim = Browser(server)
    victim.refused("UNAUTHENTICATED", callback)
    victim.begin(tenant, realm)  # has a cookie of its own by now
    victim.refused("UNAUTHENTICATED", callback)


@pytest.mark.parametrize("state", ["", "x", "A" * 400, None])
def test_a_state_that_is_not_ours_is_refused(tenant, realm, browser, state):
    browser.begin(tenant, realm)
    place = f"/login/oidc/{tenant.id}/{realm['id']}/callback?code=x"
    browser.refused("UNAUTHENTICATED", place + (f"&state={state}" if state is not None else ""))


def test_every_changed_byte_of_the_state_is_refused(tenant, issuer, realm, browser):
    state = query_of(browser.begin(tenant, realm))["state"]
    for at in range(0, len(state), 37):
        changed = state[:at] + ("A" if state[at] != "A" else "B") + state[at + 1:]
        browser.refused("UNAUTHENTICATED", f"/login/oidc/{tenant.id}/{realm['id']}/callback?code=x&state={changed}")


def test_an_old_state_is_refused(make_server, issuer):
    server = make_server(options=["--identity-private-issuers"]).start()
    tenant = new_tenant(server)
    realm = make_realm(tenant, issuer)
    browser = Browser(server)
    callback = browser.go_there(browser.begin(tenant, realm))
    server.set_clock_offset_ms(11 * 60 * 1000)
    browser.session.cookies.clear_expired_cookies()
    browser.refused("UNAUTHENTICATED", callback)


def test_mix_ups_fail(server, tenant, issuer, realm, browser):
    """The state of one tenant's issuer, answered at another's door (RFC 9700 section 4.4)."""
    evil = issuers.Issuer()
    try:
        other = new_tenant(server)
        theirs = make_realm(other, evil)
        honest = query_of(browser.go_there(browser.begin(tenant, realm)))
        for tenant_id, realm_id in ((other.id, theirs["id"]), (tenant.id, theirs["id"]), (other.id, realm["id"])):
            browser.refused("UNAUTHENTICATED", f"/login/oidc/{tenant_id}/{realm_id}/callback?"
                            + urllib.parse.urlencode(honest))
        assert not evil.token_requests, "the honest issuer's code went nowhere"
        # The evil issuer's answer, sent to the honest issuer's door with the honest state.
        mixed = {**honest, "iss": evil.url}
        browser.refused("UNAUTHENTICATED", f"/login/oidc/{tenant.id}/{realm['id']}/callback?"
                        + urllib.parse.urlencode(mixed))
        assert not issuer.token_requests, "and no code was spent at the honest one"
        del honest["iss"]
        browser.refused("UNAUTHENTICATED", f"/login/oidc/{tenant.id}/{realm['id']}/callback?"
                        + urllib.parse.urlencode(honest))
    finally:
        evil.close()


def test_one_issuers_person_is_not_another_issuers(server, tenant, issuer, realm, browser):
    """The same subject at two issuers is two people, and each tenant has its own."""
    evil = issuers.Issuer()
    try:
        second = tenant.admin.api.ok("POST", f"{tenant.path}/realms", evil.realm(name="second"))
        browser.sign_in(tenant, realm)
        other = Browser(server)
        other.sign_in(tenant, second)
        assert whoami(browser)["principal"] != whoami(other)["principal"]
    finally:
        evil.close()


@pytest.mark.parametrize("bad", ["https://evil.example", "//evil.example", "/\\evil.example", "/v1/tenants",
                                 "/account/../v1", "/account\r\nX: y", "javascript:alert(1)"])
def test_there_are_no_open_redirects(tenant, issuer, realm, browser, bad):
    reply = browser.sign_in(tenant, realm, bad)
    assert reply.headers["Location"] == "/account"
    assert "evil" not in browser.get("/login", params={"tenant": tenant.name, "return_to": bad}).text


def test_the_issuer_may_say_no(tenant, issuer, realm, browser):
    state = query_of(browser.begin(tenant, realm))["state"]
    query = urllib.parse.urlencode({"state": state, "error": "access_denied", "iss": issuer.url})
    page = browser.refused("FORBIDDEN", f"/login/oidc/{tenant.id}/{realm['id']}/callback?{query}")
    assert "access_denied" in page.text
