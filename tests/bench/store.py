# SPDX-License-Identifier: Apache-2.0
"""./dev bench store: the two stores, side by side, in one run of about two minutes.

  rates      the store alone: durable writes and snapshot reads, against plain SQLite
  policies   PostgreSQL, fsync on: the same statements with row-level security and without it
  actions    submit, decide, claim, report by 64 clients: SQLite and PostgreSQL by turns
  nodes      the same by 64 clients of four tenants, on one node and on two, by turns
  takeover   from SIGKILL of a node under load until another has written for its tenant,
             and until an action that fell due has expired

PostgreSQL, servers and clients share the CPUs.
"""
import concurrent.futures
import json
import pathlib
import shutil
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TENANTS = 4
CLIENTS = 64


class Database:
    """A private PostgreSQL that answers when it is durable, and databases in it."""

    def __init__(self, world):
        import postgres  # the scenarios'

        self.postgres, self.world = postgres, world
        self.server = postgres.Postgres(durable=True)

    def url(self):
        """Of a new, migrated database, for the servers."""
        return self.server.url(self.postgres.SERVER, self.server.migrated(self.world.harness.binary()))

    def close(self):
        self.server.remove()


class Node:
    """A server on a database that others may share, with the same root key."""

    def __init__(self, world, folder, url, first=None):
        self.server = world.FileServer(folder, shared_store=url)
        if first:
            self.server.data.mkdir(parents=True, mode=0o700)
            shutil.copy(first.server.data / "root.key", self.server.data / "root.key")
            self.server.bootstrap_key = first.server.bootstrap_key
        self.server.start()


class Staffed:
    """A tenant with whom actions_bench plays."""

    def __init__(self, world, server):
        created = server.api(server.bootstrap_key).ok("POST", "/v1/tenants", {"name": world.harness.unique("bench")})
        self.world = world
        self.tenant = world.harness.Tenant(server, created)
        self.agent, self.approver = self.tenant.agent(), self.tenant.approver()
        self.tenant.put_roster(self.approver)
        self.executor = world.harness.HandExecutor(self.tenant)

    def told(self, server, clients, seconds):
        private = self.world.harness.serialization

        def person(api_key, key):
            seed = key.private.private_bytes(private.Encoding.Raw, private.PrivateFormat.Raw, private.NoEncryption())
            return {"api_key": api_key, "seed": seed.hex()}

        return {"url": server.url, "workspace": self.tenant.workspace, "executor_id": self.executor.id,
                "server_pid": server.process.pid, "clients": clients, "run_ms": int(seconds * 1000),
                "agent": person(self.agent.api.key, self.agent.key),
                "approver": person(self.approver.api.key, self.approver.key),
                "executor": person(self.executor.api.key, self.executor.key)}


def run_actions(build, told):
    """The results of some actions_bench that run at once."""
    def one(what):
        return subprocess.run([build / "tests/bench/actions/actions_bench"], input=json.dumps(what),
                              capture_output=True, text=True, check=False)

    with concurrent.futures.ThreadPoolExecutor(len(told)) as pool:
        done = list(pool.map(one, told))
    for result in done:
        if result.returncode != 0:
            sys.exit(f"actions_bench: exit {result.returncode}\n{result.stderr}")
    return [json.loads(result.stdout) for result in done]


def lines_of(command, env=None):
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode != 0:
        sys.exit(f"{command[0]}: exit {done.returncode}\n{done.stderr}")
    return {line["bench"]: line for line in map(json.loads, done.stdout.splitlines())}


def bench_rates(world, options, report):
    """The store alone, without server and network."""
    command = [options.build / "tests/bench/store/store_bench", "--seconds", "1", "--tenants", "0"]
    rounds = [lines_of(command) for _ in range(min(options.rounds, 3))]
    for one in rounds:
        for line in one.values():
            report.raw("store", {"case": "sqlite", **line})
    for name in ("writes", "reads"):
        rate = world.median([one[name]["per_second"] for one in rounds])
        ratio = world.median([one[name]["ratio"] for one in rounds])
        report.note(f"SQLite: {name} a second, and against SQLite alone", f"{rate:.0f}, {ratio:.2f}")


LIMITS = {"writes": 12, "reads": 20}


def bench_policies(options, report):
    program = options.build / "tests/bench/store/store_bench"
    runner = [sys.executable, str(ROOT / "tests/scenarios/postgres.py"), "run-durable"]
    lines = lines_of([*runner, program, "--seconds", "1", "--tenants", "0"])
    for line in lines.values():
        report.raw("store", {"case": "policies", **line})
    for name, limit in LIMITS.items():
        line = lines[f"postgres {name}"]
        cost = 100 * (1 - line["ratio"])
        report.note(f"PostgreSQL: {name} a second", f"{line['per_second']:.0f}")
        report.row("… what row-level security costs of it", f"{cost:.0f} %", f"≤ {limit} %", cost <= limit)


