# SPDX-License-Identifier: Apache-2.0
"""A tenant's realm at an issuer that can be made to lie, and a person's browser."""
import re
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


def seconds(**more):
    now = int(time.time())
    return {name: now + delta for name, delta in more.items()}


def own_role(tenant, *permissions):
    return tenant.admin.api.ok("POST", f"{tenant.path}/roles",
                               {"name": harness.unique("desk"), "permissions": list(permissions)})["name"]
