# SPDX-License-Identifier: Apache-2.0
"""Policies: written, tried, put into force layer by layer, protected, explained."""
import base64
import json
import time

import pytest

import conftest
import harness
import test_nodes

POLICY = """\
policy: '1.0'
document: {{name: {name}, version: {version}}}
rules:
{rules}
  - {{name: the-rest, effect: permit}}
"""
NO_REMOVAL = """\
  - name: nothing-goes
    effect: forbid
    operations: [docker/*.remove]
    environments: [prd]
    when: "requester.kind == 'user' || requester.kind == 'agent'"
    reason: Nothing is removed here.
"""
THREE = """\
  - {name: three-agree, effect: require, decisions: 3, when: operation.effect == 'destroys'}
"""


def policy(rules, name="house", version="1.0.0"):
    return POLICY.format(name=name, version=version, rules=rules)


def published(tenant, content, place=None):
    api = tenant.admin.api
    place = place or tenant.place
    draft = api.ok("POST", f"{place}/definitions", {"kind": "policy", "content": content})
    return api.ok("POST", f"{place}/definitions/{draft['id']}/publish", {"digest": draft["digest"]})


def activate(tenant, definition, **where):
    path = f"/v1/tenants/{tenant.id}/policies" if where else f"{tenant.place}/policies"
    body = {"definition": definition["id"]}
    body.update(where)
    return tenant.admin.api.ok("POST", path, body)


def explain(tenant, operation="container.remove", environment="prd", target="web", **more):
    return tenant.admin.api.ok("POST", f"{tenant.place}/policy-explanations", {
        "environment": environment, "connector": "docker", "operation": operation, "target": target, **more})


def short(decision):
    return decision["verdict"], decision["decisions"], decision["rule"]


@pytest.fixture
def api(tenant):
    return tenant.admin.api


def test_where_nobody_wrote_anything_the_built_in_policy_decides(tenant, api):
    listed = api.ok("GET", f"{tenant.place}/policies")
    built_in, = listed["items"]
    assert (built_in["layer"], built_in["name"], listed["protected"]) == ("platform", "built-in", False)
    assert short(explain(tenant, "container.list", target="")) == ("allow", 0, "reads-run-at-once")
    assert short(explain(tenant, "container.restart")) == ("require", 1, "changes-need-one")
    assert short(explain(tenant)) == ("require", 2, "destroys-need-two")
    assert short(explain(tenant, environment="test")) == ("require", 1, "destroys-in-test-need-one")
    # It could be anybody's: it is a document like others, and has no mistake.
    check = api.ok("POST", f"{tenant.place}/policy-checks", {"content": built_in["content"]})
    assert check["valid"] and len(check["examples"]) == 4


def test_a_policy_of_the_workspace_decides_on_actions_at_once(tenant, api):
    before = api.ok("GET", f"{tenant.place}/policies")["digest"]
    definition = published(tenant, policy(NO_REMOVAL))
    assert short(explain(tenant)) == ("require", 2, "destroys-need-two")
    active = activate(tenant, definition)
    assert (active["layer"], active["name"], active["rules"]) == ("workspace", "house", 2)
    decision = explain(tenant, requester={"kind": "agent"})
    assert short(decision) == ("deny", 0, "nothing-goes") and decision["reason"] == "Nothing is removed here."
    action = api.ok("POST", tenant.actions, {"environment": "prd", "connector": "docker", "target": "a" * 64,
                                             "operation": "container.remove"})
    assert action["state"] == "denied"
    listed = api.ok("GET", f"{tenant.place}/policies")
    assert listed["digest"] != before
    assert [item["layer"] for item in listed["items"]] == ["platform", "workspace"]
    api.ok("DELETE", f"{tenant.place}/policies/{definition['id']}")
    assert short(explain(tenant)) == ("require", 2, "destroys-need-two")
    api.refused("NOT_FOUND", "DELETE", f"{tenant.place}/policies/{definition['id']}")


