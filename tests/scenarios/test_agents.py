# SPDX-License-Identifier: Apache-2.0
"""How far agents may go: scope, risk tier, grants, whatever their roles say; and that a write is announced in the log."""
import base64
import json
import subprocess
import threading

import pytest
import requests

import harness
from conftest import new_tenant

READS = ("container.list", None)
CHANGES = ("container.stop", "web")
DESTROYS = ("container.remove", "web")
DEFINITION = """\
agent: '1.0'
document: {name: release-bot, version: 1.0.0}
scope: code_gen
risk: high
tools:
  - connector: docker
    operations: [container.list, container.stop]
    environments: [test]
"""


def make(tenant, scope=None, tools=None, risk=None, role="agent"):
    """An agent with a profile; its name for the paths is in `.path`."""
    agent = {k: v for k, v in (("scope", scope), ("tools", tools), ("risk", risk)) if v is not None}
    record = tenant.admin.api.ok("POST", f"{tenant.path}/principals", {
        "kind": "agent", "name": harness.unique("bot"), "roles": [role] if role else [], "agent": agent})
    key = tenant.admin.api.ok("POST", f"{tenant.path}/principals/{record['id']}/keys", {"name": "test"})
    person = harness.Person(tenant, record, key["secret"])
    person.path = f"{tenant.path}/agents/{person.id}"
    return person


def ask(agent, operation, environment="test", connector="docker"):
    """The code of the refusal, or the action's state."""
    name, target = operation
    body = {"environment": environment, "connector": connector, "operation": name}
    if target:
        body["target"] = target
    response = agent.api.request("POST", agent.tenant.actions, body)
    return response.json()["state"] if response.ok else response.json()["code"]


@pytest.fixture
def place(staffed):
    """A tenant with executors in three environments that answer for every name."""
    others = [harness.HandExecutor(staffed, environment).answer_resolutions() for environment in ("dev", "prd")]
    yield staffed
    for other in others:
        other.close()


# ---- scope ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope,environment,reads,changes,destroys", [
    ("read_only", "test", True, False, False),
    ("read_only", "prd", True, False, False),
    ("code_gen", "test", True, True, False),
    ("code_gen", "dev", True, True, False),
    ("code_gen", "prd", True, False, False),
    ("read_write", "test", True, True, True),
    ("read_write", "prd", True, True, True),
])
def test_the_scope_says_what_an_agent_may_ask_for(place, scope, environment, reads, changes, destroys):
    bot = make(place, scope)
    for operation, may in ((READS, reads), (CHANGES, changes), (DESTROYS, destroys)):
        answer = ask(bot, operation, environment)
        assert (answer in ("approved", "pending")) == may, (operation, answer)
        assert may or answer == "BEYOND_SCOPE"


def test_without_a_word_an_agent_is_what_agents_were(tenant):
    bot = tenant.agent()
    about = bot.api.ok("GET", f"{tenant.path}/agents/{bot.id}")
    assert (about["scope"], about["risk"], about["revision"]) == ("read_write", "medium", 1)
    grants = bot.api.ok("GET", f"{tenant.path}/agents/{bot.id}/grants")["items"]
    assert [(g["connector"], g["operation"], g.get("environment")) for g in grants] == [("*", "*", None)]
    assert grants[0]["granted_by"] == tenant.admin.id
    none = make(tenant, tools=[])
    assert none.api.ok("GET", f"{none.path}/grants") == {"items": []}
    assert ask(none, READS) == "NOT_GRANTED"


def test_only_agents_have_a_profile(tenant):
    for kind in ("user", "service"):
        problem = tenant.admin.api.refused("BAD_FIELD", "POST", f"{tenant.path}/principals", {
            "kind": kind, "name": "x", "roles": [], "agent": {"scope": "read_only"}})
        assert problem["pointer"] == "/agent"
    person = tenant.person("user", "auditor")
    tenant.admin.api.refused("NOT_FOUND", "GET", f"{tenant.path}/agents/{person.id}")
    tenant.admin.api.refused("NOT_FOUND", "POST", f"{tenant.path}/agents/{person.id}/grants",
                             {"connector": "*", "operation": "*"})
    wrong = tenant.admin.api.refused("BAD_FIELD", "POST", f"{tenant.path}/principals", {
        "kind": "agent", "name": "x", "roles": [],
        "agent": {"tools": [{"connector": "docker", "operations": ["*"]}, {"connector": "docker", "operations": ["fly"]}]}})
    assert wrong["pointer"] == "/agent/tools/1"
    # Nothing of it is half-made.
    assert "x" not in [p["name"] for p in tenant.admin.api.ok("GET", f"{tenant.path}/principals")["items"]]


# ---- grants --------------------------------------------------------------------------------------------


