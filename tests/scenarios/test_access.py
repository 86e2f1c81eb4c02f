# SPDX-License-Identifier: Apache-2.0
"""Who may do what: roles of a tenant's own, groups, bindings, bans, conditions."""
import datetime

import pytest

import harness

NOBODY = "usr_00000000000000000000000000"


class Access:
    """The tenant's administrator, binding roles."""

    def __init__(self, tenant):
        self.tenant = tenant
        self.api = tenant.admin.api
        self.path = tenant.path

    def bind(self, subject, role, **more):
        kind = "group" if subject.startswith("grp_") else "principal"
        return self.api.ok("POST", f"{self.path}/bindings", {kind: subject, "role": role, **more})

    def role(self, permissions, **more):
        return self.api.ok("POST", f"{self.path}/roles",
                           {"name": harness.unique("role"), "permissions": permissions, **more})

    def group(self, *members):
        made = self.api.ok("POST", f"{self.path}/groups", {"name": harness.unique("group")})
        for member in members:
            self.api.ok("PUT", f"{self.path}/groups/{made['id']}/members/{member}")
        return made["id"]

    def workspace(self):
        return self.api.ok("POST", f"{self.path}/workspaces", {"name": harness.unique("place")})

    def unbind(self, binding):
        self.api.ok("DELETE", f"{self.path}/bindings/{binding['id']}")


@pytest.fixture
def access(tenant):
    return Access(tenant)


def test_what_a_role_of_ones_own_allows_changes_at_once(tenant, access):
    ann = tenant.person("user")
    ann.api.refused("NOT_FOUND", "GET", tenant.actions)
    role = access.role(["action.read"])
    access.bind(ann.id, role["name"])
    assert ann.api.ok("GET", tenant.actions) == {"items": []}
    denied = ann.api.refused("FORBIDDEN", "GET", f"{tenant.path}/principals")
    assert "principal.read" in denied["detail"]
    place = f"{tenant.path}/roles/{role['id']}"
    changed = access.api.ok("PATCH", place, {"permissions": ["action.read", "principal.read", "action.read"]})
    assert changed["permissions"] == ["action.read", "principal.read"]
    assert access.api.ok("GET", place) == changed
    ann.api.ok("GET", f"{tenant.path}/principals")
    access.api.refused("CONFLICT", "DELETE", place)
    assert ann.id in [p["id"] for p in ann.api.ok("GET", f"{tenant.path}/principals")["items"]
                      if role["name"] in p["roles"]]
    for binding in access.api.ok("GET", f"{tenant.path}/bindings", params={"principal": ann.id})["items"]:
        assert access.api.ok("GET", f"{tenant.path}/bindings/{binding['id']}") == binding
        access.unbind(binding)
    ann.api.refused("NOT_FOUND", "GET", tenant.actions)
    access.api.ok("DELETE", place)
    access.api.refused("NOT_FOUND", "GET", place)
    listed = access.api.ok("GET", f"{tenant.path}/roles")["items"]
    assert {"admin", "workspace-admin", "auditor"} <= {r["name"] for r in listed if r["built_in"]}


def test_a_role_is_checked_when_it_is_written(tenant, access):
    path = f"{tenant.path}/roles"
    for name in ("Admin", "workspaceadmin", "operator"):
        access.api.refused("ALREADY_EXISTS", "POST", path, {"name": name, "permissions": []})
    wrong = access.api.refused("BAD_FIELD", "POST", path, {"name": "x", "permissions": ["action.read", "action.fly"]})
    assert wrong["pointer"] == "/permissions/1"
    assert access.api.refused("BAD_FIELD", "POST", path,
                              {"name": "x", "permissions": ["tenant.create"]})["pointer"] == "/permissions/0"
    # Not even by an administrator who takes claims for nobody.
    access.api.refused("FORBIDDEN", "POST", path, {"name": "x", "permissions": ["work.take"]})
    role = access.role(["x:todo.update"])
    access.api.refused("ALREADY_EXISTS", "POST", path, {"name": role["name"], "permissions": []})


