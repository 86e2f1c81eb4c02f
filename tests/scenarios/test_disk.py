# SPDX-License-Identifier: Apache-2.0
"""A disk that is full or fails: what was acknowledged is there, what was refused is not, and people are told."""
import pytest
import requests

from conftest import new_tenant
from harness import HandExecutor

pytestmark = [pytest.mark.fault, pytest.mark.files]


def names_of(tenant):
    page = tenant.admin.api.ok("GET", f"{tenant.path}/principals", params={"limit": 200})
    return {item["name"] for item in page["items"]}


def create_until_refused(tenant, prefix, most=40):
    """Names that were acknowledged, and the problems of the others."""
    acknowledged, problems = set(), []
    for number in range(most):
        body = {"kind": "agent", "name": f"{prefix}-{number}", "roles": ["agent"]}
        try:
            response = tenant.admin.api.request("POST", f"{tenant.path}/principals", body)
        except requests.RequestException:
            break
        if response.status_code == 201:
            acknowledged.add(body["name"])
        else:
            problems.append((body["name"], response.json()))
    return acknowledged, problems


@pytest.mark.parametrize("nth", [1, 7, 20, 41])
def test_a_full_disk_refuses_and_loses_nothing(make_server, nth):
    server = make_server().start()
    tenant = new_tenant(server)
    server.restart({"COUNTERSIGN_STORE_FAULT": f"full@{nth}"})
    acknowledged, problems = create_until_refused(tenant, f"full{nth}")
    assert problems, "the disk never became full"
    for _, problem in problems:
        assert (problem["code"], problem["status"]) == ("STORE_FULL", 507), problem
        assert problem["detail"]
    # Reading goes on; so does the process.
    assert acknowledged <= names_of(tenant)
    assert server.api().request("GET", "/healthz").status_code == 200
    server.restart()
    there = names_of(tenant)
    assert acknowledged <= there
    assert not {name for name, _ in problems} & there
    assert tenant.admin.api.request("POST", f"{tenant.path}/principals",
                                    {"kind": "agent", "name": "after", "roles": ["agent"]}).status_code == 201


@pytest.mark.parametrize("kind", ["write", "sync", "io"])
@pytest.mark.parametrize("nth", [1, 2, 9, 23])
def test_a_disk_that_fails_keeps_what_was_acknowledged(make_server, kind, nth):
    server = make_server().start()
    tenant = new_tenant(server)
    server.restart({"COUNTERSIGN_STORE_FAULT": f"{kind}@{nth}"})
    acknowledged, problems = create_until_refused(tenant, f"{kind}{nth}")
    for _, problem in problems:
        assert problem["code"] in ("STORE_FAILED", "WRITE_UNCERTAIN", "STORE_FULL", "STORE_BUSY"), problem
    server.kill()
    server.start()
    there = names_of(tenant)
    assert acknowledged <= there
    certain = {name for name, problem in problems if problem["code"] != "WRITE_UNCERTAIN"}
    assert not certain & there, "a write that was refused for certain is there"


def test_one_failed_write_hurts_nobody_else(make_server):
    server = make_server().start()
    tenant = new_tenant(server)
    bot, anna = tenant.agent(), tenant.approver()
    tenant.put_roster(anna)
    executor = HandExecutor(tenant)
    server.restart({"COUNTERSIGN_STORE_FAULT": "write@12,once"})
    acknowledged, problems = create_until_refused(tenant, "once", most=15)
    assert len(problems) <= 1, problems
    assert acknowledged <= names_of(tenant)
    action = bot.submit("container.list", target=None)
    assert executor.report(action, executor.claim(action["id"]))["state"] == "succeeded"
    operations = [event["api"]["operation"] for event in tenant.log_entries() if event["action_id"] == 1]
    assert operations.count("principal.create") >= len(acknowledged)
