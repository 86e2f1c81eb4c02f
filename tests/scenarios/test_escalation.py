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