def test_a_binding_holds_where_it_is_and_nowhere_else(tenant, access):
    ann = tenant.person("user")
    first, second = access.workspace(), access.workspace()
    binding = access.bind(ann.id, "Viewer", workspace=first["id"])
    assert binding["role"] == "viewer" and binding["level"] == "workspace"
    ann.api.ok("GET", f"/v1/workspaces/{first['id']}/actions")
    # What one may not know of does not exist.
    ann.api.refused("NOT_FOUND", "GET", f"/v1/workspaces/{second['id']}/actions")
    ann.api.refused("FORBIDDEN", "GET", f"{tenant.path}/principals")
    # At the organization it holds in all of its workspaces.
    access.bind(ann.id, "viewer", organization=second["organization"])
    ann.api.ok("GET", f"/v1/workspaces/{second['id']}/actions")
    missing = ann.api.refused("FORBIDDEN", "POST", f"/v1/workspaces/{second['id']}/actions",
                              {"environment": "test", "connector": "docker", "operation": "container.list"})
    assert "action.submit" in missing["detail"]


def test_groups_give_and_take(tenant, access):
    ann = tenant.person("user")
    group = access.group()
    access.bind(group, "auditor")
    member = f"{tenant.path}/groups/{group}/members/{ann.id}"
    ann.api.refused("FORBIDDEN", "GET", f"{tenant.path}/log/key")
    access.api.ok("PUT", member)
    access.api.ok("PUT", member)
    ann.api.ok("GET", f"{tenant.path}/log/key")
    assert [m["principal"] for m in access.api.ok("GET", f"{tenant.path}/groups/{group}/members")["items"]] == [ann.id]
    access.api.ok("DELETE", member)
    access.api.refused("NOT_FOUND", "DELETE", member)
    ann.api.refused("FORBIDDEN", "GET", f"{tenant.path}/log/key")
    access.api.ok("PUT", member)
    assert access.api.ok("GET", f"{tenant.path}/bindings", params={"group": group})["items"]
    assert access.api.ok("GET", f"{tenant.path}/groups/{group}")["id"] == group
    access.api.ok("DELETE", f"{tenant.path}/groups/{group}")
    assert group not in [g["id"] for g in access.api.ok("GET", f"{tenant.path}/groups")["items"]]
    ann.api.refused("FORBIDDEN", "GET", f"{tenant.path}/log/key")


def test_a_ban_wins_whatever_the_order(tenant, access):
    ann = tenant.person("user", "operator")
    ann.api.ok("GET", tenant.actions)
    look = access.role(["action.read"])
    ban = access.bind(ann.id, look["name"], effect="forbid")
    refused = ann.api.refused("FORBIDDEN", "GET", tenant.actions)
    assert "forbids" in refused["detail"]
    access.bind(ann.id, "auditor")
    ann.api.refused("FORBIDDEN", "GET", tenant.actions)
    access.unbind(ban)
    ann.api.ok("GET", tenant.actions)


# SOON is an hour from now.
CONDITIONS = [
    ("true", True),
    ("time < timestamp('SOON')", True),
    ("time > timestamp('SOON')", False),
    ("cidr('127.0.0.0/8').containsIP(network.address)", True),
    ("cidr('10.0.0.0/8').containsIP(network.address)", False),
    ("principal.kind == 'user' && principal.name.size() > 0", True),
    ("'staff' in principal.groups", False),
    ("resource.data_mode == 'metadata_only'", True),
    ("resource.labels.stage == 'test'", True),
    ("resource.labels.region == 'here'", None),  # no such label: an error
    ("authentication.second_factor", False),
    ("authentication.second_factor_age < duration('5m')", None),
    ("action.name == 'action.read'", True),
]