def test_a_role_says_yes_and_the_missing_grant_says_no(place):
    bot = make(place, tools=[{"connector": "docker", "operations": ["container.list"], "environments": ["test"]}])
    assert ask(bot, READS) == "approved"
    problem = bot.api.refused("NOT_GRANTED", "POST", place.actions,
                              {"environment": "prd", "connector": "docker", "operation": "container.list"})
    assert "docker container.list in prd" in problem["detail"]
    assert ask(bot, CHANGES) == "NOT_GRANTED"
    # A grant without the role is not enough either.
    idle = make(place, role=None)
    assert ask(idle, READS) == "NOT_FOUND"


def test_a_target_is_not_looked_for_without_a_grant(place):
    bot = make(place, tools=[])
    # `missing` is a container that the executor does not find.
    assert ask(bot, ("container.stop", "missing")) == ask(bot, ("container.stop", "web")) == "NOT_GRANTED"
    assert ask(make(place), ("container.stop", "missing")) == "TARGET_NOT_FOUND"


def test_grants_are_given_and_taken_at_once(place):
    admin = place.admin.api
    bot = make(place, tools=[])
    assert ask(bot, CHANGES) == "NOT_GRANTED"
    grant = admin.ok("POST", f"{bot.path}/grants",
                     {"connector": "docker", "operation": "container.stop", "environment": "test"})
    assert grant["granted_by"] == place.admin.id and "revoked_at" not in grant
    assert ask(bot, CHANGES) == "pending"
    assert ask(bot, CHANGES, "dev") == "NOT_GRANTED"
    admin.ok("DELETE", f"{bot.path}/grants/{grant['id']}")
    admin.ok("DELETE", f"{bot.path}/grants/{grant['id']}")
    assert ask(bot, CHANGES) == "NOT_GRANTED"
    kept, = bot.api.ok("GET", f"{bot.path}/grants")["items"]
    assert kept["id"] == grant["id"] and kept["revoked_by"] == place.admin.id and kept["revoked_at"]
    admin.refused("NOT_FOUND", "DELETE", f"{bot.path}/grants/gnt_00000000000000000000000000")
    for body, pointer in (({"connector": "dockers", "operation": "*"}, "/connector"),
                          ({"connector": "docker", "operation": "fly"}, "/operation"),
                          ({"connector": "*", "operation": "container.list"}, "/operation")):
        assert admin.refused("BAD_FIELD", "POST", f"{bot.path}/grants", body)["pointer"] == pointer


def test_an_agent_sees_itself_and_changes_nothing(tenant):
    bot, other = make(tenant), make(tenant)
    assert bot.api.ok("GET", bot.path)["id"] == bot.id
    for path in (other.path, f"{other.path}/grants", f"{tenant.path}/agents"):
        assert "agent.read" in bot.api.refused("FORBIDDEN", "GET", path)["detail"]
    # Another's id and one that never was are refused with the same words.
    unknown = f"{tenant.path}/agents/agt_00000000000000000000000000"
    assert bot.api.refused("FORBIDDEN", "GET", unknown)["detail"] == bot.api.refused("FORBIDDEN", "GET", other.path)["detail"]
    everything = {"connector": "*", "operation": "*"}
    for method, path, body in (("POST", f"{bot.path}/grants", everything), ("POST", f"{other.path}/grants", everything),
                               ("PATCH", bot.path, {"scope": "read_write"}),
                               ("PUT", f"{bot.path}/definition", {"definition": "def_00000000000000000000000000"})):
        assert "agent.manage" in bot.api.refused("FORBIDDEN", method, path, body)["detail"]
    auditor = tenant.person("user", "auditor")
    assert {bot.id, other.id} <= {a["id"] for a in auditor.api.ok("GET", f"{tenant.path}/agents")["items"]}
    denied = auditor.api.refused("FORBIDDEN", "POST", f"{bot.path}/grants", everything)
    assert "agent.manage" in denied["detail"]


def test_no_role_of_ones_own_lets_an_agent_grant(tenant):
    bot = make(tenant)
    tenant.admin.api.ok("POST", f"{tenant.path}/roles", {"name": "granter", "permissions": ["agent.manage", "agent.read"]})
    tenant.admin.api.ok("POST", f"{tenant.path}/bindings", {"principal": bot.id, "role": "granter"})
    problem = bot.api.refused("FORBIDDEN", "POST", f"{bot.path}/grants", {"connector": "*", "operation": "*"})
    assert "agent.manage" in problem["detail"]


