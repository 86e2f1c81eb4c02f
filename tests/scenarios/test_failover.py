# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL and nodes that go away under load: what was acknowledged stays, nothing runs twice, the log goes on."""
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading

import pytest

import harness
import postgres
from conftest import new_tenant
from load import Load, wait_until
from pgproxy import Proxy
from test_nodes import Nodes

pytestmark = pytest.mark.fault

TORTURE = bool(os.environ.get("COUNTERSIGN_TORTURE"))


@pytest.fixture
def own_postgres():
    """A PostgreSQL that a test may stop and break."""
    if postgres.programs() is None:
        pytest.skip("no PostgreSQL is installed (postgresql-15)")
    own = postgres.Postgres()
    yield own
    own.remove()


@pytest.fixture
def cluster(tmp_path):
    """Makes nodes on a PostgreSQL; ends them."""
    made = []

    def make(place, count=1):
        nodes = Nodes(tmp_path, place)
        made.append(nodes)
        for _ in range(count):
            nodes.add()
        return nodes

    yield make
    for nodes in made:
        for node in nodes.nodes:
            if node.process.process.poll() is None:
                node.kill()


def staff(node):
    """A tenant with all that an action's life needs."""
    tenant = new_tenant(node)
    tenant.bot, tenant.anna = tenant.agent("bot"), tenant.approver("anna")
    tenant.put_roster(tenant.anna)
    tenant.executor = harness.HandExecutor(tenant)
    return tenant


class Standby(postgres.Place):
    """A second server that follows the first over streaming replication and confirms each commit."""

    def __init__(self, primary):
        self.primary = primary
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-pg-"))
        super().__init__(f"host={self.folder}")
        self.data = self.folder / "data"
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        primary._run(postgres.programs() / "pg_basebackup", "-h", primary.folder, "-U", "postgres", "-D", self.data,
                     "-X", "stream", "-R", "--no-sync", "-c", "fast")
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write(f"unix_socket_directories = '{self.folder}'\n")
        primary._run(postgres.programs() / "pg_ctl", "-D", self.data, "-w", "-t", "60", "-l", self.folder / "log", "start")
        # From now on the primary answers a commit when the standby has it on its disk.
        primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.sql("SELECT pg_reload_conf()")
        wait_until(lambda: primary.sql("SELECT sync_state FROM pg_stat_replication") == [["sync"]])

    def promote(self):
        self.primary._run(postgres.programs() / "pg_ctl", "-D", self.data, "-w", "promote")

    def remove(self):
        try:
            self.primary._run(postgres.programs() / "pg_ctl", "-D", self.data, "-w", "-m", "immediate", "stop")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


def kill_server(own):
    """SIGKILL to PostgreSQL and all of its processes, as when the machine is gone."""
    head = int((own.data / "postmaster.pid").read_text().splitlines()[0])
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(head)], capture_output=True, text=True, check=True).stdout
    for pid in [head, *map(int, children.split())]:
        os.kill(pid, signal.SIGKILL)


def test_a_failover_to_the_standby_loses_nothing_that_was_acknowledged(own_postgres, cluster, tmp_path):
    standby = Standby(own_postgres)
    try:
        both = f"{own_postgres.folder},{standby.folder}"
        place = postgres.Place(f"host={both}")
        place.migrated = own_postgres.migrated
        nodes = cluster(place, 2)
        tenant = staff(nodes.nodes[0])
        load = Load(tenant, nodes.nodes, clients=16, stories=4)
        load.goes_on()
        kill_server(own_postgres)
        standby.promote()
        load.goes_on()
        load.close()
        for node in nodes.nodes:
            load.check(node, tmp_path)
        for node in nodes.nodes:
            assert node.stop() == 0, node.process.text[-6000:]
    finally:
        standby.remove()


