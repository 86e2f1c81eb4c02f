# SPDX-License-Identifier: Apache-2.0
"""Ways around: to become somebody who may more, or to make more of a credential than it is."""
import time

import pytest
import requests

import harness
from browser import log_in
from test_access import Access

ISSUER = {"issuer": "https://id.example.org", "client_id": "countersign"}


@pytest.fixture
def access(tenant):
    return Access(tenant)


def test_another_workspaces_definition_is_not_there(tenant, access):
    place = access.workspace()
    content = ("document: {dsl: 1.0.0, namespace: default, name: secret-plan, version: 1.0.0}\n"
               "do:\n  - first: {set: {a: 1}}\n")
    path = f"/v1/workspaces/{place['id']}/definitions"
    draft = tenant.admin.api.ok("POST", path, {"kind": "workflow", "content": content})
    final = tenant.admin.api.ok("POST", f"{path}/{draft['id']}/publish", {"digest": draft["digest"]})
    eve = tenant.person("user")
    access.bind(eve.id, "contributor", workspace=tenant.workspace)
    answer = eve.api.refused("TARGET_NOT_FOUND", "POST", tenant.actions, {
        "environment": "control-plane", "connector": "countersign", "operation": "definition.promote",
        "target": final["id"], "parameters": {"environment": "prd"}})
    assert "secret-plan" not in str(answer)


def test_nobody_logs_in_as_who_may_more(tenant, access):
    """By a link, a new account, factors that are taken away, or an issuer of one's own."""
    admin, path = tenant.admin, tenant.path
    eve, ann = tenant.person("user"), tenant.person("user")
    access.bind(eve.id, access.role(["principal.manage", "principal.read", "realm.manage", "realm.read",
                                     "action.read"])["name"])
    eve.api.refused("FORBIDDEN", "POST", f"{path}/accounts", {"principal": admin.id, "login": "root"})
    admin.api.ok("POST", f"{path}/accounts", {"principal": admin.id, "login": "root"})
    theirs = f"{path}/principals/{admin.id}"
    eve.api.refused("FORBIDDEN", "POST", f"{theirs}/account/links")
    eve.api.refused("FORBIDDEN", "DELETE", f"{theirs}/factors")
    eve.api.refused("FORBIDDEN", "POST", f"{theirs}/account/enable")
    eve.api.ok("POST", f"{path}/accounts", {"principal": ann.id, "login": "ann"})
    eve.api.ok("POST", f"{path}/principals/{ann.id}/account/links")
    # A realm's expression gives roles, and its issuer says who somebody is.
    eve.api.refused("FORBIDDEN", "POST", f"{path}/realms", {"name": "mine", **ISSUER})
    realm = admin.api.ok("POST", f"{path}/realms", {"name": "ours", **ISSUER})
    eve.api.refused("FORBIDDEN", "PATCH", f"{path}/realms/{realm['id']}", {"roles_expression": "['admin']"})
    eve.api.refused("FORBIDDEN", "PATCH", f"{path}/realms/{realm['id']}", {"issuer": "https://eve.example.org"})


def test_a_limited_credential_makes_none_that_may_more(server, tenant):
    admin, keys = tenant.admin, f"{tenant.path}/principals/{tenant.admin.id}/keys"
    scopes = ["key.manage", "principal.manage", "principal.read", "binding.manage", "group.manage", "role.manage",
              "realm.manage", "access.read"]
    narrow = admin.api.ok("POST", keys, {"name": "narrow", "scopes": scopes})
    wide = admin.api.ok("POST", keys, {"name": "wide"})
    api = server.api(narrow["secret"])
    api.refused("FORBIDDEN", "POST", keys, {"name": "more"})
    api.refused("FORBIDDEN", "POST", keys, {"name": "more", "scopes": [*scopes, "log.read"]})
    api.ok("POST", keys, {"name": "less", "scopes": ["key.manage"]})
    api.refused("FORBIDDEN", "POST", f"{keys}/{wide['key']['id']}/rotate", {})
    api.ok("POST", f"{keys}/{narrow['key']['id']}/rotate", {})
    # Nor a way to log in, nor rights for others.
    api.refused("FORBIDDEN", "POST", f"{tenant.path}/accounts", {"principal": admin.id, "login": "root"})
    api.refused("FORBIDDEN", "POST", f"{tenant.path}/realms", {"name": "mine", **ISSUER})
    bob = tenant.person("service")
    api.refused("FORBIDDEN", "PUT", f"{tenant.path}/principals/{bob.id}/token-client", {})
    api.refused("FORBIDDEN", "POST", f"{tenant.path}/bindings", {"principal": bob.id, "role": "viewer"})
    api.refused("FORBIDDEN", "POST", f"{tenant.path}/principals", {"kind": "user", "name": "x", "roles": ["viewer"]})
    api.refused("FORBIDDEN", "POST", f"{tenant.path}/roles", {"name": "mine", "permissions": ["log.read"]})
    group = Access(tenant).group()
    Access(tenant).bind(group, "viewer")
    api.refused("FORBIDDEN", "PUT", f"{tenant.path}/groups/{group}/members/{bob.id}")


