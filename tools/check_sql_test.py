#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
import pathlib
import tempfile
import unittest

import check_sql


class CheckSql(unittest.TestCase):
    def places(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "a.c"
            path.write_text(text)
            return [line for line, _ in check_sql.check(path)]

    def test_sql_is_found_where_it_stands(self):
        self.assertEqual(self.places('int a;\nrun("SELECT id FROM action");\n'), [2])
        self.assertEqual(self.places('run("SELECT id "\n    "FROM action");\n'), [1])
        self.assertEqual(self.places('run("insert into action values (1)");\n'), [1])
        self.assertEqual(self.places('run("PRAGMA user_version");\n'), [1])
        self.assertEqual(self.places('char q = \'"\';\nrun("DELETE FROM a WHERE b");\n'), [2])
        self.assertEqual(self.places("#include <sqlite3.h>\n"), [1])

    def test_prose_is_not_sql(self):
        self.assertEqual(self.places('say("update your settings, select one from the list");\n'), [])
        self.assertEqual(self.places('/* "SELECT id FROM action" */\nint a; // "DELETE FROM x"\n'), [])
        self.assertEqual(self.places('say("cannot SELECT");\nsay("FROM here");\n'), [])

    def test_the_drivers_may(self):
        self.assertTrue(check_sql.MAY.search("/x/src/store/sqlite_files.c"))
        self.assertTrue(check_sql.MAY.search("src/store/postgres.c"))
        self.assertFalse(check_sql.MAY.search("src/store/workers.c"))
        self.assertFalse(check_sql.MAY.search("src/log/log_test.c"))


if __name__ == "__main__":
    unittest.main()
