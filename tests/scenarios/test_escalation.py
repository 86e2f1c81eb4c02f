# SPDX-License-Identifier: Apache-2.0
"""Ways around: to become somebody who may more, or to make more of a credential than it is."""
import time

import pytest
import requests

import harness
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
