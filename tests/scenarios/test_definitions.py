# SPDX-License-Identifier: Apache-2.0
"""Definitions: kept, checked, made final, promoted, compared, carried elsewhere."""
import hashlib
import json

import pytest

import harness

WORKFLOW = """\
document: {{dsl: 1.0.0, namespace: default, name: {name}, version: {version}, tags: {{team: {team}}}}}
do:
  - first: {{set: {{a: {value}}}}}
  - second: {{wait: PT1S}}
"""
AGENT = """\
agent: '1.0'
document: {name: bot, version: 1.0.0}
scope: read_only
risk: low
tools: [{connector: docker, operations: [container.list]}]
"""


def workflow(name="nightly", version="1.0.0", value=1, team="ops"):
    return WORKFLOW.format(name=name, version=version, value=value, team=team)


def create(api, place, content, kind="workflow"):
    return api.ok("POST", f"{place}/definitions", {"kind": kind, "content": content})


def published(api, place, content, kind="workflow"):
    draft = create(api, place, content, kind)
    return api.ok("POST", f"{place}/definitions/{draft['id']}/publish", {"digest": draft["digest"]})


@pytest.fixture
def api(tenant):
    return tenant.admin.api


def test_a_draft_changes_until_it_is_published_and_never_after(tenant, api):
    place = tenant.place
    draft = create(api, place, workflow())
    assert draft["state"] == "draft" and draft["tags"] == {"team": "ops"}
    assert draft["digest"] == hashlib.sha256(workflow().encode()).hexdigest()
    again = create(api, place, workflow(value=2, team="web"))
    assert again["id"] == draft["id"] and again["digest"] != draft["digest"] and again["tags"] == {"team": "web"}
    # Whoever publishes says what they have read.
    api.refused("CONFLICT", "POST", f"{place}/definitions/{draft['id']}/publish", {"digest": draft["digest"]})
    final = api.ok("POST", f"{place}/definitions/{draft['id']}/publish", {"digest": again["digest"]})
    assert final["state"] == "published" and final["published_by"] == tenant.admin.id
    # Once more is the same; other bytes under that version are refused; so is its deletion.
    api.ok("POST", f"{place}/definitions/{draft['id']}/publish", {})
    assert create(api, place, workflow(value=2, team="web"))["state"] == "published"
    problem = api.refused("ALREADY_EXISTS", "POST", f"{place}/definitions",
                          {"kind": "workflow", "content": workflow(value=3)})
    assert "another version" in problem["detail"]
    api.refused("CONFLICT", "DELETE", f"{place}/definitions/{draft['id']}")
    assert api.ok("GET", f"{place}/definitions/{draft['id']}")["content"] == workflow(value=2, team="web")
    other = create(api, place, workflow(version="1.0.1"))
    api.ok("DELETE", f"{place}/definitions/{other['id']}")
    api.refused("NOT_FOUND", "GET", f"{place}/definitions/{other['id']}")


def test_publishing_tells_every_mistake_and_keeps_nothing(tenant, api):
    place = tenant.place
    text = workflow().replace("PT1S", "soon").replace("set:", "sett:")
    check = api.ok("POST", f"{place}/definition-checks", {"kind": "workflow", "content": text})
    assert not check["valid"]
    assert [(p["line"], p["path"]) for p in check["problems"]] == [(3, "/do/0/first"), (4, "/do/1/second/wait")]
    assert api.ok("GET", f"{place}/definitions")["items"] == []
    draft = create(api, place, text)
    problem = api.refused("BAD_DEFINITION", "POST", f"{place}/definitions/{draft['id']}/publish", {})
    assert problem["problems"] == check["problems"]
    assert api.ok("GET", f"{place}/definitions/{draft['id']}")["state"] == "draft"
    assert api.ok("POST", f"{place}/definition-checks", {"kind": "agent", "content": AGENT}) == \
        {"valid": True, "problems": []}