@pytest.mark.parametrize("condition, holds", CONDITIONS)
def test_conditions_decide(tenant, access, condition, holds):
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    condition = condition.replace("SOON", soon.strftime("%Y-%m-%dT%H:%M:%SZ"))
    ann = tenant.person("user")
    place = access.api.ok("POST", f"{tenant.path}/workspaces",
                          {"name": harness.unique("place"), "labels": {"stage": "test"}})
    actions = f"/v1/workspaces/{place['id']}/actions"
    look = access.role(["action.read"])
    access.bind(ann.id, "guest", workspace=place["id"], condition=condition)
    if holds:
        ann.api.ok("GET", actions)
    else:  # an error does not allow
        ann.api.refused("NOT_FOUND", "GET", actions)
    ben = tenant.person("user", "viewer")
    access.bind(ben.id, look["name"], workspace=place["id"], effect="forbid", condition=condition)
    if holds is False:
        ben.api.ok("GET", actions)
    else:  # an error denies
        ben.api.refused("FORBIDDEN", "GET", actions)


def test_a_label_that_changes_is_seen_at_once(tenant, access):
    ann = tenant.person("user")
    place = access.workspace()
    access.bind(ann.id, "guest", workspace=place["id"], condition="resource.labels.open == 'yes'")
    ann.api.refused("NOT_FOUND", "GET", f"/v1/workspaces/{place['id']}/actions")
    access.api.ok("PATCH", f"{tenant.path}/workspaces/{place['id']}", {"labels": {"open": "yes"}},
                  headers={"If-Match": "*"})
    ann.api.ok("GET", f"/v1/workspaces/{place['id']}/actions")


def test_a_wrong_condition_is_refused_with_its_place(tenant, access):
    ann = tenant.person("user")
    for condition, place in (("principal.knd == 'user'", "1:1"), ("1 + 1", "1:3"), ("time <", "1:7"),
                             ("network.address == 7", "1:17")):
        wrong = access.api.refused("EXPRESSION", "POST", f"{tenant.path}/bindings",
                                   {"principal": ann.id, "role": "guest", "condition": condition})
        assert wrong["pointer"] == "/condition"
        assert place in wrong["detail"], wrong["detail"]


def test_a_condition_that_costs_too_much_does_not_allow(tenant, access):
    ann = tenant.person("user")
    many = "[" + ", ".join("1" for _ in range(40)) + "]"
    access.bind(ann.id, "guest", condition=f"{many}.all(a, {many}.all(b, {many}.all(c, a + b + c > 0)))")
    ann.api.refused("NOT_FOUND", "GET", tenant.actions)


def test_a_binding_is_checked_when_it_is_made(tenant, access, other_tenant):
    ann = tenant.person("user")
    path, bad = f"{tenant.path}/bindings", access.api.refused
    bad("BAD_FIELD", "POST", path, {"role": "guest"})
    bad("BAD_FIELD", "POST", path, {"principal": ann.id, "role": "nothing-like-it"})
    bad("BAD_FIELD", "POST", path, {"principal": NOBODY, "role": "guest"})
    bad("BAD_FIELD", "POST", path, {"principal": ann.id, "role": "agent"})
    bad("BAD_FIELD", "POST", path, {"principal": ann.id, "role": "guest", "workspace": other_tenant.workspace})
    bad("BAD_FIELD", "POST", path, {"principal": other_tenant.admin.id, "role": "guest"})


