# SPDX-License-Identifier: Apache-2.0
"""`countersign dev --store postgres`: a PostgreSQL of its own, for trying it."""
import os
import pathlib
import re
import shutil
import signal
import tempfile
import threading
import time

import harness
import postgres
import pytest


@pytest.fixture
def folder():
    """A folder with a short path that the user `postgres` can reach: as root PostgreSQL runs as that user."""
    if postgres.programs() is None:
        pytest.skip("no PostgreSQL is installed (postgresql-15)")
    made = pathlib.Path(tempfile.mkdtemp(prefix="countersign-dev-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def start(folder, *more):
    return harness.Process(["dev", "--data", folder / "data", "--store", "postgres", "--listen-port", "0",
                            "--docker-socket", folder / "no-docker.sock", *more])


def postgres_pid(folder):
    return int((folder / "data/postgres/data/postmaster.pid").read_text().splitlines()[0])


def is_running(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_dev_makes_a_postgresql_of_its_own_and_keeps_its_data(folder):
    names = []
    for number in range(2):
        dev = start(folder)
        dev.wait_for("Ctrl-C ends server and executor and PostgreSQL")
        pid = postgres_pid(folder)
        cli = harness.Cli(folder)
        cli.profile = folder / "data/admin.json"
        assert cli.json("whoami")["roles"]
        cli.run("principal", "create", "service", f"run-{number}", "--role", "auditor")
        names.append({item["name"] for item in cli.json("principal", "list")["items"]})
        assert dev.stop(signal.SIGINT) == 0, dev.text
        assert not is_running(pid)
        assert not (folder / "data/postgres/data/postmaster.pid").exists()
    assert "run-0" in names[0] and names[0] < names[1]
    # Only the socket: nothing listens on the network.
    log = (folder / "data/postgres/log").read_text()
    assert "listening on Unix socket" in log and not re.search(r"listening on IPv[46]", log)


def end_executor(folder):
    """The executor of a dev that was killed goes on: it would find the server again."""
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"executor" in words and str(folder / "data/executor").encode() in words:
            os.kill(int(entry.name), signal.SIGKILL)


@pytest.mark.crash
def test_postgresql_ends_with_a_dev_that_was_killed(folder):
    dev = start(folder)
    dev.wait_for("connected")
    pid = postgres_pid(folder)
    dev.process.kill()
    end_executor(folder)
    dev.wait()
    deadline = time.monotonic() + harness.PATIENCE_S
    while is_running(pid):
        assert time.monotonic() < deadline, "PostgreSQL is left running"
        threading.Event().wait(0.02)
    dev = start(folder)
    dev.wait_for("Ctrl-C ends")
    assert dev.stop(signal.SIGINT) == 0


def test_dev_says_what_to_install(tmp_path):
    (tmp_path / "nothing").mkdir()
    dev = start(tmp_path, "--postgres-bin", tmp_path / "nothing")
    assert dev.wait() != 0
    assert "PostgreSQL is not installed" in dev.text and "apt install postgresql-15" in dev.text


def test_dev_mixes_no_stores(folder):
    (folder / "data").mkdir(mode=0o700)
    (folder / "data/directory.db").touch()
    dev = start(folder)
    assert dev.wait() != 0 and "holds an embedded store" in dev.text
    os.unlink(folder / "data/directory.db")
    (folder / "data/postgres/data").mkdir(parents=True)
    (folder / "data/postgres/data/PG_VERSION").touch()
    dev = harness.Process(["dev", "--data", folder / "data", "--listen-port", "0"])
    assert dev.wait() != 0 and "holds a PostgreSQL" in dev.text
    assert not (folder / "data/directory.db").exists()
