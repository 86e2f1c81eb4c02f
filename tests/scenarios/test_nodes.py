# SPDX-License-Identifier: Apache-2.0
"""Several servers on one PostgreSQL."""
import concurrent.futures
import shutil
import signal
import threading
import time

import harness
import postgres
import pytest
import requests
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


def test_an_agents_grant_that_is_revoked_is_refused_by_every_node_within_100_ms(nodes):
    one, two = nodes.nodes
    tenant = new_tenant(one)
    listing = {"environment": "test", "connector": "docker", "operation": "container.list"}
    bot = tenant.agent()
    path = f"{tenant.path}/agents/{bot.id}"
    api = at(two, bot)
    for _ in range(3):
        grant = [g for g in tenant.admin.api.ok("GET", f"{path}/grants")["items"] if "revoked_at" not in g][0]
        api.ok("POST", tenant.actions, listing)
        tenant.admin.api.ok("DELETE", f"{path}/grants/{grant['id']}")
        revoked = time.monotonic()
        last_accepted = None
        while time.monotonic() < revoked + 0.5:
            asked = time.monotonic()
            response = api.request("POST", tenant.actions, listing)
            if response.ok:
                last_accepted = asked
            else:
                assert response.json()["code"] == "NOT_GRANTED"
        assert last_accepted is None or last_accepted - revoked < 0.1
        granted = tenant.admin.api.ok("POST", f"{path}/grants", {"connector": "docker", "operation": "container.list"})
        deadline = time.monotonic() + harness.PATIENCE_S
        while not api.request("POST", tenant.actions, listing).ok:
            assert time.monotonic() < deadline, granted


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


def refused_within_100_ms(api):
    """From now on; the answers are watched for half a second."""
    done = time.monotonic()
    last_accepted = None
    while time.monotonic() < done + 0.5:
        asked = time.monotonic()
        if api.request("GET", "/v1/whoami").status_code != 401:
            last_accepted = asked
    assert last_accepted is None or last_accepted - done < 0.1


def test_a_token_ends_on_every_node_within_100_ms_with_session_or_agent(nodes):
    one, two = nodes.nodes
    tenant = new_tenant(one)
    for how in ("session", "agent", "key"):
        agent = tenant.person("agent", "agent")
        path = f"{tenant.path}/principals/{agent.id}"
        token = requests.post(f"{one.url}/oauth2/token", timeout=30,
                              data={"grant_type": "client_credentials", "client_id": agent.id,
                                    "client_secret": agent.api.key}).json()["access_token"]
        api = two.api(token)
        session = api.ok("GET", "/v1/whoami")["credential"]
        api.ok("GET", "/v1/whoami")
        if how == "session":
            tenant.admin.api.ok("DELETE", f"{path}/sessions/{session}")
        elif how == "agent":
            tenant.admin.api.ok("POST", f"{path}/disable")
        else:
            key = tenant.admin.api.ok("GET", f"{path}/keys")["items"][0]["id"]
            tenant.admin.api.ok("DELETE", f"{path}/keys/{key}")
        refused_within_100_ms(api)


def test_a_binding_that_is_taken_away_or_a_ban_counts_on_every_node_within_100_ms(nodes):
    one, two = nodes.nodes
    tenant = new_tenant(one)
    for how in ("binding", "ban", "group"):
        person = tenant.person("user", "guest")
        api = at(two, person)
        read = f"{tenant.path}/principals"

        def bind(body):
            return tenant.admin.api.ok("POST", f"{tenant.path}/bindings", body)["id"]

        if how == "group":
            group = tenant.admin.api.ok("POST", f"{tenant.path}/groups", {"name": "readers"})["id"]
            tenant.admin.api.ok("PUT", f"{tenant.path}/groups/{group}/members/{person.id}")
            binding = bind({"group": group, "role": "viewer"})
        else:
            binding = bind({"principal": person.id, "role": "viewer"})
        # The other node learns of it as fast, and then remembers it.
        deadline = time.monotonic() + 0.5
        while not api.request("GET", read).ok:
            assert time.monotonic() < deadline, "the binding does not reach the other node"
        api.ok("GET", read)
        if how == "ban":
            bind({"principal": person.id, "role": "viewer", "effect": "forbid"})
        elif how == "group":
            tenant.admin.api.ok("DELETE", f"{tenant.path}/groups/{group}/members/{person.id}")
        else:
            tenant.admin.api.ok("DELETE", f"{tenant.path}/bindings/{binding}")
        done = time.monotonic()
        last_accepted = None
        while time.monotonic() < done + 0.5:
            asked = time.monotonic()
            if api.request("GET", read).ok:
                last_accepted = asked
        assert last_accepted is None or last_accepted - done < 0.1, how


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