def test_nobody_raises_themselves_or_others(tenant, access):
    # Runs bindings, and holds nothing else.
    role = access.role(["binding.manage", "access.read", "role.manage", "group.manage", "principal.manage",
                        "principal.read", "key.manage", "action.read"])
    eve = tenant.person("user")
    ann = tenant.person("user")
    access.bind(eve.id, role["name"])
    refused = eve.api.refused("FORBIDDEN", "POST", f"{tenant.path}/bindings", {"principal": eve.id, "role": "admin"})
    assert "is missing" in refused["detail"]
    eve.api.refused("FORBIDDEN", "POST", f"{tenant.path}/roles", {"name": "mine", "permissions": ["log.read"]})
    eve.api.refused("FORBIDDEN", "POST", f"{tenant.path}/principals",
                    {"kind": "user", "name": "mallory", "roles": ["approver"]})
    eve.api.ok("POST", f"{tenant.path}/bindings", {"principal": ann.id, "role": role["name"]})
    # By a group that may more, by a key of one who may more.
    group = access.group()
    access.bind(group, "auditor")
    eve.api.refused("FORBIDDEN", "PUT", f"{tenant.path}/groups/{group}/members/{eve.id}")
    eve.api.refused("FORBIDDEN", "POST", f"{tenant.path}/principals/{tenant.admin.id}/keys", {"name": "theirs"})
    eve.api.ok("POST", f"{tenant.path}/principals/{ann.id}/keys", {"name": "hers"})
    # By a password, or without the second factor, of one who may more.
    eve.api.refused("FORBIDDEN", "POST", f"{tenant.path}/accounts", {"principal": tenant.admin.id, "login": "theirs@example.com"})
    eve.api.refused("NOT_FOUND", "POST", f"{tenant.path}/principals/{tenant.admin.id}/account/links")
    access.api.ok("POST", f"{tenant.path}/accounts", {"principal": tenant.admin.id, "login": "admin@example.com"})
    eve.api.refused("FORBIDDEN", "POST", f"{tenant.path}/principals/{tenant.admin.id}/account/links")
    eve.api.refused("FORBIDDEN", "DELETE", f"{tenant.path}/principals/{tenant.admin.id}/factors")
    eve.api.ok("POST", f"{tenant.path}/accounts", {"principal": ann.id, "login": "ann@example.com"})
    eve.api.ok("DELETE", f"{tenant.path}/principals/{ann.id}/factors")
    # By a role that is already bound to oneself.
    eve.api.refused("FORBIDDEN", "PATCH", f"{tenant.path}/roles/{role['id']}", {"permissions": ["log.read"]})
    # By lifting a ban.
    ban = access.bind(eve.id, access.role(["action.read"])["name"], effect="forbid")
    eve.api.refused("FORBIDDEN", "DELETE", f"{tenant.path}/bindings/{ban['id']}")
    # What is held under a condition is not to be given away.
    cat = tenant.person("user")
    access.bind(cat.id, "admin", condition="time > timestamp('2020-01-01T00:00:00Z')")
    cat.api.ok("GET", f"{tenant.path}/principals")
    cat.api.refused("FORBIDDEN", "POST", f"{tenant.path}/bindings", {"principal": ann.id, "role": "viewer"})


def test_the_last_administrator_stays(tenant, access):
    api, admin = access.api, tenant.admin
    mine = [b for b in api.ok("GET", f"{tenant.path}/bindings", params={"principal": admin.id})["items"]
            if b["role"] == "administrator"]
    api.refused("CONFLICT", "DELETE", f"{tenant.path}/bindings/{mine[0]['id']}")
    api.refused("CONFLICT", "POST", f"{tenant.path}/bindings",
                {"principal": admin.id, "role": "admin", "effect": "forbid"})
    second = tenant.person("user", "admin")
    api.ok("DELETE", f"{tenant.path}/bindings/{mine[0]['id']}")
    second.api.refused("CONFLICT", "POST", f"{tenant.path}/principals/{second.id}/disable")
    second.api.ok("POST", f"{tenant.path}/principals/{admin.id}/disable")


def test_a_workspace_admin_runs_their_workspace_only(tenant, access):
    boss, ann = tenant.person("user"), tenant.person("user")
    mine, other = access.workspace(), access.workspace()
    access.bind(boss.id, "WorkspaceAdmin", workspace=mine["id"])
    made = boss.api.ok("POST", f"{tenant.path}/bindings",
                       {"principal": ann.id, "role": "contributor", "workspace": mine["id"]})
    boss.api.refused("FORBIDDEN", "POST", f"{tenant.path}/bindings",
                     {"principal": ann.id, "role": "contributor", "workspace": other["id"]})
    boss.api.refused("FORBIDDEN", "POST", f"{tenant.path}/bindings", {"principal": ann.id, "role": "contributor"})
    theirs = access.bind(ann.id, "guest", workspace=other["id"])
    boss.api.refused("FORBIDDEN", "DELETE", f"{tenant.path}/bindings/{theirs['id']}")
    boss.api.ok("DELETE", f"{tenant.path}/bindings/{made['id']}")