def test_of_each_name_one_version_is_in_force(tenant, api):
    activate(tenant, published(tenant, policy(NO_REMOVAL)))
    activate(tenant, published(tenant, policy(THREE, version="1.1.0")))
    items = api.ok("GET", f"{tenant.place}/policies")["items"]
    assert [(item["name"], item["version"]) for item in items[1:]] == [("house", "1.1.0")]
    assert short(explain(tenant)) == ("require", 3, "three-agree")


def test_only_published_policies_are_put_into_force(tenant, api, other_tenant):
    draft = api.ok("POST", f"{tenant.place}/definitions", {"kind": "policy", "content": policy(THREE)})
    api.refused("CONFLICT", "POST", f"{tenant.place}/policies", {"definition": draft["id"]})
    agent = published_agent(tenant)
    assert "not a policy" in api.refused("CONFLICT", "POST", f"{tenant.place}/policies",
                                         {"definition": agent["id"]})["detail"]
    other = published(other_tenant, policy(THREE))
    api.refused("NOT_FOUND", "POST", f"{tenant.place}/policies", {"definition": other["id"]})
    # A tenant that is not the platform's has no say above itself.
    mine = published(tenant, policy(THREE))
    for place in ({"layer": "platform"}, {"layer": "tier", "tier": "standard"}):
        status = other_tenant.admin.api.request("POST", f"/v1/tenants/{other_tenant.id}/policies",
                                                {"definition": other["id"], **place}).status_code
        assert status in (403, 404)
    api.refused("BAD_FIELD", "POST", f"/v1/tenants/{tenant.id}/policies",
                {"definition": mine["id"], "layer": "tier"})
    # A viewer looks, and changes nothing.
    viewer = tenant.person("user", "viewer")
    assert viewer.api.ok("GET", f"{tenant.place}/policies")["items"]
    viewer.api.refused("FORBIDDEN", "POST", f"{tenant.place}/policies", {"definition": mine["id"]})


def published_agent(tenant):
    api = tenant.admin.api
    draft = api.ok("POST", f"{tenant.place}/definitions", {"kind": "agent", "content": """\
agent: '1.0'
document: {name: bot, version: 1.0.0}
scope: read_only
risk: low
tools: [{connector: docker, operations: [container.list]}]
"""})
    return api.ok("POST", f"{tenant.place}/definitions/{draft['id']}/publish", {})


def test_a_lower_layer_tightens_and_never_loosens(tenant, api):
    activate(tenant, published(tenant, policy(THREE, name="of-all")), layer="tenant")
    assert short(explain(tenant)) == ("require", 3, "three-agree")
    # A workspace that permits everything changes nothing; one that permits less does.
    activate(tenant, published(tenant, policy("", name="open")))
    assert short(explain(tenant)) == ("require", 3, "three-agree")
    only = "policy: '1.0'\ndocument: {name: open, version: 2.0.0}\nrules:\n" \
           "  - {name: only-test, effect: permit, environments: [test]}\n"
    activate(tenant, published(tenant, only))
    decision = explain(tenant)
    assert short(decision) == ("deny", 0, "default-deny")
    assert "workspace" in decision["reason"] and "only-test (workspace, open)" in decision["advice"]
    assert [(layer["layer"], layer.get("verdict")) for layer in decision["layers"]] == [
        ("platform", "require"), ("tier", None), ("tenant", "require"), ("workspace", "deny")]
    # What mends policies is not denied by them.
    assert api.ok("POST", f"{tenant.place}/policy-explanations", {
        "environment": "control-plane", "connector": "countersign", "operation": "policy.deactivate",
        "target": "def_" + "0" * 26, "parameters": {"layer": "workspace"}})["verdict"] == "require"


