# SPDX-License-Identifier: Apache-2.0
"""What actions carry: there while they are open, gone when they close, unless the workspace keeps it (data mode)."""
import base64
import hashlib
import pathlib

import pytest

import cells
import harness
from conftest import new_tenant


class Canaries:
    """Strings that must not be found: one in each place where content goes in."""

    def __init__(self):
        self.words = {place: f"canary{place}{hashlib.sha256(harness.unique(place).encode()).hexdigest()[:20]}"
                      for place in ("task", "instruction", "parameters", "output", "message")}

    def forms(self):
        """As they are, and as base64 has them at each of its three offsets."""
        for place, word in self.words.items():
            raw = word.encode()
            yield place, raw
            for skip in range(3):
                yield f"{place} in base64", base64.b64encode(raw[skip:skip + (len(raw) - skip) // 3 * 3])

    def found_in(self, server, *folders):
        """Where one of them stands: in the server's files, in the rows of its database, in the folders."""
        found = []
        for folder in (server.data, *folders):
            for path in sorted(pathlib.Path(folder).rglob("*")):
                if path.is_file():
                    data = path.read_bytes()
                    found += [f"{place} in {path}" for place, form in self.forms() if form in data]
        if cells.is_shared(server):
            data = cells.stored(server)
            assert b"deploy-bot" in data, "the search itself cannot find"
            found += [f"{place} in a row" for place, form in self.forms() if form in data]
        return found


def staff(server):
    tenant = new_tenant(server)
    tenant.bot = tenant.agent("deploy-bot")
    tenant.anna = tenant.approver("anna")
    tenant.put_roster(tenant.anna)
    tenant.executor = harness.HandExecutor(tenant).answer_resolutions()
    return tenant


def submit(tenant, canaries):
    words = canaries.words
    return tenant.bot.submit("container.run", target="sha256:" + "ab" * 32,
                             parameters={"name": "web", "command": ["echo", words["parameters"]]},
                             task_name=words["task"], instruction=words["instruction"])


def run(tenant, canaries):
    """One action from the question to its report, with a canary in each place."""
    action = submit(tenant, canaries)
    assert action["content"] == "open"
    assert canaries.words["parameters"] in base64.b64decode(action["statement"]).decode()
    if action["state"] == "pending":
        tenant.anna.decide(action)
    claim = tenant.executor.claim(action["id"])
    printed = canaries.words["output"].encode()
    tenant.executor.api.ok("POST", f"{tenant.actions}/{action['id']}/output",
                           {"offset": 0, "data": base64.b64encode(printed).decode()})
    seen = tenant.bot.api.ok("GET", f"{tenant.actions}/{action['id']}/output")
    assert base64.b64decode(seen["data"]) == printed
    payload = tenant.executor.report_bytes(action, claim, message=canaries.words["message"], output_bytes=len(printed),
                                           output_sha256=hashlib.sha256(printed).hexdigest())
    tenant.executor.api.ok("POST", f"{tenant.actions}/{action['id']}/report",
                           tenant.executor.key.envelope(harness.REPORT, payload))
    return action


def test_what_closes_in_metadata_only_is_gone_and_its_digests_stay(server):
    tenant = staff(server)
    canaries = Canaries()
    action = run(tenant, canaries)
    path = f"{tenant.actions}/{action['id']}"
    closed = tenant.bot.api.ok("GET", path)
    assert closed["state"] == "succeeded" and closed["content"] == "gone"
    assert not {"statement", "rendering", "task_name", "instruction"} & closed.keys()
    assert "message" not in closed["outcome"]
    assert closed["digest"] == action["digest"]
    assert closed["outcome"]["output_bytes"] == len(canaries.words["output"])
    assert closed["outcome"]["output_sha256"] == hashlib.sha256(canaries.words["output"].encode()).hexdigest()
    for tail in ("/envelope", "/output"):
        tenant.bot.api.refused("CONTENT_GONE", "GET", path + tail)
    assert tenant.bot.api.ok("GET", path + "/output", params={"offset": len(canaries.words["output"])})["final"]
    # Whoever kept the statement can still show that it is the one of the log.
    assert hashlib.sha256(base64.b64decode(action["statement"])).hexdigest() == closed["digest"]
    receipt = tenant.bot.api.ok("GET", path + "/receipt")
    assert len(receipt["entries"]) >= 3
    tenant.executor.close()


@pytest.mark.parametrize("end", ["rejected", "cancelled", "expired"])
def test_however_it_closes_it_is_gone(make_server, end):
    server = make_server().start()
    tenant = staff(server)
    canaries = Canaries()
    action = tenant.bot.submit(parameters={"force": True}, task_name=canaries.words["task"],
                               instruction=canaries.words["instruction"], expires_in="2s" if end == "expired" else "1h")
    if end == "rejected":
        tenant.anna.decide(action, "reject")
    elif end == "cancelled":
        tenant.bot.api.ok("POST", f"{tenant.actions}/{action['id']}/cancel")
    tenant.executor.close()
    ended = tenant.bot.wait_for(action["id"])
    assert (ended["state"], ended["content"]) == (end, "gone")
    assert server.stop() == 0
    assert canaries.found_in(server) == []


def test_full_keeps_it_sealed(make_server):
    server = make_server().start()
    tenant = staff(server)
    tenant.keep_content()
    canaries = Canaries()
    action = run(tenant, canaries)
    closed = tenant.bot.api.ok("GET", f"{tenant.actions}/{action['id']}")
    assert closed["content"] == "kept" and closed["statement"] == action["statement"]
    assert closed["instruction"] == canaries.words["instruction"]
    assert closed["outcome"]["message"] == canaries.words["message"]
    output = tenant.bot.api.ok("GET", f"{tenant.actions}/{action['id']}/output")
    assert base64.b64decode(output["data"]).decode() == canaries.words["output"]
    tenant.executor.close()
    assert canaries.found_in(server) == [], "kept, but only under the tenant's key"
    server.restart()
    again = server.api(tenant.bot.api.key).ok("GET", f"{tenant.actions}/{action['id']}")
    assert again["instruction"] == canaries.words["instruction"]


def test_nothing_that_the_store_keeps_ever_holds_content(make_server, tmp_path):
    """Open, closed, after a crash in the middle, in an export, in SQLite's own journal and write-ahead log."""
    server = make_server().start()
    tenant = staff(server)
    done, open_ = Canaries(), Canaries()
    run(tenant, done)
    submit(tenant, open_)
    assert done.found_in(server) == [] and open_.found_in(server) == []
    server.kill()
    assert done.found_in(server) == [] and open_.found_in(server) == []
    server.start()
    export = tenant.admin.api.request("GET", f"{tenant.path}/log/export")
    assert export.ok
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "log.ndjson").write_bytes(export.content)
    assert done.found_in(server, tmp_path / "export") == []
    tenant.executor.close()
    assert server.stop() == 0
    assert done.found_in(server) == []
    # The key of what closed is nowhere any more; that of what is open is there, under the tenant's.
    closed, = cells.run(server, tenant, "SELECT content_key FROM action WHERE tenant_id = $1 AND closed_ms IS NOT NULL", tenant.id)
    waits, = cells.run(server, tenant, "SELECT content_key FROM action WHERE tenant_id = $1 AND closed_ms IS NULL", tenant.id)
    assert closed == (None,) and waits[0]
    assert cells.run(server, tenant, "SELECT count(*) FROM action_output WHERE tenant_id = $1", tenant.id) == [("0",)]
    if not cells.is_shared(server):
        # The search itself can find: a name is there in the clear.
        assert any(b"deploy-bot" in path.read_bytes() for path in server.data.rglob("*.db*"))
