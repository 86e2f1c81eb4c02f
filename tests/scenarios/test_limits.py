# SPDX-License-Identifier: Apache-2.0
"""Limits by tier: exact on one node, shared by several, and bounded in memory."""
import concurrent.futures
import time

import harness
from conftest import new_tenant
from test_nodes import nodes  # noqa: F401  the fixture


def hammer(apis, count):
    """(how many were let through, how long it took) of `count` requests by each of the callers, at once."""
    def ask(api):
        return [api.request("GET", "/v1/whoami").status_code for _ in range(count)]

    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(len(apis)) as pool:
        codes = [code for given in pool.map(ask, apis) for code in given]
    assert set(codes) <= {200, 429}, codes
    return codes.count(200), time.monotonic() - began


def test_one_node_counts_exactly_whoever_comes_at_once(make_server):
    server = make_server(options=["--rate-standard-tenant", "10/s burst 100"]).start()
    tenant = new_tenant(server)
    people = [tenant.admin.api.key] + [tenant.person("user", "operator").api.key for _ in range(3)]
    began = time.monotonic()
    left = int(server.api(people[0]).request("GET", "/v1/whoami").headers["RateLimit-Remaining"])
    allowed, took = hammer([server.api(key) for key in people for _ in range(2)], 40)
    assert left > 50, "making them took more than half of the budget"
    assert left <= allowed <= left + 10 * (time.monotonic() - began) + 1, (left, allowed, took)


def test_the_tier_decides(make_server):
    server = make_server(options=["--rate-basic-principal", "1/s burst 3", "--rate-enterprise-principal",
                                  "1000/s burst 1000"]).start()
    platform = server.api(server.bootstrap_key)
    small = harness.Tenant(server, platform.ok("POST", "/v1/tenants", {"name": "small", "tier": "basic"}))
    large = harness.Tenant(server, platform.ok("POST", "/v1/tenants", {"name": "large", "tier": "enterprise"}))
    assert hammer([small.admin.api], 20)[0] < 20
    assert hammer([large.admin.api], 20)[0] == 20
    # A new tier counts at once.
    platform.ok("PATCH", f"/v1/platform/tenants/{small.id}", {"tier": "enterprise"}, headers={"If-Match": "*"})
    assert hammer([small.admin.api], 20)[0] > 10


def test_a_refusal_says_when_to_come_back(make_server):
    server = make_server(options=["--rate-standard-tenant", "1/s burst 2",
                                  "--rate-standard-principal", "none"]).start()
    api = server.api(server.bootstrap_key)
    patience = time.monotonic() + harness.PATIENCE_S
    while (refused := api.request("GET", "/v1/whoami")).status_code != 429:
        assert time.monotonic() < patience, "never refused"
    assert refused.headers["RateLimit-Policy"] == '"tenant";q=2;w=2'
    assert refused.headers["RateLimit"].startswith('"tenant";r=0;t=')
    assert int(refused.headers["Retry-After"]) >= 1
    # Nobody who comes then, or later, is refused again.
    until = time.monotonic() + int(refused.headers["Retry-After"])
    while True:
        asked = time.monotonic()
        if api.request("GET", "/v1/whoami").status_code == 200:
            break
        assert asked < until


def test_several_nodes_share_one_budget(nodes):  # noqa: F811
    for node in nodes.nodes:
        node.options += ["--rate-standard-tenant", "20/s burst 400"]
        node.restart()
    tenant = new_tenant(nodes.nodes[0])
    key = tenant.admin.api.key
    began = time.monotonic()
    allowed, _ = hammer([node.api(key) for node in nodes.nodes for _ in range(3)], 150)
    most = 400 + 20 * (time.monotonic() - began)
    assert allowed <= 1.05 * most, (allowed, most)
    assert allowed >= 0.9 * 400, (allowed, most)


def test_a_flood_of_unknown_keys_takes_no_memory(make_server):
    # Under AddressSanitizer freed memory would rest, 256 MiB of it, before it is used again.
    server = make_server(env=harness.sanitizer_options(quarantine_size_mb=1, thread_local_quarantine_size_kb=64)).start()
    api = server.api()

    def flood(count, first):
        for i in range(first, first + count):
            key = f"cs_{i:08d}_" + "b" * 52
            assert api.request("GET", "/v1/whoami", headers={"Authorization": f"Bearer {key}"}).status_code == 401

    flood(500, 0)
    before = server.process.memory_bytes
    flood(3000, 1000)
    assert server.process.memory_bytes - before < 4 << 20