def test_what_decided_stays_with_the_action(tenant, api):
    """Which rule, of which policy, in which layer: signed, shown, and logged."""
    activate(tenant, published(tenant, policy(THREE, name="of-all")), layer="tenant")
    activate(tenant, published(tenant, policy(NO_REMOVAL, name="here", version="1.2.0")))
    executor = harness.HandExecutor(tenant, "test").answer_resolutions()
    asked = tenant.admin.submit("container.remove")
    full = "three-agree (tenant of-all@1.0.0)"
    assert (asked["rule"], asked["requirement"]["rule"], asked["requirement"]["decisions"]) == (full, full, 3)
    assert json.loads(base64.b64decode(asked["statement"]))["rule"] == full
    shown = tenant.admin.action(asked["id"])
    assert shown["rule"] == full and {"label": "Rule", "value": full} in shown["rendering"]
    refused = tenant.admin.submit("container.remove", environment="prd")
    assert refused["state"] == "denied"
    assert refused["rule"] == "nothing-goes (workspace here@1.2.0)"
    read = tenant.admin.submit("container.list", target=None)
    assert read["state"] != "denied" and read["rule"].endswith("(platform built-in@1.0.0)"), read["rule"]
    executor.close()
    details = [event["unmapped"] for event in tenant.log_entries() if event["api"]["operation"] == "action.submit"]
    said = [(detail["rule"], detail["reason"]) for detail in details]
    assert ("nothing-goes (workspace here@1.2.0)", "Nothing is removed here.") in said, said
    assert full in [rule for rule, _ in said]


def test_an_explanation_has_the_values_that_rules_saw(tenant):
    activate(tenant, published(tenant, policy(NO_REMOVAL)))
    decision = explain(tenant, requester={"kind": "agent", "risk": "high"})
    step, = (step for step in decision["steps"] if step["rule"] == "nothing-goes")
    assert step["outcome"] == "matched" and "agent" in step["values"]
    assert "nothing-goes" in decision["advice"]
    step, = (step for step in explain(tenant, requester={"kind": "service"})["steps"] if step["rule"] == "nothing-goes")
    assert step["outcome"] == "unmatched"


def test_publishing_runs_the_examples_and_says_where_a_condition_is_wrong(tenant, api):
    wrong = policy("  - {name: a, effect: forbid, when: operation.efect == 'reads'}\n")
    draft = api.ok("POST", f"{tenant.place}/definitions", {"kind": "policy", "content": wrong})
    problem = api.refused("BAD_DEFINITION", "POST", f"{tenant.place}/definitions/{draft['id']}/publish", {})
    assert [(item["line"], item["path"]) for item in problem["problems"]] == [(4, "/rules/0/when")]
    example = policy(NO_REMOVAL, name="b") + """\
examples:
  - name: removal
    input: {operation: docker/container.remove, environment: prd, target: web}
    expect: allow
"""
    draft = api.ok("POST", f"{tenant.place}/definitions", {"kind": "policy", "content": example})
    problem = api.refused("BAD_DEFINITION", "POST", f"{tenant.place}/definitions/{draft['id']}/publish", {})
    assert "nothing-goes decides, deny" in problem["problems"][0]["message"]
    check = api.ok("POST", f"{tenant.place}/policy-checks", {"content": example})
    item, = check["examples"]
    assert not check["valid"] and not item["holds"] and item["decision"]["rule"] == "nothing-goes"


def test_changes_need_approval_once_the_tenant_says_so(tenant, api):
    approver = tenant.approver()
    tenant.put_roster(approver)
    definition = published(tenant, policy(THREE))
    api.ok("PUT", f"/v1/tenants/{tenant.id}/policy-protection", {"protected": True})
    assert api.ok("GET", f"/v1/tenants/{tenant.id}/policy-protection") == {"protected": True}
    refusal = api.refused("APPROVAL_NEEDED", "POST", f"{tenant.place}/policies", {"definition": definition["id"]})
    assert "policy.activate" in refusal["detail"]
    api.refused("APPROVAL_NEEDED", "PUT", f"/v1/tenants/{tenant.id}/policy-protection", {"protected": False})
    done = approved(tenant, approver, "policy.activate", definition["id"], {"layer": "workspace"})
    assert done["state"] == "succeeded", done
    assert short(explain(tenant)) == ("require", 3, "three-agree")
    api.refused("APPROVAL_NEEDED", "DELETE", f"{tenant.place}/policies/{definition['id']}")
    approved(tenant, approver, "policy.deactivate", definition["id"], {"layer": "workspace"})
    assert short(explain(tenant)) == ("require", 2, "destroys-need-two")
    approved(tenant, approver, "policy.unprotect", tenant.id, {})
    assert api.ok("GET", f"/v1/tenants/{tenant.id}/policy-protection") == {"protected": False}
    activate(tenant, definition)