def test_owners_withdraw_what_is_theirs(staffed):
    access = Access(staffed)
    ann, ben = staffed.person("user", "contributor"), staffed.person("user", "contributor")
    action = ann.submit()
    path = f"{staffed.actions}/{action['id']}/cancel"
    refused = ben.api.refused("FORBIDDEN", "POST", path)
    assert "action.cancel" in refused["detail"]
    access.bind(ann.id, access.role(["action.cancel"])["name"], effect="forbid")
    ann.api.refused("FORBIDDEN", "POST", path)
    for binding in access.api.ok("GET", f"{staffed.path}/bindings", params={"principal": ann.id})["items"]:
        if binding["effect"] == "forbid":
            access.unbind(binding)
    assert ann.api.ok("POST", path)["state"] == "cancelled"


def test_a_condition_on_the_environment_waits_for_the_handler(staffed):
    access = Access(staffed)
    ann, ben = staffed.person("user", "contributor"), staffed.person("user", "viewer")
    # Whether it is forbidden or allowed is known once the action is.
    in_test, not_test = ann.submit(), ann.submit()
    access.bind(ben.id, "operator", condition="environment == 'test' && resource.type == 'action'")
    assert ben.api.ok("POST", f"{staffed.actions}/{in_test['id']}/cancel")["state"] == "cancelled"
    access.bind(ben.id, access.role(["action.cancel"])["name"], effect="forbid",
                condition=f"resource.id == '{not_test['id']}'")
    ben.api.refused("FORBIDDEN", "POST", f"{staffed.actions}/{not_test['id']}/cancel")


def test_names_elsewhere(tenant, access):
    ann = tenant.person("user")
    path = f"{tenant.path}/principals/{ann.id}/subjects"
    name = {"type": "user", "id": harness.unique("ann") + "@example.com"}
    assert access.api.ok("POST", path, name)["id"] == name["id"]
    access.api.refused("ALREADY_EXISTS", "POST", path, name)
    assert [s["id"] for s in access.api.ok("GET", path)["items"]] == [name["id"]]
    access.api.ok("DELETE", path, params=name)
    access.api.refused("NOT_FOUND", "DELETE", path, params=name)
    assert access.api.ok("GET", f"{tenant.path}/permissions")["items"]


def test_the_log_names_what_decided(tenant, access):
    ann = tenant.person("user")
    binding = access.bind(ann.id, "guest", condition="principal.kind == 'user'")
    ban = access.bind(ann.id, access.role(["action.read"])["name"], effect="forbid", condition="true")
    request = ann.api.refused("FORBIDDEN", "GET", tenant.actions)["request"]
    entries = access.api.ok("GET", f"{tenant.path}/log/entries")["items"]
    found = [e["event"] for e in entries if request in str(e["event"])]
    assert found and ban["id"] in str(found[0]) and "action.read" in str(found[0]), found
    assert any(binding["id"] in str(e["event"]) for e in entries)


def test_a_stream_ends_when_its_reader_may_no_more(tenant, access):
    ann = tenant.person("user")
    binding = access.bind(ann.id, "viewer")
    with ann.api.request("GET", f"{tenant.path}/events", stream=True) as stream:
        lines = stream.iter_lines()
        assert next(lines) == b": ping"
        access.unbind(binding)
        assert not any(b"binding.deleted" in line for line in lines)  # it ends, and tells nothing more


def test_a_principal_begins_with_roles_of_the_tenants_own_too(tenant, access):
    role = access.role(["action.read"])
    ann = tenant.person("user", [role["name"], "Approver"], "ann")
    assert sorted(access.api.ok("GET", f"{tenant.path}/principals/{ann.id}")["roles"]) == sorted([role["name"], "approver"])
    ann.api.ok("GET", tenant.actions)
    wrong = access.api.refused("BAD_FIELD", "POST", f"{tenant.path}/principals",
                               {"kind": "user", "name": "ben", "roles": ["no-such-role"]})
    assert wrong["pointer"] == "/roles"