def bench_actions(world, options, folder, report, database):
    servers = {"SQLite": world.FileServer(folder / "actions-sqlite").start(),
               "PostgreSQL": Node(world, folder / "actions-postgres", database.url()).server}
    rates = {name: [] for name in servers}
    try:
        staffed = {name: Staffed(world, server) for name, server in servers.items()}
        for _ in range(min(options.rounds, 3)):
            for name, server in servers.items():
                result, = run_actions(options.build, [staffed[name].told(server, CLIENTS, 2)])
                report.raw("store", {"case": f"actions on {name}", **result})
                rates[name].append(result["per_second"])
    finally:
        for server in servers.values():
            server.stop()
    medians = {name: world.median(values) for name, values in rates.items()}
    for name, rate in medians.items():
        report.note(f"{name}: submit, decide, claim, report a second, one tenant, {CLIENTS} clients", f"{rate:.0f}")
    report.note("… PostgreSQL against SQLite", f"{medians['PostgreSQL'] / medians['SQLite']:.2f}")


def bench_nodes(world, options, folder, report, database):
    url = database.url()
    one = Node(world, folder / "node-1", url)
    two = Node(world, folder / "node-2", url, one)
    rates = {1: [], 2: []}
    try:
        staffed = [Staffed(world, one.server) for _ in range(TENANTS)]
        for _ in range(min(options.rounds, 3)):
            for count, nodes in ((1, [one]), (2, [one, two])):
                told = [who.told(nodes[number % count].server, CLIENTS // TENANTS, 2)
                        for number, who in enumerate(staffed)]
                results = run_actions(options.build, told)
                rates[count].append(sum(result["per_second"] for result in results))
                report.raw("store", {"case": f"actions, nodes: {count}", "tenants": TENANTS, "clients": CLIENTS,
                                     "per_second": round(rates[count][-1])})
    finally:
        two.server.stop()
        one.server.stop()
    first, both = world.median(rates[1]), world.median(rates[2])
    report.note(f"PostgreSQL: actions a second, {TENANTS} tenants, {CLIENTS} clients: one node, two nodes",
                f"{first:.0f}, {both:.0f}")
    report.note("… two nodes against one", f"{both / first:.2f}")


class Load:
    """Clients that write for one tenant until their node is gone."""

    def __init__(self, world, staffed, server):
        self.acknowledged = 0
        self.threads = [threading.Thread(target=self.work, args=(world, staffed, server), daemon=True)
                        for _ in range(16)]
        for thread in self.threads:
            thread.start()

    def work(self, world, staffed, server):
        api = server.api(staffed.tenant.admin.api.key)
        try:
            while True:
                api.ok("POST", f"{staffed.tenant.path}/principals",
                       {"kind": "service", "name": world.harness.unique("load"), "roles": ["auditor"]})
                self.acknowledged += 1
        except Exception:  # the node is gone
            return


def takeover(world, folder, database):
    """Seconds until another node has written, and until it has expired what fell due."""
    url = database.url()
    name = url.rsplit("dbname=", 1)[1]
    one = Node(world, folder / "one", url)
    two = Node(world, folder / "two", url, one)
    try:
        staffed = Staffed(world, one.server)
        api = two.server.api(staffed.tenant.admin.api.key)
        api.ok("GET", staffed.tenant.path)
        action = staffed.agent.submit(target=world.TARGET, parameters={"force": True}, expires_in="1s")
        due_ms = int(database.server.sql("SELECT expires_ms FROM countersign_local.action "
                                         f"WHERE id = '{action['id']}'", name)[0][0])
        load = Load(world, staffed, one.server)
        while load.acknowledged < 50 or time.time() * 1000 < due_ms - 50:
            time.sleep(0.01)
        one.server.process.kill()
        killed = time.time()
        api.ok("POST", f"{staffed.tenant.path}/principals", {"kind": "service", "name": "after", "roles": ["auditor"]})
        wrote = time.time() - killed
        # Looked up beside the servers: who asks one of them about a due action lets it expire.
        while database.server.sql(f"SELECT state FROM countersign_local.action WHERE id = '{action['id']}'",
                                  name) != [["expired"]]:
            if time.time() - killed > 30:
                sys.exit("the other node has not expired the action")
        return wrote, time.time() - max(killed, due_ms / 1000)
    finally:
        one.server.stop()
        two.server.stop()


def bench_takeover(world, options, folder, report, database):
    writes, deadlines = [], []
    for number in range(min(options.rounds, 3)):
        wrote, expired = takeover(world, folder / f"takeover-{number}", database)
        report.raw("store", {"case": "takeover", "write_s": round(wrote, 3), "deadline_s": round(expired, 3)})
        writes.append(wrote)
        deadlines.append(expired)
    report.row("second node has written after the first's death, slowest", f"{max(writes):.2f} s", "≤ 2 s",
               max(writes) <= 2)
    report.row("… has expired what the first would have, slowest", f"{max(deadlines):.2f} s", "≤ 2 s",
               max(deadlines) <= 2)


def bench(world, options, folder, report):
    import postgres  # the scenarios'; world has put them into the path

    bench_rates(world, options, report)
    if postgres.programs() is None:
        report.note("PostgreSQL", "not installed (postgresql-15)")
        return
    bench_policies(options, report)
    database = Database(world)
    try:
        bench_actions(world, options, folder, report, database)
        bench_nodes(world, options, folder, report, database)
        bench_takeover(world, options, folder, report, database)
    finally:
        database.close()
