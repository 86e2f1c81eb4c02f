# SPDX-License-Identifier: Apache-2.0
"""A tenant moves between the two stores, and nothing of it is lost, doubled or served twice."""
import json
import os
import re
import shutil
import subprocess
import threading

import pytest
import requests

import harness
import load
import postgres
from conftest import new_tenant

pytestmark = pytest.mark.both_stores

TORTURE = bool(os.environ.get("COUNTERSIGN_TORTURE"))


def move(tenant, source, target, *more, code=0, env=None):
    """The report of `countersign tenant move`, or what it says to standard error when it must fail."""
    done = subprocess.run([str(harness.binary()), "tenant", "move", tenant, "--from", source, "--to", target, "--json", *more],
                          capture_output=True, text=True, timeout=harness.PATIENCE_S, check=False,
                          env={**os.environ, **(env or {})})
    assert done.returncode == code, f"exit {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout) if code == 0 else done.stderr


class Stores:
    """A server on files and one on PostgreSQL, with one root key; neither runs unless a test starts it."""

    def __init__(self, folder, place):
        self.place = place
        self.database = place.migrated(harness.binary())
        self.url = place.url(postgres.SERVER, self.database)
        (folder / "files").mkdir()
        (folder / "rows" / "data").mkdir(parents=True, mode=0o700)
        self.files = harness.Server(folder / "files")
        self.rows = harness.Server(folder / "rows", shared_store=self.url)
        self.files.start()
        shutil.copy(self.files.data / "root.key", self.rows.data / "root.key")
        self.rows.start()
        self.rows.stop()
        self.folder = str(self.files.data)
        self.config = folder / "rows.yaml"
        self.config.write_text(f"data:\n  folder: {self.rows.data}\nstore:\n  url: {self.url}\n")

    def target(self):
        return str(self.config)

    def close(self):
        for server in (self.files, self.rows):
            if server.process and server.process.process.poll() is None:
                server.kill()


@pytest.fixture
def stores(tmp_path, private_postgres):
    made = Stores(tmp_path, private_postgres)
    yield made
    made.close()


def at(server, tenant):
    """The tenant's people, speaking to this server."""
    for person in (tenant.admin, tenant.bot, tenant.anna):
        person.api = server.api(person.api.key)
    tenant.executor.api = server.api(tenant.executor.api.key)
    tenant.server = server
    return tenant


def live(server):
    """A tenant with a life: people, a roster, an action that ran and one that waits, a signed log."""
    tenant = new_tenant(server)
    tenant.bot, tenant.anna = tenant.agent("bot"), tenant.approver("anna")
    tenant.put_roster(tenant.anna)
    tenant.executor = harness.HandExecutor(tenant)
    tenant.done = run_action(tenant)
    tenant.waits = tenant.bot.submit(target=tenant.executor.container("db")["id"])
    tenant.admin.api.ok("GET", f"{tenant.path}/log/checkpoint")
    tenant.log_key = tenant.admin.api.ok("GET", f"{tenant.path}/log/key")["key"]
    return tenant


def run_action(tenant):
    action = tenant.bot.submit(target=tenant.executor.container("web")["id"])
    tenant.anna.decide(action)
    claim = tenant.executor.claim(action["id"])
    tenant.executor.report(action, claim)
    return action


def state_of(tenant):
    """What a tenant's people see."""
    return {"done": tenant.bot.action(tenant.done["id"]), "waits": tenant.bot.action(tenant.waits["id"]),
            "people": tenant.admin.api.ok("GET", f"{tenant.path}/principals", params={"limit": 200})["items"]}


def verify_log(server, tenant, folder):
    """Exports the log and verifies it offline, with the key that it had at first; the number of its entries."""
    tenant.admin.api.ok("GET", f"{tenant.path}/log/checkpoint")
    cli = harness.Cli(folder, server.url, tenant.admin.api.key)
    export = folder / f"{harness.unique('log')}.jsonl"
    cli.run("audit", "export", "--out", export)
    text = cli.run("audit", "verify", export, "--key", tenant.log_key).stdout
    return int(re.search(r"(\d+) entries", text).group(1))