def wait_for_work(api, tenant, kind):
    """The next item of this kind, as an executor that asks that node gets it."""
    deadline = time.monotonic() + harness.PATIENCE_S
    while time.monotonic() < deadline:
        for item in api.ok("GET", f"{tenant.place}/work", params={"wait": "5s"})["items"]:
            if item["kind"] == kind:
                return item
    raise AssertionError(f"no work of the kind {kind} came")


def test_an_executor_at_one_node_answers_what_was_asked_at_another(nodes):
    one, two = nodes.nodes
    tenant = new_tenant(one)
    bot, executor = tenant.agent("bot"), harness.HandExecutor(tenant)
    there = two.api(executor.api.key)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        polled = pool.submit(wait_for_work, there, tenant, "resolve")
        started = time.monotonic()
        asked = pool.submit(bot.submit, "container.remove", "web")
        item = polled.result()
        assert item["target"] == "web"
        there.ok("POST", f"{tenant.place}/resolutions/{item['resolution']}",
                 {"resolved": harness.HandExecutor.container("web")})
        action = asked.result()
        took = time.monotonic() - started
    assert action["state"] == "pending" and took < 2
    # It is answered once, and forgotten.
    again = there.request("POST", f"{tenant.place}/resolutions/{item['resolution']}",
                          {"resolved": harness.HandExecutor.container("web")})
    assert again.status_code == 404
    database = nodes.url.rsplit("dbname=", 1)[1]
    assert nodes.place.sql("SELECT count(*) FROM countersign_local.resolution", database) == [["0"]]


def test_a_question_may_be_answered_at_a_third_node(nodes):
    """A load balancer sends each request anywhere: asked at one, shown at another, answered at a third."""
    three = nodes.add()
    one, two = nodes.nodes[:2]
    tenant = new_tenant(one)
    bot, executor = tenant.agent("bot"), harness.HandExecutor(tenant)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(bot.submit, "container.remove", "web")
        item = wait_for_work(two.api(executor.api.key), tenant, "resolve")
        three.api(executor.api.key).ok("POST", f"{tenant.place}/resolutions/{item['resolution']}",
                                       {"resolved": harness.HandExecutor.container("web")})
        assert asked.result()["state"] == "pending"


def test_an_approved_action_wakes_the_executor_at_the_other_node(nodes):
    one, two = nodes.nodes
    tenant = staff(new_tenant(one))
    action = tenant.bot.submit("container.remove", "web")
    tenant.executor.close()
    api = two.api(tenant.executor.api.key)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        polled = pool.submit(lambda: (wait_for_work(api, tenant, "claim"), time.monotonic()))
        # It waits once the other node has seen its lease.
        harness_wait(lambda: tenant.admin.api.ok("GET", f"{tenant.place}/executors")["items"][0]["connected"])
        tenant.anna.decide(action)
        decided = time.monotonic()
        item, woke = polled.result()
    assert item["action"] == action["id"] and woke - decided < 2


def test_every_node_says_which_executors_are_connected(nodes):
    one, two = nodes.nodes
    tenant = new_tenant(one)
    executor = harness.HandExecutor(tenant)
    executor.api = two.api(executor.api.key)
    executor.answer_resolutions()
    path = f"{tenant.place}/executors"
    for node in (one, two):
        api = node.api(tenant.admin.api.key)
        harness_wait(lambda api=api: api.ok("GET", path)["items"][0]["connected"])
    executor.close()
    one.api(tenant.admin.api.key).ok("DELETE", f"{path}/{executor.id}")
    for node in (one, two):
        assert not node.api(tenant.admin.api.key).ok("GET", path)["items"][0]["connected"]
    one.api(tenant.agent("bot").api.key).refused(
        "NO_EXECUTOR", "POST", tenant.actions,
        {"environment": "test", "connector": "docker", "operation": "container.remove", "target": "web"})


@pytest.mark.fault
def test_a_question_is_answered_though_nodes_cannot_hear_each_other_for_a_while(nodes):
    """What was told while the listeners' connections were cut is looked at once they are back."""
    one, two = nodes.nodes
    tenant = new_tenant(one)
    bot, executor = tenant.agent("bot"), harness.HandExecutor(tenant)
    there = two.api(executor.api.key)
    stop = threading.Event()

    def cut():
        while not stop.is_set():
            nodes.place.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                            "WHERE query LIKE 'LISTEN%' OR query = 'SELECT 1'")
            stop.wait(0.05)

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        cutting = pool.submit(cut)
        polled = pool.submit(wait_for_work, there, tenant, "resolve")
        asked = pool.submit(bot.submit, "container.remove", "web")
        item = polled.result()
        there.ok("POST", f"{tenant.place}/resolutions/{item['resolution']}",
                 {"resolved": harness.HandExecutor.container("web")})
        assert asked.result()["state"] == "pending"
        stop.set()
        cutting.result()


