# SPDX-License-Identifier: Apache-2.0
"""A tenant moves between the two stores, and nothing of it is lost, doubled or served twice."""
import json
import os
import re
import shutil
import signal
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


def config_of(server, folder, url, more=""):
    """The configuration of a server on PostgreSQL, as `countersign tenant move` takes it."""
    path = folder / f"{server.folder.name}.yaml"
    path.write_text(f"data:\n  folder: {server.data}\nstore:\n  url: {url}\n  lock-timeout: 1s\n{more}")
    return path


class Stores:
    """
    A server on files and one on PostgreSQL, with one root key; neither runs unless a test starts it. Or both on
    PostgreSQL, on a database each: then `files` is the one that has rows first.
    """

    def __init__(self, folder, place, both_on_postgres=False):
        self.place = place
        self.database = place.migrated(harness.binary())
        self.url = place.url(postgres.SERVER, self.database)
        (folder / "files").mkdir()
        (folder / "rows" / "data").mkdir(parents=True, mode=0o700)
        self.first = place.migrated(harness.binary()) if both_on_postgres else None
        first = place.url(postgres.SERVER, self.first) if self.first else None
        self.files = harness.Server(folder / "files", shared_store=first)
        self.rows = harness.Server(folder / "rows", shared_store=self.url)
        self.files.start()
        shutil.copy(self.files.data / "root.key", self.rows.data / "root.key")
        self.rows.start()
        self.rows.stop()
        self.folder = str(config_of(self.files, folder, first) if first else self.files.data)
        self.config = config_of(self.rows, folder, self.url)

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


@pytest.fixture
def databases(tmp_path, private_postgres):
    made = Stores(tmp_path, private_postgres, both_on_postgres=True)
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
NOT_A_TENANTS = {"node", "node_cell", "platform_policy", "rate_bucket", "root_node", "root_region", "root_rotation"}


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
    # Nor does the platform change half of it.
    platform = stores.rows.api(stores.rows.bootstrap_key)
    for change in ("suspend", "archive"):
        platform.refused("TENANT_MOVING", "POST", f"/v1/platform/tenants/{tenant.id}/{change}")
    seen = platform.ok("GET", f"/v1/platform/tenants/{tenant.id}")
    assert seen["state"] == "active", seen
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
@pytest.mark.parametrize("way", ["to postgresql", "to files", "between databases"])
def test_killed_at_any_step_one_side_serves_and_the_command_can_be_repeated(request, tmp_path, way):
    stores = request.getfixturevalue("databases" if way == "between databases" else "stores")
    tenant = live(stores.files)
    tenant.written = []
    # Files are moved while nobody serves them; nodes on PostgreSQL stay.
    both = () if way == "between databases" else (stores.files, stores.rows)

    def serve():
        for server in both:
            server.start()

    def rest():
        for server in both:
            server.stop()

    if both:
        stores.files.stop()
    else:
        stores.rows.start()
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
    steps = [at + 1 for at, name in enumerate(names)
             if TORTURE or name != "move: a table was copied" or at % (9 if both else 24) == 0]
    assert len(steps) >= 8, names
    for step in steps:
        source, target, old, new = ways[0]
        move(tenant.id, source, target, code=-9, env={"COUNTERSIGN_KILL_AT": str(step)})
        serve()
        wrote, read = zip(*(takes_writes(server, tenant) for server in (old, new)))
        assert sum(wrote) <= 1 and any(read), (names[step - 1], wrote, read)
        rest()
        report = move(tenant.id, source, target)
        assert [(cell["source"], cell["target"]) for cell in report["cells"]] == [("moved", "active")]
        serve()
        assert [takes_writes(server, tenant) for server in (old, new)] == [(False, False), (True, True)]
        api = new.api(tenant.admin.api.key)
        for written in tenant.written:
            api.ok("GET", f"{tenant.path}/principals/{written}")
        rest()
        move(tenant.id, target, source)
    final = ways[0][2].start() if both else ways[0][2]
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