def test_a_tenant_moves_to_postgresql_and_back(stores, tmp_path):
    tenant = live(stores.files)
    before = state_of(tenant)
    entries = verify_log(stores.files, tenant, tmp_path)
    stores.files.stop()

    looked = move(tenant.id, stores.folder, stores.target(), "--dry-run")
    assert looked["outcome"] == "can be moved" and looked["dry_run"]
    report = move(tenant.id, stores.folder, stores.target())
    assert report["outcome"] == "moved"
    assert [cell["source"] for cell in report["cells"]] == ["moved"]
    assert [cell["target"] for cell in report["cells"]] == ["active"]
    assert report["cells"][0]["tables"] and sum(table["rows"] for table in report["cells"][0]["tables"]) > 20
    assert sorted(looked["cells"][0]["tables"], key=str) == sorted(report["cells"][0]["tables"], key=str)
    assert looked["cells"][0]["logs"] == report["cells"][0]["logs"]
    assert move(tenant.id, stores.folder, stores.target())["outcome"] == "moved"  # and changes nothing

    stores.rows.start()
    at(stores.rows, tenant)
    assert state_of(tenant) == before
    tenant.anna.decide(tenant.waits)
    run_action(tenant)
    assert verify_log(stores.rows, tenant, tmp_path) > entries

    # The files serve it no more; others there are served as before.
    stores.files.start()
    assert stores.files.api(tenant.admin.api.key).request("GET", tenant.path).status_code in (401, 404)
    assert new_tenant(stores.files)
    stores.files.stop()

    # Back, from under a running server.
    there = state_of(tenant)
    report = move(tenant.id, stores.target(), stores.folder, "--erase")
    assert [cell["source"] for cell in report["cells"]] == ["moved"]
    assert stores.place.sql(f"SELECT count(*) FROM countersign_local.action WHERE tenant_id = '{tenant.id}'",
                            stores.database) == [["0"]]
    assert tenant.admin.api.request("GET", tenant.path).status_code in (401, 404)
    stores.files.start()
    at(stores.files, tenant)
    assert state_of(tenant) == there
    run_action(tenant)
    verify_log(stores.files, tenant, tmp_path)


def fill_every_table(path):
    """A row in each table of a cell's file that has none, and their names."""
    import sqlite3
    db = sqlite3.connect(path)
    tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' "
                                           "AND name NOT LIKE 'store!_%' ESCAPE '!' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'")]
    db.close()
    return tables


def test_every_table_of_the_schema_is_moved(stores):
    """The tables come from the schema itself: one that a migration adds is moved, or this fails."""
    tenant = live(stores.files)
    stores.files.stop()
    report = move(tenant.id, stores.folder, stores.target(), "--dry-run")
    moved = {table["table"] for table in report["cells"][0]["tables"]}
    of_cells = {row[0] for row in stores.place.sql(
        "SELECT relname FROM pg_class WHERE relnamespace = 'countersign_local'::regnamespace AND relkind = 'r' "
        "AND relname NOT LIKE 'store\\_%'", stores.database)}
    assert moved == of_cells == set(fill_every_table(next(stores.files.data.glob(f"cells/*/{tenant.id}.db"))))
    # In the directory: all but what is no tenant's. Whoever adds a table there has to decide.
    of_directory = {row[0] for row in stores.place.sql(
        "SELECT relname FROM pg_class WHERE relnamespace = 'countersign'::regnamespace AND relkind = 'r' "
        "AND relname NOT LIKE 'store\\_%'", stores.database)}
    assert of_directory - {table["table"] for table in report["directory"]} == NOT_A_TENANTS


# Tables of the directory whose rows belong to no tenant, and stay where they are.
NOT_A_TENANTS = {"node", "node_cell", "platform_policy", "rate_bucket"}