def test_a_grant_that_is_revoked_while_the_target_is_looked_for_counts_no_more(tenant):
    bot = make(tenant)
    executor = harness.HandExecutor(tenant)
    grant, = bot.api.ok("GET", f"{bot.path}/grants")["items"]
    for change in (lambda: tenant.admin.api.ok("DELETE", f"{bot.path}/grants/{grant['id']}"),
                   lambda: tenant.admin.api.ok("POST", f"{tenant.path}/principals/{bot.id}/disable")):
        answers = []
        asking = threading.Thread(target=lambda: answers.append(ask(bot, CHANGES)))
        asking.start()
        item, = [i for i in executor.api.ok("GET", f"{tenant.place}/work", params={"wait": "30s"})["items"]
                 if i["kind"] == "resolve"]
        change()
        assert executor.resolve(item).ok
        asking.join()
        assert answers[0] in ("NOT_GRANTED", "UNAUTHENTICATED"), answers
        tenant.admin.api.request("POST", f"{bot.path}/grants", {"connector": "*", "operation": "*"})
    assert tenant.admin.api.ok("GET", tenant.actions)["items"] == []


# ---- changes -------------------------------------------------------------------------------------------


def test_a_change_holds_at_once_and_needs_the_version_that_was_seen(place):
    bot = make(place)
    admin = place.admin.api
    assert ask(bot, CHANGES) == "pending"
    seen = admin.request("GET", bot.path).headers["ETag"]
    admin.refused("PRECONDITION_REQUIRED", "PATCH", bot.path, {"scope": "read_only"})
    changed = admin.ok("PATCH", bot.path, {"scope": "read_only", "risk": "critical"}, headers={"If-Match": seen})
    assert (changed["scope"], changed["risk"], changed["revision"]) == ("read_only", "critical", 2)
    admin.refused("PRECONDITION_FAILED", "PATCH", bot.path, {"scope": "read_write"}, headers={"If-Match": seen})
    assert ask(bot, CHANGES) == "BEYOND_SCOPE"
    assert ask(bot, READS) == "approved"


def published(tenant, content):
    made = tenant.admin.api.ok("POST", f"{tenant.place}/definitions", {"kind": "agent", "content": content})
    return tenant.admin.api.ok("POST", f"{tenant.place}/definitions/{made['id']}/publish", {})["id"]


def test_a_published_definition_becomes_what_the_agent_is(place):
    bot = make(place)
    admin = place.admin.api
    draft = admin.ok("POST", f"{place.place}/definitions", {
        "kind": "agent", "content": DEFINITION.replace("1.0.0", "2.0.0")})["id"]
    admin.refused("CONFLICT", "PUT", f"{bot.path}/definition", {"definition": draft})
    definition = published(place, DEFINITION)
    applied = admin.ok("PUT", f"{bot.path}/definition", {"definition": definition})
    assert (applied["scope"], applied["risk"], applied["definition"]) == ("code_gen", "high", definition)
    grants = admin.ok("GET", f"{bot.path}/grants")["items"]
    assert [(g["connector"], g["operation"]) for g in grants if "revoked_at" in g] == [("*", "*")]
    assert {(g["operation"], g["environment"]) for g in grants if "revoked_at" not in g} == \
        {("container.list", "test"), ("container.stop", "test")}
    assert ask(bot, CHANGES) == "pending"
    assert ask(bot, CHANGES, "dev") == "NOT_GRANTED"
    assert ask(bot, DESTROYS) == "NOT_GRANTED"
    # Changed by hand it is not any more what the definition says.
    etag = admin.request("GET", bot.path).headers["ETag"]
    assert "definition" not in admin.ok("PATCH", bot.path, {"risk": "low"}, headers={"If-Match": etag})
    for wrong in ("def_00000000000000000000000000", published(new_tenant(place.server), DEFINITION)):
        problem = admin.refused("BAD_FIELD", "PUT", f"{bot.path}/definition", {"definition": wrong})
        assert problem["pointer"] == "/definition"


def test_disabling_an_agent_stops_it_at_once(place):
    bot = make(place)
    assert ask(bot, READS) == "approved"
    place.admin.api.ok("POST", f"{place.path}/principals/{bot.id}/disable")
    assert ask(bot, READS) == "UNAUTHENTICATED"
    place.admin.api.refused("CONFLICT", "POST", f"{bot.path}/grants", {"connector": "*", "operation": "*"})


# ---- tokens --------------------------------------------------------------------------------------------


def token(agent, **client):
    admin = agent.tenant.admin.api
    if client:
        admin.ok("PUT", f"{agent.tenant.path}/principals/{agent.id}/token-client", client)
    answer = requests.post(f"{agent.tenant.server.url}/oauth2/token", timeout=30, data={
        "grant_type": "client_credentials", "client_id": agent.id, "client_secret": agent.api.key}).json()
    bearer = harness.Person(agent.tenant, {"id": agent.id, "name": agent.name}, answer["access_token"])
    return bearer