class Rows:
    """What stands in the database of these nodes."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.database = nodes.url.rsplit("dbname=", 1)[1]

    def __call__(self, text):
        return self.nodes.place.sql(text, self.database)

    def state(self, action):
        """Looked up beside the servers: who asks one of them about a due action lets it expire."""
        return self(f"SELECT state FROM countersign_local.action WHERE id = '{action['id']}'")[0][0]

    def alive(self):
        return int(self("SELECT count(*) FROM countersign.node")[0][0])


def expires_within_2_s(rows, action, since):
    harness_wait(lambda: rows.state(action) == "expired")
    due_ms = int(rows(f"SELECT expires_ms FROM countersign_local.action WHERE id = '{action['id']}'")[0][0])
    return time.time() - max(since, due_ms / 1000) < 2


@pytest.mark.crash
def test_what_a_dead_node_would_have_expired_expires_within_2_s(nodes):
    one, two = nodes.nodes
    rows = Rows(nodes)
    first, second = (staff(new_tenant(one)) for _ in range(2))
    harness_wait(lambda: rows.alive() == 2)
    due = [tenant.bot.submit("container.remove", "web", expires_in="2s") for tenant in (first, second)]
    later = first.bot.submit("container.remove", "web")
    for tenant in (first, second):
        tenant.executor.close()
    one.kill()
    killed = time.time()
    assert all(expires_within_2_s(rows, action, killed) for action in due)
    assert rows.state(later) == "pending"
    harness_wait(lambda: rows.alive() == 1)
    # What the survivor watches it has written down in its own name.
    assert rows("SELECT count(DISTINCT tenant_id) FROM countersign.node_cell c "
                "JOIN countersign.node n ON n.id = c.node_id") == [["2"]]


@pytest.mark.crash
def test_a_node_that_was_taken_for_dead_goes_on_and_is_succeeded_when_it_dies(nodes):
    one, two = nodes.nodes
    rows = Rows(nodes)
    tenant = staff(new_tenant(one))
    harness_wait(lambda: rows.alive() == 2)
    tenant.bot.submit("container.remove", "web")
    one.process.process.send_signal(signal.SIGSTOP)
    harness_wait(lambda: rows.alive() == 1)
    one.process.process.send_signal(signal.SIGCONT)
    harness_wait(lambda: rows.alive() == 2)
    tenant.executor.close()
    tenant.executor = harness.HandExecutor(tenant).answer_resolutions()
    action = tenant.bot.submit("container.remove", "other", expires_in="1s")
    tenant.executor.close()
    one.kill()
    assert expires_within_2_s(rows, action, time.time())


def test_nodes_that_start_together_on_an_empty_database_make_one_first_tenant(tmp_path, private_postgres):
    (tmp_path / "key").mkdir()
    maker = harness.Server(tmp_path / "key").start()
    maker.stop()
    made = Nodes(tmp_path, private_postgres)
    for number in range(3):
        folder = tmp_path / f"node{number}"
        (folder / "data").mkdir(parents=True, mode=0o700)
        shutil.copy(maker.data / "root.key", folder / "data" / "root.key")
        made.nodes.append(harness.Server(folder, shared_store=made.url))
    for node in made.nodes:
        node.start(ready=False)
    try:
        for node in made.nodes:
            node.process.wait_for(r"serving.*(http://[0-9.]+:\d+)")
        assert Rows(made)("SELECT name, state FROM countersign.tenant") == [["default", "active"]]
        assert sum("API key:" in node.process.text for node in made.nodes) == 1
    finally:
        for node in made.nodes:
            node.kill()


def test_a_node_makes_the_first_tenant_that_a_dead_one_began(tmp_path, private_postgres):
    nodes = Nodes(tmp_path, private_postgres)
    Rows(nodes)("INSERT INTO countersign.tenant (id, name, tier, region, state, platform, created_ms) VALUES "
                f"('ten_left', 'default', 'standard', 'local', 'making', 1, {int((time.time() - 9) * 1000)})")
    node = nodes.add()
    assert node.bootstrap_key
    node.kill()
