#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A private PostgreSQL: a folder of its own, a unix socket, nothing on the network.

    postgres.py run COMMAND…     runs the command with COUNTERSIGN_TEST_POSTGRES naming the server;
                                 exits 77 (skipped) where PostgreSQL is not installed
    postgres.py run-durable …    the same with fsync on, for figures

As root the server runs as the user `postgres`, which Debian's package makes.
"""
import itertools
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile

OWNER, SERVER = "countersign_owner", "countersign_server"


def programs():
    """The folder of the newest PostgreSQL's programs, or None."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    return found[-1].parent if found else None


def as_postgres(command):
    if os.geteuid() != 0:
        return [str(word) for word in command]
    user = pwd.getpwnam("postgres")
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *map(str, command)]


_databases = itertools.count(1)


class Place:
    """A server that runs, by what every connection to it needs."""

    def __init__(self, place):
        self.place = place

    def url(self, role, database):
        return f"{self.place} user={role} dbname={database}"

    def sql(self, text, database="postgres"):
        """Runs text as the superuser; the rows as lists of strings."""
        result = subprocess.run([str(programs() / "psql"), "-X", "-q", "-A", "-t", "-F", "\x1f", "-v", "ON_ERROR_STOP=1",
                                 "-d", self.url("postgres", database)], input=text, capture_output=True, text=True,
                                check=False)
        if result.returncode:
            raise RuntimeError(f"{text}:\n{result.stderr}")
        return [line.split("\x1f") for line in result.stdout.splitlines()]

    def sql_or_none(self, text, database="postgres"):
        """The same; None while the server does not answer."""
        try:
            return self.sql(text, database)
        except RuntimeError:
            return None

    def migrated(self, program, *regions):
        """A new database with the schemas that the program makes; its name."""
        name = self.database()
        return self.migrated_into(program, name, *regions)

    def migrated_into(self, program, name, *regions):
        words = [word for region in regions or ("local",) for word in ("--region", region)]
        subprocess.run([str(program), "migrate", "--owner", self.url(OWNER, name), "--server-role", SERVER, *words],
                       check=True, stdout=subprocess.DEVNULL)
        return name

    def database(self):
        """A new empty database that the owner's role may fill; its name."""
        # Of the process, not of this object: another may have had its place in memory before.
        name = f"cs_{os.getpid()}_{next(_databases)}"
        self.sql(f"CREATE DATABASE {name} OWNER {OWNER}")
        return name


class Postgres(Place):
    """A server of one's own. `durable` keeps fsync on, for figures and for cutting the power."""

    def __init__(self, durable=False, options=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-pg-"))
        super().__init__(f"host={self.folder}")
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.durable = durable
        self.options = list(options)
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        self._run(programs() / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                  "--locale=C.UTF-8", "--no-sync")
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write(f"listen_addresses = ''\nunix_socket_directories = '{self.folder}'\nmax_connections = 200\n"
                       f"fsync = {'on' if durable else 'off'}\nlog_line_prefix = '%m [%p] %u '\n")
            file.writelines(f"{line}\n" for line in self.options)
        self.start()
        for role in (OWNER, SERVER):
            self.sql(f"CREATE ROLE {role} LOGIN")

    def _run(self, *command):
        result = subprocess.run(as_postgres(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, check=False, cwd="/")
        if result.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}:\n{result.stdout}")

    def start(self):
        self._run(programs() / "pg_ctl", "-D", self.data, "-w", "-t", "60", "-l", self.log, "start")

    def start_again(self):
        """After whatever it went down with, or has not gone down with yet."""
        subprocess.run(as_postgres([programs() / "pg_ctl", "-D", self.data, "-w", "-m", "immediate", "stop"]), cwd="/",
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        self.start()

    def stop(self, how="fast"):
        """`fast`, or `immediate`: as if it had crashed."""
        self._run(programs() / "pg_ctl", "-D", self.data, "-w", "-m", how, "stop")

    def remove(self):
        try:
            self.stop("immediate")
        except RuntimeError:
            pass  # a test has ended it
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("run", "run-durable"):
        print(__doc__, file=sys.stderr)
        return 2
    if programs() is None:
        print("skipped: no PostgreSQL is installed (postgresql-15)")
        return 77
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    server = Postgres(durable=sys.argv[1] == "run-durable")
    try:
        return subprocess.run(sys.argv[2:], check=False, env={**os.environ, "COUNTERSIGN_TEST_STORE": "postgres",
                                                              "COUNTERSIGN_TEST_POSTGRES": server.place}).returncode
    finally:
        server.remove()


if __name__ == "__main__":
    sys.exit(main())
