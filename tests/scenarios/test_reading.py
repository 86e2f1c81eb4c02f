# SPDX-License-Identifier: Apache-2.0
"""The plain reads: what was made is found again, page by page, by those who may."""
import pytest


def pages(api, path, limit):
    """All items of a collection, a page at a time; every page but the last is full."""
    items, cursor = [], None
    while True:
        page = api.ok("GET", path, params={"limit": limit, **({"cursor": cursor} if cursor else {})})
        assert len(page["items"]) <= limit
        items += page["items"]
        cursor = page.get("next")
        if cursor is None:
            return items
        assert len(page["items"]) == limit


def test_a_tenant_reads_what_it_is(tenant):
    api = tenant.admin.api
    read = api.ok("GET", tenant.path)
    assert (read["id"], read["name"]) == (tenant.id, tenant.name)
    [organization] = api.ok("GET", f"{tenant.path}/organizations")["items"]
    [workspace] = api.ok("GET", f"{tenant.path}/workspaces")["items"]
    assert workspace["id"] == tenant.workspace
    assert workspace["organization"] == organization["id"]
    assert api.ok("GET", tenant.place) == workspace


def test_a_principal_is_read_as_it_was_made(tenant):
    agent = tenant.agent("reader")
    read = tenant.admin.api.ok("GET", f"{tenant.path}/principals/{agent.id}")
    assert read["name"] == "reader" and read["kind"] == "agent" and read["roles"] == ["agent"]
    assert read["disabled"] is False


def test_executors_are_listed(staffed):
    listed = staffed.admin.api.ok("GET", f"{staffed.place}/executors")["items"]
    assert [e["environment"] for e in listed] == ["test"]


def test_the_catalogue_is_for_everybody_with_a_credential(tenant):
    items = tenant.admin.api.ok("GET", "/v1/catalogue")["items"]
    remove = next(i for i in items if (i["connector"], i["operation"]) == ("docker", "container.remove"))
    assert remove["effect"] == "destroys"
    assert {p["name"] for p in remove["parameters"]} >= {"force"}
    tenant.server.api().refused("UNAUTHENTICATED", "GET", "/v1/catalogue")


def test_pages_have_everything_once(tenant):
    made = {tenant.agent(f"agent-{n}").id for n in range(7)}
    for limit in (1, 2, 3, 7, 8, 200):
        items = pages(tenant.admin.api, f"{tenant.path}/principals", limit)
        ids = [item["id"] for item in items]
        assert len(ids) == len(set(ids)) == 8
        assert made < set(ids)


def test_the_platform_lists_all_tenants(server, platform, tenant, other_tenant):
    ids = [t["id"] for t in pages(platform, "/v1/tenants", 2)]
    assert len(ids) == len(set(ids))
    assert {tenant.id, other_tenant.id} <= set(ids)
    tenant.admin.api.refused("FORBIDDEN", "GET", "/v1/tenants")
    tenant.admin.api.refused("FORBIDDEN", "POST", "/v1/tenants", {"name": "mine"})


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.yaml"])
def test_the_node_tells_how_it_is(server, path):
    assert server.api().request("GET", path).status_code == 200
    server.api().refused("BAD_PARAMETER", "GET", path, params={"x": "1"})