def test_a_running_node_looks_after_what_arrives(stores):
    """An action that waits expires in time at the target, though nobody there has ever asked for it."""
    tenant = live(stores.files)
    stores.rows.start()
    tenant.executor.api = stores.files.api(tenant.executor.api.key)
    brief = tenant.bot.submit(target=tenant.executor.container("web")["id"], expires_in="3s")
    stores.files.stop()
    move(tenant.id, stores.folder, stores.target())
    load.wait_until(lambda: stores.place.sql(f"SELECT state FROM countersign_local.action WHERE id = '{brief['id']}'",
                                             stores.database) == [["expired"]], "nobody looked after it")
    at(stores.rows, tenant)
    assert state_of(tenant)["done"]["state"] == "succeeded"


def test_writes_are_refused_and_reads_go_on_while_it_moves(stores):
    tenant = live(stores.files)
    stores.files.stop()
    move(tenant.id, stores.folder, stores.target())
    stores.rows.start()
    at(stores.rows, tenant)
    before = state_of(tenant)
    # Cut off right after the source was frozen.
    move(tenant.id, stores.target(), stores.folder, code=-9, env={"COUNTERSIGN_KILL_AT": "2"})
    assert state_of(tenant) == before
    problem = tenant.bot.api.refused("TENANT_MOVING", "POST", tenant.actions,
                                     {"environment": "test", "connector": "docker", "operation": "container.remove",
                                      "target": tenant.executor.container("web")["id"]})
    assert problem["status"] == 503 and "moved" in problem["title"]
    answer = tenant.anna.api.request("POST", f"{tenant.actions}/{tenant.waits['id']}/decisions",
                                     tenant.anna.decision(tenant.waits))
    assert answer.status_code == 503 and answer.headers["Retry-After"]
    # Other tenants of the same server do not notice.
    assert new_tenant(stores.rows)
    assert move(tenant.id, stores.target(), stores.folder, "--cancel")["outcome"] == "cancelled"
    assert state_of(tenant) == before
    tenant.anna.decide(tenant.waits)


def takes_writes(server, tenant):
    """Whether the server takes a change of the tenant; and whether it answers reads."""
    api = server.api(tenant.admin.api.key)
    try:
        read = api.request("GET", f"{tenant.path}/principals", params={"limit": 200})
    except requests.RequestException as why:
        raise AssertionError(f"the server is gone: {server.process.text[-3000:]}") from why
    wrote = api.request("POST", f"{tenant.path}/principals",
                        {"kind": "service", "name": harness.unique("probe"), "roles": ["auditor"]})
    if wrote.ok:
        tenant.written.append(wrote.json()["id"])
    else:
        assert wrote.status_code in (401, 404, 503), wrote.text
    return wrote.ok, read.ok


@pytest.mark.crash
@pytest.mark.parametrize("way", ["to postgresql", "to files"])
def test_killed_at_any_step_one_side_serves_and_the_command_can_be_repeated(stores, tmp_path, way):
    tenant = live(stores.files)
    tenant.written = []
    stores.files.stop()
    if way == "to files":
        move(tenant.id, stores.folder, stores.target())
    ways = [(stores.folder, stores.target(), stores.files, stores.rows),
            (stores.target(), stores.folder, stores.rows, stores.files)]
    if way == "to files":
        ways.reverse()
    counted = tmp_path / "steps"
    move(tenant.id, *ways[0][:2], env={"COUNTERSIGN_STEP_FILE": str(counted)})
    names = [line.split(" ", 1)[1] for line in counted.read_text().splitlines()]
    move(tenant.id, *ways[1][:2])
    steps = [at + 1 for at, name in enumerate(names) if TORTURE or name != "move: a table was copied" or at % 9 == 0]
    assert len(steps) >= 8, names
    for step in steps:
        source, target, old, new = ways[0]
        move(tenant.id, source, target, code=-9, env={"COUNTERSIGN_KILL_AT": str(step)})
        stores.files.start()
        stores.rows.start()
        wrote, read = zip(*(takes_writes(server, tenant) for server in (old, new)))
        assert sum(wrote) <= 1 and any(read), (names[step - 1], wrote, read)
        stores.files.stop()
        stores.rows.stop()
        report = move(tenant.id, source, target)
        assert [(cell["source"], cell["target"]) for cell in report["cells"]] == [("moved", "active")]
        stores.files.start()
        stores.rows.start()
        assert [takes_writes(server, tenant) for server in (old, new)] == [(False, False), (True, True)]
        api = new.api(tenant.admin.api.key)
        for written in tenant.written:
            api.ok("GET", f"{tenant.path}/principals/{written}")
        stores.files.stop()
        stores.rows.stop()
        move(tenant.id, target, source)
    final = ways[0][2].start()
    verify_log(final, at(final, tenant), tmp_path)


