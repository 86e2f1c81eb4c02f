# SPDX-License-Identifier: Apache-2.0
"""
Rows and bytes as the store has them, on whichever of the two a server keeps its data: for what the API does not
show, and for what it lets nobody set. Statements are written once, with $1, $2, … for their values.
"""
import contextlib
import re
import sqlite3
import subprocess

import postgres
import pq


def is_shared(server):
    return "--store-url" in server.options


def url(server, role="postgres"):
    """Of the server's database, by default for the superuser, whom row-level security does not hold."""
    given = server.options[server.options.index("--store-url") + 1]
    return given.replace(f"user={postgres.SERVER}", f"user={role}")


def file_of(server, tenant):
    return next((server.data / "cells").rglob(f"{tenant.id}.db"))


def region_of(server, tenant):
    """Where the tenant is at home."""
    return directory(server, "SELECT region FROM tenant WHERE id = $1", tenant.id)[0][0]


def text_of(value):
    return value if value is None else "\\x" + value.hex() if isinstance(value, bytes) else str(value)


def _in_postgres(server, schema, text, many):
    connection = pq.Connection(url(server))
    try:
        connection.run(f'SET search_path = "{schema}"')
        connection.run("BEGIN")
        for values in many:
            rows, _ = connection.run(text, "?" * len(values), [text_of(value) for value in values])
        connection.run("COMMIT")
        return rows
    finally:
        connection.close()


def _in_file(path, text, many):
    with contextlib.closing(sqlite3.connect(path, timeout=20)) as db, db:
        db.execute("PRAGMA synchronous = FULL")
        for values in many:
            rows = db.execute(re.sub(r"\$(\d+)", r"?\1", text), values).fetchall()
        return [tuple(map(text_of, row)) for row in rows]


def directory(server, text, *values):
    if is_shared(server):
        return _in_postgres(server, "countersign", text, [values])
    return _in_file(server.data / "directory.db", text, [values])


def run_many(server, tenant, text, many):
    """The statement once for each tuple of values, in one transaction on the tenant's cell at home."""
    if is_shared(server):
        return _in_postgres(server, f"countersign_{region_of(server, tenant)}", text, many)
    return _in_file(file_of(server, tenant), text, many)


def run(server, tenant, text, *values):
    """The rows as tuples of texts; a blob is \\x and its digits."""
    return run_many(server, tenant, text, [values])


def stored(server, schemas="countersign%"):
    """Every byte of every row, on PostgreSQL: what `server.data` is for the embedded store."""
    connection = pq.Connection(url(server))
    parts = []
    tables, _ = connection.run("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname LIKE $1", "?",
                               [schemas])
    for table, in tables:
        for row, in connection.run(f"SELECT t::text FROM {table} t")[0]:
            parts.append(row.encode())
            # A blob is written as digits there: its bytes as well.
            parts += [bytes.fromhex(digits) for digits in re.findall(r"\\x([0-9a-f]+)", row)]
    connection.close()
    return b"\n".join(parts)


def is_forgotten(server, tenant):
    """Whether no cell has a file or a row of the tenant; PostgreSQL keeps that there was one."""
    if not is_shared(server):
        return not [path for path in server.data.rglob("*") if tenant.id in path.name]
    connection = pq.Connection(url(server))
    tables, _ = connection.run("SELECT c.oid::regclass FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
                               "WHERE relkind = 'r' AND attname = 'tenant_id' AND relname <> 'store_cell' "
                               "AND relnamespace::regnamespace::text LIKE 'countersign\\_%'")
    assert len(tables) > 30
    found = [table for table, in tables
             if connection.run(f"SELECT 1 FROM {table} WHERE tenant_id = $1 LIMIT 1", "?", [tenant.id])[0]]
    connection.close()
    return not found


class Copy:
    """What the cells of the tenant's region hold now, to be put back under a directory that has gone on meanwhile."""

    def __init__(self, server, tenant):
        assert server.process.process.poll() is not None, "its server must have ended"
        self.server, self.tenant = server, tenant
        if is_shared(server):
            self.schema = f"countersign_{region_of(server, tenant)}"
            self.path = server.folder / "copy.dump"
            self._program("pg_dump", "-Fc", "-n", self.schema, "-f", str(self.path))
        else:
            self.path = server.folder / "copy.db"
            self.path.write_bytes(file_of(server, tenant).read_bytes())

    def _program(self, name, *words):
        subprocess.run([str(postgres.programs() / name), *words, "-d", url(self.server)], check=True)

    def put_back(self):
        assert self.server.process.process.poll() is not None, "its server must have ended"
        if is_shared(self.server):
            place = postgres.Place(url(self.server).partition(" user=")[0])
            place.sql(f"DROP SCHEMA {self.schema} CASCADE", url(self.server).rpartition("dbname=")[2])
            self._program("pg_restore", str(self.path))
            return
        there = file_of(self.server, self.tenant)
        for path in there.parent.glob(f"{there.name}*"):
            path.unlink()
        there.write_bytes(self.path.read_bytes())
