# SPDX-License-Identifier: Apache-2.0
"""The issuer's own tokens at the API: whose they are, and what is wrong with those that are not."""
import json

import harness
import issuer as issuers
import pytest
from conftest import new_tenant
from realms import browser, issuer, make_realm, own_role, seconds, server, tenant, whoami  # noqa: F401 (fixtures)

API = "https://api.example/countersign"


@pytest.fixture
def api_realm(tenant, issuer):
    audience = f"{API}/{tenant.id}"
    return make_realm(tenant, issuer, audience=audience)


def access_claims(issuer, realm, **more):
    claims = issuer.id_claims(aud=realm["audience"], client_id="some-app", jti=harness.unique("jti"), **more)
    return {name: value for name, value in claims.items() if value is not None}


def with_token(server, token):
    return server.api(token)


def test_a_tokens_claims_become_roles_of_the_tenants_own(server, tenant, issuer, api_realm):
    desk = own_role(tenant, "action.read")
    for roles in ([desk, "auditor"], [desk], ["auditor"]):
        issuer.claims = {**issuer.claims, "roles": roles}
        api = with_token(server, issuer.keys[0].token(access_claims(issuer, api_realm), typ="at+jwt"))
        assert sorted(api.ok("GET", "/v1/whoami")["roles"]) == sorted(roles)
        if desk in roles:
            api.ok("GET", tenant.actions)


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "JWT", None])
def test_the_issuers_access_tokens_are_credentials(server, tenant, issuer, api_realm, browser, typ):
    api = with_token(server, issuer.keys[0].token(access_claims(issuer, api_realm), typ=typ))
    me = api.ok("GET", "/v1/whoami")
    assert (me["name"], me["tenant"], me["roles"]) == ("Alice", tenant.id, ["operator"])
    assert api.ok("GET", tenant.path)["id"] == tenant.id
    browser.sign_in(tenant, api_realm)
    assert whoami(browser)["principal"] == me["principal"], "the same person as in the browser"


def test_several_audiences_and_caching(server, tenant, issuer, api_realm):
    claims = access_claims(issuer, api_realm)
    claims["aud"] = ["https://other.example", api_realm["audience"]]
    api = with_token(server, issuer.keys[0].token(claims, typ="at+jwt"))
    me = api.ok("GET", "/v1/whoami")
    issuer.status = 500
    for _ in range(5):
        api.ok("GET", "/v1/whoami")
    tenant.admin.api.ok("POST", f"{tenant.path}/principals/{me['principal']}/disable")
    api.refused("FORBIDDEN", "GET", "/v1/whoami")


WRONG_ACCESS = {
    "another audience": lambda i, c: i.keys[0].token({**c, "aud": "https://other.example"}, typ="at+jwt"),
    "no audience": lambda i, c: i.keys[0].token({k: v for k, v in c.items() if k != "aud"}, typ="at+jwt"),
    "another issuer": lambda i, c: i.keys[0].token({**c, "iss": "https://other.example"}, typ="at+jwt"),
    "expired": lambda i, c: i.keys[0].token({**c, **seconds(exp=-61)}, typ="at+jwt"),
    "not yet valid": lambda i, c: i.keys[0].token({**c, **seconds(nbf=120)}, typ="at+jwt"),
    "for ever": lambda i, c: i.keys[0].token({**c, **seconds(exp=40 * 24 * 3600)}, typ="at+jwt"),
    "no subject": lambda i, c: i.keys[0].token({k: v for k, v in c.items() if k != "sub"}, typ="at+jwt"),
    "huge claims": lambda i, c: i.keys[0].token({**c, "junk": "x" * 20000}, typ="at+jwt"),
    "deep claims": lambda i, c: i.keys[0].token({**c, "junk": json.loads("[" * 100 + "]" * 100)}, typ="at+jwt"),
    "issued in the future": lambda i, c: i.keys[0].token({**c, **seconds(iat=120)}, typ="at+jwt"),
    "a kid that is a path": lambda i, c: issuers.SigningKey(kid="../../../dev/null").token(c, typ="at+jwt"),
    "crit": lambda i, c: i.keys[0].token(c, typ="at+jwt", crit=["exp"]),
    "an ID token": lambda i, c: i.keys[0].token({**c, "nonce": "n"}),
    "a logout token": lambda i, c: i.keys[0].token(c, typ="logout+jwt"),
    "none": lambda i, c: issuers.unsigned(c),
    "another's key": lambda i, c: issuers.SigningKey(kid=i.keys[0].kid).token(c, typ="at+jwt"),
    "an unknown kid": lambda i, c: issuers.SigningKey(kid="nobody").token(c, typ="at+jwt"),
    "HMAC with the public key": lambda i, c: issuers.hmac_token(c, json.dumps(i.keys[0].jwk).encode(), kid=i.keys[0].kid),
    "its own jku": lambda i, c: issuers.SigningKey(kid="x").token(c, jku=i.url + "/jwks"),
}


