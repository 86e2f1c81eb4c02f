#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each kind of mistake in a .sql file is found, at its line, and good files pass."""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SQLGEN = pathlib.Path(__file__).with_name("sqlgen.py")
STORE = "CREATE TABLE store_migration (number INTEGER NOT NULL PRIMARY KEY, title TEXT NOT NULL) STRICT;\n"
CELL = """
CREATE TABLE action (
        tenant_id TEXT NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL, at_ms INTEGER NOT NULL,
        note TEXT, body BLOB, PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE TABLE vote (
        tenant_id TEXT NOT NULL, action_id TEXT NOT NULL, who TEXT NOT NULL,
        PRIMARY KEY (tenant_id, action_id, who),
        FOREIGN KEY (tenant_id, action_id) REFERENCES action (tenant_id, id)
) STRICT;
"""
DIRECTORY = "CREATE TABLE tenant (id TEXT NOT NULL PRIMARY KEY, region TEXT NOT NULL) STRICT;\n"


class Case(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.temporary.name)
        self.migrations = self.folder / "migrations"
        (self.migrations / "directory").mkdir(parents=True)
        self.migration("0001_store.sql", STORE)
        self.migration("0002_action.sql", CELL)
        self.migration("directory/0001_store.sql", STORE)
        self.migration("directory/0002_tenant.sql", DIRECTORY)

    def tearDown(self):
        self.temporary.cleanup()

    def migration(self, name, text):
        (self.migrations / name).write_text(text)

    def run_on(self, text, mode="statements"):
        source = self.folder / "x.sql"
        source.write_text(text)
        command = [sys.executable, SQLGEN, mode, "--migrations", self.migrations, "--out", self.folder]
        return subprocess.run(command + [source], capture_output=True, text=True)

    def accepts(self, text):
        result = self.run_on(text)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return (self.folder / "x_sql.h").read_text(), (self.folder / "x_sql.c").read_text()

    def refuses(self, text, words, line=None):
        result = self.run_on(text)
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertNotIn("Traceback", result.stderr)
        self.assertIn(words, result.stderr)
        place = re.match(r".*?\.sql:(\d+): ", result.stderr)
        self.assertIsNotNone(place, result.stderr)
        if line:
            self.assertEqual(int(place[1]), line, result.stderr)


