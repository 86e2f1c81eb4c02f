# SPDX-License-Identifier: Apache-2.0
"""Several servers on one PostgreSQL."""
import concurrent.futures
import shutil
import threading
import time

import harness
import postgres
import pytest
from conftest import new_tenant


class Nodes:
    """Servers that share a database and a root key."""

    def __init__(self, folder, place):
        self.folder = folder
        self.place = place
        self.url = place.url(postgres.SERVER, place.migrated(harness.binary()))
        self.nodes = []

    def add(self, env=None):
        folder = self.folder / f"node{len(self.nodes)}"
        (folder / "data").mkdir(parents=True, mode=0o700)
        if self.nodes:
            shutil.copy(self.nodes[0].data / "root.key", folder / "data" / "root.key")
        node = harness.Server(folder, env, shared_store=self.url)
        if self.nodes:
            node.bootstrap_key = self.nodes[0].bootstrap_key
        self.nodes.append(node)
        return node.start()


@pytest.fixture
def nodes(tmp_path, private_postgres):
    made = Nodes(tmp_path, private_postgres)
    made.add()
    made.add()
    yield made
    for node in made.nodes:
        if node.process.process.poll() is None:
            node.kill()


def staff(tenant):
    tenant.bot = tenant.agent("bot")
    tenant.anna = tenant.approver("anna")
    tenant.put_roster(tenant.anna)
    tenant.executor = harness.HandExecutor(tenant).answer_resolutions()
    return tenant


def at(node, person):
    """The same person, speaking to another node."""
    return node.api(person.api.key)


def test_a_waiter_on_one_node_wakes_for_a_decision_on_the_other(nodes):
    one, two = nodes.nodes
    tenant = staff(new_tenant(one))
    action = tenant.bot.submit("container.remove", "web")
    path = f"{tenant.actions}/{action['id']}"
    api = at(two, tenant.bot)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: (api.ok("GET", path, params={"wait": "30s", "since": action["revision"]}),
                                       time.monotonic()))
        # It waits once the node has answered something that came after it.
        api.ok("GET", path)
        tenant.anna.decide(action)
        decided = time.monotonic()
        answer, woke = waiting.result()
    assert answer["state"] != "pending"
    assert woke - decided < 2
    tenant.executor.close()


@pytest.mark.threads
def test_a_revoked_key_is_refused_by_every_node_within_100_ms(nodes):
    one, two = nodes.nodes
    tenant = new_tenant(one)
    for _ in range(5):
        person = tenant.person("user", "auditor")
        path = f"{tenant.path}/principals/{person.id}"
        keys = tenant.admin.api.ok("GET", f"{path}/keys")["items"]
        api = at(two, person)
        api.ok("GET", "/v1/whoami")
        api.ok("GET", "/v1/whoami")
        tenant.admin.api.ok("DELETE", f"{path}/keys/{keys[0]['id']}")
        revoked = time.monotonic()
        last_accepted = None
        while time.monotonic() < revoked + 0.5:
            asked = time.monotonic()
            if api.request("GET", "/v1/whoami").status_code != 401:
                last_accepted = asked
        assert last_accepted is None or last_accepted - revoked < 0.1


@pytest.mark.threads
def test_two_nodes_append_to_one_log_without_a_fork(nodes):
    one, two = nodes.nodes
    tenant = new_tenant(one)
    admins = [one.api(tenant.admin.api.key), two.api(tenant.admin.api.key)]

    def make(number):
        return admins[number % 2].ok("POST", f"{tenant.path}/principals",
                                     {"kind": "service", "name": f"s{number}", "roles": ["auditor"]})["id"]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make, range(64)))
    assert len(set(made)) == 64
    database = nodes.url.rsplit("dbname=", 1)[1]
    rows = nodes.place.sql("SELECT epoch, count(*), max(seq) + 1 FROM countersign_local.log_entry "
                           f"WHERE tenant_id = '{tenant.id}' GROUP BY epoch", database)
    assert len(rows) == 1 and rows[0][1] == rows[0][2]


@pytest.mark.threads
def test_an_action_is_claimed_once_whichever_node_is_asked(nodes):
    one, two = nodes.nodes
    tenant = staff(new_tenant(one))
    for _ in range(4):
        action = tenant.bot.submit("container.remove", "web")
        tenant.anna.decide(action)
        api = [one.api(tenant.executor.api.key), two.api(tenant.executor.api.key)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda n: api[n % 2].request("POST", f"{tenant.actions}/{action['id']}/claim"),
                                    range(8)))
        assert sum(answer.ok for answer in answers) == 1
    tenant.executor.close()


