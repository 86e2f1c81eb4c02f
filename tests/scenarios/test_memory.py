# SPDX-License-Identifier: Apache-2.0
"""What a core dump of the server would hold: no provider's key, no root key, not even after a lot of work with them."""
import base64
import concurrent.futures
import contextlib
import os
import pathlib
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import harness
from conftest import new_tenant
from test_accounts import CHEAP, Local
from test_provider_keys import Provider


class Mapping:
    """A piece of a process's memory."""

    def __init__(self, pid, block):
        self.pid = pid
        self.begin, self.end = int(block[1], 16), int(block[2], 16)
        self.flags = re.search(r"^VmFlags:(.*)$", block[4], re.M)[1].split()

    def read(self):
        with open(f"/proc/{self.pid}/mem", "rb", 0) as memory:
            memory.seek(self.begin)
            try:
                return memory.read(self.end - self.begin)
            except OSError:  # taken back meanwhile
                return b""


def mappings(pid):
    """All that can be written."""
    maps = pathlib.Path(f"/proc/{pid}/smaps").read_text()
    for block in re.finditer(r"^([0-9a-f]+)-([0-9a-f]+) (\S+) .*\n((?:\w+:.*\n)+)", maps, re.M):
        if "w" in block[3]:
            yield Mapping(pid, block)


def dumpable(pid):
    """What a core dump holds of the process: its writable memory, but for what is marked to be left out."""
    for block in mappings(pid):
        if "dd" not in block.flags:
            yield block.read()


def count(pid, words):
    found = dict.fromkeys(words, 0)
    for piece in map(without_zeros, dumpable(pid)):
        for name, word in words.items():
            found[name] += piece.count(word)
    return found


def test_no_key_is_left_in_memory_logs_and_metrics(make_server):
    provider = Provider()
    server = make_server(options=["--providers-allow-loopback", "true"]).start()
    tenant = new_tenant(server)
    secrets = [f"sk-memory-{number:04d}-0123456789abcdefghij" for number in range(40)]
    provider.known |= set(secrets)
    path = f"{tenant.place}/provider-keys"

    def keep(secret):
        made = tenant.admin.api.ok("POST", path, {"provider": "openai_compatible", "name": harness.unique("key"),
                                                  "base_url": provider.url, "secret": secret})
        assert made["versions"][0]["state"] == "valid"
        tenant.admin.api.ok("POST", f"{path}/{made['id']}/rotate", {"secret": secret + "x"})

    provider.known |= {secret + "x" for secret in secrets}
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(keep, secrets))
    # Refused ones are wiped as well.
    assert not tenant.admin.api.request("POST", path, {"provider": "openai", "name": "a", "base_url": provider.url,
                                                       "secret": "sk-memory-9999-0123456789abcdefghij"}).ok
    words = {"providers' keys": b"sk-memory-"}
    for line in (server.data / "root.key").read_text().splitlines()[1:]:
        words[line.split()[0]] = base64.b64decode(line.split()[2])
    words["the tenant's name, which is no secret"] = tenant.name.encode()
    found = count(server.process.process.pid, words)
    assert found.pop("the tenant's name, which is no secret") > 0, "the search finds what is there"
    assert found == {"providers' keys": 0, "current": 0, "derive": 0}, found
    assert "sk-memory-" not in server.process.text
    assert "sk-memory-" not in server.api().request("GET", "/metrics").text
    provider.close()


def test_what_is_shown_once_and_what_people_type_is_not_left_in_memory(make_server):
    """API keys, tokens of executors, one-time links, seeds, client secrets, passwords, codes: both ways."""
    server = make_server(options=CHEAP).start()
    tenant = new_tenant(server)
    words = {}

    def keep(name, secret):
        words.setdefault(name, []).append(secret.encode())

    for number in range(4):
        made = tenant.admin.api.ok("POST", f"{tenant.path}/principals/{tenant.admin.id}/keys", {"name": "memory"})
        keep("an API key", made["secret"])
        renewed = tenant.admin.api.ok("POST", f"{tenant.path}/principals/{tenant.admin.id}/keys/{made['key']['id']}/rotate", {})
        keep("a rotated key", renewed["secret"])
        keep("an enrolment token", tenant.announce()["token"])
        secret = f"memory-client-secret-{number}"
        tenant.admin.api.ok("POST", f"{tenant.path}/realms", {
            "name": f"corp-{number}", "issuer": "https://id.example.com", "client_id": "c", "client_secret": secret,
            "roles_expression": "'operator'"})
        keep("a client secret", secret)
        password = f"memory password {number} {harness.unique('x')}"
        local = Local(tenant, password=password)
        keep("a password", password.replace(" ", "+"))
        keep("a password", password)
        keep("a one-time link", local.link.rsplit("=", 1)[1])
        browser, _ = local.log_in(password)
        api = server.api(browser.session_token)
        seed = api.ok("POST", f"{local.path}/totp")
        keep("a seed", seed["seed"])
        codes = server.api().ok("POST", "/oauth2/device_authorization", raw="client_id=countersign-cli",
                                headers={"Content-Type": "application/x-www-form-urlencoded"})
        keep("a device's code", codes["device_code"])
    flat = {f"{name} {at}": secret for name, secrets in words.items() for at, secret in enumerate(secrets)}
    found = {name: times for name, times in count(server.process.process.pid, flat).items() if times}
    assert not found, found


