# SPDX-License-Identifier: Apache-2.0
"""
Every tenant- and workspace-scoped operation of the contract, run again as
another tenant and as nobody: the answers are those of an id that never was,
and 401. Generated from api/openapi.yaml; a new operation is tested by being there.
"""
import json
import re

import pytest
import requests

import contract
from conftest import new_tenant
from harness import HandExecutor

DOCUMENT = contract.document()
SCOPED = [o for o in contract.operations() if o.scope in ("tenant", "workspace")]
# Streams answer before they end; a wrong tenant never gets that far.
VOLATILE = re.compile(rb'"(request|instance)":"[^"]*"|<bdi>req_[^<]*</bdi>')


class World:
    """A tenant with one of everything, and a second tenant that knows all its ids."""

    def __init__(self, server):
        self.server = server
        self.own = new_tenant(server)
        self.bot = self.own.agent()
        self.anna = self.own.approver()
        self.own.put_roster(self.anna)
        self.executor = HandExecutor(self.own).answer_resolutions()
        self.action = self.bot.submit()
        self.executor.close()
        key = self.own.admin.api.ok("POST", f"{self.own.path}/principals/{self.bot.id}/keys", {"name": "spare"})
        token = requests.post(f"{server.url}/oauth2/token", timeout=30,
                              data={"grant_type": "client_credentials", "client_id": self.bot.id,
                                    "client_secret": key["secret"]}).json()["access_token"]
        self.session = server.api(token).ok("GET", "/v1/whoami")["credential"]
        definition = self.own.admin.api.ok("POST", f"{self.own.place}/definitions", {
            "kind": "workflow", "content": "document: {dsl: 1.0.0, namespace: a, name: b, version: 1.0.0}\n"})
        realm = self.own.admin.api.ok("POST", f"{self.own.path}/realms", {
            "name": "corp", "issuer": "https://issuer.example", "client_id": "countersign"})
        provider_key = self.own.admin.api.ok("POST", f"{self.own.place}/provider-keys", {
            "provider": "openai_compatible", "name": "main", "base_url": "https://models.example.invalid", "secret": "x"})
        self.other = new_tenant(server)
        other_bot = self.other.agent()
        other_approver = self.other.approver()
        other_executor = HandExecutor(self.other)
        self.strangers = {"administrator": self.other.admin.api, "agent": other_bot.api,
                          "approver": other_approver.api, "executor": other_executor.api}
        admin, path = self.own.admin.api, self.own.path
        role = admin.ok("POST", f"{path}/roles", {"name": "helper", "permissions": ["action.read"]})
        group = admin.ok("POST", f"{path}/groups", {"name": "helpers"})
        binding = admin.ok("POST", f"{path}/bindings", {"group": group["id"], "role": "helper"})
        grant = admin.ok("GET", f"{path}/agents/{self.bot.id}/grants")["items"][0]
        organizations = self.own.admin.api.ok("GET", f"{self.own.path}/organizations")["items"]
        self.theirs = {"tenant": self.own.id, "organization": organizations[0]["id"], "workspace": self.own.workspace, "principal": self.bot.id,
                       "key": key["key"]["id"], "action": self.action["id"], "executor": self.executor.id,
                       "provider_key": provider_key["id"],
                       "realm": realm["id"], "session": self.session, "resolution": never("res"), "passkey": never("pky"),
                       "path": "0/000.p/1", "role": role["id"], "group": group["id"], "binding": binding["id"]}
        self.nobodys = {"tenant": never("ten"), "organization": never("org"), "workspace": never("wsp"), "principal": never("agt"),
                        "key": never("key"), "action": never("act"), "executor": never("exe"), "provider_key": never("pvk"),
                        "realm": never("rlm"), "session": never("ses"), "resolution": never("res"), "passkey": never("pky"),
                        "path": "0/000.p/1", "role": never("rol"), "group": never("grp"), "binding": never("bnd")}
        for ids, definition_id in ((self.theirs, definition["id"]), (self.nobodys, never("def"))):
            ids.update(definition=definition_id, environment="test")
        self.theirs["grant"], self.nobodys["grant"] = grant["id"], never("gnt")


def never(prefix):
    """A well-formed id (UUIDv7, version and variant bits and all) that no server has made."""
    value = (0x0123456789AB << 80) | (0x7 << 76) | (0xABC << 64) | (0x2 << 62) | 0x123456789ABCDEF
    digits = ""
    for _ in range(26):
        digits = "0123456789abcdefghjkmnpqrstvwxyz"[value & 31] + digits
        value >>= 5
    return f"{prefix}_{digits}"


