# SPDX-License-Identifier: Apache-2.0
"""A tenant's people sign in through its own OpenID Connect issuer; a lying one gets nowhere."""
import json
import re
import threading
import time
import urllib.parse

import harness
import issuer as issuers
import pytest
import requests
from conftest import new_tenant

CODE = re.compile(r"\((\w+)\)</p>\s*</main>")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Issuers are at loopback here, and keys may be fetched again soon."""
    made = harness.Server(tmp_path_factory.mktemp("oidc"),
                          options=["--identity-private-issuers", "--identity-issuer-refetch", "200ms"]).start()
    yield made
    assert made.stop() == 0, made.process.text


@pytest.fixture
def tenant(server):
    return new_tenant(server)


@pytest.fixture
def issuer():
    made = issuers.Issuer()
    yield made
    made.close()


class Browser:
    """A person's browser, as far as these stories need one: cookies, and one step at a time."""

    def __init__(self, server):
        self.server = server
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, url, **more):
        if url.startswith("/"):
            url = self.server.url + url
        return self.session.get(url, allow_redirects=False, timeout=harness.PATIENCE_S, **more)

    def begin(self, tenant, realm, return_to=None):
        """To the issuer's authorization endpoint, not yet there: its query."""
        path = f"/login/oidc/{tenant.id}/{realm['id']}"
        reply = self.get(path, params={"return_to": return_to} if return_to else None)
        assert reply.status_code == 303, reply.text
        return reply.headers["Location"]

    def go_there(self, location):
        """The issuer signs in: where the browser is sent back to."""
        return self.get(location).headers["Location"]

    def sign_in(self, tenant, realm, return_to=None):
        return self.get(self.go_there(self.begin(tenant, realm, return_to)))

    def refused(self, code, callback):
        reply = self.get(callback)
        assert reply.headers["Content-Type"].startswith("text/html"), reply.headers
        assert CODE.search(reply.text), reply.text
        assert CODE.search(reply.text).group(1) == code, reply.text
        assert "countersign=css_" not in reply.headers.get("Set-Cookie", "")
        return reply

    def account(self):
        return self.get("/account")


@pytest.fixture
def browser(server):
    return Browser(server)


def make_realm(tenant, issuer, **more):
    return tenant.admin.api.ok("POST", f"{tenant.path}/realms", issuer.realm(**more))


@pytest.fixture
def realm(tenant, issuer):
    return make_realm(tenant, issuer)


def whoami(browser):
    reply = browser.get("/v1/whoami")
    assert reply.status_code == 200, reply.text
    return reply.json()


def query_of(url):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))


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


def own_role(tenant, *permissions):
    return tenant.admin.api.ok("POST", f"{tenant.path}/roles",
                               {"name": harness.unique("desk"), "permissions": list(permissions)})["name"]


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


# ---- tokens that lie

def seconds(**more):
    now = int(time.time())
    return {name: now + delta for name, delta in more.items()}


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


def test_the_issuer_may_say_no(tenant, issuer, realm, browser):
    state = query_of(browser.begin(tenant, realm))["state"]
    query = urllib.parse.urlencode({"state": state, "error": "access_denied", "iss": issuer.url})
    page = browser.refused("FORBIDDEN", f"/login/oidc/{tenant.id}/{realm['id']}/callback?{query}")
    assert "access_denied" in page.text


# ---- issuers that are down, slow, or lie about themselves

def test_an_issuer_that_is_down_is_said_to_be(tenant, issuer, realm, browser):
    issuer.status = 500
    browser.refused("UPSTREAM_PROTOCOL", f"/login/oidc/{tenant.id}/{realm['id']}")


def test_nobody_waits_long_for_a_slow_issuer_and_nobody_else_at_all(tenant, issuer, realm, browser, server):
    issuer.hold = threading.Event()
    ended = []

    def wait():
        Browser(server).refused("UPSTREAM_TIMEOUT", f"/login/oidc/{tenant.id}/{realm['id']}")
        ended.append(time.monotonic())

    threads = [threading.Thread(target=wait) for _ in range(12)]
    for thread in threads:
        thread.start()
    while not issuer.fetches:
        time.sleep(0.01)
    begun = time.monotonic()
    for _ in range(20):
        assert tenant.admin.api.ok("GET", "/v1/whoami")
    assert time.monotonic() - begun < 2, "others are served meanwhile"
    for thread in threads:
        thread.join(harness.PATIENCE_S)
    assert len(ended) == 12
    assert issuer.fetches.count("/.well-known/openid-configuration") <= 3, "one asks for all"


LIES = {
    "about another issuer": {"issuer": "https://other.example"},
    "without keys": {"jwks_uri": None},
    "with keys at a file": {"jwks_uri": "file:///etc/passwd"},
    "with a token endpoint elsewhere in plain text": {"token_endpoint": "http://evil.example/token"},
    "with an endpoint that names a user": {"authorization_endpoint": "https://a@b.example/"},
    "with an endpoint that is no text": {"token_endpoint": 7},
}


