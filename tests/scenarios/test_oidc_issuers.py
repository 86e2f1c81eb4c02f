# SPDX-License-Identifier: Apache-2.0
"""Issuers that are down, slow, lie about themselves, or change their keys in the middle."""
import threading
import time

import harness
import issuer as issuers
import pytest
from conftest import new_tenant
from realms import Browser, browser, issuer, make_realm, realm, server, tenant  # noqa: F401 (fixtures)


def test_an_issuer_that_is_down_is_said_to_be(tenant, issuer, realm, browser):
    issuer.status = 500
    browser.refused("UPSTREAM_PROTOCOL", f"/login/oidc/{tenant.id}/{realm['id']}")
    gone = issuer.realm(name="gone", issuer="http://127.0.0.1:1")
    realm = tenant.admin.api.ok("POST", f"{tenant.path}/realms", gone)
    browser.refused("UPSTREAM_UNREACHABLE", f"/login/oidc/{tenant.id}/{realm['id']}")


def test_nobody_waits_long_for_a_slow_issuer_and_nobody_else_at_all(tenant, issuer, realm, browser, server):
    issuer.hold = threading.Event()
    ended = []

    def wait():
        Browser(server).refused("UPSTREAM_TIMEOUT", f"/login/oidc/{tenant.id}/{realm['id']}")
        ended.append(time.monotonic())

    threads = [threading.Thread(target=wait) for _ in range(12)]
    for thread in threads:
        thread.start()
    assert issuer.asked.wait(harness.PATIENCE_S)
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


WEAK = {"kty": "RSA", "n": issuers.number((1 << 1023) + 1155), "e": "AQAB"}
LYING_KEYS = {
    "none": lambda jwk: {"keys": []},
    "no set": lambda jwk: {"key": jwk},
    "no JSON": lambda jwk: b"{",
    "a secret one": lambda jwk: {"keys": [{"kty": "oct", "kid": jwk["kid"], "k": issuers.b64(b"s" * 32)}]},
    "one for encryption": lambda jwk: {"keys": [{**jwk, "use": "enc"}]},
    "one for another algorithm": lambda jwk: {"keys": [{**jwk, "alg": "ES512"}]},
    "a point that is not on the curve": lambda jwk: {"keys": [{**jwk, "y": jwk["x"]}]},
    "a weak one": lambda jwk: {"keys": [{**WEAK, "kid": jwk["kid"]}]},
    "more than anybody has": lambda jwk: {"keys": [jwk] * 3000},
}


@pytest.mark.parametrize("lie", LYING_KEYS.values(), ids=LYING_KEYS)
def test_keys_that_lie_let_nobody_in(tenant, issuer, realm, browser, lie):
    issuer.jwks = lie(issuer.keys[0].jwk)
    reply = browser.get(f"/login/oidc/{tenant.id}/{realm['id']}")
    if reply.status_code == 303:  # a set without a key that can be used is found out when a token comes
        reply = browser.get(browser.go_there(reply.headers["Location"]))
    assert reply.status_code in (401, 413, 502), reply.text
    assert browser.get("/v1/whoami").status_code == 401


def test_redirects_are_not_followed(tenant, issuer, realm, browser):
    issuer.status = 302
    browser.refused("UPSTREAM_PROTOCOL", f"/login/oidc/{tenant.id}/{realm['id']}")
    assert "/elsewhere" not in issuer.fetches


@pytest.fixture
def refetch_is_due(server):
    """Lets identity.issuer-refetch pass."""
    def pass_by():
        server.set_clock_offset_ms(1000)

    yield pass_by
    server.set_clock_offset_ms(0)


def test_keys_rotate_in_the_middle(tenant, issuer, realm, browser, refetch_is_due):
    assert browser.sign_in(tenant, realm).status_code == 303
    callback = browser.go_there(browser.begin(tenant, realm))
    issuer.keys = [issuers.SigningKey()]
    refetch_is_due()
    fetched = issuer.fetches.count("/jwks")
    assert browser.get(callback).status_code == 303
    assert issuer.fetches.count("/jwks") == fetched + 1


def test_keys_that_are_gone_count_no_more(tenant, issuer, realm, browser, refetch_is_due):
    old = issuer.keys[0]
    assert browser.sign_in(tenant, realm).status_code == 303
    issuer.keys = [issuers.SigningKey()]
    refetch_is_due()
    assert browser.sign_in(tenant, realm).status_code == 303
    issuer.make_token = old.token
    browser.refused("UNAUTHENTICATED", browser.go_there(browser.begin(tenant, realm)))


def test_unknown_kids_do_not_make_us_ask_for_ever(make_server, issuer):
    server = make_server(options=["--identity-private-issuers"]).start()
    tenant = new_tenant(server)
    realm = make_realm(tenant, issuer)
    browser = Browser(server)
    issuer.make_token = issuers.SigningKey(kid="nobody").token
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