def test_of_token_and_profile_the_stricter_holds(place):
    bot = make(place)
    assert ask(token(bot, agent_scope="read_only"), CHANGES) == "BEYOND_SCOPE"
    assert ask(token(bot, agent_scope="code_gen"), CHANGES) == "pending"
    assert ask(token(bot, agent_scope="code_gen"), CHANGES, "prd") == "BEYOND_SCOPE"
    # What nobody said of the token, the profile says when it is made.
    assert token(make(place, "code_gen", risk="high")).api.ok("GET", "/v1/whoami")["agent_scope"] == "code_gen"
    reader = make(place, "read_only")
    wide = token(reader, agent_scope="read_write", risk_tier="low")
    assert ask(wide, CHANGES) == "BEYOND_SCOPE"
    bot_token = token(bot, agent_scope="read_write", risk_tier="critical")
    action = bot_token.submit("container.stop")
    intent, = [e for e in place.log_entries() if is_intent_of(e, action)]
    assert details(intent)["risk"] == "critical"


# ---- the log -------------------------------------------------------------------------------------------


def details(entry):
    return entry["unmapped"]["details"] if "details" in entry.get("unmapped", {}) else entry["unmapped"]


def operation_of(entry):
    return entry["api"]["operation"]


def is_about(entry, action):
    return action["id"] in json.dumps(entry.get("resources", []))


def is_intent_of(entry, action):
    return operation_of(entry) == "agent.write_intent" and is_about(entry, action)


def test_a_write_is_announced_in_the_log_before_anybody_can_claim_it(staffed):
    bot = make(staffed, risk="high")
    action = bot.submit()
    staffed.anna.decide(action)
    claim = staffed.executor.claim(action["id"])
    staffed.executor.report(action, claim)
    read = bot.submit("container.list", target=None)
    entries = staffed.log_entries()
    about = [operation_of(e) for e in entries if is_about(e, action)]
    assert about[:2] == ["agent.write_intent", "action.submit"], about
    assert about.index("agent.write_intent") < about.index("action.claim") < about.index("action.report")
    intent, = [e for e in entries if is_intent_of(e, action)]
    said = details(intent)
    assert {name: said[name] for name in ("connector", "operation", "environment", "digest", "risk", "agent_scope")} == {
        "connector": "docker", "operation": "container.remove", "environment": "test", "digest": action["digest"],
        "risk": "high", "agent_scope": "read_write"}
    # What only reads announces nothing; neither do people.
    assert not [e for e in entries if is_intent_of(e, read)]
    person = staffed.person("user", "operator").submit()
    assert not [e for e in staffed.log_entries() if is_intent_of(e, person)]
    # The receipt carries it.
    receipt = bot.api.ok("GET", f"{staffed.actions}/{action['id']}/receipt")
    assert operation_of(json.loads(base64.b64decode(receipt["entries"][0]["event"]))) == "agent.write_intent"


def test_what_is_refused_is_logged_as_denied(place):
    bot = make(place, "read_only")
    ask(bot, CHANGES)
    none = make(place, tools=[])
    ask(none, READS)
    denied = [e for e in place.log_entries() if operation_of(e) == "action.submit" and e["action_id"] == 2]
    assert [e["status_code"] for e in denied] == ["BEYOND_SCOPE", "NOT_GRANTED"]
    assert details(denied[0])["operation"] == "container.stop"


# ---- the command line ------------------------------------------------------------------------------------


def test_agents_and_grants_from_the_command_line(tenant, tmp_path):
    profile = tmp_path / "admin.json"

    def cli(*words, code=0):
        done = subprocess.run([str(harness.binary()), *words, "--profile", str(profile)], capture_output=True, text=True,
                              timeout=harness.PATIENCE_S)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    cli("login", "--server", tenant.server.url, "--key", tenant.admin.api.key)
    cli("principal", "create", "agent", "reader", "--role", "agent", "--scope", "read_only", "--risk", "low", "--no-grants")
    assert "It is granted nothing." in cli("grant", "list", "reader")
    made = json.loads(cli("grant", "create", "reader", "docker", "--environment", "test", "--json"))
    assert (made["connector"], made["operation"], made["environment"]) == ("docker", "*", "test")
    assert "docker" in cli("grant", "list", "reader")
    assert json.loads(cli("agent", "show", "reader", "--json"))["scope"] == "read_only"
    cli("agent", "update", "reader", "--scope", "code_gen")
    cli("agent", "update", "reader", "--scope", "code_gen", "--version", "1", code=5)
    document = tmp_path / "agent.yaml"
    document.write_text(DEFINITION)
    cli("definition", "create", "agent", str(document))
    cli("definition", "publish", "agent/release-bot@1.0.0")
    assert "code_gen" in cli("agent", "apply", "reader", "agent/release-bot@1.0.0")
    assert "reader" in cli("agent", "list")
    cli("grant", "revoke", "reader", made["id"])
    cli("grant", "revoke", "reader", "gnt_00000000000000000000000000", code=4)
