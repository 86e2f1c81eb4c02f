# SPDX-License-Identifier: Apache-2.0
"""Migrations, and the schema that they make, as SQLite sees it. A part of sqlgen.py."""

import ctypes
import hashlib
import re
import sqlite3

from sqlgen_text import Mistake, tokenize

# What a statement calls a type, and what a column has.
TYPES = {"text": "TEXT", "blob": "BLOB", "int": "INTEGER", "bool": "INTEGER"}


class Sqlite:
    """The few calls of the C library that Python's module does not offer."""

    def __init__(self):
        self.lib = ctypes.CDLL("libsqlite3.so.0")
        for name, result in (
            ("sqlite3_errmsg", ctypes.c_char_p), ("sqlite3_column_name", ctypes.c_char_p),
            ("sqlite3_column_table_name", ctypes.c_char_p), ("sqlite3_column_origin_name", ctypes.c_char_p),
        ):  # fmt: skip
            getattr(self.lib, name).restype = result
        self.db = ctypes.c_void_p()
        if self.lib.sqlite3_open(b":memory:", ctypes.byref(self.db)) != 0:
            raise SystemExit("sqlgen: SQLite cannot open a database in memory")

    def execute(self, script):
        if self.lib.sqlite3_exec(self.db, script.encode(), None, None, None) != 0:
            raise ValueError(self.lib.sqlite3_errmsg(self.db).decode())

    def prepare(self, text):
        """(parameters, [(name, table, column)], writes, rest) or ValueError."""
        statement, rest = ctypes.c_void_p(), ctypes.c_char_p()
        raw = text.encode()
        if self.lib.sqlite3_prepare_v2(self.db, raw, len(raw), ctypes.byref(statement), ctypes.byref(rest)) != 0:
            raise ValueError(self.lib.sqlite3_errmsg(self.db).decode())
        try:
            columns = []
            for i in range(self.lib.sqlite3_column_count(statement)):
                table = self.lib.sqlite3_column_table_name(statement, i)
                origin = self.lib.sqlite3_column_origin_name(statement, i)
                name = self.lib.sqlite3_column_name(statement, i).decode()
                columns.append((name, table and table.decode(), origin and origin.decode()))
            writes = self.lib.sqlite3_stmt_readonly(statement) == 0
            return self.lib.sqlite3_bind_parameter_count(statement), columns, writes, (rest.value or b"").strip()
        finally:
            self.lib.sqlite3_finalize(statement)


class Migration:
    def __init__(self, path):
        match = re.fullmatch(r"([0-9]{4})_([a-z0-9_]+)\.sql", path.name)
        if not match:
            raise Mistake(path, 1, "a migration is named NNNN_title.sql (digits; lower-case letters and '_')")
        self.path, self.number, self.title = path, int(match[1]), match[2]
        raw = path.read_bytes()
        self.text, self.sha256 = raw.decode(), hashlib.sha256(raw).hexdigest()
        self.override = path.with_name(path.stem + ".pg.sql")
        self.postgres_text = self.override.read_text() if self.override.exists() else None
        self.postgres_sha256 = hashlib.sha256(raw + (self.postgres_text or "").encode()).hexdigest()


def read_migrations(folders):
    """The migrations of these folders in order."""
    found = sorted((Migration(path) for folder in folders for path in folder.glob("*.sql")
                    if not path.name.endswith(".pg.sql")), key=lambda m: m.number)
    for one, two in zip(found, found[1:]):
        if one.number == two.number:
            raise Mistake(two.path, 1, f"number {two.number:04} is taken by {one.path.name}")
    return found


class Schema:
    """A migrated schema, and what is known of its tables."""

    def __init__(self, migrations, cell):
        self.prepared = Sqlite()
        self.python = sqlite3.connect(":memory:")
        self.cell = cell
        self.columns, self.tables = {}, {}
        for migration in migrations:
            try:
                self.prepared.execute(migration.text)
                self.python.executescript(migration.text)
            except (ValueError, sqlite3.Error) as error:
                raise Mistake(migration.path, 1, str(error)) from None
            self.check(migration)

    def query(self, text):
        return self.python.execute(text).fetchall()

    def tenant_tables(self):
        return {t for t in self.tables if self.cell and not t.startswith("store_")}

    def check(self, migration):
        def mistake(what):
            raise Mistake(migration.path, 1, what)

        for token in tokenize(migration.text, 1):
            if token.low in ("deferrable", "deferred"):
                raise Mistake(migration.path, token.line, "nothing may be DEFERRABLE: one job could fail a group's commit")
        for _, name, kind, _, without_rowid, strict in self.query("PRAGMA table_list"):
            if name.startswith("sqlite_") or kind != "table" or name in self.tables:
                continue
            if not strict:
                mistake(f"table {name} is not STRICT")
            self.tables[name] = migration
            if self.cell and not name.startswith("store_"):
                self.check_table(name, mistake)
        for name in self.tables:
            info = self.query(f"PRAGMA table_info({name})")
            for column in info:
                if column[2].upper() not in TYPES.values():
                    mistake(f"{name}.{column[1]} is {column[2]}; columns are {', '.join(sorted(set(TYPES.values())))}")
            self.columns[name] = {c[1]: (c[2].upper(), bool(c[3] or c[5])) for c in info}
            if name in self.tenant_tables():
                self.check_keys(name, mistake)

    def check_table(self, name, mistake):
        info = {c[1]: c for c in self.query(f"PRAGMA table_info({name})")}
        tenant = info.get("tenant_id")
        if not tenant or tenant[2].upper() != "TEXT" or not tenant[3]:
            mistake(f"table {name} needs the column: tenant_id TEXT NOT NULL")
        if tenant[5] != 1:
            mistake(f"the primary key of {name} must begin with tenant_id")

    def check_keys(self, name, mistake):
        keys = {}
        for key, seq, target, column, to, *_ in self.query(f"PRAGMA foreign_key_list({name})"):
            keys.setdefault(key, []).append((seq, target, column, to))
        for columns in keys.values():
            _, target, column, to = min(columns)
            if (column, to) not in (("tenant_id", "tenant_id"), ("tenant_id", None)):
                mistake(f"a foreign key of {name} to {target} must begin with tenant_id on both sides")
        for index in self.query(f"PRAGMA index_list({name})"):
            first = self.query(f"PRAGMA index_info({index[1]})")[0]
            if first[2] != "tenant_id":
                mistake(f"the index {index[1]} on {name} must begin with tenant_id")