def approved(tenant, approver, operation, target, parameters):
    action = tenant.admin.api.ok("POST", tenant.actions, {
        "environment": "control-plane", "connector": "countersign", "operation": operation, "target": target,
        "parameters": parameters})
    assert action["state"] == "pending", action
    approver.decide(action)
    done = tenant.admin.wait_for(action["id"])
    assert done["state"] == "succeeded", done
    return done


def test_the_platform_guards_everybody_and_a_tier_its_tenants(tmp_path):
    server = harness.Server(tmp_path).start()
    platform = server.api(server.bootstrap_key)
    who = platform.ok("GET", "/v1/whoami")
    workspace = platform.ok("GET", f"/v1/tenants/{who['tenant']}/workspaces")["items"][0]["id"]
    place, above = f"/v1/workspaces/{workspace}", f"/v1/tenants/{who['tenant']}/policies"

    def put(text, **where):
        draft = platform.ok("POST", f"{place}/definitions", {"kind": "policy", "content": text})
        platform.ok("POST", f"{place}/definitions/{draft['id']}/publish", {})
        platform.ok("POST", above, {"definition": draft["id"], **where})
        return draft["id"]

    def tenant_of(tier):
        created = platform.ok("POST", "/v1/tenants", {"name": harness.unique("t"), "tier": tier})
        return harness.Tenant(server, created)

    basic, enterprise = tenant_of("basic"), tenant_of("enterprise")
    assert short(explain(basic)) == ("require", 2, "destroys-need-two")
    four = policy("  - {name: four, effect: require, decisions: 4, when: tenant.tier == 'basic'}\n", name="tiers")
    tier = put(four, layer="tier", tier="basic")
    assert short(explain(basic)) == ("require", 4, "four")
    assert short(explain(enterprise)) == ("require", 2, "destroys-need-two")
    # How a tenant stands decides at once.
    entry = platform.request("GET", f"/v1/platform/tenants/{enterprise.id}")
    platform.ok("PATCH", f"/v1/platform/tenants/{enterprise.id}", {"tier": "basic"},
                headers={"If-Match": entry.headers["ETag"]})
    assert short(explain(enterprise)) == ("require", 4, "four")
    guard = put(policy(NO_REMOVAL, name="guard"), layer="platform")
    activate(basic, published(basic, policy("", name="open")), layer="tenant")
    assert short(explain(basic, requester={"kind": "agent"})) == ("deny", 0, "nothing-goes")
    # The built-in policy is the platform's only while it has none: but what changes never runs at once.
    assert short(explain(enterprise, "container.stop"))[0] == "require"
    platform.ok("DELETE", f"{above}/{guard}", params={"layer": "platform"})
    platform.ok("DELETE", f"{above}/{tier}", params={"layer": "tier", "tier": "basic"})
    assert short(explain(enterprise)) == ("require", 2, "destroys-need-two")
    assert server.stop() == 0


def platforms_own_tenant(server):
    """The tenant of whoever made the server's first key."""
    api = server.api(server.bootstrap_key)
    who = api.ok("GET", "/v1/whoami")
    workspace = api.ok("GET", f"/v1/tenants/{who['tenant']}/workspaces")["items"][0]["id"]
    return harness.Tenant(server, {"tenant": {"id": who["tenant"], "name": "platform"}, "workspace": {"id": workspace},
                                   "administrator": {"id": who["principal"], "name": "platform-administrator"},
                                   "api_key": server.bootstrap_key})


