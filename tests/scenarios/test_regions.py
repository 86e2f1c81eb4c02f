# SPDX-License-Identifier: Apache-2.0
"""
A US and an EU server with one directory. The directory and the US cells are in
one PostgreSQL, the EU cells in another; a recorder stands before each, so that
what reached which side is known byte for byte.
"""
import base64
import socket
import time

import cells
import harness
import postgres
import pytest
from conftest import new_tenant
from pgproxy import Proxy

US, EU = "127.0.0.1", "127.0.0.2"


class Recorder(Proxy):
    """Keeps all that passes, in both directions."""

    def __init__(self, real_folder):
        self.seen = bytearray()
        super().__init__(real_folder)

    def _is_cut(self, pair, direction, message, typed):
        with self.lock:
            self.seen += message
        return False


class World:
    def __init__(self, folder):
        self.folder = folder
        self.clusters = {"us": postgres.Postgres(), "eu": postgres.Postgres()}
        self.recorders = {name: Recorder(cluster.folder) for name, cluster in self.clusters.items()}
        names = {name: cluster.migrated(harness.binary(), name) for name, cluster in self.clusters.items()}
        self.urls = {name: f"postgresql:///{names[name]}?host={self.recorders[name].folder}&user={postgres.SERVER}"
                     for name in names}
        ports = {name: free_port(host) for name, host in (("us", US), ("eu", EU))}
        self.us = self.server("us", US, ports, [])
        self.eu = self.server("eu", EU, ports, [f"us={self.urls['us']}"])
        self.eu.bootstrap_key = "made by the other"
        self.us.start()
        (self.eu.data).mkdir(parents=True, mode=0o700)
        (self.eu.data / "root.key").write_bytes((self.us.data / "root.key").read_bytes())
        (self.eu.data / "root.key").chmod(0o600)
        self.eu.start()

    def server(self, name, host, ports, more):
        folder = self.folder / name
        folder.mkdir()
        others = " ".join(f"{n}=http://{h}:{ports[n]}" for n, h in (("us", US), ("eu", EU)) if n != name)
        server = harness.Server(folder, None, ["--node-region", name, "--listen-host", host, "--node-region-urls",
                                               others, "--store-regions",
                                               " ".join([f"{name}={self.urls[name]}", *more])],
                                shared_store=self.urls["us"])
        server.port = ports[name]
        return server

    def close(self):
        for server in (self.us, self.eu):
            if server.process and server.process.process.poll() is None:
                server.kill()
        for name, cluster in self.clusters.items():
            self.recorders[name].close()
            cluster.remove()

    def files(self, name):
        """All bytes of a PostgreSQL's files, its write-ahead log too."""
        self.clusters[name].sql("CHECKPOINT")
        return b"".join(path.read_bytes() for path in sorted(self.clusters[name].data.rglob("*")) if path.is_file())