@pytest.mark.skipif(not pathlib.Path("/proc/self/smaps").exists(), reason="needs /proc")
def test_the_search_would_find_one(make_server):
    """A name is no secret, and its request leaves it behind."""
    server = make_server().start()
    tenant = new_tenant(server)
    word = "agent-that-leaves-traces"
    tenant.admin.api.ok("POST", f"{tenant.path}/principals", {"kind": "agent", "name": word, "roles": ["agent"]})
    assert count(server.process.process.pid, {"name": word.encode()})["name"] > 0


# ---- a real core file, while others work ------------------------------------------------------------


def core_of(server, folder):
    """What gcore writes of the running process: as the kernel would, without what is marked to be left out."""
    if shutil.which("gcore") is None:
        pytest.skip("no gcore is installed (gdb)")
    if not harness.may_trace():
        pytest.skip("looking into another process is not permitted here (CAP_SYS_PTRACE)")
    pid = server.process.process.pid
    done = subprocess.run(["gcore", "-o", folder / "core", str(pid)], capture_output=True, text=True, check=False)
    path = folder / f"core.{pid}"
    if not path.exists() and "not permitted" in done.stderr:
        pytest.skip(f"ptrace is not permitted here: {done.stderr.strip().splitlines()[0]}")
    assert path.exists(), done.stderr
    return path


def forms(secret):
    """How a key may lie in memory or in a line."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield base64.b64encode(secret).rstrip(b"=")
    yield base64.urlsafe_b64encode(secret).rstrip(b"=")


def found_in(data, secrets):
    return {name for name, secret in secrets.items() if any(form in data for form in forms(secret))}


def without_zeros(data):
    """But for pages that hold nothing, of which a process has many."""
    page = bytes(1 << 12)
    pages = (data[at:at + len(page)] for at in range(0, len(data), len(page)))
    return b"".join(one for one in pages if one != page)


def left_out(pid, secrets):
    """Which of them are in the memory that dumps leave out."""
    found = set()
    for block in mappings(pid):
        if "dd" in block.flags:
            found |= found_in(without_zeros(block.read()), secrets)
    return found


def tenant_key(server, tenant, root):
    """The tenant's own key, unwrapped as the server does it (crypto/sealed.h)."""
    path = next((server.data / "cells").rglob(f"{tenant.id}.db"))
    with contextlib.closing(sqlite3.connect(path)) as cell:
        version, wrapped = cell.execute("SELECT version, wrapped FROM tenant_key ORDER BY version DESC").fetchone()
    parts = ("tenant_key", tenant.id, path.parent.name, str(version))
    row = b"".join(b"%d:%s" % (len(part), part.encode()) for part in parts)
    return AESGCM(root).decrypt(wrapped[5:17], wrapped[17:], wrapped[:5] + row)