@pytest.mark.crash
def test_a_node_killed_under_64_clients_leaves_all_to_the_other(own_postgres, cluster, tmp_path):
    nodes = cluster(own_postgres, 2)
    one, two = nodes.nodes
    tenant = staff(one)
    load = Load(tenant, nodes.nodes, clients=56, stories=8)
    load.goes_on(by=200, lives=8)
    one.kill()
    load.goes_on(by=200, lives=8)
    load.close()
    load.check(two, tmp_path)
    one.start()
    load.check(one, tmp_path)


@pytest.fixture
def small_disk():
    """A file system of a few megabytes, or a skip where none may be mounted."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-small-"))
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=0755", "countersign-small", str(folder)],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        folder.rmdir()
        pytest.skip(f"no small file system can be mounted: {done.stderr.strip() or 'not root'}")
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
    folder.rmdir()


def fill(folder, but_bytes):
    """A file that leaves this much free; remove it to make room."""
    path = folder / "filler"
    with open(path, "wb") as file:
        while True:
            free = os.statvfs(folder)
            try:
                os.posix_fallocate(file.fileno(), 0, max(free.f_bavail * free.f_frsize - but_bytes, 1))
                return path
            except OSError:  # somebody else took some of it meanwhile
                file.truncate(0)


def test_a_full_disk_under_the_tables_refuses_and_loses_nothing(small_disk, own_postgres, cluster, tmp_path):
    own_postgres.sql(f"CREATE TABLESPACE small LOCATION '{small_disk}'")
    own_postgres.sql("GRANT CREATE ON TABLESPACE small TO PUBLIC")
    own_postgres.sql("ALTER SYSTEM SET default_tablespace = 'small'")
    own_postgres.sql("SELECT pg_reload_conf()")
    nodes = cluster(own_postgres)
    tenant = staff(nodes.nodes[0])
    load = Load(tenant, nodes.nodes)
    load.goes_on()
    filler = fill(small_disk, 64 * 1024)
    wait_until(lambda: load.problems["STORE_FULL"] > 20, "the disk never became full")
    # Reading goes on.
    assert nodes.nodes[0].api(tenant.admin.api.key).request("GET", f"{tenant.path}/principals").ok
    filler.unlink()
    load.goes_on()
    load.close()
    load.check(nodes.nodes[0], tmp_path)


def test_a_full_disk_under_the_write_ahead_log_loses_nothing(small_disk, own_postgres, cluster, tmp_path):
    """PostgreSQL itself goes down then; it comes back when there is room, and the node with it."""
    own_postgres.stop()
    wal = small_disk / "wal"
    shutil.move(str(own_postgres.data / "pg_wal"), wal)
    (own_postgres.data / "pg_wal").symlink_to(wal)
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "postgres:postgres", str(wal)], check=True)
    own_postgres.start()
    nodes = cluster(own_postgres)
    tenant = staff(nodes.nodes[0])
    load = Load(tenant, nodes.nodes, clients=16)
    load.goes_on()
    filler = fill(small_disk, 0)
    # The log's segments that are there fill up first.
    wait_until(lambda: (own_postgres.sql_or_none("SELECT pg_switch_wal()") is None) or load.problems["STORE_FULL"] > 0
               or load.problems["STORE_BUSY"] > 20, "the disk never became full")
    filler.unlink()
    own_postgres.start_again()
    load.goes_on()
    load.close()
    load.check(nodes.nodes[0], tmp_path)


class Life:
    """One action's life, each request sent again until it is answered; nothing is taken for granted."""

    def __init__(self, tenant, node):
        self.tenant, self.node = tenant, node
        self.said = set()

    def _insist(self, person, path, body, done_already=(), key=None):
        doubted = False
        for _ in range(20):
            answer = self.node.api(person.api.key).request("POST", path, body,
                                                           headers={"Idempotency-Key": key} if key else None)
            if answer.ok:
                return answer.json()
            problem = answer.json()
            self.said.add((problem["code"], problem.get("detail", "")))
            if problem["code"] in done_already and doubted:
                return None
            assert problem["code"] in ("STORE_BUSY", "WRITE_UNCERTAIN"), f"{problem}\n{self.node.process.text[-2500:]}"
            doubted |= problem["code"] == "WRITE_UNCERTAIN"
        raise AssertionError(f"refused again and again: {self.said}")

    def run(self):
        """(the action, whether this life had the claim)."""
        tenant = self.tenant
        body = {"environment": "test", "connector": "docker", "operation": "container.remove",
                "target": tenant.executor.container("web")["id"]}
        action = self._insist(tenant.bot, tenant.actions, body, key=harness.unique("life"))
        path = f"{tenant.actions}/{action['id']}"
        self._insist(tenant.anna, path + "/decisions", tenant.anna.decision(action), ("ALREADY_DECIDED", "ACTION_NOT_PENDING"))
        claim = self._insist(tenant.executor, path + "/claim", None, ("ACTION_NOT_APPROVED",))
        if claim:
            envelope = tenant.executor.key.envelope(harness.REPORT, tenant.executor.report_bytes(action, claim))
            self._insist(tenant.executor, path + "/report", envelope)
        return action, claim is not None