def test_the_platforms_and_the_tiers_policies_change_by_approved_actions(make_server):
    server = make_server().start()
    platform = platforms_own_tenant(server)
    api, above = platform.admin.api, f"/v1/tenants/{platform.id}/policies"
    platform.admin.offer_key()
    approver = platform.approver()
    platform.put_roster(approver)
    basic = harness.Tenant(server, api.ok("POST", "/v1/tenants", {"name": harness.unique("t"), "tier": "basic"}))
    other = conftest.new_tenant(server)
    four = published(platform, policy("  - {name: four, effect: require, decisions: 4}\n", name="tiers"))
    guard = published(platform, policy(NO_REMOVAL, name="guard"))
    api.ok("PUT", f"/v1/tenants/{platform.id}/policy-protection", {"protected": True})
    for body in ({"definition": four["id"], "layer": "tier", "tier": "basic"}, {"definition": guard["id"], "layer": "platform"}):
        api.refused("APPROVAL_NEEDED", "POST", above, body)
    assert short(explain(basic)) == ("require", 2, "destroys-need-two"), "nothing is in force yet"

    approved(platform, approver, "policy.activate", four["id"], {"layer": "tier", "tier": "basic"})
    assert short(explain(basic)) == ("require", 4, "four")
    assert short(explain(other)) == ("require", 2, "destroys-need-two")
    approved(platform, approver, "policy.activate", guard["id"], {"layer": "platform"})
    for tenant in (basic, other):
        assert short(explain(tenant, requester={"kind": "agent"})) == ("deny", 0, "nothing-goes")
    listed = [(item["layer"], item["name"]) for item in other.admin.api.ok("GET", f"{other.place}/policies")["items"]]
    assert listed == [("platform", "guard")], "the built-in one stands where the platform has none"
    # What is in force counts after a new start as well: it is in the directory.
    server.restart()
    assert short(explain(other, requester={"kind": "agent"})) == ("deny", 0, "nothing-goes")

    # Another tenant's people cannot ask for it, approved or not.
    mine = published(other, policy(THREE, name="mine"))
    for place in ({"layer": "platform"}, {"layer": "tier", "tier": "basic"}):
        other.admin.api.refused("FORBIDDEN", "POST", other.actions, {
            "environment": "control-plane", "connector": "countersign", "operation": "policy.activate",
            "target": mine["id"], "parameters": place})

    api.refused("APPROVAL_NEEDED", "DELETE", f"{above}/{guard['id']}", params={"layer": "platform"})
    approved(platform, approver, "policy.deactivate", guard["id"], {"layer": "platform"})
    approved(platform, approver, "policy.deactivate", four["id"], {"layer": "tier", "tier": "basic"})
    for tenant in (basic, other):
        assert short(explain(tenant)) == ("require", 2, "destroys-need-two")
    operations = [event["api"]["operation"] for event in platform.log_entries()]
    assert operations.count("policy.activate") >= 2 and operations.count("policy.deactivate") >= 2, operations


def test_a_policy_of_the_platform_that_denies_everything_can_be_undone(make_server):
    server = make_server().start()
    platform = platforms_own_tenant(server)
    platform.admin.offer_key()
    approver = platform.approver()
    platform.put_roster(approver)
    shut = published(platform, policy("  - {name: nobody-nothing, effect: forbid}\n", name="shut"))
    platform.admin.api.ok("PUT", f"/v1/tenants/{platform.id}/policy-protection", {"protected": True})
    approved(platform, approver, "policy.activate", shut["id"], {"layer": "platform"})
    other = conftest.new_tenant(server)
    assert short(explain(other))[0] == "deny"
    approved(platform, approver, "policy.deactivate", shut["id"], {"layer": "platform"})
    assert short(explain(other))[0] == "require"