@pytest.mark.parametrize("make", WRONG_ACCESS.values(), ids=WRONG_ACCESS)
def test_wrong_access_tokens_are_refused(server, issuer, api_realm, make):
    good = issuer.keys[0].token(access_claims(issuer, api_realm), typ="at+jwt")
    problem = with_token(server, make(issuer, access_claims(issuer, api_realm))).refused("UNAUTHENTICATED", "GET",
                                                                                         "/v1/whoami")
    assert problem["detail"] == server.api("cs_" + "0" * 8 + "_" + "0" * 52).refused(
        "UNAUTHENTICATED", "GET", "/v1/whoami")["detail"], "one message for whatever is wrong"
    with_token(server, good).ok("GET", "/v1/whoami")


def test_a_token_of_nobodys_issuer_makes_us_call_nobody(server, tenant, issuer):
    make_realm(tenant, issuer)  # without an audience
    claims = access_claims(issuer, {"audience": API})
    with_token(server, issuer.keys[0].token(claims, typ="at+jwt")).refused("UNAUTHENTICATED", "GET", "/v1/whoami")
    assert issuer.fetches == []


# ---- whose they are


def whose(server, issuer, realm, **claims):
    """The tenant that the API takes such a token to be of; None: it is nobody's."""
    token = issuer.keys[0].token({**access_claims(issuer, realm), **claims}, typ="at+jwt")
    reply = with_token(server, token).request("GET", "/v1/whoami")
    return reply.json()["tenant"] if reply.ok else None


def test_a_token_is_the_tenants_that_it_names(server, tenant, issuer, api_realm):
    other = new_tenant(server)
    tenant.admin.api.refused("BAD_FIELD", "POST", f"{tenant.path}/realms",
                             issuer.realm(name="other", audience=issuer.client_id))
    token = issuer.keys[0].token(access_claims(issuer, api_realm), typ="at+jwt")
    api = with_token(server, token)
    api.ok("GET", "/v1/whoami")
    api.refused("NOT_FOUND", "GET", other.path)
    place = f"{tenant.path}/realms/{api_realm['id']}"
    tenant.admin.api.ok("PATCH", place, {"audience": ""})
    api.refused("UNAUTHENTICATED", "GET", "/v1/whoami")
    tenant.admin.api.ok("PATCH", place, {"audience": api_realm["audience"]})
    api.ok("GET", "/v1/whoami")
    tenant.admin.api.ok("DELETE", place)
    api.refused("UNAUTHENTICATED", "GET", "/v1/whoami")


def test_nobody_takes_another_companys_issuer_and_audience(server, tenant, issuer):
    """Squatting: whoever names them first has nothing of it, and stands in nobody's way."""
    squatter = new_tenant(server)
    audience = f"{API}/{tenant.id}"
    make_realm(squatter, issuer, audience=audience)
    named = make_realm(squatter, issuer, name="second", audience="api://fixed")
    assert whose(server, issuer, {"audience": audience}) is None, "it names a tenant that does not want it"
    realm = make_realm(tenant, issuer, audience=audience)
    fixed = make_realm(tenant, issuer, name="second", audience="api://fixed")
    assert whose(server, issuer, realm) == tenant.id
    assert whose(server, issuer, fixed) is None, "it names nobody"
    assert whose(server, issuer, fixed, countersign_tenant=tenant.id) == tenant.id
    # Deleting what was squatted takes nothing along either.
    squatter.admin.api.ok("DELETE", f"{squatter.path}/realms/{named['id']}")
    assert whose(server, issuer, fixed, countersign_tenant=tenant.id) == tenant.id
    assert whose(server, issuer, realm) == tenant.id