def test_hostile_documents_get_a_clear_refusal(tenant, api):
    head = "document: {dsl: 1.0.0, namespace: a, name: b, version: 1.0.0}\n"
    bomb = "a: &a [x,x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)},*{chr(97 + i)}]\n" for i in range(9))
    for text, wanted in ((bomb, "anchors"), (head + "x: " + "[" * 5000, "nested"), (head + head, "appears again"),
                         ("document: {}", "needs"), ("", "mapping"), ("a: [", "not valid YAML"), ("- 1", "mapping")):
        body = {"kind": "workflow", "content": text or " "}
        problem = api.refused("BAD_DEFINITION", "POST", f"{tenant.place}/definitions", body)
        assert wanted in json.dumps(problem["problems"]), problem
    assert tenant.admin.api.request("POST", f"{tenant.place}/definitions",
                                    {"kind": "workflow", "content": "x" * (10 << 20)}).status_code == 413
    api.refused("BAD_FIELD", "POST", f"{tenant.place}/definitions", {"kind": "recipe", "content": "a: 1"})
    assert api.ok("GET", f"{tenant.place}/definitions")["items"] == []


def test_lists_are_by_kind_name_state_tag_and_environment(tenant, api):
    place = tenant.place
    one = published(api, place, workflow("one", team="a"))
    published(api, place, workflow("two", team="b"))
    create(api, place, workflow("three", team="b"))
    published(api, place, AGENT, "agent")
    api.ok("POST", f"{place}/definitions/{one['id']}/promotions", {"environment": "test"})

    def names(**params):
        return sorted(item["name"] for item in api.ok("GET", f"{place}/definitions", params=params)["items"])

    assert names() == ["bot", "one", "three", "two"]
    assert names(kind="workflow") == ["one", "three", "two"]
    assert names(state="draft") == ["three"]
    assert names(tag="team=b") == ["three", "two"]
    assert names(tag="team=b", state="published") == ["two"]
    assert names(environment="test") == ["one"]
    assert names(name="two") == ["two"]
    api.refused("BAD_PARAMETER", "GET", f"{place}/definitions", params={"tag": "team"})


def test_an_environment_has_what_was_promoted_last_and_its_executor_sees_nothing_else(tenant, api):
    place = tenant.place
    executor = harness.HandExecutor(tenant, "test")
    first = published(api, place, workflow())
    second = published(api, place, workflow(version="1.1.0", value=2))
    draft = create(api, place, workflow(version="1.2.0"))
    for definition in (first, second):
        api.ok("POST", f"{place}/definitions/{definition['id']}/promotions", {"environment": "test"})
    api.refused("CONFLICT", "POST", f"{place}/definitions/{draft['id']}/promotions", {"environment": "test"})
    seen = executor.api.ok("GET", f"{place}/environments/test/definitions")["items"]
    assert [(item["version"], item["content"]) for item in seen] == [("1.1.0", workflow(version="1.1.0", value=2))]
    # Neither another environment's, nor what is not promoted.
    executor.api.refused("NOT_FOUND", "GET", f"{place}/environments/dev/definitions")
    assert executor.api.request("GET", f"{place}/definitions/{first['id']}").status_code in (403, 404)
    assert api.ok("GET", f"{place}/definitions/{first['id']}")["environments"] == []
    executor.close()


def test_promotion_to_production_is_an_action_that_needs_approval(tenant, api):
    place = tenant.place
    approvers = [tenant.approver(), tenant.approver()]
    tenant.put_roster(*approvers)
    definition = published(api, place, workflow())
    refusal = api.refused("APPROVAL_NEEDED", "POST", f"{place}/definitions/{definition['id']}/promotions",
                          {"environment": "prd"})
    assert "definition.promote" in refusal["detail"]
    action = api.ok("POST", tenant.actions, {
        "environment": "control-plane", "connector": "countersign", "operation": "definition.promote",
        "target": definition["id"], "parameters": {"environment": "prd"}})
    assert action["state"] == "pending"
    assert api.ok("GET", f"{place}/environments/prd/definitions")["items"] == []
    for approver in approvers:
        if approver.action(action["id"])["state"] == "pending":
            approver.decide(action)
    done = tenant.admin.wait_for(action["id"])
    assert done["state"] == "succeeded", done
    item, = api.ok("GET", f"{place}/environments/prd/definitions")["items"]
    assert item["definition"] == definition["id"] and item["action"] == action["id"]
    assert item["promoted_by"] == tenant.admin.id


