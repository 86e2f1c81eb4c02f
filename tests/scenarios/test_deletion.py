# SPDX-License-Identifier: Apache-2.0
"""Nothing is deleted by accident: archived first, then an action that two people approve, run once by the server."""
import json

import pytest
import requests

import cells
import harness
from conftest import new_tenant


def staff(server):
    tenant = new_tenant(server)
    tenant.anna, tenant.ben, tenant.cora = (tenant.approver(name) for name in ("anna", "ben", "cora"))
    tenant.put_roster(tenant.anna, tenant.ben, tenant.cora)
    return tenant


@pytest.fixture
def people(server):
    return staff(server)


def ask(person, operation, target, actions=None):
    return person.api.ok("POST", actions or person.tenant.actions, {
        "environment": "control-plane", "connector": "countersign", "operation": operation, "target": target})


def shop(tenant):
    """A second workspace with an action and an executor in it."""
    made = tenant.admin.api.ok("POST", f"{tenant.path}/workspaces", {"name": "shop"})
    place = f"/v1/workspaces/{made['id']}"
    tenant.admin.api.ok("POST", f"{place}/executors", {"name": "exe", "environment": "test"})
    tenant.admin.api.ok("POST", f"{place}/actions", {
        "environment": "test", "connector": "docker", "operation": "container.remove", "target": "a" * 64,
        "instruction": "a canary in the shop"})
    return made


def test_a_workspace_goes_when_two_people_agree(people):
    api = people.admin.api
    made = shop(people)
    place = f"{people.path}/workspaces/{made['id']}"
    body = {"environment": "control-plane", "connector": "countersign", "operation": "workspace.delete",
            "target": made["id"]}
    assert "archive it first" in api.refused("CONFLICT", "POST", people.actions, body)["detail"]
    api.ok("POST", f"{place}/archive")
    action = ask(people.admin, "workspace.delete", made["id"])
    assert action["state"] == "pending" and action["requirement"]["decisions"] == 2
    assert {"label": "Workspace name", "value": "shop"} in [
        {"label": line["label"], "value": line["value"]} for line in action["rendering"]]
    people.anna.decide(action)
    assert api.ok("GET", place)["state"] == "archived"
    people.ben.decide(action)
    done = people.admin.action(action["id"], wait="10s")
    assert done["state"] == "succeeded" and "deleted" in done["outcome"]["message"]
    api.refused("NOT_FOUND", "GET", place)
    api.refused("NOT_FOUND", "GET", f"/v1/workspaces/{made['id']}/actions")
    assert made["id"] not in json.dumps(api.ok("GET", f"{people.path}/workspaces"))
    # The name is free, the log says what happened, and the receipt proves it.
    api.ok("POST", f"{people.path}/workspaces", {"name": "shop"})
    assert "workspace.delete" in json.dumps(people.log_entries())
    assert api.request("GET", f"{people.actions}/{action['id']}/receipt").status_code == 200


def test_nothing_of_a_deleted_workspace_is_left(people):
    """Definitions, promotions, bindings: the cell has not one row that names it, but its grave."""
    api = people.admin.api
    made = shop(people)
    path = f"/v1/workspaces/{made['id']}/definitions"
    draft = api.ok("POST", path, {"kind": "workflow", "content": (
        "document: {dsl: 1.0.0, namespace: default, name: canary-plan, version: 1.0.0, tags: {team: canary}}\n"
        "do:\n  - first: {set: {a: 1}}\n")})
    api.ok("POST", f"{path}/{draft['id']}/publish", {"digest": draft["digest"]})
    api.ok("POST", f"{path}/{draft['id']}/promotions", {"environment": "test"})
    bob = people.person("user")
    api.ok("POST", f"{people.path}/bindings", {"principal": bob.id, "role": "viewer", "workspace": made["id"]})
    api.ok("POST", f"{people.path}/workspaces/{made['id']}/archive")
    action = ask(people.admin, "workspace.delete", made["id"])
    people.anna.decide(action)
    people.ben.decide(action)
    assert people.admin.action(action["id"], wait="10s")["state"] == "succeeded"
    for table in ("definition", "definition_tag", "definition_promotion"):
        assert cells.run(people.server, people, f"SELECT count(*) FROM {table} WHERE tenant_id = $1", people.id) == [("0",)]
    assert cells.run(people.server, people, "SELECT count(*) FROM access_binding WHERE scope_id = $1", made["id"]) == [("0",)]


def test_no_token_is_for_a_deleted_workspace(people):
    api = people.admin.api
    made = shop(people)
    bob = people.person("service", "operator")

    def ask_token(**more):
        return requests.post(f"{people.server.url}/oauth2/token", timeout=harness.PATIENCE_S, data={
            "grant_type": "client_credentials", "client_id": bob.id, "client_secret": bob.api.key, **more})

    assert ask_token().status_code == 400, "two workspaces: one must be named"
    api.ok("POST", f"{people.path}/workspaces/{made['id']}/archive")
    action = ask(people.admin, "workspace.delete", made["id"])
    people.anna.decide(action)
    people.ben.decide(action)
    assert people.admin.action(action["id"], wait="10s")["state"] == "succeeded"
    assert ask_token(workspace=made["id"]).status_code == 400
    only = ask_token()
    assert only.status_code == 200, only.text
    assert people.server.api(only.json()["access_token"]).ok("GET", people.actions)["items"] is not None