@pytest.mark.parametrize("metadata", LIES.values(), ids=LIES)
def test_metadata_that_lies_is_refused(tenant, issuer, realm, browser, metadata):
    issuer.metadata = metadata
    browser.refused("UPSTREAM_PROTOCOL", f"/login/oidc/{tenant.id}/{realm['id']}")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"issuer":1}', b"x" * (300 * 1024)])
def test_metadata_that_is_none_is_refused(tenant, issuer, realm, browser, body):
    issuer.body = body
    reply = browser.get(f"/login/oidc/{tenant.id}/{realm['id']}")
    assert reply.status_code in (413, 502), reply.status_code


def test_redirects_are_not_followed(tenant, issuer, realm, browser):
    issuer.status = 302
    browser.refused("UPSTREAM_PROTOCOL", f"/login/oidc/{tenant.id}/{realm['id']}")
    assert "/elsewhere" not in issuer.fetches


def test_keys_rotate_in_the_middle(tenant, issuer, realm, browser):
    assert browser.sign_in(tenant, realm).status_code == 303
    callback = browser.go_there(browser.begin(tenant, realm))
    issuer.keys = [issuers.SigningKey()]
    time.sleep(0.25)  # identity.issuer-refetch has passed; nothing tells when
    assert browser.get(callback).status_code == 303


def test_keys_that_are_gone_count_no_more(tenant, issuer, realm, browser):
    old = issuer.keys[0]
    assert browser.sign_in(tenant, realm).status_code == 303
    issuer.keys = [issuers.SigningKey()]
    time.sleep(0.25)
    assert browser.sign_in(tenant, realm).status_code == 303
    issuer.make_token = old.token
    browser.refused("UNAUTHENTICATED", browser.go_there(browser.begin(tenant, realm)))


def test_unknown_kids_do_not_make_us_ask_for_ever(make_server, issuer):
    server = make_server(options=["--identity-private-issuers"]).start()
    tenant = new_tenant(server)
    realm = make_realm(tenant, issuer)
    browser = Browser(server)
    issuer.make_token = WRONG_TOKENS["an unknown kid"].__get__(issuer)
    for _ in range(5):
        browser.refused("UNAUTHENTICATED", browser.go_there(browser.begin(tenant, realm)))
    assert issuer.fetches.count("/jwks") <= 2


def test_known_keys_hold_while_the_issuer_is_down(make_server, issuer):
    server = make_server(options=["--identity-private-issuers", "--identity-issuer-refetch", "200ms"]).start()
    tenant = new_tenant(server)
    realm = make_realm(tenant, issuer)
    browser = Browser(server)
    assert browser.sign_in(tenant, realm).status_code == 303
    issuer.status = 503  # metadata and keys; the log-in itself still works
    server.set_clock_offset_ms(60 * 60 * 1000)
    issuer.edit = lambda c: {**c, "iat": c["iat"] + 3600, "exp": c["exp"] + 3600}
    browser.session.cookies.clear()
    assert browser.sign_in(tenant, realm).status_code == 303, "stale, but known"
    server.set_clock_offset_ms(26 * 60 * 60 * 1000)
    browser.refused("UPSTREAM_PROTOCOL", f"/login/oidc/{tenant.id}/{realm['id']}")


def test_private_addresses_are_not_called_unless_the_operator_says_so(make_server):
    server = make_server().start()
    tenant = new_tenant(server)
    body = {"name": "corp", "client_id": "x", "issuer": "http://127.0.0.1:1"}
    tenant.admin.api.refused("BAD_FIELD", "POST", f"{tenant.path}/realms", body)
    for host in ("127.0.0.1:1", "localhost:1", "[::1]:1", "169.254.169.254", "10.0.0.1", "[::ffff:127.0.0.1]:1"):
        realm = tenant.admin.api.ok("POST", f"{tenant.path}/realms", {**body, "issuer": f"https://{host}"})
        page = Browser(server).refused("UPSTREAM_UNREACHABLE", f"/login/oidc/{tenant.id}/{realm['id']}").text
        assert "no address that may be called" in page
        tenant.admin.api.ok("DELETE", f"{tenant.path}/realms/{realm['id']}")


# ---- the issuer's own tokens at the API

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


def test_an_audience_is_one_tenants(server, tenant, issuer, api_realm):
    other = new_tenant(server)
    other.admin.api.refused("CONFLICT", "POST", f"{other.path}/realms", issuer.realm(audience=api_realm["audience"]))
    tenant.admin.api.refused("BAD_FIELD", "POST", f"{tenant.path}/realms",
                             issuer.realm(name="other", audience=issuer.client_id))
    token = issuer.keys[0].token(access_claims(issuer, api_realm), typ="at+jwt")
    api = with_token(server, token)
    api.ok("GET", "/v1/whoami")
    api.refused("NOT_FOUND", "GET", other.path)
    place = f"{tenant.path}/realms/{api_realm['id']}"
    tenant.admin.api.ok("PATCH", place, {"audience": ""})
    api.refused("UNAUTHENTICATED", "GET", "/v1/whoami")
    other.admin.api.ok("POST", f"{other.path}/realms", issuer.realm(audience=api_realm["audience"]))
    assert api.ok("GET", "/v1/whoami")["tenant"] == other.id, "it is the other tenant's now"


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
