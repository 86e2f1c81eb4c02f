# SPDX-License-Identifier: Apache-2.0
"""What a core dump of the server would hold: no provider's key, no root key, not even after a lot of work with them."""
import base64
import concurrent.futures
import pathlib
import re

import pytest

import harness
from conftest import new_tenant
from test_provider_keys import Provider


def dumpable(pid):
    """What a core dump holds of the process: its writable memory, but for what is marked to be left out."""
    maps = pathlib.Path(f"/proc/{pid}/smaps").read_text()
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for block in re.finditer(r"^([0-9a-f]+)-([0-9a-f]+) (\S+) .*\n((?:\w+:.*\n)+)", maps, re.M):
            flags = re.search(r"^VmFlags:(.*)$", block[4], re.M)[1].split()
            if "w" in block[3] and "dd" not in flags:
                memory.seek(int(block[1], 16))
                try:
                    yield memory.read(int(block[2], 16) - int(block[1], 16))
                except OSError:  # taken back meanwhile
                    continue


def count(pid, words):
    return {name: sum(piece.count(word) for piece in dumpable(pid)) for name, word in words.items()}


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


@pytest.mark.skipif(not pathlib.Path("/proc/self/smaps").exists(), reason="needs /proc")
def test_the_search_would_find_one(make_server):
    """A name is no secret, and its request leaves it behind."""
    server = make_server().start()
    tenant = new_tenant(server)
    word = "agent-that-leaves-traces"
    tenant.admin.api.ok("POST", f"{tenant.path}/principals", {"kind": "agent", "name": word, "roles": ["agent"]})
    assert count(server.process.process.pid, {"name": word.encode()})["name"] > 0