def test_what_is_different_is_told_by_name(tenant, api):
    one = create(api, tenant.place, workflow())
    two = create(api, tenant.place, workflow(version="1.1.0", value=5).replace("second", "last"))
    diff = api.ok("GET", f"{tenant.place}/definitions/{one['id']}/diff", params={"to": two["id"]})
    changes = {change["path"]: (change["change"], change.get("before"), change.get("after"))
               for change in diff["changes"]}
    assert changes == {
        "/document/version": ("changed", '"1.0.0"', '"1.1.0"'),
        "/do/first/first/set/a": ("changed", "1", "5"),
        "/do/second": ("removed", '{"second":{"wait":"PT1S"}}', None),
        "/do/last": ("added", None, '{"last":{"wait":"PT1S"}}'),
    }


def test_an_export_is_taken_over_whole_or_not_at_all(tenant, api, other_tenant):
    for number in range(9):
        published(api, tenant.place, workflow(f"w{number}", value=number))
    create(api, tenant.place, AGENT, "agent")
    lines = api.request("GET", f"{tenant.place}/definition-bundle").text.splitlines()
    items = [json.loads(line) for line in lines]
    assert len(items) == 10
    bundle = [{key: item[key] for key in ("kind", "content", "published", "digest")} for item in items]
    other = other_tenant
    broken = [*bundle, {**bundle[0], "content": "a: 1"}]
    other.admin.api.refused("BAD_DEFINITION", "POST", f"{other.place}/definition-bundle", {"items": broken})
    assert other.admin.api.ok("GET", f"{other.place}/definitions")["items"] == []
    taken = other.admin.api.ok("POST", f"{other.place}/definition-bundle", {"items": bundle})["items"]
    assert {(d["name"], d["digest"], d["state"]) for d in taken} == \
        {(i["name"], i["digest"], "published" if i["published"] else "draft") for i in items}
    assert sorted(other.admin.api.request("GET", f"{other.place}/definition-bundle").text.splitlines()) == sorted(lines)
    # A second time changes nothing.
    other.admin.api.ok("POST", f"{other.place}/definition-bundle", {"items": bundle})


def test_the_command_line_does_all_of_it(tenant, tmp_path):
    cli = harness.Cli(tmp_path, tenant.server.url, tenant.admin.api.key)
    file = tmp_path / "nightly.yaml"
    file.write_text(workflow().replace("PT1S", "soon"))
    assert "4:" in cli.run("definition", "check", "workflow", file, code=6).stdout
    file.write_text(workflow())
    cli.run("definition", "check", "workflow", file)
    made = cli.json("definition", "create", "workflow", file)
    refused = cli.run("definition", "create", "workflow", "-", stdin="document: {name: x}\n", code=6)
    assert "1:" in refused.stderr and "version" in refused.stderr
    cli.run("definition", "publish", "workflow/nightly@1.0.0", "--digest", made["digest"])
    assert cli.run("definition", "show", made["id"], "--bare").stdout == workflow()
    assert cli.json("definition", "list", "--tag", "team=ops")["items"][0]["id"] == made["id"]
    cli.run("definition", "promote", made["id"], "test")
    assert cli.json("environment", "show", "test")["items"][0]["definition"] == made["id"]
    asked = cli.json("definition", "promote", made["id"], "prd")
    assert asked["operation"] == "definition.promote" and asked["state"] in ("pending", "denied")
    file.write_text(workflow(version="1.1.0"))
    cli.run("definition", "create", "workflow", file)
    assert "/document/version" in cli.run("definition", "diff", made["id"], "workflow/nightly@1.1.0").stdout
    export = tmp_path / "all.ndjson"
    cli.run("definition", "export", "--out", export)
    assert len(cli.json("definition", "import", export)["items"]) == 2
    cli.run("definition", "delete", "workflow/nightly@1.1.0")