def test_a_token_of_one_workspace_changes_nothing_of_the_tenant(server, tenant, access):
    """It would make itself a key that is bound to none."""
    boss = tenant.person("service", "admin")
    other = access.workspace()
    answer = requests.post(f"{server.url}/oauth2/token", timeout=harness.PATIENCE_S, data={
        "grant_type": "client_credentials", "client_id": boss.id, "client_secret": boss.api.key,
        "workspace": tenant.workspace})
    api = server.api(answer.json()["access_token"])
    api.ok("GET", tenant.actions)
    api.ok("GET", f"{tenant.path}/principals")
    api.refused("NOT_FOUND", "GET", f"/v1/workspaces/{other['id']}/actions")
    api.refused("FORBIDDEN", "POST", f"{tenant.path}/principals/{boss.id}/keys", {"name": "more"})
    api.refused("FORBIDDEN", "POST", f"{tenant.path}/workspaces/{other['id']}/archive")
    api.ok("POST", "/v1/logout")


def test_only_a_browsers_session_is_a_cookie(server, tenant):
    """A key in a cookie would let a command line in, whose session no scope limits."""
    me = tenant.admin.api.ok("GET", "/v1/whoami")
    narrow = tenant.admin.api.ok("POST", f"{tenant.path}/principals/{me['principal']}/keys",
                                 {"name": "narrow", "scopes": ["action.read"]})
    for name in ("countersign", "__Host-countersign"):
        answer = requests.get(f"{server.url}/v1/whoami", timeout=harness.PATIENCE_S,
                              headers={"Cookie": f"{name}={narrow['secret']}"})
        assert answer.status_code == 401, answer.text
        page = requests.get(f"{server.url}/device", timeout=harness.PATIENCE_S, allow_redirects=False,
                            headers={"Cookie": f"{name}={narrow['secret']}"})
        assert page.status_code in (303, 401), page.text


def test_a_token_does_not_outlive_the_key_that_gave_it(server, tenant):
    bob = tenant.person("service", "operator")
    made = tenant.admin.api.ok("POST", f"{tenant.path}/principals/{bob.id}/keys", {
        "name": "short", "expires_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 120))})
    answer = requests.post(f"{server.url}/oauth2/token", timeout=harness.PATIENCE_S, data={
        "grant_type": "client_credentials", "client_id": bob.id, "client_secret": made["secret"]})
    assert answer.status_code == 200 and answer.json()["expires_in"] <= 120, answer.text


def test_nobody_keeps_others_from_their_links(make_server):
    """Wrong links count for the address that tries them, and nowhere else."""
    server = make_server()
    server.start()
    tenant = harness.Tenant(server, server.api(server.bootstrap_key).ok("POST", "/v1/tenants", {"name": "links"}))
    ann = tenant.person("user", "viewer")
    link = tenant.admin.api.ok("POST", f"{tenant.path}/accounts", {"principal": ann.id, "login": "ann"})["link"]
    for _ in range(12):
        requests.get(f"{server.url}/login/link", timeout=harness.PATIENCE_S,
                     params={"tenant": tenant.id, "link": "csl_aaaaaaaa_" + "a" * 52})
    assert requests.get(link, timeout=harness.PATIENCE_S).status_code == 200


def test_a_session_that_was_left_open_cannot_shed_its_second_factor(server, tenant):
    """Without one that is fresh nobody takes factors away, or makes a link that sets a password: not their own either."""
    ann = tenant.person("user", ["administrator", "approver"])
    tenant.admin.api.ok("POST", f"{tenant.path}/accounts", {"principal": ann.id, "login": "ann"})
    path = f"{tenant.path}/principals/{ann.id}"
    stale = server.api(log_in(server, tenant, ann, kind="cli", second_factor_ms=int(time.time() * 1000) - 3600000))
    stale.refused("SECOND_FACTOR_REQUIRED", "DELETE", f"{path}/factors")
    stale.refused("SECOND_FACTOR_REQUIRED", "POST", f"{path}/account/links")
    stale.refused("SECOND_FACTOR_REQUIRED", "POST", f"{tenant.path}/accounts", {"principal": tenant.admin.id, "login": "x"})
    fresh = server.api(log_in(server, tenant, ann, kind="cli", second_factor_ms=int(time.time() * 1000) - 1000))
    fresh.ok("POST", f"{path}/account/links")
    fresh.ok("DELETE", f"{path}/factors")