def test_the_command_line_does_all_of_it(tenant, tmp_path):
    cli = harness.Cli(tmp_path, tenant.server.url, tenant.admin.api.key)
    approver = tenant.approver()
    tenant.put_roster(approver)
    file = tmp_path / "house.yaml"
    text = policy(NO_REMOVAL) + """\
examples:
  - name: an agent removes
    input: {operation: docker/container.remove, environment: prd, target: web}
    expect: deny
    rule: nothing-goes
"""
    file.write_text(text.replace("expect: deny", "expect: allow"))
    tested = cli.run("policy", "test", file, code=6).stdout
    assert "FAIL" in tested and "line 13" in tested
    file.write_text(text)
    assert "ok    an agent removes: deny by nothing-goes" in cli.run("policy", "test", file).stdout
    explained = cli.run("policy", "test", file, "--explain").stdout
    assert "matched" in explained and "requester.kind" in explained and "milder" in explained
    assert cli.json("policy", "test", file)["valid"]
    made = cli.json("definition", "create", "policy", file)
    cli.run("definition", "publish", made["id"])
    cli.run("policy", "activate", "policy/house@1.0.0", "--layer", "tenant")
    assert "house" in cli.run("policy", "list").stdout
    assert "nothing-goes" in cli.run("policy", "show", "house").stdout
    why = cli.run("policy", "explain", "prd", "docker", "container.remove", "web", "--kind", "agent").stdout
    assert "deny" in why and "nothing-goes" in why
    cli.run("policy", "deactivate", made["id"], "--layer", "tenant")
    cli.run("policy", "protect")
    assert "must be approved" in cli.run("policy", "activate", made["id"]).stdout
    asked = cli.json("policy", "unprotect")
    approver.decide(approver.action(asked["id"]))
    assert tenant.admin.wait_for(asked["id"])["state"] == "succeeded"
    cli.run("policy", "activate", made["id"])
    assert "house" in cli.run("policy", "list").stdout


def test_a_policy_counts_on_every_node_within_100_ms(tmp_path, private_postgres):
    nodes = test_nodes.Nodes(tmp_path, private_postgres)
    one, two = nodes.add(), nodes.add()
    tenant = conftest.new_tenant(one)
    far = two.api(tenant.admin.api.key)
    question = {"environment": "prd", "connector": "docker", "operation": "container.remove", "target": "web"}

    def there():
        return far.ok("POST", f"{tenant.place}/policy-explanations", question)["rule"]

    def last_seen(rule):
        done, last = time.monotonic(), None
        while time.monotonic() < done + 0.4:
            asked = time.monotonic()
            if there() == rule:
                last = asked
        return 0 if last is None else last - done

    definition = published(tenant, policy(NO_REMOVAL))
    for where in ({"layer": "tenant"}, {}):
        assert there() == "destroys-need-two"
        activate(tenant, definition, **where)
        assert last_seen("destroys-need-two") < 0.1 and there() == "nothing-goes"
        path = f"/v1/tenants/{tenant.id}" if where else tenant.place
        tenant.admin.api.ok("DELETE", f"{path}/policies/{definition['id']}")
        assert last_seen("nothing-goes") < 0.1
    for node in nodes.nodes:
        assert node.stop() == 0


def test_a_tenants_policy_decides_in_its_workspaces_of_other_regions(tmp_path):
    server = harness.Server(tmp_path, options=["--node-region", "us", "--node-regions", "us eu"], regions=("us", "eu")).start()
    created = server.api(server.bootstrap_key).ok("POST", "/v1/tenants", {"name": harness.unique("t"), "region": "us"})
    tenant = harness.Tenant(server, created)
    away = tenant.admin.api.ok("POST", f"{tenant.path}/workspaces", {"name": "eu", "region": "eu"})["id"]
    definition = published(tenant, policy(NO_REMOVAL))
    activate(tenant, definition, layer="tenant")
    tenant.place = f"/v1/workspaces/{away}"
    assert short(explain(tenant)) == ("deny", 0, "nothing-goes")
    # A policy from there is the workspace's own; for the whole tenant, policies come from home.
    own = published(tenant, policy(THREE, name="own"))
    activate(tenant, own)
    assert short(explain(tenant, requester={"kind": "service"})) == ("require", 3, "three-agree")
    tenant.admin.api.refused("NOT_FOUND", "POST", f"{tenant.path}/policies", {"definition": own["id"]})
    tenant.admin.api.ok("PUT", f"{tenant.path}/policy-protection", {"protected": True})
    tenant.admin.api.refused("APPROVAL_NEEDED", "DELETE", f"{tenant.place}/policies/{own['id']}")
    assert server.stop() == 0