def test_a_tenant_that_is_being_deleted_stays(databases):
    tenant = live(databases.files)
    closing = f"UPDATE countersign.tenant SET closing_action = 'act_x' WHERE id = '{tenant.id}'"
    databases.place.sql(closing, databases.first)
    assert "is being deleted" in move(tenant.id, databases.folder, databases.target(), code=5)
    # Nor is one on its way taken for erased: a node that starts leaves it where it stands.
    databases.place.sql(closing.replace("'act_x'", "NULL"), databases.first)
    move(tenant.id, databases.folder, databases.target(), code=-9, env={"COUNTERSIGN_KILL_AT": "2"})
    databases.place.sql(closing, databases.first)
    databases.files.restart()
    databases.files.process.wait_for("a tenant's deletion cannot go on")
    at(databases.files, tenant)
    assert databases.place.sql(f"SELECT state FROM countersign_local.store_cell WHERE tenant_id = '{tenant.id}'",
                               databases.first) == [["moving"]]
    databases.place.sql(closing.replace("'act_x'", "NULL"), databases.first)
    move(tenant.id, databases.folder, databases.target(), "--cancel")
    databases.files.restart()
    tenant.anna.decide(tenant.waits)


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


def test_a_tenant_moves_between_databases_under_running_nodes(databases, tmp_path):
    """Nobody stops: the nodes of the one refuse its changes while it moves, those of the other serve it after that."""
    databases.rows.start()
    tenant = live(databases.files)
    stays = new_tenant(databases.files)
    before = state_of(tenant)
    entries = verify_log(databases.files, tenant, tmp_path)
    looked = move(tenant.id, databases.folder, databases.target(), "--dry-run")
    report = move(tenant.id, databases.folder, databases.target())
    assert [(cell["source"], cell["target"]) for cell in report["cells"]] == [("moved", "active")]
    assert looked["cells"][0]["logs"] == report["cells"][0]["logs"]
    # The old nodes know it no more, at once; who stays there is served by them.
    assert databases.files.api(tenant.admin.api.key).request("GET", tenant.path).status_code in (401, 404)
    stays.person("user", "auditor")
    at(databases.rows, tenant)
    assert state_of(tenant) == before
    tenant.anna.decide(tenant.waits)
    run_action(tenant)
    assert verify_log(databases.rows, tenant, tmp_path) > entries
    # What is left of it there is older than what was signed since: it does not come back by itself.
    said = move(tenant.id, databases.folder, databases.target(), "--erase")
    assert said["outcome"] == "moved"
    assert databases.place.sql(f"SELECT count(*) FROM countersign_local.action WHERE tenant_id = '{tenant.id}'",
                               databases.first) == [["0"]]
    there = state_of(tenant)
    move(tenant.id, databases.target(), databases.folder)
    at(databases.files, tenant)
    assert state_of(tenant) == there
    run_action(tenant)
    verify_log(databases.files, tenant, tmp_path)