def test_a_copy_that_is_not_the_source_is_not_switched_to(stores):
    tenant = live(stores.files)
    stores.files.stop()
    # An entry of the log is other than what was signed.
    import sqlite3
    path = next(stores.files.data.glob(f"cells/*/{tenant.id}.db"))
    db = sqlite3.connect(path)
    leaf = db.execute("SELECT leaf FROM log_entry WHERE seq = 1").fetchone()[0]
    db.execute("UPDATE log_entry SET leaf = ? WHERE seq = 1", (leaf.replace(b"Allowed", b"Denied!"),))
    db.commit()
    db.close()
    said = move(tenant.id, stores.folder, stores.target(), code=9)
    assert "entry 1 of log epoch 1" in said
    move(tenant.id, stores.folder, stores.target(), "--cancel")
    stores.files.start()
    assert takes_writes_of(stores.files, tenant)


def takes_writes_of(server, tenant):
    tenant.written = []
    return takes_writes(server, tenant)[0]


def test_an_older_copy_of_the_log_is_not_moved_over_a_newer_one(stores, tmp_path):
    tenant = live(stores.files)
    stores.files.stop()
    path = next(stores.files.data.glob(f"cells/*/{tenant.id}.db"))
    shutil.copy(path, tmp_path / "old.db")
    stores.files.start()
    run_action(tenant)
    tenant.admin.api.ok("GET", f"{tenant.path}/log/checkpoint")
    stores.files.stop()
    for beside in path.parent.glob(path.name + "-*"):
        beside.unlink()
    shutil.copy(tmp_path / "old.db", path)
    assert "older copy" in move(tenant.id, stores.folder, stores.target(), code=9)


def test_what_a_move_cannot_start_from_is_refused(stores, tmp_path):
    tenant = live(stores.files)
    assert "another process" in move(tenant.id, stores.folder, stores.target(), code=1)
    stores.files.stop()
    assert "no tenant" in move(tenant.id[:-3] + "000", stores.folder, stores.target(), code=4)
    assert "no tenant's id" in move("nobody", stores.folder, stores.target(), code=1)
    assert "no file" in move(tenant.id, str(tmp_path / "nothing"), stores.target(), code=1)
    # Another root key.
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    stranger = harness.Server(other)
    stranger.start()
    stranger.stop()
    assert "root key" in move(tenant.id, stores.folder, str(stranger.data), code=5)
    # A schema of another version.
    stores.place.sql("DELETE FROM countersign_local.store_migration WHERE number = "
                     "(SELECT max(number) FROM countersign_local.store_migration)", stores.database)
    assert "countersign migrate" in move(tenant.id, stores.folder, stores.target(), code=1)


def test_a_name_that_the_target_has_is_refused(stores):
    stores.files.stop()
    # Each store has made its first tenant, "default".
    first = re.search(r"tenant:\s+(ten_\S+)", stores.files.process.text).group(1)
    assert "another tenant with the name" in move(first, stores.folder, stores.target(), code=5)


