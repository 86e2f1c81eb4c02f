# SPDX-License-Identifier: Apache-2.0
"""A tenant's people sign in through its own OpenID Connect issuer, with the roles that its claims give."""
import re
import urllib.parse

import issuer as issuers
import pytest
import requests
from conftest import new_tenant
from realms import Browser, browser, issuer, make_realm, own_role, query_of, realm, server, tenant, whoami  # noqa: F401 (fixtures)


# ---- it works

def test_a_person_signs_in_and_is_known_from_then_on(tenant, issuer, realm, browser, server):
    reply = browser.sign_in(tenant, realm)
    assert (reply.status_code, reply.headers["Location"]) == (303, "/account"), reply.text
    cookie = reply.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
    me = whoami(browser)
    assert (me["kind"], me["name"], me["tenant"]) == ("user", "Alice", tenant.id)
    assert me["roles"] == ["operator"]
    page = browser.account().text
    assert f'<dd id="tenant">{tenant.name}</dd>' in page and "corp" in page
    two = browser.get("/account", headers={"Authorization": f"Bearer {tenant.admin.api.key}"})
    assert two.status_code == 400, "two credentials"

    issuer.claims = {**issuer.claims, "name": "Alice B.", "roles": ["auditor"]}
    other = Browser(server)
    other.sign_in(tenant, realm)
    again = whoami(other)
    assert again["principal"] == me["principal"], "the same person"
    assert (again["name"], again["roles"]) == ("Alice B.", ["auditor"])
    assert whoami(browser)["roles"] == ["auditor"], "at once, in every session"


def test_the_request_has_all_that_makes_it_safe(tenant, issuer, realm, browser):
    query = query_of(browser.begin(tenant, realm))
    assert query["response_type"] == "code" and query["code_challenge_method"] == "S256"
    assert len(query["code_challenge"]) == 43 and len(query["nonce"]) == 43 and query["state"]
    assert query["redirect_uri"] == realm["redirect_uri"]
    assert tenant.id in query["redirect_uri"] and realm["id"] in query["redirect_uri"]
    assert query_of(browser.begin(tenant, realm))["state"] != query["state"]