def chosen(count, most):
    """All, or evenly spread ones, always with the first and the last."""
    if TORTURE or count <= most:
        return list(range(1, count + 1))
    return sorted({1 + round(i * (count - 1) / (most - 1)) for i in range(most)})


def test_a_connection_cut_at_every_message_of_an_actions_life(own_postgres, cluster, tmp_path):
    proxy = Proxy(own_postgres.folder)
    try:
        place = postgres.Place(f"host={proxy.folder}")
        place.migrated = own_postgres.migrated
        nodes = cluster(place)
        node = nodes.nodes[0]
        tenant = staff(node)
        life = Life(tenant, node)
        life.run()
        proxy.arm()
        life.run()
        messages = proxy.count
        assert messages > 60, messages
        lives, cuts = [], []
        for at in chosen(messages, 60):
            proxy.arm(at)
            lives.append(life.run())
            if proxy.cut.is_set():
                cuts.append(proxy.was)
        proxy.arm()
        assert len(cuts) >= len(lives) * 0.8, "hardly any connection was cut"
        assert {direction for direction, _ in cuts} == {"client", "server"}
        load = Load(tenant, nodes.nodes, clients=0, stories=0)
        events = load.log_of(node, tmp_path)
        for action, claimed in lives:
            state = node.api(tenant.bot.api.key).ok("GET", f"{tenant.actions}/{action['id']}")
            assert state["state"] == ("succeeded" if claimed else "claimed"), state
            assert len(state["decisions"]) == 1
            done = [event["api"]["operation"] for event in events
                    if event.get("action_id") == 1 and action["id"] in str(event) and "'repeated': 'true'" not in str(event)]
            for operation in ("action.submit", "action.decide", "action.claim"):
                assert done.count(operation) == 1, (operation, done)
            assert done.count("action.report") == claimed, done
        for code, detail in life.said:
            if code == "STORE_BUSY":
                assert "try again" in detail, detail
        print(f"{messages} messages, {len(lives)} cuts, {sorted(set(cuts))}, {life.said}")
        assert node.stop() == 0, node.process.text[-6000:]
    finally:
        proxy.close()


WAITS_FOR_STANDBY = "SELECT {what} FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query ILIKE '{query}%'"


class Asked(threading.Thread):
    """A request that is long in being answered."""

    def __init__(self, api, method, path, body=None):
        super().__init__(daemon=True)
        self.call = (api, method, path, body)
        self.start()

    def run(self):
        api, *what = self.call
        self.answer = api.request(*what)