def test_a_tenant_of_two_regions_moves_between_databases(private_postgres, tmp_path):
    """A directory and a home in one database, a region in another, on both sides."""
    sides = []
    for name in ("one", "two"):
        (tmp_path / name / "data").mkdir(parents=True, mode=0o700)
        home, away = (private_postgres.url(postgres.SERVER, private_postgres.migrated(harness.binary(), region))
                      for region in ("us", "eu"))
        server = harness.Server(tmp_path / name, options=["--node-region", "us", "--node-regions", "us eu", "--store-regions",
                                                          "eu=" + as_url(away)], shared_store=home)
        sides.append((server, str(config_of(server, tmp_path, home, f"  regions: eu={as_url(away)}\n"
                                            "node:\n  region: us\n  regions: us eu\n"))))
    (one, from_), (two, to) = sides
    one.start()
    shutil.copy(one.data / "root.key", two.data / "root.key")
    two.start()
    try:
        created = one.api(one.bootstrap_key).ok("POST", "/v1/tenants", {"name": harness.unique("t"), "region": "us"})
        tenant = harness.Tenant(one, created)
        away = tenant.admin.api.ok("POST", f"{tenant.path}/workspaces", {"name": "eu", "region": "eu"})["id"]
        ask = {"environment": "test", "connector": "docker", "operation": "container.kill", "target": "b" * 64}
        anna = tenant.approver("anna")
        tenant.put_roster(anna)
        asked = tenant.admin.api.ok("POST", f"/v1/workspaces/{away}/actions", ask)
        report = move(tenant.id, from_, to)
        assert sorted((cell["region"], cell["source"], cell["target"]) for cell in report["cells"]) == [
            ("eu", "moved", "active"), ("us", "moved", "active")]
        admin = two.api(tenant.admin.api.key)
        assert admin.ok("GET", f"/v1/workspaces/{away}/actions/{asked['id']}")["digest"] == asked["digest"]
        two.api(anna.api.key).ok("POST", f"/v1/workspaces/{away}/actions/{asked['id']}/decisions", anna.decision(asked))
        admin.ok("POST", f"/v1/workspaces/{away}/actions", ask)
        for path in (tenant.path, f"/v1/workspaces/{away}"):
            assert one.api(tenant.admin.api.key).request("GET", path).status_code in (401, 404)
    finally:
        one.kill()
        two.kill()


def as_url(words):
    """key=value words of libpq as one word."""
    given = dict(word.split("=", 1) for word in words.split())
    return f"postgresql:///{given['dbname']}?host={given['host']}&user={given['user']}"


class PausedMove:
    """A move that stands still when it has frozen the source, and is about to empty the copy, as if its machine slept."""

    def __init__(self, tenant, source, target):
        self.process = subprocess.Popen([str(harness.binary()), "tenant", "move", tenant, "--from", source, "--to", target],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        env={**os.environ, "COUNTERSIGN_STOP_AT": "2"})
        waited, status = os.waitpid(self.process.pid, os.WUNTRACED)
        assert waited and os.WIFSTOPPED(status), status

    def goes_on(self):
        """Its exit code and what it said."""
        self.process.send_signal(signal.SIGCONT)
        said, _ = self.process.communicate(timeout=harness.PATIENCE_S)
        return self.process.returncode, said


def test_of_two_movers_one_goes_on(databases, tmp_path):
    tenant = live(databases.files)
    databases.files.stop()
    paused = PausedMove(tenant.id, databases.folder, databases.target())
    for words in ((), ("--cancel",)):
        said = move(tenant.id, databases.folder, databases.target(), *words, code=1)
        assert "another command moves a tenant" in said
    assert paused.goes_on()[0] == 0
    databases.rows.start()
    at(databases.rows, tenant)
    assert state_of(tenant)["waits"]["state"] == "pending"
    verify_log(databases.rows, tenant, tmp_path)


@pytest.mark.fault
@pytest.mark.parametrize("then", ["move", "cancel"])
def test_a_mover_that_lost_its_lock_changes_nothing_any_more(databases, tmp_path, then):
    """It sleeps, its connections end, another takes over; when it wakes up, it must not touch what is served now."""
    tenant = live(databases.files)
    databases.files.stop()
    paused = PausedMove(tenant.id, databases.folder, databases.target())
    for name in (databases.first, databases.database):
        databases.place.sql("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                            f"WHERE datname = '{name}' AND pid <> pg_backend_pid()")
    words = ("--cancel",) if then == "cancel" else ()
    move(tenant.id, databases.folder, databases.target(), *words)
    serves = databases.files if then == "cancel" else databases.rows
    serves.start()
    at(serves, tenant)
    tenant.anna.decide(tenant.waits)
    run_action(tenant)
    before, entries = state_of(tenant), verify_log(serves, tenant, tmp_path)
    code, said = paused.goes_on()
    assert code != 0 and "repeat the command" in said, said
    assert state_of(tenant) == before
    run_action(tenant)
    assert verify_log(serves, tenant, tmp_path) > entries
    other = databases.rows if then == "cancel" else databases.files
    other.start()
    assert other.api(tenant.admin.api.key).request("GET", tenant.path).status_code in (401, 404)