@pytest.mark.crash
def test_a_node_that_is_killed_leaves_everything_to_the_other(nodes):
    one, two = nodes.nodes
    tenant = new_tenant(one)
    acknowledged = []

    def work(number):
        api = one.api(tenant.admin.api.key)
        try:
            while True:
                made = api.ok("POST", f"{tenant.path}/principals",
                              {"kind": "service", "name": harness.unique(f"s{number}"), "roles": ["auditor"]})
                acknowledged.append(made["id"])
        except Exception:  # the node is gone
            return

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        running = [pool.submit(work, number) for number in range(16)]
        while len(acknowledged) < 100:
            assert not all(job.done() for job in running)
        one.kill()
        killed = time.monotonic()
        api = two.api(tenant.admin.api.key)
        api.ok("POST", f"{tenant.path}/principals", {"kind": "service", "name": "after", "roles": ["auditor"]})
        assert time.monotonic() - killed < 2
    for number in set(acknowledged):
        api.ok("GET", f"{tenant.path}/principals/{number}")


@pytest.fixture
def own_postgres():
    """A PostgreSQL that a test may stop and crash."""
    if postgres.programs() is None:
        pytest.skip("no PostgreSQL is installed (postgresql-15)")
    own = postgres.Postgres()
    yield own
    own.remove()


@pytest.mark.fault
@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_a_restart_of_postgresql_loses_nothing_that_was_acknowledged(tmp_path, own_postgres, how):
    nodes = Nodes(tmp_path, own_postgres)
    node = nodes.add()
    tenant = new_tenant(node)
    acknowledged, refused, codes = [], [], set()
    stop = threading.Event()

    def work(number):
        api = node.api(tenant.admin.api.key)
        while not stop.is_set():
            name = harness.unique(f"s{number}")
            answer = api.request("POST", f"{tenant.path}/principals",
                                 {"kind": "service", "name": name, "roles": ["auditor"]})
            if answer.ok:
                acknowledged.append(name)
            else:
                codes.add(answer.json()["code"])
                if answer.json()["code"] != "WRITE_UNCERTAIN":
                    refused.append(name)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for number in range(8):
            pool.submit(work, number)
        harness_wait(lambda: len(acknowledged) > 50)
        before = len(acknowledged)
        own_postgres.stop(how)
        own_postgres.start()
        # It goes on by itself.
        harness_wait(lambda: len(acknowledged) > before + 50)
        stop.set()
    names = {row[0] for row in own_postgres.sql(
        f"SELECT name FROM countersign_local.principal WHERE tenant_id = '{tenant.id}'",
        nodes.url.rsplit("dbname=", 1)[1])}
    assert set(acknowledged) <= names
    assert not set(refused) & names
    assert codes <= {"STORE_BUSY", "WRITE_UNCERTAIN"}, codes
    assert node.stop() == 0


def harness_wait(condition):
    """Until the condition holds; what it looks at changes in other threads."""
    deadline = time.monotonic() + harness.PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"
        threading.Event().wait(0.01)


@pytest.mark.fault
def test_a_node_that_does_not_hear_the_others_trusts_no_cache(nodes):
    """The listener's connection is cut again and again; a revoked key is refused all the same."""
    one, two = nodes.nodes
    tenant = new_tenant(one)
    person = tenant.person("user", "auditor")
    path = f"{tenant.path}/principals/{person.id}"
    key = tenant.admin.api.ok("GET", f"{path}/keys")["items"][0]["id"]
    api = at(two, person)
    api.ok("GET", "/v1/whoami")
    cut = ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'countersign_server' "
           "AND query IN ('SELECT 1') OR query LIKE 'LISTEN%'")
    assert nodes.place.sql(cut)
    tenant.admin.api.ok("DELETE", f"{path}/keys/{key}")
    nodes.place.sql(cut)
    revoked = time.monotonic()
    last_accepted = None
    while time.monotonic() < revoked + 0.5:
        asked = time.monotonic()
        if api.request("GET", "/v1/whoami").status_code != 401:
            last_accepted = asked
    assert last_accepted is None or last_accepted - revoked < 0.1


def test_a_node_that_starts_leaves_a_tenant_alone_that_another_is_making(nodes):
    one, two = nodes.nodes
    database = nodes.url.rsplit("dbname=", 1)[1]
    for name, age_ms in (("fresh", 0), ("left", 3600_000)):
        nodes.place.sql("INSERT INTO countersign.tenant VALUES "
                        f"('ten_{name}', '{name}', 'basic', 'local', 'making', 0, {int(time.time() * 1000) - age_ms})",
                        database)
    two.restart()
    assert nodes.place.sql("SELECT name FROM countersign.tenant WHERE state = 'making'", database) == [["fresh"]]