@pytest.mark.parametrize("alg", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"])
def test_every_algorithm_that_is_allowed_works(tenant, issuer, browser, alg):
    issuer.keys = [issuers.SigningKey(alg)]
    realm = make_realm(tenant, issuer, algorithms=[alg])
    assert browser.sign_in(tenant, realm).status_code == 303
    assert whoami(browser)["name"] == "Alice"


@pytest.mark.parametrize("way", ["basic", "post", "none"])
def test_the_client_proves_itself_as_it_was_told(tenant, issuer, browser, way):
    body = issuer.realm(client_authentication=way)
    if way == "none":
        del body["client_secret"]
    realm = tenant.admin.api.ok("POST", f"{tenant.path}/realms", body)
    assert browser.sign_in(tenant, realm).status_code == 303
    form, authorization = issuer.token_requests[-1]
    assert ("client_secret" in form) == (way == "post")
    assert bool(authorization) == (way == "basic")
    assert ("client_id" in form) == (way != "basic")


def test_the_page_to_begin_at_leads_to_the_realm(tenant, realm, browser):
    page = browser.get("/login").text
    assert '<label for="f-tenant">' in page and "<script" not in page
    page = browser.get("/login", params={"tenant": tenant.name, "return_to": "/account?x=1"}).text
    assert f"/login/oidc/{tenant.id}/{realm['id']}?return_to=%2Faccount%3Fx%3D1" in page
    page = browser.get("/login", params={"tenant": "nobody-here"}).text
    assert "There is no such tenant" in page and 'aria-invalid="true"' in page


def test_signing_out_ends_the_session(tenant, issuer, realm, browser):
    browser.sign_in(tenant, realm)
    page = browser.account().text
    token = re.search(r'name="form_token" value="([^"]+)"', page).group(1)
    stolen = browser.session.cookies.copy()
    refused = browser.session.post(browser.server.url + "/logout", data={"form_token": "x" * 43},
                                   headers={"Origin": browser.server.url})
    assert refused.status_code == 403 and whoami(browser)
    done = browser.session.post(browser.server.url + "/logout", data={"form_token": token},
                                headers={"Origin": browser.server.url})
    assert done.status_code == 200, done.text
    assert f"{issuer.url}/end?client_id=countersign" in done.text
    browser.session.cookies = stolen
    assert browser.get("/v1/whoami").status_code == 401, "the session is gone, not only the cookie"


def test_the_issuer_signs_people_out(tenant, issuer, realm, browser, server):
    place = realm["backchannel_logout_uri"]
    event = {"http://schemas.openid.net/event/backchannel-logout": {}}

    def post(token):
        return requests.post(place, data={"logout_token": token})

    def claims(**more):
        base = issuer.id_claims(jti="j", events=event, **more)
        return {name: base[name] for name in base if name not in ("roles", "name", "email") and base[name] is not None}

    browser.sign_in(tenant, realm)
    key = issuer.keys[0]
    for wrong in ({"aud": "another"}, {"iss": "https://other.example"}, {"nonce": "n"}, {"events": {}}, {"exp": 1},
                  {"sid": None, "sub": None}, {"jti": None}, {"iat": None}):
        body = {**claims(), **wrong}
        reply = post(key.token({name: value for name, value in body.items() if value is not None}))
        assert reply.status_code == 400, wrong
    assert post(issuers.unsigned(claims())).status_code == 400
    assert post(issuers.SigningKey(kid=key.kid).token(claims())).status_code == 400
    assert whoami(browser)
    other = Browser(server)
    issuer.claims = {**issuer.claims, "sid": "sid-2"}
    other.sign_in(tenant, realm)
    assert post(key.token(claims(sub=None), typ="logout+jwt")).status_code == 200
    issuer.claims = {**issuer.claims, "sid": None}
    assert other.get("/v1/whoami").status_code == 401
    assert whoami(browser), "the other session has another sid"
    assert post(key.token(claims())).status_code == 200, "all of the person's"
    assert browser.get("/v1/whoami").status_code == 401


# ---- realms

def test_realms_are_made_changed_and_deleted(tenant, issuer, realm, browser):
    api, path = tenant.admin.api, f"{tenant.path}/realms"
    assert "client_secret" not in realm and api.ok("GET", path)["items"] == [realm]
    assert api.ok("GET", f"{path}/{realm['id']}") == realm
    changed = api.ok("PATCH", f"{path}/{realm['id']}", {"clock_skew_s": 5}, headers={"If-Match": '"1"'})
    assert (changed["clock_skew_s"], changed["version"], changed["issuer"]) == (5, 2, realm["issuer"])
    api.refused("PRECONDITION_FAILED", "PATCH", f"{path}/{realm['id']}", {"clock_skew_s": 6},
                headers={"If-Match": '"1"'})
    api.refused("ALREADY_EXISTS", "POST", path, issuer.realm())
    assert browser.sign_in(tenant, realm).status_code == 303, "the sealed secret is still there"
    api.ok("DELETE", f"{path}/{realm['id']}")
    assert browser.get("/v1/whoami").status_code == 401, "whoever came through it is signed out"
    api.refused("NOT_FOUND", "GET", f"{path}/{realm['id']}")
    api.refused("NOT_FOUND", "DELETE", f"{path}/{realm['id']}")


def test_a_deleted_realm_leaves_nothing_behind(tenant, issuer, realm, browser, server):
    """Neither sessions through it, whichever realm the person came through last, nor the rights that it gave."""
    api, other = tenant.admin.api, Browser(server)
    browser.sign_in(tenant, realm)
    me = whoami(browser)
    key = api.ok("POST", f"{tenant.path}/principals/{me['principal']}/keys", {"name": "hers"})["secret"]
    second = make_realm(tenant, issuer, name="second")
    other.sign_in(tenant, second)
    assert whoami(other)["principal"] == me["principal"]
    api.ok("DELETE", f"{tenant.path}/realms/{realm['id']}")
    assert browser.get("/v1/whoami").status_code == 401
    assert whoami(other)["roles"] == ["operator"]
    server.api(key).ok("GET", tenant.actions)
    api.ok("DELETE", f"{tenant.path}/realms/{second['id']}")
    assert other.get("/v1/whoami").status_code == 401
    assert server.api(key).ok("GET", "/v1/whoami")["roles"] == []
    server.api(key).refused("NOT_FOUND", "GET", tenant.actions)


@pytest.mark.parametrize("more, code", [
    ({"issuer": "http://issuer.example"}, "BAD_FIELD"),
    ({"issuer": "https://user@issuer.example"}, "BAD_FIELD"),
    ({"issuer": "https://issuer.example/?a=b"}, "BAD_FIELD"),
    ({"issuer": "ftp://issuer.example"}, "BAD_FIELD"),
    ({"issuer": "http://127.0.0.1.evil.example"}, "BAD_FIELD"),
    ({"scopes": "profile"}, "BAD_FIELD"),
    ({"algorithms": ["HS256"]}, "BAD_FIELD"),
    ({"algorithms": ["none"]}, "BAD_FIELD"),
    ({"roles_expression": "claims.("}, "EXPRESSION"),
    ({"roles_expression": "1 + 1"}, "EXPRESSION"),
    ({"roles_expression": "nobody.roles"}, "EXPRESSION"),
    ({"client_authentication": "none"}, "BAD_FIELD"),
])
def test_a_realm_that_cannot_be_is_refused(tenant, issuer, more, code):
    tenant.admin.api.refused(code, "POST", f"{tenant.path}/realms", issuer.realm(**more))


@pytest.mark.parametrize("expression, claims, roles", [
    ("claims.roles", {"roles": ["operator", "auditor"]}, {"operator", "auditor"}),
    ("'ops' in claims.groups ? ['operator'] : []", {"groups": ["ops"]}, {"operator"}),
    ("'auditor'", {}, {"auditor"}),
    ("claims.groups.filter(g, g.startsWith('cs-')).map(g, g.substring(3))", {"groups": ["x", "cs-auditor"]}, {"auditor"}),
])
def test_claims_become_roles(tenant, issuer, browser, expression, claims, roles):
    issuer.claims = {"name": "A", **claims}
    realm = make_realm(tenant, issuer, roles_expression=expression)
    assert browser.sign_in(tenant, realm).status_code == 303
    assert set(whoami(browser)["roles"]) == roles


def test_claims_become_roles_of_the_tenants_own_too(server, tenant, issuer, browser):
    """Given and taken at each sign-in, beside built-in ones; what did not change stays as it is."""
    desk, clerk = own_role(tenant, "action.read"), own_role(tenant, "principal.read")
    realm = make_realm(tenant, issuer)

    def come(*roles, besides=()):
        issuer.claims = {**issuer.claims, "roles": list(roles)}
        assert browser.sign_in(tenant, realm).status_code == 303
        assert set(whoami(browser)["roles"]) == {*roles, *besides}
        path, person = f"{tenant.path}/bindings", whoami(browser)["principal"]
        return [binding["id"] for binding in tenant.admin.api.ok("GET", path, params={"principal": person})["items"]]

    def status(path):
        return browser.get(path).status_code

    first = come(desk, "auditor", desk)
    assert len(first) == 2
    assert (status(tenant.actions), status(f"{tenant.path}/log/entries")) == (200, 200)
    assert come("auditor", desk) == first, "the same roles: nothing is written"
    assert len(come("auditor")) == 1
    come(clerk)
    assert (status(tenant.actions), status(f"{tenant.path}/principals")) == (404, 200), "only what it is now"
    assert come(clerk, desk) != first and status(tenant.actions) == 200
    given = tenant.admin.api.ok("POST", f"{tenant.path}/bindings",
                                {"principal": whoami(browser)["principal"], "role": desk})["id"]
    assert given in come(clerk, besides=[desk]), "what an administrator gave stays"
    other = new_tenant(server)
    issuer.claims = {**issuer.claims, "roles": [own_role(other, "action.read")]}
    browser.refused("FORBIDDEN", browser.go_there(browser.begin(tenant, realm)))


@pytest.mark.parametrize("claims, code", [
    ({"roles": []}, "FORBIDDEN"),
    ({"roles": ["no\0such"]}, "FORBIDDEN"),
    ({"roles": ["x" * 65]}, "FORBIDDEN"),
    ({"roles": ["no-such-role"]}, "FORBIDDEN"),
    ({"roles": ["agent"]}, "FORBIDDEN"),
    ({"roles": ["executor"]}, "FORBIDDEN"),
    ({"roles": {"operator": True}}, "EVALUATION"),
    ({"roles": [1]}, "EVALUATION"),
    ({}, "EVALUATION"),
    ({"roles": ["operator"] * 500}, "EVALUATION"),
])
def test_who_has_no_role_does_not_come_in(tenant, issuer, browser, claims, code):
    issuer.claims = {"name": "A", **claims}
    realm = make_realm(tenant, issuer)
    browser.refused(code, browser.go_there(browser.begin(tenant, realm)))


def test_a_disabled_person_stays_out(tenant, issuer, realm, browser):
    browser.sign_in(tenant, realm)
    tenant.admin.api.ok("POST", f"{tenant.path}/principals/{whoami(browser)['principal']}/disable")
    assert browser.get("/v1/whoami").status_code == 401
    browser.refused("FORBIDDEN", browser.go_there(browser.begin(tenant, realm)))


def test_a_page_of_ours_is_gone_back_to(tenant, issuer, realm, browser):
    assert browser.sign_in(tenant, realm, "/account?a=b").headers["Location"] == "/account?a=b"


def test_the_command_lines_log_in_goes_through_the_issuer(tenant, issuer, realm, browser):
    query = urllib.parse.urlencode({"response_type": "code", "client_id": "countersign-cli", "state": "s" * 43,
                                    "redirect_uri": "http://127.0.0.1:8123/callback", "code_challenge": "c" * 43,
                                    "code_challenge_method": "S256"})
    wanted = f"/oauth2/authorize?{query}"
    sent = browser.get(wanted)
    assert sent.status_code == 303, sent.text
    page = browser.get(sent.headers["Location"] + f"&tenant={tenant.name}")
    way = re.search(r'href="(/login/oidc/[^"]+)"', page.text).group(1).replace("&amp;", "&")
    reply = browser.get(browser.go_there(browser.get(way).headers["Location"]))
    assert (reply.status_code, reply.headers["Location"]) == (303, wanted), reply.text
    assert browser.get(wanted).status_code in (200, 400), "signed in, and asked"


# ---- many

def test_many_tenants_have_many_issuers(server):
    """Issuers cost nothing until somebody signs in there."""
    one = issuers.Issuer()
    try:
        made = []
        for i in range(40):
            tenant = new_tenant(server)
            body = {**one.realm(), "issuer": f"{one.url}/{i}"}
            made.append((tenant, tenant.admin.api.ok("POST", f"{tenant.path}/realms", body)))
        assert one.fetches == []
        tenant, realm = made[7]
        Browser(server).refused("UPSTREAM_PROTOCOL", f"/login/oidc/{tenant.id}/{realm['id']}")
        assert one.fetches == ["/7/.well-known/openid-configuration"]
    finally:
        one.close()


def test_realms_and_pages_refuse_what_they_should(tenant, issuer, realm, browser, server):
    api = tenant.admin.api
    viewer = tenant.person("user", "auditor")
    viewer.api.ok("GET", f"{tenant.path}/realms")
    viewer.api.refused("FORBIDDEN", "POST", f"{tenant.path}/realms", issuer.realm(name="other"))
    api.refused("NOT_FOUND", "PATCH", f"{tenant.path}/realms/rlm_00000000000000000000000000", {"clock_skew_s": 1})
    unknown = browser.get("/account")
    assert (unknown.status_code, unknown.headers["Location"][:6]) == (303, "/login")
    assert browser.get("/logout").status_code == 200
    assert browser.session.post(server.url + "/logout", data={}).status_code == 401
    assert browser.get("/login/oidc/ten_00000000000000000000000000/rlm_00000000000000000000000000").status_code == 404
    assert browser.get(f"/login/oidc/{tenant.id}/rlm_00000000000000000000000000").status_code == 404
    assert browser.get("/pages.css").headers["Content-Type"] == "text/css"
    for place in ("/pages.css?a=b", "/logout?a=b", "/login?tenant=" + "x" * 65):
        browser.refused("BAD_PARAMETER", place)
