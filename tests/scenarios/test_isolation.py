# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL keeps tenants apart where our own statements fail to."""
import re
import subprocess
import sys

import harness
import postgres
import pq
import pytest

sys.path.insert(0, str(harness.ROOT / "tools"))
import sqlgen  # noqa: E402  the generator reads the .sql files
import sqlgen_emit  # noqa: E402

SOURCE = harness.ROOT / "src"
ONE, OTHER = "ten_one", "ten_other"
PREDICATE = re.compile(r"(?:\b\w+\.)?\btenant_id\s*=\s*(?:\$1\b|\w+\.tenant_id\b)")
VALUES = {"t": "x", "i": "1", "b": "\\x01"}
# What column_int of the driver takes for an int or a bool: int8, int4, int2, bool.
COLUMN_TYPES = {"text": {25}, "blob": {17}, "int": {20, 23, 21}, "bool": {20, 23, 21, 16}}


def statements(scope):
    """(statement, its text for PostgreSQL, the letters of its parameters) of all capabilities."""
    for path in sorted(SOURCE.glob("*/*.sql")):
        if path.name.endswith(".pg.sql"):
            continue
        found = sqlgen.parse(path)
        sqlgen.parse_overrides(path.with_name(path.stem + ".pg.sql"), found)
        for statement in found:
            if statement.scope in scope:
                yield statement, statement.postgres_text or statement.text, sqlgen_emit.parameter_types(statement)


@pytest.fixture(scope="module")
def private_postgres():
    """Of their own: roles are the whole cluster's, and these stories change what roles may."""
    if postgres.programs() is None:
        pytest.skip("no PostgreSQL is installed (postgresql-15)")
    own = postgres.Postgres()
    yield own
    own.remove()


@pytest.fixture(scope="module")
def schema(private_postgres):
    """A migrated database without CHECK constraints, so that any row may stand anywhere."""
    name = private_postgres.migrated(harness.binary())
    for row in private_postgres.sql("SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) "
                                    "FROM pg_constraint WHERE contype = 'c' "
                                    "AND connamespace = 'countersign_local'::regnamespace", name):
        private_postgres.sql(row[0], name)
    return private_postgres, name


def connect(schema, role, path='"countersign_local"'):
    server, name = schema
    connection = pq.Connection(server.url(role, name))
    connection.run(f"SET search_path = {path}")
    return connection


def tenant_tables(admin):
    rows, _ = admin.run("SELECT relname FROM pg_class WHERE relnamespace = 'countersign_local'::regnamespace "
                        "AND relkind = 'r' AND relname NOT LIKE 'store\\_%' ORDER BY 1")
    return [row[0] for row in rows]


def test_every_statement_is_prepared_by_postgresql(schema):
    cell, directory = connect(schema, postgres.SERVER), connect(schema, postgres.SERVER, '"countersign"')
    count = 0
    for statement, text, types in statements(("tenant", "directory", "any")):
        for connection in {"tenant": [cell], "directory": [directory]}.get(statement.scope, [cell, directory]):
            columns = connection.describe(text, types)
            assert [name for name, _ in columns] == [field.name for field in statement.outs], statement.name
            for (name, oid), field in zip(columns, statement.outs):
                assert oid in COLUMN_TYPES[field.kind], f"{statement.name}: {name} has type {oid}"
            count += 1
    assert count > 50


def fill(admin, tenant):
    """One row in every table, with the values that the statements are called with."""
    for table in tenant_tables(admin):
        columns, _ = admin.run("SELECT attname, format_type(atttypid, NULL) FROM pg_attribute "
                               "WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
                               "t", [table])
        values = {"text": "'x'", "bigint": "1", "bytea": "'\\x01'"}
        row = [f"'{tenant}'" if name == "tenant_id" else values[kind] for name, kind in columns]
        admin.run(f"INSERT INTO {table} VALUES ({', '.join(row)})")