@pytest.fixture(scope="module")
def world(server):
    return World(server)


def send(api, operation, ids, **more):
    path = re.sub(r"\{(\w+)\}", lambda match: ids[match.group(1)], operation.path)
    body = contract.example(DOCUMENT, operation.body_schema) if operation.body_schema else None
    needed = {p["name"]: contract.example(DOCUMENT, p["schema"]) for p in operation.parameters
              if p["in"] == "query" and p.get("required")}
    if operation.id == "definition_diff":
        needed = {"to": ids["definition"]}
    if needed:
        more["params"] = needed
    if operation.takes_form:
        more.update(raw=b"verdict=approve", headers={"Content-Type": "application/x-www-form-urlencoded"})
    return api.request(operation.method, path, body, **more)


def comparable(response, ids):
    """What an attacker can compare: all but ids that they sent themselves, and the request's own id."""
    body = VOLATILE.sub(b"", response.content)
    for name, value in ids.items():
        body = body.replace(value.encode(), f"<{name}>".encode())
    headers = {name.lower(): value for name, value in response.headers.items()
               if name.lower() not in ("date", "x-request-id", "traceparent", "content-length")
               and not name.lower().startswith("ratelimit")}
    return response.status_code, headers, body


@pytest.mark.parametrize("operation", SCOPED, ids=repr)
@pytest.mark.parametrize("role", ["administrator", "agent", "approver", "executor"])
def test_another_tenants_things_are_as_if_they_never_were(world, operation, role):
    api = world.strangers[role]
    theirs = comparable(send(api, operation, world.theirs), world.theirs)
    nobodys = comparable(send(api, operation, world.nobodys), world.nobodys)
    assert theirs == nobodys
    assert theirs[0] == 404, theirs


@pytest.mark.parametrize("operation", SCOPED, ids=repr)
def test_nobody_is_answered_401(world, operation):
    for api in (world.server.api(), world.server.api("cs_nonsense"), world.server.api("")):
        response = send(api, operation, world.theirs)
        if operation.is_page:
            # A browser is sent to the log-in; whoever brings a credential that is none is told so.
            assert response.status_code == 401 or response.headers["Location"].startswith("/login"), response.text
            continue
        assert response.status_code == 401, response.text
        problem = response.json()
        assert problem["code"] == "UNAUTHENTICATED"
        assert world.own.id not in json.dumps(problem)


# Of log_tile_get the inner parameter is no id, of signing_key_create it must be the caller's own.
WITH_INNER_ID = [o for o in SCOPED if len(o.path_names()) > 1 and o.id not in ("log_tile_get", "signing_key_create")]


@pytest.mark.parametrize("operation", WITH_INNER_ID, ids=repr)
def test_another_tenants_id_inside_ones_own_tenant_is_not_there(world, operation):
    """The outer id is one's own, the inner one somebody else's."""
    own = {"tenant": world.other.id}
    if operation.scope == "workspace":
        own["workspace"] = world.other.workspace
    api = world.strangers["executor" if operation.permission == "work.take" else "administrator"]
    theirs = comparable(send(api, operation, {**world.theirs, **own}), world.theirs)
    nobodys = comparable(send(api, operation, {**world.nobodys, **own}), world.nobodys)
    assert theirs == nobodys
    assert theirs[0] in (200, 403, 404), theirs
    if theirs[0] == 200:
        assert json.loads(theirs[2]).get("items") == [], theirs


def test_after_all_that_nothing_has_changed(world):
    assert world.bot.action(world.action["id"])["state"] == "pending"
    assert world.bot.action(world.action["id"])["decisions"] == []


@pytest.mark.parametrize("operation", [o for o in contract.operations() if o.scope == "platform"], ids=repr)
def test_platform_operations_are_for_the_platform_only(world, operation):
    response = send(world.strangers["administrator"], operation, world.theirs)
    assert response.status_code == 403, response.text
    assert send(world.server.api(), operation, world.theirs).status_code == 401


def test_one_tenants_log_shows_nothing_of_another(world):
    text = json.dumps(world.other.log_entries())
    for name in ("tenant", "workspace", "principal", "action"):
        assert world.theirs[name] not in text
