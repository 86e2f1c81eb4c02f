# SPDX-License-Identifier: Apache-2.0
"""The AuthZEN Authorization API 1.0, and why somebody may: the same rules answer both."""
import base64
import json
import os
import pathlib

import pytest

import harness
from test_access import Access

VECTORS = pathlib.Path(os.environ.get("COUNTERSIGN_VECTORS", harness.ROOT.parent / "shared" / "vectors"))
INTEROP = VECTORS / "authzen" / "decisions-authorization-api-1_0-02.json"
ONE, ALL = "/access/v1/evaluation", "/access/v1/evaluations"

# The people of the interoperability scenario: who they are elsewhere, and their roles.
PEOPLE = {
    "fd0614d3-c39a-4781-b7bd-8b96f5a5100d": ("rick@the-citadel.com", ["todo-admin", "todo-evil-genius"]),
    "fd1614d3-c39a-4781-b7bd-8b96f5a5100d": ("morty@the-citadel.com", ["todo-editor"]),
    "fd2614d3-c39a-4781-b7bd-8b96f5a5100d": ("summer@the-smiths.com", ["todo-editor"]),
    "fd3614d3-c39a-4781-b7bd-8b96f5a5100d": ("beth@the-smiths.com", ["todo-viewer"]),
    "fd4614d3-c39a-4781-b7bd-8b96f5a5100d": ("jerry@the-smiths.com", ["todo-viewer"]),
}
OWN = "resource.properties.ownerID == principal.name"


def subject_id(number):
    """As the scenario's identity provider writes it."""
    return base64.b64encode(b"\n\x24" + number.encode() + b"\x12\x05local").decode().rstrip("=")


@pytest.fixture(scope="module")
def todo(server):
    """The scenario, in our policy, made by the API; and the program that asks."""
    from conftest import new_tenant
    tenant = new_tenant(server)
    access = Access(tenant)

    def role(name, *permissions):
        access.api.ok("POST", f"{tenant.path}/roles",
                      {"name": name, "permissions": [f"x:{p}" for p in permissions]})

    role("todo-viewer", "can_read_user", "can_read_todos")
    role("todo-editor", "can_read_user", "can_read_todos", "can_create_todo")
    role("todo-author", "can_update_todo", "can_delete_todo")
    role("todo-admin", "can_read_user", "can_read_todos", "can_create_todo", "can_delete_todo")
    role("todo-evil-genius", "can_update_todo")
    for number, (name, roles) in PEOPLE.items():
        person = access.api.ok("POST", f"{tenant.path}/principals", {"kind": "user", "name": name, "roles": []})
        access.api.ok("POST", f"{tenant.path}/principals/{person['id']}/subjects",
                      {"type": "user", "id": subject_id(number)})
        for one in roles:
            access.bind(person["id"], one)
        if "todo-editor" in roles:
            access.bind(person["id"], "todo-author", condition=OWN)
    tenant.pep = tenant.person("service", "service").api
    return tenant


def interop(kind):
    if not INTEROP.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"the AuthZEN vectors are not here: {INTEROP}"))]
    return json.loads(INTEROP.read_text())[kind]


@pytest.mark.parametrize("case", interop("evaluation"))
def test_a_decision_of_the_public_scenario(todo, case):
    assert todo.pep.ok("POST", ONE, case["request"]) == {"decision": case["expected"]}


@pytest.mark.parametrize("case", interop("evaluations"))
def test_several_decisions_of_the_public_scenario(todo, case):
    assert todo.pep.ok("POST", ALL, case["request"]) == {"evaluations": case["expected"]}


def question(number=0, action="can_read_user", **more):
    return {"subject": {"type": "user", "id": subject_id(list(PEOPLE)[number])}, "action": {"name": action},
            "resource": {"type": "user", "id": "somebody"}, **more}


def test_semantics_stop_where_they_say(todo):
    body = question(3)
    body["evaluations"] = [{}, {"action": {"name": "can_create_todo"}}, {"action": {"name": "can_read_todos"}},
                           {"action": {"name": "can_delete_todo"}}]

    def ask(semantic):
        answer = todo.pep.ok("POST", ALL, {**body, "options": {"evaluations_semantic": semantic}})
        return [one["decision"] for one in answer["evaluations"]]

    assert ask("execute_all") == [True, False, True, False]
    assert ask("deny_on_first_deny") == [True, False]
    assert ask("permit_on_first_permit") == [True]
    todo.pep.refused("BAD_REQUEST", "POST", ALL, {**body, "options": {"evaluations_semantic": "guess"}})
    # Without evaluations it is one question.
    assert todo.pep.ok("POST", ALL, question(3)) == {"decision": True}
    # One that is malformed is that one's answer.
    body["evaluations"] = [{}, {"subject": {"type": "user"}}]
    first, second = todo.pep.ok("POST", ALL, body)["evaluations"]
    assert first == {"decision": True}
    assert second["decision"] is False and second["context"]["error"]["status"] == 400