# What a statement asks of the rows that it is about.
ASSIGNED = re.compile(r"\bSET\b.*?(?=\bWHERE\b|\bRETURNING\b|\Z)", re.S)
COMPARED = re.compile(r"\b(?:\w+\.)?(\w+)\s*(=|<>|<=|>=|<|>|IN\s*\()\s*(\$\d+|'[^']*'|\d+)")
BE_NULL = re.compile(r"\b(?:\w+\.)?(\w+)\s+IS\s+NULL\b")
# Beside the value that a row is compared with: itself, more, or less.
BESIDE = {"=": 0, "<=": 0, ">=": 0, "IN": 0, "<>": 1, ">": 1, "<": -1}
VALUES_BESIDE = {"t": {-1: "'w'", 0: "'x'", 1: "'y'"}, "i": {-1: "0", 0: "1", 1: "2"}, "b": {-1: "'\\x00'", 0: "'\\x01'", 1: "'\\x02'"}}


def wishes(text, types):
    """{column: the value, as SQL, with which a row of ones becomes one that the statement finds}."""
    text = ASSIGNED.sub("", text)
    found = {}
    for column, how, value in COMPARED.findall(text):
        beside = BESIDE[how.rstrip(" (\n\t")]
        if value.startswith("$"):
            value = VALUES_BESIDE[types[int(value[1:]) - 1]][beside]
        elif beside and value.isdigit():
            value = str(int(value) + beside)
        elif beside:
            value = "'other'"
        found.setdefault(column, value)
    for column in BE_NULL.findall(text):
        found.setdefault(column, "NULL")
    found.pop("tenant_id", None)
    return found


def values_for(text, types):
    """What the statement is called with; there is room for more rows than the tenant's own."""
    limits = {int(number) for number in re.findall(r"\bLIMIT\s+\$(\d+)", text)}
    return [ONE] + ["100" if at in limits else VALUES[kind] for at, kind in enumerate(types[1:], 2)]


class Stage:
    """A transaction of the superuser in which rows come and go; nothing of it stays."""

    def __init__(self, schema, tenants):
        self.admin = connect(schema, "postgres")
        self.admin.run("BEGIN")
        self.admin.run("SET LOCAL session_replication_role = replica")
        for tenant in tenants:
            fill(self.admin, tenant)
        rows, _ = self.admin.run("SELECT relname, attname, attnotnull FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
                                 "WHERE relnamespace = 'countersign_local'::regnamespace AND relkind = 'r' AND attnum > 0 "
                                 "AND NOT attisdropped")
        self.columns = {}
        for table, column, not_null in rows:
            self.columns.setdefault(table, {})[column] = not_null == "t"
        self.admin.run("PREPARE rows_of_other AS " + " UNION ALL ".join(
            f"SELECT '{table}', t::text FROM {table} t WHERE tenant_id = '{OTHER}'" for table in tenant_tables(self.admin)))

    def others(self):
        return sorted(self.admin.run("EXECUTE rows_of_other")[0])

    def arrange(self, text, types):
        """Makes the rows of the tables that the statement names, everybody's, into ones that it finds."""
        wanted = wishes(text, types)
        for table in set(re.findall(r"\b[a-z_]+\b", text)) & self.columns.keys():
            changes = [f"{column} = {value}" for column, value in wanted.items() if column in self.columns[table]
                       and not (value == "NULL" and self.columns[table][column])]
            if changes:
                self.admin.run(f"UPDATE {table} SET {', '.join(changes)}")

    def outcome(self, text, types, role=postgres.SERVER, about=None):
        """(what the statement gives as tenant ONE, whether the other tenant's rows are as before)."""
        self.admin.run("SAVEPOINT before")
        if about:
            self.arrange(about, types)
        before = self.others()
        self.admin.run(f"SET LOCAL ROLE {role}")
        self.admin.run(f"SELECT set_config('countersign.tenant', '{ONE}', true)")
        try:
            given = self.admin.run(text, types, values_for(text, types))
            self.admin.run("SET LOCAL ROLE postgres")
            same = self.others() == before
        except pq.Error as error:
            given, same = error.sqlstate, True
        self.admin.run("ROLLBACK TO before")
        return given, same

    def close(self):
        self.admin.run("ROLLBACK")
        self.admin.close()