def test_it_is_run_by_nobody_else_and_nowhere_else(people):
    api = people.admin.api
    made = shop(people)
    api.ok("POST", f"{people.path}/workspaces/{made['id']}/archive")
    for environment in ("test", "prd"):
        assert api.refused("BAD_FIELD", "POST", people.actions, {
            "environment": environment, "connector": "countersign", "operation": "workspace.delete",
            "target": made["id"]})["pointer"] == "/environment"
    api.refused("BAD_FIELD", "POST", people.actions, {
        "environment": "control-plane", "connector": "docker", "operation": "container.list"})
    api.refused("BAD_FIELD", "POST", f"{people.place}/executors", {"name": "x", "environment": "control-plane"})
    # Another tenant's workspace is not there.
    other = new_tenant(people.server)
    api.refused("TARGET_NOT_FOUND", "POST", people.actions, {
        "environment": "control-plane", "connector": "countersign", "operation": "workspace.delete",
        "target": other.workspace})
    api.refused("TARGET_NOT_FOUND", "POST", people.actions, {
        "environment": "control-plane", "connector": "countersign", "operation": "tenant.delete",
        "target": other.id})


def test_what_is_resumed_meanwhile_is_not_deleted(people):
    api = people.admin.api
    made = shop(people)
    place = f"{people.path}/workspaces/{made['id']}"
    api.ok("POST", f"{place}/archive")
    action = ask(people.admin, "workspace.delete", made["id"])
    api.ok("POST", f"{place}/resume")
    people.anna.decide(action)
    people.ben.decide(action)
    done = people.admin.action(action["id"], wait="10s")
    assert done["state"] == "failed" and "archive it first" in done["outcome"]["message"]
    assert api.ok("GET", place)["state"] == "active"
    assert len(api.ok("GET", f"/v1/workspaces/{made['id']}/actions")["items"]) == 1


def test_who_left_the_roster_meanwhile_does_not_count(people):
    api = people.admin.api
    made = shop(people)
    api.ok("POST", f"{people.path}/workspaces/{made['id']}/archive")
    action = ask(people.admin, "workspace.delete", made["id"])
    people.anna.decide(action)
    people.put_roster(people.ben, people.cora)
    people.ben.decide(action)
    assert people.admin.action(action["id"])["state"] == "pending"
    people.cora.decide(action)
    assert people.admin.action(action["id"], wait="10s")["state"] == "succeeded"


def test_a_tenant_goes_when_its_own_people_agree_and_leaves_its_proof(make_server):
    server = make_server().start()
    platform = server.api(server.bootstrap_key)
    people = staff(server)
    shop(people)
    action = ask(people.admin, "tenant.delete", people.id)
    people.anna.decide(action)
    people.ben.decide(action)
    refused = people.admin.action(action["id"], wait="10s")
    assert refused["state"] == "failed" and "archive it first" in refused["outcome"]["message"]

    platform.ok("POST", f"/v1/platform/tenants/{people.id}/archive")
    action = ask(people.admin, "tenant.delete", people.id)
    people.anna.decide(action)
    people.ben.decide(action)
    people.admin.api.refused("UNAUTHENTICATED", "GET", "/v1/whoami")
    people.admin.api.refused("UNAUTHENTICATED", "GET", people.actions)
    platform.refused("NOT_FOUND", "GET", f"/v1/platform/tenants/{people.id}")
    # The name is free again, and a restart finds nothing to do.
    platform.ok("POST", "/v1/tenants", {"name": people.name})
    server.restart()
    assert cells.is_forgotten(server, people)
    grave, = cells.directory(server, "SELECT envelope, rosters, checkpoint, vkey, proof FROM tenant_grave WHERE tenant_id = $1",
                             people.id)
    assert all(grave)
    envelope = json.loads(bytes.fromhex(grave[0][2:]) if grave[0].startswith("\\x") else grave[0])
    assert {s["keyid"] for s in envelope["signatures"]} == {people.anna.key.id, people.ben.key.id}
    assert people.id in grave[2]


@pytest.mark.crash
def test_a_deletion_that_is_cut_off_anywhere_ends_at_the_next_start(make_server, tmp_path):
    steps = tmp_path / "steps"

    def story(server):
        platform = server.api(server.bootstrap_key)
        people = staff(server)
        platform.ok("POST", f"/v1/platform/tenants/{people.id}/archive")
        action = ask(people.admin, "tenant.delete", people.id)
        people.anna.decide(action)
        return platform, people, action

    server = make_server("count").start()
    platform, people, action = story(server)
    server.restart({"COUNTERSIGN_STEP_FILE": str(steps)})
    people.ben.decide(action)
    server.stop()
    names = [line.split(" ", 1)[1] for line in steps.read_text().splitlines()]
    ours = [i + 1 for i, name in enumerate(names) if name.startswith("deletion: ")]
    assert len(ours) == 5, names

    server = make_server().start()
    for step in ours:
        platform, people, action = story(server)
        server.restart({"COUNTERSIGN_KILL_AT": str(step)})
        with pytest.raises(requests.RequestException):
            people.ben.decide(action)
        assert server.process.wait() != 0
        server.start()
        if names[step - 1] == "deletion: closed":
            # The effect had not begun: it begins anew, from the approval that stands.
            server.process.wait_for("a tenant was deleted")
        platform.refused("NOT_FOUND", "GET", f"/v1/platform/tenants/{people.id}")
        people.admin.api.refused("UNAUTHENTICATED", "GET", "/v1/whoami")
    assert server.stop() == 0
