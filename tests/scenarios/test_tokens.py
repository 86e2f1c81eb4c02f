# SPDX-License-Identifier: Apache-2.0
"""
Tokens of programs: by an API key as the client's secret, by signed assertions,
bound to one workspace, ended with the client; and keys with scopes that rotate.
"""
import base64
import hashlib
import json
import time

import pytest
import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from urllib.parse import quote

from conftest import new_tenant
from harness import PATIENCE_S, unique

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def other_end(secret):
    return secret[:-1] + ("0" if secret[-1] != "0" else "1")


class Client:
    """A service or an agent with a signing key of its own."""

    def __init__(self, tenant, kind="service", role="operator"):
        self.tenant = tenant
        self.who = tenant.person(kind, role)
        self.secret = self.who.api.key
        self.path = f"{tenant.path}/principals/{self.who.id}"
        self.client_id = f"{tenant.id}/{self.who.id}"
        self.private = ec.generate_private_key(ec.SECP256R1())

    @property
    def jwk(self):
        numbers = self.private.public_key().public_numbers()
        return {"kty": "EC", "crv": "P-256", "kid": "k1", "x": b64(numbers.x.to_bytes(32, "big")),
                "y": b64(numbers.y.to_bytes(32, "big"))}

    def register(self, **more):
        return self.tenant.admin.api.ok("PUT", f"{self.path}/token-client", {"jwks": {"keys": [self.jwk]}, **more})

    def claims(self, **changes):
        now = int(time.time())
        claims = {"iss": self.client_id, "sub": self.client_id, "aud": self.tenant.server.url, "iat": now,
                  "exp": now + 60, "jti": unique("jti"), **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def assertion(self, header=None, key=None, **changes):
        head = {"alg": "ES256", "kid": "k1", **(header or {})}
        text = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(self.claims(**changes)).encode())}"
        r, s = utils.decode_dss_signature((key or self.private).sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def ask(server, headers=None, **form):
    form.setdefault("grant_type", "client_credentials")
    return requests.post(f"{server.url}/oauth2/token", data=form, headers=headers, timeout=30)


def token(server, **form):
    answer = ask(server, **form)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert body["token_type"] == "Bearer" and body["access_token"].startswith("css_")
    return body


def refused(server, error, status=None, **form):
    answer = ask(server, **form)
    assert answer.status_code in (400, 401), answer.text
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json()["error"] == error, answer.text
    if answer.status_code == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert status in (None, answer.status_code)
    return answer


def by_assertion(client, text=None, **form):
    return {"client_assertion_type": ASSERTION, "client_assertion": text or client.assertion(), **form}


@pytest.fixture
def client(tenant):
    return Client(tenant)


def test_the_metadata_says_where_and_how(server):
    about = server.api().ok("GET", "/.well-known/oauth-authorization-server")
    assert about["issuer"] == server.url
    assert about["token_endpoint"] == f"{server.url}/oauth2/token"
    assert set(about["token_endpoint_auth_signing_alg_values_supported"]) >= {"ES256", "RS256", "EdDSA"}
    assert "none" not in about["token_endpoint_auth_signing_alg_values_supported"]
    assert not any(alg.startswith("HS") for alg in about["token_endpoint_auth_signing_alg_values_supported"])
    server.api().refused("METHOD_NOT_ALLOWED", "POST", "/.well-known/oauth-authorization-server")
    server.api().refused("BAD_PARAMETER", "GET", "/.well-known/oauth-authorization-server", params={"x": "1"})


@pytest.mark.parametrize("way", ["basic", "body", "assertion"])
def test_a_service_gets_a_token_for_its_workspace(server, client, way):
    client.register()
    if way == "basic":
        pair = f"{quote(client.client_id, safe='')}:{client.secret}"
        body = token(server, headers={"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()})
    elif way == "body":
        body = token(server, client_id=client.who.id, client_secret=client.secret)
    else:
        body = token(server, **by_assertion(client))
    assert 0 < body["expires_in"] <= 600
    me = server.api(body["access_token"]).ok("GET", "/v1/whoami")
    assert (me["principal"], me["tenant"]) == (client.who.id, client.tenant.id)
    assert me["workspace"] == client.tenant.workspace and me["organization"].startswith("org_")
    assert me["credential"].startswith("ses_") and me["realm"] == "key"
    left = me["expires_at"]
    assert left > me["authenticated_at"]
    action = client.tenant.actions
    assert server.api(body["access_token"]).ok("GET", action)["items"] == []


def test_what_a_token_may_not(server, client, other_tenant):
    api = server.api(token(server, client_id=client.client_id, client_secret=client.secret)["access_token"])
    api.refused("NOT_FOUND", "GET", other_tenant.path)
    api.refused("NOT_FOUND", "GET", other_tenant.actions)
    # A token is no secret to get another token by, and outlives nothing.
    refused(server, "invalid_client", client_id=client.client_id, client_secret=api.key)


def test_a_token_ends_at_once_with_its_client_its_key_and_by_revocation(server, tenant):
    for how in ("principal", "key", "session"):
        one = Client(tenant)
        api = server.api(token(server, client_id=one.client_id, client_secret=one.secret)["access_token"])
        me = api.ok("GET", "/v1/whoami")
        sessions = api.ok("GET", f"{one.path}/sessions")["items"]
        assert [s["id"] for s in sessions] == [me["credential"]] and sessions[0]["current"]
        assert sessions[0]["kind"] == "service" and sessions[0]["workspace"] == tenant.workspace
        if how == "principal":
            tenant.admin.api.ok("POST", f"{one.path}/disable")
        elif how == "key":
            key = tenant.admin.api.ok("GET", f"{one.path}/keys")["items"][0]
            tenant.admin.api.ok("DELETE", f"{one.path}/keys/{key['id']}")
        else:
            tenant.admin.api.ok("DELETE", f"{one.path}/sessions/{me['credential']}")
        api.refused("UNAUTHENTICATED", "GET", "/v1/whoami")
        if how != "session":
            refused(server, "invalid_client", 401, client_id=one.client_id, client_secret=one.secret)


def test_an_agents_token_carries_its_scope_and_tier(server, tenant):
    agent = Client(tenant, "agent", "agent")
    agent.register(agent_scope="read_only", risk_tier="high", workspace=tenant.workspace)
    shown = tenant.admin.api.ok("GET", f"{agent.path}/token-client")
    assert shown["client_id"] == agent.client_id and shown["agent_scope"] == "read_only"
    assert shown["jwks"] == {"keys": [agent.jwk]}
    me = server.api(token(server, **by_assertion(agent))["access_token"]).ok("GET", "/v1/whoami")
    assert (me["agent_scope"], me["risk_tier"], me["kind"]) == ("read_only", "high", "agent")


def test_scopes_limit_a_token_and_never_widen_it(server, client):
    api = server.api(token(server, client_id=client.client_id, client_secret=client.secret,
                           scope="action.read key.manage")["access_token"])
    assert api.ok("GET", "/v1/whoami")["scopes"] == ["action.read", "key.manage"]
    api.ok("GET", client.tenant.actions)
    api.refused("FORBIDDEN", "POST", client.tenant.actions,
                {"environment": "test", "connector": "docker", "operation": "container.list"})
    api.refused("FORBIDDEN", "GET", f"{client.path}/keys")
    refused(server, "invalid_scope", client_id=client.client_id, client_secret=client.secret, scope="action.everything")


def test_a_keys_scopes_hold_for_its_tokens(server, tenant):
    one = Client(tenant)
    made = tenant.admin.api.ok("POST", f"{one.path}/keys", {"name": "narrow", "scopes": ["action.read"]})
    assert made["key"]["scopes"] == ["action.read"]
    me = server.api(made["secret"]).ok("GET", "/v1/whoami")
    assert me["scopes"] == ["action.read"]
    got = token(server, client_id=one.client_id, client_secret=made["secret"], scope="action.read action.submit")
    assert got["scope"] == "action.read"
    tenant.admin.api.refused("BAD_FIELD", "POST", f"{one.path}/keys", {"name": "wrong", "scopes": ["no.such"]})


def test_an_assertion_is_used_once_also_after_a_restart(make_server):
    server = make_server().start()
    one = Client(new_tenant(server))
    one.register()
    text = one.assertion()
    token(server, **by_assertion(one, text))
    refused(server, "invalid_client", 401, **by_assertion(one, text))
    server.kill()
    server.start()
    refused(server, "invalid_client", 401, **by_assertion(one, text))
    token(server, **by_assertion(one))


NOW = int(time.time())
WRONG = {
    "for somebody else": {"aud": "https://elsewhere.example"},
    "for us and somebody else": {"aud": ["https://elsewhere.example", "US"]},
    "without an audience": {"aud": None},
    "expired": {"exp": NOW - 3600},
    "without an end": {"exp": None},
    "for a year": {"exp": NOW + 365 * 86400},
    "not yet": {"nbf": NOW + 3600},
    "without a name": {"jti": None},
    "of another subject": {"sub": "somebody"},
    "without an issuer": {"iss": None},
    "of a tenant that is none": {"iss": "ten_x/svc_y", "sub": "ten_x/svc_y"},
}


@pytest.mark.parametrize("what", WRONG)
def test_an_assertion_that_does_not_fit_is_refused(server, client, what):
    client.register()
    changes = dict(WRONG[what])
    if isinstance(changes.get("aud"), list):
        changes["aud"] = [one.replace("US", server.url) for one in changes["aud"]]
    refused(server, "invalid_client", 401, **by_assertion(client, client.assertion(**changes)))
    token(server, **by_assertion(client))


def test_tricks_with_the_assertions_header_are_refused(server, client):
    client.register()
    good = client.assertion()
    head, body, mark = good.split(".")
    public = json.dumps(client.jwk).encode()
    other = ec.generate_private_key(ec.SECP256R1())
    forged = client.assertion(key=other)
    tricks = [
        f"{b64(json.dumps({'alg': 'none'}).encode())}.{body}.",
        f"{b64(json.dumps({'alg': 'none'}).encode())}.{body}.{mark}",
        f"{b64(json.dumps({'alg': 'HS256', 'kid': 'k1'}).encode())}.{body}."
        f"{b64(hashlib.sha256(public).digest())}",
        forged,
        client.assertion(header={"kid": "k2"}),
        client.assertion(header={"jwk": client.jwk}, key=other),
        client.assertion(header={"jku": "https://evil.example/keys"}, key=other),
        client.assertion(header={"crit": ["x"], "x": 1}),
        good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB"),
        good + ".x",
        "ey",
    ]
    for text in tricks:
        refused(server, "invalid_client", 401, **by_assertion(client, text))


def test_another_tenants_client_is_nobody_here(server, client, other_tenant):
    client.register()
    thief = Client(other_tenant)
    thief.register()
    # Signed with the thief's own key, in the name of the client.
    refused(server, "invalid_client", 401,
            **by_assertion(thief, thief.assertion(iss=client.client_id, sub=client.client_id)))
    mixed = f"{client.tenant.id}/{thief.who.id}"
    refused(server, "invalid_client", 401, **by_assertion(thief, thief.assertion(iss=mixed, sub=mixed)))
    refused(server, "invalid_client", 401, client_id=client.client_id, client_secret=thief.secret)
    refused(server, "invalid_request", client_id=client.client_id, client_secret=client.secret,
            workspace=other_tenant.workspace)


def test_a_client_proves_itself_in_one_way(server, client):
    client.register()
    refused(server, "invalid_request", client_id=client.client_id, client_secret=client.secret, **by_assertion(client))
    refused(server, "invalid_client", 401)
    refused(server, "invalid_client", 401, client_id=client.client_id, client_secret=other_end(client.secret))


def test_what_the_endpoint_refuses(server, client):
    refused(server, "unsupported_grant_type", grant_type="password", username="a", password="b")
    refused(server, "invalid_request", grant_type="")
    person = client.tenant.person("user", "operator")
    refused(server, "unauthorized_client", client_id=person.id, client_secret=person.api.key)
    wrong = requests.post(f"{server.url}/oauth2/token", data=b"{}", headers={"Content-Type": "application/json"},
                          timeout=30)
    assert (wrong.status_code, wrong.json()["error"]) == (415, "invalid_request")
    twice = requests.post(f"{server.url}/oauth2/token", data="grant_type=a&grant_type=b", timeout=30,
                          headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert twice.json()["error"] == "invalid_request"


def test_registered_keys_are_public(tenant):
    one = Client(tenant)
    put = f"{one.path}/token-client"
    numbers = one.private.private_numbers()
    private = {**one.jwk, "d": b64(numbers.private_value.to_bytes(32, "big"))}
    tenant.admin.api.refused("BAD_FIELD", "PUT", put, {"jwks": {"keys": [private]}})
    tenant.admin.api.refused("BAD_FIELD", "PUT", put, {"jwks": {"keys": []}})
    tenant.admin.api.refused("BAD_FIELD", "PUT", put, {"jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}})
    tenant.admin.api.refused("BAD_FIELD", "PUT", put, {"workspace": new_tenant(tenant.server).workspace})
    tenant.admin.api.refused("BAD_FIELD", "PUT", put, {"risk_tier": "high"})
    person = tenant.person("user", "operator")
    tenant.admin.api.refused("CONFLICT", "PUT", f"{tenant.path}/principals/{person.id}/token-client", {})
    one.who.api.refused("FORBIDDEN", "PUT", put, {"jwks": {"keys": [one.jwk]}})
    assert "jwks" not in tenant.admin.api.ok("GET", put)


def test_eddsa_signs_too(server, tenant):
    one = Client(tenant)
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    tenant.admin.api.ok("PUT", f"{one.path}/token-client",
                        {"jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": b64(public)}]}})
    text = f"{b64(json.dumps({'alg': 'EdDSA'}).encode())}.{b64(json.dumps(one.claims()).encode())}"
    token(server, **by_assertion(one, f"{text}.{b64(key.sign(text.encode()))}"))


def test_issuing_is_entered_into_the_log(server, client):
    token(server, client_id=client.client_id, client_secret=client.secret)
    entries = client.tenant.admin.api.ok("GET", f"{client.tenant.path}/log/entries", params={"limit": 200})["items"]
    found = [e["event"] for e in entries if e["event"]["api"]["operation"] == "token.issue"]
    assert len(found) == 1
    assert found[0]["actor"]["user"]["uid"] == client.who.id


# ---- API keys -----------------------------------------------------------------------------------------


def test_a_key_rotates_with_an_overlap(make_server):
    server = make_server().start()
    tenant = new_tenant(server)
    one = Client(tenant)
    old = tenant.admin.api.ok("GET", f"{one.path}/keys")["items"][0]
    made = tenant.admin.api.ok("POST", f"{one.path}/keys/{old['id']}/rotate", {"overlap": "10m"})
    assert made["key"]["replaces"] == old["id"] and made["key"]["name"] == old["name"]
    for key in (one.secret, made["secret"]):
        server.api(key).ok("GET", "/v1/whoami")
    server.set_clock_offset_ms(10 * 60 * 1000 + 1000)
    server.api(one.secret).refused("UNAUTHENTICATED", "GET", "/v1/whoami")
    server.api(made["secret"]).ok("GET", "/v1/whoami")
    tenant.admin.api.refused("CONFLICT", "POST", f"{one.path}/keys/{old['id']}/rotate", {})
    tenant.admin.api.refused("BAD_FIELD", "POST", f"{one.path}/keys/{made['key']['id']}/rotate", {"overlap": "169h"})
    tenant.admin.api.refused("NOT_FOUND", "POST", f"{tenant.path}/principals/{tenant.admin.id}/keys/{old['id']}/rotate",
                             {})


def test_a_key_without_an_end_gets_the_operators(make_server):
    server = make_server(options=["--sessions-key", "24h"]).start()
    tenant = new_tenant(server)
    one = Client(tenant)
    made = tenant.admin.api.ok("POST", f"{one.path}/keys", {"name": "default"})
    server.set_clock_offset_ms(24 * 3600 * 1000 + 1000)
    server.api(made["secret"]).refused("UNAUTHENTICATED", "GET", "/v1/whoami")
    assert "expires_at" in made["key"]


def test_the_last_use_of_a_key_is_kept_to_the_hour(make_server):
    server = make_server().start()
    tenant = new_tenant(server)
    one = Client(tenant)
    assert "used_at" not in tenant.admin.api.ok("GET", f"{one.path}/keys")["items"][0]

    def used():
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:  # it is written behind the request's back, by the next commit
            found = tenant.admin.api.ok("GET", f"{one.path}/keys")["items"][0].get("used_at")
            if found != used.before:
                used.before = found
                return found
        raise AssertionError("the use was never written")

    used.before = None
    one.who.api.ok("GET", "/v1/whoami")
    first = used()
    one.who.api.ok("GET", "/v1/whoami")
    assert tenant.admin.api.ok("GET", f"{one.path}/keys")["items"][0]["used_at"] == first
    server.set_clock_offset_ms(61 * 60 * 1000)
    one.who.api.ok("GET", "/v1/whoami")
    assert used() > first


def test_sessions_are_ones_own_affair(server, tenant):
    one, two = Client(tenant), Client(tenant)
    api = server.api(token(server, client_id=one.client_id, client_secret=one.secret)["access_token"])
    spare = server.api(token(server, client_id=one.client_id, client_secret=one.secret)["access_token"])
    two.who.api.refused("FORBIDDEN", "GET", f"{one.path}/sessions")
    two.who.api.refused("FORBIDDEN", "DELETE", f"{one.path}/sessions")
    session = api.ok("GET", "/v1/whoami")["credential"]
    two.who.api.refused("NOT_FOUND", "DELETE", f"{two.path}/sessions/{session}")
    assert api.ok("DELETE", f"{one.path}/sessions") == {"revoked": 1}
    spare.refused("UNAUTHENTICATED", "GET", "/v1/whoami")
    api.ok("GET", "/v1/whoami")
    one.who.api.refused("CONFLICT", "POST", "/v1/logout")
    api.ok("POST", "/v1/logout")
    api.refused("UNAUTHENTICATED", "GET", "/v1/whoami")
    pages = [token(server, client_id=one.client_id, client_secret=one.secret) for _ in range(3)]
    first = one.who.api.ok("GET", f"{one.path}/sessions", params={"limit": 2})
    rest = one.who.api.ok("GET", f"{one.path}/sessions", params={"limit": 2, "cursor": first["next"]})
    assert len({s["id"] for s in first["items"] + rest["items"]}) == len(pages)


def test_two_credentials_are_one_too_many(server, tenant):
    one = Client(tenant)
    got = token(server, client_id=one.client_id, client_secret=one.secret)["access_token"]
    one.who.api.refused("BAD_REQUEST", "GET", "/v1/whoami", headers={"Cookie": f"countersign={got}"})
    # A cookie holds a browser's session (test_sessions.py), and nothing that is a program's.
    nobody = server.api()
    nobody.refused("UNAUTHENTICATED", "GET", "/v1/whoami", headers={"Cookie": f"countersign={got}"})
    nobody.refused("UNAUTHENTICATED", "GET", "/v1/whoami", headers={"Cookie": f"countersign={got}; countersign={got}"})
    nobody.refused("UNAUTHENTICATED", "GET", "/v1/whoami", headers={"Cookie": f"countersign={got[:-1]}"})
    nobody.refused("UNAUTHENTICATED", "GET", "/v1/whoami", headers={"Cookie": f"countersign={other_end(got)}"})