def mutants():
    for statement, text, types in statements(("tenant",)):
        for match in PREDICATE.finditer(text):
            yield statement.name, text[:match.start()] + "$1 <> ''" + text[match.end():], types, text


def test_a_statement_without_its_tenant_sees_and_changes_nothing_of_another(schema):
    found = list(mutants())
    stages = [(), (OTHER,), (ONE,), (ONE, OTHER)]
    given = {}
    for tenants in stages:  # one after the other: their rows have the same keys
        stage = Stage(schema, tenants)
        for role in (postgres.SERVER, "postgres"):
            given[tenants, role] = [stage.outcome(text, types, role, whole) for _, text, types, whole in found]
        stage.close()
    caught = 0
    for at, (name, text, _, _) in enumerate(found):
        leaks = False
        for alone, together in ((stages[0], stages[1]), (stages[2], stages[3])):
            answer, same = given[together, postgres.SERVER][at]
            assert same, f"{name}: a mutant changed another tenant's rows: {text}"
            assert answer == given[alone, postgres.SERVER][at][0], f"{name}: a mutant saw another tenant: {text}"
            # The proof that this test can fail: without row-level security the same mutants do show or change rows.
            answer, same = given[together, "postgres"][at]
            leaks |= not same or answer != given[alone, "postgres"][at][0]
        caught += leaks
    assert len(found) > 50
    assert caught > len(found) * 3 // 4, f"only {caught} of {len(found)} mutants would have leaked without the policies"


def test_rows_cannot_be_written_for_another_tenant(schema):
    stage = Stage(schema, ())
    count = 0
    for statement, text, types in statements(("tenant",)):
        match = re.search(r"\bVALUES\s*\(\s*\$1\b", text)
        if not match:
            continue
        count += 1
        text = text[:match.end() - 2] + f"coalesce('{OTHER}', $1)" + text[match.end():]
        assert stage.outcome(text, types)[0] == "42501", statement.name
        assert stage.outcome(text, types, role="postgres")[0] != "42501"
    stage.close()
    assert count > 10


def test_with_no_tenant_set_nothing_is_visible_and_nothing_can_be_written(schema):
    stage = Stage(schema, (ONE, OTHER))
    for setting in ("RESET countersign.tenant", "SET LOCAL countersign.tenant = ''"):
        stage.admin.run("SAVEPOINT before")
        stage.admin.run(f"SET LOCAL ROLE {postgres.SERVER}")
        stage.admin.run(setting)
        for table in tenant_tables(stage.admin):
            assert stage.admin.run(f"SELECT count(*) FROM {table}")[0] == [("0",)], table
            assert stage.admin.run(f"DELETE FROM {table}")[1] == "0", table
        for tenant in ("''", f"'{ONE}'"):
            stage.admin.run("SAVEPOINT insert")
            with pytest.raises(pq.Error, match="42501"):
                stage.admin.run(f"INSERT INTO organization VALUES ({tenant}, 'new', 'x', 1)")
            stage.admin.run("ROLLBACK TO insert")
        stage.admin.run("ROLLBACK TO before")
    stage.close()


def start_with(schema, folder, role=postgres.SERVER):
    """The output of a server that must not start."""
    server, name = schema
    process = harness.Process(["server", "--data-folder", folder, "--listen-port", "0", "--store-url",
                               server.url(role, name)])
    try:
        code = process.wait()
    finally:
        process.kill()
    assert code != 0, "the server started"
    return process.text