def no_standby(own, names):
    """From now on a commit is answered when this standby has it; there is none of that name."""
    own.sql(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
    own.sql("SELECT pg_reload_conf()")
    wait_until(lambda: own.sql("SELECT current_setting('synchronous_standby_names')") == [[names]])


def test_a_commit_that_no_standby_confirmed_is_not_acknowledged(own_postgres, cluster):
    """It is durable on one machine only. Who waits for more, and is told to stop waiting, must not say that it has it."""
    own = own_postgres
    node = cluster(own).nodes[0]
    tenant = new_tenant(node)
    people = f"{tenant.path}/principals"
    bot = tenant.agent("bot")
    bot.api.ok("GET", "/v1/whoami")
    key, = tenant.admin.api.ok("GET", f"{people}/{bot.id}/keys")["items"]
    no_standby(own, "nobody")
    revoked = Asked(node.api(tenant.admin.api.key), "DELETE", f"{people}/{bot.id}/keys/{key['id']}")

    def strike(function):
        own.sql(WAITS_FOR_STANDBY.format(what=f"{function}(pid)", query="COMMIT"))

    wait_until(lambda: strike("pg_cancel_backend") or not revoked.is_alive(), "the waiting was not ended")
    assert revoked.answer.json()["code"] == "WRITE_UNCERTAIN", revoked.answer.text
    # What it may have revoked is not trusted, on this node either.
    bot.api.refused("UNAUTHENTICATED", "GET", "/v1/whoami")

    # The connection lost while it waited: the server knows that it was committed, and nothing of a standby.
    made = Asked(node.api(tenant.admin.api.key), "POST", people, {"kind": "service", "name": "made", "roles": ["auditor"]})
    asks_again = WAITS_FOR_STANDBY.format(what="1", query="SELECT CASE WHEN current_setting")
    wait_until(lambda: strike("pg_terminate_backend") or own.sql(asks_again), "nobody asked what became of it")
    # Others of the node may be on their way there as well, such as its heartbeat: until all are.
    wait_until(lambda: strike("pg_terminate_backend") or not own.sql(WAITS_FOR_STANDBY.format(what="1", query="COMMIT")))
    assert made.is_alive(), made.answer.text
    no_standby(own, "")
    made.join(harness.PATIENCE_S)
    assert made.answer.status_code == 201, made.answer.text
    assert "made" in {item["name"] for item in tenant.admin.api.ok("GET", people, params={"limit": 200})["items"]}


class CutsStands(Proxy):
    """Loses the first two connections on which somebody asks where a cell stands."""

    def __init__(self, real_folder):
        self.left = 0
        super().__init__(real_folder)

    def _is_cut(self, pair, direction, message, typed):
        with self.lock:
            if not self.left or b"coalesce(move, '') FROM store_cell" not in message:
                return False
            self.left -= 1
            return True


def test_a_store_that_does_not_answer_is_not_taken_for_an_empty_one(own_postgres, cluster):
    """A deletion that home has not agreed to is taken back at a start; not carried out because a line was cut."""
    proxy = CutsStands(own_postgres.folder)
    try:
        place = postgres.Place(f"host={proxy.folder}")
        place.migrated = own_postgres.migrated
        nodes = cluster(place)
        node = nodes.nodes[0]
        tenant = staff(node)
        database = nodes.url.rpartition("dbname=")[2]
        closing = f"SELECT closing_action FROM countersign.tenant WHERE id = '{tenant.id}'"
        own_postgres.sql(f"UPDATE countersign.tenant SET closing_action = 'act_x' WHERE id = '{tenant.id}'", database)
        node.stop()
        proxy.left = 2
        node.start()
        assert proxy.left < 2, "nobody asked"
        assert own_postgres.sql(closing, database) in ([["act_x"]], [[""]])
        proxy.left = 0
        node.restart()
        assert own_postgres.sql(closing, database) == [[""]]
        node.api(tenant.admin.api.key).ok("GET", tenant.path)
        tenant.executor.container("web")
        assert node.api(tenant.admin.api.key).ok("GET", f"{tenant.path}/principals")["items"]
    finally:
        proxy.close()
