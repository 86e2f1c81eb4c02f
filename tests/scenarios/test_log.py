# SPDX-License-Identifier: Apache-2.0
"""The log over HTTP: complete, served as tlog-tiles, read by others, and never forked."""
import base64
import importlib.util
import json
import subprocess

import pytest

import cells
from conftest import new_tenant
from harness import ROOT


@pytest.fixture(scope="session")
def tlogverify(tmp_path_factory):
    """Go's note and tlog packages as a program."""
    spec = importlib.util.spec_from_file_location("other_verifiers", ROOT / "tests/conformance/other_verifiers_test.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    program = module.go_build(ROOT / "tests/conformance/go/tlogverify.go", tmp_path_factory.mktemp("go"))
    if not program:
        pytest.skip("no Go with golang-golang-x-mod-dev")
    return program


def checkpoint(tenant):
    return tenant.admin.api.ok("GET", f"{tenant.path}/log/checkpoint").decode()


def size_of(note):
    return int(note.split("\n")[1])


def test_another_implementation_reads_and_verifies_it(tenant, tlogverify, tmp_path):
    (tmp_path / "old").write_text(checkpoint(tenant))
    for _ in range(280):
        tenant.admin.api.ok("POST", f"{tenant.path}/principals/{tenant.admin.id}/keys", {"name": "one of many"})
    key = tenant.admin.api.ok("GET", f"{tenant.path}/log/key")["key"]
    base = f"{tenant.server.url}{tenant.path}/log"
    command = [str(tlogverify), "-token", tenant.admin.api.key, "-old", str(tmp_path / "old")]
    done = subprocess.run([*command, "-vkey", key, base], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split(": ")[1].split(" ")[0]) > 280, done.stdout
    other = new_tenant(tenant.server)
    foreign = other.admin.api.ok("GET", f"{other.path}/log/key")["key"]
    done = subprocess.run([*command, "-vkey", foreign, base], capture_output=True, text=True, check=False)
    assert done.returncode != 0


def test_what_is_allowed_and_what_is_denied_are_entered(staffed):
    action = staffed.bot.submit()
    staffed.bot.refused_decision("FORBIDDEN", action)
    staffed.anna.decide(action)
    events = [event for event in staffed.log_entries()
              if {"type": "action", "uid": action["id"]} in event.get("resources", [])]
    seen = [(event["api"]["operation"], event["actor"]["user"]["uid"], event["action_id"]) for event in events]
    assert ("action.submit", staffed.bot.id, 1) in seen
    assert ("action.decide", staffed.anna.id, 1) in seen
    denied = [event for event in staffed.log_entries() if event["action_id"] == 2]
    assert any(event["actor"]["user"]["uid"] == staffed.bot.id and event["status_code"] == "FORBIDDEN"
               for event in denied), denied


def test_leaves_are_canonical_ocsf_without_names(tenant):
    person = tenant.person("user", "auditor", "Ada Lovelace")
    export = tenant.admin.api.request("GET", f"{tenant.path}/log/export").content.split(b"\n")
    leaves = [line for line in export[1:-1] if not line.startswith(b'{"tile":')]
    assert any(person.id.encode() in leaf for leaf in leaves)
    for leaf in leaves:
        event = json.loads(leaf)
        assert json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == leaf
        assert event["class_uid"] == 6003 and event["metadata"]["version"] == "1.8.0"
        assert event["type_uid"] == 600300 + event["activity_id"] and event["action_id"] in (1, 2)
        assert b"Lovelace" not in leaf


def test_entries_come_newest_first_and_all(tenant):
    for _ in range(5):
        tenant.person("user", "auditor")
    items, cursor = [], None
    while cursor is not None or not items:
        page = tenant.admin.api.ok("GET", f"{tenant.path}/log/entries",
                                   params={"limit": 3, **({"cursor": cursor} if cursor else {})})
        assert len(page["items"]) <= 3
        items += page["items"]
        cursor = page.get("next")
    assert [item["index"] for item in items] == list(reversed(range(len(items))))
    assert size_of(checkpoint(tenant)) >= len(items) > 10


def test_tiles_that_are_not_there_are_not_found(tenant):
    size = size_of(checkpoint(tenant))
    api, path = tenant.admin.api, f"{tenant.path}/log/tile"
    assert len(api.ok("GET", f"{path}/0/000.p/{size}")) == 32 * size
    for missing in (f"0/000.p/{size + 200}", "0/000", "0/001", "1/000", "entries/000", "0/000.p/0", "0/000.p/256",
                    "0/0", "x/000", "0/000/", "64/000", "0/x001/000/000", "..%2fcheckpoint"):
        problem = api.request("GET", f"{path}/{missing}")
        assert problem.status_code == 404, (missing, problem.text)


def test_the_log_is_for_those_who_may_read_it(tenant, other_tenant):
    bot = tenant.agent()
    auditor = tenant.person("user", "auditor")
    for what in ("checkpoint", "tile/0/000.p/1", "key", "entries", "export"):
        assert auditor.api.request("GET", f"{tenant.path}/log/{what}").ok
        bot.api.refused("FORBIDDEN", "GET", f"{tenant.path}/log/{what}")
        other_tenant.admin.api.refused("NOT_FOUND", "GET", f"{tenant.path}/log/{what}")
        tenant.server.api().refused("UNAUTHENTICATED", "GET", f"{tenant.path}/log/{what}")


@pytest.mark.crash
def test_a_cell_that_was_put_back_opens_a_new_epoch(make_server):
    server = make_server().start()
    tenant = new_tenant(server)
    for _ in range(3):
        tenant.person("user", "auditor")
    first = checkpoint(tenant)
    assert server.stop() == 0
    copy = cells.Copy(server, tenant)
    server.start()
    tenant.person("user", "auditor")
    assert size_of(checkpoint(tenant)) > size_of(first)
    assert server.stop() == 0
    copy.put_back()
    server.start()
    second = checkpoint(tenant)
    assert first.split("\n")[0].endswith("/1") and second.split("\n")[0].endswith("/2")
    opening = tenant.log_entries()[0]
    assert opening["api"]["operation"] == "log.epoch.open"
    assert opening["unmapped"]["previous_size"] == str(size_of(first))
    root = base64.b64decode(first.split("\n")[2]).hex()
    assert opening["unmapped"]["previous_root"] == root
    tenant.person("user", "auditor")
    assert size_of(checkpoint(tenant)) > size_of(second)