BREAKS = {
    "not forced": ("ALTER TABLE {s}.action NO FORCE ROW LEVEL SECURITY",
                   "ALTER TABLE {s}.action FORCE ROW LEVEL SECURITY", "action lacks forced row-level security"),
    "not enabled": ("ALTER TABLE {s}.action DISABLE ROW LEVEL SECURITY",
                    "ALTER TABLE {s}.action ENABLE ROW LEVEL SECURITY", "action lacks forced row-level security"),
    "a second policy": ("CREATE POLICY wide ON {s}.action USING (true)", "DROP POLICY wide ON {s}.action",
                        "needs exactly the policy"),
    "a wider policy": ("ALTER POLICY tenant ON {s}.action USING (true)",
                       "ALTER POLICY tenant ON {s}.action USING (tenant_id = "
                       "(SELECT nullif(current_setting('countersign.tenant', true), '')))", "policy tenant is not the one"),
    "a new table": ("CREATE TABLE {s}.extra (tenant_id text PRIMARY KEY)", "DROP TABLE {s}.extra",
                    "extra lacks forced row-level security"),
    "a table without tenant": ("CREATE TABLE {s}.extra (id text PRIMARY KEY)", "DROP TABLE {s}.extra",
                               "extra has no tenant_id"),
    "a view": ("CREATE VIEW {s}.extra AS SELECT * FROM {s}.action", "DROP VIEW {s}.extra", "extra is not a plain table"),
    "an index": ("CREATE INDEX wide ON {s}.action (id)", "DROP INDEX {s}.wide", "does not begin with tenant_id"),
    "a right to truncate": ("GRANT TRUNCATE ON {s}.action TO countersign_server",
                            "REVOKE TRUNCATE ON {s}.action FROM countersign_server", "can be truncated"),
    "a way to the owner": ("GRANT countersign_owner TO countersign_server",
                           "REVOKE countersign_owner FROM countersign_server", "role that it can become"),
    "BYPASSRLS": ("ALTER ROLE countersign_server BYPASSRLS", "ALTER ROLE countersign_server NOBYPASSRLS", "BYPASSRLS"),
    "a function of the owner": ("CREATE FUNCTION {s}.f() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT 1::bigint'",
                                "DROP FUNCTION {s}.f()", "runs with the rights of its owner"),
    "a trigger": ("CREATE TRIGGER t BEFORE UPDATE ON {s}.action FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
                  "DROP TRIGGER t ON {s}.action", "trigger t"),
}


@pytest.mark.parametrize("what", sorted(BREAKS))
def test_the_server_refuses_a_schema_that_misses_a_rule(schema, tmp_path, what):
    server, name = schema
    before, after, words = (text.format(s="countersign_local") for text in BREAKS[what])
    server.sql(before, name)
    try:
        assert words in start_with(schema, tmp_path)
    finally:
        server.sql(after, name)


@pytest.mark.parametrize("role, words", [("postgres", "is a superuser"), (postgres.OWNER, "belongs to")])
def test_the_server_refuses_a_role_that_row_level_security_does_not_hold(schema, tmp_path, role, words):
    assert words in start_with(schema, tmp_path, role)


def test_a_schema_of_another_version_is_refused(schema, tmp_path):
    server, name = schema
    server.sql("UPDATE countersign_local.store_migration SET sha256 = sha256 || 'x' WHERE number = 10", name)
    try:
        assert "was changed after it had been applied" in start_with(schema, tmp_path)
    finally:
        server.sql("UPDATE countersign_local.store_migration SET sha256 = rtrim(sha256, 'x') WHERE number = 10", name)


def test_migrations_started_at_once_run_once(private_postgres):
    name = private_postgres.database()
    command = [str(harness.binary()), "migrate", "--owner", private_postgres.url(postgres.OWNER, name), "--server-role",
               postgres.SERVER]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    outputs = [process.communicate(timeout=harness.PATIENCE_S)[0] for process in running]
    assert [process.returncode for process in running] == [0] * 4
    assert sum("countersign_local: 0010 log" in output for output in outputs) == 1