class Good(Case):
    def test_an_override_replaces_one_text_for_postgresql(self):
        (self.folder / "x.pg.sql").write_text(
            "-- name: take :changes\nUPDATE action SET state = 'other' WHERE tenant_id = $1 AND id = $2;\n")
        _, source = self.accepts(
            "-- name: take :changes\n-- in: id text\nUPDATE action SET state = 'one' WHERE tenant_id = $1 AND id = $2;\n")
        self.assertIn("SET state = 'one' WHERE tenant_id = ?1", source)
        self.assertIn("SET state = 'other' WHERE tenant_id = $1", source)

    def test_an_override_of_nothing_is_a_mistake(self):
        (self.folder / "x.pg.sql").write_text("-- name: other :exec\nDELETE FROM action WHERE tenant_id = $1;\n")
        self.refuses("-- name: all :exec\nDELETE FROM action WHERE tenant_id = $1;\n", "no such statement")

    def test_every_kind_gives_its_function(self):
        header, source = self.accepts("""-- Free words.

-- Says why.
-- name: add :exec
-- in struct: id text, state text, at int, note text?, body blob?
INSERT INTO action (tenant_id, id, state, at_ms, note, body) VALUES ($1, $2, $3, $4, $5, $6);
-- name: take :changes
-- in: id text
UPDATE action SET state = 'taken' WHERE tenant_id = $1 AND id = $2 AND (state = 'a' OR state = 'b');
-- name: get :one
-- in: id text
-- out: id text, at_ms int, note text?, body blob?
SELECT id, at_ms, note, body FROM action WHERE tenant_id = $1 AND id = $2;
-- name: all :many
-- out: as get
SELECT id, at_ms, note, body FROM action WHERE tenant_id = $1 ORDER BY id;
-- name: where_is :one
-- directory
-- in: id text
-- out: region text
SELECT region FROM tenant WHERE id = $1;
""")
        self.assertIn(" * Says why.", header)
        self.assertNotIn("Free words", header)
        self.assertIn("bool sql_add(struct tx *tx, const struct sql_add_in *in, struct err *err) MUST_USE;", header)
        self.assertIn("bool sql_take(struct tx *tx, struct str id, int64_t *ret_changes, struct err *err)", header)
        self.assertIn("struct sql_get_row *ret_row, bool *ret_has, struct err *err)", header)
        self.assertIn("SQL_DIRECTORY", source)
        self.assertIn("?2", source)
        self.assertIn("tenant_id = ?1 AND id = ?2", source)
        self.assertIn("tenant_id = $1 AND id = $2", source)
        self.assertIn('.types = "tttitb"', source)

    def test_joins_subqueries_and_ctes_that_are_tied_pass(self):
        self.accepts("""-- name: a :many
-- out: id text, votes int
SELECT a.id, count(v.who) AS votes FROM action a
  LEFT JOIN vote v ON v.tenant_id = a.tenant_id AND v.action_id = a.id
 WHERE a.tenant_id = $1 GROUP BY a.id;
-- name: b :many
-- out: id text
WITH mine AS (SELECT id FROM action WHERE tenant_id = $1)
SELECT id FROM mine WHERE EXISTS (SELECT 1 FROM vote v WHERE v.tenant_id = $1 AND v.action_id = mine.id);
-- name: c :many
-- out: id text
SELECT a.id FROM action a WHERE a.tenant_id = $1
   AND NOT EXISTS (SELECT 1 FROM vote v WHERE v.tenant_id = a.tenant_id AND v.action_id = a.id);
-- name: d :exec
-- in: id text
INSERT INTO action (tenant_id, id, state, at_ms) VALUES ($1, $2, 'a', 1)
ON CONFLICT (tenant_id, id) DO UPDATE SET state = excluded.state;
-- name: e :many
-- in: id text
-- out: id text
SELECT id FROM action WHERE tenant_id = $1 AND id = $2 UNION ALL SELECT who FROM vote WHERE tenant_id = $1;
""".replace("UNION ALL SELECT who FROM", "UNION ALL SELECT who AS id FROM"))

    def test_a_question_mark_in_a_string_is_not_a_parameter(self):
        _, source = self.accepts("""-- name: a :exec
-- in: id text
UPDATE action SET note = 'really? $2 "quoted" \\ ??=' WHERE tenant_id = $1 AND id = $2;
""")
        self.assertIn("really? $2 ", source)


class Tenant(Case):
    def test_a_missing_predicate_is_refused(self):
        for text in (
            "SELECT id FROM action WHERE id = $2",
            "SELECT id FROM action WHERE tenant_id = $2 AND id <> $1",
            "SELECT a.id FROM action a JOIN vote v ON v.action_id = a.id WHERE a.tenant_id = $1 AND a.id = $2",
            "SELECT a.id FROM action a, vote v WHERE a.tenant_id = $1 AND v.action_id = a.id AND a.id = $2",
            "SELECT a.id FROM action a WHERE a.tenant_id = $1 AND a.id IN (SELECT action_id FROM vote WHERE who = $2)",
            "SELECT id FROM action WHERE tenant_id = $1 AND id = $2 UNION SELECT action_id FROM vote",
            "WITH v AS (SELECT action_id FROM vote) SELECT a.id FROM action a JOIN v ON v.action_id = a.id "
            "WHERE a.tenant_id = $1 AND a.id = $2",
            "SELECT id FROM action WHERE tenant_id <> $1 AND id = $2",
            "SELECT id FROM action WHERE NOT (tenant_id = $1) AND id = $2",
            "SELECT id FROM action WHERE NOT tenant_id = $1 AND id = $2",
            "SELECT id FROM action WHERE tenant_id = $1 IS NOT 1 AND id = $2",
            "SELECT id FROM action WHERE tenant_id = $1 || 'x' AND id = $2",
            "SELECT id FROM action WHERE CASE WHEN tenant_id = $1 THEN 1 ELSE 1 END AND id = $2",
            "SELECT a.id FROM action a LEFT JOIN vote v ON a.tenant_id = $1 AND v.tenant_id = $1 WHERE a.id = $2",
            "SELECT a.id FROM action a LEFT JOIN vote v ON a.tenant_id = v.tenant_id AND v.tenant_id = $1 WHERE a.id = $2",
        ):
            with self.subTest(text):
                self.refuses(f"-- name: a :many\n-- in: id text\n-- out: id text\n{text};\n", "is not tied to the tenant")

    def test_a_join_that_cannot_be_followed_is_refused(self):
        self.refuses(
            "-- name: a :many\n-- out: id text\nSELECT a.id FROM action a RIGHT JOIN vote v ON v.tenant_id = $1\n"
            "WHERE a.tenant_id = $1;\n", "no RIGHT or FULL", 3)

    def test_or_beside_the_predicate_is_refused(self):
        self.refuses(
            "-- name: a :many\n-- in: id text\n-- out: id text\n"
            "SELECT id FROM action WHERE tenant_id = $1 AND id = $2 OR state = 'x';\n", "put OR within parentheses", 4)

    def test_changes_need_the_predicate(self):
        self.refuses("-- name: a :exec\n-- in: id text\nUPDATE action SET note = $1 WHERE id = $2;\n", "not tied", 3)
        self.refuses("-- name: a :exec\nDELETE FROM action WHERE state <> $1;\n", "not tied")
        self.refuses("-- name: a :exec\nUPDATE action SET tenant_id = $1 WHERE tenant_id = $1;\n", "never changed")

    def test_an_insert_names_the_tenant_and_nothing_else(self):
        columns = "(tenant_id, id, state, at_ms)"
        self.refuses(f"-- name: a :exec\n-- in: id text\nINSERT INTO action {columns} VALUES ($2, $1, 's', 1);\n", "must be $1")
        self.refuses(
            f"-- name: a :exec\n-- in: id text\nINSERT INTO action {columns} VALUES ($1, $2, 's', 1), ('x', $2, 's', 1);\n",
            "must be $1")
        self.refuses("-- name: a :exec\n-- in: id text\nINSERT INTO vote VALUES ($1, $2, 'x');\n", "must name its columns")
        self.refuses(
            "-- name: a :exec\nINSERT INTO vote (tenant_id, action_id, who) "
            "SELECT tenant_id, id, $1 FROM action WHERE tenant_id = $1;\n", "must begin")