def test_the_example_of_the_documentation(stores):
    text = (harness.ROOT / "docs" / "scaling.md").read_text()
    commands = re.search(r"^```sh move\n(.*?)^```", text, re.M | re.S).group(1)
    expected = re.search(r"^```text move\n(.*?)^```", text, re.M | re.S).group(1)
    tenant = live(stores.files)
    stores.files.stop()
    done = subprocess.run(["bash", "-e", "-c", commands], capture_output=True, text=True, check=False,
                          env={**os.environ, "PATH": f"{harness.binary().parent}:{os.environ['PATH']}", "TENANT": tenant.id,
                               "OLD": stores.folder, "NEW": stores.target()})
    assert done.returncode == 0, done.stderr
    pattern = "[^\n]*".join(re.escape(part) for part in expected.split("…"))
    assert re.search(pattern, done.stdout), done.stdout
    assert "nothing was changed" in done.stdout


def test_a_dump_of_the_database_is_a_backup(stores, tmp_path):
    """As a role that row-level security does not hold; the owner's own would leave rows out, and is refused."""
    tenant = live(stores.files)
    stores.files.stop()
    move(tenant.id, stores.folder, stores.target())
    stores.rows.start()
    at(stores.rows, tenant)
    before = state_of(tenant)
    programs = postgres.programs()
    dump = [str(programs / "pg_dump"), "-Fc", "-f", str(tmp_path / "dump"), "-d"]
    owner = subprocess.run([*dump, stores.place.url(postgres.OWNER, stores.database)], capture_output=True, text=True, check=False)
    assert owner.returncode != 0 and "row-level security" in owner.stderr, owner.stderr
    subprocess.run([*dump, stores.place.url("postgres", stores.database)], check=True)
    run_action(tenant)
    stores.rows.stop()
    # The database is lost, and comes back as it was.
    stores.place.sql(f"DROP DATABASE {stores.database}")
    stores.place.sql(f"CREATE DATABASE {stores.database} OWNER {postgres.OWNER}")
    subprocess.run([str(programs / "pg_restore"), "-d", stores.place.url("postgres", stores.database), str(tmp_path / "dump")],
                   check=True)
    stores.rows.start()
    at(stores.rows, tenant)
    assert state_of(tenant) == before
    run_action(tenant)
    verify_log(stores.rows, tenant, tmp_path)


@pytest.mark.threads
def test_what_is_acknowledged_while_the_move_begins_is_in_the_copy(stores):
    """Clients write all the time; the freeze falls between any two of them."""
    tenant = live(stores.files)
    stores.files.stop()
    move(tenant.id, stores.folder, stores.target())
    stores.rows.start()
    acknowledged, codes = [], set()

    def work():
        api = stores.rows.api(tenant.admin.api.key)
        while True:
            name = harness.unique("made")
            answer = api.request("POST", f"{tenant.path}/principals", {"kind": "service", "name": name, "roles": ["auditor"]})
            if answer.ok:
                acknowledged.append(name)
                continue
            codes.add(answer.json()["code"])
            if answer.status_code != 503:
                return  # it has gone

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    load.wait_until(lambda: len(acknowledged) > 50)
    move(tenant.id, stores.target(), stores.folder)
    for thread in threads:
        thread.join(harness.PATIENCE_S)
    assert codes <= {"TENANT_MOVING", "UNAUTHENTICATED", "NOT_FOUND"}, codes
    stores.files.start()
    api, names, cursor = stores.files.api(tenant.admin.api.key), set(), None
    while True:
        page = api.ok("GET", f"{tenant.path}/principals", params={"limit": 200, **({"cursor": cursor} if cursor else {})})
        names |= {item["name"] for item in page["items"]}
        cursor = page.get("next")
        if not cursor:
            break
    assert set(acknowledged) <= names
    # And what was refused is not there: the copy has nothing that nobody was told of.
    assert {name for name in names if name.startswith("made")} == set(acknowledged)