class Load:
    """Other tenants at work, with keys, passwords and actions of their own, until it is closed."""

    def __init__(self, server, provider):
        self.stopping = threading.Event()
        self.rounds = [0] * 3
        self.failures = []
        self.secrets = {}
        self.tenants = [new_tenant(server) for _ in self.rounds]
        self.local = Local(self.tenants[1], password="load-correct-horse-battery")
        self.secrets["load's password"] = b"load-correct-horse-battery"
        self.provider = provider
        self.bot = self.tenants[2].agent("loader")
        self.executor = harness.HandExecutor(self.tenants[2]).answer_resolutions()
        work = (self.keys, lambda: self.local.log_in("load-correct-horse-battery"), self.bot.submit)
        self.threads = [threading.Thread(target=self.run, args=(number, one)) for number, one in enumerate(work)]
        for thread in self.threads:
            thread.start()

    def keys(self):
        secret = f"sk-load-{len(self.secrets):04d}-0123456789abcdefghij"
        self.provider.known.add(secret)
        self.secrets[secret] = secret.encode()
        tenant = self.tenants[0]
        tenant.admin.api.ok("POST", f"{tenant.place}/provider-keys",
                            {"provider": "openai_compatible", "name": harness.unique("key"),
                             "base_url": self.provider.url, "secret": secret})

    def run(self, number, one):
        while not self.stopping.is_set():
            try:
                one()
            except Exception as why:  # told by the test
                self.failures.append(why)
                return
            self.rounds[number] += 1

    def wait_for_rounds(self, count):
        goal = [rounds + count for rounds in self.rounds]
        deadline = time.monotonic() + harness.PATIENCE_S
        while any(rounds < least for rounds, least in zip(self.rounds, goal)) and not self.failures:
            assert time.monotonic() < deadline, self.rounds
            time.sleep(0.01)

    def close(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        self.executor.close()
        assert self.failures == []


def canaries(server, provider):
    """A tenant whose keys of every kind have been used, and are remembered where the server remembers such."""
    tenant = new_tenant(server)
    secrets = {"provider's key": b"sk-canary-0123456789abcdefghij", "newer provider's key": b"sk-canary-newer-0123456789ab",
               "password": b"canary-correct-horse-battery"}
    provider.known |= {secret.decode() for name, secret in secrets.items() if "provider" in name}
    path = f"{tenant.place}/provider-keys"
    made = tenant.admin.api.ok("POST", path, {"provider": "openai_compatible", "name": "main", "base_url": provider.url,
                                              "secret": secrets["provider's key"].decode()})
    tenant.admin.api.ok("POST", f"{path}/{made['id']}/rotate",
                        {"secret": secrets["newer provider's key"].decode(), "overlap": "1h"})
    local = Local(tenant, password=secrets["password"].decode())
    session = local.api(secrets["password"].decode())
    session.ok("GET", "/v1/whoami")
    bot = tenant.agent("canary")
    tenant.executor = harness.HandExecutor(tenant).answer_resolutions()  # it waits for work from here on
    bot.submit()
    secrets |= {"administrator's API key": tenant.admin.api.key.encode(), "agent's API key": bot.api.key.encode(),
                "executor's API key": tenant.executor.api.key.encode(), "session": session.key.encode()}
    return tenant, secrets


def test_a_core_file_and_the_most_talkative_log_under_load_hold_no_key(make_server, tmp_path):
    provider = Provider()
    server = make_server(options=["--providers-allow-loopback", "true", "--log-level", "debug", "--log-format", "json",
                                  *CHEAP], env={"MALLOC_ARENA_MAX": "2"}).start()
    tenant, secrets = canaries(server, provider)
    in_safe_memory = set()
    for line in (server.data / "root.key").read_text().splitlines()[1:]:
        secrets[line.split()[0]] = base64.b64decode(line.split()[2])
        in_safe_memory.add(line.split()[0])
    if not harness.on_postgres():
        secrets["tenant's key"] = tenant_key(server, tenant, secrets["current"])
        in_safe_memory.add("tenant's key")
    pid = server.process.process.pid
    load = Load(server, provider)
    try:
        load.wait_for_rounds(3)
        core = core_of(server, tmp_path)
        load.wait_for_rounds(3)
    finally:
        load.close()
    data = without_zeros(core.read_bytes())
    core.unlink()
    assert str(server.data).encode() in data, "the search finds what is there"
    assert found_in(data, secrets) == set()
    assert left_out(pid, secrets) == in_safe_memory, "what is needed is there, where dumps do not go"
    # Nor does anything stay of what the load's requests carried.
    everything = {**secrets, **load.secrets}
    assert found_in(b"".join(map(without_zeros, dumpable(pid))), everything) == set()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    tenant.admin.api.request("GET", "/v1/whoami", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    server.process.wait_for(trace)  # traces are ids in the lines of requests; there is nothing else of them
    for text in (server.process.text, server.api().request("GET", "/metrics").text):
        assert found_in(text.encode(), everything) == set()
    tenant.executor.close()
    provider.close()


def crash(folder, *options):
    """Whether the kernel leaves a core file of a server that aborts, where it may be as large as it likes."""
    folder.mkdir()
    process = harness.Process(["server", "--data-folder", "data", "--listen-port", "0", *options], cwd=folder)
    process.wait_for("serving")
    resource.prlimit(process.process.pid, resource.RLIMIT_CORE, (1 << 20, 1 << 20))
    process.process.send_signal(signal.SIGABRT)
    _, status = os.waitpid(process.process.pid, 0)
    process.process.returncode = -os.WTERMSIG(status)
    assert os.WTERMSIG(status) == signal.SIGABRT
    return os.WCOREDUMP(status)


@pytest.mark.files
def test_a_crash_leaves_no_core_file_unless_the_operator_says_so(tmp_path):
    if not crash(tmp_path / "allowed", "--process-core-dumps", "true"):
        pytest.skip("the kernel writes no core files here (core_pattern, ulimit -c)")
    assert not crash(tmp_path / "default")