def test_who_is_not_known_may_nothing(todo):
    stranger = {"type": "user", "id": "nobody-knows-me"}
    assert todo.pep.ok("POST", ONE, {**question(), "subject": stranger}) == {"decision": False}
    assert todo.pep.ok("POST", ONE, question(action="can_fly")) == {"decision": False}
    # A principal of ours is known by its id, and its kind must be right.
    admin = todo.admin.id
    ours = {"action": {"name": "principal.read"}, "resource": {"type": "tenant", "id": todo.id}}
    assert todo.pep.ok("POST", ONE, {"subject": {"type": "user", "id": admin}, **ours}) == {"decision": True}
    assert todo.pep.ok("POST", ONE, {"subject": {"type": "agent", "id": admin}, **ours}) == {"decision": False}


@pytest.mark.parametrize("broken", [
    {"subject": None}, {"subject": {"type": "user"}}, {"subject": {"id": "x"}}, {"action": {}}, {"action": None},
    {"resource": {"type": "user"}}, {"resource": {"id": "x"}}, {"subject": {"type": 7, "id": "x"}}])
def test_what_is_malformed_is_refused(todo, broken):
    body = {key: value for key, value in {**question(), **broken}.items() if value is not None}
    todo.pep.refused("BAD_REQUEST", "POST", ONE, body)


def test_the_request_id_comes_back(todo):
    answer = todo.pep.request("POST", ONE, question(), headers={"X-Request-ID": "bfe9eb29-ab87-4ca3-be83-a1d5d8305716"})
    assert answer.headers["X-Request-ID"] == "bfe9eb29-ab87-4ca3-be83-a1d5d8305716"
    assert todo.pep.request("POST", ONE, question()).headers["X-Request-ID"].startswith("req_")


def test_the_metadata_says_where_to_ask(todo):
    found = todo.server.api().ok("GET", "/.well-known/authzen-configuration")
    assert found["access_evaluation_endpoint"] == found["policy_decision_point"] + ONE
    assert found["access_evaluations_endpoint"] == found["policy_decision_point"] + ALL
    refused = todo.server.api().request("GET", "/.well-known/authzen-configuration", params={"a": "b"})
    assert refused.status_code == 400, refused.text


def test_asking_needs_a_permission(todo, other_tenant):
    viewer = todo.person("user", "viewer")
    assert "access.evaluate" in viewer.api.refused("FORBIDDEN", "POST", ONE, question())["detail"]
    viewer.api.refused("FORBIDDEN", "POST", ALL, question())
    # Another tenant's subjects are nobody here.
    assert other_tenant.admin.api.ok("POST", ONE, question()) == {"decision": False}


# ---- why

def explain(tenant, principal, **question):
    return tenant.admin.api.ok("POST", f"{tenant.path}/access/explain", {"principal": principal, **question})


def test_what_nothing_allows_is_explained(tenant):
    ann = tenant.person("user")
    said = explain(tenant, ann.id, operation="action_submit", resource_type="workspace", resource=tenant.workspace)
    assert said["decision"] is False and said["permission"] == "action.submit" and said["rules"] == []
    assert "operator" in said["changes"][0] and "action.submit" in said["changes"][0]


def test_a_condition_is_explained_with_what_it_saw(tenant):
    access = Access(tenant)
    ann = tenant.person("user")
    binding = access.bind(ann.id, "auditor", condition="network.address.startsWith('10.')")
    here = explain(tenant, ann.id, permission="log.read", network_address="10.1.2.3")
    assert here["decision"] is True and here["rules"][0]["outcome"] == "holds" and here["rules"][0]["decided"]
    away = explain(tenant, ann.id, permission="log.read", network_address="192.0.2.1")
    assert away["decision"] is False
    rule = away["rules"][0]
    assert rule["binding"] == binding["id"] and rule["outcome"] == "does_not_hold"
    assert "192.0.2.1" in rule["values"]
    assert any(binding["id"] in change for change in away["changes"])


def test_a_ban_and_an_owner_are_explained(staffed):
    access = Access(staffed)
    ann, ben = staffed.person("user", "contributor"), staffed.person("user", "contributor")
    action = ann.submit()
    mine = dict(operation="action_cancel", resource_type="action", resource=action["id"])
    said = explain(staffed, ann.id, **mine)
    assert said["decision"] is True and said["rules"][0]["owner_only"] is True
    said = explain(staffed, ben.id, **mine)
    assert said["decision"] is False and said["rules"][0]["outcome"] == "not_owner"
    ban = access.bind(ann.id, access.role(["action.cancel"])["name"], effect="forbid")
    said = explain(staffed, ann.id, **mine)
    assert said["decision"] is False and "forbids" in said["reason"]
    assert any(ban["id"] in change for change in said["changes"])


def test_a_question_is_checked(tenant):
    path, refused = f"{tenant.path}/access/explain", tenant.admin.api.refused
    refused("BAD_FIELD", "POST", path, {"principal": tenant.admin.id})
    refused("BAD_FIELD", "POST", path, {"principal": tenant.admin.id, "operation": "no_such"})
    refused("BAD_FIELD", "POST", path, {"principal": tenant.admin.id, "permission": "no.such"})
    assert explain(tenant, "usr_00000000000000000000000000", permission="log.read")["decision"] is False