class Mistakes(Case):
    def test_the_form(self):
        for text, words, line in (
            ("SELECT 1;\n", "without '-- name:'", 1),
            ("-- name: a\nSELECT 1;\n", "expected '-- name:", 1),
            ("-- name: A :one\nSELECT 1;\n", "expected '-- name:", 1),
            ("-- name: a :two\nSELECT 1;\n", "expected '-- name:", 1),
            ("-- name: a :exec\nDELETE FROM action WHERE tenant_id = $1\n", "does not end with ';'", 1),
            ("-- name: a :exec\n-- name: b :exec\nDELETE FROM action WHERE tenant_id = $1;\n", "does not end with ';'", 1),
            ("-- nothing\n", "no statement", None),
            ("-- name: a :exec\nDELETE FROM action WHERE tenant_id = $1;\n"
             "-- name: a :exec\nDELETE FROM vote WHERE tenant_id = $1;\n", "the name is taken at line 1", 3),
            ("-- name: a :exec\n-- in: id string\nDELETE FROM action WHERE tenant_id = $1;\n", "'id string'", 2),
            ("-- name: a :exec\n-- in: for text\nDELETE FROM action WHERE tenant_id = $1;\n", "cannot be a name", 2),
            ("-- name: a :exec\n-- in: b text, b int\nDELETE FROM action WHERE tenant_id = $1;\n", "twice", 2),
            ("-- name: a :many\n-- out: as b\nSELECT id FROM action WHERE tenant_id = $1;\n", "no statement 'b'", 2),
            ("-- name: a :exec\nDELETE FROM action WHERE tenant_id = $1; DELETE FROM vote WHERE tenant_id = $1;\n",
             "one statement", 2),
        ):  # fmt: skip
            with self.subTest(text):
                self.refuses(text, words, line)

    def test_parameters(self):
        get = "-- name: a :one\n-- in: {}\n-- out: id text\nSELECT id FROM action WHERE tenant_id = $1 AND {};\n"
        self.refuses(get.format("id text", "id = $3"), "$2 (id) is not used", 4)
        self.refuses(get.format("id text", "id = $2 AND state = $3"), "$3 is used", 4)
        self.refuses(get.format("id text, state text", "id = $2"), "$3 (state) is not used", 4)
        self.refuses(get.format("id text", "id = ?"), "parameters are $1", 4)
        self.refuses(get.format("id text", 'id = "x" AND state = $2'), "names are not quoted", 4)

    def test_columns(self):
        get = "-- name: a :one\n-- in: id text\n-- out: {}\nSELECT {} FROM action WHERE tenant_id = $1 AND id = $2;\n"
        self.refuses(get.format("id text", "id, state"), "the columns are (id, state)", 4)
        self.refuses(get.format("id text, state text", "state, id"), "the columns are (state, id)", 4)
        self.refuses(get.format("note text", "note"), "may be NULL", 4)
        self.refuses(get.format("at_ms text", "at_ms"), "is INTEGER", 4)
        self.refuses(get.format("id text", "*"), "name the columns", 4)
        self.refuses(get.format("nope text", "nope"), "no such column", 4)

    def test_kinds(self):
        self.refuses("-- name: a :one\nSELECT id FROM action WHERE tenant_id = $1;\n", "needs '-- out:'")
        self.refuses("-- name: a :exec\n-- out: id text\nDELETE FROM action WHERE tenant_id = $1;\n", "has no '-- out:'")
        self.refuses("-- name: a :exec\nSELECT id FROM action WHERE tenant_id = $1;\n", "gives no rows")
        self.refuses("-- name: a :changes\nDELETE FROM action WHERE tenant_id = $1 RETURNING id;\n", "gives no rows")

    def test_what_only_one_database_understands(self):
        for text in ("ifnull(note, '') = ''", "id GLOB 'a*'", "at_ms < unixepoch()", "rowid = 1"):
            with self.subTest(text):
                self.refuses(
                    f"-- name: a :exec\nDELETE FROM action WHERE tenant_id = $1 AND {text};\n", "not portable", 2)

    def test_places(self):
        self.refuses("-- name: a :exec\nDELETE FROM tenant WHERE id = $1;\n", "no such table")
        self.refuses("-- name: a :exec\n-- directory\nDELETE FROM action WHERE tenant_id = 'x';\n", "no such table")