def test_the_claim_names_the_tenant_where_the_audience_cannot(server, tenant, issuer):
    other = new_tenant(server)
    for one in (tenant, other):
        make_realm(one, issuer, audience="api://fixed")
    realm = {"audience": "api://fixed"}
    for one in (tenant, other):
        assert whose(server, issuer, realm, countersign_tenant=one.id) == one.id
    for wrong in ("", "ten_", tenant.name, tenant.id.upper(), f"x{tenant.id}", tenant.id + "0", [tenant.id], None, 1,
                  new_tenant(server).id, "ten_00000000000000000000000000"):
        assert whose(server, issuer, realm, countersign_tenant=wrong) is None, wrong
    # Beside an audience that names somebody, the claim counts.
    both = make_realm(tenant, issuer, name="second", audience=f"{API}/{tenant.id}")
    assert whose(server, issuer, both) == tenant.id
    assert whose(server, issuer, both, countersign_tenant=other.id) is None
    both["audience"] = ["api://fixed", both["audience"]]
    assert whose(server, issuer, both, countersign_tenant=other.id) == other.id


@pytest.mark.parametrize("form, is_named", [
    ("{}", True), ("{}/", True), ("https://api.example/{}", True), ("api://x/{}/y", True), ("urn:countersign:{}", True),
    ("x{}", False), ("{}x", False), ("{}_", False), ("0{}", False), ("ten_{}", False), ("https://api.example/", False)])
def test_an_audience_names_a_tenant_by_its_whole_id(server, tenant, issuer, form, is_named):
    realm = make_realm(tenant, issuer, audience=form.format(tenant.id))
    assert whose(server, issuer, realm) == (tenant.id if is_named else None)


def test_another_issuers_token_that_names_the_tenant_is_nobodys(server, tenant, issuer, api_realm):
    evil = issuers.Issuer()
    try:
        make_realm(new_tenant(server), evil, audience=api_realm["audience"])
        assert whose(server, evil, api_realm) is None
        assert whose(server, evil, api_realm, countersign_tenant=tenant.id) is None
        assert evil.fetches == [], "nor is it asked"
        assert whose(server, evil, api_realm, iss=issuer.url) is None, "its key is not the issuer's"
    finally:
        evil.close()


def test_a_token_says_how_its_owner_logged_in(server, tenant, issuer):
    """RFC 9068 section 2.2.1: who has just shown a second factor at the issuer is not asked for another."""
    realm = make_realm(tenant, issuer, audience=f"{API}/{tenant.id}", roles_expression="'admin'")
    keys, now = f"{tenant.path}/principals/{{}}/keys", seconds(now=0)["now"]

    def api(**claims):
        made = with_token(server, issuer.keys[0].token(access_claims(issuer, realm, **claims), typ="at+jwt"))
        return made, made.ok("GET", "/v1/whoami")

    for claims in ({}, {"amr": ["pwd", "mfa"]}, {"auth_time": now}, {"amr": ["pwd"], "auth_time": now},
                   {"amr": "mfa", "auth_time": now}, {"amr": ["mfa"], "auth_time": now - 301},
                   {"amr": ["mfa"], "auth_time": now + 3600}):
        person, me = api(**claims)
        person.refused("SECOND_FACTOR_REQUIRED", "POST", keys.format(me["principal"]), {"name": "mine"})
    person, me = api(amr=["pwd", "mfa"], auth_time=now)
    assert me["methods"] == ["oidc", "pwd", "mfa"]
    person.ok("POST", keys.format(me["principal"]), {"name": "mine"})
    tenant.admin.api.ok("PATCH", f"{tenant.path}/realms/{realm['id']}", {"second_factor_acr": "gold"})
    api(acr="silver", auth_time=now)[0].refused("SECOND_FACTOR_REQUIRED", "POST", keys.format(me["principal"]), {})
    api(acr="gold", auth_time=now)[0].ok("POST", keys.format(me["principal"]), {"name": "mine"})