def free_port(host):
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    if postgres.programs() is None:
        pytest.skip("no PostgreSQL is installed (postgresql-15)")
    made = World(tmp_path_factory.mktemp("regions"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def shop(world):
    """A US tenant with a workspace in the EU: (tenant, its people at the EU node, the workspace's path)."""
    tenant = new_tenant(world.us)
    tenant.anna = tenant.approver("anna")
    tenant.put_roster(tenant.anna)
    made = tenant.admin.api.ok("POST", f"{tenant.path}/workspaces", {"name": "shop", "region": "eu"})
    assert made["region"] == "eu"
    tenant.there = f"/v1/workspaces/{made['id']}"
    tenant.shop = made["id"]
    tenant.at_eu = lambda person: world.eu.api(person.api.key)
    return tenant


def test_a_request_for_another_region_is_sent_there_and_logged(world, shop):
    answer = shop.admin.api.request("POST", f"{shop.there}/actions", {
        "environment": "test", "connector": "docker", "operation": "container.list"})
    assert answer.status_code == 421
    problem = answer.json()
    assert problem["code"] == "WRONG_REGION"
    assert problem["location"] == answer.headers["Location"] == f"{world.eu.url}{shop.there}/actions"
    entries = [e for e in shop.log_entries() if e.get("status_code") == "WRONG_REGION" or "WRONG_REGION" in str(e)]
    assert entries and shop.shop in str(entries[-1])
    # The other way round: what is the tenant's is at home.
    there = shop.at_eu(shop.admin).request("GET", f"{shop.path}/organizations")
    assert there.status_code == 421
    assert there.headers["Location"] == f"{world.us.url}{shop.path}/organizations"


def test_nobody_knows_the_region(shop):
    shop.admin.api.refused("BAD_FIELD", "POST", f"{shop.path}/workspaces", {"name": "moon", "region": "moon"})


def test_what_happens_in_the_eu_stays_there(world, shop):
    """The whole life of an action in the EU, by people whose home is the US."""
    admin, anna = shop.at_eu(shop.admin), shop.at_eu(shop.anna)
    canaries = {"task": "canary-of-the-task", "words": "canary-of-the-instruction", "name": "canary-executor",
                "target": "canary-container", "parameter": "canary-parameter", "output": "canary-output"}
    assert admin.ok("GET", shop.there)["name"] == "shop"
    executor = harness.HandExecutor(Elsewhere(shop, world.eu, canaries["name"]))
    executor.answer_resolutions()
    action = admin.ok("POST", f"{shop.there}/actions", {
        "environment": "test", "connector": "docker", "operation": "container.kill", "target": canaries["target"],
        "parameters": {"signal": "SIGTERM"}, "task_name": canaries["task"], "instruction": canaries["words"]})
    anna.ok("POST", f"{shop.there}/actions/{action['id']}/decisions", shop.anna.decision(action))
    claim = executor.claim(action["id"])
    executor.api.ok("POST", f"{shop.there}/actions/{action['id']}/output",
                    {"offset": 0, "data": base64.b64encode(canaries["output"].encode()).decode()})
    executor.report(action, claim)
    done = admin.ok("GET", f"{shop.there}/actions/{action['id']}", params={"wait": "10s"})
    assert done["state"] == "succeeded", done
    executor.close()
    canaries["action"] = action["id"]
    canaries["executor"] = executor.id
    canaries["digest"] = action["digest"]

    seen = {name: bytes(recorder.seen) for name, recorder in world.recorders.items()}
    files = {name: world.files(name) for name in ("us", "eu")}
    # The recorder can see: what identifies the action did pass to the EU's side.
    for name in ("action", "executor", "digest", "name"):
        assert canaries[name].encode() in seen["eu"] and canaries[name].encode() in files["eu"], name
    for name, canary in canaries.items():
        assert canary.encode() not in seen["us"], f"{name} passed to the US"
        assert canary.encode() not in files["us"], f"{name} is in the US's files"
    assert canaries["action"].encode() not in b"".join(p.read_bytes() for p in world.us.folder.rglob("*") if p.is_file())
    assert canaries["action"] not in world.us.process.text


class Elsewhere:
    """The tenant, as an executor of another region sees it."""

    def __init__(self, tenant, server, executor_name):
        self.server = server
        self.executor_name = executor_name
        self.tenant = tenant
        self.id = tenant.id
        self.path = tenant.path
        self.workspace = tenant.shop
        self.place = tenant.there
        self.actions = f"{tenant.there}/actions"
        self.admin = type("There", (), {"api": tenant.at_eu(tenant.admin)})()

    def announce(self, environment="test", name=None):
        return self.admin.api.ok("POST", f"{self.place}/executors", {"name": self.executor_name, "environment": environment})


def test_a_roster_that_changes_at_home_counts_in_the_eu_at_once(world, shop):
    admin, anna = shop.at_eu(shop.admin), shop.at_eu(shop.anna)
    action = admin.ok("POST", f"{shop.there}/actions", {
        "environment": "test", "connector": "docker", "operation": "container.kill", "target": "a" * 64})
    shop.ben = shop.approver("ben")
    shop.put_roster(shop.ben)
    anna.refused("NOT_ON_ROSTER", "POST", f"{shop.there}/actions/{action['id']}/decisions",
                 shop.anna.decision(action))
    shop.at_eu(shop.ben).ok("POST", f"{shop.there}/actions/{action['id']}/decisions", shop.ben.decision(action))


def test_a_suspension_at_home_stops_the_eu(world, shop):
    platform = world.us.api(world.us.bootstrap_key)
    shop.at_eu(shop.admin).ok("GET", f"{shop.there}/actions")
    platform.ok("POST", f"/v1/platform/tenants/{shop.id}/suspend")
    shop.at_eu(shop.admin).refused("TENANT_SUSPENDED", "GET", f"{shop.there}/actions")
    platform.ok("POST", f"/v1/platform/tenants/{shop.id}/resume")


def test_one_node_serves_two_regions_from_one_store(make_server):
    """A folder or a schema for each region; and a tenant that is deleted goes from both."""
    server = make_server(options=["--node-region", "us", "--node-regions", "us eu"], regions=("us", "eu")).start()
    tenant = new_tenant(server)
    tenant.anna, tenant.ben = tenant.approver("anna"), tenant.approver("ben")
    tenant.put_roster(tenant.anna, tenant.ben)
    made = tenant.admin.api.ok("POST", f"{tenant.path}/workspaces", {"name": "shop", "region": "eu"})
    there = f"/v1/workspaces/{made['id']}/actions"
    action = tenant.admin.api.ok("POST", there, {
        "environment": "test", "connector": "docker", "operation": "container.kill", "target": "b" * 64})
    tenant.anna.api.ok("POST", f"{there}/{action['id']}/decisions", tenant.anna.decision(action))
    assert tenant.admin.api.ok("GET", f"{there}/{action['id']}")["state"] == "approved"

    def bytes_of(region):
        if cells.is_shared(server):
            return cells.stored(server, f"countersign\\_{region}")
        return b"".join(path.read_bytes() for path in (server.data / "cells" / region).glob(f"{tenant.id}*"))

    assert action["id"].encode() in bytes_of("eu") and action["id"].encode() not in bytes_of("us")
    server.api(server.bootstrap_key).ok("POST", f"/v1/platform/tenants/{tenant.id}/archive")
    last = tenant.admin.api.ok("POST", tenant.actions, {
        "environment": "control-plane", "connector": "countersign", "operation": "tenant.delete", "target": tenant.id})
    tenant.anna.decide(last)
    tenant.ben.decide(last)
    tenant.admin.api.refused("UNAUTHENTICATED", "GET", "/v1/whoami")
    assert cells.is_forgotten(server, tenant)


def test_what_an_agent_is_granted_at_home_counts_in_the_region(world, shop):
    bot = shop.agent()
    there = shop.at_eu(bot)
    path = f"{shop.path}/agents/{bot.id}"
    listing = {"environment": "test", "connector": "docker", "operation": "container.list"}
    there.ok("POST", f"{shop.there}/actions", listing)
    grant, = shop.admin.api.ok("GET", f"{path}/grants")["items"]
    shop.admin.api.ok("DELETE", f"{path}/grants/{grant['id']}")
    deadline = time.monotonic() + 0.1
    while time.monotonic() < deadline:
        if there.request("POST", f"{shop.there}/actions", listing).status_code == 403:
            break
    there.refused("NOT_GRANTED", "POST", f"{shop.there}/actions", listing)
    shop.admin.api.ok("POST", f"{path}/grants", {"connector": "docker", "operation": "*"})
    etag = shop.admin.api.request("GET", path).headers["ETag"]
    shop.admin.api.ok("PATCH", path, {"scope": "read_only"}, headers={"If-Match": etag})
    deadline = time.monotonic() + harness.PATIENCE_S
    while there.request("POST", f"{shop.there}/actions", listing).status_code != 201:
        assert time.monotonic() < deadline
    there.refused("BEYOND_SCOPE", "POST", f"{shop.there}/actions", {
        **listing, "operation": "container.remove", "target": "0" * 64})