class Migrations(Case):
    def refuses_table(self, text, words):
        self.migration("0003_more.sql", text)
        result = self.run_on("-- name: a :exec\nDELETE FROM action WHERE tenant_id = $1;\n")
        self.assertEqual(result.returncode, 1)
        self.assertIn("0003_more.sql:", result.stderr)
        self.assertIn(words, result.stderr)

    def test_tables_follow_the_rules(self):
        ok = "tenant_id TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (tenant_id, id)"
        for text, words in (
            (f"CREATE TABLE t ({ok});", "not STRICT"),
            ("CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY) STRICT;", "needs the column"),
            ("CREATE TABLE t (tenant_id INTEGER NOT NULL, id TEXT NOT NULL, PRIMARY KEY (tenant_id, id)) STRICT;",
             "needs the column"),
            ("CREATE TABLE t (tenant_id TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (id, tenant_id)) STRICT;", "must begin"),
            (f"CREATE TABLE t ({ok}) STRICT; CREATE INDEX i ON t (id);", "index i"),
            (f"CREATE INDEX i ON action (state, tenant_id);", "index i"),
            (f"CREATE TABLE t (a TEXT UNIQUE, {ok}) STRICT;", "must begin with tenant_id"),
            (f"CREATE TABLE t ({ok}, FOREIGN KEY (id, tenant_id) REFERENCES action (id, tenant_id)) STRICT;", "foreign key"),
            (f"CREATE TABLE t ({ok}, FOREIGN KEY (tenant_id, id) REFERENCES action (tenant_id, id) "
             "DEFERRABLE INITIALLY DEFERRED) STRICT;", "DEFERRABLE"),
            ("CREATE TABLE t (", "incomplete input"),
            (f"CREATE TABLE t (share REAL, {ok}) STRICT;", "t.share is REAL"),
        ):  # fmt: skip
            with self.subTest(text):
                self.refuses_table(text, words)

    def test_names_and_numbers(self):
        self.migration("0002_again.sql", "")
        self.refuses("-- name: a :exec\nDELETE FROM action WHERE tenant_id = $1;\n", "number 0002 is taken")
        (self.migrations / "0002_again.sql").rename(self.migrations / "3_short.sql")
        self.refuses("-- name: a :exec\nDELETE FROM action WHERE tenant_id = $1;\n", "NNNN_title.sql")


if __name__ == "__main__":
    unittest.main()
